// Distances between histograms, profiles, and how evenly ranks lie. Weights may be negative (NULL: all 1); sums of weights must be
// positive. Values that are not finite are left out. What lies below or above the range counts in the outermost bins.
#ifndef HGM_METRICS_BINS_H
#define HGM_METRICS_BINS_H

#include "runtime/metrics.h"
#include "runtime/metrics_rank.h"

// Shares of the sample's weight in `bins` equal bins of low .. high; they add up to 1. False: the weights' sum is not positive.
bool hgm_histogram(const HgmSample *sample, double low, double high, int bins, double *shares, HgmError *error);
// Range of the finite values; 0 .. 1 where there is none, widened where it is a point.
void hgm_range(const HgmSample *sample, double *low, double *high);

// Σ (p - q)² / (p + q), bins where p + q is not positive left out.
double hgm_bins_chi2(const double *p, const double *q, int n);
// (KL(p, m) + KL(q, m)) / 2 with m = (p + q) / 2, in nats (Lin, IEEE Trans. Inf. Theory 37 (1991) 145): the square of scipy's
// `jensenshannon`. A negative share counts as none.
double hgm_bins_js(const double *p, const double *q, int n);
// Σ |P - Q| / n of the cumulated shares: the earth mover's distance in units of the whole range.
double hgm_bins_earth(const double *p, const double *q, int n);

// Mean of y, its error and spread in cells: cell[i] in 0 .. cells - 1 is that of event i, any other number leaves it out.
typedef struct HgmProfile {
  double *mean, *error, *spread, *share; // (cells); mean NaN where a cell is empty
  int cells;
} HgmProfile;
bool hgm_profile_open(HgmProfile *profile, const double *y, const int *cell, const double *weights, int64_t n, int cells, HgmError *error);
void hgm_profile_close(HgmProfile *profile);
// Σ share |mean - other's mean| / Σ share over the cells that both have, in units of `unit`; shares are those of `profile`.
double hgm_profile_difference(const HgmProfile *profile, const HgmProfile *other, double unit);
// Edges (n + 1) of n bins that hold about equally many finite values, equal neighbours merged; the number of bins that are left.
int hgm_equal_bins(const double *values, int64_t n, int bins, double *edges, HgmError *error); // 0: out of memory
int hgm_bin_of(double x, const double *edges, int bins);                                       // clamped; -1: not finite

// Share of empty cells of a square histogram with bins × bins cells over the ranges of a and b.
bool hgm_holes(const double *a, const double *b, const double *weights, int64_t n, const double range_a[2], const double range_b[2], int bins, double *share,
               HgmError *error);

// Largest difference between the distribution function of u and that of even numbers in 0 .. 1, with weights.
double hgm_evenness(const double *u, const double *weights, int64_t n, HgmError *error); // NaN: out of memory
// What evenness of n numbers that are even has: mean 0.8687 / sqrt(n), spread 0.2603 / sqrt(n) (Kolmogorov's law).
HgmEstimate hgm_evenness_by_chance(double n);

#endif
