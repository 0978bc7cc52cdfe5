// The events of one data block in memory: columns read and checked, cuts applied, rows split, preparations fitted and applied.
//
//   Dataset d;  dataset_open(&d, session, data, &files, &error) && dataset_cut(&d, session, store, &error)
//     && dataset_fit(&d, …) && dataset_prepare(&d, …)
#ifndef HGM_DRIVER_DATASET_H
#define HGM_DRIVER_DATASET_H

#include "compiler/driver/bound.h"
#include "runtime/scratch.h"
#include "runtime/table.h"

typedef enum { SPLIT_TRAIN, SPLIT_VALID, SPLIT_TEST, SPLIT_COUNT } Split;

typedef struct Rows {
  const int64_t *at;
  int64_t n;
} Rows; // of a data set, ascending

typedef struct DataFiles {
  Strings of[SPLIT_COUNT];
  int64_t memory;     // bytes that the data may take in memory; 0: any
  const char *folder; // where a scratch file goes when it needs more
} DataFiles;          // valid and test may be empty: shares of the training files

typedef struct Dataset {
  const ModelData *data;
  HgmTable *table;
  int64_t rows;               // of all files
  int64_t begin[SPLIT_COUNT]; // first row of the files of each split; rows where it has none
  void *memory;               // of the columns
  HgmScratch *scratch;        // NULL: in memory; else what is large lies there
  int64_t memory_limit;       // with a scratch file: bytes that may be in memory
  const char *folder;
  Arena *arena;                 // the session's
  int *places;                  // by model column: its index in the table
  double *least;                // by model column: of counts (whole numbers that are never negative) the least; else NaN
  int64_t *chosen[SPLIT_COUNT]; // rows of each split, ascending, cuts applied
  int64_t n[SPLIT_COUNT];
  int64_t cut;   // rows that `where` left out
  Tables tables; // column:* in the types of the file, the same as raw:BLOCK.* for training, later prep:*, weight:*
  Bound prepare; // compiled once, for the cuts and for the preparation
} Dataset;

// Finds and reads the columns that the model names (only those that `wanted` accepts; NULL: all). A missing or misfit column
// is a diagnostic at its place in the model (session->diags, printed here); NaN and the like are errors that name the row.
bool dataset_open(Dataset *dataset, Session *session, const ModelData *data, const DataFiles *files,
                  bool (*wanted)(const void *context, const ModelColumn *column), const void *context, HgmError *error);
// Checks the columns alone, reads nothing (`check --data`).
bool dataset_check(Session *session, const ModelData *data, const Strings *files, HgmError *error);
// How the components of four-vectors stand in the file goes into states; once those are a run's (known), the file must agree. Before what
// reads columns is run.
bool dataset_orders(Dataset *dataset, Store *store, bool known, HgmError *error);
bool dataset_cut(Dataset *dataset, Session *session, Store *store, bool trains, HgmError *error); // `where`, then the split; false also where nothing is left
bool dataset_fit(Dataset *dataset, Session *session, Store *store, HgmError *error);              // statistics -> states of the store
bool dataset_prepare(Dataset *dataset, Session *session, Store *store, HgmError *error);          // prep:* and weight:* tables
// As many events of equal weight tell as much as those of the training split: (sum w)^2 / sum w^2 (Kish 1965). Behind dataset_prepare.
double dataset_worth(const Dataset *dataset);
// Runs a program over rows[0..n), chunk by chunk; output k goes to data[k] + chunk start * bytes[k].
bool dataset_run(Bound *bound, const int64_t *rows, int64_t n, const char *const *outputs, char *const *data, const size_t *bytes, int n_outputs,
                 HgmError *error);
// Memory for an array over the rows, as long as the data set lives: plain, or in its scratch file. NULL: the error says why.
void *dataset_take(Dataset *dataset, size_t bytes, HgmError *error);
int64_t column_elements(const ModelColumn *column);                                                         // numbers of one event
void dataset_add_column(Dataset *dataset, const ModelColumn *column, HgmFileType type, const void *values); // (rows, elements), as tables
// Leaves those of the rows for which the program says `keep`, in memory as dataset_take gives it. False: the error says why.
bool dataset_select(Dataset *dataset, Session *session, Store *store, const IrFn *keep, Rows *rows, HgmError *error);
void dataset_close(Dataset *dataset);

enum {
  CHUNK = 16384,   // events of one call outside of training
  BULK_TILE = 128, // events of a tile in training and bulk (docs/execution.md)
  EVENT_TILE = 1,  // and where single events count
};

#endif
