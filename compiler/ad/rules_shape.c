// Derivative rules of the ops that move numbers: shapes, slices, gather and scatter.
#include "compiler/ad/rules.h"

void adjoint_reshape(AdWalk *w, IrRef y, IrRef g, IrRef *to) {
  const IrType *t = ir_type_of(w->fn, ad_operand(w, y, 0));
  to[0] = ir_reshape(w->fn, g, t->rank, t->axes);
}

void adjoint_transpose(AdWalk *w, IrRef y, IrRef g, IrRef *to) { // the inverse order
  const IrValue *v = ir_at(w->fn, y);
  int8_t back[IR_MAX_RANK] = {0};
  for (int8_t i = 0; i < v->type.rank; i++) back[v->attr.order[i]] = i;
  to[0] = ir_transpose(w->fn, g, back);
}

void adjoint_broadcast(AdWalk *w, IrRef y, IrRef g, IrRef *to) { // sum over the new axes
  const IrValue *v = ir_at(w->fn, y);
  uint32_t stretched = 0;
  for (int i = 0; i < v->type.rank; i++) stretched |= v->attr.order[i] < 0 ? 1u << i : 0;
  to[0] = ir_sum(w->fn, g, stretched);
}

// y[k] = a[from + k step]: zeros between and around; a negative step is turned round first.
void adjoint_slice(AdWalk *w, IrRef y, IrRef g, IrRef *to) {
  const IrValue *v = ir_at(w->fn, y);
  int axis = v->attr.axis;
  int64_t n = ir_type_of(w->fn, v->operands[0])->axes[axis], m = v->type.axes[axis];
  int64_t step = v->attr.step, lowest = v->attr.from;
  if (m == 0) return;
  if (step < 0) {
    lowest += (m - 1) * step;
    step = -step;
    g = ir_slice(w->fn, g, axis, m - 1, -1, -1);
  }
  int64_t highest = lowest + (m - 1) * step;
  to[0] = lowest == 0 && m == n ? g : ir_pad(w->fn, g, axis, lowest, n - 1 - highest, step);
}

void adjoint_pad(AdWalk *w, IrRef y, IrRef g, IrRef *to) {
  const IrValue *v = ir_at(w->fn, y);
  int axis = v->attr.axis;
  int64_t m = ir_type_of(w->fn, v->operands[0])->axes[axis];
  if (m == 0) return;
  to[0] = ir_slice(w->fn, g, axis, v->attr.from, v->attr.from + (m - 1) * v->attr.step + 1, v->attr.step);
}

void adjoint_concat(AdWalk *w, IrRef y, IrRef g, IrRef *to) {
  const IrValue *v = ir_at(w->fn, y);
  int axis = v->attr.axis;
  int64_t at = 0;
  for (uint32_t k = 0; k < v->n_operands; k++) {
    int64_t n = ir_type_of(w->fn, v->operands[k])->axes[axis];
    if (n > 0 && ad_wants(w, y, (int)k)) to[k] = n == v->type.axes[axis] ? g : ir_slice(w->fn, g, axis, at, at + n, 1);
    at += n;
  }
}

void adjoint_windows(AdWalk *w, IrRef y, IrRef g, IrRef *to) {
  const IrValue *v = ir_at(w->fn, y);
  int axis = v->attr.axis;
  to[0] = ir_fold(w->fn, g, axis, ir_type_of(w->fn, v->operands[0])->axes[axis], v->attr.step);
}

void adjoint_fold(AdWalk *w, IrRef y, IrRef g, IrRef *to) { // windows; n may have room for more of them
  const IrValue *v = ir_at(w->fn, y);
  int axis = v->attr.axis;
  int64_t windows = ir_type_of(w->fn, v->operands[0])->axes[axis], size = ir_type_of(w->fn, v->operands[0])->axes[axis + 1];
  IrRef all = ir_windows(w->fn, g, axis, size, v->attr.step);
  to[0] = ir_type_of(w->fn, all)->axes[axis] == windows ? all : ir_slice(w->fn, all, axis, 0, windows, 1);
}

void adjoint_gather(AdWalk *w, IrRef y, IrRef g, IrRef *to) {
  const IrValue *v = ir_at(w->fn, y);
  int64_t n = ir_type_of(w->fn, v->operands[0])->axes[v->attr.axis];
  to[0] = ir_scatter_add(w->fn, g, v->operands[1], v->attr.batch, v->attr.axis, n);
}

void adjoint_scatter(AdWalk *w, IrRef y, IrRef g, IrRef *to) {
  const IrValue *v = ir_at(w->fn, y);
  to[0] = ir_gather(w->fn, g, v->operands[1], v->attr.batch, v->attr.axis);
}
