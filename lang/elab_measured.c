// Numbers of an event that an algorithm of the runtime finds, as no formula does: they are inputs of the program that reads them, and what
// the algorithm looks at is a program of its own, which the driver runs before (compiler/driver/measured.h). So they stand in `evaluate` only.
#include <string.h>

#include "lang/elab_builtin.h"

// x and what it is made of, as a function with the output `argument`.
static IrFn *program_of(Elab *e, IrRef x) {
  const IrFn *fn = e->scene->fn;
  IrFn *own = ir_fn_new(e->arena, arena_printf(e->arena, "%s.argument", fn->name));
  bool *needed = ARENA_ARRAY(e->arena, bool, x + 1);
  IrRef *to = ARENA_ARRAY(e->arena, IrRef, x + 1);
  needed[x] = true;
  for (IrRef i = x + 1; i-- > 0;)
    for (uint32_t k = 0; needed[i] && k < ir_at(fn, i)->n_operands; k++) needed[ir_at(fn, i)->operands[k]] = true;
  for (IrRef i = 0; i <= x; i++) {
    if (!needed[i]) continue;
    const IrValue *v = ir_at(fn, i);
    IrRef *operands = ARENA_ARRAY(e->arena, IrRef, v->n_operands + 1);
    for (uint32_t k = 0; k < v->n_operands; k++) operands[k] = to[v->operands[k]];
    own->span = v->span;
    to[i] = ir_build(own, v->op, operands, v->n_operands, &v->attr, &v->type);
  }
  ir_output(own, "argument", to[x]);
  return own;
}

static bool known_setting(Elab *e, const BuiltinCall *call, ModelMeasured *m) {
  int64_t n;
  if (!elab_setting_int(e, call->value[1], call->at[1], "the number of axes", &n) || !elab_setting_number(e, call->value[2], call->at[2], "`reach`", &m->reach))
    return false;
  if (n >= 1 && n <= m->rows * m->columns && m->reach > 0) return m->axes = (int)n, true;
  Diag *d = elab_error(e, DIAG_TYPE, call->span, "%lld axes within %g of %lld pixels", (long long)n, m->reach, (long long)m->rows * m->columns);
  diag_help(e->diags, d, "`subjettiness(image, 2, 1.25)`: at least one axis, and half of the image's width");
  return false;
}

static Value *image_of(Elab *e, const BuiltinCall *call, ModelMeasured *m) {
  Value *v = elab_real(e, call->value[0], call->at[0]);
  if (value_is_error(v) || tensor_ir(e, v) == IR_NONE) return value_error(e);
  const Extents *s = &v->u.tensor.type.shape;
  if (s->rank >= 2 && (s->rank == 2 || (s->rank == 3 && s->axes[2] == 1)) && v->u.tensor.hidden.n == 0)
    return m->rows = (int)s->axes[0], m->columns = (int)s->axes[1], v;
  Diag *d = elab_error(e, DIAG_SHAPE, call->span, "`subjettiness` is of an image of one channel, this is %s", value_text(e->arena, v));
  diag_label(e->diags, d, v->span, "%s", elab_way(e, v));
  diag_help(e->diags, d, "an image is real[height, width, 1]");
  return value_error(e);
}

Value *builtin_subjettiness(Elab *e, const Builtin *b, BuiltinCall *call) {
  (void)b;
  ModelMeasured m = {0};
  if (e->scene->purpose != SCENE_OBSERVE) {
    Diag *d = elab_error(e, DIAG_METRIC_PLACE, call->span, "`subjettiness` joins the pixels of an image one by one, so it has no formula");
    diag_help(e->diags, d, "it stands in `evaluate`, in observables and in what metrics look at");
    return value_error(e);
  }
  Value *v = image_of(e, call, &m);
  if (value_is_error(v) || !known_setting(e, call, &m)) return value_error(e);
  IrFn *fn = e->scene->fn;
  m.leaf = arena_printf(e->arena, "measured:%zu", e->model->measured.len);
  m.reader = fn;
  m.of = ir_cast(fn, elab_per_event(e, v), IR_F64);
  m.argument = program_of(e, m.of);
  VEC_PUSH(e->arena, &e->model->measured, m);
  int64_t events[] = {IR_EVENTS};
  IrRef leaf = ir_leaf(fn, IR_INPUT, m.leaf, ir_type(IR_F64, 1, events));
  return elab_real(e, value_tensor(e, call->span, tensor_type_real((Extents){0}), leaf, v->u.tensor.belongs), call->span);
}
