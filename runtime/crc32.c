#include "runtime/crc32.h"

uint32_t hgm_crc32(uint32_t crc, const void *bytes, size_t n) {
  uint32_t table[256];
  for (uint32_t i = 0; i < 256; i++) {
    uint32_t c = i;
    for (int bit = 0; bit < 8; bit++) c = c & 1 ? c >> 1 ^ 0xedb88320u : c >> 1;
    table[i] = c;
  }
  const unsigned char *at = bytes;
  crc = ~crc;
  for (size_t i = 0; i < n; i++) crc = table[(crc ^ at[i]) & 255] ^ crc >> 8;
  return ~crc;
}
