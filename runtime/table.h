// A data set of one or several files as one table: rows go on across the files, columns are asked for by name.
//
//   HgmTable *table; int column; double *pt = malloc(...);
//   if (!hgm_table_open(&table, paths, n_paths, &error)) ...
//   if (!hgm_table_require(table, "Jet_pt", &column, &error)) ...  // "jets.h5 has no column `Jet_pT`; did you mean `Jet_pt`?"
//   hgm_table_read(table, column, 0, hgm_table_rows(table), pt, &error);
//
// Files by ending: .h5 .hdf5 .hdf (also FILE.h5:/group), .npy, .npz, .csv, .tsv. Names of columns:
//   HDF5    dataset's path below the opened group (`pt`, `a/b/c/pt`); columns of a 2-D dataset with an attribute `columns` or
//           `properties`; members of a compound table (`pt`, `hit.layer`, `p4` whole and `p4[0]` singly); pandas fixed and table
//   npy     column names of a structured array, else the file's name without ending; npz: names of the members
// Thread: one at a time. The table owns all strings that it returns, until hgm_table_close.
#ifndef HGM_TABLE_H
#define HGM_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "runtime/error.h"
#include "runtime/numbers.h"

typedef struct HgmTable HgmTable;

typedef enum { HGM_COLUMN_REAL, HGM_COLUMN_INTEGER, HGM_COLUMN_TEXT } HgmColumnKind;

enum { HGM_MAX_RANK = 4 };

typedef struct HgmColumn {
  const char *name;
  HgmColumnKind kind;
  HgmFileType type; // as stored in the first file
  int rank;
  int64_t shape[HGM_MAX_RANK]; // of one row; rank 0: a number
  int64_t elements;            // product of the shape
  int64_t rows;                // over all files; columns of one table may differ, see hgm_table_check_rows
  const char *unit;            // attribute `unit` or `units` of the first file, or NULL
  int n_texts;                 // names that the file gives to the codes 0.. (pandas categorical; enum), or 0
  const char *const *texts;
  int n_parts;              // names that an attribute (`columns`, `properties`) gives to the last axis, or 0
  const char *const *parts; // "px", "py", "pz", "E"
} HgmColumn;

// Expands globs, @list files (one path a line) and keeps FILE.h5:/group; the result is freed by hgm_paths_free.
bool hgm_paths_expand(char ***paths, int *n_paths, const char *const *arguments, int n_arguments, HgmError *error);
void hgm_paths_free(char **paths, int n_paths);

// Columns are those that every file has. On failure *table is NULL.
bool hgm_table_open(HgmTable **table, const char *const *paths, int n_paths, HgmError *error);
void hgm_table_close(HgmTable *table);
const char *hgm_table_name(const HgmTable *table); // for messages: the file, or "a.h5 and 3 more"
int64_t hgm_table_rows(const HgmTable *table);     // of the first column; 0 without columns
int hgm_table_n_columns(const HgmTable *table);
const HgmColumn *hgm_table_column(const HgmTable *table, int column);
int hgm_table_find(const HgmTable *table, const char *name);                 // index or -1
int hgm_table_nearest(const HgmTable *table, const char *name, int near[3]); // how many columns have a name like it, the nearest first
const char *hgm_table_list(const HgmTable *table, char *text, size_t size);  // text: "`pt`, `eta` and 3 more"
bool hgm_table_require(const HgmTable *table, const char *name, int *column, HgmError *error);
// All of the n columns have the same number of rows (given in *rows), and at least one.
bool hgm_table_check_rows(const HgmTable *table, const int *columns, int n, int64_t *rows, HgmError *error);

// Rows [first, last) as out (rows, elements). A text column fails here. Integers beyond 2^53 that a double cannot hold fail.
bool hgm_table_read(HgmTable *table, int column, int64_t first, int64_t last, double *out, HgmError *error);
// A text column as codes: the position of each cell in `texts`; a text that is not listed fails and is named with its row.
bool hgm_table_read_codes(HgmTable *table, int column, int64_t first, int64_t last, const char *const *texts, int n_texts, double *out, HgmError *error);
// The different texts of a text column in order of appearance, at most `most` of them; owned by the table.
bool hgm_table_distinct(HgmTable *table, int column, int most, const char *const **texts, int *n_texts, HgmError *error);

// ---- loading: several columns at once, opened and looked through by several threads

typedef struct HgmWish {
  int column;
  const char *const *texts; // for a text column: its categories, else NULL
  int n_texts;
  bool has_missing; // declared sentinel: not counted as suspicious
  double missing;
  const char *unit; // in which the numbers are wanted; NULL: as in the file. What is declared missing is a mark, not a number: it stays
  int mark;         // so does this place of the last axis, counted from 1; 0: none
  bool as_in_file;  // loaded in the type that hgm_wish_type says; else as doubles
} HgmWish;

// Whether the numbers can be had in `unit` (NULL: any). *said: the unit of the first file from which they are converted, NULL: none is.
// False: *said is of another dimension. What only one side calls a unit (runtime/units.def) says nothing.
bool hgm_table_unit(const HgmTable *table, int column, const char *unit, const char **said);
// "note: units of mev.h5 are converted: `pt` MeV to GeV, `x` mm to cm and 4 more\n"; "" where nothing is converted.
const char *hgm_units_note(const HgmTable *table, const HgmWish *wishes, int n, char *text, size_t size);

// The type of the numbers that a load gives: the file's own, of codes one that holds them, of files that differ and of what is converted double.
HgmFileType hgm_wish_type(const HgmTable *table, const HgmWish *wish);

// What was seen in a column. Rows are numbers from 0; -1: none.
typedef struct HgmColumnReport {
  int64_t nan, infinite, sentinel; // counts over all elements
  int64_t first_nan, first_infinite, first_sentinel;
  double sentinel_value; // a repeated -999, -9999, -99 … far outside the rest; not declared
  double low, high;      // of the finite values that are not the declared sentinel
  bool constant;
} HgmColumnReport;

// Loads whole columns: values[k] is (rows, elements) row-major of hgm_wish_type, in *memory, for the caller to free(). reports: (n) or NULL.
bool hgm_table_load(HgmTable *table, const HgmWish *wishes, int n, int threads, void **values, void **memory, HgmColumnReport *reports, HgmError *error);

// The same piece by piece. The table and the wishes must outlive the loader; while it reads nothing else may read the table.
typedef struct HgmLoader HgmLoader;
bool hgm_loader_open(HgmLoader **loader, HgmTable *table, const HgmWish *wishes, int n, int threads, HgmError *error);
void hgm_loader_close(HgmLoader *loader); // NULL is fine
int64_t hgm_loader_rows(const HgmLoader *loader);
int64_t hgm_loader_chunk(const HgmLoader *loader); // pieces of a multiple of so many rows open no chunk twice
// Rows [first, last): values[k] gets (last - first, elements) of hgm_wish_type.
bool hgm_loader_read(HgmLoader *loader, int64_t first, int64_t last, void *const *values, HgmError *error);
void hgm_loader_report(const HgmLoader *loader, int k, HgmColumnReport *report); // of all that wish k has read

// One sentence like "nan_inf.h5: column `x` has 3 NaN (first in row 7) and 2 infinities (first in row 9)"; "" when clean.
void hgm_column_report_text(const HgmTable *table, int column, const HgmColumnReport *report, char *text, int size);

// ---- identity, for manifests

typedef struct HgmFileIdentity {
  const char *path; // as given
  int64_t bytes;
  char sha256[65]; // of the file's bytes, hexadecimal
} HgmFileIdentity;

// identities: (n files), owned by the table; reads each file once.
bool hgm_table_identity(HgmTable *table, const HgmFileIdentity **identities, int *n_files, HgmError *error);

#endif
