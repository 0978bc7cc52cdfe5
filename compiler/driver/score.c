// hgmc score RUN --data FILE -o OUT: the model's score values, event by event, in the order of the file.
#include <string.h>

#include "compiler/driver/compiling.h"
#include "compiler/driver/domain.h"
#include "compiler/driver/progress.h"
#include "compiler/driver/run_files.h"
#include "compiler/driver/verbs.h"
#include "runtime/interrupt.h"
#include "runtime/writer.h"

typedef struct Scoring {
  const Options *options;
  OpenRun run;
  Dataset dataset;
  Bound bound;
} Scoring;

static int64_t call_events(const Scoring *s) {
  int64_t batch = s->run.session.model->score_batch;
  return batch > 0 ? batch : CHUNK;
}

static bool bind(Scoring *s, HgmError *error) {
  Session *session = &s->run.session;
  if (session->model->score == NULL) return hgm_fail(error, EXIT_USER, "%s has no `score` block, so there is nothing to compute", session->model->path);
  DataFiles files = {0};
  bool ok = files_of_block(session, &s->options->data, session->model->score_data, &files.of[SPLIT_TRAIN], error) &&
            dataset_open(&s->dataset, session, session->model->score_data, &files, NULL, NULL, error) &&
            bound_create_drawing(&s->bound, session, session->model->score, BULK_TILE, call_events(s), s->run.store, &s->dataset.tables, error) &&
            open_run_weights(&s->run, error) && dataset_orders(&s->dataset, s->run.store, true, error);
  if (ok) domain_clipped(&s->dataset, session, s->run.store);
  return ok;
}

// Scores of rows at to at + m, into the first m rows of the outputs. Where scores look at their batch, a last one that the file does not
// fill takes the rows before it too.
static bool score_rows(Scoring *s, double *const *values, int64_t at, int64_t m, int64_t *rows, HgmError *error) {
  const HgmProgram *program = s->bound.program;
  int64_t batch = s->run.session.model->score_batch, lacks = batch > m ? batch - m : 0, before = at < lacks ? at : lacks;
  for (int64_t k = 0; k < before + m; k++) rows[k] = at - before + k;
  if (!bound_run(&s->bound, &(BoundCall){.events = before + m, .rows = rows, .event_ids = rows}, error)) return false;
  for (uint32_t i = 0; i < program->n_outputs && before > 0; i++) {
    size_t n = (size_t)program->outputs[i].elements;
    memmove(values[i], values[i] + (size_t)before * n, sizeof(double) * (size_t)m * n);
  }
  return true;
}

// Says how many scores are no numbers, and which values of the data are to blame for it.
static void tell_lost(Scoring *s, const HgmOutColumn *columns, const HgmOutCount *counts, uint32_t n) {
  bool lost = false;
  for (uint32_t i = 0; i < n; i++) {
    hgm_out_tell(stderr, &columns[i], &counts[i]);
    lost = lost || counts[i].lost > 0;
  }
  HgmError blame = {0};
  if (lost && domain_blame(&s->dataset, &s->run.session, s->run.store, NULL, NULL, s->dataset.rows, &blame)) fprintf(stderr, "warning: %s\n", blame.text);
}

static bool write_scores(Scoring *s, HgmError *error) {
  Arena *arena = s->run.session.arena;
  const HgmProgram *program = s->bound.program;
  uint32_t n = program->n_outputs;
  HgmOutColumn *columns = ARENA_ARRAY(arena, HgmOutColumn, n + 1);
  HgmOutCount *counts = ARENA_ARRAY(arena, HgmOutCount, n + 1);
  double **values = ARENA_ARRAY(arena, double *, n + 1);
  for (uint32_t i = 0; i < n; i++) {
    const HgmPort *port = &program->outputs[i];
    HgmFileType type = score_type(s->run.session.model->score, port->name);
    columns[i] = (HgmOutColumn){.name = port->name + strlen("score:"), .type = type, .rank = port->elements > 1, .shape = {port->elements}};
    values[i] = ARENA_ARRAY(arena, double, port->elements *call_events(s));
    bound_output(&s->bound, port->name, values[i]);
  }
  const HgmAttribute attributes[] = {{.name = "hgmc_version", .kind = HGM_ATTRIBUTE_TEXT, .text = HGM_VERSION},
                                     {.name = "model_hash", .kind = HGM_ATTRIBUTE_TEXT, .text = s->run.hash}};
  HgmWriter *writer;
  hgm_interrupt_watch();
  if (!hgm_writer_open(&writer, s->options->output, columns, (int)n, attributes, 2, s->options->force, NULL, error)) return false;
  const int64_t events = s->dataset.rows, step = call_events(s);
  int64_t *rows = ARENA_ARRAY(arena, int64_t, step);
  Progress progress = progress_start("scoring", s->options->quiet, 0);
  for (int64_t at = 0; at < events; at += step) {
    int64_t m = events - at < step ? events - at : step;
    bool ok = score_rows(s, values, at, m, rows, error);
    for (uint32_t i = 0; ok && i < n; i++) hgm_out_fit(&columns[i], values[i], m, at, &counts[i]);
    if (!ok || !hgm_writer_append(writer, (const double *const *)values, m, error)) {
      hgm_writer_abandon(writer);
      return false;
    }
    progress_show(&progress, at + m, events, 0, 0.0 / 0.0);
  }
  progress_clear(&progress);
  if (!hgm_writer_finish(writer, error)) return false;
  tell_lost(s, columns, counts, n);
  if (!s->options->quiet) fprintf(stderr, "%lld events scored, written to %s\n", (long long)events, s->options->output);
  return true;
}

int verb_score(const Options *options) {
  Scoring s = {.options = options};
  int exit_code = EXIT_DONE;
  HgmError error = {0};
  if (!hgm_writer_check(options->output, options->force, &error)) return report_error(&error);
  if (open_run(&s.run, options, options->positional.at[0], &exit_code)) {
    if (!bind(&s, &error) || !write_scores(&s, &error)) exit_code = report_error(&error);
    session_print_times(&s.run.session);
  }
  bound_destroy(&s.bound);
  dataset_close(&s.dataset);
  close_run(&s.run);
  return exit_code;
}
