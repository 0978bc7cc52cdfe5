// DEFLATE (RFC 1951) in zlib's wrapping (RFC 1950), and LZF: the compressions of HDF5 files that a sampler reads.
#ifndef HGM_SAMPLER_INFLATE_H
#define HGM_SAMPLER_INFLATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// Unpacks all of in to out, at most `room` bytes; how many in *got. False: damaged (checksum too), or more than fit.
bool inflate_zlib(const uint8_t *in, size_t n, uint8_t *out, size_t room, size_t *got);
bool inflate_lzf(const uint8_t *in, size_t n, uint8_t *out, size_t room, size_t *got);

#endif
