// Distributions: how each is drawn (reparameterised), its density per component.
//
// Densities are taken component by component in the type of their arguments, then added up in f64.
// Sources: numerics.md 6, 8, 9 (log-scales carried through, classes from logits).
#include <math.h>
#include <string.h>

#include "lang/arithmetic.h"
#include "lang/elab_law.h"

static const double HALF_LOG_2PI = 0.91893853320467274178;

// log of a width; where the width is exp(v) it is v.
Value *law_log_width(Elab *e, Value *width, Span span) {
  if (width->kind == VALUE_TENSOR && width->u.tensor.ir != IR_NONE && width->u.tensor.fn == e->scene->fn) {
    const IrValue *v = ir_at(e->scene->fn, width->u.tensor.ir);
    if (v->op == IR_EXP) {
      Value *inside = value_copy(e, width);
      inside->u.tensor.ir = v->operands[0];
      return inside;
    }
  }
  return elab_unary(e, IR_LOG, width, span);
}

// ---- making them

static Value *given_or(Elab *e, Value *v, double fallback) { return v != NULL ? v : value_real(e, (Span){0, 0}, fallback); }

Value *elab_distribution(Elab *e, Span span, DistributionKind kind, Value *a, Value *b) {
  Value *d = value_copy(e, value_error(e));
  d->kind = VALUE_DISTRIBUTION;
  d->span = span;
  d->u.distribution = (Distribution){.kind = kind, .a = a, .b = b};
  return d;
}

static bool positive(Elab *e, const Value *v, Span span, const char *what) {
  if (v == NULL || !value_is_number(v) || value_number(v) > 0) return true;
  Diag *d = elab_error(e, DIAG_DISTRIBUTION, span, "%s is positive, this is %g", what, value_number(v));
  diag_help(e->diags, d, "`exp(…)` of a number is always positive");
  return false;
}

static Value *normalised(Elab *e, Value *v, Span span) { // lists of tensors, records: one tensor; numbers stay
  if (v == NULL || value_is_number(v)) return v;
  return elab_real(e, v, span);
}

static bool positive_arguments(Elab *e, DistributionKind kind, Value *a, Value *b, const BuiltinCall *call) {
  Span first = call->at[0].begin ? call->at[0] : call->span, second = call->at[1].begin ? call->at[1] : call->span;
  if (kind == DISTRIBUTION_NORMAL || kind == DISTRIBUTION_LAPLACE) return positive(e, b, second, "a width");
  if (kind == DISTRIBUTION_POISSON || kind == DISTRIBUTION_EXPONENTIAL) return positive(e, a, first, "a rate");
  if (kind == DISTRIBUTION_BETA) return positive(e, a, first, "a power") && positive(e, b, second, "a power");
  return kind != DISTRIBUTION_VON_MISES || positive(e, b, second, "a concentration");
}

Value *builtin_law(Elab *e, const Builtin *builtin, BuiltinCall *call) {
  DistributionKind kind = (DistributionKind)builtin->op;
  Value *a = call->value[0], *b = call->value[1];
  switch (kind) {
  case DISTRIBUTION_NORMAL:
  case DISTRIBUTION_LAPLACE: a = given_or(e, a, 0), b = given_or(e, b, 1); break;
  case DISTRIBUTION_UNIFORM: a = given_or(e, a, 0), b = given_or(e, b, 1); break;
  case DISTRIBUTION_ORTHOGONAL:
  case DISTRIBUTION_EXPONENTIAL: a = given_or(e, a, 1); break;
  case DISTRIBUTION_VON_MISES: a = given_or(e, a, 0), b = given_or(e, b, 1); break;
  case DISTRIBUTION_MIXTURE: b = elab_as_distribution(e, b); break;
  case DISTRIBUTION_BERNOULLI:
  case DISTRIBUTION_CATEGORICAL:
  case DISTRIBUTION_POINT:
  case DISTRIBUTION_POISSON:
  case DISTRIBUTION_BETA:
  case DISTRIBUTION_PERMUTATION: break;
  }
  if (!positive_arguments(e, kind, a, b, call)) return value_error(e);
  if (kind == DISTRIBUTION_UNIFORM && value_is_number(a) && value_is_number(b) && value_number(a) >= value_number(b)) {
    Diag *d = elab_error(e, DIAG_DISTRIBUTION, call->span, "uniform from %g to %g", value_number(a), value_number(b));
    diag_help(e->diags, d, "the lower bound comes first");
    return value_error(e);
  }
  if (kind == DISTRIBUTION_MIXTURE && b->kind != VALUE_DISTRIBUTION) {
    Diag *d = elab_error(e, DIAG_DISTRIBUTION, call->span, "the parts of a mixture are a law, this is %s", value_text(e->arena, b));
    diag_help(e->diags, d, "`mixture_law(logits, normal(mu, sigma))`: the parts lie along the first axis of mu");
    return value_error(e);
  }
  bool whole = kind == DISTRIBUTION_PERMUTATION || kind == DISTRIBUTION_ORTHOGONAL || kind == DISTRIBUTION_CATEGORICAL;
  if (!whole || (a != NULL && a->kind == VALUE_LIST)) a = normalised(e, a, call->span);
  if (kind != DISTRIBUTION_MIXTURE) b = normalised(e, b, call->span);
  if (value_is_error(a) || (b != NULL && value_is_error(b))) return value_error(e);
  return elab_distribution(e, call->span, kind, a, b);
}

Value *elab_as_distribution(Elab *e, Value *v) {
  bool law = v->kind == VALUE_CALLABLE && v->u.callable.kind == CALL_BUILTIN && v->u.callable.builtin->group == GROUP_DISTRIBUTION;
  if (!law) return v;
  Values none = {0};
  return elab_call(e, v, &none, v->span);
}

static Extents shape_of_argument(const Value *v) {
  Extents s = {0};
  if (v == NULL) return s;
  if (v->kind == VALUE_TENSOR) return v->u.tensor.type.shape;
  static_shape(v, &s);
  return s;
}

bool distribution_shape(Elab *e, const Value *d, Extents *out) {
  const Distribution *law = &d->u.distribution;
  Extents a = shape_of_argument(law->a), inner = a;
  if (law->kind == DISTRIBUTION_CATEGORICAL && a.rank > 0) inner.rank--;
  if (law->kind == DISTRIBUTION_MIXTURE) {
    Extents parts;
    if (!distribution_shape(e, law->b, &parts)) return false;
    if (parts.rank == 0 || a.rank != 1 || parts.axes[0] != a.axes[0]) {
      Diag *diag = elab_error(e, DIAG_DISTRIBUTION, d->span, "a mixture of %s parts with %s logits", extents_text(e->arena, "real", &parts),
                              extents_text(e->arena, "real", &a));
      diag_help(e->diags, diag, "one logit for each part: the first axis of the parts is as long as the logits");
      return false;
    }
    inner = parts;
    inner.rank--;
    memmove(inner.axes, parts.axes + 1, inner.rank * sizeof inner.axes[0]);
  } else if (law->b != NULL) {
    Extents b = shape_of_argument(law->b);
    if (!extents_join(&a, &b, &inner)) {
      Diag *diag = elab_shape_error(e, d->span, law->a, law->b, NULL);
      diag_help(e->diags, diag, "the arguments of a law have one shape, or are one number");
      return false;
    }
  }
  *out = law->copies;
  if (out->rank + inner.rank > IR_MAX_RANK - 2) return elab_not_built(e, d->span, "a law of so many axes", FEWER_AXES), false;
  for (int i = 0; i < inner.rank; i++) out->axes[out->rank++] = inner.axes[i];
  return true;
}

Value *distribution_copies(Elab *e, Value *d, Extents copies, Span span) {
  Value *out = value_copy(e, d);
  out->span = span;
  const Extents old = d->u.distribution.copies;
  for (int i = 0; i < old.rank && copies.rank < IR_MAX_RANK - 2; i++) copies.axes[copies.rank++] = old.axes[i];
  out->u.distribution.copies = copies;
  return out;
}

// ---- drawing

Value *law_random(Elab *e, IrDraw kind, const char *site, Extents shape, Span span) {
  IrType t = {.dtype = e->model->real};
  const Hidden *lists = &e->scene->alike;
  if (!layout_fits(e, &(Layout){.events = e->scene->draws.kind >= BELONGS_DRAWS, .hidden = *lists, .shape = shape}, span)) return value_error(e);
  if (e->scene->draws.kind >= BELONGS_DRAWS) t.axes[t.rank++] = IR_EVENTS;
  for (int i = 0; i < lists->n; i++) t.axes[t.rank++] = lists->extent[i];
  for (int i = 0; i < shape.rank; i++) t.axes[t.rank++] = shape.axes[i];
  return tensor_like(e, span, tensor_type_real(shape), ir_draw(e->scene->fn, kind, site, t), e->scene->draws, lists);
}

static Value *to_class(Elab *e, Value *v, int64_t n) {
  if (value_is_error(v)) return v;
  Value *c = elab_cast(e, v, IR_I32);
  if (value_is_error(c)) return c;
  ClassValues *classes = ARENA_NEW(e->arena, ClassValues);
  classes->n = n;
  classes->counts = true;
  c->u.tensor.type.element = ELEMENT_CLASS;
  c->u.tensor.type.classes = classes;
  return c;
}

Value *law_softmax_log(Elab *e, Value *logits, Span span) {
  return value_is_error(logits) ? logits : elab_softmax_log(e, logits, logits->u.tensor.type.shape.rank - 1, span);
}

Value *elab_softmax_log(Elab *e, Value *logits, int axis, Span span) {
  uint32_t mask = 1u << axis;
  Value *top = tensor_apply(e, IR_STOP, tensor_sum_axes(e, IR_AMAX, logits, mask, true, span), span);
  Value *d = sub(e, logits, top, span);
  Value *total = tensor_sum_axes(e, IR_SUM, tensor_apply(e, IR_EXP, d, span), mask, true, span);
  return sub(e, d, tensor_apply(e, IR_LOG, total, span), span);
}

// From logits along the last axis: the first place where the running sum of probabilities passes a uniform number.
static Value *draw_from_logits(Elab *e, Value *logits, Extents shape, const char *site, Span span) {
  const Extents s = logits->u.tensor.type.shape;
  int64_t n = s.axes[s.rank - 1];
  Value *p = tensor_apply(e, IR_EXP, elab_softmax_log(e, logits, s.rank - 1, span), span);
  if (value_is_error(p)) return p;
  const Tensor *t = &p->u.tensor;
  IrRef sums = ir_cumsum(e->scene->fn, t->ir, tensor_offset(e, t) + s.rank - 1, false, false);
  Value *edges = tensor_like(e, span, tensor_type_real(s), sums, t->belongs, &t->hidden);
  edges = tensor_slice(e, edges, s.rank - 1, 0, n - 1, 1, span);
  Extents wide = shape;
  wide.axes[wide.rank++] = 1;
  Value *u = tensor_reshape(e, law_random(e, IR_DRAW_UNIFORM, site, shape, span), wide, span);
  Value *passed = tensor_compare(e, IR_LE, edges, u, span);
  if (value_is_error(passed)) return passed;
  return to_class(e, tensor_sum_axes(e, IR_SUM, elab_cast(e, passed, IR_I32), 1u << (wide.rank - 1), false, span), n);
}

static Value *draw_categorical(Elab *e, const Distribution *d, Extents shape, const char *site, Span span) {
  if (d->a->kind == VALUE_TENSOR && d->a->u.tensor.type.shape.rank > 0) return draw_from_logits(e, d->a, shape, site, span);
  int64_t n;
  if (!elab_setting_int(e, d->a, span, "the number of kinds", &n)) return value_error(e);
  Value *u = law_random(e, IR_DRAW_UNIFORM, site, shape, span);
  Value *k = tensor_apply(e, IR_FLOOR, mul(e, u, num(e, (double)n, span), span), span);
  return to_class(e, tensor_combine(e, IR_MIN, k, num(e, (double)(n - 1), span), span), n);
}

static Value *draw_laplace(Elab *e, const Distribution *d, Extents shape, const char *site, Span span) {
  Value *v = sub(e, law_random(e, IR_DRAW_UNIFORM, site, shape, span), num(e, 0.5, span), span);
  Value *tail = tensor_apply(e, IR_LOG1P, mul(e, tensor_apply(e, IR_ABS, v, span), num(e, -2, span), span), span);
  return sub(e, d->a, mul(e, mul(e, d->b, tensor_apply(e, IR_SIGN, v, span), span), tail, span), span);
}

static Value *draw_mixture(Elab *e, const Value *law, Extents shape, const char *site, Span span) {
  const Distribution *d = &law->u.distribution;
  Extents parts;
  if (!distribution_shape(e, d->b, &parts)) return value_error(e);
  int64_t k = parts.axes[0];
  Extents which = d->copies, all = d->copies;
  for (int i = 0; i < parts.rank; i++) all.axes[all.rank++] = parts.axes[i];
  Value *c = draw_from_logits(e, elab_real(e, d->a, span), which, arena_printf(e->arena, "%s.part", site), span);
  Value *each = distribution_draw(e, distribution_copies(e, d->b, d->copies, span), &all, site, span);
  if (value_is_error(c) || value_is_error(each)) return value_error(e);
  Value *chosen = tensor_one_hot(e, c, k, span); // copies, k
  Extents wide = chosen->u.tensor.type.shape;
  for (int i = 1; i < parts.rank; i++) wide.axes[wide.rank++] = 1;
  chosen = tensor_reshape(e, chosen, wide, span);
  (void)shape;
  return tensor_sum_axes(e, IR_SUM, mul(e, each, chosen, span), 1u << d->copies.rank, false, span);
}

Value *distribution_draw(Elab *e, Value *law, const Extents *wanted, const char *site, Span span) {
  const Distribution *d = &law->u.distribution;
  Extents shape, joined;
  if (!distribution_shape(e, law, &shape)) return value_error(e);
  if (wanted != NULL && extents_join(&shape, wanted, &joined) && extents_equal(&joined, wanted)) shape = *wanted;
  switch (d->kind) {
  case DISTRIBUTION_NORMAL: return add(e, d->a, mul(e, d->b, law_random(e, IR_DRAW_NORMAL, site, shape, span), span), span);
  case DISTRIBUTION_UNIFORM: return add(e, d->a, mul(e, sub(e, d->b, d->a, span), law_random(e, IR_DRAW_UNIFORM, site, shape, span), span), span);
  case DISTRIBUTION_BERNOULLI: return to_class(e, tensor_compare(e, IR_LT, law_random(e, IR_DRAW_UNIFORM, site, shape, span), d->a, span), 2);
  case DISTRIBUTION_CATEGORICAL: return draw_categorical(e, d, shape, site, span);
  case DISTRIBUTION_LAPLACE: return draw_laplace(e, d, shape, site, span);
  case DISTRIBUTION_POINT: {
    Value *v = elab_real(e, d->a, span);
    return extents_equal(&v->u.tensor.type.shape, &shape) || value_is_error(v) ? v : tensor_combine(e, IR_ADD, v, tensor_fill(e, span, shape, 0), span);
  }
  case DISTRIBUTION_MIXTURE: return draw_mixture(e, law, shape, site, span);
  case DISTRIBUTION_EXPONENTIAL: {
    Value *wait = elab_unary(e, IR_NEG, tensor_apply(e, IR_LOG, law_random(e, IR_DRAW_UNIFORM, site, shape, span), span), span);
    return divide(e, wait, d->a, span);
  }
  case DISTRIBUTION_POISSON: return law_draw_poisson(e, d, shape, site, span);
  case DISTRIBUTION_BETA: return law_draw_beta(e, d, shape, site, span);
  case DISTRIBUTION_VON_MISES: return law_draw_von_mises(e, d, shape, site, span);
  case DISTRIBUTION_PERMUTATION:
  case DISTRIBUTION_ORTHOGONAL: break;
  }
  Diag *diag = elab_error(e, DIAG_DRAW_WHAT, span, "orders and rotations are drawn once, when the program is checked");
  diag_help(e->diags, diag, "`fixed p: [int] ~ permutation(n)`, `learn w: real[n, m] ~ orthogonal(1)`");
  return value_error(e);
}

// ---- densities

static Value *no_density(Elab *e, const Value *d, Span span) {
  Diag *diag = elab_error(e, DIAG_LOG_PROB_WHAT, span, "this law has no density");
  diag_label(e->diags, diag, d->span, "the law");
  diag_help(e->diags, diag, "all laws but `point`, orders and rotations have one, and flows");
  return value_error(e);
}

// log of 1 inside and of 0 outside
static Value *log_inside(Elab *e, Value *inside, Span span) {
  return tensor_apply(e, IR_LOG, tensor_select(e, inside, value_int(e, span, 1), value_int(e, span, 0), span), span);
}

static Value *component_log_prob(Elab *e, const Value *law, Value *x, Span span);

static Value *categorical_log_prob(Elab *e, const Distribution *d, Value *x, Span span) {
  bool index = x->kind == VALUE_TENSOR && (x->u.tensor.type.element == ELEMENT_CLASS || x->u.tensor.type.element == ELEMENT_INT);
  if (!index) {
    Diag *diag = elab_error(e, DIAG_TYPE, span, "`categorical` scores a class, this is %s", value_text(e->arena, x));
    diag_help(e->diags, diag, "declare the field as `class[n]`");
    return value_error(e);
  }
  if (d->a->kind != VALUE_TENSOR || d->a->u.tensor.type.shape.rank == 0) {
    int64_t n;
    if (!elab_setting_int(e, d->a, span, "the number of kinds", &n)) return value_error(e);
    Value *zero = elab_cast(e, x, e->model->real);
    return sub(e, mul(e, zero, num(e, 0, span), span), num(e, log((double)n), span), span);
  }
  int last = d->a->u.tensor.type.shape.rank - 1;
  Value *logs = elab_softmax_log(e, d->a, last, span);
  if (last == 0 && x->u.tensor.type.shape.rank == 0) return tensor_gather(e, logs, 0, x, span);
  Value *which = tensor_one_hot(e, x, d->a->u.tensor.type.shape.axes[last], span); // a new last axis
  if (value_is_error(logs) || value_is_error(which)) return value_error(e);
  Value *own = tensor_select(e, elab_binary(e, BIN_GT, which, num(e, 0.5, span), span), logs, num(e, 0, span), span);
  return value_is_error(own) ? own : tensor_sum_axes(e, IR_SUM, own, 1u << (own->u.tensor.type.shape.rank - 1), false, span);
}

// (copies, components) as (copies, parts, components)
static Value *once_a_part(Elab *e, const Distribution *d, Value *x, Span span) {
  Extents parts, one = d->copies, all = d->copies;
  if (!distribution_shape(e, d->b, &parts)) return value_error(e);
  if (one.rank + parts.rank > IR_MAX_RANK - 2) return elab_not_built(e, span, "a mixture of so many axes", FEWER_AXES);
  for (int i = 0; i < parts.rank; i++) {
    one.axes[one.rank++] = i == 0 ? 1 : parts.axes[i];
    all.axes[all.rank++] = parts.axes[i];
  }
  return tensor_combine(e, IR_ADD, tensor_reshape(e, x, one, span), tensor_fill(e, span, all, 0), span);
}

// log of the sum over the parts of weight times density; parts are whole, so components are added before. Of copies (n, m) each has a sum
// of its own.
static Value *mixture_log_prob(Elab *e, const Distribution *d, Value *x, Span span) {
  const int copies = d->copies.rank;
  Value *each = component_log_prob(e, d->b, copies > 0 ? once_a_part(e, d, x, span) : x, span);
  if (value_is_error(each)) return each;
  each = elab_cast(e, each, IR_F64);
  uint32_t rest = ((1u << each->u.tensor.type.shape.rank) - 1) & ~((2u << copies) - 1);
  Value *parts = tensor_sum_axes(e, IR_SUM, each, rest, false, span);
  Value *weights = elab_cast(e, elab_softmax_log(e, elab_real(e, d->a, span), 0, span), IR_F64);
  Value *joint = add(e, parts, weights, span);
  Value *top = tensor_apply(e, IR_STOP, tensor_sum_axes(e, IR_AMAX, joint, 1u << copies, true, span), span);
  Value *sum = tensor_sum_axes(e, IR_SUM, tensor_apply(e, IR_EXP, sub(e, joint, top, span), span), 1u << copies, false, span);
  return add(e, tensor_reshape(e, top, d->copies, span), tensor_apply(e, IR_LOG, sum, span), span);
}

static Value *component_log_prob(Elab *e, const Value *law, Value *x, Span span) {
  const Distribution *d = &law->u.distribution;
  Value *pull;
  switch (d->kind) {
  case DISTRIBUTION_NORMAL:
    pull = divide(e, sub(e, x, d->a, span), d->b, span);
    pull = mul(e, mul(e, pull, pull, span), num(e, -0.5, span), span);
    return sub(e, sub(e, pull, law_log_width(e, d->b, span), span), num(e, HALF_LOG_2PI, span), span);
  case DISTRIBUTION_LAPLACE:
    pull = divide(e, elab_unary(e, IR_ABS, sub(e, x, d->a, span), span), d->b, span);
    return sub(e, elab_unary(e, IR_NEG, pull, span), elab_unary(e, IR_LOG, mul(e, d->b, num(e, 2, span), span), span), span);
  case DISTRIBUTION_UNIFORM: {
    Value *inside = elab_binary(e, BIN_AND, elab_binary(e, BIN_LE, d->a, x, span), elab_binary(e, BIN_LE, x, d->b, span), span);
    if (value_is_error(inside)) return inside;
    return sub(e, log_inside(e, inside, span), elab_unary(e, IR_LOG, sub(e, d->b, d->a, span), span), span);
  }
  case DISTRIBUTION_BERNOULLI: {
    Value *one = value_int(e, span, 1), *yes = elab_unary(e, IR_LOG, d->a, span);
    Value *no = elab_unary(e, IR_LOG1P, elab_unary(e, IR_NEG, d->a, span), span);
    return add(e, mul(e, x, yes, span), mul(e, sub(e, one, x, span), no, span), span);
  }
  case DISTRIBUTION_CATEGORICAL: return categorical_log_prob(e, d, x, span);
  case DISTRIBUTION_MIXTURE: return mixture_log_prob(e, d, x, span);
  case DISTRIBUTION_EXPONENTIAL: {
    Value *inside = elab_binary(e, BIN_GE, x, num(e, 0, span), span);
    if (value_is_error(inside)) return inside;
    return add(e, log_inside(e, inside, span), sub(e, elab_unary(e, IR_LOG, d->a, span), mul(e, d->a, x, span), span), span);
  }
  case DISTRIBUTION_POISSON: return law_log_poisson(e, d, x, span);
  case DISTRIBUTION_BETA: return law_log_beta(e, d, x, span);
  case DISTRIBUTION_VON_MISES: return law_log_von_mises(e, d, x, span);
  case DISTRIBUTION_POINT:
  case DISTRIBUTION_PERMUTATION:
  case DISTRIBUTION_ORTHOGONAL: break;
  }
  return no_density(e, law, span);
}

Value *law_sum_wide(Elab *e, Value *v, Span span) {
  if (value_is_error(v)) return v;
  v = elab_cast(e, v, IR_F64);
  return value_is_error(v) ? v : tensor_sum_axes(e, IR_SUM, v, (1u << v->u.tensor.type.shape.rank) - 1, false, span);
}

Value *distribution_log_prob(Elab *e, Value *law, Value *x, Span span) {
  Extents shape, joined;
  if (!distribution_shape(e, law, &shape)) return value_error(e);
  bool classes = law->u.distribution.kind == DISTRIBUTION_CATEGORICAL;
  if (!classes) x = elab_real(e, x->kind == VALUE_RECORD ? elab_flatten(e, x, span) : x, span);
  if (value_is_error(x)) return x;
  Extents have = shape_of_argument(x);
  if (!extents_join(&shape, &have, &joined) || (shape.rank > 0 && !extents_equal(&shape, &have))) {
    Value *like = value_tensor(e, law->span, tensor_type_real(shape), IR_NONE, (Belongs){0});
    Diag *d = elab_shape_error(e, span, like, x, NULL);
    diag_help(e->diags, d, "a law scores values of its own shape: `normal[n]` those of real[n]");
    return value_error(e);
  }
  return law_sum_wide(e, component_log_prob(e, law, x, span), span);
}
