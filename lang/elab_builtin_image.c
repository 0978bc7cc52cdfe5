// Built-in functions of images real[height, width, channels], and of what has more or fewer axes in front of the channels.
// They are views and zeros: windows are windows of the IR along one axis after the other.
#include "lang/elab_builtin.h"

enum { MOST_SPACE = 3 };

// Numbers, one for each axis in front of the channels.
typedef struct Sizes {
  int64_t at[MOST_SPACE];
} Sizes;

// (1, 2) or [1, 2]
static bool known_list(Elab *e, const Value *v, int n, Sizes *out) {
  const int64_t *list;
  int64_t given;
  if (v->kind == VALUE_LIST && static_ints(v, &list, &given, e->arena) && given == n) {
    for (int i = 0; i < n; i++) out->at[i] = list[i];
    return true;
  }
  if (v->kind != VALUE_RECORD || (int)v->u.record.fields.len != n) return false;
  for (int i = 0; i < n; i++) {
    const Value *one = v->u.record.fields.at[i].value;
    if (one->kind != VALUE_INT) return false;
    out->at[i] = one->u.integer;
  }
  return true;
}

static bool sizes_of(Elab *e, Value *v, Span span, const char *what, int n, Sizes *out) {
  if (v->kind == VALUE_LIST || v->kind == VALUE_RECORD) {
    if (!known_list(e, v, n, out)) {
      Diag *d = elab_error(e, DIAG_WINDOW, span, "%s has %d numbers, one an axis of the image, this is %s", what, n, value_text(e->arena, v));
      diag_help(e->diags, d, "one number serves all axes");
      return false;
    }
  } else {
    if (!elab_setting_int(e, v, span, what, &out->at[0])) return false;
    for (int i = 1; i < n; i++) out->at[i] = out->at[0];
  }
  for (int i = 0; i < n; i++) {
    if (out->at[i] >= 1) continue;
    Diag *d = elab_error(e, DIAG_WINDOW, span, "%s is at least 1, this is %lld", what, (long long)out->at[i]);
    diag_help(e->diags, d, "`conv2d(32, kernel = 3, stride = 1)`");
    return false;
  }
  return true;
}

static Value *image_of(Elab *e, Value *v, int behind, Span span, const char *name, int *space) {
  v = elab_real(e, v, span);
  if (value_is_error(v) || tensor_ir(e, v) == IR_NONE) return value_error(e);
  int rank = v->u.tensor.type.shape.rank;
  *space = behind ? (rank - 1) / 2 : rank - 1;
  if (*space >= 1 && *space <= MOST_SPACE && (!behind || rank == 2 * *space + 1)) return v;
  Diag *d = elab_error(e, DIAG_WINDOW, span, "`%s` takes %s, this is %s", name,
                       behind ? "windows, real[h, w, kernel, kernel, channels]" : "an image, real[height, width, channels]", value_text(e->arena, v));
  diag_help(e->diags, d, "`reshape(v, %s)` gives a plain image one channel", behind ? "h, w, k, k, c" : "h, w, 1");
  return value_error(e);
}

static const char *size_text(Elab *e, const int64_t *x, int n) {
  const char *text = "";
  for (int i = 0; i < n; i++) text = arena_printf(e->arena, "%s%s%lld", text, i ? " x " : "", (long long)x[i]);
  return text;
}

static bool kernel_fits(Elab *e, const Value *v, const Sizes *kernel, int space, Span span) {
  const Extents *s = &v->u.tensor.type.shape;
  for (int i = 0; i < space; i++) {
    if (kernel->at[i] <= s->axes[i]) continue;
    Diag *d =
        elab_error(e, DIAG_WINDOW, span, "a kernel of %s does not fit into an image of %s", size_text(e, kernel->at, space), size_text(e, s->axes, space));
    diag_label(e->diags, d, v->span, "%s", elab_way(e, v));
    diag_help(e->diags, d, "a smaller `kernel`, or zeros around the image: `pad(%lld)`", (long long)(kernel->at[i] - s->axes[i] + 1) / 2);
    return false;
  }
  return true;
}

static Value *of_image(Elab *e, const Value *v, Extents shape, IrRef r, Span span) {
  TensorType type = {.element = ELEMENT_REAL, .shape = shape, .unit = v->u.tensor.type.unit};
  return tensor_like(e, span, type, r, v->u.tensor.belongs, &v->u.tensor.hidden);
}

// real[h, w, c] -> real[h', w', rows, cols, c]
Value *builtin_windows(Elab *e, const Builtin *b, BuiltinCall *call) {
  int space;
  Sizes kernel, stride;
  Value *v = image_of(e, call->value[0], 0, call->span, b->name, &space);
  if (value_is_error(v) || !sizes_of(e, call->value[1], call->at[1], "`kernel`", space, &kernel) ||
      !sizes_of(e, call->value[2], call->at[2], "`stride`", space, &stride) || !kernel_fits(e, v, &kernel, space, call->span))
    return value_error(e);
  int lead = tensor_offset(e, &v->u.tensor);
  if (lead + 2 * space + 1 > IR_MAX_RANK) return elab_not_built(e, call->span, "windows of so many axes", FEWER_AXES);
  IrFn *fn = e->scene->fn;
  IrRef r = v->u.tensor.ir;
  Extents shape = {.rank = (uint8_t)(2 * space + 1)};
  int8_t order[IR_MAX_RANK];
  for (int i = 0; i < lead; i++) order[i] = (int8_t)i;
  for (int i = 0; i < space; i++) {
    r = ir_windows(fn, r, lead + 2 * i, kernel.at[i], stride.at[i]);
    shape.axes[i] = ir_type_of(fn, r)->axes[lead + 2 * i];
    shape.axes[space + i] = kernel.at[i];
    order[lead + i] = (int8_t)(lead + 2 * i);
    order[lead + space + i] = (int8_t)(lead + 2 * i + 1);
  }
  order[lead + 2 * space] = (int8_t)(lead + 2 * space);
  shape.axes[2 * space] = v->u.tensor.type.shape.axes[space];
  return of_image(e, v, shape, ir_transpose(fn, r, order), call->span);
}

// real[h, w, rows, cols, c] -> real[(h - 1) stride + rows, ..., c]: windows added up where they lie
Value *builtin_spread_windows(Elab *e, const Builtin *b, BuiltinCall *call) {
  int space;
  Sizes kernel, stride;
  Value *v = image_of(e, call->value[0], 1, call->span, b->name, &space);
  if (value_is_error(v) || !sizes_of(e, call->value[1], call->at[1], "`kernel`", space, &kernel) ||
      !sizes_of(e, call->value[2], call->at[2], "`stride`", space, &stride))
    return value_error(e);
  const Extents *s = &v->u.tensor.type.shape;
  for (int i = 0; i < space; i++) {
    if (kernel.at[i] == s->axes[space + i] && s->axes[i] > 0) continue;
    Diag *d =
        elab_error(e, DIAG_WINDOW, call->span, "windows of %s are no windows of %s", size_text(e, s->axes + space, space), size_text(e, kernel.at, space));
    diag_help(e->diags, d, "`kernel` is the size of the windows that are spread");
    return value_error(e);
  }
  int lead = tensor_offset(e, &v->u.tensor);
  IrFn *fn = e->scene->fn;
  int8_t order[IR_MAX_RANK];
  for (int i = 0; i < lead; i++) order[i] = (int8_t)i;
  for (int i = 0; i < space; i++) order[lead + 2 * i] = (int8_t)(lead + i), order[lead + 2 * i + 1] = (int8_t)(lead + space + i);
  order[lead + 2 * space] = (int8_t)(lead + 2 * space);
  IrRef r = ir_transpose(fn, v->u.tensor.ir, order);
  Extents shape = {.rank = (uint8_t)(space + 1)};
  for (int i = space; i-- > 0;) {
    shape.axes[i] = (s->axes[i] - 1) * stride.at[i] + kernel.at[i];
    r = ir_fold(fn, r, lead + 2 * i, shape.axes[i], stride.at[i]);
  }
  shape.axes[space] = s->axes[2 * space];
  return of_image(e, v, shape, r, call->span);
}

// Zeros around, or rows and columns taken off where a number is negative.
static Value *around(Elab *e, Value *v, int space, const int64_t *before, const int64_t *after, Span span) {
  int lead = tensor_offset(e, &v->u.tensor);
  IrFn *fn = e->scene->fn;
  IrRef r = v->u.tensor.ir;
  Extents shape = v->u.tensor.type.shape;
  for (int i = 0; i < space; i++) {
    int64_t n = shape.axes[i], from = before[i] < 0 ? -before[i] : 0, to = after[i] < 0 ? n + after[i] : n;
    if (from != 0 || to != n) r = ir_slice(fn, r, lead + i, from, to, 1);
    if (before[i] > 0 || after[i] > 0) r = ir_pad(fn, r, lead + i, before[i] > 0 ? before[i] : 0, after[i] > 0 ? after[i] : 0, 1);
    shape.axes[i] = n + before[i] + after[i];
  }
  return of_image(e, v, shape, r, span);
}

Value *builtin_pad(Elab *e, const Builtin *b, BuiltinCall *call) {
  int space;
  Sizes width;
  Value *v = image_of(e, call->value[0], 0, call->span, b->name, &space);
  if (value_is_error(v) || !sizes_of(e, call->value[1], call->at[1], "the width of `pad`", space, &width)) return value_error(e);
  return around(e, v, space, width.at, width.at, call->span);
}

// As many zeros as make ceil(size / stride) windows; the odd one behind.
Value *builtin_pad_same(Elab *e, const Builtin *b, BuiltinCall *call) {
  int space;
  Sizes kernel, stride;
  Value *v = image_of(e, call->value[0], 0, call->span, b->name, &space);
  if (value_is_error(v) || !sizes_of(e, call->value[1], call->at[1], "`kernel`", space, &kernel) ||
      !sizes_of(e, call->value[2], call->at[2], "`stride`", space, &stride))
    return value_error(e);
  int64_t before[MOST_SPACE], after[MOST_SPACE];
  for (int i = 0; i < space; i++) {
    int64_t n = v->u.tensor.type.shape.axes[i], windows = (n + stride.at[i] - 1) / stride.at[i];
    int64_t missing = (windows - 1) * stride.at[i] + kernel.at[i] - n;
    if (missing < 0) missing = 0;
    before[i] = missing / 2;
    after[i] = missing - missing / 2;
  }
  return around(e, v, space, before, after, call->span);
}

// The middle of an image; zeros where it is smaller.
Value *builtin_crop_to(Elab *e, const Builtin *b, BuiltinCall *call) {
  int space;
  Value *v = image_of(e, call->value[0], 0, call->span, b->name, &space);
  if (value_is_error(v)) return v;
  if ((int)call->rest.len != space) {
    Diag *d = elab_error(e, DIAG_WINDOW, call->span, "`%s` takes %d sizes for %s", b->name, space, value_text(e->arena, v));
    diag_help(e->diags, d, "`crop_to(x, rows, columns)`");
    return value_error(e);
  }
  int64_t before[MOST_SPACE], after[MOST_SPACE];
  for (int i = 0; i < space; i++) {
    Sizes size;
    if (!sizes_of(e, call->rest.at[i], call->span, "a size", 1, &size)) return value_error(e);
    int64_t more = size.at[0] - v->u.tensor.type.shape.axes[i];
    before[i] = more / 2;
    after[i] = more - more / 2;
  }
  return around(e, v, space, before, after, call->span);
}
