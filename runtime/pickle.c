#include "runtime/pickle.h"

#include <string.h>

int hgm_pickled_texts(HgmHeap *heap, const char *pickle, const char **names, int n) {
  int count = 0;
  for (const char *at = pickle; *at != '\0' && *at != '.';) {
    const char *end = strchr(at, '\n');
    size_t length = end == NULL ? strlen(at) : (size_t)(end - at);
    while (*at == '(' || *at == 'l' || *at == 'a') { // mark, list, append: one byte each
      at++;
      length--;
    }
    if (*at == '.') break;
    if (*at == 'V' || *at == 'S') {
      const char *name = at + 1;
      size_t bytes = length - 1;
      if (*at == 'S' && bytes >= 2) name++, bytes -= 2;
      if (count < n) names[count] = hgm_heap_strndup(heap, name, bytes);
      if (count < n && names[count] == NULL) return -1;
      count++;
    } else if (*at != 'p' && *at != '\0') {
      return -1;
    }
    if (end == NULL) break;
    at = end + 1;
  }
  return count;
}
