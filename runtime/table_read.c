// Rows of columns as doubles or codes, whatever the format.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/convert.h"
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
    int64_t chunk = block->chunk_rows > 0 ? block->chunk_rows : 1, most = CACHE_BYTES / (int64_t)block->row_bytes;
    int64_t begin = first / chunk * chunk, end = begin + (most < chunk ? chunk : most / chunk * chunk);
    if (end > last) end = (last + chunk - 1) / chunk * chunk; // whole chunks: the next rows are likely to be asked for next
    if (end > block->rows) end = block->rows;
    size_t wanted = (size_t)(end - begin) * block->row_bytes;
    block->cached_first = block->cached_last = 0;
    if (wanted > block->cache_bytes) {
      free(block->cache);
      block->cache = malloc(wanted);
      block->cache_bytes = block->cache == NULL ? 0 : wanted;
      if (block->cache == NULL) return hgm_out_of_memory(error, block->file->path);
    }
    if (!block->read(block, begin, end, block->cache, error)) return false;
    block->cached_first = begin;
    block->cached_last = end;
  }
  *bytes = block->cache + (size_t)(first - block->cached_first) * block->row_bytes;
  *rows = (last < block->cached_last ? last : block->cached_last) - first;
  return true;
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

void hgm_field_text(const HgmField *field, const char *row, const char **text, size_t *n) {
  if (field->cell == HGM_CELL_TEXT_POINTER) {
    memcpy(text, row + field->offset, sizeof *text);
    *n = strlen(*text);
    return;
  }
  *text = row + field->offset;
  *n = strnlen(*text, field->text_bytes);
}

// ---- rows at hand

static bool put_numbers(const HgmField *field, const char *bytes, int64_t n, int64_t row, double *out, HgmError *error) {
  const int64_t elements = field->column.elements;
  const size_t row_bytes = field->block->row_bytes;
  int64_t bad = hgm_convert(field->column.type, bytes + field->offset, n, elements, row_bytes, out);
  if (bad < 0) return true;
  const char *place = bytes + (size_t)(bad / elements) * row_bytes + field->offset + (size_t)(bad % elements) * hgm_type_bytes(field->column.type);
  return too_large(field, place, row + bad / elements, error);
}

// The place of a text among the wished ones; `near` is tried first. -1 and a message when it is not among them.
static int find_code(const HgmTable *table, const HgmWish *wish, const char *text, size_t n, int64_t row, int near, HgmError *error) {
  for (int k = 0; k < wish->n_texts; k++) {
    int at = (near + k) % wish->n_texts;
    if (strncmp(wish->texts[at], text, n) == 0 && wish->texts[at][n] == '\0') return at;
  }
  char listed[600] = "";
  size_t used = 0;
  for (int k = 0; k < wish->n_texts && used < 400; k++)
    used += (size_t)snprintf(listed + used, sizeof listed - used, "%s\"%.80s\"", k > 0 ? ", " : "", wish->texts[k]);
  hgm_fail(error, 1, "%s: column `%s` has \"%.*s\" in row %lld, which the model does not list (%s%s); add it to the list or correct the file", table->name,
           table->columns[wish->column].name, (int)(n < 60 ? n : 60), text, (long long)row, listed, used < 400 ? "" : ", …");
  return -1;
}

static bool put_codes(const HgmTable *table, const HgmWish *wish, const HgmField *field, const char *bytes, int64_t n, int64_t row, double *out,
                      HgmError *error) {
  int code = 0;
  for (int64_t i = 0; i < n; i++) {
    const char *text;
    size_t length;
    hgm_field_text(field, bytes + (size_t)i * field->block->row_bytes, &text, &length);
    code = find_code(table, wish, text, length, row + i, code, error);
    if (code < 0) return false;
    out[i] = code;
  }
  return true;
}

// Codes with names in the file: turned into the wished codes by name. A missing category has the code -1.
static bool turn_codes(const HgmTable *table, const HgmWish *wish, int64_t n, int64_t row, double *out, HgmError *error) {
  const HgmColumn *info = &table->columns[wish->column];
  int code = 0;
  for (int64_t i = 0; i < n * info->elements; i++) {
    bool has_name = out[i] >= 0 && out[i] < info->n_texts;
    const char *text = has_name ? info->texts[(int)out[i]] : "";
    code = find_code(table, wish, text, strlen(text), row + i / info->elements, code, error);
    if (code < 0) return false;
    out[i] = code;
  }
  return true;
}

bool hgm_wish_check(const HgmTable *table, const HgmWish *wish, HgmError *error) {
  const HgmColumn *info = &table->columns[wish->column];
  for (int f = 0; f < table->n_files; f++) {
    const HgmField *field = hgm_table_field(table, wish->column, f);
    if (field->refusal != NULL) return hgm_fail(error, 1, "%s: %s", table->files[f]->path, field->refusal);
  }
  if (wish->texts == NULL && info->kind == HGM_COLUMN_TEXT)
    return hgm_fail(error, 1, "%s: column `%s` holds text, not numbers; declare it as categories of text", table->name, info->name);
  if (wish->texts != NULL && info->n_texts == 0 && (info->kind != HGM_COLUMN_TEXT || info->rank > 0))
    return hgm_fail(error, 1, "%s: column `%s` holds numbers (%s), not text; list its values as numbers", table->name, info->name, hgm_type_name(info->type));
  const char *said;
  return hgm_table_unit(table, wish->column, wish->unit, &said) ||
         hgm_fail(error, 1, "%s: column `%s` is in %s, which is no %s; correct the unit that the file says, or the file", table->name, info->name, said,
                  wish->unit);
}

HgmFileType hgm_wish_type(const HgmTable *table, const HgmWish *wish) {
  if (!wish->as_in_file) return HGM_FILE_F64;
  if (wish->texts != NULL) return wish->n_texts <= UINT8_MAX ? HGM_FILE_U8 : HGM_FILE_I32;
  const char *converted;
  hgm_table_unit(table, wish->column, wish->unit, &converted);
  if (converted != NULL) return HGM_FILE_F64;
  HgmFileType type = hgm_table_field(table, wish->column, 0)->column.type;
  for (int f = 1; f < table->n_files; f++)
    if (hgm_table_field(table, wish->column, f)->column.type != type) return HGM_FILE_F64;
  return type;
}

bool hgm_wish_put(const HgmTable *table, const HgmWish *wish, const HgmField *field, const char *bytes, int64_t n, int64_t row, double *out, HgmError *error) {
  const HgmColumn *info = &table->columns[wish->column];
  if (info->kind == HGM_COLUMN_TEXT) return put_codes(table, wish, field, bytes, n, row, out, error);
  return put_numbers(field, bytes, n, row, out, error) && (wish->texts == NULL || turn_codes(table, wish, n, row, out, error));
}

// ---- rows of the table

typedef struct Distinct {
  HgmHeap *heap;
  const char **texts;
  int n, most;
} Distinct;

static bool put_distinct(Distinct *distinct, const char *text, size_t n, HgmError *error) {
  for (int k = 0; k < distinct->n; k++)
    if (strncmp(distinct->texts[k], text, n) == 0 && distinct->texts[k][n] == '\0') return true;
  if (distinct->n == distinct->most) return true;
  char *copy = hgm_heap_strndup(distinct->heap, text, n);
  if (copy == NULL) return hgm_fail(error, 2, "out of memory");
  distinct->texts[distinct->n++] = copy;
  return true;
}

static bool distinct_piece(void *data, const HgmField *field, const char *bytes, int64_t n, int64_t row, HgmError *error) {
  (void)row;
  for (int64_t i = 0; i < n; i++) {
    const char *text;
    size_t length;
    hgm_field_text(field, bytes + (size_t)i * field->block->row_bytes, &text, &length);
    if (!put_distinct(data, text, length, error)) return false;
  }
  return true;
}

// Runs `each` over pieces of rows [first, last), file by file.
typedef bool EachPiece(void *data, const HgmField *field, const char *bytes, int64_t n, int64_t row, HgmError *error);
static bool over_pieces(HgmTable *table, int column, int64_t first, int64_t last, EachPiece *each, void *data, HgmError *error) {
  int64_t base = 0;
  for (int f = 0; f < table->n_files && base < last; f++) {
    const HgmField *field = hgm_table_field(table, column, f);
    int64_t rows = field->column.rows, end = last - base < rows ? last - base : rows;
    for (int64_t row = first > base ? first - base : 0, n; row < end; row += n) {
      const char *bytes;
      if (!hgm_block_rows(field->block, row, end, &bytes, &n, error) || !each(data, field, bytes, n, base + row, error)) return false;
    }
    base += rows;
  }
  return true;
}

typedef struct Reading {
  const HgmTable *table;
  const HgmWish *wish;
  double *out; // where the next number goes
} Reading;

static bool read_piece(void *data, const HgmField *field, const char *bytes, int64_t n, int64_t row, HgmError *error) {
  Reading *reading = data;
  double *out = reading->out;
  reading->out += n * field->column.elements;
  return hgm_wish_put(reading->table, reading->wish, field, bytes, n, row, out, error);
}

static bool read_wish(HgmTable *table, const HgmWish *wish, int64_t first, int64_t last, double *out, HgmError *error) {
  const HgmColumn *info = &table->columns[wish->column];
  if (first < 0 || last > info->rows || first > last)
    return hgm_fail(error, 3, "%s: rows %lld to %lld of column `%s` asked for, which has %lld", table->name, (long long)first, (long long)last, info->name,
                    (long long)info->rows);
  Reading reading = {.table = table, .wish = wish, .out = out};
  return hgm_wish_check(table, wish, error) && over_pieces(table, wish->column, first, last, read_piece, &reading, error);
}

bool hgm_table_read(HgmTable *table, int column, int64_t first, int64_t last, double *out, HgmError *error) {
  return read_wish(table, &(HgmWish){.column = column}, first, last, out, error);
}

bool hgm_table_read_codes(HgmTable *table, int column, int64_t first, int64_t last, const char *const *texts, int n_texts, double *out, HgmError *error) {
  return read_wish(table, &(HgmWish){.column = column, .texts = texts, .n_texts = n_texts}, first, last, out, error);
}

bool hgm_table_distinct(HgmTable *table, int column, int most, const char *const **texts, int *n_texts, HgmError *error) {
  const HgmColumn *info = &table->columns[column];
  *texts = info->texts;
  *n_texts = info->n_texts;
  if (info->kind != HGM_COLUMN_TEXT) return true;
  Distinct distinct = {.heap = &table->heap, .most = most};
  distinct.texts = hgm_heap_alloc(&table->heap, (size_t)most * sizeof *distinct.texts);
  if (distinct.texts == NULL) return hgm_out_of_memory(error, table->name);
  if (!over_pieces(table, column, 0, info->rows, distinct_piece, &distinct, error)) return false;
  *texts = distinct.texts;
  *n_texts = distinct.n;
  return true;
}
