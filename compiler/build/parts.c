#include "compiler/build/parts.h"

// The assembler copies the files in; make hands their paths.
#define CARRY(name, path)                                                                                                                                      \
  __asm__(".section .rodata\n.balign 16\n" #name "_begin:\n.incbin \"" path "\"\n" #name "_end:\n.byte 0\n.previous\n");                                       \
  extern const uint8_t name##_begin[] __attribute__((visibility("hidden"))), name##_end[] __attribute__((visibility("hidden")))

CARRY(hgm_base, HGM_BASE);
CARRY(hgm_base_aarch64, HGM_BASE_AARCH64);
CARRY(hgm_library, HGM_LIBRARY);

BuildPart build_base(HgmCpu cpu) {
  if (cpu == HGM_CPU_AARCH64) return (BuildPart){hgm_base_aarch64_begin, (size_t)(hgm_base_aarch64_end - hgm_base_aarch64_begin)};
  return (BuildPart){hgm_base_begin, (size_t)(hgm_base_end - hgm_base_begin)};
}

BuildPart build_library(void) { return (BuildPart){hgm_library_begin, (size_t)(hgm_library_end - hgm_library_begin)}; }
