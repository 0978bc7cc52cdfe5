// The metrics that are computed when they are asked for: one function each, from the arguments that an evaluation has collected.
#ifndef HGM_DRIVER_MEASURE_H
#define HGM_DRIVER_MEASURE_H

#include <math.h>

#include "compiler/driver/evaluate.h"

typedef bool Measure(Evaluation *e, EvalMetric *m, HgmError *error);

// Of columns (measure.c).
Measure measure_chi2, measure_js, measure_sigma_sd;
// Of their arguments (measure_values.c).
Measure measure_roc, measure_confusion, measure_profile, measure_nll, measure_inversion, measure_modes, measure_holes;
Measure measure_calibration; // calibrate.c
// Of whole events (measure_events.c, classify.c).
Measure measure_sinkhorn, measure_covariance, measure_frechet, measure_kernel_distance, measure_coverage, measure_nearest, measure_pixels, measure_classifier;

// Once; a second time nothing is done.
bool measure(Evaluation *e, EvalMetric *m, HgmError *error);

// ---- what they share
static const HgmEstimate no_estimate = {NAN, NAN};
EvalNumber *measure_push(Evaluation *e, EvalMetric *m, const char *name, HgmEstimate value, HgmEstimate truth);
EvalFigure *measure_figure(Evaluation *e, EvalMetric *m, const char *x_title, const char *y_title);
void measure_curve(Evaluation *e, EvalFigure *figure, const HgmRoc *roc, const char *name, bool is_truth);
HgmEstimate mean_of(const double *x, int n);                                                         // of what is finite: mean, and spread of the n numbers
HgmEstimate weighted_mean(const double *x, const double *weights, int64_t n);                        // and its error
void deal_halves(const Evaluation *e, int number, int64_t *first, int64_t *second);                  // rows 0 .. n_truth - 1 at random: n / 2 each
const double *pick(Arena *arena, const double *x, int64_t elements, const int64_t *rows, int64_t n); // NULL of NULL

// All generated and given columns of whole events (of sets the observables; an angle is a point of the circle), in standard deviations of the truth (n, d). Rows that are not finite are left out.
typedef struct EventTable {
  double *x;
  double *weights; // NULL: all 1
  bool *paired;    // a column is the cosine of an angle, and the one behind it the sine
  int64_t n;
  int d;
} EventTable;
void event_tables(Evaluation *e, EventTable *truth, EventTable *fake);
bool events_have_numbers(const Evaluation *e); // false: there are sets alone, and no observables of them

#endif
