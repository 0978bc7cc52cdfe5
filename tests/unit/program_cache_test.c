// needs: runtime
// The disk cache: what was kept is found, whatever is wrong with a file is a miss and is replaced, several processes at
// once, directories that cannot be written, full disks, and the limit of its size.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "runtime/program_cache.h"

enum { KEY_BYTES = HGM_CACHE_KEY + 1, PATH_BYTES = PATH_MAX + 80 };

typedef struct Fixture {
  char root[64];
  HgmCache cache;
  uint8_t *packed;
  size_t size;
} Fixture;

// A program without kernels, told apart by its name; padded with `extra` bytes of constants.
static uint8_t *pack_named(const char *name, size_t extra, size_t *size) {
  uint8_t *data = calloc(extra + 1, 1);
  assert_non_null(data);
  HgmProgram program = {.name = name, .tile = 16, .panel = 16, .data = data, .data_bytes = extra};
  uint8_t *bytes = hgm_program_pack(&program, &(HgmCode){.bytes = ""}, size);
  free(data);
  assert_non_null(bytes);
  return bytes;
}

static void key_of(char key[KEY_BYTES], int n) { snprintf(key, KEY_BYTES, "%064d", n); }

static void path_of(const Fixture *f, char *path, size_t n, const char *key) { snprintf(path, n, "%s/%s.hgmprog", f->cache.directory, key); }

static int setup(void **state) {
  Fixture *f = calloc(1, sizeof *f);
  assert_non_null(f);
  strcpy(f->root, "/tmp/hgm_cache_test_XXXXXX");
  assert_non_null(mkdtemp(f->root));
  char directory[128];
  snprintf(directory, sizeof directory, "%s/several/levels", f->root);
  assert_true(hgm_cache_open(&f->cache, directory, NULL));
  f->packed = pack_named("kept", 100, &f->size);
  *state = f;
  return 0;
}

static int teardown(void **state) {
  Fixture *f = *state;
  char command[256];
  snprintf(command, sizeof command, "chmod -R u+w %s; rm -rf %s", f->root, f->root);
  assert_int_equal(system(command), 0);
  free(f->packed);
  free(f);
  return 0;
}

static bool found(const Fixture *f, const char *key, const char *name) {
  HgmProgram *p = hgm_cache_find(&f->cache, key);
  bool yes = p != NULL && strcmp(p->name, name) == 0;
  if (p != NULL && !yes) fail_msg("found %s instead of %s", p->name, name);
  hgm_program_free(p);
  return yes;
}

static int files_in(const char *path) {
  int n = 0;
  DIR *directory = opendir(path);
  assert_non_null(directory);
  for (struct dirent *entry; (entry = readdir(directory)) != NULL;) n += strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0;
  closedir(directory);
  return n;
}

static void test_hit_and_miss(void **state) {
  Fixture *f = *state;
  char key[KEY_BYTES], other[KEY_BYTES];
  key_of(key, 1), key_of(other, 2);
  assert_false(found(f, key, "kept"));
  hgm_cache_keep(&f->cache, key, f->packed, f->size);
  assert_true(found(f, key, "kept"));
  assert_false(found(f, other, "kept"));
  assert_int_equal(files_in(f->cache.directory), 1);
}

static uint8_t *read_whole(const char *path, size_t *n) {
  HgmError error = {0};
  char *bytes;
  assert_true(hgm_io_read_file(path, &bytes, n, &error));
  return (uint8_t *)bytes;
}

static void write_whole(const char *path, const uint8_t *bytes, size_t n) {
  FILE *file = fopen(path, "wb");
  assert_non_null(file);
  assert_int_equal(fwrite(bytes, 1, n, file), n);
  assert_int_equal(fclose(file), 0);
  assert_int_equal(chmod(path, 0600), 0);
}

static void keep_program(Fixture *f, char key[KEY_BYTES], char path[PATH_BYTES]) {
  key_of(key, 1);
  path_of(f, path, PATH_BYTES, key);
  hgm_cache_keep(&f->cache, key, f->packed, f->size);
}

// Every byte of the file, label included; afterwards the program takes its place again.
static void test_flipped_bytes(void **state) {
  Fixture *f = *state;
  char key[KEY_BYTES], path[PATH_BYTES];
  keep_program(f, key, path);
  size_t n;
  uint8_t *bytes = read_whole(path, &n);
  assert_true(n > f->size);
  for (size_t at = 0; at < n; at++) {
    bytes[at] ^= 0x10;
    write_whole(path, bytes, n);
    if (found(f, key, "kept")) fail_msg("found in spite of byte %zu", at);
    bytes[at] ^= 0x10;
  }
  hgm_cache_keep(&f->cache, key, f->packed, f->size);
  assert_true(found(f, key, "kept"));
  free(bytes);
}

static void test_cut_short(void **state) {
  Fixture *f = *state;
  char key[KEY_BYTES], path[PATH_BYTES];
  keep_program(f, key, path);
  size_t n;
  uint8_t *bytes = read_whole(path, &n);
  for (size_t length = 0; length < n; length += length < 200 ? 1 : 97) {
    write_whole(path, bytes, length);
    assert_false(found(f, key, "kept"));
  }
  free(bytes);
}

static void test_under_another_name(void **state) {
  Fixture *f = *state;
  char key[KEY_BYTES], other[KEY_BYTES], from[PATH_BYTES], to[PATH_BYTES];
  key_of(key, 1), key_of(other, 2);
  hgm_cache_keep(&f->cache, key, f->packed, f->size);
  path_of(f, from, sizeof from, key);
  path_of(f, to, sizeof to, other);
  assert_int_equal(rename(from, to), 0);
  assert_false(found(f, other, "kept"));
}

static void test_not_ours_alone(void **state) {
  Fixture *f = *state;
  char key[KEY_BYTES], path[PATH_BYTES];
  keep_program(f, key, path);
  static const mode_t bad[] = {0620, 0602, 0666};
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
    assert_int_equal(chmod(path, bad[i]), 0);
    assert_false(found(f, key, "kept"));
  }
  assert_int_equal(chmod(path, 0644), 0);
  assert_true(found(f, key, "kept"));
  assert_int_equal(unlink(path), 0);
  assert_int_equal(mkfifo(path, 0600), 0);
  assert_false(found(f, key, "kept"));
}

// Four processes keep and find the same few keys: whatever is found is whole.
static void test_processes(void **state) {
  Fixture *f = *state;
  enum { PROCESSES = 4, ROUNDS = 300, KEYS = 3 };
  for (int p = 0; p < PROCESSES; p++) {
    if (fork() != 0) continue;
    int hits = 0;
    for (int i = 0; i < ROUNDS; i++) {
      char key[KEY_BYTES], name[32];
      key_of(key, i % KEYS);
      snprintf(name, sizeof name, "program %d", i % KEYS);
      HgmProgram *program = hgm_cache_find(&f->cache, key);
      if (program != NULL && strcmp(program->name, name) != 0) _exit(2);
      hits += program != NULL;
      hgm_program_free(program);
      size_t size;
      uint8_t *bytes = pack_named(name, (size_t)(i * 37 % 5000), &size);
      hgm_cache_keep(&f->cache, key, bytes, size);
      free(bytes);
    }
    _exit(hits >= ROUNDS - KEYS * 2 ? 0 : 3);
  }
  for (int p = 0; p < PROCESSES; p++) {
    int status;
    assert_true(wait(&status) > 0);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
  }
  assert_int_equal(files_in(f->cache.directory), KEYS);
}

typedef struct Fault {
  int left; // writes until the disk is full
  bool rename;
} Fault;

static ssize_t full_write(void *data, int file, const void *bytes, size_t n) {
  Fault *fault = data;
  if (fault->left-- > 0) return write(file, bytes, n);
  errno = ENOSPC;
  return -1;
}

static int no_rename(void *data, const char *from, const char *to) {
  if (((Fault *)data)->rename) return rename(from, to);
  errno = EDQUOT;
  return -1;
}

// The file that was there stays, and nothing is left behind.
static void test_full_disk(void **state) {
  Fixture *f = *state;
  char key[KEY_BYTES];
  key_of(key, 1);
  hgm_cache_keep(&f->cache, key, f->packed, f->size);
  size_t size;
  uint8_t *other = pack_named("other", 10, &size);
  for (int writes = 0; writes < 3; writes++) {
    Fault fault = {.left = writes, .rename = false};
    HgmIo io = {.write = full_write, .sync = hgm_io_system.sync, .rename = no_rename, .data = &fault};
    HgmCache cache = f->cache;
    cache.io = &io;
    hgm_cache_keep(&cache, key, other, size);
    assert_int_equal(files_in(f->cache.directory), 1);
    assert_true(found(f, key, "kept"));
  }
  free(other);
}

static void test_directories(void **state) {
  Fixture *f = *state;
  char file[128], below[160], key[KEY_BYTES];
  HgmCache cache;
  snprintf(file, sizeof file, "%s/file", f->root);
  snprintf(below, sizeof below, "%s/cache", file);
  write_whole(file, (const uint8_t *)"x", 1);
  assert_false(hgm_cache_open(&cache, below, NULL));
  assert_false(hgm_cache_open(&cache, "", NULL));
  key_of(key, 1);
  hgm_cache_keep(&f->cache, key, f->packed, f->size);
  if (geteuid() == 0) return; // root writes everywhere
  assert_int_equal(chmod(f->cache.directory, 0500), 0);
  assert_true(hgm_cache_open(&cache, f->cache.directory, NULL));
  assert_true(found(f, key, "kept"));
  key_of(key, 2);
  hgm_cache_keep(&cache, key, f->packed, f->size);
  assert_false(found(f, key, "kept"));
}

static void set_age(const char *path, time_t seconds) {
  struct timespec times[2] = {{.tv_sec = time(NULL) - seconds}, {.tv_sec = time(NULL) - seconds}};
  assert_int_equal(utimensat(AT_FDCWD, path, times, 0), 0);
}

// Pages come back as they were; a file with half a page, or with none, is a miss, and so is a program.
static void test_pages(void **state) {
  Fixture *f = *state;
  enum { N = 3 * HGM_CACHE_PAGE };
  static const uint8_t pages[N] = {[0] = 1, [HGM_CACHE_PAGE] = 2, [N - 1] = 3};
  char key[KEY_BYTES], path[PATH_MAX + 128];
  uint8_t back[N];
  size_t n = 0;
  key_of(key, 1);
  path_of(f, path, sizeof path, key);
  assert_int_equal(hgm_cache_open_pages(&f->cache, key, &n), -1);
  hgm_cache_keep_pages(&f->cache, key, (HgmCachePiece[]){{pages, HGM_CACHE_PAGE}, {pages + HGM_CACHE_PAGE, 2 * HGM_CACHE_PAGE}}, 2);
  int file = hgm_cache_open_pages(&f->cache, key, &n);
  assert_true(file >= 0);
  assert_int_equal(n, N);
  assert_int_equal(pread(file, back, N, HGM_CACHE_PAGE), N);
  assert_memory_equal(back, pages, N);
  close(file);
  for (off_t size = N + HGM_CACHE_PAGE / 2; size >= 0; size -= HGM_CACHE_PAGE) {
    assert_int_equal(truncate(path, size), 0);
    assert_int_equal(hgm_cache_open_pages(&f->cache, key, &n), -1);
  }
  assert_int_equal(truncate(path, HGM_CACHE_PAGE), 0);
  assert_int_equal(hgm_cache_open_pages(&f->cache, key, &n), -1);
  hgm_cache_keep(&f->cache, key, f->packed, f->size);
  assert_int_equal(hgm_cache_open_pages(&f->cache, key, &n), -1);
}

// Above the limit the longest unused goes; a hit is a use.
static void test_limit(void **state) {
  Fixture *f = *state;
  enum { FILES = 5 };
  char key[KEY_BYTES], path[PATH_BYTES];
  struct stat info;
  for (int i = 0; i < FILES; i++) {
    key_of(key, i);
    hgm_cache_keep(&f->cache, key, f->packed, f->size);
    path_of(f, path, sizeof path, key);
    assert_int_equal(stat(path, &info), 0);
    set_age(path, 1000 - 100 * i);
  }
  key_of(key, 0);
  assert_true(found(f, key, "kept")); // the oldest, now the youngest
  f->cache.limit = 3 * (uint64_t)info.st_size;
  key_of(key, FILES);
  hgm_cache_keep(&f->cache, key, f->packed, f->size);
  static const bool stays[FILES + 1] = {true, false, false, false, true, true};
  for (int i = 0; i <= FILES; i++) {
    key_of(key, i);
    if (found(f, key, "kept") != stays[i]) fail_msg("program %d", i);
  }
  f->cache.limit = f->size - 1;
  key_of(key, 9);
  hgm_cache_keep(&f->cache, key, f->packed, f->size);
  assert_false(found(f, key, "kept"));
}

static void test_left_behind(void **state) {
  Fixture *f = *state;
  char key[KEY_BYTES], old[PATH_BYTES], young[PATH_BYTES], foreign[PATH_BYTES];
  snprintf(old, sizeof old, "%s/.new-abcdef", f->cache.directory);
  snprintf(young, sizeof young, "%s/.new-ghijkl", f->cache.directory);
  snprintf(foreign, sizeof foreign, "%s/notes.txt", f->cache.directory);
  write_whole(old, f->packed, 10);
  write_whole(young, f->packed, 10);
  write_whole(foreign, f->packed, 10);
  set_age(old, 5000), set_age(foreign, 5000);
  key_of(key, 1);
  f->cache.limit = f->size + 200;
  hgm_cache_keep(&f->cache, key, f->packed, f->size);
  assert_int_not_equal(access(old, F_OK), 0);
  assert_int_equal(access(young, F_OK), 0);
  assert_int_equal(access(foreign, F_OK), 0);
}

static void test_where(void **state) {
  (void)state;
  char path[PATH_MAX];
  setenv("HOME", "/h", 1), setenv("XDG_CACHE_HOME", "/x", 1), setenv("HGM_CACHE", "c", 1);
  assert_true(hgm_cache_directory(path, sizeof path));
  assert_string_equal(path, "c");
  setenv("HGM_CACHE", "", 1);
  assert_false(hgm_cache_directory(path, sizeof path));
  unsetenv("HGM_CACHE");
  assert_true(hgm_cache_directory(path, sizeof path));
  assert_string_equal(path, "/x/hgm");
  setenv("XDG_CACHE_HOME", "relative", 1);
  assert_true(hgm_cache_directory(path, sizeof path));
  assert_string_equal(path, "/h/.cache/hgm");
  unsetenv("HOME");
  assert_false(hgm_cache_directory(path, sizeof path));
}

int main(void) {
#define TEST(NAME) cmocka_unit_test_setup_teardown(NAME, setup, teardown)
  const struct CMUnitTest tests[] = {
      TEST(test_hit_and_miss),   TEST(test_flipped_bytes), TEST(test_cut_short),   TEST(test_under_another_name),
      TEST(test_not_ours_alone), TEST(test_processes),     TEST(test_full_disk),   TEST(test_directories),
      TEST(test_pages),          TEST(test_limit),         TEST(test_left_behind), cmocka_unit_test(test_where),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
