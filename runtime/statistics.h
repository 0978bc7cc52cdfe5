// Statistics of columns, fitted once on the training split, in double, with the same bits for any number of threads:
// rows are cut into blocks of fixed length, each block is summed in row order, blocks are added in order.
//
// values: (rows, elements) row-major; weights: (rows) or NULL, may be negative; pool: NULL to run in the caller.
// Rows where a value is not finite do not count for that element. A count of -1 (a sum: NaN) means out of memory.
#ifndef HGM_STATISTICS_H
#define HGM_STATISTICS_H

#include <stdbool.h>
#include <stdint.h>

#include "runtime/pool.h"

// Weighted mean and standard deviation, two passes: mean = Σwx/Σw, std² = Σw(x - mean)²/Σw (no n - 1). A constant column, or
// one whose weighted variance is not positive, has std 1, so that standardising it gives 0. mean, std: (elements).
// Returns the number of such elements.
int64_t hgm_statistics_mean_std(HgmPool *pool, const double *values, const double *weights, int64_t rows, int64_t elements, double *mean, double *std);
// Largest absolute value; 1 where all are 0. Returns the number of those.
int64_t hgm_statistics_max_abs(HgmPool *pool, const double *values, int64_t rows, int64_t elements, double *scale);
// Least and greatest value; high = low + 1 where they are equal. Returns the number of those.
int64_t hgm_statistics_min_max(HgmPool *pool, const double *values, int64_t rows, int64_t elements, double *low, double *high);
// Σ of the finite values in the same fixed order.
double hgm_statistics_sum(HgmPool *pool, const double *values, int64_t n);

#endif
