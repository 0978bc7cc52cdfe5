#include <errno.h>
#include <glob.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/io.h"
#include "runtime/table.h"

typedef struct Paths {
  char **at;
  int n, cap;
} Paths;

static bool push(Paths *paths, const char *text, size_t n, const char *tail) {
  if (paths->n == paths->cap) {
    int cap = paths->cap == 0 ? 16 : 2 * paths->cap;
    char **moved = realloc(paths->at, (size_t)cap * sizeof *moved);
    if (moved == NULL) return false;
    paths->at = moved;
    paths->cap = cap;
  }
  char *copy = malloc(n + strlen(tail) + 1);
  if (copy == NULL) return false;
  memcpy(copy, text, n);
  strcpy(copy + n, tail);
  paths->at[paths->n++] = copy;
  return true;
}

// One path or pattern; the part behind :/ goes to each match.
static bool expand_one(Paths *paths, const char *text, HgmError *error) {
  const char *group = strstr(text, ":/");
  size_t n = group == NULL ? strlen(text) : (size_t)(group - text);
  if (strcspn(text, "*?[") >= n) // no pattern
    return push(paths, text, strlen(text), "") || hgm_fail(error, 2, "out of memory");
  char *pattern = malloc(n + 1);
  if (pattern == NULL) return hgm_fail(error, 2, "out of memory");
  memcpy(pattern, text, n);
  pattern[n] = '\0';
  glob_t found = {0};
  int status = glob(pattern, 0, NULL, &found);
  bool fine = status == 0;
  if (status == GLOB_NOMATCH) hgm_fail(error, 2, "no file matches %s", pattern);
  else if (status != 0) hgm_fail(error, 2, "%s: the folder cannot be read", pattern);
  for (size_t i = 0; fine && i < found.gl_pathc; i++) {
    fine = push(paths, found.gl_pathv[i], strlen(found.gl_pathv[i]), group == NULL ? "" : group);
    if (!fine) hgm_fail(error, 2, "out of memory");
  }
  globfree(&found);
  free(pattern);
  return fine;
}

// Lines of a list file; blank lines and those that begin with # are skipped.
static bool expand_list(Paths *paths, const char *path, HgmError *error) {
  char *text;
  size_t n;
  if (!hgm_io_read_file(path, &text, &n, error)) return false;
  bool fine = true;
  int before = paths->n;
  char *rest = text;
  for (char *line = strtok_r(text, "\r\n", &rest); fine && line != NULL; line = strtok_r(NULL, "\r\n", &rest)) {
    line += strspn(line, " \t");
    size_t end = strlen(line);
    while (end > 0 && (line[end - 1] == ' ' || line[end - 1] == '\t')) line[--end] = '\0';
    if (end > 0 && line[0] != '#') fine = expand_one(paths, line, error);
  }
  if (fine && paths->n == before) fine = hgm_fail(error, 2, "@%s: the list names no file", path);
  free(text);
  return fine;
}

bool hgm_paths_expand(char ***result, int *n_result, const char *const *arguments, int n_arguments, HgmError *error) {
  Paths paths = {0};
  bool fine = true;
  for (int i = 0; i < n_arguments && fine; i++)
    fine = arguments[i][0] == '@' ? expand_list(&paths, arguments[i] + 1, error) : expand_one(&paths, arguments[i], error);
  *result = fine ? paths.at : NULL;
  *n_result = fine ? paths.n : 0;
  if (!fine) hgm_paths_free(paths.at, paths.n);
  return fine;
}

void hgm_paths_free(char **paths, int n_paths) {
  for (int i = 0; i < n_paths; i++) free(paths[i]);
  free(paths);
}
