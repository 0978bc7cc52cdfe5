// Is the data that a run goes on with the data that it began with? Files may have moved; their bytes and columns must be the same.
#ifndef HGM_DRIVER_SAME_DATA_H
#define HGM_DRIVER_SAME_DATA_H

#include "runtime/run_directory.h"

// Compares the data sections of the manifest of a run with those of today's files. False: the error names the file and what differs.
bool same_data(const HgmManifest *then, const HgmManifest *now, const char *directory, HgmError *error);

#endif
