// needs: runtime
// Oracle: closed forms, and sums in long double over the same numbers.
#include "runtime/statistics.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "tests/support/random_number.h"

static void arithmetic_series(void **state) {
  (void)state;
  enum { N = 9001 };
  double *x = malloc(N * sizeof *x), mean, std, low, high, scale;
  for (int i = 0; i < N; i++) x[i] = i - 3000;
  assert_int_equal(hgm_statistics_mean_std(NULL, x, NULL, N, 1, &mean, &std), 0);
  assert_near(mean, 1500, 1e-9);
  assert_near(std, sqrt(((double)N * N - 1) / 12), 1e-9); // variance of 0..n-1
  assert_int_equal(hgm_statistics_min_max(NULL, x, N, 1, &low, &high), 0);
  assert_true(low == -3000 && high == 6000);
  assert_int_equal(hgm_statistics_max_abs(NULL, x, N, 1, &scale), 0);
  assert_true(scale == 6000);
  assert_near(hgm_statistics_sum(NULL, x, N), 1500.0 * N, 1e-6);
  free(x);
}

static void weights_of_both_signs(void **state) {
  (void)state;
  enum { N = 20000, E = 3 };
  double *x = malloc(N * E * sizeof *x), *w = malloc(N * sizeof *w), mean[E], std[E];
  uint64_t seed = 1;
  for (int i = 0; i < N; i++) {
    w[i] = random_number(&seed) < 0.2 ? -0.7 : 1.3;
    for (int j = 0; j < E; j++) x[i * E + j] = 1e6 * j + random_number(&seed); // a mean far from 0 next to a small spread
  }
  assert_int_equal(hgm_statistics_mean_std(NULL, x, w, N, E, mean, std), 0);
  for (int j = 0; j < E; j++) {
    long double sum = 0, total = 0, squares = 0;
    for (int i = 0; i < N; i++) sum += (long double)w[i] * x[i * E + j], total += w[i];
    for (int i = 0; i < N; i++) squares += w[i] * (x[i * E + j] - sum / total) * (x[i * E + j] - sum / total);
    assert_near(mean[j], (double)(sum / total), 1e-9);
    assert_near(std[j], (double)sqrtl(squares / total), 1e-11);
  }
  free(x);
  free(w);
}

static void same_bits_for_any_threads(void **state) {
  (void)state;
  enum { N = 50000, E = 2 };
  double *x = malloc(N * E * sizeof *x), one[2 * E], other[2 * E];
  uint64_t seed = 5;
  for (int i = 0; i < N * E; i++) x[i] = exp(20 * random_number(&seed));
  hgm_statistics_mean_std(NULL, x, NULL, N, E, one, one + E);
  double sum = hgm_statistics_sum(NULL, x, N * E);
  for (int threads = 1; threads <= 4; threads++) {
    HgmPool *pool = hgm_pool_create(threads);
    hgm_statistics_mean_std(pool, x, NULL, N, E, other, other + E);
    assert_memory_equal(one, other, sizeof one);
    double again = hgm_statistics_sum(pool, x, N * E);
    assert_memory_equal(&sum, &again, sizeof sum);
    hgm_pool_destroy(pool);
  }
  free(x);
}

// Some units of the last place, however many rows there are, also where all roundings go the same way: a column of two values.
static void rounding_does_not_grow(void **state) {
  (void)state;
  enum { N = 1000000, LOW = (N + 6) / 7 };
  double *x = malloc(N * sizeof *x), mean, std;
  for (int i = 0; i < N; i++) x[i] = i % 7 == 0 ? 0.1 : 0.7;
  const long double share = (long double)LOW / N, low = 0.1, high = 0.7;
  hgm_statistics_mean_std(NULL, x, NULL, N, 1, &mean, &std);
  assert_near(mean, (double)(share * low + (1 - share) * high), 2e-16);
  assert_near(std, (double)((high - low) * sqrtl(share * (1 - share))), 1e-15);
  free(x);
}

static void constant_columns(void **state) {
  (void)state;
  enum { N = 100000 };
  double *x = malloc(N * sizeof *x), mean, std, low, high, scale;
  for (int i = 0; i < N; i++) x[i] = 0.1; // sums of 0.1 round
  assert_int_equal(hgm_statistics_mean_std(NULL, x, NULL, N, 1, &mean, &std), 1);
  assert_near(mean, 0.1, 1e-16);
  assert_true(std == 1);
  assert_int_equal(hgm_statistics_min_max(NULL, x, N, 1, &low, &high), 1);
  assert_true(low == 0.1 && high == 1.1);
  memset(x, 0, N * sizeof *x);
  assert_int_equal(hgm_statistics_max_abs(NULL, x, N, 1, &scale), 1);
  assert_true(scale == 1);
  assert_int_equal(hgm_statistics_mean_std(NULL, x, NULL, 0, 1, &mean, &std), 1); // no rows
  assert_true(mean == 0 && std == 1);
  free(x);
}

static void values_that_are_not_finite(void **state) {
  (void)state;
  double x[] = {1, NAN, 2, INFINITY, 3, -INFINITY}, mean, std, low, high, scale;
  hgm_statistics_mean_std(NULL, x, NULL, 6, 1, &mean, &std);
  assert_near(mean, 2, 1e-15);
  assert_near(std, sqrt(2.0 / 3), 1e-15);
  hgm_statistics_min_max(NULL, x, 6, 1, &low, &high);
  assert_true(low == 1 && high == 3);
  hgm_statistics_max_abs(NULL, x, 6, 1, &scale);
  assert_true(scale == 3);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(arithmetic_series),      cmocka_unit_test(weights_of_both_signs), cmocka_unit_test(same_bits_for_any_threads),
      cmocka_unit_test(rounding_does_not_grow), cmocka_unit_test(constant_columns),      cmocka_unit_test(values_that_are_not_finite),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
