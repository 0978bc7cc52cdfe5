// What the schedule of a program for one event at a time (tile 1) does for its products. A product of weights with one event
// reads every weight once: it must stream them. So the weights of one k lie one behind the other, for all outputs; where they do
// not, a CONSTANT step makes a copy that does. And the zeros that a ReLU leaves are skipped, with the weights they would multiply.
#include "compiler/codegen/product.h"
#include "compiler/ir/match.h"

// Is the value cut off at zero, so that many of its numbers are zero?
static bool has_zeros(const IrFn *fn, IrRef r) {
  for (;;) {
    const IrValue *v = ir_at(fn, r);
    switch ((int)v->op) {
    case IR_RESHAPE:
    case IR_TRANSPOSE:
    case IR_SLICE: r = v->operands[0]; break;
    case IR_MAX: return ir_is_number(fn, v->operands[0], 0) || ir_is_number(fn, v->operands[1], 0);
    case IR_SELECT: return ir_is_number(fn, v->operands[1], 0) || ir_is_number(fn, v->operands[2], 0);
    default: return false;
    }
  }
}

// A copy of operand k of the step whose rows are in the order of the loops that walk it, loop n last.
static Access copy_in_order(Schedule *s, const Step *t, const Access *a, int n) {
  const Place *from = &s->places.at[a->place];
  IrType type = {.dtype = from->dtype};
  int loop_of[NEST_LOOPS];
  for (int l = 0; l < t->loops; l++)
    if (a->stride[l] != 0 && l != n) loop_of[type.rank] = l, type.axes[type.rank++] = t->extent[l];
  loop_of[type.rank] = n, type.axes[type.rank++] = t->extent[n];
  int class = from->kind == PLACE_COMPUTED ? from->class : CLASS_CONSTANT;
  uint32_t place = place_new(s, PLACE_COMPUTED, &type, class);
  uint8_t rank = (uint8_t)type.rank;
  Step copy = {.kind = STEP_COPY, .value = IR_NONE, .place = place, .class = class, .dtype = type.dtype, .loops = rank, .kept = rank, .group = UINT32_MAX};
  Access all = {.place = place}, read = {.place = a->place, .base = a->base};
  for (int l = 0; l < rank; l++) {
    copy.extent[l] = type.axes[l];
    copy.store_stride[l] = all.stride[loop_of[l]] = s->places.at[place].stride[l];
    read.stride[l] = a->stride[loop_of[l]];
  }
  copy.operand[copy.n_operands++] = read;
  VEC_PUSH(s->arena, &s->steps, copy);
  return all;
}

void single_product(Schedule *s, Step *t) {
  Product p;
  if (!product_fits(s, t, &p)) return;
  Access *w = &t->operand[p.w];
  if (w->stride[p.n_loop] != 1) *w = copy_in_order(s, t, w, p.n_loop);
  t->zeros = has_zeros(s->fn, ir_at(s->fn, t->value)->operands[p.x]);
}
