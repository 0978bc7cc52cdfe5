#include "compiler/driver/train.h"

#include <math.h>
#include <string.h>

#include "compiler/driver/interrupt.h"
#include "compiler/driver/nonfinite.h"
#include "compiler/driver/progress.h"
#include "runtime/philox.h"

// ---- weights

typedef struct Beginning {
  const Session *session;
  Slot **slots;
  const char **failures;
} Beginning;

static void begin_one(void *data, int64_t index, int thread) {
  (void)thread;
  Beginning *b = data;
  const ModelWeight *weight = &b->session->model->weights.at[index];
  Arena *arena = arena_create();
  IrEnv env = {.events = 1, .seed = b->session->model->seed};
  IrArray value;
  const char *message;
  if (!ir_eval(weight->init, &env, arena, &value, &message)) b->failures[index] = weight->name;
  else
    for (int64_t i = 0; i < value.n; i++) slot_set(b->slots[index], i, value.data[i]);
  arena_destroy(arena);
}

void train_add_weights(const Session *session, Store *store) {
  const Model *model = session->model;
  for (size_t i = 0; i < model->weights.len; i++) {
    const ModelWeight *weight = &model->weights.at[i];
    Slot *slot = store_add(store, weight->name, (HgmDtype)weight->type.dtype, ir_elements(&weight->type));
    slot->saved = true;
    slot->rank = weight->type.rank;
    memcpy(slot->shape, weight->type.axes, sizeof slot->shape);
  }
}

void train_begin_weights(Session *session, Store *store) {
  const Model *model = session->model;
  size_t n = model->weights.len;
  Beginning b = {session, ARENA_ARRAY(store->arena, Slot *, n + 1), ARENA_ARRAY(store->arena, const char *, n + 1)};
  train_add_weights(session, store);
  for (size_t i = 0; i < n; i++) b.slots[i] = store_find(store, model->weights.at[i].name);
  double begin = now_ms();
  hgm_pool_run(session->pool, (int64_t)n, begin_one, &b);
  timeline_add(session->options->timeline, begin, "%zu weights as they begin", n);
  for (size_t i = 0; i < n; i++)
    if (b.failures[i] != NULL) ir_fail("cannot compute the beginning of %s", b.failures[i]);
}

// ---- one phase

typedef struct Phase {
  Training *t;
  const ModelPhase *model;
  Dataset *dataset; // NULL: draws only
  int64_t batch, steps_per_epoch, total_steps;
  Bound *updates, validate;
  int64_t *order; // rows of this epoch
  Slot *step, *epoch, *progress;
} Phase;

static void phase_extent(Phase *p) {
  const ModelPhase *m = p->model;
  const Options *options = p->t->session->options;
  p->batch = m->batch > 0 ? m->batch : 256;
  int64_t rows = p->dataset != NULL ? p->dataset->n[SPLIT_TRAIN] : 0;
  p->steps_per_epoch = m->steps_per_epoch > 0 ? m->steps_per_epoch : rows > 0 ? (rows + p->batch - 1) / p->batch : 1000;
  int64_t epochs = options->has_epochs ? options->epochs : m->epochs;
  p->total_steps = m->steps > 0 && !options->has_epochs ? m->steps : epochs * p->steps_per_epoch;
}

static bool phase_open(Phase *p, HgmError *error) {
  Training *t = p->t;
  Store *store = t->store;
  Session *session = t->session;
  phase_extent(p);
  static const Tables no_tables = {0};
  const Tables *tables = p->dataset != NULL ? &p->dataset->tables : &no_tables;
  for (size_t i = 0; i < p->model->states.len; i++) {
    const ModelState *state = &p->model->states.at[i];
    Slot *slot = store_add(store, state->name, (HgmDtype)state->type.dtype, ir_elements(&state->type));
    slot->saved = true;
    if (!t->resumed) slot_fill(slot, state->start);
  }
  p->step = store_add(store, "step", HGM_F64, 1);
  p->epoch = store_add(store, "epoch", HGM_F64, 1);
  p->progress = store_add(store, "progress", HGM_F64, 1);
  store_add(store, "batch_size", HGM_F64, 1);
  p->updates = ARENA_ARRAY(store->arena, Bound, p->model->updates.len);
  for (size_t i = 0; i < p->model->updates.len; i++)
    if (!bound_create(&p->updates[i], session, p->model->updates.at[i].step, BULK_TILE, p->batch, store, tables, error)) return false;
  if (p->dataset != NULL) p->order = ARENA_ARRAY(store->arena, int64_t, p->dataset->n[SPLIT_TRAIN] + 1);
  return true;
}

static void phase_close(Phase *p) {
  for (size_t i = 0; i < p->model->updates.len; i++) bound_destroy(&p->updates[i]);
  bound_destroy(&p->validate);
}

// Fisher-Yates with draws that depend on seed, phase and epoch only.
static void shuffle(Phase *p, int64_t epoch) {
  if (p->dataset == NULL) return;
  int64_t n = p->dataset->n[SPLIT_TRAIN];
  memcpy(p->order, p->dataset->chosen[SPLIT_TRAIN], sizeof(int64_t) * (size_t)n);
  uint64_t key = philox_key(p->t->session->model->seed, arena_printf(p->t->store->arena, "%s.shuffle", p->model->name));
  for (int64_t i = n - 1; i > 0; i--) {
    int64_t j = (int64_t)(philox_uniform(key, (uint64_t)i, (uint32_t)epoch, 0) * (double)(i + 1));
    int64_t swap = p->order[i];
    p->order[i] = p->order[j];
    p->order[j] = swap;
  }
}

static bool number_of(void *data, const char *name, const char *member, double *value) {
  const Phase *p = data;
  if (member != NULL) return false;
  const Slot *slot = strcmp(name, "step") == 0 ? p->step : strcmp(name, "epoch") == 0 ? p->epoch : strcmp(name, "progress") == 0 ? p->progress : NULL;
  if (slot != NULL) *value = slot_number(slot, 0);
  return slot != NULL;
}

static double formula(Phase *p, const AstExpr *expr, double fallback) {
  double value;
  const char *unknown;
  return expr != NULL && model_formula(expr, number_of, p, &value, &unknown) ? value : fallback;
}

// Batch number `index` of the epoch; past the end it goes round (repeat k takes the next batches).
static BoundCall batch_call(const Phase *p, int64_t index) {
  BoundCall call = {.events = p->batch, .pass = (uint32_t)p->t->position.pass};
  if (p->dataset == NULL) return call;
  int64_t n = p->dataset->n[SPLIT_TRAIN], batches = (n + p->batch - 1) / p->batch, at = index % batches * p->batch;
  call.events = n - at < p->batch ? n - at : p->batch;
  call.rows = call.event_ids = p->order + at;
  return call;
}

static bool update_once(Phase *p, size_t u, int64_t index, double *loss, HgmError *error) {
  Bound *bound = &p->updates[u];
  BoundCall call = batch_call(p, index);
  p->t->position.pass++;
  if (!bound_run(bound, &call, error)) return false;
  const Slot *value = bound_result(bound, "loss"), *norm = bound_result(bound, "grad_norm");
  *loss = slot_number(value, 0);
  if (!isfinite(*loss) || (norm != NULL && !isfinite(slot_number(norm, 0))))
    return nonfinite_explain(p->t->session, p->model->updates.at[u].step, bound, &call, p->dataset != NULL ? &p->dataset->tables : NULL,
                             (int64_t)p->t->position.step, error);
  bound_commit(bound);
  p->t->events_trained += call.events;
  return true;
}

static bool step_once(Phase *p, HgmError *error) {
  Position *at = &p->t->position;
  slot_set(p->step, 0, at->step);
  slot_set(p->epoch, 0, at->epoch);
  slot_set(p->progress, 0, at->step / (double)p->total_steps);
  int64_t next = (int64_t)at->step_in_epoch;
  for (size_t u = 0; u < p->model->updates.len; u++) {
    const ModelUpdate *update = &p->model->updates.at[u];
    if (formula(p, update->when, 1) == 0) continue;
    int64_t repeats = (int64_t)formula(p, update->repeat, 1);
    double loss = 0;
    for (int64_t k = 0; k < repeats; k++)
      if (!update_once(p, u, next + k, &loss, error)) return false;
    if (u + 1 == p->model->updates.len) at->loss_sum += loss;
  }
  at->loss_steps++;
  at->step++;
  at->step_in_epoch++;
  return true;
}

// Weighted mean of the loss over the validation split; NaN without one.
static bool validate(Phase *p, double *loss, HgmError *error) {
  *loss = NAN;
  if (p->model->validate == NULL || p->dataset == NULL || p->dataset->n[SPLIT_VALID] == 0) return true;
  // Compiled when first wanted: training does not wait for it.
  if (p->validate.program == NULL && !bound_create(&p->validate, p->t->session, p->model->validate, BULK_TILE, CHUNK, p->t->store, &p->dataset->tables, error))
    return false;
  double sum = 0, weight = 0;
  int64_t n = p->dataset->n[SPLIT_VALID];
  for (int64_t at = 0; at < n; at += CHUNK) {
    BoundCall call = {
        .events = n - at < CHUNK ? n - at : CHUNK, .rows = p->dataset->chosen[SPLIT_VALID] + at, .event_ids = p->dataset->chosen[SPLIT_VALID] + at};
    if (!bound_run(&p->validate, &call, error)) return false;
    sum += slot_number(bound_result(&p->validate, "loss"), 0);
    weight += slot_number(bound_result(&p->validate, "weight"), 0);
  }
  *loss = sum / weight;
  return true;
}

// A loss may stay finite for a step after its gradient was not: such weights never replace a good checkpoint.
static bool weights_are_finite(const Training *t, HgmError *error) {
  const Store *store = t->store;
  for (size_t i = 0; i < store->slots.len; i++) {
    const Slot *slot = store->slots.at[i];
    for (int64_t k = 0; slot->saved && k < slot->n; k++)
      if (!isfinite(slot_number(slot, k)))
        return hgm_fail(error, EXIT_USER,
                        "`%s` is no longer finite at step %.0f: a gradient was not; a smaller learning rate or `clip(5)` behind the optimizer "
                        "usually cures it; the last good weights are kept",
                        slot->name, t->position.step);
  }
  return true;
}

static bool save(Training *t, const char *name, HgmError *error) {
  char path[4096];
  return weights_are_finite(t, error) && hgm_run_file(hgm_run_path(t->run), name, path, sizeof path, error) &&
         snapshot_save(t->store, &t->position, t->model_hash, path, t->io, error);
}

static bool end_epoch(Phase *p, Progress *progress, HgmError *error) {
  Training *t = p->t;
  Position *at = &t->position;
  double loss = at->loss_sum / at->loss_steps, valid;
  if (!validate(p, &valid, error)) return false;
  at->epoch++;
  at->step_in_epoch = at->loss_sum = at->loss_steps = 0;
  double rate = (double)t->events_trained / ((now_ms() - progress->started_ms) / 1e3);
  progress_clear(progress);
  if (!t->session->options->quiet)
    fprintf(stderr, "%s epoch %.0f: loss %.5f%s%s, %.3g events/s\n", p->model->name, at->epoch, loss, isnan(valid) ? "" : ", validation ",
            isnan(valid) ? "" : arena_printf(t->store->arena, "%.5f", valid), rate);
  const char *names[] = {"epoch", "phase", "step", "loss", "validation", "events_per_second"};
  double values[] = {at->epoch, at->phase, at->step, loss, valid, rate};
  if (!hgm_run_metrics(t->run, names, values, 6, t->io, error)) return false;
  if (!isnan(valid)) {
    bool better = isnan(at->best) || valid < at->best;
    at->bad_epochs = better ? 0 : at->bad_epochs + 1;
    if (better) {
      at->best = valid;
      at->best_epoch = at->epoch;
      if (!save(t, "best.h5", error)) return false;
    }
  }
  return save(t, "last.h5", error);
}

static bool out_of_patience(const Phase *p) { return p->model->patience > 0 && p->t->position.bad_epochs >= (double)p->model->patience; }

static bool save_by_time(Training *t, double *saved_ms, HgmError *error) {
  if (!t->session->options->has_checkpoint || now_ms() - *saved_ms < t->session->options->checkpoint_seconds * 1e3) return true;
  *saved_ms = now_ms();
  return save(t, "last.h5", error);
}

static TrainResult interrupted(Training *t, HgmError *error) { return save(t, "last.h5", error) ? TRAIN_INTERRUPTED : TRAIN_FAILED; }

static TrainResult run_phase(Phase *p, HgmError *error) {
  Training *t = p->t;
  Position *at = &t->position;
  Progress progress = progress_start("training", t->session->options->quiet, (int64_t)at->step * p->batch);
  double saved_ms = now_ms();
  t->events_trained = 0;
  while (at->step < (double)p->total_steps && !out_of_patience(p)) {
    shuffle(p, (int64_t)at->epoch);
    while (at->step_in_epoch < (double)p->steps_per_epoch && at->step < (double)p->total_steps) {
      double begin = now_ms();
      bool first = t->events_trained == 0;
      if (!step_once(p, error)) return TRAIN_FAILED;
      if (first) timeline_add(t->session->options->timeline, begin, "%s: the first step", p->model->name);
      progress_show(&progress, (int64_t)at->step * p->batch, p->total_steps * p->batch, (int64_t)at->epoch + 1, at->loss_sum / at->loss_steps);
      if (interrupt_requested()) {
        progress_clear(&progress);
        return interrupted(t, error);
      }
      if (!save_by_time(t, &saved_ms, error)) return TRAIN_FAILED;
    }
    if (!end_epoch(p, &progress, error)) return TRAIN_FAILED;
  }
  t->train_seconds = (now_ms() - progress.started_ms) / 1e3;
  return TRAIN_DONE;
}

// The weights of the best validation epoch take the place of the last.
static bool take_best(Phase *p, HgmError *error) {
  Training *t = p->t;
  char path[4096];
  if (p->model->keep_last || isnan(t->position.best) || t->position.best_epoch == t->position.epoch) return true;
  return hgm_run_file(hgm_run_path(t->run), "best.h5", path, sizeof path, error) && snapshot_load(t->store, NULL, t->model_hash, path, error);
}

static Dataset *dataset_of(Training *t, const ModelData *data) {
  const Model *model = t->session->model;
  for (size_t i = 0; i < model->data.len; i++)
    if (model->data.at[i] == data) return &t->datasets[i];
  return NULL;
}

TrainResult train_run(Training *t, HgmError *error) {
  const Model *model = t->session->model;
  char path[4096];
  if (t->resumed && t->position.done != 0) // nothing is left to train
    return hgm_run_file(hgm_run_path(t->run), "model.h5", path, sizeof path, error) && snapshot_load(t->store, NULL, t->model_hash, path, error) ? TRAIN_DONE
                                                                                                                                                 : TRAIN_FAILED;
  while (t->position.phase < (double)model->phases.len) {
    const ModelPhase *m = model->phases.at[(int)t->position.phase];
    Phase p = {.t = t, .model = m, .dataset = dataset_of(t, m->data)};
    TrainResult result = TRAIN_FAILED;
    bool ok = phase_open(&p, error);
    if (ok && t->resumed)
      ok = hgm_run_file(hgm_run_path(t->run), "last.h5", path, sizeof path, error) && snapshot_load(t->store, &t->position, t->model_hash, path, error);
    t->resumed = false;
    if (ok) result = run_phase(&p, error);
    if (result == TRAIN_DONE && !take_best(&p, error)) result = TRAIN_FAILED;
    phase_close(&p);
    if (result != TRAIN_DONE) return result;
    double pass = t->position.pass, phase = t->position.phase + 1;
    t->position = (Position){.phase = phase, .pass = pass, .best = NAN, .done = phase >= (double)model->phases.len};
    if (!save(t, "last.h5", error)) return TRAIN_FAILED;
  }
  return save(t, "model.h5", error) ? TRAIN_DONE : TRAIN_FAILED;
}
