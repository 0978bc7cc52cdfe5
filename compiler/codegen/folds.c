// Folds add windows up in place. What a fold reads, through folds, transposes and reshapes that nobody else reads, is added
// to the result's rows where it is computed, so nothing of the size of the windows is stored: the adjoint of a convolution
// by its input is a matrix product for each place and row of the kernel, added to k rows of the image at once.
//
//   a = einsum "ehwo,ijco->ehwijc" g, k    zero y; for (h, w, i, j, c) y[h + i, w + j, c] += sum over o of g[h, w, o] k[i, j, c, o]
//   b = transpose a                        (rows of y for the axes of a: strides W C, C, W C, C, 1)
//   c = fold b, y = fold c
#include "compiler/codegen/steps.h"

// The view of the fold's result by the axes of its operand.
static View unfold(const IrValue *v, const View *y, int rank) {
  View x = {.place = y->place, .base = y->base, .event = {y->event[0], y->event[1]}};
  int axis = v->attr.axis;
  for (int i = 0; i < rank; i++) x.stride[i] = y->stride[i <= axis ? i : i - 1];
  x.stride[axis] *= v->attr.step;
  return x;
}

static bool operand_view(const Schedule *s, const IrValue *v, const View *y, View *x) {
  if (v->n_operands != 1) return false;
  const IrType *from = ir_type_of(s->fn, v->operands[0]);
  switch ((int)v->op) {
  case IR_FOLD: *x = unfold(v, y, from->rank); return true;
  case IR_RESHAPE: return reshape_view(&v->type, y, from, x);
  case IR_TRANSPOSE:
    *x = (View){.place = y->place, .base = y->base, .event = {y->event[0], y->event[1]}};
    for (int i = 0; i < from->rank; i++) x->stride[v->attr.order[i]] = y->stride[i];
    return true;
  }
  return false;
}

// A contraction that keeps the events may add its elements anywhere.
static bool may_add(const Schedule *s, const IrValue *v) {
  if (v->op != IR_EINSUM) return false;
  for (int k = 0; k < 2; k++)
    if (ir_event_axes(ir_type_of(s->fn, v->operands[k])) > ir_event_axes(&v->type)) return false;
  return ir_event_axes(&v->type) < 2;
}

uint32_t *schedule_readers(const Schedule *s) {
  uint32_t *readers = ARENA_ARRAY(s->arena, uint32_t, s->fn->values.len + 1);
  for (size_t i = 0; i < s->fn->values.len; i++) {
    const IrValue *v = ir_at(s->fn, (IrRef)i);
    if (s->views[i].place == UINT32_MAX) continue;
    for (uint32_t k = 0; k < v->n_operands; k++) readers[v->operands[k]]++;
  }
  for (size_t i = 0; i < s->fn->outputs.len; i++) readers[s->fn->outputs.at[i].value]++;
  return readers;
}

// Walks from a fold back to the value that is added up.
static void find_source(Schedule *s, IrRef fold, const uint32_t *readers) {
  View y = s->views[fold], x;
  IrRef r = fold;
  while ((r == fold || readers[r] == 1) && operand_view(s, ir_at(s->fn, r), &y, &x)) {
    if (r != fold) s->folds[r].inside = true;
    r = ir_at(s->fn, r)->operands[0];
    y = x;
  }
  s->folds[fold].source = r;
  s->folds[fold].to = y;
  if (readers[r] != 1 || !may_add(s, ir_at(s->fn, r))) return;
  s->folds[fold].inside = true;
  s->folds[r].to = y;
}

// By value: the only one that reads it, or IR_NONE.
static IrRef *only_readers(const Schedule *s, const uint32_t *readers) {
  size_t n = s->fn->values.len;
  IrRef *only = ARENA_ARRAY(s->arena, IrRef, n + 1);
  for (size_t i = 0; i < n; i++) only[i] = IR_NONE;
  for (size_t i = 0; i < n; i++) {
    const IrValue *v = ir_at(s->fn, (IrRef)i);
    for (uint32_t k = 0; k < v->n_operands && s->views[i].place != UINT32_MAX; k++)
      if (readers[v->operands[k]] == 1) only[v->operands[k]] = (IrRef)i;
  }
  return only;
}

void schedule_folds(Schedule *s) {
  size_t n = s->fn->values.len;
  const uint32_t *readers = schedule_readers(s);
  const IrRef *reader = only_readers(s, readers);
  s->folds = ARENA_ARRAY(s->arena, Fold, n + 1);
  for (size_t i = 0; i < n; i++) s->folds[i].to.place = UINT32_MAX;
  for (size_t i = n; i-- > 0;) {
    if (ir_at(s->fn, (IrRef)i)->op != IR_FOLD || s->views[i].place == UINT32_MAX || s->folds[i].inside) continue;
    find_source(s, (IrRef)i, readers);
    place_clip_slices(s, s->views[i].place, (IrRef)i, reader);
  }
}
