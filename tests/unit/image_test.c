// needs: compiler/codegen compiler/ir lang/base runtime
// The flat image: what it accepts, what it refuses and in which words, and what the code in it looks like.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "compiler/codegen/vmath.h"
#include "tests/support/compiled.h"
#include "tests/support/dense.h"

// A kernel that multiplies a vector by a constant: code and a constant in a section of its own.
static LLVMMemoryBufferRef times(const CodeTarget *t, const char *name, double factor) {
  CodeModule *m = code_module_create(t, name);
  LLVMValueRef p[2];
  code_kernel(m, name, 2, p);
  LLVMValueRef x = emit_load(m, m->v16f64, p[0]);
  emit_store(m, LLVMBuildFMul(m->builder, x, emit_number(m->v16f64, factor), ""), p[1]);
  LLVMBuildRetVoid(m->builder);
  LLVMMemoryBufferRef b = code_module_object(m);
  code_module_destroy(m);
  return b;
}

static ImageObject view(LLVMMemoryBufferRef b) { return (ImageObject){LLVMGetBufferStart(b), LLVMGetBufferSize(b)}; }

static void test_several_objects(void **state) {
  (void)state;
  enum { N = 5 };
  CodeTarget *t = compiled_target(NULL, WITH_CARE);
  LLVMMemoryBufferRef buffers[N];
  ImageObject objects[N];
  char name[24];
  for (int i = 0; i < N; i++) {
    snprintf(name, sizeof name, "times%d", i);
    buffers[i] = times(t, name, i + 0.5);
    objects[i] = view(buffers[i]);
  }
  Image image;
  HgmError error = {0};
  assert_true(image_build(&image, objects, N, &error));
  assert_null(image_kernel(&image, "times0")); // not mapped yet
  assert_true(image_map(&image, &error));
  assert_int_equal(image.size % 4096, 0);
  assert_int_equal(image.n_symbols, N);
  double x[16], y[16];
  for (int i = 0; i < 16; i++) x[i] = i;
  for (int i = 0; i < N; i++) {
    snprintf(name, sizeof name, "times%d", i);
    image_kernel(&image, name)(NULL, (void *[]){x, y});
    for (int j = 0; j < 16; j++) assert_true(y[j] == j * (i + 0.5));
  }
  assert_null(image_kernel(&image, "times9"));
  image_free(&image);
  for (int i = 0; i < N; i++) LLVMDisposeMemoryBuffer(buffers[i]);
  code_target_destroy(t);
}

static void test_same_bytes_again(void **state) { // what the cache and the sampler rely on
  (void)state;
  CodeTarget *t = compiled_target(NULL, WITH_CARE);
  LLVMMemoryBufferRef a = times(t, "f", 3), b = times(t, "f", 3);
  Image first, second;
  HgmError error = {0};
  assert_true(image_build(&first, (ImageObject[]){view(a)}, 1, &error));
  assert_true(image_build(&second, (ImageObject[]){view(b)}, 1, &error));
  assert_int_equal(first.size, second.size);
  assert_memory_equal(first.bytes, second.bytes, first.size);
  image_free(&first);
  image_free(&second);
  LLVMDisposeMemoryBuffer(a);
  LLVMDisposeMemoryBuffer(b);
  code_target_destroy(t);
}

// ---- refusals

static void assert_refused(const ImageObject *objects, size_t n, const char *word) {
  Image image;
  HgmError error = {0};
  assert_false(image_build(&image, objects, n, &error));
  if (!strstr(error.text, word)) fail_msg("the message '%s' does not name '%s'", error.text, word);
  assert_null(image.bytes);
  assert_int_equal(error.exit_code, 3);
}

typedef void Spoil(CodeModule *m);

static void assert_module_refused(Spoil *spoil, const char *word) {
  CodeTarget *t = compiled_target(NULL, WITH_CARE);
  CodeModule *m = code_module_create(t, "spoiled");
  code_kernel(m, "spoiled", 0, NULL);
  spoil(m);
  LLVMBuildRetVoid(m->builder);
  LLVMMemoryBufferRef b = code_module_object(m);
  assert_refused((ImageObject[]){view(b)}, 1, word);
  LLVMDisposeMemoryBuffer(b);
  code_module_destroy(m);
  code_target_destroy(t);
}

static void call_expf(CodeModule *m) {
  LLVMTypeRef type = LLVMFunctionType(m->f32, &m->f32, 1, false);
  LLVMValueRef x = emit_number(m->f32, 1), f = LLVMAddFunction(m->module, "expf", type);
  LLVMBuildCall2(m->builder, type, f, &x, 1, "");
}

static void write_a_global(CodeModule *m) {
  LLVMValueRef g = LLVMAddGlobal(m->module, m->f64, "total");
  LLVMSetInitializer(g, emit_number(m->f64, 1));
  LLVMSetLinkage(g, LLVMInternalLinkage);
  LLVMValueRef store = LLVMBuildStore(m->builder, emit_number(m->f64, 2), g);
  LLVMSetVolatile(store, true);
}

static void read_another_image(CodeModule *m) { // through the GOT
  LLVMValueRef g = LLVMAddGlobal(m->module, m->f64, "elsewhere");
  LLVMSetVolatile(LLVMBuildLoad2(m->builder, m->f64, g, ""), true);
}

static void test_refused_modules(void **state) {
  (void)state;
  assert_module_refused(call_expf, "expf");
  assert_module_refused(write_a_global, ".data");
  assert_module_refused(read_another_image, "elsewhere");
}

static void test_refused_duplicate(void **state) {
  (void)state;
  CodeTarget *t = compiled_target(NULL, WITH_CARE);
  LLVMMemoryBufferRef a = times(t, "twin", 3), b = times(t, "twin", 4);
  assert_refused((ImageObject[]){view(a), view(b)}, 2, "twin");
  LLVMDisposeMemoryBuffer(a);
  LLVMDisposeMemoryBuffer(b);
  code_target_destroy(t);
}

static void test_refused_bytes(void **state) { // every truncation, every byte flipped: an error or an image, no crash
  (void)state;
  CodeTarget *t = compiled_target(NULL, WITH_CARE);
  LLVMMemoryBufferRef b = times(t, "f", 3);
  ImageObject whole = view(b);
  assert_refused((ImageObject[]){{"not an object at all, far from it, and it is long enough for a header, too.", 76}}, 1, "relocatable");
  int refused = 0;
  for (size_t n = 0; n < whole.size; n++) {
    Image image;
    HgmError error = {0};
    char *copy = malloc(n ? n : 1); // of this size, so that a sanitizer sees what is read beyond it
    memcpy(copy, whole.bytes, n);
    if (image_build(&image, (ImageObject[]){{copy, n}}, 1, &error)) fail_msg("%zu of %zu bytes make an image", n, whole.size);
    free(copy);
    copy = malloc(whole.size);
    for (int flip = 0x01; flip <= 0x80; flip *= 0x80) {
      memcpy(copy, whole.bytes, whole.size);
      copy[n] = (char)(copy[n] ^ flip);
      error = (HgmError){0};
      if (image_build(&image, (ImageObject[]){{copy, whole.size}}, 1, &error)) image_free(&image);
      else refused++, assert_true(error.text[0] != 0);
    }
    free(copy);
  }
  assert_in_range(refused, 100, 2 * whole.size);
  LLVMDisposeMemoryBuffer(b);
  code_target_destroy(t);
}

// ---- the matrix kernels keep everything in registers

// Counts instructions that move a vector from or to the stack. A function without a frame has %rbp for other things.
static int spills(const char *text) {
  int n = 0;
  bool frame = strstr(text, "%rsp, %rbp") != NULL;
  for (const char *line = text, *end; (end = strchr(line, '\n')); line = end + 1) {
    char copy[256];
    snprintf(copy, sizeof copy, "%.*s", (int)(end - line), line);
    n += strstr(copy, "mm") && (strstr(copy, "(%rsp") || (frame && strstr(copy, "(%rbp")));
  }
  return n;
}

static int count(const char *text, const char *word) {
  int n = 0;
  for (const char *p = text; (p = strstr(p, word)); p++) n++;
  return n;
}

static char *product_assembly(const CodeTarget *t, bool f64) {
  CodeModule *m = code_module_create(t, "product");
  LLVMValueRef p[3];
  code_kernel(m, "product", 3, p);
  Gemm g = dense_gemm(f64, 128, 128, 128, true);
  g.w = p[0], g.x = p[1], g.y = p[2];
  gemm_emit(m, &g);
  LLVMBuildRetVoid(m->builder);
  char *text = code_module_assembly(m);
  code_module_destroy(m);
  return text;
}

static char *gradient_assembly(const CodeTarget *t, bool f64) {
  CodeModule *m = code_module_create(t, "gradient");
  LLVMValueRef p[4], f = code_kernel(m, "gradient", 4, p);
  GemmGradient g = dense_gradient(f64, 24, 128, 128);
  g.d = p[0], g.a = p[1], g.b = p[2], g.scratch = p[3];
  g.valid = emit_load(m, m->i64, LLVMGetParam(f, 0));
  gemm_gradient_emit(m, &g);
  LLVMBuildRetVoid(m->builder);
  char *text = code_module_assembly(m);
  code_module_destroy(m);
  return text;
}

static void test_no_spills_in_products(void **state) {
  (void)state;
  static const char *const cpus[] = {"znver4", "skylake-avx512", "haswell"};
  for (int c = 0; c < 3; c++)
    for (int f64 = 0; f64 < 2; f64++) {
      CodeTarget *t = compiled_target(cpus[c], WITH_CARE);
      char *product = product_assembly(t, f64), *gradient = gradient_assembly(t, f64);
      assert_int_equal(spills(product), 0);
      if (c < 2) assert_int_equal(spills(gradient), 0); // AVX2 turns squares of 16 vectors: they do not fit
      // Weights come by broadcasts from memory, never through a register.
      int broadcasts = count(product, f64 ? "vbroadcastsd\t" : "vbroadcastss\t");
      assert_true(broadcasts >= 2 && count(product, "vbroadcastss\t%xmm") == 0 && count(product, "vpbroadcast") == 0);
      if (c < 2) assert_true(count(product, "%zmm") > 0);
      else assert_int_equal(count(product, "%zmm"), 0);
      free(product);
      free(gradient);
      code_target_destroy(t);
    }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_several_objects),   cmocka_unit_test(test_same_bytes_again), cmocka_unit_test(test_refused_modules),
      cmocka_unit_test(test_refused_duplicate), cmocka_unit_test(test_refused_bytes),    cmocka_unit_test(test_no_spills_in_products),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
