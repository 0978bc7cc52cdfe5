// Stores as HDF5: one dataset per array in the root (names hold dots and colons, no groups), texts as attributes of the root. Arrays are written from
// where they lie, so saving takes no memory to speak of; behind them lies all that describes them, and the superblock in front says where.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/hdf5_format.h"
#include "runtime/hdf5_store.h"
#include "runtime/heap.h"

typedef struct Writing {
  HgmPiece *pieces;
  int64_t n_pieces;
  uint64_t end;    // of the pieces so far
  HgmBuffer about; // headers of the datasets, at the end of the file
  HgmBuffer attributes;
  int n_attributes;
  HgmHdf5Link *links; // their headers are offsets in `about` at first
  size_t n_links;
  HgmHeap heap; // names
} Writing;

static void add_piece(Writing *w, const void *bytes, size_t n) {
  w->pieces[w->n_pieces++] = (HgmPiece){bytes, n};
  w->end += n;
}

// At a multiple of 8; where.
static uint64_t place_piece(Writing *w, const void *bytes, size_t n) {
  static const char zeros[8];
  if (w->end % 8 != 0) add_piece(w, zeros, 8 - w->end % 8);
  uint64_t place = w->end;
  add_piece(w, bytes, n);
  return place;
}

static void add_dataset(Writing *w, const char *name, HgmBuffer *type, int rank, const int64_t *shape, const void *data, size_t bytes) {
  HgmBuffer messages = {0}, space = {0}, fill = {0}, layout = {0};
  hgm_hdf5_put(&space, 1, 1), hgm_hdf5_put(&space, (uint64_t)rank, 1), hgm_hdf5_put(&space, 0, 6);
  for (int i = 0; i < rank; i++) hgm_hdf5_put(&space, (uint64_t)shape[i], 8);
  hgm_hdf5_put(&fill, 0x01020202, 4), hgm_hdf5_put(&fill, 0, 4); // version 2, space when it is written, zeros
  hgm_hdf5_put(&layout, 3, 1), hgm_hdf5_put(&layout, 1, 1);      // version 3, in one piece
  hgm_hdf5_put(&layout, bytes > 0 ? place_piece(w, data, bytes) : HGM_HDF5_NOWHERE, 8), hgm_hdf5_put(&layout, bytes, 8);
  hgm_hdf5_put_message(&messages, HGM_HDF5_SPACE, &space);
  hgm_hdf5_put_message(&messages, HGM_HDF5_TYPE, type);
  hgm_hdf5_put_message(&messages, HGM_HDF5_FILL, &fill);
  hgm_hdf5_put_message(&messages, HGM_HDF5_LAYOUT, &layout);
  w->links[w->n_links++] = (HgmHdf5Link){name, strlen(name), hgm_hdf5_put_header(&w->about, &messages, 4)};
}

static void add_array(Writing *w, const HgmArray *array) {
  HgmBuffer type = {0};
  HgmFileType number = hgm_dtype_type(array->dtype);
  hgm_hdf5_put_number_type(&type, number);
  add_dataset(w, array->name, &type, array->rank, array->shape, array->data, (size_t)array->elements * hgm_type_bytes(number));
}

static void add_text(Writing *w, const char *name, const char *text) {
  if (strlen(text) <= HGM_ATTRIBUTE_MOST) {
    hgm_hdf5_put_attribute(&w->attributes, &(HgmAttribute){.name = name, .kind = HGM_ATTRIBUTE_TEXT, .text = text});
    w->n_attributes++;
    return;
  }
  HgmBuffer type = {0};
  const char *full = hgm_heap_printf(&w->heap, "%s%s", HGM_TEXT_PREFIX, name);
  hgm_hdf5_put_text_type(&type, strlen(text) + 1);
  w->about.failed |= full == NULL;
  add_dataset(w, full != NULL ? full : name, &type, 0, NULL, text, strlen(text) + 1);
}

static bool write_parts(Writing *w, const HgmStore *store, const char *path, const HgmIo *io, HgmError *error) {
  HgmBuffer superblock = {0};
  size_t most = (size_t)(hgm_store_n(store) + hgm_store_n_texts(store));
  uint64_t base = (w->end + 7) / 8 * 8;
  for (size_t i = 0; i < w->n_links; i++) w->links[i].header += base;
  HgmHdf5Group root = hgm_hdf5_put_group(&w->about, base, w->links, w->n_links, most, &w->attributes, w->n_attributes);
  hgm_hdf5_put_superblock(&superblock, base + w->about.size, &root, most);
  bool fine = !w->about.failed && !superblock.failed && superblock.size == HGM_HDF5_SUPERBLOCK_BYTES;
  if (!fine) hgm_fail(error, 2, "%s: out of memory for the checkpoint", path);
  w->pieces[0].bytes = superblock.bytes;
  place_piece(w, w->about.bytes, w->about.size);
  fine = fine && hgm_io_replace_pieces(io, path, w->pieces, w->n_pieces, error);
  free(superblock.bytes);
  return fine;
}

bool hgm_store_save(const HgmStore *store, const char *path, const HgmIo *io, HgmError *error) {
  enum { MOST = 60000 }; // one node of the root's table has all names
  size_t most = (size_t)(hgm_store_n(store) + hgm_store_n_texts(store));
  if (most > MOST) return hgm_fail(error, 2, "%s: %zu arrays are more than a checkpoint holds", path, most);
  Writing w = {.pieces = calloc(2 * most + 3, sizeof *w.pieces), .links = calloc(most + 1, sizeof *w.links)};
  bool fine = (w.pieces != NULL && w.links != NULL) || hgm_fail(error, 2, "%s: out of memory for the checkpoint", path);
  if (fine) add_piece(&w, NULL, HGM_HDF5_SUPERBLOCK_BYTES);
  for (int64_t i = 0; fine && i < hgm_store_n(store); i++) add_array(&w, hgm_store_at(store, i));
  for (int64_t i = 0; fine && i < hgm_store_n_texts(store); i++) {
    const char *name, *text;
    hgm_store_text_at(store, i, &name, &text);
    add_text(&w, name, text);
  }
  fine = fine && write_parts(&w, store, path, io, error);
  free(w.pieces), free(w.links), free(w.about.bytes), free(w.attributes.bytes);
  hgm_heap_free(&w.heap);
  return fine;
}
