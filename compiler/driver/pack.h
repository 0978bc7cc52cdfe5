// A run as a bundle: its generators and its score, compiled for the asked processors, with weights, columns and origin.
#ifndef HGM_DRIVER_PACK_H
#define HGM_DRIVER_PACK_H

#include "compiler/driver/run_files.h"
#include "runtime/bundle.h"

typedef struct PackTargets {
  HgmCpu at[3];
  int n;
} PackTargets;

// "native": the best level of this machine; "x86-64-v3", "x86-64-v4", "sapphirerapids", "aarch64"; NULL: all of x86-64, picked where the program starts.
bool pack_targets(PackTargets *targets, const char *text, HgmError *error);
// Everything lies in the run's arena. Weights are read here: the run must not be bound otherwise before. With all
// generators, or the one that is named. library: with one generator, the first if none is named, and it as a function of its random numbers
// too, where they are normal and uniform ones.
bool pack_run(HgmBundle *bundle, OpenRun *run, const PackTargets *targets, const char *generator, bool library, HgmError *error);

#endif
