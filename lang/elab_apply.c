// Calls: settings and data lists, defaults, templates expanded in a scope of their own, nets under their own place.
#include <string.h>

#include "lang/elab_core.h"

enum { DEEPEST_CALL = 200 };

// ---- binding a list of parameters

static const char *parameter_list(Elab *e, const AstParams *params) {
  const char *text = "";
  for (size_t i = 0; i < params->len; i++)
    text = arena_printf(e->arena, "%s%s%s", text, i == 0 ? "" : i + 1 == params->len ? " and " : ", ", params->at[i].name.text);
  return params->len == 0 ? "nothing" : text;
}

static int parameter_index(const AstParams *params, const char *name) {
  for (size_t i = 0; i < params->len; i++)
    if (strcmp(params->at[i].name.text, name) == 0) return (int)i;
  return -1;
}

typedef struct Given {
  Value **value;
  Span *at;
  size_t next;
  bool bad;
} Given;

static void give_next(Elab *e, Given *g, const AstParams *params, Value *v, Span at, Span span, const char *what) {
  while (g->next < params->len && g->value[g->next] != NULL) g->next++;
  if (g->next < params->len) {
    g->value[g->next] = v;
    g->at[g->next++] = at;
    return;
  }
  if (!g->bad) {
    Diag *d = elab_error(e, DIAG_ARGUMENTS, at.begin ? at : span, "`%s` takes %s, and this is one more", what, parameter_list(e, params));
    diag_help(e->diags, d, "leave it out, or write it by name");
  }
  g->bad = true;
}

static void give_named(Elab *e, Given *g, const AstParams *params, const AstArg *arg, Value *v, const char *what) {
  int i = parameter_index(params, arg->name.text);
  if (i < 0) {
    const char **names = ARENA_ARRAY(e->arena, const char *, params->len + 1);
    for (size_t k = 0; k < params->len; k++) names[k] = params->at[k].name.text;
    const char *best = diag_nearest(arg->name.text, names, params->len);
    Diag *d = best ? elab_error(e, DIAG_ARGUMENTS, arg->name.span, "`%s` takes no `%s`; did you mean `%s`?", what, arg->name.text, best)
                   : elab_error(e, DIAG_ARGUMENTS, arg->name.span, "`%s` takes no `%s`", what, arg->name.text);
    diag_help(e->diags, d, "`%s` takes %s", what, parameter_list(e, params));
    g->bad = true;
  } else if (g->value[i] != NULL) {
    Diag *d = elab_error(e, DIAG_ARGUMENTS, arg->name.span, "`%s` is given twice", arg->name.text);
    diag_label(e->diags, d, g->at[i], "already given here");
    diag_help(e->diags, d, "`%s` takes %s, each once", what, parameter_list(e, params));
    g->bad = true;
  } else {
    g->value[i] = v;
    g->at[i] = arg->value->span;
  }
}

static Given collect(Elab *e, Scope *caller, const AstParams *params, const AstArgs *args, const Values *values, Value *first, Span span, const char *what) {
  Given g = {ARENA_ARRAY(e->arena, Value *, params->len + 1), ARENA_ARRAY(e->arena, Span, params->len + 1), 0, false};
  if (first != NULL) give_next(e, &g, params, first, first->span, span, what);
  for (size_t i = 0; values != NULL && i < values->len; i++) give_next(e, &g, params, values->at[i], values->at[i]->span, span, what);
  Value **made = ARENA_ARRAY(e->arena, Value *, args != NULL ? args->len + 1 : 1);
  for (size_t i = 0; args != NULL && i < args->len; i++) {
    made[i] = elab_stand(e, elab_expr(e, caller, args->at[i].value), args->at[i].value->span);
    if (value_is_error(made[i])) g.bad = true;
  }
  for (size_t i = 0; args != NULL && i < args->len; i++)
    if (args->at[i].name.text == NULL) give_next(e, &g, params, made[i], args->at[i].value->span, span, what);
  for (size_t i = 0; args != NULL && i < args->len; i++)
    if (args->at[i].name.text != NULL) give_named(e, &g, params, &args->at[i], made[i], what);
  return g;
}

static void say_missing(Elab *e, const Given *g, const AstParams *params, Span span, const char *what) {
  const char *missing = "";
  int n = 0;
  for (size_t i = 0; i < params->len; i++)
    if (g->value[i] == NULL && params->at[i].fallback == NULL) missing = arena_printf(e->arena, "%s%s%s", missing, n++ ? ", " : "", params->at[i].name.text);
  Diag *d = elab_error(e, DIAG_ARGUMENTS, span, "`%s` takes %s; %s %s missing", what, parameter_list(e, params), missing, n == 1 ? "is" : "are");
  const char *list = "";
  for (size_t i = 0; i < params->len; i++) list = arena_printf(e->arena, "%s%s%s", list, i > 0 ? ", " : "", params->at[i].name.text);
  diag_help(e->diags, d, "`%s(%s)`", what, list);
}

// A setting of a bijection of one number may have more axes than it says: one entry for each component that is acted on.
static Value *coerce_lifted(Elab *e, Scope *scope, const AstType *t, Value *v, Span at, const char *what) {
  int extra = v->u.tensor.type.shape.rank - (int)t->u.named.dims.len;
  Value *one = value_copy(e, v);
  Extents *s = &one->u.tensor.type.shape;
  for (int i = extra; i < s->rank; i++) s->axes[i - extra] = s->axes[i];
  s->rank = (uint8_t)(s->rank - extra);
  one->u.tensor.ir = IR_NONE;
  one->u.tensor.type.circular = NULL;
  one = elab_coerce_input(e, scope, t, one, at, what);
  return value_is_error(one) ? one : v;
}

static bool lifts(const AstType *t, const Value *v, bool leading) {
  if (!leading || t == NULL || t->kind != TY_NAME || v->kind != VALUE_TENSOR) return false;
  return t->u.named.field.text == NULL && v->u.tensor.type.shape.rank > t->u.named.dims.len;
}

Scope *elab_bind_params(Elab *e, Scope *outer, Scope *caller, const AstParams *params, const AstArgs *args, const Values *values, Value *first, Span span,
                        const char *what, bool leading) {
  Given g = collect(e, caller, params, args, values, first, span, what);
  if (g.bad || (first != NULL && value_is_error(first))) return NULL;
  Scope *scope = scope_new(e, outer);
  for (size_t i = 0; i < params->len; i++) {
    const AstParam *p = &params->at[i];
    Value *v = g.value[i];
    Span at = v != NULL && g.at[i].begin ? g.at[i] : span;
    if (v == NULL && p->fallback == NULL) return say_missing(e, &g, params, span, what), NULL;
    if (v == NULL) v = elab_stand(e, elab_expr(e, scope, p->fallback), p->fallback->span);
    v = lifts(p->type, v, leading) ? coerce_lifted(e, scope, p->type, v, at, what) : elab_coerce_input(e, scope, p->type, v, at, what);
    if (value_is_error(v)) return NULL;
    scope_bind(e, scope, p->name.text, p->name.span, v);
  }
  return scope;
}

// ---- bodies

static Value *named_output(Elab *e, Scope *scope, const AstVar *out, const AstDecl *decl, Span use) {
  Binding *b = scope_own(scope, out->name.text);
  if (b == NULL) {
    Diag *d = elab_error(e, DIAG_OUTPUT_MISSING, out->name.span, "`%s` promises %s and never gives it", decl->name.text, out->name.text);
    diag_help(e->diags, d, "the body says what it is: `%s = …`", out->name.text);
    return value_error(e);
  }
  return elab_coerce_output(e, scope, out->type, b->value, b->value->span.begin ? b->value->span : use, decl->name.text);
}

static Value *named_outputs(Elab *e, Scope *scope, const AstDecl *decl, Span use) {
  const AstVars *vars = &decl->u.callable.out.vars;
  if (vars->len == 1) return named_output(e, scope, &vars->at[0], decl, use);
  Value *record = value_record(e, use);
  bool bad = false;
  for (size_t i = 0; i < vars->len; i++) {
    Value *v = named_output(e, scope, &vars->at[i], decl, use);
    bad = bad || value_is_error(v);
    VEC_PUSH(e->arena, &record->u.record.fields, (RecordField){vars->at[i].name.text, v});
  }
  return bad ? value_error(e) : record;
}

// `-> jets.reco { pt = …; mass = … }`: the body gives the fields of the type by their names.
static Value *fields_of_body(Elab *e, Scope *scope, const AstDecl *decl, Span use) {
  const AstType *written = decl->u.callable.out.type;
  Type type;
  if (!elab_type(e, scope, written, &type)) return value_error(e);
  if (type.kind != TYPE_FIELD || !type.field->record) {
    Diag *d = elab_error(e, DIAG_OUTPUT_MISSING, decl->name.span, "the body of `%s` gives nothing by name", decl->name.text);
    diag_help(e->diags, d, "name the output in the header, `-> (y)`, and give it in the body, `y = …`");
    return value_error(e);
  }
  Value *record = value_record(e, use);
  for (size_t i = 0; i < type.field->fields.len; i++) {
    const FieldType *f = type.field->fields.at[i];
    Binding *b = scope_own(scope, f->label);
    if (b == NULL) {
      Diag *d = elab_error(e, DIAG_OUTPUT_MISSING, written->span, "`%s` promises `%s` of %s and never gives it", decl->name.text, f->label, type.field->name);
      diag_help(e->diags, d, "the body says what it is: `%s = …`", f->label);
      return value_error(e);
    }
    Value *v = elab_as_field(e, f, b->value, b->span, decl->name.text);
    if (value_is_error(v)) return v;
    VEC_PUSH(e->arena, &record->u.record.fields, (RecordField){f->label, v});
  }
  record->type = type.field;
  return record;
}

Value *elab_body(Elab *e, Scope *scope, const AstDecl *decl, Span use) {
  const AstBody *body = &decl->u.callable.body;
  const AstOut *out = &decl->u.callable.out;
  if (body->value != NULL) {
    Value *v = elab_stand(e, elab_expr(e, scope, body->value), body->value->span);
    if (out->type != NULL) return elab_coerce_output(e, scope, out->type, v, body->value->span, decl->name.text);
    if (out->vars.len == 1) return elab_coerce_output(e, scope, out->vars.at[0].type, v, body->value->span, decl->name.text);
    if (out->vars.len > 1 && !value_is_error(v)) {
      AstPattern pattern = {.tuple = true, .span = body->value->span};
      for (size_t i = 0; i < out->vars.len; i++) VEC_PUSH(e->arena, &pattern.names, out->vars.at[i].name);
      elab_bind_pattern(e, scope, &pattern, v, body->value->span);
      return named_outputs(e, scope, decl, use);
    }
    return v;
  }
  int errors = e->diags->errors;
  if (!elab_statements(e, scope, &body->statements)) return value_error(e);
  if (out->type != NULL && e->diags->errors == errors) return fields_of_body(e, scope, decl, use);
  if (out->vars.len > 0) {
    if (e->diags->errors > errors && scope_own(scope, out->vars.at[0].name.text) == NULL) return value_error(e);
    return named_outputs(e, scope, decl, use);
  }
  if (e->diags->errors > errors) return value_error(e);
  Diag *d = elab_error(e, DIAG_OUTPUT_MISSING, decl->name.span, "the body of `%s` gives nothing by name", decl->name.text);
  diag_help(e->diags, d, "name the output in the header, `-> (y)`, and give it in the body, `y = …`");
  return value_error(e);
}

// ---- nets are built once for the same arguments

static const char *value_key(Elab *e, const Value *v) {
  switch (v->kind) {
  case VALUE_INT: return arena_printf(e->arena, "i%lld", (long long)v->u.integer);
  case VALUE_REAL: return arena_printf(e->arena, "r%.17g", v->u.real);
  case VALUE_BOOL: return v->u.boolean ? "true" : "false";
  case VALUE_TENSOR: return v->u.tensor.ir == IR_NONE || v->u.tensor.hidden.n > 0 ? NULL : arena_printf(e->arena, "t%u", v->u.tensor.ir);
  case VALUE_RECORD:
  case VALUE_LIST: {
    const char *text = "(";
    size_t n = v->kind == VALUE_LIST ? v->u.list.len : v->u.record.fields.len;
    for (size_t i = 0; i < n; i++) {
      const char *part = value_key(e, v->kind == VALUE_LIST ? v->u.list.at[i] : v->u.record.fields.at[i].value);
      if (part == NULL) return NULL;
      text = arena_printf(e->arena, "%s%s,", text, part);
    }
    return arena_printf(e->arena, "%s)", text);
  }
  case VALUE_ERROR:
  case VALUE_STRING:
  case VALUE_CALLABLE:
  case VALUE_DISTRIBUTION:
  case VALUE_BIJECTION:
  case VALUE_FLOW:
  case VALUE_FIT:
  case VALUE_DATA:
  case VALUE_MODULE:
  case VALUE_BATCH:
  case VALUE_ALIKE: return NULL;
  }
  return NULL;
}

static const char *call_key(Elab *e, const Callable *c, const Scope *bound) {
  const char *key = arena_printf(e->arena, "%s", c->path);
  for (size_t i = 0; i < c->decl->u.callable.params.len; i++) {
    const char *part = value_key(e, scope_own(bound, c->decl->u.callable.params.at[i].name.text)->value);
    if (part == NULL) return NULL;
    key = arena_printf(e->arena, "%s|%s", key, part);
  }
  return key;
}

// ---- expanding a definition

// The value seen from outside: it came about where the definition is used.
static Value *as_used(Elab *e, Value *v, Span span) {
  if (v->kind != VALUE_TENSOR && v->kind != VALUE_RECORD) return v;
  v = value_copy(e, v);
  v->span = span;
  return v;
}

static Value *expand(Elab *e, const Callable *c, Scope *bound, Span span) {
  const char *key = c->kind == CALL_NET ? call_key(e, c, bound) : NULL;
  Value *known = key == NULL ? NULL : map_get(&e->scene->memo, key);
  if (known != NULL) return as_used(e, known, span);
  const Hidden lists = key != NULL ? alike_suspend(e) : e->scene->alike;
  if (c->kind == CALL_NET) place_enter(e, c->path, c->owner);
  if (c->kind == CALL_LAYER) {
    const char *path = place_next(e, c->name);
    place_enter(e, path, e->place->owner);
  }
  VEC_PUSH(e->arena, &e->uses, (ElabUse){span, c->name});
  Value *v = elab_body(e, bound, c->decl, span);
  e->uses.len--;
  if (c->kind != CALL_FN) place_leave(e);
  e->scene->alike = lists;
  if (key != NULL) map_put(e->arena, &e->scene->memo, key, v);
  return as_used(e, v, span);
}

static bool too_deep(Elab *e, Span span, const char *name) {
  if (e->uses.len < DEEPEST_CALL) return false;
  if (!e->too_deep) {
    Diag *d = diag_add(e->diags, DIAG_DEPTH, e->uses.at[0].span, "`%s` uses itself without end", name);
    diag_label(e->diags, d, span, "through this use");
    diag_help(e->diags, d, "a function, net or layer cannot be made of itself; `repeat` does a thing several times");
  }
  e->too_deep = true;
  return true;
}

static Value *call_definition(Elab *e, Scope *caller, const Callable *c, const AstArgs *args, const Values *values, Value *first, Span span) {
  if (too_deep(e, span, c->name)) return value_error(e);
  Scope *outer = c->settings != NULL ? c->settings : c->scope;
  Scope *bound = elab_bind_params(e, outer, caller, &c->decl->u.callable.params, args, values, first, span, c->name, false);
  return bound == NULL ? value_error(e) : expand(e, c, bound, span);
}

static Value *call_lambda(Elab *e, Scope *caller, const Callable *c, const AstArgs *args, const Values *values, Value *first, Span span) {
  if (too_deep(e, span, "fn")) return value_error(e);
  Scope *bound = elab_bind_params(e, c->scope, caller, &c->lambda->u.fn.params, args, values, first, span, "fn", false);
  if (bound == NULL) return value_error(e);
  VEC_PUSH(e->arena, &e->uses, (ElabUse){span, "fn"});
  Value *v = elab_stand(e, elab_expr(e, bound, c->lambda->u.fn.body), span);
  e->uses.len--;
  return as_used(e, v, span);
}

// ---- the first list

static bool event_in_settings(Elab *e, const Callable *c, const Scope *bound, Span span) {
  if (c->kind == CALL_BIJECTION) return false;
  for (size_t i = 0; i < bound->order.len; i++) {
    const Binding *b = bound->order.at[i];
    bool event = b->value != NULL && b->value->kind == VALUE_TENSOR && b->value->u.tensor.belongs.kind >= BELONGS_DRAWS;
    if (!event) continue;
    Diag *d = elab_error(e, DIAG_SETTINGS_FIRST, span, "the first list of `%s` is its settings, and this is a value of an event", c->name);
    diag_label(e->diags, d, b->value->span, "%s", elab_way(e, b->value));
    diag_help(e->diags, d, "write `… |> %s`, or `%s()(…)`", c->name, c->name);
    return true;
  }
  return false;
}

static Value *give_settings(Elab *e, Scope *caller, const Value *callee, const AstArgs *args, Span span) {
  const Callable *c = &callee->u.callable;
  Scope *bound = elab_bind_params(e, c->scope, caller, &c->decl->u.callable.settings, args, NULL, NULL, span, c->name, false);
  if (bound == NULL || event_in_settings(e, c, bound, span)) return value_error(e);
  Value *v = value_copy(e, callee);
  v->span = span;
  v->u.callable.settings = bound;
  v->u.callable.settings_given = true;
  return v;
}

static bool waits_for_settings(const Callable *c) {
  return (c->kind == CALL_FN || c->kind == CALL_LAYER) && c->decl->u.callable.two_lists && !c->settings_given;
}

static bool all_default(const AstParams *params) {
  for (size_t i = 0; i < params->len; i++)
    if (params->at[i].fallback == NULL) return false;
  return true;
}

Value *elab_stand(Elab *e, Value *v, Span span) {
  if (v->kind != VALUE_CALLABLE || !waits_for_settings(&v->u.callable)) return v;
  if (!all_default(&v->u.callable.decl->u.callable.settings)) return v;
  return give_settings(e, v->u.callable.scope, v, NULL, span);
}

// ---- bijections as definitions

static Value *make_bijection(Elab *e, Scope *caller, const Callable *c, const AstArgs *args, const Values *values, Span span) {
  if (too_deep(e, span, c->name)) return value_error(e);
  Scope *bound = elab_bind_params(e, c->scope, caller, &c->decl->u.bijection.settings, args, values, NULL, span, c->name, true);
  if (bound == NULL) return value_error(e);
  if (c->decl->u.bijection.value == NULL) return bijection_new(e, c->decl, bound, place_next(e, c->name), span);
  VEC_PUSH(e->arena, &e->uses, (ElabUse){span, c->name});
  Value *v = elab_expr(e, bound, c->decl->u.bijection.value);
  if (v->kind == VALUE_CALLABLE && v->u.callable.kind == CALL_BIJECTION) v = make_bijection(e, bound, &v->u.callable, NULL, NULL, span);
  e->uses.len--;
  if (value_is_error(v) || v->kind == VALUE_BIJECTION) return v;
  Diag *d = elab_error(e, DIAG_TYPE, c->decl->u.bijection.value->span, "`%s` is no bijection but %s", c->name, value_text(e->arena, v));
  diag_help(e->diags, d, "a bijection is another one with settings, or has `forward { }` and `inverse { }`");
  return value_error(e);
}

// ---- the call itself

static Value *not_callable(Elab *e, const Value *v, Span span) {
  Diag *d = elab_error(e, DIAG_NOT_CALLABLE, span, "%s is nothing to call", value_text(e->arena, v));
  if (v->span.begin != 0) diag_label(e->diags, d, v->span, "%s", elab_way(e, v));
  const char *cure = "nets, layers, functions and bijections are called";
  if (v->kind == VALUE_FLOW) cure = "draw from a flow with `~`, score with `log_prob`, map with `.forward` and `.inverse`";
  if (v->kind == VALUE_TENSOR || value_is_number(v)) cure = "write `*` for a product, `[ ]` for an element";
  diag_help(e->diags, d, "%s", cure);
  return value_error(e);
}

typedef struct Call {
  Scope *caller;
  const AstArgs *args;
  const Values *values;
  const Values *given;
  bool has_given;
  Value *first;
  Span span;
} Call;

static Value *call_member(Elab *e, const Callable *c, const Call *call) {
  Values x = {0};
  if (call->first != NULL) VEC_PUSH(e->arena, &x, call->first);
  for (size_t i = 0; call->values != NULL && i < call->values->len; i++) VEC_PUSH(e->arena, &x, call->values->at[i]);
  for (size_t i = 0; call->args != NULL && i < call->args->len; i++) VEC_PUSH(e->arena, &x, elab_expr(e, call->caller, call->args->at[i].value));
  for (size_t i = 0; i < x.len; i++)
    if (value_is_error(x.at[i])) return value_error(e);
  Value *log_det = NULL, *v;
  if (c->self->kind == VALUE_FLOW) {
    v = flow_apply(e, c->self, c->inverse, &x, call->given, call->has_given, &log_det, call->span);
  } else {
    if (x.len != 1) {
      Diag *d = elab_error(e, DIAG_ARGUMENTS, call->span, "`%s` of a bijection takes one value", c->name);
      diag_help(e->diags, d, "join several with `concat(a, b)`");
      return value_error(e);
    }
    Value *context = NULL;
    if (call->has_given) {
      Value *record = value_record(e, call->span);
      for (size_t i = 0; i < call->given->len; i++) VEC_PUSH(e->arena, &record->u.record.fields, (RecordField){NULL, call->given->at[i]});
      context = elab_flatten(e, record, call->span);
      if (value_is_error(context)) return context;
    }
    v = bijection_apply(e, c->self, c->inverse, x.at[0], context, &log_det, call->span);
  }
  if (value_is_error(v)) return v;
  Value *record = value_record(e, call->span);
  VEC_PUSH(e->arena, &record->u.record.fields, (RecordField){"value", v});
  VEC_PUSH(e->arena, &record->u.record.fields, (RecordField){"log_det", log_det});
  return record;
}

static Value *call_fit(Elab *e, const Value *callee, const Call *call) {
  Values args = {0};
  if (call->first != NULL) VEC_PUSH(e->arena, &args, call->first);
  for (size_t i = 0; call->args != NULL && i < call->args->len; i++) VEC_PUSH(e->arena, &args, elab_expr(e, call->caller, call->args->at[i].value));
  return fit_call(e, callee, &args, call->span);
}

static Value *call_any(Elab *e, Value *callee, const Call *call) {
  if (value_is_error(callee)) return callee;
  if (callee->kind == VALUE_FIT) return call_fit(e, callee, call);
  if (callee->kind != VALUE_CALLABLE) return not_callable(e, callee, call->span);
  const Callable *c = &callee->u.callable;
  if (call->has_given && c->kind != CALL_BUILTIN && c->kind != CALL_MEMBER) {
    Diag *d = elab_error(e, DIAG_GIVEN_EXTRA, call->span, "`%s` takes no condition", c->name ? c->name : "fn");
    diag_help(e->diags, d, "`|` stands behind what a flow or a distribution is asked for; write `%s(a, b)`", c->name ? c->name : "f");
    return value_error(e);
  }
  switch (c->kind) {
  case CALL_FN:
  case CALL_LAYER:
  case CALL_NET:
    if (waits_for_settings(c)) return give_settings(e, call->caller, callee, call->args, call->span);
    return call_definition(e, call->caller, c, call->args, call->values, call->first, call->span);
  case CALL_BIJECTION: return make_bijection(e, call->caller, c, call->args, call->values, call->span);
  case CALL_LAMBDA: return call_lambda(e, call->caller, c, call->args, call->values, call->first, call->span);
  case CALL_BUILTIN: return builtin_call(e, c->builtin, call->caller, call->args, call->values, call->first, call->given, call->has_given, call->span);
  case CALL_MEMBER: return call_member(e, c, call);
  }
  return value_error(e);
}

Value *elab_call(Elab *e, Value *callee, const Values *args, Span span) {
  callee = elab_stand(e, callee, span);
  return call_any(e, callee, &(Call){.caller = e->builtins, .values = args, .span = span});
}

Value *elab_call_ast(Elab *e, Scope *scope, Value *callee, const AstExpr *x, Value *first, bool has_first) {
  Values given = {0};
  for (size_t i = 0; i < x->u.call.given.len; i++) {
    Value *v = elab_expr(e, scope, x->u.call.given.at[i]);
    if (value_is_error(v)) return v;
    VEC_PUSH(e->arena, &given, v);
  }
  Call call = {.caller = scope, .args = &x->u.call.args, .given = &given, .has_given = x->u.call.has_given, .span = x->span};
  bool settings = callee->kind == VALUE_CALLABLE && waits_for_settings(&callee->u.callable);
  if (!has_first || !settings) {
    call.first = has_first ? first : NULL;
    return call_any(e, callee, &call);
  }
  Value *layer = call_any(e, callee, &call);
  if (value_is_error(layer)) return layer;
  return call_any(e, layer, &(Call){.caller = scope, .first = first, .span = x->span});
}

Value *elab_apply_pipe(Elab *e, Scope *scope, const AstExpr *x) {
  const AstExpr *right = x->u.pipe.right;
  Value *first = elab_stand(e, elab_expr(e, scope, x->u.pipe.left), x->u.pipe.left->span);
  if (right->kind == EX_CALL) {
    Value *callee = elab_expr(e, scope, right->u.call.callee);
    if (value_is_error(first) || value_is_error(callee)) return value_error(e);
    return elab_call_ast(e, scope, callee, right, first, true);
  }
  Value *callee = elab_expr(e, scope, right);
  if (value_is_error(first) || value_is_error(callee)) return value_error(e);
  if (callee->kind == VALUE_CALLABLE && waits_for_settings(&callee->u.callable)) {
    callee = give_settings(e, scope, callee, NULL, right->span);
    if (value_is_error(callee)) return callee;
  }
  return call_any(e, callee, &(Call){.caller = scope, .first = first, .span = right->span});
}
