// A file of text that is printed into memory first and then takes the place of what was there: whatever goes wrong, no half of it is left.
#ifndef HGM_DRIVER_TEXT_FILE_H
#define HGM_DRIVER_TEXT_FILE_H

#include <stdio.h>

#include "runtime/error.h"

typedef void TextPrinter(FILE *out, const void *data);
bool text_file_write(const char *path, TextPrinter *print, const void *data, HgmError *error);

#endif
