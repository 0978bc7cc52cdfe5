// needs: lang compiler/ad compiler/ir lang/base runtime
// Games: several update blocks in one step, formulas of the step, averages, bounds, and steps of the other player inside a loss.
// The players are one number each, so every expected number is written out by hand.
#include "tests/support/model.h"

static const double theta = 0.75, psi = -0.5, events[3] = {1, -2, 0.5};

#define PLAYERS                                                                                                                                                \
  "data d { x = \"x\" }\n"                                                                                                                                     \
  "net gen() -> (t: real) { learn theta: real = 0.75; t = theta }\n"                                                                                           \
  "net judge(x: real) -> (y: real) { learn psi: real = -0.5; y = psi * x }\n"

static Loaded game_of(const char *players, const char *train) {
  char text[2048];
  snprintf(text, sizeof text, "%s%s", players, train);
  Loaded l = load(text);
  give(&l, "prep:x", events, 3);
  give_number(&l, "batch_size", 3);
  give_number(&l, "epoch", 0);
  give_number(&l, "progress", 0);
  give_weights(&l);
  const ModelPhase *p = l.model->phases.at[0];
  for (size_t i = 0; i < p->states.len; i++) {
    const ModelState *state = &p->states.at[i];
    const int64_t n = ir_elements(&state->type);
    double *data = ARENA_ARRAY(l.arena, double, n);
    for (int64_t k = 0; k < n; k++) data[k] = state->start;
    give(&l, state->name, data, n);
  }
  return l;
}

static Loaded game(const char *train) { return game_of(PLAYERS, train); }

static double repeats_at(Loaded *l, double step) {
  l->leaves = 0;
  give_number(l, "step", step);
  return run(l, l->model->phases.at[0]->updates.at[0].control, 3, "repeat")[0];
}

static void repeat_and_when_follow_the_step(void **state) {
  (void)state;
  Loaded l = game("train {\n  update judge repeat (if step < 25 or step % 500 == 0 then 100 else 5) { minimize judge(x)^2; with sgd(0.1) }\n"
                  "  update gen repeat 3 when 2 > 1 { minimize (x - gen())^2; with sgd(0.1) }\n"
                  "  update gen when batch_mean(x) > 1 { minimize (x - gen())^2; with sgd(0.1) }\n  batch 3; steps 9\n}\n");
  near(repeats_at(&l, 0), 100, 1e-9);
  near(repeats_at(&l, 24), 100, 1e-9);
  near(repeats_at(&l, 25), 5, 1e-9);
  near(repeats_at(&l, 499), 5, 1e-9);
  near(repeats_at(&l, 1000), 100, 1e-9);
  const ModelPhase *p = l.model->phases.at[0];
  assert_null(p->updates.at[1].control);
  near(p->updates.at[1].repeat, 3, 1e-9);
  give(&l, "prep:x", events, 3);
  give_number(&l, "batch_size", 3);
  near(run(&l, p->updates.at[2].control, 3, "when")[0], 0, 1e-9); // the mean is -1/6
  leave(&l);
}

static void weights_are_bounded_and_averaged(void **state) {
  (void)state;
  Loaded l = game("train { update judge { minimize 3 * judge(x); with sgd(1), clip_weights(0.25), ema(0.9) }; batch 3; steps 9 }\n");
  const ModelPhase *p = l.model->phases.at[0];
  assert_int_equal(p->states.len, 1);
  assert_string_equal(p->states.at[0].like, "judge.psi");
  l.leaves = 0;
  give(&l, "prep:x", events, 3);
  give_number(&l, "batch_size", 3);
  give_weights(&l);
  give_number(&l, p->states.at[0].name, psi);
  double mean = -0.5 / 3, moved = fmax(-0.25, fmin(0.25, psi - 3 * mean));
  near(run(&l, p->updates.at[0].step, 3, "set:judge.psi")[0], moved, 1e-9);
  near(run(&l, p->updates.at[0].step, 3, "set:judge.psi.average")[0], 0.9 * psi + 0.1 * moved, 1e-9);
  leave(&l);
}

static void a_simultaneous_step_is_one_program(void **state) {
  (void)state;
  Loaded l = game("train {\n  fake = gen()\n  update judge { minimize judge(fake) + x * 0; with sgd(0.1), clip(100) }\n"
                  "  update gen { maximize judge(fake) + x * 0; with sgd(0.2) }\n  simultaneous; batch 3; steps 9\n}\n");
  const ModelPhase *p = l.model->phases.at[0];
  assert_int_equal(p->updates.len, 1);
  assert_int_equal(p->updates.at[0].losses.len, 2);
  assert_string_equal(p->updates.at[0].losses.at[1].name, "gen");
  const IrFn *step = p->updates.at[0].step;
  near(run(&l, step, 3, "set:judge.psi")[0], psi - 0.1 * theta, 1e-9);
  near(run(&l, step, 3, "set:gen.theta")[0], theta + 0.2 * psi, 1e-9);
  near(run(&l, step, 3, "grad_norm")[0], theta, 1e-9);
  near(run(&l, step, 3, "loss_2")[0], -psi * theta, 1e-9);
  leave(&l);
}

// Means over the batch are of the step; a comprehension over it goes through pairs of events.
static void batches_are_reduced_and_paired(void **state) {
  (void)state;
  Loaded l = game("train {\n  s = judge(x)\n  spread = mean([(s - o)^2 for o in batch(s)])\n"
                  "  update judge { minimize batch_mean(s)^2 + sum([max(s, o + 0.1) for o in batch(x)]) + amax(batch(s)) + 0.1 * spread; with sgd(1) }\n  "
                  "batch 3; steps 9\n}\n");
  double loss = 0, slope = 0, mean = 0, top = 0, top_slope = 0;
  for (int i = 0; i < 3; i++) {
    double s = psi * events[i];
    mean += events[i] / 3;
    if (i == 0 || s > top) top = s, top_slope = events[i];
    for (int k = 0; k < 3; k++) {
      loss += fmax(s, events[k] + 0.1) / 3 + 0.1 * (s - psi * events[k]) * (s - psi * events[k]) / 9;
      slope += (s > events[k] + 0.1 ? events[i] : 0) / 3 + 0.2 * psi * (events[i] - events[k]) * (events[i] - events[k]) / 9;
    }
  }
  loss += psi * psi * mean * mean + top;
  slope += 2 * psi * mean * mean + top_slope;
  const IrFn *step = l.model->phases.at[0]->updates.at[0].step;
  near(run(&l, step, 3, "loss")[0], loss, 1e-9);
  near(run(&l, step, 3, "set:judge.psi")[0], psi - slope, 1e-9);
  leave(&l);
}

// The judge minimizes psi t + psi^2 / 2 with slope t + psi.
#define UNROLLED(k, with)                                                                                                                                      \
  "train {\n  update gen unrolling judge " k " { minimize judge(gen()); with sgd(1) }\n"                                                                       \
  "  update judge { minimize judge(gen()) + judge(1)^2 / 2; with " with " }\n  batch 3; steps 9\n}\n"

static double slope_of_generator(const char *train) {
  Loaded l = game(train);
  const ModelPhase *p = l.model->phases.at[0];
  const IrFn *step = p->updates.at[strcmp(p->updates.at[0].targets.at[0], "gen") == 0 ? 0 : 1].step;
  double moved = run(&l, step, 3, "set:gen.theta")[0];
  assert_true(has_output(step, "set:gen.theta"));
  assert_false(has_output(step, "set:judge.psi"));
  leave(&l);
  return theta - moved;
}

static void unrolled_steps_of_sgd_are_differentiated(void **state) {
  (void)state;
  double a = 0.3;
  near(slope_of_generator(UNROLLED("0", "sgd(0.3)")), psi, 1e-9);
  near(slope_of_generator(UNROLLED("1", "sgd(0.3)")), psi * (1 - a) - 2 * a * theta, 1e-9);
  near(slope_of_generator(UNROLLED("2", "sgd(0.3)")), psi * (1 - a) * (1 - a) - 2 * a * theta * (2 - a), 1e-9);
}

static double loss_after_adam(double t, int steps) {
  double p = psi, m = 0, v = 0;
  for (int k = 1; k <= steps; k++) {
    double g = t + p;
    m = 0.5 * m + 0.5 * g;
    v = 0.9 * v + 0.1 * g * g;
    p -= 0.3 / (1 - pow(0.5, k)) * m / (sqrt(v) / sqrt(1 - pow(0.9, k)) + 0.1);
  }
  return p * t;
}

static void unrolled_steps_of_adam_are_differentiated(void **state) {
  (void)state;
  double h = 1e-5, slope = (loss_after_adam(theta + h, 5) - loss_after_adam(theta - h, 5)) / (2 * h);
  double found = slope_of_generator(UNROLLED("5", "adam(0.3, betas = (0.5, 0.9), eps = 0.1)"));
  if (!(fabs(found - slope) <= 1e-8)) fail_msg("%.12g, central difference %.12g", found, slope);
}

// A judge of two blocks, as of batches that are all real or all generated: a step of it is one of each.
static void all_blocks_of_a_player_are_unrolled(void **state) {
  (void)state;
  double found = slope_of_generator("train {\n  update judge { minimize judge(gen()); with sgd(0.3) }\n"
                                    "  update gen unrolling judge 2 { minimize judge(gen()); with sgd(1) }\n"
                                    "  update judge { minimize judge(1)^2 / 2; with sgd(0.3) }\n  batch 3; steps 9\n}\n");
  double a = 0.3, b = 1 - a; // psi becomes (psi - a t) b, twice
  near(found, psi * b * b - 2 * a * theta * (b * b + b), 1e-9);
}

// A draw outside of the updates is one draw: in the unrolled steps, in the block itself and in the judge's own step.
static void unrolled_steps_see_the_draws_of_the_step(void **state) {
  (void)state;
  Loaded l = game("train {\n  z ~ normal\n  update gen unrolling judge 2 { minimize judge(z) * gen(); with sgd(1) }\n"
                  "  update judge { minimize judge(z); with sgd(0.5) }\n  batch 3; steps 9\n}\n");
  const ModelPhase *p = l.model->phases.at[0];
  double mean = run(&l, p->updates.at[1].step, 3, "loss")[0] / psi;
  near(run(&l, p->updates.at[0].step, 3, "loss")[0], (psi - 2 * 0.5 * mean) * mean * theta, 1e-9);
  leave(&l);
}

// A slope by an event inside of an unrolled step is taken at the weights of that step, though these were moved by the same events.
static void slopes_in_unrolled_steps_are_at_fixed_weights(void **state) {
  (void)state;
  Loaded l = game("train {\n  update gen unrolling judge 3 { minimize judge(gen()); with sgd(1) }\n"
                  "  update judge { minimize judge(x)^2 / 2 + r1(judge(x), x) / 2; with sgd(0.1) }\n  batch 3; steps 9\n}\n");
  const ModelPhase *p = l.model->phases.at[0];
  double square = 0, moved = psi;
  for (int i = 0; i < 3; i++) square += events[i] * events[i] / 3;
  for (int k = 0; k < 3; k++) moved -= 0.1 * (square + 1) * moved;
  near(run(&l, p->updates.at[0].step, 3, "loss")[0], moved * theta, 1e-9);
  leave(&l);
}

// The judge's steps play the generator, whose averages move once a step of its own.
static void averages_follow_steps_of_their_own_net(void **state) {
  (void)state;
  static const char *const trains[] = {"train {\n  update gen unrolling judge 3 { minimize judge(gen(x)); with sgd(1) }\n"
                                       "  update judge { minimize (judge(gen(x)) - 1)^2; with sgd(0.1) }\n  batch 3; steps 9\n}\n",
                                       "train {\n  update judge { minimize (judge(gen(x)) - 1)^2; with sgd(0.1) }\n"
                                       "  update gen { minimize judge(gen(x)); with sgd(1) }\n  simultaneous; batch 3; steps 9\n}\n"};
  for (int i = 0; i < 2; i++) {
    Loaded l = game_of("data d { x = \"x\" }\n"
                       "net gen(x: real) -> (t: real) { learn theta: real = 0.75; t = theta * (x - running(mean(batch(x)), 0.5)) }\n"
                       "net judge(x: real) -> (y: real) { learn psi: real = -0.5; y = psi * x }\n",
                       trains[i]);
    const IrFn *step = l.model->phases.at[0]->updates.at[0].step;
    near(run(&l, step, 3, "set:gen.running_1")[0], 0.5 * (-0.5 / 3), 1e-9);
    near(run(&l, step, 3, "set:gen.running_1.seen")[0], 0.5, 1e-9);
    leave(&l);
  }
}

// All at once: the judge's own step begins at its weights, not where the unrolled steps have put them, whichever block is written first.
static void unrolled_steps_leave_a_simultaneous_step_alone(void **state) {
  (void)state;
  static const char *blocks[2] = {"  update gen unrolling judge 2 { minimize judge(gen()); with sgd(1) }\n",
                                  "  update judge { minimize judge(gen()) + judge(1)^2 / 2; with sgd(0.3) }\n"};
  const double a = 0.3;
  for (int first = 0; first < 2; first++) {
    char train[512];
    snprintf(train, sizeof train, "train {\n%s%s  simultaneous; batch 3; steps 9\n}\n", blocks[first], blocks[1 - first]);
    Loaded l = game(train);
    const ModelPhase *p = l.model->phases.at[0];
    assert_int_equal(p->updates.len, 1);
    near(run(&l, p->updates.at[0].step, 3, "set:gen.theta")[0], theta - (psi * (1 - a) * (1 - a) - 2 * a * theta * (2 - a)), 1e-9);
    near(run(&l, p->updates.at[0].step, 3, "set:judge.psi")[0], psi - a * (theta + psi), 1e-9);
    leave(&l);
  }
}

static double logistic(double x) { return 1 / (1 + exp(-x)); }

// The loss at the players' numbers, and its slope along the one that `net` moves.
static void loss_is(const char *net, const char *loss, double value, double slope) {
  char train[512];
  snprintf(train, sizeof train, "train { fake = gen()\n  update %s { minimize %s; with sgd(1) }; batch 3; steps 9 }\n", net, loss);
  Loaded l = game(train);
  const IrFn *step = l.model->phases.at[0]->updates.at[0].step;
  bool judge = strcmp(net, "judge") == 0;
  near(run(&l, step, 3, "loss")[0], value, 1e-9);
  near((judge ? psi : theta) - run(&l, step, 3, judge ? "set:judge.psi" : "set:gen.theta")[0], slope, 1e-9);
  leave(&l);
}

// psi x: -1/2, 1, -1/4; psi theta: -3/8; the mean of x: -1/6.
static void losses_of_the_library_are_right(void **state) {
  (void)state;
  loss_is("judge", "d_hinge(2 * judge(x), judge(gen()))", 3.5 / 3 + 0.625, -1 + theta);
  loss_is("gen", "g_hinge(judge(gen()))", 0.375, 0.5);
  double value = 0, slope = 0;
  for (int i = 0; i < 3; i++) {
    value += (log1p(exp(psi * events[i])) - 0.8 * psi * events[i]) / 3;
    slope += (logistic(psi * events[i]) - 0.8) * events[i] / 3;
  }
  loss_is("judge", "bce(judge(x), smooth(1, 0.2))", value, slope);
  loss_is("judge", "bce(judge(x), smooth(flip(0, 1), 0.4, towards = 0.5))", value, slope);
  loss_is("judge", "bce(judge(gen()), smooth(flip(1, 1), 0.2))", log1p(exp(-0.375)), logistic(-0.375) * theta);
  double apart = -1.0 / 6 - theta;
  loss_is("judge", "feature_matching(judge(x), judge(gen()) + 0 * x)", psi * psi * apart * apart, 2 * psi * apart * apart);
  double a = psi * theta, b = psi, w = logistic(2 * (a - b)), mean = w * a + (1 - w) * b;
  loss_is("judge", "against_several(2)([judge(gen()), judge(1)])", mean, w * (1 + 2 * (a - mean)) * theta + (1 - w) * (1 + 2 * (b - mean)));
  loss_is("judge", "against_several(0)([judge(gen()), judge(1)])", (a + b) / 2, (theta + 1) / 2);
}

// The judge's slope is psi wherever it is taken.
static void regularisers_of_the_library_are_right(void **state) {
  (void)state;
  loss_is("judge", "r1(judge(x), x)", psi * psi, 2 * psi);
  loss_is("judge", "r2(judge(fake), fake)", psi * psi, 2 * psi);
  loss_is("judge", "gradient_penalty(judge, x, fake)", (fabs(psi) - 1) * (fabs(psi) - 1), -2 * (fabs(psi) - 1));
  double p = logistic(psi * theta), value = p * p * psi * psi, slope = 2 * p * p * psi * (1 + (1 - p) * theta * psi);
  for (int i = 0; i < 3; i++) {
    double q = logistic(-psi * events[i]);
    value += q * q * psi * psi / 3;
    slope += 2 * q * q * psi * (1 - (1 - q) * events[i] * psi) / 3;
  }
  loss_is("judge", "roth(judge(x), x, judge(fake), fake)", value, slope);
}

// Each pair counts with the weights of both its events, of whichever sample they are; draws weigh 1.
static void discrepancies_have_weights(void **state) {
  (void)state;
  static const double w[3] = {2, -0.5, 1.5};
  static const char *const losses[] = {"mmd(x + gen(), z)", "mmd(z, x + gen())"};
  double value = 1, slope = 0;
  for (int i = 0; i < 3; i++) {
    double d = events[i] + theta - 0.7, k = w[i] * exp(-d * d / 2) / 3;
    value -= 2 * k, slope += 2 * d * k;
    for (int j = 0; j < 3; j++) value += w[i] * w[j] * exp(-(events[i] - events[j]) * (events[i] - events[j]) / 2) / 9;
  }
  for (int i = 0; i < 2; i++) {
    char train[256];
    snprintf(train, sizeof train, "train { z ~ point(0.7)\n  update gen { minimize %s; with sgd(1) }; batch 3; steps 9 }\n", losses[i]);
    Loaded l = game_of("data d { x = \"x\"; weight = \"w\" }\nnet gen() -> (t: real) { learn theta: real = 0.75; t = theta }\n", train);
    give(&l, "weight:d", w, 3);
    const IrFn *step = l.model->phases.at[0]->updates.at[0].step;
    near(run(&l, step, 3, "loss")[0], value, 1e-9);
    near(theta - run(&l, step, 3, "set:gen.theta")[0], slope, 1e-9);
    leave(&l);
  }
}

// Of the real ones only -2 is taken for real; the generated one is taken for generated. Unrolled steps judge nothing of their own.
static void accuracies_are_outputs(void **state) {
  (void)state;
  Loaded l = game("train {\n  update judge { minimize d_gan(judge(x), judge(gen())); with sgd(1) }\n"
                  "  update gen unrolling judge 2 { minimize verdict(judge(gen()), 1) + verdict(judge(x), 0.9); with sgd(1) }\n  batch 3; steps 9\n}\n");
  const ModelPhase *p = l.model->phases.at[0];
  assert_string_equal(p->updates.at[0].losses.at[0].accuracy, "accuracy");
  near(run(&l, p->updates.at[0].step, 3, "accuracy")[0], 0.5 / 3 + 0.5, 1e-9);
  near(run(&l, p->updates.at[1].step, 3, "accuracy")[0], (0 + 1.0 / 3) / 2, 1e-9);
  leave(&l);
  l = game("train { update judge { minimize d_wasserstein(judge(x), judge(gen())); with sgd(1) }; batch 3; steps 9 }\n");
  assert_null(l.model->phases.at[0]->updates.at[0].losses.at[0].accuracy);
  leave(&l);
}

static void what_is_no_game_is_refused(void **state) {
  (void)state;
  expect(PLAYERS "train { update judge { minimize judge(x); with sgd(1), ema(1.5) }; update gen { minimize x * gen(); with sgd(1) }; batch 3; steps 1 }\n",
         "optimizer");
  expect(PLAYERS "train { update judge unrolling gen 2 { minimize judge(x); with sgd(1) }; batch 3; steps 1 }\n", "unrolling");
  expect(PLAYERS "train { update judge unrolling judge 2 { minimize judge(x); with sgd(1) }; batch 3; steps 1 }\n", "unrolling");
  expect(PLAYERS "train { update judge when x > 0 { minimize judge(x); with sgd(1) }; batch 3; steps 1 }\n", "not-setting");
  expect(PLAYERS "train { update judge repeat 0 - 2 { minimize judge(x); with sgd(1) }; batch 3; steps 1 }\n", "type");
  expect(PLAYERS "train { update judge repeat 2 { minimize judge(x); with sgd(1) }; update gen { minimize x * gen(); with sgd(1) }; simultaneous; batch 3; "
                 "steps 1 }\n",
         "simultaneous");
  expect(PLAYERS
         "train { update judge { minimize judge(x); with sgd(1) }; update judge { minimize judge(x)^2; with sgd(1) }; simultaneous; batch 3; steps 1 }\n",
         "simultaneous");
}

// ---- blocks that have something in common

#define JUDGES                                                                                                                                                 \
  "data d { x = \"x\" }\n"                                                                                                                                     \
  "net gen(z: real[2]) -> real[2] = z |> dense(3) |> tanh |> dense(2)\n"                                                                                       \
  "net one(x: real[2]) -> real = sum(x |> dense(1))\n"                                                                                                         \
  "net two(x: real[2]) -> real = sum(x |> dense(1))\n"

static Loaded judged_by(const char *blocks) {
  char train[2048];
  snprintf(train, sizeof train, "train {\n  z ~ normal[2]\n  fake = gen(z)\n%s  batch 3; steps 9\n}\n", blocks);
  return game_of(JUDGES, train);
}

static int products_with(const IrFn *fn, const char *weight) {
  int n = 0;
  for (size_t i = 0; i < fn->values.len; i++) {
    const IrValue *v = &fn->values.at[i];
    for (uint32_t k = 0; v->op == IR_EINSUM && k < 2; k++) {
      const IrValue *operand = ir_at(fn, v->operands[k]);
      n += operand->op == IR_PARAM && strcmp(operand->attr.name, weight) == 0;
    }
  }
  return n;
}

// What blocks give one after the other, each with what those before it have set, and what their one program gives: to the bit.
static void same_outputs(Loaded *l, const ModelUpdate *together, Loaded *other, const ModelPhase *apart) {
  const IrFn *fn = together->step;
  const IrArray *all = run_all(l, fn, 3), **last = ARENA_ARRAY(l->arena, const IrArray *, fn->outputs.len);
  for (size_t u = 0; u < apart->updates.len; u++) {
    const IrFn *step = apart->updates.at[u].step;
    const IrArray *one = run_all(other, step, 3);
    for (size_t i = 0; i < step->outputs.len; i++) {
      const char *name = step->outputs.at[i].name;
      if (strncmp(name, "set:", 4) == 0) give(other, name + 4, one[i].data, one[i].n);
      if (strcmp(name, "loss") == 0) name = together->losses.at[u].output;
      if (strcmp(name, "grad_norm") == 0) name = together->losses.at[u].norm;
      size_t k = 0;
      while (k < fn->outputs.len && strcmp(fn->outputs.at[k].name, name) != 0) k++;
      assert_true(k < fn->outputs.len);
      last[k] = &one[i];
    }
  }
  for (size_t k = 0; k < fn->outputs.len; k++) {
    assert_non_null(last[k]);
    assert_int_equal(all[k].n, last[k]->n);
    assert_memory_equal(all[k].data, last[k]->data, (size_t)last[k]->n * sizeof(double));
  }
}

static void what_blocks_have_in_common_is_computed_once(void **state) {
  (void)state;
  static const char *const blocks = "  update one%s { minimize softplus(-one(fake)) + mean(fake)^2; with adam(0.1), clip(0.1) }\n"
                                    "  update two%s { minimize (two(fake) - x)^2 + one(fake); with sgd(0.1), ema(0.9) }\n"
                                    "  update one%s { minimize softplus(one(fake) - two(fake)); with adam(0.1), clip(0.1) }\n"
                                    "  update gen%s { minimize one(fake) + two(fake); with sgd(0.1) }\n";
  static const char *const never_sure = " when step >= 0";
  char text[1024];
  snprintf(text, sizeof text, blocks, "", "", "", "");
  Loaded l = judged_by(text);
  snprintf(text, sizeof text, blocks, never_sure, never_sure, never_sure, never_sure);
  Loaded apart = judged_by(text);
  const ModelPhase *p = l.model->phases.at[0], *q = apart.model->phases.at[0];
  assert_int_equal(p->updates.len, 1);
  assert_int_equal(q->updates.len, 4);
  const ModelUpdate *all = &p->updates.at[0];
  static const char *const names[] = {"one", "two", "one", "gen"};
  assert_int_equal(all->losses.len, 4);
  for (size_t i = 0; i < 4; i++) assert_string_equal(all->losses.at[i].name, names[i]);
  assert_int_equal(products_with(q->updates.at[0].step, "gen.dense_1.w"), 1);
  assert_int_equal(products_with(all->step, "gen.dense_1.w"), 1);
  same_outputs(&l, all, &apart, q);
  leave(&l);
  leave(&apart);
}

static void blocks_go_together_where_nothing_has_changed(void **state) {
  (void)state;
  static const struct {
    const char *blocks;
    size_t programs;
  } cases[] = {
      {"  update one { minimize one(fake)^2; with sgd(1) }\n  update two { minimize two(fake) + one(fake); with sgd(1) }\n", 1},
      {"  update one { minimize one(fake)^2; with sgd(1) }\n  update one { minimize one(-fake)^2; with sgd(1) }\n", 1},
      {"  update one, gen { minimize one(fake)^2; with sgd(1) }\n  update two { minimize two(fake)^2; with sgd(1) }\n", 2}, // fake has moved
      {"  update one { minimize one(x * [1, 2])^2; with sgd(1) }\n  update two { minimize (two([1, 2] * x) + one([1, 2] * x))^2; with sgd(1) }\n",
       2},                                                                                                                           // one has moved
      {"  update one { minimize one(fake)^2; with sgd(1) }\n  update two repeat 2 { minimize two(fake)^2; with sgd(1) }\n", 2},      // not as often
      {"  update one { minimize one(fake)^2; with sgd(1) }\n  update two when step > 3 { minimize two(fake)^2; with sgd(1) }\n", 2}, // not always
      {"  update one when 2 > 1 { minimize one(fake)^2; with sgd(1) }\n  update two { minimize two(fake)^2; with sgd(1) }\n", 1},    // always
      {"  update one repeat 2 { minimize one(fake)^2; with sgd(1) }\n  update two repeat 2 { minimize two(fake)^2; with sgd(1) }\n", 1},
      {"  update one repeat 2 { minimize one(fake) + two(fake); with sgd(1) }\n  update two repeat 2 { minimize two(fake)^2; with sgd(1) }\n",
       2}, // passes alternate
      {"  update one { minimize one(fake)^2; with sgd(1) }\n  update gen { minimize mean(fake)^2; with sgd(1) }\n"
       "  update two { minimize two(fake)^2; with sgd(1) }\n",
       2}, // two sees another fake
      {"  update one { y ~ normal[2]; minimize one(gen(y))^2; with sgd(1) }\n  update two { y ~ normal[2]; minimize two(gen(y))^2; with sgd(1) }\n",
       2}, // own draws
      {"  update one unrolling two 2 { minimize one(fake) * two(fake); with sgd(1) }\n  update two { minimize two(fake)^2; with adam(1) }\n", 1},
      {"  update two { minimize two(fake)^2; with adam(1) }\n  update one unrolling two 2 { minimize one(fake) * two(fake); with sgd(1) }\n", 1},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    Loaded l = judged_by(cases[i].blocks);
    if (l.model->phases.at[0]->updates.len != cases[i].programs) fail_msg("%zu programs of\n%s", l.model->phases.at[0]->updates.len, cases[i].blocks);
    leave(&l);
  }
}

static size_t programs_of(const char *nets, const char *train) {
  Loaded l = game_of(nets, train);
  const size_t n = l.model->phases.at[0]->updates.len;
  leave(&l);
  return n;
}

static void what_is_little_or_fills_the_memory_is_computed_again(void **state) {
  (void)state;
#define BLOCKS(SECOND, BATCH)                                                                                                                                  \
  "train { z ~ normal[2]; fake = gen(z)\n  update one { minimize one(fake)^2; with sgd(1) }\n"                                                                 \
  "  update two { minimize " SECOND "; with sgd(1) }\n  batch " BATCH "; steps 9 }\n"
  static const char *const nets = JUDGES "net wide(x: real[2]) -> real = sum(x |> mlp([64]) |> dense(1))\n";
  assert_int_equal(programs_of(nets, BLOCKS("two(fake)^2 + wide(fake)", "3")), 2); // gen's products are 24 operations, wide's 384
  assert_int_equal(programs_of(nets, BLOCKS("two(fake)^2", "3")), 1);
  assert_int_equal(programs_of(nets, BLOCKS("two(fake)^2", "2_500_000")), 1); // fake and a factor of the loss: 12 bytes an event
  assert_int_equal(programs_of(nets, BLOCKS("two(fake)^2", "3_000_000")), 2);
#undef BLOCKS
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(repeat_and_when_follow_the_step),
      cmocka_unit_test(weights_are_bounded_and_averaged),
      cmocka_unit_test(a_simultaneous_step_is_one_program),
      cmocka_unit_test(unrolled_steps_leave_a_simultaneous_step_alone),
      cmocka_unit_test(batches_are_reduced_and_paired),
      cmocka_unit_test(unrolled_steps_of_sgd_are_differentiated),
      cmocka_unit_test(unrolled_steps_of_adam_are_differentiated),
      cmocka_unit_test(all_blocks_of_a_player_are_unrolled),
      cmocka_unit_test(unrolled_steps_see_the_draws_of_the_step),
      cmocka_unit_test(averages_follow_steps_of_their_own_net),
      cmocka_unit_test(slopes_in_unrolled_steps_are_at_fixed_weights),
      cmocka_unit_test(losses_of_the_library_are_right),
      cmocka_unit_test(regularisers_of_the_library_are_right),
      cmocka_unit_test(discrepancies_have_weights),
      cmocka_unit_test(accuracies_are_outputs),
      cmocka_unit_test(what_blocks_have_in_common_is_computed_once),
      cmocka_unit_test(blocks_go_together_where_nothing_has_changed),
      cmocka_unit_test(what_is_little_or_fills_the_memory_is_computed_again),
      cmocka_unit_test(what_is_no_game_is_refused),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
