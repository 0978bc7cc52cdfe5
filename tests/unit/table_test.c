// needs: runtime
// Small files made here: several files as one, CSV's rules, NumPy's header, two-dimensional datasets with names, reading ahead.
#include "runtime/table.h"

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

#include "tests/support/folder.h"

// Opens one file, reads a column; the message or "".
static char message[2048];
static double values[64];
static int64_t n_rows;
static const char *try_bytes(const void *bytes, size_t n, const char *name) {
  FILE *file = fopen("t.csv", "wb");
  assert_non_null(file);
  assert_int_equal(fwrite(bytes, 1, n, file), n);
  fclose(file);
  const char *paths[] = {"t.csv"};
  HgmError error = {0};
  HgmTable *table;
  int column;
  n_rows = -1;
  if (hgm_table_open(&table, paths, 1, &error) && hgm_table_require(table, name, &column, &error)) {
    n_rows = hgm_table_column(table, column)->rows;
    hgm_table_read(table, column, 0, n_rows, values, &error);
  }
  hgm_table_close(table);
  unlink("t.csv");
  strcpy(message, error.text);
  return message;
}

static const char *try_csv(const char *text, const char *name) { return try_bytes(text, strlen(text), name); }

static void csv_rules(void **state) {
  (void)state;
  assert_string_equal(try_csv("pt,n\n1.5,2\n-3e2,4", "pt"), ""); // no line end behind the last row
  assert_true(n_rows == 2 && values[0] == 1.5 && values[1] == -300);
  assert_string_equal(try_csv("x\n0.1\n123456789012345678\n1e-400\n.5\n5.\n1e22\n1e23\n2.2250738585072014e-308\n", "x"),
                      "t.csv: column `x` should hold numbers, but line 3 has `123456789012345678` (beyond what a double holds); "
                      "correct the file");
  assert_string_equal(try_csv("x\n0.1\n1e-400\n.5\n5.\n1e22\n1e23\n2.2250738585072014e-308\n179769313486231570000e288\n", "x"), "");
  const double exact[] = {0.1, 0, 0.5, 5, 1e22, 1e23, 2.2250738585072014e-308, 179769313486231570000e288};
  assert_memory_equal(values, exact, sizeof exact);
  assert_string_equal(try_csv("x,y\n,NaN\nNA,null\n-inf,3\n", "x"), "");
  assert_true(isnan(values[0]) && isnan(values[1]) && values[2] == -INFINITY);
  assert_string_equal(try_csv("x,y\n\n1,2\n\n3,4\n\n", "y"), ""); // blank lines
  assert_true(n_rows == 2 && values[1] == 4);
  assert_string_equal(try_csv("# x,y\r\n1,2\r\n", "x"), ""); // NumPy's savetxt
  assert_string_equal(try_csv("x,y\n", "x"), "");
  assert_int_equal(n_rows, 0);
  assert_string_equal(try_bytes("x\n1\0002\n", 6, "x"), "t.csv, line 2: a NUL byte; this is not a text file");
  assert_string_equal(try_bytes("x\n\"1\0002\"\n", 8, "x"), "t.csv, line 2: a NUL byte; this is not a text file");
  assert_string_equal(try_csv("x,y\n1,\"2\n", "x"), "t.csv, line 2: a quote is opened here and never closed");
  assert_string_equal(try_csv("x,y\n1,\"2\"3\n", "x"), "t.csv, line 2: text after a closing quote; double the quotes inside a cell");
  assert_string_equal(try_csv("x,\n1,2\n", "x"), "t.csv, line 1: column 2 has no name; give every column one");
  assert_non_null(strstr(try_csv("x\ty\n1\t2\n", "x"), "separated by tabs; name the file .tsv"));
  assert_non_null(strstr(try_csv("x y\n1 2\n", "x"), "separated by blanks"));
  assert_string_equal(try_csv("kind,y\n\n\"two\nlines\",2\nb\n", "y"), "t.csv, line 5: 1 cells where the header has 2; correct the line or remove it");
}

static void nearest_names(void **state) {
  (void)state;
  const char *text = "Jet_pt,Jet_eta,mass\n1,2,3\n";
  assert_string_equal(try_csv(text, "Jet_pT"), "t.csv has no column `Jet_pT`; did you mean `Jet_pt`?");
  assert_string_equal(try_csv(text, "nothing_like_it"), "t.csv has no column `nothing_like_it`; it has `Jet_pt`, `Jet_eta`, `mass`");
}

static void several_files_are_one(void **state) {
  (void)state;
  folder_put("a1.csv", "x,kind,only\n0,a,1\n1,b,1\n2,a,1\n");
  folder_put("a2.csv", "kind,x\nb,3\nc,4\n");
  folder_put("list", "# two files\n a1.csv \n\na2.csv\n");
  static const char *const arguments[][2] = {{"a*.csv", NULL}, {"@list", NULL}, {"a1.csv", "a2.csv"}};
  for (int k = 0; k < 3; k++) {
    char **paths;
    int n, x, kind, columns[2];
    HgmError error = {0};
    HgmTable *table;
    assert_true(hgm_paths_expand(&paths, &n, arguments[k], arguments[k][1] == NULL ? 1 : 2, &error));
    assert_int_equal(n, 2);
    assert_true(hgm_table_open(&table, (const char *const *)paths, n, &error));
    hgm_paths_free(paths, n);
    assert_string_equal(hgm_table_name(table), "a1.csv and 1 more");
    assert_int_equal(hgm_table_n_columns(table), 2);
    assert_true(hgm_table_require(table, "x", &x, &error) && hgm_table_require(table, "kind", &kind, &error));
    assert_int_equal(hgm_table_column(table, x)->kind, HGM_COLUMN_INTEGER);
    double out[5];
    for (int first = 0; first < 5; first++)
      for (int last = first; last <= 5; last++) { // every range across the seam
        assert_true(hgm_table_read(table, x, first, last, out, &error));
        for (int i = first; i < last; i++) assert_true(out[i - first] == i);
      }
    static const char *const kinds[] = {"c", "a", "b"};
    static const double codes[] = {1, 2, 1, 2, 0};
    assert_true(hgm_table_read_codes(table, kind, 0, 5, kinds, 3, out, &error));
    assert_memory_equal(out, codes, sizeof codes);
    assert_false(hgm_table_read_codes(table, kind, 0, 5, kinds + 1, 2, out, &error));
    assert_string_equal(error.text, "a1.csv and 1 more: column `kind` has \"c\" in row 4, which the model does not list (\"a\", \"b\"); "
                                    "add it to the list or correct the file");
    error = (HgmError){0};
    assert_false(hgm_table_require(table, "only", columns, &error));
    assert_string_equal(error.text, "a2.csv has no column `only`, which a1.csv has; files that are read as one need the same columns");
    error = (HgmError){0};
    const HgmFileIdentity *identities;
    assert_true(hgm_table_identity(table, &identities, &n, &error));
    assert_true(n == 2 && identities[1].bytes == 15 && strlen(identities[1].sha256) == 64);
    assert_false(hgm_table_read(table, x, 0, 6, out, &error));
    assert_int_equal(error.exit_code, 3);
    hgm_table_close(table);
  }
  HgmError error = {0};
  char **paths;
  int n;
  const char *none[] = {"nothing*.h5"};
  assert_false(hgm_paths_expand(&paths, &n, none, 1, &error));
  assert_string_equal(error.text, "no file matches nothing*.h5");
  unlink("a1.csv");
  unlink("a2.csv");
  unlink("list");
}

// A file larger than the chunks of loading: a 2-D dataset with names, one with axes, and a table with a filter.
static void hdf5_layouts_and_reading_ahead(void **state) {
  (void)state;
  enum { N = 100000 };
  float *events = malloc(N * 3 * sizeof *events);
  for (int i = 0; i < N; i++)
    for (int j = 0; j < 3; j++) events[3 * i + j] = (float)(i % 1000) + 0.25f * (float)j;
  events[3 * 70001 + 1] = NAN;
  hsize_t shape[] = {N, 3}, chunk[] = {7000, 2}, three = 3;
  hid_t file = H5Fcreate("e.h5", H5F_ACC_TRUNC, H5P_DEFAULT, H5P_DEFAULT), space = H5Screate_simple(2, shape, NULL);
  hid_t create = H5Pcreate(H5P_DATASET_CREATE), texts = H5Screate_simple(1, &three, NULL), type = H5Tcopy(H5T_C_S1);
  H5Pset_chunk(create, 2, chunk);
  H5Pset_deflate(create, 1);
  hid_t dataset = H5Dcreate2(file, "events", H5T_IEEE_F32BE, space, H5P_DEFAULT, create, H5P_DEFAULT);
  H5Dwrite(dataset, H5T_NATIVE_FLOAT, H5S_ALL, H5S_ALL, H5P_DEFAULT, events);
  H5Tset_size(type, 4);
  hid_t names = H5Acreate2(dataset, "columns", type, texts, H5P_DEFAULT, H5P_DEFAULT);
  H5Awrite(names, type, "pt\0\0eta\0phi");
  hid_t units = H5Acreate2(dataset, "units", type, texts, H5P_DEFAULT, H5P_DEFAULT);
  H5Awrite(units, type, "GeV\0\0\0\0\0rad");
  H5Aclose(names), H5Aclose(units), H5Dclose(dataset), H5Tclose(type), H5Sclose(texts), H5Pclose(create), H5Sclose(space), H5Fclose(file);
  const char *paths[] = {"e.h5"};
  HgmError error = {0};
  HgmTable *table;
  assert_true(hgm_table_open(&table, paths, 1, &error));
  HgmWish wishes[4] = {{0}};
  static const char *const wanted[] = {"phi", "events", "pt", "eta"};
  for (int k = 0; k < 4; k++) assert_true(hgm_table_require(table, wanted[k], &wishes[k].column, &error));
  assert_string_equal(hgm_table_column(table, wishes[0].column)->unit, "rad");
  void *columns[4], *memory;
  HgmColumnReport reports[4];
  assert_true(hgm_table_load(table, wishes, 4, 2, columns, &memory, reports, &error));
  static const int place[] = {2, -1, 0, 1};
  for (int k = 0; k < 4; k++)
    for (int i = 0; i < N; i++)
      for (int j = 0; j < (k == 1 ? 3 : 1); j++) {
        double got = ((const double *)columns[k])[k == 1 ? 3 * i + j : i], truth = events[3 * i + (k == 1 ? j : place[k])];
        if (got != truth && !(isnan(got) && isnan(truth))) fail_msg("%s, row %d", wanted[k], i);
      }
  assert_true(reports[3].nan == 1 && reports[3].first_nan == 70001 && reports[1].first_nan == 70001 && reports[0].nan == 0);
  assert_true(reports[2].low == 0 && reports[2].high == 999);
  free(memory);
  hgm_table_close(table);
  free(events);
  unlink("e.h5");
  assert_int_equal(H5Fget_obj_count((hid_t)H5F_OBJ_ALL, H5F_OBJ_ALL), 0);
}

static void damaged_npy(void **state) {
  (void)state;
  static const struct {
    const char *header, *message;
  } cases[] = {
      {"{'descr': '<f8', 'fortran_order': False, 'shape': (3,), }", ""},
      {"{'descr': [('a','<f4'),('b','<f8',(2305843009213693952,))], 'fortran_order': False, 'shape': (3,), }", "cannot be understood"}, // 2^61 numbers
      {"{'descr': [('a','<f4'),('b','<f8',(4294967296,4294967296,4294967296))], 'fortran_order': False, 'shape': (1,), }", "cannot be understood"},
      {"{'descr': [('a','<f4'),('b','<f8',(0,))], 'fortran_order': False, 'shape': (6,), }", "column `b` has an axis of length 0"},
      {"{'descr': [('a','<f4'),('b','|S1',(4,))], 'fortran_order': False, 'shape': (3,), }", "column `b` holds several texts per event"},
      {"{'descr': '<f8', 'fortran_order': False, 'shape': (4,), }", "the file is truncated: its header promises 4 rows of 8 bytes and 24"},
      {"{'descr': '<f8', 'fortran_order': False, 'shape': (9223372036854775807, 9223372036854775807), }", "cannot be understood"},
      {"{'descr': '<f8', 'fortran_order': False, 'shape': (), }", "is a single value"},
      {"{'descr': '<c16', 'fortran_order': False, 'shape': (1,), }", "the type `c16`, which is not read"},
      {"{'descr': [('a', '|O')], 'fortran_order': False, 'shape': (1,), }", "which are never run"},
      {"{'descr': '<f8', 'shape': (3,), }", "cannot be understood"},
      {"{'descr': '<f8", "cannot be understood"},
      {"", "cannot be understood"},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    char bytes[512];
    size_t n = 118, header = strlen(cases[i].header);
    memcpy(bytes, "\x93NUMPY\x01\x00\x76\x00", 10);
    memset(bytes + 10, ' ', n);
    memcpy(bytes + 10, cases[i].header, header);
    memset(bytes + 10 + n, 0, 24);
    FILE *file = fopen("d.npy", "wb");
    fwrite(bytes, 1, 10 + n + 24, file);
    fclose(file);
    const char *paths[] = {"d.npy"};
    HgmError error = {0};
    HgmTable *table;
    double numbers[64];
    int column;
    bool fine = hgm_table_open(&table, paths, 1, &error);
    for (int k = 0; fine && k < hgm_table_n_columns(table); k++)
      fine = hgm_table_require(table, hgm_table_column(table, k)->name, &column, &error) && hgm_table_read(table, column, 0, 1, numbers, &error);
    if (fine != (cases[i].message[0] == '\0') || strstr(error.text, cases[i].message) == NULL) fail_msg("%d: %s", (int)i, error.text);
    hgm_table_close(table);
  }
  unlink("d.npy");
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(csv_rules),   cmocka_unit_test(nearest_names), cmocka_unit_test(several_files_are_one), cmocka_unit_test(hdf5_layouts_and_reading_ahead),
      cmocka_unit_test(damaged_npy),
  };
  return cmocka_run_group_tests(tests, folder_enter, folder_leave);
}
