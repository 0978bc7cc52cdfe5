// From a file to the typed model: every stage of it in order, on one screen.
#include "lang/model.h"

#include <math.h>
#include <string.h>

#include "lang/block.h"

static void declare_data(Blocks *b) {
  for (size_t i = 0; i < b->declarations.len; i++) {
    const AstDecl *d = b->declarations.at[i];
    const Binding *now = scope_own(b->declaration_scopes.at[i], d->name.text);
    if (d->kind == DE_DATA && now != NULL && now->data == d && b->declaration_scopes.at[i] == b->names) scope_value(b->e, b->declaration_scopes.at[i], d->name);
  }
}

static bool replaced(const Blocks *b, size_t i) {
  for (size_t k = i + 1; k < b->declarations.len; k++)
    if (b->declaration_scopes.at[k] == b->declaration_scopes.at[i] && strcmp(b->declarations.at[k]->name.text, b->declarations.at[i]->name.text) == 0)
      return true;
  return false;
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
    if (d->kind != kind || replaced(b, i) || b->declaration_scopes.at[i] != b->names) continue;
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
    if ((d->kind != DE_NET && d->kind != DE_FLOW) || replaced(b, i) || b->declaration_scopes.at[i] != b->names) continue;
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

Model *model_load(Arena *arena, Sources *sources, Diags *diags, const ModelOptions *options) {
  Model *m = ARENA_NEW(arena, Model);
  *m = (Model){.arena = arena, .sources = sources, .path = options->path, .seed = options->seed, .real = options->real};
  Elab *e = elab_new(m, sources, diags);
  Blocks b = {.e = e, .options = options};
  e->blocks = &b;
  fields_hooks(e);
  e->notes_trials = options->trials;
  if (!blocks_load(&b) || diags->errors > 0) return NULL;
  declare_data(&b);
  params_finish(&b);
  if (b.broken) return NULL;
  int errors = diags->errors;
  overrides_check(&b);
  if (diags->errors > errors) return NULL; // callers would say again what the replaced one took
  for (size_t i = 0; i < b.data.len; i++) data_programs(&b, b.data.at[i]);
  check_declarations(&b, DE_NET);
  for (size_t i = 0; i < b.trains.len; i++) train_block(&b, &b.trains.at[i]);
  check_generators(&b);
  for (size_t i = 0; i < b.generators.len; i++) generate_block(&b, &b.generators.at[i]);
  if (b.score.decl != NULL) score_block(&b, &b.score);
  if (b.evaluate.decl != NULL) evaluate_block(&b, &b.evaluate);
  check_declarations(&b, DE_FLOW);
  warn_unmoved(&b);
  if (diags->errors == 0) trials_build(e);
  if (diags->errors == 0) metrics_members(e);
  if (diags->errors == 0) blocks_unused(&b);
  return diags->errors > 0 ? NULL : m;
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

typedef bool FormulaLookup(void *data, const char *name, const char *member, double *value);

bool model_formula(const AstExpr *expr, FormulaLookup *lookup, void *data, double *result, const char **unknown) {
  double a, b;
  *unknown = "";
  switch (expr->kind) {
  case EX_NUMBER: *result = expr->u.number.value; return true;
  case EX_BOOL: *result = expr->u.boolean; return true;
  case EX_NAME: *unknown = expr->u.name; return lookup(data, expr->u.name, NULL, result);
  case EX_FIELD:
    *unknown = expr->u.field.name.text;
    if (expr->u.field.object->kind != EX_NAME) return false;
    return lookup(data, expr->u.field.object->u.name, expr->u.field.name.text, result);
  case EX_UNARY:
    if (!model_formula(expr->u.unary.operand, lookup, data, &a, unknown)) return false;
    *result = expr->u.unary.op == UN_NEG ? -a : a == 0;
    return true;
  case EX_BINARY:
    if (!model_formula(expr->u.binary.left, lookup, data, &a, unknown)) return false;
    if (!model_formula(expr->u.binary.right, lookup, data, &b, unknown)) return false;
    return combine(expr->u.binary.op, a, b, result);
  case EX_ERROR:
  case EX_STRING:
  case EX_LIST:
  case EX_FILL:
  case EX_COMPREHENSION:
  case EX_TUPLE:
  case EX_PIPE:
  case EX_UNIT:
  case EX_IF:
  case EX_FN:
  case EX_CALL:
  case EX_INDEX: return false;
  }
  return false;
}
