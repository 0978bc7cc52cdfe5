// One step for each value that needs code, a few for those that are put together (concat, pad): its loops, the strides
// with which it reads its operands, and where it stores.
#include "compiler/codegen/steps.h"

#include <string.h>

Step step_new(const Schedule *s, StepKind kind, IrRef value, uint32_t place) {
  const Place *p = &s->places.at[place];
  return (Step){.kind = kind, .value = value, .place = place, .class = p->class, .dtype = p->dtype, .group = UINT32_MAX};
}

void step_loop(Step *t, int64_t extent) {
  if (t->loops == NEST_LOOPS) ir_fail("codegen: more than %d loops", NEST_LOOPS);
  t->extent[t->loops++] = extent;
}

// Loops over the axes of the place, stored row-major.
void step_loops_of_place(const Schedule *s, Step *t) {
  const Place *p = &s->places.at[t->place];
  for (int i = 0; i < p->rank; i++) {
    t->store_stride[t->loops] = p->stride[i];
    step_loop(t, p->axes[i]);
  }
  t->kept = t->loops;
}

// Operand k of the step is value r; axis_of[l]: the axis of r that loop l walks, or -1; variable[i]: of event axis i of r.
void step_events_operand(const Schedule *s, Step *t, IrRef r, const int *axis_of, const uint8_t *variable) {
  const View *v = &s->views[r];
  Access a = {.place = v->place, .base = v->base, .event = {variable[v->event[0]], variable[v->event[1]]}};
  for (int l = 0; l < t->loops; l++) a.stride[l] = axis_of[l] >= 0 ? v->stride[axis_of[l]] : 0;
  t->operand[t->n_operands++] = a;
}

void step_operand(const Schedule *s, Step *t, IrRef r, const int *axis_of) { step_events_operand(s, t, r, axis_of, (uint8_t[]){0, 1}); }

// What is summed over event axes. `gone`: which event axes of a type go; the variables of all: those left come first.
void step_reduce_events(Step *t, const IrType *type, uint32_t gone, uint8_t variable[2]) {
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
void step_same_axes(const IrType *type, int *axis_of) {
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

void step_push(Schedule *s, Step t) {
  if (is_empty(&t)) return;
  nothing_to_reduce(&t);
  VEC_PUSH(s->step_room, &s->steps, t);
}

static void point_step(Schedule *s, IrRef r, uint32_t place, StepKind kind) {
  Step t = step_new(s, kind, r, place);
  step_loops_of_place(s, &t);
  const IrValue *v = ir_at(s->fn, r);
  int axis_of[NEST_LOOPS];
  step_same_axes(&v->type, axis_of);
  for (uint32_t k = 0; k < v->n_operands; k++) step_operand(s, &t, v->operands[k], axis_of);
  step_push(s, t);
}

// Loops over what is kept, then over what is reduced: axes of the operand.
static void reduce_step(Schedule *s, IrRef r, uint32_t place, StepKind kind, uint32_t axes) {
  const IrValue *v = ir_at(s->fn, r);
  const IrType *from = ir_type_of(s->fn, v->operands[0]);
  Step t = step_new(s, kind, r, place);
  step_loops_of_place(s, &t);
  int axis_of[NEST_LOOPS], l = 0;
  uint8_t variable[2] = {0, 1};
  for (int i = 0; i < from->rank; i++)
    if (from->axes[i] >= 0 && !(axes >> i & 1)) axis_of[l++] = i;
  for (int i = 0; i < from->rank; i++) {
    if (!(axes >> i & 1) || from->axes[i] < 0) continue;
    axis_of[t.loops] = i;
    step_loop(&t, from->axes[i]);
  }
  step_reduce_events(&t, from, axes, variable);
  step_events_operand(s, &t, v->operands[0], axis_of, variable);
  step_push(s, t);
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
        step_loop(&t, v->type.axes[i]);
        last = axis;
      }
      axis++;
    }
  }
  t.kept = t.loops;
  p->regular = last == p->rank - 1;
  step_operand(s, &t, v->operands[0], axis_of);
  step_push(s, t);
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

// Are both operands numbers of bf16, added up over one axis?
static bool of_halves(const Schedule *s, const IrValue *v, const Step *t) {
  bool all = class_has_events(t->class) && !t->over_events && !t->over_pairs && t->loops == t->kept + 1;
  for (int k = 0; k < 2; k++) {
    const IrValue *x = ir_at(s->fn, v->operands[k]);
    all &= x->op == IR_CAST && x->type.dtype == IR_F32 && ir_type_of(s->fn, x->operands[0])->dtype == IR_BF16;
  }
  return all;
}

typedef struct EinsumLetters {
  char loops[NEST_LOOPS]; // by loop of the step
  char events[4];         // of the event variables: this event, the other one
  int n_events;
} EinsumLetters;

static EinsumLetters letters_of_result(const IrValue *v, const IrEinsum *spec) {
  EinsumLetters letters = {0};
  for (int i = 0, loops = 0; i < v->type.rank; i++) {
    if (v->type.axes[i] >= 0) letters.loops[loops++] = spec->letters[2][i];
    else letters.events[letters.n_events++] = spec->letters[2][i];
  }
  return letters;
}

// Letters that the result lacks: of events, or of loops behind those of the result.
static void add_summed_letters(const Schedule *s, const IrValue *v, const IrEinsum *spec, Step *t, EinsumLetters *letters) {
  for (int k = 0; k < 2; k++) {
    const IrType *from = ir_type_of(s->fn, v->operands[k]);
    for (int i = 0; i < from->rank; i++) {
      char letter = spec->letters[k][i];
      if (ir_einsum_axis(spec, 2, letter) >= 0 || (k == 1 && ir_einsum_axis(spec, 0, letter) >= 0)) continue;
      if (from->axes[i] < 0) {
        t->over_events |= letters->n_events == 0;
        t->over_pairs |= letters->n_events == 1;
        letters->events[letters->n_events++] = letter;
      } else {
        letters->loops[t->loops] = letter;
        step_loop(t, from->axes[i]);
      }
    }
  }
}

static void add_factor(Schedule *s, const IrValue *v, const IrEinsum *spec, int k, const EinsumLetters *letters, Step *t) {
  int axis_of[NEST_LOOPS];
  uint8_t variable[2] = {0, 1};
  for (int i = 0; i < t->loops; i++) axis_of[i] = ir_einsum_axis(spec, k, letters->loops[i]);
  for (int i = 0; i < ir_event_axes(ir_type_of(s->fn, v->operands[k])); i++) variable[i] = spec->letters[k][i] == letters->events[1];
  step_events_operand(s, t, v->operands[k], axis_of, variable);
}

static void einsum_step(Schedule *s, IrRef r, uint32_t place) {
  const IrValue *v = ir_at(s->fn, r);
  IrEinsum spec;
  if (!ir_einsum_parse(v->attr.name, &spec)) ir_fail("codegen: einsum %s", v->attr.name);
  const View *to = s->folds[r].to.place != UINT32_MAX ? &s->folds[r].to : NULL;
  if (to) step_zero_place(s, to->place);
  Step t = step_new(s, STEP_DOT, r, to ? to->place : place);
  if (to) step_loops_of_fold(s, &t, r, to);
  else step_loops_of_place(s, &t);
  EinsumLetters letters = letters_of_result(v, &spec);
  add_summed_letters(s, v, &spec, &t, &letters);
  for (int k = 0; k < 2; k++) add_factor(s, v, &spec, k, &letters, &t);
  t.halves = of_halves(s, v, &t);
  merge_loops(&t);
  product_weights(s, &t);
  step_clip(s, &t);
  step_push(s, t);
}

// What an EVENTS phase summed up becomes a value by a ONCE step.
static void partial_step(Schedule *s, uint32_t place) {
  Step t = step_new(s, STEP_PARTIAL, IR_NONE, place);
  step_loops_of_place(s, &t);
  Access a = {.place = place};
  memcpy(a.stride, t.store_stride, sizeof a.stride);
  t.operand[t.n_operands++] = a;
  t.value = IR_NONE;
  step_push(s, t);
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
    if (v->op == IR_CONCAT) steps_of_concat(s, r, place);
    else if (v->op == IR_PAD) steps_of_pad(s, r, place);
    else steps_of_reshape(s, r, place);
    return;
  case IRL_GATHER: steps_of_gather(s, r, place); return;
  case IRL_FOLD: steps_of_fold(s, r, place); return;
  case IRL_SCATTER: steps_of_scatter(s, r, place); break;
  case IRL_REDUCE:
    if (v->op == IR_SUM) reduce_step(s, r, place, STEP_SUM, v->attr.axes);
    else if (v->op == IR_AMAX) reduce_step(s, r, place, STEP_MAX, v->attr.axes);
    else reduce_step(s, r, place, STEP_ARGMAX, 1u << v->attr.axis);
    break;
  case IRL_SORT: steps_of_sort(s, r, place); return;
  case IRL_SCAN: scan_step(s, r, place); return;
  case IRL_CONTRACT: einsum_step(s, r, place); break;
  case IRL_ONCE:
    step_put_into_memory(s, s->views[v->operands[0]].place);
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
  step_loops_of_place(s, &t);
  int axis_of[NEST_LOOPS];
  step_same_axes(&v->type, axis_of);
  step_operand(s, &t, output->value, axis_of);
  step_push(s, t);
}

void schedule_steps(Schedule *s) {
  for (size_t i = 0; i < s->fn->values.len; i++) {
    uint32_t place = s->views[i].place;
    if (place == UINT32_MAX || s->places.at[place].kind != PLACE_COMPUTED) continue;
    const IrValue *v = &s->fn->values.at[i];
    bool view = v->op == IR_TRANSPOSE || v->op == IR_BROADCAST || v->op == IR_SLICE || v->op == IR_WINDOWS || v->op == IR_STOP;
    if (view || s->folds[i].inside || schedule_cast_is_view(s->fn, v)) continue;
    if (v->op == IR_RESHAPE && place == s->views[v->operands[0]].place) continue;
    value_steps(s, (IrRef)i, place);
  }
  for (size_t i = 0; i < s->fn->outputs.len; i++) output_step(s, &s->fn->outputs.at[i]);
}
