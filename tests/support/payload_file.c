// For samplers that a test builds otherwise (sanitizers): the model is mapped from the sampler that the variable SAMPLER names.
#define _DEFAULT_SOURCE
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "sampler/payload.h"

bool payload_find(const void **bundle, size_t *bytes, HgmError *error) {
  struct {
    char magic[8];
    uint64_t offset, size;
  } tail;
  struct stat info;
  const char *path = getenv("SAMPLER");
  int file = path != NULL ? open(path, O_RDONLY | O_CLOEXEC) : -1;
  if (file < 0 || fstat(file, &info) != 0) return hgm_fail(error, 2, "SAMPLER names no file");
  const char *pages = mmap(NULL, (size_t)info.st_size, PROT_READ, MAP_PRIVATE, file, 0); // for the life of the process
  close(file);
  if (pages == MAP_FAILED) return hgm_fail(error, 2, "%s cannot be mapped", path);
  memcpy(&tail, pages + info.st_size - (off_t)sizeof tail, sizeof tail);
  *bundle = pages + tail.offset;
  *bytes = tail.size;
  return memcmp(tail.magic, "hgmtail\n", sizeof tail.magic) == 0 || hgm_fail(error, 3, "%s holds no model", path);
}
