// needs: runtime
// What is written is read back by the readers (other code), by HDF5's library directly, and byte by byte where the format says so.
#include "runtime/writer.h"

#include <errno.h>
#include <hdf5.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

enum { ROWS = 3000 };

static char folder[] = "/tmp/hgm-writer-XXXXXX";

static const char *path_of(const char *name) {
  static _Thread_local char path[4][128];
  static _Thread_local int next;
  next = (next + 1) % 4;
  snprintf(path[next], sizeof path[next], "%s/%s", folder, name);
  return path[next];
}

static const char *const CLASSES[] = {"QCD", "say \"hi\", twice", "W"};
static const HgmOutColumn COLUMNS[] = {
    {.name = "pt", .type = HGM_FILE_F32, .unit = "GeV"},
    {.name = "mass", .type = HGM_FILE_F64},
    {.name = "charge", .type = HGM_FILE_I8},
    {.name = "event", .type = HGM_FILE_I64},
    {.name = "cells", .type = HGM_FILE_F32, .rank = 2, .shape = {2, 3}, .unit = "MeV"},
    {.name = "label", .type = HGM_FILE_TEXT, .texts = CLASSES, .n_texts = 3},
    {.name = "tagged", .type = HGM_FILE_BOOL},
};
enum { N_COLUMNS = 7 };

static double *VALUES[N_COLUMNS];

static double expected(int column, int64_t row, int64_t element) {
  switch (column) {
  case 0: return (double)(float)(20.1 + 0.37 * (double)row);
  case 1: return row == 7 ? NAN : row == 9 ? -INFINITY : 1.0 / (1.0 + (double)row);
  case 2: return row % 3 == 0 ? -1 : 1;
  case 3: return 9007199254740992.0 - ROWS + (double)row; // up to 2^53
  case 4: return (double)(float)((double)row * 0.01 + (double)element);
  case 6: return (double)(row % 2);
  }
  return (double)(row % 3);
}

static int64_t elements_of(int column) { return column == 4 ? 6 : 1; }

static int set_up(void **state) {
  (void)state;
  if (mkdtemp(folder) == NULL) return -1;
  for (int k = 0; k < N_COLUMNS; k++) {
    VALUES[k] = malloc((size_t)(ROWS * elements_of(k)) * sizeof(double));
    for (int64_t i = 0; i < ROWS * elements_of(k); i++) VALUES[k][i] = expected(k, i / elements_of(k), i % elements_of(k));
  }
  return 0;
}

static int tear_down(void **state) {
  (void)state;
  for (int k = 0; k < N_COLUMNS; k++) free(VALUES[k]);
  return rmdir(folder); // fails when a test leaves a file, also a temporary one
}

static void write_events(const char *path, const HgmOutColumn *columns, int n) {
  static const HgmAttribute attributes[] = {
      {.name = "hgmc_version", .kind = HGM_ATTRIBUTE_TEXT, .text = "0.1.0"},
      {.name = "first_event", .kind = HGM_ATTRIBUTE_INTEGER, .integer = 1000},
      {.name = "scale", .kind = HGM_ATTRIBUTE_REAL, .real = 0.5},
  };
  HgmError error = {0};
  HgmWriter *writer;
  assert_true(hgm_writer_open(&writer, path, columns, n, attributes, 3, false, NULL, &error));
  assert_int_equal(access(path, F_OK), -1);                    // not there before it is complete
  for (int64_t first = 0, rows; first < ROWS; first += rows) { // uneven pieces
    rows = first == 0 ? 1 : first + 333 < ROWS ? 333 : ROWS - first;
    const double *values[N_COLUMNS];
    for (int k = 0; k < n; k++) values[k] = VALUES[k] + first * elements_of(k);
    assert_true(hgm_writer_append(writer, values, rows, &error));
  }
  assert_true(hgm_writer_finish(writer, &error));
  assert_string_equal(error.text, "");
}

static bool same(double a, double b) { return a == b || (isnan(a) && isnan(b)); }

// In the type of the file the same numbers as the doubles that were read.
static void check_as_in_file(HgmTable *table, int column, bool is_text, const double *values, int64_t n) {
  HgmError error = {0};
  HgmWish wish = {.column = column, .texts = is_text ? CLASSES : NULL, .n_texts = is_text ? 3 : 0, .as_in_file = true};
  HgmFileType type = hgm_wish_type(table, &wish);
  void *kept, *memory;
  assert_int_equal(type, is_text ? HGM_FILE_U8 : hgm_table_column(table, column)->type);
  assert_true(hgm_table_load(table, &wish, 1, 2, &kept, &memory, NULL, &error));
  for (int64_t i = 0; i < n; i++)
    if (!same(hgm_number(type, kept, i), values[i])) fail_msg("%s, number %d", hgm_table_column(table, column)->name, (int)i);
  free(memory);
}

static void check_column(HgmTable *table, const char *name, int which, int64_t element) {
  HgmError error = {0};
  int column;
  if (!hgm_table_require(table, name, &column, &error)) fail_msg("%s", error.text);
  int64_t n = element < 0 ? elements_of(which) : 1;
  assert_int_equal(hgm_table_column(table, column)->rows, ROWS);
  assert_int_equal(hgm_table_column(table, column)->elements, n);
  double *values = malloc((size_t)(ROWS * n) * sizeof *values);
  bool fine = which == 5 ? hgm_table_read_codes(table, column, 0, ROWS, CLASSES, 3, values, &error) : hgm_table_read(table, column, 0, ROWS, values, &error);
  if (!fine) fail_msg("%s", error.text);
  for (int64_t i = 0; i < ROWS * n; i++) // CSV holds the shortest decimals of a float32
    if (!same(COLUMNS[which].type == HGM_FILE_F32 ? (double)(float)values[i] : values[i], expected(which, i / n, element < 0 ? i % n : element)))
      fail_msg("%s, row %d: %.17g", name, (int)(i / n), values[i]);
  check_as_in_file(table, column, which == 5, values, ROWS * n);
  free(values);
}

static void check_file(const char *path, const char *prefix, bool has_whole) {
  HgmError error = {0};
  HgmTable *table;
  if (!hgm_table_open(&table, &path, 1, &error)) fail_msg("%s", error.text);
  for (int k = 0; k < N_COLUMNS; k++) {
    char name[64];
    if (k == 4 && !has_whole) {
      for (int64_t i = 0; i < 6; i++) {
        snprintf(name, sizeof name, "cells[%d]", (int)i);
        check_column(table, name, 4, i);
      }
      continue;
    }
    snprintf(name, sizeof name, "%s%s", prefix, COLUMNS[k].name);
    check_column(table, name, k, -1);
  }
  hgm_table_close(table);
  assert_int_equal(unlink(path), 0);
}

static void hdf5_reads_back(void **state) {
  (void)state;
  const char *path = path_of("events.h5");
  write_events(path, COLUMNS, N_COLUMNS);
  hid_t file = H5Fopen(path, H5F_ACC_RDONLY, H5P_DEFAULT);
  assert_true(file >= 0);
  hid_t dataset = H5Dopen2(file, "cells", H5P_DEFAULT), type = H5Dget_type(dataset), plist = H5Dget_create_plist(dataset);
  assert_true(H5Tequal(type, H5T_IEEE_F32LE) > 0);
  assert_int_equal(H5Pget_nfilters(plist), 2); // shuffle, gzip
  H5Pclose(plist);
  H5Tclose(type);
  H5Dclose(dataset);
  hid_t attribute = H5Aopen(file, "first_event", H5P_DEFAULT);
  long long first = 0;
  assert_true(H5Aread(attribute, H5T_NATIVE_LLONG, &first) >= 0);
  assert_int_equal(first, 1000);
  H5Aclose(attribute);
  assert_int_equal(H5Fget_obj_count(file, H5F_OBJ_ALL), 1);
  H5Fclose(file);
  HgmError error = {0};
  HgmTable *table;
  assert_true(hgm_table_open(&table, &path, 1, &error));
  assert_string_equal(hgm_table_column(table, hgm_table_find(table, "pt"))->unit, "GeV");
  assert_int_equal(hgm_table_column(table, hgm_table_find(table, "charge"))->type, HGM_FILE_I8);
  assert_int_equal(hgm_table_column(table, hgm_table_find(table, "tagged"))->type, HGM_FILE_BOOL);
  hgm_table_close(table);
  check_file(path, "", true);
  assert_int_equal(H5Fget_obj_count((hid_t)H5F_OBJ_ALL, H5F_OBJ_ALL), 0); // nothing stays open
}

static void hdf5_makes_groups(void **state) {
  (void)state;
  const HgmOutColumn columns[] = {{.name = "jets/first/pt", .type = HGM_FILE_F32}, {.name = "jets/n", .type = HGM_FILE_F64}};
  const char *path = path_of("groups.h5");
  write_events(path, columns, 2);
  const char *group[] = {path_of("groups.h5:/jets/first")};
  HgmError error = {0};
  HgmTable *table;
  assert_true(hgm_table_open(&table, group, 1, &error));
  check_column(table, "pt", 0, -1);
  hgm_table_close(table);
  unlink(path);
}

static void other_formats_read_back(void **state) {
  (void)state;
  write_events(path_of("events.npy"), COLUMNS, N_COLUMNS);
  check_file(path_of("events.npy"), "", true);
  write_events(path_of("events.npz"), COLUMNS, N_COLUMNS);
  check_file(path_of("events.npz"), "", true);
  write_events(path_of("events.csv"), COLUMNS, N_COLUMNS);
  check_file(path_of("events.csv"), "", false);
  write_events(path_of("events.tsv"), COLUMNS, N_COLUMNS);
  check_file(path_of("events.tsv"), "", false);
}

static void npy_of_one_column_is_plain(void **state) {
  (void)state;
  const char *path = path_of("mass.npy");
  write_events(path, COLUMNS + 1, 1); // VALUES[0] under the name mass
  FILE *file = fopen(path, "rb");
  char bytes[1024] = "";
  assert_true(fread(bytes, 1, sizeof bytes - 1, file) > 200);
  fclose(file);
  assert_memory_equal(bytes, "\x93NUMPY\x02\x00", 8);
  assert_string_equal(strstr(bytes + 12, "{") == NULL ? "" : "{", "{");
  assert_non_null(strstr(bytes + 12, "'descr': '<f8', 'fortran_order': False, 'shape': (3000,), }"));
  size_t header = 12 + (unsigned char)bytes[8] + 256u * (unsigned char)bytes[9];
  assert_int_equal(header % 64, 0);
  assert_int_equal(bytes[header - 1], '\n');
  unlink(path);
}

static void csv_looks_as_said(void **state) {
  (void)state;
  const HgmOutColumn columns[] = {{.name = "pt", .type = HGM_FILE_F32, .unit = "GeV"},
                                  {.name = "n", .type = HGM_FILE_I32},
                                  {.name = "label", .type = HGM_FILE_TEXT, .texts = CLASSES, .n_texts = 3}};
  const double pt[] = {0.1, 33.25, NAN}, n[] = {3.2, -0.2, 7}, label[] = {0, 1, 2};
  const double *values[] = {pt, n, label};
  HgmError error = {0};
  HgmWriter *writer;
  const char *path = path_of("few.csv");
  assert_true(hgm_writer_open(&writer, path, columns, 3, NULL, 0, false, NULL, &error));
  assert_true(hgm_writer_append(writer, values, 3, &error));
  assert_true(hgm_writer_finish(writer, &error));
  char *text;
  size_t bytes;
  assert_true(hgm_io_read_file(path, &text, &bytes, &error));
  assert_string_equal(text, "pt [GeV],n,label\n0.1,3,QCD\n33.25,0,\"say \"\"hi\"\", twice\"\nnan,7,W\n");
  free(text);
  unlink(path);
}

static void values_that_do_not_fit(void **state) {
  (void)state;
  static const struct {
    HgmFileType type;
    double value;
    bool fits;
  } cases[] = {
      {HGM_FILE_I8, 127.4, true},  {HGM_FILE_I8, 128, false},      {HGM_FILE_I8, -128, true},    {HGM_FILE_I8, -129, false},
      {HGM_FILE_U8, 255, true},    {HGM_FILE_U8, -1, false},       {HGM_FILE_U8, 256, false},    {HGM_FILE_I32, 2147483648.0, false},
      {HGM_FILE_I32, NAN, false},  {HGM_FILE_I64, 0x1p63, false},  {HGM_FILE_U64, 0x1p63, true}, {HGM_FILE_U64, 0x1p64, false},
      {HGM_FILE_F32, 1e39, false}, {HGM_FILE_F32, INFINITY, true}, {HGM_FILE_TEXT, 3, false},    {HGM_FILE_TEXT, -1, false},
      {HGM_FILE_TEXT, NAN, false}, {HGM_FILE_I16, 40000, false},   {HGM_FILE_U16, 40000, true},  {HGM_FILE_U32, 4294967295.0, true},
      {HGM_FILE_BOOL, 1, true},    {HGM_FILE_BOOL, 2, false},      {HGM_FILE_BOOL, -1, false},
  };
  static const char *const names[] = {"bad.h5", "bad.npy", "bad.npz", "bad.csv"};
  for (size_t f = 0; f < 4; f++)
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
      HgmOutColumn column = {.name = "x", .type = cases[i].type, .texts = CLASSES, .n_texts = 3};
      HgmError error = {0};
      HgmWriter *writer;
      const double xs[] = {1, cases[i].value}, *values[] = {xs};
      assert_true(hgm_writer_open(&writer, path_of(names[f]), &column, 1, NULL, 0, false, NULL, &error));
      assert_int_equal(hgm_writer_append(writer, values, 2, &error), cases[i].fits);
      hgm_writer_abandon(writer);
      if (cases[i].fits) continue;
      assert_non_null(strstr(error.text, "column `x`"));
      assert_non_null(strstr(error.text, "row 1"));
      assert_int_equal(access(path_of(names[f]), F_OK), -1);
    }
}

static void existing_outputs_are_refused(void **state) {
  (void)state;
  const char *path = path_of("old.csv");
  FILE *file = fopen(path, "w");
  fputs("precious", file);
  fclose(file);
  HgmError error = {0};
  HgmWriter *writer;
  assert_false(hgm_writer_open(&writer, path, COLUMNS, 1, NULL, 0, false, NULL, &error));
  assert_non_null(strstr(error.text, "old.csv: exists; add --force"));
  error = (HgmError){0};
  assert_true(hgm_writer_open(&writer, path, COLUMNS, 1, NULL, 0, true, NULL, &error));
  hgm_writer_abandon(writer); // the old file is still there
  char *text;
  size_t n;
  assert_true(hgm_io_read_file(path, &text, &n, &error));
  assert_string_equal(text, "precious");
  free(text);
  unlink(path);
  assert_false(hgm_writer_check(path_of("no/such/folder.h5"), false, &error));
  error = (HgmError){0};
  assert_false(hgm_writer_check(path_of("events.xyz"), false, &error));
  assert_non_null(strstr(error.text, "unknown ending"));
}

// ---- the n-th call fails

typedef struct Faults {
  int countdown;
} Faults; // the call that makes it 0 fails

static bool strikes(Faults *faults, int number) {
  if (--faults->countdown != 0) return false;
  errno = number;
  return true;
}
static ssize_t faulty_write(void *data, int file, const void *bytes, size_t n) { return strikes(data, ENOSPC) ? -1 : write(file, bytes, n); }
static int faulty_sync(void *data, int file) { return strikes(data, EIO) ? -1 : fsync(file); }
static int faulty_rename(void *data, const char *from, const char *to) { return strikes(data, EACCES) ? -1 : rename(from, to); }

static void failed_writes_leave_the_old_file(void **state) {
  (void)state;
  static const char *const names[] = {"f.h5", "f.npy", "f.npz", "f.csv"};
  for (size_t f = 0; f < 4; f++) {
    const char *path = path_of(names[f]);
    int failures = 0;
    for (int n = 1;; n++) {
      FILE *file = fopen(path, "w");
      fputs("precious", file);
      fclose(file);
      Faults faults = {.countdown = n};
      HgmIo io = {.write = faulty_write, .sync = faulty_sync, .rename = faulty_rename, .data = &faults};
      HgmError error = {0};
      HgmWriter *writer;
      const double *values[N_COLUMNS];
      for (int k = 0; k < N_COLUMNS; k++) values[k] = VALUES[k];
      bool fine = hgm_writer_open(&writer, path, COLUMNS, N_COLUMNS, NULL, 0, true, &io, &error);
      for (int i = 0; i < 10 && fine; i++) { // more than one buffer
        fine = hgm_writer_append(writer, values, ROWS, &error);
        if (!fine) hgm_writer_abandon(writer);
      }
      fine = fine && hgm_writer_finish(writer, &error);
      if (fine) break;
      failures++;
      assert_non_null(strstr(error.text, names[f]));
      assert_true(strstr(error.text, strerror(ENOSPC)) != NULL || strstr(error.text, strerror(EIO)) != NULL || strstr(error.text, strerror(EACCES)) != NULL);
      if (strstr(error.text, "directory") != NULL) continue; // the rename is done: the new file stands
      char *text;
      size_t bytes;
      HgmError ignored = {0};
      assert_true(hgm_io_read_file(path, &text, &bytes, &ignored));
      assert_string_equal(text, "precious");
      free(text);
    }
    assert_true(failures >= 3); // at least sync, rename, directory
    unlink(path);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(hdf5_reads_back),
      cmocka_unit_test(hdf5_makes_groups),
      cmocka_unit_test(other_formats_read_back),
      cmocka_unit_test(npy_of_one_column_is_plain),
      cmocka_unit_test(csv_looks_as_said),
      cmocka_unit_test(values_that_do_not_fit),
      cmocka_unit_test(existing_outputs_are_refused),
      cmocka_unit_test(failed_writes_leave_the_old_file),
  };
  return cmocka_run_group_tests(tests, set_up, tear_down);
}
