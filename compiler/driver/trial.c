#include "compiler/driver/trial.h"

#include <math.h>
#include <string.h>

#include "compiler/ir/eval.h"
#include "runtime/philox.h"

enum { POINTS = 64 };
static const double tolerance = 1e-6;          // of float64 through inverses that cancel
static const double tolerance_of_steps = 1e-2; // of an integral in steps, as continuous flows are

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
  for (size_t i = 0; i < leaves.len; i++) // x last, for the messages
    if (strcmp(leaves.at[i].name, "x") == 0) outputs[t->fn->outputs.len] = leaves.at[i];
  return outputs;
}

static const double *output(const ModelTrial *t, const IrArray *outputs, const char *name) {
  for (size_t i = 0; i < t->fn->outputs.len; i++)
    if (strcmp(t->fn->outputs.at[i].name, name) == 0) return outputs[i].data;
  return NULL;
}

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

static const char *point_text(const ModelTrial *t, const double *x, Arena *arena) {
  const char *text = "";
  for (int64_t i = 0; i < t->n && i < 6; i++) text = arena_printf(arena, "%s%s%.4g", text, i > 0 ? ", " : "", x[i]);
  return t->n == 1 ? text : arena_printf(arena, "(%s%s)", text, t->n > 6 ? ", …" : "");
}

// By how much two sides differ at one point, relative to 1 + what they should be.
typedef struct Difference {
  double by;
  int64_t point;
} Difference;

static void keep_worst(Difference *worst, double by, int64_t point) {
  if (!(by <= worst->by)) *worst = (Difference){isnan(by) ? INFINITY : by, point};
}

// True: they differ by more than an integral in steps would. By less it is a warning.
static bool report(Session *session, Diags *found, const ModelTrial *t, Difference d, DiagKind kind, const char *what, const char *help) {
  bool wrong = d.by > tolerance_of_steps;
  Diag *diag = diag_add(found, wrong ? kind : DIAG_INEXACT, t->span, "`%s`: %s (the worst of %d random points)", t->name, what, POINTS);
  SourceFile *file = source_of(session->sources, t->span);
  if (t->use.begin != t->span.begin && file != NULL) diag_label(found, diag, t->use, "used here");
  diag_help(found, diag, "%s", wrong ? help : "an integral in steps comes closer with more of them; a formula without steps has a mistake");
  return wrong;
}

// Points outside of a bijection's domain give NaN: nothing can be tried there.
static void report_outside(Session *session, Diags *found, const ModelTrial *t, int points) {
  Diag *diag = diag_add(found, DIAG_PARTLY_TRIED, t->span, "`%s` gives no number at %d of %d random points and was not tried there", t->name, points, POINTS);
  if (t->use.begin != t->span.begin && source_of(session->sources, t->span) != NULL) diag_label(found, diag, t->use, "used here");
  diag_help(found, diag, "a flow gives each step any number, if the step before does not bound it");
}

static double away(const ModelTrial *t, int64_t i, double a, double b) {
  double d = a - b;
  if (t->circular != NULL && t->circular[i % t->n]) d -= 2 * acos(-1.0) * round(d / (2 * acos(-1.0)));
  return fabs(d) / (1 + fabs(b));
}

// ---- the three comparisons at one point

static double sides_apart(const ModelTrial *t, const IrArray *outputs, int64_t e) {
  const double *back = output(t, outputs, "back"), *x = outputs[t->fn->outputs.len].data;
  Difference worst = {0};
  for (int64_t i = 0; back != NULL && i < t->n; i++) keep_worst(&worst, away(t, i, back[e * t->n + i], x[e * t->n + i]), e);
  return worst.by;
}

static double jacobian_log_det(const ModelTrial *t, const IrArray *outputs, int64_t e, Arena *arena) {
  double *m = ARENA_ARRAY(arena, double, t->n * t->n);
  for (int64_t r = 0; r < t->n; r++)
    memcpy(m + r * t->n, output(t, outputs, arena_printf(arena, "row_%lld", (long long)r)) + e * t->n, sizeof *m * (size_t)t->n);
  return log_abs_det(m, t->n);
}

static double det_off(const ModelTrial *t, const IrArray *outputs, int64_t e, Arena *arena) {
  if (!t->has_rows) return 0;
  double found = jacobian_log_det(t, outputs, e, arena);
  return fabs(found - output(t, outputs, "log_det")[e]) / (1 + fabs(found));
}

static double dets_apart(const ModelTrial *t, const IrArray *outputs, int64_t e) {
  const double *back = output(t, outputs, "back_log_det"), log_det = output(t, outputs, "log_det")[e];
  return back == NULL ? 0 : fabs(back[e] + log_det) / (1 + fabs(log_det));
}

// ---- all points

static bool is_finite_at(const ModelTrial *t, const IrArray *outputs, int64_t e) {
  for (size_t i = 0; i < t->fn->outputs.len; i++) {
    int64_t row = outputs[i].n / POINTS;
    for (int64_t k = 0; k < row; k++)
      if (!isfinite(outputs[i].data[e * row + k])) return false;
  }
  return true;
}

// What is wrong first is said, and nothing that follows from it.
static void compare(Session *session, Diags *found, const ModelTrial *t, const IrArray *outputs, Arena *arena) {
  Difference sides = {0}, det = {0}, dets = {0};
  int outside = 0;
  for (int64_t e = 0; e < POINTS; e++) {
    if (!is_finite_at(t, outputs, e)) {
      outside++;
      continue;
    }
    keep_worst(&sides, sides_apart(t, outputs, e), e);
    keep_worst(&det, det_off(t, outputs, e, arena), e);
    keep_worst(&dets, dets_apart(t, outputs, e), e);
  }
  if (outside > 0) report_outside(session, found, t, outside);
  const double *x = outputs[t->fn->outputs.len].data, *log_det = output(t, outputs, "log_det"), *back = output(t, outputs, "back_log_det");
  if (sides.by > tolerance &&
      report(session, found, t, sides, DIAG_SIDES_DIFFER,
             arena_printf(arena, "inverse(forward(x)) differs from x by %.2g at x = %s", sides.by, point_text(t, x + sides.point * t->n, arena)),
             "`inverse` takes what `forward` gives and gives back what it took"))
    return;
  if (det.by > tolerance) {
    double has = jacobian_log_det(t, outputs, det.point, arena), said = log_det[det.point];
    if (report(session, found, t, det, DIAG_DET_DIFFERS,
               arena_printf(arena, "log_det of forward differs from the Jacobian's by %.2g at x = %s: %.6g, and the Jacobian has %.6g", fabs(has - said),
                            point_text(t, x + det.point * t->n, arena), said, has),
               "`log_det` is the logarithm of |dy / dx|, added up over the components"))
      return;
  }
  if (dets.by > tolerance)
    report(session, found, t, dets, DIAG_DET_DIFFERS,
           arena_printf(arena, "log_det of inverse is not minus that of forward at x = %s: %.6g and %.6g", point_text(t, x + dets.point * t->n, arena),
                        back[dets.point], log_det[dets.point]),
           "each direction gives the logarithm of its own Jacobian's determinant");
}

static bool try(Session *session, Diags *found, const ModelTrial *t) {
  if (t->fn == NULL) return false;
  Arena *arena = arena_create();
  const IrArray *outputs = evaluate(session, t, arena);
  if (outputs != NULL) compare(session, found, t, outputs, arena);
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
