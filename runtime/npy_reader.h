// NumPy's array format (numpy.lib.format, versions 1 to 3), for .npy files and the members of .npz files.
#ifndef HGM_NPY_READER_H
#define HGM_NPY_READER_H

#include "runtime/table_file.h"

// Where the bytes of an array come from.
typedef struct NpySource {
  // Bytes [offset, offset + n) of the array file; false with a message.
  bool (*read)(struct NpySource *source, int64_t offset, size_t n, char *bytes, HgmError *error);
  void (*close)(struct NpySource *source); // frees the source
  int64_t bytes;                           // of the whole
} NpySource;

// Adds the columns of one array: `name` for a plain one, its own names for a structured one, with `prefix` before them. Takes
// the source over, also on failure. label: the file, or "file, member", for messages.
bool hgm_npy_add(HgmFile *file, NpySource *source, const char *name, const char *prefix, const char *label, HgmError *error);

#endif
