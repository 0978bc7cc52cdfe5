// Weight gradient. Lanes over events would need a sum across lanes for every element of D, so one operand is transposed into scratch and D grows by
// outer products (gemm_outer.c). Columns left over go into one more vector, or into one of half the width (locally connected layers have 6 or 8
// columns). What is too narrow for that (few rows, very few columns) is dot products along the lanes (gemm_dots.c).
#include "compiler/codegen/gemm_gradient.h"

#include "compiler/ir/ir.h"

typedef struct Shape {
  Outer outer;
  int64_t dots; // columns behind those
} Shape;

static Shape shape_of(const GemmGradient *g) {
  int64_t lanes = gemm_outer_lanes(g), rest = g->columns % lanes;
  if (g->rows < OUTER_ROWS) return (Shape){.dots = g->columns};
  if (rest > lanes / 2) return (Shape){.outer = {.whole = g->columns}};
  if (rest > 2) return (Shape){.outer = {g->columns - rest, rest}};
  return (Shape){.outer = {.whole = g->columns - rest}, .dots = rest};
}

LLVMValueRef gradient_row(CodeModule *m, LLVMTypeRef element, LLVMValueRef from, unsigned i, int64_t stride, LLVMValueRef last) {
  if (last == NULL) return emit_at(m, element, from, emit_index(m, i * stride));
  return emit_at2(m, element, from, emit_least(m, emit_index(m, i), last), stride, NULL);
}

LLVMValueRef gradient_adds(CodeModule *m, const GemmGradient *g) { return g->add ? g->add : LLVMConstInt(m->i1, true, false); }

void gradient_store(CodeModule *m, LLVMValueRef sum, LLVMValueRef to, LLVMValueRef adds) {
  LLVMValueRef total = LLVMBuildFAdd(m->builder, sum, emit_load(m, LLVMTypeOf(sum), to), "");
  emit_store(m, LLVMBuildSelect(m->builder, adds, total, sum, ""), to);
}

int64_t gemm_gradient_scratch(const GemmGradient *g) {
  Shape s = shape_of(g);
  return gemm_outer_scratch(g, &s.outer);
}

bool gemm_gradient_clips(const CodeModule *m, const GemmGradient *g) { return m->target->effort == WITH_CARE && shape_of(g).dots == 0; }

void gemm_gradient_emit(CodeModule *m, const GemmGradient *g) {
  Shape s = shape_of(g);
  if (g->rows < 1 || g->columns < 1 || g->tile % CODE_LANES) ir_fail("a gradient of %ld x %ld", (long)g->rows, (long)g->columns);
  EmitIf last = emit_if_last(m, m->target->effort == WITH_CARE ? (EmitShare){0} : g->share);
  if (s.outer.whole || s.outer.half) gemm_outer_emit(m, g, &s.outer);
  if (s.dots) gemm_dots_emit(m, g, s.outer.whole, s.dots);
  emit_end_if(m, last);
}
