// Compiled programs kept on disk from one run to the next, by a key that says all that went into them.
//
//   HgmCache cache;  if (hgm_cache_open(&cache, "/var/cache/me", NULL)) program = hgm_cache_find(&cache, key);
//   if (program == NULL) { compile; hgm_cache_keep(&cache, key, bytes, size); }
//
// A file a program: KEY.hgmprog, its key and the packed program (program_file.h) under its checksum. A file that is damaged,
// cut short, of another version, or that another user owns or may write is a miss, and the next program of that key
// takes its place. Files appear under their name by rename, so processes may find and keep at the same time. Nothing here reports: where
// the directory cannot be read or written, programs are compiled as if there were no cache.
//
// Other things may be kept beside the programs, as files of pages that are mapped: hgm_cache_open_pages, hgm_cache_keep_pages. Their keeper
// sees to a checksum.
//
// Size: behind every file that is kept, the files unused for longest go until the rest is below the limit.
#ifndef HGM_PROGRAM_CACHE_H
#define HGM_PROGRAM_CACHE_H

#include <limits.h>

#include "runtime/io.h"
#include "runtime/program_file.h"

enum { HGM_CACHE_KEY = 64, HGM_CACHE_LIMIT = 256 << 20, HGM_CACHE_PAGE = 4096 }; // characters [0-9a-f]; bytes

typedef struct HgmCache {
  char directory[PATH_MAX];
  uint64_t limit; // bytes of all files
  const HgmIo *io;
} HgmCache;

// Makes the directory (and those above it) where it is missing. io: NULL for the system's. False: no such directory and none can be made.
bool hgm_cache_open(HgmCache *cache, const char *directory, const HgmIo *io);
HgmProgram *hgm_cache_find(const HgmCache *cache, const char *key);                        // NULL: a miss
void hgm_cache_keep(const HgmCache *cache, const char *key, const void *packed, size_t n); // or nothing happens
// A file whose pages begin at HGM_CACHE_PAGE, and how many bytes of them there are; -1: a miss. The caller closes it.
int hgm_cache_open_pages(const HgmCache *cache, const char *key, size_t *n);
typedef struct HgmCachePiece {
  const void *at;
  size_t bytes; // a multiple of HGM_CACHE_PAGE
} HgmCachePiece;
void hgm_cache_keep_pages(const HgmCache *cache, const char *key, const HgmCachePiece *pieces, size_t n);
// $HGM_CACHE, $XDG_CACHE_HOME/hgm or $HOME/.cache/hgm. False: none is set, or HGM_CACHE is empty.
bool hgm_cache_directory(char *path, size_t size);

#endif
