#include "lang/block_output.h"

#include <string.h>

#include "lang/elab_set.h"
#include "lang/unit.h"

Output output_new(Elab *e, DataBlock *d) {
  size_t n = d == NULL ? 0 : d->model->columns.len;
  Output out = {.e = e,
                .data = d,
                .column = ARENA_ARRAY(e->arena, IrRef, n + 1),
                .making = ARENA_ARRAY(e->arena, bool, n + 1),
                .given = ARENA_ARRAY(e->arena, bool, n + 1),
                .read = ARENA_ARRAY(e->arena, bool, n + 1)};
  for (size_t i = 0; i < n; i++) out.column[i] = IR_NONE;
  return out;
}

// ---- from a value to a field

static bool add_leaf(Elab *e, const DataField *f, const Value *v, Output *out) {
  IrFn *fn = e->scene->fn;
  if (v->kind != VALUE_TENSOR) return false;
  if (f->made != NULL) {
    VEC_PUSH(e->arena, &out->made, f);
    VEC_PUSH(e->arena, &out->made_values, over_events(e, v));
    return true;
  }
  IrRef y = elab_per_event(e, v), x;
  if (f->classes != NULL) {
    double *values = ARENA_ARRAY(e->arena, double, f->classes->n);
    for (int64_t i = 0; i < f->classes->n; i++) values[i] = f->classes->values.len > 0 ? f->classes->values.at[i] : (double)i;
    IrType row = {.dtype = IR_F64, .rank = 1, .axes = {f->classes->n}};
    if (v->u.tensor.type.element != ELEMENT_CLASS) y = ir_argmax(fn, y, ir_type_of(fn, y)->rank - 1); // one number for each: the largest wins
    x = ir_gather(fn, ir_const(fn, row, values), ir_cast(fn, y, IR_I32), 0, 0);
  } else {
    x = field_inverse(e, f, ir_cast(fn, y, IR_F64));
  }
  if (f->set) x = set_as_column(fn, f, elab_per_event(e, v->u.tensor.present), x);
  VEC_PUSH(e->arena, &out->fields, f);
  VEC_PUSH(e->arena, &out->sources, x);
  return true;
}

static bool leaves_of(Elab *e, const DataField *f, const Value *v, Output *out) {
  if (!f->record) return add_leaf(e, f, v, out);
  if (v->kind != VALUE_RECORD || v->u.record.fields.len != f->fields.len) return false;
  for (size_t i = 0; i < f->fields.len; i++)
    if (!leaves_of(e, f->fields.at[i], v->u.record.fields.at[i].value, out)) return false;
  return true;
}

void output_add(Output *out, const DataField *f, Value *v, Span span) {
  Elab *e = out->e;
  if (value_is_error(v)) return;
  const TensorType *wanted = &f->prepared->type;
  Value *class = !f->record && wanted->element == ELEMENT_CLASS ? elab_as_class(e, wanted->classes, v, span) : NULL;
  if (class != NULL) v = class;
  if (v->type != f->prepared && f->set) v = elab_as_field(e, f->prepared, v, span, f->label);
  if (value_is_error(v)) return;
  if (v->type != f->prepared && class == NULL) {
    Value *vector = elab_flatten_as(e, v, f->prepared, span);
    if (value_is_error(vector)) return;
    v = elab_unflatten(e, vector, f->prepared, span);
    if (value_is_error(v)) return;
  }
  if (!leaves_of(e, f, v, out)) elab_error(e, DIAG_OUTPUT_TYPE, span, "`%s` of the data is not %s", f->name, value_text(e->arena, v));
}

// ---- from fields to columns

static IrRef item_of(IrFn *fn, const DataField *f, IrRef source, size_t item) {
  if (!f->vector) return source;
  source = ir_reshape(fn, source, 2, (int64_t[]){IR_EVENTS, (int64_t)f->items.len});
  return ir_reshape(fn, ir_slice(fn, source, 1, (int64_t)item, (int64_t)item + 1, 1), 1, (int64_t[]){IR_EVENTS});
}

static IrRef in_range(Elab *e, const DataField *f, IrRef x) {
  if (!f->angle) return x;
  IrFn *fn = e->scene->fn;
  IrRef half = ir_number(fn, IR_F64, full_turn(f->unit) / 2), turn = ir_number(fn, IR_F64, full_turn(f->unit));
  return ir_binary(fn, IR_SUB, half, ir_binary(fn, IR_MOD, ir_binary(fn, IR_SUB, half, x), turn));
}

static IrRef column_value(Output *out, int column, const DataField *needs);

typedef struct Needed {
  Output *out;
  const DataField *by;
} Needed;

static IrRef needed(void *context, int column) {
  const Needed *n = context;
  return column_value(n->out, column, n->by);
}

static IrRef undo_formula(Output *out, const DataField *f, const DataItem *item, IrRef x) {
  IrFn *fn = out->e->scene->fn;
  for (size_t k = item->terms.len; k-- > 0;) {
    const DataTerm *t = &item->terms.at[k];
    IrRef other = term_value(out->e, f, t, needed, &(Needed){out, f});
    if (other == IR_NONE) return IR_NONE;
    x = formula_step(fn, formula_inverse(t->op), x, other);
  }
  return in_range(out->e, f, x);
}

static void needs_column(Output *out, int column, const DataField *needs) {
  const char *name = out->data->model->columns.at[column].name;
  Diag *d =
      elab_error(out->e, DIAG_INVERSE_NEEDS, needs->span, "`%s = %s` is undone with %s, which is neither generated nor given", needs->label, needs->text, name);
  diag_help(out->e->diags, d, "generate the field of %s too, or say `generate given …`", name);
}

static IrRef part_source(const Output *out, const DataField *part) {
  for (size_t i = 0; i < out->fields.len; i++)
    if (split_part_of(out->fields.at[i]) == part) return out->sources.at[i];
  return IR_NONE;
}

// A field that is split, from its parts; IR_NONE: none is generated, or only one is, which is reported.
static IrRef joined(Output *out, const DataField *f) {
  IrRef first = part_source(out, f->fields.at[0]), second = part_source(out, f->fields.at[1]);
  if (first != IR_NONE && second != IR_NONE) return split_join(out->e, f, first, second);
  if (first == IR_NONE && second == IR_NONE) return IR_NONE;
  const DataField *there = f->fields.at[first == IR_NONE], *lacks = f->fields.at[first != IR_NONE];
  Diag *d = elab_error(out->e, DIAG_INVERSE_NEEDS, there->span, "`%s` is undone with %s and %s, and %s is not generated", f->label, there->name, lacks->name,
                       lacks->name);
  diag_help(out->e->diags, d, "generate a field of each part");
  return IR_NONE;
}

static IrRef column_value(Output *out, int column, const DataField *needs) {
  if (out->column[column] != IR_NONE) return out->column[column];
  if (out->given[column]) return out->column[column] = field_column(out->e, out->data, column);
  for (size_t i = 0; i < out->fields.len && !out->making[column]; i++)
    for (size_t k = 0; k < out->fields.at[i]->items.len; k++) {
      const DataField *f = out->fields.at[i];
      if (f->items.at[k].own != column) continue;
      out->making[column] = true;
      IrRef x = undo_formula(out, f, &f->items.at[k], item_of(out->e->scene->fn, f, out->sources.at[i], k));
      out->making[column] = false;
      return out->column[column] = x;
    }
  for (size_t i = 0; i < out->data->fields.len && !out->making[column]; i++) {
    const DataField *f = out->data->fields.at[i];
    for (size_t k = 0; f->split != NULL && k < f->items.len; k++) {
      if (f->items.at[k].own != column) continue;
      IrRef source = joined(out, f);
      if (source == IR_NONE) continue;
      out->making[column] = true;
      IrRef x = undo_formula(out, f, &f->items.at[k], item_of(out->e->scene->fn, f, source, k));
      out->making[column] = false;
      return out->column[column] = x;
    }
  }
  if (needs != NULL) needs_column(out, column, needs);
  return IR_NONE;
}

IrRef output_column(Output *out, int column) { return column_value(out, column, NULL); }
