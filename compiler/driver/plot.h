// Pictures of a report as SVG text, drawn to a stream: histograms of truth and generated events, curves over epochs, numbers over an axis.
// Truth is a filled area with the band of its statistical error, generated events are a line; below, their ratio,
// a triangle where it is out of range.
#ifndef HGM_DRIVER_PLOT_H
#define HGM_DRIVER_PLOT_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

typedef struct PlotSample {
  const double *values;  // (n); what is not finite or out of range is left out
  const double *weights; // (n), also negative; NULL: all 1
  int64_t n;
} PlotSample;

typedef struct PlotHistogram {
  const char *title, *unit; // unit NULL: none
  PlotSample truth, fake;
  double low, high; // low == high: chosen from the truth (plot_range)
  int bins;         // MODEL_MOST_BINS at most; 0: chosen
  bool log;         // logarithmic counts
} PlotHistogram;

typedef struct PlotCurve {
  const char *name;
  const double *y; // (n); not finite: a gap
  int64_t n;
} PlotCurve;

// Numbers of truth and of generated events over a common axis: points with error bars where they have errors, else lines.
typedef struct PlotSeries {
  const char *name;
  const double *x, *y, *error; // (n); error NULL: a line; y not finite: left out
  int64_t n;
  bool is_truth; // grey
} PlotSeries;

typedef struct PlotFigure {
  const char *title, *x_title, *y_title;
  double low, high; // of y; low == high: as the numbers are
  bool diagonal;    // y = x, dashed
  const PlotSeries *series;
  int n;
} PlotFigure;

void plot_figure(FILE *out, const PlotFigure *figure);
void plot_histogram(FILE *out, const PlotHistogram *histogram);
void plot_curves(FILE *out, const char *x_title, const double *x, const PlotCurve *curves, int n); // x: (curves[0].n)
// Bins for a sample: equally many integers each where all are integers, else 50 between the 0.1 % and 99.9 % points, somewhat widened.
void plot_range(const PlotSample *sample, double *low, double *high, int *bins);
void plot_text(FILE *out, const char *text); // with < & > " as HTML wants them

#endif
