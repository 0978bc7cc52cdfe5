// Events as HDF5: one extendable dataset per column, chunked, gzip + shuffle; names with `/` make groups.
#include <hdf5.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/hdf5_reader.h"
#include "runtime/writer_file.h"

enum { CHUNK_BYTES = 1 << 18, MOST_CHUNK_ROWS = 1 << 14, GZIP_LEVEL = 4 };

typedef struct Output {
  hid_t file;
  hid_t *datasets; // (n_columns)
  char *bytes;
  size_t cap; // converted rows of one column
} Output;

static hid_t bool_type(void) { // as h5py has it
  hid_t type = H5Tenum_create(H5T_STD_I8LE);
  H5Tenum_insert(type, "FALSE", &(const signed char){0});
  H5Tenum_insert(type, "TRUE", &(const signed char){1});
  return type;
}

// Type of a column in file or memory, to be closed.
static hid_t column_type(const HgmOutColumn *column, bool in_file) {
  switch (column->type) {
  case HGM_FILE_F32: return H5Tcopy(in_file ? H5T_IEEE_F32LE : H5T_NATIVE_FLOAT);
  case HGM_FILE_F64: return H5Tcopy(in_file ? H5T_IEEE_F64LE : H5T_NATIVE_DOUBLE);
  case HGM_FILE_I8: return H5Tcopy(in_file ? H5T_STD_I8LE : H5T_NATIVE_INT8);
  case HGM_FILE_I16: return H5Tcopy(in_file ? H5T_STD_I16LE : H5T_NATIVE_INT16);
  case HGM_FILE_I32: return H5Tcopy(in_file ? H5T_STD_I32LE : H5T_NATIVE_INT32);
  case HGM_FILE_I64: return H5Tcopy(in_file ? H5T_STD_I64LE : H5T_NATIVE_INT64);
  case HGM_FILE_U8: return H5Tcopy(in_file ? H5T_STD_U8LE : H5T_NATIVE_UINT8);
  case HGM_FILE_U16: return H5Tcopy(in_file ? H5T_STD_U16LE : H5T_NATIVE_UINT16);
  case HGM_FILE_U32: return H5Tcopy(in_file ? H5T_STD_U32LE : H5T_NATIVE_UINT32);
  case HGM_FILE_U64: return H5Tcopy(in_file ? H5T_STD_U64LE : H5T_NATIVE_UINT64);
  case HGM_FILE_BOOL: return bool_type();
  case HGM_FILE_TEXT: break;
  }
  hid_t type = H5Tcopy(H5T_C_S1);
  H5Tset_size(type, hgm_writer_element_bytes(column));
  H5Tset_strpad(type, H5T_STR_NULLPAD);
  H5Tset_cset(type, H5T_CSET_UTF8);
  return type;
}

static bool failed(const HgmWriter *writer, const char *what, const char *name, HgmError *error) {
  char cause[200];
  bool known = hgm_hdf5_cause(cause, sizeof cause);
  return hgm_fail(error, 2, "%s: %s `%s` cannot be written%s%s%s; is the disk full?", writer->path, what, name, known ? " (" : "", known ? cause : "",
                  known ? ")" : "");
}

static bool put_attribute(hid_t object, const HgmAttribute *attribute) {
  hid_t space = H5Screate(H5S_SCALAR), file_type = -1, memory_type = -1;
  const void *value = NULL;
  char nothing[] = "";
  switch (attribute->kind) {
  case HGM_ATTRIBUTE_TEXT:
    value = attribute->text != NULL ? attribute->text : nothing;
    file_type = H5Tcopy(H5T_C_S1);
    H5Tset_size(file_type, strlen(value) + 1);
    H5Tset_cset(file_type, H5T_CSET_UTF8);
    memory_type = H5Tcopy(file_type);
    break;
  case HGM_ATTRIBUTE_INTEGER:
    value = &attribute->integer;
    file_type = H5Tcopy(H5T_STD_I64LE);
    memory_type = H5Tcopy(H5T_NATIVE_INT64);
    break;
  case HGM_ATTRIBUTE_REAL:
    value = &attribute->real;
    file_type = H5Tcopy(H5T_IEEE_F64LE);
    memory_type = H5Tcopy(H5T_NATIVE_DOUBLE);
    break;
  }
  hid_t id = H5Acreate2(object, attribute->name, file_type, space, H5P_DEFAULT, H5P_DEFAULT);
  bool fine = id >= 0 && H5Awrite(id, memory_type, value) >= 0;
  if (id >= 0) H5Aclose(id);
  H5Tclose(memory_type);
  H5Tclose(file_type);
  H5Sclose(space);
  return fine;
}

static hid_t make_dataset(hid_t file, const HgmOutColumn *column) {
  hsize_t shape[HGM_MAX_RANK + 1] = {0}, most[HGM_MAX_RANK + 1] = {H5S_UNLIMITED}, chunk[HGM_MAX_RANK + 1];
  size_t row_bytes = (size_t)hgm_writer_elements(column) * hgm_writer_element_bytes(column);
  size_t chunk_rows = CHUNK_BYTES / (row_bytes > 0 ? row_bytes : 1);
  chunk[0] = chunk_rows < 1 ? 1 : chunk_rows > MOST_CHUNK_ROWS ? MOST_CHUNK_ROWS : chunk_rows;
  for (int i = 0; i < column->rank; i++) shape[i + 1] = most[i + 1] = chunk[i + 1] = (hsize_t)column->shape[i];
  hid_t space = H5Screate_simple(column->rank + 1, shape, most), create = H5Pcreate(H5P_DATASET_CREATE), link = H5Pcreate(H5P_LINK_CREATE);
  hid_t type = column_type(column, true);
  H5Pset_chunk(create, column->rank + 1, chunk);
  H5Pset_shuffle(create);
  H5Pset_deflate(create, GZIP_LEVEL);
  H5Pset_create_intermediate_group(link, 1);
  H5Pset_char_encoding(link, H5T_CSET_UTF8);
  hid_t dataset = H5Dcreate2(file, column->name, type, space, link, create, H5P_DEFAULT);
  H5Tclose(type);
  H5Pclose(link);
  H5Pclose(create);
  H5Sclose(space);
  return dataset;
}

static bool begin(HgmWriter *writer, const HgmAttribute *attributes, int n_attributes, HgmError *error) {
  hgm_hdf5_quiet();
  Output *output = calloc(1, sizeof *output);
  if (output == NULL) return hgm_fail(error, 2, "%s: out of memory", writer->path);
  writer->backend = output;
  output->file = -1;
  output->datasets = malloc((size_t)writer->n_columns * sizeof *output->datasets);
  if (output->datasets == NULL) return hgm_fail(error, 2, "%s: out of memory", writer->path);
  for (int k = 0; k < writer->n_columns; k++) output->datasets[k] = -1;
  hid_t access = H5Pcreate(H5P_FILE_ACCESS);
  H5Pset_fclose_degree(access, H5F_CLOSE_STRONG);
  output->file = H5Fcreate(writer->temporary, H5F_ACC_TRUNC, H5P_DEFAULT, access);
  bool fine = output->file >= 0 || failed(writer, "file", writer->temporary, error);
  H5Pclose(access);
  for (int i = 0; fine && i < n_attributes; i++) {
    hid_t root = H5Gopen2(output->file, "/", H5P_DEFAULT);
    fine = put_attribute(root, &attributes[i]) || failed(writer, "attribute", attributes[i].name, error);
    H5Gclose(root);
  }
  for (int k = 0; fine && k < writer->n_columns; k++) {
    const HgmOutColumn *column = &writer->columns[k];
    output->datasets[k] = make_dataset(output->file, column);
    fine = output->datasets[k] >= 0 || failed(writer, "column", column->name, error);
    HgmAttribute unit = {.name = "unit", .kind = HGM_ATTRIBUTE_TEXT, .text = column->unit};
    if (fine && column->unit != NULL) fine = put_attribute(output->datasets[k], &unit) || failed(writer, "column", column->name, error);
  }
  return fine;
}

static bool put_rows(hid_t dataset, const HgmOutColumn *column, int64_t first, int64_t rows, const char *bytes) {
  hsize_t shape[HGM_MAX_RANK + 1], start[HGM_MAX_RANK + 1] = {(hsize_t)first}, count[HGM_MAX_RANK + 1];
  shape[0] = (hsize_t)(first + rows);
  count[0] = (hsize_t)rows;
  for (int i = 0; i < column->rank; i++) shape[i + 1] = count[i + 1] = (hsize_t)column->shape[i];
  if (H5Dset_extent(dataset, shape) < 0) return false;
  hid_t space = H5Dget_space(dataset), memory = H5Screate_simple(column->rank + 1, count, NULL), type = column_type(column, false);
  bool fine = H5Sselect_hyperslab(space, H5S_SELECT_SET, start, NULL, count, NULL) >= 0 && H5Dwrite(dataset, type, memory, space, H5P_DEFAULT, bytes) >= 0;
  H5Tclose(type);
  H5Sclose(memory);
  H5Sclose(space);
  return fine;
}

static bool append(HgmWriter *writer, const double *const *values, int64_t rows, HgmError *error) {
  Output *output = writer->backend;
  hgm_hdf5_quiet();
  for (int k = 0; k < writer->n_columns; k++) {
    const HgmOutColumn *column = &writer->columns[k];
    int64_t n = rows * hgm_writer_elements(column);
    size_t bytes = (size_t)n * hgm_writer_element_bytes(column);
    if (bytes > output->cap) {
      free(output->bytes);
      output->bytes = malloc(bytes);
      output->cap = output->bytes == NULL ? 0 : bytes;
      if (output->bytes == NULL) return hgm_fail(error, 2, "%s: out of memory", writer->path);
    }
    if (!hgm_writer_convert(writer, column, values[k], n, writer->rows, output->bytes, error)) return false;
    if (!put_rows(output->datasets[k], column, writer->rows, rows, output->bytes)) return failed(writer, "column", column->name, error);
  }
  return true;
}

static void close_all(HgmWriter *writer) {
  Output *output = writer->backend;
  for (int k = 0; output->datasets != NULL && k < writer->n_columns; k++) {
    if (output->datasets[k] >= 0) H5Dclose(output->datasets[k]);
    output->datasets[k] = -1;
  }
  if (output->file >= 0) H5Fclose(output->file);
  output->file = -1;
}

// False when what was still in HDF5's caches could not be written: each call is judged before the next one clears its cause.
static bool end(HgmWriter *writer, HgmError *error) {
  Output *output = writer->backend;
  hgm_hdf5_quiet();
  bool fine = true;
  for (int k = 0; fine && k < writer->n_columns; k++) {
    fine = H5Dclose(output->datasets[k]) >= 0 || failed(writer, "column", writer->columns[k].name, error);
    if (fine) output->datasets[k] = -1;
  }
  fine = fine && (H5Fflush(output->file, H5F_SCOPE_GLOBAL) >= 0 || failed(writer, "end of", writer->temporary, error));
  if (!fine) return false; // abandon closes the rest
  fine = H5Fclose(output->file) >= 0 || failed(writer, "end of", writer->temporary, error);
  output->file = -1;
  return fine;
}

static void abandon(HgmWriter *writer) {
  Output *output = writer->backend;
  if (output == NULL) return;
  hgm_hdf5_quiet();
  close_all(writer);
  free(output->datasets);
  free(output->bytes);
  free(output);
  writer->backend = NULL;
}

const HgmWriterFormat hgm_writer_hdf5 = {.begin = begin, .append = append, .end = end, .abandon = abandon, .opens_itself = true};
