// v[i], v[a:b:c], v[..., 0], v[list], table[label], law[n, m].
#include <string.h>

#include "lang/elab_core.h"

static Value *out_of_range(Elab *e, Span span, const Value *v, int64_t index, int64_t n) {
  Diag *d = elab_error(e, DIAG_INDEX, span, "index %lld of %s, which ends at %lld", (long long)index, value_text(e->arena, v), (long long)n - 1);
  if (v->span.begin != 0 && v->span.begin != span.begin) diag_label(e->diags, d, v->span, "%s", elab_way(e, v));
  diag_help(e->diags, d, "0 is the first, -1 the last");
  return value_error(e);
}

static bool bound_of(Elab *e, Scope *scope, const AstExpr *x, int64_t n, int64_t fallback, int64_t *out) {
  *out = fallback;
  if (x == NULL) return true;
  if (!elab_setting_int(e, elab_expr(e, scope, x), x->span, "the bound of a slice", out)) return false;
  if (*out < 0) *out += n;
  return true;
}

static int64_t within(int64_t x, int64_t low, int64_t high) { return x < low ? low : x > high ? high : x; }

// from, to, step of a slice of an axis of n, like Python's.
static bool slice_bounds(Elab *e, Scope *scope, const AstIndex *ix, int64_t n, int64_t *from, int64_t *to, int64_t *step) {
  *step = 1;
  if (ix->step != NULL && !elab_setting_int(e, elab_expr(e, scope, ix->step), ix->step->span, "the step of a slice", step)) return false;
  if (*step == 0) {
    Diag *d = elab_error(e, DIAG_INDEX, ix->span, "a slice of step 0 stands still");
    diag_help(e->diags, d, "`v[::2]` takes every second, `v[::-1]` turns around");
    return false;
  }
  bool up = *step > 0;
  if (!bound_of(e, scope, ix->from, n, up ? 0 : n - 1, from)) return false;
  if (!bound_of(e, scope, ix->to, n, up ? n : -1, to)) return false;
  if (ix->from != NULL) *from = within(*from, up ? 0 : -1, up ? n : n - 1);
  if (ix->to != NULL) *to = within(*to, up ? 0 : -1, up ? n : n - 1);
  return true;
}

// ---- lists

static Value *list_slice(Elab *e, Scope *scope, const AstIndex *ix, Value *v) {
  int64_t from, to, step;
  if (!slice_bounds(e, scope, ix, (int64_t)v->u.list.len, &from, &to, &step)) return value_error(e);
  Value *out = value_list(e, v->span);
  for (int64_t i = from; step > 0 ? i < to : i > to; i += step) VEC_PUSH(e->arena, &out->u.list, v->u.list.at[i]);
  return out;
}

static Value *list_pick(Elab *e, Value *v, const Value *index, Span span) {
  int64_t n = (int64_t)v->u.list.len;
  if (index->kind == VALUE_INT) {
    int64_t i = index->u.integer < 0 ? index->u.integer + n : index->u.integer;
    return i < 0 || i >= n ? out_of_range(e, span, v, index->u.integer, n) : v->u.list.at[i];
  }
  Value *out = value_list(e, span);
  for (size_t k = 0; k < index->u.list.len; k++) {
    Value *x = list_pick(e, v, index->u.list.at[k], span);
    if (value_is_error(x)) return x;
    VEC_PUSH(e->arena, &out->u.list, x);
  }
  return out;
}

static bool is_int_list(const Value *v) {
  if (v->kind == VALUE_INT) return true;
  if (v->kind != VALUE_LIST) return false;
  for (size_t i = 0; i < v->u.list.len; i++)
    if (!is_int_list(v->u.list.at[i])) return false;
  return true;
}

static Value *index_list(Elab *e, Scope *scope, const AstExpr *x, Value *v) {
  const AstIndex *ix = &x->u.index.indices.at[0];
  bool whole = x->u.index.indices.len == 1 && (ix->kind == IX_RANGE || ix->kind == IX_ONE);
  if (!whole) return NULL;
  if (ix->kind == IX_RANGE) return list_slice(e, scope, ix, v);
  Value *index = elab_expr(e, scope, ix->from);
  if (value_is_error(index)) return index;
  return is_int_list(index) ? list_pick(e, v, index, ix->span) : NULL;
}

// ---- tensors

static int visible_axes(const AstExpr *x) {
  int n = 0;
  for (size_t i = 0; i < x->u.index.indices.len; i++) n += x->u.index.indices.at[i].kind != IX_REST;
  return n;
}

static Value *pick_one(Elab *e, Value *v, int axis, int64_t index, Span span) {
  int64_t n = v->u.tensor.type.shape.axes[axis], i = index < 0 ? index + n : index;
  if (i < 0 || i >= n) return out_of_range(e, span, v, index, n);
  Value *row = elab_index_static(e, v, axis, &i, 1, span);
  if (row == v) row = value_copy(e, v);
  const Tensor *t = &row->u.tensor;
  Extents rest = t->type.shape;
  bool last = axis == rest.rank - 1;
  const bool *circular = t->type.circular;
  for (int k = axis; k + 1 < rest.rank; k++) rest.axes[k] = rest.axes[k + 1];
  rest.rank--;
  if (t->ir == IR_NONE) {
    Value *out = value_copy(e, row);
    out->u.tensor.type.shape = rest;
    return out;
  }
  bool p4 = t->type.p4 && !last;
  Value *out = value_copy(e, tensor_reshape(e, row, rest, span));
  if (value_is_error(out)) return out;
  out->u.tensor.type.circular = last && rest.rank > 0 ? NULL : circular;
  out->u.tensor.type.p4 = p4;
  return out;
}

// A nested list of indices makes as many axes as it is deep.
static Value *pick_list(Elab *e, Value *v, int axis, const Value *index, Span span) {
  int64_t n = v->u.tensor.type.shape.axes[axis];
  Extents shape;
  double *numbers;
  bool booleans;
  if (!static_numbers(e, index, &shape, &numbers, &booleans)) {
    Diag *d = elab_error(e, DIAG_INDEX, span, "this list of indices has rows of different lengths");
    diag_help(e->diags, d, "indices are a number, a list, or lists of one length");
    return value_error(e);
  }
  int64_t count = extents_elements(&shape), *flat = ARENA_ARRAY(e->arena, int64_t, count > 0 ? count : 1);
  for (int64_t i = 0; i < count; i++) {
    flat[i] = (int64_t)numbers[i] < 0 ? (int64_t)numbers[i] + n : (int64_t)numbers[i];
    if (flat[i] < 0 || flat[i] >= n) return out_of_range(e, span, v, (int64_t)numbers[i], n);
  }
  Value *row = elab_index_static(e, v, axis, flat, count, span);
  if (shape.rank == 1) return row;
  Extents full = {0}, have = row->u.tensor.type.shape;
  for (int i = 0; i < axis; i++) full.axes[full.rank++] = have.axes[i];
  for (int i = 0; i < shape.rank; i++) full.axes[full.rank++] = shape.axes[i];
  for (int i = axis + 1; i < have.rank; i++) full.axes[full.rank++] = have.axes[i];
  return tensor_reshape(e, row, full, span);
}

static Value *pick_computed(Elab *e, Value *v, int axis, Value *index, Span span) {
  const TensorType *t = &index->u.tensor.type;
  if (t->element != ELEMENT_INT && t->element != ELEMENT_CLASS) {
    Diag *d = elab_error(e, DIAG_INDEX, span, "an index is a whole number or a class, this is %s", value_text(e->arena, index));
    diag_help(e->diags, d, "`bin(x, edges)` and `argmax(v)` give indices, classes are indices themselves");
    return value_error(e);
  }
  return tensor_gather(e, v, axis, index, span);
}

// One index on one axis; *used: how many axes of the result it stands for.
static Value *apply_index(Elab *e, Scope *scope, const AstIndex *ix, Value *v, int axis, int *used) {
  *used = 1;
  int64_t n = v->u.tensor.type.shape.axes[axis];
  if (ix->kind == IX_RANGE) {
    int64_t from, to, step;
    if (!slice_bounds(e, scope, ix, n, &from, &to, &step)) return value_error(e);
    return tensor_slice(e, v, axis, from, to, step, ix->span);
  }
  Value *index = elab_expr(e, scope, ix->from);
  if (value_is_error(index)) return index;
  *used = 0;
  if (index->kind == VALUE_INT) return pick_one(e, v, axis, index->u.integer, ix->span);
  if (is_int_list(index)) {
    Extents shape = {0};
    static_shape(index, &shape);
    *used = shape.rank;
    return pick_list(e, v, axis, index, ix->span);
  }
  if (index->kind == VALUE_TENSOR) {
    *used = index->u.tensor.type.shape.rank;
    return pick_computed(e, v, axis, index, ix->span);
  }
  Diag *d = elab_error(e, DIAG_INDEX, ix->span, "an index is a whole number, this is %s", value_text(e->arena, index));
  diag_help(e->diags, d, "`v[0]`, `v[1:4]`, `v[[0, 2]]`, `v[..., 0]`");
  return value_error(e);
}

static Value *index_tensor(Elab *e, Scope *scope, const AstExpr *x, Value *v) {
  int rank = v->u.tensor.type.shape.rank, named = visible_axes(x), axis = 0;
  if (named > rank) {
    Diag *d = elab_error(e, DIAG_INDEX, x->span, "%d %s, and %s has %d axes", named, named == 1 ? "index" : "indices", value_text(e->arena, v), rank);
    if (v->span.begin != 0) diag_label(e->diags, d, v->span, "%s", elab_way(e, v));
    diag_help(e->diags, d, "one index an axis; `...` stands for the axes between");
    elab_help_undeclared(e, d, v);
    return value_error(e);
  }
  for (size_t i = 0; i < x->u.index.indices.len; i++) {
    const AstIndex *ix = &x->u.index.indices.at[i];
    if (ix->kind == IX_REST) {
      axis += rank - named;
      continue;
    }
    if (ix->kind == IX_SPLICE) {
      Diag *d = elab_error(e, DIAG_INDEX, ix->span, "`*%s` stands for axes, and an index names elements", ix->name.text);
      diag_help(e->diags, d, "`...` stands for the axes between; `normal[*s]` and `real[*s, n]` take the axes of s");
      return value_error(e);
    }
    int used;
    v = apply_index(e, scope, ix, v, axis, &used);
    if (value_is_error(v)) return v;
    axis += used;
  }
  Value *out = value_copy(e, v);
  out->span = x->span;
  out->type = NULL;
  return out;
}

// ---- laws: d[n, m] are independent copies

static Value *copies_of(Elab *e, Scope *scope, const AstExpr *x, Value *d) {
  Extents copies = {0};
  for (size_t i = 0; i < x->u.index.indices.len; i++) {
    const AstIndex *ix = &x->u.index.indices.at[i];
    if (ix->kind == IX_SPLICE) {
      if (!elab_splice_axes(e, scope, ix->name, &copies)) return value_error(e);
      continue;
    }
    int64_t n = 0;
    bool plain = ix->kind == IX_ONE && copies.rank < IR_MAX_RANK - 2;
    if (plain && !elab_setting_int(e, elab_expr(e, scope, ix->from), ix->span, "the number of copies", &n)) return value_error(e);
    if (!plain || n < 0) {
      Diag *diag = elab_error(e, DIAG_INDEX, ix->span, "`normal[n, m]` are n times m copies");
      diag_help(e->diags, diag, "write whole numbers in the brackets");
      return value_error(e);
    }
    copies.axes[copies.rank++] = n;
  }
  return static_fits(e, &copies, x->span) ? distribution_copies(e, d, copies, x->span) : value_error(e);
}

static Value *index_record(Elab *e, Scope *scope, const AstExpr *x, Value *v) {
  bool plain = x->u.index.indices.len == 1 && x->u.index.indices.at[0].kind == IX_ONE && v->type == NULL;
  Value *index = plain ? elab_expr(e, scope, x->u.index.indices.at[0].from) : NULL;
  if (index != NULL && index->kind == VALUE_INT) {
    int64_t n = (int64_t)v->u.record.fields.len, i = index->u.integer < 0 ? index->u.integer + n : index->u.integer;
    return i < 0 || i >= n ? out_of_range(e, x->span, v, index->u.integer, n) : v->u.record.fields.at[i].value;
  }
  Value *vector = elab_flatten(e, v, x->span);
  return value_is_error(vector) ? vector : index_tensor(e, scope, x, vector);
}

// One of the elements, or what an array or a plain list of them has.
static Value *index_alike(Elab *e, Scope *scope, const AstExpr *x, Value *v) {
  const AstIndex *ix = &x->u.index.indices.at[0];
  bool one = x->u.index.indices.len == 1 && ix->kind == IX_ONE;
  Value *index = one ? elab_expr(e, scope, ix->from) : NULL;
  if (index != NULL && index->kind == VALUE_INT) return alike_index(e, v, index, ix->span);
  Value *out = v->u.alike.of->kind == VALUE_TENSOR ? NULL : index_list(e, scope, x, alike_listed(e, v));
  if (out != NULL) return out;
  v = elab_tensor(e, v, x->u.index.object->span);
  return value_is_error(v) ? v : index_tensor(e, scope, x, v);
}

Value *elab_index(Elab *e, Scope *scope, const AstExpr *x) {
  Value *v = elab_as_distribution(e, elab_expr(e, scope, x->u.index.object));
  if (value_is_error(v)) return v;
  if (v->kind == VALUE_DISTRIBUTION) return copies_of(e, scope, x, v);
  if (v->kind == VALUE_ALIKE) return index_alike(e, scope, x, v);
  if (v->kind == VALUE_LIST) {
    Value *out = index_list(e, scope, x, v);
    if (out != NULL) return out;
  }
  if (v->kind == VALUE_RECORD) return index_record(e, scope, x, v);
  v = elab_tensor(e, v, x->u.index.object->span);
  return value_is_error(v) ? v : index_tensor(e, scope, x, v);
}

Value *elab_component(Elab *e, Value *vector, int64_t i, Span span) {
  return tensor_reshape(e, elab_index_static(e, vector, 0, &i, 1, span), (Extents){0}, span);
}
