// Inside the readers: what a format makes of a file. A file gives blocks (rows of bytes that are read together) and fields
// (columns as places in the rows of a block); all further work is common to the formats.
#ifndef HGM_TABLE_FILE_H
#define HGM_TABLE_FILE_H

#include "runtime/heap.h"
#include "runtime/table.h"

typedef struct HgmFile HgmFile;

typedef struct HgmBlock {
  const HgmFile *file;
  const char *name; // for messages
  int64_t rows;
  size_t row_bytes;
  const char *memory; // not NULL: the rows lie here, and read is not called
  int64_t chunk_rows; // rows that are opened together: read gets whole multiples where it can; 0: no matter
  bool is_concurrent; // read may be called by several threads at a time
  // Rows [first, last) in the machine's byte order.
  bool (*read)(struct HgmBlock *block, int64_t first, int64_t last, char *bytes, HgmError *error);
  void (*close)(struct HgmBlock *block); // frees backend; NULL: nothing to do
  void *backend;
  char *cache; // rows [cached_first, cached_last): columns of one block are asked for one after the other
  size_t cache_bytes;
  int64_t cached_first, cached_last;
} HgmBlock;

typedef enum { HGM_CELL_NUMBERS, HGM_CELL_FIXED_TEXT, HGM_CELL_TEXT_POINTER } HgmCell;

typedef struct HgmField { // a column of one file
  HgmColumn column;
  HgmBlock *block; // NULL with a refusal
  size_t offset;   // of the first element in a row
  HgmCell cell;
  size_t text_bytes;   // of a fixed text, padded with NUL
  const char *refusal; // why it cannot be read (a whole sentence without the file's name), or NULL
} HgmField;

struct HgmFile {
  const char *path;  // as given, without :/group
  const char *group; // "" or the group to open
  HgmHeap heap;
  HgmField **fields;
  int n_fields, cap_fields;
  HgmBlock **blocks;
  int n_blocks, cap_blocks;
};

// A new field or block, zeroed; NULL when out of memory.
HgmField *hgm_file_add_field(HgmFile *file, const char *name);
HgmBlock *hgm_file_add_block(HgmFile *file, const char *name);
int hgm_file_find(const HgmFile *file, const char *name);
bool hgm_out_of_memory(HgmError *error, const char *path); // false
// Name ("float32") and kind of a type.
const char *hgm_type_name(HgmFileType type);
HgmColumnKind hgm_type_kind(HgmFileType type);

// One opener per format.
bool hgm_open_hdf5(HgmFile *file, HgmError *error);
bool hgm_open_npy(HgmFile *file, HgmError *error);
bool hgm_open_npz(HgmFile *file, HgmError *error);
bool hgm_open_csv(HgmFile *file, HgmError *error);
void hgm_hdf5_quiet(void); // no printing by HDF5 in the calling thread

// Rows [first, last) of the field's block: pointer to the bytes of the first row (in memory or cache), and how many rows from
// there on are at hand (>= 1).
bool hgm_block_rows(HgmBlock *block, int64_t first, int64_t last, const char **bytes, int64_t *rows, HgmError *error);
// Text of a cell: not NUL-terminated, n bytes.
void hgm_field_text(const HgmField *field, const char *row, const char **text, size_t *n);

// The wished column can be read at all: neither refused nor of another kind than wished.
bool hgm_wish_check(const HgmTable *table, const HgmWish *wish, HgmError *error);
// n rows at hand as numbers or codes; `row`: number of the first in the table, for messages. May be called by several threads at a time.
bool hgm_wish_put(const HgmTable *table, const HgmWish *wish, const HgmField *field, const char *bytes, int64_t n, int64_t row, double *out, HgmError *error);
// numbers[0..n) of the field into the wished unit.
void hgm_wish_convert(const HgmWish *wish, const HgmField *field, int64_t n, double *numbers);

// Inside the table.
struct HgmTable {
  HgmHeap heap;
  HgmFile **files;
  int n_files;
  HgmColumn *columns;
  int n_columns;
  int *fields; // (n_columns, n_files): index of the column's field in each file
  const char *name;
  HgmFileIdentity *identities;
};
const HgmField *hgm_table_field(const HgmTable *table, int column, int file);

#endif
