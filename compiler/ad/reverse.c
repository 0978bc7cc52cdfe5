// The reverse walk: from y down to the first of wrt, one visit a value.
//
// Two marks decide what is visited. Active: a value on a path from wrt all of whose ops have a derivative, found going up.
// Reached: a value with an adjoint, found going down. Contributions to one value are added in the order of its users, last
// user first, so the text of a derivative depends on nothing but the text of the function.
//
// Equal values share one adjoint: a net that the function evaluates twice on the same input, as unrolled steps do with a
// generator, is walked through once.
#include "compiler/ad/ad.h"

#include "compiler/ad/rules.h"
#include "compiler/ir/same.h"

static AdRule *const rules[IR_OP_COUNT] = {
#define OP(ENUM, NAME, OPERANDS, CLASS, LOWER, SHAPE, ADJOINT, ...) [IR_##ENUM] = adjoint_##ADJOINT,
#include "compiler/ir/ops.def"
#undef OP
};

_Noreturn static void not_a_rule(const AdWalk *walk, IrRef y) {
  ir_fail("the reverse walk entered '%s', which has no derivative", ir_op_info[ir_at(walk->fn, y)->op].name);
}

void adjoint_none(AdWalk *walk, IrRef y, IrRef g, IrRef *to) {
  (void)g, (void)to;
  not_a_rule(walk, y);
}
void adjoint_zero(AdWalk *walk, IrRef y, IrRef g, IrRef *to) {
  (void)g, (void)to;
  not_a_rule(walk, y);
}
void adjoint_refused(AdWalk *walk, IrRef y, IrRef g, IrRef *to) {
  (void)g, (void)to;
  not_a_rule(walk, y);
}

static bool passes_derivatives(const IrValue *v) { return ir_is_real(&v->type) && rules[v->op] != adjoint_none && rules[v->op] != adjoint_zero; }

// active[i] for i <= last: a smooth path leads from one of wrt to i, and through none of held.
static uint8_t *mark_active(const IrFn *fn, Arena *scratch, IrRef last, const IrRef *wrt, uint32_t n, AdHeld held) {
  uint8_t *active = ARENA_ARRAY(scratch, uint8_t, last + 1), *constant = ARENA_ARRAY(scratch, uint8_t, last + 1);
  IrRef first = last + 1;
  for (size_t k = 0; k < held.n; k++)
    if (held.at[k] <= last) constant[held.at[k]] = 1;
  for (uint32_t k = 0; k < n; k++) {
    if (wrt[k] > last || !ir_is_real(ir_type_of(fn, wrt[k]))) continue;
    active[wrt[k]] = 1;
    if (wrt[k] < first) first = wrt[k];
  }
  for (IrRef i = first; i <= last; i++) {
    const IrValue *v = ir_at(fn, i);
    if (active[i] || constant[i] || !passes_derivatives(v)) continue;
    for (uint32_t k = 0; k < v->n_operands; k++) active[i] |= active[v->operands[k]];
  }
  return active;
}

// The first of the values that are equal to i, of those that y is made of. Each of wrt is equal to itself alone, whatever else is
// computed like it; and what y is not made of stands for nothing, or a second derivative would miss the value that it asks for.
static IrRef *find_equal(const IrFn *fn, Arena *scratch, IrRef y, const IrRef *wrt, uint32_t n) {
  IrRef *equal = ARENA_ARRAY(scratch, IrRef, y + 1);
  uint8_t *within = ARENA_ARRAY(scratch, uint8_t, y + 1);
  within[y] = 1;
  for (IrRef i = y + 1; i-- > 0;) {
    const IrValue *v = ir_at(fn, i);
    for (uint32_t k = 0; within[i] && k < v->n_operands; k++) within[v->operands[k]] = 1;
  }
  for (uint32_t k = 0; k < n; k++)
    if (wrt[k] <= y) within[wrt[k]] = 0;
  IrSame same = ir_same_new(scratch, y + 1);
  for (IrRef i = 0; i <= y; i++) {
    equal[i] = i;
    if (!within[i]) continue;
    IrValue *v = arena_dup(scratch, ir_at(fn, i), sizeof *v);
    IrRef *operands = ARENA_ARRAY(scratch, IrRef, v->n_operands + 1);
    for (uint32_t k = 0; k < v->n_operands; k++) operands[k] = equal[v->operands[k]];
    v->operands = operands;
    IrRef *first = ir_same(&same, v);
    if (*first == IR_NONE) *first = i;
    equal[i] = *first;
  }
  return equal;
}

static void add_adjoint(AdWalk *walk, IrRef *adjoint, IrRef x, IrRef more) { adjoint[x] = adjoint[x] == IR_NONE ? more : ad_add(walk, adjoint[x], more); }

static void add_contributions(AdWalk *walk, IrRef user, const IrRef *to, IrRef *adjoint) {
  const IrValue *v = ir_at(walk->fn, user);
  for (uint32_t k = 0; k < v->n_operands; k++) {
    IrRef x = v->operands[k];
    if (to[k] == IR_NONE || !walk->active[x]) continue;
    if (!ir_type_equal(ir_type_of(walk->fn, to[k]), ir_type_of(walk->fn, x)))
      ir_fail("adjoint rule of '%s': the contribution to operand %u has not the operand's type", ir_op_info[v->op].name, k);
    add_adjoint(walk, adjoint, x, to[k]);
  }
}

// A leaf of the walk: nothing below it can be active but itself.
static bool has_active_operand(const AdWalk *walk, const IrValue *v) {
  for (uint32_t k = 0; k < v->n_operands; k++) {
    if (walk->active[v->operands[k]]) return true;
  }
  return false;
}

static bool walk_back(IrFn *fn, IrRef y, IrRef seed, const IrRef *wrt, uint32_t n, AdHeld held, IrRef *g, IrRef *refused) {
  Arena *scratch = arena_create();
  AdWalk walk = {.fn = fn, .active = mark_active(fn, scratch, y, wrt, n, held)};
  uint32_t span = fn->span;
  IrRef *adjoint = ARENA_ARRAY(scratch, IrRef, y + 1);
  const IrRef *equal = find_equal(fn, scratch, y, wrt, n);
  IrRef first = y;
  for (IrRef i = 0; i <= y; i++) adjoint[i] = IR_NONE;
  for (uint32_t k = 0; k < n; k++) first = wrt[k] < first ? wrt[k] : first;
  if (walk.active[y]) adjoint[y] = seed != IR_NONE ? seed : ir_fill(fn, *ir_type_of(fn, y), 1);
  bool known = true;
  for (IrRef i = y + 1; known && i-- > first;) {
    if (adjoint[i] == IR_NONE) continue;
    const IrValue *v = ir_at(fn, i);
    if (!passes_derivatives(v) || !has_active_operand(&walk, v)) continue;
    if (equal[i] != i) {
      add_adjoint(&walk, adjoint, equal[i], adjoint[i]);
      continue;
    }
    if (rules[v->op] == adjoint_refused) {
      if (refused) *refused = i;
      known = false;
      break;
    }
    IrRef *to = ARENA_ARRAY(scratch, IrRef, v->n_operands);
    for (uint32_t k = 0; k < v->n_operands; k++) to[k] = IR_NONE;
    fn->span = v->span;
    rules[v->op](&walk, i, adjoint[i], to);
    add_contributions(&walk, i, to, adjoint);
  }
  for (uint32_t k = 0; k < n; k++) g[k] = known && wrt[k] <= y ? adjoint[wrt[k]] : IR_NONE;
  fn->span = span;
  arena_destroy(scratch);
  return known;
}

bool ad_gradient(IrFn *fn, IrRef y, IrRef seed, const IrRef *wrt, uint32_t n, IrRef *g, IrRef *refused) {
  return walk_back(fn, y, seed, wrt, n, (AdHeld){0}, g, refused);
}

bool ad_partial(IrFn *fn, IrRef y, const IrRef *wrt, uint32_t n, AdHeld held, IrRef *g, IrRef *refused) {
  return walk_back(fn, y, IR_NONE, wrt, n, held, g, refused);
}

// A batch's number of an event's, or the first event of a pair in the place of the second.
static bool couples(const IrFn *fn, const IrValue *v, IrRef operand) {
  int before = ir_event_axes(ir_type_of(fn, operand)), after = ir_event_axes(&v->type);
  if (v->op == IR_BROADCAST) return after == 2 && before == 1 && v->attr.order[1] == 0;
  return before == 1 && after == 0;
}

IrRef ad_couples(const IrFn *fn, IrRef y, IrRef x, AdHeld held) {
  if (x > y || ir_event_axes(ir_type_of(fn, x)) != 1 || ir_event_axes(ir_type_of(fn, y)) != 1) return IR_NONE;
  Arena *scratch = arena_create();
  const uint8_t *active = mark_active(fn, scratch, y, &x, 1, held);
  uint8_t *needed = ARENA_ARRAY(scratch, uint8_t, y + 1);
  IrRef found = IR_NONE;
  needed[y] = active[y];
  for (IrRef i = y + 1; i-- > x + 1;) {
    const IrValue *v = ir_at(fn, i);
    for (uint32_t k = 0; needed[i] && k < v->n_operands; k++) {
      if (!active[v->operands[k]]) continue;
      needed[v->operands[k]] = 1;
      if (couples(fn, v, v->operands[k])) found = i;
    }
  }
  arena_destroy(scratch);
  return found;
}

AdPath ad_path(const IrFn *fn, IrRef y, IrRef x, IrRef *by) {
  if (x > y) return AD_INDEPENDENT;
  Arena *scratch = arena_create();
  // 1: depends on x, only through an op without derivative; 2: smoothly. from[i]: that op, for values marked 1.
  uint8_t *mark = ARENA_ARRAY(scratch, uint8_t, y + 1);
  IrRef *from = ARENA_ARRAY(scratch, IrRef, y + 1);
  mark[x] = 2;
  for (IrRef i = x + 1; i <= y; i++) {
    const IrValue *v = ir_at(fn, i);
    for (uint32_t k = 0; k < v->n_operands; k++) {
      IrRef o = v->operands[k];
      uint8_t seen = o < x ? 0 : mark[o];
      if (seen <= mark[i]) continue;
      bool smooth = seen == 2 && passes_derivatives(v);
      if (smooth) mark[i] = 2;
      else if (mark[i] == 0) mark[i] = 1, from[i] = seen == 1 ? from[o] : i;
    }
  }
  AdPath path = mark[y] == 2 ? AD_SMOOTH : mark[y] == 1 ? AD_BLOCKED : AD_INDEPENDENT;
  if (path == AD_BLOCKED && by) *by = from[y];
  arena_destroy(scratch);
  return path;
}
