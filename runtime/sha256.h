// SHA-256 (FIPS 180-4), for the identity of files and models.
#ifndef HGM_SHA256_H
#define HGM_SHA256_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct HgmSha256 {
  uint32_t state[8];
  uint64_t bytes;
  uint8_t block[64];
  bool plain; // without the processor's own instructions
} HgmSha256;

void hgm_sha256_begin(HgmSha256 *sha);
void hgm_sha256_add(HgmSha256 *sha, const void *data, size_t n);
void hgm_sha256_end(HgmSha256 *sha, char text[65]); // hexadecimal, NUL-terminated
void hgm_sha256_of(const void *data, size_t n, char text[65]);

#endif
