#include "compiler/codegen/emit.h"

#include <string.h>

#include "compiler/ir/ir.h"

// ---- types and constants

LLVMTypeRef emit_element(LLVMTypeRef type) { return LLVMGetTypeKind(type) == LLVMVectorTypeKind ? LLVMGetElementType(type) : type; }

unsigned emit_lanes(LLVMTypeRef type) { return LLVMGetTypeKind(type) == LLVMVectorTypeKind ? LLVMGetVectorSize(type) : 1; }

LLVMTypeRef emit_with_lanes(LLVMTypeRef element, unsigned lanes) { return lanes == 1 ? element : LLVMVectorType(element, lanes); }

bool emit_is_f64(LLVMTypeRef type) { return LLVMGetTypeKind(emit_element(type)) == LLVMDoubleTypeKind; }

LLVMTypeRef emit_int_like(CodeModule *m, LLVMTypeRef like) {
  LLVMTypeRef element = emit_is_f64(like) ? m->i64 : m->i32;
  return LLVMGetTypeKind(like) == LLVMVectorTypeKind ? LLVMVectorType(element, emit_lanes(like)) : element;
}

static LLVMValueRef constant_in_lanes(LLVMTypeRef like, LLVMValueRef one) {
  if (LLVMGetTypeKind(like) != LLVMVectorTypeKind) return one;
  LLVMValueRef lanes[64];
  unsigned n = LLVMGetVectorSize(like);
  if (n > 64) ir_fail("a vector of %u lanes", n);
  for (unsigned i = 0; i < n; i++) lanes[i] = one;
  return LLVMConstVector(lanes, n);
}

LLVMValueRef emit_number(LLVMTypeRef like, double x) { return constant_in_lanes(like, LLVMConstReal(emit_element(like), x)); }

LLVMValueRef emit_integer(LLVMTypeRef like, uint64_t x) { return constant_in_lanes(like, LLVMConstInt(emit_element(like), x, false)); }

LLVMValueRef emit_index(CodeModule *m, int64_t i) { return LLVMConstInt(m->i64, (uint64_t)i, true); }

unsigned emit_element_bytes(LLVMTypeRef type) {
  LLVMTypeRef e = emit_element(type);
  LLVMTypeKind kind = LLVMGetTypeKind(e);
  if (kind == LLVMIntegerTypeKind) return LLVMGetIntTypeWidth(e) <= 8 ? 1 : LLVMGetIntTypeWidth(e) / 8;
  return kind == LLVMFloatTypeKind ? 4 : 8;
}

// ---- arithmetic

LLVMValueRef emit_intrinsic(CodeModule *m, const char *name, LLVMTypeRef *types, unsigned n_types, LLVMValueRef *arguments, unsigned n) {
  LLVMValueRef f = LLVMGetIntrinsicDeclaration(m->module, LLVMLookupIntrinsicID(name, strlen(name)), types, n_types);
  return LLVMBuildCall2(m->builder, LLVMGlobalGetValueType(f), f, arguments, n, "");
}

static LLVMValueRef operation(CodeModule *m, const char *name, LLVMValueRef *arguments, unsigned n) {
  LLVMTypeRef type = LLVMTypeOf(arguments[0]);
  return emit_intrinsic(m, name, &type, 1, arguments, n);
}

LLVMValueRef emit_fma(CodeModule *m, LLVMValueRef a, LLVMValueRef b, LLVMValueRef c) { return operation(m, "llvm.fma", (LLVMValueRef[]){a, b, c}, 3); }

LLVMValueRef emit_sqrt(CodeModule *m, LLVMValueRef a) { return operation(m, "llvm.sqrt", &a, 1); }
LLVMValueRef emit_floor(CodeModule *m, LLVMValueRef a) { return operation(m, "llvm.floor", &a, 1); }
LLVMValueRef emit_round(CodeModule *m, LLVMValueRef a) { return operation(m, "llvm.nearbyint", &a, 1); }
LLVMValueRef emit_abs(CodeModule *m, LLVMValueRef a) { return operation(m, "llvm.fabs", &a, 1); }

LLVMValueRef emit_copysign(CodeModule *m, LLVMValueRef magnitude, LLVMValueRef sign) {
  return operation(m, "llvm.copysign", (LLVMValueRef[]){magnitude, sign}, 2);
}

LLVMValueRef emit_max(CodeModule *m, LLVMValueRef a, LLVMValueRef b) {
  return LLVMBuildSelect(m->builder, LLVMBuildFCmp(m->builder, LLVMRealOGT, a, b, ""), a, b, "");
}

LLVMValueRef emit_min(CodeModule *m, LLVMValueRef a, LLVMValueRef b) {
  return LLVMBuildSelect(m->builder, LLVMBuildFCmp(m->builder, LLVMRealOLT, a, b, ""), a, b, "");
}

// ---- memory

LLVMValueRef emit_at(CodeModule *m, LLVMTypeRef element, LLVMValueRef base, LLVMValueRef index) {
  if (LLVMIsAConstantInt(index) && LLVMConstIntGetZExtValue(index) == 0) return base;
  return LLVMBuildInBoundsGEP2(m->builder, element, base, &index, 1, "");
}

LLVMValueRef emit_plus(CodeModule *m, LLVMValueRef index, int64_t n) { return n ? LLVMBuildNSWAdd(m->builder, index, emit_index(m, n), "") : index; }

LLVMValueRef emit_least(CodeModule *m, LLVMValueRef a, LLVMValueRef b) {
  return LLVMBuildSelect(m->builder, LLVMBuildICmp(m->builder, LLVMIntSLT, a, b, ""), a, b, "");
}

LLVMValueRef emit_most(CodeModule *m, LLVMValueRef a, LLVMValueRef b) {
  return LLVMBuildSelect(m->builder, LLVMBuildICmp(m->builder, LLVMIntSGT, a, b, ""), a, b, "");
}

LLVMValueRef emit_at2(CodeModule *m, LLVMTypeRef element, LLVMValueRef base, LLVMValueRef row, int64_t stride, LLVMValueRef column) {
  LLVMValueRef start = stride == 1 ? row : LLVMBuildNSWMul(m->builder, row, emit_index(m, stride), "");
  LLVMValueRef p = emit_at(m, element, base, start);
  return column ? emit_at(m, element, p, column) : p;
}

LLVMValueRef emit_load(CodeModule *m, LLVMTypeRef type, LLVMValueRef address) {
  LLVMValueRef v = LLVMBuildLoad2(m->builder, type, address, "");
  LLVMSetAlignment(v, emit_element_bytes(type));
  return v;
}

void emit_store(CodeModule *m, LLVMValueRef value, LLVMValueRef address) {
  LLVMValueRef v = LLVMBuildStore(m->builder, value, address);
  LLVMSetAlignment(v, emit_element_bytes(LLVMTypeOf(value)));
}

void emit_prefetch(CodeModule *m, LLVMValueRef address, bool write) {
  LLVMValueRef all_levels = LLVMConstInt(m->i32, 3, false), data = LLVMConstInt(m->i32, 1, false);
  LLVMValueRef arguments[] = {address, LLVMConstInt(m->i32, write, false), all_levels, data};
  emit_intrinsic(m, "llvm.prefetch", &m->pointer, 1, arguments, 4);
}

LLVMValueRef emit_splat(CodeModule *m, LLVMTypeRef like, LLVMValueRef scalar) {
  if (LLVMGetTypeKind(like) != LLVMVectorTypeKind) return scalar;
  LLVMValueRef first = LLVMConstInt(m->i64, 0, false);
  LLVMValueRef one = LLVMBuildInsertElement(m->builder, LLVMGetPoison(like), scalar, first, "");
  LLVMTypeRef mask = LLVMVectorType(m->i32, LLVMGetVectorSize(like));
  return LLVMBuildShuffleVector(m->builder, one, LLVMGetPoison(like), LLVMConstNull(mask), "");
}

LLVMValueRef emit_broadcast(CodeModule *m, LLVMTypeRef like, LLVMValueRef address) { return emit_splat(m, like, emit_load(m, emit_element(like), address)); }

LLVMValueRef emit_shuffle(CodeModule *m, LLVMValueRef a, LLVMValueRef b, const unsigned *pick, unsigned n) {
  LLVMValueRef mask[32];
  for (unsigned i = 0; i < n; i++) mask[i] = LLVMConstInt(m->i32, pick[i], false);
  return LLVMBuildShuffleVector(m->builder, a, b, LLVMConstVector(mask, n), "");
}

LLVMValueRef emit_units(CodeModule *m, const EmitRange *r, LLVMValueRef n) {
  return r->unit == 1 ? n : LLVMBuildNSWMul(m->builder, n, emit_index(m, r->unit), "");
}

EmitRange emit_meet(CodeModule *m, EmitRange a, EmitRange b) {
  if (a.from == NULL || b.from == NULL) return a.from == NULL ? b : a;
  return (EmitRange){emit_most(m, a.from, b.from), emit_least(m, a.to, b.to), a.unit};
}

// ---- shares

static LLVMValueRef scaled(CodeModule *m, LLVMValueRef n, int64_t times, int64_t over, bool up) {
  if (times != 1) n = LLVMBuildNSWMul(m->builder, n, emit_index(m, times), "");
  if (up) n = emit_plus(m, n, over - 1);
  return over == 1 ? n : LLVMBuildUDiv(m->builder, n, emit_index(m, over), "");
}

EmitRange emit_share_of(CodeModule *m, EmitShare s, LLVMValueRef turns) {
  if (s.from == NULL) return (EmitRange){0};
  LLVMValueRef from = LLVMBuildNSWMul(m->builder, s.from, turns, ""), to = LLVMBuildNSWMul(m->builder, s.to, turns, "");
  return (EmitRange){scaled(m, from, 1, s.of, false), scaled(m, to, 1, s.of, false), 1};
}

EmitRange emit_share(CodeModule *m, EmitShare s, int64_t turns) {
  if (s.from == NULL) return (EmitRange){0};
  return (EmitRange){scaled(m, s.from, turns, s.of, false), scaled(m, s.to, turns, s.of, false), 1};
}

EmitRange emit_share_touched(CodeModule *m, EmitShare s, int64_t turns) {
  if (s.from == NULL || s.of % turns != 0) return emit_share(m, s, turns);
  return (EmitRange){scaled(m, s.from, 1, s.of / turns, false), scaled(m, s.to, 1, s.of / turns, true), 1};
}

EmitShare emit_share_within(CodeModule *m, EmitShare s, LLVMValueRef i, int64_t turns) {
  EmitShare part = {.of = s.of / turns};
  if (s.from == NULL || s.of % turns != 0) return part;
  LLVMValueRef begin = scaled(m, i, part.of, 1, false);
  part.from = emit_most(m, LLVMBuildNSWSub(m->builder, s.from, begin, ""), emit_index(m, 0));
  part.to = emit_least(m, LLVMBuildNSWSub(m->builder, s.to, begin, ""), emit_index(m, part.of));
  return part;
}

// ---- some of the lanes

LLVMValueRef emit_part(CodeModule *m, LLVMValueRef x, unsigned from, unsigned n) {
  unsigned pick[32];
  if (n == 1) return LLVMBuildExtractElement(m->builder, x, LLVMConstInt(m->i32, from, false), "");
  for (unsigned i = 0; i < n; i++) pick[i] = from + i;
  return emit_shuffle(m, x, LLVMGetPoison(LLVMTypeOf(x)), pick, n);
}

LLVMValueRef emit_lane_numbers(CodeModule *m, LLVMTypeRef type, int64_t stride) {
  LLVMValueRef lanes[CODE_LANES];
  for (unsigned i = 0; i < m->lanes; i++) lanes[i] = LLVMConstInt(type, (uint64_t)((int64_t)i * stride), true);
  return LLVMConstVector(lanes, m->lanes);
}

LLVMValueRef emit_lanes_below(CodeModule *m, LLVMValueRef n) {
  LLVMValueRef all = emit_splat(m, m->v16i32, LLVMBuildTrunc(m->builder, n, m->i32, ""));
  return LLVMBuildICmp(m->builder, LLVMIntSLT, emit_lane_numbers(m, m->i32, 1), all, "");
}

LLVMValueRef emit_mask(CodeModule *m, unsigned lanes, unsigned n) {
  LLVMValueRef mask[CODE_LANES];
  for (unsigned i = 0; i < lanes; i++) mask[i] = LLVMConstInt(m->i1, i < n, false);
  return LLVMConstVector(mask, lanes);
}

LLVMValueRef emit_load_masked(CodeModule *m, LLVMTypeRef type, LLVMValueRef address, LLVMValueRef mask) {
  LLVMValueRef bytes = LLVMConstInt(m->i32, emit_element_bytes(type), false);
  return emit_intrinsic(m, "llvm.masked.load", (LLVMTypeRef[]){type, m->pointer}, 2, (LLVMValueRef[]){address, bytes, mask, LLVMConstNull(type)}, 4);
}

void emit_store_first(CodeModule *m, LLVMValueRef x, LLVMValueRef address, unsigned n) {
  LLVMTypeRef type = LLVMTypeOf(x);
  if (n == emit_lanes(type)) {
    emit_store(m, x, address);
    return;
  }
  for (unsigned size = emit_lanes(type), from = 0; size >= 1; size /= 2) {
    if (!(n & size)) continue;
    emit_store(m, emit_part(m, x, from, size), emit_at(m, emit_element(type), address, emit_index(m, from)));
    from += size;
  }
}

// ---- control flow

static LLVMBasicBlockRef new_block(CodeModule *m, const char *name, const char *suffix) {
  char text[80];
  size_t n = strlen(name) < 60 ? strlen(name) : 60;
  memcpy(text, name, n);
  strcpy(text + n, suffix);
  LLVMValueRef f = LLVMGetBasicBlockParent(LLVMGetInsertBlock(m->builder));
  return LLVMAppendBasicBlockInContext(m->context, f, text);
}

static bool at_least_one_turn(LLVMValueRef from, LLVMValueRef to) {
  if (!LLVMIsAConstantInt(from) || !LLVMIsAConstantInt(to)) return false;
  return LLVMConstIntGetSExtValue(from) < LLVMConstIntGetSExtValue(to);
}

EmitLoop emit_loop(CodeModule *m, const char *name, LLVMValueRef from, LLVMValueRef to, int64_t step, const LLVMValueRef *carried, unsigned n) {
  if (n > EMIT_CARRIED) ir_fail("a loop carries %u values", n);
  EmitLoop l = {.n = n, .to = to, .step = emit_index(m, step)};
  LLVMBasicBlockRef before = LLVMGetInsertBlock(m->builder);
  l.body = new_block(m, name, "");
  l.done = new_block(m, name, ".done");
  if (at_least_one_turn(from, to)) {
    LLVMBuildBr(m->builder, l.body);
  } else {
    l.guard = before;
    LLVMBuildCondBr(m->builder, LLVMBuildICmp(m->builder, LLVMIntSLT, from, to, ""), l.body, l.done);
  }
  LLVMPositionBuilderAtEnd(m->builder, l.body);
  l.index = LLVMBuildPhi(m->builder, m->i64, "i");
  LLVMAddIncoming(l.index, &from, &before, 1);
  for (unsigned i = 0; i < n; i++) {
    l.start[i] = carried[i];
    l.carried[i] = LLVMBuildPhi(m->builder, LLVMTypeOf(carried[i]), "");
    LLVMAddIncoming(l.carried[i], &l.start[i], &before, 1);
  }
  return l;
}

void emit_loop_end(CodeModule *m, EmitLoop *l, const LLVMValueRef *next) {
  LLVMBasicBlockRef last = LLVMGetInsertBlock(m->builder);
  LLVMValueRef index = LLVMBuildNSWAdd(m->builder, l->index, l->step, "");
  LLVMBuildCondBr(m->builder, LLVMBuildICmp(m->builder, LLVMIntSLT, index, l->to, ""), l->body, l->done);
  LLVMAddIncoming(l->index, &index, &last, 1);
  LLVMMoveBasicBlockAfter(l->done, last);
  LLVMPositionBuilderAtEnd(m->builder, l->done);
  for (unsigned i = 0; i < l->n; i++) {
    LLVMValueRef value = next[i];
    LLVMAddIncoming(l->carried[i], &value, &last, 1);
    if (l->guard) { // the loop may have been skipped
      LLVMValueRef phi = LLVMBuildPhi(m->builder, LLVMTypeOf(value), "");
      LLVMAddIncoming(phi, &l->start[i], &l->guard, 1);
      LLVMAddIncoming(phi, &value, &last, 1);
      value = phi;
    }
    l->carried[i] = value;
  }
}

EmitLoop emit_blocks(CodeModule *m, const char *name, LLVMValueRef extent, int64_t size, LLVMValueRef *first) {
  LLVMValueRef last = LLVMBuildNSWSub(m->builder, extent, emit_index(m, size), "");
  EmitLoop l = emit_loop(m, name, emit_index(m, 0), extent, size, NULL, 0);
  *first = emit_least(m, l.index, last);
  return l;
}

EmitIf emit_if(CodeModule *m, const char *name, LLVMValueRef condition) {
  LLVMBasicBlockRef then = new_block(m, name, "");
  EmitIf block = {new_block(m, name, ".end")};
  LLVMBuildCondBr(m->builder, condition, then, block.done);
  LLVMPositionBuilderAtEnd(m->builder, then);
  return block;
}

EmitIf emit_if_last(CodeModule *m, EmitShare s) {
  return s.from == NULL ? (EmitIf){0} : emit_if(m, "last", LLVMBuildICmp(m->builder, LLVMIntEQ, s.to, emit_index(m, s.of), ""));
}

void emit_end_if(CodeModule *m, EmitIf block) {
  if (block.done == NULL) return;
  LLVMBuildBr(m->builder, block.done);
  LLVMMoveBasicBlockAfter(block.done, LLVMGetInsertBlock(m->builder));
  LLVMPositionBuilderAtEnd(m->builder, block.done);
}

// ---- functions

bool emit_function(CodeModule *m, const char *name, LLVMTypeRef result, const LLVMValueRef *arguments, unsigned n, EmitFunction *f) {
  if (n > EMIT_ARGUMENTS) ir_fail("a function of %u arguments", n);
  *f = (EmitFunction){.function = LLVMGetNamedFunction(m->module, name), .caller = LLVMGetInsertBlock(m->builder), .n = n};
  if (f->function != NULL) return false;
  LLVMTypeRef types[EMIT_ARGUMENTS];
  for (unsigned i = 0; i < n; i++) types[i] = LLVMTypeOf(arguments[i]);
  f->function = code_function(m, name, result, types, n, true);
  for (unsigned i = 0; i < n; i++) f->parameters[i] = LLVMGetParam(f->function, i);
  return true;
}

void emit_function_end(CodeModule *m, const EmitFunction *f, LLVMValueRef result) {
  if (result != NULL) LLVMBuildRet(m->builder, result);
  else LLVMBuildRetVoid(m->builder);
  LLVMPositionBuilderAtEnd(m->builder, f->caller);
}

LLVMValueRef emit_function_call(CodeModule *m, const EmitFunction *f, const LLVMValueRef *arguments) {
  LLVMValueRef all[EMIT_ARGUMENTS];
  for (unsigned i = 0; i < f->n; i++) all[i] = arguments[i];
  return LLVMBuildCall2(m->builder, LLVMGlobalGetValueType(f->function), f->function, all, f->n, "");
}

void emit_call(CodeModule *m, const char *name, EmitBody *body, const void *data, const LLVMValueRef *arguments, unsigned n) {
  EmitFunction f;
  if (emit_function(m, name, m->none, arguments, n, &f)) {
    body(m, data, f.parameters);
    emit_function_end(m, &f, NULL);
  }
  emit_function_call(m, &f, arguments);
}
