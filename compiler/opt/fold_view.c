// Shape ops of shape ops: reshape, transpose, broadcast, slice, pad, concat, windows and fold composed or dropped.
//
// Normal forms: a reshape that only adds axes of extent 1 is a broadcast; a transpose that only moves axes of extent 1
// is a reshape; broadcast is outside of transpose and slice.
#include "compiler/opt/fold.h"

#include <string.h>

static bool same_axes(const Rewrite *rw, IrRef r, const IrType *t) { return ir_same_axes(opt_type(rw, r), t); }

// Matches the axes of `few` one after the other among those of `many`, what is left over having extent 1.
// from[i]: the axis of few that axis i of many is, or -1.
static bool differs_by_ones(const IrType *few, const IrType *many, int8_t *from) {
  int8_t next = 0;
  for (int i = 0; i < many->rank; i++) {
    bool match = next < few->rank && (few->axes[next] == many->axes[i] || (few->axes[next] < 0 && many->axes[i] < 0));
    from[i] = match ? next++ : -1;
    if (!match && many->axes[i] != 1) return false;
  }
  return next == few->rank;
}

static IrRef fold_reshape(Rewrite *rw, const IrValue *v) {
  IrRef x = v->operands[0];
  const IrValue *inner = opt_at(rw, x);
  double number;
  int8_t from[IR_MAX_RANK], rest[IR_MAX_RANK];
  if (same_axes(rw, x, &v->type)) return x;
  if (ir_is_fill(rw->to, x, &number)) return opt_fill(rw, &v->type, number);
  if (inner->op == IR_RESHAPE) return opt_reshape(rw, inner->operands[0], v->type.rank, v->type.axes);
  if (inner->op == IR_CONST) return ir_const(rw->to, v->type, inner->attr.data);
  if (differs_by_ones(&inner->type, &v->type, from)) return opt_broadcast(rw, x, &v->type, from);
  if (inner->op != IR_BROADCAST || !differs_by_ones(&v->type, &inner->type, from)) return IR_NONE;
  int kept = 0;
  for (int i = 0; i < inner->type.rank; i++) { // the axes of extent 1 that go must be ones that the broadcast made
    if (from[i] >= 0) rest[kept++] = inner->attr.order[i];
    else if (inner->attr.order[i] >= 0) return IR_NONE;
  }
  return opt_broadcast(rw, inner->operands[0], &v->type, rest);
}

static IrRef transpose(Rewrite *rw, IrRef x, const int8_t *order) {
  IrAttr attr = {0};
  memcpy(attr.order, order, opt_type(rw, x)->rank);
  return opt_make(rw, IR_TRANSPOSE, &x, 1, &attr, NULL);
}

// transpose of broadcast: broadcast of the transposed operand
static IrRef transpose_broadcast(Rewrite *rw, const IrValue *v, const IrValue *inner) {
  int8_t from[IR_MAX_RANK], order[IR_MAX_RANK], n = 0;
  for (int i = 0; i < v->type.rank; i++) {
    int8_t axis = inner->attr.order[v->attr.order[i]];
    from[i] = axis < 0 ? -1 : n;
    if (axis >= 0) order[n++] = axis;
  }
  return opt_broadcast(rw, transpose(rw, inner->operands[0], order), &v->type, from);
}

static IrRef fold_transpose(Rewrite *rw, const IrValue *v) {
  IrRef x = v->operands[0];
  const IrValue *inner = opt_at(rw, x);
  bool identity = true, moves_ones = true;
  int last = -1;
  for (int i = 0; i < v->type.rank; i++) {
    identity &= v->attr.order[i] == i;
    if (v->type.axes[i] == 1) continue;
    moves_ones &= v->attr.order[i] > last;
    last = v->attr.order[i];
  }
  if (identity) return x;
  if (moves_ones) return opt_reshape(rw, x, v->type.rank, v->type.axes);
  if (inner->op == IR_BROADCAST) return transpose_broadcast(rw, v, inner);
  if (inner->op != IR_TRANSPOSE) return IR_NONE;
  int8_t order[IR_MAX_RANK];
  for (int i = 0; i < v->type.rank; i++) order[i] = inner->attr.order[v->attr.order[i]];
  return transpose(rw, inner->operands[0], order);
}

static IrRef fold_broadcast(Rewrite *rw, const IrValue *v) {
  IrRef x = v->operands[0];
  const IrValue *inner = opt_at(rw, x);
  if (ir_type_equal(&inner->type, &v->type)) return x;
  if (inner->op != IR_BROADCAST) return IR_NONE;
  int8_t from[IR_MAX_RANK];
  for (int i = 0; i < v->type.rank; i++) from[i] = v->attr.order[i] < 0 ? -1 : inner->attr.order[v->attr.order[i]];
  return opt_broadcast(rw, inner->operands[0], &v->type, from);
}

// A slice of a concatenation: of the parts it touches. With a step other than 1 only if that is one part.
static IrRef slice_concat(Rewrite *rw, const IrValue *v, const IrValue *inner) {
  const IrAttr *a = &v->attr;
  if (a->step < 1) return IR_NONE;
  IrRef *parts = ARENA_ARRAY(rw->scratch, IrRef, inner->n_operands);
  uint32_t n = 0;
  int64_t begin = 0, past = a->from + (v->type.axes[a->axis] - 1) * a->step + 1;
  for (uint32_t k = 0; k < inner->n_operands; k++) {
    int64_t extent = opt_type(rw, inner->operands[k])->axes[a->axis];
    int64_t from = a->from < begin ? 0 : a->from - begin, to = past - begin > extent ? extent : past - begin;
    begin += extent;
    if (from >= to) continue;
    if (to - from != past - a->from && a->step != 1) return IR_NONE;
    parts[n++] = opt_slice(rw, inner->operands[k], a->axis, from, to, a->step);
  }
  return n == 1 ? parts[0] : opt_concat(rw, parts, n, a->axis);
}

// A slice of a padded array, both with step 1: zeros, or the slice of the array with fewer zeros.
static IrRef slice_pad(Rewrite *rw, const IrValue *v, const IrValue *inner) {
  int axis = v->attr.axis;
  if (v->attr.step != 1 || inner->attr.step != 1) return IR_NONE;
  IrRef x = inner->operands[0];
  int64_t n = opt_type(rw, x)->axes[axis], from = v->attr.from - inner->attr.from, to = v->attr.to - inner->attr.from;
  if (to <= 0 || from >= n) return opt_fill(rw, &v->type, 0);
  int64_t before = from < 0 ? -from : 0, after = to > n ? to - n : 0;
  IrRef middle = opt_slice(rw, x, axis, from + before, to - after, 1);
  return opt_pad(rw, middle, axis, before, after);
}

static IrRef slice_broadcast(Rewrite *rw, const IrValue *v, const IrValue *inner) {
  IrRef x = inner->operands[0];
  int8_t axis = inner->attr.order[v->attr.axis];
  if (axis >= 0) x = opt_slice(rw, x, axis, v->attr.from, v->attr.to, v->attr.step);
  return opt_broadcast(rw, x, &v->type, inner->attr.order);
}

static IrRef fold_slice(Rewrite *rw, const IrValue *v) {
  IrRef x = v->operands[0];
  const IrValue *inner = opt_at(rw, x);
  const IrAttr *a = &v->attr;
  int64_t m = v->type.axes[a->axis];
  if (m == inner->type.axes[a->axis] && a->step == 1) return x;
  if (m == 0) return IR_NONE;
  if (m == 1 && (a->step != 1 || a->to != a->from + 1)) return opt_slice(rw, x, a->axis, a->from, a->from + 1, 1);
  if (inner->op == IR_BROADCAST) return slice_broadcast(rw, v, inner);
  if (inner->attr.axis != a->axis) return IR_NONE;
  if (inner->op == IR_CONCAT) return slice_concat(rw, v, inner);
  if (inner->op == IR_PAD) return slice_pad(rw, v, inner);
  if (inner->op != IR_SLICE) return IR_NONE;
  int64_t step = a->step * inner->attr.step, first = inner->attr.from + a->from * inner->attr.step;
  int64_t past = first + (m - 1) * step + (step > 0 ? 1 : -1);
  return opt_slice(rw, inner->operands[0], a->axis, first, past, step);
}

static IrRef fold_pad(Rewrite *rw, const IrValue *v) {
  IrRef x = v->operands[0];
  const IrValue *inner = opt_at(rw, x);
  const IrAttr *a = &v->attr;
  double number;
  if (ir_type_equal(&inner->type, &v->type)) return x;
  if (ir_is_fill(rw->to, x, &number) && number == 0) return opt_fill(rw, &v->type, 0);
  if (inner->type.axes[a->axis] == 1 && a->step != 1) return opt_pad(rw, x, a->axis, a->from, a->to);
  if (inner->op != IR_PAD || inner->attr.axis != a->axis || a->step != 1) return IR_NONE;
  IrAttr both = inner->attr;
  both.from += a->from;
  both.to += a->to;
  return opt_make(rw, IR_PAD, &inner->operands[0], 1, &both, NULL);
}

// b continues a: neighbouring slices of one array with one step. Gives the slice that is both.
static IrRef join_slices(Rewrite *rw, IrRef a, IrRef b, int axis) {
  const IrValue *x = opt_at(rw, a), *y = opt_at(rw, b);
  if (x->op != IR_SLICE || y->op != IR_SLICE || x->operands[0] != y->operands[0]) return IR_NONE;
  if (x->attr.axis != axis || y->attr.axis != axis || x->attr.step != 1 || y->attr.step != 1) return IR_NONE;
  if (x->attr.to != y->attr.from) return IR_NONE;
  return opt_slice(rw, x->operands[0], axis, x->attr.from, y->attr.to, 1);
}

static IrRef join_fills(Rewrite *rw, IrRef a, IrRef b, int axis) {
  double x, y;
  if (!ir_is_fill(rw->to, a, &x) || !ir_is_fill(rw->to, b, &y) || x != y) return IR_NONE;
  IrType type = *opt_type(rw, a);
  type.axes[axis] += opt_type(rw, b)->axes[axis];
  return opt_fill(rw, &type, x);
}

// Empty parts go, parts that are concatenations are opened, neighbours joined.
static IrRef fold_concat(Rewrite *rw, const IrValue *v) {
  int axis = v->attr.axis;
  VEC(IrRef) parts = {0};
  bool changed = false;
  for (uint32_t k = 0; k < v->n_operands; k++) {
    const IrValue *part = opt_at(rw, v->operands[k]);
    bool opened = part->op == IR_CONCAT && part->attr.axis == axis;
    uint32_t n = opened ? part->n_operands : 1;
    changed |= opened;
    for (uint32_t j = 0; j < n; j++) {
      IrRef r = opened ? part->operands[j] : v->operands[k];
      if (opt_type(rw, r)->axes[axis] == 0) {
        changed = true;
        continue;
      }
      IrRef joined = IR_NONE;
      if (parts.len) joined = join_slices(rw, parts.at[parts.len - 1], r, axis);
      if (parts.len && joined == IR_NONE) joined = join_fills(rw, parts.at[parts.len - 1], r, axis);
      changed |= joined != IR_NONE;
      if (joined != IR_NONE) parts.at[parts.len - 1] = joined;
      else VEC_PUSH(rw->scratch, &parts, r);
    }
  }
  if (parts.len == 0) return v->operands[0];
  if (parts.len == 1) return parts.at[0];
  return changed ? opt_concat(rw, parts.at, (uint32_t)parts.len, axis) : IR_NONE;
}

// Windows of one number each, or one window of all.
static IrRef fold_windows(Rewrite *rw, const IrValue *v) {
  IrRef x = v->operands[0];
  int axis = v->attr.axis;
  double number;
  if (ir_is_fill(rw->to, x, &number)) return opt_fill(rw, &v->type, number);
  bool alike = v->type.axes[axis] == 1 || v->type.axes[axis + 1] == 1;
  if (!alike) return IR_NONE;
  int64_t last = (v->type.axes[axis] - 1) * v->attr.step + v->type.axes[axis + 1];
  return opt_reshape(rw, opt_slice(rw, x, axis, 0, last, v->type.axes[axis] == 1 ? 1 : v->attr.step), v->type.rank, v->type.axes);
}

// Nothing is added where each window has one number, or there is one window.
static IrRef fold_fold(Rewrite *rw, const IrValue *v) {
  IrRef x = v->operands[0];
  int axis = v->attr.axis;
  const IrType *from = opt_type(rw, x);
  double number;
  if (ir_is_fill(rw->to, x, &number) && number == 0) return opt_fill(rw, &v->type, 0);
  int64_t windows = from->axes[axis], size = from->axes[axis + 1], step = windows == 1 ? 1 : v->attr.step;
  if (windows != 1 && size != 1) return IR_NONE;
  IrType flat = v->type;
  flat.axes[axis] = windows * size;
  IrAttr attr = {.axis = (int8_t)axis, .to = v->type.axes[axis] - ((windows * size - 1) * step + 1), .step = step};
  IrRef all = opt_reshape(rw, x, flat.rank, flat.axes);
  return opt_make(rw, IR_PAD, &all, 1, &attr, NULL);
}

static OptRule *const view_rules[IR_OP_COUNT] = {
    [IR_RESHAPE] = fold_reshape, [IR_TRANSPOSE] = fold_transpose, [IR_BROADCAST] = fold_broadcast, [IR_SLICE] = fold_slice,
    [IR_PAD] = fold_pad,         [IR_CONCAT] = fold_concat,       [IR_WINDOWS] = fold_windows,     [IR_FOLD] = fold_fold,
};

IrRef fold_view(Rewrite *rw, const IrValue *v) {
  OptRule *rule = view_rules[v->op];
  return rule ? rule(rw, v) : IR_NONE;
}
