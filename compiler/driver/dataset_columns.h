// Where the columns that a data block names stand in the files: paths, groups, types and shapes. What is wrong is said at the column's place in the model.
//
//   HgmTable *table;  dataset_table(&table, arena, data, &files, &error) && dataset_columns(session, table, data, dataset_every, NULL, places, &error)
#ifndef HGM_DRIVER_DATASET_COLUMNS_H
#define HGM_DRIVER_DATASET_COLUMNS_H

#include "compiler/driver/dataset.h"

// The files' paths without patterns; of data from several groups once for each group: FILE:/qcd, …, then FILE:/t, ….
bool dataset_paths(Arena *arena, const ModelData *data, const Strings *files, Strings *out, HgmError *error);
bool dataset_table(HgmTable **table, Arena *arena, const ModelData *data, const Strings *files, HgmError *error); // of all of them, to be closed
bool dataset_every(const void *context, const ModelColumn *column);                                               // wants every column
// The wanted columns' places in the table. False: what is wrong was printed at the columns' places in the model, or is in error.
bool dataset_columns(Session *session, const HgmTable *table, const ModelData *data, bool (*wanted)(const void *, const ModelColumn *), const void *context,
                     int *places, HgmError *error);
// The unit that the column is read in: the model's; of a column without one that of what it meets there, if the file's is of its dimension; else the
// (first) file's; NULL: none.
const char *dataset_unit(const ModelColumn *column, const HgmColumn *found);

#endif
