// Small dense matrices in double, on one thread: what fits need. Arrays are row-major (n, n).
//
//   hgm_matrix_cholesky(n, covariance, lower, inverse, &log_det);  hgm_matrix_axes(n, k, covariance, axes, spread)
#ifndef HGM_MATRIX_H
#define HGM_MATRIX_H

#include <stdbool.h>
#include <stdint.h>

// A = L Lᵀ: L in `lower`, its inverse in `inverse`, log det L in *log_det. Where A is not definite (a number that is constant or
// follows from those before it) the pivot is raised to 1e-10 of the largest variance. Returns how many were raised.
int64_t hgm_matrix_cholesky(int64_t n, const double *a, double *lower, double *inverse, double *log_det);
// The k largest eigenvalues of a symmetric matrix, descending, in `values` (k), their unit vectors in the rows of `axes` (k, n), each with its
// largest component positive. Cyclic Jacobi (Golub and Van Loan, 8.5). False: out of memory.
bool hgm_matrix_axes(int64_t n, int64_t k, const double *symmetric, double *axes, double *values);

#endif
