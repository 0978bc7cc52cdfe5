// sin, cos, atan2. Polynomials by Sollya's fpminimax as in vmath_exp.c.
#include "compiler/codegen/vmath_internal.h"

// sin r and cos r for |r| <= pi / 4.
static void sincos_small(CodeModule *m, Value r, Value *sine, Value *cosine) {
  static const double sin32[] = {-0x1.9ab296p-13, 0x1.110be4p-7, -0x1.555552p-3};
  static const double cos32[] = {0x1.9bb6cp-16, -0x1.6c1284p-10, 0x1.555554p-5};
  static const double sin64[] = {0x1.5e1033fed1d81p-33,  -0x1.ae601d5079a9cp-26, 0x1.71de37ae58898p-19,
                                 -0x1.a01a019e9eaf2p-13, 0x1.1111111110c7ap-7,   -0x1.5555555555555p-3};
  static const double cos64[] = {-0x1.90729f5365899p-37, 0x1.1eeb56ab2f191p-29,  -0x1.27e4fa01e48dfp-22,
                                 0x1.a01a019f37922p-16,  -0x1.6c16c16c168c8p-10, 0x1.5555555555555p-5};
  unsigned n = is_f64(r) ? 6 : 3;
  Value z = mul(m, r, r), s = vmath_polynomial(m, z, is_f64(r) ? sin64 : sin32, n);
  Value c = vmath_polynomial(m, z, is_f64(r) ? cos64 : cos32, n);
  *sine = emit_fma(m, mul(m, r, z), s, r);
  *cosine = emit_fma(m, z, emit_fma(m, z, c, number(r, -0.5)), number(r, 1));
}

// sin(r + quadrant pi / 2) from sin r and cos r; the quadrant is in the two lowest bits.
static Value in_quadrant(CodeModule *m, Value quadrant, Value sine, Value cosine) {
  unsigned top = is_f64(sine) ? 63 : 31;
  Value one = whole(quadrant, 1), odd = LLVMBuildAnd(m->builder, quadrant, one, "");
  Value is_odd = LLVMBuildICmp(m->builder, LLVMIntEQ, odd, one, "");
  Value sign = left(m, right(m, quadrant, 1), top);
  Value value = choose(m, is_odd, cosine, sine);
  return as_real(m, LLVMBuildXor(m->builder, bits_of(m, value), sign, ""), sine);
}

// x = n pi / 2 + r with pi / 2 in three pieces.
static Value sine_from(CodeModule *m, Value x, unsigned quadrants) {
  Value sum_bits, n = vmath_nearest(m, x, number(x, 0x1.45f306dc9c883p-1), &sum_bits);
  Value r = emit_fma(m, n, pair(x, -0x1.921fb6p+0, -0x1.921fb54442d18p+0), x);
  r = emit_fma(m, n, pair(x, 0x1.777a5cp-25, -0x1.1a62633145c07p-54), r);
  r = emit_fma(m, n, pair(x, 0x1.ee59dap-50, 0x1.f1976b7ed8fbcp-110), r);
  r = at_least(m, at_most(m, r, number(x, 1)), number(x, -1)); // beyond the promised range: still a sine
  Value sine, cosine;
  sincos_small(m, r, &sine, &cosine);
  return in_quadrant(m, quadrants ? iadd(m, sum_bits, whole(sum_bits, quadrants)) : sum_bits, sine, cosine);
}

Value vmath_sin(CodeModule *m, Value x) {
  Value tiny = less(m, emit_abs(m, x), pair(x, 0x1p-30, 0x1p-60));
  return choose(m, tiny, x, sine_from(m, x, 0));
}

Value vmath_cos(CodeModule *m, Value x) { return sine_from(m, x, 1); }

// Exact reduction: u - n / 4 has no more digits than u.
void vmath_sincos_turns(CodeModule *m, Value u, Value *sine, Value *cosine) {
  Value quadrant, n = vmath_nearest(m, u, number(u, 4), &quadrant), s, c;
  Value r = mul(m, emit_fma(m, n, number(u, -0.25), u), number(u, 0x1.921fb54442d18p+2));
  sincos_small(m, r, &s, &c);
  *sine = in_quadrant(m, quadrant, s, c);
  *cosine = in_quadrant(m, iadd(m, quadrant, whole(quadrant, 1)), s, c);
}

// atan(small / large) for 0 <= small <= large: f32 one polynomial on [0, 1]; f64 first turned by pi / 4 above tan(pi /
// 8).
static Value atan_ratio(CodeModule *m, Value small, Value large) {
  static const double f32[] = {-0x1.449a16p-9, 0x1.c62ea6p-7,  -0x1.2a759ap-5, 0x1.01e514p-4, -0x1.636df2p-4,
                               0x1.c423eep-4,  -0x1.246f74p-3, 0x1.99984cp-3,  -0x1.555554p-2}; // 2^-27
  static const double f64[] = {0x1.fb6e3c22807f2p-7, -0x1.14b92dd2355c6p-5, 0x1.7214fe0e461c6p-5, -0x1.abcbe647014bbp-5,
                               0x1.e17f3184ce7d8p-5, -0x1.110d2ea486dc4p-4, 0x1.3b137c1e223a6p-4, -0x1.745d1567da485p-4,
                               0x1.c71c71bca834cp-4, -0x1.2492492481cb5p-3, 0x1.9999999999815p-3, -0x1.5555555555555p-2};
  if (!is_f64(small)) {
    Value t = quotient(m, small, large), z = mul(m, t, t);
    return emit_fma(m, mul(m, t, z), vmath_polynomial(m, z, f32, 9), t);
  }
  Value turned = less(m, mul(m, large, number(small, 0x1.a827999fcef32p-2)), small);
  Value t = quotient(m, choose(m, turned, sub(m, small, large), small), choose(m, turned, add(m, small, large), large));
  Value z = mul(m, t, t), atan = emit_fma(m, mul(m, t, z), vmath_polynomial(m, z, f64, 12), t);
  return add(m, atan, choose(m, turned, number(small, 0x1.921fb54442d18p-1), number(small, 0)));
}

Value vmath_atan2(CodeModule *m, Value y, Value x) {
  Value zero = number(x, 0), one = number(x, 1), ax = emit_abs(m, x), ay = emit_abs(m, y);
  Value steep = less(m, ax, ay), small = choose(m, steep, ax, ay), large = choose(m, steep, ay, ax);
  // 0 / 0 is taken as 0 / 1, inf / inf as 1 / 1; huge numbers are halved twice so that f64's sum does not overflow.
  Value both_zero = equal(m, large, zero), both_infinite = equal(m, small, number(x, INFINITY));
  Value scale = choose(m, less(m, pair(x, 0x1p126, 0x1p1022), large), number(x, 0.25), one);
  large = choose(m, LLVMBuildOr(m->builder, both_zero, both_infinite, ""), one, mul(m, large, scale));
  small = choose(m, both_infinite, one, mul(m, small, scale));
  Value angle = atan_ratio(m, small, large);
  angle = choose(m, steep, add(m, sub(m, pair(x, 0x1.921fb6p+0, 0x1.921fb54442d18p+0), angle), pair(x, -0x1.777a5cp-25, 0x1.1a62633145c07p-54)), angle);
  Value negative = less(m, emit_copysign(m, one, x), zero);
  angle = choose(m, negative, add(m, sub(m, pair(x, 0x1.921fb6p+1, 0x1.921fb54442d18p+1), angle), pair(x, -0x1.777a5cp-24, 0x1.1a62633145c07p-53)), angle);
  Value result = emit_copysign(m, angle, y);
  return choose(m, LLVMBuildFCmp(m->builder, LLVMRealUNO, x, y, ""), number(x, NAN), result);
}
