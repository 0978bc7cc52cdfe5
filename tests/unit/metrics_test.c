// needs: runtime
// Oracle: closed forms, and brute force over the definitions (no sorting shared with the code).
#include "runtime/metrics.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "tests/support/random_number.h"

// F(x) of the definition.
static double share_below(const HgmSample *s, double x) {
  double sum = 0, total = 0;
  for (int64_t i = 0; i < s->n; i++) {
    double w = s->weights == NULL ? 1 : s->weights[i];
    total += w;
    if (s->values[i] <= x) sum += w;
  }
  return sum / total;
}

static int ascending(const void *a, const void *b) {
  const double *p = a, *q = b;
  return (*p > *q) - (*p < *q);
}

static void brute_force(const HgmSample *a, const HgmSample *b, double *w1, double *ks) {
  int64_t n = a->n + b->n;
  double *all = malloc((size_t)n * sizeof *all);
  memcpy(all, a->values, (size_t)a->n * sizeof *all);
  memcpy(all + a->n, b->values, (size_t)b->n * sizeof *all);
  qsort(all, (size_t)n, sizeof *all, ascending);
  *w1 = *ks = 0;
  for (int64_t i = 0; i < n; i++) {
    double difference = fabs(share_below(a, all[i]) - share_below(b, all[i]));
    *ks = fmax(*ks, difference);
    if (i + 1 < n) *w1 += difference * (all[i + 1] - all[i]);
  }
  free(all);
}

static void shifted_sample(void **state) {
  (void)state;
  enum { N = 1000 };
  double x[N], y[N];
  for (int i = 0; i < N; i++) x[i] = i, y[i] = i + 2.5;
  HgmSample a = {x, NULL, N, 0}, b = {y, NULL, N, 0};
  HgmDistance d;
  HgmError error = {0};
  assert_true(hgm_metrics_distance(&a, &b, &d, &error));
  double std = sqrt(((double)N * N - 1) / 12);
  assert_near(d.truth_std, std, 1e-9);
  assert_near(d.w1, 2.5 / std, 1e-12); // a shift moves all mass by itself
  assert_near(d.ks, 3.0 / N, 1e-12);
  assert_true(hgm_metrics_distance(&a, &a, &d, &error));
  assert_true(d.w1 == 0 && d.ks == 0);
}

static void uniform_against_its_square(void **state) {
  (void)state;
  // X uniform, Y = X²: F = x, G = √x: W1 = ∫(√x - x) = 1/6, KS = max(√x - x) = 1/4; midpoints make the sums exact to 1/n.
  enum { N = 20000 };
  double *x = malloc(N * sizeof *x), *y = malloc(N * sizeof *y);
  for (int i = 0; i < N; i++) x[i] = (i + 0.5) / N, y[i] = x[i] * x[i];
  HgmSample a = {x, NULL, N, 0}, b = {y, NULL, N, 0};
  HgmDistance d;
  HgmError error = {0};
  assert_true(hgm_metrics_distance(&a, &b, &d, &error));
  assert_near(d.w1 * d.truth_std, 1.0 / 6, 1e-6);
  assert_near(d.ks, 0.25, 2.0 / N);
  free(x);
  free(y);
}

static void against_brute_force(void **state) {
  (void)state;
  uint64_t seed = 3;
  for (int trial = 0; trial < 200; trial++) {
    double x[60], y[60], wx[60], wy[60];
    int64_t n = 1 + (int64_t)(random_number(&seed) * 59), m = 1 + (int64_t)(random_number(&seed) * 59);
    bool coarse = trial % 2 == 0, negative = trial % 3 == 0;
    for (int i = 0; i < 60; i++) {
      x[i] = coarse ? floor(random_number(&seed) * 6) : random_number(&seed); // many ties
      y[i] = coarse ? floor(random_number(&seed) * 7) : 0.3 + random_number(&seed);
      wx[i] = negative && i % 4 == 3 ? -0.5 : 0.5 + random_number(&seed);
      wy[i] = negative && i % 5 == 4 ? -0.5 : 0.5 + random_number(&seed);
    }
    HgmSample a = {x, trial % 5 == 0 ? NULL : wx, n, 0}, b = {y, wy, m, 0};
    HgmDistance d;
    HgmError error = {0};
    double w1, ks;
    brute_force(&a, &b, &w1, &ks);
    assert_true(hgm_metrics_distance(&a, &b, &d, &error));
    assert_near(d.w1 * (d.truth_std > 0 ? d.truth_std : 1), w1, 1e-12);
    assert_near(d.ks, ks, 1e-12);
  }
}

// Equal points on a circle: turning one sample by any angle costs that angle, the shorter way round, and changes nothing for two that turn together.
static void on_a_circle(void **state) {
  (void)state;
  enum { N = 500 };
  double x[N], y[N], turned[N], turned_too[N], period = 360;
  uint64_t seed = 5;
  for (int i = 0; i < N; i++) x[i] = 170 + 20 * random_number(&seed), x[i] -= x[i] > 180 ? 360 : 0; // across the seam
  HgmDistance d, line, other;
  HgmError error = {0};
  for (double by = -150; by <= 150; by += 75) {
    for (int i = 0; i < N; i++) y[i] = x[i] + by, y[i] -= 360 * nearbyint(y[i] / 360);
    assert_true(hgm_metrics_distance(&(HgmSample){x, NULL, N, period}, &(HgmSample){y, NULL, N, period}, &d, &error));
    assert_near(d.w1 * d.truth_std, fabs(by), 1e-9);
    if (by != 0) assert_near(d.ks, 1, 1e-12); // no overlap
  }
  for (int i = 0; i < N; i++) y[i] = 360 * random_number(&seed) - 180;
  assert_true(hgm_metrics_distance(&(HgmSample){x, NULL, N, period}, &(HgmSample){y, NULL, N, period}, &d, &error));
  for (int i = 0; i < N; i++) turned[i] = x[i] + 77.7, turned_too[i] = y[i] + 77.7;
  assert_true(hgm_metrics_distance(&(HgmSample){turned, NULL, N, period}, &(HgmSample){turned_too, NULL, N, period}, &other, &error));
  assert_near(d.w1, other.w1, 1e-9);
  assert_near(d.ks, other.ks, 1e-12);
  assert_near(d.truth_std, other.truth_std, 1e-9);
  assert_true(d.truth_std < 7); // a uniform law of width 20 has 5.8
  // two halves of a line that do not reach the seam lie as far apart as on the circle
  for (int i = 0; i < N; i++) x[i] = -20 + 10 * random_number(&seed), y[i] = 10 + 10 * random_number(&seed);
  assert_true(hgm_metrics_distance(&(HgmSample){x, NULL, N, period}, &(HgmSample){y, NULL, N, period}, &d, &error));
  assert_true(hgm_metrics_distance(&(HgmSample){x, NULL, N, 0}, &(HgmSample){y, NULL, N, 0}, &line, &error));
  assert_near(d.w1 * d.truth_std, line.w1 * line.truth_std, 1e-9);
  assert_near(d.truth_std, line.truth_std, 1e-2);
}

static void what_cannot_be_compared(void **state) {
  (void)state;
  double x[] = {1, 2, NAN, INFINITY}, w[] = {1, -1, 1, 1};
  HgmSample a = {x, NULL, 4, 0}, b = {x, w, 4, 0};
  HgmDistance d;
  HgmError error = {0};
  assert_true(hgm_metrics_distance(&a, &a, &d, &error));
  assert_int_equal(d.left_out, 4);
  assert_false(hgm_metrics_distance(&a, &b, &d, &error));
  assert_non_null(strstr(error.text, "sum to 0"));
  error = (HgmError){0};
  HgmSample none = {x, NULL, 0, 0};
  assert_false(hgm_metrics_distance(&none, &a, &d, &error));
}

static void halves_of_the_truth(void **state) {
  (void)state;
  enum { N = 20000 };
  double *x = malloc(N * sizeof *x);
  uint64_t seed = 11;
  for (int i = 0; i < N; i++) x[i] = random_number(&seed);
  HgmSample a = {x, NULL, N, 0};
  HgmHalvings halvings = {.seed = 1}, fresh = {.seed = 1};
  HgmFloor f, again;
  HgmError error = {0};
  assert_true(hgm_metrics_floor(&a, &halvings, &f, &error));
  assert_true(hgm_metrics_floor(&a, &halvings, &again, &error));
  assert_memory_equal(&f, &again, sizeof f);
  // Samples of another number of events between: what is kept of one must not reach the other.
  HgmSample fewer = {x, NULL, N / 3, 0};
  assert_true(hgm_metrics_floor(&fewer, &halvings, &again, &error));
  assert_true(hgm_metrics_floor(&fewer, &fresh, &f, &error));
  assert_memory_equal(&f, &again, sizeof f);
  assert_true(hgm_metrics_floor(&a, &halvings, &f, &error));
  hgm_halvings_close(&halvings);
  hgm_halvings_close(&fresh);
  // For two samples of m events of one uniform law E[KS] = 0.8687 √(2/m) (Kolmogorov's law) and
  // E[W1] = √(2/π) √(2/m) ∫√(x(1-x))dx = 0.7979 · π/8 · √(2/m), in units of 1/√12. False alarm below 1e-4 with 16 halvings.
  double scale = sqrt(2.0 / (N / 2.0));
  assert_near(f.ks / (0.8687 * scale), 1, 0.35);
  assert_near(f.w1 / (0.7979 * 3.14159265 / 8 * scale * sqrt(12.0)), 1, 0.5);
  assert_true(f.ks_error > 0 && f.ks_error < f.ks && f.w1_error > 0 && f.w1_error < f.w1);
  free(x);
}

static void correlations(void **state) {
  (void)state;
  enum { N = 500 };
  double x[N], y[N], z[N], c[N], twice[2 * N], w[N];
  uint64_t seed = 17;
  for (int i = 0; i < N; i++) x[i] = random_number(&seed) - 0.5, y[i] = exp(5 * x[i]), z[i] = -x[i] + 0.3 * random_number(&seed), c[i] = 4, w[i] = 2;
  const double *columns[] = {x, y, z, c};
  double pearson[16], spearman[16], weighted[16];
  HgmError error = {0};
  assert_true(hgm_metrics_pearson(&(HgmColumns){columns, 4, N, NULL}, NULL, pearson, &error));
  assert_true(hgm_metrics_spearman(&(HgmColumns){columns, 4, N, NULL}, NULL, spearman, &error));
  assert_near(spearman[1], 1, 1e-12); // y is increasing in x
  assert_true(pearson[1] > 0.5 && pearson[1] < 0.99);
  assert_true(pearson[3] == 0 && pearson[15] == 1); // constant column
  // Pearson by its definition.
  double mx = 0, mz = 0, xz = 0, xx = 0, zz = 0;
  for (int i = 0; i < N; i++) mx += x[i] / N, mz += z[i] / N;
  for (int i = 0; i < N; i++) xz += (x[i] - mx) * (z[i] - mz), xx += (x[i] - mx) * (x[i] - mx), zz += (z[i] - mz) * (z[i] - mz);
  assert_near(pearson[2], xz / sqrt(xx * zz), 1e-12);
  assert_near(pearson[2], pearson[8], 0);
  // Spearman without ties: 1 - 6 Σd²/(n(n² - 1)), ranks counted by brute force.
  double squares = 0;
  for (int i = 0; i < N; i++) {
    int rx = 0, rz = 0;
    for (int k = 0; k < N; k++) rx += x[k] < x[i], rz += z[k] < z[i];
    squares += (double)(rx - rz) * (rx - rz);
  }
  assert_near(spearman[2], 1 - 6 * squares / (N * ((double)N * N - 1)), 1e-12);
  // Weights of 2 are the same as every event twice, ties included.
  for (int i = 0; i < N; i++) twice[2 * i] = twice[2 * i + 1] = x[i];
  double twice_z[2 * N];
  for (int i = 0; i < N; i++) twice_z[2 * i] = twice_z[2 * i + 1] = z[i];
  const double *doubled[] = {twice, twice_z};
  double matrix[4];
  assert_true(hgm_metrics_spearman(&(HgmColumns){doubled, 2, 2 * N, NULL}, NULL, matrix, &error));
  assert_true(hgm_metrics_spearman(&(HgmColumns){columns, 4, N, w}, NULL, weighted, &error));
  assert_near(matrix[1], weighted[2], 1e-12);
  int row, column;
  weighted[9] += 0.25;
  assert_near(hgm_metrics_matrix_difference(spearman, weighted, 4, &row, &column), 0.25, 1e-9);
  assert_true(row == 2 && column == 1);
}

// Sums of many columns side by side, on several threads, are those of one after the other, to the bit.
static void correlations_of_many_columns(void **state) {
  (void)state;
  enum { N = 2500, COLUMNS = 19 };
  double *x[COLUMNS], *w = malloc(N * sizeof *w), matrix[COLUMNS * COLUMNS], total = 0;
  uint64_t seed = 29;
  HgmError error = {0};
  for (int i = 0; i < N; i++) total += w[i] = 0.5 + random_number(&seed);
  for (int k = 0; k < COLUMNS; k++) {
    x[k] = malloc(N * sizeof *x[k]);
    for (int i = 0; i < N; i++) x[k][i] = random_number(&seed) + (k > 0 ? 0.5 * x[k - 1][i] : 0);
  }
  const HgmColumns columns = {(const double *const *)x, COLUMNS, N, w};
  HgmCorrelationFloor floors[2];
  HgmPool *pool = hgm_pool_create(3);
  assert_true(hgm_metrics_correlation_floor(&columns, 1, NULL, &floors[0], &error) && hgm_metrics_correlation_floor(&columns, 1, pool, &floors[1], &error));
  assert_memory_equal(&floors[0], &floors[1], sizeof floors[0]);
  assert_true(hgm_metrics_pearson(&columns, pool, matrix, &error));
  hgm_pool_destroy(pool);
  for (int k = 0; k < COLUMNS; k++) {
    double mean = 0;
    for (int i = 0; i < N; i++) mean += w[i] * x[k][i];
    for (int i = 0; i < N; i++) x[k][i] -= mean / total;
  }
  for (int k = 0; k < COLUMNS; k++)
    for (int l = 0; l < k; l++) {
      double kl = 0, kk = 0, ll = 0;
      for (int i = 0; i < N; i++) kl += w[i] * x[k][i] * x[l][i], kk += w[i] * x[k][i] * x[k][i], ll += w[i] * x[l][i] * x[l][i];
      assert_true(matrix[k * COLUMNS + l] == kl / sqrt(kk * ll) && matrix[l * COLUMNS + k] == matrix[k * COLUMNS + l]);
    }
  for (int k = 0; k < COLUMNS; k++) free(x[k]);
  free(w);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(shifted_sample), cmocka_unit_test(uniform_against_its_square),   cmocka_unit_test(against_brute_force),
      cmocka_unit_test(on_a_circle),    cmocka_unit_test(what_cannot_be_compared),      cmocka_unit_test(halves_of_the_truth),
      cmocka_unit_test(correlations),   cmocka_unit_test(correlations_of_many_columns),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
