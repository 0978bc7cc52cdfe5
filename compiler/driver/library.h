// hgmc build --lib -o NAME: the five files of a model's library.
#ifndef HGM_DRIVER_LIBRARY_H
#define HGM_DRIVER_LIBRARY_H

#include "compiler/driver/options.h"
#include "runtime/bundle.h"
#include "runtime/error.h"

// Whether -o NAME makes names for C and files that may be written; asked before the compiler runs.
bool library_check(const Options *options, HgmError *error);
// bytes: the packed bundle.
bool library_write(const Options *options, Arena *arena, const HgmBundle *bundle, const void *bytes, size_t size, HgmError *error);

#endif
