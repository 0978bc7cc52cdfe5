// What `hgmc build` appends to this program: the model. The system maps it with the program, so that nothing has to be found or
// opened: it works from any directory, in an empty root, and is in memory once for all processes.
#ifndef HGM_SAMPLER_PAYLOAD_H
#define HGM_SAMPLER_PAYLOAD_H

#include <stddef.h>

#include "runtime/error.h"

// Verifies this program's own code and constants, gives the bundle (not verified yet). False: damaged, or no model in it.
bool payload_find(const void **bundle, size_t *bytes, HgmError *error);

#endif
