// What the evaluator's files share: one function eval_<name> for each evaluator that ops.def names.
#ifndef HGM_IR_EVAL_H
#define HGM_IR_EVAL_H

#include "compiler/ir/ir.h"

typedef struct Eval {
  const IrFn *fn;
  const IrEnv *env;
  Arena *arena;    // messages
  double **values; // by value: its numbers, row-major; NULL before it is computed and after its last use
  const char *error;
} Eval;

// Extents with the number of events put in for event axes.
typedef struct Extents {
  int rank;
  int64_t at[IR_MAX_RANK];
} Extents;
Extents eval_extents(const Eval *e, const IrType *t);
int64_t eval_size(const Eval *e, const IrType *t);

// Whether the environment asks for values of the dtype to be rounded, and x rounded so.
bool eval_rounds(const Eval *e, IrDtype dtype);
double eval_round(const Eval *e, IrDtype dtype, double x);
// *sum + x. What rounding takes away is kept in *lost, to be added at the end (Neumaier 1974): a sum over 10^6 pairs is right to the
// last digits. Where the environment rounds, partial sums are rounded too.
void eval_accumulate(const Eval *e, IrDtype dtype, double *sum, double *lost, double x);

// n zeros, freed with free().
double *eval_numbers(size_t n);

// Numbers of one step along each axis of a row-major array.
void eval_strides(const Extents *x, int64_t strides[IR_MAX_RANK]);
// The next index in row-major order; false behind the last one.
bool eval_next(const Extents *x, int64_t index[IR_MAX_RANK]);

static inline const double *eval_in(const Eval *e, const IrValue *v, uint32_t i) { return e->values[v->operands[i]]; }
static inline const IrType *eval_type(const Eval *e, const IrValue *v, uint32_t i) { return ir_type_of(e->fn, v->operands[i]); }

// Computes v into y, which is zeroed and has eval_size numbers.
typedef void EvalRule(Eval *e, const IrValue *v, double *y);
#define OP(ENUM, TEXT, OPERANDS, CLASS, LOWER, SHAPE_RULE, ADJOINT, EVAL, ...) EvalRule eval_##EVAL;
#include "compiler/ir/ops.def"
#undef OP

#endif
