// An evaluation for people (the terminal), for programs (JSON), and its assertions.
#include <errno.h>
#include <jansson.h>
#include <math.h>
#include <string.h>

#include "compiler/driver/evaluate.h"

// ---- the terminal

static void print_distance(FILE *out, int width, const char *name, const HgmDistance *d, const HgmFloor *f) {
  fprintf(out, "%-*s  %.4f  (%.4f +- %.4f)   %.4f  (%.4f +- %.4f)\n", width, name, d->w1, f->w1, f->w1_error, d->ks, f->ks, f->ks_error);
  if (d->left_out > 0) fprintf(out, "%-*s  %lld values that are not finite were left out\n", width, "", (long long)d->left_out);
}

size_t evaluate_elements(const Evaluation *e, size_t first) {
  const char *array = e->columns.at[first].array;
  size_t n = 1;
  while (array != NULL && first + n < e->columns.len && e->columns.at[first + n].array == array) n++;
  return n;
}

EvalColumn evaluate_mean(const EvalColumn *elements, size_t n) {
  EvalColumn mean = {.name = elements->array};
  for (size_t k = 0; k < n; k++) {
    const HgmDistance *d = &elements[k].distance;
    const HgmFloor *f = &elements[k].floor;
    mean.distance.w1 += d->w1 / (double)n, mean.distance.ks += d->ks / (double)n, mean.distance.left_out += d->left_out;
    mean.floor.w1 += f->w1 / (double)n, mean.floor.w1_error += f->w1_error / (double)n;
    mean.floor.ks += f->ks / (double)n, mean.floor.ks_error += f->ks_error / (double)n;
  }
  return mean;
}

// Of many elements their mean, and the worst.
static void print_array(FILE *out, int width, const EvalColumn *c, size_t n) {
  EvalColumn mean = evaluate_mean(c, n);
  const EvalColumn *worst = c;
  for (size_t k = 0; k < n; k++)
    if (c[k].distance.w1 > worst->distance.w1) worst = &c[k];
  print_distance(out, width, mean.name, &mean.distance, &mean.floor);
  fprintf(out, "%-*s  mean of %zu numbers (report.html and evaluation.json have each); the worst:\n", width, "", n);
  print_distance(out, width, worst->name, &worst->distance, &worst->floor);
}

static void print_columns(FILE *out, const Evaluation *e) {
  int width = 10;
  for (size_t i = 0; i < e->columns.len; i++)
    if ((int)strlen(e->columns.at[i].name) > width) width = (int)strlen(e->columns.at[i].name);
  fprintf(out, "%lld generated events against %lld of the truth; in brackets: truth against truth (halves)\n\n", (long long)e->n_fake, (long long)e->n_truth);
  fprintf(out, "%-*s  %-28s  %s\n", width, "column", "Wasserstein / std", "Kolmogorov-Smirnov");
  for (size_t i = 0, n; i < e->columns.len; i += n) {
    n = evaluate_elements(e, i);
    if (n > EVALUATE_FEW) print_array(out, width, &e->columns.at[i], n);
    else
      for (size_t k = i; k < i + n; k++) print_distance(out, width, e->columns.at[k].name, &e->columns.at[k].distance, &e->columns.at[k].floor);
  }
  if (e->columns.len < 2) return;
  const HgmCorrelationFloor *f = &e->correlation_floor;
  fprintf(out, "\nlargest difference of a Spearman correlation: %.4f  (%.4f +- %.4f), %s and %s\n", e->spearman, f->spearman, f->spearman_error,
          e->columns.at[e->spearman_pair[0]].name, e->columns.at[e->spearman_pair[1]].name);
  fprintf(out, "largest difference of a Pearson correlation:  %.4f  (%.4f +- %.4f), %s and %s\n", e->pearson, f->pearson, f->pearson_error,
          e->columns.at[e->pearson_pair[0]].name, e->columns.at[e->pearson_pair[1]].name);
}

// "0.8123 +- 0.0021", or "0.8123" where no error is known.
static void print_estimate(FILE *out, HgmEstimate x) {
  fprintf(out, "%.5g", x.value);
  if (isfinite(x.error)) fprintf(out, " +- %.2g", x.error);
}

static int print_name(FILE *out, const EvalMetric *m, const EvalNumber *x) {
  return fprintf(out, "%s%s%s", m->model->text, x->name[0] != '\0' ? "." : "", x->name);
}

static void print_metric(FILE *out, const EvalMetric *m) {
  for (size_t i = 0; i < m->numbers.len; i++) {
    const EvalNumber *x = &m->numbers.at[i];
    if (x->detail) continue;
    print_name(out, m, x);
    fprintf(out, ": ");
    if (!evaluate_compares(m, x)) fprintf(out, "not compared");
    else if (isnan(x->value.value)) fprintf(out, "not known");
    else print_estimate(out, x->value);
    if (!isnan(x->truth.value)) {
      fprintf(out, "  (%s%s", m->beside != NULL ? m->beside : "", m->beside != NULL ? ": " : "");
      print_estimate(out, x->truth);
      fprintf(out, ")");
    }
    fprintf(out, "\n");
  }
  if (m->note != NULL) fprintf(out, "  %s\n", m->note);
}

void evaluate_print(FILE *out, const Evaluation *e) {
  if (e->generator != NULL || e->session == NULL) print_columns(out, e);
  else fprintf(out, "%lld events; nothing is generated, so metrics look at the truth alone\n", (long long)e->n_truth);
  bool first = true;
  for (size_t i = 0; i < e->metrics.len; i++) {
    if (e->metrics.at[i].numbers.len > 0 && first) fprintf(out, "\n");
    first &= e->metrics.at[i].numbers.len == 0;
    print_metric(out, &e->metrics.at[i]);
  }
}

// ---- JSON

static json_t *number(double x) { return isfinite(x) ? json_real(x) : json_null(); }

static json_t *column_json(const EvalColumn *c) {
  return json_pack("{s:o, s:o, s:o, s:o, s:o, s:o, s:I}", "wasserstein", number(c->distance.w1), "wasserstein_floor", number(c->floor.w1),
                   "wasserstein_floor_error", number(c->floor.w1_error), "ks", number(c->distance.ks), "ks_floor", number(c->floor.ks), "ks_floor_error",
                   number(c->floor.ks_error), "left_out", (json_int_t)c->distance.left_out);
}

static json_t *metric_json(const EvalMetric *m) {
  json_t *all = json_object();
  for (size_t i = 0; i < m->numbers.len; i++) {
    const EvalNumber *x = &m->numbers.at[i];
    json_t *one = json_pack("{s:o, s:o, s:o, s:o}", "value", number(x->value.value), "error", number(x->value.error), "truth", number(x->truth.value),
                            "truth_error", number(x->truth.error));
    json_object_set_new(all, x->name[0] != '\0' ? x->name : "metric", one);
  }
  return all;
}

bool evaluate_write_json(const Evaluation *e, const char *path, HgmError *error) {
  json_t *columns = json_object(), *metrics = json_object();
  for (size_t i = 0; i < e->columns.len; i++) json_object_set_new(columns, e->columns.at[i].name, column_json(&e->columns.at[i]));
  for (size_t i = 0; i < e->metrics.len; i++)
    if (e->metrics.at[i].numbers.len > 0) json_object_set_new(metrics, e->metrics.at[i].model->text, metric_json(&e->metrics.at[i]));
  json_t *all = json_pack("{s:I, s:I, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "truth", (json_int_t)e->n_truth, "generated", (json_int_t)e->n_fake,
                          "spearman", number(e->spearman), "spearman_floor", number(e->correlation_floor.spearman), "spearman_floor_error",
                          number(e->correlation_floor.spearman_error), "correlations", number(e->pearson), "correlations_floor",
                          number(e->correlation_floor.pearson), "correlations_floor_error", number(e->correlation_floor.pearson_error), "events_per_second",
                          number(e->events_per_second), "columns", columns, "metrics", metrics);
  bool standard = strcmp(path, "-") == 0;
  errno = 0;
  int failed = standard ? json_dumpf(all, stdout, JSON_INDENT(2)) : json_dump_file(all, path, JSON_INDENT(2));
  if (standard) fputc('\n', stdout);
  json_decref(all);
  return failed == 0 || hgm_fail(error, EXIT_ENVIRONMENT, "cannot write %s: %s", path, strerror(errno));
}

// ---- assertions

static const char *text_of(const Session *session, Span span, int *line) {
  SourceFile *file = source_of(session->sources, span);
  int column;
  *line = 0;
  if (file == NULL) return "assert";
  source_position(session->sources, span.begin, line, &column);
  return arena_strndup(session->arena, file->text + (span.begin - file->base), span.end - span.begin);
}

bool evaluate_assertions(Evaluation *e, const Session *session) {
  const ModelEvaluate *block = session->model->evaluate;
  bool all = true;
  for (size_t i = 0; block != NULL && i < block->asserts.len; i++) {
    const AstExpr *expr = block->asserts.at[i];
    double value;
    const char *unknown = NULL;
    int line;
    const char *text = text_of(session, expr->span, &line);
    bool known = model_formula(block, expr, evaluate_number, e, &value, &unknown);
    if (known && value != 0) continue;
    all = false;
    if (known) fprintf(stderr, "assert failed (line %d): %s\n", line, text);
    else if (e->failed) fprintf(stderr, "assert cannot be computed (line %d): %s: %s\n", line, text, e->error.text);
    else fprintf(stderr, "assert cannot be computed (line %d): %s: there is no `%s` here\n", line, text, unknown != NULL ? unknown : "?");
  }
  return all;
}
