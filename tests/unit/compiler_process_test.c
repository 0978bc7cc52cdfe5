// needs: lang compiler/driver compiler/build compiler/codegen compiler/ad compiler/opt compiler/ir lang/base runtime
// The compiler as another process: the same programs as here, from several threads at once, before and after it went; and what is said
// when it cannot be started, is not wanted any more or dies. This program is that process too.
#include <pthread.h>
#include <signal.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "compiler/driver/compiler_process.h"
#include "runtime/program_file.h"
#include "tests/support/model.h"

enum { THREADS = 4 };

static const char MODEL[] = "data d { x = \"x{0,1,2}\"; y = \"y\" }\n"
                            "net f(x: real[3]) -> (v: real) {\n  learn a: real[3, 40] = 0.1\n  learn b: real[40] = 0.3\n  v = sum(relu(x @ a + b))\n}\n"
                            "train { update f { minimize (f(x) - y)^2; with adam(1e-2), clip(0.5) }; batch 300; steps 9 }\n";

static const IrFn *step_of(const Loaded *model) { return model->model->phases.at[0]->updates.at[0].step; }

static CodegenOptions options_of_step(void) {
  CodegenOptions options = codegen_defaults();
  options.in_place = true;
  return options;
}

static void note_tile_bytes(void *context, const HgmProgram *tables) { *(uint64_t *)context = tables->tile_bytes; }

static HgmProgram *loaded(const Compiled *compiled) {
  HgmError error = {0};
  HgmProgram *program = hgm_program_load(compiled->packed, compiled->size, &error);
  if (program == NULL) fail_msg("%s", error.text);
  return program;
}

static void expect_same_tables(const Compiled *found, const Compiled *expected) {
  HgmError error = {0};
  HgmProgram *f = loaded(found), *e = loaded(expected);
  HgmWork *work = hgm_work_create(e, 1, 300, NULL, &error);
  assert_non_null(work);
  assert_true(hgm_work_change(work, f));
  hgm_work_destroy(work);
  hgm_program_free(f);
  hgm_program_free(e);
}

// From the first kernel to the last one, which ends at a place that the tables do not say.
static void expect_same_code(const Compiled *found, const Compiled *expected) {
  HgmProgram *f = loaded(found), *e = loaded(expected);
  uintptr_t first = UINTPTR_MAX, last = 0, moved = (uintptr_t)f->kernels[0] - (uintptr_t)e->kernels[0];
  assert_int_equal(f->n_kernels, e->n_kernels);
  for (uint32_t i = 0; i < e->n_kernels; i++) {
    uintptr_t at = (uintptr_t)e->kernels[i];
    assert_int_equal((uintptr_t)f->kernels[i] - at, moved);
    if (at < first) first = at;
    if (at > last) last = at;
  }
  assert_true(last > first + 1000);
  assert_memory_equal(first + moved, first, last - first);
  hgm_program_free(f);
  hgm_program_free(e);
}

static void programs_are_those_compiled_here(void **state) {
  (void)state;
  Loaded model = load(MODEL);
  CodegenOptions options = options_of_step();
  uint64_t tile_here = 0, tile_there = 0;
  options.scheduled = note_tile_bytes;
  options.context = &tile_here;
  Compiled here = compile_function(step_of(&model), &options, NULL), there;
  options.context = &tile_there;
  CompilerProcess *c = compiler_process_create("/proc/self/exe");
  compiler_process_begin(c);
  for (int turn = 0; turn < 3; turn++) {
    assert_int_equal(compiler_process_ask(c, step_of(&model), &options, 2, 0, &there), COMPILER_DONE);
    assert_int_equal(there.size, here.size);
    assert_int_equal(there.stats.instructions, here.stats.instructions);
    expect_same_tables(&there, &here);
    expect_same_code(&there, &here);
    free(there.packed);
    if (turn == 1) nanosleep(&(struct timespec){.tv_nsec = 800000000}, NULL); // long enough that it goes, having nothing to do
    assert_int_equal(tile_there, tile_here);
    assert_true(there.begin_ms <= there.optimised_ms && there.optimised_ms <= now_ms()); // of one clock
  }
  compiler_process_destroy(c);
  free(here.packed);
  arena_destroy(model.arena);
}

typedef struct Asking {
  CompilerProcess *compiler;
  const IrFn *fn;
  Compiled compiled;
  CompilerAnswer answer;
} Asking;

static void *ask(void *data) {
  Asking *a = data;
  CodegenOptions options = options_of_step();
  a->answer = compiler_process_ask(a->compiler, a->fn, &options, 1, 7, &a->compiled);
  return NULL;
}

// On one shelf every kernel is made once.
static void threads_ask_at_once(void **state) {
  (void)state;
  Loaded model = load(MODEL);
  CodegenOptions options = options_of_step();
  Compiled here = compile_function(step_of(&model), &options, NULL);
  CompilerProcess *c = compiler_process_create("/proc/self/exe");
  pthread_t threads[THREADS];
  Asking asking[THREADS];
  uint32_t kernels = 0;
  for (int i = 0; i < THREADS; i++) {
    asking[i] = (Asking){.compiler = c, .fn = step_of(&model)};
    assert_int_equal(pthread_create(&threads[i], NULL, ask, &asking[i]), 0);
  }
  for (int i = 0; i < THREADS; i++) {
    pthread_join(threads[i], NULL);
    assert_int_equal(asking[i].answer, COMPILER_DONE);
    kernels += asking[i].compiled.stats.kernels;
    expect_same_tables(&asking[i].compiled, &here);
    free(asking[i].compiled.packed);
  }
  assert_int_equal(kernels, here.stats.kernels);
  compiler_process_destroy(c);
  free(here.packed);
  arena_destroy(model.arena);
}

// With a process that does what the script says.
static CompilerAnswer ask_script(const char *script, const atomic_bool *stop, char *death, size_t size) {
  char path[] = "/tmp/compiler_process_test-XXXXXX";
  int fd = mkstemp(path);
  assert_true(fd >= 0 && write(fd, script, strlen(script)) == (ssize_t)strlen(script) && fchmod(fd, 0700) == 0 && close(fd) == 0);
  Loaded model = load(MODEL);
  CodegenOptions options = options_of_step();
  options.stop = stop;
  Compiled compiled = {0};
  CompilerProcess *c = compiler_process_create(path);
  CompilerAnswer answer = compiler_process_ask(c, step_of(&model), &options, 1, 0, &compiled);
  assert_null(compiled.packed);
  compiler_process_death(c, death, size);
  compiler_process_destroy(c);
  arena_destroy(model.arena);
  unlink(path);
  return answer;
}

static void a_death_is_told(void **state) {
  (void)state;
  char death[64];
  assert_int_equal(ask_script("#!/bin/sh\nhead -c 1 > /dev/null\nkill -9 $$\n", NULL, death, sizeof death), COMPILER_DIED);
  assert_string_equal(death, "signal 9");
  assert_int_equal(ask_script("#!/bin/sh\nhead -c 1 > /dev/null\nexit 3\n", NULL, death, sizeof death), COMPILER_DIED);
  assert_string_equal(death, "exit code 3");
  assert_int_equal(ask_script("#!/bin/sh\nhead -c 1 > /dev/null\n", NULL, death, sizeof death), COMPILER_DIED); // asked again, but not for ever
  assert_string_equal(death, "exit code 0");
}

static void who_does_not_want_it_does_not_wait(void **state) {
  (void)state;
  char death[64];
  atomic_bool stop = true;
  assert_int_equal(ask_script("#!/bin/sh\nexec sleep 1000\n", &stop, death, sizeof death), COMPILER_STOPPED);
}

static void one_that_cannot_be_started_is_absent(void **state) {
  (void)state;
  Loaded model = load(MODEL);
  CodegenOptions options = options_of_step();
  Compiled compiled;
  CompilerProcess *c = compiler_process_create("/no/such/program");
  compiler_process_begin(c);
  assert_int_equal(compiler_process_ask(c, step_of(&model), &options, 1, 0, &compiled), COMPILER_ABSENT);
  compiler_process_destroy(c);
  arena_destroy(model.arena);
}

int main(int argc, char **argv) {
  if (argc == 2 && strcmp(argv[1], COMPILER_VERB) == 0) return compiler_serve();
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(programs_are_those_compiled_here),
      cmocka_unit_test(threads_ask_at_once),
      cmocka_unit_test(a_death_is_told),
      cmocka_unit_test(who_does_not_want_it_does_not_wait),
      cmocka_unit_test(one_that_cannot_be_started_is_absent),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
