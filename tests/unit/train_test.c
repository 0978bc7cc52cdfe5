// needs: lang compiler/ad compiler/ir lang/base runtime
// Train blocks: steps of small models against their closed forms, weights of events, freshness of draws, rates, validation;
// and what is refused.
#include "tests/support/model.h"

static const double x[3] = {1, -2, 0.5}, y[3] = {1, 1, 1}, w[3] = {1, -0.5, 2.5};

static Loaded line_model(const char *train) {
  char text[2048];
  snprintf(text, sizeof text,
           "data d { x = \"x\"; y = \"y\"; weight = \"w\" }\n"
           "net f(x: real) -> (v: real) {\n  learn a: real = 2\n  learn b: real = 0.5\n  v = a * x + b\n}\n%s",
           train);
  Loaded l = load(text);
  give(&l, "prep:x", x, 3);
  give(&l, "prep:y", y, 3);
  give(&l, "weight:d", w, 3);
  give_number(&l, "batch_size", 3);
  give_number(&l, "step", 0);
  give_number(&l, "epoch", 0);
  give_number(&l, "progress", 0.25);
  give_weights(&l);
  for (size_t i = 0; i < l.model->phases.at[0]->states.len; i++) {
    const ModelState *s = &l.model->phases.at[0]->states.at[i];
    give_number(&l, s->name, s->start);
  }
  return l;
}

// Loss and its slopes in a and b by hand: weighted mean of (2 x + 0.5 - y)^2.
static double by_hand(double *da, double *db) {
  double loss = 0;
  *da = *db = 0;
  for (int i = 0; i < 3; i++) {
    double r = 2 * x[i] + 0.5 - y[i];
    loss += w[i] * r * r / 3;
    *da += w[i] * 2 * r * x[i] / 3;
    *db += w[i] * 2 * r / 3;
  }
  return loss;
}

static void a_step_of_sgd_follows_the_weighted_mean(void **state) {
  (void)state;
  Loaded l = line_model("train { update f { minimize (f(x) - y)^2; with sgd(0.1) }; batch 3; epochs 2 }\n");
  const ModelPhase *p = l.model->phases.at[0];
  double da, db, loss = by_hand(&da, &db);
  near(run(&l, p->updates.at[0].step, 3, "loss")[0], loss, 1e-9);
  near(run(&l, p->updates.at[0].step, 3, "set:f.a")[0], 2 - 0.1 * da, 1e-9);
  near(run(&l, p->updates.at[0].step, 3, "set:f.b")[0], 0.5 - 0.1 * db, 1e-9);
  near(run(&l, p->validate, 3, "loss")[0], 3 * loss, 1e-9);
  near(run(&l, p->validate, 3, "weight")[0], 3, 1e-9);
  assert_int_equal(p->states.len, 0);
  leave(&l);
}

static void clip_decay_and_rates_act(void **state) {
  (void)state;
  Loaded l = line_model("train {\n  r = f(x) - y\n  update f {\n    minimize 2 * r^2\n    maximize r^2\n"
                        "    with sgd(cosine(0.1)), clip(0.5), decay(0.2)\n  }\n  batch 3; steps 7\n}\n");
  const IrFn *step = l.model->phases.at[0]->updates.at[0].step;
  double da, db, loss = by_hand(&da, &db), norm = hypot(da, db), factor = fmin(1, 0.5 / (norm + 1e-6));
  double rate = 0.1 * (1 + cos(acos(-1) * 0.25)) / 2;
  near(run(&l, step, 3, "loss")[0], loss, 1e-9);
  near(run(&l, step, 3, "grad_norm")[0], norm, 1e-9);
  near(run(&l, step, 3, "set:f.a")[0], 2 - rate * (factor * da + 0.2 * 2), 1e-9);
  near(run(&l, step, 3, "set:f.b")[0], 0.5 - rate * (factor * db + 0.2 * 0.5), 1e-9);
  leave(&l);
}

static void adam_keeps_its_memory(void **state) {
  (void)state;
  Loaded l = line_model("train { update f { minimize (f(x) - y)^2; with adam(0.1, betas = (0.5, 0.9), eps = 1e-3) }; batch 3; epochs 2 }\n");
  const ModelPhase *p = l.model->phases.at[0];
  assert_int_equal(p->states.len, 5); // m and v of two weights, one count
  double da, db;
  by_hand(&da, &db);
  near(run(&l, p->updates.at[0].step, 3, "set:f.a")[0], 2 - 0.1 * da / (fabs(da) + 1e-3), 1e-9);
  near(run(&l, p->updates.at[0].step, 3, "set:f.a.adam.m")[0], 0.5 * da, 1e-9);
  near(run(&l, p->updates.at[0].step, 3, "set:f.a.adam.v")[0], 0.1 * da * da, 1e-9);
  near(run(&l, p->updates.at[0].step, 3, "set:f.adam.t")[0], 1, 1e-9);
  leave(&l);
}

// z stands outside the updates: both see the same numbers. u is of its block: they differ.
static void draws_are_shared_or_fresh_by_their_place(void **state) {
  (void)state;
  Loaded l = line_model("train {\n  z ~ normal\n  twice = 2 * z\n"
                        "  update f { u ~ uniform(0, 1); minimize f(x) * 0 + z + 10 * 0; with sgd(0.1) }\n"
                        "  update f { u ~ uniform(0, 1); minimize f(x) * 0 + twice / 2; with sgd(0.1) }\n"
                        "  update f { u ~ uniform(0, 1); minimize f(x) * 0 + u; with sgd(0.1) }\n"
                        "  update f { u ~ uniform(0, 1); minimize f(x) * 0 + u; with sgd(0.1) }\n"
                        "  batch 3; epochs 1\n}\n");
  const ModelPhase *p = l.model->phases.at[0];
  double loss[4];
  for (int i = 0; i < 4; i++) loss[i] = run(&l, p->updates.at[i].step, 3, "loss")[0];
  near(loss[0], loss[1], 1e-9);
  assert_true(fabs(loss[2] - loss[3]) > 1e-6);
  assert_null(p->validate);
  leave(&l);
}

static void dropout_acts_in_updates_only(void **state) {
  (void)state;
  Loaded l = load("data d { x: real[4] = [\"x{0,1,2,3}\"] }\nnet f(x: d.x) -> real = x |> dropout(0.5) |> dense(1, init = fn (i, o) = point(1))\n"
                  "train { update f { minimize f(x); with sgd(0.1) }; batch 3; epochs 1 }\n");
  const double ones[12] = {1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1};
  give(&l, "prep:x", ones, 12);
  give_number(&l, "batch_size", 3);
  give_weights(&l);
  const ModelPhase *p = l.model->phases.at[0];
  near(run(&l, p->validate, 3, "loss")[0], 12, 1e-9);
  double loss = run(&l, p->updates.at[0].step, 3, "loss")[0] * 3;
  near(loss, 2 * round(loss / 2), 1e-9); // kept components count twice
  leave(&l);
}

static void phases_repeat_with_their_number(void **state) {
  (void)state;
  Loaded l = line_model("train repeat 3 as stage { update f { minimize (f(x) - y)^2; with sgd(0.1 * 0.5^stage) }; batch 3; epochs stage + 1 }\n");
  double da, db;
  by_hand(&da, &db);
  assert_int_equal(l.model->phases.len, 3);
  for (int i = 0; i < 3; i++) {
    const ModelPhase *p = l.model->phases.at[i];
    assert_int_equal(p->epochs, i + 1);
    near(run(&l, p->updates.at[0].step, 3, "set:f.a")[0], 2 - 0.1 * pow(0.5, i) * da, 1e-9);
  }
  leave(&l);
}

#define HEAD "data d { x: real[3] = [\"a\", \"b\", \"c\"] }\nnet f(x: d.x) -> real = x |> dense(1)\nnet g(x: d.x) -> real = x |> dense(1)\n"

static void what_cannot_be_trained_is_refused(void **state) {
  (void)state;
  expect(HEAD "train { update f { minimize x * f(x); with sgd(1) }; batch 3; epochs 1 }\n", "loss-shape");
  expect(HEAD "train { update f { minimize g(x); with sgd(1) }; batch 3; epochs 1 }\n", "loss-constant");
  expect(HEAD "train { update f { minimize floor(f(x)); with sgd(1) }; batch 3; epochs 1 }\n", "no-derivative");
  expect(HEAD "train { update x { minimize f(x); with sgd(1) }; batch 3; epochs 1 }\n", "update-what");
  expect(HEAD "train { update f { minimize f(x) }; batch 3; epochs 1 }\n", "no-optimizer");
  expect(HEAD "train { update f { with sgd(1) }; batch 3; epochs 1 }\n", "loss-missing");
  expect(HEAD "train { update f { minimize f(x); with adamm(1) }; batch 3; epochs 1 }\n", "optimizer");
  expect(HEAD "train { update f { minimize f(x); with adam(1, gamma = 2) }; batch 3; epochs 1 }\n", "optimizer");
  expect(HEAD "train { update f { minimize f(x); with adam(1), sgd(1) }; batch 3; epochs 1 }\n", "optimizer");
  expect(HEAD "train { update f { minimize f(x); with sgd(f(x)) }; batch 3; epochs 1 }\n", "optimizer");
  static const char *const out_of_range[] = {"adam(-1e-3)",           "sgd(1 / 0)",           "adam(1e-3, betas = (0.9, 1))",
                                             "adam(1e-3, eps = -1)",  "sgd(1, momentum = 1)", "rmsprop(1, decay = 1.5)",
                                             "adamw(1, decay = -0.1)"};
  for (size_t i = 0; i < sizeof out_of_range / sizeof out_of_range[0]; i++) {
    char text[512];
    snprintf(text, sizeof text, HEAD "train { update f { minimize f(x); with %s }; batch 3; epochs 1 }\n", out_of_range[i]);
    expect(text, "optimizer");
  }
  expect(HEAD "train { update f { minimize f(x); with sgd(1) }; update f { minimize f(x); with adam(1) }; batch 3; epochs 1 }\n", "optimizer-two");
  expect(HEAD "train { update f { minimize f(x); with sgd(1) }; update g { minimize g(x); with sgd(1) }; batch 3; epochs 1; patience 2 }\n", "watch-what");
  expect(HEAD "train { update f { minimize f(x); with sgd(1) }; batch 3 }\n", "no-end");
  expect(HEAD "train { update f { minimize f(x); with sgd(1) }; epochs 3 }\n", "no-batch");
  expect(HEAD "train { update f { minimize f(x); with sgd(1) }; batch 3; epochs 1; watch kss }\n", "metric-unknown");
  expect(HEAD "train { update f { minimize f(x); with sgd(1) }; batch 3; epochs 1; keep first }\n", "unknown-word");
  expect(HEAD "train { update f { minimize f(x); with sgd(1) }; batch 3; epochs 1 }\n", "weights-unmoved");
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_step_of_sgd_follows_the_weighted_mean),
      cmocka_unit_test(clip_decay_and_rates_act),
      cmocka_unit_test(adam_keeps_its_memory),
      cmocka_unit_test(draws_are_shared_or_fresh_by_their_place),
      cmocka_unit_test(dropout_acts_in_updates_only),
      cmocka_unit_test(phases_repeat_with_their_number),
      cmocka_unit_test(what_cannot_be_trained_is_refused),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
