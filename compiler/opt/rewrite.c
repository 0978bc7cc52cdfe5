#include "compiler/opt/rewrite.h"

#include <string.h>

// Rules that call each other deeper than this stop simplifying: the value is built as it is.
enum { DEEPEST = 40 };

uint32_t *opt_count_uses(Arena *arena, const IrFn *fn) {
  uint32_t *uses = ARENA_ARRAY(arena, uint32_t, fn->values.len + 1);
  for (size_t i = 0; i < fn->values.len; i++) {
    const IrValue *v = &fn->values.at[i];
    for (uint32_t k = 0; k < v->n_operands; k++) uses[v->operands[k]]++;
  }
  for (size_t i = 0; i < fn->outputs.len; i++) uses[fn->outputs.at[i].value]++;
  return uses;
}

Rewrite opt_rewrite(Arena *arena, const IrFn *fn, OptRule *rule) {
  Rewrite rw = {.arena = arena, .scratch = arena_create(), .from = fn, .rule = rule};
  rw.to = ir_fn_new(arena, fn->name);
  rw.map = ARENA_ARRAY(rw.scratch, IrRef, fn->values.len + 1);
  for (size_t i = 0; i < fn->values.len; i++) rw.map[i] = IR_NONE;
  rw.uses = opt_count_uses(rw.scratch, fn);
  return rw;
}

void opt_set(Rewrite *rw, IrRef i, IrRef r) {
  if (!ir_type_equal(ir_type_of(rw->from, i), opt_type(rw, r)))
    ir_fail("a pass changed the type of value %u (%s) of \"%s\"", i, ir_op_info[ir_at(rw->from, i)->op].name, rw->from->name);
  rw->map[i] = r;
  while (rw->to_uses.len <= r) VEC_PUSH(rw->scratch, &rw->to_uses, 0);
  rw->to_uses.at[r] += rw->uses[i];
}

bool opt_single(const Rewrite *rw, IrRef r) { return r >= rw->to_uses.len || rw->to_uses.at[r] <= 1; }

// Types and attributes were checked when the value was first built: it is only moved into this function's arena.
IrRef opt_put(Rewrite *rw, const IrValue *given) {
  IrFn *fn = rw->to;
  IrValue v = *given;
  bool moved = rw->from->arena != fn->arena;
  if (v.n_operands) v.operands = arena_dup(fn->arena, v.operands, v.n_operands * sizeof *v.operands);
  if (moved && v.attr.name) v.attr.name = arena_strdup(fn->arena, v.attr.name);
  if (moved && v.attr.data) v.attr.data = arena_dup(fn->arena, v.attr.data, (size_t)ir_elements(&v.type) * sizeof(double));
  ir_push(fn, &v);
  IrRef r = (IrRef)(fn->values.len - 1);
  if (ir_is_leaf(v.op)) map_put(fn->arena, &fn->leaves, v.attr.name, (void *)(uintptr_t)fn->values.len);
  return r;
}

IrValue opt_on_mapped_operands(Rewrite *rw, IrRef i) {
  IrValue v = *ir_at(rw->from, i);
  IrRef *operands = ARENA_ARRAY(rw->scratch, IrRef, v.n_operands + 1);
  for (uint32_t k = 0; k < v.n_operands; k++) operands[k] = rw->map[v.operands[k]];
  v.operands = operands;
  return v;
}

IrRef opt_copy(Rewrite *rw, IrRef i) {
  IrValue v = opt_on_mapped_operands(rw, i);
  IrRef r = opt_put(rw, &v);
  opt_set(rw, i, r);
  return r;
}

IrFn *opt_rewrite_all(Rewrite *rw) {
  for (IrRef i = 0; i < rw->from->values.len; i++) {
    if (rw->uses[i] == 0) continue;
    IrValue v = opt_on_mapped_operands(rw, i);
    rw->to->span = v.span;
    opt_set(rw, i, opt_build(rw, &v));
  }
  return opt_rewrite_end(rw);
}

IrFn *opt_rewrite_end(Rewrite *rw) {
  for (size_t i = 0; i < rw->from->outputs.len; i++) {
    const IrOutput *o = &rw->from->outputs.at[i];
    ir_output(rw->to, o->name, rw->map[o->value]);
  }
  rw->to->span = rw->from->span;
  arena_destroy(rw->scratch);
  return rw->to;
}

// ---- builders

IrRef opt_build(Rewrite *rw, const IrValue *v) {
  if (rw->rule && rw->depth < DEEPEST) {
    rw->depth++;
    IrRef r = rw->rule(rw, v);
    rw->depth--;
    if (r != IR_NONE) return r;
  }
  return opt_put(rw, v);
}

IrRef opt_make(Rewrite *rw, IrOp op, const IrRef *operands, uint32_t n, const IrAttr *attr, const IrType *declared) {
  IrValue v = {.op = op, .n_operands = n, .operands = operands, .span = rw->to->span};
  const char *problem = ir_infer(rw->to, rw->scratch, op, operands, n, attr, declared, &v.type);
  if (problem) ir_fail("a pass builds %s: %s", ir_op_info[op].name, problem);
  if (attr) v.attr = *attr;
  return opt_build(rw, &v);
}

IrRef opt_unary(Rewrite *rw, IrOp op, IrRef a) { return opt_make(rw, op, &a, 1, NULL, NULL); }

IrRef opt_binary(Rewrite *rw, IrOp op, IrRef a, IrRef b) { return opt_make(rw, op, (IrRef[]){a, b}, 2, NULL, NULL); }

IrRef opt_select(Rewrite *rw, IrRef c, IrRef a, IrRef b) { return opt_make(rw, IR_SELECT, (IrRef[]){c, a, b}, 3, NULL, NULL); }

IrRef opt_cast(Rewrite *rw, IrRef a, IrDtype dtype) {
  if (opt_type(rw, a)->dtype == dtype) return a;
  return opt_make(rw, IR_CAST, &a, 1, NULL, &(IrType){.dtype = dtype});
}

IrRef opt_reshape(Rewrite *rw, IrRef a, int rank, const int64_t *axes) {
  IrType type = ir_type(opt_type(rw, a)->dtype, rank, axes);
  return opt_make(rw, IR_RESHAPE, &a, 1, NULL, &type);
}

IrRef opt_broadcast(Rewrite *rw, IrRef a, const IrType *axes, const int8_t *from) {
  IrAttr attr = {0};
  memcpy(attr.order, from, axes->rank);
  return opt_make(rw, IR_BROADCAST, &a, 1, &attr, axes);
}

IrRef opt_slice(Rewrite *rw, IrRef a, int axis, int64_t from, int64_t to, int64_t step) {
  IrAttr attr = {.axis = (int8_t)axis, .from = from, .to = to, .step = step};
  return opt_make(rw, IR_SLICE, &a, 1, &attr, NULL);
}

IrRef opt_pad(Rewrite *rw, IrRef a, int axis, int64_t before, int64_t after) {
  IrAttr attr = {.axis = (int8_t)axis, .from = before, .to = after, .step = 1};
  return opt_make(rw, IR_PAD, &a, 1, &attr, NULL);
}

IrRef opt_concat(Rewrite *rw, const IrRef *parts, uint32_t n, int axis) { return opt_make(rw, IR_CONCAT, parts, n, &(IrAttr){.axis = (int8_t)axis}, NULL); }

IrRef opt_sum(Rewrite *rw, IrRef a, uint32_t axes) { return axes ? opt_make(rw, IR_SUM, &a, 1, &(IrAttr){.axes = axes}, NULL) : a; }

IrRef opt_number(Rewrite *rw, IrDtype dtype, double x) { return ir_number(rw->to, dtype, x); }

IrRef opt_fill(Rewrite *rw, const IrType *type, double x) { return ir_fill(rw->to, *type, x); }

IrRef opt_number_like(Rewrite *rw, IrRef like, double x) { return ir_fill(rw->to, *opt_type(rw, like), x); }
