// Events as HDF5 without the HDF5 library: one chunked, extendable dataset a column, groups for names with `/`, as the file
// format specification (version 3.0) describes the oldest layout, which every library reads: superblock 0, version 1 object headers,
// symbol tables, version 1 B-trees. Chunks are written as they fill; all that describes them follows, the superblock last.
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "runtime/buffer.h"
#include "runtime/table_file.h"
#include "runtime/writer_file.h"

enum { CHUNK_BYTES = 1 << 15, MOST_CHUNK_ROWS = 1 << 13, SUPERBLOCK_BYTES = 96, TREE_K = 32, GROUP_K = 16, ENTRY_BYTES = 40 };
#define NOWHERE UINT64_MAX

typedef struct Column {
  int64_t chunk_rows, filled; // rows of the chunk at hand
  size_t row_bytes;
  char *chunk;
  HgmBuffer places; // of the chunks that are written
  uint64_t header;  // of the dataset, at the end
} Column;

typedef struct Output {
  Column *columns;
  HgmBuffer attributes; // messages of the root, packed at the beginning
  int n_attributes;
  uint64_t end; // of the file so far
} Output;

// ---- pieces of the format

static void put(HgmBuffer *b, uint64_t value, int bytes) { hgm_buffer_put(b, &value, (size_t)bytes, 1); } // little-endian, as the machine

static void pad(HgmBuffer *b) { hgm_buffer_put(b, "", 0, 8); }

static void put_number_type(HgmBuffer *b, HgmFileType type) {
  bool is_real = type == HGM_FILE_F32 || type == HGM_FILE_F64, is_double = type == HGM_FILE_F64;
  bool is_signed = type == HGM_FILE_I8 || type == HGM_FILE_I16 || type == HGM_FILE_I32 || type == HGM_FILE_I64;
  uint64_t bytes = hgm_type_bytes(type);
  put(b, is_real ? 0x11 : 0x10, 1);
  put(b, is_real ? (is_double ? 0x3f20 : 0x1f20) : is_signed ? 8 : 0, 3); // implied leading bit, place of the sign
  put(b, bytes, 4);
  put(b, 0, 2);
  put(b, 8 * bytes, 2);
  if (!is_real) return;
  put(b, is_double ? 52 : 23, 1), put(b, is_double ? 11 : 8, 1), put(b, 0, 1), put(b, is_double ? 52 : 23, 1), put(b, is_double ? 1023 : 127, 4);
}

static void put_text_type(HgmBuffer *b, uint64_t bytes) {
  put(b, 0x13, 1);
  put(b, 0x11, 3); // padded with NUL, UTF-8
  put(b, bytes, 4);
}

static void put_type(HgmBuffer *b, const HgmOutColumn *column) {
  if (column->type == HGM_FILE_TEXT) put_text_type(b, hgm_writer_element_bytes(column));
  else put_number_type(b, column->type);
}

// A message of an object header, with padding to 8 bytes.
static void put_message(HgmBuffer *b, unsigned type, const HgmBuffer *body) {
  size_t bytes = (body->size + 7) / 8 * 8;
  put(b, type, 2), put(b, bytes, 2), put(b, 0, 4);
  hgm_buffer_put(b, body->bytes, body->size, 1);
  pad(b);
  b->failed |= body->failed || bytes > UINT16_MAX;
}

static void put_attribute(HgmBuffer *b, const HgmAttribute *a) {
  HgmBuffer type = {0}, body = {0};
  const char *text = a->text != NULL ? a->text : "";
  size_t bytes = a->kind == HGM_ATTRIBUTE_TEXT ? strlen(text) + 1 : 8, name = strlen(a->name) + 1;
  if (a->kind == HGM_ATTRIBUTE_TEXT) put_text_type(&type, bytes);
  else put_number_type(&type, a->kind == HGM_ATTRIBUTE_INTEGER ? HGM_FILE_I64 : HGM_FILE_F64);
  put(&body, 3, 2), put(&body, name, 2), put(&body, type.size, 2), put(&body, 4, 2), put(&body, 1, 1); // version 3, the name is UTF-8
  hgm_buffer_put(&body, a->name, name, 1);
  hgm_buffer_put(&body, type.bytes, type.size, 1);
  put(&body, 2, 4); // dataspace version 2: a single value
  hgm_buffer_put(&body, a->kind == HGM_ATTRIBUTE_TEXT ? (const void *)text : a->kind == HGM_ATTRIBUTE_INTEGER ? (const void *)&a->integer : &a->real, bytes, 1);
  put_message(b, 0x0c, &body);
  b->failed |= type.failed;
  free(type.bytes);
  free(body.bytes);
}

// Writes a piece at the end of the file, at a multiple of 8; its place.
static uint64_t append_piece(HgmWriter *writer, const void *bytes, size_t n, HgmError *error) {
  Output *o = writer->backend;
  static const char zeros[8];
  size_t gap = (size_t)(-o->end & 7);
  uint64_t place = o->end + gap;
  if (!hgm_writer_put(writer, zeros, gap, error) || !hgm_writer_put(writer, bytes, n, error)) return NOWHERE;
  o->end = place + n;
  return place;
}

static uint64_t append_buffer(HgmWriter *writer, HgmBuffer *b, HgmError *error) {
  uint64_t place = NOWHERE;
  if (b->failed) hgm_fail(error, 2, "%s: out of memory, or a text is too long for HDF5", writer->path);
  else place = append_piece(writer, b->bytes, b->size, error);
  free(b->bytes);
  *b = (HgmBuffer){0};
  return place;
}

static uint64_t append_header(HgmWriter *writer, HgmBuffer *messages, int n, HgmError *error) {
  HgmBuffer b = {.failed = messages->failed};
  put(&b, 1, 2), put(&b, (uint64_t)n, 2), put(&b, 1, 4), put(&b, messages->size, 8);
  hgm_buffer_put(&b, messages->bytes, messages->size, 1);
  free(messages->bytes);
  *messages = (HgmBuffer){0};
  return append_buffer(writer, &b, error);
}

// ---- chunks and their tree

static bool write_chunk(HgmWriter *writer, Column *c, HgmError *error) {
  memset(c->chunk + (size_t)c->filled * c->row_bytes, 0, (size_t)(c->chunk_rows - c->filled) * c->row_bytes);
  uint64_t place = append_piece(writer, c->chunk, (size_t)c->chunk_rows * c->row_bytes, error);
  if (place == NOWHERE) return false;
  hgm_buffer_put(&c->places, &place, sizeof place, 1);
  c->filled = 0;
  return !c->places.failed || hgm_fail(error, 2, "%s: out of memory", writer->path);
}

static void put_key(HgmBuffer *b, const Column *c, uint64_t chunk, int rank) {
  put(b, (uint64_t)c->chunk_rows * c->row_bytes, 4), put(b, 0, 4), put(b, chunk * (uint64_t)c->chunk_rows, 8);
  for (int i = 0; i <= rank; i++) put(b, 0, 8);
}

// One level of the tree over `children` (each stands for `span` chunks of n); their places are replaced by those of the nodes.
static bool append_level(HgmWriter *writer, const Column *c, int rank, int level, HgmBuffer *children, uint64_t span, uint64_t n, HgmError *error) {
  uint64_t n_children = children->size / 8, place;
  HgmBuffer nodes = {0};
  for (uint64_t first = 0; first < n_children; first += 2 * TREE_K) {
    uint64_t used = n_children - first < 2 * TREE_K ? n_children - first : 2 * TREE_K;
    HgmBuffer b = {0};
    hgm_buffer_put(&b, "TREE\1", 5, 1);
    put(&b, (uint64_t)level, 1), put(&b, used, 2), put(&b, NOWHERE, 8), put(&b, NOWHERE, 8);
    for (uint64_t i = 0; i < used; i++) {
      put_key(&b, c, (first + i) * span, rank);
      hgm_buffer_put(&b, children->bytes + (first + i) * 8, 8, 1);
    }
    uint64_t behind = (first + used) * span;
    put_key(&b, c, behind < n ? behind : n, rank);
    for (uint64_t i = used; i < 2 * TREE_K; i++) put(&b, 0, 8), put_key(&b, c, 0, rank); // nodes have one size
    place = append_buffer(writer, &b, error);
    if (place == NOWHERE) break;
    hgm_buffer_put(&nodes, &place, sizeof place, 1);
  }
  free(children->bytes);
  *children = nodes;
  return n_children == 0 || (!nodes.failed && place != NOWHERE) || hgm_fail(error, 2, "%s: out of memory", writer->path);
}

// The tree's root in *root; siblings are not linked, which readers do not follow.
static bool append_tree(HgmWriter *writer, Column *c, int rank, uint64_t *root, HgmError *error) {
  uint64_t n = c->places.size / 8, span = 1;
  *root = NOWHERE;
  if (n == 0) return true;
  int level = 0;
  do {
    if (!append_level(writer, c, rank, level++, &c->places, span, n, error)) return false;
    span *= 2 * TREE_K;
  } while (c->places.size > 8);
  memcpy(root, c->places.bytes, sizeof *root);
  return true;
}

static bool append_dataset(HgmWriter *writer, int k, HgmError *error) {
  Column *c = &((Output *)writer->backend)->columns[k];
  const HgmOutColumn *column = &writer->columns[k];
  uint64_t tree;
  if (c->filled > 0 && !write_chunk(writer, c, error)) return false;
  if (!append_tree(writer, c, column->rank, &tree, error)) return false;
  HgmBuffer messages = {0}, space = {0}, type = {0}, fill = {0}, layout = {0};
  put(&space, 1, 1), put(&space, (uint64_t)column->rank + 1, 1), put(&space, 1, 6), put(&space, (uint64_t)writer->rows, 8);
  for (int i = 0; i < column->rank; i++) put(&space, (uint64_t)column->shape[i], 8);
  put(&space, NOWHERE, 8); // as many rows as one likes
  for (int i = 0; i < column->rank; i++) put(&space, (uint64_t)column->shape[i], 8);
  put_type(&type, column);
  put(&fill, 0x01020302, 4), put(&fill, 0, 4); // version 2, space as it is needed, zeros
  put(&layout, 3, 1), put(&layout, 2, 1), put(&layout, (uint64_t)column->rank + 2, 1), put(&layout, tree, 8), put(&layout, (uint64_t)c->chunk_rows, 4);
  for (int i = 0; i < column->rank; i++) put(&layout, (uint64_t)column->shape[i], 4);
  put(&layout, hgm_writer_element_bytes(column), 4);
  put_message(&messages, 0x01, &space);
  put_message(&messages, 0x03, &type);
  put_message(&messages, 0x05, &fill);
  put_message(&messages, 0x08, &layout);
  if (column->unit != NULL) put_attribute(&messages, &(HgmAttribute){.name = "unit", .kind = HGM_ATTRIBUTE_TEXT, .text = column->unit});
  free(space.bytes), free(type.bytes), free(fill.bytes), free(layout.bytes);
  c->header = append_header(writer, &messages, column->unit != NULL ? 5 : 4, error);
  return c->header != NOWHERE;
}

// ---- groups

typedef struct Link {
  const char *name; // of n bytes
  size_t n;
  uint64_t header;
} Link;

typedef struct Group {
  uint64_t header, tree, heap;
} Group;

static int by_name(const void *x, const void *y) {
  const Link *a = x, *b = y;
  int order = memcmp(a->name, b->name, a->n < b->n ? a->n : b->n);
  return order != 0 ? order : (a->n > b->n) - (a->n < b->n);
}

// Heap of names, one node of entries, a tree with that one node, the header. `messages`: attributes, `n` of them.
static bool append_table(HgmWriter *writer, Link *links, size_t n_links, HgmBuffer *messages, int n, Group *group, HgmError *error) {
  HgmBuffer names = {0}, node = {0}, tree = {0}, heap = {0}, table = {0};
  uint64_t last = 0;
  qsort(links, n_links, sizeof *links, by_name);
  put(&names, 0, 8); // the empty name
  hgm_buffer_put(&node, "SNOD\1\0", 6, 1), put(&node, n_links, 2);
  for (size_t i = 0; i < n_links; i++) {
    last = hgm_buffer_put(&names, links[i].name, links[i].n, 8);
    put(&names, 0, 1);
    put(&node, last, 8), put(&node, links[i].header, 8), put(&node, 0, 8), put(&node, 0, 8), put(&node, 0, 8);
  }
  pad(&names);
  size_t most = 2 * (size_t)((writer->n_columns + 1) / 2 + 1); // as the superblock says
  for (size_t i = n_links * ENTRY_BYTES; i < most * ENTRY_BYTES; i += 8) put(&node, 0, 8);
  uint64_t names_bytes = names.size, names_at = append_buffer(writer, &names, error),
           node_at = names_at == NOWHERE ? NOWHERE : append_buffer(writer, &node, error);
  hgm_buffer_put(&heap, "HEAP\0\0\0", 8, 1), put(&heap, names_bytes, 8), put(&heap, 1, 8), put(&heap, names_at, 8);
  hgm_buffer_put(&tree, "TREE\0\0\1\0", 8, 1), put(&tree, NOWHERE, 8), put(&tree, NOWHERE, 8), put(&tree, 0, 8), put(&tree, node_at, 8), put(&tree, last, 8);
  for (int i = 0; i < 2 * (2 * GROUP_K - 1); i++) put(&tree, 0, 8);
  if (node_at != NOWHERE) group->heap = append_buffer(writer, &heap, error), group->tree = append_buffer(writer, &tree, error);
  put(&table, group->tree, 8), put(&table, group->heap, 8);
  put_message(messages, 0x11, &table);
  free(node.bytes), free(heap.bytes), free(tree.bytes), free(table.bytes);
  group->header = append_header(writer, messages, n + 1, error);
  return error->text[0] == '\0';
}

// The group of all columns whose names begin with the first `depth` bytes of column `of`'s (with the slash).
static bool append_group(HgmWriter *writer, int of, size_t depth, HgmBuffer *messages, int n, Group *group, HgmError *error) {
  const Output *o = writer->backend;
  Link *links = malloc((size_t)writer->n_columns * sizeof *links);
  size_t n_links = 0;
  bool fine = links != NULL || hgm_fail(error, 2, "%s: out of memory", writer->path);
  for (int k = 0; fine && k < writer->n_columns; k++) {
    const char *name = writer->columns[k].name;
    if (strncmp(name, writer->columns[of].name, depth) != 0) continue;
    Link link = {name + depth, strcspn(name + depth, "/"), o->columns[k].header};
    bool is_known = false;
    for (size_t i = 0; i < n_links; i++) is_known |= by_name(&links[i], &link) == 0;
    if (is_known) continue;
    if (link.name[link.n] == '/') {
      Group inner;
      HgmBuffer none = {0};
      fine = append_group(writer, k, depth + link.n + 1, &none, 0, &inner, error);
      link.header = inner.header;
    }
    links[n_links++] = link;
  }
  fine = fine && append_table(writer, links, n_links, messages, n, group, error);
  free(links);
  return fine;
}

static bool append_superblock(HgmWriter *writer, const Group *root, HgmError *error) {
  const Output *o = writer->backend;
  HgmBuffer b = {0};
  hgm_buffer_put(&b, "\x89HDF\r\n\x1a\n\0\0\0\0\0\10\10\0", 16, 1);
  put(&b, (uint64_t)(writer->n_columns + 1) / 2 + 1, 2), put(&b, GROUP_K, 2), put(&b, 0, 4);
  put(&b, 0, 8), put(&b, NOWHERE, 8), put(&b, o->end, 8), put(&b, NOWHERE, 8);
  put(&b, 0, 8), put(&b, root->header, 8), put(&b, 1, 8), put(&b, root->tree, 8), put(&b, root->heap, 8);
  bool fine = !b.failed || hgm_fail(error, 2, "%s: out of memory", writer->path);
  fine = fine && hgm_writer_put(writer, b.bytes, b.size, error);
  free(b.bytes);
  return fine;
}

// ---- the format

static bool begin(HgmWriter *writer, const HgmAttribute *attributes, int n_attributes, HgmError *error) {
  static const char zeros[SUPERBLOCK_BYTES];
  Output *o = writer->backend = calloc(1, sizeof *o);
  if (o == NULL || (o->columns = calloc((size_t)writer->n_columns, sizeof *o->columns)) == NULL) return hgm_fail(error, 2, "%s: out of memory", writer->path);
  if (writer->n_columns > 60000) return hgm_fail(error, 1, "%s: a sampler writes at most 60000 columns to HDF5", writer->path);
  for (int k = 0; k < writer->n_columns; k++) {
    Column *c = &o->columns[k];
    c->row_bytes = (size_t)hgm_writer_elements(&writer->columns[k]) * hgm_writer_element_bytes(&writer->columns[k]);
    int64_t rows = CHUNK_BYTES / (int64_t)(c->row_bytes > 0 ? c->row_bytes : 1);
    c->chunk_rows = rows < 1 ? 1 : rows > MOST_CHUNK_ROWS ? MOST_CHUNK_ROWS : rows;
    c->chunk = malloc((size_t)c->chunk_rows * c->row_bytes + 1);
    if (c->chunk == NULL) return hgm_fail(error, 2, "%s: out of memory", writer->path);
  }
  for (int i = 0; i < n_attributes; i++) put_attribute(&o->attributes, &attributes[i]);
  o->n_attributes = n_attributes;
  o->end = SUPERBLOCK_BYTES;
  return hgm_writer_put(writer, zeros, sizeof zeros, error);
}

static bool append(HgmWriter *writer, const double *const *values, int64_t rows, HgmError *error) {
  for (int k = 0; k < writer->n_columns; k++) {
    const HgmOutColumn *column = &writer->columns[k];
    Column *c = &((Output *)writer->backend)->columns[k];
    int64_t elements = hgm_writer_elements(column);
    for (int64_t done = 0, n; done < rows; done += n) {
      n = rows - done < c->chunk_rows - c->filled ? rows - done : c->chunk_rows - c->filled;
      char *to = c->chunk + (size_t)c->filled * c->row_bytes;
      if (!hgm_writer_convert(writer, column, values[k] + done * elements, n * elements, writer->rows + done, to, error)) return false;
      c->filled += n;
      if (c->filled == c->chunk_rows && !write_chunk(writer, c, error)) return false;
    }
  }
  return true;
}

static bool end(HgmWriter *writer, HgmError *error) {
  Output *o = writer->backend;
  Group root;
  for (int k = 0; k < writer->n_columns; k++)
    if (!append_dataset(writer, k, error)) return false;
  if (!append_group(writer, 0, 0, &o->attributes, o->n_attributes, &root, error) || !hgm_writer_flush(writer, error)) return false;
  if (lseek(writer->file, 0, SEEK_SET) != 0) return hgm_fail(error, 2, "%s: cannot be written: %s", writer->path, strerror(errno));
  return append_superblock(writer, &root, error);
}

static void abandon(HgmWriter *writer) {
  Output *o = writer->backend;
  for (int k = 0; o != NULL && o->columns != NULL && k < writer->n_columns; k++) free(o->columns[k].chunk), free(o->columns[k].places.bytes);
  if (o != NULL) free(o->columns), free(o->attributes.bytes);
  free(o);
  writer->backend = NULL;
}

const HgmWriterFormat hgm_writer_hdf5 = {.begin = begin, .append = append, .end = end, .abandon = abandon};
