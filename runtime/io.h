// The three system calls on which the safety of saved files rests, handed in so that tests can make each of them fail.
#ifndef HGM_IO_H
#define HGM_IO_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "runtime/error.h"

typedef struct HgmIo {
  ssize_t (*write)(void *data, int file, const void *bytes, size_t n); // as write(2), fsync(2), rename(2): -1 and errno
  int (*sync)(void *data, int file);
  int (*rename)(void *data, const char *from, const char *to);
  void *data;
} HgmIo;

extern const HgmIo hgm_io_system;

// Writes a file so that at every moment either the old or the new content is there: temporary name beside it, fsync,
// rename, fsync of the directory. io: NULL for the system's. Fails with the path and the text of errno.
bool hgm_io_replace(const HgmIo *io, const char *path, const void *bytes, size_t n, HgmError *error);
// The same, for what lies in several pieces.
typedef struct HgmPiece {
  const void *bytes;
  size_t n;
} HgmPiece;
bool hgm_io_replace_pieces(const HgmIo *io, const char *path, const HgmPiece *pieces, int64_t n, HgmError *error);
// The same, for a file that others may run.
bool hgm_io_replace_program(const HgmIo *io, const char *path, const void *bytes, size_t n, HgmError *error);
bool hgm_io_write_all(const HgmIo *io, int file, const void *bytes, size_t n); // false: errno is set
bool hgm_io_sync_directory_of(const HgmIo *io, const char *path);              // false: errno is set
// Whether a file may be written to `path`, asked before hours of work: what exists wants `force`, a directory must take it.
bool hgm_io_may_write(const char *path, bool force, HgmError *error);
// The whole file, a NUL byte behind it (not counted in *n); freed by the caller.
bool hgm_io_read_file(const char *path, char **bytes, size_t *n, HgmError *error);

#endif
