// Nests as LLVM IR: their loops. No knowledge of the schedule: a Nest says all.
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "compiler/codegen/emit_nest.h"

// ---- segments

static void emit_turn(Emit *e, int segment) {
  for (uint32_t i = 0; i < e->nest->n_steps; i++)
    if (e->nest->steps[i].segment == segment) nest_step(e, (int)i);
}

// The accumulators that the loops of a segment carry: pointers to where they are kept.
static unsigned carried_by(Emit *e, int segment, LLVMValueRef **at) {
  unsigned n = 0;
  for (uint32_t i = 0; i < e->nest->n_steps; i++) {
    const NestStep *t = &e->nest->steps[i];
    if (t->segment != segment || !nest_accumulates(t) || t->over_pairs) continue;
    if (n + 3 > EMIT_CARRIED) ir_fail("codegen: too many sums in one loop");
    at[n++] = &e->values[i];
    if (t->kind == STEP_ARGMAX) at[n++] = &e->second[i];
    for (int k = 0; k < 2 && t->halves; k++) at[n++] = &e->chains[k][i];
  }
  return n;
}

static void restore_scans(Emit *e, int segment) {
  for (uint32_t i = 0; i < e->nest->n_steps; i++)
    if (e->nest->steps[i].segment == segment && e->nest->steps[i].kind == STEP_SCAN) e->values[i] = e->second[i];
}

static void emit_inner(Emit *e, int segment, int depth) {
  const NestSegment *g = &e->nest->segments[segment];
  if (depth == g->loops) {
    emit_turn(e, segment);
    restore_scans(e, segment);
    return;
  }
  LLVMValueRef *at[EMIT_CARRIED], carried[EMIT_CARRIED];
  unsigned n = carried_by(e, segment, at);
  for (unsigned i = 0; i < n; i++) carried[i] = *at[i];
  int64_t extent = g->extent[depth];
  EmitLoop loop = emit_loop(e->m, "inner", emit_index(e->m, 0), emit_index(e->m, extent), 1, carried, n);
  for (unsigned i = 0; i < n; i++) *at[i] = loop.carried[i];
  LLVMValueRef index = loop.index;
  if (g->reversed) index = LLVMBuildNSWSub(e->m->builder, emit_index(e->m, extent - 1), index, "");
  e->index[e->nest->outer + depth] = index;
  emit_inner(e, segment, depth + 1);
  for (unsigned i = 0; i < n; i++) carried[i] = *at[i];
  emit_loop_end(e->m, &loop, carried);
  for (unsigned i = 0; i < n; i++) *at[i] = loop.carried[i];
}

// Does the loop over events carry the sum?
static bool carried_by_events(const Emit *e, const NestStep *t) { return t->over_events && e->nest->mode == NEST_EVENTS; }

static void start_sums(Emit *e, int segment) {
  for (uint32_t i = 0; i < e->nest->n_steps; i++) {
    const NestStep *t = &e->nest->steps[i];
    if (t->segment != segment || !nest_accumulates(t) || carried_by_events(e, t) || t->over_pairs) continue;
    if (t->kind == STEP_ARGMAX) {
      e->values[i] = nest_constant(e, (IrDtype)t->read[0].dtype, 0);
      e->second[i] = LLVMConstNull(e->m->v16i32);
    } else {
      e->values[i] = e->chains[0][i] = e->chains[1][i] = nest_identity(e, t);
    }
  }
}

// Results of reductions are stored behind their loop.
static void finish_sums(Emit *e, int segment) {
  for (uint32_t i = 0; i < e->nest->n_steps; i++) {
    const NestStep *t = &e->nest->steps[i];
    if (t->segment != segment || !nest_accumulates(t) || carried_by_events(e, t) || t->over_pairs || t->restarts || t->kind == STEP_SCAN) continue;
    e->values[i] = t->kind == STEP_ARGMAX ? e->second[i] : nest_clipped_sum(e, t, e->values[i]);
    nest_store(e, t, e->values[i]);
  }
}

static void emit_segments(Emit *e) {
  for (uint32_t g = 0; g < e->nest->n_segments; g++) {
    start_sums(e, (int)g);
    emit_inner(e, (int)g, 0);
    finish_sums(e, (int)g);
  }
}

// ---- sums over pairs: local arrays over the loop of the other event

typedef void RowBody(Emit *e, const NestStep *t, LLVMValueRef row);

// For each row of the arrays of sums over pairs, those over both events or those over the other one.
static void each_pair_row(Emit *e, bool both, RowBody *body) {
  for (uint32_t i = 0; i < e->nest->n_steps; i++) {
    const NestStep *t = &e->nest->steps[i];
    if (!t->over_pairs || (t->over_events != 0) != both) continue;
    EmitLoop loop = emit_loop(e->m, "rows", emit_index(e->m, 0), emit_index(e->m, e->nest->locals[t->local].rows), 1, NULL, 0);
    body(e, t, loop.index);
    emit_loop_end(e->m, &loop, NULL);
  }
}

static LLVMValueRef pair_row(Emit *e, const NestStep *t, LLVMValueRef row) {
  return emit_at2(e->m, point_memory_element(e->m, (IrDtype)t->dtype), e->locals[t->local], row, CODE_LANES, NULL);
}

static void begin_pair_row(Emit *e, const NestStep *t, LLVMValueRef row) { emit_store(e->m, nest_identity(e, t), pair_row(e, t, row)); }

// Rows of what the outer loops leave lie one behind the other.
static LLVMValueRef stored_row(Emit *e, const NestStep *t, LLVMValueRef row) {
  int64_t stride[NEST_LOOPS] = {0};
  memcpy(stride, t->store_stride, sizeof *stride * (size_t)e->nest->outer);
  return LLVMBuildNSWAdd(e->m->builder, nest_offset(e, t->store_base, stride, 0, 1), row, "");
}

static void store_pair_row(Emit *e, const NestStep *t, LLVMValueRef row) {
  LLVMValueRef x = emit_load(e->m, nest_vector(e, (IrDtype)t->dtype), pair_row(e, t, row));
  if (t->slot < 0) return;
  if (t->over_events) nest_store_partial(e, t, x, stored_row(e, t, row));
  else
    emit_store(
        e->m, x,
        emit_at2(e->m, point_memory_element(e->m, (IrDtype)t->dtype), e->pointers[t->slot], stored_row(e, t, row), CODE_LANES, nest_event_at(e, t->rows)));
}

static void emit_pairs(Emit *e) {
  CodeModule *m = e->m;
  LLVMBuilderRef k = m->builder;
  LLVMValueRef pitch = nest_field(e, offsetof(HgmTile, batch_bytes), m->i64), tile = emit_index(m, e->nest->tile);
  LLVMValueRef last_tile = nest_field(e, offsetof(HgmTile, last_tile), m->i64), last_begin = nest_field(e, offsetof(HgmTile, last_begin), m->i64);
  each_pair_row(e, false, begin_pair_row);
  EmitLoop loop = emit_loop(m, "other", emit_index(m, 0), nest_field(e, offsetof(HgmTile, events), m->i64), 1, NULL, 0);
  LLVMValueRef of_last = LLVMBuildICmp(k, LLVMIntSGE, loop.index, last_begin, ""); // which may begin before the one before it is full
  e->other = LLVMBuildSelect(k, of_last, LLVMBuildNSWSub(k, loop.index, last_begin, ""), LLVMBuildURem(k, loop.index, tile, ""), "");
  e->other_tile = LLVMBuildNSWMul(k, LLVMBuildSelect(k, of_last, last_tile, LLVMBuildUDiv(k, loop.index, tile, ""), ""), pitch, "");
  emit_segments(e);
  emit_loop_end(m, &loop, NULL);
  each_pair_row(e, false, store_pair_row);
}

// ---- the three kinds of nests

static void emit_events(Emit *e) {
  CodeModule *m = e->m;
  LLVMValueRef carried[EMIT_CARRIED];
  int who[EMIT_CARRIED];
  unsigned n = 0;
  bool partial = false;
  for (uint32_t i = 0; i < e->nest->n_steps; i++) {
    if (!e->nest->steps[i].over_events) continue;
    partial = true;
    if (e->nest->steps[i].over_pairs) continue;
    if (n == EMIT_CARRIED) ir_fail("codegen: too many sums over events in one kernel");
    who[n] = (int)i;
    carried[n++] = nest_identity(e, &e->nest->steps[i]);
  }
  each_pair_row(e, true, begin_pair_row);
  EmitLoop loop = emit_loop(m, "events", emit_index(m, 0), nest_events(e), m->lanes, carried, n);
  nest_go_to(e, loop.index);
  if (partial) {
    LLVMValueRef left = LLVMBuildNSWSub(m->builder, nest_field(e, offsetof(HgmTile, valid), m->i64), loop.index, "");
    e->live = emit_lanes_below(m, left);
  }
  for (unsigned i = 0; i < n; i++) e->values[who[i]] = loop.carried[i];
  if (e->nest->pairs) emit_pairs(e);
  else emit_segments(e);
  for (unsigned i = 0; i < n; i++) carried[i] = e->values[who[i]];
  emit_loop_end(m, &loop, carried);
  each_pair_row(e, true, store_pair_row);
  for (unsigned i = 0; i < n; i++) {
    e->values[who[i]] = loop.carried[i];
    const NestStep *t = &e->nest->steps[who[i]];
    nest_store_partial(e, t, loop.carried[i], nest_offset(e, t->store_base, t->store_stride, 0, 1));
  }
}

// Whole vectors first: masked stores are slow on many machines.
static void emit_flat(Emit *e) {
  CodeModule *m = e->m;
  LLVMBuilderRef k = m->builder;
  LLVMValueRef first = nest_field(e, offsetof(HgmTile, first), m->i64), last = nest_field(e, offsetof(HgmTile, last), m->i64);
  LLVMValueRef rest = LLVMBuildAnd(k, LLVMBuildNSWSub(k, last, first, ""), emit_index(m, m->lanes - 1), "");
  LLVMValueRef whole = LLVMBuildNSWSub(k, last, rest, "");
  EmitLoop loop = emit_loop(m, "elements", first, whole, m->lanes, NULL, 0);
  e->event = loop.index;
  e->live = NULL;
  emit_segments(e);
  emit_loop_end(m, &loop, NULL);
  EmitLoop tail = emit_loop(m, "rest", whole, last, m->lanes, NULL, 0);
  e->event = tail.index;
  e->live = emit_lanes_below(m, rest);
  emit_segments(e);
  emit_loop_end(m, &tail, NULL);
}

static void emit_outer(Emit *e, int depth);

static void emit_in_lanes(Emit *e, void *data) {
  (void)data;
  emit_outer(e, e->nest->lane_loop + 1);
}

static bool has_drawn(const Emit *e) {
  for (uint32_t i = 0; i < e->nest->n_steps; i++)
    if (e->drawn[i]) return true;
  return false;
}

// The turns of the last outer loop for which numbers are drawn together, or this one turn.
static void emit_turns(Emit *e) {
  if (!has_drawn(e)) {
    emit_segments(e);
    return;
  }
  CodeModule *m = e->m;
  int last = e->nest->outer - 1;
  LLVMValueRef first = e->index[last], turns = emit_index(m, DRAWS_TOGETHER);
  if (e->nest->extent[last] % DRAWS_TOGETHER) {
    LLVMValueRef left = LLVMBuildNSWSub(m->builder, emit_index(m, e->nest->extent[last]), first, "");
    turns = emit_least(m, left, turns);
  }
  draws_of_turns(e);
  EmitLoop loop = emit_loop(m, "turns", emit_index(m, 0), turns, 1, NULL, 0);
  e->turn = loop.index;
  e->index[last] = LLVMBuildNSWAdd(m->builder, first, loop.index, "");
  emit_segments(e);
  emit_loop_end(m, &loop, NULL);
}

// One panel: the outer loops go through its rows, which lie one behind the other.
static void emit_panel(Emit *e) {
  if (e->m->lanes == CODE_LANES) {
    nest_go_to(e, e->panel);
    emit_turns(e);
    return;
  }
  EmitLoop part = emit_loop(e->m, "lanes", emit_index(e->m, 0), emit_index(e->m, CODE_LANES), e->m->lanes, NULL, 0);
  e->event = LLVMBuildNSWAdd(e->m->builder, e->panel, part.index, "");
  emit_turns(e);
  emit_loop_end(e->m, &part, NULL);
}

static bool sums_over_events(const Nest *n) {
  for (uint32_t i = 0; i < n->n_steps; i++)
    if (n->steps[i].over_events) return true;
  return false;
}

static bool adds_to_memory(const Nest *n) {
  for (uint32_t i = 0; i < n->n_steps; i++)
    if (n->steps[i].over_events || n->steps[i].adds) return true;
  return false;
}

static int64_t last_step(const Emit *e) { return has_drawn(e) ? DRAWS_TOGETHER : 1; }

static int64_t last_parts(const Emit *e, int64_t step) { return (e->nest->extent[e->nest->outer - 1] + step - 1) / step; }

// Of the last outer loop, in such steps.
static EmitRange last_turns(Emit *e, int64_t step) {
  CodeModule *m = e->m;
  EmitRange turns = emit_share(m, e->share, last_parts(e, step));
  turns.unit = step;
  LLVMValueRef extent = emit_index(m, e->nest->extent[e->nest->outer - 1]);
  return (EmitRange){emit_units(m, &turns, turns.from), emit_least(m, emit_units(m, &turns, turns.to), extent), 1};
}

static void emit_outer(Emit *e, int depth) {
  if (depth == e->nest->outer) {
    if (e->nest->mode == NEST_EVENTS && e->by_panels) emit_panel(e);
    else if (e->nest->mode == NEST_EVENTS) emit_events(e);
    else if (e->nest->mode == NEST_FLAT) emit_flat(e);
    else emit_segments(e);
    return;
  }
  if (e->nest->mode == NEST_LANES && depth == e->nest->lane_loop) {
    lanes_loop(e, depth, !adds_to_memory(e->nest), emit_in_lanes, NULL);
    return;
  }
  CodeModule *m = e->m;
  int64_t step = depth + 1 == e->nest->outer ? last_step(e) : 1;
  EmitShare share = e->share;
  EmitRange turns = {emit_index(m, 0), emit_index(m, e->nest->extent[depth]), 1};
  if (e->nest->mode != NEST_EVENTS && depth == 0 && e->nest->shares > 0) turns = nest_share(e, e->nest->extent[depth]);
  if (share.from != NULL) turns = depth + 1 == e->nest->outer ? last_turns(e, step) : emit_share_touched(m, share, e->nest->extent[depth]);
  EmitLoop loop = emit_loop(m, "outer", turns.from, turns.to, step, NULL, 0);
  e->index[depth] = loop.index;
  if (depth + 1 < e->nest->outer) e->share = emit_share_within(m, share, loop.index, e->nest->extent[depth]);
  emit_outer(e, depth + 1);
  e->share = share;
  emit_loop_end(m, &loop, NULL);
}

static void make_locals(Emit *e) {
  for (uint32_t i = 0; i < e->nest->n_locals; i++) {
    const NestLocal *l = &e->nest->locals[i];
    LLVMTypeRef type = LLVMArrayType2(point_memory_element(e->m, (IrDtype)l->dtype), (uint64_t)l->rows * e->m->lanes);
    e->locals[i] = LLVMBuildAlloca(e->m->builder, type, "local");
    LLVMSetAlignment(e->locals[i], 64);
  }
}

static void make_drawn(Emit *e) {
  for (uint32_t i = 0; i < e->nest->n_steps; i++) {
    if (!draws_together(e->nest, &e->nest->steps[i])) continue;
    LLVMTypeRef element = point_memory_element(e->m, (IrDtype)e->nest->steps[i].dtype);
    e->drawn[i] = LLVMBuildAlloca(e->m->builder, LLVMArrayType2(element, (uint64_t)DRAWS_TOGETHER * e->m->lanes), "drawn");
    LLVMSetAlignment(e->drawn[i], 64);
  }
}

Emit nest_begin(CodeModule *m, const char *name, const Nest *nest, unsigned more_slots) {
  size_t slots = nest->n_slots + more_slots;
  LLVMValueRef *space = calloc(slots + nest->n_locals + 5 * nest->n_steps + 1, sizeof *space);
  if (!space) ir_fail("out of memory");
  Emit e = {.m = m, .nest = nest, .pointers = space, .locals = space + slots, .space = space, .valid = 1};
  e.values = e.locals + nest->n_locals;
  e.second = e.values + nest->n_steps;
  e.drawn = e.second + nest->n_steps;
  e.chains[0] = e.drawn + nest->n_steps;
  e.chains[1] = e.chains[0] + nest->n_steps;
  LLVMValueRef f = code_kernel(m, name, (unsigned)slots, e.pointers);
  e.tile = LLVMGetParam(f, 0);
  make_locals(&e);
  return e;
}

static EmitRange share_of(Emit *e, LLVMValueRef turns) {
  CodeModule *m = e->m;
  LLVMValueRef bound[2], shares = emit_index(m, e->nest->shares);
  for (int i = 0; i < 2; i++) {
    LLVMValueRef share = nest_field(e, i == 0 ? offsetof(HgmTile, first) : offsetof(HgmTile, last), m->i64);
    bound[i] = LLVMBuildUDiv(m->builder, LLVMBuildNSWMul(m->builder, share, turns, ""), shares, "");
  }
  return (EmitRange){bound[0], bound[1], 1};
}

EmitRange nest_share(Emit *e, int64_t turns) { return share_of(e, emit_index(e->m, turns)); }

// Of these events, whole panels.
static EmitRange share_of_panels(Emit *e, LLVMValueRef events) {
  LLVMBuilderRef k = e->m->builder;
  LLVMValueRef lanes = emit_index(e->m, CODE_LANES);
  EmitRange panels = share_of(e, LLVMBuildUDiv(k, events, lanes, ""));
  return (EmitRange){LLVMBuildNSWMul(k, panels.from, lanes, ""), LLVMBuildNSWMul(k, panels.to, lanes, ""), 1};
}

EmitShare nest_shared(Emit *e, int64_t parts) {
  if (e->nest->mode != NEST_EVENTS || e->nest->shares == 0) return (EmitShare){.of = parts};
  EmitRange turns = nest_share(e, parts);
  return (EmitShare){turns.from, turns.to, parts};
}

void nest_end(Emit *e) {
  LLVMBuildRetVoid(e->m->builder);
  free(e->space);
}

// Sums over events are the same bits everywhere because they are sums of CODE_LANES lanes. Where each lane stands alone they are two vectors of
// the machine's, for the dtype that most steps have: formulas are long chains, and two of them side by side fill the time that one waits.
// Code that is made quickly has one: half of it to compile.
unsigned nest_lanes(const CodeModule *m, const Nest *nest) {
  if (nest->mode == NEST_LANES) return (unsigned)nest->lanes;
  uint32_t f64 = 0;
  for (uint32_t i = 0; i < nest->n_steps; i++) {
    const NestStep *t = &nest->steps[i];
    if (t->over_events || t->over_pairs) return CODE_LANES;
    f64 += t->dtype == IR_F64;
  }
  unsigned machine = m->target->vector_bits / (2 * f64 > nest->n_steps ? 64 : 32), lanes = m->target->effort != WITH_CARE ? machine : 2 * machine;
  return lanes < CODE_LANES ? lanes : CODE_LANES;
}

bool nest_divides(const Nest *n) {
  for (uint32_t i = 0; i < n->n_steps; i++)
    if (n->steps[i].adds) return false;
  return true;
}

// Threads share the outer loops.
static bool divides_rows(const Nest *n) { return n->outer > 0 && nest_divides(n); }

static void share_rows(Emit *e) {
  int64_t parts = last_parts(e, last_step(e));
  for (int l = 0; l + 1 < e->nest->outer; l++) parts *= e->nest->extent[l];
  e->share = nest_shared(e, parts);
}

// Else whole panels.
static void emit_by_panels(Emit *e) {
  CodeModule *m = e->m;
  EmitRange panels = {emit_index(m, 0), nest_events(e), 1};
  make_drawn(e);
  if (divides_rows(e->nest)) share_rows(e);
  else if (e->nest->shares > 0) panels = share_of_panels(e, panels.to);
  EmitLoop loop = emit_loop(m, "panels", panels.from, panels.to, CODE_LANES, NULL, 0);
  e->panel = loop.index;
  emit_outer(e, 0);
  emit_loop_end(m, &loop, NULL);
}

// Sums over events; else by one of them.
static void emit_by_rows(Emit *e) {
  if (divides_rows(e->nest)) share_rows(e);
  EmitIf last = emit_if_last(e->m, e->share.from == NULL ? nest_shared(e, 1) : (EmitShare){0});
  emit_outer(e, 0);
  emit_end_if(e->m, last);
}

void nest_emit(CodeModule *m, const char *name, const Nest *nest) {
  code_module_lanes(m, nest_lanes(m, nest));
  Emit e = nest_begin(m, name, nest, 0);
  e.by_panels = nest->mode == NEST_EVENTS && !nest->pairs && !sums_over_events(nest);
  if (e.by_panels) emit_by_panels(&e);
  else if (nest->mode == NEST_EVENTS) emit_by_rows(&e);
  else emit_outer(&e, 0);
  nest_end(&e);
}
