// Lists whose elements are alike: the body of `[… for _ in 0:n]`, or of a comprehension over such a list or over the rows of an array,
// is elaborated once. The elements lie along a hidden axis (value.h), which every operation carries along.
//
//   zs = [draw(prior) for _ in 0:1024]
//   logsumexp([log_prob(law, x | z) for z in zs])      one pass through the law over 1024 numbers an event, not 1024 passes
//
// A list keeps its axis; whoever goes through it gets one of his own, so that two loops over one list make all pairs. An axis that is
// opened later has the greater id: that of a list is the last hidden one of its elements, right in front of what the language shows.
#include <string.h>

#include "lang/elab_set.h"

enum { MOST_LISTS = 2 }; // inside each other: MAX_HIDDEN less what bijections are lifted over

static Value *refuse(Elab *e, Span span, const char *what, const char *cure) {
  Diag *d = elab_error(e, DIAG_ALIKE, span, "%s in a list whose elements are computed together", what);
  diag_help(e->diags, d, "%s", cure);
  return value_error(e);
}

static const char *ONE_BY_ONE = "`for i in 0:n` with a name for the index, and `list[i]`, computes them one by one";

// ---- the tensors that a value is made of

typedef struct Change {
  int32_t id, new_id; // of the hidden axis
  int64_t at;         // < 0: it gets new_id; else this element alone
} Change;

static int axis_of(const Tensor *t, int32_t id) {
  for (int i = 0; i < t->hidden.n; i++)
    if (t->hidden.id[i] == id) return i;
  return -1;
}

static Value *changed_tensor(Elab *e, const Value *v, const Change *c) {
  Value *out = value_copy(e, v);
  Tensor *t = &out->u.tensor;
  int k = axis_of(t, c->id);
  if (k < 0) return out;
  if (c->at < 0) {
    t->hidden.id[k] = c->new_id;
    return out;
  }
  IrFn *fn = e->scene->fn;
  if (t->ir == IR_NONE || t->fn != fn) {
    t->hidden.n--;
    return out;
  }
  int axis = tensor_events(e, t) + k;
  IrType rest = *ir_type_of(fn, t->ir);
  for (int i = axis; i + 1 < rest.rank; i++) rest.axes[i] = rest.axes[i + 1];
  t->ir = ir_reshape(fn, ir_slice(fn, t->ir, axis, c->at, c->at + 1, 1), rest.rank - 1, rest.axes);
  t->hidden.n--; // the last one
  return out;
}

static Value *changed(Elab *e, Value *v, const Change *c) {
  if (v == NULL) return NULL;
  Value *out;
  switch (v->kind) {
  case VALUE_TENSOR:
    out = changed_tensor(e, v, c);
    out->u.tensor.present = changed(e, v->u.tensor.present, c);
    return out;
  case VALUE_RECORD:
    out = value_record(e, v->span);
    out->type = v->type;
    for (size_t i = 0; i < v->u.record.fields.len; i++) {
      const RecordField *f = &v->u.record.fields.at[i];
      VEC_PUSH(e->arena, &out->u.record.fields, (RecordField){f->name, changed(e, f->value, c)});
    }
    out->u.record.vector = changed(e, v->u.record.vector, c);
    return out;
  case VALUE_LIST:
    out = value_list(e, v->span);
    for (size_t i = 0; i < v->u.list.len; i++) VEC_PUSH(e->arena, &out->u.list, changed(e, v->u.list.at[i], c));
    return out;
  case VALUE_DISTRIBUTION:
    out = value_copy(e, v);
    out->u.distribution.a = changed(e, v->u.distribution.a, c);
    out->u.distribution.b = changed(e, v->u.distribution.b, c);
    return out;
  default: return v;
  }
}

// Values, and laws of values: what can be seen as a list of such. Nets, flows and functions cannot.
static bool of_values(const Value *v) {
  switch (v->kind) {
  case VALUE_TENSOR:
  case VALUE_DISTRIBUTION: return true;
  case VALUE_RECORD:
    for (size_t i = 0; i < v->u.record.fields.len; i++)
      if (!of_values(v->u.record.fields.at[i].value)) return false;
    return true;
  case VALUE_LIST:
    for (size_t i = 0; i < v->u.list.len; i++)
      if (!of_values(v->u.list.at[i])) return false;
    return true;
  default: return value_is_static(v);
  }
}

static bool has_hidden(const Value *v) {
  if (v->kind == VALUE_TENSOR) return v->u.tensor.hidden.n > 0;
  for (size_t i = 0; v->kind == VALUE_RECORD && i < v->u.record.fields.len; i++)
    if (has_hidden(v->u.record.fields.at[i].value)) return true;
  return false;
}

bool alike_refused(Elab *e, const Value *v, Span span, const char *what) {
  if (!has_hidden(v)) return false;
  refuse(e, span, what, ONE_BY_ONE);
  return true;
}

// ---- the list as other values

static Value *element_at(Elab *e, const Value *list, int64_t i) { return changed(e, list->u.alike.of, &(Change){.id = list->u.alike.id, .at = i}); }

Value *alike_listed(Elab *e, Value *v) {
  if (v->kind != VALUE_ALIKE) return v;
  Value *list = value_list(e, v->span);
  for (int64_t i = 0; i < v->u.alike.n; i++) VEC_PUSH(e->arena, &list->u.list, element_at(e, v, i));
  return list;
}

static const bool *angles_of_rows(Elab *e, const TensorType *row, int64_t n) {
  if (!circular_any(row) || row->shape.rank > 0) return row->circular;
  bool *flags = ARENA_ARRAY(e->arena, bool, n);
  for (int64_t i = 0; i < n; i++) flags[i] = true;
  return flags;
}

Value *alike_stacked(Elab *e, const Value *list, Span span) {
  Value *row = elab_real(e, list->u.alike.of, span);
  if (value_is_error(row) || tensor_ir(e, row) == IR_NONE) return value_error(e);
  if (value_is_set(row)) return set_refused(e, row, span, "a list");
  Layout own = layout_of(e, &row->u.tensor);
  Layout all = layout_join(&own, &(Layout){.hidden = {.n = 1, .id = {list->u.alike.id}, .extent = {list->u.alike.n}}}, own.shape);
  TensorType type = row->u.tensor.type;
  if (!layout_fits(e, &all, span)) return value_error(e);
  type.circular = angles_of_rows(e, &row->u.tensor.type, list->u.alike.n);
  memmove(type.shape.axes + 1, type.shape.axes, type.shape.rank * sizeof type.shape.axes[0]);
  type.shape.axes[0] = list->u.alike.n;
  type.shape.rank++;
  IrRef ir = tensor_spread(e, row, &all);
  all.hidden.n--; // the list's own axis is the first of the shape now
  return tensor_like(e, list->span, type, ir, row->u.tensor.belongs, &all.hidden);
}

Value *alike_index(Elab *e, Value *list, const Value *index, Span span) {
  int64_t n = list->u.alike.n, i = index->u.integer < 0 ? index->u.integer + n : index->u.integer;
  if (i >= 0 && i < n) return element_at(e, list, i);
  Diag *d = elab_error(e, DIAG_INDEX, span, "index %lld of %s, which ends at %lld", (long long)index->u.integer, value_text(e->arena, list), (long long)n - 1);
  diag_help(e->diags, d, "0 is the first, -1 the last");
  return value_error(e);
}

// ---- going through them

// The rows of an array as one value with a hidden axis; NULL where they have to be taken one by one: sets say so, and rows that are
// numbers of which some are angles.
static Value *row_of(Elab *e, const Value *array, int32_t id) {
  const TensorType *type = &array->u.tensor.type;
  bool mixed = type->shape.rank == 1 && circular_any(type);
  if (type->shape.rank == 0 || type->shape.axes[0] == 0 || type->set || mixed || array->u.tensor.ir == IR_NONE) return NULL;
  Value *row = value_copy(e, array);
  Tensor *t = &row->u.tensor;
  row->type = NULL;
  if (t->hidden.n == MAX_HIDDEN) return NULL;
  t->hidden.id[t->hidden.n] = id;
  t->hidden.extent[t->hidden.n++] = type->shape.axes[0];
  t->type.shape.rank--;
  memmove(t->type.shape.axes, type->shape.axes + 1, t->type.shape.rank * sizeof type->shape.axes[0]);
  t->type.p4 = type->p4 && t->type.shape.rank > 0;
  return row;
}

bool alike_element(Elab *e, Value *from, AlikeElement *out) {
  int32_t id = e->next_hidden + 1;
  if (from->kind == VALUE_ALIKE) {
    const Change own = {.id = from->u.alike.id, .new_id = id, .at = -1};
    *out = (AlikeElement){.value = changed(e, from->u.alike.of, &own), .n = from->u.alike.n};
  } else if (from->kind == VALUE_TENSOR) {
    *out = (AlikeElement){.value = row_of(e, from, id)};
    if (out->value == NULL) return false;
    out->n = from->u.tensor.type.shape.axes[0];
  } else {
    return false;
  }
  out->id = e->next_hidden = id;
  return true;
}

AlikeElement alike_unnamed(Elab *e, int64_t n) { return (AlikeElement){.id = ++e->next_hidden, .n = n}; }

bool alike_enter(Elab *e, const AlikeElement *element, Span span) {
  Hidden *axes = &e->scene->alike;
  if (axes->n == MOST_LISTS) {
    refuse(e, span, "a third list", ONE_BY_ONE);
    return false;
  }
  if (axes->n == 0) e->scene->alike_place = e->place;
  axes->id[axes->n] = element->id;
  axes->extent[axes->n++] = element->n;
  return true;
}

Value *alike_leave(Elab *e, const AlikeElement *element, Value *body, Span span) {
  e->scene->alike.n--;
  if (value_is_error(body)) return body;
  if (body->kind == VALUE_ALIKE) {
    bool numbers = body->u.alike.of->kind == VALUE_TENSOR && !value_is_set(body->u.alike.of);
    body = numbers ? alike_stacked(e, body, span) : alike_listed(e, body);
  }
  if (value_is_static(body)) {
    Value *list = value_list(e, span);
    for (int64_t i = 0; i < element->n; i++) VEC_PUSH(e->arena, &list->u.list, body);
    return list;
  }
  if (!of_values(body)) return refuse(e, span, value_text(e->arena, body), ONE_BY_ONE);
  Value *list = value_copy(e, value_error(e));
  list->kind = VALUE_ALIKE;
  list->span = span;
  list->u.alike.of = body;
  list->u.alike.id = element->id;
  list->u.alike.n = element->n;
  return list;
}

Hidden alike_suspend(Elab *e) {
  Hidden axes = e->scene->alike;
  e->scene->alike.n = 0;
  return axes;
}

bool alike_own_weights(Elab *e, Span span) {
  if (e->scene->alike.n == 0) return false;
  for (const Place *p = e->place; p != NULL && p != e->scene->alike_place; p = p->outer)
    if (p->owner != NULL && strcmp(p->path, p->owner) == 0) return false; // of a net or a flow: all elements share them
  refuse(e, span, "weights", "in a net of its own all elements share them; `for i in 0:n` with a name for the index gives each its own");
  return true;
}
