#include "compiler/driver/measure.h"

#include <math.h>
#include <string.h>

#include "compiler/driver/build.h"
#include "runtime/metrics_bins.h"
#include "runtime/philox.h"

enum { HALVINGS = 16, CLASS_BINS = 40, CURVE_POINTS = 200 };

static Measure *const measures[METRIC_COUNT] = {
    [METRIC_CHI2] = measure_chi2,
    [METRIC_JS] = measure_js,
    [METRIC_SIGMA_SD] = measure_sigma_sd,
    [METRIC_COVARIANCE] = measure_covariance,
    [METRIC_FRECHET] = measure_frechet,
    [METRIC_KERNEL_DISTANCE] = measure_kernel_distance,
    [METRIC_SINKHORN] = measure_sinkhorn,
    [METRIC_COVERAGE] = measure_coverage,
    [METRIC_NEAREST] = measure_nearest,
    [METRIC_PIXELS] = measure_pixels,
    [METRIC_CLASSIFIER] = measure_classifier,
    [METRIC_ROC] = measure_roc,
    [METRIC_CONFUSION] = measure_confusion,
    [METRIC_PROFILE] = measure_profile,
    [METRIC_CALIBRATION] = measure_calibration,
    [METRIC_NLL] = measure_nll,
    [METRIC_INVERSION] = measure_inversion,
    [METRIC_MODES] = measure_modes,
    [METRIC_HOLES] = measure_holes,
};

bool measure(Evaluation *e, EvalMetric *m, HgmError *error) {
  Measure *compute = measures[m->model->kind];
  if (m->measured || compute == NULL) return true;
  m->measured = true;
  if (metric_info[m->model->kind].of <= METRIC_OF_EVENT && e->generator == NULL)
    return hgm_fail(error, EXIT_USER, "%s compares generated events, and there is no `generate` block", m->model->text);
  if (metric_info[m->model->kind].of == METRIC_OF_EVENT && !events_have_numbers(e))
    return hgm_fail(error, EXIT_USER, "%s looks at numbers, and what is generated is a set: give observables of it, like `observables jet_cloud(cloud)`",
                    m->model->text);
  return compute(e, m, error) || hgm_context(error, "%s", m->model->text);
}

// ---- what they share

EvalNumber *measure_push(Evaluation *e, EvalMetric *m, const char *name, HgmEstimate value, HgmEstimate truth) {
  VEC_PUSH(e->session->arena, &m->numbers, (EvalNumber){.name = name, .value = value, .truth = truth});
  return &m->numbers.at[m->numbers.len - 1];
}

EvalFigure *measure_figure(Evaluation *e, EvalMetric *m, const char *x_title, const char *y_title) {
  VEC_PUSH(e->session->arena, &m->figures, (EvalFigure){.title = m->model->text, .x_title = x_title, .y_title = y_title});
  return &m->figures.at[m->figures.len - 1];
}

void measure_curve(Evaluation *e, EvalFigure *figure, const HgmRoc *roc, const char *name, bool is_truth) {
  Arena *arena = e->session->arena;
  int64_t n = roc->n < CURVE_POINTS ? roc->n : CURVE_POINTS;
  double *x = ARENA_ARRAY(arena, double, n + 1), *y = ARENA_ARRAY(arena, double, n + 1);
  for (int64_t i = 0; i < n; i++) {
    int64_t at = n > 1 ? i * (roc->n - 1) / (n - 1) : 0;
    x[i] = roc->false_rate[at], y[i] = roc->true_rate[at];
  }
  VEC_PUSH(arena, &figure->series, (EvalSeries){name, x, y, NULL, n, is_truth});
}

HgmEstimate mean_of(const double *x, int n) {
  double sum = 0, squares = 0;
  int kept = 0;
  for (int i = 0; i < n; i++)
    if (isfinite(x[i])) sum += x[i], kept++;
  for (int i = 0; i < n; i++)
    if (isfinite(x[i])) squares += (x[i] - sum / kept) * (x[i] - sum / kept);
  if (kept == 0) return no_estimate;
  return (HgmEstimate){sum / kept, kept > 1 ? sqrt(squares / (kept - 1)) : NAN};
}

HgmEstimate weighted_mean(const double *x, const double *weights, int64_t n) {
  double total = 0, sum = 0, squares = 0;
  for (int64_t i = 0; i < n; i++) {
    double w = weights == NULL ? 1 : weights[i];
    total += w;
    sum += w * x[i];
  }
  double mean = sum / total;
  for (int64_t i = 0; i < n; i++) {
    double w = weights == NULL ? 1 : weights[i];
    squares += w * w * (x[i] - mean) * (x[i] - mean);
  }
  return (HgmEstimate){mean, sqrt(squares) / fabs(total)};
}

void deal_halves(const Evaluation *e, int number, int64_t *first, int64_t *second) {
  uint64_t key = philox_key(e->session->model->seed, "metrics.halves");
  int64_t n = e->n_truth, want = n / 2, a = 0, b = 0;
  for (int64_t i = 0; i < n; i++) {
    double chance = (double)(want - a) / (double)(n - i);
    if (philox_uniform(key, (uint64_t)number, 0, (uint64_t)i) < chance) first[a++] = i;
    else second[b++] = i;
  }
}

const double *pick(Arena *arena, const double *x, int64_t elements, const int64_t *rows, int64_t n) {
  if (x == NULL) return NULL;
  double *out = ARENA_ARRAY(arena, double, n *elements + 1);
  for (int64_t i = 0; i < n; i++) memcpy(out + i * elements, x + rows[i] * elements, sizeof *out * (size_t)elements);
  return out;
}

// ---- histograms of columns

typedef double Distance(const double *p, const double *q, int n);

typedef struct Histograms {
  Evaluation *e;
  double low, high;
  int bins;
  Distance *distance;
} Histograms;

static bool apart(const Histograms *h, const HgmSample *a, const HgmSample *b, double *out, HgmError *error) {
  double *p = ARENA_ARRAY(h->e->session->arena, double, 2 * h->bins + 1), *q = p + h->bins;
  if (!hgm_histogram(a, h->low, h->high, h->bins, p, error) || !hgm_histogram(b, h->low, h->high, h->bins, q, error)) return false;
  *out = h->distance(p, q, h->bins);
  return true;
}

static void range_of(Histograms *h, const EvalColumn *c) {
  const ModelEvaluate *block = h->e->session->model->evaluate;
  HgmSample truth = evaluate_truth(h->e, c);
  hgm_range(&truth, &h->low, &h->high);
  for (size_t i = 0; c->observable && i < block->list.len; i++)
    if (block->list.at[i].has_range && strcmp(block->list.at[i].name, c->name) == 0) h->low = block->list.at[i].low, h->high = block->list.at[i].high;
}

static HgmEstimate halves_apart(const Histograms *h, const EvalColumn *c) {
  Arena *arena = h->e->session->arena;
  HgmSample truth = evaluate_truth(h->e, c);
  Evaluation part = *h->e;
  int64_t n = part.n_truth = truth.n, *a = ARENA_ARRAY(arena, int64_t, n + 1), *b = ARENA_ARRAY(arena, int64_t, n + 1);
  double x[HALVINGS];
  HgmError ignored = {0}; // a half whose negative weights win cannot be compared
  for (int k = 0; k < HALVINGS; k++) {
    deal_halves(&part, k, a, b);
    HgmSample first = {pick(arena, c->truth, 1, a, n / 2), pick(arena, truth.weights, 1, a, n / 2), n / 2, 0};
    HgmSample second = {pick(arena, c->truth, 1, b, n - n / 2), pick(arena, truth.weights, 1, b, n - n / 2), n - n / 2, 0};
    if (!apart(h, &first, &second, &x[k], &ignored)) x[k] = NAN;
  }
  return mean_of(x, HALVINGS);
}

// The mean and the worst of numbers that were pushed for every column.
static void summarise(Evaluation *e, EvalMetric *m) {
  size_t n = m->numbers.len;
  double sum[3] = {0}, worst = -INFINITY;
  EvalNumber top = {0};
  for (size_t i = 0; i < n; i++) {
    const EvalNumber *x = &m->numbers.at[i];
    sum[0] += x->value.value / (double)n, sum[1] += x->truth.value / (double)n, sum[2] += x->truth.error / (double)n;
    if (x->value.value > worst) worst = x->value.value, top = *x;
    m->numbers.at[i].detail = true;
  }
  if (n == 0) return;
  measure_push(e, m, "", (HgmEstimate){sum[0], NAN}, (HgmEstimate){sum[1], sum[2]});
  measure_push(e, m, "worst", top.value, top.truth);
  m->note = arena_printf(e->session->arena, "the worst is %s", top.name);
}

static bool of_histograms(Evaluation *e, EvalMetric *m, Distance *distance, HgmError *error) {
  for (size_t i = 0; i < e->columns.len; i++) {
    const EvalColumn *c = &e->columns.at[i];
    Histograms h = {.e = e, .bins = (int)m->model->numbers[0], .distance = distance};
    HgmEstimate value = {0, NAN};
    range_of(&h, c);
    HgmSample truth = evaluate_truth(e, c), fake = {c->fake, NULL, e->n_fake, c->period};
    if (!apart(&h, &truth, &fake, &value.value, error)) return hgm_context(error, "%s", c->name);
    measure_push(e, m, c->name, value, halves_apart(&h, c));
  }
  summarise(e, m);
  return true;
}

bool measure_chi2(Evaluation *e, EvalMetric *m, HgmError *error) { return of_histograms(e, m, hgm_bins_chi2, error); }
bool measure_js(Evaluation *e, EvalMetric *m, HgmError *error) { return of_histograms(e, m, hgm_bins_js, error); }

// ---- by class

static HgmSample of_class(Arena *arena, const double *x, const double *weights, const double *classes, const int64_t *rows, int64_t n, double which) {
  double *values = ARENA_ARRAY(arena, double, n + 1), *w = ARENA_ARRAY(arena, double, n + 1);
  int64_t kept = 0;
  for (int64_t i = 0; i < n; i++) {
    int64_t row = rows == NULL ? i : rows[i];
    if (classes[row] != which) continue;
    w[kept] = weights == NULL ? 1 : weights[row];
    values[kept++] = x[row];
  }
  return (HgmSample){values, w, kept, 0};
}

// Two samples of one column with their classes; rows NULL: all.
typedef struct Sided {
  const double *x, *weights, *classes;
  const int64_t *rows;
  int64_t n;
} Sided;

// The largest over the classes that both have; NaN where there is none.
static double largest_of_classes(const Histograms *h, const Sided *a, const Sided *b, size_t classes) {
  Arena *arena = h->e->session->arena;
  double most = NAN, x;
  HgmError ignored = {0};
  for (size_t c = 0; c < classes; c++) {
    HgmSample p = of_class(arena, a->x, a->weights, a->classes, a->rows, a->n, (double)c);
    HgmSample q = of_class(arena, b->x, b->weights, b->classes, b->rows, b->n, (double)c);
    if (apart(h, &p, &q, &x, &ignored)) most = fmax(most, x);
  }
  return most;
}

bool measure_sigma_sd(Evaluation *e, EvalMetric *m, HgmError *error) {
  Arena *arena = e->session->arena;
  bool any_observable = false;
  int64_t n = e->n_truth, *first = ARENA_ARRAY(arena, int64_t, n + 1), *second = ARENA_ARRAY(arena, int64_t, n + 1);
  if (m->fake[0] == NULL) return hgm_fail(error, EXIT_USER, "generated events have no such class: generate it, or say `generate given`");
  for (size_t i = 0; i < e->columns.len; i++) any_observable |= e->columns.at[i].observable;
  for (size_t i = 0; i < e->columns.len; i++) {
    const EvalColumn *c = &e->columns.at[i];
    if ((any_observable && !c->observable) || c->against) continue; // an image has observables for this; and classes are of the truth's events
    Histograms h = {.e = e, .bins = CLASS_BINS, .distance = hgm_bins_earth};
    range_of(&h, c);
    Sided truth = {c->truth, e->weights, m->truth[0], NULL, n}, fake = {c->fake, NULL, m->fake[0], NULL, e->n_fake}, half = truth, other = truth;
    double x[HALVINGS];
    for (int k = 0; k < HALVINGS; k++) {
      deal_halves(e, k, first, second);
      half.rows = first, half.n = n / 2, other.rows = second, other.n = n - n / 2;
      x[k] = largest_of_classes(&h, &half, &other, m->model->classes.len);
    }
    measure_push(e, m, c->name, (HgmEstimate){largest_of_classes(&h, &truth, &fake, m->model->classes.len), NAN}, mean_of(x, HALVINGS));
  }
  summarise(e, m);
  return true;
}

// ---- numbers for formulas

static bool of_columns(const Evaluation *e, bool ks, const char *member, double *value) {
  *value = 0;
  for (size_t i = 0; i < e->columns.len; i++) {
    const EvalColumn *c = &e->columns.at[i];
    double x = ks ? c->distance.ks : c->distance.w1;
    if (member != NULL && strcmp(member, c->name) == 0) {
      *value = x;
      return true;
    }
    if (member == NULL) *value += x / (double)e->columns.len;
    else if (x > *value) *value = x;
  }
  return e->columns.len > 0 && (member == NULL || strcmp(member, "worst") == 0);
}

static EvalMetric *metric_at(Evaluation *e, const ModelMetric *model) {
  for (size_t i = 0; i < e->metrics.len; i++)
    if (e->metrics.at[i].model == model) return &e->metrics.at[i];
  return NULL;
}

bool evaluate_compares(const EvalMetric *m, const EvalNumber *x) { return m->fake[0] != NULL || !isnan(x->value.value) || isnan(x->truth.value); }

static bool of_metric(Evaluation *e, const ModelMetricUse *use, double *value) {
  EvalMetric *m = metric_at(e, use->metric);
  const char *name = metric_is_itself(&metric_info[use->metric->kind], use->member.text) ? "" : use->member.text;
  if (use->at > 0) name = arena_printf(e->session->arena, "%s(%g)", name, use->at);
  if (m == NULL) return false;
  if (!measure(e, m, &e->error)) {
    e->failed = true;
    return false;
  }
  for (size_t i = 0; i < m->numbers.len; i++)
    if (strcmp(m->numbers.at[i].name, name) == 0) {
      *value = m->numbers.at[i].value.value;
      if (evaluate_compares(m, &m->numbers.at[i])) return true;
      e->failed = true;
      return hgm_fail(&e->error, EXIT_USER, "no generated events have all columns of `%s` to compare", m->model->text);
    }
  return false;
}

static bool of_all_events(const Evaluation *e, const char *output, double *value) {
  const IrFn *whole = e->session->model->evaluate->whole;
  for (size_t i = 0; e->whole != NULL && i < whole->outputs.len; i++)
    if (strcmp(whole->outputs.at[i].name, output) == 0) {
      *value = e->whole[i];
      return true;
    }
  return false;
}

// Asked once, the sampler is built for it.
static bool sampler_bytes(Evaluation *e, double *value) {
  if (e->sampler_bytes == 0 && !e->failed) e->failed = e->run == NULL || !build_sampler_bytes(e->session->options, e->run, &e->sampler_bytes, &e->error);
  *value = e->sampler_bytes;
  return !e->failed;
}

bool evaluate_number(void *data, const ModelMetricUse *use, double *value) {
  Evaluation *e = data;
  if (use->output != NULL) return of_all_events(e, use->output, value);
  switch (use->metric->kind) {
  case METRIC_WASSERSTEIN: return of_columns(e, false, use->member.text, value);
  case METRIC_KS: return of_columns(e, true, use->member.text, value);
  case METRIC_SPEARMAN: *value = e->spearman; return e->generator != NULL;
  case METRIC_CORRELATIONS: *value = e->pearson; return e->generator != NULL;
  case METRIC_PARAMETERS: *value = e->parameters; return true;
  case METRIC_EVENTS_PER_SECOND: *value = e->events_per_second; return e->generator != NULL;
  case METRIC_TRAINING_TIME: *value = e->training_seconds; return true;
  case METRIC_SAMPLER_BYTES: return sampler_bytes(e, value);
  default: return of_metric(e, use, value);
  }
}

bool evaluate_listed(Evaluation *e, HgmError *error) {
  if (!evaluate_correlations(e, e->session->arena, e->session->model->seed, error)) return false;
  for (size_t i = 0; i < e->metrics.len; i++)
    if (e->metrics.at[i].model->listed && !measure(e, &e->metrics.at[i], error)) return false;
  return true;
}
