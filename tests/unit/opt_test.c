// needs: tests/support compiler/opt compiler/ad compiler/ir runtime lang/base
// The passes: tests/golden/opt/PASS-what.ir gives a function before and, behind a line "->", after the pass PASS (or
// "all": opt_run), as text. On them and on random programs every pass keeps every output. HGM_UPDATE_GOLDEN=1 rewrites.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <dirent.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "compiler/ad/ad.h"
#include "compiler/opt/opt.h"
#include "tests/support/patterns.h"
#include "tests/support/random_program.h"

enum { EVENTS = 7, RANDOM_PROGRAMS = 150, PATTERNS = 600 };
static const char folder[] = "tests/golden/opt";

static const OptPassInfo *find_pass(const char *name, size_t len) {
  for (int i = 0; i < opt_pass_count; i++) {
    if (strlen(opt_passes[i].name) == len && strncmp(opt_passes[i].name, name, len) == 0) return &opt_passes[i];
  }
  return NULL;
}

static IrArray *evaluate(Arena *arena, const IrFn *fn, const IrFn *leaves_of, uint64_t seed) {
  IrEnv env = {.events = EVENTS, .seed = 5};
  random_leaves(arena, leaves_of, seed, &env);
  IrArray *outputs = ARENA_ARRAY(arena, IrArray, fn->outputs.len + 1);
  const char *error = NULL;
  if (!ir_eval(fn, &env, arena, outputs, &error)) fail_msg("%s: %s", fn->name, error);
  return outputs;
}

static bool is_close(double a, double b, double tolerance) {
  if (a == b || (isnan(a) && isnan(b))) return true;
  return fabs(a - b) <= tolerance * fmax(1, fmax(fabs(a), fabs(b)));
}

// NULL, or what differs.
static const char *difference(Arena *arena, const IrFn *a, const IrFn *b, double tolerance) {
  assert_int_equal(a->outputs.len, b->outputs.len);
  IrArray *x = evaluate(arena, a, a, 3), *y = evaluate(arena, b, a, 3);
  for (size_t i = 0; i < a->outputs.len; i++) {
    assert_string_equal(x[i].name, y[i].name);
    assert_true(ir_type_equal(ir_type_of(a, a->outputs.at[i].value), ir_type_of(b, b->outputs.at[i].value)));
    for (int64_t k = 0; k < x[i].n; k++) {
      if (!is_close(x[i].data[k], y[i].data[k], tolerance))
        return arena_printf(arena, "output %s, element %lld: %.17g, then %.17g", x[i].name, (long long)k, x[i].data[k], y[i].data[k]);
    }
  }
  return NULL;
}

static void expect_sound(Arena *arena, const char *what, const IrFn *fn) {
  const char *broken = ir_verify(fn, arena);
  if (broken) fail_msg("%s: %s\n%s", what, broken, ir_text(arena, fn));
}

// ---- text before and after

static char *read_text(Arena *arena, const char *path) {
  FILE *f = fopen(path, "r");
  if (!f) fail_msg("cannot open %s", path);
  char *text = arena_alloc(arena, 1 << 16);
  size_t n = fread(text, 1, (1 << 16) - 1, f);
  text[n] = 0;
  fclose(f);
  return text;
}

static void check_golden(const char *file) {
  Arena *arena = arena_create();
  const char *path = arena_printf(arena, "%s/%s", folder, file), *error = NULL;
  char *text = read_text(arena, path), *arrow = strstr(text, "->\n");
  char *fn_text = strstr(text, "fn ");
  assert_non_null(fn_text);
  // What stands before "fn" says what the example shows.
  const char *comment = arena_strndup(arena, text, (size_t)(fn_text - text));
  const char *before_text = arrow ? arena_strndup(arena, fn_text, (size_t)(arrow - fn_text)) : fn_text;
  IrFn *before = ir_read(arena, before_text, &error);
  if (!before) fail_msg("%s: %s", path, error);
  size_t name = strcspn(file, "-");
  const OptPassInfo *pass = find_pass(file, name);
  if (!pass && strncmp(file, "all", name) != 0) fail_msg("%s names no pass", path);
  IrFn *after = pass ? pass->run(arena, before) : opt_run(arena, before, NULL, NULL);
  if (pass) after = find_pass("dce", 3)->run(arena, after);
  expect_sound(arena, path, after);
  const char *differs = difference(arena, before, after, 1e-12);
  if (differs) fail_msg("%s: %s", path, differs);
  if (getenv("HGM_UPDATE_GOLDEN")) {
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    fprintf(f, "%s%s->\n%s", comment, ir_text(arena, before), ir_text(arena, after));
    fclose(f);
  } else {
    assert_non_null(arrow);
    assert_string_equal(ir_text(arena, after), arrow + 3);
  }
  arena_destroy(arena);
}

static void test_goldens(void **state) {
  (void)state;
  DIR *dir = opendir(folder);
  assert_non_null(dir);
  int files = 0;
  for (struct dirent *entry; (entry = readdir(dir)) != NULL;) {
    size_t n = strlen(entry->d_name);
    if (n < 4 || strcmp(entry->d_name + n - 3, ".ir") != 0) continue;
    check_golden(entry->d_name);
    files++;
  }
  closedir(dir);
  assert_true(files >= opt_pass_count);
}

// ---- random programs

// A pass that changes the last bits may turn a step over (sign, floor, a comparison) that stands exactly at its edge.
typedef struct Tally {
  int programs, turned;
} Tally;

static void expect_kept(Arena *arena, const IrFn *fn, const char *what, bool smooth, double tolerance, Tally *tally) {
  bool turned = false;
  for (int i = 0; i <= opt_pass_count; i++) {
    bool all = i == opt_pass_count;
    const char *label = arena_printf(arena, "%s, %s", what, all ? "opt_run" : opt_passes[i].name);
    IrFn *after = all ? opt_run(arena, fn, NULL, NULL) : opt_passes[i].run(arena, fn);
    expect_sound(arena, label, after);
    const char *differs = difference(arena, fn, after, tolerance);
    if (!differs) continue;
    if (getenv("HGM_SHOW")) fprintf(stderr, "%s: %s\n", label, differs);
    bool exact = !all && (strcmp(opt_passes[i].name, "cse") == 0 || strcmp(opt_passes[i].name, "dce") == 0);
    if (smooth || exact) fail_msg("%s: %s\n%s->\n%s", label, differs, ir_text(arena, fn), ir_text(arena, after));
    turned = true;
  }
  tally->programs++;
  tally->turned += turned;
}

static void expect_few(const Tally *t) {
  if (t->turned * 20 > t->programs) fail_msg("%d of %d programs changed", t->turned, t->programs);
}

static void test_random_programs_keep_outputs(void **state) {
  (void)state;
  Tally tally = {0};
  for (uint64_t seed = 0; seed < RANDOM_PROGRAMS; seed++) {
    Arena *arena = arena_create();
    bool single = seed % 4 == 0; // constants of f32 are rounded when they are folded
    RandomOptions options = {.ops = 20 + (int)(seed % 5) * 20, .smooth = single || seed % 4 == 1};
    IrFn *fn = random_program(arena, seed, single ? IR_F32 : IR_F64, &options);
    const char *label = arena_printf(arena, "program %llu", (unsigned long long)seed);
    expect_kept(arena, fn, label, options.smooth, single ? 1e-4 : 1e-9, &tally);
    arena_destroy(arena);
  }
  expect_few(&tally);
}

// The loss of a random program and its gradients by all leaves.
static IrFn *with_gradients(Arena *arena, uint64_t seed, IrDtype real, bool smooth) {
  RandomOptions options = {.ops = 40, .smooth = smooth};
  IrFn *fn = random_program(arena, seed, real, &options);
  IrRef loss = IR_NONE, wrt[64], g[64], refused;
  uint32_t n = 0;
  for (size_t i = 0; i < fn->outputs.len; i++) {
    if (strcmp(fn->outputs.at[i].name, "loss") == 0) loss = fn->outputs.at[i].value;
  }
  for (IrRef i = 0; i < fn->values.len && n < 64; i++) {
    IrOp op = ir_at(fn, i)->op;
    if ((op == IR_INPUT || op == IR_PARAM || op == IR_STATE) && ir_is_real(ir_type_of(fn, i))) wrt[n++] = i;
  }
  if (loss == IR_NONE || !ad_gradient(fn, loss, IR_NONE, wrt, n, g, &refused)) return fn;
  for (uint32_t k = 0; k < n; k++) {
    if (g[k] != IR_NONE) ir_output(fn, arena_printf(arena, "gradient %u", k), g[k]);
  }
  return fn;
}

static void test_random_gradients_keep_outputs(void **state) {
  (void)state;
  Tally tally = {0};
  for (uint64_t seed = 0; seed < RANDOM_PROGRAMS; seed++) {
    Arena *arena = arena_create();
    IrFn *fn = with_gradients(arena, seed, IR_F64, seed % 2);
    expect_sound(arena, "gradient", fn);
    expect_kept(arena, fn, arena_printf(arena, "gradient of program %llu", (unsigned long long)seed), seed % 2, 1e-8, &tally);
    arena_destroy(arena);
  }
  expect_few(&tally);
}

static void test_patterns_keep_outputs(void **state) {
  (void)state;
  Tally tally = {0};
  for (uint64_t seed = 0; seed < PATTERNS; seed++) {
    Arena *arena = arena_create();
    IrFn *fn = random_patterns(arena, seed, 6 + (int)(seed % 4) * 10);
    expect_sound(arena, "patterns", fn);
    expect_kept(arena, fn, arena_printf(arena, "patterns %llu", (unsigned long long)seed), true, 1e-9, &tally);
    arena_destroy(arena);
  }
}

// ---- what opt_run promises

static void test_passes_settle(void **state) {
  (void)state;
  for (uint64_t seed = 0; seed < 20; seed++) {
    Arena *arena = arena_create();
    IrFn *once = opt_run(arena, with_gradients(arena, seed, IR_F32, false), NULL, NULL);
    IrFn *again = opt_run(arena, with_gradients(arena, seed, IR_F32, false), NULL, NULL);
    assert_string_equal(ir_text(arena, once), ir_text(arena, again));
    for (IrRef i = 0; i < once->values.len; i++) assert_int_not_equal(ir_at(once, i)->op, IR_STOP);
    arena_destroy(arena);
  }
}

static void collect(void *data, const char *pass, const IrFn *fn) {
  assert_non_null(fn);
  char *seen = data;
  strcat(seen, pass);
  strcat(seen, " ");
}

static void test_trace_sees_every_pass(void **state) {
  (void)state;
  Arena *arena = arena_create();
  char seen[400] = "";
  opt_run(arena, random_program(arena, 1, IR_F32, NULL), collect, seen);
  for (int i = 0; i < opt_pass_count; i++) assert_non_null(strstr(seen, opt_passes[i].name));
  arena_destroy(arena);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_goldens),
      cmocka_unit_test(test_random_programs_keep_outputs),
      cmocka_unit_test(test_random_gradients_keep_outputs),
      cmocka_unit_test(test_patterns_keep_outputs),
      cmocka_unit_test(test_passes_settle),
      cmocka_unit_test(test_trace_sees_every_pass),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
