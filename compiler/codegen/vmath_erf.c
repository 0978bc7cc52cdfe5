// erf, erfc and the inverse of the normal distribution function.
#include "compiler/codegen/vmath_internal.h"

static Value is_nan(CodeModule *m, Value x) { return LLVMBuildFCmp(m->builder, LLVMRealUNO, x, x, ""); }

// x + x P(x^2), |x| <= 0.88; beyond 1 - exp(-a + a Q(a)), Q from log erfc (Sollya's fpminimax: 2^-26, 2^-25 of erf).
static Value erf_f32(CodeModule *m, Value x) {
  static const double near[] = {-0x1.440d5ap-11, 0x1.4981b8p-8, -0x1.b6e6b8p-6, 0x1.ce2016p-4, -0x1.812702p-2, 0x1.06eba6p-3};
  static const double far[] = {0x1.a288acp-21, -0x1.f3310ap-16, 0x1.e7f74cp-12, -0x1.118e92p-8, 0x1.972268p-6, -0x1.b83f2ep-4, -0x1.44d096p-1, -0x1.07d8ap-3};
  Value a = emit_abs(m, x), t = at_most(m, a, number(x, 4)), s = mul(m, t, t);
  Value small = emit_fma(m, x, vmath_polynomial(m, s, near, 6), x);
  Value exponent = sub(m, mul(m, t, vmath_polynomial(m, t, far, 8)), t);
  Value large = emit_copysign(m, sub(m, number(x, 1), vmath_exp(m, exponent)), x);
  return choose(m, less(m, a, number(x, 0.88)), small, large);
}

// x + x P(x^2) for |x| <= 1 (2^-56).
static Value erf_near(CodeModule *m, Value x) {
  static const double c[] = {-0x1.ac1a4196e3b8fp-31, 0x1.d73d744d56d18p-27, -0x1.5c0bc3130e26fp-23, 0x1.b9807f233887fp-20,
                             -0x1.f4ca5bb2856d7p-17, 0x1.f9a2bb4bba0e4p-14, -0x1.c02db03ff6859p-11, 0x1.565bccf908894p-8,
                             -0x1.b82ce311f7069p-6,  0x1.ce2f21a040b02p-4,  -0x1.812746b0379b5p-2,  0x1.06eba8214db68p-3};
  return emit_fma(m, x, vmath_polynomial(m, mul(m, x, x), c, 12), x);
}

// erfc a for a >= 0: exp(-a^2) P(q) / (1 + 2a), q = (a - 3) / (a + 3). The square's rounding error goes into a factor.
// P: Chebyshev interpolation of (1 + 2a) exp(a^2) erfc(a) over all a >= 0, 2^-57, written in powers of q.
static Value erfc_far(CodeModule *m, Value a) {
  static const double c[] = {0x1.cd7350f20ad1ap-31,  0x1.0f1968e597de2p-30,  -0x1.1a5abb05ab718p-27, -0x1.c96dae03284b5p-27, 0x1.60bcb894e79d1p-25,
                             0x1.b56217b9146ccp-24,  -0x1.2dabcbdb3b408p-23, -0x1.4b09042715313p-21, 0x1.7dfecd6d595a4p-22,  0x1.d20dc1d6f2168p-19,
                             -0x1.885c4173e8118p-21, -0x1.513b2bf2e7a13p-16, 0x1.4c228d0f252afp-18,  0x1.065a32b51fa50p-13,  -0x1.b912639d3c363p-14,
                             -0x1.98db50c1995dap-11, 0x1.ef1bdd0e61218p-10,  0x1.4b884e411d2b0p-9,   -0x1.8574c40b69c6ap-6,  0x1.17ca2877f2e0ap-4,
                             -0x1.e88b803a4a881p-4,  0x1.098366a5b4640p-3,   -0x1.85a15c58aa4f5p-5,  -0x1.15c084bb9e8f2p-3,  0x1.40c522d7e4987p+0};
  a = at_most(m, a, number(a, 28));
  Value q = quotient(m, sub(m, a, number(a, 3)), add(m, a, number(a, 3)));
  Value ratio = quotient(m, vmath_polynomial(m, q, c, 25), emit_fma(m, a, number(a, 2), number(a, 1)));
  Value square = mul(m, a, a), low = emit_fma(m, a, a, neg(m, square));
  return mul(m, vmath_exp(m, neg(m, square)), emit_fma(m, neg(m, low), ratio, ratio));
}

static Value erf_f64(CodeModule *m, const Value *x) {
  Value a = emit_abs(m, *x), one = number(*x, 1), t = at_most(m, a, one);
  Value far = sub(m, one, erfc_far(m, a));
  return emit_copysign(m, choose(m, less(m, a, one), erf_near(m, t), far), *x);
}

Value vmath_erf(CodeModule *m, Value x) { return is_f64(x) ? vmath_call(m, "erf", erf_f64, &x, 1) : erf_f32(m, x); }

static Value erfc_f64(CodeModule *m, const Value *x) {
  Value a = emit_abs(m, *x), zero = number(*x, 0), one = number(*x, 1), half = number(*x, 0.5);
  Value near = sub(m, one, erf_near(m, at_least(m, at_most(m, *x, half), number(*x, -0.5)))), far = erfc_far(m, a);
  far = choose(m, less(m, *x, zero), sub(m, number(*x, 2), far), far);
  return choose(m, less(m, a, half), near, far);
}

Value vmath_erfc(CodeModule *m, Value x) { return vmath_call(m, "erfc", erfc_f64, &x, 1); }

// Wichura's PPND16 (Applied Statistics 37, AS 241): rational in q^2 in the middle, in sqrt(-log tail) outside.
static Value normal_icdf_f64(CodeModule *m, const Value *x) {
  static const double a[] = {2.5090809287301226727e3, 3.3430575583588128105e4, 6.7265770927008700853e4, 4.5921953931549871457e4,
                             1.3731693765509461125e4, 1.9715909503065514427e3, 1.3314166789178437745e2, 3.3871328727963666080e0};
  static const double b[] = {5.2264952788528545610e3, 2.8729085735721942674e4, 3.9307895800092710610e4, 2.1213794301586595867e4,
                             5.3941960214247511077e3, 6.8718700749205790830e2, 4.2313330701600911252e1, 1};
  static const double c[] = {7.74545014278341407640e-4, 2.27238449892691845833e-2, 2.41780725177450611770e-1, 1.27045825245236838258e0,
                             3.64784832476320460504e0,  5.76949722146069140550e0,  4.63033784615654529590e0,  1.42343711074968357734e0};
  static const double d[] = {1.05075007164441684324e-9, 5.47593808499534494600e-4, 1.51986665636164571966e-2, 1.48103976427480074590e-1,
                             6.89767334985100004550e-1, 1.67638483018380384940e0,  2.05319162663775882187e0,  1};
  static const double e[] = {2.01033439929228813265e-7, 2.71155556874348757815e-5, 1.24266094738807843860e-3, 2.65321895265761230930e-2,
                             2.96560571828504891230e-1, 1.78482653991729133580e0,  5.46378491116411436990e0,  6.65790464350110377720e0};
  static const double f[] = {2.04426310338993978564e-15, 1.42151175831644588870e-7, 1.84631831751005468180e-5, 7.86869131145613259100e-4,
                             1.48753612908506148525e-2,  1.36929880922735805310e-1, 5.99832206555887937690e-1, 1};
  Value p = *x, half = number(p, 0.5), one = number(p, 1), q = sub(m, p, half);
  Value r = emit_fma(m, neg(m, q), q, number(p, 0.180625));
  Value middle = mul(m, q, quotient(m, vmath_polynomial(m, r, a, 8), vmath_polynomial(m, r, b, 8)));
  Value tail = choose(m, less(m, p, half), p, sub(m, one, p));
  Value s = emit_sqrt(m, neg(m, vmath_log(m, tail))), deep = less(m, number(p, 5), s);
  Value u = sub(m, s, choose(m, deep, number(p, 5), number(p, 1.6)));
  Value top = choose(m, deep, vmath_polynomial(m, u, e, 8), vmath_polynomial(m, u, c, 8));
  Value bottom = choose(m, deep, vmath_polynomial(m, u, f, 8), vmath_polynomial(m, u, d, 8));
  Value outside = emit_copysign(m, quotient(m, top, bottom), q);
  Value y = choose(m, less(m, number(p, 0.425), emit_abs(m, q)), outside, middle);
  Value end = emit_copysign(m, number(p, INFINITY), q);
  y = choose(m, equal(m, tail, number(p, 0)), end, y);
  return choose(m, is_nan(m, s), number(p, NAN), y); // outside [0, 1], and NaN itself
}

Value vmath_normal_icdf(CodeModule *m, Value x) { return vmath_call(m, "normal_icdf", normal_icdf_f64, &x, 1); }
