// needs: lang lang/base
// Diagnostics: their order, their form word for word, and the suggestions for misspelt names.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "lang/diag.h"

typedef struct Fixture {
  Arena *arena;
  Sources *sources;
  Diags *diags;
  SourceFile *file;
} Fixture;

static Fixture with(const char *text) {
  Fixture f = {.arena = arena_create()};
  f.sources = sources_new(f.arena);
  f.file = source_add(f.sources, "zgamma.hgm", text, strlen(text));
  f.diags = diags_new(f.arena, f.sources);
  return f;
}

// The n-th occurrence (from 0) of a piece of the file.
static Span find(const Fixture *f, const char *piece, int n) {
  const char *at = strstr(f->file->text, piece);
  while (n-- > 0) at = strstr(at + 1, piece);
  assert_non_null(at);
  uint32_t begin = f->file->base + (uint32_t)(at - f->file->text);
  return (Span){begin, begin + (uint32_t)strlen(piece)};
}

static void prints(const Fixture *f, bool colour, int max, const char *expected) {
  char *text = NULL;
  size_t len = 0;
  FILE *out = open_memstream(&text, &len);
  diags_print(out, f->diags, colour, max);
  fclose(out);
  assert_string_equal(text, expected);
  free(text);
  arena_destroy(f->arena);
}

static void test_form(void **state) {
  (void)state;
  char text[400];
  char *to = text;
  for (int i = 1; i < 22; i++) to = stpcpy(to, "\n");
  strcpy(to, "  h  = x |> mlp(widths, leaky_relu)\n\n  mu = h @ w\n");
  Fixture f = with(text);
  Diag *d = diag_add(f.diags, DIAG_SHAPE, find(&f, "@", 0), "shapes do not meet: %s and %s", "real[128]", "real[64, 8]");
  diag_here(f.diags, d, "the first axis of w is 64, it must be 128");
  diag_label(f.diags, d, find(&f, "h", 0), "h is real[128]");
  diag_note(f.diags, d, "`@` joins the last axis with the first");
  diag_help(f.diags, d, "`h |> dense(latent)` makes a weight of the right shape");
  prints(&f, false, 0,
         "error[shape]: shapes do not meet: real[128] and real[64, 8]\n"
         "  --> zgamma.hgm:24:10\n"
         "   |\n"
         "22 |   h  = x |> mlp(widths, leaky_relu)\n"
         "   |   - h is real[128]\n"
         "24 |   mu = h @ w\n"
         "   |          ^ the first axis of w is 64, it must be 128\n"
         "   = note: `@` joins the last axis with the first\n"
         "   = help: `h |> dense(latent)` makes a weight of the right shape\n"
         "\n"
         "1 error\n");
}

static void test_order_and_count(void **state) {
  (void)state;
  Fixture f = with("a\nb\nc\n");
  diag_add(f.diags, DIAG_UNUSED, find(&f, "c", 0), "third");
  diag_add(f.diags, DIAG_SHAPE, find(&f, "a", 0), "first");
  diag_add(f.diags, DIAG_SHAPE, find(&f, "a", 0), "first again, which is not said");
  diag_add(f.diags, DIAG_AXIS, find(&f, "a", 0), "second");
  f.diags->muted++;
  Diag *d = diag_add(f.diags, DIAG_SHAPE, find(&f, "b", 0), "tried and given up");
  diag_help(f.diags, d, "nobody reads this");
  f.diags->muted--;
  assert_int_equal(f.diags->errors, 2);
  assert_int_equal(f.diags->warnings, 1);
  prints(&f, false, 0,
         "error[shape]: first\n --> zgamma.hgm:1:1\n  |\n1 | a\n  | ^\n\n"
         "error[axis]: second\n --> zgamma.hgm:1:1\n  |\n1 | a\n  | ^\n\n"
         "warning[unused]: third\n --> zgamma.hgm:3:1\n  |\n3 | c\n  | ^\n\n"
         "2 errors, 1 warning\n");
}

static void test_most(void **state) {
  (void)state;
  Fixture f = with("abcdefghijklmnopqrstuvwxyz");
  for (int i = 0; i < 25; i++) {
    uint32_t at = f.file->base + (uint32_t)i;
    diag_add(f.diags, DIAG_SHAPE, (Span){at, at + 1}, "number %d", i);
  }
  char *text = NULL;
  size_t len = 0;
  FILE *out = open_memstream(&text, &len);
  diags_print(out, f.diags, false, 0);
  fclose(out);
  assert_non_null(strstr(text, "number 19\n"));
  assert_null(strstr(text, "number 20\n"));
  assert_non_null(strstr(text, "\nand 5 more\n25 errors\n"));
  free(text);
  prints(&f, false, 1, "error[shape]: number 0\n --> zgamma.hgm:1:1\n  |\n1 | abcdefghijklmnopqrstuvwxyz\n  | ^\n\nand 24 more\n25 errors\n");
}

static void test_nothing_and_nowhere(void **state) {
  (void)state;
  Fixture f = with("a");
  prints(&f, false, 0, "");
  f = with("a");
  Diag *d = diag_add(f.diags, DIAG_IMPORT_MISSING, (Span){0, 0}, "no such file");
  diag_help(f.diags, d, "give its path");
  prints(&f, false, 0, "error[import-missing]: no such file\n  = help: give its path\n\n1 error\n");
}

static void test_columns(void **state) {
  (void)state;
  Fixture f = with("\t\"\xc2\xb5\xe2\x82\xac\"\tx\ty\r\n");
  diag_here(f.diags, diag_add(f.diags, DIAG_SHAPE, find(&f, "x", 0), "tabs and letters of several bytes"), "here");
  prints(&f, false, 0,
         "error[shape]: tabs and letters of several bytes\n --> zgamma.hgm:1:7\n  |\n"
         "1 |     \"\xc2\xb5\xe2\x82\xac\"    x   y\n  |             ^ here\n\n1 error\n");
}

static void test_several_lines_and_end(void **state) {
  (void)state;
  Fixture f = with("f(a,\n  b)\n");
  diag_add(f.diags, DIAG_SHAPE, find(&f, "(a,\n  b)", 0), "over two lines");
  uint32_t end = f.file->base + f.file->len;
  diag_add(f.diags, DIAG_EXPECTED, (Span){end, end}, "at the end");
  prints(&f, false, 0,
         "error[shape]: over two lines\n --> zgamma.hgm:1:2\n  |\n1 | f(a,\n  |  ^^^\n\n"
         "error[expected]: at the end\n --> zgamma.hgm:3:1\n  |\n3 |\n  | ^\n\n2 errors\n");
}

static void test_two_files(void **state) {
  (void)state;
  Fixture f = with("net decoder(z) = z\n");
  SourceFile *other = source_add(f.sources, "base.hgm", "\n\nnet decoder(z) = 2 * z\n", 25);
  Diag *d = diag_add(f.diags, DIAG_NAME_CLASH, find(&f, "decoder", 0), "`decoder` comes from base.hgm too");
  diag_label(f.diags, d, (Span){other->base + 6, other->base + 13}, "declared here");
  prints(&f, false, 0,
         "error[name-clash]: `decoder` comes from base.hgm too\n --> zgamma.hgm:1:5\n  |\n"
         "1 | net decoder(z) = z\n  |     ^^^^^^^\n ::: base.hgm:3:5\n3 | net decoder(z) = 2 * z\n  |     ------- declared here\n\n1 error\n");
}

static void test_long_line(void **state) {
  (void)state;
  char text[500];
  memset(text, 'a', sizeof text);
  memcpy(text + 300, " bad ", 5);
  text[sizeof text - 1] = '\0';
  Fixture f = with(text);
  diag_add(f.diags, DIAG_SHAPE, find(&f, "bad", 0), "far to the right");
  char *out_text = NULL;
  size_t len = 0;
  FILE *out = open_memstream(&out_text, &len);
  diags_print(out, f.diags, false, 0);
  fclose(out);
  char *line = strstr(out_text, "1 | ..."), *under = strchr(line, '\n') + 1;
  assert_true(under - line < 140);
  ptrdiff_t at = strchr(under, '^') - under;
  assert_memory_equal(line + at, "bad", 3); // the underline stands below what it means
  assert_memory_equal(under + at, "^^^\n", 4);
  assert_non_null(strstr(line, "...\n"));
  free(out_text);
  arena_destroy(f.arena);
}

static void test_colour(void **state) {
  (void)state;
  Fixture f = with("a");
  diag_add(f.diags, DIAG_UNUSED, find(&f, "a", 0), "never used");
  prints(&f, true, 0,
         "\x1b[1;33mwarning[unused]\x1b[0m: \x1b[1mnever used\x1b[0m\n\x1b[34m -->\x1b[0m zgamma.hgm:1:1\n\x1b[34m  |\x1b[0m\n"
         "\x1b[34m1 |\x1b[0m a\n\x1b[34m  |\x1b[0m \x1b[1;33m^\x1b[0m\n\n1 warning\n");
}

static void test_nearest(void **state) {
  (void)state;
  static const char *const NAMES[] = {"decoder", "encoder", "latent", "logvar", "mu", "x", "events", "Jet_pt", "minimize"};
  static const struct {
    const char *name, *nearest;
  } CASES[] = {
      {"decodr", "decoder"},  {"dceoder", "decoder"},
      {"DECODER", "decoder"}, {"minimise", "minimize"},
      {"evnets", "events"},   {"latnet", "latent"},
      {"jet_PT", "Jet_pt"},   {"m", NULL},
      {"nu", "mu"},           {"y", NULL},
      {"banana", NULL},       {"", NULL},
      {"logva", "logvar"},    {"decoders_of_all", NULL},
      {"pt_Jet", "Jet_pt"},   {"pt_Je", NULL},
  };
  for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
    const char *best = diag_nearest(CASES[i].name, NAMES, sizeof NAMES / sizeof NAMES[0]);
    if (CASES[i].nearest == NULL) assert_null(best);
    else assert_string_equal(best == NULL ? "none" : best, CASES[i].nearest);
  }
  static const char *const TIES[] = {"beta2", "beta1"};
  assert_string_equal(diag_nearest("beta", TIES, 2), "beta1"); // as near: in alphabetical order
}

static void test_table(void **state) {
  (void)state;
  for (int i = 0; i < DIAG_COUNT; i++) {
    const char *slug = diag_slug((DiagKind)i), *explanation = diag_explanation(slug);
    assert_non_null(explanation);
    assert_true(strlen(explanation) > 30 && explanation[strlen(explanation) - 1] != '.');
    assert_int_equal(strspn(slug, "abcdefghijklmnopqrstuvwxyz-"), strlen(slug));
    for (int j = 0; j < i; j++) assert_string_not_equal(slug, diag_slug((DiagKind)j));
  }
  assert_null(diag_explanation("no-such-slug"));
  assert_true(diag_is_error(DIAG_SHAPE));
  assert_false(diag_is_error(DIAG_UNUSED));
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_form),      cmocka_unit_test(test_order_and_count),
      cmocka_unit_test(test_most),      cmocka_unit_test(test_nothing_and_nowhere),
      cmocka_unit_test(test_columns),   cmocka_unit_test(test_several_lines_and_end),
      cmocka_unit_test(test_two_files), cmocka_unit_test(test_long_line),
      cmocka_unit_test(test_colour),    cmocka_unit_test(test_nearest),
      cmocka_unit_test(test_table),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
