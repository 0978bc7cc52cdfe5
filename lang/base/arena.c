#include "lang/base/arena.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ALIGNMENT = 16, PAGE = 4096, FIRST_BLOCK = 64 * 1024, LAST_BLOCK = 16 << 20 };

typedef struct Block {
  struct Block *next;
  size_t used, size; // bytes of the payload that follows the header
} Block;

typedef struct Region { // memory of the caller's: blocks lie one behind the other
  char *next, *end;
} Region;

struct Arena {
  Region *region; // NULL: blocks are malloc's
  Block *head;
  size_t first_block;
  Arena *children, *next; // next: another child of the same parent
};

static size_t rounded(size_t size) { return (size + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT; }
static size_t header_size(void) { return rounded(sizeof(Block)); }
static char *free_part(Block *b) { return (char *)b + header_size() + b->used; }

static void *checked(void *memory) {
  if (memory == NULL) {
    fputs("hgmc: out of memory\n", stderr);
    abort();
  }
  return memory;
}

Arena *arena_create(void) {
  Arena *arena = checked(calloc(1, sizeof(Arena)));
  arena->first_block = FIRST_BLOCK;
  return arena;
}

typedef struct Beginning { // of memory of the caller's, a page
  Region region;
  Arena arena;
} Beginning;

Arena *arena_at(void *memory, size_t size) {
  Beginning *begin = memory;
  begin->region = (Region){(char *)memory + PAGE, (char *)memory + size};
  begin->arena = (Arena){.region = &begin->region, .first_block = FIRST_BLOCK};
  return &begin->arena;
}

Arena *arena_child(Arena *parent, size_t first_block) {
  Arena *arena = arena_alloc(parent, sizeof(Arena));
  *arena = (Arena){.region = parent->region, .first_block = first_block, .next = parent->children};
  parent->children = arena;
  return arena;
}

// Children lie in their parent: they go first.
static void free_blocks(Arena *arena) {
  for (Arena *child = arena->children; child != NULL; child = child->next) free_blocks(child);
  for (Block *b = arena->head; b != NULL;) {
    Block *next = b->next;
    free(b);
    b = next;
  }
}

void arena_destroy(Arena *arena) {
  if (arena == NULL || arena->region != NULL) return;
  free_blocks(arena);
  free(arena);
}

static void block_pieces(const Arena *arena, ArenaPiece *piece, void *context) {
  for (const Block *b = arena->head; b != NULL; b = b->next) piece(context, b, header_size() + b->used);
  for (const Arena *child = arena->children; child != NULL; child = child->next) block_pieces(child, piece, context);
}

void arena_pieces(const Arena *arena, ArenaPiece *piece, void *context) {
  piece(context, arena->region, sizeof(Beginning));
  block_pieces(arena, piece, context);
}

static void *cut(Region *region, size_t size) {
  size_t pages = (size + PAGE - 1) / PAGE * PAGE;
  if ((size_t)(region->end - region->next) < pages) return NULL;
  void *memory = region->next;
  region->next += pages;
  return memory;
}

// Not zeroed; size is rounded.
static void *take(Arena *arena, size_t size) {
  Block *b = arena->head;
  if (b == NULL || b->size - b->used < size) {
    size_t block = b == NULL ? arena->first_block : b->size < LAST_BLOCK ? b->size * 2 : LAST_BLOCK;
    if (block < size) block = size;
    b = checked(arena->region != NULL ? cut(arena->region, header_size() + block) : malloc(header_size() + block));
    *b = (Block){.next = arena->head, .size = block};
    arena->head = b;
  }
  void *memory = free_part(b);
  b->used += size;
  return memory;
}

void *arena_alloc(Arena *arena, size_t size) { return memset(take(arena, rounded(size)), 0, size); }

void *arena_grow(Arena *arena, void *old, size_t old_size, size_t size) {
  Block *b = arena->head;
  if (b != NULL && old_size > 0 && (char *)old + rounded(old_size) == free_part(b) && b->size - b->used >= rounded(size) - rounded(old_size)) {
    b->used += rounded(size) - rounded(old_size);
    return old;
  }
  void *memory = take(arena, rounded(size));
  if (old_size > 0) memcpy(memory, old, old_size);
  return memory;
}

void *arena_dup(Arena *arena, const void *data, size_t size) {
  void *copy = take(arena, rounded(size));
  if (size > 0) memcpy(copy, data, size);
  return copy;
}

char *arena_strdup(Arena *arena, const char *text) { return arena_strndup(arena, text, strlen(text)); }

char *arena_strndup(Arena *arena, const char *text, size_t len) {
  char *copy = arena_alloc(arena, len + 1);
  memcpy(copy, text, len);
  return copy;
}

char *arena_vprintf(Arena *arena, const char *format, va_list args) {
  va_list again;
  va_copy(again, args);
  int len = vsnprintf(NULL, 0, format, again);
  va_end(again);
  char *text = arena_alloc(arena, (size_t)len + 1);
  vsnprintf(text, (size_t)len + 1, format, args);
  return text;
}

char *arena_printf(Arena *arena, const char *format, ...) {
  va_list args;
  va_start(args, format);
  char *text = arena_vprintf(arena, format, args);
  va_end(args);
  return text;
}
