#include "lang/base/arena.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ALIGNMENT = 16, FIRST_BLOCK = 64 * 1024, LAST_BLOCK = 16 << 20 };

typedef struct Block {
  struct Block *next;
  size_t used, size; // bytes of the payload that follows the header
} Block;

struct Arena {
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

Arena *arena_child(Arena *parent, size_t first_block) {
  Arena *arena = checked(calloc(1, sizeof(Arena)));
  *arena = (Arena){.first_block = first_block, .next = parent->children};
  parent->children = arena;
  return arena;
}

void arena_destroy(Arena *arena) {
  if (arena == NULL) return;
  for (Block *b = arena->head; b != NULL;) {
    Block *next = b->next;
    free(b);
    b = next;
  }
  for (Arena *child = arena->children; child != NULL;) {
    Arena *next = child->next;
    arena_destroy(child);
    child = next;
  }
  free(arena);
}

// Not zeroed; size is rounded.
static void *take(Arena *arena, size_t size) {
  Block *b = arena->head;
  if (b == NULL || b->size - b->used < size) {
    size_t block = b == NULL ? arena->first_block : b->size < LAST_BLOCK ? b->size * 2 : LAST_BLOCK;
    if (block < size) block = size;
    b = checked(malloc(header_size() + block));
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
  void *copy = arena_alloc(arena, size);
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
