// needs: lang/base compiler/ir compiler/codegen runtime
// Cost of the vector functions in nanoseconds an element, over arrays that stay in the first-level cache, beside a
// division of the same array; medians of alternating runs. Functions marked call compute in double.
#include <stdio.h>
#include <stdlib.h>

#include "bench/clock.h"
#include "compiler/codegen/emit.h"
#include "compiler/codegen/vmath.h"
#include "tests/support/compiled.h"

enum { N = 1024, REPEATS = 11 };

typedef LLVMValueRef One(CodeModule *m, LLVMValueRef x);
typedef struct Row {
  const char *name;
  One *function;
  double low, high;
} Row;

static LLVMValueRef divide(CodeModule *m, LLVMValueRef x) { return LLVMBuildFDiv(m->builder, emit_number(LLVMTypeOf(x), 1), x, ""); }

static LLVMValueRef atan2_one(CodeModule *m, LLVMValueRef x) { return vmath_atan2(m, x, emit_number(LLVMTypeOf(x), 0.7)); }
static LLVMValueRef power(CodeModule *m, LLVMValueRef x) { return vmath_pow(m, x, emit_number(LLVMTypeOf(x), 1.3)); }

static VDraw draw_of(CodeModule *m, LLVMValueRef x) {
  LLVMValueRef word = LLVMBuildBitCast(m->builder, x, LLVMVectorType(m->i32, emit_lanes(LLVMTypeOf(x))), "");
  return (VDraw){word, word, LLVMConstInt(m->i32, 3, false), LLVMConstInt(m->i64, 0x123456789abcdef, false)};
}

// Four normals for each element; the cost printed is of all four.
static LLVMValueRef four_normals(CodeModule *m, LLVMValueRef x) {
  if (emit_is_f64(LLVMTypeOf(x))) return x;
  VDraw draw = draw_of(m, x);
  LLVMValueRef e[4];
  vmath_draw_block(m, &draw, LLVMConstInt(m->i32, 0, false), 2, false, e);
  return LLVMBuildFAdd(m->builder, LLVMBuildFAdd(m->builder, e[0], e[1], ""), LLVMBuildFAdd(m->builder, e[2], e[3], ""), "");
}

static const Row rows[] = {{"divide", divide, 0.5, 2},
                           {"sqrt", vmath_sqrt, 0, 4},
                           {"exp", vmath_exp, -5, 5},
                           {"expm1", vmath_expm1, -5, 5},
                           {"log", vmath_log, 0.01, 9},
                           {"log1p", vmath_log1p, -0.9, 9},
                           {"sin", vmath_sin, -9, 9},
                           {"cos", vmath_cos, -9, 9},
                           {"atan2", atan2_one, -9, 9},
                           {"tanh", vmath_tanh, -5, 5},
                           {"sigmoid", vmath_sigmoid, -5, 5},
                           {"softplus", vmath_softplus, -5, 5},
                           {"sinh", vmath_sinh, -5, 5},
                           {"cosh", vmath_cosh, -5, 5},
                           {"asinh", vmath_asinh, -5, 5},
                           {"erf", vmath_erf, -4, 4},
                           {"four normals", four_normals, 0, 1},
                           {"erfc, call", vmath_erfc, -4, 4},
                           {"pow, call", power, 0.1, 9},
                           {"normal_icdf, call", vmath_normal_icdf, 0, 1},
                           {"lgamma, call", vmath_lgamma, 0.1, 9},
                           {"digamma, call", vmath_digamma, 0.1, 9},
                           {"trigamma, call", vmath_trigamma, 0.1, 9},
                           {"i0e, call", vmath_i0e, 0, 20},
                           {"i1e, call", vmath_i1e, 0, 20}};
enum { ROWS = sizeof rows / sizeof *rows };

static Image compile(const char *cpu) {
  CodeTarget *t = compiled_target(cpu, WITH_CARE);
  CodeModule *m = code_module_create(t, "bench");
  for (int f = 0; f < 2 * ROWS; f++) {
    LLVMValueRef p[2];
    char name[16];
    snprintf(name, sizeof name, "f%d", f);
    code_kernel(m, name, 2, p);
    LLVMTypeRef type = f % 2 ? m->v16f64 : m->v16f32, element = emit_element(type);
    EmitLoop l = emit_loop(m, "l", emit_index(m, 0), emit_index(m, N), CODE_LANES, NULL, 0);
    LLVMValueRef x = emit_load(m, type, emit_at(m, element, p[0], l.index));
    emit_store(m, rows[f / 2].function(m, x), emit_at(m, element, p[1], l.index));
    emit_loop_end(m, &l, NULL);
    LLVMBuildRetVoid(m->builder);
  }
  Image image = compiled_image(m);
  code_target_destroy(t);
  return image;
}

int main(int argc, char **argv) {
  static union {
    float f32[N];
    double f64[N];
  } x, y;
  static double times[2 * ROWS][REPEATS];
  Image image = compile(argc > 1 ? argv[1] : NULL);
  for (int r = 0; r < REPEATS; r++)
    for (int f = 0; f < 2 * ROWS; f++) {
      char name[16];
      snprintf(name, sizeof name, "f%d", f);
      HgmKernel *kernel = image_kernel(&image, name);
      for (int i = 0; i < N; i++) {
        double v = rows[f / 2].low + (rows[f / 2].high - rows[f / 2].low) * (i + 0.5) / N;
        if (f % 2) x.f64[i] = v;
        else x.f32[i] = (float)v;
      }
      kernel(NULL, (void *[]){&x, &y});
      double start = bench_seconds();
      for (int c = 0; c < 100; c++) kernel(NULL, (void *[]){&x, &y});
      times[f][r] = (bench_seconds() - start) / (100.0 * N) * 1e9;
    }
  printf("%-20s %8s %8s   ns an element\n", "", "f32", "f64");
  for (int f = 0; f < ROWS; f++) printf("%-20s %8.3f %8.3f\n", rows[f].name, bench_median(times[2 * f], REPEATS), bench_median(times[2 * f + 1], REPEATS));
  image_free(&image);
  return 0;
}
