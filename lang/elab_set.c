#include "lang/elab_set.h"

#include <math.h>

#include "lang/elab_builtin.h"

Value *set_mark(Elab *e, const Value *array, Value *present) {
  Value *v = value_copy(e, array);
  v->u.tensor.present = present;
  v->u.tensor.type.set = present != NULL;
  return v;
}

Value *set_refused(Elab *e, const Value *v, Span span, const char *what) {
  Diag *d = elab_error(e, DIAG_FLATTEN_SET, span, "%s of %s, whose elements have no order", what, value_text(e->arena, v));
  if (v->span.begin != 0 && v->span.begin != span.begin) diag_label(e->diags, d, v->span, "%s", elab_way(e, v));
  diag_help(e->diags, d, "pool it over its elements first: `sum`, `mean` or `amax` with `axis = 0`");
  return value_error(e);
}

bool sets_agree(Elab *e, const Value *v, const Value *b, Span span) {
  if (value_is_set(v) && value_is_set(b) && v->u.tensor.present->u.tensor.ir != b->u.tensor.present->u.tensor.ir) {
    Diag *d = elab_error(e, DIAG_FLATTEN_SET, span, "two sets meet that do not have the same elements");
    diag_label(e->diags, d, v->span, "%s", elab_way(e, v));
    diag_label(e->diags, d, b->span, "%s", elab_way(e, b));
    diag_help(e->diags, d, "pool one of them: `mean(x, axis = 0)` goes with every element of the other");
    return false;
  }
  return true;
}

Value *set_kept(Elab *e, Value *out, const Value *v, const Value *b, Span span) {
  if (b != NULL && !sets_agree(e, v, b, span)) return value_error(e);
  if (b != NULL && !value_is_set(v)) v = b;
  if (!value_is_set(v) || out->kind != VALUE_TENSOR) return out;
  const Extents *s = &out->u.tensor.type.shape, *of = &v->u.tensor.type.shape;
  if (s->rank == of->rank && s->axes[0] == of->axes[0]) return set_mark(e, out, v->u.tensor.present);
  return set_refused(e, v, span, "an array");
}

// present with as many axes as the set
static Value *beside(Elab *e, const Value *v, Span span) {
  Extents shape = {.rank = v->u.tensor.type.shape.rank};
  for (int i = 0; i < shape.rank; i++) shape.axes[i] = i == 0 ? v->u.tensor.type.shape.axes[0] : 1;
  return tensor_reshape(e, v->u.tensor.present, shape, span);
}

Value *set_filled(Elab *e, Value *v, double fill, Span span) {
  if (!value_is_set(v)) return v;
  const TensorType type = v->u.tensor.type;
  Value *filled = tensor_select(e, beside(e, v, span), set_mark(e, v, NULL), value_real(e, span, fill), span);
  if (value_is_error(filled)) return filled;
  filled->u.tensor.type.unit = type.unit;
  filled->u.tensor.type.p4 = type.p4;
  filled->span = v->span;
  return filled;
}

Value *set_count(Elab *e, const Value *v, Span span) { return tensor_sum_axes(e, IR_SUM, elab_cast(e, v->u.tensor.present, e->model->real), 1, false, span); }

// ---- built-in functions of sets

Value *builtin_count(Elab *e, const Builtin *b, BuiltinCall *call) {
  Value *v = call->value[0];
  if (value_is_set(v)) return set_count(e, v, call->span);
  Diag *d = elab_error(e, DIAG_TYPE, call->span, "`%s` is of a set, this is %s", b->name, value_text(e->arena, v));
  diag_help(e->diags, d, "`len(v)` is the length of an array");
  return value_error(e);
}

static Value *number_of_elements(Elab *e, BuiltinCall *call) {
  Value *n = elab_real(e, call->value[1], call->at[1]);
  if (value_is_error(n) || n->u.tensor.type.shape.rank == 0) return n;
  Diag *d = elab_error(e, DIAG_TYPE, call->at[1], "how many elements are there is one number, this is %s", value_text(e->arena, n));
  diag_help(e->diags, d, "`noise |> first(n)` with a number n of the event");
  return value_error(e);
}

// The first n of an array as a set.
Value *builtin_first(Elab *e, const Builtin *b, BuiltinCall *call) {
  (void)b;
  Value *v = elab_real(e, call->value[0], call->at[0]), *n = number_of_elements(e, call);
  if (value_is_error(v) || value_is_error(n)) return value_error(e);
  if (value_is_set(v)) return set_refused(e, v, call->span, "the first");
  if (v->u.tensor.type.shape.rank == 0) {
    Diag *d = elab_error(e, DIAG_TYPE, call->span, "`first` makes a set of an array, this is one number");
    diag_help(e->diags, d, "`noise ~ normal[30, 3]; noise |> first(n)`");
    return value_error(e);
  }
  int64_t places = v->u.tensor.type.shape.axes[0];
  double *place = ARENA_ARRAY(e->arena, double, places + 1);
  for (int64_t i = 0; i < places; i++) place[i] = (double)i;
  Value *present = tensor_compare(e, IR_LT, tensor_const(e, call->span, ELEMENT_REAL, extents_of(1, &places), place), n, call->span);
  if (value_is_error(present)) return present;
  Value *set = set_mark(e, v, present);
  return set_mark(e, set_filled(e, set, 0, call->span), present);
}
