// needs: lang compiler/ad compiler/ir lang/base runtime
// Fields that are more than a chain of columns: prepared with the numbers of another, four-vectors. Expected numbers are formulas written here.
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "tests/support/model.h"

static void near(double found, double expected) {
  if (!(fabs(found - expected) <= 1e-9 * (1 + fabs(expected)))) fail_msg("%.15g, expected %.15g", found, expected);
}

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
  for (int i = 0; i < 2; i++) near(run(&l, b->prepare, 2, "prep:b.y.u")[i], (u[i] / v[i] - 0.5) / 4);
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
  near(run(&l, l.model->evaluate->observables, 1, "observable:m")[0], sqrt(14 * 14 - 5 * 5 - 7 * 7 - 9 * 9));
  near(run(&l, l.model->evaluate->observables, 1, "observable:e")[0], 5);
  const IrFn *g = l.model->generators.at[0]->fn;
  for (int k = 0; k < 8; k++) near(run(&l, g, 1, arena_printf(l.arena, "out:%s", names[k]))[0], 2 * x[k]);
  const double *out = run(&l, g, 1, "out:w");
  for (int k = 0; k < 4; k++) near(out[k], w[k]);
  assert_int_equal(p4_component("jet_E"), 0);
  assert_int_equal(p4_component("PZ"), 3);
  assert_int_equal(p4_component("mass"), -1);
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
  for (int i = 0; i < 2; i++) near(run(&l, g->fn, 2, "out:pt")[i], pt[i] + 0.5);
  leave(&l);
}

static void what_cannot_be_is_refused(void **state) {
  (void)state;
  expect("data a { x = \"x\" }\ndata b { y: a.z }\n", "unknown-name");
  expect("data b { y: a.x }\ndata a { x = \"x\" }\n", "unknown-name");
  expect("data b { y: real[3] }\n", "preparation");
  expect("data a { x ~ normal }\ndata b { y: a.x }\n", "preparation");
  expect("data a { x = \"x\" }\ndata b { y: a.x }\ngenerate given x, y { _ ~ normal }\n", "two-data");
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_field_is_prepared_with_the_numbers_of_another),
      cmocka_unit_test(four_vectors_stand_as_e_px_py_pz),
      cmocka_unit_test(a_generator_reads_one_block_and_writes_another),
      cmocka_unit_test(what_cannot_be_is_refused),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
