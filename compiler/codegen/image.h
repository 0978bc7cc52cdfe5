// One flat, position-independent image of machine code out of ELF objects: what the JIT runs, the cache stores and
// a generated sampler carries.
//
// An object may hold .text and .rodata* sections and PC-relative relocations (x86-64: PC32, PLT32; AArch64: pages and their low bits, jumps) among them, nothing else:
// an undefined symbol, writable data, a GOT or an absolute relocation is refused with the name of the culprit.
// So an image runs at any address without a loader: copy (or map) it and jump.
//
//   Image image; image_build(&image, objects, n, &error); image_map(&image, &error);
//   HgmKernel *k = image_kernel(&image, "kernel_7"); ... image_free(&image);
#ifndef HGM_CODEGEN_IMAGE_H
#define HGM_CODEGEN_IMAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "runtime/error.h"
#include "runtime/program.h"

typedef struct ImageObject {
  const void *bytes; // an ELF64 little-endian relocatable object for x86-64 or AArch64
  size_t size;
} ImageObject;

typedef struct ImageSymbol {
  char *name;
  uint64_t offset, size; // in the image, bytes
} ImageSymbol;

typedef struct Image {
  uint8_t *bytes;       // the image, relocated; what a cache writes
  size_t size;          // a multiple of the page size
  ImageSymbol *symbols; // global functions of all objects, in order
  size_t n_symbols;
  uint8_t *code; // the executable mapping; NULL before image_map
} Image;

// Lays out the objects one behind the other and relocates them. False (internal error) on a refused object, or on two
// global symbols of one name; the image is then empty.
bool image_build(Image *image, const ImageObject *objects, size_t n, HgmError *error);
// Copies into fresh pages, then switches them from writable to executable (never both).
bool image_map(Image *image, HgmError *error);
bool image_place(const Image *image, const char *name, uint64_t *offset); // of the function of that name; false: none
// The entry point of that name in the mapping, or NULL.
HgmKernel *image_kernel(const Image *image, const char *name);
void image_free(Image *image); // unmaps: no kernel may be running
// Appends "address size name" lines for perf (the file perf looks for is /tmp/perf-PID.map).
bool image_perf_map(const Image *image, const char *path, HgmError *error);

#endif
