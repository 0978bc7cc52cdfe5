// Expectation maximization of a mixture of normal laws.
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/estimate.h"
#include "runtime/matrix.h"
#include "runtime/philox.h"

enum { RANGES = 8, MOST_STEPS = 300 };
static const double LOG_2PI = 1.83787706640934548356;

typedef struct Work {
  const HgmRows *rows;
  HgmMixture *mixture;
  double *lower, *inverse; // (k, n, n)
  double *log_norm;        // (k): log of share over the law's volume
  double *floor;           // (n): least variance
  double *sums;            // (ranges, size): of each part Σr, Σrx (n), Σr xxᵀ (n, n); at the end Σw log p and Σw
  int64_t size;
  double *scratch; // (ranges, 2 n + k)
} Work;

static double weight_of(const HgmRows *r, int64_t i) { return r->weights == NULL ? 1 : r->weights[i]; }

static double part_log_density(const Work *w, int64_t c, const double *x, double *apart) {
  const int64_t n = w->mixture->n;
  const double *mean = w->mixture->mean + c * n, *inverse = w->inverse + c * n * n;
  double squares = 0;
  for (int64_t i = 0; i < n; i++) apart[i] = x[i] - mean[i];
  for (int64_t i = 0; i < n; i++) {
    double y = 0;
    for (int64_t j = 0; j <= i; j++) y += inverse[i * n + j] * apart[j];
    squares += y * y;
  }
  return w->log_norm[c] - squares / 2;
}

static void one_range(void *data, int64_t range, int thread) {
  (void)thread;
  const Work *w = data;
  const HgmRows *r = w->rows;
  const int64_t n = r->n, k = w->mixture->k, part = 1 + n + n * n;
  double *sum = w->sums + range * w->size, *p = w->scratch + range * (2 * n + k), *apart = p + k;
  for (int64_t i = range * r->rows / RANGES; i < (range + 1) * r->rows / RANGES; i++) {
    const double *x = r->values + i * n, weight = weight_of(r, i);
    double top = -INFINITY, all = 0;
    for (int64_t c = 0; c < k; c++) top = fmax(top, p[c] = part_log_density(w, c, x, apart));
    for (int64_t c = 0; c < k; c++) all += p[c] = exp(p[c] - top);
    for (int64_t c = 0; c < k; c++) {
      const double share = weight * p[c] / all;
      double *to = sum + c * part;
      to[0] += share;
      for (int64_t a = 0; a < n; a++) {
        to[1 + a] += share * x[a];
        for (int64_t b = 0; b <= a; b++) to[1 + n + a * n + b] += share * x[a] * x[b];
      }
    }
    sum[k * part] += weight * (top + log(all));
    sum[k * part + 1] += weight;
  }
}

static void refresh(Work *w) {
  const int64_t n = w->mixture->n;
  for (int64_t c = 0; c < w->mixture->k; c++) {
    double log_det;
    hgm_matrix_cholesky(n, w->mixture->covariance + c * n * n, w->lower + c * n * n, w->inverse + c * n * n, &log_det);
    w->log_norm[c] = log(w->mixture->share[c]) - log_det - (double)n / 2 * LOG_2PI;
  }
}

// New parts from the sums; those that nothing belongs to stay where they are.
static void maximize(Work *w) {
  HgmMixture *m = w->mixture;
  const int64_t n = m->n, part = 1 + n + n * n;
  const double all = w->sums[m->k * part + 1];
  for (int64_t c = 0; c < m->k; c++) {
    const double *from = w->sums + c * part, total = from[0];
    double *mean = m->mean + c * n, *covariance = m->covariance + c * n * n;
    m->share[c] = fmax(total / all, 1e-12);
    if (!(total > 1e-9 * all)) continue;
    for (int64_t a = 0; a < n; a++) mean[a] = from[1 + a] / total;
    for (int64_t a = 0; a < n; a++)
      for (int64_t b = 0; b <= a; b++) covariance[a * n + b] = covariance[b * n + a] = from[1 + n + a * n + b] / total - mean[a] * mean[b];
    for (int64_t a = 0; a < n; a++) covariance[a * n + a] = fmax(covariance[a * n + a], w->floor[a]);
  }
}

static double expectation(HgmPool *pool, Work *w) {
  memset(w->sums, 0, sizeof(double) * (size_t)(RANGES * w->size));
  if (pool != NULL) hgm_pool_run(pool, RANGES, one_range, w);
  else
    for (int64_t range = 0; range < RANGES; range++) one_range(w, range, 0);
  for (int64_t range = 1; range < RANGES; range++)
    for (int64_t j = 0; j < w->size; j++) w->sums[j] += w->sums[range * w->size + j];
  return w->sums[w->size - 2] / w->sums[w->size - 1];
}

// Centres far from each other: each next one with a chance that grows as its squared distance (in units of the spread) from those there are.
static void choose_centres(Work *w, uint64_t key, double *distance) {
  const HgmRows *r = w->rows;
  HgmMixture *m = w->mixture;
  for (int64_t i = 0; i < r->rows; i++) distance[i] = 1;
  for (int64_t c = 0; c < m->k; c++) {
    double all = 0, passed = 0;
    for (int64_t i = 0; i < r->rows; i++) all += distance[i] * fmax(weight_of(r, i), 0);
    const double wanted = philox_uniform(key, (uint64_t)c, 0, 0) * all;
    int64_t at = 0;
    for (; at + 1 < r->rows; at++)
      if ((passed += distance[at] * fmax(weight_of(r, at), 0)) > wanted) break;
    memcpy(m->mean + c * m->n, r->values + at * m->n, sizeof(double) * (size_t)m->n);
    for (int64_t i = 0; i < r->rows; i++) {
      double d = 0;
      for (int64_t j = 0; j < m->n; j++) d += pow(r->values[i * m->n + j] - m->mean[c * m->n + j], 2) / (w->floor[j] * 1e6);
      distance[i] = c == 0 ? d : fmin(distance[i], d);
    }
  }
}

static bool begin(HgmPool *pool, Work *w, uint64_t key, HgmError *error) {
  HgmMixture *m = w->mixture;
  const int64_t n = m->n;
  if (!hgm_estimate_moments(pool, w->rows, true, m->mean, m->covariance, error)) return false;
  double *distance = malloc(sizeof(double) * (size_t)(w->rows->rows + 1));
  if (distance == NULL) return hgm_fail(error, 2, "out of memory for a fit");
  for (int64_t a = 0; a < n; a++) w->floor[a] = fmax(1e-6 * m->covariance[a * n + a], 1e-300);
  for (int64_t c = 0; c < m->k; c++) m->share[c] = 1 / (double)m->k;
  for (int64_t c = 1; c < m->k; c++) memcpy(m->covariance + c * n * n, m->covariance, sizeof(double) * (size_t)(n * n));
  choose_centres(w, key, distance);
  free(distance);
  return true;
}

bool hgm_estimate_mixture(HgmPool *pool, const HgmRows *rows, uint64_t key, HgmMixture *m, HgmError *error) {
  const int64_t n = m->n, k = m->k, size = k * (1 + n + n * n) + 2;
  double *memory = calloc((size_t)(2 * k * n * n + k + n + RANGES * size + RANGES * (2 * n + k)), sizeof *memory);
  if (memory == NULL) return hgm_fail(error, 2, "out of memory for a fit");
  Work w = {.rows = rows, .mixture = m, .size = size, .lower = memory};
  w.inverse = w.lower + k * n * n;
  w.log_norm = w.inverse + k * n * n;
  w.floor = w.log_norm + k;
  w.sums = w.floor + n;
  w.scratch = w.sums + RANGES * size;
  bool ok = begin(pool, &w, key, error);
  double before = -INFINITY;
  for (int step = 0; ok && step < MOST_STEPS; step++) {
    refresh(&w);
    const double now = expectation(pool, &w);
    maximize(&w);
    if (now - before < 1e-7) break;
    before = now;
  }
  free(memory);
  return ok;
}
