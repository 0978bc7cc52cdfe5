// needs: tests/support compiler/ad compiler/ir runtime lang/base
// Every derivative rule of ops.def against central differences through the evaluator, first and second derivatives.
// The table drives: an op with a rule and without a case here fails.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <math.h>
#include <string.h>
#include <cmocka.h>

#include "compiler/ad/ad.h"
#include "tests/support/differences.h"
#include "tests/support/random_program.h"

enum { E = IR_EVENTS, P = IR_PAIRS };
#define AXES(...)                                                                                                                                              \
  (const int64_t[]) { __VA_ARGS__ }
#define ORDER(...)                                                                                                                                             \
  (const int8_t[]) { __VA_ARGS__ }

static const char *const adjoint_names[IR_OP_COUNT] = {
#define OP(ENUM, NAME, OPERANDS, CLASS, LOWER, SHAPE, ADJOINT, ...) [IR_##ENUM] = #ADJOINT,
#include "compiler/ir/ops.def"
#undef OP
};

static bool has_rule(IrOp op) {
  const char *name = adjoint_names[op];
  return strcmp(name, "none") != 0 && strcmp(name, "zero") != 0 && strcmp(name, "refused") != 0;
}

// ---- elementwise ops: all alike

// An operand of the op: real from its interval, a condition where a bool is wanted.
static IrRef operand(Differences *d, IrOp op, int k, int rank, const int64_t *axes) {
  const IrOpInfo *info = &ir_op_info[op];
  if (op == IR_SELECT && k == 0) {
    IrRef a = differences_leaf(d, rank, axes, -1, 1);
    return ir_binary(d->fn, IR_LT, a, ir_number(d->fn, IR_F64, 0.1));
  }
  return differences_leaf(d, rank, axes, info->low, info->high);
}

static IrRef apply(IrFn *fn, IrOp op, const IrRef *operands) {
  IrType single = ir_scalar(IR_F32);
  return ir_build(fn, op, operands, (uint32_t)ir_op_info[op].operands, NULL, op == IR_CAST ? &single : NULL);
}

static void check_element(IrOp op) {
  static const struct {
    int rank;
    int64_t axes[3];
  } shapes[] = {{0, {0}}, {1, {3}}, {2, {E, 2}}, {3, {2, 1, 2}}};
  int n = ir_op_info[op].operands;
  for (size_t s = 0; s < sizeof shapes / sizeof *shapes; s++) {
    Differences d = differences_begin(ir_op_info[op].name, s);
    IrRef operands[IR_MAX_OPERANDS];
    differences_leaf(&d, 1, AXES(2), -1, 1); // nobody reads it
    for (int k = 0; k < n; k++) operands[k] = operand(&d, op, k, shapes[s].rank, shapes[s].axes);
    differences_check(&d, apply(d.fn, op, operands));
  }
  for (int k = 0; n > 1 && k < n; k++) { // operand k stretched from [2] to [e,2]
    Differences d = differences_begin(ir_op_info[op].name, 10 + (uint64_t)k);
    IrRef operands[IR_MAX_OPERANDS];
    for (int j = 0; j < n; j++) operands[j] = operand(&d, op, j, j == k ? 1 : 2, j == k ? AXES(2) : AXES(E, 2));
    operands[k] = ir_broadcast_like(d.fn, operands[k], operands[k ? 0 : 1]);
    differences_check(&d, apply(d.fn, op, operands));
  }
  for (int k = 0; n > 1 && k < n; k++) { // one leaf for all operands but k; then for all
    bool all = k == n - 1;
    Differences d = differences_begin(ir_op_info[op].name, 20 + (uint64_t)k);
    IrRef operands[IR_MAX_OPERANDS], one = operand(&d, op, 1, 2, AXES(E, 2));
    for (int j = 0; j < n; j++) {
      bool own = (op == IR_SELECT && j == 0) || (!all && j == k);
      operands[j] = own ? operand(&d, op, j, 2, AXES(E, 2)) : one;
    }
    differences_check(&d, apply(d.fn, op, operands));
  }
}

// ---- the others: a case an op

typedef void Case(void);

static void begin_1(Differences *d, IrRef *x, const char *name, uint64_t seed, int rank, const int64_t *axes) {
  *d = differences_begin(name, seed);
  *x = differences_leaf(d, rank, axes, -2, 2);
}

static void case_reshape(void) {
  Differences d;
  IrRef x;
  begin_1(&d, &x, "reshape", 1, 3, AXES(E, 2, 3));
  differences_check(&d, ir_reshape(d.fn, x, 2, AXES(E, 6)));
  begin_1(&d, &x, "reshape", 2, 1, AXES(6));
  differences_check(&d, ir_reshape(d.fn, x, 3, AXES(1, 3, 2)));
}

static void case_transpose(void) {
  Differences d;
  IrRef x;
  begin_1(&d, &x, "transpose", 1, 3, AXES(2, 3, 4));
  differences_check(&d, ir_transpose(d.fn, x, ORDER(1, 2, 0)));
  begin_1(&d, &x, "transpose", 2, 3, AXES(E, 3, 2));
  differences_check(&d, ir_transpose(d.fn, x, ORDER(0, 2, 1)));
}

static void case_broadcast(void) {
  Differences d;
  IrRef x;
  begin_1(&d, &x, "broadcast", 1, 0, NULL);
  differences_check(&d, ir_broadcast(d.fn, x, 2, AXES(E, 3), ORDER(-1, -1)));
  begin_1(&d, &x, "broadcast", 2, 2, AXES(2, 3));
  differences_check(&d, ir_broadcast(d.fn, x, 4, AXES(E, 2, 4, 3), ORDER(-1, 0, -1, 1)));
  begin_1(&d, &x, "broadcast", 3, 2, AXES(E, 3));
  differences_check(&d, ir_broadcast(d.fn, x, 3, AXES(E, P, 3), ORDER(-1, 0, 1)));
  begin_1(&d, &x, "broadcast", 4, 2, AXES(E, 3));
  differences_check(&d, ir_broadcast(d.fn, x, 3, AXES(E, P, 3), ORDER(0, -1, 1)));
}

static void case_slice(void) {
  static const int64_t cuts[][3] = {{0, 7, 1}, {2, 5, 1}, {1, 7, 2}, {0, 6, 3}, {6, -1, -1}, {5, 0, -2}, {4, 4, 1}, {3, 4, 5}};
  for (size_t i = 0; i < sizeof cuts / sizeof *cuts; i++) {
    Differences d;
    IrRef x;
    begin_1(&d, &x, "slice", i, 2, AXES(E, 7));
    differences_check(&d, ir_slice(d.fn, x, 1, cuts[i][0], cuts[i][1], cuts[i][2]));
  }
  Differences d; // the same leaf cut twice
  IrRef x;
  begin_1(&d, &x, "slice", 20, 1, AXES(5));
  differences_check(&d, ir_binary(d.fn, IR_MUL, ir_slice(d.fn, x, 0, 0, 3, 1), ir_slice(d.fn, x, 0, 4, 1, -1)));
}

static void case_pad(void) {
  static const int64_t pads[][3] = {{0, 0, 1}, {2, 1, 1}, {0, 3, 2}, {1, 0, 3}};
  for (size_t i = 0; i < sizeof pads / sizeof *pads; i++) {
    Differences d;
    IrRef x;
    begin_1(&d, &x, "pad", i, 2, AXES(3, 2));
    differences_check(&d, ir_pad(d.fn, x, 0, pads[i][0], pads[i][1], pads[i][2]));
  }
}

static void case_concat(void) {
  Differences d = differences_begin("concat", 1);
  IrRef a = differences_leaf(&d, 2, AXES(E, 2), -2, 2), b = differences_leaf(&d, 2, AXES(E, 0), -2, 2);
  IrRef c = differences_leaf(&d, 2, AXES(E, 3), -2, 2);
  differences_check(&d, ir_concat(d.fn, (IrRef[]){a, b, c, a, c}, 5, 1));
}

static void case_windows(void) {
  static const int64_t cuts[][2] = {{1, 1}, {3, 1}, {3, 2}, {2, 3}, {7, 1}, {2, 2}};
  for (size_t i = 0; i < sizeof cuts / sizeof *cuts; i++) {
    Differences d;
    IrRef x;
    begin_1(&d, &x, "windows", i, 3, AXES(E, 7, 2));
    differences_check(&d, ir_windows(d.fn, x, 1, cuts[i][0], cuts[i][1]));
  }
  Differences d; // both axes of an image
  IrRef x;
  begin_1(&d, &x, "windows", 20, 3, AXES(4, 5, 2));
  differences_check(&d, ir_windows(d.fn, ir_windows(d.fn, x, 0, 2, 1), 2, 3, 2));
}

static void case_fold(void) {
  static const int64_t sums[][2] = {{5, 1}, {6, 1}, {9, 2}, {8, 2}, {13, 3}};
  for (size_t i = 0; i < sizeof sums / sizeof *sums; i++) {
    Differences d;
    IrRef x;
    begin_1(&d, &x, "fold", i, 4, AXES(E, 3, 3, 2));
    differences_check(&d, ir_fold(d.fn, x, 1, sums[i][0], sums[i][1]));
  }
}

// Index arrays: constants without events, a rounded leaf with (its derivative is none).
static IrRef index_of(Differences *d, int rank, const int64_t *axes, double high) {
  IrRef real = differences_leaf(d, rank, axes, -1.5, high);
  return ir_cast(d->fn, ir_unary(d->fn, IR_FLOOR, real), IR_I32); // from below 0 to above the last: clamped
}

static void case_gather(void) {
  Differences d = differences_begin("gather", 1);
  IrRef x = differences_leaf(&d, 3, AXES(E, 5, 2), -2, 2);
  differences_check(&d, ir_gather(d.fn, x, index_of(&d, 2, AXES(E, 3), 6), 1, 1));
  d = differences_begin("gather", 2);
  x = differences_leaf(&d, 2, AXES(4, 3), -2, 2);
  differences_check(&d, ir_gather(d.fn, x, index_of(&d, 1, AXES(E), 5), 0, 0));
  d = differences_begin("gather", 3);
  x = differences_leaf(&d, 3, AXES(E, 2, 4), -2, 2);
  differences_check(&d, ir_gather(d.fn, x, index_of(&d, 2, AXES(2, 2), 5), 0, 2));
  d = differences_begin("gather", 4);
  x = differences_leaf(&d, 1, AXES(4), -2, 2);
  differences_check(&d, ir_gather(d.fn, x, index_of(&d, 0, NULL, 5), 0, 0));
}

static void case_scatter_add(void) {
  Differences d = differences_begin("scatter_add", 1);
  IrRef g = differences_leaf(&d, 3, AXES(E, 3, 2), -2, 2);
  differences_check(&d, ir_scatter_add(d.fn, g, index_of(&d, 2, AXES(E, 3), 5), 1, 1, 4));
  d = differences_begin("scatter_add", 2);
  g = differences_leaf(&d, 2, AXES(E, 3), -2, 2);
  differences_check(&d, ir_scatter_add(d.fn, g, index_of(&d, 1, AXES(E), 5), 0, 0, 4));
}

static void each_axes(IrOp op) {
  for (uint32_t axes = 1; axes < 8; axes++) {
    Differences d;
    IrRef x;
    begin_1(&d, &x, ir_op_info[op].name, axes, 3, AXES(E, 3, 2));
    differences_check(&d, op == IR_SUM ? ir_sum(d.fn, x, axes) : ir_amax(d.fn, x, axes));
  }
}

static void case_sum(void) {
  each_axes(IR_SUM);
  Differences d; // pairs: the first event axis goes, the second stays
  IrRef x;
  begin_1(&d, &x, "sum", 9, 2, AXES(E, 3));
  IrRef pairs = ir_binary(d.fn, IR_MUL, ir_broadcast(d.fn, x, 3, AXES(E, P, 3), ORDER(0, -1, 1)),
                          ir_unary(d.fn, IR_SIN, ir_broadcast(d.fn, x, 3, AXES(E, P, 3), ORDER(-1, 0, 1))));
  differences_check(&d, ir_sum(d.fn, pairs, 1));
}

static void case_amax(void) { each_axes(IR_AMAX); }

static void case_cumsum(void) {
  for (int i = 0; i < 4; i++) {
    Differences d;
    IrRef x;
    begin_1(&d, &x, "cumsum", (uint64_t)i, 3, AXES(E, 4, 2));
    differences_check(&d, ir_cumsum(d.fn, x, 1 + i % 2, i & 1, i & 2));
  }
}

static void case_einsum(void) {
  static const struct {
    const char *spec;
    int ranks[2];
    int64_t axes[2][4];
  } all[] = {
      {"eb,bc->ec", {2, 2}, {{E, 3}, {3, 2}}},
      {"ea,eb->ab", {2, 2}, {{E, 2}, {E, 3}}},
      {"eij,ej->ei", {3, 2}, {{E, 2, 3}, {E, 3}}},
      {"ehqd,ehkd->ehqk", {4, 4}, {{E, 2, 3, 2}, {E, 2, 2, 2}}},
      {"ea,fa->ef", {2, 2}, {{E, 3}, {E, 3}}},
      {"ab,ab->", {2, 2}, {{2, 3}, {2, 3}}},
      {"a,b->ab", {1, 1}, {{2}, {3}}},
      {"eb,bc->ce", {2, 2}, {{3, 3}, {3, 2}}},
      {",a->a", {0, 1}, {{0}, {3}}},
  };
  for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
    Differences d = differences_begin("einsum", i);
    IrRef a = differences_leaf(&d, all[i].ranks[0], all[i].axes[0], -2, 2);
    IrRef b = differences_leaf(&d, all[i].ranks[1], all[i].axes[1], -2, 2);
    differences_check(&d, ir_einsum(d.fn, all[i].spec, a, b));
  }
  Differences d = differences_begin("einsum", 50); // one array twice
  IrRef x = differences_leaf(&d, 2, AXES(E, 3), -2, 2);
  differences_check(&d, ir_einsum(d.fn, "ei,ej->eij", x, x));
  d = differences_begin("einsum", 51); // letters of one operand alone
  x = differences_leaf(&d, 2, AXES(E, 3), -2, 2);
  differences_check(&d, ir_einsum(d.fn, "ei,ek->e", x, x));
}

static void case_tri_inverse(void) {
  for (int upper = 0; upper < 2; upper++) {
    Differences d = differences_begin("tri_inverse", (uint64_t)upper);
    differences_check(&d, ir_tri_inverse(d.fn, differences_leaf(&d, 2, AXES(4, 4), 0.5, 2), upper));
  }
}

static Case *const cases[IR_OP_COUNT] = {
    [IR_RESHAPE] = case_reshape,
    [IR_TRANSPOSE] = case_transpose,
    [IR_BROADCAST] = case_broadcast,
    [IR_SLICE] = case_slice,
    [IR_PAD] = case_pad,
    [IR_WINDOWS] = case_windows,
    [IR_FOLD] = case_fold,
    [IR_CONCAT] = case_concat,
    [IR_GATHER] = case_gather,
    [IR_SCATTER_ADD] = case_scatter_add,
    [IR_SUM] = case_sum,
    [IR_AMAX] = case_amax,
    [IR_CUMSUM] = case_cumsum,
    [IR_EINSUM] = case_einsum,
    [IR_TRI_INVERSE] = case_tri_inverse,
};

static void test_every_rule(void **state) {
  (void)state;
  for (int op = 0; op < IR_OP_COUNT; op++) {
    if (!has_rule((IrOp)op)) continue;
    if (ir_op_info[op].class == IRC_ELEMENT) check_element((IrOp)op);
    else if (cases[op]) cases[op]();
    else fail_msg("op '%s' has the derivative rule '%s' and no case here", ir_op_info[op].name, adjoint_names[op]);
  }
}

// ---- rules that look at constants

static void test_known_powers(void **state) {
  (void)state;
  static const double powers[] = {-2, -1, -0.5, 0, 0.5, 1, 2, 3, 2.5};
  for (size_t i = 0; i < sizeof powers / sizeof *powers; i++) {
    Differences d = differences_begin("pow", 100 + i);
    IrRef x = differences_leaf(&d, 2, AXES(E, 2), 0.3, 2);
    differences_check(&d, ir_binary(d.fn, IR_POW, x, ir_number(d.fn, IR_F64, powers[i])));
  }
  Differences d = differences_begin("pow", 200); // of a negative number, whole powers
  IrRef x = differences_leaf(&d, 1, AXES(4), -2, -0.3);
  differences_check(&d, ir_binary(d.fn, IR_POW, x, ir_number(d.fn, IR_F64, 3)));
}

static void test_extremum_against_a_number(void **state) {
  (void)state;
  for (int i = 0; i < 4; i++) {
    Differences d = differences_begin("max against a number", (uint64_t)i);
    IrRef x = differences_leaf(&d, 2, AXES(E, 4), -2, 2), c = ir_number(d.fn, IR_F64, 0.25);
    IrOp op = i < 2 ? IR_MAX : IR_MIN;
    differences_check(&d, i % 2 ? ir_binary(d.fn, op, x, c) : ir_binary(d.fn, op, c, x));
  }
}

static double value_of(IrFn *fn, IrRef r, const char *leaf, double x) {
  IrArray in = {leaf, 1, &x}, out[1];
  IrFn view = *fn;
  view.outputs.len = 0;
  view.outputs.cap = 0;
  ir_output(&view, "value", r);
  IrEnv env = {.events = 1, .leaves = &in, .n_leaves = 1};
  const char *error = "";
  if (!ir_eval(&view, &env, fn->arena, out, &error)) fail_msg("%s", error);
  return out[0].data[0];
}

static void test_ties(void **state) {
  Arena *arena = *state;
  IrFn *fn = ir_fn_new(arena, "ties");
  IrRef x = ir_leaf(fn, IR_PARAM, "x", ir_scalar(IR_F64)), g;
  IrRef same = ir_binary(fn, IR_MUL, x, ir_number(fn, IR_F64, 1)); // equal to x, and another value
  assert_true(ad_gradient(fn, ir_binary(fn, IR_MAX, x, ir_unary(fn, IR_STOP, same)), IR_NONE, &x, 1, &g, NULL));
  assert_float_equal(value_of(fn, g, "x", 0.7), 0.5, 0);
  assert_true(ad_gradient(fn, ir_binary(fn, IR_MIN, ir_unary(fn, IR_STOP, same), x), IR_NONE, &x, 1, &g, NULL));
  assert_float_equal(value_of(fn, g, "x", 0.7), 0.5, 0);
  IrRef pair[2] = {ir_reshape(fn, x, 1, AXES(1)), ir_reshape(fn, ir_unary(fn, IR_STOP, x), 1, AXES(1))};
  assert_true(ad_gradient(fn, ir_amax(fn, ir_concat(fn, pair, 2, 0), 1), IR_NONE, &x, 1, &g, NULL));
  assert_float_equal(value_of(fn, g, "x", 0.7), 0.5, 0);
}

static void test_poles_of_rules(void **state) {
  Arena *arena = *state;
  IrFn *fn = ir_fn_new(arena, "poles");
  IrRef x = ir_leaf(fn, IR_PARAM, "x", ir_scalar(IR_F64)), g;
  assert_true(ad_gradient(fn, ir_unary(fn, IR_I1E, x), IR_NONE, &x, 1, &g, NULL));
  assert_float_equal(value_of(fn, g, "x", 0), 0.5, 0);
  assert_true(ad_gradient(fn, ir_binary(fn, IR_POW, ir_number(fn, IR_F64, 0), x), IR_NONE, &x, 1, &g, NULL));
  assert_float_equal(value_of(fn, g, "x", 2), 0, 0);
}

// ---- what the walk leaves out

static void test_no_derivative(void **state) {
  Arena *arena = *state;
  for (int op = 0; op < IR_OP_COUNT; op++) {
    if (strcmp(adjoint_names[op], "zero") != 0) continue;
    IrFn *fn = ir_fn_new(arena, "zero");
    IrRef x = ir_leaf(fn, IR_PARAM, "x", ir_scalar(IR_F64)), g, by = IR_NONE;
    IrRef stopped = ir_unary(fn, (IrOp)op, x), y = ir_unary(fn, IR_EXP, stopped);
    size_t before = fn->values.len;
    assert_true(ad_gradient(fn, y, IR_NONE, &x, 1, &g, NULL));
    assert_int_equal(g, IR_NONE);
    assert_int_equal(fn->values.len, before);
    assert_int_equal(ad_path(fn, y, x, &by), AD_BLOCKED);
    assert_int_equal(by, stopped);
    assert_int_equal(ad_path(fn, ir_binary(fn, IR_ADD, y, x), x, &by), AD_SMOOTH);
    assert_int_equal(ad_path(fn, x, y, &by), AD_INDEPENDENT);
  }
}

static void test_refused(void **state) {
  IrFn *fn = ir_fn_new(*state, "refused");
  IrRef x = ir_leaf(fn, IR_PARAM, "x", ir_scalar(IR_F64)), g, refused = IR_NONE;
  IrRef t = ir_unary(fn, IR_TRIGAMMA, x), y = ir_binary(fn, IR_MUL, t, x);
  assert_false(ad_gradient(fn, y, IR_NONE, &x, 1, &g, &refused));
  assert_int_equal(refused, t);
  IrRef stopped = ir_binary(fn, IR_MUL, ir_unary(fn, IR_STOP, t), x);
  assert_true(ad_gradient(fn, stopped, IR_NONE, &x, 1, &g, &refused));
}

static void test_intermediate_values(void **state) {
  IrFn *fn = ir_fn_new(*state, "intermediate");
  IrRef x = ir_leaf(fn, IR_PARAM, "x", ir_scalar(IR_F64));
  IrRef z = ir_unary(fn, IR_EXP, x), y = ir_binary(fn, IR_MUL, z, x);
  IrRef wrt[3] = {z, x, y}, g[3];
  assert_true(ad_gradient(fn, y, IR_NONE, wrt, 3, g, NULL));
  assert_float_equal(value_of(fn, g[0], "x", 0.5), 0.5, 1e-15);
  assert_float_equal(value_of(fn, g[1], "x", 0.5), exp(0.5) * 1.5, 1e-15);
  assert_float_equal(value_of(fn, g[2], "x", 0.5), 1, 0);
}

static size_t count(const IrFn *fn, IrOp op, size_t from) {
  size_t n = 0;
  for (size_t i = from; i < fn->values.len; i++) n += fn->values.at[i].op == op;
  return n;
}

// relu: one comparison, one select, and no product with ones.
static void test_relu_is_one_select(void **state) {
  IrFn *fn = ir_fn_new(*state, "relu");
  IrRef x = ir_leaf(fn, IR_INPUT, "x", ir_type(IR_F32, 2, AXES(E, 3))), g;
  IrRef y = ir_sum(fn, ir_binary(fn, IR_MAX, x, ir_number(fn, IR_F32, 0)), 3);
  size_t before = fn->values.len;
  assert_true(ad_gradient(fn, y, IR_NONE, &x, 1, &g, NULL));
  assert_int_equal(count(fn, IR_SELECT, before), 1);
  assert_int_equal(count(fn, IR_LT, before), 1);
  assert_int_equal(count(fn, IR_MUL, before), 0);
}

// A net written twice on the same input: one way back through it, not two.
static void test_equal_values_share_an_adjoint(void **state) {
  IrFn *fn = ir_fn_new(*state, "twice");
  IrRef w = ir_leaf(fn, IR_PARAM, "w", ir_scalar(IR_F64)), net[2], g;
  for (int k = 0; k < 2; k++) net[k] = ir_unary(fn, IR_TANH, ir_unary(fn, IR_EXP, ir_binary(fn, IR_MUL, ir_number(fn, IR_F64, 2), w)));
  IrRef y = ir_binary(fn, IR_ADD, net[0], ir_unary(fn, IR_SIN, net[1]));
  size_t before = fn->values.len;
  assert_true(ad_gradient(fn, y, IR_NONE, &w, 1, &g, NULL));
  assert_int_equal(count(fn, IR_COS, before), 1);
  assert_int_equal(count(fn, IR_ADD, before), 1);
  const double e = exp(0.6), t = tanh(e);
  assert_true(fabs(value_of(fn, g, "w", 0.3) - ((1 + cos(t)) * (1 - t * t) * e * 2)) < 1e-15);
  // A value that is asked for is itself alone: what is computed like it elsewhere is no way from it.
  assert_true(ad_gradient(fn, y, IR_NONE, &net[0], 1, &g, NULL));
  assert_float_equal(value_of(fn, g, "w", 0.3), 1, 0);
  assert_true(ad_gradient(fn, y, IR_NONE, &net[1], 1, &g, NULL));
  assert_true(fabs(value_of(fn, g, "w", 0.3) - (cos(t))) < 1e-15);
}

// The work grows as the function does: a chain and a value with very many users.
static void test_size_is_linear(void **state) {
  for (size_t n = 1000; n <= 16000; n *= 16) {
    IrFn *fn = ir_fn_new(*state, "long");
    IrRef x = ir_leaf(fn, IR_PARAM, "x", ir_scalar(IR_F64)), y = x, g;
    for (size_t i = 0; i < n; i++) y = ir_binary(fn, IR_ADD, ir_unary(fn, IR_TANH, y), x);
    size_t before = fn->values.len;
    assert_true(ad_gradient(fn, y, IR_NONE, &x, 1, &g, NULL));
    assert_true(fn->values.len - before <= 8 * n);
  }
}

// ---- random programs: slopes along a random direction in the space of all leaves

typedef struct Program {
  Arena *arena;
  IrFn *fn;
  IrEnv env;
  IrRef wrt[64];
  IrArray *varied[64], direction[64];
  uint32_t n;
} Program;

static double evaluate(Program *p, IrRef r) {
  IrFn only = differences_only(p->fn, r);
  Arena *scratch = arena_create();
  IrArray out[1];
  const char *error = "";
  if (!ir_eval(&only, &p->env, scratch, out, &error)) fail_msg("%s", error);
  double x = out[0].data[0];
  arena_destroy(scratch);
  return x;
}

static void walk(Program *p, double step) {
  for (uint32_t k = 0; k < p->n; k++) {
    for (int64_t i = 0; i < p->varied[k]->n; i++) p->varied[k]->data[i] += step * p->direction[k].data[i];
  }
}

static double slope(Program *p, IrRef r, double h) {
  static const double steps[] = {-2, 1, 2, 1}; // from 0 to -2, -1, 1, 2
  double f[4];
  for (int i = 0; i < 4; i++) {
    walk(p, steps[i] * h);
    f[i] = evaluate(p, r);
  }
  walk(p, -2 * h);
  return (f[0] - 8 * f[1] + 8 * f[2] - f[3]) / (12 * h);
}

// A scalar: sum over the leaves of gradient times factor; factors are constants.
static IrRef along(Program *p, const IrRef *gradient, uint64_t *random, bool use_direction) {
  IrRef sum = ir_number(p->fn, IR_F64, 0);
  for (uint32_t k = 0; k < p->n; k++) {
    if (gradient[k] == IR_NONE) continue;
    IrRef factor = ir_leaf(p->fn, IR_INPUT, p->direction[k].name, *ir_type_of(p->fn, p->wrt[k]));
    if (!use_direction) factor = ir_fill(p->fn, *ir_type_of(p->fn, p->wrt[k]), random_between(random, 0.5, 1.5));
    IrRef product = ir_binary(p->fn, IR_MUL, gradient[k], factor);
    sum = ir_binary(p->fn, IR_ADD, sum, ir_sum(p->fn, product, (1u << ir_type_of(p->fn, product)->rank) - 1));
  }
  return sum;
}

static void begin_program(Program *p, uint64_t seed, uint64_t *random) {
  RandomOptions options = {.ops = 25, .smooth = true};
  *p = (Program){.arena = arena_create(), .env = {.events = 4, .seed = 5}};
  p->fn = random_program(p->arena, seed, IR_F64, &options);
  random_leaves(p->arena, p->fn, seed, &p->env);
  size_t n = p->env.n_leaves;
  IrArray *leaves = ARENA_ARRAY(p->arena, IrArray, n + 64);
  for (size_t i = 0; i < n; i++) leaves[i] = p->env.leaves[i];
  for (IrRef r = 0; r < p->fn->values.len && p->n < 64; r++) {
    const IrValue *v = ir_at(p->fn, r);
    if ((v->op != IR_INPUT && v->op != IR_PARAM && v->op != IR_STATE) || v->type.dtype != IR_F64) continue;
    for (size_t i = 0; i < n; i++) {
      if (strcmp(leaves[i].name, v->attr.name) == 0) p->varied[p->n] = &leaves[i];
    }
    IrArray *d = &p->direction[p->n];
    *d = (IrArray){arena_printf(p->arena, "direction %u", p->n), p->varied[p->n]->n, NULL};
    d->data = ARENA_ARRAY(p->arena, double, d->n + 1);
    for (int64_t i = 0; i < d->n; i++) d->data[i] = random_between(random, -1, 1);
    p->wrt[p->n++] = r;
  }
  for (uint32_t k = 0; k < p->n; k++) leaves[n + k] = p->direction[k];
  p->env.leaves = leaves;
  p->env.n_leaves = n + p->n;
}

static void expect_slope(Program *p, IrRef y, IrRef derivative, uint64_t seed, const char *order) {
  double expected = slope(p, y, 1e-3), fine = slope(p, y, 2e-4), found = evaluate(p, derivative);
  if (fabs(expected - fine) > 1e-5 * fmax(1, fabs(fine))) return; // too curved for differences
  if (fabs(found - fine) > 1e-6 * fmax(1, fabs(fine)) && fabs(found - expected) > 1e-6 * fmax(1, fabs(fine)))
    fail_msg("program %llu, %s derivative: %.12g, differences %.12g and %.12g\n%s", (unsigned long long)seed, order, found, expected, fine,
             ir_text(p->arena, p->fn));
}

static void test_random_programs(void **state) {
  (void)state;
  int second = 0;
  for (uint64_t seed = 0; seed < 60; seed++) {
    Program p;
    uint64_t random = seed + 77;
    begin_program(&p, seed, &random);
    IrRef loss = IR_NONE, first[64], twice[64], refused;
    for (size_t i = 0; i < p.fn->outputs.len; i++) {
      if (strcmp(p.fn->outputs.at[i].name, "loss") == 0) loss = p.fn->outputs.at[i].value;
    }
    assert_true(ad_gradient(p.fn, loss, IR_NONE, p.wrt, p.n, first, &refused));
    expect_slope(&p, loss, along(&p, first, &random, true), seed, "first");
    IrRef projected = along(&p, first, &random, false);
    if (ad_gradient(p.fn, projected, IR_NONE, p.wrt, p.n, twice, &refused)) {
      expect_slope(&p, projected, along(&p, twice, &random, true), seed, "second");
      second++;
    }
    arena_destroy(p.arena);
  }
  assert_true(second > 20);
}

static int setup(void **state) { return *state = arena_create(), 0; }
static int teardown(void **state) { return arena_destroy(*state), 0; }

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_every_rule),
      cmocka_unit_test(test_known_powers),
      cmocka_unit_test(test_extremum_against_a_number),
      cmocka_unit_test(test_random_programs),
      cmocka_unit_test_setup_teardown(test_ties, setup, teardown),
      cmocka_unit_test_setup_teardown(test_poles_of_rules, setup, teardown),
      cmocka_unit_test_setup_teardown(test_no_derivative, setup, teardown),
      cmocka_unit_test_setup_teardown(test_refused, setup, teardown),
      cmocka_unit_test_setup_teardown(test_intermediate_values, setup, teardown),
      cmocka_unit_test_setup_teardown(test_relu_is_one_select, setup, teardown),
      cmocka_unit_test_setup_teardown(test_equal_values_share_an_adjoint, setup, teardown),
      cmocka_unit_test_setup_teardown(test_size_is_linear, setup, teardown),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
