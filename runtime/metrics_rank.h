// How well a number tells two kinds of events apart: the curve of efficiencies over all thresholds (ROC), its area, and the rejection
// of false events at a fixed efficiency for true ones. Weights may be negative; each kind's sum must be positive.
//
//   HgmRoc roc;  hgm_roc_open(&roc, score, is_true, weights, n, &error);  auc = hgm_roc_area(&roc);  hgm_roc_close(&roc);
#ifndef HGM_METRICS_RANK_H
#define HGM_METRICS_RANK_H

#include <stdbool.h>
#include <stdint.h>

#include "runtime/error.h"

typedef struct HgmEstimate {
  double value, error; // error NaN: none is known
} HgmEstimate;

// Points of the curve from (0, 0) to (1, 1), one a distinct score, largest first: what lies at or above it.
typedef struct HgmRoc {
  double *false_rate, *true_rate;     // (n)
  double *false_square, *true_square; // (n) of the events of exactly this score: the sums of squared weights
  int64_t n;
  double false_events, true_events; // as many as their weights are worth: (Σ w)² / Σ w²
  double false_total, true_total;   // of weights
  int64_t left_out;                 // scores that are not finite
} HgmRoc;

// score, is_true (0 or 1), weights (NULL: all 1): (n). False, and an error that says it, where one kind has no weight.
bool hgm_roc_open(HgmRoc *roc, const double *score, const double *is_true, const double *weights, int64_t n, HgmError *error);
void hgm_roc_close(HgmRoc *roc);
// Area under the curve: the share of pairs of a true and a false event that the score puts in order, ties half. The error is that of
// DeLong, DeLong, Clarke-Pearson, Biometrics 44 (1988) 837, with weights in its sums.
HgmEstimate hgm_roc_area(const HgmRoc *roc);
// 1 / (rate of false events) where the rate of true ones is `efficiency`, between points of the curve linear; infinite where no false
// event is left. The error is binomial at the fixed threshold.
HgmEstimate hgm_roc_rejection(const HgmRoc *roc, double efficiency);
// What the area of an empty score has for an error: sqrt((n + m + 1) / (12 n m)) of n and m events (Mann and Whitney 1947).
double hgm_roc_chance_error(double n, double m);

#endif
