// hgmc run MODEL.hgm --train DATA [-o DIR] [--resume]: check, read, fit, train, evaluate; everything ends in the run directory.
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "compiler/driver/course.h"
#include "compiler/driver/compiling.h"
#include "compiler/driver/dataset_columns.h"
#include "compiler/driver/domain.h"
#include "compiler/driver/evaluate.h"
#include "compiler/driver/gallery.h"
#include "compiler/driver/fitting.h"
#include "compiler/driver/phase.h"
#include "compiler/driver/report.h"
#include "compiler/driver/same_data.h"
#include "compiler/driver/simulate.h"
#include "compiler/driver/train.h"
#include "compiler/driver/trained.h"
#include "compiler/driver/verbs.h"
#include "runtime/interrupt.h"
#include "runtime/io.h"
#include "runtime/sha256.h"
#include "runtime/unit.h"

typedef struct Run {
  const Options *options;
  Session session;
  HgmRanks *ranks;  // NULL: one process
  HgmManifest *old; // of the run that is resumed
  bool saved;       // which has a checkpoint: else it begins anew
  int64_t memory;   // that data may take; 0: any
  bool uses_scratch;
  Training training;
  HgmRun *directory; // NULL in all processes but the first
  HgmManifest now;   // of it the data, as they are, and the precision
  char hash[65], digest[65];
  const char *precision;
} Run;

static const char *stem(Arena *arena, const char *path) {
  const char *slash = strrchr(path, '/'), *name = slash != NULL ? slash + 1 : path, *dot = strrchr(name, '.');
  return strcmp(path, "-") == 0 ? "model" : dot != NULL && dot != name ? arena_strndup(arena, name, (size_t)(dot - name)) : name;
}

static bool open_old(Run *r, HgmError *error) {
  const char *directory = r->options->output;
  char last[4096];
  if (!hgm_manifest_load(&r->old, directory, error) || !hgm_run_file(directory, "last.h5", last, sizeof last, error)) return false;
  r->saved = access(last, F_OK) == 0;
  return true;
}

static bool open_directory(Run *r, Arena *scratch, HgmError *error) {
  const Options *o = r->options;
  if (o->resume && o->output == NULL) return hgm_fail(error, EXIT_ENVIRONMENT, "--resume goes on with a run: name its directory with -o");
  if (ranks_first(r->ranks) && !hgm_run_create(&r->directory, o->output, stem(scratch, o->positional.at[0]), o->resume, o->force, error)) return false;
  return !o->resume || open_old(r, error);
}

// A resumed run keeps its seed, precision and params; the model file must still say the same.
static bool open_model(Run *r, int *exit_code, HgmError *error) {
  const Options *o = r->options;
  Arena *scratch = arena_create();
  bool old = r->old != NULL;
  SessionSource source = {.path = o->positional.at[0], .seed = old && !o->has_seed ? r->old->seed : o->seed, .precision = o->precision, .sets = o->sets};
  if (old && o->precision == NULL) source.precision = r->old->precision;
  if (r->saved) source.manifest = r->old;
  source.trains = !r->saved; // which phase a resumed run is in is not known yet
  for (int i = 0; old && o->sets.len == 0 && i < r->old->n_notes; i++)
    if (strncmp(r->old->notes[i].name, "set:", 4) == 0)
      VEC_PUSH(scratch, &source.sets, arena_printf(scratch, "%s=%s", r->old->notes[i].name + 4, r->old->notes[i].value));
  r->precision = source.precision != NULL && strcmp(source.precision, "f64") == 0 ? "f64" : "f32";
  bool ok = session_open(&r->session, o, &source, exit_code);
  arena_destroy(scratch);
  if (!ok) return false;
  model_hash(&r->session, r->precision, r->hash);
  for (int i = 0; old && i < r->old->n_notes; i++)
    if (strcmp(r->old->notes[i].name, "model_hash") == 0 && strcmp(r->old->notes[i].value, r->hash) != 0)
      return hgm_fail(error, EXIT_USER, "%s was trained with another model, other params, seed or precision than %s; train into a new directory", o->output,
                      o->positional.at[0]);
  if (r->session.model->phases.len == 0 && r->session.model->estimates.len == 0)
    return hgm_fail(error, EXIT_USER, "%s has no `train` block and no `fit`, so there is nothing to run", o->positional.at[0]);
  return true;
}

// The order of the rows depends on it where data goes to a scratch file, so a resumed run keeps what it began with.
static int64_t memory_for_data(const Run *r) {
  const Options *o = r->options;
  if (r->old == NULL) return o->has_memory ? o->memory : hgm_memory_limit() / 2;
  for (int i = 0; i < r->old->n_notes; i++)
    if (strcmp(r->old->notes[i].name, "memory") == 0) return atoll(r->old->notes[i].value);
  return 0;
}

static void say_events(const Dataset *dataset, Arena *arena) {
  const char *cut = dataset->cut > 0 ? arena_printf(arena, "; %lld cut by `where`", (long long)dataset->cut) : "";
  const char *worth =
      dataset->data->has_weight ? arena_printf(arena, "; by their weights those to train on are worth %.0f of equal weight", dataset_worth(dataset)) : "";
  fprintf(stderr, "%s: %lld events to train on, %lld to validate, %lld to test%s%s\n", hgm_table_name(dataset->table), (long long)dataset->n[SPLIT_TRAIN],
          (long long)dataset->n[SPLIT_VALID], (long long)dataset->n[SPLIT_TEST], cut, worth);
}

static bool open_datasets(Run *r, HgmError *error) {
  Session *session = &r->session;
  const Model *model = session->model;
  r->training.datasets = ARENA_ARRAY(session->arena, Dataset, model->data.len + 1);
  r->memory = memory_for_data(r);
  for (size_t i = 0; i < model->data.len; i++) {
    DataFiles files = {0};
    const ModelData *data = model->data.at[i];
    Dataset *dataset = &r->training.datasets[i];
    if (!files_of_block(session, &r->options->train, data, &files.of[SPLIT_TRAIN], error) ||
        !files_of_block(session, &r->options->valid, data, &files.of[SPLIT_VALID], error) ||
        !files_of_block(session, &r->options->test, data, &files.of[SPLIT_TEST], error))
      return false;
    if (data->columns.len == 0) {
      if (data->simulate != NULL && !dataset_simulate(dataset, session, r->training.store, data, error)) return false;
      continue;
    }
    if (files.of[SPLIT_TRAIN].len == 0 && evaluate_spares(model, data)) {
      if (!r->options->quiet) evaluate_say_spared(model, data, "--train");
      continue;
    }
    if (files.of[SPLIT_TRAIN].len == 0)
      return hgm_fail(error, EXIT_ENVIRONMENT, "no file is named for the data block `%s`: --train %s=FILE", data->name, data->name);
    double begin = now_ms();
    files.memory = r->memory;
    files.folder = r->directory != NULL ? hgm_run_path(r->directory) : r->options->output != NULL ? r->options->output : ".";
    if (!dataset_open(dataset, session, data, &files, NULL, NULL, error)) return false;
    if (!dataset_cut(dataset, session, r->training.store, true, error) || !dataset_fit(dataset, session, r->training.store, error) ||
        !dataset_prepare(dataset, session, r->training.store, error))
      return false;
    domain_clipped(dataset, session, r->training.store);
    timeline_add(session->options->timeline, begin, "%s: read, cut, split, fitted and prepared", data->name);
    if (!r->options->quiet) say_events(dataset, session->arena);
    r->uses_scratch = r->uses_scratch || dataset->scratch != NULL;
  }
  return true;
}

static void add_pair(Arena *arena, HgmManifestPair **pairs, int *n, const char *name, const char *value) {
  HgmManifestPair *grown = ARENA_ARRAY(arena, HgmManifestPair, *n + 1);
  if (*n > 0) memcpy(grown, *pairs, sizeof **pairs * (size_t)*n);
  grown[(*n)++] = (HgmManifestPair){name, value};
  *pairs = grown;
}

// Type, least number (of counts), shape and unit of what is written like the column: those of the file, "float32 (25,25) GeV", "int32 >= 0", except where
// its numbers are in another unit.
static const char *column_text(const Dataset *dataset, size_t c, Arena *arena) {
  const HgmColumn *column = hgm_table_column(dataset->table, dataset->places[c]);
  const char *unit = dataset_unit(&dataset->data->columns.at[c], column), *converted;
  hgm_table_unit(dataset->table, dataset->places[c], unit, &converted);
  const bool converted_whole = converted != NULL && column->kind == HGM_COLUMN_INTEGER;
  const char *text = file_type_text(converted_whole ? HGM_FILE_F64 : column->type);
  if (!converted_whole && !isnan(dataset->least[c])) text = arena_printf(arena, "%s >= %.17g", text, dataset->least[c]);
  for (int k = 0; k < column->rank; k++)
    text = arena_printf(arena, "%s%s%lld%s", text, k == 0 ? " (" : ",", (long long)column->shape[k], k + 1 == column->rank ? ")" : "");
  return hgm_unit_find(unit) != NULL ? arena_printf(arena, "%s %s", text, unit) : text;
}

static bool describe_data(Run *r, HgmManifest *m, HgmError *error) {
  Arena *arena = r->session.arena;
  const Model *model = r->session.model;
  HgmManifestData *data = ARENA_ARRAY(arena, HgmManifestData, model->data.len + 1);
  for (size_t i = 0; i < model->data.len; i++) {
    const Dataset *dataset = &r->training.datasets[i];
    if (dataset->table == NULL) continue;
    HgmManifestData *d = &data[m->n_data++];
    HgmManifestPair *columns = NULL;
    *d = (HgmManifestData){.block = model->data.at[i]->name, .role = "train", .rows = dataset->rows};
    for (size_t c = 0; c < model->data.at[i]->columns.len; c++) {
      if (model->data.at[i]->columns.at[c].which_group) continue;
      add_pair(arena, &columns, &d->n_columns, model->data.at[i]->columns.at[c].name, column_text(dataset, c, arena));
    }
    d->columns = columns;
    if (!hgm_table_identity(dataset->table, &d->files, &d->n_files, error)) return false;
  }
  m->data = data;
  return true;
}

typedef struct Notes {
  Arena *arena;
  HgmManifestPair **pairs;
  int *n;
} Notes;

static void add_note(void *data, const char *name, const char *value) {
  Notes *notes = data;
  add_pair(notes->arena, notes->pairs, notes->n, name, value);
}

// A run that was replaced leaves nothing that could be taken for the new one's.
static bool remove_old_results(const Run *r) {
  static const char *const names[] = {"best.h5", "last.h5", "model.h5", "metrics.csv", "evaluation.json", "report.html"};
  char path[4096];
  HgmError ignored = {0};
  for (size_t i = 0; i < sizeof names / sizeof *names; i++)
    if (!hgm_run_file(hgm_run_path(r->directory), names[i], path, sizeof path, &ignored) || (unlink(path) != 0 && errno != ENOENT)) return false;
  return gallery_clear(r->directory, &ignored);
}

// A manifest is written whole before anything of an old run goes, and stands under its name when nothing of it is left.
static int rename_alone(void *run, const char *from, const char *to) { return remove_old_results(run) ? rename(from, to) : -1; }

static bool save_manifest(Run *r, HgmError *error) {
  Arena *arena = r->session.arena;
  const Model *model = r->session.model;
  char cpu[256];
  HgmManifest m = {.model = model->path,
                   .version = HGM_VERSION,
                   .cpu = hgm_cpu_name(cpu, sizeof cpu),
                   .command = "run",
                   .precision = r->precision,
                   .seed = model->seed,
                   .threads = hgm_pool_threads(r->session.pool),
                   .data = r->now.data,
                   .n_data = r->now.n_data};
  HgmManifestPair *sources = NULL, *params = NULL, *notes = NULL;
  for (size_t i = 0; i < model->files.len; i++) add_pair(arena, &sources, &m.n_sources, model->files.at[i].path, model->files.at[i].text);
  for (size_t i = 0; i < model->params.len; i++) {
    const ModelParam *p = &model->params.at[i];
    add_pair(arena, &params, &m.n_params, p->name, p->value);
    if (p->turned) add_pair(arena, &notes, &m.n_notes, arena_printf(arena, "set:%s", p->name), p->value);
  }
  add_pair(arena, &notes, &m.n_notes, "model_hash", r->hash);
  trained_notes(model, arena, add_note, &(Notes){arena, &notes, &m.n_notes});
  if (r->uses_scratch) add_pair(arena, &notes, &m.n_notes, "memory", arena_printf(arena, "%lld", (long long)r->memory));
  m.sources = sources;
  m.params = params;
  m.notes = notes;
  HgmIo io = hgm_io_system;
  io.rename = rename_alone;
  io.data = r;
  return hgm_manifest_save(hgm_run_path(r->directory), &m, &io, error);
}

// What all processes of a run must agree on.
static void digest(Run *r, const HgmManifest *m) {
  HgmSha256 sha;
  hgm_sha256_begin(&sha);
  hgm_sha256_add(&sha, r->hash, strlen(r->hash));
  hgm_sha256_add(&sha, HGM_VERSION, strlen(HGM_VERSION));
  hgm_sha256_add(&sha, &r->saved, sizeof r->saved);
  hgm_sha256_add(&sha, &r->options->epochs, sizeof r->options->epochs);
  hgm_sha256_add(&sha, &r->options->steps, sizeof r->options->steps);
  for (int i = 0; i < m->n_data; i++)
    for (int f = 0; f < m->data[i].n_files; f++) hgm_sha256_add(&sha, m->data[i].files[f].sha256, strlen(m->data[i].files[f].sha256));
  hgm_sha256_end(&sha, r->digest);
}

static bool prepare(Run *r, HgmError *error) {
  Session *session = &r->session;
  r->training = (Training){.session = session,
                           .store = store_new(session->arena),
                           .run = r->directory,
                           .model_hash = r->hash,
                           .manifest = &r->now,
                           .ranks = r->ranks,
                           .resumed = r->saved,
                           .position = {.best = NAN}};
  train_add_weights(session, r->training.store);
  char last[4096] = "";
  if (r->saved && !hgm_run_file(r->options->output, "last.h5", last, sizeof last, error)) return false;
  if (!trained_load(session, r->training.store, last, error) || !open_datasets(r, error)) return false;
  fitting_size(&r->training);
  train_begin_weights(session, r->training.store);
  double weights = 0;
  for (size_t i = 0; i < session->model->weights.len; i++)
    if (!session->model->weights.at[i].fixed) weights += (double)ir_elements(&session->model->weights.at[i].type);
  if (!r->options->quiet && r->ranks != NULL) fprintf(stderr, "%d processes, each with:\n", r->ranks->n);
  if (!r->options->quiet)
    fprintf(stderr, "%s: %.0f parameters, seed %llu, %d threads, run directory %s\n", session->model->path, weights, (unsigned long long)session->model->seed,
            hgm_pool_threads(session->pool), hgm_run_path(r->directory));
  double begun = now_ms();
  r->now.precision = r->precision;
  if (!describe_data(r, &r->now, error)) return false;
  timeline_add(session->options->timeline, begun, "hashes of the data files");
  digest(r, &r->now);
  return true;
}

// From the manifest on the directory is a run, which --resume goes on with, whatever ends it.
static bool begin_record(Run *r, HgmError *error) {
  double begun = now_ms();
  bool ok = save_manifest(r, error);
  timeline_add(r->session.options->timeline, begun, "the manifest is written");
  return ok;
}

static bool resume_record(Run *r, HgmError *error) {
  const char *directory = hgm_run_path(r->directory);
  Store *nothing = store_new(r->session.arena);
  Position *position = &r->training.position;
  char last[4096];
  bool ok = same_data(r->old, &r->now, directory, error) && hgm_run_file(directory, "last.h5", last, sizeof last, error) &&
            (!r->saved || snapshot_load(nothing, position, r->hash, last, error)) &&
            hgm_run_metrics_keep(r->directory, position->phase, position->epoch, NULL, error);
  if (ok) r->training.seconds = course_seconds(directory, r->session.arena);
  return ok;
}

static bool open_record(Run *r, HgmError *error) { return !ranks_first(r->ranks) || (r->old == NULL ? begin_record(r, error) : resume_record(r, error)); }

static bool write_report(Run *r, const Evaluation *e, HgmError *error) {
  const char *directory = hgm_run_path(r->directory);
  char path[4096];
  HgmManifest *manifest;
  if (!hgm_run_file(directory, "report.html", path, sizeof path, error) || !hgm_manifest_load(&manifest, directory, error)) return false;
  const Model *model = r->session.model;
  bool ok = report_write(&(Report){.title = model->path, .evaluation = e, .model = model, .manifest = manifest, .directory = directory}, path, error);
  hgm_manifest_destroy(manifest);
  return ok;
}

// Metrics on the test split (the validation split where there is none), printed and kept as JSON.
static int evaluate(Run *r, HgmError *error) {
  Session *session = &r->session;
  const ModelEvaluate *block = session->model->evaluate;
  const ModelGenerator *first = session->model->generators.len > 0 ? session->model->generators.at[0] : NULL;
  if (block == NULL || !block->declared || session->model->data.len == 0) return EXIT_DONE;
  if (first == NULL && block->metrics.len == 0) return EXIT_DONE;
  Dataset *dataset = &r->training.datasets[first == NULL ? 0 : model_data_index(session->model, first->data)];
  int split = dataset->data == NULL ? SPLIT_COUNT : dataset->n[SPLIT_TEST] > 0 ? SPLIT_TEST : SPLIT_VALID;
  if (split == SPLIT_COUNT || dataset->n[split] < 2) return EXIT_DONE;
  int64_t n =
      session->model->evaluate->events > 0 && session->model->evaluate->events < dataset->n[split] ? session->model->evaluate->events : dataset->n[split];
  Evaluation e = {.training_seconds = r->training.seconds, .manifest = &r->now, .run = hgm_run_path(r->directory), .blocks = r->training.datasets};
  if (first != NULL && first->given_data != NULL && first->given_data != first->data) {
    e.given = &r->training.datasets[model_data_index(session->model, first->given_data)];
    e.given_rows = (Rows){e.given->chosen[split], e.given->n[split]};
    if (e.given_rows.n == 0) return EXIT_DONE;
  }
  char path[4096];
  if (!evaluate_model(&e, session, r->training.store, dataset, dataset->chosen[split], n, error) || !evaluate_listed(&e, error) ||
      !hgm_run_file(hgm_run_path(r->directory), "evaluation.json", path, sizeof path, error) || !evaluate_write_json(&e, path, error) ||
      !write_report(r, &e, error))
    return report_error(error);
  if (!r->options->quiet) evaluate_print(stdout, &e);
  return evaluate_assertions(&e, session) ? EXIT_DONE : EXIT_USER;
}

// The command line that goes on with this run.
static const char *resuming(const Run *r, Arena *arena) {
  const Options *o = r->options;
  const char *text = r->ranks != NULL ? arena_printf(arena, "mpirun -n %d", r->ranks->n) : "";
  for (char **word = o->argv; *word != NULL; word++)
    if (strcmp(*word, "--resume") != 0 && strcmp(*word, "--force") != 0)
      text = arena_printf(arena, "%s%s%s", text, *text != '\0' ? " " : "", shell_word(arena, *word));
  if (o->output == NULL) text = arena_printf(arena, "%s -o %s", text, shell_word(arena, hgm_run_path(r->directory)));
  return arena_printf(arena, "%s --resume", text);
}

static int train(Run *r, HgmError *error) {
  hgm_interrupt_watch();
  switch (open_record(r, error) ? train_run(&r->training, error) : TRAIN_FAILED) {
  case TRAIN_DONE: break;
  case TRAIN_PAUSED: return EXIT_DONE;
  case TRAIN_FAILED: ranks_fail(r->ranks, error); return error->exit_code;
  case TRAIN_INTERRUPTED:
    if (ranks_first(r->ranks)) session_print_times(&r->session);
    if (ranks_first(r->ranks))
      fprintf(stderr, "stopped after step %.0f and saved; the same command with --resume goes on:\n  %s\n", r->training.position.step,
              resuming(r, r->session.arena));
    return hgm_interrupt_exit_code();
  }
  if (!ranks_first(r->ranks)) return EXIT_DONE;
  session_print_times(&r->session);
  return evaluate(r, error);
}

// Everything before the first step; prints what went wrong.
static int begin(Run *r, Arena *scratch) {
  HgmError error = {0};
  int exit_code = EXIT_DONE;
  if (!open_directory(r, scratch, &error)) return report_error(&error);
  if (!open_model(r, &exit_code, &error)) return error.text[0] != '\0' ? report_error(&error) : exit_code;
  return prepare(r, &error) ? EXIT_DONE : report_error(&error);
}

// All processes begin or none does; of several that cannot the first says why.
static int begin_together(Run *r, Arena *scratch) {
  Hush hush = ranks_hush(r->ranks);
  HgmError error = {0};
  int exit_code = begin(r, scratch), failed;
  bool fine = ranks_together(r->ranks, &exit_code, &failed, &error);
  ranks_speak(r->ranks, &hush, r->ranks != NULL && failed == r->ranks->rank);
  if (!fine) return exit_code;
  if (ranks_same(r->ranks, "model, data, number of epochs or version of hgmc", r->digest, sizeof r->digest, &error)) return EXIT_DONE;
  if (ranks_first(r->ranks)) report_error(&error);
  return error.exit_code;
}

int verb_run(const Options *options) {
  Options mine = *options;
  Run r = {.options = &mine};
  Arena *scratch = arena_create();
  HgmError error = {0};
  if (!ranks_open(&r.ranks, &error)) return report_error(&error);
  if (!ranks_first(r.ranks)) mine.quiet = true;
  int exit_code = begin_together(&r, scratch);
  if (exit_code == EXIT_DONE) exit_code = train(&r, &error);
  for (size_t i = 0; r.training.datasets != NULL && i < r.session.model->data.len; i++) dataset_close(&r.training.datasets[i]);
  if (r.old != NULL) hgm_manifest_destroy(r.old);
  if (r.directory != NULL) hgm_run_close(r.directory);
  if (r.session.arena != NULL) session_close(&r.session);
  arena_destroy(scratch);
  ranks_close(r.ranks);
  return exit_code;
}
