// Steps of values that are put together from others: concat, pad, reshape, and folds, which add up what lies on one another.
#include "compiler/codegen/steps.h"

// A fold's result before anything is added.
void step_zero_place(Schedule *s, uint32_t place) {
  Step t = step_new(s, STEP_ZERO, IR_NONE, place);
  step_loops_of_place(s, &t);
  s->places.at[place].regular = false;
  step_push(s, t);
}

// Loops over the axes of a value that is added to a fold's rows.
void step_loops_of_fold(const Schedule *s, Step *t, IrRef r, const View *to) {
  const IrType *type = ir_type_of(s->fn, r);
  for (int i = 0; i < type->rank; i++) {
    if (type->axes[i] < 0) continue;
    t->store_stride[t->loops] = to->stride[i];
    step_loop(t, type->axes[i]);
  }
  t->kept = t->loops;
  t->store_base = to->base;
  t->adds = true;
}

void steps_of_fold(Schedule *s, IrRef r, uint32_t place) {
  const Fold *fold = &s->folds[r];
  if (fold->inside) return;
  step_zero_place(s, place);
  Step t = step_new(s, STEP_COPY, IR_NONE, place);
  step_loops_of_fold(s, &t, fold->source, &fold->to);
  int axis_of[NEST_LOOPS];
  step_same_axes(ir_type_of(s->fn, fold->source), axis_of);
  step_operand(s, &t, fold->source, axis_of);
  step_push(s, t);
}

// ---- what only another of these reads is made where that puts it

static bool is_put_together(const Schedule *s, IrRef r) {
  const IrValue *v = ir_at(s->fn, r);
  uint32_t place = s->views[r].place;
  if (place == UINT32_MAX || s->folds[r].inside || s->places.at[place].pairs) return false;
  return v->op == IR_PAD || v->op == IR_CONCAT || (v->op == IR_RESHAPE && place != s->views[v->operands[0]].place);
}

// Where r, which lies at `all`, has its operand k. False where a reshape's operand does not lie evenly there.
static bool part_of(const Schedule *s, IrRef r, const View *all, uint32_t k, View *part) {
  const IrValue *v = ir_at(s->fn, r);
  int axis = v->attr.axis;
  if (v->op == IR_RESHAPE) return reshape_view(&v->type, all, ir_type_of(s->fn, v->operands[0]), part);
  int64_t from = v->op == IR_PAD ? v->attr.from : 0;
  for (uint32_t i = 0; i < k; i++) from += ir_type_of(s->fn, v->operands[i])->axes[axis];
  *part = *all;
  part->base += from * all->stride[axis];
  if (v->op == IR_PAD) part->stride[axis] *= v->attr.step;
  return true;
}

static void move_into(Schedule *s, IrRef r, uint32_t k) {
  IrRef part = ir_at(s->fn, r)->operands[k];
  Place *alone = &s->places.at[s->views[part].place];
  View there, inner;
  if (alone->class != s->places.at[s->views[r].place].class || !part_of(s, r, &s->views[r], k, &there) || !part_of(s, part, &there, 0, &inner)) return;
  alone->kind = PLACE_DEAD;
  s->views[part] = there;
}

void schedule_parts(Schedule *s) {
  const uint32_t *readers = schedule_readers(s);
  for (size_t i = s->fn->values.len; i-- > 0;) {
    const IrValue *v = ir_at(s->fn, (IrRef)i);
    for (uint32_t k = 0; k < v->n_operands && is_put_together(s, (IrRef)i); k++)
      if (readers[v->operands[k]] == 1 && is_put_together(s, v->operands[k])) move_into(s, (IrRef)i, k);
  }
}

// Nothing where the operand is there already.
static void copy_part(Schedule *s, IrRef r, uint32_t k, uint32_t place) {
  IrRef part = ir_at(s->fn, r)->operands[k];
  const IrType *type = ir_type_of(s->fn, part);
  if (s->views[part].place == place) return;
  View to;
  if (!part_of(s, r, &s->views[r], k, &to)) ir_fail("codegen: a reshape where it does not fit");
  Step t = step_new(s, STEP_COPY, IR_NONE, place);
  int axis_of[NEST_LOOPS];
  step_same_axes(type, axis_of);
  for (int i = 0; i < type->rank; i++) {
    if (type->axes[i] < 0) continue;
    t.store_stride[t.loops] = to.stride[i];
    step_loop(&t, type->axes[i]);
  }
  t.kept = t.loops;
  t.store_base = to.base;
  step_operand(s, &t, part, axis_of);
  step_push(s, t);
}

static bool is_constant(const Schedule *s, IrRef r) {
  PlaceKind kind = s->places.at[s->views[r].place].kind;
  return kind == PLACE_NUMBER || kind == PLACE_IOTA || kind == PLACE_DATA;
}

// Computed parts first: constant ones then find the kernel of their neighbours.
void steps_of_concat(Schedule *s, IrRef r, uint32_t place) {
  const IrValue *v = ir_at(s->fn, r);
  for (int constant = 0; constant < 2; constant++)
    for (uint32_t k = 0; k < v->n_operands; k++)
      if (is_constant(s, v->operands[k]) == constant) copy_part(s, r, k, place);
}

// Zeros over `extent` elements along axis, `inner` of them in each of `extent` blocks of `pitch`, from `from`.
static void zero_step(Schedule *s, uint32_t place, const IrValue *v, const View *all, int64_t from, int64_t extent, int64_t pitch, int64_t inner) {
  Step t = step_new(s, STEP_ZERO, IR_NONE, place);
  int axis = v->attr.axis;
  for (int i = 0; i < v->type.rank; i++) {
    if (v->type.axes[i] < 0) continue;
    t.store_stride[t.loops] = all->stride[i] * (i == axis ? pitch : 1);
    step_loop(&t, i == axis ? extent : v->type.axes[i]);
    if (i != axis || inner == 1) continue;
    t.store_stride[t.loops] = all->stride[i];
    step_loop(&t, inner);
  }
  t.kept = t.loops;
  t.store_base = all->base + from * all->stride[axis];
  step_push(s, t);
}

void steps_of_pad(Schedule *s, IrRef r, uint32_t place) {
  const IrValue *v = ir_at(s->fn, r);
  View all = s->views[r];
  int64_t extent = ir_type_of(s->fn, v->operands[0])->axes[v->attr.axis], dilation = v->attr.step, before = v->attr.from, after = v->attr.to;
  int64_t covered = extent ? (extent - 1) * dilation + 1 : 0;
  copy_part(s, r, 0, place);
  if (before) zero_step(s, place, v, &all, 0, before, 1, 1);
  if (dilation > 1 && extent > 1) zero_step(s, place, v, &all, before + 1, extent - 1, dilation, dilation - 1);
  if (after) zero_step(s, place, v, &all, before + covered, after, 1, 1);
}

// The old axes, in the order of the old elements: the new place has the same rows.
void steps_of_reshape(Schedule *s, IrRef r, uint32_t place) {
  s->places.at[place].regular = false;
  copy_part(s, r, 0, place);
}
