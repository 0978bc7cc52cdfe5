// Common subexpressions: of equal values the first stands for all. Draws of one site, kind and type are equal.
//
//   s = exp a : f32[e]                    s = exp a : f32[e]
//   t = exp a : f32[e]             ->     u = mul s, s : f32[e]
//   u = mul s, t : f32[e]
#include "compiler/ir/same.h"
#include "compiler/opt/opt.h"
#include "compiler/opt/rewrite.h"

OptPass opt_cse;

IrFn *opt_cse(Arena *arena, const IrFn *fn) {
  Rewrite rw = opt_rewrite(arena, fn, NULL);
  IrSame same = ir_same_new(rw.scratch, fn->values.len);
  for (IrRef i = 0; i < fn->values.len; i++) {
    if (rw.uses[i] == 0) continue;
    IrValue *v = ARENA_NEW(rw.scratch, IrValue);
    *v = opt_on_mapped_operands(&rw, i);
    IrRef *first = ir_same(&same, v);
    if (*first == IR_NONE) *first = opt_put(&rw, v);
    opt_set(&rw, i, *first);
  }
  return opt_rewrite_end(&rw);
}
