// PNG files of 8-bit colours.
//
//   hgm_png_save("grid.png", 200, 100, rgb, NULL, &error)
#ifndef HGM_PNG_H
#define HGM_PNG_H

#include <stdint.h>

#include "runtime/io.h"

// rgb: (height, width, 3), rows from the top.
bool hgm_png_save(const char *path, int width, int height, const uint8_t *rgb, const HgmIo *io, HgmError *error);

#endif
