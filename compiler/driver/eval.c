// hgmc eval RUN --data FILE, or hgmc eval --data A --against B: metrics to the terminal and as JSON.
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "compiler/driver/course.h"
#include "compiler/driver/evaluate.h"
#include "compiler/driver/images.h"
#include "compiler/driver/report.h"
#include "compiler/driver/run_files.h"
#include "compiler/driver/simulate.h"
#include "compiler/driver/verbs.h"

// The file that the run was trained on is judged on its test split, any other file on all events that pass the cuts.
static bool is_training_file(const HgmManifest *manifest, Dataset *dataset) {
  const HgmFileIdentity *files;
  int n;
  HgmError ignored = {0};
  if (!hgm_table_identity(dataset->table, &files, &n, &ignored)) return false;
  for (int d = 0; d < manifest->n_data; d++)
    for (int f = 0; f < manifest->data[d].n_files; f++)
      if (n == 1 && strcmp(manifest->data[d].files[f].sha256, files[0].sha256) == 0) return true;
  return false;
}

static int64_t choose_rows(const Dataset *dataset, bool test_only, Arena *arena, int64_t **rows) {
  if (test_only && dataset->n[SPLIT_TEST] > 0) {
    *rows = dataset->chosen[SPLIT_TEST];
    return dataset->n[SPLIT_TEST];
  }
  int64_t n = 0;
  *rows = ARENA_ARRAY(arena, int64_t, dataset->rows + 1);
  for (int s = 0; s < SPLIT_COUNT; s++)
    for (int64_t i = 0; i < dataset->n[s]; i++) (*rows)[n++] = dataset->chosen[s][i];
  return n;
}

// The report goes where -o says; the numbers to the terminal, or as JSON alone to standard output. run NULL: two files were compared.
static int finish(const Options *options, Evaluation *e, const OpenRun *run, HgmError *error) {
  if (options->json == NULL || strcmp(options->json, "-") != 0) evaluate_print(stdout, e);
  if (options->json != NULL && !evaluate_write_json(e, options->json, error)) return report_error(error);
  Report report = {.evaluation = e};
  if (run == NULL) report.title = options->data.at[0];
  else report = (Report){run->manifest->model, e, run->session.model, run->manifest, run->directory};
  if (options->output != NULL && !report_write(&report, options->output, error)) return report_error(error);
  return run == NULL || evaluate_assertions(e, &run->session) ? EXIT_DONE : EXIT_USER;
}

// Blocks that observables are compared with, whole.
static bool open_blocks(const Options *options, OpenRun *run, Evaluation *e, HgmError *error) {
  Session *session = &run->session;
  const ModelEvaluate *block = session->model->evaluate;
  e->blocks = ARENA_ARRAY(session->arena, Dataset, session->model->data.len + 1);
  const ModelData *told = NULL;
  for (size_t i = 0; block != NULL && i < block->list.len; i++) {
    const ModelData *data = block->list.at[i].against;
    Dataset *d = data == NULL ? NULL : &e->blocks[model_data_index(session->model, data)];
    DataFiles files = {0};
    if (d == NULL || d->data != NULL) continue;
    if (!files_of_block(session, &options->data, data, &files.of[SPLIT_TRAIN], error)) return false;
    if (files.of[SPLIT_TRAIN].len == 0 && evaluate_spares(session->model, data)) {
      if (!options->quiet && data != told) evaluate_say_spared(session->model, data, "--data");
      told = data;
      continue;
    }
    if (files.of[SPLIT_TRAIN].len == 0)
      return hgm_fail(error, EXIT_ENVIRONMENT, "`%s` is compared with the data `%s`: --data %s=FILE", block->list.at[i].name, data->name, data->name);
    if (!dataset_open(d, session, data, &files, NULL, NULL, error) || !dataset_cut(d, session, run->store, false, error)) return false;
  }
  return true;
}

// Event weights come out of the preparations.
static bool weigh(OpenRun *run, Dataset *dataset, HgmError *error) {
  return dataset->data == NULL || !dataset->data->has_weight || dataset_prepare(dataset, &run->session, run->store, error);
}

static bool weigh_all(OpenRun *run, Dataset *dataset, Evaluation *e, HgmError *error) {
  bool ok = weigh(run, dataset, error);
  for (size_t i = 0; i < run->session.model->data.len && ok; i++) ok = weigh(run, &e->blocks[i], error);
  return ok;
}

// The truth: the file's events, or draws where the model draws its data.
static bool open_truth(const Options *options, OpenRun *run, const ModelData *data, Dataset *dataset, HgmError *error) {
  Session *session = &run->session;
  DataFiles files = {0};
  if (!files_of_block(session, &options->data, data, &files.of[SPLIT_TRAIN], error)) return false;
  const bool named = files.of[SPLIT_TRAIN].len > 0;
  if (data->columns.len == 0 && named)
    return hgm_fail(error, EXIT_USER, "the model draws its data `%s`, so no file is compared with: `hgmc eval %s`", data->name, run->directory);
  if (data->columns.len == 0) return dataset_simulate(dataset, session, run->store, data, error);
  if (!named)
    return hgm_fail(error, EXIT_ENVIRONMENT, "no file is named for the data `%s`: `hgmc eval %s --data %sFILE`", data->name, run->directory,
                    run->session.model->data.len > 1 ? arena_printf(session->arena, "%s=", data->name) : "");
  return dataset_open(dataset, session, data, &files, NULL, NULL, error) && dataset_cut(dataset, session, run->store, false, error);
}

// What a translation begins with.
static bool open_given(const Options *options, OpenRun *run, Evaluation *e, HgmError *error) {
  const Model *model = run->session.model;
  const ModelGenerator *first = model->generators.len > 0 ? model->generators.at[0] : NULL;
  if (first == NULL || first->given_data == NULL || first->given_data == first->data) return true;
  Dataset *given = &e->blocks[model_data_index(model, first->given_data)];
  int64_t *rows;
  if (given->data == NULL && !open_truth(options, run, first->given_data, given, error)) return false;
  bool drawn = given->table == NULL;
  e->given = given;
  e->given_rows.n = choose_rows(given, drawn || is_training_file(run->manifest, given), run->session.arena, &rows);
  e->given_rows.at = rows;
  return e->given_rows.n > 1 ||
         hgm_fail(error, EXIT_USER, "%s has %lld events after the cuts; there is nothing to translate", first->given_data->name, (long long)e->given_rows.n);
}

static bool evaluate_run(const Options *options, OpenRun *run, Dataset *dataset, Evaluation *e, HgmError *error) {
  Session *session = &run->session;
  if (session->model->data.len == 0) return hgm_fail(error, EXIT_USER, "the model has no data block to compare with");
  if (options->output != NULL && !images_may_write(session->model, options->output, options->force, error)) return false;
  if (options->has_seed) session->model->seed = options->seed;
  const ModelData *data =
      session->model->data.at[session->model->generators.len > 0 ? model_data_index(session->model, session->model->generators.at[0]->data) : 0];
  if (!open_truth(options, run, data, dataset, error) || !open_blocks(options, run, e, error)) return false;
  bool drawn = dataset->table == NULL, test_only = drawn || is_training_file(run->manifest, dataset);
  if (test_only && !drawn && !options->quiet) fprintf(stderr, "note: the run was trained on this file, so its test split is used\n");
  int64_t *rows, n = choose_rows(dataset, test_only, session->arena, &rows);
  if (!open_given(options, run, e, error)) return false;
  if (options->has_events && options->events < n) n = options->events;
  if (n < 2) return hgm_fail(error, EXIT_USER, "%s has %lld event%s after the cuts; two at least are compared", data->name, (long long)n, n == 1 ? "" : "s");
  e->training_seconds = course_seconds(run->directory, session->arena);
  e->run = run->directory;
  e->manifest = run->manifest;
  return evaluate_ask(session, run->store, &dataset->tables, error) && open_run_weights(run, error) && dataset_orders(dataset, run->store, true, error) &&
         weigh_all(run, dataset, e, error) && evaluate_model(e, session, run->store, dataset, rows, n, error) && evaluate_listed(e, error);
}

// ---- two files, no model

// A column of numbers in `unit` (NULL: as it is), to be freed.
static bool load_column(HgmTable *table, int column, const char *unit, double **values, HgmError *error) {
  void *memory;
  return hgm_table_load(table, &(HgmWish){.column = column, .unit = unit}, 1, 1, (void **)values, &memory, NULL, error);
}

static bool add_pair(Evaluation *e, Arena *arena, HgmTable *truth, HgmTable *fake, int place, HgmError *error) {
  double *a = NULL, *b = NULL;
  const HgmColumn *c = hgm_table_column(truth, place);
  int other = hgm_table_find(fake, c->name);
  if (other < 0 || c->kind == HGM_COLUMN_TEXT || c->rank > 0 || hgm_table_column(fake, other)->rank > 0) return true;
  bool ok = load_column(truth, place, c->unit, &a, error) && load_column(fake, other, c->unit, &b, error);
  if (ok) {
    e->n_truth = c->rows;
    e->n_fake = hgm_table_column(fake, other)->rows;
    EvalColumn column = {.name = arena_strdup(arena, c->name),
                         .truth = arena_dup(arena, a, sizeof *a * (size_t)e->n_truth),
                         .fake = arena_dup(arena, b, sizeof *b * (size_t)e->n_fake)};
    VEC_PUSH(arena, &e->columns, column);
  }
  free(a);
  free(b);
  return ok;
}

static int compare_files(const Options *options) {
  Arena *arena = arena_create();
  Evaluation e = {0};
  HgmError error = {0};
  HgmTable *truth = NULL, *fake = NULL;
  bool ok = hgm_table_open(&truth, options->data.at, (int)options->data.len, &error) && hgm_table_open(&fake, &options->against, 1, &error);
  for (int i = 0; ok && i < hgm_table_n_columns(truth); i++) ok = add_pair(&e, arena, truth, fake, i, &error);
  if (ok && e.columns.len == 0) ok = hgm_fail(&error, EXIT_USER, "%s and %s have no column of numbers in common", hgm_table_name(truth), hgm_table_name(fake));
  ok = ok && evaluate_metrics(&e, arena, options->seed, &error) && evaluate_correlations(&e, arena, options->seed, &error);
  int exit_code = ok ? finish(options, &e, NULL, &error) : report_error(&error);
  if (truth != NULL) hgm_table_close(truth);
  if (fake != NULL) hgm_table_close(fake);
  arena_destroy(arena);
  return exit_code;
}

int verb_eval(const Options *options) {
  HgmError error = {0};
  const char *json = options->json != NULL && strcmp(options->json, "-") != 0 ? options->json : NULL;
  if ((options->output != NULL && !hgm_io_may_write(options->output, options->force, &error)) ||
      (json != NULL && !hgm_io_may_write(json, options->force, &error)))
    return report_error(&error);
  if (options->against != NULL && options->positional.len == 0 && options->data.len > 0) return compare_files(options);
  if (options->positional.len == 0) {
    hgm_fail(&error, EXIT_ENVIRONMENT, "eval wants a run, or two files: hgmc eval RUN --data FILE, hgmc eval --data A --against B");
    return report_error(&error);
  }
  OpenRun run;
  Dataset dataset = {0};
  Evaluation e = {0};
  int exit_code = EXIT_DONE;
  if (open_run(&run, options, options->positional.at[0], &exit_code))
    exit_code = evaluate_run(options, &run, &dataset, &e, &error) ? finish(options, &e, &run, &error) : report_error(&error);
  for (size_t i = 0; e.blocks != NULL && i < run.session.model->data.len; i++) dataset_close(&e.blocks[i]);
  dataset_close(&dataset);
  close_run(&run);
  return exit_code;
}
