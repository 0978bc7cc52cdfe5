#include "compiler/build/sampler_file.h"

#include <elf.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/buffer.h"
#include "sampler/seal.h"

enum { MOST_SEGMENTS = 32 };

// What a tool finds from the file's end.
typedef struct Trailer {
  char magic[8];
  uint64_t offset, size; // of the bundle
} Trailer;
static const char trailer_magic[8] = "hgmtail\n";

// The segments of the base executable, with room for one more.
typedef struct Segments {
  Elf64_Phdr at[MOST_SEGMENTS];
  int n;
  uint64_t page;       // the largest of any system for this processor
  uint64_t start, end; // addresses: of the file's first byte, behind the last byte in memory
} Segments;

static bool read_segments(Segments *s, BuildPart base) {
  Elf64_Ehdr head;
  if (base.size < sizeof head) return false;
  memcpy(&head, base.bytes, sizeof head);
  if (memcmp(head.e_ident, ELFMAG, SELFMAG) != 0 || head.e_type != ET_EXEC || (head.e_machine != EM_X86_64 && head.e_machine != EM_AARCH64) ||
      head.e_phentsize != sizeof(Elf64_Phdr))
    return false;
  if (head.e_phnum >= MOST_SEGMENTS || head.e_phoff > base.size || head.e_phnum * sizeof(Elf64_Phdr) > base.size - head.e_phoff) return false;
  s->n = head.e_phnum;
  s->page = head.e_machine == EM_AARCH64 ? 65536 : 4096;
  memcpy(s->at, base.bytes + head.e_phoff, (size_t)s->n * sizeof *s->at);
  for (int i = 0; i < s->n; i++) {
    const Elf64_Phdr *p = &s->at[i];
    if (p->p_type == PT_PHDR) return false; // it would have to move too
    if (p->p_type != PT_LOAD) continue;
    if (p->p_offset > base.size || p->p_filesz > base.size - p->p_offset) return false;
    if (p->p_offset == 0) s->start = p->p_vaddr;
    if (p->p_vaddr + p->p_memsz > s->end) s->end = p->p_vaddr + p->p_memsz;
  }
  return s->start != 0;
}

// Fills the seal's page: seal, then the table of segments, whose last one is the model.
static void put_seal(uint8_t *file, uint64_t place, const Segments *s, size_t bundle_size) {
  Elf64_Ehdr head;
  memcpy(&head, file, sizeof head);
  HgmSeal *seal = (HgmSeal *)(file + place);
  memcpy(seal->magic, HGM_SEAL_MAGIC, sizeof seal->magic);
  seal->bundle = bundle_size;
  head.e_phoff = place + sizeof *seal;
  head.e_phnum = (uint16_t)s->n;
  head.e_shoff = 0; // sections are of no use behind this point
  head.e_shnum = head.e_shstrndx = 0;
  memcpy(file, &head, sizeof head);
  memcpy(file + head.e_phoff, s->at, (size_t)s->n * sizeof *s->at);
  uint64_t sum = 0;
  for (int i = 0; i < s->n - 1; i++)
    if (hgm_seal_covers(&s->at[i])) sum = hgm_seal_add(sum, file + s->at[i].p_offset, s->at[i].p_filesz);
  seal->checksum = hgm_seal_end(sum, seal);
}

// The model's place in the file is its place in memory, counted from the first byte: then the table of segments, which moves
// behind the base, is found by every system that hands a program the address of its table.
uint8_t *sampler_file(BuildPart base, const void *bundle, size_t bundle_size, size_t *size, HgmError *error) {
  Segments s = {0};
  if (!read_segments(&s, base)) {
    hgm_fail(error, 3, "the sampler carried in hgmc cannot take a model");
    return NULL;
  }
  uint64_t length_of_base = s.end - s.start > base.size ? s.end - s.start : base.size;
  uint64_t place = (length_of_base + s.page - 1) / s.page * s.page, bundle_at = place + HGM_SEAL_BYTES;
  Trailer trailer = {.offset = bundle_at, .size = bundle_size};
  memcpy(trailer.magic, trailer_magic, sizeof trailer.magic);
  HgmBuffer file = {0};
  hgm_buffer_put(&file, base.bytes, base.size, 1);
  hgm_buffer_put(&file, bundle, 0, bundle_at); // zeros up to there
  hgm_buffer_put(&file, bundle, bundle_size, 1);
  uint64_t end = hgm_buffer_put(&file, &trailer, sizeof trailer, 8) + sizeof trailer;
  if (file.failed) {
    free(file.bytes);
    hgm_fail(error, 2, "out of memory");
    return NULL;
  }
  uint64_t length = bundle_at + bundle_size - place, address = s.start + place;
  s.at[s.n++] = (Elf64_Phdr){
      .p_type = PT_LOAD, .p_flags = PF_R, .p_offset = place, .p_vaddr = address, .p_paddr = address, .p_filesz = length, .p_memsz = length, .p_align = s.page};
  put_seal(file.bytes, place, &s, bundle_size);
  *size = end;
  return file.bytes;
}

bool sampler_file_bundle(const void *file, size_t size, BuildPart *bundle) {
  Trailer t;
  if (size < sizeof t) return false;
  memcpy(&t, (const uint8_t *)file + size - sizeof t, sizeof t);
  if (memcmp(t.magic, trailer_magic, sizeof t.magic) != 0 || t.offset > size || t.size > size - t.offset) return false;
  *bundle = (BuildPart){(const uint8_t *)file + t.offset, t.size};
  return true;
}
