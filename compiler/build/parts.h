// What generated samplers and libraries consist of besides the model: programs built with hgmc and carried inside it, so that
// no compiler or linker is wanted where a model is built.
#ifndef HGM_BUILD_PARTS_H
#define HGM_BUILD_PARTS_H

#include <stddef.h>
#include <stdint.h>

#include "runtime/cpu.h"

typedef struct BuildPart {
  const uint8_t *bytes;
  size_t size;
} BuildPart;

// The base executable, a sampler without a model: a static ELF executable (sampler/) for this kind of processor. Of size 0: for AArch64 where hgmc was built without a compiler for it.
BuildPart build_base(HgmCpu cpu);
BuildPart build_library(void); // the library without a model: a relocatable object (sampler/library/)

#endif
