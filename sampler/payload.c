#include "sampler/payload.h"

#include <string.h>

#include "sampler/seal.h"

// The first byte of this program in memory: the linker's name for it.
extern const Elf64_Ehdr __ehdr_start __attribute__((visibility("hidden")));

bool payload_find(const void **bundle, size_t *bytes, HgmError *error) {
  const Elf64_Ehdr *head = &__ehdr_start;
  uintptr_t start = (uintptr_t)head;
  const Elf64_Phdr *segments = (const Elf64_Phdr *)(start + head->e_phoff), *last = NULL;
  for (int i = 0; i < head->e_phnum; i++)
    if (segments[i].p_type == PT_LOAD) last = &segments[i];
  const HgmSeal *seal = last == NULL ? NULL : (const HgmSeal *)(uintptr_t)last->p_vaddr;
  if (seal == NULL || last->p_filesz < HGM_SEAL_BYTES || memcmp(seal->magic, HGM_SEAL_MAGIC, sizeof seal->magic) != 0)
    return hgm_fail(error, 3, "there is no model in this program; `hgmc build` makes one with a model");
  uint64_t sum = 0;
  for (const Elf64_Phdr *s = segments; s < last; s++)
    if (hgm_seal_covers(s)) sum = hgm_seal_add(sum, (const void *)(uintptr_t)s->p_vaddr, s->p_filesz);
  if (hgm_seal_end(sum, seal) != seal->checksum || seal->bundle > last->p_filesz - HGM_SEAL_BYTES)
    return hgm_fail(error, 3, "this program is damaged: its checksum differs; copy or build it again");
  *bundle = (const unsigned char *)seal + HGM_SEAL_BYTES;
  *bytes = seal->bundle;
  return true;
}
