// W3C, Portable Network Graphics, second edition: signature, IHDR, one IDAT with a zlib stream of unfiltered rows, IEND.
#include "runtime/png.h"

#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "runtime/crc32.h"

enum { CHUNK_FRAME = 12, HEADER = 13, SIGNATURE = 8, CHANNELS = 3, COLOURS = 2, BITS = 8 };

static void put32(uint8_t *to, uint32_t x) {
  for (int i = 0; i < 4; i++) to[i] = (uint8_t)(x >> (24 - 8 * i));
}

// Length, type, what is at `to + 8` already, checksum; where the next chunk begins.
static uint8_t *close_chunk(uint8_t *to, const char *type, uint32_t length) {
  put32(to, length);
  memcpy(to + 4, type, 4);
  put32(to + 8 + length, hgm_crc32(0, to + 4, length + 4));
  return to + CHUNK_FRAME + length;
}

static uint8_t *put_header(uint8_t *to, int width, int height) {
  uint8_t *h = to + 8;
  put32(h, (uint32_t)width);
  put32(h + 4, (uint32_t)height);
  memcpy(h + 8, (const uint8_t[]){BITS, COLOURS, 0, 0, 0}, 5);
  return close_chunk(to, "IHDR", HEADER);
}

// Every row behind a byte that says: not filtered.
static uint8_t *rows_of(int width, int height, const uint8_t *rgb) {
  size_t row = (size_t)width * CHANNELS;
  uint8_t *rows = malloc((row + 1) * (size_t)height + 1);
  for (int y = 0; rows != NULL && y < height; y++) {
    rows[(row + 1) * (size_t)y] = 0;
    memcpy(rows + (row + 1) * (size_t)y + 1, rgb + row * (size_t)y, row);
  }
  return rows;
}

bool hgm_png_save(const char *path, int width, int height, const uint8_t *rgb, const HgmIo *io, HgmError *error) {
  uLong size = ((uLong)width * CHANNELS + 1) * (uLong)height, packed = compressBound(size);
  uint8_t *rows = rows_of(width, height, rgb), *file = malloc(SIGNATURE + 3 * CHUNK_FRAME + HEADER + packed);
  bool fine = rows != NULL && file != NULL;
  if (fine) {
    memcpy(file, "\x89PNG\r\n\x1a\n", SIGNATURE);
    uint8_t *at = put_header(file + SIGNATURE, width, height);
    fine = compress2(at + 8, &packed, rows, size, Z_BEST_SPEED) == Z_OK;
    if (fine) at = close_chunk(close_chunk(at, "IDAT", (uint32_t)packed), "IEND", 0);
    if (fine) size = (uLong)(at - file);
  }
  if (!fine) hgm_fail(error, 2, "%s: no memory for the picture", path);
  fine = fine && hgm_io_replace(io, path, file, size, error);
  free(rows);
  free(file);
  return fine;
}
