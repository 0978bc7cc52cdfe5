#include "compiler/driver/evaluate.h"

#include <math.h>
#include <string.h>

#include "compiler/driver/measured.h"

// ---- columns of truth and of generated events

static EvalColumn *add_column(Evaluation *e, Arena *arena, const char *name) {
  EvalColumn column = {.name = name, .truth = ARENA_ARRAY(arena, double, e->n_truth + 1), .fake = ARENA_ARRAY(arena, double, e->n_fake + 1)};
  VEC_PUSH(arena, &e->columns, column);
  return &e->columns.at[e->columns.len - 1];
}

// Of a set the places mean nothing: observables are looked at instead.
static bool is_compared(const ModelOutput *output) { return !output->given && !output->extra && !output->like->of_set; }

static void add_columns(Evaluation *e, Arena *arena, const Generation *g) {
  for (size_t i = 0; i < g->generator->outputs.len; i++) {
    const ModelOutput *output = &g->generator->outputs.at[i];
    for (int64_t k = 0; is_compared(output) && k < g->elements[i]; k++) {
      bool one = g->elements[i] == 1;
      EvalColumn *column = add_column(e, arena, one ? output->column : arena_printf(arena, "%s[%lld]", output->column, (long long)k));
      column->array = one ? NULL : output->column;
      column->period = output->like->period;
    }
  }
}

static void take_truth(Evaluation *e, const Generation *g, const Dataset *dataset, const int64_t *rows) {
  size_t at = 0;
  for (size_t i = 0; i < g->generator->outputs.len; i++) {
    const ModelOutput *output = &g->generator->outputs.at[i];
    if (!is_compared(output)) continue;
    char name[512];
    snprintf(name, sizeof name, "column:%s", output->column);
    const Table *table = tables_find(&dataset->tables, name);
    for (int64_t k = 0; k < g->elements[i]; k++, at++)
      for (int64_t n = 0; n < e->n_truth; n++) e->columns.at[at].truth[n] = table == NULL ? NAN : table_number(table, rows[n] * table->elements + k);
  }
}

Tables evaluate_tables(const Evaluation *e, const Generation *g, const int64_t *rows, int64_t n) {
  Arena *arena = e->session->arena;
  const Dataset *dataset = e->dataset;
  Tables tables = {0};
  for (size_t i = 0; i < dataset->tables.list.len; i++) { // what is not generated is the truth's
    const Table *truth = &dataset->tables.list.at[i];
    if (strncmp(truth->name, "column:", 7) != 0) continue;
    double *data = ARENA_ARRAY(arena, double, n * truth->elements + 1);
    for (int64_t k = 0; k < n; k++) table_row(truth, rows[k], data + k * truth->elements);
    for (size_t o = 0; o < g->generator->outputs.len; o++)
      if (strcmp(truth->name + 7, g->generator->outputs.at[o].column) == 0) memset(data, 0, sizeof(double) * (size_t)(n * truth->elements));
    Table table = {truth->name, HGM_FILE_F64, truth->elements, data};
    VEC_PUSH(arena, &tables.list, table);
  }
  return tables;
}

void evaluate_put(const Evaluation *e, const Generation *g, const Tables *tables, int64_t first, int64_t n) {
  for (size_t i = 0; i < g->generator->outputs.len; i++) {
    const ModelOutput *output = &g->generator->outputs.at[i];
    const HgmOutColumn written = column_out(e->manifest, output);
    HgmOutCount count = {0}; // which the sampler tells
    hgm_out_fit(&written, g->values[i], n, first, &count);
    char name[512];
    snprintf(name, sizeof name, "column:%s", output->column);
    const Table *table = tables_find(tables, name);
    if (table != NULL) memcpy((double *)table->data + first * table->elements, g->values[i], sizeof(double) * (size_t)(n * table->elements));
  }
}

static void take_fake(Evaluation *e, const Generation *g, int64_t first, int64_t n) {
  size_t at = 0;
  evaluate_put(e, g, &e->fake, first, n);
  for (size_t i = 0; i < g->generator->outputs.len; i++) {
    const ModelOutput *output = &g->generator->outputs.at[i];
    for (int64_t k = 0; is_compared(output) && k < g->elements[i]; k++, at++)
      for (int64_t j = 0; j < n; j++) e->columns.at[at].fake[first + j] = g->values[i][j * g->elements[i] + k];
  }
}

// Where the outputs of the observables' program go, for one of the two samples.
typedef struct Target {
  const char *output;
  double *values; // (n, elements)
  int64_t elements;
} Target;
typedef VEC(Target) Targets;

// Of a last batch that there are too few events for, the events before it are computed again and thrown away.
static bool run_batch(Bound *bound, const Targets *targets, const int64_t *rows, int64_t at, int64_t m, int64_t before, Arena *arena, HgmError *error) {
  double **room = ARENA_ARRAY(arena, double *, targets->len + 1);
  for (size_t i = 0; i < targets->len; i++) {
    const Target *t = &targets->at[i];
    room[i] = before == 0 ? t->values + at * t->elements : ARENA_ARRAY(arena, double, (before + m) * t->elements + 1);
    bound_output(bound, t->output, room[i]);
  }
  const int64_t *these = rows + at - before;
  if (!bound_run(bound, &(BoundCall){.events = before + m, .rows = these, .event_ids = these}, error)) return false;
  for (size_t i = 0; i < targets->len && before > 0; i++) {
    const Target *t = &targets->at[i];
    memcpy(t->values + at * t->elements, room[i] + before * t->elements, sizeof(double) * (size_t)(m * t->elements));
  }
  return true;
}

static bool run_observables(const Evaluation *e, const Targets *targets, const Tables *tables, const int64_t *rows, int64_t n, HgmError *error) {
  const ModelEvaluate *block = e->session->model->evaluate;
  Bound bound = {0};
  Measured measured;
  int64_t step = block->batch > 0 ? block->batch : CHUNK;
  bool ok = measured_open(&measured, e->session, block->observables, e->store, tables, rows, n, error) && measured_run(&measured, rows, n, error) &&
            bound_create(&bound, e->session, block->observables, BULK_TILE, step, e->store, &measured.tables, error);
  for (int64_t at = 0; ok && at < n; at += step) {
    int64_t m = n - at < step ? n - at : step, lacks = block->batch > 0 ? step - m : 0;
    ok = run_batch(&bound, targets, rows, at, m, lacks < at ? lacks : at, e->session->arena, error);
  }
  bound_destroy(&bound);
  measured_close(&measured);
  return ok;
}

static int64_t elements_of(const IrFn *fn, const char *output) {
  for (size_t i = 0; i < fn->outputs.len; i++)
    if (strcmp(fn->outputs.at[i].name, output) == 0) return ir_elements(ir_type_of(fn, fn->outputs.at[i].value));
  return 1;
}

static const double *add_target(Arena *arena, Targets *targets, const char *output, int64_t elements, int64_t n) {
  Target t = {output, ARENA_ARRAY(arena, double, n *elements + 1), elements};
  VEC_PUSH(arena, targets, t);
  return t.values;
}

static void add_metrics(Evaluation *e, const ModelEvaluate *block, Targets *truth, Targets *fake) {
  Arena *arena = e->session->arena;
  for (size_t i = 0; i < block->metrics.len; i++) {
    EvalMetric m = {.model = block->metrics.at[i]};
    for (int k = 0; k < METRIC_MOST_ARGUMENTS; k++) {
      const char *output = m.model->outputs[k];
      if (output == NULL) continue;
      m.elements[k] = elements_of(block->observables, output);
      m.truth[k] = add_target(arena, truth, output, m.elements[k], e->n_truth);
      const double *generated = add_target(arena, fake, output, m.elements[k], e->n_fake);
      m.fake[k] = m.model->generated ? generated : NULL;
    }
    VEC_PUSH(arena, &e->metrics, m);
  }
}

static const int64_t *counting(Arena *arena, int64_t n) {
  int64_t *rows = ARENA_ARRAY(arena, int64_t, n + 1);
  for (int64_t k = 0; k < n; k++) rows[k] = k;
  return rows;
}

bool evaluate_spares(const Model *model, const ModelData *data) {
  bool needed = data->rounds.len > 0 || model->evaluate == NULL || model->evaluate->asserts.len > 0, compared = false;
  for (size_t i = 0; i < model->phases.len; i++) {
    const ModelPhase *p = model->phases.at[i];
    needed = needed || p->watch != NULL;
    for (size_t k = 0; k < p->data.len; k++) needed = needed || p->data.at[k] == data;
  }
  for (size_t i = 0; i < model->estimates.len; i++) needed = needed || model->estimates.at[i]->data == data;
  for (size_t i = 0; i < model->generators.len; i++) needed = needed || model->generators.at[i]->data == data || model->generators.at[i]->given_data == data;
  for (size_t i = 0; !needed && i < model->evaluate->list.len; i++) compared = compared || model->evaluate->list.at[i].against == data;
  return compared && !needed;
}

void evaluate_say_spared(const Model *model, const ModelData *data, const char *option) {
  fprintf(stderr, "note: no file is named for the data block `%s` (%s %s=FILE), so these are not compared with it:", data->name, option, data->name);
  for (size_t i = 0; i < model->evaluate->list.len; i++)
    if (model->evaluate->list.at[i].against == data) fprintf(stderr, " %s", model->evaluate->list.at[i].name);
  fputc('\n', stderr);
}

static bool is_spared(const Evaluation *e, const ModelObservable *o) {
  const Model *model = e->session->model;
  return o->against != NULL && e->blocks != NULL && e->blocks[model_data_index(model, o->against)].data == NULL && evaluate_spares(model, o->against);
}

// Observables and what metrics look at, of the truth and of generated events alike.
static bool add_observables(Evaluation *e, HgmError *error) {
  const ModelEvaluate *block = e->session->model->evaluate;
  Arena *arena = e->session->arena;
  Targets truth = {0}, fake = {0};
  if (block == NULL) return true;
  for (size_t i = 0; i < block->list.len; i++) {
    if (is_spared(e, &block->list.at[i])) continue;
    EvalColumn *column = add_column(e, arena, block->list.at[i].name);
    const char *output = arena_printf(arena, "observable:%s", column->name);
    column->observable = true;
    column->period = block->list.at[i].period;
    VEC_PUSH(arena, &truth, (Target){output, column->truth, 1});
    VEC_PUSH(arena, &fake, (Target){output, column->fake, 1});
  }
  add_metrics(e, block, &truth, &fake);
  if (block->observables == NULL) return true;
  return run_observables(e, &truth, &e->dataset->tables, e->rows, e->n_truth, error) &&
         (e->generator == NULL || run_observables(e, &fake, &e->fake, counting(arena, e->n_fake), e->n_fake, error));
}

static const double *truth_weights(const Session *session, const Dataset *dataset, const int64_t *rows, int64_t n) {
  if (!dataset->data->has_weight) return NULL;
  const Table *table = tables_find(&dataset->tables, arena_printf(session->arena, "weight:%s", dataset->data->name));
  if (table == NULL) return NULL;
  double *weights = ARENA_ARRAY(session->arena, double, n + 1);
  for (int64_t k = 0; k < n; k++) weights[k] = table_number(table, rows[k]);
  return weights;
}

// ---- observables that are compared with something else

HgmSample evaluate_truth(const Evaluation *e, const EvalColumn *c) {
  return c->against ? (HgmSample){c->truth, c->weights, c->n, c->period} : (HgmSample){c->truth, e->weights, e->n_truth, c->period};
}

static bool draw_law(const Evaluation *e, EvalColumn *c, const IrFn *law, HgmError *error) {
  static const Tables none = {0};
  Bound bound;
  bool ok = bound_create(&bound, e->session, law, BULK_TILE, CHUNK, e->store, &none, error);
  c->n = e->n_truth;
  for (int64_t at = 0; ok && at < c->n; at += CHUNK) {
    bound_output(&bound, law->outputs.at[0].name, c->truth + at);
    ok = bound_run(&bound, &(BoundCall){.events = c->n - at < CHUNK ? c->n - at : CHUNK, .first_event = at, .pass = UINT32_MAX}, error);
  }
  bound_destroy(&bound);
  return ok;
}

// The test split of the other block, or what it has.
static bool take_block(const Evaluation *e, EvalColumn *c, const char *output, const Dataset *d, HgmError *error) {
  int split = d->n[SPLIT_TEST] > 1 ? SPLIT_TEST : d->n[SPLIT_VALID] > 1 ? SPLIT_VALID : SPLIT_TRAIN;
  Arena *arena = e->session->arena;
  Targets targets = {0};
  c->n = d->n[split];
  c->truth = ARENA_ARRAY(arena, double, c->n + 1);
  c->weights = truth_weights(e->session, d, d->chosen[split], c->n);
  VEC_PUSH(arena, &targets, (Target){output, c->truth, 1});
  return run_observables(e, &targets, &d->tables, d->chosen[split], c->n, error);
}

static bool replace_truth(Evaluation *e, HgmError *error) {
  const Model *model = e->session->model;
  for (size_t i = 0; i < e->columns.len; i++) {
    EvalColumn *c = &e->columns.at[i];
    for (size_t k = 0; c->observable && k < model->evaluate->list.len; k++) {
      const ModelObservable *o = &model->evaluate->list.at[k];
      if (strcmp(o->name, c->name) != 0 || (o->law == NULL && o->against == NULL)) continue;
      const Dataset *d = o->against == NULL || e->blocks == NULL ? NULL : &e->blocks[model_data_index(model, o->against)];
      c->against = true;
      if (o->law == NULL && (d == NULL || d->data == NULL))
        return hgm_fail(error, EXIT_USER, "`%s` is compared with the data `%s`: name them as %s=FILE", o->name, o->against->name, o->against->name);
      if (o->law != NULL ? !draw_law(e, c, o->law, error) : !take_block(e, c, arena_printf(e->session->arena, "observable:%s", c->name), d, error))
        return false;
    }
  }
  return true;
}

// What formulas say of all generated events at once.
static bool add_whole(Evaluation *e, HgmError *error) {
  const ModelEvaluate *block = e->session->model->evaluate;
  Arena *arena = e->session->arena;
  if (block == NULL || block->whole == NULL || e->generator == NULL) return true;
  Bound bound = {0};
  Measured measured;
  const int64_t *rows = counting(arena, e->n_fake);
  bool ok = measured_open(&measured, e->session, block->whole, e->store, &e->fake, rows, e->n_fake, error) && measured_run(&measured, rows, e->n_fake, error) &&
            bound_create(&bound, e->session, block->whole, BULK_TILE, e->n_fake, e->store, &measured.tables, error);
  ok = ok && bound_run(&bound, &(BoundCall){.events = e->n_fake, .rows = rows, .event_ids = rows}, error);
  double *numbers = ARENA_ARRAY(arena, double, block->whole->outputs.len + 1);
  for (size_t i = 0; ok && i < block->whole->outputs.len; i++) numbers[i] = slot_number(bound_result(&bound, block->whole->outputs.at[i].name), 0);
  e->whole = numbers;
  bound_destroy(&bound);
  measured_close(&measured);
  return ok;
}

// ---- metrics

// The columns whose events are the same, their number; place: (columns) room.
static int correlated(const Evaluation *e, int *place) {
  int n = 0;
  for (size_t i = 0; i < e->columns.len; i++)
    if (!e->columns.at[i].against) place[n++] = (int)i; // others have no events in common
  return n;
}

static HgmPool *pool_of(const Evaluation *e) { return e->session != NULL ? e->session->pool : NULL; }

static bool correlations(Evaluation *e, Arena *arena, HgmError *error) {
  int *place = ARENA_ARRAY(arena, int, e->columns.len + 1), n = correlated(e, place);
  if (n < 2) return true;
  const double **columns[] = {ARENA_ARRAY(arena, const double *, n + 1), ARENA_ARRAY(arena, const double *, n + 1)};
  double *a = ARENA_ARRAY(arena, double, n *n + 1), *b = ARENA_ARRAY(arena, double, n *n + 1);
  for (int i = 0; i < n; i++) {
    columns[0][i] = e->columns.at[place[i]].truth;
    columns[1][i] = e->columns.at[place[i]].fake;
  }
  const HgmColumns truth = {columns[0], n, e->n_truth, e->weights}, fake = {columns[1], n, e->n_fake, NULL};
  HgmPool *pool = pool_of(e);
  if (!hgm_metrics_spearman(&truth, pool, a, error) || !hgm_metrics_spearman(&fake, pool, b, error)) return false;
  e->spearman = hgm_metrics_matrix_difference(a, b, n, &e->spearman_pair[0], &e->spearman_pair[1]);
  if (!hgm_metrics_pearson(&truth, pool, a, error) || !hgm_metrics_pearson(&fake, pool, b, error)) return false;
  e->pearson = hgm_metrics_matrix_difference(a, b, n, &e->pearson_pair[0], &e->pearson_pair[1]);
  for (int k = 0; k < 2; k++) e->spearman_pair[k] = place[e->spearman_pair[k]], e->pearson_pair[k] = place[e->pearson_pair[k]];
  return true;
}

bool evaluate_correlations(Evaluation *e, Arena *arena, uint64_t seed, HgmError *error) {
  int *place = ARENA_ARRAY(arena, int, e->columns.len + 1), n = correlated(e, place);
  const double **truth = ARENA_ARRAY(arena, const double *, n + 1);
  for (int i = 0; i < n; i++) truth[i] = e->columns.at[place[i]].truth;
  return n < 2 || hgm_metrics_correlation_floor(&(HgmColumns){truth, n, e->n_truth, e->weights}, seed, pool_of(e), &e->correlation_floor, error);
}

typedef struct Distances {
  Evaluation *e;
  HgmHalvings *halvings; // of each thread
  HgmError *errors;      // of each column
} Distances;

static void compare_column(void *data, int64_t i, int thread) {
  const Distances *d = data;
  EvalColumn *c = &d->e->columns.at[i];
  HgmSample truth = evaluate_truth(d->e, c), fake = {c->fake, NULL, d->e->n_fake, c->period};
  HgmError *error = &d->errors[i];
  if (!hgm_metrics_distance(&truth, &fake, &c->distance, error) || !hgm_metrics_floor(&truth, &d->halvings[thread], &c->floor, error))
    hgm_context(error, "%s", c->name);
}

bool evaluate_metrics(Evaluation *e, Arena *arena, uint64_t seed, HgmError *error) {
  const int threads = hgm_pool_threads(pool_of(e));
  Distances d = {e, ARENA_ARRAY(arena, HgmHalvings, threads), ARENA_ARRAY(arena, HgmError, e->columns.len + 1)};
  for (int t = 0; t < threads; t++) d.halvings[t].seed = seed;
  hgm_pool_run(pool_of(e), (int64_t)e->columns.len, compare_column, &d);
  for (int t = 0; t < threads; t++) hgm_halvings_close(&d.halvings[t]);
  for (size_t i = 0; i < e->columns.len; i++)
    if (d.errors[i].exit_code != 0) {
      *error = d.errors[i];
      return false;
    }
  return e->columns.len < 2 || correlations(e, arena, error);
}

static bool generate(Evaluation *e, HgmError *error) {
  Arena *arena = e->session->arena;
  Generation g;
  const Dataset *given = e->given != NULL ? e->given : e->dataset;
  bool ok = generation_open(&g, e->session, e->generator, BULK_TILE, e->store, &given->tables, error);
  if (ok) {
    g.given = e->given != NULL ? e->given_rows.at : e->rows;
    g.n_given = e->given != NULL ? e->given_rows.n : e->n_truth;
    add_columns(e, arena, &g);
    take_truth(e, &g, e->dataset, e->rows);
    e->fake = evaluate_tables(e, &g, e->rows, e->n_fake);
    double start = now_ms();
    for (int64_t at = 0; ok && at < e->n_fake; at += g.most) {
      int64_t m = e->n_fake - at < g.most ? e->n_fake - at : g.most;
      ok = generation_chunk(&g, at, m, error);
      if (ok) take_fake(e, &g, at, m);
    }
    e->events_per_second = (double)e->n_fake / ((now_ms() - start) / 1e3);
  }
  generation_close(&g);
  return ok;
}

static bool looks_at_truth(const Model *model) { return model->evaluate != NULL && model->evaluate->metrics.len > 0; }

bool evaluate_model(Evaluation *e, Session *session, Store *store, Dataset *dataset, const int64_t *rows, int64_t n, HgmError *error) {
  const Model *model = session->model;
  bool any = model->generators.len > 0;
  if (!any && !looks_at_truth(model)) return hgm_fail(error, EXIT_USER, "%s has no `generate` block, so there is nothing to evaluate", model->path);
  e->session = session;
  e->store = store;
  e->dataset = dataset;
  e->rows = rows;
  e->generator = any ? model->generators.at[0] : NULL;
  e->n_truth = n;
  e->n_fake = !any ? 0 : e->given != NULL && e->given_rows.n < n ? e->given_rows.n : n;
  e->weights = truth_weights(session, dataset, rows, n);
  for (size_t i = 0; i < model->weights.len; i++) e->parameters += model->weights.at[i].fixed ? 0 : (double)ir_elements(&model->weights.at[i].type);
  if (any && !generate(e, error)) return false;
  if (!add_observables(e, error) || !replace_truth(e, error) || !add_whole(e, error)) return false;
  return !any || evaluate_metrics(e, session->arena, model->seed, error);
}

static bool ask_for(Session *session, Store *store, const Tables *tables, const IrFn *fn, HgmError *error) {
  Bound bound = {0};
  Measured measured = {0};
  bool ok = fn == NULL || (measured_open(&measured, session, fn, store, tables, NULL, 0, error) &&
                           bound_create(&bound, session, fn, BULK_TILE, CHUNK, store, &measured.tables, error));
  bound_destroy(&bound);
  measured_close(&measured);
  return ok;
}

bool evaluate_ask(Session *session, Store *store, const Tables *tables, HgmError *error) {
  const Model *model = session->model;
  const ModelEvaluate *block = model->evaluate;
  return (model->generators.len == 0 || ask_for(session, store, tables, model->generators.at[0]->fn, error)) &&
         (block == NULL || (ask_for(session, store, tables, block->observables, error) && ask_for(session, store, tables, block->whole, error)));
}
