// Rows of B transposed through squares in registers, for outer products.
#include <stdio.h>

#include "compiler/codegen/gemm_gradient.h"
#include "compiler/codegen/squares.h"

static LLVMValueRef row_of(CodeModule *m, const Transposed *t, const LLVMValueRef *x, LLVMValueRef from, unsigned i) {
  return gradient_row(m, t->element, from, i, t->g->b_stride, t->fewer ? x[TRANSPOSE_LAST] : NULL);
}

// All events that count, a panel and in it some squares at a time. The rows behind these are asked for meanwhile.
static void transpose_rows(CodeModule *m, const void *data, const LLVMValueRef *x) {
  const Transposed *t = data;
  unsigned most = square_side(m, t->element), side = most < t->width ? most : t->width;
  EmitLoop panels = emit_loop(m, "transpose", emit_index(m, 0), x[TRANSPOSE_VALID], CODE_LANES, NULL, 0);
  LLVMValueRef rows[16], from = emit_at(m, t->element, x[TRANSPOSE_FROM], LLVMBuildNSWMul(m->builder, panels.index, x[TRANSPOSE_ROWS], ""));
  for (unsigned i = 0; i < t->width && !t->fewer; i++) emit_prefetch(m, row_of(m, t, x, from, t->width + i), false);
  EmitLoop events = emit_loop(m, "events", emit_index(m, 0), emit_index(m, CODE_LANES), side, NULL, 0);
  LLVMValueRef to = emit_at2(m, t->element, x[TRANSPOSE_TO], LLVMBuildNSWAdd(m->builder, panels.index, events.index, ""), t->lanes, NULL);
  from = emit_at(m, t->element, from, events.index);
  for (unsigned row = 0; row < t->width; row += side) {
    for (unsigned i = 0; i < side; i++) rows[i] = row_of(m, t, x, from, row + i);
    square_copy(m, t->element, side, rows, emit_at(m, t->element, to, emit_index(m, row)), t->lanes);
  }
  emit_loop_end(m, &events, NULL);
  emit_loop_end(m, &panels, NULL);
}

void gemm_transpose_emit(CodeModule *m, const Transposed *t, const LLVMValueRef *arguments) {
  char name[64];
  snprintf(name, sizeof name, "transpose_%s_%u_%lld%s", t->g->f64 ? "f64" : "f32", t->width, (long long)t->g->b_stride, t->fewer ? "_fewer" : "");
  emit_call(m, name, transpose_rows, t, arguments, TRANSPOSE_ARGUMENTS);
}
