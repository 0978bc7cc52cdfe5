// Divergences and entropies in closed form, component by component, added up in f64.
#include <math.h>

#include "lang/arithmetic.h"
#include "lang/elab_law.h"

static const double HALF_LOG_2PI = 0.91893853320467274178, LOG_2PI = 1.8378770664093454836;

typedef struct Sum { // a formula with its place
  Elab *e;
  Span s;
} Sum;

static Value *plus(Sum f, Value *a, Value *b) { return add(f.e, a, b, f.s); }
static Value *minus(Sum f, Value *a, Value *b) { return sub(f.e, a, b, f.s); }
static Value *times(Sum f, Value *a, Value *b) { return mul(f.e, a, b, f.s); }
static Value *over(Sum f, Value *a, Value *b) { return divide(f.e, a, b, f.s); }
static Value *number(Sum f, double x) { return num(f.e, x, f.s); }
static Value *apply(Sum f, IrOp op, Value *a) { return elab_unary(f.e, op, a, f.s); }
static Value *logarithm(Sum f, Value *a) { return apply(f, IR_LOG, a); }
static Value *real(Sum f, Value *a) { return elab_real(f.e, a, f.s); }

// log(s2 / s1) + (s1^2 + (m1 - m2)^2) / (2 s2^2) - 1/2
static Value *kl_normal(Sum f, const Distribution *p, const Distribution *q) {
  Value *ratio = over(f, p->b, q->b), *gap = over(f, minus(f, p->a, q->a), q->b);
  Value *squares = plus(f, times(f, ratio, ratio), times(f, gap, gap));
  Value *logs = minus(f, law_log_width(f.e, q->b, f.s), law_log_width(f.e, p->b, f.s));
  return plus(f, logs, minus(f, times(f, squares, number(f, 0.5)), number(f, 0.5)));
}

// log(b2 / b1) + |m1 - m2| / b2 + b1 / b2 exp(-|m1 - m2| / b1) - 1
static Value *kl_laplace(Sum f, const Distribution *p, const Distribution *q) {
  Value *gap = apply(f, IR_ABS, minus(f, p->a, q->a)), *ratio = over(f, p->b, q->b);
  Value *near = times(f, ratio, apply(f, IR_EXP, apply(f, IR_NEG, over(f, gap, p->b))));
  return plus(f, minus(f, over(f, gap, q->b), logarithm(f, ratio)), minus(f, near, number(f, 1)));
}

static Value *of_one(Sum f, Value *p, Value *q) { return times(f, p, minus(f, logarithm(f, p), logarithm(f, q))); }

static Value *kl_bernoulli(Sum f, const Distribution *p, const Distribution *q) {
  return plus(f, of_one(f, p->a, q->a), of_one(f, minus(f, number(f, 1), p->a), minus(f, number(f, 1), q->a)));
}

static Value *kl_categorical(Sum f, const Distribution *p, const Distribution *q) {
  Value *a = law_softmax_log(f.e, real(f, p->a), f.s), *b = law_softmax_log(f.e, real(f, q->a), f.s);
  Value *each = times(f, apply(f, IR_EXP, a), minus(f, a, b));
  if (value_is_error(each)) return each;
  return tensor_sum_axes(f.e, IR_SUM, each, 1u << (each->u.tensor.type.shape.rank - 1), false, f.s);
}

static Value *kl_exponential(Sum f, const Distribution *p, const Distribution *q) {
  Value *ratio = over(f, q->a, p->a);
  return minus(f, minus(f, ratio, logarithm(f, ratio)), number(f, 1));
}

static Value *kl_poisson(Sum f, const Distribution *p, const Distribution *q) { return plus(f, minus(f, q->a, p->a), of_one(f, p->a, q->a)); }

static Value *log_beta(Sum f, Value *a, Value *b) {
  return minus(f, plus(f, apply(f, IR_LGAMMA, a), apply(f, IR_LGAMMA, b)), apply(f, IR_LGAMMA, plus(f, a, b)));
}

static Value *kl_beta(Sum f, const Distribution *p, const Distribution *q) {
  Value *a = real(f, p->a), *b = real(f, p->b), *c = real(f, q->a), *d = real(f, q->b), *both = plus(f, a, b);
  Value *slopes = plus(f, times(f, minus(f, a, c), apply(f, IR_DIGAMMA, a)), times(f, minus(f, b, d), apply(f, IR_DIGAMMA, b)));
  slopes = plus(f, slopes, times(f, minus(f, plus(f, c, d), both), apply(f, IR_DIGAMMA, both)));
  return plus(f, minus(f, log_beta(f, c, d), log_beta(f, a, b)), slopes);
}

static Value *resultant(Sum f, Value *k) { return over(f, apply(f, IR_I1E, k), apply(f, IR_I0E, k)); } // I1(k) / I0(k)

static Value *kl_von_mises(Sum f, const Distribution *p, const Distribution *q) {
  Value *k = real(f, p->b), *l = real(f, q->b), *a = resultant(f, k);
  Value *turned = minus(f, k, times(f, l, apply(f, IR_COS, minus(f, real(f, p->a), q->a))));
  Value *norms = minus(f, logarithm(f, apply(f, IR_I0E, l)), logarithm(f, apply(f, IR_I0E, k)));
  return plus(f, times(f, a, turned), plus(f, norms, minus(f, l, k)));
}

static Value *closed_kl(Sum f, const Distribution *p, const Distribution *q) { // NULL: none
  if (p->kind != q->kind) return NULL;
  switch (p->kind) {
  case DISTRIBUTION_NORMAL: return kl_normal(f, p, q);
  case DISTRIBUTION_LAPLACE: return kl_laplace(f, p, q);
  case DISTRIBUTION_BERNOULLI: return kl_bernoulli(f, p, q);
  case DISTRIBUTION_CATEGORICAL: return p->a->kind == VALUE_TENSOR && q->a->kind == VALUE_TENSOR ? kl_categorical(f, p, q) : NULL;
  case DISTRIBUTION_EXPONENTIAL: return kl_exponential(f, p, q);
  case DISTRIBUTION_POISSON: return kl_poisson(f, p, q);
  case DISTRIBUTION_BETA: return kl_beta(f, p, q);
  case DISTRIBUTION_VON_MISES: return kl_von_mises(f, p, q);
  case DISTRIBUTION_UNIFORM:
  case DISTRIBUTION_POINT:
  case DISTRIBUTION_MIXTURE:
  case DISTRIBUTION_PERMUTATION:
  case DISTRIBUTION_ORTHOGONAL: break;
  }
  return NULL;
}

static Value *no_closed_form(Elab *e, const char *what, const char *instead, Span span) {
  Diag *d = elab_error(e, DIAG_DISTRIBUTION, span, "there is no closed form for %s", what);
  diag_help(e->diags, d, "%s", instead);
  return value_error(e);
}

static Value *spread_and_sum(Elab *e, Value *v, Extents shape, Span span) {
  if (value_is_error(v)) return v;
  v = elab_real(e, v, span);
  if (!value_is_error(v) && !extents_equal(&v->u.tensor.type.shape, &shape)) v = tensor_combine(e, IR_ADD, v, tensor_fill(e, span, shape, 0), span);
  return law_sum_wide(e, v, span);
}

Value *distribution_kl(Elab *e, Value *p, Value *q, Span span) {
  Extents x, y, joined;
  if (!distribution_shape(e, p, &x) || !distribution_shape(e, q, &y)) return value_error(e);
  if ((x.rank > 0 && y.rank > 0 && !extents_equal(&x, &y)) || !extents_join(&x, &y, &joined)) {
    Value *vx = value_tensor(e, p->span, tensor_type_real(x), IR_NONE, (Belongs){0});
    Value *vy = value_tensor(e, q->span, tensor_type_real(y), IR_NONE, (Belongs){0});
    Diag *d = elab_shape_error(e, span, vx, vy, NULL);
    diag_help(e->diags, d, "`kl` compares laws of one shape");
    return value_error(e);
  }
  Value *v = closed_kl((Sum){e, span}, &p->u.distribution, &q->u.distribution);
  if (v == NULL) return no_closed_form(e, "`kl` of these laws", "estimate it by draws: `x ~ p`, then log_prob(p, x) - log_prob(q, x)", span);
  return spread_and_sum(e, v, joined, span);
}

static Value *closed_entropy(Sum f, const Distribution *d) { // NULL: none
  switch (d->kind) {
  case DISTRIBUTION_NORMAL: return plus(f, law_log_width(f.e, d->b, f.s), number(f, HALF_LOG_2PI + 0.5));
  case DISTRIBUTION_LAPLACE: return plus(f, logarithm(f, d->b), number(f, 1 + log(2)));
  case DISTRIBUTION_UNIFORM: return logarithm(f, minus(f, d->b, d->a));
  case DISTRIBUTION_EXPONENTIAL: return minus(f, number(f, 1), logarithm(f, d->a));
  case DISTRIBUTION_BERNOULLI: {
    Value *no = minus(f, number(f, 1), d->a);
    return apply(f, IR_NEG, plus(f, times(f, d->a, logarithm(f, d->a)), times(f, no, logarithm(f, no))));
  }
  case DISTRIBUTION_CATEGORICAL: {
    if (d->a->kind != VALUE_TENSOR) return logarithm(f, real(f, d->a));
    Value *a = law_softmax_log(f.e, real(f, d->a), f.s), *each = times(f, apply(f, IR_EXP, a), apply(f, IR_NEG, a));
    return value_is_error(each) ? each : tensor_sum_axes(f.e, IR_SUM, each, 1u << (each->u.tensor.type.shape.rank - 1), false, f.s);
  }
  case DISTRIBUTION_BETA: {
    Value *a = real(f, d->a), *b = real(f, d->b), *one = number(f, 1), *both = plus(f, a, b);
    Value *slopes = plus(f, times(f, minus(f, a, one), apply(f, IR_DIGAMMA, a)), times(f, minus(f, b, one), apply(f, IR_DIGAMMA, b)));
    return plus(f, minus(f, log_beta(f, a, b), slopes), times(f, minus(f, both, number(f, 2)), apply(f, IR_DIGAMMA, both)));
  }
  case DISTRIBUTION_VON_MISES: {
    Value *k = real(f, d->b), *norm = plus(f, logarithm(f, apply(f, IR_I0E, k)), number(f, LOG_2PI));
    return plus(f, norm, times(f, k, minus(f, number(f, 1), resultant(f, k))));
  }
  case DISTRIBUTION_POISSON:
  case DISTRIBUTION_POINT:
  case DISTRIBUTION_MIXTURE:
  case DISTRIBUTION_PERMUTATION:
  case DISTRIBUTION_ORTHOGONAL: break;
  }
  return NULL;
}

Value *distribution_entropy(Elab *e, Value *law, Span span) {
  Extents shape;
  if (!distribution_shape(e, law, &shape)) return value_error(e);
  Value *v = closed_entropy((Sum){e, span}, &law->u.distribution);
  if (v == NULL) return no_closed_form(e, "the entropy of this law", "estimate it by draws: `x ~ p`, then -log_prob(p, x)", span);
  return spread_and_sum(e, v, shape, span);
}
