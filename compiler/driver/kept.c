#define _GNU_SOURCE // MAP_FIXED_NOREPLACE
#include "compiler/driver/kept.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "compiler/driver/compiling.h"
#include "runtime/sha256.h"

enum { PAGE = HGM_CACHE_PAGE, MOST_PIECES = 160 };
// No library, heap or stack begins here; addresses that nothing touches take no memory. The model has the first half.
static const uintptr_t place = 0x200000000000;
static const size_t room = (size_t)16 << 30;
static const char anchor = 0; // where this hgmc was loaded

struct Kept {
  const HgmCache *cache;
  char key[HGM_CACHE_KEY + 1];
  Arena *arena, *work;
  const char *said; // in the arena: by the command line
  bool is_known;
};

typedef struct Piece {
  uint64_t at, bytes, checksum; // at: from the beginning of the room
} Piece;

typedef struct Head { // of a file, a page
  uint64_t checksum;  // of the rest
  const char *anchor;
  Model *model;
  Sources *sources;
  Diags *diags;
  const char *said;
  uint64_t n;
  Piece pieces[MOST_PIECES];
  char rest[PAGE - 7 * 8 - MOST_PIECES * sizeof(Piece)];
} Head;
_Static_assert(sizeof(Head) == PAGE, "a head is a page");

static uint64_t head_checksum(const Head *head) { return hgm_checksum((const char *)head + sizeof head->checksum, sizeof *head - sizeof head->checksum); }

// ---- the room

static char *room_open(void) {
#ifdef __SANITIZE_THREAD__ // it drops an address that it has its own plans for, and maps at 0 what has to be fixed
  return NULL;
#endif
  const int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED_NOREPLACE;
  void *memory = mmap((void *)place, room, PROT_READ | PROT_WRITE, flags, -1, 0);
  if (memory == (void *)place) return memory;
  if (memory != MAP_FAILED) munmap(memory, room); // a kernel that does not know the flag, and another place
  return NULL;
}

static const char *said_text(Arena *arena, const ModelOptions *o) {
  const char *text = arena_printf(arena, "seed %llu, real %d, trials %d", (unsigned long long)o->seed, o->real, o->trials);
  for (size_t i = 0; i < o->sets.len; i++) // lengths: no two lists have one text
    text = arena_printf(arena, "%s, %s %zu %s", text, o->sets.at[i].name, strlen(o->sets.at[i].value), o->sets.at[i].value);
  return text;
}

static void room_divide(Kept *kept, char *memory, const ModelOptions *options) {
  kept->arena = arena_at(memory, room / 2);
  kept->work = arena_at(memory + room / 2, room / 2);
  kept->said = said_text(kept->arena, options);
}

static void add_text(HgmSha256 *sha, const char *text) { hgm_sha256_add(sha, text != NULL ? text : "", text != NULL ? strlen(text) + 1 : 1); }

// One model is kept of each file, the last: what is said on the command line is compared, and so are the files that it was read from.
static void key_of(const ModelOptions *o, char key[HGM_CACHE_KEY + 1]) {
  Arena *scratch = arena_create();
  char folder[PATH_MAX];
  HgmSha256 sha;
  hgm_sha256_begin(&sha);
  add_text(&sha, "model");
  add_text(&sha, session_identity(scratch));
  add_text(&sha, getcwd(folder, sizeof folder));
  add_text(&sha, o->path);
  add_text(&sha, o->stdlib);
  add_text(&sha, o->search);
  hgm_sha256_end(&sha, key);
  arena_destroy(scratch);
}

Kept *kept_open(const Session *session, const ModelOptions *options) {
  char *memory = session->cache != NULL ? room_open() : NULL;
  if (memory == NULL) return NULL;
  Kept *kept = ARENA_NEW(session->arena, Kept);
  *kept = (Kept){.cache = session->cache};
  room_divide(kept, memory, options);
  key_of(options, kept->key);
  return kept;
}

Arena *kept_arena(const Session *session) { return session->kept != NULL ? session->kept->arena : session->arena; }

Arena *kept_work(const Session *session) { return session->kept != NULL ? session->kept->work : NULL; }

// Nothing else comes to lie there.
void kept_work_done(const Session *session) {
  const int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED;
  if (session->kept != NULL) mmap((char *)place + room / 2, room / 2, PROT_NONE, flags, -1, 0);
}

void kept_close(Session *session) {
  if (session->kept != NULL) munmap((void *)place, room);
  session->kept = NULL;
}

// ---- finding

static bool is_piece(const Piece *p, uint64_t left) {
  return p->at % PAGE == 0 && p->bytes % PAGE == 0 && p->bytes > 0 && p->bytes <= left && p->at < room / 2 && p->bytes <= room / 2 - p->at;
}

// Read in place and looked at before anything may write: a page that changes becomes this process's own.
static bool map_piece(int file, const Piece *p, off_t offset) {
  char *at = (char *)place + p->at;
  if (mmap(at, p->bytes, PROT_READ, MAP_PRIVATE | MAP_FIXED | MAP_POPULATE, file, offset) != at) return false;
  if (hgm_checksum(at, p->bytes) != p->checksum) return false;
  madvise(at, p->bytes, MADV_DONTNEED); // no page of the process's any more until it is used: a third is
  return mprotect(at, p->bytes, PROT_READ | PROT_WRITE) == 0;
}

static bool map_file(int file, size_t n, Head *head) {
  off_t offset = PAGE;
  if (n < sizeof *head || pread(file, head, sizeof *head, offset) != (ssize_t)sizeof *head) return false;
  if (head->checksum != head_checksum(head) || head->anchor != &anchor || head->n > MOST_PIECES) return false;
  offset += (off_t)sizeof *head;
  n -= sizeof *head;
  for (uint64_t i = 0; i < head->n; i++) {
    const Piece *p = &head->pieces[i];
    if (!is_piece(p, n) || !map_piece(file, p, offset)) return false;
    offset += (off_t)p->bytes;
    n -= p->bytes;
  }
  return n == 0;
}

// The first of its files is the one whose text was handed in.
static bool is_current(const Head *head, const char *said, const ModelOptions *options) {
  const Model *model = head->model;
  const char *text = model->files.at[0].text;
  return strcmp(head->said, said) == 0 && strlen(text) == options->text_bytes && memcmp(text, options->text, options->text_bytes) == 0 &&
         model_reads_same(model);
}

bool kept_find(Session *session, const ModelOptions *options) {
  Kept *kept = session->kept;
  size_t n;
  int file = kept != NULL ? hgm_cache_open_pages(kept->cache, kept->key, &n) : -1;
  if (file < 0) return false;
  Head head;
  Arena *scratch = arena_create();
  kept->is_known = map_file(file, n, &head) && is_current(&head, said_text(scratch, options), options);
  arena_destroy(scratch);
  close(file);
  if (kept->is_known) {
    kept_work_done(session);
    session->model = head.model;
    session->sources = head.sources;
    session->diags = head.diags;
    return true;
  }
  munmap((void *)place, room); // what was mapped is of no use
  char *memory = room_open();
  if (memory != NULL) room_divide(kept, memory, options);
  else session->kept = NULL;
  return false;
}

// ---- keeping

typedef struct Range {
  uintptr_t begin, end;
} Range;
typedef VEC(Range) Ranges;

// Memory of this process that another has not: all but the room and what hgmc itself was loaded from.
static bool foreign_ranges(Arena *arena, Ranges *out) {
  char line[PATH_MAX + 256], self[PATH_MAX];
  ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);
  FILE *maps = n > 0 ? fopen("/proc/self/maps", "r") : NULL;
  if (maps == NULL) return false;
  self[n] = '\0';
  while (fgets(line, sizeof line, maps) != NULL) {
    Range r;
    line[strcspn(line, "\n")] = '\0';
    const char *path = strchr(line, '/');
    if (sscanf(line, "%" SCNxPTR "-%" SCNxPTR, &r.begin, &r.end) != 2) continue;
    if ((path != NULL && strcmp(path, self) == 0) || (r.begin >= place && r.end <= place + room)) continue;
    if (out->len > 0 && out->at[out->len - 1].end == r.begin) out->at[out->len - 1].end = r.end;
    else VEC_PUSH(arena, out, r);
  }
  fclose(maps);
  return out->len > 0;
}

// Two numbers side by side look like an address that ends in a small number, and the last four letters of a text like one of a low heap.
static bool is_number_or_text(uintptr_t word) {
  if ((uint32_t)word < 1 << 20) return true;
  if (word > UINT32_MAX) return false;
  for (int i = 0; i < 32; i += 8) {
    unsigned char c = (unsigned char)(word >> i);
    if (c != '\n' && (c < ' ' || c > '~')) return false;
  }
  return true;
}

static bool is_foreign(const Ranges *ranges, uintptr_t word) {
  if (is_number_or_text(word)) return false;
  if (word < ranges->at[0].begin || word >= ranges->at[ranges->len - 1].end) return false;
  for (size_t i = 0; i < ranges->len; i++)
    if (word >= ranges->at[i].begin && word < ranges->at[i].end) return true;
  return false;
}

typedef struct Keeping {
  Head *head;
  HgmCachePiece *pieces; // the head in front of the others
  Ranges foreign;
  bool fine;
} Keeping;

static void keep_piece(void *context, const void *memory, size_t bytes) {
  Keeping *k = context;
  const uintptr_t *words = memory;
  k->fine = k->fine && k->head->n < MOST_PIECES;
  for (size_t i = 0; k->fine && i < bytes / sizeof *words; i++) k->fine = !is_foreign(&k->foreign, words[i]);
  if (!k->fine) return;
  size_t pages = (bytes + PAGE - 1) / PAGE * PAGE;
  k->head->pieces[k->head->n++] = (Piece){(uintptr_t)memory - place, pages, hgm_checksum(memory, pages)};
  k->pieces[k->head->n] = (HgmCachePiece){memory, pages};
}

static bool may_be_kept(const Session *session) {
  const Model *m = session->model;
  for (size_t i = 0; i < m->estimates.len; i++)
    if (model_buffer(m->estimates.at[i]) != NULL) return false;
  return session->diags->errors == 0 && m->trained.len == 0;
}

void kept_keep(Session *session) {
  Kept *kept = session->kept;
  if (kept == NULL || kept->is_known || !may_be_kept(session)) return;
  double begin = now_ms();
  Arena *scratch = arena_create();
  Keeping k = {.head = ARENA_NEW(scratch, Head), .pieces = ARENA_ARRAY(scratch, HgmCachePiece, MOST_PIECES + 1)};
  *k.head = (Head){.anchor = &anchor, .model = session->model, .sources = session->sources, .diags = session->diags, .said = kept->said};
  k.fine = foreign_ranges(scratch, &k.foreign);
  arena_pieces(kept->arena, keep_piece, &k);
  k.head->checksum = head_checksum(k.head);
  k.pieces[0] = (HgmCachePiece){k.head, sizeof *k.head};
  if (k.fine) hgm_cache_keep_pages(kept->cache, kept->key, k.pieces, k.head->n + 1);
  kept->is_known = true;
  arena_destroy(scratch);
  timeline_add(session->options->timeline, begin, k.fine ? "the model is kept" : "the model cannot be kept");
}
