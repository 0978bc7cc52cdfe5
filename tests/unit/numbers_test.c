// needs: runtime
// Numbers of every type of a file come back as they were, singly and in rows that are gathered, and those that are none are found; HDF5 and others are tested by what reads them (writer_test).
#include "runtime/numbers.h"

#include <float.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#define TWO_53 9007199254740992.0

typedef struct Case {
  HgmFileType type;
  size_t bytes;
  double numbers[6];
} Case;

static const Case CASES[] = {
    {HGM_FILE_F32, 4, {0, -0.0, (double)FLT_MAX, (double)FLT_MIN / 4, -INFINITY, NAN}},
    {HGM_FILE_F64, 8, {0, -0.0, DBL_MAX, DBL_MIN / 4, INFINITY, NAN}},
    {HGM_FILE_I8, 1, {0, 1, -1, INT8_MIN, INT8_MAX, 7}},
    {HGM_FILE_I16, 2, {0, 1, -1, INT16_MIN, INT16_MAX, 300}},
    {HGM_FILE_I32, 4, {0, 1, -1, INT32_MIN, INT32_MAX, 70000}},
    {HGM_FILE_I64, 8, {0, 1, -1, -TWO_53, TWO_53, (double)(INT64_C(5) << 59)}},
    {HGM_FILE_U8, 1, {0, 1, 2, 128, UINT8_MAX, 7}},
    {HGM_FILE_U16, 2, {0, 1, 2, 32768, UINT16_MAX, 300}},
    {HGM_FILE_U32, 4, {0, 1, 2, 2147483648.0, UINT32_MAX, 70000}},
    {HGM_FILE_U64, 8, {0, 1, 2, TWO_53, (double)(UINT64_C(31) << 59), 7}},
};
enum { N_CASES = sizeof CASES / sizeof *CASES, N = 6, STRIDE = 3, WIDTH = 4, SOME = 2 };

static bool same_bits(double a, double b) { return (isnan(a) && isnan(b)) || memcmp(&a, &b, sizeof a) == 0; }

static void kept_and_read(void **state) {
  (void)state;
  for (int c = 0; c < N_CASES; c++) {
    const Case *k = &CASES[c];
    _Alignas(8) unsigned char kept[8 * N + 1] = {0};
    const int64_t rows[WIDTH] = {1, 0, 1, 1}; // of two with three numbers each, of which two are wanted
    double turned[SOME * WIDTH + 1] = {[SOME * WIDTH] = 0.5};
    kept[k->bytes * N] = 77;
    assert_int_equal(hgm_type_bytes(k->type), k->bytes);
    hgm_numbers_keep(k->type, k->numbers, N, kept);
    assert_int_equal(kept[k->bytes * N], 77);
    hgm_numbers_gather(k->type, kept, rows, WIDTH, STRIDE, SOME, turned);
    for (int i = 0; i < SOME; i++)
      for (int j = 0; j < WIDTH; j++)
        if (!same_bits(turned[i * WIDTH + j], k->numbers[rows[j] * STRIDE + i]))
          fail_msg("type %d, number %d of row %d: %.17g", c, i, j, turned[i * WIDTH + j]);
    assert_true(turned[SOME * WIDTH] == 0.5);
    for (int i = 0; i < N; i++)
      if (!same_bits(hgm_number(k->type, kept, i), k->numbers[i])) fail_msg("type %d, number %d", c, i);
  }
  assert_int_equal(hgm_type_bytes(HGM_FILE_TEXT), 0);
}

static void finite_or_not(void **state) {
  (void)state;
  enum { LENGTH = 37 }; // more than a few vectors
  for (int c = 0; c < N_CASES; c++) {
    double numbers[LENGTH];
    _Alignas(8) unsigned char kept[8 * LENGTH];
    for (int odd = 0; odd < N; odd++)
      for (int place = 0; place < LENGTH; place++) {
        for (int i = 0; i < LENGTH; i++) numbers[i] = i == place ? CASES[c].numbers[odd] : 1;
        hgm_numbers_keep(CASES[c].type, numbers, LENGTH, kept);
        assert_int_equal(hgm_numbers_finite(CASES[c].type, kept, LENGTH), isfinite(numbers[place]));
        assert_true(hgm_numbers_finite(CASES[c].type, kept, place)); // not what lies behind
      }
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(kept_and_read), cmocka_unit_test(finite_or_not)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
