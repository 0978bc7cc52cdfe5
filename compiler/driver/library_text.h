// The texts that go with a library: header for C and C++, module for Python, file for pkg-config. In the arena.
#ifndef HGM_DRIVER_LIBRARY_TEXT_H
#define HGM_DRIVER_LIBRARY_TEXT_H

#include "lang/base/arena.h"
#include "runtime/bundle.h"

const char *library_header(Arena *arena, const char *name, const HgmBundle *bundle);
const char *library_python(Arena *arena, const char *name, const HgmBundle *bundle);
const char *library_pkgconfig(Arena *arena, const char *name, const HgmBundle *bundle);

#endif
