// How much of a test this process does: a part of the long form, less under a sanitizer.
//
//   for (uint64_t seed = 0; seed < 2000; seed++)
//     if (part_has(seed, 2000)) check(seed);
#ifndef HGM_TESTS_EFFORT_H
#define HGM_TESTS_EFFORT_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

// Address or thread sanitizer: the C around compiled code is some ten times slower, while generated code, which they do not see, is not.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
enum { SANITIZED = 1 };
#else
enum { SANITIZED = 0 };
#endif

// HGM_PART=K/N, set by tests/run.sh where the test's source says `long: N parts`: is number, of 0..of-1, in the K-th range?
// All are where no part was asked for.
static inline bool part_has(uint64_t number, uint64_t of) {
  unsigned long long part = 0, parts = 0;
  const char *text = getenv("HGM_PART");
  return !text || sscanf(text, "%llu/%llu", &part, &parts) != 2 || parts == 0 || number * parts / of == part;
}

#endif
