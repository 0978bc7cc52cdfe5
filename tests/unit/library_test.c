// needs: lang compiler/ad compiler/ir lang/base runtime
// The library (stdlib/) beside closed forms: four-vectors, order, derivatives, solvers, continuous flows.
#include "tests/support/model.h"

#define NUMBERS "data d { x = \"x{0,1,2}\" }\n"

enum { EVENTS = 5 };
static const double X0[EVENTS] = {-1.5, 0.3, 2.0, -0.2, 7.5}, X1[EVENTS] = {0.7, -2.5, 0.1, 1.9, -0.4}, X2[EVENTS] = {0.2, 1.1, -3.0, 0.4, 2.6};

static Loaded load_numbers(const char *text) {
  Loaded l = load(text);
  give(&l, "column:x0", X0, EVENTS);
  give(&l, "column:x1", X1, EVENTS);
  give(&l, "column:x2", X2, EVENTS);
  return l;
}

static const double *score(Loaded *l, const char *name) { return run(l, l->model->score, EVENTS, arena_printf(l->arena, "score:%s", name)); }

// ---- four-vectors

// The general boost by a velocity (Jackson, Classical Electrodynamics, 11.19): v is (e, px, py, pz).
static void boosted(const double v[4], const double beta[3], double out[4]) {
  double b2 = beta[0] * beta[0] + beta[1] * beta[1] + beta[2] * beta[2], gamma = 1 / sqrt(1 - b2);
  double along = v[1] * beta[0] + v[2] * beta[1] + v[3] * beta[2];
  out[0] = gamma * (v[0] + along);
  for (int i = 0; i < 3; i++) out[i + 1] = v[i + 1] + beta[i] * ((gamma - 1) / b2 * along + gamma * v[0]);
}

static void boosts_are_lorentz_transformations(void **state) {
  (void)state;
  Loaded l = load_numbers(NUMBERS "fn a(x)  = on_shell(0.5, x)\nfn by(x) = p4(e = 9, px = x[1], py = x[2], pz = x[0] / 2)\n"
                                  "score {\n  b = boost(a(x), by(x))\n  (e, px, py, pz) = (b.e, b.px, b.py, b.pz)\n  m = mass(b)\n"
                                  "  back = sum(abs(boost(rest_frame(a(x), by(x)), by(x)) - a(x)))\n"
                                  "  rest = sum(abs(rest_frame(by(x), by(x)) - [mass(by(x)), 0, 0, 0])) }\n");
  for (int i = 0; i < EVENTS; i++) {
    double a[4] = {sqrt(0.25 + X0[i] * X0[i] + X1[i] * X1[i] + X2[i] * X2[i]), X0[i], X1[i], X2[i]}, out[4];
    boosted(a, (double[3]){X1[i] / 9, X2[i] / 9, X0[i] / 18}, out);
    near(score(&l, "e")[i], out[0], 1e-9); // masses carry 1e-12 under their roots
    near(score(&l, "px")[i], out[1], 1e-9);
    near(score(&l, "py")[i], out[2], 1e-9);
    near(score(&l, "pz")[i], out[3], 1e-9);
    near(score(&l, "m")[i], 0.5, 1e-9);
    near(score(&l, "back")[i], 0, 1e-9);
    near(score(&l, "rest")[i], 0, 1e-9);
  }
  leave(&l);
}

// Three jets by their pT, and the jet that goes with it; along the last axis of a matrix; of a list that is computed together.
static void lists_are_ordered(void **state) {
  (void)state;
  Loaded l = load_numbers(NUMBERS "score {\n  jets  = transpose([x, x^2, x + 10])\n  falling = sum(x[order(-x)] * [100, 10, 1])\n"
                                  "  beside = sum(jets[order(-x)][:, 1] * [100, 10, 1])\n  rows = sum([x, -x][1][order([x, -x])[1]] * [100, 10, 1])\n"
                                  "  slope = sum(grad(sum(x[order(-x)] * [100, 10, 1]), x) * [1, 2, 3])\n"
                                  "  drawn = sum([sum((x + 0 * u)[order(-x - 0 * u)] * [100, 10, 1]) for u in [draw(normal) for _ in 0:4]]) / 4 }\n");
  for (int i = 0; i < EVENTS; i++) {
    double x[3] = {X0[i], X1[i], X2[i]}, falling = 0, squares = 0, slope = 0;
    for (int k = 0; k < 3; k++) {
      double weight = 1;
      for (int j = 0; j < 3; j++) weight *= x[j] < x[k] ? 10 : 1;
      falling += weight * x[k], squares += weight * x[k] * x[k], slope += weight * (k + 1);
    }
    near(score(&l, "falling")[i], falling, 1e-13);
    near(score(&l, "beside")[i], squares, 1e-13);
    near(score(&l, "rows")[i], -falling, 1e-13);
    near(score(&l, "slope")[i], slope, 1e-13);
    near(score(&l, "drawn")[i], falling, 1e-13);
  }
  leave(&l);
}

// ---- derivatives

// y = (x0 x1, sin(x1) + x2^2, x0^2); and the score of a normal law of width 2 around 1 in three numbers: loss r^2 / 32 - 3 / 4.
static void products_with_jacobians_and_scores(void **state) {
  (void)state;
  Loaded l = load_numbers(
      NUMBERS "fn y(x) = [x[0] * x[1], sin(x[1]) + x[2]^2, x[0]^2]\n"
              "score {\n  det = log_abs_det(jacobian(4 * x + y(x) / 10, x))\n  p = sum(jvp(y(x), x, [1, -2, 0.5]) * [100, 10, 1])\n  d = divergence(y(x), x)\n"
              "  law = log_prob(normal(1, 2)[3], x)\n  matched = score_matching(law, x)\n"
              "  sliced = sum([sliced_score_matching(law, x, [if i == k then 1 else 0 for k in 0:3]) for i in 0:3])\n"
              "  slope = grad(sliced_score_matching(sum(x^4), x, [1, 0, 0]), x)[0] }\n");
  for (int i = 0; i < EVENTS; i++) {
    double a = X0[i], b = X1[i], c = X2[i], square = (a - 1) * (a - 1) + (b - 1) * (b - 1) + (c - 1) * (c - 1);
    near(score(&l, "p")[i], 100 * (b - 2 * a) + 10 * (-2 * cos(b) + c) + 2 * a, 1e-12);
    near(score(&l, "d")[i], b + cos(b), 1e-12);
    double m[3][3] = {{4 + b / 10, a / 10, 0}, {0, 4 + cos(b) / 10, c / 5}, {a / 5, 0, 4}};
    near(score(&l, "det")[i], log(fabs(m[0][0] * m[1][1] * m[2][2] + m[0][1] * m[1][2] * m[2][0])), 1e-12);
    near(score(&l, "matched")[i], square / 32 - 0.75, 1e-12);
    near(score(&l, "sliced")[i], square / 32 - 0.75, 1e-12);
    near(score(&l, "slope")[i], 48 * pow(a, 5) + 24 * a, 1e-11); // of 8 a^6 + 12 a^2
  }
  leave(&l);
}

// ---- volumes: 2 x 3 x 4 places of one number, sin(i x0); what comes out is added up with cos(place)

enum { DEEP = 2, HIGH = 3, WIDE = 4, OUT = 2 };
static double volume(double x, int d, int h, int w) { return sin((d * HIGH + h) * WIDE + w + 1) * x; }
static double kernel_at(int i) { return 0.3 * sin(2.0 * i + 1); }

static void volumes_are_convolved(void **state) {
  (void)state;
  Loaded l =
      load_numbers(NUMBERS "fn v(x) = reshape([sin(i + 1) * x[0] for i in 0:24], 2, 3, 4, 1)\nfn told(y) = sum(flatten(y) * cos(range(0, len(flatten(y)))))\n"
                           "net f(x) -> (y: real) = told(v(x) |> conv3d(2, kernel = 2, stride = (1, 1, 2), same = false))\n"
                           "net g(x) -> (y: real) = told(v(x) |> locally_connected3d(2, kernel = 2, bias = false))\n"
                           "score {\n  conv = f(x)\n  local = g(x)\n  back = told(v(x) |> upsample3d(1, 2, 3) |> pool_mean3d(1, 2, 3)) - told(v(x))\n"
                           "  top = sum(v(x) |> pool_max3d(2, 3, 2)) }\n");
  double conv[8 * OUT], local[6 * 8 * OUT], none[OUT] = {0, 0};
  for (int i = 0; i < 8 * OUT; i++) conv[i] = kernel_at(i);
  for (int i = 0; i < 6 * 8 * OUT; i++) local[i] = kernel_at(i);
  give(&l, "f.conv3d_1.k", conv, 8 * OUT);
  give(&l, "f.conv3d_1.b", none, OUT);
  give(&l, "g.locally_connected3d_1.k", local, 6 * 8 * OUT);
  for (int e = 0; e < EVENTS; e++) {
    double of_conv = 0, of_local = 0;
    for (int h = 0; h < 2; h++) // one place deep, two high, three wide (two with stride 2)
      for (int w = 0; w < 3; w++)
        for (int i = 0; i < 8; i++)
          for (int o = 0; o < OUT; o++) {
            int place = h * 3 + w;
            double x = volume(X0[e], i / 4, h + i / 2 % 2, w + i % 2);
            of_local += x * local[(place * 8 + i) * OUT + o] * cos(place * OUT + o);
            if (w % 2 == 0) of_conv += x * conv[i * OUT + o] * cos((h * 2 + w / 2) * OUT + o);
          }
    double top[2] = {-1e9, -1e9};
    for (int p = 0; p < DEEP * HIGH * WIDE; p++) top[p % WIDE / 2] = fmax(top[p % WIDE / 2], volume(X0[e], p / WIDE / HIGH, p / WIDE % HIGH, p % WIDE));
    near(score(&l, "conv")[e], of_conv, 1e-12);
    near(score(&l, "local")[e], of_local, 1e-12);
    near(score(&l, "back")[e], 0, 1e-12);
    near(score(&l, "top")[e], top[0] + top[1], 1e-12);
  }
  leave(&l);
}

// ---- solvers: of x' = -tanh(x) sinh(x) falls as exp(-t)

static double error_of(const char *solver) {
  Arena *arena = arena_create();
  Loaded l = load_numbers(arena_printf(arena, NUMBERS "score { y = %s(x)[0] }\n", solver));
  double worst = 0;
  const double *y = score(&l, "y");
  for (int i = 0; i < EVENTS; i++) worst = fmax(worst, fabs(y[i] - asinh(sinh(X0[i]) * exp(-1.0))));
  leave(&l);
  arena_destroy(arena);
  return worst;
}

static void solvers_have_their_orders(void **state) {
  (void)state;
  static const struct {
    const char *coarse, *fine;
    double order;
  } solvers[] = {{"euler(fn (x, t) = -tanh(x), steps = 40)", "euler(fn (x, t) = -tanh(x), steps = 80)", 1},
                 {"midpoint(fn (x, t) = -tanh(x), steps = 20)", "midpoint(fn (x, t) = -tanh(x), steps = 40)", 2},
                 {"rk4(fn (x, t) = -tanh(x), steps = 10)", "rk4(fn (x, t) = -tanh(x), steps = 20)", 4}};
  for (size_t i = 0; i < sizeof solvers / sizeof solvers[0]; i++) {
    double coarse = error_of(solvers[i].coarse), fine = error_of(solvers[i].fine);
    assert_true(coarse < 0.05 && fine > 1e-13);
    near(log2(coarse / fine), solvers[i].order, 0.1);
  }
}

// y follows sin(t) at a rate between 4 and 100, as the event says: 20 equal steps run away, steps of an event's own length do not.
static void steps_have_the_length_that_an_event_asks_for(void **state) {
  (void)state;
  Loaded l = load_numbers(NUMBERS "fn follow(rate) = fn (y, t) = rate * (sin(t) - y)\n"
                                  "score {\n  k = 40 * abs(x[1])\n  equal = rk4(follow(k), steps = 20)([0])[0]\n"
                                  "  own = dormand_prince(follow(k), tolerance = 1e-6, most = 80)([0])[0]\n"
                                  "  loose = dormand_prince(follow(k), tolerance = 1e-4, most = 60)([0])[0]\n"
                                  "  straight = dormand_prince(fn (y, t) = [x[0]], most = 1)([1])[0]\n"
                                  "  slope = grad(dormand_prince(follow(k), tolerance = 1e-6, most = 80)([0])[0], k) }\n");
  double missed = 0;
  for (int i = 0; i < EVENTS; i++) {
    double k = 40 * fabs(X1[i]), n = 1 + k * k, top = k * k * sin(1.0) - k * cos(1.0) + k * exp(-k);
    double slope = (2 * k * sin(1.0) - cos(1.0) + (1 - k) * exp(-k)) / n - 2 * k * top / (n * n);
    near(score(&l, "own")[i], top / n, 1e-5);
    near(score(&l, "loose")[i], top / n, 1e-3);
    near(score(&l, "slope")[i], slope, 1e-5);
    near(score(&l, "straight")[i], 1 + X0[i], 1e-13); // the last try takes all that is left
    missed = fmax(missed, fabs(score(&l, "equal")[i] - top / n));
  }
  assert_true(missed > 1);
  leave(&l);
}

// ---- continuous flows

// x' = (a + b i) x turns and stretches: y = exp(a) R(b) x, log_det = 2 a.
static void a_linear_field_has_its_volume(void **state) {
  (void)state;
  Loaded l =
      load_numbers("data d { x = \"x{0,1}\" }\nflow f(x) { base normal; transport(fn (x, t) = 0.4 * x + 2 * [-x[1], x[0]], steps = 40) }\n"
                   "score {\n  s = transport(fn (x, t) = 0.4 * x + 2 * [-x[1], x[0]], steps = 40)\n  (y, det) = s.forward(x)\n  (y0, y1) = (y[0], y[1])\n"
                   "  (back, undone) = s.inverse(y)\n  off = sum(abs(back - x))\n  p = log_prob(f, x) }\n");
  for (int i = 0; i < EVENTS; i++) {
    double square = (X0[i] * X0[i] + X1[i] * X1[i]) * exp(-0.8);
    near(score(&l, "y0")[i], exp(0.4) * (cos(2.0) * X0[i] - sin(2.0) * X1[i]), 1e-6);
    near(score(&l, "y1")[i], exp(0.4) * (sin(2.0) * X0[i] + cos(2.0) * X1[i]), 1e-6);
    near(score(&l, "det")[i], 0.8, 1e-6);
    near(score(&l, "undone")[i], -0.8, 1e-6);
    near(score(&l, "off")[i], 0, 1e-6);
    near(score(&l, "p")[i], -square / 2 - log(2 * acos(-1.0)) - 0.8, 1e-6);
  }
  leave(&l);
}

static void a_continuous_density_adds_up_to_one(void **state) {
  (void)state;
  enum { SIDE = 60 };
  Loaded l = load("data d { x = \"x{0,1}\" }\nflow f(x) { base normal; continuous(mlp([8], act = tanh), steps = 6) }\nscore { p = log_prob(f, x) }\n");
  scatter_weights(&l, 0.5);
  double *x = ARENA_ARRAY(l.arena, double, SIDE *SIDE), *y = ARENA_ARRAY(l.arena, double, SIDE *SIDE), total = 0, uneven = 0;
  for (int i = 0; i < SIDE * SIDE; i++) x[i] = 8 * (2 * (i / SIDE + 0.5) / SIDE - 1), y[i] = 8 * (2 * (i % SIDE + 0.5) / SIDE - 1);
  give(&l, "column:x0", x, SIDE * SIDE);
  give(&l, "column:x1", y, SIDE * SIDE);
  const double *p = run(&l, l.model->score, SIDE * SIDE, "score:p");
  for (int i = 0; i < SIDE * SIDE; i++) {
    total += exp(p[i]) * (16.0 / SIDE) * (16.0 / SIDE);
    uneven = fmax(uneven, fabs(p[i] + (x[i] * x[i] + y[i] * y[i]) / 2 + log(2 * acos(-1.0))));
  }
  near(total, 1, 1e-3);
  assert_true(uneven > 0.1); // the network has moved it away from the normal law
  leave(&l);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(boosts_are_lorentz_transformations),
      cmocka_unit_test(lists_are_ordered),
      cmocka_unit_test(volumes_are_convolved),
      cmocka_unit_test(products_with_jacobians_and_scores),
      cmocka_unit_test(solvers_have_their_orders),
      cmocka_unit_test(steps_have_the_length_that_an_event_asks_for),
      cmocka_unit_test(a_linear_field_has_its_volume),
      cmocka_unit_test(a_continuous_density_adds_up_to_one),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
