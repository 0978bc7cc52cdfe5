// One constructor for each shape rule: draws types, operands and attributes for an op and puts the value into the pool.
#include <math.h>
#include <string.h>

#include "tests/support/random_generator.h"

static int64_t below(Generator *g, int64_t n) { return random_below(&g->state, n); }

static IrType without_events(Generator *g, IrDtype dtype, int own_axes) {
  IrType t = random_type(g, dtype, own_axes);
  int events = ir_event_axes(&t);
  return ir_type(dtype, t.rank - events, t.axes + events);
}

static IrType with_events(Generator *g, IrDtype dtype, int own_axes) {
  IrType t = without_events(g, dtype, own_axes);
  memmove(t.axes + 1, t.axes, t.rank * sizeof *t.axes);
  t.axes[0] = IR_EVENTS;
  t.rank++;
  return t;
}

static int own_axis(Generator *g, const IrType *t) {
  int events = ir_event_axes(t);
  return events + (int)below(g, t->rank - events);
}

// ---- leaves

void random_literal_op(Generator *g, IrOp op) {
  (void)op;
  IrType t = without_events(g, random_dtype(g), -1);
  int64_t n = ir_elements(&t);
  double *data = ARENA_ARRAY(g->fn->arena, double, n + 1);
  for (int64_t i = 0; i < n; i++)
    data[i] = t.dtype == IR_BOOL ? (double)below(g, 2) : t.dtype == IR_I32 ? (double)below(g, 9) : random_between(&g->state, -2, 2);
  random_add(g, ir_const(g->fn, t, data), t.dtype == IR_BOOL || t.dtype == IR_I32 ? 0 : -2, t.dtype == IR_I32 ? 9 : 2);
}

void random_iota_op(Generator *g, IrOp op) {
  (void)op;
  IrType t = without_events(g, random_chance(g, 50) ? IR_I32 : random_real(g), 1 + (int)below(g, 2));
  int axis = (int)below(g, t.rank);
  random_add(g, ir_iota(g->fn, t, axis), 0, (double)t.axes[axis] - 1);
}

void random_leaf_op(Generator *g, IrOp op) {
  IrDtype dtype = random_real(g);
  IrType t = op == IR_COUNTER ? ir_scalar(dtype) : op == IR_INPUT ? with_events(g, dtype, -1) : without_events(g, dtype, -1);
  random_add(g, ir_leaf(g->fn, op, random_name(g, ir_op_info[op].name), t), ir_op_info[op].low, ir_op_info[op].high);
}

void random_draw_op(Generator *g, IrOp op) {
  (void)op;
  IrDraw kind = (IrDraw)below(g, 3);
  IrDtype dtype = kind == IR_DRAW_BITS ? IR_I32 : random_real(g);
  IrType t = random_chance(g, 80) ? with_events(g, dtype, -1) : without_events(g, dtype, -1);
  IrRef draw = ir_draw(g->fn, kind, random_name(g, "draw"), t);
  double limit = kind == IR_DRAW_BITS ? 0x1p31 : kind == IR_DRAW_UNIFORM ? 1 : 8;
  random_add(g, draw, kind == IR_DRAW_UNIFORM ? 0 : -limit, limit);
}

// ---- elementwise

// What the op makes of operands in its interval, found on a grid by the evaluator.
static Range point_range(IrOp op) {
  enum { GRID = 9 };
  const IrOpInfo *info = &ir_op_info[op];
  Arena *scratch = arena_create();
  IrFn *fn = ir_fn_new(scratch, "grid");
  int64_t n = (int64_t)pow(GRID, info->operands);
  double *data = ARENA_ARRAY(scratch, double, n);
  IrRef operands[IR_MAX_OPERANDS];
  int64_t stride = 1;
  for (int k = 0; k < info->operands; k++, stride *= GRID) {
    for (int64_t i = 0; i < n; i++) data[i] = info->low + (info->high - info->low) * (double)(i / stride % GRID) / (GRID - 1);
    operands[k] = ir_const(fn, ir_type(IR_F64, 1, &n), data);
  }
  ir_output(fn, "y", ir_build(fn, op, operands, (uint32_t)info->operands, NULL, NULL));
  IrArray y;
  const char *error = NULL;
  if (!ir_eval(fn, &(IrEnv){.events = 1}, scratch, &y, &error)) ir_fail("%s", error);
  Range r = {y.data[0], y.data[0]};
  for (int64_t i = 0; i < n; i++) r.low = fmin(r.low, y.data[i]), r.high = fmax(r.high, y.data[i]);
  arena_destroy(scratch);
  double margin = 0.02 * (r.high - r.low) + 1e-3;
  return (Range){r.low - margin, r.high + margin};
}

void random_real_op(Generator *g, IrOp op) {
  const IrOpInfo *info = &ir_op_info[op];
  IrType t = random_type(g, random_real(g), -1);
  IrRef operands[IR_MAX_OPERANDS];
  for (int i = 0; i < info->operands; i++) operands[i] = random_want_between(g, t, info->low, info->high);
  Range r = point_range(op);
  random_add(g, ir_build(g->fn, op, operands, (uint32_t)info->operands, NULL, NULL), r.low, r.high);
}

static double reach(Range r) { return fmax(fabs(r.low), fabs(r.high)); }

void random_number_op(Generator *g, IrOp op) {
  if (random_chance(g, 80)) return random_real_op(g, op);
  IrType t = random_type(g, IR_I32, -1);
  IrRef operands[2] = {random_want(g, t), random_want(g, t)};
  double a = reach(random_range(g, operands[0])), b = reach(random_range(g, operands[1]));
  double limit = fmin(op == IR_MUL ? a * b : a + b, 0x1p31);
  if (limit > 0x1p30) limit = 0x1p31;
  random_add(g, ir_build(g->fn, op, operands, (uint32_t)ir_op_info[op].operands, NULL, NULL), -limit, limit);
}

void random_any_op(Generator *g, IrOp op) {
  IrRef a = random_want(g, random_type(g, random_dtype(g), -1));
  Range r = random_range(g, a);
  random_add(g, ir_unary(g->fn, op, a), r.low, r.high);
}

void random_compare_op(Generator *g, IrOp op) {
  IrDtype dtype = random_dtype(g);
  if (dtype == IR_BOOL && op != IR_EQ) dtype = g->real;
  IrType t = random_type(g, dtype, -1);
  IrRef a = random_want(g, t), b = random_want(g, t);
  random_add(g, ir_build(g->fn, op, (IrRef[]){a, b}, 2, NULL, NULL), 0, 1);
}

void random_logic_op(Generator *g, IrOp op) {
  IrType t = random_type(g, IR_BOOL, -1);
  IrRef operands[2] = {random_want(g, t), random_want(g, t)};
  random_add(g, ir_build(g->fn, op, operands, (uint32_t)ir_op_info[op].operands, NULL, NULL), 0, 1);
}

void random_select_op(Generator *g, IrOp op) {
  IrType t = random_type(g, random_dtype(g), -1), flags = t;
  flags.dtype = IR_BOOL;
  IrRef c = random_want(g, flags), a = random_want(g, t), b = random_want(g, t);
  Range x = random_range(g, a), y = random_range(g, b);
  random_add(g, ir_build(g->fn, op, (IrRef[]){c, a, b}, 3, NULL, NULL), fmin(x.low, y.low), fmax(x.high, y.high));
}

void random_cast_op(Generator *g, IrOp op) {
  IrDtype from = random_dtype(g), to = random_dtype(g);
  if (g->options.smooth && (to == IR_I32 || to == IR_BOOL)) to = IR_F64;
  if (from == to) from = to == IR_I32 ? IR_BOOL : IR_I32;
  IrRef a = random_want(g, random_type(g, from, -1));
  bool real = from == IR_F32 || from == IR_F64;
  if (real && to == IR_I32) a = random_fit(g, a, -3, 9);
  Range r = to == IR_BOOL ? (Range){0, 1} : real && to == IR_I32 ? (Range){-3, 9} : random_range(g, a);
  random_add(g, ir_build(g->fn, op, &a, 1, NULL, &(IrType){.dtype = to}), r.low, r.high);
}

// ---- shape and index

static IrRef any_array(Generator *g, int own_axes, Range *r) {
  IrRef a = random_want(g, random_type(g, random_dtype(g), own_axes));
  *r = random_range(g, a);
  return a;
}

void random_reshape_op(Generator *g, IrOp op) {
  (void)op;
  Range r;
  IrRef a = any_array(g, 1 + (int)below(g, 2), &r);
  IrType t = *ir_type_of(g->fn, a);
  int events = ir_event_axes(&t);
  int64_t n = ir_elements(&t), first = 1 + below(g, n > 0 ? n : 1);
  while (n % first) first--;
  t.rank = (uint8_t)events;
  if (random_chance(g, 60)) t.axes[t.rank++] = first, t.axes[t.rank++] = n / first;
  else t.axes[t.rank++] = n;
  random_add(g, ir_reshape(g->fn, a, t.rank, t.axes), r.low, r.high);
}

void random_transpose_op(Generator *g, IrOp op) {
  (void)op;
  Range r;
  IrRef a = any_array(g, 2, &r);
  const IrType *t = ir_type_of(g->fn, a);
  int8_t order[IR_MAX_RANK];
  for (int i = 0; i < t->rank; i++) order[i] = (int8_t)i;
  if (random_chance(g, 90)) order[t->rank - 1] = (int8_t)(t->rank - 2), order[t->rank - 2] = (int8_t)(t->rank - 1);
  random_add(g, ir_transpose(g->fn, a, order), r.low, r.high);
}

void random_broadcast_op(Generator *g, IrOp op) {
  (void)op;
  Range r;
  IrRef a = any_array(g, -1, &r);
  IrType from = *ir_type_of(g->fn, a), to = {.dtype = from.dtype};
  int events = ir_event_axes(&from), added = events + (int)below(g, from.rank - events + 1);
  bool per_event = events == 0 && random_chance(g, 50);
  if (per_event) added = 0;
  int8_t order[IR_MAX_RANK];
  for (int i = 0; i <= from.rank; i++) {
    if (i == added) order[to.rank] = -1, to.axes[to.rank++] = per_event ? IR_EVENTS : random_width(g);
    if (i < from.rank) order[to.rank] = (int8_t)i, to.axes[to.rank++] = from.axes[i];
  }
  random_add(g, ir_broadcast(g->fn, a, to.rank, to.axes, order), r.low, r.high);
}

void random_slice_op(Generator *g, IrOp op) {
  (void)op;
  Range r;
  IrRef a = any_array(g, 1 + (int)below(g, 2), &r);
  int axis = own_axis(g, ir_type_of(g->fn, a));
  int64_t n = ir_type_of(g->fn, a)->axes[axis], from = below(g, n), step = 1 + below(g, 3);
  if (random_chance(g, 50)) random_add(g, ir_slice(g->fn, a, axis, from, n, step), r.low, r.high);
  else random_add(g, ir_slice(g->fn, a, axis, from, -1, -step), r.low, r.high);
}

void random_pad_op(Generator *g, IrOp op) {
  (void)op;
  Range r;
  IrRef a = any_array(g, 1 + (int)below(g, 2), &r);
  int axis = own_axis(g, ir_type_of(g->fn, a));
  IrRef y = ir_pad(g->fn, a, axis, below(g, 3), below(g, 3), 1 + below(g, 3));
  random_add(g, y, fmin(r.low, 0), fmax(r.high, 0));
}

void random_concat_op(Generator *g, IrOp op) {
  (void)op;
  IrType t = random_type(g, random_dtype(g), 1 + (int)below(g, 2));
  int axis = own_axis(g, &t);
  IrRef parts[3];
  Range r = {INFINITY, -INFINITY};
  uint32_t n = 1 + (uint32_t)below(g, 3);
  for (uint32_t i = 0; i < n; i++) {
    t.axes[axis] = random_width(g);
    parts[i] = random_want(g, t);
    r = (Range){fmin(r.low, random_range(g, parts[i]).low), fmax(r.high, random_range(g, parts[i]).high)};
  }
  random_add(g, ir_concat(g->fn, parts, n, axis), r.low, r.high);
}

void random_windows_op(Generator *g, IrOp op) {
  (void)op;
  Range r;
  IrRef a = any_array(g, 1 + (int)below(g, 2), &r);
  int axis = own_axis(g, ir_type_of(g->fn, a));
  int64_t n = ir_type_of(g->fn, a)->axes[axis];
  random_add(g, ir_windows(g->fn, a, axis, 1 + below(g, n), 1 + below(g, 3)), r.low, r.high);
}

void random_fold_op(Generator *g, IrOp op) {
  (void)op;
  IrRef a = random_want(g, random_type(g, random_chance(g, 10) ? IR_I32 : random_real(g), 2));
  Range r = random_range(g, a);
  const IrType *t = ir_type_of(g->fn, a);
  int axis = t->rank - 2;
  int64_t windows = t->axes[axis], size = t->axes[axis + 1], step = 1 + below(g, 3);
  double most = (double)(windows < size ? windows : size);
  IrRef y = ir_fold(g->fn, a, axis, (windows - 1) * step + size + below(g, 4), step);
  random_add(g, y, fmax(fmin(most * r.low, 0), -0x1p31), fmin(fmax(most * r.high, 0), 0x1p31));
}

// Ways to pick: axes of x and of the index; letters: e events, p pairs' place is not used, n the picked axis, r others.
typedef struct Pick {
  const char *x, *index;
  int batch, axis;
} Pick;

static const Pick picks[] = {
    {"nr", "e", 0, 0},  {"nr", "es", 0, 0},  {"n", "e", 0, 0},   {"n", "s", 0, 0},    {"en", "e", 1, 1},
    {"en", "es", 1, 1}, {"enr", "e", 1, 1},  {"ern", "s", 0, 2}, {"en", "s", 0, 1},   {"ern", "e", 1, 2},
    {"nr", "st", 0, 0}, {"enr", "st", 0, 1}, {"rn", "r", 1, 1},  {"ern", "er", 2, 2}, {"enr", "", 0, 1},
};

static IrType pick_type(IrDtype dtype, const char *letters, const int64_t extents[128]) {
  IrType t = {.dtype = dtype};
  for (; *letters; letters++) t.axes[t.rank++] = extents[(int)*letters];
  return t;
}

static const Pick *random_pick(Generator *g, int64_t extents[128]) {
  const Pick *pick = &picks[below(g, sizeof picks / sizeof *picks)];
  for (int i = 0; i < 128; i++) extents[i] = i == 'e' ? IR_EVENTS : random_width(g);
  return pick;
}

void random_gather_op(Generator *g, IrOp op) {
  (void)op;
  int64_t extents[128];
  const Pick *pick = random_pick(g, extents);
  IrRef x = random_want(g, pick_type(random_dtype(g), pick->x, extents));
  IrRef index = random_want(g, pick_type(IR_I32, pick->index, extents));
  Range r = random_range(g, x);
  random_add(g, ir_gather(g->fn, x, index, pick->batch, pick->axis), r.low, r.high);
}

void random_scatter_op(Generator *g, IrOp op) {
  (void)op;
  int64_t extents[128];
  const Pick *pick = random_pick(g, extents);
  bool reduced = pick->index[0] == 'e' && pick->batch == 0;
  while (reduced && g->options.no_events_reduced) {
    pick = random_pick(g, extents);
    reduced = pick->index[0] == 'e' && pick->batch == 0;
  }
  char letters[16] = {0}; // of the picked array: n replaced by the index's own letters
  strncat(letters, pick->x, (size_t)pick->axis);
  strcat(letters, pick->index + pick->batch);
  strcat(letters, pick->x + pick->axis + 1);
  IrType t = pick_type(random_chance(g, 10) ? IR_I32 : random_real(g), letters, extents);
  IrRef x = random_want(g, t), index = random_want(g, pick_type(IR_I32, pick->index, extents));
  double n = reduced ? RANDOM_EVENTS : 1;
  for (const char *c = pick->index + pick->batch; *c; c++) n *= *c == 'e' ? 1 : (double)extents[(int)*c];
  Range r = random_range(g, x);
  IrRef y = ir_scatter_add(g->fn, x, index, pick->batch, pick->axis, extents['n']);
  random_add(g, y, fmax(fmin(n * r.low, 0), -0x1p31), fmin(fmax(n * r.high, 0), 0x1p31));
}

// ---- reductions and contractions

void random_reduce_op(Generator *g, IrOp op) {
  IrType t;
  uint32_t axes = 0;
  while (axes == 0) {
    t = random_type(g, random_chance(g, 10) ? IR_I32 : random_real(g), -1);
    axes = (uint32_t)below(g, 1 << t.rank);
    if (g->options.no_events_reduced) axes &= ~0u << ir_event_axes(&t);
  }
  IrRef a = random_want(g, t);
  Range r = random_range(g, a);
  double n = 1;
  for (int i = 0; i < t.rank && op == IR_SUM; i++) {
    if (axes >> i & 1) n *= t.axes[i] < 0 ? RANDOM_EVENTS : (double)t.axes[i];
  }
  IrRef y = ir_build(g->fn, op, &a, 1, &(IrAttr){.axes = axes}, NULL);
  if (t.dtype == IR_I32 && n * reach(r) > 0x1p30) r = (Range){-0x1p31, 0x1p31}, n = 1;
  random_add(g, y, n > 1 ? fmin(n * r.low, r.low) : r.low, n > 1 ? fmax(n * r.high, r.high) : r.high);
}

void random_argmax_op(Generator *g, IrOp op) {
  (void)op;
  IrRef a = random_want(g, random_type(g, random_chance(g, 10) ? IR_I32 : random_real(g), 1 + (int)below(g, 2)));
  int axis = own_axis(g, ir_type_of(g->fn, a));
  random_add(g, ir_argmax(g->fn, a, axis), 0, (double)ir_type_of(g->fn, a)->axes[axis] - 1);
}

void random_sort_op(Generator *g, IrOp op) {
  (void)op;
  IrRef a = random_want(g, random_type(g, random_chance(g, 10) ? IR_I32 : random_real(g), 1 + (int)below(g, 2)));
  int axis = own_axis(g, ir_type_of(g->fn, a));
  int64_t n = ir_type_of(g->fn, a)->axes[axis];
  random_add(g, ir_sort(g->fn, a, axis, 1 + below(g, n), random_chance(g, 50)), 0, (double)n - 1);
}

void random_scan_op(Generator *g, IrOp op) {
  (void)op;
  IrRef a = random_want(g, random_type(g, random_real(g), 1 + (int)below(g, 2)));
  int axis = own_axis(g, ir_type_of(g->fn, a));
  double n = (double)ir_type_of(g->fn, a)->axes[axis];
  Range r = random_range(g, a);
  bool backwards = random_chance(g, 50), exclusive = random_chance(g, 50);
  random_add(g, ir_cumsum(g->fn, a, axis, backwards, exclusive), fmin(n * r.low, fmin(r.low, 0)), fmax(n * r.high, fmax(r.high, 0)));
}

// Letters e and f are events; the others have extents of their own.
static const char *const specs[] = {
    "ei,io->eo",    // dense layer
    "eo,io->ei",    // its input gradient
    "ei,eo->io",    // its weight gradient
    "ebi,io->ebo",  // the same layer for every part
    "ebi,bio->ebo", // a layer for each part
    "ebi,ebo->bio", // their gradients
    "ebi,ebo->io",  "ebo,bio->ebi",
    "eij,ejk->eik", // per event times per event
    "ei,ei->e",     "ei,e->ei",     "ei,ej->eij", "ei,ei->ei",    "eij,j->ei", "i,ei->e", "e,e->", "ei,ei->",   "e,i->ei", "e,ei->i",
    "ij,jk->ik", // weights times weights
    "i,j->ij",      "ij,j->i",      "ij,ij->",    "bij,bjk->bik", ",->",       ",i->i",   ",e->e", "ij,ij->ji",
    "ei,fi->ef", // pairs
    "ef,fi->ei",    "ef,ei->fi",    "ef,ef->e",   "ef,ef->",      "e,f->ef",
};

void random_einsum_op(Generator *g, IrOp op) {
  (void)op;
  const char *spec = NULL;
  IrEinsum parsed;
  for (bool fits = false; !fits;) {
    spec = specs[below(g, sizeof specs / sizeof *specs)];
    fits = !(g->options.no_pairs && strchr(spec, 'f')) && ir_einsum_parse(spec, &parsed) &&
           !(g->options.no_events_reduced && (strchr(spec, 'f') || (strchr(spec, 'e') && !strchr(parsed.letters[2], 'e'))));
  }
  int64_t extents[128];
  for (int i = 0; i < 128; i++) extents[i] = random_width(g);
  IrDtype dtype = random_real(g);
  IrRef operands[2];
  for (int k = 0; k < 2; k++) {
    IrType t = {.dtype = dtype};
    for (const char *c = parsed.letters[k]; *c; c++) t.axes[t.rank] = *c == 'e' || *c == 'f' ? (t.rank ? IR_PAIRS : IR_EVENTS) : extents[(int)*c], t.rank++;
    operands[k] = random_want_between(g, t, ir_op_info[IR_EINSUM].low, ir_op_info[IR_EINSUM].high);
  }
  double n = 4;
  for (const char *c = parsed.letters[0]; *c; c++) {
    if (ir_einsum_axis(&parsed, 2, *c) < 0) n *= *c == 'e' || *c == 'f' ? RANDOM_EVENTS : (double)extents[(int)*c];
  }
  random_add(g, ir_einsum(g->fn, spec, operands[0], operands[1]), -n, n);
}

void random_square_op(Generator *g, IrOp op) {
  (void)op;
  int64_t n = 1 + below(g, 3);
  IrRef a = random_want_between(g, ir_type(random_real(g), 2, (int64_t[]){n, n}), 0.5, 1);
  double limit = 2 * pow(3, (double)n - 1); // back substitution: |row k| <= 2 (1 + sum of the earlier ones)
  random_add(g, ir_tri_inverse(g->fn, a, random_chance(g, 50)), -limit, limit);
}
