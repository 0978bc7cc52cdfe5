// needs: compiler/ir runtime lang/base
// The text form: a page of all ops prints as written, numbers read back to the same bits, malformed text is answered; and the bytes.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <math.h>
#include <string.h>
#include <cmocka.h>

#include "compiler/ir/ir.h"

static int setup(void **state) { return *state = arena_create(), 0; }
static int teardown(void **state) { return arena_destroy(*state), 0; }

// One of each form; elementwise ops share theirs.
static const char page[] = "fn step {\n"
                           "  %0 = input \"column:x\" : f32[e,3]\n"
                           "  %1 = param \"dense.weight\" : f32[3,5]\n"
                           "  %2 = state \"adam \\\"m\\\" \\\\ \\x0a\" : f64[3]\n"
                           "  %3 = counter \"pass\" : i32\n"
                           "  %4 = const 1.5 : f64\n"
                           "  %5 = const [0.1, -0, inf, -inf, nan, 1e-45] : f32[2,3]\n"
                           "  %6 = const [] : i32[0]\n"
                           "  %7 = const 1 : bool\n"
                           "  %8 = iota axis 1 : i32[2,3]\n"
                           "  %9 = draw normal \"noise\" : f32[e,3]\n"
                           "  %10 = draw uniform \"u\" : f64[e]\n"
                           "  %11 = draw bits \"b\" : i32[e,2]\n"
                           "  %12 = fma %0, %0, %9 : f32[e,3]\n"
                           "  %13 = lt %0, %9 : bool[e,3]\n"
                           "  %14 = select %13, %0, %9 : f32[e,3]\n"
                           "  %15 = cast %14 : f64[e,3]\n"
                           "  %16 = reshape %5 : f32[6]\n"
                           "  %17 = transpose %1 order (1, 0) : f32[5,3]\n"
                           "  %18 = broadcast %0 order (-1, 0, 1) : f32[e,p,3]\n"
                           "  %19 = slice %1 axis 1 from 4 to -1 step -2 : f32[3,3]\n"
                           "  %20 = pad %1 axis 0 before 1 after 2 dilation 3 : f32[10,5]\n"
                           "  %21 = concat %1, %20, %1 axis 0 : f32[16,5]\n"
                           "  %22 = gather %21, %11 batch 0 axis 0 : f32[e,2,5]\n"
                           "  %23 = scatter_add %22, %11 batch 1 axis 1 size 4 : f32[e,4,5]\n"
                           "  %24 = sum %22 axes (0, 2) : f32[2]\n"
                           "  %25 = amax %22 axes (1) : f32[e,5]\n"
                           "  %26 = argmax %22 axis 2 : i32[e,2]\n"
                           "  %27 = cumsum %22 axis 1 : f32[e,2,5]\n"
                           "  %28 = cumsum %22 axis 1 backwards exclusive : f32[e,2,5]\n"
                           "  %29 = einsum \"ei,io->eo\" %0, %1 : f32[e,5]\n"
                           "  %30 = tri_inverse %19 upper : f32[3,3]\n"
                           "  %31 = tri_inverse %19 lower : f32[3,3]\n"
                           "  %32 = draw number \"event\" : f64[e]\n"
                           "  output \"loss\" %4\n"
                           "  output \"events\" %29\n"
                           "}\n";

typedef struct Sum {
  Arena *arena;
  VEC(uint8_t) bytes;
} Sum;

static void add_bytes(void *data, const void *bytes, size_t n) {
  Sum *sum = data;
  for (size_t i = 0; i < n; i++) VEC_PUSH(sum->arena, &sum->bytes, ((const uint8_t *)bytes)[i]);
}

// Every character of the page is replaced by others: where that makes another function, its bytes differ as well.
static void test_bytes(void **state) {
  static const char others[] = "0123456789.x,-ed ";
  const char *error = NULL;
  Sum whole = {.arena = *state};
  ir_bytes(ir_read(*state, page, &error), add_bytes, &whole);
  char text[sizeof page];
  int changed = 0;
  for (size_t at = 0; at + 1 < sizeof page; at++)
    for (const char *c = others; *c; c++) {
      Arena *arena = arena_create();
      memcpy(text, page, sizeof page);
      text[at] = *c;
      IrFn *fn = ir_read(arena, text, &error);
      if (fn != NULL) {
        bool same_text = strcmp(ir_text(arena, fn), page) == 0;
        Sum sum = {.arena = arena};
        ir_bytes(fn, add_bytes, &sum);
        bool same_bytes = sum.bytes.len == whole.bytes.len && memcmp(sum.bytes.at, whole.bytes.at, whole.bytes.len) == 0;
        if (same_bytes && !same_text) fail_msg("the same bytes with '%c' at %zu: %.40s", *c, at, text + (at < 20 ? 0 : at - 20));
        changed += !same_text;
      }
      arena_destroy(arena);
    }
  assert_true(changed > 500);
}

// What is read back is the same function with the same bytes; of bytes that are cut short, or changed anywhere, nothing comes or another function.
static void test_bytes_are_read_back(void **state) {
  const char *error = NULL;
  Sum whole = {.arena = *state}, again = {.arena = *state};
  ir_bytes(ir_read(*state, page, &error), add_bytes, &whole);
  IrFn *fn = ir_from_bytes(*state, whole.bytes.at, whole.bytes.len);
  assert_non_null(fn);
  assert_string_equal(ir_text(*state, fn), page);
  assert_null(ir_verify(fn, *state));
  assert_int_equal(ir_leaf(fn, IR_STATE, "adam \"m\" \\ \n", *ir_type_of(fn, 2)), 2); // found by its name
  ir_bytes(fn, add_bytes, &again);
  assert_int_equal(again.bytes.len, whole.bytes.len);
  assert_memory_equal(again.bytes.at, whole.bytes.at, whole.bytes.len);
  VEC_PUSH(whole.arena, &whole.bytes, 0);
  assert_null(ir_from_bytes(*state, whole.bytes.at, whole.bytes.len));
  for (size_t n = 0; n < again.bytes.len; n++) {
    uint8_t *exact = malloc(n + 1); // whose end a sanitizer sees
    memcpy(exact + 1, whole.bytes.at, n);
    assert_null(ir_from_bytes(*state, exact + 1, n));
    free(exact);
  }
  for (size_t at = 0; at < again.bytes.len; at++)
    for (int bit = 0; bit < 8; bit++) {
      Arena *arena = arena_create();
      again.bytes.at[at] ^= (uint8_t)(1 << bit);
      (void)ir_from_bytes(arena, again.bytes.at, again.bytes.len);
      again.bytes.at[at] ^= (uint8_t)(1 << bit);
      arena_destroy(arena);
    }
}

static void test_page(void **state) {
  const char *error = NULL;
  IrFn *fn = ir_read(*state, page, &error);
  if (!fn) fail_msg("%s", error);
  assert_string_equal(ir_text(*state, fn), page);
}

static void test_spaces_and_comments(void **state) {
  const char *error = NULL;
  IrFn *fn = ir_read(*state, "# a comment\nfn \"two words\"{%0=const[1,2]:f64[2]#x\n%1=neg %0:f64[2]output\"y\"%1}\n\n", &error);
  if (!fn) fail_msg("%s", error);
  assert_string_equal(fn->name, "two words");
  assert_string_equal(ir_text(*state, fn), "fn \"two words\" {\n  %0 = const [1, 2] : f64[2]\n  %1 = neg %0 : f64[2]\n  output \"y\" %1\n}\n");
}

static void test_numbers_keep_their_bits(void **state) {
  static const double numbers[] = {0,
                                   1,
                                   0.1,
                                   1.0 / 3,
                                   2.0 / 3,
                                   1e300,
                                   5e-324,
                                   2.2250738585072014e-308,
                                   123456789.123456789,
                                   -1e-7,
                                   1.7976931348623157e308,
                                   0x1.fffffffffffffp-3,
                                   9007199254740993.0,
                                   1e23};
  enum { N = sizeof numbers / sizeof *numbers };
  IrFn *fn = ir_fn_new(*state, "f");
  IrRef wide = ir_const(fn, ir_type(IR_F64, 1, (int64_t[]){N}), numbers);
  IrRef narrow = ir_const(fn, ir_type(IR_F32, 1, (int64_t[]){N}), numbers);
  const char *error = NULL;
  IrFn *again = ir_read(*state, ir_text(*state, fn), &error);
  if (!again) fail_msg("%s", error);
  assert_memory_equal(ir_at(again, wide)->attr.data, numbers, sizeof numbers);
  assert_memory_equal(ir_at(again, narrow)->attr.data, ir_at(fn, narrow)->attr.data, sizeof numbers);
  assert_non_null(strstr(ir_text(*state, fn), "[0, 1, 0.1, 0.3333333333333333, 0.6666666666666666, 1e+300, 5e-324"));
  assert_non_null(strstr(ir_text(*state, fn), "[0, 1, 0.1, 0.33333334, 0.6666667, inf, 0"));
}

static void test_value_text_is_short(void **state) {
  IrFn *fn = ir_fn_new(*state, "f");
  double data[100] = {0};
  IrRef c = ir_const(fn, ir_type(IR_F64, 1, (int64_t[]){100}), data);
  assert_string_equal(ir_value_text(*state, fn, c), "%0 = const [0, 0, 0, 0, 0, 0, 0, 0, ...] : f64[100]");
}

static const struct {
  const char *text, *message;
} malformed[] = {
    {"", "line 1: expected fn, found the end"},
    {"fn", "line 1: expected a word"},
    {"fn f", "line 1: expected {"},
    {"fn f {\n", "line 2: expected }"},
    {"fn f {}\nx", "line 2: expected the end, found x"},
    {"fn f {\n%1 = const 1 : f64\n}", "line 2: expected %0"},
    {"fn f {\n%0 = what 1 : f64\n}", "line 2: there is no op what"},
    {"fn f {\n%0 = const : f64\n}", "line 2: expected a number"},
    {"fn f {\n%0 = const [1, : f64[2]\n}", "line 2: expected a number"},
    {"fn f {\n%0 = const 1 : f16\n}", "line 2: expected a type, found f16"},
    {"fn f {\n%0 = const 1 : f64[\n}", "expected a whole number"},
    {"fn f {\n%0 = input \"x : f64\n}", "line 2: a string without end"},
    {"fn f {\n%0 = input \"\\q\" : f64\n}", "line 2: a string without end, or a lone backslash"},
    {"fn f {\n%0 = input \"\\x00\" : f64\n}", "line 2: \\x wants two digits"},
    {"fn f {\n%0 = input x : f64\n}", "line 2: expected \""},
    {"fn f {\n%0 = draw poisson \"s\" : f64\n}", "line 2: expected normal"},
    {"fn f {\n%0 = iota axis 99999999999999999999 : i32[2]\n}", "line 2: expected a whole number of 0..8"},
    {"fn f {\n%0 = input \"x\" : f64[1,1,1,1,1,1,1,1,1]\n}", "line 2: more than 8 axes"},
    {"fn f {\n%0 = const 1 : f64\n%1 = neg %99999 : f64\n}", "line 3: neg: operand 0 is no earlier value"},
    {"fn f {\n%0 = const 1 : f64\n%1 = neg %-1 : f64\n}", "line 3: expected a whole number"},
    {"fn f {\noutput \"x\" 3\n}", "line 2: expected %"},
};

static void test_malformed(void **state) {
  for (size_t i = 0; i < sizeof malformed / sizeof *malformed; i++) {
    const char *error = NULL;
    if (ir_read(*state, malformed[i].text, &error)) fail_msg("accepted: %s", malformed[i].text);
    if (!strstr(error, malformed[i].message)) fail_msg("%s\n  expected \"%s\"\n  got \"%s\"", malformed[i].text, malformed[i].message, error);
  }
}

// The page with a piece cut out or doubled anywhere: an answer, whatever it is.
static void test_mutilated(void **state) {
  size_t n = strlen(page);
  for (size_t at = 0; at < n; at++) {
    for (size_t cut = 1; cut <= 3; cut++) {
      Arena *arena = arena_create();
      const char *head = arena_strndup(arena, page, at), *error = NULL;
      const char *texts[2] = {arena_printf(arena, "%s%s", head, page + (at + cut < n ? at + cut : n)),
                              arena_printf(arena, "%s%s", arena_strndup(arena, page, at + cut < n ? at + cut : n), page + at)};
      for (int k = 0; k < 2; k++) {
        IrFn *fn = ir_read(arena, texts[k], &error);
        assert_true(fn || error);
        if (fn) assert_null(ir_verify(fn, arena));
      }
      arena_destroy(arena);
    }
  }
  (void)state;
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(test_page, setup, teardown),
      cmocka_unit_test_setup_teardown(test_bytes, setup, teardown),
      cmocka_unit_test_setup_teardown(test_bytes_are_read_back, setup, teardown),
      cmocka_unit_test_setup_teardown(test_spaces_and_comments, setup, teardown),
      cmocka_unit_test_setup_teardown(test_numbers_keep_their_bits, setup, teardown),
      cmocka_unit_test_setup_teardown(test_value_text_is_short, setup, teardown),
      cmocka_unit_test_setup_teardown(test_malformed, setup, teardown),
      cmocka_unit_test_setup_teardown(test_mutilated, setup, teardown),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
