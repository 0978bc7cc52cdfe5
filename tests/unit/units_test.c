// needs: runtime
// Units: every conversion against the decimal numbers that it stands for, and columns of files that say another unit than the wanted one.
#include "runtime/unit.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "runtime/table.h"
#include "runtime/writer.h"
#include "tests/support/folder.h"

// The power of ten of each unit, in electronvolts, radians, metres and seconds.
static const struct {
  const char *name;
  char dimension;
  int exponent;
} DECIMAL[] = {{"eV", 'E', 0},   {"keV", 'E', 3}, {"MeV", 'E', 6}, {"GeV", 'E', 9}, {"TeV", 'E', 12}, {"rad", 'a', 0}, {"mrad", 'a', -3},
               {"nm", 'l', -9},  {"um", 'l', -6}, {"mm", 'l', -3}, {"cm", 'l', -2}, {"m", 'l', 0},    {"km", 'l', 3},  {"fs", 't', -15},
               {"ps", 't', -12}, {"ns", 't', -9}, {"us", 't', -6}, {"ms", 't', -3}, {"s", 't', 0}};
enum { N_DECIMAL = sizeof DECIMAL / sizeof *DECIMAL };

// 1234.5 is a double, and both strtod and one multiplication or division round to the nearest: equal to the bit.
static void conversions_are_decimal(void **state) {
  (void)state;
  for (int i = 0; i < N_DECIMAL; i++)
    for (int j = 0; j < N_DECIMAL; j++) {
      HgmConversion c;
      bool alike = DECIMAL[i].dimension == DECIMAL[j].dimension;
      assert_int_equal(hgm_unit_conversion(DECIMAL[i].name, DECIMAL[j].name, &c), alike);
      char text[40];
      snprintf(text, sizeof text, "1234.5e%d", DECIMAL[i].exponent - DECIMAL[j].exponent);
      if (alike && 1234.5 * c.times / c.over != strtod(text, NULL)) fail_msg("%s to %s", DECIMAL[i].name, DECIMAL[j].name);
    }
}

static void degrees_and_names(void **state) {
  (void)state;
  HgmConversion c;
  assert_true(hgm_unit_conversion("deg", "rad", &c));
  assert_true(fabs(180 * c.times / c.over - 3.14159265358979323846) < 1e-15);
  assert_true(hgm_unit_conversion("mrad", "deg", &c));
  assert_true(fabs(3141.59265358979323846 * c.times / c.over - 180) < 1e-13);
  assert_false(hgm_unit_conversion("GeV/c", "GeV", &c) || hgm_unit_conversion(NULL, "GeV", &c) || hgm_unit_conversion("GeV", "", &c));
  assert_null(hgm_unit_find("gev"));
}

static HgmTable *open_two(void) {
  folder_put("a.csv", "e [MeV],n [MeV],x [GeV/c],d\n1500,7,1,2\n-999,-8,3,4\n");
  folder_put("b.csv", "e [GeV],n [MeV],x [GeV/c],d\n2.5,9,5,6\n");
  static const char *const paths[] = {"a.csv", "b.csv"};
  HgmError error = {0};
  HgmTable *table;
  if (!hgm_table_open(&table, paths, 2, &error)) fail_msg("%s", error.text);
  unlink("a.csv");
  unlink("b.csv");
  return table;
}

static HgmWish wish_for(const HgmTable *table, const char *column, const char *unit) {
  return (HgmWish){.column = hgm_table_find(table, column), .unit = unit, .as_in_file = true};
}

// Each file from its own unit; the declared sentinel stays; a unit that nobody knows says nothing.
static void each_file_has_its_unit(void **state) {
  (void)state;
  HgmTable *table = open_two();
  HgmWish wishes[] = {wish_for(table, "e", "GeV"), wish_for(table, "n", "keV"), wish_for(table, "n", "MeV"), wish_for(table, "x", "GeV"),
                      wish_for(table, "d", "cm")};
  wishes[0].has_missing = true;
  wishes[0].missing = -999;
  static const double wanted[5][3] = {{1.5, -999, 2.5}, {7e3, -8e3, 9e3}, {7, -8, 9}, {1, 3, 5}, {2, 4, 6}};
  void *values[5], *memory;
  HgmColumnReport reports[5];
  HgmError error = {0};
  if (!hgm_table_load(table, wishes, 5, 2, values, &memory, reports, &error)) fail_msg("%s", error.text);
  for (int k = 0; k < 5; k++)
    for (int row = 0; row < 3; row++)
      if (hgm_number(hgm_wish_type(table, &wishes[k]), values[k], row) != wanted[k][row]) fail_msg("wish %d, row %d", k, row);
  assert_true(reports[0].low == 2.5 && reports[0].high == 1500); // what is said of a file is said in its numbers
  char note[200], small[30];
  assert_string_equal(hgm_units_note(table, wishes, 5, note, sizeof note), "note: units of a.csv and 1 more are converted: `e` MeV to GeV, `n` MeV to keV\n");
  assert_int_equal(strlen(hgm_units_note(table, wishes, 5, small, sizeof small)), sizeof small - 1);
  assert_string_equal(hgm_units_note(table, wishes + 2, 3, note, sizeof note), "");
  free(memory);
  hgm_table_close(table);
}

static HgmTable *write_and_open(const HgmOutColumn *column, const double *const *rows, int64_t n) {
  const char *const path = "n.h5";
  HgmError error = {0};
  HgmWriter *writer;
  HgmTable *table;
  if (!hgm_writer_open(&writer, path, column, 1, NULL, 0, false, NULL, &error) || !hgm_writer_append(writer, rows, n, &error) ||
      !hgm_writer_finish(writer, &error) || !hgm_table_open(&table, &path, 1, &error))
    fail_msg("%s", error.text);
  unlink(path);
  return table;
}

// Integers of two bytes are kept so, unless they are converted: then they are doubles.
static void converted_integers_are_double(void **state) {
  (void)state;
  const HgmOutColumn column = {.name = "n", .type = HGM_FILE_I16, .unit = "MeV"};
  const double *const rows[] = {(const double[]){7, -8, 30000}};
  HgmTable *table = write_and_open(&column, rows, 3);
  const HgmWish as_it_is = wish_for(table, "n", "MeV"), converted = wish_for(table, "n", "GeV");
  assert_int_equal(hgm_wish_type(table, &as_it_is), HGM_FILE_I16);
  assert_int_equal(hgm_wish_type(table, &converted), HGM_FILE_F64);
  double *n;
  void *memory;
  HgmError error = {0};
  assert_true(hgm_table_load(table, &converted, 1, 1, (void **)&n, &memory, NULL, &error));
  assert_true(n[0] == 7e-3 && n[1] == -8e-3 && n[2] == 30);
  free(memory);
  hgm_table_close(table);
}

// Places of a set: energy and momentum in MeV, and whether the place is taken, which has no unit.
static void a_mark_stays(void **state) {
  (void)state;
  const HgmOutColumn column = {.name = "s", .type = HGM_FILE_F32, .rank = 2, .shape = {2, 3}, .unit = "MeV"};
  const double *const rows[] = {(const double[]){2000, 1, 1000, 0, 0, 0, 500, 1, 250, 125, 1, 62.5}};
  static const double wanted[] = {2, 1, 1, 0, 0, 0, 0.5, 1, 0.25, 0.125, 1, 0.0625};
  HgmTable *table = write_and_open(&column, rows, 2);
  HgmWish wish = wish_for(table, "s", "GeV");
  wish.mark = 2;
  double *values;
  void *memory;
  HgmError error = {0};
  assert_true(hgm_table_load(table, &wish, 1, 1, (void **)&values, &memory, NULL, &error));
  assert_memory_equal(values, wanted, sizeof wanted);
  free(memory);
  hgm_table_close(table);
}

static void another_dimension_is_refused(void **state) {
  (void)state;
  HgmTable *table = open_two();
  HgmWish wish = wish_for(table, "e", "cm");
  void *values, *memory;
  HgmError error = {0};
  assert_false(hgm_table_load(table, &wish, 1, 1, &values, &memory, NULL, &error));
  assert_int_equal(error.exit_code, 1);
  assert_string_equal(error.text, "a.csv and 1 more: column `e` is in MeV, which is no cm; correct the unit that the file says, or the file");
  hgm_table_close(table);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(conversions_are_decimal),       cmocka_unit_test(degrees_and_names), cmocka_unit_test(each_file_has_its_unit),
      cmocka_unit_test(converted_integers_are_double), cmocka_unit_test(a_mark_stays),      cmocka_unit_test(another_dimension_is_refused),
  };
  return cmocka_run_group_tests(tests, folder_enter, folder_leave);
}
