#include "compiler/driver/raster.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { ACROSS = RASTER_ACROSS, GAP = 2, LEAST_SIDE = 75, SIDE = 480, BARS = 80, HALF_DOT = 1 };

typedef struct Colour {
  uint8_t red, green, blue;
} Colour;

static const Colour grey = {205, 210, 216}, blue = {31, 111, 235}, paper = {255, 255, 255}, frame = {140, 149, 159};

static Raster blank(Arena *arena, int width, int height, Colour colour) {
  Raster r = {width, height, ARENA_ARRAY(arena, uint8_t, (int64_t)width * height * 3)};
  for (int64_t i = 0; i < (int64_t)width * height; i++) memcpy(r.rgb + 3 * i, &colour, 3);
  return r;
}

static void fill(Raster *r, int x, int y, int width, int height, Colour colour) {
  for (int row = y < 0 ? 0 : y; row < y + height && row < r->height; row++)
    for (int column = x < 0 ? 0 : x; column < x + width && column < r->width; column++) memcpy(r->rgb + 3 * ((int64_t)row * r->width + column), &colour, 3);
}

// ---- images

static Colour heat(double share) {
  static const Colour stops[] = {{253, 246, 214}, {252, 196, 92}, {240, 110, 50}, {176, 34, 78}, {66, 10, 90}, {10, 4, 30}};
  enum { LAST = sizeof stops / sizeof *stops - 1 };
  double at = (share < 0 ? 0 : share > 1 ? 1 : share) * LAST;
  int k = at >= LAST ? LAST - 1 : (int)at;
  double f = at - k;
  Colour a = stops[k], b = stops[k + 1];
  return (Colour){(uint8_t)(a.red + f * (b.red - a.red)), (uint8_t)(a.green + f * (b.green - a.green)), (uint8_t)(a.blue + f * (b.blue - a.blue))};
}

Raster raster_images(Arena *arena, const double *values, int64_t n, int64_t rows, int64_t columns, double most) {
  int64_t larger = rows > columns ? rows : columns;
  int scale = larger < LEAST_SIDE ? (int)(LEAST_SIDE / larger) : 1, width = (int)columns * scale + GAP, height = (int)rows * scale + GAP;
  Raster r = blank(arena, ACROSS * width + GAP, (int)((n + ACROSS - 1) / ACROSS) * height + GAP, frame);
  for (int64_t i = 0; i < n; i++)
    for (int64_t p = 0; p < rows * columns; p++) {
      double v = values[i * rows * columns + p];
      Colour colour = v > 0 && most > 0 ? heat(1 + log10(v / most) / log10(RASTER_RANGE)) : isnan(v) ? frame : paper;
      fill(&r, (int)(i % ACROSS) * width + GAP + (int)(p % columns) * scale, (int)(i / ACROSS) * height + GAP + (int)(p / columns) * scale, scale, scale,
           colour);
    }
  return r;
}

// ---- numbers

static int by_value(const void *a, const void *b) {
  double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

typedef struct Span1 {
  double low, high;
} Span1;

// From the 0.5 % to the 99.5 % point of component k, and a fifth more.
static Span1 extent(RasterSample s, int k, int components) {
  double *sorted = malloc(sizeof *sorted * (size_t)(s.n + 1));
  int64_t n = 0;
  for (int64_t i = 0; sorted != NULL && i < s.n; i++)
    if (isfinite(s.values[i * components + k])) sorted[n++] = s.values[i * components + k];
  Span1 e = {-1, 1};
  if (n > 0) {
    qsort(sorted, (size_t)n, sizeof *sorted, by_value);
    e = (Span1){sorted[n / 200], sorted[n - 1 - n / 200]};
    double margin = 0.2 * (e.high - e.low);
    e.low -= margin, e.high += margin;
  }
  if (!(e.high > e.low)) e.low -= 1, e.high += 1;
  free(sorted);
  return e;
}

static double place(Span1 e, double x) { return isfinite(x) ? (x - e.low) / (e.high - e.low) : -1; }

static void dots(Raster *r, RasterSample s, Span1 x, Span1 y, Colour colour) {
  for (int64_t i = 0; i < s.n; i++) {
    double across = place(x, s.values[2 * i]), up = place(y, s.values[2 * i + 1]);
    if (across < 0 || across > 1 || up < 0 || up > 1) continue;
    fill(r, (int)(across * SIDE) - HALF_DOT, (int)((1 - up) * SIDE) - HALF_DOT, 2 * HALF_DOT + 1, 2 * HALF_DOT + 1, colour);
  }
}

static void border(Raster *r) {
  fill(r, 0, 0, r->width, 1, frame);
  fill(r, 0, r->height - 1, r->width, 1, frame);
  fill(r, 0, 0, 1, r->height, frame);
  fill(r, r->width - 1, 0, 1, r->height, frame);
}

Raster raster_points(Arena *arena, RasterSample truth, RasterSample fake) {
  Raster r = blank(arena, SIDE, SIDE, paper);
  RasterSample frame_of = truth.n > 0 ? truth : fake;
  Span1 x = extent(frame_of, 0, 2), y = extent(frame_of, 1, 2);
  dots(&r, truth, x, y, grey);
  dots(&r, fake, x, y, blue);
  border(&r);
  return r;
}

static void count(RasterSample s, Span1 e, double share[BARS]) {
  memset(share, 0, sizeof *share * BARS);
  for (int64_t i = 0; i < s.n; i++) {
    double at = place(e, s.values[i]);
    if (at >= 0 && at < 1) share[(int)(at * BARS)] += 1.0 / (double)s.n;
  }
}

Raster raster_shares(Arena *arena, RasterSample truth, RasterSample fake) {
  enum { HEIGHT = SIDE / 2, WIDE = SIDE / BARS };
  Raster r = blank(arena, SIDE, HEIGHT, paper);
  Span1 e = extent(truth.n > 0 ? truth : fake, 0, 1);
  double a[BARS], b[BARS], most = 1e-9;
  count(truth, e, a);
  count(fake, e, b);
  for (int i = 0; i < BARS; i++) most = fmax(most, a[i] > 0 ? a[i] : b[i]);
  for (int i = 0; i < BARS; i++) {
    int height = (int)(a[i] / most * 0.85 * HEIGHT), line = (int)(fmin(b[i] / most, 1.15) * 0.85 * HEIGHT);
    fill(&r, i * WIDE, HEIGHT - height, WIDE, height, grey);
    fill(&r, i * WIDE, HEIGHT - line - 1, WIDE, 2, blue);
  }
  border(&r);
  return r;
}
