#include "runtime/hdf5_chunks.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/hdf5_reader.h"
#include "runtime/unfilter.h"

// ---- which datasets

// The file's bytes are those in memory, or those of plain numbers in reverse.
static bool type_fits(hid_t type, hid_t memory, size_t *swap_bytes) {
  *swap_bytes = 0;
  if (H5Tequal(type, memory) > 0) return H5Tis_variable_str(memory) <= 0;
  H5T_class_t class = H5Tget_class(type);
  if (class == H5T_ENUM) { // numbers with names
    hid_t base = H5Tget_super(type);
    bool fits = type_fits(base, memory, swap_bytes);
    H5Tclose(base);
    return fits;
  }
  if (class != H5T_INTEGER && class != H5T_FLOAT) return false;
  hid_t turned = H5Tcopy(type);
  bool fits = turned >= 0 && H5Tset_order(turned, H5Tget_order(memory)) >= 0 && H5Tequal(turned, memory) > 0;
  if (turned >= 0) H5Tclose(turned);
  if (fits && H5Tget_size(type) > 1) *swap_bytes = H5Tget_size(type);
  return fits;
}

static bool filters_fit(hid_t plist, Hdf5Chunks *chunks) {
  chunks->n_filters = H5Pget_nfilters(plist);
  if (chunks->n_filters < 0 || chunks->n_filters > HDF5_MOST_FILTERS) return false;
  for (int i = 0; i < chunks->n_filters; i++) {
    unsigned values[8] = {0}, flags = 0, config = 0;
    size_t n = sizeof values / sizeof *values;
    struct Hdf5Filter *filter = &chunks->filters[i];
    filter->id = H5Pget_filter2(plist, (unsigned)i, &flags, &n, values, 0, NULL, &config);
    if (filter->id == H5Z_FILTER_SHUFFLE) filter->element_bytes = n > 0 ? values[0] : 0;
    else if (filter->id != H5Z_FILTER_DEFLATE && filter->id != H5Z_FILTER_FLETCHER32 && filter->id != HDF5_LZF_FILTER) return false;
  }
  return true;
}

static bool layout_fits(hid_t dataset, hid_t plist, Hdf5Chunks *chunks) {
  unsigned options = 0;
  if (H5Pget_layout(plist) != H5D_CHUNKED || H5Pget_chunk_opts(plist, &options) < 0 || options != 0) return false;
  hid_t space = H5Dget_space(dataset);
  chunks->rank = H5Sget_simple_extent_dims(space, chunks->shape, NULL);
  H5Sclose(space);
  if (chunks->rank < 1 || H5Pget_chunk(plist, chunks->rank, chunks->chunk) != chunks->rank) return false;
  chunks->chunk_bytes = chunks->element_bytes;
  for (int i = 0; i < chunks->rank; i++)
    if (__builtin_mul_overflow(chunks->chunk_bytes, chunks->chunk[i], &chunks->chunk_bytes)) return false;
  return chunks->chunk_bytes > 0;
}

bool hgm_hdf5_chunks(hid_t dataset, hid_t memory, Hdf5Chunks *chunks) {
  *chunks = (Hdf5Chunks){.dataset = dataset, .element_bytes = H5Tget_size(memory)};
  hbool_t is_threadsafe = 0;
  if (H5is_library_threadsafe(&is_threadsafe) < 0 || !is_threadsafe) return false;
  hid_t type = H5Dget_type(dataset), plist = H5Dget_create_plist(dataset);
  bool fits = type >= 0 && plist >= 0 && type_fits(type, memory, &chunks->swap_bytes) && layout_fits(dataset, plist, chunks) && filters_fit(plist, chunks);
  H5D_fill_value_t fill;
  if (fits && H5Pfill_value_defined(plist, &fill) >= 0 && fill == H5D_FILL_VALUE_USER_DEFINED)
    fits = chunks->element_bytes <= sizeof chunks->fill && H5Pget_fill_value(plist, memory, chunks->fill) >= 0;
  if (plist >= 0) H5Pclose(plist);
  if (type >= 0) H5Tclose(type);
  return fits;
}

// ---- one chunk

typedef struct Opener { // of one thread
  const Hdf5Chunks *chunks;
  HgmUnfilter *unfilter;
  char *packed, *buffers[2]; // what a filter reads and what it writes change places
  size_t packed_cap;
  Hdf5Damage *damage;
} Opener;

static bool opener_begin(Opener *opener) {
  size_t room = opener->chunks->chunk_bytes + 64; // a checksum goes through the filters too
  opener->unfilter = hgm_unfilter_create();
  for (int i = 0; i < 2; i++) opener->buffers[i] = malloc(room);
  return opener->unfilter != NULL && opener->buffers[0] != NULL && opener->buffers[1] != NULL;
}

static void opener_end(Opener *opener) {
  if (opener->unfilter != NULL) hgm_unfilter_destroy(opener->unfilter);
  for (int i = 0; i < 2; i++) free(opener->buffers[i]);
  free(opener->packed);
}

static const char another_length[] = "it has another length than its chunk";

static bool damaged(Opener *opener, const char *why) {
  snprintf(opener->damage->why, sizeof opener->damage->why, "%s", why);
  return false;
}

// The packed bytes; *n = 0 for a chunk that was never written.
static bool fetch(Opener *opener, const hsize_t *at, uint32_t *skipped, size_t *n) {
  const Hdf5Chunks *chunks = opener->chunks;
  hsize_t bytes = 0;
  *n = 0;
  if (H5Dget_chunk_storage_size(chunks->dataset, at, &bytes) < 0) bytes = 0; // 1.10 fails for such chunks
  if (bytes == 0) return true;
  if (bytes > opener->packed_cap) {
    free(opener->packed);
    opener->packed = malloc(bytes);
    opener->packed_cap = opener->packed == NULL ? 0 : bytes;
    if (opener->packed == NULL) return false;
  }
  if (H5Dread_chunk(chunks->dataset, H5P_DEFAULT, at, skipped, opener->packed) < 0) {
    hgm_hdf5_cause(opener->damage->why, sizeof opener->damage->why);
    return false;
  }
  *n = bytes;
  return true;
}

// Undoes the filters from last to first. *open: the elements of the chunk, in one of the opener's buffers.
static bool unpack(Opener *opener, uint32_t skipped, size_t n, char **open) {
  const Hdf5Chunks *chunks = opener->chunks;
  char *from = opener->packed;
  size_t cap = chunks->chunk_bytes + 64;
  for (int i = chunks->n_filters - 1; i >= 0; i--) {
    if (skipped >> i & 1) continue;
    char *to = from == opener->buffers[0] ? opener->buffers[1] : opener->buffers[0];
    const struct Hdf5Filter *filter = &chunks->filters[i];
    const char *why = NULL;
    if (filter->id == H5Z_FILTER_FLETCHER32) {
      why = hgm_check_fletcher32(from, n, &n);
      to = from;
    } else if (filter->id == H5Z_FILTER_DEFLATE) {
      why = hgm_inflate(opener->unfilter, from, n, to, cap, &n);
    } else if (filter->id == HDF5_LZF_FILTER) {
      why = hgm_unlzf(from, n, to, cap, &n);
    } else if (n > cap) {
      why = another_length;
    } else {
      hgm_unshuffle(from, to, n, filter->element_bytes);
    }
    if (why != NULL) return damaged(opener, why);
    from = to;
  }
  *open = from;
  return n == chunks->chunk_bytes || damaged(opener, another_length);
}

// ---- rows

// The part of a chunk that lies in rows [first, last) of the dataset.
typedef struct Part {
  const hsize_t *at; // of the chunk
  hsize_t begin, end, first;
  hsize_t count[H5S_MAX_RANK]; // elements along each axis that are in the dataset
} Part;

// Rows of the chunk are whole rows of the dataset: one piece.
static void place_rows(const Hdf5Chunks *chunks, const Part *part, const char *open, char *bytes) {
  size_t row = chunks->chunk_bytes / chunks->chunk[0];
  memcpy(bytes + (part->begin - part->first) * row, open + (part->begin - part->at[0]) * row, (part->end - part->begin) * row);
}

static void place_pieces(const Hdf5Chunks *chunks, const Part *part, const char *open, char *bytes) {
  int inner = chunks->rank - 1;
  for (hsize_t index[H5S_MAX_RANK] = {0};;) {
    hsize_t from = part->begin - part->at[0] + index[0], to = part->begin - part->first + index[0];
    for (int i = 1; i <= inner; i++) {
      from = from * chunks->chunk[i] + index[i];
      to = to * chunks->shape[i] + part->at[i] + index[i];
    }
    memcpy(bytes + to * chunks->element_bytes, open + from * chunks->element_bytes, part->count[inner] * chunks->element_bytes);
    int axis = inner - 1;
    while (axis >= 0 && ++index[axis] == part->count[axis]) index[axis--] = 0;
    if (axis < 0) return;
  }
}

static void place(const Hdf5Chunks *chunks, const hsize_t *at, const char *open, hsize_t first, hsize_t last, char *bytes) {
  Part part = {.at = at, .first = first, .begin = at[0] > first ? at[0] : first};
  part.end = at[0] + chunks->chunk[0] < last ? at[0] + chunks->chunk[0] : last;
  part.count[0] = part.end - part.begin;
  bool is_whole = true;
  for (int i = 1; i < chunks->rank; i++) {
    part.count[i] = at[i] + chunks->chunk[i] < chunks->shape[i] ? chunks->chunk[i] : chunks->shape[i] - at[i];
    is_whole = is_whole && chunks->chunk[i] == chunks->shape[i];
  }
  if (is_whole) place_rows(chunks, &part, open, bytes);
  else place_pieces(chunks, &part, open, bytes);
}

static void put_fill(const Hdf5Chunks *chunks, char *open) {
  for (size_t i = 0; i < chunks->chunk_bytes; i += chunks->element_bytes)
    if (chunks->element_bytes <= sizeof chunks->fill) memcpy(open + i, chunks->fill, chunks->element_bytes);
    else memset(open + i, 0, chunks->element_bytes);
}

static bool read_chunk(Opener *opener, const hsize_t *at, hsize_t first, hsize_t last, char *bytes) {
  const Hdf5Chunks *chunks = opener->chunks;
  uint32_t skipped = 0;
  size_t n;
  char *open = opener->buffers[0];
  if (!fetch(opener, at, &skipped, &n)) return false;
  if (n == 0) {
    put_fill(chunks, open);
  } else {
    if (!unpack(opener, skipped, n, &open)) return false;
    if (chunks->swap_bytes > 0) hgm_swap_bytes(open, chunks->chunk_bytes, chunks->swap_bytes);
  }
  place(chunks, at, open, first, last, bytes);
  return true;
}

bool hgm_hdf5_chunks_read(const Hdf5Chunks *chunks, int64_t first, int64_t last, char *bytes, Hdf5Damage *damage) {
  Opener opener = {.chunks = chunks, .damage = damage};
  damage->why[0] = '\0';
  bool fine = opener_begin(&opener);
  hsize_t at[H5S_MAX_RANK] = {(hsize_t)first / chunks->chunk[0] * chunks->chunk[0]};
  while (fine && at[0] < (hsize_t)last) {
    damage->first = at[0];
    damage->last = at[0] + chunks->chunk[0] < chunks->shape[0] ? at[0] + chunks->chunk[0] : chunks->shape[0];
    fine = read_chunk(&opener, at, (hsize_t)first, (hsize_t)last, bytes);
    int axis = chunks->rank - 1;
    while (axis > 0 && (at[axis] += chunks->chunk[axis]) >= chunks->shape[axis]) at[axis--] = 0;
    if (axis == 0) at[0] += chunks->chunk[0];
  }
  opener_end(&opener);
  return fine;
}
