// The laws of the IR, checked behind the passes:
//
//   1. An operand is an earlier value; the number of operands is the op's.
//   2. The type of a value is the one its shape rule infers (shape*.c: where event axes stand, dtypes, attributes).
//   3. Attributes that the op does not have are clear.
//   4. Numbers of a constant are numbers of its dtype.
//   5. A name belongs to one leaf. Draws of one site are of one kind and type: they are the same numbers.
//   6. Outputs have distinct names and are values of the function.
#include "compiler/ir/verify.h"

#include <string.h>

static bool attributes_clear(const IrValue *v) {
  uint32_t has = ir_op_attributes(v->op);
  const IrAttr *a = &v->attr;
  int8_t rank = has & IRA_ORDER ? (int8_t)v->type.rank : 0;
  for (int i = rank; i < IR_MAX_RANK; i++) {
    if (a->order[i]) return false;
  }
  return (has & IRA_NAME || !a->name) && (has & IRA_DATA || !a->data) && (has & (IRA_RANGE | IRA_SIZE) || !a->from) && (has & IRA_RANGE || !a->to) &&
         (has & (IRA_RANGE | IRA_STEP) || !a->step) && (has & IRA_AXES || !a->axes) && (has & IRA_AXIS || !a->axis) && (has & IRA_BATCH || !a->batch) &&
         (has & IRA_DRAW || !a->draw) && (has & (IRA_SCAN | IRA_BACKWARDS) || !a->backwards) && (has & IRA_SCAN || !a->exclusive) &&
         (has & IRA_UPPER || !a->upper);
}

static bool held_exactly(const IrValue *v) {
  if (v->op != IR_CONST || v->type.dtype != IR_F32) return true;
  for (int64_t i = 0; i < ir_elements(&v->type); i++) {
    double x = v->attr.data[i];
    if (x == x && x != (double)(float)x) return false;
  }
  return true;
}

typedef struct Names {
  Map leaves, sites, outputs; // name -> IrRef + 1
} Names;

static const char *check_name(const IrFn *fn, Arena *arena, Names *names, IrRef r) {
  const IrValue *v = ir_at(fn, r);
  if (v->op != IR_DRAW && !(ir_op_info[v->op].class == IRC_LEAF && v->attr.name)) return NULL;
  Map *map = v->op == IR_DRAW ? &names->sites : &names->leaves;
  uintptr_t known = (uintptr_t)map_get(map, v->attr.name);
  map_put(arena, map, v->attr.name, (void *)((uintptr_t)r + 1));
  if (!known) return NULL;
  const IrValue *first = ir_at(fn, (IrRef)(known - 1));
  if (v->op != IR_DRAW) return arena_printf(arena, "%%%u has this name already", (IrRef)(known - 1));
  if (first->attr.draw == v->attr.draw && ir_type_equal(&first->type, &v->type)) return NULL;
  return arena_printf(arena, "%%%u draws at this site another kind or type", (IrRef)(known - 1));
}

static const char *check_operands(const IrValue *v, Arena *arena, IrRef r) {
  for (uint32_t i = 0; i < v->n_operands; i++) {
    if (v->operands[i] >= r) return arena_printf(arena, "operand %%%u of %%%u is no earlier value", v->operands[i], r);
  }
  return NULL;
}

static const char *check_value(const IrFn *fn, Arena *arena, Names *names, IrRef r) {
  const IrValue *v = ir_at(fn, r);
  if ((unsigned)v->op >= IR_OP_COUNT) return arena_printf(arena, "%%%u has no op", r);
  if ((unsigned)v->type.dtype > IR_BF16 || v->type.rank > IR_MAX_RANK) return arena_printf(arena, "%%%u has no type", r);
  const char *problem = check_operands(v, arena, r);
  if (problem) return problem;
  IrType type = {0};
  problem = ir_infer(fn, arena, v->op, v->operands, v->n_operands, &v->attr, &v->type, &type);
  if (!problem && !ir_type_equal(&type, &v->type)) problem = arena_printf(arena, "the type is %s by the rule", ir_type_text(arena, &type));
  if (!problem && !attributes_clear(v)) problem = "an attribute is set that the op does not have";
  if (!problem && !held_exactly(v)) problem = "a number of the constant is no f32";
  if (!problem) problem = check_name(fn, arena, names, r);
  return problem ? arena_printf(arena, "%s: %s", ir_value_text(arena, fn, r), problem) : NULL;
}

const char *ir_verify_at(const IrFn *fn, Arena *arena, size_t *at) {
  Names names = {0};
  for (IrRef r = 0; r < fn->values.len; r++) {
    const char *problem = check_value(fn, arena, &names, r);
    if (problem) return *at = r, problem;
  }
  for (size_t i = 0; i < fn->outputs.len; i++) {
    const IrOutput *output = &fn->outputs.at[i];
    *at = fn->values.len + i;
    if (output->value >= fn->values.len) return arena_printf(arena, "output \"%s\": no value %%%u", output->name, output->value);
    if (map_get(&names.outputs, output->name)) return arena_printf(arena, "output \"%s\" stands twice", output->name);
    map_put(arena, &names.outputs, output->name, (void *)1);
  }
  return NULL;
}

const char *ir_verify(const IrFn *fn, Arena *arena) {
  size_t at;
  return ir_verify_at(fn, arena, &at);
}
