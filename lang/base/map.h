// String-keyed hash map in an arena. Keys are NUL-terminated and must outlive the map.
#ifndef HGM_BASE_MAP_H
#define HGM_BASE_MAP_H

#include <stdbool.h>
#include <stddef.h>

#include "lang/base/arena.h"

typedef struct Map {
  struct MapSlot {
    const char *key;
    void *value;
  } * slots;
  size_t len, cap;
} Map;

void map_put(Arena *arena, Map *map, const char *key, void *value); // replaces
void *map_get(const Map *map, const char *key);                     // NULL when absent
unsigned long long hash_bytes(const void *data, size_t len);        // FNV-1a, 64 bits

#endif
