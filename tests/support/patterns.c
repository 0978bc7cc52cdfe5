#include "tests/support/patterns.h"

#include <string.h>

#include "tests/support/random_program.h"

enum { E = IR_EVENTS, P = IR_PAIRS, MOST_ELEMENTS = 200 };

typedef struct Patterns {
  IrFn *fn;
  uint64_t random;
  VEC(IrRef) pool; // f64 values
  int leaves;
} Patterns;

static int64_t below(Patterns *p, int64_t n) { return random_below(&p->random, n); }
static bool chance(Patterns *p, int percent) { return below(p, 100) < percent; }
static const IrType *type_of(const Patterns *p, IrRef r) { return ir_type_of(p->fn, r); }

static IrRef leaf(Patterns *p, IrType type) {
  const char *name = arena_printf(p->fn->arena, "leaf %d", p->leaves++);
  return ir_leaf(p->fn, ir_has_events(&type) ? IR_INPUT : IR_PARAM, name, type);
}

static IrRef number(Patterns *p, const IrType *type) {
  static const double numbers[] = {0, 0, 1, -1, 2, 0.5, -0.3, 3, 0.75, 1.5};
  return ir_fill(p->fn, *type, numbers[below(p, 10)]);
}

// A random value, the last ones more often: patterns are chains.
static IrRef pick(Patterns *p) {
  size_t n = p->pool.len, window = chance(p, 60) && n > 3 ? 3 : n;
  return p->pool.at[n - 1 - (size_t)below(p, (int64_t)window)];
}

// A condition of that shape: a leaf against a number. Few different ones, so that they meet.
static IrRef condition(Patterns *p, IrType type) {
  type.dtype = IR_F64;
  if (ir_event_axes(&type) > 1) return ir_binary(p->fn, IR_LT, ir_fill(p->fn, type, 1), ir_fill(p->fn, type, (double)below(p, 3)));
  IrRef last = IR_NONE;
  for (IrRef r = 0; r < p->fn->values.len; r++) {
    const IrValue *v = ir_at(p->fn, r);
    if (v->op == IR_LT && ir_same_axes(&v->type, &type) && chance(p, 70)) last = r;
  }
  if (last != IR_NONE) return last;
  return ir_binary(p->fn, IR_LT, leaf(p, type), ir_number(p->fn, IR_F64, 0.1));
}

static int own_axis(Patterns *p, IrRef x) { // -1: none
  const IrType *t = type_of(p, x);
  int events = ir_event_axes(t);
  return t->rank > events ? events + (int)below(p, t->rank - events) : -1;
}

// ---- a partner of one type

static IrRef stretched_back(Patterns *p, IrRef x) {
  const IrType *t = type_of(p, x);
  if (t->rank == 0 || ir_event_axes(t) > 1) return x;
  uint32_t axes = 1 + (uint32_t)below(p, (1 << t->rank) - 1);
  int8_t from[IR_MAX_RANK], n = 0;
  for (int i = 0; i < t->rank; i++) from[i] = (axes >> i & 1) ? -1 : n++;
  IrRef small = ir_binary(p->fn, IR_MUL, ir_sum(p->fn, x, axes), ir_number(p->fn, IR_F64, 0.1));
  if (chance(p, 30)) small = ir_unary(p->fn, IR_NEG, small);
  return ir_broadcast(p->fn, small, t->rank, t->axes, from);
}

static IrRef zeros_around(Patterns *p, IrRef x) {
  int axis = own_axis(p, x);
  if (axis < 0 || type_of(p, x)->axes[axis] < 2) return x;
  int64_t n = type_of(p, x)->axes[axis], from = below(p, n), to = from + 1 + below(p, n - from);
  return ir_pad(p->fn, ir_slice(p->fn, x, axis, from, to, 1), axis, from, n - to, 1);
}

static IrRef partner(Patterns *p, IrRef x) {
  IrType type = *type_of(p, x);
  IrRef other = x;
  for (size_t i = 0; i < p->pool.len; i++) {
    if (ir_type_equal(type_of(p, p->pool.at[i]), &type) && chance(p, 60)) other = p->pool.at[i];
  }
  switch (below(p, 9)) {
  case 0: return number(p, &type);
  case 1: return ir_unary(p->fn, IR_NEG, other);
  case 2: return stretched_back(p, other);
  case 3: return zeros_around(p, other);
  case 4: return ir_select(p->fn, condition(p, type), other, ir_fill(p->fn, type, 0));
  case 5: return ir_select(p->fn, condition(p, type), ir_fill(p->fn, type, 0), other);
  case 6: return ir_cast(p->fn, condition(p, type), IR_F64);
  case 7: return ir_binary(p->fn, IR_MUL, other, number(p, &type));
  }
  return other;
}

// ---- indices

// Places 0..n-1 and a little outside: a line, two lines, or no order.
static IrRef constant_index(Patterns *p, int64_t n, int64_t m, int rank) {
  double data[16];
  int64_t first = below(p, n), step = below(p, 5) - 2, shape[2] = {m, 1};
  for (int64_t k = 0; k < m; k++) {
    data[k] = (double)(first + k * step);
    if (chance(p, 12)) first = below(p, n + 2) - 1;
  }
  if (chance(p, 40)) { // each place at most once
    int64_t turn = below(p, n), back = below(p, 2);
    for (int64_t k = 0; k < m; k++) data[k] = (double)((turn + (back ? m - 1 - k : k) * (n % 5 ? 5 : 1)) % n);
  }
  return ir_const(p->fn, ir_type(IR_I32, rank, shape), data);
}

// An index from event to event, from below 0 to above n - 1, or known to lie inside.
static IrRef event_index(Patterns *p, int rank, const int64_t *axes, int64_t n) {
  IrType type = ir_type(IR_F64, rank, axes);
  if (rank == 2 && chance(p, 30)) // the same for all of the second axis
    return ir_broadcast(p->fn, event_index(p, 1, axes, n), 2, axes, (int8_t[]){0, -1});
  if (chance(p, 50) && rank < IR_MAX_RANK) {
    IrType wide = type;
    wide.axes[wide.rank++] = 3;
    IrRef inside = condition(p, wide);
    IrRef count = ir_sum(p->fn, ir_cast(p->fn, inside, IR_I32), 1u << rank);
    IrRef other = chance(p, 50) ? ir_cast(p->fn, condition(p, type), IR_I32) : ir_fill(p->fn, *type_of(p, count), 1);
    return chance(p, 50) ? count : ir_binary(p->fn, IR_SUB, count, other);
  }
  IrRef real = ir_binary(p->fn, IR_MUL, leaf(p, type), ir_number(p->fn, IR_F64, (double)n));
  return ir_cast(p->fn, real, IR_I32);
}

static IrRef take_constant(Patterns *p, IrRef x) {
  int axis = own_axis(p, x);
  if (axis < 0 || type_of(p, x)->axes[axis] < 1 || type_of(p, x)->rank > 4) return x;
  int64_t n = type_of(p, x)->axes[axis], m = 1 + below(p, 7);
  int rank = chance(p, 70) ? 1 : (int)below(p, 3);
  IrRef index = constant_index(p, n, rank ? m : 1, rank);
  bool batch = rank == 1 && ir_event_axes(type_of(p, x)) == 1 && chance(p, 30);
  if (batch) index = ir_broadcast(p->fn, index, 2, (int64_t[]){E, m}, (int8_t[]){-1, 0});
  return ir_gather(p->fn, x, index, batch, axis);
}

static IrRef spread_constant(Patterns *p, IrRef x) {
  int axis = own_axis(p, x);
  if (axis < 0) return x;
  int64_t m = type_of(p, x)->axes[axis], n = m + below(p, 3);
  if (m < 1 || m > 16) return x;
  return ir_scatter_add(p->fn, x, constant_index(p, n, m, 1), 0, axis, n);
}

static IrRef take_by_event(Patterns *p, IrRef x) {
  const IrType *t = type_of(p, x);
  int axis = own_axis(p, x), events = ir_event_axes(t);
  if (axis < 0 || t->axes[axis] < 1 || t->rank > 4 || events > 1) return x;
  int64_t n = t->axes[axis], shape[2] = {E, 2};
  int rank = 1 + (int)below(p, 2);
  if (events == 1) return ir_gather(p->fn, x, event_index(p, rank, shape, n), 1, axis);
  if (axis == 0) return ir_gather(p->fn, x, event_index(p, rank, shape, n), 0, 0); // from weights
  return ir_gather(p->fn, x, event_index(p, 1, (int64_t[]){2}, n), 0, axis);
}

static IrRef spread_by_event(Patterns *p, IrRef x) {
  const IrType *t = type_of(p, x);
  if (ir_event_axes(t) != 1 || t->rank > 4) return x;
  int64_t n = 2 + below(p, 3);
  int axis = own_axis(p, x);
  if (axis < 0 || chance(p, 30)) return ir_scatter_add(p->fn, x, event_index(p, 1, t->axes, n), 0, 0, n);
  if (axis == 1) return ir_scatter_add(p->fn, x, event_index(p, 2, t->axes, n), 1, 1, n);
  return ir_scatter_add(p->fn, x, event_index(p, 1, t->axes, n), 1, axis, n);
}

// ---- views

static IrRef cut(Patterns *p, IrRef x) {
  int axis = own_axis(p, x);
  if (axis < 0 || type_of(p, x)->axes[axis] < 1) return x;
  int64_t n = type_of(p, x)->axes[axis], step = chance(p, 60) ? 1 : below(p, 2) ? 2 : -1 - below(p, 2);
  int64_t a = below(p, n), b = a + below(p, n - a) + 1;
  return step > 0 ? ir_slice(p->fn, x, axis, a, b, step) : ir_slice(p->fn, x, axis, b - 1, a - 1, step);
}

static IrRef surround(Patterns *p, IrRef x) {
  int axis = own_axis(p, x);
  return axis < 0 ? x : ir_pad(p->fn, x, axis, below(p, 3), below(p, 3), chance(p, 80) ? 1 : 2);
}

static IrRef join(Patterns *p, IrRef x) {
  int axis = own_axis(p, x);
  if (axis < 0) return x;
  IrRef whole = partner(p, x), parts[3] = {x, partner(p, x), number(p, type_of(p, x))};
  if (chance(p, 50)) { // neighbours, and not quite
    int64_t n = type_of(p, x)->axes[axis], at = below(p, n + 1), gap = chance(p, 30) && at < n;
    parts[0] = ir_slice(p->fn, whole, axis, 0, at, 1);
    parts[1] = ir_slice(p->fn, whole, axis, at + gap, n, 1);
  }
  return ir_concat(p->fn, parts, 2 + (uint32_t)below(p, 2), axis);
}

static IrRef reshape(Patterns *p, IrRef x) {
  IrType t = *type_of(p, x);
  int events = ir_event_axes(&t);
  if (chance(p, 40) && t.rank < 5) { // an axis of extent 1 comes
    int at = events + (int)below(p, t.rank - events + 1);
    for (int i = t.rank++; i > at; i--) t.axes[i] = t.axes[i - 1];
    t.axes[at] = 1;
  } else if (t.rank - events >= 2) { // two axes become one
    int at = events + (int)below(p, t.rank - events - 1);
    t.axes[at] *= t.axes[at + 1];
    t.rank--;
    for (int i = at + 1; i < t.rank; i++) t.axes[i] = t.axes[i + 1];
  } else if (t.rank > events && t.axes[events] % 2 == 0) { // one becomes two
    t.axes[events + 1] = t.axes[events] / 2;
    t.axes[events] = 2;
    t.rank++;
  }
  return ir_reshape(p->fn, x, t.rank, t.axes);
}

static IrRef turn(Patterns *p, IrRef x) {
  const IrType *t = type_of(p, x);
  int8_t order[IR_MAX_RANK];
  int events = ir_event_axes(t);
  for (int i = 0; i < t->rank; i++) order[i] = (int8_t)i;
  for (int i = t->rank - 1; i > events; i--) {
    int j = events + (int)below(p, i - events + 1);
    int8_t kept = order[i];
    order[i] = order[j];
    order[j] = kept;
  }
  return ir_transpose(p->fn, x, order);
}

static IrRef stretch(Patterns *p, IrRef x) {
  IrType t = *type_of(p, x);
  int8_t order[IR_MAX_RANK];
  int events = ir_event_axes(&t);
  if (t.rank > 4 || ir_elements(&t) > MOST_ELEMENTS / 3) return x;
  bool event = chance(p, 40) && events < 2;
  int at = event ? (int)below(p, events + 1) : events + (int)below(p, t.rank - events + 1);
  for (int i = t.rank++; i > at; i--) t.axes[i] = t.axes[i - 1];
  t.axes[at] = event ? E : 1 + below(p, 3);
  if (event && events == 1) t.axes[0] = E, t.axes[1] = P;
  for (int i = 0; i < t.rank; i++) order[i] = (int8_t)(i == at ? -1 : i > at ? i - 1 : i);
  return ir_broadcast(p->fn, x, t.rank, t.axes, order);
}

// ---- arithmetic

static IrRef reduce(Patterns *p, IrRef x) {
  const IrType *t = type_of(p, x);
  if (t->rank == 0) return x;
  int axis = own_axis(p, x);
  if (axis >= 0 && chance(p, 25)) return ir_cumsum(p->fn, x, axis, chance(p, 50), chance(p, 50));
  uint32_t axes = 1 + (uint32_t)below(p, (1 << t->rank) - 1);
  return ir_binary(p->fn, IR_MUL, ir_sum(p->fn, x, axes), ir_number(p->fn, IR_F64, 0.25));
}

static IrRef combine(Patterns *p, IrRef x) {
  IrRef y = partner(p, x);
  if (chance(p, 50)) {
    IrRef kept = x;
    x = y;
    y = kept;
  }
  switch (below(p, 8)) {
  case 0:
  case 1: return ir_binary(p->fn, IR_ADD, x, y);
  case 2: return ir_binary(p->fn, IR_SUB, x, y);
  case 3:
  case 4: return ir_binary(p->fn, IR_MUL, ir_unary(p->fn, IR_SIN, x), y);
  case 5: {
    IrRef above = ir_binary(p->fn, IR_ADD, ir_unary(p->fn, IR_ABS, stretched_back(p, y)), ir_number(p->fn, IR_F64, 1.5));
    return ir_binary(p->fn, IR_DIV, x, above);
  }
  case 6: return ir_binary(p->fn, chance(p, 50) ? IR_MAX : IR_MIN, ir_binary(p->fn, chance(p, 70) ? IR_MAX : IR_MIN, x, y), y);
  }
  return ir_select(p->fn, condition(p, *type_of(p, x)), x, y);
}

static IrRef alone(Patterns *p, IrRef x) {
  IrType type = *type_of(p, x);
  switch (below(p, 6)) {
  case 0: return ir_unary(p->fn, IR_NEG, x);
  case 1: return ir_unary(p->fn, IR_EXP, ir_unary(p->fn, IR_SIN, x));
  case 2: return ir_unary(p->fn, IR_STOP, x);
  case 3: return ir_binary(p->fn, IR_MUL, ir_cast(p->fn, condition(p, type), IR_F64), x);
  case 4: { // bounds, one after the other
    IrOp op = chance(p, 50) ? IR_MAX : IR_MIN;
    return ir_binary(p->fn, op, ir_binary(p->fn, op, x, number(p, &type)), number(p, &type));
  }
  }
  return ir_binary(p->fn, IR_POW, ir_unary(p->fn, IR_EXP, ir_unary(p->fn, IR_SIN, x)), ir_fill(p->fn, type, 0.5 * (double)(below(p, 9) - 4)));
}

// The last axis through one matrix or two, or the products of pairs of events.
static IrRef contract(Patterns *p, IrRef x) {
  const IrType *t = type_of(p, x);
  int events = ir_event_axes(t), rank = t->rank;
  if (rank == events || rank > 4 || t->axes[rank - 1] > 8) return x;
  if (events == 1 && rank == 2 && chance(p, 30)) {
    IrRef pairs = ir_einsum(p->fn, "ei,fi->ef", x, partner(p, x));
    return ir_einsum(p->fn, chance(p, 50) ? "ef,fi->ei" : "ef,ei->fi", pairs, partner(p, x));
  }
  char left[IR_MAX_RANK + 1] = {0};
  for (int i = 0; i < rank - 1; i++) left[i] = (char)('p' + i);
  for (int k = 1 + (int)below(p, 2); k > 0; k--) {
    int64_t from = type_of(p, x)->axes[rank - 1], to = 1 + below(p, 4);
    IrRef matrix = leaf(p, ir_type(IR_F64, 2, (int64_t[]){from, to}));
    x = ir_einsum(p->fn, arena_printf(p->fn->arena, "%sa,ab->%sb", left, left), x, matrix);
  }
  return ir_unary(p->fn, IR_SIN, x);
}

typedef IrRef Production(Patterns *p, IrRef x);
static Production *const productions[] = {take_constant, spread_constant, take_by_event, spread_by_event, cut,     surround, join,     reshape, turn,
                                          stretch,       reduce,          combine,       combine,         combine, alone,    contract, cut};

IrFn *random_patterns(Arena *arena, uint64_t seed, int steps) {
  static const int64_t shapes[][3] = {{E, 6, 0}, {E, 2, 4}, {6, 0, 0}, {E, 0, 0}, {3, 4, 0}};
  Patterns p = {.fn = ir_fn_new(arena, "patterns"), .random = seed * 0x9e3779b97f4a7c15u + 1};
  for (int i = 0; i < 5; i++) {
    IrType type = ir_type(IR_F64, shapes[i][2] ? 3 : shapes[i][1] ? 2 : 1, shapes[i]);
    VEC_PUSH(arena, &p.pool, leaf(&p, type));
  }
  for (int i = 0; i < steps; i++) {
    IrRef x = pick(&p);
    IrRef y = productions[below(&p, sizeof productions / sizeof *productions)](&p, x);
    const IrType *t = ir_type_of(p.fn, y);
    if (y != x && t->rank <= 5 && ir_elements(t) <= MOST_ELEMENTS && ir_elements(t) > 0) VEC_PUSH(arena, &p.pool, y);
  }
  bool *read = ARENA_ARRAY(arena, bool, p.fn->values.len);
  size_t n = p.fn->values.len;
  for (size_t i = 0; i < n; i++) {
    for (uint32_t k = 0; k < ir_at(p.fn, (IrRef)i)->n_operands; k++) read[ir_at(p.fn, (IrRef)i)->operands[k]] = true;
  }
  for (IrRef i = 0; i < n; i++) {
    if (!read[i]) ir_output(p.fn, arena_printf(arena, "y%u", i), i);
  }
  return p.fn;
}
