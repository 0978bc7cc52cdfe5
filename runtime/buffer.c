#include "runtime/buffer.h"

#include <stdlib.h>
#include <string.h>

static bool make_room(HgmBuffer *b, size_t end) {
  if (b->failed || end <= b->capacity) return !b->failed;
  size_t capacity = end * 2;
  uint8_t *grown = realloc(b->bytes, capacity);
  if (grown == NULL) return b->failed = true, false;
  b->bytes = grown;
  b->capacity = capacity;
  return true;
}

uint64_t hgm_buffer_put(HgmBuffer *b, const void *bytes, size_t n, size_t align) {
  size_t at = (b->size + align - 1) / align * align;
  if (!make_room(b, at + n)) return 0;
  if (at > b->size) memset(b->bytes + b->size, 0, at - b->size);
  if (n > 0) memcpy(b->bytes + at, bytes, n);
  b->size = at + n;
  return at;
}

uint64_t hgm_buffer_put_text(HgmBuffer *b, const char *text) { return hgm_buffer_put(b, text, strlen(text) + 1, 1); }

void hgm_buffer_set(HgmBuffer *b, uint64_t offset, const void *bytes, size_t n) {
  if (!b->failed && n > 0) memcpy(b->bytes + offset, bytes, n);
}
