// needs: lang compiler/ad compiler/ir lang/base runtime
// What a net keeps from step to step (`iterated`), and what is made of it: spectral and activation normalisation. Oracle: the power method and its
// derivative written out for a 2 x 2 matrix, and its singular values in closed form.
#include "tests/support/model.h"

enum { EVENTS = 3 };
static const double a[EVENTS] = {1, -2, 0.5}, b[EVENTS] = {0.3, 0.8, -1};
static const char *const kept = "f.spectral_norm_dense_1.spectral_1.iterated_1", *const weight = "f.spectral_norm_dense_1.w";

#define NET "data d { x = [\"a\", \"b\"] }\nnet f(x: d.x) -> (y: real) = sum(x |> spectral_norm_dense(2, bias = false))\n"

static Loaded with(const char *text) {
  Loaded l = load(text);
  double *x = ARENA_ARRAY(l.arena, double, 2 * EVENTS);
  for (int i = 0; i < EVENTS; i++) x[2 * i] = a[i], x[2 * i + 1] = b[i];
  give(&l, "prep:x", x, 2 * EVENTS);
  give(&l, "column:a", a, EVENTS);
  give(&l, "column:b", b, EVENTS);
  for (int i = 0; i < 4; i++) give_number(&l, (const char *[]){"step", "epoch", "progress", "batch_size"}[i], i == 3 ? EVENTS : 0);
  give_weights(&l);
  return l;
}

static const double *leaf(const Loaded *l, const char *name) {
  for (size_t i = 0; i < l->leaves; i++)
    if (strcmp(l->leaf[i].name, name) == 0) return l->leaf[i].data;
  fail_msg("no leaf %s", name);
  return NULL;
}

typedef struct Power {
  double u[2], v[2], sigma;
} Power;

static void unit(double x[2]) {
  double size = hypot(x[0], x[1]);
  x[0] /= size, x[1] /= size;
}

// u = unit(wᵀ before), v = unit(w u), sigma = v w u: a step of PyTorch's power method
static Power power(const double w[4], const double before[2]) {
  Power p = {{before[0] * w[0] + before[1] * w[2], before[0] * w[1] + before[1] * w[3]}, {0}, 0};
  unit(p.u);
  p.v[0] = w[0] * p.u[0] + w[1] * p.u[1], p.v[1] = w[2] * p.u[0] + w[3] * p.u[1];
  unit(p.v);
  for (int i = 0; i < 4; i++) p.sigma += p.v[i / 2] * w[i] * p.u[i % 2];
  return p;
}

static void a_step_of_the_power_method(void **state) {
  (void)state;
  Loaded l = with(NET "train { update f { minimize f(x); with sgd(1) }; batch 3; steps 9 }\n");
  const double *w = leaf(&l, weight), mean[2] = {(a[0] + a[1] + a[2]) / 3, (b[0] + b[1] + b[2]) / 3};
  const IrFn *step = l.model->phases.at[0]->updates.at[0].step;
  Power p = power(w, leaf(&l, kept));
  double sum = 0;
  for (int i = 0; i < 4; i++) sum += mean[i / 2] * w[i];
  near(run(&l, step, EVENTS, "loss")[0], sum / p.sigma, 1e-12);
  for (int i = 0; i < 4; i++) // no derivative of u and v
    near(run(&l, step, EVENTS, arena_printf(l.arena, "set:%s", weight))[i], w[i] - mean[i / 2] / p.sigma + sum * p.v[i / 2] * p.u[i % 2] / (p.sigma * p.sigma),
         1e-12);
  for (int i = 0; i < 2; i++) near(run(&l, step, EVENTS, arena_printf(l.arena, "set:%s", kept))[i], p.v[i], 1e-12);
  leave(&l);
}

static void each_use_goes_on_from_the_one_before(void **state) {
  (void)state;
  Loaded l = with(NET "train { update f { minimize f(x) - f(3 * x)^2; with sgd(0.1) }; batch 3; steps 9 }\n");
  const double *w = leaf(&l, weight);
  const IrFn *step = l.model->phases.at[0]->updates.at[0].step;
  Power one = power(w, leaf(&l, kept)), two = power(w, one.v);
  double loss = 0;
  for (int i = 0; i < EVENTS; i++) {
    double y = a[i] * (w[0] + w[1]) + b[i] * (w[2] + w[3]);
    loss += (y / one.sigma - 9 * y * y / (two.sigma * two.sigma)) / EVENTS;
  }
  near(run(&l, step, EVENTS, "loss")[0], loss, 1e-12);
  for (int i = 0; i < 2; i++) near(run(&l, step, EVENTS, arena_printf(l.arena, "set:%s", kept))[i], two.v[i], 1e-12);
  leave(&l);
}

static void it_finds_the_largest_singular_value(void **state) {
  (void)state;
  Loaded l = with(NET "train { update f { minimize f(x); with sgd(1) }; batch 3; steps 9 }\nscore { y = f(x) }\n");
  const double *w = leaf(&l, weight);
  const IrFn *step = l.model->phases.at[0]->updates.at[0].step;
  for (int k = 0; k < 200; k++) give(&l, kept, run(&l, step, EVENTS, arena_printf(l.arena, "set:%s", kept)), 2);
  double squares = w[0] * w[0] + w[1] * w[1] + w[2] * w[2] + w[3] * w[3], det = w[0] * w[3] - w[1] * w[2];
  double sigma = sqrt((squares + sqrt(squares * squares - 4 * det * det)) / 2);
  for (int i = 0; i < EVENTS; i++) near(run(&l, l.model->score, EVENTS, "score:y")[i], (a[i] * (w[0] + w[1]) + b[i] * (w[2] + w[3])) / sigma, 1e-12);
  leave(&l);
}

// The kernel, as a matrix of 2 x 2 rows and two columns, by the root of the larger eigenvalue of its square.
static void of_a_convolution(void **state) {
  (void)state;
  static const char name[] = "f.spectral_norm_conv2d_1";
  Loaded l = with("data d { x = [\"a\", \"b\"] }\n"
                  "net f(x: d.x) -> (y: real) = sum(reshape(concat(x, 3 * x), 2, 2, 1) |> spectral_norm_conv2d(2, kernel = 2, same = false))\n"
                  "train { update f { minimize f(x); with sgd(1) }; batch 3; steps 9 }\nscore { y = f(x) }\n");
  const double *k = leaf(&l, arena_printf(l.arena, "%s.k", name));
  const char *vector = arena_printf(l.arena, "%s.spectral_1.iterated_1", name);
  const IrFn *step = l.model->phases.at[0]->updates.at[0].step;
  for (int n = 0; n < 200; n++) give(&l, vector, run(&l, step, EVENTS, arena_printf(l.arena, "set:%s", vector)), 4);
  double square[3] = {0};
  for (int row = 0; row < 4; row++)
    for (int i = 0; i < 3; i++) square[i] += k[2 * row + i / 2] * k[2 * row + (i + 1) / 2]; // 00, 01, 11
  double half = (square[0] + square[2]) / 2, sigma = sqrt(half + hypot((square[0] - square[2]) / 2, square[1]));
  for (int i = 0; i < EVENTS; i++) {
    double image[4] = {a[i], b[i], 3 * a[i], 3 * b[i]}, y = 0;
    for (int row = 0; row < 4; row++) y += image[row] * (k[2 * row] + k[2 * row + 1]);
    near(run(&l, l.model->score, EVENTS, "score:y")[i], y / sigma, 1e-12);
  }
  leave(&l);
}

static void only_its_own_updates_keep_it(void **state) {
  (void)state;
  Loaded l = with(NET "net g(x: d.x) -> d.x = x |> dense(2)\ntrain {\n  update f { minimize f(x)^2; with sgd(1) }\n  update g { minimize f(g(x)); with sgd(1) "
                      "}\n  batch 3; steps 9 }\n");
  const ModelPhase *p = l.model->phases.at[0];
  assert_true(has_output(p->updates.at[0].step, arena_printf(l.arena, "set:%s", kept)));
  assert_false(has_output(p->updates.at[1].step, arena_printf(l.arena, "set:%s", kept)));
  leave(&l);
}

// ---- activation normalisation: the first batch of the training gives mean and size, which stay; scale and shift are learnt beside them

#define FLOW "data d { x = [\"a\", \"b\"] }\nflow f(x) { base normal; act_norm }\n"
#define AT "f.step_1."

static double mean_of(const double *v) { return (v[0] + v[1] + v[2]) / EVENTS; }
static double size_of(const double *v) {
  double m = mean_of(v), sum = 0;
  for (int i = 0; i < EVENTS; i++) sum += (v[i] - m) * (v[i] - m);
  return sqrt(sum / EVENTS);
}

// -log_prob of one component
static double surprise(double x, double m, double size, double s, double t) {
  double z = (x - m + t) / size * exp(s);
  return z * z / 2 + log(2 * acos(-1.0)) / 2 + log(size) - s;
}

static void the_first_batch_is_normalised(void **state) {
  (void)state;
  Loaded l = with(FLOW "train { update f { minimize -log_prob(f, x); with sgd(1) }; batch 3; steps 9 }\nscore { p = log_prob(f, x) }\n");
  const IrFn *step = l.model->phases.at[0]->updates.at[0].step;
  for (int i = 0; i < EVENTS; i++) near(run(&l, l.model->score, EVENTS, "score:p")[i], -surprise(a[i], 0, 1, 0, 0) - surprise(b[i], 0, 1, 0, 0), 1e-12);
  near(run(&l, step, EVENTS, "loss")[0], 1 + log(2 * acos(-1.0)) + log(size_of(a)) + log(size_of(b)), 1e-12);
  static const char *const learnt[] = {"set:" AT "s", "set:" AT "t"};
  for (int k = 0; k < 2; k++)
    for (int i = 0; i < 2; i++) near(run(&l, step, EVENTS, learnt[k])[i], 0, 1e-12); // the best place for this batch
  const double wanted[] = {1, mean_of(a), mean_of(b), log(size_of(a)), log(size_of(b))};
  for (int i = 0; i < 5; i++) near(run(&l, step, EVENTS, "set:" AT "iterated_1")[i], wanted[i], 1e-12);
  assert_true(l.model->phases.at[0]->normalises);
  leave(&l);
}

static void later_batches_change_what_is_learnt_alone(void **state) {
  (void)state;
  Loaded l = with(FLOW "train { update f { minimize -log_prob(f, x); with sgd(0.5) }; batch 3; steps 9 }\n"
                       "score { p = log_prob(f, x); (z, _) = f.inverse(x); (back, _) = f.forward(z); back0 = back[0]; back1 = back[1] }\n");
  const IrFn *step = l.model->phases.at[0]->updates.at[0].step;
  const double first[] = {1, 0.7, -2, log(3), log(0.25)}, s[] = {0.2, -0.1}, t[] = {-0.3, 0.4};
  give(&l, AT "iterated_1", first, 5);
  give(&l, AT "s", s, 2);
  give(&l, AT "t", t, 2);
  double loss = 0, slope = 0;
  for (int i = 0; i < EVENTS; i++) {
    double p = surprise(a[i], 0.7, 3, 0.2, -0.3) + surprise(b[i], -2, 0.25, -0.1, 0.4);
    loss += p / EVENTS;
    slope += (a[i] - 0.7 - 0.3) / 3 * exp(0.2) * exp(0.2) / 3 / EVENTS;
    near(run(&l, l.model->score, EVENTS, "score:p")[i], -p, 1e-12);
    near(run(&l, l.model->score, EVENTS, "score:back0")[i], a[i], 1e-12);
    near(run(&l, l.model->score, EVENTS, "score:back1")[i], b[i], 1e-12);
  }
  near(run(&l, step, EVENTS, "loss")[0], loss, 1e-12);
  near(run(&l, step, EVENTS, "set:" AT "t")[0], t[0] - 0.5 * slope, 1e-12);
  for (int i = 0; i < 5; i++) near(run(&l, step, EVENTS, "set:" AT "iterated_1")[i], first[i], 1e-12);
  leave(&l);
}

// A component that does not vary in the first batch keeps its size, and a draw within the training is no beginning.
static void what_does_not_vary_keeps_its_size(void **state) {
  (void)state;
  Loaded l = with("data d { x = [\"a\", \"b\"] }\nflow f(x) { base normal; act_norm }\n"
                  "train { y ~ f\n  update f { minimize sum(y^2) - log_prob(f, 0 * x + 3); with sgd(1) }; batch 3; steps 9 }\n");
  const IrFn *step = l.model->phases.at[0]->updates.at[0].step;
  const double wanted[] = {1, 3, 3, 0, 0};
  for (int i = 0; i < 5; i++) near(run(&l, step, EVENTS, "set:" AT "iterated_1")[i], wanted[i], 1e-12);
  leave(&l);
}

static void wrong_uses_are_refused(void **state) {
  (void)state;
  expect("data d { x = [\"a\", \"b\"] }\nnet f(x: d.x) -> (y: real) { (p, q) = iterated(point([0; 2]), fn (v) = v); y = sum(q) }\n"
         "score { s = f(x) }\n",
         "running");
  expect("data d { x = [\"a\", \"b\"] }\nscore { (p, q) = iterated(normal[2], fn (v) = v); s = sum(p) }\n", "running");
  expect("data d { x = [\"a\", \"b\"] }\nnet f(x: d.x) -> (y: real) { (p, q) = iterated(normal[2], fn (v) = x); y = sum(q) }\n"
         "train { update f { minimize f(x); with sgd(1) }; batch 3; steps 9 }\n",
         "running");
  expect("data d { x = [\"a\", \"b\"] }\nnet f(x: d.x) -> (y: real) { learn w: real[3] = 1; (p, q) = iterated(normal[2], fn (v) = w); y = sum(q) }\n"
         "train { update f { minimize f(x); with sgd(1) }; batch 3; steps 9 }\n",
         "shape");
  expect("data d { x = [\"a\", \"b\"] }\nnet f(x: d.x) -> (y: real) { (p, q) = iterated(normal[2], 3); y = sum(q) }\n"
         "train { update f { minimize f(x); with sgd(1) }; batch 3; steps 9 }\n",
         "running");
  expect(FLOW "train { update f { minimize -log_prob(f, x); with sgd(1) }; batch 1; steps 9 }\n", "batch-one");
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_step_of_the_power_method),
      cmocka_unit_test(each_use_goes_on_from_the_one_before),
      cmocka_unit_test(it_finds_the_largest_singular_value),
      cmocka_unit_test(of_a_convolution),
      cmocka_unit_test(only_its_own_updates_keep_it),
      cmocka_unit_test(the_first_batch_is_normalised),
      cmocka_unit_test(later_batches_change_what_is_learnt_alone),
      cmocka_unit_test(what_does_not_vary_keeps_its_size),
      cmocka_unit_test(wrong_uses_are_refused),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
