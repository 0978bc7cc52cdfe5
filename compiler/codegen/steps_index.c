// Steps of values that are found at places which only the data know: gather, scatter, sort.
#include "compiler/codegen/steps.h"

// Turns a place of computed constants into one in memory: for those who read it at places that only the data know.
void step_put_into_memory(Schedule *s, uint32_t place) {
  Place *p = &s->places.at[place];
  if (p->kind != PLACE_IOTA && p->kind != PLACE_NUMBER) return;
  double *numbers = ARENA_ARRAY(s->arena, double, p->rows + 1);
  for (int64_t i = 0; i < p->rows; i++) numbers[i] = p->kind == PLACE_NUMBER ? p->number : (double)(i / p->divide % p->modulo);
  p->kind = PLACE_DATA;
  p->buffer = schedule_data(s, schedule_numbers(s, p->dtype, numbers, p->rows), (int64_t)dtype_bytes(p->dtype));
}

// y[B, M, S, R] = x[B, M, index[B, S], R]
void steps_of_gather(Schedule *s, IrRef r, uint32_t place) {
  const IrValue *v = ir_at(s->fn, r);
  const IrType *x = ir_type_of(s->fn, v->operands[0]), *index = ir_type_of(s->fn, v->operands[1]);
  int batch = v->attr.batch, axis = v->attr.axis, own = index->rank - batch;
  if (x->axes[axis] < 0) ir_fail("codegen: a gather over events");
  step_put_into_memory(s, s->views[v->operands[0]].place);
  Step t = step_new(s, STEP_GATHER, r, place);
  step_loops_of_place(s, &t);
  int x_axis[NEST_LOOPS], index_axis[NEST_LOOPS], l = 0;
  for (int i = 0; i < v->type.rank; i++) {
    if (v->type.axes[i] < 0) continue;
    bool from_index = i >= axis && i < axis + own;
    x_axis[l] = i < axis ? i : from_index ? -1 : i - own + 1;
    index_axis[l++] = i < batch ? i : from_index ? batch + i - axis : -1;
  }
  uint8_t variable[2];
  for (int i = 0; i < 2; i++) variable[i] = (uint8_t)(i < batch ? i : axis + i - batch);
  step_operand(s, &t, v->operands[0], x_axis);
  step_events_operand(s, &t, v->operands[1], index_axis, variable);
  t.dynamic_stride = s->views[v->operands[0]].stride[axis];
  t.dynamic_extent = x->axes[axis];
  step_push(s, t);
}

// y[B, M, j, R] = sum over S of (index[B, S] == j ? g[B, M, S, R] : 0)
void steps_of_scatter(Schedule *s, IrRef r, uint32_t place) {
  const IrValue *v = ir_at(s->fn, r);
  const IrType *index = ir_type_of(s->fn, v->operands[1]);
  int batch = v->attr.batch, axis = v->attr.axis, own = index->rank - batch;
  Step t = step_new(s, STEP_SCATTER, r, place);
  step_loops_of_place(s, &t);
  int g_axis[NEST_LOOPS], index_axis[NEST_LOOPS], l = 0;
  for (int i = 0; i < v->type.rank; i++) {
    if (v->type.axes[i] < 0) continue;
    if (i == axis) t.dynamic_loop = l;
    g_axis[l] = i < axis ? i : i == axis ? -1 : i - 1 + own;
    index_axis[l++] = i < batch ? i : -1;
  }
  uint8_t variable[IR_MAX_RANK + 2] = {0, 1}, index_variable[2] = {0, 1};
  step_reduce_events(&t, ir_type_of(s->fn, v->operands[0]), ((1u << own) - 1) << axis, variable);
  for (int i = 0; i < index->rank && i < 2; i++) index_variable[i] = variable[i < batch ? i : axis + i - batch];
  for (int i = 0; i < own; i++) {
    if (index->axes[batch + i] < 0) continue;
    g_axis[t.loops] = axis + i;
    index_axis[t.loops] = batch + i;
    step_loop(&t, index->axes[batch + i]);
  }
  t.dynamic_extent = v->type.axes[axis];
  step_events_operand(s, &t, v->operands[0], g_axis, variable);
  step_events_operand(s, &t, v->operands[1], index_axis, index_variable);
  step_push(s, t);
}

// Which of n numbers stand before which: [i][j] = j < i.
static uint32_t earlier_place(Schedule *s, int64_t n) {
  IrType type = ir_type(IR_BOOL, 2, (int64_t[]){n, n});
  int32_t *bytes = ARENA_ARRAY(s->arena, int32_t, n * n);
  for (int64_t i = 0; i < n; i++)
    for (int64_t j = 0; j < i; j++) bytes[i * n + j] = 1;
  uint32_t place = place_new(s, PLACE_DATA, &type, CLASS_CONSTANT);
  s->places.at[place].buffer = schedule_data(s, schedule_constant(s, bytes, sizeof *bytes * (size_t)(n * n), 64), sizeof *bytes);
  return place;
}

// How many stand before each number. Returns where, and which of its loops is along the order.
static uint32_t rank_step(Schedule *s, IrRef r, int class, int *sorted) {
  const IrValue *v = ir_at(s->fn, r);
  IrType all = *ir_type_of(s->fn, v->operands[0]);
  int64_t n = all.axes[v->attr.axis];
  all.dtype = IR_I32;
  uint32_t ranks = place_new(s, PLACE_COMPUTED, &all, class), earlier = earlier_place(s, n);
  Step t = step_new(s, STEP_RANK, r, ranks);
  t.dtype = IR_I32;
  step_loops_of_place(s, &t);
  int axis_of[NEST_LOOPS], other_of[NEST_LOOPS];
  step_same_axes(&all, axis_of);
  for (int l = 0; l < t.loops; l++) {
    other_of[l] = axis_of[l] == v->attr.axis ? -1 : axis_of[l];
    if (other_of[l] < 0) *sorted = l;
  }
  axis_of[t.loops] = -1;
  other_of[t.loops] = v->attr.axis;
  step_loop(&t, n);
  step_operand(s, &t, v->operands[0], axis_of);
  step_operand(s, &t, v->operands[0], other_of);
  Access mask = {.place = earlier};
  mask.stride[*sorted] = n, mask.stride[t.loops - 1] = 1;
  t.operand[t.n_operands++] = mask;
  step_push(s, t);
  return ranks;
}

// The place of each number in the order is the count of those before it; then numbers go to their places.
void steps_of_sort(Schedule *s, IrRef r, uint32_t place) {
  const IrValue *v = ir_at(s->fn, r);
  int sorted = 0;
  int64_t n = ir_type_of(s->fn, v->operands[0])->axes[v->attr.axis];
  uint32_t ranks = rank_step(s, r, s->places.at[place].class, &sorted);
  Step to = step_new(s, STEP_SCATTER, IR_NONE, place); // of the numbers 0, 1, ... n - 1 by rank
  step_loops_of_place(s, &to);
  to.dynamic_loop = sorted;
  to.dynamic_extent = INT32_MAX; // ranks beyond k go nowhere
  step_loop(&to, n);
  IrType line = ir_type(IR_I32, 1, &n);
  uint32_t iota = place_new(s, PLACE_IOTA, &line, CLASS_CONSTANT);
  s->places.at[iota].modulo = n;
  Access index = {.place = iota}, rank = {.place = ranks, .event = {0, 1}};
  index.stride[to.loops - 1] = 1;
  for (int l = 0; l < to.kept; l++) rank.stride[l] = l == sorted ? 0 : s->places.at[ranks].stride[l];
  rank.stride[to.loops - 1] = s->places.at[ranks].stride[sorted];
  to.operand[to.n_operands++] = index;
  to.operand[to.n_operands++] = rank;
  step_push(s, to);
}
