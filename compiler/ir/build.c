// The builder: the only way by which values come into a function.
#include "compiler/ir/type.h"

#include <math.h>
#include <string.h>

IrFn *ir_fn_new(Arena *arena, const char *name) {
  IrFn *fn = ARENA_NEW(arena, IrFn);
  fn->name = arena_strdup(arena, name);
  fn->arena = fn->storage = arena;
  return fn;
}

// A long function gets an arena of its own for its values: each time it doubles, a copy would be left behind in the other.
void ir_push(IrFn *fn, const IrValue *v) {
  enum { LONG = 1024, ROOM = 8 << 20 };
  if (fn->values.len == LONG) fn->storage = arena_child(fn->arena, ROOM);
  VEC_PUSH(fn->storage, &fn->values, *v);
}

static const double *copy_numbers(Arena *arena, const IrType *type, const double *data) {
  int64_t n = ir_elements(type);
  double *copy = arena_dup(arena, data, (size_t)n * sizeof *data);
  for (int64_t i = 0; type->dtype == IR_F32 && i < n; i++) copy[i] = (double)(float)copy[i];
  return copy;
}

// The attributes that the op has, copied into the arena; the others are cleared.
static IrAttr keep_attributes(Arena *arena, IrOp op, const IrAttr *given, const IrType *type) {
  uint32_t has = ir_op_attributes(op);
  IrAttr a = {0};
  if (has & IRA_NAME) a.name = arena_strdup(arena, given->name);
  if (has & IRA_DATA) a.data = copy_numbers(arena, type, given->data);
  if (has & IRA_AXIS) a.axis = given->axis;
  if (has & IRA_BATCH) a.batch = given->batch;
  if (has & (IRA_RANGE | IRA_SIZE)) a.from = given->from;
  if (has & IRA_RANGE) a.to = given->to;
  if (has & (IRA_RANGE | IRA_STEP)) a.step = given->step;
  if (has & IRA_AXES) a.axes = given->axes;
  if (has & IRA_ORDER) memcpy(a.order, given->order, type->rank);
  if (has & IRA_DRAW) a.draw = given->draw;
  if (has & IRA_SCAN) a.backwards = given->backwards, a.exclusive = given->exclusive;
  if (has & IRA_BACKWARDS) a.backwards = given->backwards;
  if (has & IRA_UPPER) a.upper = given->upper;
  return a;
}

bool ir_is_leaf(IrOp op) { return op == IR_INPUT || op == IR_PARAM || op == IR_STATE || op == IR_COUNTER; }

IrRef ir_build(IrFn *fn, IrOp op, const IrRef *operands, uint32_t n, const IrAttr *attr, const IrType *declared) {
  IrType type = {0};
  const char *problem = ir_infer(fn, fn->arena, op, operands, n, attr, declared, &type);
  if (problem) ir_fail("%s in \"%s\": %s", ir_op_info[op].name, fn->name, problem);
  IrValue v = {.op = op, .type = type, .n_operands = n, .span = fn->span};
  if (n) v.operands = arena_dup(fn->arena, operands, n * sizeof *operands);
  if (attr && ir_op_attributes(op)) v.attr = keep_attributes(fn->arena, op, attr, &type);
  ir_push(fn, &v);
  if (ir_is_leaf(op)) map_put(fn->arena, &fn->leaves, v.attr.name, (void *)(uintptr_t)fn->values.len);
  return (IrRef)(fn->values.len - 1);
}

void ir_output(IrFn *fn, const char *name, IrRef value) {
  IrOutput output = {arena_strdup(fn->arena, name), value};
  VEC_PUSH(fn->arena, &fn->outputs, output);
}

bool *ir_needed(Arena *arena, const IrFn *fn) {
  bool *needed = ARENA_ARRAY(arena, bool, fn->values.len + 1);
  for (size_t i = 0; i < fn->outputs.len; i++) needed[fn->outputs.at[i].value] = true;
  for (size_t i = fn->values.len; i-- > 0;) {
    const IrValue *v = &fn->values.at[i];
    for (uint32_t k = 0; needed[i] && k < v->n_operands; k++) needed[v->operands[k]] = true;
  }
  return needed;
}

// ---- leaves

IrRef ir_const(IrFn *fn, IrType type, const double *data) { return ir_build(fn, IR_CONST, NULL, 0, &(IrAttr){.data = data}, &type); }

IrRef ir_number(IrFn *fn, IrDtype dtype, double x) { return ir_const(fn, ir_scalar(dtype), &x); }

IrRef ir_fill(IrFn *fn, IrType type, double x) {
  static const int8_t none[IR_MAX_RANK] = {-1, -1, -1, -1, -1, -1, -1, -1};
  IrRef number = ir_number(fn, type.dtype, x);
  return type.rank ? ir_broadcast(fn, number, type.rank, type.axes, none) : number;
}

IrRef ir_iota(IrFn *fn, IrType type, int axis) {
  int events = ir_event_axes(&type);
  IrType own = ir_type(type.dtype, type.rank - events, type.axes + events);
  IrRef iota = ir_build(fn, IR_IOTA, NULL, 0, &(IrAttr){.axis = (int8_t)(axis - events)}, &own);
  if (!events) return iota;
  int8_t order[IR_MAX_RANK];
  for (int i = 0; i < type.rank; i++) order[i] = (int8_t)(i < events ? -1 : i - events);
  return ir_broadcast(fn, iota, type.rank, type.axes, order);
}

IrRef ir_leaf(IrFn *fn, IrOp op, const char *name, IrType type) {
  uintptr_t known = (uintptr_t)map_get(&fn->leaves, name);
  if (!known) return ir_build(fn, op, NULL, 0, &(IrAttr){.name = name}, &type);
  const IrValue *v = ir_at(fn, (IrRef)(known - 1));
  if (v->op != op || !ir_type_equal(&v->type, &type))
    ir_fail("\"%s\" in \"%s\" is %s %s, not %s %s", name, fn->name, ir_op_info[v->op].name, ir_type_text(fn->arena, &v->type), ir_op_info[op].name,
            ir_type_text(fn->arena, &type));
  return (IrRef)(known - 1);
}

IrRef ir_draw(IrFn *fn, IrDraw kind, const char *site, IrType type) {
  return ir_build(fn, IR_DRAW, NULL, 0, &(IrAttr){.name = site, .draw = (uint8_t)kind}, &type);
}

// ---- elementwise

IrRef ir_unary(IrFn *fn, IrOp op, IrRef a) { return ir_build(fn, op, &a, 1, NULL, NULL); }

// The first operand that has axes, else the first.
static IrRef shaped(const IrFn *fn, const IrRef *operands, uint32_t n) {
  for (uint32_t i = 0; i < n; i++) {
    if (ir_type_of(fn, operands[i])->rank) return operands[i];
  }
  return operands[0];
}

static IrRef build_stretched(IrFn *fn, IrOp op, IrRef *operands, uint32_t n) {
  IrRef like = shaped(fn, operands, n);
  for (uint32_t i = 0; i < n; i++) {
    if (ir_type_of(fn, operands[i])->rank == 0) operands[i] = ir_broadcast_like(fn, operands[i], like);
  }
  return ir_build(fn, op, operands, n, NULL, NULL);
}

IrRef ir_binary(IrFn *fn, IrOp op, IrRef a, IrRef b) { return build_stretched(fn, op, (IrRef[]){a, b}, 2); }

IrRef ir_select(IrFn *fn, IrRef c, IrRef a, IrRef b) { return build_stretched(fn, IR_SELECT, (IrRef[]){c, a, b}, 3); }

IrRef ir_fma(IrFn *fn, IrRef a, IrRef b, IrRef c) { return build_stretched(fn, IR_FMA, (IrRef[]){a, b, c}, 3); }

IrRef ir_cast(IrFn *fn, IrRef a, IrDtype dtype) {
  if (ir_type_of(fn, a)->dtype == dtype) return a;
  return ir_build(fn, IR_CAST, &a, 1, NULL, &(IrType){.dtype = dtype});
}

// ---- shape and index

IrRef ir_reshape(IrFn *fn, IrRef a, int rank, const int64_t *axes) {
  IrType type = ir_type(ir_type_of(fn, a)->dtype, rank, axes);
  return ir_build(fn, IR_RESHAPE, &a, 1, NULL, &type);
}

IrRef ir_transpose(IrFn *fn, IrRef a, const int8_t *order) {
  IrAttr attr = {0};
  memcpy(attr.order, order, ir_type_of(fn, a)->rank);
  return ir_build(fn, IR_TRANSPOSE, &a, 1, &attr, NULL);
}

IrRef ir_broadcast(IrFn *fn, IrRef a, int rank, const int64_t *axes, const int8_t *from) {
  IrType type = ir_type(ir_type_of(fn, a)->dtype, rank, axes);
  IrAttr attr = {0};
  memcpy(attr.order, from, (size_t)rank);
  return ir_build(fn, IR_BROADCAST, &a, 1, &attr, &type);
}

IrRef ir_broadcast_like(IrFn *fn, IrRef a, IrRef like) {
  IrType own = *ir_type_of(fn, a), target = *ir_type_of(fn, like);
  if (ir_same_axes(&own, &target)) return a;
  int8_t order[IR_MAX_RANK];
  int extra = target.rank - own.rank;
  for (int i = 0; i < target.rank; i++) order[i] = (int8_t)(i < extra ? -1 : i - extra);
  return ir_broadcast(fn, a, target.rank, target.axes, order);
}

IrRef ir_slice(IrFn *fn, IrRef a, int axis, int64_t from, int64_t to, int64_t step) {
  return ir_build(fn, IR_SLICE, &a, 1, &(IrAttr){.axis = (int8_t)axis, .from = from, .to = to, .step = step}, NULL);
}

IrRef ir_pad(IrFn *fn, IrRef a, int axis, int64_t before, int64_t after, int64_t dilation) {
  return ir_build(fn, IR_PAD, &a, 1, &(IrAttr){.axis = (int8_t)axis, .from = before, .to = after, .step = dilation}, NULL);
}

IrRef ir_windows(IrFn *fn, IrRef a, int axis, int64_t size, int64_t step) {
  return ir_build(fn, IR_WINDOWS, &a, 1, &(IrAttr){.axis = (int8_t)axis, .from = size, .step = step}, NULL);
}

IrRef ir_fold(IrFn *fn, IrRef a, int axis, int64_t n, int64_t step) {
  return ir_build(fn, IR_FOLD, &a, 1, &(IrAttr){.axis = (int8_t)axis, .from = n, .step = step}, NULL);
}

IrRef ir_concat(IrFn *fn, const IrRef *parts, uint32_t n, int axis) { return ir_build(fn, IR_CONCAT, parts, n, &(IrAttr){.axis = (int8_t)axis}, NULL); }

IrRef ir_gather(IrFn *fn, IrRef x, IrRef index, int batch, int axis) {
  return ir_build(fn, IR_GATHER, (IrRef[]){x, index}, 2, &(IrAttr){.batch = (int8_t)batch, .axis = (int8_t)axis}, NULL);
}

IrRef ir_scatter_add(IrFn *fn, IrRef g, IrRef index, int batch, int axis, int64_t n) {
  IrAttr attr = {.batch = (int8_t)batch, .axis = (int8_t)axis, .from = n};
  return ir_build(fn, IR_SCATTER_ADD, (IrRef[]){g, index}, 2, &attr, NULL);
}

// ---- reduction, contraction, linear algebra

IrRef ir_sum(IrFn *fn, IrRef a, uint32_t axes) { return axes ? ir_build(fn, IR_SUM, &a, 1, &(IrAttr){.axes = axes}, NULL) : a; }

IrRef ir_amax(IrFn *fn, IrRef a, uint32_t axes) { return axes ? ir_build(fn, IR_AMAX, &a, 1, &(IrAttr){.axes = axes}, NULL) : a; }

IrRef ir_argmax(IrFn *fn, IrRef a, int axis) { return ir_build(fn, IR_ARGMAX, &a, 1, &(IrAttr){.axis = (int8_t)axis}, NULL); }

IrRef ir_sort(IrFn *fn, IrRef a, int axis, int64_t k, bool backwards) {
  return ir_build(fn, IR_SORT, &a, 1, &(IrAttr){.axis = (int8_t)axis, .from = k, .backwards = backwards}, NULL);
}

IrRef ir_cumsum(IrFn *fn, IrRef a, int axis, bool backwards, bool exclusive) {
  IrAttr attr = {.axis = (int8_t)axis, .backwards = backwards, .exclusive = exclusive};
  return ir_build(fn, IR_CUMSUM, &a, 1, &attr, NULL);
}

// Sums the letters of operand k that stand nowhere else, and takes them out of e.
static IrRef sum_lone_letters(IrFn *fn, IrEinsum *e, int k, IrRef operand) {
  uint32_t axes = 0;
  uint8_t kept = 0;
  if (e->rank[k] != ir_type_of(fn, operand)->rank) return operand;
  for (int i = 0; i < e->rank[k]; i++) {
    char letter = e->letters[k][i];
    if (ir_einsum_axis(e, 1 - k, letter) < 0 && ir_einsum_axis(e, 2, letter) < 0) axes |= 1u << i;
    else e->letters[k][kept++] = letter;
  }
  e->letters[k][kept] = 0;
  e->rank[k] = kept;
  return ir_sum(fn, operand, axes);
}

IrRef ir_einsum(IrFn *fn, const char *spec, IrRef a, IrRef b) {
  IrEinsum e;
  if (!ir_einsum_parse(spec, &e)) ir_fail("einsum in \"%s\": \"%s\" is no spec", fn->name, spec);
  a = sum_lone_letters(fn, &e, 0, a);
  b = sum_lone_letters(fn, &e, 1, b);
  const char *rest = arena_printf(fn->arena, "%s,%s->%s", e.letters[0], e.letters[1], e.letters[2]);
  return ir_build(fn, IR_EINSUM, (IrRef[]){a, b}, 2, &(IrAttr){.name = rest}, NULL);
}

IrRef ir_tri_inverse(IrFn *fn, IrRef a, bool upper) { return ir_build(fn, IR_TRI_INVERSE, &a, 1, &(IrAttr){.upper = upper}, NULL); }
