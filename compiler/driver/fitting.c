#include "compiler/driver/fitting.h"

#include <math.h>
#include <string.h>

#include "compiler/driver/compiling.h"
#include "runtime/estimate.h"
#include "runtime/matrix.h"
#include "runtime/philox.h"

enum { SIMULATED_ROWS = 100000 };                // of data without columns
static const uint32_t FIT_PASS = UINT32_MAX - 1; // draws of a fit are not those of training

typedef struct Fitting {
  Training *t;
  ModelEstimate *m;
  Dataset *dataset; // NULL: simulated
  HgmRows rows;
  Arena *scratch;
} Fitting;

static Dataset *dataset_of(const Training *t, const ModelData *data) {
  const Model *model = t->session->model;
  for (size_t i = 0; i < model->data.len; i++)
    if (model->data.at[i] == data && t->datasets[i].table != NULL) return &t->datasets[i];
  return NULL;
}

static int64_t rows_of(const Training *t, const ModelEstimate *m) {
  const Dataset *dataset = dataset_of(t, m->data);
  return dataset == NULL ? SIMULATED_ROWS : dataset->n[SPLIT_TRAIN];
}

void fitting_size(Training *t) {
  Model *model = t->session->model;
  for (size_t i = 0; i < model->estimates.len; i++) model_size_buffer(model, model->estimates.at[i], rows_of(t, model->estimates.at[i]));
}

static void shape_slot(Slot *slot, const ModelState *state) {
  slot->rank = state->type.rank;
  memcpy(slot->shape, state->type.axes, sizeof slot->shape);
}

static Slot *add_slot(Store *store, const ModelState *state) {
  Slot *slot = store_add(store, state->name, (HgmDtype)state->type.dtype, ir_elements(&state->type));
  shape_slot(slot, state);
  return slot;
}

void fitting_shape_states(const Model *model, Store *store) {
  for (size_t i = 0; i < model->estimates.len + model->kept.len; i++) {
    const ModelEstimate *m = i < model->estimates.len ? model->estimates.at[i] : model->kept.at[i - model->estimates.len];
    for (size_t k = 0; k < m->states.len; k++) {
      Slot *slot = store_find(store, m->states.at[k].name);
      if (slot != NULL) shape_slot(slot, &m->states.at[k]);
    }
  }
}

void fitting_add_states(const Model *model, Store *store, int64_t fitted) {
  for (int64_t i = 0; i < fitted && i < (int64_t)model->estimates.len; i++)
    for (size_t k = 0; k < model->estimates.at[i]->states.len; k++) add_slot(store, &model->estimates.at[i]->states.at[k])->saved = true;
}

static size_t n_estimates(const Model *model) { return model->estimates.len + model->kept.len; }
static ModelEstimate *estimate_at(const Model *model, size_t i) {
  return i < model->estimates.len ? model->estimates.at[i] : model->kept.at[i - model->estimates.len];
}

static void size_by(Model *model, ModelEstimate *estimate, const HgmStore *file, const char *name) {
  const HgmArray *array = hgm_store_find(file, name);
  if (array != NULL && array->rank == 2) model_size_buffer(model, estimate, array->shape[0]);
}

bool fitting_size_from(Model *model, const char *path, HgmError *error) {
  bool any = false;
  for (size_t i = 0; i < n_estimates(model); i++) any = any || model_buffer(estimate_at(model, i)) != NULL;
  HgmStore *file;
  if (!any) return true;
  if (!hgm_store_load(&file, path, error)) return false;
  for (size_t i = 0; i < n_estimates(model); i++) {
    const ModelState *buffer = model_buffer(estimate_at(model, i));
    if (buffer != NULL) size_by(model, estimate_at(model, i), file, buffer->name);
  }
  hgm_store_destroy(file);
  return true;
}

void fitting_size_kept(Model *model, const HgmStore *file, const char *prefix) {
  for (size_t i = 0; i < model->kept.len; i++) {
    const ModelState *buffer = model_buffer(model->kept.at[i]);
    const size_t own = strlen("fit:"), n = strlen(prefix);
    char name[512];
    if (buffer == NULL || strncmp(buffer->name + own, prefix, n) != 0) continue;
    snprintf(name, sizeof name, "fit:%s", buffer->name + own + n + (n > 0));
    size_by(model, model->kept.at[i], file, name);
  }
}

void fitting_add_kept(const Model *model, Store *store) {
  for (size_t i = 0; i < model->kept.len; i++)
    for (size_t k = 0; k < model->kept.at[i]->states.len; k++) add_slot(store, &model->kept.at[i]->states.at[k])->saved = true;
}

// ---- states by what they are

static Slot *slot_of(const Fitting *f, const char *what) {
  const char *name = arena_printf(f->scratch, "fit:%s.%s", f->m->name, what);
  for (size_t i = 0; i < f->m->states.len; i++)
    if (strcmp(f->m->states.at[i].name, name) == 0) return add_slot(f->t->store, &f->m->states.at[i]);
  ir_fail("the fit %s has no state %s", f->m->name, what);
}

static void put(const Fitting *f, const char *what, const double *numbers) {
  Slot *slot = slot_of(f, what);
  for (int64_t i = 0; i < slot->n; i++) slot_set(slot, i, numbers[i]);
}

static double *room(const Fitting *f, int64_t n) { return ARENA_ARRAY(f->scratch, double, n + 1); }

// ---- the estimators

static bool keep_rows(const Fitting *f, HgmError *error) {
  int64_t *chosen = ARENA_ARRAY(f->scratch, int64_t, f->rows.rows + 1), n = f->rows.n;
  if (!hgm_estimate_equal_rows(&f->rows, chosen, error)) return false;
  Slot *rows = slot_of(f, "rows");
  for (int64_t i = 0; i < f->rows.rows; i++)
    for (int64_t j = 0; j < n; j++) slot_set(rows, i * n + j, f->rows.values[chosen[i] * n + j]);
  const double count = (double)f->rows.rows;
  put(f, "count", &count);
  return true;
}

static void say_raised(const Fitting *f, int64_t raised) {
  if (raised > 0)
    fprintf(stderr, "warning: %lld of the %lld numbers of `%s` are constant or follow from the others; they are given a spread of 1e-5 of the largest\n",
            (long long)raised, (long long)f->m->n, f->m->name);
}

static bool fit_gaussian(const Fitting *f, HgmError *error) {
  const int64_t n = f->m->n;
  double *mean = room(f, n), *covariance = room(f, n * n), *lower = room(f, n * n), *inverse = room(f, n * n), log_det;
  if (!hgm_estimate_moments(f->t->session->pool, &f->rows, true, mean, covariance, error)) return false;
  say_raised(f, hgm_matrix_cholesky(n, covariance, lower, inverse, &log_det));
  put(f, "mean", mean);
  put(f, "covariance", covariance);
  put(f, "lower", lower);
  put(f, "inverse", inverse);
  put(f, "log_norm", &(double){-log_det - (double)n / 2 * log(2 * 3.14159265358979323846)});
  return true;
}

static bool fit_mixture(const Fitting *f, HgmError *error) {
  const int64_t n = f->m->n, k = (int64_t)f->m->setting;
  HgmMixture mixture = {k, n, room(f, k), room(f, k * n), room(f, k * n * n)};
  double *lower = room(f, k * n * n), *inverse = room(f, k * n * n), *log_norm = room(f, k), *edges = room(f, k), log_det, sum = 0;
  uint64_t key = philox_key(f->t->session->model->seed, arena_printf(f->scratch, "fit.%s", f->m->name));
  if (!hgm_estimate_mixture(f->t->session->pool, &f->rows, key, &mixture, error)) return false;
  for (int64_t c = 0; c < k; c++) {
    hgm_matrix_cholesky(n, mixture.covariance + c * n * n, lower + c * n * n, inverse + c * n * n, &log_det);
    log_norm[c] = log(mixture.share[c]) - log_det - (double)n / 2 * log(2 * 3.14159265358979323846);
    edges[c] = sum += mixture.share[c];
  }
  put(f, "mean", mixture.mean);
  put(f, "lower", lower);
  put(f, "inverse", inverse);
  put(f, "log_norm", log_norm);
  put(f, "edges", edges);
  return true;
}

static bool fit_axes(const Fitting *f, HgmError *error) {
  const int64_t n = f->m->n, k = (int64_t)f->m->setting;
  const bool centred = f->m->kind == ESTIMATE_PCA;
  double *mean = room(f, n), *covariance = room(f, n * n), *axes = room(f, k * n), *rms = room(f, k);
  if (!hgm_estimate_moments(f->t->session->pool, &f->rows, centred, mean, covariance, error)) return false;
  if (!hgm_matrix_axes(n, k, covariance, axes, rms)) return hgm_fail(error, EXIT_ENVIRONMENT, "out of memory for the fit `%s`", f->m->name);
  for (int64_t i = 0; i < k; i++) rms[i] = sqrt(fmax(rms[i], 0));
  put(f, "axes", axes);
  put(f, "rms", rms);
  if (centred) put(f, "mean", mean);
  return true;
}

static bool fit_ecdf(const Fitting *f, HgmError *error) {
  const int64_t n = f->m->n, q = (int64_t)f->m->setting;
  double *knots = room(f, n * (q + 1)), *lower = room(f, n * q), *steep = room(f, n * q);
  if (!hgm_estimate_quantiles(f->t->session->pool, &f->rows, q, knots, error)) return false;
  for (int64_t j = 0; j < n; j++)
    for (int64_t i = 0; i < q; i++) {
      const double *knot = knots + j * (q + 1) + i, width = knot[1] - knot[0];
      lower[j * q + i] = knot[0];
      steep[j * q + i] = width > 1e-30 ? 1 / width : 1e30;
    }
  put(f, "lower", lower);
  put(f, "steep", steep);
  put(f, "edge", &(double){0.5 / (double)f->rows.rows});
  return true;
}

static bool fit_numbers(const Fitting *f, HgmError *error) {
  const int64_t n = f->m->n;
  double *mean = room(f, n), *covariance = room(f, n * n);
  if (!hgm_estimate_moments(f->t->session->pool, &f->rows, true, mean, covariance, error)) return false;
  for (int64_t j = 0; f->m->kind == ESTIMATE_SPREAD && j < n; j++) mean[j] = sqrt(fmax(covariance[j * n + j], 0));
  put(f, "value", mean);
  return true;
}

static bool estimate(const Fitting *f, HgmError *error) {
  switch (f->m->kind) {
  case ESTIMATE_COLLECT:
  case ESTIMATE_KDE: return keep_rows(f, error);
  case ESTIMATE_GAUSSIAN: return fit_gaussian(f, error);
  case ESTIMATE_MIXTURE: return fit_mixture(f, error);
  case ESTIMATE_SVD:
  case ESTIMATE_PCA: return fit_axes(f, error);
  case ESTIMATE_ECDF: return fit_ecdf(f, error);
  case ESTIMATE_QUANTILES: {
    double *edges = room(f, (int64_t)f->m->setting + 1);
    if (!hgm_estimate_quantiles(f->t->session->pool, &f->rows, (int64_t)f->m->setting, edges, error)) return false;
    put(f, "edges", edges);
    return true;
  }
  case ESTIMATE_AVERAGE:
  case ESTIMATE_SPREAD: return fit_numbers(f, error);
  }
  return false;
}

// ---- the numbers of all events

static bool compute(Fitting *f, double *values, HgmError *error) {
  static const Tables none = {0};
  Bound bound;
  Session *session = f->t->session;
  bool ok = bound_create(&bound, session, f->m->fn, BULK_TILE, CHUNK, f->t->store, f->dataset == NULL ? &none : &f->dataset->tables, error);
  for (int64_t at = 0; ok && at < f->rows.rows; at += CHUNK) {
    const int64_t n = f->rows.rows - at < CHUNK ? f->rows.rows - at : CHUNK;
    const int64_t *rows = f->dataset == NULL ? NULL : f->dataset->chosen[SPLIT_TRAIN] + at;
    ok = bound_output(&bound, "value", values + at * f->rows.n) &&
         bound_run(&bound, &(BoundCall){.events = n, .rows = rows, .event_ids = rows, .first_event = at, .pass = FIT_PASS}, error);
  }
  bound_destroy(&bound);
  for (int64_t i = 0; ok && i < f->rows.rows * f->rows.n; i++)
    if (!isfinite(values[i]))
      return hgm_fail(error, EXIT_USER, "the fit `%s` meets %g in row %lld; check the net that it looks at, or cut such rows with `where`", f->m->name,
                      values[i], (long long)(f->dataset == NULL ? i / f->rows.n : f->dataset->chosen[SPLIT_TRAIN][i / f->rows.n]));
  return ok;
}

static void take_weights(Fitting *f) {
  if (f->dataset == NULL || !f->m->data->has_weight) return;
  const Table *table = tables_find(&f->dataset->tables, arena_printf(f->scratch, "weight:%s", f->m->data->name));
  double *weights = room(f, f->rows.rows);
  for (int64_t i = 0; i < f->rows.rows; i++) {
    const int64_t row = f->dataset->chosen[SPLIT_TRAIN][i];
    weights[i] = table_number(table, row);
  }
  f->rows.weights = weights;
}

static bool fit_one(Training *t, ModelEstimate *m, HgmError *error) {
  Fitting f = {.t = t, .m = m, .dataset = dataset_of(t, m->data), .scratch = arena_create()};
  f.rows = (HgmRows){.rows = rows_of(t, m), .n = m->n};
  const double begin = now_ms();
  HgmScratch *scratch = NULL; // where the data lie in a scratch file, so do these
  const size_t bytes = sizeof(double) * (size_t)(f.rows.rows * m->n);
  bool ok = f.dataset == NULL || f.dataset->scratch == NULL || hgm_scratch_open(&scratch, f.dataset->folder, error);
  double *values = !ok ? NULL : scratch == NULL ? arena_alloc(f.scratch, bytes + 64) : hgm_scratch_take(scratch, bytes, error);
  f.rows.values = values;
  take_weights(&f);
  ok = values != NULL && compute(&f, values, error) && estimate(&f, error);
  for (size_t i = 0; i < m->states.len; i++) add_slot(t->store, &m->states.at[i])->saved = true;
  hgm_scratch_close(scratch);
  arena_destroy(f.scratch);
  timeline_add(t->session->options->timeline, begin, "the fit %s", m->name);
  return ok;
}

bool fitting_run(Training *t, HgmError *error) {
  const Model *model = t->session->model;
  while (t->position.fitted < (double)model->estimates.len) {
    ModelEstimate *m = model->estimates.at[(int)t->position.fitted];
    if ((double)m->phase > t->position.phase) return true;
    if (!fit_one(t, m, error)) return false;
    t->position.fitted++;
    if (!t->session->options->quiet) fprintf(stderr, "fitted `%s` to %lld events\n", m->name, (long long)rows_of(t, m));
  }
  return true;
}
