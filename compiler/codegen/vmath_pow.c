// x to the power y, in double: y log x in two doubles, then exp. Special cases as C's pow.
#include "compiler/codegen/vmath_internal.h"

typedef struct Sum { // an unevaluated sum, low at most half a unit of high
  Value high, low;
} Sum;

static Sum fast_sum(CodeModule *m, Value large, Value small) {
  Value high = add(m, large, small);
  return (Sum){high, sub(m, small, sub(m, high, large))};
}

// log of positive normal x to about 2^-64: with s = f / (2 + f), it is k ln 2 + 2s + 2/3 s^3 + s^5 P(s^2); the first
// three terms in two doubles. P by Sollya's fpminimax, 2^-55, which is 2^-66 of the logarithm.
static Sum log_sum(CodeModule *m, Value f, Value k) {
  static const double p[] = {0x1.daa559ed9e488p-4, 0x1.e01971bc08c64p-4, 0x1.111551154f71fp-3, 0x1.3b13a9cbb9295p-3,
                             0x1.745d173ce41bap-3, 0x1.c71c71c74c77ap-3, 0x1.24924924922fep-2, 0x1.999999999999ap-2};
  Value two = number(f, 2);
  Sum d = fast_sum(m, two, f);
  Value s = quotient(m, f, d.high), left_over = emit_fma(m, neg(m, s), d.high, f);
  Value s_low = quotient(m, emit_fma(m, neg(m, s), d.low, left_over), d.high);
  // z = s^2, c = s z 2/3 in two doubles
  Value z = mul(m, s, s), z_low = emit_fma(m, s, s, neg(m, z));
  z_low = emit_fma(m, add(m, s, s), s_low, z_low);
  Value cube = mul(m, s, z), cube_low = emit_fma(m, s, z, neg(m, cube));
  cube_low = add(m, cube_low, emit_fma(m, s, z_low, mul(m, s_low, z)));
  Value two_thirds = number(f, 0x1.5555555555555p-1), rest = number(f, 0x1.5555555555555p-55);
  Value c = mul(m, cube, two_thirds), c_low = emit_fma(m, cube, two_thirds, neg(m, c));
  c_low = add(m, c_low, emit_fma(m, cube_low, two_thirds, mul(m, cube, rest)));
  Value small = mul(m, mul(m, cube, z), vmath_polynomial(m, z, p, 8));
  Value k_high = mul(m, k, number(f, 0x1.62e42fefa38p-1)); // exact: its factor ends in zeros
  Sum a = fast_sum(m, k_high, mul(m, s, two));             // k 0: the larger comes second, and the sum is exact all the same
  Sum b = fast_sum(m, a.high, c);
  Value low = add(m, add(m, add(m, c_low, small), mul(m, s_low, two)), mul(m, k, number(f, 0x1.ef35793c7673p-45)));
  low = add(m, add(m, a.low, b.low), low);
  return fast_sum(m, b.high, low);
}

// |x| to the y, |x| positive and finite.
static Value power(CodeModule *m, Value a, Value y) {
  Value denormal = less(m, a, number(a, 0x1p-1022)), k, scale;
  Value normal = choose(m, denormal, mul(m, a, number(a, 0x1p54)), a);
  Value f = sub(m, vmath_split(m, normal, &k, &scale), number(a, 1));
  Sum log = log_sum(m, f, add(m, k, choose(m, denormal, number(a, -54), number(a, 0))));
  Value high = mul(m, y, log.high), low = emit_fma(m, y, log.high, neg(m, high));
  low = emit_fma(m, y, log.low, low);
  Value beyond = less(m, number(a, 800), emit_abs(m, high)); // overflow or zero: the low part may be no number
  low = choose(m, beyond, number(a, 0), low);
  Value near = at_least(m, at_most(m, high, number(a, 800)), number(a, -800));
  Sum total = fast_sum(m, near, low);
  Value e = vmath_exp(m, total.high);
  Value corrected = emit_fma(m, e, total.low, e);
  return choose(m, less(m, e, number(a, INFINITY)), corrected, e);
}

static Value pow_f64(CodeModule *m, const Value *arguments) {
  Value x = arguments[0], y = arguments[1], zero = number(x, 0), one = number(x, 1), infinity = number(x, INFINITY);
  Value a = emit_abs(m, x), size = emit_abs(m, y), negative = less(m, emit_copysign(m, one, x), zero);
  Value is_whole = equal(m, emit_floor(m, y), y), half = mul(m, y, number(x, 0.5));
  Value is_odd = LLVMBuildAnd(m->builder, is_whole, LLVMBuildFCmp(m->builder, LLVMRealUNE, emit_floor(m, half), half, ""), "");
  is_odd = LLVMBuildAnd(m->builder, is_odd, less(m, size, number(x, 0x1p53)), "");
  Value result = power(m, a, y);
  // |x| = 0 or infinity, or y infinite: 0, 1 or infinity by the direction of y log |x|
  Value grows = LLVMBuildXor(m->builder, less(m, one, a), less(m, y, zero), "");
  Value extreme = LLVMBuildOr(m->builder, LLVMBuildOr(m->builder, equal(m, a, zero), equal(m, a, infinity), ""), equal(m, size, infinity), "");
  result = choose(m, extreme, choose(m, grows, infinity, zero), result);
  result = choose(m, LLVMBuildAnd(m->builder, negative, is_odd, ""), neg(m, result), result);
  Value no_number = LLVMBuildAnd(m->builder, LLVMBuildAnd(m->builder, less(m, x, zero), LLVMBuildNot(m->builder, is_whole, ""), ""),
                                 LLVMBuildAnd(m->builder, less(m, a, infinity), less(m, size, infinity), ""), "");
  no_number = LLVMBuildOr(m->builder, no_number, LLVMBuildFCmp(m->builder, LLVMRealUNO, x, y, ""), "");
  result = choose(m, no_number, number(x, NAN), result);
  Value always_one = LLVMBuildOr(m->builder, equal(m, x, one), equal(m, y, zero), "");
  Value minus_one = LLVMBuildAnd(m->builder, equal(m, x, number(x, -1)), equal(m, size, infinity), "");
  return choose(m, LLVMBuildOr(m->builder, always_one, minus_one, ""), one, result);
}

Value vmath_pow(CodeModule *m, Value x, Value y) { return vmath_call(m, "pow", pow_f64, (Value[]){x, y}, 2); }
