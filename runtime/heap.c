#include "runtime/heap.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PAGE_BYTES = 16384, ALIGNMENT = 16 };

typedef struct HgmHeapPage {
  struct HgmHeapPage *next;
  size_t used, size;
  _Alignas(ALIGNMENT) char bytes[];
} HgmHeapPage;

void *hgm_heap_alloc(HgmHeap *heap, size_t bytes) {
  if (bytes > (size_t)-1 / 2) return NULL;
  bytes = (bytes + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
  if (bytes == 0) bytes = ALIGNMENT;
  HgmHeapPage *page = heap->pages;
  if (page == NULL || page->size - page->used < bytes) {
    size_t size = bytes > PAGE_BYTES ? bytes : PAGE_BYTES;
    page = calloc(1, sizeof *page + size);
    if (page == NULL) return NULL;
    page->size = size;
    page->next = heap->pages;
    heap->pages = page;
  }
  void *result = page->bytes + page->used;
  page->used += bytes;
  return result;
}

char *hgm_heap_strndup(HgmHeap *heap, const char *text, size_t n) {
  char *copy = hgm_heap_alloc(heap, n + 1);
  if (copy != NULL) memcpy(copy, text, n);
  return copy;
}

char *hgm_heap_strdup(HgmHeap *heap, const char *text) { return hgm_heap_strndup(heap, text, strlen(text)); }

char *hgm_heap_printf(HgmHeap *heap, const char *format, ...) {
  va_list args;
  va_start(args, format);
  int len = vsnprintf(NULL, 0, format, args);
  va_end(args);
  char *text = len < 0 ? NULL : hgm_heap_alloc(heap, (size_t)len + 1);
  if (text == NULL) return NULL;
  va_start(args, format);
  vsnprintf(text, (size_t)len + 1, format, args);
  va_end(args);
  return text;
}

void hgm_heap_free(HgmHeap *heap) {
  for (HgmHeapPage *page = heap->pages, *next; page != NULL; page = next) {
    next = page->next;
    free(page);
  }
  heap->pages = NULL;
}
