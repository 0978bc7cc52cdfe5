#include "runtime/table.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

#include "runtime/io.h"
#include "runtime/sha256.h"
#include "runtime/table_file.h"

bool hgm_out_of_memory(HgmError *error, const char *path) { return hgm_fail(error, 2, "%s: out of memory", path); }

// ---- types

static const struct TypeRow {
  const char *name;
  HgmColumnKind kind;
} TYPES[] = {
    [HGM_FILE_F32] = {"float32", HGM_COLUMN_REAL},   [HGM_FILE_F64] = {"float64", HGM_COLUMN_REAL},   [HGM_FILE_I8] = {"int8", HGM_COLUMN_INTEGER},
    [HGM_FILE_I16] = {"int16", HGM_COLUMN_INTEGER},  [HGM_FILE_I32] = {"int32", HGM_COLUMN_INTEGER},  [HGM_FILE_I64] = {"int64", HGM_COLUMN_INTEGER},
    [HGM_FILE_U8] = {"uint8", HGM_COLUMN_INTEGER},   [HGM_FILE_U16] = {"uint16", HGM_COLUMN_INTEGER}, [HGM_FILE_U32] = {"uint32", HGM_COLUMN_INTEGER},
    [HGM_FILE_U64] = {"uint64", HGM_COLUMN_INTEGER}, [HGM_FILE_TEXT] = {"text", HGM_COLUMN_TEXT},     [HGM_FILE_BOOL] = {"bool", HGM_COLUMN_INTEGER},
};
_Static_assert(sizeof TYPES / sizeof *TYPES == HGM_N_FILE_TYPES, "a row per type");

const char *hgm_type_name(HgmFileType type) { return TYPES[type].name; }
HgmColumnKind hgm_type_kind(HgmFileType type) { return TYPES[type].kind; }

// ---- fields and blocks of a file

// Room for one more pointer in a growing array.
static bool grow(void ***at, int n, int *cap) {
  if (n < *cap) return true;
  int wanted = *cap == 0 ? 16 : 2 * *cap;
  void **moved = realloc(*at, (size_t)wanted * sizeof **at);
  if (moved == NULL) return false;
  *at = moved;
  *cap = wanted;
  return true;
}

HgmField *hgm_file_add_field(HgmFile *file, const char *name) {
  if (!grow((void ***)&file->fields, file->n_fields, &file->cap_fields)) return NULL;
  HgmField *field = hgm_heap_alloc(&file->heap, sizeof *field);
  if (field == NULL || (field->column.name = hgm_heap_strdup(&file->heap, name)) == NULL) return NULL;
  field->column.elements = 1;
  return file->fields[file->n_fields++] = field;
}

HgmBlock *hgm_file_add_block(HgmFile *file, const char *name) {
  if (!grow((void ***)&file->blocks, file->n_blocks, &file->cap_blocks)) return NULL;
  HgmBlock *block = hgm_heap_alloc(&file->heap, sizeof *block);
  if (block == NULL || (block->name = hgm_heap_strdup(&file->heap, name)) == NULL) return NULL;
  block->file = file;
  return file->blocks[file->n_blocks++] = block;
}

int hgm_file_find(const HgmFile *file, const char *name) {
  for (int i = 0; i < file->n_fields; i++)
    if (strcmp(file->fields[i]->column.name, name) == 0) return i;
  return -1;
}

static void file_close(HgmFile *file) {
  for (int i = file->n_blocks - 1; i >= 0; i--) {
    if (file->blocks[i]->close != NULL) file->blocks[i]->close(file->blocks[i]);
    free(file->blocks[i]->cache);
  }
  free(file->blocks);
  free(file->fields);
  hgm_heap_free(&file->heap);
}

// ---- opening

static bool ends_with(const char *text, const char *ending) {
  size_t n = strlen(text), m = strlen(ending);
  return n >= m && strcasecmp(text + n - m, ending) == 0;
}

static bool is_hdf5_name(const char *path) { return ends_with(path, ".h5") || ends_with(path, ".hdf5") || ends_with(path, ".hdf") || ends_with(path, ".he5"); }

static bool file_open(HgmFile *file, HgmError *error) {
  if (is_hdf5_name(file->path)) return hgm_open_hdf5(file, error);
  if (file->group[0] != '\0') return hgm_fail(error, 2, "%s:%s: only HDF5 files have groups; give the file alone", file->path, file->group);
  if (ends_with(file->path, ".npy")) return hgm_open_npy(file, error);
  if (ends_with(file->path, ".npz")) return hgm_open_npz(file, error);
  if (ends_with(file->path, ".csv") || ends_with(file->path, ".tsv")) return hgm_open_csv(file, error);
  if (ends_with(file->path, ".root")) return hgm_fail(error, 2, "%s: ROOT files are not read; convert it with uproot to .h5 or .npz", file->path);
  if (ends_with(file->path, ".txt") || ends_with(file->path, ".dat"))
    return hgm_fail(error, 2, "%s: columns aligned with blanks are not read; save it as .csv with commas and one header line", file->path);
  struct stat info;
  if (stat(file->path, &info) == 0 && S_ISDIR(info.st_mode)) return hgm_fail(error, 2, "%s: is a directory, not a file", file->path);
  if (ends_with(file->path, ".gz") || ends_with(file->path, ".xz") || ends_with(file->path, ".bz2") || ends_with(file->path, ".zip"))
    return hgm_fail(error, 2, "%s: packed files are not read; unpack it first", file->path);
  return hgm_fail(error, 2, "%s: unknown ending; known are .h5 .hdf5 .npy .npz .csv .tsv", file->path);
}

// Splits FILE.h5:/group; a Windows-like or plain colon elsewhere stays part of the name.
static bool split_path(HgmTable *table, HgmFile *file, const char *text) {
  const char *colon = strstr(text, ":/");
  for (const char *next = colon; next != NULL; next = strstr(next + 1, ":/")) colon = next;
  size_t n = colon == NULL ? strlen(text) : (size_t)(colon - text);
  char *path = hgm_heap_strndup(&table->heap, text, n);
  if (path == NULL) return false;
  bool has_group = colon != NULL && is_hdf5_name(path);
  file->path = has_group ? path : hgm_heap_strdup(&table->heap, text);
  file->group = has_group ? hgm_heap_strdup(&table->heap, colon + 2) : "";
  return file->path != NULL && file->group != NULL;
}

static bool same_shape(const HgmColumn *a, const HgmColumn *b) {
  if (a->rank != b->rank) return false;
  for (int i = 0; i < a->rank; i++)
    if (a->shape[i] != b->shape[i]) return false;
  return true;
}

// Joins the fields of all files: a column is one that every file has.
static bool join(HgmTable *table, HgmError *error) {
  const HgmFile *head = table->files[0];
  size_t most = (size_t)(head->n_fields + 1), n_files = (size_t)table->n_files;
  table->columns = hgm_heap_alloc(&table->heap, most * sizeof *table->columns);
  table->fields = hgm_heap_alloc(&table->heap, most * n_files * sizeof *table->fields);
  if (table->columns == NULL || table->fields == NULL) return hgm_out_of_memory(error, table->name);
  for (int i = 0; i < head->n_fields; i++) {
    HgmColumn column = head->fields[i]->column;
    int *fields = table->fields + (size_t)table->n_columns * n_files;
    fields[0] = i;
    bool everywhere = true;
    for (int f = 1; f < table->n_files && everywhere; f++) {
      fields[f] = hgm_file_find(table->files[f], column.name);
      everywhere = fields[f] >= 0;
      if (!everywhere) break;
      const HgmColumn *other = &table->files[f]->fields[fields[f]]->column;
      if (!same_shape(&column, other) || (column.kind == HGM_COLUMN_TEXT) != (other->kind == HGM_COLUMN_TEXT))
        return hgm_fail(error, 1, "%s: column `%s` has another shape or type than in %s; rows of the files cannot be joined", table->files[f]->path,
                        column.name, head->path);
      if (other->kind == HGM_COLUMN_REAL) column.kind = HGM_COLUMN_REAL;
      column.rows += other->rows;
    }
    if (everywhere) table->columns[table->n_columns++] = column;
  }
  return true;
}

bool hgm_table_open(HgmTable **result, const char *const *paths, int n_paths, HgmError *error) {
  *result = NULL;
  if (n_paths < 1) return hgm_fail(error, 2, "no data file given");
  HgmTable *table = calloc(1, sizeof *table);
  if (table == NULL) return hgm_out_of_memory(error, paths[0]);
  table->files = hgm_heap_alloc(&table->heap, (size_t)n_paths * sizeof *table->files);
  table->name = n_paths == 1 ? hgm_heap_strdup(&table->heap, paths[0]) : hgm_heap_printf(&table->heap, "%s and %d more", paths[0], n_paths - 1);
  bool fine = table->files != NULL && table->name != NULL;
  for (int i = 0; i < n_paths && fine; i++) {
    HgmFile *file = hgm_heap_alloc(&table->heap, sizeof *file);
    fine = file != NULL && split_path(table, file, paths[i]);
    if (!fine) break;
    table->files[table->n_files++] = file;
    if (!file_open(file, error)) break;
  }
  if (!fine) hgm_out_of_memory(error, paths[0]);
  if (error->text[0] == '\0' && join(table, error)) {
    *result = table;
    return true;
  }
  hgm_table_close(table);
  return false;
}

void hgm_table_close(HgmTable *table) {
  if (table == NULL) return;
  for (int i = table->n_files - 1; i >= 0; i--) file_close(table->files[i]);
  hgm_heap_free(&table->heap);
  free(table);
}

// ---- columns

const char *hgm_table_name(const HgmTable *table) { return table->name; }
int hgm_table_n_columns(const HgmTable *table) { return table->n_columns; }
const HgmColumn *hgm_table_column(const HgmTable *table, int column) { return &table->columns[column]; }

const HgmField *hgm_table_field(const HgmTable *table, int column, int file) {
  return table->files[file]->fields[table->fields[(size_t)column * (size_t)table->n_files + (size_t)file]];
}

int64_t hgm_table_rows(const HgmTable *table) {
  for (int i = 0; i < table->n_columns; i++)
    if (hgm_table_field(table, i, 0)->refusal == NULL) return table->columns[i].rows;
  return 0;
}

int hgm_table_find(const HgmTable *table, const char *name) {
  for (int i = 0; i < table->n_columns; i++)
    if (strcmp(table->columns[i].name, name) == 0) return i;
  return -1;
}

static int fold(char c) { return c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c; }

// Edit distance that takes a change of case as half a change; in halves. Long names are cut.
static int name_distance(const char *a, const char *b) {
  enum { LONGEST = 120 };
  int row[LONGEST + 1];
  int n = (int)strnlen(a, LONGEST), m = (int)strnlen(b, LONGEST);
  for (int j = 0; j <= m; j++) row[j] = 2 * j;
  for (int i = 1; i <= n; i++) {
    int diagonal = row[0];
    row[0] = 2 * i;
    for (int j = 1; j <= m; j++) {
      int change = a[i - 1] == b[j - 1] ? 0 : fold(a[i - 1]) == fold(b[j - 1]) ? 1 : 2;
      int best = diagonal + change;
      if (row[j] + 2 < best) best = row[j] + 2;
      if (row[j - 1] + 2 < best) best = row[j - 1] + 2;
      diagonal = row[j];
      row[j] = best;
    }
  }
  return row[m];
}

// A name that ends like the wanted one after a `/` or `.` is near as well: group or table name left out.
static bool is_tail(const char *name, const char *wanted) {
  size_t n = strlen(name), m = strlen(wanted);
  return n > m && (name[n - m - 1] == '/' || name[n - m - 1] == '.') && strcmp(name + n - m, wanted) == 0;
}

int hgm_table_nearest(const HgmTable *table, const char *name, int near[3]) {
  int n_near = 0, limit = 2 + (int)strlen(name) * 2 / 3;
  for (int place = 0; place < 3; place++) {
    int best = limit + 1, found = -1;
    for (int i = 0; i < table->n_columns; i++) {
      bool taken = false;
      for (int k = 0; k < n_near; k++) taken = taken || near[k] == i;
      int distance = is_tail(table->columns[i].name, name) ? 1 : name_distance(name, table->columns[i].name);
      if (!taken && distance < best) best = distance, found = i;
    }
    if (found < 0) break;
    near[n_near++] = found;
    limit = best + 2; // further names only when about as near
  }
  return n_near;
}

const char *hgm_table_list(const HgmTable *table, char *text, size_t size) {
  enum { MOST = 12 };
  size_t used = (size_t)snprintf(text, size, table->n_columns == 0 ? "no columns" : "");
  for (int i = 0; i < table->n_columns && i < MOST && used < size; i++)
    used += (size_t)snprintf(text + used, size - used, "%s`%.80s`", i > 0 ? ", " : "", table->columns[i].name);
  if (table->n_columns > MOST && used < size) snprintf(text + used, size - used, " and %d more", table->n_columns - MOST);
  return text;
}

static bool absent(const HgmTable *table, const char *name, HgmError *error) {
  for (int f = 1; f < table->n_files; f++)
    if (hgm_file_find(table->files[0], name) >= 0 && hgm_file_find(table->files[f], name) < 0)
      return hgm_fail(error, 1, "%s has no column `%s`, which %s has; files that are read as one need the same columns", table->files[f]->path, name,
                      table->files[0]->path);
  int near[3], n_near = hgm_table_nearest(table, name, near);
  char text[1100], list[1024];
  size_t used = (size_t)snprintf(text, sizeof text, n_near > 0 ? "did you mean " : "it has %s", hgm_table_list(table, list, sizeof list));
  for (int k = 0; k < n_near; k++)
    used += (size_t)snprintf(text + used, sizeof text - used, "%s`%.80s`%s",
                             k == 0           ? ""
                             : k + 1 < n_near ? ", "
                                              : " or ",
                             table->columns[near[k]].name, k + 1 == n_near ? "?" : "");
  return hgm_fail(error, 1, "%s has no column `%s`; %s", table->name, name, text);
}

bool hgm_table_require(const HgmTable *table, const char *name, int *column, HgmError *error) {
  *column = hgm_table_find(table, name);
  if (*column < 0) return absent(table, name, error);
  for (int f = 0; f < table->n_files; f++) {
    const HgmField *field = hgm_table_field(table, *column, f);
    if (field->refusal != NULL) return hgm_fail(error, 1, "%s: %s", table->files[f]->path, field->refusal);
  }
  return true;
}

bool hgm_table_check_rows(const HgmTable *table, const int *columns, int n, int64_t *rows, HgmError *error) {
  *rows = 0;
  for (int f = 0; f < table->n_files; f++) {
    for (int k = 1; k < n; k++) {
      const HgmColumn *a = &hgm_table_field(table, columns[0], f)->column, *b = &hgm_table_field(table, columns[k], f)->column;
      if (a->rows != b->rows)
        return hgm_fail(error, 1, "%s: `%s` has %lld rows and `%s` has %lld; columns that are used together need equal lengths", table->files[f]->path, a->name,
                        (long long)a->rows, b->name, (long long)b->rows);
    }
    if (n > 0) *rows += hgm_table_field(table, columns[0], f)->column.rows;
  }
  if (*rows > 0 || n == 0) return true;
  return hgm_fail(error, 1, "%s: column `%s` has no rows", table->name, table->columns[columns[0]].name);
}

// ---- identity

static bool identify(HgmFileIdentity *identity, const char *path, HgmError *error) {
  enum { CHUNK = 1 << 16 };
  HgmSha256 sha;
  hgm_sha256_begin(&sha);
  FILE *file = fopen(path, "rb");
  char *chunk = malloc(CHUNK);
  bool fine = file != NULL && chunk != NULL;
  identity->path = path;
  for (size_t n; fine && (n = fread(chunk, 1, CHUNK, file)) > 0; identity->bytes += (int64_t)n) hgm_sha256_add(&sha, chunk, n);
  fine = fine && ferror(file) == 0;
  if (file != NULL) fclose(file);
  free(chunk);
  hgm_sha256_end(&sha, identity->sha256);
  return fine || hgm_fail(error, 2, "%s: cannot be read again for its checksum", path);
}

bool hgm_table_identity(HgmTable *table, const HgmFileIdentity **identities, int *n_files, HgmError *error) {
  if (table->identities == NULL) {
    HgmFileIdentity *all = hgm_heap_alloc(&table->heap, (size_t)table->n_files * sizeof *all);
    if (all == NULL) return hgm_out_of_memory(error, table->name);
    for (int i = 0; i < table->n_files; i++)
      if (!identify(&all[i], table->files[i]->path, error)) return false;
    table->identities = all;
  }
  *identities = table->identities;
  *n_files = table->n_files;
  return true;
}
