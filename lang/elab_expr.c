// Expressions.
#include <string.h>

#include "lang/elab_core.h"

enum { DEEPEST_EXPRESSION = 4000, MOST_VALUES = 1000000 };

static Value *elab_number(Elab *e, Scope *scope, const AstExpr *x) {
  (void)scope;
  double value = x->u.number.value;
  Value *v = x->u.number.integer && value < 9e15 ? value_int(e, x->span, (int64_t)value) : value_real(e, x->span, value);
  return x->u.number.unit.text == NULL ? v : elab_in_unit(e, v, x->u.number.unit, x->span);
}

static Value *elab_list(Elab *e, Scope *scope, const AstExpr *x) {
  Value *list = value_list(e, x->span);
  bool bad = false;
  for (size_t i = 0; i < x->u.items.len; i++) {
    Value *v = elab_stand(e, elab_expr(e, scope, x->u.items.at[i]), x->u.items.at[i]->span);
    bad = bad || value_is_error(v);
    VEC_PUSH(e->arena, &list->u.list, v);
  }
  return bad ? value_error(e) : list;
}

static Value *elab_tuple(Elab *e, Scope *scope, const AstExpr *x) {
  Value *record = value_record(e, x->span);
  bool bad = false;
  for (size_t i = 0; i < x->u.items.len; i++) {
    Value *v = elab_stand(e, elab_expr(e, scope, x->u.items.at[i]), x->u.items.at[i]->span);
    bad = bad || value_is_error(v);
    VEC_PUSH(e->arena, &record->u.record.fields, (RecordField){NULL, v});
  }
  return bad ? value_error(e) : record;
}

static Value *elab_fill(Elab *e, Scope *scope, const AstExpr *x) {
  Value *v = elab_stand(e, elab_expr(e, scope, x->u.fill.value), x->u.fill.value->span);
  Value *count = elab_expr(e, scope, x->u.fill.count);
  int64_t n;
  if (value_is_error(v) || !elab_setting_int(e, count, x->u.fill.count->span, "the length of a list", &n)) return value_error(e);
  Value *list = static_range(e, x->span, 0, n);
  for (size_t i = 0; list->kind == VALUE_LIST && i < list->u.list.len; i++) list->u.list.at[i] = v;
  return list;
}

// ---- comprehensions

static bool bind_element(Elab *e, Scope *scope, const AstFor *loop, Value *v, Span span) {
  AstPattern pattern = {.tuple = loop->names.len > 1, .span = span};
  for (size_t i = 0; i < loop->names.len; i++) VEC_PUSH(e->arena, &pattern.names, loop->names.at[i]);
  int errors = e->diags->errors;
  elab_bind_pattern(e, scope, &pattern, v, span);
  return e->diags->errors == errors;
}

static bool loop_elements(Elab *e, Scope *scope, const AstFor *loop, Value *from, Values *out) {
  if (value_is_error(from)) return false;
  if (loop->to != NULL) {
    int64_t a, b;
    if (!elab_setting_int(e, from, loop->from->span, "where a range begins", &a)) return false;
    if (!elab_setting_int(e, elab_expr(e, scope, loop->to), loop->to->span, "where a range ends", &b)) return false;
    Value *list = static_range(e, loop->from->span, a, b);
    if (value_is_error(list)) return false;
    *out = list->u.list;
    return true;
  }
  if (from->kind == VALUE_LIST || from->kind == VALUE_ALIKE) return *out = alike_listed(e, from)->u.list, true;
  if (from->kind == VALUE_RECORD) {
    for (size_t i = 0; i < from->u.record.fields.len; i++) VEC_PUSH(e->arena, out, from->u.record.fields.at[i].value);
    return true;
  }
  if (from->kind == VALUE_TENSOR && from->u.tensor.type.shape.rank > 0) {
    Extents rest = from->u.tensor.type.shape;
    int64_t n = rest.axes[0];
    rest.rank--;
    memmove(rest.axes, rest.axes + 1, rest.rank * sizeof rest.axes[0]);
    for (int64_t i = 0; i < n; i++) VEC_PUSH(e->arena, out, tensor_reshape(e, elab_index_static(e, from, 0, &i, 1, from->span), rest, from->span));
    return true;
  }
  Diag *d = elab_error(e, DIAG_TYPE, loop->from->span, "`for` goes through a list, this is %s", value_text(e->arena, from));
  diag_help(e->diags, d, "`for i in 0:n` counts");
  return false;
}

// from: what the loop of this depth goes through
static bool comprehend(Elab *e, Scope *scope, const AstExpr *x, size_t depth, Value *from, Values *out) {
  if (depth == x->u.comprehension.loops.len) {
    Value *v = elab_stand(e, elab_expr(e, scope, x->u.comprehension.body), x->u.comprehension.body->span);
    if (value_is_error(v)) return false;
    VEC_PUSH(e->arena, out, v);
    return true;
  }
  Values elements = {0};
  const AstFor *loop = &x->u.comprehension.loops.at[depth];
  if (!loop_elements(e, scope, loop, from, &elements)) return false;
  Scope *inner = NULL; // one for all elements, unless a function keeps it
  for (size_t i = 0; i < elements.len; i++) {
    bool again = inner != NULL && !inner->captured && loop->names.len == 1 && inner->order.len == 1;
    if (again) inner->order.at[0]->value = elements.at[i];
    else inner = scope_new(e, scope);
    if (!again && !bind_element(e, inner, loop, elements.at[i], x->span)) return false;
    bool last = depth + 1 == x->u.comprehension.loops.len;
    Value *next = last ? NULL : elab_expr(e, inner, x->u.comprehension.loops.at[depth + 1].from);
    if (!comprehend(e, inner, x, depth + 1, next, out)) return false;
  }
  return true;
}

// `[… for o in batch(v)]` is elaborated once, for a pair of events.
static Value *over_batch(Elab *e, Scope *scope, const AstExpr *x, Value *batch) {
  const AstFor *loop = &x->u.comprehension.loops.at[0];
  if (x->u.comprehension.loops.len > 1)
    return elab_not_built(
        e, x->span, "a comprehension over a batch and another list",
        "`[… for o in batch(v)]` goes over the batch alone; the other list stands in its body: `sum([sum([f(o, k) for k in 0:3]) for o in batch(v)])`");
  if (batch->u.batch.elements)
    return elab_not_built(e, x->span, "a comprehension over a comprehension over a batch",
                          "reduce the inner list first: `m = sum([f(v, o) for o in batch(v)])`, then `batch(m)`");
  Scope *inner = scope_new(e, scope);
  Value *other = batch_element(e, batch, batch->span);
  if (value_is_error(other) || !bind_element(e, inner, loop, other, x->span)) return value_error(e);
  Value *body = elab_stand(e, elab_expr(e, inner, x->u.comprehension.body), x->u.comprehension.body->span);
  return value_is_error(body) ? body : batch_of_elements(e, body, x->span);
}

// Without a name for the index, and through what is a list of alike elements already, the body is elaborated once.
static bool are_alike(Elab *e, Scope *scope, const AstExpr *x, Value *from, AlikeElement *element) {
  const AstFor *loop = &x->u.comprehension.loops.at[0];
  if (x->u.comprehension.loops.len > 1) return false;
  bool unnamed = loop->names.len == 1 && strcmp(loop->names.at[0].text, "_") == 0;
  if (!unnamed || loop->to == NULL) return alike_element(e, from, element);
  Values elements = {0};
  if (!loop_elements(e, scope, loop, from, &elements) || elements.len == 0) return false;
  *element = alike_unnamed(e, (int64_t)elements.len);
  return true;
}

static Value *together(Elab *e, Scope *scope, const AstExpr *x, const AlikeElement *element) {
  Scope *inner = scope_new(e, scope);
  if (element->value != NULL && !bind_element(e, inner, &x->u.comprehension.loops.at[0], element->value, x->span)) return value_error(e);
  if (!alike_enter(e, element, x->span)) return value_error(e);
  Value *body = elab_stand(e, elab_expr(e, inner, x->u.comprehension.body), x->u.comprehension.body->span);
  return alike_leave(e, element, body, x->span);
}

static Value *elab_comprehension(Elab *e, Scope *scope, const AstExpr *x) {
  Value *from = elab_expr(e, scope, x->u.comprehension.loops.at[0].from), *list = value_list(e, x->span);
  AlikeElement element;
  if (from->kind == VALUE_BATCH) return over_batch(e, scope, x, from);
  if (are_alike(e, scope, x, from, &element)) return together(e, scope, x, &element);
  return comprehend(e, scope, x, 0, from, &list->u.list) ? list : value_error(e);
}

// ---- operators

static Value *elab_binary_ast(Elab *e, Scope *scope, const AstExpr *x) {
  AstBinary op = x->u.binary.op;
  Value *a = elab_expr(e, scope, x->u.binary.left);
  bool decides = a->kind == VALUE_BOOL && ((op == BIN_AND && !a->u.boolean) || (op == BIN_OR && a->u.boolean));
  if (decides) return value_bool(e, x->span, a->u.boolean);
  Value *b = elab_expr(e, scope, x->u.binary.right);
  return elab_binary(e, op, a, b, x->span);
}

static const bool *uniform(const Value *list) { // all elements of a list of truth values agree: which
  static const bool both[2] = {false, true};
  if (list->kind != VALUE_LIST || list->u.list.len == 0) return NULL;
  for (size_t i = 0; i < list->u.list.len; i++) {
    const Value *v = list->u.list.at[i];
    if (v->kind != VALUE_BOOL || v->u.boolean != list->u.list.at[0]->u.boolean) return NULL;
  }
  return &both[list->u.list.at[0]->u.boolean];
}

static Value *elab_if(Elab *e, Scope *scope, const AstExpr *x) {
  Value *c = elab_expr(e, scope, x->u.choose.condition);
  if (value_is_error(c)) return c;
  const bool *known = c->kind == VALUE_BOOL ? &c->u.boolean : uniform(c);
  if (known != NULL) return elab_expr(e, scope, *known ? x->u.choose.yes : x->u.choose.no);
  if (value_is_number(c)) {
    Diag *d = elab_error(e, DIAG_TYPE, x->u.choose.condition->span, "`if` asks for true or false, this is %s", value_text(e->arena, c));
    diag_help(e->diags, d, "compare it: `if n > 0 then … else …`");
    return value_error(e);
  }
  Value *yes = elab_expr(e, scope, x->u.choose.yes), *no = elab_expr(e, scope, x->u.choose.no);
  return tensor_select(e, c, yes, no, x->span);
}

static Value *elab_fn(Elab *e, Scope *scope, const AstExpr *x) {
  for (Scope *s = scope; s != NULL && !s->captured; s = s->parent) s->captured = true;
  Value *v = value_copy(e, value_error(e));
  v->kind = VALUE_CALLABLE;
  v->span = x->span;
  v->u.callable = (Callable){.kind = CALL_LAMBDA, .name = "fn", .lambda = x, .scope = scope};
  return v;
}

// ---- members

static Value *no_member(Elab *e, const Value *object, AstName name, const char *list) {
  Diag *d = elab_error(e, DIAG_RECORD_FIELD, name.span, "%s has no `%s`", value_text(e->arena, object), name.text);
  if (object->span.begin != 0) diag_label(e->diags, d, object->span, "%s", elab_way(e, object));
  if (list != NULL) diag_help(e->diags, d, "it has %s", list);
  else diag_help(e->diags, d, "records, fields of data, their columns, flows and bijections have members");
  return value_error(e);
}

static Value *record_member(Elab *e, Value *object, AstName name) {
  Value *v = value_field(object, name.text);
  if (v != NULL) return v;
  const char *list = NULL;
  for (size_t i = 0; i < object->u.record.fields.len; i++) {
    const char *f = object->u.record.fields.at[i].name;
    if (f != NULL) list = list == NULL ? f : arena_printf(e->arena, "%s, %s", list, f);
  }
  return no_member(e, object, name, list);
}

// x.pt1 of a field x = ["pt1", "pt2"]
static Value *column_member(Elab *e, Value *object, AstName name) {
  int64_t place = object->type == NULL || e->hooks.column_place == NULL ? -1 : e->hooks.column_place(e, object, name.text);
  if (place < 0) return no_member(e, object, name, NULL);
  Extents row = {1, {extents_elements(&object->u.tensor.type.shape)}};
  return tensor_reshape(e, elab_index_static(e, tensor_reshape(e, object, row, name.span), 0, &place, 1, name.span), (Extents){0}, name.span);
}

static Value *tensor_member(Elab *e, Value *object, AstName name) {
  static const char *const parts[] = {"e", "px", "py", "pz"};
  if (!object->u.tensor.type.p4) return column_member(e, object, name);
  Extents rest = object->u.tensor.type.shape;
  rest.rank--;
  for (int64_t i = 0; i < 4; i++) {
    if (strcmp(parts[i], name.text) != 0) continue;
    Value *part = elab_index_static(e, object, rest.rank, &i, 1, name.span);
    return tensor_reshape(e, part, rest, name.span);
  }
  return no_member(e, object, name, "e, px, py, pz; the functions `pt`, `eta`, `phi`, `mass` take it");
}

static Value *direction_member(Elab *e, Value *object, AstName name, Span span) {
  bool inverse = strcmp(name.text, "inverse") == 0;
  if (!inverse && strcmp(name.text, "forward") != 0) return no_member(e, object, name, "forward and inverse");
  Value *v = value_copy(e, value_error(e));
  v->kind = VALUE_CALLABLE;
  v->span = span;
  v->u.callable = (Callable){.kind = CALL_MEMBER, .name = name.text, .self = object, .inverse = inverse};
  return v;
}

// What a data block says of its fields is the same for all elements of a list.
static Value *data_member(Elab *e, Value *object, AstName name) {
  if (e->hooks.data_field == NULL) return no_member(e, object, name, NULL);
  const Hidden lists = alike_suspend(e);
  Value *v = e->hooks.data_field(e, object, name);
  e->scene->alike = lists;
  return v;
}

// Of its own names alone: what an imported file sees around itself is nothing that it has.
static Value *module_member(Elab *e, Value *object, AstName name) {
  Scope *scope = object->u.module;
  if (scope_own(scope, name.text) != NULL) return scope_value(e, scope, name);
  const char *list = "";
  for (size_t i = 0; i < scope->order.len; i++) {
    const char *own = scope->order.at[i]->name; // with a point: a name that the compiler gave
    if (strchr(own, '.') == NULL) list = arena_printf(e->arena, "%s%s%s", list, list[0] != '\0' ? ", " : "", own);
  }
  return no_member(e, object, name, list);
}

Value *elab_member(Elab *e, Value *object, AstName name, Span span) {
  switch (object->kind) {
  case VALUE_ERROR: return object;
  case VALUE_RECORD: return record_member(e, object, name);
  case VALUE_TENSOR: return tensor_member(e, object, name);
  case VALUE_FLOW:
  case VALUE_BIJECTION: return direction_member(e, object, name, span);
  case VALUE_MODULE: return module_member(e, object, name);
  case VALUE_DATA: return data_member(e, object, name);
  case VALUE_CALLABLE:
    if (object->u.callable.kind == CALL_BIJECTION) {
      Values none = {0};
      Value *made = elab_call(e, object, &none, span);
      return value_is_error(made) ? made : direction_member(e, made, name, span);
    }
    return no_member(e, object, name, NULL);
  case VALUE_INT:
  case VALUE_REAL:
  case VALUE_BOOL:
  case VALUE_STRING:
  case VALUE_LIST:
  case VALUE_DISTRIBUTION:
  case VALUE_BATCH:
  case VALUE_ALIKE: return no_member(e, object, name, NULL);
  case VALUE_FIT: return fit_member(e, object, name, span);
  }
  return value_error(e);
}

// ---- len(events.x): the type of a field, without its value

static Value *field_length(Elab *e, Scope *scope, const AstExpr *x) {
  if (x->kind != EX_FIELD || e->hooks.field_type == NULL) return NULL;
  const char *path = x->u.field.name.text;
  const AstExpr *object = x->u.field.object;
  while (object->kind == EX_FIELD) {
    path = arena_printf(e->arena, "%s.%s", object->u.field.name.text, path);
    object = object->u.field.object;
  }
  if (object->kind != EX_NAME) return NULL;
  Binding *b = scope_find(scope, object->u.name);
  if (b == NULL) return NULL;
  Value *data = scope_value(e, scope, (AstName){object->u.name, object->span});
  if (data->kind != VALUE_DATA) return NULL;
  const FieldType *t = e->hooks.field_type(e, data, path);
  if (t == NULL) return no_member(e, data, x->u.field.name, NULL);
  return value_int(e, x->span, field_type_numbers(t));
}

static Value *elab_call_expr(Elab *e, Scope *scope, const AstExpr *x) {
  Value *callee = elab_expr(e, scope, x->u.call.callee);
  if (value_is_error(callee)) return callee;
  bool asks_length =
      callee->kind == VALUE_CALLABLE && callee->u.callable.builtin != NULL && x->u.call.args.len == 1 && strcmp(callee->u.callable.name, "len") == 0;
  if (asks_length) {
    Value *n = field_length(e, scope, x->u.call.args.at[0].value);
    if (n != NULL) return n;
  }
  return elab_call_ast(e, scope, callee, x, NULL, false);
}

// ---- all of them

static Value *name_value(Elab *e, Scope *scope, const AstExpr *x) {
  Value *v = scope_value(e, scope, (AstName){x->u.name, x->span});
  bool other_side = v->kind == VALUE_TENSOR && v->u.tensor.ir == IR_NONE;
  return other_side && e->scene->types_only ? tensor_stand_in(e, v) : v;
}

static Value *elab_expr_at(Elab *e, Scope *scope, const AstExpr *x) {
  switch (x->kind) {
  case EX_ERROR: return value_error(e);
  case EX_NAME: return name_value(e, scope, x);
  case EX_NUMBER: return elab_number(e, scope, x);
  case EX_STRING: return value_string(e, x->span, x->u.string);
  case EX_BOOL: return value_bool(e, x->span, x->u.boolean);
  case EX_LIST: return elab_list(e, scope, x);
  case EX_FILL: return elab_fill(e, scope, x);
  case EX_COMPREHENSION: return elab_comprehension(e, scope, x);
  case EX_TUPLE: return elab_tuple(e, scope, x);
  case EX_UNARY: return elab_unary(e, x->u.unary.op == UN_NOT ? IR_NOT : IR_NEG, elab_expr(e, scope, x->u.unary.operand), x->span);
  case EX_BINARY: return elab_binary_ast(e, scope, x);
  case EX_PIPE: return elab_apply_pipe(e, scope, x);
  case EX_UNIT: return elab_in_unit(e, elab_expr(e, scope, x->u.unit.operand), x->u.unit.unit, x->span);
  case EX_IF: return elab_if(e, scope, x);
  case EX_FN: return elab_fn(e, scope, x);
  case EX_FIELD: return elab_member(e, elab_expr(e, scope, x->u.field.object), x->u.field.name, x->span);
  case EX_CALL: return elab_call_expr(e, scope, x);
  case EX_INDEX: return elab_index(e, scope, x);
  }
  return value_error(e);
}

static bool too_large(Elab *e, Span span) {
  if (e->scene->fn->values.len < MOST_VALUES) return false;
  if (!e->too_large) {
    Diag *d = elab_error(e, DIAG_TOO_LARGE, span, "the program has more than %d values here", MOST_VALUES);
    diag_help(e->diags, d, "make the repeats and lists smaller: each pass is written out");
  }
  e->too_large = true;
  return true;
}

Value *elab_expr(Elab *e, Scope *scope, const AstExpr *x) {
  if (e->depth > DEEPEST_EXPRESSION || too_large(e, x->span)) return value_error(e);
  const SourceFile *file = source_of(e->sources, x->span);
  IrFn *fn = e->scene->fn;
  uint32_t before = fn->span;
  if (file != NULL && !file->library) fn->span = x->span.begin + 1;
  e->depth++;
  Value *v = elab_expr_at(e, scope, x);
  e->depth--;
  fn->span = before;
  return v;
}
