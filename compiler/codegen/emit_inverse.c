// Inverse of a triangular matrix of weights, row by row: plain loops over single numbers.
#include "compiler/codegen/emit.h"
#include "compiler/codegen/kernel.h"

// y[row][column] = ((row == column) - sum over j between of a[row][j] y[j][column]) / a[row][row]
void inverse_emit(CodeModule *m, const char *name, const Inverse *inverse) {
  LLVMBuilderRef k = m->builder;
  LLVMValueRef p[2], zero = emit_index(m, 0), n = emit_index(m, inverse->n), one = emit_index(m, 1);
  LLVMTypeRef type = inverse->f64 ? m->f64 : m->f32;
  code_kernel(m, name, 2, p);
  LLVMValueRef rows = emit_index(m, inverse->row_stride), columns = emit_index(m, inverse->column_stride);
  EmitLoop column = emit_loop(m, "column", zero, n, 1, NULL, 0);
  EmitLoop step = emit_loop(m, "row", zero, n, 1, NULL, 0); // rows in the order in which they can be solved
  LLVMValueRef row = inverse->upper ? LLVMBuildNSWSub(k, emit_index(m, inverse->n - 1), step.index, "") : step.index;
  LLVMValueRef diagonal = LLVMBuildICmp(k, LLVMIntEQ, row, column.index, "");
  LLVMValueRef rest = LLVMBuildSelect(k, diagonal, emit_number(type, 1), emit_number(type, 0), "");
  LLVMValueRef outside = LLVMBuildICmp(k, inverse->upper ? LLVMIntSGT : LLVMIntSLT, row, column.index, "");
  LLVMValueRef a_row = emit_at(m, type, p[0], LLVMBuildNSWMul(k, row, rows, ""));
  LLVMValueRef from = inverse->upper ? LLVMBuildNSWAdd(k, row, one, "") : column.index;
  LLVMValueRef to = inverse->upper ? LLVMBuildNSWAdd(k, column.index, one, "") : row;
  EmitLoop sum = emit_loop(m, "sum", from, to, 1, &rest, 1);
  LLVMValueRef a = emit_load(m, type, emit_at(m, type, a_row, LLVMBuildNSWMul(k, sum.index, columns, "")));
  LLVMValueRef at = LLVMBuildNSWAdd(k, LLVMBuildNSWMul(k, sum.index, n, ""), column.index, "");
  LLVMValueRef y = emit_load(m, type, emit_at(m, type, p[1], at));
  rest = emit_fma(m, LLVMBuildFNeg(k, a, ""), y, sum.carried[0]);
  emit_loop_end(m, &sum, &rest);
  a = emit_load(m, type, emit_at(m, type, a_row, LLVMBuildNSWMul(k, row, columns, "")));
  y = LLVMBuildFDiv(k, sum.carried[0], a, "");
  y = LLVMBuildSelect(k, outside, emit_number(type, 0), y, "");
  at = LLVMBuildNSWAdd(k, LLVMBuildNSWMul(k, row, n, ""), column.index, "");
  emit_store(m, y, emit_at(m, type, p[1], at));
  emit_loop_end(m, &step, NULL);
  emit_loop_end(m, &column, NULL);
  LLVMBuildRetVoid(k);
}
