// needs: lang compiler/codegen compiler/ad compiler/opt compiler/ir lang/base runtime
// Steps that store new weights over the old: the same bits as steps with arrays of their own, and nothing moved where the caller
// does not agree. Code that was made quickly, and goes over to code that was made with care: the same bits too.
#include "compiler/codegen/codegen.h"
#include "compiler/opt/opt.h"
#include "runtime/philox.h"
#include "tests/support/model.h"

enum { EVENTS = 300, STEPS = 4, MOST = 64 };

// Products with weights in both orders, clipping by the norm of all gradients, and averages, which read new weights.
static const char MODEL[] = "data d { x = \"x{0,1,2}\"; y = \"y\" }\n"
                            "net f(x: real[3]) -> (v: real) {\n  learn a: real[3, 40] = 0.1\n  learn b: real[40] = 0.3\n  learn c: real[40] = -0.2\n"
                            "  h = relu(x @ a + b)\n  v = sum(h * c)\n}\n"
                            "train { update f { minimize (f(x) - y)^2; with adam(1e-2), clip(0.5), ema(0.9) }; batch 300; steps 9 }\n";

typedef struct Step {
  Loaded model;
  HgmProgram *program;
  HgmWork *work;
  HgmPool *pool;
  void *leaves[MOST], *outputs[MOST];
} Step;

static size_t bytes_of(const HgmPort *p) { return (p->dtype == HGM_F64 ? 8 : 4) * (size_t)(p->elements * (p->per_event ? EVENTS : 1)); }

static void set_number(const HgmPort *p, void *array, int64_t i, double x) {
  if (p->dtype == HGM_F64) ((double *)array)[i] = x;
  else ((float *)array)[i] = (float)x;
}

// Weights begin between 0 and 1, and so do data and states, which are squares somewhere.
static void begin(Step *s) {
  for (uint32_t i = 0; i < s->program->n_leaves; i++) {
    const HgmPort *p = &s->program->leaves[i];
    int64_t n = p->elements * (p->per_event ? EVENTS : 1);
    s->leaves[i] = arena_alloc(s->model.arena, bytes_of(p) + 64);
    for (int64_t k = 0; k < n; k++)
      set_number(p, s->leaves[i], k, strcmp(p->name, "batch_size") == 0 ? EVENTS : philox_uniform(philox_key(3, p->name), (uint64_t)k, 0, 0));
  }
}

static HgmProgram *compile_step(Step *s, bool in_place, bool quick) {
  CodegenOptions options = codegen_defaults();
  options.in_place = in_place;
  options.quick = quick;
  return codegen_compile(opt_run(s->model.arena, s->model.model->phases.at[0]->updates.at[0].step, NULL, NULL), &options, NULL, NULL);
}

static Step open_step(bool in_place, bool quick, int threads) {
  Step s = {.model = load_as(MODEL, IR_F32), .pool = hgm_pool_create(threads)};
  HgmError error = {0};
  s.program = compile_step(&s, in_place, quick);
  s.work = hgm_work_create(s.program, threads, EVENTS, NULL, &error);
  if (!s.work || !s.pool) fail_msg("%s", error.text);
  assert_true(s.program->n_leaves <= MOST && s.program->n_outputs <= MOST);
  begin(&s);
  for (uint32_t i = 0; i < s.program->n_outputs; i++) {
    const HgmPort *p = &s.program->outputs[i];
    if (p->in_place == 0) s.outputs[i] = arena_alloc(s.model.arena, bytes_of(p) + 64);
  }
  return s;
}

static void close_step(Step *s) {
  hgm_work_destroy(s->work);
  codegen_free(s->program);
  hgm_pool_destroy(s->pool);
  leave(&s->model);
}

static void *leaf(const Step *s, const char *name) {
  int i = hgm_port_find(s->program->leaves, s->program->n_leaves, name);
  if (i < 0) fail_msg("no leaf %s", name);
  return s->leaves[i];
}

static void run_step(Step *s, bool (*proceed)(void *), void *context) {
  HgmError error = {0};
  HgmCall call = {.leaves = (const void *const *)s->leaves, .outputs = s->outputs, .events = EVENTS, .seed = 1, .proceed = proceed, .context = context};
  if (!hgm_execute(s->program, s->work, s->pool, &call, &error)) fail_msg("%s", error.text);
}

// What has an array of its own is copied to where it is read from.
static void commit(Step *s) {
  for (uint32_t i = 0; i < s->program->n_outputs; i++) {
    const HgmPort *p = &s->program->outputs[i];
    if (strncmp(p->name, "set:", 4) == 0 && p->in_place == 0) memcpy(leaf(s, p->name + 4), s->outputs[i], bytes_of(p));
  }
}

static uint32_t in_place(const HgmProgram *p) {
  uint32_t n = 0;
  for (uint32_t i = 0; i < p->n_outputs; i++) n += p->outputs[i].in_place > 0;
  return n;
}

static void assert_same_leaves(const Step *a, const Step *b) {
  for (uint32_t i = 0; i < a->program->n_leaves; i++) {
    const HgmPort *p = &a->program->leaves[i];
    if (memcmp(a->leaves[i], leaf(b, p->name), bytes_of(p)) != 0) fail_msg("%s differs", p->name);
  }
}

static void steps_have_the_same_bits(void **state) {
  (void)state;
  for (int threads = 1; threads <= 2; threads++) {
    Step plain = open_step(false, false, threads), over = open_step(true, false, threads);
    assert_int_equal(in_place(plain.program), 0);
    assert_true(in_place(over.program) >= 9); // three weights, and two states of Adam of each
    for (int k = 0; k < STEPS; k++) {
      run_step(&plain, NULL, NULL), commit(&plain);
      run_step(&over, NULL, NULL), commit(&over);
      assert_same_leaves(&plain, &over);
    }
    close_step(&plain), close_step(&over);
  }
}

typedef struct Seen {
  const Step *step;
  double loss;
  bool answer;
} Seen;

static bool look(void *context) {
  Seen *seen = context;
  const HgmProgram *p = seen->step->program;
  int i = hgm_port_find(p->outputs, p->n_outputs, "loss");
  const void *loss = seen->step->outputs[i];
  seen->loss = p->outputs[i].dtype == HGM_F64 ? *(const double *)loss : (double)*(const float *)loss;
  return seen->answer;
}

static void nothing_moves_unless_the_caller_agrees(void **state) {
  (void)state;
  Step before = open_step(true, false, 1), s = open_step(true, false, 1);
  Seen seen = {.step = &s};
  run_step(&s, look, &seen);
  assert_true(seen.loss > 0); // is there when it is asked for
  assert_same_leaves(&before, &s);
  double refused = seen.loss;
  seen.answer = true;
  run_step(&s, look, &seen);
  assert_true(seen.loss == refused);
  assert_memory_not_equal(leaf(&before, "f.b"), leaf(&s, "f.b"), 40 * sizeof(float));
  close_step(&before), close_step(&s);
}

static void partial_sums_take_less(void **state) {
  (void)state;
  Step plain = open_step(false, false, 1), over = open_step(true, false, 1);
  assert_true(over.program->once_bytes < plain.program->once_bytes);
  assert_true(over.program->partial_bytes == plain.program->partial_bytes);
  close_step(&plain), close_step(&over);
}

static void quick_code_gives_way_to_better(void **state) {
  (void)state;
  Step plain = open_step(true, false, 2), quick = open_step(true, true, 2);
  HgmProgram *other = compile_step(&quick, false, false), *better = compile_step(&quick, true, false);
  for (int k = 0; k < STEPS; k++) {
    if (k == STEPS / 2) {
      assert_false(hgm_work_change(quick.work, other)); // stores elsewhere
      assert_true(hgm_work_change(quick.work, better));
      codegen_free(quick.program);
      quick.program = better;
    }
    run_step(&plain, NULL, NULL), commit(&plain);
    run_step(&quick, NULL, NULL), commit(&quick);
    assert_same_leaves(&plain, &quick);
  }
  codegen_free(other);
  close_step(&plain), close_step(&quick);
}

// A new number that depends on others of its array, or of one that is replaced too, is made of the old ones.
static void what_others_read_stays(void **state) {
  (void)state;
  enum { N = 40 };
  Arena *arena = arena_create();
  IrFn *fn = ir_fn_new(arena, "step");
  IrType array = {.dtype = IR_F32, .rank = 1, .axes = {N}};
  IrRef rate = ir_cast(fn, ir_leaf(fn, IR_COUNTER, "rate", ir_scalar(IR_F64)), IR_F32);
  const char *const names[] = {"alone", "first", "crossed", "read"};
  IrRef old[4], moved[4];
  for (int i = 0; i < 4; i++) old[i] = ir_leaf(fn, IR_STATE, names[i], array);
  for (int i = 0; i < 4; i++) moved[i] = ir_binary(fn, IR_MUL, old[i], rate);
  IrRef first = ir_reshape(fn, ir_slice(fn, old[1], 0, 0, 1, 1), 0, NULL);
  moved[1] = ir_binary(fn, IR_MUL, moved[1], ir_broadcast(fn, first, 1, (int64_t[]){N}, (int8_t[]){-1}));
  moved[2] = ir_binary(fn, IR_ADD, moved[2], ir_slice(fn, ir_concat(fn, (IrRef[]){old[3], old[2]}, 2, 0), 0, N - 1, 2 * N - 1, 1));
  for (int i = 0; i < 4; i++) ir_output(fn, arena_printf(arena, "set:%s", names[i]), moved[i]);
  CodegenOptions options = codegen_defaults();
  options.in_place = true;
  HgmProgram *p = codegen_compile(fn, &options, NULL, NULL);
  HgmError error = {0};
  HgmWork *work = hgm_work_create(p, 1, 1, NULL, &error);
  float numbers[4][N], results[4][N];
  double two = 2;
  const void *leaves[5];
  void *outputs[4];
  for (int i = 0; i < 4; i++)
    for (int k = 0; k < N; k++) numbers[i][k] = (float)(3 + i + k);
  for (uint32_t i = 0; i < p->n_leaves; i++) {
    leaves[i] = &two;
    for (int k = 0; k < 4; k++)
      if (strcmp(p->leaves[i].name, names[k]) == 0) leaves[i] = numbers[k];
  }
  for (int i = 0; i < 4; i++) outputs[i] = results[i];
  assert_true(p->outputs[0].in_place > 0);
  assert_int_equal(p->outputs[1].in_place, 0);
  if (!hgm_execute(p, work, NULL, &(HgmCall){.leaves = leaves, .outputs = outputs, .events = 1}, &error)) fail_msg("%s", error.text);
  for (int i = 0; i < 4; i++) {
    const float *found = p->outputs[i].in_place > 0 ? numbers[i] : results[i];
    for (int k = 0; k < N; k++) {
      float x = (float)(3 + i + k), expected = 2 * x;
      if (i == 1) expected *= 4;
      if (i == 2) expected += k == 0 ? (float)(3 + 3 + N - 1) : x - 1;
      if (found[k] != expected) fail_msg("%s[%d] is %g, not %g", names[i], k, (double)found[k], (double)expected);
    }
  }
  hgm_work_destroy(work);
  codegen_free(p);
  arena_destroy(arena);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(steps_have_the_same_bits), cmocka_unit_test(nothing_moves_unless_the_caller_agrees),
                                     cmocka_unit_test(partial_sums_take_less), cmocka_unit_test(what_others_read_stays),
                                     cmocka_unit_test(quick_code_gives_way_to_better)};
  return cmocka_run_group_tests_name("in_place", tests, NULL, NULL);
}
