// From a function to a program that runs: out of the cache, or optimised and compiled; at once, or in a thread of its own
// while the session does other things.
//
//   session_compile_phase(session, model, phase);  ... read and prepare data ...  program = session_compile(session, step, shape, CODE_STEP);
//
// A compilation ahead shares nothing with the session but what neither changes: the function and where the cache lies. So it may begin
// while the rest of the model is still read.
#ifndef HGM_DRIVER_COMPILING_H
#define HGM_DRIVER_COMPILING_H

#include "compiler/driver/session.h"

typedef enum {
  CODE_PLAIN,
  CODE_STEP,  // of training: stores in place (CodegenOptions.in_place)
  CODE_QUICK, // for a program that runs a few times over (CodegenOptions.quick)
  CODE_DRAW   // draws events or scores them: in bf16 where the session is
} CodeKind;

// A program as bytes, and how it came about.
typedef struct Compiled {
  uint8_t *packed; // freed with free(); NULL: stopped
  size_t size;
  CodegenStats stats;
  double begin_ms, optimised_ms; // of the monotonic clock, which all processes share
} Compiled;

// Optimised and compiled in this process. pool may be NULL.
Compiled compile_function(const IrFn *fn, const CodegenOptions *options, HgmPool *pool);

const char *session_identity(Arena *arena); // which hgmc this is: another build may make something else of the same

typedef struct CodeShape { // of the calls that a program is for (codegen.h)
  uint32_t tile;           // events of a tile
  uint64_t batch;          // events of a call, about; 0: any
  bool shared;             // threads share the commands of a tile
} CodeShape;
// Honours --time-passes and --dump. Waits for a compilation ahead of the same function.
HgmProgram *session_compile(Session *session, const IrFn *fn, CodeShape shape, CodeKind kind);
// The steps of a phase ahead, as CODE_STEP, kernels that they have in common once: ModelOptions.phase_read. What the cache does not know is made quickly;
// session_improve makes it once more with care, behind the training.
void session_compile_phase(void *session, const Model *model, const ModelPhase *phase);
// What a program that is compiled ahead needs of a room (hgm_room_bytes), known long before its code; 0: it is not compiled ahead.
uint64_t session_room_bytes(Session *session, const IrFn *fn, CodeShape shape, int64_t events);
void session_improve(Session *session);                         // begins with all that were made quickly
HgmProgram *session_improved(Session *session, const IrFn *fn); // one that is ready: the same tables, faster kernels; NULL: none
void session_drop_ahead(Session *session);                      // stops those that nobody wants any more
void session_print_times(const Session *session);

#endif
