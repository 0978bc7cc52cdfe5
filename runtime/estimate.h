// What `fit` estimates in one pass over the training split, in double, with the same bits for any number of threads: rows are cut
// into eight ranges, each range is summed in row order, ranges are added in order.
//
//   HgmRows rows = {values, weights, n_rows, n};  hgm_estimate_moments(pool, &rows, true, mean, covariance, &error)
#ifndef HGM_ESTIMATE_H
#define HGM_ESTIMATE_H

#include "runtime/error.h"
#include "runtime/pool.h"

typedef struct HgmRows {
  const double *values;  // (rows, n) row-major, finite
  const double *weights; // (rows), or NULL: ones
  int64_t rows, n;
} HgmRows;

// mean (n) = Σwx/Σw and covariance (n, n) = Σw(x - mean)(x - mean)ᵀ/Σw; centred false: of x itself, mean is 0.
bool hgm_estimate_moments(HgmPool *pool, const HgmRows *rows, bool centred, double *mean, double *covariance, HgmError *error);
// knots (n, q + 1): of each number the values at the fractions 0, 1/q, … 1 of the weight, linear between neighbours (type 7 of
// Hyndman and Fan where weights are equal).
bool hgm_estimate_quantiles(HgmPool *pool, const HgmRows *rows, int64_t q, double *knots, HgmError *error);
// Systematic resampling (Kitagawa 1996): chosen (rows) are row numbers, ascending; row i stands there about rows * w_i / Σw times. Without
// weights 0, 1, …  Refused where a weight is negative.
bool hgm_estimate_equal_rows(const HgmRows *rows, int64_t *chosen, HgmError *error);

// A mixture of k normal laws.
typedef struct HgmMixture {
  int64_t k, n;
  double *share;      // (k), adds up to 1
  double *mean;       // (k, n)
  double *covariance; // (k, n, n)
} HgmMixture;
// Expectation maximization from centres that philox draws apart (k-means++, Arthur and Vassilvitskii 2007), until the mean
// log-likelihood gains less than 1e-7 a step, 300 steps at most. Variances stay above 1e-6 of those of all rows.
bool hgm_estimate_mixture(HgmPool *pool, const HgmRows *rows, uint64_t key, HgmMixture *mixture, HgmError *error);

#endif
