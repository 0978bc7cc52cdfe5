// The command line as one table: verbs, their options, their help. The parser, `--help` and the completions come from it.
#ifndef HGM_DRIVER_OPTIONS_H
#define HGM_DRIVER_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "compiler/driver/timeline.h"
#include "lang/base/vec.h"

typedef struct Options {
  Arena *arena;
  Timeline *timeline; // NULL: nobody asks where the time goes
  const char *verb;
  char **argv; // as it was given, NULL behind the last
  Strings positional;
  const char *generator;                   // sample, build: the second positional, or NULL
  Strings train, data, given, valid, test; // FILE or NAME=FILE
  Strings sets, fixes, keep, trained;      // NAME=VALUE, COL,COL
  const char *output, *json, *precision, *against, *hgm_path, *dump, *target;
  int64_t pause_epochs; // run: stop after so many epochs of all phases, to go on later; 0: never. No option has it: tune does
  int64_t n_trials, prune;
  const char *search;
  const char *compiler; // run: this program, started again to compile (compiler_process.h); NULL: none, for it does not know how to
  int64_t events, epochs, steps, first_event, memory;
  double checkpoint_seconds, bench_seconds;
  int threads;
  uint64_t seed;
  bool has_memory, has_events, has_epochs, has_steps, has_seed, has_checkpoint, has_trials, has_prune, lib, resume, force, quiet, trials, time_passes, no_cache,
      no_colour, help;
} Options;

// Parses argv. True to go on. False: nothing to run; *exit_code says what to return (--help: 0, a mistake: 2).
bool options_parse(Arena *arena, int argc, char **argv, Options *options, int *exit_code);

const char *shell_word(Arena *arena, const char *word); // as a shell takes it
// VALUE of a text NAME=VALUE; NULL: it has another name.
const char *pair_value(const char *pair, const char *name);
// Of the first such text in a list; NULL: it has none.
const char *pairs_value(const Strings *pairs, const char *name);

#endif
