// Update blocks: loss, gradient, clip, optimizer step, as one program; and the same loss as the validation program.
//
// Each block is a program of its own, so it sees the weights that the blocks before it have left. update_join.c makes one of
// several where they are `simultaneous`, or where that comes to the same.
#include <string.h>

#include "lang/update.h"

static void phase_reads(Elab *e, ModelPhase *phase, const ModelData *data) {
  if (data == NULL) return;
  for (size_t i = 0; i < phase->data.len; i++)
    if (phase->data.at[i] == data) return;
  VEC_PUSH(e->arena, &phase->data, data);
}

// What the loss did not reach but the scene reads is of some data block all the same.
static void phase_data(Blocks *b, ModelPhase *phase, const IrFn *fn, const Loss *loss) {
  size_t before = phase->data.len;
  for (size_t i = 0; i < loss->parts.len; i++) phase_reads(b->e, phase, loss->parts.at[i].data);
  for (size_t i = 0; i < fn->values.len && before == 0 && phase->data.len == 0; i++)
    if (fn->values.at[i].op == IR_INPUT && b->data.len > 0) phase_reads(b->e, phase, b->data.at[0]->model);
}

static const char *update_site(Elab *e, const TrainScope *t, int number) { return arena_printf(e->arena, "%s.update_%d", t->site, number); }

// ---- unrolling

typedef struct Other {
  const AstUpdate *update;
  int number;
} Other;
typedef VEC(Other) Others;

// The blocks that update a net, in their order.
static Others updates_of(Blocks *b, const TrainScope *t, Scope *scope, const char *path) {
  Others others = {0};
  int n = 0;
  b->e->diags->muted++; // its own block says what is wrong with it
  for (size_t i = 0; i < t->decl->u.train.items.len; i++) {
    const AstTrainItem *item = t->decl->u.train.items.at[i];
    if (item->kind != TI_UPDATE) continue;
    n++;
    Targets targets = targets_read(b, scope, item->update);
    bool found = false;
    for (size_t k = 0; k < targets.len; k++) found = found || strcmp(targets.at[k].path, path) == 0;
    if (found) VEC_PUSH(b->e->arena, &others, (Other){item->update, n});
  }
  b->e->diags->muted--;
  return others;
}

// Nets that a step plays against and does not move remember nothing of it.
static void forget_others(Scene *scene, const Targets *targets) {
  size_t kept = 0;
  for (size_t i = 0; i < scene->running.len; i++) {
    bool own = false;
    for (size_t k = 0; k < targets->len; k++) own = own || strcmp(targets->at[k].path, scene->running.at[i].owner) == 0;
    if (own) scene->running.at[kept++] = scene->running.at[i];
  }
  scene->running.len = kept;
}

// One step of the other block, as values: from here on its weights stand where the step has moved them.
static bool unrolled_step(Blocks *b, ModelPhase *phase, const TrainScope *t, const Other *other) {
  Elab *e = b->e;
  const char *site = e->scene->site;
  const size_t judged = e->scene->judged.len;
  e->scene->site = update_site(e, t, other->number);
  scene_again(e);
  Scope *scope = scope_new(e, train_names(b, t));
  e->diags->muted++;
  int errors = e->diags->errors;
  Targets targets = targets_read(b, scope, other->update);
  Loss loss = loss_read(b, scope, other->update);
  With with = {.rate = IR_NONE};
  Moves moves = {0};
  bool good = with_read(b, scope, other->update, &with) && !loss.bad && step_gradients(e, other->update, &targets, loss_total(e, &loss), &moves);
  if (good) step_weights(e, &(StepPlace){.phase = phase, .unrolled = true}, &with, &moves);
  e->diags->muted--;
  e->scene->judged.len = judged;
  e->scene->site = site;
  forget_others(e->scene, &targets);
  scene_again(e);
  return good && e->diags->errors == errors;
}

static bool unroll(Blocks *b, ModelPhase *phase, const TrainScope *t, Scope *scope, const AstUpdate *u, const Targets *own) {
  Elab *e = b->e;
  Value *net = elab_expr(e, scope, u->unrolling), *count = elab_expr(e, scope, u->unrolling_count);
  if (value_is_error(net) || value_is_error(count)) return false;
  int64_t steps;
  if (!elab_setting_int(e, count, u->unrolling_count->span, "how many steps are unrolled", &steps)) return false;
  const char *path = net->kind == VALUE_FLOW ? net->u.flow.path : net->kind == VALUE_CALLABLE ? net->u.callable.path : NULL;
  Others others = {0};
  if (path != NULL) others = updates_of(b, t, scope, path);
  for (size_t i = 0; i < own->len; i++)
    if (path != NULL && strcmp(own->at[i].path, path) == 0) others.len = 0;
  if (others.len == 0 || steps < 0) {
    Diag *d = others.len == 0 ? elab_error(e, DIAG_UNROLLING, u->unrolling->span, "no other block updates `%s`", source_text(e, u->unrolling->span))
                              : elab_error(e, DIAG_UNROLLING, u->unrolling_count->span, "%lld steps cannot be unrolled", (long long)steps);
    diag_help(e->diags, d, "`update generator unrolling critic 5` goes through five steps of `update critic`, which the train block has too");
    return false;
  }
  for (int64_t k = 0; k < steps; k++)
    for (size_t i = 0; i < others.len; i++)
      if (!unrolled_step(b, phase, t, &others.at[i])) return false;
  return true;
}

// ---- one block

static bool watches_norm(const AstExpr *x) {
  if (x == NULL) return false;
  if (x->kind == EX_BINARY) return watches_norm(x->u.binary.left) || watches_norm(x->u.binary.right);
  if (x->kind == EX_UNARY) return watches_norm(x->u.unary.operand);
  if (x->kind == EX_FIELD) return watches_norm(x->u.field.object);
  return x->kind == EX_NAME && strcmp(x->u.name, "grad_norm") == 0;
}

// Several blocks move against each other: norms of their gradients are part of the course of training.
static bool is_game(const TrainScope *t) {
  int updates = 0;
  for (size_t i = 0; i < t->decl->u.train.items.len; i++) updates += t->decl->u.train.items.at[i]->kind == TI_UPDATE;
  return updates > 1;
}

static const char *targets_text(Elab *e, const Targets *targets) {
  const char *text = "";
  for (size_t i = 0; i < targets->len; i++) text = arena_printf(e->arena, "%s%s%s", text, i > 0 ? ", " : "", targets->at[i].name);
  return text;
}

// Of what nets keep some looks at the batch, as batch norm and activation normalisation do.
static bool averages_over_batch(const Scene *scene) {
  for (size_t i = 0; i < scene->running.len; i++)
    if (scene->running.at[i].of_step) return true;
  return false;
}

// The mean of what the block judged, as an output; false: it judged nothing.
static bool accuracy_output(Elab *e) {
  IrFn *fn = e->scene->fn;
  const size_t n = e->scene->judged.len;
  if (n == 0) return false;
  IrRef sum = e->scene->judged.at[0];
  for (size_t i = 1; i < n; i++) sum = ir_binary(fn, IR_ADD, sum, e->scene->judged.at[i]);
  ir_output(fn, "accuracy", n == 1 ? sum : ir_binary(fn, IR_DIV, sum, ir_number(fn, IR_F64, (double)n)));
  return true;
}

// Nothing turns it: neither a param nor the index of a loop stands in it.
static bool is_fixed(const AstExpr *x) {
  switch (x->kind) {
  case EX_NUMBER:
  case EX_BOOL: return true;
  case EX_UNARY: return is_fixed(x->u.unary.operand);
  case EX_BINARY: return is_fixed(x->u.binary.left) && is_fixed(x->u.binary.right);
  default: return false;
  }
}

// A block that moves nothing: on purpose where a param says so, and a warning; else a mistake.
static Diag *moves_nothing(Elab *e, const AstExpr *why, bool refused, const char *what) {
  return elab_error(e, refused && is_fixed(why) ? DIAG_UPDATE_NOTHING : DIAG_UPDATE_NEVER, why->span, "%s: it moves nothing", what);
}

// The block into the program of the current scene.
static void update_step(Blocks *b, ModelPhase *phase, const TrainScope *t, const AstUpdate *u, ModelUpdate *update) {
  Elab *e = b->e;
  Scope *names = train_names(b, t);
  Targets targets = targets_read(b, scope_new(e, names), u);
  for (size_t i = 0; i < targets.len; i++) VEC_PUSH(e->arena, &update->targets, targets.at[i].path);
  if (u->unrolling != NULL && targets.len == u->targets.len) {
    if (!unroll(b, phase, t, scope_new(e, names), u, &targets)) return;
    names = train_names(b, t);
  }
  Scope *scope = scope_new(e, names);
  Loss loss = loss_read(b, scope, u);
  With with = {.rate = IR_NONE};
  bool good = with_read(b, scope, u, &with) && targets.len == u->targets.len && !loss.bad;
  if (good && with.still != NULL) {
    Diag *d = moves_nothing(e, with.still, is_game(t), "this block has a rate of 0");
    diag_help(e->diags, d, "a net that is to stay as it is needs no block: leave it out of every `update`");
  }
  if (good) {
    targets_one_optimizer(e, t, &targets, &with);
    IrRef total = loss_total(e, &loss);
    ir_output(e->scene->fn, "loss", total);
    const char *norm = with.clip > 0 || watches_norm(phase->watch) || is_game(t) ? "grad_norm" : NULL;
    Moves moves = {0};
    if (step_gradients(e, u, &targets, total, &moves)) step_weights(e, &(StepPlace){.phase = phase, .norm = norm}, &with, &moves);
    for (size_t i = 0; i < targets.len; i++) running_outputs(e, targets.at[i].path);
    phase->normalises = phase->normalises || averages_over_batch(e->scene);
    const char *accuracy = accuracy_output(e) ? "accuracy" : NULL;
    VEC_PUSH(e->arena, &update->losses, (ModelLoss){targets_text(e, &targets), "loss", norm, accuracy, u->span});
  }
  phase_data(b, phase, e->scene->fn, &loss);
}

// ---- `repeat` and `when`

static bool control_output(Blocks *b, Scope *scope, const AstExpr *x, const char *name, bool *known, double *value) {
  Elab *e = b->e;
  Value *v = elab_expr(e, scope, x);
  *known = value_is_number(v);
  if (*known) *value = value_number(v);
  if (value_is_error(v) || *known) return *known;
  if (v->kind == VALUE_TENSOR) v = elab_tensor(e, v, x->span);
  bool number = v->kind == VALUE_TENSOR && v->u.tensor.type.shape.rank == 0 && v->u.tensor.belongs.kind <= BELONGS_STEP;
  if (!number) {
    Diag *d = elab_error(e, DIAG_NOT_SETTING, x->span, "`%s` is one number for the whole step, this is %s%s", name, value_text(e->arena, v),
                         v->kind == VALUE_TENSOR && v->u.tensor.belongs.kind > BELONGS_STEP ? " of each event" : "");
    diag_help(e->diags, d, "a formula of `step`, `epoch`, `progress` or of means over the batch, `batch_mean(…)`");
    return false;
  }
  ir_output(e->scene->fn, name, ir_cast(e->scene->fn, v->u.tensor.ir, IR_F64));
  return true;
}

static void update_control(Blocks *b, const TrainScope *t, const AstUpdate *u, int number, ModelUpdate *update) {
  Elab *e = b->e;
  update->repeat = 1;
  if (u->repeat == NULL && u->when == NULL) return;
  const char *site = update_site(e, t, number);
  Scene *scene = scene_open(e, SCENE_TRAIN, arena_printf(e->arena, "%s.control", site), site);
  Scope *scope = scope_new(e, train_names(b, t));
  bool known;
  double when = 1;
  if (u->repeat != NULL && control_output(b, scope, u->repeat, "repeat", &known, &update->repeat) && known && !(update->repeat >= 0)) {
    Diag *d = elab_error(e, DIAG_TYPE, u->repeat->span, "an update cannot be repeated %g times", update->repeat);
    diag_help(e->diags, d, "`repeat 5` makes five steps of this block in one step");
  }
  if (u->when != NULL && control_output(b, scope, u->when, "when", &known, &when) && known && when == 0) update->repeat = 0;
  if (update->repeat == 0) {
    const AstExpr *why = u->repeat != NULL && when != 0 ? u->repeat : u->when;
    Diag *d = moves_nothing(e, why, true, "this block is never run");
    diag_help(e->diags, d, "a formula of `step` or of params says when: `when step > 100`%s", is_fixed(why) ? "; a block that is not wanted is left out" : "");
  }
  if (scene->fn->outputs.len > 0) update->control = scene->fn;
  scene_close(e);
}

void update_block(Blocks *b, ModelPhase *phase, const TrainScope *t, const AstUpdate *u, int number) {
  Elab *e = b->e;
  const char *site = update_site(e, t, number);
  Scene *scene = scene_open(e, SCENE_TRAIN, site, site);
  scene->fn->span = u->span.begin + 1;
  ModelUpdate update = {.step = scene->fn, .span = u->span};
  update_step(b, phase, t, u, &update);
  scene_close(e);
  update_control(b, t, u, number, &update);
  VEC_PUSH(e->arena, &phase->updates, update);
}

// ---- validation

void update_validate(Blocks *b, ModelPhase *phase, const TrainScope *t, const AstUpdate *u, int number) {
  Elab *e = b->e;
  Scene *scene = scene_open(e, SCENE_VALIDATE, arena_printf(e->arena, "%s.validate", t->site), update_site(e, t, number));
  Scope *scope = scope_new(e, train_names(b, t));
  e->diags->muted++; // the training program has said it
  Loss loss = loss_read(b, scope, u);
  e->diags->muted--;
  IrFn *fn = scene->fn;
  scene_close(e);
  if (loss.bad || loss.parts.len > 1) return; // events of several data blocks have no common mean
  LossPart part = loss.parts.len == 1 ? loss.parts.at[0] : (LossPart){.per_event = IR_NONE, .weight = IR_NONE};
  IrRef weight = part.weight, each = part.per_event;
  if (weight == IR_NONE) weight = ir_fill(fn, (IrType){.dtype = IR_F64, .rank = 1, .axes = {IR_EVENTS}}, 1);
  if (loss.per_step != IR_NONE) {
    IrRef step = ir_binary(fn, IR_MUL, weight, loss.per_step);
    each = each == IR_NONE ? step : ir_binary(fn, IR_ADD, each, step);
  }
  ir_output(fn, "loss", sum_events(fn, each));
  ir_output(fn, "weight", sum_events(fn, weight));
  phase->validate = fn;
}
