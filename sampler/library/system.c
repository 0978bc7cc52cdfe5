// What the runtime asks of a C library, for code that is linked to none: memory from the system, a few functions on bytes, errors
// without text, no threads.
#define _DEFAULT_SOURCE // madvise, MAP_ANONYMOUS
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include "runtime/error.h"
#include "runtime/pool.h"

static long system_call(long number, long a, long b, long c, long d, long e, long f) {
  long result;
  register long r10 __asm__("r10") = d;
  register long r8 __asm__("r8") = e;
  register long r9 __asm__("r9") = f;
  __asm__ volatile("syscall" : "=a"(result) : "a"(number), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9) : "rcx", "r11", "memory");
  return result;
}

void *mmap(void *address, size_t n, int protection, int flags, int file, off_t offset) {
  long result = system_call(SYS_mmap, (long)address, (long)n, protection, flags, file, offset);
  return result < 0 && result > -4096 ? MAP_FAILED : (void *)result;
}

int munmap(void *address, size_t n) { return system_call(SYS_munmap, (long)address, (long)n, 0, 0, 0, 0) == 0 ? 0 : -1; }
int mprotect(void *address, size_t n, int protection) { return system_call(SYS_mprotect, (long)address, (long)n, protection, 0, 0, 0) == 0 ? 0 : -1; }
int madvise(void *address, size_t n, int advice) { return system_call(SYS_madvise, (long)address, (long)n, advice, 0, 0, 0) == 0 ? 0 : -1; }

// ---- memory: whole pages, zeroed, the size in front

enum { HEAD = 64 };

void *malloc(size_t n) {
  if (n > SIZE_MAX / 2) return NULL;
  size_t *pages = mmap(NULL, n + HEAD, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (pages == MAP_FAILED) return NULL;
  *pages = n + HEAD;
  return (char *)pages + HEAD;
}

void *calloc(size_t n, size_t size) { return size > 0 && n > SIZE_MAX / size ? NULL : malloc(n * size); }

void *aligned_alloc(size_t align, size_t n) { return align <= HEAD ? malloc(n) : NULL; }

void free(void *p) {
  if (p == NULL) return;
  size_t *pages = (size_t *)((char *)p - HEAD);
  munmap(pages, *pages);
}

// ---- bytes and texts

void *memcpy(void *restrict to, const void *restrict from, size_t n) {
  void *at = to;
  __asm__ volatile("rep movsb" : "+D"(at), "+S"(from), "+c"(n) : : "memory");
  return to;
}

void *memset(void *to, int value, size_t n) {
  void *at = to;
  __asm__ volatile("rep stosb" : "+D"(at), "+c"(n) : "a"(value) : "memory");
  return to;
}

int memcmp(const void *x, const void *y, size_t n) {
  const unsigned char *a = x, *b = y;
  for (; n > 0; n--, a++, b++)
    if (*a != *b) return *a - *b;
  return 0;
}

void *memchr(const void *bytes, int value, size_t n) {
  const unsigned char *at = bytes;
  for (; n > 0; n--, at++)
    if (*at == (unsigned char)value) return (void *)(uintptr_t)at;
  return NULL;
}

size_t strlen(const char *text) {
  size_t n = 0;
  while (text[n] != '\0') n++;
  return n;
}

int strncmp(const char *a, const char *b, size_t n) {
  for (; n > 0 && *a == *b && *a != '\0'; n--) a++, b++;
  return n == 0 ? 0 : (unsigned char)*a - (unsigned char)*b;
}

int strcmp(const char *a, const char *b) { return strncmp(a, b, SIZE_MAX); }

// ---- what the runtime's other files do elsewhere

bool hgm_fail(HgmError *error, int exit_code, const char *format, ...) {
  (void)format;
  error->exit_code = exit_code;
  return false;
}

int hgm_pool_threads(const HgmPool *pool) {
  (void)pool;
  return 1;
}

void hgm_pool_run(HgmPool *pool, int64_t n, void (*work)(void *data, int64_t index, int thread), void *data) {
  (void)pool;
  for (int64_t i = 0; i < n; i++) work(data, i, 0);
}

void hgm_pool_wait(const _Atomic int64_t *count, int64_t until) { // one thread waits for nobody
  (void)count;
  (void)until;
}

double hgm_pool_seconds(void) { return 0; }
