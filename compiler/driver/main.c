#include <errno.h>
#include <malloc.h>
#include <stdio.h>
#include <string.h>

#include "compiler/driver/compiler_process.h"
#include "compiler/driver/verbs.h"
#include "runtime/cpu.h"

typedef struct Verb {
  const char *name;
  int (*run)(const Options *options);
  bool computes; // runs a compiled model in every case
} Verb;

static const Verb verbs[] = {
    {"run", verb_run, true},          {"sample", verb_sample, true}, {"score", verb_score, true},       {"eval", verb_eval, true},
    {"build", verb_build, false},     {"check", verb_check, false},  {"show", verb_show, false},        {"inspect", verb_inspect, false},
    {"explain", verb_explain, false}, {"bench", verb_bench, true},   {"selftest", verb_selftest, true}, {"tune", verb_tune, true},
    {"diff", verb_diff, false},       {"lock", verb_lock, false},
};

// Stages of a compilation take and free tens of megabytes one after the other. Kept in the process they serve the next stage, in
// whatever thread, and then the scratch memory of training, without a page fault for each 4 KB. (Large pages for all of the heap win
// where pages are cheap, but lose where a hypervisor takes free ones back.)
static void keep_freed_memory(void) {
  mallopt(M_ARENA_MAX, 1);
  mallopt(M_MMAP_THRESHOLD, 1 << 30);
  mallopt(M_TRIM_THRESHOLD, 1 << 30);
  mallopt(M_TOP_PAD, 4 << 20);
}

// What was printed and did not arrive (a full disk behind `>`) is no success.
static int close_output(int exit_code) {
  bool failed = ferror(stdout) != 0; // of an earlier flush, whose errno is gone
  if (fflush(stdout) != 0) fprintf(stderr, "hgmc: standard output: cannot be written: %s\n", strerror(errno));
  else if (failed) fprintf(stderr, "hgmc: standard output: could not be written\n");
  else return exit_code;
  return exit_code == EXIT_DONE ? EXIT_ENVIRONMENT : exit_code;
}

static int run_verb(const Verb *verb, const Options *options) {
  if (!verb->computes || hgm_cpu_level() != HGM_CPU_ANY) return verb->run(options);
  fprintf(stderr, "hgmc: %s: this processor has no AVX2 and FMA; compiled models need both\n", verb->name);
  return EXIT_ENVIRONMENT;
}

int main(int argc, char **argv) {
  keep_freed_memory();
  if (argc == 2 && strcmp(argv[1], COMPILER_VERB) == 0) return compiler_serve();
  Arena *arena = arena_create();
  Options options;
  Timeline timeline;
  int exit_code;
  timeline_start(&timeline, arena);
  if (options_parse(arena, argc, argv, &options, &exit_code)) {
    options.timeline = &timeline;
    options.compiler = "/proc/self/exe";
    for (size_t i = 0; i < sizeof verbs / sizeof *verbs; i++)
      if (strcmp(options.verb, verbs[i].name) == 0) exit_code = run_verb(&verbs[i], &options);
  }
  arena_destroy(arena);
  return close_output(exit_code);
}
