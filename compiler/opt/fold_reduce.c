// Reductions, gathers and contractions whose result needs no work: axes of extent 1, one number everywhere, zeros.
#include "compiler/opt/fold.h"

// sum or amax over axes of extent 1 is a reshape
static IrRef fold_ones(Rewrite *rw, const IrValue *v) {
  const IrType *t = opt_type(rw, v->operands[0]);
  for (int i = 0; i < t->rank; i++) {
    if ((v->attr.axes >> i & 1) && t->axes[i] != 1) return IR_NONE;
  }
  return opt_reshape(rw, v->operands[0], v->type.rank, v->type.axes);
}

// How many elements are reduced to one; 0: not known, or none.
static int64_t reduced(const Rewrite *rw, const IrValue *v) {
  const IrType *t = opt_type(rw, v->operands[0]);
  int64_t n = 1;
  for (int i = 0; i < t->rank; i++) {
    if (v->attr.axes >> i & 1) n = t->axes[i] < 0 ? 0 : n * t->axes[i];
  }
  return n;
}

static IrRef fold_sum(Rewrite *rw, const IrValue *v) {
  IrRef r = fold_ones(rw, v);
  double x;
  if (r != IR_NONE || !ir_is_fill(rw->to, v->operands[0], &x)) return r;
  int64_t n = reduced(rw, v);
  if (x == 0) return opt_fill(rw, &v->type, 0);
  return n && v->type.dtype != IR_I32 ? opt_fill(rw, &v->type, x * (double)n) : IR_NONE;
}

static IrRef fold_amax(Rewrite *rw, const IrValue *v) {
  IrRef r = fold_ones(rw, v);
  double x;
  if (r != IR_NONE || !ir_is_fill(rw->to, v->operands[0], &x)) return r;
  return reduced(rw, v) ? opt_fill(rw, &v->type, x) : IR_NONE;
}

static IrRef fold_argmax(Rewrite *rw, const IrValue *v) { return opt_type(rw, v->operands[0])->axes[v->attr.axis] == 1 ? opt_fill(rw, &v->type, 0) : IR_NONE; }

static IrRef fold_cumsum(Rewrite *rw, const IrValue *v) {
  if (ir_is_number(rw->to, v->operands[0], 0)) return v->operands[0];
  if (v->type.axes[v->attr.axis] != 1) return IR_NONE;
  return v->attr.exclusive ? opt_fill(rw, &v->type, 0) : v->operands[0];
}

static IrRef fold_einsum(Rewrite *rw, const IrValue *v) {
  bool zero = ir_is_number(rw->to, v->operands[0], 0) || ir_is_number(rw->to, v->operands[1], 0);
  return zero ? opt_fill(rw, &v->type, 0) : IR_NONE;
}

static IrRef fold_gather(Rewrite *rw, const IrValue *v) {
  double x;
  return ir_is_fill(rw->to, v->operands[0], &x) ? opt_fill(rw, &v->type, x) : IR_NONE;
}

static IrRef fold_scatter(Rewrite *rw, const IrValue *v) { return ir_is_number(rw->to, v->operands[0], 0) ? opt_fill(rw, &v->type, 0) : IR_NONE; }

static OptRule *const reduce_rules[IR_OP_COUNT] = {
    [IR_SUM] = fold_sum,       [IR_AMAX] = fold_amax,     [IR_ARGMAX] = fold_argmax,       [IR_CUMSUM] = fold_cumsum,
    [IR_EINSUM] = fold_einsum, [IR_GATHER] = fold_gather, [IR_SCATTER_ADD] = fold_scatter,
};

IrRef fold_reduce(Rewrite *rw, const IrValue *v) {
  OptRule *rule = reduce_rules[v->op];
  return rule ? rule(rw, v) : IR_NONE;
}
