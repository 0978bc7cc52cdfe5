// Algebra: rewrites that may change the last bits. What is built on the way is folded at once.
//
//   b = broadcast a : f32[e,3]            d = exp a : f32[e]
//   c = exp b : f32[e,3]           ->     c = broadcast d : f32[e,3]
//   d = neg c : f32[e,3]
//   y = sub x, d : f32[e,3]               y = add x, c : f32[e,3]
#include "compiler/opt/algebra.h"

#include "compiler/opt/fold.h"
#include "compiler/opt/opt.h"

OptPass opt_algebra;

// A stop has done its work once derivatives are taken.
static IrRef drop_stop(Rewrite *rw, const IrValue *v) {
  (void)rw;
  return v->op == IR_STOP ? v->operands[0] : IR_NONE;
}

static IrRef algebra(Rewrite *rw, const IrValue *v) {
  static OptRule *const parts[] = {fold_value, drop_stop, algebra_broadcast, algebra_sign, algebra_select, algebra_sum, algebra_pad, algebra_index};
  for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
    IrRef r = parts[i](rw, v);
    if (r != IR_NONE) return r;
  }
  return IR_NONE;
}

IrFn *opt_algebra(Arena *arena, const IrFn *fn) {
  Rewrite rw = opt_rewrite(arena, fn, algebra);
  return opt_rewrite_all(&rw);
}
