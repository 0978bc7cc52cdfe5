#include "compiler/driver/plot.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "lang/model.h"

enum { WIDTH = 420, HEIGHT = 210, RATIO = 70, LEFT = 52, RIGHT = 12, TOP = 26, BOTTOM = 34, GAP = 8, MOST_INTEGER_BINS = 60, MOST_TICKS = 16 };

static const char *const colours[] = {"#1f6feb", "#d1570b", "#2c974b", "#8250df", "#bf3989", "#6e7781"};
enum { N_COLOURS = sizeof colours / sizeof *colours };

void plot_text(FILE *out, const char *text) {
  for (; *text != '\0'; text++) switch (*text) {
    case '<': fputs("&lt;", out); break;
    case '>': fputs("&gt;", out); break;
    case '&': fputs("&amp;", out); break;
    case '"': fputs("&quot;", out); break;
    default: fputc(*text, out);
    }
}

// ---- a frame: numbers to places

typedef struct Frame {
  double left, right, top, bottom; // in the picture
  double x0, x1, y0, y1;           // of the numbers; y as log10 where log
  bool log, whole_x;               // whole_x: only integers stand at x
} Frame;

static double place_x(const Frame *f, double x) { return f->left + (x - f->x0) / (f->x1 - f->x0) * (f->right - f->left); }

static double place_y(const Frame *f, double y) {
  double v = f->log ? (y > 0 ? log10(y) : f->y0) : y;
  v = v < f->y0 ? f->y0 : v > f->y1 ? f->y1 : v;
  return f->bottom - (v - f->y0) / (f->y1 - f->y0) * (f->bottom - f->top);
}

// Steps of 1, 2 or 5 times a power of ten, about `wanted` of them, none shorter than `least`.
static int ticks(double low, double high, int wanted, double least, double at[MOST_TICKS]) {
  double rough = (high - low) / wanted, power = pow(10, floor(log10(rough))), rest = rough / power;
  double step = fmax(least, power * (rest < 1.5 ? 1 : rest < 3.5 ? 2 : rest < 7.5 ? 5 : 10));
  int n = 0;
  for (double k = ceil(low / step - 1e-9); n < MOST_TICKS && k * step <= high + 1e-9 * step; k++) at[n++] = k * step;
  return n;
}

static void frame_axes(FILE *out, const Frame *f, bool with_x_numbers, int wanted_y) {
  double at[MOST_TICKS];
  fprintf(out, "<rect class=frame x=%.1f y=%.1f width=%.1f height=%.1f />", f->left, f->top, f->right - f->left, f->bottom - f->top);
  int n = ticks(f->x0, f->x1, 6, f->whole_x ? 1 : 0, at);
  for (int i = 0; i < n; i++) {
    fprintf(out, "<path class=tick d='M%.1f %.1fv-4'/>", place_x(f, at[i]), f->bottom);
    if (with_x_numbers) fprintf(out, "<text x=%.1f y=%.1f text-anchor=middle>%.6g</text>", place_x(f, at[i]), f->bottom + 14, at[i] == 0 ? 0 : at[i]);
  }
  n = ticks(f->y0, f->y1, f->log && f->y1 - f->y0 < 4 ? (int)ceil(f->y1 - f->y0) : wanted_y, 0, at);
  for (int i = 0; i < n; i++) {
    if (f->log && at[i] != floor(at[i])) continue;
    double y = f->bottom - (at[i] - f->y0) / (f->y1 - f->y0) * (f->bottom - f->top);
    fprintf(out, "<path class=tick d='M%.1f %.1fh4'/><text x=%.1f y=%.1f text-anchor=end>", f->left, y, f->left - 4, y + 3.5);
    if (f->log) fprintf(out, "10<tspan dy=-4 font-size=7>%.0f</tspan></text>", at[i]);
    else fprintf(out, "%.4g</text>", at[i] == 0 ? 0 : at[i]);
  }
}

// ---- histograms

static int by_value(const void *a, const void *b) {
  double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

static bool are_integers(const double *sorted, int64_t n) {
  for (int64_t i = 0; i < n; i++)
    if (sorted[i] != floor(sorted[i])) return false;
  return true;
}

// Bins of equally many integers: one each, or as many as leave at most MOST_INTEGER_BINS.
static void range_of_integers(double first, double last, double *low, double *high, int *bins) {
  double each = ceil((last - first + 1) / MOST_INTEGER_BINS);
  *bins = (int)ceil((last - first + 1) / each);
  *low = first - 0.5, *high = *low + each * *bins;
}

void plot_range(const PlotSample *sample, double *low, double *high, int *bins) {
  double *sorted = malloc(sizeof *sorted * (size_t)(sample->n + 1));
  int64_t n = 0;
  for (int64_t i = 0; sorted != NULL && i < sample->n; i++)
    if (isfinite(sample->values[i])) sorted[n++] = sample->values[i];
  *low = 0, *high = 1, *bins = 50;
  if (n > 0) {
    qsort(sorted, (size_t)n, sizeof *sorted, by_value);
    double a = sorted[n / 1000], b = sorted[n - 1 - n / 1000], margin = 0.05 * (b - a);
    if (are_integers(sorted, n)) {
      bool few = sorted[n - 1] - sorted[0] < MOST_INTEGER_BINS;
      range_of_integers(few ? sorted[0] : a, few ? sorted[n - 1] : b, low, high, bins);
    } else {
      *low = a - margin, *high = b + margin;
      if (*low < 0 && sorted[0] >= 0) *low = 0; // what cannot be negative begins at zero
    }
  }
  if (!(*high > *low)) *low -= 0.5, *high += 0.5;
  free(sorted);
}

typedef struct Counts {
  double share[MODEL_MOST_BINS], error[MODEL_MOST_BINS]; // of all weight, in range or not
} Counts;

static void count(Counts *c, const PlotSample *s, double low, double high, int bins) {
  double total = 0;
  *c = (Counts){0};
  for (int64_t i = 0; i < s->n; i++) {
    double x = s->values[i], w = s->weights ? s->weights[i] : 1;
    if (!isfinite(x)) continue;
    total += w;
    if (x < low || x > high) continue;
    int bin = (int)((x - low) / (high - low) * bins);
    if (bin == bins) bin--;
    c->share[bin] += w;
    c->error[bin] += w * w;
  }
  for (int b = 0; b < bins; b++) {
    c->share[b] /= total != 0 ? total : 1;
    c->error[b] = sqrt(c->error[b]) / fabs(total != 0 ? total : 1);
  }
}

static void steps(FILE *out, const Frame *f, const double *y, int bins, bool closed, const char *class) {
  double width = (f->x1 - f->x0) / bins;
  fprintf(out, "<path class=%s d='M%.1f %.1f", class, f->left, closed ? f->bottom : place_y(f, y[0]));
  for (int b = 0; b < bins; b++) fprintf(out, "V%.1fH%.1f", place_y(f, y[b]), place_x(f, f->x0 + width * (b + 1)));
  fprintf(out, closed ? "V%.1fZ'/>" : "'/>", f->bottom);
}

static void ratio_panel(FILE *out, const Frame *f, const Counts *truth, const Counts *fake, int bins) {
  double width = (f->x1 - f->x0) / bins;
  frame_axes(out, f, true, 2);
  for (int b = 0; b < bins; b++) {
    if (truth->share[b] <= 0) continue;
    double x = f->x0 + width * b, error = truth->error[b] / truth->share[b], ratio = fake->share[b] / truth->share[b],
           spread = fake->error[b] / truth->share[b];
    fprintf(out, "<rect class=band x=%.1f y=%.1f width=%.1f height=%.1f />", place_x(f, x), place_y(f, 1 + error), place_x(f, x + width) - place_x(f, x),
            place_y(f, 1 - error) - place_y(f, 1 + error));
    double middle = place_x(f, x + width / 2);
    if (ratio > f->y1) fprintf(out, "<path class=beyond d='M%.1f %.1fl-3 5h6z'/>", middle, f->top + 1);
    else if (ratio < f->y0) fprintf(out, "<path class=beyond d='M%.1f %.1fl-3 -5h6z'/>", middle, f->bottom - 1);
    else
      fprintf(out, "<path class=fake d='M%.1f %.1fV%.1fM%.1f %.1fH%.1f'/>", middle, place_y(f, ratio - spread), place_y(f, ratio + spread), place_x(f, x),
              place_y(f, ratio), place_x(f, x + width));
  }
  fprintf(out, "<path class=one d='M%.1f %.1fH%.1f'/>", f->left, place_y(f, 1), f->right);
}

static void vertical_range(Frame *f, const Counts *a, const Counts *b, int bins) {
  double most = 0, least = INFINITY;
  for (int i = 0; i < bins; i++) {
    most = fmax(most, fmax(a->share[i], b->share[i]));
    if (a->share[i] > 0) least = fmin(least, a->share[i]);
    if (b->share[i] > 0) least = fmin(least, b->share[i]);
  }
  if (!(most > 0)) most = 1, least = 0.1;
  f->y0 = f->log ? floor(log10(least)) : 0;
  f->y1 = f->log ? ceil(log10(most) + 0.2) : 1.12 * most;
}

void plot_histogram(FILE *out, const PlotHistogram *h) {
  double low = h->low, high = h->high;
  int bins = h->bins;
  if (!(high > low)) plot_range(&h->truth, &low, &high, &bins);
  if (h->bins > 0) bins = h->bins;
  if (bins < 1) bins = 50;
  Counts truth, fake;
  count(&truth, &h->truth, low, high, bins);
  count(&fake, &h->fake, low, high, bins);
  Frame main = {LEFT, WIDTH - RIGHT, TOP, TOP + HEIGHT, low, high, .log = h->log};
  Frame ratio = {LEFT, WIDTH - RIGHT, TOP + HEIGHT + GAP, TOP + HEIGHT + GAP + RATIO, low, high, 0.4, 1.6, false, false};
  vertical_range(&main, &truth, &fake, bins);
  int height = TOP + HEIGHT + GAP + RATIO + BOTTOM;
  fprintf(out, "<svg viewBox='0 0 %d %d' width=%d height=%d role=img><text class=title x=%d y=16>", WIDTH, height, WIDTH, height, LEFT);
  plot_text(out, h->title);
  fprintf(out, "</text>");
  steps(out, &main, truth.share, bins, true, "truth");
  steps(out, &main, fake.share, bins, false, "fake");
  frame_axes(out, &main, false, 4);
  ratio_panel(out, &ratio, &truth, &fake, bins);
  fprintf(out, "<text x=%d y=%d text-anchor=end>", WIDTH - RIGHT, height - 4);
  if (h->unit != NULL) {
    fputc('[', out);
    plot_text(out, h->unit);
    fputc(']', out);
  }
  fprintf(out, "</text></svg>\n");
}

// ---- curves

typedef struct Reach {
  double low, high;
} Reach;

static Reach reach_of(const PlotCurve *curves, int n, int64_t from) {
  Reach r = {INFINITY, -INFINITY};
  for (int c = 0; c < n; c++)
    for (int64_t i = from; i < curves[c].n; i++)
      if (isfinite(curves[c].y[i])) r.low = fmin(r.low, curves[c].y[i]), r.high = fmax(r.high, curves[c].y[i]);
  return r;
}

// What a training begins with may be so far from all that follows that nothing else would be seen: then the first tenth lies beyond.
static Reach curves_reach(const PlotCurve *curves, int n) {
  Reach all = reach_of(curves, n, 0), later = reach_of(curves, n, (curves[0].n + 9) / 10);
  if (later.high > later.low && all.high - all.low > 5 * (later.high - later.low)) all = later;
  if (!(all.high > all.low)) all.low -= 0.5, all.high += 0.5;
  return all;
}

static void curve(FILE *out, const Frame *f, const double *x, const PlotCurve *curve, const char *colour) {
  bool down = false;
  fprintf(out, "<path fill=none stroke-width=1.6 stroke='%s' d='", colour);
  for (int64_t i = 0; i < curve->n; i++) {
    bool here = isfinite(curve->y[i]);
    if (here) fprintf(out, "%c%.1f %.1f", down ? 'L' : 'M', place_x(f, x[i]), place_y(f, fmin(fmax(curve->y[i], f->y0), f->y1)));
    down = here;
  }
  fprintf(out, "'/>");
  for (int64_t i = 0; i < curve->n; i++)
    if (curve->y[i] > f->y1) fprintf(out, "<path fill='%s' d='M%.1f %.1fl-4 7h8z'/>", colour, place_x(f, x[i]), f->top);
    else if (curve->y[i] < f->y0) fprintf(out, "<path fill='%s' d='M%.1f %.1fl-4 -7h8z'/>", colour, place_x(f, x[i]), f->bottom);
}

void plot_curves(FILE *out, const char *x_title, const double *x, const PlotCurve *curves, int n) {
  Reach reach = curves_reach(curves, n);
  double low = reach.low, high = reach.high;
  int64_t points = curves[0].n;
  double first = points > 0 ? x[0] : 0, last = points > 1 ? x[points - 1] : first + 1;
  Frame f = {LEFT, 2 * WIDTH - RIGHT, TOP, TOP + HEIGHT, first, last > first ? last : first + 1, low - 0.05 * (high - low), high + 0.05 * (high - low), false,
             true};
  int height = TOP + HEIGHT + BOTTOM;
  fprintf(out, "<svg viewBox='0 0 %d %d' width=%d height=%d role=img>", 2 * WIDTH, height, 2 * WIDTH, height);
  frame_axes(out, &f, true, 5);
  for (int c = 0; c < n; c++) curve(out, &f, x, &curves[c], colours[c % N_COLOURS]);
  fprintf(out, "<text x=%d y=16>", LEFT);
  for (int c = 0; c < n; c++) {
    fprintf(out, "<tspan dx=%d style='fill:%s'>", c > 0 ? 16 : 0, colours[c % N_COLOURS]);
    plot_text(out, curves[c].name);
    fprintf(out, "</tspan>");
  }
  fprintf(out, "</text><text x=%d y=%d text-anchor=end>", 2 * WIDTH - RIGHT, height - 4);
  plot_text(out, x_title);
  fprintf(out, "</text></svg>\n");
}

// ---- numbers over an axis

static void reach(const PlotFigure *figure, Frame *f) {
  f->x0 = f->y0 = INFINITY, f->x1 = f->y1 = -INFINITY;
  for (int s = 0; s < figure->n; s++)
    for (int64_t i = 0; i < figure->series[s].n; i++) {
      const PlotSeries *p = &figure->series[s];
      double spread = p->error != NULL && isfinite(p->error[i]) ? p->error[i] : 0;
      if (!isfinite(p->x[i]) || !isfinite(p->y[i])) continue;
      f->x0 = fmin(f->x0, p->x[i]), f->x1 = fmax(f->x1, p->x[i]);
      f->y0 = fmin(f->y0, p->y[i] - spread), f->y1 = fmax(f->y1, p->y[i] + spread);
    }
  if (!(f->x1 > f->x0)) f->x0 -= 0.5, f->x1 = f->x0 + 1;
  if (!(f->y1 > f->y0)) f->y0 -= 0.5, f->y1 = f->y0 + 1;
  double margin = 0.05 * (f->y1 - f->y0), side = figure->diagonal ? 0 : 0.03 * (f->x1 - f->x0);
  f->y0 -= margin, f->y1 += margin, f->x0 -= side, f->x1 += side;
  if (figure->high > figure->low) f->y0 = figure->low, f->y1 = figure->high;
}

static void points(FILE *out, const Frame *f, const PlotSeries *p) {
  for (int64_t i = 0; i < p->n; i++) {
    if (!isfinite(p->x[i]) || !isfinite(p->y[i])) continue;
    double x = place_x(f, p->x[i]), y = place_y(f, p->y[i]), spread = isfinite(p->error[i]) ? p->error[i] : 0;
    fprintf(out, "<path class=%s d='M%.1f %.1fV%.1f'/><circle class=%s cx=%.1f cy=%.1f r=2.6 />", p->is_truth ? "bar" : "fake", x, place_y(f, p->y[i] - spread),
            place_y(f, p->y[i] + spread), p->is_truth ? "truth" : "dot", x, y);
  }
}

static void line(FILE *out, const Frame *f, const PlotSeries *p) {
  fprintf(out, "<path class=%s d='", p->is_truth ? "bar" : "fake");
  bool down = false;
  for (int64_t i = 0; i < p->n; i++) {
    bool here = isfinite(p->x[i]) && isfinite(p->y[i]);
    if (here) fprintf(out, "%c%.1f %.1f", down ? 'L' : 'M', place_x(f, p->x[i]), place_y(f, p->y[i]));
    down = here;
  }
  fprintf(out, "'/>");
}

void plot_figure(FILE *out, const PlotFigure *figure) {
  Frame f = {.left = LEFT, .right = WIDTH - RIGHT, .top = TOP, .bottom = TOP + HEIGHT};
  int height = TOP + HEIGHT + BOTTOM;
  reach(figure, &f);
  fprintf(out, "<svg viewBox='0 0 %d %d' width=%d height=%d role=img><text class=title x=%d y=16>", WIDTH, height, WIDTH, height, LEFT);
  plot_text(out, figure->title);
  fprintf(out, "</text>");
  frame_axes(out, &f, true, 5);
  double low = fmax(f.x0, f.y0), high = fmin(f.x1, f.y1);
  if (figure->diagonal) fprintf(out, "<path class=one d='M%.1f %.1fL%.1f %.1f'/>", place_x(&f, low), place_y(&f, low), place_x(&f, high), place_y(&f, high));
  for (int s = 0; s < figure->n; s++) (figure->series[s].error != NULL ? points : line)(out, &f, &figure->series[s]);
  fprintf(out, "<text x=%d y=%d text-anchor=end>", WIDTH - RIGHT, height - 4);
  plot_text(out, figure->x_title);
  fprintf(out, "</text><text x=%d y=%d>", LEFT + 6, TOP + 14);
  plot_text(out, figure->y_title);
  fprintf(out, "</text></svg>\n");
}
