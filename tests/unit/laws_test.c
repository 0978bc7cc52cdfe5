// needs: lang compiler/ad compiler/ir lang/base runtime
// Laws of waiting times, shares, counts and angles: draws against cumulative distributions and moments, densities against their
// normalisation, divergences and entropies against sums and integrals over the densities.
#include "tests/support/model.h"

enum { N = 10000, GRID = 4000 };
static const double PI = 3.14159265358979323846;

static void near_law(const char *what, double found, double expected, double slack) {
  if (!(fabs(found - expected) <= slack * (1 + fabs(expected)))) fail_msg("%s: %.15g, expected %.15g", what, found, expected);
}

static const double *of(Loaded *l, const char *name, const double *x, int64_t n) {
  char output[64];
  snprintf(output, sizeof output, "score:%s", name);
  give(l, "column:x", x, n);
  return run(l, l->model->score, n, output);
}

// ---- draws

static int compare(const void *a, const void *b) {
  double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

// Largest distance between both cumulative distributions; 2.2 / sqrt(N) is passed once in 10^4 runs, and the seed is fixed.
static void follows(Loaded *l, const char *name, const double *x, double (*cumulative)(double)) {
  const double *drawn = of(l, name, x, N);
  double *sorted = ARENA_ARRAY(l->arena, double, N), most = 0;
  memcpy(sorted, drawn, sizeof(double) * N);
  qsort(sorted, N, sizeof *sorted, compare);
  for (int i = 0; i < N; i++) {
    double c = cumulative(sorted[i]);
    most = fmax(most, fmax(fabs(c - (double)i / N), fabs(c - (double)(i + 1) / N)));
  }
  if (!(most < 2.2 / sqrt(N))) fail_msg("%s: distance %g", name, most);
}

static double waiting(double x) { return 1 - exp(-2 * x); }
static double arcsine(double x) { return 2 / PI * asin(sqrt(x)); }
static double sharp(double x) { return pow(x, 17); }
static double hump(double x) { return x * x * (3 - 2 * x); }
static double flat(double x) { return x; }
static double low(double x) { return pow(x, 0.3); }

static void draws_follow_their_laws(void **state) {
  (void)state;
  for (int f32 = 0; f32 < 2; f32++) {
    Loaded l =
        load_as("data d { x = \"x\" }\nscore {\n  wait ~ exponential_law(2)\n  arc ~ beta_law(0.5, 0.5)\n  sharp ~ beta_law(17, 1)\n  hump ~ beta_law(2, 2)\n"
                "  flat ~ beta_law(1 + 0 * x, 1)\n  low ~ beta_law(0.3, 1 + 0 * x)\n}\n",
                f32 ? IR_F32 : IR_F64);
    double *x = ARENA_ARRAY(l.arena, double, N);
    follows(&l, "wait", x, waiting);
    follows(&l, "arc", x, arcsine);
    follows(&l, "sharp", x, sharp);
    follows(&l, "hump", x, hump);
    follows(&l, "flat", x, flat);
    follows(&l, "low", x, low);
    leave(&l);
  }
}

// Each count as often as its probability says, within six standard deviations.
static void counts(Loaded *l, const char *name, const double *x, double rate) {
  const double *drawn = of(l, name, x, N);
  double often[400] = {0}, mean = 0;
  for (int i = 0; i < N; i++) {
    if (!(drawn[i] >= 0 && drawn[i] < 400 && drawn[i] == floor(drawn[i]))) fail_msg("%s: drew %g", name, drawn[i]);
    often[(int)drawn[i]]++;
    mean += drawn[i] / N;
  }
  near_law(name, mean, rate, 6 * sqrt(rate / N) / (1 + rate));
  for (int k = 0; k < 400; k++) {
    double p = exp(k * log(rate) - rate - lgamma(k + 1.0)), expected = N * p;
    if (fabs(often[k] - expected) > 6 * sqrt(expected * (1 - p)) + 3) fail_msg("%s: %d drawn %g times, expected %g", name, k, often[k], expected);
  }
}

static void counts_follow_their_probabilities(void **state) {
  (void)state;
  for (int f32 = 0; f32 < 2; f32++) {
    Loaded l = load_as("data d { x = \"x\" }\nscore {\n  few ~ poisson(0.4)\n  some ~ poisson(9.5)\n  more ~ poisson(10.5)\n  many ~ poisson(150)\n"
                       "  own ~ poisson(3 + 0 * x)\n  both ~ poisson(if x > 0.5 then 30 else 2)\n}\n",
                       f32 ? IR_F32 : IR_F64);
    double *x = ARENA_ARRAY(l.arena, double, N);
    counts(&l, "few", x, 0.4);
    counts(&l, "some", x, 9.5);
    counts(&l, "more", x, 10.5);
    counts(&l, "many", x, 150);
    counts(&l, "own", x, 3);
    counts(&l, "both", x, 2);
    for (int i = 0; i < N; i++) x[i] = 1;
    counts(&l, "both", x, 30);
    leave(&l);
  }
}

static double bessel(int n, double k) { // I_n(k) exp(-k) from its integral
  double sum = 0;
  for (int i = 0; i < GRID; i++) sum += exp(k * (cos(2 * PI * i / GRID) - 1)) * cos(n * 2 * PI * i / GRID) / GRID;
  return sum;
}

static void angles_turn_around_their_mean(void **state) {
  (void)state;
  static const double k[] = {0.001, 0.5, 3, 60};
  for (int f32 = 0; f32 < 2; f32++) {
    Loaded l =
        load_as("data d { x = \"x\" }\nscore { a ~ von_mises(3, 0.001); b ~ von_mises(3, 0.5); c ~ von_mises(3 + 0 * x, 3); d ~ von_mises(3, 60 + 0 * x) }\n",
                f32 ? IR_F32 : IR_F64);
    double *x = ARENA_ARRAY(l.arena, double, N);
    for (int i = 0; i < 4; i++) {
      const double *drawn = of(&l, (char[]){(char)('a' + i), 0}, x, N);
      double one = 0, two = 0, side = 0;
      for (int j = 0; j < N; j++) {
        if (!(fabs(drawn[j]) <= PI + 1e-6)) fail_msg("an angle of %g", drawn[j]);
        one += cos(drawn[j] - 3) / N;
        two += cos(2 * (drawn[j] - 3)) / N;
        side += sin(drawn[j] - 3) / N;
      }
      near_law("cos", one, bessel(1, k[i]) / bessel(0, k[i]), 0.025);
      near_law("cos 2", two, bessel(2, k[i]) / bessel(0, k[i]), 0.025);
      near_law("sin", side, 0, 0.025);
    }
    leave(&l);
  }
}

// ---- densities, divergences, entropies

typedef struct Pair { // two laws of one kind; where their densities live
  const char *p, *q;
  double low, high;
  bool counts;
} Pair;

static void check_pair(const Pair *c) {
  char text[512];
  char entropy_line[64] = "";
  if (!c->counts) snprintf(entropy_line, sizeof entropy_line, "\n  h = entropy(%s)", c->p);
  snprintf(text, sizeof text, "data d { x = \"x\" }\nscore {\n  p = log_prob(%s, x)\n  q = log_prob(%s, x)\n  k = kl(%s, %s)%s\n}\n", c->p, c->q, c->p, c->q,
           entropy_line);
  Loaded l = load(text);
  int n = c->counts ? (int)c->high : 20 * GRID;
  double *x = ARENA_ARRAY(l.arena, double, n), step = c->counts ? 1 : (c->high - c->low) / n, whole = 0, divergence = 0, entropy = 0;
  for (int i = 0; i < n; i++) x[i] = c->low + step * (i + (c->counts ? 0 : 0.5));
  const double *p = of(&l, "p", x, n), *q = of(&l, "q", x, n);
  for (int i = 0; i < n; i++) {
    if (p[i] == -INFINITY) continue;
    whole += exp(p[i]) * step;
    divergence += exp(p[i]) * (p[i] - q[i]) * step;
    entropy -= exp(p[i]) * p[i] * step;
  }
  near_law(c->p, whole, 1, 2e-5);
  near_law("kl", of(&l, "k", x, 1)[0], divergence, 2e-5);
  if (!c->counts) near_law("entropy", of(&l, "h", x, 1)[0], entropy, 2e-5);
  leave(&l);
}

static void closed_forms_are_integrals(void **state) {
  (void)state;
  static const Pair all[] = {
      {"normal(0.3, 0.7)", "normal(-0.2, 1.1)", -8, 8, false},
      {"laplace(0.3, 0.7)", "laplace(-0.2, 1.1)", -30, 30, false},
      {"exponential_law(1.7)", "exponential_law(0.6)", 0, 30, false},
      {"beta_law(2.5, 1.5)", "beta_law(1.2, 3)", 0, 1, false},
      {"von_mises(0.4, 2)", "von_mises(-1, 0.7)", -3.14159265358979323846, 3.14159265358979323846, false},
      {"poisson(3.2)", "poisson(5)", 0, 80, true},
      {"bernoulli(0.3)", "bernoulli(0.8)", 0, 2, true},
  };
  for (size_t i = 0; i < sizeof all / sizeof *all; i++) check_pair(&all[i]);
}

static void classes_and_their_divergence(void **state) {
  (void)state;
  Loaded l = load("data d { x = \"x\"; c: class[3] = \"c\" }\nscore {\n  p = log_prob(categorical([x, 1, -1]), c)\n  k = kl(categorical([x, 1, -1]), "
                  "categorical([0, 0, 2]))\n"
                  "  h = entropy(categorical([x, 1, -1]))\n  u = entropy(categorical(3))\n}\n");
  static const double x[2] = {0.5, -1}, c[2] = {0, 2};
  give(&l, "column:c", c, 2);
  for (int i = 0; i < 2; i++) {
    double a[3] = {x[i], 1, -1}, b[3] = {0, 0, 2}, za = 0, zb = 0, k = 0, h = 0;
    for (int j = 0; j < 3; j++) za += exp(a[j]), zb += exp(b[j]);
    for (int j = 0; j < 3; j++) {
      double la = a[j] - log(za), lb = b[j] - log(zb);
      k += exp(la) * (la - lb);
      h -= exp(la) * la;
    }
    near_law("class", of(&l, "p", x, 2)[i], a[(int)c[i]] - log(za), 1e-12);
    near_law("kl", of(&l, "k", x, 2)[i], k, 1e-12);
    near_law("entropy", of(&l, "h", x, 2)[i], h, 1e-12);
    near_law("entropy", of(&l, "u", x, 2)[i], log(3), 1e-12);
  }
  leave(&l);
}

// Copies of a mixture are independent: densities add up.
static void mixtures_side_by_side(void **state) {
  (void)state;
  Loaded l = load("data d { x = \"x\" }\nscore {\n  v = [[x, 1], [2, x], [0, -1]]\n"
                  "  all = log_prob(mixture_law([0, 1, x], normal([[0, 0], [1, 2], [x, 3]], 0.5))[3], v)\n"
                  "  sum = log_prob(mixture_law([0, 1, x], normal([[0, 0], [1, 2], [x, 3]], 0.5)), v[0]) + log_prob(mixture_law([0, 1, x], normal([[0, 0], [1, "
                  "2], [x, 3]], 0.5)), v[1])\n"
                  "      + log_prob(mixture_law([0, 1, x], normal([[0, 0], [1, 2], [x, 3]], 0.5)), v[2])\n"
                  "  one = log_prob(mixture_law([x, 0], normal([-1, 1], 0.5))[2], [x, 3])\n}\n");
  static const double x[2] = {0.5, -1};
  for (int i = 0; i < 2; i++) {
    near_law("copies", of(&l, "all", x, 2)[i], of(&l, "sum", x, 2)[i], 1e-12);
    double total = 0, at[2] = {x[i], 3};
    for (int c = 0; c < 2; c++) {
      double p = exp(x[i]) * exp(-2 * (at[c] + 1) * (at[c] + 1)) + exp(-2 * (at[c] - 1) * (at[c] - 1));
      total += log(p / (1 + exp(x[i]))) - log(0.5) - 0.5 * log(2 * PI);
    }
    near_law("numbers", of(&l, "one", x, 2)[i], total, 1e-12);
  }
  leave(&l);
}

static void without_a_closed_form(void **state) {
  (void)state;
  expect("data d { x = \"x\" }\nscore { k = kl(normal(0, 1), laplace(0, 1)) + x }\n", "distribution");
  expect("data d { x = \"x\" }\nscore { k = entropy(poisson(3)) + x }\n", "distribution");
  expect("data d { x = \"x\" }\nscore { k = log_prob(beta_law(-1, 2), x) }\n", "distribution");
  expect("data d { x = \"x\" }\nscore { k = log_prob(von_mises(0, 0), x) }\n", "distribution");
  expect("data d { x = \"x\" }\nscore { z ~ poisson(0); k = z + x }\n", "distribution");
  expect("data d { x = \"x\" }\nscore { s = [2, 3]; k = sum([x, x][*s]) }\n", "index");
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(draws_follow_their_laws),       cmocka_unit_test(counts_follow_their_probabilities),
                                     cmocka_unit_test(angles_turn_around_their_mean), cmocka_unit_test(closed_forms_are_integrals),
                                     cmocka_unit_test(classes_and_their_divergence),  cmocka_unit_test(mixtures_side_by_side),
                                     cmocka_unit_test(without_a_closed_form)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
