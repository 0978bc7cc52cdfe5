// What the sampler of a run weighs.
#ifndef HGM_DRIVER_BUILD_H
#define HGM_DRIVER_BUILD_H

#include "compiler/driver/options.h"
#include "runtime/error.h"

// How many bytes the file has that `hgmc build RUN` would write. The run is opened anew.
bool build_sampler_bytes(const Options *options, const char *run, double *bytes, HgmError *error);

#endif
