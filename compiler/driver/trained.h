// Runs that a model uses (`use trained "runs/teacher" as teacher`): found, read, and kept in the new run.
#ifndef HGM_DRIVER_TRAINED_H
#define HGM_DRIVER_TRAINED_H

#include "compiler/driver/store.h"
#include "compiler/driver/session.h"
#include "runtime/run_directory.h"

// ModelOptions.trained: from the manifest of a run that is opened again, else from --trained NAME=DIR or the path as written.
typedef struct TrainedPlaces {
  const Strings *places;       // NAME=DIR
  const HgmManifest *manifest; // NULL: a new run
} TrainedPlaces;
bool trained_find(void *places, Arena *arena, ModelTrained *run, const char *folder, const char **problem);
// Weights, statistics and fits of these runs into the store, from their directories, or from the checkpoint of this run that is resumed; buffers
// get their sizes. After the slots of weights were made.
bool trained_load(Session *session, Store *store, const char *own_file, HgmError *error);
bool trained_has(const Model *model, const char *weight); // it is a trained run's
// What the manifest keeps of them: notes name, value, until NULL.
typedef void AddNote(void *data, const char *name, const char *value);
void trained_notes(const Model *model, Arena *arena, AddNote *add, void *data);

#endif
