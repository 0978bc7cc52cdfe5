// needs: runtime
// Chunked HDF5 datasets opened without the library's filters, against what the library itself reads: every filter and their combinations, number
// types of both byte orders, chunks that do not fit the rows, holes; and damage in the middle of a file.
#include <hdf5.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "runtime/table.h"
#include "runtime/unfilter.h"

enum { ROWS = 1000, WIDE = 7, N = ROWS * WIDE };
static char folder[] = "/tmp/hgm-chunks-XXXXXX", path[sizeof folder + 5];

static int set_up(void **state) {
  (void)state;
  if (mkdtemp(folder) == NULL) return -1;
  snprintf(path, sizeof path, "%s/x.h5", folder);
  return 0;
}
static int tear_down(void **state) {
  (void)state;
  return unlink(path) != 0 ? -1 : rmdir(folder);
}

typedef struct Layout {
  hsize_t rows, columns; // of a chunk
  bool shuffle, gzip, checksum;
  hsize_t written; // rows; the rest are holes
} Layout;

static void put_dataset(hid_t file, const char *name, hid_t type, const Layout *layout, const double *values) {
  hsize_t shape[2] = {ROWS, WIDE}, chunk[2] = {layout->rows, layout->columns}, count[2] = {layout->written, WIDE}, start[2] = {0, 0};
  hid_t space = H5Screate_simple(2, shape, NULL), plist = H5Pcreate(H5P_DATASET_CREATE);
  H5Pset_chunk(plist, 2, chunk);
  double fill = 5;
  H5Pset_fill_value(plist, H5T_NATIVE_DOUBLE, &fill);
  if (layout->shuffle) H5Pset_shuffle(plist);
  if (layout->gzip) H5Pset_deflate(plist, 6);
  if (layout->checksum) H5Pset_fletcher32(plist);
  hid_t dataset = H5Dcreate2(file, name, type, space, H5P_DEFAULT, plist, H5P_DEFAULT);
  assert_true(dataset >= 0);
  hid_t memory = H5Screate_simple(2, count, NULL);
  H5Sselect_hyperslab(space, H5S_SELECT_SET, start, NULL, count, NULL);
  assert_true(H5Dwrite(dataset, H5T_NATIVE_DOUBLE, memory, space, H5P_DEFAULT, values) >= 0);
  H5Dclose(dataset);
  H5Sclose(memory);
  H5Pclose(plist);
  H5Sclose(space);
}

static void read_by_library(const char *name, double *values) {
  hid_t file = H5Fopen(path, H5F_ACC_RDONLY, H5P_DEFAULT), dataset = H5Dopen2(file, name, H5P_DEFAULT);
  assert_true(H5Dread(dataset, H5T_NATIVE_DOUBLE, H5S_ALL, H5S_ALL, H5P_DEFAULT, values) >= 0);
  H5Dclose(dataset);
  H5Fclose(file);
}

// Loads one column; the values are the caller's to free, or NULL with a message.
static double *load(const char *name, int threads, HgmError *error) {
  const char *paths[] = {path};
  HgmTable *table;
  HgmWish wish = {0};
  void *values = NULL, *memory = NULL;
  if (hgm_table_open(&table, paths, 1, error) && hgm_table_require(table, name, &wish.column, error))
    hgm_table_load(table, &wish, 1, threads, &values, &memory, NULL, error);
  hgm_table_close(table);
  return memory;
}

static const Layout LAYOUTS[] = {
    {128, WIDE, false, false, false, ROWS}, {128, WIDE, false, true, false, ROWS}, {128, WIDE, true, true, false, ROWS},
    {ROWS, WIDE, true, true, true, ROWS},   {1, WIDE, true, true, false, ROWS},    {100, 3, true, true, true, ROWS},
    {64, 1, true, false, true, ROWS},       {128, 2, true, true, false, 300},      {300, WIDE, false, false, true, 299},
};
enum { N_LAYOUTS = sizeof LAYOUTS / sizeof *LAYOUTS };

static void like_the_library(void **state) {
  (void)state;
  const hid_t types[] = {H5T_IEEE_F32LE, H5T_IEEE_F32BE, H5T_IEEE_F64LE, H5T_IEEE_F64BE, H5T_STD_I8LE, H5T_STD_U16BE,
                         H5T_STD_I32LE,  H5T_STD_U32BE,  H5T_STD_I64BE,  H5T_STD_U64LE,  H5T_STD_U8LE};
  double *values = malloc(N * sizeof *values), *expected = malloc(N * sizeof *expected);
  for (int i = 0; i < N; i++) values[i] = (i * 2654435761u >> 9) % 101 + (i % 3 == 0 ? 0.25 : 0);
  for (size_t t = 0; t < sizeof types / sizeof *types; t++)
    for (int l = 0; l < N_LAYOUTS; l++) {
      hid_t file = H5Fcreate(path, H5F_ACC_TRUNC, H5P_DEFAULT, H5P_DEFAULT);
      put_dataset(file, "x", types[t], &LAYOUTS[l], values);
      H5Fclose(file);
      read_by_library("x", expected);
      assert_true(LAYOUTS[l].written == ROWS || expected[N - 1] == 5);
      for (int threads = 1; threads <= 2; threads++) {
        HgmError error = {0};
        double *got = load("x", threads, &error);
        assert_string_equal(error.text, "");
        assert_memory_equal(got, expected, N * sizeof *got);
        free(got);
      }
    }
  free(expected);
  free(values);
}

// ---- damage

static long address_of_chunk(const char *name, hsize_t index, hsize_t *bytes) {
  hid_t file = H5Fopen(path, H5F_ACC_RDONLY, H5P_DEFAULT), dataset = H5Dopen2(file, name, H5P_DEFAULT), space = H5Dget_space(dataset);
  hsize_t offset[2];
  unsigned mask;
  haddr_t address = 0;
  assert_true(H5Dget_chunk_info(dataset, space, index, offset, &mask, &address, bytes) >= 0);
  H5Sclose(space);
  H5Dclose(dataset);
  H5Fclose(file);
  return (long)address;
}

static void turn_byte(long at) {
  FILE *file = fopen(path, "r+b");
  fseek(file, at, SEEK_SET);
  int byte = fgetc(file);
  fseek(file, at, SEEK_SET);
  fputc(byte ^ 0x55, file);
  fclose(file);
}

static void write_one(const Layout *layout) {
  double *values = malloc(N * sizeof *values);
  for (int i = 0; i < N; i++) values[i] = (i * 2654435761u >> 9) % 1009;
  hid_t file = H5Fcreate(path, H5F_ACC_TRUNC, H5P_DEFAULT, H5P_DEFAULT);
  put_dataset(file, "x", H5T_IEEE_F32LE, layout, values);
  H5Fclose(file);
  free(values);
}

static void expect_damage(const char *what) {
  char alone[2048] = "";
  for (int threads = 1; threads <= 2; threads++) {
    HgmError error = {0};
    double *got = load("x", threads, &error);
    assert_null(got);
    assert_int_equal(error.exit_code, 2);
    if (strstr(error.text, what) == NULL || strstr(error.text, "rows 300 to 399") == NULL) fail_msg("%s: not in: %s", what, error.text);
    if (threads == 1) strcpy(alone, error.text);
    else assert_string_equal(error.text, alone); // of several damages the first counts
  }
}

static void damage_is_named_with_its_rows(void **state) {
  (void)state;
  hsize_t bytes;
  write_one(&(Layout){100, WIDE, true, true, false, ROWS});
  long third = address_of_chunk("x", 3, &bytes);
  turn_byte(third + (long)bytes / 2);
  turn_byte(address_of_chunk("x", 7, &bytes) + 20);
  expect_damage("gzip");
  write_one(&(Layout){100, WIDE, false, false, true, ROWS});
  turn_byte(address_of_chunk("x", 3, &bytes) + 100);
  expect_damage("checksum (Fletcher-32)");
}

// A chunk longer than its elements, whose last filter only changes the order of bytes: nothing beyond a buffer is read or written.
static void a_chunk_that_is_too_long(void **state) {
  (void)state;
  static char long_chunk[4 * 100 * WIDE * sizeof(float)];
  hsize_t shape[2] = {ROWS, WIDE}, chunk[2] = {100, WIDE}, at[2] = {300, 0};
  hid_t file = H5Fcreate(path, H5F_ACC_TRUNC, H5P_DEFAULT, H5P_DEFAULT), space = H5Screate_simple(2, shape, NULL), plist = H5Pcreate(H5P_DATASET_CREATE);
  H5Pset_chunk(plist, 2, chunk);
  H5Pset_deflate(plist, 6);
  H5Pset_shuffle(plist);
  hid_t dataset = H5Dcreate2(file, "x", H5T_IEEE_F32LE, space, H5P_DEFAULT, plist, H5P_DEFAULT);
  assert_true(H5Dwrite_chunk(dataset, H5P_DEFAULT, 0, at, sizeof long_chunk, long_chunk) >= 0);
  H5Dclose(dataset);
  H5Pclose(plist);
  H5Sclose(space);
  H5Fclose(file);
  expect_damage("it has another length than its chunk");
}

static void unlzf_and_unshuffle(void **state) {
  (void)state;
  unsigned char out[64], from[24];
  size_t n = 0;
  const unsigned char stream[] = {2, 'a', 'b', 'c', 0x80, 2}; // three literals, then six bytes from three back
  assert_null(hgm_unlzf(stream, sizeof stream, out, sizeof out, &n));
  assert_int_equal(n, 9);
  assert_memory_equal(out, "abcabcabc", 9);
  assert_non_null(hgm_unlzf(stream, 3, out, sizeof out, &n));
  for (size_t size = 1; size <= 8; size++) {
    size_t count = sizeof from / size;
    for (size_t i = 0; i < count; i++)
      for (size_t k = 0; k < size; k++) from[k * count + i] = (unsigned char)(i * size + k);
    for (size_t i = count * size; i < sizeof from; i++) from[i] = (unsigned char)i;
    hgm_unshuffle(from, out, sizeof from, size);
    for (size_t i = 0; i < sizeof from; i++) assert_int_equal(out[i], i);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(like_the_library),
      cmocka_unit_test(damage_is_named_with_its_rows),
      cmocka_unit_test(a_chunk_that_is_too_long),
      cmocka_unit_test(unlzf_and_unshuffle),
  };
  return cmocka_run_group_tests(tests, set_up, tear_down);
}
