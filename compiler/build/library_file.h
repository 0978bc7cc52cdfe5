// A model's library as the files that programs link: written here, byte by byte, so that no compiler and no linker is wanted.
//
// Both hold the same code and the same bundle. The only names that they show are the exported ones, and they ask for none: so
// several models link into one program, and with any C library.
#ifndef HGM_BUILD_LIBRARY_FILE_H
#define HGM_BUILD_LIBRARY_FILE_H

#include <stdbool.h>

#include "compiler/build/parts.h"
#include "runtime/buffer.h"

typedef struct LibraryExport {
  const char *name;
  uint64_t offset, size; // in the code
} LibraryExport;

typedef struct LibraryFile {
  const char *name; // jetsim: libjetsim.so
  BuildPart code;   // a flat image
  uint64_t place;   // in the code: where it looks for the bundle (sampler/library/place.h)
  BuildPart bundle;
  const LibraryExport *exports;
  int n_exports;
} LibraryFile;

// The file in an empty buffer, whose `failed` tells whether memory was enough.
void library_file_static(const LibraryFile *library, HgmBuffer *file); // libNAME.a: an archive of one object
void library_file_shared(const LibraryFile *library, HgmBuffer *file); // libNAME.so

#endif
