// Products of arrays without gaps, for tests and benchmarks of the matrix micro-kernels.
#ifndef HGM_TESTS_DENSE_H
#define HGM_TESTS_DENSE_H

#include "compiler/codegen/gemm.h"

// Y (n, tile) of X (k, tile) and W, row-major (k, n), or (n, k) where it is transposed.
static inline Gemm dense_gemm(bool f64, int64_t n, int64_t k, int64_t tile, bool transposed) {
  return (Gemm){.f64 = f64,
                .n = n,
                .k = k,
                .w_k = transposed ? 1 : n,
                .w_n = transposed ? k : 1,
                .tile = tile,
                .x_stride = CODE_LANES,
                .x_rows = k,
                .y_stride = CODE_LANES,
                .y_rows = n};
}

// D (rows, columns) of A (rows, tile) and B (columns, tile).
static inline GemmGradient dense_gradient(bool f64, int64_t rows, int64_t columns, int64_t tile) {
  return (GemmGradient){.f64 = f64,
                        .rows = rows,
                        .columns = columns,
                        .d_stride = columns,
                        .tile = tile,
                        .a_stride = CODE_LANES,
                        .b_stride = CODE_LANES,
                        .a_rows = rows,
                        .b_rows = columns};
}

#endif
