// The command line of a generated sampler.
#ifndef HGM_SAMPLER_ARGUMENTS_H
#define HGM_SAMPLER_ARGUMENTS_H

#include <stdbool.h>
#include <stdint.h>

#include "runtime/error.h"

typedef struct Texts {
  const char **at;
  int n;
} Texts;

typedef struct Arguments {
  const char *program; // name it was called by
  const char *output, *score, *generator;
  Texts given, fixes, keep;
  int64_t events, first_event;
  uint64_t seed;
  int threads; // 0: as many as the process may use
  bool has_events, has_seed, force, quiet, info, help, version;
} Arguments;

// False: error says what is wrong and what would be right (exit code 2).
bool arguments_parse(Arguments *arguments, int argc, char **argv, HgmError *error);
void arguments_free(Arguments *arguments);
void arguments_print_help(const char *program);

#endif
