// Metrics with their arguments, and formulas of them. An argument that is a value of the event becomes an output of the program of
// observables, which runs on the truth and on generated events alike; what a formula says of all generated events at once
// (`mean(batch(x))`) becomes a number of the program `whole`.
#include <string.h>

#include "lang/block.h"

// ---- the names of `score`

typedef struct Scores {
  const AstDecl *decl;
  Scope *prepared;
  Scope *made; // NULL: not yet
} Scores;

typedef struct ScoreName {
  Scores *scores;
  const char *name;
} ScoreName;

// Draws of scores are those that `hgmc score` makes.
static Value *make_score(Elab *e, Scope *scope, void *data) {
  (void)scope;
  const ScoreName *s = data;
  if (s->scores->made == NULL) {
    const char *site = e->scene->site;
    bool batches = e->scene->batches;
    s->scores->made = scope_new(e, s->scores->prepared);
    e->scene->site = "score";
    e->scene->batches = true;
    elab_statements(e, s->scores->made, &s->scores->decl->u.score.body);
    e->scene->site = site;
    e->scene->batches = batches;
  }
  const Binding *x = scope_own(s->scores->made, s->name);
  return x == NULL || x->value == NULL ? value_error(e) : x->value;
}

Scope *scores_scope(Blocks *b, Scope *outer) {
  Elab *e = b->e;
  Scope *scope = scope_new(e, outer);
  if (b->score.decl == NULL) return scope;
  Scores *scores = ARENA_NEW(e->arena, Scores);
  *scores = (Scores){b->score.decl, fields_scope(b, b->score.scope, false), NULL};
  for (size_t i = 0; i < scores->decl->u.score.body.len; i++) {
    const AstStmt *s = scores->decl->u.score.body.at[i];
    const AstPattern *p = s->kind == ST_ASSIGN ? &s->u.assign.pattern : s->kind == ST_DRAW ? &s->u.draw.pattern : NULL;
    for (size_t k = 0; p != NULL && k < p->names.len; k++) {
      ScoreName *name = ARENA_NEW(e->arena, ScoreName);
      *name = (ScoreName){scores, p->names.at[k].text};
      if (scope_own(scope, name->name) == NULL) scope_bind_lazy(e, scope, name->name, p->names.at[k].span, make_score, name)->used = true;
    }
  }
  return scope;
}

// ---- what a metric reads

static void mark_measured(const Model *model, const IrFn *fn, const IrValue *v, bool *seen) {
  for (size_t i = 0; v->op == IR_INPUT && i < model->measured.len; i++) {
    const ModelMeasured *m = &model->measured.at[i];
    if (m->reader == fn && strcmp(m->leaf, v->attr.name) == 0) seen[m->of] = true;
  }
}

static void mark(const Model *model, const IrFn *fn, IrRef at, bool *seen) {
  for (size_t i = 0; i <= at; i++) seen[i] = i == at;
  for (IrRef i = at + 1; i-- > 0;) {
    if (!seen[i]) continue;
    const IrValue *v = &fn->values.at[i];
    for (uint32_t k = 0; k < v->n_operands; k++) seen[v->operands[k]] = true;
    mark_measured(model, fn, v, seen); // it stands in front of v
  }
}

static bool is_written(const Model *model, const char *column) {
  const ModelGenerator *g = model->generators.len > 0 ? model->generators.at[0] : NULL;
  for (size_t i = 0; g != NULL && i < g->outputs.len; i++)
    if (strcmp(g->outputs.at[i].column, column) == 0) return true;
  return false;
}

// Whether generated events have all columns that x is made of.
static bool is_generated(Elab *e, IrRef x) {
  const IrFn *fn = e->scene->fn;
  bool *seen = ARENA_ARRAY(e->arena, bool, fn->values.len + 1), all = e->model->generators.len > 0;
  mark(e->model, fn, x, seen);
  for (IrRef i = 0; i <= x; i++) {
    const IrValue *v = &fn->values.at[i];
    if (seen[i] && v->op == IR_INPUT && strncmp(v->attr.name, "column:", 7) == 0) all &= is_written(e->model, v->attr.name + 7);
  }
  return all;
}

// ---- arguments

typedef struct Argument {
  Metrics *m;
  ModelMetric *metric;
  const MetricParameter *parameter;
  int place;
  const AstExpr *expr;
} Argument;

static void give_output(const Argument *a, Value *v) {
  Elab *e = a->m->b->e;
  const char *name = arena_printf(e->arena, "metric:%zu.%d", a->m->out->metrics.len, a->place);
  IrRef x = over_events(e, v);
  ir_output(e->scene->fn, name, x);
  a->metric->outputs[a->place] = name;
  a->metric->generated &= is_generated(e, x);
}

static const char *argument_text(const Argument *a) {
  return arena_printf(a->m->b->e->arena, "`%s` of `%s`", a->parameter->name, metric_info[a->metric->kind].name);
}

static void wrong_kind(const Argument *a, const Value *v, const char *wanted, const char *help) {
  Elab *e = a->m->b->e;
  Diag *d = elab_error(e, DIAG_TYPE, a->expr->span, "%s is %s, this is %s", argument_text(a), wanted, value_text(e->arena, v));
  diag_help(e->diags, d, "%s", help);
}

// In the order in which elab_flatten puts them.
static void name_components(Arena *arena, const Value *v, const char *name, Strings *names) {
  if (v->kind == VALUE_RECORD) {
    for (size_t i = 0; i < v->u.record.fields.len; i++) {
      const RecordField *f = &v->u.record.fields.at[i];
      const char *own = f->name != NULL ? f->name : arena_printf(arena, "[%zu]", i); // of a tuple
      name_components(arena, f->value, *name == 0 ? own : arena_printf(arena, "%s.%s", name, own), names);
    }
    return;
  }
  int64_t n = v->kind == VALUE_TENSOR ? extents_elements(&v->u.tensor.type.shape) : 1;
  for (int64_t k = 0; k < n; k++) VEC_PUSH(arena, names, n == 1 ? name : arena_printf(arena, "%s[%lld]", name, (long long)k));
}

static bool value_argument(const Argument *a) {
  Elab *e = a->m->b->e;
  Value *v = elab_expr(e, a->m->names, a->expr);
  if (value_is_error(v)) return false;
  if (v->kind == VALUE_RECORD) name_components(e->arena, v, "", &a->metric->components);
  if (v->kind != VALUE_TENSOR) v = value_is_number(v) ? elab_tensor(e, v, a->expr->span) : elab_flatten(e, v, a->expr->span);
  if (value_is_error(v)) return false;
  bool number = v->u.tensor.type.shape.rank == 0;
  if (!number && a->parameter->kind != METRIC_ARRAY) {
    wrong_kind(a, v, a->parameter->kind == METRIC_CONDITION ? "true or false for each event" : "one number per event", "take one component, or a `sum(…)`");
    return false;
  }
  bool condition = v->u.tensor.type.element == ELEMENT_BOOL || (v->u.tensor.type.element == ELEMENT_CLASS && v->u.tensor.type.classes->n == 2);
  if (a->parameter->kind == METRIC_CONDITION && !condition) {
    wrong_kind(a, v, "true or false for each event", "compare it: `signal == 1`");
    return false;
  }
  v = elab_real(e, v, a->expr->span);
  if (!value_is_error(v)) give_output(a, v);
  return !value_is_error(v);
}

static bool class_argument(const Argument *a) {
  Elab *e = a->m->b->e;
  Value *v = elab_expr(e, a->m->prepared, a->expr);
  if (value_is_error(v)) return false;
  if (v->kind != VALUE_TENSOR || v->u.tensor.type.element != ELEMENT_CLASS || v->u.tensor.type.shape.rank != 0) {
    wrong_kind(a, v, "a class", "declare the field as one: `signal: class[2] = \"signal\"`");
    return false;
  }
  const ClassValues *c = v->u.tensor.type.classes;
  for (int64_t i = 0; i < c->n; i++) {
    const char *name = c->texts.len > 0    ? c->texts.at[i]
                       : c->values.len > 0 ? arena_printf(e->arena, "%g", c->values.at[i])
                                           : arena_printf(e->arena, "%lld", (long long)i);
    VEC_PUSH(e->arena, &a->metric->classes, name);
  }
  give_output(a, v);
  return true;
}

static bool number_argument(const Argument *a) {
  Elab *e = a->m->b->e;
  Value *v = elab_expr(e, a->m->names, a->expr);
  const char *what = argument_text(a);
  double *x = &a->metric->numbers[a->place];
  if (value_is_error(v) || !elab_setting_number(e, v, a->expr->span, what, x)) return false;
  if (*x > 0) return true;
  Diag *d = elab_error(e, DIAG_TYPE, a->expr->span, "%s is positive, found %g", what, *x);
  diag_help(e->diags, d, "give a larger number");
  return false;
}

static bool count_argument(const Argument *a) {
  Elab *e = a->m->b->e;
  Value *v = elab_expr(e, a->m->names, a->expr);
  const char *what = argument_text(a);
  int64_t n;
  if (value_is_error(v) || !elab_setting_int(e, v, a->expr->span, what, &n)) return false;
  a->metric->numbers[a->place] = (double)n;
  if (n >= 1 && n <= METRIC_MOST_COUNT) return true;
  Diag *d = elab_error(e, DIAG_TYPE, a->expr->span, "%s is 1 to %d, found %lld", what, METRIC_MOST_COUNT, (long long)n);
  diag_help(e->diags, d, "give a %s number", n < 1 ? "larger" : "smaller");
  return false;
}

// ---- a flow over fields: nll and inversion

static bool fields_of_flow(const Argument *a, const AstVars *vars, Values *out) {
  Elab *e = a->m->b->e;
  for (size_t i = 0; i < vars->len; i++) {
    const char *name = vars->at[i].name.text;
    Binding *x = scope_own(a->m->prepared, name);
    if (x == NULL) {
      Diag *d =
          elab_error(e, DIAG_TYPE, a->expr->span, "`%s` looks at a flow over fields of the data, and `%s` is none", metric_info[a->metric->kind].name, name);
      diag_label(e->diags, d, vars->at[i].name.span, "the flow's `%s`", name);
      diag_help(e->diags, d, "a score can hold the number: `score { loss = … }` and `observable`");
      return false;
    }
    Value *v = scope_value(e, a->m->prepared, (AstName){name, a->expr->span});
    if (value_is_error(v)) return false;
    VEC_PUSH(e->arena, out, v);
  }
  return true;
}

// |x - forward(inverse(x))|, the length over all components.
static Value *way_and_back(Elab *e, const Value *flow, const Values *x, const Values *given, Span span) {
  Value *log_det = NULL, *z = flow_apply(e, flow, true, x, given, given->len > 0, &log_det, span);
  if (value_is_error(z)) return z;
  Values one = {0}, back = {0};
  VEC_PUSH(e->arena, &one, z);
  Value *y = flow_apply(e, flow, false, &one, given, given->len > 0, &log_det, span);
  if (value_is_error(y)) return y;
  VEC_PUSH(e->arena, &back, y);
  Value *before = value_record(e, span);
  for (size_t i = 0; i < x->len; i++) VEC_PUSH(e->arena, &before->u.record.fields, (RecordField){NULL, x->at[i]});
  Value *difference = elab_binary(e, BIN_SUB, elab_flatten(e, y, span), elab_flatten(e, before, span), span);
  if (value_is_error(difference)) return difference;
  return elab_unary(e, IR_SQRT, elab_sum(e, elab_binary(e, BIN_MUL, difference, difference, span), span), span);
}

static bool flow_argument(const Argument *a) {
  Elab *e = a->m->b->e;
  Span span = a->expr->span;
  Value *flow = elab_expr(e, a->m->names, a->expr);
  if (value_is_error(flow)) return false;
  if (flow->kind != VALUE_FLOW) {
    wrong_kind(a, flow, "a flow", "`flow density(x) { … }` declares one");
    return false;
  }
  Values x = {0}, given = {0};
  const AstDecl *decl = flow->u.flow.decl;
  if (!fields_of_flow(a, &decl->u.flow.vars, &x) || !fields_of_flow(a, &decl->u.flow.given, &given)) return false;
  Value *v = a->metric->kind == METRIC_NLL ? elab_log_prob(e, flow, &x, &given, given.len > 0, span) : way_and_back(e, flow, &x, &given, span);
  if (!value_is_error(v) && a->metric->kind == METRIC_NLL) v = elab_unary(e, IR_NEG, v, span);
  if (!value_is_error(v)) give_output(a, v);
  return !value_is_error(v);
}

static bool argument(const Argument *a) {
  switch (a->parameter->kind) {
  case METRIC_VALUE:
  case METRIC_ARRAY:
  case METRIC_CONDITION: return value_argument(a);
  case METRIC_CLASS: return class_argument(a);
  case METRIC_FLOW: return flow_argument(a);
  case METRIC_NUMBER: return number_argument(a);
  case METRIC_WHOLE: return count_argument(a);
  }
  return false;
}

// ---- a metric with its arguments

static const char *signature(Arena *arena, const MetricInfo *info, const MetricParameter *p, int n) {
  const char *text = info->name;
  for (int i = 0; i < n; i++) text = arena_printf(arena, "%s%s%s%s", text, i > 0 ? ", " : "(", p[i].name, p[i].optional ? " =" : "");
  return n > 0 ? arena_printf(arena, "%s)", text) : text;
}

// Which argument of the call is for parameter i: by name, else by place. -1: none.
static int argument_of(const AstArgs *args, const MetricParameter *p, int i) {
  for (size_t k = 0; k < args->len; k++)
    if (args->at[k].name.text != NULL ? strcmp(args->at[k].name.text, p[i].name) == 0 : k == (size_t)i) return (int)k;
  return -1;
}

static bool arguments(Metrics *m, ModelMetric *metric, const AstExpr *base) {
  Elab *e = m->b->e;
  static const AstArgs none = {0};
  const AstArgs *args = base->kind == EX_CALL ? &base->u.call.args : &none;
  const MetricInfo *info = &metric_info[metric->kind];
  MetricParameter p[METRIC_MOST_ARGUMENTS];
  int n = metric_parameters(e->arena, info, p);
  size_t taken = 0;
  bool good = true;
  for (int i = 0; i < n; i++) {
    int k = argument_of(args, p, i);
    taken += k >= 0;
    metric->numbers[i] = p[i].fallback;
    if (k < 0) {
      if (p[i].optional) continue;
      Diag *d = elab_error(e, DIAG_ARGUMENTS, base->span, "`%s` is missing its `%s`", info->name, p[i].name);
      diag_help(e->diags, d, "write `%s`", signature(e->arena, info, p, n));
      return false;
    }
    metric->texts[i] = source_text(e, args->at[k].value->span);
    good &= argument(&(Argument){m, metric, &p[i], i, args->at[k].value});
  }
  if (taken == args->len) return good;
  Diag *d = elab_error(e, DIAG_ARGUMENTS, base->span, "`%s` takes %d argument%s at most, found %zu", info->name, n, n == 1 ? "" : "s", args->len);
  diag_help(e->diags, d, "write `%s`", signature(e->arena, info, p, n));
  return false;
}

// One metric for each text: what is written twice is computed once. NULL: reported.
static ModelMetric *metric_of(Metrics *m, const MetricInfo *info, const AstExpr *base) {
  Elab *e = m->b->e;
  const char *text = source_text(e, base->span);
  for (size_t i = 0; i < m->out->metrics.len; i++)
    if (strcmp(m->out->metrics.at[i]->text, text) == 0) return m->out->metrics.at[i];
  ModelMetric *metric = ARENA_NEW(e->arena, ModelMetric);
  *metric = (ModelMetric){.kind = metric_kind(info), .text = text, .generated = e->model->generators.len > 0, .span = base->span};
  if (!arguments(m, metric, base)) return NULL;
  VEC_PUSH(e->arena, &m->out->metrics, metric);
  return metric;
}

// ---- names of metrics

// roc(score, truth).rejection(0.3): the metric's own part, the member, and its number.
typedef struct Reference {
  const AstExpr *base, *at;
  AstName member;
  const char *name; // NULL: no name
} Reference;

static Reference reference_of(const AstExpr *x) {
  Reference r = {.base = x};
  if (x->kind == EX_CALL && x->u.call.callee->kind == EX_FIELD && x->u.call.args.len == 1) r.at = x->u.call.args.at[0].value, x = x->u.call.callee;
  if (x->kind == EX_FIELD) r.member = x->u.field.name, r.base = x->u.field.object;
  const AstExpr *name = r.base->kind == EX_CALL ? r.base->u.call.callee : r.base;
  r.name = name->kind == EX_NAME ? name->u.name : NULL;
  return r;
}

static bool may_stand(const MetricInfo *info, bool listed, const ModelPhase *phase) {
  if (info->of == METRIC_OF_RUN) return !listed && phase == NULL;
  return info->of != METRIC_OF_TRAINING || phase != NULL;
}

static void unknown_metric(Metrics *m, const AstExpr *x, const char *name, bool listed, const ModelPhase *phase) {
  Elab *e = m->b->e;
  const char *names[METRIC_COUNT], *all = "";
  size_t n = 0;
  for (int i = 0; i < METRIC_COUNT; i++) {
    if (!may_stand(&metric_info[i], listed, phase)) continue;
    names[n++] = metric_info[i].name;
    all = arena_printf(e->arena, "%s%s%s", all, all[0] != 0 ? ", " : "", metric_info[i].name);
  }
  Diag *d = elab_error(e, DIAG_METRIC_UNKNOWN, x->span, "`%s` is no metric", source_text(e, x->span));
  const char *near = name == NULL ? NULL : diag_nearest(name, names, n);
  if (near != NULL) diag_help(e->diags, d, "did you mean `%s`?", near);
  else diag_help(e->diags, d, "metrics are %s", all);
}

void metrics_listed(Metrics *m, const AstExpr *x) {
  if (x->kind == EX_ERROR) return;
  Reference r = reference_of(x);
  const MetricInfo *info = r.name == NULL || r.member.text != NULL ? NULL : metric_find(r.name);
  if (info == NULL || !may_stand(info, true, NULL)) {
    unknown_metric(m, x, r.name, true, NULL);
    return;
  }
  ModelMetric *metric = metric_of(m, info, x);
  if (metric != NULL) metric->listed = true;
}

// ---- members

typedef VEC(const char *) Names;

static Names losses_of(Elab *e, const ModelPhase *phase) {
  Names names = {0};
  for (size_t u = 0; phase != NULL && u < phase->updates.len; u++)
    for (size_t i = 0; i < phase->updates.at[u].losses.len; i++) VEC_PUSH(e->arena, &names, phase->updates.at[u].losses.at[i].name);
  return names;
}

static Names columns_of(Metrics *m) {
  Elab *e = m->b->e;
  Names names = {0};
  VEC_PUSH(e->arena, &names, "worst");
  for (size_t i = 0; e->model->generators.len > 0 && i < e->model->generators.at[0]->outputs.len; i++) {
    const ModelOutput *o = &e->model->generators.at[0]->outputs.at[i];
    if (!o->given && !o->extra) VEC_PUSH(e->arena, &names, o->column);
  }
  for (size_t i = 0; i < m->out->list.len; i++) VEC_PUSH(e->arena, &names, m->out->list.at[i].name);
  return names;
}

static Names members_of(Metrics *m, const MetricInfo *info) {
  Elab *e = m->b->e;
  Names names = {0};
  if (info->of == METRIC_OF_PAIRS) VEC_PUSH(e->arena, &names, "worst");
  for (const char *at = info->members; *at != '\0'; at += strcspn(at, " "), at += strspn(at, " "))
    VEC_PUSH(e->arena, &names, arena_strndup(e->arena, at, strcspn(at, " (=")));
  return names;
}

static bool is_among(const Names *names, const char *name) {
  for (size_t i = 0; i < names->len; i++)
    if (strcmp(names->at[i], name) == 0) return true;
  return false;
}

static bool member_is_there(Metrics *m, const MetricInfo *info, const ModelPhase *phase, const Reference *r) {
  Elab *e = m->b->e;
  Names names = info->of == METRIC_OF_TRAINING ? losses_of(e, phase) : info->of == METRIC_OF_COLUMN ? columns_of(m) : members_of(m, info);
  bool own = info->of == METRIC_OF_EVENT || info->of == METRIC_OF_VALUES;
  if (is_among(&names, r->member.text) && (!own || metric_has_member(info, r->member.text, r->at != NULL))) return true;
  const char *near = diag_nearest(r->member.text, names.at, names.len), *list = "";
  for (size_t i = 0; i < names.len && i < 12; i++) list = arena_printf(e->arena, "%s%s%s", list, i > 0 ? ", " : "", names.at[i]);
  const char *what = info->of == METRIC_OF_TRAINING     ? "no update of this block moves that"
                     : info->of == METRIC_OF_COLUMN     ? "neither a generated column nor an observable has that name"
                     : is_among(&names, r->member.text) ? (r->at != NULL ? "it takes no number" : "it takes a number, like `rejection(0.5)`")
                                                        : "it has no such member";
  if (near != NULL && strcmp(near, r->member.text) == 0) near = NULL;
  Diag *d = near != NULL ? elab_error(e, DIAG_OBSERVABLE_UNKNOWN, r->member.span, "%s of `%s`: %s; did you mean `%s`?", info->name, r->member.text, what, near)
                         : elab_error(e, DIAG_OBSERVABLE_UNKNOWN, r->member.span, "%s of `%s`: %s", info->name, r->member.text, what);
  diag_help(e->diags, d, names.len > 0 ? "there are %s" : "it stands alone%s", list);
  return false;
}

// ---- formulas

static void use_metric(Metrics *m, const AstExpr *x, const MetricInfo *info, const Reference *r, const ModelPhase *phase) {
  Elab *e = m->b->e;
  ModelMetricUse use = {.expr = x, .member = r->member};
  if (r->at != NULL) {
    Value *v = elab_expr(e, m->names, r->at);
    if (value_is_error(v) || !elab_setting_number(e, v, r->at->span, "this number", &use.at)) return;
  }
  if (r->member.text != NULL && !member_is_there(m, info, phase, r)) return;
  use.metric = metric_of(m, info, r->base);
  if (use.metric != NULL) VEC_PUSH(e->arena, &m->out->uses, use);
}

// A param, or another name for a number.
static bool use_number(Metrics *m, const AstExpr *x) {
  Elab *e = m->b->e;
  if (x->kind != EX_NAME || scope_find(m->names, x->u.name) == NULL) return false;
  const Value *v = elab_expr(e, m->names, x);
  if (!value_is_number(v)) return false;
  VEC_PUSH(e->arena, &m->out->uses, (ModelMetricUse){.expr = x, .number = value_number(v)});
  return true;
}

static void call_in_formula(Metrics *m, const AstExpr *x, const char *name, const ModelPhase *phase) {
  const AstArgs *args = &x->u.call.args;
  if (name != NULL && model_formula_function(name, args->len)) {
    for (size_t i = 0; i < args->len; i++) metrics_formula(m, args->at[i].value, phase);
    return;
  }
  VEC_PUSH(m->b->e->arena, &m->of_all_events, x);
}

void metrics_formula(Metrics *m, const AstExpr *x, const ModelPhase *phase) {
  switch (x->kind) {
  case EX_BINARY:
    metrics_formula(m, x->u.binary.left, phase);
    metrics_formula(m, x->u.binary.right, phase);
    return;
  case EX_UNARY: metrics_formula(m, x->u.unary.operand, phase); return;
  case EX_NUMBER:
  case EX_BOOL:
  case EX_ERROR: return;
  case EX_CALL:
  case EX_NAME:
  case EX_FIELD: {
    Reference r = reference_of(x);
    const MetricInfo *info = r.name == NULL ? NULL : metric_find(r.name);
    if (use_number(m, x)) return;
    if (info != NULL && may_stand(info, false, phase)) use_metric(m, x, info, &r, phase);
    else if (x->kind == EX_CALL && r.member.text == NULL && r.name != NULL && scope_find(m->names, r.name) != NULL) call_in_formula(m, x, r.name, phase);
    else unknown_metric(m, x, r.name, false, phase);
    return;
  }
  case EX_STRING:
  case EX_LIST:
  case EX_FILL:
  case EX_COMPREHENSION:
  case EX_TUPLE:
  case EX_PIPE:
  case EX_UNIT:
  case EX_IF:
  case EX_FN:
  case EX_INDEX:
    elab_not_built(m->b->e, x->span, "this in a formula of metrics", "a definition of the block may have it: `r = x.pt[0]`, then `mean(batch(r))`");
    return;
  }
}

void metrics_of_all_events(Metrics *m, Scope *names) {
  Elab *e = m->b->e;
  e->scene->batches = true;
  for (size_t i = 0; i < m->of_all_events.len; i++) {
    const AstExpr *x = m->of_all_events.at[i];
    Value *v = elab_expr(e, names, x);
    if (value_is_error(v)) continue;
    v = elab_real(e, v, x->span);
    if (value_is_error(v)) continue;
    if (v->u.tensor.type.shape.rank != 0 || v->u.tensor.belongs.kind > BELONGS_STEP) {
      Diag *d = elab_error(e, DIAG_TYPE, x->span, "a formula of metrics is of numbers of all events, `%s` is %s of each event", source_text(e, x->span),
                           value_text(e->arena, v));
      diag_help(e->diags, d, "`mean(batch(…))` is one number of all generated events");
      continue;
    }
    const char *name = arena_printf(e->arena, "whole:%zu", i);
    ir_output(e->scene->fn, name, ir_cast(e->scene->fn, v->u.tensor.ir, IR_F64));
    VEC_PUSH(e->arena, &m->out->uses, (ModelMetricUse){.expr = x, .output = name});
  }
}
