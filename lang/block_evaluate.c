// Evaluation: observables as one program over physical columns; metrics and assertions as they stand.
#include <string.h>

#include "lang/block.h"
#include "lang/unit.h"

typedef struct MetricName {
  const char *name;
  bool built;
} MetricName;
static const MetricName metrics[] = {
    {"wasserstein", true}, {"ks", true},        {"spearman", true},         {"correlations", true}, {"chi2", false},       {"js", false},
    {"covariance", false}, {"frechet", false},  {"kernel_distance", false}, {"sinkhorn", false},    {"classifier", false}, {"roc", false},
    {"confusion", false},  {"profile", false},  {"calibration", false},     {"nll", false},         {"inversion", false},  {"modes", false},
    {"holes", false},      {"sigma_sd", false}, {"nearest", false},         {"pixels", false},
};
static const char *const budgets[] = {"parameters", "events_per_second", "training_time", "sampler_bytes"};
static const char *const of_training[] = {"loss", "validation", "grad_norm"};
enum { METRICS = sizeof metrics / sizeof metrics[0], BUDGETS = sizeof budgets / sizeof budgets[0], OF_TRAINING = sizeof of_training / sizeof of_training[0] };
typedef enum { METRICS_ONLY, AND_BUDGETS, AND_TRAINING } MetricNames;

// ---- metrics and assertions

static const AstExpr *head_of(const AstExpr *x) {
  while (x->kind == EX_CALL || x->kind == EX_FIELD) x = x->kind == EX_CALL ? x->u.call.callee : x->u.field.object;
  return x;
}

// The name that a metric's expression begins with; NULL: reported.
static const char *metric_name(Elab *e, const AstExpr *x, MetricNames which) {
  const AstExpr *head = head_of(x);
  const char *names[METRICS + BUDGETS + OF_TRAINING];
  size_t n = 0;
  for (size_t i = 0; i < METRICS; i++) {
    names[n++] = metrics[i].name;
    if (head->kind != EX_NAME || strcmp(head->u.name, metrics[i].name) != 0) continue;
    if (metrics[i].built && x->kind != EX_CALL) return metrics[i].name;
    not_built(e, x->span, "the metric `%s`", source_text(e, x->span));
    return NULL;
  }
  const char *const *more = which == AND_BUDGETS ? budgets : of_training;
  for (size_t i = 0; which != METRICS_ONLY && i < (which == AND_BUDGETS ? BUDGETS : OF_TRAINING); i++) {
    names[n++] = more[i];
    if (head->kind == EX_NAME && strcmp(head->u.name, more[i]) == 0 && x->kind != EX_CALL) return more[i];
  }
  Diag *d = elab_error(e, DIAG_METRIC_UNKNOWN, x->span, "`%s` is no metric", source_text(e, x->span));
  const char *near = head->kind == EX_NAME ? diag_nearest(head->u.name, names, n) : NULL;
  if (near != NULL) diag_help(e->diags, d, "did you mean `%s`?", near);
  else
    diag_help(e->diags, d, "metrics are wasserstein, ks, spearman and correlations%s",
              which == AND_TRAINING ? "; `loss`, `validation` and `grad_norm` are of the training" : "");
  return NULL;
}

void metrics_formula(Elab *e, const AstExpr *x, bool training) {
  switch (x->kind) {
  case EX_BINARY:
    metrics_formula(e, x->u.binary.left, training);
    metrics_formula(e, x->u.binary.right, training);
    return;
  case EX_UNARY: metrics_formula(e, x->u.unary.operand, training); return;
  case EX_NUMBER:
  case EX_BOOL:
  case EX_ERROR: return;
  case EX_CALL:
    if (head_of(x)->kind == EX_NAME && scope_own(e->builtins, head_of(x)->u.name) != NULL) {
      not_built(e, x->span, "this in a formula of metrics");
      return;
    }
    metric_name(e, x, training ? AND_TRAINING : AND_BUDGETS);
    return;
  case EX_NAME:
  case EX_FIELD: metric_name(e, x, training ? AND_TRAINING : AND_BUDGETS); return;
  case EX_STRING:
  case EX_LIST:
  case EX_FILL:
  case EX_COMPREHENSION:
  case EX_TUPLE:
  case EX_PIPE:
  case EX_UNIT:
  case EX_IF:
  case EX_FN:
  case EX_INDEX: not_built(e, x->span, "this in a formula of metrics"); return;
  }
}

static bool is_condition(const AstExpr *x) {
  if (x->kind == EX_BOOL) return true;
  if (x->kind == EX_UNARY) return x->u.unary.op == UN_NOT;
  if (x->kind != EX_BINARY) return false;
  switch (x->u.binary.op) {
  case BIN_EQ:
  case BIN_NE:
  case BIN_LT:
  case BIN_LE:
  case BIN_GT:
  case BIN_GE:
  case BIN_AND:
  case BIN_OR: return true;
  case BIN_ADD:
  case BIN_SUB:
  case BIN_MUL:
  case BIN_DIV:
  case BIN_FLOORDIV:
  case BIN_MOD:
  case BIN_MATMUL:
  case BIN_POW: return false;
  }
  return false;
}

static void assertion(Elab *e, ModelEvaluate *out, const AstExpr *x) {
  if (x->kind == EX_ERROR) return;
  if (!is_condition(x)) {
    Diag *d = elab_error(e, DIAG_ASSERT_TYPE, x->span, "assert needs true or false, found `%s`", source_text(e, x->span));
    diag_help(e->diags, d, "compare it: `assert ks.worst < 0.05`");
    return;
  }
  metrics_formula(e, x, false);
  VEC_PUSH(e->arena, &out->asserts, x);
}

// ---- what metrics are asked of: ks.pt

static bool is_measured(const Model *m, const char *member) {
  if (strcmp(member, "worst") == 0) return true;
  for (size_t i = 0; m->generators.len > 0 && i < m->generators.at[0]->outputs.len; i++) {
    const ModelOutput *o = &m->generators.at[0]->outputs.at[i];
    if (!o->given && !o->extra && strcmp(o->column, member) == 0) return true;
  }
  for (size_t i = 0; m->evaluate != NULL && i < m->evaluate->list.len; i++)
    if (strcmp(m->evaluate->list.at[i].name, member) == 0) return true;
  return false;
}

static bool is_trained(const ModelPhase *p, const char *member) {
  for (size_t u = 0; p != NULL && u < p->updates.len; u++)
    for (size_t i = 0; i < p->updates.at[u].losses.len; i++)
      if (strcmp(p->updates.at[u].losses.at[i].name, member) == 0) return true;
  return false;
}

// What there is to choose from, for the nearest and for the help line.
static void unknown_member(Elab *e, const ModelPhase *p, const char *metric, AstName member, bool of_block) {
  const Model *m = e->model;
  VEC(const char *) names = {0};
  if (of_block) {
    for (size_t u = 0; p != NULL && u < p->updates.len; u++)
      for (size_t i = 0; i < p->updates.at[u].losses.len; i++) VEC_PUSH(e->arena, &names, p->updates.at[u].losses.at[i].name);
  } else {
    VEC_PUSH(e->arena, &names, "worst");
    for (size_t i = 0; m->generators.len > 0 && i < m->generators.at[0]->outputs.len; i++)
      if (!m->generators.at[0]->outputs.at[i].given) VEC_PUSH(e->arena, &names, m->generators.at[0]->outputs.at[i].column);
    for (size_t i = 0; m->evaluate != NULL && i < m->evaluate->list.len; i++) VEC_PUSH(e->arena, &names, m->evaluate->list.at[i].name);
  }
  const char *near = diag_nearest(member.text, names.at, names.len), *list = "";
  for (size_t i = 0; i < names.len && i < 12; i++) list = arena_printf(e->arena, "%s%s%s", list, i > 0 ? ", " : "", names.at[i]);
  const char *what = of_block ? "no update of this block moves that" : "neither a generated column nor an observable has that name";
  Diag *d = near != NULL ? elab_error(e, DIAG_OBSERVABLE_UNKNOWN, member.span, "%s of `%s`: %s; did you mean `%s`?", metric, member.text, what, near)
                         : elab_error(e, DIAG_OBSERVABLE_UNKNOWN, member.span, "%s of `%s`: %s", metric, member.text, what);
  diag_help(e->diags, d, "there are %s", list);
}

static void check_members(Elab *e, const ModelPhase *p, const AstExpr *x) {
  if (x->kind == EX_BINARY) {
    check_members(e, p, x->u.binary.left);
    check_members(e, p, x->u.binary.right);
  } else if (x->kind == EX_UNARY) {
    check_members(e, p, x->u.unary.operand);
  } else if (x->kind == EX_FIELD && x->u.field.object->kind == EX_NAME) {
    const char *metric = x->u.field.object->u.name;
    bool of_block = strcmp(metric, "loss") == 0 || strcmp(metric, "grad_norm") == 0;
    if (of_block ? is_trained(p, x->u.field.name.text) : is_measured(e->model, x->u.field.name.text)) return;
    unknown_member(e, p, metric, x->u.field.name, of_block);
  }
}

void metrics_members(Elab *e) {
  const Model *m = e->model;
  for (size_t i = 0; i < m->phases.len; i++)
    if (m->phases.at[i]->watch != NULL) check_members(e, m->phases.at[i], m->phases.at[i]->watch);
  for (size_t i = 0; m->evaluate != NULL && i < m->evaluate->asserts.len; i++) check_members(e, NULL, m->evaluate->asserts.at[i]);
}

// ---- observables

static bool bound(Elab *e, Scope *scope, const AstExpr *x, double *out, const char **unit) {
  if (x->kind == EX_NUMBER) {
    *out = x->u.number.value;
    if (x->u.number.unit.text != NULL) *unit = x->u.number.unit.text;
    return true;
  }
  Value *v = elab_expr(e, scope, x);
  return !value_is_error(v) && elab_setting_number(e, v, x->span, "the range of an observable", out);
}

static void range_of(Elab *e, Scope *scope, const AstEvalItem *item, ModelObservable *o) {
  const char *unit = NULL;
  double factor = 1;
  if (!bound(e, scope, item->over_from, &o->low, &unit) || !bound(e, scope, item->over_to, &o->high, &unit)) return;
  if (!unit_convert(unit, o->unit, &factor)) {
    Diag *d = elab_error(e, DIAG_UNIT, item->over_to->span, "a range in %s of an observable in %s", unit, o->unit);
    diag_help(e->diags, d, "give the range in %s", o->unit);
    return;
  }
  if (o->unit == NULL) o->unit = unit;
  o->low *= factor;
  o->high *= factor;
  o->has_range = o->low < o->high;
  if (!o->has_range) elab_error(e, DIAG_TYPE, item->over_from->span, "the range %g..%g is empty", o->low, o->high);
}

static bool add_observable(Elab *e, ModelEvaluate *out, const char *name, Value *v, Span span, ModelObservable *o) {
  if (value_is_error(v)) return false;
  if (value_is_number(v)) v = elab_tensor(e, v, span);
  if (v->kind != VALUE_TENSOR || v->u.tensor.type.shape.rank != 0) {
    Diag *d = elab_error(e, DIAG_TYPE, span, "an observable is one number per event, `%s` is %s", name, value_text(e->arena, v));
    diag_help(e->diags, d, "take one component, or a `sum(…)`");
    return false;
  }
  o->name = name;
  o->unit = v->u.tensor.type.unit;
  v = elab_real(e, v, span);
  ir_output(e->scene->fn, arena_printf(e->arena, "observable:%s", name), over_events(e, v));
  (void)out;
  return true;
}

static void observable(Elab *e, Scope *scope, ModelEvaluate *out, const AstEvalItem *item) {
  if (item->against != NULL) {
    not_built(e, item->against->span, "`against`");
    return;
  }
  Value *v = elab_expr(e, scope, item->value);
  ModelObservable o = {.label = item->label, .log = item->log};
  scope_bind(e, scope, item->name.text, item->name.span, v)->used = true;
  if (!add_observable(e, out, item->name.text, v, item->value->span, &o)) return;
  if (item->over_from != NULL) range_of(e, scope, item, &o);
  int64_t bins = 0;
  if (item->bins != NULL && static_int(e, scope, item->bins, "the number of bins", 1, &bins)) o.bins = (int)bins;
  VEC_PUSH(e->arena, &out->list, o);
}

// `observables f(x)`: every named output of f is one, of a vector every component.
static void add_components(Elab *e, ModelEvaluate *out, const char *name, Value *v, Span span) {
  if (v->kind == VALUE_LIST) v = elab_real(e, v, span);
  int64_t n = v->kind == VALUE_TENSOR && v->u.tensor.type.shape.rank == 1 ? v->u.tensor.type.shape.axes[0] : 1;
  for (int64_t i = 0; i < n; i++) {
    ModelObservable o = {0};
    Value *one = v;
    if (n > 1) one = elab_component(e, v, i, span);
    if (add_observable(e, out, n > 1 ? arena_printf(e->arena, "%s[%lld]", name, (long long)i) : name, one, span, &o)) VEC_PUSH(e->arena, &out->list, o);
  }
}

static void observables(Elab *e, Scope *scope, ModelEvaluate *out, const AstExpr *x) {
  Value *v = elab_expr(e, scope, x);
  if (value_is_error(v)) return;
  if (v->kind != VALUE_RECORD) {
    add_components(e, out, source_text(e, x->span), v, x->span);
    return;
  }
  for (size_t i = 0; i < v->u.record.fields.len; i++) {
    const RecordField *f = &v->u.record.fields.at[i];
    const char *name = f->name != NULL ? f->name : arena_printf(e->arena, "%s_%zu", source_text(e, x->span), i);
    add_components(e, out, name, f->value, x->span);
  }
}

// ---- the block

static void eval_item(Elab *e, Scope *scope, ModelEvaluate *out, const AstEvalItem *item) {
  switch (item->kind) {
  case EI_ERROR: return;
  case EI_METRICS:
    for (size_t i = 0; i < item->list.len; i++) {
      const char *name = metric_name(e, item->list.at[i], METRICS_ONLY);
      if (name != NULL) VEC_PUSH(e->arena, &out->metrics, (ModelMetric){name, item->list.at[i], item->list.at[i]->span});
    }
    return;
  case EI_OBSERVABLES:
    for (size_t i = 0; i < item->list.len; i++) observables(e, scope, out, item->list.at[i]);
    return;
  case EI_OBSERVABLE: observable(e, scope, out, item); return;
  case EI_DEFINE: scope_bind(e, scope, item->name.text, item->name.span, elab_expr(e, scope, item->value)); return;
  case EI_EVENTS: static_int(e, scope, item->value, "the number of events", 1, &out->events); return;
  case EI_ASSERT: assertion(e, out, item->value); return;
  }
}

void evaluate_block(Blocks *b, const Generator *g) {
  Elab *e = b->e;
  ModelEvaluate *out = ARENA_NEW(e->arena, ModelEvaluate);
  Scene *scene = scene_open(e, SCENE_OBSERVE, "observables", "observables");
  Scope *scope = scope_new(e, fields_scope(b, g->scope, true));
  for (size_t i = 0; i < g->decl->u.evaluate.items.len; i++) eval_item(e, scope, out, g->decl->u.evaluate.items.at[i]);
  if (out->list.len > 0) out->observables = scene->fn;
  scene_close(e);
  e->model->evaluate = out;
}
