#include "compiler/driver/trial.h"

#include <math.h>
#include <string.h>

#include "compiler/ir/eval.h"
#include "runtime/philox.h"

enum { POINTS = 64 };
static const double tolerance = 1e-6; // of float64 through inverses that cancel

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

static void report(Session *session, const ModelTrial *t, DiagKind kind, const char *what, const char *help) {
  Diag *d = diag_add(session->diags, kind, t->span, "`%s`: %s (of %d random points)", t->name, what, POINTS);
  SourceFile *file = source_of(session->sources, t->span);
  if (t->use.begin != t->span.begin && file != NULL) diag_label(session->diags, d, t->use, "used here");
  diag_help(session->diags, d, "%s", help);
}

static double away(const ModelTrial *t, int64_t i, double a, double b) {
  double d = a - b;
  int64_t last = t->n;
  if (t->circular != NULL && t->circular[i % last]) d -= 2 * acos(-1.0) * round(d / (2 * acos(-1.0)));
  return fabs(d) / (1 + fabs(b));
}

// False: reported.
static bool sides_agree(Session *session, const ModelTrial *t, const IrArray *outputs, int64_t e, Arena *arena) {
  const double *back = output(t, outputs, "back"), *x = outputs[t->fn->outputs.len].data + e * t->n;
  double worst = 0;
  for (int64_t i = 0; back != NULL && i < t->n; i++) {
    double d = away(t, i, back[e * t->n + i], x[i]);
    if (!(d <= worst)) worst = d;
  }
  if (worst <= tolerance) return true;
  report(session, t, DIAG_SIDES_DIFFER, arena_printf(arena, "inverse(forward(x)) differs from x by %.2g at x = %s", worst, point_text(t, x, arena)),
         "`inverse` takes what `forward` gives and gives back what it took");
  return false;
}

static bool dets_agree(Session *session, const ModelTrial *t, const IrArray *outputs, int64_t e, Arena *arena) {
  const double *x = outputs[t->fn->outputs.len].data + e * t->n, *back = output(t, outputs, "back_log_det");
  double log_det = output(t, outputs, "log_det")[e];
  if (t->has_rows) {
    double *m = ARENA_ARRAY(arena, double, t->n * t->n);
    for (int64_t r = 0; r < t->n; r++)
      memcpy(m + r * t->n, output(t, outputs, arena_printf(arena, "row_%lld", (long long)r)) + e * t->n, sizeof *m * (size_t)t->n);
    double found = log_abs_det(m, t->n);
    if (!(fabs(found - log_det) <= tolerance * (1 + fabs(found)))) {
      report(session, t, DIAG_DET_DIFFERS,
             arena_printf(arena, "log_det of forward differs from the Jacobian's by %.2g at x = %s: %.6g, and the Jacobian has %.6g", fabs(found - log_det),
                          point_text(t, x, arena), log_det, found),
             "`log_det` is the logarithm of |dy / dx|, added up over the components");
      return false;
    }
  }
  if (back == NULL || fabs(back[e] + log_det) <= tolerance * (1 + fabs(log_det))) return true;
  report(session, t, DIAG_DET_DIFFERS,
         arena_printf(arena, "log_det of inverse is not minus that of forward at x = %s: %.6g and %.6g", point_text(t, x, arena), back[e], log_det),
         "each direction gives the logarithm of its own Jacobian's determinant");
  return false;
}

static bool is_finite_at(const ModelTrial *t, const IrArray *outputs, int64_t e) {
  for (size_t i = 0; i < t->fn->outputs.len; i++) {
    int64_t row = outputs[i].n / POINTS;
    for (int64_t k = 0; k < row; k++)
      if (!isfinite(outputs[i].data[e * row + k])) return false;
  }
  return true;
}

// Points outside of a bijection's domain give NaN and say nothing.
static bool try(Session *session, const ModelTrial *t) {
  Arena *arena = arena_create();
  const IrArray *outputs = evaluate(session, t, arena);
  bool good = true;
  for (int64_t e = 0; outputs != NULL && good && e < POINTS; e++)
    if (is_finite_at(t, outputs, e)) good = sides_agree(session, t, outputs, e, arena) && dets_agree(session, t, outputs, e, arena);
  arena_destroy(arena);
  return outputs != NULL;
}

int trials_run(Session *session) {
  int tried = 0;
  for (size_t i = 0; i < session->model->trials.len; i++) {
    const ModelTrial *t = session->model->trials.at[i];
    SourceFile *file = source_of(session->sources, t->span);
    // What the library makes of a wrong bijection of the file is wrong too, and not worth a second message.
    if (session->diags->errors > 0 && file != NULL && file->library) continue;
    tried += try(session, t);
  }
  return tried;
}
