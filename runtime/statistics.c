#include "runtime/statistics.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

// Rows of a block: fixed, so that the order of additions depends on the data only, and few, so that rounding does not grow:
// a mean or spread is right to some units of the last place, and what it is used for (deep flows) is sensitive to 1e-14.
enum { BLOCK_ROWS = 256 };

typedef enum { PASS_MEAN, PASS_SQUARES, PASS_MAX_ABS, PASS_MIN_MAX } Pass;

typedef struct Work {
  const double *values, *weights, *mean;
  int64_t rows, elements;
  Pass pass;
  double *first, *second; // (blocks, elements) each: two results of a block per element
} Work;

// One block: Σw x and Σw | Σw(x - mean)² and Σw(x - mean) | max |x| | min x and max x.
static void run_block(void *data, int64_t block, int thread) {
  (void)thread;
  Work *work = data;
  const int64_t n = work->elements, begin = block * BLOCK_ROWS;
  const int64_t end = begin + BLOCK_ROWS < work->rows ? begin + BLOCK_ROWS : work->rows;
  const Pass pass = work->pass;
  for (int64_t j = 0; j < n; j++) { // its results in registers: each addition waits for the one before
    const double mean = pass == PASS_SQUARES ? work->mean[j] : 0;
    double first = pass == PASS_MIN_MAX ? INFINITY : 0, second = pass == PASS_MIN_MAX ? -INFINITY : 0;
    for (int64_t i = begin; i < end; i++) {
      const double weight = work->weights == NULL ? 1 : work->weights[i], x = work->values[i * n + j];
      if (!isfinite(x)) continue;
      switch (pass) {
      case PASS_MEAN: first += weight * x, second += weight; break;
      case PASS_SQUARES: first += weight * (x - mean) * (x - mean), second += weight * (x - mean); break;
      case PASS_MAX_ABS: first = fabs(x) > first ? fabs(x) : first; break;
      case PASS_MIN_MAX: first = x < first ? x : first, second = x > second ? x : second; break;
      }
    }
    work->first[block * n + j] = first;
    work->second[block * n + j] = second;
  }
}

static int64_t n_blocks(int64_t rows) { return (rows + BLOCK_ROWS - 1) / BLOCK_ROWS; }

// sum + x; *lost keeps what rounding takes (Neumaier 1974).
static double add_keeping(double sum, double x, double *lost) {
  double next = sum + x;
  if (isfinite(next)) *lost += fabs(sum) >= fabs(x) ? sum - next + x : x - next + sum;
  return next;
}

// Blocks in parallel, then joined in order into out_first, out_second (elements).
static void run_pass(HgmPool *pool, Work *work, Pass pass, double *out_first, double *out_second) {
  work->pass = pass;
  const int64_t blocks = n_blocks(work->rows);
  if (pool != NULL) hgm_pool_run(pool, blocks, run_block, work);
  else
    for (int64_t b = 0; b < blocks; b++) run_block(work, b, 0);
  for (int64_t j = 0; j < work->elements; j++) {
    double first = pass == PASS_MIN_MAX ? INFINITY : 0, second = pass == PASS_MIN_MAX ? -INFINITY : 0, lost[2] = {0, 0};
    for (int64_t b = 0; b < blocks; b++) {
      double one = work->first[b * work->elements + j], two = work->second[b * work->elements + j];
      switch (pass) {
      case PASS_MEAN:
      case PASS_SQUARES: first = add_keeping(first, one, &lost[0]), second = add_keeping(second, two, &lost[1]); break;
      case PASS_MAX_ABS: first = one > first ? one : first; break;
      case PASS_MIN_MAX: first = one < first ? one : first, second = two > second ? two : second; break;
      }
    }
    out_first[j] = first + lost[0];
    out_second[j] = second + lost[1];
  }
}

// Room for the blocks' results and for three rows of totals; false when out of memory.
static bool begin(Work *work, double **totals) {
  size_t n = (size_t)work->elements, blocks = (size_t)n_blocks(work->rows);
  double *room = malloc((2 * blocks + 3) * n * sizeof *room + sizeof *room);
  if (room == NULL) return false;
  work->first = room;
  work->second = room + blocks * n;
  *totals = room + 2 * blocks * n;
  return true;
}

int64_t hgm_statistics_mean_std(HgmPool *pool, const double *values, const double *weights, int64_t rows, int64_t elements, double *mean, double *std) {
  Work work = {.values = values, .weights = weights, .mean = mean, .rows = rows, .elements = elements};
  double *totals;
  if (!begin(&work, &totals)) return -1;
  double *one = totals, *two = totals + elements, *weight = totals + 2 * elements;
  int64_t constant = 0;
  run_pass(pool, &work, PASS_MEAN, one, weight);
  for (int64_t j = 0; j < elements; j++) mean[j] = weight[j] != 0 ? one[j] / weight[j] : 0;
  run_pass(pool, &work, PASS_SQUARES, one, two);
  for (int64_t j = 0; j < elements; j++) {
    // The second pass also tells what rounding left in the mean, or a constant column would seem to vary by it.
    double rest = weight[j] != 0 ? two[j] / weight[j] : 0;
    double variance = weight[j] != 0 ? one[j] / weight[j] - rest * rest : 0;
    mean[j] += rest;
    double noise = 1e-15 * fabs(mean[j]);
    bool is_constant = !(variance > noise * noise);
    std[j] = is_constant ? 1 : sqrt(variance);
    constant += is_constant;
  }
  free(work.first);
  return constant;
}

int64_t hgm_statistics_max_abs(HgmPool *pool, const double *values, int64_t rows, int64_t elements, double *scale) {
  Work work = {.values = values, .rows = rows, .elements = elements};
  double *totals;
  if (!begin(&work, &totals)) return -1;
  int64_t constant = 0;
  run_pass(pool, &work, PASS_MAX_ABS, scale, totals);
  for (int64_t j = 0; j < elements; j++)
    if (scale[j] == 0) scale[j] = 1, constant++;
  free(work.first);
  return constant;
}

int64_t hgm_statistics_min_max(HgmPool *pool, const double *values, int64_t rows, int64_t elements, double *low, double *high) {
  Work work = {.values = values, .rows = rows, .elements = elements};
  double *totals;
  if (!begin(&work, &totals)) return -1;
  int64_t constant = 0;
  run_pass(pool, &work, PASS_MIN_MAX, low, high);
  for (int64_t j = 0; j < elements; j++) {
    if (low[j] < high[j]) continue;
    if (low[j] > high[j]) low[j] = 0; // no finite value
    high[j] = low[j] + 1;
    constant++;
  }
  free(work.first);
  return constant;
}

double hgm_statistics_sum(HgmPool *pool, const double *values, int64_t n) {
  Work work = {.values = values, .rows = n, .elements = 1};
  double *totals, sum = 0;
  if (!begin(&work, &totals)) return NAN;
  run_pass(pool, &work, PASS_MEAN, &sum, totals);
  free(work.first);
  return sum;
}
