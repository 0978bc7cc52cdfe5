// Growable typed array in an arena (old storage stays as it is until the arena goes; growth doubles).
//
//   VEC(int) v = {0};  VEC_PUSH(arena, &v, 7);  for (size_t i = 0; i < v.len; i++) use(v.at[i]);
#ifndef HGM_BASE_VEC_H
#define HGM_BASE_VEC_H

#include <stddef.h>

#include "lang/base/arena.h"

#define VEC(...)                                                                                                                                               \
  struct {                                                                                                                                                     \
    __VA_ARGS__ *at;                                                                                                                                           \
    size_t len, cap;                                                                                                                                           \
  }

#define VEC_PUSH(arena, v, ...)                                                                                                                                \
  (((v)->len == (v)->cap ? (void)((v)->at = vec_grow((arena), (v)->at, (v)->len, &(v)->cap, sizeof *(v)->at)) : (void)0), (v)->at[(v)->len++] = (__VA_ARGS__))

typedef VEC(const char *) Strings;

void *vec_grow(Arena *arena, void *at, size_t len, size_t *cap, size_t size);

#endif
