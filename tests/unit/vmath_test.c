// needs: compiler/codegen compiler/ir lang/base runtime
// long: 25 parts
// Vector mathematics against MPFR: random and edge arguments over the whole range, f32 and f64, AVX-512 and AVX2 (which
// must agree to the bit); bounds from vmath.def. HGM_LONG=1: every float, against double.
#include <assert.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <mpfr.h>

#include "compiler/codegen/emit.h"
#include "compiler/codegen/vmath.h"
#include "compiler/ir/special.h"
#include "tests/support/compiled.h"
#include "tests/support/effort.h"

enum { BATCH = 1024, PRECISION = 160 };

// ---- references: y = f(a, b), correctly rounded to about PRECISION bits (a few less after cancellations)

typedef void Reference(mpfr_t y, mpfr_t a, mpfr_t b);

static void ref_exp(mpfr_t y, mpfr_t a, mpfr_t b) { (void)b, mpfr_exp(y, a, MPFR_RNDN); }
static void ref_expm1(mpfr_t y, mpfr_t a, mpfr_t b) { (void)b, mpfr_expm1(y, a, MPFR_RNDN); }
static void ref_log(mpfr_t y, mpfr_t a, mpfr_t b) { (void)b, mpfr_log(y, a, MPFR_RNDN); }
static void ref_log1p(mpfr_t y, mpfr_t a, mpfr_t b) { (void)b, mpfr_log1p(y, a, MPFR_RNDN); }
static void ref_sqrt(mpfr_t y, mpfr_t a, mpfr_t b) { (void)b, mpfr_sqrt(y, a, MPFR_RNDN); }
static void ref_tanh(mpfr_t y, mpfr_t a, mpfr_t b) { (void)b, mpfr_tanh(y, a, MPFR_RNDN); }
static void ref_sinh(mpfr_t y, mpfr_t a, mpfr_t b) { (void)b, mpfr_sinh(y, a, MPFR_RNDN); }
static void ref_cosh(mpfr_t y, mpfr_t a, mpfr_t b) { (void)b, mpfr_cosh(y, a, MPFR_RNDN); }
static void ref_asinh(mpfr_t y, mpfr_t a, mpfr_t b) { (void)b, mpfr_asinh(y, a, MPFR_RNDN); }
static void ref_sin(mpfr_t y, mpfr_t a, mpfr_t b) { (void)b, mpfr_sin(y, a, MPFR_RNDN); }
static void ref_cos(mpfr_t y, mpfr_t a, mpfr_t b) { (void)b, mpfr_cos(y, a, MPFR_RNDN); }
static void ref_atan2(mpfr_t y, mpfr_t a, mpfr_t b) { mpfr_atan2(y, a, b, MPFR_RNDN); }
static void ref_floor(mpfr_t y, mpfr_t a, mpfr_t b) { (void)b, mpfr_floor(y, a); }
static void ref_round(mpfr_t y, mpfr_t a, mpfr_t b) { (void)b, mpfr_rint(y, a, MPFR_RNDN); }

static void ref_sigmoid(mpfr_t y, mpfr_t a, mpfr_t b) {
  (void)b;
  mpfr_neg(y, a, MPFR_RNDN);
  mpfr_exp(y, y, MPFR_RNDN);
  mpfr_add_ui(y, y, 1, MPFR_RNDN);
  mpfr_ui_div(y, 1, y, MPFR_RNDN);
}

static void ref_softplus(mpfr_t y, mpfr_t a, mpfr_t b) {
  (void)b;
  mpfr_abs(y, a, MPFR_RNDN);
  mpfr_neg(y, y, MPFR_RNDN);
  mpfr_exp(y, y, MPFR_RNDN);
  mpfr_log1p(y, y, MPFR_RNDN);
  if (mpfr_sgn(a) > 0) mpfr_add(y, y, a, MPFR_RNDN);
}

static void ref_erf(mpfr_t y, mpfr_t a, mpfr_t b) { (void)b, mpfr_erf(y, a, MPFR_RNDN); }
static void ref_erfc(mpfr_t y, mpfr_t a, mpfr_t b) { (void)b, mpfr_erfc(y, a, MPFR_RNDN); }
static void ref_digamma(mpfr_t y, mpfr_t a, mpfr_t b) { (void)b, mpfr_digamma(y, a, MPFR_RNDN); }
static void ref_pow(mpfr_t y, mpfr_t a, mpfr_t b) { mpfr_pow(y, a, b, MPFR_RNDN); }

static void ref_lgamma(mpfr_t y, mpfr_t a, mpfr_t b) {
  (void)b;
  int sign;
  mpfr_lgamma(y, &sign, a, MPFR_RNDN);
}

// Newton's method for log of the distribution function (concave, so it converges from the left), on the lower half.
static void ref_normal_icdf(mpfr_t y, mpfr_t a, mpfr_t b) {
  if (mpfr_nan_p(a)) return mpfr_set_nan(y);
  if (mpfr_zero_p(a) || mpfr_cmp_ui(a, 1) == 0) return mpfr_set_inf(y, mpfr_zero_p(a) ? -1 : 1);
  if (mpfr_cmp_d(a, 0.5) == 0) return mpfr_set_zero(y, 1);
  bool upper = mpfr_cmp_d(a, 0.5) > 0;
  mpfr_t tail, cdf, pdf, step;
  mpfr_inits2(1200, tail, (mpfr_ptr)0); // 1 - p is exact
  mpfr_inits2(PRECISION, cdf, pdf, step, (mpfr_ptr)0);
  if (upper) mpfr_ui_sub(tail, 1, a, MPFR_RNDN);
  else mpfr_set(tail, a, MPFR_RNDN);
  mpfr_log(y, tail, MPFR_RNDN); // -sqrt(-2 log p) - 1 lies left of the root
  mpfr_mul_si(y, y, -2, MPFR_RNDN);
  mpfr_sqrt(y, y, MPFR_RNDN);
  mpfr_add_ui(y, y, 1, MPFR_RNDN);
  mpfr_neg(y, y, MPFR_RNDN);
  for (int i = 0; i < 60; i++) {
    mpfr_set_d(step, 0.5, MPFR_RNDN);
    mpfr_sqrt(step, step, MPFR_RNDN);
    mpfr_mul(cdf, y, step, MPFR_RNDN);
    mpfr_neg(cdf, cdf, MPFR_RNDN);
    mpfr_erfc(cdf, cdf, MPFR_RNDN);
    mpfr_div_2ui(cdf, cdf, 1, MPFR_RNDN);
    mpfr_sqr(pdf, y, MPFR_RNDN);
    mpfr_div_si(pdf, pdf, -2, MPFR_RNDN);
    mpfr_exp(pdf, pdf, MPFR_RNDN);
    mpfr_const_pi(step, MPFR_RNDN);
    mpfr_mul_2ui(step, step, 1, MPFR_RNDN);
    mpfr_sqrt(step, step, MPFR_RNDN);
    mpfr_div(pdf, pdf, step, MPFR_RNDN);
    mpfr_div(step, cdf, tail, MPFR_RNDN); // step = log(cdf / tail) cdf / pdf
    mpfr_log(step, step, MPFR_RNDN);
    mpfr_mul(step, step, cdf, MPFR_RNDN);
    mpfr_div(step, step, pdf, MPFR_RNDN);
    mpfr_sub(y, y, step, MPFR_RNDN);
    if (mpfr_zero_p(step) || mpfr_get_exp(step) < mpfr_get_exp(y) - 100) break;
  }
  if (upper) mpfr_neg(y, y, MPFR_RNDN);
  mpfr_clears(tail, cdf, pdf, step, (mpfr_ptr)0);
  (void)b;
}

// Recurrence to x >= 40, then the asymptotic series; |B_2k| = 2 (2k)! zeta(2k) / (2 pi)^2k.
static void ref_trigamma(mpfr_t y, mpfr_t a, mpfr_t b) {
  (void)b;
  if (!mpfr_regular_p(a)) return mpfr_inf_p(a) ? mpfr_set_zero(y, 1) : mpfr_zero_p(a) ? mpfr_set_inf(y, 1) : mpfr_set_nan(y);
  mpfr_t x, term, power, factor;
  mpfr_inits2(PRECISION, x, term, power, factor, (mpfr_ptr)0);
  mpfr_set(x, a, MPFR_RNDN);
  mpfr_set_zero(y, 1);
  for (; mpfr_cmp_ui(x, 40) < 0; mpfr_add_ui(x, x, 1, MPFR_RNDN)) {
    mpfr_sqr(term, x, MPFR_RNDN);
    mpfr_ui_div(term, 1, term, MPFR_RNDN);
    mpfr_add(y, y, term, MPFR_RNDN);
  }
  mpfr_ui_div(term, 1, x, MPFR_RNDN);
  mpfr_add(y, y, term, MPFR_RNDN);
  mpfr_sqr(term, term, MPFR_RNDN);
  mpfr_div_2ui(term, term, 1, MPFR_RNDN);
  mpfr_add(y, y, term, MPFR_RNDN);
  for (unsigned k = 1; k <= 22; k++) {
    mpfr_zeta_ui(term, 2 * k, MPFR_RNDN);
    mpfr_mul_2ui(term, term, 1, MPFR_RNDN);
    mpfr_fac_ui(factor, 2 * k, MPFR_RNDN);
    mpfr_mul(term, term, factor, MPFR_RNDN);
    mpfr_const_pi(power, MPFR_RNDN);
    mpfr_mul_2ui(power, power, 1, MPFR_RNDN);
    mpfr_mul(power, power, x, MPFR_RNDN);
    mpfr_pow_ui(power, power, 2 * k, MPFR_RNDN);
    mpfr_div(term, term, power, MPFR_RNDN);
    mpfr_div(term, term, x, MPFR_RNDN);
    (k % 2 ? mpfr_add : mpfr_sub)(y, y, term, MPFR_RNDN);
  }
  mpfr_clears(x, term, power, factor, (mpfr_ptr)0);
}

// exp(-|x|) I_n(x): the power series up to 150, the asymptotic series beyond.
static void scaled_bessel(mpfr_t y, mpfr_t a, unsigned n) {
  if (mpfr_nan_p(a)) return mpfr_set_nan(y);
  if (mpfr_inf_p(a)) return mpfr_set_zero(y, n ? mpfr_sgn(a) : 1);
  if (mpfr_zero_p(a)) return n ? (void)mpfr_set(y, a, MPFR_RNDN) : (void)mpfr_set_ui(y, 1, MPFR_RNDN);
  mpfr_t x, term, factor;
  mpfr_inits2(PRECISION, x, term, factor, (mpfr_ptr)0);
  mpfr_abs(x, a, MPFR_RNDN);
  bool far = mpfr_cmp_ui(x, 150) > 0;
  mpfr_set_ui(term, 1, MPFR_RNDN);
  if (n && !far) mpfr_div_2ui(term, x, 1, MPFR_RNDN);
  mpfr_set(y, term, MPFR_RNDN);
  for (unsigned k = 1; k < 1000 && mpfr_get_exp(term) > mpfr_get_exp(y) - PRECISION; k++) {
    if (far) { // -(4 n^2 - (2k - 1)^2) / (8 k x)
      long odd = 2 * (long)k - 1;
      mpfr_mul_si(term, term, odd * odd - 4 * (long)n, MPFR_RNDN);
      mpfr_mul_ui(factor, x, 8 * k, MPFR_RNDN);
      mpfr_div(term, term, factor, MPFR_RNDN);
      if (mpfr_zero_p(term)) break;
    } else { // (x / 2)^2 / (k (k + n))
      mpfr_div_2ui(factor, x, 1, MPFR_RNDN);
      mpfr_sqr(factor, factor, MPFR_RNDN);
      mpfr_mul(term, term, factor, MPFR_RNDN);
      mpfr_div_ui(term, term, k * (k + n), MPFR_RNDN);
    }
    mpfr_add(y, y, term, MPFR_RNDN);
  }
  if (far) {
    mpfr_const_pi(factor, MPFR_RNDN);
    mpfr_mul_2ui(factor, factor, 1, MPFR_RNDN);
    mpfr_mul(factor, factor, x, MPFR_RNDN);
    mpfr_rec_sqrt(factor, factor, MPFR_RNDN);
  } else {
    mpfr_neg(factor, x, MPFR_RNDN);
    mpfr_exp(factor, factor, MPFR_RNDN);
  }
  mpfr_mul(y, y, factor, MPFR_RNDN);
  if (n && mpfr_sgn(a) < 0) mpfr_neg(y, y, MPFR_RNDN);
  mpfr_clears(x, term, factor, (mpfr_ptr)0);
}

static void ref_i0e(mpfr_t y, mpfr_t a, mpfr_t b) { (void)b, scaled_bessel(y, a, 0); }
static void ref_i1e(mpfr_t y, mpfr_t a, mpfr_t b) { (void)b, scaled_bessel(y, a, 1); }

// ---- the functions under test

typedef LLVMValueRef One(CodeModule *m, LLVMValueRef x);
typedef LLVMValueRef Two(CodeModule *m, LLVMValueRef x, LLVMValueRef y);
#define ONE_1(name) vmath_##name
#define ONE_2(name) NULL
#define TWO_1(name) NULL
#define TWO_2(name) vmath_##name
typedef struct Function {
  const char *name;
  int arguments;
  double bound[2], low, high;
  int direction;
  One *one;
  Two *two;
  Reference *reference;
} Function;
static const Function functions[] = {
#define VMATH(NAME, N, F32, F64, LOW, HIGH, DIRECTION) {#NAME, N, {F32, F64}, LOW, HIGH, DIRECTION, ONE_##N(NAME), TWO_##N(NAME), ref_##NAME},
#include "compiler/codegen/vmath.def"
#undef VMATH
};
enum { FUNCTIONS = sizeof functions / sizeof *functions, VARIANTS = 3 };

// One image a machine: kernels "exp0" (f32) and "exp1" (f64) over BATCH numbers; "exp2" is f32 in vectors of 8.
static Image compile_all(const char *cpu) {
  CodeTarget *t = compiled_target(cpu, WITH_CARE);
  CodeModule *m = code_module_create(t, "vmath");
  for (int f = 0; f < FUNCTIONS; f++)
    for (int variant = 0; variant < VARIANTS; variant++) {
      char name[64];
      snprintf(name, sizeof name, "%s%d", functions[f].name, variant);
      LLVMValueRef p[3], y;
      code_kernel(m, name, 3, p);
      unsigned lanes = variant == 2 ? 8 : CODE_LANES;
      LLVMTypeRef type = LLVMVectorType(variant == 1 ? m->f64 : m->f32, lanes), element = emit_element(type);
      EmitLoop l = emit_loop(m, "l", emit_index(m, 0), emit_index(m, BATCH), lanes, NULL, 0);
      LLVMValueRef a = emit_load(m, type, emit_at(m, element, p[0], l.index));
      LLVMValueRef b = emit_load(m, type, emit_at(m, element, p[1], l.index));
      y = functions[f].arguments == 1 ? functions[f].one(m, a) : functions[f].two(m, a, b);
      emit_store(m, y, emit_at(m, element, p[2], l.index));
      emit_loop_end(m, &l, NULL);
      LLVMBuildRetVoid(m->builder);
    }
  Image image = compiled_image(m);
  code_target_destroy(t);
  return image;
}

typedef struct Batch {
  union {
    float f32[BATCH];
    double f64[BATCH];
  } a, b, y;
} Batch;

static void run(const Image *image, const Function *f, int variant, Batch *batch) {
  char name[64];
  snprintf(name, sizeof name, "%s%d", f->name, variant);
  HgmKernel *k = image_kernel(image, name);
  assert_non_null(k);
  k(NULL, (void *[]){&batch->a, &batch->b, &batch->y});
}

// ---- arguments

static uint64_t random_bits(uint64_t *state) {
  *state += 0x9E3779B97F4A7C15u;
  uint64_t x = *state;
  x = (x ^ x >> 30) * 0xBF58476D1CE4E5B9u;
  x = (x ^ x >> 27) * 0x94D049BB133111EBu;
  return x ^ x >> 31;
}

static double from_bits(uint64_t bits, bool f64) {
  if (f64) {
    double x;
    memcpy(&x, &bits, sizeof x);
    return x;
  }
  uint32_t low = (uint32_t)bits;
  float x;
  memcpy(&x, &low, sizeof x);
  return (double)x;
}

// A number of the dtype: some over all bit patterns, most where functions have their shape, some whole and half
// numbers.
static double sample(uint64_t *state, bool f64) {
  uint64_t r = random_bits(state);
  double unit = (double)(random_bits(state) >> 11) * 0x1p-53, x;
  switch (r % 8) {
  case 0: return from_bits(r >> 32 | r << 32, f64);
  case 1: x = 200 * unit - 100; break;
  case 2: x = 2 * unit - 1; break;
  case 3: x = (r & 256 ? 1 : -1) * exp2(40 * unit - 20); break;
  case 4: x = floor(60 * unit - 30) / 2; break;
  case 5: x = (f64 ? 1500 : 210) * (unit - 0.5); break;
  case 6: x = 1 + (r & 256 ? 1 : -1) * exp2(-25 * unit); break;
  default: x = 12 * unit - 6; break;
  }
  return f64 ? x : (double)(float)x;
}

static const double edges[] = {0.0,
                               -0.0,
                               1,
                               -1,
                               0.5,
                               -0.5,
                               2,
                               -2,
                               INFINITY,
                               -INFINITY,
                               NAN,
                               0x1p-149,
                               -0x1p-149,
                               0x1p-126,
                               -0x1p-126,
                               0x1.fffffep127,
                               -0x1.fffffep127,
                               0x1p-1074,
                               -0x1p-1074,
                               0x1p-1022,
                               0x1.fffffffffffffp1023,
                               -0x1.fffffffffffffp1023,
                               0x1.fffffep-1,
                               0x1.000002p0,
                               -0x1.fffffep-1,
                               0x1.fffffffffffffp-1,
                               0x1.0000000000001p0,
                               88.72283,
                               88.72284,
                               -103.97208,
                               -87.33655,
                               89.41598,
                               89.415985,
                               709.782712893384,
                               709.7827128933841,
                               -745.1332191019412,
                               -708.3964185322641,
                               710.4758600739439,
                               0.34657359,
                               0.70710677,
                               0.70710678118654752,
                               1.4142135,
                               3.14159265358979,
                               1.5707963267948966,
                               0x1p30,
                               0x1p60,
                               0x1p14,
                               16384.002,
                               1e4,
                               3,
                               4,
                               5,
                               6,
                               7,
                               8,
                               10,
                               100,
                               170,
                               171.624,
                               1e300,
                               -1e300};
enum { EDGES = sizeof edges / sizeof *edges };

// ---- comparison

static double ulp_of(double x, bool f64) { // spacing of the dtype's numbers at x
  int e;
  if (x == 0) return f64 ? 0x1p-1074 : 0x1p-149;
  frexp(x, &e);
  int smallest = f64 ? -1074 : -149, digits = f64 ? 53 : 24;
  return ldexp(1, e - digits < smallest ? smallest : e - digits);
}

// Error in units of the last place; INFINITY where the kind (NaN, infinity) is wrong.
static double error_of(double got, mpfr_t exact, bool f64) {
  if (mpfr_nan_p(exact)) return isnan(got) ? 0 : INFINITY;
  if (isnan(got)) return INFINITY;
  double rounded = mpfr_get_d(exact, MPFR_RNDN);
  if (!f64) {
    mpfr_t r;
    mpfr_init2(r, 24);
    mpfr_set(r, exact, MPFR_RNDN);
    double unbounded = mpfr_get_d(r, MPFR_RNDN);
    mpfr_clear(r);
    if (fabs(unbounded) > 0x1.fffffep127) rounded = copysign(INFINITY, unbounded);
  }
  if (isinf(rounded) || isinf(got)) {
    if (rounded == got) return 0;
    double top = f64 ? 0x1.fffffffffffffp1023 : 0x1.fffffep127; // one step beside the largest number
    return fabs(got) == top || fabs(rounded) == top ? 1 : INFINITY;
  }
  mpfr_t difference;
  mpfr_init2(difference, PRECISION);
  mpfr_sub_d(difference, exact, got, MPFR_RNDN);
  mpfr_div_d(difference, difference, ulp_of(rounded, f64), MPFR_RNDN);
  double e = fabs(mpfr_get_d(difference, MPFR_RNDN));
  mpfr_clear(difference);
  return e;
}

static double at(const void *array, bool f64, int i) { return f64 ? ((const double *)array)[i] : (double)((const float *)array)[i]; }

static void put(void *array, bool f64, int i, double x) {
  if (f64) ((double *)array)[i] = x;
  else ((float *)array)[i] = (float)x;
}

static bool in_range(const Function *f, double x) { return x >= f->low && x <= f->high; }

typedef struct Worst {
  double error, a, b, got;
} Worst;

static void check_batch(const Function *f, const Batch *batch, bool f64, Worst *worst) {
  mpfr_t a, b, y;
  mpfr_inits2(PRECISION, a, b, y, (mpfr_ptr)0);
  for (int i = 0; i < BATCH; i++) {
    double xa = at(&batch->a, f64, i), xb = at(&batch->b, f64, i), got = at(&batch->y, f64, i);
    bool has_nan = isnan(xa) || (f->arguments == 2 && isnan(xb));
    if (!has_nan && (!in_range(f, xa) || (f->arguments == 2 && !in_range(f, xb)))) continue;
    mpfr_set_d(a, xa, MPFR_RNDN);
    mpfr_set_d(b, xb, MPFR_RNDN);
    f->reference(y, a, b);
    double e = error_of(got, y, f64);
    if (mpfr_zero_p(y) && got == 0 && !signbit(got) != !mpfr_signbit(y)) e = INFINITY;
    if (e > worst->error) *worst = (Worst){e, xa, xb, got};
  }
  mpfr_clears(a, b, y, (mpfr_ptr)0);
}

static void assert_same_bits(const Function *f, const Batch *x, const Batch *y, bool f64) {
  for (int i = 0; i < BATCH; i++) {
    double a = at(&x->y, f64, i), b = at(&y->y, f64, i);
    if (memcmp(&a, &b, sizeof a) && !(isnan(a) && isnan(b))) fail_msg("%s(%a, %a): %a and %a", f->name, at(&x->a, f64, i), at(&x->b, f64, i), a, b);
  }
}

static Image images[2];

static void check_function(const Function *f, int batches) {
  static Batch batch, other;
  uint64_t state = 1;
  for (int f64 = 0; f64 < 2; f64++) {
    Worst worst = {0};
    for (int n = 0; n < batches; n++) {
      for (int i = 0; i < BATCH; i++) {
        bool edge = n < (f->arguments == 1 ? 1 : EDGES * EDGES / BATCH + 1);
        int j = n * BATCH + i;
        double a = edge ? edges[j % EDGES] : sample(&state, f64), b = edge ? edges[j / EDGES % EDGES] : sample(&state, f64);
        put(&batch.a, f64, i, a);
        put(&batch.b, f64, i, b);
      }
      run(&images[0], f, f64, &batch);
      check_batch(f, &batch, f64, &worst);
      other = batch;
      run(&images[1], f, f64, &other);
      assert_same_bits(f, &batch, &other, f64);
      if (f64) continue;
      run(&images[0], f, 2, &other);
      assert_same_bits(f, &batch, &other, f64);
    }
    printf("%-12s %s  %.3f ulp at (%a, %a)\n", f->name, f64 ? "f64" : "f32", worst.error, worst.a, worst.b);
    if (!(worst.error <= f->bound[f64]))
      fail_msg("%s %s: %.3g ulp, more than %.3g: (%a, %a) gave %a", f->name, f64 ? "f64" : "f32", worst.error, f->bound[f64], worst.a, worst.b, worst.got);
  }
}

static int batches_of(const Function *f) { // some references cost a millisecond an argument
  bool slow = f->reference == ref_normal_icdf || f->reference == ref_trigamma || f->reference == ref_i0e || f->reference == ref_i1e ||
              f->reference == ref_digamma || f->reference == ref_lgamma;
  return slow ? 2 : 20;
}

static bool chosen(int f) { return part_has((uint64_t)f, FUNCTIONS) && (!getenv("VMATH_ONLY") || strcmp(getenv("VMATH_ONLY"), functions[f].name) == 0); }

static void test_bounds(void **state) {
  (void)state;
  for (int f = 0; f < FUNCTIONS; f++)
    if (chosen(f)) check_function(&functions[f], batches_of(&functions[f]));
}

static void test_far_sine(void **state) { // beyond the promised range: still within [-1, 1]
  (void)state;
  static Batch batch;
  uint64_t seed = 5;
  for (int f = 0; f < FUNCTIONS; f++)
    for (int f64 = 0; f64 < 2; f64++) {
      if (strcmp(functions[f].name, "sin") && strcmp(functions[f].name, "cos")) continue;
      for (int i = 0; i < BATCH; i++) put(&batch.a, f64, i, sample(&seed, f64) * (f64 ? 1e300 : 1e30));
      run(&images[0], &functions[f], f64, &batch);
      for (int i = 0; i < BATCH; i++) {
        double x = at(&batch.a, f64, i), y = at(&batch.y, f64, i);
        assert_true(isfinite(x) ? fabs(y) <= 1 : isnan(y));
      }
    }
}

// ---- every float, in double: the C library and the evaluator's special functions are exact enough to stand for MPFR

static double in_double_sigmoid(double x) { return 1 / (1 + exp(-x)); }
static double in_double_softplus(double x) { return fmax(x, 0) + log1p(exp(-fabs(x))); }
static double in_double_atan2(double x) { return atan2(x, -0.75); }
static double in_double_pow(double x) { return pow(x, -1.375); }

typedef struct InDouble {
  const char *name;
  double (*exact)(double);
  double second; // the other argument where there are two
  int parity;    // exact(-x) = parity * exact(x), 0: no such law
} InDouble;
static const InDouble in_double[] = {
    {"exp", exp, 0, 0},
    {"expm1", expm1, 0, 0},
    {"log", log, 0, 0},
    {"log1p", log1p, 0, 0},
    {"sqrt", sqrt, 0, 0},
    {"tanh", tanh, 0, -1},
    {"sigmoid", in_double_sigmoid, 0, 0},
    {"softplus", in_double_softplus, 0, 0},
    {"sinh", sinh, 0, -1},
    {"cosh", cosh, 0, 1},
    {"asinh", asinh, 0, -1},
    {"sin", sin, 0, -1},
    {"cos", cos, 0, 1},
    {"atan2", in_double_atan2, -0.75, -1},
    {"floor", floor, 0, 0},
    {"round", rint, 0, -1},
    {"erf", erf, 0, -1},
    {"erfc", erfc, 0, 0},
    {"normal_icdf", special_normal_icdf, 0, 0},
    {"lgamma", lgamma, 0, 0},
    {"digamma", special_digamma, 0, 0},
    {"trigamma", special_trigamma, 0, 0},
    {"i0e", special_i0e, 0, 1},
    {"i1e", special_i1e, 0, -1},
    {"pow", in_double_pow, -1.375, 0},
};
static_assert(sizeof in_double / sizeof *in_double == FUNCTIONS, "every function has its double");

static double float_ulp(double x) { // ulp_of(x, false), from the bits: called for every float
  double size = fmax(fabs(x), 0x1p-126);
  uint64_t bits;
  memcpy(&bits, &size, sizeof bits);
  return from_bits(((bits >> 52) - 23) << 52, true);
}

// Error in units of float32's last place where the double nearest to the exact value is known.
static double float_error(double got, double want) {
  if (got == (double)(float)want) return isfinite(want) && isfinite(got) ? 0.5 : 0; // rounded as it should be: at most that
  if (isnan(want) || isnan(got)) return isnan(want) && isnan(got) ? 0 : INFINITY;
  if (isinf(want) || isinf(got) || fabs(want) > 0x1.fffffep127) return fabs(got) == 0x1.fffffep127 ? 0 : INFINITY;
  return fabs(got - want) / float_ulp(want);
}

// Near a zero of a special function a double may be too coarse: then MPFR decides.
static double error_by_mpfr(const Function *f, double x, double second, double got) {
  mpfr_t a, b, y;
  mpfr_inits2(PRECISION, a, b, y, (mpfr_ptr)0);
  mpfr_set_d(a, x, MPFR_RNDN);
  mpfr_set_d(b, second, MPFR_RNDN);
  f->reference(y, a, b);
  double error = error_of(got, y, false);
  mpfr_clears(a, b, y, (mpfr_ptr)0);
  return error;
}

static void run_floats(const Function *f, uint64_t first, float second, Batch *batch) {
  for (int i = 0; i < BATCH; i++) batch->a.f32[i] = (float)from_bits(first + (uint64_t)i, false), batch->b.f32[i] = second;
  run(&images[0], f, 0, batch);
}

static double worst_of_batch(const Function *f, const InDouble *d, const Batch *batch) {
  const double allowed = fmax(f->bound[0], 0.5);
  double worst = 0;
  for (int i = 0; i < BATCH; i++) {
    double x = (double)batch->a.f32[i];
    if (!in_range(f, x)) continue; // not for NaN either
    double got = (double)batch->y.f32[i], want = d->exact(x), error = float_error(got, want);
    if (!(error <= allowed)) error = error_by_mpfr(f, x, d->second, got);
    if (!(error <= allowed)) fail_msg("%s(%a) = %a, not %a: %g ulp", f->name, x, got, want, error);
    if (error > worst) worst = error;
  }
  return worst;
}

static bool mirrored(const Batch *x, const Batch *minus_x, int parity) {
  bool same = parity != 0;
  for (int i = 0; i < BATCH && same; i++) {
    float a = (float)parity * x->y.f32[i], b = minus_x->y.f32[i];
    same = a == b || (isnan(a) && isnan(b));
  }
  return same;
}

// Numbers and their opposites; what mirrors checked numbers is right.
static double worst_of_floats(const Function *f, const InDouble *d) {
  static Batch batch, opposite;
  double worst = 0;
  for (uint64_t first = 0; first < 1ull << 31; first += BATCH) {
    run_floats(f, first, (float)d->second, &batch);
    run_floats(f, first | 1ull << 31, (float)d->second, &opposite);
    worst = fmax(worst, worst_of_batch(f, d, &batch));
    if (!mirrored(&batch, &opposite, d->parity)) worst = fmax(worst, worst_of_batch(f, d, &opposite));
  }
  return worst;
}

// HGM_LONG: all 2^32 floats.
static void test_every_float(void **state) {
  (void)state;
  if (!getenv("HGM_LONG")) return;
  for (int f = 0; f < FUNCTIONS; f++) {
    assert_string_equal(functions[f].name, in_double[f].name);
    if (!chosen(f)) continue;
    printf("%-12s every float: %.3f ulp\n", functions[f].name, worst_of_floats(&functions[f], &in_double[f]));
    fflush(stdout);
  }
}

// Neighbours in order: a function that grows may not fall by more than rounding noise of one unit, and its ends hold.
static void test_monotone(void **state) {
  (void)state;
  static Batch batch;
  uint64_t seed = 3;
  for (int f = 0; f < FUNCTIONS; f++)
    for (int f64 = 0; functions[f].direction && f64 < 2; f64++)
      for (int n = 0; n < 20; n++) {
        double x = sample(&seed, f64);
        for (int i = 0; i < BATCH; i++) {
          put(&batch.a, f64, i, x);
          x = f64 ? nextafter(x, INFINITY) : (double)nextafterf((float)x, INFINITY);
        }
        run(&images[0], &functions[f], f64, &batch);
        for (int i = 1; i < BATCH; i++) {
          double a = at(&batch.y, f64, i - 1), b = at(&batch.y, f64, i), slack = ulp_of(a, f64) * functions[f].bound[f64];
          if (!in_range(&functions[f], at(&batch.a, f64, i - 1)) || !in_range(&functions[f], at(&batch.a, f64, i))) continue;
          if (isnan(a) || isnan(b)) continue;
          if (functions[f].direction > 0 ? b < a - slack : b > a + slack)
            fail_msg("%s falls back at %a: %a, then %a", functions[f].name, at(&batch.a, f64, i), a, b);
        }
      }
}

static int compile(void **state) {
  (void)state;
  images[0] = compile_all(NULL);
  images[1] = compile_all("haswell");
  return 0;
}

static int release(void **state) {
  (void)state;
  image_free(&images[0]);
  image_free(&images[1]);
  return 0;
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_bounds), cmocka_unit_test(test_far_sine), cmocka_unit_test(test_monotone),
                                     cmocka_unit_test(test_every_float)};
  return cmocka_run_group_tests(tests, compile, release);
}
