// needs: lang compiler/ad compiler/ir lang/base runtime
// Whole models: the loss of a beta-VAE and the density of a conditional spline flow against plain C written from their
// definitions (the spline is inverted by bisection there), and every gradient against central differences.
#include "lang/show.h"
#include "runtime/philox.h"
#include "tests/support/model.h"

enum { EVENTS = 5 };

// Weights that are no special case: all different, of order one.
static double *fill(Loaded *l, const char *name, int64_t n, uint64_t seed, double scale) {
  double *data = ARENA_ARRAY(l->arena, double, n + 1);
  for (int64_t i = 0; i < n; i++) data[i] = scale * philox_normal(philox_key(seed, name), 0, 0, (uint64_t)i);
  give(l, name, data, n);
  return data;
}

static void fill_weights(Loaded *l, double scale) {
  for (size_t i = 0; i < l->model->weights.len; i++) fill(l, l->model->weights.at[i].name, ir_elements(&l->model->weights.at[i].type), 7, scale);
}

static const double *weight(Loaded *l, size_t i) {
  for (size_t k = 0; k < l->leaves; k++)
    if (strcmp(l->leaf[k].name, l->model->weights.at[i].name) == 0) return l->leaf[k].data;
  fail_msg("no weight %zu", i);
  return NULL;
}

static void counters(Loaded *l) {
  give_number(l, "batch_size", EVENTS);
  give_number(l, "step", 0);
  give_number(l, "epoch", 0);
  give_number(l, "progress", 0);
}

// y = x w + b, w (n, m) row-major
static void dense(const double *x, int n, const double *w, const double *b, int m, double *y) {
  for (int j = 0; j < m; j++) {
    y[j] = b[j];
    for (int i = 0; i < n; i++) y[j] += x[i] * w[i * m + j];
  }
}

// Every set:WEIGHT of a step with sgd(1) is the weight less the slope of the loss.
static void check_gradients(Loaded *l, const IrFn *step, double tolerance) {
  IrArray *out = run_all(l, step, EVENTS);
  int checked = 0;
  for (size_t i = 0; i < l->model->weights.len; i++) {
    const char *name = l->model->weights.at[i].name;
    char set[128];
    snprintf(set, sizeof set, "set:%s", name);
    for (size_t k = 0; k < step->outputs.len; k++) {
      if (strcmp(step->outputs.at[k].name, set) != 0) continue;
      double *w = (double *)weight(l, i);
      for (int64_t j = 0; j < out[k].n; j += 3) {
        double here = w[j], h = 1e-5;
        w[j] = here + h;
        double up = run(l, step, EVENTS, "loss")[0];
        w[j] = here - h;
        double down = run(l, step, EVENTS, "loss")[0];
        w[j] = here;
        double slope = (up - down) / (2 * h), found = here - out[k].data[j];
        if (!(fabs(found - slope) <= tolerance * (1 + fabs(slope)))) fail_msg("%s[%lld]: slope %g, found %g", name, (long long)j, slope, found);
        checked++;
      }
    }
  }
  assert_true(checked > 10);
}

// ---- beta-VAE

static const char vae[] = "param latent = 2\ndata d { x: real[3] = [\"a\", \"b\", \"c\"] |> standardize }\n"
                          "net encoder(x: d.x) -> (mu: real[latent], logvar: real[latent]) {\n"
                          "  h = x |> mlp([4], leaky_relu(0.1))\n  mu = h |> dense(latent)\n  logvar = h |> dense(latent)\n}\n"
                          "net decoder(z: real[latent]) -> d.x = z |> mlp([4], tanh) |> dense(len(d.x))\n"
                          "train {\n  (mu, logvar) = encoder(x)\n  z ~ normal(mu, exp(logvar / 2))\n"
                          "  update encoder, decoder { minimize mse(decoder(z), x) + 0.3 * kl(normal(mu, exp(logvar / 2)), normal); with sgd(1) }\n"
                          "  batch 5; epochs 2\n}\n"
                          "generate { z ~ normal[latent]; x = decoder(z) }\n"
                          "score { anomaly = mse(decoder(encoder(x).mu), x) }\n";

static double vae_loss(Loaded *l, const double *x, int event) {
  double h[4], mu[2], logvar[2], z[2], g[4], y[3], loss = 0;
  dense(x, 3, weight(l, 0), weight(l, 1), 4, h);
  for (int i = 0; i < 4; i++) h[i] = h[i] > 0 ? h[i] : 0.1 * h[i];
  dense(h, 4, weight(l, 2), weight(l, 3), 2, mu);
  dense(h, 4, weight(l, 4), weight(l, 5), 2, logvar);
  for (int i = 0; i < 2; i++) {
    z[i] = mu[i] + exp(logvar[i] / 2) * philox_normal(philox_key(1, "train.z"), (uint64_t)event, 0, (uint64_t)i);
    loss += -0.3 * 0.5 * (1 + logvar[i] - mu[i] * mu[i] - exp(logvar[i]));
  }
  dense(z, 2, weight(l, 6), weight(l, 7), 4, g);
  for (int i = 0; i < 4; i++) g[i] = tanh(g[i]);
  dense(g, 4, weight(l, 8), weight(l, 9), 3, y);
  for (int i = 0; i < 3; i++) loss += (y[i] - x[i]) * (y[i] - x[i]) / 3;
  return loss;
}

static void the_vae_has_its_loss_and_gradients(void **state) {
  (void)state;
  Loaded l = load(vae);
  assert_int_equal(l.model->weights.len, 10);
  assert_int_equal(model_weights(l.model), 3 * 4 + 4 + 2 * (4 * 2 + 2) + 2 * 4 + 4 + 4 * 3 + 3);
  fill_weights(&l, 0.7);
  counters(&l);
  const double *x = fill(&l, "prep:x", 3 * EVENTS, 3, 1);
  const ModelPhase *p = l.model->phases.at[0];
  double mean = 0;
  for (int i = 0; i < EVENTS; i++) mean += vae_loss(&l, x + 3 * i, i) / EVENTS;
  near(run(&l, p->updates.at[0].step, EVENTS, "loss")[0], mean, 1e-12);
  near(run(&l, p->validate, EVENTS, "loss")[0], mean * EVENTS, 1e-12);
  check_gradients(&l, p->updates.at[0].step, 1e-7);
  leave(&l);
}

// ---- a conditional spline flow

enum { BINS = 3 };

static const char flow[] = "data d { x: real[2] = [\"a\", \"b\"]; c = \"c\" |> log }\n"
                           "flow f(x | c) {\n  base normal\n  spline_coupling(3, tail = 2, subnet = mlp([4], tanh))\n}\n"
                           "train { update f { minimize -log_prob(f, x | c); with sgd(1) }; batch 5; epochs 1 }\n"
                           "generate given c { x ~ f | c }\n"
                           "score { l = log_prob(f, physical(x) | c) }\n";

static double softplus(double v) { return log1p(exp(-fabs(v))) + (v > 0 ? v : 0); }

typedef struct Spline {
  double x[BINS + 1], y[BINS + 1], d[BINS + 1];
} Spline;

static void knots(const double *logits, double *at) {
  double sum = 0;
  for (int i = 0; i < BINS; i++) sum += exp(logits[i]);
  at[0] = -2;
  for (int i = 0; i < BINS; i++) at[i + 1] = at[i] + 4 * (1e-3 + (1 - 1e-3 * BINS) * exp(logits[i]) / sum);
}

static Spline spline_of(const double *p) {
  Spline s;
  knots(p, s.x);
  knots(p + BINS, s.y);
  for (int i = 0; i <= BINS; i++) s.d[i] = i == 0 || i == BINS ? 1 : 1e-3 + softplus(p[2 * BINS + i - 1] + log(expm1(1 - 1e-3)));
  return s;
}

static double spline_at(const Spline *s, double x) { // Durkan et al. 2019, equation 4
  int i = 0;
  while (i < BINS - 1 && x >= s->x[i + 1]) i++;
  double w = s->x[i + 1] - s->x[i], h = s->y[i + 1] - s->y[i], m = h / w, v = (x - s->x[i]) / w;
  return s->y[i] + h * (m * v * v + s->d[i] * v * (1 - v)) / (m + (s->d[i + 1] + s->d[i] - 2 * m) * v * (1 - v));
}

static double spline_back(const Spline *s, double y) {
  if (fabs(y) >= 2) return y;
  double low = -2, high = 2;
  for (int i = 0; i < 200; i++) {
    double middle = (low + high) / 2;
    if (spline_at(s, middle) < y) low = middle;
    else high = middle;
  }
  return (low + high) / 2;
}

static double log_normal(double v) { return -v * v / 2 - 0.5 * log(2 * acos(-1)); }

// Density of (y0, y1): the first stays, the second came out of a spline whose parameters depend on the first and on c.
static double flow_log_prob(Loaded *l, const double *y, double c) {
  double in[2] = {y[0], c}, h[4], p[3 * BINS];
  dense(in, 2, weight(l, 0), weight(l, 1), 4, h);
  for (int i = 0; i < 4; i++) h[i] = tanh(h[i]);
  dense(h, 4, weight(l, 2), weight(l, 3), (int)ir_elements(&l->model->weights.at[3].type), p);
  Spline s = spline_of(p);
  double z = spline_back(&s, y[1]), step = 1e-6;
  double slope = fabs(y[1]) >= 2 ? 1 : (spline_back(&s, y[1] + step) - spline_back(&s, y[1] - step)) / (2 * step);
  return log_normal(y[0]) + log_normal(z) + log(slope);
}

static void the_flow_has_its_density_and_gradients(void **state) {
  (void)state;
  Loaded l = load(flow);
  fill_weights(&l, 0.8);
  counters(&l);
  const double *x = fill(&l, "prep:x", 2 * EVENTS, 5, 0.9), *c = fill(&l, "prep:c", EVENTS, 6, 1);
  const IrFn *step = l.model->phases.at[0]->updates.at[0].step;
  double mean = 0, raw[EVENTS];
  for (int i = 0; i < EVENTS; i++) mean -= flow_log_prob(&l, x + 2 * i, c[i]) / EVENTS;
  near(run(&l, step, EVENTS, "loss")[0], mean, 1e-8);
  check_gradients(&l, step, 1e-6);
  for (int i = 0; i < EVENTS; i++) raw[i] = exp(c[i]);
  double a[EVENTS], b[EVENTS];
  for (int i = 0; i < EVENTS; i++) a[i] = x[2 * i], b[i] = x[2 * i + 1];
  give(&l, "column:a", a, EVENTS);
  give(&l, "column:b", b, EVENTS);
  give(&l, "column:c", raw, EVENTS);
  const double *s = run(&l, l.model->score, EVENTS, "score:l");
  for (int i = 0; i < EVENTS; i++) near(s[i], flow_log_prob(&l, x + 2 * i, c[i]), 1e-8);
  leave(&l);
}

// What the flow draws has the density that it says: x from z by the spline's direct formula.
static void the_flow_draws_what_it_scores(void **state) {
  (void)state;
  Loaded l = load(flow);
  fill_weights(&l, 0.8);
  double raw[EVENTS] = {1, 2, 0.5, 3, 0.1};
  give(&l, "column:c", raw, EVENTS);
  const ModelGenerator *g = l.model->generators.at[0];
  const double *a = run(&l, g->fn, EVENTS, "out:a"), *b = run(&l, g->fn, EVENTS, "out:b");
  assert_string_equal(g->given.at[0]->name, "c");
  for (int i = 0; i < EVENTS; i++) {
    double in[2] = {a[i], log(raw[i])}, h[4], p[3 * BINS];
    dense(in, 2, weight(&l, 0), weight(&l, 1), 4, h);
    for (int k = 0; k < 4; k++) h[k] = tanh(h[k]);
    dense(h, 4, weight(&l, 2), weight(&l, 3), (int)ir_elements(&l.model->weights.at[3].type), p);
    Spline s = spline_of(p);
    double z = spline_back(&s, b[i]);
    assert_true(isfinite(z) && fabs(z) < 6 && fabs(a[i]) < 6);
    near(fabs(z) < 2 ? spline_at(&s, z) : z, b[i], 1e-9);
  }
  leave(&l);
}

// ---- the files of the tree

static void load_tree_file(const char *path, int64_t weights) {
  Loaded l = load_with(path, NULL, NULL, NULL);
  if (l.model == NULL) {
    diags_print(stderr, l.diags, false, 0);
    fail_msg("%s is refused", path);
  }
  if (weights > 0 && model_weights(l.model) != weights) fail_msg("%s has %lld weights", path, (long long)model_weights(l.model));
  leave(&l);
}

static void examples_are_accepted(void **state) {
  (void)state;
  load_tree_file("examples/vae/zgamma.hgm", 0);
  load_tree_file("examples/vae/zgamma_narrow.hgm", 0);
  load_tree_file("examples/flows/zmumu.hgm", 0);
  load_tree_file("examples/flows/jets.hgm", 0);
}

static void benchmarks_have_the_peers_weights(void **state) {
  (void)state;
  load_tree_file("bench/vae18.hgm", 40994);
  load_tree_file("bench/bvae26.hgm", 179778);
  load_tree_file("bench/flow10.hgm", 192690);
  load_tree_file("bench/jets.hgm", 1499400);
}

static bool lookup(void *data, const ModelMetricUse *use, double *value) {
  (void)data;
  *value = use->at > 0 ? use->at : 0.04;
  return use->metric != NULL && use->metric->kind != METRIC_PARAMETERS;
}

static void formulas_of_metrics_are_evaluated(void **state) {
  (void)state;
  Loaded l = load("param limit = 0.05\ndata d { x = \"a\"\n  y = \"b\" }\nevaluate {\n  assert ks.worst < limit and not (ks + 1 > 2)\n"
                  "  assert -ks.worst * 2 == 0.08\n  assert parameters < 1\n  assert max(abs(-ks), 0.5) == 0.5\n"
                  "  assert roc(x, y > 0).rejection(0.3) == 0.3\n}\n");
  const ModelEvaluate *e = l.model->evaluate;
  const char *unknown;
  double value;
  assert_true(model_formula(e, e->asserts.at[0], lookup, NULL, &value, &unknown) && value == 1);
  assert_true(model_formula(e, e->asserts.at[1], lookup, NULL, &value, &unknown) && value == 0);
  assert_false(model_formula(e, e->asserts.at[2], lookup, NULL, &value, &unknown));
  assert_string_equal(unknown, "parameters");
  assert_true(model_formula(e, e->asserts.at[3], lookup, NULL, &value, &unknown) && value == 1);
  assert_true(model_formula(e, e->asserts.at[4], lookup, NULL, &value, &unknown) && value == 1);
  assert_int_equal(e->metrics.len, 3); // ks, parameters, roc: each once
  leave(&l);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(the_vae_has_its_loss_and_gradients),
      cmocka_unit_test(the_flow_has_its_density_and_gradients),
      cmocka_unit_test(the_flow_draws_what_it_scores),
      cmocka_unit_test(formulas_of_metrics_are_evaluated),
      cmocka_unit_test(examples_are_accepted),
      cmocka_unit_test(benchmarks_have_the_peers_weights),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
