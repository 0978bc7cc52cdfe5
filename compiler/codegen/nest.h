// A nest kernel as plain data: all that emission knows of it, so that equal bytes mean equal code (dedupe).
//
// for (panels) for (outer loops) for (events of the panel in lanes) { segment; segment; ... }, a segment being straight-line code or
// a loop. As many lanes as the machine has; 16 where anything is summed over events, and for (outer loops) for (events in lanes) then.
// Pairs: for (outer loops) for (events in 16 lanes) for (other events) { segment; ... }.
// Values with outer loops only live in registers; those of an inner loop that a later segment reads go to a local array
// of [row][lanes] on the stack.
#ifndef HGM_CODEGEN_NEST_H
#define HGM_CODEGEN_NEST_H

#include "compiler/codegen/schedule.h"
#include "compiler/codegen/target.h"

typedef enum {
  NEST_EVENTS, // lanes are events of a tile
  NEST_FLAT,   // weights: lanes are consecutive elements, elements tile->first .. last
  NEST_LANES,  // weights, or one event: lanes are neighbours along an outer loop; without one, all lanes are the same
} NestMode;

typedef enum { READ_REGISTER, READ_LOCAL, READ_ROWS, READ_OTHER, READ_UNIFORM, READ_NUMBER, READ_IOTA, READ_PARTIAL } ReadKind;

typedef struct NestRead {
  int32_t kind, dtype, index;                       // index: step, local, slot or number
  int32_t rows;                                     // ROWS, OTHER: of the array
  int64_t base, divide, modulo, stride[NEST_LOOPS]; // modulo 0: no row wraps
} NestRead;

typedef struct NestStep {
  int32_t kind, op, dtype, segment; // StepKind, IrOp, IrDtype
  int32_t over_events, over_pairs, backwards, exclusive, draw;
  int32_t restarts; // has inner loops around its running sum: that begins again in each of their turns, and is kept in a local array
  int32_t loops, kept, n_reads, slot, local, site_slot; // -1: none
  int32_t dynamic_loop, adds, continues;
  int32_t rows; // EVENTS: of the array it stores to
  int32_t halves, n_clips;
  int64_t store_base, store_stride[NEST_LOOPS], local_base;
  int64_t dynamic_stride, dynamic_extent;
  NestRead read[NEST_OPERANDS];
  Clip clips[STEP_CLIPS];
} NestStep;

typedef struct NestSegment {
  int32_t loops, reversed;
  int64_t extent[NEST_LOOPS];
} NestSegment;

typedef struct NestLocal {
  int64_t rows;
  int32_t dtype, unused;
} NestLocal;

typedef struct NestSlot { // a pointer argument: a buffer from this row on; not part of the kernel
  uint32_t buffer;        // buffer + 1
  int64_t row;
  bool batch; // BATCH: of the first tile, not of this one
} NestSlot;

typedef struct Nest {
  int32_t mode, outer, pairs;
  int32_t lanes, lane_loop;         // LANES: of a vector; the loop, or -1
  int64_t tile, extent[NEST_LOOPS]; // tile: events, 0: none
  uint32_t n_segments, n_steps, n_locals, n_slots;
  NestSegment *segments;
  NestStep *steps;
  NestLocal *locals;
  NestSlot *slots;
  double *numbers; // in the order in which steps read them
  uint32_t n_numbers;
  int64_t elements; // FLAT: how many; not part of the kernel
  int64_t shares;   // a call has tile->first .. last of so many shares, of EVENTS of all work, of LANES of the first loop; 0: all of it
} Nest;

// A copy that exchanges axes: neighbours along loop `from` are read from neighbouring places, those along loop `to` stored to such.
typedef struct Exchange {
  int from, to;
} Exchange;

Nest *nest_build(Schedule *s, const Group *group);
void nest_choose_lanes(Nest *nest, int cost); // nest_lanes.c: LANES; joins loops, then chooses
void nest_emit(CodeModule *m, const char *name, const Nest *nest);
bool exchange_fits(const Nest *nest, Exchange *x); // emit_exchange.c: in squares of registers
void exchange_emit(CodeModule *m, const char *name, const Nest *nest, const Exchange *x);
bool nest_same(const Nest *a, const Nest *b);                    // the same code, but for numbers
uint64_t hash_words(uint64_t hash, const void *words, size_t n); // goes on with n bytes, a multiple of 8
uint64_t nest_hash(uint64_t hash, const Nest *nest);             // numbers left out

// One lane-wise op (emit_point.c) on registers: reals and i32 as 16 lanes, bool as <16 x i1>.
LLVMValueRef point_emit(CodeModule *m, IrOp op, IrDtype dtype, const IrDtype *from, const LLVMValueRef *operands);
LLVMValueRef point_larger(CodeModule *m, IrDtype dtype, LLVMValueRef a, LLVMValueRef b, bool max); // or the smaller; NaN wins. Vectors or scalars
bool point_is_real(IrDtype dtype);
LLVMTypeRef point_type(CodeModule *m, IrDtype dtype);           // of a register
LLVMTypeRef point_memory_element(CodeModule *m, IrDtype dtype); // of one number in an array

#endif
