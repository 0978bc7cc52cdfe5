// Rows of datasets: where they lie, chunks, filters.
#include <stdlib.h>
#include <string.h>

#include "sampler/hdf5.h"
#include "sampler/inflate.h"

enum { DEFLATE = 1, SHUFFLE = 2, FLETCHER32 = 3, LZF = 32000, DEEPEST_TREE = 16 };

typedef struct Filter {
  unsigned id, mask_bit;
  uint64_t value; // its first parameter
} Filter;

typedef struct Chunk {
  uint64_t place[H5_MOST_RANK]; // of its first element
  uint64_t address, bytes;
  uint32_t left_out; // filters that were not applied
} Chunk;

typedef struct Data {
  H5 h;
  H5Type type;
  int rank;
  uint64_t shape[H5_MOST_RANK], row_bytes;
  const uint8_t *whole; // contiguous or compact; NULL: chunks
  uint64_t chunk_shape[H5_MOST_RANK], chunk_bytes;
  Chunk *chunks; // in order of their places
  size_t n_chunks, cap_chunks;
  Filter filters[H5_MOST_FILTERS];
  int n_filters;
  uint8_t *unpacked, *spare; // (chunk_bytes) the chunk last read, and room for a filter
  size_t current;            // index of that chunk; n_chunks: none
  HgmHeap texts;
} Data;

// ---- filters

// What the pipeline is made of; the reason when a part of it is unknown here.
static const char *read_filters(Data *d, HgmHeap *heap, const H5Message *m) {
  static const char *const damaged = "has damaged filters";
  if (m == NULL) return NULL;
  if (m->size < 2) return damaged;
  int version = m->at[0], n = m->at[1];
  uint64_t at = version == 1 ? 8 : 2;
  if (n > H5_MOST_FILTERS) return damaged;
  for (int i = 0; i < n; i++) {
    if (at + 6 > m->size) return damaged;
    unsigned id = (unsigned)h5_number(m->at + at, 2);
    bool has_name = version == 1 || id >= 256;
    if (has_name && at + 8 > m->size) return damaged;
    uint64_t name = has_name ? h5_number(m->at + at + 2, 2) : 0, head = has_name ? 8 : 6, values = h5_number(m->at + at + head - 2, 2);
    if (version == 1) name = (name + 7) / 8 * 8;
    at += head + name;
    if (at > m->size || values > (m->size - at) / 4) return damaged;
    if (id != DEFLATE && id != SHUFFLE && id != FLETCHER32 && id != LZF)
      return hgm_heap_printf(heap, "is packed by filter %u, which a sampler does not know; `h5repack -f GZIP=4` makes it readable", id);
    d->filters[d->n_filters++] = (Filter){id, (unsigned)i, values > 0 ? h5_number(m->at + at, 4) : 0};
    at += 4 * values + (version == 1 && values % 2 == 1 ? 4 : 0);
  }
  return NULL;
}

static bool unshuffle(const uint8_t *in, uint8_t *out, uint64_t n, uint64_t width) {
  if (width == 0) return false;
  uint64_t rows = n / width;
  for (uint64_t b = 0; b < width; b++)
    for (uint64_t i = 0; i < rows; i++) out[i * width + b] = in[b * rows + i];
  memcpy(out + rows * width, in + rows * width, n - rows * width);
  return true;
}

// Fletcher's checksum over big-endian 16-bit words, as the library sums them.
static bool fletcher_is_right(const uint8_t *bytes, uint64_t n, uint32_t stored) {
  uint32_t a = 0, b = 0;
  for (uint64_t i = 0; i + 1 < n; i += 2) {
    a = (a + (uint32_t)(bytes[i] << 8 | bytes[i + 1])) % 65535;
    b = (b + a) % 65535;
  }
  if (n % 2 == 1) {
    a = (a + (uint32_t)(bytes[n - 1] << 8)) % 65535;
    b = (b + a) % 65535;
  }
  return stored == (b << 16 | a) || (stored % 65535 == a % 65535 && (stored >> 16) % 65535 == b);
}

// Undoes the filters from last to first; the chunk's bytes in d->unpacked.
static bool unpack(Data *d, const Chunk *chunk) {
  const uint8_t *from = h5_at(&d->h, chunk->address, chunk->bytes);
  if (from == NULL) return false;
  uint64_t n = chunk->bytes;
  for (int i = d->n_filters - 1; i >= 0; i--) {
    const Filter *f = &d->filters[i];
    if ((chunk->left_out >> f->mask_bit & 1) != 0) continue;
    uint8_t *to = from == d->unpacked ? d->spare : d->unpacked;
    size_t got = n;
    switch (f->id) {
    case DEFLATE:
      if (!inflate_zlib(from, n, to, d->chunk_bytes + 4, &got)) return false;
      break;
    case LZF:
      if (!inflate_lzf(from, n, to, d->chunk_bytes + 4, &got)) return false;
      break;
    case SHUFFLE:
      if (n > d->chunk_bytes + 4 || !unshuffle(from, to, n, f->value)) return false;
      break;
    default:
      if (n < 4 || !fletcher_is_right(from, n - 4, (uint32_t)h5_number(from + n - 4, 4))) return false;
      n -= 4;
      continue;
    }
    from = to;
    n = got;
  }
  if (n != d->chunk_bytes) return false;
  if (from == d->unpacked) return true;
  memcpy(d->unpacked, from, n);
  return true;
}

// ---- chunks

static bool add_chunk(Data *d, const Chunk *chunk) {
  if (d->n_chunks == d->cap_chunks) {
    size_t cap = d->cap_chunks == 0 ? 64 : 2 * d->cap_chunks;
    Chunk *grown = realloc(d->chunks, cap * sizeof *grown);
    if (grown == NULL) return false;
    d->chunks = grown;
    d->cap_chunks = cap;
  }
  d->chunks[d->n_chunks++] = *chunk;
  return true;
}

static bool walk_chunks(Data *d, uint64_t address, int depth) {
  const uint8_t *node = h5_at(&d->h, address, 24);
  if (node == NULL || memcmp(node, "TREE\1", 5) != 0 || depth > DEEPEST_TREE) return false;
  uint64_t n = h5_number(node + 6, 2), step = 24 + 8 * (uint64_t)d->rank;
  if (h5_at(&d->h, address, 24 + n * step) == NULL) return false;
  for (uint64_t i = 0; i < n; i++) {
    const uint8_t *key = node + 24 + i * step;
    Chunk chunk = {.address = h5_number(key + step - 8, 8), .bytes = h5_number(key, 4), .left_out = (uint32_t)h5_number(key + 4, 4)};
    for (int k = 0; k < d->rank; k++) chunk.place[k] = h5_number(key + 8 + 8 * k, 8);
    if (node[5] == 0 ? !add_chunk(d, &chunk) : !walk_chunks(d, chunk.address, depth + 1)) return false;
  }
  return true;
}

// All chunks one behind the other, in the order of their places.
static bool implicit_chunks(Data *d, uint64_t address) {
  uint64_t n = 1, counts[H5_MOST_RANK];
  for (int k = 0; k < d->rank; k++) n *= counts[k] = (d->shape[k] + d->chunk_shape[k] - 1) / d->chunk_shape[k];
  for (uint64_t i = 0; i < n; i++) {
    Chunk chunk = {.address = address + i * d->chunk_bytes, .bytes = d->chunk_bytes, .left_out = UINT32_MAX};
    uint64_t left = i;
    for (int k = d->rank - 1; k >= 0; k--) chunk.place[k] = left % counts[k] * d->chunk_shape[k], left /= counts[k];
    if (!add_chunk(d, &chunk)) return false;
  }
  return true;
}

// Copies what a chunk has of rows [first, last), axis by axis; bytes that lie together on the last one.
static void copy_part(const Data *d, const Chunk *c, int axis, uint64_t from, uint64_t to, uint64_t first, uint64_t last, uint8_t *out) {
  uint64_t begin = c->place[axis], end = begin + d->chunk_shape[axis], low = axis == 0 ? first : 0, high = axis == 0 ? last : d->shape[axis];
  if (begin < low) begin = low;
  if (end > high) end = high;
  if (begin >= end) return;
  uint64_t chunk_stride = d->type.bytes, stride = d->type.bytes;
  for (int k = axis + 1; k < d->rank; k++) chunk_stride *= d->chunk_shape[k], stride *= d->shape[k];
  from += (begin - c->place[axis]) * chunk_stride;
  to += (begin - low) * stride;
  if (axis == d->rank - 1) {
    memcpy(out + to, d->unpacked + from, (end - begin) * stride);
    return;
  }
  for (uint64_t i = begin; i < end; i++, from += chunk_stride, to += stride) copy_part(d, c, axis + 1, from, to, first, last, out);
}

static bool read_chunks(Data *d, uint64_t first, uint64_t last, uint8_t *out) {
  memset(out, 0, (last - first) * d->row_bytes); // chunks that were never written
  size_t low = 0, high = d->n_chunks;
  while (low < high) { // the first chunk that ends behind `first`
    size_t middle = (low + high) / 2;
    if (d->chunks[middle].place[0] + d->chunk_shape[0] <= first) low = middle + 1;
    else high = middle;
  }
  for (size_t i = low; i < d->n_chunks && d->chunks[i].place[0] < last; i++) {
    if (d->current != i && !unpack(d, &d->chunks[i])) return d->current = d->n_chunks, false;
    d->current = i;
    copy_part(d, &d->chunks[i], 0, 0, 0, first, last, out);
  }
  return true;
}

// ---- rows

static void swap(uint8_t *at, uint64_t n, uint64_t width) {
  for (; n > 0; n--, at += width)
    for (uint64_t i = 0; i < width / 2; i++) {
      uint8_t byte = at[i];
      at[i] = at[width - 1 - i];
      at[width - 1 - i] = byte;
    }
}

// Into the machine's byte order, members and elements of arrays too.
static void swap_type(uint8_t *at, const H5Type *t) {
  H5Type inner;
  if (t->class == H5_COMPOUND) {
    const char *name;
    uint64_t offset;
    const uint8_t *next = t->inner;
    for (int i = 0; i < t->n_members && next != NULL; i++) {
      next = h5_member(t, next, &name, &offset, &inner);
      if (next != NULL) swap_type(at + offset, &inner);
    }
  } else if (t->class == H5_ARRAY) {
    if (h5_type(t->inner, t->inner_end, &inner) == NULL) return;
    for (uint64_t i = 0; i < t->bytes / inner.bytes; i++) swap_type(at + i * inner.bytes, &inner);
  } else if (t->is_swapped) {
    swap(at, 1, t->bytes);
  }
}

static bool has_swaps(const H5Type *t) {
  H5Type inner;
  if (t->class == H5_ARRAY) return h5_type(t->inner, t->inner_end, &inner) != NULL && has_swaps(&inner);
  if (t->class != H5_COMPOUND) return t->is_swapped;
  const char *name;
  uint64_t offset;
  const uint8_t *next = t->inner;
  for (int i = 0; i < t->n_members && next != NULL; i++) {
    next = h5_member(t, next, &name, &offset, &inner);
    if (next != NULL && has_swaps(&inner)) return true;
  }
  return false;
}

static bool put_texts(Data *d, uint8_t *at, uint64_t n) {
  for (; n > 0; n--, at += d->type.bytes) {
    const char *text = h5_variable_text(&d->h, &d->texts, at);
    if (text == NULL) return false;
    memcpy(at, &text, sizeof text);
  }
  return true;
}

static bool read_rows(HgmBlock *block, int64_t first, int64_t last, char *bytes, HgmError *error) {
  Data *d = block->backend;
  uint64_t rows = (uint64_t)(last - first);
  bool fine = true;
  if (d->whole != NULL) memcpy(bytes, d->whole + (uint64_t)first * d->row_bytes, rows * d->row_bytes);
  else fine = read_chunks(d, (uint64_t)first, (uint64_t)last, (uint8_t *)bytes);
  if (fine && has_swaps(&d->type))
    for (uint64_t i = 0; i < rows * d->row_bytes / d->type.bytes; i++) swap_type((uint8_t *)bytes + i * d->type.bytes, &d->type);
  if (fine && d->type.is_variable_text) fine = put_texts(d, (uint8_t *)bytes, rows * d->row_bytes / d->type.bytes);
  return fine || hgm_fail(error, 2, "%s: `%s` cannot be read at rows %lld to %lld; the file may be damaged", block->file->path, block->name, (long long)first,
                          (long long)last - 1);
}

static void close_block(HgmBlock *block) {
  Data *d = block->backend;
  free(d->chunks);
  free(d->unpacked);
  free(d->spare);
  hgm_heap_free(&d->texts);
  free(d);
}

// ---- layout

static const char *const not_readable =
    "is stored in HDF5's newest layout (libver=\"latest\"), which a sampler does not read; write it with the default libver";
static const char *const damaged = "has a damaged layout";

// Reads the shape of chunks, `width` bytes each, behind them the size of an element.
static bool chunk_shape(Data *d, const H5Message *m, uint64_t at, int n, int width) {
  if (n != d->rank + 1 || width < 1 || width > 8 || at + (uint64_t)(n * width) > m->size) return false;
  d->chunk_bytes = d->type.bytes;
  for (int k = 0; k < d->rank; k++) {
    d->chunk_shape[k] = h5_number(m->at + at + (uint64_t)(k * width), width);
    if (d->chunk_shape[k] == 0 || d->chunk_shape[k] > UINT64_C(1) << 31 || d->chunk_bytes > UINT64_C(1) << 32) return false;
    d->chunk_bytes *= d->chunk_shape[k];
  }
  d->unpacked = malloc(d->chunk_bytes + 4);
  d->spare = malloc(d->chunk_bytes + 4);
  return d->unpacked != NULL && d->spare != NULL;
}

static const char *new_chunks(Data *d, const H5Message *m) {
  enum { SINGLE = 1, IMPLICIT = 2 };
  if (m->size < 5) return damaged;
  int flags = m->at[2], n = m->at[3], width = m->at[4];
  uint64_t at = 5 + (uint64_t)(n * width);
  if (!chunk_shape(d, m, 5, n, width) || at + 9 > m->size) return damaged;
  int index = m->at[at++];
  if (index != SINGLE && index != IMPLICIT) return not_readable;
  Chunk only = {.bytes = d->chunk_bytes, .left_out = d->n_filters > 0 ? 0 : UINT32_MAX};
  if (index == SINGLE && (flags & 2) != 0) {
    if (at + 20 > m->size) return damaged;
    only.bytes = h5_number(m->at + at, 8);
    only.left_out = (uint32_t)h5_number(m->at + at + 8, 4);
    at += 12;
  }
  only.address = h5_number(m->at + at, 8);
  if (only.address == H5_NOWHERE) return NULL;
  return (index == SINGLE ? add_chunk(d, &only) : implicit_chunks(d, only.address)) ? NULL : damaged;
}

static const char *read_layout(Data *d, const H5Message *m) {
  enum { COMPACT, CONTIGUOUS, CHUNKED };
  uint64_t bytes = d->row_bytes * d->shape[0];
  if (m == NULL || m->size < 4) return damaged;
  int version = m->at[0], class = m->at[1];
  if (version != 3 && version != 4) return "is stored in the layout of HDF5 1.4, which a sampler does not read; `h5repack` makes it readable";
  if (class == COMPACT) {
    d->whole = m->at + 4;
    return bytes <= m->size - 4 ? NULL : damaged;
  }
  if (class == CONTIGUOUS) {
    if (m->size < 18) return damaged;
    uint64_t address = h5_number(m->at + 2, 8);
    if (address == H5_NOWHERE) { // never written: all zeros
      for (int k = 0; k < d->rank; k++) d->chunk_shape[k] = 1;
      return NULL;
    }
    d->whole = h5_at(&d->h, address, bytes);
    return d->whole != NULL ? NULL : damaged;
  }
  if (class != CHUNKED) return "is stored as a virtual dataset, which a sampler does not read";
  if (version == 4) return new_chunks(d, m);
  uint64_t tree = m->size < 11 ? H5_NOWHERE : h5_number(m->at + 3, 8);
  if (m->size < 11 || !chunk_shape(d, m, 11, m->at[2], 4)) return damaged;
  return tree == H5_NOWHERE || walk_chunks(d, tree, 0) ? NULL : damaged;
}

HgmBlock *h5_block(const H5 *h, const H5Object *object, const char *name, const H5Space *space, const H5Type *type, const char **refusal, HgmError *error) {
  HgmBlock *block = hgm_file_add_block(h->file, name);
  Data *d = calloc(1, sizeof *d);
  if (block == NULL || d == NULL) {
    free(d);
    hgm_out_of_memory(error, h->file->path);
    return NULL;
  }
  *d = (Data){.h = *h, .type = *type, .rank = space->rank, .row_bytes = type->bytes};
  for (int k = 0; k < space->rank; k++) d->shape[k] = space->shape[k];
  for (int k = 1; k < space->rank; k++) d->row_bytes *= d->shape[k];
  block->rows = (int64_t)d->shape[0];
  block->row_bytes = d->row_bytes;
  block->read = read_rows;
  block->close = close_block;
  block->backend = d;
  *refusal = read_filters(d, &h->file->heap, h5_message(object, H5_FILTERS));
  if (*refusal == NULL) *refusal = read_layout(d, h5_message(object, H5_LAYOUT));
  d->current = d->n_chunks;
  return *refusal == NULL ? block : NULL;
}
