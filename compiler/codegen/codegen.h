// Tensor IR -> machine code: schedule into phases, fuse, plan memory, lower to LLVM IR, object, flat image.
// Only this folder includes LLVM headers.
//
//   CodegenOptions o = codegen_defaults(); HgmProgram *p = codegen_compile(fn, &o, pool, &stats);  ...  codegen_free(p);
#ifndef HGM_CODEGEN_H
#define HGM_CODEGEN_H

#include <stdatomic.h>

#include "compiler/ir/ir.h"
#include "runtime/program.h"

typedef struct CodeShelf CodeShelf; // machine code that programs have in common (shelf.h)

enum { CODE_LANES = 16 }; // events of one vector in IR and of one panel of an array, whatever the dtype and the machine

typedef struct CodegenOptions {
  const char *cpu, *features; // NULL: the host's
  uint32_t
      tile; // events of a tile: 128 for training and bulk; 1 for single events, whose own axes then lie along the lanes (16 where there are pairs of events)
  uint64_t batch;          // events of a call, about: more of them are kept less of (remat.c); 0: no matter
  uint32_t partials;       // most ranges of tiles with sums of their own: 8, or half of it where their buffers are large
  bool verify;             // LLVM's verifier on every module
  bool in_place;           // new weights and states over the old ones where that does no harm (HgmPort.in_place)
  bool bf16;               // operands of products are bf16: for compile_function, which calls opt_bf16; the code goes by the function alone
  bool tiles;              // products of bf16 by AMX, which cpu and features need not name
  bool shared;             // threads share the commands of a tile (HgmProgram.shared)
  bool quick;              // for a program that runs a few times over: code of its own loops is made in half the time and runs half as fast
  const atomic_bool *stop; // turns true when nobody wants the program any more; NULL: it is wanted
  CodeShelf *shelf;        // of programs compiled at the same time, with the same options; NULL: none
  void (*scheduled)(void *context, const HgmProgram *tables); // told all but the code before that is made; NULL: nobody is
  void *context;
  const char *dump; // NULL, "schedule", "plan", "llvm", "asm": printed to stdout
} CodegenOptions;

typedef struct CodegenStats { // for --time-passes and the tests that bound instruction counts
  double schedule_ms, machine_ms, image_ms;
  uint32_t kernels, commands, instructions; // distinct kernels made here, not for another program of the shelf; calls; LLVM instructions in these kernels
} CodegenStats;

// One user more; one less, and the last takes it away.
CodeShelf *codegen_shelf_create(void);
CodeShelf *codegen_shelf_share(CodeShelf *shelf);
void codegen_shelf_release(CodeShelf *shelf); // NULL: none

CodegenOptions codegen_defaults(void);
// What code depends on besides the function: version of LLVM, processor, features, options. For the keys of caches.
char *codegen_identity(Arena *arena, const CodegenOptions *options);
// Compiles kernels in parallel on the pool (may be NULL). Never fails on a verified function; ir_fail on our own errors.
// The program as one piece of bytes (runtime/program_file.h): freed with free(). NULL: stopped.
uint8_t *codegen_pack(const IrFn *fn, const CodegenOptions *options, HgmPool *pool, CodegenStats *stats, size_t *size);
// The same, loaded: ready to run.
HgmProgram *codegen_compile(const IrFn *fn, const CodegenOptions *options, HgmPool *pool, CodegenStats *stats);
void codegen_free(HgmProgram *program);
double codegen_left_out(const IrFn *fn); // terms of an event in contractions over events that meet only zeros of pads and are not computed

#endif
