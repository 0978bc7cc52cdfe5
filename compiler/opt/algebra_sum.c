// Sums: axes that a broadcast made are counted, not summed; a factor that is constant along what is summed comes out.
#include "compiler/opt/algebra.h"

// sum over axes of broadcast x: the axes that are new become a factor. (The number of events is not known here.)
static IrRef of_broadcast(Rewrite *rw, const IrValue *v, const IrValue *inner) {
  IrType rest = {.dtype = v->type.dtype};
  int8_t from[IR_MAX_RANK];
  uint32_t axes = 0;
  int64_t count = 1;
  for (int i = 0; i < inner->type.rank; i++) {
    bool summed = v->attr.axes >> i & 1;
    if (summed && inner->attr.order[i] < 0 && inner->type.axes[i] >= 0) {
      count *= inner->type.axes[i];
      continue;
    }
    if (summed) axes |= 1u << rest.rank;
    from[rest.rank] = inner->attr.order[i];
    rest.axes[rest.rank++] = inner->type.axes[i];
  }
  if (rest.rank == inner->type.rank || (v->type.dtype == IR_I32 && count > 1 << 20)) return IR_NONE;
  IrRef sum = opt_sum(rw, opt_broadcast(rw, inner->operands[0], &rest, from), axes);
  return opt_binary(rw, IR_MUL, sum, opt_number_like(rw, sum, (double)count));
}

// r without the axes, which its broadcast made; IR_NONE if they are not all new.
static IrRef without_axes(Rewrite *rw, IrRef r, uint32_t axes, const IrType *result) {
  const IrValue *v = opt_at(rw, r);
  if (v->op != IR_BROADCAST) return IR_NONE;
  int8_t from[IR_MAX_RANK], n = 0;
  for (int i = 0; i < v->type.rank; i++) {
    bool summed = axes >> i & 1;
    if (summed && v->attr.order[i] >= 0) return IR_NONE;
    if (!summed) from[n++] = v->attr.order[i];
  }
  return opt_broadcast(rw, v->operands[0], result, from);
}

// sum(a b) with b constant along the summed axes is b sum(a); likewise a/b.
static IrRef of_product(Rewrite *rw, const IrValue *v, const IrValue *inner) {
  for (int k = 1; k >= (inner->op == IR_DIV ? 1 : 0); k--) {
    IrRef factor = without_axes(rw, inner->operands[k], v->attr.axes, &v->type);
    if (factor != IR_NONE) return opt_binary(rw, inner->op, opt_sum(rw, inner->operands[1 - k], v->attr.axes), factor);
  }
  return IR_NONE;
}

IrRef algebra_sum(Rewrite *rw, const IrValue *v) {
  if (v->op != IR_SUM) return IR_NONE;
  const IrValue *inner = opt_at(rw, v->operands[0]);
  if (inner->op == IR_BROADCAST) return of_broadcast(rw, v, inner);
  bool product = inner->op == IR_MUL || inner->op == IR_DIV;
  return product && ir_is_real(&v->type) && opt_single(rw, v->operands[0]) ? of_product(rw, v, inner) : IR_NONE;
}
