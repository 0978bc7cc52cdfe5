// Derivative rules of reductions, contractions and the inverse of a triangular matrix.
#include <string.h>

#include "compiler/ad/rules.h"

// The operand's axes that a reduction keeps, as the axes a broadcast back takes its operand from.
static IrRef stretch_back(AdWalk *w, IrRef small, IrRef like, uint32_t axes) {
  const IrType *t = ir_type_of(w->fn, like);
  int8_t from[IR_MAX_RANK], next = 0;
  for (int i = 0; i < t->rank; i++) from[i] = (axes >> i & 1) ? -1 : next++;
  return ir_broadcast(w->fn, small, t->rank, t->axes, from);
}

void adjoint_sum(AdWalk *w, IrRef y, IrRef g, IrRef *to) { to[0] = stretch_back(w, g, ad_operand(w, y, 0), ir_at(w->fn, y)->attr.axes); }

void adjoint_amax(AdWalk *w, IrRef y, IrRef g, IrRef *to) { // ties share: g/count where a = y
  IrRef a = ad_operand(w, y, 0);
  uint32_t axes = ir_at(w->fn, y)->attr.axes;
  IrRef largest = ir_binary(w->fn, IR_EQ, a, stretch_back(w, y, a, axes));
  IrRef count = ir_sum(w->fn, ir_cast(w->fn, largest, ir_type_of(w->fn, a)->dtype), axes);
  IrRef share = stretch_back(w, ad_div(w, g, count), a, axes);
  to[0] = ir_select(w->fn, largest, share, ad_number(w, g, 0));
}

void adjoint_cumsum(AdWalk *w, IrRef y, IrRef g, IrRef *to) { // the other way
  const IrAttr *attr = &ir_at(w->fn, y)->attr;
  to[0] = ir_cumsum(w->fn, g, attr->axis, !attr->backwards, attr->exclusive);
}

// y = "A,B->C": by the laws of einsum every letter of A is in B or C, so the adjoint of a is "C,B->A"; likewise "A,C->B".
void adjoint_einsum(AdWalk *w, IrRef y, IrRef g, IrRef *to) {
  const IrValue *v = ir_at(w->fn, y);
  const char *comma = strchr(v->attr.name, ','), *arrow = strstr(v->attr.name, "->");
  char spec[4 * IR_MAX_RANK + 4];
  int n_a = (int)(comma - v->attr.name), n_b = (int)(arrow - comma - 1);
  const char *a = v->attr.name, *b = comma + 1, *c = arrow + 2;
  if (ad_wants(w, y, 0)) {
    snprintf(spec, sizeof spec, "%s,%.*s->%.*s", c, n_b, b, n_a, a);
    to[0] = ir_einsum(w->fn, spec, g, v->operands[1]);
  }
  if (ad_wants(w, y, 1)) {
    snprintf(spec, sizeof spec, "%.*s,%s->%.*s", n_a, a, c, n_b, b);
    to[1] = ir_einsum(w->fn, spec, v->operands[0], g);
  }
}

// y = inverse of a: -tril(y^T g y^T), triu for upper.
void adjoint_tri_inverse(AdWalk *w, IrRef y, IrRef g, IrRef *to) {
  const IrValue *v = ir_at(w->fn, y);
  IrRef left = ir_einsum(w->fn, "ji,jk->ik", y, g);
  IrRef full = ir_einsum(w->fn, "ik,lk->il", left, y);
  IrType square = v->type;
  square.dtype = IR_I32;
  IrRef row = ir_iota(w->fn, square, 0), column = ir_iota(w->fn, square, 1);
  IrRef inside = v->attr.upper ? ir_binary(w->fn, IR_LE, row, column) : ir_binary(w->fn, IR_LE, column, row);
  to[0] = ir_select(w->fn, inside, ad_neg(w, full), ad_number(w, g, 0));
}
