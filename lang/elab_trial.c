// `check --test`: bijections as programs that try both directions on points and have the Jacobian row by row.
//
// Every bijection that the file applies is tried once for each shape and each choice of settings. Settings that are values of an
// event, and what a flow is given, are inputs of the trial too.
#include <string.h>

#include "compiler/ad/ad.h"
#include "lang/elab_core.h"

enum { MOST_ROWS = 24 }; // of a Jacobian that is compared

struct Trial {
  Bijection bijection;
  TensorType x, context;
  bool has_context;
  const char *key;
  Span use; // in the user's file where there is one
};

static const char *settings_text(Elab *e, const Scope *settings) {
  const char *text = "";
  for (size_t i = 0; i < settings->order.len; i++) {
    const Value *v = settings->order.at[i]->value;
    if (v == NULL) continue;
    text = arena_printf(e->arena, "%s|%s %s", text, value_text(e->arena, v), v->kind == VALUE_CALLABLE ? v->u.callable.name : "");
  }
  return text;
}

static bool in_users_file(const Elab *e, Span span) {
  const SourceFile *f = source_of(e->sources, span);
  return f != NULL && !f->library;
}

static Span use_of(const Elab *e, Span span) {
  if (in_users_file(e, span)) return span;
  for (size_t i = 0; i < e->uses.len; i++) {
    if (in_users_file(e, e->uses.at[i].span)) return e->uses.at[i].span;
  }
  return span;
}

void trial_note(Elab *e, const Bijection *b, const Value *x, const Value *context, Span span) {
  if (!e->notes_trials || x->kind != VALUE_TENSOR || x->u.tensor.hidden.n > 0 || (context != NULL && context->kind != VALUE_TENSOR)) return;
  const char *circular = circular_any(&x->u.tensor.type) ? "angles" : "";
  const char *key =
      arena_printf(e->arena, "%p %s %s%s", (const void *)b->decl, tensor_type_text(e->arena, &x->u.tensor.type), circular, settings_text(e, b->settings));
  for (size_t i = 0; i < e->trials.len; i++)
    if (strcmp(e->trials.at[i]->key, key) == 0) return;
  Trial *t = ARENA_NEW(e->arena, Trial);
  *t = (Trial){.bijection = *b, .x = x->u.tensor.type, .has_context = context != NULL, .key = key, .use = use_of(e, span)};
  t->bijection.inverted = false;
  if (context != NULL) t->context = context->u.tensor.type;
  VEC_PUSH(e->arena, &e->trials, t);
}

static Value *input(Elab *e, const char *name, TensorType type) {
  type.unit = NULL;
  return elab_leaf(e, (Span){0, 0}, IR_INPUT, name, e->model->real, type, (Belongs){.kind = BELONGS_DRAWS});
}

// Settings that were values of some program become inputs of this one. NULL: one of them cannot.
static Scope *settings_of(Elab *e, const Scope *settings) {
  Scope *scope = scope_new(e, settings->parent);
  for (size_t i = 0; i < settings->order.len; i++) {
    const Binding *b = settings->order.at[i];
    Value *v = b->value;
    if (v != NULL && v->kind == VALUE_TENSOR) {
      if (v->u.tensor.hidden.n > 0 || v->u.tensor.type.element != ELEMENT_REAL) return NULL;
      v = input(e, arena_printf(e->arena, "setting:%s", b->name), v->u.tensor.type);
    }
    scope_bind(e, scope, b->name, b->span, v);
  }
  return scope;
}

// Row i: the derivatives of component i of y by all of x, per event.
static bool jacobian_rows(Elab *e, ModelTrial *out, Value *x, Value *y) {
  IrFn *fn = e->scene->fn;
  IrRef flat = ir_reshape(fn, y->u.tensor.ir, 2, (int64_t[]){IR_EVENTS, out->n}), wrt = x->u.tensor.ir;
  for (int64_t i = 0; i < out->n; i++) {
    IrRef one = ir_reshape(fn, ir_slice(fn, flat, 1, i, i + 1, 1), 1, (int64_t[]){IR_EVENTS}), g = IR_NONE, refused = IR_NONE;
    if (!ad_gradient(fn, one, IR_NONE, &wrt, 1, &g, &refused)) return false;
    if (g == IR_NONE) g = ir_fill(fn, *ir_type_of(fn, wrt), 0);
    ir_output(fn, arena_printf(e->arena, "row_%lld", (long long)i), ir_cast(fn, g, IR_F64));
  }
  return true;
}

static bool has_direction(const AstDecl *decl, bool inverse) {
  for (size_t i = 0; i < decl->u.bijection.body.len; i++) {
    const AstStmt *s = decl->u.bijection.body.at[i];
    if (s->kind == ST_DIRECTION && s->u.direction.inverse == inverse) return true;
  }
  return false;
}

static void output_number(Elab *e, const char *name, Value *v) {
  v = elab_cast(e, v, IR_F64);
  ir_output(e->scene->fn, name, elab_per_event(e, v));
}

static bool build(Elab *e, const Trial *t, ModelTrial *out) {
  const AstDecl *decl = t->bijection.decl;
  Scope *settings = settings_of(e, t->bijection.settings);
  if (settings == NULL) return false;
  Value *b = bijection_new(e, decl, settings, t->bijection.path, decl->name.span), *x = input(e, "x", t->x), *det = NULL;
  Value *context = t->has_context ? input(e, "context", t->context) : NULL;
  Value *y = bijection_apply(e, b, false, x, context, &det, decl->name.span);
  if (y->kind != VALUE_TENSOR || extents_elements(&y->u.tensor.type.shape) != out->n) return false;
  IrFn *fn = e->scene->fn;
  y = value_copy(e, y);
  y->u.tensor.ir = elab_per_event(e, y);
  output_number(e, "log_det", det);
  if (has_direction(decl, true)) {
    Value *back_det = NULL, *back = bijection_apply(e, b, true, y, context, &back_det, decl->name.span);
    if (back->kind != VALUE_TENSOR) return false;
    ir_output(fn, "back", ir_cast(fn, elab_per_event(e, back), IR_F64));
    output_number(e, "back_log_det", back_det);
  }
  out->has_rows = out->n <= MOST_ROWS && jacobian_rows(e, out, x, y);
  return true;
}

void trials_build(Elab *e) {
  e->notes_trials = false;
  for (size_t i = 0; i < e->trials.len; i++) {
    const Trial *t = e->trials.at[i];
    const AstDecl *decl = t->bijection.decl;
    if (!has_direction(decl, false)) continue;
    ModelTrial *out = ARENA_NEW(e->arena, ModelTrial);
    *out = (ModelTrial){.name = decl->name.text, .span = decl->name.span, .use = t->use, .n = extents_elements(&t->x.shape), .circular = t->x.circular};
    e->diags->muted++; // what is wrong with it was said where it is used
    out->fn = scene_open(e, SCENE_SCORE, arena_printf(e->arena, "try.%s", decl->name.text), "try")->fn;
    place_enter(e, t->bijection.path, "try");
    if (!build(e, t, out)) out->fn = NULL;
    place_leave(e);
    scene_close(e);
    e->diags->muted--;
    VEC_PUSH(e->arena, &e->model->trials, out);
  }
}
