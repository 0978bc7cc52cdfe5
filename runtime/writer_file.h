// Inside the writers: what is common to the formats, and what each of them does.
#ifndef HGM_WRITER_FILE_H
#define HGM_WRITER_FILE_H

#include "runtime/writer.h"

// One format. `abandon` frees the backend, whatever became of the file; it is called at every end.
typedef struct HgmWriterFormat {
  bool (*begin)(HgmWriter *writer, const HgmAttribute *attributes, int n_attributes, HgmError *error);
  bool (*append)(HgmWriter *writer, const double *const *values, int64_t rows, HgmError *error);
  bool (*end)(HgmWriter *writer, HgmError *error);
  void (*abandon)(HgmWriter *writer);
  bool opens_itself; // HDF5 makes the temporary file; the others get `file`
} HgmWriterFormat;

extern const HgmWriterFormat hgm_writer_hdf5, hgm_writer_npy, hgm_writer_npz, hgm_writer_csv;

struct HgmWriter {
  char *path, *temporary; // temporary: NULL on standard output
  const HgmWriterFormat *format;
  const HgmOutColumn *columns;
  int n_columns;
  const HgmIo *io;
  int file;       // descriptor, or -1
  char separator; // CSV and TSV
  int64_t rows;   // appended so far
  char *buffer;
  size_t used; // of output to `file`
  void *backend;
};

bool hgm_writer_put(HgmWriter *writer, const void *bytes, size_t n, HgmError *error); // buffered
bool hgm_writer_flush(HgmWriter *writer, HgmError *error);

int64_t hgm_writer_elements(const HgmOutColumn *column);
// Bytes of one element: of a number, or of the longest text (at least 1).
size_t hgm_writer_element_bytes(const HgmOutColumn *column);
// n values as the column's type in the machine's byte order, texts padded with NUL; `row`: of the first, for messages.
bool hgm_writer_convert(const HgmWriter *writer, const HgmOutColumn *column, const double *values, int64_t n, int64_t row, char *out, HgmError *error);

#endif
