// needs: runtime
// Oracle: public implementations on numbers that are made the same way on both sides, x_i = the fraction of i times an irrational number.
// Each expected value names what computed it: scikit-learn 1.9.1, scipy 1.17.1, numpy 2.4.6, POT 0.9.7, prdc 0.2, JetNet 0.2.5.
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "runtime/metrics_bins.h"
#include "runtime/metrics_events.h"
#include "tests/support/random_number.h"

static const double steps[] = {0.6180339887498949, 0.4142135623730951, 0.7320508075688772, 0.23606797749978969};

// Number i (from 0) of the sequence of a step, in 0 .. 1.
static double number(int i, double step, double begin) {
  double v = (i + 1) * step + begin;
  return v - floor(v);
}

enum { SCORED = 40 };
typedef struct Scored {
  double score[SCORED], is_true[SCORED], weights[SCORED];
} Scored;

static Scored scored(void) { // scores are eighths, so that there are ties
  Scored s;
  for (int i = 0; i < SCORED; i++) {
    s.is_true[i] = number(i, steps[0], 0) > 0.55;
    s.score[i] = nearbyint(8 * (number(i, steps[1], 0) + 0.4 * s.is_true[i])) / 8;
    s.weights[i] = 0.5 + number(i, steps[2], 0);
  }
  return s;
}

static void areas_and_rejections(void **state) {
  (void)state;
  Scored s = scored();
  HgmRoc roc;
  HgmError error = {0};
  assert_true(hgm_roc_open(&roc, s.score, s.is_true, NULL, SCORED, &error));
  HgmEstimate area = hgm_roc_area(&roc);
  assert_near(area.value, 0.8169191919191919, 1e-12);                       // sklearn.metrics.roc_auc_score
  assert_near(area.error, 0.06474971937012176, 1e-12);                      // DeLong by all pairs, numpy
  assert_near(hgm_roc_rejection(&roc, 0.5).value, 9.428571428571429, 1e-9); // numpy.interp on sklearn.metrics.roc_curve
  assert_near(hgm_roc_rejection(&roc, 0.9).value, 2.115384615384615, 1e-9);
  hgm_roc_close(&roc);
  assert_true(hgm_roc_open(&roc, s.score, s.is_true, s.weights, SCORED, &error));
  assert_near(hgm_roc_area(&roc).value, 0.8399446573323278, 1e-12); // the same with sample_weight
  assert_near(hgm_roc_rejection(&roc, 0.5).value, 10.410746882412228, 1e-9);
  hgm_roc_close(&roc);
}

static void one_kind_alone_is_refused(void **state) {
  (void)state;
  double score[] = {1, 2, NAN, 4}, all_true[] = {1, 1, 0, 1}, both[] = {1, 0, 0, 1}, negative[] = {1, -2, 1, 1};
  HgmRoc roc;
  HgmError error = {0};
  assert_false(hgm_roc_open(&roc, score, all_true, NULL, 4, &error)); // the only false one has no score
  assert_non_null(strstr(error.text, "must be some of both"));
  assert_false(hgm_roc_open(&roc, score, both, negative, 4, &error)); // the false ones weigh -2
  assert_true(hgm_roc_open(&roc, score, both, NULL, 4, &error));
  assert_int_equal(roc.left_out, 1);
  hgm_roc_close(&roc);
}

static void histograms(void **state) {
  (void)state;
  enum { BINS = 20 };
  double x[500], y[300], p[BINS], q[BINS];
  for (int i = 0; i < 500; i++) x[i] = pow(number(i, steps[0], 0), 2);
  for (int i = 0; i < 300; i++) y[i] = pow(number(i, steps[1], 0), 1.5);
  HgmError error = {0};
  assert_true(hgm_histogram(&(HgmSample){x, NULL, 500, 0}, 0, 1, BINS, p, &error));
  assert_true(hgm_histogram(&(HgmSample){y, NULL, 300, 0}, 0, 1, BINS, q, &error));
  assert_near(hgm_bins_chi2(p, q, BINS), 0.035713769486200656, 1e-12); // numpy
  assert_near(hgm_bins_js(p, q, BINS), 0.009001679884946937, 1e-12);   // scipy.spatial.distance.jensenshannon squared
  assert_near(hgm_bins_earth(p, q, BINS), 0.06456666666666648, 1e-12); // scipy.stats.wasserstein_distance of bin numbers / 20
  double outside[] = {-5, 0.5, 7}, shares[2];
  assert_true(hgm_histogram(&(HgmSample){outside, NULL, 3, 0}, 0, 1, 2, shares, &error));
  assert_near(shares[0], 1.0 / 3, 1e-12); // what lies outside is not forgotten
  double bad[] = {1, -1};
  assert_false(hgm_histogram(&(HgmSample){outside, bad, 2, 0}, 0, 1, 2, shares, &error));
}

static void profiles(void **state) {
  (void)state;
  enum { N = 400 };
  static const double mean[] = {1.1294438811827983, 1.2068558084789092, -0.01709070267636083, -0.28066953431806424},
                      error_of_mean[] = {0.04163040629578917, 0.04053626142320217, 0.04399305297358285, 0.035770498747124464},
                      spread[] = {0.41630406295789174, 0.40333070863355874, 0.44430805576032445, 0.35591196872426933};
  double y[N], edges[] = {0, 0.25, 0.5, 0.75, 1};
  int cell[N];
  for (int i = 0; i < N; i++) {
    double x = number(i, steps[0], 0);
    y[i] = sin(6 * x) + number(i, steps[1], 0);
    cell[i] = hgm_bin_of(x, edges, 4);
  }
  HgmProfile profile;
  HgmError error = {0};
  assert_true(hgm_profile_open(&profile, y, cell, NULL, N, 4, &error));
  for (int c = 0; c < 4; c++) { // scipy.stats.binned_statistic
    assert_near(profile.mean[c], mean[c], 1e-12);
    assert_near(profile.error[c], error_of_mean[c], 1e-12);
    assert_near(profile.spread[c], spread[c], 1e-12);
  }
  assert_near(hgm_profile_difference(&profile, &profile, 1), 0, 0);
  hgm_profile_close(&profile);
}

static void bins_of_equal_content(void **state) {
  (void)state;
  double x[] = {5, 1, 2, 3, 4, NAN, 5, 5, 5}, edges[5];
  HgmError error = {0};
  assert_int_equal(hgm_equal_bins(x, 9, 4, edges, &error), 2); // 1..3, 3..5: the upper edges are one value
  assert_near(edges[0], 1, 0);
  assert_near(edges[1], 3, 0);
  assert_near(edges[2], 5, 0);
  assert_int_equal(hgm_bin_of(-7, edges, 2), 0);
  assert_int_equal(hgm_bin_of(3, edges, 2), 1);
  assert_int_equal(hgm_bin_of(NAN, edges, 2), -1);
}

static void holes_and_evenness(void **state) {
  (void)state;
  double a[] = {0, 0.1, 1}, b[] = {0, 0.1, 1}, range[] = {0, 1}, share, u[200];
  HgmError error = {0};
  assert_true(hgm_holes(a, b, NULL, 3, range, range, 2, &share, &error));
  assert_near(share, 0.5, 0); // two of four squares hold something
  for (int i = 0; i < 200; i++) u[i] = pow(number(i, steps[0], 0), 1.1);
  assert_near(hgm_evenness(u, NULL, 200, &error), 0.03619605628252176, 1e-12); // scipy.stats.kstest(u, "uniform")
}

// ---- whole events

enum { N_A = 60, N_B = 50, D = 3 };
typedef struct TwoSamples {
  double a[N_A * D], b[N_B * D], weights[N_A];
  HgmEvents of_a, of_b, weighted;
} TwoSamples;

static void fill(double *x, int n, int which) {
  static const double scale[] = {1, 2, 0.5};
  for (int i = 0; i < n; i++)
    for (int k = 0; k < D; k++) x[i * D + k] = number(i, steps[k], 0.1 * which) * scale[k] + 0.2 * which * k;
}

static void two_samples(TwoSamples *s) {
  fill(s->a, N_A, 0);
  fill(s->b, N_B, 1);
  for (int i = 0; i < N_B; i++) s->b[i * D + 2] += 0.5 * s->b[i * D];
  for (int i = 0; i < N_A; i++) s->weights[i] = 0.5 + number(i, steps[3], 0);
  s->of_a = (HgmEvents){s->a, NULL, N_A, D};
  s->of_b = (HgmEvents){s->b, NULL, N_B, D};
  s->weighted = (HgmEvents){s->a, s->weights, N_A, D};
}

static void moments_of_events(void **state) {
  (void)state;
  TwoSamples s;
  double x;
  HgmError error = {0};
  two_samples(&s);
  assert_true(hgm_frechet(&s.of_a, &s.of_b, &x, &error));
  assert_near(x, 0.49030766199070996, 1e-9); // scipy.linalg.sqrtm of numpy.cov
  assert_true(hgm_frechet(&s.weighted, &s.of_b, &x, &error));
  assert_near(x, 0.48170439537469645, 1e-9); // the same with numpy.cov(aweights =)
  assert_true(hgm_frechet(&s.of_a, &s.of_a, &x, &error));
  assert_near(x, 0, 1e-9);
  assert_true(hgm_covariance_distance(&s.of_a, &s.of_b, &x, &error));
  assert_near(x, 0.050254794881065816, 1e-12); // numpy.linalg.norm
}

static void a_column_without_spread_counts_as_none(void **state) {
  (void)state;
  double a[8] = {0, 7, 1, 7, 2, 7, 3, 7}, b[8] = {1, 7, 2, 7, 3, 7, 4, 7}, x;
  HgmError error = {0};
  assert_true(hgm_frechet(&(HgmEvents){a, NULL, 4, 2}, &(HgmEvents){b, NULL, 4, 2}, &x, &error));
  assert_near(x, 1, 1e-9); // the mean moves by 1, the covariances are equal
}

static void kernels_and_neighbours(void **state) {
  (void)state;
  TwoSamples s;
  double density, coverage, distance[N_B], sum = 0;
  HgmError error = {0};
  two_samples(&s);
  assert_near(hgm_kernel_discrepancy(&s.of_a, &s.of_b), 4.815732788869234, 1e-9); // jetnet's _mmd_quadratic_unbiased, degree 4
  assert_true(hgm_coverage(&s.of_a, &s.of_b, 5, &density, &coverage, &error));
  assert_near(density, 0.104, 1e-12); // prdc.compute_prdc
  assert_near(coverage, 0.21666666666666667, 1e-12);
  assert_true(hgm_nearest(&s.of_b, &s.of_a, NULL, distance, &error));
  for (int i = 0; i < N_B; i++) sum += distance[i];
  assert_near(sum, 24.91056090462461, 1e-9); // scipy.spatial.distance.cdist
}

// Many numbers an event, and counts that are no multiples of those that are looked at together.
static void nearest_of_long_events(void **state) {
  (void)state;
  enum { N = 70, M = 21, LONG = 150 };
  static double a[N * LONG], b[M * LONG], distance[N];
  uint64_t seed = 5;
  HgmError error = {0};
  for (int i = 0; i < N * LONG; i++) a[i] = random_number(&seed);
  for (int i = 0; i < M * LONG; i++) b[i] = random_number(&seed);
  memcpy(a + 7 * LONG, b + 20 * LONG, LONG * sizeof *a);
  HgmPool *pool = hgm_pool_create(2);
  assert_true(hgm_nearest(&(HgmEvents){a, NULL, N, LONG}, &(HgmEvents){b, NULL, M, LONG}, pool, distance, &error));
  hgm_pool_destroy(pool);
  assert_true(distance[7] == 0);
  for (int i = 0; i < N; i++) {
    double least = INFINITY;
    for (int j = 0; j < M; j++) {
      double sum = 0;
      for (int k = 0; k < LONG; k++) sum += (a[i * LONG + k] - b[j * LONG + k]) * (a[i * LONG + k] - b[j * LONG + k]);
      least = fmin(least, sum);
    }
    assert_true(distance[i] == sqrt(least));
  }
}

static void transport(void **state) {
  (void)state;
  TwoSamples s;
  double x;
  HgmError error = {0};
  two_samples(&s);
  assert_true(hgm_sinkhorn(&s.of_a, &s.of_b, 0.1, &x, &error));
  assert_near(x, 0.24503084386758306, 1e-7); // ot.bregman.sinkhorn_log, its plan's cost and entropy
  assert_true(hgm_sinkhorn(&s.weighted, &s.of_b, 0.1, &x, &error));
  assert_near(x, 0.2408337399203873, 1e-7);
  s.weights[7] = -1;
  assert_false(hgm_sinkhorn(&s.weighted, &s.of_b, 0.1, &x, &error));
  assert_non_null(strstr(error.text, "negative"));
}

static void modes_are_found_and_counted(void **state) {
  (void)state;
  enum { N = 1200 };
  double x[N * 2], y[N * 2], inside;
  for (int i = 0; i < N; i++) { // truth: six places on a circle; generated: four of them, one event in ten nowhere
    double phi = 2 * acos(-1) * (i % 6) / 6, psi = 2 * acos(-1) * (i % 4) / 6, far = i % 10 == 0 ? 3 : 0;
    for (int k = 0; k < 2; k++) {
      double noise = 0.02 * (number(i, steps[k], 0) - 0.5);
      x[2 * i + k] = (k == 0 ? cos(phi) : sin(phi)) + noise;
      y[2 * i + k] = (k == 0 ? cos(psi) : sin(psi)) + noise + far;
    }
  }
  HgmEvents truth = {x, NULL, N, 2}, fake = {y, NULL, N, 2};
  HgmModes modes;
  HgmError error = {0};
  assert_true(hgm_modes_open(&modes, &truth, 0.05, &error));
  assert_int_equal(modes.n, 6);
  for (int k = 0; k < 6; k++) {
    assert_near(hypot(modes.centres[2 * k], modes.centres[2 * k + 1]), 1, 0.01);
    assert_near(modes.shares[k], 1.0 / 6, 1e-12);
  }
  assert_int_equal(hgm_modes_covered(&modes, &truth, &inside), 6);
  assert_near(inside, 1, 1e-12);
  assert_int_equal(hgm_modes_covered(&modes, &fake, &inside), 4);
  assert_near(inside, 0.9, 1e-12);
  hgm_modes_close(&modes);
  assert_true(hgm_modes_open(&modes, &truth, 1e-5, &error)); // too small a radius: no place holds 1 %
  assert_int_equal(modes.n, 0);
  hgm_modes_close(&modes);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(areas_and_rejections),
      cmocka_unit_test(one_kind_alone_is_refused),
      cmocka_unit_test(histograms),
      cmocka_unit_test(profiles),
      cmocka_unit_test(bins_of_equal_content),
      cmocka_unit_test(holes_and_evenness),
      cmocka_unit_test(moments_of_events),
      cmocka_unit_test(a_column_without_spread_counts_as_none),
      cmocka_unit_test(kernels_and_neighbours),
      cmocka_unit_test(nearest_of_long_events),
      cmocka_unit_test(transport),
      cmocka_unit_test(modes_are_found_and_counted),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
