// Gather and scatter_add along a short axis by an index that differs from event to event: selects while accumulating,
// with no memory in between (numbers stay in registers).
//
//   y = gather x, i batch 1 axis 1 : f32[e]    ->    y = sum over j of select(i = j, x[j], 0)
//
// Layout of the expanded array: B M [n] S R, or B S [n] R where S holds event axes (then M is empty): event axes in front.
#include "compiler/opt/algebra_index.h"

#include "compiler/opt/algebra.h"

#include <math.h>

// n: longest axis; elements: most selects an event and element of B and M (above, reading memory is cheaper).
enum { LONGEST_AXIS = 64, MOST_ELEMENTS = 4096 };

// ---- does the index need clamping?

typedef struct Interval {
  double low, high;
} Interval;

static const Interval anything = {-2147483648.0, 2147483647.0};

static Interval interval_of(const Rewrite *rw, IrRef r, int depth);

static Interval interval_of_const(const IrValue *v) {
  Interval i = {INFINITY, -INFINITY};
  for (int64_t k = 0; k < ir_elements(&v->type); k++) {
    i.low = fmin(i.low, v->attr.data[k]);
    i.high = fmax(i.high, v->attr.data[k]);
  }
  return i;
}

static Interval interval_of_sum(const Rewrite *rw, const IrValue *v, int depth) {
  Interval x = interval_of(rw, v->operands[0], depth);
  const IrType *t = opt_type(rw, v->operands[0]);
  double n = 1;
  for (int i = 0; i < t->rank; i++) {
    if (!(v->attr.axes >> i & 1)) continue;
    if (t->axes[i] < 0) return anything;
    n *= (double)t->axes[i];
  }
  return (Interval){n * x.low, n * x.high};
}

// Bounds of an i32 or bool value, as far as a few steps back show.
static Interval interval_of(const Rewrite *rw, IrRef r, int depth) {
  const IrValue *v = opt_at(rw, r);
  if (v->type.dtype == IR_BOOL) return (Interval){0, 1};
  if (v->type.dtype != IR_I32 || depth == 0) return anything;
  Interval x[IR_MAX_OPERANDS] = {anything, anything, anything}, y = anything;
  if (v->op == IR_CONST) return interval_of_const(v);
  if (v->op == IR_IOTA) return (Interval){0, (double)v->type.axes[v->attr.axis] - 1};
  if (v->op == IR_ARGMAX) return (Interval){0, (double)opt_type(rw, v->operands[0])->axes[v->attr.axis] - 1};
  for (uint32_t k = 0; k < v->n_operands && k < IR_MAX_OPERANDS; k++) x[k] = interval_of(rw, v->operands[k], depth - 1);
  if (v->op == IR_SUM) y = interval_of_sum(rw, v, depth - 1);
  if (v->op == IR_MAX) y = (Interval){fmax(x[0].low, x[1].low), fmax(x[0].high, x[1].high)};
  if (v->op == IR_MIN) y = (Interval){fmin(x[0].low, x[1].low), fmin(x[0].high, x[1].high)};
  if (v->op == IR_ADD) y = (Interval){x[0].low + x[1].low, x[0].high + x[1].high};
  if (v->op == IR_SUB) y = (Interval){x[0].low - x[1].high, x[0].high - x[1].low};
  if (v->op == IR_SELECT) y = (Interval){fmin(x[1].low, x[2].low), fmax(x[1].high, x[2].high)};
  bool view = v->op == IR_BROADCAST || v->op == IR_RESHAPE || v->op == IR_TRANSPOSE || v->op == IR_SLICE;
  if (view || (v->op == IR_CAST && x[0].high < anything.high)) y = x[0];
  if (y.low < anything.low || y.high > anything.high) y = anything; // it may wrap around
  return y;
}

static IrRef clamped(Rewrite *rw, IrRef index, int64_t n) {
  Interval i = interval_of(rw, index, 8);
  if (i.low < 0) index = opt_binary(rw, IR_MAX, index, opt_number_like(rw, index, 0));
  if (i.high > (double)(n - 1)) index = opt_binary(rw, IR_MIN, index, opt_number_like(rw, index, (double)(n - 1)));
  return index;
}

// ---- the expanded array

typedef struct Expansion {
  IrType full;               // i32
  int8_t small[IR_MAX_RANK]; // axes of the array without S (x; result of scatter), as broadcast takes them
  int8_t large[IR_MAX_RANK]; // axes of the array without n (g; result of gather)
  int8_t index[IR_MAX_RANK];
  int8_t line[IR_MAX_RANK]; // axes of an array [n]
  uint32_t n_mask, s_mask;
} Expansion;

static void add_axis(Expansion *e, int64_t extent, int small, int large, int index) {
  int at = e->full.rank++;
  e->full.axes[at] = extent;
  e->small[at] = (int8_t)small;
  e->large[at] = (int8_t)large;
  e->index[at] = (int8_t)index;
  e->line[at] = -1;
}

static void add_n(Expansion *e, int64_t n, int small) {
  e->n_mask = 1u << e->full.rank;
  add_axis(e, n, small, -1, -1);
  e->line[e->full.rank - 1] = 0;
}

// large: B M S R, index: B S. False where the array would have too many axes or elements.
static bool expand(Expansion *e, const IrType *large, const IrType *index, int b, int a, int64_t n) {
  int picked = index->rank - b, rest = large->rank - a - picked;
  bool events_picked = picked > 0 && index->axes[b] < 0;
  int64_t elements = n;
  *e = (Expansion){.full.dtype = IR_I32};
  if (n < 1 || n > LONGEST_AXIS || large->rank + 1 > IR_MAX_RANK) return false;
  for (int i = a; i < large->rank; i++) elements *= large->axes[i] < 0 ? 1 : large->axes[i];
  if (elements > MOST_ELEMENTS) return false;
  for (int i = 0; i < a; i++) add_axis(e, large->axes[i], i, i, i < b ? i : -1);
  if (!events_picked) add_n(e, n, a);
  for (int i = 0; i < picked; i++) {
    e->s_mask |= 1u << e->full.rank;
    add_axis(e, large->axes[a + i], -1, a + i, b + i);
  }
  if (events_picked) add_n(e, n, a);
  for (int i = 0; i < rest; i++) add_axis(e, large->axes[a + picked + i], a + 1 + i, a + picked + i, -1);
  return true;
}

static IrRef chosen(Rewrite *rw, const Expansion *e, IrRef index, int64_t n) {
  IrType line = ir_type(IR_I32, 1, &n);
  IrRef iota = opt_make(rw, IR_IOTA, NULL, 0, &(IrAttr){0}, &line);
  IrRef place = opt_broadcast(rw, clamped(rw, index, n), &e->full, e->index);
  return opt_binary(rw, IR_EQ, place, opt_broadcast(rw, iota, &e->full, e->line));
}

IrRef index_short(Rewrite *rw, const IrValue *v) {
  Expansion e;
  bool gather = v->op == IR_GATHER;
  IrRef x = v->operands[0], index = v->operands[1];
  const IrType *large = gather ? &v->type : opt_type(rw, x);
  int64_t n = gather ? opt_type(rw, x)->axes[v->attr.axis] : v->attr.from;
  if (v->type.dtype == IR_BOOL || !expand(&e, large, opt_type(rw, index), v->attr.batch, v->attr.axis, n)) return IR_NONE;
  IrRef all = opt_broadcast(rw, x, &e.full, gather ? e.small : e.large);
  IrRef picked = opt_select(rw, chosen(rw, &e, index, n), all, opt_number_like(rw, all, 0));
  return opt_sum(rw, picked, gather ? e.n_mask : e.s_mask);
}

IrRef algebra_index(Rewrite *rw, const IrValue *v) {
  if (v->op != IR_GATHER && v->op != IR_SCATTER_ADD) return IR_NONE;
  IrRef r = index_constant(rw, v);
  return r != IR_NONE || opt_is(rw, v->operands[1], IR_CONST) ? r : index_short(rw, v);
}
