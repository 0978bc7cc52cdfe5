#include "lang/base/vec.h"

void *vec_grow(Arena *arena, void *at, size_t len, size_t *cap, size_t size) {
  *cap = *cap == 0 ? 8 : *cap * 2;
  return arena_grow(arena, at, len * size, *cap * size);
}
