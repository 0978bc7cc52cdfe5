// The training loop: phases, epochs, batches, validation, best weights, checkpoints.
#ifndef HGM_DRIVER_TRAIN_H
#define HGM_DRIVER_TRAIN_H

#include "compiler/driver/dataset.h"
#include "compiler/driver/ranks.h"
#include "runtime/run_directory.h"

typedef struct Training {
  Session *session;
  Store *store;
  Dataset *datasets; // by model data block
  HgmRun *run;
  const char *model_hash;
  const HgmManifest *manifest; // how the data files have their columns
  HgmRanks *ranks;             // NULL: this process alone; else `run` is there in the first only
  const HgmIo *io;             // NULL: the system's
  Position position;
  bool resumed;
  double saved_ms; // when last.h5 was written; 0: not yet
  Snapshot best;   // weights that best.h5 has yet to get
  bool best_is_waiting;
  int64_t events_trained;
  double seconds; // of training so far, whole epochs of the runs that it resumes included
} Training;

typedef enum { TRAIN_DONE, TRAIN_PAUSED, TRAIN_INTERRUPTED, TRAIN_FAILED } TrainResult;

// Slots for every weight of the model, with their shapes.
void train_add_weights(const Session *session, Store *store);
// Every weight of the model as it begins: a function of the seed and the weight's name.
void train_begin_weights(Session *session, Store *store);
// Runs what is left of all phases. After TRAIN_DONE the store holds the weights that count (best, or last).
TrainResult train_run(Training *training, HgmError *error);

#endif
