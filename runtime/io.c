#include "runtime/io.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static ssize_t system_write(void *data, int file, const void *bytes, size_t n) {
  (void)data;
  return write(file, bytes, n);
}
static int system_sync(void *data, int file) {
  (void)data;
  return fsync(file);
}
static int system_rename(void *data, const char *from, const char *to) {
  (void)data;
  return rename(from, to);
}

const HgmIo hgm_io_system = {.write = system_write, .sync = system_sync, .rename = system_rename};

bool hgm_io_write_all(const HgmIo *io, int file, const void *bytes, size_t n) {
  enum { MOST = 1 << 20 }; // pieces, so that a signal or a full disk is seen early
  const char *at = bytes;
  while (n > 0) {
    ssize_t written = io->write(io->data, file, at, n < MOST ? n : MOST);
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return false;
    if (written == 0) {
      errno = ENOSPC;
      return false;
    }
    at += written;
    n -= (size_t)written;
  }
  return true;
}

bool hgm_io_sync_directory_of(const HgmIo *io, const char *path) {
  char directory[PATH_MAX] = ".";
  const char *slash = strrchr(path, '/');
  if (slash != NULL) {
    size_t n = slash == path ? 1 : (size_t)(slash - path);
    if (n >= sizeof directory) {
      errno = ENAMETOOLONG;
      return false;
    }
    memcpy(directory, path, n);
    directory[n] = '\0';
  }
  int file = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (file < 0) return false;
  bool fine = io->sync(io->data, file) == 0 || errno == EINVAL; // some file systems cannot sync a directory
  int saved = errno;
  close(file);
  errno = saved;
  return fine;
}

bool hgm_io_may_write(const char *path, bool force, HgmError *error) {
  struct stat info;
  if (stat(path, &info) == 0) {
    if (!S_ISREG(info.st_mode)) return hgm_fail(error, 2, "%s: exists and is no ordinary file", path);
    return force || hgm_fail(error, 2, "%s: exists; add --force to replace it", path);
  }
  char directory[PATH_MAX] = ".";
  const char *slash = strrchr(path, '/');
  if (slash != NULL && snprintf(directory, sizeof directory, "%.*s", slash == path ? 1 : (int)(slash - path), path) >= (int)sizeof directory)
    return hgm_fail(error, 2, "%s: the name is too long", path);
  if (access(directory, W_OK | X_OK) == 0) return true;
  return hgm_fail(error, 2, "%s: nothing can be written into %s: %s", path, directory, strerror(errno));
}

static bool replace(const HgmIo *io, const char *path, const HgmPiece *pieces, int64_t n, mode_t mode, HgmError *error) {
  if (io == NULL) io = &hgm_io_system;
  char temporary[PATH_MAX];
  if (snprintf(temporary, sizeof temporary, "%s.tmp%ld", path, (long)getpid()) >= (int)sizeof temporary)
    return hgm_fail(error, 2, "%s: the name is too long", path);
  int file = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode);
  if (file < 0) return hgm_fail(error, 2, "%s: cannot be created: %s", path, strerror(errno));
  const char *what = "cannot be written";
  bool fine = true;
  for (int64_t i = 0; fine && i < n; i++) fine = hgm_io_write_all(io, file, pieces[i].bytes, pieces[i].n);
  if (fine) what = "cannot be synced to disk", fine = io->sync(io->data, file) == 0;
  int saved = errno;
  if (close(file) != 0 && fine) what = "cannot be closed", fine = false, saved = errno;
  if (fine) what = "cannot be renamed", fine = io->rename(io->data, temporary, path) == 0, saved = errno;
  if (!fine) {
    unlink(temporary);
    return hgm_fail(error, 2, "%s: %s: %s; the file as it was before is untouched", path, what, strerror(saved));
  }
  if (hgm_io_sync_directory_of(io, path)) return true;
  return hgm_fail(error, 2, "%s: its directory cannot be synced to disk: %s", path, strerror(errno));
}

bool hgm_io_replace_pieces(const HgmIo *io, const char *path, const HgmPiece *pieces, int64_t n, HgmError *error) {
  return replace(io, path, pieces, n, 0666, error);
}

bool hgm_io_replace(const HgmIo *io, const char *path, const void *bytes, size_t n, HgmError *error) {
  return replace(io, path, &(HgmPiece){bytes, n}, 1, 0666, error);
}

bool hgm_io_replace_program(const HgmIo *io, const char *path, const void *bytes, size_t n, HgmError *error) {
  return replace(io, path, &(HgmPiece){bytes, n}, 1, 0777, error);
}

bool hgm_io_read_file(const char *path, char **bytes, size_t *n, HgmError *error) {
  *bytes = NULL;
  *n = 0;
  FILE *file = fopen(path, "rb");
  if (file == NULL) return hgm_fail(error, 2, "%s: cannot be opened: %s", path, strerror(errno));
  size_t cap = 1 << 16, used = 0;
  struct stat info;
  if (fstat(fileno(file), &info) == 0 && S_ISDIR(info.st_mode)) {
    fclose(file);
    return hgm_fail(error, 2, "%s: is a directory", path);
  }
  char *text = malloc(cap);
  while (text != NULL) {
    used += fread(text + used, 1, cap - used - 1, file);
    if (used < cap - 1) break;
    char *moved = realloc(text, 2 * cap);
    if (moved == NULL) free(text);
    text = moved;
    cap *= 2;
  }
  bool failed = ferror(file) != 0;
  fclose(file);
  if (text == NULL) return hgm_fail(error, 2, "%s: out of memory", path);
  if (failed) {
    free(text);
    return hgm_fail(error, 2, "%s: cannot be read: %s", path, strerror(errno));
  }
  text[used] = '\0';
  *bytes = text;
  *n = used;
  return true;
}
