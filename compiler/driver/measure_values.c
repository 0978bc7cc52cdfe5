// Metrics of their arguments: ROC curves, confusion, profiles, densities, modes, holes.
#include <math.h>
#include <string.h>

#include "compiler/driver/measure.h"
#include "runtime/metrics_bins.h"
#include "runtime/metrics_events.h"

enum { HALVINGS = 16, PROFILE_BINS = 20, SQUARE_BINS = 10 };

static const double *column_of(Arena *arena, const double *x, int64_t elements, int64_t k, int64_t n) {
  if (elements == 1 || x == NULL) return x;
  double *out = ARENA_ARRAY(arena, double, n + 1);
  for (int64_t i = 0; i < n; i++) out[i] = x[i * elements + k];
  return out;
}

// What is generated where the metric can look at it, beside the truth; else the truth alone.
static void push_sides(Evaluation *e, EvalMetric *m, const char *name, HgmEstimate truth, HgmEstimate fake, bool has_fake) {
  m->beside = "truth";
  measure_push(e, m, name, has_fake ? fake : truth, has_fake ? truth : no_estimate);
}

// ---- ROC

// `.rejection(x)` is computed for the efficiencies that formulas ask for, and for 0.3 and 0.5.
static int efficiencies_of(const Evaluation *e, const EvalMetric *m, double out[16]) {
  const ModelEvaluate *block = e->session->model->evaluate;
  int n = 0;
  out[n++] = 0.3, out[n++] = 0.5;
  for (size_t i = 0; i < block->uses.len && n < 16; i++) {
    const ModelMetricUse *use = &block->uses.at[i];
    bool known = use->metric != m->model || !(use->at > 0);
    for (int k = 0; k < n; k++) known |= out[k] == use->at;
    if (!known) out[n++] = use->at;
  }
  return n;
}

// Of one component of the score.
typedef struct RocSide {
  HgmEstimate area, rejection[16];
} RocSide;

static bool roc_side(Evaluation *e, EvalFigure *figure, const double *score, const double *is_true, const double *weights, int64_t n, const double *efficiency,
                     int efficiencies, bool is_truth, RocSide *out, HgmError *error) {
  HgmRoc roc;
  out->area = no_estimate;
  for (int k = 0; k < efficiencies; k++) out->rejection[k] = no_estimate;
  if (!hgm_roc_open(&roc, score, is_true, weights, n, error)) return false;
  out->area = hgm_roc_area(&roc);
  for (int k = 0; k < efficiencies; k++) out->rejection[k] = hgm_roc_rejection(&roc, efficiency[k]);
  measure_curve(e, figure, &roc, is_truth ? "truth" : "generated", is_truth);
  hgm_roc_close(&roc);
  return true;
}

static HgmEstimate average(const RocSide *sides, int64_t n, int which) { // which -1: the area
  HgmEstimate sum = {0};
  for (int64_t i = 0; i < n; i++) {
    HgmEstimate x = which < 0 ? sides[i].area : sides[i].rejection[which];
    sum.value += x.value / (double)n;
    sum.error += x.error * x.error / (double)(n * n);
  }
  return (HgmEstimate){sum.value, sqrt(sum.error)};
}

bool measure_roc(Evaluation *e, EvalMetric *m, HgmError *error) {
  Arena *arena = e->session->arena;
  int64_t d = m->elements[0];
  double efficiency[16];
  int efficiencies = efficiencies_of(e, m, efficiency);
  bool has_fake = m->fake[0] != NULL;
  RocSide *truth = ARENA_ARRAY(arena, RocSide, d), *fake = ARENA_ARRAY(arena, RocSide, d);
  HgmError ignored = {0}; // a generator may draw one kind only
  for (int64_t k = 0; k < d; k++) {
    EvalFigure *figure = measure_figure(e, m, "efficiency of false events", "efficiency of true events");
    figure->high = 1;
    figure->diagonal = true;
    if (d > 1) figure->title = arena_printf(arena, "%s, score %lld", m->model->text, (long long)k);
    const double *score = column_of(arena, m->truth[0], d, k, e->n_truth);
    if (!roc_side(e, figure, score, m->truth[1], e->weights, e->n_truth, efficiency, efficiencies, true, &truth[k], error)) return false;
    if (has_fake)
      roc_side(e, figure, column_of(arena, m->fake[0], d, k, e->n_fake), m->fake[1], NULL, e->n_fake, efficiency, efficiencies, false, &fake[k], &ignored);
  }
  push_sides(e, m, "", average(truth, d, -1), average(fake, d, -1), has_fake);
  for (int k = 0; k < efficiencies; k++)
    push_sides(e, m, arena_printf(arena, "rejection(%g)", efficiency[k]), average(truth, d, k), average(fake, d, k), has_fake);
  for (int64_t k = 0; d > 1 && k < d; k++) {
    push_sides(e, m, arena_printf(arena, "auc[%lld]", (long long)k), truth[k].area, fake[k].area, has_fake);
    m->numbers.at[m->numbers.len - 1].detail = true;
  }
  return true;
}

// ---- confusion

static int64_t guess(const double *p, int64_t elements) {
  if (elements == 1) return p[0] >= 0.5;
  int64_t best = 0;
  for (int64_t k = 1; k < elements; k++)
    if (p[k] > p[best]) best = k;
  return best;
}

// shares (classes, classes): row c are the events of class c, by the class that is said of them. Returns the share of all that are right.
static HgmEstimate confuse(const EvalMetric *m, const double *p, const double *classes, const double *weights, int64_t n, double *shares) {
  int64_t c = (int64_t)m->model->classes.len;
  double right = 0, total = 0, squares = 0;
  for (int64_t i = 0; i < n; i++) {
    int64_t is = (int64_t)classes[i], said = guess(p + i * m->elements[0], m->elements[0]);
    double w = weights == NULL ? 1 : weights[i];
    if (is < 0 || is >= c || said >= c) continue;
    shares[is * c + said] += w;
    right += is == said ? w : 0;
    total += w;
    squares += w * w;
  }
  for (int64_t k = 0; k < c; k++) {
    double sum = 0;
    for (int64_t l = 0; l < c; l++) sum += shares[k * c + l];
    for (int64_t l = 0; l < c; l++) shares[k * c + l] = sum > 0 ? shares[k * c + l] / sum : NAN;
  }
  double share = right / total;
  return (HgmEstimate){share, sqrt(fmax(share * (1 - share), 0) * squares) / fabs(total)};
}

bool measure_confusion(Evaluation *e, EvalMetric *m, HgmError *error) {
  Arena *arena = e->session->arena;
  size_t c = m->model->classes.len;
  if (m->elements[0] != (int64_t)c && !(m->elements[0] == 1 && c == 2))
    return hgm_fail(error, EXIT_USER, "%lld numbers are said of %zu classes: give a probability of each, or of the second of two", (long long)m->elements[0],
                    c);
  double *truth = ARENA_ARRAY(arena, double, c *c + 1), *fake = ARENA_ARRAY(arena, double, c *c + 1);
  bool has_fake = m->fake[0] != NULL && m->fake[1] != NULL;
  HgmEstimate of_truth = confuse(m, m->truth[0], m->truth[1], e->weights, e->n_truth, truth), of_fake = no_estimate;
  if (has_fake) of_fake = confuse(m, m->fake[0], m->fake[1], NULL, e->n_fake, fake);
  push_sides(e, m, "", of_truth, of_fake, has_fake);
  for (size_t k = 0; k < c; k++)
    for (size_t l = 0; l < c; l++) {
      HgmEstimate a = {truth[k * c + l], NAN}, b = {fake[k * c + l], NAN};
      push_sides(e, m, arena_printf(arena, "%s said of %s", m->model->classes.at[l], m->model->classes.at[k]), a, b, has_fake);
      m->numbers.at[m->numbers.len - 1].detail = c > 3;
    }
  return true;
}

// ---- profiles

typedef struct Cells {
  double edges[2][PROFILE_BINS + 1];
  int bins[2], cells; // bins[1] 1: one axis
} Cells;

static bool cells_of(const Evaluation *e, const EvalMetric *m, Cells *c, HgmError *error) {
  bool square = m->truth[2] != NULL;
  c->bins[0] = hgm_equal_bins(m->truth[1], e->n_truth, square ? SQUARE_BINS : PROFILE_BINS, c->edges[0], error);
  c->bins[1] = square ? hgm_equal_bins(m->truth[2], e->n_truth, SQUARE_BINS, c->edges[1], error) : 1;
  c->cells = c->bins[0] * c->bins[1];
  return c->cells > 0;
}

static int *cell_numbers(Arena *arena, const Cells *c, const double *x, const double *z, int64_t n) {
  int *cell = ARENA_ARRAY(arena, int, n + 1);
  for (int64_t i = 0; i < n; i++) {
    int a = hgm_bin_of(x[i], c->edges[0], c->bins[0]), b = z == NULL ? 0 : hgm_bin_of(z[i], c->edges[1], c->bins[1]);
    cell[i] = a < 0 || b < 0 ? -1 : b * c->bins[0] + a;
  }
  return cell;
}

// What two halves of the truth give.
static bool profile_halves(Evaluation *e, const EvalMetric *m, const int *cell, int cells, double unit, HgmEstimate *out, HgmError *error) {
  Arena *arena = e->session->arena;
  int64_t n = e->n_truth, *rows[2] = {ARENA_ARRAY(arena, int64_t, n + 1), ARENA_ARRAY(arena, int64_t, n + 1)};
  int *half = ARENA_ARRAY(arena, int, n + 1);
  double x[HALVINGS];
  HgmProfile p[2];
  for (int k = 0; k < HALVINGS; k++) {
    deal_halves(e, k, rows[0], rows[1]);
    for (int s = 0; s < 2; s++) {
      for (int64_t i = 0; i < n; i++) half[i] = -1;
      for (int64_t i = 0; i < (s == 0 ? n / 2 : n - n / 2); i++) half[rows[s][i]] = cell[rows[s][i]];
      if (!hgm_profile_open(&p[s], m->truth[0], half, e->weights, n, cells, error)) return false;
    }
    x[k] = hgm_profile_difference(&p[0], &p[1], unit);
    hgm_profile_close(&p[0]);
    hgm_profile_close(&p[1]);
  }
  *out = mean_of(x, HALVINGS);
  return true;
}

static void profile_series(Evaluation *e, EvalFigure *figure, const HgmProfile *p, const Cells *c, int row, const char *name, bool is_truth) {
  Arena *arena = e->session->arena;
  double *x = ARENA_ARRAY(arena, double, c->bins[0] + 1), *y = ARENA_ARRAY(arena, double, c->bins[0] + 1), *error = ARENA_ARRAY(arena, double, c->bins[0] + 1);
  for (int b = 0; b < c->bins[0]; b++) {
    x[b] = (c->edges[0][b] + c->edges[0][b + 1]) / 2;
    y[b] = p->mean[row * c->bins[0] + b];
    error[b] = p->error[row * c->bins[0] + b];
  }
  VEC_PUSH(arena, &figure->series, (EvalSeries){name, x, y, error, c->bins[0], is_truth});
}

// One picture, or one for each bin of the second axis.
static void profile_figures(Evaluation *e, EvalMetric *m, const HgmProfile *truth, const HgmProfile *fake, const Cells *c) {
  Arena *arena = e->session->arena;
  for (int row = 0; row < c->bins[1]; row++) {
    EvalFigure *figure = measure_figure(e, m, m->model->texts[1], arena_printf(arena, "mean of %s", m->model->texts[0]));
    if (c->bins[1] > 1) figure->title = arena_printf(arena, "%s in %.3g..%.3g", m->model->texts[2], c->edges[1][row], c->edges[1][row + 1]);
    profile_series(e, figure, truth, c, row, "truth", true);
    if (fake != NULL) profile_series(e, figure, fake, c, row, "generated", false);
  }
}

bool measure_profile(Evaluation *e, EvalMetric *m, HgmError *error) {
  Arena *arena = e->session->arena;
  Cells c = {0};
  bool has_fake = m->fake[0] != NULL;
  if (!cells_of(e, m, &c, error)) return false;
  int *cell = cell_numbers(arena, &c, m->truth[1], m->truth[2], e->n_truth);
  int *all = ARENA_ARRAY(arena, int, e->n_truth + 1); // every event in one cell: the mean and spread of y
  HgmProfile truth = {0}, fake = {0}, one = {0};
  bool ok = hgm_profile_open(&truth, m->truth[0], cell, e->weights, e->n_truth, c.cells, error) &&
            hgm_profile_open(&one, m->truth[0], all, e->weights, e->n_truth, 1, error);
  if (ok && has_fake) ok = hgm_profile_open(&fake, m->fake[0], cell_numbers(arena, &c, m->fake[1], m->fake[2], e->n_fake), NULL, e->n_fake, c.cells, error);
  HgmEstimate halves;
  ok = ok && profile_halves(e, m, cell, c.cells, one.spread[0], &halves, error);
  if (ok) {
    HgmEstimate value = {has_fake ? hgm_profile_difference(&truth, &fake, one.spread[0]) : NAN, NAN};
    measure_push(e, m, "", value, halves);
    profile_figures(e, m, &truth, has_fake ? &fake : NULL, &c);
    if (!has_fake) m->note = "no generated events have all of these columns: the picture shows the truth";
  }
  if (truth.mean != NULL) hgm_profile_close(&truth);
  if (fake.mean != NULL) hgm_profile_close(&fake);
  if (one.mean != NULL) hgm_profile_close(&one);
  return ok;
}

// ---- densities

bool measure_nll(Evaluation *e, EvalMetric *m, HgmError *error) {
  (void)error;
  m->beside = "of its own events";
  measure_push(e, m, "", weighted_mean(m->truth[0], e->weights, e->n_truth), m->fake[0] != NULL ? weighted_mean(m->fake[0], NULL, e->n_fake) : no_estimate);
  return true;
}

static double largest(const double *x, int64_t n) {
  double most = n > 0 ? x[0] : NAN;
  for (int64_t i = 0; i < n; i++)
    if (!(x[i] <= most)) most = x[i];
  return most;
}

bool measure_inversion(Evaluation *e, EvalMetric *m, HgmError *error) {
  (void)error;
  bool own = m->fake[0] != NULL;
  m->beside = "of its own events";
  measure_push(e, m, "", weighted_mean(m->truth[0], e->weights, e->n_truth), own ? weighted_mean(m->fake[0], NULL, e->n_fake) : no_estimate);
  measure_push(e, m, "worst", (HgmEstimate){largest(m->truth[0], e->n_truth), NAN}, own ? (HgmEstimate){largest(m->fake[0], e->n_fake), NAN} : no_estimate);
  return true;
}

// ---- modes

// Events whose numbers are all finite.
static HgmEvents finite_events(Arena *arena, const double *x, const double *weights, int64_t n, int64_t d) {
  double *out = ARENA_ARRAY(arena, double, n *d + 1), *w = ARENA_ARRAY(arena, double, n + 1);
  HgmEvents events = {out, weights == NULL ? NULL : w, 0, (int)d};
  for (int64_t i = 0; i < n; i++) {
    bool fine = true;
    for (int64_t k = 0; k < d; k++) fine &= isfinite(x[i * d + k]) != 0;
    if (!fine) continue;
    memcpy(out + events.n * d, x + i * d, sizeof *out * (size_t)d);
    w[events.n++] = weights == NULL ? 1 : weights[i];
  }
  return events;
}

bool measure_modes(Evaluation *e, EvalMetric *m, HgmError *error) {
  Arena *arena = e->session->arena;
  if (m->fake[0] == NULL) return hgm_fail(error, EXIT_USER, "generated events do not have this value, so they cover no mode of it");
  HgmEvents truth = finite_events(arena, m->truth[0], e->weights, e->n_truth, m->elements[0]);
  HgmEvents fake = finite_events(arena, m->fake[0], NULL, e->n_fake, m->elements[0]);
  HgmModes modes;
  if (!hgm_modes_open(&modes, &truth, m->model->numbers[1], error)) return false;
  double inside[2];
  int covered = hgm_modes_covered(&modes, &fake, &inside[0]), all = modes.n;
  hgm_modes_covered(&modes, &truth, &inside[1]);
  hgm_modes_close(&modes);
  if (all == 0)
    return hgm_fail(error, EXIT_USER, "no place of radius %g holds 1 %% of the %lld true events: give a larger radius", m->model->numbers[1],
                    (long long)truth.n);
  m->beside = "truth";
  measure_push(e, m, "", (HgmEstimate){covered, NAN}, (HgmEstimate){all, NAN});
  double n = (double)fake.n, n_truth = (double)truth.n;
  measure_push(e, m, "inside", (HgmEstimate){inside[0], sqrt(inside[0] * (1 - inside[0]) / n)},
               (HgmEstimate){inside[1], sqrt(fmax(inside[1] * (1 - inside[1]), 0) / n_truth)});
  return true;
}

// ---- holes

bool measure_holes(Evaluation *e, EvalMetric *m, HgmError *error) {
  double range[2][2], truth, fake;
  int bins = (int)m->model->numbers[2];
  if (m->fake[0] == NULL || m->fake[1] == NULL) return hgm_fail(error, EXIT_USER, "generated events do not have both of these values");
  for (int k = 0; k < 2; k++) hgm_range(&(HgmSample){m->truth[k], e->weights, e->n_truth, 0}, &range[k][0], &range[k][1]);
  if (!hgm_holes(m->truth[0], m->truth[1], e->weights, e->n_truth, range[0], range[1], bins, &truth, error) ||
      !hgm_holes(m->fake[0], m->fake[1], NULL, e->n_fake, range[0], range[1], bins, &fake, error))
    return false;
  double cells = (double)bins * bins;
  m->beside = "truth";
  measure_push(e, m, "", (HgmEstimate){fake, sqrt(fake * (1 - fake) / cells)}, (HgmEstimate){truth, sqrt(truth * (1 - truth) / cells)});
  return true;
}
