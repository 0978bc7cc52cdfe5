// needs: runtime
// Oracle: closed forms and sums in long double; the same bits for any number of threads.
#include "runtime/estimate.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "runtime/matrix.h"
#include "runtime/philox.h"

#define assert_near(a, b, tolerance) assert_true(fabs((a) - (b)) <= (tolerance))

enum { ROWS = 20011, N = 3 };

static double normal(int64_t i, uint64_t j) { return philox_normal(7, (uint64_t)i, 0, j); }

// x1 = 2 + z1, x2 = z1 + z2, x3 = 1e3 + 0.1 z3
static void fill(double *x) {
  for (int64_t i = 0; i < ROWS; i++) {
    x[i * N] = 2 + normal(i, 0);
    x[i * N + 1] = normal(i, 0) + normal(i, 1);
    x[i * N + 2] = 1e3 + 0.1 * normal(i, 2);
  }
}

static void moments_are_sums(void **state) {
  (void)state;
  double *x = malloc(sizeof(double) * ROWS * N), *w = malloc(sizeof(double) * ROWS), mean[N], cov[N * N], again[N * N];
  fill(x);
  for (int i = 0; i < ROWS; i++) w[i] = i % 5 == 0 ? -0.5 : 1.5;
  HgmRows rows = {x, w, ROWS, N};
  HgmError error = {0};
  HgmPool *pool = hgm_pool_create(3);
  assert_true(hgm_estimate_moments(NULL, &rows, true, mean, cov, &error));
  assert_true(hgm_estimate_moments(pool, &rows, true, mean, again, &error));
  assert_memory_equal(cov, again, sizeof cov);
  long double all = 0, m[N] = {0}, c[N * N] = {0};
  for (int i = 0; i < ROWS; i++) {
    all += w[i];
    for (int j = 0; j < N; j++) m[j] += w[i] * (long double)x[i * N + j];
  }
  for (int j = 0; j < N; j++) m[j] /= all;
  for (int i = 0; i < ROWS; i++)
    for (int j = 0; j < N; j++)
      for (int k = 0; k < N; k++) c[j * N + k] += w[i] * (x[i * N + j] - m[j]) * (x[i * N + k] - m[k]) / all;
  for (int j = 0; j < N; j++) assert_near(mean[j], (double)m[j], 1e-10);
  for (int j = 0; j < N * N; j++) assert_near(cov[j], (double)c[j], 1e-12 + 1e-11 * fabs((double)c[j]));
  assert_true(hgm_estimate_moments(NULL, &rows, false, mean, cov, &error));
  assert_near(cov[0], (double)(c[0] + m[0] * m[0]), 1e-9);
  for (int i = 0; i < ROWS; i++) w[i] = i % 2 == 0 ? 1 : -1.1;
  assert_false(hgm_estimate_moments(NULL, &rows, true, mean, cov, &error));
  assert_non_null(strstr(error.text, "more than 0"));
  hgm_pool_destroy(pool);
  free(x);
  free(w);
}

static void cholesky_and_its_inverse(void **state) {
  (void)state;
  const double a[] = {4, 2, -2, 2, 10, 2, -2, 2, 6};
  double lower[9], inverse[9], log_det;
  assert_int_equal(hgm_matrix_cholesky(3, a, lower, inverse, &log_det), 0);
  const double expected[] = {2, 0, 0, 1, 3, 0, -1, 1, 2}; // by hand
  for (int i = 0; i < 9; i++) assert_near(lower[i], expected[i], 1e-15);
  assert_near(log_det, log(2 * 3 * 2), 1e-15);
  for (int i = 0; i < 3; i++)
    for (int j = 0; j < 3; j++) {
      double sum = 0;
      for (int k = 0; k < 3; k++) sum += lower[i * 3 + k] * inverse[k * 3 + j];
      assert_near(sum, i == j, 1e-15);
    }
  const double flat[] = {1, 1, 1, 1}; // the second follows from the first
  assert_int_equal(hgm_matrix_cholesky(2, flat, lower, inverse, &log_det), 1);
  assert_near(lower[3], 1e-5, 1e-12);
}

static void axes_are_eigenvectors(void **state) {
  (void)state;
  enum { M = 40, K = 7 };
  static double a[M * M], axes[K * M], values[K];
  for (int i = 0; i < M; i++)
    for (int j = 0; j <= i; j++) a[i * M + j] = a[j * M + i] = philox_normal(9, (uint64_t)i, 0, (uint64_t)j);
  assert_true(hgm_matrix_axes(M, K, a, axes, values));
  for (int c = 0; c < K; c++) {
    assert_true(c == 0 || values[c] <= values[c - 1]);
    int longest = 0;
    for (int i = 0; i < M; i++) {
      double image = 0;
      for (int j = 0; j < M; j++) image += a[i * M + j] * axes[c * M + j];
      assert_near(image, values[c] * axes[c * M + i], 1e-12);
      if (fabs(axes[c * M + i]) > fabs(axes[c * M + longest])) longest = i;
    }
    assert_true(axes[c * M + longest] > 0);
    for (int d = 0; d <= c; d++) {
      double product = 0;
      for (int j = 0; j < M; j++) product += axes[c * M + j] * axes[d * M + j];
      assert_near(product, c == d, 1e-13);
    }
  }
  const double two[] = {2, 1, 1, 2}; // 3 along (1, 1), 1 along (1, -1)
  assert_true(hgm_matrix_axes(2, 2, two, axes, values));
  assert_near(values[0], 3, 1e-15);
  assert_near(values[1], 1, 1e-15);
  assert_near(axes[0], sqrt(0.5), 1e-15);
}

static void quantiles_lie_between_values(void **state) {
  (void)state;
  const double x[] = {5, 1, 3, 2, 4, 3}, w[] = {1, 1, 2, 1, 1, 0};
  double knots[5];
  HgmError error = {0};
  assert_true(hgm_estimate_quantiles(NULL, &(HgmRows){x, NULL, 5, 1}, 4, knots, &error));
  for (int i = 0; i < 5; i++) assert_near(knots[i], i + 1, 1e-15);
  assert_true(hgm_estimate_quantiles(NULL, &(HgmRows){x, NULL, 5, 1}, 3, knots, &error));
  assert_near(knots[1], 1 + 4.0 / 3, 1e-15);                                           // numpy.quantile([1, 2, 3, 4, 5], 1/3)
  assert_true(hgm_estimate_quantiles(NULL, &(HgmRows){x, w, 6, 1}, 2, knots, &error)); // 3 counts twice, and once not at all
  assert_near(knots[0], 1, 1e-15);
  assert_near(knots[1], 3, 1e-15);
  assert_near(knots[2], 5, 1e-15);
  const double bad[] = {1, 1, -1, 1, 1, 1};
  assert_false(hgm_estimate_quantiles(NULL, &(HgmRows){x, bad, 6, 1}, 2, knots, &error));
  assert_non_null(strstr(error.text, "-1"));
}

static void rows_come_as_often_as_they_weigh(void **state) {
  (void)state;
  enum { M = 1000 };
  static double w[M];
  static int64_t chosen[M], seen[M];
  double all = 0;
  for (int i = 0; i < M; i++) all += w[i] = i % 4 == 0 ? 0 : philox_uniform(3, (uint64_t)i, 0, 0);
  HgmError error = {0};
  assert_true(hgm_estimate_equal_rows(&(HgmRows){NULL, w, M, 1}, chosen, &error));
  for (int i = 0; i < M; i++) seen[chosen[i]]++;
  for (int i = 0; i < M; i++) {
    assert_true(w[i] > 0 || seen[i] == 0);
    assert_near((double)seen[i], M * w[i] / all, 1 + 1e-9);
  }
  assert_true(hgm_estimate_equal_rows(&(HgmRows){NULL, NULL, M, 1}, chosen, &error));
  for (int i = 0; i < M; i++) assert_int_equal(chosen[i], i);
}

static void mixture_finds_its_parts(void **state) {
  (void)state;
  double *x = malloc(sizeof(double) * ROWS * 2);
  for (int64_t i = 0; i < ROWS; i++) { // 0.3 around (-3, 0) with 0.5, 0.7 around (2, 1) with a slope
    bool first = philox_uniform(1, (uint64_t)i, 0, 9) < 0.3;
    x[2 * i] = first ? -3 + 0.5 * normal(i, 0) : 2 + normal(i, 0);
    x[2 * i + 1] = first ? 0.5 * normal(i, 1) : 1 + 0.5 * normal(i, 0) + normal(i, 1);
  }
  HgmRows rows = {x, NULL, ROWS, 2};
  double share[2], mean[4], cov[8], share2[2], mean2[4], cov2[8];
  HgmMixture a = {2, 2, share, mean, cov}, b = {2, 2, share2, mean2, cov2};
  HgmError error = {0};
  HgmPool *pool = hgm_pool_create(2);
  assert_true(hgm_estimate_mixture(pool, &rows, 5, &a, &error) && hgm_estimate_mixture(NULL, &rows, 5, &b, &error));
  assert_memory_equal(share, share2, sizeof share);
  assert_memory_equal(cov, cov2, sizeof cov);
  int left = mean[0] < mean[2] ? 0 : 1, right = 1 - left;
  const double spread = 5 / sqrt(0.3 * ROWS);
  assert_near(share[left], 0.3, 5 * sqrt(0.21 / ROWS));
  assert_near(share[left] + share[right], 1, 1e-12);
  assert_near(mean[2 * left], -3, 0.5 * spread);
  assert_near(mean[2 * left + 1], 0, 0.5 * spread);
  assert_near(mean[2 * right], 2, spread);
  assert_near(mean[2 * right + 1], 1, 1.2 * spread);
  assert_near(cov[4 * left], 0.25, 0.25 * 1.5 * spread);
  assert_near(cov[4 * right + 1], 0.5, 1.5 * spread);
  assert_near(cov[4 * right + 3], 1.25, 1.25 * 1.5 * spread);
  hgm_pool_destroy(pool);
  free(x);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(moments_are_sums),
      cmocka_unit_test(cholesky_and_its_inverse),
      cmocka_unit_test(axes_are_eigenvectors),
      cmocka_unit_test(quantiles_lie_between_values),
      cmocka_unit_test(rows_come_as_often_as_they_weigh),
      cmocka_unit_test(mixture_finds_its_parts),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
