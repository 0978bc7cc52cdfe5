// needs: compiler/codegen compiler/ad tests/support compiler/ir runtime lang/base
// Many equal steps, as those of an ODE solver: their code does not grow with their number, forward and with derivatives, and
// kernels that share code and partial sums compute what the evaluator says.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "compiler/ad/ad.h"
#include "tests/support/checked.h"

// x + h tanh([x, t] w) with its own t: a step of Euler's method with a network of one layer.
static IrRef step(IrFn *fn, IrRef x, IrRef w, double t, double h) {
  IrType time = *ir_type_of(fn, x);
  time.axes[1] = 1;
  IrRef both = ir_concat(fn, (IrRef[]){x, ir_fill(fn, time, t)}, 2, 1);
  IrRef v = ir_unary(fn, IR_TANH, ir_einsum(fn, "ei,io->eo", both, w));
  return ir_binary(fn, IR_ADD, x, ir_binary(fn, IR_MUL, v, ir_fill(fn, *ir_type_of(fn, v), h)));
}

// Through n steps and back, with one network's weights in all of them and a scale that each step uses beside.
static IrFn *solver(Arena *arena, IrDtype real, int n, bool derivatives) {
  enum { SIZE = 6 };
  IrFn *fn = ir_fn_new(arena, "solver");
  IrRef x = ir_leaf(fn, IR_INPUT, "x", ir_type(real, 2, (int64_t[]){IR_EVENTS, SIZE}));
  IrRef w = ir_leaf(fn, IR_PARAM, "w", ir_type(real, 2, (int64_t[]){SIZE + 1, SIZE})), s = ir_leaf(fn, IR_PARAM, "s", ir_type(real, 1, (int64_t[]){SIZE}));
  IrRef y = x, scale = ir_broadcast_like(fn, ir_unary(fn, IR_COS, s), x);
  for (int k = 0; k < n; k++) y = ir_binary(fn, IR_MUL, step(fn, y, w, (k + 0.5) / n, 0.7 / n), scale);
  ir_output(fn, "y", y);
  if (!derivatives) return fn;
  IrRef loss = ir_sum(fn, ir_cast(fn, ir_binary(fn, IR_MUL, y, y), IR_F64), 3), g[3], refused;
  assert_true(ad_gradient(fn, loss, IR_NONE, (IrRef[]){x, w, s}, 3, g, &refused));
  ir_output(fn, "loss", loss);
  ir_output(fn, "g x", g[0]);
  ir_output(fn, "g w", g[1]);
  ir_output(fn, "g s", g[2]);
  return fn;
}

static CodegenStats size_of(int steps, bool derivatives, uint64_t *partial_bytes) {
  Arena *arena = arena_create();
  CodegenOptions options = codegen_defaults();
  CodegenStats stats;
  HgmProgram *program = codegen_compile(solver(arena, IR_F32, steps, derivatives), &options, NULL, &stats);
  *partial_bytes = program->partial_bytes;
  codegen_free(program);
  arena_destroy(arena);
  return stats;
}

static void code_does_not_grow_with_steps(void **state) {
  (void)state;
  for (int derivatives = 0; derivatives < 2; derivatives++) {
    uint64_t few_bytes, many_bytes;
    CodegenStats few = size_of(24, derivatives, &few_bytes), many = size_of(96, derivatives, &many_bytes);
    assert_true(many.commands > 3 * few.commands);
    // backwards, how values are shared between kernels repeats every few steps: 96 need not end where 24 do
    uint32_t more = derivatives ? 8 : UINT32_MAX;
    assert_true(many.kernels <= few.kernels + few.kernels / more);
    assert_true(many.instructions <= few.instructions + few.instructions / more);
    assert_int_equal(many_bytes, few_bytes);
  }
}

static void steps_are_right(void **state) {
  (void)state;
  static const int steps[] = {1, 2, 3, 5, 12};
  for (int i = 0; i < 5; i++)
    for (int f32 = 0; f32 < 2; f32++) {
      Arena *arena = arena_create();
      checked_check(solver(arena, f32 ? IR_F32 : IR_F64, steps[i], true), 2 + (uint64_t)i % 2, f32, arena_printf(arena, "%d steps", steps[i]));
      arena_destroy(arena);
    }
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(code_does_not_grow_with_steps), cmocka_unit_test(steps_are_right)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
