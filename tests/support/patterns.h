// Random functions made of what passes look for: views of views, constant and short indices, zeros around and between,
// masks, signs, stretched factors, products of products. Steps (comparisons, argmax) are taken of leaves only, so that
// last bits never turn one over. Every value that no other reads is an output.
#ifndef HGM_TESTS_PATTERNS_H
#define HGM_TESTS_PATTERNS_H

#include "compiler/ir/ir.h"

IrFn *random_patterns(Arena *arena, uint64_t seed, int steps);

#endif
