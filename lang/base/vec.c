#include "lang/base/vec.h"

#include <string.h>

void *vec_grow(Arena *arena, void *at, size_t len, size_t *cap, size_t size) {
  *cap = *cap == 0 ? 8 : *cap * 2;
  void *grown = arena_alloc(arena, *cap * size);
  if (len > 0) memcpy(grown, at, len * size);
  return grown;
}
