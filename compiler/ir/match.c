#include "compiler/ir/match.h"

// One number everywhere: the operand's number is the result's.
static bool keeps_fill(IrOp op) { return op == IR_BROADCAST || op == IR_RESHAPE || op == IR_TRANSPOSE || op == IR_SLICE || op == IR_WINDOWS; }

bool ir_is_fill(const IrFn *fn, IrRef r, double *x) {
  for (;;) {
    const IrValue *v = ir_at(fn, r);
    if (v->op == IR_CONST) {
      int64_t n = ir_elements(&v->type);
      if (n == 0) return false;
      for (int64_t i = 1; i < n; i++) {
        if (!(v->attr.data[i] == v->attr.data[0])) return false;
      }
      *x = v->attr.data[0];
      return true;
    }
    if (!keeps_fill(v->op)) return false;
    r = v->operands[0];
  }
}

bool ir_is_number(const IrFn *fn, IrRef r, double x) {
  double found;
  return ir_is_fill(fn, r, &found) && found == x;
}
