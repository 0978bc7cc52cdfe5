// The report of an evaluation as one HTML page that needs nothing else: what the run was made from, the course of training,
// metrics beside their floors, a picture of every column and observable.
#ifndef HGM_DRIVER_REPORT_H
#define HGM_DRIVER_REPORT_H

#include "compiler/driver/evaluate.h"

typedef struct Report {
  const char *title;
  const Evaluation *evaluation;
  const Model *model;          // NULL: two files were compared
  const HgmManifest *manifest; // NULL likewise
  const char *directory;       // of the run, for metrics.csv; NULL likewise
} Report;

// Writes the page under a temporary name and renames it. False: error.
bool report_write(const Report *report, const char *path, HgmError *error);

#endif
