// hgmc sample RUN [GENERATOR] -n N -o OUT [--given FILE] [--fix COLUMN=VALUE] [--first-event K]
#include <stdlib.h>
#include <string.h>

#include "compiler/driver/compiling.h"
#include "compiler/driver/domain.h"
#include "compiler/driver/generate.h"
#include "compiler/driver/progress.h"
#include "compiler/driver/run_files.h"
#include "compiler/driver/verbs.h"
#include "runtime/interrupt.h"

typedef struct Kept {
  const char *name;
  double *values;
  int64_t elements;
} Kept;

typedef struct Sampling {
  const Options *options;
  OpenRun run;
  const ModelGenerator *generator;
  const ModelData *data; // whose columns are given
  Dataset dataset;
  Tables tables; // given columns, pinned ones included
  int64_t given_rows;
  Generation generation;
  VEC(HgmOutColumn) columns; // of the output file: generated ones, then --keep
  HgmOutCount *counts;       // by generated column
  VEC(Kept) kept;
} Sampling;

static const char *pinned(const Sampling *s, const char *column) { return pairs_value(&s->options->fixes, column); }

static bool is_read(const void *sampling, const ModelColumn *column) {
  const Sampling *s = sampling;
  return column_is_given(s->generator, column) && pinned(s, column->name) == NULL;
}

static bool check_fixes(const Sampling *s, HgmError *error) {
  for (size_t i = 0; i < s->options->fixes.len; i++) {
    const char *fix = s->options->fixes.at[i], *equals = strchr(fix, '=');
    bool found = false;
    for (size_t k = 0; equals != NULL && k < s->generator->given.len; k++)
      found |= strncmp(s->generator->given.at[k]->name, fix, (size_t)(equals - fix)) == 0 && s->generator->given.at[k]->name[equals - fix] == '\0';
    const char *names = "";
    for (size_t k = 0; k < s->generator->given.len; k++)
      names = arena_printf(s->run.session.arena, "%s%s`%s`", names, k > 0 ? ", " : "", s->generator->given.at[k]->name);
    if (!found)
      return hgm_fail(error, EXIT_ENVIRONMENT, "--fix %s: expected COLUMN=VALUE with a given column: %s", fix, names[0] != '\0' ? names : "there is none");
  }
  return true;
}

// The number that a text on the command line stands for: a listed text or number for a category, any number else.
static bool pinned_value(Arena *arena, const ModelColumn *column, const char *text, double *value, HgmError *error) {
  const char *listed = "";
  for (size_t i = 0; i < column->texts.len; i++) {
    *value = (double)i;
    if (strcmp(column->texts.at[i], text) == 0) return true;
    listed = arena_printf(arena, "%s%s%s", listed, i ? ", " : "", column->texts.at[i]);
  }
  if (column->kind == COLUMN_TEXT_CATEGORY)
    return hgm_fail(error, EXIT_ENVIRONMENT, "--fix %s=%s: the model does not list this value; it lists %s", column->name, text, listed);
  char *end;
  *value = strtod(text, &end);
  if (end == text || *end != '\0' || column->rank > 0) return hgm_fail(error, EXIT_ENVIRONMENT, "--fix %s=%s: expected a number", column->name, text);
  if (column->kind != COLUMN_CATEGORY) return true;
  for (size_t i = 0; i < column->values.len; i++) {
    if (column->values.at[i] == *value) return true;
    listed = arena_printf(arena, "%s%s%g", listed, i ? ", " : "", column->values.at[i]);
  }
  return hgm_fail(error, EXIT_ENVIRONMENT, "--fix %s=%s: the model does not list this value; it lists %s", column->name, text, listed);
}

// A pinned column: one value for every row.
static bool pin_columns(Sampling *s, int64_t rows, HgmError *error) {
  Arena *arena = s->run.session.arena;
  for (size_t i = 0; i < s->generator->given.len; i++) {
    const ModelColumn *column = s->generator->given.at[i];
    const char *text = pinned(s, column->name);
    if (text == NULL) continue;
    double value = 0;
    if (!pinned_value(arena, column, text, &value, error)) return false;
    double *values = ARENA_ARRAY(arena, double, rows + 1);
    for (int64_t r = 0; r < rows; r++) values[r] = value;
    Table table = {arena_printf(arena, "column:%s", column->name), HGM_FILE_F64, 1, values};
    VEC_PUSH(arena, &s->tables.list, table);
  }
  return true;
}

static bool read_given(Sampling *s, HgmError *error) {
  Session *session = &s->run.session;
  size_t left = 0;
  for (size_t i = 0; i < s->generator->given.len; i++) left += pinned(s, s->generator->given.at[i]->name) == NULL;
  if (!check_fixes(s, error)) return false;
  if (s->generator->given.len == 0 && s->options->given.len > 0)
    return hgm_fail(error, EXIT_ENVIRONMENT, "this generator is given nothing, so --given %s has no use; leave it out", s->options->given.at[0]);
  if (s->generator->given.len == 0) return true;
  s->given_rows = 1;
  if (left > 0 && s->options->given.len == 0) {
    const char *names = "";
    for (size_t i = 0; i < s->generator->given.len; i++)
      names = arena_printf(session->arena, "%s%s`%s`", names, i ? ", " : "", s->generator->given.at[i]->name);
    return hgm_fail(error, EXIT_ENVIRONMENT, "this generator is given %s: say where they are with --given FILE, or pin them with --fix COLUMN=VALUE", names);
  }
  if (s->options->given.len > 0) {
    s->data = s->generator->given_data;
    DataFiles files = {.of = {s->options->given}};
    if (!dataset_open(&s->dataset, session, s->data, &files, is_read, s, error)) return false;
    s->given_rows = s->dataset.rows;
    s->tables = s->dataset.tables;
  }
  if (!pin_columns(s, s->given_rows, error)) return false;
  s->dataset.data = s->generator->given_data; // with the pinned columns, for domain_blame
  s->dataset.tables = s->tables;
  return true;
}

// What the output holds already is not copied once more, and two columns of one name are none.
static bool is_new(const Sampling *s, const char *name, bool *answer, HgmError *error) {
  size_t drawn = s->generator->outputs.len;
  for (size_t i = 0; i < s->columns.len; i++) {
    if (strcmp(s->columns.at[i].name, name) != 0) continue;
    *answer = false;
    return i >= drawn || s->generator->outputs.at[i].given ||
           hgm_fail(error, EXIT_ENVIRONMENT, "--keep %s: the model draws a column of that name, so the file would hold two; leave it out", name);
  }
  return *answer = true;
}

static bool add_kept(Sampling *s, HgmError *error) {
  Arena *arena = s->run.session.arena;
  for (size_t i = 0; i < s->options->keep.len; i++) {
    char *list = arena_strdup(arena, s->options->keep.at[i]), *rest;
    if (s->dataset.table == NULL) return hgm_fail(error, EXIT_ENVIRONMENT, "--keep %s copies columns of --given, which is missing", list);
    for (char *name = strtok_r(list, ",", &rest); name != NULL; name = strtok_r(NULL, ",", &rest)) {
      int column;
      bool fresh;
      if (!is_new(s, name, &fresh, error)) return false;
      if (!fresh) continue;
      if (!hgm_table_require(s->dataset.table, name, &column, error)) return false;
      const HgmColumn *c = hgm_table_column(s->dataset.table, column);
      Kept kept = {c->name, ARENA_ARRAY(arena, double, c->elements * s->given_rows + 1), c->elements};
      if (!hgm_table_read(s->dataset.table, column, 0, s->given_rows, kept.values, error)) return false;
      HgmOutColumn out = {.name = c->name, .type = c->type, .rank = c->rank, .unit = c->unit};
      memcpy(out.shape, c->shape, sizeof out.shape);
      VEC_PUSH(arena, &s->kept, kept);
      VEC_PUSH(arena, &s->columns, out);
    }
  }
  return true;
}

static void add_generated(Sampling *s) {
  for (size_t i = 0; i < s->generator->outputs.len; i++) VEC_PUSH(s->run.session.arena, &s->columns, column_out(s->run.manifest, &s->generator->outputs.at[i]));
  s->counts = ARENA_ARRAY(s->run.session.arena, HgmOutCount, s->generator->outputs.len + 1);
}

// Fits generated numbers to their columns. False: a given value that a preparation does not take made one of them no number.
static bool fit_chunk(Sampling *s, int64_t first, int64_t n, HgmError *error) {
  bool lost = false;
  for (size_t i = 0; i < s->generator->outputs.len; i++) {
    hgm_out_fit(&s->columns.at[i], s->generation.values[i], n, first, &s->counts[i]);
    lost = lost || s->counts[i].lost > 0;
  }
  return !lost || s->given_rows == 0 || !domain_blame(&s->dataset, &s->run.session, s->run.store, NULL, NULL, s->given_rows, error);
}

static bool write_chunk(Sampling *s, HgmWriter *writer, int64_t first, int64_t n, HgmError *error) {
  Arena *scratch = arena_create();
  size_t generated = s->generator->outputs.len;
  const double **values = ARENA_ARRAY(scratch, const double *, generated + s->kept.len + 1);
  for (size_t i = 0; i < generated; i++) values[i] = s->generation.values[i];
  for (size_t i = 0; i < s->kept.len; i++) {
    const Kept *kept = &s->kept.at[i];
    double *copy = ARENA_ARRAY(scratch, double, n * kept->elements + 1);
    for (int64_t k = 0; k < n; k++)
      memcpy(copy + k * kept->elements, kept->values + (first + k) % s->given_rows * kept->elements, sizeof(double) * (size_t)kept->elements);
    values[generated + i] = copy;
  }
  bool ok = hgm_writer_append(writer, values, n, error);
  arena_destroy(scratch);
  return ok;
}

static bool write_events(Sampling *s, int64_t events, HgmError *error) {
  const Options *options = s->options;
  const HgmAttribute attributes[] = {
      {.name = "hgmc_version", .kind = HGM_ATTRIBUTE_TEXT, .text = HGM_VERSION},
      {.name = "model", .kind = HGM_ATTRIBUTE_TEXT, .text = s->run.manifest->model},
      {.name = "model_hash", .kind = HGM_ATTRIBUTE_TEXT, .text = s->run.hash},
      {.name = "seed", .kind = HGM_ATTRIBUTE_INTEGER, .integer = (int64_t)s->generation.bound.seed},
      {.name = "first_event", .kind = HGM_ATTRIBUTE_INTEGER, .integer = options->first_event},
      {.name = "events", .kind = HGM_ATTRIBUTE_INTEGER, .integer = events},
  };
  HgmWriter *writer;
  hgm_interrupt_watch();
  if (!hgm_writer_open(&writer, options->output, s->columns.at, (int)s->columns.len, attributes, sizeof attributes / sizeof *attributes, options->force, NULL,
                       error))
    return false;
  Progress progress = progress_start("sampling", options->quiet, 0);
  for (int64_t at = 0; at < events; at += s->generation.most) {
    int64_t n = events - at < s->generation.most ? events - at : s->generation.most;
    const int64_t first = options->first_event + at;
    if (!generation_chunk(&s->generation, first, n, error) || !fit_chunk(s, first, n, error) || !write_chunk(s, writer, first, n, error)) {
      hgm_writer_abandon(writer);
      return false;
    }
    progress_show(&progress, at + n, events, 0, 0.0 / 0.0);
  }
  progress_clear(&progress);
  if (!hgm_writer_finish(writer, error)) return false;
  for (size_t i = 0; i < s->generator->outputs.len; i++) hgm_out_tell(stderr, &s->columns.at[i], &s->counts[i]);
  return true;
}

static void say_done(const Sampling *s, int64_t events) {
  const char *where = strcmp(s->options->output, "-") == 0 ? "standard output" : s->options->output;
  int64_t first = s->options->first_event;
  if (events == 0) fprintf(stderr, "0 events, written to %s\n", where);
  else
    fprintf(stderr, "%lld events, numbers %lld to %lld, seed %llu, written to %s\n", (long long)events, (long long)first, (long long)(first + events - 1),
            (unsigned long long)s->generation.bound.seed, where);
}

static bool sample(Sampling *s, HgmError *error) {
  const Options *options = s->options;
  if (!hgm_writer_check(options->output, options->force, error) ||
      (s->generator = generator_named(s->run.session.model, s->run.session.arena, options->generator, error)) == NULL || !read_given(s, error))
    return false;
  if (!generation_open(&s->generation, &s->run.session, s->generator, BULK_TILE, s->run.store, &s->tables, error) || !open_run_weights(&s->run, error))
    return false;
  if (s->dataset.table != NULL) {
    if (!dataset_orders(&s->dataset, s->run.store, true, error)) return false;
    domain_clipped(&s->dataset, &s->run.session, s->run.store);
  }
  s->generation.n_given = s->given_rows;
  if (options->has_seed) s->generation.bound.seed = options->seed;
  int64_t events = options->has_events ? options->events : s->given_rows > 1 || s->dataset.table != NULL ? s->given_rows : 0;
  if (events == 0 && !options->has_events) return hgm_fail(error, EXIT_ENVIRONMENT, "how many events? -n N");
  if (s->dataset.table != NULL && options->first_event + events > s->given_rows && !options->quiet)
    fprintf(stderr, "note: event k takes row k mod %lld of the given file\n", (long long)s->given_rows);
  add_generated(s);
  if (!add_kept(s, error) || !write_events(s, events, error)) return false;
  if (!options->quiet) say_done(s, events);
  session_print_times(&s->run.session);
  return true;
}

int verb_sample(const Options *options) {
  Sampling s = {.options = options};
  int exit_code = EXIT_DONE;
  HgmError error = {0};
  if (open_run(&s.run, options, options->positional.at[0], &exit_code) && !sample(&s, &error)) exit_code = report_error(&error);
  generation_close(&s.generation);
  dataset_close(&s.dataset);
  close_run(&s.run);
  return exit_code;
}
