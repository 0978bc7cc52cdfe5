// needs: compiler/codegen compiler/ir lang/base runtime
// Compiled draws against runtime/philox.c: bits and uniforms to the bit, normals to rounding; AVX-512, AVX2, scalar.
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "compiler/codegen/emit.h"
#include "compiler/codegen/vmath.h"
#include "runtime/philox.h"
#include "tests/support/compiled.h"

enum { EVENTS = 64, BLOCKS = 8 };

// Kernel "drawKF": kind K, f64 F; pointers event lo, event hi, key, output [element][EVENTS]; the pass is HgmTile.pass.
static void emit_draw(CodeModule *m, int kind, bool f64, unsigned lanes) {
  char name[32];
  snprintf(name, sizeof name, "draw%d%d", kind, f64);
  LLVMValueRef p[4], elements[4], f = code_kernel(m, name, 4, p);
  LLVMValueRef pass_at = emit_at(m, LLVMInt8TypeInContext(m->context), LLVMGetParam(f, 0), emit_index(m, offsetof(HgmTile, pass)));
  VDraw draw = {.pass = emit_load(m, m->i32, pass_at), .key = emit_load(m, m->i64, p[2])};
  LLVMTypeRef words = emit_with_lanes(m->i32, lanes), element = kind == 0 ? m->i32 : f64 ? m->f64 : m->f32;
  unsigned per_block = kind && f64 ? 2 : 4;
  EmitLoop b = emit_loop(m, "block", emit_index(m, 0), emit_index(m, BLOCKS), 1, NULL, 0);
  EmitLoop e = emit_loop(m, "event", emit_index(m, 0), emit_index(m, EVENTS), lanes, NULL, 0);
  draw.event_lo = emit_load(m, words, emit_at(m, m->i32, p[0], e.index));
  draw.event_hi = emit_load(m, words, emit_at(m, m->i32, p[1], e.index));
  LLVMValueRef block = LLVMBuildTrunc(m->builder, b.index, m->i32, "");
  assert_int_equal(vmath_draw_block(m, &draw, block, kind, f64, elements), per_block);
  for (unsigned i = 0; i < per_block; i++) {
    LLVMValueRef to = emit_at2(m, element, p[3], b.index, per_block * EVENTS, emit_plus(m, e.index, i * EVENTS));
    emit_store(m, elements[i], to);
  }
  emit_loop_end(m, &e, NULL);
  emit_loop_end(m, &b, NULL);
  LLVMBuildRetVoid(m->builder);
}

static Image compile(const char *cpu, unsigned lanes) {
  CodeTarget *t = compiled_target(cpu, WITH_CARE);
  CodeModule *m = code_module_create(t, "draws");
  for (int kind = 0; kind < 3; kind++)
    for (int f64 = 0; f64 < 2; f64++) emit_draw(m, kind, f64, lanes);
  Image image = compiled_image(m);
  code_target_destroy(t);
  return image;
}

static double reference(int kind, bool f64, uint64_t key, uint64_t event, uint32_t pass, uint64_t element) {
  switch (kind) {
  case 0: return philox_bits(key, event, pass, element);
  case 1: return (f64 ? philox_uniform : philox_uniform32)(key, event, pass, element);
  default: return (f64 ? philox_normal : philox_normal32)(key, event, pass, element);
  }
}

static void check(const Image *image, int kind, bool f64, uint64_t seed) {
  static union {
    uint32_t bits[BLOCKS * 4 * EVENTS];
    float f32[BLOCKS * 4 * EVENTS];
    double f64[BLOCKS * 4 * EVENTS];
  } out;
  uint32_t low[EVENTS], high[EVENTS];
  uint64_t key = philox_key(seed, "noise");
  for (uint32_t i = 0; i < EVENTS; i++) low[i] = i * 2654435761u, high[i] = i % 3;
  char name[16];
  snprintf(name, sizeof name, "draw%d%d", kind, f64);
  HgmTile tile = {.valid = EVENTS, .pass = (uint32_t)seed + 7};
  image_kernel(image, name)(&tile, (void *[]){low, high, &key, &out});
  int n = BLOCKS * (kind && f64 ? 2 : 4);
  for (int j = 0; j < n; j++)
    for (int i = 0; i < EVENTS; i++) {
      double want = reference(kind, f64, key, (uint64_t)high[i] << 32 | low[i], tile.pass, (uint64_t)j), got;
      got = kind == 0 ? out.bits[j * EVENTS + i] : f64 ? out.f64[j * EVENTS + i] : (double)out.f32[j * EVENTS + i];
      double slack = kind < 2 ? 0 : f64 ? 4e-15 : 2e-6;
      if (!(fabs(got - want) <= slack)) fail_msg("kind %d f64 %d element %d event %d: %.17g, not %.17g", kind, f64, j, i, got, want);
      if (kind == 1) assert_true(got > 0 && got < 1);
    }
}

static void check_all(const char *cpu, unsigned lanes) {
  Image image = compile(cpu, lanes);
  for (int kind = 0; kind < 3; kind++)
    for (int f64 = 0; f64 < 2; f64++)
      for (uint64_t seed = 0; seed < 20; seed++) check(&image, kind, f64, seed);
  image_free(&image);
}

static void test_avx512(void **state) { (void)state, check_all(NULL, CODE_LANES); }
static void test_avx2(void **state) { (void)state, check_all("haswell", CODE_LANES); }
static void test_narrow(void **state) { (void)state, check_all(NULL, 4); }
static void test_scalar(void **state) { (void)state, check_all(NULL, 1); }

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_avx512), cmocka_unit_test(test_avx2), cmocka_unit_test(test_narrow), cmocka_unit_test(test_scalar)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
