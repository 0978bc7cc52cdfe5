#include "lang/elab_law.h"

#include <math.h>

#include "lang/arithmetic.h"

// So many that all fail less than once in 10^7 draws, whatever the parameters.
enum { GAMMA_TRIES = 8, POISSON_TRIES = 16, VON_MISES_TRIES = 20, POISSON_TERMS = 48 };
static const double POISSON_SMALL = 10, VON_MISES_NORMAL = 1e4, VON_MISES_FLAT = 0.02;

static Value *op(Elab *e, IrOp o, Value *a, Span s) { return elab_unary(e, o, a, s); }
static Value *least(Elab *e, Value *a, double bound, Span s) { return tensor_combine(e, IR_MAX, a, num(e, bound, s), s); }
static Value *most(Elab *e, Value *a, double bound, Span s) { return tensor_combine(e, IR_MIN, a, num(e, bound, s), s); }
static Value *below(Elab *e, Value *a, Value *b, Span s) { return elab_binary(e, BIN_LT, a, b, s); }
static Value *both(Elab *e, Value *a, Value *b, Span s) { return elab_binary(e, BIN_AND, a, b, s); }
static Value *either(Elab *e, Value *a, Value *b, Span s) { return elab_binary(e, BIN_OR, a, b, s); }

// ---- tries: an axis in front

static Extents tries_of(Extents shape, int64_t tries) {
  Extents out = {.rank = 1, .axes = {tries}};
  for (int i = 0; i < shape.rank; i++) out.axes[out.rank++] = shape.axes[i];
  return out;
}

// A parameter in the shape of what is drawn, without its derivative.
static Value *parameter(Elab *e, Value *a, Extents shape, Span s) {
  a = elab_real(e, a, s);
  if (value_is_error(a)) return a;
  return op(e, IR_STOP, tensor_combine(e, IR_ADD, a, tensor_fill(e, s, shape, 0), s), s);
}

// (n, 1, …): begin, begin + step, …
static Value *ladder(Elab *e, int64_t n, double begin, double step, Extents shape, Span s) {
  Value *list = value_list(e, s);
  for (int64_t i = 0; i < n; i++) VEC_PUSH(e->arena, &list->u.list, num(e, begin + step * (double)i, s));
  Extents wide = {.rank = 1, .axes = {n}};
  for (int i = 0; i < shape.rank; i++) wide.axes[wide.rank++] = 1;
  return tensor_reshape(e, elab_real(e, list, s), wide, s);
}

static Value *in_front(Elab *e, Value *v, Extents shape, Span s) { return tensor_reshape(e, v, tries_of(shape, 1), s); }

// The value of the first try that is accepted; of the first of all where none is.
static Value *first_accepted(Elab *e, Value *accepted, Value *value, int64_t tries, Extents shape, Span s) {
  Value *order = ladder(e, tries, (double)tries, -1, shape, s);
  Value *score = tensor_select(e, accepted, order, mul(e, order, num(e, 1e-3, s), s), s);
  if (value_is_error(score)) return score;
  Value *chosen = tensor_compare(e, IR_EQ, score, tensor_sum_axes(e, IR_AMAX, score, 1, true, s), s);
  return tensor_sum_axes(e, IR_SUM, tensor_select(e, chosen, value, num(e, 0, s), s), 1, false, s);
}

// ---- gamma and beta

// log of a gamma variate of shape a: of a + 1 times u^(1/a) below 1.
static Value *draw_log_gamma(Elab *e, Value *a, Extents shape, const char *site, Span s) {
  Extents tries = tries_of(shape, GAMMA_TRIES);
  Value *small = below(e, a, num(e, 1, s), s);
  Value *d = in_front(e, sub(e, tensor_select(e, small, add(e, a, num(e, 1, s), s), a, s), num(e, 1.0 / 3, s), s), shape, s);
  Value *c = divide(e, num(e, 1.0 / 3, s), op(e, IR_SQRT, d, s), s);
  Value *x = law_random(e, IR_DRAW_NORMAL, arena_printf(e->arena, "%s.normal", site), tries, s);
  Value *u = law_random(e, IR_DRAW_UNIFORM, arena_printf(e->arena, "%s.accept", site), tries, s);
  Value *root = add(e, mul(e, c, x, s), num(e, 1, s), s), *log_v = mul(e, op(e, IR_LOG, least(e, root, 1e-30, s), s), num(e, 3, s), s);
  Value *bound = add(e, mul(e, mul(e, x, x, s), num(e, 0.5, s), s), mul(e, d, add(e, sub(e, num(e, 1, s), op(e, IR_EXP, log_v, s), s), log_v, s), s), s);
  Value *accepted = both(e, below(e, num(e, 0, s), root, s), below(e, op(e, IR_LOG, u, s), bound, s), s);
  Value *log_g = first_accepted(e, accepted, add(e, op(e, IR_LOG, d, s), log_v, s), GAMMA_TRIES, shape, s);
  Value *w = law_random(e, IR_DRAW_UNIFORM, arena_printf(e->arena, "%s.power", site), shape, s);
  return add(e, log_g, tensor_select(e, small, divide(e, op(e, IR_LOG, w, s), a, s), num(e, 0, s), s), s);
}

Value *law_draw_beta(Elab *e, const Distribution *d, Extents shape, const char *site, Span s) {
  Value *a = parameter(e, d->a, shape, s), *b = parameter(e, d->b, shape, s);
  if (value_is_error(a) || value_is_error(b)) return value_error(e);
  Value *x = draw_log_gamma(e, a, shape, arena_printf(e->arena, "%s.a", site), s), *y = draw_log_gamma(e, b, shape, arena_printf(e->arena, "%s.b", site), s);
  return op(e, IR_SIGMOID, sub(e, x, y, s), s);
}

// (a - 1) log x + (b - 1) log(1 - x) - log B(a, b)
Value *law_log_beta(Elab *e, const Distribution *d, Value *x, Span s) {
  Value *one = num(e, 1, s);
  Value *left = mul(e, sub(e, d->a, one, s), op(e, IR_LOG, x, s), s), *right = mul(e, sub(e, d->b, one, s), op(e, IR_LOG1P, op(e, IR_NEG, x, s), s), s);
  Value *norm = sub(e, add(e, op(e, IR_LGAMMA, d->a, s), op(e, IR_LGAMMA, d->b, s), s), op(e, IR_LGAMMA, add(e, d->a, d->b, s), s), s);
  return sub(e, add(e, left, right, s), norm, s);
}

// ---- Poisson

// k log(rate) - rate - log k!
static Value *log_poisson(Elab *e, Value *rate, Value *k, Span s) {
  Value *power = sub(e, mul(e, k, op(e, IR_LOG, rate, s), s), rate, s);
  return sub(e, power, op(e, IR_LGAMMA, add(e, k, num(e, 1, s), s), s), s);
}

// How many summed probabilities a uniform number exceeds.
static Value *draw_few(Elab *e, Value *rate, Extents shape, const char *site, Span s) {
  Value *k = ladder(e, POISSON_TERMS, 0, 1, shape, s), *each = in_front(e, most(e, least(e, rate, 1e-30, s), POISSON_SMALL, s), shape, s);
  Value *p = op(e, IR_EXP, log_poisson(e, each, k, s), s);
  if (value_is_error(p)) return p;
  const Tensor *t = &p->u.tensor;
  IrRef sums = ir_cumsum(e->scene->fn, t->ir, tensor_offset(e, t), false, false);
  Value *cdf = tensor_like(e, s, tensor_type_real(t->type.shape), sums, t->belongs, &t->hidden);
  Value *u = in_front(e, law_random(e, IR_DRAW_UNIFORM, arena_printf(e->arena, "%s.few", site), shape, s), shape, s);
  return tensor_sum_axes(e, IR_SUM, tensor_select(e, below(e, cdf, u, s), num(e, 1, s), num(e, 0, s), s), 1, false, s);
}

static Value *draw_many(Elab *e, Value *rate, Extents shape, const char *site, Span s) {
  Extents tries = tries_of(shape, POISSON_TRIES);
  Value *r = in_front(e, least(e, rate, POISSON_SMALL, s), shape, s);
  Value *b = add(e, mul(e, op(e, IR_SQRT, r, s), num(e, 2.53, s), s), num(e, 0.931, s), s);
  Value *a = sub(e, mul(e, b, num(e, 0.02483, s), s), num(e, 0.059, s), s);
  Value *scale = add(e, divide(e, num(e, 1.1328, s), sub(e, b, num(e, 3.4, s), s), s), num(e, 1.1239, s), s);
  Value *sure = sub(e, num(e, 0.9277, s), divide(e, num(e, 3.6224, s), sub(e, b, num(e, 2, s), s), s), s);
  Value *u = sub(e, law_random(e, IR_DRAW_UNIFORM, arena_printf(e->arena, "%s.many", site), tries, s), num(e, 0.5, s), s);
  Value *v = law_random(e, IR_DRAW_UNIFORM, arena_printf(e->arena, "%s.accept", site), tries, s);
  Value *us = least(e, sub(e, num(e, 0.5, s), op(e, IR_ABS, u, s), s), 1e-9, s);
  Value *slope = add(e, divide(e, mul(e, a, num(e, 2, s), s), us, s), b, s);
  Value *k = op(e, IR_FLOOR, add(e, add(e, mul(e, slope, u, s), r, s), num(e, 0.43, s), s), s);
  Value *hat = add(e, divide(e, a, mul(e, us, us, s), s), b, s);
  Value *height = sub(e, add(e, op(e, IR_LOG, v, s), op(e, IR_LOG, scale, s), s), op(e, IR_LOG, hat, s), s);
  Value *quick = both(e, elab_binary(e, BIN_GE, us, num(e, 0.07, s), s), elab_binary(e, BIN_LE, v, sure, s), s);
  Value *never = either(e, below(e, k, num(e, 0, s), s), both(e, below(e, us, num(e, 0.013, s), s), below(e, us, v, s), s), s);
  Value *slow = elab_binary(e, BIN_LE, height, log_poisson(e, r, least(e, k, 0, s), s), s);
  Value *accepted = either(e, quick, both(e, op(e, IR_NOT, never, s), slow, s), s);
  return first_accepted(e, accepted, k, POISSON_TRIES, shape, s);
}

Value *law_draw_poisson(Elab *e, const Distribution *d, Extents shape, const char *site, Span s) {
  Value *rate = parameter(e, d->a, shape, s);
  if (value_is_error(rate)) return rate;
  Value *few = draw_few(e, rate, shape, site, s), *many = draw_many(e, rate, shape, site, s);
  return tensor_select(e, below(e, rate, num(e, POISSON_SMALL, s), s), few, many, s);
}

Value *law_log_poisson(Elab *e, const Distribution *d, Value *x, Span s) { return log_poisson(e, d->a, x, s); }

// ---- von Mises

Value *law_draw_von_mises(Elab *e, const Distribution *d, Extents shape, const char *site, Span s) {
  Extents tries = tries_of(shape, VON_MISES_TRIES);
  Value *mu = parameter(e, d->a, shape, s), *given = parameter(e, d->b, shape, s), *one = num(e, 1, s), *two = num(e, 2, s);
  if (value_is_error(mu) || value_is_error(given)) return value_error(e);
  Value *k = in_front(e, least(e, most(e, given, VON_MISES_NORMAL, s), 1e-6, s), shape, s);
  Value *tau = add(e, op(e, IR_SQRT, add(e, mul(e, mul(e, k, k, s), num(e, 4, s), s), one, s), s), one, s);
  Value *rho = divide(e, sub(e, tau, op(e, IR_SQRT, mul(e, tau, two, s), s), s), mul(e, k, two, s), s);
  Value *exact = divide(e, add(e, mul(e, rho, rho, s), one, s), mul(e, rho, two, s), s);
  Value *r = tensor_select(e, below(e, k, num(e, VON_MISES_FLAT, s), s), add(e, divide(e, one, k, s), k, s), exact, s); // the differences cancel below
  Value *u = law_random(e, IR_DRAW_UNIFORM, arena_printf(e->arena, "%s.angle", site), tries, s);
  Value *v = law_random(e, IR_DRAW_UNIFORM, arena_printf(e->arena, "%s.accept", site), tries, s);
  Value *z = op(e, IR_COS, mul(e, u, num(e, acos(-1.0), s), s), s);
  Value *f = divide(e, add(e, mul(e, r, z, s), one, s), add(e, r, z, s), s), *c = mul(e, k, sub(e, r, f, s), s);
  Value *accepted = either(e, below(e, v, mul(e, c, sub(e, two, c, s), s), s),
                           elab_binary(e, BIN_GE, add(e, sub(e, op(e, IR_LOG, c, s), op(e, IR_LOG, v, s), s), sub(e, one, c, s), s), num(e, 0, s), s), s);
  Value *cosine = most(e, least(e, first_accepted(e, accepted, f, VON_MISES_TRIES, shape, s), -1, s), 1, s);
  Value *sine = op(e, IR_SQRT, sub(e, one, mul(e, cosine, cosine, s), s), s);
  Value *side = op(e, IR_SIGN, sub(e, law_random(e, IR_DRAW_UNIFORM, arena_printf(e->arena, "%s.side", site), shape, s), num(e, 0.5, s), s), s);
  Value *turn = mul(e, side, tensor_combine(e, IR_ATAN2, sine, cosine, s), s);
  Value *narrow =
      divide(e, law_random(e, IR_DRAW_NORMAL, arena_printf(e->arena, "%s.narrow", site), shape, s), op(e, IR_SQRT, least(e, given, VON_MISES_NORMAL, s), s), s);
  turn = tensor_select(e, below(e, given, num(e, VON_MISES_NORMAL, s), s), turn, narrow, s);
  Value *angle = add(e, mu, turn, s), *whole = op(e, IR_ROUND, divide(e, angle, num(e, 2 * acos(-1.0), s), s), s);
  return sub(e, angle, mul(e, whole, num(e, 2 * acos(-1.0), s), s), s);
}

// k (cos(x - mu) - 1) - log(2 pi e^-k I0(k))
Value *law_log_von_mises(Elab *e, const Distribution *d, Value *x, Span s) {
  Value *fall = mul(e, d->b, sub(e, op(e, IR_COS, sub(e, x, d->a, s), s), num(e, 1, s), s), s);
  return sub(e, fall, op(e, IR_LOG, mul(e, op(e, IR_I0E, d->b, s), num(e, 2 * acos(-1.0), s), s), s), s);
}
