// needs: runtime
// A model as one piece of bytes: what goes in comes out, damage anywhere is refused, and which code is chosen.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "runtime/bundle.h"

static const double values[] = {0, 4, 6};
static const char *const texts[] = {"ele", "muon"};
static const float weights[] = {1, 2, 3, 4, 5};
static const char code_v3[] = "code for one kind", code_v4[] = "code for another";

static const HgmBundleColumn given[] = {
    {.port = "column:id", .name = "a/id", .unit = "", .kind = HGM_FIELD_CATEGORY, .elements = 1, .n_values = 3, .values = values},
    {.port = "column:kind", .name = "kind", .unit = "", .kind = HGM_FIELD_TEXT, .elements = 1, .n_texts = 2, .texts = texts},
};
static const HgmBundleColumn outputs[] = {{.port = "out:pt", .name = "pt", .unit = "GeV", .rank = 1, .shape = {3}, .elements = 3}};
static const HgmBundleCode codes[] = {{HGM_CPU_V3, 128, code_v3, sizeof code_v3},
                                      {HGM_CPU_V3, 1, code_v3, sizeof code_v3},
                                      {HGM_CPU_V4, 128, code_v4, sizeof code_v4},
                                      {HGM_CPU_V4, 1, code_v4, sizeof code_v4}};
static const HgmBundleTask task = {.name = "fast", .n_given = 2, .n_outputs = 1, .n_codes = 4, .given = given, .outputs = outputs, .codes = codes};
static const HgmBundleArray arrays[] = {{"net.w", weights, sizeof weights}, {"empty", NULL, 0}};

static uint8_t *pack(size_t *size) {
  HgmBundle b = {.model = "jets.hgm",
                 .hash = "0123",
                 .version = "9.9",
                 .info = "lines\n",
                 .seed = 42,
                 .n_arrays = 2,
                 .arrays = arrays,
                 .n_generators = 1,
                 .generators = &task};
  uint8_t *bytes = hgm_bundle_pack(&b, size);
  assert_non_null(bytes);
  return bytes;
}

static void test_round_trip(void **state) {
  (void)state;
  size_t size, again_size;
  uint8_t *bytes = pack(&size), *again = pack(&again_size);
  assert_int_equal(size, again_size);
  assert_memory_equal(bytes, again, size);
  HgmError error = {0};
  HgmBundle *b = hgm_bundle_open(bytes, size, &error);
  assert_non_null(b);
  assert_string_equal(b->model, "jets.hgm");
  assert_string_equal(b->info, "lines\n");
  assert_int_equal(b->seed, 42);
  assert_int_equal(b->n_scores, 0);
  const HgmBundleTask *t = &b->generators[0];
  assert_string_equal(t->name, "fast");
  assert_string_equal(t->given[0].name, "a/id");
  assert_true(t->given[0].values[2] == 6);
  assert_string_equal(t->given[1].texts[1], "muon");
  assert_string_equal(t->outputs[0].unit, "GeV");
  assert_int_equal(t->outputs[0].shape[0], 3);
  assert_memory_equal(t->codes[3].bytes, code_v4, sizeof code_v4);
  assert_int_equal(((const uint8_t *)t->codes[3].bytes - bytes) % 4096, 0);
  assert_string_equal(b->arrays[0].name, "net.w");
  assert_memory_equal(b->arrays[0].data, weights, sizeof weights);
  assert_int_equal((uintptr_t)((const uint8_t *)b->arrays[0].data - bytes) % 64, 0);
  assert_true((const uint8_t *)b->arrays[0].data > bytes && (const uint8_t *)b->arrays[0].data < bytes + size); // not copied
  hgm_bundle_close(b);
  free(bytes);
  free(again);
}

static void assert_refused(const uint8_t *bytes, size_t size) {
  HgmError error = {0};
  if (hgm_bundle_open(bytes, size, &error) != NULL) fail_msg("%zu damaged bytes were opened", size);
  assert_int_equal(error.exit_code, 3);
  assert_true(error.text[0] != 0);
}

static void test_damage(void **state) {
  (void)state;
  size_t size;
  uint8_t *bytes = pack(&size);
  for (size_t i = 0; i < size; i++) {
    bytes[i] ^= (uint8_t)(1 + i % 255);
    assert_refused(bytes, size);
    bytes[i] ^= (uint8_t)(1 + i % 255);
  }
  for (size_t n = 0; n < size; n += 1 + n / 16) {
    uint8_t *cut = malloc(n + 1);
    memcpy(cut, bytes, n);
    assert_refused(cut, n);
    free(cut);
  }
  free(bytes);
}

static void test_choice_of_code(void **state) {
  (void)state;
  assert_ptr_equal(hgm_bundle_code(&task, HGM_CPU_V3, 128), &codes[0]);
  assert_ptr_equal(hgm_bundle_code(&task, HGM_CPU_V3, 1), &codes[1]);
  assert_ptr_equal(hgm_bundle_code(&task, HGM_CPU_V4, 128), &codes[2]);
  assert_ptr_equal(hgm_bundle_code(&task, HGM_CPU_V4, 64), &codes[3]);
  assert_null(hgm_bundle_code(&task, HGM_CPU_ANY, 128));
  HgmBundleCode more[] = {codes[0], codes[1], codes[2], codes[3], {HGM_CPU_AMX, 128, code_v4, sizeof code_v4}}; // AMX is for bulk
  HgmBundleTask tiles = {.codes = more, .n_codes = 5};
  assert_ptr_equal(hgm_bundle_code(&tiles, HGM_CPU_AMX, 128), &more[4]);
  assert_ptr_equal(hgm_bundle_code(&tiles, HGM_CPU_AMX, 1), &more[3]);
  assert_ptr_equal(hgm_bundle_code(&tiles, HGM_CPU_V4, 128), &more[2]);
  assert_true(hgm_bundle_cpu(&tiles) == (hgm_cpu_use_amx() ? HGM_CPU_AMX : hgm_cpu_level()));
  assert_true(hgm_bundle_cpu(&task) == hgm_cpu_level());
  const HgmBundleTask bulk = {.n_codes = 1, .codes = codes};
  assert_ptr_equal(hgm_bundle_code(&bulk, HGM_CPU_V4, 1), &codes[0]); // there is no smaller one
  assert_true(hgm_cpu_level() >= HGM_CPU_V3);                         // or no test of compiled code could run
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_round_trip),
      cmocka_unit_test(test_damage),
      cmocka_unit_test(test_choice_of_code),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
