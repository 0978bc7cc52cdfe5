// needs: lang compiler/ad compiler/ir lang/base runtime
// Every row of preparations.def: the inverse undoes the step, and log |dy/dx| agrees with central differences of the step
// itself, through the reference evaluator.
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "lang/preparation.h"
#include "runtime/estimate.h"
#include "runtime/matrix.h"

enum { N = 7 };

// Settings and values of a row to test it with: inside its domain, away from edges.
typedef struct Trial {
  double setting[3], values[4];
  int n_values;
  double x[N];
  double stat[2], table[4][8]; // table: of steps whose states are matrices and tables
} Trial;

static Trial trial_of(PrepKind kind) {
  Trial t = {.x = {-2.5, -1.1, -0.3, 0.2, 0.7, 1.9, 2.8}, .stat = {0.4, 1.7}};
  switch (kind) {
  case PREP_LOG: memcpy(t.x, (double[]){0.01, 0.2, 0.9, 1.1, 7, 300, 2e4}, sizeof t.x); break;
  case PREP_LOG1P: memcpy(t.x, (double[]){-0.9, -0.1, 0, 0.3, 4, 90, 1e4}, sizeof t.x); break;
  case PREP_LOGIT:
    t.setting[0] = 1e-3;
    memcpy(t.x, (double[]){0, 0.01, 0.2, 0.5, 0.7, 0.99, 1}, sizeof t.x);
    break;
  case PREP_FRACTIONS: memcpy(t.x, (double[]){0.01, 0.05, 0.2, 0.5, 0.12, 0.3, 0.28}, sizeof t.x); break;
  case PREP_PROBIT: memcpy(t.x, (double[]){0.001, 0.01, 0.2, 0.5, 0.7, 0.9, 0.999}, sizeof t.x); break;
  case PREP_ARCTAN: t.setting[0] = 10; break;
  case PREP_SCALE: t.setting[0] = -2.5; break;
  case PREP_CLIP: t.setting[0] = -3, t.setting[1] = 3; break;
  case PREP_WHITEN: t.table[0][0] = 0.4, t.table[1][0] = 1 / 1.7, t.table[2][0] = 1.7, t.table[3][0] = log(1.7); break;
  case PREP_QUANTILE:
    t.setting[0] = 4;
    memcpy(t.table[0], (double[]){-3, -1, 0.5, 1, 4}, 5 * sizeof(double));
    break;
  case PREP_BITS: // middles of sixteenths of -3 to 4
    t.setting[0] = 4;
    t.stat[0] = -3, t.stat[1] = 4;
    for (int i = 0; i < N; i++) t.x[i] = -3 + 7 * ((2 * i + 1) % 16 + 0.5) / 16;
    break;
  case PREP_HURDLE:
    t.setting[0] = -1;
    memcpy(t.x, (double[]){-1, 0, 0.2, -1, 0.7, 0.9, 1}, sizeof t.x);
    break;
  case PREP_SEGMENTS: // one number alone: its share is 1
    t.n_values = 1;
    t.values[0] = 1;
    memcpy(t.x, (double[]){0, 1, 0.2, 30, 0.7, 0.9, 5}, sizeof t.x);
    break;
  case PREP_ZERO_BELOW:
    t.setting[0] = 0.25;
    memcpy(t.x, (double[]){0, 0.26, 0.5, 1, 7, 300, 2e4}, sizeof t.x);
    break;
  case PREP_ONE_HOT:
  case PREP_LEVELS:
    t.n_values = 4;
    memcpy(t.values, (double[]){0, 4, 6, 7}, sizeof t.values);
    memcpy(t.x, (double[]){4, 0, 7, 6, 6, 0, 4}, sizeof t.x);
    break;
  case PREP_MISSING:
    t.setting[0] = -1, t.setting[1] = -0.1;
    t.stat[0] = 0.1;
    memcpy(t.x, (double[]){-1, 0, 0.2, -1, 0.7, 0.9, 1}, sizeof t.x);
    break;
  case PREP_DEQUANTIZE:
    t.setting[0] = 1;
    memcpy(t.x, (double[]){0, 1, 2, 30, 4, 5, 100}, sizeof t.x);
    break;
  case PREP_MINMAX: t.stat[0] = -3, t.stat[1] = 4; break;
  case PREP_STANDARDIZE:
  case PREP_MAXABS:
  case PREP_WRAP:
  case PREP_SINCOS:
  case PREP_COUNT: break;
  }
  return t;
}

static PrepStep *step_of(Arena *arena, PrepKind kind, const Trial *t, bool vector) {
  PrepStep *s = prep_step_new(arena, &prep_info[kind], "f.1");
  memcpy(s->setting, t->setting, sizeof t->setting);
  for (int i = 0; i < t->n_values; i++) VEC_PUSH(arena, &s->values, t->values[i]);
  s->in = (IrType){.dtype = IR_F64, .rank = vector ? 2 : 1, .axes = {IR_EVENTS, 1}};
  prep_shape(s);
  return s;
}

typedef struct Run {
  double y[4 * N], back[N], jacobian[N];
  bool has_jacobian;
  int64_t width;
} Run;

static Run run(const PrepStep *s, const Trial *t, const double *x) {
  Arena *arena = arena_create();
  IrFn *fn = ir_fn_new(arena, "test");
  IrRef in = ir_leaf(fn, IR_INPUT, "x", s->in), y = prep_forward(fn, s, in), j = prep_log_jacobian(fn, s, in);
  ir_output(fn, "y", y);
  ir_output(fn, "back", prep_inverse(fn, s, y));
  if (j != IR_NONE) ir_output(fn, "j", j);
  IrArray leaves[5] = {{"x", N, (double *)x}};
  size_t n = 1;
  bool tables = s->info->fit == PREP_FIT_WHITEN || s->info->fit == PREP_FIT_QUANTILES;
  for (int i = 0; i < PREP_STATES; i++)
    if (s->states[i] != NULL) leaves[n++] = (IrArray){s->states[i], prep_state_numbers(s, i), (double *)(tables ? t->table[i] : &t->stat[i])};
  IrEnv env = {.events = N, .seed = 5, .leaves = leaves, .n_leaves = n};
  IrArray out[3];
  const char *error = NULL;
  assert_null(ir_verify(fn, arena));
  if (!ir_eval(fn, &env, arena, out, &error)) fail_msg("%s: %s", s->info->name, error);
  Run r = {.has_jacobian = j != IR_NONE, .width = out[0].n / N};
  memcpy(r.y, out[0].data, (size_t)out[0].n * sizeof(double));
  memcpy(r.back, out[1].data, sizeof r.back);
  if (j != IR_NONE) memcpy(r.jacobian, out[2].data, sizeof r.jacobian);
  arena_destroy(arena);
  return r;
}

static void every_inverse_undoes_its_step(void **state) {
  (void)state;
  for (int kind = 0; kind < PREP_COUNT; kind++)
    for (int vector = 0; vector < 2; vector++) {
      Arena *arena = arena_create();
      Trial t = trial_of((PrepKind)kind);
      PrepStep *s = step_of(arena, (PrepKind)kind, &t, vector);
      Run r = run(s, &t, t.x);
      for (int i = 0; i < N; i++)
        if (!(fabs(r.back[i] - t.x[i]) <= 1e-9 * (1 + fabs(t.x[i])))) fail_msg("%s: %g comes back as %g", s->info->name, t.x[i], r.back[i]);
      arena_destroy(arena);
    }
}

static void every_jacobian_is_the_slope(void **state) {
  (void)state;
  for (int kind = 0; kind < PREP_COUNT; kind++) {
    Arena *arena = arena_create();
    Trial t = trial_of((PrepKind)kind);
    PrepStep *s = step_of(arena, (PrepKind)kind, &t, false);
    bool counts = s->info->flags & PREP_COUNTS;
    if (prep_has_density(s) && !counts && kind != PREP_MISSING) {
      double above[N], below[N];
      if (kind == PREP_LOGIT) t.x[0] = 0.001, t.x[N - 1] = 0.999; // one step away from the edges
      for (int i = 0; i < N; i++) {
        double h = 1e-6 * (kind == PREP_LOG ? t.x[i] : 1);
        above[i] = t.x[i] + h, below[i] = t.x[i] - h;
      }
      Run r = run(s, &t, t.x), up = run(s, &t, above), down = run(s, &t, below);
      for (int i = 0; i < N; i++) {
        double expected = log(fabs((up.y[i] - down.y[i]) / (above[i] - below[i])));
        double found = r.has_jacobian ? r.jacobian[i] : 0;
        if (!(fabs(found - expected) <= 1e-5 * (1 + fabs(expected))))
          fail_msg("%s at %g: log slope %g, the row says %g", s->info->name, t.x[i], expected, found);
      }
    }
    arena_destroy(arena);
  }
}

// Closed forms that share nothing with the IR.
static void forwards_are_their_formulas(void **state) {
  (void)state;
  Arena *arena = arena_create();
  struct {
    PrepKind kind;
    double x, y;
  } known[] = {
      {PREP_STANDARDIZE, 1.9, (1.9 - 0.4) / 1.7},
      {PREP_MAXABS, 1.9, 1.9 / 0.4},
      {PREP_MINMAX, 1.9, 4.9 / 7},
      {PREP_LOG, 7, log(7)},
      {PREP_LOG1P, 4, log(5)},
      {PREP_LOGIT, 0.2, log((1e-3 + 0.998 * 0.2) / (1 - 1e-3 - 0.998 * 0.2))},
      {PREP_ARCTAN, 0.7, atan(7)},
      {PREP_SCALE, 0.7, -1.75},
      {PREP_WRAP, 2.8, 2.8},
      {PREP_PROBIT, 0.5, 0},
      {PREP_ZERO_BELOW, 0.3, 0.3},
      {PREP_ZERO_BELOW, 0.25, 0.25},
      {PREP_ZERO_BELOW, 0.2, 0},
      {PREP_ZERO_BELOW, -3, 0},
      {PREP_LEVELS, 7, 3},
      {PREP_MISSING, -1, -0.1},
      {PREP_MISSING, 0.2, 0.2},
  };
  for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
    Trial t = trial_of(known[i].kind);
    double x[N] = {known[i].x, known[i].x, known[i].x, known[i].x, known[i].x, known[i].x, known[i].x};
    Run r = run(step_of(arena, known[i].kind, &t, false), &t, x);
    if (fabs(r.y[3] - known[i].y) > 1e-12) fail_msg("%s(%g) is %g", prep_info[known[i].kind].name, known[i].x, r.y[3]);
  }
  arena_destroy(arena);
}

static void wrap_and_dequantize_keep_their_ranges(void **state) {
  (void)state;
  Arena *arena = arena_create();
  const double pi = acos(-1), x[N] = {pi, -pi, 3.5, -3.5, 9, -40, 0};
  Trial t = trial_of(PREP_WRAP);
  Run r = run(step_of(arena, PREP_WRAP, &t, false), &t, x);
  for (int i = 0; i < N; i++) {
    assert_true(r.y[i] > -pi && r.y[i] <= pi);
    assert_true(fabs(sin(r.y[i]) - sin(x[i])) < 1e-12);
  }
  t = trial_of(PREP_DEQUANTIZE);
  r = run(step_of(arena, PREP_DEQUANTIZE, &t, false), &t, t.x);
  for (int i = 0; i < N; i++) assert_true(r.y[i] > t.x[i] && r.y[i] < t.x[i] + 1);
  arena_destroy(arena);
}

// A row of three numbers against sums written out, and the determinant against central differences.
static void whitened_numbers_are_uncorrelated(void **state) {
  (void)state;
  Arena *arena = arena_create();
  PrepStep *s = prep_step_new(arena, prep_find("whiten"), "f.1");
  s->in = (IrType){.dtype = IR_F64, .rank = 2, .axes = {IR_EVENTS, 3}};
  prep_shape(s);
  double x[3 * 400], mean[3], covariance[9], unmix[9], mix[9], log_det;
  for (int i = 0; i < 400; i++) x[3 * i] = sin(i), x[3 * i + 1] = 2 * sin(i) + cos(3 * i), x[3 * i + 2] = 5 + sin(2 * i) - 0.5 * x[3 * i + 1];
  HgmError failed = {0};
  assert_true(hgm_estimate_moments(NULL, &(HgmRows){x, NULL, 400, 3}, true, mean, covariance, &failed));
  assert_int_equal(hgm_matrix_cholesky(3, covariance, mix, unmix, &log_det), 0);
  IrFn *fn = ir_fn_new(arena, "test");
  IrRef in = ir_leaf(fn, IR_INPUT, "x", s->in), y = prep_forward(fn, s, in);
  ir_output(fn, "y", y);
  ir_output(fn, "back", prep_inverse(fn, s, y));
  ir_output(fn, "j", ir_sum(fn, prep_log_jacobian(fn, s, in), 2));
  IrArray leaves[5] = {{"x", 3 * 400, x}, {s->states[0], 3, mean}, {s->states[1], 9, unmix}, {s->states[2], 9, mix}, {s->states[3], 1, &log_det}}, out[3];
  const char *error = NULL;
  if (!ir_eval(fn, &(IrEnv){.events = 400, .leaves = leaves, .n_leaves = 5}, arena, out, &error)) fail_msg("%s", error);
  for (int a = 0; a < 3; a++)
    for (int b = 0; b <= a; b++) {
      double sum = 0;
      for (int i = 0; i < 400; i++) sum += out[0].data[3 * i + a] * out[0].data[3 * i + b] / 400;
      assert_true(fabs(sum - (a == b)) < 1e-10);
    }
  for (int i = 0; i < 1200; i++) assert_true(fabs(out[1].data[i] - x[i]) < 1e-12 * 10);
  double det = unmix[0] * (unmix[4] * unmix[8] - unmix[5] * unmix[7]) - unmix[1] * (unmix[3] * unmix[8] - unmix[5] * unmix[6]) +
               unmix[2] * (unmix[3] * unmix[7] - unmix[4] * unmix[6]); // y is linear in x with this matrix
  assert_true(fabs(out[2].data[0] - log(det)) < 1e-10);
  arena_destroy(arena);
}

// Knots -3 -1 0.5 1 4 have the shares 0.1 0.3 0.5 0.7 0.9 with d = 1/10; between them shares grow evenly; outside they stay.
static void quantiles_are_shares(void **state) {
  (void)state;
  Arena *arena = arena_create();
  Trial t = trial_of(PREP_QUANTILE);
  const double x[N] = {-3, -1, 0.5, 2.5, 4, -9, 70}, share[N] = {0.1, 0.3, 0.5, 0.8, 0.9, 0.1, 0.9}, back[N] = {-3, -1, 0.5, 2.5, 4, -3, 4};
  Run r = run(step_of(arena, PREP_QUANTILE, &t, false), &t, x);
  for (int i = 0; i < N; i++) assert_true(fabs(r.y[i] - share[i]) < 1e-12 && fabs(r.back[i] - back[i]) < 1e-9);
  memcpy(t.table[0], (double[]){0, 0, 0, 1, 1}, 5 * sizeof(double)); // values of many rows come back as they were
  const double ties[N] = {0, 1, 0.25, 0, 1, 0.5, 0.75};
  r = run(step_of(arena, PREP_QUANTILE, &t, false), &t, ties);
  for (int i = 0; i < N; i++) assert_true(fabs(r.back[i] - ties[i]) < 1e-9);
  arena_destroy(arena);
}

static void fractions_are_shares_of_the_rest(void **state) {
  (void)state;
  Arena *arena = arena_create();
  PrepStep *s = prep_step_new(arena, prep_find("fractions"), "f.1");
  s->in = (IrType){.dtype = IR_F64, .rank = 2, .axes = {IR_EVENTS, 3}};
  prep_shape(s);
  IrFn *fn = ir_fn_new(arena, "test");
  IrRef x = ir_leaf(fn, IR_INPUT, "x", s->in), wild = ir_leaf(fn, IR_INPUT, "wild", s->in), y = prep_forward(fn, s, x);
  ir_output(fn, "y", y);
  ir_output(fn, "back", prep_inverse(fn, s, y));
  ir_output(fn, "j", ir_sum(fn, prep_log_jacobian(fn, s, x), 2));
  ir_output(fn, "drawn", prep_inverse(fn, s, wild));
  double in[18] = {0.2, 0.4, 0.3, 0, 1, 0, 0.5, 0.5, 1e-7, 0.7, 0.5, 0.1, 0.1, -0.2, 0.3, 1.2, 0, 0};
  double expected[9] = {0.2, 0.5, 0.75, 0, 1, 0, 0.5, 1, 0}, any[18];
  for (int i = 0; i < 18; i++) any[i] = 1.4 * sin(3 * i + 1);
  IrArray leaves[2] = {{"x", 18, in}, {"wild", 18, any}}, out[4];
  const char *error = NULL;
  if (!ir_eval(fn, &(IrEnv){.events = 6, .leaves = leaves, .n_leaves = 2}, arena, out, &error)) fail_msg("%s", error);
  for (int i = 0; i < 9; i++) assert_true(fabs(out[0].data[i] - expected[i]) < 1e-12 && fabs(out[1].data[i] - in[i]) < 2e-7);
  for (int i = 9; i < 18; i++) assert_true(isnan(out[0].data[i])); // a sum of 1.3, a negative one, one above 1
  assert_true(fabs(out[2].data[0] + log(0.8) + log(0.4)) < 1e-12); // dy/dx is a triangle with 1, 1/0.8, 1/0.4
  for (int e = 0; e < 6; e++) {
    const double *d = &out[3].data[3 * e];
    assert_true(d[0] >= 0 && d[1] >= 0 && d[2] >= 0 && d[0] + d[1] + d[2] <= 1 + 1e-15);
  }
  arena_destroy(arena);
}

static void segments_are_totals_and_shares(void **state) {
  (void)state;
  Arena *arena = arena_create();
  PrepStep *s = prep_step_new(arena, prep_find("segments"), "f.1");
  for (int i = 0; i < 3; i++) VEC_PUSH(arena, &s->values, (double[]){2, 1, 2}[i]);
  s->in = (IrType){.dtype = IR_F64, .rank = 2, .axes = {IR_EVENTS, 5}};
  prep_shape(s);
  IrFn *fn = ir_fn_new(arena, "test");
  IrRef x = ir_leaf(fn, IR_INPUT, "x", s->in), y = prep_forward(fn, s, x), wrong = ir_binary(fn, IR_MUL, y, ir_leaf(fn, IR_INPUT, "factor", s->out));
  ir_output(fn, "total", prep_part(fn, s, y, 0));
  ir_output(fn, "share", prep_part(fn, s, y, 1));
  ir_output(fn, "back", prep_inverse(fn, s, y));
  ir_output(fn, "again", prep_inverse(fn, s, wrong));
  double in[10] = {1, 3, 5, 0, 0, 0, 2, 0, 7, 1}, factor[16], total[6] = {4, 5, 0, 2, 0, 8}, share[10] = {0.25, 0.75, 1, 0, 0, 0, 1, 0, 0.875, 0.125};
  for (int i = 0; i < 16; i++) factor[i] = i % 8 < 3 ? 1 : 3; // shares that add up to 3: the totals decide
  IrArray leaves[2] = {{"x", 10, in}, {"factor", 16, factor}}, out[4];
  const char *error = NULL;
  if (!ir_eval(fn, &(IrEnv){.events = 2, .leaves = leaves, .n_leaves = 2}, arena, out, &error)) fail_msg("%s", error);
  for (int i = 0; i < 6; i++) assert_true(out[0].data[i] == total[i]);
  for (int i = 0; i < 10; i++) assert_true(out[1].data[i] == share[i] && out[2].data[i] == in[i] && fabs(out[3].data[i] - in[i]) < 1e-12);
  arena_destroy(arena);
}

static void bits_are_binary_digits_of_the_interval(void **state) {
  (void)state;
  Arena *arena = arena_create();
  Trial t = trial_of(PREP_BITS);
  const double x[N] = {-3, -2.9, 4, 0.5, 9, -9, -3 + 7 * 11.2 / 16}; // 0 0 15 8 15 0 11 of 16 intervals from -3 to 4
  const int expected[N] = {0, 0, 15, 8, 15, 0, 11};
  Run r = run(step_of(arena, PREP_BITS, &t, false), &t, x);
  assert_int_equal(r.width, 4);
  for (int i = 0; i < N; i++) {
    int b = 0;
    for (int k = 0; k < 4; k++) b = 2 * b + (int)r.y[4 * i + k];
    assert_int_equal(b, expected[i]);
    assert_true(fabs(r.back[i] - (-3 + 7 * (b + 0.5) / 16)) < 1e-12);
  }
  arena_destroy(arena);
}

static void a_flag_stands_behind_the_values(void **state) {
  (void)state;
  Arena *arena = arena_create();
  Trial t = trial_of(PREP_MISSING);
  t.setting[0] = NAN, t.setting[2] = 1;
  t.x[0] = t.x[3] = NAN;
  Run r = run(step_of(arena, PREP_MISSING, &t, false), &t, t.x);
  assert_int_equal(r.width, 2);
  for (int i = 0; i < N; i++) {
    assert_true(r.y[2 * i + 1] == (isnan(t.x[i]) ? 1 : 0));
    assert_true(isnan(t.x[i]) ? isnan(r.back[i]) : r.back[i] == t.x[i]);
  }
  arena_destroy(arena);
}

static void a_constant_column_is_not_divided_by_zero(void **state) {
  (void)state;
  Arena *arena = arena_create();
  Trial t = trial_of(PREP_STANDARDIZE);
  t.stat[0] = 3, t.stat[1] = 0;
  const double x[N] = {3, 3, 3, 3, 3, 3, 3};
  Run r = run(step_of(arena, PREP_STANDARDIZE, &t, false), &t, x);
  for (int i = 0; i < N; i++) assert_true(r.y[i] == 0 && r.back[i] == 3);
  arena_destroy(arena);
}

static void names_of_the_table_are_found(void **state) {
  (void)state;
  for (int i = 0; i < PREP_COUNT; i++) {
    assert_int_equal(prep_info[i].kind, i);
    assert_ptr_equal(prep_find(prep_info[i].name), &prep_info[i]);
  }
  assert_null(prep_find("present"));
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(every_inverse_undoes_its_step),
      cmocka_unit_test(every_jacobian_is_the_slope),
      cmocka_unit_test(forwards_are_their_formulas),
      cmocka_unit_test(wrap_and_dequantize_keep_their_ranges),
      cmocka_unit_test(a_flag_stands_behind_the_values),
      cmocka_unit_test(a_constant_column_is_not_divided_by_zero),
      cmocka_unit_test(whitened_numbers_are_uncorrelated),
      cmocka_unit_test(quantiles_are_shares),
      cmocka_unit_test(fractions_are_shares_of_the_rest),
      cmocka_unit_test(segments_are_totals_and_shares),
      cmocka_unit_test(bits_are_binary_digits_of_the_interval),
      cmocka_unit_test(names_of_the_table_are_found),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
