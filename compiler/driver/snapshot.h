// The store and the position of a run as a file, both ways (best.h5, last.h5).
#ifndef HGM_DRIVER_SNAPSHOT_H
#define HGM_DRIVER_SNAPSHOT_H

#include "compiler/driver/store.h"
#include "runtime/checkpoint.h"
#include "runtime/io.h"

// Where training stands. Everything that decides the next step's bits is here, in the store, or in the manifest.
typedef struct Position {
  double phase; // index of the train block
  double epoch; // epochs finished in this phase
  double step;  // steps done in this phase
  double step_in_epoch;
  double batches;                     // taken in this phase
  double pass;                        // counter of draws, all phases
  double best, best_step, bad_epochs; // of the validation loss, or of what is watched; best is NaN before the first
  double fitted;                      // how many fits are made
  double done;                        // 1: every phase is finished
} Position;

// The saved slots of a store as they were at some position, in memory.
typedef struct Snapshot {
  Position position;
  size_t n_slots;        // the first ones of the store
  size_t n;              // bytes of values
  unsigned char *values; // NULL: what the store holds now
} Snapshot;

void snapshot_take(Snapshot *snapshot, const Store *store, const Position *position);
bool snapshot_save(const Store *store, const Snapshot *snapshot, const char *model_hash, const char *path, const HgmIo *io, HgmError *error);
// Fills every saved slot of the store. position may be NULL. A file of another model is refused.
bool snapshot_load(Store *store, Position *position, const char *model_hash, const char *path, HgmError *error);

#endif
