// .npy: one column is a plain array (rows, …), several are a structured array; rows go to the file as they come, and the header
// is written again at the end with their number. .npz: one member per column, stored; kept in memory until the end.
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "runtime/crc32.h"
#include "runtime/writer_file.h"

// ---- headers

static const char *descr(const HgmOutColumn *column, char *text, size_t size) {
  static const char *const names[HGM_N_FILE_TYPES] = {
      [HGM_FILE_F32] = "f4", [HGM_FILE_F64] = "f8", [HGM_FILE_I8] = "i1",  [HGM_FILE_I16] = "i2", [HGM_FILE_I32] = "i4",  [HGM_FILE_I64] = "i8",
      [HGM_FILE_U8] = "u1",  [HGM_FILE_U16] = "u2", [HGM_FILE_U32] = "u4", [HGM_FILE_U64] = "u8", [HGM_FILE_BOOL] = "b1",
  };
  static const uint16_t one = 1;
  bool is_little = *(const unsigned char *)&one == 1;
  if (column->type == HGM_FILE_TEXT) snprintf(text, size, "|S%zu", hgm_writer_element_bytes(column));
  else snprintf(text, size, "%c%s", hgm_writer_element_bytes(column) == 1 ? '|' : is_little ? '<' : '>', names[column->type]);
  return text;
}

// "(3, 4)" of the axes of one event, with `rows, ` before them when rows >= 0.
static void shape_text(const HgmOutColumn *column, int64_t rows, char *text, size_t size) {
  size_t used = (size_t)snprintf(text, size, "(");
  if (rows >= 0) used += (size_t)snprintf(text + used, size - used, "%lld,", (long long)rows);
  for (int i = 0; column != NULL && i < column->rank; i++)
    used += (size_t)snprintf(text + used, size - used, "%s%lld,", used > 1 ? " " : "", (long long)column->shape[i]);
  snprintf(text + used, size - used, ")");
}

// Room for the header of these columns: the same for every number of rows.
static size_t header_bytes(const HgmOutColumn *columns, int n) {
  size_t bytes = 256;
  for (int k = 0; k < n; k++) bytes += 2 * strlen(columns[k].name) + 160;
  return (bytes + 63) / 64 * 64;
}

// Magic, version 2, header text padded to `bytes`. Quotes and backslashes in names are escaped as Python reads them.
static void put_header(const HgmOutColumn *columns, int n, bool is_structured, int64_t rows, char *out, size_t bytes) {
  char type[32], shape[128];
  size_t used = 12;
  memset(out, ' ', bytes);
  if (!is_structured) {
    shape_text(columns, rows, shape, sizeof shape);
    used += (size_t)snprintf(out + used, bytes - used, "{'descr': '%s', ", descr(columns, type, sizeof type));
  } else {
    shape_text(NULL, rows, shape, sizeof shape);
    used += (size_t)snprintf(out + used, bytes - used, "{'descr': [");
    for (int k = 0; k < n; k++) {
      char inner[128] = "";
      if (columns[k].rank > 0) shape_text(&columns[k], -1, inner, sizeof inner);
      used += (size_t)snprintf(out + used, bytes - used, "('");
      for (const char *c = columns[k].name; *c != '\0'; c++) {
        if (*c == '\'' || *c == '\\') out[used++] = '\\';
        out[used++] = *c;
      }
      used += (size_t)snprintf(out + used, bytes - used, "', '%s'%s%s), ", descr(&columns[k], type, sizeof type), inner[0] != '\0' ? ", " : "", inner);
    }
    used += (size_t)snprintf(out + used, bytes - used, "], ");
  }
  used += (size_t)snprintf(out + used, bytes - used, "'fortran_order': False, 'shape': %s, }", shape);
  out[used] = ' '; // over snprintf's NUL
  out[bytes - 1] = '\n';
  memcpy(out, "\x93NUMPY\x02\x00", 8);
  size_t length = bytes - 12;
  for (int i = 0; i < 4; i++) out[8 + i] = (char)(length >> (8 * i) & 255);
}

// ---- .npy

static bool write_header(HgmWriter *writer, HgmError *error) {
  size_t bytes = header_bytes(writer->columns, writer->n_columns);
  char *header = malloc(bytes);
  if (header == NULL) return hgm_fail(error, 2, "%s: out of memory", writer->path);
  put_header(writer->columns, writer->n_columns, writer->n_columns > 1, writer->rows, header, bytes);
  bool fine = hgm_writer_put(writer, header, bytes, error);
  free(header);
  return fine;
}

static bool npy_begin(HgmWriter *writer, const HgmAttribute *attributes, int n_attributes, HgmError *error) {
  (void)attributes, (void)n_attributes;
  return write_header(writer, error);
}

static bool npy_append(HgmWriter *writer, const double *const *values, int64_t rows, HgmError *error) {
  size_t most = 0;
  for (int k = 0; k < writer->n_columns; k++) {
    size_t bytes = (size_t)hgm_writer_elements(&writer->columns[k]) * hgm_writer_element_bytes(&writer->columns[k]);
    if (bytes > most) most = bytes;
  }
  char *cell = malloc(most);
  bool fine = cell != NULL || hgm_fail(error, 2, "%s: out of memory", writer->path);
  for (int64_t row = 0; fine && row < rows; row++)
    for (int k = 0; fine && k < writer->n_columns; k++) {
      const HgmOutColumn *column = &writer->columns[k];
      int64_t elements = hgm_writer_elements(column);
      fine = hgm_writer_convert(writer, column, values[k] + row * elements, elements, writer->rows + row, cell, error) &&
             hgm_writer_put(writer, cell, (size_t)elements * hgm_writer_element_bytes(column), error);
    }
  free(cell);
  return fine;
}

static bool npy_end(HgmWriter *writer, HgmError *error) {
  if (!hgm_writer_flush(writer, error)) return false;
  if (lseek(writer->file, 0, SEEK_SET) != 0) return hgm_fail(error, 2, "%s: cannot be written: %s", writer->path, strerror(errno));
  return write_header(writer, error);
}

static void npy_abandon(HgmWriter *writer) { (void)writer; }

const HgmWriterFormat hgm_writer_npy = {.begin = npy_begin, .append = npy_append, .end = npy_end, .abandon = npy_abandon};

// ---- .npz

typedef struct Member {
  char *bytes;
  size_t used, cap;
} Member;

static bool npz_begin(HgmWriter *writer, const HgmAttribute *attributes, int n_attributes, HgmError *error) {
  (void)attributes, (void)n_attributes;
  writer->backend = calloc((size_t)writer->n_columns, sizeof(Member));
  return writer->backend != NULL || hgm_fail(error, 2, "%s: out of memory", writer->path);
}

static bool npz_append(HgmWriter *writer, const double *const *values, int64_t rows, HgmError *error) {
  for (int k = 0; k < writer->n_columns; k++) {
    Member *member = (Member *)writer->backend + k;
    const HgmOutColumn *column = &writer->columns[k];
    int64_t n = rows * hgm_writer_elements(column);
    size_t more = (size_t)n * hgm_writer_element_bytes(column);
    if (member->used + more > member->cap) {
      size_t cap = 2 * (member->used + more);
      char *moved = realloc(member->bytes, cap);
      if (moved == NULL) return hgm_fail(error, 2, "%s: out of memory; a .npz is kept in memory until its end, write .h5 instead", writer->path);
      member->bytes = moved;
      member->cap = cap;
    }
    if (!hgm_writer_convert(writer, column, values[k], n, writer->rows, member->bytes + member->used, error)) return false;
    member->used += more;
  }
  return true;
}

static void put16(unsigned char *to, uint64_t value) { to[0] = (unsigned char)value, to[1] = (unsigned char)(value >> 8); }
static void put32(unsigned char *to, uint64_t value) { put16(to, value), put16(to + 2, value >> 16); }

// The 26 bytes that local header and directory entry share: version, flags, method, time, date, crc, sizes, length of the name.
static void put_common(unsigned char *to, uint32_t crc, uint64_t bytes, size_t name_bytes) {
  put16(to, 20);
  put16(to + 2, 0x800); // the name is UTF-8
  put16(to + 8, 0x21);  // 1 January 1980: the same events give the same file
  put32(to + 10, crc);
  put32(to + 14, bytes);
  put32(to + 18, bytes);
  put16(to + 22, name_bytes);
}

typedef struct Entry {
  uint32_t crc;
  uint64_t bytes, offset;
  char name[512];
} Entry;

static bool put_member(HgmWriter *writer, int k, Entry *entry, uint64_t *offset, HgmError *error) {
  const HgmOutColumn *column = &writer->columns[k];
  const Member *member = (const Member *)writer->backend + k;
  size_t header = header_bytes(column, 1);
  char *text = malloc(header);
  if (text == NULL) return hgm_fail(error, 2, "%s: out of memory", writer->path);
  put_header(column, 1, false, writer->rows, text, header);
  snprintf(entry->name, sizeof entry->name, "%.500s.npy", column->name);
  entry->bytes = header + member->used;
  entry->offset = *offset;
  entry->crc = hgm_crc32(hgm_crc32(0, text, header), member->bytes, member->used);
  *offset += 30 + strlen(entry->name) + entry->bytes;
  unsigned char local[30] = {'P', 'K', 3, 4};
  put_common(local + 4, entry->crc, entry->bytes, strlen(entry->name));
  bool fine = *offset < UINT32_MAX || hgm_fail(error, 1, "%s: a .npz ends at 4 GiB here; write .h5 instead", writer->path);
  fine = fine && hgm_writer_put(writer, local, sizeof local, error) && hgm_writer_put(writer, entry->name, strlen(entry->name), error) &&
         hgm_writer_put(writer, text, header, error) && (member->used == 0 || hgm_writer_put(writer, member->bytes, member->used, error));
  free(text);
  return fine;
}

static bool npz_end(HgmWriter *writer, HgmError *error) {
  Entry *entries = calloc((size_t)writer->n_columns, sizeof *entries);
  bool fine = entries != NULL || hgm_fail(error, 2, "%s: out of memory", writer->path);
  uint64_t offset = 0, start;
  if (fine && writer->n_columns > 65000) fine = hgm_fail(error, 1, "%s: a .npz holds at most 65000 columns; write .h5 instead", writer->path);
  for (int k = 0; fine && k < writer->n_columns; k++) fine = put_member(writer, k, &entries[k], &offset, error);
  start = offset;
  for (int k = 0; fine && k < writer->n_columns; k++) {
    unsigned char entry[46] = {'P', 'K', 1, 2, 20};
    put_common(entry + 6, entries[k].crc, entries[k].bytes, strlen(entries[k].name));
    put32(entry + 42, entries[k].offset);
    offset += sizeof entry + strlen(entries[k].name);
    fine = hgm_writer_put(writer, entry, sizeof entry, error) && hgm_writer_put(writer, entries[k].name, strlen(entries[k].name), error);
  }
  unsigned char tail[22] = {'P', 'K', 5, 6};
  put16(tail + 8, (uint64_t)writer->n_columns);
  put16(tail + 10, (uint64_t)writer->n_columns);
  put32(tail + 12, offset - start);
  put32(tail + 16, start);
  fine = fine && hgm_writer_put(writer, tail, sizeof tail, error);
  free(entries);
  return fine;
}

static void npz_abandon(HgmWriter *writer) {
  Member *members = writer->backend;
  for (int k = 0; members != NULL && k < writer->n_columns; k++) free(members[k].bytes);
  free(members);
  writer->backend = NULL;
}

const HgmWriterFormat hgm_writer_npz = {.begin = npz_begin, .append = npz_append, .end = npz_end, .abandon = npz_abandon};
