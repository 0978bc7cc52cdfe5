#include "compiler/driver/evaluate.h"

#include <errno.h>
#include <jansson.h>
#include <math.h>
#include <string.h>

// ---- columns of truth and of generated events

static EvalColumn *add_column(Evaluation *e, Arena *arena, const char *name) {
  EvalColumn column = {.name = name, .truth = ARENA_ARRAY(arena, double, e->n_truth + 1), .fake = ARENA_ARRAY(arena, double, e->n_fake + 1)};
  VEC_PUSH(arena, &e->columns, column);
  return &e->columns.at[e->columns.len - 1];
}

static void add_columns(Evaluation *e, Arena *arena, const Generation *g) {
  for (size_t i = 0; i < g->generator->outputs.len; i++) {
    const ModelOutput *output = &g->generator->outputs.at[i];
    for (int64_t k = 0; !output->given && !output->extra && k < g->elements[i]; k++)
      add_column(e, arena, g->elements[i] == 1 ? output->column : arena_printf(arena, "%s[%lld]", output->column, (long long)k));
  }
}

static void take_truth(Evaluation *e, const Generation *g, const Dataset *dataset, const int64_t *rows) {
  size_t at = 0;
  for (size_t i = 0; i < g->generator->outputs.len; i++) {
    const ModelOutput *output = &g->generator->outputs.at[i];
    if (output->given || output->extra) continue;
    char name[512];
    snprintf(name, sizeof name, "column:%s", output->column);
    const Table *table = tables_find(&dataset->tables, name);
    for (int64_t k = 0; k < g->elements[i]; k++, at++)
      for (int64_t n = 0; n < e->n_truth; n++) e->columns.at[at].truth[n] = table == NULL ? NAN : ((const double *)table->data)[rows[n] * table->elements + k];
  }
}

static Tables fake_tables(Arena *arena, const Generation *g, const Dataset *dataset, const int64_t *rows, int64_t n) {
  Tables tables = {0};
  for (size_t i = 0; i < dataset->tables.list.len; i++) { // what is not generated is the truth's
    const Table *truth = &dataset->tables.list.at[i];
    if (strncmp(truth->name, "column:", 7) != 0) continue;
    double *data = ARENA_ARRAY(arena, double, n * truth->elements + 1);
    for (int64_t k = 0; k < n; k++)
      memcpy(data + k * truth->elements, (const double *)truth->data + rows[k] * truth->elements, sizeof(double) * (size_t)truth->elements);
    for (size_t o = 0; o < g->generator->outputs.len; o++)
      if (strcmp(truth->name + 7, g->generator->outputs.at[o].column) == 0) memset(data, 0, sizeof(double) * (size_t)(n * truth->elements));
    Table table = {truth->name, HGM_F64, truth->elements, data};
    VEC_PUSH(arena, &tables.list, table);
  }
  return tables;
}

static void take_fake(Evaluation *e, const Generation *g, const Tables *fake, int64_t first, int64_t n) {
  size_t at = 0;
  for (size_t i = 0; i < g->generator->outputs.len; i++) {
    const ModelOutput *output = &g->generator->outputs.at[i];
    char name[512];
    snprintf(name, sizeof name, "column:%s", output->column);
    const Table *table = tables_find(fake, name);
    if (table != NULL) memcpy((double *)table->data + first * table->elements, g->values[i], sizeof(double) * (size_t)(n * table->elements));
    for (int64_t k = 0; !output->given && !output->extra && k < g->elements[i]; k++, at++)
      for (int64_t j = 0; j < n; j++) e->columns.at[at].fake[first + j] = g->values[i][j * g->elements[i] + k];
  }
}

static bool run_observables(Session *session, Store *store, const ModelEvaluate *block, const Tables *tables, const int64_t *rows, int64_t n, double **values,
                            HgmError *error) {
  Bound bound;
  bool ok = bound_create(&bound, session, block->observables, BULK_TILE, CHUNK, store, tables, error);
  for (int64_t at = 0; ok && at < n; at += CHUNK) {
    for (size_t i = 0; i < block->list.len; i++) bound_output(&bound, arena_printf(session->arena, "observable:%s", block->list.at[i].name), values[i] + at);
    int64_t m = n - at < CHUNK ? n - at : CHUNK;
    ok = bound_run(&bound, &(BoundCall){.events = m, .rows = rows + at, .event_ids = rows + at}, error);
  }
  bound_destroy(&bound);
  return ok;
}

static bool add_observables(Evaluation *e, Session *session, Store *store, const Dataset *dataset, const int64_t *rows, const Tables *fake, HgmError *error) {
  const ModelEvaluate *block = session->model->evaluate;
  if (block == NULL || block->observables == NULL) return true;
  Arena *arena = session->arena;
  size_t first = e->columns.len, n = block->list.len;
  for (size_t i = 0; i < n; i++) add_column(e, arena, block->list.at[i].name);
  double **truth = ARENA_ARRAY(arena, double *, n + 1), **generated = ARENA_ARRAY(arena, double *, n + 1);
  int64_t *counting = ARENA_ARRAY(arena, int64_t, e->n_fake + 1);
  for (int64_t k = 0; k < e->n_fake; k++) counting[k] = k;
  for (size_t i = 0; i < n; i++) {
    truth[i] = e->columns.at[first + i].truth;
    generated[i] = e->columns.at[first + i].fake;
  }
  return run_observables(session, store, block, &dataset->tables, rows, e->n_truth, truth, error) &&
         run_observables(session, store, block, fake, counting, e->n_fake, generated, error);
}

// ---- metrics

static bool correlations(Evaluation *e, Arena *arena, HgmError *error) {
  int n = (int)e->columns.len;
  const double **truth = ARENA_ARRAY(arena, const double *, n + 1), **fake = ARENA_ARRAY(arena, const double *, n + 1);
  double *a = ARENA_ARRAY(arena, double, n *n + 1), *b = ARENA_ARRAY(arena, double, n *n + 1);
  for (int i = 0; i < n; i++) {
    truth[i] = e->columns.at[i].truth;
    fake[i] = e->columns.at[i].fake;
  }
  if (!hgm_metrics_spearman(truth, n, e->n_truth, e->weights, a, error) || !hgm_metrics_spearman(fake, n, e->n_fake, NULL, b, error)) return false;
  e->spearman = hgm_metrics_matrix_difference(a, b, n, &e->spearman_pair[0], &e->spearman_pair[1]);
  if (!hgm_metrics_pearson(truth, n, e->n_truth, e->weights, a, error) || !hgm_metrics_pearson(fake, n, e->n_fake, NULL, b, error)) return false;
  e->pearson = hgm_metrics_matrix_difference(a, b, n, &e->pearson_pair[0], &e->pearson_pair[1]);
  return true;
}

bool evaluate_metrics(Evaluation *e, Arena *arena, uint64_t seed, HgmError *error) {
  for (size_t i = 0; i < e->columns.len; i++) {
    EvalColumn *c = &e->columns.at[i];
    HgmSample truth = {c->truth, e->weights, e->n_truth}, fake = {c->fake, NULL, e->n_fake};
    if (!hgm_metrics_distance(&truth, &fake, &c->distance, error) || !hgm_metrics_floor(&truth, seed, &c->floor, error))
      return hgm_context(error, "%s", c->name);
  }
  return e->columns.len < 2 || correlations(e, arena, error);
}

static const double *truth_weights(const Session *session, const Dataset *dataset, const int64_t *rows, int64_t n) {
  if (!dataset->data->has_weight) return NULL;
  const Table *table = tables_find(&dataset->tables, arena_printf(session->arena, "weight:%s", dataset->data->name));
  if (table == NULL) return NULL;
  double *weights = ARENA_ARRAY(session->arena, double, n + 1);
  for (int64_t k = 0; k < n; k++) weights[k] = table->dtype == HGM_F64 ? ((const double *)table->data)[rows[k]] : (double)((const float *)table->data)[rows[k]];
  return weights;
}

bool evaluate_model(Evaluation *e, Session *session, Store *store, Dataset *dataset, const int64_t *rows, int64_t n, HgmError *error) {
  Arena *arena = session->arena;
  const Model *model = session->model;
  if (model->generators.len == 0) return hgm_fail(error, EXIT_USER, "%s has no `generate` block, so there is nothing to evaluate", model->path);
  e->n_truth = e->n_fake = n;
  e->weights = truth_weights(session, dataset, rows, n);
  for (size_t i = 0; i < model->weights.len; i++) e->parameters += model->weights.at[i].fixed ? 0 : (double)ir_elements(&model->weights.at[i].type);
  Generation g;
  bool ok = generation_open(&g, session, model->generators.at[0], BULK_TILE, store, &dataset->tables, error);
  if (ok) {
    g.given = rows;
    g.n_given = n;
    add_columns(e, arena, &g);
    take_truth(e, &g, dataset, rows);
    Tables fake = fake_tables(arena, &g, dataset, rows, n);
    double start = now_ms();
    for (int64_t at = 0; ok && at < n; at += CHUNK) {
      int64_t m = n - at < CHUNK ? n - at : CHUNK;
      ok = generation_chunk(&g, at, m, error);
      if (ok) take_fake(e, &g, &fake, at, m);
    }
    e->events_per_second = (double)n / ((now_ms() - start) / 1e3);
    ok = ok && add_observables(e, session, store, dataset, rows, &fake, error) && evaluate_metrics(e, arena, model->seed, error);
  }
  generation_close(&g);
  return ok;
}

// ---- what is shown

void evaluate_print(FILE *out, const Evaluation *e) {
  int width = 10;
  for (size_t i = 0; i < e->columns.len; i++)
    if ((int)strlen(e->columns.at[i].name) > width) width = (int)strlen(e->columns.at[i].name);
  fprintf(out, "%lld generated events against %lld of the truth; in brackets: truth against truth (halves)\n\n", (long long)e->n_fake, (long long)e->n_truth);
  fprintf(out, "%-*s  %-28s  %s\n", width, "column", "Wasserstein / std", "Kolmogorov-Smirnov");
  for (size_t i = 0; i < e->columns.len; i++) {
    const EvalColumn *c = &e->columns.at[i];
    fprintf(out, "%-*s  %.4f  (%.4f +- %.4f)   %.4f  (%.4f +- %.4f)\n", width, c->name, c->distance.w1, c->floor.w1, c->floor.w1_error, c->distance.ks,
            c->floor.ks, c->floor.ks_error);
    if (c->distance.left_out > 0) fprintf(out, "%-*s  %lld values that are not finite were left out\n", width, "", (long long)c->distance.left_out);
  }
  if (e->columns.len < 2) return;
  fprintf(out, "\nlargest difference of a Spearman correlation: %.4f (%s, %s); of a Pearson correlation: %.4f (%s, %s)\n", e->spearman,
          e->columns.at[e->spearman_pair[0]].name, e->columns.at[e->spearman_pair[1]].name, e->pearson, e->columns.at[e->pearson_pair[0]].name,
          e->columns.at[e->pearson_pair[1]].name);
}

static json_t *column_json(const EvalColumn *c) {
  return json_pack("{s:f, s:f, s:f, s:f, s:f, s:f, s:I}", "wasserstein", c->distance.w1, "wasserstein_floor", c->floor.w1, "wasserstein_floor_error",
                   c->floor.w1_error, "ks", c->distance.ks, "ks_floor", c->floor.ks, "ks_floor_error", c->floor.ks_error, "left_out",
                   (json_int_t)c->distance.left_out);
}

bool evaluate_write_json(const Evaluation *e, const char *path, HgmError *error) {
  json_t *columns = json_object();
  for (size_t i = 0; i < e->columns.len; i++) json_object_set_new(columns, e->columns.at[i].name, column_json(&e->columns.at[i]));
  json_t *all = json_pack("{s:I, s:I, s:f, s:f, s:f, s:o}", "truth", (json_int_t)e->n_truth, "generated", (json_int_t)e->n_fake, "spearman", e->spearman,
                          "correlations", e->pearson, "events_per_second", e->events_per_second, "columns", columns);
  bool standard = strcmp(path, "-") == 0;
  errno = 0;
  int failed = standard ? json_dumpf(all, stdout, JSON_INDENT(2)) : json_dump_file(all, path, JSON_INDENT(2));
  if (standard) fputc('\n', stdout);
  json_decref(all);
  return failed == 0 || hgm_fail(error, EXIT_ENVIRONMENT, "cannot write %s: %s", path, strerror(errno));
}

// ---- assertions

static double measure(const EvalColumn *c, bool ks) { return ks ? c->distance.ks : c->distance.w1; }

static bool of_columns(const Evaluation *e, bool ks, const char *member, double *value) {
  *value = 0;
  for (size_t i = 0; i < e->columns.len; i++) {
    double x = measure(&e->columns.at[i], ks);
    if (member != NULL && strcmp(member, e->columns.at[i].name) == 0) {
      *value = x;
      return true;
    }
    if (member == NULL) *value += x / (double)e->columns.len;
    else if (x > *value) *value = x;
  }
  return member == NULL || strcmp(member, "worst") == 0;
}

bool evaluate_number(void *data, const char *name, const char *member, double *value) {
  const Evaluation *e = data;
  if (strcmp(name, "wasserstein") == 0) return of_columns(e, false, member, value);
  if (strcmp(name, "ks") == 0) return of_columns(e, true, member, value);
  const struct {
    const char *name;
    double value;
  } numbers[] = {{"spearman", e->spearman},
                 {"correlations", e->pearson},
                 {"parameters", e->parameters},
                 {"events_per_second", e->events_per_second},
                 {"training_time", e->training_seconds}};
  for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
    if (strcmp(numbers[i].name, name) == 0 && (member == NULL || strcmp(member, "worst") == 0)) {
      *value = numbers[i].value;
      return true;
    }
  return false;
}

static const char *source_text(const Session *session, Span span, int *line) {
  SourceFile *file = source_of(session->sources, span);
  int column;
  *line = 0;
  if (file == NULL) return "assert";
  source_position(session->sources, span.begin, line, &column);
  return arena_strndup(session->arena, file->text + (span.begin - file->base), span.end - span.begin);
}

bool evaluate_assertions(const Evaluation *e, const Session *session) {
  const ModelEvaluate *block = session->model->evaluate;
  bool all = true;
  for (size_t i = 0; block != NULL && i < block->asserts.len; i++) {
    const AstExpr *expr = block->asserts.at[i];
    double value;
    const char *unknown = NULL;
    int line;
    const char *text = source_text(session, expr->span, &line);
    bool known = model_formula(expr, evaluate_number, (void *)e, &value, &unknown);
    if (known && value != 0) continue;
    all = false;
    if (known) fprintf(stderr, "assert failed (line %d): %s\n", line, text);
    else fprintf(stderr, "assert cannot be computed (line %d): %s: no metric `%s`\n", line, text, unknown != NULL ? unknown : "?");
  }
  return all;
}
