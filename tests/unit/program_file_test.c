// needs: runtime
// Packed programs: what was packed runs, whatever was damaged is refused.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "runtime/program_file.h"

enum { CHECKSUM_AT = 16, CHECKED_FROM = 24, ANSWER = 42 };

// mov rax, [rsi]; mov dword [rax], 42; ret: stores to its first pointer. Behind three bytes that must not run.
static const uint8_t machine_code[] = {0xcc, 0xcc, 0xcc, 0x48, 0x8b, 0x06, 0xc7, 0x00, ANSWER, 0, 0, 0, 0xc3};
static const uint64_t kernel_place[] = {3};

// A once phase with one command, which stores to an output.
static uint8_t *packed(size_t *size) {
  static const HgmPhase phases[] = {{.events = false, .first_command = 0, .n_commands = 1}};
  static const HgmPointer pointers[] = {{.space = HGM_SPACE_OUTPUT, .index = 0}};
  static const HgmCommand commands[] = {{.kernel = 0, .first_pointer = 0, .n_pointers = 1}};
  static const HgmPort leaves[] = {{.name = "pt", .dtype = HGM_F32, .per_event = true, .elements = 1, .phase = UINT32_MAX}};
  static const HgmPort outputs[] = {{.name = "answer", .dtype = HGM_I32, .elements = 1}};
  static const char *const sites[] = {"noise"};
  static const float data[] = {1, 2, 3};
  HgmProgram program = {.name = "tiny",
                        .tile = 16,
                        .panel = 16,
                        .n_kernels = 1,
                        .n_phases = 1,
                        .phases = phases,
                        .n_commands = 1,
                        .commands = commands,
                        .n_pointers = 1,
                        .pointers = pointers,
                        .n_leaves = 1,
                        .leaves = leaves,
                        .n_outputs = 1,
                        .outputs = outputs,
                        .n_sites = 1,
                        .sites = sites,
                        .data = data,
                        .data_bytes = sizeof data,
                        .tile_bytes = 64,
                        .max_partials = 1};
  uint8_t *bytes = hgm_program_pack(&program, &(HgmCode){machine_code, sizeof machine_code, kernel_place}, size);
  assert_non_null(bytes);
  return bytes;
}

static void refused(const uint8_t *bytes, size_t size, const char *why) {
  HgmError error = {0};
  assert_null(hgm_program_load(bytes, size, &error));
  assert_int_equal(error.exit_code, 3);
  if (why != NULL && strstr(error.text, why) == NULL) fail_msg("'%s' does not say '%s'", error.text, why);
}

static void test_round_trip(void **state) {
  (void)state;
  size_t size;
  uint8_t *bytes = packed(&size);
  HgmError error = {0};
  HgmProgram *p = hgm_program_load(bytes, size, &error);
  if (p == NULL) fail_msg("%s", error.text);
  memset(bytes, 0xcc, size); // the loaded one stands alone
  assert_string_equal(p->name, "tiny");
  assert_string_equal(p->leaves[0].name, "pt");
  assert_string_equal(p->outputs[0].name, "answer");
  assert_string_equal(p->sites[0], "noise");
  assert_memory_equal(p->data, ((float[]){1, 2, 3}), p->data_bytes);
  assert_int_equal((uintptr_t)p->data % 64, 0);
  HgmWork *work = hgm_work_create(p, 1, 16, NULL, &error);
  assert_non_null(work);
  int32_t answer = 0;
  const void *leaf = &(float){0};
  void *output = &answer;
  HgmCall call = {.leaves = &leaf, .strides = &(int64_t){1}, .outputs = &output, .events = 1};
  assert_true(hgm_execute(p, work, NULL, &call, &error));
  assert_int_equal(answer, ANSWER);
  hgm_work_destroy(work);
  hgm_program_free(p);
  hgm_program_free(NULL);
  free(bytes);
}

static void test_same_bytes(void **state) {
  (void)state;
  size_t size, again;
  uint8_t *a = packed(&size), *b = packed(&again);
  assert_int_equal(size, again);
  assert_memory_equal(a, b, size);
  free(a);
  free(b);
}

static void test_every_bit(void **state) {
  (void)state;
  size_t size;
  uint8_t *bytes = packed(&size);
  for (size_t bit = 0; bit < size * 8; bit++) {
    bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
    refused(bytes, size, NULL);
    bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
  }
  free(bytes);
}

static void test_every_length(void **state) {
  (void)state;
  size_t size;
  uint8_t *bytes = packed(&size), *longer = calloc(size + 4096, 1);
  assert_non_null(longer);
  memcpy(longer, bytes, size);
  for (size_t n = 0; n < size; n++) refused(bytes, n, "damaged");
  refused(longer, size + 1, "length");
  refused(longer, size + 4096, "length");
  free(bytes);
  free(longer);
}

// Bytes that carry a good checksum and yet make no sense: any number is put in the place of each word of the tables.
static void test_contradictions(void **state) {
  (void)state;
  static const uint64_t numbers[] = {0, 1, 4096, 0x7fffffff, 0xffffffffull, 1ull << 40, UINT64_MAX};
  size_t size, loaded = 0, turned_down = 0;
  uint8_t *bytes = packed(&size), *changed = malloc(size);
  assert_non_null(changed);
  for (size_t at = CHECKED_FROM; at + 8 <= 4096; at += 8)
    for (size_t k = 0; k < sizeof numbers / sizeof *numbers; k++) {
      memcpy(changed, bytes, size);
      memcpy(changed + at, &numbers[k], 8);
      uint64_t sum = hgm_checksum(changed + CHECKED_FROM, size - CHECKED_FROM);
      memcpy(changed + CHECKSUM_AT, &sum, 8);
      HgmError error = {0};
      HgmProgram *p = hgm_program_load(changed, size, &error);
      p == NULL ? turned_down++ : loaded++;
      hgm_program_free(p);
    }
  assert_true(turned_down > 100);
  assert_true(loaded > 100); // numbers that nothing points with: dtypes, sizes, constants
  free(bytes);
  free(changed);
}

static void test_other_version(void **state) {
  (void)state;
  size_t size;
  uint8_t *bytes = packed(&size);
  bytes[8]++;
  refused(bytes, size, "another version");
  bytes[8]--;
  bytes[0] = 'H';
  refused(bytes, size, "not a compiled program");
  free(bytes);
}

// Words in any position of the four chains, and in the rest.
static void test_checksum(void **state) {
  (void)state;
  uint8_t text[100];
  for (size_t i = 0; i < sizeof text; i++) text[i] = (uint8_t)(i * 37);
  for (size_t n = 1; n <= sizeof text; n++) {
    uint64_t sum = hgm_checksum(text, n);
    assert_true(sum != hgm_checksum(text, n - 1));
    for (size_t i = 0; i < n; i++) {
      text[i] ^= 1;
      assert_true(sum != hgm_checksum(text, n));
      text[i] ^= 1;
    }
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_round_trip),     cmocka_unit_test(test_same_bytes),    cmocka_unit_test(test_every_bit), cmocka_unit_test(test_every_length),
      cmocka_unit_test(test_contradictions), cmocka_unit_test(test_other_version), cmocka_unit_test(test_checksum),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
