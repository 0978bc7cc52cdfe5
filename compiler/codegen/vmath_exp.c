// exp and what is made of it. Polynomials are minimax on the reduced interval (Sollya's fpminimax, coefficients already
// rounded to the type); errors are given as relative errors of the polynomial in exact arithmetic.
#include "compiler/codegen/vmath_internal.h"

static const double log2_e = 0x1.71547652b82fep+0;

// x = n ln 2 + r, |r| <= ln(2) / 2 (1 + tiny); ln 2 in two pieces, the first with zeros behind.
static Value reduce(CodeModule *m, Value x, Value *n, Value *sum_bits) {
  *n = vmath_nearest(m, x, number(x, log2_e), sum_bits);
  Value r = emit_fma(m, *n, pair(x, -0x1.62e4p-1, -0x1.62e42fefa38p-1), x);
  return emit_fma(m, *n, pair(x, -0x1.7f7d1cp-20, -0x1.ef35793c7673p-45), r);
}

static Value join(CodeModule *m, Value a, Value b) {
  unsigned lanes[CODE_LANES];
  for (unsigned i = 0; i < CODE_LANES; i++) lanes[i] = i;
  return emit_shuffle(m, a, b, lanes, CODE_LANES);
}

// p 2^n by one AVX-512 instruction: rounds once, like the two products below.
static Value scalef(CodeModule *m, Value p, Value n) {
  bool f64 = is_f64(p);
  if (f64 && emit_lanes(LLVMTypeOf(p)) == CODE_LANES) // LLVM offers it for one machine vector only
    return join(m, scalef(m, emit_part(m, p, 0, 8), emit_part(m, n, 0, 8)), scalef(m, emit_part(m, p, 8, 8), emit_part(m, n, 8, 8)));
  const char *name = f64 ? "llvm.x86.avx512.mask.scalef.pd.512" : "llvm.x86.avx512.mask.scalef.ps.512";
  LLVMTypeRef mask = LLVMIntTypeInContext(m->context, f64 ? 8 : 16);
  LLVMValueRef arguments[] = {p, n, p, LLVMConstAllOnes(mask), LLVMConstInt(m->i32, 4, false)};
  return emit_intrinsic(m, name, NULL, 0, arguments, 5);
}

// p 2^n with the right rounding also where the result is denormal or overflows; p in [0.7, 1.5].
static Value scaled(CodeModule *m, Value p, Value n, Value sum_bits) {
  unsigned lanes = emit_lanes(LLVMTypeOf(p)), mantissa = is_f64(p) ? 52 : 23;
  if (m->target->vector_bits == 512 && (lanes == 16 || (lanes == 8 && is_f64(p)))) return scalef(m, p, n);
  // n in two halves: the first product is exact, the second rounds. low = floor(n / 2) from n + 2048, which is
  // positive.
  Value integer = isub(m, sum_bits, bits_of(m, pair(p, 0x1.8p23, 0x1.8p52)));
  Value low = isub(m, right(m, iadd(m, integer, whole(integer, 2048)), 1), whole(integer, 1024));
  Value high = isub(m, integer, low), one = bits_of(m, number(p, 1));
  Value a = as_real(m, iadd(m, left(m, low, mantissa), one), p), b = as_real(m, iadd(m, left(m, high, mantissa), one), p);
  return mul(m, mul(m, p, a), b);
}

Value vmath_exp(CodeModule *m, Value x) {
  static const double f32[] = {0x1.684fcp-10, 0x1.123beep-7, 0x1.555b9ap-5, 0x1.55548ep-3, 0x1.fffff8p-2}; // 2^-28
  static const double f64[] = {0x1.ade16d040f573p-26, 0x1.28af4645c8b75p-22, 0x1.71dee61e212abp-19, 0x1.a01997c296aa5p-16, 0x1.a01a014761d7bp-13,
                               0x1.6c16c1852d3c4p-10, 0x1.1111111122326p-7,  0x1.555555555029cp-5,  0x1.5555555555511p-3,  0x1.000000000000bp-1}; // 2^-57
  x = at_least(m, at_most(m, x, pair(x, 89, 710)), pair(x, -104, -746));
  Value n, sum_bits, r = reduce(m, x, &n, &sum_bits);
  Value p = is_f64(x) ? vmath_polynomial(m, r, f64, 10) : vmath_polynomial(m, r, f32, 5);
  p = add(m, emit_fma(m, mul(m, r, r), p, r), number(x, 1));
  return scaled(m, p, n, sum_bits);
}

// (exp(x) - 1) / 4: with q = exp(r) - 1 it is q 2^(n-2) + (2^(n-2) - 1/4), and neither overflows before its sinh.
static Value quarter_expm1(CodeModule *m, Value x) {
  static const double f32[] = {0x1.6d4e78p-10, 0x1.120c38p-7, 0x1.5554e8p-5, 0x1.5554dcp-3, 0.5}; // 2^-25.2
  static const double f64[] = {0x1.1f86f0def2ce8p-29,
                               0x1.af4ecf3058f07p-26,
                               0x1.27e4cfaefd041p-22,
                               0x1.71de01aacddadp-19,
                               0x1.a01a01ab9885dp-16,
                               0x1.a01a01ac1e913p-13,
                               0x1.6c16c16c156a5p-10,
                               0x1.111111111005p-7,
                               0x1.5555555555557p-5,
                               0x1.5555555555557p-3,
                               0.5}; // 2^-60
  x = at_least(m, at_most(m, x, pair(x, 89.5, 710.5)), pair(x, -30, -60));
  Value n, sum_bits, r = reduce(m, x, &n, &sum_bits), scale = vmath_power_of_two(m, sum_bits, -2, x);
  Value p = is_f64(x) ? vmath_polynomial(m, r, f64, 11) : vmath_polynomial(m, r, f32, 5);
  Value q = emit_fma(m, mul(m, r, r), p, r);
  return emit_fma(m, q, scale, sub(m, scale, number(x, 0.25)));
}

// Odd functions that are x itself for tiny x: keeps their last bits, denormals and the sign of zero.
static Value odd(CodeModule *m, Value x, Value magnitude, Value of_magnitude) {
  Value tiny = less(m, magnitude, pair(x, 0x1p-30, 0x1p-60));
  return emit_copysign(m, choose(m, tiny, magnitude, of_magnitude), x);
}

Value vmath_expm1(CodeModule *m, Value x) {
  Value tiny = less(m, emit_abs(m, x), pair(x, 0x1p-30, 0x1p-60));
  return choose(m, tiny, x, mul(m, quarter_expm1(m, x), number(x, 4)));
}

// With t = exp(2a) - 1: tanh a = t / (t + 2).
Value vmath_tanh(CodeModule *m, Value x) {
  Value a = emit_abs(m, x), quarter = quarter_expm1(m, mul(m, a, number(x, 2)));
  return odd(m, x, a, quotient(m, quarter, add(m, quarter, number(x, 0.5))));
}

// With z = exp(-|x|): 1 / (1 + z) or z / (1 + z), good to the last denormal on both sides.
Value vmath_sigmoid(CodeModule *m, Value x) {
  Value z = vmath_exp(m, neg(m, emit_abs(m, x))), one = number(x, 1);
  return quotient(m, choose(m, less(m, x, number(x, 0)), z, one), add(m, one, z));
}

Value vmath_softplus(CodeModule *m, Value x) {
  Value z = vmath_exp(m, neg(m, emit_abs(m, x)));
  return add(m, vmath_log1p(m, z), emit_max(m, x, number(x, 0)));
}

// With q = (exp(a) - 1) / 4: sinh a = 2q + q / (2q + 1/2), where only the sum may overflow.
Value vmath_sinh(CodeModule *m, Value x) {
  Value a = emit_abs(m, x), q = quarter_expm1(m, a), two = number(x, 2);
  return odd(m, x, a, emit_fma(m, q, two, quotient(m, q, emit_fma(m, q, two, number(x, 0.5)))));
}

// With c = exp(a) / 2: cosh a = c + 1/4 / c.
Value vmath_cosh(CodeModule *m, Value x) {
  Value c = emit_fma(m, quarter_expm1(m, emit_abs(m, x)), number(x, 2), number(x, 0.5));
  return add(m, c, quotient(m, number(x, 0.25), c));
}
