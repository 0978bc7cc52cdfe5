#include <errno.h>
#include <malloc.h>
#include <stdio.h>
#include <string.h>

#include "compiler/driver/compiler_process.h"
#include "compiler/driver/verbs.h"

typedef struct Verb {
  const char *name;
  int (*run)(const Options *options);
} Verb;

static const Verb verbs[] = {
    {"run", verb_run},           {"sample", verb_sample}, {"score", verb_score},     {"eval", verb_eval},       {"build", verb_build},
    {"check", verb_check},       {"show", verb_show},     {"inspect", verb_inspect}, {"explain", verb_explain}, {"bench", verb_bench},
    {"selftest", verb_selftest}, {"tune", verb_tune},     {"diff", verb_diff},       {"lock", verb_lock},
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
      if (strcmp(options.verb, verbs[i].name) == 0) exit_code = verbs[i].run(&options);
  }
  arena_destroy(arena);
  return close_output(exit_code);
}
