// needs: compiler/codegen tests/support compiler/ir runtime lang/base
// Compiled programs against the evaluator: hand-made ones, one for each op, and random programs; every number of events
// around a vector and a tile, float32 and float64; the same bits with one and two threads.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "compiler/codegen/codegen.h"
#include "tests/support/random_program.h"

static const int64_t event_counts[] = {1, 15, 16, 17, 255, 256, 257};
enum { EVENT_COUNTS = sizeof event_counts / sizeof *event_counts, MOST_EVENTS = 257 };

static size_t bytes_of(HgmDtype dtype) { return dtype == HGM_F64 ? 8 : 4; }

static void put(void *array, HgmDtype dtype, int64_t i, double x) {
  switch (dtype) {
  case HGM_F32: ((float *)array)[i] = (float)x; return;
  case HGM_F64: ((double *)array)[i] = x; return;
  case HGM_I32: case HGM_BOOL: ((int32_t *)array)[i] = (int32_t)x; return;
  }
}

static double get(const void *array, HgmDtype dtype, int64_t i) {
  switch (dtype) {
  case HGM_F32: return (double)((const float *)array)[i];
  case HGM_F64: return ((const double *)array)[i];
  case HGM_I32: case HGM_BOOL: return ((const int32_t *)array)[i];
  }
  return 0;
}

static const IrArray *leaf_named(const IrEnv *env, const char *name) {
  for (size_t i = 0; i < env->n_leaves; i++)
    if (strcmp(env->leaves[i].name, name) == 0) return &env->leaves[i];
  fail_msg("no leaf %s", name);
  return NULL;
}

// Runs the program on the evaluator's data. Outputs are filled with a pattern first: what is not written shows.
static void **execute(Arena *arena, const HgmProgram *program, const IrEnv *env, int threads) {
  HgmError error = {0};
  HgmPool *pool = hgm_pool_create(threads);
  HgmWork *work = hgm_work_create(program, threads, env->events, &error);
  if (!work) fail_msg("%s", error.text);
  const void **leaves = ARENA_ARRAY(arena, const void *, program->n_leaves + 1);
  int64_t *strides = ARENA_ARRAY(arena, int64_t, program->n_leaves + 1);
  void **outputs = ARENA_ARRAY(arena, void *, program->n_outputs + 1);
  for (uint32_t i = 0; i < program->n_leaves; i++) {
    const HgmPort *port = &program->leaves[i];
    const IrArray *data = leaf_named(env, port->name);
    assert_int_equal(data->n, port->elements * (port->per_event ? env->events : 1));
    void *array = arena_alloc(arena, bytes_of(port->dtype) * (size_t)(data->n + 1));
    for (int64_t k = 0; k < data->n; k++) put(array, port->dtype, k, data->data[k]);
    leaves[i] = array;
    strides[i] = port->elements;
  }
  for (uint32_t i = 0; i < program->n_outputs; i++) {
    size_t n = bytes_of(program->outputs[i].dtype) * (size_t)(program->outputs[i].elements * env->events + 1);
    outputs[i] = memset(arena_alloc(arena, n), 0x7b, n);
  }
  HgmCall call = {.leaves = leaves, .strides = strides, .outputs = outputs, .events = env->events,
                  .event_ids = env->event_ids, .seed = env->seed, .pass = env->pass};
  for (int i = 0; i < 2; i++) // the second time with memory that has been used
    if (!hgm_execute(program, work, pool, &call, &error)) fail_msg("%s", error.text);
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

// What rounding to float32 after each op moves bounds what compiled float32 code may be off.
static double moved_by_rounding(const IrArray *exact, const IrArray *rounded) {
  double most = 0;
  for (int64_t k = 0; k < exact->n; k++) {
    double d = fabs(exact->data[k] - rounded->data[k]);
    if (d > most) most = d;
  }
  return most;
}

static void compare(const IrFn *fn, const HgmProgram *program, void **got, const IrArray *exact, const IrArray *rounded,
                    double relative, const char *label) {
  for (uint32_t o = 0; o < program->n_outputs; o++) {
    HgmDtype dtype = program->outputs[o].dtype;
    double slack = dtype == HGM_F32 ? 4e-6 : relative;
    double scale = fmax(0.1, 0.1 * scale_of(&exact[o])), moved = rounded ? moved_by_rounding(&exact[o], &rounded[o]) : 0;
    for (int64_t i = 0; i < exact[o].n; i++) {
      double x = get(got[o], dtype, i), y = exact[o].data[i];
      if (x == y || (isnan(x) && isnan(y))) continue;
      if (fabs(x - y) <= slack * fmax(fabs(y), scale) + 30 * moved) continue;
      fputs(ir_text(fn->arena, fn), stderr); // longer than what fail_msg prints
      fail_msg("%s: %s[%lld] is %.17g, should be %.17g (f32 %.17g)", label, exact[o].name, (long long)i, x, y,
               rounded ? rounded[o].data[i] : y);
    }
  }
}

static IrArray *evaluate(Arena *arena, const IrFn *fn, IrEnv *env, bool round_f32) {
  IrArray *outputs = ARENA_ARRAY(arena, IrArray, fn->outputs.len + 1);
  const char *error = NULL;
  env->round_f32 = round_f32;
  if (!ir_eval(fn, env, arena, outputs, &error)) fail_msg("%s", error);
  return outputs;
}

static void check_events(const IrFn *fn, const HgmProgram *program, int64_t events, uint64_t seed, bool f32, const char *label) {
  Arena *arena = arena_create();
  IrEnv env = {.events = events, .seed = 5, .pass = 3};
  random_leaves(arena, fn, seed, &env);
  IrArray *exact = evaluate(arena, fn, &env, false), *rounded = f32 ? evaluate(arena, fn, &env, true) : NULL;
  void **one = execute(arena, program, &env, 1), **two = execute(arena, program, &env, 2);
  label = arena_printf(arena, "%s, %lld events", label, (long long)events);
  compare(fn, program, one, exact, rounded, f32 ? 4e-6 : 2e-11, label);
  for (uint32_t o = 0; o < program->n_outputs; o++) {
    size_t n = bytes_of(program->outputs[o].dtype) * (size_t)exact[o].n;
    if (memcmp(one[o], two[o], n) != 0) fail_msg("%s: %s differs between one and two threads", label, exact[o].name);
  }
  arena_destroy(arena);
}

static void check(const IrFn *fn, uint64_t seed, bool f32, const char *label) {
  CodegenOptions options = codegen_defaults();
  options.dump = getenv("HGM_TEST_DUMP");
  options.verify = true;
  HgmProgram *program = codegen_compile(fn, &options, NULL, NULL);
  for (int i = 0; i < EVENT_COUNTS; i++) check_events(fn, program, event_counts[i], seed, f32, label);
  codegen_free(program);
}

static void check_text(const char *text) {
  Arena *arena = arena_create();
  const char *error = NULL;
  IrFn *fn = ir_read(arena, text, &error);
  if (!fn) fail_msg("%s", error);
  check(fn, 1, strstr(text, "f32") != NULL, "text");
  arena_destroy(arena);
}

static void test_sum(void **state) {
  (void)state;
  Arena *arena = arena_create();
  IrFn *fn = ir_fn_new(arena, "sum");
  IrRef x = ir_leaf(fn, IR_INPUT, "x", ir_type(IR_F32, 2, (int64_t[]){IR_EVENTS, 3}));
  IrRef w = ir_leaf(fn, IR_PARAM, "w", ir_type(IR_F32, 1, (int64_t[]){3}));
  IrRef y = ir_binary(fn, IR_MUL, x, ir_broadcast_like(fn, w, x));
  ir_output(fn, "y", y);
  ir_output(fn, "loss", ir_sum(fn, ir_cast(fn, y, IR_F64), 3));
  check(fn, 1, true, "sum");
  arena_destroy(arena);
}

static void test_random(void **state) {
  (void)state;
  const char *one = getenv("HGM_TEST_SEED");
  for (uint64_t seed = one ? strtoull(one, NULL, 10) : 0; seed < (one ? strtoull(one, NULL, 10) + 1 : 40); seed++) {
    Arena *arena = arena_create();
    IrDtype real = seed % 2 ? IR_F32 : IR_F64;
    RandomOptions options = {.ops = seed % 5 == 4 ? IR_OP_COUNT : 12 + (int)(seed % 7) * 6, .no_pairs = true,
                             .no_events_reduced = seed % 3 == 0};
    IrFn *fn = random_program(arena, seed, real, &options);
    check(fn, seed, real == IR_F32, arena_printf(arena, "seed %llu", (unsigned long long)seed));
    arena_destroy(arena);
  }
}

int main(void) {
  (void)check_text;
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_sum), cmocka_unit_test(test_random)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
