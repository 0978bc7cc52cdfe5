// Files of events: .h5 (one dataset per column, chunked, gzip + shuffle), .npy (structured, or a plain array for one column),
// .npz (one member per column), .csv, .tsv; "-" is CSV on standard output.
//
// The file is written under a temporary name and renamed by hgm_writer_finish: a failure never leaves a partial output
// and never harms an old one.
#ifndef HGM_WRITER_H
#define HGM_WRITER_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "runtime/error.h"
#include "runtime/io.h"
#include "runtime/table.h"

typedef struct HgmWriter HgmWriter;

typedef struct HgmOutColumn {
  const char *name; // with `/`: in HDF5 a path through groups
  HgmFileType type; // HGM_FILE_TEXT: values are positions in texts
  int rank;
  int64_t shape[HGM_MAX_RANK];
  const char *unit; // or NULL; attribute `unit`
  const char *const *texts;
  int n_texts;
  bool holes; // NaN stands for what is missing
  bool has_least, has_missing;
  double least, missing; // of a count: smaller numbers do not occur, but for the one that stands for what is missing
} HgmOutColumn;

// Of one column, over all rows that were looked at: numbers that its type does not reach, and what is no finite number.
typedef struct HgmOutCount {
  int64_t beyond, first_beyond, lost, first_lost; // how many, and the first one's row
  double value;                                   // of the first beyond
} HgmOutCount;

typedef enum { HGM_ATTRIBUTE_TEXT, HGM_ATTRIBUTE_INTEGER, HGM_ATTRIBUTE_REAL } HgmAttributeKind;
typedef struct HgmAttribute { // of the root of an HDF5 file; other formats leave them out
  const char *name;
  HgmAttributeKind kind;
  const char *text;
  int64_t integer;
  double real;
} HgmAttribute;

// Columns, names and texts must outlive the writer. force: an existing file may be replaced. io: NULL for the system's.
bool hgm_writer_open(HgmWriter **writer, const char *path, const HgmOutColumn *columns, int n_columns, const HgmAttribute *attributes, int n_attributes,
                     bool force, const HgmIo *io, HgmError *error);
// Computed numbers (rows, elements) as the column will hold them: rounded as its type does, and the nearest that it has in place of a number beyond its
// type or its least. Counts these and what is not finite (NaN in a column with holes is a hole); first: number of the first row.
void hgm_out_fit(const HgmOutColumn *column, double *values, int64_t rows, int64_t first, HgmOutCount *count);
void hgm_out_tell(FILE *out, const HgmOutColumn *column, const HgmOutCount *count); // a warning each, of what was counted
// values[k]: (rows, elements of column k). Integers are rounded; a value that the type cannot hold fails by name and row. Fails too where
// the process was told to stop (runtime/interrupt.h).
bool hgm_writer_append(HgmWriter *writer, const double *const *values, int64_t rows, HgmError *error);
// Both end the writer. finish: true only when the file stands under its name, synced.
bool hgm_writer_finish(HgmWriter *writer, HgmError *error);
void hgm_writer_abandon(HgmWriter *writer);
// Whether opening `path` would be refused (it exists and force is not given): asked before hours of work.
bool hgm_writer_check(const char *path, bool force, HgmError *error);

#endif
