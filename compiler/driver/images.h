// Images of an evaluation: newly generated ones beside those they are compared with, in the same colours; where the model is told conditions, images at the
// same place have the same ones, and classes have rows of their own. As PNG files beside the report: report_image_truth.png, report_image_generated.png.
//
//   images_collect(&images, &evaluation, "report.html", arena);  images_save(&images, &error)
#ifndef HGM_DRIVER_IMAGES_H
#define HGM_DRIVER_IMAGES_H

#include "compiler/driver/evaluate.h"
#include "compiler/driver/raster.h"

enum { IMAGES_SHOWN = 48 };

typedef struct ImageGrid {
  const char *column, *unit; // unit NULL: none
  double most;               // what has the darkest colour
  struct {
    const char *name, *path;
    Raster raster;
  } sides[2]; // truth, generated
} ImageGrid;

typedef struct Images {
  VEC(ImageGrid) grids;
  const char *given;   // names of the columns that are the same at the same place; "": none
  const char *classes; // which rows show which class; "": all the same
} Images;

// Rows and columns of an image; false: the column is none.
bool images_shape(const ModelColumn *column, int64_t *rows, int64_t *columns);
double images_largest(const double *values, int64_t n); // of those that are finite; 0 at least

// report: the path of the page. Nothing where nothing is generated or no column is an image.
void images_collect(Images *images, const Evaluation *e, const char *report, Arena *arena);
bool images_save(const Images *images, HgmError *error);
// Before all the work: the files that images_save would write may be written.
bool images_may_write(const Model *model, const char *report, bool force, HgmError *error);

#endif
