// How fast a compiled training step runs: forward, backward and Adam of a spline flow (the flow10 case) or of the
// function in an IR text file, against the machine's multiply-add peak times the products' operations.
//
//   step_bench [--threads N] [--events N] [--tile N] [--dump schedule|llvm|asm|opt] [--profile] [--raw] [FILE.ir]
//
// Built by hand, as the unit tests are, with -march=native: it is no part of `make check`.
#include <immintrin.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "compiler/ad/ad.h"
#include "compiler/codegen/codegen.h"
#include "compiler/opt/opt.h"

#ifdef __AVX512F__
typedef __m512 Vector;
#define NUMBERS _mm512_set1_ps
#define MULTIPLY_ADD _mm512_fmadd_ps
#else
typedef __m256 Vector;
#define NUMBERS _mm256_set1_ps
#define MULTIPLY_ADD _mm256_fmadd_ps
#endif

enum { BINS = 8, MOVE = 5, WIDTH = 128, COUPLINGS = 6, PER = 3 * BINS - 1 };
static const double TAIL = 4, LEAST = 1e-3;

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

// ---- the flow, written against the builder as the standard library's spline is

static IrRef like(IrFn *fn, double x, IrRef shape) { return ir_fill(fn, *ir_type_of(fn, shape), x); }
static IrRef add(IrFn *fn, IrRef a, IrRef b) { return ir_binary(fn, IR_ADD, a, b); }
static IrRef sub(IrFn *fn, IrRef a, IrRef b) { return ir_binary(fn, IR_SUB, a, b); }
static IrRef mul(IrFn *fn, IrRef a, IrRef b) { return ir_binary(fn, IR_MUL, a, b); }
static IrRef quotient(IrFn *fn, IrRef a, IrRef b) { return ir_binary(fn, IR_DIV, a, b); }
static IrRef scaled(IrFn *fn, IrRef a, double x) { return mul(fn, a, like(fn, x, a)); }
static IrRef plus(IrFn *fn, IrRef a, double x) { return add(fn, a, like(fn, x, a)); }
static IrRef clamp(IrFn *fn, IrRef a, double low, double high) { return ir_binary(fn, IR_MIN, ir_binary(fn, IR_MAX, a, like(fn, low, a)), like(fn, high, a)); }

// [e, m] to [e, m, n]
static IrRef along(IrFn *fn, IrRef a, int64_t n) {
  const IrType *t = ir_type_of(fn, a);
  return ir_broadcast(fn, a, 3, (int64_t[]){IR_EVENTS, t->axes[1], n}, (int8_t[]){0, 1, -1});
}

static IrRef softmax(IrFn *fn, IrRef p) {
  int64_t n = ir_type_of(fn, p)->axes[2];
  IrRef top = ir_unary(fn, IR_STOP, ir_amax(fn, p, 4));
  IrRef e = ir_unary(fn, IR_EXP, sub(fn, p, along(fn, top, n)));
  return quotient(fn, e, along(fn, ir_sum(fn, e, 4), n));
}

static IrRef softplus(IrFn *fn, IrRef a) {
  IrRef rest = ir_unary(fn, IR_LOG1P, ir_unary(fn, IR_EXP, ir_unary(fn, IR_NEG, ir_unary(fn, IR_ABS, a))));
  return add(fn, ir_binary(fn, IR_MAX, a, like(fn, 0, a)), rest);
}

static IrRef edge(IrFn *fn, double x) { return ir_fill(fn, ir_type(IR_F32, 3, (int64_t[]){IR_EVENTS, MOVE, 1}), x); }
static IrRef pick(IrFn *fn, IrRef a, IrRef index) { return ir_gather(fn, a, index, 2, 2); }

static IrRef spline(IrFn *fn, IrRef p, IrRef x, IrRef *log_det) {
  IrRef w = scaled(fn, plus(fn, scaled(fn, softmax(fn, ir_slice(fn, p, 2, 0, BINS, 1)), 1 - LEAST * BINS), LEAST), 2 * TAIL);
  IrRef h = scaled(fn, plus(fn, scaled(fn, softmax(fn, ir_slice(fn, p, 2, BINS, 2 * BINS, 1)), 1 - LEAST * BINS), LEAST), 2 * TAIL);
  IrRef e = plus(fn, softplus(fn, plus(fn, ir_slice(fn, p, 2, 2 * BINS, PER, 1), log(expm1(1 - LEAST)))), LEAST);
  IrRef d = ir_concat(fn, (IrRef[]){edge(fn, 1), e, edge(fn, 1)}, 3, 2);
  IrRef kx = plus(fn, ir_concat(fn, (IrRef[]){edge(fn, 0), ir_cumsum(fn, w, 2, false, false)}, 2, 2), -TAIL);
  IrRef ky = plus(fn, ir_concat(fn, (IrRef[]){edge(fn, 0), ir_cumsum(fn, h, 2, false, false)}, 2, 2), -TAIL);
  IrRef at = clamp(fn, x, -TAIL, TAIL);
  IrRef above = ir_cast(fn, ir_binary(fn, IR_LE, kx, along(fn, at, BINS + 1)), IR_I32);
  IrRef i = clamp(fn, plus(fn, ir_sum(fn, above, 4), -1), 0, BINS - 1), next = plus(fn, i, 1);
  IrRef wi = pick(fn, w, i), hi = pick(fn, h, i), d0 = pick(fn, d, i), d1 = pick(fn, d, next);
  IrRef v = clamp(fn, quotient(fn, sub(fn, at, pick(fn, kx, i)), wi), 0, 1);
  IrRef s = quotient(fn, hi, wi), u = sub(fn, like(fn, 1, v), v), r = mul(fn, v, u);
  IrRef q = add(fn, s, mul(fn, sub(fn, add(fn, d1, d0), scaled(fn, s, 2)), r));
  IrRef inside = ir_binary(fn, IR_LT, ir_unary(fn, IR_ABS, x), like(fn, TAIL, x));
  IrRef top = mul(fn, hi, add(fn, mul(fn, s, mul(fn, v, v)), mul(fn, d0, r)));
  IrRef y = add(fn, pick(fn, ky, i), quotient(fn, top, q));
  IrRef inner = add(fn, add(fn, mul(fn, d1, mul(fn, v, v)), scaled(fn, mul(fn, s, r), 2)), mul(fn, d0, mul(fn, u, u)));
  IrRef slope = add(fn, scaled(fn, ir_unary(fn, IR_LOG, quotient(fn, s, q)), 2), ir_unary(fn, IR_LOG, inner));
  *log_det = ir_select(fn, inside, slope, like(fn, 0, slope));
  return ir_select(fn, inside, y, x);
}

typedef struct Weights {
  IrRef at[64];
  uint32_t n;
} Weights;

static IrRef dense(IrFn *fn, Weights *w, IrRef x, int64_t n, int layer) {
  int64_t k = ir_type_of(fn, x)->axes[1];
  IrRef m = ir_leaf(fn, IR_PARAM, arena_printf(fn->arena, "w%d", layer), ir_type(IR_F32, 2, (int64_t[]){k, n}));
  IrRef b = ir_leaf(fn, IR_PARAM, arena_printf(fn->arena, "b%d", layer), ir_type(IR_F32, 1, (int64_t[]){n}));
  w->at[w->n++] = m, w->at[w->n++] = b;
  IrRef y = ir_einsum(fn, "ek,kn->en", x, m);
  return add(fn, y, ir_broadcast_like(fn, b, y));
}

static IrRef relu(IrFn *fn, IrRef a) { return ir_binary(fn, IR_MAX, a, like(fn, 0, a)); }

static IrRef flow_loss(IrFn *fn, Weights *w) {
  IrRef x = ir_leaf(fn, IR_INPUT, "x", ir_type(IR_F32, 2, (int64_t[]){IR_EVENTS, 2 * MOVE}));
  IrRef total = IR_NONE;
  for (int c = 0; c < COUPLINGS; c++) {
    bool flip = c % 2;
    IrRef stay = ir_slice(fn, x, 1, flip ? MOVE : 0, flip ? 2 * MOVE : MOVE, 1), log_det;
    IrRef move = ir_slice(fn, x, 1, flip ? 0 : MOVE, flip ? MOVE : 2 * MOVE, 1);
    IrRef hidden = relu(fn, dense(fn, w, stay, WIDTH, 3 * c));
    hidden = relu(fn, dense(fn, w, hidden, WIDTH, 3 * c + 1));
    IrRef p = ir_reshape(fn, dense(fn, w, hidden, MOVE * PER, 3 * c + 2), 3, (int64_t[]){IR_EVENTS, MOVE, PER});
    IrRef y = spline(fn, p, move, &log_det);
    x = ir_concat(fn, flip ? (IrRef[]){y, stay} : (IrRef[]){stay, y}, 2, 1);
    log_det = ir_sum(fn, ir_cast(fn, log_det, IR_F64), 2);
    total = total == IR_NONE ? log_det : add(fn, total, log_det);
  }
  IrRef wide = ir_cast(fn, x, IR_F64);
  IrRef log_p = sub(fn, total, ir_sum(fn, scaled(fn, mul(fn, wide, wide), 0.5), 2));
  IrRef loss = ir_unary(fn, IR_NEG, ir_sum(fn, log_p, 1));
  return quotient(fn, loss, ir_leaf(fn, IR_COUNTER, "batch_size", ir_scalar(IR_F64)));
}

static void adam(IrFn *fn, IrRef w, IrRef g, int k) {
  IrType type = *ir_type_of(fn, w);
  IrRef m = ir_leaf(fn, IR_STATE, arena_printf(fn->arena, "m%d", k), type);
  IrRef v = ir_leaf(fn, IR_STATE, arena_printf(fn->arena, "v%d", k), type);
  IrRef rate = ir_broadcast_like(fn, ir_cast(fn, ir_leaf(fn, IR_COUNTER, "rate", ir_scalar(IR_F64)), IR_F32), w);
  m = add(fn, scaled(fn, m, 0.9), scaled(fn, g, 0.1));
  v = add(fn, scaled(fn, v, 0.999), scaled(fn, mul(fn, g, g), 0.001));
  IrRef step = quotient(fn, mul(fn, rate, m), plus(fn, ir_unary(fn, IR_SQRT, v), 1e-8));
  ir_output(fn, arena_printf(fn->arena, "set:m%d", k), m);
  ir_output(fn, arena_printf(fn->arena, "set:v%d", k), v);
  ir_output(fn, arena_printf(fn->arena, "set:w%d", k), sub(fn, w, step));
}

static IrFn *flow_step(Arena *arena) {
  IrFn *fn = ir_fn_new(arena, "flow10");
  Weights w = {.n = 0};
  IrRef loss = flow_loss(fn, &w), g[64], refused;
  if (!ad_gradient(fn, loss, IR_NONE, w.at, w.n, g, &refused)) ir_fail("no gradient");
  ir_output(fn, "loss", loss);
  for (uint32_t k = 0; k < w.n; k++) adam(fn, w.at[k], g[k], (int)k);
  return fn;
}

static IrFn *read_file(Arena *arena, const char *path) {
  FILE *f = fopen(path, "r");
  if (!f) ir_fail("cannot open %s", path);
  size_t cap = 1 << 24, n;
  char *text = arena_alloc(arena, cap);
  n = fread(text, 1, cap - 1, f);
  fclose(f);
  text[n] = 0;
  const char *error = NULL;
  IrFn *fn = ir_read(arena, text, &error);
  if (!fn) ir_fail("%s: %s", path, error);
  return fn;
}

// ---- measurement

// Operations of all contractions, an event.
static double product_flops(const IrFn *fn) {
  double sum = 0;
  for (IrRef r = 0; r < fn->values.len; r++) {
    const IrValue *v = ir_at(fn, r);
    IrEinsum spec;
    if (v->op != IR_EINSUM || !ir_einsum_parse(v->attr.name, &spec)) continue;
    if (!ir_has_events(ir_type_of(fn, v->operands[0])) && !ir_has_events(ir_type_of(fn, v->operands[1]))) continue;
    double n = 2 * (double)ir_elements(ir_type_of(fn, v->operands[0]));
    const IrType *b = ir_type_of(fn, v->operands[1]);
    for (int i = 0; i < b->rank; i++)
      if (b->axes[i] > 0 && ir_einsum_axis(&spec, 0, spec.letters[1][i]) < 0) n *= (double)b->axes[i];
    sum += n;
  }
  return sum;
}

// Multiply-adds a second of one core: independent chains in registers.
static double peak_flops(void) {
  enum { CHAINS = 16, TURNS = 4000000 };
  Vector sums[CHAINS], a = NUMBERS(0.999f), b = NUMBERS(1e-3f);
#pragma GCC unroll 16
  for (int i = 0; i < CHAINS; i++) sums[i] = NUMBERS((float)i);
  double best = 1e9;
  for (int turn = 0; turn < 5; turn++) {
    double start = now();
    for (int k = 0; k < TURNS; k++)
#pragma GCC unroll 16
      for (int i = 0; i < CHAINS; i++) sums[i] = MULTIPLY_ADD(sums[i], a, b);
    double t = now() - start;
    if (t < best) best = t;
  }
  volatile float keep = 0;
#pragma GCC unroll 16
  for (int i = 0; i < CHAINS; i++) keep += sums[i][3];
  return (double)TURNS * CHAINS * 2 * (sizeof(Vector) / 4) / best;
}

static size_t bytes_of(HgmDtype dtype) { return dtype == HGM_F64 ? 8 : 4; }

static void *random_array(Arena *arena, const HgmPort *port, int64_t events) {
  int64_t n = port->elements * (port->per_event ? events : 1);
  char *array = arena_alloc(arena, bytes_of(port->dtype) * (size_t)(n + 16));
  uint64_t state = 88172645463325252u;
  for (int64_t i = 0; i < n; i++) {
    state ^= state << 13, state ^= state >> 7, state ^= state << 17;
    double x = (double)(state >> 11) * 0x1p-53 - 0.5;
    if (port->kind == 2) x = fabs(x) * 0.01;
    else if (port->kind == 1) x *= 0.2;
    else if (port->kind == 3) x = 1;
    else x *= 4;
    if (strcmp(port->name, "rate") == 0) x = 1e-6;
    if (strcmp(port->name, "batch_size") == 0) x = (double)events;
    if (port->dtype == HGM_F64) ((double *)array)[i] = x;
    else if (port->dtype == HGM_F32) ((float *)array)[i] = (float)x;
    else ((int32_t *)array)[i] = x > 0;
  }
  return array;
}

typedef struct Options {
  int threads;
  uint32_t tile;
  int64_t events;
  const char *dump, *file;
  bool profile, raw;
} Options;

static Options parse(int argc, char **argv) {
  Options o = {.threads = 1, .tile = 128, .events = 1024};
  for (int i = 1; i < argc; i++) {
    if (strcmp(argv[i], "--threads") == 0 && i + 1 < argc) o.threads = atoi(argv[++i]);
    else if (strcmp(argv[i], "--events") == 0 && i + 1 < argc) o.events = atoi(argv[++i]);
    else if (strcmp(argv[i], "--dump") == 0 && i + 1 < argc) o.dump = argv[++i];
    else if (strcmp(argv[i], "--tile") == 0 && i + 1 < argc) o.tile = (uint32_t)atoi(argv[++i]);
    else if (strcmp(argv[i], "--profile") == 0) o.profile = true;
    else if (strcmp(argv[i], "--raw") == 0) o.raw = true; // no optimisation
    else o.file = argv[i];
  }
  return o;
}

// Time of each kernel, called as a tile would, warm.
static void profile(const HgmProgram *p, HgmWork *work, const HgmCall *call);

int main(int argc, char **argv) {
  Options o = parse(argc, argv);
  Arena *arena = arena_create();
  IrFn *fn = o.file ? read_file(arena, o.file) : flow_step(arena);
  double t0 = now();
  const IrFn *best = o.raw ? fn : opt_run(arena, fn, NULL, NULL);
  double t1 = now();
  HgmPool *pool = hgm_pool_create(o.threads);
  CodegenOptions options = codegen_defaults();
  options.dump = o.dump;
  options.tile = o.tile;
  CodegenStats stats;
  HgmProgram *p = codegen_compile(best, &options, pool, &stats);
  double t2 = now();
  if (o.dump && strcmp(o.dump, "opt") == 0) ir_print(stdout, best);
  printf("%s: %zu values, optimised %zu in %.1f ms; compiled in %.1f ms (schedule %.1f, machine %.1f, image %.1f)\n", fn->name, fn->values.len,
         best->values.len, (t1 - t0) * 1e3, (t2 - t1) * 1e3, stats.schedule_ms, stats.machine_ms, stats.image_ms);
  printf("%u kernels, %u commands, %u instructions; %llu bytes a tile, %llu of partial sums\n", stats.kernels, stats.commands, stats.instructions,
         (unsigned long long)p->tile_bytes, (unsigned long long)p->partial_bytes);
  HgmError error = {0};
  HgmWork *work = hgm_work_create(p, o.threads, o.events, &error);
  const void **leaves = ARENA_ARRAY(arena, const void *, p->n_leaves + 1);
  int64_t *strides = ARENA_ARRAY(arena, int64_t, p->n_leaves + 1);
  void **outputs = ARENA_ARRAY(arena, void *, p->n_outputs + 1);
  for (uint32_t i = 0; i < p->n_leaves; i++) leaves[i] = random_array(arena, &p->leaves[i], o.events), strides[i] = p->leaves[i].elements;
  for (uint32_t i = 0; i < p->n_outputs; i++) outputs[i] = random_array(arena, &p->outputs[i], o.events);
  HgmCall call = {.leaves = leaves, .strides = strides, .outputs = outputs, .events = o.events, .seed = 1};
  double fastest = 1e9, peak = peak_flops();
  for (int i = 0; i < 60; i++) {
    double start = now();
    if (!hgm_execute(p, work, pool, &call, &error)) ir_fail("%s", error.text);
    double t = now() - start;
    if (t < fastest) fastest = t;
  }
  double flops = product_flops(best) * (double)o.events;
  int loss = hgm_port_find(p->outputs, p->n_outputs, "loss");
  if (loss >= 0) printf("loss %.10g\n", ((double *)outputs[loss])[0]);
  printf("%.3f ms a step, %.0f events/s; products %.0f kflop an event; peak %.1f GFLOP/s a core; fraction %.3f\n", fastest * 1e3, (double)o.events / fastest,
         flops / (double)o.events * 1e-3, peak * 1e-9, flops / peak / fastest / o.threads);
  if (o.profile) profile(p, work, &call);
  hgm_work_destroy(work);
  codegen_free(p);
  hgm_pool_destroy(pool);
  arena_destroy(arena);
}

static void profile(const HgmProgram *p, HgmWork *work, const HgmCall *call) {
  (void)work;
  size_t sizes[HGM_SPACE_CONSTANT + 1] = {p->tile_bytes, p->once_bytes, p->batch_bytes_per_tile, p->partial_bytes};
  sizes[HGM_SPACE_CONSTANT] = p->constant_bytes;
  char *spaces[HGM_SPACE_CONSTANT + 1];
  for (int i = 0; i <= HGM_SPACE_CONSTANT; i++) spaces[i] = calloc(1, sizes[i] + 64), spaces[i] += 64 - (uintptr_t)spaces[i] % 64;
  uint32_t *ids = calloc(p->tile, 4);
  uint64_t *keys = calloc(p->n_sites + 1, 8);
  HgmTile tile = {.valid = p->tile, .event_lo = ids, .event_hi = ids, .keys = keys, .fresh = 1, .partials = 4, .partial_bytes = 0};
  double *spent = calloc(p->n_kernels, sizeof *spent);
  uint32_t *calls = calloc(p->n_kernels, sizeof *calls);
  double tiles = (double)call->events / p->tile;
  for (uint32_t f = 0; f < p->n_phases; f++) {
    for (uint32_t i = 0; i < p->phases[f].n_commands; i++) {
      const HgmCommand *c = &p->commands[p->phases[f].first_command + i];
      void *pointers[256];
      for (uint32_t k = 0; k < c->n_pointers && k < 256; k++) {
        const HgmPointer *q = &p->pointers[c->first_pointer + k];
        char *base = q->space == HGM_SPACE_LEAF     ? (char *)call->leaves[q->index]
                     : q->space == HGM_SPACE_OUTPUT ? call->outputs[q->index]
                     : q->space == HGM_SPACE_DATA   ? (char *)p->data
                                                    : spaces[q->space];
        pointers[k] = base + q->offset;
      }
      tile.first = 0, tile.last = (int64_t)c->split;
      double best = 1e9;
      for (int r = 0; r < 20; r++) {
        double start = now();
        p->kernels[c->kernel](&tile, pointers);
        double t = now() - start;
        if (t < best) best = t;
      }
      spent[c->kernel] += best * (p->phases[f].events ? tiles : 1);
      calls[c->kernel]++;
    }
  }
  for (uint32_t k = 0; k < p->n_kernels; k++) printf("kernel_%u: %8.1f us a step in %u calls\n", k, spent[k] * 1e6, calls[k]);
}
