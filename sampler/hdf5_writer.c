// Events as HDF5 without the HDF5 library (runtime/hdf5_format.h): one chunked, extendable dataset a column, groups for names with `/`.
// Chunks are written as they fill; all that describes them follows, the superblock last.
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "runtime/hdf5_format.h"
#include "runtime/writer_file.h"

enum { CHUNK_BYTES = 1 << 15, MOST_CHUNK_ROWS = 1 << 13, TREE_K = 32 };
#define NOWHERE HGM_HDF5_NOWHERE

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

static void put(HgmBuffer *b, uint64_t value, int bytes) { hgm_hdf5_put(b, value, bytes); }

// ---- pieces of the file

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
  if (column->type == HGM_FILE_TEXT) hgm_hdf5_put_text_type(&type, hgm_writer_element_bytes(column));
  else hgm_hdf5_put_number_type(&type, column->type);
  put(&fill, 0x01020302, 4), put(&fill, 0, 4); // version 2, space as it is needed, zeros
  put(&layout, 3, 1), put(&layout, 2, 1), put(&layout, (uint64_t)column->rank + 2, 1), put(&layout, tree, 8), put(&layout, (uint64_t)c->chunk_rows, 4);
  for (int i = 0; i < column->rank; i++) put(&layout, (uint64_t)column->shape[i], 4);
  put(&layout, hgm_writer_element_bytes(column), 4);
  hgm_hdf5_put_message(&messages, HGM_HDF5_SPACE, &space);
  hgm_hdf5_put_message(&messages, HGM_HDF5_TYPE, &type);
  hgm_hdf5_put_message(&messages, HGM_HDF5_FILL, &fill);
  hgm_hdf5_put_message(&messages, HGM_HDF5_LAYOUT, &layout);
  if (column->unit != NULL) hgm_hdf5_put_attribute(&messages, &(HgmAttribute){.name = "unit", .kind = HGM_ATTRIBUTE_TEXT, .text = column->unit});
  HgmBuffer header = {0};
  hgm_hdf5_put_header(&header, &messages, column->unit != NULL ? 5 : 4);
  c->header = append_buffer(writer, &header, error);
  return c->header != NOWHERE;
}

// ---- groups

// `messages`: attributes, `n` of them.
static bool append_table(HgmWriter *writer, HgmHdf5Link *links, size_t n_links, HgmBuffer *messages, int n, HgmHdf5Group *group, HgmError *error) {
  HgmBuffer b = {0};
  uint64_t base = (((Output *)writer->backend)->end + 7) / 8 * 8;
  *group = hgm_hdf5_put_group(&b, base, links, n_links, (size_t)writer->n_columns, messages, n);
  return append_buffer(writer, &b, error) != NOWHERE;
}

// The group of all columns whose names begin with the first `depth` bytes of column `of`'s (with the slash).
static bool append_group(HgmWriter *writer, int of, size_t depth, HgmBuffer *messages, int n, HgmHdf5Group *group, HgmError *error) {
  const Output *o = writer->backend;
  HgmHdf5Link *links = malloc((size_t)writer->n_columns * sizeof *links);
  size_t n_links = 0;
  bool fine = links != NULL || hgm_fail(error, 2, "%s: out of memory", writer->path);
  for (int k = 0; fine && k < writer->n_columns; k++) {
    const char *name = writer->columns[k].name;
    if (strncmp(name, writer->columns[of].name, depth) != 0) continue;
    HgmHdf5Link link = {name + depth, strcspn(name + depth, "/"), o->columns[k].header};
    bool is_known = false;
    for (size_t i = 0; i < n_links; i++) is_known |= hgm_hdf5_compare_links(&links[i], &link) == 0;
    if (is_known) continue;
    if (link.name[link.n] == '/') {
      HgmHdf5Group inner;
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

static bool append_superblock(HgmWriter *writer, const HgmHdf5Group *root, HgmError *error) {
  HgmBuffer b = {0};
  hgm_hdf5_put_superblock(&b, ((Output *)writer->backend)->end, root, (size_t)writer->n_columns);
  bool fine = !b.failed || hgm_fail(error, 2, "%s: out of memory", writer->path);
  fine = fine && hgm_writer_put(writer, b.bytes, b.size, error);
  free(b.bytes);
  return fine;
}

// ---- the format

static bool begin(HgmWriter *writer, const HgmAttribute *attributes, int n_attributes, HgmError *error) {
  static const char zeros[HGM_HDF5_SUPERBLOCK_BYTES];
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
  for (int i = 0; i < n_attributes; i++) hgm_hdf5_put_attribute(&o->attributes, &attributes[i]);
  o->n_attributes = n_attributes;
  o->end = HGM_HDF5_SUPERBLOCK_BYTES;
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
  HgmHdf5Group root;
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
