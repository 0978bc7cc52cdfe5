// Time and medians for the benchmarks.
#ifndef HGM_BENCH_CLOCK_H
#define HGM_BENCH_CLOCK_H

#include <stdlib.h>
#include <time.h>

// Seconds on a clock that only goes forward.
static inline double bench_seconds(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static inline int bench_by_value(const void *a, const void *b) {
  double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

// Of n > 0 values, which are sorted by it.
static inline double bench_median(double *values, size_t n) {
  qsort(values, n, sizeof *values, bench_by_value);
  return values[n / 2];
}

#endif
