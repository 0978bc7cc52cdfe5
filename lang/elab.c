// The elaborator's state: scopes, scenes, messages that show the templates they come from.
#include "lang/elab.h"

#include <string.h>

#include "lang/elab_core.h"

enum { SMALL_SCOPE = 9 }; // from here on names are hashed

Elab *elab_new(Model *model, Sources *sources, Diags *diags) {
  Elab *e = ARENA_NEW(model->arena, Elab);
  e->arena = e->work = model->arena;
  e->sources = sources;
  e->diags = diags;
  e->model = model;
  e->builtins = scope_new(e, NULL);
  scene_open(e, SCENE_SETTINGS, "settings", "");
  place_enter(e, "", NULL);
  builtins_bind(e);
  return e;
}

// ---- scopes

Scope *scope_new(Elab *e, Scope *parent) {
  Scope *s = ARENA_NEW(e->work, Scope);
  s->parent = parent;
  return s;
}

static Binding *binding_new(Elab *e, Scope *scope, const char *name, Span span) {
  Binding *b = ARENA_NEW(e->work, Binding);
  b->name = name;
  b->span = span;
  VEC_PUSH(e->work, &scope->order, b);
  if (scope->order.len == SMALL_SCOPE)
    for (size_t i = 0; i < scope->order.len; i++) map_put(e->work, &scope->names, scope->order.at[i]->name, scope->order.at[i]);
  else if (scope->order.len > SMALL_SCOPE) map_put(e->work, &scope->names, name, b);
  return b;
}

Binding *scope_bind(Elab *e, Scope *scope, const char *name, Span span, Value *value) {
  Binding *b = binding_new(e, scope, name, span);
  b->value = value;
  return b;
}

Binding *scope_bind_lazy(Elab *e, Scope *scope, const char *name, Span span, LazyMake make, void *data) {
  Binding *b = binding_new(e, scope, name, span);
  b->make = make;
  b->data = data;
  return b;
}

Binding *scope_own(const Scope *scope, const char *name) {
  if (scope->order.len >= SMALL_SCOPE) return map_get(&scope->names, name);
  for (size_t i = scope->order.len; i > 0; i--) {
    const char *other = scope->order.at[i - 1]->name;
    if (other[0] == name[0] && strcmp(other, name) == 0) return scope->order.at[i - 1];
  }
  return NULL;
}

Binding *scope_find(const Scope *scope, const char *name) {
  for (const Scope *s = scope; s != NULL; s = s->parent) {
    Binding *b = scope_own(s, name);
    if (b != NULL) return b;
  }
  return NULL;
}

const char *scope_nearest(Elab *e, const Scope *scope, const char *name) {
  VEC(const char *) names = {0};
  for (const Scope *s = scope; s != NULL; s = s->parent)
    for (size_t i = 0; i < s->order.len; i++) VEC_PUSH(e->arena, &names, s->order.at[i]->name);
  return diag_nearest(name, names.at, names.len);
}

static Value *unknown_name(Elab *e, Scope *scope, AstName name) {
  const char *best = scope_nearest(e, scope, name.text);
  if (best == NULL) {
    Diag *d = elab_error(e, DIAG_UNKNOWN_NAME, name.span, "no `%s` here", name.text);
    diag_help(e->diags, d, "names are given with `=`, drawn with `~`, or declared with param, net, layer, fn, flow, data");
    return value_error(e);
  }
  const Binding *b = scope_find(scope, best);
  Diag *d = elab_error(e, DIAG_UNKNOWN_NAME, name.span, "no `%s` here; did you mean `%s`?", name.text, best);
  SourceFile *file = source_of(e->sources, b->span);
  if (file != NULL && !file->library) diag_label(e->diags, d, b->span, "`%s` stands here", best);
  diag_help(e->diags, d, "write `%s`, or give `%s` a value above", best, name.text);
  return value_error(e);
}

// Strings without a list (`training`, `step`) are worth something else in each scene.
static bool is_word(const Value *v) { return v->kind == VALUE_CALLABLE && v->u.callable.kind == CALL_BUILTIN && v->u.callable.builtin->parameters == NULL; }

static Value *word_value(Elab *e, const Value *v, Span span) {
  const Builtin *b = v->u.callable.builtin;
  return builtin_call(e, b, e->builtins, NULL, NULL, NULL, NULL, false, span);
}

// A lazy name belongs to the file or block that binds it, wherever it is first asked for.
static Value *make_binding(Elab *e, Scope *at, Binding *b) {
  Place *place = e->place;
  size_t uses = e->uses.len;
  while (e->place->outer != NULL) e->place = e->place->outer;
  e->uses.len = 0;
  const Hidden lists = alike_suspend(e);
  b->making = true;
  b->value = b->make(e, at, b->data);
  b->making = false;
  e->scene->alike = lists;
  e->uses.len = uses;
  e->place = place;
  return b->value;
}

Value *scope_value(Elab *e, Scope *scope, AstName name) {
  Scope *at = scope;
  Binding *b = NULL;
  while (at != NULL && (b = scope_own(at, name.text)) == NULL) at = at->parent;
  if (at == NULL) return unknown_name(e, scope, name);
  b->used = true;
  if (b->value != NULL && b->value->kind == VALUE_FIT) return fit_read(e, b->value, name.span);
  if (b->value != NULL) return is_word(b->value) ? word_value(e, b->value, name.span) : b->value;
  if (b->making) {
    Diag *d = elab_error(e, DIAG_DEPTH, name.span, "`%s` is made from itself", name.text);
    diag_label(e->diags, d, b->span, "`%s` begins here", name.text);
    diag_help(e->diags, d, "break the circle with a name of its own for one of the values");
    return value_error(e);
  }
  e->asked = name.span;
  Value *v = make_binding(e, at, b);
  return v->kind == VALUE_FIT ? fit_read(e, v, name.span) : v;
}

// ---- scenes

Scene *scene_open(Elab *e, ScenePurpose purpose, const char *name, const char *site) {
  Scene *s = ARENA_NEW(e->arena, Scene);
  s->outer = e->scene;
  s->purpose = purpose;
  s->fn = ir_fn_new(e->arena, name);
  s->site = site;
  s->draws = (Belongs){.kind = purpose == SCENE_INIT || purpose == SCENE_SETTINGS ? BELONGS_NOTHING : BELONGS_DRAWS};
  s->training = purpose == SCENE_TRAIN;
  s->batches = purpose == SCENE_TRAIN || purpose == SCENE_VALIDATE || purpose == SCENE_SCORE;
  e->scene = s;
  return s;
}

void scene_close(Elab *e) { e->scene = e->scene->outer; }

IrRef leaf_now(Elab *e, IrOp op, const char *name, IrType type) {
  const IrRef *stands = map_get(&e->scene->standing, name);
  return stands != NULL ? *stands : ir_leaf(e->scene->fn, op, name, type);
}

void leaf_stands(Elab *e, const char *name, IrRef value) {
  IrRef *stands = ARENA_NEW(e->arena, IrRef);
  *stands = value;
  map_put(e->arena, &e->scene->standing, name, stands);
}

void scene_again(Elab *e) { e->scene->memo = e->scene->sites = (Map){0}; }

const char *scene_site(Elab *e, const char *name) {
  Scene *s = e->scene;
  const char *place = e->place->path;
  const char *base = arena_printf(e->arena, "%s%s%s%s%s", s->site, s->site[0] ? "." : "", place, place[0] ? "." : "", name);
  size_t used = (size_t)map_get(&s->sites, base) + 1;
  map_put(e->arena, &s->sites, base, (void *)used);
  return used == 1 ? base : arena_printf(e->arena, "%s.%zu", base, used);
}

// ---- messages

static bool in_library(const Elab *e, Span span) {
  const SourceFile *f = source_of(e->sources, span);
  return f != NULL && f->library;
}

Diag *elab_error(Elab *e, DiagKind kind, Span span, const char *format, ...) {
  va_list args;
  va_start(args, format);
  const char *text = arena_vprintf(e->arena, format, args);
  va_end(args);
  size_t use = e->uses.len;
  while (use > 0 && in_library(e, e->uses.at[use - 1].span)) use--;
  if (!in_library(e, span) || use == 0) {
    Diag *d = diag_add(e->diags, kind, span, "%s", text);
    if (use > 0 && !in_library(e, span)) diag_label(e->diags, d, e->uses.at[use - 1].span, "in this use of `%s`", e->uses.at[use - 1].what);
    return d;
  }
  const ElabUse *u = &e->uses.at[use - 1];
  Diag *d = diag_add(e->diags, kind, u->span, "%s", text);
  diag_here(e->diags, d, "in this use of `%s`", u->what);
  diag_label(e->diags, d, span, "within: here");
  return d;
}

const char *source_text(Elab *e, Span span) {
  const SourceFile *file = source_of(e->sources, span);
  if (file == NULL || span.end > file->base + file->len || span.end < span.begin) return "";
  return arena_strndup(e->arena, file->text + (span.begin - file->base), span.end - span.begin);
}

Value *elab_not_built(Elab *e, Span span, const char *what, const char *instead) {
  Diag *d = elab_error(e, DIAG_NOT_BUILT, span, "%s is not built yet", what);
  diag_help(e->diags, d, "%s", instead);
  return value_error(e);
}

const char *elab_way(Elab *e, const Value *v) { return arena_printf(e->arena, "this is %s", value_text(e->arena, v)); }

const char *elab_op_text(Elab *e, IrOp op) {
  return op == IR_LT || op == IR_LE || op == IR_EQ ? "a comparison" : arena_printf(e->arena, "`%s`", ir_op_word(op));
}

void elab_help_undeclared(Elab *e, Diag *d, const Value *v) {
  const FieldType *t = v->type;
  if (t == NULL || t->field == NULL || t->record || t->type.element != ELEMENT_REAL || t->type.shape.rank > 0) return;
  diag_help(e->diags, d, "`%s` is one number an event; where its data set has more, declare them: `%s: real[3] = …`", t->name, t->label);
}

Diag *elab_shape_error(Elab *e, Span span, const Value *a, const Value *b, const char *why) {
  Diag *d = elab_error(e, DIAG_SHAPE, span, "shapes do not meet: %s and %s", value_text(e->arena, a), value_text(e->arena, b));
  if (why != NULL) diag_here(e->diags, d, "%s", why);
  if (a->span.begin != 0) diag_label(e->diags, d, a->span, "%s", elab_way(e, a));
  if (b->span.begin != 0) diag_label(e->diags, d, b->span, "%s", elab_way(e, b));
  return d;
}
