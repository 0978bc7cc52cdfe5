// Simulation-based calibration: for each true event as many draws as asked for, given its own conditions. Where the truth lies among
// them is evenly distributed in 0 .. 1 when the model's law is the right one (Talts et al., 1804.06788; Cook et al. 2006).
#include <math.h>
#include <string.h>

#include "compiler/driver/measure.h"
#include "compiler/driver/measured.h"
#include "runtime/metrics_bins.h"
#include "runtime/philox.h"

enum { MOST_DRAWS = 2000000, CURVE_POINTS = 100 };

typedef struct Calibration {
  Evaluation *e;
  EvalMetric *m;
  Generation generation;
  Bound observables;
  Measured measured;
  Tables tables; // columns of one chunk of generated events
  double *value; // (CHUNK, d) the metric's argument of the chunk
  int64_t n, d;
  double *below, *equal; // (n, d) draws below and at the truth
  int64_t chunk;         // events of one call
} Calibration;

// Every output of the program goes somewhere; the metric's own is looked at.
static void bind_outputs(Calibration *c) {
  Arena *arena = c->e->session->arena;
  for (uint32_t i = 0; i < c->observables.program->n_outputs; i++) {
    const HgmPort *port = &c->observables.program->outputs[i];
    double *room = ARENA_ARRAY(arena, double, port->elements *CHUNK + 1);
    bound_output(&c->observables, port->name, room);
    if (strcmp(port->name, c->m->model->outputs[0]) == 0) c->value = room;
  }
}

static bool open(Calibration *c, HgmError *error) {
  Evaluation *e = c->e;
  int64_t draws = (int64_t)c->m->model->numbers[1];
  c->d = c->m->elements[0];
  c->n = e->n_truth < MOST_DRAWS / draws ? e->n_truth : MOST_DRAWS / draws;
  int64_t batch = e->session->model->evaluate->batch; // whole batches only
  c->chunk = batch > 0 && batch < CHUNK ? batch : CHUNK;
  if (batch > 0 && c->n > batch) c->n -= c->n % batch;
  c->below = ARENA_ARRAY(e->session->arena, double, c->n * c->d + 1);
  c->equal = ARENA_ARRAY(e->session->arena, double, c->n * c->d + 1);
  if (!generation_open(&c->generation, e->session, e->generator, BULK_TILE, e->store, &e->dataset->tables, error)) return false;
  c->generation.given = e->rows;
  c->generation.n_given = c->n;
  c->tables = evaluate_tables(e, &c->generation, e->rows, c->n);
  const IrFn *observables = e->session->model->evaluate->observables;
  int64_t last[] = {c->n > 0 ? c->n - 1 : 0};
  if (!measured_open(&c->measured, e->session, observables, e->store, &c->tables, last, 1, error) ||
      !bound_create(&c->observables, e->session, observables, BULK_TILE, CHUNK, e->store, &c->measured.tables, error))
    return false;
  bind_outputs(c);
  return true;
}

// Draw number `pass` of events first .. first + m - 1.
static bool draw(Calibration *c, int64_t pass, int64_t first, int64_t m, const int64_t *rows, HgmError *error) {
  for (int64_t at = 0; at < m; at += c->generation.most) {
    int64_t n = m - at < c->generation.most ? m - at : c->generation.most;
    if (!generation_chunk(&c->generation, pass * c->n + first + at, n, error)) return false;
    evaluate_put(c->e, &c->generation, &c->tables, first + at, n);
  }
  if (!measured_run(&c->measured, rows, m, error)) return false;
  if (!bound_run(&c->observables, &(BoundCall){.events = m, .rows = rows, .first_event = pass * c->n + first}, error)) return false;
  for (int64_t i = 0; i < m * c->d; i++) {
    double truth = c->m->truth[0][first * c->d + i];
    c->below[first * c->d + i] += c->value[i] < truth;
    c->equal[first * c->d + i] += c->value[i] == truth;
  }
  return true;
}

static void curve(Calibration *c, const HgmSample *u, const char *title) {
  Arena *arena = c->e->session->arena;
  EvalFigure *figure = measure_figure(c->e, c->m, "quantile of the model", "share of true events below it");
  double *shares = ARENA_ARRAY(arena, double, CURVE_POINTS + 1), *x = ARENA_ARRAY(arena, double, CURVE_POINTS + 1),
         *y = ARENA_ARRAY(arena, double, CURVE_POINTS + 1);
  HgmError ignored = {0};
  if (!hgm_histogram(u, 0, 1, CURVE_POINTS, shares, &ignored)) return;
  for (int k = 1; k <= CURVE_POINTS; k++) x[k] = (double)k / CURVE_POINTS, y[k] = y[k - 1] + shares[k - 1];
  if (title != NULL) figure->title = title;
  figure->high = 1;
  figure->diagonal = true;
  VEC_PUSH(arena, &figure->series, (EvalSeries){"generated", x, y, NULL, CURVE_POINTS + 1, false});
}

static double worth(const double *weights, int64_t n) { // as many events as the weights are worth
  double sum = 0, squares = 0;
  for (int64_t i = 0; i < n && weights != NULL; i++) sum += weights[i], squares += weights[i] * weights[i];
  return weights == NULL ? (double)n : sum * sum / squares;
}

static bool judge(Calibration *c, HgmError *error) {
  Evaluation *e = c->e;
  Arena *arena = e->session->arena;
  double draws = c->m->model->numbers[1], *u = ARENA_ARRAY(arena, double, c->n + 1), worst = 0, mean = 0;
  HgmEstimate chance = hgm_evenness_by_chance(worth(e->weights, c->n));
  uint64_t key = philox_key(e->session->model->seed, "calibration.ties");
  for (int64_t k = 0; k < c->d; k++) {
    for (int64_t i = 0; i < c->n; i++) { // among equals, and between two draws, anywhere
      double within = philox_uniform(key, (uint64_t)i, (uint32_t)k, 0);
      u[i] = (c->below[i * c->d + k] + within * (c->equal[i * c->d + k] + 1)) / (draws + 1);
    }
    double value = hgm_evenness(u, e->weights, c->n, error);
    if (isnan(value)) return false;
    worst = fmax(worst, value);
    mean += value / (double)c->d;
    const Strings *names = &c->m->model->components;
    const char *name = (int64_t)names->len == c->d ? names->at[k] : arena_printf(arena, "[%lld]", (long long)k);
    if (c->d > 1) measure_push(e, c->m, name, (HgmEstimate){value, NAN}, chance)->detail = true;
    curve(c, &(HgmSample){u, e->weights, c->n, 0}, c->d > 1 ? arena_printf(arena, "%s: %s", c->m->model->text, name) : NULL);
  }
  c->m->beside = "by chance";
  measure_push(e, c->m, "", (HgmEstimate){mean, NAN}, chance);
  if (c->d > 1) measure_push(e, c->m, "worst", (HgmEstimate){worst, NAN}, no_estimate);
  return true;
}

bool measure_calibration(Evaluation *e, EvalMetric *m, HgmError *error) {
  Calibration c = {.e = e, .m = m};
  if (e->given != NULL) return hgm_fail(error, EXIT_USER, "translated events have no truth of their own, so nothing can be calibrated");
  if (m->fake[0] == NULL) return hgm_fail(error, EXIT_USER, "generated events do not have this value, so nothing can be drawn of it");
  int64_t draws = (int64_t)m->model->numbers[1];
  bool ok = open(&c, error);
  int64_t *rows = ARENA_ARRAY(e->session->arena, int64_t, CHUNK);
  for (int64_t pass = 1; ok && pass <= draws; pass++) // pass 0 are the events that everything else looks at
    for (int64_t at = 0; ok && at < c.n; at += c.chunk) {
      int64_t some = c.n - at < c.chunk ? c.n - at : c.chunk;
      for (int64_t k = 0; k < some; k++) rows[k] = at + k;
      ok = draw(&c, pass, at, some, rows, error);
    }
  ok = ok && judge(&c, error);
  bound_destroy(&c.observables);
  measured_close(&c.measured);
  generation_close(&c.generation);
  return ok;
}
