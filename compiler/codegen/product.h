// Which contractions the matrix micro-kernels of gemm.h compute, and how the loops of the step map to theirs.
#ifndef HGM_CODEGEN_PRODUCT_H
#define HGM_CODEGEN_PRODUCT_H

#include "compiler/codegen/nest.h"

typedef struct Product {  // rows of events times weights: Y[n] = sum over k of W[k, n] X[k]
  int32_t w, x;           // operands of the step
  int32_t n_loop, k_loop; // k_loop: the last of the reduced loops, which all lie evenly or
  int32_t pieces;         // 1: only the last does: one chain over pieces, the other reduced loops around it
  int32_t zeros;          // one event: X has many zeros, which are skipped
  int32_t halves, tiles;  // numbers are bf16 (gemm.h); by AMX
  int64_t n, k;
} Product;

typedef struct Gradient { // D[a][b] = sum over events of A[a] B[b], or D[a] = sum over events of A[a]
  int32_t a, b;           // operands of the step; b -1: none
  int32_t a_loop, b_loop; // a_loop -1: one row; b_loop -1: no B
  int64_t rows, columns;
} Gradient;

bool product_fits(const Schedule *s, const Step *t, Product *product);
bool gradient_fits(const Schedule *s, const Step *t, Gradient *gradient);
int64_t product_scratch(const Product *product);                                      // bytes, 0: none
int64_t gradient_scratch(const Schedule *s, const Step *t, const Gradient *gradient); // bytes

// The nest's step 0 is the contraction; the other steps of a product follow on each finished vector.
void matvec_emit(CodeModule *m, const char *name, const Nest *nest, const Product *product);     // of one event
void product_emit(CodeModule *m, const char *name, const Nest *nest, const Product *product);    // tiles: last slot: scratch
void gradient_emit(CodeModule *m, const char *name, const Nest *nest, const Gradient *gradient); // last slot: scratch

#endif
