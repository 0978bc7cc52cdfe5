// Signs and numbers: neg moves towards the result until a sum takes it up, numbers meet in one product, a quotient by a
// number or by something smaller is a product with its reciprocal.
#include "compiler/opt/algebra.h"

#include <math.h>

static bool is_neg(const Rewrite *rw, IrRef r) { return opt_is(rw, r, IR_NEG); }
static IrRef inside(const Rewrite *rw, IrRef r) { return opt_operand(rw, r, 0); }

// The same for terms of a sum: -x, or -x stretched. Then x, or x stretched.
static bool is_neg_term(const Rewrite *rw, IrRef r) { return is_neg(rw, r) || (opt_is(rw, r, IR_BROADCAST) && is_neg(rw, inside(rw, r))); }
static IrRef inside_term(Rewrite *rw, IrRef r) {
  if (is_neg(rw, r)) return inside(rw, r);
  return opt_broadcast(rw, inside(rw, inside(rw, r)), opt_type(rw, r), opt_at(rw, r)->attr.order);
}

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

// Is c within the range of x's type, with all its digits? What is computed from two numbers of it need not be.
static bool holds(const Rewrite *rw, IrRef x, double c) { return opt_type(rw, x)->dtype == IR_F32 ? isnormal((float)c) : isnormal(c); }

static IrRef of_neg(Rewrite *rw, const IrValue *v) {
  IrRef a = v->operands[0], x;
  double c;
  if (opt_is(rw, a, IR_SUB)) return opt_binary(rw, IR_SUB, opt_operand(rw, a, 1), opt_operand(rw, a, 0));
  return is_scaled(rw, a, &x, &c) ? scale(rw, x, -c) : IR_NONE;
}

static IrRef of_add(Rewrite *rw, const IrValue *v) {
  IrRef a = v->operands[0], b = v->operands[1];
  if (is_neg_term(rw, b)) return opt_binary(rw, IR_SUB, a, inside_term(rw, b));
  return is_neg_term(rw, a) ? opt_binary(rw, IR_SUB, b, inside_term(rw, a)) : IR_NONE;
}

static IrRef of_sub(Rewrite *rw, const IrValue *v) {
  IrRef a = v->operands[0], b = v->operands[1];
  if (is_neg_term(rw, b)) return opt_binary(rw, IR_ADD, a, inside_term(rw, b));
  return is_neg(rw, a) ? neg(rw, opt_binary(rw, IR_ADD, inside(rw, a), b)) : IR_NONE;
}

static bool is_positive_number(const Rewrite *rw, IrRef r) {
  double x;
  return ir_is_fill(rw->to, r, &x) && x > 0;
}

// Known not to be negative, as far as a few steps back show.
static bool is_nonnegative(const Rewrite *rw, IrRef r, int depth) {
  const IrValue *v = opt_at(rw, r);
  double x;
  if (ir_is_fill(rw->to, r, &x)) return x >= 0;
  if (v->op == IR_EXP || v->op == IR_SIGMOID || v->op == IR_ABS || v->op == IR_SQRT || v->op == IR_COSH) return true;
  if (v->op == IR_MUL && v->operands[0] == v->operands[1]) return true;
  if (v->op == IR_MAX && (is_positive_number(rw, v->operands[0]) || is_positive_number(rw, v->operands[1]))) return true;
  bool keeps = v->op == IR_ADD || v->op == IR_MUL || v->op == IR_DIV || v->op == IR_SUM || v->op == IR_BROADCAST || v->op == IR_SLICE || v->op == IR_RESHAPE ||
               v->op == IR_WINDOWS || v->op == IR_FOLD || v->op == IR_LOG1P;
  for (uint32_t k = 0; keeps && k < v->n_operands; k++) keeps = depth > 0 && is_nonnegative(rw, v->operands[k], depth - 1);
  return keeps;
}

// (x + c) d with numbers c, d > 0 and x >= 0 is x d + c d: one fma. Where signs differ, x + c may cancel: it stays.
static IrRef distribute(Rewrite *rw, IrRef a, double d) {
  double c;
  if (!opt_is(rw, a, IR_ADD) || !opt_single(rw, a) || d <= 0) return IR_NONE;
  for (int k = 0; k < 2; k++) {
    IrRef x = opt_operand(rw, a, 1 - k);
    if (!ir_is_fill(rw->to, opt_operand(rw, a, k), &c) || c <= 0 || !is_nonnegative(rw, x, 6)) continue;
    return opt_binary(rw, IR_ADD, scale(rw, x, d), opt_number_like(rw, x, c * d));
  }
  return IR_NONE;
}

// Stretched in the same way, or at least one of them a number.
static bool same_stretch(const Rewrite *rw, IrRef a, IrRef b) {
  const IrValue *x = opt_at(rw, a), *y = opt_at(rw, b);
  double number;
  if (x->op != IR_BROADCAST || y->op != IR_BROADCAST) return false;
  if (ir_is_fill(rw->to, a, &number) || ir_is_fill(rw->to, b, &number)) return true;
  for (int i = 0; i < x->type.rank; i++) {
    if (x->attr.order[i] != y->attr.order[i]) return false;
  }
  return true;
}

// (x c) b with c and b both stretched is x (c b): the inner product is the smaller one.
static IrRef collect(Rewrite *rw, IrRef a, IrRef b) {
  if (!opt_is(rw, a, IR_MUL) || !opt_single(rw, a) || !opt_is(rw, b, IR_BROADCAST)) return IR_NONE;
  for (int k = 0; k < 2; k++) {
    IrRef c = opt_operand(rw, a, k), x = opt_operand(rw, a, 1 - k);
    if (same_stretch(rw, b, c)) return opt_binary(rw, IR_MUL, x, opt_binary(rw, IR_MUL, c, b));
  }
  return IR_NONE;
}

static IrRef of_mul(Rewrite *rw, const IrValue *v) {
  for (int k = 0; k < 2; k++) {
    IrRef a = v->operands[k], b = v->operands[1 - k], x;
    double c, d;
    if (!ir_is_fill(rw->to, b, &d)) continue;
    if (is_neg(rw, a)) return scale(rw, inside(rw, a), -d);
    if (!ir_is_real(&v->type)) return IR_NONE;
    if (is_scaled(rw, a, &x, &c)) return holds(rw, x, c * d) ? scale(rw, x, c * d) : IR_NONE;
    IrRef r = distribute(rw, a, d);
    return r != IR_NONE ? r : collect(rw, a, b);
  }
  for (int k = 0; k < 2; k++) {
    IrRef a = v->operands[k], b = v->operands[1 - k];
    if (is_neg(rw, a)) return neg(rw, opt_binary(rw, IR_MUL, inside(rw, a), b));
    IrRef r = ir_is_real(&v->type) ? collect(rw, a, b) : IR_NONE;
    if (r != IR_NONE) return r;
  }
  return IR_NONE;
}

static IrRef of_div(Rewrite *rw, const IrValue *v) {
  IrRef a = v->operands[0], b = v->operands[1];
  double c;
  if (is_neg(rw, a)) return neg(rw, opt_binary(rw, IR_DIV, inside(rw, a), b));
  if (is_neg(rw, b)) return neg(rw, opt_binary(rw, IR_DIV, a, inside(rw, b)));
  if (ir_is_fill(rw->to, b, &c)) return holds(rw, a, 1 / c) ? scale(rw, a, 1 / c) : IR_NONE;
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
    [IR_NEG] = of_neg,       [IR_ADD] = of_add,        [IR_SUB] = of_sub,       [IR_MUL] = of_mul,        [IR_DIV] = of_div,
    [IR_EINSUM] = of_einsum, [IR_SUM] = of_linear,     [IR_CUMSUM] = of_linear, [IR_RESHAPE] = of_linear, [IR_TRANSPOSE] = of_linear,
    [IR_SLICE] = of_linear,  [IR_WINDOWS] = of_linear, [IR_FOLD] = of_linear,
};

IrRef algebra_sign(Rewrite *rw, const IrValue *v) {
  OptRule *rule = rules[v->op];
  return rule ? rule(rw, v) : IR_NONE;
}
