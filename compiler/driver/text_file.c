#include "compiler/driver/text_file.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/io.h"

bool text_file_write(const char *path, TextPrinter *print, const void *data, HgmError *error) {
  char *text = NULL;
  size_t size = 0;
  FILE *out = open_memstream(&text, &size);
  if (out == NULL) return hgm_fail(error, 2, "%s: cannot be written: %s", path, strerror(errno));
  print(out, data);
  bool whole = ferror(out) == 0;
  bool ok = (fclose(out) == 0 && whole) || hgm_fail(error, 2, "%s: out of memory", path);
  ok = ok && hgm_io_replace(NULL, path, text, size, error);
  free(text);
  return ok;
}
