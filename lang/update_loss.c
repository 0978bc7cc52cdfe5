// What an update minimizes: losses per event, averaged over the events of their data block, and numbers of the step.
#include "lang/update.h"

static void fail(Loss *loss) { loss->bad = true; }

static IrRef data_weight(Elab *e, const ModelData *data) {
  Blocks *b = blocks_of(e);
  for (size_t i = 0; i < b->data.len; i++) {
    if (b->data.at[i]->model != data) continue;
    IrRef w = field_weight(e, b->data.at[i]);
    return w == IR_NONE ? w : ir_cast(e->scene->fn, w, IR_F64);
  }
  return IR_NONE;
}

static IrRef plus(IrFn *fn, IrRef sum, IrRef x) { return sum == IR_NONE ? x : ir_binary(fn, IR_ADD, sum, x); }

static LossPart *part_of(Elab *e, Loss *loss, const ModelData *data) {
  for (size_t i = 0; i < loss->parts.len; i++)
    if (loss->parts.at[i].data == data) return &loss->parts.at[i];
  LossPart part = {.data = data, .per_event = IR_NONE, .weight = data == NULL ? IR_NONE : data_weight(e, data)};
  VEC_PUSH(e->arena, &loss->parts, part);
  return &loss->parts.at[loss->parts.len - 1];
}

static void add_loss(Elab *e, Loss *loss, Value *v, Span span, bool maximize) {
  IrFn *fn = e->scene->fn;
  loss->given = true;
  if (!value_is_error(v)) v = elab_real(e, v, span);
  if (value_is_error(v) || v->kind != VALUE_TENSOR) {
    fail(loss);
    return;
  }
  if (v->u.tensor.type.shape.rank != 0) {
    Diag *d = elab_error(e, DIAG_LOSS_SHAPE, span, "minimize needs one number per event, found %s", value_text(e->arena, v));
    if (v->span.begin != 0 && v->span.begin != span.begin) diag_label(e->diags, d, v->span, "this is %s", value_text(e->arena, v));
    diag_help(e->diags, d, "say `sum(…)` or `mean(…)`");
    fail(loss);
    return;
  }
  bool events = ir_has_events(ir_type_of(fn, v->u.tensor.ir));
  IrRef x = ir_cast(fn, v->u.tensor.ir, IR_F64);
  if (maximize) x = ir_unary(fn, IR_NEG, x);
  if (!events) {
    loss->per_step = plus(fn, loss->per_step, x);
    return;
  }
  LossPart *part = part_of(e, loss, v->u.tensor.belongs.kind == BELONGS_EVENTS ? v->u.tensor.belongs.data : NULL);
  if (part->weight != IR_NONE) x = ir_binary(fn, IR_MUL, x, part->weight);
  part->per_event = plus(fn, part->per_event, x);
}

Loss loss_read(Blocks *b, Scope *scope, const AstUpdate *u) {
  Elab *e = b->e;
  Loss loss = {.per_step = IR_NONE};
  int errors = e->diags->errors;
  for (size_t i = 0; i < u->items.len; i++) {
    const AstUpdateItem *item = u->items.at[i];
    switch (item->kind) {
    case UI_STATEMENT: elab_statement(e, scope, item->statement); break;
    case UI_MINIMIZE:
    case UI_MAXIMIZE: add_loss(e, &loss, elab_expr(e, scope, item->value), item->value->span, item->kind == UI_MAXIMIZE); break;
    case UI_ERROR: fail(&loss); break;
    case UI_WITH: break;
    }
  }
  if (e->diags->errors > errors) fail(&loss); // what follows from a mistake in it is not said again
  if (loss.given || loss.bad) return loss;
  Diag *d = elab_error(e, DIAG_LOSS_MISSING, u->span, "this update says nothing to minimize");
  diag_help(e->diags, d, "`minimize mse(y, x)`");
  fail(&loss);
  return loss;
}

IrRef sum_events(IrFn *fn, IrRef x) { return ir_sum(fn, x, 1); }

IrRef loss_total(Elab *e, const Loss *loss) {
  IrFn *fn = e->scene->fn;
  IrRef total = loss->per_step;
  for (size_t i = 0; i < loss->parts.len; i++) {
    IrRef n = ir_leaf(fn, IR_COUNTER, "batch_size", ir_scalar(IR_F64));
    total = plus(fn, total, ir_binary(fn, IR_DIV, sum_events(fn, loss->parts.at[i].per_event), n));
  }
  return total;
}
