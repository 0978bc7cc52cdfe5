// Tensors: from what is known now to constants, one layout for two operands, elementwise operations.
#include <string.h>

#include "lang/elab_set.h"
#include "lang/unit.h"

// ---- layouts

int tensor_events(const Elab *e, const Tensor *t) {
  if (t->ir == IR_NONE || t->fn == NULL) return t->belongs.kind >= BELONGS_DRAWS && e->scene != NULL;
  return ir_event_axes(ir_type_of(t->fn, t->ir));
}

int tensor_offset(const Elab *e, const Tensor *t) { return tensor_events(e, t) + t->hidden.n; }

Layout layout_of(const Elab *e, const Tensor *t) { return (Layout){.events = tensor_events(e, t), .hidden = t->hidden, .shape = t->type.shape}; }

static void hidden_add(Hidden *h, int32_t id, int64_t extent) {
  int at = h->n;
  while (at > 0 && h->id[at - 1] >= id) at--;
  if (at < h->n && h->id[at] == id) return;
  if (h->n == MAX_HIDDEN) ir_fail("bijections of one number are lifted over more than %d axes", MAX_HIDDEN);
  for (int i = h->n; i > at; i--) h->id[i] = h->id[i - 1], h->extent[i] = h->extent[i - 1];
  h->id[at] = id;
  h->extent[at] = extent;
  h->n++;
}

Layout layout_join(const Layout *a, const Layout *b, Extents shape) {
  Layout l = {.events = a->events > b->events ? a->events : b->events, .hidden = a->hidden, .shape = shape};
  for (int i = 0; i < b->hidden.n; i++) hidden_add(&l.hidden, b->hidden.id[i], b->hidden.extent[i]);
  return l;
}

bool layout_fits(Elab *e, const Layout *l, Span span) {
  if (l->events + l->hidden.n + l->shape.rank > IR_MAX_RANK) {
    Diag *d = elab_error(e, DIAG_NOT_BUILT, span, "a value of %d axes, with those of events and of lists around it, is not built yet",
                         l->events + l->hidden.n + l->shape.rank);
    diag_help(e->diags, d, "there are at most %d: join two of its own axes, or compute a list one by one (`for i in 0:n` with a name)", IR_MAX_RANK);
    return false;
  }
  Extents all = {0};
  for (int i = 0; i < l->hidden.n; i++) all.axes[all.rank++] = l->hidden.extent[i];
  for (int i = 0; i < l->shape.rank; i++) all.axes[all.rank++] = l->shape.axes[i];
  return static_fits(e, &all, span);
}

static IrType layout_type(IrDtype dtype, const Layout *l) {
  IrType t = {.dtype = dtype};
  for (int i = 0; i < l->events; i++) t.axes[t.rank++] = i == 0 ? IR_EVENTS : IR_PAIRS;
  if (t.rank + l->hidden.n + l->shape.rank > IR_MAX_RANK) ir_fail("a value of more than %d axes", IR_MAX_RANK);
  for (int i = 0; i < l->hidden.n; i++) t.axes[t.rank++] = l->hidden.extent[i];
  for (int i = 0; i < l->shape.rank; i++) t.axes[t.rank++] = l->shape.axes[i];
  return t;
}

bool extents_join(const Extents *a, const Extents *b, Extents *out) {
  const Extents *big = a->rank >= b->rank ? a : b, *small = a->rank >= b->rank ? b : a;
  *out = *big;
  if (a->rank != b->rank) {
    int lead = big->rank - small->rank;
    return memcmp(big->axes + lead, small->axes, small->rank * sizeof small->axes[0]) == 0;
  }
  for (int i = 0; i < a->rank; i++) {
    if (a->axes[i] != b->axes[i] && a->axes[i] != 1 && b->axes[i] != 1) return false;
    out->axes[i] = a->axes[i] == 1 ? b->axes[i] : a->axes[i];
  }
  return true;
}

Value *tensor_stand_in(Elab *e, const Value *v) {
  Layout l = layout_of(e, &v->u.tensor);
  Value *copy = value_copy(e, v);
  copy->u.tensor.ir = ir_fill(e->scene->fn, layout_type(e->model->real, &l), 0);
  copy->u.tensor.fn = e->scene->fn;
  return copy;
}

IrRef tensor_ir(Elab *e, const Value *v) {
  if (v->u.tensor.ir == IR_NONE) {
    Diag *d = elab_error(e, DIAG_ONE_SIDE, v->span, "this value is what the other direction gives: only its type is known here");
    diag_help(e->diags, d, "use it inside `forward { }` or `inverse { }`, where it is an input");
  } else if (v->u.tensor.fn != e->scene->fn) {
    Diag *d = elab_error(e, DIAG_NOT_SETTING, v->span, "this value is known only event by event, and is needed when the program is checked");
    diag_help(e->diags, d, "settings, sizes and the beginnings of weights are made of params and numbers");
    return IR_NONE;
  }
  return v->u.tensor.ir;
}

// Axes of 1 that are to stretch go away; the map says where the others end up.
IrRef tensor_spread(Elab *e, const Value *v, const Layout *l) {
  IrFn *fn = e->scene->fn;
  const Tensor *t = &v->u.tensor;
  const IrType *from = ir_type_of(fn, t->ir);
  IrType want = layout_type(from->dtype, l);
  if (ir_type_equal(from, &want)) return t->ir;
  int8_t map[IR_MAX_RANK];
  memset(map, -1, sizeof map);
  IrType kept = {.dtype = from->dtype};
  int at = l->events;
  for (int i = 0; i < ir_event_axes(from); i++) map[i] = (int8_t)i, kept.axes[kept.rank++] = from->axes[i];
  for (int i = 0; i < l->hidden.n; i++)
    for (int k = 0; k < t->hidden.n; k++)
      if (t->hidden.id[k] == l->hidden.id[i]) map[at + i] = (int8_t)kept.rank, kept.axes[kept.rank++] = t->hidden.extent[k];
  at += l->hidden.n + l->shape.rank - t->type.shape.rank;
  for (int i = 0; i < t->type.shape.rank; i++) {
    int64_t n = t->type.shape.axes[i];
    if (n == 1 && want.axes[at + i] != 1) continue;
    map[at + i] = (int8_t)kept.rank;
    kept.axes[kept.rank++] = n;
  }
  IrRef r = kept.rank == from->rank ? t->ir : ir_reshape(fn, t->ir, kept.rank, kept.axes);
  return ir_broadcast(fn, r, want.rank, want.axes, map);
}

Value *tensor_like(Elab *e, Span span, TensorType type, IrRef ir, Belongs belongs, const Hidden *hidden) {
  type.set = false; // until set_mark says so
  Value *v = value_tensor(e, span, type, ir, belongs);
  if (hidden != NULL) v->u.tensor.hidden = *hidden;
  return v;
}

int64_t circular_count(const TensorType *t) { return t->shape.rank ? t->shape.axes[t->shape.rank - 1] : 1; }

bool circular_any(const TensorType *t) {
  for (int64_t i = 0; t->circular != NULL && i < circular_count(t); i++)
    if (t->circular[i]) return true;
  return false;
}

// ---- constants

static IrDtype element_dtype(const Elab *e, Element element) {
  if (element == ELEMENT_BOOL) return IR_BOOL;
  return element == ELEMENT_REAL ? e->model->real : IR_I32;
}

static Value *const_of(Elab *e, Span span, Element element, IrDtype dtype, Extents shape, const double *data) {
  IrRef ir = ir_const(e->scene->fn, ir_type(dtype, shape.rank, shape.axes), data);
  return value_tensor(e, span, (TensorType){.element = element, .shape = shape}, ir, (Belongs){0});
}

Value *tensor_const(Elab *e, Span span, Element element, Extents shape, const double *data) {
  return const_of(e, span, element, element_dtype(e, element), shape, data);
}

Value *tensor_number(Elab *e, Span span, double x) { return tensor_const(e, span, ELEMENT_REAL, (Extents){0}, &x); }

Value *tensor_fill(Elab *e, Span span, Extents shape, double x) {
  IrRef ir = ir_fill(e->scene->fn, ir_type(e->model->real, shape.rank, shape.axes), x);
  return value_tensor(e, span, tensor_type_real(shape), ir, (Belongs){0});
}

static Value *type_error(Elab *e, Value *v, Span span) {
  bool waits = v->kind == VALUE_CALLABLE && v->u.callable.settings_given;
  DiagKind kind = waits ? DIAG_NO_DATA_LIST : DIAG_TYPE;
  Diag *d = elab_error(e, kind, span, "numbers are needed here, this is %s", value_text(e->arena, v));
  if (v->span.begin != 0 && v->span.begin != span.begin) diag_label(e->diags, d, v->span, "%s", elab_way(e, v));
  const char *cure = "numbers, lists of numbers, fields and what nets give can stand here";
  if (v->kind == VALUE_CALLABLE) cure = waits ? "a layer waits for data: `x |> layer(…)`" : "call it: `f(x)`";
  if (v->kind == VALUE_DISTRIBUTION || v->kind == VALUE_FLOW) cure = "draw from it: `z ~ …`, or score with `log_prob(…, x)`";
  if (v->kind == VALUE_DATA) cure = "name one of its fields";
  diag_help(e->diags, d, "%s", cure);
  return value_error(e);
}

static Value *materialize(Elab *e, Value *v, Span span, IrDtype real) {
  if (v->kind == VALUE_TENSOR || value_is_error(v)) return v;
  Extents shape;
  double *data;
  bool booleans;
  if (static_numbers(e, v, &shape, &data, &booleans)) {
    Value *c = const_of(e, v->span, booleans ? ELEMENT_BOOL : ELEMENT_REAL, booleans ? IR_BOOL : real, shape, data);
    c->u.tensor.type.unit = v->unit;
    return c;
  }
  if (v->kind == VALUE_LIST) return tensor_stack(e, &v->u.list, span.begin ? span : v->span);
  if (v->kind == VALUE_ALIKE) return alike_stacked(e, v, span.begin ? span : v->span);
  if (v->kind == VALUE_RECORD) return elab_flatten(e, v, span);
  return type_error(e, v, span);
}

Value *elab_tensor(Elab *e, Value *v, Span span) { return materialize(e, v, span, e->model->real); }

Value *elab_cast(Elab *e, Value *v, IrDtype dtype) {
  if (value_is_error(v)) return v;
  if (v->kind != VALUE_TENSOR) v = materialize(e, v, v->span, dtype == IR_F64 ? IR_F64 : e->model->real);
  if (value_is_error(v)) return v;
  IrRef ir = tensor_ir(e, v);
  if (ir == IR_NONE) return value_error(e);
  bool real = dtype == IR_F32 || dtype == IR_F64, same = ir_type_of(e->scene->fn, ir)->dtype == dtype;
  if (real && same && v->u.tensor.type.element == ELEMENT_REAL && v->u.tensor.type.classes == NULL) return v;
  Value *out = value_copy(e, v);
  out->u.tensor.ir = ir_cast(e->scene->fn, ir, dtype);
  if (real) out->u.tensor.type.element = ELEMENT_REAL, out->u.tensor.type.classes = NULL;
  if (dtype == IR_I32) out->u.tensor.type.element = ELEMENT_INT;
  return out;
}

static Value *real_of(Elab *e, Value *v, Span span, IrDtype real) {
  v = materialize(e, v, span, real);
  if (value_is_error(v) || v->u.tensor.type.element == ELEMENT_REAL) return v;
  const TensorType *t = &v->u.tensor.type;
  if (t->element == ELEMENT_CLASS && t->classes->n > 2 && !t->classes->counts) {
    Diag *d = elab_error(e, DIAG_CLASS_ARITHMETIC, span, "a class of %lld kinds is no number", (long long)t->classes->n);
    if (v->span.begin != span.begin) diag_label(e->diags, d, v->span, "%s", elab_way(e, v));
    diag_help(e->diags, d, "`one_hot(c)` or `embedding(16)` make vectors of it");
    return value_error(e);
  }
  return elab_cast(e, v, real);
}

Value *elab_real(Elab *e, Value *v, Span span) { return real_of(e, v, span, e->model->real); }

IrRef elab_per_event(Elab *e, const Value *tensor) {
  Layout l = layout_of(e, &tensor->u.tensor);
  if (l.events == 0) l.events = 1;
  return tensor_spread(e, tensor, &l);
}

// ---- belonging

static Belongs belongs_of(const Value *v) { return v->kind == VALUE_TENSOR ? v->u.tensor.belongs : (Belongs){0}; }

Belongs elab_join(Elab *e, const Value *a, const Value *b, Span span) {
  Belongs x = belongs_of(a), y = belongs_of(b);
  if (x.kind == BELONGS_EVENTS && y.kind == BELONGS_EVENTS && x.data != y.data) {
    Diag *d = elab_error(e, DIAG_TWO_DATA, span, "a value of `%s` and a value of `%s` are not the same events", x.data->name, y.data->name);
    diag_label(e->diags, d, a->span, "of `%s`", x.data->name);
    diag_label(e->diags, d, b->span, "of `%s`", y.data->name);
    diag_help(e->diags, d, "events of two data blocks are not paired: what belongs together stands in one block; of the others a loss is two `minimize` lines");
  }
  return x.kind >= y.kind ? x : y;
}

// ---- elementwise

// A number of the step in f64 takes the type of what it meets; log-determinants and losses in f64 stay.
static bool is_weak(const Elab *e, const Value *v) {
  const IrType *t = ir_type_of(e->scene->fn, v->u.tensor.ir);
  return t->rank == 0;
}

static IrDtype real_dtype(const Elab *e, const Value *a, const Value *b) {
  const Value *side[2] = {a, b};
  IrDtype found[2] = {e->model->real, e->model->real};
  bool weak[2] = {true, true};
  for (int i = 0; i < 2; i++) {
    if (side[i]->kind != VALUE_TENSOR || side[i]->u.tensor.ir == IR_NONE) continue;
    IrDtype t = ir_type_of(e->scene->fn, side[i]->u.tensor.ir)->dtype;
    if (t == IR_F32 || t == IR_F64) found[i] = t;
    weak[i] = t != IR_F64 && t != IR_F32 ? false : is_weak(e, side[i]);
  }
  for (int i = 0; i < 2; i++)
    if (side[i]->kind != VALUE_TENSOR && side[i]->kind != VALUE_LIST) return found[1 - i];
  if (found[0] == found[1]) return found[0];
  int wide = found[0] == IR_F64 ? 0 : 1;
  return weak[wide] && !weak[1 - wide] ? found[1 - wide] : IR_F64;
}

// Where nothing is, operands are numbers that every operation takes, so that its derivative is a number too.
static Value *harmless(Elab *e, IrOp op, Value *a, Span span) {
  bool takes_all = op != IR_LOG && op != IR_SQRT && op != IR_LOG1P && op != IR_NORMAL_ICDF && op != IR_LGAMMA;
  return takes_all ? a : set_filled(e, a, 0.5, span);
}

static bool divides(IrOp op) { return op == IR_DIV || op == IR_POW || op == IR_ATAN2 || op == IR_MOD; }

Value *tensor_apply(Elab *e, IrOp op, Value *a, Span span) {
  a = elab_real(e, a, span);
  if (value_is_error(a)) return a;
  const Value *set = a;
  a = harmless(e, op, a, span);
  IrRef ir = tensor_ir(e, a);
  if (ir == IR_NONE) return value_error(e);
  TensorType type = tensor_type_real(a->u.tensor.type.shape);
  bool keeps_unit = op == IR_NEG || op == IR_ABS || op == IR_STOP || op == IR_FLOOR || op == IR_ROUND;
  if (keeps_unit) type.unit = a->u.tensor.type.unit;
  if (op == IR_SQRT) type.unit = unit_root(e->arena, a->u.tensor.type.unit);
  if (op == IR_STOP) type.circular = a->u.tensor.type.circular;
  return set_kept(e, tensor_like(e, span, type, ir_unary(e->scene->fn, op, ir), a->u.tensor.belongs, &a->u.tensor.hidden), set, NULL, span);
}

static bool stretches_left(const Extents *a, const Extents *b) {
  const Extents *big = a->rank >= b->rank ? a : b, *small = a->rank >= b->rank ? b : a;
  if (small->rank == big->rank || small->rank == 0) return false;
  for (int i = 0; i < small->rank; i++)
    if (small->axes[i] != big->axes[i] && big->axes[i] != 1 && small->axes[i] != 1) return false;
  return true;
}

static void say_unequal(Elab *e, Span span, const Value *a, const Value *b) {
  const Extents *x = &a->u.tensor.type.shape, *y = &b->u.tensor.type.shape;
  if (!stretches_left(x, y)) {
    Diag *d = elab_shape_error(e, span, a, b, NULL);
    diag_help(e->diags, d, "component by component two shapes are equal, or one is a number or the tail of the other");
    return;
  }
  const Value *small = x->rank < y->rank ? a : b;
  Diag *d = elab_error(e, DIAG_STRETCH, span, "%s and %s do not combine", value_text(e->arena, a), value_text(e->arena, b));
  diag_label(e->diags, d, a->span, "%s", elab_way(e, a));
  diag_label(e->diags, d, b->span, "%s", elab_way(e, b));
  Extents s = small->u.tensor.type.shape;
  const char *text = "";
  int rank = x->rank > y->rank ? x->rank : y->rank;
  for (int i = 0; i < rank; i++) text = arena_printf(e->arena, "%s, %lld", text, i < s.rank ? (long long)s.axes[i] : 1LL);
  diag_help(e->diags, d, "did you mean `reshape(…%s)`?", text);
}

typedef struct Pair {
  Value *a, *b;
  IrRef x, y;
  Layout layout;
  Belongs belongs;
  bool ok;
} Pair;

// Both operands in one layout; scalars without axes stay so, the builder stretches them.
static Pair pair_up(Elab *e, Value *a, Value *b, Span span) {
  Pair p = {.a = a, .b = b};
  if (value_is_error(a) || value_is_error(b)) return p;
  Extents shape;
  if (!extents_join(&a->u.tensor.type.shape, &b->u.tensor.type.shape, &shape)) {
    say_unequal(e, span, a, b);
    return p;
  }
  p.x = tensor_ir(e, a);
  p.y = p.x == IR_NONE ? IR_NONE : tensor_ir(e, b);
  if (p.y == IR_NONE) return p;
  Layout la = layout_of(e, &a->u.tensor), lb = layout_of(e, &b->u.tensor);
  p.layout = layout_join(&la, &lb, shape);
  if (!layout_fits(e, &p.layout, span)) return p;
  p.belongs = elab_join(e, a, b, span);
  bool plain_a = ir_type_of(e->scene->fn, p.x)->rank == 0, plain_b = ir_type_of(e->scene->fn, p.y)->rank == 0;
  if (!plain_a) p.x = tensor_spread(e, a, &p.layout);
  if (!plain_b) p.y = tensor_spread(e, b, &p.layout);
  p.ok = true;
  return p;
}

Value *tensor_combine(Elab *e, IrOp op, Value *a, Value *b, Span span) {
  if (value_is_error(a) || value_is_error(b)) return value_error(e);
  IrDtype real = real_dtype(e, a, b);
  a = real_of(e, a, span, real);
  b = real_of(e, b, span, real);
  if (value_is_error(a) || value_is_error(b)) return value_error(e);
  if (a->u.tensor.ir != IR_NONE) a = elab_cast(e, a, real);
  if (b->u.tensor.ir != IR_NONE) b = elab_cast(e, b, real);
  const Value *left = a, *right = b;
  if (divides(op)) a = op == IR_DIV ? a : set_filled(e, a, 1, span), b = set_filled(e, b, 1, span);
  Pair p = pair_up(e, a, b, span);
  if (!p.ok) return value_error(e);
  Value *out = tensor_like(e, span, tensor_type_real(p.layout.shape), ir_binary(e->scene->fn, op, p.x, p.y), p.belongs, &p.layout.hidden);
  return set_kept(e, out, left, right, span);
}

static bool is_whole(const Value *v) {
  if (v->kind == VALUE_INT) return true;
  return v->kind == VALUE_TENSOR && v->u.tensor.type.element == ELEMENT_INT;
}

static Value *whole_of(Elab *e, Value *v) {
  if (v->kind != VALUE_INT) return v;
  double x = (double)v->u.integer;
  return tensor_const(e, v->span, ELEMENT_INT, (Extents){0}, &x);
}

// Indices stay whole: i + 1.
Value *tensor_whole(Elab *e, IrOp op, Value *a, Value *b, Span span) {
  Pair p = pair_up(e, whole_of(e, a), whole_of(e, b), span);
  if (!p.ok) return value_error(e);
  TensorType type = {.element = ELEMENT_INT, .shape = p.layout.shape};
  return set_kept(e, tensor_like(e, span, type, ir_binary(e->scene->fn, op, p.x, p.y), p.belongs, &p.layout.hidden), p.a, p.b, span);
}

Value *tensor_compare(Elab *e, IrOp op, Value *a, Value *b, Span span) {
  Pair p;
  if (is_whole(a) && is_whole(b)) {
    p = pair_up(e, whole_of(e, a), whole_of(e, b), span);
  } else {
    IrDtype real = real_dtype(e, a, b);
    a = real_of(e, a, span, real);
    b = real_of(e, b, span, real);
    if (value_is_error(a) || value_is_error(b)) return value_error(e);
    p = pair_up(e, elab_cast(e, a, real), elab_cast(e, b, real), span);
  }
  if (!p.ok) return value_error(e);
  TensorType type = {.element = ELEMENT_BOOL, .shape = p.layout.shape};
  return set_kept(e, tensor_like(e, span, type, ir_binary(e->scene->fn, op, p.x, p.y), p.belongs, &p.layout.hidden), p.a, p.b, span);
}

Value *tensor_logic(Elab *e, IrOp op, Value *a, Value *b, Span span) {
  a = elab_tensor(e, a, span);
  b = elab_tensor(e, b, span);
  Pair p = pair_up(e, a, b, span);
  if (!p.ok) return value_error(e);
  const Value *side[2] = {a, b};
  for (int i = 0; i < 2; i++) {
    if (side[i]->u.tensor.type.element == ELEMENT_BOOL) continue;
    Diag *d = elab_error(e, DIAG_OPERATOR, span, "`and`, `or` join comparisons, this is %s", value_text(e->arena, side[i]));
    diag_label(e->diags, d, side[i]->span, "%s", elab_way(e, side[i]));
    diag_help(e->diags, d, "compare it: `x > 0`, `c == 1`");
    return value_error(e);
  }
  TensorType type = {.element = ELEMENT_BOOL, .shape = p.layout.shape};
  return set_kept(e, tensor_like(e, span, type, ir_binary(e->scene->fn, op, p.x, p.y), p.belongs, &p.layout.hidden), p.a, p.b, span);
}

// ---- choosing

static bool flag_at(const TensorType *t, int64_t i) {
  if (t->circular == NULL) return false;
  return t->circular[circular_count(t) == 1 ? 0 : i];
}

static const bool *chosen_angles(Elab *e, const double *known, int64_t n_known, const Value *yes, const Value *no, Extents shape) {
  if (!circular_any(&yes->u.tensor.type) && !circular_any(&no->u.tensor.type)) return NULL;
  TensorType like = {.shape = shape};
  int64_t n = circular_count(&like);
  bool *flags = ARENA_ARRAY(e->arena, bool, n), any = false;
  for (int64_t i = 0; i < n; i++) {
    bool a = flag_at(&yes->u.tensor.type, i), b = flag_at(&no->u.tensor.type, i);
    flags[i] = known != NULL && n_known == n ? (known[i] != 0 ? a : b) : a && b;
    any = any || flags[i];
  }
  return any ? flags : NULL;
}

static Value *select_element(Elab *e, Value *condition, Value *yes, Value *no, Span span, const double *known, int64_t n_known) {
  Extents s, shape;
  bool fits = extents_join(&yes->u.tensor.type.shape, &no->u.tensor.type.shape, &s);
  if (!fits || !extents_join(&s, &condition->u.tensor.type.shape, &shape)) {
    say_unequal(e, span, fits ? condition : yes, fits ? (yes->u.tensor.type.shape.rank >= s.rank ? yes : no) : no);
    return value_error(e);
  }
  if (tensor_ir(e, condition) == IR_NONE || tensor_ir(e, yes) == IR_NONE || tensor_ir(e, no) == IR_NONE) return value_error(e);
  Layout c = layout_of(e, &condition->u.tensor), a = layout_of(e, &yes->u.tensor), b = layout_of(e, &no->u.tensor);
  Layout l = layout_join(&a, &b, shape);
  l = layout_join(&l, &c, shape);
  if (!layout_fits(e, &l, span)) return value_error(e);
  IrRef r = ir_select(e->scene->fn, tensor_spread(e, condition, &l), tensor_spread(e, yes, &l), tensor_spread(e, no, &l));
  Value *joined = tensor_like(e, span, yes->u.tensor.type, r, elab_join(e, yes, no, span), &l.hidden);
  joined->u.tensor.belongs = elab_join(e, joined, condition, span);
  joined->u.tensor.type.shape = shape;
  joined->u.tensor.type.circular = chosen_angles(e, known, n_known, yes, no, shape);
  joined = set_kept(e, joined, yes, no, span);
  return value_is_error(joined) ? joined : set_kept(e, joined, joined, condition, span);
}

Value *tensor_select(Elab *e, Value *condition, Value *yes, Value *no, Span span) {
  if (value_is_error(condition) || value_is_error(yes) || value_is_error(no)) return value_error(e);
  double *known = NULL;
  Extents known_shape = {0};
  bool booleans;
  if (condition->kind == VALUE_LIST) static_numbers(e, condition, &known_shape, &known, &booleans);
  condition = elab_tensor(e, condition, span);
  if (value_is_error(condition)) return condition;
  if (condition->u.tensor.type.element != ELEMENT_BOOL) {
    Diag *d = elab_error(e, DIAG_TYPE, span, "`if` asks for true or false, this is %s", value_text(e->arena, condition));
    diag_help(e->diags, d, "compare it: `if x > 0 then … else …`");
    return value_error(e);
  }
  if (is_whole(yes) && is_whole(no) && (yes->kind == VALUE_TENSOR || no->kind == VALUE_TENSOR)) {
    yes = whole_of(e, yes);
    no = whole_of(e, no);
  } else {
    IrDtype real = real_dtype(e, yes, no);
    yes = real_of(e, yes, span, real);
    no = real_of(e, no, span, real);
    if (value_is_error(yes) || value_is_error(no)) return value_error(e);
    yes = elab_cast(e, yes, real);
    no = elab_cast(e, no, real);
  }
  return select_element(e, condition, yes, no, span, known, known_shape.rank == 1 ? known_shape.axes[0] : 0);
}
