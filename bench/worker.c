// A peer for the driver of the benchmark: compiles a model file through the ordinary path and trains and samples on random events.
//
//   bench/worker MODEL.hgm      prints `ready PARAMETERS EVENTS` after its first step, then answers one line each:
//   train S, sample S, chunks S -> events/s over S seconds; single S -> median seconds of a one-event call; memory -> MB; quit
//
// Each answer is `VALUE SHARE`, SHARE = processor time over wall time. floors S answers with two lines, training and sampling
// beside their floors (floors.h): short segments of both in turn with large products for S seconds each, medians.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#include "compiler/driver/dataset.h"
#include "compiler/driver/floors.h"
#include "compiler/driver/generate.h"
#include "compiler/driver/train.h"
#include "compiler/opt/opt.h"
#include "runtime/philox.h"

enum { BATCHES = 32, BULK = 10000, SMALL = 1000, MOST_TIMES = 1 << 20 };

typedef struct Worker {
  Session session;
  Store *store;
  Dataset dataset;
  Bound step;
  Generation bulk, single;
  HgmOne *one; // the single generation's handle
  const void **inputs;
  int64_t batch, at;
  int64_t drawn;
} Worker;

static void fail(const HgmError *error) {
  fprintf(stderr, "%s\n", error->text);
  exit(1);
}

// Standard normal columns, as many rows as some batches have.
static void make_events(Worker *w, const ModelData *data) {
  Arena *arena = w->session.arena;
  Dataset *d = &w->dataset;
  *d = (Dataset){.data = data, .arena = arena, .rows = w->batch * BATCHES, .begin = {0, -1, -1}};
  for (size_t c = 0; c < data->columns.len; c++) {
    const ModelColumn *column = &data->columns.at[c];
    double *values = ARENA_ARRAY(arena, double, d->rows);
    uint64_t key = philox_key(1, column->name);
    for (int64_t i = 0; i < d->rows; i++) values[i] = philox_normal(key, (uint64_t)i, 0, 0);
    Table table = {arena_printf(arena, "column:%s", column->name), HGM_F64, 1, values};
    VEC_PUSH(arena, &d->tables.list, table);
  }
  HgmError error = {0};
  if (!dataset_cut(d, &w->session, w->store, &error)) fail(&error);
  for (int s = 0; s < SPLIT_COUNT; s++) d->n[s] = 0;
  for (int64_t i = 0; i < d->rows; i++) d->chosen[SPLIT_TRAIN][d->n[SPLIT_TRAIN]++] = i;
  if (!dataset_fit(d, &w->session, w->store, &error) || !dataset_prepare(d, &w->session, &error)) fail(&error);
}

static void step(Worker *w) {
  HgmError error = {0};
  const int64_t *rows = w->dataset.chosen[SPLIT_TRAIN] + w->at % BATCHES * w->batch;
  slot_set(store_find(w->store, "step"), 0, (double)w->at);
  if (!bound_run(&w->step, &(BoundCall){.events = w->batch, .rows = rows, .event_ids = rows, .pass = (uint32_t)w->at}, &error)) fail(&error);
  bound_commit(&w->step);
  w->at++;
}

static void draw(Worker *w, Generation *g, int64_t n) {
  HgmError error = {0};
  if (!generation_chunk(g, w->drawn, n, &error)) fail(&error);
  w->drawn += n;
}

static void draw_one(Worker *w) {
  const Bound *bound = &w->single.bound;
  for (uint32_t i = 0; i < bound->program->n_leaves; i++) {
    const HgmPort *port = &bound->program->leaves[i];
    size_t bytes = (size_t)bound->strides[i] * (port->dtype == HGM_F64 ? sizeof(double) : sizeof(float));
    if (port->per_event) w->inputs[i] = (const char *)bound->leaves[i] + (size_t)(w->drawn % w->dataset.rows) * bytes;
  }
  hgm_one_run(w->one, w->inputs, bound->outputs, w->drawn++);
}

static void open_generation(Worker *w, Generation *g, uint32_t tile) {
  HgmError error = {0};
  if (!generation_open(g, &w->session, w->session.model->generators.at[0], tile, w->store, &w->dataset.tables, &error)) fail(&error);
  g->n_given = w->dataset.rows;
}

static void open_single(Worker *w) {
  HgmError error = {0};
  open_generation(w, &w->single, EVENT_TILE);
  w->inputs = ARENA_ARRAY(w->session.arena, const void *, w->single.bound.program->n_leaves + 1);
  w->one = bound_one(&w->single.bound, &error);
  if (w->one == NULL) fail(&error);
}

static double processor_seconds(void) {
  struct timespec t;
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
  return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static int by_value(const void *a, const void *b) {
  double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

static int64_t call(Worker *w, const char *verb) {
  if (strcmp(verb, "train") == 0) {
    step(w);
    return w->batch;
  }
  if (strcmp(verb, "single") == 0) {
    draw_one(w);
    return 1;
  }
  int64_t size = strcmp(verb, "chunks") == 0 ? SMALL : BULK;
  for (int64_t n = 0; n < BULK; n += size) draw(w, &w->bulk, size);
  return BULK;
}

static void answer(Worker *w, const char *verb, double seconds, double *times) {
  double begin = now_ms(), processor = processor_seconds(), events = 0;
  int64_t n = 0;
  do {
    double start = now_ms();
    events += (double)call(w, verb);
    if (n < MOST_TIMES) times[n++] = (now_ms() - start) * 1e-3;
  } while (now_ms() - begin < seconds * 1e3);
  double wall = (now_ms() - begin) * 1e-3;
  qsort(times, (size_t)n, sizeof *times, by_value);
  printf("%.9g %.4f\n", strcmp(verb, "single") == 0 ? times[n / 2] : events / wall, (processor_seconds() - processor) / wall);
  fflush(stdout);
}

typedef struct Turn {
  Worker *worker;
  const char *verb;
} Turn;

static int64_t take_turn(void *data) {
  const Turn *turn = data;
  return call(turn->worker, turn->verb);
}

static void floors(Worker *w, const char *verb, const IrFn *fn, double seconds) {
  Arena *arena = arena_create();
  EventWork work = floors_work(opt_run(arena, fn, NULL, NULL));
  double ns = floors_vector_ns(&work);
  Reached r = floors_reached(&work, ns, w->session.pool, seconds, take_turn, &(Turn){w, verb});
  printf("%s %.0f events/s, %.2f of the floor (%.3f MFLOP an event at %.1f GFLOP/s a core, vector functions %.2f us); products %.2f of the peak\n", verb,
         r.rate, r.of_floor, work.flops * 1e-6, r.sgemm / hgm_pool_threads(w->session.pool) * 1e-9, ns * 1e-3, r.of_peak);
  fflush(stdout);
  arena_destroy(arena);
}

static void open_worker(Worker *w, const Options *options, const char *path) {
  int exit_code;
  SessionSource source = {.path = path, .seed = 1};
  if (!session_open(&w->session, options, &source, &exit_code)) exit(exit_code);
  const ModelPhase *phase = w->session.model->phases.at[0];
  w->store = store_new(w->session.arena);
  w->batch = phase->batch;
  make_events(w, phase->data.at[0]);
  train_begin_weights(&w->session, w->store);
  for (size_t i = 0; i < phase->states.len; i++)
    slot_fill(store_add(w->store, phase->states.at[i].name, (HgmDtype)phase->states.at[i].type.dtype, ir_elements(&phase->states.at[i].type)),
              phase->states.at[i].start);
  for (const char *const *name = (const char *const[]){"step", "epoch", "progress", "batch_size", NULL}; *name != NULL; name++)
    store_add(w->store, *name, HGM_F64, 1);
  HgmError error = {0};
  if (!bound_create(&w->step, &w->session, phase->updates.at[0].step, BULK_TILE, w->batch, w->store, &w->dataset.tables, &error)) fail(&error);
}

int main(int argc, char **argv) {
  if (argc != 2) {
    fprintf(stderr, "usage: worker MODEL.hgm\n");
    return 2;
  }
  Options options = {.seed = 1, .quiet = true, .no_cache = true}; // the first step is a cold one, as the peers'
  Worker w = {0};
  open_worker(&w, &options, argv[1]);
  step(&w);
  int64_t parameters = 0;
  for (size_t i = 0; i < w.session.model->weights.len; i++)
    if (!w.session.model->weights.at[i].fixed) parameters += ir_elements(&w.session.model->weights.at[i].type);
  printf("ready %lld %lld\n", (long long)parameters, (long long)w.batch);
  fflush(stdout);
  double *times = calloc(MOST_TIMES, sizeof *times);
  char line[256], verb[64], warm[256] = "";
  double seconds;
  while (fgets(line, sizeof line, stdin) != NULL && strncmp(line, "quit", 4) != 0) {
    if (strncmp(line, "memory", 6) == 0) {
      struct rusage usage;
      getrusage(RUSAGE_SELF, &usage);
      printf("%.1f 1\n", (double)usage.ru_maxrss / 1024);
      fflush(stdout);
      continue;
    }
    if (sscanf(line, "%63s %lf", verb, &seconds) != 2) continue;
    if (strcmp(verb, "train") != 0 && w.bulk.generator == NULL) {
      open_generation(&w, &w.bulk, BULK_TILE);
      open_single(&w);
    }
    if (strcmp(verb, "floors") == 0) {
      floors(&w, "train", w.session.model->phases.at[0]->updates.at[0].step, seconds);
      floors(&w, "sample", w.session.model->generators.at[0]->fn, seconds);
      continue;
    }
    if (strstr(warm, verb) == NULL) {
      double begin = now_ms();
      do call(&w, verb);
      while (now_ms() - begin < 1000);
      strncat(warm, verb, sizeof warm - strlen(warm) - 1);
    }
    answer(&w, verb, seconds, times);
  }
  return 0;
}
