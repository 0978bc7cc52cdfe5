// Flows: variables in one vector, steps in the direction of generation, densities in f64; and the words draw, log_prob.
//
// A component that is an angle begins on the circle, evenly; the other components begin as `base` says.
#include <math.h>
#include <string.h>

#include "lang/elab_builtin.h"

static const double LOG_2PI = 1.83787706640934548356;

// ---- types of variables

static FieldType *type_of_value(Elab *e, const Value *v, const char *label) {
  FieldType *t = ARENA_NEW(e->arena, FieldType);
  *t = (FieldType){.name = label, .label = label, .span = v->span};
  if (v->type != NULL) return (FieldType *)v->type;
  if (v->kind == VALUE_TENSOR) {
    t->type = v->u.tensor.type;
    return t;
  }
  if (v->kind != VALUE_RECORD) return value_is_number(v) ? t : NULL;
  t->record = true;
  for (size_t i = 0; i < v->u.record.fields.len; i++) {
    const RecordField *f = &v->u.record.fields.at[i];
    const char *name = f->name ? f->name : arena_printf(e->arena, "%zu", i);
    FieldType *part = type_of_value(e, f->value, name);
    if (part == NULL) return NULL;
    VEC_PUSH(e->arena, &t->fields, part);
  }
  return t;
}

const FieldType *elab_flow_type(Elab *e, const Value *flow, size_t variable) {
  const AstDecl *decl = flow->u.flow.decl;
  const AstVars *vars = variable < decl->u.flow.vars.len ? &decl->u.flow.vars : &decl->u.flow.given;
  const AstVar *var = &vars->at[variable - (vars == &decl->u.flow.given ? decl->u.flow.vars.len : 0)];
  if (var->type == NULL) return e->hooks.field_named ? e->hooks.field_named(e, flow->u.flow.scope, var->name.text) : NULL;
  Type t;
  if (!elab_type(e, flow->u.flow.scope, var->type, &t)) return NULL;
  if (t.kind == TYPE_FIELD) return t.field;
  if (t.kind != TYPE_TENSOR) return NULL;
  FieldType *type = ARENA_NEW(e->arena, FieldType);
  *type = (FieldType){.name = var->name.text, .label = var->name.text, .type = t.tensor, .span = var->name.span};
  return type;
}

// ---- a flow opened for one use

typedef struct Open {
  const Value *flow;
  const AstDecl *decl;
  Value *context; // a vector, or NULL
  Value *base;
  Values steps;
  int count;
  bool bad;
} Open;

static Value *as_bijection(Elab *e, Open *o, Value *v, Span span) {
  if (v->kind == VALUE_CALLABLE && v->u.callable.kind == CALL_BIJECTION) {
    Values none = {0};
    v = elab_call(e, v, &none, span);
  }
  if (value_is_error(v) || v->kind == VALUE_BIJECTION) return v;
  Diag *d = elab_error(e, DIAG_TYPE, span, "a step of `%s` is a bijection, this is %s", o->decl->name.text, value_text(e->arena, v));
  diag_help(e->diags, d, "bijections are declared with `bijection`, or come from the library: `affine_coupling`, `linear_lu`, `permute`");
  return value_error(e);
}

static void open_steps(Elab *e, Open *o, Scope *scope, AstFlowStep *const *steps, size_t n);

static void open_repeat(Elab *e, Open *o, Scope *scope, const AstFlowStep *s) {
  Value *count = elab_expr(e, scope, s->value);
  Values passes = {0};
  int64_t n;
  if (count->kind == VALUE_LIST) passes = count->u.list;
  else if (elab_setting_int(e, count, s->value->span, "the number of steps", &n)) passes = static_range(e, s->span, 0, n < 0 ? 0 : n)->u.list;
  else o->bad = true;
  for (size_t i = 0; i < passes.len && !o->bad; i++) {
    Scope *inner = scope_new(e, scope);
    if (s->name.text != NULL) scope_bind(e, inner, s->name.text, s->name.span, passes.at[i]);
    open_steps(e, o, inner, s->body.at, s->body.len);
  }
}

static void open_step(Elab *e, Open *o, Scope *scope, const AstFlowStep *s) {
  Value *v = as_bijection(e, o, elab_expr(e, scope, s->value), s->span);
  o->count++;
  if (value_is_error(v)) {
    o->bad = true;
    return;
  }
  v = value_copy(e, v);
  v->span = s->span;
  v->u.bijection.path = arena_printf(e->arena, "%s.step_%d", e->place->path, o->count);
  VEC_PUSH(e->arena, &o->steps, v);
}

static void open_context(Elab *e, Open *o, Scope *scope, const AstFlowStep *s) {
  Value *record = value_record(e, s->span);
  for (size_t i = 0; i < s->context.len; i++) {
    Value *v = elab_expr(e, scope, s->context.at[i]);
    if (value_is_error(v)) o->bad = true;
    VEC_PUSH(e->arena, &record->u.record.fields, (RecordField){NULL, v});
  }
  if (!o->bad) o->context = elab_flatten(e, record, s->span);
  if (!o->bad && value_is_error(o->context)) o->bad = true;
}

static void open_steps(Elab *e, Open *o, Scope *scope, AstFlowStep *const *steps, size_t n) {
  for (size_t i = 0; i < n && !o->bad; i++) {
    const AstFlowStep *s = steps[i];
    switch (s->kind) {
    case FS_ERROR: o->bad = true; break;
    case FS_BASE: o->base = elab_as_distribution(e, elab_expr(e, scope, s->value)); break;
    case FS_CONTEXT: open_context(e, o, scope, s); break;
    case FS_DEFINE: {
      Value *v = elab_stand(e, elab_expr(e, scope, s->value), s->value->span);
      if (value_is_error(v)) o->bad = true;
      scope_bind(e, scope, s->name.text, s->name.span, v);
      break;
    }
    case FS_STEP: open_step(e, o, scope, s); break;
    case FS_REPEAT: open_repeat(e, o, scope, s); break;
    }
  }
}

static bool check_given(Elab *e, const AstDecl *decl, const Values *given, bool has_given, Span span) {
  const AstVars *want = &decl->u.flow.given;
  const char *list = "";
  for (size_t i = 0; i < want->len; i++) list = arena_printf(e->arena, "%s%s%s", list, i ? ", " : "", want->at[i].name.text);
  if (want->len == 0) {
    if (!has_given || given->len == 0) return true;
    Diag *d = elab_error(e, DIAG_GIVEN_EXTRA, span, "`%s` takes no condition, but something is given", decl->name.text);
    diag_label(e->diags, d, decl->name.span, "declared without `|`");
    diag_help(e->diags, d, "leave `| …` out, or declare `flow %s(… | c)`", decl->name.text);
    return false;
  }
  if (!has_given) {
    Diag *d = elab_error(e, DIAG_GIVEN_MISSING, span, "`%s` is conditional: it needs %s", decl->name.text, list);
    diag_label(e->diags, d, decl->name.span, "declared with `| %s`", list);
    diag_help(e->diags, d, "write `%s ~ %s | %s`, `log_prob(%s, %s | %s)`", decl->u.flow.vars.at[0].name.text, decl->name.text, list, decl->name.text,
              decl->u.flow.vars.at[0].name.text, list);
    return false;
  }
  if (given->len == want->len) return true;
  Diag *d = elab_error(e, DIAG_ARGUMENTS, span, "`%s` is given %s, here %zu values stand behind `|`", decl->name.text, list, given->len);
  diag_label(e->diags, d, decl->name.span, "declared here");
  diag_help(e->diags, d, "write `| %s`", list);
  return false;
}

static void bare_angles(Elab *e, Open *o, Span span) {
  if (o->context == NULL || !circular_any(&o->context->u.tensor.type)) return;
  Diag *d = elab_error(e, DIAG_ANGLE_RAW, span, "what `%s` is given has an angle, which enters as a bare number and jumps at pi", o->decl->name.text);
  diag_help(e->diags, d, "`sincos` in its chain, or `context unroll(…)` in the flow, has no jump");
  o->context = value_copy(e, o->context);
  o->context->u.tensor.type.circular = NULL;
}

// The place of the flow stays entered: close_flow leaves it.
static Open open_flow(Elab *e, const Value *flow, const Values *given, bool has_given, Span span) {
  Open o = {.flow = flow, .decl = flow->u.flow.decl};
  place_enter(e, flow->u.flow.path, flow->u.flow.path);
  VEC_PUSH(e->arena, &e->uses, (ElabUse){span, o.decl->name.text});
  o.bad = !check_given(e, o.decl, given, has_given, span);
  Scope *scope = scope_new(e, flow->u.flow.scope);
  Value *record = value_record(e, span);
  for (size_t i = 0; i < o.decl->u.flow.given.len && !o.bad; i++) {
    const AstVar *var = &o.decl->u.flow.given.at[i];
    const FieldType *t = elab_flow_type(e, flow, o.decl->u.flow.vars.len + i);
    Value *v = given->at[i];
    if (t != NULL) v = elab_as_field(e, t, v, span, o.decl->name.text);
    if (value_is_error(v)) o.bad = true;
    scope_bind(e, scope, var->name.text, var->name.span, v);
    VEC_PUSH(e->arena, &record->u.record.fields, (RecordField){var->name.text, v});
  }
  if (!o.bad && record->u.record.fields.len > 0) o.context = elab_flatten(e, record, span);
  if (o.context != NULL && value_is_error(o.context)) o.bad = true;
  if (!o.bad) open_steps(e, &o, scope, o.decl->u.flow.steps.at, o.decl->u.flow.steps.len);
  if (!o.bad) bare_angles(e, &o, span);
  return o;
}

static void close_flow(Elab *e) {
  e->uses.len--;
  place_leave(e);
}

// ---- the map

static Value *run_steps(Elab *e, Open *o, bool inverse, Value *x, Value **log_det, Span span) {
  Value *total = value_real(e, span, 0);
  size_t n = o->steps.len;
  for (size_t i = 0; i < n; i++) {
    Value *det = NULL;
    const Value *step = o->steps.at[inverse ? n - 1 - i : i];
    x = bijection_apply(e, step, inverse, x, o->context, &det, step->span);
    if (value_is_error(x)) return x;
    total = elab_binary(e, BIN_ADD, total, det, span);
    if (value_is_error(total)) return total;
  }
  *log_det = elab_cast(e, total, IR_F64);
  return value_is_error(*log_det) ? *log_det : x;
}

static Value *count_error(Elab *e, const AstDecl *decl, size_t have, Span span) {
  const char *list = "";
  for (size_t i = 0; i < decl->u.flow.vars.len; i++) list = arena_printf(e->arena, "%s%s%s", list, i ? ", " : "", decl->u.flow.vars.at[i].name.text);
  Diag *d = elab_error(e, DIAG_ARGUMENTS, span, "`%s` is a flow over %s, here are %zu values", decl->name.text, list, have);
  diag_label(e->diags, d, decl->name.span, "declared here");
  diag_help(e->diags, d, "`log_prob(%s, %s)`", decl->name.text, list);
  return value_error(e);
}

// physical(v) is scored as v, with the logarithm of the preparation's slope added to *log_jacobian (NULL: none yet).
static Value *as_prepared(Elab *e, Value *v, Value **log_jacobian, Span span) {
  if (v->prepared == NULL) return v;
  if (v->log_jacobian == IR_NONE) {
    Diag *d =
        elab_error(e, DIAG_LOG_PROB_WHAT, span, "there is no density in the units of the columns: a step of the preparation makes several numbers of one");
    diag_label(e->diags, d, v->prepared->span, "prepared here");
    diag_help(e->diags, d, "score the prepared value, without `physical`");
    return value_error(e);
  }
  Value *j = value_tensor(e, span, tensor_type_real((Extents){0}), v->log_jacobian, (Belongs){.kind = BELONGS_DRAWS});
  *log_jacobian = *log_jacobian == NULL ? j : elab_binary(e, BIN_ADD, *log_jacobian, j, span);
  return (Value *)v->prepared;
}

// The variables in one vector; log_jacobian: of physical values, added up, or NULL.
static Value *vector_of(Elab *e, const Value *flow, const Values *x, Value **log_jacobian, Span span) {
  const AstDecl *decl = flow->u.flow.decl;
  const Values *parts = x;
  Values inner = {0};
  if (x->len == 1 && decl->u.flow.vars.len > 1 && x->at[0]->kind == VALUE_RECORD) {
    for (size_t i = 0; i < x->at[0]->u.record.fields.len; i++) VEC_PUSH(e->arena, &inner, x->at[0]->u.record.fields.at[i].value);
    parts = &inner;
  }
  if (parts->len != decl->u.flow.vars.len) return count_error(e, decl, parts->len, span);
  Value *record = value_record(e, span);
  for (size_t i = 0; i < parts->len; i++) {
    Value *v = as_prepared(e, parts->at[i], log_jacobian, span);
    if (value_is_error(v)) return v;
    const FieldType *t = elab_flow_type(e, flow, i);
    if (t != NULL) v = elab_as_field(e, t, v, span, decl->name.text);
    if (value_is_error(v)) return v;
    if (v->kind == VALUE_TENSOR && v->u.tensor.type.element == ELEMENT_CLASS) {
      Diag *d = elab_error(e, DIAG_LOG_PROB_WHAT, span, "`%s` is a class and has no density in a flow", decl->u.flow.vars.at[i].name.text);
      diag_help(e->diags, d, "`dequantize` makes numbers of it, or give it behind `|`");
      return value_error(e);
    }
    VEC_PUSH(e->arena, &record->u.record.fields, (RecordField){NULL, v});
  }
  return elab_flatten(e, record, span);
}

// A vector as what the flow is over; types that nobody declared stay a vector.
static Value *variables_of(Elab *e, const Value *flow, Value *vector, Span span) {
  const AstDecl *decl = flow->u.flow.decl;
  FieldType *all = ARENA_NEW(e->arena, FieldType);
  *all = (FieldType){.name = "", .record = true};
  for (size_t i = 0; i < decl->u.flow.vars.len; i++) {
    const FieldType *t = elab_flow_type(e, flow, i);
    if (t == NULL) return vector;
    FieldType *named = arena_dup(e->arena, t, sizeof *t);
    named->label = decl->u.flow.vars.at[i].name.text;
    VEC_PUSH(e->arena, &all->fields, named);
  }
  Value *record = elab_unflatten(e, vector, all, span);
  if (value_is_error(record)) return record;
  for (size_t i = 0; i < record->u.record.fields.len; i++) {
    Value *v = record->u.record.fields.at[i].value;
    v->type = elab_flow_type(e, flow, i);
    v->span = span;
  }
  record->type = NULL;
  return decl->u.flow.vars.len == 1 ? record->u.record.fields.at[0].value : record;
}

Value *flow_apply(Elab *e, const Value *flow, bool inverse, const Values *x, const Values *given, bool has_given, Value **log_det, Span span) {
  Value *jacobian = NULL, *v;
  static const Values none = {0};
  if (inverse) {
    v = vector_of(e, flow, x, &jacobian, span);
  } else {
    if (x->len != 1) return count_error(e, flow->u.flow.decl, x->len, span);
    v = elab_flatten(e, x->at[0], span);
  }
  if (value_is_error(v)) return v;
  Open o = open_flow(e, flow, given != NULL ? given : &none, has_given, span);
  v = o.bad ? value_error(e) : run_steps(e, &o, inverse, v, log_det, span);
  close_flow(e);
  if (value_is_error(v) || inverse) return v;
  return variables_of(e, flow, v, span);
}

// ---- the base

static Value *base_of(Elab *e, const Open *o, int64_t n, Span span) {
  if (o->base == NULL) {
    Diag *d = elab_error(e, DIAG_NO_BASE, o->decl->name.span, "`%s` does not say what it is drawn from", o->decl->name.text);
    diag_help(e->diags, d, "`base normal` as its first line");
    return value_error(e);
  }
  if (value_is_error(o->base)) return o->base;
  if (o->base->kind != VALUE_DISTRIBUTION) {
    Diag *d = elab_error(e, DIAG_DRAW_WHAT, o->base->span.begin ? o->base->span : span, "a base is a distribution, this is %s", value_text(e->arena, o->base));
    diag_help(e->diags, d, "`base normal`, `base uniform(0, 1)`, `base mixture_law(logits, normal(mu, sigma))`");
    return value_error(e);
  }
  Extents shape;
  if (!distribution_shape(e, o->base, &shape)) return value_error(e);
  if (shape.rank == 0) return distribution_copies(e, o->base, (Extents){.rank = 1, .axes = {n}}, o->base->span);
  if (shape.rank == 1 && shape.axes[0] == n) return o->base;
  Diag *d = elab_error(e, DIAG_BASE_SIZE, o->base->span.begin ? o->base->span : span, "the base is %s, the flow `%s` is over %lld numbers",
                       extents_text(e->arena, "real", &shape), o->decl->name.text, (long long)n);
  diag_label(e->diags, d, o->decl->name.span, "the flow");
  diag_help(e->diags, d, "`base normal` fits any size");
  return value_error(e);
}

static int64_t pick_components(Elab *e, const bool *circular, int64_t n, bool which, int64_t **out) {
  int64_t count = 0;
  *out = ARENA_ARRAY(e->arena, int64_t, n > 0 ? n : 1);
  for (int64_t i = 0; i < n; i++)
    if (circular[i] == which) (*out)[count++] = i;
  return count;
}

static Value *base_log_prob(Elab *e, const Open *o, Value *z, Span span) {
  int64_t n = z->u.tensor.type.shape.axes[0], *line;
  Value *base = base_of(e, o, n, span);
  if (value_is_error(base)) return base;
  if (!circular_any(&z->u.tensor.type)) return distribution_log_prob(e, base, z, span);
  Extents shape;
  if (!distribution_shape(e, o->base, &shape)) return value_error(e);
  if (shape.rank > 0) return elab_not_built(e, span, "a base of its own size under a flow with angles", "`base normal` fits any size, angles and numbers");
  int64_t lines = pick_components(e, z->u.tensor.type.circular, n, false, &line);
  Value *circles = value_real(e, span, -LOG_2PI * (double)(n - lines));
  if (lines == 0) return elab_cast(e, circles, IR_F64);
  Value *rest = elab_index_static(e, z, 0, line, lines, span);
  Value *law = distribution_copies(e, o->base, (Extents){.rank = 1, .axes = {lines}}, o->base->span);
  return elab_binary(e, BIN_ADD, distribution_log_prob(e, law, rest, span), circles, span);
}

static bool same_hidden(const Hidden *a, const Hidden *b) { return a->n == b->n && memcmp(a->id, b->id, a->n * sizeof a->id[0]) == 0; }

// The density of what the flow itself drew here: known from the way out.
static Value *known_log_prob(Elab *e, const AstDecl *flow, const Value *vector, const Values *given) {
  for (size_t i = 0; i < e->scene->drawn.len; i++) {
    const DrawnFlow *d = &e->scene->drawn.at[i];
    bool same = d->flow == flow && d->vector == vector->u.tensor.ir && d->given.len == given->len && same_hidden(&d->hidden, &vector->u.tensor.hidden);
    for (size_t k = 0; same && k < given->len; k++) same = value_same(d->given.at[k], given->at[k]);
    if (same) return d->log_prob;
  }
  return NULL;
}

Value *flow_log_prob(Elab *e, const Value *flow, const Values *x, const Values *given, bool has_given, Span span) {
  Value *jacobian = NULL, *vector = vector_of(e, flow, x, &jacobian, span), *log_det = NULL;
  if (value_is_error(vector)) return vector;
  Value *known = known_log_prob(e, flow->u.flow.decl, vector, given);
  if (known != NULL) return jacobian == NULL ? known : elab_binary(e, BIN_ADD, known, jacobian, span);
  Open o = open_flow(e, flow, given, has_given, span);
  Value *z = o.bad ? value_error(e) : run_steps(e, &o, true, vector, &log_det, span);
  Value *p = value_is_error(z) ? z : base_log_prob(e, &o, z, span);
  close_flow(e);
  if (value_is_error(p)) return p;
  p = elab_binary(e, BIN_ADD, p, log_det, span);
  return jacobian == NULL || value_is_error(p) ? p : elab_binary(e, BIN_ADD, p, jacobian, span);
}

// ---- drawing

// Which components of the base are angles: the density direction, elaborated once in a scene that is thrown away.
static const bool *base_angles(Elab *e, const Value *flow, const Values *given, bool has_given, int64_t n, Span span) {
  bool any = false;
  Values x = {0}, conditions = {0};
  scene_open(e, SCENE_SCORE, "base", "base");
  for (size_t i = 0; i < flow->u.flow.decl->u.flow.vars.len; i++) {
    Value *v = elab_stand_in(e, elab_flow_type(e, flow, i), flow->u.flow.decl->u.flow.vars.at[i].name.text, e->scene->draws, span);
    VEC_PUSH(e->arena, &x, v);
  }
  for (size_t i = 0; i < given->len; i++) {
    FieldType *t = type_of_value(e, given->at[i], arena_printf(e->arena, "given_%zu", i));
    if (t != NULL) VEC_PUSH(e->arena, &conditions, elab_stand_in(e, t, t->label, e->scene->draws, span));
  }
  Value *jacobian = NULL, *log_det = NULL, *vector = vector_of(e, flow, &x, &jacobian, span);
  const bool *flags = NULL;
  if (!value_is_error(vector) && circular_any(&vector->u.tensor.type)) {
    Open o = open_flow(e, flow, &conditions, has_given, span);
    Value *z = o.bad ? value_error(e) : run_steps(e, &o, true, vector, &log_det, span);
    close_flow(e);
    flags = value_is_error(z) ? NULL : z->u.tensor.type.circular;
  }
  scene_close(e);
  for (int64_t i = 0; flags != NULL && i < n; i++) any = any || flags[i];
  return any ? flags : NULL;
}

static Value *draw_base(Elab *e, Value *base, const bool *angles, int64_t n, const char *site, Span span) {
  Value *z = distribution_draw(e, base, NULL, site, span);
  if (angles == NULL || value_is_error(z)) return z;
  double pi = acos(-1.0);
  Value *circle = elab_distribution(e, span, DISTRIBUTION_UNIFORM, value_real(e, span, -pi), value_real(e, span, pi));
  circle = distribution_draw(e, distribution_copies(e, circle, (Extents){.rank = 1, .axes = {n}}, span), NULL, arena_printf(e->arena, "%s.circle", site), span);
  Value *which = value_list(e, span);
  for (int64_t i = 0; i < n; i++) VEC_PUSH(e->arena, &which->u.list, value_bool(e, span, angles[i]));
  z = tensor_select(e, which, circle, z, span);
  if (z->kind == VALUE_TENSOR) z->u.tensor.type.circular = angles;
  return z;
}

Value *flow_draw(Elab *e, const Value *flow, const Values *given, bool has_given, const char *name, Span span) {
  const AstDecl *decl = flow->u.flow.decl;
  int64_t n = 0;
  for (size_t i = 0; i < decl->u.flow.vars.len; i++) {
    const FieldType *t = elab_flow_type(e, flow, i);
    if (t == NULL) {
      Diag *d = elab_error(e, DIAG_TYPE, decl->u.flow.vars.at[i].name.span, "`%s` of the flow `%s` is no field of the data and has no type",
                           decl->u.flow.vars.at[i].name.text, decl->name.text);
      diag_label(e->diags, d, span, "drawn here");
      diag_help(e->diags, d, "give it a type: `flow %s(%s: real[8])`", decl->name.text, decl->u.flow.vars.at[i].name.text);
      return value_error(e);
    }
    n += field_type_numbers(t);
  }
  if (!check_given(e, decl, given, has_given, span)) return value_error(e);
  const bool *angles = base_angles(e, flow, given, has_given, n, span);
  const char *site = scene_site(e, name);
  Open o = open_flow(e, flow, given, has_given, span);
  Value *base = o.bad ? value_error(e) : base_of(e, &o, n, span), *log_det = NULL;
  Value *z = value_is_error(base) ? base : draw_base(e, base, angles, n, site, span);
  Value *x = value_is_error(z) ? z : run_steps(e, &o, false, z, &log_det, span);
  Value *p = value_is_error(x) ? x : elab_binary(e, BIN_SUB, base_log_prob(e, &o, z, span), log_det, span);
  close_flow(e);
  if (!value_is_error(p)) VEC_PUSH(e->arena, &e->scene->drawn, (DrawnFlow){decl, *given, x->u.tensor.ir, x->u.tensor.hidden, p});
  return value_is_error(x) ? x : variables_of(e, flow, x, span);
}

// ---- the words

Value *elab_draw(Elab *e, Value *from, const Values *given, bool has_given, const char *name, Span span) {
  from = elab_as_distribution(e, from);
  if (value_is_error(from)) return from;
  if (from->kind == VALUE_FLOW) return flow_draw(e, from, given, has_given, name, span);
  if (from->kind == VALUE_FIT && !has_given) return fit_draw(e, from, scene_site(e, name), span);
  if (from->kind != VALUE_DISTRIBUTION && from->kind != VALUE_FIT) {
    Diag *d = elab_error(e, DIAG_DRAW_WHAT, span, "%s is nothing to draw from", value_text(e->arena, from));
    if (from->span.begin != 0 && from->span.begin != span.begin) diag_label(e->diags, d, from->span, "%s", elab_way(e, from));
    diag_help(e->diags, d, "distributions and flows are: `z ~ normal(mu, sigma)`");
    return value_error(e);
  }
  if (has_given) {
    Diag *d = elab_error(e, DIAG_GIVEN_EXTRA, span, "a plain law takes no condition");
    diag_help(e->diags, d, "its arguments say what it depends on: `normal(mu, sigma)`");
    return value_error(e);
  }
  return distribution_draw(e, from, NULL, scene_site(e, name), span);
}

Value *elab_log_prob(Elab *e, Value *law, const Values *x, const Values *given, bool has_given, Span span) {
  law = elab_as_distribution(e, law);
  if (value_is_error(law)) return law;
  if (law->kind == VALUE_FLOW) return flow_log_prob(e, law, x, given, has_given, span);
  if (law->kind != VALUE_DISTRIBUTION && law->kind != VALUE_FIT) {
    Diag *d = elab_error(e, DIAG_LOG_PROB_WHAT, span, "%s has no density", value_text(e->arena, law));
    if (law->span.begin != 0) diag_label(e->diags, d, law->span, "%s", elab_way(e, law));
    diag_help(e->diags, d, "distributions and flows have one");
    return value_error(e);
  }
  if (has_given) {
    Diag *d = elab_error(e, DIAG_GIVEN_EXTRA, span, "a plain law takes no condition");
    diag_help(e->diags, d, "its arguments say what it depends on: `log_prob(normal(mu, sigma), x)`");
    return value_error(e);
  }
  if (x->len != 1) {
    Diag *d = elab_error(e, DIAG_ARGUMENTS, span, "`log_prob` of a plain law scores one value");
    diag_help(e->diags, d, "`log_prob(normal, x)`");
    return value_error(e);
  }
  Value *jacobian = NULL, *v = as_prepared(e, x->at[0], &jacobian, span);
  if (value_is_error(v)) return v;
  Value *p = law->kind == VALUE_FIT ? fit_log_prob(e, law, v, span) : distribution_log_prob(e, law, v, span);
  return jacobian == NULL || value_is_error(p) ? p : elab_binary(e, BIN_ADD, p, jacobian, span);
}

Value *builtin_draw(Elab *e, const Builtin *b, BuiltinCall *call) { return elab_draw(e, call->value[0], &call->given, call->has_given, b->name, call->span); }

Value *builtin_log_prob(Elab *e, const Builtin *b, BuiltinCall *call) {
  (void)b;
  return elab_log_prob(e, call->value[0], &call->rest, &call->given, call->has_given, call->span);
}

static Value *need_law(Elab *e, Value *v, const Builtin *b, Span span) {
  v = elab_as_distribution(e, v);
  if (value_is_error(v) || v->kind == VALUE_DISTRIBUTION) return v;
  Diag *d = elab_error(e, DIAG_LOG_PROB_WHAT, span, "`%s` takes laws, this is %s", b->name, value_text(e->arena, v));
  diag_help(e->diags, d, "`kl(normal(mu, sigma), normal)`, `entropy(normal(mu, sigma))`");
  return value_error(e);
}

Value *builtin_kl(Elab *e, const Builtin *b, BuiltinCall *call) {
  Value *p = need_law(e, call->value[0], b, call->at[0]), *q = need_law(e, call->value[1], b, call->at[1]);
  return value_is_error(p) || value_is_error(q) ? value_error(e) : distribution_kl(e, p, q, call->span);
}

Value *builtin_entropy(Elab *e, const Builtin *b, BuiltinCall *call) {
  Value *d = need_law(e, call->value[0], b, call->at[0]);
  return value_is_error(d) ? d : distribution_entropy(e, d, call->span);
}

Value *builtin_inverted(Elab *e, const Builtin *b, BuiltinCall *call) {
  (void)b;
  Value *v = call->value[0];
  if (v->kind == VALUE_CALLABLE && v->u.callable.kind == CALL_BIJECTION) {
    Values none = {0};
    v = elab_call(e, v, &none, call->span);
  }
  if (value_is_error(v)) return v;
  if (v->kind != VALUE_BIJECTION) {
    Diag *d = elab_error(e, DIAG_TYPE, call->span, "`inverted` takes a bijection, this is %s", value_text(e->arena, v));
    diag_help(e->diags, d, "`inverted(spline_maf(8))`");
    return value_error(e);
  }
  v = value_copy(e, v);
  v->u.bijection.inverted = !v->u.bijection.inverted;
  return v;
}
