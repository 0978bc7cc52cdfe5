#include "lang/value.h"

#include <math.h>
#include <stddef.h>
#include <string.h>

#include "lang/elab.h"

// Numbers and strings come by the ten thousand (masks, orders): they get no room for a tensor.
static size_t value_size(ValueKind kind) {
  bool small = kind == VALUE_INT || kind == VALUE_REAL || kind == VALUE_BOOL || kind == VALUE_STRING;
  return small ? offsetof(Value, u) + sizeof(double) : sizeof(Value);
}

static Value *value_new(Elab *e, ValueKind kind, Span span) {
  Value *v = arena_alloc(e->work, value_size(kind));
  v->kind = kind;
  v->span = span;
  v->log_jacobian = IR_NONE;
  return v;
}

Value *value_error(Elab *e) { return value_new(e, VALUE_ERROR, (Span){0, 0}); }

// Where masks and orders are made the same place gives the same few numbers again and again: they are one value.
static Value *number_at(Elab *e, ValueKind kind, Span span, uint64_t bits) {
  uint64_t h = (bits ^ (uint64_t)span.begin << 20 ^ (uint64_t)span.end << 44 ^ (uint64_t)kind) * 0x9e3779b97f4a7c15u;
  Value **known = &e->numbers[h >> 52];
  Value *v = *known;
  if (v != NULL && v->kind == kind && v->span.begin == span.begin && v->span.end == span.end && memcmp(&v->u, &bits, sizeof bits) == 0) return v;
  v = *known = value_new(e, kind, span);
  memcpy(&v->u, &bits, sizeof bits);
  return v;
}

Value *value_int(Elab *e, Span span, int64_t x) { return number_at(e, VALUE_INT, span, (uint64_t)x); }

Value *value_real(Elab *e, Span span, double x) {
  uint64_t bits;
  memcpy(&bits, &x, sizeof bits);
  return number_at(e, VALUE_REAL, span, bits);
}

Value *value_bool(Elab *e, Span span, bool x) {
  uint64_t bits = 0;
  memcpy(&bits, &x, sizeof x);
  return number_at(e, VALUE_BOOL, span, bits);
}

Value *value_in_unit(Elab *e, Value *v, const char *unit) {
  if (unit == NULL) return v;
  v = value_copy(e, v);
  v->unit = unit;
  return v;
}

Value *value_string(Elab *e, Span span, const char *text) {
  Value *v = value_new(e, VALUE_STRING, span);
  v->u.string = text;
  return v;
}

Value *value_list(Elab *e, Span span) { return value_new(e, VALUE_LIST, span); }
Value *value_record(Elab *e, Span span) { return value_new(e, VALUE_RECORD, span); }

Value *value_tensor(Elab *e, Span span, TensorType type, IrRef ir, Belongs belongs) {
  Value *v = value_new(e, VALUE_TENSOR, span);
  v->u.tensor = (Tensor){.type = type, .fn = e->scene ? e->scene->fn : NULL, .ir = ir, .belongs = belongs};
  return v;
}

Value *value_module(Elab *e, Span span, Scope *names) {
  Value *v = value_new(e, VALUE_MODULE, span);
  v->u.module = names;
  return v;
}

Value *value_batch(Elab *e, Span span, Value *of, bool elements) {
  Value *v = value_new(e, VALUE_BATCH, span);
  v->u.batch.of = of;
  v->u.batch.elements = elements;
  return v;
}

Value *value_data(Elab *e, Span span, const char *name, ModelData *data, const void *block) {
  Value *v = value_new(e, VALUE_DATA, span);
  v->u.data.name = name;
  v->u.data.data = data;
  v->u.data.block = block;
  return v;
}

Value *value_copy(Elab *e, const Value *v) { return arena_dup(e->work, v, value_size(v->kind)); }

bool value_is_number(const Value *v) { return v->kind == VALUE_INT || v->kind == VALUE_REAL || v->kind == VALUE_BOOL; }

double value_number(const Value *v) {
  if (v->kind == VALUE_INT) return (double)v->u.integer;
  if (v->kind == VALUE_BOOL) return v->u.boolean;
  return v->kind == VALUE_REAL ? v->u.real : NAN;
}

bool value_is_static(const Value *v) {
  if (v->kind == VALUE_LIST) {
    for (size_t i = 0; i < v->u.list.len; i++)
      if (!value_is_static(v->u.list.at[i])) return false;
    return true;
  }
  return value_is_number(v) || v->kind == VALUE_STRING;
}

static bool same_list(const Value *a, const Value *b) {
  if (a->u.list.len != b->u.list.len) return false;
  for (size_t i = 0; i < a->u.list.len; i++)
    if (!value_same(a->u.list.at[i], b->u.list.at[i])) return false;
  return true;
}

bool value_same(const Value *a, const Value *b) {
  if (a == b) return true;
  if (value_is_number(a) && value_is_number(b)) return value_number(a) == value_number(b);
  if (a->kind != b->kind) return false;
  if (a->kind == VALUE_STRING) return strcmp(a->u.string, b->u.string) == 0;
  if (a->kind == VALUE_LIST) return same_list(a, b);
  if (a->kind != VALUE_TENSOR || a->u.tensor.ir == IR_NONE || a->u.tensor.ir != b->u.tensor.ir) return false;
  const Value *x = a->u.tensor.present, *y = b->u.tensor.present;
  return x == y || (x != NULL && y != NULL && value_same(x, y));
}

Value *value_field(const Value *record, const char *name) {
  if (record->kind != VALUE_RECORD) return NULL;
  for (size_t i = 0; i < record->u.record.fields.len; i++) {
    const RecordField *f = &record->u.record.fields.at[i];
    if (f->name != NULL && strcmp(f->name, name) == 0) return f->value;
  }
  return NULL;
}

int64_t field_type_numbers(const FieldType *t) {
  if (!t->record) return extents_elements(&t->type.shape) * (t->type.element == ELEMENT_CLASS ? t->type.classes->n : 1);
  int64_t n = 0;
  for (size_t i = 0; i < t->fields.len; i++) n += field_type_numbers(t->fields.at[i]);
  return n;
}

TensorType tensor_type_real(Extents shape) { return (TensorType){.element = ELEMENT_REAL, .shape = shape}; }

Extents extents_of(int rank, const int64_t *axes) {
  Extents s = {.rank = (uint8_t)rank};
  for (int i = 0; i < rank; i++) s.axes[i] = axes[i];
  return s;
}

bool extents_equal(const Extents *a, const Extents *b) { return a->rank == b->rank && memcmp(a->axes, b->axes, a->rank * sizeof a->axes[0]) == 0; }

int64_t extents_elements(const Extents *s) {
  int64_t n = 1;
  for (int i = 0; i < s->rank; i++) n *= s->axes[i];
  return n;
}

// ---- text

const char *extents_text(Arena *arena, const char *element, const Extents *s) {
  const char *text = element;
  for (int i = 0; i < s->rank; i++) text = arena_printf(arena, "%s%s%lld", text, i ? ", " : "[", (long long)s->axes[i]);
  return s->rank ? arena_printf(arena, "%s]", text) : text;
}

static bool all_angles(const TensorType *t) {
  if (t->circular == NULL) return false;
  int64_t n = t->shape.rank ? t->shape.axes[t->shape.rank - 1] : 1;
  for (int64_t i = 0; i < n; i++)
    if (!t->circular[i]) return false;
  return true;
}

const char *tensor_type_text(Arena *arena, const TensorType *t) {
  const char *element = all_angles(t) ? "angle" : "real";
  if (t->element == ELEMENT_INT) element = "int";
  if (t->element == ELEMENT_BOOL) element = "bool";
  if (t->element == ELEMENT_CLASS) element = arena_printf(arena, "class[%lld]", (long long)t->classes->n);
  Extents shown = t->shape;
  if (t->p4 && shown.rank > 0) element = "p4", shown.rank--;
  if (t->set) {
    Extents inner = {.rank = (uint8_t)(shown.rank - 1)};
    for (int i = 0; i < inner.rank; i++) inner.axes[i] = shown.axes[i + 1];
    return arena_printf(arena, "set[%lld] of %s", (long long)shown.axes[0], extents_text(arena, element, &inner));
  }
  return extents_text(arena, element, &shown);
}

static const char *list_text(Arena *arena, const Value *v) {
  if (!value_is_static(v) || v->u.list.len > 6) return arena_printf(arena, "a list of %zu", v->u.list.len);
  const char *text = "the list [";
  for (size_t i = 0; i < v->u.list.len; i++) {
    const Value *x = v->u.list.at[i];
    if (!value_is_number(x)) return arena_printf(arena, "a list of %zu", v->u.list.len);
    text = arena_printf(arena, "%s%s%g", text, i ? ", " : "", value_number(x));
  }
  return arena_printf(arena, "%s]", text);
}

static const char *record_text(Arena *arena, const Value *v) {
  if (v->type != NULL && v->type->name[0] != '\0') return arena_printf(arena, "%s (%lld numbers)", v->type->name, (long long)field_type_numbers(v->type));
  const char *text = "";
  for (size_t i = 0; i < v->u.record.fields.len; i++) {
    const RecordField *f = &v->u.record.fields.at[i];
    text = arena_printf(arena, "%s%s%s", text, i ? ", " : "", f->name ? f->name : value_text(arena, f->value));
  }
  return arena_printf(arena, "a record (%s)", text);
}

static const char *callable_text(Arena *arena, const Callable *c) {
  const char *name = c->name ? c->name : "";
  switch (c->kind) {
  case CALL_FN: return arena_printf(arena, "the function `%s`", name);
  case CALL_LAYER: return arena_printf(arena, "the layer `%s`", name);
  case CALL_NET: return arena_printf(arena, "the net `%s`", name);
  case CALL_BIJECTION: return arena_printf(arena, "the bijection `%s`", name);
  case CALL_LAMBDA: return "a function";
  case CALL_BUILTIN: return arena_printf(arena, "the built-in `%s`", name);
  case CALL_MEMBER: return arena_printf(arena, "`%s` of a bijection", name);
  }
  return name;
}

const char *value_text(Arena *arena, const Value *v) {
  switch (v->kind) {
  case VALUE_ERROR: return "a mistake";
  case VALUE_INT: return arena_printf(arena, "the number %lld", (long long)v->u.integer);
  case VALUE_REAL: return arena_printf(arena, "the number %g", v->u.real);
  case VALUE_BOOL: return v->u.boolean ? "true" : "false";
  case VALUE_STRING: return arena_printf(arena, "the text \"%s\"", v->u.string);
  case VALUE_LIST: return list_text(arena, v);
  case VALUE_RECORD: return record_text(arena, v);
  case VALUE_TENSOR: return tensor_type_text(arena, &v->u.tensor.type);
  case VALUE_CALLABLE: return callable_text(arena, &v->u.callable);
  case VALUE_DISTRIBUTION: return "a distribution";
  case VALUE_BIJECTION: return arena_printf(arena, "the bijection `%s`", v->u.bijection.decl->name.text);
  case VALUE_FLOW: return arena_printf(arena, "the flow `%s`", v->u.flow.decl->name.text);
  case VALUE_FIT: return "a fitted value";
  case VALUE_DATA: return arena_printf(arena, "the data `%s`", v->u.data.name);
  case VALUE_MODULE: return "an imported file";
  case VALUE_BATCH: return "a list over the batch";
  case VALUE_ALIKE: return arena_printf(arena, "a list of %lld", (long long)v->u.alike.n);
  }
  return "";
}
