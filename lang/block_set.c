// Fields that are sets: `set[30] of real[3] = "particles" |> present(column = 3) |> standardize`. The file has one component more, which says
// what is there; a place where nothing is has zeros, whatever the file has there.
#include <string.h>

#include "lang/block.h"
#include "lang/elab_set.h"

static bool wrong(Elab *e, Span span, const char *problem) {
  Diag *d = elab_error(e, DIAG_PREPARATION, span, "%s", problem);
  diag_help(e->diags, d, "`cloud: set[30] of real[3] = \"particles\" |> present(column = 3) |> standardize`: of four components the last says what is there");
  return false;
}

static bool is_present(const AstExpr *x) {
  const AstExpr *named = x->kind == EX_CALL ? x->u.call.callee : x;
  return named->kind == EX_NAME && strcmp(named->u.name, "present") == 0;
}

bool set_told(Blocks *b, DataField *f, const AstExpr *const *steps, size_t n) {
  Elab *e = b->e;
  for (size_t i = f->set; i < n; i++)
    if (is_present(steps[i])) return wrong(e, steps[i]->span, "`present` stands first in the chain of a set");
  if (!f->set) return true;
  if (n == 0 || !is_present(steps[0])) return wrong(e, f->span, "nothing says which elements of this set are there");
  if (f->shape.rank != 2) return wrong(e, f->span, "an element of this set is no vector");
  if (f->vector || f->items.at[0].terms.len > 0) return wrong(e, f->span, "a set is one data set of the file as it is");
  const AstExpr *x = steps[0];
  bool one = x->kind == EX_CALL && x->u.call.args.len == 1 && (x->u.call.args.at[0].name.text == NULL || strcmp(x->u.call.args.at[0].name.text, "column") == 0);
  if (!one) return wrong(e, x->span, "`present` takes the number of a component");
  const AstExpr *number = x->u.call.args.at[0].value;
  if (!static_int(e, f->block->scope, number, "the component that says what is there", 0, &f->told_by)) return false;
  return f->told_by <= f->shape.axes[1] ||
         wrong(e, number->span, arena_printf(e->arena, "component %lld of %lld", (long long)f->told_by, (long long)f->shape.axes[1] + 1));
}

// ---- in programs

IrRef set_column_taken(Elab *e, const DataField *f) {
  IrFn *fn = e->scene->fn;
  IrRef told = ir_slice(fn, field_column(e, f->block, f->items.at[0].own), 2, f->told_by, f->told_by + 1, 1);
  return ir_binary(fn, IR_LT, ir_number(fn, IR_F64, 0.5), ir_reshape(fn, told, 2, (int64_t[]){IR_EVENTS, f->shape.axes[0]}));
}

IrRef set_taken(Elab *e, const DataField *f) {
  IrFn *fn = e->scene->fn;
  bool kept = e->scene->purpose == SCENE_TRAIN || e->scene->purpose == SCENE_VALIDATE || e->scene->purpose == SCENE_FIT;
  if (!kept) return set_column_taken(e, f);
  IrType type = {.dtype = e->model->real, .rank = 2, .axes = {IR_EVENTS, f->shape.axes[0]}};
  return ir_binary(fn, IR_LT, ir_number(fn, type.dtype, 0.5), ir_leaf(fn, IR_INPUT, arena_printf(e->arena, "prep:%s.present", f->name), type));
}

IrRef set_or(IrFn *fn, IrRef taken, IrRef x, double otherwise) {
  const IrType *t = ir_type_of(fn, x);
  IrRef wide = ir_broadcast(fn, taken, 3, t->axes, (int8_t[]){0, 1, -1});
  return ir_select(fn, wide, x, ir_number(fn, t->dtype, otherwise));
}

IrRef set_elements(Elab *e, const DataField *f, IrRef column) {
  IrFn *fn = e->scene->fn;
  IrRef parts[2];
  uint32_t n = 0;
  int64_t components = f->shape.axes[1] + 1;
  if (f->told_by > 0) parts[n++] = ir_slice(fn, column, 2, 0, f->told_by, 1);
  if (f->told_by + 1 < components) parts[n++] = ir_slice(fn, column, 2, f->told_by + 1, components, 1);
  return set_or(fn, set_column_taken(e, f), n == 1 ? parts[0] : ir_concat(fn, parts, n, 2), 0);
}

IrRef set_as_column(IrFn *fn, const DataField *f, IrRef taken, IrRef x) {
  IrRef parts[3];
  uint32_t n = 0;
  x = set_or(fn, taken, x, 0);
  if (f->told_by > 0) parts[n++] = ir_slice(fn, x, 2, 0, f->told_by, 1);
  parts[n++] = ir_reshape(fn, ir_cast(fn, taken, IR_F64), 3, (int64_t[]){IR_EVENTS, f->shape.axes[0], 1});
  if (f->told_by < f->shape.axes[1]) parts[n++] = ir_slice(fn, x, 2, f->told_by, f->shape.axes[1], 1);
  return ir_concat(fn, parts, n, 2);
}

Value *set_places(Elab *e, const DataField *f, IrRef taken) {
  TensorType type = {.element = ELEMENT_BOOL, .shape = extents_of(1, f->shape.axes)};
  return value_tensor(e, f->span, type, taken, (Belongs){BELONGS_EVENTS, f->block->model});
}
