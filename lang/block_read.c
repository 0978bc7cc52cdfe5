// Reading the files of a program, and noting what was read: a model that was kept is as good as a new one while all of it is the same.
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lang/block.h"

static char *read_text(Arena *arena, const char *path, size_t *len) {
  FILE *in = fopen(path, "rb");
  if (in == NULL) return NULL;
  size_t cap = 1 << 14, n = 0;
  char *text = arena_alloc(arena, cap);
  for (;;) {
    size_t got = fread(text + n, 1, cap - n - 1, in);
    n += got;
    if (got == 0 || n > MAX_FILE_BYTES) break;
    if (n + 1 < cap) continue;
    char *larger = arena_alloc(arena, 2 * cap);
    memcpy(larger, text, n);
    text = larger;
    cap *= 2;
  }
  bool bad = ferror(in) != 0;
  fclose(in);
  if (bad) return NULL;
  text[n] = 0;
  *len = n;
  return text;
}

static int by_name(const void *a, const void *b) { return strcmp(*(const char *const *)a, *(const char *const *)b); }

static Strings library_names(Arena *arena, const char *path) {
  Strings names = {0};
  DIR *folder = opendir(path);
  if (folder == NULL) return names;
  for (struct dirent *entry; (entry = readdir(folder)) != NULL;) {
    size_t len = strlen(entry->d_name);
    if (len > 4 && strcmp(entry->d_name + len - 4, ".hgm") == 0) VEC_PUSH(arena, &names, arena_strdup(arena, entry->d_name));
  }
  closedir(folder);
  if (names.len > 0) qsort(names.at, names.len, sizeof names.at[0], by_name);
  return names;
}

static bool is_file(const char *path, struct stat *id) { return stat(path, id) == 0 && S_ISREG(id->st_mode); }

// Of device and inode; no small number, which might be taken for an address.
static unsigned long long identity(const struct stat *id) {
  const unsigned long long both[] = {id->st_dev, id->st_ino};
  return hash_bytes(both, sizeof both) | 1ull << 63;
}

Strings file_library(Blocks *b, const char *path) {
  Model *m = b->e->model;
  m->library = arena_strdup(m->arena, path);
  m->library_names = library_names(m->arena, path);
  return m->library_names;
}

bool file_there(Blocks *b, const char *path, struct stat *id) {
  Model *m = b->e->model;
  bool there = is_file(path, id);
  if (!there) VEC_PUSH(m->arena, &m->reads, (ModelRead){.path = arena_strdup(m->arena, path)});
  return there;
}

char *file_read(Blocks *b, const char *path, const struct stat *id, size_t *len) {
  Model *m = b->e->model;
  char *text = read_text(m->arena, path, len);
  ModelRead read = {.path = arena_strdup(m->arena, path), .text = text};
  if (text != NULL) read.len = *len;
  if (id != NULL) read.identity = identity(id);
  VEC_PUSH(m->arena, &m->reads, read);
  return text;
}

static bool reads_same(Arena *scratch, const ModelRead *r) {
  struct stat id;
  size_t len;
  if (!is_file(r->path, &id)) return r->text == NULL;
  if (r->text == NULL || (r->identity != 0 && r->identity != identity(&id))) return false;
  const char *text = read_text(scratch, r->path, &len);
  return text != NULL && len == r->len && memcmp(text, r->text, len) == 0;
}

bool model_reads_same(const Model *m) {
  Arena *scratch = arena_create();
  const Strings names = m->library == NULL ? (Strings){0} : library_names(scratch, m->library);
  bool same = names.len == m->library_names.len;
  for (size_t i = 0; same && i < names.len; i++) same = strcmp(names.at[i], m->library_names.at[i]) == 0;
  for (size_t i = 0; same && i < m->reads.len; i++) same = reads_same(scratch, &m->reads.at[i]);
  arena_destroy(scratch);
  return same;
}
