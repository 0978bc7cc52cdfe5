// Fields that take more than a chain from their declaration: `y: base.x` is read from columns of the same names as base.x and
// prepared with the numbers that base.x was fitted with; of four-vectors the columns are put into the order e px py pz.
#include <ctype.h>
#include <string.h>

#include "lang/block.h"

// ---- the same columns, prepared with the same numbers

static int column_like(Blocks *b, DataBlock *d, const DataField *other, int column) {
  const ModelColumn *like = &other->block->model->columns.at[column];
  size_t known = d->model->columns.len;
  int i = data_column(b, d, like->name, like->span);
  if (d->model->columns.len == known) return i;
  ModelColumn *c = &d->model->columns.at[i];
  const char *group = c->group;
  *c = *like;
  c->group = group;
  if (c->order != NULL) c->order = arena_printf(b->e->arena, "order:%s.%s", d->model->name, c->name);
  return i;
}

static void chain_like(Elab *e, DataField *f, const DataField *other) {
  for (size_t i = 0; i < other->chain.len; i++) {
    PrepStep *step = arena_dup(e->arena, other->chain.at[i], sizeof *step);
    step->name = arena_printf(e->arena, "%s.%zu", f->name, i + 1); // draws of its own; the states are those of the other
    VEC_PUSH(e->arena, &f->chain, step);
  }
}

static void items_like(Blocks *b, DataField *f, const DataField *other) {
  for (size_t i = 0; i < other->items.len; i++) {
    DataItem item = {.own = column_like(b, f->block, other, other->items.at[i].own), .span = f->span};
    for (size_t k = 0; k < other->items.at[i].terms.len; k++) {
      const DataTerm *t = &other->items.at[i].terms.at[k];
      DataTerm term = {.op = t->op, .formula = t->formula, .number = t->number};
      for (size_t c = 0; c < t->columns.len; c++) VEC_PUSH(b->e->arena, &term.columns, column_like(b, f->block, other, t->columns.at[c]));
      VEC_PUSH(b->e->arena, &item.terms, term);
    }
    VEC_PUSH(b->e->arena, &f->items, item);
  }
}

static DataField *copy_of(Blocks *b, DataBlock *d, const char *outer, AstName name, const DataField *other);

// A field whose chain ends in a step that makes two parts of it, and the parts.
static void split_like(Elab *e, DataField *f, const DataField *other) {
  VEC_PUSH(e->arena, &f->chain, arena_dup(e->arena, other->split, sizeof *other->split));
  split_parts(e, f);
  for (size_t i = 0; i < f->fields.len; i++) f->fields.at[i]->like = other->fields.at[i];
}

// The part of this block that is as that one: of a field that is as the other's whole, which the block has under the same name, or gets.
static const DataField *part_like(Blocks *b, DataBlock *d, const DataField *part, Span span) {
  const DataField *whole = NULL;
  for (size_t i = 0; i < d->fields.len && whole == NULL; i++)
    if (d->fields.at[i]->like == part->whole) whole = d->fields.at[i];
  if (whole == NULL) {
    AstName name = {part->whole->label, span};
    if (!data_name_is_new(b->e, d, name)) return NULL;
    DataField *made = copy_of(b, d, field_outer(b, d), name, part->whole);
    VEC_PUSH(b->e->arena, &d->fields, made);
    whole = made;
  }
  return whole->fields.at[part->part];
}

static DataField *copy_of(Blocks *b, DataBlock *d, const char *outer, AstName name, const DataField *other) {
  Elab *e = b->e;
  const DataField *part = split_part_of(other);
  if (part != NULL && (part = part_like(b, d, part, name.span)) == NULL) return NULL;
  DataField *f = field_begin(b, d, outer, name, other->record && other->split == NULL);
  f->like = other;
  f->of = part;
  for (size_t i = 0; i < other->fields.len && f->record; i++) {
    DataField *inner = copy_of(b, d, f->name, (AstName){other->fields.at[i]->label, name.span}, other->fields.at[i]);
    if (inner == NULL) return NULL;
    field_add_part(e, f, inner);
  }
  if (f->record) return f;
  f->vector = other->vector;
  f->shape = other->shape;
  f->classes = other->classes;
  f->angle = other->angle;
  f->p4 = other->p4;
  f->set = other->set;
  f->told_by = other->told_by;
  f->unit = other->unit;
  f->text = other->text;
  items_like(b, f, other);
  chain_like(e, f, other);
  if (other->split != NULL) split_like(e, f, other);
  else field_types(e, f);
  return f;
}

static bool draws_any(const DataField *f) {
  for (size_t i = 0; i < f->fields.len; i++)
    if (draws_any(f->fields.at[i])) return true;
  return f->made != NULL;
}

static DataBlock *block_named(const Blocks *b, const char *name) {
  for (size_t i = 0; i < b->data.len; i++)
    if (strcmp(b->data.at[i]->model->name, name) == 0) return b->data.at[i];
  return NULL;
}

DataField *field_like(Blocks *b, DataBlock *d, const AstDatum *item) {
  Elab *e = b->e;
  const AstType *t = item->type;
  if (t->kind != TY_NAME || t->u.named.field.text == NULL) {
    Diag *diag = elab_error(e, DIAG_PREPARATION, item->span, "`%s` has a type and no column", item->name.text);
    diag_help(e->diags, diag, "`%s: real[3] = \"column\"` reads one, `%s: base.x` is prepared as a field of another data block", item->name.text,
              item->name.text);
    return NULL;
  }
  const DataBlock *from = d->trained != NULL ? NULL : block_named(b, t->u.named.name.text);
  if (from == NULL) from = trained_block_at(b, d->scope, t->u.named.name.text);
  const DataField *other = from == NULL ? NULL : field_in(from, t->u.named.field.text);
  if (other == NULL || draws_any(other)) {
    Diag *diag = elab_error(e, other == NULL ? DIAG_UNKNOWN_NAME : DIAG_PREPARATION, t->span,
                            other == NULL ? "no field `%s.%s` of a data block above" : "`%s.%s` is drawn or computed, so it has no preparation to take over",
                            t->u.named.name.text, t->u.named.field.text);
    const char *names = "";
    for (size_t i = 0; from != NULL && i < from->fields.len; i++) names = arena_printf(e->arena, "%s%s%s", names, i > 0 ? ", " : "", from->fields.at[i]->label);
    if (other == NULL && names[0] != '\0') diag_help(e->diags, diag, "`%s` has %s", t->u.named.name.text, names);
    else diag_help(e->diags, diag, "`y: simulation.seen` is read as `seen` of the block `simulation` is, and prepared with its numbers");
    return NULL;
  }
  return copy_of(b, d, field_outer(b, d), item->name, other);
}

// ---- four-vectors

// e 0, px 1, py 2, pz 3 by the last word of a column's name; -1: none of them.
int p4_component(const char *name) {
  static const char *const words[] = {"e", "px", "py", "pz", "energy"};
  const char *last = name;
  for (const char *at = name; *at != 0; at++)
    if (!isalnum((unsigned char)*at)) last = at + 1;
  for (int k = 0; k < 5; k++) {
    size_t i = 0;
    while (last[i] != 0 && tolower((unsigned char)last[i]) == words[k][i]) i++;
    if (last[i] == 0 && words[k][i] == 0) return k % 4;
  }
  return -1;
}

// Components along the last axis in the order of e px py pz, or back in the order of the file.
static IrRef reordered(IrFn *fn, const ModelColumn *c, IrRef x, bool back) {
  if (c->order == NULL) return x;
  int last = ir_type_of(fn, x)->rank - 1;
  int64_t n = ir_type_of(fn, x)->axes[last], from = back ? n : 0;
  IrRef order = ir_leaf(fn, IR_STATE, c->order, (IrType){.dtype = IR_F64, .rank = 1, .axes = {2 * n}});
  return ir_gather(fn, x, ir_cast(fn, ir_slice(fn, order, 0, from, from + n, 1), IR_I32), 0, last);
}

IrRef column_ordered(IrFn *fn, const ModelColumn *c, IrRef x) { return reordered(fn, c, x, false); }
IrRef column_as_in_file(IrFn *fn, const ModelColumn *c, IrRef x) { return reordered(fn, c, x, true); }

void field_order_p4(DataField *f) {
  for (size_t first = 0; first + 4 <= f->items.len; first += 4) {
    DataItem ordered[4];
    unsigned found = 0;
    for (size_t k = 0; k < 4; k++) {
      int place = p4_component(f->block->model->columns.at[f->items.at[first + k].own].name);
      if (place < 0) break;
      ordered[place] = f->items.at[first + k];
      found |= 1u << place;
    }
    if (found == 15) memcpy(&f->items.at[first], ordered, sizeof ordered); // else they are taken as they stand: e first
  }
}
