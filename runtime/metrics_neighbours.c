// Kernels and nearest neighbours.
#include <math.h>
#include <stdlib.h>

#include "runtime/metrics_events.h"

static double square(const double *a, const double *b, int d) {
  double sum = 0;
  for (int k = 0; k < d; k++) sum += (a[k] - b[k]) * (a[k] - b[k]);
  return sum;
}

static double kernel(const double *a, const double *b, int d) {
  double dot = 0;
  for (int k = 0; k < d; k++) dot += a[k] * b[k];
  double base = dot / d + 1;
  return base * base * base * base;
}

static double mean_kernel(const HgmEvents *a, const HgmEvents *b, bool same) {
  double sum = 0;
  for (int64_t i = 0; i < a->n; i++)
    for (int64_t j = 0; j < b->n; j++)
      if (!same || i != j) sum += kernel(a->x + i * a->d, b->x + j * b->d, a->d);
  return sum / ((double)a->n * (double)(same ? b->n - 1 : b->n));
}

double hgm_kernel_discrepancy(const HgmEvents *a, const HgmEvents *b) {
  return mean_kernel(a, a, true) + mean_kernel(b, b, true) - 2 * mean_kernel(a, b, false);
}

enum { ABREAST = 8, BLOCK = 64, STRETCH = 64 };

// Eight events from `first` on, number by number; behind the last one it again.
static void lay_abreast(const HgmEvents *e, int64_t first, double (*abreast)[ABREAST]) {
  for (int64_t j = 0; j < ABREAST; j++) {
    const double *x = e->x + (first + j < e->n ? first + j : e->n - 1) * e->d;
    for (int k = 0; k < e->d; k++) abreast[k][j] = x[k];
  }
}

// The least of `least` and of the squares of the distances to eight events. Their sums do not wait for each other, and end where all are too large.
static double nearer(double least, const double *x, double (*abreast)[ABREAST], int d) {
  double sums[ABREAST] = {0}, here = 0;
  for (int from = 0; from < d && here < least; from += STRETCH) {
    for (int k = from; k < d && k < from + STRETCH; k++) {
#pragma GCC unroll 8
      for (int j = 0; j < ABREAST; j++) sums[j] += (x[k] - abreast[k][j]) * (x[k] - abreast[k][j]);
    }
    here = sums[0];
    for (int j = 1; j < ABREAST; j++) here = fmin(here, sums[j]);
  }
  return fmin(here, least);
}

typedef struct Search {
  const HgmEvents *of, *among;
  double (*abreast)[ABREAST]; // (threads, d) room
  double *distance;
} Search;

static void search_block(void *data, int64_t block, int thread) {
  const Search *s = data;
  const int d = s->of->d;
  const int64_t first = block * BLOCK, end = first + BLOCK < s->of->n ? first + BLOCK : s->of->n;
  double(*abreast)[ABREAST] = s->abreast + (int64_t)thread * d;
  for (int64_t i = first; i < end; i++) s->distance[i] = INFINITY;
  for (int64_t j = 0; j < s->among->n; j += ABREAST) {
    lay_abreast(s->among, j, abreast);
    for (int64_t i = first; i < end; i++) s->distance[i] = nearer(s->distance[i], s->of->x + i * d, abreast, d);
  }
  for (int64_t i = first; i < end; i++) s->distance[i] = sqrt(s->distance[i]);
}

bool hgm_nearest(const HgmEvents *of, const HgmEvents *among, HgmPool *pool, double *distance, HgmError *error) {
  Search s = {of, among, malloc(((size_t)hgm_pool_threads(pool) * (size_t)of->d + 1) * sizeof *s.abreast), distance};
  if (s.abreast == NULL) return hgm_fail(error, 2, "metrics: out of memory for %d numbers of an event", of->d);
  hgm_pool_run(pool, (of->n + BLOCK - 1) / BLOCK, search_block, &s);
  free(s.abreast);
  return true;
}

// The square of the distance to the k-th neighbour, the event itself not among them. near: (k) room.
static double radius_of(const HgmEvents *e, int64_t i, int k, double *near) {
  int found = 0;
  for (int64_t j = 0; j < e->n; j++) {
    if (j == i) continue;
    double s = square(e->x + i * e->d, e->x + j * e->d, e->d);
    if (found == k && s >= near[k - 1]) continue;
    int at = found < k ? found++ : k - 1;
    for (; at > 0 && near[at - 1] > s; at--) near[at] = near[at - 1];
    near[at] = s;
  }
  return found > 0 ? near[found - 1] : 0;
}

bool hgm_coverage(const HgmEvents *truth, const HgmEvents *fake, int k, double *density, double *coverage, HgmError *error) {
  double *near = malloc((size_t)(k + 1) * sizeof *near);
  if (near == NULL) return hgm_fail(error, 2, "metrics: out of memory for %d neighbours", k);
  int64_t inside = 0, covered = 0;
  for (int64_t i = 0; i < truth->n; i++) {
    double radius = radius_of(truth, i, k, near);
    int64_t here = 0;
    for (int64_t j = 0; j < fake->n; j++) here += square(truth->x + i * truth->d, fake->x + j * fake->d, truth->d) < radius;
    inside += here;
    covered += here > 0;
  }
  *density = (double)inside / ((double)k * (double)fake->n);
  *coverage = (double)covered / (double)truth->n;
  free(near);
  return true;
}
