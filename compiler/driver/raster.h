// Small pictures of many events in pixels: images side by side, points in a plane, a histogram.
//
//   Raster r = raster_images(arena, pixels, 48, 25, 25, most);  hgm_png_save(path, r.width, r.height, r.rgb, NULL, &error)
#ifndef HGM_DRIVER_RASTER_H
#define HGM_DRIVER_RASTER_H

#include <stdint.h>

#include "lang/base/arena.h"

typedef struct Raster {
  int width, height;
  uint8_t *rgb; // (height, width, 3)
} Raster;

typedef struct RasterSample {
  const double *values; // (n, 1) or (n, 2)
  int64_t n;
} RasterSample;

enum { RASTER_ACROSS = 8, RASTER_RANGE = 10000 };
// `n` images of rows x columns, eight in a row, values (n, rows, columns); white: zero or less, then colours by the logarithm from most / RASTER_RANGE to most;
// grey: no number.
Raster raster_images(Arena *arena, const double *values, int64_t n, int64_t rows, int64_t columns, double most);
// Points of the truth in grey, generated ones in blue, in the box that holds nearly all of the truth.
Raster raster_points(Arena *arena, RasterSample truth, RasterSample fake);
// Shares of one number, the truth filled.
Raster raster_shares(Arena *arena, RasterSample truth, RasterSample fake);

#endif
