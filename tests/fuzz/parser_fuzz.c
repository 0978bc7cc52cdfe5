// libFuzzer entry: any bytes are read, rendered and printed without a crash. Built by `make fuzz` with clang.
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "lang/ast.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  Arena *arena = arena_create();
  Sources *sources = sources_new(arena);
  SourceFile *source = source_add(sources, "fuzz.hgm", (const char *)data, size);
  Diags *diags = diags_new(arena, sources);
  AstFile *file = ast_parse(arena, sources, source, diags);
  char *text = NULL;
  size_t len = 0;
  FILE *out = open_memstream(&text, &len);
  if (out == NULL) abort();
  diags_print(out, diags, true, 0);
  ast_print(out, file);
  fclose(out);
  free(text);
  arena_destroy(arena);
  return 0;
}
