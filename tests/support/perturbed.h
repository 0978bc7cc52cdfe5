// An evaluation whose rounding is chosen at random within what each op promises: vector functions by their bounds (vmath.def),
// arithmetic and sums by what contraction and another order may change. Decisions (lt, floor, sort, mod, ...) that fall one way
// in some of them and the other way in others are open: compiled code may decide them either way.
//
//   IrArray *outputs = perturbed_evaluate(arena, fn, &env, 3);      // another seed: other rounding
#ifndef HGM_TESTS_PERTURBED_H
#define HGM_TESTS_PERTURBED_H

#include "compiler/ir/ir.h"

// Outputs of fn; env->round_f32 says whether f32 values are rounded to float, as in ir_eval.
IrArray *perturbed_evaluate(Arena *arena, const IrFn *fn, const IrEnv *env, uint64_t seed);

#endif
