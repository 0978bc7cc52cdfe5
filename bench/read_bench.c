// needs: runtime
// How fast a table is read: FILE THREADS [columns…]. All columns of numbers (or those named) are opened, converted to double and looked
// through, again and again; prints the median seconds and the rate of the numbers as they lie in the file. bench/read_bench.py is h5py beside it.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench/clock.h"
#include "runtime/table.h"

enum { REPEATS = 9, MOST = 4096 };

static int fail(const HgmError *error) {
  fprintf(stderr, "%s\n", error->text);
  return error->exit_code;
}

static bool is_wanted(const HgmColumn *column, char **names, int n_names) {
  bool named = n_names == 0;
  for (int i = 0; i < n_names; i++) named = named || strcmp(names[i], column->name) == 0;
  return named && column->kind != HGM_COLUMN_TEXT;
}

// Seconds for one reading from opening to closing; *numbers: how many were read.
static bool read_all(const char *path, int threads, char **names, int n_names, double *spent, double *numbers, HgmError *error) {
  HgmTable *table;
  HgmWish wishes[MOST];
  HgmColumnReport reports[MOST];
  double start = bench_seconds();
  void *values[MOST], *memory;
  int n = 0;
  if (!hgm_table_open(&table, &path, 1, error)) return false;
  for (int i = 0; i < hgm_table_n_columns(table) && n < MOST; i++)
    if (is_wanted(hgm_table_column(table, i), names, n_names)) wishes[n++] = (HgmWish){.column = i};
  bool fine = hgm_table_load(table, wishes, n, threads, values, &memory, reports, error);
  *numbers = 0;
  for (int k = 0; k < n && fine; k++)
    *numbers += (double)(hgm_table_column(table, wishes[k].column)->elements * hgm_table_column(table, wishes[k].column)->rows);
  free(memory);
  hgm_table_close(table);
  *spent = bench_seconds() - start;
  return fine;
}

int main(int argc, char **argv) {
  if (argc < 3) {
    fprintf(stderr, "usage: read_bench FILE THREADS [columns…]\n");
    return 2;
  }
  double times[REPEATS], numbers;
  for (int i = 0; i < REPEATS; i++) {
    HgmError error = {0};
    if (!read_all(argv[1], atoi(argv[2]), argv + 3, argc - 3, &times[i], &numbers, &error)) return fail(&error);
  }
  double time = bench_median(times, REPEATS);
  printf("%.6f s  %.4g numbers/s\n", time, numbers / time);
  return 0;
}
