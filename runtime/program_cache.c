#define _DEFAULT_SOURCE // mkstemp, futimens
#include "runtime/program_cache.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

// In front of what is kept: whose it is.
typedef struct Label {
  char magic[16];
  char key[HGM_CACHE_KEY];
} Label;

typedef struct PageLabel { // in front of pages: a page
  Label label;
  char rest[HGM_CACHE_PAGE - sizeof(Label)];
} PageLabel;

static const char suffix[] = ".hgmprog", unfinished[] = ".new-";
enum { STALE_SECONDS = 3600 }; // what a process that died has left behind

static Label label_of(const char *key) {
  Label label = {.magic = "hgm cache 1\n"};
  memcpy(label.key, key, strnlen(key, sizeof label.key));
  return label;
}

// ---- where

bool hgm_cache_directory(char *path, size_t size) {
  const char *own = getenv("HGM_CACHE"), *xdg = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");
  int n = -1;
  if (own != NULL) n = snprintf(path, size, "%s", own);
  else if (xdg != NULL && xdg[0] == '/') n = snprintf(path, size, "%s/hgm", xdg);
  else if (home != NULL && home[0] == '/') n = snprintf(path, size, "%s/.cache/hgm", home);
  return n > 0 && (size_t)n < size;
}

static bool make_directories(const char *path) {
  char part[PATH_MAX];
  size_t n = strlen(path);
  memcpy(part, path, n + 1);
  for (size_t i = 1; i <= n; i++) {
    if (part[i] != '/' && part[i] != '\0') continue;
    part[i] = '\0';
    if (mkdir(part, 0700) != 0 && errno != EEXIST && errno != EROFS && errno != EACCES) return false;
    part[i] = path[i];
  }
  return access(path, R_OK | X_OK) == 0;
}

bool hgm_cache_open(HgmCache *cache, const char *directory, const HgmIo *io) {
  size_t n = strlen(directory);
  if (n == 0 || n >= sizeof cache->directory) return false;
  *cache = (HgmCache){.limit = HGM_CACHE_LIMIT, .io = io != NULL ? io : &hgm_io_system};
  memcpy(cache->directory, directory, n + 1);
  return make_directories(directory);
}

static bool file_path(const HgmCache *cache, char path[PATH_MAX], const char *name, const char *end) {
  return snprintf(path, PATH_MAX, "%s/%s%s", cache->directory, name, end) < PATH_MAX;
}

// ---- finding

// Nobody but the user may have written what is going to run.
static bool is_trusted(const struct stat *info) { return S_ISREG(info->st_mode) && info->st_uid == geteuid() && (info->st_mode & (S_IWGRP | S_IWOTH)) == 0; }

static bool read_all(int file, uint8_t *bytes, size_t n) {
  while (n > 0) {
    ssize_t got = read(file, bytes, n);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return false;
    bytes += got;
    n -= (size_t)got;
  }
  return true;
}

// The file behind its label, which is right; n: bytes of the rest. -1: a miss.
static int open_kept(const HgmCache *cache, const char *key, size_t *n) {
  char path[PATH_MAX];
  struct stat info;
  Label label, wanted = label_of(key);
  if (!file_path(cache, path, key, suffix)) return -1;
  int file = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (file < 0) return -1;
  if (fstat(file, &info) != 0 || !is_trusted(&info) || info.st_size <= (off_t)sizeof label || info.st_size > HGM_CACHE_LIMIT ||
      !read_all(file, (uint8_t *)&label, sizeof label) || memcmp(&label, &wanted, sizeof label) != 0) {
    close(file);
    return -1;
  }
  *n = (size_t)info.st_size - sizeof label;
  return file;
}

HgmProgram *hgm_cache_find(const HgmCache *cache, const char *key) {
  size_t n;
  int file = open_kept(cache, key, &n);
  if (file < 0) return NULL;
  uint8_t *bytes = malloc(n);
  HgmProgram *program = NULL;
  HgmError why = {0}; // whatever it is: a miss
  if (bytes != NULL && read_all(file, bytes, n)) program = hgm_program_load(bytes, n, &why);
  free(bytes);
  if (program != NULL) futimens(file, NULL); // used now; where that is not allowed, it goes earlier
  close(file);
  return program;
}

int hgm_cache_open_pages(const HgmCache *cache, const char *key, size_t *n) {
  size_t rest;
  int file = open_kept(cache, key, &rest);
  if (file < 0) return -1;
  if (rest <= sizeof(PageLabel) - sizeof(Label) || (rest + sizeof(Label)) % HGM_CACHE_PAGE != 0) {
    close(file);
    return -1;
  }
  futimens(file, NULL);
  *n = rest + sizeof(Label) - sizeof(PageLabel);
  return file;
}

// ---- keeping

typedef struct Kept {
  char name[NAME_MAX + 1];
  uint64_t size;
  struct timespec used;
} Kept;

typedef struct KeptList {
  Kept *at;
  size_t n, capacity;
  uint64_t size;
} KeptList;

static bool ends_with(const char *text, const char *end) {
  size_t n = strlen(text), m = strlen(end);
  return n >= m && strcmp(text + n - m, end) == 0;
}

static void list_file(KeptList *list, const char *name, const struct stat *info) {
  if (list->n == list->capacity) {
    size_t capacity = 2 * list->capacity + 64;
    Kept *grown = realloc(list->at, capacity * sizeof *grown);
    if (grown == NULL) return;
    list->at = grown;
    list->capacity = capacity;
  }
  Kept *kept = &list->at[list->n++];
  *kept = (Kept){.size = (uint64_t)info->st_size, .used = info->st_mtim};
  snprintf(kept->name, sizeof kept->name, "%s", name);
  list->size += kept->size;
}

static int by_use(const void *x, const void *y) {
  const Kept *a = x, *b = y;
  if (a->used.tv_sec != b->used.tv_sec) return a->used.tv_sec < b->used.tv_sec ? -1 : 1;
  return (a->used.tv_nsec > b->used.tv_nsec) - (a->used.tv_nsec < b->used.tv_nsec);
}

// Removes what is over the limit, the longest unused first, and what processes that died have left behind.
static void prune(const HgmCache *cache) {
  DIR *directory = opendir(cache->directory);
  if (directory == NULL) return;
  KeptList list = {0};
  char path[PATH_MAX];
  for (struct dirent *entry; (entry = readdir(directory)) != NULL;) {
    bool whole = ends_with(entry->d_name, suffix), left = strncmp(entry->d_name, unfinished, strlen(unfinished)) == 0;
    struct stat info;
    if ((!whole && !left) || !file_path(cache, path, entry->d_name, "") || lstat(path, &info) != 0) continue;
    if (whole) list_file(&list, entry->d_name, &info);
    else if (info.st_mtim.tv_sec + STALE_SECONDS < time(NULL)) unlink(path);
  }
  closedir(directory);
  if (list.n > 0) qsort(list.at, list.n, sizeof *list.at, by_use);
  for (size_t i = 0; i < list.n && list.size > cache->limit; i++) {
    if (file_path(cache, path, list.at[i].name, "")) unlink(path);
    list.size -= list.at[i].size;
  }
  free(list.at);
}

static void keep(const HgmCache *cache, const char *key, const HgmCachePiece *pieces, size_t n) {
  char path[PATH_MAX], temporary[PATH_MAX];
  size_t size = 0;
  for (size_t i = 0; i < n; i++) size += pieces[i].bytes;
  if (size > cache->limit || !file_path(cache, path, key, suffix) || !file_path(cache, temporary, unfinished, "XXXXXX")) return;
  int file = mkstemp(temporary); // mode 0600
  if (file < 0) return;
  bool fine = true;
  for (size_t i = 0; i < n && fine; i++) fine = hgm_io_write_all(cache->io, file, pieces[i].at, pieces[i].bytes);
  fine = close(file) == 0 && fine; // not synced: what a crash leaves half written has another checksum
  if (!fine || cache->io->rename(cache->io->data, temporary, path) != 0) unlink(temporary);
  else prune(cache);
}

void hgm_cache_keep(const HgmCache *cache, const char *key, const void *packed, size_t n) {
  Label label = label_of(key);
  keep(cache, key, (HgmCachePiece[]){{&label, sizeof label}, {packed, n}}, 2);
}

void hgm_cache_keep_pages(const HgmCache *cache, const char *key, const HgmCachePiece *pieces, size_t n) {
  PageLabel label = {.label = label_of(key)};
  HgmCachePiece *all = malloc((n + 1) * sizeof *all);
  if (all == NULL) return;
  all[0] = (HgmCachePiece){&label, sizeof label};
  if (n > 0) memcpy(all + 1, pieces, n * sizeof *all);
  keep(cache, key, all, n + 1);
  free(all);
}
