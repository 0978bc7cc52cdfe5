// The course of a training, as the run directory's metrics.csv tells it: one row an epoch.
#ifndef HGM_DRIVER_COURSE_H
#define HGM_DRIVER_COURSE_H

#include <stdbool.h>
#include <stdint.h>

#include "lang/base/arena.h"
#include "lang/base/vec.h"

typedef struct Course {
  Strings names;
  int64_t rows;
  double *values; // (rows, names); NaN where a number was not finite or not there
} Course;

// False: no such file, or it cannot be read. Everything lies in the arena.
bool course_read(Course *course, const char *directory, Arena *arena);
// The column of this name as (rows), or NULL.
const double *course_column(const Course *course, const char *name, Arena *arena);
// Seconds of training to the end of the last epoch that the file has; 0: none.
double course_seconds(const char *directory, Arena *arena);

#endif
