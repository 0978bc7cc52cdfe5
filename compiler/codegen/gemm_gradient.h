// The parts of a weight gradient D[a][b] (+)= sum over events of A[a][t] B[b][t] (gemm.h): which columns are computed how is decided in gemm_gradient.c.
// Private to gemm_*.c.
#ifndef HGM_CODEGEN_GEMM_GRADIENT_H
#define HGM_CODEGEN_GEMM_GRADIENT_H

#include "compiler/codegen/gemm.h"

// ---- what they have in common (gemm_gradient.c)
// Where row i begins, or the last one in place of those behind it; last NULL: there are enough.
LLVMValueRef gradient_row(CodeModule *m, LLVMTypeRef element, LLVMValueRef from, unsigned i, int64_t stride, LLVMValueRef last);
LLVMValueRef gradient_adds(CodeModule *m, const GemmGradient *g);                         // i1: add to D?
void gradient_store(CodeModule *m, LLVMValueRef sum, LLVMValueRef to, LLVMValueRef adds); // a number of D

// ---- rows of B transposed (gemm_transpose.c)
typedef struct Transposed { // as many as a vector has lanes, to [event][lane]
  const GemmGradient *g;
  LLVMTypeRef element;
  unsigned width, lanes; // of the vector; from one event to the next
  bool fewer;            // the last row may be among them: it stands for those behind it, in lanes that nobody stores
} Transposed;
// FROM: the first of them. ROWS: of B's array. LAST: which of them is B's last, where they may be fewer.
enum { TRANSPOSE_FROM, TRANSPOSE_TO, TRANSPOSE_VALID, TRANSPOSE_ROWS, TRANSPOSE_LAST, TRANSPOSE_ARGUMENTS };
void gemm_transpose_emit(CodeModule *m, const Transposed *t, const LLVMValueRef *arguments);

// ---- outer products (gemm_outer.c)
enum { OUTER_ROWS = 7 }; // A has at least so many.
typedef struct Outer {   // columns in whole vectors of 512 bits, then in one of half the width
  int64_t whole, half;
} Outer;
void gemm_outer_emit(CodeModule *m, const GemmGradient *g, const Outer *o);
int64_t gemm_outer_scratch(const GemmGradient *g, const Outer *o); // bytes
unsigned gemm_outer_lanes(const GemmGradient *g);                  // of a whole vector

// ---- dot products along the lanes (gemm_dots.c): `columns` columns from `first` on
void gemm_dots_emit(CodeModule *m, const GemmGradient *g, int64_t first, int64_t columns);

#endif
