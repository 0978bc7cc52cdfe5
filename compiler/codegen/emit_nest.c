// Nests as LLVM IR: loops, reads, reductions, stores. No knowledge of the schedule: a Nest says all.
#include <math.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "compiler/codegen/emit_nest.h"
#include "compiler/codegen/vmath.h"

// ---- small pieces

LLVMValueRef nest_field(Emit *e, size_t offset, LLVMTypeRef type) {
  LLVMValueRef at = emit_index(e->m, (int64_t)offset);
  LLVMTypeRef byte = LLVMInt8TypeInContext(e->m->context);
  return LLVMBuildLoad2(e->m->builder, type, LLVMBuildInBoundsGEP2(e->m->builder, byte, e->tile, &at, 1, ""), "");
}

static LLVMValueRef lane_numbers(Emit *e, LLVMTypeRef type, int64_t stride) {
  LLVMValueRef lanes[CODE_LANES];
  for (unsigned i = 0; i < e->m->lanes; i++) lanes[i] = LLVMConstInt(type, (uint64_t)((int64_t)i * stride), true);
  return LLVMConstVector(lanes, e->m->lanes);
}

// LANES: how far neighbours in the lanes lie apart.
static int64_t lane_stride(const Emit *e, const int64_t *stride) { return e->nest->lane_loop >= 0 ? stride[e->nest->lane_loop] : 0; }

// base + sum of index stride, in numbers; times scale.
LLVMValueRef nest_offset(Emit *e, int64_t base, const int64_t *stride, int first, int64_t scale) {
  LLVMBuilderRef k = e->m->builder;
  LLVMValueRef sum = NULL;
  for (int l = first; l < NEST_LOOPS; l++) {
    if (stride[l] == 0) continue;
    LLVMValueRef term = e->index[l];
    if (stride[l] * scale != 1) term = LLVMBuildNSWMul(k, term, emit_index(e->m, stride[l] * scale), "");
    sum = sum ? LLVMBuildNSWAdd(k, sum, term, "") : term;
  }
  if (!sum) return emit_index(e->m, base * scale);
  return base ? LLVMBuildNSWAdd(k, sum, emit_index(e->m, base * scale), "") : sum;
}

static LLVMValueRef flat_element(Emit *e, int64_t base) { return base ? LLVMBuildNSWAdd(e->m->builder, e->event, emit_index(e->m, base), "") : e->event; }

static LLVMValueRef to_register(Emit *e, IrDtype dtype, LLVMValueRef x) {
  if (dtype != IR_BOOL) return x;
  return LLVMBuildICmp(e->m->builder, LLVMIntNE, x, LLVMConstNull(LLVMTypeOf(x)), "");
}

static LLVMValueRef to_memory(Emit *e, IrDtype dtype, LLVMValueRef x) { return dtype == IR_BOOL ? LLVMBuildZExt(e->m->builder, x, e->m->v16i32, "") : x; }

static LLVMTypeRef memory_vector(Emit *e, IrDtype dtype) { return LLVMVectorType(point_memory_element(e->m, dtype), e->m->lanes); }

static LLVMValueRef masked(Emit *e, const char *name, LLVMTypeRef *types, LLVMValueRef *arguments, unsigned n) {
  LLVMValueRef f = LLVMGetIntrinsicDeclaration(e->m->module, LLVMLookupIntrinsicID(name, strlen(name)), types, 2);
  return LLVMBuildCall2(e->m->builder, LLVMGlobalGetValueType(f), f, arguments, n, "");
}

static LLVMValueRef alignment(Emit *e, IrDtype dtype) { return LLVMConstInt(e->m->i32, dtype_bytes(dtype), false); }

// Flat kernels: all lanes of a whole vector (live NULL), or only those that are left.
static LLVMValueRef load_live(Emit *e, IrDtype dtype, LLVMValueRef address) {
  if (!e->live) return emit_load(e->m, memory_vector(e, dtype), address);
  LLVMTypeRef types[2] = {memory_vector(e, dtype), e->m->pointer};
  LLVMValueRef arguments[] = {address, alignment(e, dtype), e->live, LLVMConstNull(types[0])};
  return masked(e, "llvm.masked.load", types, arguments, 4);
}

static void store_live(Emit *e, IrDtype dtype, LLVMValueRef x, LLVMValueRef address) {
  if (!e->live) {
    emit_store(e->m, x, address);
    return;
  }
  LLVMTypeRef types[2] = {memory_vector(e, dtype), e->m->pointer};
  LLVMValueRef arguments[] = {x, address, alignment(e, dtype), e->live};
  masked(e, "llvm.masked.store", types, arguments, 4);
}

static LLVMValueRef gather_lanes(Emit *e, IrDtype dtype, LLVMValueRef base, LLVMValueRef offsets) {
  LLVMTypeRef types[2] = {memory_vector(e, dtype), LLVMVectorType(e->m->pointer, e->m->lanes)};
  LLVMValueRef at = LLVMBuildInBoundsGEP2(e->m->builder, point_memory_element(e->m, dtype), base, &offsets, 1, "");
  LLVMValueRef arguments[] = {at, alignment(e, dtype), e->nest->mode == NEST_LANES ? lanes_mask(e) : LLVMConstAllOnes(e->m->v16i1), LLVMConstNull(types[0])};
  return masked(e, "llvm.masked.gather", types, arguments, 4);
}

static LLVMValueRef constant(Emit *e, IrDtype dtype, double x) {
  LLVMTypeRef type = point_type(e->m, dtype);
  switch (dtype) {
  case IR_F32:
  case IR_F64: return emit_number(type, x);
  case IR_I32: return emit_integer(type, (uint64_t)(int64_t)x);
  case IR_BOOL: return x != 0 ? LLVMConstAllOnes(type) : LLVMConstNull(type);
  }
  ir_fail("codegen: dtype %d", (int)dtype);
}

static bool is_real(IrDtype dtype) { return dtype == IR_F32 || dtype == IR_F64; }

// a (op) b for sums and maxima, vectors or scalars.
static LLVMValueRef combine(Emit *e, IrDtype dtype, bool max, LLVMValueRef a, LLVMValueRef b) {
  LLVMBuilderRef k = e->m->builder;
  if (!max) return is_real(dtype) ? LLVMBuildFAdd(k, a, b, "") : LLVMBuildAdd(k, a, b, "");
  if (!is_real(dtype)) return LLVMBuildSelect(k, LLVMBuildICmp(k, LLVMIntSGT, a, b, ""), a, b, "");
  LLVMValueRef r = LLVMBuildSelect(k, LLVMBuildFCmp(k, LLVMRealUGT, a, b, ""), a, b, "");
  return LLVMBuildSelect(k, LLVMBuildFCmp(k, LLVMRealUNO, b, b, ""), b, r, "");
}

static LLVMValueRef identity_of(Emit *e, const NestStep *t) {
  IrDtype dtype = (IrDtype)t->dtype;
  if (t->kind == STEP_MAX || (t->kind == STEP_PARTIAL && t->op == IR_AMAX))
    return dtype == IR_I32 ? emit_integer(e->m->v16i32, (uint32_t)INT32_MIN) : constant(e, dtype, -HUGE_VAL);
  return constant(e, dtype, 0);
}

// ---- reads

// (row / divide) % modulo for rows that differ from lane to lane.
static LLVMValueRef iota_lanes(Emit *e, const NestRead *r, LLVMValueRef row) {
  LLVMBuilderRef k = e->m->builder;
  LLVMTypeRef whole = e->m->v16i32, type = point_type(e->m, (IrDtype)r->dtype);
  row = lanes_index(e, row, lane_stride(e, r->stride));
  row = LLVMBuildUDiv(k, row, emit_integer(whole, (uint64_t)r->divide), "");
  if (r->modulo > 0) row = LLVMBuildURem(k, row, emit_integer(whole, (uint64_t)r->modulo), "");
  if (r->dtype == IR_BOOL) return LLVMBuildICmp(k, LLVMIntNE, row, LLVMConstNull(whole), "");
  return r->dtype == IR_I32 ? row : LLVMBuildSIToFP(k, row, type, "");
}

static LLVMValueRef read_iota(Emit *e, const NestRead *r) {
  LLVMBuilderRef k = e->m->builder;
  LLVMValueRef row = nest_offset(e, r->base, r->stride, 0, 1);
  if (e->nest->mode == NEST_LANES && lane_stride(e, r->stride) != 0) return iota_lanes(e, r, row);
  if (r->divide != 1) row = LLVMBuildUDiv(k, row, emit_index(e->m, r->divide), "");
  if (r->modulo > 0) row = LLVMBuildURem(k, row, emit_index(e->m, r->modulo), "");
  LLVMTypeRef type = point_type(e->m, (IrDtype)r->dtype);
  LLVMValueRef x;
  if (r->dtype == IR_BOOL) x = LLVMBuildICmp(k, LLVMIntNE, row, emit_index(e->m, 0), "");
  else if (r->dtype == IR_I32) x = LLVMBuildTrunc(k, row, e->m->i32, "");
  else x = LLVMBuildSIToFP(k, row, emit_element(type), "");
  return emit_splat(e->m, type, x);
}

// Partial sums, added (or compared) in the order of their ranges.
static LLVMValueRef read_partials(Emit *e, const NestStep *t, const NestRead *r) {
  CodeModule *m = e->m;
  IrDtype dtype = (IrDtype)r->dtype;
  LLVMValueRef count = nest_field(e, offsetof(HgmTile, partials), m->i64);
  LLVMValueRef pitch = nest_field(e, offsetof(HgmTile, partial_bytes), m->i64);
  LLVMTypeRef byte = LLVMInt8TypeInContext(m->context);
  LLVMValueRef offset = nest_offset(e, r->base, r->stride, 0, 1);
  if (e->nest->mode == NEST_FLAT) offset = flat_element(e, r->base);
  LLVMValueRef at = emit_at(m, point_memory_element(m, dtype), e->pointers[r->index], offset);
  bool flat = e->nest->mode == NEST_FLAT;
  int64_t apart = flat ? 0 : lane_stride(e, r->stride);
  LLVMValueRef first = flat ? load_live(e, dtype, at) : lanes_load(e, dtype, at, apart);
  EmitLoop loop = emit_loop(m, "partials", emit_index(m, 1), count, 1, &first, 1);
  LLVMValueRef next = LLVMBuildNSWMul(m->builder, loop.index, pitch, "");
  next = LLVMBuildInBoundsGEP2(m->builder, byte, at, &next, 1, "");
  LLVMValueRef x = flat ? load_live(e, dtype, next) : lanes_load(e, dtype, next, apart);
  x = combine(e, dtype, t->op == IR_AMAX, loop.carried[0], x);
  emit_loop_end(m, &loop, &x);
  return loop.carried[0];
}

// Where the other event's number lies.
static LLVMValueRef other_row(Emit *e, const NestRead *r) {
  LLVMTypeRef byte = LLVMInt8TypeInContext(e->m->context), element = point_memory_element(e->m, (IrDtype)r->dtype);
  LLVMValueRef tile = LLVMBuildInBoundsGEP2(e->m->builder, byte, e->pointers[r->index], &e->other_tile, 1, "");
  LLVMValueRef row = emit_at(e->m, element, tile, nest_offset(e, r->base, r->stride, 0, e->nest->pitch));
  return emit_at(e->m, element, row, e->other);
}

static LLVMValueRef read_value(Emit *e, const NestStep *t, const NestRead *r) {
  CodeModule *m = e->m;
  IrDtype dtype = (IrDtype)r->dtype;
  LLVMTypeRef element = point_memory_element(m, dtype), vector = memory_vector(e, dtype);
  switch ((ReadKind)r->kind) {
  case READ_REGISTER: return e->values[r->index];
  case READ_NUMBER: return constant(e, dtype, r->number);
  case READ_IOTA: return read_iota(e, r);
  case READ_PARTIAL: return read_partials(e, t, r);
  case READ_LOCAL: {
    LLVMValueRef at = emit_at(m, element, e->locals[r->index], nest_offset(e, r->base, r->stride, e->nest->outer, m->lanes));
    return to_register(e, dtype, emit_load(m, vector, at));
  }
  case READ_ROWS: {
    LLVMValueRef row = emit_at(m, element, e->pointers[r->index], nest_offset(e, r->base, r->stride, 0, e->nest->pitch));
    return to_register(e, dtype, emit_load(m, vector, emit_at(m, element, row, e->event)));
  }
  case READ_OTHER: return to_register(e, dtype, emit_broadcast(m, vector, other_row(e, r)));
  case READ_UNIFORM:
    if (e->nest->mode == NEST_FLAT && r->stride[0] != 0)
      return to_register(e, dtype, load_live(e, dtype, emit_at(m, element, e->pointers[r->index], flat_element(e, r->base))));
    LLVMValueRef at = emit_at(m, element, e->pointers[r->index], nest_offset(e, r->base, r->stride, 0, 1));
    return to_register(e, dtype, e->nest->mode == NEST_LANES ? lanes_load(e, dtype, at, lane_stride(e, r->stride)) : emit_broadcast(m, vector, at));
  }
  ir_fail("codegen: read %d", r->kind);
}

// ---- ops that are not lane-wise formulas

static LLVMValueRef clamped_index(Emit *e, const NestStep *t, LLVMValueRef index) {
  LLVMBuilderRef k = e->m->builder;
  LLVMValueRef zero = LLVMConstNull(e->m->v16i32), top = emit_integer(e->m->v16i32, (uint64_t)(t->dynamic_extent - 1));
  index = LLVMBuildSelect(k, LLVMBuildICmp(k, LLVMIntSLT, index, zero, ""), zero, index, "");
  return LLVMBuildSelect(k, LLVMBuildICmp(k, LLVMIntSGT, index, top, ""), top, index, "");
}

// Do all lanes take the same row?
static bool same_index(const Emit *e, const NestRead *index) {
  bool uniform = index->kind == READ_UNIFORM || index->kind == READ_NUMBER || index->kind == READ_IOTA;
  if (e->nest->mode != NEST_LANES) return uniform;
  return e->nest->lane_loop < 0 || (uniform && lane_stride(e, index->stride) == 0);
}

static LLVMValueRef emit_gather(Emit *e, const NestStep *t) {
  CodeModule *m = e->m;
  LLVMBuilderRef k = m->builder;
  const NestRead *x = &t->read[0];
  IrDtype dtype = (IrDtype)x->dtype;
  LLVMValueRef index = clamped_index(e, t, read_value(e, t, &t->read[1]));
  if (x->kind == READ_REGISTER || x->kind == READ_NUMBER) return read_value(e, t, x);
  if (x->kind == READ_IOTA) ir_fail("codegen: gather from an iota");
  bool uniform = x->kind == READ_UNIFORM || x->kind == READ_OTHER; // neighbours in the lanes lie one number apart, or as LANES says
  int64_t apart = !uniform ? 1 : e->nest->mode == NEST_LANES ? lane_stride(e, x->stride) : 0;
  int64_t scale = x->kind == READ_LOCAL ? m->lanes : x->kind == READ_UNIFORM ? 1 : e->nest->pitch;
  LLVMTypeRef element = point_memory_element(m, dtype);
  LLVMValueRef base = x->kind == READ_LOCAL ? e->locals[x->index] : e->pointers[x->index];
  if (x->kind == READ_OTHER) base = other_row(e, x);
  else base = emit_at(m, element, base, nest_offset(e, x->base, x->stride, x->kind == READ_LOCAL ? e->nest->outer : 0, scale));
  if (x->kind == READ_ROWS) base = emit_at(m, element, base, e->event);
  if (same_index(e, &t->read[1])) { // one row for all lanes
    LLVMValueRef one = LLVMBuildExtractElement(k, index, LLVMConstNull(m->i32), "");
    LLVMValueRef row = LLVMBuildSExt(k, one, m->i64, "");
    LLVMValueRef at = emit_at(m, element, base, LLVMBuildNSWMul(k, row, emit_index(m, t->dynamic_stride * scale), ""));
    return to_register(e, dtype, uniform ? lanes_load(e, dtype, at, apart) : emit_load(m, memory_vector(e, dtype), at));
  }
  LLVMValueRef rows = LLVMBuildSExt(k, index, m->v16i64, "");
  rows = LLVMBuildNSWMul(k, rows, emit_integer(m->v16i64, (uint64_t)(t->dynamic_stride * scale)), "");
  if (apart != 0) rows = LLVMBuildNSWAdd(k, rows, lane_numbers(e, m->i64, apart), "");
  return to_register(e, dtype, gather_lanes(e, dtype, base, rows));
}

// g where the index is the row of this turn, else 0
static LLVMValueRef scattered(Emit *e, const NestStep *t) {
  LLVMBuilderRef k = e->m->builder;
  LLVMValueRef index = clamped_index(e, t, read_value(e, t, &t->read[1]));
  LLVMValueRef here = LLVMBuildTrunc(k, e->index[t->dynamic_loop], e->m->i32, "");
  bool lanes = e->nest->mode == NEST_LANES && t->dynamic_loop == e->nest->lane_loop;
  here = lanes ? lanes_index(e, e->index[t->dynamic_loop], 1) : emit_splat(e->m, e->m->v16i32, here);
  LLVMValueRef hit = LLVMBuildICmp(k, LLVMIntEQ, index, here, "");
  return LLVMBuildSelect(k, hit, read_value(e, t, &t->read[0]), constant(e, (IrDtype)t->dtype, 0), "");
}

static LLVMValueRef emit_draw(Emit *e, const NestStep *t) {
  CodeModule *m = e->m;
  LLVMBuilderRef k = m->builder;
  bool f64 = t->dtype == IR_F64;
  LLVMValueRef site = emit_load(m, m->i64, e->pointers[t->site_slot]);
  LLVMValueRef keys = nest_field(e, offsetof(HgmTile, keys), m->pointer);
  VDraw draw = {.pass = nest_field(e, offsetof(HgmTile, pass), m->i32), .key = emit_load(m, m->i64, emit_at(m, m->i64, keys, site))};
  draw.event_lo = draw.event_hi = LLVMConstNull(m->v16i32);
  if (e->nest->mode == NEST_EVENTS) {
    LLVMValueRef lo = nest_field(e, offsetof(HgmTile, event_lo), m->pointer);
    LLVMValueRef hi = nest_field(e, offsetof(HgmTile, event_hi), m->pointer);
    draw.event_lo = emit_load(m, m->v16i32, emit_at(m, m->i32, lo, e->event));
    draw.event_hi = emit_load(m, m->v16i32, emit_at(m, m->i32, hi, e->event));
  } else if (e->nest->tile > 0) { // one event
    draw.event_lo = emit_broadcast(m, m->v16i32, nest_field(e, offsetof(HgmTile, event_lo), m->pointer));
    draw.event_hi = emit_broadcast(m, m->v16i32, nest_field(e, offsetof(HgmTile, event_hi), m->pointer));
  }
  int64_t stride[NEST_LOOPS] = {0}, size = 1;
  const int64_t *extents[2] = {e->nest->extent, e->nest->segments[t->segment].extent};
  for (int l = t->loops - 1; l >= 0; l--) {
    int64_t extent = l < e->nest->outer ? extents[0][l] : extents[1][l - e->nest->outer];
    stride[l] = extent == 1 ? 0 : size;
    size *= extent;
  }
  int64_t per = f64 ? 2 : 4;
  LLVMValueRef element = nest_offset(e, 0, stride, 0, 1), elements[4] = {NULL};
  if (e->nest->mode == NEST_LANES) element = lanes_index(e, element, lane_stride(e, stride));
  LLVMTypeRef whole = LLVMTypeOf(element);
  LLVMValueRef block = LLVMBuildUDiv(k, element, emit_integer(whole, (uint64_t)per), "");
  if (whole == m->i64) block = LLVMBuildTrunc(k, block, m->i32, "");
  unsigned n = vmath_draw_block(m, &draw, block, t->draw, f64, elements);
  LLVMValueRef word = LLVMBuildURem(k, element, emit_integer(whole, n), ""), x = elements[0];
  for (unsigned i = 1; i < n; i++) x = LLVMBuildSelect(k, LLVMBuildICmp(k, LLVMIntEQ, word, emit_integer(whole, i), ""), elements[i], x, "");
  return x;
}

static LLVMValueRef point_value(Emit *e, const NestStep *t) {
  switch ((StepKind)t->kind) {
  case STEP_POINT: {
    LLVMValueRef operands[NEST_OPERANDS] = {NULL};
    IrDtype from[NEST_OPERANDS];
    for (int i = 0; i < t->n_reads; i++) {
      operands[i] = read_value(e, t, &t->read[i]);
      from[i] = (IrDtype)t->read[i].dtype;
    }
    return point_emit(e->m, (IrOp)t->op, (IrDtype)t->dtype, from, operands);
  }
  case STEP_COPY:
  case STEP_PARTIAL: return read_value(e, t, &t->read[0]);
  case STEP_ZERO: return constant(e, (IrDtype)t->dtype, 0);
  case STEP_GATHER: return emit_gather(e, t);
  case STEP_SCATTER: return scattered(e, t);
  case STEP_DRAW: return emit_draw(e, t);
  case STEP_SUM:
  case STEP_MAX:
  case STEP_RANK:
  case STEP_ARGMAX:
  case STEP_DOT:
  case STEP_SCAN:
  case STEP_INVERSE:
  case STEP_NONE: break;
  }
  ir_fail("codegen: step %d", t->kind);
}

// ---- reductions: values[i] holds the accumulator, or the local array of a sum over pairs

static bool accumulates(const NestStep *t) {
  return t->kind == STEP_SUM || t->kind == STEP_MAX || t->kind == STEP_RANK || t->kind == STEP_ARGMAX || t->kind == STEP_DOT || t->kind == STEP_SCAN ||
         (t->kind == STEP_SCATTER && (t->loops > t->kept || t->over_events || t->over_pairs));
}

// Is this the first turn of the loops that are summed over?
static LLVMValueRef first_turn(Emit *e, const NestStep *t) {
  LLVMBuilderRef k = e->m->builder;
  const NestSegment *g = &e->nest->segments[t->segment];
  LLVMValueRef all = LLVMConstInt(LLVMInt1TypeInContext(e->m->context), 1, false);
  for (int l = t->kind == STEP_SCAN ? t->kept - 1 : t->kept; l < t->loops; l++) {
    LLVMValueRef first = emit_index(e->m, g->reversed ? g->extent[l - e->nest->outer] - 1 : 0);
    all = LLVMBuildAnd(k, all, LLVMBuildICmp(k, LLVMIntEQ, e->index[l], first, ""), "");
  }
  return all;
}

static LLVMValueRef local_row(Emit *e, const NestStep *t) {
  return emit_at(e->m, point_memory_element(e->m, (IrDtype)t->dtype), e->locals[t->local],
                 nest_offset(e, t->local_base, t->store_stride, e->nest->outer, e->m->lanes));
}

static LLVMValueRef running(Emit *e, int i, const NestStep *t) {
  if (t->over_pairs) return emit_load(e->m, memory_vector(e, (IrDtype)t->dtype), local_row(e, t));
  if (!t->restarts || t->kind == STEP_ARGMAX) return e->values[i];
  return LLVMBuildSelect(e->m->builder, first_turn(e, t), identity_of(e, t), e->values[i], "");
}

static LLVMValueRef only_live(Emit *e, const NestStep *t, LLVMValueRef x) {
  if (!t->over_events || e->nest->mode != NEST_EVENTS) return x;
  return LLVMBuildSelect(e->m->builder, e->live, x, identity_of(e, t), "");
}

static LLVMValueRef stands_before(Emit *e, IrDtype dtype, LLVMValueRef a, LLVMValueRef b) { // nan is larger than all
  LLVMBuilderRef k = e->m->builder;
  if (!is_real(dtype)) return LLVMBuildICmp(k, LLVMIntSLT, a, b, "");
  LLVMValueRef nan = LLVMBuildAnd(k, LLVMBuildFCmp(k, LLVMRealUNO, b, b, ""), LLVMBuildFCmp(k, LLVMRealORD, a, a, ""), "");
  return LLVMBuildOr(k, LLVMBuildFCmp(k, LLVMRealOLT, a, b, ""), nan, "");
}

// 1 where the other number stands before this one.
static LLVMValueRef one_before(Emit *e, const NestStep *t) {
  LLVMBuilderRef k = e->m->builder;
  IrDtype dtype = (IrDtype)t->read[0].dtype;
  LLVMValueRef mine = read_value(e, t, &t->read[0]), other = read_value(e, t, &t->read[1]), earlier = read_value(e, t, &t->read[2]);
  LLVMValueRef a = t->backwards ? mine : other, b = t->backwards ? other : mine;
  LLVMValueRef first = stands_before(e, dtype, a, b), not_last = LLVMBuildNot(k, stands_before(e, dtype, b, a), "");
  return LLVMBuildZExt(k, LLVMBuildSelect(k, earlier, not_last, first, ""), e->m->v16i32, "");
}

static void accumulate_argmax(Emit *e, int i, const NestStep *t) {
  LLVMBuilderRef k = e->m->builder;
  LLVMValueRef x = read_value(e, t, &t->read[0]);
  int last = t->loops - 1;
  LLVMValueRef here = emit_splat(e->m, e->m->v16i32, LLVMBuildTrunc(k, e->index[last], e->m->i32, ""));
  bool real = is_real((IrDtype)t->read[0].dtype);
  LLVMValueRef more = real ? LLVMBuildFCmp(k, LLVMRealOGT, x, e->values[i], "") : LLVMBuildICmp(k, LLVMIntSGT, x, e->values[i], "");
  LLVMValueRef first = LLVMBuildICmp(k, LLVMIntEQ, here, LLVMConstNull(e->m->v16i32), "");
  more = LLVMBuildOr(k, more, first, "");
  e->values[i] = LLVMBuildSelect(k, more, x, e->values[i], "");
  e->second[i] = LLVMBuildSelect(k, more, here, e->second[i], "");
}

// Returns what the step's value is for readers in the same turn (scans), or NULL.
static LLVMValueRef accumulate(Emit *e, int i, const NestStep *t) {
  IrDtype dtype = (IrDtype)t->dtype;
  LLVMValueRef old = running(e, i, t);
  switch ((StepKind)t->kind) {
  case STEP_SUM:
  case STEP_MAX: e->values[i] = combine(e, dtype, t->kind == STEP_MAX, old, only_live(e, t, read_value(e, t, &t->read[0]))); return NULL;
  case STEP_SCATTER: e->values[i] = combine(e, dtype, false, old, only_live(e, t, scattered(e, t))); return NULL;
  case STEP_DOT: {
    LLVMValueRef a = only_live(e, t, read_value(e, t, &t->read[0])), b = only_live(e, t, read_value(e, t, &t->read[1]));
    e->values[i] = emit_fma(e->m, a, b, old);
    return NULL;
  }
  case STEP_RANK: e->values[i] = combine(e, IR_I32, false, old, one_before(e, t)); return NULL;
  case STEP_ARGMAX: accumulate_argmax(e, i, t); return NULL;
  case STEP_SCAN: {
    LLVMValueRef x = read_value(e, t, &t->read[0]);
    e->values[i] = combine(e, dtype, false, old, x);
    return t->exclusive ? old : e->values[i];
  }
  case STEP_POINT:
  case STEP_COPY:
  case STEP_ZERO:
  case STEP_GATHER:
  case STEP_DRAW:
  case STEP_PARTIAL:
  case STEP_INVERSE:
  case STEP_NONE: break;
  }
  ir_fail("codegen: step %d", t->kind);
}

// ---- stores

// LANES: the sum over one event, added to the partial sum at p. What the lanes of a full tile would add is nothing (identity).
static LLVMValueRef with_partial(Emit *e, const NestStep *t, LLVMValueRef x, LLVMValueRef p) {
  LLVMBuilderRef k = e->m->builder;
  IrDtype dtype = (IrDtype)t->dtype;
  bool max = t->kind == STEP_MAX;
  x = combine(e, dtype, max, x, identity_of(e, t));
  LLVMValueRef old = lanes_load(e, dtype, p, lane_stride(e, t->store_stride));
  LLVMValueRef fresh = LLVMBuildICmp(k, LLVMIntNE, nest_field(e, offsetof(HgmTile, fresh), e->m->i32), LLVMConstNull(e->m->i32), "");
  return LLVMBuildSelect(k, fresh, x, combine(e, dtype, max, old, x), "");
}

static void put_vector(Emit *e, const NestStep *t, LLVMValueRef x, LLVMValueRef at) {
  if (t->adds) x = combine(e, (IrDtype)t->dtype, false, emit_load(e->m, LLVMTypeOf(x), at), x);
  emit_store(e->m, x, at);
}

void nest_store(Emit *e, const NestStep *t, LLVMValueRef x) {
  CodeModule *m = e->m;
  IrDtype dtype = (IrDtype)t->dtype;
  LLVMTypeRef element = point_memory_element(m, dtype);
  if (t->slot < 0 && t->local < 0) return;
  x = to_memory(e, dtype, x);
  if (t->local >= 0) {
    LLVMValueRef offset = nest_offset(e, t->local_base, t->store_stride, e->nest->outer, m->lanes);
    put_vector(e, t, x, emit_at(m, element, e->locals[t->local], offset));
  }
  if (t->slot < 0) return;
  LLVMValueRef p = e->pointers[t->slot];
  switch ((NestMode)e->nest->mode) {
  case NEST_EVENTS:
    p = emit_at(m, element, p, nest_offset(e, t->store_base, t->store_stride, 0, e->nest->pitch));
    put_vector(e, t, x, emit_at(m, element, p, e->event));
    return;
  case NEST_FLAT: store_live(e, dtype, x, emit_at(m, element, p, flat_element(e, t->store_base))); return;
  case NEST_LANES:
    p = emit_at(m, element, p, nest_offset(e, t->store_base, t->store_stride, 0, 1));
    if (t->over_events) x = with_partial(e, t, x, p);
    if (t->adds) x = combine(e, dtype, false, lanes_load(e, dtype, p, lane_stride(e, t->store_stride)), x);
    lanes_store(e, dtype, x, p, lane_stride(e, t->store_stride));
    return;
  }
}

// Lanes to one number by a fixed tree, stored or added to the partial sum.
static void store_partial(Emit *e, const NestStep *t, LLVMValueRef x, LLVMValueRef row) {
  CodeModule *m = e->m;
  LLVMBuilderRef k = m->builder;
  IrDtype dtype = (IrDtype)t->dtype;
  bool max = t->kind == STEP_MAX;
  for (unsigned n = CODE_LANES / 2; n >= 1; n /= 2) {
    LLVMValueRef low[CODE_LANES], high[CODE_LANES];
    for (unsigned j = 0; j < n; j++) {
      low[j] = LLVMConstInt(m->i32, j, false);
      high[j] = LLVMConstInt(m->i32, j + n, false);
    }
    LLVMValueRef poison = LLVMGetPoison(LLVMTypeOf(x));
    LLVMValueRef a = LLVMBuildShuffleVector(k, x, poison, LLVMConstVector(low, n), "");
    LLVMValueRef b = LLVMBuildShuffleVector(k, x, poison, LLVMConstVector(high, n), "");
    x = combine(e, dtype, max, a, b);
  }
  x = LLVMBuildExtractElement(k, x, LLVMConstNull(m->i32), "");
  LLVMValueRef at = emit_at(m, point_memory_element(m, dtype), e->pointers[t->slot], row);
  LLVMValueRef fresh = nest_field(e, offsetof(HgmTile, fresh), m->i32);
  LLVMValueRef old = emit_load(m, LLVMTypeOf(x), at);
  fresh = LLVMBuildICmp(k, LLVMIntNE, fresh, LLVMConstNull(m->i32), "");
  emit_store(m, LLVMBuildSelect(k, fresh, x, combine(e, dtype, max, old, x), ""), at);
}

// ---- segments

void nest_step(Emit *e, int i) {
  const NestStep *t = &e->nest->steps[i];
  if (accumulates(t)) {
    LLVMValueRef value = accumulate(e, i, t);
    if (t->over_pairs) emit_store(e->m, e->values[i], local_row(e, t));
    else if (t->restarts && !value) nest_store(e, t, t->kind == STEP_ARGMAX ? e->second[i] : e->values[i]);
    if (!value) return;
    LLVMValueRef sum = e->values[i]; // readers in this turn see the running value, the loop carries the sum
    nest_store(e, t, value);
    e->second[i] = sum;
    e->values[i] = value;
    return;
  }
  e->values[i] = point_value(e, t);
  nest_store(e, t, e->values[i]);
}

static void emit_turn(Emit *e, int segment) {
  for (uint32_t i = 0; i < e->nest->n_steps; i++)
    if (e->nest->steps[i].segment == segment) nest_step(e, (int)i);
}

// The accumulators that the loops of a segment carry: pointers to where they are kept.
static unsigned carried_by(Emit *e, int segment, LLVMValueRef **at) {
  unsigned n = 0;
  for (uint32_t i = 0; i < e->nest->n_steps; i++) {
    const NestStep *t = &e->nest->steps[i];
    if (t->segment != segment || !accumulates(t) || t->over_pairs) continue;
    if (n + 2 > EMIT_CARRIED) ir_fail("codegen: too many sums in one loop");
    at[n++] = &e->values[i];
    if (t->kind == STEP_ARGMAX) at[n++] = &e->second[i];
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
    if (t->segment != segment || !accumulates(t) || carried_by_events(e, t) || t->over_pairs) continue;
    if (t->kind == STEP_ARGMAX) {
      e->values[i] = constant(e, (IrDtype)t->read[0].dtype, 0);
      e->second[i] = LLVMConstNull(e->m->v16i32);
    } else {
      e->values[i] = identity_of(e, t);
    }
  }
}

// Results of reductions are stored behind their loop.
static void finish_sums(Emit *e, int segment) {
  for (uint32_t i = 0; i < e->nest->n_steps; i++) {
    const NestStep *t = &e->nest->steps[i];
    if (t->segment != segment || !accumulates(t) || carried_by_events(e, t) || t->over_pairs || t->restarts || t->kind == STEP_SCAN) continue;
    if (t->kind == STEP_ARGMAX) e->values[i] = e->second[i];
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

static void begin_pair_row(Emit *e, const NestStep *t, LLVMValueRef row) { emit_store(e->m, identity_of(e, t), pair_row(e, t, row)); }

// Rows of what the outer loops leave lie one behind the other.
static LLVMValueRef stored_row(Emit *e, const NestStep *t, LLVMValueRef row) {
  int64_t stride[NEST_LOOPS] = {0};
  memcpy(stride, t->store_stride, sizeof *stride * (size_t)e->nest->outer);
  return LLVMBuildNSWAdd(e->m->builder, nest_offset(e, t->store_base, stride, 0, 1), row, "");
}

static void store_pair_row(Emit *e, const NestStep *t, LLVMValueRef row) {
  LLVMValueRef x = emit_load(e->m, memory_vector(e, (IrDtype)t->dtype), pair_row(e, t, row));
  if (t->slot < 0) return;
  if (t->over_events) store_partial(e, t, x, stored_row(e, t, row));
  else
    emit_store(e->m, x, emit_at2(e->m, point_memory_element(e->m, (IrDtype)t->dtype), e->pointers[t->slot], stored_row(e, t, row), e->nest->pitch, e->event));
}

static void emit_pairs(Emit *e) {
  CodeModule *m = e->m;
  LLVMValueRef pitch = nest_field(e, offsetof(HgmTile, batch_bytes), m->i64), tile = emit_index(m, e->nest->tile);
  each_pair_row(e, false, begin_pair_row);
  EmitLoop loop = emit_loop(m, "other", emit_index(m, 0), nest_field(e, offsetof(HgmTile, events), m->i64), 1, NULL, 0);
  e->other = LLVMBuildURem(m->builder, loop.index, tile, "");
  e->other_tile = LLVMBuildNSWMul(m->builder, LLVMBuildUDiv(m->builder, loop.index, tile, ""), pitch, "");
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
    carried[n++] = identity_of(e, &e->nest->steps[i]);
  }
  each_pair_row(e, true, begin_pair_row);
  EmitLoop loop = emit_loop(m, "events", emit_index(m, 0), emit_index(m, e->nest->tile), m->lanes, carried, n);
  e->event = loop.index;
  if (partial) {
    LLVMValueRef left = LLVMBuildNSWSub(m->builder, nest_field(e, offsetof(HgmTile, valid), m->i64), loop.index, "");
    left = emit_splat(m, m->v16i32, LLVMBuildTrunc(m->builder, left, m->i32, ""));
    e->live = LLVMBuildICmp(m->builder, LLVMIntSLT, lane_numbers(e, m->i32, 1), left, "");
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
    store_partial(e, t, loop.carried[i], nest_offset(e, t->store_base, t->store_stride, 0, 1));
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
  LLVMValueRef left = emit_splat(m, m->v16i32, LLVMBuildTrunc(k, rest, m->i32, ""));
  e->live = LLVMBuildICmp(k, LLVMIntSLT, lane_numbers(e, m->i32, 1), left, "");
  emit_segments(e);
  emit_loop_end(m, &tail, NULL);
}

static void emit_outer(Emit *e, int depth);

static void emit_in_lanes(Emit *e, void *data) {
  (void)data;
  emit_outer(e, e->nest->lane_loop + 1);
}

static bool adds_to_memory(const Nest *n) {
  for (uint32_t i = 0; i < n->n_steps; i++)
    if (n->steps[i].over_events || n->steps[i].adds) return true;
  return false;
}

static void emit_outer(Emit *e, int depth) {
  if (depth == e->nest->outer) {
    if (e->nest->mode == NEST_EVENTS) emit_events(e);
    else if (e->nest->mode == NEST_FLAT) emit_flat(e);
    else emit_segments(e);
    return;
  }
  if (e->nest->mode == NEST_LANES && depth == e->nest->lane_loop) {
    lanes_loop(e, depth, !adds_to_memory(e->nest), emit_in_lanes, NULL);
    return;
  }
  CodeModule *m = e->m;
  EmitLoop loop = emit_loop(m, "outer", emit_index(m, 0), emit_index(m, e->nest->extent[depth]), 1, NULL, 0);
  e->index[depth] = loop.index;
  emit_outer(e, depth + 1);
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

Emit nest_begin(CodeModule *m, const char *name, const Nest *nest, unsigned more_slots) {
  size_t slots = nest->n_slots + more_slots;
  LLVMValueRef *space = calloc(slots + nest->n_locals + 2 * nest->n_steps + 1, sizeof *space);
  if (!space) ir_fail("out of memory");
  Emit e = {.m = m, .nest = nest, .pointers = space, .locals = space + slots, .space = space, .valid = 1};
  e.values = e.locals + nest->n_locals;
  e.second = e.values + nest->n_steps;
  LLVMValueRef f = code_kernel(m, name, (unsigned)slots, e.pointers);
  e.tile = LLVMGetParam(f, 0);
  make_locals(&e);
  return e;
}

void nest_end(Emit *e) {
  LLVMBuildRetVoid(e->m->builder);
  free(e->space);
}

// Sums over events are the same bits everywhere because they are sums of CODE_LANES lanes. Where each lane stands alone a vector is
// as wide as the machine's, for the dtype that most steps have: half the code to compile, and half the registers.
static unsigned lanes_of(const CodeModule *m, const Nest *nest) {
  if (nest->mode == NEST_LANES) return (unsigned)nest->lanes;
  uint32_t f64 = 0;
  for (uint32_t i = 0; i < nest->n_steps; i++) {
    const NestStep *t = &nest->steps[i];
    if (t->over_events || t->over_pairs) return CODE_LANES;
    f64 += t->dtype == IR_F64;
  }
  return m->target->vector_bits / (2 * f64 > nest->n_steps ? 64 : 32);
}

void nest_emit(CodeModule *m, const char *name, const Nest *nest) {
  code_module_lanes(m, lanes_of(m, nest));
  Emit e = nest_begin(m, name, nest, 0);
  emit_outer(&e, 0);
  nest_end(&e);
}
