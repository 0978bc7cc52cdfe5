// needs: sampler runtime
// The sampler's own HDF5: what it reads against what the HDF5 library has written, what it writes as the library reads it, and that a
// damaged file is an error and nothing worse.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <hdf5.h>

#include "runtime/io.h"
#include "runtime/table_file.h"
#include "runtime/writer_file.h"
#include "tests/support/folder.h"

enum { ROWS = 1000 };
static const char path[] = "t.h5";

// Asked for here, these come from the sampler's archive, the first one; else the table would take those of the runtime.
bool (*const sampler_reader)(HgmFile *file, HgmError *error) = hgm_open_hdf5;
const HgmWriterFormat *const sampler_writer = &hgm_writer_hdf5;

// ---- files written by the library

static hid_t make_dataset(hid_t file, const char *name, hid_t type, int rank, const hsize_t *shape, const hsize_t *chunk, const char *filters) {
  hid_t space = H5Screate_simple(rank, shape, NULL), create = H5Pcreate(H5P_DATASET_CREATE);
  if (chunk != NULL) H5Pset_chunk(create, rank, chunk);
  for (; *filters != '\0'; filters++) {
    if (*filters == 's') H5Pset_shuffle(create);
    if (*filters == 'g') H5Pset_deflate(create, 6);
    if (*filters == 'f') H5Pset_fletcher32(create);
    if (*filters == 'c') H5Pset_layout(create, H5D_COMPACT);
  }
  hid_t dataset = H5Dcreate2(file, name, type, space, H5P_DEFAULT, create, H5P_DEFAULT);
  assert_true(dataset >= 0);
  H5Pclose(create);
  H5Sclose(space);
  return dataset;
}

static double number(int row, int element) { return (row * 7 + element * 13) % 251 - 100; }

// (ROWS, a, b) of any type; values are numbers above, or above + 100 where the type has no sign.
static void put(hid_t file, const char *name, hid_t type, hsize_t a, hsize_t b, const hsize_t *chunk, const char *filters, double offset) {
  hsize_t shape[3] = {ROWS, a, b};
  int rank = b > 0 ? 3 : a > 0 ? 2 : 1, n = (int)((a > 0 ? a : 1) * (b > 0 ? b : 1));
  double *values = malloc(sizeof(double) * ROWS * (size_t)n);
  for (int i = 0; i < ROWS * n; i++) values[i] = number(i / n, i % n) + offset;
  hid_t dataset = make_dataset(file, name, type, rank, shape, chunk, filters);
  assert_true(H5Dwrite(dataset, H5T_NATIVE_DOUBLE, H5S_ALL, H5S_ALL, H5P_DEFAULT, values) >= 0);
  H5Dclose(dataset);
  free(values);
}

static void write_text_attribute(hid_t object, const char *name, const char *const *texts, int n, bool variable) {
  hsize_t shape = (hsize_t)n;
  hid_t space = H5Screate_simple(1, &shape, NULL), type = H5Tcopy(H5T_C_S1);
  char fixed[8][16] = {{0}};
  for (int i = 0; i < n; i++) strcpy(fixed[i], texts[i]);
  H5Tset_size(type, variable ? H5T_VARIABLE : sizeof *fixed);
  hid_t attribute = H5Acreate2(object, name, type, space, H5P_DEFAULT, H5P_DEFAULT);
  assert_true(H5Awrite(attribute, type, variable ? (const void *)texts : fixed) >= 0);
  H5Aclose(attribute);
  H5Tclose(type);
  H5Sclose(space);
}

typedef struct Member {
  float pt;
  int16_t hits[3];
  double mass;
} Member;

static void put_compound(hid_t file) {
  hsize_t shape = ROWS, three = 3, chunk = 300;
  hid_t hits = H5Tarray_create2(H5T_NATIVE_INT16, 1, &three), type = H5Tcreate(H5T_COMPOUND, sizeof(Member));
  H5Tinsert(type, "c_pt", offsetof(Member, pt), H5T_NATIVE_FLOAT);
  H5Tinsert(type, "c_hits", offsetof(Member, hits), hits);
  H5Tinsert(type, "c_mass", offsetof(Member, mass), H5T_NATIVE_DOUBLE);
  Member *rows = calloc(ROWS, sizeof *rows);
  for (int i = 0; i < ROWS; i++) {
    rows[i] = (Member){.pt = (float)number(i, 0), .mass = number(i, 2)};
    for (int k = 0; k < 3; k++) rows[i].hits[k] = (int16_t)number(i, k);
  }
  hid_t dataset = make_dataset(file, "table", type, 1, &shape, &chunk, "sg");
  assert_true(H5Dwrite(dataset, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, rows) >= 0);
  H5Dclose(dataset);
  H5Tclose(type);
  H5Tclose(hits);
  free(rows);
}

static void put_texts(hid_t file) {
  static const char *const names[] = {"electron", "muon", "a rather longer name of a particle", ""};
  const char *rows[ROWS];
  char fixed[ROWS][12];
  hsize_t shape = ROWS, chunk = 64;
  for (int i = 0; i < ROWS; i++) {
    rows[i] = names[i % 4];
    memset(fixed[i], 0, sizeof fixed[i]);
    memcpy(fixed[i], names[i % 2], strlen(names[i % 2]));
  }
  hid_t type = H5Tcopy(H5T_C_S1);
  H5Tset_size(type, H5T_VARIABLE);
  hid_t dataset = make_dataset(file, "variable", type, 1, &shape, &chunk, "g");
  assert_true(H5Dwrite(dataset, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, rows) >= 0);
  H5Dclose(dataset);
  H5Tclose(type);
  type = H5Tcopy(H5T_C_S1);
  H5Tset_size(type, sizeof *fixed);
  dataset = make_dataset(file, "fixed", type, 1, &shape, NULL, "");
  assert_true(H5Dwrite(dataset, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, fixed) >= 0);
  H5Dclose(dataset);
  H5Tclose(type);
}

static void write_file(bool new_format) {
  static const char *const columns[] = {"eta", "phi", "e"}, *const units[] = {"", "rad", "GeV"};
  hid_t access = H5Pcreate(H5P_FILE_ACCESS);
  if (new_format) H5Pset_libver_bounds(access, H5F_LIBVER_V18, H5F_LIBVER_V18);
  hid_t file = H5Fcreate(path, H5F_ACC_TRUNC, H5P_DEFAULT, access);
  H5Pclose(access);
  put(file, "plain", H5T_IEEE_F32LE, 0, 0, NULL, "", 0);
  put(file, "compact", H5T_STD_I16LE, 0, 0, NULL, "c", 0);
  put(file, "big_real", H5T_IEEE_F64BE, 0, 0, NULL, "", 0);
  put(file, "big_integer", H5T_STD_I32BE, 0, 0, (hsize_t[]){77}, "sgf", 0);
  put(file, "bytes", H5T_STD_U8LE, 0, 0, (hsize_t[]){ROWS}, "g", 100);
  if (!new_format) { // more links than a header takes make a heap of links there
    put(file, "long", H5T_STD_U64LE, 0, 0, (hsize_t[]){1}, "", 100);
    put(file, "image", H5T_IEEE_F32LE, 5, 7, (hsize_t[]){64, 2, 4}, "sg", 0);
    put(file, "vector", H5T_IEEE_F64LE, 3, 0, (hsize_t[]){10, 2}, "f", 0);
    hid_t group = H5Gcreate2(file, "group", H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT), dataset;
    put(group, "inner", H5T_IEEE_F32LE, 0, 0, NULL, "", 0);
    put(group, "named", H5T_IEEE_F32LE, 3, 0, NULL, "", 0);
    dataset = H5Dopen2(group, "named", H5P_DEFAULT);
    write_text_attribute(dataset, "columns", columns, 3, true);
    write_text_attribute(dataset, "units", units, 3, false);
    H5Dclose(dataset);
    H5Gclose(group);
    put_compound(file);
    put_texts(file);
  }
  H5Fclose(file);
}

// ---- reading

static HgmTable *open_table(void) {
  HgmTable *table;
  HgmError error = {0};
  const char *paths[] = {path};
  if (!hgm_table_open(&table, paths, 1, &error)) fail_msg("%s", error.text);
  return table;
}

static void assert_column(HgmTable *table, const char *name, int elements, int first_element, double offset) {
  HgmError error = {0};
  int column;
  double *values = malloc(sizeof(double) * ROWS * (size_t)elements);
  if (!hgm_table_require(table, name, &column, &error)) fail_msg("%s", error.text);
  assert_int_equal(hgm_table_column(table, column)->elements, elements);
  assert_int_equal(hgm_table_column(table, column)->rows, ROWS);
  for (int64_t first = 0; first < ROWS; first += 333) { // pieces that end elsewhere than chunks
    int64_t last = first + 333 < ROWS ? first + 333 : ROWS;
    if (!hgm_table_read(table, column, first, last, values + first * elements, &error)) fail_msg("%s", error.text);
  }
  for (int i = 0; i < ROWS * elements; i++)
    if (values[i] != number(i / elements, first_element + i % elements) + offset) fail_msg("%s, row %d: %g", name, i / elements, values[i]);
  free(values);
}

static void test_what_the_library_writes(void **state) {
  (void)state;
  assert_false(sampler_writer->opens_itself); // the runtime's does
  for (int new_format = 0; new_format < 2; new_format++) {
    write_file(new_format);
    HgmTable *table = open_table();
    assert_column(table, "plain", 1, 0, 0);
    assert_column(table, "compact", 1, 0, 0);
    assert_column(table, "big_real", 1, 0, 0);
    assert_column(table, "big_integer", 1, 0, 0);
    assert_column(table, "bytes", 1, 0, 100);
    if (!new_format) {
      assert_column(table, "long", 1, 0, 100);
      assert_column(table, "image", 35, 0, 0);
      assert_column(table, "vector", 3, 0, 0);
      assert_column(table, "group/inner", 1, 0, 0);
      assert_column(table, "group/phi", 1, 1, 0);
      assert_string_equal(hgm_table_column(table, hgm_table_find(table, "group/e"))->unit, "GeV");
      assert_column(table, "c_pt", 1, 0, 0);
      assert_column(table, "c_hits", 3, 0, 0);
      assert_column(table, "c_hits[2]", 1, 2, 0);
      assert_column(table, "c_mass", 1, 2, 0);
    }
    hgm_table_close(table);
  }
  unlink(path);
}

static void test_texts(void **state) {
  (void)state;
  static const char *const known[] = {"electron", "muon", "a rather longer name of a particle", ""};
  static const char *const columns[] = {"variable", "fixed"};
  double codes[ROWS];
  HgmError error = {0};
  write_file(false);
  HgmTable *table = open_table();
  for (int c = 0; c < 2; c++) {
    if (!hgm_table_read_codes(table, hgm_table_find(table, columns[c]), 0, ROWS, known, 4, codes, &error)) fail_msg("%s", error.text);
    for (int i = 0; i < ROWS; i++) assert_true(codes[i] == i % (c == 0 ? 4 : 2));
  }
  hgm_table_close(table);
  unlink(path);
}

static void put_file(const char *bytes, size_t n) {
  FILE *file = fopen(path, "wb");
  assert_true(file != NULL && fwrite(bytes, 1, n, file) == n && fclose(file) == 0);
}

// Reads all that can be read; nothing is expected of it but that it ends.
static bool try_to_read(void) {
  HgmTable *table;
  HgmError error = {0};
  const char *paths[] = {path};
  if (!hgm_table_open(&table, paths, 1, &error)) return assert_true(error.text[0] != 0), false;
  bool fine = true;
  for (int c = 0; c < hgm_table_n_columns(table); c++) {
    const HgmColumn *column = hgm_table_column(table, c);
    if (column->rows > 100000 || column->elements > 100000 || column->rows < 0) continue;
    double *values = calloc((size_t)(column->rows * column->elements) + 1, sizeof *values);
    const char *const *texts;
    int n;
    error = (HgmError){0};
    if (column->kind == HGM_COLUMN_TEXT) fine &= hgm_table_distinct(table, c, 10, &texts, &n, &error);
    else fine &= hgm_table_read(table, c, 0, column->rows, values, &error);
    free(values);
  }
  hgm_table_close(table);
  return fine;
}

static void test_damage(void **state) {
  (void)state;
  HgmError error = {0};
  char *bytes;
  size_t n;
  write_file(false);
  assert_true(hgm_io_read_file(path, &bytes, &n, &error));
  assert_true(try_to_read());
  int refused = 0, tries = 0;
  for (size_t i = 0; i<n; i += i> 8192 ? n / 150 : i > 2048 ? 59 : 7) {
    char *copy = malloc(n);
    memcpy(copy, bytes, n);
    for (int flip = 0x01; flip <= 0x80; flip *= 0x80, tries++) {
      copy[i] = (char)(bytes[i] ^ flip);
      put_file(copy, n);
      refused += !try_to_read();
    }
    free(copy);
  }
  assert_in_range(refused, 30, tries);
  for (size_t cut = 0; cut < n; cut += n / 20) {
    put_file(bytes, cut);
    assert_false(try_to_read());
  }
  free(bytes);
  unlink(path);
}

// ---- writing

static void append_rows(HgmWriter *writer, int rows, int pieces) {
  HgmError error = {0};
  for (int piece = 0, at = 0; piece < pieces; piece++) {
    int n = rows * (piece + 1) / pieces - at;
    double *a = calloc((size_t)n + 1, sizeof *a), *b = calloc((size_t)n * 6 + 1, sizeof *b), *c = calloc((size_t)n + 1, sizeof *c);
    for (int i = 0; i < n; i++) {
      a[i] = at + i + 0.5, c[i] = (at + i) % 2;
      for (int k = 0; k < 6; k++) b[6 * i + k] = (at + i) % 100 + k;
    }
    if (!hgm_writer_append(writer, (const double *const[]){a, b, c, a, c, c}, n, &error)) fail_msg("%s", error.text);
    at += n;
    free(a), free(b), free(c);
  }
}

static void read_back(hid_t file, const char *name, int rows, int elements, double *out) {
  hid_t dataset = H5Dopen2(file, name, H5P_DEFAULT), space = H5Dget_space(dataset);
  hsize_t shape[3] = {0}, most[3];
  H5Sget_simple_extent_dims(space, shape, most);
  assert_int_equal(shape[0], rows);
  assert_true(most[0] == H5S_UNLIMITED);
  if (rows > 0) assert_true(H5Dread(dataset, H5T_NATIVE_DOUBLE, H5S_ALL, H5S_ALL, H5P_DEFAULT, out) >= 0);
  (void)elements;
  H5Sclose(space);
  H5Dclose(dataset);
}

// What h5py takes for a bool; and the values, read as the bytes that they are.
static void assert_bool(hid_t file, const char *name, int rows) {
  hid_t dataset = H5Dopen2(file, name, H5P_DEFAULT), type = H5Dget_type(dataset), byte = H5Tenum_create(H5T_NATIVE_INT8);
  char text[8];
  assert_true(H5Tget_class(type) == H5T_ENUM && H5Tget_size(type) == 1 && H5Tget_nmembers(type) == 2);
  for (signed char i = 0; i < 2; i++) {
    assert_true(H5Tenum_nameof(type, &i, text, sizeof text) >= 0);
    assert_string_equal(text, i == 0 ? "FALSE" : "TRUE");
    H5Tenum_insert(byte, text, &i);
  }
  signed char *values = calloc((size_t)rows + 1, 1);
  if (rows > 0) assert_true(H5Dread(dataset, byte, H5S_ALL, H5S_ALL, H5P_DEFAULT, values) >= 0);
  for (int i = 0; i < rows; i++) assert_true(values[i] == i % 2);
  free(values);
  H5Tclose(byte), H5Tclose(type), H5Dclose(dataset);
}

static void assert_written(int rows) {
  hid_t file = H5Fopen(path, H5F_ACC_RDONLY, H5P_DEFAULT);
  assert_true(file >= 0);
  double *a = calloc((size_t)rows + 1, sizeof *a), *b = calloc((size_t)rows * 6 + 1, sizeof *b), *c = calloc((size_t)rows + 1, sizeof *c);
  read_back(file, "a", rows, 1, a);
  read_back(file, "deep/in/b", rows, 6, b);
  read_back(file, "deep/c", rows, 1, c);
  for (int i = 0; i < rows; i++) {
    assert_true(a[i] == i + 0.5 && c[i] == i % 2);
    for (int k = 0; k < 6; k++) assert_true(b[6 * i + k] == i % 100 + k);
  }
  assert_bool(file, "tag", rows);
  hid_t dataset = H5Dopen2(file, "a", H5P_DEFAULT), attribute = H5Aopen(dataset, "unit", H5P_DEFAULT), type = H5Aget_type(attribute);
  char unit[16] = "";
  assert_true(H5Tget_size(type) < sizeof unit && H5Aread(attribute, type, unit) >= 0);
  assert_string_equal(unit, "GeV");
  H5Tclose(type), H5Aclose(attribute), H5Dclose(dataset);
  int64_t seed = 0;
  attribute = H5Aopen(file, "seed", H5P_DEFAULT);
  assert_true(H5Aread(attribute, H5T_NATIVE_INT64, &seed) >= 0 && seed == -7);
  H5Aclose(attribute);
  if (rows > 1) {
    char texts[2][5];
    hid_t memory = H5Tcopy(H5T_C_S1), one;
    hsize_t two = 2, none = 0;
    H5Tset_size(memory, 5);
    H5Tset_cset(memory, H5T_CSET_UTF8);
    dataset = H5Dopen2(file, "text", H5P_DEFAULT);
    hid_t space = H5Dget_space(dataset);
    H5Sselect_hyperslab(space, H5S_SELECT_SET, &none, NULL, &two, NULL);
    one = H5Screate_simple(1, &two, NULL);
    assert_true(H5Dread(dataset, memory, one, space, H5P_DEFAULT, texts) >= 0);
    assert_string_equal(texts[0], "cat");
    assert_string_equal(texts[1], "dogs");
    H5Sclose(one), H5Sclose(space), H5Tclose(memory), H5Dclose(dataset);
  }
  H5Fclose(file);
  free(a), free(b), free(c);
}

static void test_what_the_library_reads(void **state) {
  (void)state;
  static const char *const texts[] = {"cat", "dogs"};
  const HgmOutColumn columns[] = {{.name = "a", .type = HGM_FILE_F64, .unit = "GeV"},
                                  {.name = "deep/in/b", .type = HGM_FILE_U8, .rank = 2, .shape = {2, 3}},
                                  {.name = "deep/c", .type = HGM_FILE_I64},
                                  {.name = "deep/in/d", .type = HGM_FILE_F32},
                                  {.name = "text", .type = HGM_FILE_TEXT, .texts = texts, .n_texts = 2},
                                  {.name = "tag", .type = HGM_FILE_BOOL}};
  const HgmAttribute attributes[] = {{.name = "seed", .kind = HGM_ATTRIBUTE_INTEGER, .integer = -7}, {.name = "model", .text = "x.hgm"}};
  static const int counts[] = {0, 1, 4096, 4097, 70000, 300000}; // the last needs two levels of chunks
  for (size_t i = 0; i < sizeof counts / sizeof *counts; i++) {
    HgmError error = {0};
    HgmWriter *writer;
    if (!hgm_writer_open(&writer, path, columns, 6, attributes, 2, true, NULL, &error)) fail_msg("%s", error.text);
    append_rows(writer, counts[i], 7);
    if (!hgm_writer_finish(writer, &error)) fail_msg("%s", error.text);
    assert_written(counts[i]);
  }
  unlink(path);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_what_the_library_writes),
      cmocka_unit_test(test_texts),
      cmocka_unit_test(test_damage),
      cmocka_unit_test(test_what_the_library_reads),
  };
  return cmocka_run_group_tests(tests, folder_enter, folder_leave);
}
