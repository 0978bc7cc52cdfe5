#define _DEFAULT_SOURCE // MAP_ANONYMOUS
#include "runtime/program_file.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "runtime/buffer.h"

enum { PAGE = 4096, FORMAT = 5, ALIGN = 64 };
#if defined(__aarch64__)
enum { SYSTEM_PAGE = 65536 }; // the largest that a system may have
#else
enum { SYSTEM_PAGE = PAGE };
#endif
static const char magic[8] = "hgmprog\n";

// The first bytes of a packed program. Everything behind `checksum` is under it.
typedef struct Head {
  char magic[8];
  uint64_t format; // FORMAT, and the size of the tables' elements
  uint64_t checksum;
  uint64_t size;              // of the whole
  uint64_t image, image_size; // the code: on a page of its own, to the end
  HgmProgram program;         // pointers are offsets from the head
} Head;

// A field that is added to HgmProgram and not to the list of tables would be a wild pointer after loading.
_Static_assert(sizeof(HgmProgram) == 200, "pack and load every pointer of HgmProgram, then correct this number");

static uint64_t format_number(void) {
  return FORMAT + ((uint64_t)(sizeof(HgmPort) + sizeof(HgmCommand) * 131 + sizeof(HgmPointer) * 137 + sizeof(HgmPhase) * 139) << 32);
}

// Four chains, each step a bijection of the chain and of the word.
uint64_t hgm_checksum(const void *bytes, size_t n) {
  enum { CHAINS = 4 };
  const uint64_t odd = 0x9e3779b97f4a7c15ull;
  uint64_t chain[CHAINS] = {n, 1, 2, 3}, word;
  const uint8_t *at = bytes;
  for (; n >= sizeof word * CHAINS; n -= sizeof word * CHAINS)
    for (int i = 0; i < CHAINS; i++, at += sizeof word) {
      memcpy(&word, at, sizeof word);
      uint64_t x = (chain[i] ^ word) * odd;
      chain[i] = x ^ (x >> 29);
    }
  for (int i = 0; n > 0; i++) {
    size_t part = n < sizeof word ? n : sizeof word;
    word = 0;
    memcpy(&word, at, part);
    uint64_t x = (chain[i] ^ word) * odd;
    chain[i] = x ^ (x >> 29);
    at += part;
    n -= part;
  }
  uint64_t sum = 0;
  for (int i = 0; i < CHAINS; i++) {
    sum = (sum ^ chain[i]) * odd;
    sum ^= sum >> 32;
  }
  return sum;
}

static uint64_t checksum_of(const Head *head) {
  size_t from = offsetof(Head, size);
  return hgm_checksum((const uint8_t *)head + from, head->size - from);
}

// ---- packing

static void *as_pointer(uint64_t offset) { return (void *)(uintptr_t)offset; }

static const HgmPort *put_ports(HgmBuffer *b, const HgmPort *ports, uint32_t n) {
  uint64_t at = hgm_buffer_put(b, ports, n * sizeof *ports, ALIGN);
  for (uint32_t i = 0; i < n; i++) {
    HgmPort port = ports[i];
    port.name = as_pointer(hgm_buffer_put_text(b, ports[i].name));
    hgm_buffer_set(b, at + i * sizeof port, &port, sizeof port);
  }
  return as_pointer(at);
}

static const char *const *put_names(HgmBuffer *b, const char *const *names, uint32_t n) {
  uint64_t at = hgm_buffer_put(b, names, n * sizeof *names, ALIGN);
  for (uint32_t i = 0; i < n; i++) {
    const char *name = as_pointer(hgm_buffer_put_text(b, names[i]));
    hgm_buffer_set(b, at + i * sizeof name, &name, sizeof name);
  }
  return as_pointer(at);
}

static void put_tables(HgmBuffer *b, HgmProgram *to, const HgmProgram *from) {
  to->name = as_pointer(hgm_buffer_put_text(b, from->name));
  to->phases = as_pointer(hgm_buffer_put(b, from->phases, from->n_phases * sizeof *from->phases, ALIGN));
  to->commands = as_pointer(hgm_buffer_put(b, from->commands, from->n_commands * sizeof *from->commands, ALIGN));
  to->pointers = as_pointer(hgm_buffer_put(b, from->pointers, from->n_pointers * sizeof *from->pointers, ALIGN));
  to->leaves = put_ports(b, from->leaves, from->n_leaves);
  to->outputs = put_ports(b, from->outputs, from->n_outputs);
  to->sites = put_names(b, from->sites, from->n_sites);
  to->data = as_pointer(hgm_buffer_put(b, from->data, from->data_bytes, ALIGN));
}

// Where kernels begin, from the first byte of the pack; the image lies on the page behind.
static void put_code(HgmBuffer *b, Head *head, const HgmCode *code) {
  uint32_t n = head->program.n_kernels;
  uint64_t table = hgm_buffer_put(b, code->kernels, n * sizeof *code->kernels, ALIGN);
  head->program.kernels = as_pointer(table);
  head->image = hgm_buffer_put(b, code->bytes, code->size, PAGE);
  head->image_size = code->size;
  for (uint32_t i = 0; i < n; i++) {
    uint64_t offset = head->image + code->kernels[i];
    hgm_buffer_set(b, table + i * sizeof offset, &offset, sizeof offset);
  }
}

uint8_t *hgm_program_pack(const HgmProgram *program, const HgmCode *code, size_t *size) {
  HgmBuffer b = {0};
  Head head;
  memset(&head, 0, sizeof head); // gaps between fields are part of the bytes
  memcpy(head.magic, magic, sizeof magic);
  head.format = format_number();
  hgm_buffer_put(&b, &head, sizeof head, ALIGN);
  memcpy(&head.program, program, sizeof *program);
  put_tables(&b, &head.program, program);
  put_code(&b, &head, code);
  if (b.failed) {
    free(b.bytes);
    return NULL;
  }
  head.size = *size = b.size;
  memcpy(b.bytes, &head, sizeof head);
  ((Head *)b.bytes)->checksum = checksum_of((const Head *)b.bytes);
  return b.bytes;
}

// ---- loading

// Turns the offset in *field into a pointer to n elements; false when they do not lie in front of the code.
static bool relocate(const Head *head, void *field, uint64_t n, size_t element) {
  uint64_t offset;
  memcpy(&offset, field, sizeof offset);
  if (offset < sizeof *head || offset > head->image || n > (head->image - offset) / element) return false;
  const uint8_t *at = (const uint8_t *)head + offset;
  memcpy(field, &at, sizeof at);
  return true;
}

static bool relocate_text(const Head *head, const char **field) {
  if (!relocate(head, field, 1, 1)) return false;
  return memchr(*field, 0, (size_t)((const char *)head + head->image - *field)) != NULL;
}

static bool relocate_ports(const Head *head, const HgmPort **field, uint32_t n) {
  if (!relocate(head, field, n, sizeof **field)) return false;
  HgmPort *ports = (HgmPort *)*field; // of our own, writable copy
  for (uint32_t i = 0; i < n; i++)
    if (!relocate_text(head, &ports[i].name)) return false;
  return true;
}

static bool relocate_code(const Head *head, HgmProgram *p) {
  if (!relocate(head, &p->kernels, p->n_kernels, sizeof *p->kernels)) return false;
  for (uint32_t i = 0; i < p->n_kernels; i++) {
    uint64_t offset;
    memcpy(&offset, &p->kernels[i], sizeof offset);
    if (offset < head->image || offset >= head->size) return false;
    const uint8_t *at = (const uint8_t *)head + offset;
    memcpy(&p->kernels[i], &at, sizeof at);
  }
  return true;
}

static bool relocate_tables(const Head *head, HgmProgram *p) {
  if (!relocate_text(head, &p->name) || !relocate(head, &p->phases, p->n_phases, sizeof *p->phases) ||
      !relocate(head, &p->commands, p->n_commands, sizeof *p->commands) || !relocate(head, &p->pointers, p->n_pointers, sizeof *p->pointers) ||
      !relocate_ports(head, &p->leaves, p->n_leaves) || !relocate_ports(head, &p->outputs, p->n_outputs) || !relocate(head, &p->data, p->data_bytes, 1) ||
      !relocate(head, &p->sites, p->n_sites, sizeof *p->sites))
    return false;
  for (uint32_t i = 0; i < p->n_sites; i++)
    if (!relocate_text(head, (const char **)&p->sites[i])) return false;
  return relocate_code(head, p);
}

static bool pointer_is_sound(const HgmProgram *p, const HgmPointer *pointer) {
  switch (pointer->space) {
  case HGM_SPACE_TILE: return pointer->offset <= p->tile_bytes;
  case HGM_SPACE_OWN: return pointer->offset <= p->own_bytes;
  case HGM_SPACE_ONCE: return pointer->offset <= p->once_bytes;
  case HGM_SPACE_CONSTANT: return pointer->offset <= p->constant_bytes;
  case HGM_SPACE_BATCH:
  case HGM_SPACE_ALL: return pointer->offset <= p->batch_bytes_per_tile;
  case HGM_SPACE_PARTIAL: return pointer->offset <= p->partial_bytes;
  case HGM_SPACE_LEAF: return pointer->index < p->n_leaves;
  case HGM_SPACE_OUTPUT: return pointer->index < p->n_outputs;
  case HGM_SPACE_DATA: return pointer->offset <= p->data_bytes;
  default: return false;
  }
}

// Every index that execution follows.
static bool tables_are_sound(const HgmProgram *p) {
  for (uint32_t i = 0; i < p->n_phases; i++)
    if (p->phases[i].first_command > p->n_commands || p->phases[i].n_commands > p->n_commands - p->phases[i].first_command) return false;
  for (uint32_t i = 0; i < p->n_commands; i++) {
    const HgmCommand *c = &p->commands[i];
    if (c->kernel >= p->n_kernels || c->first_pointer > p->n_pointers || c->n_pointers > p->n_pointers - c->first_pointer) return false;
  }
  for (uint32_t i = 0; i < p->n_outputs; i++)
    if (p->outputs[i].in_place > p->n_leaves) return false;
  for (uint32_t i = 0; i < p->n_pointers; i++)
    if (!pointer_is_sound(p, &p->pointers[i])) return false;
  return p->panel > 0 && p->tile > 0 && p->tile % p->panel == 0;
}

static const char *head_refusal(const Head *head, size_t size) {
  if (memcmp(head->magic, magic, sizeof magic) != 0) return "is not a compiled program";
  if (head->format != format_number()) return "was compiled by another version";
  if (head->size != size || head->image % PAGE != 0 || head->image < sizeof *head || head->image > size || head->image_size != size - head->image)
    return "is damaged: it has another length than it says";
  if (head->checksum != checksum_of(head)) return "is damaged: its checksum differs";
  return NULL;
}

// Nothing is written any more. Where pages may be larger than the image's the tables before it become executable too.
static bool make_executable(uint8_t *pages, const Head *head) {
  if (head->image_size == 0) return true;
  uint8_t *code = pages + head->image, *first = code - (uintptr_t)code % SYSTEM_PAGE;
  if (first < pages) first = pages;
  __builtin___clear_cache((char *)code, (char *)code + head->image_size); // AArch64 does not see by itself that it has been written
  return mprotect(first, (size_t)(code - first) + head->image_size, PROT_READ | PROT_EXEC) == 0;
}

HgmProgram *hgm_program_load(const void *bytes, size_t size, HgmError *error) {
  if (size < sizeof(Head)) {
    hgm_fail(error, 3, "a compiled program is damaged: only %zu bytes are left of it", size);
    return NULL;
  }
  uint8_t *pages = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (pages == MAP_FAILED) {
    hgm_fail(error, 2, "no memory for a compiled program of %zu bytes", size);
    return NULL;
  }
  memcpy(pages, bytes, size); // first of all: what is checked and what runs is the same copy
  Head *head = (Head *)pages;
  HgmProgram *program = &head->program;
  const char *refusal = head_refusal(head, size);
  if (refusal != NULL) hgm_fail(error, 3, "a compiled program %s", refusal);
  else if (!relocate_tables(head, program) || !tables_are_sound(program)) hgm_fail(error, 3, "a compiled program has tables that contradict each other");
  else if (!make_executable(pages, head)) hgm_fail(error, 2, "the system does not allow this process to run code it has compiled");
  else return program;
  munmap(pages, size);
  return NULL;
}

void hgm_program_free(HgmProgram *program) {
  if (program == NULL) return;
  Head *head = (Head *)((uint8_t *)program - offsetof(Head, program));
  munmap(head, head->size);
}
