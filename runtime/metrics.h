// Distances between two weighted samples. Weights may be negative; NULL weights are all 1; only sums of weights must be > 0.
// Values that are not finite are left out together with their weights, and counted.
//
//   Wasserstein-1   ∫ |F(x) - G(x)| dx  over the two weighted empirical distribution functions (Vallender, Theory Probab.
//                   Appl. 18 (1974) 784), divided by the standard deviation of the truth (1 where that is 0)
//   Kolmogorov-Smirnov   max |F(x) - G(x)|
//   on a circle     ∫ |F - G - m| with the median m of F - G (Rabin, Delon, Gousseau, J. Math. Imaging Vis. 41 (2011) 147), divided by the standard
//                   deviation about the mean direction; and Kuiper's max (F - G) - min (F - G), which has no origin (Proc. KNAW A 63 (1960) 38)
//   Spearman        Pearson correlation of weighted mid-ranks: rank of x = Σ w[x' < x] + ½ Σ w[x' = x]
#ifndef HGM_METRICS_H
#define HGM_METRICS_H

#include <stdbool.h>
#include <stdint.h>

#include "runtime/error.h"
#include "runtime/pool.h"

typedef struct HgmSample {
  const double *values;  // (n)
  const double *weights; // (n) or NULL
  int64_t n;
  double period; // of an angle, in the values' unit; 0: numbers on a line
} HgmSample;

typedef struct HgmDistance {
  double w1; // in standard deviations of the truth
  double ks; // of a circle Kuiper's
  double truth_std;
  int64_t left_out; // values of both samples that are not finite
} HgmDistance;

bool hgm_metrics_distance(const HgmSample *truth, const HgmSample *other, HgmDistance *distance, HgmError *error);

// How 16 halvings deal n events in ascending order to two halves: random, fixed by the seed, the same for all samples of n events, which share it.
typedef struct HgmHalvings {
  uint64_t seed;
  int64_t n;
  uint16_t *second; // (n) bit k: halving k deals it to the second half; NULL: not dealt yet
} HgmHalvings;
void hgm_halvings_close(HgmHalvings *halvings);

// Truth against truth: the distance between two random halves of the truth, mean over the 16 halvings. `halvings` is {.seed = …} at first.
// The error is the standard deviation over the halvings. Halves hold n/2 events, so for `other` of n events a perfect
// generator lies near 0.71 times this value.
typedef struct HgmFloor {
  double w1, w1_error, ks, ks_error;
} HgmFloor;
bool hgm_metrics_floor(const HgmSample *truth, HgmHalvings *halvings, HgmFloor *floor_, HgmError *error);

typedef struct HgmColumns {
  const double *const *columns; // (n) of `rows` values each
  int n;
  int64_t rows;
  const double *weights; // (rows) or NULL
} HgmColumns;

// Correlation matrices (n, n), row-major; a constant column has 0 beside its own 1. Rows with a value that is not finite are left out. pool NULL: on this
// thread; never changes a bit. False only when out of memory.
bool hgm_metrics_pearson(const HgmColumns *columns, HgmPool *pool, double *matrix, HgmError *error);
bool hgm_metrics_spearman(const HgmColumns *columns, HgmPool *pool, double *matrix, HgmError *error);
// Largest absolute difference of two matrices (n, n) and where it is.
double hgm_metrics_matrix_difference(const double *a, const double *b, int n, int *row, int *column);

// Truth against truth: the largest difference of a correlation between two random halves, mean and standard deviation over 8 halvings (2 where
// there are more than two million numbers).
typedef struct HgmCorrelationFloor {
  double pearson, pearson_error, spearman, spearman_error;
} HgmCorrelationFloor;
bool hgm_metrics_correlation_floor(const HgmColumns *columns, uint64_t seed, HgmPool *pool, HgmCorrelationFloor *floor_, HgmError *error);

#endif
