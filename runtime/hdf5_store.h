// HDF5 images of stores in memory; only checkpoint.c calls this.
#ifndef HGM_HDF5_STORE_H
#define HGM_HDF5_STORE_H

#include <stddef.h>

#include "runtime/checkpoint.h"

// The texts of a store, by index below n.
int64_t hgm_store_n_texts(const HgmStore *store);
void hgm_store_text_at(const HgmStore *store, int64_t index, const char **name, const char **text);

// The bytes of an HDF5 file with the store's arrays and texts, there until it is closed, which it is to be either way. path: for messages.
typedef struct HgmImage {
  const void *bytes;
  size_t n;
  int64_t file; // libhdf5's, in whose memory the bytes lie; below 0: none
} HgmImage;
bool hgm_hdf5_store_image(const HgmStore *store, const char *path, HgmImage *image, HgmError *error);
void hgm_hdf5_image_close(HgmImage *image);
// Fills the store from the file at `path`.
bool hgm_hdf5_store_read(HgmStore *store, const char *path, HgmError *error);

#endif
