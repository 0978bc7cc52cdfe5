// Shape rules of leaves, elementwise ops, reductions, contractions and linear algebra, and the question put to all
// rules.
#include "compiler/ir/shape.h"

#include <limits.h>
#include <math.h>
#include <string.h>

#define SAY(...) arena_printf(s->arena, __VA_ARGS__)

// ---- leaves

static const char *need_declared(const Shape *s) { return s->declared ? (*s->type = *s->declared, NULL) : "no type is given"; }

static const char *literal_number(const Shape *s, double x) {
  if (s->type->dtype == IR_BOOL && x != 0 && x != 1) return SAY("%g is no bool", x);
  if (s->type->dtype == IR_I32 && !(x >= INT32_MIN && x <= INT32_MAX && x == floor(x))) return SAY("%g is no i32", x);
  return NULL;
}

const char *shape_literal(const Shape *s) {
  const char *problem = need_declared(s);
  if (problem) return problem;
  if (ir_has_events(s->type)) return "a constant has no event axis: broadcast it";
  if ((problem = ir_type_problem(s->arena, s->type))) return problem;
  int64_t n = ir_elements(s->type);
  if (n > 0 && !s->attr->data) return "a constant without numbers";
  for (int64_t i = 0; i < n && !problem; i++) problem = literal_number(s, s->attr->data[i]);
  return problem;
}

const char *shape_iota(const Shape *s) {
  const char *problem = need_declared(s);
  if (problem) return problem;
  if (ir_has_events(s->type)) return "an iota has no event axis: broadcast it";
  if (s->type->dtype == IR_BOOL) return "an iota is i32 or real, not bool";
  if (s->attr->axis < 0 || s->attr->axis >= s->type->rank) return SAY("%s has no axis %d", ir_type_text(s->arena, s->type), s->attr->axis);
  return NULL;
}

const char *shape_leaf(const Shape *s) {
  const char *problem = need_declared(s);
  if (problem) return problem;
  if (!s->attr->name || !*s->attr->name) return "a leaf without a name";
  if (s->op != IR_INPUT && ir_has_events(s->type)) return SAY("\"%s\" : %s: only an input has an event axis", s->attr->name, ir_type_text(s->arena, s->type));
  if (ir_event_axes(s->type) > 1) return SAY("\"%s\" : %s: an input has one event axis", s->attr->name, ir_type_text(s->arena, s->type));
  if (s->op == IR_COUNTER && s->type->rank > 0) return SAY("\"%s\" : %s: a counter is one number", s->attr->name, ir_type_text(s->arena, s->type));
  return NULL;
}

const char *shape_draw(const Shape *s) {
  const char *problem = need_declared(s);
  if (problem) return problem;
  if (!s->attr->name || !*s->attr->name) return "a draw without a site";
  if (s->attr->draw > IR_DRAW_NUMBER) return SAY("%d is no kind of draw", s->attr->draw);
  if (s->attr->draw == IR_DRAW_NUMBER && s->type->dtype != IR_F64) return SAY("the number of an event is f64, not %s", ir_type_text(s->arena, s->type));
  bool bits = s->attr->draw == IR_DRAW_BITS;
  if (bits ? s->type->dtype != IR_I32 : !ir_is_real(s->type))
    return SAY("%s of type %s: bits are i32, uniform and normal are real", bits ? "bits" : "numbers", ir_type_text(s->arena, s->type));
  return ir_event_axes(s->type) > 1 ? "a draw has one event axis" : NULL;
}

// ---- elementwise

static const char *same_types(const Shape *s) {
  for (uint32_t i = 1; i < s->n; i++) {
    if (!ir_type_equal(shape_in(s, 0), shape_in(s, i))) return SAY("%s and %s differ", shape_text(s, 0), shape_text(s, i));
  }
  *s->type = *shape_in(s, 0);
  return NULL;
}

const char *shape_any(const Shape *s) { return same_types(s); }

const char *shape_number(const Shape *s) {
  const char *problem = same_types(s);
  if (!problem && s->type->dtype == IR_BOOL) return SAY("%s: not for bool", shape_text(s, 0));
  return problem;
}

const char *shape_real(const Shape *s) {
  const char *problem = same_types(s);
  if (!problem && !ir_is_real(s->type)) return SAY("%s: for real numbers only", shape_text(s, 0));
  return problem;
}

const char *shape_compare(const Shape *s) {
  const char *problem = s->op == IR_EQ ? shape_any(s) : shape_number(s);
  s->type->dtype = IR_BOOL;
  return problem;
}

const char *shape_logic(const Shape *s) {
  const char *problem = same_types(s);
  if (!problem && s->type->dtype != IR_BOOL) return SAY("%s: for bool only", shape_text(s, 0));
  return problem;
}

const char *shape_select(const Shape *s) {
  const IrType *c = shape_in(s, 0), *a = shape_in(s, 1), *b = shape_in(s, 2);
  if (c->dtype != IR_BOOL) return SAY("the condition is %s, it must be bool", shape_text(s, 0));
  if (!ir_type_equal(a, b)) return SAY("%s and %s differ", shape_text(s, 1), shape_text(s, 2));
  if (!ir_same_axes(c, a)) return SAY("the condition is %s, the branches are %s", shape_text(s, 0), shape_text(s, 1));
  *s->type = *a;
  return NULL;
}

const char *shape_cast(const Shape *s) {
  if (!s->declared) return "no type is given";
  *s->type = *shape_in(s, 0);
  s->type->dtype = s->declared->dtype;
  return NULL;
}

// ---- reductions

// Axes that are left: what stands first is the event axis.
static void rename_event_axes(IrType *t) {
  int events = 0;
  for (int i = 0; i < t->rank; i++) {
    if (t->axes[i] < 0) t->axes[i] = events++ ? IR_PAIRS : IR_EVENTS;
  }
}

static void drop_axes(const Shape *s, uint32_t axes) {
  const IrType *a = shape_in(s, 0);
  *s->type = (IrType){.dtype = a->dtype};
  for (int i = 0; i < a->rank; i++) {
    if (!(axes >> i & 1)) s->type->axes[s->type->rank++] = a->axes[i];
  }
  rename_event_axes(s->type);
}

const char *shape_reduce(const Shape *s) {
  const IrType *a = shape_in(s, 0);
  if (a->dtype == IR_BOOL) return SAY("%s: not for bool", shape_text(s, 0));
  if (s->attr->axes == 0) return "no axis is given";
  if (s->attr->axes >> a->rank) return SAY("%s lacks an axis of the mask 0x%x", shape_text(s, 0), s->attr->axes);
  drop_axes(s, s->attr->axes);
  return NULL;
}

// An axis that is no event axis.
static const char *own_axis(const Shape *s) {
  const IrType *a = shape_in(s, 0);
  int axis = s->attr->axis;
  if (axis < 0 || axis >= a->rank) return SAY("%s has no axis %d", shape_text(s, 0), axis);
  if (a->axes[axis] < 0) return SAY("%s: axis %d is an event axis", shape_text(s, 0), axis);
  return NULL;
}

const char *shape_argmax(const Shape *s) {
  const IrType *a = shape_in(s, 0);
  if (a->dtype == IR_BOOL) return SAY("%s: not for bool", shape_text(s, 0));
  const char *problem = own_axis(s);
  if (problem) return problem;
  if (a->axes[s->attr->axis] == 0) return SAY("%s: axis %d is empty", shape_text(s, 0), s->attr->axis);
  drop_axes(s, 1u << s->attr->axis);
  s->type->dtype = IR_I32;
  return NULL;
}

const char *shape_sort(const Shape *s) {
  const IrType *a = shape_in(s, 0);
  int64_t k = s->attr->from;
  if (a->dtype == IR_BOOL) return SAY("%s: not for bool", shape_text(s, 0));
  const char *problem = own_axis(s);
  if (problem) return problem;
  if (k < 1 || k > a->axes[s->attr->axis]) return SAY("size %lld along axis %d of %s", (long long)k, s->attr->axis, shape_text(s, 0));
  *s->type = *a;
  s->type->axes[s->attr->axis] = k;
  s->type->dtype = IR_I32;
  return NULL;
}

const char *shape_scan(const Shape *s) {
  const char *problem = shape_number(s);
  return problem ? problem : own_axis(s);
}

// ---- contraction

bool ir_einsum_parse(const char *spec, IrEinsum *parsed) {
  *parsed = (IrEinsum){0};
  int part = 0;
  for (const char *c = spec; *c; c++) {
    if (*c == ',' && part == 0) part = 1;
    else if (*c == '-' && c[1] == '>' && part == 1) part = 2, c++;
    else if (((*c >= 'a' && *c <= 'z') || (*c >= 'A' && *c <= 'Z')) && parsed->rank[part] < IR_MAX_RANK) parsed->letters[part][parsed->rank[part]++] = *c;
    else return false;
  }
  return part == 2;
}

int ir_einsum_axis(const IrEinsum *parsed, int which, char letter) {
  const char *at = letter ? strchr(parsed->letters[which], letter) : NULL;
  return at ? (int)(at - parsed->letters[which]) : -1;
}

static const char *einsum_operands(const Shape *s, const IrEinsum *e) {
  const IrType *in[2] = {shape_in(s, 0), shape_in(s, 1)};
  if (!ir_is_real(in[0]) || in[0]->dtype != in[1]->dtype) return SAY("%s and %s: operands are of one real type", shape_text(s, 0), shape_text(s, 1));
  for (int k = 0; k < 2; k++) {
    if (e->rank[k] != in[k]->rank) return SAY("\"%s\" in \"%s\" is an array %s", e->letters[k], s->attr->name, shape_text(s, (uint32_t)k));
    for (int i = 0; i < e->rank[k]; i++) {
      char letter = e->letters[k][i];
      if (ir_einsum_axis(e, k, letter) != i) return SAY("letter %c stands twice in \"%s\"", letter, e->letters[k]);
      int other = ir_einsum_axis(e, 1 - k, letter);
      if (other < 0 && ir_einsum_axis(e, 2, letter) < 0)
        return SAY("letter %c of \"%s\" stands neither in the other operand nor in the result", letter, s->attr->name);
      if (other < 0) continue;
      int64_t x = in[k]->axes[i], y = in[1 - k]->axes[other];
      if (x != y && !(x < 0 && y < 0)) return SAY("letter %c of \"%s\" has two extents: %s and %s", letter, s->attr->name, shape_text(s, 0), shape_text(s, 1));
    }
  }
  return NULL;
}

static int event_letters(const Shape *s, const IrEinsum *e) {
  int n = ir_event_axes(shape_in(s, 0));
  for (int i = 0; i < ir_event_axes(shape_in(s, 1)); i++) n += ir_einsum_axis(e, 0, e->letters[1][i]) < 0;
  return n;
}

const char *shape_einsum(const Shape *s) {
  IrEinsum e;
  if (!s->attr->name || !ir_einsum_parse(s->attr->name, &e)) return SAY("\"%s\" is no spec", s->attr->name ? s->attr->name : "");
  const char *problem = einsum_operands(s, &e);
  if (problem) return problem;
  if (event_letters(s, &e) > 2) return SAY("\"%s\" goes over three events at a time", s->attr->name);
  *s->type = (IrType){.dtype = shape_in(s, 0)->dtype, .rank = e.rank[2]};
  for (int i = 0; i < e.rank[2]; i++) {
    char letter = e.letters[2][i];
    if (ir_einsum_axis(&e, 2, letter) != i) return SAY("letter %c stands twice in \"%s\"", letter, e.letters[2]);
    int a = ir_einsum_axis(&e, 0, letter), b = ir_einsum_axis(&e, 1, letter);
    if (a < 0 && b < 0) return SAY("letter %c of the result of \"%s\" stands in no operand", letter, s->attr->name);
    s->type->axes[i] = a >= 0 ? shape_in(s, 0)->axes[a] : shape_in(s, 1)->axes[b];
  }
  rename_event_axes(s->type);
  return NULL;
}

// ---- linear algebra

const char *shape_square(const Shape *s) {
  const IrType *a = shape_in(s, 0);
  if (!ir_is_real(a) || a->rank != 2 || a->axes[0] != a->axes[1] || ir_has_events(a)) return SAY("%s is no square matrix of real weights", shape_text(s, 0));
  *s->type = *a;
  return NULL;
}

// ---- the question

static ShapeRule *const rules[IR_OP_COUNT] = {
#define OP(ENUM, TEXT, OPERANDS, CLASS, LOWER, RULE, ...) [IR_##ENUM] = shape_##RULE,
#include "compiler/ir/ops.def"
#undef OP
};

// bf16 is read and rounded to, nothing is computed in it.
static const char *kept_half(const Shape *s) {
  bool half = s->type->dtype == IR_BF16, from = false;
  for (uint32_t i = 0; i < s->n; i++) from |= shape_in(s, i)->dtype == IR_BF16;
  if (!half && !from) return NULL;
  switch ((int)s->op) {
  case IR_PARAM:
  case IR_STATE:
  case IR_RESHAPE:
  case IR_TRANSPOSE:
  case IR_BROADCAST:
  case IR_SLICE:
  case IR_WINDOWS: return NULL;
  case IR_CAST: {
    IrDtype other = half ? shape_in(s, 0)->dtype : s->type->dtype;
    return other == IR_F32 || other == IR_BF16 ? NULL : SAY("%s to %s: bf16 is cast from and to f32 only", shape_text(s, 0), ir_type_text(s->arena, s->type));
  }
  default: return "bf16 is cast to f32 before it is used";
  }
}

const char *ir_infer(const IrFn *fn, Arena *arena, IrOp op, const IrRef *operands, uint32_t n, const IrAttr *attr, const IrType *declared, IrType *type) {
  int wanted = ir_op_info[op].operands;
  if (wanted >= 0 ? n != (uint32_t)wanted : n == 0) return wanted >= 0 ? arena_printf(arena, "%u operands, it takes %d", n, wanted) : "no operands";
  for (uint32_t i = 0; i < n; i++) {
    if (operands[i] >= fn->values.len) return arena_printf(arena, "operand %u is no earlier value", i);
  }
  static const IrAttr none;
  const Shape s = {fn, arena, op, n, operands, attr ? attr : &none, declared, type};
  const char *problem = rules[op](&s);
  if (!problem) problem = kept_half(&s);
  return problem ? problem : ir_type_problem(arena, type);
}
