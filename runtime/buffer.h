// A piece of bytes that grows while it is being put together: files are packed in one before they are written.
//
//   HgmBuffer b = {0}; uint64_t at = hgm_buffer_put(&b, table, n, 64); ... if (b.failed) ...; free(b.bytes);
#ifndef HGM_BUFFER_H
#define HGM_BUFFER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct HgmBuffer {
  uint8_t *bytes;
  size_t size, capacity;
  bool failed; // out of memory at some time: what is in it is not whole
} HgmBuffer;

// Appends a copy at the next multiple of `align`, zeros in between; its offset (0 after a failure).
uint64_t hgm_buffer_put(HgmBuffer *buffer, const void *bytes, size_t n, size_t align);
uint64_t hgm_buffer_put_text(HgmBuffer *buffer, const char *text); // with its NUL
// Overwrites n bytes at an offset that lies inside; nothing after a failure.
void hgm_buffer_set(HgmBuffer *buffer, uint64_t offset, const void *bytes, size_t n);

#endif
