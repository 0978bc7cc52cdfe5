// needs: lang compiler/codegen compiler/ad compiler/ir lang/base runtime
// The compiled rational-quadratic spline in float32 against the one in float64 (numerics.md 1 to 4): random numbers with logits to
// scale 100, both directions, values and slopes; edges. A point may be as far off as if its argument and its result were moved by a
// few units of the last place of the box: the measure is backward, since slopes go from 1e-7 to 1e7. HGM_LONG=1: 10^8 a direction.
#include "compiler/codegen/codegen.h"
#include "tests/support/model.h"

enum { BINS = 8, NUMBERS = 3 * BINS - 1, COLUMNS = NUMBERS + 1, BATCH = 1 << 14, UNITS = 24, OUTPUTS = 8 };
static const double TAIL = 4;
static const double LAST_PLACE = 0x1p-22; // spacing of float32 below 4; a knot is the sum of 8 widths to 8, each from a softmax of some units

#define NUMBERS_AND_X                                                                                                                                          \
  "data d { p = \"p{0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22}\"\n"                                                                           \
  "  x = \"x\" }\n"

static const char DIRECTIONS[] = NUMBERS_AND_X "score { s = rq_spline(p, 8, 4.0)\n  (y, det) = s.forward(x)\n  (back, undone) = s.inverse(x) }";
static const char SLOPES[] =
    NUMBERS_AND_X "score { s = rq_spline(p, 8, 4.0)\n  (y, det) = s.forward(x)\n  (back, undone) = s.inverse(x)\n"
                  "  by_x = grad(y + det, x) + grad(back + undone, x)\n  by_p = sum(abs(grad(y + det, p))) + sum(abs(grad(back + undone, p))) }";

typedef struct Compiled {
  Loaded model;
  HgmProgram *program;
  HgmWork *work;
  double *output[OUTPUTS]; // (BATCH) each, in the program's order
} Compiled;

static Compiled compile(const char *text, IrDtype real) {
  Compiled c = {.model = load_as(text, real)};
  CodegenOptions options = codegen_defaults();
  HgmError error = {0};
  c.program = codegen_compile(c.model.model->score, &options, NULL, NULL);
  c.work = hgm_work_create(c.program, 1, BATCH, NULL, &error);
  if (!c.work) fail_msg("%s", error.text);
  assert_true(c.program->n_leaves == COLUMNS && c.program->n_outputs <= OUTPUTS);
  for (uint32_t i = 0; i < c.program->n_outputs; i++) c.output[i] = ARENA_ARRAY(c.model.arena, double, BATCH);
  return c;
}

static void release(Compiled *c) {
  hgm_work_destroy(c->work);
  codegen_free(c->program);
  leave(&c->model);
}

static const double *found(const Compiled *c, const char *name) {
  int i = hgm_port_find(c->program->outputs, c->program->n_outputs, name);
  if (i < 0) fail_msg("no output %s", name);
  return c->output[i];
}

// rows: (BATCH, COLUMNS), the numbers and then x
static void apply(const Compiled *c, const double *rows) {
  const void *leaves[COLUMNS];
  int64_t strides[COLUMNS];
  for (uint32_t i = 0; i < COLUMNS; i++) {
    const char *name = c->program->leaves[i].name + strlen("column:");
    assert_true(c->program->leaves[i].dtype == HGM_F64);
    leaves[i] = rows + (name[0] == 'x' ? NUMBERS : strtol(name + 1, NULL, 10));
    strides[i] = COLUMNS;
  }
  HgmError error = {0};
  HgmCall call = {.leaves = leaves, .strides = strides, .outputs = (void *const *)c->output, .events = BATCH};
  if (!hgm_execute(c->program, c->work, NULL, &call, &error)) fail_msg("%s", error.text);
}

static double unit(uint64_t *state) {
  uint64_t x = *state += 0x9E3779B97F4A7C15u;
  x = (x ^ x >> 30) * 0xBF58476D1CE4E5B9u;
  x = (x ^ x >> 27) * 0x94D049BB133111EBu;
  return (double)((x ^ x >> 31) >> 11) * 0x1p-53;
}

// Logits of one scale a row, from 0.1 to 100; x a little beyond the box, now and then exactly on its edge or in its middle.
static void draw(double *rows, uint64_t *state) {
  for (double *row = rows; row < rows + (size_t)BATCH * COLUMNS; row += COLUMNS) {
    double scale = pow(10, 3 * unit(state) - 1), which = unit(state);
    for (int i = 0; i < NUMBERS; i++) row[i] = (double)(float)(scale * (2 * unit(state) - 1));
    row[NUMBERS] = which < 0.01 ? copysign(TAIL, which - 0.005) : which < 0.015 ? 0 : (double)(float)(2.2 * TAIL * (unit(state) - 0.5));
  }
}

static void all_finite(const Compiled *c, const double *rows) {
  for (uint32_t o = 0; o < c->program->n_outputs; o++)
    for (int i = 0; i < BATCH; i++) {
      if (isfinite(c->output[o][i])) continue;
      for (int k = 0; k < COLUMNS; k++) fprintf(stderr, "%.9g ", rows[i * COLUMNS + k]);
      fail_msg("%s is %g", c->program->outputs[o].name, c->output[o][i]);
    }
}

static void test_finite(void **state) {
  (void)state;
  Compiled c = compile(DIRECTIONS, IR_F32);
  double *rows = ARENA_ARRAY(c.model.arena, double, BATCH *COLUMNS);
  uint64_t random = 1;
  int64_t evaluations = getenv("HGM_LONG") ? 100000000 : 1000000;
  for (int64_t done = 0; done < evaluations; done += BATCH) {
    draw(rows, &random);
    apply(&c, rows);
    all_finite(&c, rows);
    const double *y = found(&c, "score:y"), *back = found(&c, "score:back");
    for (int i = 0; i < BATCH; i++) {
      double x = rows[i * COLUMNS + NUMBERS];
      if (fabs(x) >= TAIL ? y[i] != x || back[i] != x : fabs(y[i]) > TAIL + 4 * LAST_PLACE || fabs(back[i]) > TAIL + 4 * LAST_PLACE)
        fail_msg("%g goes to %.9g and %.9g", x, y[i], back[i]);
    }
  }
  release(&c);
}

static void test_slopes_are_finite(void **state) {
  (void)state;
  for (int f64 = 0; f64 < 2; f64++) {
    Compiled c = compile(SLOPES, f64 ? IR_F64 : IR_F32);
    double *rows = ARENA_ARRAY(c.model.arena, double, BATCH *COLUMNS);
    uint64_t random = 2;
    for (int n = 0; n < (getenv("HGM_LONG") ? 1000 : 20); n++) {
      draw(rows, &random);
      apply(&c, rows);
      all_finite(&c, rows);
    }
    release(&c);
  }
}

// f(x - u) - u <= y <= f(x + u) + u with u some units of the last place: how far the argument would have to be moved.
static void test_backward_error(void **state) {
  (void)state;
  Compiled single = compile(DIRECTIONS, IR_F32), exact = compile(DIRECTIONS, IR_F64);
  double *rows = ARENA_ARRAY(single.model.arena, double, BATCH *COLUMNS), *moved = ARENA_ARRAY(single.model.arena, double, BATCH *COLUMNS);
  const double u = UNITS * LAST_PLACE;
  uint64_t random = 3;
  for (int n = 0; n < (getenv("HGM_LONG") ? 1000 : 20); n++) {
    draw(rows, &random);
    apply(&single, rows);
    for (int inverse = 0; inverse < 2; inverse++) {
      const double *y = found(&single, inverse ? "score:back" : "score:y"), *limit = found(&exact, inverse ? "score:back" : "score:y");
      for (int side = -1; side <= 1; side += 2) {
        memcpy(moved, rows, sizeof *rows * BATCH * COLUMNS);
        for (int i = 0; i < BATCH; i++) moved[i * COLUMNS + NUMBERS] += side * u;
        apply(&exact, moved);
        for (int i = 0; i < BATCH; i++)
          if (side * (y[i] - limit[i]) > u)
            fail_msg("%s of %.9g is %.9g; of %.9g it is %.9g", inverse ? "inverse" : "forward", rows[i * COLUMNS + NUMBERS], y[i], moved[i * COLUMNS + NUMBERS],
                     limit[i]);
      }
    }
  }
  release(&single);
  release(&exact);
}

// Exact knots, bounds and their neighbours, infinities, NaN, denormals (numerics.md 3).
static void test_edges(void **state) {
  (void)state;
  Compiled c = compile(DIRECTIONS, IR_F32);
  double *rows = ARENA_ARRAY(c.model.arena, double, BATCH *COLUMNS);
  const double edges[] = {-4, 4, 0, -0.0, 0x1p-149, -0x1p-149, 0x1p-126, INFINITY, -INFINITY, 0x1p127, -0x1p127, -3, -2, -1, 1, 2, 3, NAN};
  enum { EDGES = sizeof edges / sizeof *edges };
  for (int i = 0; i < BATCH; i++) { // equal bins: the knots are the whole numbers
    double x = edges[i / 3 % EDGES];
    rows[i * COLUMNS + NUMBERS] = i % 3 == 0 ? x : (double)nextafterf((float)x, i % 3 == 1 ? INFINITY : -INFINITY);
    for (int k = 2 * BINS; k < NUMBERS; k++) rows[i * COLUMNS + k] = i % 7 - 3;
  }
  apply(&c, rows);
  const char *const outputs[] = {"score:y", "score:back"};
  for (int o = 0; o < 2; o++) {
    const double *y = found(&c, outputs[o]);
    for (int i = 0; i < BATCH; i++) {
      double x = rows[i * COLUMNS + NUMBERS];
      bool right = isnan(x) ? isnan(y[i]) : fabs(x) >= TAIL ? y[i] == x : fabs(y[i] - round(x)) <= 2 * UNITS * LAST_PLACE;
      if (!right) fail_msg("%s of %.9g is %.9g", outputs[o], x, y[i]);
    }
  }
  release(&c);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_finite), cmocka_unit_test(test_slopes_are_finite), cmocka_unit_test(test_backward_error),
                                     cmocka_unit_test(test_edges)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
