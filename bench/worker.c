// A peer for the driver of the benchmark: compiles a model file through the ordinary path and trains and samples on random events.
//
//   bench/worker MODEL.hgm      prints `ready PARAMETERS EVENTS` after its first step (of all updates), then answers one line each:
//   train S, sample S, chunks S -> events/s over S seconds; single S -> median seconds of a one-event call; memory -> MB; quit
//
// commands S -> for each update a line a command and phase, their milliseconds a step (commands.h), then `end`; training stays watched afterwards
// Each other answer is `VALUE SHARE`, SHARE = processor time over wall time. floors S answers with two lines, training and sampling
// beside their floors (floors.h): short segments of both in turn with large products for S seconds each, medians.
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#include "bench/commands.h"
#include "compiler/driver/compiler_process.h"
#include "compiler/driver/dataset.h"
#include "compiler/driver/floors.h"
#include "compiler/driver/generate.h"
#include "compiler/driver/phase.h"
#include "compiler/opt/opt.h"
#include "runtime/philox.h"

enum { BATCHES = 32, BULK = 10000, SMALL = 1000, IMAGES = 1000, IMAGES_CALL = 250, IMAGE = 256, MOST_TIMES = 1 << 20 };

typedef struct Worker {
  Session session;
  Store *store;
  Dataset dataset;
  Training training;
  Phase phase;
  Generation bulk, single;
  HgmOne *one; // the single generation's handle
  const void **inputs;
  int64_t drawn;
  Watch *watches; // by update
  double *times;  // (MOST_TIMES) of the calls of one answer, s
  char warm[256]; // verbs that were called before
} Worker;

static void fail(const HgmError *error) {
  fprintf(stderr, "%s\n", error->text);
  exit(1);
}

static double column_value(const ModelColumn *column, uint64_t key, int64_t row, int64_t i) {
  if (column->values.len == 0) return philox_normal(key, (uint64_t)row, 0, (uint64_t)i);
  return column->values.at[(size_t)(philox_uniform(key, (uint64_t)row, 0, (uint64_t)i) * (double)column->values.len)];
}

// Standard normal columns and classes, as many rows as some batches have.
static void make_events(Worker *w, const ModelData *data) {
  Arena *arena = w->session.arena;
  Dataset *d = &w->dataset;
  *d = (Dataset){.data = data, .arena = arena, .rows = w->phase.model->batch * BATCHES, .begin = {0, -1, -1}};
  for (size_t c = 0; c < data->columns.len; c++) {
    const ModelColumn *column = &data->columns.at[c];
    int64_t elements = column_elements(column);
    double *values = ARENA_ARRAY(arena, double, d->rows *elements);
    uint64_t key = philox_key(1, column->name);
    for (int64_t row = 0; row < d->rows; row++)
      for (int64_t i = 0; i < elements; i++) values[row * elements + i] = column_value(column, key, row, i);
    dataset_add_column(d, column, HGM_FILE_F64, values);
  }
  HgmError error = {0};
  if (!dataset_cut(d, &w->session, w->store, true, &error)) fail(&error);
  for (int s = 0; s < SPLIT_COUNT; s++) d->n[s] = 0;
  for (int64_t i = 0; i < d->rows; i++) d->chosen[SPLIT_TRAIN][d->n[SPLIT_TRAIN]++] = i;
  if (!dataset_fit(d, &w->session, w->store, &error) || !dataset_prepare(d, &w->session, w->store, &error)) fail(&error);
}

// Answers how many events of the data it took.
static int64_t step(Worker *w) {
  HgmError error = {0};
  double before = w->training.position.batches;
  if (!phase_step(&w->phase, &error)) fail(&error);
  return (int64_t)(w->training.position.batches - before) * w->phase.batch;
}

// Until its code is the one that training keeps (phase.c: the first steps run code that was made quickly).
static void settle(Worker *w) {
  do step(w);
  while (w->session.quick.len > 0 || w->session.better.len > 0);
}

static void draw(Worker *w, Generation *g, int64_t n) {
  HgmError error = {0};
  if (!generation_draw(g, w->drawn, n, &error)) fail(&error);
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
  if (strcmp(verb, "train") == 0) return step(w);
  if (strcmp(verb, "single") == 0) {
    draw_one(w);
    return 1;
  }
  bool images = w->bulk.elements[0] >= IMAGE; // as the peers do: fewer of them
  int64_t all = images ? IMAGES : BULK, size = images ? IMAGES_CALL : strcmp(verb, "chunks") == 0 ? SMALL : BULK;
  for (int64_t n = 0; n < all; n += size) draw(w, &w->bulk, size);
  return all;
}

static void answer(Worker *w, const char *verb, double seconds) {
  double begin = now_ms(), processor = processor_seconds(), events = 0;
  int64_t n = 0;
  do {
    double start = now_ms();
    events += (double)call(w, verb);
    if (n < MOST_TIMES) w->times[n++] = (now_ms() - start) * 1e-3;
  } while (now_ms() - begin < seconds * 1e3);
  double wall = (now_ms() - begin) * 1e-3;
  qsort(w->times, (size_t)n, sizeof *w->times, by_value);
  printf("%.9g %.4f\n", strcmp(verb, "single") == 0 ? w->times[n / 2] : events / wall, (processor_seconds() - processor) / wall);
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

static void add_work(EventWork *sum, const IrFn *fn, double times) {
  Arena *arena = arena_create();
  EventWork work = floors_work(opt_run(arena, fn, NULL, NULL));
  sum->flops += times * work.flops;
  for (int op = 0; op < IR_OP_COUNT; op++)
    for (int wide = 0; wide < 2; wide++) sum->calls[op][wide] += times * work.calls[op][wide];
  arena_destroy(arena);
}

// Of all updates of a step, an event of the data.
static EventWork training_work(Worker *w) {
  EventWork work = {0};
  double batches = (double)(step(w) / w->phase.batch);
  for (size_t u = 0; u < w->phase.model->updates.len; u++) add_work(&work, w->phase.model->updates.at[u].step, w->phase.model->updates.at[u].repeat / batches);
  return work;
}

static void floors(Worker *w, const char *verb, const EventWork *work, double seconds) {
  double ns = floors_vector_ns(work);
  Reached r = floors_reached(work, ns, w->session.pool, seconds, take_turn, &(Turn){w, verb});
  printf("%s %.0f events/s, %.2f of the floor (%.3f MFLOP an event at %.1f GFLOP/s a core, vector functions %.2f us); products %.2f of the peak\n", verb,
         r.rate, r.of_floor, work->flops * 1e-6, r.sgemm / hgm_pool_threads(w->session.pool) * 1e-9, ns * 1e-3, r.of_peak);
  fflush(stdout);
}

static void both_floors(Worker *w, double seconds) {
  EventWork train = training_work(w), sample = {0};
  add_work(&sample, w->session.model->generators.at[0]->fn, 1);
  floors(w, "train", &train, seconds);
  floors(w, "sample", &sample, seconds);
}

// From now on the updates run as programs that are watched.
static void watch_updates(Worker *w) {
  HgmError error = {0};
  size_t n = w->phase.model->updates.len;
  w->watches = ARENA_ARRAY(w->session.arena, Watch, n + 1);
  for (size_t u = 0; u < n; u++) {
    Bound *bound = &w->phase.updates[u];
    watch_begin(&w->watches[u], bound->program);
    bound->program = &w->watches[u].program;
    if (!bound_work(bound, &w->session, w->phase.batch + 1, &w->phase.room, &error)) fail(&error);
  }
}

static void commands(Worker *w, double seconds) {
  size_t n = w->phase.model->updates.len;
  if (w->watches == NULL) watch_updates(w);
  for (size_t u = 0; u < n; u++) watch_again(&w->watches[u]);
  double begin = now_ms(), ms = 0;
  uint64_t cycles = __rdtsc();
  while (ms < seconds * 1e3) {
    step(w);
    for (size_t u = 0; u < n; u++) watch_step(&w->watches[u]);
    ms = now_ms() - begin;
  }
  double rate = (double)(__rdtsc() - cycles) / ms;
  for (size_t u = 0; u < n; u++) watch_print(&w->watches[u], rate, stdout);
  printf("end\n");
  fflush(stdout);
}

static void open_worker(Worker *w, const Options *options, const char *path) {
  int exit_code;
  SessionSource source = {.path = path, .seed = 1, .trains = true};
  if (!session_open(&w->session, options, &source, &exit_code)) exit(exit_code);
  w->store = store_new(w->session.arena);
  w->training = (Training){.session = &w->session, .store = w->store, .datasets = &w->dataset, .position.best = NAN};
  w->phase = (Phase){.t = &w->training, .model = w->session.model->phases.at[0]};
  make_events(w, w->session.model->data.at[0]);
  train_begin_weights(&w->session, w->store);
  HgmError error = {0};
  if (!phase_open(&w->phase, &error)) fail(&error);
  w->times = watch_memory(MOST_TIMES, sizeof *w->times);
}

// ---- the dialogue

static void print_ready(Worker *w) {
  int64_t events = step(w), parameters = 0;
  for (size_t i = 0; i < w->session.model->weights.len; i++)
    if (!w->session.model->weights.at[i].fixed) parameters += ir_elements(&w->session.model->weights.at[i].type);
  printf("ready %lld %lld\n", (long long)parameters, (long long)events);
  fflush(stdout);
}

static void print_memory(void) {
  struct rusage usage;
  getrusage(RUSAGE_SELF, &usage);
  printf("%.1f 1\n", (double)usage.ru_maxrss / 1024);
  fflush(stdout);
}

static void warm_up(Worker *w, const char *verb) {
  if (strstr(w->warm, verb) != NULL) return;
  double begin = now_ms();
  do call(w, verb);
  while (now_ms() - begin < 1000);
  strncat(w->warm, verb, sizeof w->warm - strlen(w->warm) - 1);
}

// False: the model cannot do it.
static bool obey(Worker *w, const char *verb, double seconds) {
  bool watches = strcmp(verb, "commands") == 0, compares = strcmp(verb, "floors") == 0, trains = strcmp(verb, "train") == 0;
  if (!trains && !watches && w->session.model->generators.len == 0) {
    fprintf(stderr, "%s generates nothing: no %s\n", w->session.model->path, verb);
    return false;
  }
  if (!trains && !watches && w->bulk.generator == NULL) {
    open_generation(w, &w->bulk, BULK_TILE);
    open_single(w);
  }
  if (trains || watches || compares) settle(w);
  if (watches) return commands(w, seconds), true;
  if (compares) return both_floors(w, seconds), true;
  warm_up(w, verb);
  answer(w, verb, seconds);
  return true;
}

int main(int argc, char **argv) {
  if (argc == 2 && strcmp(argv[1], COMPILER_VERB) == 0) return compiler_serve();
  if (argc != 2) {
    fprintf(stderr, "usage: worker MODEL.hgm\n");
    return 2;
  }
  Options options = {.seed = 1, .quiet = true, .no_cache = true, .compiler = "/proc/self/exe"}; // the first step is a cold one, as the peers'
  Worker w = {0};
  open_worker(&w, &options, argv[1]);
  print_ready(&w);
  char line[256], verb[64];
  double seconds;
  while (fgets(line, sizeof line, stdin) != NULL && strncmp(line, "quit", 4) != 0) {
    if (strncmp(line, "memory", 6) == 0) print_memory();
    else if (sscanf(line, "%63s %lf", verb, &seconds) == 2 && !obey(&w, verb, seconds)) return 1;
  }
  return 0;
}
