// Inside of the random programs: the state of a generator, and one constructor for each shape rule of ops.def.
#ifndef HGM_TESTS_RANDOM_GENERATOR_H
#define HGM_TESTS_RANDOM_GENERATOR_H

#include "tests/support/random_program.h"

enum { RANDOM_EVENTS = 64 }; // sums over events are scaled as if there were so many

typedef struct Range {
  double low, high;
} Range;

typedef struct Generator {
  IrFn *fn;
  uint64_t state;
  IrDtype real;
  RandomOptions options;
  VEC(Range) ranges; // by value; only those of the pool count
  VEC(IrRef) pool;   // values that may become operands
  IrRef wanted;      // the last operand given out
  int64_t widths[3]; // most extents are one of these
  int names;
} Generator;

bool random_chance(Generator *g, int percent);
int64_t random_width(Generator *g);
const char *random_name(Generator *g, const char *stem);
// Puts a value into the pool.
IrRef random_add(Generator *g, IrRef r, double low, double high);
Range random_range(const Generator *g, IrRef r);
// A value of the type: an old one or a new leaf.
IrRef random_want(Generator *g, IrType type);
// The value brought into low..high.
IrRef random_fit(Generator *g, IrRef r, double low, double high);
IrRef random_want_between(Generator *g, IrType type, double low, double high);
IrType random_type(Generator *g, IrDtype dtype, int own_axes); // own_axes < 0: 0..2; event axes by chance
IrDtype random_real(Generator *g);
IrDtype random_dtype(Generator *g);

typedef void RandomRule(Generator *g, IrOp op);
#define OP(ENUM, TEXT, OPERANDS, CLASS, LOWER, RULE, ...) RandomRule random_##RULE##_op;
#include "compiler/ir/ops.def"
#undef OP

#endif
