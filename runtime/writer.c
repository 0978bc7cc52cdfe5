#include "runtime/writer.h"

#include <errno.h>
#include <fcntl.h>
#include <float.h>
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include "runtime/interrupt.h"
#include "runtime/table_file.h"
#include "runtime/writer_file.h"

enum { BUFFER_BYTES = 1 << 18 };

// ---- formats and names

static const struct Ending {
  const char *text;
  const HgmWriterFormat *format;
  char separator;
} ENDINGS[] = {
    {".h5", &hgm_writer_hdf5, 0}, {".hdf5", &hgm_writer_hdf5, 0}, {".npy", &hgm_writer_npy, 0},
    {".npz", &hgm_writer_npz, 0}, {".csv", &hgm_writer_csv, ','}, {".tsv", &hgm_writer_csv, '\t'},
};

static const struct Ending *ending_of(const char *path, HgmError *error) {
  static const struct Ending output = {"-", &hgm_writer_csv, ','};
  if (strcmp(path, "-") == 0) return &output;
  size_t n = strlen(path);
  for (size_t i = 0; i < sizeof ENDINGS / sizeof *ENDINGS; i++) {
    size_t m = strlen(ENDINGS[i].text);
    if (n > m && strcasecmp(path + n - m, ENDINGS[i].text) == 0) return &ENDINGS[i];
  }
  hgm_fail(error, 2, "%s: unknown ending of an output; known are .h5 .hdf5 .npy .npz .csv .tsv, and - for CSV on standard output", path);
  return NULL;
}

bool hgm_writer_check(const char *path, bool force, HgmError *error) {
  if (ending_of(path, error) == NULL) return false;
  if (strcmp(path, "-") == 0) return true;
  return hgm_io_may_write(path, force, error);
}

// ---- output

bool hgm_writer_flush(HgmWriter *writer, HgmError *error) {
  bool fine = hgm_io_write_all(writer->io, writer->file, writer->buffer, writer->used);
  writer->used = 0;
  return fine || hgm_fail(error, 2, "%s: cannot be written: %s", writer->path, strerror(errno));
}

bool hgm_writer_put(HgmWriter *writer, const void *bytes, size_t n, HgmError *error) {
  const char *from = bytes;
  while (n > 0) {
    if (writer->used == BUFFER_BYTES && !hgm_writer_flush(writer, error)) return false;
    size_t take = BUFFER_BYTES - writer->used < n ? BUFFER_BYTES - writer->used : n;
    memcpy(writer->buffer + writer->used, from, take);
    writer->used += take;
    from += take;
    n -= take;
  }
  return true;
}

// ---- values

int64_t hgm_writer_elements(const HgmOutColumn *column) {
  int64_t n = 1;
  for (int i = 0; i < column->rank; i++) n *= column->shape[i];
  return n;
}

size_t hgm_writer_element_bytes(const HgmOutColumn *column) {
  if (column->type != HGM_FILE_TEXT) return hgm_type_bytes(column->type);
  size_t longest = 1;
  for (int i = 0; i < column->n_texts; i++)
    if (strlen(column->texts[i]) > longest) longest = strlen(column->texts[i]);
  return longest;
}

static bool does_not_fit(const HgmWriter *writer, const HgmOutColumn *column, double value, int64_t row, HgmError *error) {
  return hgm_fail(error, 1, "%s: column `%s` has %g in row %lld, which %s cannot hold", writer->path, column->name, value, (long long)row,
                  column->type == HGM_FILE_TEXT ? "its list of texts" : hgm_type_name(column->type));
}

// LOW and LIMIT are powers of two (or 0), so that both are exact doubles: LOW <= value < LIMIT.
#define PUT_INTEGER(T, LOW, LIMIT)                                                                                                                             \
  {                                                                                                                                                            \
    double whole = nearbyint(value);                                                                                                                           \
    if (!(whole >= (LOW) && whole < (LIMIT))) break;                                                                                                           \
    T number = (T)whole;                                                                                                                                       \
    memcpy(out, &number, sizeof number);                                                                                                                       \
    return true;                                                                                                                                               \
  }

static bool put_value(const HgmOutColumn *column, double value, size_t bytes, char *out) {
  switch (column->type) {
  case HGM_FILE_F32: {
    if (isfinite(value) && fabs(value) > (double)FLT_MAX) break;
    float number = (float)value;
    memcpy(out, &number, sizeof number);
    return true;
  }
  case HGM_FILE_F64: memcpy(out, &value, sizeof value); return true;
  case HGM_FILE_I8: PUT_INTEGER(int8_t, -0x1p7, 0x1p7) break;
  case HGM_FILE_I16: PUT_INTEGER(int16_t, -0x1p15, 0x1p15) break;
  case HGM_FILE_I32: PUT_INTEGER(int32_t, -0x1p31, 0x1p31) break;
  case HGM_FILE_I64: PUT_INTEGER(int64_t, -0x1p63, 0x1p63) break;
  case HGM_FILE_BOOL: PUT_INTEGER(uint8_t, 0, 2) break;
  case HGM_FILE_U8: PUT_INTEGER(uint8_t, 0, 0x1p8) break;
  case HGM_FILE_U16: PUT_INTEGER(uint16_t, 0, 0x1p16) break;
  case HGM_FILE_U32: PUT_INTEGER(uint32_t, 0, 0x1p32) break;
  case HGM_FILE_U64: PUT_INTEGER(uint64_t, 0, 0x1p64) break;
  case HGM_FILE_TEXT:
    if (!(value >= 0 && value < column->n_texts)) break;
    memset(out, 0, bytes);
    memcpy(out, column->texts[(int)value], strlen(column->texts[(int)value]));
    return true;
  }
  return false;
}

bool hgm_writer_convert(const HgmWriter *writer, const HgmOutColumn *column, const double *values, int64_t n, int64_t row, char *out, HgmError *error) {
  const size_t bytes = hgm_writer_element_bytes(column);
  for (int64_t i = 0; i < n; i++)
    if (!put_value(column, values[i], bytes, out + (size_t)i * bytes))
      return does_not_fit(writer, column, values[i], row + i / hgm_writer_elements(column), error);
  return true;
}

// The least and the greatest number of a type that does not reach as far as float64, as doubles that convert to it; false: it does.
static bool type_range(HgmFileType type, double *low, double *high) {
  switch (type) {
  case HGM_FILE_I8: *low = INT8_MIN, *high = INT8_MAX; return true;
  case HGM_FILE_I16: *low = INT16_MIN, *high = INT16_MAX; return true;
  case HGM_FILE_I32: *low = INT32_MIN, *high = INT32_MAX; return true;
  case HGM_FILE_I64: *low = -0x1p63, *high = 0x1p63 - 1024; return true;
  case HGM_FILE_BOOL: *low = 0, *high = 1; return true;
  case HGM_FILE_U8: *low = 0, *high = UINT8_MAX; return true;
  case HGM_FILE_U16: *low = 0, *high = UINT16_MAX; return true;
  case HGM_FILE_U32: *low = 0, *high = UINT32_MAX; return true;
  case HGM_FILE_U64: *low = 0, *high = 0x1p64 - 2048; return true;
  case HGM_FILE_F32: *low = -(double)FLT_MAX, *high = (double)FLT_MAX; return true;
  case HGM_FILE_F64:
  case HGM_FILE_TEXT: return false;
  }
  return false;
}

typedef struct OutRange { // what a column can hold
  double low, high;
  bool integers; // the type has no others
  bool whole;    // whole numbers only: these, or counts of any type
  char text[80]; // why it is that
} OutRange;

static OutRange range_of(const HgmOutColumn *column) {
  const char *type = hgm_type_name(column->type);
  OutRange r = {.low = -INFINITY, .high = INFINITY};
  const bool typed = type_range(column->type, &r.low, &r.high), counts = column->has_least && column->least > r.low;
  r.integers = typed && column->type != HGM_FILE_F32;
  r.whole = counts || r.integers;
  snprintf(r.text, sizeof r.text, "which %s holds", type);
  if (!counts) return r;
  r.low = column->least;
  snprintf(r.text, sizeof r.text, "the least of the training data%s%s", typed ? " and the greatest of " : " and no end", typed ? type : "");
  return r;
}

void hgm_out_fit(const HgmOutColumn *column, double *values, int64_t rows, int64_t first, HgmOutCount *count) {
  const int64_t elements = hgm_writer_elements(column);
  const OutRange range = range_of(column);
  for (int64_t i = 0; i < rows * elements; i++) {
    const double x = range.whole ? nearbyint(values[i]) : values[i];
    const int64_t row = first + i / elements;
    if (!isfinite(x) && !(isnan(x) && column->holes)) {
      if (count->lost++ == 0) count->first_lost = row;
    } else if ((x < range.low || x > range.high) && !(column->has_missing && x == column->missing)) {
      if (count->beyond++ == 0) count->first_beyond = row, count->value = x;
      values[i] = x < range.low ? range.low : range.high;
    } else if (range.integers) values[i] = x;
    else if (column->type == HGM_FILE_F32) values[i] = (double)(float)x;
  }
}

void hgm_out_tell(FILE *out, const HgmOutColumn *column, const HgmOutCount *count) {
  const OutRange range = range_of(column);
  if (count->beyond > 0)
    fprintf(out,
            "warning: column `%s`: %lld numbers beyond %.10g..%.10g, %s, are written as the nearest that it has (the first in event %lld: %g); `clip` in "
            "front of the column's chain keeps them inside\n",
            column->name, (long long)count->beyond, range.low, range.high, range.text, (long long)count->first_beyond, count->value);
  if (count->lost > 0)
    fprintf(out, "warning: column `%s`: %lld numbers that are not finite, the first in event %lld\n", column->name, (long long)count->lost,
            (long long)count->first_lost);
}

// ---- the writer

static void writer_free(HgmWriter *writer) {
  writer->format->abandon(writer);
  if (writer->file >= 0 && writer->temporary != NULL) close(writer->file);
  free(writer->buffer);
  free(writer->path);
  free(writer->temporary);
  free(writer);
}

void hgm_writer_abandon(HgmWriter *writer) {
  if (writer == NULL) return;
  writer->format->abandon(writer);
  if (writer->temporary != NULL) unlink(writer->temporary);
  writer_free(writer);
}

static bool make_names(HgmWriter *writer, const char *path) {
  size_t n = strlen(path) + 32;
  writer->path = malloc(n);
  writer->buffer = malloc(BUFFER_BYTES);
  if (writer->path == NULL || writer->buffer == NULL) return false;
  strcpy(writer->path, path);
  if (strcmp(path, "-") == 0) {
    strcpy(writer->path, "standard output");
    return true;
  }
  writer->temporary = malloc(n);
  if (writer->temporary != NULL) snprintf(writer->temporary, n, "%s.tmp%ld", path, (long)getpid());
  return writer->temporary != NULL;
}

static bool open_file(HgmWriter *writer, HgmError *error) {
  if (writer->temporary == NULL) {
    writer->file = STDOUT_FILENO;
    return true;
  }
  if (writer->format->opens_itself) return true;
  writer->file = open(writer->temporary, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
  return writer->file >= 0 || hgm_fail(error, 2, "%s: cannot be created: %s", writer->temporary, strerror(errno));
}

bool hgm_writer_open(HgmWriter **result, const char *path, const HgmOutColumn *columns, int n_columns, const HgmAttribute *attributes, int n_attributes,
                     bool force, const HgmIo *io, HgmError *error) {
  *result = NULL;
  const struct Ending *ending = ending_of(path, error);
  if (ending == NULL || !hgm_writer_check(path, force, error)) return false;
  if (n_columns < 1) return hgm_fail(error, 1, "%s: there are no columns to write", path);
  HgmWriter *writer = calloc(1, sizeof *writer);
  if (writer == NULL) return hgm_fail(error, 2, "%s: out of memory", path);
  writer->format = ending->format;
  writer->separator = ending->separator;
  writer->columns = columns;
  writer->n_columns = n_columns;
  writer->io = io != NULL ? io : &hgm_io_system;
  writer->file = -1;
  bool fine = make_names(writer, path) || hgm_fail(error, 2, "%s: out of memory", path);
  fine = fine && open_file(writer, error) && writer->format->begin(writer, attributes, n_attributes, error);
  if (fine) *result = writer;
  else hgm_writer_abandon(writer);
  return fine;
}

bool hgm_writer_append(HgmWriter *writer, const double *const *values, int64_t rows, HgmError *error) {
  if (rows == 0) return true;
  if (hgm_interrupt_requested())
    return hgm_fail(error, hgm_interrupt_exit_code(), "stopped after %lld events; %s is not written", (long long)writer->rows, writer->path);
  if (!writer->format->append(writer, values, rows, error)) return false;
  writer->rows += rows;
  return true;
}

// Syncs and renames the finished temporary file.
static bool put_in_place(HgmWriter *writer, HgmError *error) {
  const char *what = "cannot be opened again";
  int file = writer->file >= 0 ? writer->file : open(writer->temporary, O_RDWR | O_CLOEXEC);
  bool fine = file >= 0;
  if (fine) what = "cannot be synced to disk", fine = writer->io->sync(writer->io->data, file) == 0;
  int saved = errno;
  if (file >= 0 && close(file) != 0 && fine) what = "cannot be closed", fine = false, saved = errno;
  writer->file = -1;
  if (fine) {
    what = "cannot be renamed";
    fine = writer->io->rename(writer->io->data, writer->temporary, writer->path) == 0;
    saved = errno;
  }
  if (!fine) return hgm_fail(error, 2, "%s: %s: %s", writer->path, what, strerror(saved));
  free(writer->temporary); // it is no more: nothing to remove from here on
  writer->temporary = NULL;
  return hgm_io_sync_directory_of(writer->io, writer->path) ||
         hgm_fail(error, 2, "%s: its directory cannot be synced to disk: %s", writer->path, strerror(errno));
}

bool hgm_writer_finish(HgmWriter *writer, HgmError *error) {
  bool is_file = writer->temporary != NULL;
  bool fine = writer->format->end(writer, error);
  if (fine && writer->file >= 0) fine = hgm_writer_flush(writer, error);
  if (fine && is_file) fine = put_in_place(writer, error);
  if (fine) writer_free(writer);
  else hgm_writer_abandon(writer);
  return fine;
}
