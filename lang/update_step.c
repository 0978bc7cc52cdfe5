// A step of an update: the weights it moves, their gradients, the optimizer's formula.
#include <string.h>

#include "compiler/ad/ad.h"
#include "lang/update.h"

// ---- targets

Targets targets_read(Blocks *b, Scope *scope, const AstUpdate *u) {
  Elab *e = b->e;
  Targets targets = {0};
  for (size_t i = 0; i < u->targets.len; i++) {
    const AstExpr *x = u->targets.at[i];
    Value *v = elab_expr(e, scope, x);
    if (value_is_error(v)) {
      b->unknown_target = true;
      continue;
    }
    const char *path = NULL;
    if (v->kind == VALUE_FLOW) path = v->u.flow.path;
    if (v->kind == VALUE_CALLABLE && v->u.callable.kind == CALL_NET) path = v->u.callable.path;
    if (path != NULL) {
      VEC_PUSH(e->arena, &targets, (Target){path, source_text(e, x->span), x->span});
      continue;
    }
    b->unknown_target = true;
    const char *what = v->type != NULL && v->type->field != NULL ? "data" : value_text(e->arena, v);
    Diag *d = elab_error(e, DIAG_UPDATE_WHAT, x->span, "`update %s`: this is %s", source_text(e, x->span), what);
    diag_help(e->diags, d, "nets and flows are updated");
  }
  return targets;
}

bool target_owns(const Target *t, const char *weight) {
  size_t len = strlen(t->path);
  return strncmp(weight, t->path, len) == 0 && weight[len] == '.';
}

void targets_one_optimizer(Elab *e, const TrainScope *t, const Targets *targets, const With *with) {
  for (size_t i = 0; i < targets->len; i++) {
    const AstExpr *old = map_get(t->optimizers, targets->at[i].path);
    if (old == NULL) {
      map_put(e->arena, t->optimizers, targets->at[i].path, (void *)with->written);
      continue;
    }
    if (strcmp(source_text(e, old->span), source_text(e, with->written->span)) == 0) continue;
    Diag *d = elab_error(e, DIAG_OPTIMIZER_TWO, with->written->span, "`%s` is updated with `%s` here and with `%s` before", targets->at[i].name,
                         source_text(e, with->written->span), source_text(e, old->span));
    diag_label(e->diags, d, old->span, "before");
    diag_help(e->diags, d, "write the same `with` in both updates");
  }
}

// ---- gradients

static void no_path(Elab *e, IrFn *fn, const Target *t, IrRef loss, const Moves *moves, const AstUpdate *u) {
  AdPath path = AD_INDEPENDENT;
  IrRef by = IR_NONE;
  for (size_t i = 0; i < moves->len && path == AD_INDEPENDENT; i++)
    if (target_owns(t, moves->at[i].weight->name)) path = ad_path(fn, loss, moves->at[i].value, &by);
  if (path == AD_BLOCKED && by != IR_NONE) {
    Diag *d = elab_error(e, DIAG_NO_DERIVATIVE, t->span, "the loss reaches `%s` only through %s, which has no derivative", t->name,
                         elab_op_text(e, ir_at(fn, by)->op));
    uint32_t at = ir_at(fn, by)->span;
    if (at != 0) diag_label(e->diags, d, (Span){at - 1, at}, "here");
    diag_help(e->diags, d, "let the loss depend on it through something smooth");
    return;
  }
  Diag *d = elab_error(e, DIAG_LOSS_CONSTANT, t->span, "this loss does not depend on `%s`, which the block updates", t->name);
  for (size_t i = 0; i < u->items.len; i++)
    if (u->items.at[i]->kind == UI_MINIMIZE || u->items.at[i]->kind == UI_MAXIMIZE) diag_label(e->diags, d, u->items.at[i]->value->span, "the loss");
  diag_help(e->diags, d, "use it in the loss, or leave it out of `update`");
}

bool step_gradients(Elab *e, const AstUpdate *u, const Targets *targets, IrRef loss, Moves *moves) {
  IrFn *fn = e->scene->fn;
  Moves all = {0};
  for (size_t i = 0; i < e->model->weights.len; i++) {
    const ModelWeight *w = &e->model->weights.at[i];
    for (size_t k = 0; k < targets->len && !w->fixed; k++)
      if (target_owns(&targets->at[k], w->name)) {
        VEC_PUSH(e->arena, &all, (Move){w, leaf_now(e, IR_PARAM, w->name, w->type), IR_NONE, targets->at[k].path});
        break;
      }
  }
  IrRef *wrt = ARENA_ARRAY(e->arena, IrRef, all.len + 1), *g = ARENA_ARRAY(e->arena, IrRef, all.len + 1), refused = IR_NONE;
  for (size_t i = 0; i < all.len; i++) wrt[i] = all.at[i].value;
  if (!ad_gradient(fn, loss, IR_NONE, wrt, (uint32_t)all.len, g, &refused)) {
    Diag *d = elab_error(e, DIAG_NO_DERIVATIVE, u->span, "%s has no derivative that is known", elab_op_text(e, ir_at(fn, refused)->op));
    diag_help(e->diags, d, "let the loss depend on what moves through something smooth, or shield it by `stop_gradient`");
    return false;
  }
  for (size_t i = 0; i < all.len; i++) {
    all.at[i].gradient = g[i];
    if (g[i] != IR_NONE) VEC_PUSH(e->arena, moves, all.at[i]);
  }
  for (size_t k = 0; k < targets->len; k++) {
    bool moved = false;
    for (size_t i = 0; i < moves->len; i++) moved = moved || target_owns(&targets->at[k], moves->at[i].weight->name);
    if (!moved) no_path(e, fn, &targets->at[k], loss, &all, u);
  }
  return moves->len > 0;
}

// ---- new weights and memory

static IrRef state(Elab *e, const StepPlace *place, const char *name, IrType type, const char *like) {
  ModelPhase *phase = place->phase;
  bool known = false;
  for (size_t i = 0; i < phase->states.len; i++) known = known || strcmp(phase->states.at[i].name, name) == 0;
  if (!known) VEC_PUSH(e->arena, &phase->states, (ModelState){.name = name, .type = type, .like = like});
  return leaf_now(e, IR_STATE, name, type);
}

static void set(Elab *e, const StepPlace *place, const char *name, IrRef value) {
  if (place->unrolled) leaf_stands(e, name, value);
  else ir_output(e->scene->fn, arena_printf(e->arena, "set:%s", name), value);
}

// How often the optimizer of a net has stepped, this step included; kept once a net.
static IrRef count_of(Elab *e, const StepPlace *place, const With *with, const char *owner, Map *counts) {
  IrRef *known = map_get(counts, owner);
  if (known != NULL) return *known;
  const char *name = arena_printf(e->arena, "%s.%s.t", owner, with->optimizer.info->name);
  known = ARENA_NEW(e->arena, IrRef);
  *known = ir_binary(e->scene->fn, IR_ADD, state(e, place, name, ir_scalar(IR_F64), NULL), ir_number(e->scene->fn, IR_F64, 1));
  set(e, place, name, *known);
  map_put(e->arena, counts, owner, known);
  return *known;
}

static IrRef bounded(IrFn *fn, IrRef weight, double bound) {
  IrDtype real = ir_type_of(fn, weight)->dtype;
  return ir_binary(fn, IR_MIN, ir_binary(fn, IR_MAX, weight, ir_number(fn, real, -bound)), ir_number(fn, real, bound));
}

// The average of a weight over steps: what the model is judged by and drawn with.
static void average(Elab *e, const StepPlace *place, const ModelWeight *w, IrRef weight, double keep) {
  if (place->unrolled) return;
  IrFn *fn = e->scene->fn;
  const char *name = arena_printf(e->arena, "%s.average", w->name);
  IrRef old = scaled(fn, state(e, place, name, w->type, w->name), ir_number(fn, IR_F64, keep));
  set(e, place, name, ir_binary(fn, IR_ADD, old, scaled(fn, weight, ir_number(fn, IR_F64, 1 - keep))));
}

static void move(Elab *e, const StepPlace *place, const With *with, const Move *m, IrRef gradient, Map *counts) {
  const char *names[OPTIMIZER_MAX_MEMORY];
  IrRef memory[OPTIMIZER_MAX_MEMORY] = {IR_NONE, IR_NONE};
  IrRef count = optimizer_counts(&with->optimizer) ? count_of(e, place, with, m->owner, counts) : IR_NONE;
  int n = optimizer_memory(e->arena, &with->optimizer, names);
  for (int i = 0; i < n; i++) {
    names[i] = arena_printf(e->arena, "%s.%s.%s", m->weight->name, with->optimizer.info->name, names[i]);
    memory[i] = state(e, place, names[i], m->weight->type, NULL);
  }
  OptimizerStep step = optimizer_step(e->scene->fn, &with->optimizer, m->value, gradient, memory, with->rate, count);
  if (with->clip_weights > 0) step.weight = bounded(e->scene->fn, step.weight, with->clip_weights);
  set(e, place, m->weight->name, step.weight);
  if (place->unrolled) VEC_PUSH(e->arena, &e->scene->moved, step.weight);
  for (int i = 0; i < n; i++) set(e, place, names[i], step.memory[i]);
  if (with->ema > 0) average(e, place, m->weight, step.weight, with->ema);
}

static IrRef norm_of(Elab *e, const Moves *moves) {
  IrRef *g = ARENA_ARRAY(e->arena, IrRef, moves->len);
  for (size_t i = 0; i < moves->len; i++) g[i] = moves->at[i].gradient;
  return gradient_norm(e->scene->fn, g, moves->len);
}

void step_weights(Elab *e, const StepPlace *place, const With *with, const Moves *moves) {
  IrFn *fn = e->scene->fn;
  IrRef factor = IR_NONE;
  if (with->clip > 0 || place->norm != NULL) {
    IrRef norm = norm_of(e, moves);
    if (place->norm != NULL) ir_output(fn, place->norm, norm);
    if (with->clip > 0) factor = gradient_clip(fn, norm, with->clip);
  }
  Map counts = {0};
  for (size_t i = 0; i < moves->len; i++) {
    IrRef g = moves->at[i].gradient;
    if (factor != IR_NONE) g = scaled(fn, g, factor);
    if (with->decay > 0) g = ir_binary(fn, IR_ADD, g, scaled(fn, moves->at[i].value, ir_number(fn, IR_F64, with->decay)));
    move(e, place, with, &moves->at[i], g, &counts);
  }
}
