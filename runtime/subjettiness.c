#include "runtime/subjettiness.h"

#include <math.h>

typedef struct Hit {
  double intensity, eta, phi;
  double nearest; // the smallest measure to a hit that follows
  int with;       // which that is; -1: none follows
} Hit;

typedef struct Hits {
  Hit *at;
  int n;
} Hits;

size_t hgm_subjettiness_room(int rows, int columns) { return sizeof(Hit) * (size_t)rows * (size_t)columns; }

static double square(double x) { return x * x; }

static double measure(const Hit *a, const Hit *b) { return square(fmin(a->intensity, b->intensity)) * (square(a->eta - b->eta) + square(a->phi - b->phi)); }

static Hits hits_of(const double *image, int rows, int columns, double reach, Hit *room) {
  Hits hits = {room, 0};
  for (int i = 0; i < rows; i++)
    for (int j = 0; j < columns; j++) {
      double x = image[i * columns + j];
      if (x > 0) room[hits.n++] = (Hit){x, reach * (2 * (i + 0.5) / rows - 1), reach * (2 * (j + 0.5) / columns - 1), INFINITY, -1};
    }
  return hits;
}

static void find_nearest(Hits *hits, int i) {
  Hit *hit = &hits->at[i];
  hit->nearest = INFINITY, hit->with = -1;
  for (int j = i + 1; j < hits->n; j++) {
    double d = hits->at[j].intensity > 0 ? measure(hit, &hits->at[j]) : INFINITY;
    if (d < hit->nearest) hit->nearest = d, hit->with = j;
  }
}

// Hit j becomes part of hit i < j; what is gone has no intensity.
static void join(Hits *hits, int i, int j) {
  Hit *a = &hits->at[i], *b = &hits->at[j];
  if (!(a->intensity > b->intensity)) a->eta = b->eta, a->phi = b->phi;
  a->intensity += b->intensity;
  b->intensity = 0, b->nearest = INFINITY;
  for (int k = 0; k < j; k++) {
    Hit *hit = &hits->at[k];
    if (!(hit->intensity > 0)) continue;
    double d = k < i ? measure(hit, a) : INFINITY;
    if (k == i || hit->with == i || hit->with == j) find_nearest(hits, k);
    else if (d < hit->nearest || (d == hit->nearest && i < hit->with)) hit->nearest = d, hit->with = i;
  }
}

static void join_nearest(Hits *hits) {
  int best = -1;
  for (int i = 0; i < hits->n; i++)
    if (hits->at[i].intensity > 0 && hits->at[i].with >= 0 && (best < 0 || hits->at[i].nearest < hits->at[best].nearest)) best = i;
  join(hits, best, hits->at[best].with);
}

// The axes come to the front.
static void find_axes(Hits *hits, int n) {
  int left = 0;
  for (int i = 0; i < hits->n; i++) find_nearest(hits, i);
  for (int more = hits->n - n; more > 0; more--) join_nearest(hits);
  for (int i = 0; i < hits->n; i++)
    if (hits->at[i].intensity > 0) hits->at[left++] = hits->at[i];
}

static void find_brightest(Hits *hits) {
  for (int i = 1; i < hits->n; i++)
    if (hits->at[i].intensity > hits->at[0].intensity) hits->at[0] = hits->at[i];
}

double hgm_subjettiness(const double *image, int rows, int columns, int n, double reach, void *room) {
  Hits hits = hits_of(image, rows, columns, reach, room);
  if (hits.n <= n) return 0;
  if (n == 1) find_brightest(&hits);
  else find_axes(&hits, n);
  double sum = 0, total = 0;
  for (int i = 0; i < rows; i++)
    for (int j = 0; j < columns; j++) {
      double x = image[i * columns + j], nearest = INFINITY;
      Hit pixel = {.eta = reach * (2 * (i + 0.5) / rows - 1), .phi = reach * (2 * (j + 0.5) / columns - 1)};
      if (!(x > 0)) continue;
      for (int k = 0; k < n; k++) nearest = fmin(nearest, square(pixel.eta - hits.at[k].eta) + square(pixel.phi - hits.at[k].phi));
      sum += x * sqrt(nearest);
      total += x;
    }
  return sum / total;
}
