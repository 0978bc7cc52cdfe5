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

static bool is_constant(const Schedule *s, IrRef r) {
  PlaceKind kind = s->places.at[s->views[r].place].kind;
  return kind == PLACE_NUMBER || kind == PLACE_IOTA || kind == PLACE_DATA;
}

// Computed parts first: constant ones then find the kernel of their neighbours.
void steps_of_concat(Schedule *s, IrRef r, uint32_t place) {
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
      step_same_axes(part, axis_of);
      for (int i = 0; i < part->rank; i++) {
        if (part->axes[i] < 0) continue;
        t.store_stride[t.loops] = all.stride[i];
        step_loop(&t, part->axes[i]);
      }
      t.kept = t.loops;
      t.store_base = at * all.stride[v->attr.axis];
      step_operand(s, &t, v->operands[k], axis_of);
      step_push(s, t);
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
    step_loop(&t, i == axis ? extent : v->type.axes[i]);
    if (i != axis || inner == 1) continue;
    t.store_stride[t.loops] = all->stride[i];
    step_loop(&t, inner);
  }
  t.kept = t.loops;
  t.store_base = from * all->stride[axis];
  step_push(s, t);
}

void steps_of_pad(Schedule *s, IrRef r, uint32_t place) {
  const IrValue *v = ir_at(s->fn, r);
  const IrType *part = ir_type_of(s->fn, v->operands[0]);
  View all = s->views[r];
  int axis = v->attr.axis;
  int64_t extent = part->axes[axis], dilation = v->attr.step, before = v->attr.from, after = v->attr.to;
  int64_t covered = extent ? (extent - 1) * dilation + 1 : 0;
  Step t = step_new(s, STEP_COPY, IR_NONE, place);
  int axis_of[NEST_LOOPS];
  step_same_axes(part, axis_of);
  for (int i = 0; i < part->rank; i++) {
    if (part->axes[i] < 0) continue;
    t.store_stride[t.loops] = all.stride[i] * (i == axis ? dilation : 1);
    step_loop(&t, part->axes[i]);
  }
  t.kept = t.loops;
  t.store_base = before * all.stride[axis];
  step_operand(s, &t, v->operands[0], axis_of);
  step_push(s, t);
  if (before) zero_step(s, place, v, &all, 0, before, 1, 1);
  if (dilation > 1 && extent > 1) zero_step(s, place, v, &all, before + 1, extent - 1, dilation, dilation - 1);
  if (after) zero_step(s, place, v, &all, before + covered, after, 1, 1);
}

// The old axes, in the order of the old elements: the new place has the same rows.
void steps_of_reshape(Schedule *s, IrRef r, uint32_t place) {
  const IrValue *v = ir_at(s->fn, r);
  const IrType *from = ir_type_of(s->fn, v->operands[0]);
  Step t = step_new(s, STEP_COPY, IR_NONE, place);
  int axis_of[NEST_LOOPS];
  step_same_axes(from, axis_of);
  for (int i = 0; i < from->rank; i++)
    if (from->axes[i] >= 0) step_loop(&t, from->axes[i]);
  int64_t stride = 1;
  for (int l = t.loops - 1; l >= 0; l--) {
    t.store_stride[l] = stride;
    stride *= t.extent[l];
  }
  t.kept = t.loops;
  s->places.at[place].regular = false;
  step_operand(s, &t, v->operands[0], axis_of);
  step_push(s, t);
}
