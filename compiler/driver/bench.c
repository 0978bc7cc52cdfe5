// hgmc bench RUN [--data FILE]: events a second in training and in drawing, by threads and events at a time, beside what the
// machine allows (floors.h), all measured in this process.
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "compiler/driver/floors.h"
#include "compiler/driver/generate.h"
#include "compiler/driver/phase.h"
#include "compiler/driver/run_files.h"
#include "compiler/driver/verbs.h"
#include "compiler/opt/opt.h"

#include <jansson.h>

static const int64_t chunks[] = {1, 16, 128, 1024, 10000};

typedef struct Bench {
  const Options *options;
  OpenRun run;
  Dataset *datasets; // by data block of the model; table NULL: its file is not there
  Training training;
  json_t *rates;
} Bench;

// ---- data: what --data names, else the files that the run was trained on, where they still are

static bool files_of_run(const Bench *b, const ModelData *data, Strings *files, HgmError *error) {
  const HgmManifest *m = b->run.manifest;
  for (int d = 0; d < m->n_data; d++)
    for (int f = 0; strcmp(m->data[d].block, data->name) == 0 && f < m->data[d].n_files; f++) {
      const char *path = arena_strdup(b->run.session.arena, m->data[d].files[f].path);
      if (access(path, R_OK) != 0)
        return hgm_fail(error, EXIT_ENVIRONMENT, "%s, which the run was trained on, is not there any more; --data FILE names another with its columns", path);
      VEC_PUSH(b->run.session.arena, files, path);
    }
  return true;
}

static bool open_dataset(Bench *b, size_t block, HgmError *error) {
  Session *session = &b->run.session;
  const ModelData *data = session->model->data.at[block];
  Dataset *dataset = &b->datasets[block];
  DataFiles files = {0};
  if (data->columns.len == 0) return true;
  if (!files_of_block(session, &b->options->data, data, &files.of[SPLIT_TRAIN], error)) return false;
  if (files.of[SPLIT_TRAIN].len == 0 && !files_of_run(b, data, &files.of[SPLIT_TRAIN], error)) return false;
  return dataset_open(dataset, session, data, &files, NULL, NULL, error) && dataset_cut(dataset, session, b->run.store, true, error) &&
         open_run_weights(&b->run, error) && dataset_prepare(dataset, session, b->run.store, error);
}

// ---- what is measured

static int64_t train_step(void *phase) {
  Phase *p = phase;
  HgmError error = {0};
  int64_t before = p->t->events_trained;
  if (!phase_step(p, &error)) ir_fail("%s", error.text);
  return p->t->events_trained - before;
}

typedef struct Drawing {
  Generation generation;
  int64_t chunk, drawn;
} Drawing;

static int64_t draw(void *drawing) {
  Drawing *d = drawing;
  HgmError error = {0};
  if (!generation_draw(&d->generation, d->drawn, d->chunk, &error)) ir_fail("%s", error.text);
  d->drawn += d->chunk;
  return d->chunk;
}

// `fn`: the program whose operations make the floor; NULL: none is named.
static void measure(Bench *b, const char *what, const IrFn *fn, int64_t events, int64_t (*call)(void *), void *data) {
  Arena *arena = arena_create();
  HgmPool *pool = b->run.session.pool;
  EventWork work = {0};
  if (fn != NULL) work = floors_work(opt_run(arena, fn, NULL, NULL));
  Reached r = floors_reached(&work, floors_vector_ns(&work), pool, b->options->bench_seconds, call, data);
  bool has_floor = fn != NULL && r.sgemm > 0;
  printf("%-10s %7d %15lld %12.0f %10.1f %9s\n", what, hgm_pool_threads(pool), (long long)events, r.rate, 1e6 / r.rate * (double)events,
         has_floor ? arena_printf(arena, "%.2f", r.of_floor) : "");
  fflush(stdout);
  json_t *row = json_pack("{s:s, s:i, s:I, s:f}", "what", what, "threads", hgm_pool_threads(pool), "events", (json_int_t)events, "rate", r.rate);
  if (has_floor) json_object_set_new(row, "of_floor", json_real(r.of_floor));
  json_array_append_new(b->rates, row);
  arena_destroy(arena);
}

static bool bench_training(Bench *b, HgmError *error) {
  Session *session = &b->run.session;
  for (size_t i = 0; i < session->model->phases.len; i++) {
    const ModelPhase *model = session->model->phases.at[i];
    b->training = (Training){.session = session, .store = b->run.store, .manifest = b->run.manifest, .datasets = b->datasets, .position = {.best = NAN}};
    Phase phase = {.t = &b->training, .model = model};
    bool ok = phase_open(&phase, error);
    if (ok) phase_leave_states(&phase);
    ok = ok && open_run_weights(&b->run, error);
    if (ok) measure(b, model->name, phase_losses(model) == 1 ? model->updates.at[0].step : NULL, phase.batch, train_step, &phase);
    phase_close(&phase);
    if (!ok) return false;
  }
  return true;
}

static bool bench_drawing(Bench *b, HgmError *error) {
  Session *session = &b->run.session;
  for (size_t g = 0; g < session->model->generators.len; g++) {
    const ModelGenerator *generator = session->model->generators.at[g];
    const Dataset *given = b->datasets;
    for (size_t i = 0; i < session->model->data.len; i++)
      for (size_t c = 0; c < generator->given.len; c++)
        if (tables_find(&b->datasets[i].tables, arena_printf(session->arena, "column:%s", generator->given.at[c]->name)) != NULL) given = &b->datasets[i];
    for (size_t k = 0; k < sizeof chunks / sizeof *chunks; k++) {
      Drawing d = {.chunk = chunks[k]};
      uint32_t tile = chunks[k] <= EVENT_TILE ? EVENT_TILE : BULK_TILE;
      bool ok = generation_open(&d.generation, session, generator, tile, b->run.store, &given->tables, error) && open_run_weights(&b->run, error);
      d.generation.n_given = generator->given.len > 0 ? given->rows : 0;
      if (ok) measure(b, generator->name[0] != '\0' ? generator->name : "generate", generator->fn, chunks[k], draw, &d);
      generation_close(&d.generation);
      if (!ok) return false;
    }
  }
  return true;
}

static bool with_threads(Bench *b, int threads, HgmError *error) {
  Session *session = &b->run.session;
  HgmPool *pool = hgm_pool_create(threads);
  if (pool == NULL) return hgm_fail(error, EXIT_ENVIRONMENT, "cannot start %d threads; try --threads 1", threads);
  hgm_pool_destroy(session->pool);
  session->pool = pool;
  return bench_training(b, error) && bench_drawing(b, error);
}

static const char *precision_text(const Session *session) { return session->bf16 ? "f32, drawing in bf16" : session->model->real == IR_F64 ? "f64" : "f32"; }

static bool write_json(const Bench *b, HgmError *error) {
  const char *path = b->options->json;
  if (path == NULL) return true;
  char cpu[256];
  json_t *all = json_pack("{s:s, s:s, s:s, s:s, s:O}", "model", b->run.manifest->model, "version", HGM_VERSION, "cpu", hgm_cpu_name(cpu, sizeof cpu),
                          "precision", precision_text(&b->run.session), "rates", b->rates);
  bool ok = (strcmp(path, "-") == 0 ? json_dumpf(all, stdout, JSON_INDENT(2)) : json_dump_file(all, path, JSON_INDENT(2))) == 0;
  json_decref(all);
  return ok || hgm_fail(error, EXIT_ENVIRONMENT, "%s: cannot be written", path);
}

static bool bench(Bench *b, HgmError *error) {
  Session *session = &b->run.session;
  char cpu[256];
  b->datasets = ARENA_ARRAY(session->arena, Dataset, session->model->data.len + 1);
  b->rates = json_array();
  for (size_t i = 0; i < session->model->data.len; i++)
    if (!open_dataset(b, i, error)) return false;
  int most = hgm_pool_threads(session->pool);
  const char *numbers = precision_text(session);
  printf("%s on %s, %s; large products (OpenBLAS): %s\n", b->run.manifest->model, hgm_cpu_name(cpu, sizeof cpu), numbers,
         floors_sgemm(session->pool) > 0 ? arena_printf(session->arena, "%.0f GFLOP/s, %d threads", floors_sgemm(session->pool) * 1e-9, most)
                                         : "not installed, so no floor is shown");
  printf("%-10s %7s %15s %12s %10s %9s\n", "", "threads", "events a call", "events/s", "us a call", "of floor");
  if (!with_threads(b, 1, error) || (most > 1 && !with_threads(b, most, error))) return false;
  return write_json(b, error);
}

int verb_bench(const Options *options) {
  Bench b = {.options = options};
  int exit_code = EXIT_DONE;
  HgmError error = {0};
  if (open_run(&b.run, options, options->positional.at[0], &exit_code) && !bench(&b, &error)) exit_code = report_error(&error);
  for (size_t i = 0; b.datasets != NULL && i < b.run.session.model->data.len; i++) dataset_close(&b.datasets[i]);
  json_decref(b.rates);
  close_run(&b.run);
  return exit_code;
}
