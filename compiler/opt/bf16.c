// Operands of products in bf16.
//
//   x = input "x" : f32[e,3]                       x = input "x" : f32[e,3]
//   w = param "w" : f32[3,4]                       w = param "w.bf16" : bf16[3,4]
//   y = einsum "ei,io->eo" x, w          ->        y = einsum "ei,io->eo" (cast f32 (cast bf16 x)), (cast f32 w)
#include "compiler/opt/bf16.h"

#include "compiler/opt/rewrite.h"

typedef struct Halves {
  Rewrite rw;
  bool *weights; // by value: computed from weights alone
  bool *kept;    // by value: a weight, or a view of one, that products alone read
  IrRef *halves; // by value: rounded, IR_NONE: not yet
} Halves;

static bool is_view(IrOp op) { return op == IR_RESHAPE || op == IR_TRANSPOSE || op == IR_BROADCAST || op == IR_SLICE || op == IR_WINDOWS; }

// Which operand of the value are weights that meet events; -1: it is no such product.
static int weights_of(const Halves *h, const IrValue *v) {
  if (v->op != IR_EINSUM || v->type.dtype != IR_F32 || ir_event_axes(&v->type) > 1) return -1;
  for (int k = 0; k < 2; k++)
    if (h->weights[v->operands[k]] && ir_event_axes(ir_type_of(h->rw.from, v->operands[1 - k])) == 1) return k;
  return -1;
}

static void find_weights(Halves *h) {
  const IrFn *fn = h->rw.from;
  for (IrRef r = 0; r < fn->values.len; r++) {
    const IrValue *v = ir_at(fn, r);
    h->weights[r] = v->op == IR_PARAM;
    for (uint32_t k = 0; k < v->n_operands; k++) h->weights[r] |= h->weights[v->operands[k]];
    h->weights[r] &= !ir_has_events(&v->type) && v->type.dtype == IR_F32;
  }
}

static void find_kept(Halves *h) {
  const IrFn *fn = h->rw.from;
  for (IrRef r = 0; r < fn->values.len; r++) h->kept[r] = h->weights[r] && (ir_at(fn, r)->op == IR_PARAM || is_view(ir_at(fn, r)->op));
  for (size_t i = 0; i < fn->outputs.len; i++) h->kept[fn->outputs.at[i].value] = false;
  for (IrRef r = (IrRef)fn->values.len; r-- > 0;) { // from the readers to what they read
    const IrValue *v = ir_at(fn, r);
    int weights = weights_of(h, v);
    for (int k = 0; k < (int)v->n_operands; k++) h->kept[v->operands[k]] &= k == weights || (is_view(v->op) && h->kept[r]);
  }
  for (IrRef r = 0; r < fn->values.len; r++) // a view of what is kept otherwise is no weight of bf16
    if (is_view(ir_at(fn, r)->op)) h->kept[r] &= h->kept[ir_at(fn, r)->operands[0]];
}

// Value r of the old function as an operand of a product.
static IrRef half_of(Halves *h, IrRef r) {
  if (h->halves[r] != IR_NONE) return h->halves[r];
  IrRef now = opt_cast(&h->rw, h->rw.map[r], IR_BF16);
  return h->halves[r] = opt_cast(&h->rw, now, IR_F32);
}

static IrRef rebuild(Halves *h, IrRef r) {
  const IrValue *old = ir_at(h->rw.from, r);
  IrValue v = opt_on_mapped_operands(&h->rw, r);
  if (h->kept[r]) v.type.dtype = IR_BF16;
  if (h->kept[r] && v.op == IR_PARAM) v.attr.name = arena_printf(h->rw.arena, "%s" OPT_BF16_LEAF, v.attr.name);
  if (weights_of(h, old) < 0) return opt_put(&h->rw, &v);
  IrRef *operands = ARENA_ARRAY(h->rw.scratch, IrRef, 2);
  for (int k = 0; k < 2; k++) operands[k] = half_of(h, old->operands[k]);
  v.operands = operands;
  return opt_put(&h->rw, &v);
}

IrFn *opt_bf16(Arena *arena, const IrFn *fn) {
  size_t n = fn->values.len + 1;
  Halves h = {.rw = opt_rewrite(arena, fn, NULL)};
  h.weights = ARENA_ARRAY(h.rw.scratch, bool, n);
  h.kept = ARENA_ARRAY(h.rw.scratch, bool, n);
  h.halves = ARENA_ARRAY(h.rw.scratch, IrRef, n);
  find_weights(&h);
  find_kept(&h);
  for (IrRef r = 0; r < fn->values.len; r++) {
    h.halves[r] = IR_NONE;
    h.rw.map[r] = rebuild(&h, r); // of another type where it is kept
  }
  return opt_rewrite_end(&h.rw);
}
