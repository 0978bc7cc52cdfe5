// Selects: a product with a mask is a select; two selects of one condition, each zero where the other is not, are one.
#include "compiler/opt/algebra.h"

static bool is_zero(const Rewrite *rw, IrRef r) { return ir_is_number(rw->to, r, 0); }
static bool is_mask(const Rewrite *rw, IrRef r) { return opt_is(rw, r, IR_CAST) && opt_type(rw, opt_operand(rw, r, 0))->dtype == IR_BOOL; }

// x 1[c] is select(c, x, 0); select(c, x, 0) k with a number k is select(c, x k, 0).
static IrRef of_mul(Rewrite *rw, const IrValue *v) {
  double number;
  for (int k = 0; k < 2; k++) {
    IrRef a = v->operands[k], b = v->operands[1 - k];
    if (is_mask(rw, b)) return opt_select(rw, opt_operand(rw, b, 0), a, opt_fill(rw, &v->type, 0));
    if (!ir_is_fill(rw->to, b, &number) || !opt_is(rw, a, IR_SELECT)) continue;
    IrRef yes = opt_operand(rw, a, 1), no = opt_operand(rw, a, 2), c = opt_operand(rw, a, 0);
    bool numbers = ir_is_fill(rw->to, yes, &number) && ir_is_fill(rw->to, no, &number);
    if (!numbers && !opt_single(rw, a)) continue;
    if (is_zero(rw, no)) return opt_select(rw, c, opt_binary(rw, IR_MUL, yes, b), no);
    if (is_zero(rw, yes)) return opt_select(rw, c, yes, opt_binary(rw, IR_MUL, no, b));
  }
  return IR_NONE;
}

// select(c, x, 0) + select(c, 0, y) is select(c, x, y); select(c, x, 0) + select(c, y, 0) is select(c, x + y, 0).
static IrRef of_add(Rewrite *rw, const IrValue *v) {
  IrRef a = v->operands[0], b = v->operands[1];
  if (!opt_is(rw, a, IR_SELECT) || !opt_is(rw, b, IR_SELECT)) return IR_NONE;
  if (opt_operand(rw, a, 0) != opt_operand(rw, b, 0) || !opt_single(rw, a) || !opt_single(rw, b)) return IR_NONE;
  IrRef branch[2];
  for (int k = 0; k < 2; k++) {
    IrRef x = opt_operand(rw, a, k + 1), y = opt_operand(rw, b, k + 1);
    branch[k] = is_zero(rw, x) ? y : is_zero(rw, y) ? x : IR_NONE;
  }
  IrRef yes = branch[0], no = branch[1];
  if (yes == IR_NONE && no == IR_NONE) return IR_NONE;
  if (yes == IR_NONE) yes = opt_binary(rw, IR_ADD, opt_operand(rw, a, 1), opt_operand(rw, b, 1));
  if (no == IR_NONE) no = opt_binary(rw, IR_ADD, opt_operand(rw, a, 2), opt_operand(rw, b, 2));
  return opt_select(rw, opt_operand(rw, a, 0), yes, no);
}

// select(c, -x, -y) and select(c, -x, 0): the sign outwards
static IrRef of_select(Rewrite *rw, const IrValue *v) {
  IrRef inner[2];
  int signs = 0;
  for (int k = 0; k < 2; k++) {
    IrRef x = v->operands[k + 1];
    bool negative = opt_is(rw, x, IR_NEG) && opt_single(rw, x);
    if (!negative && !is_zero(rw, x)) return IR_NONE;
    signs += negative;
    inner[k] = negative ? opt_operand(rw, x, 0) : x;
  }
  return signs ? opt_unary(rw, IR_NEG, opt_select(rw, v->operands[0], inner[0], inner[1])) : IR_NONE;
}

IrRef algebra_select(Rewrite *rw, const IrValue *v) {
  if (v->op == IR_MUL) return of_mul(rw, v);
  if (v->op == IR_ADD) return of_add(rw, v);
  return v->op == IR_SELECT ? of_select(rw, v) : IR_NONE;
}
