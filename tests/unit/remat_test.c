// needs: compiler/codegen compiler/ad tests/support compiler/ir runtime lang/base
// Steps that are differentiated through: what a step has computed for each event is kept for a small batch and computed again for a
// large one, with the same bits; then only numbers without events grow with the steps.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "compiler/ad/ad.h"
#include "tests/support/checked.h"
#include "tests/support/random_program.h"

enum { SIZE = 24 };

static IrRef judge(IrFn *fn, IrRef x, IrRef w) { return ir_unary(fn, IR_TANH, ir_einsum(fn, "ei,io->eo", x, w)); }

static IrRef mean_square(IrFn *fn, IrRef x) {
  return ir_sum(fn, ir_cast(fn, ir_binary(fn, IR_MUL, ir_binary(fn, IR_MUL, x, x), ir_number(fn, ir_type_of(fn, x)->dtype, 0.01)), IR_F64), 3);
}

// The weights u of tanh(tanh(a + x w) u) move by `steps` steps of SGD on its mean square, which are differentiated by w and x.
static IrFn *unrolled(Arena *arena, IrDtype real, int steps) {
  IrFn *fn = ir_fn_new(arena, "unrolled");
  IrRef x = ir_leaf(fn, IR_INPUT, "x", ir_type(real, 2, (int64_t[]){IR_EVENTS, SIZE})), refused, g[2];
  IrType square = ir_type(real, 2, (int64_t[]){SIZE, SIZE});
  IrRef w = ir_leaf(fn, IR_PARAM, "w", square), u = ir_leaf(fn, IR_PARAM, "u", square);
  IrRef fake = judge(fn, x, w);
  for (int k = 0; k < steps; k++) {
    assert_true(ad_gradient(fn, mean_square(fn, judge(fn, fake, u)), IR_NONE, &u, 1, g, &refused));
    u = ir_binary(fn, IR_SUB, u, ir_binary(fn, IR_MUL, g[0], ir_number(fn, real, 0.1)));
  }
  IrRef loss = mean_square(fn, judge(fn, fake, u));
  assert_true(ad_gradient(fn, loss, IR_NONE, (IrRef[]){w, x}, 2, g, &refused));
  ir_output(fn, "loss", loss);
  ir_output(fn, "g w", g[0]);
  ir_output(fn, "g x", g[1]);
  return fn;
}

static HgmProgram *compiled(const IrFn *fn, uint64_t batch) {
  CodegenOptions options = codegen_defaults();
  options.batch = batch;
  return codegen_compile(fn, &options, NULL, NULL);
}

static uint64_t kept_bytes(int steps, uint64_t batch) {
  Arena *arena = arena_create();
  HgmProgram *program = compiled(unrolled(arena, IR_F32, steps), batch);
  uint64_t bytes = program->batch_bytes_per_tile;
  codegen_free(program);
  arena_destroy(arena);
  return bytes;
}

static void a_large_batch_keeps_no_activations(void **state) {
  (void)state;
  uint64_t four = kept_bytes(4, CHECKED_LARGE_BATCH); // what the generator made and the adjoint of it, on its way through the steps
  assert_true(four > 0);
  assert_int_equal(kept_bytes(9, CHECKED_LARGE_BATCH), four);
  assert_true(kept_bytes(9, 512) > 2 * four);
}

static void computed_again_has_the_same_bits(void **state) {
  (void)state;
  for (int f32 = 0; f32 < 2; f32++) {
    Arena *arena = arena_create();
    const IrFn *fn = unrolled(arena, f32 ? IR_F32 : IR_F64, 3);
    HgmProgram *few = compiled(fn, 512), *many = compiled(fn, CHECKED_LARGE_BATCH);
    IrEnv env = {.events = CHECKED_MOST_EVENTS, .seed = 5};
    random_leaves(arena, fn, 7, &env);
    checked_same_bits(few, checked_execute(arena, few, &env, 1), checked_execute(arena, many, &env, 2), env.events, UINT32_MAX, "unrolled",
                      "kept and computed again");
    codegen_free(few);
    codegen_free(many);
    arena_destroy(arena);
  }
}

static void unrolled_steps_are_right(void **state) {
  (void)state;
  for (uint64_t seed = 3; seed < 5; seed++) // 3: computed again
    for (int f32 = 0; f32 < 2; f32++) {
      Arena *arena = arena_create();
      checked_check(unrolled(arena, f32 ? IR_F32 : IR_F64, 3), seed, f32, "unrolled");
      arena_destroy(arena);
    }
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(a_large_batch_keeps_no_activations), cmocka_unit_test(computed_again_has_the_same_bits),
                                     cmocka_unit_test(unrolled_steps_are_right)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
