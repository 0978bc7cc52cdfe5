// Compiled programs against the evaluator, on random data: for several numbers of events around a vector and a tile, with the same
// bits for one and two threads, and for events in bulk and one at a time.
//
//   checked_check(fn, 2, true, "my function");      // fails the test with what differs
#ifndef HGM_TESTS_CHECKED_H
#define HGM_TESTS_CHECKED_H

#include "compiler/codegen/codegen.h"

enum {
  CHECKED_MOST_EVENTS = 257,
  CHECKED_SMALL_TILE = 16,
  CHECKED_LARGE_BATCH = 1 << 30
}; // the least with events along the lanes; too many to keep anything of

// seed: of the data; seed % 4 == 2: small tiles; 3: compiled for a large batch. f32: the function's reals, for how far rounding may lead.
void checked_check(const IrFn *fn, uint64_t seed, bool f32, const char *label);

// What one function compiled gives that another, with the same leaves and outputs, should not; NULL: nothing.
const char *checked_difference(Arena *arena, const IrFn *compiled, const IrFn *meant, uint64_t seed, bool f32);

// Pieces of it. Runs the program on the evaluator's data; outputs by port, in the arena.
void **checked_execute(Arena *arena, const HgmProgram *program, const IrEnv *env, int threads);
IrArray *checked_evaluate(Arena *arena, const IrFn *fn, const IrEnv *env); // by output
// Outputs up to the program's phase `last` have the same bits.
void checked_same_bits(const HgmProgram *program, void **a, void **b, int64_t events, uint32_t last, const char *label, const char *what);
size_t checked_bytes(HgmDtype dtype);
double checked_get(const void *array, HgmDtype dtype, int64_t i);

#endif
