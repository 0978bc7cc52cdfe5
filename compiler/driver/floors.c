#include "compiler/driver/floors.h"

#include <dlfcn.h>
#include <immintrin.h>
#include <stdlib.h>
#include <time.h>

#include "compiler/codegen/codegen.h"

enum { LARGE = 768, TURNS = 200000, CHAINS = 12, WIDTH = 256, EVENTS = 128 * 40, REPEATS = 5, MOST_TURNS = 1000 };

static double seconds(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

// ---- work of an event

static double contraction(const IrFn *fn, const IrValue *v) {
  IrEinsum spec;
  const IrType *a = ir_type_of(fn, v->operands[0]), *b = ir_type_of(fn, v->operands[1]);
  if (!ir_einsum_parse(v->attr.name, &spec) || !(ir_has_events(a) || ir_has_events(b))) return 0;
  double n = 2 * (double)ir_elements(a);
  for (int i = 0; i < b->rank; i++)
    if (b->axes[i] > 0 && ir_einsum_axis(&spec, 0, spec.letters[1][i]) < 0) n *= (double)b->axes[i];
  return n;
}

static bool is_vector_function(IrOp op) { return ir_op_info[op].flops >= 4 && ir_op_info[op].lowering == IRL_POINT; }

EventWork floors_work(const IrFn *fn) {
  EventWork work = {0};
  for (IrRef r = 0; r < fn->values.len; r++) {
    const IrValue *v = ir_at(fn, r);
    if (v->op == IR_EINSUM) work.flops += contraction(fn, v);
    if (ir_has_events(&v->type) && (is_vector_function(v->op) || v->op == IR_DRAW)) work.calls[v->op][v->type.dtype == IR_F64] += (double)ir_elements(&v->type);
  }
  work.flops -= 2 * codegen_left_out(fn);
  return work;
}

// ---- vector functions: a program that applies one to WIDTH numbers an event and adds up

static HgmProgram *function_program(Arena *arena, IrOp op, IrDtype dtype) {
  IrFn *fn = ir_fn_new(arena, "floor");
  IrType type = ir_type(dtype, 2, (int64_t[]){IR_EVENTS, WIDTH});
  IrRef x = ir_broadcast(fn, ir_leaf(fn, IR_INPUT, "x", ir_type(dtype, 1, (int64_t[]){IR_EVENTS})), 2, type.axes, (int8_t[]){0, -1});
  x = ir_binary(fn, IR_ADD, x, ir_broadcast_like(fn, ir_leaf(fn, IR_PARAM, "p", ir_type(dtype, 1, (int64_t[]){WIDTH})), x));
  IrRef y;
  if (op == IR_DRAW) y = ir_draw(fn, IR_DRAW_NORMAL, "floor", type);
  else if (ir_op_info[op].operands == 2) y = ir_binary(fn, op, ir_fill(fn, type, 1), x);
  else y = ir_unary(fn, op, x);
  ir_output(fn, "sum", ir_sum(fn, y, 3));
  CodegenOptions options = codegen_defaults();
  return codegen_compile(fn, &options, NULL, NULL);
}

static double function_ns(IrOp op, IrDtype dtype) {
  Arena *arena = arena_create();
  HgmProgram *program = function_program(arena, op, dtype);
  HgmError error = {0};
  HgmWork *work = hgm_work_create(program, 1, EVENTS, NULL, &error);
  size_t size = dtype == IR_F64 ? 8 : 4;
  void *x = arena_alloc(arena, size * EVENTS), *p = arena_alloc(arena, size * WIDTH);
  for (int i = 0; i < EVENTS; i++)
    if (dtype == IR_F64) ((double *)x)[i] = 0.2 + 0.1 * i / EVENTS;
    else ((float *)x)[i] = 0.2f + 0.1f * (float)i / EVENTS;
  for (int i = 0; i < WIDTH; i++)
    if (dtype == IR_F64) ((double *)p)[i] = 0.5 * i / WIDTH;
    else ((float *)p)[i] = 0.5f * (float)i / WIDTH;
  const void *leaves[2];
  for (uint32_t i = 0; i < program->n_leaves; i++) leaves[i] = program->leaves[i].per_event ? x : p;
  double sum, best = 1e9;
  HgmCall call = {.leaves = leaves, .outputs = (void *[]){&sum}, .events = EVENTS};
  for (int r = 0; work != NULL && r < REPEATS; r++) {
    double start = seconds();
    if (!hgm_execute(program, work, NULL, &call, &error)) abort();
    double t = seconds() - start;
    if (t < best) best = t;
  }
  hgm_work_destroy(work);
  codegen_free(program);
  arena_destroy(arena);
  return best / ((double)EVENTS * WIDTH) * 1e9;
}

double floors_vector_ns(const EventWork *work) {
  double ns = 0;
  for (int op = 0; op < IR_OP_COUNT; op++)
    for (int wide = 0; wide < 2; wide++)
      if (work->calls[op][wide] > 0) ns += work->calls[op][wide] * function_ns((IrOp)op, wide ? IR_F64 : IR_F32);
  return ns;
}

// ---- rates

typedef void Sgemm(int order, int transpose_a, int transpose_b, int m, int n, int k, float alpha, const float *a, int lda, const float *b, int ldb, float beta,
                   float *c, int ldc); // of CBLAS
enum { ROW_MAJOR = 101, NO_TRANSPOSE = 111 };

typedef struct Lane {
  Sgemm *sgemm;
  float *a, *b, *c;
} Lane;

static void multiply(void *data, int64_t index, int thread) {
  const Lane *lane = (const Lane *)data + index;
  (void)thread;
  lane->sgemm(ROW_MAJOR, NO_TRANSPOSE, NO_TRANSPOSE, LARGE, LARGE, LARGE, 1, lane->a, LARGE, lane->b, LARGE, 0, lane->c, LARGE);
}

// The library is opened when it is asked for: nothing else in the tool needs it. ISO C has no conversion of dlsym's result to a function.
// It chooses its kernels by the processor, not by an environment that wants those of an older one (Haswell's have half the rate of a Zen 5).
static Sgemm *find_sgemm(void) {
  unsetenv("OPENBLAS_CORETYPE");
  void *library = dlopen("libopenblas.so.0", RTLD_NOW | RTLD_LOCAL);
  if (library == NULL) return NULL;
  Sgemm *sgemm = NULL;
  void (*set_threads)(int) = NULL;
  *(void **)&sgemm = dlsym(library, "cblas_sgemm");
  *(void **)&set_threads = dlsym(library, "openblas_set_num_threads");
  if (set_threads != NULL) set_threads(1);
  return sgemm;
}

double floors_sgemm(HgmPool *pool) {
  Sgemm *sgemm = find_sgemm();
  if (sgemm == NULL) return 0;
  int threads = hgm_pool_threads(pool);
  size_t n = (size_t)LARGE * LARGE;
  Lane *lanes = calloc((size_t)threads, sizeof *lanes);
  for (int t = 0; lanes && t < threads; t++) {
    lanes[t] = (Lane){.sgemm = sgemm, .a = calloc(3 * n, sizeof(float))};
    if (!lanes[t].a) abort();
    lanes[t].b = lanes[t].a + n, lanes[t].c = lanes[t].b + n;
    for (size_t i = 0; i < 2 * n; i++) lanes[t].a[i] = (float)((i * 2654435761u >> 8) % 1000) * 1e-3f;
  }
  hgm_pool_run(pool, threads, multiply, lanes);
  double start = seconds();
  hgm_pool_run(pool, threads, multiply, lanes);
  double rate = 2.0 * LARGE * LARGE * LARGE * threads / (seconds() - start);
  for (int t = 0; t < threads; t++) free(lanes[t].a);
  free(lanes);
  return rate;
}

// Independent chains of multiply-adds that stay in registers; the chains keep the compiler from leaving them out.
#define PEAK(NAME, TARGET, TYPE, SET, FMA, STORE)                                                                                                              \
  __attribute__((target(TARGET), noinline)) static float NAME(void) {                                                                                          \
    TYPE x[CHAINS], a = SET(0.999f), b = SET(1e-3f);                                                                                                           \
    float out[16];                                                                                                                                             \
    for (int i = 0; i < CHAINS; i++) x[i] = SET((float)i);                                                                                                     \
    for (int k = 0; k < TURNS; k++) _Pragma("GCC unroll 12") for (int i = 0; i < CHAINS; i++) x[i] = FMA(x[i], a, b);                                          \
    for (int i = 1; i < CHAINS; i++) x[0] = FMA(x[0], a, x[i]);                                                                                                \
    STORE(out, x[0]);                                                                                                                                          \
    return out[0];                                                                                                                                             \
  }
PEAK(chains_256, "avx2,fma", __m256, _mm256_set1_ps, _mm256_fmadd_ps, _mm256_storeu_ps)
PEAK(chains_512, "avx512f", __m512, _mm512_set1_ps, _mm512_fmadd_ps, _mm512_storeu_ps)

static void chains(void *data, int64_t index, int thread) {
  volatile float *keep = data;
  (void)thread;
  keep[index] = __builtin_cpu_supports("avx512f") ? chains_512() : chains_256();
}

double floors_peak(HgmPool *pool) {
  int threads = hgm_pool_threads(pool), lanes = __builtin_cpu_supports("avx512f") ? 16 : 8;
  float keep[256];
  double start = seconds();
  hgm_pool_run(pool, threads < 256 ? threads : 256, chains, keep);
  return 2.0 * CHAINS * lanes * (double)TURNS * threads / (seconds() - start);
}

// ---- both in turn

static int by_value(const void *a, const void *b) {
  double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

static double median(double *values, int n) {
  qsort(values, (size_t)n, sizeof *values, by_value);
  return values[n / 2];
}

Reached floors_reached(const EventWork *work, double vector_ns, HgmPool *pool, double seconds_long, int64_t (*call)(void *data), void *data) {
  double rates[MOST_TURNS], fractions[MOST_TURNS], products[MOST_TURNS], of_peak[MOST_TURNS];
  int threads = hgm_pool_threads(pool), n = 0;
  call(data);
  double begin = seconds(), before = floors_sgemm(pool);
  do {
    double start = seconds(), events = 0;
    do events += (double)call(data);
    while (seconds() - start < 0.05);
    rates[n] = events / (seconds() - start);
    double after = floors_sgemm(pool);
    products[n] = (before + after) / 2;
    before = after;
    fractions[n] = products[n] > 0 ? rates[n] * (work->flops / products[n] + vector_ns * 1e-9 / threads) : 0;
    of_peak[n] = rates[n] * work->flops / floors_peak(pool);
    n++;
  } while (n < MOST_TURNS && seconds() - begin < seconds_long);
  return (Reached){.rate = median(rates, n), .of_floor = median(fractions, n), .of_peak = median(of_peak, n), .sgemm = median(products, n)};
}
