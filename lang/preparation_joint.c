// Preparations that look at all numbers of a field, or at tables: whiten, fractions, quantile.
#include <math.h>

#include "lang/preparation_ir.h"

static int64_t numbers(const PrepStep *step) { return ir_elements(&step->in); }

static IrRef in_a_row(IrFn *fn, const PrepStep *step, IrRef x) { return ir_reshape(fn, x, 2, (int64_t[]){IR_EVENTS, numbers(step)}); }

static IrRef state(IrFn *fn, const PrepStep *step, int which, int rank, int64_t n, int64_t m) {
  return ir_leaf(fn, IR_STATE, step->states[which], (IrType){.dtype = IR_F64, .rank = (uint8_t)rank, .axes = {n, m}});
}

// ---- whiten: y = A (x - mean), A the inverse of the lower triangular root of the covariance

static IrRef product(IrFn *fn, const PrepStep *step, int matrix, IrRef x) {
  return ir_einsum(fn, "ij,ej->ei", state(fn, step, matrix, 2, numbers(step), numbers(step)), x);
}

IrRef whiten_forward(IrFn *fn, const PrepStep *step, IrRef x) {
  x = in_a_row(fn, step, x);
  return reshape_to(fn, product(fn, step, 1, sub(fn, x, ir_broadcast_like(fn, state(fn, step, 0, 1, numbers(step), 0), x))), &step->in);
}

IrRef whiten_inverse(IrFn *fn, const PrepStep *step, IrRef y) {
  IrRef x = product(fn, step, 2, in_a_row(fn, step, y));
  return reshape_to(fn, add(fn, x, ir_broadcast_like(fn, state(fn, step, 0, 1, numbers(step), 0), x)), &step->in);
}

IrRef whiten_log_jacobian(IrFn *fn, const PrepStep *step) { // the determinant's, dealt to the numbers in equal parts
  IrRef each = divide(fn, negate(fn, ir_reshape(fn, state(fn, step, 3, 1, 1, 0), 0, NULL)), number(fn, (double)numbers(step)));
  return add(fn, ir_fill(fn, step->in, 0), each);
}

// ---- fractions: y_k = x_k / rest_k, rest_k = 1 - x_1 - … - x_(k-1)

static const double slack = 1e-6; // of a sum of rounded fractions

static IrRef rests(IrFn *fn, IrRef x) { return sub(fn, number(fn, 1), ir_cumsum(fn, x, 1, false, true)); }

IrRef prep_fractions(IrFn *fn, const PrepStep *step, IrRef x) {
  x = in_a_row(fn, step, x);
  IrRef sum = ir_reshape(fn, ir_sum(fn, x, 2), 2, (int64_t[]){IR_EVENTS, 1});
  return ir_concat(fn, (IrRef[]){x, mul(fn, sum, number(fn, 1 / (1 + slack)))}, 2, 1);
}

IrRef fractions_forward(IrFn *fn, const PrepStep *step, IrRef x) {
  IrRef all = prep_fractions(fn, step, x), high = ir_amax(fn, all, 2), low = negate(fn, ir_amax(fn, negate(fn, all), 2));
  IrRef bad = ir_binary(fn, IR_OR, ir_binary(fn, IR_LT, low, number(fn, 0)), ir_binary(fn, IR_LT, number(fn, 1), high));
  x = in_a_row(fn, step, x);
  IrRef rest = rests(fn, x), some = ir_binary(fn, IR_LT, number(fn, 0), rest);
  IrRef y = ir_select(fn, some, clamp(fn, divide(fn, x, rest), 0, 1), number(fn, 0));
  IrRef refused = ir_broadcast(fn, bad, 2, ir_type_of(fn, y)->axes, (int8_t[]){0, -1});
  return reshape_to(fn, ir_select(fn, refused, number(fn, NAN), y), &step->in);
}

IrRef fractions_inverse(IrFn *fn, const PrepStep *step, IrRef y) {
  int64_t n = numbers(step);
  IrRef *x = ARENA_ARRAY(fn->arena, IrRef, n), rest = IR_NONE;
  y = clamp(fn, in_a_row(fn, step, y), 0, 1);
  for (int64_t k = 0; k < n; k++) {
    IrRef share = ir_slice(fn, y, 1, k, k + 1, 1), left = sub(fn, number(fn, 1), share);
    x[k] = k == 0 ? share : mul(fn, share, rest);
    rest = k == 0 ? left : mul(fn, rest, left);
  }
  return reshape_to(fn, ir_concat(fn, x, (uint32_t)n, 1), &step->in);
}

IrRef fractions_log_jacobian(IrFn *fn, const PrepStep *step, IrRef x) { // of a triangle
  IrRef rest = ir_binary(fn, IR_MAX, rests(fn, in_a_row(fn, step, x)), number(fn, 1e-12));
  return reshape_to(fn, negate(fn, ir_unary(fn, IR_LOG, rest)), &step->in);
}

// ---- quantile: a number between two of the knots becomes the share of rows below it

typedef struct Place {
  IrRef below, width; // the knot at or below x, and how far the next one is
  IrRef index;        // of it, f64
} Place;

static double edge(const PrepStep *step) { return 0.5 / (step->setting[0] + 1); } // the share below the first knot: nobody is certain

static IrRef knot(IrFn *fn, const PrepStep *step, IrRef index) { // index [e, n], f64
  int64_t n = numbers(step), k = (int64_t)step->setting[0] + 1;
  IrRef first = mul(fn, ir_cast(fn, ir_iota(fn, (IrType){.dtype = IR_I32, .rank = 1, .axes = {n}}, 0), IR_F64), number(fn, (double)k));
  IrRef at = add(fn, index, ir_broadcast_like(fn, first, index));
  return ir_gather(fn, state(fn, step, 0, 1, n * k, 0), ir_cast(fn, at, IR_I32), 0, 0);
}

static Place between(IrFn *fn, const PrepStep *step, IrRef index) {
  IrRef below = knot(fn, step, index);
  return (Place){below, sub(fn, knot(fn, step, add(fn, index, number(fn, 1))), below), index};
}

// The last knot but one, or before it the last that is not above x: by halving.
static Place find(IrFn *fn, const PrepStep *step, IrRef x) {
  double last = step->setting[0] - 1, stride = 1;
  IrRef index = mul(fn, x, number(fn, 0));
  index = ir_select(fn, ir_binary(fn, IR_EQ, index, index), index, number(fn, 0)); // infinities too
  while (2 * stride <= last) stride *= 2;
  for (; stride >= 1; stride /= 2) {
    IrRef next = add(fn, index, number(fn, stride)), inside = ir_binary(fn, IR_MIN, next, number(fn, last));
    IrRef here = ir_binary(fn, IR_AND, ir_binary(fn, IR_LE, next, number(fn, last)), ir_binary(fn, IR_LE, knot(fn, step, inside), x));
    index = ir_select(fn, here, next, index);
  }
  return between(fn, step, index);
}

static IrRef level_of(IrFn *fn, const PrepStep *step, IrRef x, const Place *p) {
  IrRef t = clamp(fn, divide(fn, sub(fn, x, p->below), p->width), 0, 1);
  t = ir_select(fn, ir_binary(fn, IR_EQ, p->width, number(fn, 0)), number(fn, 0), t);
  IrRef share = divide(fn, add(fn, p->index, t), number(fn, step->setting[0]));
  return add(fn, mul(fn, share, number(fn, 1 - 2 * edge(step))), number(fn, edge(step)));
}

IrRef quantile_forward(IrFn *fn, const PrepStep *step, IrRef x) {
  x = in_a_row(fn, step, x);
  Place p = find(fn, step, x);
  return reshape_to(fn, level_of(fn, step, x, &p), &step->in);
}

IrRef quantile_inverse(IrFn *fn, const PrepStep *step, IrRef y) {
  double k = step->setting[0];
  IrRef level = in_a_row(fn, step, y);
  IrRef share = clamp(fn, divide(fn, sub(fn, level, number(fn, edge(step))), number(fn, 1 - 2 * edge(step))), 0, 1), at = mul(fn, share, number(fn, k));
  Place p = between(fn, step, ir_binary(fn, IR_MIN, ir_unary(fn, IR_FLOOR, at), number(fn, k - 1)));
  return reshape_to(fn, add(fn, p.below, mul(fn, p.width, sub(fn, at, p.index))), &step->in);
}

IrRef quantile_log_jacobian(IrFn *fn, const PrepStep *step, IrRef x) {
  x = in_a_row(fn, step, x);
  Place p = find(fn, step, x);
  double constant = log((1 - 2 * edge(step)) / step->setting[0]);
  return reshape_to(fn, sub(fn, number(fn, constant), ir_unary(fn, IR_LOG, p.width)), &step->in);
}
