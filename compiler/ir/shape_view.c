// Shape rules of the ops that move numbers: reshape, transpose, broadcast, slice, pad, concat, windows, fold, gather,
// scatter_add.
// None of them touches an event axis, except that a broadcast may add one.
#include "compiler/ir/shape.h"

#define SAY(...) arena_printf(s->arena, __VA_ARGS__)

const char *shape_reshape(const Shape *s) {
  if (!s->declared) return "no axes are given";
  const IrType *a = shape_in(s, 0);
  *s->type = *s->declared;
  s->type->dtype = a->dtype;
  const char *problem = ir_type_problem(s->arena, s->type);
  if (problem) return problem;
  if (ir_elements(a) != ir_elements(s->type))
    return SAY("%s has %lld elements, %s has %lld", shape_text(s, 0), (long long)ir_elements(a), ir_type_text(s->arena, s->type),
               (long long)ir_elements(s->type));
  if (ir_event_axes(a) != ir_event_axes(s->type)) return SAY("%s to %s: event axes stay", shape_text(s, 0), ir_type_text(s->arena, s->type));
  return NULL;
}

const char *shape_transpose(const Shape *s) {
  const IrType *a = shape_in(s, 0);
  *s->type = *a;
  uint32_t seen = 0;
  for (int i = 0; i < a->rank; i++) {
    int from = s->attr->order[i];
    if (from < 0 || from >= a->rank || seen >> from & 1) return SAY("the order is no permutation of the axes of %s", shape_text(s, 0));
    if (a->axes[from] < 0 && from != i) return SAY("%s: event axes stay", shape_text(s, 0));
    seen |= 1u << from;
    s->type->axes[i] = a->axes[from];
  }
  return NULL;
}

const char *shape_broadcast(const Shape *s) {
  if (!s->declared) return "no axes are given";
  const IrType *a = shape_in(s, 0);
  *s->type = *s->declared;
  s->type->dtype = a->dtype;
  int next = 0;
  for (int i = 0; i < s->type->rank; i++) {
    int from = s->attr->order[i];
    if (from == -1) continue;
    if (from != next || from >= a->rank) return SAY("the order does not name the axes of %s one after the other", shape_text(s, 0));
    int64_t x = a->axes[from], y = s->type->axes[i];
    if (x != y && !(x < 0 && y < 0)) return SAY("axis %d of %s to axis %d of %s", from, shape_text(s, 0), i, ir_type_text(s->arena, s->type));
    next++;
  }
  if (next != a->rank) return SAY("the order leaves out axis %d of %s", next, shape_text(s, 0));
  return NULL;
}

// An axis that is no event axis.
static const char *own_axis(const Shape *s) {
  int axis = s->attr->axis;
  const IrType *a = shape_in(s, 0);
  if (axis < 0 || axis >= a->rank) return SAY("%s has no axis %d", shape_text(s, 0), axis);
  if (a->axes[axis] < 0) return SAY("%s: axis %d is an event axis", shape_text(s, 0), axis);
  *s->type = *a;
  return NULL;
}

const char *shape_slice(const Shape *s) {
  const char *problem = own_axis(s);
  if (problem) return problem;
  int64_t *extent = &s->type->axes[s->attr->axis];
  int64_t from = s->attr->from, to = s->attr->to, step = s->attr->step;
  bool up = step > 0 && from >= 0 && from <= to && to <= *extent;
  bool down = step < 0 && to >= -1 && to <= from && from <= *extent - 1;
  if ((!up && !down) || step > IR_LARGEST || step < -IR_LARGEST)
    return SAY("from %lld to %lld step %lld along axis %d of %s", (long long)from, (long long)to, (long long)step, s->attr->axis, shape_text(s, 0));
  *extent = up ? (to - from + step - 1) / step : (from - to - step - 1) / -step;
  return NULL;
}

const char *shape_pad(const Shape *s) {
  const char *problem = own_axis(s);
  if (problem) return problem;
  int64_t *extent = &s->type->axes[s->attr->axis];
  int64_t before = s->attr->from, after = s->attr->to, dilation = s->attr->step;
  if (before < 0 || after < 0 || dilation < 1 || before > IR_LARGEST || after > IR_LARGEST || (*extent > 1 && dilation > IR_LARGEST / *extent) ||
      dilation > IR_LARGEST)
    return SAY("before %lld after %lld dilation %lld along axis %d of %s", (long long)before, (long long)after, (long long)dilation, s->attr->axis,
               shape_text(s, 0));
  *extent = before + (*extent ? (*extent - 1) * dilation + 1 : 0) + after;
  return NULL;
}

const char *shape_concat(const Shape *s) {
  const char *problem = own_axis(s);
  if (problem) return problem;
  int axis = s->attr->axis;
  for (uint32_t i = 1; i < s->n; i++) {
    IrType part = *shape_in(s, i);
    int64_t extent = part.axes[axis];
    if (part.rank > axis) part.axes[axis] = shape_in(s, 0)->axes[axis];
    if (!ir_type_equal(&part, shape_in(s, 0)) || extent < 0) return SAY("%s and %s do not join along axis %d", shape_text(s, 0), shape_text(s, i), axis);
    s->type->axes[axis] += extent;
    if (s->type->axes[axis] > IR_LARGEST) return "too large";
  }
  return NULL;
}

const char *shape_windows(const Shape *s) {
  const char *problem = own_axis(s);
  if (problem) return problem;
  IrType *t = s->type;
  int axis = s->attr->axis;
  int64_t size = s->attr->from, step = s->attr->step;
  if (size < 1 || step < 1 || step > IR_LARGEST || size > t->axes[axis])
    return SAY("size %lld step %lld along axis %d of %s", (long long)size, (long long)step, axis, shape_text(s, 0));
  if (t->rank == IR_MAX_RANK) return SAY("%s has too many axes", shape_text(s, 0));
  for (int i = t->rank++; i > axis + 1; i--) t->axes[i] = t->axes[i - 1];
  t->axes[axis] = (t->axes[axis] - size) / step + 1;
  t->axes[axis + 1] = size;
  return NULL;
}

const char *shape_fold(const Shape *s) {
  const char *problem = own_axis(s);
  if (problem) return problem;
  IrType *t = s->type;
  int axis = s->attr->axis;
  int64_t n = s->attr->from, step = s->attr->step;
  if (t->dtype == IR_BOOL) return SAY("%s: not for bool", shape_text(s, 0));
  if (axis + 1 >= t->rank) return SAY("%s has no axis behind axis %d", shape_text(s, 0), axis);
  int64_t windows = t->axes[axis], size = t->axes[axis + 1];
  if (n < 1 || n > IR_LARGEST || step < 1 || step > IR_LARGEST || windows < 1 || size < 1 || (windows - 1) > (n - size) / step || size > n)
    return SAY("size %lld step %lld along axis %d of %s", (long long)n, (long long)step, axis, shape_text(s, 0));
  t->axes[axis] = n;
  for (int i = axis + 1; i + 1 < t->rank; i++) t->axes[i] = t->axes[i + 1];
  t->axes[--t->rank] = 0;
  return NULL;
}

static const char *check_index(const Shape *s, int rest) {
  const IrType *x = shape_in(s, 0), *index = shape_in(s, 1);
  int b = s->attr->batch, a = s->attr->axis;
  if (index->dtype != IR_I32) return SAY("the index is %s, it must be i32", shape_text(s, 1));
  if (b < 0 || a < b || b > index->rank || rest < 0) return SAY("batch %d axis %d of %s with an index %s", b, a, shape_text(s, 0), shape_text(s, 1));
  for (int i = 0; i < b; i++) {
    if (x->axes[i] != index->axes[i]) return SAY("%s and the index %s differ in batch axis %d", shape_text(s, 0), shape_text(s, 1), i);
  }
  return NULL;
}

const char *shape_gather(const Shape *s) {
  const IrType *x = shape_in(s, 0), *index = shape_in(s, 1);
  int b = s->attr->batch, a = s->attr->axis, rest = x->rank - a - 1;
  const char *problem = check_index(s, rest);
  if (problem) return problem;
  if (x->axes[a] <= 0) return SAY("axis %d of %s has nothing to gather from", a, shape_text(s, 0));
  if (a + index->rank - b + rest > IR_MAX_RANK) return SAY("%s by %s has too many axes", shape_text(s, 0), shape_text(s, 1));
  *s->type = (IrType){.dtype = x->dtype};
  uint8_t *rank = &s->type->rank;
  for (int i = 0; i < a; i++) s->type->axes[(*rank)++] = x->axes[i];
  for (int i = b; i < index->rank; i++) s->type->axes[(*rank)++] = index->axes[i];
  for (int i = 0; i < rest; i++) s->type->axes[(*rank)++] = x->axes[a + 1 + i];
  return NULL;
}

const char *shape_scatter(const Shape *s) {
  const IrType *g = shape_in(s, 0), *index = shape_in(s, 1);
  int b = s->attr->batch, a = s->attr->axis, picked = index->rank - b, rest = g->rank - a - picked;
  const char *problem = check_index(s, rest);
  if (problem) return problem;
  if (g->dtype == IR_BOOL) return SAY("%s: not for bool", shape_text(s, 0));
  if (s->attr->from < 1 || s->attr->from > IR_LARGEST) return SAY("size %lld", (long long)s->attr->from);
  if (a + 1 + rest > IR_MAX_RANK) return SAY("%s has too many axes", shape_text(s, 0));
  for (int i = 0; i < picked; i++) {
    if (g->axes[a + i] != index->axes[b + i]) return SAY("%s and the index %s differ in axis %d of the index", shape_text(s, 0), shape_text(s, 1), b + i);
  }
  *s->type = (IrType){.dtype = g->dtype};
  uint8_t *rank = &s->type->rank;
  for (int i = 0; i < a; i++) s->type->axes[(*rank)++] = g->axes[i];
  s->type->axes[(*rank)++] = s->attr->from;
  for (int i = 0; i < rest; i++) s->type->axes[(*rank)++] = g->axes[a + picked + i];
  return NULL;
}
