// Gather and scatter_add by a constant index: slices, concatenations of slices, or one gather by another index.
//
//   i = const [1, 3, 5] : i32[3]
//   y = gather x, i batch 0 axis 1 : f32[e,3]    ->    y = slice x axis 1 from 1 to 6 step 2 : f32[e,3]
#include "compiler/opt/algebra_index.h"

// An index of more stretches with a constant step, or of shorter ones, stays a gather.
enum { MOST_RUNS = 4, SHORTEST_RUN = 2 };

static int64_t clamp(double x, int64_t n) { return x < 0 ? 0 : x > (double)(n - 1) ? n - 1 : (int64_t)x; }

static int64_t *clamped_index(Rewrite *rw, const IrValue *index, int64_t n) {
  int64_t m = ir_elements(&index->type), *at = ARENA_ARRAY(rw->scratch, int64_t, m + 1);
  for (int64_t k = 0; k < m; k++) at[k] = clamp(index->attr.data[k], n);
  return at;
}

// How many of at[0], ..., at[m - 1] from the first on have one step; that step.
static int64_t run_length(const int64_t *at, int64_t m, int64_t *step) {
  *step = m > 1 ? at[1] - at[0] : 1;
  int64_t n = m > 1 ? 2 : 1;
  while (n < m && at[n] - at[n - 1] == *step) n++;
  if (n < m && n == 2 && *step != 1 && *step != -1) *step = n = 1; // two numbers make no pattern
  return n;
}

static int64_t count_runs(const int64_t *at, int64_t m) {
  int64_t runs = 0, step;
  for (int64_t k = 0; k < m; runs++) k += run_length(at + k, m - k, &step);
  return runs;
}

static IrRef take_run(Rewrite *rw, IrRef x, int axis, int64_t first, int64_t length, int64_t step) {
  if (step != 0) return opt_slice(rw, x, axis, first, first + (length - 1) * step + (step > 0 ? 1 : -1), step);
  IrRef one = opt_slice(rw, x, axis, first, first + 1, 1);
  IrType type = *opt_type(rw, x), less = type;
  int8_t from[IR_MAX_RANK];
  type.axes[axis] = length;
  less.rank--;
  for (int i = axis; i < less.rank; i++) less.axes[i] = type.axes[i + 1];
  for (int i = 0; i < type.rank; i++) from[i] = (int8_t)(i < axis ? i : i == axis ? -1 : i - 1);
  return opt_broadcast(rw, opt_reshape(rw, one, less.rank, less.axes), &type, from);
}

// x along the axis at the places at[0..m-1], as slices; IR_NONE for too many.
static IrRef take(Rewrite *rw, IrRef x, int axis, const int64_t *at, int64_t m) {
  int64_t runs = count_runs(at, m), step;
  if (m == 0 || runs > MOST_RUNS || (runs > 1 && runs * SHORTEST_RUN > m)) return IR_NONE;
  IrRef parts[MOST_RUNS];
  uint32_t n = 0;
  for (int64_t k = 0; k < m;) {
    int64_t length = run_length(at + k, m - k, &step);
    parts[n++] = take_run(rw, x, axis, at[k], length, step);
    k += length;
  }
  return n == 1 ? parts[0] : opt_concat(rw, parts, n, axis);
}

static IrRef index_number(Rewrite *rw, const int64_t *at, int64_t m) {
  double *data = ARENA_ARRAY(rw->scratch, double, m);
  for (int64_t k = 0; k < m; k++) data[k] = (double)at[k];
  return ir_const(rw->to, ir_type(IR_I32, 1, &m), data);
}

static IrRef gather(Rewrite *rw, IrRef x, IrRef index, int axis) {
  return opt_make(rw, IR_GATHER, (IrRef[]){x, index}, 2, &(IrAttr){.axis = (int8_t)axis}, NULL);
}

static IrRef gather_constant(Rewrite *rw, const IrValue *v, const IrValue *index) {
  IrRef x = v->operands[0];
  int axis = v->attr.axis;
  int64_t n = opt_type(rw, x)->axes[axis], m = ir_elements(&index->type);
  if (index->type.rank != 1) { // by the index as a list, then the axes of the index back
    IrRef flat = ir_const(rw->to, ir_type(IR_I32, 1, &m), index->attr.data);
    return m ? opt_reshape(rw, gather(rw, x, flat, axis), v->type.rank, v->type.axes) : IR_NONE;
  }
  int64_t *at = clamped_index(rw, index, n);
  IrRef r = take(rw, x, axis, at, m);
  if (r != IR_NONE || !opt_is(rw, x, IR_GATHER) || m == 0) return r;
  const IrValue *inner = opt_at(rw, x), *first = opt_at(rw, inner->operands[1]);
  if (first->op != IR_CONST || first->type.rank != 1 || inner->attr.batch || inner->attr.axis != axis) return IR_NONE;
  for (int64_t k = 0; k < m; k++) at[k] = (int64_t)first->attr.data[at[k]];
  return gather(rw, inner->operands[0], index_number(rw, at, m), axis);
}

// The numbers of g each to a place of its own: a pad, or a gather in which zeros come from an added element.
static IrRef scatter_constant(Rewrite *rw, const IrValue *v, const IrValue *index) {
  IrRef g = v->operands[0];
  int axis = v->attr.axis;
  int64_t n = v->attr.from, m = ir_elements(&index->type), step;
  int64_t *at = clamped_index(rw, index, n), *source = ARENA_ARRAY(rw->scratch, int64_t, n);
  if (m == 0) return IR_NONE;
  for (int64_t k = 0; k < n; k++) source[k] = m;
  for (int64_t k = 0; k < m; k++) {
    if (source[at[k]] != m) return IR_NONE;
    source[at[k]] = k;
  }
  IrType flat = *opt_type(rw, g);
  if (index->type.rank != 1) {
    IrType type = {.dtype = flat.dtype};
    for (int i = 0; i < flat.rank; i++) {
      bool of_index = i >= axis && i < axis + index->type.rank;
      if (i == axis) type.axes[type.rank++] = m;
      if (!of_index) type.axes[type.rank++] = flat.axes[i];
    }
    if (axis == flat.rank) type.axes[type.rank++] = m; // an index without axes, at the end
    g = opt_reshape(rw, g, type.rank, type.axes);
    flat = type;
  }
  if (run_length(at, m, &step) == m && step > 0) {
    IrAttr attr = {.axis = (int8_t)axis, .from = at[0], .to = n - 1 - at[m - 1], .step = m > 1 ? step : 1};
    return opt_make(rw, IR_PAD, &g, 1, &attr, NULL);
  }
  if (m < n) {
    flat.axes[axis] = 1;
    g = opt_concat(rw, (IrRef[]){g, opt_fill(rw, &flat, 0)}, 2, axis);
  }
  return gather(rw, g, index_number(rw, source, n), axis);
}

// An index that is the same for all of the batch axes needs none.
static IrRef without_batch(Rewrite *rw, const IrValue *v, const IrValue *index) {
  int8_t from[IR_MAX_RANK], b = v->attr.batch;
  IrType less = {.dtype = IR_I32};
  for (int i = 0; i < index->type.rank; i++) {
    if (i < b && index->attr.order[i] >= 0) return IR_NONE;
    if (i < b) continue;
    if (index->type.axes[i] < 0) return IR_NONE;
    from[less.rank] = index->attr.order[i];
    less.axes[less.rank++] = index->type.axes[i];
  }
  IrAttr attr = v->attr;
  attr.batch = 0;
  IrRef operands[2] = {v->operands[0], opt_broadcast(rw, index->operands[0], &less, from)};
  return opt_make(rw, v->op, operands, 2, &attr, NULL);
}

IrRef index_constant(Rewrite *rw, const IrValue *v) {
  const IrValue *index = opt_at(rw, v->operands[1]);
  if (index->op == IR_BROADCAST && v->attr.batch > 0) return without_batch(rw, v, index);
  if (index->op != IR_CONST || v->attr.batch != 0) return IR_NONE;
  return v->op == IR_GATHER ? gather_constant(rw, v, index) : scatter_constant(rw, v, index);
}
