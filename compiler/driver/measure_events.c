// Metrics of whole events: all generated and given columns together.
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "compiler/driver/measure.h"
#include "runtime/metrics_bins.h"
#include "runtime/metrics_events.h"
#include "runtime/philox.h"

// ---- tables of whole events

// The columns that both samples have: generated, given, or drawn as a condition.
typedef struct Side {
  const Tables *tables;
  const int64_t *rows; // NULL: 0, 1, …
  int64_t n;
  const double *weights;
  int observed; // SIDE_TRUTH, SIDE_FAKE: the events of which observables are known
} Side;
enum { SIDE_OTHER, SIDE_TRUTH, SIDE_FAKE };

static const Table *table_of(const Tables *tables, const char *column) {
  char name[512];
  snprintf(name, sizeof name, "column:%s", column);
  return tables_find(tables, name);
}

// Files may be in an order of their own; parts of a table must not be.
static int64_t *at_random(const Evaluation *e, int64_t n) {
  int64_t *order = ARENA_ARRAY(e->session->arena, int64_t, n + 1);
  uint64_t key = philox_key(e->session->model->seed, "metrics.order");
  for (int64_t i = 0; i < n; i++) { // each finds its place among those before it
    int64_t place = (int64_t)(philox_uniform(key, (uint64_t)i, 0, 0) * (double)(i + 1));
    order[i] = order[place];
    order[place] = i;
  }
  return order;
}

static bool has_sets(const ModelGenerator *g) {
  bool any = false;
  for (size_t i = 0; i < g->outputs.len; i++) any |= g->outputs.at[i].like->of_set;
  return any;
}

static const Table *numbers_of(const Tables *tables, const ModelOutput *output) { return output->like->of_set ? NULL : table_of(tables, output->column); }

// Observables stand for sets, whose places mean nothing.
static const double *observed(const Evaluation *e, const Side *side, size_t column) {
  const EvalColumn *c = &e->columns.at[column];
  if (!c->observable || c->against || !has_sets(e->generator) || side->observed == SIDE_OTHER) return NULL;
  return side->observed == SIDE_TRUTH ? c->truth : c->fake;
}

bool events_have_numbers(const Evaluation *e) {
  const Side truth = {&e->dataset->tables, e->rows, e->n_truth, e->weights, SIDE_TRUTH};
  bool any = false;
  for (size_t i = 0; i < e->generator->outputs.len; i++) any |= numbers_of(truth.tables, &e->generator->outputs.at[i]) != NULL;
  for (size_t i = 0; i < e->columns.len; i++) any |= observed(e, &truth, i) != NULL;
  return any;
}

// Where the numbers of an event go. An angle is a point of the unit circle, so that its two ends are neighbours.
typedef struct Place {
  double *x;
  bool *paired;
  int at;
} Place;

static void put(Place *place, double value, double period) {
  static const double full = 6.28318530717958647693;
  const bool angle = period > 0;
  place->paired[place->at] = angle;
  place->x[place->at++] = angle ? cos(full * value / period) : value;
  if (angle) place->x[place->at++] = sin(full * value / period);
}

static void put_event(const Evaluation *e, const Side *side, int64_t row, double *numbers, Place *place) {
  const ModelGenerator *g = e->generator;
  for (size_t c = 0; c < g->outputs.len; c++) {
    const Table *t = numbers_of(side->tables, &g->outputs.at[c]);
    if (t == NULL) continue;
    table_row(t, side->rows == NULL ? row : side->rows[row], numbers);
    for (int64_t k = 0; k < t->elements; k++) put(place, numbers[k], g->outputs.at[c].like->period);
  }
  for (size_t c = 0; c < e->columns.len; c++)
    if (observed(e, side, c) != NULL) put(place, observed(e, side, c)[row], e->columns.at[c].period);
}

static void fill(const Evaluation *e, const Side *side, EventTable *out) {
  Arena *arena = e->session->arena;
  const int64_t *order = at_random(e, side->n);
  const ModelGenerator *g = e->generator;
  int most = 1;
  out->d = 0;
  for (size_t i = 0; i < g->outputs.len; i++) {
    const Table *t = numbers_of(&e->dataset->tables, &g->outputs.at[i]);
    if (t == NULL) continue;
    out->d += (int)t->elements * (g->outputs.at[i].like->period > 0 ? 2 : 1);
    if (t->elements > most) most = (int)t->elements;
  }
  for (size_t i = 0; i < e->columns.len; i++) out->d += observed(e, side, i) == NULL ? 0 : e->columns.at[i].period > 0 ? 2 : 1;
  double *numbers = ARENA_ARRAY(arena, double, most);
  out->paired = ARENA_ARRAY(arena, bool, out->d + 1);
  out->x = ARENA_ARRAY(arena, double, side->n * out->d + 1);
  out->weights = side->weights == NULL ? NULL : ARENA_ARRAY(arena, double, side->n + 1);
  out->n = 0;
  for (int64_t i = 0; i < side->n; i++) {
    int64_t row = order[i];
    double *x = out->x + out->n * out->d;
    bool fine = true;
    put_event(e, side, row, numbers, &(Place){x, out->paired, 0});
    for (int k = 0; k < out->d; k++) fine &= isfinite(x[k]) != 0;
    if (fine && out->weights != NULL) out->weights[out->n] = side->weights[row];
    out->n += fine;
  }
}

static void standardise(EventTable *t, const double *mean, const double *std) {
  for (int64_t i = 0; i < t->n; i++)
    for (int k = 0; k < t->d; k++) t->x[i * t->d + k] = (t->x[i * t->d + k] - mean[k]) / std[k];
}

// Mean and standard deviation of the columns; of an angle that of its point, by which the circle stays one.
static void scale_of(Arena *arena, const EventTable *truth, double **means, double **stds) {
  double *mean = ARENA_ARRAY(arena, double, truth->d + 1), *std = ARENA_ARRAY(arena, double, truth->d + 1), total = 0;
  for (int64_t i = 0; i < truth->n; i++) total += truth->weights == NULL ? 1 : truth->weights[i];
  for (int pass = 0; pass < 2; pass++)
    for (int64_t i = 0; i < truth->n; i++)
      for (int k = 0; k < truth->d; k++) {
        double w = (truth->weights == NULL ? 1 : truth->weights[i]) / total, x = truth->x[i * truth->d + k];
        if (pass == 0) mean[k] += w * x;
        else std[k] += w * (x - mean[k]) * (x - mean[k]);
      }
  for (int k = 0; k + 1 < truth->d; k++)
    if (truth->paired[k]) std[k] = std[k + 1] = std[k] + std[k + 1];
  for (int k = 0; k < truth->d; k++) std[k] = std[k] > 0 ? sqrt(std[k]) : 1;
  *means = mean;
  *stds = std;
}

void event_tables(Evaluation *e, EventTable *truth, EventTable *fake) {
  double *mean, *std;
  fill(e, &(Side){&e->dataset->tables, e->rows, e->n_truth, e->weights, SIDE_TRUTH}, truth);
  fill(e, &(Side){&e->fake, NULL, e->n_fake, NULL, SIDE_FAKE}, fake);
  scale_of(e->session->arena, truth, &mean, &std);
  standardise(truth, mean, std);
  standardise(fake, mean, std);
}

// n rows of a table that follow `first`.
static HgmEvents slice(const HgmEvents *e, int64_t first, int64_t n) {
  return (HgmEvents){e->x + first * e->d, e->weights == NULL ? NULL : e->weights + first, n, e->d};
}

static HgmEvents part(const EventTable *t, int64_t first, int64_t n) { return slice(&(HgmEvents){t->x, t->weights, t->n, t->d}, first, n); }

// Events of a batch: each of `batches` takes two of the truth and one of the generated events; at most `most`.
static bool batch_events(int64_t truth, int64_t fake, int batches, int64_t most, int64_t *n, HgmError *error) {
  *n = truth / (2 * batches) < fake / batches ? truth / (2 * batches) : fake / batches;
  if (*n > most) *n = most;
  return *n >= 2 || hgm_fail(error, EXIT_USER, "%lld true and %lld generated events are too few", (long long)truth, (long long)fake);
}

// ---- optimal transport

enum { PAIRS = 4, MOST_EVENTS = 250 };
static const double sinkhorn_epsilon = 0.1;

bool measure_sinkhorn(Evaluation *e, EvalMetric *m, HgmError *error) {
  EventTable truth, fake;
  event_tables(e, &truth, &fake);
  int64_t n;
  if (!batch_events(truth.n, fake.n, PAIRS, MOST_EVENTS, &n, error)) return false;
  double value[PAIRS], floor_[PAIRS];
  for (int k = 0; k < PAIRS; k++) {
    HgmEvents a = part(&truth, 2 * k * n, n), b = part(&truth, (2 * k + 1) * n, n), c = part(&fake, k * n, n);
    if (!hgm_sinkhorn(&a, &c, sinkhorn_epsilon, &value[k], error) || !hgm_sinkhorn(&a, &b, sinkhorn_epsilon, &floor_[k], error)) return false;
  }
  measure_push(e, m, "", mean_of(value, PAIRS), mean_of(floor_, PAIRS));
  m->note = arena_printf(e->session->arena, "mean over %d pairs of %lld events", PAIRS, (long long)n);
  return true;
}

// ---- events without weights

// Of weighted events those that a draw accepts in proportion to their weight, at most `most`, one in so many. Negative weights are refused.
static bool unweighted(Evaluation *e, const EventTable *t, int64_t most, HgmEvents *out, HgmError *error) {
  Arena *arena = e->session->arena;
  double top = 0, *x = ARENA_ARRAY(arena, double, t->n * t->d + 1);
  uint64_t key = philox_key(e->session->model->seed, "metrics.unweighted");
  *out = (HgmEvents){x, NULL, 0, t->d};
  for (int64_t i = 0; t->weights != NULL && i < t->n; i++) {
    if (t->weights[i] < 0) return hgm_fail(error, EXIT_USER, "a true event weighs %g; this metric counts events and takes no negative weights", t->weights[i]);
    top = fmax(top, t->weights[i]);
  }
  for (int64_t i = 0; i < t->n && out->n < most; i++) {
    if (t->weights != NULL && philox_uniform(key, (uint64_t)i, 0, 0) * top > t->weights[i]) continue;
    memcpy(x + out->n * t->d, t->x + i * t->d, sizeof *x * (size_t)t->d);
    out->n++;
  }
  return out->n >= 4 || hgm_fail(error, EXIT_USER, "%lld events are too few", (long long)out->n);
}

// Two halves of the truth, dealt at random, a number of times: mean and spread of what is between them.
typedef bool Between(const HgmEvents *a, const HgmEvents *b, double *distance, HgmError *error);

static bool halves(Evaluation *e, const EventTable *truth, int times, Between *between, HgmEstimate *out, HgmError *error) {
  Arena *arena = e->session->arena;
  int64_t n = truth->n, *rows[2] = {ARENA_ARRAY(arena, int64_t, e->n_truth + 1), ARENA_ARRAY(arena, int64_t, e->n_truth + 1)};
  double *x = ARENA_ARRAY(arena, double, times);
  for (int k = 0; k < times; k++) {
    Evaluation part_of = *e;
    part_of.n_truth = n;
    deal_halves(&part_of, k, rows[0], rows[1]);
    HgmEvents a = {pick(arena, truth->x, truth->d, rows[0], n / 2), pick(arena, truth->weights, 1, rows[0], n / 2), n / 2, truth->d};
    HgmEvents b = {pick(arena, truth->x, truth->d, rows[1], n - n / 2), pick(arena, truth->weights, 1, rows[1], n - n / 2), n - n / 2, truth->d};
    if (!between(&a, &b, &x[k], error)) return false;
  }
  *out = mean_of(x, times);
  return true;
}

// ---- means and covariances

enum { MOMENT_HALVINGS = 8, LIMIT_SIZES = 10, LIMIT_BATCHES = 4 };

static bool of_moments(Evaluation *e, EvalMetric *m, Between *between, HgmError *error) {
  EventTable truth, fake;
  event_tables(e, &truth, &fake);
  HgmEvents a = part(&truth, 0, truth.n), b = part(&fake, 0, fake.n);
  HgmEstimate value = {0, NAN}, floor_;
  if (!between(&a, &b, &value.value, error) || !halves(e, &truth, MOMENT_HALVINGS, between, &floor_, error)) return false;
  measure_push(e, m, "", value, floor_);
  return true;
}

bool measure_covariance(Evaluation *e, EvalMetric *m, HgmError *error) { return of_moments(e, m, hgm_covariance_distance, error); }

// The distance of samples of N events grows with 1 / N: what it is without an end of events is the line's beginning at 1 / N = 0 (Chong and
// Forsyth, CVPR 2020, 1911.07023; Kansal et al. 2211.10295). Its error is that of the fit.
static bool limit(const HgmEvents *a, const HgmEvents *b, HgmEstimate *out, HgmError *error) {
  int64_t n = a->n < b->n ? a->n : b->n, least = n / 10 > 2 * a->d ? n / 10 : 2 * a->d;
  *out = no_estimate;
  if (n < 4 * a->d || n < 100) return true; // too few for a line
  double x[LIMIT_SIZES], y[LIMIT_SIZES], mean_x = 0, mean_y = 0, xx = 0, xy = 0, rest = 0;
  for (int k = 0; k < LIMIT_SIZES; k++) {
    double inverse = 1 / (double)least + k * (1 / (double)n - 1 / (double)least) / (LIMIT_SIZES - 1);
    int64_t size = (int64_t)(1 / inverse + 0.5), batches = n / size < LIMIT_BATCHES ? n / size : LIMIT_BATCHES;
    x[k] = 1 / (double)size, y[k] = 0;
    for (int64_t i = 0; i < batches; i++) {
      HgmEvents p = slice(a, i * size, size), q = slice(b, i * size, size);
      double one;
      if (!hgm_frechet(&p, &q, &one, error)) return false;
      y[k] += one / (double)batches;
    }
    mean_x += x[k] / LIMIT_SIZES, mean_y += y[k] / LIMIT_SIZES;
  }
  for (int k = 0; k < LIMIT_SIZES; k++) xx += (x[k] - mean_x) * (x[k] - mean_x), xy += (x[k] - mean_x) * (y[k] - mean_y);
  double slope = xx > 0 ? xy / xx : 0, begin = mean_y - slope * mean_x;
  for (int k = 0; k < LIMIT_SIZES; k++) rest += (y[k] - begin - slope * x[k]) * (y[k] - begin - slope * x[k]);
  *out = (HgmEstimate){begin, xx > 0 ? sqrt(rest / (LIMIT_SIZES - 2) * (1.0 / LIMIT_SIZES + mean_x * mean_x / xx)) : NAN};
  return true;
}

bool measure_frechet(Evaluation *e, EvalMetric *m, HgmError *error) {
  EventTable truth, fake;
  if (!of_moments(e, m, hgm_frechet, error)) return false;
  event_tables(e, &truth, &fake);
  HgmEvents a = part(&truth, 0, truth.n), b = part(&fake, 0, fake.n), first = part(&truth, 0, truth.n / 2), second = part(&truth, truth.n / 2, truth.n / 2);
  HgmEstimate value, floor_;
  if (!limit(&a, &b, &value, error) || !limit(&first, &second, &floor_, error)) return false;
  measure_push(e, m, "limit", value, floor_);
  return true;
}

// ---- kernels

enum { KERNEL_BATCHES = 10, KERNEL_EVENTS = 1000 };

static int ascending(const void *a, const void *b) {
  double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

// Median over the batches, and half of the range that holds the middle 68 % of them.
static HgmEstimate median(double *x, int n) {
  qsort(x, (size_t)n, sizeof *x, ascending);
  double low = x[(int)(0.16275 * (n - 1) + 0.5)], high = x[(int)(0.83725 * (n - 1) + 0.5)];
  return (HgmEstimate){n % 2 ? x[n / 2] : (x[n / 2 - 1] + x[n / 2]) / 2, (high - low) / 2};
}

bool measure_kernel_distance(Evaluation *e, EvalMetric *m, HgmError *error) {
  EventTable truth, fake;
  HgmEvents a, b;
  event_tables(e, &truth, &fake);
  if (!unweighted(e, &truth, INT64_MAX, &a, error) || !unweighted(e, &fake, INT64_MAX, &b, error)) return false;
  int64_t n;
  if (!batch_events(a.n, b.n, KERNEL_BATCHES, KERNEL_EVENTS, &n, error)) return false;
  double value[KERNEL_BATCHES], floor_[KERNEL_BATCHES];
  for (int k = 0; k < KERNEL_BATCHES; k++) {
    HgmEvents p = slice(&a, 2 * k * n, n), q = slice(&a, (2 * k + 1) * n, n), r = slice(&b, k * n, n);
    value[k] = hgm_kernel_discrepancy(&p, &r);
    floor_[k] = hgm_kernel_discrepancy(&p, &q);
  }
  measure_push(e, m, "", median(value, KERNEL_BATCHES), median(floor_, KERNEL_BATCHES));
  m->note = arena_printf(e->session->arena, "median over %d batches of %lld events", KERNEL_BATCHES, (long long)n);
  return true;
}

// ---- neighbours

enum { NEIGHBOUR_EVENTS = 5000, TRAINING_EVENTS = 20000 };

bool measure_coverage(Evaluation *e, EvalMetric *m, HgmError *error) {
  EventTable truth, fake;
  HgmEvents a, b;
  event_tables(e, &truth, &fake);
  if (!unweighted(e, &truth, 2 * NEIGHBOUR_EVENTS, &a, error) || !unweighted(e, &fake, NEIGHBOUR_EVENTS, &b, error)) return false;
  int64_t n = a.n / 2 < b.n ? a.n / 2 : b.n; // as many of each, so that the truth's own second half is a fair comparison
  HgmEvents p = slice(&a, 0, n), q = slice(&a, n, n), r = slice(&b, 0, n);
  double density[2], coverage[2];
  int k = (int)m->model->numbers[0];
  if (!hgm_coverage(&p, &r, k, &density[0], &coverage[0], error) || !hgm_coverage(&p, &q, k, &density[1], &coverage[1], error)) return false;
  HgmEstimate numbers[2];
  for (int s = 0; s < 2; s++) numbers[s] = (HgmEstimate){coverage[s], sqrt(coverage[s] * (1 - coverage[s]) / (double)n)};
  measure_push(e, m, "", numbers[0], numbers[1]);
  for (int s = 0; s < 2; s++) numbers[s] = (HgmEstimate){density[s], sqrt(density[s] / ((double)n * k))}; // as counts of n k
  measure_push(e, m, "density", numbers[0], numbers[1]);
  return true;
}

// The events that were trained on, in the units of `event_tables`. False: there are none beside those that are judged.
static bool training_events(Evaluation *e, EventTable *out) {
  const int64_t *rows = e->dataset->chosen[SPLIT_TRAIN];
  int64_t n = e->dataset->n[SPLIT_TRAIN] < TRAINING_EVENTS ? e->dataset->n[SPLIT_TRAIN] : TRAINING_EVENTS;
  if (n < 4 || e->rows != e->dataset->chosen[SPLIT_TEST]) return false;
  EventTable truth;
  double *mean, *std;
  fill(e, &(Side){&e->dataset->tables, e->rows, e->n_truth, e->weights, SIDE_OTHER}, &truth);
  scale_of(e->session->arena, &truth, &mean, &std);
  int64_t *some = ARENA_ARRAY(e->session->arena, int64_t, n);
  uint64_t key = philox_key(e->session->model->seed, "metrics.training");
  for (int64_t i = 0; i < n; i++) some[i] = rows[(int64_t)(philox_uniform(key, (uint64_t)i, 0, 0) * (double)e->dataset->n[SPLIT_TRAIN])];
  fill(e, &(Side){&e->dataset->tables, some, n, NULL, SIDE_OTHER}, out);
  standardise(out, mean, std);
  return out->n >= 4;
}

static HgmEstimate middle(double *x, int64_t n) {
  qsort(x, (size_t)n, sizeof *x, ascending);
  double spread = n > 1 ? (x[(int64_t)(0.75 * (double)(n - 1))] - x[(int64_t)(0.25 * (double)(n - 1))]) / 1.349 : NAN;
  return (HgmEstimate){n > 0 ? x[n / 2] : NAN, 1.2533 * spread / sqrt((double)n)}; // the error of a median of normal numbers
}

// How far generated events lie from the nearest event that was trained on, in units of what true events that were not trained on have:
// 1 is ideal, far below 1 the generator repeats what it has seen. `.copies`: the share that lies nearer than 1 % of true events do.
bool measure_nearest(Evaluation *e, EvalMetric *m, HgmError *error) {
  Arena *arena = e->session->arena;
  EventTable truth, fake, seen;
  HgmEvents a, b;
  if (has_sets(e->generator)) return hgm_fail(error, EXIT_USER, "events that are sets have no distance from each other");
  event_tables(e, &truth, &fake);
  if (!training_events(e, &seen)) {
    measure_push(e, m, "", no_estimate, no_estimate);
    m->note = "no event of the training stands beside those that are judged: evaluate on its file, with a test part in `split`";
    return true;
  }
  if (!unweighted(e, &truth, NEIGHBOUR_EVENTS, &a, error) || !unweighted(e, &fake, NEIGHBOUR_EVENTS, &b, error)) return false;
  HgmEvents among = {seen.x, NULL, seen.n, seen.d};
  double *of_truth = ARENA_ARRAY(arena, double, a.n + 1), *of_fake = ARENA_ARRAY(arena, double, b.n + 1);
  HgmPool *pool = e->session->pool;
  if (!hgm_nearest(&a, &among, pool, of_truth, error) || !hgm_nearest(&b, &among, pool, of_fake, error)) return false;
  HgmEstimate value = middle(of_fake, b.n), unit = middle(of_truth, a.n);
  double few = of_truth[a.n / 100], copies = 0;
  for (int64_t i = 0; i < b.n; i++) copies += of_fake[i] < few;
  copies /= (double)b.n;
  measure_push(e, m, "", (HgmEstimate){value.value / unit.value, value.error / unit.value}, (HgmEstimate){1, unit.error / unit.value});
  measure_push(e, m, "copies", (HgmEstimate){copies, sqrt(copies * (1 - copies) / (double)b.n)}, (HgmEstimate){0.01, sqrt(0.01 * 0.99 / (double)a.n)});
  return true;
}

// ---- pixels

enum { PIXEL_BINS = 40, FEW_PIXELS = 16, PIXEL_HALVINGS = 16 };

// Shares of the pixels of all images of some events: bin 0 those that are not positive, then bins of log10 over the truth's range.
static void pixel_shares(const Evaluation *e, const Side *side, double low, double high, double *shares) {
  double total = 0;
  memset(shares, 0, sizeof *shares * (PIXEL_BINS + 1));
  for (size_t i = 0; i < e->generator->outputs.len; i++) {
    const Table *t = table_of(side->tables, e->generator->outputs.at[i].column);
    if (t == NULL || t->elements < FEW_PIXELS || e->generator->outputs.at[i].like->of_set) continue;
    for (int64_t row = 0; row < side->n; row++) {
      const int64_t first = (side->rows == NULL ? row : side->rows[row]) * t->elements;
      double w = side->weights == NULL ? 1 : side->weights[row];
      for (int64_t k = 0; k < t->elements; k++) {
        double x = table_number(t, first + k), place = x > 0 ? (log10(x) - low) / (high - low) * PIXEL_BINS : -1;
        int bin = !(x > 0) ? 0 : place < 0 ? 1 : place >= PIXEL_BINS ? PIXEL_BINS : 1 + (int)place;
        shares[bin] += w;
        total += w;
      }
    }
  }
  for (int b = 0; b <= PIXEL_BINS; b++) shares[b] /= total;
}

// log10 of the smallest and largest positive pixel of the truth. False: there are no images.
static bool pixel_range(const Evaluation *e, double *low, double *high) {
  *low = INFINITY, *high = -INFINITY;
  for (size_t i = 0; i < e->generator->outputs.len; i++) {
    const Table *t = table_of(&e->dataset->tables, e->generator->outputs.at[i].column);
    if (e->generator->outputs.at[i].like->of_set) continue;
    for (int64_t row = 0; t != NULL && t->elements >= FEW_PIXELS && row < e->n_truth; row++)
      for (int64_t k = 0; k < t->elements; k++) {
        double x = table_number(t, e->rows[row] * t->elements + k);
        if (x > 0) *low = fmin(*low, log10(x)), *high = fmax(*high, log10(x));
      }
  }
  if (*low == *high) *high += 1;
  return *low < *high;
}

bool measure_pixels(Evaluation *e, EvalMetric *m, HgmError *error) {
  Arena *arena = e->session->arena;
  double low, high, p[PIXEL_BINS + 1], q[PIXEL_BINS + 1], x[PIXEL_HALVINGS];
  if (!pixel_range(e, &low, &high)) return hgm_fail(error, EXIT_USER, "no column is an image: none has %d numbers, some of them positive", FEW_PIXELS);
  int64_t n = e->n_truth, *rows[2] = {ARENA_ARRAY(arena, int64_t, n + 1), ARENA_ARRAY(arena, int64_t, n + 1)};
  for (int k = 0; k < PIXEL_HALVINGS; k++) {
    deal_halves(e, k, rows[0], rows[1]);
    Side half[2] = {{&e->dataset->tables, NULL, n / 2, NULL, SIDE_OTHER}, {&e->dataset->tables, NULL, n - n / 2, NULL, SIDE_OTHER}};
    for (int s = 0; s < 2; s++) {
      half[s].weights = pick(arena, e->weights, 1, rows[s], half[s].n);
      for (int64_t i = 0; i < half[s].n; i++) rows[s][i] = e->rows[rows[s][i]];
      half[s].rows = rows[s];
      pixel_shares(e, &half[s], low, high, s == 0 ? p : q);
    }
    x[k] = hgm_bins_js(p, q, PIXEL_BINS + 1);
  }
  pixel_shares(e, &(Side){&e->dataset->tables, e->rows, n, e->weights, SIDE_TRUTH}, low, high, p);
  pixel_shares(e, &(Side){&e->fake, NULL, e->n_fake, NULL, SIDE_FAKE}, low, high, q);
  measure_push(e, m, "", (HgmEstimate){hgm_bins_js(p, q, PIXEL_BINS + 1), NAN}, mean_of(x, PIXEL_HALVINGS));
  return true;
}
