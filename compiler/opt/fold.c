// Fold: constants are computed, identities dropped, shape ops composed. Bits stay, with two exceptions that are meant:
// 0 x is 0 whatever x is, and small powers become products.
//
//   a = input "a" : f32[e]
//   zero = const 0 : f32
//   z = broadcast zero : f32[e]           a = input "a" : f32[e]
//   b = add a, z : f32[e]          ->     output "y" = a
//   output "y" = b
#include "compiler/opt/fold.h"

#include "compiler/opt/opt.h"

#include <math.h>
#include <stdlib.h>

OptPass opt_fold;

static bool is_number(const Rewrite *rw, IrRef r, double x) { return ir_is_number(rw->to, r, x); }

static IrRef fold_add(Rewrite *rw, const IrValue *v) {
  IrRef a = v->operands[0], b = v->operands[1];
  return is_number(rw, a, 0) ? b : is_number(rw, b, 0) ? a : IR_NONE;
}

static IrRef fold_sub(Rewrite *rw, const IrValue *v) {
  IrRef a = v->operands[0], b = v->operands[1];
  if (is_number(rw, b, 0)) return a;
  return is_number(rw, a, 0) ? opt_unary(rw, IR_NEG, b) : IR_NONE;
}

// One factor is the number x, the other is a.
static IrRef times_number(Rewrite *rw, const IrValue *v, double x, IrRef a) {
  if (x == 1) return a;
  if (x == 0) return opt_fill(rw, &v->type, 0);
  return x == -1 ? opt_unary(rw, IR_NEG, a) : IR_NONE;
}

static IrRef fold_mul(Rewrite *rw, const IrValue *v) {
  double x;
  for (int k = 0; k < 2; k++) {
    if (ir_is_fill(rw->to, v->operands[k], &x)) return times_number(rw, v, x, v->operands[1 - k]);
  }
  return IR_NONE;
}

static IrRef fold_div(Rewrite *rw, const IrValue *v) {
  IrRef a = v->operands[0], b = v->operands[1];
  double x;
  int exponent;
  if (!ir_is_fill(rw->to, b, &x)) return IR_NONE;
  if (x == 1) return a;
  if (x == -1) return opt_unary(rw, IR_NEG, a);
  if (fabs(frexp(x, &exponent)) == 0.5 && abs(exponent) < 100) // a power of two: the reciprocal is exact
    return opt_binary(rw, IR_MUL, a, opt_number_like(rw, b, 1 / x));
  return IR_NONE;
}

static IrRef fold_fma(Rewrite *rw, const IrValue *v) {
  IrRef a = v->operands[0], b = v->operands[1], c = v->operands[2];
  if (is_number(rw, a, 0) || is_number(rw, b, 0)) return c;
  if (is_number(rw, a, 1)) return opt_binary(rw, IR_ADD, b, c);
  if (is_number(rw, b, 1)) return opt_binary(rw, IR_ADD, a, c);
  return is_number(rw, c, 0) ? opt_binary(rw, IR_MUL, a, b) : IR_NONE;
}

// f(f(x)) is x: neg, not.
static IrRef fold_involution(Rewrite *rw, const IrValue *v) { return opt_is(rw, v->operands[0], v->op) ? opt_operand(rw, v->operands[0], 0) : IR_NONE; }

// f(f(x)) is f(x): abs, sign, floor, round, stop.
static IrRef fold_idempotent(Rewrite *rw, const IrValue *v) { return opt_is(rw, v->operands[0], v->op) ? v->operands[0] : IR_NONE; }

// max and min of equals, and of two numbers one after the other: max(max(x, 0), 0).
static IrRef fold_extremum(Rewrite *rw, const IrValue *v) {
  IrRef a = v->operands[0], b = v->operands[1];
  double outer, inner;
  if (a == b) return a;
  for (int k = 0; k < 2; k++) {
    IrRef x = v->operands[1 - k];
    if (!ir_is_fill(rw->to, v->operands[k], &outer) || !opt_is(rw, x, v->op)) continue;
    for (int j = 0; j < 2; j++) {
      if (!ir_is_fill(rw->to, opt_operand(rw, x, j), &inner)) continue;
      double both = v->op == IR_MAX ? fmax(outer, inner) : fmin(outer, inner);
      if (isnan(inner) || both == inner) return x;
      return opt_binary(rw, v->op, opt_operand(rw, x, 1 - j), v->operands[k]);
    }
  }
  return IR_NONE;
}

static IrRef fold_logic(Rewrite *rw, const IrValue *v) {
  double neutral = v->op == IR_AND;
  for (int k = 0; k < 2; k++) {
    double x;
    if (!ir_is_fill(rw->to, v->operands[k], &x)) continue;
    return x == neutral ? v->operands[1 - k] : v->operands[k];
  }
  return v->operands[0] == v->operands[1] ? v->operands[0] : IR_NONE;
}

static IrRef fold_select(Rewrite *rw, const IrValue *v) {
  IrRef c = v->operands[0], a = v->operands[1], b = v->operands[2];
  double known;
  if (a == b) return a;
  if (ir_is_fill(rw->to, c, &known)) return known != 0 ? a : b;
  if (opt_is(rw, c, IR_NOT)) return opt_select(rw, opt_operand(rw, c, 0), b, a);
  if (ir_is_fill(rw->to, a, &known) && is_number(rw, b, known)) return a;
  if (opt_is(rw, a, IR_SELECT) && opt_operand(rw, a, 0) == c) return opt_select(rw, c, opt_operand(rw, a, 1), b);
  if (opt_is(rw, b, IR_SELECT) && opt_operand(rw, b, 0) == c) return opt_select(rw, c, a, opt_operand(rw, b, 2));
  return IR_NONE;
}

// Does every number of `from` exist in `to`?
static bool is_exact(IrDtype from, IrDtype to) {
  if (from == to || from == IR_BOOL) return true;
  return to == IR_F64;
}

static IrRef fold_cast(Rewrite *rw, const IrValue *v) {
  IrRef a = v->operands[0];
  if (opt_type(rw, a)->dtype == v->type.dtype) return a;
  if (!opt_is(rw, a, IR_CAST)) return IR_NONE;
  IrRef x = opt_operand(rw, a, 0);
  return is_exact(opt_type(rw, x)->dtype, opt_type(rw, a)->dtype) ? opt_cast(rw, x, v->type.dtype) : IR_NONE;
}

// x^n for n >= 1 in the fewest squarings.
static IrRef power(Rewrite *rw, IrRef x, int n) {
  if (n == 1) return x;
  IrRef half = power(rw, x, n / 2), even = opt_binary(rw, IR_MUL, half, half);
  return n % 2 ? opt_binary(rw, IR_MUL, even, x) : even;
}

static IrRef fold_pow(Rewrite *rw, const IrValue *v) {
  IrRef x = v->operands[0];
  double p;
  if (!ir_is_fill(rw->to, v->operands[1], &p)) return IR_NONE;
  if (p == 0) return opt_fill(rw, &v->type, 1);
  if (fabs(p) > 8 || p * 2 != floor(p * 2) || (p != floor(p) && fabs(p) > 1.5)) return IR_NONE;
  if (p < 0) { // the same positive power, then one over it
    IrRef positive = opt_binary(rw, IR_POW, x, opt_number_like(rw, x, -p));
    return opt_binary(rw, IR_DIV, opt_number_like(rw, x, 1), positive);
  }
  if (p == floor(p)) return power(rw, x, (int)p);
  IrRef root = opt_unary(rw, IR_SQRT, x);
  return p == 0.5 ? root : opt_binary(rw, IR_MUL, x, root);
}

static OptRule *const element_rules[IR_OP_COUNT] = {
    [IR_ADD] = fold_add,          [IR_SUB] = fold_sub,         [IR_MUL] = fold_mul,        [IR_DIV] = fold_div,         [IR_FMA] = fold_fma,
    [IR_NEG] = fold_involution,   [IR_NOT] = fold_involution,  [IR_ABS] = fold_idempotent, [IR_SIGN] = fold_idempotent, [IR_FLOOR] = fold_idempotent,
    [IR_ROUND] = fold_idempotent, [IR_STOP] = fold_idempotent, [IR_MAX] = fold_extremum,   [IR_MIN] = fold_extremum,    [IR_AND] = fold_logic,
    [IR_OR] = fold_logic,         [IR_SELECT] = fold_select,   [IR_CAST] = fold_cast,      [IR_POW] = fold_pow,
};

IrRef fold_element(Rewrite *rw, const IrValue *v) {
  OptRule *rule = element_rules[v->op];
  return rule ? rule(rw, v) : IR_NONE;
}

IrRef fold_value(Rewrite *rw, const IrValue *v) {
  static OptRule *const parts[] = {fold_constant, fold_element, fold_view, fold_reduce};
  for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
    IrRef r = parts[i](rw, v);
    if (r != IR_NONE) return r;
  }
  return IR_NONE;
}

IrFn *opt_fold(Arena *arena, const IrFn *fn) {
  Rewrite rw = opt_rewrite(arena, fn, fold_value);
  return opt_rewrite_all(&rw);
}
