// needs: compiler/codegen compiler/ir lang/base runtime
// The matrix micro-kernels against plain loops, for many shapes, both dtypes, AVX-512 and AVX2: bit for bit where one
// chain of fma is promised, to rounding where a tree adds.
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/support/compiled.h"
#include "tests/support/dense.h"

enum { GUARD = 64 }; // numbers behind every array that no kernel may touch

// ---- arrays of either dtype, seen as doubles

typedef struct Array {
  bool f64;
  int64_t n;
  void *at;
} Array;

static double get(const Array *a, int64_t i) { return a->f64 ? ((double *)a->at)[i] : (double)((float *)a->at)[i]; }

static void set(Array *a, int64_t i, double x) {
  if (a->f64) ((double *)a->at)[i] = x;
  else ((float *)a->at)[i] = (float)x;
}

static Array array(bool f64, int64_t n, uint32_t seed) {
  Array a = {f64, n, aligned_alloc(64, (size_t)((n + GUARD) * 8 + 63) / 64 * 64)};
  for (int64_t i = 0; i < n + GUARD; i++) {
    seed = seed * 1664525u + 1013904223u;
    set(&a, i, i < n ? (double)(seed >> 8) / (1 << 23) - 1 : 777);
  }
  return a;
}

static void assert_guard(const Array *a) {
  for (int64_t i = a->n; i < a->n + GUARD; i++) assert_true(get(a, i) == 777);
}

static double fma_of(bool f64, double a, double b, double c) { return f64 ? fma(a, b, c) : (double)fmaf((float)a, (float)b, (float)c); }

// ---- compiled kernels

static LLVMValueRef twice_plus_row(void *data, CodeModule *m, const GemmAt *at, LLVMValueRef value) {
  (void)data;
  LLVMTypeRef type = LLVMTypeOf(value);
  LLVMValueRef r = LLVMBuildSIToFP(m->builder, emit_plus(m, at->row, at->r), emit_element(type), "");
  return emit_fma(m, value, emit_number(type, 2), emit_splat(m, type, r));
}

typedef enum { FROM_ZERO, FROM_BIAS, FROM_Y, EPILOGUE } Variant;

// Number (row, event) of an array of so many rows.
static int64_t at(int64_t stride, int64_t rows, int64_t row, int64_t event) {
  return event / CODE_LANES * CODE_LANES * rows + row * stride + event % CODE_LANES;
}

static void check_forward(const CodeTarget *t, Gemm g, Variant variant) {
  Array w = array(g.f64, g.n * g.k, 1), x = array(g.f64, g.tile * g.x_rows, 2), bias = array(g.f64, g.n, 3);
  Array y = array(g.f64, g.tile * g.y_rows, 4), start = array(g.f64, g.tile * g.y_rows, 4);
  CodeModule *m = code_module_create(t, "forward");
  LLVMValueRef p[4];
  code_kernel(m, "kernel", 4, p);
  g.w = p[0], g.x = p[1], g.y = p[2];
  if (variant == FROM_BIAS) g.bias = p[3], g.bias_stride = 1;
  if (variant == FROM_Y) g.add = true;
  if (variant == EPILOGUE) g.epilogue = twice_plus_row;
  gemm_emit(m, &g);
  Compiled c = compiled_kernel(m);
  HgmTile tile = {.valid = g.tile};
  c.run(&tile, (void *[]){w.at, x.at, y.at, bias.at});
  int64_t step = g.y_stride / CODE_LANES; // rows of the array between those of Y hold what they held
  for (int64_t row = 0; row < g.y_rows; row++)
    for (int64_t e = 0; e < g.tile; e++) {
      int64_t n = row / step, place = at(CODE_LANES, g.y_rows, row, e);
      double old = get(&start, place), got = get(&y, place), sum = variant == FROM_BIAS ? get(&bias, n < g.n ? n : 0) : variant == FROM_Y ? old : 0;
      for (int64_t k = 0; n < g.n && k < g.k; k++) sum = fma_of(g.f64, get(&w, k * g.w_k + n * g.w_n), get(&x, at(g.x_stride, g.x_rows, k, e)), sum);
      if (variant == EPILOGUE) sum = fma_of(g.f64, sum, 2, (double)n);
      if (row % step != 0 || n >= g.n) sum = old;
      if (got != sum) fail_msg("%s n %d k %d: row %d event %d: %.9g, not %.9g", g.f64 ? "f64" : "f32", (int)g.n, (int)g.k, (int)n, (int)e, got, sum);
    }
  assert_guard(&y);
  image_free(&c.image);
  free(w.at), free(x.at), free(bias.at), free(y.at), free(start.at);
}

static const char *const machines[] = {NULL, "haswell"};

static void test_forward_shapes(void **state) {
  (void)state;
  static const int64_t shapes[][3] = {{1, 1, 16},   {1, 3, 128},  {2, 7, 48},   {3, 2, 128},     {5, 128, 128},   {7, 5, 112},    {12, 16, 64}, {13, 1, 16},
                                      {24, 9, 128}, {25, 33, 32}, {40, 40, 16}, {115, 128, 128}, {128, 115, 128}, {232, 24, 128}, {37, 128, 80}};
  for (int machine = 0; machine < 2; machine++) {
    CodeTarget *t = compiled_target(machines[machine], WITH_CARE);
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++)
      for (int f64 = 0; f64 < 2; f64++) check_forward(t, dense_gemm(f64, shapes[i][0], shapes[i][1], shapes[i][2], i % 2), (Variant)(i % 4));
    code_target_destroy(t);
  }
}

static void test_every_row_count(void **state) {
  (void)state;
  CodeTarget *t = compiled_target(NULL, WITH_CARE);
  CodeTarget *brief = compiled_target(NULL, BRIEFLY);
  for (int64_t n = 1; n <= 40; n++) check_forward(t, dense_gemm(false, n, 41 - n, 128, n % 2), (Variant)(n % 4));
  for (int64_t n = 1; n <= 40; n++) check_forward(brief, dense_gemm(n % 3 == 0, n, 41 - n, 128, n % 2), (Variant)(n % 4));
  code_target_destroy(brief);
  code_target_destroy(t);
}

static void test_block_shapes_agree(void **state) {
  (void)state;
  static const unsigned blocks[][2] = {{1, 1}, {1, 8}, {2, 6}, {4, 4}, {3, 5}, {8, 2}, {2, 14}};
  CodeTarget *t = compiled_target(NULL, WITH_CARE);
  for (size_t i = 0; i < sizeof blocks / sizeof *blocks; i++) {
    Gemm g = dense_gemm(i % 2, 29, 31, 128, false);
    g.block_vectors = blocks[i][0], g.block_rows = blocks[i][1];
    check_forward(t, g, FROM_BIAS);
  }
  code_target_destroy(t);
}

static void test_strides(void **state) {
  (void)state;
  CodeTarget *t = compiled_target(NULL, WITH_CARE);
  Gemm g = dense_gemm(false, 17, 9, 48, true);
  g.x_stride = 2 * CODE_LANES, g.x_rows = 19, g.y_stride = 3 * CODE_LANES, g.y_rows = 55;
  check_forward(t, g, FROM_Y);
  code_target_destroy(t);
}

// ---- weight gradients

static double plain_gradient(const GemmGradient *g, const Array *a, const Array *b, int64_t r, int64_t c, int64_t valid) {
  double sum = 0;
  for (int64_t t = 0; t < valid; t++) sum = fma_of(g->f64, get(a, at(g->a_stride, g->a_rows, r, t)), b ? get(b, at(g->b_stride, g->b_rows, c, t)) : 1, sum);
  return sum;
}

static bool close_enough(bool f64, bool chain, double got, double want) {
  return chain ? got == want : fabs(got - want) <= (f64 ? 1e-13 : 1e-4) * (1 + fabs(want));
}

static void check_gradient(const CodeTarget *t, GemmGradient g, int64_t valid, bool add, bool sums) {
  Array a = array(g.f64, g.tile * g.a_rows, 5), b = array(g.f64, g.tile * g.b_rows, 6);
  Array d = array(g.f64, g.rows * g.d_stride, 7), start = array(g.f64, g.rows * g.d_stride, 7);
  for (int64_t e = valid; e < g.tile; e++) { // what lies behind the valid events may be anything
    for (int64_t r = 0; r < g.rows; r++) set(&a, at(g.a_stride, g.a_rows, r, e), NAN);
    for (int64_t c = 0; c < g.columns; c++) set(&b, at(g.b_stride, g.b_rows, c, e), INFINITY);
  }
  Array scratch = array(true, gemm_gradient_scratch(&g) / 8, 8); // from the numbers alone: the pointers come later
  CodeModule *m = code_module_create(t, "gradient");
  LLVMValueRef p[5];
  LLVMValueRef kernel = code_kernel(m, "kernel", 5, p);
  g.d = p[0], g.a = p[1], g.b = sums ? NULL : p[2], g.scratch = p[3];
  g.valid = emit_load(m, m->i64, LLVMGetParam(kernel, 0)); // HgmTile.valid is its first member
  g.add = LLVMBuildICmp(m->builder, LLVMIntNE, emit_load(m, m->i64, p[4]), emit_index(m, 0), "");
  gemm_gradient_emit(m, &g);
  Compiled k = compiled_kernel(m);
  HgmTile tile = {.valid = valid};
  int64_t flag = add;
  k.run(&tile, (void *[]){d.at, a.at, b.at, scratch.at, &flag});
  int64_t lanes = g.f64 ? 8 : 16, rest = g.columns % lanes;
  int64_t chained = g.rows <= 6 || sums ? 0 : rest <= 2 ? g.columns - rest : g.columns; // others add by a tree
  for (int64_t r = 0; r < g.rows; r++)
    for (int64_t c = 0; c < g.d_stride; c++) {
      double old = get(&start, r * g.d_stride + c), got = get(&d, r * g.d_stride + c), want = old;
      if (c < g.columns) want = plain_gradient(&g, &a, sums ? NULL : &b, r, c, valid);
      if (c < g.columns && add) want = g.f64 ? want + old : (double)((float)want + (float)old);
      if (!close_enough(g.f64, c >= g.columns || c < chained, got, want))
        fail_msg("%s %d x %d valid %d: (%d, %d) is %.9g, not %.9g", g.f64 ? "f64" : "f32", (int)g.rows, (int)g.columns, (int)valid, (int)r, (int)c, got, want);
    }
  assert_guard(&d);
  assert_guard(&scratch);
  image_free(&k.image);
  free(a.at), free(b.at), free(d.at), free(start.at), free(scratch.at);
}

static GemmGradient gradient(bool f64, int64_t rows, int64_t columns, int64_t tile) {
  GemmGradient g = dense_gradient(f64, rows, columns, tile);
  g.a_rows++, g.b_rows += 2;
  return g;
}

static void test_gradient_shapes(void **state) {
  (void)state;
  static const int64_t shapes[][4] = {{1, 1, 16, 16},    {1, 5, 128, 100}, {3, 40, 128, 127},  {5, 128, 128, 128},  {128, 5, 128, 128},  {6, 7, 64, 1},
                                      {13, 16, 128, 17}, {24, 31, 32, 31}, {40, 33, 128, 128}, {115, 128, 128, 99}, {33, 115, 128, 128}, {12, 232, 128, 64}};
  for (int kind = 0; kind < 4; kind++) {
    CodeTarget *t = compiled_target(machines[kind % 2], kind < 2 ? WITH_CARE : BRIEFLY);
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++)
      for (int f64 = 0; f64 < 2; f64++) {
        GemmGradient g = gradient(f64, shapes[i][0], shapes[i][1], shapes[i][2]);
        if (i % 3 == 1) g.d_stride += 3;
        check_gradient(t, g, shapes[i][3], i % 2, false);
      }
    code_target_destroy(t);
  }
}

static void test_gradient_every_column_count(void **state) {
  (void)state;
  for (int brief = 0; brief < 2; brief++) {
    CodeTarget *t = compiled_target(NULL, brief ? BRIEFLY : WITH_CARE);
    for (int64_t n = 1; n <= 40; n++) check_gradient(t, gradient(n % 2, 41 - n, n, 48), n, n % 3 == 0, false);
    code_target_destroy(t);
  }
}

static void test_row_sums(void **state) {
  (void)state;
  for (int brief = 0; brief < 2; brief++) {
    CodeTarget *t = compiled_target(NULL, brief ? BRIEFLY : WITH_CARE);
    for (int64_t n = 1; n < 40; n += 7) check_gradient(t, gradient(n % 2, n, 1, 128), 128 - n, n % 3 == 0, true);
    code_target_destroy(t);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_forward_shapes), cmocka_unit_test(test_every_row_count), cmocka_unit_test(test_block_shapes_agree),
      cmocka_unit_test(test_strides),        cmocka_unit_test(test_gradient_shapes), cmocka_unit_test(test_gradient_every_column_count),
      cmocka_unit_test(test_row_sums),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
