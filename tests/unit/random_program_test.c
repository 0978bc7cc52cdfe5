// needs: tests/support compiler/ir runtime lang/base
// The random programs are worth testing with: they keep the laws, reach every op, evaluate to finite numbers of order
// one that depend on the data, and survive a round trip through the text form.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <math.h>
#include <string.h>
#include <cmocka.h>

#include "tests/support/random_program.h"

enum { SEEDS = 60, EVENTS = 9 };

static IrArray *evaluate(Arena *arena, const IrFn *fn, uint64_t data_seed, bool round_f32) {
  IrEnv env = {.events = EVENTS, .seed = 5, .round_f32 = round_f32};
  random_leaves(arena, fn, data_seed, &env);
  IrArray *outputs = ARENA_ARRAY(arena, IrArray, fn->outputs.len);
  const char *error = NULL;
  if (!ir_eval(fn, &env, arena, outputs, &error)) fail_msg("%s", error);
  return outputs;
}

static double loss_of(const IrFn *fn, const IrArray *outputs) { return outputs[fn->outputs.len - 1].data[0]; }

static void expect_finite(const IrFn *fn, const IrArray *outputs, uint64_t seed) {
  for (size_t i = 0; i < fn->outputs.len; i++) {
    for (int64_t k = 0; k < outputs[i].n; k++) {
      double x = outputs[i].data[k];
      if (!(fabs(x) < 1e10)) fail_msg("seed %llu: %s[%lld] = %g\n%s", (unsigned long long)seed, outputs[i].name, (long long)k, x, ir_text(fn->arena, fn));
    }
  }
}

static void test_programs(void **state) {
  (void)state;
  bool reached[IR_OP_COUNT] = {0};
  int moved = 0;
  for (uint64_t seed = 0; seed < SEEDS; seed++) {
    Arena *arena = arena_create();
    RandomOptions options = {.ops = seed % 3 ? 40 : IR_OP_COUNT, .smooth = seed % 4 == 1, .no_pairs = seed % 5 == 0, .no_events_reduced = seed % 6 == 0};
    IrFn *fn = random_program(arena, seed, seed % 2 ? IR_F32 : IR_F64, &options);
    const char *problem = ir_verify(fn, arena);
    if (problem) fail_msg("seed %llu: %s", (unsigned long long)seed, problem);
    bool here[IR_OP_COUNT] = {0};
    for (IrRef r = 0; r < fn->values.len; r++) here[ir_at(fn, r)->op] = reached[ir_at(fn, r)->op] = true;
    if (options.ops == IR_OP_COUNT && !options.smooth) {
      for (int op = 0; op < IR_OP_COUNT; op++) {
        if (!here[op]) fail_msg("seed %llu lacks %s", (unsigned long long)seed, ir_op_info[op].name);
      }
    }
    const char *text = ir_text(arena, fn), *error = NULL;
    IrFn *again = ir_read(arena, text, &error);
    if (!again) fail_msg("seed %llu: %s\n%s", (unsigned long long)seed, error, text);
    assert_string_equal(ir_text(arena, again), text);
    const IrArray *a = evaluate(arena, fn, 1, false), *b = evaluate(arena, again, 1, false), *c = evaluate(arena, fn, 2, false);
    expect_finite(fn, a, seed);
    for (size_t i = 0; i < fn->outputs.len; i++) assert_memory_equal(a[i].data, b[i].data, (size_t)a[i].n * sizeof(double));
    assert_true(fabs(loss_of(fn, a)) < 200);
    moved += fabs(loss_of(fn, a) - loss_of(fn, c)) > 1e-3;
    arena_destroy(arena);
  }
  for (int op = 0; op < IR_OP_COUNT; op++) assert_true(reached[op]);
  assert_true(moved > SEEDS * 9 / 10);
}

// Rounding to f32 moves the loss a little and not much: the programs are well conditioned.
static void test_conditioning(void **state) {
  (void)state;
  int close = 0;
  for (uint64_t seed = 0; seed < SEEDS; seed++) {
    Arena *arena = arena_create();
    RandomOptions options = {.ops = 50, .smooth = true};
    IrFn *fn = random_program(arena, seed, IR_F32, &options);
    double exact = loss_of(fn, evaluate(arena, fn, 1, false)), rounded = loss_of(fn, evaluate(arena, fn, 1, true));
    assert_true(exact != rounded);
    close += fabs(exact - rounded) < 1e-5;
    arena_destroy(arena);
  }
  assert_true(close > SEEDS * 9 / 10);
}

static void test_same_seed_same_program(void **state) {
  (void)state;
  Arena *arena = arena_create();
  const char *a = ir_text(arena, random_program(arena, 3, IR_F32, NULL));
  assert_string_equal(a, ir_text(arena, random_program(arena, 3, IR_F32, NULL)));
  assert_string_not_equal(a, ir_text(arena, random_program(arena, 4, IR_F32, NULL)));
  arena_destroy(arena);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_programs),
      cmocka_unit_test(test_conditioning),
      cmocka_unit_test(test_same_seed_same_program),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
