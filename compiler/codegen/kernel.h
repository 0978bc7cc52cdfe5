// Kernels as data: what is compiled, compared (dedupe) and called. A kernel of a program is one of these kinds.
#ifndef HGM_CODEGEN_KERNEL_H
#define HGM_CODEGEN_KERNEL_H

#include "compiler/codegen/product.h"

typedef struct Inverse {
  bool f64, upper;
  int64_t n, row_stride, column_stride; // of the operand; the result is row-major
} Inverse;

typedef struct Kernel {
  GroupKind kind;
  Nest *nest; // NEST; PRODUCT: the steps behind the product
  Inverse inverse;
  Product product;
  Gradient gradient;
  uint32_t n_slots;
  const NestSlot *slots;
  uint64_t split; // elements of one flat loop, 0: none
  NestKey key;    // equal keys: the same code
  int cost;
} Kernel;

Kernel kernel_build(Schedule *s, const Group *group);
NestKey kernel_key(Arena *arena, const Kernel *kernel);
void kernels_share_numbers(Schedule *s, Kernel *kernels, size_t n); // numbers.c: what differs in numbers alone reads them
void kernel_emit(CodeModule *m, const char *name, const Kernel *kernel);
void inverse_emit(CodeModule *m, const char *name, const Inverse *inverse);

#endif
