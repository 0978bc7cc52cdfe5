#include "compiler/driver/train.h"

#include <math.h>
#include <string.h>

#include "compiler/driver/fitting.h"
#include "compiler/driver/gallery.h"
#include "compiler/driver/kept.h"
#include "compiler/driver/nonfinite.h"
#include "compiler/driver/phase.h"
#include "compiler/driver/progress.h"
#include "compiler/driver/trained.h"
#include "compiler/driver/watch.h"
#include "runtime/interrupt.h"

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
  if (trained_has(b->session->model, weight->name)) return;
  Arena *arena = arena_create();
  IrEnv env = {.events = 1, .seed = b->session->model->seed};
  IrArray value;
  const char *message;
  if (!ir_eval(weight->init, &env, arena, &value, &message)) b->failures[index] = weight->name;
  else slot_set_all(b->slots[index], value.data);
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

// ---- epochs

// Training goes on; that nothing says which epoch is best must not be silent.
static void say_not_finite(Phase *p, const Dataset *dataset, const BoundCall *call) {
  HgmError why = {0};
  if (p->not_finite || !ranks_first(p->t->ranks)) return;
  p->not_finite = true;
  const ModelLoss loss = {.name = phase_loss(p->model, 0)->name, .output = "loss"};
  nonfinite_explain(p->t->session, p->model->validate, &p->validate, &loss, call, &dataset->tables, (int64_t)p->t->position.step,
                    "leave such rows out with `where`; an epoch without a validation loss is not taken for the best", &why);
  fprintf(stderr, "warning: validation: %s\n", why.text);
}

// Weighted mean of the loss over the validation split; NaN without one.
static bool validate(Phase *p, double *loss, HgmError *error) {
  *loss = NAN;
  Dataset *dataset = p->n_sources == 1 ? p->sources[0].dataset : NULL;
  if (p->model->validate == NULL || dataset == NULL || p->sources[0].valid.n == 0) return true;
  // Compiled when first wanted: training does not wait for it.
  if (p->validate.program == NULL &&
      !bound_create_in(&p->validate, p->t->session, p->model->validate, BULK_TILE, CHUNK, &p->room, p->t->store, &dataset->tables, error))
    return false;
  double sum = 0, weight = 0;
  Rows rows = p->sources[0].valid;
  for (int64_t at = 0; at < rows.n; at += CHUNK) {
    BoundCall call = {.events = rows.n - at < CHUNK ? rows.n - at : CHUNK, .rows = rows.at + at, .event_ids = rows.at + at};
    call.ranks = p->t->ranks;
    if (!bound_run(&p->validate, &call, error)) return false;
    const double part = slot_number(bound_result(&p->validate, "loss"), 0);
    sum += part;
    weight += slot_number(bound_result(&p->validate, "weight"), 0);
    if (!isfinite(part)) say_not_finite(p, dataset, &call);
  }
  *loss = sum / weight;
  return true;
}

// A loss may stay finite for a step after its gradient was not: such weights never replace a good checkpoint.
static bool weights_are_finite(const Training *t, HgmError *error) {
  const Store *store = t->store;
  for (size_t i = 0; i < store->slots.len; i++) {
    const Slot *slot = store->slots.at[i];
    if (slot->saved && !slot_is_finite(slot))
      return hgm_fail(error, EXIT_USER,
                      "`%s` is no longer finite at step %.0f: a gradient was not; a smaller learning rate or `clip(5)` behind the optimizer "
                      "usually cures it; the last good weights are kept",
                      slot->name, t->position.step);
  }
  return true;
}

static bool write_weights(Training *t, const Snapshot *snapshot, const char *name, HgmError *error) {
  char path[4096];
  if (!ranks_first(t->ranks)) return true;
  return hgm_run_file(hgm_run_path(t->run), name, path, sizeof path, error) && snapshot_save(t->store, snapshot, t->model_hash, path, t->io, error);
}

static bool write_current(Training *t, const char *name, HgmError *error) {
  const Snapshot now = {.position = t->position, .n_slots = t->store->slots.len};
  return write_weights(t, &now, name, error);
}

static bool save_best(Training *t, HgmError *error) {
  bool waits = t->best_is_waiting;
  t->best_is_waiting = false;
  return !waits || write_weights(t, &t->best, "best.h5", error);
}

// best.h5 comes first: the position that last.h5 has may speak of it.
static bool save(Training *t, const char *name, HgmError *error) {
  if (!weights_are_finite(t, error) || !save_best(t, error) || !write_current(t, name, error)) return false;
  t->saved_ms = now_ms();
  return true;
}

// Files are written once a second at most, since an epoch of few events takes a hundredth of that, and a synced file as long.
enum { SAVE_EVERY_MS = 1000 };
static bool save_is_due(const Training *t) { return t->saved_ms == 0 || now_ms() - t->saved_ms >= SAVE_EVERY_MS; }

// These weights are the best so far.
static bool keep_best(Training *t, HgmError *error) {
  if (!weights_are_finite(t, error)) return false;
  t->best_is_waiting = !save_is_due(t);
  if (!t->best_is_waiting) return write_current(t, "best.h5", error);
  if (ranks_first(t->ranks)) snapshot_take(&t->best, t->store, &t->position);
  return true;
}

// Weights, states and, where it is wanted, the place in training as the first process reads them from its run directory.
static bool load(Training *t, const char *name, Position *position, HgmError *error) {
  char path[4096];
  bool fine = !ranks_first(t->ranks) ||
              (hgm_run_file(hgm_run_path(t->run), name, path, sizeof path, error) && snapshot_load(t->store, position, t->model_hash, path, error));
  int failed, exit_code = fine ? EXIT_DONE : error->exit_code;
  return ranks_together(t->ranks, &exit_code, &failed, error) && ranks_share(t->ranks, t->store, position, error);
}

// A better number than before: these weights are kept.
static bool judge(Phase *p, double number, HgmError *error) {
  Training *t = p->t;
  Position *at = &t->position;
  if (isnan(number)) return true;
  bool better = isnan(at->best) || number < at->best;
  at->bad_epochs = better ? 0 : at->bad_epochs + 1;
  if (!better) return true;
  at->best = number;
  at->best_step = at->step;
  return keep_best(t, error);
}

static const char *losses_text(const Phase *p) {
  Arena *arena = p->t->store->arena;
  size_t n = phase_losses(p->model);
  if (n == 1) return arena_printf(arena, "loss %.5f", phase_mean(p, 0, MEAN_LOSS));
  const char *text = "";
  for (size_t i = 0; i < n; i++) {
    const ModelLoss *loss = phase_loss(p->model, i);
    const char *right = loss->accuracy == NULL ? "" : arena_printf(arena, " (accuracy %.3f)", phase_mean(p, i, MEAN_ACCURACY));
    text = arena_printf(arena, "%s%s%s %.5f%s", text, i > 0 ? ", " : "", loss->name, phase_mean(p, i, MEAN_LOSS), right);
  }
  return text;
}

// What a block updates as part of the name of a column, in which a comma would begin the next.
static const char *block_name(const ModelLoss *loss, Arena *arena) {
  char *name = arena_strdup(arena, loss->name), *to = name;
  for (const char *c = loss->name; *c != '\0'; c++)
    if (*c != ',') *to++ = *c;
  *to = '\0';
  return name;
}

static bool is_game(const ModelPhase *model) { return phase_losses(model) > 1; }

static bool write_metrics(Phase *p, double valid, double watched, double spread, double rate, HgmError *error) {
  const Model *model = p->t->session->model;
  Arena *arena = p->t->store->arena;
  VEC(const char *) names = {0};
  VEC(double) values = {0};
  const Position *at = &p->t->position;
  const char *const first[] = {"epoch", "phase", "step", "loss", "validation", "watched", "events_per_second", "seconds"};
  const double numbers[] = {at->epoch, at->phase, at->step, phase_mean(p, phase_losses(p->model) - 1, MEAN_LOSS), valid, watched, rate, p->t->seconds};
  for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
    VEC_PUSH(arena, &names, first[i]);
    VEC_PUSH(arena, &values, numbers[i]);
  }
  for (size_t m = 0; m < model->phases.len; m++) { // one table for all phases
    for (size_t i = 0; i < phase_losses(model->phases.at[m]); i++) {
      const ModelLoss *loss = phase_loss(model->phases.at[m], i);
      bool here = model->phases.at[m] == p->model;
      if (phase_losses(model->phases.at[m]) > 1) {
        VEC_PUSH(arena, &names, arena_printf(arena, "%s: loss of %s", model->phases.at[m]->name, block_name(loss, arena)));
        VEC_PUSH(arena, &values, here ? phase_mean(p, i, MEAN_LOSS) : NAN);
      }
      if (loss->norm != NULL) {
        VEC_PUSH(arena, &names, arena_printf(arena, "%s: gradient of %s", model->phases.at[m]->name, block_name(loss, arena)));
        VEC_PUSH(arena, &values, here ? phase_mean(p, i, MEAN_NORM) : NAN);
      }
      if (loss->accuracy != NULL) {
        VEC_PUSH(arena, &names, arena_printf(arena, "%s: accuracy of %s", model->phases.at[m]->name, block_name(loss, arena)));
        VEC_PUSH(arena, &values, here ? phase_mean(p, i, MEAN_ACCURACY) : NAN);
      }
    }
    if (!is_game(model->phases.at[m])) continue;
    VEC_PUSH(arena, &names, arena_printf(arena, "%s: spread", model->phases.at[m]->name));
    VEC_PUSH(arena, &values, model->phases.at[m] == p->model ? spread : NAN);
  }
  return !ranks_first(p->t->ranks) || hgm_run_metrics(p->t->run, names.at, values.at, (int)names.len, p->t->io, error);
}

// What has gone wrong in a game, as warnings: once for each block, and for the generator whenever it is looked at.
static void say_trouble(Phase *p, double spread) {
  Arena *arena = p->t->store->arena;
  const char *trouble = gallery_collapse(spread, arena);
  if (trouble != NULL) fprintf(stderr, "warning: %s\n", trouble);
  for (size_t i = 0; i < phase_losses(p->model); i++) {
    double now = phase_mean(p, i, MEAN_LOSS);
    if (p->t->position.epoch == 1) p->first_losses[i] = now;
    trouble = gallery_divergence(phase_loss(p->model, i)->name, p->first_losses[i], now, arena);
    if (trouble != NULL) fprintf(stderr, "warning: %s\n", trouble);
    if (p->t->position.epoch == 1 && phase_mean(p, i, MEAN_NORM) == 0)
      fprintf(stderr, "warning: the gradient of %s was 0 in each step of the epoch: it moves nothing; look at what its loss still depends on\n",
              phase_loss(p->model, i)->name);
  }
}

// As ReduceLROnPlateau of PyTorch: the rate falls when more epochs than the patience have passed without a gain.
static void step_plateaus(const Phase *p, double number) {
  for (size_t i = 0; i < p->model->plateaus.len && !isnan(number); i++) {
    Slot *slot = store_find(p->t->store, p->model->plateaus.at[i].state);
    const double waited = p->t->position.bad_epochs == 0 ? 0 : slot_number(slot, 1) + 1;
    const bool falls = waited > (double)p->model->plateaus.at[i].patience;
    if (falls) slot_set(slot, 0, slot_number(slot, 0) + 1);
    slot_set(slot, 1, falls ? 0 : waited);
  }
}

static bool end_epoch(Phase *p, Progress *progress, HgmError *error) {
  Training *t = p->t;
  Position *at = &t->position;
  double valid, watched = NAN, spread = NAN;
  at->epoch++;
  phase_exchange_averages(p); // the model is judged by its averaged weights, where it has them
  bool ok = validate(p, &valid, error) && (!watch_is_due(p, true) || watch_number(p, valid, &watched, error)) &&
            judge(p, p->model->watch != NULL ? watched : valid, error);
  if (ok && gallery_is_due(p)) ok = gallery_draw(p, &spread, error);
  phase_exchange_averages(p);
  if (!ok) return false;
  step_plateaus(p, p->model->watch != NULL ? watched : valid);
  double elapsed = (now_ms() - progress->started_ms) / 1e3, rate = (double)t->events_trained / elapsed;
  t->seconds = p->seconds_before + elapsed;
  progress_clear(progress);
  if (!t->session->options->quiet)
    fprintf(stderr, "%s epoch %.0f: %s%s%s, %.3g events/s\n", p->model->name, at->epoch, losses_text(p),
            isnan(valid) ? "" : arena_printf(t->store->arena, ", validation %.5f", valid),
            isnan(watched) ? "" : arena_printf(t->store->arena, ", watched %.5f", watched), rate);
  if (is_game(p->model)) say_trouble(p, spread);
  if (!write_metrics(p, valid, watched, spread, rate, error)) return false;
  at->step_in_epoch = 0;
  phase_forget(p);
  return save_is_due(t) ? save(t, "last.h5", error) : weights_are_finite(t, error);
}

// `watch … every N` counts in steps where the phase does.
static bool watch_between(Phase *p, Progress *progress, HgmError *error) {
  if (!watch_is_due(p, false)) return true;
  double watched;
  phase_exchange_averages(p);
  bool ok = watch_number(p, NAN, &watched, error) && judge(p, watched, error);
  phase_exchange_averages(p);
  progress_clear(progress);
  if (ok && !p->t->session->options->quiet) fprintf(stderr, "%s step %.0f: watched %.5f\n", p->model->name, p->t->position.step, watched);
  return ok;
}

static bool out_of_patience(const Phase *p) { return p->model->patience > 0 && p->t->position.bad_epochs >= (double)p->model->patience; }

static bool save_by_time(Training *t, double begin_ms, HgmError *error) {
  if (!t->session->options->has_checkpoint) return true;
  double since = t->saved_ms > begin_ms ? t->saved_ms : begin_ms;
  return now_ms() - since < t->session->options->checkpoint_seconds * 1e3 || save(t, "last.h5", error);
}

static TrainResult stopped(Training *t, TrainResult how, HgmError *error) { return save(t, "last.h5", error) ? how : TRAIN_FAILED; }

// A search takes a run up again after it was compared with others (Options.pause_epochs).
static bool is_paused(const Phase *p) {
  const Training *t = p->t;
  const Options *o = t->session->options;
  double before = 0;
  for (int i = 0; i < (int)t->position.phase; i++) before += (double)(o->has_epochs ? o->epochs : t->session->model->phases.at[i]->epochs);
  return o->pause_epochs > 0 && before + t->position.epoch >= (double)o->pause_epochs;
}

static TrainResult run_phase(Phase *p, HgmError *error) {
  Training *t = p->t;
  Position *at = &t->position;
  Progress progress = progress_start("training", t->session->options->quiet, (int64_t)at->step * p->batch);
  double begin_ms = now_ms();
  t->events_trained = 0;
  p->seconds_before = t->seconds;
  while (at->step < (double)p->total_steps && !out_of_patience(p)) {
    if (is_paused(p)) return stopped(t, TRAIN_PAUSED, error);
    while (at->step_in_epoch < (double)p->steps_per_epoch && at->step < (double)p->total_steps) {
      double begin = now_ms();
      bool first = t->events_trained == 0;
      if (!phase_step(p, error) || !watch_between(p, &progress, error)) return TRAIN_FAILED;
      if (first) timeline_add(t->session->options->timeline, begin, "%s: the first step", p->model->name), kept_keep(t->session);
      progress_show(&progress, (int64_t)at->step * p->batch, p->total_steps * p->batch, (int64_t)at->epoch + 1,
                    phase_mean(p, phase_losses(p->model) - 1, MEAN_LOSS));
      bool stop;
      if (!ranks_any(t->ranks, hgm_interrupt_requested(), &stop, error)) return TRAIN_FAILED;
      if (stop) {
        progress_clear(&progress);
        return stopped(t, TRAIN_INTERRUPTED, error);
      }
      if (!save_by_time(t, begin_ms, error)) return TRAIN_FAILED;
    }
    if (!end_epoch(p, &progress, error)) return TRAIN_FAILED;
  }
  return TRAIN_DONE;
}

// The weights of the best validation epoch take the place of the last.
static bool take_best(Phase *p, HgmError *error) {
  Training *t = p->t;
  if (p->model->keep_last || isnan(t->position.best) || t->position.best_step == t->position.step) {
    phase_exchange_averages(p);
    return true;
  }
  return save_best(t, error) && load(t, "best.h5", NULL, error);
}

// A run that is resumed between two phases has weights and fits, and no state of a phase.
static bool resume_between(Training *t, HgmError *error) {
  fitting_add_states(t->session->model, t->store, (int64_t)t->position.fitted);
  if (t->position.done != 0) {
    if (!t->session->options->quiet)
      fprintf(stderr, "note: this run was trained to its end, so nothing is left to do; longer training is a new run: --epochs N, and another -o\n");
    return load(t, "model.h5", NULL, error);
  }
  if (t->position.batches > 0) return true;
  t->resumed = false;
  return load(t, "last.h5", NULL, error);
}

TrainResult train_run(Training *t, HgmError *error) {
  const Model *model = t->session->model;
  if (!ranks_share(t->ranks, &(Store){0}, &t->position, error)) return TRAIN_FAILED;
  if (t->resumed && !resume_between(t, error)) return TRAIN_FAILED;
  if (t->position.done != 0) return TRAIN_DONE;
  while (t->position.phase < (double)model->phases.len) {
    const ModelPhase *m = model->phases.at[(int)t->position.phase];
    Phase p = {.t = t, .model = m};
    TrainResult result = TRAIN_FAILED;
    bool ok = (t->resumed || fitting_run(t, error)) && phase_open(&p, error);
    if (ok && t->resumed) ok = load(t, "last.h5", &t->position, error);
    t->resumed = false;
    if (ok) result = run_phase(&p, error);
    if (result == TRAIN_DONE) phase_tell_idle(&p);
    if (result == TRAIN_DONE && !take_best(&p, error)) result = TRAIN_FAILED;
    gallery_close(&p);
    phase_close(&p);
    if (result == TRAIN_FAILED) save_best(t, &(HgmError){0}); // the message is of what failed first
    if (result != TRAIN_DONE) return result;
    t->position = (Position){.phase = t->position.phase + 1, .pass = t->position.pass, .fitted = t->position.fitted, .best = NAN};
    if (!save(t, "last.h5", error)) return TRAIN_FAILED;
  }
  if (!fitting_run(t, error)) return TRAIN_FAILED;
  t->position.done = 1;
  return save(t, "model.h5", error) && save(t, "last.h5", error) ? TRAIN_DONE : TRAIN_FAILED;
}
