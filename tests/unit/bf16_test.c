// needs: compiler/opt compiler/codegen tests/support compiler/ir runtime lang/base
// Products with operands of bf16: rounding against its definition, products against the order of docs/sampler.md over rounded operands, bit for bit, and
// whole functions against the evaluator.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "compiler/opt/bf16.h"
#include "compiler/opt/opt.h"
#include "runtime/bf16.h"
#include "runtime/cpu.h"
#include "tests/support/amx.h"
#include "tests/support/checked.h"
#include "tests/support/random_program.h"

enum { E = IR_EVENTS };

static IrRef leaf(IrFn *fn, IrOp op, const char *name, IrDtype dtype, int rank, const int64_t *axes) {
  return ir_leaf(fn, op, name, ir_type(dtype, rank, axes));
}

static float with_bits(uint32_t bits) {
  float x;
  memcpy(&x, &bits, sizeof x);
  return x;
}

// ---- rounding

// The nearest of all bf16 around x, of two as near the one with an even last digit: by looking at each.
static float nearest(float x) {
  uint32_t bits;
  memcpy(&bits, &x, sizeof bits);
  float best = NAN;
  for (int64_t step = -1; step <= 1; step++) {
    uint32_t half = (uint32_t)((int64_t)(bits >> 16) + step);
    if ((half & 0x8000) != (bits >> 16 & 0x8000)) continue;                                      // another sign
    double y = (half & 0x7fff) == 0x7f80 ? copysign(0x1p128, x) : (double)with_bits(half << 16); // infinity stands where the next number would
    if (isnan(y)) continue;
    double now = fabs(y - (double)x), old = fabs((isinf(best) ? copysign(0x1p128, x) : (double)best) - (double)x);
    if (isnan(best) || now < old || (now == old && half % 2 == 0)) best = fabs(y) == 0x1p128 ? copysignf(INFINITY, x) : (float)y;
  }
  return best;
}

// Finite numbers of every exponent: on a bf16, between two, one step beside, and at random. n of them.
static float *numbers(Arena *arena, int64_t *n) {
  static const uint32_t ends[] = {0, 1, 0x7fff, 0x8000, 0x8001, 0xffff};
  enum { ENDS = sizeof ends / sizeof *ends, AT_RANDOM = 2 };
  float *x = ARENA_ARRAY(arena, float, 2 * 0x7f80 / 16 * (ENDS + AT_RANDOM) + 32);
  uint64_t state = 7;
  *n = 0;
  for (uint32_t sign = 0; sign < 2; sign++)
    for (uint32_t half = 0; half < 0x7f80; half += 16)
      for (int k = 0; k < ENDS + AT_RANDOM; k++) {
        uint32_t low = k < ENDS ? ends[k] : (uint32_t)random_below(&state, 0x10000);
        x[(*n)++] = with_bits(sign << 31 | (half + (uint32_t)random_below(&state, 16)) << 16 | low);
      }
  x[(*n)++] = with_bits(0x7f7fffff); // the largest rounds to infinity
  x[(*n)++] = -with_bits(0x7f7fffff);
  return x;
}

static void test_rounding(void **state) {
  (void)state;
  Arena *arena = arena_create();
  int64_t n;
  float *x = numbers(arena, &n);
  double *wide = ARENA_ARRAY(arena, double, n);
  for (int64_t i = 0; i < n; i++) wide[i] = (double)x[i];
  IrFn *fn = ir_fn_new(arena, "round");
  ir_output(fn, "y", ir_cast(fn, ir_cast(fn, leaf(fn, IR_INPUT, "x", IR_F32, 1, (int64_t[]){E}), IR_BF16), IR_F32));
  IrArray leaves = {"x", n, wide};
  IrEnv env = {.events = n, .leaves = &leaves, .n_leaves = 1};
  CodegenOptions options = codegen_defaults();
  HgmProgram *program = codegen_compile(fn, &options, NULL, NULL);
  const double *evaluated = checked_evaluate(arena, fn, &env)[0].data;
  const float *compiled = checked_execute(arena, program, &env, 1)[0];
  for (int64_t i = 0; i < n; i++) {
    float y = nearest(x[i]), in_c = hgm_bf16_number(hgm_bf16(x[i]));
    if (memcmp(&y, &in_c, 4) != 0 || memcmp(&y, &compiled[i], 4) != 0 || (double)y != evaluated[i])
      fail_msg("%a: %a by its definition, %a in C, %a compiled, %a evaluated", x[i], y, in_c, compiled[i], evaluated[i]);
  }
  codegen_free(program);
  arena_destroy(arena);
}

static void test_infinity_and_nan(void **state) {
  (void)state;
  float odd[] = {INFINITY, -INFINITY, NAN, with_bits(0x7fffffff), with_bits(0xffffffff), with_bits(0x7f800001)};
  for (int i = 0; i < 6; i++) {
    float y = hgm_bf16_number(hgm_bf16(odd[i]));
    assert_true(isnan(odd[i]) ? isnan(y) && signbit(y) == signbit(odd[i]) : y == odd[i]);
  }
  Arena *arena = arena_create();
  IrFn *fn = ir_fn_new(arena, "round");
  ir_output(fn, "y", ir_cast(fn, ir_cast(fn, leaf(fn, IR_PARAM, "x", IR_F32, 1, (int64_t[]){6}), IR_BF16), IR_F32));
  CodegenOptions options = codegen_defaults();
  HgmProgram *program = codegen_compile(fn, &options, NULL, NULL);
  HgmError error = {0};
  HgmWork *work = hgm_work_create(program, 1, 1, NULL, &error);
  float y[6];
  assert_true(hgm_execute(program, work, NULL, &(HgmCall){.leaves = (const void *[]){odd}, .outputs = (void *[]){y}, .events = 1}, &error));
  for (int i = 0; i < 6; i++) assert_true(isnan(odd[i]) ? isnan(y[i]) : y[i] == odd[i]);
  hgm_work_destroy(work);
  codegen_free(program);
  arena_destroy(arena);
}

// ---- products, bit for bit

typedef struct Product {
  const char *spec;
  int64_t k, n;
  bool relu, computed; // x has zeros; weights are computed from what is kept
} Product;

static double half(double x) { return (double)hgm_bf16_number(hgm_bf16((float)x)); }

// The sum of docs/sampler.md: blocks of 32 terms, in each one chain of the even terms and one of the odd ones.
static float in_blocks(const float *a, const float *b, int64_t k) {
  float sum = 0;
  for (int64_t from = 0; from < k; from += 32) {
    float chain[2] = {0, 0};
    for (int64_t i = from; i < k && i < from + 32; i++) chain[i % 2] = fmaf(a[i], b[i], chain[i % 2]);
    sum += chain[0] + chain[1];
  }
  return sum;
}

// In bulk and for single events, weights in either order.
static void test_products(void **state) {
  (void)state;
  bool real = hgm_cpu_use_amx();
  if (!real) amx_emulate();
  static const Product all[] = {{"ek,kn->en", 37, 41, false, false}, {"ek,nk->en", 37, 41, true, false},  {"ek,kn->en", 128, 115, true, false},
                                {"ek,nk->en", 16, 128, false, true}, {"ek,kn->en", 70, 65, true, true},   {"ek,kn->en", 1, 16, false, false},
                                {"ek,kn->en", 3, 2, false, false},   {"ek,nk->en", 129, 64, true, false}, {"ek,kn->en", 17, 5, true, false},
                                {"ek,kn->en", 64, 33, false, false}, {"ek,nk->en", 96, 7, true, false},   {"ek,kn->en", 33, 1, false, false},
                                {"ek,k->e", 70, 1, false, false}};
  for (size_t c = 0; c < sizeof all / sizeof *all; c++) {
    const Product *p = &all[c];
    enum { EVENTS = 37, MOST = 200 };
    bool across = p->spec[3] == 'k';
    Arena *arena = arena_create();
    IrFn *fn = ir_fn_new(arena, "product");
    IrRef x = leaf(fn, IR_INPUT, "x", IR_F32, 2, (int64_t[]){E, p->k}), w;
    w = leaf(fn, IR_PARAM, "w", IR_F32, p->spec[4] == '-' ? 1 : 2, (int64_t[]){across ? p->k : p->n, across ? p->n : p->k});
    if (p->relu) x = ir_binary(fn, IR_MAX, x, ir_number(fn, IR_F32, 0));
    if (p->computed) w = ir_binary(fn, IR_MUL, w, ir_number(fn, IR_F32, 3));
    ir_output(fn, "y", ir_einsum(fn, p->spec, x, w));
    IrFn *halves = opt_bf16(arena, fn);
    const char *problem = ir_verify(halves, arena);
    if (problem) fail_msg("%s", problem);
    uint64_t random = c;
    double *xs = ARENA_ARRAY(arena, double, EVENTS * p->k), *ws = ARENA_ARRAY(arena, double, p->k * p->n), *kept = ARENA_ARRAY(arena, double, p->k * p->n);
    for (int64_t i = 0; i < EVENTS * p->k; i++) xs[i] = (double)(float)random_between(&random, -2, 2);
    for (int64_t i = 0; i < p->k * p->n; i++) ws[i] = (double)(float)random_between(&random, -1, 1), kept[i] = half(ws[i]);
    IrArray leaves[] = {{"x", EVENTS * p->k, xs}, {p->computed ? "w" : "w" OPT_BF16_LEAF, p->k * p->n, p->computed ? ws : kept}};
    IrEnv env = {.events = EVENTS, .leaves = leaves, .n_leaves = 2};
    for (int way = 0; way < 3; way++) { // single events, in bulk, in bulk by AMX
      uint32_t tile = way == 0 ? 1 : 128;
      CodegenOptions options = codegen_defaults();
      options.tile = tile;
      options.tiles = way == 2;
      if (options.tiles) options.cpu = "x86-64-v3";
      HgmProgram *program = codegen_compile(halves, &options, NULL, NULL);
      const float *y = checked_execute(arena, program, &env, 1)[0];
      for (int64_t e = 0; e < EVENTS; e++)
        for (int64_t n = 0; n < p->n; n++) {
          float as[MOST], bs[MOST];
          for (int64_t k = 0; k < p->k; k++) {
            double a = xs[e * p->k + k], b = ws[across ? k * p->n + n : n * p->k + k];
            as[k] = (float)half(p->relu && a < 0 ? 0 : a), bs[k] = (float)half(p->computed ? (double)(3 * (float)b) : b);
          }
          float sum = in_blocks(as, bs, p->k), got = y[e * p->n + n];
          if (memcmp(&got, &sum, sizeof sum) != 0)
            fail_msg("%s %d x %d, tile %u%s: event %d, %d: %a, not %a", p->spec, (int)p->k, (int)p->n, tile, way == 2 ? ", AMX" : "", (int)e, (int)n, got, sum);
        }
      codegen_free(program);
    }
    arena_destroy(arena);
  }
  assert_true(real || amx_emulated() > 0);
}

// ---- what the pass makes of a function

static const char before[] = "fn draw {\n"
                             "  %0 = input \"x\" : f32[e,3]\n"
                             "  %1 = param \"a\" : f32[3,4]\n"
                             "  %2 = einsum \"ei,io->eo\" %0, %1 : f32[e,4]\n"
                             "  %3 = param \"b\" : f32[4,5]\n"
                             "  %4 = transpose %3 order (1, 0) : f32[5,4]\n"
                             "  %5 = einsum \"oi,ei->eo\" %4, %2 : f32[e,5]\n"
                             "  %6 = param \"c\" : f32[3,4]\n"
                             "  %7 = einsum \"ei,io->eo\" %0, %6 : f32[e,4]\n"
                             "  %8 = state \"s\" : f32[3,3]\n"
                             "  %9 = einsum \"ei,io->eo\" %0, %8 : f32[e,3]\n"
                             "  output \"y\" %5\n"
                             "  output \"z\" %7\n"
                             "  output \"c\" %6\n"
                             "  output \"prepared\" %9\n"
                             "}\n";
static const char after[] = "fn draw {\n"
                            "  %0 = input \"x\" : f32[e,3]\n"
                            "  %1 = param \"a.bf16\" : bf16[3,4]\n"
                            "  %2 = cast %0 : bf16[e,3]\n"
                            "  %3 = cast %2 : f32[e,3]\n"
                            "  %4 = cast %1 : f32[3,4]\n"
                            "  %5 = einsum \"ei,io->eo\" %3, %4 : f32[e,4]\n"
                            "  %6 = param \"b.bf16\" : bf16[4,5]\n"
                            "  %7 = transpose %6 order (1, 0) : bf16[5,4]\n"
                            "  %8 = cast %7 : f32[5,4]\n"
                            "  %9 = cast %5 : bf16[e,4]\n"
                            "  %10 = cast %9 : f32[e,4]\n"
                            "  %11 = einsum \"oi,ei->eo\" %8, %10 : f32[e,5]\n"
                            "  %12 = param \"c\" : f32[3,4]\n"
                            "  %13 = cast %12 : bf16[3,4]\n"
                            "  %14 = cast %13 : f32[3,4]\n"
                            "  %15 = einsum \"ei,io->eo\" %3, %14 : f32[e,4]\n"
                            "  %16 = state \"s\" : f32[3,3]\n"
                            "  %17 = einsum \"ei,io->eo\" %0, %16 : f32[e,3]\n"
                            "  output \"y\" %11\n"
                            "  output \"z\" %15\n"
                            "  output \"c\" %12\n"
                            "  output \"prepared\" %17\n"
                            "}\n";

static void test_pass(void **state) {
  (void)state;
  Arena *arena = arena_create();
  const char *error = NULL;
  IrFn *fn = ir_read(arena, before, &error);
  if (!fn) fail_msg("%s", error);
  IrFn *halves = opt_bf16(arena, fn);
  assert_null(ir_verify(halves, arena));
  assert_string_equal(ir_text(arena, halves), after);
  assert_non_null(ir_read(arena, after, &error));
  arena_destroy(arena);
}

// Nothing is computed in bf16, and it comes from float32 alone.
static void test_laws(void **state) {
  (void)state;
  static const char *const wrong[][2] = {{"  %0 = param \"a\" : bf16[3]\n  %1 = neg %0 : bf16[3]\n", "cast to f32 before it is used"},
                                         {"  %0 = input \"a\" : bf16[e]\n", "cast to f32 before it is used"},
                                         {"  %0 = param \"a\" : f64[3]\n  %1 = cast %0 : bf16[3]\n", "from and to f32 only"},
                                         {"  %0 = const 1 : bf16\n", "cast to f32 before it is used"}};
  for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
    Arena *arena = arena_create();
    const char *error = NULL;
    assert_null(ir_read(arena, arena_printf(arena, "fn f {\n%s}\n", wrong[i][0]), &error));
    if (!strstr(error, wrong[i][1])) fail_msg("%s", error);
    arena_destroy(arena);
  }
}

// ---- whole functions against the evaluator

static bool has_products(const IrFn *fn) {
  for (IrRef r = 0; r < fn->values.len; r++)
    if (ir_type_of(fn, r)->dtype == IR_BF16 && ir_has_events(ir_type_of(fn, r))) return true;
  return false;
}

// Two layers, and a convolution: the image is padded, its windows overlap, an axis of the kernel is no multiple of a vector.
static void test_network(void **state) {
  (void)state;
  Arena *arena = arena_create();
  IrFn *fn = ir_fn_new(arena, "network");
  IrRef x = leaf(fn, IR_INPUT, "x", IR_F32, 2, (int64_t[]){E, 20}), b = leaf(fn, IR_PARAM, "b", IR_F32, 1, (int64_t[]){33});
  IrRef y = ir_einsum(fn, "ek,kn->en", x, leaf(fn, IR_PARAM, "w", IR_F32, 2, (int64_t[]){20, 33}));
  y = ir_unary(fn, IR_TANH, ir_binary(fn, IR_ADD, y, ir_broadcast_like(fn, b, y)));
  ir_output(fn, "y", ir_unary(fn, IR_SIGMOID, ir_einsum(fn, "ek,nk->en", y, leaf(fn, IR_PARAM, "v", IR_F32, 2, (int64_t[]){7, 33}))));
  IrRef image = ir_reshape(fn, y, 4, (int64_t[]){E, 11, 3, 1});
  IrRef windows = ir_windows(fn, ir_windows(fn, ir_pad(fn, image, 1, 1, 1, 1), 1, 3, 2), 3, 2, 1);
  IrRef kernel = leaf(fn, IR_PARAM, "kernel", IR_F32, 4, (int64_t[]){3, 2, 1, 18});
  ir_output(fn, "image", ir_einsum(fn, "ehwijc,ijco->ehwo", ir_transpose(fn, windows, (int8_t[]){0, 1, 3, 2, 4, 5}), kernel));
  IrFn *halves = opt_bf16(arena, opt_run(arena, fn, NULL, NULL));
  assert_null(ir_verify(halves, arena));
  assert_true(has_products(halves));
  for (uint64_t seed = 1; seed <= 2; seed++) checked_check(halves, seed, true, "network");
  arena_destroy(arena);
}

static void test_random(void **state) {
  (void)state;
  int checked = 0;
  for (uint64_t seed = 0; checked < 4; seed++) {
    Arena *arena = arena_create();
    RandomOptions options = {.ops = 30};
    IrFn *fn = opt_bf16(arena, opt_run(arena, random_program(arena, seed, IR_F32, &options), NULL, NULL));
    const char *problem = ir_verify(fn, arena);
    if (problem) fail_msg("seed %d: %s", (int)seed, problem);
    if (has_products(fn)) checked_check(fn, seed, true, arena_printf(arena, "seed %d", (int)seed)), checked++;
    arena_destroy(arena);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_rounding), cmocka_unit_test(test_infinity_and_nan), cmocka_unit_test(test_products), cmocka_unit_test(test_pass),
      cmocka_unit_test(test_laws),     cmocka_unit_test(test_network),          cmocka_unit_test(test_random)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
