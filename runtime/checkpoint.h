// A store of named arrays and texts (weights, optimizer state, counters), saved as HDF5 that h5py opens: one dataset per array,
// named as in the model; texts are attributes of the root.
//
//   HgmStore *store = hgm_store_create();
//   HgmArray *w = hgm_store_add(store, "response.step_1.l", HGM_F32, 2, (int64_t[]){64, 17});  // zeroed; fill w->data
//   hgm_store_set_text(store, "model", hash);
//   if (!hgm_store_save(store, "runs/jets/last.h5", NULL, &error)) ...
//
// Saving is atomic: all is written to a temporary name, synced, renamed, the directory synced.
#ifndef HGM_CHECKPOINT_H
#define HGM_CHECKPOINT_H

#include <stdbool.h>
#include <stdint.h>

#include "runtime/error.h"
#include "runtime/io.h"
#include "runtime/program.h"

enum { HGM_ARRAY_MAX_RANK = 8 };

typedef struct HgmArray {
  const char *name;
  HgmDtype dtype; // HGM_BOOL is stored as i32
  int rank;
  int64_t shape[HGM_ARRAY_MAX_RANK];
  int64_t elements;
  void *data;   // row-major; the store's own are 64-byte aligned
  bool is_lent; // the caller's
} HgmArray;

typedef struct HgmStore HgmStore;

HgmStore *hgm_store_create(void); // NULL when out of memory
void hgm_store_destroy(HgmStore *store);
// The array of that name, made when it is new; NULL when out of memory or when it is there with another type or shape.
HgmArray *hgm_store_add(HgmStore *store, const char *name, HgmDtype dtype, int rank, const int64_t *shape);
// A new one over the caller's data, which outlive the store: saved from there, copied to there. False: out of memory, or there already.
bool hgm_store_lend(HgmStore *store, const char *name, HgmDtype dtype, int rank, const int64_t *shape, void *data);
HgmArray *hgm_store_find(const HgmStore *store, const char *name);
int64_t hgm_store_n(const HgmStore *store);
HgmArray *hgm_store_at(const HgmStore *store, int64_t index);                 // in order of adding; after a load in order of names
bool hgm_store_set_text(HgmStore *store, const char *name, const char *text); // replaces; false when out of memory
const char *hgm_store_text(const HgmStore *store, const char *name);          // or NULL
bool hgm_store_set_number(HgmStore *store, const char *name, double value);   // a f64 array of rank 0
bool hgm_store_number(const HgmStore *store, const char *name, double *value);

bool hgm_store_save(const HgmStore *store, const char *path, const HgmIo *io, HgmError *error);
// The whole file, or on failure NULL.
bool hgm_store_load(HgmStore **store, const char *path, HgmError *error);
// Copies the data of `from` (read from `path`) into the arrays of `into` by name. Every array of `into` must be there with the
// same shape; floats are converted between f32 and f64. Names and shapes that differ mean another model, and the message
// says so. `prefix`: only arrays whose names begin so ("" for all). Arrays that only `from` has are left out.
bool hgm_store_copy(HgmStore *into, const HgmStore *from, const char *prefix, const char *path, HgmError *error);

#endif
