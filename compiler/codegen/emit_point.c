// The lane-wise ops on registers. NaN wins in max and min; casts of reals to i32 truncate and saturate.
#include <stdio.h>

#include "compiler/codegen/emit.h"
#include "compiler/codegen/nest.h"
#include "compiler/codegen/vmath.h"

LLVMTypeRef point_type(CodeModule *m, IrDtype dtype) {
  switch (dtype) {
  case IR_F32:
  case IR_BF16: return m->v16f32;
  case IR_F64: return m->v16f64;
  case IR_I32: return m->v16i32;
  case IR_BOOL: return m->v16i1;
  }
  ir_fail("codegen: dtype %d", (int)dtype);
}

LLVMTypeRef point_memory_element(CodeModule *m, IrDtype dtype) {
  switch (dtype) {
  case IR_F32: return m->f32;
  case IR_F64: return m->f64;
  case IR_I32:
  case IR_BOOL: return m->i32;
  case IR_BF16: return LLVMInt16TypeInContext(m->context);
  }
  ir_fail("codegen: dtype %d", (int)dtype);
}

bool point_is_real(IrDtype dtype) { return dtype == IR_F32 || dtype == IR_F64; }

LLVMValueRef point_larger(CodeModule *m, IrDtype dtype, LLVMValueRef a, LLVMValueRef b, bool max) {
  LLVMBuilderRef k = m->builder;
  if (!point_is_real(dtype)) {
    LLVMValueRef c = LLVMBuildICmp(k, max ? LLVMIntSGT : LLVMIntSLT, a, b, "");
    return LLVMBuildSelect(k, c, a, b, "");
  }
  LLVMValueRef c = LLVMBuildFCmp(k, max ? LLVMRealUGT : LLVMRealULT, a, b, ""); // nan in a: a
  LLVMValueRef r = LLVMBuildSelect(k, c, a, b, "");
  if (LLVMIsConstant(b)) return r;
  return LLVMBuildSelect(k, LLVMBuildFCmp(k, LLVMRealUNO, b, b, ""), b, r, "");
}

static LLVMValueRef sign(CodeModule *m, IrDtype dtype, LLVMValueRef a) {
  LLVMBuilderRef k = m->builder;
  LLVMTypeRef type = LLVMTypeOf(a);
  if (!point_is_real(dtype)) {
    LLVMValueRef zero = LLVMConstNull(type);
    LLVMValueRef up = LLVMBuildZExt(k, LLVMBuildICmp(k, LLVMIntSGT, a, zero, ""), type, "");
    return LLVMBuildSub(k, up, LLVMBuildZExt(k, LLVMBuildICmp(k, LLVMIntSLT, a, zero, ""), type, ""), "");
  }
  LLVMValueRef zero = emit_number(type, 0);
  LLVMValueRef down = LLVMBuildSelect(k, LLVMBuildFCmp(k, LLVMRealOLT, a, zero, ""), emit_number(type, -1), a, "");
  return LLVMBuildSelect(k, LLVMBuildFCmp(k, LLVMRealOGT, a, zero, ""), emit_number(type, 1), down, "");
}

// A float32 whose lower half is zero, as bf16 is in registers: to nearest, of two as near the even one.
static LLVMValueRef to_half(CodeModule *m, LLVMValueRef a) {
  LLVMBuilderRef k = m->builder;
  LLVMTypeRef type = LLVMTypeOf(a), whole = emit_int_like(m, type);
  LLVMValueRef bits = LLVMBuildBitCast(k, a, whole, "");
  LLVMValueRef odd = LLVMBuildAnd(k, LLVMBuildLShr(k, bits, emit_integer(whole, 16), ""), emit_integer(whole, 1), "");
  LLVMValueRef rounded = LLVMBuildAdd(k, LLVMBuildAdd(k, bits, odd, ""), emit_integer(whole, 0x7fff), "");
  LLVMValueRef is_nan = LLVMBuildFCmp(k, LLVMRealUNO, a, a, "");
  rounded = LLVMBuildSelect(k, is_nan, LLVMBuildOr(k, bits, emit_integer(whole, 0x400000), ""), rounded, "");
  return LLVMBuildBitCast(k, LLVMBuildAnd(k, rounded, emit_integer(whole, 0xffff0000), ""), type, "");
}

static LLVMValueRef cast(CodeModule *m, IrDtype to, IrDtype from, LLVMValueRef a) {
  LLVMBuilderRef k = m->builder;
  LLVMTypeRef type = point_type(m, to);
  if (to == from || from == IR_BF16) return a;
  if (to == IR_BF16) return to_half(m, a);
  if (to == IR_BOOL)
    return point_is_real(from) ? LLVMBuildFCmp(k, LLVMRealUNE, a, emit_number(LLVMTypeOf(a), 0), "")
                               : LLVMBuildICmp(k, LLVMIntNE, a, LLVMConstNull(LLVMTypeOf(a)), "");
  if (from == IR_BOOL) return point_is_real(to) ? LLVMBuildUIToFP(k, a, type, "") : LLVMBuildZExt(k, a, type, "");
  if (to == IR_I32) return emit_intrinsic(m, "llvm.fptosi.sat", (LLVMTypeRef[]){type, LLVMTypeOf(a)}, 2, &a, 1);
  if (from == IR_I32) return LLVMBuildSIToFP(k, a, type, "");
  return to == IR_F64 ? LLVMBuildFPExt(k, a, type, "") : LLVMBuildFPTrunc(k, a, type, "");
}

static LLVMValueRef compare(CodeModule *m, IrOp op, IrDtype from, LLVMValueRef a, LLVMValueRef b) {
  LLVMRealPredicate real = op == IR_EQ ? LLVMRealOEQ : op == IR_LT ? LLVMRealOLT : LLVMRealOLE;
  LLVMIntPredicate whole = op == IR_EQ ? LLVMIntEQ : op == IR_LT ? LLVMIntSLT : LLVMIntSLE;
  return point_is_real(from) ? LLVMBuildFCmp(m->builder, real, a, b, "") : LLVMBuildICmp(m->builder, whole, a, b, "");
}

static LLVMValueRef whole_abs(CodeModule *m, LLVMValueRef a) {
  LLVMValueRef negative = LLVMBuildICmp(m->builder, LLVMIntSLT, a, LLVMConstNull(LLVMTypeOf(a)), "");
  return LLVMBuildSelect(m->builder, negative, LLVMBuildNeg(m->builder, a, ""), a, "");
}

static LLVMValueRef arithmetic(CodeModule *m, IrOp op, IrDtype dtype, LLVMValueRef a, LLVMValueRef b) {
  LLVMBuilderRef k = m->builder;
  bool real = point_is_real(dtype);
  if (op == IR_ADD) return real ? LLVMBuildFAdd(k, a, b, "") : LLVMBuildAdd(k, a, b, "");
  if (op == IR_SUB) return real ? LLVMBuildFSub(k, a, b, "") : LLVMBuildSub(k, a, b, "");
  return real ? LLVMBuildFMul(k, a, b, "") : LLVMBuildMul(k, a, b, "");
}

// ---- functions of one number

typedef LLVMValueRef Formula(CodeModule *m, LLVMValueRef x);

// NULL: the op is none.
static Formula *formula_of(IrOp op) {
  static Formula *const formulas[] = {
      [IR_EXP] = vmath_exp,           [IR_EXPM1] = vmath_expm1,
      [IR_LOG] = vmath_log,           [IR_LOG1P] = vmath_log1p,
      [IR_SIN] = vmath_sin,           [IR_COS] = vmath_cos,
      [IR_TANH] = vmath_tanh,         [IR_SIGMOID] = vmath_sigmoid,
      [IR_SINH] = vmath_sinh,         [IR_COSH] = vmath_cosh,
      [IR_ASINH] = vmath_asinh,       [IR_ERF] = vmath_erf,
      [IR_ERFC] = vmath_erfc,         [IR_NORMAL_ICDF] = vmath_normal_icdf,
      [IR_LGAMMA] = vmath_lgamma,     [IR_DIGAMMA] = vmath_digamma,
      [IR_TRIGAMMA] = vmath_trigamma, [IR_I0E] = vmath_i0e,
      [IR_I1E] = vmath_i1e,
  };
  return op < sizeof formulas / sizeof *formulas ? formulas[op] : NULL;
}

// A formula takes longer to compile than to call.
static LLVMValueRef call_formula(CodeModule *m, IrOp op, Formula *formula, LLVMValueRef x) {
  LLVMTypeRef type = LLVMTypeOf(x);
  char name[64];
  EmitFunction f;
  snprintf(name, sizeof name, "%s_%s_%u", ir_op_info[op].name, emit_is_f64(type) ? "f64" : "f32", emit_lanes(type));
  if (emit_function(m, name, type, &x, 1, &f)) emit_function_end(m, &f, formula(m, f.parameters[0]));
  return emit_function_call(m, &f, &x);
}

LLVMValueRef point_emit(CodeModule *m, IrOp op, IrDtype dtype, const IrDtype *from, const LLVMValueRef *operands) {
  LLVMBuilderRef k = m->builder;
  LLVMValueRef a = operands[0], b = operands[1];
  Formula *formula = formula_of(op);
  if (formula != NULL) return m->target->effort == QUICKLY ? call_formula(m, op, formula, a) : formula(m, a);
  switch ((int)op) {
  case IR_FMA: return emit_fma(m, a, b, operands[2]);
  case IR_NEG: return point_is_real(dtype) ? LLVMBuildFNeg(k, a, "") : LLVMBuildNeg(k, a, "");
  case IR_ADD:
  case IR_SUB:
  case IR_MUL: return arithmetic(m, op, dtype, a, b);
  case IR_DIV: return LLVMBuildFDiv(k, a, b, "");
  case IR_POW: return vmath_pow(m, a, b);
  case IR_MAX: return point_larger(m, dtype, a, b, true);
  case IR_MIN: return point_larger(m, dtype, a, b, false);
  case IR_ABS: return point_is_real(dtype) ? emit_abs(m, a) : whole_abs(m, a);
  case IR_SIGN: return sign(m, dtype, a);
  case IR_FLOOR: return vmath_floor(m, a);
  case IR_ROUND: return vmath_round(m, a);
  case IR_MOD: return vmath_mod(m, a, b);
  case IR_SQRT: return vmath_sqrt(m, a);
  case IR_ATAN2: return vmath_atan2(m, a, b);
  case IR_EQ:
  case IR_LT:
  case IR_LE: return compare(m, op, from[0], a, b);
  case IR_AND: return LLVMBuildAnd(k, a, b, "");
  case IR_OR: return LLVMBuildOr(k, a, b, "");
  case IR_NOT: return LLVMBuildNot(k, a, "");
  case IR_SELECT: return LLVMBuildSelect(k, a, b, operands[2], "");
  case IR_CAST: return cast(m, dtype, from[0], a);
  case IR_STOP: return a;
  }
  ir_fail("codegen: %s is not lane-wise", ir_op_info[op].name);
}
