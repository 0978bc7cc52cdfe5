// needs: lang compiler/ad compiler/ir lang/base runtime
// Data blocks: columns, families, formulas, fits in rounds, cuts, weights; the way back of a sampler; densities in physical
// units; and what is refused. Numbers are compared with formulas written here.
#include "tests/support/model.h"

static const ModelColumn *column(const Loaded *l, const char *name) {
  const ModelData *d = l->model->data.at[0];
  for (size_t i = 0; i < d->columns.len; i++)
    if (strcmp(d->columns.at[i].name, name) == 0) return &d->columns.at[i];
  fail_msg("no column %s", name);
  return NULL;
}

static void families_name_columns_in_order(void **state) {
  (void)state;
  Loaded l = load("data d { x = [\"m\", \"{a,b}_{u,v}\", \"k{1,2}\"] |> standardize }\n");
  const char *expected[] = {"m", "a_u", "a_v", "b_u", "b_v", "k1", "k2"};
  const ModelData *d = l.model->data.at[0];
  assert_int_equal(d->columns.len, 7);
  for (size_t i = 0; i < 7; i++) assert_string_equal(d->columns.at[i].name, expected[i]);
  assert_int_equal(d->fields.len, 1);
  assert_int_equal(d->fields.at[0].elements, 7);
  leave(&l);
}

static void columns_know_their_kind_and_unit(void **state) {
  (void)state;
  Loaded l = load("data d {\n"
                  "  pt = \"pt\" in GeV |> log\n"
                  "  n = \"n\" |> dequantize |> standardize\n"
                  "  q = \"q\" |> missing(-1, replace = -0.1) |> standardize\n"
                  "  id = \"id\" |> levels([0, 4, 6]) |> dequantize\n"
                  "  c: class of [-1, 1] = \"c\"\n"
                  "  t: class of [\"EB\", \"EE\"] = \"t\"\n"
                  "  image: real[3, 2] = \"image\"\n"
                  "  weight = \"w\"\n"
                  "}\n");
  assert_string_equal(column(&l, "pt")->unit, "GeV");
  assert_int_equal(column(&l, "n")->kind, COLUMN_INTEGER);
  assert_true(column(&l, "q")->has_missing && column(&l, "q")->missing == -1);
  assert_int_equal(column(&l, "id")->kind, COLUMN_CATEGORY);
  assert_int_equal(column(&l, "id")->values.len, 3);
  assert_int_equal(column(&l, "c")->kind, COLUMN_CATEGORY);
  assert_true(column(&l, "c")->values.at[0] == -1);
  assert_int_equal(column(&l, "t")->kind, COLUMN_TEXT_CATEGORY);
  assert_string_equal(column(&l, "t")->texts.at[1], "EE");
  assert_int_equal(column(&l, "image")->rank, 2);
  assert_int_equal(column(&l, "image")->shape[1], 2);
  assert_true(l.model->data.at[0]->has_weight);
  leave(&l);
}

static void fits_come_in_rounds_and_prepare_applies_them(void **state) {
  (void)state;
  Loaded l = load("data d {\n  r = { a = \"a\" / \"b\" |> log |> standardize |> maxabs }\n  where r.a > 2 and \"b\" < 9\n}\n");
  const ModelData *d = l.model->data.at[0];
  const double a[4] = {1, 4, 9, 16}, b[4] = {2, 2, 3, 10};
  assert_int_equal(d->rounds.len, 2);
  give(&l, "column:a", a, 4);
  give(&l, "column:b", b, 4);
  const ModelFit *first = &d->rounds.at[0].fits.at[0], *second = &d->rounds.at[1].fits.at[0];
  assert_int_equal(first->kind, FIT_MEAN_STD);
  assert_int_equal(second->kind, FIT_MAXABS);
  const double *x = run(&l, d->rounds.at[0].fn, 4, first->output);
  for (int i = 0; i < 4; i++) near(x[i], log(a[i] / b[i]), 1e-9);
  give_number(&l, first->states[0], 0.5);
  give_number(&l, first->states[1], 2);
  x = run(&l, d->rounds.at[1].fn, 4, second->output);
  for (int i = 0; i < 4; i++) near(x[i], (log(a[i] / b[i]) - 0.5) / 2, 1e-9);
  give_number(&l, second->states[0], 4);
  x = run(&l, d->prepare, 4, "prep:r.a");
  for (int i = 0; i < 4; i++) near(x[i], (log(a[i] / b[i]) - 0.5) / 8, 1e-9);
  x = run(&l, d->prepare, 4, "keep"); // physical r.a is the column a
  for (int i = 0; i < 4; i++) assert_true(x[i] == (a[i] > 2 && b[i] < 9));
  leave(&l);
}

static void a_sampler_writes_physical_columns(void **state) {
  (void)state;
  Loaded l = load("data d {\n"
                  "  gen = { pt = \"gpt\" |> log; phi = \"gphi\" in rad |> sincos }\n"
                  "  pt = \"pt\" / \"gpt\" |> log\n"
                  "  phi = \"phi\" - \"gphi\" in rad |> wrap |> arctan(10)\n"
                  "  n = \"n\" |> dequantize\n"
                  "  id = \"id\" |> levels([0, 4, 7]) |> dequantize\n"
                  "  c: class of [-3, 5] = \"c\"\n"
                  "  deg = \"deg\" in deg |> wrap\n"
                  "}\n"
                  "generate given gen, c { pt = 0.5; phi = atan(10 * 0.4); n = 3.7; id = 2.2; deg = 7 }\n");
  const double gpt[2] = {10, 20}, gphi[2] = {3, -1}, c[2] = {5, -3}, pi = acos(-1);
  give(&l, "column:gpt", gpt, 2);
  give(&l, "column:gphi", gphi, 2);
  give(&l, "column:c", c, 2);
  const ModelGenerator *g = l.model->generators.at[0];
  for (int i = 0; i < 2; i++) {
    near(run(&l, g->fn, 2, "out:pt")[i], exp(0.5) * gpt[i], 1e-9);
    near(run(&l, g->fn, 2, "out:phi")[i], gphi[i] + 0.4 > pi ? gphi[i] + 0.4 - 2 * pi : gphi[i] + 0.4, 1e-9);
    assert_true(run(&l, g->fn, 2, "out:n")[i] == 3);
    assert_true(run(&l, g->fn, 2, "out:id")[i] == 7);
    near(run(&l, g->fn, 2, "out:deg")[i], (7 - 2 * pi) * 180 / pi, 1e-9);
    assert_true(run(&l, g->fn, 2, "out:c")[i] == c[i]);
  }
  assert_int_equal(g->given.len, 3);
  leave(&l);
}

static void scores_are_densities_in_physical_units(void **state) {
  (void)state;
  Loaded l = load("data d {\n  x = \"a\" / \"b\" |> log |> scale(2)\n  y = \"y\" |> logit(0.01)\n}\n"
                  "score {\n  s = log_prob(normal, physical(x))\n  t = log_prob(normal, physical(y))\n  u = log_prob(normal, x)\n}\n");
  const double a[2] = {3, 5}, b[2] = {2, 7}, y[2] = {0.2, 0.9};
  give(&l, "column:a", a, 2);
  give(&l, "column:b", b, 2);
  give(&l, "column:y", y, 2);
  for (int i = 0; i < 2; i++) {
    double v = 2 * log(a[i] / b[i]), flat = -v * v / 2 - 0.5 * log(2 * acos(-1));
    near(run(&l, l.model->score, 2, "score:u")[i], flat, 1e-9);
    near(run(&l, l.model->score, 2, "score:s")[i], flat + log(2) - log(a[i]), 1e-9); // d v / d a = 2 / a, whatever b is
    double u = 0.01 + 0.98 * y[i], w = log(u / (1 - u));
    near(run(&l, l.model->score, 2, "score:t")[i], -w * w / 2 - 0.5 * log(2 * acos(-1)) + log(0.98 / (u * (1 - u))), 1e-9);
  }
  leave(&l);
}

// Any formula of other columns may stand on the right: it is computed forwards and backwards, for each column of a family its own.
static void formulas_stand_on_the_right(void **state) {
  (void)state;
  Loaded l = load("param c = 3\nfn twice(x) = 2 * x\n"
                  "data d {\n  z = \"a\" / sqrt(\"b\" * \"b\" + 1) - (if \"w\" > 0 then (\"w\" |> twice) else \"b\") / c |> scale(10)\n"
                  "  v = \"{p,q}\" / (\"{u,s}\" + \"w\") |> log\n  y = [\"m\", \"n\"] - [\"u\", c * \"s\"]\n  g = \"{b,u,s,w}\"\n}\n"
                  "generate given g { z = 0.7; v = [0.1, 0.2]; y = [1.0, 2.0] }\n"
                  "score { lz = log_prob(normal, physical(z)); lv = log_prob(normal[2], physical(v)) }\n");
  static const char *const names[] = {"a", "b", "w", "p", "q", "u", "s", "m", "n"};
  enum { A, B, W, P, Q, U, S, M, N, COLUMNS, EVENTS = 3 };
  double x[COLUMNS][EVENTS];
  for (int k = 0; k < COLUMNS; k++) {
    for (int i = 0; i < EVENTS; i++) x[k][i] = 1.5 + sin(3 * k + 0.7 * i);
    give(&l, arena_printf(l.arena, "column:%s", names[k]), x[k], EVENTS);
  }
  const IrFn *prepare = l.model->data.at[0]->prepare, *g = l.model->generators.at[0]->fn;
  for (int i = 0; i < EVENTS; i++) {
    double root = sqrt(x[B][i] * x[B][i] + 1), low = 2 * x[W][i] / 3, flat = 0.5 * log(2 * acos(-1)), v[2];
    double z = 10 * (x[A][i] / root - low);
    near(run(&l, prepare, EVENTS, "prep:z")[i], z, 1e-12);
    for (int k = 0; k < 2; k++) v[k] = log(x[P + k][i] / (x[U + k][i] + x[W][i])), near(run(&l, prepare, EVENTS, "prep:v")[2 * i + k], v[k], 1e-12);
    near(run(&l, prepare, EVENTS, "prep:y")[2 * i], x[M][i] - x[U][i], 1e-12);
    near(run(&l, prepare, EVENTS, "prep:y")[2 * i + 1], x[N][i] - 3 * x[S][i], 1e-12);
    near(run(&l, g, EVENTS, "out:a")[i], (0.07 + low) * root, 1e-12);
    near(run(&l, g, EVENTS, "out:p")[i], exp(0.1) * (x[U][i] + x[W][i]), 1e-12);
    near(run(&l, g, EVENTS, "out:q")[i], exp(0.2) * (x[S][i] + x[W][i]), 1e-12);
    near(run(&l, g, EVENTS, "out:m")[i], 1 + x[U][i], 1e-12);
    near(run(&l, g, EVENTS, "out:n")[i], 2 + 3 * x[S][i], 1e-12);
    near(run(&l, l.model->score, EVENTS, "score:lz")[i], -z * z / 2 - flat + log(10 / root), 1e-12);
    near(run(&l, l.model->score, EVENTS, "score:lv")[i], -(v[0] * v[0] + v[1] * v[1]) / 2 - 2 * flat - log(x[P][i]) - log(x[Q][i]), 1e-12);
  }
  assert_int_equal(l.model->generators.at[0]->given.len, 4);
  leave(&l);
}

// What was generated is undone with the columns of its event, or with what was generated beside it; its density goes with what it is undone to.
static void generated_formulas_have_physical_values(void **state) {
  (void)state;
  Loaded l = load("data d {\n  r = { a = \"a\" / (\"b\" + \"c\") |> log |> scale(2); b = \"b\" |> log }\n  c = \"c\"\n}\n"
                  "net f(c: d.c) -> d.r = [0.6 * c, 0.2 - c]\nnet one(c: d.c) -> d.r.a = 0.6 * c\n"
                  "score { whole = physical(f(c)).a; other = physical(f(c)).b; alone = physical(one(c)); again = physical(r).a\n"
                  "  l = log_prob(normal[2], physical(f(c))); la = log_prob(normal, physical(one(c))) }\n");
  const double a[2] = {3, 5}, b[2] = {2, 7}, c[2] = {0.5, 1.5};
  give(&l, "column:a", a, 2);
  give(&l, "column:b", b, 2);
  give(&l, "column:c", c, 2);
  for (int i = 0; i < 2; i++) {
    double y = 0.6 * c[i], w = 0.2 - c[i], made = exp(w), flat = 0.5 * log(2 * acos(-1));
    near(run(&l, l.model->score, 2, "score:other")[i], made, 1e-12);
    near(run(&l, l.model->score, 2, "score:whole")[i], exp(y / 2) * (made + c[i]), 1e-12);
    near(run(&l, l.model->score, 2, "score:alone")[i], exp(y / 2) * (b[i] + c[i]), 1e-12);
    near(run(&l, l.model->score, 2, "score:again")[i], a[i], 1e-12);
    near(run(&l, l.model->score, 2, "score:l")[i], -(y * y + w * w) / 2 - 2 * flat + log(2) - y / 2 - log(made + c[i]) - w, 1e-12); // 2 / a and 1 / b
    near(run(&l, l.model->score, 2, "score:la")[i], -y * y / 2 - flat + log(2) - y / 2 - log(b[i] + c[i]), 1e-12);
  }
  leave(&l);
}

// The names behind `|` of a bijection take their numbers in order, the last what is left.
static void a_bijection_is_given_several_values(void **state) {
  (void)state;
  Loaded l = load("data d { x = \"{a,b}\"; c = \"c\"; v = \"{u,s,w}\" }\n"
                  "bijection bend(x: real[n] -> y: real[n] | k: real, shift: real[2], rest) {\n"
                  "  forward { y = x * exp(k) + shift + rest[0]; log_det = n * k }\n  inverse { x = (y - shift - rest[0]) * exp(-k); log_det = -n * k }\n}\n"
                  "flow f(x | c, v) { base normal; bend }\n"
                  "score { l = log_prob(f, x | c, v); y = bend.forward(x | c, v)[0][1] }\n");
  static const char *const names[] = {"a", "b", "c", "u", "s", "w"};
  static const double x[6] = {1.5, -0.5, 0.3, 2, -1, 0.25};
  for (int k = 0; k < 6; k++) give(&l, arena_printf(l.arena, "column:%s", names[k]), &x[k], 1);
  double za = (x[0] - x[3] - x[5]) * exp(-x[2]), zb = (x[1] - x[4] - x[5]) * exp(-x[2]);
  near(run(&l, l.model->score, 1, "score:l")[0], -(za * za + zb * zb) / 2 - log(2 * acos(-1)) - 2 * x[2], 1e-12);
  near(run(&l, l.model->score, 1, "score:y")[0], x[1] * exp(x[2]) + x[4] + x[5], 1e-12);
  leave(&l);
}

static void observables_look_at_columns(void **state) {
  (void)state;
  Loaded l = load("data d { x = [\"a\", \"b\"] |> standardize; m = \"m\" in GeV |> log }\n"
                  "evaluate {\n  twice = 2 * x[1]\n  observable ratio = x[0] / twice over 0.5..1.5 label \"r\"\n"
                  "  observable mass = m over 1..2 TeV\n  metrics ks, wasserstein\n  events 500\n  assert ks.worst < 0.05\n}\n");
  const double a[2] = {3, 5}, b[2] = {2, 7}, m[2] = {1, 2};
  give(&l, "column:a", a, 2);
  give(&l, "column:b", b, 2);
  give(&l, "column:m", m, 2);
  const ModelEvaluate *e = l.model->evaluate;
  for (int i = 0; i < 2; i++) near(run(&l, e->observables, 2, "observable:ratio")[i], a[i] / (2 * b[i]), 1e-9);
  assert_int_equal(e->list.len, 2);
  near(e->list.at[1].high, 2000, 1e-9);
  assert_string_equal(e->list.at[1].unit, "GeV");
  assert_int_equal(e->metrics.len, 2);
  assert_int_equal(e->events, 500);
  assert_int_equal(e->asserts.len, 1);
  leave(&l);
}

static void numbers_of_a_record_have_names(void **state) {
  (void)state;
  Loaded l = load("data d { jet = { m = \"m\"; x = [\"a\", \"b\"] |> standardize } }\ngenerate { jet ~ normal[3] }\n"
                  "evaluate { metrics calibration(jet, draws = 3), profile(jet.m, jet.x[0]) }\n");
  const ModelEvaluate *e = l.model->evaluate;
  assert_int_equal(e->metrics.len, 2);
  static const char *const names[] = {"m", "x[0]", "x[1]"};
  assert_int_equal(e->metrics.at[0]->components.len, 3);
  for (int i = 0; i < 3; i++) assert_string_equal(e->metrics.at[0]->components.at[i], names[i]);
  assert_int_equal(e->metrics.at[1]->components.len, 0);
  leave(&l);
}

static void what_cannot_be_is_refused(void **state) {
  (void)state;
  expect("data d { x = \"eta\" |> log }\n", "domain");
  expect("data d { x = \"a\" - \"b\" |> log }\n", "domain");
  expect("data d { x = \"a\" |> standardize |> logit }\n", "domain");
  expect("data d { x = \"a\" |> log |> one_hot([1, 2]) }\n", "domain");
  expect("data d { x = \"a\" |> abs }\n", "not-invertible");
  expect("data d { x = \"a\" |> clip(0, 1) |> logit }\n", "saturated");
  expect("data d { x = \"a\" |> quantile(1) }\n", "domain");
  expect("data d { x: real[40, 40] = \"a\" |> whiten }\n", "preparation");
  expect("data d { x = \"a\" |> standardise }\n", "preparation");
  expect("data d { x = \"a\" |> one_hot }\n", "arguments");
  expect("data d { x = \"a\" |> log(3) }\n", "arguments");
  expect("data d { x = \"a\" in Gev |> log }\n", "unit-unknown");
  expect("data d { x = \"a\" in GeV |> log; y = \"a\" in cm }\n", "unit");
  expect("data d { x = \"a\"; split 0.8 / 0.3 }\n", "split");
  expect("data d { x = \"a\" }\nbijection b(x: real -> y: real | c, k: real) { forward { y = x * k + c; log_det = log(k) } }\nscore { s = b.forward(x | 1, "
         "2)[0] }\n",
         "type");
  expect(
      "data d { x = \"a\" }\nbijection b(x: real -> y: real | c: real[2], k) { forward { y = x + c[0]; log_det = 0 } }\nscore { s = b.forward(x | 1, 2)[0] }\n",
      "shape");
  expect("data d { x = \"{a,b}\" / (\"{c,d,e}\" + 1) }\n", "shape");
  expect("data d { x = \"{a,b}\" - [\"c\", \"d\", \"e\"] }\n", "shape");
  expect("data d { x = \"a\" / (\"b\" + c) }\n", "unknown-name");
  expect("data d { x = \"a\" / sqrt(\"b\" in GeV + 2 cm) }\n", "unit");
  expect("data d { x = \"a\" / (\"a\" + \"b\") }\ngenerate { x ~ normal }\n", "inverse-needs");
  expect("data d { x = \"a\" / [\"b\" + 1, 2][0] }\n", "type");
  expect("data d { x = \"a\"; x = \"b\" }\n", "given-twice");
  expect("data d { x: real[3] = [\"a\", \"b\"] }\n", "column-shape");
  expect("data d { x = \"a\"; where x + 1 }\n", "type");
  expect("data d { x ~ 3 }\n", "draw-what");
  expect("data d { y = 2 * x }\n", "unknown-name");
  expect("data d { x ~ normal; x ~ normal }\n", "given-twice");
  expect("data d { pt = \"pt\" / \"gpt\" |> log }\ngenerate { pt ~ normal }\n", "inverse-needs");
  expect("data d { pt = \"pt\" |> log }\ngenerate { y ~ normal }\n", "generate-field");
  expect("data d { pt = \"pt\" |> log; q = \"q\" }\ngenerate { pt = q }\n", "unknown-name");
  expect("data d { pt = \"pt\" |> log }\nevaluate { metrics wassertein }\n", "metric-unknown");
  expect("data d { pt = \"pt\" |> log }\nevaluate { metrics modes(pt) }\n", "arguments");
  expect("data d { pt = \"pt\" |> log }\nevaluate { metrics roc(pt, pt) }\n", "type");
  expect("data d { pt = \"pt\" |> log }\nevaluate { assert ks.ptt < 1 }\n", "observable-unknown");
  expect("data d { pt = \"pt\" |> log }\nevaluate { assert mean(pt) < 1 }\n", "type");
  expect("data d { pt = \"pt\" |> log }\nevaluate { assert ks.worst + 1 }\n", "assert-type");
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(families_name_columns_in_order),
      cmocka_unit_test(columns_know_their_kind_and_unit),
      cmocka_unit_test(fits_come_in_rounds_and_prepare_applies_them),
      cmocka_unit_test(a_sampler_writes_physical_columns),
      cmocka_unit_test(scores_are_densities_in_physical_units),
      cmocka_unit_test(formulas_stand_on_the_right),
      cmocka_unit_test(generated_formulas_have_physical_values),
      cmocka_unit_test(a_bijection_is_given_several_values),
      cmocka_unit_test(observables_look_at_columns),
      cmocka_unit_test(numbers_of_a_record_have_names),
      cmocka_unit_test(what_cannot_be_is_refused),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
