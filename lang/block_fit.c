// Fits: estimates over the training split, made where they stand among the train blocks.
//
//   fit memory = collect(encoder(x))      the program fit.memory gives the numbers of encoder(x), the driver keeps them all
#include <math.h>
#include <string.h>

#include "lang/fit.h"
#include "lang/block.h"

// ---- states

static void add_state(Elab *e, Fit *fit, const char *what, IrDtype dtype, int rank, const int64_t *axes) {
  ModelState s = {.name = arena_printf(e->arena, "fit:%s.%s", fit->name, what), .type = ir_type(dtype, rank, axes)};
  VEC_PUSH(e->arena, &fit->model->states, s);
}

// Names and shapes of what the driver computes (compiler/driver/fitting.c) and elab_fit.c reads.
static void add_states(Elab *e, Fit *fit) {
  const IrDtype real = e->model->real;
  const int64_t n = fit->model->n, k = (int64_t)fit->model->setting, vector[] = {n}, square[] = {n, n};
  switch (fit->model->kind) {
  case ESTIMATE_COLLECT:
  case ESTIMATE_KDE:
    add_state(e, fit, "rows", real, 2, (int64_t[]){MODEL_ROWS_UNKNOWN + fit->number, n});
    add_state(e, fit, "count", IR_F64, 0, NULL);
    return;
  case ESTIMATE_GAUSSIAN:
    add_state(e, fit, "mean", real, 1, vector);
    add_state(e, fit, "covariance", real, 2, square);
    add_state(e, fit, "lower", real, 2, square);
    add_state(e, fit, "inverse", real, 2, square);
    add_state(e, fit, "log_norm", IR_F64, 0, NULL);
    return;
  case ESTIMATE_MIXTURE:
    add_state(e, fit, "edges", IR_F64, 1, (int64_t[]){k});
    add_state(e, fit, "mean", real, 2, (int64_t[]){k, n});
    add_state(e, fit, "lower", real, 3, (int64_t[]){k, n, n});
    add_state(e, fit, "inverse", real, 3, (int64_t[]){k, n, n});
    add_state(e, fit, "log_norm", IR_F64, 1, (int64_t[]){k});
    return;
  case ESTIMATE_PCA:
  case ESTIMATE_SVD:
    add_state(e, fit, "axes", real, 2, (int64_t[]){k, n});
    add_state(e, fit, "rms", real, 1, (int64_t[]){k});
    if (fit->model->kind == ESTIMATE_PCA) add_state(e, fit, "mean", real, 1, vector);
    return;
  case ESTIMATE_ECDF:
    add_state(e, fit, "lower", real, 2, (int64_t[]){n, k});
    add_state(e, fit, "steep", real, 2, (int64_t[]){n, k});
    add_state(e, fit, "edge", IR_F64, 0, NULL);
    return;
  case ESTIMATE_QUANTILES: add_state(e, fit, "edges", real, 1, (int64_t[]){k + 1}); return;
  case ESTIMATE_AVERAGE:
  case ESTIMATE_SPREAD: add_state(e, fit, "value", real, 1, vector); return;
  }
}

const ModelState *model_buffer(const ModelEstimate *estimate) {
  bool buffer = (estimate->kind == ESTIMATE_COLLECT || estimate->kind == ESTIMATE_KDE) && estimate->states.len > 0;
  return buffer ? &estimate->states.at[0] : NULL;
}

// ---- programs that read buffers

typedef void Visit(IrFn *fn, void *data);

static void each_program(Model *m, Visit *visit, void *data) {
  IrFn *one[] = {m->score, m->evaluate != NULL ? m->evaluate->observables : NULL, m->evaluate != NULL ? m->evaluate->whole : NULL};
  for (size_t i = 0; i < sizeof one / sizeof *one; i++)
    if (one[i] != NULL) visit(one[i], data);
  for (size_t i = 0; i < m->measured.len; i++) visit(m->measured.at[i].argument, data);
  for (size_t i = 0; i < m->estimates.len; i++) visit(m->estimates.at[i]->fn, data);
  for (size_t i = 0; i < m->generators.len; i++) visit(m->generators.at[i]->fn, data);
  for (size_t i = 0; i < m->phases.len; i++) {
    ModelPhase *p = m->phases.at[i];
    if (p->validate != NULL) visit(p->validate, data);
    for (size_t k = 0; k < p->selections.len; k++) visit(p->selections.at[k].keep, data);
    for (size_t u = 0; u < p->updates.len; u++) {
      visit(p->updates.at[u].step, data);
      if (p->updates.at[u].control != NULL) visit(p->updates.at[u].control, data);
    }
  }
}

typedef struct Sized {
  int64_t before, rows;
} Sized;

static void size_axes(IrFn *fn, void *data) {
  const Sized *s = data;
  for (size_t i = 0; i < fn->values.len; i++)
    for (int k = 0; k < fn->values.at[i].type.rank; k++)
      if (fn->values.at[i].type.axes[k] == s->before) fn->values.at[i].type.axes[k] = s->rows;
}

void model_size_buffer(Model *model, ModelEstimate *estimate, int64_t rows) {
  if (model_buffer(estimate) == NULL) return;
  ModelState *buffer = &estimate->states.at[0];
  Sized sized = {buffer->type.axes[0], rows};
  buffer->type.axes[0] = rows;
  each_program(model, size_axes, &sized);
}

bool model_reads_buffer(const Model *model, const IrFn *fn) {
  for (size_t k = 0; k < model->estimates.len + model->kept.len; k++) {
    const ModelState *buffer = model_buffer(k < model->estimates.len ? model->estimates.at[k] : model->kept.at[k - model->estimates.len]);
    for (size_t i = 0; buffer != NULL && i < fn->values.len; i++)
      if (fn->values.at[i].op == IR_STATE && strcmp(fn->values.at[i].attr.name, buffer->name) == 0) return true;
  }
  return false;
}

// ---- the estimate

// The second argument, NULL where it is left out; `call` itself after a message.
static const AstExpr *setting_of(Elab *e, const Fit *fit, const AstExpr *call) {
  const AstArgs *args = &call->u.call.args;
  bool good = args->len >= 1 && args->len <= 2 && args->at[0].name.text == NULL;
  const AstArg *second = args->len == 2 ? &args->at[1] : NULL;
  if (second != NULL && (fit->info->setting[0] == 0 || (second->name.text != NULL && strcmp(second->name.text, fit->info->setting) != 0))) good = false;
  if (second == NULL && isnan(fit->info->usual)) good = false;
  if (good) return second == NULL ? NULL : second->value;
  const char *form = fit->info->setting[0] == 0 ? "" : arena_printf(e->arena, ", %s", fit->info->setting);
  Diag *d = elab_error(e, DIAG_ARGUMENTS, call->span, "`%s` is called as `%s(v%s)`", fit->info->name, fit->info->name, form);
  diag_help(e->diags, d, "it gives %s", fit->info->what);
  return call;
}

static bool read_setting(Elab *e, Fit *fit, const AstExpr *call) {
  const AstExpr *x = setting_of(e, fit, call);
  fit->model->setting = fit->info->usual;
  if (x == NULL) return true;
  Value *v = elab_expr(e, fit->scope, x);
  const char *what = arena_printf(e->arena, "`%s` of `%s`", fit->info->setting, fit->info->name);
  int64_t whole;
  if (value_is_error(v)) return false;
  if (fit->model->kind == ESTIMATE_KDE) {
    if (!elab_setting_number(e, v, x->span, what, &fit->model->setting)) return false;
  } else {
    if (!elab_setting_int(e, v, x->span, what, &whole)) return false;
    fit->model->setting = (double)whole;
  }
  bool too_many = (fit->model->kind == ESTIMATE_SVD || fit->model->kind == ESTIMATE_PCA) && fit->model->setting > (double)fit->model->n;
  if (fit->model->setting >= fit->info->least && !too_many) return true;
  Diag *d = elab_error(e, DIAG_TYPE, x->span, "%s is %g", what, fit->model->setting);
  if (too_many) {
    diag_help(e->diags, d, "the value has %lld number%s, and no more axes", (long long)fit->model->n, fit->model->n == 1 ? "" : "s");
    elab_help_undeclared(e, d, fit->like);
  } else diag_help(e->diags, d, "it is at least %g", fit->info->least);
  return false;
}

static const ModelData *data_of(Elab *e, const Fit *fit, const Value *numbers, Span span) {
  Belongs belongs = numbers->u.tensor.belongs;
  if (belongs.kind == BELONGS_EVENTS) return belongs.data;
  Diag *d = elab_error(e, DIAG_FIT_WHAT, span, "`%s` is fitted to nothing of the data", fit->name);
  diag_help(e->diags, d, "a fit goes over the events of the training split: `collect(encoder(x))` with a field x of the data");
  return NULL;
}

static bool one_number(Elab *e, const Fit *fit, Span span) {
  if (fit->model->kind != ESTIMATE_QUANTILES || fit->model->n == 1) return true;
  Diag *d = elab_error(e, DIAG_TYPE, span, "`quantile_bins` takes one number, this has %lld", (long long)fit->model->n);
  diag_help(e->diags, d, "one fit for each number: `quantile_bins(x[0], 50)`");
  return false;
}

static bool estimate(Blocks *b, Fit *fit, const AstExpr *call) {
  Elab *e = b->e;
  if (setting_of(e, fit, call) == call) return false;
  const AstExpr *x = call->u.call.args.at[0].value;
  Scope *scope = scope_new(e, fields_scope(b, fit->scope, false));
  Value *v = elab_expr(e, scope, x);
  Value *numbers = value_is_error(v) ? v : fit_numbers(e, v, fit->model->kind == ESTIMATE_COLLECT, x->span);
  if (value_is_error(numbers)) return false;
  fit->like = v;
  fit->model->n = numbers->u.tensor.type.shape.axes[0];
  fit->model->data = data_of(e, fit, numbers, x->span);
  if (fit->model->data == NULL || !read_setting(e, fit, call) || !one_number(e, fit, x->span)) return false;
  ir_output(fit->model->fn, "value", over_events(e, numbers));
  add_states(e, fit);
  return true;
}

static void make(Blocks *b, Fit *fit) {
  Elab *e = b->e;
  if (fit->model != NULL || fit->bad) return;
  const AstExpr *call = fit->decl->u.fit.value;
  ModelEstimateKind kind;
  fit->info = call->kind == EX_CALL && call->u.call.callee->kind == EX_NAME ? estimator_find(call->u.call.callee->u.name, &kind) : NULL;
  if (fit->info == NULL) {
    Diag *d = elab_error(e, DIAG_FIT_WHAT, call->span, "this is no estimate");
    diag_help(e->diags, d, "`fit memory = collect(encoder(x))`; the estimates are %s", estimators_text(e->arena));
    fit->bad = true;
    return;
  }
  const char *site = arena_printf(e->arena, "fit.%s", fit->name);
  ModelEstimate *model = ARENA_NEW(e->arena, ModelEstimate);
  *model = (ModelEstimate){.kind = kind, .name = fit->name, .span = fit->decl->span, .fn = scene_open(e, SCENE_FIT, site, site)->fn};
  fit->model = model;
  fit->making = true;
  fit->bad = !estimate(b, fit, call);
  fit->making = false;
  if (!fit->bad && trained_of(b, fit->scope) != NULL) VEC_PUSH(e->arena, &e->model->kept, model);
  scene_close(e);
}

// ---- declarations and their place

Fit *fit_of(Blocks *b, const AstDecl *decl) {
  for (size_t i = 0; i < b->fits.len; i++)
    if (b->fits.at[i]->decl == decl) return b->fits.at[i];
  return NULL;
}

static Value *make_fit(Elab *e, Scope *scope, void *data) {
  (void)scope;
  Fit *fit = data;
  Value *v = value_copy(e, value_error(e));
  v->kind = VALUE_FIT;
  v->span = fit->decl->name.span;
  v->u.fit.fit = fit;
  return v;
}

void fit_declare(Blocks *b, Scope *scope, const char *name, const AstDecl *decl) {
  Fit *fit = ARENA_NEW(b->e->arena, Fit);
  *fit = (Fit){.decl = decl, .scope = scope, .name = name, .number = (int64_t)b->fits.len};
  VEC_PUSH(b->e->arena, &b->fits, fit);
  scope_bind_lazy(b->e, scope, decl->name.text, decl->name.span, make_fit, fit);
}

static bool in_training(const Elab *e) {
  for (const Scene *s = e->scene; s != NULL; s = s->outer)
    if (s->purpose == SCENE_TRAIN || s->purpose == SCENE_VALIDATE || s->purpose == SCENE_FIT) return true;
  return false;
}

bool fit_ready(Elab *e, const Value *v, Span span) {
  Fit *fit = (Fit *)v->u.fit.fit;
  if (fit->making) {
    Diag *d = elab_error(e, DIAG_DEPTH, span, "`%s` is made from itself", fit->name);
    diag_label(e->diags, d, fit->decl->name.span, "`%s` begins here", fit->name);
    diag_help(e->diags, d, "break the circle with a fit of its own for one of the values");
    return false;
  }
  bool trained = trained_of(blocks_of(e), fit->scope) != NULL; // fitted in its run
  if (trained ? false : !fit->stands || (!fit->reached && in_training(e))) {
    Diag *d = elab_error(e, DIAG_FIT_EARLY, span, fit->stands ? "`%s` is fitted after this" : "`%s` is never fitted", fit->name);
    diag_label(e->diags, d, fit->decl->name.span, fit->stands ? "fitted here" : "declared here");
    if (fit->stands) diag_help(e->diags, d, "`fit` and `train` run in file order: put the fit in front, or this behind it");
    else diag_help(e->diags, d, "a file that is used under a name brings no blocks: `fit` it in this file");
    return false;
  }
  make(blocks_of(e), fit);
  return !fit->bad;
}

void fit_block(Blocks *b, Fit *fit) {
  Elab *e = b->e;
  fit->reached = true;
  make(b, fit);
  if (fit->bad) return;
  fit->model->phase = e->model->phases.len;
  VEC_PUSH(e->arena, &e->model->estimates, fit->model);
}

// ---- fit-order

static bool moved_later(const Model *m, const ModelEstimate *estimate, const char *owner) {
  size_t len = strlen(owner);
  for (size_t i = estimate->phase; i < m->phases.len; i++)
    for (size_t k = 0; k < m->phases.at[i]->updates.len; k++)
      for (size_t n = 0; n < m->phases.at[i]->updates.at[k].targets.len; n++) {
        const char *target = m->phases.at[i]->updates.at[k].targets.at[n];
        if (strncmp(target, owner, len) == 0 && (target[len] == 0 || target[len] == '.')) return true;
      }
  return false;
}

static const char *moving_owner(const Model *m, const ModelEstimate *estimate) {
  for (size_t i = 0; i < estimate->fn->values.len; i++) {
    const IrValue *v = &estimate->fn->values.at[i];
    for (size_t w = 0; v->op == IR_PARAM && w < m->weights.len; w++)
      if (m->weights.at[w].owner != NULL && strcmp(m->weights.at[w].name, v->attr.name) == 0 && moved_later(m, estimate, m->weights.at[w].owner))
        return m->weights.at[w].owner;
  }
  return NULL;
}

static bool asks_metrics(const AstExpr *x) {
  static const char *const of_training[] = {"loss", "validation", "grad_norm"};
  if (x->kind == EX_BINARY) return asks_metrics(x->u.binary.left) || asks_metrics(x->u.binary.right);
  if (x->kind == EX_UNARY) return asks_metrics(x->u.unary.operand);
  if (x->kind == EX_FIELD) return asks_metrics(x->u.field.object);
  for (size_t i = 0; x->kind == EX_NAME && i < sizeof of_training / sizeof *of_training; i++)
    if (strcmp(x->u.name, of_training[i]) == 0) return false;
  return x->kind == EX_NAME || x->kind == EX_CALL;
}

static const ModelEstimate *fit_read_by(const Model *m, const IrFn *fn, size_t after) {
  for (size_t i = 0; i < fn->values.len; i++)
    for (size_t k = 0; fn->values.at[i].op == IR_STATE && k < m->estimates.len; k++)
      for (size_t s = 0; m->estimates.at[k]->phase > after && s < m->estimates.at[k]->states.len; s++)
        if (strcmp(m->estimates.at[k]->states.at[s].name, fn->values.at[i].attr.name) == 0) return m->estimates.at[k];
  return NULL;
}

// Metrics of `watch` draw events, which may need what is not fitted yet.
static void check_watch(Elab *e) {
  const Model *m = e->model;
  for (size_t i = 0; i < m->phases.len && m->generators.len > 0; i++) {
    const AstExpr *watch = m->phases.at[i]->watch;
    const ModelEstimate *fit = watch == NULL || !asks_metrics(watch) ? NULL : fit_read_by(m, m->generators.at[0]->fn, i);
    if (fit == NULL) continue;
    Diag *d =
        elab_error(e, DIAG_FIT_EARLY, watch->span, "these metrics are of generated events, and `generate` needs `%s`, which is fitted after this", fit->name);
    diag_label(e->diags, d, fit->span, "fitted here");
    diag_help(e->diags, d, "watch `validation` here, or put the fit in front of this block");
  }
}

void fits_order(Blocks *b) {
  Elab *e = b->e;
  check_watch(e);
  for (size_t i = 0; i < e->model->estimates.len; i++) {
    const ModelEstimate *m = e->model->estimates.at[i];
    const char *owner = moving_owner(e->model, m);
    if (owner == NULL) continue;
    Diag *d = elab_error(e, DIAG_FIT_ORDER, m->span, "`%s` is fitted before `%s` is trained to its end", m->name, owner);
    diag_help(e->diags, d, "put the fit behind the last train block that updates `%s`", owner);
  }
}
