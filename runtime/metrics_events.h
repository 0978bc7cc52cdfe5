// Distances between samples of whole events: (n, d) numbers, row-major, all finite. Callers standardise the columns.
//
//   HgmEvents a = {x, NULL, 1000, 4}, b = {y, NULL, 1000, 4};  hgm_sinkhorn(&a, &b, 0.05, &cost, &error);
#ifndef HGM_METRICS_EVENTS_H
#define HGM_METRICS_EVENTS_H

#include <stdbool.h>
#include <stdint.h>

#include "runtime/error.h"
#include "runtime/pool.h"

typedef struct HgmEvents {
  const double *x;       // (n, d)
  const double *weights; // (n), or NULL: all 1
  int64_t n;
  int d;
} HgmEvents;

// ---- modes: places that hold at least 1 % of the truth within a radius

typedef struct HgmModes {
  double *centres; // (n, d)
  double *shares;  // (n) of the truth
  int n, d;
  double radius;
} HgmModes;
// Where most of the events lie within the radius, then where most of those lie that are further than twice the radius from there, and so
// on; each centre is the mean of its events. Weights may be negative. n = 0: there is no such place.
bool hgm_modes_open(HgmModes *modes, const HgmEvents *truth, double radius, HgmError *error);
void hgm_modes_close(HgmModes *modes);
// How many modes hold at least 1 % of these events, and (inside) which share of them lies in a mode.
int hgm_modes_covered(const HgmModes *modes, const HgmEvents *events, double *inside);

// ---- optimal transport

// S(a, b) = OT(a, b) - OT(a, a) / 2 - OT(b, b) / 2 with OT(a, b) = min <P, C> + epsilon KL(P | a ⊗ b), C = |x - y|² / 2 (Feydy et al.,
// AISTATS 2019, 1810.08278). Weights must not be negative. At most a few thousand events: n m numbers in memory.
bool hgm_sinkhorn(const HgmEvents *a, const HgmEvents *b, double epsilon, double *cost, HgmError *error);

// ---- means and covariances

// |mean difference|² + tr(A + B - 2 (A B)^½) of the covariances A, B with n - 1 (with weights: Σ w - Σ w² / Σ w).
bool hgm_frechet(const HgmEvents *a, const HgmEvents *b, double *distance, HgmError *error);
// Frobenius norm of the difference of the covariance matrices.
bool hgm_covariance_distance(const HgmEvents *a, const HgmEvents *b, double *distance, HgmError *error);

// ---- kernels and neighbours; all weights are taken as 1

// Squared maximum mean discrepancy with the kernel (x·y / d + 1)⁴, without the diagonal (unbiased; it may be negative): what the kernel
// physics distance takes the median of (Kansal et al., Phys. Rev. D 107 (2023) 076017, 2211.10295).
double hgm_kernel_discrepancy(const HgmEvents *a, const HgmEvents *b);
// Density and coverage (Naeem et al., ICML 2020, 2002.09797): of balls around true events up to their k-th neighbour, how many hold a
// generated event / k, and the share that holds any.
bool hgm_coverage(const HgmEvents *truth, const HgmEvents *fake, int k, double *density, double *coverage, HgmError *error);
// Euclidean, (of->n). pool NULL: on this thread; never changes a bit.
bool hgm_nearest(const HgmEvents *of, const HgmEvents *among, HgmPool *pool, double *distance, HgmError *error);

#endif
