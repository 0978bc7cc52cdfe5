// needs: lang compiler/ad compiler/ir lang/base runtime
// Files that use files: turned params, overrides, blocks that replace blocks, and what is refused.
#include <sys/stat.h>
#include <unistd.h>

#include "tests/support/model.h"

// A folder of its own for the files of one test.
typedef struct Folder {
  char path[64];
  const char *files[8];
  int n;
} Folder;

static Folder folder(void) {
  Folder f = {.path = "build/import_test_XXXXXX"};
  mkdir("build", 0777);
  assert_non_null(mkdtemp(f.path));
  return f;
}

static const char *in_folder(const Folder *f, const char *name, char *out, size_t n) {
  snprintf(out, n, "%s/%s", f->path, name);
  return out;
}

static void put(Folder *f, const char *name, const char *text) {
  char path[128];
  FILE *out = fopen(in_folder(f, name, path, sizeof path), "w");
  assert_non_null(out);
  fputs(text, out);
  fclose(out);
  f->files[f->n++] = name;
}

static void sweep(const Folder *f) {
  char path[128];
  for (int i = 0; i < f->n; i++) unlink(in_folder(f, f->files[i], path, sizeof path));
  rmdir(f->path);
}

static Loaded load_file(const Folder *f, const char *name, const char *param, const char *value) {
  static char path[128];
  return load_with(in_folder(f, name, path, sizeof path), NULL, param, value);
}

static Loaded good(const Folder *f, const char *name, const char *param, const char *value) {
  Loaded l = load_file(f, name, param, value);
  if (l.model != NULL) return l;
  diags_print(stderr, l.diags, false, 0);
  fail_msg("%s is refused", name);
  return l;
}

static const char base[] = "param latent = 8 tune 2..32\nparam beta = 1e-3 tune 1e-6..1 log\n"
                           "data d { x = [\"a\", \"b\", \"c\"] |> standardize }\n"
                           "net enc(x: d.x) -> real[latent] = x |> dense(latent)\n"
                           "net dec(z: real[latent]) -> d.x = z |> dense(3)\n"
                           "train { update enc, dec { minimize beta * mse(dec(enc(x)), x); with adam(1e-3) }; batch 4; epochs 3 }\n"
                           "generate { z ~ normal[latent]; x = dec(z) }\n"
                           "score { s = mse(dec(enc(x)), x) }\n";

static const char *param(const Loaded *l, const char *name) {
  for (size_t i = 0; i < l->model->params.len; i++)
    if (strcmp(l->model->params.at[i].name, name) == 0) return l->model->params.at[i].value;
  return "";
}

static int64_t rows(const Loaded *l, const char *weight) {
  for (size_t i = 0; i < l->model->weights.len; i++)
    if (strncmp(l->model->weights.at[i].name, weight, strlen(weight)) == 0) return l->model->weights.at[i].type.axes[0];
  fail_msg("no weight %s", weight);
  return 0;
}

static void params_are_turned_by_the_importer_and_by_set(void **state) {
  (void)state;
  Folder f = folder();
  put(&f, "base.hgm", base);
  put(&f, "middle.hgm", "use \"base.hgm\" (latent = 5)\n");
  put(&f, "top.hgm", "use \"middle.hgm\" (latent = 6, beta = 1e-2)\n");
  Loaded l = good(&f, "middle.hgm", NULL, NULL);
  assert_string_equal(param(&l, "latent"), "5");
  assert_int_equal(rows(&l, "dec."), 5);
  leave(&l);
  l = good(&f, "top.hgm", NULL, NULL); // the outermost file decides
  assert_int_equal(rows(&l, "dec."), 6);
  assert_string_equal(param(&l, "beta"), "1e-2");
  leave(&l);
  l = good(&f, "top.hgm", "latent", "7"); // and the command line over all
  assert_int_equal(rows(&l, "dec."), 7);
  leave(&l);
  expect_in(load_file(&f, "top.hgm", "latent", "64"), "--set latent=64", "param-range");
  expect_in(load_file(&f, "top.hgm", "latents", "6"), "--set latents=6", "no-such-param");
  expect_in(load_file(&f, "top.hgm", "latent", "2.5"), "--set latent=2.5", "type");
  sweep(&f);
}

static void own_blocks_replace_imported_ones(void **state) {
  (void)state;
  Folder f = folder();
  put(&f, "base.hgm", base);
  put(&f, "own.hgm",
      "use \"base.hgm\"\ntrain { update enc { minimize mse(dec(enc(x)), x); with sgd(0.1) }; batch 2; steps 9 }\n"
      "score { other = sum(x) }\n");
  put(&f, "after.hgm", "use \"base.hgm\"\ntrain after { update dec { minimize mse(dec(enc(x)), x); with sgd(0.1) }; batch 2; steps 9 }\n");
  Loaded l = good(&f, "own.hgm", NULL, NULL);
  assert_int_equal(l.model->phases.len, 1);
  assert_int_equal(l.model->phases.at[0]->steps, 9);
  assert_true(has_output(l.model->score, "score:other") && !has_output(l.model->score, "score:s"));
  assert_int_equal(l.model->generators.len, 1);
  leave(&l);
  l = good(&f, "after.hgm", NULL, NULL);
  assert_int_equal(l.model->phases.len, 2);
  assert_int_equal(l.model->phases.at[0]->epochs, 3);
  assert_string_equal(l.model->phases.at[1]->name, "train2");
  assert_int_equal(l.model->files.len, 2);
  leave(&l);
  sweep(&f);
}

static void overrides_are_seen_by_imported_bodies(void **state) {
  (void)state;
  Folder f = folder();
  put(&f, "base.hgm", base);
  put(&f, "new.hgm", "use \"base.hgm\"\noverride net enc(x: d.x) -> real[latent] = x |> dense(17) |> dense(latent)\n");
  put(&f, "clash.hgm", "use \"base.hgm\"\nnet enc(x: d.x) -> real[latent] = x |> dense(latent)\n");
  put(&f, "nothing.hgm", "use \"base.hgm\"\noverride net encc(x: d.x) -> real[latent] = x |> dense(latent)\n");
  put(&f, "type.hgm", "use \"base.hgm\"\noverride net enc(x: d.x, y: real) -> real[latent] = x |> dense(latent)\n");
  Loaded l = good(&f, "new.hgm", NULL, NULL);
  bool wide = false;
  for (size_t i = 0; i < l.model->weights.len; i++) wide = wide || l.model->weights.at[i].type.axes[0] == 17;
  assert_true(wide);
  leave(&l);
  expect_in(load_file(&f, "clash.hgm", NULL, NULL), "clash", "name-clash");
  expect_in(load_file(&f, "nothing.hgm", NULL, NULL), "nothing", "override-nothing");
  expect_in(load_file(&f, "type.hgm", NULL, NULL), "type", "override-type");
  sweep(&f);
}

static void files_under_a_name_stand_apart(void **state) {
  (void)state;
  Folder f = folder();
  put(&f, "nets.hgm", "param size = 4\nnet enc(v: real[3]) -> real[size] = v |> dense(size)\n");
  put(&f, "main.hgm",
      "use \"nets.hgm\" (size = 6) as other\n"
      "data d { x: real[3] = [\"a\", \"b\", \"c\"] }\nnet enc(x: d.x) -> real[2] = x |> dense(2)\n"
      "score { s = sum(enc(x)) + sum(other.enc(x)) }\n");
  Loaded l = good(&f, "main.hgm", NULL, NULL);
  assert_int_equal(l.model->weights.len, 4);
  leave(&l);
  sweep(&f);
}

static void wrong_imports_are_refused(void **state) {
  (void)state;
  Folder f = folder();
  put(&f, "a.hgm", "use \"b.hgm\"\n");
  put(&f, "b.hgm", "use \"a.hgm\"\n");
  put(&f, "missing.hgm", "use \"nowhere.hgm\"\n");
  put(&f, "base.hgm", base);
  put(&f, "unknown.hgm", "use \"base.hgm\" (latents = 4)\n");
  put(&f, "range.hgm", "use \"base.hgm\" (latent = 400)\n");
  put(&f, "trained.hgm", "use trained \"runs/x\" as x\n");
  put(&f, "pinned.hgm", "use \"base.hgm\" pin \"sha256:00\"\n");
  expect_in(load_file(&f, "a.hgm", NULL, NULL), "a cycle", "import-cycle");
  expect_in(load_file(&f, "missing.hgm", NULL, NULL), "missing", "import-missing");
  expect_in(load_file(&f, "unknown.hgm", NULL, NULL), "unknown param", "no-such-param");
  expect_in(load_file(&f, "range.hgm", NULL, NULL), "range", "param-range");
  expect_in(load_file(&f, "trained.hgm", NULL, NULL), "trained", "trained-missing");
  expect_in(load_file(&f, "pinned.hgm", NULL, NULL), "pin", "pin-mismatch");
  expect_in(load_file(&f, "no_such_file.hgm", NULL, NULL), "no file", "import-missing");
  sweep(&f);
}

static void wrong_params_are_refused(void **state) {
  (void)state;
  expect("param n = 3 tune 0.5..9\n", "tune-type");
  expect("param n = 30 tune 1..9\n", "param-range");
  expect("param n = 3 tune [1, 2]\n", "param-range");
  expect("param n = m\n", "unknown-name");
  expect("param n = 1\nparam n = 2\n", "given-twice");
  expect("fit m = collect(1)\n", "type");
}

static void a_file_that_is_no_program_is_refused(void **state) {
  (void)state;
  size_t n = (16 << 20) + 1;
  char *text = malloc(n + 1);
  assert_non_null(text);
  memset(text, '#', n);
  text[n] = 0;
  Loaded l = load_with("test.hgm", text, NULL, NULL);
  assert_true(said(&l, "too-long"));
  assert_int_equal(l.diags->errors, 1);
  leave(&l);
  free(text);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(params_are_turned_by_the_importer_and_by_set),
      cmocka_unit_test(own_blocks_replace_imported_ones),
      cmocka_unit_test(overrides_are_seen_by_imported_bodies),
      cmocka_unit_test(files_under_a_name_stand_apart),
      cmocka_unit_test(wrong_imports_are_refused),
      cmocka_unit_test(wrong_params_are_refused),
      cmocka_unit_test(a_file_that_is_no_program_is_refused),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
