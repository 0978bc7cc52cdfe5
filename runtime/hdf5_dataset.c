// A dataset as columns: whole, by the names in its attribute, or by the members of its compound type.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/hdf5_chunks.h"
#include "runtime/hdf5_reader.h"

enum { CHUNK_CACHE_BYTES = 4 << 20, MOST_SINGLE_ELEMENTS = 64 };

// ---- blocks

typedef struct Dataset {
  hid_t id, memory;
  bool has_variable_text;
  Hdf5Chunks chunks;  // where the block is concurrent
  HgmHeap texts;      // variable texts, each kept once
  const char **slots; // hash table of them
  size_t n_slots, n_texts;
} Dataset;

static size_t hash_text(const char *text) {
  uint64_t hash = UINT64_C(14695981039346656037);
  for (; *text != '\0'; text++) hash = (hash ^ (unsigned char)*text) * UINT64_C(1099511628211);
  return (size_t)hash;
}

static bool grow_slots(Dataset *dataset) {
  size_t n = dataset->n_slots == 0 ? 64 : 2 * dataset->n_slots;
  const char **slots = calloc(n, sizeof *slots);
  if (slots == NULL) return false;
  for (size_t i = 0; i < dataset->n_slots; i++) {
    if (dataset->slots[i] == NULL) continue;
    size_t at = hash_text(dataset->slots[i]) & (n - 1);
    while (slots[at] != NULL) at = (at + 1) & (n - 1);
    slots[at] = dataset->slots[i];
  }
  free(dataset->slots);
  dataset->slots = slots;
  dataset->n_slots = n;
  return true;
}

// The one copy of a text that lives as long as the block; NULL when out of memory.
static const char *keep_text(Dataset *dataset, const char *text) {
  if (2 * (dataset->n_texts + 1) > dataset->n_slots && !grow_slots(dataset)) return NULL;
  size_t at = hash_text(text) & (dataset->n_slots - 1);
  for (; dataset->slots[at] != NULL; at = (at + 1) & (dataset->n_slots - 1))
    if (strcmp(dataset->slots[at], text) == 0) return dataset->slots[at];
  dataset->slots[at] = hgm_heap_strdup(&dataset->texts, text);
  dataset->n_texts++;
  return dataset->slots[at];
}

static bool keep_texts(HgmBlock *block, hid_t space, int64_t n, char *bytes, HgmError *error) {
  Dataset *dataset = block->backend;
  char **read = malloc((size_t)n * sizeof *read);
  if (read == NULL) return hgm_out_of_memory(error, block->file->path);
  memcpy(read, bytes, (size_t)n * sizeof *read);
  bool fine = true;
  for (int64_t i = 0; i < n && fine; i++) {
    const char *kept = keep_text(dataset, read[i] == NULL ? "" : read[i]);
    fine = kept != NULL;
    memcpy(bytes + (size_t)i * sizeof kept, &kept, sizeof kept);
  }
  H5Dvlen_reclaim(dataset->memory, space, H5P_DEFAULT, read);
  free(read);
  return fine || hgm_out_of_memory(error, block->file->path);
}

static bool unreadable(const HgmBlock *block, int64_t first, int64_t last, const char *cause, HgmError *error) {
  return hgm_fail(error, 2, "%s: `%s` cannot be read at rows %lld to %lld (%s); the file may be damaged", block->file->path, block->name, (long long)first,
                  (long long)last - 1, cause);
}

static bool block_read_chunks(HgmBlock *block, int64_t first, int64_t last, char *bytes, HgmError *error) {
  const Dataset *dataset = block->backend;
  Hdf5Damage damage;
  hgm_hdf5_quiet();
  if (hgm_hdf5_chunks_read(&dataset->chunks, first, last, bytes, &damage)) return true;
  if (damage.why[0] == '\0') return hgm_out_of_memory(error, block->file->path);
  return unreadable(block, (int64_t)damage.first, (int64_t)damage.last, damage.why, error);
}

static bool block_read(HgmBlock *block, int64_t first, int64_t last, char *bytes, HgmError *error) {
  Dataset *dataset = block->backend;
  if (last == first) return true;
  hsize_t start[H5S_MAX_RANK] = {(hsize_t)first}, count[H5S_MAX_RANK];
  hid_t space = H5Dget_space(dataset->id);
  int rank = H5Sget_simple_extent_dims(space, count, NULL);
  count[0] = (hsize_t)(last - first);
  hid_t memory = H5Screate_simple(rank, count, NULL);
  bool fine = H5Sselect_hyperslab(space, H5S_SELECT_SET, start, NULL, count, NULL) >= 0 &&
              H5Dread(dataset->id, dataset->memory, memory, space, H5P_DEFAULT, bytes) >= 0;
  if (!fine) {
    char cause[200];
    hgm_hdf5_cause(cause, sizeof cause);
    unreadable(block, first, last, cause, error);
  } else if (dataset->has_variable_text) {
    fine = keep_texts(block, memory, last - first, bytes, error);
  }
  H5Sclose(memory);
  H5Sclose(space);
  return fine;
}

static void block_close(HgmBlock *block) {
  Dataset *dataset = block->backend;
  hgm_hdf5_quiet();
  if (dataset->memory >= 0) H5Tclose(dataset->memory);
  H5Dclose(dataset->id);
  hgm_heap_free(&dataset->texts);
  free(dataset->slots);
  free(dataset);
}

// Opened again with a larger chunk cache: rows are read in pieces that do not end where chunks end.
static hid_t reopen(hid_t dataset) {
  char path[4096];
  hid_t access = H5Dget_access_plist(dataset), file = H5Iget_file_id(dataset), result = -1;
  if (access >= 0 && file >= 0 && H5Iget_name(dataset, path, sizeof path) > 0 && H5Pset_chunk_cache(access, 521, CHUNK_CACHE_BYTES, 1.0) >= 0)
    result = H5Dopen2(file, path, access);
  if (access >= 0) H5Pclose(access);
  if (file >= 0) H5Fclose(file);
  if (result < 0 && H5Iinc_ref(dataset) >= 0) result = dataset;
  return result;
}

HgmBlock *hgm_hdf5_block(HgmFile *file, hid_t id, hid_t memory, size_t bytes, const char *name, HgmError *error) {
  HgmBlock *block = hgm_file_add_block(file, name);
  Dataset *dataset = calloc(1, sizeof *dataset);
  if (block == NULL || dataset == NULL) {
    free(dataset);
    H5Tclose(memory);
    hgm_out_of_memory(error, file->path);
    return NULL;
  }
  hid_t space = H5Dget_space(id);
  hsize_t shape[H5S_MAX_RANK] = {0};
  H5Sget_simple_extent_dims(space, shape, NULL);
  H5Sclose(space);
  *dataset = (Dataset){.id = reopen(id), .memory = memory, .has_variable_text = H5Tis_variable_str(memory) > 0};
  block->rows = (int64_t)shape[0];
  block->row_bytes = bytes;
  block->is_concurrent = hgm_hdf5_chunks(dataset->id, memory, &dataset->chunks);
  block->chunk_rows = block->is_concurrent ? (int64_t)dataset->chunks.chunk[0] : 0;
  block->read = block->is_concurrent ? block_read_chunks : block_read;
  block->close = block_close;
  block->backend = dataset;
  return block;
}

// ---- fields

HgmField *hgm_hdf5_field(HgmFile *file, const char *prefix, const char *container, const char *name) {
  char full[1024];
  snprintf(full, sizeof full, "%s%s", prefix, name);
  if (hgm_file_find(file, full) >= 0) snprintf(full, sizeof full, "%s%s/%s", prefix, container, name);
  return hgm_file_add_field(file, full);
}

bool hgm_hdf5_refuse(HgmFile *file, const char *prefix, const char *name, const char *reason) {
  HgmField *field = hgm_hdf5_field(file, prefix, "", name);
  if (field != NULL) field->refusal = hgm_heap_printf(&file->heap, "column `%s%s` %s", prefix, name, reason);
  return field != NULL && field->refusal != NULL;
}

static bool fill(HgmField *field, HgmBlock *block, const Hdf5Element *element, size_t offset, int rank, const hsize_t *shape) {
  if (field == NULL) return false;
  field->block = block;
  field->offset = offset;
  field->cell = element->cell;
  field->text_bytes = element->cell == HGM_CELL_FIXED_TEXT ? element->bytes : 0;
  HgmColumn *column = &field->column;
  column->type = element->type;
  column->kind = hgm_type_kind(element->type);
  column->rank = rank;
  column->rows = block->rows;
  for (int i = 0; i < rank; i++) {
    column->shape[i] = (int64_t)shape[i];
    column->elements *= (int64_t)shape[i];
  }
  return true;
}

// Units of n columns: one text for all or one for each.
static bool add_units(HgmFile *file, hid_t dataset, HgmField *const *fields, int n) {
  const char **units;
  int n_units;
  if (!hgm_hdf5_texts(&file->heap, dataset, "unit", &units, &n_units)) return false;
  if (n_units == 0 && !hgm_hdf5_texts(&file->heap, dataset, "units", &units, &n_units)) return false;
  for (int i = 0; i < n && (n_units == 1 || n_units == n); i++) fields[i]->column.unit = units[n_units == 1 ? 0 : i];
  return true;
}

// ---- compound

typedef struct Members {
  HgmFile *file;
  hid_t dataset;
  HgmBlock *block;
  const char *prefix, *container;
  Hdf5NamesOf *names_of;
  void *data;
} Members;

static bool add_array_member(Members *members, hid_t type, const char *name, size_t offset) {
  hsize_t shape[H5S_MAX_RANK];
  int rank = H5Tget_array_dims2(type, shape);
  hid_t base = H5Tget_super(type);
  Hdf5Element element = hgm_hdf5_element(base);
  H5Tclose(base);
  if (element.memory >= 0) H5Tclose(element.memory);
  int n = 1;
  for (int i = 0; i < rank; i++) n = shape[i] < 100000000 ? n * (int)shape[i] : n;
  const char **names = members->names_of == NULL ? NULL : members->names_of(members->data, name, n);
  bool is_text = element.cell == HGM_CELL_FIXED_TEXT, fine = true;
  if (names == NULL && !is_text)
    fine = fill(hgm_hdf5_field(members->file, members->prefix, members->container, name), members->block, &element, offset, rank, shape);
  bool is_singly = names != NULL || (rank == 1 && n <= MOST_SINGLE_ELEMENTS);
  for (int i = 0; is_singly && fine && i < n; i++) {
    char single[600];
    snprintf(single, sizeof single, "%s[%d]", name, i);
    HgmField *field = hgm_hdf5_field(members->file, members->prefix, members->container, names == NULL ? single : names[i]);
    fine = fill(field, members->block, &element, offset + (size_t)i * element.bytes, 0, NULL);
  }
  return fine;
}

// `type` is the file's, `memory` that in memory, which lacks members that cannot be read.
static bool add_members(Members *members, hid_t type, hid_t memory, const char *before, size_t base) {
  bool fine = true;
  for (int i = 0; fine && i < H5Tget_nmembers(type); i++) {
    char *name = H5Tget_member_name(type, (unsigned)i), full[512];
    snprintf(full, sizeof full, "%s%s", before, name);
    hid_t member = H5Tget_member_type(type, (unsigned)i);
    int at = memory < 0 ? -1 : H5Tget_member_index(memory, name);
    size_t offset = base + (at < 0 ? 0 : H5Tget_member_offset(memory, (unsigned)at));
    H5T_class_t class = H5Tget_class(member);
    if (at < 0) {
      Hdf5Element element = hgm_hdf5_element(member);
      if (element.memory >= 0) H5Tclose(element.memory);
      fine = hgm_hdf5_refuse(members->file, members->prefix, full,
                             element.refusal != NULL ? element.refusal : "holds text of variable length inside a table; store it as text of fixed length");
    } else if (class == H5T_COMPOUND) {
      hid_t inner = H5Tget_member_type(memory, (unsigned)at);
      strncat(full, ".", sizeof full - strlen(full) - 1);
      fine = add_members(members, member, inner, full, offset);
      H5Tclose(inner);
    } else if (class == H5T_ARRAY) {
      fine = add_array_member(members, member, full, offset);
    } else {
      Hdf5Element element = hgm_hdf5_element(member);
      H5Tclose(element.memory);
      fine = fill(hgm_hdf5_field(members->file, members->prefix, members->container, full), members->block, &element, offset, 0, NULL);
    }
    H5Tclose(member);
    H5free_memory(name);
  }
  return fine;
}

bool hgm_hdf5_add_compound(HgmFile *file, hid_t dataset, hid_t type, const char *prefix, const char *name, Hdf5NamesOf *names_of, void *data, HgmError *error) {
  hid_t memory = hgm_hdf5_compound(type);
  if (memory < 0) return hgm_hdf5_refuse(file, prefix, name, "is a table without a member that can be read");
  if (!hgm_hdf5_check_filters(file, dataset, name, error)) {
    H5Tclose(memory);
    return false;
  }
  HgmBlock *block = hgm_hdf5_block(file, dataset, memory, H5Tget_size(memory), name, error);
  if (block == NULL) return false;
  Members members = {.file = file, .dataset = dataset, .block = block, .prefix = prefix, .container = name, .names_of = names_of, .data = data};
  return add_members(&members, type, memory, "", 0) || hgm_out_of_memory(error, file->path);
}

// ---- plain datasets

// Names of the last axis that stand in an attribute; *n = 0 when they do not.
static bool column_names(HgmFile *file, hid_t dataset, int rank, const hsize_t *shape, const char ***names, int *n) {
  *n = 0;
  if (rank < 2) return true;
  static const char *const attributes[] = {"columns", "properties", "column_names"};
  for (size_t i = 0; i < sizeof attributes / sizeof *attributes && *n == 0; i++) {
    if (!hgm_hdf5_texts(&file->heap, dataset, attributes[i], names, n)) return false;
    if ((hsize_t)*n != shape[rank - 1]) *n = 0;
  }
  return true;
}

static bool add_plain(HgmFile *file, hid_t dataset, Hdf5Element element, int rank, const hsize_t *shape, const char *prefix, const char *name,
                      HgmError *error) {
  if (!hgm_hdf5_check_filters(file, dataset, name, error)) {
    H5Tclose(element.memory);
    return false;
  }
  size_t bytes = element.bytes;
  for (int i = 1; i < rank; i++) bytes *= (size_t)shape[i];
  HgmBlock *block = hgm_hdf5_block(file, dataset, element.memory, bytes, name, error);
  if (block == NULL) return false;
  HgmField *whole = hgm_hdf5_field(file, prefix, "", name);
  bool fine = fill(whole, block, &element, 0, rank - 1, shape + 1) && add_units(file, dataset, &whole, 1);
  const char **names = NULL;
  int n = 0;
  fine = fine && column_names(file, dataset, rank, shape, &names, &n);
  if (fine && n > 0) whole->column.parts = names, whole->column.n_parts = n;
  if (rank > 2) n = 0; // columns of their own are numbers
  HgmField **fields = fine && n > 0 ? hgm_heap_alloc(&file->heap, (size_t)n * sizeof *fields) : NULL;
  for (int i = 0; fine && i < n; i++) {
    fields[i] = hgm_hdf5_field(file, prefix, name, names[i]);
    fine = fill(fields[i], block, &element, (size_t)i * element.bytes, 0, NULL);
  }
  fine = fine && (n == 0 || add_units(file, dataset, fields, n));
  return fine || hgm_out_of_memory(error, file->path);
}

bool hgm_hdf5_add_dataset(HgmFile *file, hid_t dataset, const char *prefix, const char *name, HgmError *error) {
  hid_t type = H5Dget_type(dataset), space = H5Dget_space(dataset);
  H5S_class_t extent = H5Sget_simple_extent_type(space);
  hsize_t shape[H5S_MAX_RANK] = {0};
  int rank = extent == H5S_SIMPLE ? H5Sget_simple_extent_dims(space, shape, NULL) : 0;
  bool is_table = H5Tget_class(type) == H5T_COMPOUND, fine = true, is_flat = true, is_hollow = false;
  for (int i = 1; i < rank; i++) is_flat = is_flat && shape[i] == 1, is_hollow = is_hollow || shape[i] == 0;
  Hdf5Element element = is_table ? (Hdf5Element){.memory = -1} : hgm_hdf5_element(type);
  const char *reason = extent == H5S_NULL                                                                  ? "holds no data (a null dataspace)"
                       : extent == H5S_SCALAR                                                              ? "is a single value, not one per event"
                       : rank > HGM_MAX_RANK + 1                                                           ? "has more than four axes per event"
                       : is_hollow                                                                         ? "has no numbers per event (an axis of length 0)"
                       : is_table && !is_flat                                                              ? "is a table with several axes"
                       : !is_table && element.type == HGM_FILE_TEXT && rank > 1 && element.refusal == NULL ? "holds several texts per event"
                                                                                                           : element.refusal;
  if (reason != NULL) {
    if (element.memory >= 0) H5Tclose(element.memory);
    fine = hgm_hdf5_refuse(file, prefix, name, reason) || hgm_out_of_memory(error, file->path);
  } else if (is_table) {
    fine = hgm_hdf5_add_compound(file, dataset, type, prefix, name, NULL, NULL, error);
  } else {
    fine = add_plain(file, dataset, element, rank, shape, prefix, name, error);
  }
  H5Sclose(space);
  H5Tclose(type);
  return fine;
}
