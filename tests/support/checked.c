// Compiled programs against the evaluator (checked.h).
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "runtime/bf16.h"
#include "runtime/cpu.h"
#include "runtime/one.h"
#include "tests/support/amx.h"
#include "tests/support/checked.h"
#include "tests/support/perturbed.h"
#include "tests/support/random_program.h"

static const int64_t event_counts[] = {1, 15, 16, 17, 255, 256, 257};
enum { EVENT_COUNTS = sizeof event_counts / sizeof *event_counts };

size_t checked_bytes(HgmDtype dtype) { return hgm_dtype_bytes(dtype); }

static void put(void *array, HgmDtype dtype, int64_t i, double x) {
  switch (dtype) {
  case HGM_F32: ((float *)array)[i] = (float)x; return;
  case HGM_F64: ((double *)array)[i] = x; return;
  case HGM_I32:
  case HGM_BOOL: ((int32_t *)array)[i] = (int32_t)x; return;
  case HGM_BF16: ((uint16_t *)array)[i] = hgm_bf16((float)x); return;
  }
}

double checked_get(const void *array, HgmDtype dtype, int64_t i) {
  switch (dtype) {
  case HGM_F32: return (double)((const float *)array)[i];
  case HGM_F64: return ((const double *)array)[i];
  case HGM_I32:
  case HGM_BOOL: return ((const int32_t *)array)[i];
  case HGM_BF16: return hgm_bf16_number(((const uint16_t *)array)[i]);
  }
  return 0;
}

static const IrArray *leaf_named(const IrEnv *env, const char *name) {
  for (size_t i = 0; i < env->n_leaves; i++)
    if (strcmp(env->leaves[i].name, name) == 0) return &env->leaves[i];
  fail_msg("no leaf %s", name);
  return NULL;
}

static size_t output_bytes(const HgmProgram *program, uint32_t i, int64_t events) {
  return checked_bytes(program->outputs[i].dtype) * (size_t)(program->outputs[i].elements * events + 1);
}

// What comes later may depend on a sum over events, which is added up in another order when events come one at a time.
static uint32_t first_events_phase(const HgmProgram *program) {
  uint32_t i = 0;
  while (i < program->n_phases && !program->phases[i].events) i++;
  return i;
}

// A handle for single events gives each the numbers that the call gave it.
static void check_one_by_one(Arena *arena, const HgmProgram *program, const HgmCall *call) {
  HgmError error = {0};
  HgmCall own = *call;
  own.outputs = ARENA_ARRAY(arena, void *, program->n_outputs + 1); // none that has no event axis
  HgmOne *one = hgm_one_create(program, &own, &error);
  if (!one) fail_msg("%s", error.text);
  void *memory = malloc(hgm_one_place_bytes(one)); // its copy there draws the odd events
  HgmOne *copy = hgm_one_place(one, memset(memory, 0xff, hgm_one_place_bytes(one)));
  hgm_one_seed(copy, own.seed);
  const void **inputs = ARENA_ARRAY(arena, const void *, program->n_leaves + 1);
  void **outputs = ARENA_ARRAY(arena, void *, program->n_outputs + 1);
  for (uint32_t o = 0; o < program->n_outputs; o++) outputs[o] = arena_alloc(arena, output_bytes(program, o, 1));
  for (int64_t k = 0; k < call->events; k++) {
    for (uint32_t i = 0; i < program->n_leaves; i++)
      inputs[i] = (const char *)call->leaves[i] + (size_t)(program->leaves[i].elements * k) * checked_bytes(program->leaves[i].dtype);
    hgm_one_run(k % 2 ? copy : one, inputs, outputs, call->event_ids ? call->event_ids[k] : k);
    for (uint32_t o = 0; o < program->n_outputs; o++) {
      const HgmPort *port = &program->outputs[o];
      size_t bytes = (size_t)port->elements * checked_bytes(port->dtype);
      if (!port->per_event || port->phase > first_events_phase(program)) continue;
      if (memcmp(outputs[o], (const char *)call->outputs[o] + bytes * (size_t)k, bytes) != 0) fail_msg("%s of event %lld alone", port->name, (long long)k);
    }
  }
  free(memory);
  hgm_one_destroy(one);
}

// Runs the program on the evaluator's data. Outputs are filled with a pattern first: what is not written shows.
void **checked_execute(Arena *arena, const HgmProgram *program, const IrEnv *env, int threads) {
  HgmError error = {0};
  HgmPool *pool = hgm_pool_create(threads);
  HgmWork *work = hgm_work_create(program, threads, env->events, NULL, &error);
  if (!work) fail_msg("%s", error.text);
  const void **leaves = ARENA_ARRAY(arena, const void *, program->n_leaves + 1);
  int64_t *strides = ARENA_ARRAY(arena, int64_t, program->n_leaves + 1);
  void **outputs = ARENA_ARRAY(arena, void *, program->n_outputs + 1);
  for (uint32_t i = 0; i < program->n_leaves; i++) {
    const HgmPort *port = &program->leaves[i];
    const IrArray *data = leaf_named(env, port->name);
    assert_int_equal(data->n, port->elements * (port->per_event ? env->events : 1));
    void *array = arena_alloc(arena, checked_bytes(port->dtype) * (size_t)(data->n + 1));
    for (int64_t k = 0; k < data->n; k++) put(array, port->dtype, k, data->data[k]);
    leaves[i] = array;
    strides[i] = port->elements;
  }
  for (uint32_t i = 0; i < program->n_outputs; i++) outputs[i] = arena_alloc(arena, output_bytes(program, i, env->events));
  HgmCall call = {
      .leaves = leaves, .strides = strides, .outputs = outputs, .events = env->events, .event_ids = env->event_ids, .seed = env->seed, .pass = env->pass};
  void **first = ARENA_ARRAY(arena, void *, program->n_outputs + 1);
  for (int again = 0; again < 2; again++) { // the second time with memory that has been used, and what is constant prepared; shared tiles are dealt then
    for (uint32_t i = 0; i < program->n_outputs; i++) memset(outputs[i], 0x7b, output_bytes(program, i, env->events));
    call.prepared = again;
    if (!hgm_execute(program, work, pool, &call, &error)) fail_msg("%s", error.text);
    for (uint32_t i = 0; i < program->n_outputs && !again; i++)
      first[i] = memcpy(arena_alloc(arena, output_bytes(program, i, env->events)), outputs[i], output_bytes(program, i, env->events));
  }
  checked_same_bits(program, first, outputs, env->events, UINT32_MAX, program->name, "the first time and the second");
  if (program->tile == 1) check_one_by_one(arena, program, &call);
  hgm_work_destroy(work);
  hgm_pool_destroy(pool);
  return outputs;
}

static double scale_of(const IrArray *a) {
  double sum = 0;
  for (int64_t i = 0; i < a->n; i++)
    if (isfinite(a->data[i])) sum += a->data[i] * a->data[i];
  return a->n ? sqrt(sum / (double)a->n) : 0;
}

IrArray *checked_evaluate(Arena *arena, const IrFn *fn, const IrEnv *env) {
  IrArray *outputs = ARENA_ARRAY(arena, IrArray, fn->outputs.len + 1);
  const char *error = NULL;
  if (!ir_eval(fn, env, arena, outputs, &error)) fail_msg("%s", error);
  return outputs;
}

// Rounding after each op, to float32 or to COARSE bits of float64, moves outputs: how a program enlarges rounding errors bounds what
// compiled code may be off. Truth values and whole numbers may not be off at all. Beyond that a decision may be open (perturbed.h):
// then a result counts that lies between those of PERTURBED ways to round. They are many, as two numbers that lie a few units apart become
// equal in few of them; most results need two or three.
enum { COARSE = 40, TIMES = 30, PERTURBED = 512 };

// What a function's outputs should be.
typedef struct Expected {
  Arena *arena;
  const IrFn *fn;
  IrEnv env; // as compiled code rounds
  IrArray *exact, *rounded;
  IrArray *perturbed[PERTURBED]; // NULL before one is asked for
} Expected;

static Expected expected_of(Arena *arena, const IrFn *fn, const IrEnv *env, bool f32) {
  IrEnv coarse = *env, compiled = *env;
  coarse.round_f32 = compiled.round_f32 = f32;
  coarse.f64_bits = f32 ? 0 : COARSE;
  return (Expected){arena, fn, compiled, checked_evaluate(arena, fn, env), checked_evaluate(arena, fn, &coarse), {NULL}};
}

static double moved_by_rounding(const Expected *e, uint32_t output) {
  const IrArray *exact = &e->exact[output], *rounded = &e->rounded[output];
  double most = 0;
  for (int64_t k = 0; k < exact->n; k++) {
    double d = fabs(exact->data[k] - rounded->data[k]);
    if (d > most) most = d;
  }
  return e->env.round_f32 ? most : ldexp(most, COARSE - 53);
}

static bool between_perturbed(Expected *e, uint32_t output, int64_t i, double x, double slack) {
  double low = e->exact[output].data[i], high = low;
  for (int k = 0; k < PERTURBED; k++) {
    if (!e->perturbed[k]) e->perturbed[k] = perturbed_evaluate(e->arena, e->fn, &e->env, (uint64_t)k);
    double y = e->perturbed[k][output].data[i];
    low = fmin(low, y);
    high = fmax(high, y);
    if (isnan(x) ? isnan(y) : x >= low - slack && x <= high + slack) return true;
  }
  return isnan(x) && isnan(e->exact[output].data[i]);
}

// The first number that is not what it should be, or NULL.
static const char *difference(Expected *e, const HgmProgram *program, void **got) {
  for (uint32_t o = 0; o < program->n_outputs; o++) {
    const IrArray *exact = &e->exact[o];
    HgmDtype dtype = program->outputs[o].dtype;
    bool real = dtype == HGM_F32 || dtype == HGM_F64;
    double least = !real ? 0 : e->env.round_f32 || dtype == HGM_F32 ? 4e-6 : 1e-12, moved = real ? moved_by_rounding(e, o) : 0;
    double scale = fmax(0.1, 0.1 * scale_of(exact));
    for (int64_t i = 0; i < exact->n; i++) {
      double x = checked_get(got[o], dtype, i), y = exact->data[i], slack = least * fmax(fabs(y), scale) + TIMES * moved;
      if (x == y || (isnan(x) && isnan(y)) || fabs(x - y) <= slack || between_perturbed(e, o, i, x, slack)) continue;
      return arena_printf(e->arena, "%s[%lld] is %.17g, should be %.17g (rounding moves by %g)", exact->name, (long long)i, x, y, moved);
    }
  }
  return NULL;
}

static void compare(Expected *e, const HgmProgram *program, void **got, const char *label) {
  const char *wrong = difference(e, program, got);
  if (!wrong) return;
  fputs(ir_text(e->arena, e->fn), stderr); // longer than what fail_msg prints
  fail_msg("%s: %s", label, wrong);
}

// Outputs up to the program's phase `last`.
void checked_same_bits(const HgmProgram *program, void **a, void **b, int64_t events, uint32_t last, const char *label, const char *what) {
  for (uint32_t o = 0; o < program->n_outputs; o++) {
    const HgmPort *port = &program->outputs[o];
    if (port->phase > last) continue;
    size_t n = checked_bytes(port->dtype) * (size_t)(port->elements * (port->per_event ? events : 1));
    if (memcmp(a[o], b[o], n) != 0) fail_msg("%s: %s differs between %s", label, port->name, what);
  }
}

// shared: the same function compiled for threads that share tiles; single: for one event at a time, or NULL; tiles: for AMX, or NULL.
static void check_events(const IrFn *fn, const HgmProgram *program, const HgmProgram *shared, const HgmProgram *single, const HgmProgram *tiles, int64_t events,
                         uint64_t seed, bool f32, const char *label) {
  Arena *arena = arena_create();
  IrEnv env = {.events = events, .seed = 5, .pass = 3};
  random_leaves(arena, fn, seed, &env);
  Expected expected = expected_of(arena, fn, &env, f32);
  void **one = checked_execute(arena, program, &env, 1), **two = checked_execute(arena, program, &env, 2);
  label = arena_printf(arena, "%s, %lld events", label, (long long)events);
  compare(&expected, program, one, label);
  checked_same_bits(program, one, two, events, UINT32_MAX, label, "one and two threads");
  for (int threads = 1; threads <= 3; threads++)
    checked_same_bits(program, one, checked_execute(arena, shared, &env, threads), events, UINT32_MAX, label,
                      arena_printf(arena, "tiles of one thread and %d that share", threads));
  if (single) {
    two = checked_execute(arena, single, &env, 2);
    compare(&expected, single, two, label);
    checked_same_bits(program, one, two, events, first_events_phase(program), label, "many events and one at a time");
  }
  if (tiles) checked_same_bits(program, one, checked_execute(arena, tiles, &env, 1), events, UINT32_MAX, label, "float32 instructions and AMX");
  arena_destroy(arena);
}

// The function for AMX where it has products of bf16.
static HgmProgram *compile_tiles(const IrFn *fn, CodegenOptions options) {
  bool halves = false;
  for (IrRef r = 0; r < fn->values.len; r++) halves |= ir_type_of(fn, r)->dtype == IR_BF16 && ir_has_events(ir_type_of(fn, r));
  if (!halves) return NULL;
  if (!hgm_cpu_use_amx()) amx_emulate();
  options.tiles = true;
  options.quick = false;
  options.cpu = "x86-64-v3";
  return codegen_compile(fn, &options, NULL, NULL);
}

void checked_check(const IrFn *fn, uint64_t seed, bool f32, const char *label) {
  CodegenOptions options = codegen_defaults();
  options.dump = getenv("HGM_TEST_DUMP");
  options.verify = true;
  if (seed % 4 == 2) options.tile = CHECKED_SMALL_TILE;
  if (seed % 4 == 3) options.batch = CHECKED_LARGE_BATCH;
  options.quick = seed % 3 == 1; // code for one event is made with care, and its bits are compared
  HgmProgram *program = codegen_compile(fn, &options, NULL, NULL), *single = NULL;
  HgmProgram *tiles = compile_tiles(fn, options);
  options.shared = true;
  HgmProgram *shared = codegen_compile(fn, &options, NULL, NULL);
  options.shared = false;
  options.tile = 1;
  options.quick = false;
  if (seed % 4 == 0 || !getenv("HGM_LONG")) single = codegen_compile(fn, &options, NULL, NULL);
  for (int i = 0; i < EVENT_COUNTS; i++) check_events(fn, program, shared, single, tiles, event_counts[i], seed, f32, label);
  codegen_free(program);
  codegen_free(shared);
  if (single) codegen_free(single);
  if (tiles) codegen_free(tiles);
}

const char *checked_difference(Arena *arena, const IrFn *compiled, const IrFn *meant, uint64_t seed, bool f32) {
  CodegenOptions options = codegen_defaults();
  HgmProgram *program = codegen_compile(compiled, &options, NULL, NULL);
  IrEnv env = {.events = 37, .seed = 5, .pass = 3};
  random_leaves(arena, meant, seed, &env);
  Expected expected = expected_of(arena, meant, &env, f32);
  const char *wrong = difference(&expected, program, checked_execute(arena, program, &env, 1));
  codegen_free(program);
  return wrong;
}
