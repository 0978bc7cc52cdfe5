// needs: lang compiler/codegen compiler/ad tests/support compiler/ir runtime lang/base
// Sets: what is pooled, what counts, who is whose neighbour; what stands where nothing is has no influence on a number, a loss or a
// gradient; compiled programs against the evaluator. Oracle: loops over the elements that are there.
#include "tests/support/checked.h"
#include "tests/support/model.h"

enum { EVENTS = 5, PLACES = 6, WIDE = 3 };

static const bool there[EVENTS][PLACES] = {
    {true, true, true, true, true, true},
    {true, false, true, true, false, true},
    {true, true, false, false, false, false},
    {false, false, false, true, false, false},
    {false},
};

#define CLOUD "data d { cloud: set[6] of real[2] = \"cloud\" |> present(column = 1)\n  t = \"t\" }\n"

static double number_at(int i) { return 2 * sin(1.7 * i + 0.3) + 0.1 * i; } // different for all

static double component(int event, int place, int k) { return number_at((event * PLACES + place) * 2 + k); }

// The column of the file, with `junk` where nothing is; the component in the middle says what is there.
static double *column(Arena *arena, double junk) {
  double *x = ARENA_ARRAY(arena, double, EVENTS *PLACES *WIDE);
  for (int e = 0; e < EVENTS; e++)
    for (int p = 0; p < PLACES; p++)
      for (int k = 0; k < WIDE; k++) x[(e * PLACES + p) * WIDE + k] = k == 1 ? there[e][p] : there[e][p] ? component(e, p, k / 2) : junk * (1 + p + k);
  return x;
}

static void pools_take_what_is_there(void **state) {
  (void)state;
  Loaded l = load(CLOUD "score { n = count(cloud); s = sum(cloud, axis = 0)[0]; m = mean(cloud); top = amax(cloud, axis = 0)[1]; all = sum(cloud^2)\n"
                        "  w = sum(einsum(\"nf,f->n\", cloud, [1, 10])); ff = einsum(\"nf,ng->fg\", cloud, cloud)[0, 1]; low = mean(sqrt(abs(cloud)))\n"
                        "  shifted = sum(cloud[..., 0] + 1); part = mean(1 / cloud, axis = 0)[1]; some = sum(if cloud > 0 then 1 else 0); width = "
                        "sum(softmax(cloud[..., 0])) }\n");
  give(&l, "column:cloud", column(l.arena, 1e3), EVENTS * PLACES * WIDE);
  for (int e = 0; e < EVENTS; e++) {
    double n = 0, s = 0, all = 0, m = 0, top = -INFINITY, w = 0, ff = 0, low = 0, shifted = 0, part = 0, some = 0;
    for (int p = 0; p < PLACES; p++) {
      double x = component(e, p, 0), y = component(e, p, 1);
      if (!there[e][p]) continue;
      n++, s += x, m += x + y, all += x * x + y * y, top = fmax(top, y), w += x + 10 * y, ff += x * y, low += sqrt(fabs(x)) + sqrt(fabs(y));
      shifted += x + 1, part += 1 / y, some += (x > 0) + (y > 0);
    }
    double one = fmax(n, 1);
    near(run(&l, l.model->score, EVENTS, "score:n")[e], n, 1e-12);
    near(run(&l, l.model->score, EVENTS, "score:s")[e], s, 1e-12);
    near(run(&l, l.model->score, EVENTS, "score:m")[e], m / (2 * one), 1e-12);
    near(run(&l, l.model->score, EVENTS, "score:top")[e], n > 0 ? top : 0, 1e-12);
    near(run(&l, l.model->score, EVENTS, "score:all")[e], all, 1e-12);
    near(run(&l, l.model->score, EVENTS, "score:w")[e], w, 1e-12);
    near(run(&l, l.model->score, EVENTS, "score:ff")[e], ff, 1e-12);
    near(run(&l, l.model->score, EVENTS, "score:low")[e], low / (2 * one), 1e-12);
    near(run(&l, l.model->score, EVENTS, "score:shifted")[e], shifted, 1e-12);
    near(run(&l, l.model->score, EVENTS, "score:part")[e], part / one, 1e-12);
    near(run(&l, l.model->score, EVENTS, "score:some")[e], some, 1e-12);
    if (n > 0) near(run(&l, l.model->score, EVENTS, "score:width")[e], 1, 1e-12);
  }
  leave(&l);
}

static double distance(int e, int p, int q) { return hypot(component(e, p, 0) - component(e, q, 0), component(e, p, 1) - component(e, q, 1)); }

// Sum over the elements of x(k-th nearest other), where there is one, else x of its own.
static double of_neighbours(int e, int k) {
  double sum = 0;
  for (int p = 0; p < PLACES; p++) {
    int best = p;
    if (!there[e][p]) continue;
    for (int q = 0; q < PLACES; q++) { // q is k-th if k others are nearer
      int nearer = 0;
      if (!there[e][q] || q == p) continue;
      for (int r = 0; r < PLACES; r++) nearer += there[e][r] && r != p && r != q && distance(e, p, r) < distance(e, p, q);
      if (nearer == k) best = q;
    }
    sum += component(e, best, 0);
  }
  return sum;
}

static void neighbours_are_there(void **state) {
  (void)state;
  Loaded l = load(CLOUD "score { near = cloud[neighbours(cloud, 4)]; s = sum(near[..., 0], axis = 0); a = s[0]; b = s[1]; c = s[2]; d = s[3] }\n");
  static const char *const names[] = {"score:a", "score:b", "score:c", "score:d"};
  give(&l, "column:cloud", column(l.arena, 0.01), EVENTS * PLACES * WIDE);
  for (int e = 0; e < EVENTS; e++)
    for (int k = 0; k < 4; k++) near(run(&l, l.model->score, EVENTS, names[k])[e], of_neighbours(e, k), 1e-12);
  leave(&l);
}

static void the_first_of_an_array(void **state) {
  (void)state;
  Loaded l = load("data d { x = \"x{0,1,2,3,4}\"; n = \"n\" }\nscore { s = x |> first(n); m = mean(s); c = count(s); two = sum(x |> first(2)) }\n");
  static const double n[4] = {0, 1, 4, 9};
  for (int k = 0; k < 5; k++) {
    double *x = ARENA_ARRAY(l.arena, double, 4);
    for (int e = 0; e < 4; e++) x[e] = number_at(5 * e + k);
    give(&l, arena_printf(l.arena, "column:x%d", k), x, 4);
  }
  give(&l, "column:n", n, 4);
  for (int e = 0; e < 4; e++) {
    double sum = 0, many = fmin(n[e], 5);
    for (int k = 0; k < many; k++) sum += number_at(5 * e + k);
    near(run(&l, l.model->score, 4, "score:m")[e], sum / fmax(many, 1), 1e-12);
    near(run(&l, l.model->score, 4, "score:c")[e], many, 1e-12);
    near(run(&l, l.model->score, 4, "score:two")[e], number_at(5 * e) + number_at(5 * e + 1), 1e-12);
  }
  leave(&l);
}

// px, what tells, py, pz, E stand in the file; inside they are e px py pz, and so the slope of a mass is by e px py pz of each element.
static void four_vectors_of_elements(void **state) {
  (void)state;
  Loaded l = load("data d { q: set[6] of p4 = \"q\" |> present(column = 1) |> scale(0.5) }\n"
                  "fn m2(s: set[n] of p4) = mass2(sum(s, axis = 0))\n"
                  "score { w = m2(physical(q)); t = sum(pt(physical(q))); far = amax(eta(q), axis = 0); g = grad(m2(q), q); e = sum(g[..., 0]); z = sum(g[..., "
                  "3]); n = count(g)\n"
                  "  back = sum(p4(pt = pt(q), eta = eta(q), phi = phi(q), m = mass(q)) - q)^2 }\n"
                  "generate { q = 2 * p4(e = 5, px = 1, py = 2, pz = ones(6)) |> first(2) }\n");
  static const double order[10] = {4, 1, 0, 2, 3, 2, 1, 3, 4, 0}, junk[] = {0, -3, NAN};
  give(&l, "order:d.q", order, 10);
  for (int j = 0; j < 3; j++) {
    double *q = ARENA_ARRAY(l.arena, double, EVENTS *PLACES * 5);
    for (int i = 0; i < EVENTS * PLACES * 5; i++) {
      bool is = there[i / 5 / PLACES][i / 5 % PLACES];
      q[i] = i % 5 == 1 ? is : !is ? junk[j] : i % 5 == 4 ? 10 + number_at(i) : number_at(i);
    }
    give(&l, "column:q", q, EVENTS * PLACES * 5);
    for (int e = 0; e < EVENTS; e++) {
      double v[4] = {0}, t = 0, far = -INFINITY, n = 0;
      for (int p = 0; p < PLACES; p++) {
        const double *x = q + 5 * (e * PLACES + p), one = hypot(x[0], x[2]);
        if (!there[e][p]) continue;
        v[0] += x[4], v[1] += x[0], v[2] += x[2], v[3] += x[3], t += one, far = fmax(far, asinh(x[3] / one)), n++;
      }
      near(run(&l, l.model->score, EVENTS, "score:w")[e], v[0] * v[0] - v[1] * v[1] - v[2] * v[2] - v[3] * v[3], 1e-9);
      near(run(&l, l.model->score, EVENTS, "score:t")[e], t, 1e-9);
      near(run(&l, l.model->score, EVENTS, "score:far")[e], n > 0 ? far : 0, 1e-9);
      near(run(&l, l.model->score, EVENTS, "score:e")[e], n * 2 * v[0] / 2, 1e-9); // by the prepared q = half of it
      near(run(&l, l.model->score, EVENTS, "score:z")[e], n * -2 * v[3] / 2, 1e-9);
      near(run(&l, l.model->score, EVENTS, "score:back")[e], 0, 1e-9);
    }
  }
  static const double drawn[2][5] = {{4, 1, 8, 4, 20}, {0, 0, 0, 0, 0}};
  const double *out = run(&l, l.model->generators.at[0]->fn, 1, "out:q");
  for (int p = 0; p < PLACES; p++)
    for (int k = 0; k < 5; k++) near(out[5 * p + k], drawn[p >= 2][k], 1e-12);
  leave(&l);
}

#define TAGGER                                                                                                                                                 \
  CLOUD "net tagger(cloud: d.cloud) -> (out: real) {\n  h = cloud |> edge_conv(3, [5, 4])(cloud)\n  (g, h2) = epic(4, 3)(mean(h, axis = 0) |> dense(3), h)\n"  \
        "  pooled = concat(amax(h2, axis = 0), cloud |> deep_set([6], [4]), g, sum(log(h2^2 + 1e-3) / (1 + h2^2), axis = 0) / 6, [mean(sqrt(abs(h2)))])\n"     \
        "  out = pooled |> dense(1) }\n"                                                                                                                       \
        "train { update tagger { minimize (tagger(cloud) - t)^2 + 0.1 * sum(grad(tagger(cloud), cloud)^2); with adam(1e-3), clip(5) }; batch 5; steps 9 }\n"   \
        "score { s = tagger(cloud) }\n"

// Prepared columns as `prepare` gives them.
static void give_prepared(Loaded *l, double junk) {
  static const double t[EVENTS] = {1, -1, 0.5, 2, 0};
  give(l, "column:cloud", column(l->arena, junk), EVENTS * PLACES * WIDE);
  give(l, "column:t", t, EVENTS);
  const IrFn *prepare = l->model->data.at[0]->prepare;
  give(l, "prep:cloud", run(l, prepare, EVENTS, "prep:cloud"), EVENTS * PLACES * 2);
  give(l, "prep:cloud.present", run(l, prepare, EVENTS, "prep:cloud.present"), EVENTS * PLACES);
  give(l, "prep:t", t, EVENTS);
}

static void what_is_not_there_has_no_influence(void **state) {
  (void)state;
  Loaded l = load(TAGGER);
  const ModelPhase *p = l.model->phases.at[0];
  const IrFn *step = p->updates.at[0].step;
  for (int i = 0; i < 4; i++) give_number(&l, (const char *[]){"step", "epoch", "progress", "batch_size"}[i], i == 3 ? EVENTS : 0);
  give_weights(&l);
  for (size_t i = 0; i < p->states.len; i++) {
    const ModelState *s = &p->states.at[i];
    double *zeros = ARENA_ARRAY(l.arena, double, ir_elements(&s->type));
    for (int64_t k = 0; k < ir_elements(&s->type); k++) zeros[k] = s->start;
    give(&l, s->name, zeros, ir_elements(&s->type));
  }
  static const double junk[] = {0, 1, -1e6, NAN};
  IrArray *first = NULL;
  for (int k = 0; k < 4; k++) {
    give_prepared(&l, junk[k]);
    IrArray *out = run_all(&l, step, EVENTS);
    for (size_t i = 0; i < step->outputs.len; i++)
      for (int64_t j = 0; j < out[i].n; j++) {
        assert_true(isfinite(out[i].data[j]));
        if (first != NULL && memcmp(&first[i].data[j], &out[i].data[j], sizeof(double)) != 0)
          fail_msg("%s[%lld] is %g, and %g with %g where nothing is", step->outputs.at[i].name, (long long)j, first[i].data[j], out[i].data[j], junk[k]);
      }
    if (first == NULL) first = out;
  }
  leave(&l);
}

static void slopes_are_those_of_the_elements(void **state) {
  (void)state;
  Loaded l = load(
      CLOUD
      "net n(cloud: d.cloud) -> (y: real) { h = cloud |> dense(4) |> tanh; y = sum(mean(h, axis = 0)^2) + mean(cloud[..., 0]^3 / (1 + cloud[..., 1]^2)) }\n"
      "train { update n { minimize n(cloud); with sgd(0.1) }; batch 5; steps 1 }\n"
      "score { y = n(cloud); g = grad(n(cloud), cloud); a = sum(g[..., 0]); b = sum(g[..., 1]); size = count(g) }\n");
  give_weights(&l);
  double *x = column(l.arena, 5);
  const double step = 1e-5;
  for (int k = 0; k < 2; k++) {
    double y[2][EVENTS];
    for (int side = 0; side < 2; side++) {
      double *moved = arena_dup(l.arena, x, sizeof(double) * EVENTS * PLACES * WIDE);
      for (int i = 0; i < EVENTS * PLACES; i++) moved[i * WIDE + 2 * k] += side ? step : -step;
      give(&l, "column:cloud", moved, EVENTS * PLACES * WIDE);
      memcpy(y[side], run(&l, l.model->score, EVENTS, "score:y"), sizeof y[side]);
    }
    give(&l, "column:cloud", x, EVENTS * PLACES * WIDE);
    const double *slope = run(&l, l.model->score, EVENTS, k == 0 ? "score:a" : "score:b");
    for (int e = 0; e < EVENTS; e++)
      if (fabs(slope[e] - (y[1][e] - y[0][e]) / (2 * step)) > 1e-7) fail_msg("slope %g, difference %g", slope[e], (y[1][e] - y[0][e]) / (2 * step));
  }
  leave(&l);
}

static void compiled_as_evaluated(void **state) {
  (void)state;
  for (int f32 = 0; f32 < 2; f32++) {
    Loaded l = load_as(TAGGER, f32 ? IR_F32 : IR_F64);
    checked_check(l.model->phases.at[0]->updates.at[0].step, 1, f32, "a step over sets");
    checked_check(l.model->score, 2, f32, "scores of sets");
    leave(&l);
  }
}

static void wrong_uses_are_refused(void **state) {
  (void)state;
  static const char *const wrong[][2] = {
      {"score { s = sum(flatten(cloud)) }", "flatten-set"},
      {"score { s = cloud[0, 1] }", "flatten-set"},
      {"score { s = sum(cloud[:3]) }", "flatten-set"},
      {"score { s = sum(reshape(cloud, 12)) }", "flatten-set"},
      {"score { s = sum(transpose(cloud)) }", "flatten-set"},
      {"score { s = sum(cumsum(cloud)) }", "flatten-set"},
      {"score { s = mean(batch(cloud)) }", "flatten-set"},
      {"score { s = sum([cloud, cloud]) }", "flatten-set"},
      {"score { a = ones(6, 2) |> first(3); s = sum(a + cloud) }", "flatten-set"},
      {"score { s = sum(einsum(\"nf,mf->nm\", ones(4, 2), cloud)) }", "flatten-set"},
      {"score { s = count(t) }", "type"},
      {"net f(x: set[5] of real[2]) -> (y: real) = mean(x)\nscore { s = f(cloud) }", "shape"},
      {"net f(x: set[6] of real[2]) -> (y: real) = mean(x)\nscore { s = f(ones(6, 2)) }", "shape"},
      {"flow f(cloud) { base normal; linear_lu }\nscore { s = log_prob(f, cloud) }", "flatten-set"},
      {"generate { cloud = ones(6, 2) }", "shape"},
      {"net f(x: set[6] of p4) -> (y: real) = sum(pt(x))\nscore { s = f(cloud) }", "shape"},
      {"net f(x: set[6] of class[2]) -> (y: real) = 1\nscore { s = f(cloud) }", "type"},
  };
  Arena *arena = arena_create();
  for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
    Loaded l = load_with("test.hgm", arena_printf(arena, CLOUD "%s\n", wrong[i][0]), NULL, NULL);
    if (l.diags->errors == 0 || (wrong[i][1] != NULL && !said(&l, wrong[i][1]))) {
      diags_print(stderr, l.diags, false, 0);
      fail_msg("not `%s` in `%s`", wrong[i][1] ? wrong[i][1] : "an error", wrong[i][0]);
    }
    leave(&l);
  }
  arena_destroy(arena);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(pools_take_what_is_there),
      cmocka_unit_test(neighbours_are_there),
      cmocka_unit_test(the_first_of_an_array),
      cmocka_unit_test(four_vectors_of_elements),
      cmocka_unit_test(what_is_not_there_has_no_influence),
      cmocka_unit_test(slopes_are_those_of_the_elements),
      cmocka_unit_test(compiled_as_evaluated),
      cmocka_unit_test(wrong_uses_are_refused),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
