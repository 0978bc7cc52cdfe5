// What the filters of an HDF5 chunk did is undone here, without the library and its lock: chunks are opened by several threads.
//
//   HgmUnfilter *u = hgm_unfilter_create();                     // one a thread
//   const char *why = hgm_inflate(u, packed, n, raw, cap, &got); // NULL: done
//   hgm_unshuffle(raw, out, got, 4);
#ifndef HGM_UNFILTER_H
#define HGM_UNFILTER_H

#include <stdbool.h>
#include <stddef.h>

typedef struct HgmUnfilter HgmUnfilter; // of the inflater; not for two threads at a time
HgmUnfilter *hgm_unfilter_create(void); // NULL: out of memory
void hgm_unfilter_destroy(HgmUnfilter *unfilter);

// All return NULL, or what is wrong with the bytes. `out` has room for `cap` bytes; *n_out of them are filled.
const char *hgm_inflate(HgmUnfilter *unfilter, const void *bytes, size_t n, void *out, size_t cap, size_t *n_out); // zlib's format
const char *hgm_unlzf(const void *bytes, size_t n, void *out, size_t cap, size_t *n_out);
// Checks and drops the four bytes of Fletcher's checksum (HDF5's: 16-bit big-endian words modulo 65535) at the end.
const char *hgm_check_fletcher32(const void *bytes, size_t n, size_t *n_out);

// Bytes k of all elements lie together; `out` gets the elements. What is left behind the last whole element is copied.
void hgm_unshuffle(const void *bytes, void *out, size_t n, size_t element_bytes);
// Reverses the bytes of each of the n / element_bytes elements (2, 4 or 8 bytes) in place.
void hgm_swap_bytes(void *bytes, size_t n, size_t element_bytes);

#endif
