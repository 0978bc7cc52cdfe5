// Preparations fitted on the training split: the fields as far as they are prepared, then the statistics of them, round by round.
#include <math.h>
#include <string.h>

#include "compiler/driver/dataset.h"
#include "compiler/driver/domain.h"
#include "runtime/estimate.h"
#include "runtime/matrix.h"
#include "runtime/statistics.h"

// Statistics of a field's numbers together, or tables. Rows that are no part of the fit have NaN.
static bool fit_joint(Session *session, const ModelFit *fit, const double *values, int64_t rows, double *const *places, int64_t *degenerate, HgmError *error) {
  int64_t n = fit->n, kept = 0;
  Arena *arena = arena_create();
  double *some = fit->some ? arena_alloc(arena, sizeof(double) * (size_t)(rows * n + 1)) : NULL;
  for (int64_t i = 0; fit->some && i < rows; i++)
    if (!isnan(values[i * n])) memcpy(some + kept++ * n, values + i * n, sizeof(double) * (size_t)n);
  HgmRows of = {fit->some ? some : values, NULL, fit->some ? kept : rows, n};
  bool ok = of.rows > 1 || hgm_fail(error, EXIT_USER, "`%s` is fitted on %lld rows; it wants two", fit->field, (long long)of.rows);
  if (fit->kind == FIT_QUANTILES) {
    ok = ok && hgm_estimate_quantiles(session->pool, &of, fit->lengths[0] / n - 1, places[0], error);
    for (int64_t j = 0; ok && j < n; j++) *degenerate += places[0][j * (fit->lengths[0] / n)] == places[0][(j + 1) * (fit->lengths[0] / n) - 1];
  } else {
    double *covariance = arena_alloc(arena, sizeof(double) * (size_t)(n * n));
    ok = ok && hgm_estimate_moments(session->pool, &of, true, places[0], covariance, error);
    if (ok) *degenerate = hgm_matrix_cholesky(n, covariance, places[2], places[1], places[3]);
  }
  arena_destroy(arena);
  return ok;
}

static bool fit_statistic(Dataset *dataset, Session *session, Store *store, const ModelFit *fit, const double *values, HgmError *error) {
  int64_t n = fit->n, rows = dataset->n[SPLIT_TRAIN] * fit->times, degenerate = 0;
  double *places[4] = {NULL};
  for (int k = 0; k < 4 && fit->states[k] != NULL; k++) {
    Slot *slot = store_add(store, fit->states[k], HGM_F64, fit->lengths[k]);
    slot->saved = true;
    places[k] = slot->data;
  }
  double *first = places[0], *second = places[1];
  bool all = hgm_numbers_finite(HGM_FILE_F64, values, rows * n);
  for (int64_t i = 0; !all && i < rows * n; i++)
    if (!isfinite(values[i]) && !(fit->some && isnan(values[i])))
      return domain_blame(dataset, session, store, fit->field, dataset->chosen[SPLIT_TRAIN], dataset->n[SPLIT_TRAIN], error)
                 ? false
                 : hgm_fail(error, EXIT_USER, "the preparation of `%s` gives %g for row %lld of %s; check its columns' range, or cut such rows with `where`",
                            fit->field, values[i], (long long)dataset->chosen[SPLIT_TRAIN][i / (n * fit->times)], hgm_table_name(dataset->table));
  switch (fit->kind) {
  case FIT_MEAN_STD: degenerate = hgm_statistics_mean_std(session->pool, values, NULL, rows, n, first, second); break;
  case FIT_MAXABS: degenerate = hgm_statistics_max_abs(session->pool, values, rows, n, first); break;
  case FIT_WHITEN:
  case FIT_QUANTILES:
    if (!fit_joint(session, fit, values, rows, places, &degenerate, error)) return false;
    break;
  case FIT_MINMAX: degenerate = hgm_statistics_min_max(session->pool, values, rows, n, first, second); break;
  }
  if (degenerate > 0)
    fprintf(stderr, "warning: %lld of the numbers of `%s` are constant on the training split, or follow from the others\n", (long long)degenerate, fit->field);
  return true;
}

bool dataset_fit(Dataset *dataset, Session *session, Store *store, HgmError *error) {
  for (size_t r = 0; r < dataset->data->rounds.len; r++) {
    const ModelFitRound *round = &dataset->data->rounds.at[r];
    int n = (int)round->fits.len;
    Arena *scratch = arena_create();
    const char **names = ARENA_ARRAY(scratch, const char *, n + 1);
    char **data = ARENA_ARRAY(scratch, char *, n + 1);
    size_t *bytes = ARENA_ARRAY(scratch, size_t, n + 1);
    HgmScratch *room = NULL; // of this round alone
    bool ok = dataset->scratch == NULL || hgm_scratch_open(&room, dataset->folder, error);
    for (int k = 0; k < n && ok; k++) {
      names[k] = round->fits.at[k].output;
      bytes[k] = sizeof(double) * (size_t)(round->fits.at[k].n * round->fits.at[k].times);
      size_t all = bytes[k] * (size_t)dataset->n[SPLIT_TRAIN];
      ok = (data[k] = room == NULL ? arena_alloc(scratch, all) : hgm_scratch_take(room, all, error)) != NULL;
    }
    Bound bound = {0};
    ok = ok && bound_create_over(&bound, session, round->fn, dataset->n[SPLIT_TRAIN], store, &dataset->tables, error) &&
         dataset_run(&bound, dataset->chosen[SPLIT_TRAIN], dataset->n[SPLIT_TRAIN], names, data, bytes, n, error);
    bound_destroy(&bound);
    for (int k = 0; ok && k < n; k++) ok = fit_statistic(dataset, session, store, &round->fits.at[k], (const double *)(void *)data[k], error);
    arena_destroy(scratch);
    hgm_scratch_close(room);
    if (!ok) return false;
  }
  return true;
}
