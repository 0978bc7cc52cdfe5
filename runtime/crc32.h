// CRC-32 of zip and gzip (polynomial 0xedb88320, ISO 3309).
#ifndef HGM_CRC32_H
#define HGM_CRC32_H

#include <stddef.h>
#include <stdint.h>

uint32_t hgm_crc32(uint32_t crc, const void *bytes, size_t n); // begins with 0, goes on with the last result

#endif
