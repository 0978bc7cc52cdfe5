// Params: a default, a range, and who turned it: `use "f" (name = …)`, then --set.
#include "lang/block_param.h"

#include <math.h>
#include <string.h>

static bool whole(const Value *v) { return v->kind == VALUE_INT; }

// Makes `v` what the default's type asks for, or NULL.
static Value *of_type(Elab *e, const Value *fallback, Value *v) {
  if (fallback->kind == v->kind) return v;
  if (fallback->kind == VALUE_REAL && v->kind == VALUE_INT) return value_real(e, v->span, (double)v->u.integer);
  return NULL;
}

static void check_range(Elab *e, const Param *p, Value *v) {
  const AstDecl *d = p->decl;
  Value *low = elab_expr(e, p->scope, d->u.param.low), *high = elab_expr(e, p->scope, d->u.param.high);
  if (value_is_error(low) || value_is_error(high)) return;
  if (!value_is_number(low) || !value_is_number(high) || !value_is_number(v)) {
    Diag *diag = elab_error(e, DIAG_TUNE_TYPE, d->u.param.low->span, "a range is of numbers, `%s` is %s", d->name.text, value_text(e->arena, v));
    diag_help(e->diags, diag, "`tune [a, b, c]` lists the choices");
    return;
  }
  if (whole(v) && (!whole(low) || !whole(high))) {
    Diag *diag = elab_error(e, DIAG_TUNE_TYPE, d->u.param.low->span, "`tune %s..%s` gives real numbers, `%s` is an int", source_text(e, d->u.param.low->span),
                            source_text(e, d->u.param.high->span), d->name.text);
    diag_help(e->diags, diag, "whole numbers, `tune 1..8`, or a real default, `%s = 2.0`", d->name.text);
    return;
  }
  double x = value_number(v), a = value_number(low), b = value_number(high);
  if (a > b || (d->u.param.log && a <= 0)) {
    Span span = span_join(d->u.param.low->span, d->u.param.high->span);
    Diag *diag = a > b ? elab_error(e, DIAG_PARAM_RANGE, span, "the range of `%s` is empty", d->name.text)
                       : elab_error(e, DIAG_PARAM_RANGE, span, "a logarithmic range lies above zero");
    diag_help(e->diags, diag, a > b ? "the smaller number stands first" : "leave `log` away, or begin above zero");
    return;
  }
  if (x >= a && x <= b) return;
  Diag *diag = elab_error(e, DIAG_PARAM_RANGE, v->span, "`%s = %s` lies outside its range %s..%s", d->name.text, source_text(e, v->span),
                          source_text(e, d->u.param.low->span), source_text(e, d->u.param.high->span));
  diag_label(e->diags, diag, span_join(d->u.param.low->span, d->u.param.high->span), "the range");
  diag_help(e->diags, diag, "choose a value inside, or widen the range in its `tune`");
}

static void check_choices(Elab *e, const Param *p, Value *v) {
  const AstDecl *d = p->decl;
  for (size_t i = 0; i < d->u.param.choices.len; i++) {
    Value *choice = elab_expr(e, p->scope, d->u.param.choices.at[i]);
    if (value_is_error(choice)) return;
    if (value_is_static(choice) ? value_same(choice, v) : choice->kind == v->kind) return;
  }
  Diag *diag = elab_error(e, DIAG_PARAM_RANGE, v->span, "`%s = %s` is none of its choices", d->name.text, source_text(e, v->span));
  diag_label(e->diags, diag, span_join(d->u.param.choices.at[0]->span, d->u.param.choices.at[d->u.param.choices.len - 1]->span), "the choices");
  diag_help(e->diags, diag, "take one of them, or add it to the list");
}

static const char *kind_text(Elab *e, const Value *v) {
  return v->kind == VALUE_INT ? "a whole number" : v->kind == VALUE_REAL ? "a number" : value_text(e->arena, v);
}

static Value *make(Elab *e, Scope *scope, void *data) {
  (void)scope;
  Param *p = data;
  const AstDecl *d = p->decl;
  Value *fallback = elab_expr(e, p->scope, d->u.param.value), *v = fallback;
  if (value_is_error(fallback)) return fallback;
  if (d->u.param.type != NULL && d->u.param.type->kind == TY_NAME && strcmp(d->u.param.type->u.named.name.text, "real") == 0 && whole(fallback))
    v = fallback = value_real(e, fallback->span, value_number(fallback));
  if (p->turned != NULL) {
    v = elab_expr(e, p->turned_scope, p->turned);
    if (value_is_error(v)) return v;
    Value *fitting = of_type(e, fallback, v);
    if (fitting == NULL) {
      Diag *diag = elab_error(e, DIAG_TYPE, p->turned->span, "`%s` is %s, found %s", d->name.text, kind_text(e, fallback), value_text(e->arena, v));
      diag_label(e->diags, diag, d->u.param.value->span, "its default");
      diag_help(e->diags, diag, "give a value like the default, %s", source_text(e, d->u.param.value->span));
      return value_error(e);
    }
    v = value_copy(e, fitting);
    v->span = p->turned->span;
  }
  if (d->u.param.low != NULL) check_range(e, p, v);
  if (d->u.param.choices.len > 0) check_choices(e, p, v);
  return v;
}

// The value of `--set name=text`: parsed as the default of a param would be.
static const AstExpr *parse_set(Blocks *b, const struct ModelSet *set) {
  Elab *e = b->e;
  const char *text = arena_printf(e->arena, "param %s = %s\n", set->name, set->value);
  SourceFile *source = source_add(e->sources, arena_printf(e->arena, "--set %s", set->name), text, strlen(text));
  AstFile *file = ast_parse(e->arena, e->sources, source, e->diags);
  if (file->items.len != 1 || file->items.at[0]->kind != DE_PARAM) return NULL;
  return file->items.at[0]->u.param.value;
}

void param_declare(Blocks *b, Scope *scope, const AstDecl *decl, const AstExpr *turned, Scope *turned_scope) {
  Elab *e = b->e;
  Param *p = ARENA_NEW(e->arena, Param);
  *p = (Param){.decl = decl, .scope = scope, .turned = turned, .turned_scope = turned_scope};
  const Trained *trained = trained_of(b, scope);
  const ModelSets *sets = scope == b->names ? &b->options->sets : trained != NULL && trained->scope == scope ? &trained->model->sets : NULL;
  if (sets != NULL) {
    for (size_t i = 0; i < sets->len; i++) {
      if (strcmp(sets->at[i].name, decl->name.text) != 0) continue;
      const AstExpr *set = parse_set(b, &sets->at[i]);
      if (set != NULL) p->turned = set, p->turned_scope = scope;
    }
  }
  VEC_PUSH(e->arena, &b->params, p);
  scope_bind_lazy(e, scope, decl->name.text, decl->name.span, make, p);
}

static const char *param_list(Blocks *b, const Scope *scope) {
  const char *text = "";
  for (size_t i = 0; i < b->params.len; i++)
    if (scope == NULL || b->params.at[i]->scope == scope)
      text = arena_printf(b->e->arena, "%s%s%s", text, *text == 0 ? "" : ", ", b->params.at[i]->decl->name.text);
  return text;
}

void param_unknown(Blocks *b, Span span, const char *path, const char *name, const Scope *scope) {
  Elab *e = b->e;
  VEC(const char *) names = {0};
  for (size_t i = 0; i < b->params.len; i++)
    if (b->params.at[i]->scope == scope) VEC_PUSH(e->arena, &names, b->params.at[i]->decl->name.text);
  if (names.len == 0) {
    elab_error(e, DIAG_NO_SUCH_PARAM, span, "`%s` has no param `%s`, nor any other", path, name);
    return;
  }
  Diag *diag = elab_error(e, DIAG_NO_SUCH_PARAM, span, "`%s` has no param `%s`; it has %s", path, name, param_list(b, scope));
  const char *best = diag_nearest(name, names.at, names.len);
  if (best != NULL) diag_help(e->diags, diag, "did you mean `%s`?", best);
}

// Whether the param's `when` holds.
static bool is_active(Elab *e, const Param *p) {
  const AstExpr *when = p->decl->u.param.when;
  if (when == NULL) return true;
  Value *v = elab_expr(e, p->scope, when);
  if (value_is_error(v)) return false;
  if (v->kind == VALUE_BOOL) return v->u.boolean;
  Diag *diag = elab_error(e, DIAG_TYPE, when->span, "`when` wants a condition on params, found %s", value_text(e->arena, v));
  diag_help(e->diags, diag, "`when kind == spline`, `when layers > 4`");
  return false;
}

static const ModelTune *tune_of(Elab *e, const Param *p) {
  const AstDecl *d = p->decl;
  if (d->u.param.low == NULL && d->u.param.choices.len == 0) return NULL;
  ModelTune *t = ARENA_NEW(e->arena, ModelTune);
  t->active = is_active(e, p);
  for (size_t i = 0; i < d->u.param.choices.len; i++) VEC_PUSH(e->arena, &t->choices, source_text(e, d->u.param.choices.at[i]->span));
  if (d->u.param.low == NULL) return t;
  Value *low = elab_expr(e, p->scope, d->u.param.low), *high = elab_expr(e, p->scope, d->u.param.high), *now = scope_value(e, p->scope, d->name);
  if (!value_is_number(low) || !value_is_number(high)) return NULL; // an error already
  t->whole = now->kind == VALUE_INT;
  t->log = d->u.param.log;
  t->low = value_number(low);
  t->high = value_number(high);
  return t;
}

void params_finish(Blocks *b) {
  Elab *e = b->e;
  for (size_t i = 0; i < b->params.len; i++) {
    const Param *p = b->params.at[i];
    Binding *binding = scope_own(p->scope, p->decl->name.text);
    if (binding == NULL || binding->data != p) continue; // overridden
    bool used = binding->used;
    scope_value(e, p->scope, p->decl->name);
    const ModelTune *tune = tune_of(e, p);
    binding->used = used;
    if (p->scope != b->names) continue;
    const AstExpr *value = p->turned != NULL ? p->turned : p->decl->u.param.value;
    VEC_PUSH(e->arena, &e->model->params,
             (ModelParam){p->decl->name.text, source_text(e, value->span), p->decl->doc, p->decl->name.span, p->turned != NULL, tune});
  }
  for (size_t i = 0; i < b->options->sets.len; i++) {
    bool known = false;
    for (size_t k = 0; k < e->model->params.len; k++) known = known || strcmp(e->model->params.at[k].name, b->options->sets.at[i].name) == 0;
    if (!known) param_unknown(b, (Span){0, 0}, b->e->model->path, b->options->sets.at[i].name, b->names);
  }
}
