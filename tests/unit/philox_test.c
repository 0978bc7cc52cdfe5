// needs: runtime
// Philox 4x32-10 against the published vectors (Random123, kat_vectors), and what draws make of its words.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <math.h>
#include <string.h>
#include <cmocka.h>

#include "runtime/philox.h"

static void test_known_answers(void **state) {
  (void)state;
  static const struct {
    uint32_t counter[4], key[2], words[4];
  } vectors[] = {
      {{0, 0, 0, 0}, {0, 0}, {0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}},
      {{0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff}, {0xffffffff, 0xffffffff}, {0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}},
      {{0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}, {0xa4093822, 0x299f31d0}, {0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}},
  };
  for (size_t i = 0; i < 3; i++) {
    uint32_t words[4];
    philox4x32_10(vectors[i].counter, vectors[i].key, words);
    assert_memory_equal(words, vectors[i].words, sizeof words);
  }
}

enum { EVENT_HIGH = 3, EVENT_LOW = 77, PASS = 9 };
static const uint64_t event = (uint64_t)EVENT_HIGH << 32 | EVENT_LOW;

static void words_of(uint64_t key, uint32_t block, uint32_t words[4]) {
  philox4x32_10((const uint32_t[]){EVENT_LOW, EVENT_HIGH, PASS, block}, (const uint32_t[]){(uint32_t)key, (uint32_t)(key >> 32)}, words);
}

static void test_words_of_elements(void **state) {
  (void)state;
  uint64_t key = philox_key(11, "site");
  for (uint32_t j = 0; j < 23; j++) {
    uint32_t quad[4], pair[4];
    words_of(key, j / 4, quad);
    words_of(key, j / 2, pair);
    assert_int_equal(philox_bits(key, event, PASS, j), quad[j % 4]);
    assert_true(philox_uniform32(key, event, PASS, j) == (float)(((float)(quad[j % 4] >> 9) + 0.5f) * 0x1p-23f));
    uint64_t both = pair[2 * (j % 2)] | (uint64_t)pair[2 * (j % 2) + 1] << 32;
    assert_true(philox_uniform(key, event, PASS, j) == ((double)(both >> 12) + 0.5) * 0x1p-52);
  }
}

static void test_normals_are_box_muller(void **state) {
  (void)state;
  uint64_t key = philox_key(11, "site");
  for (uint64_t j = 0; j < 20; j += 2) {
    double u = philox_uniform(key, event, PASS, j), v = philox_uniform(key, event, PASS, j + 1);
    double a = philox_normal(key, event, PASS, j), b = philox_normal(key, event, PASS, j + 1);
    assert_true(fabs(exp(-(a * a + b * b) / 2) - u) < 1e-14);
    assert_true(fabs(fmod(atan2(b, a) / (2 * acos(-1)) + 1, 1) - v) < 1e-14);
    float u32 = (float)philox_uniform32(key, event, PASS, j);
    a = philox_normal32(key, event, PASS, j), b = philox_normal32(key, event, PASS, j + 1);
    assert_true(fabs(exp(-(a * a + b * b) / 2) - (double)u32) < 1e-14);
  }
}

static void test_moments(void **state) {
  (void)state;
  enum { N = 200000 };
  uint64_t key = philox_key(1, "moments");
  double sum = 0, squares = 0, uniform = 0, cross = 0;
  for (uint64_t k = 0; k < N; k++) {
    double a = philox_normal(key, k, 0, 0), b = philox_normal(key, k, 0, 1);
    sum += a, squares += a * a, cross += a * b;
    uniform += philox_uniform32(key, k, 1, 0);
  }
  double sigma = 1 / sqrt(N); // five standard deviations
  assert_true(fabs(sum / N) < 5 * sigma);
  assert_true(fabs(squares / N - 1) < 5 * sqrt(2) * sigma);
  assert_true(fabs(cross / N) < 5 * sigma);
  assert_true(fabs(uniform / N - 0.5) < 5 * sigma / sqrt(12));
}

static void test_keys(void **state) {
  (void)state;
  assert_true(philox_key(1, "a") != philox_key(2, "a"));
  assert_true(philox_key(1, "a") != philox_key(1, "b"));
  assert_true(philox_key(1, "") != philox_key(1, "a"));
  assert_true(philox_key(7, "noise/1") == philox_key(7, "noise/1"));
}

// Filling and asking one by one give the same bits, for odd and even counts.
static void test_many_at_once(void **state) {
  (void)state;
  enum { MOST = 23 };
  double uniforms[MOST], normals[MOST];
  for (int f32 = 0; f32 < 2; f32++)
    for (int64_t n = 0; n <= MOST; n++) {
      philox_uniforms(f32, 77, 1234567890123, 5, n, uniforms);
      philox_normals(f32, 77, 1234567890123, 5, n, normals);
      for (int64_t j = 0; j < n; j++) {
        double u = (f32 ? philox_uniform32 : philox_uniform)(77, 1234567890123, 5, (uint64_t)j);
        double x = (f32 ? philox_normal32 : philox_normal)(77, 1234567890123, 5, (uint64_t)j);
        assert_memory_equal(&uniforms[j], &u, sizeof u);
        assert_memory_equal(&normals[j], &x, sizeof x);
      }
    }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_many_at_once),           cmocka_unit_test(test_known_answers), cmocka_unit_test(test_words_of_elements),
      cmocka_unit_test(test_normals_are_box_muller), cmocka_unit_test(test_moments),       cmocka_unit_test(test_keys),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
