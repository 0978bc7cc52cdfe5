// Arrays: reductions, shapes, products, joining and cutting. Axes named here are the visible ones.
#include <math.h>
#include <string.h>

#include "lang/elab_set.h"

static const int64_t *axes_with(const Elab *e, const Tensor *t, const Extents *shape, int *rank, int64_t *out) {
  const IrType *from = ir_type_of(e->scene->fn, t->ir);
  int lead = tensor_offset(e, t);
  for (int i = 0; i < lead; i++) out[i] = from->axes[i];
  for (int i = 0; i < shape->rank; i++) out[lead + i] = shape->axes[i];
  *rank = lead + shape->rank;
  return out;
}

// The largest of no elements is 0.
static Value *of_any(Elab *e, const Value *set, Value *largest, Span span) {
  Value *any = tensor_compare(e, IR_LT, value_real(e, span, 0), set_count(e, set, span), span);
  return tensor_select(e, any, largest, value_real(e, span, 0), span);
}

Value *tensor_sum_axes(Elab *e, IrOp op, Value *v, uint32_t axes, bool keep, Span span) {
  if (value_is_error(v)) return v;
  if (v->u.tensor.type.element != ELEMENT_INT) v = elab_real(e, v, span);
  if (value_is_error(v) || tensor_ir(e, v) == IR_NONE) return value_error(e);
  const Value *set = v;
  bool pools = value_is_set(v) && (axes & 1);
  if (pools) v = set_filled(e, v, op == IR_AMAX ? -INFINITY : 0, span);
  const Tensor *t = &v->u.tensor;
  Extents reduced = {0}, kept = t->type.shape;
  for (int i = 0; i < t->type.shape.rank; i++) {
    if (axes >> i & 1) kept.axes[i] = 1;
    else reduced.axes[reduced.rank++] = t->type.shape.axes[i];
  }
  IrFn *fn = e->scene->fn;
  IrRef r = axes == 0 ? t->ir : op == IR_AMAX ? ir_amax(fn, t->ir, axes << tensor_offset(e, t)) : ir_sum(fn, t->ir, axes << tensor_offset(e, t));
  TensorType type = {.element = t->type.element, .shape = keep ? kept : reduced, .unit = t->type.unit};
  if (t->type.p4 && type.shape.rank > 0 && type.shape.axes[type.shape.rank - 1] == 4) type.p4 = true;
  if (keep && axes != 0) {
    int64_t out[IR_MAX_RANK];
    int rank;
    axes_with(e, t, &kept, &rank, out);
    r = ir_reshape(fn, r, rank, out);
  }
  Value *out = tensor_like(e, span, type, r, t->belongs, &t->hidden);
  if (!pools) return set_mark(e, out, set->u.tensor.present);
  return op == IR_AMAX ? of_any(e, set, out, span) : out;
}

Value *elab_sum(Elab *e, Value *v, Span span) {
  v = elab_real(e, v, span);
  if (value_is_error(v)) return v;
  return tensor_sum_axes(e, IR_SUM, v, (1u << v->u.tensor.type.shape.rank) - 1, false, span);
}

Value *tensor_reshape(Elab *e, Value *v, Extents shape, Span span) {
  if (value_is_error(v)) return v;
  const Tensor *t = &v->u.tensor;
  if (extents_equal(&t->type.shape, &shape)) return v;
  if (tensor_ir(e, v) == IR_NONE) return value_error(e);
  bool keeps_places = shape.rank > 0 && t->type.shape.rank > 0 && shape.axes[0] == t->type.shape.axes[0];
  if (value_is_set(v) && !keeps_places) return set_refused(e, v, span, "other axes");
  if (extents_elements(&t->type.shape) != extents_elements(&shape)) {
    Diag *d = elab_error(e, DIAG_RESHAPE, span, "%s has %lld numbers, %s has %lld", value_text(e->arena, v), (long long)extents_elements(&t->type.shape),
                         extents_text(e->arena, "real", &shape), (long long)extents_elements(&shape));
    if (v->span.begin != span.begin) diag_label(e->diags, d, v->span, "%s", elab_way(e, v));
    diag_help(e->diags, d, "the sizes multiply to %lld", (long long)extents_elements(&t->type.shape));
    elab_help_undeclared(e, d, v);
    return value_error(e);
  }
  Layout wide = layout_of(e, t);
  wide.shape = shape;
  if (!layout_fits(e, &wide, span)) return value_error(e);
  int64_t out[IR_MAX_RANK];
  int rank;
  axes_with(e, t, &shape, &rank, out);
  TensorType type = t->type;
  type.p4 = type.p4 && shape.rank > 0 && shape.axes[shape.rank - 1] == 4;
  bool same_last = shape.rank > 0 && t->type.shape.rank > 0 && shape.axes[shape.rank - 1] == t->type.shape.axes[t->type.shape.rank - 1];
  if (!same_last && !(circular_count(&t->type) == 1 && extents_elements(&shape) == 1)) type.circular = NULL;
  type.shape = shape;
  Value *reshaped = tensor_like(e, span, type, ir_reshape(e->scene->fn, t->ir, rank, out), t->belongs, &t->hidden);
  return value_is_set(v) ? set_mark(e, reshaped, t->present) : reshaped;
}

// ---- contractions

typedef struct Letters {
  char of_hidden[MAX_HIDDEN], events[2];
} Letters;

// Letters for the axes that the language does not show, none of which stands in `used`.
static Letters free_letters(const Hidden *h, const char *used) {
  Letters l = {0};
  int next = 0;
  char c = 'z';
  while (next < h->n + 2) {
    while (strchr(used, c) != NULL) c--;
    if (next < h->n) l.of_hidden[next] = c;
    else l.events[next - h->n] = c;
    next++;
    c--;
  }
  return l;
}

static char *write_axes(char *out, const Elab *e, const Tensor *t, const Hidden *all, const Letters *l, const char *visible) {
  for (int i = 0; i < tensor_events(e, t); i++) *out++ = l->events[i];
  for (int i = 0; i < t->hidden.n; i++)
    for (int k = 0; k < all->n; k++)
      if (all->id[k] == t->hidden.id[i]) *out++ = l->of_hidden[k];
  while (*visible != '\0') *out++ = *visible++;
  return out;
}

// The places of a set stay the first axis of the result, or are summed: then without what is not there.
static Value *summed_or_first(Elab *e, const char *letters, Value *v, const char *lr, Span span) {
  if (!value_is_set(v) || lr[0] == letters[0]) return v;
  return strchr(lr, letters[0]) == NULL ? set_filled(e, v, 0, span) : set_refused(e, v, span, "an inner axis");
}

// Physical values are float64, and weights are not.
static void same_real(Elab *e, Value **a, Value **b) {
  IrDtype x = ir_type_of(e->scene->fn, (*a)->u.tensor.ir)->dtype, y = ir_type_of(e->scene->fn, (*b)->u.tensor.ir)->dtype;
  if (x == y) return;
  *a = elab_cast(e, *a, IR_F64);
  *b = elab_cast(e, *b, IR_F64);
}

// One contraction of visible axes; hidden axes and events of both sides stay in front.
Value *tensor_einsum(Elab *e, const char *la, Value *a, const char *lb, Value *b, const char *lr, Extents shape, Span span) {
  a = summed_or_first(e, la, a, lr, span);
  b = summed_or_first(e, lb, b, lr, span);
  if (value_is_error(a) || value_is_error(b) || !sets_agree(e, a, b, span)) return value_error(e);
  same_real(e, &a, &b);
  const Tensor *x = &a->u.tensor, *y = &b->u.tensor;
  Layout xl = layout_of(e, x), yl = layout_of(e, y), all = layout_join(&xl, &yl, shape);
  if (!layout_fits(e, &all, span)) return value_error(e);
  Belongs belongs = elab_join(e, a, b, span);
  if (extents_elements(&shape) == 0 || extents_elements(&x->type.shape) == 0 || extents_elements(&y->type.shape) == 0) return tensor_fill(e, span, shape, 0);
  const char *used = arena_printf(e->arena, "%s%s%s", la, lb, lr);
  Letters l = free_letters(&all.hidden, used);
  char spec[64], *out = spec;
  out = write_axes(out, e, x, &all.hidden, &l, la);
  *out++ = ',';
  out = write_axes(out, e, y, &all.hidden, &l, lb);
  *out++ = '-', *out++ = '>';
  for (int i = 0; i < all.events; i++) *out++ = l.events[i];
  for (int i = 0; i < all.hidden.n; i++) *out++ = l.of_hidden[i];
  while (*lr != '\0') *out++ = *lr++;
  *out = '\0';
  IrRef r = ir_einsum(e->scene->fn, arena_strdup(e->arena, spec), x->ir, y->ir);
  Value *product = tensor_like(e, span, tensor_type_real(shape), r, belongs, &all.hidden);
  return set_mark(e, product, value_is_set(a) ? x->present : y->present);
}

static bool mixes_angle(Elab *e, Value *v, Span span) {
  if (!circular_any(&v->u.tensor.type)) return false;
  if (e->in_bijection != NULL) {
    Diag *d = elab_error(e, DIAG_ANGLE_LINEAR, span, "`%s` mixes an angle with other columns", e->in_bijection);
    if (v->span.begin != 0 && v->span.begin != span.begin) diag_label(e->diags, d, v->span, "%s", elab_way(e, v));
    diag_help(e->diags, d, "splines, `turn` and `permute` take angles; `sincos` in the chain makes two numbers of one");
    return true;
  }
  Diag *d = elab_error(e, DIAG_ANGLE_RAW, span, "an angle enters as a bare number and jumps at pi");
  diag_help(e->diags, d, "`sincos` in its chain, or `unroll(x)`, has no jump");
  return false;
}

Value *tensor_matmul(Elab *e, Value *a, Value *b, Span span) {
  a = elab_real(e, a, span);
  b = elab_real(e, b, span);
  if (value_is_error(a) || value_is_error(b)) return value_error(e);
  if (tensor_ir(e, a) == IR_NONE || tensor_ir(e, b) == IR_NONE || mixes_angle(e, a, span) || mixes_angle(e, b, span)) return value_error(e);
  const Extents *x = &a->u.tensor.type.shape, *y = &b->u.tensor.type.shape;
  if (x->rank == 0 || y->rank == 0 || x->axes[x->rank - 1] != y->axes[0]) {
    Diag *d = elab_shape_error(e, span, a, b, NULL);
    if (x->rank == 0 || y->rank == 0) diag_help(e->diags, d, "`@` joins the last axis of the left side with the first of the right; numbers take `*`");
    else diag_help(e->diags, d, "the first axis on the right is %lld, it must be %lld", (long long)y->axes[0], (long long)x->axes[x->rank - 1]);
    return value_error(e);
  }
  char la[IR_MAX_RANK + 1] = {0}, lb[IR_MAX_RANK + 1] = {0}, lr[2 * IR_MAX_RANK + 1] = {0};
  Extents shape = {.rank = (uint8_t)(x->rank + y->rank - 2)};
  for (int i = 0; i < x->rank; i++) la[i] = (char)('a' + i);
  for (int i = 0; i < y->rank; i++) lb[i] = (char)('a' + x->rank - 1 + i);
  for (int i = 0; i < shape.rank; i++) {
    bool left = i < x->rank - 1;
    lr[i] = left ? la[i] : lb[i - x->rank + 2];
    shape.axes[i] = left ? x->axes[i] : y->axes[i - x->rank + 2];
  }
  return tensor_einsum(e, la, a, lb, b, lr, shape, span);
}

// ---- joining

// All parts with the same events and hidden axes in front, in one dtype; false: reported.
static bool aligned(Elab *e, const Values *parts, IrRef *out, Layout *layout, Belongs *belongs, Value **stand_in, Span span) {
  IrDtype real = e->model->real;
  Layout all = {0};
  Value *joined = value_tensor(e, span, (TensorType){0}, IR_NONE, (Belongs){0});
  for (size_t i = 0; i < parts->len; i++) {
    const Value *v = parts->at[i];
    if (tensor_ir(e, v) == IR_NONE) return false;
    Layout l = layout_of(e, &v->u.tensor);
    all = layout_join(&all, &l, l.shape);
    joined->u.tensor.belongs = elab_join(e, joined, v, span);
    joined->span = v->span;
    if (ir_type_of(e->scene->fn, v->u.tensor.ir)->dtype == IR_F64) real = IR_F64;
  }
  for (size_t i = 0; i < parts->len; i++) {
    Value *v = parts->at[i];
    if (v->u.tensor.type.element == ELEMENT_REAL) v = elab_cast(e, v, real);
    all.shape = v->u.tensor.type.shape;
    if (!layout_fits(e, &all, span)) return false;
    out[i] = tensor_spread(e, v, &all);
  }
  *layout = all;
  *belongs = joined->u.tensor.belongs;
  *stand_in = joined;
  return true;
}

static const bool *joined_angles(Elab *e, const Values *parts, int64_t total) {
  bool *flags = ARENA_ARRAY(e->arena, bool, total), any = false;
  int64_t at = 0;
  for (size_t i = 0; i < parts->len; i++) {
    const TensorType *t = &parts->at[i]->u.tensor.type;
    for (int64_t k = 0; k < circular_count(t); k++, at++) {
      flags[at] = t->circular != NULL && t->circular[k];
      any = any || flags[at];
    }
  }
  return any ? flags : NULL;
}

Value *tensor_concat(Elab *e, const Values *parts, int axis, Span span) {
  if (parts->len == 1) return parts->at[0];
  IrRef *refs = ARENA_ARRAY(e->arena, IrRef, parts->len);
  Layout all;
  Belongs belongs;
  Value *joined;
  if (!aligned(e, parts, refs, &all, &belongs, &joined, span)) return value_error(e);
  TensorType type = parts->at[0]->u.tensor.type;
  type.circular = NULL;
  for (size_t i = 1; i < parts->len; i++) type.shape.axes[axis] += parts->at[i]->u.tensor.type.shape.axes[axis];
  if (axis == type.shape.rank - 1) type.circular = joined_angles(e, parts, type.shape.axes[axis]);
  if (axis == type.shape.rank - 1) type.p4 = false;
  IrRef r = ir_concat(e->scene->fn, refs, (uint32_t)parts->len, all.events + all.hidden.n + axis);
  Value *out = tensor_like(e, span, type, r, belongs, &all.hidden);
  for (size_t i = 0; i < parts->len && !value_is_error(out); i++) {
    if (axis == 0 && value_is_set(parts->at[i])) return set_refused(e, parts->at[i], span, "a list");
    out = set_kept(e, out, out, parts->at[i], span);
  }
  return out;
}

Value *tensor_stack(Elab *e, const Values *items, Span span) {
  Values parts = {0};
  Extents shape = {0};
  for (size_t i = 0; i < items->len; i++) {
    Value *v = elab_real(e, items->at[i], span);
    if (value_is_error(v)) return v;
    if (i > 0 && !extents_equal(&v->u.tensor.type.shape, &shape)) {
      Diag *d = elab_shape_error(e, span, parts.at[0], v, NULL);
      diag_help(e->diags, d, "the elements of a list of values have one shape");
      return value_error(e);
    }
    shape = v->u.tensor.type.shape;
    VEC_PUSH(e->arena, &parts, v);
  }
  if (parts.len == 0) return tensor_fill(e, span, (Extents){.rank = 1}, 0);
  Extents row = {.rank = (uint8_t)(shape.rank + 1)};
  row.axes[0] = 1;
  for (int i = 0; i < shape.rank; i++) row.axes[i + 1] = shape.axes[i];
  bool p4 = true;
  for (size_t i = 0; i < parts.len; i++) {
    p4 = p4 && parts.at[i]->u.tensor.type.p4;
    parts.at[i] = tensor_reshape(e, parts.at[i], row, span);
  }
  Value *v = value_copy(e, tensor_concat(e, &parts, 0, span));
  if (v->kind == VALUE_TENSOR) v->span = span, v->u.tensor.type.p4 = p4;
  return v;
}

// ---- cutting

// Places on an axis: listed, or a progression. A long one is never written out.
typedef struct Places {
  const int64_t *listed; // NULL: first, first + step, …
  int64_t first, step, n;
} Places;

static int64_t place(const Places *p, int64_t i) { return p->listed != NULL ? p->listed[i] : p->first + i * p->step; }

static const bool *picked_angles(Elab *e, const TensorType *t, int axis, const Places *p) {
  if (t->circular == NULL || axis != t->shape.rank - 1) return t->circular;
  bool *flags = ARENA_ARRAY(e->arena, bool, p->n > 0 ? p->n : 1), any = false;
  for (int64_t i = 0; i < p->n; i++) flags[i] = t->circular[place(p, i)], any = any || flags[i];
  return any ? flags : NULL;
}

static IrRef picked_ir(Elab *e, IrRef v, int axis, const Places *p) {
  IrFn *fn = e->scene->fn;
  if (p->n == 0) return ir_slice(fn, v, axis, 0, 0, 1);
  if (p->listed == NULL) return ir_slice(fn, v, axis, p->first, place(p, p->n - 1) + (p->step > 0 ? 1 : -1), p->step);
  double *numbers = ARENA_ARRAY(e->arena, double, p->n);
  for (int64_t i = 0; i < p->n; i++) numbers[i] = (double)p->listed[i];
  return ir_gather(fn, v, ir_const(fn, ir_type(IR_I32, 1, &p->n), numbers), 0, axis);
}

static Value *pick(Elab *e, Value *v, int axis, const Places *p, Span span) {
  const Tensor *t = &v->u.tensor;
  TensorType type = t->type;
  if (p->listed == NULL && p->step == 1 && p->n == type.shape.axes[axis]) return v;
  if (value_is_set(v) && axis == 0) return set_refused(e, v, span, "some elements");
  type.circular = picked_angles(e, &t->type, axis, p);
  type.p4 = type.p4 && axis != type.shape.rank - 1;
  type.shape.axes[axis] = p->n;
  IrRef r = t->ir != IR_NONE ? picked_ir(e, t->ir, tensor_offset(e, t) + axis, p) : IR_NONE;
  return set_kept(e, tensor_like(e, span, type, r, t->belongs, &t->hidden), v, NULL, span);
}

Value *elab_index_static(Elab *e, Value *v, int axis, const int64_t *index, int64_t n, Span span) {
  Places p = {.first = n > 0 ? index[0] : 0, .step = n > 1 ? index[1] - index[0] : 1, .n = n};
  for (int64_t i = 1; i < n && p.listed == NULL; i++)
    if (p.step == 0 || index[i] - index[i - 1] != p.step) p.listed = index;
  return pick(e, v, axis, &p, span);
}

Value *tensor_slice(Elab *e, Value *v, int axis, int64_t from, int64_t to, int64_t step, Span span) {
  int64_t n = step > 0 ? (to > from ? (to - from + step - 1) / step : 0) : (from > to ? (from - to - step - 1) / -step : 0);
  return pick(e, v, axis, &(Places){.first = from, .step = step, .n = n}, span);
}

// Weights: the gathered axis goes first, so that events of the index stand in front of the result.
static IrRef axis_first(Elab *e, IrRef x, int axis) {
  int rank = ir_type_of(e->scene->fn, x)->rank;
  int8_t order[IR_MAX_RANK];
  order[0] = (int8_t)axis;
  for (int i = 0, k = 1; i < rank; i++)
    if (i != axis) order[k++] = (int8_t)i;
  return axis == 0 ? x : ir_transpose(e->scene->fn, x, order);
}

static IrRef axes_back(Elab *e, IrRef y, int lead, int picked, int axis) { // lead, picked, before, after -> lead, before, picked, after
  int rank = ir_type_of(e->scene->fn, y)->rank, k = 0;
  if (axis == 0 || picked == 0) return y;
  int8_t order[IR_MAX_RANK];
  for (int i = 0; i < lead; i++) order[k++] = (int8_t)i;
  for (int i = 0; i < axis; i++) order[k++] = (int8_t)(lead + picked + i);
  for (int i = 0; i < picked; i++) order[k++] = (int8_t)(lead + i);
  for (int i = lead + picked + axis; i < rank; i++) order[k++] = (int8_t)i;
  return ir_transpose(e->scene->fn, y, order);
}

static Value *gathered(Elab *e, Value *v, int axis, Value *index, Span span) {
  if (tensor_ir(e, v) == IR_NONE || tensor_ir(e, index) == IR_NONE) return value_error(e);
  const Tensor *x = &v->u.tensor, *i = &index->u.tensor;
  IrFn *fn = e->scene->fn;
  if (x->type.shape.rank - 1 + i->type.shape.rank > IR_MAX_RANK - 2) return elab_not_built(e, span, "a value of so many axes", FEWER_AXES);
  Layout xl = layout_of(e, x), il = layout_of(e, i);
  TensorType type = x->type;
  type.circular = NULL;
  type.shape = (Extents){0};
  for (int k = 0; k < axis; k++) type.shape.axes[type.shape.rank++] = x->type.shape.axes[k];
  for (int k = 0; k < i->type.shape.rank; k++) type.shape.axes[type.shape.rank++] = i->type.shape.axes[k];
  for (int k = axis + 1; k < x->type.shape.rank; k++) type.shape.axes[type.shape.rank++] = x->type.shape.axes[k];
  type.p4 = type.p4 && axis != x->type.shape.rank - 1;
  Belongs belongs = elab_join(e, v, index, span);
  Layout all = layout_join(&xl, &il, type.shape);
  if (!layout_fits(e, &all, span)) return value_error(e);
  int lead_x = tensor_offset(e, x), lead_i = tensor_offset(e, i);
  if (lead_x == 0 || lead_i == 0) {
    IrRef r = lead_i == 0 ? ir_gather(fn, x->ir, i->ir, 0, lead_x + axis)
                          : axes_back(e, ir_gather(fn, axis_first(e, x->ir, axis), i->ir, 0, 0), lead_i, i->type.shape.rank, axis);
    return tensor_like(e, span, type, r, belongs, lead_i == 0 ? &x->hidden : &i->hidden);
  }
  int batch = all.events + all.hidden.n;
  Layout for_x = all, for_i = all;
  for_x.shape = x->type.shape;
  for_i.shape = i->type.shape;
  IrRef r = ir_gather(fn, tensor_spread(e, v, &for_x), tensor_spread(e, index, &for_i), batch, batch + axis);
  return tensor_like(e, span, type, r, belongs, &all.hidden);
}

Value *tensor_gather(Elab *e, Value *v, int axis, Value *index, Span span) {
  if (value_is_set(v) && axis == 0 && !value_is_set(index)) return set_refused(e, v, span, "an element");
  if (value_is_set(index) && axis > 0) return set_refused(e, index, span, "places");
  if (!sets_agree(e, v, index, span)) return value_error(e);
  Value *out = gathered(e, v, axis, index, span);
  return value_is_error(out) ? out : set_mark(e, out, axis == 0 ? index->u.tensor.present : v->u.tensor.present);
}

Value *tensor_one_hot(Elab *e, Value *c, int64_t n, Span span) {
  if (tensor_ir(e, c) == IR_NONE) return value_error(e);
  IrFn *fn = e->scene->fn;
  const Tensor *t = &c->u.tensor;
  Layout l = layout_of(e, t);
  if (l.shape.rank + 1 > IR_MAX_RANK - 2) return elab_not_built(e, span, "a one-hot of so many axes", FEWER_AXES);
  IrRef index = ir_cast(fn, t->ir, IR_I32);
  IrType wide = *ir_type_of(fn, index);
  int8_t map[IR_MAX_RANK];
  for (int i = 0; i < wide.rank; i++) map[i] = (int8_t)i;
  map[wide.rank] = -1;
  wide.axes[wide.rank++] = n;
  int8_t last[IR_MAX_RANK];
  memset(last, -1, sizeof last);
  last[wide.rank - 1] = 0;
  IrRef each = ir_broadcast(fn, index, wide.rank, wide.axes, map);
  IrRef kinds = ir_broadcast(fn, ir_iota(fn, ir_type(IR_I32, 1, &n), 0), wide.rank, wide.axes, last);
  Extents shape = t->type.shape;
  shape.axes[shape.rank++] = n;
  IrRef r = ir_cast(fn, ir_binary(fn, IR_EQ, each, kinds), e->model->real);
  return tensor_like(e, span, tensor_type_real(shape), r, t->belongs, &t->hidden);
}

// ---- vectors and records

static void collect_parts(Elab *e, Value *v, Values *parts, Span span, bool *bad) {
  if (v->kind == VALUE_RECORD) {
    if (v->u.record.vector != NULL) {
      VEC_PUSH(e->arena, parts, v->u.record.vector);
      return;
    }
    for (size_t i = 0; i < v->u.record.fields.len; i++) collect_parts(e, v->u.record.fields.at[i].value, parts, span, bad);
    return;
  }
  v = elab_tensor(e, v, span);
  if (!value_is_error(v) && value_is_set(v)) v = set_refused(e, v, span, "a vector");
  if (value_is_error(v)) {
    *bad = true;
    return;
  }
  if (v->u.tensor.type.element == ELEMENT_CLASS) v = tensor_one_hot(e, v, v->u.tensor.type.classes->n, span);
  v = value_is_error(v) ? v : elab_real(e, v, span);
  if (value_is_error(v)) {
    *bad = true;
    return;
  }
  int64_t n = extents_elements(&v->u.tensor.type.shape);
  if (n > 0) VEC_PUSH(e->arena, parts, tensor_reshape(e, v, extents_of(1, &n), span));
}

Value *elab_flatten(Elab *e, Value *v, Span span) {
  if (value_is_error(v)) return v;
  if (v->kind == VALUE_RECORD && v->u.record.vector != NULL) return v->u.record.vector;
  Values parts = {0};
  bool bad = false;
  collect_parts(e, v, &parts, span, &bad);
  if (bad) return value_error(e);
  Value *vector = parts.len == 0 ? tensor_fill(e, span, (Extents){.rank = 1}, 0) : tensor_concat(e, &parts, 0, span);
  if (value_is_error(vector)) return vector;
  if (v->kind == VALUE_RECORD) {
    if (vector == parts.at[0]) vector = value_copy(e, vector);
    vector->span = v->span.begin ? v->span : span;
    v->u.record.vector = vector;
  }
  return vector;
}

// Yes or no where the type has a number in its place, as bits have, is 1 or 0.
Value *elab_flatten_as(Elab *e, Value *v, const FieldType *type, Span span) {
  const TensorType *t = &v->u.tensor.type;
  bool bits = v->kind == VALUE_TENSOR && t->element == ELEMENT_CLASS && t->classes->n == 2 && !type->record && type->type.element == ELEMENT_REAL &&
              extents_elements(&t->shape) == field_type_numbers(type);
  return elab_flatten(e, bits ? elab_real(e, v, span) : v, span);
}

static Value *unflatten_at(Elab *e, Value *vector, const FieldType *type, int64_t *at, Span span) {
  if (type->record) {
    Value *r = value_record(e, span);
    r->type = type;
    int64_t from = *at;
    for (size_t i = 0; i < type->fields.len; i++) {
      Value *f = unflatten_at(e, vector, type->fields.at[i], at, span);
      VEC_PUSH(e->arena, &r->u.record.fields, (RecordField){type->fields.at[i]->label, f});
    }
    r->u.record.vector = tensor_slice(e, vector, 0, from, *at, 1, span);
    return r;
  }
  if (type->type.set) {
    Diag *d = elab_error(e, DIAG_FLATTEN_SET, span, "a vector where %s is a set", type->name);
    diag_help(e->diags, d, "`noise |> first(n)` makes a set of an array");
    return value_error(e);
  }
  int64_t n = field_type_numbers(type);
  Value *part = tensor_slice(e, vector, 0, *at, *at + n, 1, span);
  *at += n;
  Extents shape = type->type.shape;
  if (type->type.element == ELEMENT_CLASS) shape.axes[shape.rank++] = type->type.classes->n;
  Value *v = value_copy(e, tensor_reshape(e, part, shape, span));
  if (value_is_error(v)) return v;
  if (type->type.element != ELEMENT_CLASS) {
    v->u.tensor.type = type->type;
    v->u.tensor.type.unit = NULL;
  }
  v->type = type;
  return v;
}

Value *elab_unflatten(Elab *e, Value *vector, const FieldType *type, Span span) {
  if (value_is_error(vector)) return vector;
  int64_t have = extents_elements(&vector->u.tensor.type.shape), need = field_type_numbers(type), at = 0;
  if (have != need) {
    Diag *d = elab_error(e, DIAG_OUTPUT_TYPE, span, "%s has %lld numbers, this is %s", type->name, (long long)need, value_text(e->arena, vector));
    if (vector->span.begin != span.begin) diag_label(e->diags, d, vector->span, "%s", elab_way(e, vector));
    if (!type->record && type->type.element == ELEMENT_CLASS)
      diag_help(e->diags, d, "`%s ~ categorical(%lld)` draws a class; a vector has one number for each of its values", type->name, (long long)need);
    else diag_help(e->diags, d, "`dense(len(%s))` makes a vector of the right length", type->name);
    return value_error(e);
  }
  vector = tensor_reshape(e, vector, extents_of(1, &need), span);
  return unflatten_at(e, vector, type, &at, span);
}

Value *elab_leaf(Elab *e, Span span, IrOp op, const char *name, IrDtype dtype, TensorType type, Belongs belongs) {
  IrType t = {.dtype = dtype};
  if (belongs.kind >= BELONGS_DRAWS) t.axes[t.rank++] = IR_EVENTS;
  for (int i = 0; i < type.shape.rank; i++) t.axes[t.rank++] = type.shape.axes[i];
  return value_tensor(e, span, type, leaf_now(e, op, name, t), belongs);
}

// Which places of a set are taken: a leaf of whole numbers, 1 where something is.
static Value *places_of(Elab *e, const FieldType *type, IrRef (*leaf)(void *data, const FieldType *part), void *data, Belongs belongs, Span span) {
  FieldType places = {.name = arena_printf(e->arena, "%s.present", type->name), .type = {.element = ELEMENT_INT, .shape = {.rank = 1}}};
  places.type.shape.axes[0] = type->type.shape.axes[0];
  IrRef taken = ir_binary(e->scene->fn, IR_EQ, leaf(data, &places), ir_number(e->scene->fn, IR_I32, 1));
  TensorType bools = {.element = ELEMENT_BOOL, .shape = places.type.shape};
  return value_tensor(e, span, bools, taken, belongs);
}

Value *elab_value_of_type(Elab *e, const FieldType *type, IrRef (*leaf)(void *data, const FieldType *part), void *data, Belongs belongs, Span span) {
  Value *v;
  if (type->record) {
    v = value_record(e, span);
    for (size_t i = 0; i < type->fields.len; i++) {
      const FieldType *f = type->fields.at[i];
      VEC_PUSH(e->arena, &v->u.record.fields, (RecordField){f->label, elab_value_of_type(e, f, leaf, data, belongs, span)});
    }
  } else {
    v = value_tensor(e, span, type->type, leaf == NULL ? IR_NONE : leaf(data, type), belongs);
    if (type->type.set && leaf != NULL) v = set_mark(e, v, places_of(e, type, leaf, data, belongs, span));
  }
  v->type = type;
  return v;
}

typedef struct StandIn {
  Elab *e;
  const char *name;
} StandIn;

static IrRef stand_in_leaf(void *data, const FieldType *part) {
  StandIn *s = data;
  Elab *e = s->e;
  IrType t = {.dtype = part->type.element == ELEMENT_REAL ? e->model->real : IR_I32, .rank = 1, .axes = {IR_EVENTS}};
  for (int i = 0; i < part->type.shape.rank; i++) t.axes[t.rank++] = part->type.shape.axes[i];
  const char *name = part->name[0] ? arena_printf(e->arena, "%s:%s", s->name, part->name) : s->name;
  return ir_leaf(e->scene->fn, IR_INPUT, name, t);
}

Value *elab_stand_in(Elab *e, const FieldType *type, const char *name, Belongs belongs, Span span) {
  return elab_value_of_type(e, type, stand_in_leaf, &(StandIn){e, name}, belongs, span);
}
