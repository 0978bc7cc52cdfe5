// A generated sampler: the model that `hgmc build` appended to this program draws events or scores them. It needs no file
// beside itself. Exit codes: 0 done, 1 the data are wrong, 2 the command line or the machine is, 3 this file is damaged.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/interrupt.h"
#include "runtime/writer.h"
#include "sampler/conditions.h"
#include "sampler/engine.h"
#include "sampler/payload.h"

typedef struct Job {
  const Arguments *arguments;
  const HgmBundle *bundle;
  const HgmBundleTask *task;
  Conditions conditions;
  Engine engine;
  int64_t first, events;
  HgmOutColumn *columns; // of the output: the task's, then kept ones
  const double **values; // by column, of the chunk at hand
  double **copies;       // by kept column
  HgmOutCount *counts;   // by column of the task
  int n_columns;
} Job;

// ---- what to do

static bool choose_generator(Job *job, HgmError *error) {
  const HgmBundle *b = job->bundle;
  const char *wanted = job->arguments->generator;
  char names[512] = "";
  size_t used = 0;
  for (uint64_t i = 0; i < b->n_generators && used < sizeof names; i++) {
    const char *name = b->generators[i].name;
    if (wanted == NULL || strcmp(name, wanted) == 0) return job->task = &b->generators[i], true;
    used += (size_t)snprintf(names + used, sizeof names - used, "%s%s", i ? ", " : "", name[0] != '\0' ? name : "(unnamed)");
  }
  if (b->n_generators == 0) return hgm_fail(error, 2, "%s has no `generate` block, so there is nothing to draw; --score FILE scores", b->model);
  return hgm_fail(error, 2, "the model has no generator `%s`; it has %s", wanted, names);
}

static bool open_conditions(Job *job, const Texts *files, const Texts *fixes, const Texts *keep, HgmError *error) {
  if (!conditions_open(&job->conditions, job->task, files, fixes, keep, error)) return false;
  if (!job->arguments->quiet) fputs(job->conditions.note, stderr);
  return true;
}

static bool choose_events(Job *job, HgmError *error) {
  const Arguments *a = job->arguments;
  job->first = a->first_event;
  job->events = a->has_events ? a->events : job->conditions.table != NULL ? job->conditions.rows : 0;
  if (!a->has_events && job->conditions.table == NULL) return hgm_fail(error, 2, "how many events? -n N");
  if (job->conditions.table != NULL && job->first + job->events > job->conditions.rows && !a->quiet)
    fprintf(stderr, "note: event k takes row k mod %lld of the given file\n", (long long)job->conditions.rows);
  return true;
}

static bool open_generator(Job *job, HgmError *error) {
  const Arguments *a = job->arguments;
  return choose_generator(job, error) && open_conditions(job, &a->given, &a->fixes, &a->keep, error) && choose_events(job, error);
}

static bool open_score(Job *job, HgmError *error) {
  if (job->bundle->n_scores == 0) return hgm_fail(error, 2, "%s has no `score` block, so there is nothing to compute", job->bundle->model);
  if (job->arguments->generator != NULL) return hgm_fail(error, 2, "`%s` is one word too many beside --score", job->arguments->generator);
  job->task = &job->bundle->scores[0];
  Texts file = {(const char **)&job->arguments->score, 1}, none = {0};
  if (!open_conditions(job, &file, &none, &none, error)) return false;
  job->events = job->conditions.rows;
  return true;
}

// ---- columns of the output

static HgmOutColumn generated_column(const HgmBundleColumn *c) {
  HgmOutColumn out = {.name = c->name, .type = (HgmFileType)c->type, .rank = c->rank, .unit = c->unit[0] != '\0' ? c->unit : NULL, .texts = c->texts};
  out.n_texts = (int)c->n_texts;
  out.holes = c->allows_nan != 0;
  out.has_least = c->has_least != 0, out.least = c->least;
  out.has_missing = c->has_missing != 0, out.missing = c->missing;
  memcpy(out.shape, c->shape, sizeof out.shape);
  return out;
}

static HgmOutColumn kept_column(const HgmColumn *c) {
  HgmOutColumn out = {.name = c->name, .type = c->type, .rank = c->rank, .unit = c->unit};
  memcpy(out.shape, c->shape, sizeof out.shape);
  return out;
}

static bool make_columns(Job *job, HgmError *error) {
  int n = (int)job->task->n_outputs, n_kept = job->conditions.n_kept;
  job->n_columns = n + n_kept;
  job->columns = calloc((size_t)job->n_columns + 1, sizeof *job->columns);
  job->values = calloc((size_t)job->n_columns + 1, sizeof *job->values);
  job->copies = calloc((size_t)n_kept + 1, sizeof *job->copies);
  job->counts = calloc((size_t)n + 1, sizeof *job->counts);
  if (!job->columns || !job->values || !job->copies || !job->counts) return hgm_fail(error, 2, "out of memory");
  for (int k = 0; k < n; k++) {
    job->columns[k] = generated_column(&job->task->outputs[k]);
    job->values[k] = job->engine.values[k];
  }
  for (int k = 0; k < n_kept; k++) {
    const HgmColumn *c = job->conditions.kept[k].column;
    job->columns[n + k] = kept_column(c);
    job->copies[k] = malloc((size_t)(job->engine.chunk * c->elements) * sizeof(double));
    if (job->copies[k] == NULL) return hgm_fail(error, 2, "out of memory");
    job->values[n + k] = job->copies[k];
  }
  return true;
}

static void copy_kept(Job *job, int64_t n) {
  for (int k = 0; k < job->conditions.n_kept; k++) {
    int64_t elements = job->conditions.kept[k].column->elements;
    for (int64_t i = 0; i < n; i++)
      memcpy(job->copies[k] + i * elements, job->conditions.kept[k].values + job->engine.rows[i] * elements, (size_t)elements * sizeof(double));
  }
}

// ---- the work

static bool write_events(Job *job, HgmWriter *writer, HgmError *error) {
  for (int64_t at = 0, n; at < job->events; at += n) {
    n = job->events - at < job->engine.chunk ? job->events - at : job->engine.chunk;
    if (!engine_run(&job->engine, job->first + at, n, job->conditions.rows, error)) return false;
    copy_kept(job, n);
    for (int k = 0; k < (int)job->task->n_outputs; k++) hgm_out_fit(&job->columns[k], job->engine.values[k], n, job->first + at, &job->counts[k]);
    if (!hgm_writer_append(writer, job->values, n, error)) return false;
  }
  return true;
}

static bool write_file(Job *job, HgmError *error) {
  const Arguments *a = job->arguments;
  const HgmAttribute attributes[] = {
      {.name = "hgmc_version", .kind = HGM_ATTRIBUTE_TEXT, .text = job->bundle->version},
      {.name = "model", .kind = HGM_ATTRIBUTE_TEXT, .text = job->bundle->model},
      {.name = "model_hash", .kind = HGM_ATTRIBUTE_TEXT, .text = job->bundle->hash},
      {.name = "seed", .kind = HGM_ATTRIBUTE_INTEGER, .integer = (int64_t)job->engine.seed},
      {.name = "first_event", .kind = HGM_ATTRIBUTE_INTEGER, .integer = job->first},
      {.name = "events", .kind = HGM_ATTRIBUTE_INTEGER, .integer = job->events},
  };
  HgmWriter *writer;
  hgm_interrupt_watch();
  if (!hgm_writer_open(&writer, a->output, job->columns, job->n_columns, attributes, sizeof attributes / sizeof *attributes, a->force, NULL, error))
    return false;
  if (!write_events(job, writer, error)) {
    hgm_writer_abandon(writer);
    return false;
  }
  if (!hgm_writer_finish(writer, error)) return false;
  for (int k = 0; k < (int)job->task->n_outputs; k++) hgm_out_tell(stderr, &job->columns[k], &job->counts[k]);
  return true;
}

static void say_done(const Job *job) {
  const Arguments *a = job->arguments;
  const char *where = strcmp(a->output, "-") == 0 ? "standard output" : a->output;
  if (a->score != NULL) fprintf(stderr, "%lld events scored, written to %s\n", (long long)job->events, where);
  else if (job->events == 0) fprintf(stderr, "0 events, written to %s\n", where);
  else
    fprintf(stderr, "%lld events, numbers %lld to %lld, seed %llu, written to %s\n", (long long)job->events, (long long)job->first,
            (long long)(job->first + job->events - 1), (unsigned long long)job->engine.seed, where);
}

static bool run(Job *job, HgmError *error) {
  const Arguments *a = job->arguments;
  if (!hgm_writer_check(a->output, a->force, error) || !(a->score != NULL ? open_score(job, error) : open_generator(job, error))) return false;
  int threads = a->threads > 0 ? a->threads : hgm_default_threads();
  if (!engine_open(&job->engine, job->bundle, job->task, job->conditions.columns, threads, job->events, error)) return false;
  if (a->has_seed) job->engine.seed = a->seed;
  if (!make_columns(job, error) || !write_file(job, error)) return false;
  if (!a->quiet) say_done(job);
  return true;
}

static void close_job(Job *job) {
  for (int k = 0; job->copies != NULL && k < job->conditions.n_kept; k++) free(job->copies[k]);
  free(job->copies);
  free(job->counts);
  free(job->values);
  free(job->columns);
  engine_close(&job->engine);
  conditions_close(&job->conditions);
}

static bool answer(const Arguments *arguments, HgmError *error) {
  const void *bytes;
  size_t size;
  if (arguments->help) return arguments_print_help(arguments->program), true;
  if (!payload_find(&bytes, &size, error)) return false;
  HgmBundle *bundle = hgm_bundle_open(bytes, size, error);
  if (bundle == NULL) return false;
  Job job = {.arguments = arguments, .bundle = bundle};
  bool fine = true;
  if (arguments->info) fputs(bundle->info, stdout);
  else if (arguments->version) printf("hgmc %s, model %s %.12s\n", bundle->version, bundle->model, bundle->hash);
  else fine = run(&job, error);
  close_job(&job);
  hgm_bundle_close(bundle);
  return fine;
}

int main(int argc, char **argv) {
  Arguments arguments;
  HgmError error = {0};
  bool fine = arguments_parse(&arguments, argc, argv, &error) && answer(&arguments, &error);
  if (fine && fflush(stdout) != 0) fine = hgm_fail(&error, 2, "standard output cannot be written");
  if (!fine) fprintf(stderr, "%s: %s\n", arguments.program, error.text);
  arguments_free(&arguments);
  return fine ? 0 : error.exit_code;
}
