// HDF5 files as tables, by the names that runtime/table.h states: datasets, columns named in an attribute, members of compounds.
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "runtime/pickle.h"
#include "sampler/hdf5.h"

enum { DEEPEST = 8, MOST_SINGLE_ELEMENTS = 64 };

void hgm_hdf5_quiet(void) {} // there is no library that prints

typedef struct Reading {
  H5 h;
  HgmError *error;
  const char *prefix;
  int depth;
  const H5Object *pandas; // the table of a pandas frame, whose attributes name the elements of its members; else NULL
} Reading;

static bool out_of_memory(const Reading *r) { return hgm_out_of_memory(r->error, r->h.file->path); }

// ---- fields

// Named prefix + name, or, when that is taken, prefix + container/name.
static HgmField *add_field(const Reading *r, const char *container, const char *name) {
  char full[1024];
  snprintf(full, sizeof full, "%s%s", r->prefix, name);
  if (hgm_file_find(r->h.file, full) >= 0) snprintf(full, sizeof full, "%s%s/%s", r->prefix, container, name);
  return hgm_file_add_field(r->h.file, full);
}

static bool refuse(const Reading *r, const char *name, const char *reason) {
  HgmField *field = add_field(r, "", name);
  if (field != NULL) field->refusal = hgm_heap_printf(&r->h.file->heap, "column `%s%s` %s", r->prefix, name, reason);
  return (field != NULL && field->refusal != NULL) || out_of_memory(r);
}

// Our type of a number or text; false: *reason says why there is none.
static bool file_type(const H5Type *t, HgmFileType *type, const char **reason) {
  static const HgmFileType integers[2][4] = {{HGM_FILE_U8, HGM_FILE_U16, HGM_FILE_U32, HGM_FILE_U64}, {HGM_FILE_I8, HGM_FILE_I16, HGM_FILE_I32, HGM_FILE_I64}};
  if (t->is_bool) return *type = HGM_FILE_BOOL, true;
  bool is_integer = t->class == H5_INTEGER || t->class == H5_ENUM;
  for (int k = 0; is_integer && k < 4; k++)
    if (t->bytes == 1u << k) return *type = integers[t->is_signed][k], true;
  if (t->class == H5_REAL && (t->bytes == 4 || t->bytes == 8)) return *type = t->bytes == 4 ? HGM_FILE_F32 : HGM_FILE_F64, true;
  if (t->class == H5_BITS && t->bytes == 1) return *type = HGM_FILE_U8, true;
  if (t->class == H5_TEXT || t->is_variable_text) return *type = HGM_FILE_TEXT, true;
  *reason = t->class == H5_REAL       ? "holds numbers of a size that a sampler does not read"
            : t->class == H5_VARIABLE ? "has rows of different length; pad them to one length"
                                      : "holds neither numbers nor texts";
  return false;
}

static bool fill(const Reading *r, HgmField *field, HgmBlock *block, const H5Type *t, uint64_t offset, int rank, const uint64_t *shape) {
  const char *reason;
  if (field == NULL) return out_of_memory(r);
  HgmColumn *c = &field->column;
  field->block = block;
  field->offset = offset;
  if (!file_type(t, &c->type, &reason)) return hgm_fail(r->error, 3, "%s: a field that cannot be read", r->h.file->path);
  c->kind = hgm_type_kind(c->type);
  field->cell = t->is_variable_text ? HGM_CELL_TEXT_POINTER : t->class == H5_TEXT ? HGM_CELL_FIXED_TEXT : HGM_CELL_NUMBERS;
  field->text_bytes = t->class == H5_TEXT ? t->bytes : 0;
  c->rows = block->rows;
  c->rank = rank;
  for (int i = 0; i < rank; i++) c->elements *= c->shape[i] = (int64_t)shape[i];
  return true;
}

// ---- compounds

// Names that pandas gives to the n elements of a member; NULL: none.
static const char **element_names(const Reading *r, const char *member, uint64_t n) {
  char attribute[300];
  const char *const *pickle;
  snprintf(attribute, sizeof attribute, "%.200s_kind", member);
  if (r->pandas == NULL || n > 100000 || h5_texts(&r->h, r->pandas, attribute, &pickle) < 1) return NULL;
  const char **names = hgm_heap_alloc(&r->h.file->heap, n * sizeof *names);
  return names != NULL && hgm_pickled_texts(&r->h.file->heap, pickle[0], names, (int)n) == (int)n ? names : NULL;
}

static bool add_array(const Reading *r, HgmBlock *block, const char *container, const char *name, const H5Type *t, uint64_t offset) {
  H5Type base;
  HgmFileType type;
  const char *reason = "holds arrays of arrays";
  if (h5_type(t->inner, t->inner_end, &base) == NULL || !file_type(&base, &type, &reason) || base.class == H5_TEXT || base.is_variable_text || t->rank < 1 ||
      t->rank > HGM_MAX_RANK)
    return refuse(r, name, reason);
  const char **names = t->rank == 1 ? element_names(r, name, t->shape[0]) : NULL;
  if (names == NULL && !fill(r, add_field(r, container, name), block, &base, offset, t->rank, t->shape)) return false;
  for (uint64_t i = 0; t->rank == 1 && (names != NULL || t->shape[0] <= MOST_SINGLE_ELEMENTS) && i < t->shape[0]; i++) {
    char single[600];
    snprintf(single, sizeof single, "%s[%d]", name, (int)i);
    if (!fill(r, add_field(r, container, names != NULL ? names[i] : single), block, &base, offset + i * base.bytes, 0, NULL)) return false;
  }
  return true;
}

static bool add_members(const Reading *r, HgmBlock *block, const char *container, const char *before, const H5Type *t, uint64_t base) {
  const uint8_t *next = t->inner;
  for (int i = 0; i < t->n_members; i++) {
    const char *name, *reason;
    char full[512];
    uint64_t offset;
    H5Type member;
    HgmFileType type;
    if ((next = h5_member(t, next, &name, &offset, &member)) == NULL) return hgm_fail(r->error, 1, "%s: the HDF5 file is damaged", r->h.file->path);
    bool is_table = member.class == H5_COMPOUND, fine;
    snprintf(full, sizeof full, "%s%s%s", before, name, is_table ? "." : "");
    if (is_table) fine = add_members(r, block, container, full, &member, base + offset);
    else if (member.class == H5_ARRAY) fine = add_array(r, block, container, full, &member, base + offset);
    else if (member.is_variable_text) fine = refuse(r, full, "holds text of variable length inside a table; store it as text of fixed length");
    else if (!file_type(&member, &type, &reason)) fine = refuse(r, full, reason);
    else fine = fill(r, add_field(r, container, full), block, &member, base + offset, 0, NULL);
    if (!fine) return false;
  }
  return true;
}

// ---- datasets

static bool add_columns(const Reading *r, const H5Object *object, const char *name, HgmBlock *block, const H5Space *space, const H5Type *t) {
  static const char *const lists[] = {"columns", "properties", "column_names"};
  HgmField *whole = add_field(r, "", name);
  if (!fill(r, whole, block, t, 0, space->rank - 1, space->shape + 1)) return false;
  const char *const *units, *const *names = NULL;
  int n_units = h5_texts(&r->h, object, "unit", &units), n = 0;
  if (n_units == 0) n_units = h5_texts(&r->h, object, "units", &units);
  if (n_units == 1) whole->column.unit = units[0];
  for (size_t i = 0; space->rank == 2 && n == 0 && i < sizeof lists / sizeof *lists; i++) {
    n = h5_texts(&r->h, object, lists[i], &names);
    if ((uint64_t)n != space->shape[1]) n = 0;
  }
  for (int i = 0; i < n; i++) {
    HgmField *field = add_field(r, name, names[i]);
    if (!fill(r, field, block, t, (uint64_t)i * t->bytes, 0, NULL)) return false;
    if (n_units == 1 || n_units == n) field->column.unit = units[n_units == 1 ? 0 : i];
  }
  return true;
}

static const char *why_not(const H5Space *space, const H5Type *t) {
  const char *reason = NULL;
  HgmFileType type;
  bool is_flat = true, is_hollow = false, is_table = t->class == H5_COMPOUND;
  for (int i = 1; i < space->rank; i++) is_flat = is_flat && space->shape[i] == 1, is_hollow = is_hollow || space->shape[i] == 0;
  if (space->rank < 0) return "holds no data (a null dataspace)";
  if (space->rank == 0) return "is a single value, not one per event";
  if (space->rank > H5_MOST_RANK) return "has more than four axes per event";
  if (is_hollow) return "has no numbers per event (an axis of length 0)";
  if (is_table && !is_flat) return "is a table with several axes";
  if (!is_table && !file_type(t, &type, &reason)) return reason;
  return !is_table && type == HGM_FILE_TEXT && space->rank > 1 ? "holds several texts per event" : NULL;
}

static bool add_dataset(const Reading *r, const H5Object *object, const char *name) {
  H5Type type;
  H5Space space;
  if (!h5_space(h5_message(object, H5_DATASPACE), &space) || !h5_dataset_type(object, &type))
    return refuse(r, name, "has a type or shape that a sampler does not read; the file may be damaged");
  const char *reason = why_not(&space, &type);
  if (reason != NULL) return refuse(r, name, reason);
  HgmBlock *block = h5_block(&r->h, object, name, &space, &type, &reason, r->error);
  if (block == NULL) return reason != NULL && r->error->text[0] == '\0' && refuse(r, name, reason);
  if (type.class == H5_COMPOUND) return add_members(r, block, name, "", &type, 0);
  return add_columns(r, object, name, block, &space, &type);
}

// ---- groups

static bool add_object(Reading *r, const char *name, const H5Object *object);

static bool add_link(void *data, const char *name, uint64_t address) {
  Reading *r = data;
  H5Object object;
  if (address == H5_NOWHERE) return refuse(r, name, "is a link that a sampler does not follow");
  if (!h5_open_object(&r->h, address, &object)) return refuse(r, name, "cannot be opened; the file may be damaged");
  bool fine = add_object(r, name, &object);
  h5_close_object(&object);
  return fine;
}

typedef struct Search { // for a link by name
  const char *name;
  size_t n;
  uint64_t address;
} Search;

static bool compare_link(void *data, const char *name, uint64_t address) {
  Search *s = data;
  if (strlen(name) == s->n && strncmp(name, s->name, s->n) == 0) s->address = address;
  return true;
}

// What DataFrame.to_hdf writes with format="table": one table, whose columns are named without the group.
static bool add_frame(const Reading *r, const H5Object *group, const char *prefix) {
  Search s = {"table", 5, H5_NOWHERE};
  H5Object table;
  if (!h5_links(&r->h, group, compare_link, &s) || s.address == H5_NOWHERE || !h5_open_object(&r->h, s.address, &table))
    return hgm_fail(r->error, 1, "%s: pandas group `/%s` has no dataset `table`; the file is incomplete", r->h.file->path, prefix);
  const Reading inner = {r->h, r->error, "", r->depth, &table};
  bool fine = add_dataset(&inner, &table, "table");
  h5_close_object(&table);
  return fine;
}

static bool add_group(Reading *r, const H5Object *group, const char *prefix) {
  Reading inner = {r->h, r->error, prefix, r->depth + 1, NULL};
  const char *const *pandas;
  if (h5_texts(&r->h, group, "pandas_type", &pandas) > 0) {
    if (strcmp(pandas[0], "frame_table") == 0 || strcmp(pandas[0], "appendable_frame") == 0) return add_frame(r, group, prefix);
    if (strcmp(pandas[0], "frame") == 0)
      return hgm_fail(r->error, 1, "%s: `/%s` is a pandas frame of format \"fixed\", which a sampler does not read; save it with format=\"table\"",
                      r->h.file->path, prefix);
  }
  const H5Message *info = h5_message(group, H5_LINK_INFO);
  uint64_t at = info != NULL && info->size > 2 && (info->at[1] & 1) != 0 ? 10 : 2;
  if (info != NULL && info->size >= at + 8 && h5_number(info->at + at, 8) != H5_NOWHERE)
    return hgm_fail(r->error, 1,
                    "%s: group `/%s` lists its datasets as only HDF5's newest layout does (libver=\"latest\", track_order); write it with the default",
                    r->h.file->path, prefix);
  if (h5_links(&r->h, group, add_link, &inner)) return true;
  return r->error->text[0] != '\0' ? false : hgm_fail(r->error, 1, "%s: the HDF5 file is damaged: group `/%s` cannot be read", r->h.file->path, prefix);
}

static bool add_object(Reading *r, const char *name, const H5Object *object) {
  if (h5_message(object, H5_LAYOUT) != NULL) return add_dataset(r, object, name);
  bool is_group = h5_message(object, H5_TABLE) != NULL || h5_message(object, H5_LINK_INFO) != NULL || h5_message(object, H5_LINK) != NULL;
  char below[1024];
  if (!is_group || r->depth >= DEEPEST || strncmp(name, "_i_", 3) == 0) return true; // _i_…: PyTables' indices
  return snprintf(below, sizeof below, "%s%s/", r->prefix, name) >= (int)sizeof below || add_group(r, object, below);
}

// ---- files

static void unmap(HgmBlock *block) { munmap(block->backend, block->row_bytes); }

static bool map(H5 *h, HgmError *error) {
  HgmFile *file = h->file;
  struct stat info;
  int descriptor = open(file->path, O_RDONLY | O_CLOEXEC);
  if (descriptor < 0) return hgm_fail(error, 2, "%s: cannot be opened: %s", file->path, strerror(errno));
  bool fine = fstat(descriptor, &info) == 0 && S_ISREG(info.st_mode);
  void *bytes = MAP_FAILED;
  if (fine && info.st_size > 0) bytes = mmap(NULL, (size_t)info.st_size, PROT_READ, MAP_PRIVATE, descriptor, 0);
  close(descriptor);
  if (!fine) return hgm_fail(error, 2, "%s: is no ordinary file", file->path);
  if (info.st_size == 0) return hgm_fail(error, 1, "%s: the file is empty (0 bytes)", file->path);
  if (bytes == MAP_FAILED) return hgm_fail(error, 2, "%s: cannot be read: %s", file->path, strerror(errno));
  HgmBlock *keeper = hgm_file_add_block(file, "file"); // blocks are closed from last to first: the file comes last
  if (keeper == NULL) {
    munmap(bytes, (size_t)info.st_size);
    return hgm_out_of_memory(error, file->path);
  }
  keeper->backend = bytes;
  keeper->row_bytes = (size_t)info.st_size;
  keeper->close = unmap;
  h->bytes = bytes;
  h->size = (uint64_t)info.st_size;
  return true;
}

// Follows "a/b/c" from an object; false: there is no such thing.
static bool descend(const H5 *h, uint64_t *address, const char *path) {
  while (*path != '\0') {
    Search s = {path, strcspn(path, "/"), H5_NOWHERE};
    H5Object object;
    if (s.n > 0) {
      if (!h5_open_object(h, *address, &object)) return false;
      bool fine = h5_links(h, &object, compare_link, &s);
      h5_close_object(&object);
      if (!fine || s.address == H5_NOWHERE) return false;
      *address = s.address;
    }
    path += s.n + (path[s.n] == '/');
  }
  return true;
}

static bool read_file(Reading *r, uint64_t address) {
  HgmFile *file = r->h.file;
  const char *slash = strrchr(file->group, '/'), *name = slash == NULL ? file->group : slash + 1;
  if (!descend(&r->h, &address, file->group)) return hgm_fail(r->error, 1, "%s has no group `/%s`", file->path, file->group);
  H5Object object;
  if (!h5_open_object(&r->h, address, &object)) return hgm_fail(r->error, 1, "%s: the HDF5 file is damaged: `/%s` cannot be opened", file->path, file->group);
  bool fine = h5_message(&object, H5_LAYOUT) != NULL ? add_dataset(r, &object, name) : add_group(r, &object, "");
  h5_close_object(&object);
  return fine;
}

bool hgm_open_hdf5(HgmFile *file, HgmError *error) {
  Reading r = {.h = {.file = file}, .error = error, .prefix = ""};
  uint64_t end = 0;
  if (!map(&r.h, error)) return false;
  uint64_t root = h5_root(&r.h, &end);
  if (root == H5_NOWHERE) return hgm_fail(error, 1, "%s: this is not an HDF5 file, whatever its ending says", file->path);
  if (end > r.h.size)
    return hgm_fail(error, 1, "%s: the HDF5 file is truncated: it has %llu of %llu bytes; copy or make it again", file->path, (unsigned long long)r.h.size,
                    (unsigned long long)end);
  if (!read_file(&r, root)) return false;
  return file->n_fields > 0 || hgm_fail(error, 1, "%s: holds no datasets", file->path);
}
