// Formats that a sampler does not know: said by name.
#include "runtime/table_file.h"

bool hgm_open_npz(HgmFile *file, HgmError *error) {
  return hgm_fail(error, 2, "%s: a sampler does not read .npz; .h5, .npy, .csv and .tsv are read", file->path);
}
