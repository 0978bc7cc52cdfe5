// Built-in functions of components, of the step, and derivatives.
#include <math.h>
#include <string.h>

#include "compiler/ad/ad.h"
#include "lang/elab_builtin.h"
#include "lang/elab_set.h"

static const double PI = 3.14159265358979323846;

// ---- components

Value *builtin_component(Elab *e, const Builtin *b, BuiltinCall *call) { return elab_unary(e, (IrOp)b->op, call->value[0], call->span); }

static Value *pair_of(Elab *e, IrOp op, Value *a, Value *b, Span span) {
  if (value_is_error(a) || value_is_error(b)) return value_error(e);
  Value *known = static_component(e, op, a, b, span);
  if (known != NULL) return known;
  bool whole = (op == IR_MAX || op == IR_MIN) && (a->kind == VALUE_INT || b->kind == VALUE_INT) &&
               ((a->kind == VALUE_TENSOR && a->u.tensor.type.element == ELEMENT_INT) || (b->kind == VALUE_TENSOR && b->u.tensor.type.element == ELEMENT_INT));
  if (whole) return tensor_whole(e, op, a, b, span);
  Value *v = tensor_combine(e, op, a, b, span);
  const char *unit = a->kind == VALUE_TENSOR ? a->u.tensor.type.unit : b->kind == VALUE_TENSOR ? b->u.tensor.type.unit : NULL;
  if (v->kind == VALUE_TENSOR && op != IR_ATAN2) v->u.tensor.type.unit = unit;
  return v;
}

Value *builtin_pair(Elab *e, const Builtin *b, BuiltinCall *call) { return pair_of(e, (IrOp)b->op, call->value[0], call->value[1], call->span); }

Value *builtin_tan(Elab *e, const Builtin *b, BuiltinCall *call) {
  (void)b;
  Value *s = elab_unary(e, IR_SIN, call->value[0], call->span), *c = elab_unary(e, IR_COS, call->value[0], call->span);
  return elab_binary(e, BIN_DIV, s, c, call->span);
}

Value *builtin_atan(Elab *e, const Builtin *b, BuiltinCall *call) {
  (void)b;
  return pair_of(e, IR_ATAN2, call->value[0], value_int(e, call->span, 1), call->span);
}

Value *builtin_logit(Elab *e, const Builtin *b, BuiltinCall *call) {
  (void)b;
  Value *x = call->value[0], *rest = elab_binary(e, BIN_SUB, value_int(e, call->span, 1), x, call->span);
  return elab_unary(e, IR_LOG, elab_binary(e, BIN_DIV, x, rest, call->span), call->span);
}

Value *builtin_normal_cdf(Elab *e, const Builtin *b, BuiltinCall *call) {
  (void)b;
  Value *x = elab_binary(e, BIN_MUL, call->value[0], value_real(e, call->span, -1 / sqrt(2.0)), call->span);
  return elab_binary(e, BIN_MUL, elab_unary(e, IR_ERFC, x, call->span), value_real(e, call->span, 0.5), call->span);
}

Value *builtin_clamp(Elab *e, const Builtin *b, BuiltinCall *call) {
  (void)b;
  return pair_of(e, IR_MIN, pair_of(e, IR_MAX, call->value[0], call->value[1], call->span), call->value[2], call->span);
}

Value *builtin_wrap(Elab *e, const Builtin *b, BuiltinCall *call) {
  (void)b;
  const char *bijection = e->in_bijection;
  e->in_bijection = NULL; // whole turns tear nothing
  Value *turns = elab_unary(e, IR_ROUND, elab_binary(e, BIN_DIV, call->value[0], value_real(e, call->span, 2 * PI), call->span), call->span);
  Value *v = elab_binary(e, BIN_SUB, call->value[0], elab_binary(e, BIN_MUL, turns, value_real(e, call->span, 2 * PI), call->span), call->span);
  e->in_bijection = bijection;
  if (v->kind != VALUE_TENSOR) return v;
  int64_t n = circular_count(&v->u.tensor.type);
  bool *flags = ARENA_ARRAY(e->arena, bool, n > 0 ? n : 1);
  for (int64_t i = 0; i < n; i++) flags[i] = true;
  v->u.tensor.type.circular = flags;
  return v;
}

// ---- the step and the place

Value *builtin_training(Elab *e, const Builtin *b, BuiltinCall *call) {
  (void)b;
  return value_bool(e, call->span, e->scene->training);
}

Value *builtin_counter(Elab *e, const Builtin *b, BuiltinCall *call) {
  IrRef ir = ir_leaf(e->scene->fn, IR_COUNTER, b->name, ir_scalar(IR_F64));
  return value_tensor(e, call->span, tensor_type_real((Extents){0}), ir, (Belongs){.kind = BELONGS_STEP});
}

static Value *flag_list(Elab *e, Span span, const bool *flags, int64_t n) {
  Value *list = value_list(e, span);
  for (int64_t i = 0; i < n; i++) VEC_PUSH(e->arena, &list->u.list, value_bool(e, span, flags != NULL && flags[i]));
  return list;
}

// Inside a bijection of one number that acts on components of which some are angles.
static Value *lifted_flags(Elab *e, const Tensor *t, Span span) {
  int64_t n = t->hidden.extent[t->hidden.n - 1];
  bool any = false, all = true;
  double *numbers = ARENA_ARRAY(e->arena, double, n);
  for (int64_t i = 0; i < n; i++) {
    numbers[i] = t->lifted_circular[i];
    any = any || t->lifted_circular[i];
    all = all && t->lifted_circular[i];
  }
  if (any == all) return value_bool(e, span, any);
  Value *v = tensor_const(e, span, ELEMENT_BOOL, (Extents){.rank = 1, .axes = {n}}, numbers);
  v->u.tensor.type.shape = (Extents){0};
  v->u.tensor.hidden = (Hidden){.n = 1, .id = {t->hidden.id[t->hidden.n - 1]}, .extent = {n}};
  return v;
}

Value *builtin_circular(Elab *e, const Builtin *b, BuiltinCall *call) {
  (void)b;
  Value *x = call->value[0];
  if (x->kind == VALUE_RECORD) x = elab_flatten(e, x, call->span);
  if (x->kind != VALUE_TENSOR) return value_is_error(x) ? x : value_bool(e, call->span, false);
  const Tensor *t = &x->u.tensor;
  if (t->lifted_circular != NULL) return lifted_flags(e, t, call->span);
  if (t->type.shape.rank == 0) return value_bool(e, call->span, circular_any(&t->type));
  return flag_list(e, call->span, t->type.circular, circular_count(&t->type));
}

Value *builtin_unroll(Elab *e, const Builtin *b, BuiltinCall *call) {
  (void)b;
  Value *x = elab_real(e, call->value[0], call->span);
  if (value_is_error(x) || !circular_any(&x->u.tensor.type)) return x;
  int last = x->u.tensor.type.shape.rank - 1;
  if (last < 0) x = tensor_reshape(e, x, (Extents){.rank = 1, .axes = {1}}, call->span), last = 0;
  Values parts = {0};
  int64_t n = circular_count(&x->u.tensor.type), *angle = ARENA_ARRAY(e->arena, int64_t, n), *line = ARENA_ARRAY(e->arena, int64_t, n);
  int64_t angles = 0, lines = 0;
  for (int64_t i = 0; i < n; i++) {
    if (x->u.tensor.type.circular[i]) angle[angles++] = i;
    else line[lines++] = i;
  }
  Value *turning = elab_index_static(e, x, last, angle, angles, call->span);
  if (lines > 0) VEC_PUSH(e->arena, &parts, elab_index_static(e, x, last, line, lines, call->span));
  VEC_PUSH(e->arena, &parts, tensor_apply(e, IR_COS, turning, call->span));
  VEC_PUSH(e->arena, &parts, tensor_apply(e, IR_SIN, turning, call->span));
  for (size_t i = 0; i < parts.len; i++)
    if (value_is_error(parts.at[i])) return parts.at[i];
  return tensor_concat(e, &parts, last, call->span);
}

Value *builtin_physical(Elab *e, const Builtin *b, BuiltinCall *call) {
  (void)b;
  if (e->hooks.physical == NULL) return elab_not_built(e, call->span, "`physical` here", "it stands in train, score and evaluate");
  if (alike_refused(e, call->value[0], call->span, "`physical`")) return value_error(e);
  return e->hooks.physical(e, call->value[0], call->span);
}

Value *builtin_weight_of(Elab *e, const Builtin *b, BuiltinCall *call) {
  (void)b;
  if (e->hooks.weight_of == NULL) return elab_not_built(e, call->span, "`weight_of` here", "it stands in train, score and evaluate");
  return e->hooks.weight_of(e, call->value[0], call->span);
}

// ---- derivatives

// An event has moved them in an unrolled step; what the step itself sees are numbers.
static AdHeld moved_weights(const Elab *e) { return (AdHeld){e->scene->moved.at, e->scene->moved.len}; }

// The derivative of a number by x: IR_NONE where x has no part in it. False: an error was said.
static bool gradient(Elab *e, const Value *y, const Value *x, IrRef *g, Span span) {
  IrRef refused = IR_NONE, wrt = tensor_ir(e, x);
  *g = IR_NONE;
  if (wrt == IR_NONE) return false;
  if (ad_partial(e->scene->fn, y->u.tensor.ir, &wrt, 1, moved_weights(e), g, &refused)) return true;
  Diag *d = elab_error(e, DIAG_NO_DERIVATIVE, span, "`%s` has no derivative that is known", ir_op_info[ir_at(e->scene->fn, refused)->op].name);
  diag_help(e->diags, d, "derivatives of this order stop there");
  return false;
}

static Value *derivative_like(Elab *e, const Value *x, IrRef g, Span span) {
  Value *v = tensor_like(e, span, tensor_type_real(x->u.tensor.type.shape), g, x->u.tensor.belongs, &x->u.tensor.hidden);
  return set_mark(e, v, x->u.tensor.present);
}

// y was not computed from x, or through something without a derivative only.
static Value *no_gradient(Elab *e, const Value *y, const Value *x, Span span) {
  IrFn *fn = e->scene->fn;
  IrRef by = IR_NONE;
  if (ad_path(fn, y->u.tensor.ir, x->u.tensor.ir, &by) == AD_BLOCKED) {
    Diag *d = elab_error(e, DIAG_NO_DERIVATIVE, span, "%s has no derivative, and the number depends on the value only through it",
                         elab_op_text(e, ir_at(fn, by)->op));
    diag_label(e->diags, d, x->span, "with respect to this");
    diag_help(e->diags, d, "take the derivative of something smooth, or with respect to what stands behind it");
    return value_error(e);
  }
  Diag *d = elab_error(e, DIAG_GRAD_WHAT, span, "the number was not computed from this value, so it has no derivative with respect to it");
  diag_label(e->diags, d, y->span, "the number");
  diag_label(e->diags, d, x->span, "the value");
  diag_help(e->diags, d, "give the value a name and compute the number from that name: `mid = …; grad(critic(mid), mid)`");
  return value_error(e);
}

// The slope of a number of one event by its own x holds what that x does to the others of the batch.
static void warn_coupled(Elab *e, const Value *y, const Value *x, Span span) {
  IrFn *fn = e->scene->fn;
  IrRef by = ad_couples(fn, y->u.tensor.ir, x->u.tensor.ir, moved_weights(e));
  if (by == IR_NONE) return;
  Diag *d = elab_error(e, DIAG_GRAD_BATCH, span, "a slope through what couples events: it is that of the sum over the batch, and not of one event alone");
  uint32_t at = ir_at(fn, by)->span;
  if (at != 0) diag_label(e->diags, d, (Span){at - 1, at}, "events meet here");
  diag_help(e->diags, d, "a critic whose slope is bounded event by event normalises each event: `layer_norm` in place of `batch_norm`");
}

// Each number of y is made of the x at its own place of the hidden axes, so the slope of their sum is that of each.
static bool each_of_its_own(const Hidden *y, const Hidden *x) {
  int found = 0;
  for (int i = 0; i < y->n; i++)
    for (int k = 0; k < x->n; k++) found += y->id[i] == x->id[k];
  return found == y->n;
}

static Value *grad_of_tensor(Elab *e, const Value *y, Value *x, Span span) {
  IrRef g;
  if (!each_of_its_own(&y->u.tensor.hidden, &x->u.tensor.hidden)) {
    Diag *d = elab_error(e, DIAG_GRAD_WHAT, span, "a number for each element of a list, by a value that all elements share");
    diag_label(e->diags, d, y->span, "the numbers");
    diag_label(e->diags, d, x->span, "the value");
    diag_help(e->diags, d, "take the derivative of their sum, or by what each element has of its own");
    return value_error(e);
  }
  if (!gradient(e, y, x, &g, span)) return value_error(e);
  if (g == IR_NONE) return no_gradient(e, y, x, span);
  warn_coupled(e, y, x, span);
  return derivative_like(e, x, g, span);
}

static Value *grad_of(Elab *e, const Value *y, Value *x, Span span) {
  if (x->kind == VALUE_TENSOR) return grad_of_tensor(e, y, x, span);
  if (x->kind != VALUE_RECORD) {
    Diag *d = elab_error(e, DIAG_GRAD_WHAT, span, "%s is no value of the program to take a derivative by", value_text(e->arena, x));
    diag_help(e->diags, d, "`grad(y, x)` is of a number y by a value x that y was computed from");
    return value_error(e);
  }
  if (x->u.record.vector != NULL) return grad_of_tensor(e, y, x->u.record.vector, span);
  Value *record = value_record(e, span);
  for (size_t i = 0; i < x->u.record.fields.len; i++) {
    const RecordField *f = &x->u.record.fields.at[i];
    Value *g = grad_of(e, y, f->value, span);
    if (value_is_error(g)) return g;
    VEC_PUSH(e->arena, &record->u.record.fields, (RecordField){f->name, g});
  }
  return record;
}

Value *builtin_grad(Elab *e, const Builtin *b, BuiltinCall *call) {
  (void)b;
  Value *y = elab_real(e, call->value[0], call->span);
  if (value_is_error(y) || tensor_ir(e, y) == IR_NONE) return value_error(e);
  if (extents_elements(&y->u.tensor.type.shape) != 1) {
    Diag *d = elab_error(e, DIAG_GRAD_NUMBER, call->span, "`grad` is of one number, this is %s", value_text(e->arena, y));
    diag_label(e->diags, d, y->span, "%s", elab_way(e, y));
    diag_help(e->diags, d, "`sum(…)` makes one number; `jacobian` is of several");
    return value_error(e);
  }
  return grad_of(e, y, call->value[1], call->span);
}

// One reverse pass for each number of y; rows of numbers that x has no part in are zero.
static Value *jacobian_of(Elab *e, Value *y, Value *x, Span span) {
  Extents rows = y->u.tensor.type.shape, columns = x->u.tensor.type.shape, row = {.rank = 1, .axes = {1}}, all = rows;
  int64_t n = extents_elements(&rows);
  if (rows.rank + columns.rank > IR_MAX_RANK - 2) return elab_not_built(e, span, "a jacobian of so many axes", FEWER_AXES);
  for (int i = 0; i < columns.rank; i++) row.axes[row.rank++] = all.axes[all.rank++] = columns.axes[i];
  Value *flat = tensor_reshape(e, y, (Extents){.rank = 1, .axes = {n}}, span);
  Values parts = {0};
  bool any = false;
  for (int64_t i = 0; i < n; i++) {
    Value *number = tensor_reshape(e, tensor_slice(e, flat, 0, i, i + 1, 1, span), (Extents){0}, span);
    IrRef g;
    if (value_is_error(number) || !gradient(e, number, x, &g, span)) return value_error(e);
    any |= g != IR_NONE;
    if (g == IR_NONE) g = ir_fill(e->scene->fn, *ir_type_of(e->scene->fn, x->u.tensor.ir), 0);
    VEC_PUSH(e->arena, &parts, tensor_reshape(e, derivative_like(e, x, g, span), row, span));
  }
  return any ? tensor_reshape(e, tensor_concat(e, &parts, 0, span), all, span) : no_gradient(e, y, x, span);
}

Value *builtin_jacobian(Elab *e, const Builtin *b, BuiltinCall *call) {
  (void)b;
  Value *y = elab_real(e, call->value[0], call->span), *x = call->value[1];
  if (x->kind == VALUE_RECORD && x->u.record.vector != NULL) x = x->u.record.vector;
  if (value_is_error(y) || tensor_ir(e, y) == IR_NONE) return value_error(e);
  if (y->u.tensor.hidden.n > 0)
    return elab_not_built(e, call->span, "a jacobian inside a map of one number, or for each element of a list,",
                          "`grad` of one number works for each element; take the jacobian outside of the list");
  if (x->kind == VALUE_TENSOR) return jacobian_of(e, y, x, call->span);
  Diag *d = elab_error(e, DIAG_GRAD_WHAT, call->span, "%s is no value of the program to take a derivative by", value_text(e->arena, x));
  diag_help(e->diags, d, "`jacobian(y, x)` is of a list by a list that it was computed from");
  return value_error(e);
}
