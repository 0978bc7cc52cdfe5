// libFuzzer: any text is answered by the IR reader, and what it takes prints to text that reads and prints to the same.
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "compiler/ir/ir.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  Arena *arena = arena_create();
  char *text = arena_strndup(arena, (const char *)data, size);
  const char *error = NULL;
  IrFn *fn = ir_read(arena, text, &error);
  if (!fn && !error) abort();
  if (fn) {
    const char *printed = ir_text(arena, fn);
    IrFn *again = ir_read(arena, printed, &error);
    if (!again || strcmp(ir_text(arena, again), printed) != 0) abort();
  }
  arena_destroy(arena);
  return 0;
}
