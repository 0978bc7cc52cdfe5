// Built-in functions of arrays: on lists of known numbers where that has a meaning, else on tensors.
#include <math.h>
#include <string.h>

#include "lang/elab_builtin.h"
#include "lang/elab_set.h"

// ---- axes

static bool axis_bit(Elab *e, int64_t axis, int rank, const Value *v, Span span, uint32_t *mask) {
  int64_t a = axis < 0 ? axis + rank : axis;
  if (a >= 0 && a < rank) return *mask |= 1u << a, true;
  Diag *d = elab_error(e, DIAG_AXIS, span, "axis %lld of %s, which has %d", (long long)axis, value_text(e->arena, v), rank);
  if (v->span.begin != 0) diag_label(e->diags, d, v->span, "%s", elab_way(e, v));
  diag_help(e->diags, d, rank > 0 ? "axes count from 0, or from -1 backwards" : "one number has no axes: leave `axis` out");
  return false;
}

static bool axis_mask(Elab *e, const Value *axes, const Value *v, Span span, uint32_t *mask) {
  int rank = v->u.tensor.type.shape.rank;
  *mask = 0;
  if (axes->kind == VALUE_INT) return axis_bit(e, axes->u.integer, rank, v, span, mask);
  const int64_t *list;
  int64_t n;
  if (!static_ints(axes, &list, &n, e->arena)) {
    Diag *d = elab_error(e, DIAG_AXIS, span, "an axis is a whole number or a list of them, this is %s", value_text(e->arena, axes));
    diag_help(e->diags, d, "`axis = -1` is the last, `axis = [0, 1]` are two");
    return false;
  }
  for (int64_t i = 0; i < n; i++)
    if (!axis_bit(e, list[i], rank, v, span, mask)) return false;
  return true;
}

// ---- sum, mean, amax

enum { REDUCE_SUM, REDUCE_MEAN, REDUCE_MAX };

static Value *reduce_static(Elab *e, int kind, const Value *v, Span span) {
  Extents shape;
  double *x;
  bool booleans;
  if (!static_numbers(e, v, &shape, &x, &booleans)) return NULL;
  int64_t n = extents_elements(&shape);
  if (n == 0 && kind != REDUCE_SUM) return NULL;
  double sum = 0, top = n > 0 ? x[0] : 0;
  for (int64_t i = 0; i < n; i++) sum += x[i], top = fmax(top, x[i]);
  double result = kind == REDUCE_MAX ? top : kind == REDUCE_MEAN ? sum / (double)n : sum;
  return result == floor(result) && kind != REDUCE_MEAN && fabs(result) < 9e15 ? value_int(e, span, (int64_t)result) : value_real(e, span, result);
}

static Value *nothing_to_reduce(Elab *e, const Value *v, Span span, const char *what) {
  Diag *d = elab_error(e, DIAG_SHAPE, span, "`%s` of %s, which has no numbers", what, value_text(e->arena, v));
  diag_help(e->diags, d, "an axis of 0 has a sum, and no mean, no largest and no order");
  return value_error(e);
}

// A sum over a set by its elements; that of none is 0.
static Value *per_element(Elab *e, Value *sum, const Value *set, Span span) {
  const char *unit = set->u.tensor.type.unit;
  Value *n = tensor_combine(e, IR_MAX, set_count(e, set, span), value_real(e, span, 1), span);
  Value *mean = tensor_combine(e, IR_DIV, sum, n, span);
  if (mean->kind == VALUE_TENSOR) mean->u.tensor.type.unit = unit;
  return mean;
}

Value *builtin_reduce(Elab *e, const Builtin *b, BuiltinCall *call) {
  Value *axis = call->value[1], *but = call->value[2], *keep = call->value[3];
  if (axis == NULL && but == NULL) {
    Value *known = reduce_static(e, b->op, call->value[0], call->span);
    if (known != NULL) return known;
  }
  if (call->value[0]->kind == VALUE_BATCH) return batch_reduce(e, call->value[0], b->op == REDUCE_MAX ? IR_AMAX : IR_SUM, b->op == REDUCE_MEAN, call->span);
  bool keeps = keep != NULL && keep->kind == VALUE_BOOL && keep->u.boolean;
  Value *v = elab_tensor(e, call->value[0], call->span);
  if (!value_is_error(v) && v->u.tensor.type.element != ELEMENT_INT) v = elab_real(e, v, call->span);
  if (value_is_error(v)) return v;
  const Extents *s = &v->u.tensor.type.shape;
  uint32_t all = (1u << s->rank) - 1, mask = all;
  if (axis != NULL && !axis_mask(e, axis, v, call->at[1], &mask)) return value_error(e);
  if (but != NULL && !axis_mask(e, but, v, call->at[2], &mask)) return value_error(e);
  if (but != NULL) mask = all & ~mask;
  double n = 1;
  bool pools = value_is_set(v) && (mask & 1);
  for (int i = pools; i < s->rank; i++)
    if (mask >> i & 1) n *= (double)s->axes[i];
  if (n == 0 && b->op != REDUCE_SUM) return nothing_to_reduce(e, v, call->span, b->name);
  Value *r = tensor_sum_axes(e, b->op == REDUCE_MAX ? IR_AMAX : IR_SUM, v, mask, keeps, call->span);
  if (b->op == REDUCE_MEAN && pools) r = per_element(e, r, v, call->span);
  if (b->op != REDUCE_MEAN || n == 1) return r;
  const char *unit = r->kind == VALUE_TENSOR ? r->u.tensor.type.unit : NULL;
  r = tensor_combine(e, IR_MUL, r, value_real(e, call->span, 1 / n), call->span);
  if (r->kind == VALUE_TENSOR) r->u.tensor.type.unit = unit;
  return r;
}

Value *builtin_cumsum(Elab *e, const Builtin *b, BuiltinCall *call) {
  (void)b;
  Value *v = elab_real(e, call->value[0], call->span);
  if (value_is_error(v) || tensor_ir(e, v) == IR_NONE) return value_error(e);
  uint32_t mask = 0;
  const Tensor *t = &v->u.tensor;
  if (!axis_bit(e, -1, t->type.shape.rank, v, call->span, &mask)) return value_error(e);
  int axis = tensor_offset(e, t) + t->type.shape.rank - 1;
  return tensor_like(e, call->span, tensor_type_real(t->type.shape), ir_cumsum(e->scene->fn, t->ir, axis, false, false), t->belongs, &t->hidden);
}

// ---- joining and shapes

static bool all_lists(const Values *parts) {
  Extents shape;
  for (size_t i = 0; i < parts->len; i++)
    if (parts->at[i]->kind != VALUE_LIST || !static_shape(parts->at[i], &shape) || shape.rank != 1) return false;
  return parts->len > 0;
}

static bool concat_fits(Elab *e, const Values *parts, Span span) {
  for (size_t i = 1; i < parts->len; i++) {
    Extents a = parts->at[0]->u.tensor.type.shape, b = parts->at[i]->u.tensor.type.shape;
    if (a.rank == b.rank) b.axes[b.rank - 1] = a.axes[a.rank - 1];
    if (extents_equal(&a, &b)) continue;
    Diag *d = elab_shape_error(e, span, parts->at[0], parts->at[i], NULL);
    diag_help(e->diags, d, "`concat` joins along the last axis; the other axes are equal");
    return false;
  }
  return true;
}

Value *builtin_concat(Elab *e, const Builtin *b, BuiltinCall *call) {
  (void)b;
  Value *list = value_list(e, call->span);
  if (all_lists(&call->rest)) {
    for (size_t i = 0; i < call->rest.len; i++)
      for (size_t k = 0; k < call->rest.at[i]->u.list.len; k++) VEC_PUSH(e->arena, &list->u.list, call->rest.at[i]->u.list.at[k]);
    return list;
  }
  Values parts = {0};
  for (size_t i = 0; i < call->rest.len; i++) {
    Value *v = call->rest.at[i];
    bool is_class = v->kind == VALUE_TENSOR && v->u.tensor.type.element == ELEMENT_CLASS;
    v = v->kind == VALUE_RECORD || is_class ? elab_flatten(e, v, call->span) : elab_real(e, v, call->span);
    if (value_is_error(v)) return v;
    if (v->u.tensor.type.shape.rank == 0) v = tensor_reshape(e, v, (Extents){.rank = 1, .axes = {1}}, call->span);
    const Extents *s = &v->u.tensor.type.shape;
    if (s->rank != 1 || s->axes[0] > 0) VEC_PUSH(e->arena, &parts, v);
  }
  if (parts.len == 0) return tensor_fill(e, call->span, (Extents){.rank = 1}, 0);
  if (!concat_fits(e, &parts, call->span)) return value_error(e);
  return tensor_concat(e, &parts, parts.at[0]->u.tensor.type.shape.rank - 1, call->span);
}

static bool sizes_of(Elab *e, const Values *list, Span span, const char *what, Extents *out) {
  *out = (Extents){0};
  for (size_t i = 0; i < list->len; i++) {
    if (out->rank >= IR_MAX_RANK - 2) return elab_not_built(e, span, "a value of so many axes", FEWER_AXES), false;
    if (!elab_axis_size(e, list->at[i], list->at[i]->span.begin ? list->at[i]->span : span, what, &out->axes[out->rank++])) return false;
  }
  return static_fits(e, out, span);
}

Value *builtin_reshape(Elab *e, const Builtin *b, BuiltinCall *call) {
  (void)b;
  Extents shape;
  Value *v = elab_tensor(e, call->value[0]->kind == VALUE_RECORD ? elab_flatten(e, call->value[0], call->span) : call->value[0], call->span);
  if (value_is_error(v) || !sizes_of(e, &call->rest, call->span, "a size of `reshape`", &shape)) return value_error(e);
  return tensor_reshape(e, v, shape, call->span);
}

Value *builtin_flatten(Elab *e, const Builtin *b, BuiltinCall *call) {
  (void)b;
  return elab_flatten(e, call->value[0], call->span);
}

// Which axis of v stands where in the result: the given ones, else in reverse order.
static bool axes_order(Elab *e, const Value *axes, const Value *v, Span span, int64_t order[IR_MAX_RANK]) {
  int rank = v->u.tensor.type.shape.rank;
  for (int i = 0; i < rank; i++) order[i] = rank - 1 - i;
  if (axes == NULL) return true;
  const int64_t *list;
  int64_t n;
  uint32_t seen = 0;
  if (static_ints(axes, &list, &n, e->arena) && n == rank) {
    for (int i = 0; i < rank; i++) {
      if (!axis_bit(e, list[i], rank, v, span, &seen)) return false;
      order[i] = list[i] < 0 ? list[i] + rank : list[i];
    }
    if (seen == (1u << rank) - 1) return true;
  }
  Diag *d = elab_error(e, DIAG_AXIS, span, "`axes` is a list of the %d axes of %s, each once", rank, value_text(e->arena, v));
  diag_help(e->diags, d, "`axes = [0, 2, 1]` exchanges the last two of three");
  return false;
}

Value *builtin_transpose(Elab *e, const Builtin *b, BuiltinCall *call) {
  (void)b;
  Value *v = elab_real(e, call->value[0], call->span);
  int64_t axes[IR_MAX_RANK];
  if (value_is_error(v) || tensor_ir(e, v) == IR_NONE || !axes_order(e, call->value[1], v, call->at[1], axes)) return value_error(e);
  const Tensor *t = &v->u.tensor;
  int lead = tensor_offset(e, t), rank = t->type.shape.rank;
  int8_t order[IR_MAX_RANK];
  Extents shape = t->type.shape;
  for (int i = 0; i < lead; i++) order[i] = (int8_t)i;
  for (int i = 0; i < rank; i++) {
    order[lead + i] = (int8_t)(lead + axes[i]);
    shape.axes[i] = t->type.shape.axes[axes[i]];
  }
  return tensor_like(e, call->span, tensor_type_real(shape), ir_transpose(e->scene->fn, t->ir, order), t->belongs, &t->hidden);
}

Value *builtin_len(Elab *e, const Builtin *b, BuiltinCall *call) {
  (void)b;
  Value *v = call->value[0];
  int64_t axis = 0;
  if (call->value[1] != NULL && !elab_setting_int(e, call->value[1], call->at[1], "the axis of `len`", &axis)) return value_error(e);
  if (v->kind == VALUE_RECORD) {
    if (v->type != NULL) return value_int(e, call->span, field_type_numbers(v->type));
    v = elab_flatten(e, v, call->span);
  }
  Extents shape = {0};
  if (v->kind == VALUE_TENSOR) shape = v->u.tensor.type.shape;
  else if (v->kind == VALUE_LIST && axis == 0) return value_int(e, call->span, (int64_t)v->u.list.len);
  else if (v->kind == VALUE_ALIKE && axis == 0) return value_int(e, call->span, v->u.alike.n);
  else if (!static_shape(v, &shape)) return elab_tensor(e, v, call->span);
  if (shape.rank == 0 && axis == 0) return value_int(e, call->span, 1);
  Value *like = value_tensor(e, v->span, tensor_type_real(shape), IR_NONE, (Belongs){0});
  uint32_t mask = 0;
  if (!axis_bit(e, axis, shape.rank, like, call->span, &mask)) return value_error(e);
  return value_int(e, call->span, shape.axes[axis < 0 ? axis + shape.rank : axis]);
}

// ---- arrays made here

Value *builtin_range(Elab *e, const Builtin *b, BuiltinCall *call) {
  (void)b;
  int64_t from, to;
  if (!elab_setting_int(e, call->value[0], call->at[0], "where a range begins", &from)) return value_error(e);
  if (!elab_setting_int(e, call->value[1], call->at[1], "where a range ends", &to)) return value_error(e);
  return static_range(e, call->span, from, to);
}

Value *builtin_ones(Elab *e, const Builtin *b, BuiltinCall *call) {
  (void)b;
  Extents shape;
  return sizes_of(e, &call->rest, call->span, "a size of `ones`", &shape) ? tensor_fill(e, call->span, shape, 1) : value_error(e);
}

// Ones where `keep` holds of (row, column).
static Value *pattern_matrix(Elab *e, Span span, int64_t rows, int64_t cols, bool (*keep)(int64_t, int64_t, int64_t), int64_t k) {
  const Extents shape = {.rank = 2, .axes = {rows, cols}};
  if (!static_fits(e, &shape, span)) return value_error(e);
  double *x = ARENA_ARRAY(e->arena, double, rows *cols + 1);
  for (int64_t i = 0; i < rows; i++)
    for (int64_t j = 0; j < cols; j++) x[i * cols + j] = keep(i, j, k);
  return tensor_const(e, span, ELEMENT_REAL, shape, x);
}

static bool on_diagonal(int64_t i, int64_t j, int64_t k) { return j - i == k; }
static bool on_or_below(int64_t i, int64_t j, int64_t k) { return j - i <= k; }
static bool on_or_above(int64_t i, int64_t j, int64_t k) { return j - i >= k; }

Value *builtin_eye(Elab *e, const Builtin *b, BuiltinCall *call) {
  (void)b;
  int64_t n;
  if (!elab_axis_size(e, call->value[0], call->at[0], "the size of `eye`", &n)) return value_error(e);
  return pattern_matrix(e, call->span, n, n, on_diagonal, 0);
}

static Value *need_rank(Elab *e, Value *v, int rank, Span span, const char *what) {
  v = elab_real(e, v, span);
  if (value_is_error(v) || v->u.tensor.type.shape.rank == rank) return v;
  Diag *d = elab_error(e, DIAG_SHAPE, span, "`%s` takes a %s, this is %s", what, rank == 1 ? "vector" : "matrix", value_text(e->arena, v));
  diag_label(e->diags, d, v->span, "%s", elab_way(e, v));
  diag_help(e->diags, d, "`reshape` makes other axes of the same numbers");
  return value_error(e);
}

Value *builtin_diagonal(Elab *e, const Builtin *b, BuiltinCall *call) {
  Value *v = need_rank(e, call->value[0], 1, call->span, b->name);
  if (value_is_error(v)) return v;
  int64_t n = v->u.tensor.type.shape.axes[0];
  return tensor_combine(e, IR_MUL, pattern_matrix(e, call->span, n, n, on_diagonal, 0), v, call->span);
}

Value *builtin_triangle(Elab *e, const Builtin *b, BuiltinCall *call) {
  Value *v = need_rank(e, call->value[0], 2, call->span, b->name);
  int64_t k = 0;
  if (value_is_error(v)) return v;
  if (call->value[1] != NULL && !elab_setting_int(e, call->value[1], call->at[1], "the diagonal", &k)) return value_error(e);
  const Extents *s = &v->u.tensor.type.shape;
  return tensor_combine(e, IR_MUL, pattern_matrix(e, call->span, s->axes[0], s->axes[1], b->op ? on_or_above : on_or_below, k), v, call->span);
}

Value *builtin_triangular_inverse(Elab *e, const Builtin *b, BuiltinCall *call) {
  Value *v = need_rank(e, call->value[0], 2, call->span, b->name);
  if (value_is_error(v) || tensor_ir(e, v) == IR_NONE) return value_error(e);
  const Tensor *t = &v->u.tensor;
  if (t->type.shape.axes[0] != t->type.shape.axes[1]) {
    Diag *d = elab_error(e, DIAG_SHAPE, call->span, "`%s` takes a square matrix, this is %s", b->name, value_text(e->arena, v));
    diag_help(e->diags, d, "only square matrices have an inverse");
    return value_error(e);
  }
  if (tensor_offset(e, t) > 0)
    return elab_not_built(e, call->span, "the inverse of a matrix of each event",
                          "of weights it is; of a small matrix of each event the inverse is written out, `[[1 / a, 0], [-b / (a * c), 1 / c]]`");
  return tensor_like(e, call->span, t->type, ir_tri_inverse(e->scene->fn, t->ir, b->op), t->belongs, &t->hidden);
}

// ---- einsum

static Value *einsum_error(Elab *e, Span span, const char *problem) {
  Diag *d = elab_error(e, DIAG_EINSUM, span, "%s", problem);
  diag_help(e->diags, d, "one letter an axis, each letter of the result in an operand: `einsum(\"ij,jk->ik\", a, b)`");
  return value_error(e);
}

static const char *letters_fit(Elab *e, const char *letters, const Value *v) {
  const Extents *s = &v->u.tensor.type.shape;
  if (strlen(letters) != s->rank) return arena_printf(e->arena, "\"%s\" names %zu axes, %s has %d", letters, strlen(letters), value_text(e->arena, v), s->rank);
  for (const char *c = letters; *c != '\0'; c++)
    if (*c < 'a' || *c > 'z' || strchr(c + 1, *c) != NULL) return arena_printf(e->arena, "\"%s\" has letters from a to z, no letter twice", letters);
  return NULL;
}

static const char *result_extents(Elab *e, const char *la, const Value *a, const char *lb, const Value *b, const char *lr, Extents *out) {
  *out = (Extents){0};
  for (const char *c = la; *c != '\0'; c++) {
    const char *other = strchr(lb, *c);
    int64_t n = a->u.tensor.type.shape.axes[c - la];
    if (other != NULL && b->u.tensor.type.shape.axes[other - lb] != n)
      return arena_printf(e->arena, "the axis %c is %lld in %s and %lld in %s", *c, (long long)n, value_text(e->arena, a),
                          (long long)b->u.tensor.type.shape.axes[other - lb], value_text(e->arena, b));
  }
  for (const char *c = lr; *c != '\0'; c++) {
    const char *x = strchr(la, *c), *y = strchr(lb, *c);
    if (x == NULL && y == NULL) return arena_printf(e->arena, "the axis %c of the result is in no operand", *c);
    if (strchr(c + 1, *c) != NULL || out->rank >= IR_MAX_RANK - 2) return "the result names an axis twice, or too many";
    out->axes[out->rank++] = x != NULL ? a->u.tensor.type.shape.axes[x - la] : b->u.tensor.type.shape.axes[y - lb];
  }
  return NULL;
}

Value *builtin_einsum(Elab *e, const Builtin *builtin, BuiltinCall *call) {
  (void)builtin;
  if (call->value[0]->kind != VALUE_STRING) return einsum_error(e, call->at[0], "the first argument names the axes");
  Value *a = elab_real(e, call->value[1], call->at[1]), *b = elab_real(e, call->value[2], call->at[2]);
  if (value_is_error(a) || value_is_error(b) || tensor_ir(e, a) == IR_NONE || tensor_ir(e, b) == IR_NONE) return value_error(e);
  const char *spec = call->value[0]->u.string, *comma = strchr(spec, ','), *arrow = strstr(spec, "->");
  if (comma == NULL || arrow == NULL || comma > arrow) return einsum_error(e, call->at[0], arena_printf(e->arena, "\"%s\" is not `ab,bc->ac`", spec));
  const char *la = arena_strndup(e->arena, spec, (size_t)(comma - spec)), *lb = arena_strndup(e->arena, comma + 1, (size_t)(arrow - comma - 1));
  const char *lr = arrow + 2, *problem = letters_fit(e, la, a);
  Extents shape;
  if (problem == NULL) problem = letters_fit(e, lb, b);
  if (problem == NULL) problem = result_extents(e, la, a, lb, b, lr, &shape);
  if (problem != NULL) return einsum_error(e, call->span, problem);
  return tensor_einsum(e, la, a, lb, b, lr, shape, call->span);
}

// ---- indices and classes

// How many inner edges lie at or below x; below the first and above the last edge clamp by themselves.
Value *builtin_bin(Elab *e, const Builtin *b, BuiltinCall *call) {
  Value *x = elab_real(e, call->value[0], call->at[0]), *edges = need_rank(e, call->value[1], 1, call->at[1], b->name);
  if (value_is_error(x) || value_is_error(edges)) return value_error(e);
  int64_t n = edges->u.tensor.type.shape.axes[0];
  if (n < 2) return nothing_to_reduce(e, edges, call->span, b->name);
  Extents wide = x->u.tensor.type.shape, along = {.rank = (uint8_t)(wide.rank + 1)}; // a last axis, of the edges
  wide.axes[wide.rank++] = 1;
  for (int i = 0; i < wide.rank; i++) along.axes[i] = i + 1 < wide.rank ? 1 : n - 2;
  if (n == 2) {
    Value *none = tensor_combine(e, IR_MUL, x, value_int(e, call->span, 0), call->span);
    return elab_cast(e, none, IR_I32);
  }
  Value *inner = tensor_reshape(e, tensor_slice(e, edges, 0, 1, n - 1, 1, call->span), along, call->span);
  Value *above = tensor_compare(e, IR_LE, inner, tensor_reshape(e, x, wide, call->span), call->span);
  if (value_is_error(above)) return above;
  Value *counts = elab_cast(e, above, IR_I32);
  return tensor_sum_axes(e, IR_SUM, counts, 1u << (wide.rank - 1), false, call->span);
}

Value *builtin_one_hot(Elab *e, const Builtin *b, BuiltinCall *call) {
  (void)b;
  Value *c = call->value[0];
  if (c->kind == VALUE_TENSOR && c->u.tensor.type.element == ELEMENT_CLASS) return tensor_one_hot(e, c, c->u.tensor.type.classes->n, call->span);
  Diag *d = elab_error(e, DIAG_TYPE, call->span, "`one_hot` takes a class, this is %s", value_text(e->arena, c));
  diag_help(e->diags, d, "a class is declared `c: class[3]`, or comes out of `one_hot([…])` in a chain");
  return value_error(e);
}

// Indices along the last axis: of the largest (its axis is gone), or of all from the smallest to the largest.
static Value *indices_along_last(Elab *e, BuiltinCall *call, bool in_order) {
  Value *v = elab_real(e, call->value[0], call->span);
  if (value_is_error(v) || tensor_ir(e, v) == IR_NONE) return value_error(e);
  const Tensor *t = &v->u.tensor;
  uint32_t mask = 0;
  if (!axis_bit(e, -1, t->type.shape.rank, v, call->span, &mask)) return value_error(e);
  TensorType type = {.element = ELEMENT_INT, .shape = t->type.shape};
  int axis = tensor_offset(e, t) + type.shape.rank - 1;
  int64_t n = type.shape.axes[type.shape.rank - 1];
  if (n == 0) return nothing_to_reduce(e, v, call->span, in_order ? "order" : "argmax");
  if (!in_order) type.shape.rank--;
  IrRef indices = in_order ? ir_sort(e->scene->fn, t->ir, axis, n, false) : ir_argmax(e->scene->fn, t->ir, axis);
  return tensor_like(e, call->span, type, indices, t->belongs, &t->hidden);
}

Value *builtin_argmax(Elab *e, const Builtin *b, BuiltinCall *call) {
  (void)b;
  return indices_along_last(e, call, false);
}

Value *builtin_order(Elab *e, const Builtin *b, BuiltinCall *call) {
  (void)b;
  return indices_along_last(e, call, true);
}

// Where fewer than k others are there, a point is its own neighbour.
static IrRef or_itself(Elab *e, IrRef apart, IrRef nearest, int axis) {
  IrFn *fn = e->scene->fn;
  IrRef far = ir_gather(fn, apart, nearest, axis + 1, axis + 1);
  IrType same = *ir_type_of(fn, nearest);
  IrRef there = ir_binary(fn, IR_LT, far, ir_number(fn, ir_type_of(fn, far)->dtype, INFINITY));
  return ir_select(fn, there, nearest, ir_iota(fn, same, axis));
}

// The distance to what is not there is infinite.
static Value *to_those_present(Elab *e, const Value *set, Value *far, Span span) {
  Extents columns = {.rank = 2, .axes = {1, far->u.tensor.type.shape.axes[1]}};
  return tensor_select(e, tensor_reshape(e, set->u.tensor.present, columns, span), far, value_real(e, span, INFINITY), span);
}

// real[n, d] -> [n, k]: by the square of the distance; a point is no neighbour of its own.
Value *builtin_neighbours(Elab *e, const Builtin *b, BuiltinCall *call) {
  Value *v = need_rank(e, call->value[0], 2, call->at[0], b->name);
  int64_t k;
  if (value_is_error(v) || !elab_setting_int(e, call->value[1], call->at[1], "the number of neighbours", &k)) return value_error(e);
  Extents one = v->u.tensor.type.shape, other = {.rank = 3, .axes = {1, one.axes[0], one.axes[1]}};
  int64_t n = one.axes[0];
  if (k < 1 || k >= n) {
    Diag *d = elab_error(e, DIAG_INDEX, call->span, "%lld neighbours of %lld points", (long long)k, (long long)n);
    diag_help(e->diags, d, "each point has %lld others", (long long)(n - 1));
    return value_error(e);
  }
  one = (Extents){.rank = 3, .axes = {n, 1, one.axes[1]}};
  const Value *set = v;
  v = set_mark(e, v, NULL);
  Value *d = tensor_combine(e, IR_SUB, tensor_reshape(e, v, one, call->span), tensor_reshape(e, v, other, call->span), call->span);
  Value *far = tensor_sum_axes(e, IR_SUM, tensor_combine(e, IR_MUL, d, d, call->span), 4, false, call->span);
  if (value_is_set(set) && !value_is_error(far)) far = to_those_present(e, set, far, call->span);
  if (value_is_error(far) || tensor_ir(e, far) == IR_NONE) return value_error(e);
  IrFn *fn = e->scene->fn;
  const Tensor *t = &far->u.tensor;
  int axis = tensor_offset(e, t);
  IrType same = *ir_type_of(fn, t->ir);
  same.dtype = IR_I32;
  IrRef own = ir_binary(fn, IR_EQ, ir_iota(fn, same, axis), ir_iota(fn, same, axis + 1));
  IrRef apart = ir_select(fn, own, ir_number(fn, ir_type_of(fn, t->ir)->dtype, INFINITY), t->ir);
  TensorType type = {.element = ELEMENT_INT, .shape = {.rank = 2, .axes = {n, k}}};
  IrRef nearest = ir_sort(fn, apart, axis + 1, k, false);
  if (!value_is_set(set)) return tensor_like(e, call->span, type, nearest, t->belongs, &t->hidden);
  return set_mark(e, tensor_like(e, call->span, type, or_itself(e, apart, nearest, axis), t->belongs, &t->hidden), set->u.tensor.present);
}

Value *builtin_inverse_order(Elab *e, const Builtin *b, BuiltinCall *call) {
  (void)b;
  const int64_t *order;
  int64_t n;
  bool is_order = static_ints(call->value[0], &order, &n, e->arena);
  int64_t *inverse = ARENA_ARRAY(e->arena, int64_t, is_order ? n + 1 : 1);
  for (int64_t i = 0; is_order && i < n; i++) inverse[i] = -1;
  for (int64_t i = 0; is_order && i < n; i++) {
    is_order = order[i] >= 0 && order[i] < n && inverse[order[i]] < 0;
    if (is_order) inverse[order[i]] = i;
  }
  if (!is_order) {
    Diag *d = elab_error(e, DIAG_INDEX, call->span, "`inverse_order` takes each of 0 to n - 1 once, this is %s", value_text(e->arena, call->value[0]));
    diag_help(e->diags, d, "`fixed p: [int] ~ permutation(n)` is such an order");
    return value_error(e);
  }
  Value *list = value_list(e, call->span);
  for (int64_t i = 0; i < n; i++) VEC_PUSH(e->arena, &list->u.list, value_int(e, call->span, inverse[i]));
  return list;
}

// ---- four-vectors

static Value *mul(Elab *e, Value *a, Value *b, Span span) { return elab_binary(e, BIN_MUL, a, b, span); }

static Value *p4_from_parts(Elab *e, Value *const part[4], Span span) {
  Values parts = {0};
  Extents shape = {0};
  for (int i = 0; i < 4; i++) {
    Value *v = elab_real(e, part[i], span);
    if (value_is_error(v)) return v;
    VEC_PUSH(e->arena, &parts, v);
    Extents joined;
    if (!extents_join(&shape, &v->u.tensor.type.shape, &joined)) {
      Diag *d = elab_shape_error(e, span, parts.at[0], v, NULL);
      diag_help(e->diags, d, "the components of a four-vector have one shape");
      return value_error(e);
    }
    shape = joined;
  }
  const char *unit = parts.at[0]->u.tensor.type.unit;
  for (int i = 0; i < 4; i++) {
    Value *v =
        extents_equal(&parts.at[i]->u.tensor.type.shape, &shape) ? parts.at[i] : tensor_combine(e, IR_ADD, parts.at[i], tensor_fill(e, span, shape, 0), span);
    Extents wide = shape;
    wide.axes[wide.rank++] = 1;
    parts.at[i] = tensor_reshape(e, v, wide, span);
  }
  Value *v = value_copy(e, tensor_concat(e, &parts, shape.rank, span));
  if (v->kind == VALUE_TENSOR) v->u.tensor.type.p4 = true, v->u.tensor.type.circular = NULL, v->u.tensor.type.unit = unit;
  return v;
}

static Value *p4_from_array(Elab *e, Value *v, Span span) {
  v = elab_real(e, v, span);
  if (value_is_error(v)) return v;
  const Extents *s = &v->u.tensor.type.shape;
  if (s->rank == 0 || s->axes[s->rank - 1] != 4) {
    Diag *d = elab_error(e, DIAG_SHAPE, span, "a four-vector has 4 numbers along its last axis, this is %s", value_text(e->arena, v));
    diag_help(e->diags, d, "`p4(e = …, px = …, py = …, pz = …)` names them");
    return value_error(e);
  }
  v = value_copy(e, v);
  v->u.tensor.type.p4 = true;
  return v;
}

// pt, eta, phi, m -> e, px, py, pz
static Value *p4_from_detector(Elab *e, Value *const v[4], Span span) {
  Value *pz = mul(e, v[0], elab_unary(e, IR_SINH, v[1], span), span);
  Value *p2 = elab_binary(e, BIN_ADD, mul(e, v[0], v[0], span), mul(e, pz, pz, span), span);
  Value *energy = elab_unary(e, IR_SQRT, elab_binary(e, BIN_ADD, p2, mul(e, v[3], v[3], span), span), span);
  Value *part[4] = {energy, mul(e, v[0], elab_unary(e, IR_COS, v[2], span), span), mul(e, v[0], elab_unary(e, IR_SIN, v[2], span), span), pz};
  return p4_from_parts(e, part, span);
}

Value *builtin_p4(Elab *e, const Builtin *b, BuiltinCall *call) {
  Value **v = call->value;
  if (v[0] != NULL) return p4_from_array(e, v[0], call->span);
  if (v[1] && v[2] && v[3] && v[4]) return p4_from_parts(e, (Value *const[]){v[1], v[2], v[3], v[4]}, call->span);
  if (v[5] && v[6] && v[7] && v[8]) return p4_from_detector(e, (Value *const[]){v[5], v[6], v[7], v[8]}, call->span);
  Diag *d = elab_error(e, DIAG_ARGUMENTS, call->span, "`%s` is made of e, px, py, pz or of pt, eta, phi, m", b->name);
  diag_help(e->diags, d, "`p4(pt = a, eta = b, phi = c, m = 0.1057)`");
  return value_error(e);
}
