// A folder of its own for a group of tests, which run inside it; it must be empty when they end.
//   cmocka_run_group_tests(tests, folder_enter, folder_leave)
//   folder_put("a.csv", "x\n1\n"); ... unlink("a.csv");
#ifndef HGM_TESTS_FOLDER_H
#define HGM_TESTS_FOLDER_H

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static char folder_path[] = "/tmp/hgm-test-XXXXXX";
static char folder_start[4096];

static inline int folder_enter(void **state) {
  (void)state;
  return getcwd(folder_start, sizeof folder_start) == NULL || mkdtemp(folder_path) == NULL || chdir(folder_path) != 0 ? -1 : 0;
}

static inline int folder_leave(void **state) {
  (void)state;
  return chdir(folder_start) != 0 || rmdir(folder_path) != 0 ? -1 : 0;
}

static inline void folder_put(const char *name, const char *text) {
  FILE *file = fopen(name, "wb");
  if (file == NULL || fputs(text, file) < 0 || fclose(file) != 0) abort();
}

#endif
