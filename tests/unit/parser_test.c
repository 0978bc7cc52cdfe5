// needs: lang lang/base
// The parser: what it accepts and the tree it makes, what it says about each kind of mistake, and that no input breaks it.
#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "lang/parse.h"

typedef struct Parsed {
  Arena *arena;
  Diags *diags;
  AstFile *file;
} Parsed;

static Parsed parse(const char *path, const char *text, size_t len) {
  Parsed r = {.arena = arena_create()};
  Sources *sources = sources_new(r.arena);
  SourceFile *source = source_add(sources, path, text, len);
  r.diags = diags_new(r.arena, sources);
  r.file = ast_parse(r.arena, sources, source, r.diags);
  return r;
}

static char *rendered(const Diags *diags) { // freed by the caller
  char *text = NULL;
  size_t len = 0;
  FILE *out = open_memstream(&text, &len);
  diags_print(out, diags, false, 0);
  fclose(out);
  return text;
}

static char *read_file(const char *path, size_t *len) { // NULL: not there
  FILE *in = fopen(path, "rb");
  if (in == NULL) return NULL;
  fseek(in, 0, SEEK_END);
  long size = ftell(in);
  rewind(in);
  char *text = malloc((size_t)size + 1);
  *len = fread(text, 1, (size_t)size, in);
  text[*len] = '\0';
  fclose(in);
  return text;
}

// Calls visit for every .hgm file of a folder; returns how many there were.
static int each_file(const char *folder, void (*visit)(const char *path, const char *text, size_t len)) {
  DIR *dir = opendir(folder);
  if (dir == NULL) return 0;
  int n = 0;
  for (struct dirent *entry; (entry = readdir(dir)) != NULL;) {
    size_t length = strlen(entry->d_name), len;
    if (length < 4 || strcmp(entry->d_name + length - 4, ".hgm") != 0) continue;
    char path[4096];
    snprintf(path, sizeof path, "%s/%s", folder, entry->d_name);
    char *text = read_file(path, &len);
    if (text == NULL) continue;
    visit(path, text, len);
    free(text);
    n++;
  }
  closedir(dir);
  return n;
}

static void parses(const char *path, const char *text, size_t len) {
  Parsed r = parse(path, text, len);
  if (r.diags->all.len > 0) {
    char *said = rendered(r.diags);
    print_error("%s", said);
    free(said);
  }
  assert_int_equal(r.diags->all.len, 0);
  assert_true(r.file->items.len > 0);
  arena_destroy(r.arena);
}

static void test_library_parses(void **state) {
  (void)state;
  static const char *const examples[] = {"examples/autoencoders", "examples/vae",       "examples/gan",        "examples/images",
                                         "examples/flows",        "examples/inference", "examples/calorimeter"};
  assert_true(each_file("stdlib", parses) >= 15);
  for (size_t i = 0; i < sizeof examples / sizeof *examples; i++) assert_true(each_file(examples[i], parses) > 0);
}

static void test_programs_parse(void **state) {
  (void)state;
  const char *shared = getenv("HGM_SHARED") != NULL ? getenv("HGM_SHARED") : "../shared";
  char folder[4096];
  snprintf(folder, sizeof folder, "%s/design/programs", shared);
  if (each_file(folder, parses) == 0) skip();
}

// ---- the tree

static char *tree(const char *text) {
  Parsed r = parse("a.hgm", text, strlen(text));
  assert_int_equal(r.diags->all.len, 0);
  char *printed = NULL;
  size_t len = 0;
  FILE *out = open_memstream(&printed, &len);
  ast_print(out, r.file);
  fclose(out);
  arena_destroy(r.arena);
  return printed;
}

static void test_golden_tree(void **state) {
  (void)state;
  size_t len;
  char *text = read_file("tests/unit/parser_tree.hgm", &len), *expected = read_file("tests/unit/parser_tree.txt", &len);
  assert_non_null(text);
  assert_non_null(expected);
  char *printed = tree(text);
  assert_string_equal(printed, expected);
  free(printed);
  free(text);
  free(expected);
}

static void test_binding(void **state) {
  (void)state;
  static const struct {
    const char *loose, *explicit;
  } SAME[] = {
      {"-x^2", "-(x^2)"},
      {"2^-3", "2^(-3)"},
      {"a^b^c", "a^(b^c)"},
      {"a - b - c", "(a - b) - c"},
      {"a // b % c @ d", "((a // b) % c) @ d"},
      {"not a == b", "not (a == b)"},
      {"a or b and not c", "a or (b and (not c))"},
      {"x |> f(1) |> g", "(x |> f(1)) |> g"},
      {"a + b |> f", "(a + b) |> f"},
      {"a in GeV |> f", "(a in GeV) |> f"},
      {"a - b in rad |> wrap", "((a - b) in rad) |> wrap"},
      {"if a then b else c |> f", "if a then b else (c |> f)"},
      {"fn (p) = p + 1 |> f", "fn (p) = ((p + 1) |> f)"},
      {"-a.b(c)[d]", "-(((a.b)(c))[d])"},
      {"a < b + c * d", "a < (b + (c * d))"},
      {"1 + if a then b else c + d", "1 + (if a then b else (c + d))"},
      {"-a * b", "(-a) * b"},
      {"a\n  + b\n  |> f", "(a + b) |> f"},
      {"a +\n b", "a + b"},
      {"f(a,\n\n b)", "f(a, b)"},
  };
  for (size_t i = 0; i < sizeof SAME / sizeof SAME[0]; i++) {
    char loose[200], full[200];
    snprintf(loose, sizeof loose, "score { y = %s }", SAME[i].loose);
    snprintf(full, sizeof full, "score { y = %s }", SAME[i].explicit);
    char *a = tree(loose), *b = tree(full);
    assert_string_equal(a, b);
    free(a);
    free(b);
  }
}

static void test_soft_words_are_names(void **state) {
  (void)state;
  static const char *const SOFT[] = {
      "data",    "fit",          "score",   "given",       "after",      "from",   "split", "pin",      "trained", "of",
      "forward", "inverse",      "base",    "context",     "batch",      "epochs", "steps", "patience", "watch",   "every",
      "keep",    "simultaneous", "metrics", "observables", "observable", "events", "log",   "bins",     "label",   "against",
  };
  static const char EVERYWHERE[] = "param $: $ = $\ndata $ { $ = \"a\"; $: real = \"b\"; $ ~ normal }\n"
                                   "net $($: real[$]) -> ($: $.$) { $ = $($ = $).$; ($, $) = $ }\n"
                                   "flow $($ | $) { $ = 1; base $ }\nfit $ = $\n"
                                   "train { $ = 1; batch $; keep $; watch $ every $\n update $ { $ = 1; minimize $ } }\n"
                                   "generate given $ { $ ~ $ | $ }\nscore { $ = 1 }\nevaluate { $ = 1; observable $ = $ log; metrics $ }\n";
  for (size_t i = 0; i < sizeof SOFT / sizeof SOFT[0]; i++) {
    char text[4000], *to = text;
    for (const char *c = EVERYWHERE; *c != '\0'; c++)
      if (*c == '$') to = stpcpy(to, SOFT[i]);
      else *to++ = *c;
    *to = '\0';
    Parsed r = parse("a.hgm", text, strlen(text));
    if (r.diags->all.len > 0) print_error("%s\n%s", text, rendered(r.diags));
    assert_int_equal(r.diags->all.len, 0);
    arena_destroy(r.arena);
  }
}

static void test_documentation(void **state) {
  (void)state;
  const char *text = "## The file,\n##  in two lines.\n\n# plain\n## Of a.\nparam a = 1 ## not of b\nparam b = 2\n\n## Lost.\n\nparam c = 3\n";
  Parsed r = parse("a.hgm", text, strlen(text));
  assert_string_equal(r.file->doc, "The file,\n in two lines.");
  assert_string_equal(r.file->items.at[0]->doc, "Of a.");
  assert_null(r.file->items.at[1]->doc);
  assert_null(r.file->items.at[2]->doc);
  arena_destroy(r.arena);
  const char *above = "## Of a, not of the file.\nparam a = 1\n";
  r = parse("a.hgm", above, strlen(above));
  assert_null(r.file->doc);
  assert_string_equal(r.file->items.at[0]->doc, "Of a, not of the file.");
  arena_destroy(r.arena);
}

static void test_numbers(void **state) {
  (void)state;
  static const struct {
    const char *text;
    double value;
    bool integer;
  } NUMBERS[] = {
      {"1", 1, true},
      {"1_000", 1000, true},
      {"1.5e-3", 1.5e-3, false},
      {"2e3", 2000, false},
      {"0.25", 0.25, false},
      {"9007199254740993", 9007199254740992.0, true},
      {"1_0.2_5", 10.25, false},
  };
  for (size_t i = 0; i < sizeof NUMBERS / sizeof NUMBERS[0]; i++) {
    char text[100];
    snprintf(text, sizeof text, "param a = %s GeV", NUMBERS[i].text);
    Parsed r = parse("a.hgm", text, strlen(text));
    assert_int_equal(r.diags->all.len, 0);
    const AstExpr *e = r.file->items.at[0]->u.param.value;
    assert_int_equal(e->kind, EX_NUMBER);
    assert_true(e->u.number.value == NUMBERS[i].value);
    assert_int_equal(e->u.number.integer, NUMBERS[i].integer);
    assert_string_equal(e->u.number.unit.text, "GeV");
    arena_destroy(r.arena);
  }
}

static void test_spans(void **state) {
  (void)state;
  const char *text = "\xef\xbb\xbfscore { y = (a + bb) * c(d) }\r\n"; // with a byte order mark and a carriage return
  Parsed r = parse("a.hgm", text, strlen(text));
  assert_int_equal(r.diags->all.len, 0);
  const AstExpr *e = r.file->items.at[0]->u.score.body.at[0]->u.assign.value;
  const char *from = text + e->span.begin - r.file->source->base;
  assert_memory_equal(from, "(a + bb) * c(d)", e->span.end - e->span.begin);
  assert_int_equal(e->span.end - e->span.begin, strlen("(a + bb) * c(d)"));
  Span op = e->u.binary.op_span;
  assert_int_equal(text[op.begin - r.file->source->base], '*');
  arena_destroy(r.arena);
}

// ---- mistakes

static void test_mistakes(void **state) {
  (void)state;
  static const struct {
    const char *what, *text, *expected;
  } MISTAKES[] = {
#define MISTAKE(what, text, rendered) {what, text, rendered},
#include "tests/unit/parser_mistakes.def"
#undef MISTAKE
  };
  for (size_t i = 0; i < sizeof MISTAKES / sizeof MISTAKES[0]; i++) {
    Parsed r = parse("m.hgm", MISTAKES[i].text, strlen(MISTAKES[i].text));
    char *said = rendered(r.diags);
    if (strcmp(said, MISTAKES[i].expected) != 0) print_error("%s:\n%s", MISTAKES[i].what, MISTAKES[i].text);
    assert_string_equal(said, MISTAKES[i].expected);
    free(said);
    arena_destroy(r.arena);
  }
}

// Every mistake of a file is reported on its line, and none is invented.
static void test_independent_mistakes(void **state) {
  (void)state;
  const char *text = "param latent = \n" // 1
                     "param beta = 1\n"
                     "data events {\n"
                     "  x = [\"a\", \"b\" |> standardize\n" // 4
                     "  y = \"c\" |> |> log\n"              // 5
                     "}\n"
                     "net encoder(x: events.x -> (mu: real[latent]) {\n" // 7
                     "  h = x |> mlp(widths\n"                           // 8
                     "  mu = h |> dense(latent)\n"
                     "}\n"
                     "train {\n"
                     "  update encoder {\n"
                     "    minimise mse(x, y)\n" // 13
                     "    with adam(1e-3)\n"
                     "  }\n"
                     "  batch 512 epochs 3\n" // 16
                     "}\n"
                     "generate { z ~ normal }\n";
  static const int LINES[] = {1, 4, 5, 7, 8, 13, 16};
  Parsed r = parse("a.hgm", text, strlen(text));
  assert_int_equal(r.diags->all.len, sizeof LINES / sizeof LINES[0]);
  bool seen[sizeof LINES / sizeof LINES[0]] = {false};
  for (size_t i = 0; i < r.diags->all.len; i++) {
    int line, column;
    source_position(r.diags->sources, r.diags->all.at[i]->span.begin, &line, &column);
    for (size_t j = 0; j < sizeof LINES / sizeof LINES[0]; j++) seen[j] = seen[j] || line == LINES[j];
  }
  for (size_t j = 0; j < sizeof LINES / sizeof LINES[0]; j++) assert_true(seen[j]);
  assert_int_equal(r.file->items.len, 6);
  assert_int_equal(r.file->items.at[5]->kind, DE_GENERATE); // what is right is kept
  arena_destroy(r.arena);
}

// One token taken away from a file is one mistake: of all the ways to do it few are said as more than one, none as many.
typedef struct Deletions {
  int single, several, most;
} Deletions;

static void delete_each(Deletions *count, const char *path, const char *text, size_t len) {
  Arena *arena = arena_create();
  Sources *sources = sources_new(arena);
  Parse whole = {.arena = arena, .scratch = arena, .source = source_add(sources, path, text, len), .diags = diags_new(arena, sources)};
  whole.file = ARENA_NEW(arena, AstFile);
  scan_tokens(&whole);
  char *copy = malloc(len + 1);
  for (size_t i = 0; i + 1 < whole.tokens.len; i++) {
    size_t from = whole.tokens.at[i].span.begin - whole.source->base, to = whole.tokens.at[i].span.end - whole.source->base;
    memcpy(copy, text, from);
    memcpy(copy + from, text + to, len - to);
    Parsed r = parse(path, copy, len - (to - from));
    if (r.diags->errors > 1) count->several++;
    else count->single++;
    if (r.diags->errors > count->most) count->most = r.diags->errors;
    arena_destroy(r.arena);
  }
  free(copy);
  arena_destroy(arena);
}

static void test_deleted_tokens(void **state) {
  (void)state;
  static const char *const FILES[] = {"flows", "layers", "lagan", "spline", "solvers"};
  Deletions count = {0};
  for (size_t i = 0; i < sizeof FILES / sizeof FILES[0]; i++) {
    char path[100];
    snprintf(path, sizeof path, "stdlib/%s.hgm", FILES[i]);
    size_t len;
    char *text = read_file(path, &len);
    assert_non_null(text);
    delete_each(&count, path, text, len);
    free(text);
  }
  assert_true(count.single > 2000);
  assert_true(count.several * 50 < count.single);
  assert_true(count.most <= 6);
}

// ---- nothing breaks it

static void reads(const char *text, size_t len) {
  Parsed r = parse("a.hgm", text, len);
  assert_non_null(r.file);
  if (r.diags->all.len > 0) {
    char *said = rendered(r.diags);
    assert_true(strlen(said) > 20);
    free(said);
  }
  arena_destroy(r.arena);
}

static void truncations(const char *path, const char *text, size_t len) {
  (void)path;
  for (size_t end = 0; end <= len; end++) reads(text, end);
}

static void test_truncations(void **state) {
  (void)state;
  assert_true(each_file("stdlib", truncations) > 0);
}

static uint64_t next_random(uint64_t *state) { // splitmix64
  uint64_t z = (*state += 0x9e3779b97f4a7c15u);
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
  return z ^ (z >> 31);
}

static void mutations(const char *path, const char *text, size_t len) {
  static const char BYTES[] = "(){}[]|=~,;:.+-*/^@%<>\"#\n \t0az_\xc3\x00\x7f";
  uint64_t state = strlen(path) * 1000003u + len;
  char *copy = malloc(len + 1);
  for (int round = 0; round < 300; round++) {
    memcpy(copy, text, len);
    size_t now = len;
    for (uint64_t n = next_random(&state) % 3 + 1; n > 0; n--) {
      size_t at = next_random(&state) % now;
      char byte = BYTES[next_random(&state) % (sizeof BYTES - 1)];
      if (next_random(&state) % 3 == 0 && now > 1) memmove(copy + at, copy + at + 1, --now - at);
      else copy[at] = byte;
    }
    reads(copy, now);
  }
  free(copy);
}

static void test_mutations(void **state) {
  (void)state;
  assert_true(each_file("stdlib", mutations) > 0);
}

static void repeated(const char *head, const char *part, size_t times, const char *tail, bool nested) {
  size_t len = strlen(head) + times * strlen(part) + strlen(tail);
  char *text = malloc(len + 1), *to = text + sprintf(text, "%s", head);
  for (size_t i = 0; i < times; i++) to += sprintf(to, "%s", part);
  strcpy(to, tail);
  Parsed r = parse("a.hgm", text, len);
  char *said = rendered(r.diags);
  assert_int_equal(strstr(said, "error[nested]: nested too deeply") != NULL, nested);
  char *printed = NULL;
  size_t size = 0;
  FILE *out = open_memstream(&printed, &size);
  ast_print(out, r.file); // a recursive pass
  fclose(out);
  free(printed);
  free(said);
  free(text);
  arena_destroy(r.arena);
}

static void test_depth(void **state) {
  (void)state;
  static const char *const PARTS[] = {"(",   "[",    "f(",    "x[",     "- ",  "not ", "if a then b else ", "fn (a) = ", "2 ^ ", "[a for b in ",
                                      "if ", "1 + ", "x |> ", "f(a = ", "(1, "};
  for (size_t i = 0; i < sizeof PARTS / sizeof PARTS[0]; i++) {
    repeated("param a = ", PARTS[i], 20000, "1\n", true);
    repeated("param a = ", PARTS[i], 20000, "", true);
    repeated("param a = x", i % 2 == 0 ? ".a" : "(1)", 20000, "\n", true);
  }
  repeated("net f(x) -> (y) {", "repeat 2 {\n", 20000, "", true);
  repeated("data d {", "x = {\n", 20000, "", true);
  repeated("train {", "net f(x) -> (y) { ", 20000, "", true);
  repeated("param a: ", "set[2] of ", 20000, "real = 1\n", true);
  repeated("param a: ", "[", 20000, "real = 1\n", true);
  repeated("param a = ", "1 + ", 300, "1\n", false);
  repeated("param a = ", "if a then b else ", 300, "1\n", false);
  repeated("param a = [1", ", 1", 100000, "]\n", false);
  repeated("", ")", 100000, "\n", false);
  repeated("", "}", 100000, "\n", false);
  repeated("", "$ ", 100000, "\n", false);
  repeated("", "x x\n", 100000, "\n", false);
  repeated("train {", "x = (\nupdate ", 20000, "\n", false);
  repeated("flow f(x) {", "a\n", 100000, "}\n", false);
}

static void test_odd_files(void **state) {
  (void)state;
  static const char *const TEXTS[] = {"",
                                      "\n",
                                      "\n\n;;\n",
                                      "# only a comment",
                                      "## only a comment\n",
                                      "\xef\xbb\xbf",
                                      "{",
                                      "}",
                                      "(",
                                      ")",
                                      "\"",
                                      "override",
                                      "param",
                                      "data",
                                      "score",
                                      "train",
                                      "\xff\xfe",
                                      "net f(x",
                                      "|",
                                      "..",
                                      "=",
                                      "in",
                                      "1",
                                      "x"};
  for (size_t i = 0; i < sizeof TEXTS / sizeof TEXTS[0]; i++) reads(TEXTS[i], strlen(TEXTS[i]));
  reads("param a\0 = 1\n", 13);
  reads("fn\0f(x) = x\nnet f\0(x \0", 22);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_library_parses),
      cmocka_unit_test(test_programs_parse),
      cmocka_unit_test(test_golden_tree),
      cmocka_unit_test(test_binding),
      cmocka_unit_test(test_soft_words_are_names),
      cmocka_unit_test(test_documentation),
      cmocka_unit_test(test_numbers),
      cmocka_unit_test(test_spans),
      cmocka_unit_test(test_mistakes),
      cmocka_unit_test(test_independent_mistakes),
      cmocka_unit_test(test_deleted_tokens),
      cmocka_unit_test(test_truncations),
      cmocka_unit_test(test_mutations),
      cmocka_unit_test(test_depth),
      cmocka_unit_test(test_odd_files),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
