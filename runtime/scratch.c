#define _GNU_SOURCE // O_TMPFILE, madvise
#include "runtime/scratch.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { PAGE = 4096 };

typedef struct Piece {
  struct Piece *next;
  void *at;
  size_t bytes;
} Piece;

struct HgmScratch {
  int file;
  off_t end;
  char folder[4096];
  Piece *pieces;
};

// A file that nobody else sees and that ends with the process.
static int open_nameless(const char *folder) {
  int file = open(folder, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
  if (file >= 0) return file;
  char path[4200]; // a file system without such files
  snprintf(path, sizeof path, "%s/.scratch-XXXXXX", folder);
  file = mkstemp(path);
  if (file >= 0) unlink(path);
  return file;
}

// A page that the disk did not give back: nothing that was computed since can be trusted, what was saved before is whole.
static void page_lost(int signal) {
  static const char text[] = "hgmc: the scratch file of --memory could not be read back from the disk (input/output error); the last checkpoint is whole: "
                             "look after the disk, then go on with --resume\n";
  (void)signal;
  ssize_t written = write(2, text, sizeof text - 1);
  (void)written;
  _exit(2);
}

static void watch_pages(void) {
  struct sigaction action = {.sa_handler = page_lost};
  sigemptyset(&action.sa_mask);
  sigaction(SIGBUS, &action, NULL);
}

bool hgm_scratch_open(HgmScratch **result, const char *folder, HgmError *error) {
  *result = NULL;
  HgmScratch *scratch = calloc(1, sizeof *scratch);
  if (scratch == NULL) return hgm_fail(error, 2, "out of memory");
  snprintf(scratch->folder, sizeof scratch->folder, "%s", folder);
  scratch->file = open_nameless(folder);
  if (scratch->file < 0) {
    free(scratch);
    return hgm_fail(error, 2, "%s: no scratch file can be made there: %s", folder, strerror(errno));
  }
  watch_pages();
  *result = scratch;
  return true;
}

void hgm_scratch_close(HgmScratch *scratch) {
  if (scratch == NULL) return;
  for (Piece *piece = scratch->pieces, *next; piece != NULL; piece = next) {
    next = piece->next;
    munmap(piece->at, piece->bytes);
    free(piece);
  }
  close(scratch->file);
  free(scratch);
}

void *hgm_scratch_take(HgmScratch *scratch, size_t bytes, HgmError *error) {
  size_t whole = (bytes + PAGE) / PAGE * PAGE;
  Piece *piece = malloc(sizeof *piece);
  int why = piece == NULL ? ENOMEM : posix_fallocate(scratch->file, scratch->end, (off_t)whole);
  void *at = why != 0 ? MAP_FAILED : mmap(NULL, whole, PROT_READ | PROT_WRITE, MAP_SHARED, scratch->file, scratch->end);
  if (at == MAP_FAILED) {
    if (why == 0) why = errno;
    free(piece);
    hgm_fail(error, 2, "%s: no room for a scratch file of %.1f MB more (%s); free some, or give more memory with --memory", scratch->folder,
             (double)whole / 1e6, strerror(why));
    return NULL;
  }
  *piece = (Piece){.next = scratch->pieces, .at = at, .bytes = whole};
  scratch->pieces = piece;
  scratch->end += (off_t)whole;
  return at;
}

static char *page_of(const void *at) { return (char *)((uintptr_t)at / PAGE * PAGE); }

void hgm_scratch_ahead(const void *at, size_t bytes) {
  char *first = page_of(at), *end = (char *)(uintptr_t)at + bytes;
  madvise(first, (size_t)(end - first), MADV_WILLNEED);                            // many at a time, …
  for (char *page = first; page < end; page += PAGE) (void)*(volatile char *)page; // … and then each is there
}

void hgm_scratch_past(void *at, size_t bytes) {
  char *first = page_of((char *)at + PAGE - 1), *end = page_of((char *)at + bytes);
  if (end > first) madvise(first, (size_t)(end - first), MADV_PAGEOUT); // an old kernel does not know it: then it decides alone
}

// ---- how much memory there is

static int64_t number_in(const char *path) { // 0: none
  FILE *file = fopen(path, "r");
  long long bytes = 0;
  if (file == NULL) return 0;
  if (fscanf(file, "%lld", &bytes) != 1) bytes = 0; // "max"
  fclose(file);
  return bytes;
}

// The smallest limit of a control group and those above it; `file` lies in each group's folder below `mount`. 0: none.
static int64_t limit_upwards(const char *mount, char *group, const char *file) {
  char path[1400];
  int64_t least = 0;
  for (;;) {
    snprintf(path, sizeof path, "%s%s/%s", mount, group, file);
    int64_t limit = number_in(path);
    if (limit > 0 && (least == 0 || limit < least)) least = limit;
    char *slash = strrchr(group, '/');
    if (slash == NULL) return least;
    *slash = '\0';
  }
}

// Of this process's groups, version 2 ("0::/path") or 1 ("9:memory:/path").
static int64_t group_limit(void) {
  char line[1024];
  int64_t least = 0;
  FILE *file = fopen("/proc/self/cgroup", "r");
  while (file != NULL && fgets(line, sizeof line, file) != NULL) {
    line[strcspn(line, "\n")] = '\0';
    char *old = strstr(line, ":memory:");
    int64_t limit = strncmp(line, "0::", 3) == 0 ? limit_upwards("/sys/fs/cgroup", line + 3, "memory.max")
                    : old != NULL                ? limit_upwards("/sys/fs/cgroup/memory", old + strlen(":memory:"), "memory.limit_in_bytes")
                                                 : 0;
    if (limit > 0 && (least == 0 || limit < least)) least = limit;
  }
  if (file != NULL) fclose(file);
  return least;
}

int64_t hgm_memory_limit(void) {
  int64_t machine = (int64_t)sysconf(_SC_PHYS_PAGES) * sysconf(_SC_PAGESIZE), group = group_limit();
  return group > 0 && group < machine ? group : machine;
}
