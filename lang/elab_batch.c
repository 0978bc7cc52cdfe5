// batch(v): a value of an event as the list of it over the batch, which couples events. Reductions take the list away; a
// comprehension over it makes pairs of events.
//
//   mean(batch(x))                         one value of the step
//   sum([f(x - o) for o in batch(x)])      one value an event; o has the axis of pairs (ir.h)
#include <string.h>

#include "lang/elab_builtin.h"

Value *builtin_batch(Elab *e, const Builtin *b, BuiltinCall *call) {
  (void)b;
  if (!e->scene->batches) {
    Diag *d = elab_error(e, DIAG_BATCH_PLACE, call->span, "`batch(…)` where events are alone");
    diag_help(e->diags, d, "it stands in train and score: a generated event knows no others");
    return value_error(e);
  }
  Value *v = elab_real(e, call->value[0], call->span);
  if (value_is_error(v) || tensor_ir(e, v) == IR_NONE) return value_error(e);
  if (alike_refused(e, v, call->span, "`batch(…)` of a value")) return value_error(e);
  if (tensor_events(e, &v->u.tensor) > 1)
    return elab_not_built(e, call->span, "a batch inside a comprehension over a batch", "give the inner list a name of its own in front: `m = mean(batch(v))`");
  return value_batch(e, call->span, v, false);
}

// The elements of batch(v) as one value with the axis of pairs: v of the other event.
Value *batch_element(Elab *e, const Value *batch, Span span) {
  const Value *v = batch->u.batch.of;
  IrFn *fn = e->scene->fn;
  IrRef x = elab_per_event(e, v);
  IrType t = *ir_type_of(fn, x);
  if (t.rank == IR_MAX_RANK) return elab_not_built(e, span, "a batch of values of so many axes", FEWER_AXES);
  int8_t from[IR_MAX_RANK] = {-1};
  memmove(t.axes + 1, t.axes, t.rank * sizeof t.axes[0]);
  t.axes[0] = IR_EVENTS;
  t.axes[1] = IR_PAIRS;
  for (int i = 0; i < t.rank; i++) from[i + 1] = (int8_t)i;
  t.rank++;
  Belongs other = {.kind = BELONGS_DRAWS}; // of whatever events: it meets those of any data block
  return value_tensor(e, span, v->u.tensor.type, ir_broadcast(fn, x, t.rank, t.axes, from), other);
}

static Value *with_pairs(Elab *e, Value *v) {
  Layout l = layout_of(e, &v->u.tensor);
  l.events = 2;
  return tensor_like(e, v->span, v->u.tensor.type, tensor_spread(e, v, &l), v->u.tensor.belongs, &v->u.tensor.hidden);
}

// The list of a comprehension whose body was elaborated once, with the element of `batch_element`.
Value *batch_of_elements(Elab *e, Value *body, Span span) {
  body = elab_real(e, body, span);
  if (value_is_error(body) || tensor_ir(e, body) == IR_NONE) return value_error(e);
  return value_batch(e, span, with_pairs(e, body), true);
}

Value *batch_reduce(Elab *e, const Value *batch, IrOp op, bool mean, Span span) {
  IrFn *fn = e->scene->fn;
  const Value *v = batch->u.batch.of;
  IrRef x = elab_per_event(e, v);
  IrDtype real = ir_type_of(fn, x)->dtype;
  uint32_t axis = batch->u.batch.elements ? 2 : 1;
  if (op == IR_AMAX) x = ir_amax(fn, x, axis);
  else x = ir_sum(fn, ir_cast(fn, x, IR_F64), axis);
  if (mean) x = ir_binary(fn, IR_DIV, x, ir_leaf(fn, IR_COUNTER, "batch_size", ir_scalar(IR_F64)));
  Belongs belongs = batch->u.batch.elements ? v->u.tensor.belongs : (Belongs){.kind = BELONGS_STEP};
  TensorType type = tensor_type_real(v->u.tensor.type.shape);
  type.unit = v->u.tensor.type.unit;
  return tensor_like(e, span, type, ir_cast(fn, x, real), belongs, &v->u.tensor.hidden);
}

// ---- judged(loss, right): the loss as it is, beside it the share of right answers in the batch

static bool is_shown(const Elab *e, const Value *right) {
  return e->scene->purpose == SCENE_TRAIN && !e->scene->types_only && tensor_events(e, &right->u.tensor) < 2 && right->u.tensor.hidden.n == 0;
}

Value *builtin_judged(Elab *e, const Builtin *b, BuiltinCall *call) {
  (void)b;
  Value *right = elab_real(e, call->value[1], call->at[1]);
  if (value_is_error(right) || tensor_ir(e, right) == IR_NONE) return value_error(e);
  if (!is_shown(e, right)) return call->value[0];
  IrFn *fn = e->scene->fn;
  IrRef x = ir_cast(fn, elab_per_event(e, right), IR_F64);
  const IrType type = *ir_type_of(fn, x);
  IrRef events = ir_leaf(fn, IR_COUNTER, "batch_size", ir_scalar(IR_F64)), sum = ir_sum(fn, x, (1u << type.rank) - 1);
  IrRef mean = ir_binary(fn, IR_DIV, sum, ir_binary(fn, IR_MUL, events, ir_number(fn, IR_F64, (double)ir_elements(&type))));
  VEC_PUSH(e->arena, &e->scene->judged, mean);
  return call->value[0];
}

// ---- running(v): v in training, elsewhere its average over the updates of the net, each weighing `momentum` times the next

// law NULL: it begins at zero
static IrRef remembered(Elab *e, const char *name, Extents shape, Value *law, Span span) {
  IrType type = ir_type(e->model->real, shape.rank, shape.axes);
  if (map_get(&e->weights, name) == NULL) {
    Scene *scene = scene_open(e, SCENE_INIT, name, "");
    Value *start = law != NULL ? distribution_draw(e, law, &shape, name, span) : NULL;
    bool drawn = start != NULL && start->kind == VALUE_TENSOR;
    ir_output(scene->fn, "value", drawn ? ir_cast(scene->fn, start->u.tensor.ir, type.dtype) : ir_fill(scene->fn, type, 0));
    scene_close(e);
    ModelWeight w = {.name = name, .owner = e->place->owner, .type = type, .init = scene->fn, .fixed = true, .span = span};
    VEC_PUSH(e->arena, &e->model->weights, w);
    map_put(e->arena, &e->weights, name, (void *)e->model->weights.len);
  }
  return ir_leaf(e->scene->fn, IR_PARAM, name, type);
}

// old + (new - old) (1 - momentum)
static IrRef next_average(IrFn *fn, IrRef old, IrRef new, double momentum) {
  IrRef step = ir_binary(fn, IR_SUB, new, old);
  return ir_binary(fn, IR_ADD, old, ir_binary(fn, IR_MUL, step, ir_number(fn, ir_type_of(fn, old)->dtype, 1 - momentum)));
}

static Running *running_at(Elab *e, const char *path, Extents shape, Value *law, Span span) {
  Scene *s = e->scene;
  for (size_t i = 0; i < s->running.len; i++)
    if (strcmp(s->running.at[i].path, path) == 0) return &s->running.at[i];
  Running r = {.path = path, .seen = arena_printf(e->arena, "%s.seen", path), .owner = e->place->owner, .ones = IR_NONE, .of_step = law == NULL};
  r.average = remembered(e, r.path, shape, law, span);
  if (law == NULL) r.ones = remembered(e, r.seen, (Extents){0}, NULL, span);
  VEC_PUSH(e->arena, &s->running, r);
  return &s->running.at[s->running.len - 1];
}

Value *builtin_running(Elab *e, const Builtin *b, BuiltinCall *call) {
  Value *v = elab_real(e, call->value[0], call->span);
  double momentum = 0.99;
  if (value_is_error(v) || tensor_ir(e, v) == IR_NONE) return value_error(e);
  if (call->value[1] != NULL && !elab_setting_number(e, call->value[1], call->at[1], "the momentum of `running`", &momentum)) return value_error(e);
  const Tensor *t = &v->u.tensor;
  if (e->place->owner == NULL || t->belongs.kind > BELONGS_STEP || t->hidden.n > 0 || !(momentum >= 0 && momentum < 1)) {
    Diag *d = elab_error(e, DIAG_RUNNING, call->span,
                         e->place->owner == NULL          ? "`%s` outside of any net, which would remember it"
                         : t->belongs.kind > BELONGS_STEP ? "`%s` of a value of each event"
                                                          : "`%s` with a momentum that is not from 0 up to 1",
                         b->name);
    diag_help(e->diags, d, "`m = running(mean(batch(x)), 0.99)` in a layer of a net");
    return value_error(e);
  }
  IrFn *fn = e->scene->fn;
  Running *r = running_at(e, place_next(e, b->name), t->type.shape, NULL, call->span);
  if (e->scene->training) {
    r->average = next_average(fn, r->average, t->ir, momentum);
    r->ones = next_average(fn, r->ones, ir_number(fn, e->model->real, 1), momentum);
    return v;
  }
  IrRef any = ir_binary(fn, IR_MAX, r->ones, ir_number(fn, e->model->real, 1e-30));
  return tensor_like(e, call->span, t->type, ir_binary(fn, IR_DIV, r->average, any), (Belongs){0}, &t->hidden);
}

// ---- iterated(start, f): what a net keeps, f of it after each update; before and after, which are the same elsewhere

static Value *misplaced(Elab *e, Span span, const char *problem) {
  Diag *d = elab_error(e, DIAG_RUNNING, span, "%s", problem);
  diag_help(e->diags, d, "`(before, now) = iterated(normal[n], fn (v) = w @ v)` in a layer of a net");
  return value_error(e);
}

// It draws where weights begin, and there are no values.
static bool of_settings(const Value *law) {
  if (law == NULL || law->kind == VALUE_TENSOR) return law == NULL;
  return law->kind != VALUE_DISTRIBUTION || (of_settings(law->u.distribution.a) && of_settings(law->u.distribution.b));
}

static Value *next_of(Elab *e, Value *f, Value *before, Span span) {
  Values args = {0};
  VEC_PUSH(e->arena, &args, before);
  Value *next = elab_real(e, elab_call(e, f, &args, span), span);
  if (value_is_error(next) || tensor_ir(e, next) == IR_NONE) return value_error(e);
  if (next->u.tensor.belongs.kind > BELONGS_STEP) return misplaced(e, span, "`iterated` of a value of each event");
  if (extents_equal(&next->u.tensor.type.shape, &before->u.tensor.type.shape)) return elab_cast(e, next, e->model->real);
  Diag *d = elab_shape_error(e, span, before, next, NULL);
  diag_help(e->diags, d, "what is iterated keeps its shape");
  return value_error(e);
}

Value *builtin_iterated(Elab *e, const Builtin *b, BuiltinCall *call) {
  Value *law = elab_as_distribution(e, call->value[0]), *f = call->value[1];
  Extents shape;
  if (e->place->owner == NULL) return misplaced(e, call->span, "`iterated` outside of any net, which would keep it");
  if (law->kind != VALUE_DISTRIBUTION) return misplaced(e, call->at[0], "what is iterated begins as a draw from a law");
  if (!of_settings(law)) return misplaced(e, call->at[0], "what is iterated begins as a draw from a law whose parameters are numbers");
  if (f->kind != VALUE_CALLABLE) return misplaced(e, call->at[1], "`iterated` takes a function of the value before");
  if (!distribution_shape(e, law, &shape)) return value_error(e);
  Running *r = running_at(e, place_next(e, b->name), shape, law, call->span);
  Value *before = value_tensor(e, call->span, tensor_type_real(shape), r->average, (Belongs){0}), *now = before;
  if (e->scene->training) {
    const char *path = r->path; // f may use others
    now = next_of(e, f, before, call->span);
    if (value_is_error(now)) return now;
    r = running_at(e, path, shape, law, call->span);
    r->average = now->u.tensor.ir;
    r->of_step = now->u.tensor.belongs.kind == BELONGS_STEP;
  }
  Value *both = value_record(e, call->span);
  VEC_PUSH(e->arena, &both->u.record.fields, (RecordField){NULL, before});
  VEC_PUSH(e->arena, &both->u.record.fields, (RecordField){NULL, now});
  return both;
}

void running_outputs(Elab *e, const char *owner) {
  for (size_t i = 0; i < e->scene->running.len; i++) {
    Running *r = &e->scene->running.at[i];
    if (r->given_out || strcmp(r->owner, owner) != 0) continue;
    r->given_out = true;
    ir_output(e->scene->fn, arena_printf(e->arena, "set:%s", r->path), r->average);
    if (r->ones != IR_NONE) ir_output(e->scene->fn, arena_printf(e->arena, "set:%s", r->seen), r->ones);
  }
}
