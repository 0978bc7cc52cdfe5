#include "lang/base/map.h"

#include <stdint.h>
#include <string.h>

unsigned long long hash_bytes(const void *data, size_t len) {
  const unsigned char *p = data;
  unsigned long long h = 0xcbf29ce484222325ull;
  for (size_t i = 0; i < len; i++) h = (h ^ p[i]) * 0x100000001b3ull;
  return h;
}

static struct MapSlot *find(const Map *map, const char *key) {
  size_t i = (size_t)hash_bytes(key, strlen(key)) & (map->cap - 1);
  while (map->slots[i].key != NULL && strcmp(map->slots[i].key, key) != 0) i = (i + 1) & (map->cap - 1);
  return &map->slots[i];
}

static void grow(Arena *arena, Map *map) {
  Map bigger = {.cap = map->cap == 0 ? 16 : map->cap * 2};
  bigger.slots = ARENA_ARRAY(arena, struct MapSlot, bigger.cap);
  for (size_t i = 0; i < map->cap; i++)
    if (map->slots[i].key != NULL) *find(&bigger, map->slots[i].key) = map->slots[i];
  bigger.len = map->len;
  *map = bigger;
}

void map_put(Arena *arena, Map *map, const char *key, void *value) {
  if (map->len * 2 >= map->cap) grow(arena, map);
  struct MapSlot *slot = find(map, key);
  if (slot->key == NULL) map->len++;
  slot->key = key;
  slot->value = value;
}

void *map_get(const Map *map, const char *key) { return map->cap == 0 ? NULL : find(map, key)->value; }
