// Random well-typed IR functions over every op of ops.def, with data for their leaves: the programs on which
// derivatives, passes and compiled code are compared with the evaluator.
//
//   IrFn *fn = random_program(arena, seed, IR_F32, NULL);
//   IrEnv env = {.events = 37, .seed = 5};
//   random_leaves(arena, fn, seed, &env);
//   ir_eval(fn, &env, arena, outputs, &error);
//
// Operands are brought into the interval of ops.def before use (by an affine map, a tanh or, unless smooth, a clamp),
// so that values stay of order one and away from poles. Same seed and options: same program. Outputs: "loss", a f64
// scalar that depends on every real value built, and "y0", "y1", ...: every value that no other reads, per event and
// not, of all dtypes.
#ifndef HGM_TESTS_RANDOM_PROGRAM_H
#define HGM_TESTS_RANDOM_PROGRAM_H

#include "compiler/ir/ir.h"

typedef struct RandomOptions {
  int ops;                // how many ops are asked for, 0: 60; each brings some leaves and maps of operands along.
                          // Ops come in random order without repeats, then again: IR_OP_COUNT or more reaches all of them.
  bool smooth;            // only what central differences can check: no kinks, no steps (and no trigamma: no derivative)
  bool no_pairs;          // no values with two event axes
  bool no_events_reduced; // nothing sums over events inside (the loss still does): one phase
} RandomOptions;

IrFn *random_program(Arena *arena, uint64_t seed, IrDtype real, const RandomOptions *options);

// Sets leaves and n_leaves of env for fn and env->events. Numbers of f32 leaves are floats.
void random_leaves(Arena *arena, const IrFn *fn, uint64_t seed, IrEnv *env);

uint64_t random_bits(uint64_t *state); // splitmix64
double random_between(uint64_t *state, double low, double high);
int64_t random_below(uint64_t *state, int64_t n); // 0..n-1

#endif
