// Adjoints of slices are padded arrays, and their sum is mostly zeros added to numbers. Where the numbers do not overlap,
// the sum is a concatenation: nothing is added, and no bit changes.
//
//   p = pad a axis 0 before 0 after 2 : f32[4]
//   q = pad b axis 0 before 2 after 0 : f32[4]     ->     y = concat a, b axis 0 : f32[4]
//   y = add p, q : f32[4]
#include "compiler/opt/algebra.h"

// A stretch of an axis that is not known to be zero.
typedef struct Part {
  IrRef value;
  int64_t from, to;
} Part;
typedef VEC(Part) Parts;

static void add_parts(Rewrite *rw, Parts *parts, IrRef r, int axis, int64_t at) {
  const IrValue *v = opt_at(rw, r);
  if (v->op != IR_CONCAT || v->attr.axis != axis) {
    int64_t extent = v->type.axes[axis];
    if (extent > 0 && !ir_is_number(rw->to, r, 0)) VEC_PUSH(rw->scratch, parts, (Part){r, at, at + extent});
    return;
  }
  for (uint32_t k = 0; k < v->n_operands; k++) {
    add_parts(rw, parts, v->operands[k], axis, at);
    at += opt_type(rw, v->operands[k])->axes[axis];
  }
}

// Is r zeros with something in between, along one axis?
static bool has_zeros(Rewrite *rw, IrRef r, int *axis) {
  const IrValue *v = opt_at(rw, r);
  *axis = v->attr.axis;
  if (v->op == IR_PAD) return v->attr.step == 1;
  if (v->op != IR_CONCAT) return false;
  for (uint32_t k = 0; k < v->n_operands; k++) {
    if (ir_is_number(rw->to, v->operands[k], 0)) return true;
  }
  return false;
}

static Parts parts_of(Rewrite *rw, IrRef r, int axis) {
  Parts parts = {0};
  const IrValue *v = opt_at(rw, r);
  if (v->op == IR_PAD) add_parts(rw, &parts, v->operands[0], axis, v->attr.from);
  else add_parts(rw, &parts, r, axis, 0);
  return parts;
}

static IrRef zeros(Rewrite *rw, const IrType *like, int axis, int64_t extent) {
  IrType type = *like;
  type.axes[axis] = extent;
  return opt_fill(rw, &type, 0);
}

// Both lists in order of place; false where they overlap.
static bool merge(Rewrite *rw, const Parts *a, const Parts *b, Parts *both) {
  size_t i = 0, j = 0;
  int64_t end = 0;
  while (i < a->len || j < b->len) {
    bool first = j == b->len || (i < a->len && a->at[i].from < b->at[j].from);
    Part next = first ? a->at[i++] : b->at[j++];
    if (next.from < end) return false;
    end = next.to;
    VEC_PUSH(rw->scratch, both, next);
  }
  return both->len > 0;
}

// a + b where both have zeros along one axis and no number meets a number.
static IrRef join(Rewrite *rw, IrRef a, IrRef b) {
  int axis, other;
  if (!has_zeros(rw, a, &axis) || !has_zeros(rw, b, &other) || axis != other) return IR_NONE;
  Parts x = parts_of(rw, a, axis), y = parts_of(rw, b, axis), both = {0};
  if (!merge(rw, &x, &y, &both)) return IR_NONE;
  const IrType *type = opt_type(rw, a);
  VEC(IrRef) list = {0};
  int64_t at = both.at[0].from;
  for (size_t i = 0; i < both.len; i++) {
    if (both.at[i].from > at) VEC_PUSH(rw->scratch, &list, zeros(rw, type, axis, both.at[i].from - at));
    VEC_PUSH(rw->scratch, &list, both.at[i].value);
    at = both.at[i].to;
  }
  IrRef middle = opt_concat(rw, list.at, (uint32_t)list.len, axis);
  return opt_pad(rw, middle, axis, both.at[0].from, type->axes[axis] - at);
}

IrRef algebra_pad(Rewrite *rw, const IrValue *v) {
  if (v->op != IR_ADD || v->type.rank == 0) return IR_NONE;
  for (int k = 0; k < 2; k++) {
    IrRef a = v->operands[k], b = v->operands[1 - k];
    if (k == 0) {
      IrRef r = join(rw, a, b);
      if (r != IR_NONE) return r;
    }
    if (!opt_is(rw, a, IR_ADD) || !opt_single(rw, a)) continue;
    for (int j = 0; j < 2; j++) { // (u + p) + q
      IrRef r = join(rw, opt_operand(rw, a, j), b);
      if (r != IR_NONE) return opt_binary(rw, IR_ADD, opt_operand(rw, a, 1 - j), r);
    }
  }
  return IR_NONE;
}
