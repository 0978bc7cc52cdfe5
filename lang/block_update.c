// Update blocks: loss, gradient, clip, optimizer step, as one program; and the same loss as the validation program.
#include <string.h>

#include "compiler/ad/ad.h"
#include "lang/block.h"
#include "lang/optimizer.h"

typedef struct Loss {
  IrRef per_event;       // f64 [e], weighted; IR_NONE: none
  IrRef per_step;        // f64 scalar; IR_NONE: none
  IrRef weight;          // f64 [e] of the data; IR_NONE: ones
  const ModelData *data; // of the events it is about
  bool given, bad;
} Loss;

typedef struct With {
  Optimizer optimizer;
  const AstExpr *written; // the optimizer as written
  IrRef rate;             // f64 scalar
  double clip, decay;     // 0: none
} With;

typedef struct Target {
  const char *path, *name;
  Span span;
} Target;
typedef VEC(Target) Targets;

static void fail(Loss *loss) { loss->bad = true; }

// ---- the loss

static IrRef data_weight(Elab *e, const ModelData *data) {
  Blocks *b = blocks_of(e);
  for (size_t i = 0; i < b->data.len; i++) {
    if (b->data.at[i]->model != data) continue;
    IrRef w = field_weight(e, b->data.at[i]);
    return w == IR_NONE ? w : ir_cast(e->scene->fn, w, IR_F64);
  }
  return IR_NONE;
}

static IrRef plus(IrFn *fn, IrRef sum, IrRef x) { return sum == IR_NONE ? x : ir_binary(fn, IR_ADD, sum, x); }

static void add_loss(Elab *e, Loss *loss, Value *v, Span span, bool maximize) {
  IrFn *fn = e->scene->fn;
  loss->given = true;
  if (!value_is_error(v)) v = elab_real(e, v, span);
  if (value_is_error(v) || v->kind != VALUE_TENSOR) {
    fail(loss);
    return;
  }
  if (v->u.tensor.type.shape.rank != 0) {
    Diag *d = elab_error(e, DIAG_LOSS_SHAPE, span, "minimize needs one number per event, found %s", value_text(e->arena, v));
    if (v->span.begin != 0 && v->span.begin != span.begin) diag_label(e->diags, d, v->span, "this is %s", value_text(e->arena, v));
    diag_help(e->diags, d, "say `sum(…)` or `mean(…)`");
    fail(loss);
    return;
  }
  bool events = ir_has_events(ir_type_of(fn, v->u.tensor.ir));
  IrRef x = ir_cast(fn, v->u.tensor.ir, IR_F64);
  if (maximize) x = ir_unary(fn, IR_NEG, x);
  if (!events) {
    loss->per_step = plus(fn, loss->per_step, x);
    return;
  }
  if (v->u.tensor.belongs.kind == BELONGS_EVENTS) {
    if (loss->data != NULL && loss->data != v->u.tensor.belongs.data) {
      not_built(e, span, "a step over the events of two data blocks");
      fail(loss);
      return;
    }
    loss->data = v->u.tensor.belongs.data;
    IrRef w = data_weight(e, loss->data);
    if (w != IR_NONE) loss->weight = w, x = ir_binary(fn, IR_MUL, x, w);
  }
  loss->per_event = plus(fn, loss->per_event, x);
}

static Loss read_loss(Blocks *b, Scope *scope, const AstUpdate *u) {
  Elab *e = b->e;
  Loss loss = {.per_event = IR_NONE, .per_step = IR_NONE, .weight = IR_NONE};
  int errors = e->diags->errors;
  for (size_t i = 0; i < u->items.len; i++) {
    const AstUpdateItem *item = u->items.at[i];
    switch (item->kind) {
    case UI_STATEMENT: elab_statement(e, scope, item->statement); break;
    case UI_MINIMIZE:
    case UI_MAXIMIZE: add_loss(e, &loss, elab_expr(e, scope, item->value), item->value->span, item->kind == UI_MAXIMIZE); break;
    case UI_ERROR: fail(&loss); break;
    case UI_WITH: break;
    }
  }
  if (e->diags->errors > errors) fail(&loss); // what follows from a mistake in it is not said again
  return loss;
}

static IrRef sum_events(IrFn *fn, IrRef x) { return ir_sum(fn, x, 1); }

// Weighted mean over the batch plus what is of the step itself, f64 scalar.
static IrRef batch_loss(Elab *e, const Loss *loss) {
  IrFn *fn = e->scene->fn;
  IrRef total = loss->per_step;
  if (loss->per_event != IR_NONE) {
    IrRef n = ir_leaf(fn, IR_COUNTER, "batch_size", ir_scalar(IR_F64));
    total = plus(fn, total, ir_binary(fn, IR_DIV, sum_events(fn, loss->per_event), n));
  }
  return total;
}

// ---- targets

static Targets read_targets(Blocks *b, Scope *scope, const AstUpdate *u) {
  Elab *e = b->e;
  Targets targets = {0};
  for (size_t i = 0; i < u->targets.len; i++) {
    const AstExpr *x = u->targets.at[i];
    Value *v = elab_expr(e, scope, x);
    if (value_is_error(v)) continue;
    const char *path = NULL;
    if (v->kind == VALUE_FLOW) path = v->u.flow.path;
    if (v->kind == VALUE_CALLABLE && v->u.callable.kind == CALL_NET) path = v->u.callable.path;
    if (path != NULL) {
      VEC_PUSH(e->arena, &targets, (Target){path, source_text(e, x->span), x->span});
      continue;
    }
    const char *what = v->type != NULL && v->type->field != NULL ? "data" : value_text(e->arena, v);
    Diag *d = elab_error(e, DIAG_UPDATE_WHAT, x->span, "`update %s`: this is %s", source_text(e, x->span), what);
    diag_help(e->diags, d, "nets and flows are updated");
  }
  return targets;
}

static bool belongs_to(const ModelWeight *w, const Target *t) {
  size_t len = strlen(t->path);
  return strncmp(w->name, t->path, len) == 0 && w->name[len] == '.';
}

// ---- with

static bool tuple_numbers(Elab *e, const Value *v, Span span, const char *what, double *out, int n) {
  if (n == 1) return elab_setting_number(e, (Value *)v, span, what, out);
  size_t len = v->kind == VALUE_LIST ? v->u.list.len : v->kind == VALUE_RECORD ? v->u.record.fields.len : 0;
  for (int i = 0; i < n && len == (size_t)n; i++) {
    Value *part = v->kind == VALUE_LIST ? v->u.list.at[i] : v->u.record.fields.at[i].value;
    if (!elab_setting_number(e, part, span, what, &out[i])) return false;
  }
  if (len == (size_t)n) return true;
  elab_error(e, DIAG_OPTIMIZER, span, "%s takes %d numbers, found %s", what, n, value_text(e->arena, v));
  return false;
}

static bool read_rate(Elab *e, Scope *scope, const AstExpr *x, With *with) {
  if (x->kind == EX_CALL && x->u.call.callee->kind == EX_NAME && strcmp(x->u.call.callee->u.name, "plateau") == 0) {
    not_built(e, x->span, "`plateau`");
    return false;
  }
  Value *v = elab_expr(e, scope, x);
  if (value_is_number(v)) v = elab_cast(e, v, IR_F64); // not by way of float32
  if (!value_is_error(v)) v = elab_real(e, v, x->span);
  if (value_is_error(v) || v->kind != VALUE_TENSOR) return false;
  IrFn *fn = e->scene->fn;
  if (ir_type_of(fn, v->u.tensor.ir)->rank != 0) {
    Diag *d = elab_error(e, DIAG_OPTIMIZER, x->span, "a rate is one number a step, found %s", value_text(e->arena, v));
    diag_help(e->diags, d, "rates are formulas of `step`, `epoch` and `progress`");
    return false;
  }
  with->rate = ir_cast(fn, v->u.tensor.ir, IR_F64);
  return true;
}

static bool read_optimizer(Elab *e, Scope *scope, const AstExpr *x, With *with) {
  const char *name = with->optimizer.info->name;
  size_t args = x->kind == EX_CALL ? x->u.call.args.len : 0;
  int place = 0;
  bool good = true, rated = false;
  with->written = x;
  for (size_t i = 0; i < args && good; i++) {
    const AstArg *arg = &x->u.call.args.at[i];
    if ((arg->name.text == NULL && place++ == 0) || (arg->name.text != NULL && strcmp(arg->name.text, "rate") == 0)) {
      good = read_rate(e, scope, arg->value, with);
      rated = true;
      continue;
    }
    OptimizerSetting *s = arg->name.text == NULL ? (place - 2 < with->optimizer.settings ? &with->optimizer.setting[place - 2] : NULL)
                                                 : optimizer_setting(&with->optimizer, arg->name.text);
    if (s == NULL) {
      Diag *d = elab_error(e, DIAG_OPTIMIZER, arg->value->span, "`%s` has no such setting", name);
      diag_help(e->diags, d, "it has the rate%s%s", with->optimizer.settings > 0 ? ", then " : "", with->optimizer.info->settings);
      return false;
    }
    Value *v = elab_expr(e, scope, arg->value);
    good = !value_is_error(v) && tuple_numbers(e, v, arg->value->span, s->name, s->value, s->numbers);
  }
  if (good && !rated) {
    Diag *d = elab_error(e, DIAG_OPTIMIZER, x->span, "`%s` needs a rate", name);
    diag_help(e->diags, d, "`%s(1e-3)`", name);
  }
  return good && rated;
}

static bool read_modifier(Elab *e, Scope *scope, const AstExpr *x, const char *name, With *with) {
  static const char *const later[] = {"clip_weights", "ema", "plateau"};
  for (size_t i = 0; i < 3; i++)
    if (strcmp(name, later[i]) == 0) {
      not_built(e, x->span, "`%s`", name);
      return false;
    }
  double *out = strcmp(name, "clip") == 0 ? &with->clip : strcmp(name, "decay") == 0 ? &with->decay : NULL;
  if (out == NULL) {
    Diag *d = elab_error(e, DIAG_OPTIMIZER, x->span, "`%s` is no optimizer", name);
    const char *near = optimizer_nearest(name);
    if (near != NULL) diag_help(e->diags, d, "did you mean `%s`?", near);
    else diag_help(e->diags, d, "optimizers are sgd, adam, adamw, adamax and rmsprop; `clip(norm)` and `decay(w)` go with them");
    return false;
  }
  if (x->kind != EX_CALL || x->u.call.args.len != 1) {
    elab_error(e, DIAG_OPTIMIZER, x->span, "`%s` takes one number", name);
    return false;
  }
  Value *v = elab_expr(e, scope, x->u.call.args.at[0].value);
  if (value_is_error(v) || !elab_setting_number(e, v, x->span, name, out)) return false;
  if (*out > 0) return true;
  elab_error(e, DIAG_OPTIMIZER, x->span, "`%s` takes a positive number, found %g", name, *out);
  return false;
}

static bool read_with(Blocks *b, Scope *scope, const AstUpdate *u, With *with) {
  Elab *e = b->e;
  bool good = true, found = false;
  for (size_t i = 0; i < u->items.len; i++) {
    if (u->items.at[i]->kind != UI_WITH) continue;
    for (size_t k = 0; k < u->items.at[i]->with.len; k++) {
      const AstExpr *x = u->items.at[i]->with.at[k], *named = x->kind == EX_CALL ? x->u.call.callee : x;
      if (named->kind != EX_NAME) {
        elab_error(e, DIAG_OPTIMIZER, x->span, "`with` takes optimizers by name");
        good = false;
        continue;
      }
      Optimizer optimizer;
      if (!optimizer_find(e->arena, named->u.name, &optimizer)) {
        good = read_modifier(e, scope, x, named->u.name, with) && good;
        continue;
      }
      if (found) {
        Diag *d = elab_error(e, DIAG_OPTIMIZER, x->span, "a second optimizer in one update");
        diag_label(e->diags, d, with->written->span, "the first");
        diag_help(e->diags, d, "keep one of them");
        good = false;
        continue;
      }
      found = true;
      with->optimizer = optimizer;
      good = read_optimizer(e, scope, x, with) && good;
    }
  }
  if (!found && good) {
    Diag *d = elab_error(e, DIAG_NO_OPTIMIZER, u->span, "this update has no `with`");
    diag_help(e->diags, d, "add `with adam(1e-3)`");
    return false;
  }
  return good && found;
}

static void check_one_optimizer(Elab *e, const TrainScope *t, const Targets *targets, const With *with) {
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

// ---- the step

typedef struct Move {
  const ModelWeight *weight;
  IrRef value, gradient;
  const char *owner;
} Move;
typedef VEC(Move) Moves;

static void no_path(Elab *e, IrFn *fn, const Target *t, IrRef loss, const Moves *moves, const AstUpdate *u) {
  AdPath path = AD_INDEPENDENT;
  IrRef by = IR_NONE;
  for (size_t i = 0; i < moves->len && path == AD_INDEPENDENT; i++)
    if (belongs_to(moves->at[i].weight, t)) path = ad_path(fn, loss, moves->at[i].value, &by);
  if (path == AD_BLOCKED && by != IR_NONE) {
    Diag *d = elab_error(e, DIAG_NO_DERIVATIVE, t->span, "the loss reaches `%s` only through `%s`, which has no derivative", t->name,
                         ir_op_info[ir_at(fn, by)->op].name);
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

// Gradients of the loss for all weights of the targets; only those that the loss depends on stay in `moves`.
static bool differentiate(Elab *e, const AstUpdate *u, const Targets *targets, IrRef loss, Moves *moves) {
  IrFn *fn = e->scene->fn;
  Moves all = {0};
  for (size_t i = 0; i < e->model->weights.len; i++) {
    const ModelWeight *w = &e->model->weights.at[i];
    for (size_t k = 0; k < targets->len && !w->fixed; k++)
      if (belongs_to(w, &targets->at[k])) {
        VEC_PUSH(e->arena, &all, (Move){w, ir_leaf(fn, IR_PARAM, w->name, w->type), IR_NONE, targets->at[k].path});
        break;
      }
  }
  IrRef *wrt = ARENA_ARRAY(e->arena, IrRef, all.len + 1), *g = ARENA_ARRAY(e->arena, IrRef, all.len + 1), refused = IR_NONE;
  for (size_t i = 0; i < all.len; i++) wrt[i] = all.at[i].value;
  if (!ad_gradient(fn, loss, IR_NONE, wrt, (uint32_t)all.len, g, &refused)) {
    elab_error(e, DIAG_NO_DERIVATIVE, u->span, "`%s` has no derivative that is known", ir_op_info[ir_at(fn, refused)->op].name);
    return false;
  }
  for (size_t i = 0; i < all.len; i++) {
    all.at[i].gradient = g[i];
    if (g[i] != IR_NONE) VEC_PUSH(e->arena, moves, all.at[i]);
  }
  for (size_t k = 0; k < targets->len; k++) {
    bool moved = false;
    for (size_t i = 0; i < moves->len; i++) moved = moved || belongs_to(moves->at[i].weight, &targets->at[k]);
    if (!moved) no_path(e, fn, &targets->at[k], loss, &all, u);
  }
  return moves->len > 0;
}

static IrRef state(Elab *e, ModelPhase *phase, const char *name, IrType type) {
  bool known = false;
  for (size_t i = 0; i < phase->states.len; i++) known = known || strcmp(phase->states.at[i].name, name) == 0;
  if (!known) VEC_PUSH(e->arena, &phase->states, (ModelState){name, type, 0});
  return ir_leaf(e->scene->fn, IR_STATE, name, type);
}

static void set(Elab *e, const char *name, IrRef value) { ir_output(e->scene->fn, arena_printf(e->arena, "set:%s", name), value); }

// How often the optimizer of a net has stepped, this step included; kept once a net.
static IrRef count_of(Elab *e, ModelPhase *phase, const With *with, const char *owner, Map *counts) {
  IrRef *known = map_get(counts, owner);
  if (known != NULL) return *known;
  const char *name = arena_printf(e->arena, "%s.%s.t", owner, with->optimizer.info->name);
  known = ARENA_NEW(e->arena, IrRef);
  *known = ir_binary(e->scene->fn, IR_ADD, state(e, phase, name, ir_scalar(IR_F64)), ir_number(e->scene->fn, IR_F64, 1));
  set(e, name, *known);
  map_put(e->arena, counts, owner, known);
  return *known;
}

static void move(Elab *e, ModelPhase *phase, const With *with, const Move *m, IrRef gradient, Map *counts) {
  const char *names[OPTIMIZER_MAX_MEMORY];
  IrRef memory[OPTIMIZER_MAX_MEMORY] = {IR_NONE, IR_NONE};
  IrRef count = optimizer_counts(&with->optimizer) ? count_of(e, phase, with, m->owner, counts) : IR_NONE;
  int n = optimizer_memory(e->arena, &with->optimizer, names);
  for (int i = 0; i < n; i++) {
    names[i] = arena_printf(e->arena, "%s.%s.%s", m->weight->name, with->optimizer.info->name, names[i]);
    memory[i] = state(e, phase, names[i], m->weight->type);
  }
  OptimizerStep step = optimizer_step(e->scene->fn, &with->optimizer, m->value, gradient, memory, with->rate, count);
  set(e, m->weight->name, step.weight);
  for (int i = 0; i < n; i++) set(e, names[i], step.memory[i]);
}

static void step_weights(Elab *e, ModelPhase *phase, const With *with, const Moves *moves) {
  IrFn *fn = e->scene->fn;
  IrRef factor = IR_NONE;
  if (with->clip > 0) {
    IrRef *g = ARENA_ARRAY(e->arena, IrRef, moves->len);
    for (size_t i = 0; i < moves->len; i++) g[i] = moves->at[i].gradient;
    IrRef norm = gradient_norm(fn, g, moves->len);
    ir_output(fn, "grad_norm", norm);
    factor = gradient_clip(fn, norm, with->clip);
  }
  Map counts = {0};
  for (size_t i = 0; i < moves->len; i++) {
    IrRef g = moves->at[i].gradient;
    if (factor != IR_NONE) g = scaled(fn, g, factor);
    if (with->decay > 0) g = ir_binary(fn, IR_ADD, g, scaled(fn, moves->at[i].value, ir_number(fn, IR_F64, with->decay)));
    move(e, phase, with, &moves->at[i], g, &counts);
  }
}

// `repeat` and `when` with values known now become literals for the training loop.
static const AstExpr *known_number(Elab *e, const TrainScope *t, const AstExpr *x, const char *what) {
  if (x == NULL) return NULL;
  e->diags->muted++; // a formula of the step or of the losses knows names that stand for nothing here
  Value *v = elab_expr(e, t->outer, x);
  e->diags->muted--;
  if (!value_is_number(v)) {
    not_built(e, x->span, "%s that changes from step to step", what);
    return NULL;
  }
  AstExpr *literal = ARENA_NEW(e->arena, AstExpr);
  *literal = (AstExpr){.kind = EX_NUMBER, .span = x->span};
  literal->u.number.value = value_number(v);
  literal->u.number.integer = v->kind == VALUE_INT;
  return literal;
}

// What the loss did not reach but the scene reads is of some data block all the same.
static const ModelData *data_of(Blocks *b, const IrFn *fn, const Loss *loss) {
  if (loss->data != NULL) return loss->data;
  for (size_t i = 0; i < fn->values.len; i++)
    if (fn->values.at[i].op == IR_INPUT && b->data.len > 0) return b->data.at[0]->model;
  return NULL;
}

void update_block(Blocks *b, ModelPhase *phase, const TrainScope *t, const AstUpdate *u, int number) {
  Elab *e = b->e;
  if (u->unrolling != NULL) not_built(e, u->unrolling->span, "`unrolling`");
  const char *site = arena_printf(e->arena, "%s.update_%d", t->site, number);
  Scene *scene = scene_open(e, SCENE_TRAIN, site, site);
  scene->fn->span = u->span.begin + 1;
  Scope *scope = scope_new(e, train_names(b, t));
  ModelUpdate update = {.step = scene->fn, .span = u->span};
  Targets targets = read_targets(b, scope, u);
  for (size_t i = 0; i < targets.len; i++) VEC_PUSH(e->arena, &update.targets, targets.at[i].path);
  Loss loss = read_loss(b, scope, u);
  With with = {.rate = IR_NONE};
  bool good = read_with(b, scope, u, &with) && targets.len == u->targets.len && !loss.bad;
  if (!loss.given) {
    Diag *d = elab_error(e, DIAG_LOSS_MISSING, u->span, "this update says nothing to minimize");
    diag_help(e->diags, d, "`minimize mse(y, x)`");
  }
  if (good && loss.given) {
    check_one_optimizer(e, t, &targets, &with);
    IrRef total = batch_loss(e, &loss);
    ir_output(scene->fn, "loss", total);
    Moves moves = {0};
    if (differentiate(e, u, &targets, total, &moves)) step_weights(e, phase, &with, &moves);
  }
  const ModelData *data = data_of(b, scene->fn, &loss);
  if (phase->data != NULL && data != NULL && phase->data != data) not_built(e, u->span, "a train block over two data blocks");
  if (data != NULL) phase->data = data;
  scene_close(e);
  update.repeat = known_number(e, t, u->repeat, "`repeat` of an update");
  update.when = known_number(e, t, u->when, "`when` of an update");
  VEC_PUSH(e->arena, &phase->updates, update);
}

void update_validate(Blocks *b, ModelPhase *phase, const TrainScope *t, const AstUpdate *u, int number) {
  Elab *e = b->e;
  const char *site = arena_printf(e->arena, "%s.update_%d", t->site, number);
  Scene *scene = scene_open(e, SCENE_VALIDATE, arena_printf(e->arena, "%s.validate", t->site), site);
  Scope *scope = scope_new(e, train_names(b, t));
  e->diags->muted++; // the training program has said it
  Loss loss = read_loss(b, scope, u);
  e->diags->muted--;
  IrFn *fn = scene->fn;
  scene_close(e);
  if (loss.bad || !loss.given) return;
  IrRef weight = loss.weight;
  if (weight == IR_NONE) weight = ir_fill(fn, (IrType){.dtype = IR_F64, .rank = 1, .axes = {IR_EVENTS}}, 1);
  IrRef each = loss.per_event;
  if (loss.per_step != IR_NONE) each = plus(fn, each, ir_binary(fn, IR_MUL, weight, loss.per_step));
  ir_output(fn, "loss", sum_events(fn, each));
  ir_output(fn, "weight", sum_events(fn, weight));
  phase->validate = fn;
}
