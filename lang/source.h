// Source files in one offset space: a Span is two byte offsets into it; line and column are computed when printing.
#ifndef HGM_SOURCE_H
#define HGM_SOURCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lang/base/arena.h"
#include "lang/base/vec.h"

typedef struct Span {
  uint32_t begin, end;
} Span; // end exclusive; {0, 0}: nowhere (offset 0 is never used by a file)

typedef struct SourceFile {
  const char *path;   // as the user knows it: shown in messages
  const char *text;   // NUL-terminated
  uint32_t base, len; // the file's bytes are base .. base + len
  bool library;       // from the standard library
} SourceFile;

typedef struct Sources {
  Arena *arena;
  VEC(SourceFile *) files;
} Sources;

Sources *sources_new(Arena *arena);
SourceFile *source_add(Sources *sources, const char *path, const char *text, size_t len); // copies
SourceFile *source_of(const Sources *sources, Span span);                                 // NULL: nowhere
void source_position(const Sources *sources, uint32_t offset, int *line, int *column);    // both from 1; column in code points
size_t utf8_prefix(const char *text, size_t len);                                         // bytes before the first that is NUL or not UTF-8; len: all is text
static inline Span span_join(Span a, Span b) { return (Span){a.begin == 0 ? b.begin : a.begin, b.end == 0 ? a.end : b.end}; }

#endif
