#include "runtime/metrics.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/philox.h"

static const double pi = 3.14159265358979323846;
enum { HALVINGS = 16 };

typedef struct Point {
  double value, weight;
} Point;

static int by_value(const void *a, const void *b) {
  const Point *p = a, *q = b;
  if (p->value != q->value) return p->value < q->value ? -1 : 1;
  // Equal values in order of weight: sums then do not depend on the order of events.
  return (p->weight > q->weight) - (p->weight < q->weight);
}

static double weight_of(const HgmSample *sample, int64_t i) { return sample->weights == NULL ? 1 : sample->weights[i]; }

static double on_circle(double x, double period) { return period > 0 ? x - period * floor(x / period) : x; }

// The finite values of a sample in ascending order, weights scaled to sum 1. NULL: no memory, or nothing to weigh.
static Point *sorted(const HgmSample *sample, int64_t *n, HgmError *error) {
  Point *points = malloc((size_t)(sample->n + 1) * sizeof *points);
  if (points == NULL) {
    hgm_fail(error, 2, "metrics: out of memory for %lld events", (long long)sample->n);
    return NULL;
  }
  *n = 0;
  for (int64_t i = 0; i < sample->n; i++)
    if (isfinite(sample->values[i])) points[(*n)++] = (Point){on_circle(sample->values[i], sample->period), weight_of(sample, i)};
  qsort(points, (size_t)*n, sizeof *points, by_value);
  double total = 0;
  for (int64_t i = 0; i < *n; i++) total += points[i].weight;
  for (int64_t i = 0; i < *n && total > 0; i++) points[i].weight /= total;
  if (total > 0) return points;
  hgm_fail(error, 1, "metrics: a sample of %lld finite values has weights that sum to %g; the sum must be positive", (long long)*n, total);
  free(points);
  return NULL;
}

static double mean_direction(const Point *points, int64_t n, double period) {
  double turn = 2 * pi / period, x = 0, y = 0;
  for (int64_t i = 0; i < n; i++) {
    x += points[i].weight * cos(turn * points[i].value);
    y += points[i].weight * sin(turn * points[i].value);
  }
  return atan2(y, x) / turn;
}

static double standard_deviation(const Point *points, int64_t n, double period) {
  double mean = 0, squares = 0;
  for (int64_t i = 0; i < n; i++) mean += points[i].weight * points[i].value;
  if (period > 0) mean = mean_direction(points, n, period);
  for (int64_t i = 0; i < n; i++) {
    double d = points[i].value - mean;
    if (period > 0) d -= period * nearbyint(d / period);
    squares += points[i].weight * d * d;
  }
  return squares > 0 ? sqrt(squares) : 0;
}

// F - G from each of the joined values to the next: (difference, length). Room for n_a + n_b steps; how many there are.
static int64_t differences(const Point *a, int64_t n_a, const Point *b, int64_t n_b, double period, Point *steps) {
  double difference = 0, first = 0, last = 0;
  int64_t i = 0, j = 0, n = 0;
  while (i < n_a || j < n_b) {
    double value = j == n_b || (i < n_a && a[i].value <= b[j].value) ? a[i].value : b[j].value;
    if (n == 0) first = value;
    else steps[n - 1].weight = value - last;
    while (i < n_a && a[i].value == value) difference += a[i++].weight;
    while (j < n_b && b[j].value == value) difference -= b[j++].weight;
    steps[n++] = (Point){difference, 0};
    last = value;
  }
  if (n > 0 && period > 0) steps[n - 1].weight = period - (last - first);
  return n;
}

// On a circle F - G is known up to a constant, which is chosen so that the area is smallest: its median.
static double median(Point *steps, int64_t n, double period) {
  double length = 0;
  qsort(steps, (size_t)n, sizeof *steps, by_value);
  for (int64_t k = 0; k < n; k++)
    if ((length += steps[k].weight) >= period / 2) return steps[k].value;
  return 0;
}

// steps: room for n_a + n_b.
static void compare(const Point *a, int64_t n_a, const Point *b, int64_t n_b, double period, Point *steps, double *w1, double *ks) {
  int64_t n = differences(a, n_a, b, n_b, period, steps);
  double middle = period > 0 ? median(steps, n, period) : 0, low = 0, high = 0;
  *w1 = 0;
  for (int64_t k = 0; k < n; k++) {
    *w1 += fabs(steps[k].value - middle) * steps[k].weight;
    low = fmin(low, steps[k].value), high = fmax(high, steps[k].value);
  }
  *ks = period > 0 ? high - low : high >= -low ? high : -low; // 0, and not -0, where nothing differs
}

bool hgm_metrics_distance(const HgmSample *truth, const HgmSample *other, HgmDistance *distance, HgmError *error) {
  int64_t n_a, n_b;
  *distance = (HgmDistance){0};
  Point *a = sorted(truth, &n_a, error), *b = a == NULL ? NULL : sorted(other, &n_b, error), *steps = NULL;
  bool fine = b != NULL;
  if (fine && (steps = malloc((size_t)(n_a + n_b + 1) * sizeof *steps)) == NULL)
    fine = hgm_fail(error, 2, "metrics: out of memory for %lld events", (long long)(n_a + n_b));
  if (fine) {
    compare(a, n_a, b, n_b, truth->period, steps, &distance->w1, &distance->ks);
    distance->truth_std = standard_deviation(a, n_a, truth->period);
    if (distance->truth_std > 0) distance->w1 /= distance->truth_std;
    distance->left_out = truth->n - n_a + other->n - n_b;
  }
  free(a);
  free(b);
  free(steps);
  return fine;
}

// ---- truth against truth

// Deals n points to two halves at random, drawing without replacement on the way: equal sizes, and both stay ascending.
static bool deal(HgmHalvings *h, int64_t n, HgmError *error) {
  if (h->second != NULL && h->n == n) return true;
  hgm_halvings_close(h);
  h->n = n;
  h->second = calloc((size_t)n + 1, sizeof *h->second);
  if (h->second == NULL) return hgm_fail(error, 2, "metrics: out of memory for %lld events", (long long)n);
  uint64_t key = philox_key(h->seed, "metrics.halves");
  for (int k = 0; k < HALVINGS; k++)
    for (int64_t i = 0, left = n / 2; i < n; i++) {
      bool first = philox_uniform(key, (uint64_t)k, 0, (uint64_t)i) < (double)left / (double)(n - i);
      left -= first;
      if (!first) h->second[i] |= (uint16_t)(1u << k);
    }
  return true;
}

void hgm_halvings_close(HgmHalvings *h) {
  free(h->second);
  h->second = NULL;
}

static void halve(const Point *points, const HgmHalvings *h, int number, Point *const halves[2], int64_t sizes[2]) {
  sizes[0] = sizes[1] = 0;
  for (int64_t i = 0; i < h->n; i++) {
    int side = h->second[i] >> number & 1;
    halves[side][sizes[side]++] = points[i];
  }
}

static bool rescale(Point *points, int64_t n) {
  double total = 0;
  for (int64_t i = 0; i < n; i++) total += points[i].weight;
  for (int64_t i = 0; i < n; i++) points[i].weight /= total;
  return total > 0;
}

static void mean_and_spread(const double *x, int n, double *mean, double *spread) {
  *mean = *spread = 0;
  for (int i = 0; i < n; i++) *mean += x[i] / n;
  for (int i = 0; i < n; i++) *spread += (x[i] - *mean) * (x[i] - *mean);
  *spread = n > 1 ? sqrt(*spread / (n - 1)) : 0;
}

bool hgm_metrics_floor(const HgmSample *truth, HgmHalvings *halvings, HgmFloor *result, HgmError *error) {
  *result = (HgmFloor){0};
  int64_t n, sizes[2];
  Point *points = sorted(truth, &n, error);
  if (points == NULL) return false;
  Point *halves[] = {malloc((size_t)(n + 1) * sizeof *points), malloc((size_t)(n + 1) * sizeof *points)}, *steps = malloc((size_t)(n + 1) * sizeof *steps);
  bool fine = halves[0] != NULL && halves[1] != NULL && steps != NULL;
  fine = fine ? deal(halvings, n, error) : hgm_fail(error, 2, "metrics: out of memory for %lld events", (long long)n);
  double w1[HALVINGS] = {0}, ks[HALVINGS] = {0}, std = standard_deviation(points, n, truth->period);
  int done = 0;
  for (int k = 0; fine && n >= 2 && k < HALVINGS; k++) {
    halve(points, halvings, k, halves, sizes);
    if (!rescale(halves[0], sizes[0]) || !rescale(halves[1], sizes[1])) continue; // a half whose negative weights win cannot be compared
    compare(halves[0], sizes[0], halves[1], sizes[1], truth->period, steps, &w1[done], &ks[done]);
    w1[done++] /= std > 0 ? std : 1;
  }
  mean_and_spread(w1, done, &result->w1, &result->w1_error);
  mean_and_spread(ks, done, &result->ks, &result->ks_error);
  free(points);
  free(halves[0]);
  free(halves[1]);
  free(steps);
  return fine;
}

// ---- correlations

typedef struct Place {
  double value;
  int64_t row;
} Place;

typedef struct Correlation {
  double **columns, *weights, total; // (n) of rows: become ranks where those are asked for, are shifted to mean 0
  int n;
  int64_t rows, from, count; // products are added of rows from `from` on
  Place *places;             // (threads, rows) room; NULL: the values themselves
  double *matrix;
} Correlation;

static int by_place(const void *a, const void *b) {
  const Place *p = a, *q = b;
  if (p->value != q->value) return p->value < q->value ? -1 : 1;
  return (p->row > q->row) - (p->row < q->row);
}

// Replaces values by weighted mid-ranks.
static void rank(double *column, int64_t rows, const double *weights, Place *places) {
  for (int64_t i = 0; i < rows; i++) places[i] = (Place){column[i], i};
  qsort(places, (size_t)rows, sizeof *places, by_place);
  double below = 0;
  for (int64_t i = 0, next; i < rows; i = next) {
    double here = 0;
    for (next = i; next < rows && places[next].value == places[i].value; next++) here += weights[places[next].row];
    for (int64_t k = i; k < next; k++) column[places[k].row] = below + here / 2;
    below += here;
  }
}

static void shift(void *data, int64_t k, int thread) {
  const Correlation *c = data;
  double *x = c->columns[k], mean = 0;
  if (c->places != NULL) rank(x, c->rows, c->weights, c->places + thread * c->rows);
  for (int64_t i = 0; i < c->rows; i++) mean += c->weights[i] * x[i];
  mean = c->total != 0 ? mean / c->total : 0;
  for (int64_t i = 0; i < c->rows; i++) x[i] -= mean;
}

enum { ABREAST = 8, STRETCH = 1024 };

// Adds Σ w x_k x_l to the matrix, for eight columns l and each k from the first of them on. Sums side by side do not wait for each other, and each takes
// its rows in their order.
static void add_products(void *data, int64_t group, int thread) {
  (void)thread;
  const Correlation *c = data;
  double abreast[STRETCH][ABREAST] = {0};
  int first = (int)group * ABREAST, width = c->n - first < ABREAST ? c->n - first : ABREAST;
  const double *weights = c->weights + c->from;
  for (int j = 0; j < width; j++)
    for (int64_t i = 0; i < c->count; i++) abreast[i][j] = c->columns[first + j][c->from + i];
  for (int k = first; k < c->n; k++) {
    double sums[ABREAST] = {0}, *at = c->matrix + (size_t)k * (size_t)c->n + first;
    const double *column = c->columns[k] + c->from;
    for (int j = 0; j < width; j++) sums[j] = at[j];
    for (int64_t i = 0; i < c->count; i++) {
      double x = weights[i] * column[i];
#pragma GCC unroll 8
      for (int j = 0; j < ABREAST; j++) sums[j] += x * abreast[i][j];
    }
    for (int j = 0; j < width; j++) at[j] = sums[j];
  }
}

// Pearson's coefficients.
static void correlate(Correlation *c, HgmPool *pool) {
  const int n = c->n;
  double *matrix = c->matrix;
  for (int64_t i = 0; i < c->rows; i++) c->total += c->weights[i];
  hgm_pool_run(pool, n, shift, c);
  memset(matrix, 0, sizeof *matrix * (size_t)n * (size_t)n);
  for (c->from = 0; c->from < c->rows; c->from += STRETCH) {
    c->count = c->rows - c->from < STRETCH ? c->rows - c->from : STRETCH;
    hgm_pool_run(pool, (n + ABREAST - 1) / ABREAST, add_products, c);
  }
  for (int k = 0; k < n; k++)
    for (int l = 0; l < k; l++) {
      double scale = matrix[k * n + k] * matrix[l * n + l];
      bool is_defined = matrix[k * n + k] > 0 && matrix[l * n + l] > 0 && scale > 0;
      matrix[k * n + l] = matrix[l * n + k] = is_defined ? matrix[k * n + l] / sqrt(scale) : 0;
    }
  for (int k = 0; k < n; k++) matrix[k * n + k] = 1;
}

static bool matrix_of(const HgmColumns *of, bool by_rank, HgmPool *pool, double *matrix, HgmError *error) {
  const size_t length = (size_t)of->rows + 1;
  double *room = malloc(((size_t)of->n + 1) * length * sizeof *room), **copies = malloc((size_t)(of->n + 1) * sizeof *copies);
  Place *places = by_rank ? malloc((size_t)hgm_pool_threads(pool) * length * sizeof *places) : NULL;
  bool fine = room != NULL && copies != NULL && (places != NULL || !by_rank);
  int64_t kept = 0;
  for (int k = 0; k < of->n && fine; k++) copies[k] = room + (size_t)(k + 1) * length;
  for (int64_t i = 0; i < of->rows && fine; i++) {
    bool is_finite = true;
    for (int k = 0; k < of->n; k++) is_finite = is_finite && isfinite(of->columns[k][i]);
    if (!is_finite) continue;
    for (int k = 0; k < of->n; k++) copies[k][kept] = of->columns[k][i];
    room[kept++] = of->weights == NULL ? 1 : of->weights[i];
  }
  if (fine) correlate(&(Correlation){.columns = copies, .weights = room, .n = of->n, .rows = kept, .places = places, .matrix = matrix}, pool);
  free(places);
  free(copies);
  free(room);
  return fine || hgm_fail(error, 2, "metrics: out of memory for the correlations of %d columns", of->n);
}

bool hgm_metrics_pearson(const HgmColumns *columns, HgmPool *pool, double *matrix, HgmError *error) { return matrix_of(columns, false, pool, matrix, error); }

bool hgm_metrics_spearman(const HgmColumns *columns, HgmPool *pool, double *matrix, HgmError *error) { return matrix_of(columns, true, pool, matrix, error); }

double hgm_metrics_matrix_difference(const double *a, const double *b, int n, int *row, int *column) {
  double most = 0;
  *row = *column = 0;
  for (int k = 0; k < n * n; k++) {
    if (!(fabs(a[k] - b[k]) > most)) continue;
    most = fabs(a[k] - b[k]);
    *row = k / n;
    *column = k % n;
  }
  return most;
}

// ---- correlations of the truth against itself

enum { FEW_HALVINGS = 2, MANY_HALVINGS = 8, MANY_NUMBERS = 2000000 };

// Two halves of the rows: columns (n) and weights of each.
typedef struct Halves {
  int n;
  int64_t rows[2];
  double **columns[2], *weights[2];
} Halves;

// Everything lies in one block that `columns[0]` begins. False: no memory.
static bool halves_reserve(Halves *h, int n, int64_t rows) {
  size_t each = (size_t)(rows + 1) / 2 + 1, lists = 2 * ((size_t)n + 1) * sizeof(double *);
  double **room = malloc(lists + 2 * ((size_t)n + 1) * each * sizeof(double)), *next = room == NULL ? NULL : (double *)((char *)room + lists);
  *h = (Halves){.n = n, .columns = {room, room + n + 1}};
  for (int side = 0; room != NULL && side < 2; side++) {
    for (int k = 0; k < n; k++, next += each) h->columns[side][k] = next;
    h->weights[side] = next, next += each;
  }
  return room != NULL;
}

static void halves_deal(Halves *h, const HgmColumns *of, uint64_t key, uint64_t number) {
  int64_t want = of->rows / 2;
  h->rows[0] = h->rows[1] = 0;
  for (int64_t i = 0; i < of->rows; i++) {
    int side = philox_uniform(key, number, 0, (uint64_t)i) < (double)(want - h->rows[0]) / (double)(of->rows - i) ? 0 : 1;
    for (int k = 0; k < h->n; k++) h->columns[side][k][h->rows[side]] = of->columns[k][i];
    h->weights[side][h->rows[side]++] = of->weights == NULL ? 1 : of->weights[i];
  }
}

// The largest difference between both; matrices: room for two.
static bool halves_differ(const Halves *h, bool by_rank, HgmPool *pool, double *matrices, double *difference, HgmError *error) {
  int row, column;
  double *of[] = {matrices, matrices + (size_t)h->n * (size_t)h->n};
  for (int side = 0; side < 2; side++)
    if (!matrix_of(&(HgmColumns){(const double *const *)h->columns[side], h->n, h->rows[side], h->weights[side]}, by_rank, pool, of[side], error)) return false;
  *difference = hgm_metrics_matrix_difference(of[0], of[1], h->n, &row, &column);
  return true;
}

bool hgm_metrics_correlation_floor(const HgmColumns *of, uint64_t seed, HgmPool *pool, HgmCorrelationFloor *floor_, HgmError *error) {
  Halves h;
  double pearson[MANY_HALVINGS], spearman[MANY_HALVINGS], *matrices = malloc((2 * (size_t)of->n * (size_t)of->n + 1) * sizeof *matrices);
  bool room = halves_reserve(&h, of->n, of->rows),
       fine = (room && matrices != NULL) || hgm_fail(error, 2, "metrics: out of memory for the correlations of %d columns", of->n);
  int times = (double)of->n * (double)of->rows > MANY_NUMBERS ? FEW_HALVINGS : MANY_HALVINGS;
  uint64_t key = philox_key(seed, "metrics.halves");
  *floor_ = (HgmCorrelationFloor){0};
  for (int k = 0; k < times && fine; k++) {
    halves_deal(&h, of, key, (uint64_t)k);
    fine = halves_differ(&h, false, pool, matrices, &pearson[k], error) && halves_differ(&h, true, pool, matrices, &spearman[k], error);
  }
  if (fine) mean_and_spread(pearson, times, &floor_->pearson, &floor_->pearson_error);
  if (fine) mean_and_spread(spearman, times, &floor_->spearman, &floor_->spearman_error);
  free(h.columns[0]);
  free(matrices);
  return fine;
}
