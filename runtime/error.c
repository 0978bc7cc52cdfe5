#include "runtime/error.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

bool hgm_fail(HgmError *error, int exit_code, const char *format, ...) {
  if (error->text[0] != '\0') return false;
  va_list args;
  va_start(args, format);
  vsnprintf(error->text, sizeof error->text, format, args);
  va_end(args);
  error->exit_code = exit_code;
  return false;
}

bool hgm_context(HgmError *error, const char *format, ...) {
  char old[sizeof error->text];
  memcpy(old, error->text, sizeof old);
  va_list args;
  va_start(args, format);
  int len = vsnprintf(error->text, sizeof error->text, format, args);
  va_end(args);
  if (len < 0 || (size_t)len + 2 >= sizeof error->text) return false;
  size_t room = sizeof error->text - (size_t)len - 3, rest = strlen(old) < room ? strlen(old) : room;
  memcpy(error->text + len, ": ", 2);
  memcpy(error->text + len + 2, old, rest);
  error->text[(size_t)len + 2 + rest] = '\0';
  return false;
}
