#include "runtime/unfilter.h"

#include <libdeflate.h>
#if __has_include(<liblzf/lzf.h>) // where Debian puts it
#include <liblzf/lzf.h>
#else
#include <lzf.h>
#endif
#include <stdint.h>
#include <string.h>

// ---- compression

HgmUnfilter *hgm_unfilter_create(void) { return (HgmUnfilter *)libdeflate_alloc_decompressor(); }

void hgm_unfilter_destroy(HgmUnfilter *unfilter) { libdeflate_free_decompressor((struct libdeflate_decompressor *)unfilter); }

const char *hgm_inflate(HgmUnfilter *unfilter, const void *bytes, size_t n, void *out, size_t cap, size_t *n_out) {
  switch (libdeflate_zlib_decompress((struct libdeflate_decompressor *)unfilter, bytes, n, out, cap, n_out)) {
  case LIBDEFLATE_SUCCESS: return NULL;
  case LIBDEFLATE_BAD_DATA: return "its gzip stream is damaged or cut off";
  case LIBDEFLATE_SHORT_OUTPUT:
  case LIBDEFLATE_INSUFFICIENT_SPACE: break;
  }
  return "its gzip stream holds more than a chunk";
}

const char *hgm_unlzf(const void *bytes, size_t n, void *out, size_t cap, size_t *n_out) {
  if (n > UINT32_MAX || cap > UINT32_MAX) return "its LZF stream is larger than 4 GB";
  *n_out = lzf_decompress(bytes, (unsigned)n, out, (unsigned)cap);
  return *n_out > 0 ? NULL : "its LZF stream is damaged or cut off";
}

// ---- checksum

// Sums of at most 360 words stay below 2^32 before they are folded (Fletcher, IEEE Trans. Comm. 30 (1982) 247).
static uint32_t fletcher32(const unsigned char *at, size_t n) {
  uint32_t low = 0, high = 0;
  for (size_t words = n / 2; words > 0;) {
    size_t block = words < 360 ? words : 360;
    words -= block;
    for (; block > 0; block--, at += 2) {
      low += (uint32_t)at[0] << 8 | at[1];
      high += low;
    }
    low = (low & 0xffff) + (low >> 16);
    high = (high & 0xffff) + (high >> 16);
  }
  if (n % 2 != 0) {
    low += (uint32_t)*at << 8;
    high += low;
    low = (low & 0xffff) + (low >> 16);
    high = (high & 0xffff) + (high >> 16);
  }
  low = (low & 0xffff) + (low >> 16);
  high = (high & 0xffff) + (high >> 16);
  return high << 16 | low;
}

const char *hgm_check_fletcher32(const void *bytes, size_t n, size_t *n_out) {
  if (n < 4) return "it is shorter than its checksum";
  const unsigned char *stored = (const unsigned char *)bytes + n - 4;
  uint32_t sum = fletcher32(bytes, n - 4);
  uint32_t kept = (uint32_t)stored[0] | (uint32_t)stored[1] << 8 | (uint32_t)stored[2] << 16 | (uint32_t)stored[3] << 24;
  uint32_t swapped = (sum & 0x00ff00ff) << 8 | (sum >> 8 & 0x00ff00ff); // as HDF5 before 1.6.3 wrote it on little-endian machines
  *n_out = n - 4;
  return kept == sum || kept == swapped ? NULL : "its checksum (Fletcher-32) does not match its bytes";
}

// ---- order of bytes; -O3 makes vectors of these loops (Makefile)

#define UNSHUFFLE(WIDE, K)                                                                                                                                     \
  for (size_t i = 0; i < count; i++) {                                                                                                                         \
    WIDE word = 0;                                                                                                                                             \
    for (unsigned k = 0; k < K; k++) word |= (WIDE)((WIDE)from[k * count + i] << (8 * k));                                                                     \
    memcpy(to + i * K, &word, K);                                                                                                                              \
  }

static void unshuffle2(const unsigned char *restrict from, unsigned char *restrict to, size_t count) { UNSHUFFLE(uint16_t, 2) }
static void unshuffle4(const unsigned char *restrict from, unsigned char *restrict to, size_t count) { UNSHUFFLE(uint32_t, 4) }
static void unshuffle8(const unsigned char *restrict from, unsigned char *restrict to, size_t count) { UNSHUFFLE(uint64_t, 8) }

// In tiles, so that rows of any length stay in the cache.
static void unshuffle_any(const unsigned char *restrict from, unsigned char *restrict to, size_t count, size_t size) {
  enum { TILE = 256 };
  for (size_t first = 0; first < count; first += TILE) {
    size_t last = first + TILE < count ? first + TILE : count;
    for (size_t k = 0; k < size; k++)
      for (size_t i = first; i < last; i++) to[i * size + k] = from[k * count + i];
  }
}

void hgm_unshuffle(const void *bytes, void *out, size_t n, size_t element_bytes) {
  size_t count = element_bytes > 0 ? n / element_bytes : 0;
  switch (element_bytes) {
  case 2: unshuffle2(bytes, out, count); break;
  case 4: unshuffle4(bytes, out, count); break;
  case 8: unshuffle8(bytes, out, count); break;
  default: unshuffle_any(bytes, out, count, element_bytes); break;
  }
  size_t done = count * element_bytes;
  memcpy((char *)out + done, (const char *)bytes + done, n - done);
}

#define SWAP(WIDE, SWAPPED)                                                                                                                                    \
  for (size_t i = 0; i < count; i++) {                                                                                                                         \
    WIDE word;                                                                                                                                                 \
    memcpy(&word, at + i * sizeof word, sizeof word);                                                                                                          \
    word = SWAPPED(word);                                                                                                                                      \
    memcpy(at + i * sizeof word, &word, sizeof word);                                                                                                          \
  }                                                                                                                                                            \
  return

void hgm_swap_bytes(void *bytes, size_t n, size_t element_bytes) {
  unsigned char *at = bytes;
  size_t count = n / element_bytes;
  switch (element_bytes) {
  case 2: SWAP(uint16_t, __builtin_bswap16);
  case 4: SWAP(uint32_t, __builtin_bswap32);
  case 8: SWAP(uint64_t, __builtin_bswap64);
  default: return;
  }
}
