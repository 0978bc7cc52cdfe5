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
    diag_help(e->diags, d, "it stands in train: a generated, scored or evaluated event knows no others");
    return value_error(e);
  }
  Value *v = elab_real(e, call->value[0], call->span);
  if (value_is_error(v) || tensor_ir(e, v) == IR_NONE) return value_error(e);
  if (tensor_events(e, &v->u.tensor) > 1 || v->u.tensor.hidden.n > 0) return elab_not_built(e, call->span, "a batch inside a comprehension over a batch");
  return value_batch(e, call->span, v, false);
}

// The elements of batch(v) as one value with the axis of pairs: v of the other event.
Value *batch_element(Elab *e, const Value *batch, Span span) {
  const Value *v = batch->u.batch.of;
  IrFn *fn = e->scene->fn;
  IrRef x = elab_per_event(e, v);
  IrType t = *ir_type_of(fn, x);
  if (t.rank == IR_MAX_RANK) return elab_not_built(e, span, "a batch of values of so many axes");
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
