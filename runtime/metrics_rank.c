#include "runtime/metrics_rank.h"

#include <math.h>
#include <stdlib.h>

typedef struct Scored {
  double score, weight;
  bool is_true;
} Scored;

static int by_score(const void *a, const void *b) { // largest first
  const Scored *p = a, *q = b;
  if (p->score != q->score) return p->score < q->score ? 1 : -1;
  if (p->is_true != q->is_true) return p->is_true - q->is_true;
  return (p->weight > q->weight) - (p->weight < q->weight);
}

static bool reserve(HgmRoc *roc, int64_t n) {
  size_t bytes = (size_t)(n + 1) * sizeof(double);
  roc->false_rate = malloc(bytes);
  roc->true_rate = malloc(bytes);
  roc->false_square = calloc((size_t)n + 1, sizeof(double));
  roc->true_square = calloc((size_t)n + 1, sizeof(double));
  return roc->false_rate != NULL && roc->true_rate != NULL && roc->false_square != NULL && roc->true_square != NULL;
}

static void walk(HgmRoc *roc, const Scored *events, int64_t n) {
  double below[2] = {0}, squares[2] = {0};
  roc->false_rate[0] = roc->true_rate[0] = 0;
  roc->n = 1;
  for (int64_t i = 0; i < n; i++) {
    bool is_new = i == 0 || events[i].score != events[i - 1].score;
    if (is_new) roc->n++;
    double w = events[i].weight;
    below[events[i].is_true] += w;
    squares[events[i].is_true] += w * w;
    *(events[i].is_true ? &roc->true_square[roc->n - 1] : &roc->false_square[roc->n - 1]) += w * w;
    roc->false_rate[roc->n - 1] = below[0];
    roc->true_rate[roc->n - 1] = below[1];
  }
  roc->false_total = below[0];
  roc->true_total = below[1];
  roc->false_events = squares[0] > 0 ? below[0] * below[0] / squares[0] : 0;
  roc->true_events = squares[1] > 0 ? below[1] * below[1] / squares[1] : 0;
}

bool hgm_roc_open(HgmRoc *roc, const double *score, const double *is_true, const double *weights, int64_t n, HgmError *error) {
  *roc = (HgmRoc){0};
  Scored *events = malloc((size_t)(n + 1) * sizeof *events);
  if (events == NULL || !reserve(roc, n + 1)) {
    free(events);
    hgm_roc_close(roc);
    return hgm_fail(error, 2, "metrics: out of memory for %lld events", (long long)n);
  }
  int64_t kept = 0;
  for (int64_t i = 0; i < n; i++)
    if (isfinite(score[i])) events[kept++] = (Scored){score[i], weights == NULL ? 1 : weights[i], is_true[i] != 0};
  roc->left_out = n - kept;
  qsort(events, (size_t)kept, sizeof *events, by_score);
  walk(roc, events, kept);
  free(events);
  if (roc->false_total > 0 && roc->true_total > 0) {
    for (int64_t i = 0; i < roc->n; i++) roc->false_rate[i] /= roc->false_total, roc->true_rate[i] /= roc->true_total;
    return true;
  }
  hgm_fail(error, 1, "of %lld events the true ones weigh %g and the false ones %g; there must be some of both", (long long)kept, roc->true_total,
           roc->false_total);
  hgm_roc_close(roc);
  return false;
}

void hgm_roc_close(HgmRoc *roc) {
  free(roc->false_rate);
  free(roc->true_rate);
  free(roc->false_square);
  free(roc->true_square);
  *roc = (HgmRoc){0};
}

// Variance of a weighted mean of placements, `squares` being Σ w² (v - mean)² / (Σ w)²: n / (n - 1) makes it unbiased.
static double unbiased(double squares, double events) { return events > 1 ? squares * events / (events - 1) : 0; }

HgmEstimate hgm_roc_area(const HgmRoc *roc) {
  double area = 0, of_true = 0, of_false = 0;
  for (int64_t i = 1; i < roc->n; i++) area += (roc->false_rate[i] - roc->false_rate[i - 1]) * (roc->true_rate[i] + roc->true_rate[i - 1]) / 2;
  for (int64_t i = 1; i < roc->n; i++) {
    double beaten = 1 - (roc->false_rate[i] + roc->false_rate[i - 1]) / 2; // of false events, by a true one of this score
    double beating = (roc->true_rate[i] + roc->true_rate[i - 1]) / 2;      // true events, a false one of this score
    of_true += roc->true_square[i] * (beaten - area) * (beaten - area);
    of_false += roc->false_square[i] * (beating - area) * (beating - area);
  }
  of_true = unbiased(of_true / (roc->true_total * roc->true_total), roc->true_events);
  of_false = unbiased(of_false / (roc->false_total * roc->false_total), roc->false_events);
  return (HgmEstimate){area, sqrt(of_true + of_false)};
}

HgmEstimate hgm_roc_rejection(const HgmRoc *roc, double efficiency) {
  int64_t i = 1;
  while (i < roc->n - 1 && roc->true_rate[i] < efficiency) i++;
  double width = roc->true_rate[i] - roc->true_rate[i - 1], part = width > 0 ? (efficiency - roc->true_rate[i - 1]) / width : 1;
  double rate = roc->false_rate[i - 1] + part * (roc->false_rate[i] - roc->false_rate[i - 1]);
  if (!(rate > 0)) return (HgmEstimate){INFINITY, NAN};
  return (HgmEstimate){1 / rate, sqrt(rate * (1 - rate) / roc->false_events) / (rate * rate)};
}

double hgm_roc_chance_error(double n, double m) { return sqrt((n + m + 1) / (12 * n * m)); }
