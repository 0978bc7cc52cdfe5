// The classifier two-sample test: a net that is an hgm program of the library (stdlib/programs/classifier.hgm), compiled like any other,
// learns on half of the events to tell generated from true ones; the area under its ROC curve on the other half is the metric.
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "compiler/driver/measure.h"
#include "compiler/driver/train.h"
#include "runtime/philox.h"

enum { MOST_OF_A_KIND = 50000, MOST_NUMBERS = 40000000 };

typedef struct Classifier {
  Session session;
  Store *store;
  const ModelPhase *phase;
  Tables tables;
  int64_t n, d;
  float *x, *label, *weight;  // (n, d), (n), (n): as training sees them
  double *columns;            // (n, d): as scoring does
  int64_t *rows[SPLIT_COUNT]; // at random
  int64_t count[SPLIT_COUNT];
  Bound update, validate, score;
} Classifier;

// ---- the events

static void take(Classifier *c, const EventTable *t, int64_t n, bool generated) {
  double total = 0;
  for (int64_t i = 0; i < n; i++) total += t->weights == NULL ? 1 : t->weights[i];
  for (int64_t i = 0; i < n; i++, c->n++) {
    memcpy(c->columns + c->n * c->d, t->x + i * c->d, sizeof *c->columns * (size_t)c->d);
    c->label[c->n] = generated;
    c->weight[c->n] = t->weights == NULL ? 1 : (float)(t->weights[i] * (double)n / total);
  }
}

typedef struct Ranked {
  double value;
  int64_t row;
} Ranked;

static int by_value(const void *a, const void *b) {
  const Ranked *p = a, *q = b;
  if (p->value != q->value) return p->value < q->value ? -1 : 1;
  return (p->row > q->row) - (p->row < q->row);
}

// A column as the logistic quantiles of its mid-ranks among all events, with variance 1.
static void rank_column(Classifier *c, int64_t k, Ranked *places) {
  const double scale = sqrt(3) / acos(-1);
  for (int64_t i = 0; i < c->n; i++) places[i] = (Ranked){c->columns[i * c->d + k], i};
  qsort(places, (size_t)c->n, sizeof *places, by_value);
  for (int64_t i = 0, next; i < c->n; i = next) {
    for (next = i; next < c->n && places[next].value == places[i].value; next++) {}
    double u = (double)(i + next) / 2 / (double)c->n, x = scale * log(u / (1 - u));
    for (int64_t at = i; at < next; at++) c->columns[places[at].row * c->d + k] = x;
  }
}

static void shuffle(int64_t *rows, int64_t n, uint64_t key, uint32_t round) {
  for (int64_t i = n - 1; i > 0; i--) {
    int64_t j = (int64_t)(philox_uniform(key, (uint64_t)i, round, 0) * (double)(i + 1)), swap = rows[i];
    rows[i] = rows[j];
    rows[j] = swap;
  }
}

// Four tenths are learnt from, one tenth says when to stop, half is judged.
static void split(Classifier *c, Arena *arena) {
  int64_t *all = ARENA_ARRAY(arena, int64_t, c->n + 1);
  for (int64_t i = 0; i < c->n; i++) all[i] = i;
  shuffle(all, c->n, philox_key(c->session.model->seed, "classifier.split"), 0);
  c->count[SPLIT_TEST] = c->n / 2;
  c->count[SPLIT_VALID] = c->n / 10;
  c->count[SPLIT_TRAIN] = c->n - c->count[SPLIT_TEST] - c->count[SPLIT_VALID];
  c->rows[SPLIT_TRAIN] = all;
  c->rows[SPLIT_VALID] = all + c->count[SPLIT_TRAIN];
  c->rows[SPLIT_TEST] = c->rows[SPLIT_VALID] + c->count[SPLIT_VALID];
}

static void add_table(Classifier *c, Arena *arena, const char *name, HgmFileType type, int64_t elements, const void *data) {
  VEC_PUSH(arena, &c->tables.list, (Table){name, type, elements, data});
}

static void prepare(Classifier *c, const EventTable *truth, const EventTable *fake, int64_t most) {
  Arena *arena = c->session.arena;
  int64_t n = truth->n < most ? truth->n : most, m = fake->n < most ? fake->n : most;
  c->d = truth->d;
  c->x = ARENA_ARRAY(arena, float, (n + m) * c->d + 1);
  c->columns = ARENA_ARRAY(arena, double, (n + m) * c->d + 1);
  c->label = ARENA_ARRAY(arena, float, n + m + 1);
  c->weight = ARENA_ARRAY(arena, float, n + m + 1);
  take(c, truth, n, false);
  take(c, fake, m, true);
  Ranked *places = ARENA_ARRAY(arena, Ranked, c->n + 1);
  for (int64_t k = 0; k < c->d; k++) rank_column(c, k, places);
  for (int64_t i = 0; i < c->n * c->d; i++) c->x[i] = (float)c->columns[i];
  split(c, arena);
  add_table(c, arena, "prep:x", HGM_FILE_F32, c->d, c->x);
  add_table(c, arena, "prep:generated", HGM_FILE_F32, 1, c->label);
  add_table(c, arena, "weight:sample", HGM_FILE_F32, 1, c->weight);
  add_table(c, arena, "column:x", HGM_FILE_F64, c->d, c->columns);
}

// ---- training

static bool bind(Classifier *c, HgmError *error) {
  const ModelPhase *p = c->phase;
  for (size_t i = 0; i < p->states.len; i++) {
    Slot *slot = store_add(c->store, p->states.at[i].name, (HgmDtype)p->states.at[i].type.dtype, ir_elements(&p->states.at[i].type));
    slot_fill(slot, p->states.at[i].start);
    slot->saved = true;
  }
  return bound_create(&c->update, &c->session, p->updates.at[0].step, BULK_TILE, p->batch, c->store, &c->tables, error) &&
         bound_create(&c->validate, &c->session, p->validate, BULK_TILE, CHUNK, c->store, &c->tables, error) &&
         bound_create(&c->score, &c->session, c->session.model->score, BULK_TILE, CHUNK, c->store, &c->tables, error);
}

static void set_counter(Classifier *c, const char *name, double value) { slot_set(store_add(c->store, name, HGM_F64, 1), 0, value); }

static bool train_epoch(Classifier *c, int64_t epoch, HgmError *error) {
  int64_t *rows = c->rows[SPLIT_TRAIN], n = c->count[SPLIT_TRAIN], batch = c->phase->batch, steps = (n + batch - 1) / batch;
  shuffle(rows, n, philox_key(c->session.model->seed, "classifier.shuffle"), (uint32_t)epoch);
  for (int64_t k = 0; k < steps; k++) {
    int64_t step = epoch * steps + k, first = k * batch, events = n - first < batch ? n - first : batch;
    set_counter(c, "step", (double)step);
    set_counter(c, "epoch", (double)epoch);
    set_counter(c, "progress", (double)step / (double)(c->phase->epochs * steps));
    if (!bound_run(&c->update, &(BoundCall){.events = events, .rows = rows + first, .event_ids = rows + first, .pass = (uint32_t)step}, error)) return false;
    if (!isfinite(slot_number(bound_result(&c->update, "loss"), 0))) return hgm_fail(error, EXIT_USER, "its loss is not finite in step %lld", (long long)step);
    bound_commit(&c->update);
  }
  return true;
}

static bool validation(Classifier *c, double *loss, HgmError *error) {
  double sum = 0, weight = 0;
  for (int64_t at = 0; at < c->count[SPLIT_VALID]; at += CHUNK) {
    int64_t left = c->count[SPLIT_VALID] - at, *rows = c->rows[SPLIT_VALID] + at;
    if (!bound_run(&c->validate, &(BoundCall){.events = left < CHUNK ? left : CHUNK, .rows = rows, .event_ids = rows}, error)) return false;
    sum += slot_number(bound_result(&c->validate, "loss"), 0);
    weight += slot_number(bound_result(&c->validate, "weight"), 0);
  }
  *loss = sum / weight;
  return true;
}

// Weights to and from one array.
static double *weights_of(Classifier *c, double *kept, bool back) {
  Arena *arena = c->session.arena;
  int64_t n = 0;
  for (size_t i = 0; i < c->session.model->weights.len; i++) n += ir_elements(&c->session.model->weights.at[i].type);
  if (kept == NULL) kept = ARENA_ARRAY(arena, double, n + 1);
  n = 0;
  for (size_t i = 0; i < c->session.model->weights.len; i++) {
    Slot *slot = store_find(c->store, c->session.model->weights.at[i].name);
    for (int64_t k = 0; k < slot->n; k++, n++) {
      if (back) slot_set(slot, k, kept[n]);
      else kept[n] = slot_number(slot, k);
    }
  }
  return kept;
}

// Ends with the weights of the best epoch.
static bool learn(Classifier *c, HgmError *error) {
  double best = INFINITY, *kept = weights_of(c, NULL, false);
  int64_t bad = 0;
  for (int64_t epoch = 0; epoch < c->phase->epochs && bad < c->phase->patience; epoch++) {
    double loss;
    if (!train_epoch(c, epoch, error) || !validation(c, &loss, error)) return false;
    bad = loss < best ? 0 : bad + 1;
    if (bad == 0) best = loss, weights_of(c, kept, false);
  }
  weights_of(c, kept, true);
  return true;
}

// ---- the judgement

static bool judge(Classifier *c, Evaluation *e, EvalMetric *m, HgmError *error) {
  Arena *arena = c->session.arena;
  int64_t n = c->count[SPLIT_TEST];
  double *score = ARENA_ARRAY(arena, double, n + 1), *label = ARENA_ARRAY(arena, double, n + 1), *weight = ARENA_ARRAY(arena, double, n + 1);
  for (int64_t at = 0; at < n; at += CHUNK) {
    int64_t *rows = c->rows[SPLIT_TEST] + at;
    bound_output(&c->score, "score:logit", score + at);
    if (!bound_run(&c->score, &(BoundCall){.events = n - at < CHUNK ? n - at : CHUNK, .rows = rows, .event_ids = rows}, error)) return false;
  }
  for (int64_t i = 0; i < n; i++) label[i] = (double)c->label[c->rows[SPLIT_TEST][i]], weight[i] = (double)c->weight[c->rows[SPLIT_TEST][i]];
  HgmRoc roc;
  if (!hgm_roc_open(&roc, score, label, weight, n, error)) return false;
  measure_push(e, m, "", hgm_roc_area(&roc), (HgmEstimate){0.5, hgm_roc_chance_error(roc.true_events, roc.false_events)});
  EvalFigure *figure = measure_figure(e, m, "true events taken for generated", "generated events recognised");
  figure->high = 1;
  figure->diagonal = true;
  measure_curve(e, figure, &roc, "generated", false);
  hgm_roc_close(&roc);
  return true;
}

bool measure_classifier(Evaluation *e, EvalMetric *m, HgmError *error) {
  EventTable truth, fake;
  event_tables(e, &truth, &fake);
  if (truth.n < 20 || fake.n < 20)
    return hgm_fail(error, EXIT_USER, "%lld true and %lld generated events are too few to learn from", (long long)truth.n, (long long)fake.n);
  Arena *arena = e->session->arena;
  Classifier c = {0};
  SessionSource source = {.path = arena_printf(arena, "%s/programs/classifier.hgm", session_stdlib(arena)), .seed = e->session->model->seed};
  VEC_PUSH(arena, &source.sets, arena_printf(arena, "columns=%d", truth.d));
  int exit_code;
  if (!session_open(&c.session, e->session->options, &source, &exit_code))
    return hgm_fail(error, exit_code, "%s cannot be used: it belongs to the installation", source.path);
  c.store = store_new(c.session.arena);
  c.phase = c.session.model->phases.at[0];
  train_begin_weights(&c.session, c.store);
  int64_t most = MOST_NUMBERS / truth.d / 2;
  prepare(&c, &truth, &fake, most < MOST_OF_A_KIND ? most : MOST_OF_A_KIND);
  bool ok = bind(&c, error) && learn(&c, error) && judge(&c, e, m, error);
  bound_destroy(&c.update);
  bound_destroy(&c.validate);
  bound_destroy(&c.score);
  session_close(&c.session);
  return ok;
}
