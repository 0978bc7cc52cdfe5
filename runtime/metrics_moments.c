// Distances of means and covariances.
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/metrics_events.h"

static double weight_of(const HgmEvents *e, int64_t i) { return e->weights == NULL ? 1 : e->weights[i]; }

// mean (d), covariance (d, d). False: the weights leave nothing to divide by.
static bool moments(const HgmEvents *e, double *mean, double *covariance, HgmError *error) {
  int d = e->d;
  double total = 0, squares = 0;
  memset(mean, 0, sizeof *mean * (size_t)d);
  memset(covariance, 0, sizeof *covariance * (size_t)d * (size_t)d);
  for (int64_t i = 0; i < e->n; i++) {
    double w = weight_of(e, i);
    total += w;
    squares += w * w;
    for (int k = 0; k < d; k++) mean[k] += w * e->x[i * d + k];
  }
  double rest = total - squares / total;
  if (!(total > 0 && rest > 0)) return hgm_fail(error, 1, "metrics: a covariance needs two events whose weights do not cancel");
  for (int k = 0; k < d; k++) mean[k] /= total;
  for (int64_t i = 0; i < e->n; i++) {
    double w = weight_of(e, i);
    const double *x = e->x + i * d;
    for (int k = 0; k < d; k++)
      for (int l = 0; l <= k; l++) covariance[k * d + l] += w * (x[k] - mean[k]) * (x[l] - mean[l]) / rest;
  }
  for (int k = 0; k < d; k++)
    for (int l = 0; l < k; l++) covariance[l * d + k] = covariance[k * d + l];
  return true;
}

// ---- the trace of the square root of a product

// a (d, d) positive semidefinite becomes its lower factor L, a = L Lᵀ; a column without length is left out.
static void factor(double *a, int d) {
  double scale = 0;
  for (int k = 0; k < d; k++) scale = fmax(scale, a[k * d + k]);
  for (int k = 0; k < d; k++) {
    double pivot = a[k * d + k];
    for (int l = 0; l < k; l++) pivot -= a[k * d + l] * a[k * d + l];
    double length = pivot > 1e-14 * scale ? sqrt(pivot) : 0;
    a[k * d + k] = length;
    for (int i = k + 1; i < d; i++) {
      double sum = a[i * d + k];
      for (int l = 0; l < k; l++) sum -= a[i * d + l] * a[k * d + l];
      a[i * d + k] = length > 0 ? sum / length : 0;
      a[k * d + i] = 0;
    }
  }
}

// Lᵀ b L into out, with room for d * d numbers.
static void between(const double *l, const double *b, double *out, double *room, int d) {
  memset(room, 0, sizeof *room * (size_t)d * (size_t)d);
  memset(out, 0, sizeof *out * (size_t)d * (size_t)d);
  for (int i = 0; i < d; i++)
    for (int k = 0; k < d; k++)
      for (int j = 0; j <= k; j++) room[i * d + j] += b[i * d + k] * l[k * d + j];
  for (int k = 0; k < d; k++)
    for (int i = 0; i <= k; i++)
      for (int j = 0; j < d; j++) out[i * d + j] += l[k * d + i] * room[k * d + j];
}

// A symmetric matrix to three diagonals by Householder's reflections (Golub and Van Loan, Matrix Computations, 8.3.1): on the diagonal `on`
// (d), beside it `off` (d - 1).
static void tridiagonal(double *a, double *on, double *off, double *v, double *p, int d) {
  for (int k = 0; k + 2 < d; k++) {
    double square = 0;
    for (int i = k + 1; i < d; i++) square += a[i * d + k] * a[i * d + k];
    double head = a[(k + 1) * d + k], alpha = head > 0 ? -sqrt(square) : sqrt(square), length = square - alpha * head;
    off[k] = alpha;
    if (!(length > 0)) continue; // the column is zero already
    for (int i = k + 1; i < d; i++) v[i] = a[i * d + k];
    v[k + 1] -= alpha; // v·v = 2 length
    double dot = 0;
    for (int i = k + 1; i < d; i++) {
      p[i] = 0;
      for (int j = k + 1; j < d; j++) p[i] += a[i * d + j] * v[j];
      p[i] /= length;
      dot += p[i] * v[i];
    }
    for (int i = k + 1; i < d; i++) p[i] -= dot / (2 * length) * v[i];
    for (int i = k + 1; i < d; i++)
      for (int j = k + 1; j < d; j++) a[i * d + j] -= v[i] * p[j] + p[i] * v[j];
  }
  for (int k = 0; k < d; k++) on[k] = a[k * d + k];
  if (d > 1) off[d - 2] = a[(d - 1) * d + d - 2];
}

// How many eigenvalues of three diagonals are below x (Sturm's sequence).
static int below(const double *on, const double *off, int d, double x, double tiny) {
  int count = 0;
  double q = 1;
  for (int k = 0; k < d; k++) {
    q = on[k] - x - (k > 0 ? off[k - 1] * off[k - 1] / q : 0);
    if (fabs(q) < tiny) q = -tiny;
    count += q < 0;
  }
  return count;
}

// Σ √λ over the eigenvalues, each found by bisection to rounding; what rounding makes negative counts as none.
static double sum_of_roots(const double *on, const double *off, int d) {
  double low = INFINITY, high = -INFINITY, sum = 0;
  for (int k = 0; k < d; k++) {
    double reach = (k > 0 ? fabs(off[k - 1]) : 0) + (k + 1 < d ? fabs(off[k]) : 0);
    low = fmin(low, on[k] - reach);
    high = fmax(high, on[k] + reach);
  }
  double tiny = 1e-300 + 1e-30 * fmax(fabs(low), fabs(high));
  for (int k = 0; k < d; k++) {
    double a = low, b = high; // eigenvalue k, ascending, lies between
    for (int round = 0; round < 120 && b - a > 1e-16 * fmax(fabs(a), fabs(b)); round++) {
      double middle = a + (b - a) / 2;
      if (below(on, off, d, middle, tiny) > k) b = middle;
      else a = middle;
    }
    sum += sqrt(fmax(a + (b - a) / 2, 0));
  }
  return sum;
}

static double trace(const double *a, int d) {
  double sum = 0;
  for (int k = 0; k < d; k++) sum += a[k * d + k];
  return sum;
}

// tr (a b)^½ = Σ √ of the eigenvalues of Lᵀ b L with a = L Lᵀ. a is overwritten; room: 2 d² + 4 d numbers.
static double trace_of_root(double *a, const double *b, double *room, int d) {
  double *product = room, *other = room + (size_t)d * d, *on = other + (size_t)d * d, *off = on + d, *v = off + d, *p = v + d;
  factor(a, d);
  between(a, b, product, other, d);
  tridiagonal(product, on, off, v, p, d);
  return sum_of_roots(on, off, d);
}

// ---- distances

// Moments of both: mean (d), covariance (d, d) each, then room. NULL: the error says why.
static double *both_moments(const HgmEvents *a, const HgmEvents *b, HgmError *error) {
  size_t d = (size_t)a->d;
  double *m = malloc((2 * (d + d * d) + 2 * d * d + 4 * d + 1) * sizeof *m);
  if (m == NULL) {
    hgm_fail(error, 2, "metrics: out of memory for covariances of %zu columns", d);
    return NULL;
  }
  if (moments(a, m, m + d, error) && moments(b, m + d + d * d, m + 2 * d + d * d, error)) return m;
  free(m);
  return NULL;
}

bool hgm_frechet(const HgmEvents *a, const HgmEvents *b, double *distance, HgmError *error) {
  size_t d = (size_t)a->d;
  double *m = both_moments(a, b, error), square = 0;
  if (m == NULL) return false;
  double *other = m + d + d * d, *covariance = m + d, *second = other + d;
  for (size_t k = 0; k < d; k++) square += (m[k] - other[k]) * (m[k] - other[k]);
  double traces = trace(covariance, a->d) + trace(second, a->d);
  *distance = square + traces - 2 * trace_of_root(covariance, second, second + d * d, a->d);
  free(m);
  return true;
}

bool hgm_covariance_distance(const HgmEvents *a, const HgmEvents *b, double *distance, HgmError *error) {
  size_t d = (size_t)a->d;
  double *m = both_moments(a, b, error), sum = 0;
  if (m == NULL) return false;
  const double *covariance = m + d, *second = m + 2 * d + d * d;
  for (size_t k = 0; k < d * d; k++) sum += (covariance[k] - second[k]) * (covariance[k] - second[k]);
  *distance = sqrt(sum);
  free(m);
  return true;
}
