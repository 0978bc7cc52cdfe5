// needs: compiler/ir runtime lang/base
// The evaluator's functions of one and two numbers against MPFR with 200 bits. What MPFR lacks is a series here:
// trigamma by Euler-Maclaurin far out, the Bessel functions by their power series, the normal quantile by its inverse.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <assert.h>
#include <math.h>
#include <string.h>
#include <cmocka.h>
#include <mpfr.h>

#include "compiler/ir/ir.h"

enum { BITS = 200, POINTS = 400 };

static void evaluate(IrOp op, int operands, const double *a, const double *b, double *y) {
  Arena *arena = arena_create();
  IrFn *fn = ir_fn_new(arena, "f");
  IrType t = ir_type(IR_F64, 1, (int64_t[]){POINTS});
  IrRef refs[2] = {ir_const(fn, t, a), b ? ir_const(fn, t, b) : 0};
  ir_output(fn, "y", ir_build(fn, op, refs, (uint32_t)operands, NULL, NULL));
  IrArray out;
  assert_true(ir_eval(fn, &(IrEnv){0}, arena, &out, NULL));
  memcpy(y, out.data, POINTS * sizeof *y);
  arena_destroy(arena);
}

typedef void Reference(mpfr_t y, const mpfr_t a);

static void ref_sigmoid(mpfr_t y, const mpfr_t a) {
  mpfr_neg(y, a, MPFR_RNDN);
  mpfr_exp(y, y, MPFR_RNDN);
  mpfr_add_ui(y, y, 1, MPFR_RNDN);
  mpfr_ui_div(y, 1, y, MPFR_RNDN);
}

// Sum of 1 / (a + k)^2 for k < 400, then with z = a + 400: 1/z + 1/2z^2 + 1/6z^3 - 1/30z^5 + 1/42z^7.
static void ref_trigamma(mpfr_t y, const mpfr_t a) {
  mpfr_t z, p;
  mpfr_inits2(BITS, z, p, (mpfr_ptr)0);
  mpfr_set_ui(y, 0, MPFR_RNDN);
  for (unsigned k = 0; k < 400; k++) {
    mpfr_add_ui(z, a, k, MPFR_RNDN);
    mpfr_sqr(z, z, MPFR_RNDN);
    mpfr_ui_div(z, 1, z, MPFR_RNDN);
    mpfr_add(y, y, z, MPFR_RNDN);
  }
  static const struct { int power, denominator; } terms[] = {{1, 1}, {2, 2}, {3, 6}, {5, -30}, {7, 42}};
  mpfr_add_ui(z, a, 400, MPFR_RNDN);
  for (int i = 0; i < 5; i++) {
    mpfr_pow_si(p, z, -terms[i].power, MPFR_RNDN);
    mpfr_div_si(p, p, terms[i].denominator, MPFR_RNDN);
    mpfr_add(y, y, p, MPFR_RNDN);
  }
  mpfr_clears(z, p, (mpfr_ptr)0);
}

static void bessel(mpfr_t y, const mpfr_t a, unsigned n) {
  mpfr_t term, quarter;
  mpfr_inits2(BITS, term, quarter, (mpfr_ptr)0);
  mpfr_sqr(quarter, a, MPFR_RNDN);
  mpfr_div_ui(quarter, quarter, 4, MPFR_RNDN);
  mpfr_div_ui(term, a, 2, MPFR_RNDN);
  if (n == 0) mpfr_set_ui(term, 1, MPFR_RNDN);
  mpfr_set(y, term, MPFR_RNDN);
  for (unsigned k = 1; k < 1000; k++) {
    mpfr_mul(term, term, quarter, MPFR_RNDN);
    mpfr_div_ui(term, term, k * (k + n), MPFR_RNDN);
    mpfr_add(y, y, term, MPFR_RNDN);
  }
  mpfr_abs(term, a, MPFR_RNDN);
  mpfr_neg(term, term, MPFR_RNDN);
  mpfr_exp(term, term, MPFR_RNDN);
  mpfr_mul(y, y, term, MPFR_RNDN);
  mpfr_clears(term, quarter, (mpfr_ptr)0);
}

static void ref_i0e(mpfr_t y, const mpfr_t a) { bessel(y, a, 0); }
static void ref_i1e(mpfr_t y, const mpfr_t a) { bessel(y, a, 1); }

static void ref_lgamma(mpfr_t y, const mpfr_t a) {
  int sign;
  mpfr_lgamma(y, &sign, a, MPFR_RNDN);
}

#define REFERENCE(NAME)                                                                                                                                        \
  static void ref_##NAME(mpfr_t y, const mpfr_t a) { mpfr_##NAME(y, a, MPFR_RNDN); }                                                                           \
  static_assert(true, "a semicolon for clang-format")
REFERENCE(exp);
REFERENCE(expm1);
REFERENCE(log);
REFERENCE(log1p);
REFERENCE(sqrt);
REFERENCE(sin);
REFERENCE(cos);
REFERENCE(tanh);
REFERENCE(sinh);
REFERENCE(cosh);
REFERENCE(asinh);
REFERENCE(erf);
REFERENCE(erfc);
REFERENCE(digamma);

// Points of low..high; every fourth is near zero if that is inside, else near low.
static double point(double low, double high, int i) {
  if (i % 4 != 3) return low + (high - low) * (i + 0.5) / POINTS;
  double small = 1e-2 * (high - low) * pow(10, -i / 30.0);
  return low < 0 && high > 0 ? (i % 8 == 3 ? small : -small) : low + small;
}

// relative: allowed error over the magnitude of the value; absolute: beside it, for values near a zero between numbers.
static void check(IrOp op, Reference *reference, double low, double high, double relative, double absolute) {
  double a[POINTS], y[POINTS], worst = 0, where = 0;
  for (int i = 0; i < POINTS; i++) a[i] = point(low, high, i);
  evaluate(op, 1, a, NULL, y);
  mpfr_t x, exact, error;
  mpfr_inits2(BITS, x, exact, error, (mpfr_ptr)0);
  for (int i = 0; i < POINTS; i++) {
    mpfr_set_d(x, a[i], MPFR_RNDN);
    reference(exact, x);
    mpfr_sub_d(error, exact, y[i], MPFR_RNDN);
    double size = fabs(mpfr_get_d(exact, MPFR_RNDN)), off = fabs(mpfr_get_d(error, MPFR_RNDN));
    double share = off / (relative * size + absolute);
    if (!(share <= worst)) worst = share, where = a[i];
  }
  mpfr_clears(x, exact, error, (mpfr_ptr)0);
  if (!(worst <= 1)) fail_msg("%s(%.17g): %.2g times the allowed error", ir_op_info[op].name, where, worst);
}

static void test_libm(void **state) {
  (void)state;
  const double ulps = 4e-16;
  check(IR_EXP, ref_exp, -700, 700, ulps, 0);
  check(IR_EXPM1, ref_expm1, -30, 30, ulps, 0);
  check(IR_LOG, ref_log, 0, 1e6, ulps, 0);
  check(IR_LOG1P, ref_log1p, -0.99, 1e3, ulps, 0);
  check(IR_SQRT, ref_sqrt, 0, 1e3, ulps, 0);
  check(IR_SIN, ref_sin, -50, 50, ulps, 0);
  check(IR_COS, ref_cos, -50, 50, ulps, 0);
  check(IR_TANH, ref_tanh, -20, 20, 2 * ulps, 0);
  check(IR_SINH, ref_sinh, -20, 20, 2 * ulps, 0);
  check(IR_COSH, ref_cosh, -20, 20, 2 * ulps, 0);
  check(IR_ASINH, ref_asinh, -1e3, 1e3, 2 * ulps, 0);
  check(IR_ERF, ref_erf, -6, 6, 2 * ulps, 0);
  check(IR_ERFC, ref_erfc, -6, 25, 2 * ulps, 0);
  check(IR_SIGMOID, ref_sigmoid, -700, 700, 2 * ulps, 0);
}

static void test_special(void **state) {
  (void)state;
  check(IR_LGAMMA, ref_lgamma, 0, 5, 1e-15, 1e-16);
  check(IR_LGAMMA, ref_lgamma, 5, 1e5, 1e-15, 0);
  check(IR_LGAMMA, ref_lgamma, -4.9, -4.1, 1e-14, 1e-14);
  check(IR_DIGAMMA, ref_digamma, 0, 5, 2e-15, 2e-15);
  check(IR_DIGAMMA, ref_digamma, 5, 1e5, 2e-15, 0);
  check(IR_DIGAMMA, ref_digamma, -4.9, -4.1, 2e-14, 1e-14);
  check(IR_DIGAMMA, ref_digamma, -0.5, 0.5, 2e-15, 2e-15);
  check(IR_TRIGAMMA, ref_trigamma, 0, 5, 2e-15, 0);
  check(IR_TRIGAMMA, ref_trigamma, 5, 1e5, 2e-15, 0);
  check(IR_TRIGAMMA, ref_trigamma, -4.9, -4.1, 2e-14, 0);
  check(IR_I0E, ref_i0e, -29, 29, 8e-15, 0);
  check(IR_I0E, ref_i0e, 29, 300, 2e-15, 0);
  check(IR_I1E, ref_i1e, -29, 29, 8e-15, 0);
  check(IR_I1E, ref_i1e, 29, 300, 2e-15, 0);
}

// The error of x = icdf(p) is (cdf(x) - p) / density(x).
static void test_normal_icdf(void **state) {
  (void)state;
  double p[POINTS], y[POINTS];
  for (int i = 0; i < POINTS; i++) p[i] = i % 2 ? (i + 0.5) / POINTS : i % 4 ? pow(10, -i * 0.7) : 1 - pow(10, -i * 0.035);
  evaluate(IR_NORMAL_ICDF, 1, p, NULL, y);
  mpfr_t x, cdf, density, half;
  mpfr_inits2(BITS, x, cdf, density, half, (mpfr_ptr)0);
  for (int i = 0; i < POINTS; i++) {
    if (p[i] == 0 || p[i] == 1) {
      assert_true(isinf(y[i]));
      continue;
    }
    mpfr_set_ui(half, 1, MPFR_RNDN);
    mpfr_div_ui(half, half, 2, MPFR_RNDN);
    mpfr_sqrt(half, half, MPFR_RNDN);
    mpfr_mul_d(cdf, half, -y[i], MPFR_RNDN);
    mpfr_erfc(cdf, cdf, MPFR_RNDN);
    mpfr_div_ui(cdf, cdf, 2, MPFR_RNDN);
    mpfr_sub_d(cdf, cdf, p[i], MPFR_RNDN);
    mpfr_set_d(x, y[i], MPFR_RNDN);
    mpfr_sqr(x, x, MPFR_RNDN);
    mpfr_div_si(x, x, -2, MPFR_RNDN);
    mpfr_exp(density, x, MPFR_RNDN);
    mpfr_div(cdf, cdf, density, MPFR_RNDN);
    double error = fabs(mpfr_get_d(cdf, MPFR_RNDN)) * 2.5066282746310002;
    if (!(error <= 1e-15 * fabs(y[i]) + 2e-16)) fail_msg("normal_icdf(%.17g) = %.17g is off by %.2g", p[i], y[i], error);
  }
  mpfr_clears(x, cdf, density, half, (mpfr_ptr)0);
}

static void test_two_operands(void **state) {
  (void)state;
  double a[POINTS], b[POINTS], power[POINTS], angle[POINTS];
  for (int i = 0; i < POINTS; i++) a[i] = 0.01 + 5 * fabs(sin(i)), b[i] = 9 * sin(2.3 * i);
  evaluate(IR_POW, 2, a, b, power);
  evaluate(IR_ATAN2, 2, b, a, angle);
  mpfr_t x, y, z;
  mpfr_inits2(BITS, x, y, z, (mpfr_ptr)0);
  for (int i = 0; i < POINTS; i++) {
    mpfr_set_d(x, a[i], MPFR_RNDN);
    mpfr_set_d(y, b[i], MPFR_RNDN);
    mpfr_pow(z, x, y, MPFR_RNDN);
    assert_true(fabs(power[i] - mpfr_get_d(z, MPFR_RNDN)) <= 4e-16 * power[i]);
    mpfr_atan2(z, y, x, MPFR_RNDN);
    assert_true(fabs(angle[i] - mpfr_get_d(z, MPFR_RNDN)) <= 4e-16 * fabs(angle[i]));
  }
  mpfr_clears(x, y, z, (mpfr_ptr)0);
}

static void test_ends(void **state) {
  (void)state;
  static const struct {
    IrOp op;
    double a, y;
  } ends[] = {{IR_NORMAL_ICDF, 0, -INFINITY},
              {IR_NORMAL_ICDF, 1, INFINITY},
              {IR_NORMAL_ICDF, 0.5, 0},
              {IR_NORMAL_ICDF, 1.5, NAN},
              {IR_NORMAL_ICDF, NAN, NAN},
              {IR_DIGAMMA, 0, NAN},
              {IR_DIGAMMA, -2, NAN},
              {IR_DIGAMMA, NAN, NAN},
              {IR_TRIGAMMA, -1, INFINITY},
              {IR_I0E, 0, 1},
              {IR_I1E, 0, 0},
              {IR_I0E, INFINITY, 0},
              {IR_I1E, NAN, NAN},
              {IR_LGAMMA, 0, INFINITY},
              {IR_LGAMMA, 1, 0}};
  for (size_t i = 0; i < sizeof ends / sizeof *ends; i++) {
    double a[POINTS] = {ends[i].a}, y[POINTS];
    for (int k = 1; k < POINTS; k++) a[k] = 0.5;
    evaluate(ends[i].op, 1, a, NULL, y);
    if (!(isnan(ends[i].y) ? isnan(y[0]) : y[0] == ends[i].y)) fail_msg("%s(%g) = %g", ir_op_info[ends[i].op].name, a[0], y[0]);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_libm),         cmocka_unit_test(test_special), cmocka_unit_test(test_normal_icdf),
      cmocka_unit_test(test_two_operands), cmocka_unit_test(test_ends),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
