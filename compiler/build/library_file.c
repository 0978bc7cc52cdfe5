#include "compiler/build/library_file.h"

#include <elf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PAGE = 4096, ALIGN = 64 };

static Elf64_Ehdr elf_head(unsigned type) {
  Elf64_Ehdr head = {.e_type = (Elf64_Half)type, .e_machine = EM_X86_64, .e_version = EV_CURRENT, .e_ehsize = sizeof head};
  head.e_phentsize = sizeof(Elf64_Phdr), head.e_shentsize = sizeof(Elf64_Shdr);
  memcpy(head.e_ident, ELFMAG, SELFMAG);
  head.e_ident[EI_CLASS] = ELFCLASS64, head.e_ident[EI_DATA] = ELFDATA2LSB, head.e_ident[EI_VERSION] = EV_CURRENT;
  return head;
}

// Symbols of the exports and their names; `first` local symbols are there before.
static void put_symbols(const LibraryFile *l, HgmBuffer *symbols, HgmBuffer *names, unsigned section, uint64_t base) {
  for (int i = 0; i < l->n_exports; i++) {
    const LibraryExport *e = &l->exports[i];
    Elf64_Sym symbol = {.st_name = (Elf64_Word)hgm_buffer_put_text(names, e->name),
                        .st_info = ELF64_ST_INFO(STB_GLOBAL, STT_FUNC),
                        .st_shndx = (Elf64_Half)section,
                        .st_value = base + e->offset,
                        .st_size = e->size};
    hgm_buffer_put(symbols, &symbol, sizeof symbol, 1);
  }
}

// Sections as they are put together: the table, and the names.
typedef struct Sections {
  Elf64_Shdr at[16];
  int n;
  HgmBuffer names;
} Sections;

static Elf64_Shdr *add_section(Sections *s, const char *name, unsigned type, uint64_t flags, uint64_t offset, uint64_t size) {
  Elf64_Shdr *section = &s->at[s->n++];
  *section = (Elf64_Shdr){
      .sh_name = (Elf64_Word)hgm_buffer_put_text(&s->names, name), .sh_type = type, .sh_flags = flags, .sh_offset = offset, .sh_size = size, .sh_addralign = 1};
  return section;
}

// The names of sections, their table, and the head, which is in front.
static void put_sections(Sections *s, HgmBuffer *b, Elf64_Ehdr *head) {
  Elf64_Shdr *names = add_section(s, ".shstrtab", SHT_STRTAB, 0, 0, 0);
  names->sh_size = s->names.size;
  names->sh_offset = hgm_buffer_put(b, s->names.bytes, s->names.size, 1);
  head->e_shnum = (Elf64_Half)s->n;
  head->e_shstrndx = (Elf64_Half)(s->n - 1);
  head->e_shoff = hgm_buffer_put(b, s->at, (size_t)s->n * sizeof *s->at, 8);
  hgm_buffer_set(b, 0, head, sizeof *head);
  b->failed |= s->names.failed;
  free(s->names.bytes);
}

// ---- the object

static void put_object(const LibraryFile *l, HgmBuffer *b) {
  enum { TEXT = 1, RODATA, RELA, SYMTAB, STRTAB };
  Elf64_Ehdr head = elf_head(ET_REL);
  HgmBuffer symbols = {0}, names = {0};
  Sections s = {0};
  const Elf64_Sym locals[2] = {{0}, {.st_info = ELF64_ST_INFO(STB_LOCAL, STT_SECTION), .st_shndx = RODATA}};
  const Elf64_Rela to_bundle = {.r_offset = l->place, .r_info = ELF64_R_INFO(1, R_X86_64_PC64)};
  hgm_buffer_put(&symbols, locals, sizeof locals, 1);
  hgm_buffer_put_text(&names, "");
  put_symbols(l, &symbols, &names, TEXT, 0);
  hgm_buffer_put(b, &head, sizeof head, 1);
  add_section(&s, "", SHT_NULL, 0, 0, 0)->sh_addralign = 0;
  uint64_t text = hgm_buffer_put(b, l->code.bytes, l->code.size, ALIGN), bundle_bytes = l->bundle.size;
  hgm_buffer_set(b, text + l->place + 8, &bundle_bytes, sizeof bundle_bytes);
  add_section(&s, ".text", SHT_PROGBITS, SHF_ALLOC | SHF_EXECINSTR, text, l->code.size)->sh_addralign = ALIGN;
  add_section(&s, ".rodata", SHT_PROGBITS, SHF_ALLOC, hgm_buffer_put(b, l->bundle.bytes, l->bundle.size, ALIGN), l->bundle.size)->sh_addralign = ALIGN;
  Elf64_Shdr *rela = add_section(&s, ".rela.text", SHT_RELA, SHF_INFO_LINK, hgm_buffer_put(b, &to_bundle, sizeof to_bundle, 8), sizeof to_bundle);
  rela->sh_link = SYMTAB, rela->sh_info = TEXT, rela->sh_entsize = sizeof to_bundle, rela->sh_addralign = 8;
  Elf64_Shdr *symtab = add_section(&s, ".symtab", SHT_SYMTAB, 0, hgm_buffer_put(b, symbols.bytes, symbols.size, 8), symbols.size);
  symtab->sh_link = STRTAB, symtab->sh_info = 2, symtab->sh_entsize = sizeof(Elf64_Sym), symtab->sh_addralign = 8;
  add_section(&s, ".strtab", SHT_STRTAB, 0, hgm_buffer_put(b, names.bytes, names.size, 1), names.size);
  add_section(&s, ".note.GNU-stack", SHT_PROGBITS, 0, b->size, 0); // the stack is not executable
  put_sections(&s, b, &head);
  b->failed |= symbols.failed || names.failed;
  free(symbols.bytes), free(names.bytes);
}

// ---- the archive

static void put_member(HgmBuffer *b, const char *name, const HgmBuffer *content) {
  char head[61];
  snprintf(head, sizeof head, "%-16s%-12d%-6d%-6d%-8s%-10zu`\n", name, 0, 0, 0, "644", content->size);
  hgm_buffer_put(b, head, 60, 2);
  hgm_buffer_put(b, content->bytes, content->size, 1);
  if (content->size % 2 == 1) hgm_buffer_put(b, "\n", 1, 1);
}

static void put_big_endian(HgmBuffer *b, uint32_t x) {
  hgm_buffer_put(b, (unsigned char[]){(unsigned char)(x >> 24), (unsigned char)(x >> 16), (unsigned char)(x >> 8), (unsigned char)x}, 4, 1);
}

void library_file_static(const LibraryFile *l, HgmBuffer *file) {
  HgmBuffer object = {0}, index = {0};
  uint32_t names = 0;
  for (int i = 0; i < l->n_exports; i++) names += (uint32_t)strlen(l->exports[i].name) + 1;
  uint32_t index_bytes = 4 + 4 * (uint32_t)l->n_exports + names, object_at = 8 + 60 + (index_bytes + 1) / 2 * 2;
  put_object(l, &object);
  put_big_endian(&index, (uint32_t)l->n_exports);
  for (int i = 0; i < l->n_exports; i++) put_big_endian(&index, object_at);
  for (int i = 0; i < l->n_exports; i++) hgm_buffer_put_text(&index, l->exports[i].name);
  hgm_buffer_put(file, "!<arch>\n", 8, 1);
  put_member(file, "/", &index);
  char name[64];
  snprintf(name, sizeof name, "%.12s.o/", l->name);
  put_member(file, name, &object);
  file->failed |= object.failed || index.failed;
  free(object.bytes), free(index.bytes);
}

// ---- the shared object

static uint32_t elf_hash(const char *name) {
  uint32_t h = 0;
  for (; *name != '\0'; name++) {
    h = (h << 4) + (unsigned char)*name;
    uint32_t high = h & 0xf0000000;
    h = (h ^ high >> 24) & ~high;
  }
  return h;
}

// One bucket a symbol; symbol k is export k - 1.
static void put_hash(const LibraryFile *l, HgmBuffer *b) {
  uint32_t n = (uint32_t)l->n_exports, *table = calloc(2 + n + n + 1, sizeof *table);
  if (table == NULL) {
    b->failed = true;
    return;
  }
  uint32_t *buckets = table + 2, *chains = buckets + n;
  table[0] = n, table[1] = n + 1;
  for (uint32_t i = 0; i < n; i++) {
    uint32_t *bucket = &buckets[elf_hash(l->exports[i].name) % n];
    chains[i + 1] = *bucket;
    *bucket = i + 1;
  }
  hgm_buffer_put(b, table, (3 + 2 * n) * sizeof *table, 8);
  free(table);
}

enum { HASH = 1, DYNSYM, DYNSTR, TEXT, SEGMENTS = 6 }; // sections by number

// What a loader looks names up in, and what it was made for: the address of the code.
typedef struct Lookup {
  HgmBuffer hash, symbols, names;
  uint64_t soname, code;
} Lookup;

static Lookup lookup_of(const LibraryFile *l) {
  enum { PADDING = 16 }; // between these at most
  Lookup k = {0};
  char soname[256];
  snprintf(soname, sizeof soname, "lib%.200s.so", l->name);
  hgm_buffer_put_text(&k.names, "");
  k.soname = hgm_buffer_put_text(&k.names, soname);
  hgm_buffer_put(&k.symbols, &(Elf64_Sym){0}, sizeof(Elf64_Sym), 1);
  put_hash(l, &k.hash);
  uint64_t front = sizeof(Elf64_Ehdr) + SEGMENTS * sizeof(Elf64_Phdr) + k.hash.size + (uint64_t)(l->n_exports + 1) * sizeof(Elf64_Sym) + k.names.size + PADDING;
  for (int i = 0; i < l->n_exports; i++) front += strlen(l->exports[i].name) + 1;
  k.code = (front + PAGE - 1) / PAGE * PAGE;
  put_symbols(l, &k.symbols, &k.names, TEXT, k.code);
  return k;
}

// Offsets in the file, which are addresses too.
typedef struct Layout {
  uint64_t hash, symbols, names, front, bundle, dynamic, dynamic_bytes; // front: bytes in front of the code
} Layout;

// Behind the head and the segments, which are filled in later.
static Layout put_contents(const LibraryFile *l, const Lookup *k, HgmBuffer *b) {
  Layout at = {0};
  hgm_buffer_put(b, &(Elf64_Ehdr){0}, sizeof(Elf64_Ehdr), 1);
  hgm_buffer_put(b, (Elf64_Phdr[SEGMENTS]){0}, SEGMENTS * sizeof(Elf64_Phdr), 1);
  at.hash = hgm_buffer_put(b, k->hash.bytes, k->hash.size, 8);
  at.symbols = hgm_buffer_put(b, k->symbols.bytes, k->symbols.size, 8);
  at.names = hgm_buffer_put(b, k->names.bytes, k->names.size, 1);
  at.front = b->size;
  hgm_buffer_put(b, l->code.bytes, l->code.size, PAGE);
  at.bundle = hgm_buffer_put(b, l->bundle.bytes, l->bundle.size, PAGE);
  const int64_t place[2] = {(int64_t)(at.bundle - (k->code + l->place)), (int64_t)l->bundle.size};
  hgm_buffer_set(b, k->code + l->place, place, sizeof place);
  const Elf64_Dyn dynamic[] = {
      {DT_SONAME, {k->soname}},         {DT_HASH, {at.hash}}, {DT_SYMTAB, {at.symbols}}, {DT_STRTAB, {at.names}}, {DT_STRSZ, {k->names.size}},
      {DT_SYMENT, {sizeof(Elf64_Sym)}}, {DT_NULL, {0}}};
  at.dynamic = hgm_buffer_put(b, dynamic, sizeof dynamic, PAGE);
  at.dynamic_bytes = sizeof dynamic;
  return at;
}

static Elf64_Phdr segment(unsigned type, unsigned flags, uint64_t offset, uint64_t size, uint64_t align) {
  return (Elf64_Phdr){
      .p_type = type, .p_flags = flags, .p_offset = offset, .p_vaddr = offset, .p_paddr = offset, .p_filesz = size, .p_memsz = size, .p_align = align};
}

// Tables of symbols; code; bundle; what the loader writes to.
static void set_segments(const LibraryFile *l, uint64_t code, const Layout *at, HgmBuffer *b) {
  const Elf64_Phdr segments[SEGMENTS] = {
      segment(PT_LOAD, PF_R, 0, at->front, PAGE),
      segment(PT_LOAD, PF_R | PF_X, code, l->code.size, PAGE),
      segment(PT_LOAD, PF_R, at->bundle, l->bundle.size, PAGE),
      segment(PT_LOAD, PF_R | PF_W, at->dynamic, at->dynamic_bytes, PAGE),
      segment(PT_DYNAMIC, PF_R | PF_W, at->dynamic, at->dynamic_bytes, 8),
      segment(PT_GNU_STACK, PF_R | PF_W, 0, 0, 16),
  };
  hgm_buffer_set(b, sizeof(Elf64_Ehdr), segments, sizeof segments);
}

static Elf64_Shdr *add_loaded(Sections *s, const char *name, unsigned type, uint64_t flags, uint64_t offset, uint64_t size, uint64_t align, uint64_t entry) {
  Elf64_Shdr *section = add_section(s, name, type, flags | SHF_ALLOC, offset, size);
  section->sh_addr = offset, section->sh_addralign = align, section->sh_entsize = entry;
  return section;
}

// For linkers; loaders do not look.
static Sections sections_of(const LibraryFile *l, const Lookup *k, const Layout *at) {
  Sections s = {0};
  add_section(&s, "", SHT_NULL, 0, 0, 0)->sh_addralign = 0;
  add_loaded(&s, ".hash", SHT_HASH, 0, at->hash, k->hash.size, 8, 4)->sh_link = DYNSYM;
  Elf64_Shdr *dynsym = add_loaded(&s, ".dynsym", SHT_DYNSYM, 0, at->symbols, k->symbols.size, 8, sizeof(Elf64_Sym));
  dynsym->sh_link = DYNSTR, dynsym->sh_info = 1;
  add_loaded(&s, ".dynstr", SHT_STRTAB, 0, at->names, k->names.size, 1, 0);
  add_loaded(&s, ".text", SHT_PROGBITS, SHF_EXECINSTR, k->code, l->code.size, PAGE, 0);
  add_loaded(&s, ".rodata", SHT_PROGBITS, 0, at->bundle, l->bundle.size, PAGE, 0);
  add_loaded(&s, ".dynamic", SHT_DYNAMIC, SHF_WRITE, at->dynamic, at->dynamic_bytes, 8, sizeof(Elf64_Dyn))->sh_link = DYNSTR;
  return s;
}

void library_file_shared(const LibraryFile *l, HgmBuffer *b) {
  Lookup k = lookup_of(l);
  const Layout at = put_contents(l, &k, b);
  set_segments(l, k.code, &at, b);
  Elf64_Ehdr head = elf_head(ET_DYN);
  head.e_phoff = sizeof head, head.e_phnum = SEGMENTS;
  Sections s = sections_of(l, &k, &at);
  put_sections(&s, b, &head);
  b->failed |= k.symbols.failed || k.names.failed || k.hash.failed;
  free(k.symbols.bytes), free(k.names.bytes), free(k.hash.bytes);
}
