// Reads and stores of nests with their lanes along an axis of the value itself (NEST_LANES): neighbours in the lanes lie
// `stride` numbers apart, and where an axis is shorter than a vector only its first lanes count.
#include "compiler/codegen/emit_nest.h"

static LLVMTypeRef vector_of(Emit *e, IrDtype dtype, unsigned lanes) { return LLVMVectorType(point_memory_element(e->m, dtype), lanes); }

static LLVMValueRef number_at(Emit *e, IrDtype dtype, LLVMValueRef at, int64_t n) {
  return emit_at(e->m, point_memory_element(e->m, dtype), at, emit_index(e->m, n));
}

// x with its lanes from `from` on replaced by those of part, as many as part has.
static LLVMValueRef insert(Emit *e, LLVMValueRef x, LLVMValueRef part, unsigned from) {
  unsigned lanes = e->m->lanes, n = LLVMGetVectorSize(LLVMTypeOf(part));
  LLVMValueRef index[CODE_LANES];
  for (unsigned i = 0; i < lanes; i++) index[i] = i >= from && i < from + n ? LLVMConstInt(e->m->i32, i - from, false) : LLVMGetPoison(e->m->i32);
  LLVMValueRef wide = LLVMBuildShuffleVector(e->m->builder, part, LLVMGetPoison(LLVMTypeOf(part)), LLVMConstVector(index, lanes), "");
  for (unsigned i = 0; i < lanes; i++) index[i] = LLVMConstInt(e->m->i32, i >= from && i < from + n ? lanes + i : i, false);
  return LLVMBuildShuffleVector(e->m->builder, x, wide, LLVMConstVector(index, lanes), "");
}

static unsigned largest_power(unsigned n) {
  unsigned p = 1;
  while (2 * p <= n) p *= 2;
  return p;
}

static LLVMValueRef load_first(Emit *e, IrDtype dtype, LLVMValueRef at) {
  LLVMValueRef x = LLVMConstNull(vector_of(e, dtype, e->m->lanes));
  for (unsigned from = 0, n; from < e->valid; from += n) {
    n = largest_power(e->valid - from);
    LLVMValueRef part = emit_load(e->m, vector_of(e, dtype, n), number_at(e, dtype, at, from));
    x = insert(e, x, part, from);
  }
  return x;
}

LLVMValueRef lanes_load(Emit *e, IrDtype dtype, LLVMValueRef at, int64_t stride) {
  LLVMTypeRef type = vector_of(e, dtype, e->m->lanes);
  if (stride == 0) return emit_broadcast(e->m, type, at);
  if (stride == 1 && e->valid == e->m->lanes) return emit_load(e->m, type, at);
  if (stride == 1) return load_first(e, dtype, at);
  LLVMValueRef x = LLVMConstNull(type);
  for (unsigned i = 0; i < e->valid; i++) {
    LLVMValueRef one = emit_load(e->m, emit_element(type), number_at(e, dtype, at, (int64_t)i * stride));
    x = LLVMBuildInsertElement(e->m->builder, x, one, LLVMConstInt(e->m->i32, i, false), "");
  }
  return x;
}

void lanes_store(Emit *e, IrDtype dtype, LLVMValueRef x, LLVMValueRef at, int64_t stride) {
  if (stride == 1) {
    emit_store_first(e->m, x, at, e->valid);
    return;
  }
  for (unsigned i = 0; i < e->valid; i++) emit_store(e->m, emit_part(e->m, x, i, 1), number_at(e, dtype, at, (int64_t)i * stride));
}

// The index that lane 0 has, for all lanes: i32, `stride` apart.
LLVMValueRef lanes_index(Emit *e, LLVMValueRef first, int64_t stride) {
  LLVMValueRef steps[CODE_LANES];
  for (unsigned i = 0; i < e->m->lanes; i++) steps[i] = LLVMConstInt(e->m->i32, (uint64_t)(i < e->valid ? (int64_t)i * stride : 0), true);
  LLVMValueRef all = emit_splat(e->m, e->m->v16i32, LLVMBuildTrunc(e->m->builder, first, e->m->i32, ""));
  return LLVMBuildAdd(e->m->builder, all, LLVMConstVector(steps, e->m->lanes), "");
}

// Lanes that count, as a constant mask.
LLVMValueRef lanes_mask(Emit *e) { return emit_mask(e->m, e->m->lanes, e->valid); }

// The body for all numbers of the axis. Where it is no multiple of the lanes, the last vector begins earlier and computes some
// numbers again; when they must not be stored twice (again: false), a shorter vector ends instead.
void lanes_loop(Emit *e, int loop, bool again, NestBody *body, void *data) {
  CodeModule *m = e->m;
  int64_t extent = e->nest->extent[loop], lanes = m->lanes, whole = extent / lanes * lanes;
  if (extent > lanes && extent != whole && again) {
    EmitLoop blocks = emit_blocks(m, "lanes", emit_index(m, extent), lanes, &e->index[loop]);
    e->valid = m->lanes;
    body(e, data);
    emit_loop_end(m, &blocks, NULL);
    return;
  }
  if (whole > 0) {
    EmitLoop blocks = emit_loop(m, "lanes", emit_index(m, 0), emit_index(m, whole), lanes, NULL, 0);
    e->index[loop] = blocks.index;
    e->valid = m->lanes;
    body(e, data);
    emit_loop_end(m, &blocks, NULL);
  }
  if (whole == extent) return;
  e->index[loop] = emit_index(m, whole);
  e->valid = (unsigned)(extent - whole);
  body(e, data);
}
