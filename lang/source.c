// Source files side by side in one offset space; offset 0 belongs to none of them.
#include "lang/source.h"

#include <string.h>

Sources *sources_new(Arena *arena) {
  Sources *sources = ARENA_NEW(arena, Sources);
  sources->arena = arena;
  return sources;
}

SourceFile *source_add(Sources *sources, const char *path, const char *text, size_t len) {
  SourceFile *file = ARENA_NEW(sources->arena, SourceFile);
  uint32_t base = 1;
  if (sources->files.len > 0) {
    const SourceFile *last = sources->files.at[sources->files.len - 1];
    base = last->base + last->len + 1; // one offset between two files, so that an end of file lies in one file only
  }
  if (len > UINT32_MAX - base - 1) len = UINT32_MAX - base - 1;
  file->path = arena_strdup(sources->arena, path);
  char *copy = arena_alloc(sources->arena, len + 1);
  if (len > 0) memcpy(copy, text, len);
  copy[len] = '\0';
  file->text = copy;
  file->base = base;
  file->len = (uint32_t)len;
  VEC_PUSH(sources->arena, &sources->files, file);
  return file;
}

SourceFile *source_of(const Sources *sources, Span span) {
  if (span.begin == 0) return NULL;
  size_t low = 0, high = sources->files.len; // files lie in ascending order
  while (low < high) {
    size_t middle = (low + high) / 2;
    SourceFile *file = sources->files.at[middle];
    if (span.begin < file->base) high = middle;
    else if (span.begin - file->base > file->len) low = middle + 1;
    else return file;
  }
  return NULL;
}

void source_position(const Sources *sources, uint32_t offset, int *line, int *column) {
  *line = *column = 1;
  const SourceFile *file = source_of(sources, (Span){offset, offset});
  if (file == NULL) return;
  for (uint32_t i = 0; i < offset - file->base; i++) {
    unsigned char byte = (unsigned char)file->text[i];
    if (byte == '\n') {
      *line += 1;
      *column = 1;
    } else if ((byte & 0xC0) != 0x80) { // continuation bytes of UTF-8 are no columns of their own
      *column += 1;
    }
  }
}

// Bytes of the character at `at`, 0 where none of UTF-8 stands there (RFC 3629: shortest forms, no surrogates, at most U+10FFFF).
static size_t utf8_bytes(const unsigned char *at, size_t left) {
  static const struct {
    unsigned char first, last, second_least, second_most, bytes;
  } rows[] = {{0x01, 0x7F, 0, 0, 1},       {0xC2, 0xDF, 0x80, 0xBF, 2}, {0xE0, 0xE0, 0xA0, 0xBF, 3}, {0xE1, 0xEC, 0x80, 0xBF, 3}, {0xED, 0xED, 0x80, 0x9F, 3},
              {0xEE, 0xEF, 0x80, 0xBF, 3}, {0xF0, 0xF0, 0x90, 0xBF, 4}, {0xF1, 0xF3, 0x80, 0xBF, 4}, {0xF4, 0xF4, 0x80, 0x8F, 4}};
  for (size_t r = 0; r < sizeof rows / sizeof *rows; r++) {
    if (at[0] < rows[r].first || at[0] > rows[r].last || left < rows[r].bytes) continue;
    bool good = rows[r].bytes == 1 || (at[1] >= rows[r].second_least && at[1] <= rows[r].second_most);
    for (size_t i = 2; i < rows[r].bytes; i++) good = good && (at[i] & 0xC0) == 0x80;
    return good ? rows[r].bytes : 0;
  }
  return 0;
}

size_t utf8_prefix(const char *text, size_t len) {
  size_t at = 0;
  for (size_t n; at < len && (n = utf8_bytes((const unsigned char *)text + at, len - at)) > 0;) at += n;
  return at;
}
