// Fitted values in use: their states are leaves of the scene, and drawing, scoring and applying are ordinary values of it.
//
// buffers   row floor(u count) of (rows, n), or row `number of the event` mod count
// gaussian  mean + L z; log p = log_norm - |L⁻¹ (x - mean)|² / 2
// svd, pca  axes (x - mean), back mean + axesᵀ c
// ecdf      between knots of equal weight linear: 1/q Σ clamp((x - k_i) / (k_i+1 - k_i), 0, 1), kept inside (0, 1); a jump is a steep line
#include <math.h>
#include <string.h>

#include "lang/elab_builtin.h"
#include "lang/fit.h"

static const EstimatorInfo estimators[] = {
#define ESTIMATOR(ENUM, name, setting, usual, least, way, function, members, what) {name, setting, usual, least, FIT_##way, function, members, what},
#include "lang/estimators.def"
#undef ESTIMATOR
};
enum { N_ESTIMATORS = sizeof estimators / sizeof *estimators };

const EstimatorInfo *estimator_find(const char *name, ModelEstimateKind *kind) {
  for (int i = 0; i < N_ESTIMATORS; i++)
    if (strcmp(estimators[i].name, name) == 0) {
      *kind = (ModelEstimateKind)i;
      return &estimators[i];
    }
  return NULL;
}

const char *estimators_text(Arena *arena) {
  const char *text = "";
  for (int i = 0; i < N_ESTIMATORS; i++) text = arena_printf(arena, "%s%s%s", text, i > 0 ? ", " : "", estimators[i].name);
  return text;
}

// ---- numbers of a value, and back

static bool add_numbers(Elab *e, Value *v, bool classes, Values *parts, Span span) {
  if (value_is_error(v)) return false;
  if (v->kind == VALUE_RECORD || v->kind == VALUE_LIST) {
    size_t n = v->kind == VALUE_RECORD ? v->u.record.fields.len : v->u.list.len;
    bool good = n > 0;
    for (size_t i = 0; i < n && good; i++)
      good = add_numbers(e, v->kind == VALUE_RECORD ? v->u.record.fields.at[i].value : v->u.list.at[i], classes, parts, span);
    return good;
  }
  bool whole = v->kind == VALUE_TENSOR && v->u.tensor.type.element != ELEMENT_REAL;
  if (v->kind != VALUE_TENSOR || (whole && !classes)) {
    Diag *d = elab_error(e, DIAG_TYPE, span, "%s has no numbers for this fit", value_text(e->arena, v));
    diag_help(e->diags, d,
              whole ? "`one_hot` makes numbers of a class; `collect` keeps classes as they are" : "a fit takes values of the events: `collect(encoder(x))`");
    return false;
  }
  if (whole) v = elab_cast(e, v, e->model->real);
  Extents row = {1, {extents_elements(&v->u.tensor.type.shape)}};
  VEC_PUSH(e->arena, parts, tensor_reshape(e, v, row, span));
  return !value_is_error(parts->at[parts->len - 1]);
}

Value *fit_numbers(Elab *e, Value *v, bool classes, Span span) {
  Values parts = {0};
  return add_numbers(e, v, classes, &parts, span) ? tensor_concat(e, &parts, 0, span) : value_error(e);
}

static Value *part_like(Elab *e, const Value *like, Value *numbers, int64_t *at, Span span) {
  if (like->kind == VALUE_RECORD) {
    Value *v = value_record(e, span);
    v->type = like->type;
    for (size_t i = 0; i < like->u.record.fields.len; i++) {
      const RecordField *f = &like->u.record.fields.at[i];
      VEC_PUSH(e->arena, &v->u.record.fields, (RecordField){f->name, part_like(e, f->value, numbers, at, span)});
    }
    return v;
  }
  if (like->kind == VALUE_LIST) {
    Value *v = value_list(e, span);
    for (size_t i = 0; i < like->u.list.len; i++) VEC_PUSH(e->arena, &v->u.list, part_like(e, like->u.list.at[i], numbers, at, span));
    return v;
  }
  const TensorType *t = &like->u.tensor.type;
  int64_t n = extents_elements(&t->shape);
  Value *v = tensor_reshape(e, tensor_slice(e, numbers, 0, *at, *at + n, 1, span), t->shape, span);
  *at += n;
  if (value_is_error(v)) return v;
  if (t->element == ELEMENT_BOOL) return tensor_compare(e, IR_LT, value_real(e, span, 0.5), v, span);
  v = value_copy(e, t->element == ELEMENT_REAL ? v : elab_cast(e, v, IR_I32));
  v->u.tensor.type = *t;
  v->type = like->type;
  return v;
}

Value *fit_value(Elab *e, const Value *like, Value *numbers, Span span) {
  int64_t at = 0;
  return value_is_error(numbers) ? numbers : part_like(e, like, numbers, &at, span);
}

// ---- states

static Value *state(Elab *e, const Fit *fit, const char *what, Span span) {
  const char *name = arena_printf(e->arena, "fit:%s.%s", fit->name, what);
  for (size_t i = 0; i < fit->model->states.len; i++) {
    const ModelState *s = &fit->model->states.at[i];
    if (strcmp(s->name, name) != 0) continue;
    Extents shape = extents_of(s->type.rank, s->type.axes);
    return value_tensor(e, span, tensor_type_real(shape), leaf_now(e, IR_STATE, s->name, s->type), (Belongs){0});
  }
  ir_fail("the fit %s has no state %s", fit->name, what);
}

static Value *add(Elab *e, Value *a, Value *b, Span s) { return elab_binary(e, BIN_ADD, a, b, s); }
static Value *sub(Elab *e, Value *a, Value *b, Span s) { return elab_binary(e, BIN_SUB, a, b, s); }
static Value *mul(Elab *e, Value *a, Value *b, Span s) { return elab_binary(e, BIN_MUL, a, b, s); }

static Extents extents1(int64_t n) { return (Extents){1, {n}}; }

Value *fit_read(Elab *e, Value *v, Span span) {
  const Fit *fit = v->u.fit.fit;
  if (!e->hooks.fit_ready(e, v, span)) return value_error(e);
  return fit->info->way == FIT_NUMBER ? fit_value(e, fit->like, state(e, fit, "value", span), span) : v;
}

// ---- drawing

static const Hidden NO_LIST = {0};

// A number of each event, and of each element of lists.
static IrType event_number(IrDtype dtype, const Hidden *lists) {
  IrType t = {.dtype = dtype, .rank = 1, .axes = {IR_EVENTS}};
  for (int i = 0; i < lists->n; i++) t.axes[t.rank++] = lists->extent[i];
  return t;
}

static IrRef event_draw(Elab *e, IrDraw kind, const char *site, const Hidden *lists) { return ir_draw(e->scene->fn, kind, site, event_number(IR_F64, lists)); }

static Value *per_event(Elab *e, Extents shape, IrRef ir, const Hidden *lists, Span span) {
  return tensor_like(e, span, tensor_type_real(shape), ir, e->scene->draws, lists);
}

static IrRef row_number(Elab *e, const Fit *fit, bool in_turn, const char *site, Span span) {
  IrFn *fn = e->scene->fn;
  IrRef count = state(e, fit, "count", span)->u.tensor.ir;
  IrRef number = in_turn ? ir_binary(fn, IR_MOD, event_draw(e, IR_DRAW_NUMBER, "event", &NO_LIST), count)
                         : ir_unary(fn, IR_FLOOR, ir_binary(fn, IR_MUL, event_draw(e, IR_DRAW_UNIFORM, site, &e->scene->alike), count));
  return ir_cast(fn, number, IR_I32);
}

static Value *buffer_row(Elab *e, const Fit *fit, bool in_turn, const char *site, Span span) {
  IrRef rows = state(e, fit, "rows", span)->u.tensor.ir;
  IrRef row = ir_gather(e->scene->fn, rows, row_number(e, fit, in_turn, site, span), 0, 0);
  return per_event(e, extents1(fit->model->n), row, in_turn ? &NO_LIST : &e->scene->alike, span);
}

static Value *normals(Elab *e, int64_t n, const char *site, Span span) {
  Value *law = elab_distribution(e, span, DISTRIBUTION_NORMAL, value_int(e, span, 0), value_int(e, span, 1));
  return distribution_draw(e, distribution_copies(e, law, extents1(n), span), NULL, site, span);
}

static Value *draw_mixture(Elab *e, const Fit *fit, const char *site, Span span) {
  IrFn *fn = e->scene->fn;
  const Hidden *lists = &e->scene->alike;
  int64_t n = fit->model->n, parts = (int64_t)fit->model->setting;
  IrRef u = event_draw(e, IR_DRAW_UNIFORM, arena_printf(e->arena, "%s.part", site), lists), part = ir_fill(fn, event_number(IR_I32, lists), 0);
  IrRef edges = state(e, fit, "edges", span)->u.tensor.ir; // shares of the parts before and this one
  for (int64_t k = 0; k + 1 < parts; k++) {
    IrRef edge = ir_reshape(fn, ir_slice(fn, edges, 0, k, k + 1, 1), 0, NULL);
    part = ir_binary(fn, IR_ADD, part, ir_cast(fn, ir_binary(fn, IR_LE, edge, u), IR_I32));
  }
  Value *mean = per_event(e, extents1(n), ir_gather(fn, state(e, fit, "mean", span)->u.tensor.ir, part, 0, 0), lists, span);
  Value *lower = per_event(e, (Extents){2, {n, n}}, ir_gather(fn, state(e, fit, "lower", span)->u.tensor.ir, part, 0, 0), lists, span);
  return add(e, mean, tensor_einsum(e, "ij", lower, "j", normals(e, n, site, span), "i", extents1(n), span), span);
}

static Value *refuse_use(Elab *e, const Fit *fit, const char *verb, Span span) {
  Diag *d = elab_error(e,
                       strcmp(verb, "drawn from") == 0  ? DIAG_DRAW_WHAT
                       : strcmp(verb, "scored by") == 0 ? DIAG_LOG_PROB_WHAT
                                                        : DIAG_NOT_CALLABLE,
                       span, "`%s` is not %s: `%s` gives %s", fit->name, verb, fit->info->name, fit->info->what);
  diag_label(e->diags, d, fit->decl->name.span, "fitted here");
  diag_help(e->diags, d,
            fit->info->way == FIT_DRAW    ? "`x ~ %s` draws from it"
            : fit->info->way == FIT_APPLY ? "`%s(x)` applies it"
                                          : "`%s` is a value",
            fit->name);
  return value_error(e);
}

Value *fit_draw(Elab *e, const Value *v, const char *site, Span span) {
  const Fit *fit = v->u.fit.fit;
  const char *way = v->u.fit.way;
  if (fit->info->way != FIT_DRAW || (way != NULL && strcmp(way, "in_turn") != 0)) return refuse_use(e, fit, "drawn from", span);
  int64_t n = fit->model->n;
  Value *x = NULL;
  switch (fit->model->kind) {
  case ESTIMATE_COLLECT: x = buffer_row(e, fit, way != NULL, site, span); break;
  case ESTIMATE_KDE: {
    Value *row = buffer_row(e, fit, way != NULL, arena_printf(e->arena, "%s.row", site), span);
    x = add(e, row, mul(e, normals(e, n, site, span), value_real(e, span, fit->model->setting), span), span);
    break;
  }
  case ESTIMATE_GAUSSIAN:
    x = tensor_einsum(e, "ij", state(e, fit, "lower", span), "j", normals(e, n, site, span), "i", extents1(n), span);
    x = add(e, state(e, fit, "mean", span), x, span);
    break;
  case ESTIMATE_MIXTURE: x = draw_mixture(e, fit, site, span); break;
  case ESTIMATE_SVD:
  case ESTIMATE_PCA:
  case ESTIMATE_ECDF:
  case ESTIMATE_QUANTILES:
  case ESTIMATE_AVERAGE:
  case ESTIMATE_SPREAD: return refuse_use(e, fit, "drawn from", span);
  }
  return fit_value(e, fit->like, x, span);
}

Value *builtin_in_turn(Elab *e, const Builtin *b, BuiltinCall *call) {
  Value *v = call->value[0];
  if (value_is_error(v)) return v;
  bool buffer = v->kind == VALUE_FIT && (v->u.fit.fit->model->kind == ESTIMATE_COLLECT || v->u.fit.fit->model->kind == ESTIMATE_KDE);
  if (!buffer) {
    Diag *d = elab_error(e, DIAG_TYPE, call->span, "`%s` takes a buffer, this is %s", b->name, value_text(e->arena, v));
    diag_help(e->diags, d, "`fit memory = collect(encoder(x))` makes one");
    return value_error(e);
  }
  v = value_copy(e, v);
  v->u.fit.way = "in_turn";
  return v;
}

// ---- densities

static Value *sum_last(Elab *e, Value *v, Span span) { return tensor_sum_axes(e, IR_SUM, v, 1u << (v->u.tensor.type.shape.rank - 1), false, span); }

static Value *log_sum(Elab *e, Value *v, Span span) { // over the only axis
  Value *top = tensor_apply(e, IR_STOP, tensor_sum_axes(e, IR_AMAX, v, 1, true, span), span);
  Value *sum = tensor_sum_axes(e, IR_SUM, tensor_apply(e, IR_EXP, sub(e, v, top, span), span), 1, false, span);
  return add(e, tensor_reshape(e, top, (Extents){0}, span), tensor_apply(e, IR_LOG, sum, span), span);
}

static Value *half_square(Elab *e, Value *v, Span span) { return mul(e, value_real(e, span, 0.5), sum_last(e, mul(e, v, v, span), span), span); }

static Value *mixture_density(Elab *e, const Fit *fit, Value *x, Span span) {
  int64_t n = fit->model->n, parts = (int64_t)fit->model->setting;
  Value *apart = sub(e, x, state(e, fit, "mean", span), span);
  Value *y = tensor_einsum(e, "kij", state(e, fit, "inverse", span), "kj", apart, "ki", (Extents){2, {parts, n}}, span);
  return log_sum(e, sub(e, elab_cast(e, state(e, fit, "log_norm", span), e->model->real), half_square(e, y, span), span), span);
}

static Value *kde_density(Elab *e, const Fit *fit, Value *x, Span span) {
  double width = fit->model->setting, n = (double)fit->model->n;
  if (!(width > 0)) {
    Diag *d = elab_error(e, DIAG_LOG_PROB_WHAT, span, "a `kde` of width 0 has no density");
    diag_help(e->diags, d, "give `%s` a width above 0", fit->name);
    return value_error(e);
  }
  Value *apart = mul(e, sub(e, x, state(e, fit, "rows", span), span), value_real(e, span, 1 / width), span);
  Value *sum = log_sum(e, elab_unary(e, IR_NEG, half_square(e, apart, span), span), span);
  Value *count = tensor_apply(e, IR_LOG, state(e, fit, "count", span), span);
  return sub(e, sub(e, sum, count, span), value_real(e, span, n * (log(width) + 0.91893853320467274178)), span);
}

Value *fit_log_prob(Elab *e, const Value *v, Value *x, Span span) {
  const Fit *fit = v->u.fit.fit;
  ModelEstimateKind kind = fit->model->kind;
  if (v->u.fit.way != NULL || (kind != ESTIMATE_GAUSSIAN && kind != ESTIMATE_MIXTURE && kind != ESTIMATE_KDE)) return refuse_use(e, fit, "scored by", span);
  x = fit_numbers(e, x, false, span);
  if (value_is_error(x)) return x;
  if (x->u.tensor.type.shape.axes[0] != fit->model->n) {
    Diag *d = elab_error(e, DIAG_SHAPE, span, "`%s` is a law of %lld numbers, this has %lld", fit->name, (long long)fit->model->n,
                         (long long)x->u.tensor.type.shape.axes[0]);
    diag_help(e->diags, d, "a law scores values of its own shape");
    return value_error(e);
  }
  Value *p;
  if (kind == ESTIMATE_MIXTURE) p = mixture_density(e, fit, x, span);
  else if (kind == ESTIMATE_KDE) p = kde_density(e, fit, x, span);
  else {
    Value *y = tensor_einsum(e, "ij", state(e, fit, "inverse", span), "j", sub(e, x, state(e, fit, "mean", span), span), "i", extents1(fit->model->n), span);
    p = sub(e, state(e, fit, "log_norm", span), half_square(e, y, span), span);
  }
  return value_is_error(p) ? p : elab_cast(e, p, IR_F64);
}

// ---- applying

// Linear between knots of equal weight, from lower (n, q) of width (n, q): Σ clamp((x - lower) / width, 0, 1) / q
static Value *below(Elab *e, const Fit *fit, Value *x, Span span) {
  Value *lower = state(e, fit, "lower", span), *steep = state(e, fit, "steep", span), *zero = value_int(e, span, 0), *one = value_int(e, span, 1);
  int64_t n = fit->model->n, q = (int64_t)fit->model->setting;
  Value *part = mul(e, sub(e, tensor_reshape(e, x, (Extents){2, {n, 1}}, span), lower, span), steep, span);
  part = tensor_combine(e, IR_MIN, tensor_combine(e, IR_MAX, part, zero, span), one, span);
  Value *share = mul(e, sum_last(e, part, span), value_real(e, span, 1 / (double)q), span), *edge = state(e, fit, "edge", span);
  edge = elab_cast(e, edge, e->model->real);
  return tensor_combine(e, IR_MIN, tensor_combine(e, IR_MAX, share, edge, span), sub(e, one, edge, span), span);
}

static Value *at_share(Elab *e, const Fit *fit, Value *u, Span span) {
  int64_t n = fit->model->n, q = (int64_t)fit->model->setting;
  Value *lower = state(e, fit, "lower", span), *steep = state(e, fit, "steep", span);
  Value *number = tensor_reshape(e, elab_real(e, static_range(e, span, 0, q), span), (Extents){2, {1, q}}, span);
  Value *part = sub(e, mul(e, tensor_reshape(e, u, (Extents){2, {n, 1}}, span), value_real(e, span, (double)q), span), number, span);
  part = tensor_combine(e, IR_MIN, tensor_combine(e, IR_MAX, part, value_int(e, span, 0), span), value_int(e, span, 1), span);
  Value *grown = sum_last(e, elab_binary(e, BIN_DIV, part, steep, span), span);
  return add(e, tensor_reshape(e, tensor_slice(e, lower, 1, 0, 1, 1, span), extents1(n), span), grown, span);
}

static Value *interval_of(Elab *e, const Fit *fit, Value *x, Span span) {
  int64_t n = (int64_t)fit->model->setting;
  Value *inner = tensor_slice(e, state(e, fit, "edges", span), 0, 1, n, 1, span); // (n - 1)
  Value *c = tensor_sum_axes(e, IR_SUM, elab_cast(e, tensor_compare(e, IR_LE, inner, x, span), IR_I32), 1, false, span);
  if (value_is_error(c)) return c;
  ClassValues *classes = ARENA_NEW(e->arena, ClassValues);
  *classes = (ClassValues){.n = n, .counts = true};
  c->u.tensor.type.element = ELEMENT_CLASS;
  c->u.tensor.type.classes = classes;
  return c;
}

static Value *within(Elab *e, const Fit *fit, Value *k, Span span) {
  if (k->kind != VALUE_TENSOR || k->u.tensor.type.element == ELEMENT_REAL || k->u.tensor.type.shape.rank > 0) {
    Diag *d = elab_error(e, DIAG_TYPE, span, "`within` takes the number of an interval, this is %s", value_text(e->arena, k));
    diag_help(e->diags, d, "`k ~ categorical(logits)`, then `x ~ %s.within(k)`", fit->name);
    return value_error(e);
  }
  Value *edges = state(e, fit, "edges", span);
  Value *low = tensor_gather(e, edges, 0, k, span), *high = tensor_gather(e, edges, 0, tensor_whole(e, IR_ADD, k, value_int(e, span, 1), span), span);
  return value_is_error(low) || value_is_error(high) ? value_error(e) : elab_distribution(e, span, DISTRIBUTION_UNIFORM, low, high);
}

static Value *along_axes(Elab *e, const Fit *fit, Value *x, bool back, Span span) {
  int64_t n = fit->model->n, k = (int64_t)fit->model->setting;
  Value *axes = state(e, fit, "axes", span), *mean = fit->model->kind == ESTIMATE_PCA ? state(e, fit, "mean", span) : NULL;
  if (!back) return tensor_einsum(e, "kn", axes, "n", mean == NULL ? x : sub(e, x, mean, span), "k", extents1(k), span);
  Value *y = tensor_einsum(e, "kn", axes, "k", x, "n", extents1(n), span);
  return fit_value(e, fit->like, mean == NULL ? y : add(e, y, mean, span), span);
}

Value *fit_call(Elab *e, const Value *v, const Values *args, Span span) {
  const Fit *fit = v->u.fit.fit;
  bool member = v->u.fit.way != NULL, inside = member && fit->model->kind == ESTIMATE_QUANTILES, back = member && !inside;
  if (fit->info->way != FIT_APPLY) return refuse_use(e, fit, "a function", span);
  if (args->len != 1) {
    Diag *d = elab_error(e, DIAG_ARGUMENTS, span, "`%s` takes one value", fit->name);
    diag_help(e->diags, d, "join several with `concat(a, b)`");
    return value_error(e);
  }
  if (value_is_error(args->at[0])) return args->at[0];
  if (inside) return within(e, fit, args->at[0], span);
  Value *x = fit_numbers(e, args->at[0], false, span);
  if (value_is_error(x)) return x;
  bool linear = fit->model->kind == ESTIMATE_SVD || fit->model->kind == ESTIMATE_PCA;
  int64_t wanted = back && linear ? (int64_t)fit->model->setting : fit->model->n;
  if (x->u.tensor.type.shape.axes[0] != wanted) {
    Diag *d = elab_error(e, DIAG_SHAPE, span, "`%s%s` takes %lld numbers, this is %s", fit->name, back ? ".inverse" : "", (long long)wanted,
                         value_text(e->arena, args->at[0]));
    diag_label(e->diags, d, fit->decl->name.span, "fitted here");
    diag_help(e->diags, d, "a fit is applied to values like those it was fitted to");
    return value_error(e);
  }
  if (linear) return along_axes(e, fit, x, back, span);
  if (fit->model->kind == ESTIMATE_QUANTILES) return interval_of(e, fit, tensor_reshape(e, x, (Extents){0}, span), span);
  return fit_value(e, fit->like, back ? at_share(e, fit, x, span) : below(e, fit, x, span), span);
}

// ---- members

Value *fit_member(Elab *e, const Value *v, AstName name, Span span) {
  const Fit *fit = v->u.fit.fit;
  if (v->u.fit.way == NULL && strcmp(name.text, fit->info->function) == 0) {
    Value *out = value_copy(e, v);
    out->u.fit.way = fit->info->function;
    return out;
  }
  if (v->u.fit.way == NULL && strstr(fit->info->members, arena_printf(e->arena, " %s ", name.text)) != NULL) return state(e, fit, name.text, span);
  Diag *d = elab_error(e, DIAG_RECORD_FIELD, name.span, "`%s` has no `%s`", fit->name, name.text);
  const char *members = arena_printf(e->arena, "%s%s%s", fit->info->members, fit->info->function, fit->info->function[0] != 0 ? " " : "");
  if (members[1] != 0) diag_help(e->diags, d, "`%s` has%.*s", fit->info->name, (int)strlen(members) - 1, members);
  else diag_help(e->diags, d, "`%s` gives %s", fit->info->name, fit->info->what);
  return value_error(e);
}
