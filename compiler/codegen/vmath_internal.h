// Shared by the files of vmath: one-line builders so that formulas read as formulas, and the pieces several functions
// are made of. Not for other files.
#ifndef HGM_CODEGEN_VMATH_INTERNAL_H
#define HGM_CODEGEN_VMATH_INTERNAL_H

#include <math.h>
#include <string.h>

#include "compiler/codegen/emit.h"
#include "compiler/codegen/vmath.h"

typedef LLVMValueRef Value;

static inline Value add(CodeModule *m, Value a, Value b) { return LLVMBuildFAdd(m->builder, a, b, ""); }
static inline Value sub(CodeModule *m, Value a, Value b) { return LLVMBuildFSub(m->builder, a, b, ""); }
static inline Value mul(CodeModule *m, Value a, Value b) { return LLVMBuildFMul(m->builder, a, b, ""); }
static inline Value quotient(CodeModule *m, Value a, Value b) { return LLVMBuildFDiv(m->builder, a, b, ""); }
static inline Value neg(CodeModule *m, Value a) { return LLVMBuildFNeg(m->builder, a, ""); }
static inline Value choose(CodeModule *m, Value c, Value a, Value b) { return LLVMBuildSelect(m->builder, c, a, b, ""); }
static inline Value less(CodeModule *m, Value a, Value b) { return LLVMBuildFCmp(m->builder, LLVMRealOLT, a, b, ""); }
static inline Value equal(CodeModule *m, Value a, Value b) { return LLVMBuildFCmp(m->builder, LLVMRealOEQ, a, b, ""); }
// A constant of x's type; `pair` has one value for each dtype.
static inline Value number(Value x, double c) { return emit_number(LLVMTypeOf(x), c); }
static inline Value pair(Value x, double f32, double f64) { return number(x, emit_is_f64(LLVMTypeOf(x)) ? f64 : f32); }
static inline bool is_f64(Value x) { return emit_is_f64(LLVMTypeOf(x)); }
// Clamps that let NaN through.
static inline Value at_most(CodeModule *m, Value x, Value high) { return emit_min(m, high, x); }
static inline Value at_least(CodeModule *m, Value x, Value low) { return emit_max(m, low, x); }

// Integers of the same width as x's numbers.
static inline Value bits_of(CodeModule *m, Value x) { return LLVMBuildBitCast(m->builder, x, emit_int_like(m, LLVMTypeOf(x)), ""); }
static inline Value as_real(CodeModule *m, Value bits, Value like) { return LLVMBuildBitCast(m->builder, bits, LLVMTypeOf(like), ""); }
static inline Value whole(Value x, uint64_t n) { return emit_integer(LLVMTypeOf(x), n); } // x: an integer value
static inline Value iadd(CodeModule *m, Value a, Value b) { return LLVMBuildAdd(m->builder, a, b, ""); }
static inline Value isub(CodeModule *m, Value a, Value b) { return LLVMBuildSub(m->builder, a, b, ""); }
static inline Value left(CodeModule *m, Value a, unsigned n) { return LLVMBuildShl(m->builder, a, whole(a, n), ""); }
static inline Value right(CodeModule *m, Value a, unsigned n) { return LLVMBuildLShr(m->builder, a, whole(a, n), ""); }

// c[0] x^(n-1) + ... + c[n-1], n <= VMATH_COEFFICIENTS. Coefficients are rounded to x's type.
enum { VMATH_COEFFICIENTS = 32 };
Value vmath_polynomial(CodeModule *m, Value x, const double *c, unsigned n);

// x rounded to the nearest integer (half to even) for |x y| < 2^21 (f64: 2^50), by adding 1.5 2^23 (2^52): the sum's
// low bits are the integer in two's complement. Returns the integer as a real; *sum_bits: the sum's bits.
Value vmath_nearest(CodeModule *m, Value x, Value y, Value *sum_bits);
// 2^(n + offset) as a real, n the integer in the low bits of sum_bits; the exponent must be that of a normal number.
Value vmath_power_of_two(CodeModule *m, Value sum_bits, int offset, Value like);
// log(1 + f) + k ln 2 for 1 + f in [sqrt(1/2), sqrt(2)], k a whole real.
Value vmath_log_of(CodeModule *m, Value f, Value k);
// Splits positive normal x = 2^k (1 + f), 1 + f in [sqrt(1/2), sqrt(2)): returns 1 + f; *k as a real, *scale_bits:
// those of 2^-k (meaningless for |k| > 100).
Value vmath_split(CodeModule *m, Value x, Value *k, Value *scale_bits);
// Calls body, as a function of the module made at its first use, on n arguments of one type. body works in double:
// other arguments are widened, the result is rounded back.
typedef Value VMathBody(CodeModule *m, const Value *arguments);
Value vmath_call(CodeModule *m, const char *name, VMathBody *body, const Value *arguments, unsigned n);
// sin(2 pi u) and cos(2 pi u).
void vmath_sincos_turns(CodeModule *m, Value u, Value *sine, Value *cosine);

#endif
