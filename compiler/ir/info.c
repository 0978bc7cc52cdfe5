// What each op is: ops.def as a table, and which attributes the ops have.
#include "compiler/ir/ir.h"

#include <string.h>

const IrOpInfo ir_op_info[IR_OP_COUNT] = {
#define OP(ENUM, TEXT, OPERANDS, CLASS, LOWER, SHAPE_RULE, ADJOINT, EVAL, FLOPS, LOW, HIGH)                                                                    \
  [IR_##ENUM] = {TEXT, OPERANDS, IRC_##CLASS, IRL_##LOWER, FLOPS, LOW, HIGH},
#include "compiler/ir/ops.def"
#undef OP
};

uint32_t ir_op_attributes(IrOp op) {
  static const uint32_t fields[IR_OP_COUNT] = {
      [IR_CONST] = IRA_DATA,
      [IR_IOTA] = IRA_AXIS,
      [IR_INPUT] = IRA_NAME,
      [IR_PARAM] = IRA_NAME,
      [IR_STATE] = IRA_NAME,
      [IR_COUNTER] = IRA_NAME,
      [IR_DRAW] = IRA_DRAW | IRA_NAME,
      [IR_TRANSPOSE] = IRA_ORDER,
      [IR_BROADCAST] = IRA_ORDER,
      [IR_SLICE] = IRA_AXIS | IRA_RANGE,
      [IR_PAD] = IRA_AXIS | IRA_RANGE,
      [IR_CONCAT] = IRA_AXIS,
      [IR_GATHER] = IRA_BATCH | IRA_AXIS,
      [IR_SCATTER_ADD] = IRA_BATCH | IRA_AXIS | IRA_SIZE,
      [IR_WINDOWS] = IRA_AXIS | IRA_SIZE | IRA_STEP,
      [IR_FOLD] = IRA_AXIS | IRA_SIZE | IRA_STEP,
      [IR_SUM] = IRA_AXES,
      [IR_AMAX] = IRA_AXES,
      [IR_ARGMAX] = IRA_AXIS,
      [IR_SORT] = IRA_AXIS | IRA_SIZE | IRA_BACKWARDS,
      [IR_CUMSUM] = IRA_AXIS | IRA_SCAN,
      [IR_EINSUM] = IRA_NAME,
      [IR_TRI_INVERSE] = IRA_UPPER,
  };
  return fields[op];
}

bool ir_op_find(const char *name, IrOp *op) {
  for (int i = 0; i < IR_OP_COUNT; i++) {
    if (strcmp(ir_op_info[i].name, name) == 0) return *op = (IrOp)i, true;
  }
  return false;
}

const char *ir_op_word(IrOp op) {
  switch (op) {
  case IR_NEG:
  case IR_SUB: return "-";
  case IR_ADD:
  case IR_FMA: return "+";
  case IR_MUL: return "*";
  case IR_DIV: return "/";
  case IR_POW: return "^";
  case IR_MOD: return "%";
  case IR_EQ: return "==";
  case IR_LT: return "<";
  case IR_LE: return "<=";
  case IR_SELECT: return "if";
  case IR_STOP: return "stop_gradient";
  case IR_NORMAL_ICDF: return "probit";
  default: return ir_op_info[op].name;
  }
}
