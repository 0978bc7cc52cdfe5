// Which values are equal: the same op, type and attributes on the same operands. Draws of one site, kind and type are equal.
//
//   IrSame same = ir_same_new(arena, fn->values.len);
//   IrRef *first = ir_same(&same, v);   // IR_NONE for the first of its kind: write down what is to stand for it
//   if (*first == IR_NONE) *first = r;
#ifndef HGM_IR_SAME_H
#define HGM_IR_SAME_H

#include "compiler/ir/ir.h"

typedef struct IrSame {
  struct IrSameSlot *slots;
  size_t cap;
} IrSame;

IrSame ir_same_new(Arena *arena, size_t most); // for at most so many different values
// v and its operands, named by whatever the caller counts as equal, stay as they are while the table is used.
IrRef *ir_same(IrSame *same, const IrValue *v);

#endif
