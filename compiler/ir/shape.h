// Shape rules: one function shape_<rule> for each rule that ops.def names.
#ifndef HGM_IR_SHAPE_H
#define HGM_IR_SHAPE_H

#include "compiler/ir/type.h"

// What a rule sees of the value in question, and where it puts its result type.
typedef struct Shape {
  const IrFn *fn;
  Arena *arena;
  IrOp op;
  uint32_t n;
  const IrRef *operands;
  const IrAttr *attr;
  const IrType *declared; // NULL where the caller gave none
  IrType *type;
} Shape;

static inline const IrType *shape_in(const Shape *s, uint32_t i) { return ir_type_of(s->fn, s->operands[i]); }
static inline const char *shape_text(const Shape *s, uint32_t i) { return ir_type_text(s->arena, shape_in(s, i)); }

// NULL, or a message.
typedef const char *ShapeRule(const Shape *s);
ShapeRule shape_literal, shape_iota, shape_leaf, shape_draw;
ShapeRule shape_real, shape_number, shape_any, shape_compare, shape_logic, shape_select, shape_cast;
ShapeRule shape_reshape, shape_transpose, shape_broadcast, shape_slice, shape_pad, shape_concat, shape_gather, shape_scatter, shape_windows, shape_fold;
ShapeRule shape_reduce, shape_argmax, shape_sort, shape_scan, shape_einsum, shape_square;

#endif
