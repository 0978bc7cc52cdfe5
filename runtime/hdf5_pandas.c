// What pandas.DataFrame.to_hdf writes: format "fixed" (blockN_values with names in blockN_items) and format "table" (a compound
// `table` whose members are data columns, or blocks of columns with their names pickled in an attribute).
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/hdf5_reader.h"
#include "runtime/pickle.h"

typedef struct Names {
  HgmFile *file;
  hid_t table;
} Names;

// Names of the elements of `values_block_N`, from the attribute `values_block_N_kind` of the table.
static const char **block_names(void *data, const char *member, int n) {
  Names *names = data;
  char attribute[300];
  snprintf(attribute, sizeof attribute, "%.200s_kind", member);
  const char *pickle = hgm_hdf5_text(&names->file->heap, names->table, attribute);
  const char **result = pickle == NULL ? NULL : hgm_heap_alloc(&names->file->heap, (size_t)n * sizeof *result);
  if (result == NULL) return NULL;
  return hgm_pickled_texts(&names->file->heap, pickle, result, n) == n ? result : NULL;
}

// ---- format "table"

// Names of a categorical column's codes, from GROUP/meta/COLUMN/meta/table.
static bool add_categories(HgmFile *file, hid_t group, HgmField *field) {
  char path[700];
  const char *name = strrchr(field->column.name, '/');
  snprintf(path, sizeof path, "meta/%s/meta/table", name == NULL ? field->column.name : name + 1);
  hid_t table = H5Dopen2(group, path, H5P_DEFAULT);
  if (table < 0) return true;
  HgmFile inner = {.path = file->path, .group = ""};
  HgmError ignored = {0};
  bool fine = true;
  int at = -1;
  if (hgm_hdf5_add_dataset(&inner, table, "", "table", &ignored)) {
    static const char *const members[] = {"values", "values_block_0[0]"};
    for (size_t i = 0; i < sizeof members / sizeof *members && at < 0; i++) at = hgm_file_find(&inner, members[i]);
  }
  const HgmField *values = at < 0 ? NULL : inner.fields[at];
  int64_t n = values != NULL && values->refusal == NULL && values->cell == HGM_CELL_FIXED_TEXT ? values->column.rows : 0;
  const char **texts = n < 1 || n > 100000 ? NULL : hgm_heap_alloc(&file->heap, (size_t)n * sizeof *texts);
  for (int64_t row = 0, got; texts != NULL && fine && row < n; row += got) {
    const char *bytes, *text;
    size_t length;
    fine = hgm_block_rows(values->block, row, n, &bytes, &got, &ignored);
    for (int64_t i = 0; fine && i < got; i++) {
      hgm_field_text(values, bytes + (size_t)i * values->block->row_bytes, &text, &length);
      texts[row + i] = hgm_heap_strndup(&file->heap, text, length);
      fine = texts[row + i] != NULL;
    }
  }
  if (texts != NULL && fine) field->column.texts = texts, field->column.n_texts = (int)n;
  for (int i = inner.n_blocks - 1; i >= 0; i--) {
    inner.blocks[i]->close(inner.blocks[i]);
    free(inner.blocks[i]->cache);
  }
  free(inner.blocks);
  free(inner.fields);
  hgm_heap_free(&inner.heap);
  H5Dclose(table);
  return true;
}

static bool add_table(HgmFile *file, hid_t group, const char *name, HgmError *error) {
  hid_t table = H5Dopen2(group, "table", H5P_DEFAULT);
  if (table < 0) return hgm_fail(error, 1, "%s: pandas group `%s` has no dataset `table`; the file is incomplete", file->path, name);
  hid_t type = H5Dget_type(table);
  int before = file->n_fields;
  Names names = {.file = file, .table = table};
  bool fine = H5Tget_class(type) == H5T_COMPOUND ? hgm_hdf5_add_compound(file, table, type, "", name, block_names, &names, error)
                                                 : hgm_fail(error, 1, "%s: pandas group `%s` holds no table of columns", file->path, name);
  for (int i = before; fine && i < file->n_fields; i++)
    if (file->fields[i]->column.kind == HGM_COLUMN_INTEGER) fine = add_categories(file, group, file->fields[i]);
  H5Tclose(type);
  H5Dclose(table);
  return fine;
}

// ---- format "fixed"

// Columns of blockN_values by the names in blockN_items.
static bool add_block(HgmFile *file, hid_t group, const char *name, int number, HgmError *error) {
  char path[64];
  const char **names = NULL;
  int n = 0;
  snprintf(path, sizeof path, "block%d_items", number);
  hid_t items = H5Dopen2(group, path, H5P_DEFAULT);
  bool fine = items < 0 || hgm_hdf5_dataset_texts(&file->heap, items, &names, &n);
  if (items >= 0) H5Dclose(items);
  if (!fine) return hgm_out_of_memory(error, file->path);
  snprintf(path, sizeof path, "block%d_values", number);
  hid_t values = H5Dopen2(group, path, H5P_DEFAULT);
  if (values < 0) return hgm_fail(error, 1, "%s: pandas group `%s` has no dataset `%s`; the file is incomplete", file->path, name, path);
  hid_t type = H5Dget_type(values), space = H5Dget_space(values);
  hsize_t shape[H5S_MAX_RANK] = {0};
  int rank = H5Sget_simple_extent_dims(space, shape, NULL);
  Hdf5Element element = hgm_hdf5_element(type);
  H5Sclose(space);
  H5Tclose(type);
  bool is_plain = element.refusal == NULL && element.cell == HGM_CELL_NUMBERS && rank == 2 && shape[1] == (hsize_t)n;
  if (!is_plain || !hgm_hdf5_check_filters(file, values, path, error)) {
    if (element.memory >= 0) H5Tclose(element.memory);
    for (int i = 0; i < n && fine && !is_plain; i++)
      fine = hgm_hdf5_refuse(file, "", names[i], "is stored by pandas as Python objects; save the frame with format=\"table\"");
    H5Dclose(values);
    return fine ? !(is_plain) : hgm_out_of_memory(error, file->path);
  }
  HgmBlock *block = hgm_hdf5_block(file, values, element.memory, (size_t)n * element.bytes, path, error);
  H5Dclose(values);
  if (block == NULL) return false;
  for (int i = 0; i < n; i++) {
    HgmField *field = hgm_hdf5_field(file, "", name, names[i]);
    if (field == NULL) return hgm_out_of_memory(error, file->path);
    field->block = block;
    field->offset = (size_t)i * element.bytes;
    field->column.type = element.type;
    field->column.kind = hgm_type_kind(element.type);
    field->column.rows = block->rows;
  }
  return true;
}

bool hgm_hdf5_add_pandas(HgmFile *file, hid_t group, const char *path, bool *is_pandas, HgmError *error) {
  const char *kind = hgm_hdf5_text(&file->heap, group, "pandas_type");
  char name[512];
  snprintf(name, sizeof name, "%s", path[0] == '\0' ? "frame" : path);
  size_t length = strlen(name);
  if (length > 1 && name[length - 1] == '/') name[length - 1] = '\0';
  *is_pandas = kind != NULL && (strcmp(kind, "frame_table") == 0 || strcmp(kind, "frame") == 0 || strcmp(kind, "appendable_frame") == 0);
  if (!*is_pandas) return true;
  if (strcmp(kind, "frame") != 0) return add_table(file, group, name, error);
  for (int number = 0;; number++) {
    char block[64];
    snprintf(block, sizeof block, "block%d_values", number);
    if (H5Lexists(group, block, H5P_DEFAULT) <= 0) return true;
    if (!add_block(file, group, name, number, error)) return false;
  }
}
