#include "compiler/driver/report.h"

#include <dirent.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "compiler/driver/course.h"
#include "compiler/driver/gallery.h"
#include "compiler/driver/images.h"
#include "compiler/driver/plot.h"
#include "compiler/driver/text_file.h"

enum { MOST_CURVES = 6, MOST_SAMPLES = 12, MOST_PICTURES = 200, MOST_ELEMENTS = 20 };

static const char head[] =
    "<!doctype html><html lang=en><meta charset=utf-8><meta name=viewport content='width=device-width'>\n"
    "<style>body{font:14px/1.45 system-ui,sans-serif;margin:2em auto;max-width:1320px;padding:0 1em;color:#1f2328}\n"
    "h1{font-size:22px}h2{font-size:17px;margin-top:2em}table{border-collapse:collapse}table+table,details+table{margin-top:1em}td,th{padding:2px 14px 2px "
    "0;text-align:left;vertical-align:top}\n"
    "th{border-bottom:1px solid "
    "#d0d7de;font-weight:600}td.n,th.n{text-align:right;font-variant-numeric:tabular-nums}td.far,p.far{color:#b42318;font-weight:600}\n"
    "svg{font:10.5px system-ui,sans-serif;margin:4px 6px 4px 0}svg .title{font-size:13px;font-weight:600}svg text{fill:#1f2328}\n"
    ".frame{fill:none;stroke:#57606a}.tick{stroke:#57606a;fill:none}.truth{fill:#d8dee4;stroke:#8c959f}.fake{fill:none;stroke:#1f6feb;stroke-width:1.5}\n"
    ".beyond{fill:#1f6feb}.bar{fill:none;stroke:#8c959f;stroke-width:1.5}.dot{fill:#1f6feb}.band{fill:#d8dee4}.one{stroke:#8c959f;fill:none;stroke-dasharray:3 "
    "3}figure{display:inline-block;margin:4px 10px 4px 0}figcaption,p.key{color:#57606a}code{font-size:13px}"
    "details{margin:.6em 0}.pair{display:flex}.pair figure{min-width:0}.pair img{max-width:100%}</style>\n";

static void fact(FILE *out, const char *name, const char *value) {
  fprintf(out, "<tr><td>%s<td>", name);
  plot_text(out, value);
  fprintf(out, "\n");
}

static void facts(FILE *out, const Report *r, Arena *scratch) {
  const HgmManifest *m = r->manifest;
  fprintf(out, "<table>\n");
  fact(out, "parameters", arena_printf(scratch, "%.0f", r->evaluation->parameters));
  fact(out, "drawn", arena_printf(scratch, "%.0f events/s", r->evaluation->events_per_second));
  for (int d = 0; d < m->n_data; d++)
    for (int f = 0; f < m->data[d].n_files; f++)
      fact(out, m->data[d].role,
           arena_printf(scratch, "%s (%lld rows), sha256 %.12s", m->data[d].files[f].path, (long long)m->data[d].rows, m->data[d].files[f].sha256));
  const char *params = "";
  for (int i = 0; i < m->n_params; i++) params = arena_printf(scratch, "%s%s%s = %s", params, i > 0 ? ", " : "", m->params[i].name, m->params[i].value);
  if (m->n_params > 0) fact(out, "params", params);
  fact(out, "seed", arena_printf(scratch, "%llu, %s", (unsigned long long)m->seed, m->precision));
  fact(out, "hgm", arena_printf(scratch, "%s on %s, %s", m->version, m->cpu, m->created != NULL ? m->created : ""));
  fprintf(out, "</table>\n");
}

// ---- the course of training

static bool is_loss(const char *name) { return strstr(name, "loss") != NULL || strcmp(name, "validation") == 0 || strcmp(name, "watched") == 0; }
static bool is_accuracy(const char *name) { return strstr(name, ": accuracy of ") != NULL; }

static bool ends_with(const char *name, const char *end) { return strlen(name) >= strlen(end) && strcmp(name + strlen(name) - strlen(end), end) == 0; }

// What the last epochs say of a game.
static void trouble(FILE *out, const Course *course, Arena *arena) {
  for (size_t c = 0; c < course->names.len; c++) {
    const char *name = course->names.at[c], *text = NULL, *block = strstr(name, "loss of ");
    const double *y = course_column(course, name, arena);
    int64_t first = 0, last = course->rows - 1;
    while (first < last && !isfinite(y[first])) first++;
    while (last > first && !isfinite(y[last])) last--;
    if (course->rows > 0 && ends_with(name, ": spread")) text = gallery_collapse(y[last], arena);
    if (course->rows > 0 && block != NULL) text = gallery_divergence(block + strlen("loss of "), y[first], y[last], arena);
    if (text == NULL) continue;
    fprintf(out, "<p class=far>");
    plot_text(out, text);
    fprintf(out, "</p>\n");
  }
}

static void curves_of(FILE *out, const Course *course, bool chosen(const char *name), const char *title, Arena *arena) {
  PlotCurve curves[MOST_CURVES];
  int n = 0;
  double *epochs = ARENA_ARRAY(arena, double, course->rows + 1);
  for (int64_t i = 0; i < course->rows; i++) epochs[i] = (double)i + 1;
  for (size_t c = 0; c < course->names.len && n < MOST_CURVES; c++) {
    const double *y = course_column(course, course->names.at[c], arena);
    bool any = false;
    for (int64_t i = 0; i < course->rows; i++) any |= isfinite(y[i]);
    if (chosen(course->names.at[c]) && any) curves[n++] = (PlotCurve){course->names.at[c], y, course->rows};
  }
  if (n == 0 || course->rows < 2) return;
  fprintf(out, "<h2>%s</h2>\n", title);
  plot_curves(out, "epoch", epochs, curves, n);
}

static void training(FILE *out, const Report *r, Arena *arena) {
  Course course;
  if (!course_read(&course, r->directory, arena)) return;
  curves_of(out, &course, is_loss, "Training", arena);
  curves_of(out, &course, is_accuracy, "How often discriminators are right", arena);
  trouble(out, &course, arena);
}

// RFC 4648. A page that is sent to someone needs nothing beside it.
static void file_as_base64(FILE *out, const char *path) {
  static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  FILE *file = fopen(path, "rb");
  unsigned char bytes[3];
  for (size_t n; file != NULL && (n = fread(bytes, 1, 3, file)) > 0;) {
    unsigned word = (unsigned)bytes[0] << 16 | (n > 1 ? (unsigned)bytes[1] << 8 : 0) | (n > 2 ? bytes[2] : 0);
    for (size_t k = 0; k < 4; k++) fputc(k <= n ? digits[word >> (18 - 6 * k) & 63] : '=', out);
  }
  if (file != NULL) fclose(file);
}

static void picture(FILE *out, const char *path, const char *caption) {
  fprintf(out, "<figure><img src='data:image/png;base64,");
  file_as_base64(out, path);
  fprintf(out, "' alt=''><figcaption>");
  plot_text(out, caption);
  fprintf(out, "</figcaption></figure>\n");
}

// Pictures that a game left (gallery.h), in the order of their epochs, the truth behind them.
static void samples(FILE *out, const Report *r, Arena *arena) {
  struct dirent **files;
  const char *folder = arena_printf(arena, "%s/samples", r->directory);
  int n = scandir(folder, &files, NULL, alphasort), shown = 0;
  for (int i = 0; i < n; i++) {
    const char *name = files[i]->d_name;
    size_t length = strlen(name);
    if (length > 4 && strcmp(name + length - 4, ".png") == 0 && shown < MOST_SAMPLES) {
      if (shown++ == 0)
        fprintf(out, "<h2>Samples</h2>\n<p class=key>The same noise in each; images in colours of the logarithm, points beside the truth in grey.</p>\n");
      picture(out, arena_printf(arena, "%s/%s", folder, name), arena_printf(arena, "%.*s", (int)length - 4, name));
    }
    free(files[i]);
  }
  if (n >= 0) free(files);
}

// Newly generated images beside those that they are compared with.
static void images(FILE *out, const Images *all, Arena *arena) {
  if (all->grids.len == 0) return;
  fprintf(out, "<h2>Images</h2>\n<p class=key>Left: events of the truth; right: newly generated ones.");
  if (all->given[0] != '\0') plot_text(out, arena_printf(arena, " At the same place both have the same %s.", all->given));
  if (all->classes[0] != '\0') plot_text(out, arena_printf(arena, " From the top, %s.", all->classes));
  fprintf(out, " White: 0 or less; colours of the logarithm, the same on both sides.</p>\n");
  for (size_t i = 0; i < all->grids.len; i++) {
    const ImageGrid *g = &all->grids.at[i];
    const char *unit = g->unit != NULL ? g->unit : "";
    fprintf(out, "<div class=pair>");
    for (int side = 0; side < 2; side++)
      picture(out, g->sides[side].path,
              arena_printf(arena, "%s, %s: colours from %.3g to %.3g%s%s", g->column, g->sides[side].name, g->most / RASTER_RANGE, g->most,
                           unit[0] != '\0' ? " " : "", unit));
    fprintf(out, "</div>\n");
  }
}

// ---- metrics and pictures

// A perfect generator of as many events lies near 0.71 of the floor (metrics.h); far is what three errors above it are.
static void metric(FILE *out, double value, double floor, double error) {
  static const double rounding = 1e-9; // pixels that are always empty differ by that of the sums of weights
  fprintf(out, "<td class='n%s'>%.4f<td class=n>%.4f &plusmn; %.4f", value > floor + 3 * error + rounding ? " far" : "", value, floor, error);
}

// numbers: value, truth against truth, its error.
static void correlation(FILE *out, const Evaluation *e, const char *name, const double numbers[3], const int pair[2]) {
  fprintf(out, "<tr><td>%s", name);
  metric(out, numbers[0], numbers[1], numbers[2]);
  fprintf(out, "<td>");
  plot_text(out, e->columns.at[pair[0]].name);
  fprintf(out, " and ");
  plot_text(out, e->columns.at[pair[1]].name);
  fprintf(out, "\n");
}

static int by_distance(const void *a, const void *b) { // largest first
  const EvalColumn *p = *(const EvalColumn *const *)a, *q = *(const EvalColumn *const *)b;
  if (p->distance.w1 != q->distance.w1) return p->distance.w1 < q->distance.w1 ? 1 : -1;
  return (p > q) - (p < q);
}

static const EvalColumn **worst_first(const Evaluation *e, size_t first, size_t n, Arena *scratch) {
  const EvalColumn **order = ARENA_ARRAY(scratch, const EvalColumn *, n);
  for (size_t k = 0; k < n; k++) order[k] = &e->columns.at[first + k];
  qsort(order, n, sizeof *order, by_distance);
  return order;
}

static void column_line(FILE *out, const EvalColumn *c, const char *before, const char *after) {
  fprintf(out, "<tr><td>%s", before);
  plot_text(out, c->name);
  fputs(after, out);
  metric(out, c->distance.w1, c->floor.w1, c->floor.w1_error);
  metric(out, c->distance.ks, c->floor.ks, c->floor.ks_error);
  fprintf(out, "\n");
}

static const char columns_head[] = "<table><tr><th>column<th class=n>Wasserstein / std<th class=n>truth<th class=n>Kolmogorov-Smirnov<th class=n>truth\n";

// An array of many numbers: their mean and the worst of them.
static void array_lines(FILE *out, const Evaluation *e, size_t first, size_t n, Arena *scratch) {
  const EvalColumn mean = evaluate_mean(&e->columns.at[first], n), **order = worst_first(e, first, n, scratch);
  column_line(out, &mean, "", arena_printf(scratch, ": mean of %zu, the worst:", n));
  for (size_t k = 0; k < MOST_ELEMENTS; k++) column_line(out, order[k], "&emsp;", "");
}

static void fold(FILE *out, const char *summary) {
  fprintf(out, "<details><summary>");
  plot_text(out, summary);
  fprintf(out, "</summary>\n");
}

static void rest_of_array(FILE *out, const Evaluation *e, size_t first, size_t n, Arena *scratch) {
  const EvalColumn **order = worst_first(e, first, n, scratch);
  fold(out, arena_printf(scratch, "the other %zu numbers of %s, the worst first", n - MOST_ELEMENTS, order[0]->array));
  fputs(columns_head, out);
  for (size_t k = MOST_ELEMENTS; k < n; k++) column_line(out, order[k], "", "");
  fprintf(out, "</table></details>\n");
}

static void metrics(FILE *out, const Evaluation *e, Arena *scratch) {
  fprintf(out,
          "<h2>Metrics</h2>\n<p class=key>%lld generated events against %lld of the truth. Beside each number what two halves of the truth give; red is "
          "more than three errors above that.</p>\n%s",
          (long long)e->n_fake, (long long)e->n_truth, columns_head);
  for (size_t i = 0, n; i < e->columns.len; i += n) {
    n = evaluate_elements(e, i);
    if (n > EVALUATE_FEW) array_lines(out, e, i, n, scratch);
    else
      for (size_t k = i; k < i + n; k++) column_line(out, &e->columns.at[k], "", "");
  }
  fprintf(out, "</table>\n");
  for (size_t i = 0, n; i < e->columns.len; i += n)
    if ((n = evaluate_elements(e, i)) > EVALUATE_FEW) rest_of_array(out, e, i, n, scratch);
  if (e->columns.len < 2) return;
  const HgmCorrelationFloor *f = &e->correlation_floor;
  fprintf(out, "<table><tr><th>largest difference of a correlation<th class=n>value<th class=n>truth<th>of\n");
  correlation(out, e, "rank (Spearman)", (double[]){e->spearman, f->spearman, f->spearman_error}, e->spearman_pair);
  correlation(out, e, "linear (Pearson)", (double[]){e->pearson, f->pearson, f->pearson_error}, e->pearson_pair);
  fprintf(out, "</table>\n");
}

static const ModelObservable *observable_of(const Model *model, const char *name) {
  for (size_t i = 0; model != NULL && model->evaluate != NULL && i < model->evaluate->list.len; i++)
    if (strcmp(model->evaluate->list.at[i].name, name) == 0) return &model->evaluate->list.at[i];
  return NULL;
}

static const char *unit_of(const Model *model, const char *name) {
  for (size_t d = 0; model != NULL && d < model->data.len; d++)
    for (size_t c = 0; c < model->data.at[d]->columns.len; c++) {
      const ModelColumn *column = &model->data.at[d]->columns.at[c];
      size_t n = strlen(column->name);
      if (strncmp(column->name, name, n) == 0 && (name[n] == '\0' || name[n] == '[')) return column->unit;
    }
  return NULL;
}

static void histogram(FILE *out, const Report *r, const EvalColumn *c) {
  const HgmSample truth = evaluate_truth(r->evaluation, c);
  PlotHistogram h = {
      .title = c->name, .unit = unit_of(r->model, c->name), .truth = {truth.values, truth.weights, truth.n}, .fake = {c->fake, NULL, r->evaluation->n_fake}};
  if (c->period > 0 && !c->observable) h.low = -c->period / 2, h.high = c->period / 2;
  const ModelObservable *o = observable_of(r->model, c->name);
  if (o != NULL) {
    h.title = o->label != NULL ? o->label : o->name;
    h.unit = o->unit;
    h.bins = o->bins;
    h.log = o->log;
    if (o->has_range) h.low = o->low, h.high = o->high;
  }
  plot_histogram(out, &h);
}

static void pictures(FILE *out, const Report *r, Arena *scratch) {
  const Evaluation *e = r->evaluation;
  size_t drawn = 0, left = 0;
  fprintf(out, "<h2>Columns and observables</h2>\n<p class=key>Share of events in a bin. Grey: truth, below with its statistical error; blue: generated, below "
               "over truth, a triangle where that is beyond the panel.</p>\n");
  for (size_t i = 0, n; i < e->columns.len; i += n) {
    n = evaluate_elements(e, i);
    for (size_t k = i; n <= EVALUATE_FEW && k < i + n; k++)
      if (drawn < MOST_PICTURES) drawn++, histogram(out, r, &e->columns.at[k]);
      else left++;
  }
  if (left > 0) fprintf(out, "<p>%zu more columns are in the table above.</p>\n", left);
  for (size_t i = 0, n; i < e->columns.len; i += n) {
    if ((n = evaluate_elements(e, i)) <= EVALUATE_FEW) continue;
    const EvalColumn **order = worst_first(e, i, n, scratch);
    fold(out, arena_printf(scratch, "the %d worst of the %zu numbers of %s", MOST_ELEMENTS, n, order[0]->array));
    for (size_t k = 0; k < MOST_ELEMENTS; k++) histogram(out, r, order[k]);
    fprintf(out, "</details>\n");
  }
}

// ---- metrics that the model asks for

static void estimate(FILE *out, HgmEstimate x) {
  fprintf(out, "<td class=n>");
  if (!isnan(x.value)) fprintf(out, "%.5g", x.value);
  if (isfinite(x.error)) fprintf(out, " &plusmn; %.2g", x.error);
}

// One that is of a column goes by the column's name.
static void asked_row(FILE *out, const EvalMetric *m, const EvalNumber *x) {
  fprintf(out, "<tr><td>");
  if (x->detail) fprintf(out, "&emsp;");
  else plot_text(out, m->model->text);
  if (x->name[0] != '\0') {
    if (!x->detail) fputc('.', out);
    plot_text(out, x->name);
  }
  estimate(out, x->value);
  estimate(out, x->truth);
  fprintf(out, "<td>");
  if (!isnan(x->truth.value)) plot_text(out, m->beside != NULL ? m->beside : "truth against truth");
  fprintf(out, "\n");
}

static void asked(FILE *out, const Evaluation *e) {
  bool any = false;
  for (size_t i = 0; i < e->metrics.len; i++) any |= e->metrics.at[i].numbers.len > 0;
  if (!any) return;
  fprintf(out, "<h2>Metrics of the model</h2>\n<table><tr><th>metric<th class=n>value<th class=n>beside it<th>which is\n");
  for (size_t i = 0; i < e->metrics.len; i++) {
    const EvalMetric *m = &e->metrics.at[i];
    for (size_t k = 0; k < m->numbers.len; k++)
      if (!m->numbers.at[k].detail) asked_row(out, m, &m->numbers.at[k]);
    for (size_t k = 0; k < m->numbers.len; k++)
      if (m->numbers.at[k].detail) asked_row(out, m, &m->numbers.at[k]);
  }
  fprintf(out, "</table>\n");
}

static void figures(FILE *out, const Evaluation *e, Arena *scratch) {
  size_t drawn = 0;
  for (size_t i = 0; i < e->metrics.len; i++)
    for (size_t k = 0; k < e->metrics.at[i].figures.len && drawn < MOST_PICTURES; k++, drawn++) {
      const EvalFigure *f = &e->metrics.at[i].figures.at[k];
      PlotSeries *series = ARENA_ARRAY(scratch, PlotSeries, f->series.len + 1);
      for (size_t s = 0; s < f->series.len; s++) {
        const EvalSeries *p = &f->series.at[s];
        series[s] = (PlotSeries){p->name, p->x, p->y, p->error, p->n, p->is_truth};
      }
      if (drawn == 0) fprintf(out, "<p class=key>Grey: truth; blue: generated events%s.</p>\n", e->generator == NULL ? ", of which there are none" : "");
      plot_figure(out, &(PlotFigure){f->title, f->x_title, f->y_title, f->low, f->high, f->diagonal, series, (int)f->series.len});
    }
}

typedef struct Page {
  const Report *report;
  const Images *images;
  Arena *scratch;
} Page;

static void page(FILE *out, const void *data) {
  const Page *p = data;
  const Report *r = p->report;
  Arena *scratch = p->scratch;
  fputs(head, out);
  fprintf(out, "<title>");
  plot_text(out, r->title);
  fprintf(out, "</title><h1>");
  plot_text(out, r->title);
  fprintf(out, "</h1>\n");
  if (r->manifest != NULL) facts(out, r, scratch);
  images(out, p->images, scratch);
  if (r->directory != NULL) training(out, r, scratch);
  if (r->directory != NULL) samples(out, r, scratch);
  bool compared = r->evaluation->n_fake > 0;
  if (compared) metrics(out, r->evaluation, scratch);
  asked(out, r->evaluation);
  figures(out, r->evaluation, scratch);
  if (compared) pictures(out, r, scratch);
  fprintf(out, "</html>\n");
}

bool report_write(const Report *r, const char *path, HgmError *error) {
  Arena *scratch = arena_create();
  Images images_of_it;
  images_collect(&images_of_it, r->evaluation, path, scratch);
  bool ok = images_save(&images_of_it, error) && text_file_write(path, page, &(Page){r, &images_of_it, scratch}, error);
  arena_destroy(scratch);
  return ok;
}
