// needs: runtime
// Every file of the shared folder of awkward data has its expected result or message (table_test makes its own files).
// Means and values come from the folder's description, not from our readers.
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

// HDF5 1.10 loses 96 bytes of its own per dataset whose header it cannot decode (latest_format.h5); objects that we leave open
// are found by H5Fget_obj_count below.
const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void) { return "leak:libhdf5\nleak:H5O_pline_copy"; } // the shared library, the archive

static const char FOLDER[] = "../shared/data/awkward";

// One column of a file: rows and first value, or the message of opening, asking or loading.
typedef struct Case {
  const char *file, *column; // column NULL: opening must fail
  const char *message;       // part of the message; NULL: it is read
  int64_t rows;
  double first, mean; // NAN: not looked at
} Case;

static const Case CASES[] = {
    {"lzf.h5", "pt", NULL, 200, 11.2969, NAN},
    {"pandas_table_categorical.h5", "pt", NULL, 200, 11.2969, NAN},
    {"pandas_table_categorical.h5", "eta", NULL, 200, 0.5616, NAN},
    {"pandas_fixed.h5", "pt", NULL, 200, 11.2969, NAN},
    {"pandas_fixed.h5", "eta", NULL, 200, 0.5616, NAN},
    {"pandas_fixed_mixed.h5", "pt", NULL, 200, 11.2969, NAN},
    {"pandas_fixed_mixed.h5", "n", NULL, 200, 6, NAN},
    {"compound.h5", "pt", NULL, 200, 11.2969, NAN},
    {"compound.h5", "p4[0]", NULL, 200, 0.6123, NAN},
    {"compound.h5", "hit.layer", NULL, 200, 0, NAN},
    {"compound.h5", "p4[4]", "has no column `p4[4]`; did you mean", 0, NAN, NAN},
    {"big_endian.h5", "x", NULL, 200, 0.5616, -0.12592},
    {"big_endian.h5", "i", NULL, 200, 0, 99.5},
    {"big_endian.h5", "u", NULL, 200, 0, 29850},
    {"strings.h5", "pt", NULL, 200, 11.2969, NAN},
    {"strings.h5", "fixed", "column `fixed` holds text, not numbers", 0, NAN, NAN},
    {"strings.h5", "vlen", "column `vlen` holds text, not numbers", 0, NAN, NAN},
    {"small_ints.h5", "q", NULL, 200, 1, 0.02},
    {"small_ints.h5", "flag", NULL, 200, 1, 0.325},
    {"small_ints.h5", "f2", NULL, 200, 11.2969, NAN},
    {"small_ints.h5", "i64", "column `i64` has 9007199254740993 in row 1, beyond 2^53", 0, NAN, NAN},
    {"empty.h5", "pt", "empty.h5: column `pt` has no rows", 0, NAN, NAN},
    {"empty.h5", "img", "empty.h5: column `img` has no rows", 0, NAN, NAN},
    {"empty.h5", "null", "column `null` holds no data (a null dataspace)", 0, NAN, NAN},
    {"empty.h5", "scalar", "column `scalar` is a single value, not one per event", 0, NAN, NAN},
    {"constant_column.h5", "c", NULL, 200, 4, 4},
    {"constant_column.h5", "y", NULL, 200, 1.1232, NAN},
    {"nested_unlimited.h5", "a/b/c/pt", NULL, 200, 11.2969, NAN},
    {"nested_unlimited.h5", "a/link", NULL, 200, 11.2969, NAN},
    {"nested_unlimited.h5", "a/broken", "column `a/broken` is a link to /no/such, which does not exist", 0, NAN, NAN},
    {"nested_unlimited.h5", "pt", "did you mean `a/b/c/pt`?", 0, NAN, NAN},
    {"nested_unlimited.h5:/a/b/c", "pt", NULL, 200, 11.2969, NAN},
    {"nested_unlimited.h5:/a/x", NULL, "has no group `/a/x`", 0, NAN, NAN},
    {"truncated.h5", NULL, "truncated.h5: the HDF5 file is truncated or damaged", 0, NAN, NAN},
    {"not_hdf5.h5", NULL, "not_hdf5.h5: this is not an HDF5 file", 0, NAN, NAN},
    {"zero_bytes.csv", NULL, "zero_bytes.csv: the file is empty", 0, NAN, NAN},
    {"messy.csv", "pt", NULL, 7, 1.5, 4.5},
    {"messy.csv", "n", NULL, 7, 1, 4},
    {"messy.csv", "η", NULL, 7, 0.25, NAN},
    {"sentinel.csv", "iso", NULL, 200, -999, NAN},
    {"half_written.csv", NULL, "half_written.csv, line 201: the file ends in the middle of a row (2 cells of 3", 0, NAN, NAN},
    {"short_row.csv", NULL, "short_row.csv, line 52: 2 cells where the header has 3", 0, NAN, NAN},
    {"long_row.csv", NULL, "long_row.csv, line 52: 4 cells where the header has 3", 0, NAN, NAN},
    {"duplicate_names.csv", NULL, "columns 1 and 3 are both named `pt`", 0, NAN, NAN},
    {"no_header.csv", NULL, "line 1: holds numbers where the names of the columns should stand", 0, NAN, NAN},
    {"text_cell.csv", "pt", "column `pt` should hold numbers, but line 11 has `hello`", 0, NAN, NAN},
    {"text_cell.csv", "eta", NULL, 201, 0.5616, NAN},
    {"tabs.tsv", "pt", NULL, 200, 11.2969, NAN},
    {"spaces.txt", NULL, "spaces.txt: columns aligned with blanks are not read", 0, NAN, NAN},
    {"semicolon_decimal_comma.csv", NULL, "separated by semicolons, perhaps with decimal commas", 0, NAN, NAN},
    {"locale_big_numbers.csv", "x", "line 3 has `1e309` (beyond what a double holds), line 5 has `0x1p-3`, line 6 has `1_000`", 0, NAN, NAN},
    {"fortran_order.npy", "fortran_order", NULL, 200, 11.2969, NAN},
    {"c_order_f4.npy", "c_order_f4", NULL, 200, 11.2969, NAN},
    {"big_endian.npy", "big_endian", NULL, 200, 11.2969, NAN},
    {"structured.npy", "eta", NULL, 200, 0.5616, NAN},
    {"structured.npy", "q", NULL, 200, 1, 0.02},
    {"object.npy", NULL, "object.npy: holds Python objects (a pickle), which are never run", 0, NAN, NAN},
    {"arrays.npz", "x", NULL, 200, 11.2969, NAN},
    {"arrays.npz", "y", NULL, 200, 0, 99.5},
    {"arrays_compressed.npz", "x", NULL, 200, 11.2969, NAN},
    {"arrays_compressed.npz", "y", NULL, 200, 0, 99.5},
};

// Skips the test, with a line, where the folder is not.
static void need_folder(void) {
  if (access(FOLDER, R_OK) == 0) return;
  print_message("skipped: %s is not here\n", FOLDER);
  skip();
}

static HgmTable *open_one(const char *name, HgmError *error) {
  char path[256];
  snprintf(path, sizeof path, "%s/%s", FOLDER, name);
  const char *paths[] = {path};
  HgmTable *table;
  bool fine = hgm_table_open(&table, paths, 1, error);
  assert_true(fine == (table != NULL) && fine == (error->text[0] == '\0'));
  return table;
}

static void run_case(const Case *c) {
  HgmError error = {0};
  HgmTable *table = open_one(c->file, &error);
  HgmWish wish = {0};
  void *numbers = NULL, *memory = NULL;
  bool fine = table != NULL && c->column != NULL && hgm_table_require(table, c->column, &wish.column, &error) &&
              hgm_table_load(table, &wish, 1, 1, &numbers, &memory, NULL, &error);
  const double *values = numbers;
  if (c->message != NULL) {
    if (fine || strstr(error.text, c->message) == NULL) fail_msg("%s, %s: \"%s\"", c->file, c->column, error.text);
    assert_true(error.exit_code == 1 || error.exit_code == 2);
    assert_null(memory);
  } else {
    if (!fine) fail_msg("%s: %s", c->file, error.text);
    const HgmColumn *column = hgm_table_column(table, wish.column);
    double sum = 0;
    for (int64_t i = 0; i < c->rows; i++) sum += values[i];
    if (column->rows != c->rows || fabs(values[0] - c->first) > 5e-5 * (1 + fabs(c->first)) ||
        (!isnan(c->mean) && fabs(sum / (double)c->rows - c->mean) > 1e-5 * (1 + fabs(c->mean))))
      fail_msg("%s, %s: %d rows, first %g, mean %g", c->file, c->column, (int)column->rows, values[0], sum / (double)c->rows);
  }
  free(memory);
  hgm_table_close(table);
}

static void every_file(void **state) {
  (void)state;
  need_folder();
  for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) run_case(&CASES[i]);
  assert_int_equal(H5Fget_obj_count((hid_t)H5F_OBJ_ALL, H5F_OBJ_ALL), 0); // nothing stays open, also after errors
}

// Written by a newer library than Debian 12's: read, or refused by name and cause.
static void latest_format(void **state) {
  (void)state;
  need_folder();
  HgmError error = {0};
  HgmTable *table = open_one("latest_format.h5", &error);
  assert_non_null(table);
  int column;
  double first;
  if (hgm_table_require(table, "pt", &column, &error)) {
    assert_true(hgm_table_read(table, column, 0, 1, &first, &error));
    assert_true(fabs(first - 11.2969) < 1e-3);
  } else {
    assert_non_null(strstr(error.text, "latest_format.h5: column `pt` cannot be opened by this HDF5 library ("));
    assert_non_null(strstr(error.text, "h5repack --low=0 --high=1"));
  }
  hgm_table_close(table);
}

static void ragged_lengths(void **state) {
  (void)state;
  need_folder();
  HgmError error = {0};
  HgmTable *table = open_one("ragged_lengths.h5", &error);
  int columns[2];
  int64_t rows;
  assert_true(hgm_table_require(table, "pt", &columns[0], &error) && hgm_table_require(table, "eta", &columns[1], &error));
  assert_false(hgm_table_check_rows(table, columns, 2, &rows, &error));
  assert_non_null(strstr(error.text, "`pt` has 200 rows and `eta` has 199"));
  hgm_table_close(table);
}

static void check_report(const char *file, const char *name, bool has_missing, double missing, const char *expected) {
  HgmError error = {0};
  HgmTable *table = open_one(file, &error);
  HgmWish wish = {.has_missing = has_missing, .missing = missing};
  HgmColumnReport report;
  void *values, *memory;
  char text[512];
  assert_true(hgm_table_require(table, name, &wish.column, &error));
  assert_true(hgm_table_load(table, &wish, 1, 1, &values, &memory, &report, &error));
  hgm_column_report_text(table, wish.column, &report, text, sizeof text);
  if (expected[0] == '\0' ? text[0] != '\0' : strstr(text, expected) == NULL) fail_msg("%s: \"%s\"", file, text);
  free(memory);
  hgm_table_close(table);
}

static void reports(void **state) {
  (void)state;
  need_folder();
  check_report("nan_inf.h5", "x", false, 0, "column `x` has 3 NaN (first in row 7) and 2 infinities (first in row 9)");
  check_report("sentinel.csv", "iso", false, 0, "column `iso` has 23 times -999, far from the rest (first in row 0)");
  check_report("sentinel.csv", "iso", true, -999, "");
  check_report("sentinel.csv", "pt", false, 0, "");
  check_report("constant_column.h5", "c", false, 0, "the same value 4 in every row");
  check_report("messy.csv", "η", false, 0, "3 NaN (first in row 1)");
}

static void texts(void **state) {
  (void)state;
  need_folder();
  static const struct {
    const char *file, *column;
    int n;
    const char *texts[5];
  } cases[] = {
      {"strings.h5", "fixed", 3, {"ttbar", "QCD", "signal"}},
      {"strings.h5", "vlen", 5, {"ttbar", "QCD", "signal", "", "τ→μνν"}},
      {"messy.csv", "label", 6, {"a, with comma", "say \"hi\"", "plain", "two\r\nlines", ""}},
      {"pandas_table_categorical.h5", "region", 3, {"barrel", "endcap", "forward"}},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    HgmError error = {0};
    HgmTable *table = open_one(cases[i].file, &error);
    int column, n;
    const char *const *found;
    assert_true(hgm_table_require(table, cases[i].column, &column, &error));
    assert_true(hgm_table_distinct(table, column, 20, &found, &n, &error));
    assert_int_equal(n, cases[i].n);
    for (int k = 0; k < n && k < 5; k++) assert_string_equal(found[k], cases[i].texts[k]);
    double codes[7];
    static const char *const other[] = {"photon", "muon"};
    assert_true(hgm_table_read_codes(table, column, 0, 7, found, n, codes, &error));
    assert_true(codes[0] == 0);
    assert_false(hgm_table_read_codes(table, column, 0, 7, other, 2, codes, &error));
    assert_non_null(strstr(error.text, "in row 0, which the model does not list (\"photon\", \"muon\")"));
    hgm_table_close(table);
  }
}

// npy: element 2 of a row is the charge in both orders.
static void orders(void **state) {
  (void)state;
  need_folder();
  double values[2][600];
  static const char *const files[] = {"fortran_order.npy", "c_order_f4.npy"};
  for (int f = 0; f < 2; f++) {
    HgmError error = {0};
    HgmTable *table = open_one(files[f], &error);
    assert_true(hgm_table_read(table, 0, 0, 200, values[f], &error));
    for (int i = 0; i < 200; i++) assert_true(fabs(values[f][3 * i + 2]) == 1);
    hgm_table_close(table);
  }
  for (int i = 0; i < 600; i++) assert_true((float)values[0][i] == (float)values[1][i]);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(every_file), cmocka_unit_test(latest_format), cmocka_unit_test(ragged_lengths),
      cmocka_unit_test(reports),    cmocka_unit_test(texts),         cmocka_unit_test(orders),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
