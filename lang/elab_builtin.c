// Built-in names: the table, and how a call's arguments find their parameters.
#include <math.h>
#include <string.h>

#include "lang/elab_builtin.h"
#include "lang/elab_set.h"

static const Builtin table[] = {
#define BUILTIN(name, group, parameters, function, op, what) {name, GROUP_##group, parameters, builtin_##function, op, what, false},
#define OF_SETS(name, group, parameters, function, op, what) {name, GROUP_##group, parameters, builtin_##function, op, what, true},
#include "lang/builtins.def"
#undef BUILTIN
#undef OF_SETS
};
enum { BUILTINS = sizeof table / sizeof table[0], MOST_PARAMETERS = sizeof((BuiltinCall *)0)->value / sizeof(Value *) };

const Builtin *builtin_find(const char *name) {
  for (int i = 0; i < BUILTINS; i++)
    if (strcmp(table[i].name, name) == 0) return &table[i];
  return NULL;
}

void builtins_bind(Elab *e) {
  for (int i = 0; i < BUILTINS; i++) {
    Value *v = value_copy(e, value_error(e));
    v->kind = VALUE_CALLABLE;
    v->u.callable = (Callable){.kind = CALL_BUILTIN, .name = table[i].name, .builtin = &table[i], .scope = e->builtins};
    scope_bind(e, e->builtins, table[i].name, (Span){0, 0}, v);
  }
  scope_bind(e, e->builtins, "pi", (Span){0, 0}, value_real(e, (Span){0, 0}, acos(-1.0)));
}

typedef struct Parameters {
  const char *name[MOST_PARAMETERS];
  bool optional[MOST_PARAMETERS];
  int n;
  bool rest;
} Parameters;

static Parameters parameters_of(Elab *e, const Builtin *b) {
  Parameters p = {0};
  const char *at = b->parameters == NULL ? "" : b->parameters;
  while (*at != '\0') {
    size_t len = strcspn(at, ",");
    char *word = arena_strndup(e->arena, at, len);
    if (strcmp(word, "...") == 0) {
      p.rest = true;
    } else {
      p.optional[p.n] = word[len - 1] == '=';
      if (p.optional[p.n]) word[len - 1] = '\0';
      p.name[p.n++] = word;
    }
    at += len;
    at += strspn(at, ", ");
  }
  return p;
}

static const char *signature(Elab *e, const Builtin *b, const Parameters *p) {
  const char *text = arena_printf(e->arena, "%s(", b->name);
  for (int i = 0; i < p->n; i++) text = arena_printf(e->arena, "%s%s%s%s", text, i ? ", " : "", p->name[i], p->optional[i] ? " =" : "");
  return arena_printf(e->arena, "%s%s)", text, p->rest ? p->n ? ", …" : "…" : "");
}

static bool wrong_arguments(Elab *e, const Builtin *b, const Parameters *p, Span span, const char *problem) {
  Diag *d = elab_error(e, DIAG_ARGUMENTS, span, "`%s` %s", b->name, problem);
  diag_help(e->diags, d, "`%s`: %s", signature(e, b, p), b->what);
  return false;
}

static bool place(Elab *e, const Builtin *b, const Parameters *p, BuiltinCall *call, int *next, Value *v, Span at) {
  if (*next < p->n) {
    call->at[*next] = at;
    call->value[(*next)++] = v;
    return true;
  }
  if (!p->rest) return wrong_arguments(e, b, p, at, "is given one argument too many");
  VEC_PUSH(e->arena, &call->rest, v);
  return true;
}

static bool place_named(Elab *e, const Builtin *b, const Parameters *p, BuiltinCall *call, const AstArg *arg, Value *v) {
  for (int i = 0; i < p->n; i++) {
    if (strcmp(p->name[i], arg->name.text) != 0) continue;
    if (call->value[i] != NULL) return wrong_arguments(e, b, p, arg->name.span, "is given an argument twice");
    call->at[i] = arg->value->span;
    call->value[i] = v;
    return true;
  }
  const char *best = diag_nearest(arg->name.text, p->name, (size_t)p->n);
  const char *problem =
      best ? arena_printf(e->arena, "takes no `%s`; did you mean `%s`?", arg->name.text, best) : arena_printf(e->arena, "takes no `%s`", arg->name.text);
  return wrong_arguments(e, b, p, arg->name.span, problem);
}

static bool place_all(Elab *e, const Builtin *b, const Parameters *p, BuiltinCall *call, Scope *scope, const AstArgs *args, const Values *values,
                      Value *first) {
  int next = 0;
  if (first != NULL && !place(e, b, p, call, &next, first, first->span)) return false;
  for (size_t i = 0; values != NULL && i < values->len; i++)
    if (!place(e, b, p, call, &next, values->at[i], values->at[i]->span)) return false;
  bool ok = true;
  for (size_t i = 0; args != NULL && i < args->len; i++) {
    const AstArg *arg = &args->at[i];
    Value *v = elab_stand(e, elab_expr(e, scope, arg->value), arg->value->span);
    if (value_is_error(v)) ok = false;
    else if (ok) ok = arg->name.text == NULL ? place(e, b, p, call, &next, v, arg->value->span) : place_named(e, b, p, call, arg, v);
  }
  return ok;
}

static bool no_sets(Elab *e, const Builtin *b, const BuiltinCall *call) {
  const char *what = arena_printf(e->arena, "`%s`", b->name);
  for (int i = 0; i < MOST_PARAMETERS; i++)
    if (call->value[i] != NULL && value_is_set(call->value[i])) return set_refused(e, call->value[i], call->span, what), false;
  for (size_t i = 0; i < call->rest.len; i++)
    if (value_is_set(call->rest.at[i])) return set_refused(e, call->rest.at[i], call->span, what), false;
  return true;
}

Value *builtin_call(Elab *e, const Builtin *b, Scope *scope, const AstArgs *args, const Values *values, Value *first, const Values *given, bool has_given,
                    Span span) {
  BuiltinCall call = {.span = span, .has_given = has_given};
  if (given != NULL) call.given = *given;
  Parameters p = parameters_of(e, b);
  bool batches = e->scene->batches, types_only = e->scene->types_only;
  if (b->make == builtin_running) { // only the type of its value counts outside of training
    e->scene->batches = true;
    e->scene->types_only |= !e->scene->training;
  }
  bool placed = place_all(e, b, &p, &call, scope, args, values, first);
  e->scene->batches = batches;
  e->scene->types_only = types_only;
  if (!placed) return value_error(e);
  for (int i = 0; i < p.n; i++) {
    if (call.value[i] == NULL && !p.optional[i]) return wrong_arguments(e, b, &p, span, arena_printf(e->arena, "needs `%s`", p.name[i])), value_error(e);
    if (call.value[i] != NULL && value_is_error(call.value[i])) return value_error(e);
  }
  for (size_t i = 0; i < call.rest.len; i++)
    if (value_is_error(call.rest.at[i])) return value_error(e);
  if (!b->sets && !no_sets(e, b, &call)) return value_error(e);
  if (has_given && b->group != GROUP_RANDOM) {
    Diag *d = elab_error(e, DIAG_GIVEN_EXTRA, span, "`%s` takes no condition", b->name);
    diag_help(e->diags, d, "`| …` stands behind draw, log_prob, forward and inverse");
    return value_error(e);
  }
  return b->make(e, b, &call);
}
