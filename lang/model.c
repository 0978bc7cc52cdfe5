// From a file to the typed model: every stage of it in order, on one screen.
#include "lang/model.h"

#include <math.h>
#include <string.h>

#include "lang/block.h"

static void declare_data(Blocks *b) {
  for (size_t i = 0; i < b->declarations.len; i++) {
    const AstDecl *d = b->declarations.at[i];
    const Binding *now = scope_own(b->declaration_scopes.at[i], d->name.text);
    if (d->kind == DE_DATA && now != NULL && now->data == d && (b->declaration_scopes.at[i] == b->names || trained_of(b, b->declaration_scopes.at[i]) != NULL))
      scope_value(b->e, b->declaration_scopes.at[i], d->name);
  }
}

static bool has_weights(const Model *m, const char *owner) {
  for (size_t i = 0; i < m->weights.len; i++)
    if (m->weights.at[i].owner != NULL && strcmp(m->weights.at[i].owner, owner) == 0) return true;
  return false;
}

// Nets and flows are checked though nothing uses them. Nets come first, so that their mistakes are shown at home; flows are
// large and are looked at again only when no block has made them.
static void check_declarations(Blocks *b, AstDeclKind kind) {
  for (size_t i = 0; i < b->declarations.len; i++) {
    const AstDecl *d = b->declarations.at[i];
    if (d->kind != kind || declaration_replaced(b, i) || b->declaration_scopes.at[i] != b->names) continue;
    if (kind == DE_FLOW && has_weights(b->e->model, d->name.text)) continue;
    elab_check_declaration(b->e, b->names, d);
  }
}

static bool is_updated(const Model *m, const char *owner) {
  for (size_t i = 0; i < m->phases.len; i++)
    for (size_t k = 0; k < m->phases.at[i]->updates.len; k++) {
      const ModelUpdate *u = &m->phases.at[i]->updates.at[k];
      for (size_t n = 0; n < u->targets.len; n++) {
        size_t len = strlen(owner);
        if (strncmp(u->targets.at[n], owner, len) == 0 && (u->targets.at[n][len] == 0 || u->targets.at[n][len] == '.')) return true;
      }
    }
  return false;
}

static void warn_unmoved(Blocks *b) {
  const Model *m = b->e->model;
  for (size_t i = 0; i < b->declarations.len && m->phases.len > 0 && !b->unknown_target; i++) {
    const AstDecl *d = b->declarations.at[i];
    if ((d->kind != DE_NET && d->kind != DE_FLOW) || declaration_replaced(b, i) || b->declaration_scopes.at[i] != b->names) continue;
    if (!has_weights(m, d->name.text) || is_updated(m, d->name.text)) continue;
    Diag *diag = elab_error(b->e, DIAG_WEIGHTS_UNMOVED, d->name.span, "no update moves `%s`", d->name.text);
    diag_help(b->e->diags, diag, "name it in an `update`, or its weights stay as they begin");
  }
}

static void check_generators(Blocks *b) {
  for (size_t i = 0; i < b->generators.len; i++)
    for (size_t k = 0; k < i; k++) {
      const AstDecl *x = b->generators.at[i].decl, *y = b->generators.at[k].decl;
      const char *p = x->name.text == NULL ? "" : x->name.text, *q = y->name.text == NULL ? "" : y->name.text;
      if (strcmp(p, q) != 0) continue;
      Diag *d = elab_error(b->e, DIAG_GIVEN_TWICE, x->span, "a second `generate %s`", p);
      diag_label(b->e->diags, d, y->span, "the first");
      diag_help(b->e->diags, d, "give it a name: `generate other { … }`");
    }
}

static const DataField *field_of_name(const Blocks *b, const char *name) {
  for (size_t i = 0; i < b->data.len; i++)
    for (size_t k = 0; k < b->data.at[i]->fields.len; k++)
      if (b->data.at[i]->scope == b->names && strcmp(b->data.at[i]->fields.at[k]->label, name) == 0) return b->data.at[i]->fields.at[k];
  return NULL;
}

// In blocks a field's name stands for the field, so a net or a flow of that name could be neither updated nor drawn from.
static void refuse_names_of_fields(Blocks *b) {
  for (size_t i = 0; i < b->declarations.len; i++) {
    const AstDecl *decl = b->declarations.at[i];
    if ((decl->kind != DE_NET && decl->kind != DE_FLOW) || b->declaration_scopes.at[i] != b->names) continue;
    const DataField *f = field_of_name(b, decl->name.text);
    if (f == NULL) continue;
    Diag *d = elab_error(b->e, DIAG_GIVEN_TWICE, decl->name.span, "`%s` is a field of `%s` already", decl->name.text, f->block->model->name);
    diag_label(b->e->diags, d, f->span, "the field");
    diag_help(b->e->diags, d, "give the %s another name", decl->kind == DE_NET ? "net" : "flow");
  }
}

// False: there are errors.
static bool elaborate(Blocks *b) {
  Diags *diags = b->e->diags;
  if (!blocks_load(b) || diags->errors > 0) return false;
  declare_data(b);
  params_finish(b);
  if (b->broken) return false;
  int errors = diags->errors;
  refuse_names_of_fields(b);
  overrides_check(b);
  if (diags->errors > errors) return false; // callers would say again what the replaced one took
  for (size_t i = 0; i < b->data.len; i++) data_programs(b, b->data.at[i]);
  check_declarations(b, DE_NET);
  for (size_t i = 0; i < b->stages.len; i++)
    if (b->stages.at[i].decl->kind == DE_TRAIN) train_block(b, &b->stages.at[i]);
    else fit_block(b, fit_of(b, b->stages.at[i].decl));
  check_generators(b);
  for (size_t i = 0; i < b->generators.len; i++) generate_block(b, &b->generators.at[i]);
  if (b->score.decl != NULL) score_block(b, &b->score);
  evaluate_block(b, &b->evaluate);
  fits_order(b);
  check_declarations(b, DE_FLOW);
  warn_unmoved(b);
  if (diags->errors == 0) trials_build(b->e);
  if (diags->errors == 0) blocks_unused(b);
  blocks_parts(b);
  return diags->errors == 0;
}

Model *model_load(Arena *arena, Sources *sources, Diags *diags, const ModelOptions *options) {
  Model *m = ARENA_NEW(arena, Model);
  *m = (Model){.arena = arena, .sources = sources, .path = arena_strdup(arena, options->path), .seed = options->seed, .real = options->real};
  Elab *e = elab_new(m, sources, diags);
  Blocks b = {.e = e, .options = options};
  e->blocks = &b;
  e->work = options->work != NULL ? options->work : arena_create();
  fields_hooks(e);
  e->notes_trials = options->trials;
  bool fine = elaborate(&b);
  if (options->work == NULL) arena_destroy(e->work);
  *e = (Elab){0}; // it lies in the model's arena, which may be kept, and leads to the work and to this function's stack, which are gone
  return fine ? m : NULL;
}

size_t model_data_index(const Model *m, const ModelData *data) {
  for (size_t i = 0; i < m->data.len; i++)
    if (m->data.at[i] == data) return i;
  return 0;
}

// ---- formulas of metrics

static bool combine(AstBinary op, double a, double b, double *out) {
  switch (op) {
  case BIN_ADD: *out = a + b; return true;
  case BIN_SUB: *out = a - b; return true;
  case BIN_MUL: *out = a * b; return true;
  case BIN_DIV: *out = a / b; return true;
  case BIN_FLOORDIV: *out = floor(a / b); return true;
  case BIN_MOD: *out = a - b * floor(a / b); return true;
  case BIN_POW: *out = pow(a, b); return true;
  case BIN_EQ: *out = a == b; return true;
  case BIN_NE: *out = a != b; return true;
  case BIN_LT: *out = a < b; return true;
  case BIN_LE: *out = a <= b; return true;
  case BIN_GT: *out = a > b; return true;
  case BIN_GE: *out = a >= b; return true;
  case BIN_AND: *out = a != 0 && b != 0; return true;
  case BIN_OR: *out = a != 0 || b != 0; return true;
  case BIN_MATMUL: return false;
  }
  return false;
}

// Functions of numbers that a formula may apply to metrics.
static bool apply(const char *name, const double *x, size_t n, double *out) {
  bool one = n == 1, two = n == 2;
  if (one && strcmp(name, "abs") == 0) *out = fabs(x[0]);
  else if (one && strcmp(name, "sqrt") == 0) *out = sqrt(x[0]);
  else if (one && strcmp(name, "log") == 0) *out = log(x[0]);
  else if (one && strcmp(name, "exp") == 0) *out = exp(x[0]);
  else if (two && strcmp(name, "max") == 0) *out = fmax(x[0], x[1]);
  else if (two && strcmp(name, "min") == 0) *out = fmin(x[0], x[1]);
  else return false;
  return true;
}

bool model_formula_function(const char *name, size_t arguments) {
  double out;
  return apply(name, (double[]){1, 1}, arguments, &out);
}

static const ModelMetricUse *use_at(const ModelEvaluate *evaluate, const AstExpr *expr) {
  for (size_t i = 0; evaluate != NULL && i < evaluate->uses.len; i++)
    if (evaluate->uses.at[i].expr == expr) return &evaluate->uses.at[i];
  return NULL;
}

bool model_formula(const ModelEvaluate *evaluate, const AstExpr *expr, ModelLookup *lookup, void *data, double *result, const char **unknown) {
  double x[2] = {0};
  const ModelMetricUse *use = use_at(evaluate, expr);
  *unknown = "";
  if (use != NULL && use->metric == NULL && use->output == NULL) {
    *result = use->number;
    return true;
  }
  if (use != NULL) {
    *unknown = use->metric != NULL ? use->metric->text : "batch";
    return lookup(data, use, result);
  }
  switch (expr->kind) {
  case EX_NUMBER: *result = expr->u.number.value; return true;
  case EX_BOOL: *result = expr->u.boolean; return true;
  case EX_UNARY:
    if (!model_formula(evaluate, expr->u.unary.operand, lookup, data, x, unknown)) return false;
    *result = expr->u.unary.op == UN_NEG ? -x[0] : x[0] == 0;
    return true;
  case EX_BINARY:
    if (!model_formula(evaluate, expr->u.binary.left, lookup, data, &x[0], unknown)) return false;
    if (!model_formula(evaluate, expr->u.binary.right, lookup, data, &x[1], unknown)) return false;
    return combine(expr->u.binary.op, x[0], x[1], result);
  case EX_CALL:
    if (expr->u.call.args.len > 2 || expr->u.call.callee->kind != EX_NAME) return false;
    for (size_t i = 0; i < expr->u.call.args.len; i++)
      if (!model_formula(evaluate, expr->u.call.args.at[i].value, lookup, data, &x[i], unknown)) return false;
    return apply(expr->u.call.callee->u.name, x, expr->u.call.args.len, result);
  default: return false; // no formula has it: block_metric.c
  }
}
