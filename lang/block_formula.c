// Columns in formulas: what stands in quotes is a column, everything around it an expression like any other.
//
//   m = "m" / sqrt(2 * "{a,b}_pt")     behind the field's own column, for each number of the field
//   where "id" > 0                      a cut
//
// A column in quotes becomes a name that no program can write, "id" with its quotes, and scopes bind it.
#include <string.h>

#include "lang/block.h"
#include "lang/unit.h"

static const char *hidden_name(Elab *e, const char *column) { return arena_printf(e->arena, "\"%s\"", column); }

typedef struct Quotes {
  Elab *e;
  AstNames *columns;
  size_t item, items; // of a family its item-th column; items 0: a name is taken as it stands
} Quotes;

static bool column_of(const Quotes *q, const AstExpr *x, const char **out) {
  Strings names = {0};
  *out = x->u.string;
  if (q->items == 0) return true;
  if (!data_family(q->e->arena, x->u.string, &names)) {
    Diag *d = elab_error(q->e, DIAG_PREPARATION, x->span, "the family \"%s\" does not name columns", x->u.string);
    diag_help(q->e->diags, d, "\"{a,b}_{x,y}\" are the four columns a_x, a_y, b_x, b_y");
    return false;
  }
  if (names.len != 1 && names.len != q->items) {
    Diag *d = elab_error(q->e, DIAG_SHAPE, x->span, "%zu columns on the left of the formula, %zu on the right", q->items, names.len);
    diag_help(q->e->diags, d, "one column goes with all, else each has its own");
    return false;
  }
  *out = names.at[names.len == 1 ? 0 : q->item];
  return true;
}

static AstExpr *without_quotes(const Quotes *q, const AstExpr *x);

static bool child(const Quotes *q, AstExpr **x) { // false: reported
  *x = without_quotes(q, *x);
  return *x != NULL;
}

static bool children(const Quotes *q, AstExprs *all) {
  AstExprs bare = {0};
  for (size_t i = 0; i < all->len; i++) {
    AstExpr *x = all->at[i];
    if (!child(q, &x)) return false;
    VEC_PUSH(q->e->arena, &bare, x);
  }
  *all = bare;
  return true;
}

static bool arguments(const Quotes *q, AstArgs *all) {
  AstArgs bare = {0};
  for (size_t i = 0; i < all->len; i++) {
    AstArg arg = all->at[i];
    if (!child(q, &arg.value)) return false;
    VEC_PUSH(q->e->arena, &bare, arg);
  }
  *all = bare;
  return true;
}

static AstExpr *without_quotes(const Quotes *q, const AstExpr *x) { // NULL: reported
  Elab *e = q->e;
  AstExpr *copy = arena_dup(e->arena, x, sizeof *x);
  bool good = true;
  switch (x->kind) {
  case EX_STRING: {
    const char *column;
    if (!column_of(q, x, &column)) return NULL;
    VEC_PUSH(e->arena, q->columns, ((AstName){column, x->span}));
    copy->kind = EX_NAME;
    copy->u.name = hidden_name(e, column);
    return copy;
  }
  case EX_BINARY: good = child(q, &copy->u.binary.left) && child(q, &copy->u.binary.right); break;
  case EX_PIPE: good = child(q, &copy->u.pipe.left) && child(q, &copy->u.pipe.right); break;
  case EX_UNARY: good = child(q, &copy->u.unary.operand); break;
  case EX_UNIT: good = child(q, &copy->u.unit.operand); break;
  case EX_IF: good = child(q, &copy->u.choose.condition) && child(q, &copy->u.choose.yes) && child(q, &copy->u.choose.no); break;
  case EX_LIST: good = children(q, &copy->u.items); break;
  case EX_CALL: good = arguments(q, &copy->u.call.args); break;
  default: break;
  }
  return good ? copy : NULL;
}

static void bind_column(Elab *e, Scope *scope, const DataBlock *d, int column, Span span, IrRef value) {
  const ModelColumn *c = &d->model->columns.at[column];
  const char *name = hidden_name(e, c->name);
  if (scope_own(scope, name) != NULL) return;
  TensorType type = tensor_type_real(extents_of(c->rank, c->shape));
  type.unit = c->unit;
  scope_bind(e, scope, name, span, value_tensor(e, span, type, value, (Belongs){BELONGS_EVENTS, d->model}));
}

// `"Jet_pt" > 15 GeV`: a column without a unit meets that of the number.
static void meet_number(Blocks *b, DataBlock *d, const AstExpr *column, const AstExpr *number) {
  if (column->kind != EX_STRING || number->kind != EX_NUMBER || !unit_exists(number->u.number.unit.text)) return;
  d->model->columns.at[data_column(b, d, column->u.string, column->span)].meets = number->u.number.unit.text;
}

static void meet_numbers(Blocks *b, DataBlock *d, const AstExpr *x) {
  if (x->kind != EX_BINARY) return;
  const AstExpr *left = x->u.binary.left, *right = x->u.binary.right;
  meet_number(b, d, left, right), meet_number(b, d, right, left);
  meet_numbers(b, d, left), meet_numbers(b, d, right);
}

const AstExpr *formula_of_columns(Blocks *b, DataBlock *d, Scope *scope, const AstExpr *x) {
  AstNames columns = {0};
  meet_numbers(b, d, x);
  x = without_quotes(&(Quotes){.e = b->e, .columns = &columns}, x);
  for (size_t i = 0; i < columns.len; i++) {
    int column = data_column(b, d, columns.at[i].text, columns.at[i].span);
    bind_column(b->e, scope, d, column, columns.at[i].span, field_column(b->e, d, column));
  }
  return x;
}

// ---- the right side of a field's formula

static const AstExpr *one_of_list(Elab *e, const AstExpr *x, size_t item, size_t items) {
  if (x->kind != EX_LIST) return x;
  if (x->u.items.len == items) return x->u.items.at[item];
  Diag *d = elab_error(e, DIAG_SHAPE, x->span, "%zu columns on the left of the formula, a list of %zu on the right", items, x->u.items.len);
  diag_help(e->diags, d, "one value goes with all, else each column has its own");
  return NULL;
}

bool term_read(Blocks *b, DataBlock *d, const AstExpr *x, size_t item, size_t items, DataTerm *out) {
  Elab *e = b->e;
  AstNames columns = {0};
  x = one_of_list(e, x, item, items);
  const AstExpr *bare = x == NULL ? NULL : without_quotes(&(Quotes){e, &columns, item, items}, x);
  if (bare == NULL) return false;
  for (size_t i = 0; i < columns.len; i++) VEC_PUSH(e->arena, &out->columns, data_column(b, d, columns.at[i].text, columns.at[i].span));
  if (columns.len > 0) {
    if (x->kind != EX_STRING) out->formula = bare;
    return true;
  }
  Value *v = elab_expr(e, d->scope, x);
  if (value_is_error(v)) return false;
  if (value_is_number(v)) return out->number = value_number(v), true;
  Diag *diag = elab_error(e, DIAG_PREPARATION, x->span, "a formula of a field is made of columns and numbers, this is %s", value_text(e->arena, v));
  diag_help(e->diags, diag, "`pt = \"Jet_pt\" / sqrt(\"GenJet_pt\") |> log |> standardize`; columns are named in quotes");
  return false;
}

IrRef term_value(Elab *e, const DataField *f, const DataTerm *t, ColumnValue *column, void *context) {
  Scope *scope = scope_new(e, f->block->scope);
  if (t->columns.len == 0) return ir_number(e->scene->fn, IR_F64, t->number);
  for (size_t i = 0; i < t->columns.len; i++) {
    IrRef x = column(context, t->columns.at[i]);
    if (x == IR_NONE || t->formula == NULL) return x;
    bind_column(e, scope, f->block, t->columns.at[i], t->formula->span, x);
  }
  Value *v = elab_expr(e, scope, t->formula);
  if (value_is_error(v)) return ir_number(e->scene->fn, IR_F64, 1); // reported
  bool number = v->kind == VALUE_TENSOR && v->u.tensor.type.element == ELEMENT_REAL;
  if (number && (v->u.tensor.type.shape.rank == 0 || extents_equal(&v->u.tensor.type.shape, &f->shape))) return over_events(e, v);
  Diag *d = elab_error(e, DIAG_SHAPE, t->formula->span, "the right side of a formula is one number, or as many as the field has: this is %s",
                       value_text(e->arena, v));
  diag_help(e->diags, d, "`sum(…)` or `mean(…)` makes one number of several");
  return ir_number(e->scene->fn, IR_F64, 1);
}
