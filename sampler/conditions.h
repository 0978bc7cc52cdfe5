// The columns that a task is given: read from files by name and checked as training checked them, or pinned to a value.
#ifndef HGM_SAMPLER_CONDITIONS_H
#define HGM_SAMPLER_CONDITIONS_H

#include "runtime/bundle.h"
#include "runtime/table.h"
#include "sampler/arguments.h"

typedef struct Kept { // a column of the file that goes to the output as it is
  const HgmColumn *column;
  double *values; // (rows, elements)
} Kept;

typedef struct Conditions {
  const HgmBundleTask *task;
  HgmTable *table;  // NULL: no file
  int64_t rows;     // 0: nothing is given
  double **columns; // by given column of the task: (rows, elements), in `memory` or in `pins`
  double **pins;    // by given column: (rows), NULL for what comes from the file
  void *memory;
  char note[1024]; // which units of the file were converted; "": none
  Kept *kept;
  int n_kept;
} Conditions;

// False: error names the column and the row, and conditions_close is due too.
bool conditions_open(Conditions *conditions, const HgmBundleTask *task, const Texts *files, const Texts *fixes, const Texts *keep, HgmError *error);
void conditions_close(Conditions *conditions);

#endif
