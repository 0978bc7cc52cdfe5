// How the runtime reports what went wrong in the world: the first message wins, callers add context going up.
#ifndef HGM_ERROR_H
#define HGM_ERROR_H

#include <stdbool.h>

typedef struct HgmError {
  char text[2048]; // "" while all is well; one sentence that names the place, then "; " and the cure
  int exit_code;   // 1: the user's program or data, 2: the environment, 3: internal
} HgmError;

// Both return false, so that `return hgm_fail(...)` reads as it acts.
bool hgm_fail(HgmError *error, int exit_code, const char *format, ...) __attribute__((format(printf, 3, 4)));
bool hgm_context(HgmError *error, const char *format, ...) __attribute__((format(printf, 2, 3))); // prefixes "text: "

#endif
