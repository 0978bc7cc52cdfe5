// Stretch late: an op whose operands are all constant along an axis is computed without that axis, then stretched.
#include <string.h>

#include "compiler/opt/algebra.h"

// The axes of t in the mask, event axes named anew by where they stand.
static IrType keep_axes(const IrType *t, uint32_t mask) {
  IrType kept = {.dtype = t->dtype};
  int events = 0;
  for (int i = 0; i < t->rank; i++) {
    if (!(mask >> i & 1)) continue;
    int64_t extent = t->axes[i];
    if (extent < 0) extent = events++ ? IR_PAIRS : IR_EVENTS;
    kept.axes[kept.rank++] = extent;
  }
  return kept;
}

// Broadcast of x, whose axes are those of the mask, to `full`.
static IrRef stretch(Rewrite *rw, IrRef x, const IrType *full, uint32_t mask) {
  int8_t from[IR_MAX_RANK], next = 0;
  for (int i = 0; i < full->rank; i++) from[i] = (mask >> i & 1) ? next++ : -1;
  return opt_broadcast(rw, x, full, from);
}

static IrRef stretch_element(Rewrite *rw, const IrValue *v) {
  uint32_t used = 0;
  for (uint32_t k = 0; k < v->n_operands; k++) {
    const IrValue *x = opt_at(rw, v->operands[k]);
    if (x->op != IR_BROADCAST) return IR_NONE;
    for (int i = 0; i < v->type.rank; i++) used |= x->attr.order[i] >= 0 ? 1u << i : 0;
  }
  if (used + 1 == 1u << v->type.rank) return IR_NONE;
  IrType small = keep_axes(&v->type, used);
  IrRef operands[IR_MAX_OPERANDS];
  for (uint32_t k = 0; k < v->n_operands; k++) {
    const IrValue *x = opt_at(rw, v->operands[k]);
    int8_t from[IR_MAX_RANK], n = 0;
    for (int i = 0; i < v->type.rank; i++) {
      if (used >> i & 1) from[n++] = x->attr.order[i];
    }
    operands[k] = opt_broadcast(rw, x->operands[0], &small, from);
  }
  IrRef y = opt_make(rw, v->op, operands, v->n_operands, &v->attr, &small);
  return stretch(rw, y, &v->type, used);
}

// Letters of operand k that its broadcast made are taken out of it. A letter that then stands nowhere but in the result
// leaves the result too, and the result is stretched; one that stands in the other operand alone is summed there.
static IrRef stretch_einsum(Rewrite *rw, const IrValue *v) {
  IrEinsum e;
  if (!ir_einsum_parse(v->attr.name, &e)) return IR_NONE;
  for (int k = 0; k < 2; k++) {
    const IrValue *x = opt_at(rw, v->operands[k]);
    if (x->op != IR_BROADCAST) continue;
    uint32_t result_mask = (1u << e.rank[2]) - 1, summed = 0;
    char mine[IR_MAX_RANK + 1] = {0}, other[IR_MAX_RANK + 1] = {0}, result[IR_MAX_RANK + 1] = {0};
    for (int i = 0, n = 0; i < e.rank[k]; i++) {
      if (x->attr.order[i] >= 0) {
        mine[n++] = e.letters[k][i];
        continue;
      }
      int in_other = ir_einsum_axis(&e, 1 - k, e.letters[k][i]), in_result = ir_einsum_axis(&e, 2, e.letters[k][i]);
      if (in_other < 0) result_mask &= ~(1u << in_result);
      else if (in_result < 0) summed |= 1u << in_other;
    }
    for (int i = 0, n = 0; i < e.rank[1 - k]; i++) {
      if (!(summed >> i & 1)) other[n++] = e.letters[1 - k][i];
    }
    for (int i = 0, n = 0; i < e.rank[2]; i++) {
      if (result_mask >> i & 1) result[n++] = e.letters[2][i];
    }
    IrRef operands[2];
    operands[k] = x->operands[0];
    operands[1 - k] = opt_sum(rw, v->operands[1 - k], summed);
    IrAttr attr = {.name = arena_printf(rw->arena, "%s,%s->%s", k ? other : mine, k ? mine : other, result)};
    return stretch(rw, opt_make(rw, IR_EINSUM, operands, 2, &attr, NULL), &v->type, result_mask);
  }
  return IR_NONE;
}

IrRef algebra_broadcast(Rewrite *rw, const IrValue *v) {
  if (ir_op_info[v->op].class == IRC_ELEMENT && v->type.rank > 0) return stretch_element(rw, v);
  return v->op == IR_EINSUM ? stretch_einsum(rw, v) : IR_NONE;
}
