// Where the elements of every value lie. Reshape, transpose, broadcast, slice and windows only change strides; what cannot be
// said in strides gets a place of its own.
#include "compiler/codegen/steps.h"

#include <string.h>

static bool is_event_axis(int64_t axis) { return axis < 0; }

uint32_t place_new(Schedule *s, PlaceKind kind, const IrType *type, int class) {
  Place p = {.kind = kind,
             .dtype = type->dtype,
             .class = class,
             .regular = true,
             .first_group = UINT32_MAX,
             .last_group = UINT32_MAX,
             .rows = 1,
             .modulo = 1,
             .divide = 1};
  for (int i = 0; i < type->rank; i++) {
    if (is_event_axis(type->axes[i])) p.pairs = p.events, p.events = true;
    else p.axes[p.rank++] = type->axes[i];
  }
  for (int i = p.rank - 1; i >= 0; i--) {
    p.stride[i] = p.rows;
    p.rows *= p.axes[i];
  }
  VEC_PUSH(s->place_room, &s->places, p);
  return (uint32_t)(s->places.len - 1);
}

// The row-major view of a place of the same shape.
static View whole(const Schedule *s, uint32_t place, const IrType *type) {
  View v = {.place = place, .event = {0, 1}};
  int axis = 0;
  for (int i = 0; i < type->rank; i++)
    if (!is_event_axis(type->axes[i])) v.stride[i] = s->places.at[place].stride[axis++];
  return v;
}

bool reshape_view(const IrType *from, const View *old, const IrType *to, View *result) {
  int64_t axes[IR_MAX_RANK], strides[IR_MAX_RANK];
  int n = 0;
  for (int i = 0; i < from->rank; i++) {
    if (is_event_axis(from->axes[i]) || from->axes[i] == 1) continue;
    axes[n] = from->axes[i];
    strides[n++] = old->stride[i];
  }
  *result = (View){.place = old->place, .base = old->base, .event = {old->event[0], old->event[1]}};
  if (ir_elements(from) == 0) return true;
  int done = 0, at = 0; // old axes used; new axes done
  while (at < to->rank) {
    if (is_event_axis(to->axes[at]) || to->axes[at] == 1) {
      at++;
      continue;
    }
    int64_t new_extent = to->axes[at], old_extent = axes[done];
    int new_end = at + 1, old_end = done + 1;
    while (new_extent != old_extent) {
      if (new_extent < old_extent) {
        if (!is_event_axis(to->axes[new_end])) new_extent *= to->axes[new_end];
        new_end++;
      } else {
        old_extent *= axes[old_end++];
      }
    }
    for (int i = done; i + 1 < old_end; i++)
      if (strides[i] != strides[i + 1] * axes[i + 1]) return false;
    int64_t stride = strides[old_end - 1];
    for (int i = new_end - 1; i >= at; i--) {
      if (is_event_axis(to->axes[i])) continue;
      result->stride[i] = stride;
      stride *= to->axes[i];
    }
    done = old_end;
    at = new_end;
  }
  return true;
}

uint64_t schedule_numbers(Schedule *s, IrDtype dtype, const double *numbers, int64_t n) {
  size_t size = dtype_bytes(dtype);
  uint8_t *bytes = arena_alloc(s->arena, size * (size_t)n + 1);
  for (int64_t i = 0; i < n; i++) {
    double x = numbers[i];
    switch (dtype) {
    case IR_F32: ((float *)bytes)[i] = (float)x; break;
    case IR_F64: ((double *)bytes)[i] = x; break;
    case IR_I32: ((int32_t *)bytes)[i] = (int32_t)x; break;
    case IR_BOOL: ((int32_t *)bytes)[i] = x != 0; break;
    case IR_BF16: ir_fail("codegen: constants of bf16");
    }
  }
  return schedule_constant(s, bytes, size * (size_t)n, n < 16 ? size : 64);
}

static uint32_t constant_place(Schedule *s, const IrValue *v) {
  int64_t n = ir_elements(&v->type);
  bool same = true;
  for (int64_t i = 1; i < n; i++)
    if (memcmp(&v->attr.data[i], &v->attr.data[0], sizeof(double)) != 0) same = false;
  uint32_t place = place_new(s, same ? PLACE_NUMBER : PLACE_DATA, &v->type, 0);
  Place *p = &s->places.at[place];
  p->events = false; // a constant over events is the same number for each
  if (same) p->number = n > 0 ? v->attr.data[0] : 0;
  else { p->buffer = schedule_data(s, schedule_numbers(s, v->type.dtype, v->attr.data, n), (int64_t)dtype_bytes(v->type.dtype)); }
  return place;
}

static uint32_t iota_place(Schedule *s, const IrValue *v) {
  uint32_t place = place_new(s, PLACE_IOTA, &v->type, 0);
  Place *p = &s->places.at[place];
  p->events = false;
  for (int i = v->type.rank - 1; i > v->attr.axis; i--)
    if (!is_event_axis(v->type.axes[i])) p->divide *= v->type.axes[i];
  p->modulo = v->type.axes[v->attr.axis];
  return place;
}

static uint32_t leaf_place(Schedule *s, const IrValue *v) {
  uint32_t place = place_new(s, PLACE_LEAF, &v->type, 0);
  Place *p = &s->places.at[place];
  HgmPort port = {.name = arena_strdup(s->arena, v->attr.name),
                  .dtype = (HgmDtype)v->type.dtype,
                  .per_event = p->events,
                  .elements = p->rows,
                  .kind = (uint8_t)(v->op - IR_INPUT)};
  p->port = (uint32_t)s->leaves.len;
  VEC_PUSH(s->arena, &s->leaves, port);
  return place;
}

// The same number for every call while parameters and states stay as they are?
static bool is_constant_op(IrOp op) { return op != IR_COUNTER && op != IR_DRAW; }

int schedule_class(const Schedule *s, IrRef r, const int *levels) {
  const IrValue *v = ir_at(s->fn, r);
  bool events = ir_has_events(&v->type), pairs = ir_event_axes(&v->type) == 2;
  int level = events || !is_constant_op(v->op) ? 1 : 0;
  for (uint32_t i = 0; i < v->n_operands; i++) pairs |= ir_event_axes(ir_type_of(s->fn, v->operands[i])) == 2;
  for (uint32_t i = 0; i < v->n_operands; i++) {
    int axes = ir_event_axes(ir_type_of(s->fn, v->operands[i]));
    bool sums = !events && axes > 0, waits = pairs && axes == 1;
    int l = levels[v->operands[i]] + sums + waits;
    if (l > level) level = l;
  }
  if (s->least && s->least[r] > level) level = s->least[r];
  return 2 * level + (events ? 1 : 0);
}

// Weights kept in bf16 are float32 in registers.
bool schedule_cast_is_view(const IrFn *fn, const IrValue *v) {
  if (v->op != IR_CAST) return false;
  const IrType *from = ir_type_of(fn, v->operands[0]);
  return from->dtype == v->type.dtype || (from->dtype == IR_BF16 && !ir_has_events(from));
}

// The view of a value that needs no code, or false.
static bool derived_view(const Schedule *s, const IrValue *v, View *view) {
  if (v->n_operands == 0) return false;
  const View *a = &s->views[v->operands[0]];
  const IrType *from = ir_type_of(s->fn, v->operands[0]);
  *view = (View){.place = a->place, .base = a->base, .event = {a->event[0], a->event[1]}};
  if (v->op == IR_STOP || schedule_cast_is_view(s->fn, v)) {
    *view = *a;
    return true;
  }
  switch ((int)v->op) {
  case IR_RESHAPE: return reshape_view(from, a, &v->type, view);
  case IR_TRANSPOSE:
    for (int i = 0; i < v->type.rank; i++) view->stride[i] = a->stride[v->attr.order[i]];
    return true;
  case IR_BROADCAST:
    for (int i = 0; i < v->type.rank; i++) view->stride[i] = v->attr.order[i] >= 0 ? a->stride[v->attr.order[i]] : 0;
    for (int i = 0; i < v->type.rank; i++) // an axis of one element that is stretched
      if (v->attr.order[i] >= 0 && from->axes[v->attr.order[i]] == 1) view->stride[i] = 0;
    for (int i = 0; i < v->type.rank && v->type.axes[i] < 0; i++)
      for (int k = 0; k < 2; k++)
        if (v->attr.order[i] == a->event[k]) view->event[k] = (uint8_t)i;
    return true;
  case IR_WINDOWS:
    for (int i = 0; i < v->type.rank; i++) view->stride[i] = a->stride[i <= v->attr.axis ? i : i - 1];
    view->stride[v->attr.axis] *= v->attr.step;
    return true;
  case IR_SLICE:
    memcpy(view->stride, a->stride, sizeof view->stride);
    view->base += v->attr.from * a->stride[v->attr.axis];
    view->stride[v->attr.axis] *= v->attr.step;
    return true;
  }
  return false;
}

void schedule_views(Schedule *s) {
  const IrFn *fn = s->fn;
  size_t n = fn->values.len;
  const bool *needed = ir_needed(s->arena, s->fn);
  int *levels = ARENA_ARRAY(s->arena, int, n + 1);
  s->views = ARENA_ARRAY(s->arena, View, n + 1);
  for (size_t i = 0; i < n; i++) {
    const IrValue *v = &fn->values.at[i];
    s->views[i].place = UINT32_MAX;
    if (!needed[i]) continue;
    int class = schedule_class(s, (IrRef)i, levels);
    levels[i] = class / 2;
    View view;
    if (derived_view(s, v, &view)) {
      s->views[i] = view;
      continue;
    }
    uint32_t place;
    switch ((int)v->op) {
    case IR_CONST: place = constant_place(s, v); break;
    case IR_IOTA: place = iota_place(s, v); break;
    case IR_INPUT:
    case IR_PARAM:
    case IR_STATE:
    case IR_COUNTER: place = leaf_place(s, v); break;
    default: place = place_new(s, PLACE_COMPUTED, &v->type, class); break;
    }
    if (v->op == IR_PAD) place_clip_pads(s, place, (IrRef)i);
    s->views[i] = whole(s, place, &v->type);
    if (class >= s->classes) s->classes = class + 1;
  }
}

uint64_t schedule_constant(Schedule *s, const void *bytes, size_t n, size_t align) {
  uint64_t at = s->constants.len;
  at = (at + align - 1) / align * align;
  while (at + n > s->constants.cap) {
    uint8_t *old = s->constants.at;
    size_t cap = s->constants.cap ? 2 * s->constants.cap : 4096;
    s->constants.at = arena_alloc(s->arena, cap);
    if (old) memcpy(s->constants.at, old, s->constants.len);
    s->constants.cap = cap;
  }
  memset(s->constants.at + s->constants.len, 0, at - s->constants.len);
  memcpy(s->constants.at + at, bytes, n);
  s->constants.len = at + n;
  return at;
}

uint32_t schedule_data(Schedule *s, uint64_t offset, int64_t row_bytes) {
  Buffer b = {.space = HGM_SPACE_DATA, .offset = offset, .row_bytes = row_bytes};
  VEC_PUSH(s->arena, &s->buffers, b);
  return (uint32_t)s->buffers.len;
}

uint32_t schedule_site(Schedule *s, const char *site) {
  for (size_t i = 0; i < s->sites.len; i++)
    if (strcmp(s->sites.at[i], site) == 0) return (uint32_t)i;
  VEC_PUSH(s->arena, &s->sites, arena_strdup(s->arena, site));
  return (uint32_t)(s->sites.len - 1);
}
