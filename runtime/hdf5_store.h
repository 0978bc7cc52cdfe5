// How checkpoints lie in HDF5, for those who write and read them: checkpoint_write.c and hdf5_store.c.
#ifndef HGM_HDF5_STORE_H
#define HGM_HDF5_STORE_H

#include <stddef.h>

#include "runtime/checkpoint.h"

// The texts of a store, by index below n.
int64_t hgm_store_n_texts(const HgmStore *store);
void hgm_store_text_at(const HgmStore *store, int64_t index, const char **name, const char **text);

// A text that is too long for an attribute, which ends at 64 kB, is a dataset of this prefix and its name.
enum { HGM_ATTRIBUTE_MOST = 60000 };
#define HGM_TEXT_PREFIX "text:"

// Fills the store from the file at `path`.
bool hgm_hdf5_store_read(HgmStore *store, const char *path, HgmError *error);

#endif
