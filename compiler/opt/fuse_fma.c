// A product and the sum that alone uses it become one fma, at places that the text of the function fixes: the left
// product first. Subtractions become an fma of a negated operand, which costs nothing in machine code.
//
//   p = mul a, b : f32[e]
//   y = add p, c : f32[e]          ->     y = fma a, b, c : f32[e]
#include "compiler/opt/opt.h"

#include "compiler/opt/rewrite.h"

OptPass opt_fuse_fma;

// The product among the operands of value i of `from` that nobody else uses: its place (0, 1), or -1.
static int lone_product(const Rewrite *rw, const IrValue *v) {
  for (int k = 0; k < 2; k++) {
    const IrValue *x = ir_at(rw->from, v->operands[k]);
    if (x->op == IR_MUL && rw->uses[v->operands[k]] == 1) return k;
  }
  return -1;
}

static IrRef put(Rewrite *rw, IrOp op, const IrType *type, const IrRef *operands, uint32_t n, uint32_t span) {
  IrValue v = {.op = op, .type = *type, .operands = operands, .n_operands = n, .span = span};
  return opt_put(rw, &v);
}

static IrRef negated(Rewrite *rw, IrRef r, const IrValue *v) {
  double x;
  if (ir_is_fill(rw->to, r, &x)) return opt_fill(rw, &v->type, -x);
  return opt_is(rw, r, IR_NEG) ? opt_operand(rw, r, 0) : put(rw, IR_NEG, &v->type, &r, 1, v->span);
}

static bool fuse(Rewrite *rw, IrRef i) {
  const IrValue *v = ir_at(rw->from, i);
  if ((v->op != IR_ADD && v->op != IR_SUB) || !ir_is_real(&v->type)) return false;
  int k = lone_product(rw, v);
  if (k < 0) return false;
  const IrValue *product = ir_at(rw->from, v->operands[k]);
  IrRef operands[3] = {rw->map[product->operands[0]], rw->map[product->operands[1]], rw->map[v->operands[1 - k]]};
  if (v->op == IR_SUB) {
    int negative = k == 0 ? 2 : 0; // ab - c = fma(a, b, -c); c - ab = fma(-a, b, c)
    operands[negative] = negated(rw, operands[negative], v);
  }
  opt_set(rw, i, put(rw, IR_FMA, &v->type, operands, 3, v->span));
  return true;
}

IrFn *opt_fuse_fma(Arena *arena, const IrFn *fn) {
  Rewrite rw = opt_rewrite(arena, fn, NULL);
  for (IrRef i = 0; i < fn->values.len; i++) {
    if (!fuse(&rw, i)) opt_copy(&rw, i);
  }
  return opt_rewrite_end(&rw);
}
