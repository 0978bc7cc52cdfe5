#include "runtime/estimate.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { RANGES = 8 };

static double weight_of(const HgmRows *r, int64_t i) { return r->weights == NULL ? 1 : r->weights[i]; }

static bool no_memory(HgmError *error) { return hgm_fail(error, 2, "out of memory for a fit"); }

// ---- moments

typedef struct Moments {
  const HgmRows *rows;
  const double *mean; // NULL: sums of x, else of products
  double *sums;       // (ranges, size)
  int64_t size;
} Moments;

static void one_range(void *data, int64_t range, int thread) {
  (void)thread;
  const Moments *m = data;
  const HgmRows *r = m->rows;
  const int64_t n = r->n;
  double *sum = m->sums + range * m->size;
  for (int64_t i = range * r->rows / RANGES; i < (range + 1) * r->rows / RANGES; i++) {
    const double w = weight_of(r, i), *x = r->values + i * n;
    if (m->mean == NULL)
      for (int64_t j = 0; j < n; j++) sum[j] += w * x[j];
    for (int64_t j = 0; m->mean != NULL && j < n; j++) {
      const double scaled = w * (x[j] - m->mean[j]);
      for (int64_t k = 0; k <= j; k++) sum[j * n + k] += scaled * (x[k] - m->mean[k]);
    }
  }
}

// out (size) = sums over all rows / total
static void add_ranges(HgmPool *pool, Moments *m, double total, double *out) {
  memset(m->sums, 0, sizeof(double) * (size_t)(RANGES * m->size));
  if (pool != NULL) hgm_pool_run(pool, RANGES, one_range, m);
  else
    for (int64_t range = 0; range < RANGES; range++) one_range(m, range, 0);
  for (int64_t j = 0; j < m->size; j++) {
    double sum = 0;
    for (int64_t range = 0; range < RANGES; range++) sum += m->sums[range * m->size + j];
    out[j] = sum / total;
  }
}

static bool total_weight(const HgmRows *r, double *total, HgmError *error) {
  *total = 0;
  for (int64_t i = 0; i < r->rows; i++) *total += weight_of(r, i);
  return *total > 0 || hgm_fail(error, 1, "the weights of the events add up to %g; a fit needs more than 0", *total);
}

bool hgm_estimate_moments(HgmPool *pool, const HgmRows *rows, bool centred, double *mean, double *covariance, HgmError *error) {
  const int64_t n = rows->n;
  double total;
  if (!total_weight(rows, &total, error)) return false;
  Moments m = {.rows = rows, .size = n, .sums = malloc(sizeof(double) * (size_t)(RANGES * n * n + RANGES))};
  if (m.sums == NULL) return no_memory(error);
  memset(mean, 0, sizeof *mean * (size_t)n);
  if (centred) add_ranges(pool, &m, total, mean);
  m.mean = mean;
  m.size = n * n;
  add_ranges(pool, &m, total, covariance);
  free(m.sums);
  for (int64_t j = 0; j < n; j++)
    for (int64_t k = j + 1; k < n; k++) covariance[j * n + k] = covariance[k * n + j];
  return true;
}

// ---- quantiles

typedef struct Weighted {
  double x, w;
} Weighted;

static int by_value(const void *a, const void *b) {
  const Weighted *p = a, *q = b;
  if (p->x != q->x) return (p->x > q->x) - (p->x < q->x);
  return (p->w > q->w) - (p->w < q->w);
}

typedef struct Quantiles {
  const HgmRows *rows;
  int64_t q;
  double *knots;
  bool *failed;
} Quantiles;

// Row i of the sorted ones stands at the fraction (Σ_{k<i} w_k + Σ_{k<=i} w_k - w_0) / (2 Σw - w_0 - w_last): i / (rows - 1) for equal weights.
static void quantiles_of(const Weighted *sorted, int64_t rows, int64_t q, double *knots) {
  double all = 0;
  for (int64_t i = 0; i < rows; i++) all += sorted[i].w;
  const double first = sorted[0].w, range = 2 * all - first - sorted[rows - 1].w;
  double before = 0, left = 0;
  int64_t i = 0;
  for (int64_t k = 0; k <= q; k++) {
    const double wanted = (double)k / (double)q;
    double right = left;
    while (i + 1 < rows) {
      right = range > 0 ? (2 * (before + sorted[i].w) + sorted[i + 1].w - first) / range : 1;
      if (right > wanted) break;
      before += sorted[i++].w;
      left = right;
    }
    const double part = i + 1 < rows && right > left ? (wanted - left) / (right - left) : 0;
    knots[k] = k == q ? sorted[rows - 1].x : part > 0 ? sorted[i].x + part * (sorted[i + 1].x - sorted[i].x) : sorted[i].x;
  }
}

static void quantiles_of_number(void *data, int64_t j, int thread) {
  (void)thread;
  const Quantiles *work = data;
  const HgmRows *r = work->rows;
  Weighted *sorted = malloc(sizeof *sorted * (size_t)(r->rows + 1));
  work->failed[j] = sorted == NULL;
  if (sorted == NULL) return;
  int64_t n = 0;
  for (int64_t i = 0; i < r->rows; i++)
    if (weight_of(r, i) > 0) sorted[n++] = (Weighted){r->values[i * r->n + j], weight_of(r, i)};
  qsort(sorted, (size_t)n, sizeof *sorted, by_value);
  quantiles_of(sorted, n, work->q, work->knots + j * (work->q + 1));
  free(sorted);
}

static bool no_negative(const HgmRows *r, HgmError *error) {
  for (int64_t i = 0; i < r->rows; i++)
    if (weight_of(r, i) < 0)
      return hgm_fail(error, 1, "an event has the weight %g; this fit takes weights of 0 and more, so cut such events with `where`", weight_of(r, i));
  return true;
}

bool hgm_estimate_quantiles(HgmPool *pool, const HgmRows *rows, int64_t q, double *knots, HgmError *error) {
  double total;
  if (!no_negative(rows, error) || !total_weight(rows, &total, error)) return false;
  Quantiles work = {.rows = rows, .q = q, .knots = knots, .failed = calloc((size_t)rows->n + 1, sizeof(bool))};
  bool ok = work.failed != NULL;
  if (ok && pool != NULL) hgm_pool_run(pool, rows->n, quantiles_of_number, &work);
  for (int64_t j = 0; ok && pool == NULL && j < rows->n; j++) quantiles_of_number(&work, j, 0);
  for (int64_t j = 0; ok && j < rows->n; j++) ok = !work.failed[j];
  free(work.failed);
  return ok || no_memory(error);
}

// ---- rows of equal weight

bool hgm_estimate_equal_rows(const HgmRows *rows, int64_t *chosen, HgmError *error) {
  double total;
  if (!no_negative(rows, error) || !total_weight(rows, &total, error)) return false;
  const double step = total / (double)rows->rows;
  double passed = 0;
  int64_t i = 0, last = 0;
  for (int64_t k = 0; k < rows->rows; k++) {
    if (rows->weights == NULL) {
      chosen[k] = k;
      continue;
    }
    const double wanted = ((double)k + 0.5) * step;
    while (i < rows->rows && passed + weight_of(rows, i) <= wanted) passed += weight_of(rows, i++);
    while (i < rows->rows && weight_of(rows, i) == 0) i++;
    chosen[k] = last = i < rows->rows ? i : last;
  }
  return true;
}
