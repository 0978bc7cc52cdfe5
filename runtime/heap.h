// Memory that lives as long as its owner: bump allocation, freed as a whole. Unlike the compiler's arena it reports.
#ifndef HGM_HEAP_H
#define HGM_HEAP_H

#include <stddef.h>

typedef struct HgmHeap {
  struct HgmHeapPage *pages;
} HgmHeap; // start with {0}

void *hgm_heap_alloc(HgmHeap *heap, size_t bytes); // zeroed, aligned to 16; NULL when out of memory
char *hgm_heap_strndup(HgmHeap *heap, const char *text, size_t n);
char *hgm_heap_strdup(HgmHeap *heap, const char *text);
char *hgm_heap_printf(HgmHeap *heap, const char *format, ...) __attribute__((format(printf, 2, 3)));
void hgm_heap_free(HgmHeap *heap);

#endif
