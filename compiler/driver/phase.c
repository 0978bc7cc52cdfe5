#include "compiler/driver/phase.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "compiler/driver/compiling.h"
#include "compiler/driver/cuts.h"
#include "compiler/driver/nonfinite.h"
#include "runtime/philox.h"

enum { COUNT = MEAN_ACCURACY + 1, SUMS };
enum { TRAIN_TILE = 64, LEAST_TILE = 32, MANY_WEIGHTS = 1 << 21, SHARED_WEIGHTS = 1 << 20 };

size_t phase_losses(const ModelPhase *model) {
  size_t n = 0;
  for (size_t i = 0; i < model->updates.len; i++) n += model->updates.at[i].losses.len;
  return n;
}

const ModelLoss *phase_loss(const ModelPhase *model, size_t i) {
  size_t u = 0;
  while (i >= model->updates.at[u].losses.len) i -= model->updates.at[u++].losses.len;
  return &model->updates.at[u].losses.at[i];
}

// ---- batches

static uint64_t shuffle_key(const Phase *p, const Source *s) {
  const char *name = s == p->sources ? "shuffle" : s->dataset->data->name;
  return philox_key(p->t->session->model->seed, arena_printf(p->t->store->arena, "%s.%s", p->model->name, name));
}

// Fisher-Yates with draws that depend on seed, phase and round only.
static void shuffle(const Phase *p, Source *s, int64_t round) {
  if (s->round == round) return;
  int64_t n = s->train.n;
  if (s->window != NULL) {
    window_order(s->window, round, s->order);
    s->round = round;
    return;
  }
  memcpy(s->order, s->train.at, sizeof(int64_t) * (size_t)n);
  uint64_t key = shuffle_key(p, s);
  for (int64_t i = n - 1; i > 0; i--) {
    int64_t j = (int64_t)(philox_uniform(key, (uint64_t)i, (uint32_t)round, 0) * (double)(i + 1));
    int64_t swap = s->order[i];
    s->order[i] = s->order[j];
    s->order[j] = swap;
  }
  s->round = round;
}

// One event has no spread to normalise by: as the rest of a round it joins the batch before.
static bool rest_joins(const Phase *p, const Source *s) { return p->model->normalises && s->train.n > p->batch && s->train.n % p->batch == 1; }

static int64_t batches_of(const Phase *p, const Source *s) { return (s->train.n + p->batch - 1) / p->batch - rest_joins(p, s); }

static int64_t most_events(const Phase *p) { return p->batch + p->model->normalises; }

// Rows of batch `index`, counted over all rounds; the last of a round is short, or has one more.
static const int64_t *batch_rows(const Phase *p, Source *s, int64_t index, int64_t *n) {
  int64_t batches = batches_of(p, s), at = index % batches * p->batch, rows = s->train.n;
  shuffle(p, s, index / batches);
  if (s->window != NULL) window_enter(s->window, index / batches, at);
  *n = index % batches == batches - 1 ? rows - at : p->batch;
  return s->order + at;
}

// Of several data blocks each has rows of its own: the batch is copied together, whole; a block that ends early begins anew.
static void gather(const Phase *p, Source *s, int64_t index) {
  for (size_t i = 0; i < s->dataset->tables.list.len; i++) {
    const Table *from = &s->dataset->tables.list.at[i], *to = tables_find(&p->tables, from->name);
    size_t bytes = table_row_bytes(from);
    int64_t rows = s->train.n;
    for (int64_t k = 0; to != NULL && k < p->batch; k++) {
      int64_t at = index * p->batch + k;
      shuffle(p, s, at / rows);
      if (s->window != NULL) window_enter(s->window, at / rows, at % rows);
      memcpy((char *)to->data + (size_t)k * bytes, (const char *)from->data + (size_t)s->order[at % rows] * bytes, bytes);
    }
  }
}

static BoundCall batch_call(Phase *p, int64_t pass) {
  const Position *at = &p->t->position;
  BoundCall call = {.events = p->batch, .pass = (uint32_t)(at->pass + (double)pass)};
  int64_t index = (int64_t)at->batches + pass;
  if (p->n_sources == 1) call.rows = call.event_ids = batch_rows(p, &p->sources[0], index, &call.events);
  for (int i = 0; p->n_sources > 1 && i < p->n_sources; i++) gather(p, &p->sources[i], index);
  return call;
}

// ---- opening

static Dataset *dataset_of(Training *t, const ModelData *data) {
  const Model *model = t->session->model;
  for (size_t i = 0; i < model->data.len; i++)
    if (model->data.at[i] == data && t->datasets != NULL && t->datasets[i].n[SPLIT_TRAIN] > 0) return &t->datasets[i];
  return NULL;
}

// Leaves those of a split that the selection chooses.
static bool select_of(Phase *p, Dataset *dataset, const ModelSelection *selection, const char *purpose, Rows *rows, HgmError *error) {
  const Rows before = *rows;
  if (!dataset_select(dataset, p->t->session, p->t->store, selection->keep, rows, error)) return false;
  if (rows->n > 0 || before.n == 0) return true;
  purpose = arena_printf(p->t->store->arena, "%s in `%s`", purpose, p->model->name);
  return cuts_blame(dataset, p->t->session, p->t->store, &selection->cuts, before.at, before.n, purpose, error);
}

// The events of the phase: of the data block's splits those that its `where` chooses.
static bool select_rows(Phase *p, Source *source, HgmError *error) {
  Dataset *dataset = source->dataset;
  source->train = (Rows){dataset->chosen[SPLIT_TRAIN], dataset->n[SPLIT_TRAIN]};
  source->valid = (Rows){dataset->chosen[SPLIT_VALID], dataset->n[SPLIT_VALID]};
  for (size_t i = 0; i < p->model->selections.len; i++) {
    const ModelSelection *selection = &p->model->selections.at[i];
    if (selection->data != dataset->data) continue;
    if (!select_of(p, dataset, selection, "train on", &source->train, error) || !select_of(p, dataset, selection, "validate", &source->valid, error))
      return false;
  }
  if (p->model->normalises && source->train.n == 1)
    return hgm_fail(error, EXIT_USER,
                    "%s: one event of %s is left to train on, which has no spread to normalise by; what is normalised over the batch needs two", p->model->name,
                    hgm_table_name(dataset->table));
  return true;
}

static bool is_read(const Phase *p, const Table *table) {
  bool read = false;
  for (size_t i = 0; i < p->model->updates.len; i++) {
    const ModelUpdate *u = &p->model->updates.at[i];
    read = read || map_get(&u->step->leaves, table->name) != NULL || (u->control != NULL && map_get(&u->control->leaves, table->name) != NULL);
  }
  return read;
}

static Tables tables_read(const Phase *p, const Dataset *dataset) {
  Tables read = {0};
  for (size_t i = 0; i < dataset->tables.list.len; i++)
    if (is_read(p, &dataset->tables.list.at[i])) VEC_PUSH(p->t->store->arena, &read.list, dataset->tables.list.at[i]);
  return read;
}

static bool open_sources(Phase *p, HgmError *error) {
  Arena *arena = p->t->store->arena;
  p->sources = ARENA_ARRAY(arena, Source, p->model->data.len + 1);
  for (size_t i = 0; i < p->model->data.len; i++) {
    Dataset *dataset = dataset_of(p->t, p->model->data.at[i]);
    if (dataset == NULL) continue; // simulated
    Source *source = &p->sources[p->n_sources++];
    *source = (Source){.dataset = dataset, .round = -1};
    if (!select_rows(p, source, error)) return false;
    source->order = dataset_take(dataset, sizeof(int64_t) * (size_t)(source->train.n + 1), error);
    Tables read = tables_read(p, dataset);
    if (source->order == NULL || !window_open(&source->window, dataset, &read, source->train, shuffle_key(p, source), p->batch, error)) return false;
    if (source->window != NULL && !p->t->session->options->quiet)
      fprintf(stderr, "%s: %s lies in a scratch file; its rows are shuffled within windows of %lld (docs/data.md)\n", p->model->name,
              hgm_table_name(dataset->table), (long long)window_rows(source->window));
  }
  if (p->n_sources == 1) p->tables = p->sources[0].dataset->tables;
  for (int s = 0; p->n_sources > 1 && s < p->n_sources; s++) {
    Tables read = tables_read(p, p->sources[s].dataset);
    for (size_t i = 0; i < read.list.len; i++) {
      Table table = read.list.at[i];
      table.data = arena_alloc(arena, table_row_bytes(&table) * (size_t)p->batch + 64);
      VEC_PUSH(arena, &p->tables.list, table);
    }
  }
  return true;
}

static void phase_extent(Phase *p) {
  const ModelPhase *m = p->model;
  const Options *options = p->t->session->options;
  int64_t most = 0;
  for (int i = 0; i < p->n_sources; i++)
    if (batches_of(p, &p->sources[i]) > most) most = batches_of(p, &p->sources[i]);
  p->steps_per_epoch = m->steps_per_epoch > 0 ? m->steps_per_epoch : most > 0 ? most : 1000;
  int64_t epochs = options->has_epochs ? options->epochs : m->epochs;
  p->total_steps = m->steps > 0 && !options->has_epochs ? m->steps : epochs * p->steps_per_epoch;
  if (options->has_steps && options->steps < p->total_steps) p->total_steps = options->steps;
}

static CodeShape shape_of(const Phase *p) { return phase_shape(p->model, hgm_pool_threads(p->t->session->pool)); }

// Memory for the steps while their code is still being made: the first touch of it takes long.
static bool open_room_ahead(Phase *p, HgmError *error) {
  uint64_t most = 0;
  for (size_t i = 0; i < p->model->updates.len; i++) {
    uint64_t bytes = session_room_bytes(p->t->session, p->model->updates.at[i].step, shape_of(p), p->batch);
    if (bytes > most) most = bytes;
  }
  return most == 0 || hgm_room_open(&p->room, p->t->session->pool, most, error);
}

static bool open_program(Phase *p, Bound *bound, const IrFn *fn, uint64_t *most, HgmError *error) {
  Session *session = p->t->session;
  if (!bound_bind(bound, session, fn, shape_of(p), p->t->store, &p->tables, error)) return false;
  uint64_t bytes = hgm_room_bytes(bound->program, hgm_pool_threads(session->pool), most_events(p));
  if (bytes > *most) *most = bytes;
  return true;
}

static bool open_programs(Phase *p, HgmError *error) {
  Training *t = p->t;
  size_t n = p->model->updates.len;
  uint64_t most = 0;
  if (!open_room_ahead(p, error)) return false;
  p->updates = ARENA_ARRAY(t->store->arena, Bound, n + 1);
  p->controls = ARENA_ARRAY(t->store->arena, Bound, n + 1);
  p->ran = ARENA_ARRAY(t->store->arena, bool, n + 1);
  for (size_t i = 0; i < n; i++) {
    const ModelUpdate *u = &p->model->updates.at[i];
    if (!open_program(p, &p->updates[i], u->step, &most, error)) return false;
    if (u->control != NULL && !open_program(p, &p->controls[i], u->control, &most, error)) return false;
  }
  bool fine = true;
  if (most > p->room.bytes || p->room.memory == NULL) {
    hgm_room_close(&p->room);
    fine = hgm_room_open(&p->room, p->t->session->pool, most, error);
  }
  for (size_t i = 0; i < n && fine; i++) {
    fine = bound_work(&p->updates[i], t->session, most_events(p), &p->room, error);
    if (fine && p->controls[i].program != NULL) fine = bound_work(&p->controls[i], t->session, most_events(p), &p->room, error);
  }
  return fine;
}

static void begin_state(Phase *p, const ModelState *state) {
  Store *store = p->t->store;
  const bool is_new = store_find(store, state->name) == NULL; // zeros
  Slot *slot = store_add(store, state->name, (HgmDtype)state->type.dtype, ir_elements(&state->type));
  slot->saved = true;
  if (p->t->resumed || (is_new && state->like == NULL && state->start == 0)) return;
  const Slot *like = state->like == NULL ? NULL : store_find(store, state->like);
  if (like != NULL) memcpy(slot->data, like->data, hgm_dtype_bytes(slot->dtype) * (size_t)slot->n);
  else slot_fill(slot, state->start);
}

int64_t phase_batch(const ModelPhase *model) { return model->batch > 0 ? model->batch : 256; }

// The next power of two: batches of about one size share a compiled program.
static uint64_t batch_about(const ModelPhase *model) {
  uint64_t batch = 1;
  while (batch < (uint64_t)phase_batch(model)) batch *= 2;
  return batch;
}

static int64_t weights_read(const IrFn *fn) {
  int64_t n = 0;
  for (size_t i = 0; i < fn->values.len; i++)
    if (fn->values.at[i].op == IR_PARAM) n += ir_elements(&fn->values.at[i].type);
  return n;
}

static uint32_t tile_for(const ModelPhase *model, int64_t weights) {
  uint32_t tile = weights >= MANY_WEIGHTS && phase_batch(model) >= 4 * BULK_TILE ? BULK_TILE : TRAIN_TILE;
  while (tile > LEAST_TILE && tile >= phase_batch(model)) tile /= 2;
  return tile;
}

// Panels of the thread that has most of them where tiles are dealt.
static int64_t most_panels(int64_t panels, int64_t tile_panels, int threads) {
  int64_t tiles = (panels + tile_panels - 1) / tile_panels;
  if (tiles <= 2) return tiles < 2 || threads < 2 ? panels : panels - panels / 2;
  return (tiles + threads - 1) / threads * tile_panels;
}

CodeShape phase_shape(const ModelPhase *model, int threads) {
  int64_t weights = 0, panels = (phase_batch(model) + CODE_LANES - 1) / CODE_LANES;
  for (size_t i = 0; i < model->updates.len; i++) {
    int64_t n = weights_read(model->updates.at[i].step);
    if (n > weights) weights = n;
  }
  CodeShape shape = {.tile = tile_for(model, weights), .batch = batch_about(model)};
  bool uneven = 10 * threads * most_panels(panels, shape.tile / CODE_LANES, threads) > 11 * panels; // by more than a tenth
  shape.shared = uneven && weights >= SHARED_WEIGHTS;
  return shape;
}

bool phase_open(Phase *p, HgmError *error) {
  Store *store = p->t->store;
  p->batch = phase_batch(p->model);
  p->opened_ms = now_ms();
  if (!open_sources(p, error)) return false;
  phase_extent(p);
  for (size_t i = 0; i < p->model->states.len; i++) begin_state(p, &p->model->states.at[i]);
  p->step = store_add(store, "step", HGM_F64, 1);
  p->epoch = store_add(store, "epoch", HGM_F64, 1);
  p->progress = store_add(store, "progress", HGM_F64, 1);
  store_add(store, "batch_size", HGM_F64, 1);
  p->sums = store_add(store, arena_printf(store->arena, "%s.losses", p->model->name), HGM_F64, (int64_t)phase_losses(p->model) * SUMS);
  p->sums->saved = true;
  p->first_losses = ARENA_ARRAY(store->arena, double, phase_losses(p->model) + 1);
  for (size_t i = 0; i < phase_losses(p->model); i++) p->first_losses[i] = NAN;
  if (!open_programs(p, error)) return false;
  for (size_t i = 0; i < p->model->updates.len; i++)
    if (!ranks_fit(p->t->ranks, p->updates[i].program, p->batch, error)) return false;
  return true;
}

void phase_leave_states(Phase *p) {
  for (size_t i = 0; i < p->model->states.len; i++) {
    Slot *slot = store_find(p->t->store, p->model->states.at[i].name);
    if (slot != NULL) slot->saved = false;
  }
  if (p->sums != NULL) p->sums->saved = false;
}

void phase_close(Phase *p) {
  session_drop_ahead(p->t->session); // better code of its steps
  for (int i = 0; i < p->n_sources; i++) window_close(p->sources[i].window);
  for (size_t i = 0; p->updates != NULL && i < p->model->updates.len; i++) {
    bound_destroy(&p->updates[i]);
    bound_destroy(&p->controls[i]);
  }
  bound_destroy(&p->validate);
  hgm_room_close(&p->room);
  phase_leave_states(p); // the next phase starts anew
}

// ---- sums of an epoch

double phase_mean(const Phase *p, size_t loss, PhaseMean what) {
  int64_t at = (int64_t)loss * SUMS;
  double n = slot_number(p->sums, at + COUNT);
  return n == 0 ? NAN : slot_number(p->sums, at + (int64_t)what) / n;
}

void phase_forget(Phase *p) { slot_fill(p->sums, 0); }

// A step counts as many times as it has events: the last batch of an epoch has fewer.
static void add_loss(Phase *p, size_t at, const Bound *bound, const ModelLoss *loss, double events) {
  const char *const outputs[] = {[MEAN_LOSS] = loss->output, [MEAN_NORM] = loss->norm, [MEAN_ACCURACY] = loss->accuracy};
  double more[SUMS] = {[COUNT] = events};
  for (int k = 0; k < COUNT; k++) more[k] = outputs[k] == NULL ? 0 : slot_number(bound_result(bound, outputs[k]), 0) * events;
  for (int k = 0; k < SUMS; k++) slot_set(p->sums, (int64_t)at * SUMS + k, slot_number(p->sums, (int64_t)at * SUMS + k) + more[k]);
}

void phase_exchange_averages(Phase *p) {
  for (size_t i = 0; i < p->model->states.len; i++) {
    const ModelState *state = &p->model->states.at[i];
    if (state->like == NULL) continue;
    Slot *average = store_find(p->t->store, state->name), *weight = store_find(p->t->store, state->like);
    void *data = average->data;
    average->data = weight->data;
    weight->data = data;
  }
}

// ---- steps

static int line_of(const Phase *p, Span span) {
  int line, column;
  source_position(p->t->session->sources, span.begin, &line, &column);
  return line;
}

// What the update's formulas say of this step: how many passes.
static bool passes_of(Phase *p, size_t u, int64_t *passes, HgmError *error) {
  Bound *control = &p->controls[u];
  double repeat = p->model->updates.at[u].repeat;
  *passes = (int64_t)repeat;
  if (control->program == NULL) return true;
  BoundCall call = batch_call(p, 0);
  if (!bound_run(control, &call, error)) return false;
  const Slot *often = bound_result(control, "repeat"), *when = bound_result(control, "when");
  if (often != NULL) repeat = slot_number(often, 0);
  if (when != NULL && slot_number(when, 0) == 0) repeat = 0;
  if (!(repeat >= 0 && repeat <= 1e9))
    return hgm_fail(error, EXIT_USER, "`repeat` of the update of %s in line %d is %g in step %.0f; it is how many passes are made, from 0 on",
                    p->model->updates.at[u].losses.at[0].name, line_of(p, p->model->updates.at[u].span), repeat, p->t->position.step);
  *passes = (int64_t)repeat;
  return true;
}

typedef struct Judged { // a step whose new weights are not there yet
  const ModelUpdate *update;
  const Bound *bound;
} Judged;

static const ModelLoss *bad_loss(const ModelUpdate *update, const Bound *bound) {
  for (size_t i = 0; i < update->losses.len; i++) {
    const ModelLoss *loss = &update->losses.at[i];
    double value = slot_number(bound_result(bound, loss->output), 0), norm = loss->norm == NULL ? 0 : slot_number(bound_result(bound, loss->norm), 0);
    if (!isfinite(value) || !isfinite(norm)) return loss;
  }
  return NULL;
}

static bool is_sound(void *context) {
  const Judged *j = context;
  return bad_loss(j->update, j->bound) == NULL;
}

// Says what became bad where. Of several blocks in one program each takes its step in a program of its own, until one cannot: a block is
// looked at with what those before it have made of the whole batch.
static bool explain_bad(Phase *p, size_t u, const ModelLoss *bad, const BoundCall *call, HgmError *error) {
  static const char cure[] =
      "a smaller learning rate, `clip(5)` behind the optimizer, or a bounded preparation (arctan) usually cures it; the last good weights are kept";
  const ModelUpdate *update = &p->model->updates.at[u];
  Session *session = p->t->session;
  const int64_t step = (int64_t)p->t->position.step;
  bool fine = true;
  for (size_t i = 0; i < update->parts.len && fine; i++) {
    const ModelUpdate *part = &update->parts.at[i];
    Bound alone = {0};
    BoundCall again = *call;
    again.context = &(Judged){part, &alone};
    fine = bound_create(&alone, session, part->step, shape_of(p).tile, most_events(p), p->t->store, &p->tables, error) && bound_run(&alone, &again, error);
    const ModelLoss *loss = fine ? bad_loss(part, &alone) : NULL;
    if (loss != NULL) fine = nonfinite_explain(session, part->step, &alone, loss, &again, &p->tables, step, cure, error);
    else if (fine) bound_commit(&alone);
    bound_destroy(&alone);
  }
  return fine && nonfinite_explain(session, update->step, &p->updates[u], bad, call, &p->tables, step, cure, error);
}

static bool update_once(Phase *p, size_t u, size_t first_loss, int64_t pass, bool last, HgmError *error) {
  const ModelUpdate *update = &p->model->updates.at[u];
  Bound *bound = &p->updates[u];
  BoundCall call = batch_call(p, pass);
  call.ranks = p->t->ranks;
  call.proceed = is_sound;
  call.context = &(Judged){update, bound};
  if (!bound_run(bound, &call, error)) return false;
  const ModelLoss *bad = bad_loss(update, bound);
  if (bad != NULL) return explain_bad(p, u, bad, &call, error);
  for (size_t i = 0; i < update->losses.len && last; i++) add_loss(p, first_loss + i, bound, &update->losses.at[i], (double)call.events);
  bound_commit(bound);
  p->t->events_trained += call.events * (int64_t)update->losses.len; // of each block, whether or not it has a program of its own
  return true;
}

// A block that only draws takes no batches: `update generator repeat 2` leaves none out.
static bool takes_batches(const Phase *p, size_t u) {
  const HgmProgram *program = p->updates[u].program;
  for (uint32_t i = 0; i < program->n_leaves; i++)
    if (program->leaves[i].per_event) return true;
  return false;
}

// Training that lasts is worth better code; shorter ones end before it would be there. Neither shows in a bit.
static void improve(Phase *p) {
  enum { STEPS_BEFORE = 32, MS_BEFORE = 1500 };
  Session *session = p->t->session;
  if (p->steps_here++ >= STEPS_BEFORE && session->quick.len > 0 && now_ms() - p->opened_ms > MS_BEFORE) session_improve(session);
  for (size_t u = 0; u < p->model->updates.len && session->better.len > 0; u++) {
    HgmProgram *better = session_improved(session, p->model->updates.at[u].step);
    if (better != NULL) bound_change(&p->updates[u], better);
  }
}

bool phase_step(Phase *p, HgmError *error) {
  Position *at = &p->t->position;
  improve(p);
  slot_set(p->step, 0, at->step);
  slot_set(p->epoch, 0, at->epoch);
  slot_set(p->progress, 0, at->step / (double)p->total_steps);
  int64_t most = 1, batches = 1;
  size_t loss = 0;
  for (size_t u = 0; u < p->model->updates.len; u++) {
    int64_t passes;
    if (!passes_of(p, u, &passes, error)) return false;
    p->ran[u] |= passes > 0;
    for (int64_t k = 0; k < passes; k++)
      if (!update_once(p, u, loss, k, k + 1 == passes, error)) return false;
    if (passes > most) most = passes;
    if (passes > batches && takes_batches(p, u)) batches = passes;
    loss += p->model->updates.at[u].losses.len;
  }
  at->pass += (double)most;
  at->batches += (double)batches;
  at->step++;
  at->step_in_epoch++;
  return true;
}

void phase_tell_idle(const Phase *p) {
  const double steps = p->t->position.step;
  if ((double)p->steps_here < steps || !ranks_first(p->t->ranks)) return; // those before are not known
  for (size_t u = 0; u < p->model->updates.len; u++) {
    const ModelUpdate *update = &p->model->updates.at[u];
    if (p->ran[u] || update->control == NULL) continue;
    fprintf(stderr, "warning: %s: the update of %s in line %d ran in none of %.0f steps: its `when` or `repeat` never allowed it\n", p->model->name,
            update->losses.at[0].name, line_of(p, update->span), steps);
  }
}
