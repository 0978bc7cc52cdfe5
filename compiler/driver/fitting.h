// `fit`: estimates over the training split, made between the phases of a run, and their states in the store.
#ifndef HGM_DRIVER_FITTING_H
#define HGM_DRIVER_FITTING_H

#include "compiler/driver/train.h"
#include "runtime/checkpoint.h"

// Buffers get as many rows as their data has: before any program that reads them is compiled.
void fitting_size(Training *training);
// Makes the estimates that stand before the phase of the position and are not made yet; position.fitted counts them.
bool fitting_run(Training *training, HgmError *error);
// The states of the first `fitted` estimates belong into checkpoints.
void fitting_add_states(const Model *model, Store *store, int64_t fitted);
void fitting_shape_states(const Model *model, Store *store); // of those that are in the store: their shapes, as files have them
// Those of trained runs: sizes from such a run's file (its names lack the prefix; "": from a file of this model), and slots.
void fitting_size_kept(Model *model, const HgmStore *file, const char *prefix);
void fitting_add_kept(const Model *model, Store *store);
// Sizes of buffers as a file of weights has them, for programs that sample or score.
bool fitting_size_from(Model *model, const char *path, HgmError *error);

#endif
