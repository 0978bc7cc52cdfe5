// Bump allocator: the only memory management of lang/ and compiler/.
//
// One arena per lifetime (session, stage, scratch); nothing is freed singly.
//   Arena *a = arena_create();  Node *n = ARENA_NEW(a, Node);  arena_destroy(a);
// Memory is zeroed. Out of memory prints and aborts: no caller checks.
#ifndef HGM_BASE_ARENA_H
#define HGM_BASE_ARENA_H

#include <stdarg.h>
#include <stddef.h>

typedef struct Arena Arena;

Arena *arena_create(void);
// In zeroed memory that is the caller's and begins on a page, the arena itself and its children included: what is mapped again at the same
// place is the same arena. Destroying it does nothing.
Arena *arena_at(void *memory, size_t size);
// Each piece of memory that an arena made by arena_at and its children have used; each begins on a page of its own.
typedef void ArenaPiece(void *context, const void *memory, size_t bytes);
void arena_pieces(const Arena *arena, ArenaPiece *piece, void *context);
// Goes with its parent. For one vector that grows long: it stays where it is, without copies of its beginnings, while it fits into the
// first block, of which only what is used takes memory.
Arena *arena_child(Arena *parent, size_t first_block);
void arena_destroy(Arena *arena);
void *arena_alloc(Arena *arena, size_t size); // zeroed, aligned to 16
// A copy in more memory, what is added not zeroed; old itself where it lies last and there is room behind it.
void *arena_grow(Arena *arena, void *old, size_t old_size, size_t size);
void *arena_dup(Arena *arena, const void *data, size_t size); // a copy
char *arena_strdup(Arena *arena, const char *text);
char *arena_strndup(Arena *arena, const char *text, size_t len);
char *arena_printf(Arena *arena, const char *format, ...) __attribute__((format(printf, 2, 3)));
char *arena_vprintf(Arena *arena, const char *format, va_list args);

#define ARENA_NEW(arena, T) ((T *)arena_alloc((arena), sizeof(T)))
#define ARENA_ARRAY(arena, T, n) ((T *)arena_alloc((arena), sizeof(T) * (size_t)(n)))

#endif
