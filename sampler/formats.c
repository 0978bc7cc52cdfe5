// Formats that a sampler does not know: said by name.
#include "runtime/table_file.h"
#include "runtime/writer_file.h"

bool hgm_open_hdf5(HgmFile *file, HgmError *error) {
  return hgm_fail(error, 2, "%s: a sampler does not read HDF5; .npy, .csv and .tsv are read", file->path);
}

bool hgm_open_npz(HgmFile *file, HgmError *error) {
  return hgm_fail(error, 2, "%s: a sampler does not read .npz; .npy, .csv and .tsv are read", file->path);
}

void hgm_hdf5_quiet(void) {}

static bool refuse(HgmWriter *writer, const HgmAttribute *attributes, int n, HgmError *error) {
  (void)attributes, (void)n;
  return hgm_fail(error, 2, "%s: a sampler does not write HDF5; .npy, .npz, .csv and .tsv are written", writer->path);
}

static void nothing(HgmWriter *writer) { (void)writer; }

const HgmWriterFormat hgm_writer_hdf5 = {.begin = refuse, .abandon = nothing, .opens_itself = true};
