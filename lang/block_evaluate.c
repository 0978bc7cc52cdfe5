// Evaluation: observables as one program over physical columns; metrics and assertions as they stand.
#include <string.h>

#include "lang/block.h"
#include "lang/elab_core.h"
#include "lang/unit.h"

// ---- assertions

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

static void assertion(Metrics *m, const AstExpr *x) {
  Elab *e = m->b->e;
  if (x->kind == EX_ERROR) return;
  if (!is_condition(x)) {
    Diag *d = elab_error(e, DIAG_ASSERT_TYPE, x->span, "assert needs true or false, found `%s`", source_text(e, x->span));
    diag_help(e->diags, d, "compare it: `assert ks.worst < 0.05`");
    return;
  }
  metrics_formula(m, x, NULL);
  VEC_PUSH(e->arena, &m->out->asserts, x);
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
    if (unit_exists(o->unit)) diag_help(e->diags, d, "give the range in %s", o->unit);
    else diag_help(e->diags, d, "take the `sqrt` of it, or give the range without a unit");
    return;
  }
  if (o->unit == NULL) o->unit = unit;
  o->low *= factor;
  o->high *= factor;
  o->has_range = o->low < o->high;
  if (!o->has_range)
    diag_help(e->diags, elab_error(e, DIAG_TYPE, item->over_from->span, "the range %g..%g is empty", o->low, o->high), "the lower bound comes first");
}

static bool add_observable(Elab *e, const char *name, Value *v, Span span, ModelObservable *o) {
  if (value_is_error(v)) return false;
  if (value_is_number(v)) v = elab_tensor(e, v, span);
  if (v->kind != VALUE_TENSOR || v->u.tensor.type.shape.rank != 0) {
    Diag *d = elab_error(e, DIAG_TYPE, span, "an observable is one number per event, `%s` is %s", name, value_text(e->arena, v));
    diag_help(e->diags, d, "take one component, or a `sum(…)`");
    return false;
  }
  o->name = name;
  o->unit = v->u.tensor.type.unit;
  if (circular_any(&v->u.tensor.type)) o->period = full_turn(o->unit);
  v = elab_real(e, v, span);
  ir_output(e->scene->fn, arena_printf(e->arena, "observable:%s", name), over_events(e, v));
  return true;
}

// `against wanted`: a data block; `against uniform(1, 100)`: a law.
static void against(Elab *e, Scope *scope, const AstEvalItem *item, ModelObservable *o) {
  o->against_span = item->against->span;
  Scene *scene = scene_open(e, SCENE_GENERATE, arena_printf(e->arena, "%s.against", o->name), "evaluate");
  Value *v = elab_expr(e, scope, item->against);
  if (v->kind == VALUE_DATA) {
    o->against = v->u.data.data;
  } else if (v->kind == VALUE_DISTRIBUTION || v->kind == VALUE_FLOW) {
    v = elab_draw(e, v, NULL, false, o->name, item->against->span);
    if (v->kind == VALUE_TENSOR && v->u.tensor.type.shape.rank > 0) {
      Diag *d = elab_error(e, DIAG_TYPE, item->against->span, "`%s` is one number per event, this draws %s", o->name, value_text(e->arena, v));
      diag_help(e->diags, d, "`against uniform(1, 100)`");
    } else if (v->kind == VALUE_TENSOR) {
      ir_output(scene->fn, arena_printf(e->arena, "observable:%s", o->name), over_events(e, v));
      o->law = scene->fn;
    }
  } else if (!value_is_error(v)) {
    Diag *d = elab_error(e, DIAG_TYPE, item->against->span, "`against` takes a data block or a law, found %s", value_text(e->arena, v));
    diag_help(e->diags, d, "`against wanted` of `data wanted { … }`, or `against uniform(1, 100)`");
  }
  scene_close(e);
}

// The other block must have the columns that the observables read.
static void check_against(Elab *e, const ModelEvaluate *out, const ModelObservable *o) {
  const ModelData *data = o->against;
  for (size_t i = 0; i < out->observables->values.len; i++) {
    const IrValue *x = &out->observables->values.at[i];
    bool column = x->op == IR_INPUT && strncmp(x->attr.name, "column:", 7) == 0, found = !column;
    for (size_t k = 0; k < data->columns.len && !found; k++) found = strcmp(data->columns.at[k].name, x->attr.name + 7) == 0;
    if (found) continue;
    Diag *d = elab_error(e, DIAG_COLUMN_MISSING, o->against_span, "the observables read `%s`, which `%s` does not have", x->attr.name + 7, data->name);
    diag_help(e->diags, d, "`data %s { x: base.x }` has the columns of another block's field", data->name);
    return;
  }
}

static void bins_of(Elab *e, Scope *scope, const AstExpr *x, ModelObservable *o) {
  int64_t n;
  if (!static_int(e, scope, x, "the number of bins", 1, &n)) return;
  if (n <= MODEL_MOST_BINS) {
    o->bins = (int)n;
    return;
  }
  Diag *d = elab_error(e, DIAG_TYPE, x->span, "the number of bins is at most %d, found %lld", MODEL_MOST_BINS, (long long)n);
  diag_help(e->diags, d, "a histogram of the report has 1 to %d bins; `over` narrows its range", MODEL_MOST_BINS);
}

static void observable(Elab *e, Scope *scope, ModelEvaluate *out, const AstEvalItem *item) {
  Value *v = elab_expr(e, scope, item->value);
  ModelObservable o = {.label = item->label, .log = item->log};
  scope_bind(e, scope, item->name.text, item->name.span, v)->used = true;
  if (!add_observable(e, item->name.text, v, item->value->span, &o)) return;
  if (item->over_from != NULL) range_of(e, scope, item, &o);
  if (item->against != NULL) against(e, scope, item, &o);
  if (item->bins != NULL) bins_of(e, scope, item->bins, &o);
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
    if (add_observable(e, n > 1 ? arena_printf(e->arena, "%s[%lld]", name, (long long)i) : name, one, span, &o)) VEC_PUSH(e->arena, &out->list, o);
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
    if (scope_own(scope, name) == NULL) scope_bind(e, scope, name, x->span, f->value)->used = true; // metrics look at it by its name
  }
}

// ---- the block

static void eval_item(Elab *e, Scope *scope, ModelEvaluate *out, const AstEvalItem *item) {
  switch (item->kind) {
  case EI_OBSERVABLES:
    for (size_t i = 0; i < item->list.len; i++) observables(e, scope, out, item->list.at[i]);
    return;
  case EI_OBSERVABLE: observable(e, scope, out, item); return;
  case EI_DEFINE: scope_bind(e, scope, item->name.text, item->name.span, elab_expr(e, scope, item->value)); return;
  case EI_EVENTS: static_int(e, scope, item->value, "the number of events", 1, &out->events); return;
  case EI_ERROR:
  case EI_METRICS:
  case EI_ASSERT: return;
  }
}

// `watch roc(score, truth)` would keep the worst.
static void smallest_is_best(Metrics *m, const ModelPhase *phase) {
  Elab *e = m->b->e;
  for (size_t i = 0; i < m->out->uses.len; i++) {
    const ModelMetricUse *use = &m->out->uses.at[i];
    if (use->expr != phase->watch || use->metric == NULL || metric_info[use->metric->kind].better != METRIC_HIGHER) continue;
    Diag *d = elab_error(e, DIAG_WATCH_LARGE, phase->watch->span, "`watch` keeps the smallest, and `%s` is better when it is large", use->metric->text);
    diag_help(e->diags, d, "write `watch -%s`", source_text(e, phase->watch->span));
  }
}

// Metrics and formulas see every observable of the block, wherever it stands.
static void measures(Metrics *m, const AstDecl *decl) {
  for (size_t i = 0; decl != NULL && i < decl->u.evaluate.items.len; i++) {
    const AstEvalItem *item = decl->u.evaluate.items.at[i];
    for (size_t k = 0; item->kind == EI_METRICS && k < item->list.len; k++) metrics_listed(m, item->list.at[k]);
    if (item->kind == EI_ASSERT) assertion(m, item->value);
  }
  const Model *model = m->b->e->model;
  for (size_t i = 0; i < model->phases.len; i++)
    if (model->phases.at[i]->watch != NULL) {
      metrics_formula(m, model->phases.at[i]->watch, model->phases.at[i]);
      smallest_is_best(m, model->phases.at[i]);
    }
}

static Value *make_item(Elab *e, Scope *scope, void *data) {
  const AstEvalItem *item = data;
  return elab_expr(e, scope, item->value);
}

// What a formula says of all generated events at once is a program of its own, with the same names.
static void whole(Metrics *m, const Generator *g, Scope *outer) {
  Elab *e = m->b->e;
  if (m->of_all_events.len == 0) return;
  Scene *scene = scene_open(e, SCENE_OBSERVE, "whole", "observables");
  Scope *names = scope_new(e, fields_scope(m->b, scores_scope(m->b, outer), true));
  for (size_t i = 0; g->decl != NULL && i < g->decl->u.evaluate.items.len; i++) {
    const AstEvalItem *item = g->decl->u.evaluate.items.at[i];
    if (item->kind == EI_OBSERVABLE || item->kind == EI_DEFINE)
      scope_bind_lazy(e, names, item->name.text, item->name.span, make_item, (void *)item)->used = true;
  }
  metrics_of_all_events(m, names);
  m->out->whole = scene->fn;
  scene_close(e);
}

static bool watches(const Model *model) {
  for (size_t i = 0; i < model->phases.len; i++)
    if (model->phases.at[i]->watch != NULL) return true;
  return false;
}

void evaluate_block(Blocks *b, const Generator *g) {
  Elab *e = b->e;
  if (g->decl == NULL && !watches(e->model)) return;
  Scope *outer = g->decl != NULL ? g->scope : b->names;
  Metrics m = {.b = b, .out = ARENA_NEW(e->arena, ModelEvaluate)};
  m.out->declared = g->decl != NULL;
  Scene *scene = scene_open(e, SCENE_OBSERVE, "observables", "observables");
  Scope *scores = scores_scope(b, outer);
  int errors = e->diags->errors;
  m.prepared = fields_scope(b, scores, false);
  m.names = scope_new(e, fields_scope(b, scores, true));
  for (size_t i = 0; g->decl != NULL && i < g->decl->u.evaluate.items.len; i++) eval_item(e, m.names, m.out, g->decl->u.evaluate.items.at[i]);
  if (e->diags->errors == errors) measures(&m, g->decl); // else names are missing that metrics would ask for
  if (scene->fn->outputs.len > 0) m.out->observables = scene->fn;
  for (size_t i = 0; i < m.out->list.len; i++)
    if (m.out->list.at[i].against != NULL) check_against(e, m.out, &m.out->list.at[i]);
  if (couples_events(scene->fn, e->arena)) m.out->batch = e->model->score_batch;
  scene_close(e);
  whole(&m, g, outer);
  e->model->evaluate = m.out;
}
