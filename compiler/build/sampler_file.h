// A sampler: the base executable (parts.h) with a model behind it, as one more segment of the executable.
#ifndef HGM_BUILD_SAMPLER_FILE_H
#define HGM_BUILD_SAMPLER_FILE_H

#include "compiler/build/parts.h"
#include "runtime/error.h"

// The file's bytes, freed with free(). NULL: out of memory, or (exit code 3) the base is not what sampler/payload.c expects.
uint8_t *sampler_file(BuildPart base, const void *bundle, size_t bundle_size, size_t *size, HgmError *error);

// The bundle in the bytes of a sampler; false: this is no sampler.
bool sampler_file_bundle(const void *file, size_t size, BuildPart *bundle);

#endif
