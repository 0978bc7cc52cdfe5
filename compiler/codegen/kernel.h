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
  int cost;
  bool once; // runs once a step, not once a tile
} Kernel;

// Kernels of which equal ones, or those that differ in numbers alone, are one.
typedef struct KernelSet {
  Arena *arena;
  bool but_for_numbers;
  VEC(const Kernel *) distinct;
  VEC(uint64_t) hashes; // of these
  uint32_t *table;      // by hash: place among the distinct + 1
  size_t size;          // of the table, a power of two
} KernelSet;

size_t kernel_set_add(KernelSet *set, const Kernel *kernel); // its place among the distinct ones

Kernel kernel_build(Schedule *s, const Group *group);
void kernels_share_numbers(Schedule *s, Kernel *kernels, size_t n); // numbers.c: what differs in numbers alone reads them
void schedule_in_place(Schedule *s, const Kernel *kernels);         // in_place.c: by position in the order
void kernel_emit(CodeModule *m, const char *name, const Kernel *kernel);
void inverse_emit(CodeModule *m, const char *name, const Inverse *inverse);

#endif
