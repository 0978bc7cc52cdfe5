// lgamma, digamma, trigamma, in double. Up to 8 by recurrence from [1, 2], there a polynomial that has the exact zero
// as a factor; from 8 on the asymptotic series. Negative arguments by reflection.
#include "compiler/codegen/vmath_internal.h"

static Value between(CodeModule *m, Value x, double low, double high) { return at_least(m, at_most(m, x, number(x, high)), number(x, low)); }

// a in (0, 8): y in [1, 2] with a = y + k, k = -1..6. Larger a: some y in [1, 2].
static Value into_first_interval(CodeModule *m, Value a) {
  Value steps = between(m, sub(m, emit_floor(m, a), number(a, 1)), -1, 6);
  return between(m, sub(m, a, steps), 1, 2);
}

static Value reciprocal(CodeModule *m, Value x) { return quotient(m, number(x, 1), x); }

// log gamma(a), a > 0. On [1, 2]: (y - 1)(y - 2) R(y - 3/2), R by Chebyshev interpolation (2^-57), in powers.
static Value lgamma_positive(CodeModule *m, Value a) {
  static const double r[] = {-0x1.0ba7e4b7ec423p-17, 0x1.97a672f510735p-17,  -0x1.0ed848f4c3a8bp-17, 0x1.ba137484c764cp-17,  -0x1.cb09aadf8c861p-16,
                             0x1.68fdeb08edc47p-15,  -0x1.15350c1f6c64ap-14, 0x1.b9e257d11f1c8p-14,  -0x1.62443cdd5170dp-13, 0x1.1c7e4f467baeep-12,
                             -0x1.cb448e61e1d84p-12, 0x1.750a77d822d32p-11,  -0x1.313e8bc6a6231p-10, 0x1.f814babe86906p-10,  -0x1.a5035229a9556p-9,
                             0x1.64f0664c37406p-8,   -0x1.34dbda14a599fp-7,  0x1.133423527f3d7p-6,   -0x1.007aa83cee101p-5,  0x1.01af62a2929bfp-4,
                             -0x1.2aed059bd608ap-3,  0x1.eeb95b094c191p-2};
  static const double stirling[] = {-0.029550653594771242,  0.0064102564102564102,  -0.0019175269175269176, 0.00084175084175084175, -0.00059523809523809524,
                                    0.00079365079365079365, -0.0027777777777777778, 0.083333333333333333}; // B_2k / (2k (2k - 1)), k = 8..1
  Value one = number(a, 1), large = LLVMBuildFCmp(m->builder, LLVMRealOGE, a, number(a, 8), "");
  Value below = less(m, a, one), y = into_first_interval(m, a), product = choose(m, below, a, one);
  for (int i = 1; i < 7; i++) {
    Value factor = sub(m, a, number(a, i));
    product = mul(m, product, choose(m, less(m, factor, one), one, factor));
  }
  Value log = vmath_log(m, choose(m, large, a, product));
  // Below 1, y = a + 1 is rounded, its distances from 1 and 2 are not.
  Value from_one = choose(m, below, a, sub(m, y, one)), from_two = sub(m, choose(m, below, a, y), choose(m, below, one, number(a, 2)));
  Value near = vmath_polynomial(m, sub(m, from_one, number(a, 0.5)), r, 22);
  near = emit_fma(m, mul(m, from_one, from_two), near, choose(m, below, neg(m, log), log));
  Value inverse = reciprocal(m, a), tail = vmath_polynomial(m, mul(m, inverse, inverse), stirling, 8);
  // (a - 1/2) log a - a + log(2 pi) / 2 + tail / a
  Value rest = emit_fma(m, tail, inverse, number(a, 0.41893853320467274178));
  Value far = emit_fma(m, sub(m, a, number(a, 0.5)), sub(m, log, one), rest);
  return choose(m, large, far, near);
}

static Value lgamma_f64(CodeModule *m, const Value *x) {
  Value a = emit_abs(m, *x), zero = number(*x, 0), negative = less(m, *x, zero), sine, cosine;
  Value positive = lgamma_positive(m, a);
  vmath_sincos_turns(m, mul(m, sub(m, a, emit_floor(m, a)), number(a, 0.5)), &sine, &cosine);
  Value mirror = mul(m, a, emit_abs(m, sine)); // gamma(-a) gamma(a) = -pi / (a sin(pi a))
  Value reflected = sub(m, vmath_log(m, quotient(m, number(a, 0x1.921fb54442d18p+1), mirror)), positive);
  Value at_pole = LLVMBuildAnd(m->builder, negative, equal(m, sine, zero), "");
  Value y = choose(m, negative, reflected, positive);
  y = choose(m, LLVMBuildOr(m->builder, at_pole, equal(m, a, zero), ""), number(a, INFINITY), y);
  return choose(m, equal(m, a, number(a, INFINITY)), a, y);
}

Value vmath_lgamma(CodeModule *m, Value x) { return vmath_call(m, "lgamma", lgamma_f64, &x, 1); }

// digamma(a), a > 0. On [1, 2]: (y - y0) R(y - 3/2), y0 its zero in two pieces, R as above.
static Value digamma_positive(CodeModule *m, Value a) {
  static const double r[] = {0x1.00b98a8f0aa04p-13,  -0x1.761380b8f00cep-13, 0x1.80260c257a44fp-14,  -0x1.2f41994664278p-13, 0x1.56c5b73aaffa6p-12,
                             -0x1.fdacdb7508852p-12, 0x1.69ba8fdd1d52cp-11,  -0x1.0fb126d4c2892p-10, 0x1.99e1aca26565dp-10,  -0x1.336df991b5f25p-9,
                             0x1.cd1f26d55994ep-9,   -0x1.5a06a23d62223p-8,  0x1.03c0b2b60f6f7p-7,   -0x1.8635641765f08p-7,  0x1.25647156391a7p-6,
                             -0x1.b9f8b11b2f98ep-6,  0x1.4de9aa1802de8p-5,   -0x1.fb44202a259cep-5,  0x1.8512e59037ebbp-4,   -0x1.2feeeb98a78cbp-3,
                             0x1.eca189b8e6f7bp-3,   -0x1.b1cb63005ee98p-2,  0x1.e6f0cbb873616p-1};
  static const double series[] = {26.456212121212121,    -3.0539543302701197,    0.44325980392156863,   -0.083333333333333333,
                                  0.021092796092796093,  -0.0075757575757575758, 0.0041666666666666667, -0.003968253968253968,
                                  0.0083333333333333333, -0.083333333333333333}; // -B_2k / 2k, k = 10..1
  Value one = number(a, 1), large = LLVMBuildFCmp(m->builder, LLVMRealOGE, a, number(a, 8), "");
  Value below = less(m, a, one), y = into_first_interval(m, a);
  Value top = number(a, 0), bottom = one; // 1 / (a - 1) + 1 / (a - 2) + ... as one fraction
  for (int i = 1; i < 7; i++) {
    Value factor = sub(m, a, number(a, i)), taken = less(m, factor, one);
    top = choose(m, taken, top, emit_fma(m, top, factor, bottom));
    bottom = choose(m, taken, bottom, mul(m, bottom, factor));
  }
  top = choose(m, below, number(a, -1), top);
  bottom = choose(m, below, a, bottom);
  Value from_zero = sub(m, sub(m, y, number(a, 0x1.762d86356be3fp+0)), number(a, 0x1.b86a722197829p-54));
  Value near = vmath_polynomial(m, sub(m, y, number(a, 1.5)), r, 23);
  near = emit_fma(m, from_zero, near, quotient(m, top, bottom));
  Value inverse = reciprocal(m, a), z = mul(m, inverse, inverse), tail = vmath_polynomial(m, z, series, 10);
  Value far = add(m, vmath_log(m, a), emit_fma(m, tail, z, mul(m, inverse, number(a, -0.5))));
  return choose(m, large, far, near);
}

static Value digamma_f64(CodeModule *m, const Value *x) {
  Value negative = less(m, *x, number(*x, 0)), one = number(*x, 1), sine, cosine;
  Value y = digamma_positive(m, choose(m, negative, sub(m, one, *x), *x));
  vmath_sincos_turns(m, mul(m, sub(m, *x, emit_floor(m, *x)), number(*x, 0.5)), &sine, &cosine);
  Value cotangent = mul(m, number(*x, 0x1.921fb54442d18p+1), quotient(m, cosine, sine));
  return choose(m, negative, sub(m, y, cotangent), y); // digamma(1 - x) - pi / tan(pi x)
}

Value vmath_digamma(CodeModule *m, Value x) { return vmath_call(m, "digamma", digamma_f64, &x, 1); }

// trigamma(a), a > 0: 1 / a^2 + ... + 1 / (a + 7)^2 as one fraction, then the series at a + 8.
static Value trigamma_positive(CodeModule *m, Value a) {
  static const double series[] = {-529.12424242424242,   54.971177944862155,   -7.0921568627450980,   1.1666666666666667,
                                  -0.25311355311355311,  0.075757575757575758, -0.033333333333333333, 0.023809523809523810,
                                  -0.033333333333333333, 0.16666666666666667}; // B_2k, k = 10..1
  Value small = less(m, a, number(a, 8)), top = number(a, 0), bottom = number(a, 1);
  for (int i = 0; i < 8; i++) {
    Value factor = add(m, a, number(a, i)), square = mul(m, factor, factor);
    top = choose(m, small, emit_fma(m, top, square, bottom), top);
    bottom = choose(m, small, mul(m, bottom, square), bottom);
  }
  Value from = choose(m, small, add(m, a, number(a, 8)), a), inverse = reciprocal(m, from), z = mul(m, inverse, inverse);
  Value tail = emit_fma(m, mul(m, z, inverse), vmath_polynomial(m, z, series, 10), mul(m, z, number(a, 0.5)));
  return add(m, add(m, inverse, tail), quotient(m, top, bottom));
}

static Value trigamma_f64(CodeModule *m, const Value *x) {
  Value negative = less(m, *x, number(*x, 0)), one = number(*x, 1), sine, cosine;
  Value y = trigamma_positive(m, choose(m, negative, sub(m, one, *x), *x));
  vmath_sincos_turns(m, mul(m, sub(m, *x, emit_floor(m, *x)), number(*x, 0.5)), &sine, &cosine);
  Value ratio = quotient(m, number(*x, 0x1.921fb54442d18p+1), sine);
  return choose(m, negative, emit_fma(m, ratio, ratio, neg(m, y)), y); // pi^2 / sin^2(pi x) - trigamma(1 - x)
}

Value vmath_trigamma(CodeModule *m, Value x) { return vmath_call(m, "trigamma", trigamma_f64, &x, 1); }
