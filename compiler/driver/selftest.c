// hgmc selftest: a small flow is compiled, trained, sampled with one thread and with two, and compared with its data.
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "compiler/driver/session.h"
#include "compiler/driver/verbs.h"
#include "runtime/io.h"
#include "runtime/philox.h"

static const char model_text[] = "data toy { x = [\"a\", \"b\"] |> standardize }\n"
                                 "flow f(x) {\n"
                                 "  base normal\n"
                                 "  repeat 4 { spline_coupling(bins = 8, tail = 4, subnet = mlp([32, 32])); reverse }\n"
                                 "}\n"
                                 "train {\n"
                                 "  update f { minimize -log_prob(f, x); with adam(5e-3) }\n"
                                 "  batch 256\n"
                                 "  epochs 8\n"
                                 "}\n"
                                 "generate { x ~ f }\n"
                                 "evaluate {\n"
                                 "  metrics wasserstein, ks\n"
                                 "  assert wasserstein.worst < 0.2\n"
                                 "}\n";

enum { ROWS = 6000, EVENTS = 20000 };

// A bent band: b follows a squared, with noise.
static bool write_inputs(Arena *arena, const char *folder, HgmError *error) {
  char *csv = arena_alloc(arena, ROWS * 64), *at = csv;
  at += sprintf(at, "a,b\n");
  uint64_t key = philox_key(1, "selftest");
  for (uint64_t i = 0; i < ROWS; i++) {
    double a = philox_normal(key, i, 0, 0), b = a * a + 0.3 * philox_normal(key, i, 0, 1);
    at += sprintf(at, "%.9g,%.9g\n", a, b);
  }
  return hgm_io_replace(NULL, arena_printf(arena, "%s/toy.hgm", folder), model_text, sizeof model_text - 1, error) &&
         hgm_io_replace(NULL, arena_printf(arena, "%s/toy.csv", folder), csv, (size_t)(at - csv), error);
}

static int draw(Arena *arena, const char *folder, int threads) {
  Options o = {.arena = arena,
               .verb = "sample",
               .output = arena_printf(arena, "%s/%d.npy", folder, threads),
               .events = EVENTS,
               .has_events = true,
               .threads = threads,
               .quiet = true};
  VEC_PUSH(arena, &o.positional, arena_printf(arena, "%s/run", folder));
  return verb_sample(&o);
}

static bool same_files(const char *a, const char *b, HgmError *error) {
  char *x, *y;
  size_t n, m;
  if (!hgm_io_read_file(a, &x, &n, error) || !hgm_io_read_file(b, &y, &m, error)) return false;
  bool same = n == m && memcmp(x, y, n) == 0;
  free(x);
  free(y);
  return same || hgm_fail(error, EXIT_INTERNAL, "one thread and two drew different events");
}

static int run_all(const Options *options, Arena *arena, const char *folder) {
  HgmError error = {0};
  if (!write_inputs(arena, folder, &error)) return report_error(&error);
  Options o = {.arena = arena, .verb = "run", .output = arena_printf(arena, "%s/run", folder), .seed = 1, .threads = options->threads, .quiet = options->quiet};
  VEC_PUSH(arena, &o.positional, arena_printf(arena, "%s/toy.hgm", folder));
  VEC_PUSH(arena, &o.train, arena_printf(arena, "%s/toy.csv", folder));
  int exit_code = verb_run(&o);
  if (exit_code != EXIT_DONE) return exit_code;
  for (int threads = 1; threads <= 2; threads++)
    if ((exit_code = draw(arena, folder, threads)) != EXIT_DONE) return exit_code;
  if (!same_files(arena_printf(arena, "%s/1.npy", folder), arena_printf(arena, "%s/2.npy", folder), &error)) return report_error(&error);
  printf("selftest passed: compiled, trained, sampled with the same bits on one thread and two\n");
  return EXIT_DONE;
}

static void remove_inputs(Arena *arena, const char *folder) {
  static const char *const files[] = {"toy.hgm",         "toy.csv",     "1.npy",       "2.npy",        "run/manifest.json",
                                      "run/metrics.csv", "run/best.h5", "run/last.h5", "run/model.h5", "run/evaluation.json",
                                      "run/report.html", "run/lock",    "run/.lock"};
  for (size_t i = 0; i < sizeof files / sizeof *files; i++) unlink(arena_printf(arena, "%s/%s", folder, files[i]));
  rmdir(arena_printf(arena, "%s/run", folder));
  rmdir(folder);
}

int verb_selftest(const Options *options) {
  Arena *arena = arena_create();
  const char *temporary = getenv("TMPDIR");
  char *folder = arena_printf(arena, "%s/hgm-selftest-XXXXXX", temporary != NULL ? temporary : "/tmp");
  int exit_code = EXIT_ENVIRONMENT;
  if (mkdtemp(folder) == NULL) fprintf(stderr, "hgmc: cannot make a folder like %s: %s\n", folder, strerror(errno));
  else {
    exit_code = run_all(options, arena, folder);
    remove_inputs(arena, folder);
  }
  arena_destroy(arena);
  return exit_code;
}
