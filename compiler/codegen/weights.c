// The order in which a product finds its weights; where they lie otherwise, a CONSTANT step makes a copy.
//
// Of one event (tile 1) a product reads every weight once: it must stream them, so the weights of one k lie one behind the other, for
// all outputs. And the zeros that a ReLU leaves are skipped, with the weights they would multiply.
//
// Of a tile a block of a few outputs goes through all k: the weights of one output lie one behind the other. Taken from rows of many
// outputs, each line of memory would come once for every block (69 instead of 94 GFLOP/s at 512 x 512). A tile reads each weight for many
// events, so those kept in bf16 are widened once, by the copy; a single event widens them as it reads, which is where half the bytes pay. AMX
// reads them as they are, each row with zeros up to a whole number of blocks.
#include <string.h>

#include "compiler/codegen/gemm.h"
#include "compiler/codegen/product.h"
#include "compiler/ir/match.h"

enum { WIDE_ROW = 64 }; // numbers: a row of four lines of memory, of which a block needs a half

// Is the value cut off at zero, so that many of its numbers are zero?
static bool has_zeros(const IrFn *fn, IrRef r) {
  for (;;) {
    const IrValue *v = ir_at(fn, r);
    switch ((int)v->op) {
    case IR_CAST:
    case IR_RESHAPE:
    case IR_TRANSPOSE:
    case IR_SLICE: r = v->operands[0]; break;
    case IR_MAX: return ir_is_number(fn, v->operands[0], 0) || ir_is_number(fn, v->operands[1], 0);
    case IR_SELECT: return ir_is_number(fn, v->operands[1], 0) || ir_is_number(fn, v->operands[2], 0);
    default: return false;
    }
  }
}

// Zeros behind the numbers of each row of the copy.
static void fill_rows(Schedule *s, Step fill, int64_t length) {
  int last = fill.loops - 1;
  fill.kind = STEP_ZERO;
  fill.n_operands = 0;
  fill.store_base = fill.extent[last];
  fill.extent[last] = length - fill.extent[last];
  if (fill.extent[last] > 0) VEC_PUSH(s->step_room, &s->steps, fill);
}

// A copy of operand k of the step whose rows are in the order of the loops that walk it, loop n last.
static Access new_copy(Schedule *s, const Step *t, const Access *a, const Product *p, int n) {
  const Place *from = &s->places.at[a->place];
  IrType type = {.dtype = p->tiles ? IR_BF16 : s->options.tile == 1 ? from->dtype : t->dtype};
  int loop_of[NEST_LOOPS];
  for (int l = 0; l < t->loops; l++)
    if (a->stride[l] != 0 && l != n) loop_of[type.rank] = l, type.axes[type.rank++] = p->tiles && l == p->n_loop ? gemm_tiles_rows(p->n) : t->extent[l];
  loop_of[type.rank] = n, type.axes[type.rank++] = p->tiles ? gemm_tiles_numbers(p->k) : t->extent[n];
  int class = from->kind == PLACE_COMPUTED ? from->class : CLASS_CONSTANT;
  uint32_t place = place_new(s, PLACE_COMPUTED, &type, class);
  uint8_t rank = (uint8_t)type.rank;
  Step copy = {.kind = STEP_COPY, .value = IR_NONE, .place = place, .class = class, .dtype = type.dtype, .loops = rank, .kept = rank, .group = UINT32_MAX};
  Access all = {.place = place}, read = {.place = a->place, .base = a->base};
  for (int l = 0; l < rank; l++) {
    copy.extent[l] = t->extent[loop_of[l]];
    copy.store_stride[l] = all.stride[loop_of[l]] = s->places.at[place].stride[l];
    read.stride[l] = a->stride[loop_of[l]];
  }
  copy.operand[copy.n_operands++] = read;
  VEC_PUSH(s->step_room, &s->steps, copy);
  if (p->tiles) fill_rows(s, copy, type.axes[rank - 1]);
  return all;
}

static bool same_strides(const int64_t *a, const int64_t *b) { return memcmp(a, b, NEST_LOOPS * sizeof *a) == 0; }

// The copy that another use of the same weights has.
static bool known_copy(const Schedule *s, const Step *t, const Access *a, Access *all) {
  for (size_t i = 0; i < s->copies.len; i++) {
    const WeightCopy *c = &s->copies.at[i];
    if (c->from.place != a->place || c->from.base != a->base || !same_strides(c->from.stride, a->stride)) continue;
    if (!same_strides(c->extent, t->extent)) continue;
    *all = c->all;
    return true;
  }
  return false;
}

static Access copy_in_order(Schedule *s, const Step *t, const Access *a, const Product *p, int n) {
  WeightCopy copy = {.from = *a};
  if (known_copy(s, t, a, &copy.all)) return copy.all;
  copy.all = new_copy(s, t, a, p, n);
  memcpy(copy.extent, t->extent, sizeof copy.extent);
  VEC_PUSH(s->arena, &s->copies, copy);
  return copy.all;
}

void product_weights(Schedule *s, Step *t) {
  Product p;
  if (!product_fits(s, t, &p)) return;
  Access *w = &t->operand[p.w];
  bool single = s->options.tile == 1, half = s->places.at[w->place].dtype == IR_BF16;
  if (single && w->stride[p.n_loop] != 1) *w = copy_in_order(s, t, w, &p, p.n_loop);
  bool across = w->stride[p.n_loop] == 1 && w->stride[p.k_loop] >= WIDE_ROW && p.k >= WIDE_ROW;
  if (!single && (half || across || p.tiles)) *w = copy_in_order(s, t, w, &p, p.k_loop);
  if (single) t->zeros = has_zeros(s->fn, ir_at(s->fn, t->value)->operands[p.x]);
}
