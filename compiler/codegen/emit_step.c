// One step of a nest in one turn of its loops: a formula, a gather, a draw, or the next term of a running sum.
#include "compiler/codegen/emit_nest.h"
#include "compiler/codegen/gemm.h"

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
  return e->nest->lane_loop < 0 || (uniform && nest_lane_stride(e, index->stride) == 0);
}

static LLVMValueRef emit_gather(Emit *e, const NestStep *t) {
  CodeModule *m = e->m;
  LLVMBuilderRef k = m->builder;
  const NestRead *x = &t->read[0];
  IrDtype dtype = (IrDtype)x->dtype;
  LLVMValueRef index = clamped_index(e, t, nest_read(e, t, &t->read[1]));
  if (x->kind == READ_REGISTER || x->kind == READ_NUMBER) return nest_read(e, t, x);
  if (x->kind == READ_IOTA) ir_fail("codegen: gather from an iota");
  bool uniform = x->kind == READ_UNIFORM || x->kind == READ_OTHER; // neighbours in the lanes lie one number apart, or as LANES says
  int64_t apart = !uniform ? 1 : e->nest->mode == NEST_LANES ? nest_lane_stride(e, x->stride) : 0;
  int64_t scale = x->kind == READ_LOCAL ? m->lanes : x->kind == READ_UNIFORM ? 1 : CODE_LANES;
  LLVMTypeRef element = point_memory_element(m, dtype);
  LLVMValueRef base = x->kind == READ_LOCAL ? e->locals[x->index] : e->pointers[x->index];
  if (x->kind == READ_OTHER) base = nest_other_row(e, x);
  else base = emit_at(m, element, base, nest_offset(e, x->base, x->stride, x->kind == READ_LOCAL ? e->nest->outer : 0, scale));
  if (x->kind == READ_ROWS) base = emit_at(m, element, base, nest_event_at(e, x->rows));
  if (same_index(e, &t->read[1])) { // one row for all lanes
    LLVMValueRef one = LLVMBuildExtractElement(k, index, LLVMConstNull(m->i32), "");
    LLVMValueRef row = LLVMBuildSExt(k, one, m->i64, "");
    LLVMValueRef at = emit_at(m, element, base, LLVMBuildNSWMul(k, row, emit_index(m, t->dynamic_stride * scale), ""));
    return nest_to_register(e, dtype, uniform ? lanes_load(e, dtype, at, apart) : emit_load(m, nest_vector(e, dtype), at));
  }
  LLVMValueRef rows = LLVMBuildSExt(k, index, m->v16i64, "");
  rows = LLVMBuildNSWMul(k, rows, emit_integer(m->v16i64, (uint64_t)(t->dynamic_stride * scale)), "");
  if (apart != 0) rows = LLVMBuildNSWAdd(k, rows, emit_lane_numbers(m, m->i64, apart), "");
  return nest_to_register(e, dtype, nest_gather(e, dtype, base, rows));
}

// g where the index is the row of this turn, else 0
static LLVMValueRef scattered(Emit *e, const NestStep *t) {
  LLVMBuilderRef k = e->m->builder;
  LLVMValueRef index = clamped_index(e, t, nest_read(e, t, &t->read[1]));
  LLVMValueRef here = LLVMBuildTrunc(k, e->index[t->dynamic_loop], e->m->i32, "");
  bool lanes = e->nest->mode == NEST_LANES && t->dynamic_loop == e->nest->lane_loop;
  here = lanes ? lanes_index(e, e->index[t->dynamic_loop], 1) : emit_splat(e->m, e->m->v16i32, here);
  LLVMValueRef hit = LLVMBuildICmp(k, LLVMIntEQ, index, here, "");
  return LLVMBuildSelect(k, hit, nest_read(e, t, &t->read[0]), nest_constant(e, (IrDtype)t->dtype, 0), "");
}

static LLVMValueRef point_value(Emit *e, const NestStep *t) {
  switch ((StepKind)t->kind) {
  case STEP_POINT: {
    LLVMValueRef operands[NEST_OPERANDS] = {NULL};
    IrDtype from[NEST_OPERANDS];
    for (int i = 0; i < t->n_reads; i++) {
      operands[i] = nest_read(e, t, &t->read[i]);
      from[i] = (IrDtype)t->read[i].dtype;
    }
    return point_emit(e->m, (IrOp)t->op, (IrDtype)t->dtype, from, operands);
  }
  case STEP_COPY:
  case STEP_PARTIAL: return nest_read(e, t, &t->read[0]);
  case STEP_ZERO: return nest_constant(e, (IrDtype)t->dtype, 0);
  case STEP_GATHER: return emit_gather(e, t);
  case STEP_SCATTER: return scattered(e, t);
  case STEP_DRAW: return draws_element(e, t);
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

bool nest_accumulates(const NestStep *t) {
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

static LLVMValueRef running(Emit *e, int i, const NestStep *t) {
  if (t->over_pairs) return emit_load(e->m, nest_vector(e, (IrDtype)t->dtype), nest_local_row(e, t));
  if (!t->restarts || t->kind == STEP_ARGMAX) return e->values[i];
  return LLVMBuildSelect(e->m->builder, first_turn(e, t), nest_identity(e, t), e->values[i], "");
}

static LLVMValueRef only_live(Emit *e, const NestStep *t, LLVMValueRef x) {
  if (!t->over_events || e->nest->mode != NEST_EVENTS) return x;
  return LLVMBuildSelect(e->m->builder, e->live, x, nest_identity(e, t), "");
}

static LLVMValueRef stands_before(Emit *e, IrDtype dtype, LLVMValueRef a, LLVMValueRef b) { // nan is larger than all
  LLVMBuilderRef k = e->m->builder;
  if (!point_is_real(dtype)) return LLVMBuildICmp(k, LLVMIntSLT, a, b, "");
  LLVMValueRef nan = LLVMBuildAnd(k, LLVMBuildFCmp(k, LLVMRealUNO, b, b, ""), LLVMBuildFCmp(k, LLVMRealORD, a, a, ""), "");
  return LLVMBuildOr(k, LLVMBuildFCmp(k, LLVMRealOLT, a, b, ""), nan, "");
}

// 1 where the other number stands before this one.
static LLVMValueRef one_before(Emit *e, const NestStep *t) {
  LLVMBuilderRef k = e->m->builder;
  IrDtype dtype = (IrDtype)t->read[0].dtype;
  LLVMValueRef mine = nest_read(e, t, &t->read[0]), other = nest_read(e, t, &t->read[1]), earlier = nest_read(e, t, &t->read[2]);
  LLVMValueRef a = t->backwards ? mine : other, b = t->backwards ? other : mine;
  LLVMValueRef first = stands_before(e, dtype, a, b), not_last = LLVMBuildNot(k, stands_before(e, dtype, b, a), "");
  return LLVMBuildZExt(k, LLVMBuildSelect(k, earlier, not_last, first, ""), e->m->v16i32, "");
}

static void accumulate_argmax(Emit *e, int i, const NestStep *t) {
  LLVMBuilderRef k = e->m->builder;
  LLVMValueRef x = nest_read(e, t, &t->read[0]);
  int last = t->loops - 1;
  LLVMValueRef here = emit_splat(e->m, e->m->v16i32, LLVMBuildTrunc(k, e->index[last], e->m->i32, ""));
  bool real = point_is_real((IrDtype)t->read[0].dtype);
  LLVMValueRef more = real ? LLVMBuildFCmp(k, LLVMRealOGT, x, e->values[i], "") : LLVMBuildICmp(k, LLVMIntSGT, x, e->values[i], "");
  LLVMValueRef first = LLVMBuildICmp(k, LLVMIntEQ, here, LLVMConstNull(e->m->v16i32), "");
  more = LLVMBuildOr(k, more, first, "");
  e->values[i] = LLVMBuildSelect(k, more, x, e->values[i], "");
  e->second[i] = LLVMBuildSelect(k, more, here, e->second[i], "");
}

// Numbers of bf16 (gemm.h). The two chains of a block change places with each term, and are added at its end: which of them has the even terms is no matter.
static void accumulate_halves(Emit *e, int i, const NestStep *t, LLVMValueRef sum, LLVMValueRef a, LLVMValueRef b) {
  LLVMBuilderRef k = e->m->builder;
  int last = t->loops - 1;
  LLVMValueRef zero = nest_identity(e, t), in_block = LLVMBuildAnd(k, e->index[last], emit_index(e->m, GEMM_BLOCK - 1), "");
  LLVMValueRef begins = LLVMBuildICmp(k, LLVMIntEQ, in_block, emit_index(e->m, 0), ""),
               ends = LLVMBuildICmp(k, LLVMIntEQ, in_block, emit_index(e->m, GEMM_BLOCK - 1), "");
  int64_t extent = e->nest->segments[t->segment].extent[last - e->nest->outer];
  ends = LLVMBuildOr(k, ends, LLVMBuildICmp(k, LLVMIntEQ, e->index[last], emit_index(e->m, extent - 1), ""), "");
  LLVMValueRef next = emit_fma(e->m, a, b, LLVMBuildSelect(k, begins, zero, e->chains[0][i], ""));
  e->chains[0][i] = LLVMBuildSelect(k, begins, zero, e->chains[1][i], "");
  e->chains[1][i] = next;
  LLVMValueRef block = LLVMBuildFAdd(k, e->chains[0][i], next, "");
  e->values[i] = LLVMBuildSelect(k, ends, LLVMBuildFAdd(k, sum, block, ""), sum, "");
}

// Returns what the step's value is for readers in the same turn (scans), or NULL.
static LLVMValueRef accumulate(Emit *e, int i, const NestStep *t) {
  IrDtype dtype = (IrDtype)t->dtype;
  LLVMValueRef old = running(e, i, t);
  switch ((StepKind)t->kind) {
  case STEP_SUM:
  case STEP_MAX: e->values[i] = nest_combine(e, dtype, t->kind == STEP_MAX, old, only_live(e, t, nest_read(e, t, &t->read[0]))); return NULL;
  case STEP_SCATTER: e->values[i] = nest_combine(e, dtype, false, old, only_live(e, t, scattered(e, t))); return NULL;
  case STEP_DOT: {
    LLVMValueRef a = only_live(e, t, nest_read(e, t, &t->read[0])), b = only_live(e, t, nest_read(e, t, &t->read[1]));
    if (t->halves) accumulate_halves(e, i, t, old, a, b);
    else e->values[i] = emit_fma(e->m, a, b, old);
    return NULL;
  }
  case STEP_RANK: e->values[i] = nest_combine(e, IR_I32, false, old, one_before(e, t)); return NULL;
  case STEP_ARGMAX: accumulate_argmax(e, i, t); return NULL;
  case STEP_SCAN: {
    LLVMValueRef x = nest_read(e, t, &t->read[0]);
    e->values[i] = nest_combine(e, dtype, false, old, x);
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

// ---- a turn

void nest_step(Emit *e, int i) {
  const NestStep *t = &e->nest->steps[i];
  if (nest_accumulates(t)) {
    LLVMValueRef value = accumulate(e, i, t);
    if (t->over_pairs) emit_store(e->m, e->values[i], nest_local_row(e, t));
    else if (t->restarts && !value) nest_store(e, t, t->kind == STEP_ARGMAX ? e->second[i] : nest_clipped_sum(e, t, e->values[i]));
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
