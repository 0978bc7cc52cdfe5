#include "compiler/codegen/image.h"

#include <elf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

enum { PAGE = 4096 };
#define NOT_PLACED UINT64_MAX

// An object being laid out: its sections and where each lies in the image.
typedef struct Object {
  const uint8_t *bytes;
  size_t size;
  unsigned machine; // EM_X86_64 or EM_AARCH64
  const Elf64_Shdr *sections;
  size_t n_sections;
  const Elf64_Shdr *section_names; // string tables
  const Elf64_Sym *symbols;
  size_t n_symbols;
  const Elf64_Shdr *symbol_names;
  uint64_t *place; // (n_sections) offset in the image, or NOT_PLACED
} Object;

// ---- reading

static bool inside(const Object *o, uint64_t offset, uint64_t size) { return offset <= o->size && size <= o->size - offset; }

// Arrays of an object are read in place: they must lie inside it and be aligned for what they hold.
static bool is_array(const Object *o, uint64_t offset, uint64_t size) { return inside(o, offset, size) && offset % 8 == 0; }

static bool is_string_table(const Elf64_Shdr *s) { return s->sh_type == SHT_STRTAB && s->sh_size > 0; }

// The name at an offset of a string table; "?" where it does not lie in it whole.
static const char *name_at(const Object *o, const Elf64_Shdr *table, uint64_t offset) {
  if (offset >= table->sh_size) return "?";
  const char *name = (const char *)o->bytes + table->sh_offset + offset;
  return memchr(name, 0, table->sh_size - offset) ? name : "?";
}

static bool read_symbols(Object *o, const Elf64_Shdr *s, HgmError *error) {
  if (s->sh_link >= o->n_sections || !is_string_table(&o->sections[s->sh_link])) return hgm_fail(error, 3, "an object's symbol table has no names");
  if (!is_array(o, s->sh_offset, s->sh_size)) return hgm_fail(error, 3, "an object's symbol table is not aligned");
  o->symbols = (const Elf64_Sym *)(o->bytes + s->sh_offset);
  o->n_symbols = s->sh_size / sizeof *o->symbols;
  o->symbol_names = &o->sections[s->sh_link];
  return true;
}

static bool read_sections(Object *o, const Elf64_Ehdr *h, HgmError *error) {
  if (!is_array(o, h->e_shoff, (uint64_t)h->e_shnum * sizeof(Elf64_Shdr)) || h->e_shstrndx >= h->e_shnum)
    return hgm_fail(error, 3, "an object's sections lie outside of it");
  o->sections = (const Elf64_Shdr *)(o->bytes + h->e_shoff);
  o->n_sections = h->e_shnum;
  for (size_t i = 0; i < o->n_sections; i++) {
    const Elf64_Shdr *s = &o->sections[i];
    if (s->sh_type != SHT_NOBITS && !inside(o, s->sh_offset, s->sh_size)) return hgm_fail(error, 3, "section %zu lies outside of its object", i);
  }
  o->section_names = &o->sections[h->e_shstrndx];
  return is_string_table(o->section_names) || hgm_fail(error, 3, "an object's sections have no names");
}

static bool read_object(Object *o, const ImageObject *in, HgmError *error) {
  *o = (Object){.bytes = in->bytes, .size = in->size};
  const Elf64_Ehdr *h = in->bytes;
  if (in->size < sizeof *h || memcmp(h->e_ident, ELFMAG, SELFMAG) || h->e_ident[EI_CLASS] != ELFCLASS64 || h->e_type != ET_REL ||
      (h->e_machine != EM_X86_64 && h->e_machine != EM_AARCH64))
    return hgm_fail(error, 3, "not a relocatable x86-64 or AArch64 object");
  o->machine = h->e_machine;
  if (!read_sections(o, h, error)) return false;
  for (size_t i = 0; i < o->n_sections; i++)
    if (o->sections[i].sh_type == SHT_SYMTAB && !read_symbols(o, &o->sections[i], error)) return false;
  return true;
}

// ---- layout

// Gives each section that must be in memory its place behind *end.
static bool place_sections(Object *o, uint64_t *end, HgmError *error) {
  o->place = malloc(o->n_sections * sizeof *o->place);
  if (!o->place && o->n_sections) return hgm_fail(error, 2, "out of memory for an image of compiled code");
  for (size_t i = 0; i < o->n_sections; i++) {
    const Elf64_Shdr *s = &o->sections[i];
    const char *name = name_at(o, o->section_names, s->sh_name);
    o->place[i] = NOT_PLACED;
    if (!(s->sh_flags & SHF_ALLOC) || s->sh_size == 0) continue;
    bool code = !strncmp(name, ".text", 5), constant = !strncmp(name, ".rodata", 7);
    if ((s->sh_flags & SHF_WRITE) || s->sh_type != SHT_PROGBITS || !(code || constant))
      return hgm_fail(error, 3, "compiled code has a section '%s'; an image holds only code and constants", name);
    uint64_t align = s->sh_addralign ? s->sh_addralign : 1;
    if (align > PAGE || (align & (align - 1))) return hgm_fail(error, 3, "section '%s' wants an alignment of %llu", name, (unsigned long long)align);
    o->place[i] = (*end + align - 1) & ~(align - 1);
    *end = o->place[i] + s->sh_size;
  }
  return true;
}

static void copy_sections(const Object *o, uint8_t *image) {
  for (size_t i = 0; i < o->n_sections; i++)
    if (o->place[i] != NOT_PLACED) memcpy(image + o->place[i], o->bytes + o->sections[i].sh_offset, o->sections[i].sh_size);
}

// ---- relocation

static bool symbol_place(const Object *o, uint64_t index, uint64_t *place, HgmError *error) {
  if (index >= o->n_symbols) return hgm_fail(error, 3, "a relocation names no symbol");
  const Elf64_Sym *s = &o->symbols[index];
  const char *name = name_at(o, o->symbol_names, s->st_name);
  if (s->st_shndx == SHN_UNDEF) return hgm_fail(error, 3, "compiled code needs the external symbol '%s'; an image has none", name);
  if (s->st_shndx >= o->n_sections || o->place[s->st_shndx] == NOT_PLACED)
    return hgm_fail(error, 3, "compiled code refers to '%s', which is not part of the image", name);
  uint64_t size = o->sections[s->st_shndx].sh_size;
  if (s->st_value > size || s->st_size > size - s->st_value) return hgm_fail(error, 3, "'%s' lies outside of its section", name);
  *place = o->place[s->st_shndx] + s->st_value;
  return true;
}

// Places wrap around: what a damaged object asks for is too far away then.
static bool x86_field(uint32_t *field, uint64_t type, uint64_t target, uint64_t place, HgmError *error) {
  if (type != R_X86_64_PC32 && type != R_X86_64_PLT32)
    return hgm_fail(error, 3, "compiled code has a relocation of type %llu; an image allows only PC32 and PLT32", (unsigned long long)type);
  int64_t value = (int64_t)(target - place);
  *field = (uint32_t)value;
  return value == (int32_t)value || hgm_fail(error, 3, "an image of compiled code is over 2 GiB");
}

// How far AArch64's loads and stores shift the low 12 bits of an address in their instruction: by the size of what they move. -1: no such relocation.
static int low_shift(uint64_t type) {
  switch (type) {
  case R_AARCH64_ADD_ABS_LO12_NC:
  case R_AARCH64_LDST8_ABS_LO12_NC: return 0;
  case R_AARCH64_LDST16_ABS_LO12_NC: return 1;
  case R_AARCH64_LDST32_ABS_LO12_NC: return 2;
  case R_AARCH64_LDST64_ABS_LO12_NC: return 3;
  case R_AARCH64_LDST128_ABS_LO12_NC: return 4;
  default: return -1;
  }
}

// The image begins on a page, so the low bits of a place in it are those of the address (ELF for the Arm 64-bit Architecture, section 5.7).
static bool arm_field(uint32_t *field, uint64_t type, uint64_t target, uint64_t place, HgmError *error) {
  int64_t value = (int64_t)(target - place), pages = ((int64_t)target >> 12) - ((int64_t)place >> 12);
  bool fits = true;
  int shift = low_shift(type);
  if (shift >= 0) *field |= ((uint32_t)target & 0xfff) >> shift << 10;
  else if (type == R_AARCH64_ADR_PREL_PG_HI21) {
    *field |= ((uint32_t)pages & 3) << 29 | ((uint32_t)(pages >> 2) & 0x7ffff) << 5;
    fits = pages >= -(1 << 20) && pages < 1 << 20;
  } else if (type == R_AARCH64_CALL26 || type == R_AARCH64_JUMP26) {
    *field |= (uint32_t)(value >> 2) & 0x3ffffff;
    fits = value >= -(1 << 27) && value < 1 << 27;
  } else if (type == R_AARCH64_PREL32) {
    *field = (uint32_t)value;
    fits = value == (int32_t)value;
  } else return hgm_fail(error, 3, "compiled code has a relocation of type %llu, which an image does not allow", (unsigned long long)type);
  return fits || hgm_fail(error, 3, "an image of compiled code is too large for its jumps");
}

static bool relocate_section(const Object *o, const Elf64_Shdr *list, uint8_t *image, HgmError *error) {
  if (!is_array(o, list->sh_offset, list->sh_size)) return hgm_fail(error, 3, "a table of relocations is not aligned");
  const Elf64_Rela *r = (const Elf64_Rela *)(o->bytes + list->sh_offset);
  const Elf64_Shdr *section = &o->sections[list->sh_info];
  for (size_t n = list->sh_size / sizeof *r; n; n--, r++) {
    uint64_t target;
    if (!symbol_place(o, ELF64_R_SYM(r->r_info), &target, error)) return false;
    if (section->sh_size < 4 || r->r_offset > section->sh_size - 4) return hgm_fail(error, 3, "a relocation lies outside of its section");
    uint64_t place = o->place[list->sh_info] + r->r_offset;
    uint32_t field;
    memcpy(&field, image + place, sizeof field);
    if (!(o->machine == EM_AARCH64 ? arm_field : x86_field)(&field, ELF64_R_TYPE(r->r_info), target + (uint64_t)r->r_addend, place, error)) return false;
    memcpy(image + place, &field, sizeof field);
  }
  return true;
}

static bool relocate(const Object *o, uint8_t *image, HgmError *error) {
  for (size_t i = 0; i < o->n_sections; i++) {
    const Elf64_Shdr *s = &o->sections[i];
    if (s->sh_type != SHT_RELA || s->sh_info >= o->n_sections || o->place[s->sh_info] == NOT_PLACED) continue;
    if (!relocate_section(o, s, image, error)) return false;
  }
  return true;
}

// ---- symbols

static const ImageSymbol *find(const Image *image, const char *name) {
  for (size_t i = 0; i < image->n_symbols; i++)
    if (!strcmp(image->symbols[i].name, name)) return &image->symbols[i];
  return NULL;
}

static bool collect_symbols(const Object *o, Image *image, HgmError *error) {
  for (size_t i = 0; i < o->n_symbols; i++) {
    const Elf64_Sym *s = &o->symbols[i];
    if (ELF64_ST_BIND(s->st_info) != STB_GLOBAL || s->st_shndx == SHN_UNDEF) continue; // an external name that nothing refers to does no harm
    uint64_t place;
    if (!symbol_place(o, i, &place, error)) return false;
    const char *name = name_at(o, o->symbol_names, s->st_name);
    if (find(image, name)) return hgm_fail(error, 3, "two compiled functions are named '%s'", name);
    ImageSymbol *grown = realloc(image->symbols, (image->n_symbols + 1) * sizeof *grown);
    if (grown) image->symbols = grown;
    char *copy = malloc(strlen(name) + 1);
    if (!grown || !copy) {
      free(copy);
      return hgm_fail(error, 2, "out of memory for an image of compiled code");
    }
    image->symbols[image->n_symbols++] = (ImageSymbol){strcpy(copy, name), place, s->st_size};
  }
  return true;
}

// ---- whole images

static bool build(Image *image, Object *objects, const ImageObject *in, size_t n, HgmError *error) {
  uint64_t end = 0;
  for (size_t i = 0; i < n; i++)
    if (!read_object(&objects[i], &in[i], error) || !place_sections(&objects[i], &end, error)) return false;
  image->size = (end + PAGE - 1) & ~(uint64_t)(PAGE - 1);
  image->bytes = calloc(image->size ? image->size : 1, 1);
  if (!image->bytes) return hgm_fail(error, 2, "out of memory for an image of compiled code");
  for (size_t i = 0; i < n; i++) {
    copy_sections(&objects[i], image->bytes);
    if (!relocate(&objects[i], image->bytes, error) || !collect_symbols(&objects[i], image, error)) return false;
  }
  return true;
}

bool image_build(Image *image, const ImageObject *in, size_t n, HgmError *error) {
  *image = (Image){0};
  Object *objects = calloc(n ? n : 1, sizeof *objects);
  if (!objects) return hgm_fail(error, 2, "out of memory for an image of compiled code");
  bool done = build(image, objects, in, n, error);
  for (size_t i = 0; i < n; i++) free(objects[i].place);
  free(objects);
  if (!done) image_free(image);
  return done;
}

bool image_map(Image *image, HgmError *error) {
  if (image->size == 0) return true;
  void *pages = mmap(NULL, image->size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (pages == MAP_FAILED) return hgm_fail(error, 2, "no memory for %zu bytes of compiled code", image->size);
  memcpy(pages, image->bytes, image->size);
  if (mprotect(pages, image->size, PROT_READ | PROT_EXEC)) {
    munmap(pages, image->size);
    return hgm_fail(error, 2, "the system does not allow this process to run code it has compiled");
  }
  image->code = pages;
  return true;
}

bool image_place(const Image *image, const char *name, uint64_t *offset) {
  const ImageSymbol *s = find(image, name);
  if (s) *offset = s->offset;
  return s != NULL;
}

HgmKernel *image_kernel(const Image *image, const char *name) {
  const ImageSymbol *s = image->code ? find(image, name) : NULL;
  if (!s) return NULL;
  HgmKernel *kernel;
  uint8_t *address = image->code + s->offset;
  memcpy(&kernel, &address, sizeof kernel); // ISO C has no cast from data to function pointers
  return kernel;
}

void image_free(Image *image) {
  if (image->code) munmap(image->code, image->size);
  for (size_t i = 0; i < image->n_symbols; i++) free(image->symbols[i].name);
  free(image->symbols);
  free(image->bytes);
  *image = (Image){0};
}

bool image_perf_map(const Image *image, const char *path, HgmError *error) {
  FILE *f = fopen(path, "a");
  if (!f) return hgm_fail(error, 2, "cannot write '%s'", path);
  for (size_t i = 0; i < image->n_symbols; i++) {
    const ImageSymbol *s = &image->symbols[i];
    unsigned long long address = (uintptr_t)(image->code + s->offset);
    fprintf(f, "%llx %llx %s\n", address, (unsigned long long)s->size, s->name);
  }
  if (fclose(f)) return hgm_fail(error, 2, "cannot write '%s'", path);
  return true;
}
