// needs: lang compiler/ad compiler/ir lang/base runtime
// Lists whose elements are computed together: each element is what the same formula gives by itself, forward and backward; draws are
// made for each; and a marginal likelihood by draws is the one in closed form.
#include "tests/support/model.h"

enum { EVENTS = 4 };

#define DATA "data d { x = \"x{0,1,2}\"; k: class[3] = \"k\" }\n"
#define BLOCKS                                                                                                                                                 \
  "net g(a: real[2], b: real[3]) -> (mu: real[2], w: real) { h = concat(a, b) |> mlp([5], tanh); mu = h |> dense(2); w = sum(h |> dense(1)) }\n"               \
  "flow f(a: real[3] | c: real[2]) { base normal; spline_coupling(4, subnet = mlp([6], tanh)); reverse; maf([6]); linear_lu }\n"                               \
  "fn zs(x) -> (all) { law = normal(x[:2], exp(x[0] / 4))[5]; all ~ law }\n"

static Loaded open_model(const char *program) {
  static const double x[3][EVENTS] = {{-1.5, 0.3, 2.0, -0.2}, {0.7, -2.5, 0.1, 1.9}, {0.2, 1.1, -3.0, 0.4}}, k[EVENTS] = {0, 2, 1, 2};
  static const char *const column[3] = {"column:x0", "column:x1", "column:x2"};
  Loaded l = load(program);
  for (int i = 0; i < 3; i++) give(&l, column[i], x[i], EVENTS);
  give(&l, "column:k", k, EVENTS);
  static const double rows[EVENTS][3] = {{-1.5, 0.7, 0.2}, {0.3, -2.5, 1.1}, {2.0, 0.1, -3.0}, {-0.2, 1.9, 0.4}};
  give(&l, "prep:x", rows[0], (int64_t)EVENTS * 3);
  scatter_weights(&l, 0.4);
  static const char *const counters[] = {"step", "epoch", "progress"};
  for (int i = 0; i < 3; i++) give_number(&l, counters[i], 0);
  give_number(&l, "batch_size", EVENTS);
  return l;
}

// Formulas of one element z of zs(x), a value of the event: together, and one by one.
static void elements_are_what_they_are_alone(void **state) {
  (void)state;
  static const char *const formulas[] = {
      "sum(z * x[:2])",
      "log_prob(f, x | z)",
      "log_prob(normal(g(z, x).mu, 0.7), x[1:]) + g(z, x).w",
      "sum(softmax(z)[argmax(x[:2])] * cumsum(z)) + [1, 2, 3][bin(z[0], [-9, -0.5, 0.5, 9])]",
      "sum(einsum(\"i,j->ij\", z, x)) + sum([[1, 2], [3, 4]] @ z) + amax(concat(z, x)) + x[k]",
      "sum(grad(sum(tanh(z) * g(z, x).mu), z)) + (if z[0] > z[1] then 1 else 0)",
      "log_prob(mixture_law([0.1, -0.3], normal(reshape(z, 2, 1) * [[1, 2]], 0.5)), x[:2]) + sum(f.inverse(x | z)[0])",
      "sum([sum(w * z) for w in [x[1:], x[:2], z]]) + mean([sum((z - v)^2) for v in all])",
  };
  for (size_t i = 0; i < sizeof formulas / sizeof formulas[0]; i++) {
    Arena *arena = arena_create();
    Loaded l = open_model(arena_printf(arena,
                                       DATA BLOCKS "score {\n  all = zs(x)\n  at = fn (z) = %s\n"
                                                   "  together = sum([at(z) for z in all] * [1, 2, 3, 4, 5])\n"
                                                   "  apart = sum([at(all[i]) for i in 0:5] * [1, 2, 3, 4, 5])\n}\n",
                                       formulas[i]));
    const double *together = run(&l, l.model->score, EVENTS, "score:together"), *apart = run(&l, l.model->score, EVENTS, "score:apart");
    for (int e = 0; e < EVENTS; e++) near(together[e], apart[e], 1e-12);
    leave(&l);
    arena_destroy(arena);
  }
}

// The same with a name for the index: the loss, and each new weight.
static void their_gradients_too(void **state) {
  (void)state;
  static const char *const program =
      DATA BLOCKS "train {\n  all = zs(x)\n  update g, f {\n"
                  "    minimize -logsumexp([log_prob(f, x | z) + sum(tanh(g(z, x).mu)) for %s]) + sum(grad(g(x[:2], x).w, x)^2)\n"
                  "    with sgd(1)\n  }\n  batch 4\n  epochs 1\n}\n";
  Arena *arena = arena_create();
  Loaded a = open_model(arena_printf(arena, program, "z in all")), b = open_model(arena_printf(arena, program, "z in [all[i] for i in 0:5]"));
  const IrFn *together = a.model->phases.at[0]->updates.at[0].step, *apart = b.model->phases.at[0]->updates.at[0].step;
  assert_true(together->values.len < apart->values.len / 2);
  IrArray *x = run_all(&a, together, EVENTS), *y = run_all(&b, apart, EVENTS);
  assert_int_equal(together->outputs.len, apart->outputs.len);
  assert_true(together->outputs.len > 10);
  for (size_t i = 0; i < together->outputs.len; i++) {
    assert_string_equal(together->outputs.at[i].name, apart->outputs.at[i].name);
    for (int64_t k = 0; k < x[i].n; k++) near(x[i].data[k], y[i].data[k], 1e-10);
  }
  leave(&a);
  leave(&b);
  arena_destroy(arena);
}

// log of the mean of N(x0; z, 1/2) over z ~ N(0, 1) is log N(x0; 0, sqrt(5/4)), up to the error of 20,000 draws
static void draws_are_made_for_each(void **state) {
  (void)state;
  Loaded l = open_model(DATA "score {\n  z = [draw(normal) for _ in 0:20_000]\n  middle = mean(z)\n  spread = mean(z^2)\n"
                             "  found = logsumexp([log_prob(normal(v, 0.5), x[0]) for v in z]) - log(20_000)\n"
                             "  wanted = log_prob(normal(0, sqrt(1.25)), x[0])\n"
                             "  split = sum([z * v for v in [draw(normal) for _ in 0:2]]) }\n");
  const double *mean = run(&l, l.model->score, EVENTS, "score:middle"), *spread = run(&l, l.model->score, EVENTS, "score:spread");
  const double *found = run(&l, l.model->score, EVENTS, "score:found"), *wanted = run(&l, l.model->score, EVENTS, "score:wanted");
  for (int i = 0; i < EVENTS; i++) {
    assert_true(mean[i] != 0 && fabs(mean[i]) < 4.5 / sqrt(20000));
    near(spread[i], 1, 4.5 * sqrt(2.0 / 20000));
    near(found[i], wanted[i], 0.05);
    assert_true(i == 0 || mean[i] != mean[0]);
  }
  leave(&l);
}

// A flow knows the density of each of its draws; that is the one which its inverse gives, also of draws that another list goes through.
static void own_draws_have_their_density(void **state) {
  (void)state;
  Loaded l =
      open_model(DATA "flow f(a: real[2] | c: real[3]) { base normal; affine_coupling(mlp([4])); reverse; affine_coupling(mlp([4])) }\n"
                      "fn drawn(x) -> (a, p) { a ~ f | x; p = log_prob(f, a | x) }\n"
                      "score {\n  both = [drawn(x) for _ in 0:7]\n  known = sum([b.p for b in both])\n  again = sum([log_prob(f, b.a | x) for b in both])\n"
                      "  inverted = sum([sum(log_prob(normal[2], f.inverse(b.a | x)[0])) + f.inverse(b.a | x)[1] for b in both])\n"
                      "  first = both[0].p + both[-1].a[1]\n  (b0, _, _, _, _, _, b6) = both\n  same = b0.p + b6.a[1] + len(both) - 7 }\n");
  const double *known = run(&l, l.model->score, EVENTS, "score:known"), *again = run(&l, l.model->score, EVENTS, "score:again");
  const double *inverted = run(&l, l.model->score, EVENTS, "score:inverted");
  const double *first = run(&l, l.model->score, EVENTS, "score:first"), *same = run(&l, l.model->score, EVENTS, "score:same");
  for (int i = 0; i < EVENTS; i++) near(again[i], known[i], 1e-12), near(inverted[i], known[i], 1e-12), near(first[i], same[i], 0);
  leave(&l);
}

// All pairs of two loops over one list, and of a list inside a list; what is known when the program is checked stays so.
static void lists_meet_in_pairs(void **state) {
  (void)state;
  Loaded l =
      open_model(DATA "score {\n  z = [x * draw(normal) for _ in 0:6]\n  pairs = sum([sum([sum(a * b) for a in z]) for b in z])\n"
                      "  square = sum(sum(z, axis = 0)^2)\n  nested = sum([[a[0] * v for v in x] for a in z])\n  product = sum([a[0] for a in z]) * sum(x)\n"
                      "  widths = sum(x |> together([2 for _ in 0:3])) }\n"
                      "fn together(n: [int])(x) = x[:n[0] * n[1] - n[2]]\n");
  const char *const pair[][2] = {{"score:pairs", "score:square"}, {"score:nested", "score:product"}};
  for (int k = 0; k < 2; k++) {
    const double *a = run(&l, l.model->score, EVENTS, pair[k][0]), *b = run(&l, l.model->score, EVENTS, pair[k][1]);
    for (int i = 0; i < EVENTS; i++) near(a[i], b[i], 1e-12);
  }
  leave(&l);
}

// What does not depend on the element belongs to all: definitions of the block, fields, and nets, which are built once for the same
// arguments, with the one draw that they have.
static void what_is_shared_stays_shared(void **state) {
  (void)state;
  Loaded l = open_model(DATA "net noisy(x: real[3]) -> (y: real) { e ~ normal; y = sum(x |> dense(1)) + e }\n"
                             "net f(x: real[3]) -> real = sum(x |> dense(1))\n"
                             "train {\n  z ~ normal[3]\n  update noisy, f {\n"
                             "    minimize mean([(f(x) - sum(z))^2 + draw(normal) + noisy(x) for _ in 0:8]) + sum(z) + noisy(x)\n    with sgd(1)\n  }\n"
                             "  batch 4\n  epochs 1\n}\nscore { spread = amax([noisy(x) for _ in 0:5]) - noisy(x) }\n");
  const double *spread = run(&l, l.model->score, EVENTS, "score:spread");
  for (int i = 0; i < EVENTS; i++) near(spread[i], 0, 0);
  const IrFn *step = l.model->phases.at[0]->updates.at[0].step;
  assert_true(isfinite(run(&l, step, EVENTS, "loss")[0]));
  leave(&l);
}

static void what_cannot_be_is_refused(void **state) {
  (void)state;
  static const char *const wrong[] = {
      "net n(x: real[3]) -> real = sum([sum(x |> dense(2)) for _ in 0:4])\nscore { s = n(x) }",
      "net n(x: real[3]) -> real = sum([sum(v * x |> dense(2)) for v in x])\nscore { s = n(x) }",
      "score { s = sum([mean(batch(v)) for v in x]) }",
      "score { s = sum([[[draw(normal) for _ in 0:2] for _ in 0:2] for _ in 0:2]) }",
      "score { s = sum([softplus for _ in 0:3][0](x)) }",
  };
  Arena *arena = arena_create();
  for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) expect(arena_printf(arena, DATA "%s\n", wrong[i]), "alike");
  expect(DATA "score { s = sum([sum(grad(sum(x * v), x)) for v in x]) }\n", "grad-what");
  expect(DATA "bijection m(s: real)(x: real -> y: real) { forward { y = x * s; log_det = log(s) }; inverse { x = y / s; log_det = -log(s) } }\n"
              "score { s = sum([[sum(m(a + v).inverse(reshape(x, 3, 1, 1))[0]) for v in x] for a in x]) }\n",
         "not-built");
  expect(DATA "score { s = [draw(normal) for _ in 0:3][3] }\n", "index");
  arena_destroy(arena);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(elements_are_what_they_are_alone), cmocka_unit_test(their_gradients_too), cmocka_unit_test(draws_are_made_for_each),
      cmocka_unit_test(own_draws_have_their_density),     cmocka_unit_test(lists_meet_in_pairs), cmocka_unit_test(what_is_shared_stays_shared),
      cmocka_unit_test(what_cannot_be_is_refused),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
