// One step for each value that needs code, a few for those that are put together (concat, pad): its loops, the strides
// with which it reads its operands, and where it stores.
#include "compiler/codegen/schedule.h"

#include <string.h>

static Step step_new(const Schedule *s, StepKind kind, IrRef value, uint32_t place) {
  const Place *p = &s->places.at[place];
  return (Step){.kind = kind, .value = value, .place = place, .class = p->class, .dtype = p->dtype, .group = UINT32_MAX};
}

static void add_loop(Step *t, int64_t extent) {
  if (t->loops == NEST_LOOPS) ir_fail("codegen: more than %d loops", NEST_LOOPS);
  t->extent[t->loops++] = extent;
}

// Loops over the axes of the place, stored row-major.
static void loops_of_place(const Schedule *s, Step *t) {
  const Place *p = &s->places.at[t->place];
  for (int i = 0; i < p->rank; i++) {
    t->store_stride[t->loops] = p->stride[i];
    add_loop(t, p->axes[i]);
  }
  t->kept = t->loops;
}

// Operand k of the step is value r; axis_of[l]: the axis of r that loop l walks, or -1; variable[i]: of event axis i of r.
static void add_events_operand(const Schedule *s, Step *t, IrRef r, const int *axis_of, const uint8_t *variable) {
  const View *v = &s->views[r];
  Access a = {.place = v->place, .base = v->base, .event = {variable[v->event[0]], variable[v->event[1]]}};
  for (int l = 0; l < t->loops; l++) a.stride[l] = axis_of[l] >= 0 ? v->stride[axis_of[l]] : 0;
  t->operand[t->n_operands++] = a;
}

static void add_operand(const Schedule *s, Step *t, IrRef r, const int *axis_of) { add_events_operand(s, t, r, axis_of, (uint8_t[]){0, 1}); }

// What is summed over event axes. `gone`: which event axes of a type go; the variables of all: those left come first.
static void reduce_events(Step *t, const IrType *type, uint32_t gone, uint8_t variable[2]) {
  uint8_t n = 0;
  for (int pass = 0; pass < 2; pass++)
    for (int i = 0; i < 2; i++)
      if (i < type->rank && type->axes[i] < 0 && (gone >> i & 1) == (uint32_t)pass) {
        if (pass && n == 0) t->over_events = true;
        if (pass && n == 1) t->over_pairs = true;
        variable[i] = n++;
      }
}

// axis_of for an operand with the same axes as the step's loops.
static void same_axes(const IrType *type, int *axis_of) {
  int l = 0;
  for (int i = 0; i < type->rank; i++)
    if (type->axes[i] >= 0) axis_of[l++] = i;
}

static bool is_empty(const Step *t) {
  for (int l = 0; l < t->kept; l++)
    if (t->extent[l] == 0) return true;
  return false;
}

// A sum without terms.
static void nothing_to_reduce(Step *t) {
  for (int l = t->kept; l < t->loops; l++) {
    if (t->extent[l] != 0) continue;
    if (t->kind != STEP_SUM && t->kind != STEP_DOT && t->kind != STEP_SCATTER) ir_fail("codegen: largest of no elements");
    t->kind = STEP_ZERO;
    t->over_pairs = false;
    t->loops = t->kept;
    t->n_operands = 0;
    return;
  }
}

static void push(Schedule *s, Step t) {
  if (is_empty(&t)) return;
  nothing_to_reduce(&t);
  VEC_PUSH(s->arena, &s->steps, t);
}

static void point_step(Schedule *s, IrRef r, uint32_t place, StepKind kind) {
  Step t = step_new(s, kind, r, place);
  loops_of_place(s, &t);
  const IrValue *v = ir_at(s->fn, r);
  int axis_of[NEST_LOOPS];
  same_axes(&v->type, axis_of);
  for (uint32_t k = 0; k < v->n_operands; k++) add_operand(s, &t, v->operands[k], axis_of);
  push(s, t);
}

// Loops over what is kept, then over what is reduced: axes of the operand.
static void reduce_step(Schedule *s, IrRef r, uint32_t place, StepKind kind, uint32_t axes) {
  const IrValue *v = ir_at(s->fn, r);
  const IrType *from = ir_type_of(s->fn, v->operands[0]);
  Step t = step_new(s, kind, r, place);
  loops_of_place(s, &t);
  int axis_of[NEST_LOOPS], l = 0;
  uint8_t variable[2] = {0, 1};
  for (int i = 0; i < from->rank; i++)
    if (from->axes[i] >= 0 && !(axes >> i & 1)) axis_of[l++] = i;
  for (int i = 0; i < from->rank; i++) {
    if (!(axes >> i & 1) || from->axes[i] < 0) continue;
    axis_of[t.loops] = i;
    add_loop(&t, from->axes[i]);
  }
  reduce_events(&t, from, axes, variable);
  add_events_operand(s, &t, v->operands[0], axis_of, variable);
  push(s, t);
}

// Which of n numbers stand before which: [i][j] = j < i.
static uint32_t earlier_place(Schedule *s, int64_t n) {
  IrType type = ir_type(IR_BOOL, 2, (int64_t[]){n, n});
  int32_t *bytes = ARENA_ARRAY(s->arena, int32_t, n * n);
  for (int64_t i = 0; i < n; i++)
    for (int64_t j = 0; j < i; j++) bytes[i * n + j] = 1;
  uint32_t place = place_new(s, PLACE_DATA, &type, CLASS_CONSTANT);
  Buffer b = {.space = HGM_SPACE_DATA, .offset = schedule_constant(s, bytes, sizeof *bytes * (size_t)(n * n), 64), .row_bytes = sizeof *bytes};
  VEC_PUSH(s->arena, &s->buffers, b);
  s->places.at[place].buffer = (uint32_t)s->buffers.len;
  return place;
}

// The place of each number in the order is the count of those before it; then numbers go to their places.
static void sort_steps(Schedule *s, IrRef r, uint32_t place) {
  const IrValue *v = ir_at(s->fn, r);
  IrType all = *ir_type_of(s->fn, v->operands[0]);
  int64_t n = all.axes[v->attr.axis];
  all.dtype = IR_I32;
  uint32_t ranks = place_new(s, PLACE_COMPUTED, &all, s->places.at[place].class), earlier = earlier_place(s, n);
  Step t = step_new(s, STEP_RANK, r, ranks);
  t.dtype = IR_I32;
  loops_of_place(s, &t);
  int axis_of[NEST_LOOPS], other_of[NEST_LOOPS], sorted = 0;
  same_axes(&all, axis_of);
  for (int l = 0; l < t.loops; l++) {
    other_of[l] = axis_of[l] == v->attr.axis ? -1 : axis_of[l];
    if (other_of[l] < 0) sorted = l;
  }
  axis_of[t.loops] = -1;
  other_of[t.loops] = v->attr.axis;
  add_loop(&t, n);
  add_operand(s, &t, v->operands[0], axis_of);
  add_operand(s, &t, v->operands[0], other_of);
  Access mask = {.place = earlier};
  mask.stride[sorted] = n, mask.stride[t.loops - 1] = 1;
  t.operand[t.n_operands++] = mask;
  push(s, t);
  Step to = step_new(s, STEP_SCATTER, IR_NONE, place); // of the numbers 0, 1, ... n - 1 by rank
  loops_of_place(s, &to);
  to.dynamic_loop = sorted;
  to.dynamic_extent = INT32_MAX; // ranks beyond k go nowhere
  add_loop(&to, n);
  IrType line = ir_type(IR_I32, 1, &n);
  uint32_t iota = place_new(s, PLACE_IOTA, &line, CLASS_CONSTANT);
  s->places.at[iota].modulo = n;
  Access index = {.place = iota}, rank = {.place = ranks, .event = {0, 1}};
  index.stride[to.loops - 1] = 1;
  for (int l = 0; l < to.kept; l++) rank.stride[l] = l == sorted ? 0 : s->places.at[ranks].stride[l];
  rank.stride[to.loops - 1] = s->places.at[ranks].stride[sorted];
  to.operand[to.n_operands++] = index;
  to.operand[to.n_operands++] = rank;
  push(s, to);
}

static void scan_step(Schedule *s, IrRef r, uint32_t place) {
  const IrValue *v = ir_at(s->fn, r);
  Step t = step_new(s, STEP_SCAN, r, place);
  int axis_of[NEST_LOOPS], last = -1;
  Place *p = &s->places.at[place];
  if (v->type.axes[v->attr.axis] < 0) ir_fail("codegen: running sum over events");
  for (int pass = 0; pass < 2; pass++) {
    int axis = 0;
    for (int i = 0; i < v->type.rank; i++) {
      if (v->type.axes[i] < 0) continue;
      if ((i == v->attr.axis) == (pass == 1)) {
        axis_of[t.loops] = i;
        t.store_stride[t.loops] = p->stride[axis];
        add_loop(&t, v->type.axes[i]);
        last = axis;
      }
      axis++;
    }
  }
  t.kept = t.loops;
  p->regular = last == p->rank - 1;
  add_operand(s, &t, v->operands[0], axis_of);
  push(s, t);
}

// Loops next to each other that all arrays walk like one become one. The kept ones only where no other step's loops must fit.
static void merge_loops(Step *t) {
  for (int l = t->loops - 2; l >= 0; l--) {
    bool reduced = l >= t->kept, one = reduced || (l + 1 < t->kept && (t->adds || t->over_events));
    if (!reduced && t->store_stride[l] != t->store_stride[l + 1] * t->extent[l + 1]) one = false;
    for (int k = 0; k < t->n_operands; k++)
      if (t->operand[k].stride[l] != t->operand[k].stride[l + 1] * t->extent[l + 1]) one = false;
    if (!one) continue;
    t->extent[l + 1] *= t->extent[l];
    for (int i = l; i + 1 < t->loops; i++) {
      t->extent[i] = t->extent[i + 1];
      t->store_stride[i] = t->store_stride[i + 1];
      for (int k = 0; k < t->n_operands; k++) t->operand[k].stride[i] = t->operand[k].stride[i + 1];
    }
    t->loops--;
    if (!reduced) t->kept--;
    t->store_stride[t->loops] = 0;
  }
}

// A fold's result before anything is added.
static void zero_place(Schedule *s, uint32_t place) {
  Step t = step_new(s, STEP_ZERO, IR_NONE, place);
  loops_of_place(s, &t);
  s->places.at[place].regular = false;
  push(s, t);
}

// Loops over the axes of a value that is added to a fold's rows.
static void loops_of_fold(const Schedule *s, Step *t, IrRef r, const View *to) {
  const IrType *type = ir_type_of(s->fn, r);
  for (int i = 0; i < type->rank; i++) {
    if (type->axes[i] < 0) continue;
    t->store_stride[t->loops] = to->stride[i];
    add_loop(t, type->axes[i]);
  }
  t->kept = t->loops;
  t->store_base = to->base;
  t->adds = true;
}

static void fold_step(Schedule *s, IrRef r, uint32_t place) {
  const Fold *fold = &s->folds[r];
  if (fold->inside) return;
  zero_place(s, place);
  Step t = step_new(s, STEP_COPY, IR_NONE, place);
  loops_of_fold(s, &t, fold->source, &fold->to);
  int axis_of[NEST_LOOPS];
  same_axes(ir_type_of(s->fn, fold->source), axis_of);
  add_operand(s, &t, fold->source, axis_of);
  push(s, t);
}

static void einsum_step(Schedule *s, IrRef r, uint32_t place) {
  const IrValue *v = ir_at(s->fn, r);
  IrEinsum spec;
  if (!ir_einsum_parse(v->attr.name, &spec)) ir_fail("codegen: einsum %s", v->attr.name);
  const View *to = s->folds[r].to.place != UINT32_MAX ? &s->folds[r].to : NULL;
  if (to) zero_place(s, to->place);
  Step t = step_new(s, STEP_DOT, r, to ? to->place : place);
  if (to) loops_of_fold(s, &t, r, to);
  else loops_of_place(s, &t);
  char letters[NEST_LOOPS], events[4] = {0}; // of the loops; of the event variables
  int l = 0, n = 0;
  for (int i = 0; i < v->type.rank; i++) {
    if (v->type.axes[i] >= 0) letters[l++] = spec.letters[2][i];
    else events[n++] = spec.letters[2][i];
  }
  for (int k = 0; k < 2; k++) {
    const IrType *from = ir_type_of(s->fn, v->operands[k]);
    for (int i = 0; i < from->rank; i++) {
      char letter = spec.letters[k][i];
      if (ir_einsum_axis(&spec, 2, letter) >= 0 || (k == 1 && ir_einsum_axis(&spec, 0, letter) >= 0)) continue;
      if (from->axes[i] < 0) {
        t.over_events |= n == 0;
        t.over_pairs |= n == 1;
        events[n++] = letter;
      } else {
        letters[t.loops] = letter;
        add_loop(&t, from->axes[i]);
      }
    }
  }
  for (int k = 0; k < 2; k++) {
    int axis_of[NEST_LOOPS];
    uint8_t variable[2] = {0, 1};
    for (int i = 0; i < t.loops; i++) axis_of[i] = ir_einsum_axis(&spec, k, letters[i]);
    for (int i = 0; i < ir_event_axes(ir_type_of(s->fn, v->operands[k])); i++) variable[i] = spec.letters[k][i] == events[1];
    add_events_operand(s, &t, v->operands[k], axis_of, variable);
  }
  merge_loops(&t);
  if (s->options.tile == 1) single_product(s, &t);
  push(s, t);
}

// Turns a place of computed constants into one in memory: for those who read it at places that only the data know.
static void put_into_memory(Schedule *s, uint32_t place) {
  Place *p = &s->places.at[place];
  if (p->kind != PLACE_IOTA && p->kind != PLACE_NUMBER) return;
  size_t size = dtype_bytes(p->dtype);
  uint8_t *bytes = arena_alloc(s->arena, size * (size_t)p->rows + 1);
  for (int64_t i = 0; i < p->rows; i++) {
    double x = p->kind == PLACE_NUMBER ? p->number : (double)(i / p->divide % p->modulo);
    if (p->dtype == IR_F32) ((float *)bytes)[i] = (float)x;
    else if (p->dtype == IR_F64) ((double *)bytes)[i] = x;
    else ((int32_t *)bytes)[i] = p->dtype == IR_BOOL ? x != 0 : (int32_t)x;
  }
  Buffer b = {.space = HGM_SPACE_DATA, .offset = schedule_constant(s, bytes, size * (size_t)p->rows, 64), .row_bytes = (int64_t)size};
  VEC_PUSH(s->arena, &s->buffers, b);
  p->kind = PLACE_DATA;
  p->buffer = (uint32_t)s->buffers.len;
}

// y[B, M, S, R] = x[B, M, index[B, S], R]
static void gather_step(Schedule *s, IrRef r, uint32_t place) {
  const IrValue *v = ir_at(s->fn, r);
  const IrType *x = ir_type_of(s->fn, v->operands[0]), *index = ir_type_of(s->fn, v->operands[1]);
  int batch = v->attr.batch, axis = v->attr.axis, own = index->rank - batch;
  if (x->axes[axis] < 0) ir_fail("codegen: gather over events is not built yet");
  put_into_memory(s, s->views[v->operands[0]].place);
  Step t = step_new(s, STEP_GATHER, r, place);
  loops_of_place(s, &t);
  int x_axis[NEST_LOOPS], index_axis[NEST_LOOPS], l = 0;
  for (int i = 0; i < v->type.rank; i++) {
    if (v->type.axes[i] < 0) continue;
    bool from_index = i >= axis && i < axis + own;
    x_axis[l] = i < axis ? i : from_index ? -1 : i - own + 1;
    index_axis[l++] = i < batch ? i : from_index ? batch + i - axis : -1;
  }
  uint8_t variable[2];
  for (int i = 0; i < 2; i++) variable[i] = (uint8_t)(i < batch ? i : axis + i - batch);
  add_operand(s, &t, v->operands[0], x_axis);
  add_events_operand(s, &t, v->operands[1], index_axis, variable);
  t.dynamic_stride = s->views[v->operands[0]].stride[axis];
  t.dynamic_extent = x->axes[axis];
  push(s, t);
}

// y[B, M, j, R] = sum over S of (index[B, S] == j ? g[B, M, S, R] : 0)
static void scatter_step(Schedule *s, IrRef r, uint32_t place) {
  const IrValue *v = ir_at(s->fn, r);
  const IrType *index = ir_type_of(s->fn, v->operands[1]);
  int batch = v->attr.batch, axis = v->attr.axis, own = index->rank - batch;
  Step t = step_new(s, STEP_SCATTER, r, place);
  loops_of_place(s, &t);
  int g_axis[NEST_LOOPS], index_axis[NEST_LOOPS], l = 0;
  for (int i = 0; i < v->type.rank; i++) {
    if (v->type.axes[i] < 0) continue;
    if (i == axis) t.dynamic_loop = l;
    g_axis[l] = i < axis ? i : i == axis ? -1 : i - 1 + own;
    index_axis[l++] = i < batch ? i : -1;
  }
  uint8_t variable[IR_MAX_RANK + 2] = {0, 1}, index_variable[2] = {0, 1};
  reduce_events(&t, ir_type_of(s->fn, v->operands[0]), ((1u << own) - 1) << axis, variable);
  for (int i = 0; i < index->rank && i < 2; i++) index_variable[i] = variable[i < batch ? i : axis + i - batch];
  for (int i = 0; i < own; i++) {
    if (index->axes[batch + i] < 0) continue;
    g_axis[t.loops] = axis + i;
    index_axis[t.loops] = batch + i;
    add_loop(&t, index->axes[batch + i]);
  }
  t.dynamic_extent = v->type.axes[axis];
  add_events_operand(s, &t, v->operands[0], g_axis, variable);
  add_events_operand(s, &t, v->operands[1], index_axis, index_variable);
  push(s, t);
}

static bool is_constant(const Schedule *s, IrRef r) {
  PlaceKind kind = s->places.at[s->views[r].place].kind;
  return kind == PLACE_NUMBER || kind == PLACE_IOTA || kind == PLACE_DATA;
}

// Computed parts first: constant ones then find the kernel of their neighbours.
static void concat_steps(Schedule *s, IrRef r, uint32_t place) {
  const IrValue *v = ir_at(s->fn, r);
  View all = s->views[r];
  for (int pass = 0; pass < 2; pass++) {
    int64_t from = 0;
    for (uint32_t k = 0; k < v->n_operands; k++) {
      const IrType *part = ir_type_of(s->fn, v->operands[k]);
      int64_t at = from;
      from += part->axes[v->attr.axis];
      if (is_constant(s, v->operands[k]) != (pass == 1)) continue;
      Step t = step_new(s, STEP_COPY, IR_NONE, place);
      int axis_of[NEST_LOOPS];
      same_axes(part, axis_of);
      for (int i = 0; i < part->rank; i++) {
        if (part->axes[i] < 0) continue;
        t.store_stride[t.loops] = all.stride[i];
        add_loop(&t, part->axes[i]);
      }
      t.kept = t.loops;
      t.store_base = at * all.stride[v->attr.axis];
      add_operand(s, &t, v->operands[k], axis_of);
      push(s, t);
    }
  }
}

// Zeros over `extent` elements along axis, `inner` of them in each of `extent` blocks of `pitch`, from `from`.
static void zero_step(Schedule *s, uint32_t place, const IrValue *v, const View *all, int64_t from, int64_t extent, int64_t pitch, int64_t inner) {
  Step t = step_new(s, STEP_ZERO, IR_NONE, place);
  int axis = v->attr.axis;
  for (int i = 0; i < v->type.rank; i++) {
    if (v->type.axes[i] < 0) continue;
    t.store_stride[t.loops] = all->stride[i] * (i == axis ? pitch : 1);
    add_loop(&t, i == axis ? extent : v->type.axes[i]);
    if (i != axis || inner == 1) continue;
    t.store_stride[t.loops] = all->stride[i];
    add_loop(&t, inner);
  }
  t.kept = t.loops;
  t.store_base = from * all->stride[axis];
  push(s, t);
}

static void pad_steps(Schedule *s, IrRef r, uint32_t place) {
  const IrValue *v = ir_at(s->fn, r);
  const IrType *part = ir_type_of(s->fn, v->operands[0]);
  View all = s->views[r];
  int axis = v->attr.axis;
  int64_t extent = part->axes[axis], dilation = v->attr.step, before = v->attr.from, after = v->attr.to;
  int64_t covered = extent ? (extent - 1) * dilation + 1 : 0;
  Step t = step_new(s, STEP_COPY, IR_NONE, place);
  int axis_of[NEST_LOOPS];
  same_axes(part, axis_of);
  for (int i = 0; i < part->rank; i++) {
    if (part->axes[i] < 0) continue;
    t.store_stride[t.loops] = all.stride[i] * (i == axis ? dilation : 1);
    add_loop(&t, part->axes[i]);
  }
  t.kept = t.loops;
  t.store_base = before * all.stride[axis];
  add_operand(s, &t, v->operands[0], axis_of);
  push(s, t);
  if (before) zero_step(s, place, v, &all, 0, before, 1, 1);
  if (dilation > 1 && extent > 1) zero_step(s, place, v, &all, before + 1, extent - 1, dilation, dilation - 1);
  if (after) zero_step(s, place, v, &all, before + covered, after, 1, 1);
}

// The old axes, in the order of the old elements: the new place has the same rows.
static void reshape_step(Schedule *s, IrRef r, uint32_t place) {
  const IrValue *v = ir_at(s->fn, r);
  const IrType *from = ir_type_of(s->fn, v->operands[0]);
  Step t = step_new(s, STEP_COPY, IR_NONE, place);
  int axis_of[NEST_LOOPS];
  same_axes(from, axis_of);
  for (int i = 0; i < from->rank; i++)
    if (from->axes[i] >= 0) add_loop(&t, from->axes[i]);
  int64_t stride = 1;
  for (int l = t.loops - 1; l >= 0; l--) {
    t.store_stride[l] = stride;
    stride *= t.extent[l];
  }
  t.kept = t.loops;
  s->places.at[place].regular = false;
  add_operand(s, &t, v->operands[0], axis_of);
  push(s, t);
}

// What an EVENTS phase summed up becomes a value by a ONCE step.
static void partial_step(Schedule *s, uint32_t place) {
  Step t = step_new(s, STEP_PARTIAL, IR_NONE, place);
  loops_of_place(s, &t);
  Access a = {.place = place};
  memcpy(a.stride, t.store_stride, sizeof a.stride);
  t.operand[t.n_operands++] = a;
  t.value = IR_NONE;
  push(s, t);
}

static void split_event_sum(Schedule *s, size_t first, uint32_t place) {
  if (s->steps.len == first) return;
  Step *t = &s->steps.at[s->steps.len - 1];
  if (!t->over_events || t->kind == STEP_ZERO) {
    t->over_events = false;
    return;
  }
  s->places.at[place].partial = true;
  t->class = s->places.at[place].class - 1;
  partial_step(s, place);
  if (t->kind == STEP_MAX) s->steps.at[s->steps.len - 1].value = s->steps.at[s->steps.len - 2].value; // combines by max
}

static void value_steps(Schedule *s, IrRef r, uint32_t place) {
  const IrValue *v = ir_at(s->fn, r);
  const IrOpInfo *info = &ir_op_info[v->op];
  size_t first = s->steps.len;
  switch (info->lowering) {
  case IRL_LEAF: point_step(s, r, place, STEP_DRAW); return;
  case IRL_POINT: point_step(s, r, place, STEP_POINT); return;
  case IRL_VIEW:
    if (v->op == IR_CONCAT) concat_steps(s, r, place);
    else if (v->op == IR_PAD) pad_steps(s, r, place);
    else reshape_step(s, r, place);
    return;
  case IRL_GATHER: gather_step(s, r, place); return;
  case IRL_FOLD: fold_step(s, r, place); return;
  case IRL_SCATTER: scatter_step(s, r, place); break;
  case IRL_REDUCE:
    if (v->op == IR_SUM) reduce_step(s, r, place, STEP_SUM, v->attr.axes);
    else if (v->op == IR_AMAX) reduce_step(s, r, place, STEP_MAX, v->attr.axes);
    else reduce_step(s, r, place, STEP_ARGMAX, 1u << v->attr.axis);
    break;
  case IRL_SORT: sort_steps(s, r, place); return;
  case IRL_SCAN: scan_step(s, r, place); return;
  case IRL_CONTRACT: einsum_step(s, r, place); break;
  case IRL_ONCE:
    put_into_memory(s, s->views[v->operands[0]].place);
    point_step(s, r, place, STEP_INVERSE);
    return;
  }
  split_event_sum(s, first, place);
}

static void output_step(Schedule *s, const IrOutput *output) {
  const IrValue *v = ir_at(s->fn, output->value);
  const Place *from = &s->places.at[s->views[output->value].place];
  int least = ir_has_events(&v->type) ? CLASS_EVENTS : CLASS_ONCE, class = from->class > least ? from->class : least;
  if (ir_event_axes(&v->type) == 2) ir_fail("codegen: output \"%s\" has a number for each pair of events", output->name);
  if (ir_has_events(&v->type) && !class_has_events(class)) class ++;
  uint32_t place = place_new(s, PLACE_OUTPUT, &v->type, class);
  Place *p = &s->places.at[place];
  HgmPort port = {.name = arena_strdup(s->arena, output->name),
                  .dtype = (HgmDtype)v->type.dtype,
                  .per_event = p->events,
                  .elements = p->rows,
                  .space = HGM_SPACE_TILE,
                  .phase = (uint32_t) class};
  p->port = (uint32_t)s->outputs.len;
  p->memory = true;
  VEC_PUSH(s->arena, &s->outputs, port);
  if (class >= s->classes) s->classes = class + 1;
  Step t = step_new(s, STEP_COPY, IR_NONE, place);
  loops_of_place(s, &t);
  int axis_of[NEST_LOOPS];
  same_axes(&v->type, axis_of);
  add_operand(s, &t, output->value, axis_of);
  push(s, t);
}

void schedule_steps(Schedule *s) {
  for (size_t i = 0; i < s->fn->values.len; i++) {
    uint32_t place = s->views[i].place;
    if (place == UINT32_MAX || s->places.at[place].kind != PLACE_COMPUTED) continue;
    const IrValue *v = &s->fn->values.at[i];
    bool view = v->op == IR_TRANSPOSE || v->op == IR_BROADCAST || v->op == IR_SLICE || v->op == IR_WINDOWS || v->op == IR_STOP;
    if (view || s->folds[i].inside || (v->op == IR_CAST && ir_type_of(s->fn, v->operands[0])->dtype == v->type.dtype)) continue;
    if (v->op == IR_RESHAPE && place == s->views[v->operands[0]].place) continue;
    value_steps(s, (IrRef)i, place);
  }
  for (size_t i = 0; i < s->fn->outputs.len; i++) output_step(s, &s->fn->outputs.at[i]);
}

// ---- questions

bool step_reduces(const Step *t) {
  switch (t->kind) {
  case STEP_SUM:
  case STEP_MAX:
  case STEP_RANK:
  case STEP_ARGMAX:
  case STEP_DOT: return true;
  case STEP_SCATTER: return t->loops > t->kept || t->over_events || t->over_pairs;
  case STEP_POINT:
  case STEP_COPY:
  case STEP_ZERO:
  case STEP_SCAN:
  case STEP_GATHER:
  case STEP_DRAW:
  case STEP_PARTIAL:
  case STEP_INVERSE:
  case STEP_NONE: return false;
  }
  return false;
}

bool access_identical(const Schedule *s, const Step *step, const Access *access) {
  const Place *p = &s->places.at[access->place];
  if (access->base != 0 || step->loops != p->rank) return false;
  for (int l = 0; l < p->rank; l++)
    if (step->extent[l] != p->axes[l] || (access->stride[l] != p->stride[l] && p->axes[l] != 1)) return false;
  return true;
}

int access_prefix(const Schedule *s, const Step *step, const Access *access) {
  const Place *p = &s->places.at[access->place];
  int most = 0;
  while (most < p->rank && most < step->kept && step->extent[most] == p->axes[most] && (access->stride[most] == p->stride[most] || p->axes[most] == 1)) most++;
  for (; most > 0; most--) {
    int64_t low = access->base, high = access->base;
    for (int l = most; l < step->loops; l++) {
      int64_t reach = (step->extent[l] - 1) * access->stride[l];
      if (reach < 0) low += reach;
      else high += reach;
    }
    if (step->kind == STEP_GATHER && access == &step->operand[0]) {
      int64_t reach = (step->dynamic_extent - 1) * step->dynamic_stride;
      if (reach < 0) low += reach;
      else high += reach;
    }
    if (low >= 0 && high < p->stride[most - 1]) return most;
  }
  return 0;
}
