// What lies between a sampler program and its model: written by `hgmc build`, read by the program itself.
#ifndef HGM_SAMPLER_SEAL_H
#define HGM_SAMPLER_SEAL_H

#include <elf.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "runtime/program_file.h"

enum { HGM_SEAL_BYTES = 4096 }; // from the seal to the bundle; the program headers lie in between

typedef struct HgmSeal {
  char magic[8];
  uint64_t checksum; // of the program's segments that nothing writes to, in order, then of what follows here up to the bundle
  uint64_t bundle;   // bytes of the bundle
} HgmSeal;

#define HGM_SEAL_MAGIC "hgmseal\n"

// Whether a segment of the program is under the seal.
static inline bool hgm_seal_covers(const Elf64_Phdr *segment) { return segment->p_type == PT_LOAD && (segment->p_flags & PF_W) == 0; }
// The checksum, segment by segment; it begins with 0.
static inline uint64_t hgm_seal_add(uint64_t sum, const void *segment, uint64_t bytes) { return sum * 0x9e3779b97f4a7c15ull + hgm_checksum(segment, bytes); }

static inline uint64_t hgm_seal_end(uint64_t sum, const HgmSeal *seal) { return hgm_seal_add(sum, &seal->bundle, HGM_SEAL_BYTES - offsetof(HgmSeal, bundle)); }

#endif
