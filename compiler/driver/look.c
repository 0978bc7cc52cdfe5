// The verbs that look and change nothing: check, show, inspect, explain.
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "compiler/build/sampler_file.h"
#include "compiler/driver/compiling.h"
#include "compiler/driver/dataset.h"
#include "compiler/driver/phase.h"
#include "compiler/driver/run_files.h"
#include "compiler/driver/trial.h"
#include "compiler/driver/verbs.h"
#include "lang/show.h"
#include "runtime/bundle.h"
#include "runtime/io.h"

static bool open_file(Session *session, const Options *options, int *exit_code) {
  const char *precision = options->trials ? "f64" : options->precision; // determinants are compared in float64
  SessionSource source = {.path = options->positional.at[0], .seed = options->seed, .precision = precision, .sets = options->sets};
  return session_open(session, options, &source, exit_code);
}

static int64_t parameters_of(const Model *model) {
  int64_t n = 0;
  for (size_t i = 0; i < model->weights.len; i++) n += model->weights.at[i].fixed ? 0 : ir_elements(&model->weights.at[i].type);
  return n;
}

static void compile_one(Session *session, const IrFn *fn) {
  if (fn != NULL) codegen_free(session_compile(session, fn, (CodeShape){.tile = BULK_TILE}, CODE_PLAIN));
}

// Every program of the model, for --dump and --time-passes.
static void compile_all(Session *session) {
  const Model *model = session->model;
  for (size_t d = 0; d < model->data.len; d++) {
    compile_one(session, model->data.at[d]->prepare);
    for (size_t r = 0; r < model->data.at[d]->rounds.len; r++) compile_one(session, model->data.at[d]->rounds.at[r].fn);
  }
  for (size_t p = 0; p < model->phases.len; p++) {
    const ModelPhase *phase = model->phases.at[p];
    for (size_t u = 0; u < phase->updates.len; u++)
      codegen_free(session_compile(session, phase->updates.at[u].step, phase_shape(phase, hgm_pool_threads(session->pool)), CODE_STEP));
    for (size_t i = 0; i < phase->selections.len; i++) compile_one(session, phase->selections.at[i].keep);
    compile_one(session, phase->validate);
  }
  for (size_t g = 0; g < model->generators.len; g++) compile_one(session, model->generators.at[g]->fn);
  compile_one(session, model->score);
}

static bool try_bijections(Session *session, int *exit_code) {
  Diags *found = diags_new(session->arena, session->sources);
  Strings untried = {0};
  int tried = trials_run(session, found, &untried);
  diags_print(stderr, found, false, 0);
  if (found->errors > 0) {
    *exit_code = EXIT_USER;
    return false;
  }
  printf("%d bijection%s tried on random points", tried, tried == 1 ? "" : "s");
  for (size_t i = 0; i < untried.len; i++) printf("%s`%s`", i == 0 ? "; not tried, because a setting needs the rest of the model: " : ", ", untried.at[i]);
  printf("\n");
  return true;
}

int verb_check(const Options *options) {
  Session session;
  int exit_code = EXIT_DONE;
  if (!open_file(&session, options, &exit_code)) {
    if (session.arena != NULL) session_close(&session);
    return exit_code;
  }
  HgmError error = {0};
  bool ok = true;
  for (size_t d = 0; ok && options->data.len > 0 && d < session.model->data.len; d++) {
    Strings files;
    ok = files_of_block(&session, &options->data, session.model->data.at[d], &files, &error) &&
         (files.len == 0 || dataset_check(&session, session.model->data.at[d], &files, &error));
  }
  if (!ok) exit_code = report_error(&error);
  if (ok && options->trials) ok = try_bijections(&session, &exit_code);
  if (ok && (options->dump != NULL || options->time_passes)) compile_all(&session);
  if (ok && options->dump == NULL)
    printf("%s: no errors; %zu data block%s, %lld parameters\n", session.model->path, session.model->data.len, session.model->data.len == 1 ? "" : "s",
           (long long)parameters_of(session.model));
  session_print_times(&session);
  session_close(&session);
  return exit_code;
}

int verb_show(const Options *options) {
  Session session;
  int exit_code = EXIT_DONE;
  if (open_file(&session, options, &exit_code)) model_show(stdout, session.model);
  if (session.arena != NULL) session_close(&session);
  return exit_code;
}

int verb_explain(const Options *options) {
  const char *slug = options->positional.at[0], *text = diag_explanation(slug);
  if (text == NULL) {
    const char *near = diag_nearest_slug(slug);
    if (near != NULL) fprintf(stderr, "hgmc: there is no message `%s`; did you mean `%s`?\n", slug, near);
    else fprintf(stderr, "hgmc: there is no message `%s`; a slug stands in brackets behind `error`, as in error[shape]\n", slug);
    return EXIT_ENVIRONMENT;
  }
  printf("%s\n", text);
  return EXIT_DONE;
}

static void print_pairs(const char *title, const HgmManifestPair *pairs, int n) {
  if (n > 0) printf("%s\n", title);
  for (int i = 0; i < n; i++) printf("  %-24s %s\n", pairs[i].name, pairs[i].value);
}

static void print_manifest(const HgmManifest *m) {
  printf("model      %s\nversion    hgmc %s\ncreated    %s\ncpu        %s\nprecision  %s\nseed       %llu\nthreads    %d\n", m->model, m->version, m->created,
         m->cpu, m->precision, (unsigned long long)m->seed, m->threads);
  print_pairs("params", m->params, m->n_params);
  for (int d = 0; d < m->n_data; d++) {
    printf("data %s: %lld rows\n", m->data[d].block, (long long)m->data[d].rows);
    for (int f = 0; f < m->data[d].n_files; f++)
      printf("  %s, %lld bytes, sha256 %s\n", m->data[d].files[f].path, (long long)m->data[d].files[f].bytes, m->data[d].files[f].sha256);
    print_pairs("  columns", m->data[d].columns, m->data[d].n_columns);
  }
  print_pairs("notes", m->notes, m->n_notes);
  for (int i = 0; i < m->n_sources; i++) printf("source %s\n%s\n", m->sources[i].name, m->sources[i].value);
}

// The origin of a sampler that `hgmc build` made; *is_sampler false: the file is none.
static bool print_sampler(const char *path, bool *is_sampler, HgmError *error) {
  char *file;
  size_t size;
  BuildPart part;
  struct stat info;
  *is_sampler = stat(path, &info) == 0 && S_ISREG(info.st_mode);
  if (!*is_sampler || !hgm_io_read_file(path, &file, &size, error)) return !*is_sampler;
  *is_sampler = sampler_file_bundle(file, size, &part);
  HgmBundle *bundle = *is_sampler ? hgm_bundle_open(part.bytes, part.size, error) : NULL;
  if (bundle != NULL) fputs(bundle->info, stdout);
  bool fine = !*is_sampler || bundle != NULL;
  hgm_bundle_close(bundle);
  free(file);
  return fine;
}

int verb_inspect(const Options *options) {
  char directory[4096], path[4200];
  HgmError error = {0};
  HgmManifest *manifest;
  bool is_sampler;
  if (!print_sampler(options->positional.at[0], &is_sampler, &error)) return report_error(&error);
  if (is_sampler) return EXIT_DONE;
  if (!hgm_run_find(options->positional.at[0], directory, sizeof directory, &error) || !hgm_manifest_load(&manifest, directory, &error))
    return report_error(&error);
  if (options->json == NULL) print_manifest(manifest);
  hgm_manifest_destroy(manifest);
  if (options->json == NULL) return EXIT_DONE;
  json_error_t where;
  if (!hgm_run_file(directory, "manifest.json", path, sizeof path, &error)) return report_error(&error);
  json_t *all = json_load_file(path, 0, &where);
  bool ok =
      all != NULL && (strcmp(options->json, "-") == 0 ? json_dumpf(all, stdout, JSON_INDENT(2)) : json_dump_file(all, options->json, JSON_INDENT(2))) == 0;
  if (all != NULL) json_decref(all);
  if (!ok) hgm_fail(&error, EXIT_ENVIRONMENT, "cannot write %s", options->json);
  return ok ? EXIT_DONE : report_error(&error);
}
