// The operators of the language: what is known now is computed now, the rest becomes elementwise values of the program.
#include <math.h>
#include <string.h>

#include "lang/elab_set.h"
#include "lang/unit.h"

Value *elab_unary(Elab *e, IrOp op, Value *a, Span span) {
  if (value_is_error(a)) return a;
  if (op == IR_NOT) {
    if (value_is_static(a)) return static_unary(e, UN_NOT, a, span);
    a = elab_tensor(e, a, span);
    if (value_is_error(a)) return a;
    IrRef ir = tensor_ir(e, a);
    if (ir == IR_NONE || a->u.tensor.type.element != ELEMENT_BOOL) {
      Diag *d = elab_error(e, DIAG_OPERATOR, span, "`not` takes true or false, this is %s", value_text(e->arena, a));
      diag_help(e->diags, d, "compare it: `not x > 0`");
      return value_error(e);
    }
    Value *out = tensor_like(e, span, a->u.tensor.type, ir_unary(e->scene->fn, op, ir), a->u.tensor.belongs, &a->u.tensor.hidden);
    return set_mark(e, out, a->u.tensor.present);
  }
  if (op == IR_NEG && a->kind == VALUE_BOOL) return static_unary(e, UN_NEG, a, span);
  Value *known = static_component(e, op, a, NULL, span);
  return known != NULL ? known : tensor_apply(e, op, a, span);
}

static const char *unit_of(const Value *v) { return v->kind == VALUE_TENSOR ? v->u.tensor.type.unit : v->unit; }

static const char *verb_of(AstBinary op) { return op == BIN_ADD ? "adding" : op == BIN_SUB ? "subtracting" : op == BIN_DIV ? "dividing" : "comparing"; }

// Sums and comparisons take one unit. A quotient may be of two things (cm and ns), but not of one thing in two units.
static bool units_meet(Elab *e, AstBinary op, Value *a, Value *b, Span span) {
  const char *x = unit_of(a), *y = unit_of(b);
  double factor;
  if (x == NULL || y == NULL || strcmp(x, y) == 0) return true;
  if (!unit_known(x) || !unit_known(y)) return true; // said where it was declared
  bool converts = unit_convert(y, x, &factor);
  if (op == BIN_DIV && !converts) return true;
  Diag *d = elab_error(e, DIAG_UNIT, span, "%s %s %s %s", verb_of(op), x, op == BIN_DIV ? "by" : "with", y);
  diag_label(e->diags, d, a->span, "in %s", x);
  diag_label(e->diags, d, b->span, "in %s", y);
  if (converts && unit_exists(x)) diag_help(e->diags, d, "`in` converts: `(… in %s)` around the second, with the brackets", x);
  else if (converts) diag_help(e->diags, d, "convert before it is squared: `(… in %s)`", unit_root(e->arena, x));
  else diag_help(e->diags, d, "they measure different things: leave one out, or write the number without a unit");
  return false;
}

static Value *power(Elab *e, Value *a, Value *b, Span span) {
  if (b->kind == VALUE_INT && b->u.integer >= 1 && b->u.integer <= 64) {
    Value *result = NULL, *square = elab_real(e, a, span);
    for (int64_t n = b->u.integer; n > 0; n >>= 1) {
      if (n & 1) result = result == NULL ? square : tensor_combine(e, IR_MUL, result, square, span);
      if (n > 1) square = tensor_combine(e, IR_MUL, square, square, span);
    }
    return result;
  }
  if (value_is_number(b) && value_number(b) == 0.5) return tensor_apply(e, IR_SQRT, a, span);
  if (b->kind == VALUE_INT && b->u.integer < 0 && b->u.integer >= -64)
    return tensor_combine(e, IR_DIV, value_int(e, span, 1), power(e, a, value_int(e, span, -b->u.integer), span), span);
  if (value_is_number(a) && value_number(a) > 0)
    return tensor_apply(e, IR_EXP, tensor_combine(e, IR_MUL, value_real(e, span, log(value_number(a))), b, span), span);
  return tensor_combine(e, IR_POW, a, b, span);
}

// ---- angles

// Inside a bijection a product would tear the circle apart; elsewhere only products with weights do, and they warn.
static bool tears_circle(Elab *e, AstBinary op, Value *a, Value *b, Span span) {
  if (!e->in_bijection || (op != BIN_MUL && op != BIN_DIV && op != BIN_POW)) return false;
  Value *side[2] = {a, b};
  for (int i = 0; i < 2; i++) {
    if (side[i]->kind != VALUE_TENSOR) continue;
    const Tensor *t = &side[i]->u.tensor;
    if (!circular_any(&t->type) && t->lifted_circular == NULL) continue;
    Diag *d = elab_error(e, DIAG_ANGLE_LINEAR, span, "`%s` scales an angle", e->in_bijection);
    diag_help(e->diags, d, "splines, `turn` and `permute` take angles; `sincos` in the chain makes two numbers of one");
    return true;
  }
  return false;
}

// ---- classes

static bool is_class(const Value *v) { return v->kind == VALUE_TENSOR && v->u.tensor.type.element == ELEMENT_CLASS; }

static const char *values_text(Elab *e, const ClassValues *classes) {
  if (classes->values.len == 0) return arena_printf(e->arena, "0 to %lld", (long long)classes->n - 1);
  const char *text = "";
  for (size_t i = 0; i < classes->values.len && i < 8; i++) text = arena_printf(e->arena, "%s%s%g", text, i > 0 ? ", " : "", classes->values.at[i]);
  return classes->values.len > 8 ? arena_printf(e->arena, "%s, …", text) : text;
}

// Which of the classes a number says; -1: none, which is reported.
static int64_t class_of(Elab *e, const ClassValues *classes, double x, Span span) {
  for (int64_t i = 0; i < classes->n; i++)
    if (x == (classes->values.len > 0 ? classes->values.at[i] : (double)i)) return i;
  Diag *d = elab_error(e, DIAG_CLASS_RANGE, span, "%g is none of the %lld values of this class", x, (long long)classes->n);
  diag_help(e->diags, d, "its values are %s", values_text(e, classes));
  return -1;
}

static Value *class_constant(Elab *e, const ClassValues *classes, Value *number, Span span) {
  double index = (double)class_of(e, classes, value_number(number), span);
  return index < 0 ? value_error(e) : tensor_const(e, number->span, ELEMENT_INT, (Extents){0}, &index);
}

static Value *text_constant(Elab *e, const ClassValues *classes, Value *text, Span span) {
  for (size_t i = 0; i < classes->texts.len; i++) {
    double index = (double)i;
    if (strcmp(classes->texts.at[i], text->u.string) == 0) return tensor_const(e, text->span, ELEMENT_INT, (Extents){0}, &index);
  }
  Diag *d = elab_error(e, DIAG_CLASS_RANGE, span, "\"%s\" is none of the values of this class", text->u.string);
  diag_help(e->diags, d, "say one of the texts that the field lists");
  return value_error(e);
}

static Value *constant_of(Elab *e, const ClassValues *classes, Value *v, Span span) {
  return v->kind == VALUE_STRING ? text_constant(e, classes, v, span) : class_constant(e, classes, v, span);
}

Value *elab_as_class(Elab *e, const ClassValues *classes, Value *v, Span span) {
  if (value_is_number(v) || v->kind == VALUE_STRING) {
    Value *constant = constant_of(e, classes, v, span);
    if (value_is_error(constant)) return constant;
    constant->u.tensor.type.element = ELEMENT_CLASS;
    constant->u.tensor.type.classes = classes;
    return constant;
  }
  if (!is_class(v)) return NULL;
  const long long n = v->u.tensor.type.classes->n;
  if (n == classes->n) return v;
  Diag *d = elab_error(e, DIAG_CLASS_RANGE, span, "class[%lld] where class[%lld] is expected", n, (long long)classes->n);
  if (v->span.begin != span.begin) diag_label(e->diags, d, v->span, "%s", elab_way(e, v));
  diag_help(e->diags, d, "both have as many values: class[%lld] here, or class[%lld] there", n, (long long)classes->n);
  return value_error(e);
}

static Value *compare_classes(Elab *e, Value *a, Value *b, Span span) {
  if (!is_class(a)) {
    Value *swap = a;
    a = b;
    b = swap;
  }
  const ClassValues *classes = a->u.tensor.type.classes;
  if (value_is_number(b) || b->kind == VALUE_STRING) b = constant_of(e, classes, b, span);
  else if (is_class(b) && b->u.tensor.type.classes->n != classes->n) {
    Diag *d = elab_error(e, DIAG_CLASS_RANGE, span, "class[%lld] is compared with class[%lld]", (long long)classes->n, (long long)b->u.tensor.type.classes->n);
    diag_label(e->diags, d, a->span, "%s", elab_way(e, a));
    diag_label(e->diags, d, b->span, "%s", elab_way(e, b));
    diag_help(e->diags, d, "classes of one kind have the same number of values");
    return value_error(e);
  }
  if (value_is_error(b)) return b;
  Value *x = value_copy(e, a), *y = value_copy(e, b);
  x->u.tensor.type.element = ELEMENT_INT;
  if (is_class(b)) y->u.tensor.type.element = ELEMENT_INT;
  return tensor_compare(e, IR_EQ, x, y, span);
}

// ---- the table of operators

// The number that the column of a class holds, beside one that it never is.
static bool never_equal(Elab *e, const Value *physical, const Value *number, Span span) {
  const ClassValues *classes = physical->kind == VALUE_TENSOR && !is_class(physical) ? physical->u.tensor.type.classes : NULL;
  return classes != NULL && value_is_number(number) && class_of(e, classes, value_number(number), span) < 0;
}

static Value *compare(Elab *e, AstBinary op, Value *a, Value *b, Span span) {
  if (op == BIN_EQ || op == BIN_NE) {
    if (never_equal(e, a, b, span) || never_equal(e, b, a, span)) return value_error(e);
    Value *same = is_class(a) || is_class(b) ? compare_classes(e, a, b, span) : tensor_compare(e, IR_EQ, a, b, span);
    return op == BIN_EQ || value_is_error(same) ? same : elab_unary(e, IR_NOT, same, span);
  }
  if (!units_meet(e, op, a, b, span)) return value_error(e);
  if (op == BIN_LT) return tensor_compare(e, IR_LT, a, b, span);
  if (op == BIN_LE) return tensor_compare(e, IR_LE, a, b, span);
  return tensor_compare(e, op == BIN_GT ? IR_LT : IR_LE, b, a, span);
}

static Value *with_unit(Value *v, const char *unit) {
  if (v->kind == VALUE_TENSOR) v->u.tensor.type.unit = unit;
  return v;
}

static bool is_whole_pair(const Value *a, const Value *b) {
  bool ia = a->kind == VALUE_INT || (a->kind == VALUE_TENSOR && a->u.tensor.type.element == ELEMENT_INT);
  bool ib = b->kind == VALUE_INT || (b->kind == VALUE_TENSOR && b->u.tensor.type.element == ELEMENT_INT);
  return ia && ib;
}

static bool is_p4_pair(const Value *a, const Value *b) {
  bool pa = a->kind == VALUE_TENSOR && a->u.tensor.type.p4, pb = b->kind == VALUE_TENSOR && b->u.tensor.type.p4;
  return pa || pb;
}

// An angle moved along is an angle still, so that scaling it afterwards is seen.
static void still_angle(Value *v, const Value *from) {
  if (v->kind != VALUE_TENSOR || from->kind != VALUE_TENSOR) return;
  if (from->u.tensor.lifted_circular != NULL) v->u.tensor.lifted_circular = from->u.tensor.lifted_circular;
  bool same = extents_equal(&v->u.tensor.type.shape, &from->u.tensor.type.shape);
  if (same && from->u.tensor.type.circular != NULL) v->u.tensor.type.circular = from->u.tensor.type.circular;
}

static Value *sum_like(Elab *e, IrOp op, Value *a, Value *b, Span span) {
  if (!units_meet(e, op == IR_ADD ? BIN_ADD : BIN_SUB, a, b, span)) return value_error(e);
  Value *v = is_whole_pair(a, b) ? tensor_whole(e, op, a, b, span) : tensor_combine(e, op, a, b, span);
  if (e->in_bijection != NULL) still_angle(v, a), still_angle(v, b);
  return with_unit(v, unit_of(a) ? unit_of(a) : unit_of(b));
}

static Value *product_like(Elab *e, IrOp op, Value *a, Value *b, Span span) {
  const char *x = unit_of(a), *y = unit_of(b);
  if (op == IR_MUL && is_whole_pair(a, b)) return tensor_whole(e, op, a, b, span);
  if (op == IR_DIV && !units_meet(e, BIN_DIV, a, b, span)) return value_error(e);
  return with_unit(tensor_combine(e, op, a, b, span), op == IR_MUL ? unit_product(e->arena, x, y) : unit_quotient(e->arena, x, y));
}

// x^2 is in the square of x's unit, sqrt(x) and x^0.5 in the root.
static const char *power_unit(Elab *e, Value *a, Value *b) {
  const char *unit = unit_of(a);
  if (b->kind == VALUE_INT && b->u.integer == 1) return unit;
  if (b->kind == VALUE_INT && b->u.integer == 2 && unit != NULL) return unit_product(e->arena, unit, unit);
  return value_is_number(b) && value_number(b) == 0.5 ? unit_root(e->arena, unit) : NULL;
}

static Value *arithmetic(Elab *e, AstBinary op, Value *a, Value *b, Span span) {
  Value *v = NULL;
  switch (op) {
  case BIN_ADD: v = sum_like(e, IR_ADD, a, b, span); break;
  case BIN_SUB: v = sum_like(e, IR_SUB, a, b, span); break;
  case BIN_MUL: v = product_like(e, IR_MUL, a, b, span); break;
  case BIN_DIV: v = product_like(e, IR_DIV, a, b, span); break;
  case BIN_FLOORDIV: v = tensor_apply(e, IR_FLOOR, tensor_combine(e, IR_DIV, a, b, span), span); break;
  case BIN_MOD: v = tensor_combine(e, IR_MOD, a, b, span); break;
  case BIN_POW: v = with_unit(power(e, a, b, span), power_unit(e, a, b)); break;
  case BIN_MATMUL: v = tensor_matmul(e, a, b, span); break;
  case BIN_AND: v = tensor_logic(e, IR_AND, a, b, span); break;
  case BIN_OR: v = tensor_logic(e, IR_OR, a, b, span); break;
  case BIN_EQ:
  case BIN_NE:
  case BIN_LT:
  case BIN_LE:
  case BIN_GT:
  case BIN_GE: v = compare(e, op, a, b, span); break;
  }
  bool keeps_p4 = op == BIN_ADD || op == BIN_SUB || op == BIN_MUL || op == BIN_DIV;
  if (v->kind == VALUE_TENSOR && keeps_p4 && is_p4_pair(a, b)) {
    const Extents *s = &v->u.tensor.type.shape;
    v->u.tensor.type.p4 = s->rank > 0 && s->axes[s->rank - 1] == 4;
  }
  return v;
}

static bool same_definition(const Value *a, const Value *b) {
  const Callable *x = &a->u.callable, *y = &b->u.callable;
  return x->kind == y->kind && x->decl == y->decl && x->lambda == y->lambda && x->builtin == y->builtin;
}

static bool both_static(AstBinary op, const Value *a, const Value *b) {
  if (op == BIN_MATMUL) return false;
  Extents x, y;
  if (!static_shape(a, &x) || !static_shape(b, &y)) return false;
  return x.rank == 0 || y.rank == 0 || extents_equal(&x, &y);
}

Value *elab_binary(Elab *e, AstBinary op, Value *a, Value *b, Span span) {
  if (value_is_error(a) || value_is_error(b)) return value_error(e);
  bool equality = op == BIN_EQ || op == BIN_NE;
  if (equality && a->kind == VALUE_STRING && b->kind == VALUE_STRING) return value_bool(e, span, (strcmp(a->u.string, b->u.string) == 0) == (op == BIN_EQ));
  if (equality && a->kind == VALUE_CALLABLE && b->kind == VALUE_CALLABLE) return value_bool(e, span, same_definition(a, b) == (op == BIN_EQ));
  if (both_static(op, a, b)) {
    bool meet = op == BIN_ADD || op == BIN_SUB || op == BIN_DIV || (op >= BIN_LT && op <= BIN_GE);
    if (meet && !units_meet(e, op, a, b, span)) return value_error(e);
    return static_binary(e, op, a, b, span);
  }
  return tears_circle(e, op, a, b, span) ? value_error(e) : arithmetic(e, op, a, b, span);
}

Value *elab_in_unit(Elab *e, Value *v, AstName unit, Span span) {
  if (value_is_error(v)) return v;
  if (!unit_exists(unit.text)) {
    const char *best = unit_nearest(unit.text);
    Diag *d = best ? elab_error(e, DIAG_UNIT_UNKNOWN, unit.span, "`%s` is no unit; did you mean %s?", unit.text, best)
                   : elab_error(e, DIAG_UNIT_UNKNOWN, unit.span, "`%s` is no unit", unit.text);
    diag_help(e->diags, d, "units are energies, lengths, times and angles: GeV, MeV, mm, cm, ns, rad");
    return value_error(e);
  }
  double factor;
  const char *from = unit_of(v);
  if (!unit_convert(from, unit.text, &factor)) {
    Diag *d = elab_error(e, DIAG_UNIT, span, "%s is no %s", from, unit.text);
    diag_label(e->diags, d, v->span, "in %s", from);
    diag_help(e->diags, d, "units convert within energies, lengths, times and angles");
    return value_error(e);
  }
  Value *out = factor == 1 ? value_copy(e, v) : elab_binary(e, BIN_MUL, v, value_real(e, span, factor), span);
  if (out->kind != VALUE_TENSOR) return value_in_unit(e, out, unit.text);
  out->u.tensor.type.unit = unit.text;
  return out;
}
