// needs: compiler/ir runtime lang/base
// The builder and the laws: what types ops give, and one text for each law that must be refused, with its message.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "compiler/ir/ir.h"

static int setup(void **state) { return *state = arena_create(), 0; }
static int teardown(void **state) { return arena_destroy(*state), 0; }

#define AXES(...)                                                                                                                                              \
  (const int64_t[]) { __VA_ARGS__ }
#define ORDER(...)                                                                                                                                             \
  (const int8_t[]) { __VA_ARGS__ }
enum { E = IR_EVENTS, P = IR_PAIRS };

static IrRef input(IrFn *fn, const char *name, IrDtype dtype, int rank, const int64_t *axes) { return ir_leaf(fn, IR_INPUT, name, ir_type(dtype, rank, axes)); }

static void expect_type(const IrFn *fn, IrRef r, const char *text) { assert_string_equal(ir_type_text(fn->arena, ir_type_of(fn, r)), text); }

// ---- what the builder gives

static void test_scalars_are_broadcast(void **state) {
  IrFn *fn = ir_fn_new(*state, "f");
  IrRef x = input(fn, "x", IR_F32, 2, AXES(E, 3)), two = ir_number(fn, IR_F32, 2);
  IrRef y = ir_binary(fn, IR_MUL, two, x);
  expect_type(fn, y, "f32[e,3]");
  assert_int_equal(ir_at(fn, ir_at(fn, y)->operands[0])->op, IR_BROADCAST);
  assert_int_equal(ir_at(fn, y)->operands[1], x);
  expect_type(fn, ir_binary(fn, IR_LT, x, two), "bool[e,3]");
  IrRef c = ir_binary(fn, IR_LT, two, two);
  expect_type(fn, c, "bool");
  expect_type(fn, ir_select(fn, c, x, two), "f32[e,3]");
  expect_type(fn, ir_fma(fn, two, two, two), "f32");
  expect_type(fn, ir_fill(fn, ir_type(IR_F64, 2, AXES(E, 4)), 1), "f64[e,4]");
  assert_null(ir_verify(fn, *state));
}

static void test_leaves_are_shared_by_name(void **state) {
  IrFn *fn = ir_fn_new(*state, "f");
  IrRef x = input(fn, "x", IR_F32, 1, AXES(E));
  assert_int_equal(input(fn, "x", IR_F32, 1, AXES(E)), x);
  assert_int_not_equal(input(fn, "y", IR_F32, 1, AXES(E)), x);
  assert_int_equal(ir_cast(fn, x, IR_F32), x);
  assert_int_equal(ir_sum(fn, x, 0), x);
  assert_int_equal(ir_broadcast_like(fn, x, x), x);
}

static void test_shapes_of_views(void **state) {
  IrFn *fn = ir_fn_new(*state, "f");
  IrRef x = input(fn, "x", IR_F32, 3, AXES(E, 4, 6));
  expect_type(fn, ir_reshape(fn, x, 2, AXES(E, 24)), "f32[e,24]");
  expect_type(fn, ir_transpose(fn, x, ORDER(0, 2, 1)), "f32[e,6,4]");
  expect_type(fn, ir_broadcast(fn, x, 4, AXES(E, 4, 9, 6), ORDER(0, 1, -1, 2)), "f32[e,4,9,6]");
  expect_type(fn, ir_broadcast(fn, x, 4, AXES(E, P, 4, 6), ORDER(-1, 0, 1, 2)), "f32[e,p,4,6]");
  expect_type(fn, ir_slice(fn, x, 2, 1, 6, 2), "f32[e,4,3]");
  expect_type(fn, ir_slice(fn, x, 2, 0, 6, 4), "f32[e,4,2]");
  expect_type(fn, ir_slice(fn, x, 2, 5, -1, -1), "f32[e,4,6]");
  expect_type(fn, ir_slice(fn, x, 2, 5, 0, -2), "f32[e,4,3]");
  expect_type(fn, ir_slice(fn, x, 2, 3, 3, 1), "f32[e,4,0]");
  expect_type(fn, ir_pad(fn, x, 1, 1, 2, 3), "f32[e,13,6]");
  expect_type(fn, ir_concat(fn, (IrRef[]){x, x, x}, 3, 1), "f32[e,12,6]");
  IrRef table = ir_leaf(fn, IR_PARAM, "t", ir_type(IR_F32, 2, AXES(10, 5)));
  IrRef row = input(fn, "row", IR_I32, 2, AXES(E, 7)), one = input(fn, "one", IR_I32, 1, AXES(E));
  expect_type(fn, ir_gather(fn, table, row, 0, 0), "f32[e,7,5]");
  expect_type(fn, ir_gather(fn, x, row, 1, 2), "f32[e,4,7]");
  expect_type(fn, ir_gather(fn, x, one, 1, 1), "f32[e,6]");
  expect_type(fn, ir_scatter_add(fn, x, one, 1, 1, 9), "f32[e,9,4,6]");
  IrRef g = input(fn, "g", IR_F32, 3, AXES(E, 7, 5));
  expect_type(fn, ir_scatter_add(fn, g, row, 0, 0, 10), "f32[10,5]");
  assert_null(ir_verify(fn, *state));
}

static void test_shapes_of_reductions(void **state) {
  IrFn *fn = ir_fn_new(*state, "f");
  IrRef x = input(fn, "x", IR_F32, 3, AXES(E, 4, 6));
  IrRef pairs = ir_broadcast(fn, x, 4, AXES(E, P, 4, 6), ORDER(0, -1, 1, 2));
  expect_type(fn, ir_sum(fn, x, 1), "f32[4,6]");
  expect_type(fn, ir_sum(fn, x, 7), "f32");
  expect_type(fn, ir_sum(fn, pairs, 1), "f32[e,4,6]");
  expect_type(fn, ir_sum(fn, pairs, 2), "f32[e,4,6]");
  expect_type(fn, ir_amax(fn, pairs, 3), "f32[4,6]");
  expect_type(fn, ir_argmax(fn, x, 1), "i32[e,6]");
  expect_type(fn, ir_cumsum(fn, x, 2, true, false), "f32[e,4,6]");
}

static void test_shapes_of_einsums(void **state) {
  IrFn *fn = ir_fn_new(*state, "f");
  IrRef x = input(fn, "x", IR_F32, 2, AXES(E, 3)), g = input(fn, "g", IR_F32, 2, AXES(E, 5));
  IrRef w = ir_leaf(fn, IR_PARAM, "w", ir_type(IR_F32, 2, AXES(3, 5)));
  expect_type(fn, ir_einsum(fn, "ei,io->eo", x, w), "f32[e,5]");
  expect_type(fn, ir_einsum(fn, "eo,io->ei", g, w), "f32[e,3]");
  expect_type(fn, ir_einsum(fn, "ei,eo->io", x, g), "f32[3,5]");
  IrRef gram = ir_einsum(fn, "ei,fi->ef", x, x);
  expect_type(fn, gram, "f32[e,p]");
  expect_type(fn, ir_einsum(fn, "ef,fi->ei", gram, x), "f32[e,3]");
  expect_type(fn, ir_einsum(fn, "ef,ei->fi", gram, x), "f32[e,3]");
  IrRef lone = ir_einsum(fn, "ei,io->e", x, w); // o is summed in w first
  expect_type(fn, lone, "f32[e]");
  assert_string_equal(ir_at(fn, lone)->attr.name, "ei,i->e");
  assert_int_equal(ir_at(fn, ir_at(fn, lone)->operands[1])->op, IR_SUM);
  expect_type(fn, ir_einsum(fn, "ei,io->", x, w), "f32");
  assert_null(ir_verify(fn, *state));
}

static void test_attributes_are_normal(void **state) {
  IrFn *fn = ir_fn_new(*state, "f");
  IrType t = ir_type(IR_F32, 1, AXES(2));
  double data[2] = {0.1, 1};
  IrRef c = ir_const(fn, t, data);
  data[1] = 7;
  assert_true(ir_at(fn, c)->attr.data[0] == (double)0.1f && ir_at(fn, c)->attr.data[1] == 1);
  IrRef s = ir_build(fn, IR_SUM, &c, 1, &(IrAttr){.axes = 1, .axis = 3, .from = 9, .name = "x"}, NULL);
  assert_true(ir_at(fn, s)->attr.axis == 0 && ir_at(fn, s)->attr.from == 0 && !ir_at(fn, s)->attr.name);
  assert_null(ir_verify(fn, *state));
}

// ---- what the verifier refuses in values that no builder made

static IrFn *broken_base(Arena *arena, IrRef *sum) {
  IrFn *fn = ir_fn_new(arena, "f");
  IrRef x = input(fn, "x", IR_F32, 2, AXES(E, 3));
  ir_output(fn, "y", *sum = ir_sum(fn, x, 2));
  return fn;
}

static void expect_broken(const IrFn *fn, const char *message) {
  const char *problem = ir_verify(fn, fn->arena);
  assert_non_null(problem);
  if (!strstr(problem, message)) fail_msg("expected \"%s\", got \"%s\"", message, problem);
}

static void test_broken_values(void **state) {
  IrRef sum;
  IrFn *fn = broken_base(*state, &sum);
  assert_null(ir_verify(fn, *state));
  fn->values.at[sum].type.dtype = IR_F64;
  expect_broken(fn, "%1 = sum %0 axes (1) : f64[e]: the type is f32[e] by the rule");
  fn = broken_base(*state, &sum);
  fn->values.at[sum].operands = (const IrRef[]){1};
  expect_broken(fn, "operand %1 of %1 is no earlier value");
  fn = broken_base(*state, &sum);
  fn->values.at[sum].n_operands = 0;
  expect_broken(fn, "0 operands, it takes 1");
  fn = broken_base(*state, &sum);
  fn->values.at[sum].attr.axis = 2;
  expect_broken(fn, "an attribute is set that the op does not have");
  fn = broken_base(*state, &sum);
  fn->outputs.at[0].value = 9;
  expect_broken(fn, "output \"y\": no value %9");
  fn = broken_base(*state, &sum);
  fn->values.at[sum].op = IR_OP_COUNT;
  expect_broken(fn, "%1 has no op");
  fn = broken_base(*state, &sum);
  fn->values.at[0].type.rank = 9;
  expect_broken(fn, "%0 has no type");
  fn = broken_base(*state, &sum);
  IrRef c = ir_number(fn, IR_F32, 0.5);
  ((double *)(uintptr_t)ir_at(fn, c)->attr.data)[0] = 0.1;
  expect_broken(fn, "a number of the constant is no f32");
}

// ---- laws that a text can break

typedef struct Law {
  const char *values, *message; // values on the line behind x : f32[e,3], w : f32[3,5], k : i32[e], b : bool[e,3]
} Law;

static const Law laws[] = {
    {"%4 = input \"x\" : f32[e]", "has this name already"},
    {"%4 = param \"x\" : f32[2]", "has this name already"},
    {"%4 = input \"\" : f32[e]", "a leaf without a name"},
    {"%4 = param \"v\" : f32[e]", "only an input has an event axis"},
    {"%4 = state \"v\" : f32[e,3]", "only an input has an event axis"},
    {"%4 = counter \"v\" : f32[2]", "a counter is one number"},
    {"%4 = input \"v\" : f32[e,p]", "an input has one event axis"},
    {"%4 = input \"v\" : f32[3,e]", "the event axis is axis 1, it must be axis 0"},
    {"%4 = input \"v\" : f32[p]", "an axis of pairs stands right behind the event axis"},
    {"%4 = input \"v\" : f32[1000000,1000000,1000000]", "too large"},
    {"%4 = const [1, 2] : f32[3]", "2 numbers for f32[3]"},
    {"%4 = const 1 : f32[e]", "a constant has no event axis"},
    {"%4 = const 2 : bool", "2 is no bool"},
    {"%4 = const 2.5 : i32", "2.5 is no i32"},
    {"%4 = const 3000000000 : i32", "3e+09 is no i32"},
    {"%4 = const nan : i32", "nan is no i32"},
    {"%4 = iota axis 1 : i32[3]", "i32[3] has no axis 1"},
    {"%4 = iota axis 0 : i32[e]", "an iota has no event axis"},
    {"%4 = iota axis 0 : bool[2]", "an iota is i32 or real"},
    {"%4 = draw bits \"s\" : f32[e]", "bits are i32"},
    {"%4 = draw normal \"s\" : i32[e]", "uniform and normal are real"},
    {"%4 = draw normal \"s\" : f32[e,p]", "a draw has one event axis"},
    {"%4 = draw normal \"\" : f32[e]", "a draw without a site"},
    {"%4 = draw normal \"s\" : f32[e]\n%5 = draw normal \"s\" : f32[e,2]", "draws at this site another kind or type"},
    {"%4 = draw normal \"s\" : f32[e]\n%5 = draw uniform \"s\" : f32[e]", "draws at this site another kind or type"},
    {"%4 = add %0, %1 : f32[e,3]", "f32[e,3] and f32[3,5] differ"},
    {"%4 = cast %0 : f64[e,3]\n%5 = add %0, %4 : f32[e,3]", "f32[e,3] and f64[e,3] differ"},
    {"%4 = add %0 : f32[e,3]", "1 operands, it takes 2"},
    {"%4 = neg %0, %0 : f32[e,3]", "2 operands, it takes 1"},
    {"%4 = neg %4 : f32[e,3]", "operand 0 is no earlier value"},
    {"%4 = exp %2 : i32[e]", "i32[e]: for real numbers only"},
    {"%4 = neg %3 : bool[e,3]", "bool[e,3]: not for bool"},
    {"%4 = lt %3, %3 : bool[e,3]", "bool[e,3]: not for bool"},
    {"%4 = and %0, %0 : f32[e,3]", "f32[e,3]: for bool only"},
    {"%4 = neg %0 : f32[e,4]", "the text says f32[e,4], the operands say f32[e,3]"},
    {"%4 = select %0, %0, %0 : f32[e,3]", "the condition is f32[e,3], it must be bool"},
    {"%4 = select %3, %0, %1 : f32[e,3]", "f32[e,3] and f32[3,5] differ"},
    {"%4 = select %3, %1, %1 : f32[3,5]", "the condition is bool[e,3], the branches are f32[3,5]"},
    {"%4 = cast %0 : f64[e,4]", "the text says f64[e,4]"},
    {"%4 = reshape %0 : f32[e,4]", "f32[e,3] has 3 elements, f32[e,4] has 4"},
    {"%4 = reshape %0 : f32[3]", "event axes stay"},
    {"%4 = transpose %0 order (1, 0) : f32[3,e]", "the event axis is axis 1"},
    {"%4 = transpose %1 order (0, 0) : f32[3,5]", "no permutation"},
    {"%4 = transpose %1 order (0, -1) : f32[3,5]", "no permutation"},
    {"%4 = transpose %1 order (1) : f32[5,3]", "an order of 1 axes"},
    {"%4 = broadcast %1 order (1, 0) : f32[5,3]", "one after the other"},
    {"%4 = broadcast %1 order (0, -1) : f32[3,5]", "leaves out axis 1"},
    {"%4 = broadcast %1 order (0, -1, 1) : f32[3,2,4]", "axis 1 of f32[3,5] to axis 2 of f32[3,2,4]"},
    {"%4 = broadcast %1 order (0, 1, -1) : f32[3,5,e]", "the event axis is axis 2"},
    {"%4 = slice %0 axis 0 from 0 to 1 step 1 : f32[1,3]", "axis 0 is an event axis"},
    {"%4 = slice %0 axis 2 from 0 to 1 step 1 : f32[e,3]", "has no axis 2"},
    {"%4 = slice %0 axis 1 from 0 to 4 step 1 : f32[e,4]", "from 0 to 4 step 1"},
    {"%4 = slice %0 axis 1 from 0 to 2 step 0 : f32[e,2]", "step 0"},
    {"%4 = slice %0 axis 1 from 3 to -1 step -1 : f32[e,3]", "from 3 to -1 step -1"},
    {"%4 = pad %0 axis 0 before 1 after 0 dilation 1 : f32[e,3]", "axis 0 is an event axis"},
    {"%4 = pad %0 axis 1 before -1 after 0 dilation 1 : f32[e,2]", "before -1"},
    {"%4 = pad %0 axis 1 before 0 after 0 dilation 0 : f32[e,3]", "dilation 0"},
    {"%4 = concat axis 0 : f32[3]", "no operands"},
    {"%4 = concat %0, %0 axis 0 : f32[e,3]", "axis 0 is an event axis"},
    {"%4 = concat %0, %1 axis 1 : f32[e,8]", "f32[e,3] and f32[3,5] do not join along axis 1"},
    {"%4 = gather %1, %0 batch 0 axis 0 : f32[e,3,5]", "the index is f32[e,3], it must be i32"},
    {"%4 = gather %1, %2 batch 0 axis 1 : f32[3,e]", "the event axis is axis 1"},
    {"%4 = gather %0, %2 batch 0 axis 0 : f32[e,3]", "has nothing to gather from"},
    {"%4 = gather %1, %2 batch 1 axis 1 : f32[3]", "differ in batch axis 0"},
    {"%4 = gather %0, %2 batch 1 axis 0 : f32[e]", "batch 1 axis 0"},
    {"%4 = gather %0, %2 batch 1 axis 2 : f32[e]", "batch 1 axis 2"},
    {"%4 = gather %0, %2 batch 2 axis 2 : f32[e]", "batch 2 axis 2"},
    {"%4 = scatter_add %0, %2 batch 0 axis 1 size 4 : f32[e,4]", "differ in axis 0 of the index"},
    {"%4 = scatter_add %0, %2 batch 0 axis 0 size 0 : f32[0,3]", "size 0"},
    {"%4 = scatter_add %3, %2 batch 0 axis 0 size 2 : bool[2,3]", "not for bool"},
    {"%4 = sum %0 axes () : f32[e,3]", "no axis is given"},
    {"%4 = sum %0 axes (2) : f32[e,3]", "lacks an axis of the mask 0x4"},
    {"%4 = sum %3 axes (1) : bool[e]", "not for bool"},
    {"%4 = amax %3 axes (1) : bool[e]", "not for bool"},
    {"%4 = argmax %0 axis 0 : i32[3]", "axis 0 is an event axis"},
    {"%4 = input \"z\" : f32[e,0]\n%5 = argmax %4 axis 1 : i32[e]", "axis 1 is empty"},
    {"%4 = cumsum %0 axis 0 : f32[e,3]", "axis 0 is an event axis"},
    {"%4 = cumsum %0 axis 2 : f32[e,3]", "has no axis 2"},
    {"%4 = einsum \"ei,io\" %0, %1 : f32[e,5]", "\"ei,io\" is no spec"},
    {"%4 = einsum \"ei,io->eo\" %0, %2 : f32[e,5]", "f32[e,3] and i32[e]: operands are of one real type"},
    {"%4 = einsum \"e,io->eo\" %0, %1 : f32[e,5]", "\"e\" in \"e,io->eo\" is an array f32[e,3]"},
    {"%4 = einsum \"ei,oi->eo\" %0, %1 : f32[e,3]", "letter i of \"ei,oi->eo\" has two extents: f32[e,3] and f32[3,5]"},
    {"%4 = einsum \"ei,io->e\" %0, %1 : f32[e]", "letter o of \"ei,io->e\" stands neither"},
    {"%4 = einsum \"ei,io->eoz\" %0, %1 : f32[e,5]", "letter z of the result"},
    {"%4 = einsum \"ei,io->eoo\" %0, %1 : f32[e,5,5]", "letter o stands twice"},
    {"%4 = einsum \"ee,eo->eo\" %1, %1 : f32[3,5]", "letter e stands twice"},
    {"%4 = einsum \"ei,io->oe\" %0, %1 : f32[5,e]", "the event axis is axis 1"},
    {"%4 = tri_inverse %1 lower : f32[3,5]", "f32[3,5] is no square matrix"},
    {"output \"a\" %0\noutput \"a\" %1", "output \"a\" stands twice"},
    {"output \"a\" %4", "output \"a\": no value %4"},
};

static void test_laws(void **state) {
  for (size_t i = 0; i < sizeof laws / sizeof *laws; i++) {
    const char *text = arena_printf(*state,
                                    "fn f {\n%%0 = input \"x\" : f32[e,3]\n%%1 = param \"w\" : f32[3,5]\n"
                                    "%%2 = input \"k\" : i32[e]\n%%3 = input \"b\" : bool[e,3]\n%s\n}\n",
                                    laws[i].values);
    const char *error = NULL;
    if (ir_read(*state, text, &error)) fail_msg("accepted: %s", laws[i].values);
    if (!strstr(error, laws[i].message)) fail_msg("%s\n  expected \"%s\"\n  got \"%s\"", laws[i].values, laws[i].message, error);
    if (strncmp(error, "line 6", 6) != 0 && strncmp(error, "line 7", 6) != 0) fail_msg("%s: which line? %s", laws[i].values, error);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(test_scalars_are_broadcast, setup, teardown),
      cmocka_unit_test_setup_teardown(test_leaves_are_shared_by_name, setup, teardown),
      cmocka_unit_test_setup_teardown(test_shapes_of_views, setup, teardown),
      cmocka_unit_test_setup_teardown(test_shapes_of_reductions, setup, teardown),
      cmocka_unit_test_setup_teardown(test_shapes_of_einsums, setup, teardown),
      cmocka_unit_test_setup_teardown(test_attributes_are_normal, setup, teardown),
      cmocka_unit_test_setup_teardown(test_broken_values, setup, teardown),
      cmocka_unit_test_setup_teardown(test_laws, setup, teardown),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
