// .npz: a zip archive of .npy files, members stored or deflated (also with the 64-bit sizes that NumPy writes).
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include "runtime/npy_reader.h"

enum { END_BYTES = 22, ENTRY_BYTES = 46, LOCAL_BYTES = 30, STORED = 0, DEFLATED = 8 };

typedef struct Member {
  NpySource source;
  int file; // own descriptor
  const char *label;
  int64_t start;  // of the member's bytes in the archive
  int64_t packed; // bytes there
  int method;
  uint32_t crc;
  char *inflated; // (source.bytes) once it was asked for beyond the header
} Member;

static uint32_t u16(const unsigned char *p) { return (uint32_t)p[0] | (uint32_t)p[1] << 8; }
static uint32_t u32(const unsigned char *p) { return u16(p) | u16(p + 2) << 16; }
static int64_t i64(const unsigned char *p) { return (int64_t)((uint64_t)u32(p) | (uint64_t)u32(p + 4) << 32); }

static bool read_at(int file, int64_t offset, void *bytes, size_t n) {
  char *to = bytes;
  while (n > 0) {
    ssize_t got = pread(file, to, n, offset);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return false;
    to += got;
    offset += got;
    n -= (size_t)got;
  }
  return true;
}

static bool cut_short(const char *label, HgmError *error) {
  return hgm_fail(error, 1, "%s: the archive is truncated or damaged; copy or make it again", label);
}

// The first n bytes of the unpacked member.
static bool inflate_member(Member *member, char *out, size_t n, HgmError *error) {
  enum { CHUNK = 1 << 16 };
  unsigned char *chunk = malloc(CHUNK);
  z_stream stream = {0};
  if (chunk == NULL || inflateInit2(&stream, -MAX_WBITS) != Z_OK) {
    free(chunk);
    return hgm_out_of_memory(error, member->label);
  }
  int64_t at = member->start, end = member->start + member->packed;
  bool fine = true;
  int status = Z_OK;
  size_t done = 0;
  while (fine && done < n && status != Z_STREAM_END) {
    if (stream.avail_in == 0) {
      size_t want = end - at < CHUNK ? (size_t)(end - at) : CHUNK;
      fine = want > 0 && read_at(member->file, at, chunk, want);
      if (!fine) break;
      at += (int64_t)want;
      stream.next_in = chunk;
      stream.avail_in = (uInt)want;
    }
    uInt room = n - done < 1u << 30 ? (uInt)(n - done) : 1u << 30;
    stream.next_out = (Bytef *)out + done;
    stream.avail_out = room;
    status = inflate(&stream, Z_NO_FLUSH);
    fine = status == Z_OK || status == Z_STREAM_END;
    done += room - stream.avail_out;
  }
  inflateEnd(&stream);
  free(chunk);
  return (fine && done == n) || cut_short(member->label, error);
}

static bool unpack_whole(Member *member, HgmError *error) {
  member->inflated = malloc((size_t)member->source.bytes + 1);
  if (member->inflated == NULL) return hgm_out_of_memory(error, member->label);
  if (!inflate_member(member, member->inflated, (size_t)member->source.bytes, error)) return false;
  uLong crc = crc32(0, NULL, 0);
  for (int64_t at = 0, n; at < member->source.bytes; at += n) {
    n = member->source.bytes - at < 1 << 30 ? member->source.bytes - at : 1 << 30;
    crc = crc32(crc, (const Bytef *)member->inflated + at, (uInt)n);
  }
  return crc == member->crc || cut_short(member->label, error);
}

// The header is unpacked alone, so that a member nobody asks for is never unpacked.
static bool member_read(NpySource *source, int64_t offset, size_t n, char *bytes, HgmError *error) {
  enum { HEADER_MOST = 4096 };
  Member *member = (Member *)source;
  if (offset < 0 || offset + (int64_t)n > source->bytes) return cut_short(member->label, error);
  if (member->method == STORED) return read_at(member->file, member->start + offset, bytes, n) || cut_short(member->label, error);
  if (member->inflated == NULL && offset + (int64_t)n <= HEADER_MOST) {
    char head[HEADER_MOST];
    if (!inflate_member(member, head, (size_t)offset + n, error)) return false;
    memcpy(bytes, head + offset, n);
    return true;
  }
  if (member->inflated == NULL && !unpack_whole(member, error)) return false;
  memcpy(bytes, member->inflated + offset, n);
  return true;
}

static void member_close(NpySource *source) {
  Member *member = (Member *)source;
  close(member->file);
  free(member->inflated);
  free(member);
}

// Sizes and offset of a directory entry, from its 64-bit extra field where the 32-bit ones are full.
static bool long_sizes(const unsigned char *entry, const unsigned char *extra, size_t n, int64_t *bytes, int64_t *packed, int64_t *local) {
  *packed = u32(entry + 20);
  *bytes = u32(entry + 24);
  *local = u32(entry + 42);
  while (n >= 4) {
    size_t length = u16(extra + 2), at = 4;
    if (length + 4 > n) return false;
    if (u16(extra) == 1) {
      int64_t *const wanted[] = {bytes, packed, local};
      for (size_t i = 0; i < 3; i++) {
        if (*wanted[i] != 0xffffffff) continue;
        if (at + 8 > length + 4) return false;
        *wanted[i] = i64(extra + at);
        at += 8;
      }
    }
    extra += length + 4;
    n -= length + 4;
  }
  return *bytes >= 0 && *packed >= 0 && *local >= 0;
}

// The member's columns under its name; those of a structured array behind it, as two arrays may have members of the same name. Takes the member.
static bool add_columns(HgmFile *file, Member *member, const char *name, const char *label, HgmError *error) {
  const char *prefix = hgm_heap_printf(&file->heap, "%s.", name);
  int before = file->n_fields;
  if (prefix == NULL) {
    member_close(&member->source);
    return hgm_out_of_memory(error, file->path);
  }
  if (!hgm_npy_add(file, &member->source, name, "", label, error)) return false;
  bool is_plain = file->n_fields == before + 1 && strcmp(file->fields[before]->column.name, name) == 0;
  for (int i = before; !is_plain && i < file->n_fields; i++) {
    file->fields[i]->column.name = hgm_heap_printf(&file->heap, "%s%s", prefix, file->fields[i]->column.name);
    if (file->fields[i]->column.name == NULL) return hgm_out_of_memory(error, file->path);
  }
  return true;
}

static bool add_member(HgmFile *file, int archive, int64_t archive_bytes, const unsigned char *entry, HgmError *error) {
  size_t name_bytes = u16(entry + 28), extra_bytes = u16(entry + 30);
  char *name = hgm_heap_strndup(&file->heap, (const char *)entry + ENTRY_BYTES, name_bytes);
  const char *label = name == NULL ? NULL : hgm_heap_printf(&file->heap, "%s, member %s", file->path, name);
  if (label == NULL) return hgm_out_of_memory(error, file->path);
  unsigned char local[LOCAL_BYTES];
  int64_t bytes, packed, offset;
  if (!long_sizes(entry, entry + ENTRY_BYTES + name_bytes, extra_bytes, &bytes, &packed, &offset) || !read_at(archive, offset, local, sizeof local) ||
      u32(local) != 0x04034b50)
    return cut_short(label, error);
  int64_t start = offset + LOCAL_BYTES + u16(local + 26) + u16(local + 28);
  if (packed > archive_bytes - start) return cut_short(label, error);
  int method = (int)u16(entry + 10);
  size_t length = strlen(name);
  if (length < 5 || strcmp(name + length - 4, ".npy") != 0) return true; // not an array
  if ((u16(entry + 8) & 1) != 0) return hgm_fail(error, 1, "%s: is encrypted", label);
  if (method == STORED && bytes != packed) return cut_short(label, error);
  if (method != STORED && method != DEFLATED)
    return hgm_fail(error, 1, "%s: is packed by method %d; save the archive with numpy.savez or savez_compressed", label, method);
  int own = dup(archive);
  if (own < 0) return hgm_fail(error, 2, "%s: cannot be opened: %s", label, strerror(errno));
  Member *member = calloc(1, sizeof *member);
  if (member == NULL) {
    close(own);
    return hgm_out_of_memory(error, file->path);
  }
  *member = (Member){.source = {.read = member_read, .close = member_close, .bytes = bytes},
                     .file = own,
                     .label = label,
                     .start = start,
                     .packed = packed,
                     .method = method,
                     .crc = u32(entry + 16)};
  name[length - 4] = '\0';
  return add_columns(file, member, name, label, error);
}

// Finds the directory at the end of the archive.
static bool find_directory(int archive, int64_t bytes, int64_t *start, int64_t *length, int64_t *n) {
  unsigned char tail[END_BYTES + 65536 + 20];
  int64_t size = bytes < (int64_t)sizeof tail ? bytes : (int64_t)sizeof tail;
  if (size < END_BYTES || !read_at(archive, bytes - size, tail, (size_t)size)) return false;
  for (int64_t at = size - END_BYTES; at >= 0; at--) {
    if (u32(tail + at) != 0x06054b50) continue;
    *n = u16(tail + at + 10);
    *length = u32(tail + at + 12);
    *start = u32(tail + at + 16);
    if ((*start == 0xffffffff || *n == 0xffff) && at >= 20 && u32(tail + at - 20) == 0x07064b50) {
      unsigned char end[56];
      if (!read_at(archive, i64(tail + at - 12), end, sizeof end) || u32(end) != 0x06064b50) return false;
      *n = i64(end + 32);
      *length = i64(end + 40);
      *start = i64(end + 48);
    }
    return *length >= 0 && *start >= 0 && *start <= bytes && *length <= bytes - *start;
  }
  return false;
}

static bool add_members(HgmFile *file, int archive, int64_t bytes, HgmError *error) {
  int64_t start, length, n;
  if (!find_directory(archive, bytes, &start, &length, &n)) return hgm_fail(error, 1, "%s: this is not a .npz archive, or it is truncated", file->path);
  unsigned char *directory = malloc((size_t)length + 1);
  if (directory == NULL) return hgm_out_of_memory(error, file->path);
  bool fine = read_at(archive, start, directory, (size_t)length) || cut_short(file->path, error);
  int64_t at = 0;
  for (int64_t i = 0; i < n && fine; i++) {
    bool is_whole = at + ENTRY_BYTES <= length && u32(directory + at) == 0x02014b50;
    int64_t size = is_whole ? (int64_t)ENTRY_BYTES + u16(directory + at + 28) + u16(directory + at + 30) + u16(directory + at + 32) : 0;
    fine = is_whole && at + size <= length ? add_member(file, archive, bytes, directory + at, error) : cut_short(file->path, error);
    at += size;
  }
  free(directory);
  if (fine && file->n_fields == 0) return hgm_fail(error, 1, "%s: holds no arrays", file->path);
  return fine;
}

bool hgm_open_npz(HgmFile *file, HgmError *error) {
  struct stat info;
  int archive = open(file->path, O_RDONLY | O_CLOEXEC);
  if (archive < 0) return hgm_fail(error, 2, "%s: cannot be opened: %s", file->path, strerror(errno));
  bool fine = fstat(archive, &info) == 0 && S_ISREG(info.st_mode);
  if (!fine) hgm_fail(error, 2, "%s: is not an ordinary file", file->path);
  else if (info.st_size == 0) fine = hgm_fail(error, 1, "%s: the file is empty (0 bytes)", file->path);
  fine = fine && add_members(file, archive, info.st_size, error);
  close(archive);
  return fine;
}
