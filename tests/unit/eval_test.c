// needs: compiler/ir runtime lang/base
// The reference evaluator: exact cases of elementwise ops, ops that move numbers against written-out arrays,
// contractions against hand loops, gather and scatter_add as adjoints of each other. Special functions:
// eval_special_test.c.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <math.h>
#include <string.h>
#include <cmocka.h>

#include "compiler/ir/ir.h"
#include "runtime/philox.h"

static int setup(void **state) { return *state = arena_create(), 0; }
static int teardown(void **state) { return arena_destroy(*state), 0; }

enum { EVENTS = 3 };
static const int64_t ids[EVENTS] = {10, 7, 5000000000};

// The outputs of the function with this body, on three events.
static IrArray *run(Arena *arena, const char *body, const IrArray *leaves, size_t n) {
  const char *error = NULL;
  IrFn *fn = ir_read(arena, arena_printf(arena, "fn f {\n%s\n}\n", body), &error);
  if (!fn) fail_msg("%s", error);
  IrArray *outputs = ARENA_ARRAY(arena, IrArray, fn->outputs.len + 1);
  IrEnv env = {.events = EVENTS, .seed = 42, .event_ids = ids, .pass = 6, .leaves = leaves, .n_leaves = n};
  if (!ir_eval(fn, &env, arena, outputs, &error)) fail_msg("%s", error);
  return outputs;
}

static void expect_numbers(const IrArray *y, int64_t n, const double *wanted) {
  assert_int_equal(y->n, n);
  for (int64_t i = 0; i < n; i++) {
    double x = y->data[i], w = wanted[i];
    bool same = isnan(w) ? isnan(x) : x == w && (w != 0 || signbit(x) == signbit(w));
    if (!same) fail_msg("%s[%lld] is %.17g, not %.17g", y->name, (long long)i, x, w);
  }
}

#define EXPECT(Y, ...) expect_numbers(Y, sizeof((double[]){__VA_ARGS__}) / sizeof(double), (double[]){__VA_ARGS__})
// The body computes one output.
#define GIVES(BODY, ...) EXPECT(run(*state, BODY "\noutput \"y\" %" LAST, NULL, 0), __VA_ARGS__)

// ---- elementwise: ties, signs, the ends

#define LAST "1"
static void test_unary(void **state) {
  GIVES("%0 = const [2.5, 3.5, -2.5, 0.5, -0.5, -0.25, 7, 0.49999999999999994] : f64[8]\n%1 = round %0 : f64[8]", 2, 4, -2, 0, -0.0, -0.0, 7, 0);
  GIVES("%0 = const [2.5, -2.5, -0.0, 3] : f64[4]\n%1 = floor %0 : f64[4]", 2, -3, -0.0, 3);
  GIVES("%0 = const [2.5, -2, 0, nan] : f64[4]\n%1 = sign %0 : f64[4]", 1, -1, 0, NAN);
  GIVES("%0 = const [2.5, -2, -0.0] : f64[3]\n%1 = abs %0 : f64[3]", 2.5, 2, 0);
  GIVES("%0 = const [-800, 800, 0] : f64[3]\n%1 = sigmoid %0 : f64[3]", 0, 1, 0.5);
  GIVES("%0 = const [0, 1] : bool[2]\n%1 = not %0 : bool[2]", 1, 0);
  GIVES("%0 = const [-2147483648, 5] : i32[2]\n%1 = neg %0 : i32[2]", -2147483648.0, -5);
  GIVES("%0 = const [-2147483648, -5] : i32[2]\n%1 = abs %0 : i32[2]", -2147483648.0, 5);
  GIVES("%0 = const [2.9, -2.9, 1e20, -1e20, nan] : f64[5]\n%1 = cast %0 : i32[5]", 2, -2, 2147483647, -2147483648.0, 0);
  GIVES("%0 = const [0, -0.5, nan] : f64[3]\n%1 = cast %0 : bool[3]", 0, 1, 1);
  GIVES("%0 = const [0, 1] : bool[2]\n%1 = cast %0 : f32[2]", 0, 1);
  GIVES("%0 = const [3, -4] : f64[2]\n%1 = stop %0 : f64[2]", 3, -4);
}
#undef LAST

#define LAST "2"
static void test_binary(void **state) {
#define AB "%0 = const [1, -2, nan, 3] : f64[4]\n%1 = const [1, 5, 1, nan] : f64[4]\n"
  GIVES(AB "%2 = max %0, %1 : f64[4]", 1, 5, NAN, NAN);
  GIVES(AB "%2 = min %0, %1 : f64[4]", 1, -2, NAN, NAN);
  GIVES(AB "%2 = eq %0, %1 : bool[4]", 1, 0, 0, 0);
  GIVES(AB "%2 = lt %0, %1 : bool[4]", 0, 1, 0, 0);
  GIVES(AB "%2 = le %0, %1 : bool[4]", 1, 1, 0, 0);
  GIVES(AB "%2 = add %0, %1 : f64[4]", 2, 3, NAN, NAN);
  GIVES(AB "%2 = sub %0, %1 : f64[4]", 0, -7, NAN, NAN);
  GIVES(AB "%2 = mul %0, %1 : f64[4]", 1, -10, NAN, NAN);
#undef AB
#define AB "%0 = const [7, -7, 7, -7] : f64[4]\n%1 = const [4, 4, -4, 0] : f64[4]\n"
  GIVES(AB "%2 = mod %0, %1 : f64[4]", 3, 1, -1, NAN);
  GIVES(AB "%2 = div %0, %1 : f64[4]", 1.75, -1.75, -1.75, -INFINITY);
  GIVES(AB "%2 = pow %0, %1 : f64[4]", 2401, 2401, 1 / 2401.0, 1);
#undef AB
#define AB "%0 = const [2147483647, -2147483648, 65537] : i32[3]\n%1 = const [1, 1, 65537] : i32[3]\n"
  GIVES(AB "%2 = add %0, %1 : i32[3]", -2147483648.0, -2147483647, 131074);
  GIVES(AB "%2 = sub %0, %1 : i32[3]", 2147483646, 2147483647, 0);
  GIVES(AB "%2 = mul %0, %1 : i32[3]", 2147483647, -2147483648.0, 131073);
#undef AB
#define AB "%0 = const [0, 0, 1, 1] : bool[4]\n%1 = const [0, 1, 0, 1] : bool[4]\n"
  GIVES(AB "%2 = and %0, %1 : bool[4]", 0, 0, 0, 1);
  GIVES(AB "%2 = or %0, %1 : bool[4]", 0, 1, 1, 1);
  GIVES(AB "%2 = eq %0, %1 : bool[4]", 1, 0, 0, 1);
#undef AB
}
#undef LAST

static void test_select_and_fma(void **state) {
  EXPECT(run(*state,
             "%0 = const [1, 0] : bool[2]\n%1 = const [1, 2] : f64[2]\n%2 = const [nan, 4] : f64[2]\n"
             "%3 = select %0, %1, %2 : f64[2]\noutput \"y\" %3",
             NULL, 0),
         1, 4);
  EXPECT(run(*state,
             "%0 = const 1.0000000000000002 : f64\n%1 = const -1.0000000000000004 : f64\n"
             "%2 = fma %0, %0, %1 : f64\noutput \"y\" %2",
             NULL, 0),
         0x1p-104); // the square is not rounded
}

// ---- arrays that are moved

static void test_views(void **state) {
#define A "%0 = const [1, 2, 3, 4, 5, 6] : f64[2,3]\n"
  EXPECT(run(*state, A "%1 = reshape %0 : f64[3,2]\noutput \"y\" %1", NULL, 0), 1, 2, 3, 4, 5, 6);
  EXPECT(run(*state, A "%1 = transpose %0 order (1, 0) : f64[3,2]\noutput \"y\" %1", NULL, 0), 1, 4, 2, 5, 3, 6);
  EXPECT(run(*state, A "%1 = broadcast %0 order (0, -1, 1) : f64[2,2,3]\noutput \"y\" %1", NULL, 0), 1, 2, 3, 1, 2, 3, 4, 5, 6, 4, 5, 6);
  EXPECT(run(*state, A "%1 = slice %0 axis 1 from 2 to -1 step -2 : f64[2,2]\noutput \"y\" %1", NULL, 0), 3, 1, 6, 4);
  EXPECT(run(*state, A "%1 = slice %0 axis 0 from 1 to 2 step 1 : f64[1,3]\noutput \"y\" %1", NULL, 0), 4, 5, 6);
  EXPECT(run(*state, A "%1 = pad %0 axis 1 before 1 after 0 dilation 2 : f64[2,6]\noutput \"y\" %1", NULL, 0), 0, 1, 0, 2, 0, 3, 0, 4, 0, 5, 0, 6);
  EXPECT(run(*state, A "%1 = pad %0 axis 0 before 0 after 1 dilation 2 : f64[4,3]\noutput \"y\" %1", NULL, 0), 1, 2, 3, 0, 0, 0, 4, 5, 6, 0, 0, 0);
  EXPECT(run(*state, A "%1 = const [7, 8] : f64[2,1]\n%2 = concat %1, %0, %1 axis 1 : f64[2,5]\noutput \"y\" %2", NULL, 0), 7, 1, 2, 3, 7, 8, 4, 5, 6, 8);
  EXPECT(run(*state, "%0 = iota axis 1 : f64[2,3]\noutput \"y\" %0", NULL, 0), 0, 1, 2, 0, 1, 2);
  EXPECT(run(*state, "%0 = iota axis 0 : i32[2,3]\noutput \"y\" %0", NULL, 0), 0, 0, 0, 1, 1, 1);
}

static void test_reductions(void **state) {
  EXPECT(run(*state, A "%1 = sum %0 axes (0) : f64[3]\noutput \"y\" %1", NULL, 0), 5, 7, 9);
  EXPECT(run(*state, A "%1 = sum %0 axes (0, 1) : f64\noutput \"y\" %1", NULL, 0), 21);
  EXPECT(run(*state, A "%1 = amax %0 axes (1) : f64[2]\noutput \"y\" %1", NULL, 0), 3, 6);
  EXPECT(run(*state, "%0 = const [1, nan, 3] : f64[3]\n%1 = amax %0 axes (0) : f64\noutput \"y\" %1", NULL, 0), NAN);
  EXPECT(run(*state, "%0 = const [] : f64[0]\n%1 = amax %0 axes (0) : f64\noutput \"y\" %1", NULL, 0), -INFINITY);
  EXPECT(run(*state, "%0 = const [] : f64[2,0]\n%1 = sum %0 axes (1) : f64[2]\noutput \"y\" %1", NULL, 0), 0, 0);
  EXPECT(run(*state, "%0 = const [1, 5, 5, 9, 2, 9] : f64[2,3]\n%1 = argmax %0 axis 1 : i32[2]\noutput \"y\" %1", NULL, 0), 1, 0);
  EXPECT(run(*state, "%0 = const [1, 5, 5, 9, 2, 9] : f64[2,3]\n%1 = argmax %0 axis 0 : i32[3]\noutput \"y\" %1", NULL, 0), 1, 0, 1);
  EXPECT(run(*state, A "%1 = cumsum %0 axis 1 : f64[2,3]\noutput \"y\" %1", NULL, 0), 1, 3, 6, 4, 9, 15);
  EXPECT(run(*state, A "%1 = cumsum %0 axis 1 exclusive : f64[2,3]\noutput \"y\" %1", NULL, 0), 0, 1, 3, 0, 4, 9);
  EXPECT(run(*state, A "%1 = cumsum %0 axis 1 backwards : f64[2,3]\noutput \"y\" %1", NULL, 0), 6, 5, 3, 15, 11, 6);
  EXPECT(run(*state, A "%1 = cumsum %0 axis 0 backwards exclusive : f64[2,3]\noutput \"y\" %1", NULL, 0), 4, 5, 6, 0, 0, 0);
#undef A
}

static void test_events_and_pairs(void **state) {
  const IrArray x = {"x", 2 * EVENTS, (double[]){1, 2, 3, 4, 5, 6}};
#define X "%0 = input \"x\" : f64[e,2]\n"
  EXPECT(run(*state, X "%1 = sum %0 axes (0) : f64[2]\noutput \"y\" %1", &x, 1), 9, 12);
  EXPECT(run(*state, X "%1 = broadcast %0 order (-1, 0, 1) : f64[e,p,2]\n%2 = sum %1 axes (0) : f64[e,2]\noutput \"y\" %2", &x, 1), 3, 6, 9, 12, 15, 18);
  EXPECT(run(*state, X "%1 = broadcast %0 order (0, -1, 1) : f64[e,p,2]\n%2 = sum %1 axes (0) : f64[e,2]\noutput \"y\" %2", &x, 1), 9, 12, 9, 12, 9, 12);
  EXPECT(run(*state, X "%1 = einsum \"ei,fi->ef\" %0, %0 : f64[e,p]\noutput \"y\" %1", &x, 1), 5, 11, 17, 11, 25, 39, 17, 39, 61);
#undef X
}

static void test_gather(void **state) {
  const IrArray leaves[] = {{"k", EVENTS, (double[]){2, -5, 99}}, {"x", 2 * EVENTS, (double[]){1, 2, 3, 4, 5, 6}}};
#define K "%0 = input \"k\" : i32[e]\n%1 = input \"x\" : f64[e,2]\n%2 = const [1, 2, 3, 4, 5, 6] : f64[3,2]\n"
  EXPECT(run(*state, K "%3 = gather %2, %0 batch 0 axis 0 : f64[e,2]\noutput \"y\" %3", leaves, 2), 5, 6, 1, 2, 5, 6);
  EXPECT(run(*state, K "%3 = gather %1, %0 batch 1 axis 1 : f64[e]\noutput \"y\" %3", leaves, 2), 2, 3, 6);
  EXPECT(run(*state, K "%3 = const [1, 0, 1] : i32[3]\n%4 = gather %1, %3 batch 0 axis 1 : f64[e,3]\noutput \"y\" %4", leaves, 2), 2, 1, 2, 4, 3, 4, 6, 5, 6);
  EXPECT(run(*state, K "%3 = scatter_add %1, %0 batch 0 axis 0 size 3 : f64[3,2]\noutput \"y\" %3", leaves, 2), 3, 4, 0, 0, 6, 8);
#undef K
}

// ---- adjoints: <scatter_add(g), x> = <g, gather(x)> for every way of picking

static double wave(double start, int64_t i) { return 2 * sin(start + 1.7 * (double)i); }

static IrArray wave_leaf(Arena *arena, const IrType *t, const char *name, double start, bool whole) {
  int64_t n = ir_elements(t) * (ir_has_events(t) ? EVENTS : 1);
  double *data = ARENA_ARRAY(arena, double, n + 1);
  for (int64_t i = 0; i < n; i++) data[i] = whole ? floor(3 * wave(start, i)) : wave(start, i);
  return (IrArray){name, n, data};
}

static double inner_product(const IrArray *a, const IrArray *b) {
  double sum = 0;
  assert_int_equal(a->n, b->n);
  for (int64_t i = 0; i < a->n; i++) sum += a->data[i] * b->data[i];
  return sum;
}

static void check_adjoint(Arena *arena, const char *x_axes, const char *index_axes, int batch, int axis) {
  static const int64_t extents[128] = {['e'] = IR_EVENTS, ['n'] = 4, ['r'] = 3, ['s'] = 5, ['t'] = 2};
  IrType types[2] = {{.dtype = IR_F64}, {.dtype = IR_I32}};
  for (const char *c = x_axes; *c; c++) types[0].axes[types[0].rank++] = extents[(int)*c];
  for (const char *c = index_axes; *c; c++) types[1].axes[types[1].rank++] = extents[(int)*c];
  IrFn *fn = ir_fn_new(arena, "f");
  IrRef x = ir_leaf(fn, IR_INPUT, "x", types[0]), index = ir_leaf(fn, IR_INPUT, "index", types[1]);
  IrRef picked = ir_gather(fn, x, index, batch, axis);
  IrType t = *ir_type_of(fn, picked);
  IrRef g = ir_leaf(fn, IR_INPUT, "g", t);
  ir_output(fn, "picked", picked);
  ir_output(fn, "added", ir_scatter_add(fn, g, index, batch, axis, types[0].axes[axis]));
  assert_null(ir_verify(fn, arena));
  const IrArray leaves[] = {wave_leaf(arena, &types[0], "x", 0.3, false), wave_leaf(arena, &types[1], "index", 0.1, true),
                            wave_leaf(arena, &t, "g", 0.8, false)};
  IrArray outputs[2];
  const char *error = NULL;
  if (!ir_eval(fn, &(IrEnv){.events = EVENTS, .leaves = leaves, .n_leaves = 3}, arena, outputs, &error)) fail_msg("%s", error);
  double here = inner_product(&outputs[0], &leaves[2]), there = inner_product(&outputs[1], &leaves[0]);
  if (!(fabs(here - there) < 1e-12 && fabs(here) > 1e-3)) fail_msg("%s by %s: %g and %g", x_axes, index_axes, here, there);
}

static void test_gather_and_scatter_are_adjoint(void **state) {
  static const struct {
    const char *x, *index;
    int batch, axis;
  } ways[] = {{"n", "", 0, 0},    {"n", "e", 0, 0},    {"nr", "e", 0, 0},    {"nr", "es", 0, 0},  {"rn", "s", 0, 1},
              {"en", "e", 1, 1},  {"en", "es", 1, 1},  {"enr", "e", 1, 1},   {"enr", "es", 1, 1}, {"ern", "es", 1, 2},
              {"ern", "s", 0, 2}, {"ern", "er", 2, 2}, {"ernt", "er", 2, 2}, {"nr", "st", 0, 0},  {"rnt", "rs", 1, 1}};
  for (size_t i = 0; i < sizeof ways / sizeof *ways; i++) check_adjoint(*state, ways[i].x, ways[i].index, ways[i].batch, ways[i].axis);
}

// ---- einsum against loops over all letters

static int64_t extent_of(char letter) { return letter == 'e' || letter == 'f' ? EVENTS : 2 + letter % 3; }

static void letters_of(const char *spec, char letters[IR_MAX_RANK * 2]) {
  int n = 0;
  letters[0] = 0;
  for (const char *c = spec; *c && *c != '-'; c++) {
    if (*c != ',' && !strchr(letters, *c)) letters[n++] = *c, letters[n] = 0;
  }
}

static int64_t place(const char *axes, const char *letters, const int64_t *at) {
  int64_t p = 0;
  for (; *axes; axes++) p = p * extent_of(*axes) + at[strchr(letters, *axes) - letters];
  return p;
}

// A leaf for the operand `letters`; a pair [e,p] is no leaf and is made of [e,r] and a unit matrix.
static IrRef einsum_operand(IrFn *fn, const char *letters, const char *name, double start, IrArray *data) {
  IrType t = {.dtype = IR_F64};
  *data = (IrArray){name, 1, NULL};
  for (const char *c = letters; *c; c++) {
    bool events = *c == 'e' || *c == 'f';
    t.axes[t.rank] = !events ? extent_of(*c) : t.rank ? IR_PAIRS : IR_EVENTS;
    t.rank++;
    data->n *= extent_of(*c);
  }
  data->data = ARENA_ARRAY(fn->arena, double, data->n);
  for (int64_t i = 0; i < data->n; i++) data->data[i] = wave(start, i);
  if (ir_event_axes(&t) < 2) return ir_leaf(fn, IR_INPUT, name, t);
  IrType rows = ir_type(IR_F64, 2, (int64_t[]){IR_EVENTS, EVENTS});
  return ir_einsum(fn, "er,fr->ef", ir_leaf(fn, IR_INPUT, name, rows), ir_leaf(fn, IR_INPUT, "unit", rows));
}

static void einsum_by_loops(const char *spec, const IrEinsum *parsed, const IrArray *a, const IrArray *b, double *y) {
  char letters[IR_MAX_RANK * 2];
  letters_of(spec, letters);
  int64_t total = 1, at[IR_MAX_RANK * 2] = {0};
  for (const char *c = letters; *c; c++) total *= extent_of(*c);
  for (int64_t j = 0; j < total; j++) {
    int64_t rest = j;
    for (int i = 0; letters[i]; i++) at[i] = rest % extent_of(letters[i]), rest /= extent_of(letters[i]);
    y[place(parsed->letters[2], letters, at)] += a->data[place(parsed->letters[0], letters, at)] * b->data[place(parsed->letters[1], letters, at)];
  }
}

static void check_einsum(Arena *arena, const char *spec) {
  IrEinsum parsed;
  assert_true(ir_einsum_parse(spec, &parsed));
  IrFn *fn = ir_fn_new(arena, "f");
  IrArray leaves[3] = {[2] = {"unit", EVENTS * EVENTS, (double[]){1, 0, 0, 0, 1, 0, 0, 0, 1}}}, y;
  IrRef a = einsum_operand(fn, parsed.letters[0], "a", 0, &leaves[0]);
  IrRef b = einsum_operand(fn, parsed.letters[1], "b", 1, &leaves[1]);
  ir_output(fn, "y", ir_einsum(fn, spec, a, b));
  assert_null(ir_verify(fn, arena));
  const char *error = NULL;
  if (!ir_eval(fn, &(IrEnv){.events = EVENTS, .leaves = leaves, .n_leaves = 3}, arena, &y, &error)) fail_msg("%s", error);
  double *wanted = ARENA_ARRAY(arena, double, y.n + 1);
  einsum_by_loops(spec, &parsed, &leaves[0], &leaves[1], wanted);
  for (int64_t i = 0; i < y.n; i++) {
    if (!(fabs(y.data[i] - wanted[i]) < 1e-12)) fail_msg("%s: [%lld] is %g, not %g", spec, (long long)i, y.data[i], wanted[i]);
  }
}

static void test_einsums(void **state) {
  static const char *const specs[] = {"ei,io->eo", "eo,io->ei", "ei,eo->io", "ebi,io->ebo", "ebi,bio->ebo", "ebi,ebo->bio", "eij,ejk->eik", "ei,ei->e",
                                      "ei,ei->",   "e,e->",     "ij,jk->ki", "ij,kj->ik",   "i,j->ji",      "bij,bjk->ikb", ",->",          ",i->i",
                                      "ei,fi->ef", "ef,fi->ei", "ef,ei->fi", "ef,ef->e",    "ef,ef->",      "ei,jo->eo",    "ij,k->k",      "ei,fj->ef"};
  for (size_t i = 0; i < sizeof specs / sizeof *specs; i++) check_einsum(*state, specs[i]);
}

static void test_triangular_inverse(void **state) {
  static const double a[9] = {2, 99, 99, -1, 0.5, 99, 3, 0.25, -4}; // 99: must not be read
  for (int upper = 0; upper < 2; upper++) {
    double m[9];
    for (int i = 0; i < 9; i++) m[i] = upper ? a[i % 3 * 3 + i / 3] : a[i];
    IrFn *fn = ir_fn_new(*state, "f");
    ir_output(fn, "y", ir_tri_inverse(fn, ir_const(fn, ir_type(IR_F64, 2, (int64_t[]){3, 3}), m), upper));
    IrArray y;
    assert_true(ir_eval(fn, &(IrEnv){0}, *state, &y, NULL));
    for (int i = 0; i < 9; i++) {
      double sum = 0;
      for (int k = 0; k < 3; k++) {
        bool kept = upper ? k >= i / 3 : k <= i / 3;
        sum += (kept ? m[i / 3 * 3 + k] : 0) * y.data[k * 3 + i % 3];
      }
      assert_true(fabs(sum - (i / 3 == i % 3)) < 1e-15);
    }
  }
}

// ---- draws, leaves, rounding

static void test_draws(void **state) {
  IrArray *y = run(*state,
                   "%0 = draw normal \"s\" : f64[e,3]\n%1 = draw uniform \"u\" : f32[e]\n%2 = draw bits \"b\" : i32[e,2]\n"
                   "%3 = draw normal \"w\" : f32[5]\noutput \"a\" %0\noutput \"b\" %1\noutput \"c\" %2\noutput \"d\" %3",
                   NULL, 0);
  for (int k = 0; k < EVENTS; k++) {
    uint64_t event = (uint64_t)ids[k];
    for (uint64_t j = 0; j < 3; j++) assert_true(y[0].data[k * 3 + (int)j] == philox_normal(philox_key(42, "s"), event, 6, j));
    assert_true(y[1].data[k] == philox_uniform32(philox_key(42, "u"), event, 6, 0));
    for (uint64_t j = 0; j < 2; j++) assert_true(y[2].data[k * 2 + (int)j] == (double)(int32_t)philox_bits(philox_key(42, "b"), event, 6, j));
  }
  for (uint64_t j = 0; j < 5; j++) assert_true(y[3].data[j] == philox_normal32(philox_key(42, "w"), 0, 6, j));
}

static void test_bad_leaves(void **state) {
  const char *error = NULL;
  IrFn *fn = ir_read(*state, "fn f {\n%0 = input \"x\" : f64[e,2]\noutput \"y\" %0\n}", &error);
  IrArray y;
  assert_false(ir_eval(fn, &(IrEnv){.events = 4}, *state, &y, &error));
  assert_string_equal(error, "input \"x\" is missing");
  const IrArray short_one = {"x", 3, (double[]){1, 2, 3}};
  assert_false(ir_eval(fn, &(IrEnv){.events = 4, .leaves = &short_one, .n_leaves = 1}, *state, &y, &error));
  assert_string_equal(error, "input \"x\" has 3 numbers, f64[e,2] of 4 events has 8");
}

static void test_rounding(void **state) {
  const char *error = NULL;
  IrFn *fn = ir_read(*state,
                     "fn f {\n%0 = const 3 : f32\n%1 = const 1 : f32\n%2 = div %1, %0 : f32\n%3 = cast %2 : f64\n"
                     "%4 = const 3 : f64\n%5 = div %3, %4 : f64\noutput \"y\" %2\noutput \"z\" %5\n}",
                     &error);
  IrArray y[2];
  assert_true(ir_eval(fn, &(IrEnv){.round_f32 = true}, *state, y, &error));
  EXPECT(&y[0], (double)(1.0f / 3));
  EXPECT(&y[1], (double)(1.0f / 3) / 3);
  assert_true(ir_eval(fn, &(IrEnv){.f64_bits = 3}, *state, y, &error));
  EXPECT(&y[0], 1.0 / 3);
  EXPECT(&y[1], 0.109375); // 0.3125 / 3
  assert_true(ir_eval(fn, &(IrEnv){0}, *state, y, &error));
  EXPECT(&y[0], 1.0 / 3);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(test_unary, setup, teardown),
      cmocka_unit_test_setup_teardown(test_binary, setup, teardown),
      cmocka_unit_test_setup_teardown(test_select_and_fma, setup, teardown),
      cmocka_unit_test_setup_teardown(test_views, setup, teardown),
      cmocka_unit_test_setup_teardown(test_reductions, setup, teardown),
      cmocka_unit_test_setup_teardown(test_events_and_pairs, setup, teardown),
      cmocka_unit_test_setup_teardown(test_gather, setup, teardown),
      cmocka_unit_test_setup_teardown(test_gather_and_scatter_are_adjoint, setup, teardown),
      cmocka_unit_test_setup_teardown(test_einsums, setup, teardown),
      cmocka_unit_test_setup_teardown(test_triangular_inverse, setup, teardown),
      cmocka_unit_test_setup_teardown(test_draws, setup, teardown),
      cmocka_unit_test_setup_teardown(test_bad_leaves, setup, teardown),
      cmocka_unit_test_setup_teardown(test_rounding, setup, teardown),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
