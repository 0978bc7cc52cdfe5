#include "runtime/matrix.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static void invert_lower(int64_t n, const double *lower, double *inverse) {
  memset(inverse, 0, sizeof *inverse * (size_t)(n * n));
  for (int64_t j = 0; j < n; j++)
    for (int64_t i = j; i < n; i++) {
      double sum = i == j ? 1 : 0;
      for (int64_t k = j; k < i; k++) sum -= lower[i * n + k] * inverse[k * n + j];
      inverse[i * n + j] = sum / lower[i * n + i];
    }
}

int64_t hgm_matrix_cholesky(int64_t n, const double *a, double *lower, double *inverse, double *log_det) {
  double largest = 0, sum_of_logs = 0;
  int64_t raised = 0;
  for (int64_t i = 0; i < n; i++) largest = fmax(largest, a[i * n + i]);
  const double least = largest > 0 ? 1e-10 * largest : 1e-10;
  memset(lower, 0, sizeof *lower * (size_t)(n * n));
  for (int64_t j = 0; j < n; j++) {
    double pivot = a[j * n + j];
    for (int64_t k = 0; k < j; k++) pivot -= lower[j * n + k] * lower[j * n + k];
    if (!(pivot > least)) pivot = least, raised++;
    lower[j * n + j] = sqrt(pivot);
    sum_of_logs += log(pivot) / 2;
    for (int64_t i = j + 1; i < n; i++) {
      double sum = a[i * n + j];
      for (int64_t k = 0; k < j; k++) sum -= lower[i * n + k] * lower[j * n + k];
      lower[i * n + j] = sum / lower[j * n + j];
    }
  }
  *log_det = sum_of_logs;
  invert_lower(n, lower, inverse);
  return raised;
}

// One rotation that makes a[p][q] zero; rows of v turn with it.
static void rotate(int64_t n, double *a, double *v, int64_t p, int64_t q) {
  const double apq = a[p * n + q];
  if (apq == 0) return;
  const double theta = (a[q * n + q] - a[p * n + p]) / (2 * apq);
  const double t = (theta >= 0 ? 1 : -1) / (fabs(theta) + sqrt(theta * theta + 1)), c = 1 / sqrt(t * t + 1), s = t * c;
  for (int64_t k = 0; k < n; k++) {
    const double x = a[k * n + p], y = a[k * n + q];
    a[k * n + p] = c * x - s * y;
    a[k * n + q] = s * x + c * y;
  }
  for (int64_t k = 0; k < n; k++) {
    const double x = a[p * n + k], y = a[q * n + k], u = v[p * n + k], w = v[q * n + k];
    a[p * n + k] = c * x - s * y;
    a[q * n + k] = s * x + c * y;
    v[p * n + k] = c * u - s * w;
    v[q * n + k] = s * u + c * w;
  }
}

static double outside_diagonal(int64_t n, const double *a) {
  double sum = 0;
  for (int64_t i = 0; i < n; i++)
    for (int64_t j = 0; j < i; j++) sum += a[i * n + j] * a[i * n + j];
  return sum;
}

static void take_largest(int64_t n, int64_t k, double *a, const double *v, double *axes, double *values) {
  for (int64_t i = 0; i < k; i++) {
    int64_t best = 0;
    for (int64_t j = 1; j < n; j++)
      if (a[j * n + j] > a[best * n + best]) best = j;
    values[i] = a[best * n + best];
    a[best * n + best] = -INFINITY;
    const double *row = v + best * n;
    int64_t longest = 0;
    for (int64_t j = 1; j < n; j++)
      if (fabs(row[j]) > fabs(row[longest])) longest = j;
    for (int64_t j = 0; j < n; j++) axes[i * n + j] = row[longest] < 0 ? -row[j] : row[j];
  }
}

bool hgm_matrix_axes(int64_t n, int64_t k, const double *symmetric, double *axes, double *values) {
  enum { SWEEPS = 60 };
  const size_t bytes = sizeof(double) * (size_t)(n * n);
  double *a = malloc(bytes), *v = calloc((size_t)(n * n), sizeof *v), scale = 0;
  bool ok = a != NULL && v != NULL;
  if (ok) {
    memcpy(a, symmetric, bytes);
    for (int64_t i = 0; i < n; i++) v[i * n + i] = 1, scale += a[i * n + i] * a[i * n + i];
    for (int sweep = 0; sweep < SWEEPS && outside_diagonal(n, a) > 1e-30 * scale; sweep++)
      for (int64_t p = 0; p < n; p++)
        for (int64_t q = p + 1; q < n; q++) rotate(n, a, v, p, q);
    take_largest(n, k, a, v, axes, values);
  }
  free(a);
  free(v);
  return ok;
}
