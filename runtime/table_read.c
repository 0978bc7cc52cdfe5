// Rows of columns as doubles or codes, whatever the format.
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/table.h"
#include "runtime/table_file.h"

enum { CACHE_BYTES = 8 << 20 };

bool hgm_block_rows(HgmBlock *block, int64_t first, int64_t last, const char **bytes, int64_t *rows, HgmError *error) {
  if (block->memory != NULL) {
    *bytes = block->memory + (size_t)first * block->row_bytes;
    *rows = last - first;
    return true;
  }
  if (first < block->cached_first || first >= block->cached_last) {
    int64_t most = CACHE_BYTES / (int64_t)block->row_bytes;
    int64_t end = first + (most > 0 ? most : 1);
    if (end > last) end = last;
    size_t wanted = (size_t)(end - first) * block->row_bytes;
    block->cached_first = block->cached_last = 0;
    if (wanted > block->cache_bytes) {
      free(block->cache);
      block->cache = malloc(wanted);
      block->cache_bytes = block->cache == NULL ? 0 : wanted;
      if (block->cache == NULL) return hgm_out_of_memory(error, block->file->path);
    }
    if (!block->read(block, first, end, block->cache, error)) return false;
    block->cached_first = first;
    block->cached_last = end;
  }
  *bytes = block->cache + (size_t)(first - block->cached_first) * block->row_bytes;
  *rows = (last < block->cached_last ? last : block->cached_last) - first;
  return true;
}

static bool is_exact(uint64_t magnitude) {
  const uint64_t limit = UINT64_C(1) << 53;
  while (magnitude > limit && (magnitude & 1) == 0) magnitude >>= 1;
  return magnitude <= limit;
}

#define CONVERT(T)                                                                                                                                             \
  for (int64_t i = 0; i < n; i++) {                                                                                                                            \
    T value;                                                                                                                                                   \
    memcpy(&value, bytes + (size_t)i * sizeof value, sizeof value);                                                                                            \
    out[i] = (double)value;                                                                                                                                    \
  }                                                                                                                                                            \
  return -1

// n numbers lying one behind the other; returns the first that a double cannot hold, or -1.
static int64_t convert(HgmFileType type, const char *bytes, int64_t n, double *out) {
  switch (type) {
  case HGM_FILE_F32: CONVERT(float);
  case HGM_FILE_F64: memcpy(out, bytes, (size_t)n * sizeof *out); return -1;
  case HGM_FILE_I8: CONVERT(int8_t);
  case HGM_FILE_I16: CONVERT(int16_t);
  case HGM_FILE_I32: CONVERT(int32_t);
  case HGM_FILE_U8: CONVERT(uint8_t);
  case HGM_FILE_U16: CONVERT(uint16_t);
  case HGM_FILE_U32: CONVERT(uint32_t);
  case HGM_FILE_I64:
    for (int64_t i = 0; i < n; i++) {
      int64_t value;
      memcpy(&value, bytes + (size_t)i * sizeof value, sizeof value);
      out[i] = (double)value;
      if (!is_exact(value < 0 ? UINT64_C(0) - (uint64_t)value : (uint64_t)value)) return i;
    }
    return -1;
  case HGM_FILE_U64:
    for (int64_t i = 0; i < n; i++) {
      uint64_t value;
      memcpy(&value, bytes + (size_t)i * sizeof value, sizeof value);
      out[i] = (double)value;
      if (!is_exact(value)) return i;
    }
    return -1;
  case HGM_FILE_TEXT: return -1;
  }
  return -1;
}

static bool too_large(const HgmField *field, const char *bytes, int64_t row, HgmError *error) {
  uint64_t value;
  memcpy(&value, bytes, sizeof value);
  bool is_negative = field->column.type == HGM_FILE_I64 && value >> 63 != 0;
  if (is_negative) value = UINT64_C(0) - value;
  return hgm_fail(error, 1,
                  "%s: column `%s` has %s%llu in row %lld, beyond 2^53, where doubles lose integers; "
                  "store it as two columns or leave it out",
                  field->block->file->path, field->column.name, is_negative ? "-" : "", (unsigned long long)value, (long long)row);
}

// Rows [first, last) of one file's field; `base`: number of the file's first row in the table, for messages.
static bool read_numbers(const HgmField *field, int64_t first, int64_t last, int64_t base, double *out, HgmError *error) {
  const int64_t elements = field->column.elements;
  const size_t size = hgm_type_bytes(field->column.type), row_bytes = field->block->row_bytes;
  const bool is_dense = row_bytes == (size_t)elements * size;
  for (int64_t row = first, n; row < last; row += n) {
    const char *bytes;
    if (!hgm_block_rows(field->block, row, last, &bytes, &n, error)) return false;
    int64_t bad = -1;
    if (is_dense) {
      bad = convert(field->column.type, bytes, n * elements, out);
    } else {
      for (int64_t i = 0; i < n && bad < 0; i++) {
        bad = convert(field->column.type, bytes + (size_t)i * row_bytes + field->offset, elements, out + i * elements);
        if (bad >= 0) bad += i * elements;
      }
    }
    if (bad >= 0) {
      const char *place = bytes + (size_t)(bad / elements) * row_bytes + field->offset + (size_t)(bad % elements) * size;
      return too_large(field, place, base + row + bad / elements, error);
    }
    out += n * elements;
  }
  return true;
}

void hgm_field_text(const HgmField *field, const char *row, const char **text, size_t *n) {
  if (field->cell == HGM_CELL_TEXT_POINTER) {
    memcpy(text, row + field->offset, sizeof *text);
    *n = strlen(*text);
    return;
  }
  *text = row + field->offset;
  *n = strnlen(*text, field->text_bytes);
}

// Runs `each` over the cells of a text column.
typedef bool EachText(void *data, int64_t row, const char *text, size_t n, HgmError *error);
static bool read_texts(const HgmField *field, int64_t first, int64_t last, int64_t base, EachText *each, void *data, HgmError *error) {
  for (int64_t row = first, n; row < last; row += n) {
    const char *bytes;
    if (!hgm_block_rows(field->block, row, last, &bytes, &n, error)) return false;
    for (int64_t i = 0; i < n; i++) {
      const char *text;
      size_t length;
      hgm_field_text(field, bytes + (size_t)i * field->block->row_bytes, &text, &length);
      if (!each(data, base + row + i, text, length, error)) return false;
    }
  }
  return true;
}

typedef struct Codes {
  const HgmTable *table;
  const char *name;
  const char *const *texts;
  int n_texts, last;
  double *out; // where the next code goes
} Codes;

static bool put_code(void *data, int64_t row, const char *text, size_t n, HgmError *error) {
  Codes *codes = data;
  for (int k = 0; k < codes->n_texts; k++) {
    int at = (codes->last + k) % codes->n_texts;
    if (strncmp(codes->texts[at], text, n) != 0 || codes->texts[at][n] != '\0') continue;
    codes->last = at;
    *codes->out++ = at;
    return true;
  }
  char listed[600] = "";
  size_t used = 0;
  for (int k = 0; k < codes->n_texts && used < 400; k++)
    used += (size_t)snprintf(listed + used, sizeof listed - used, "%s\"%.80s\"", k > 0 ? ", " : "", codes->texts[k]);
  return hgm_fail(error, 1, "%s: column `%s` has \"%.*s\" in row %lld, which the model does not list (%s%s); add it to the list or correct the file",
                  hgm_table_name(codes->table), codes->name, (int)(n < 60 ? n : 60), text, (long long)row, listed, used < 400 ? "" : ", …");
}

typedef struct Distinct {
  HgmHeap *heap;
  const char **texts;
  int n, most;
} Distinct;

static bool put_distinct(void *data, int64_t row, const char *text, size_t n, HgmError *error) {
  (void)row;
  Distinct *distinct = data;
  for (int k = 0; k < distinct->n; k++)
    if (strncmp(distinct->texts[k], text, n) == 0 && distinct->texts[k][n] == '\0') return true;
  if (distinct->n == distinct->most) return true;
  char *copy = hgm_heap_strndup(distinct->heap, text, n);
  if (copy == NULL) return hgm_fail(error, 2, "out of memory");
  distinct->texts[distinct->n++] = copy;
  return true;
}

// Goes through the files that hold rows [first, last).
static bool over_files(HgmTable *table, int column, int64_t first, int64_t last, double *out, EachText *each, void *data, HgmError *error) {
  int64_t base = 0, elements = table->columns[column].elements;
  for (int f = 0; f < table->n_files && base < last; f++) {
    const HgmField *field = hgm_table_field(table, column, f);
    if (field->refusal != NULL) return hgm_fail(error, 1, "%s: %s", table->files[f]->path, field->refusal);
    int64_t rows = field->column.rows, begin = first > base ? first - base : 0, end = last - base < rows ? last - base : rows;
    if (begin < end) {
      bool fine = each != NULL ? read_texts(field, begin, end, base, each, data, error) : read_numbers(field, begin, end, base, out, error);
      if (!fine) return false;
      if (out != NULL) out += (end - begin) * elements;
    }
    base += rows;
  }
  return true;
}

bool hgm_table_read(HgmTable *table, int column, int64_t first, int64_t last, double *out, HgmError *error) {
  const HgmColumn *info = &table->columns[column];
  if (first < 0 || last > info->rows || first > last)
    return hgm_fail(error, 3, "%s: rows %lld to %lld of column `%s` asked for, which has %lld", table->name, (long long)first, (long long)last, info->name,
                    (long long)info->rows);
  if (info->kind == HGM_COLUMN_TEXT)
    return hgm_fail(error, 1, "%s: column `%s` holds text, not numbers; declare it as categories of text", table->name, info->name);
  return over_files(table, column, first, last, out, NULL, NULL, error);
}

bool hgm_table_read_codes(HgmTable *table, int column, int64_t first, int64_t last, const char *const *texts, int n_texts, double *out, HgmError *error) {
  const HgmColumn *info = &table->columns[column];
  if (info->kind == HGM_COLUMN_TEXT && info->rank == 0) {
    Codes codes = {.table = table, .name = info->name, .texts = texts, .n_texts = n_texts, .out = out};
    return over_files(table, column, first, last, NULL, put_code, &codes, error);
  }
  if (info->n_texts == 0)
    return hgm_fail(error, 1, "%s: column `%s` holds numbers (%s), not text; list its values as numbers", table->name, info->name, hgm_type_name(info->type));
  // Codes with names in the file: turned into the caller's codes by name. A missing category has the code -1.
  if (!hgm_table_read(table, column, first, last, out, error)) return false;
  Codes codes = {.table = table, .name = info->name, .texts = texts, .n_texts = n_texts, .out = out};
  for (int64_t i = 0; i < (last - first) * info->elements; i++) {
    bool has_name = out[i] >= 0 && out[i] < info->n_texts;
    const char *text = has_name ? info->texts[(int)out[i]] : "";
    if (!put_code(&codes, first + i / info->elements, text, strlen(text), error)) return false;
  }
  return true;
}

bool hgm_table_distinct(HgmTable *table, int column, int most, const char *const **texts, int *n_texts, HgmError *error) {
  const HgmColumn *info = &table->columns[column];
  *texts = info->texts;
  *n_texts = info->n_texts;
  if (info->kind != HGM_COLUMN_TEXT) return true;
  Distinct distinct = {.heap = &table->heap, .most = most};
  distinct.texts = hgm_heap_alloc(&table->heap, (size_t)most * sizeof *distinct.texts);
  if (distinct.texts == NULL) return hgm_out_of_memory(error, table->name);
  if (!over_files(table, column, 0, info->rows, NULL, put_distinct, &distinct, error)) return false;
  *texts = distinct.texts;
  *n_texts = distinct.n;
  return true;
}
