// Statements and declarations: names are given once, except that a repeat carries names from outside.
#include <string.h>

#include "lang/elab_core.h"

enum { MOST_PASSES = 100000 };

// ---- giving names

// Where an assignment in a repeat lands: the scope outside that already has the name, else here.
static Scope *target_scope(Scope *scope, const char *name) {
  for (Scope *s = scope; s->carries && s->parent != NULL; s = s->parent)
    if (scope_own(s->parent, name) != NULL) return s->parent;
  return scope;
}

static void give_name(Elab *e, Scope *scope, AstName name, Value *v) {
  if (strcmp(name.text, "_") == 0) return;
  Scope *target = target_scope(scope, name.text);
  Binding *known = target == scope ? scope_own(scope, name.text) : NULL;
  if (known != NULL) {
    Diag *d = elab_error(e, DIAG_GIVEN_TWICE, name.span, "`%s` is given twice", name.text);
    diag_label(e->diags, d, known->span, "already given here");
    diag_help(e->diags, d, "give the second value another name; only inside `repeat` a name is carried on");
    return;
  }
  if (v->kind == VALUE_TENSOR && v->span.begin == 0) v->span = name.span;
  if (target != scope) {
    Binding *b = scope_own(target, name.text);
    b->value = v;
    return;
  }
  scope_bind(e, scope, name.text, name.span, v);
}

static void pattern_count(Elab *e, const AstPattern *pattern, const Value *v, size_t n, Span span) {
  Diag *d = elab_error(e, DIAG_PATTERN_COUNT, pattern->span.begin ? pattern->span : span, "%zu names on the left, %s gives %zu", pattern->names.len,
                       value_text(e->arena, v), n);
  if (v->span.begin != 0) diag_label(e->diags, d, v->span, "%s", elab_way(e, v));
  diag_help(e->diags, d, "one name takes the whole, `_` throws a part away");
}

static void poison_names(Elab *e, Scope *scope, const AstPattern *pattern) {
  for (size_t i = 0; i < pattern->names.len; i++)
    if (scope_own(scope, pattern->names.at[i].text) == NULL) give_name(e, scope, pattern->names.at[i], value_error(e));
}

void elab_bind_pattern(Elab *e, Scope *scope, const AstPattern *pattern, Value *v, Span span) {
  size_t n = pattern->names.len;
  if (!pattern->tuple) {
    give_name(e, scope, pattern->names.at[0], v);
    return;
  }
  if (value_is_error(v)) {
    poison_names(e, scope, pattern);
    return;
  }
  v = alike_listed(e, v);
  size_t have = v->kind == VALUE_RECORD ? v->u.record.fields.len : v->kind == VALUE_LIST ? v->u.list.len : 0;
  if (v->kind == VALUE_TENSOR && v->u.tensor.type.shape.rank == 1) have = (size_t)v->u.tensor.type.shape.axes[0];
  if (have != n) {
    pattern_count(e, pattern, v, have == 0 ? 1 : have, span);
    poison_names(e, scope, pattern);
    return;
  }
  for (size_t i = 0; i < n; i++) {
    Value *part;
    int64_t at = (int64_t)i;
    if (v->kind == VALUE_RECORD) part = v->u.record.fields.at[i].value;
    else if (v->kind == VALUE_LIST) part = v->u.list.at[i];
    else part = tensor_reshape(e, elab_index_static(e, v, 0, &at, 1, span), (Extents){0}, span);
    give_name(e, scope, pattern->names.at[i], part);
  }
}

static const char *pattern_name(Elab *e, const AstPattern *pattern) {
  const char *text = pattern->names.at[0].text;
  for (size_t i = 1; i < pattern->names.len; i++) text = arena_printf(e->arena, "%s_%s", text, pattern->names.at[i].text);
  return text;
}

// ---- kinds of statements

static Value *assign(Elab *e, Scope *scope, const AstStmt *s) {
  Value *v = elab_stand(e, elab_expr(e, scope, s->u.assign.value), s->u.assign.value->span);
  v = elab_coerce_output(e, scope, s->u.assign.type, v, s->u.assign.value->span, s->u.assign.pattern.names.at[0].text);
  elab_bind_pattern(e, scope, &s->u.assign.pattern, v, s->span);
  return v;
}

static Value *draw(Elab *e, Scope *scope, const AstStmt *s) {
  Value *from = elab_expr(e, scope, s->u.draw.from);
  Values given = {0};
  bool bad = value_is_error(from);
  for (size_t i = 0; i < s->u.draw.given.len; i++) {
    Value *v = elab_stand(e, elab_expr(e, scope, s->u.draw.given.at[i]), s->u.draw.given.at[i]->span);
    bad = bad || value_is_error(v);
    VEC_PUSH(e->arena, &given, v);
  }
  Value *v = bad ? value_error(e) : elab_draw(e, from, &given, s->u.draw.has_given, pattern_name(e, &s->u.draw.pattern), s->u.draw.from->span);
  if (v->kind == VALUE_TENSOR || v->kind == VALUE_RECORD) v->span = s->span;
  elab_bind_pattern(e, scope, &s->u.draw.pattern, v, s->span);
  return v;
}

// goes_on: false where an assertion in the body has failed
static Value *repeat(Elab *e, Scope *scope, const AstStmt *s, bool *goes_on) {
  Value *count = alike_listed(e, elab_expr(e, scope, s->u.repeat.count));
  if (value_is_error(count)) return count;
  Values passes = {0};
  if (count->kind == VALUE_LIST) {
    passes = count->u.list;
  } else {
    int64_t n;
    if (!elab_setting_int(e, count, s->u.repeat.count->span, "the number of passes", &n)) return value_error(e);
    if (n < 0 || n > MOST_PASSES) {
      Diag *d = elab_error(e, DIAG_TOO_LARGE, s->u.repeat.count->span, "%lld passes", (long long)n);
      diag_help(e->diags, d, "`repeat` unrolls when the program is checked: 0 to %d passes", MOST_PASSES);
      return value_error(e);
    }
    passes = static_range(e, s->span, 0, n)->u.list;
  }
  int errors = e->diags->errors;
  for (size_t i = 0; i < passes.len && e->diags->errors == errors; i++) {
    Scope *inner = scope_new(e, scope);
    inner->carries = true;
    if (s->u.repeat.as.text != NULL) scope_bind(e, inner, s->u.repeat.as.text, s->u.repeat.as.span, passes.at[i]);
    *goes_on = elab_statements(e, inner, &s->u.repeat.body);
  }
  return e->diags->errors > errors ? value_error(e) : value_int(e, s->span, (int64_t)passes.len);
}

static bool is_compared(const AstExpr *x) { return x->kind == EX_BINARY && x->u.binary.op >= BIN_EQ && x->u.binary.op <= BIN_GE; }

// The part of a condition that does not hold: of `a and b` the first such.
static const AstExpr *what_fails(Elab *e, Scope *scope, const AstExpr *x) {
  while (x->kind == EX_BINARY && x->u.binary.op == BIN_AND) {
    Value *left = elab_expr(e, scope, x->u.binary.left);
    x = value_is_number(left) && value_number(left) == 0 ? x->u.binary.left : x->u.binary.right;
  }
  return x;
}

// In a body: a condition on settings and sizes, which whoever uses the body must keep.
static Value *asserted(Elab *e, Scope *scope, const AstExpr *x) {
  Value *v = elab_expr(e, scope, x);
  double holds;
  if (!elab_setting_number(e, v, x->span, "what `assert` asks in a body", &holds) || holds != 0) return v;
  x = what_fails(e, scope, x);
  Diag *d = elab_error(e, DIAG_ASSERT, x->span, "`%s` does not hold", source_text(e, x->span));
  Value *left = is_compared(x) ? elab_expr(e, scope, x->u.binary.left) : v;
  if (left != v && value_is_number(left)) diag_help(e->diags, d, "`%s` is %s", source_text(e, x->u.binary.left->span), value_text(e->arena, left));
  return value_error(e);
}

static Value *callable_of(Elab *e, Scope *scope, const AstDecl *decl, CallableKind kind) {
  Value *v = value_copy(e, value_error(e));
  v->kind = VALUE_CALLABLE;
  v->span = decl->name.span;
  v->u.callable = (Callable){.kind = kind, .name = decl->name.text, .decl = decl, .scope = scope};
  if (kind == CALL_NET) {
    v->u.callable.path = place_child(e, decl->name.text);
    v->u.callable.owner = e->place->owner != NULL ? e->place->owner : v->u.callable.path;
  }
  return v;
}

static Value *out_of_place(Elab *e, Span span, const char *what, const char *where) {
  Diag *d = elab_error(e, DIAG_SYNTAX, span, "%s stands here", what);
  diag_help(e->diags, d, "it belongs into %s", where);
  return value_error(e);
}

// goes_on: false where an assertion has failed, so that what stands behind it may not be looked at
static Value *statement(Elab *e, Scope *scope, const AstStmt *s, bool *goes_on) {
  Value *v;
  *goes_on = true;
  switch (s->kind) {
  case ST_ERROR: return value_error(e);
  case ST_ASSIGN: return assign(e, scope, s);
  case ST_DRAW: return draw(e, scope, s);
  case ST_LEARN:
    v = elab_learn(e, scope, s);
    give_name(e, scope, s->u.learn.name, v);
    return v;
  case ST_REPEAT: return repeat(e, scope, s, goes_on);
  case ST_NET:
    v = callable_of(e, scope, s->u.net, CALL_NET);
    give_name(e, scope, s->u.net->name, v);
    return v;
  case ST_ASSERT:
    v = asserted(e, scope, s->u.condition);
    *goes_on = !value_is_error(v);
    return v;
  case ST_WHERE: return out_of_place(e, s->span, "`where`", "`data`, `train` and `generate` blocks");
  case ST_DIRECTION: return out_of_place(e, s->span, s->u.direction.inverse ? "`inverse`" : "`forward`", "a `bijection`");
  }
  return value_error(e);
}

Value *elab_statement(Elab *e, Scope *scope, const AstStmt *s) {
  bool goes_on;
  return statement(e, scope, s, &goes_on);
}

bool elab_goes_on(Elab *e, Scope *scope, const AstStmt *s) {
  bool goes_on;
  statement(e, scope, s, &goes_on);
  return goes_on;
}

bool elab_statements(Elab *e, Scope *scope, const AstStmts *list) {
  for (size_t i = 0; i < list->len; i++)
    if (!elab_goes_on(e, scope, list->at[i])) return false;
  return true;
}

// ---- declarations

static Value *declared(Elab *e, Scope *scope, void *data) {
  const AstDecl *decl = data;
  if (decl->kind == DE_NET) return callable_of(e, scope, decl, CALL_NET);
  if (decl->kind == DE_LAYER) return callable_of(e, scope, decl, CALL_LAYER);
  if (decl->kind == DE_FN) return callable_of(e, scope, decl, CALL_FN);
  if (decl->kind == DE_BIJECTION) return callable_of(e, scope, decl, CALL_BIJECTION);
  Value *v = value_copy(e, value_error(e));
  if (decl->kind != DE_FLOW) return v;
  v->kind = VALUE_FLOW;
  v->span = decl->name.span;
  v->u.flow = (Flow){decl, scope, decl->name.text};
  return v;
}

void elab_declare(Elab *e, Scope *scope, const AstDecl *decl) { scope_bind_lazy(e, scope, decl->name.text, decl->name.span, declared, (void *)decl); }

static Value *input_of_type(Elab *e, Scope *scope, const AstVar *var) {
  Type t;
  if (var->type == NULL || !elab_type(e, scope, var->type, &t)) return NULL;
  Belongs draws = {.kind = BELONGS_DRAWS};
  if (t.kind == TYPE_FIELD) return elab_stand_in(e, t.field, var->name.text, draws, var->name.span);
  if (t.kind != TYPE_TENSOR) return NULL;
  FieldType *type = ARENA_NEW(e->arena, FieldType);
  *type = (FieldType){.name = var->name.text, .label = var->name.text, .type = t.tensor, .span = var->name.span};
  Value *v = elab_stand_in(e, type, var->name.text, draws, var->name.span);
  v->type = NULL;
  return v;
}

static void check_net(Elab *e, Scope *scope, const AstDecl *decl) {
  Values args = {0};
  for (size_t i = 0; i < decl->u.callable.params.len; i++) {
    const AstParam *p = &decl->u.callable.params.at[i];
    Value *v = input_of_type(e, scope, &(AstVar){p->name, p->type});
    if (v == NULL) return;
    VEC_PUSH(e->arena, &args, v);
  }
  elab_call(e, scope_value(e, scope, decl->name), &args, decl->name.span);
}

static bool flow_inputs(Elab *e, Scope *scope, const Value *flow, const AstVars *vars, size_t first, Values *out) {
  for (size_t i = 0; i < vars->len; i++) {
    const FieldType *t = elab_flow_type(e, flow, first + i);
    if (t == NULL) return false;
    VEC_PUSH(e->arena, out, elab_stand_in(e, t, vars->at[i].name.text, (Belongs){.kind = BELONGS_DRAWS}, vars->at[i].name.span));
  }
  (void)scope;
  return true;
}

static void check_flow(Elab *e, Scope *scope, const AstDecl *decl) {
  Value *flow = scope_value(e, scope, decl->name);
  Values x = {0}, given = {0};
  if (!flow_inputs(e, scope, flow, &decl->u.flow.vars, 0, &x)) return;
  if (!flow_inputs(e, scope, flow, &decl->u.flow.given, decl->u.flow.vars.len, &given)) return;
  Value *v = elab_log_prob(e, flow, &x, &given, given.len > 0, decl->name.span);
  if (!value_is_error(v)) elab_draw(e, flow, &given, given.len > 0, decl->name.text, decl->name.span);
}

void elab_check_declaration(Elab *e, Scope *scope, const AstDecl *decl) {
  if (decl->kind != DE_NET && decl->kind != DE_FLOW) return;
  scene_open(e, SCENE_SCORE, decl->name.text, "check")->batches = true;
  if (decl->kind == DE_NET) check_net(e, scope, decl);
  else check_flow(e, scope, decl);
  scene_close(e);
}
