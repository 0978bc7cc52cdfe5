// Inside the preparations: small IR in double, and those steps that look at all numbers of a field or at whole tables.
#ifndef HGM_PREPARATION_IR_H
#define HGM_PREPARATION_IR_H

#include "lang/preparation.h"

static inline IrRef number(IrFn *fn, double x) { return ir_number(fn, IR_F64, x); }
static inline IrRef add(IrFn *fn, IrRef a, IrRef b) { return ir_binary(fn, IR_ADD, a, b); }
static inline IrRef sub(IrFn *fn, IrRef a, IrRef b) { return ir_binary(fn, IR_SUB, a, b); }
static inline IrRef mul(IrFn *fn, IrRef a, IrRef b) { return ir_binary(fn, IR_MUL, a, b); }
static inline IrRef divide(IrFn *fn, IrRef a, IrRef b) { return ir_binary(fn, IR_DIV, a, b); }
static inline IrRef negate(IrFn *fn, IrRef a) { return ir_unary(fn, IR_NEG, a); }
static inline IrRef clamp(IrFn *fn, IrRef x, double low, double high) {
  return ir_binary(fn, IR_MIN, ir_binary(fn, IR_MAX, x, number(fn, low)), number(fn, high));
}
static inline IrRef reshape_to(IrFn *fn, IrRef x, const IrType *type) { return ir_reshape(fn, x, type->rank, type->axes); }

// in preparation_joint.c: whiten
IrRef whiten_forward(IrFn *fn, const PrepStep *step, IrRef x);
IrRef whiten_inverse(IrFn *fn, const PrepStep *step, IrRef y);
IrRef whiten_log_jacobian(IrFn *fn, const PrepStep *step);
// fractions
IrRef fractions_forward(IrFn *fn, const PrepStep *step, IrRef x);
IrRef fractions_inverse(IrFn *fn, const PrepStep *step, IrRef y);
IrRef fractions_log_jacobian(IrFn *fn, const PrepStep *step, IrRef x);
// quantile
IrRef quantile_forward(IrFn *fn, const PrepStep *step, IrRef x);
IrRef quantile_inverse(IrFn *fn, const PrepStep *step, IrRef y);
IrRef quantile_log_jacobian(IrFn *fn, const PrepStep *step, IrRef x);

#endif
