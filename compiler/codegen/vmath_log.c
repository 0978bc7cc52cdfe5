// log, log1p, asinh. f32: a polynomial in f; f64: the series of 2 atanh(f / (2 + f)), as in fdlibm, with one division.
#include "compiler/codegen/vmath_internal.h"

static const double ln2_high_f32 = 0x1.62e4p-1, ln2_low_f32 = 0x1.7f7d1cp-20;
static const double ln2_high = 0x1.62e42fefa38p-1, ln2_low = 0x1.ef35793c7673p-45;

Value vmath_split(CodeModule *m, Value x, Value *k, Value *scale_bits) {
  unsigned mantissa = is_f64(x) ? 52 : 23;
  // The exponent is kept positive (offset added) until it is a real: 64-bit integers have no arithmetic shift on AVX2.
  uint64_t offset = is_f64(x) ? 1100 : 200, bias = is_f64(x) ? 1023 : 127;
  Value bits = bits_of(m, x);
  Value shifted = iadd(m, isub(m, bits, bits_of(m, pair(x, 0x1.6a09e6p-1, 0x1.6a09e667f3bcdp-1))), whole(bits, offset << mantissa));
  Value exponent = right(m, shifted, mantissa), magic = pair(x, 0x1.8p23, 0x1.8p52);
  Value sum = as_real(m, iadd(m, exponent, bits_of(m, magic)), x);
  *k = sub(m, sum, pair(x, 0x1.8p23 + 200, 0x1.8p52 + 1100));
  Value excess = left(m, exponent, mantissa);
  *scale_bits = isub(m, whole(bits, (offset + bias) << mantissa), excess);
  return as_real(m, isub(m, iadd(m, bits, whole(bits, offset << mantissa)), excess), x);
}

Value vmath_log_of(CodeModule *m, Value f, Value k) {
  static const double f32[] = {-0x1.5523f8p-4, 0x1.06756ap-3, -0x1.090ccep-3, 0x1.2290f8p-3,
                               -0x1.54db92p-3, 0x1.99a402p-3, -0x1.0000bep-2, 0x1.55555p-2}; // of the log: 2^-25.1
  static const double f64[] = {0x1.101e25e7a5789p-3, 0x1.0f4aa55b549f9p-3, 0x1.3b215382be516p-3, 0x1.745cdb9173dc9p-3,
                               0x1.c71c725c179b3p-3, 0x1.249249242f0bp-2,  0x1.9999999999d58p-2, 0x1.5555555555555p-1};
  if (!is_f64(f)) {
    Value tail = emit_fma(m, vmath_polynomial(m, f, f32, 8), f, number(f, -0.5));
    Value low = emit_fma(m, mul(m, f, f), tail, mul(m, k, number(f, ln2_low_f32)));
    return emit_fma(m, k, number(f, ln2_high_f32), add(m, f, low));
  }
  Value s = quotient(m, f, add(m, f, number(f, 2))), z = mul(m, s, s), half = mul(m, mul(m, f, f), number(f, 0.5));
  Value series = emit_fma(m, vmath_polynomial(m, z, f64, 8), z, half);
  Value low = emit_fma(m, s, series, mul(m, k, number(f, ln2_low)));
  return emit_fma(m, k, number(f, ln2_high), sub(m, f, sub(m, half, low)));
}

Value vmath_log(CodeModule *m, Value x) {
  Value zero = number(x, 0), denormal = less(m, x, pair(x, 0x1p-126, 0x1p-1022)), k, scale;
  Value normal = choose(m, denormal, mul(m, x, pair(x, 0x1p25, 0x1p54)), x);
  Value f = sub(m, vmath_split(m, normal, &k, &scale), number(x, 1));
  k = add(m, k, choose(m, denormal, pair(x, -25, -54), zero));
  Value log = choose(m, less(m, x, number(x, INFINITY)), vmath_log_of(m, f, k), x);
  Value pole = choose(m, equal(m, x, zero), number(x, -INFINITY), number(x, NAN));
  return choose(m, less(m, zero, x), log, pole);
}

// With 1 + x = 2^k (1 + f): f = 2^-k x + (2^-k - 1) in one rounding, so nothing of a small x is lost.
Value vmath_log1p(CodeModule *m, Value x) {
  Value one = number(x, 1), zero = number(x, 0), u = add(m, one, x), k, scale_bits;
  Value whole_part = vmath_split(m, u, &k, &scale_bits), scale = as_real(m, scale_bits, x);
  Value large = less(m, pair(x, 0x1p30, 0x1p60), x); // 1 + x is x, and 2^-k may be no normal number
  Value f = choose(m, large, sub(m, whole_part, one), emit_fma(m, x, scale, sub(m, scale, one)));
  Value log = choose(m, less(m, u, number(x, INFINITY)), vmath_log_of(m, f, k), x);
  Value pole = choose(m, equal(m, u, zero), number(x, -INFINITY), number(x, NAN));
  log = choose(m, less(m, zero, u), log, pole);
  return choose(m, less(m, emit_abs(m, x), pair(x, 0x1p-30, 0x1p-60)), x, log);
}

// log1p(a + a^2 / (1 + sqrt(1 + a^2))), and log a + ln 2 where a^2 is too large for that.
Value vmath_asinh(CodeModule *m, Value x) {
  Value a = emit_abs(m, x), one = number(x, 1), large = less(m, pair(x, 0x1p14, 0x1p30), a);
  Value square = mul(m, a, a), root = emit_sqrt(m, add(m, one, square));
  Value inner = add(m, a, quotient(m, square, add(m, one, root)));
  Value log = vmath_log1p(m, choose(m, large, sub(m, a, one), inner));
  log = add(m, log, choose(m, large, pair(x, 0x1.62e43p-1, 0x1.62e42fefa39efp-1), number(x, 0)));
  return emit_copysign(m, choose(m, less(m, a, pair(x, 0x1p-30, 0x1p-60)), a, log), x);
}
