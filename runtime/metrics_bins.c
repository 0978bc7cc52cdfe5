#include "runtime/metrics_bins.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static double weight_of(const double *weights, int64_t i) { return weights == NULL ? 1 : weights[i]; }

// ---- histograms

void hgm_range(const HgmSample *sample, double *low, double *high) {
  *low = INFINITY, *high = -INFINITY;
  for (int64_t i = 0; i < sample->n; i++)
    if (isfinite(sample->values[i])) *low = fmin(*low, sample->values[i]), *high = fmax(*high, sample->values[i]);
  if (*low > *high) *low = 0, *high = 1;
  if (*low == *high) *low -= 0.5, *high += 0.5;
}

static int equal_bin(double x, double low, double high, int bins) {
  double place = floor((x - low) / (high - low) * bins);
  return place >= bins ? bins - 1 : place > 0 ? (int)place : 0; // the first where there is no place: a range beyond all numbers
}

bool hgm_histogram(const HgmSample *sample, double low, double high, int bins, double *shares, HgmError *error) {
  double total = 0;
  memset(shares, 0, sizeof *shares * (size_t)bins);
  for (int64_t i = 0; i < sample->n; i++) {
    if (!isfinite(sample->values[i])) continue;
    double w = weight_of(sample->weights, i);
    shares[equal_bin(sample->values[i], low, high, bins)] += w;
    total += w;
  }
  if (!(total > 0)) return hgm_fail(error, 1, "metrics: a histogram's weights sum to %g; the sum must be positive", total);
  for (int b = 0; b < bins; b++) shares[b] /= total;
  return true;
}

double hgm_bins_chi2(const double *p, const double *q, int n) {
  double sum = 0;
  for (int i = 0; i < n; i++)
    if (p[i] + q[i] > 0) sum += (p[i] - q[i]) * (p[i] - q[i]) / (p[i] + q[i]);
  return sum;
}

double hgm_bins_js(const double *p, const double *q, int n) {
  double sum = 0;
  for (int i = 0; i < n; i++) {
    double a = fmax(p[i], 0), b = fmax(q[i], 0), middle = (a + b) / 2;
    if (a > 0) sum += a * log(a / middle) / 2;
    if (b > 0) sum += b * log(b / middle) / 2;
  }
  return sum;
}

double hgm_bins_earth(const double *p, const double *q, int n) {
  double difference = 0, sum = 0;
  for (int i = 0; i < n; i++) {
    difference += p[i] - q[i];
    sum += fabs(difference) / n;
  }
  return sum;
}

// ---- profiles

static int ascending(const void *a, const void *b) {
  double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

int hgm_equal_bins(const double *values, int64_t n, int bins, double *edges, HgmError *error) {
  double *sorted = malloc(sizeof *sorted * (size_t)(n + 1));
  int64_t kept = 0;
  int count = 0;
  if (sorted == NULL) {
    hgm_fail(error, 2, "metrics: out of memory for %lld values", (long long)n);
    return 0;
  }
  for (int64_t i = 0; i < n; i++)
    if (isfinite(values[i])) sorted[kept++] = values[i];
  qsort(sorted, (size_t)kept, sizeof *sorted, ascending);
  edges[0] = kept > 0 ? sorted[0] : 0;
  for (int b = 1; b <= bins && kept > 0; b++) {
    double edge = sorted[b == bins ? kept - 1 : kept * b / bins];
    if (edge > edges[count]) edges[++count] = edge;
  }
  if (count == 0) edges[++count] = edges[0] + 1;
  free(sorted);
  return count;
}

int hgm_bin_of(double x, const double *edges, int bins) {
  if (!isfinite(x)) return -1;
  int low = 0, high = bins; // the last edge at or below x
  while (high - low > 1) {
    int middle = (low + high) / 2;
    if (edges[middle] <= x) low = middle;
    else high = middle;
  }
  return low;
}

static bool profile_reserve(HgmProfile *p, int cells) {
  double *room = calloc((size_t)cells * 4 + 1, sizeof *room);
  *p = (HgmProfile){room, room + cells, room + 2 * cells, room + 3 * cells, cells};
  return room != NULL;
}

bool hgm_profile_open(HgmProfile *p, const double *y, const int *cell, const double *weights, int64_t n, int cells, HgmError *error) {
  if (!profile_reserve(p, cells)) return hgm_fail(error, 2, "metrics: out of memory for %d cells", cells);
  double total = 0;
  for (int pass = 0; pass < 2; pass++) { // sums, then squares around the means
    for (int64_t i = 0; i < n; i++) {
      int c = cell[i];
      if (c < 0 || c >= cells || !isfinite(y[i])) continue;
      double w = weight_of(weights, i);
      if (pass == 0) p->share[c] += w, p->mean[c] += w * y[i], total += w;
      else p->spread[c] += w * (y[i] - p->mean[c]) * (y[i] - p->mean[c]), p->error[c] += w * w * (y[i] - p->mean[c]) * (y[i] - p->mean[c]);
    }
    for (int c = 0; c < cells && pass == 0; c++) p->mean[c] = p->share[c] > 0 ? p->mean[c] / p->share[c] : NAN;
  }
  for (int c = 0; c < cells; c++) {
    p->spread[c] = p->share[c] > 0 ? sqrt(fmax(p->spread[c] / p->share[c], 0)) : NAN;
    p->error[c] = p->share[c] > 0 ? sqrt(p->error[c]) / p->share[c] : NAN;
    p->share[c] = p->share[c] > 0 && total > 0 ? p->share[c] / total : 0;
  }
  return true;
}

void hgm_profile_close(HgmProfile *p) {
  free(p->mean);
  *p = (HgmProfile){0};
}

double hgm_profile_difference(const HgmProfile *p, const HgmProfile *other, double unit) {
  double sum = 0, share = 0;
  for (int c = 0; c < p->cells; c++) {
    if (isnan(p->mean[c]) || isnan(other->mean[c])) continue;
    sum += p->share[c] * fabs(p->mean[c] - other->mean[c]);
    share += p->share[c];
  }
  return share > 0 ? sum / share / (unit > 0 ? unit : 1) : NAN;
}

// ---- holes

bool hgm_holes(const double *a, const double *b, const double *weights, int64_t n, const double range_a[2], const double range_b[2], int bins, double *share,
               HgmError *error) {
  double *cells = calloc((size_t)bins * (size_t)bins + 1, sizeof *cells);
  if (cells == NULL) return hgm_fail(error, 2, "metrics: out of memory for %d × %d bins", bins, bins);
  for (int64_t i = 0; i < n; i++)
    if (isfinite(a[i]) && isfinite(b[i]))
      cells[equal_bin(a[i], range_a[0], range_a[1], bins) * (int64_t)bins + equal_bin(b[i], range_b[0], range_b[1], bins)] += fabs(weight_of(weights, i));
  int64_t empty = 0;
  for (int64_t c = 0; c < (int64_t)bins * bins; c++) empty += cells[c] == 0;
  *share = (double)empty / ((double)bins * bins);
  free(cells);
  return true;
}

// ---- evenness

typedef struct Placed {
  double u, weight;
} Placed;

static int by_place(const void *a, const void *b) {
  const Placed *p = a, *q = b;
  if (p->u != q->u) return p->u < q->u ? -1 : 1;
  return (p->weight > q->weight) - (p->weight < q->weight);
}

double hgm_evenness(const double *u, const double *weights, int64_t n, HgmError *error) {
  Placed *places = malloc((size_t)(n + 1) * sizeof *places);
  if (places == NULL) {
    hgm_fail(error, 2, "metrics: out of memory for %lld events", (long long)n);
    return NAN;
  }
  double total = 0, below = 0, most = 0;
  for (int64_t i = 0; i < n; i++) places[i] = (Placed){u[i], weight_of(weights, i)}, total += places[i].weight;
  qsort(places, (size_t)n, sizeof *places, by_place);
  for (int64_t i = 0; i < n && total > 0; i++) {
    most = fmax(most, fabs(below / total - places[i].u));
    below += places[i].weight;
    most = fmax(most, fabs(below / total - places[i].u));
  }
  free(places);
  return most;
}

HgmEstimate hgm_evenness_by_chance(double n) { return (HgmEstimate){0.868731160636159 / sqrt(n), 0.260332871462413 / sqrt(n)}; }
