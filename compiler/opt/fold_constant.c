// Constants: a value whose operands are known is computed by the reference evaluator and becomes a constant.
//
// An array that is one number everywhere is always held as that number and a broadcast, so that rules find it at once.
#include "compiler/opt/fold.h"

// Larger results stay expressions: they are cheaper to compute than to carry.
enum { LARGEST = 4096, LARGEST_OPERAND = 65536, DEEPEST = 4 };

static bool is_known(const Rewrite *rw, IrRef r, int depth) {
  const IrValue *v = opt_at(rw, r);
  if (ir_has_events(&v->type) || ir_elements(&v->type) > LARGEST_OPERAND) return false;
  if (v->op == IR_CONST || v->op == IR_IOTA) return true;
  return v->op == IR_BROADCAST && depth > 0 && is_known(rw, v->operands[0], depth - 1);
}

// The known value r of rw->to, built again in fn.
static IrRef carry(Rewrite *rw, IrFn *fn, IrRef r) {
  const IrValue *v = opt_at(rw, r);
  if (v->op != IR_BROADCAST) return ir_build(fn, v->op, NULL, 0, &v->attr, &v->type);
  return ir_broadcast(fn, carry(rw, fn, v->operands[0]), v->type.rank, v->type.axes, v->attr.order);
}

static IrRef from_numbers(Rewrite *rw, const IrType *type, const double *data) {
  int64_t n = ir_elements(type);
  if (n == 0) return ir_const(rw->to, *type, data);
  for (int64_t i = 1; i < n; i++) {
    if (!(data[i] == data[0])) return ir_const(rw->to, *type, data);
  }
  return opt_fill(rw, type, data[0]);
}

// v computed on the given operands of a function of its own; type: what v has there.
static const double *compute(IrFn *fn, const IrValue *v, const IrRef *operands, const IrType *type) {
  ir_output(fn, "value", ir_build(fn, v->op, operands, v->n_operands, &v->attr, type));
  IrEnv env = {.events = 1};
  IrArray result;
  const char *error;
  if (!ir_eval(fn, &env, fn->arena, &result, &error)) ir_fail("constant %s: %s", ir_op_info[v->op].name, error);
  return result.data;
}

// Elementwise on one number everywhere: one number everywhere, whatever the shape.
static IrRef fold_fills(Rewrite *rw, const IrValue *v) {
  double x[IR_MAX_OPERANDS];
  for (uint32_t k = 0; k < v->n_operands; k++) {
    if (!ir_is_fill(rw->to, v->operands[k], &x[k])) return IR_NONE;
  }
  IrFn *fn = ir_fn_new(rw->scratch, "constant");
  IrRef operands[IR_MAX_OPERANDS];
  for (uint32_t k = 0; k < v->n_operands; k++) operands[k] = ir_number(fn, opt_type(rw, v->operands[k])->dtype, x[k]);
  IrType scalar = ir_scalar(v->type.dtype);
  return opt_fill(rw, &v->type, *compute(fn, v, operands, &scalar));
}

IrRef fold_constant(Rewrite *rw, const IrValue *v) {
  IrClass class = ir_op_info[v->op].class;
  if (v->op == IR_CONST && v->type.rank > 0 && ir_elements(&v->type) > 0) {
    IrRef r = opt_put(rw, v);
    double x;
    return ir_is_fill(rw->to, r, &x) ? opt_fill(rw, &v->type, x) : r;
  }
  if (class == IRC_LEAF || v->op == IR_BROADCAST) return IR_NONE;
  if (class == IRC_ELEMENT) {
    IrRef r = fold_fills(rw, v);
    if (r != IR_NONE) return r;
  }
  if (ir_has_events(&v->type) || ir_elements(&v->type) > LARGEST) return IR_NONE;
  for (uint32_t k = 0; k < v->n_operands; k++) {
    if (!is_known(rw, v->operands[k], DEEPEST)) return IR_NONE;
  }
  IrFn *fn = ir_fn_new(rw->scratch, "constant");
  IrRef *operands = ARENA_ARRAY(rw->scratch, IrRef, v->n_operands);
  for (uint32_t k = 0; k < v->n_operands; k++) operands[k] = carry(rw, fn, v->operands[k]);
  return from_numbers(rw, &v->type, compute(fn, v, operands, &v->type));
}
