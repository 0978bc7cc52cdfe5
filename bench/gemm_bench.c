// needs: lang/base compiler/ir compiler/codegen runtime
// How fast the matrix micro-kernels run: GFLOP/s beside the machine's register-only multiply-add peak and cblas_sgemm,
// all in one process, medians of alternating runs. Ratios are what counts: the machine may be shared.
#include <cblas.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench/clock.h"
#include "tests/support/compiled.h"
#include "tests/support/dense.h"

enum { REPEATS = 15, TILE = 128 };

static float *numbers(size_t n) {
  float *x = aligned_alloc(64, (n * sizeof *x + 4095) / 4096 * 4096);
  if (!x) abort();
  for (size_t i = 0; i < n; i++) x[i] = (float)((i * 2654435761u >> 8) % 1000) * 1e-3f - 0.5f;
  return x;
}

// ---- compiled kernels

// Multiply-adds on registers only: 24 independent chains, 4096 turns.
static Compiled peak_kernel(const CodeTarget *t) {
  CodeModule *m = code_module_create(t, "peak");
  LLVMValueRef p[1], chains[24], next[24];
  code_kernel(m, "kernel", 1, p);
  unsigned lanes = t->vector_bits / 32, n = t->vector_bits == 512 ? 24 : 12;
  LLVMTypeRef type = LLVMVectorType(m->f32, lanes);
  LLVMValueRef a = emit_load(m, type, p[0]), b = emit_load(m, type, emit_at(m, m->f32, p[0], emit_index(m, 16)));
  for (unsigned i = 0; i < n; i++) chains[i] = emit_load(m, type, emit_at(m, m->f32, p[0], emit_index(m, 16 * i)));
  EmitLoop l = emit_loop(m, "turns", emit_index(m, 0), emit_index(m, 4096), 1, chains, n);
  for (unsigned i = 0; i < n; i++) next[i] = emit_fma(m, a, l.carried[i], b);
  emit_loop_end(m, &l, next);
  for (unsigned i = 0; i < n; i++) emit_store(m, l.carried[i], emit_at(m, m->f32, p[0], emit_index(m, 16 * i)));
  return compiled_kernel(m);
}

static Compiled forward_kernel(const CodeTarget *t, int64_t n, int64_t k, bool transposed, unsigned vectors, unsigned rows) {
  CodeModule *m = code_module_create(t, "forward");
  LLVMValueRef p[3];
  code_kernel(m, "kernel", 3, p);
  Gemm g = dense_gemm(false, n, k, TILE, transposed);
  g.w = p[0], g.x = p[1], g.y = p[2];
  g.block_vectors = vectors, g.block_rows = rows;
  gemm_emit(m, &g);
  return compiled_kernel(m);
}

// D = X Gᵀ of X (k, TILE) and G (n, TILE): the gradient of a row-major (k, n) matrix; always stores.
static Compiled gradient_kernel(const CodeTarget *t, int64_t n, int64_t k, unsigned vectors, unsigned rows) {
  CodeModule *m = code_module_create(t, "gradient");
  LLVMValueRef p[4], f = code_kernel(m, "kernel", 4, p);
  GemmGradient g = dense_gradient(false, k, n, TILE);
  g.d = p[2], g.a = p[1], g.b = p[0], g.scratch = p[3];
  g.valid = emit_load(m, m->i64, LLVMGetParam(f, 0));
  g.add = LLVMConstInt(m->i1, 0, false);
  g.block_vectors = vectors, g.block_rows = rows;
  gemm_gradient_emit(m, &g);
  return compiled_kernel(m);
}

// ---- timing

typedef struct Job {
  const char *name;
  HgmKernel *run; // NULL: sgemm
  bool gradient;
  void *pointers[4];
  int64_t n, k;
  double flops, times[REPEATS];
} Job;

static void run_once(const Job *j, const HgmTile *tile) {
  if (j->run) j->run(tile, j->pointers);
  else if (j->gradient)
    cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, (int)j->k, (int)j->n, TILE, 1, j->pointers[1], TILE, j->pointers[0], TILE, 0, j->pointers[2],
                (int)j->n);
  else
    cblas_sgemm(CblasRowMajor, CblasTrans, CblasNoTrans, (int)j->n, TILE, (int)j->k, 1, j->pointers[0], (int)j->n, j->pointers[1], TILE, 0, j->pointers[2],
                TILE);
}

static double median_rate(Job *j) {
  qsort(j->times, REPEATS, sizeof *j->times, bench_by_value);
  return j->flops / j->times[REPEATS / 4] * 1e-9; // the lower quartile: neighbours only ever slow us down
}

static void measure(Job *jobs, size_t n) {
  HgmTile tile = {.valid = TILE};
  for (int r = 0; r < REPEATS; r++)
    for (size_t i = 0; i < n; i++) {
      Job *j = &jobs[i];
      int turns = (int)(6e7 / j->flops) + 1;
      run_once(j, &tile);
      double start = bench_seconds();
      for (int c = 0; c < turns; c++) run_once(j, &tile);
      j->times[r] = (bench_seconds() - start) / turns;
    }
}

int main(int argc, char **argv) {
  CodeTarget *t = compiled_target(argc > 1 && *argv[1] ? argv[1] : NULL, WITH_CARE);
  unsigned vectors = argc > 2 ? (unsigned)atoi(argv[2]) : 0, rows = argc > 3 ? (unsigned)atoi(argv[3]) : 0;
  static const struct {
    int64_t n, k;
    bool transposed, gradient;
    const char *name;
  } shapes[] = {{128, 128, false, false, "forward 128x128"}, {128, 128, true, false, "adjoint 128x128"},   {115, 128, false, false, "forward 115x128"},
                {128, 115, true, false, "adjoint 128x115"},  {232, 128, false, false, "forward 232x128"},  {128, 5, false, false, "forward 128x5"},
                {5, 128, true, false, "adjoint 5x128"},      {128, 128, false, true, "gradient 128x128"},  {115, 128, false, true, "gradient 128x115"},
                {120, 128, false, true, "gradient 128x120"}, {232, 128, false, true, "gradient 128x232"},  {128, 5, false, true, "gradient 5x128"},
                {5, 128, false, true, "gradient 128x5"},     {6, 320, false, true, "gradient 320x6"},      {8, 320, false, true, "gradient 320x8"},
                {32, 5, false, true, "gradient 5x32"},       {512, 512, false, false, "forward 512x512"},  {512, 512, true, false, "adjoint 512x512"},
                {64, 640, false, false, "forward 64x640"},   {1024, 200, false, false, "forward 1024x200"}};
  enum { SHAPES = sizeof shapes / sizeof *shapes };
  Job jobs[2 * SHAPES + 1] = {0};
  size_t n_jobs = 0;
  float *w = numbers(512 * 512), *x = numbers(1024 * TILE), *y = numbers(1024 * TILE), *registers = numbers(24 * 16);
  float *scratch = numbers(1024 * TILE);
  Compiled peak = peak_kernel(t);
  double peak_flops = 4096.0 * 2 * (t->vector_bits == 512 ? 24 * 16 : 12 * 8);
  jobs[n_jobs++] = (Job){"peak", peak.run, false, {registers}, 0, 0, peak_flops, {0}};
  for (size_t i = 0; i < SHAPES; i++) {
    int64_t n = shapes[i].n, k = shapes[i].k;
    bool gradient = shapes[i].gradient;
    Compiled c = gradient ? gradient_kernel(t, n, k, vectors, rows) : forward_kernel(t, n, k, shapes[i].transposed, vectors, rows);
    double flops = 2.0 * (double)n * (double)k * TILE;
    jobs[n_jobs++] = (Job){shapes[i].name, c.run, gradient, {w, x, y, scratch}, n, k, flops, {0}};
    jobs[n_jobs++] = (Job){"  sgemm", NULL, gradient, {w, x, y}, n, k, flops, {0}};
  }
  measure(jobs, n_jobs);
  double top = 0;
  for (size_t i = 0; i < n_jobs; i++) {
    double rate = median_rate(&jobs[i]);
    if (i == 0) top = rate;
    printf("%-20s %7.1f GFLOP/s  %5.1f %% of peak\n", jobs[i].name, rate, 100 * rate / top);
  }
  code_target_destroy(t);
  return 0;
}
