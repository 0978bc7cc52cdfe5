// needs: lang compiler/ad compiler/ir lang/base runtime
// The core of the elaborator: shapes, templates, laws, bijections and flows against closed forms, numerical slopes and
// integrals; names of weights; and the refusal of what cannot be.
#include "tests/support/model.h"

#define LAYERS "data d { x = \"x{0,1,2}\" }\n"

// One number an event from `score { s = … }` over the columns x0 x1 x2.
static const double *score(Loaded *l, const double *const x[3], int64_t events, const char *output) {
  give(l, "column:x0", x[0], events);
  give(l, "column:x1", x[1], events);
  give(l, "column:x2", x[2], events);
  return run(l, l->model->score, events, output);
}

static const double A[4] = {-1.5, 0.3, 2.0, -0.2}, B[4] = {0.7, -2.5, 0.1, 1.9}, C[4] = {0.2, 1.1, -3.0, 0.4};
static const double *const X[3] = {A, B, C};

// ---- components, arrays, shapes

static void formulas_are_what_they_say(void **state) {
  (void)state;
  Loaded l =
      load(LAYERS "score {\n  top = softmax(x)[1]\n  both = sum(x[[2, 0]] * [10, 1]) + x[::-1][0] + x[-1]\n  raised = sum(x^3) + 2^x[0] + x[1]^-2\n"
                  "  table = sum([[1, 2, 3], [4, 5, 6]] @ x * [1, -1])\n  picked = [10, 20, 30][argmax(x)]\n  place = [5, 6, 7][bin(x[0], [-1, 0, 1, 2])]\n"
                  "  places = sum([5, 6, 7][bin(x[[[0, 1], [2, 0]]], [-1, 0, 1, 2])] * [[1, 10], [100, 1000]])\n"
                  "  turned = wrap(x[0] * 4)\n  sums = sum(cumsum(x))\n  spread = mean(x, axis = -1) + amax(x)\n"
                  "  either = if x[0] > 0 and not x[1] > 0 then 1 else 0\n  sigma = sum(einsum(\"i,j->ij\", x, x)) }\n");
  const double *got;
  for (int i = 0; i < 4; i++) {
    double a = A[i], b = B[i], c = C[i], total = exp(a) + exp(b) + exp(c);
    got = score(&l, X, 4, "score:top"), near(got[i], exp(b) / total, 1e-13);
    got = score(&l, X, 4, "score:both"), near(got[i], 10 * c + a + c + c, 1e-13);
    got = score(&l, X, 4, "score:raised"), near(got[i], a * a * a + b * b * b + c * c * c + exp2(a) + 1 / (b * b), 1e-12);
    got = score(&l, X, 4, "score:table"), near(got[i], a + 2 * b + 3 * c - 4 * a - 5 * b - 6 * c, 1e-13);
    got = score(&l, X, 4, "score:picked"), near(got[i], a >= b && a >= c ? 10 : b >= c ? 20 : 30, 0);
    double place[3] = {a < 0 ? 5 : a < 1 ? 6 : 7, b < 0 ? 5 : b < 1 ? 6 : 7, c < 0 ? 5 : c < 1 ? 6 : 7};
    got = score(&l, X, 4, "score:place"), near(got[i], place[0], 0);
    got = score(&l, X, 4, "score:places"), near(got[i], place[0] * 1001 + place[1] * 10 + place[2] * 100, 0);
    got = score(&l, X, 4, "score:turned"), near(cos(got[i]), cos(4 * a), 1e-12), assert_true(fabs(got[i]) <= acos(-1.0) + 1e-12);
    got = score(&l, X, 4, "score:sums"), near(got[i], 3 * a + 2 * b + c, 1e-13);
    got = score(&l, X, 4, "score:spread"), near(got[i], (a + b + c) / 3 + fmax(a, fmax(b, c)), 1e-13);
    got = score(&l, X, 4, "score:either"), near(got[i], a > 0 && b <= 0, 0);
    got = score(&l, X, 4, "score:sigma"), near(got[i], (a + b + c) * (a + b + c), 1e-12);
  }
  leave(&l);
}

// Eight axes are all there is, with those of events and of lists around a value, and four of a column.
static void too_many_axes_are_refused(void **state) {
  (void)state;
  static const char *const wrong[] = {
      "score { s = sum([sum([sum(draw(normal[2, 2, 2, 2, 2, 2]) * x[0]) for _ in 0:3]) for _ in 0:2]) }",
      "score { s = sum([sum([sum(big(x) * u) for u in [draw(normal) for _ in 0:3]]) for _ in 0:2]) }",
      "score { s = sum([sum([sum(reshape(u * x, 1, 1, 1, 1, 1, 3)) for u in [draw(normal) for _ in 0:3]]) for _ in 0:2]) }",
      "score { s = sum([sum([sum(einsum(\"abcdef,g->bcdefg\", big(x), u * x)) for u in [draw(normal) for _ in 0:3]]) for _ in 0:2]) }",
      "score { s = sum([[[big(x)]]]) }",
      "score { s = sum(big(x)[[[[0]]]]) }",
      "score { s = sum(big(x)[argmax(reshape(x[[0, 0, 0, 0]], 2, 1, 1, 1, 2))]) }",
      "score { s = sum(jacobian(big(x), x)) }",
      "data e { y: real[2, 1, 1, 1, 2] = \"y\" }",
      "data e { y: set[3] of real[2, 1, 1, 1] = \"y\" |> present(column = 1) }",
      "net g(z: real[2]) -> real[2] = z |> dense(2)\ngenerate { z ~ normal[2]\n x = concat(z, z)[:3] |> reshape(3)\n y = reshape(g(z), 1, 1, 1, 1, 2) }",
  };
  Arena *arena = arena_create();
  for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
    expect(arena_printf(arena, LAYERS "fn big(x) = reshape(x, 1, 1, 1, 1, 1, 3)\n%s\n", wrong[i]), "not-built");
  arena_destroy(arena);
}

static void activations_and_norms_have_their_formulas(void **state) {
  (void)state;
  Loaded l =
      load(LAYERS "net n(x: d.x) -> (y: real[3]) = x |> layer_norm(1e-5)\nscore {\n  g = sum(gelu(x))\n  e = sum(x |> elu(0.5))\n  s = sum(softplus(x))\n"
                  "  lse = logsumexp(x)\n  n1 = n(x)[1]\n  h = huber(1.0)(x, 0 * x)\n  b = sum(bce(x, 1)) }\n");
  give_weights(&l);
  for (int i = 0; i < 4; i++) {
    double x[3] = {A[i], B[i], C[i]}, gelu = 0, elu = 0, soft = 0, lse = 0, mean = 0, var = 0, huber = 0, bce = 0;
    for (int k = 0; k < 3; k++) {
      gelu += x[k] * 0.5 * erfc(-x[k] / sqrt(2));
      elu += x[k] > 0 ? x[k] : 0.5 * (exp(x[k]) - 1);
      soft += log(1 + exp(x[k])), bce += log(1 + exp(-x[k]));
      lse += exp(x[k]), mean += x[k] / 3;
      huber += (fabs(x[k]) < 1 ? x[k] * x[k] / 2 : fabs(x[k]) - 0.5) / 3;
    }
    for (int k = 0; k < 3; k++) var += (x[k] - mean) * (x[k] - mean) / 3;
    near(score(&l, X, 4, "score:g")[i], gelu, 1e-12);
    near(score(&l, X, 4, "score:e")[i], elu, 1e-12);
    near(score(&l, X, 4, "score:s")[i], soft, 1e-12);
    near(score(&l, X, 4, "score:b")[i], bce, 1e-12);
    near(score(&l, X, 4, "score:lse")[i], log(lse), 1e-12);
    near(score(&l, X, 4, "score:n1")[i], (x[1] - mean) / sqrt(var + 1e-5), 1e-11);
    near(score(&l, X, 4, "score:h")[i], huber, 1e-12);
  }
  leave(&l);
}

static void derivatives_are_values(void **state) {
  (void)state;
  Loaded l = load(LAYERS "score { g = grad(sum(sin(x) * x), x)[1]; h = sum(grad(sum(grad(sum(exp(2 * x)), x)), x)) }\n");
  for (int i = 0; i < 4; i++) {
    near(score(&l, X, 4, "score:g")[i], cos(B[i]) * B[i] + sin(B[i]), 1e-12);
    near(score(&l, X, 4, "score:h")[i], 4 * (exp(2 * A[i]) + exp(2 * B[i]) + exp(2 * C[i])), 1e-12);
  }
  leave(&l);
}

static void jacobians(void **state) {
  (void)state;
  Loaded l = load(LAYERS "score { j = jacobian(concat(x[0] * x[1], [sin(x[1]), x[0]^2 * x[2]]), x)\n  m = sum(j * [[1, 2, 3], [4, 5, 6], [7, 8, 9]])\n"
                         "  det = sum(jacobian(jacobian(x^3, x)[1], x)[1]) }\n");
  for (int i = 0; i < 4; i++) {
    double a = A[i], b = B[i], c = C[i];
    near(score(&l, X, 4, "score:m")[i], b + 2 * a + 5 * cos(b) + 7 * 2 * a * c + 9 * a * a, 1e-12);
    near(score(&l, X, 4, "score:det")[i], 6 * b, 1e-12);
  }
  leave(&l);
}

// ---- laws

static void laws_have_their_densities(void **state) {
  (void)state;
  Loaded l =
      load(LAYERS "score {\n  n = log_prob(normal([0, 1, 2], exp(x / 2)), [1, 1, 1])\n  u = log_prob(uniform(-4, 4), x)\n  w = log_prob(laplace(1, 2), x)\n"
                  "  k = kl(normal(x, exp(x)), normal(1, 2))\n  s = kl(normal(x, exp(x / 2)), normal)\n  t = kl_standard(x, x)\n  e = entropy(normal(x, 3))\n"
                  "  m = log_prob(mixture_law([0, 1], normal([[0, 0, 0], [1, 2, 3]], 0.5)), x) }\n");
  double log_2pi = log(2 * acos(-1.0));
  for (int i = 0; i < 4; i++) {
    double x[3] = {A[i], B[i], C[i]}, n = 0, w = 0, k = 0, s = 0, part[2] = {0, 0};
    for (int j = 0; j < 3; j++) {
      n += -0.5 * (1 - j) * (1 - j) * exp(-x[j]) - x[j] / 2 - log_2pi / 2;
      w += -fabs(x[j] - 1) / 2 - log(4);
      k += log(2) - x[j] + (exp(2 * x[j]) + (x[j] - 1) * (x[j] - 1)) / 8 - 0.5;
      s += -0.5 * (1 + x[j] - x[j] * x[j] - exp(x[j]));
      for (int c = 0; c < 2; c++) part[c] += -2 * (x[j] - c * (j + 1)) * (x[j] - c * (j + 1)) - log(0.5) - log_2pi / 2;
    }
    double mix = log((exp(part[0]) + exp(1) * exp(part[1])) / (1 + exp(1)));
    near(score(&l, X, 4, "score:n")[i], n, 1e-12);
    near(score(&l, X, 4, "score:u")[i], -3 * log(8), 1e-12);
    near(score(&l, X, 4, "score:w")[i], w, 1e-12);
    near(score(&l, X, 4, "score:k")[i], k, 1e-12);
    near(score(&l, X, 4, "score:s")[i], s, 1e-12);
    near(score(&l, X, 4, "score:t")[i], s, 1e-12);
    near(score(&l, X, 4, "score:e")[i], 3 * (0.5 + log_2pi / 2 + log(3)), 1e-12);
    near(score(&l, X, 4, "score:m")[i], mix, 1e-11);
  }
  leave(&l);
}

// ---- splines

enum { POINTS = 400 };

static double *grid(Loaded *l, double from, double to) {
  double *x = ARENA_ARRAY(l->arena, double, POINTS);
  for (int i = 0; i < POINTS; i++) x[i] = from + (to - from) * (i + 0.5) / POINTS;
  return x;
}

static void a_spline_is_undone_and_has_its_slope(void **state) {
  (void)state;
  Loaded l = load(
      LAYERS "score {\n  s = rq_spline([0.3, -1, 2, 0.5, 1, 1, -0.7, 0, 2, -1.5, 0.4], 4, 2.5)\n  y = s.forward(x[0]).value\n  det = s.forward(x[0]).log_det\n"
             "  back = s.inverse(y).value\n  undone = s.inverse(y).log_det\n  up = s.forward(x[0] + 1e-6).value\n  down = s.forward(x[0] - 1e-6).value }\n");
  double *x = grid(&l, -3.1, 3.1);
  const double *const columns[3] = {x, x, x};
  const double *y = score(&l, columns, POINTS, "score:y"), *back = score(&l, columns, POINTS, "score:back");
  const double *det = score(&l, columns, POINTS, "score:det"), *undone = score(&l, columns, POINTS, "score:undone");
  const double *up = score(&l, columns, POINTS, "score:up"), *down = score(&l, columns, POINTS, "score:down");
  for (int i = 0; i < POINTS; i++) {
    near(back[i], x[i], 1e-9);
    near(det[i] + undone[i], 0, 1e-8);
    near(log((up[i] - down[i]) / 2e-6), det[i], 1e-4);
    if (fabs(x[i]) > 2.5) near(y[i], x[i], 0);
    if (i > 0) assert_true(y[i] > y[i - 1]);
  }
  leave(&l);
}

static void a_spline_of_nothing_changes_nothing(void **state) {
  (void)state;
  Loaded l = load(LAYERS "score { s = rq_spline([0; 23], 8, 3.0); y = s.forward(x[0]).value; det = s.forward(x[0]).log_det }\n");
  double *x = grid(&l, -4, 4);
  const double *const columns[3] = {x, x, x};
  const double *y = score(&l, columns, POINTS, "score:y"), *det = score(&l, columns, POINTS, "score:det");
  for (int i = 0; i < POINTS; i++) near(y[i], x[i], 1e-12), near(det[i], 0, 1e-12);
  leave(&l);
}

// On a circle the two ends are one place: the same point and the same slope there, and the total is 2 pi.
static void a_circular_spline_closes(void **state) {
  (void)state;
  Loaded l = load("data d { p: angle = \"p\" |> wrap }\nscore { s = rq_spline([0.3, -1, 2, 0.5, 1, 1, -0.7, 0, 2, -1.5, 0.4, 1.3], 4)\n"
                  "  y = s.forward(p).value; det = s.forward(p).log_det; back = s.inverse(y).value }\n");
  double pi = acos(-1.0), x[5] = {-pi + 1e-9, pi - 1e-9, 0.3, 3.0, -2.0};
  give(&l, "column:p", x, 5);
  const double *y = run(&l, l.model->score, 5, "score:y"), *det = run(&l, l.model->score, 5, "score:det");
  const double *back = run(&l, l.model->score, 5, "score:back");
  near(y[0], -pi, 1e-7);
  near(y[1], pi, 1e-7);
  near(det[0], det[1], 1e-6);
  assert_true(fabs(det[0]) > 0.1);
  for (int i = 2; i < 5; i++) near(back[i], x[i], 1e-9);
  leave(&l);
}

// ---- flows

static const char *const STEPS[] = {
    "linear_lu",
    "reverse",
    "permute",
    "rotate",
    "scale_shift",
    "act_norm",
    "affine_coupling(mlp([8]))",
    "affine_coupling(mlp([8]), flip = true)",
    "spline_coupling(4, 3.0, resnet(8))",
    "maf([8])",
    "maf([7, 5])",
    "maf([1])",
    "iaf([8])",
    "spline_maf(4, 3.0, [8])",
};

// Both directions of every step of the library undo each other, and the density's slope knows the same determinant:
// log_det is checked against the determinant of a matrix of central differences.
static double determinant(double m[3][3]) {
  return m[0][0] * (m[1][1] * m[2][2] - m[1][2] * m[2][1]) - m[0][1] * (m[1][0] * m[2][2] - m[1][2] * m[2][0]) +
         m[0][2] * (m[1][0] * m[2][1] - m[1][1] * m[2][0]);
}

static void check_step(const char *step) {
  Arena *text = arena_create();
  Loaded l = load(arena_printf(
      text,
      LAYERS "flow f(x) { base normal; %s }\nscore {\n  z = f.inverse(x).value\n  z0 = z[0]; z1 = z[1]; z2 = z[2]\n  det = f.inverse(x).log_det\n"
             "  b0 = concat(f.forward(z).value)[0]; b1 = concat(f.forward(z).value)[1]; b2 = concat(f.forward(z).value)[2]; up = f.forward(z).log_det\n"
             "  p = log_prob(f, x) }\n",
      step));
  scatter_weights(&l, 0.4);
  enum { EVENTS = 7 };
  const double h = 1e-5;
  double x[3][EVENTS];
  static const double at[3] = {0.4, -0.9, 1.3};
  for (int i = 0; i < 3; i++)
    for (int k = 0; k < EVENTS; k++) x[i][k] = at[i] + (k == 1 + 2 * i ? h : k == 2 + 2 * i ? -h : 0);
  const double *const columns[3] = {x[0], x[1], x[2]};
  static const char *const z[3] = {"score:z0", "score:z1", "score:z2"}, *const back[3] = {"score:b0", "score:b1", "score:b2"};
  double m[3][3], p = 0;
  for (int i = 0; i < 3; i++) {
    const double *value = score(&l, columns, EVENTS, z[i]);
    for (int k = 0; k < 3; k++) m[i][k] = (value[1 + 2 * k] - value[2 + 2 * k]) / (2 * h);
    p += -0.5 * value[0] * value[0] - 0.5 * log(2 * acos(-1.0));
    near(score(&l, columns, EVENTS, back[i])[0], at[i], 1e-9);
  }
  double det = score(&l, columns, EVENTS, "score:det")[0];
  near(det, log(fabs(determinant(m))), 1e-6);
  near(score(&l, columns, EVENTS, "score:up")[0], -det, 1e-9);
  near(score(&l, columns, EVENTS, "score:p")[0], p + det, 1e-11);
  leave(&l);
  arena_destroy(text);
}

static void every_step_knows_its_determinant(void **state) {
  (void)state;
  for (size_t i = 0; i < sizeof STEPS / sizeof STEPS[0]; i++) check_step(STEPS[i]);
}

// The log-scale of an affine step is bounded, stands in the determinant as it is, and x comes back; cross-entropies at logits of 200.
static void scales_cannot_run_away(void **state) {
  (void)state;
  Loaded l = load(LAYERS "score {\n  a = affine(soft_clamp(2.0)(1e8 * x[0]), x[1])\n  (y, det) = a.forward(x[2])\n  (back, undone) = a.inverse(y)\n"
                         "  both = det + undone\n  slope = sum(grad(y, x))\n  sure = bce(100 * x[0], 1)\n  wrong = bce(100 * x[0], 0) }\n");
  const double a[4] = {2, -2, 1e-12, 0}, *const columns[3] = {a, B, C};
  const double *back = score(&l, columns, 4, "score:back"), *both = score(&l, columns, 4, "score:both");
  const double *det = score(&l, columns, 4, "score:det"), *slope = score(&l, columns, 4, "score:slope");
  const double *sure = score(&l, columns, 4, "score:sure"), *wrong = score(&l, columns, 4, "score:wrong");
  for (int i = 0; i < 4; i++) {
    assert_true(fabs(det[i]) <= 2 && both[i] == 0 && isfinite(slope[i]));
    near(back[i], C[i], 1e-13);
    near(sure[i], log1p(exp(-fabs(100 * a[i]))) + fmax(-100 * a[i], 0), 1e-14);
    near(wrong[i], log1p(exp(-fabs(100 * a[i]))) + fmax(100 * a[i], 0), 1e-14);
  }
  leave(&l);
}

// The density of a flow of one angle and one number adds up to one over the strip (weights so small that a grid sees all of it).
static void densities_add_up_to_one(void **state) {
  (void)state;
  enum { SIDE = 160 };
  Loaded l = load(
      "data d { a = { p: angle = \"p\" |> wrap, v = \"v\" } }\nflow f(a) { base normal; turn; spline_coupling(5, tail = 4, subnet = resnet(8)); permute; turn; "
      "spline_coupling(5, tail = 4, subnet = resnet(8)); spline_coupling(5, tail = 4, subnet = resnet(8), flip = true) }\nscore { p = log_prob(f, a) }\n");
  scatter_weights(&l, 0.15);
  double pi = acos(-1.0), *p = ARENA_ARRAY(l.arena, double, SIDE *SIDE), *v = ARENA_ARRAY(l.arena, double, SIDE *SIDE), total = 0;
  for (int i = 0; i < SIDE; i++)
    for (int k = 0; k < SIDE; k++) p[i * SIDE + k] = pi * (2 * (i + 0.5) / SIDE - 1), v[i * SIDE + k] = 6 * (2 * (k + 0.5) / SIDE - 1);
  give(&l, "column:p", p, SIDE * SIDE);
  give(&l, "column:v", v, SIDE * SIDE);
  const double *log_p = run(&l, l.model->score, SIDE * SIDE, "score:p");
  for (int i = 0; i < SIDE * SIDE; i++) total += exp(log_p[i]) * (2 * pi / SIDE) * (12.0 / SIDE);
  near(total, 1, 3e-3);
  leave(&l);
}

// ---- weights

static bool has_weight(const Loaded *l, const char *name, int64_t n, bool fixed) {
  for (size_t i = 0; i < l->model->weights.len; i++) {
    const ModelWeight *w = &l->model->weights.at[i];
    if (strcmp(w->name, name) == 0) return ir_elements(&w->type) == n && w->fixed == fixed;
  }
  return false;
}

static void weights_stand_where_they_are_made(void **state) {
  (void)state;
  Loaded l = load(LAYERS "net n(x: real[3]) -> (y: real[2]) { h = x |> mlp([4, 5]) |> dense(3); y = h |> dense(2, bias = false) }\n"
                         "flow f(x) { base normal; rotate; repeat 2 { spline_coupling(4, subnet = resnet(8)); linear_lu } }\n"
                         "score { a = sum(n(x)) + sum(n(2 * x)); p = log_prob(f, x) }\n");
  assert_true(has_weight(&l, "n.mlp_1.dense_1.w", 12, false));
  assert_true(has_weight(&l, "n.mlp_1.dense_2.b", 5, false));
  assert_true(has_weight(&l, "n.dense_1.w", 15, false));
  assert_true(has_weight(&l, "n.dense_2.w", 6, false));
  assert_true(has_weight(&l, "f.step_1.r", 9, true));
  assert_true(has_weight(&l, "f.step_2.q.resnet_1.dense_1.w", 8, false));
  assert_true(has_weight(&l, "f.step_2.q.dense_1.b", 22, false));
  assert_true(has_weight(&l, "f.step_5.triangles_1.l", 3, false));
  assert_false(has_weight(&l, "n.mlp_2.dense_1.w", 12, false));
  for (size_t i = 0; i < l.model->weights.len; i++) assert_true(l.model->weights.at[i].owner[1] == '\0');
  leave(&l);
}

static void rotations_are_rotations(void **state) {
  (void)state;
  Loaded l = load(LAYERS "flow f(x) { base normal; rotate }\nscore { p = log_prob(f, x) }\n");
  assert_int_equal(l.model->weights.len, 1);
  const double *r = run(&l, l.model->weights.at[0].init, 1, "value");
  for (int i = 0; i < 3; i++)
    for (int k = 0; k < 3; k++) near(r[3 * i] * r[3 * k] + r[3 * i + 1] * r[3 * k + 1] + r[3 * i + 2] * r[3 * k + 2], i == k, 1e-14);
  leave(&l);
}

// What a flow drew itself is scored on the way out; the way back through the inverse says the same. A planar step has no way back.
static void own_draws_are_scored_without_the_inverse(void **state) {
  (void)state;
  Loaded l = load(LAYERS "flow f(x) { base normal; rotate; repeat 2 { affine_coupling(mlp([4])); linear_lu } }\n"
                         "flow g(y: real[3]) { base normal; planar; planar }\n"
                         "score { draw ~ f; other = draw * 1 + 0 * sum(x); p = log_prob(f, draw); q = log_prob(f, other); z ~ g; r = log_prob(g, z) }\n");
  give_weights(&l);
  const double x[6] = {1, 2, 3, 4, 5, 6};
  give(&l, "column:x0", x, 2);
  give(&l, "column:x1", x + 2, 2);
  give(&l, "column:x2", x + 4, 2);
  const double *p = run(&l, l.model->score, 2, "score:p"), *q = run(&l, l.model->score, 2, "score:q"), *r = run(&l, l.model->score, 2, "score:r");
  for (int i = 0; i < 2; i++) near(p[i], q[i], 1e-10);
  assert_true(isfinite(r[0]) && fabs(p[0] - p[1]) > 1e-6);
  leave(&l);
  expect(LAYERS "flow g(x) { base normal; planar }\nscore { r = log_prob(g, x) }\n", "one-way");
}

// ---- what is refused

static void wrong_formulas_are_refused(void **state) {
  (void)state;
  static const char *const wrong[][2] = {
      {"s = y", "unknown-name"},
      {"s = sum(x) + sqroot(x[0])", "unknown-name"},
      {"s = sum(x + [1, 2])", "shape"},
      {"s = sum(x + reshape(x, 3, 1))", "stretch"},
      {"s = sum(reshape(x, 2, 2))", "reshape"},
      {"s = x[3]", "index"},
      {"s = x[0, 0]", "index"},
      {"s = sum(x, axis = 1)", "axis"},
      {"s = sum(einsum(\"i,j->k\", x, x))", "einsum"},
      {"s = sum(ones(2, 3) @ ones(2))", "shape"},
      {"s = x(1)", "not-callable"},
      {"s = sum(elu(x))", "settings-first"},
      {"s = sum(x) + dense(3)", "no-data-list"},
      {"s = mse(x)", "arguments"},
      {"s = mse(x, x, x)", "arguments"},
      {"s = clamp(x[0], low = 1)", "arguments"},
      {"s = max(x[0], 1, 2)", "arguments"},
      {"(a, b) = x; s = a", "pattern-count"},
      {"a = 1; a = 2; s = a", "given-twice"},
      {"s = sum(x |> dense(2))", "weights-place"},
      {"s = len(eye(x[0]))", "not-setting"},
      {"s = log_prob(x, 1)", "log-prob-what"},
      {"s ~ x", "draw-what"},
      {"s ~ normal | x", "given-extra"},
      {"s = log_prob(normal(0, -1), x)", "distribution"},
      {"s = log_prob(normal[2], x)", "shape"},
      {"s = grad(x, x)[0]", "grad-number"},
      {"s = grad(sum(x), 2 * x)[0]", "grad-what"},
      {"s = grad(sum(argmax(x)), x)[0]", "no-derivative"},
      {"s = if x then 1 else 0", "type"},
      {"s = x[0] and true", "operator"},
      {"s = sum(x.pt)", "record-field"},
      {"s = 1 in Gev", "unit-unknown"},
      {"s = (1 GeV) + (1 MeV)", "unit"},
      {"s = \"a\" + x[0]", "type"},
      {"a = x[0]; repeat 100000 { repeat 9 { a = sin(a) + cos(a) } }; s = a", "too-large"},
      {"repeat 1000000 { a = x[0] }; s = x[0]", "too-large"},
  };
  Arena *arena = arena_create();
  for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
    const char *text = arena_printf(arena, LAYERS "score { %s }\n", wrong[i][0]);
    Loaded l = load_with("test.hgm", text, NULL, NULL);
    if (!said(&l, wrong[i][1]) || l.diags->errors != 1) {
      diags_print(stderr, l.diags, false, 0);
      fail_msg("not `%s` alone in `%s`", wrong[i][1], wrong[i][0]);
    }
    leave(&l);
  }
  arena_destroy(arena);
}

static void wrong_definitions_are_refused(void **state) {
  (void)state;
  static const char *const wrong[][2] = {
      {"net n(x: real[3]) -> (y) { h = x }\nscore { s = sum(n(x)) }", "output-missing"},
      {"net n(x: real[3]) -> (y: real[2]) = x\nscore { s = sum(n(x)) }", "output-type"},
      {"net n(x: real[4]) -> (y) = x\nscore { s = sum(n(x)) }", "shape"},
      {"net n(x: d.x) -> d.x = x |> dense(4)\nscore { s = sum(n(x)) }", "output-type"},
      {"fn f(a) = f(a)\nscore { s = sum(f(x)) }", "depth"},
      {"flow f(x) { linear_lu }\nscore { s = log_prob(f, x) }", "no-base"},
      {"flow f(x) { base normal[2] }\nscore { s = log_prob(f, x) }", "base-size"},
      {"flow f(x) { base normal; 3 |> sin }\nscore { s = log_prob(f, x) }", NULL},
      {"flow f(x) { base normal; softmax }\nscore { s = log_prob(f, x) }", "type"},
      {"flow f(x) { base normal; planar }\nscore { s = log_prob(f, x) }", "one-way"},
      {"flow f(x | y) { base normal }\nscore { s = log_prob(f, x) }", "given-missing"},
      {"flow f(x) { base normal }\nscore { s = log_prob(f, x | x) }", "given-extra"},
      {"flow f(x) { base normal }\nscore { s = log_prob(f, x, x) }", "arguments"},
      {"bijection b(x: real -> y: real) { forward { y = x }\ninverse { x = y; log_det = 0 } }\nscore { s = b.forward(x[0]).value }", "one-side"},
      {"bijection b(x: real[n] -> y: real[n]) { forward { y = x; log_det = x }\ninverse { x = y; log_det = 0 } }\nscore { s = sum(b.forward(x).value) }",
       "one-side"},
  };
  Arena *arena = arena_create();
  for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
    Loaded l = load_with("test.hgm", arena_printf(arena, LAYERS "%s\n", wrong[i][0]), NULL, NULL);
    if (l.diags->errors == 0 || (wrong[i][1] != NULL && (!said(&l, wrong[i][1]) || l.diags->errors != 1))) {
      diags_print(stderr, l.diags, false, 0);
      fail_msg("not `%s` alone in `%s`", wrong[i][1] ? wrong[i][1] : "an error", wrong[i][0]);
    }
    leave(&l);
  }
  arena_destroy(arena);
}

// An angle may not be scaled or mixed by a step.
static void angles_are_not_torn(void **state) {
  (void)state;
  static const char *const data = "data d { a = { p: angle = \"p\" |> wrap, v = \"v\" } }\n";
  Arena *arena = arena_create();
  static const char *const steps[] = {"linear_lu", "scale_shift", "act_norm", "rotate"};
  for (int i = 0; i < 4; i++) expect(arena_printf(arena, "%sflow f(a) { base normal; %s }\nscore { s = log_prob(f, a) }\n", data, steps[i]), "angle-linear");
  arena_destroy(arena);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(formulas_are_what_they_say),
      cmocka_unit_test(too_many_axes_are_refused),
      cmocka_unit_test(activations_and_norms_have_their_formulas),
      cmocka_unit_test(derivatives_are_values),
      cmocka_unit_test(jacobians),
      cmocka_unit_test(laws_have_their_densities),
      cmocka_unit_test(a_spline_is_undone_and_has_its_slope),
      cmocka_unit_test(a_spline_of_nothing_changes_nothing),
      cmocka_unit_test(a_circular_spline_closes),
      cmocka_unit_test(every_step_knows_its_determinant),
      cmocka_unit_test(scales_cannot_run_away),
      cmocka_unit_test(densities_add_up_to_one),
      cmocka_unit_test(weights_stand_where_they_are_made),
      cmocka_unit_test(rotations_are_rotations),
      cmocka_unit_test(own_draws_are_scored_without_the_inverse),
      cmocka_unit_test(wrong_formulas_are_refused),
      cmocka_unit_test(wrong_definitions_are_refused),
      cmocka_unit_test(angles_are_not_torn),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
