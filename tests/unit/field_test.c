// needs: lang compiler/ad compiler/ir lang/base runtime
// Fields that are more than a chain of columns: prepared with the numbers of another, four-vectors. Expected numbers are formulas written here.
#include "tests/support/model.h"

static void a_field_is_prepared_with_the_numbers_of_another(void **state) {
  (void)state;
  Loaded l = load("data a from \"g\" { x = { u = \"u\" / \"v\" |> standardize; n = \"n\" |> dequantize } }\ndata b from \"h\" { y: a.x }\n"
                  "");
  const ModelData *a = l.model->data.at[0], *b = l.model->data.at[1];
  const double u[2] = {3, 8}, v[2] = {2, 4}, n[2] = {5, 6};
  assert_int_equal(a->rounds.len, 1);
  assert_int_equal(b->rounds.len, 0); // nothing of its own is fitted
  assert_int_equal(b->columns.len, 3);
  assert_string_equal(b->columns.at[0].group, "h");
  assert_int_equal(b->columns.at[2].kind, COLUMN_INTEGER);
  give(&l, "column:u", u, 2);
  give(&l, "column:v", v, 2);
  give(&l, "column:n", n, 2);
  give_number(&l, a->rounds.at[0].fits.at[0].states[0], 0.5);
  give_number(&l, a->rounds.at[0].fits.at[0].states[1], 4);
  for (int i = 0; i < 2; i++) near(run(&l, b->prepare, 2, "prep:b.y.u")[i], (u[i] / v[i] - 0.5) / 4, 1e-9);
  leave(&l);
}

static void four_vectors_stand_as_e_px_py_pz(void **state) {
  (void)state;
  Loaded l = load("data d { q: p4[2] = \"{a,b}_{px,py,pz,E}\" in GeV |> scale(0.5); w: p4 = \"w\" }\n"
                  "generate { q = [p4(e = 5, px = 1, py = 2, pz = 3), p4(e = 9, px = 4, py = 5, pz = 6)]; w = p4(e = 5, px = 1, py = 2, pz = 3) }\n"
                  "evaluate { observable m = mass(q[0] + q[1]); observable e = w.e }\n");
  const char *names[8] = {"a_px", "a_py", "a_pz", "a_E", "b_px", "b_py", "b_pz", "b_E"};
  const double x[8] = {1, 2, 3, 5, 4, 5, 6, 9}, w[4] = {1, 2, 3, 5}, order[8] = {3, 0, 1, 2, 1, 2, 3, 0}; // px py pz E in the file
  for (int k = 0; k < 8; k++) give(&l, arena_printf(l.arena, "column:%s", names[k]), &x[k], 1);
  give(&l, "column:w", w, 4);
  give(&l, "order:d.w", order, 8);
  near(run(&l, l.model->evaluate->observables, 1, "observable:m")[0], sqrt(14 * 14 - 5 * 5 - 7 * 7 - 9 * 9), 1e-9);
  near(run(&l, l.model->evaluate->observables, 1, "observable:e")[0], 5, 1e-9);
  const IrFn *g = l.model->generators.at[0]->fn;
  for (int k = 0; k < 8; k++) near(run(&l, g, 1, arena_printf(l.arena, "out:%s", names[k]))[0], 2 * x[k], 1e-9);
  const double *out = run(&l, g, 1, "out:w");
  for (int k = 0; k < 4; k++) near(out[k], w[k], 1e-9);
  assert_int_equal(p4_component("jet_E"), 0);
  assert_int_equal(p4_component("PZ"), 3);
  assert_int_equal(p4_component("mass"), -1);
  leave(&l);
}

static const char *const spikes = "data d {\n  iso = \"iso\" in GeV |> hurdle(0)\n  on = iso.on\n  size = iso.size |> log |> standardize\n}\n"
                                  "train { update f { minimize sum((f(one_hot(on)) - size)^2); with sgd(0) }\n  batch 4\n  steps 1 }\n"
                                  "net f(x: real[2]) -> real = x |> dense(1)\n"
                                  "generate { on ~ bernoulli(0.5); size = 2.0 }\n"
                                  "score { s = size; o = sum(one_hot(on) * [1.0, 2.0]) }\n"
                                  "evaluate { observable o = if iso.on == 1 then iso.size else -5 }\n";

static void a_hurdle_is_a_class_and_a_size(void **state) {
  (void)state;
  Loaded l = load(spikes);
  const ModelData *d = l.model->data.at[0];
  const double iso[4] = {0, 2, 0, 5}, mean = 0.3, std = 2;
  give(&l, "column:iso", iso, 4);
  assert_int_equal(d->columns.len, 1);
  assert_int_equal(d->rounds.len, 1);
  assert_true(d->rounds.at[0].fits.at[0].some);
  const double *x = run(&l, d->rounds.at[0].fn, 4, d->rounds.at[0].fits.at[0].output); // what is off does not take part
  for (int i = 0; i < 4; i++) assert_true(iso[i] == 0 ? isnan(x[i]) : fabs(x[i] - log(iso[i])) < 1e-12);
  give_number(&l, d->rounds.at[0].fits.at[0].states[0], mean);
  give_number(&l, d->rounds.at[0].fits.at[0].states[1], std);
  x = run(&l, d->prepare, 4, "prep:size");
  for (int i = 0; i < 4; i++) near(x[i], iso[i] == 0 ? 0 : (log(iso[i]) - mean) / std, 1e-9);
  x = run(&l, d->prepare, 4, "prep:iso.on");
  for (int i = 0; i < 4; i++) near(x[i], iso[i] != 0, 1e-9);
  x = run(&l, l.model->score, 4, "score:s");
  for (int i = 0; i < 4; i++) assert_true(iso[i] == 0 ? fabs(x[i]) < 6 && x[i] != 0 : fabs(x[i] - (log(iso[i]) - mean) / std) < 1e-12);
  assert_true(x[0] != x[2]); // noise
  x = run(&l, l.model->score, 4, "score:o");
  for (int i = 0; i < 4; i++) near(x[i], iso[i] == 0 ? 1 : 2, 1e-9);
  x = run(&l, l.model->evaluate->observables, 4, "observable:o");
  for (int i = 0; i < 4; i++) near(x[i], iso[i] == 0 ? -5 : iso[i], 1e-9);
  x = run(&l, l.model->generators.at[0]->fn, 16, "out:iso");
  int off = 0;
  for (int i = 0; i < 16; i++) {
    assert_true(x[i] == 0 || fabs(x[i] - exp(2 * std + mean)) < 1e-9 * x[i]);
    off += x[i] == 0;
  }
  assert_true(off > 0 && off < 16);
  leave(&l);
}

static void a_negative_size_of_what_is_on_is_no_gap(void **state) {
  (void)state;
  Loaded l = load(spikes);
  const double iso[2] = {0, -2};
  give(&l, "column:iso", iso, 2);
  const double *x = run(&l, l.model->data.at[0]->rounds.at[0].fn, 2, l.model->data.at[0]->rounds.at[0].fits.at[0].output);
  assert_true(isnan(x[0]) && isinf(x[1]));
  leave(&l);
}

static void segments_are_joined_on_output(void **state) {
  (void)state;
  Loaded l = load("data d {\n  e = \"e\" in MeV |> log\n  shower = \"v\" / \"e\" |> segments([2, 3])\n  total = shower.total |> scale(2)\n"
                  "  share = shower.share |> logit(0.01)\n}\n"
                  "generate given e { total = [1.0, 0.5]; share = [0.0, 0.0, 0.0, 0.0, 0.0] }\n"
                  "evaluate { observable r = sum(shower.total) }\n");
  const double v[10] = {10, 30, 2, 2, 4, 0, 0, 1, 0, 0}, e[2] = {100, 2};
  assert_int_equal(l.model->data.at[0]->columns.len, 2);
  give(&l, "column:v", v, 10);
  give(&l, "column:e", e, 2);
  const double *x = run(&l, l.model->data.at[0]->prepare, 2, "prep:total"), total[4] = {0.8, 0.16, 0, 1};
  for (int i = 0; i < 4; i++) near(x[i], total[i], 1e-9);
  x = run(&l, l.model->data.at[0]->prepare, 2, "prep:share");
  const double share[10] = {0.25, 0.75, 0.25, 0.25, 0.5, 0, 0, 1, 0, 0};
  for (int i = 0; i < 10; i++) near(x[i], log((0.01 + 0.98 * share[i]) / (1 - 0.01 - 0.98 * share[i])), 1e-9);
  x = run(&l, l.model->generators.at[0]->fn, 2, "out:v");
  for (int i = 0; i < 10; i++) near(x[i], e[i / 5] * (i % 5 < 2 ? 0.5 / 2 : 0.25 / 3), 1e-9); // equal shares of totals 0.5 and 0.25
  x = run(&l, l.model->evaluate->observables, 2, "observable:r");
  near(x[0], 0.48, 1e-9);
  near(x[1], 0.5, 1e-9);
  leave(&l);
}

static void a_generator_reads_one_block_and_writes_another(void **state) {
  (void)state;
  Loaded l = load("data fast { a = \"pt\" |> scale(2) }\ndata full { b: fast.a }\ngenerate forth given a { b = a + 1 }\n");
  const ModelGenerator *g = l.model->generators.at[0];
  const double pt[2] = {3, 4};
  give(&l, "column:pt", pt, 2);
  assert_ptr_equal(g->data, l.model->data.at[1]);
  assert_ptr_equal(g->given_data, l.model->data.at[0]);
  assert_int_equal(g->given.len, 1);
  assert_int_equal(g->outputs.len, 1);
  assert_false(g->outputs.at[0].given);
  for (int i = 0; i < 2; i++) near(run(&l, g->fn, 2, "out:pt")[i], pt[i] + 0.5, 1e-9);
  leave(&l);
}

// A class is generated as a class, or as a number for each, of which the largest wins.
static void classes_are_written_with_their_values(void **state) {
  (void)state;
  Loaded l = load("data d { a: class of [-1, 4] = \"a\"; b: class of [3, 5, 7] = \"b\" }\ngenerate { a ~ bernoulli(0.5); b = [0.1, 0.7, 0.2] }\n");
  const IrFn *g = l.model->generators.at[0]->fn;
  const double *a = run(&l, g, 16, "out:a"), *b = run(&l, g, 16, "out:b");
  int first = 0;
  for (int i = 0; i < 16; i++) {
    assert_true((a[i] == -1 || a[i] == 4) && b[i] == 5);
    first += a[i] == -1;
  }
  assert_true(first > 0 && first < 16);
  leave(&l);
}

static void the_group_of_a_row_is_a_class(void **state) {
  (void)state;
  Loaded l =
      load("data jets from \"{qcd,t}\" { x = \"x\"; kind = group }\nscore { k = if kind == 1 then 7 else 8 }\ngenerate { x = 1.0; kind ~ categorical(2) }\n");
  const ModelData *d = l.model->data.at[0];
  const double group[3] = {1, 0, 1};
  assert_int_equal(d->groups.len, 2);
  assert_string_equal(d->groups.at[1], "t");
  assert_true(d->columns.at[1].which_group && d->columns.at[0].group == NULL);
  assert_string_equal(d->columns.at[1].texts.at[0], "qcd");
  give(&l, "column:group", group, 3);
  for (int i = 0; i < 3; i++) near(run(&l, l.model->score, 3, "score:k")[i], group[i] == 1 ? 7 : 8, 1e-9);
  leave(&l);
}

static void a_weight_is_any_formula(void **state) {
  (void)state;
  Loaded l = load("data d { x = \"x\"; weight = \"r\"^-2 * exp(\"u\") }\ngenerate between given x { x = x / 2 }\n");
  const double r[2] = {2, 4}, u[2] = {0, 1}, x[2] = {6, 8};
  give(&l, "column:r", r, 2);
  give(&l, "column:u", u, 2);
  give(&l, "column:x", x, 2);
  near(run(&l, l.model->data.at[0]->prepare, 2, "weight")[0], 0.25, 1e-9);
  near(run(&l, l.model->data.at[0]->prepare, 2, "weight")[1], exp(1) / 16, 1e-9);
  const ModelGenerator *g = l.model->generators.at[0]; // what is given is generated anew
  near(run(&l, g->fn, 2, "out:x")[1], 4, 1e-9);
  assert_false(g->outputs.at[0].given);
  assert_int_equal(g->given.len, 1);
  leave(&l);
}

static void what_cannot_be_is_refused(void **state) {
  (void)state;
  expect("data d { x = \"x\" |> hurdle(0) |> log }\n", "preparation");
  expect("data d { x = [\"x\", \"y\"] |> hurdle(0) }\n", "preparation");
  expect("data d { r = { x = \"x\" |> hurdle(0) } }\n", "preparation");
  expect("data d { x = \"x\" |> hurdle(0); on = x.on |> log }\n", "preparation");
  expect("data d { x: real[4] = \"x\" |> segments([2, 3]) }\n", "column-shape");
  expect("data d { x: real[4] = \"x\" |> segments([2, 0]) }\n", "type");
  expect("data d { x = \"x\" |> hurdle(0); s = x.size |> log }\ngenerate { s ~ normal }\n", "inverse-needs");
  expect("data d from \"{a,b\" { x = \"x\" }\n", "preparation");
  expect("data a { x = \"x\" }\ndata b { y: a.z }\n", "unknown-name");
  expect("data b { y: a.x }\ndata a { x = \"x\" }\n", "unknown-name");
  expect("data b { y: real[3] }\n", "preparation");
  expect("data a { x ~ normal }\ndata b { y: a.x }\n", "preparation");
  expect("data a { x = \"x\" }\ndata b { y: a.x }\ngenerate given x, y { _ ~ normal }\n", "two-data");
}

// Of data that are drawn: a class is its number, one column, and what is drawn with it sees the same class.
static void a_drawn_class_is_one_column(void **state) {
  (void)state;
  enum { DRAWN = 40 };
  Loaded l = load("data ring {\n  kind ~ categorical([0.5, 0.2, 0.3])\n  x ~ normal([10 * kind, 1], 1e-3)\n  on = one_hot(kind)\n}\n"
                  "train { update f { minimize f(x, kind)^2; with sgd(0) }\n  batch 4\n  steps 1 }\nnet f(x: real[2], kind: class[3]) -> real = concat(x, "
                  "one_hot(kind)) |> dense(1)\n");
  const IrFn *drawn = l.model->data.at[0]->simulate;
  const double *kind = run(&l, drawn, DRAWN, "column:kind"), *x = run(&l, drawn, DRAWN, "column:x"), *on = run(&l, drawn, DRAWN, "column:on");
  int seen[3] = {0};
  for (int i = 0; i < DRAWN; i++) {
    assert_true(kind[i] == 0 || kind[i] == 1 || kind[i] == 2);
    seen[(int)kind[i]]++;
    assert_true(fabs(x[2 * i] - 10 * kind[i]) < 0.1 && fabs(x[2 * i + 1] - 1) < 0.1);
    for (int k = 0; k < 3; k++) assert_true(on[3 * i + k] == (k == (int)kind[i]));
  }
  for (int k = 0; k < 3; k++) assert_true(seen[k] > 0);
  leave(&l);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_drawn_class_is_one_column),
      cmocka_unit_test(a_field_is_prepared_with_the_numbers_of_another),
      cmocka_unit_test(four_vectors_stand_as_e_px_py_pz),
      cmocka_unit_test(a_hurdle_is_a_class_and_a_size),
      cmocka_unit_test(a_negative_size_of_what_is_on_is_no_gap),
      cmocka_unit_test(segments_are_joined_on_output),
      cmocka_unit_test(classes_are_written_with_their_values),
      cmocka_unit_test(a_generator_reads_one_block_and_writes_another),
      cmocka_unit_test(the_group_of_a_row_is_a_class),
      cmocka_unit_test(a_weight_is_any_formula),
      cmocka_unit_test(what_cannot_be_is_refused),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
