// needs: lang compiler/codegen compiler/ad compiler/opt compiler/ir lang/base runtime
// Programs that share a shelf: kernels that they have in common are made once, and every program gives the bits that it gives alone.
#include <pthread.h>

#include "compiler/codegen/codegen.h"
#include "compiler/opt/opt.h"
#include "runtime/buffer.h"
#include "runtime/philox.h"
#include "tests/support/model.h"

enum { EVENTS = 100, MOST = 64, UPDATES = 2 };

static const char GAME[] = "data d { x = \"x{0,1,2}\" }\n"
                           "net paint(z: real[4]) -> d.x = z |> dense(24) |> relu |> dense(24) |> tanh |> dense(3)\n"
                           "net judge(x: d.x) -> real = x |> dense(24) |> relu |> dense(24) |> tanh |> dense(1)\n"
                           "train {\n"
                           "  update judge { z ~ normal[4]; minimize d_gan(judge(x), judge(paint(z))); with adam(1e-3) }\n"
                           "  update paint { z ~ normal[4]; minimize g_gan(judge(paint(z))); with adam(1e-3) }\n"
                           "  batch 100; steps 9\n}\n";

typedef struct Compiled {
  const IrFn *fn;
  CodegenOptions options;
  CodegenStats stats;
  HgmProgram *program;
} Compiled;

static Compiled update(const Loaded *game, int i, CodeShelf *shelf) {
  Compiled c = {.fn = opt_run(game->arena, game->model->phases.at[0]->updates.at[i].step, NULL, NULL), .options = codegen_defaults()};
  c.options.shelf = shelf;
  return c;
}

static void *compile(void *data) {
  Compiled *c = data;
  c->program = codegen_compile(c->fn, &c->options, NULL, &c->stats);
  return NULL;
}

static size_t numbers_of(const HgmPort *p) { return (size_t)p->elements * (p->per_event ? EVENTS : 1); }

// All outputs of one call on random leaves, as bytes.
static HgmBuffer outputs_of(const Compiled *c) {
  Arena *arena = arena_create();
  HgmPool *pool = hgm_pool_create(1);
  HgmError error = {0};
  const HgmProgram *p = c->program;
  HgmWork *work = hgm_work_create(p, 1, EVENTS, NULL, &error);
  void *leaves[MOST], *outputs[MOST];
  HgmBuffer bytes = {0};
  assert_true(work != NULL && p->n_leaves <= MOST && p->n_outputs <= MOST);
  for (uint32_t i = 0; i < p->n_leaves; i++) {
    uint64_t key = philox_key(3, p->leaves[i].name);
    leaves[i] = arena_alloc(arena, 8 * numbers_of(&p->leaves[i]) + 64);
    for (size_t k = 0; k < numbers_of(&p->leaves[i]); k++) {
      double x = strcmp(p->leaves[i].name, "batch_size") == 0 ? EVENTS : philox_uniform(key, k, 0, 0);
      if (p->leaves[i].dtype == HGM_F64) ((double *)leaves[i])[k] = x;
      else ((float *)leaves[i])[k] = (float)x;
    }
  }
  for (uint32_t i = 0; i < p->n_outputs; i++) outputs[i] = arena_alloc(arena, 8 * numbers_of(&p->outputs[i]) + 64);
  HgmCall call = {.leaves = (const void *const *)leaves, .outputs = outputs, .events = EVENTS, .seed = 1};
  if (!hgm_execute(p, work, pool, &call, &error)) fail_msg("%s", error.text);
  for (uint32_t i = 0; i < p->n_outputs; i++) hgm_buffer_put(&bytes, outputs[i], (p->outputs[i].dtype == HGM_F64 ? 8 : 4) * numbers_of(&p->outputs[i]), 1);
  hgm_work_destroy(work);
  hgm_pool_destroy(pool);
  arena_destroy(arena);
  return bytes;
}

static void same_alone(const Loaded *game, int i, const Compiled *shared) {
  Compiled alone = update(game, i, NULL);
  compile(&alone);
  HgmBuffer a = outputs_of(&alone), b = outputs_of(shared);
  assert_true(a.size > 0 && a.size == b.size && !a.failed && !b.failed);
  assert_memory_equal(a.bytes, b.bytes, a.size);
  assert_int_equal(alone.program->n_kernels, shared->program->n_kernels);
  assert_true(shared->stats.kernels <= alone.stats.kernels);
  free(a.bytes);
  free(b.bytes);
  codegen_free(alone.program);
}

// All updates of the game with one shelf, each in a thread of its own or one behind the other.
static void compile_all(const Loaded *game, Compiled *all, bool at_once) {
  CodeShelf *shelf = codegen_shelf_create();
  pthread_t threads[UPDATES];
  for (int i = 0; i < UPDATES; i++) {
    all[i] = update(game, i, shelf);
    assert_int_equal(pthread_create(&threads[i], NULL, compile, &all[i]), 0);
    if (!at_once) pthread_join(threads[i], NULL);
  }
  for (int i = 0; at_once && i < UPDATES; i++) pthread_join(threads[i], NULL);
  codegen_shelf_release(shelf); // programs need nothing of it
}

static void same_as_alone(const Loaded *game, Compiled *all) {
  for (int i = 0; i < UPDATES; i++) {
    same_alone(game, i, &all[i]);
    codegen_free(all[i].program);
  }
}

static void one_behind_the_other(void **state) {
  (void)state;
  Loaded game = load_as(GAME, IR_F32);
  Compiled all[UPDATES];
  compile_all(&game, all, false);
  assert_int_equal(all[0].stats.kernels, all[0].program->n_kernels);
  assert_in_range(all[1].stats.kernels, 1, all[1].program->n_kernels - 5);
  same_as_alone(&game, all);
  leave(&game);
}

static void at_the_same_time(void **state) {
  (void)state;
  Loaded game = load_as(GAME, IR_F32);
  Compiled all[UPDATES];
  compile_all(&game, all, true);
  assert_true(all[0].stats.kernels + all[1].stats.kernels < all[0].program->n_kernels + all[1].program->n_kernels);
  same_as_alone(&game, all);
  leave(&game);
}

// What was begun by a program that nobody wants any more comes to nothing for the others, who do not wait for ever.
static void given_up(void **state) {
  (void)state;
  Loaded game = load_as(GAME, IR_F32);
  CodeShelf *shelf = codegen_shelf_create();
  atomic_bool stop = true;
  Compiled first = update(&game, 0, shelf), second = update(&game, 1, shelf);
  first.options.stop = &stop;
  compile(&first);
  compile(&second);
  assert_null(first.program);
  assert_null(second.program);
  codegen_shelf_release(shelf);
  leave(&game);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(one_behind_the_other), cmocka_unit_test(at_the_same_time), cmocka_unit_test(given_up)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
