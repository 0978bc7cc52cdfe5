// Random programs: the pool of values, their ranges, leaves, and the last step that gathers all in a loss.
#include "tests/support/random_program.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/bf16.h"
#include "tests/support/random_generator.h"

uint64_t random_bits(uint64_t *state) {
  uint64_t x = *state += 0x9E3779B97F4A7C15u;
  x = (x ^ x >> 30) * 0xBF58476D1CE4E5B9u;
  x = (x ^ x >> 27) * 0x94D049BB133111EBu;
  return x ^ x >> 31;
}

double random_between(uint64_t *state, double low, double high) { return low + (high - low) * ((double)(random_bits(state) >> 11) * 0x1p-53); }

int64_t random_below(uint64_t *state, int64_t n) { return (int64_t)(random_bits(state) % (uint64_t)n); }

bool random_chance(Generator *g, int percent) { return random_below(&g->state, 100) < percent; }

int64_t random_width(Generator *g) { return random_chance(g, 85) ? g->widths[random_below(&g->state, 3)] : 1 + random_below(&g->state, 6); }

const char *random_name(Generator *g, const char *stem) { return arena_printf(g->fn->arena, "%s%d", stem, g->names++); }

IrRef random_add(Generator *g, IrRef r, double low, double high) {
  while (g->ranges.len <= r) VEC_PUSH(g->fn->arena, &g->ranges, (Range){0, 0});
  g->ranges.at[r] = (Range){low, high};
  VEC_PUSH(g->fn->arena, &g->pool, r);
  return r;
}

Range random_range(const Generator *g, IrRef r) { return g->ranges.at[r]; }

IrDtype random_real(Generator *g) { return random_chance(g, 80) ? g->real : IR_F64; }

IrDtype random_dtype(Generator *g) {
  int64_t k = random_below(&g->state, 10);
  return k == 0 ? IR_BOOL : k <= 2 ? IR_I32 : random_real(g);
}

// The type of a value there is, preferably a late one: programs shall be deep.
static bool known_type(Generator *g, IrDtype dtype, int own_axes, IrType *type) {
  for (int tries = 0; tries < 12 && g->pool.len; tries++) {
    int64_t n = (int64_t)g->pool.len, back = random_below(&g->state, tries % 2 && n > 10 ? 10 : n);
    *type = *ir_type_of(g->fn, g->pool.at[n - 1 - back]);
    int own = type->rank - ir_event_axes(type);
    if (type->dtype == dtype && (own_axes < 0 ? own <= 2 : own == own_axes)) return true;
  }
  return false;
}

IrType random_type(Generator *g, IrDtype dtype, int own_axes) {
  IrType t = {.dtype = dtype}, known;
  if (random_chance(g, 75) && known_type(g, dtype, own_axes, &known)) return known;
  if (random_chance(g, 60)) t.axes[t.rank++] = IR_EVENTS;
  if (own_axes < 0) own_axes = (int)random_below(&g->state, 3);
  if (t.rank && own_axes < 2 && !g->options.no_pairs && random_chance(g, 6)) t.axes[t.rank++] = IR_PAIRS;
  for (int i = 0; i < own_axes; i++) t.axes[t.rank++] = random_width(g);
  return t;
}

// ---- operands

static IrRef new_leaf(Generator *g, IrType type) {
  static const IrOp weights[] = {IR_PARAM, IR_PARAM, IR_STATE, IR_INPUT};
  bool events = ir_has_events(&type);
  if (ir_event_axes(&type) == 2) { // no leaf is a pair: each event with the other's number
    IrType own = ir_type(type.dtype, type.rank - 1, type.axes + 1);
    own.axes[0] = IR_EVENTS;
    IrRef x = random_want(g, own);
    int8_t order[IR_MAX_RANK];
    for (int i = 0; i < type.rank; i++) order[i] = (int8_t)(i - 1);
    if (random_chance(g, 50)) order[0] = 0, order[1] = -1;
    Range r = random_range(g, x);
    return random_add(g, ir_broadcast(g->fn, x, type.rank, type.axes, order), r.low, r.high);
  }
  if (type.dtype == IR_I32) return random_add(g, ir_leaf(g->fn, events ? IR_INPUT : IR_STATE, random_name(g, "index"), type), -3, 1000);
  if (type.dtype == IR_BOOL) return random_add(g, ir_leaf(g->fn, events ? IR_INPUT : IR_STATE, random_name(g, "flag"), type), 0, 1);
  if (random_chance(g, 15)) {
    IrDraw kind = random_chance(g, 50) ? IR_DRAW_UNIFORM : IR_DRAW_NORMAL;
    IrRef draw = ir_draw(g->fn, kind, random_name(g, "draw"), type);
    return kind == IR_DRAW_UNIFORM ? random_add(g, draw, 0, 1) : random_add(g, draw, -8, 8);
  }
  IrOp op = events ? IR_INPUT : weights[random_below(&g->state, 4)];
  return random_add(g, ir_leaf(g->fn, op, random_name(g, ir_op_info[op].name), type), ir_op_info[op].low, ir_op_info[op].high);
}

IrRef random_want(Generator *g, IrType type) {
  VEC(IrRef) fitting = {0};
  for (size_t i = 0; i < g->pool.len; i++) {
    bool again = g->pool.at[i] == g->wanted && random_chance(g, 95); // x - x and x / x test little
    if (!again && ir_type_equal(ir_type_of(g->fn, g->pool.at[i]), &type)) VEC_PUSH(g->fn->arena, &fitting, g->pool.at[i]);
  }
  if (fitting.len == 0 || random_chance(g, 10)) return g->wanted = new_leaf(g, type);
  size_t late = fitting.len > 3 && random_chance(g, 60) ? fitting.len - 3 : 0;
  return g->wanted = fitting.at[late + (size_t)random_below(&g->state, (int64_t)(fitting.len - late))];
}

static IrRef affine(Generator *g, IrRef r, double scale, double shift) {
  IrDtype dtype = ir_type_of(g->fn, r)->dtype;
  if (scale != 1) r = ir_binary(g->fn, IR_MUL, r, ir_number(g->fn, dtype, scale));
  return shift == 0 ? r : ir_binary(g->fn, IR_ADD, r, ir_number(g->fn, dtype, shift));
}

IrRef random_fit(Generator *g, IrRef r, double low, double high) {
  Range is = random_range(g, r);
  if (is.low >= low && is.high <= high) return r;
  IrDtype dtype = ir_type_of(g->fn, r)->dtype;
  if (!g->options.smooth && random_chance(g, 20)) {
    r = ir_binary(g->fn, IR_MIN, r, ir_number(g->fn, dtype, high));
    return ir_binary(g->fn, IR_MAX, r, ir_number(g->fn, dtype, low));
  }
  double width = is.high - is.low;
  if (width > 12 && random_chance(g, 60)) {
    double gain = width > 1000 ? 2 / width : 1 / sqrt(width);
    r = ir_unary(g->fn, IR_TANH, affine(g, r, gain, -gain * (is.low + is.high) / 2));
    is = (Range){-1, 1};
  }
  double scale = 0.96 * (high - low) / fmax(is.high - is.low, 0.96 * (high - low));
  return affine(g, r, scale, (low + high) / 2 - scale * (is.low + is.high) / 2);
}

IrRef random_want_between(Generator *g, IrType type, double low, double high) { return random_fit(g, random_want(g, type), low, high); }

// ---- the program

static bool is_smooth(IrOp op) {
  static const bool rough[IR_OP_COUNT] = {
      [IR_MAX] = true, [IR_MIN] = true, [IR_ABS] = true, [IR_SIGN] = true, [IR_FLOOR] = true, [IR_ROUND] = true,  [IR_MOD] = true, [IR_TRIGAMMA] = true,
      [IR_EQ] = true,  [IR_LT] = true,  [IR_LE] = true,  [IR_STOP] = true, [IR_AMAX] = true,  [IR_ARGMAX] = true, [IR_SORT] = true};
  return !rough[op];
}

static RandomRule *const rules[IR_OP_COUNT] = {
#define OP(ENUM, TEXT, OPERANDS, CLASS, LOWER, RULE, ...) [IR_##ENUM] = random_##RULE##_op,
#include "compiler/ir/ops.def"
#undef OP
};

static void shuffle(Generator *g, IrOp ops[IR_OP_COUNT]) {
  for (int i = 0; i < IR_OP_COUNT; i++) ops[i] = (IrOp)i;
  for (int i = IR_OP_COUNT - 1; i > 0; i--) {
    int k = (int)random_below(&g->state, i + 1);
    IrOp op = ops[i];
    ops[i] = ops[k], ops[k] = op;
  }
}

static IrRef mean_like(Generator *g, IrRef r) {
  const IrType *t = ir_type_of(g->fn, r);
  uint32_t all = (1u << t->rank) - 1;
  double n = (double)ir_elements(t) * pow(RANDOM_EVENTS, ir_event_axes(t));
  r = ir_sum(g->fn, ir_cast(g->fn, random_fit(g, r, -2, 2), IR_F64), all);
  return ir_binary(g->fn, IR_MUL, r, ir_number(g->fn, IR_F64, 1 / fmax(n, 1)));
}

static IrRef cast_to_real(Generator *g, IrRef r) {
  Range range = random_range(g, r);
  IrRef real = ir_cast(g->fn, r, IR_F64);
  while (g->ranges.len <= real) VEC_PUSH(g->fn->arena, &g->ranges, range);
  return real;
}

// Values of the pool that nobody reads become outputs, and real ones parts of the loss; those of pairs of events only that.
static void finish(Generator *g) {
  bool *read = ARENA_ARRAY(g->fn->arena, bool, g->fn->values.len);
  for (IrRef r = 0; r < g->fn->values.len; r++) {
    for (uint32_t i = 0; i < ir_at(g->fn, r)->n_operands; i++) read[ir_at(g->fn, r)->operands[i]] = true;
  }
  IrRef loss = ir_number(g->fn, IR_F64, 0.25);
  int n = 0;
  for (size_t i = 0; i < g->pool.len; i++) {
    IrRef r = g->pool.at[i];
    if (read[r]) continue;
    bool pairs = ir_event_axes(ir_type_of(g->fn, r)) == 2;
    if (!pairs) ir_output(g->fn, arena_printf(g->fn->arena, "y%d", n++), r);
    else if (!ir_is_real(ir_type_of(g->fn, r))) r = cast_to_real(g, r);
    if (ir_is_real(ir_type_of(g->fn, r))) loss = ir_binary(g->fn, IR_ADD, loss, mean_like(g, r));
  }
  ir_output(g->fn, "loss", loss);
}

IrFn *random_program(Arena *arena, uint64_t seed, IrDtype real, const RandomOptions *options) {
  static const int64_t extents[] = {1, 2, 3, 4, 5, 7, 8};
  Generator g = {.fn = ir_fn_new(arena, "random"), .state = seed, .real = real, .wanted = IR_NONE};
  if (options) g.options = *options;
  for (int i = 0; i < 3; i++) g.widths[i] = extents[random_below(&g.state, 7)];
  IrOp ops[IR_OP_COUNT];
  for (int i = 0; i < (g.options.ops ? g.options.ops : 60); i++) {
    if (i % IR_OP_COUNT == 0) shuffle(&g, ops);
    IrOp op = ops[i % IR_OP_COUNT];
    if (!g.options.smooth || is_smooth(op)) rules[op](&g, op);
  }
  finish(&g);
  return g.fn;
}

// ---- data

static double leaf_number(const IrValue *v, uint64_t *state) {
  switch (v->type.dtype) {
  case IR_F32: return (double)(float)random_between(state, ir_op_info[v->op].low, ir_op_info[v->op].high);
  case IR_F64: return random_between(state, ir_op_info[v->op].low, ir_op_info[v->op].high);
  case IR_I32: return random_below(state, 10) ? (double)random_below(state, 8) : random_below(state, 2) ? -3 : 1000;
  case IR_BOOL: return (double)random_below(state, 2);
  case IR_BF16: return (double)hgm_bf16_number(hgm_bf16((float)random_between(state, -1, 1)));
  }
  ir_fail("leaf of dtype %d", v->type.dtype);
}

void random_leaves(Arena *arena, const IrFn *fn, uint64_t seed, IrEnv *env) {
  IrArray *leaves = ARENA_ARRAY(arena, IrArray, fn->values.len + 1);
  uint64_t state = seed ^ 0x5EED;
  env->n_leaves = 0;
  env->leaves = leaves;
  for (IrRef r = 0; r < fn->values.len; r++) {
    const IrValue *v = ir_at(fn, r);
    if (v->op != IR_INPUT && v->op != IR_PARAM && v->op != IR_STATE && v->op != IR_COUNTER) continue;
    int64_t n = ir_elements(&v->type) * (ir_has_events(&v->type) ? env->events : 1);
    double *data = ARENA_ARRAY(arena, double, n + 1);
    for (int64_t i = 0; i < n; i++) data[i] = leaf_number(v, &state);
    leaves[env->n_leaves++] = (IrArray){v->attr.name, n, data};
  }
}
