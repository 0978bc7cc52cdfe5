#include "compiler/driver/trial.h"

#include <math.h>
#include <string.h>

#include "compiler/ir/eval.h"
#include "runtime/philox.h"

enum { POINTS = 64 };
static const double tolerance = 1e-6;          // of float64 through inverses that cancel
static const double tolerance_of_steps = 1e-2; // of an integral in steps, as continuous flows are

typedef struct Trying { // of one bijection
  Session *session;
  Diags *found;
  const ModelTrial *t;
  const IrArray *outputs; // of t's function; behind them x
  Arena *arena;
} Trying;

// ---- points, settings and weights

// Inputs are normal numbers (angles: anywhere on the circle); weights are moved away from how they begin, which is often the identity.
static void fill_leaf(const Session *session, const ModelTrial *t, const IrValue *leaf, double *data, int64_t n, int64_t row) {
  const Model *model = session->model;
  uint64_t key = philox_key(model->seed, leaf->attr.name);
  bool is_x = strcmp(leaf->attr.name, "x") == 0, is_setting = strncmp(leaf->attr.name, "setting:", 8) == 0;
  int64_t last = t->circular == NULL ? 1 : leaf->type.rank > 1 ? leaf->type.axes[leaf->type.rank - 1] : 1;
  for (int64_t i = 0; i < n; i++) {
    double z = philox_normal(key, (uint64_t)i, 0, 0);
    bool angle = is_x && t->circular != NULL && t->circular[i % row % last];
    data[i] = angle ? 2 * acos(-1.0) * (philox_uniform(key, (uint64_t)i, 0, 1) - 0.5) : leaf->op == IR_PARAM ? 0.2 * z : is_setting ? 0.5 * z : 1.3 * z;
  }
}

static void add_beginning(const Session *session, const IrValue *leaf, double *data, int64_t n, Arena *arena) {
  const Model *model = session->model;
  for (size_t i = 0; i < model->weights.len; i++) {
    const ModelWeight *w = &model->weights.at[i];
    if (strcmp(w->name, leaf->attr.name) != 0) continue;
    IrEnv env = {.events = 1, .seed = model->seed};
    IrArray value;
    const char *message;
    if (!ir_eval(w->init, &env, arena, &value, &message)) return;
    for (int64_t k = 0; k < n; k++) data[k] = (w->fixed ? 0 : data[k]) + value.data[k];
  }
}

// What its function gives, and behind that x.
static IrArray *evaluate(const Session *session, const ModelTrial *t, Arena *arena) {
  VEC(IrArray) leaves = {0};
  for (size_t i = 0; i < t->fn->values.len; i++) {
    const IrValue *v = &t->fn->values.at[i];
    if (v->op != IR_INPUT && v->op != IR_PARAM && v->op != IR_STATE && v->op != IR_COUNTER) continue;
    int64_t row = ir_elements(&v->type), n = v->op == IR_INPUT ? row * POINTS : row;
    double *data = ARENA_ARRAY(arena, double, n + 1);
    fill_leaf(session, t, v, data, n, row);
    if (v->op == IR_PARAM) add_beginning(session, v, data, n, arena);
    VEC_PUSH(arena, &leaves, (IrArray){v->attr.name, n, data});
  }
  IrArray *outputs = ARENA_ARRAY(arena, IrArray, t->fn->outputs.len + 1);
  IrEnv env = {.events = POINTS, .seed = session->model->seed, .leaves = leaves.at, .n_leaves = (uint32_t)leaves.len};
  const char *message;
  if (!ir_eval(t->fn, &env, arena, outputs, &message)) return NULL;
  for (size_t i = 0; i < leaves.len; i++)
    if (strcmp(leaves.at[i].name, "x") == 0) outputs[t->fn->outputs.len] = leaves.at[i];
  return outputs;
}

static const double *output(const Trying *y, const char *name) {
  const IrFn *fn = y->t->fn;
  for (size_t i = 0; i < fn->outputs.len; i++)
    if (strcmp(fn->outputs.at[i].name, name) == 0) return y->outputs[i].data;
  return NULL;
}

static const double *x_at(const Trying *y, int64_t point) { return y->outputs[y->t->fn->outputs.len].data + point * y->t->n; }

// ---- one point

// log |det| by elimination with the largest pivot; m (n, n) is overwritten.
static double log_abs_det(double *m, int64_t n) {
  double sum = 0;
  for (int64_t c = 0; c < n; c++) {
    int64_t top = c;
    for (int64_t r = c + 1; r < n; r++)
      if (fabs(m[r * n + c]) > fabs(m[top * n + c])) top = r;
    for (int64_t k = 0; k < n; k++) {
      double swap = m[c * n + k];
      m[c * n + k] = m[top * n + k];
      m[top * n + k] = swap;
    }
    sum += log(fabs(m[c * n + c]));
    for (int64_t r = c + 1; r < n; r++) {
      double factor = m[r * n + c] / m[c * n + c];
      for (int64_t k = c; k < n; k++) m[r * n + k] -= factor * m[c * n + k];
    }
  }
  return sum;
}

static const char *point_text(const Trying *y, int64_t point) {
  const int64_t n = y->t->n;
  const char *text = "";
  for (int64_t i = 0; i < n && i < 6; i++) text = arena_printf(y->arena, "%s%s%.4g", text, i > 0 ? ", " : "", x_at(y, point)[i]);
  return n == 1 ? text : arena_printf(y->arena, "(%s%s)", text, n > 6 ? ", …" : "");
}

// By how much two sides differ at one point, relative to 1 + what they should be.
typedef struct Difference {
  double by;
  int64_t point;
} Difference;

static void keep_worst(Difference *worst, double by, int64_t point) {
  if (!(by <= worst->by)) *worst = (Difference){isnan(by) ? INFINITY : by, point};
}

static void label_use(const Trying *y, Diag *diag) {
  const ModelTrial *t = y->t;
  if (t->use.begin != t->span.begin && source_of(y->session->sources, t->span) != NULL) diag_label(y->found, diag, t->use, "used here");
}

// True: they differ by more than an integral in steps would. By less it is a warning.
static bool report(const Trying *y, double by, DiagKind kind, const char *what, const char *help) {
  bool wrong = by > tolerance_of_steps;
  Diag *diag = diag_add(y->found, wrong ? kind : DIAG_INEXACT, y->t->span, "`%s`: %s (the worst of %d random points)", y->t->name, what, POINTS);
  label_use(y, diag);
  diag_help(y->found, diag, "%s", wrong ? help : "an integral in steps comes closer with more of them; a formula without steps has a mistake");
  return wrong;
}

// Points outside of a bijection's domain give NaN: nothing can be tried there.
static void report_outside(const Trying *y, int points) {
  Diag *diag =
      diag_add(y->found, DIAG_PARTLY_TRIED, y->t->span, "`%s` gives no number at %d of %d random points and was not tried there", y->t->name, points, POINTS);
  label_use(y, diag);
  diag_help(y->found, diag, "a flow gives each step any number, if the step before does not bound it");
}

static double away(const ModelTrial *t, int64_t i, double a, double b) {
  double d = a - b;
  if (t->circular != NULL && t->circular[i % t->n]) d -= 2 * acos(-1.0) * round(d / (2 * acos(-1.0)));
  return fabs(d) / (1 + fabs(b));
}

// ---- the three comparisons at one point

static double sides_apart(const Trying *y, int64_t e) {
  const double *back = output(y, "back"), *x = x_at(y, e);
  Difference worst = {0};
  for (int64_t i = 0; back != NULL && i < y->t->n; i++) keep_worst(&worst, away(y->t, i, back[e * y->t->n + i], x[i]), e);
  return worst.by;
}

static double jacobian_log_det(const Trying *y, int64_t e) {
  const int64_t n = y->t->n;
  double *m = ARENA_ARRAY(y->arena, double, n *n);
  for (int64_t r = 0; r < n; r++) memcpy(m + r * n, output(y, arena_printf(y->arena, "row_%lld", (long long)r)) + e * n, sizeof *m * (size_t)n);
  return log_abs_det(m, n);
}

static double det_off(const Trying *y, int64_t e) {
  if (!y->t->has_rows) return 0;
  double found = jacobian_log_det(y, e);
  return fabs(found - output(y, "log_det")[e]) / (1 + fabs(found));
}

static double dets_apart(const Trying *y, int64_t e) {
  const double *back = output(y, "back_log_det"), log_det = output(y, "log_det")[e];
  return back == NULL ? 0 : fabs(back[e] + log_det) / (1 + fabs(log_det));
}

// ---- all points

static bool is_finite_at(const Trying *y, int64_t e) {
  for (size_t i = 0; i < y->t->fn->outputs.len; i++) {
    const int64_t row = y->outputs[i].n / POINTS;
    for (int64_t k = 0; k < row; k++)
      if (!isfinite(y->outputs[i].data[e * row + k])) return false;
  }
  return true;
}

// What is wrong first is said, and nothing that follows from it.
static void compare(const Trying *y) {
  Difference sides = {0}, det = {0}, dets = {0};
  int outside = 0;
  for (int64_t e = 0; e < POINTS; e++) {
    if (!is_finite_at(y, e)) {
      outside++;
      continue;
    }
    keep_worst(&sides, sides_apart(y, e), e);
    keep_worst(&det, det_off(y, e), e);
    keep_worst(&dets, dets_apart(y, e), e);
  }
  if (outside > 0) report_outside(y, outside);
  const double *log_det = output(y, "log_det"), *back = output(y, "back_log_det");
  if (sides.by > tolerance && report(y, sides.by, DIAG_SIDES_DIFFER,
                                     arena_printf(y->arena, "inverse(forward(x)) differs from x by %.2g at x = %s", sides.by, point_text(y, sides.point)),
                                     "`inverse` takes what `forward` gives and gives back what it took"))
    return;
  if (det.by > tolerance) {
    double has = jacobian_log_det(y, det.point), said = log_det[det.point];
    if (report(y, det.by, DIAG_DET_DIFFERS,
               arena_printf(y->arena, "log_det of forward differs from the Jacobian's by %.2g at x = %s: %.6g, and the Jacobian has %.6g", fabs(has - said),
                            point_text(y, det.point), said, has),
               "`log_det` is the logarithm of |dy / dx|, added up over the components"))
      return;
  }
  if (dets.by > tolerance)
    report(y, dets.by, DIAG_DET_DIFFERS,
           arena_printf(y->arena, "log_det of inverse is not minus that of forward at x = %s: %.6g and %.6g", point_text(y, dets.point), back[dets.point],
                        log_det[dets.point]),
           "each direction gives the logarithm of its own Jacobian's determinant");
}

static bool try(Session *session, Diags *found, const ModelTrial *t) {
  if (t->fn == NULL) return false;
  Arena *arena = arena_create();
  const IrArray *outputs = evaluate(session, t, arena);
  if (outputs != NULL) compare(&(Trying){session, found, t, outputs, arena});
  arena_destroy(arena);
  return outputs != NULL;
}

int trials_run(Session *session, Diags *found, Strings *untried) {
  int tried = 0;
  for (size_t i = 0; i < session->model->trials.len; i++) {
    const ModelTrial *t = session->model->trials.at[i];
    SourceFile *file = source_of(session->sources, t->span);
    // What the library makes of a wrong bijection of the file is wrong too, and not worth a second message.
    if (found->errors > 0 && file != NULL && file->library) continue;
    if (try(session, found, t)) tried++;
    else VEC_PUSH(session->arena, untried, t->name);
  }
  return tried;
}
