// Signs and numbers: neg moves towards the result until a sum takes it up, numbers meet in one product, a quotient by a
// number or by something smaller is a product with its reciprocal.
#include "compiler/opt/algebra.h"

static bool is_neg(const Rewrite *rw, IrRef r) { return opt_is(rw, r, IR_NEG); }
static IrRef inside(const Rewrite *rw, IrRef r) { return opt_operand(rw, r, 0); }
static IrRef neg(Rewrite *rw, IrRef r) { return opt_unary(rw, IR_NEG, r); }

// x c with a number c: gives x and c.
static bool is_scaled(const Rewrite *rw, IrRef r, IrRef *x, double *c) {
  if (!opt_is(rw, r, IR_MUL)) return false;
  for (int k = 0; k < 2; k++) {
    if (!ir_is_fill(rw->to, opt_operand(rw, r, k), c)) continue;
    *x = opt_operand(rw, r, 1 - k);
    return true;
  }
  return false;
}

static IrRef scale(Rewrite *rw, IrRef x, double c) { return opt_binary(rw, IR_MUL, x, opt_number_like(rw, x, c)); }

static IrRef of_neg(Rewrite *rw, const IrValue *v) {
  IrRef a = v->operands[0], x;
  double c;
  if (opt_is(rw, a, IR_SUB)) return opt_binary(rw, IR_SUB, opt_operand(rw, a, 1), opt_operand(rw, a, 0));
  return is_scaled(rw, a, &x, &c) ? scale(rw, x, -c) : IR_NONE;
}

static IrRef of_add(Rewrite *rw, const IrValue *v) {
  IrRef a = v->operands[0], b = v->operands[1];
  if (is_neg(rw, b)) return opt_binary(rw, IR_SUB, a, inside(rw, b));
  return is_neg(rw, a) ? opt_binary(rw, IR_SUB, b, inside(rw, a)) : IR_NONE;
}

static IrRef of_sub(Rewrite *rw, const IrValue *v) {
  IrRef a = v->operands[0], b = v->operands[1];
  if (is_neg(rw, b)) return opt_binary(rw, IR_ADD, a, inside(rw, b));
  return is_neg(rw, a) ? neg(rw, opt_binary(rw, IR_ADD, inside(rw, a), b)) : IR_NONE;
}

static IrRef of_mul(Rewrite *rw, const IrValue *v) {
  for (int k = 0; k < 2; k++) {
    IrRef a = v->operands[k], b = v->operands[1 - k], x;
    double c, d;
    if (!ir_is_fill(rw->to, b, &d)) continue;
    if (is_neg(rw, a)) return scale(rw, inside(rw, a), -d);
    if (ir_is_real(&v->type) && is_scaled(rw, a, &x, &c)) return scale(rw, x, c * d);
    return IR_NONE;
  }
  for (int k = 0; k < 2; k++) {
    IrRef a = v->operands[k], b = v->operands[1 - k];
    if (is_neg(rw, a)) return neg(rw, opt_binary(rw, IR_MUL, inside(rw, a), b));
  }
  return IR_NONE;
}

static IrRef of_div(Rewrite *rw, const IrValue *v) {
  IrRef a = v->operands[0], b = v->operands[1];
  double c;
  if (is_neg(rw, a)) return neg(rw, opt_binary(rw, IR_DIV, inside(rw, a), b));
  if (is_neg(rw, b)) return neg(rw, opt_binary(rw, IR_DIV, a, inside(rw, b)));
  if (ir_is_fill(rw->to, b, &c) && c != 0) return scale(rw, a, 1 / c);
  if (!opt_is(rw, b, IR_BROADCAST) || ir_is_number(rw->to, a, 1)) return IR_NONE;
  IrRef one = opt_number_like(rw, inside(rw, b), 1); // softmax: one division an event, not one a number
  IrRef reciprocal = opt_binary(rw, IR_DIV, one, inside(rw, b));
  return opt_binary(rw, IR_MUL, a, opt_broadcast(rw, reciprocal, &v->type, opt_at(rw, b)->attr.order));
}

static IrRef of_einsum(Rewrite *rw, const IrValue *v) {
  for (int k = 0; k < 2; k++) {
    if (!is_neg(rw, v->operands[k]) || !opt_single(rw, v->operands[k])) continue;
    IrRef operands[2] = {v->operands[0], v->operands[1]};
    operands[k] = inside(rw, operands[k]);
    return neg(rw, opt_make(rw, IR_EINSUM, operands, 2, &v->attr, NULL));
  }
  return IR_NONE;
}

// Linear in their first operand: the sign goes through.
static IrRef of_linear(Rewrite *rw, const IrValue *v) {
  IrRef a = v->operands[0];
  if (!is_neg(rw, a) || !opt_single(rw, a)) return IR_NONE;
  IrRef operands[2] = {inside(rw, a), v->n_operands > 1 ? v->operands[1] : IR_NONE};
  return neg(rw, opt_make(rw, v->op, operands, v->n_operands, &v->attr, &v->type));
}

static OptRule *const rules[IR_OP_COUNT] = {
    [IR_NEG] = of_neg, [IR_ADD] = of_add,       [IR_SUB] = of_sub,    [IR_MUL] = of_mul,
    [IR_DIV] = of_div, [IR_EINSUM] = of_einsum, [IR_SUM] = of_linear, [IR_CUMSUM] = of_linear,
};

IrRef algebra_sign(Rewrite *rw, const IrValue *v) {
  OptRule *rule = rules[v->op];
  return rule ? rule(rw, v) : IR_NONE;
}
