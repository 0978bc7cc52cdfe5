// Arithmetic on what is known now: numbers, truth values, strings, and lists of them (component by component).
#include <math.h>
#include <string.h>

#include "lang/elab_core.h"
#include "lang/unit.h"

enum { LONGEST_LIST = 1 << 22 };
static const int64_t MOST_NUMBERS = (int64_t)1 << 31;

// ---- lists of numbers as arrays

bool static_shape(const Value *v, Extents *shape) {
  if (value_is_number(v)) {
    *shape = (Extents){0};
    return true;
  }
  if (v->kind != VALUE_LIST) return false;
  Extents inner = {0};
  if (v->u.list.len == 0) {
    *shape = (Extents){.rank = 1};
    return true;
  }
  for (size_t i = 0; i < v->u.list.len; i++) {
    Extents s;
    if (!static_shape(v->u.list.at[i], &s)) return false;
    if (i > 0 && !extents_equal(&s, &inner)) return false;
    inner = s;
  }
  if (inner.rank + 1 >= IR_MAX_RANK) return false;
  shape->rank = (uint8_t)(inner.rank + 1);
  shape->axes[0] = (int64_t)v->u.list.len;
  memcpy(shape->axes + 1, inner.axes, inner.rank * sizeof inner.axes[0]);
  return true;
}

static double *flatten_numbers(const Value *v, double *out, bool *booleans) {
  if (v->kind != VALUE_LIST) {
    *booleans = *booleans && v->kind == VALUE_BOOL;
    *out = value_number(v);
    return out + 1;
  }
  for (size_t i = 0; i < v->u.list.len; i++) out = flatten_numbers(v->u.list.at[i], out, booleans);
  return out;
}

bool static_numbers(Elab *e, const Value *v, Extents *shape, double **data, bool *booleans) {
  if (!static_shape(v, shape)) return false;
  int64_t n = extents_elements(shape);
  *data = ARENA_ARRAY(e->arena, double, n > 0 ? n : 1);
  *booleans = n > 0;
  flatten_numbers(v, *data, booleans);
  return true;
}

bool static_ints(const Value *v, const int64_t **out, int64_t *n, Arena *arena) {
  if (v->kind != VALUE_LIST) return false;
  *n = (int64_t)v->u.list.len;
  int64_t *ints = ARENA_ARRAY(arena, int64_t, *n > 0 ? *n : 1);
  for (int64_t i = 0; i < *n; i++) {
    const Value *x = v->u.list.at[i];
    if (x->kind != VALUE_INT) return false;
    ints[i] = x->u.integer;
  }
  *out = ints;
  return true;
}

Value *static_range(Elab *e, Span span, int64_t from, int64_t to) {
  Value *list = value_list(e, span);
  if (to - from > LONGEST_LIST) {
    Diag *d = elab_error(e, DIAG_TOO_LARGE, span, "a list of %lld numbers", (long long)(to - from));
    diag_help(e->diags, d, "lists are known when the program is checked; long ones belong into data");
    return value_error(e);
  }
  for (int64_t i = from; i < to; i++) VEC_PUSH(e->arena, &list->u.list, value_int(e, span, i));
  return list;
}

bool static_fits(Elab *e, const Extents *shape, Span span) {
  int64_t n = 1;
  bool fits = true;
  for (int i = 0; i < shape->rank; i++) fits = fits && !__builtin_mul_overflow(n, shape->axes[i], &n) && n <= MOST_NUMBERS;
  if (fits) return true;
  Diag *d = elab_error(e, DIAG_TOO_LARGE, span, "%s is too large", extents_text(e->arena, "real", shape));
  diag_help(e->diags, d, "a value, of an event or a weight, has at most %lld numbers", (long long)MOST_NUMBERS);
  return false;
}

// ---- components

static double component(IrOp op, double a, double b, bool *known) {
  switch ((int)op) {
  case IR_NEG: return -a;
  case IR_ABS: return fabs(a);
  case IR_SIGN: return (a > 0) - (a < 0);
  case IR_FLOOR: return floor(a);
  case IR_ROUND: return nearbyint(a);
  case IR_EXP: return exp(a);
  case IR_EXPM1: return expm1(a);
  case IR_LOG: return log(a);
  case IR_LOG1P: return log1p(a);
  case IR_SQRT: return sqrt(a);
  case IR_SIN: return sin(a);
  case IR_COS: return cos(a);
  case IR_TANH: return tanh(a);
  case IR_SIGMOID: return 1 / (1 + exp(-a));
  case IR_SINH: return sinh(a);
  case IR_COSH: return cosh(a);
  case IR_ASINH: return asinh(a);
  case IR_ERF: return erf(a);
  case IR_ERFC: return erfc(a);
  case IR_LGAMMA: return lgamma(a);
  case IR_STOP: return a;
  case IR_ATAN2: return atan2(a, b);
  case IR_MAX: return fmax(a, b);
  case IR_MIN: return fmin(a, b);
  case IR_ADD: return a + b;
  case IR_SUB: return a - b;
  case IR_MUL: return a * b;
  case IR_DIV: return a / b;
  case IR_POW: return pow(a, b);
  case IR_MOD: return a - b * floor(a / b);
  default: *known = false; return 0; // of all ops: those that have no rule for numbers known now
  }
}

static bool keeps_ints(IrOp op) {
  return op == IR_NEG || op == IR_ABS || op == IR_SIGN || op == IR_MAX || op == IR_MIN || op == IR_ADD || op == IR_SUB || op == IR_MUL || op == IR_MOD ||
         op == IR_STOP || op == IR_FLOOR || op == IR_ROUND;
}

static bool is_whole(const Value *v) { return v == NULL || v->kind == VALUE_INT || v->kind == VALUE_BOOL; }

static Value *number_component(Elab *e, IrOp op, Value *a, Value *b, Span span) {
  bool known = true;
  double x = component(op, value_number(a), b ? value_number(b) : 0, &known);
  if (!known) return NULL;
  bool to_int = op == IR_FLOOR || op == IR_ROUND || op == IR_SIGN;
  bool whole = keeps_ints(op) && (to_int || (is_whole(a) && is_whole(b)));
  if (op == IR_POW && a->kind == VALUE_INT && b->kind == VALUE_INT && b->u.integer >= 0) whole = true;
  Value *v = whole && fabs(x) < 9e15 ? value_int(e, span, (int64_t)x) : value_real(e, span, x);
  bool keeps_unit = op == IR_NEG || op == IR_ABS || op == IR_ADD || op == IR_SUB || op == IR_MAX || op == IR_MIN || op == IR_STOP;
  const char *unit = NULL;
  if (keeps_unit) unit = a->unit ? a->unit : b ? b->unit : NULL;
  if (op == IR_MUL) unit = unit_product(e->arena, a->unit, b->unit);
  if (op == IR_DIV) unit = unit_quotient(e->arena, a->unit, b->unit);
  return value_in_unit(e, v, unit);
}

static Value *mapped(Elab *e, Value *a, Value *b, Span span, Value *(*each)(Elab *, const void *, Value *, Value *, Span), const void *data) {
  bool list_a = a->kind == VALUE_LIST, list_b = b != NULL && b->kind == VALUE_LIST;
  if (!list_a && !list_b) return each(e, data, a, b, span);
  if (list_a && list_b && a->u.list.len != b->u.list.len) {
    elab_shape_error(e, span, a, b, "component by component, lists have one length");
    return value_error(e);
  }
  Value *out = value_list(e, span);
  size_t n = list_a ? a->u.list.len : b->u.list.len;
  for (size_t i = 0; i < n; i++) {
    Value *v = mapped(e, list_a ? a->u.list.at[i] : a, list_b ? b->u.list.at[i] : b, span, each, data);
    if (v == NULL || value_is_error(v)) return v;
    VEC_PUSH(e->arena, &out->u.list, v);
  }
  return out;
}

static Value *each_component(Elab *e, const void *data, Value *a, Value *b, Span span) { return number_component(e, *(const IrOp *)data, a, b, span); }

static bool all_numbers(const Value *v) {
  Extents shape;
  return v == NULL || static_shape(v, &shape);
}

Value *static_component(Elab *e, IrOp op, Value *a, Value *b, Span span) {
  if (!all_numbers(a) || !all_numbers(b)) return NULL;
  return mapped(e, a, b, span, each_component, &op);
}

// ---- the operators of the language

static IrOp arithmetic_op(AstBinary op) {
  switch (op) {
  case BIN_ADD: return IR_ADD;
  case BIN_SUB: return IR_SUB;
  case BIN_MUL: return IR_MUL;
  case BIN_DIV:
  case BIN_FLOORDIV: return IR_DIV;
  case BIN_MOD: return IR_MOD;
  case BIN_POW: return IR_POW;
  case BIN_MATMUL:
  case BIN_EQ:
  case BIN_NE:
  case BIN_LT:
  case BIN_LE:
  case BIN_GT:
  case BIN_GE:
  case BIN_AND:
  case BIN_OR: break;
  }
  return IR_OP_COUNT;
}

static Value *compare_numbers(Elab *e, AstBinary op, const Value *a, const Value *b, Span span) {
  double x = value_number(a), y = value_number(b);
  bool yes = op == BIN_EQ ? x == y : op == BIN_NE ? x != y : op == BIN_LT ? x < y : op == BIN_LE ? x <= y : op == BIN_GT ? x > y : x >= y;
  return value_bool(e, span, yes);
}

static Value *divided(Elab *e, Value *a, Value *b, Span span) {
  double x = value_number(a), y = value_number(b);
  if (y == 0) {
    Diag *d = elab_error(e, DIAG_OPERATOR, span, "`//` by zero");
    if (b->span.begin != 0) diag_label(e->diags, d, b->span, "%s", elab_way(e, b));
    diag_help(e->diags, d, "`a // b` counts how often b goes into a");
    return value_error(e);
  }
  double q = floor(x / y);
  return is_whole(a) && is_whole(b) ? value_int(e, span, (int64_t)q) : value_real(e, span, q);
}

// Truth values are joined by `and`, `or`, `not`; numbers by everything else.
static bool of_kind(Elab *e, const Value *v, bool truth, const char *what, Span span) {
  if ((v->kind == VALUE_BOOL) == truth) return true;
  Diag *d = elab_error(e, DIAG_OPERATOR, span, truth ? "%s joins comparisons, this is %s" : "%s takes numbers, this is %s", what, value_text(e->arena, v));
  if (v->span.begin != 0 && v->span.begin != span.begin) diag_label(e->diags, d, v->span, "%s", elab_way(e, v));
  diag_help(e->diags, d, truth ? "compare it: `n > 0`" : "`if … then 1 else 0` makes a number of a condition");
  return false;
}

static Value *each_binary(Elab *e, const void *data, Value *a, Value *b, Span span) {
  AstBinary op = *(const AstBinary *)data;
  if (op >= BIN_EQ && op <= BIN_GE) return compare_numbers(e, op, a, b, span);
  bool joins = op == BIN_AND || op == BIN_OR;
  const char *what = op == BIN_AND ? "`and`" : op == BIN_OR ? "`or`" : "arithmetic";
  if (!of_kind(e, a, joins, what, span) || !of_kind(e, b, joins, what, span)) return value_error(e);
  if (op == BIN_AND) return value_bool(e, span, value_number(a) != 0 && value_number(b) != 0);
  if (op == BIN_OR) return value_bool(e, span, value_number(a) != 0 || value_number(b) != 0);
  if (op == BIN_FLOORDIV) return divided(e, a, b, span);
  if (op == BIN_MOD && value_number(b) == 0) return divided(e, a, b, span);
  return number_component(e, arithmetic_op(op), a, b, span);
}

Value *static_binary(Elab *e, AstBinary op, Value *a, Value *b, Span span) { return mapped(e, a, b, span, each_binary, &op); }

static Value *each_not(Elab *e, const void *data, Value *a, Value *b, Span span) {
  (void)data, (void)b;
  return of_kind(e, a, true, "`not`", span) ? value_bool(e, span, value_number(a) == 0) : value_error(e);
}

Value *static_unary(Elab *e, AstUnary op, Value *a, Span span) {
  if (op == UN_NOT) return mapped(e, a, NULL, span, each_not, NULL);
  return a->kind == VALUE_BOOL && !of_kind(e, a, false, "`-`", span) ? value_error(e) : static_component(e, IR_NEG, a, NULL, span);
}
