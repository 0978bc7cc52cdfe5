// What a nest reads and writes: where numbers lie, how they come into registers and go back.
#include <math.h>
#include <stddef.h>
#include <string.h>

#include "compiler/codegen/emit_nest.h"

// ---- small pieces

LLVMValueRef nest_field(Emit *e, size_t offset, LLVMTypeRef type) {
  LLVMValueRef at = emit_index(e->m, (int64_t)offset);
  LLVMTypeRef byte = LLVMInt8TypeInContext(e->m->context);
  return LLVMBuildLoad2(e->m->builder, type, LLVMBuildInBoundsGEP2(e->m->builder, byte, e->tile, &at, 1, ""), "");
}

LLVMValueRef nest_events(Emit *e) {
  LLVMBuilderRef b = e->m->builder;
  LLVMValueRef valid = nest_field(e, offsetof(HgmTile, valid), e->m->i64);
  return LLVMBuildAnd(b, LLVMBuildNSWAdd(b, valid, emit_index(e->m, CODE_LANES - 1), ""), emit_index(e->m, -CODE_LANES), "");
}

// LANES: how far neighbours in the lanes lie apart.
int64_t nest_lane_stride(const Emit *e, const int64_t *stride) { return e->nest->lane_loop >= 0 ? stride[e->nest->lane_loop] : 0; }

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

void nest_go_to(Emit *e, LLVMValueRef event) {
  e->event = e->panel = event;
  if (e->m->lanes < CODE_LANES) e->panel = LLVMBuildAnd(e->m->builder, event, emit_index(e->m, -CODE_LANES), "");
}

LLVMValueRef nest_event_at(Emit *e, int64_t rows) {
  LLVMBuilderRef k = e->m->builder;
  if (e->event == e->panel) return LLVMBuildNSWMul(k, e->event, emit_index(e->m, rows), "");
  return LLVMBuildNSWAdd(k, e->event, LLVMBuildNSWMul(k, e->panel, emit_index(e->m, rows - 1), ""), "");
}

static LLVMValueRef anchor(Emit *e, LLVMTypeRef element, int slot, int64_t rows, const int64_t *stride) {
  const NestBlock *b = &e->block;
  LLVMBasicBlockRef here = LLVMGetInsertBlock(e->m->builder);
  for (unsigned i = 0; i < NEST_ANCHORS && i < e->n_anchors; i++) {
    const NestAnchor *a = &e->anchors[i];
    bool same = a->at == here && a->row == b->row && a->event == b->event && a->slot == slot;
    if (same && memcmp(a->stride, stride, sizeof a->stride) == 0) return a->pointer;
  }
  LLVMValueRef row = e->index[b->loop];
  e->index[b->loop] = b->row;
  LLVMValueRef first = emit_at(e->m, element, e->pointers[slot], nest_offset(e, 0, stride, 0, CODE_LANES));
  e->index[b->loop] = row;
  NestAnchor a = {here, b->row, b->event, emit_at2(e->m, element, first, b->event, rows, NULL), slot, {0}};
  memcpy(a.stride, stride, sizeof a.stride);
  e->anchors[e->n_anchors++ % NEST_ANCHORS] = a;
  return a.pointer;
}

LLVMValueRef nest_vector_at(Emit *e, IrDtype dtype, int slot, int64_t rows, int64_t base, const int64_t *stride) {
  LLVMTypeRef element = point_memory_element(e->m, dtype);
  if (e->block.row == NULL) {
    LLVMValueRef row = emit_at(e->m, element, e->pointers[slot], nest_offset(e, base, stride, 0, CODE_LANES));
    return emit_at(e->m, element, row, nest_event_at(e, rows));
  }
  int64_t further = (base + e->block.r * stride[e->block.loop]) * CODE_LANES + e->block.lanes * rows;
  return emit_at(e->m, element, anchor(e, element, slot, rows, stride), emit_index(e->m, further));
}

static LLVMValueRef flat_element(Emit *e, int64_t base) { return base ? LLVMBuildNSWAdd(e->m->builder, e->event, emit_index(e->m, base), "") : e->event; }

LLVMValueRef nest_to_register(Emit *e, IrDtype dtype, LLVMValueRef x) {
  LLVMBuilderRef k = e->m->builder;
  if (dtype == IR_BOOL) return LLVMBuildICmp(k, LLVMIntNE, x, LLVMConstNull(LLVMTypeOf(x)), "");
  if (dtype != IR_BF16) return x;
  unsigned lanes = emit_lanes(LLVMTypeOf(x));
  LLVMTypeRef whole = emit_with_lanes(e->m->i32, lanes);
  LLVMValueRef bits = LLVMBuildShl(k, LLVMBuildZExt(k, x, whole, ""), emit_integer(whole, 16), "");
  return LLVMBuildBitCast(k, bits, emit_with_lanes(e->m->f32, lanes), "");
}

static LLVMValueRef to_memory(Emit *e, IrDtype dtype, LLVMValueRef x) {
  LLVMBuilderRef k = e->m->builder;
  if (dtype == IR_BOOL) return LLVMBuildZExt(k, x, e->m->v16i32, "");
  if (dtype != IR_BF16) return x;
  LLVMTypeRef whole = emit_int_like(e->m, LLVMTypeOf(x)), half = emit_with_lanes(point_memory_element(e->m, dtype), emit_lanes(LLVMTypeOf(x)));
  return LLVMBuildTrunc(k, LLVMBuildLShr(k, LLVMBuildBitCast(k, x, whole, ""), emit_integer(whole, 16), ""), half, "");
}

LLVMTypeRef nest_vector(Emit *e, IrDtype dtype) { return LLVMVectorType(point_memory_element(e->m, dtype), e->m->lanes); }

static LLVMValueRef alignment(Emit *e, IrDtype dtype) { return LLVMConstInt(e->m->i32, dtype_bytes(dtype), false); }

// Flat kernels: all lanes of a whole vector (live NULL), or only those that are left.
static LLVMValueRef load_live(Emit *e, IrDtype dtype, LLVMValueRef address) {
  LLVMTypeRef type = nest_vector(e, dtype);
  return e->live ? emit_load_masked(e->m, type, address, e->live) : emit_load(e->m, type, address);
}

static void store_live(Emit *e, IrDtype dtype, LLVMValueRef x, LLVMValueRef address) {
  if (!e->live) {
    emit_store(e->m, x, address);
    return;
  }
  LLVMTypeRef types[2] = {nest_vector(e, dtype), e->m->pointer};
  LLVMValueRef arguments[] = {x, address, alignment(e, dtype), e->live};
  emit_intrinsic(e->m, "llvm.masked.store", types, 2, arguments, 4);
}

LLVMValueRef nest_gather(Emit *e, IrDtype dtype, LLVMValueRef base, LLVMValueRef offsets) {
  LLVMTypeRef types[2] = {nest_vector(e, dtype), LLVMVectorType(e->m->pointer, e->m->lanes)};
  LLVMValueRef at = LLVMBuildInBoundsGEP2(e->m->builder, point_memory_element(e->m, dtype), base, &offsets, 1, "");
  LLVMValueRef arguments[] = {at, alignment(e, dtype), e->nest->mode == NEST_LANES ? lanes_mask(e) : LLVMConstAllOnes(e->m->v16i1), LLVMConstNull(types[0])};
  return emit_intrinsic(e->m, "llvm.masked.gather", types, 2, arguments, 4);
}

LLVMValueRef nest_constant(Emit *e, IrDtype dtype, double x) {
  LLVMTypeRef type = point_type(e->m, dtype);
  switch (dtype) {
  case IR_F32:
  case IR_F64:
  case IR_BF16: return emit_number(type, x);
  case IR_I32: return emit_integer(type, (uint64_t)(int64_t)x);
  case IR_BOOL: return x != 0 ? LLVMConstAllOnes(type) : LLVMConstNull(type);
  }
  ir_fail("codegen: dtype %d", (int)dtype);
}

// a (op) b for sums and maxima, vectors or scalars.
LLVMValueRef nest_combine(Emit *e, IrDtype dtype, bool max, LLVMValueRef a, LLVMValueRef b) {
  if (max) return point_larger(e->m, dtype, a, b, true);
  return point_is_real(dtype) ? LLVMBuildFAdd(e->m->builder, a, b, "") : LLVMBuildAdd(e->m->builder, a, b, "");
}

LLVMValueRef nest_identity(Emit *e, const NestStep *t) {
  IrDtype dtype = (IrDtype)t->dtype;
  if (t->kind == STEP_MAX || (t->kind == STEP_PARTIAL && t->op == IR_AMAX))
    return dtype == IR_I32 ? emit_integer(e->m->v16i32, (uint32_t)INT32_MIN) : nest_constant(e, dtype, -HUGE_VAL);
  return nest_constant(e, dtype, 0);
}

// ---- reads

// (row / divide) % modulo for rows that differ from lane to lane.
static LLVMValueRef iota_lanes(Emit *e, const NestRead *r, LLVMValueRef row) {
  LLVMBuilderRef k = e->m->builder;
  LLVMTypeRef whole = e->m->v16i32, type = point_type(e->m, (IrDtype)r->dtype);
  row = lanes_index(e, row, nest_lane_stride(e, r->stride));
  row = LLVMBuildUDiv(k, row, emit_integer(whole, (uint64_t)r->divide), "");
  if (r->modulo > 0) row = LLVMBuildURem(k, row, emit_integer(whole, (uint64_t)r->modulo), "");
  if (r->dtype == IR_BOOL) return LLVMBuildICmp(k, LLVMIntNE, row, LLVMConstNull(whole), "");
  return r->dtype == IR_I32 ? row : LLVMBuildSIToFP(k, row, type, "");
}

static LLVMValueRef read_iota(Emit *e, const NestRead *r) {
  LLVMBuilderRef k = e->m->builder;
  LLVMValueRef row = nest_offset(e, r->base, r->stride, 0, 1);
  if (e->nest->mode == NEST_LANES && nest_lane_stride(e, r->stride) != 0) return iota_lanes(e, r, row);
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
  int64_t apart = flat ? 0 : nest_lane_stride(e, r->stride);
  LLVMValueRef first = flat ? load_live(e, dtype, at) : lanes_load(e, dtype, at, apart);
  EmitLoop loop = emit_loop(m, "partials", emit_index(m, 1), count, 1, &first, 1);
  LLVMValueRef next = LLVMBuildNSWMul(m->builder, loop.index, pitch, "");
  next = LLVMBuildInBoundsGEP2(m->builder, byte, at, &next, 1, "");
  LLVMValueRef x = flat ? load_live(e, dtype, next) : lanes_load(e, dtype, next, apart);
  x = nest_combine(e, dtype, t->op == IR_AMAX, loop.carried[0], x);
  emit_loop_end(m, &loop, &x);
  return loop.carried[0];
}

// Where the other event's number lies.
LLVMValueRef nest_other_row(Emit *e, const NestRead *r) {
  LLVMTypeRef byte = LLVMInt8TypeInContext(e->m->context), element = point_memory_element(e->m, (IrDtype)r->dtype);
  LLVMValueRef tile = LLVMBuildInBoundsGEP2(e->m->builder, byte, e->pointers[r->index], &e->other_tile, 1, "");
  LLVMValueRef row = emit_at(e->m, element, tile, nest_offset(e, r->base, r->stride, 0, CODE_LANES));
  LLVMValueRef panel = LLVMBuildAnd(e->m->builder, e->other, emit_index(e->m, -CODE_LANES), "");
  return emit_at2(e->m, element, emit_at(e->m, element, row, e->other), panel, r->rows - 1, NULL);
}

LLVMValueRef nest_read(Emit *e, const NestStep *t, const NestRead *r) {
  CodeModule *m = e->m;
  IrDtype dtype = (IrDtype)r->dtype;
  LLVMTypeRef element = point_memory_element(m, dtype), vector = nest_vector(e, dtype);
  switch ((ReadKind)r->kind) {
  case READ_REGISTER: return e->values[r->index];
  case READ_NUMBER: return nest_constant(e, dtype, e->nest->numbers[r->index]);
  case READ_IOTA: return read_iota(e, r);
  case READ_PARTIAL: return read_partials(e, t, r);
  case READ_LOCAL: {
    LLVMValueRef at = emit_at(m, element, e->locals[r->index], nest_offset(e, r->base, r->stride, e->nest->outer, m->lanes));
    return nest_to_register(e, dtype, emit_load(m, vector, at));
  }
  case READ_ROWS: return nest_to_register(e, dtype, emit_load(m, vector, nest_vector_at(e, dtype, r->index, r->rows, r->base, r->stride)));
  case READ_OTHER: return nest_to_register(e, dtype, emit_broadcast(m, vector, nest_other_row(e, r)));
  case READ_UNIFORM:
    if (e->nest->mode == NEST_FLAT && r->stride[0] != 0)
      return nest_to_register(e, dtype, load_live(e, dtype, emit_at(m, element, e->pointers[r->index], flat_element(e, r->base))));
    LLVMValueRef at = emit_at(m, element, e->pointers[r->index], nest_offset(e, r->base, r->stride, 0, 1));
    return nest_to_register(e, dtype, e->nest->mode == NEST_LANES ? lanes_load(e, dtype, at, nest_lane_stride(e, r->stride)) : emit_broadcast(m, vector, at));
  }
  ir_fail("codegen: read %d", r->kind);
}

LLVMValueRef nest_local_row(Emit *e, const NestStep *t) {
  return emit_at(e->m, point_memory_element(e->m, (IrDtype)t->dtype), e->locals[t->local],
                 nest_offset(e, t->local_base, t->store_stride, e->nest->outer, e->m->lanes));
}

// ---- stores

// Does this call begin the partial sum of its range?
LLVMValueRef nest_begins(Emit *e, const NestStep *t) {
  LLVMTypeRef i32 = e->m->i32;
  if (t->continues) return LLVMConstInt(LLVMInt1TypeInContext(e->m->context), 0, false);
  return LLVMBuildICmp(e->m->builder, LLVMIntNE, nest_field(e, offsetof(HgmTile, fresh), i32), LLVMConstNull(i32), "");
}

// LANES: the sum over one event, added to the partial sum at p. What the lanes of a full tile would add is nothing (identity).
static LLVMValueRef with_partial(Emit *e, const NestStep *t, LLVMValueRef x, LLVMValueRef p) {
  IrDtype dtype = (IrDtype)t->dtype;
  bool max = t->kind == STEP_MAX;
  x = nest_combine(e, dtype, max, x, nest_identity(e, t));
  LLVMValueRef old = lanes_load(e, dtype, p, nest_lane_stride(e, t->store_stride));
  return LLVMBuildSelect(e->m->builder, nest_begins(e, t), x, nest_combine(e, dtype, max, old, x), "");
}

static void put_vector(Emit *e, const NestStep *t, LLVMValueRef x, LLVMValueRef at) {
  if (t->adds) x = nest_combine(e, (IrDtype)t->dtype, false, emit_load(e->m, LLVMTypeOf(x), at), x);
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
  case NEST_EVENTS: put_vector(e, t, x, nest_vector_at(e, dtype, t->slot, t->rows, t->store_base, t->store_stride)); return;
  case NEST_FLAT: store_live(e, dtype, x, emit_at(m, element, p, flat_element(e, t->store_base))); return;
  case NEST_LANES:
    p = emit_at(m, element, p, nest_offset(e, t->store_base, t->store_stride, 0, 1));
    if (t->over_events) x = with_partial(e, t, x, p);
    if (t->adds) x = nest_combine(e, dtype, false, lanes_load(e, dtype, p, nest_lane_stride(e, t->store_stride)), x);
    lanes_store(e, dtype, x, p, nest_lane_stride(e, t->store_stride));
    return;
  }
}

// Lanes to one number by a fixed tree, stored or added to the partial sum.
void nest_store_partial(Emit *e, const NestStep *t, LLVMValueRef x, LLVMValueRef row) {
  CodeModule *m = e->m;
  LLVMBuilderRef k = m->builder;
  IrDtype dtype = (IrDtype)t->dtype;
  bool max = t->kind == STEP_MAX;
  for (unsigned n = CODE_LANES / 2; n >= 1; n /= 2) x = nest_combine(e, dtype, max, emit_part(m, x, 0, n), emit_part(m, x, n, n));
  LLVMValueRef at = emit_at(m, point_memory_element(m, dtype), e->pointers[t->slot], row);
  LLVMValueRef old = emit_load(m, LLVMTypeOf(x), at);
  emit_store(m, LLVMBuildSelect(k, nest_begins(e, t), x, nest_combine(e, dtype, max, old, x), ""), at);
}
