// needs: lang compiler/ad compiler/ir lang/base runtime
// Optimizers against plain loops written from their papers' formulas, over several steps, through the reference evaluator.
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "lang/optimizer.h"

enum { N = 3, STEPS = 4 };

typedef struct Memory {
  double m[N], v[N];
} Memory;

static void gradient(const double *w, int t, double *g) { // of some bent function, different each step
  for (int i = 0; i < N; i++) g[i] = w[i] * w[i] * w[i] - 0.5 * (i + 1) + 0.1 * t;
}

static void step_by_hand(OptimizerKind kind, double *w, const double *g, Memory *s, double rate, int t) {
  const double b1 = 0.9, b2 = 0.95, eps = 1e-3;
  for (int i = 0; i < N; i++) {
    if (kind == OPTIMIZER_SGD) {
      s->v[i] = 0.8 * s->v[i] + g[i];
      w[i] -= rate * (g[i] + 0.8 * s->v[i]); // Nesterov
    } else if (kind == OPTIMIZER_RMSPROP) {
      s->v[i] = 0.99 * s->v[i] + 0.01 * g[i] * g[i];
      w[i] -= rate * g[i] / (sqrt(s->v[i]) + eps);
    } else if (kind == OPTIMIZER_ADAMAX) {
      s->m[i] = b1 * s->m[i] + (1 - b1) * g[i];
      s->v[i] = fmax(b2 * s->v[i], fabs(g[i]) + eps);
      w[i] -= rate / (1 - pow(b1, t)) * s->m[i] / s->v[i];
    } else {
      if (kind == OPTIMIZER_ADAMW) w[i] -= rate * 0.1 * w[i];
      s->m[i] = b1 * s->m[i] + (1 - b1) * g[i];
      s->v[i] = b2 * s->v[i] + (1 - b2) * g[i] * g[i];
      double mean = s->m[i] / (1 - pow(b1, t)), spread = s->v[i] / (1 - pow(b2, t));
      w[i] -= rate * mean / (sqrt(spread) + eps);
    }
  }
}

static void set(Optimizer *o, const char *name, double a, double b) {
  OptimizerSetting *s = optimizer_setting(o, name);
  if (s != NULL) s->value[0] = a, s->value[1] = b;
}

static Optimizer optimizer_of(Arena *arena, OptimizerKind kind) {
  Optimizer o;
  assert_true(optimizer_find(arena, optimizer_info[kind].name, &o));
  set(&o, "betas", 0.9, 0.95);
  set(&o, "eps", 1e-3, 0);
  set(&o, "momentum", 0.8, 0);
  set(&o, "nesterov", 1, 0);
  set(&o, "decay", kind == OPTIMIZER_RMSPROP ? 0.99 : 0.1, 0);
  return o;
}

// One step by the program: w and memory are replaced.
static void step_by_program(const Optimizer *o, double *w, double *g, double (*memory)[N], double rate, int t) {
  Arena *arena = arena_create();
  IrFn *fn = ir_fn_new(arena, "step");
  IrType array = {.dtype = IR_F64, .rank = 1, .axes = {N}};
  const char *names[OPTIMIZER_MAX_MEMORY];
  int n = optimizer_memory(arena, o, names);
  IrRef state[OPTIMIZER_MAX_MEMORY] = {IR_NONE, IR_NONE};
  for (int i = 0; i < n; i++) state[i] = ir_leaf(fn, IR_STATE, names[i], array);
  IrRef count = ir_leaf(fn, IR_COUNTER, "t", ir_scalar(IR_F64));
  OptimizerStep s = optimizer_step(fn, o, ir_leaf(fn, IR_PARAM, "w", array), ir_leaf(fn, IR_INPUT, "g", array), state,
                                   ir_leaf(fn, IR_COUNTER, "rate", ir_scalar(IR_F64)), count);
  ir_output(fn, "w", s.weight);
  for (int i = 0; i < n; i++) ir_output(fn, names[i], s.memory[i]);
  double at = t;
  IrArray leaves[6] = {{"w", N, w}, {"g", N, g}, {"rate", 1, &rate}, {"t", 1, &at}};
  for (int i = 0; i < n; i++) leaves[4 + i] = (IrArray){names[i], N, memory[i]};
  IrEnv env = {.events = 1, .leaves = leaves, .n_leaves = 4 + (size_t)n};
  IrArray out[3];
  const char *error = NULL;
  assert_null(ir_verify(fn, arena));
  if (!ir_eval(fn, &env, arena, out, &error)) fail_msg("%s: %s", o->info->name, error);
  memcpy(w, out[0].data, sizeof(double) * N);
  for (int i = 0; i < n; i++) memcpy(memory[i], out[1 + i].data, sizeof(double) * N);
  arena_destroy(arena);
}

static void every_optimizer_follows_its_formula(void **state) {
  (void)state;
  for (int kind = 0; kind < OPTIMIZER_COUNT; kind++) {
    Arena *arena = arena_create();
    Optimizer o = optimizer_of(arena, (OptimizerKind)kind);
    double w[N] = {0.7, -0.4, 1.3}, expected[N] = {0.7, -0.4, 1.3}, memory[2][N] = {{0}};
    Memory hand = {{0}, {0}};
    for (int t = 1; t <= STEPS; t++) {
      double g[N];
      gradient(expected, t, g);
      step_by_hand((OptimizerKind)kind, expected, g, &hand, 0.05 / t, t);
      gradient(w, t, g);
      step_by_program(&o, w, g, memory, 0.05 / t, t);
    }
    for (int i = 0; i < N; i++)
      if (!(fabs(w[i] - expected[i]) < 1e-12)) fail_msg("%s: %.15g for %.15g", o.info->name, w[i], expected[i]);
    arena_destroy(arena);
  }
}

static void plain_sgd_keeps_no_memory(void **state) {
  (void)state;
  Arena *arena = arena_create();
  Optimizer o;
  const char *names[OPTIMIZER_MAX_MEMORY];
  assert_true(optimizer_find(arena, "sgd", &o));
  assert_int_equal(optimizer_memory(arena, &o, names), 0);
  double w[N] = {1, 2, 3}, g[N] = {0.5, -1, 0};
  step_by_program(&o, w, g, NULL, 0.1, 1);
  assert_true(fabs(w[0] - 0.95) < 1e-15 && fabs(w[1] - 2.1) < 1e-15 && w[2] == 3);
  arena_destroy(arena);
}

static double clipped(double a, double b, double most, double *norm) {
  Arena *arena = arena_create();
  IrFn *fn = ir_fn_new(arena, "clip");
  IrType array = {.dtype = IR_F32, .rank = 1, .axes = {1}};
  IrRef g[2] = {ir_leaf(fn, IR_INPUT, "a", array), ir_leaf(fn, IR_INPUT, "b", array)}, length = gradient_norm(fn, g, 2);
  ir_output(fn, "norm", length);
  ir_output(fn, "scaled", scaled(fn, g[0], gradient_clip(fn, length, most)));
  IrArray leaves[2] = {{"a", 1, &a}, {"b", 1, &b}}, out[2];
  IrEnv env = {.events = 1, .leaves = leaves, .n_leaves = 2};
  const char *error = NULL;
  assert_true(ir_eval(fn, &env, arena, out, &error));
  *norm = out[0].data[0];
  double first = out[1].data[0];
  arena_destroy(arena);
  return first;
}

static void clip_shortens_long_gradients_only(void **state) {
  (void)state;
  double norm;
  assert_true(fabs(clipped(3, 4, 1, &norm) - 3 / (5 + 1e-6)) < 1e-9);
  assert_true(fabs(norm - 5) < 1e-12);
  assert_true(clipped(3, 4, 10, &norm) == 3);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(every_optimizer_follows_its_formula),
      cmocka_unit_test(plain_sgd_keeps_no_memory),
      cmocka_unit_test(clip_shortens_long_gradients_only),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
