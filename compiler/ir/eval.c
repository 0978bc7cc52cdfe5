// The reference evaluator: the definition of what a function computes. Values in order, plain loops, float64.
#include "compiler/ir/eval.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/philox.h"

Extents eval_extents(const Eval *e, const IrType *t) {
  Extents x = {.rank = t->rank};
  for (int i = 0; i < t->rank; i++) x.at[i] = t->axes[i] < 0 ? e->env->events : t->axes[i];
  return x;
}

int64_t eval_size(const Eval *e, const IrType *t) {
  int64_t n = ir_elements(t);
  for (int i = ir_event_axes(t); i > 0; i--) n *= e->env->events;
  return n;
}

void eval_strides(const Extents *x, int64_t strides[IR_MAX_RANK]) {
  int64_t step = 1;
  for (int i = x->rank - 1; i >= 0; i--) strides[i] = step, step *= x->at[i];
}

bool eval_next(const Extents *x, int64_t index[IR_MAX_RANK]) {
  for (int i = x->rank - 1; i >= 0; i--) {
    if (++index[i] < x->at[i]) return true;
    index[i] = 0;
  }
  return false;
}

// ---- leaves

void eval_const_(Eval *e, const IrValue *v, double *y) { memcpy(y, v->attr.data, (size_t)eval_size(e, &v->type) * sizeof *y); }

void eval_iota(Eval *e, const IrValue *v, double *y) {
  Extents x = eval_extents(e, &v->type);
  int64_t n = eval_size(e, &v->type), strides[IR_MAX_RANK];
  eval_strides(&x, strides);
  for (int64_t i = 0; i < n; i++) y[i] = (double)(i / strides[v->attr.axis] % x.at[v->attr.axis]);
}

void eval_input(Eval *e, const IrValue *v, double *y) {
  int64_t n = eval_size(e, &v->type);
  for (size_t i = 0; i < e->env->n_leaves; i++) {
    const IrArray *leaf = &e->env->leaves[i];
    if (strcmp(leaf->name, v->attr.name) != 0) continue;
    if (leaf->n == n) memcpy(y, leaf->data, (size_t)n * sizeof *y);
    else
      e->error = arena_printf(e->arena, "%s \"%s\" has %lld numbers, %s of %lld events has %lld", ir_op_info[v->op].name, leaf->name, (long long)leaf->n,
                              ir_type_text(e->arena, &v->type), (long long)e->env->events, (long long)n);
    return;
  }
  e->error = arena_printf(e->arena, "%s \"%s\" is missing", ir_op_info[v->op].name, v->attr.name);
}

static void draw_numbers(const IrValue *v, uint64_t key, uint64_t event, uint32_t pass, int64_t n, double *y) {
  bool single = v->type.dtype == IR_F32;
  switch ((IrDraw)v->attr.draw) {
  case IR_DRAW_BITS:
    for (int64_t j = 0; j < n; j++) y[j] = (int32_t)philox_bits(key, event, pass, (uint64_t)j);
    return;
  case IR_DRAW_UNIFORM: philox_uniforms(single, key, event, pass, n, y); return;
  case IR_DRAW_NORMAL: philox_normals(single, key, event, pass, n, y); return;
  case IR_DRAW_NUMBER:
    for (int64_t j = 0; j < n; j++) y[j] = (double)event;
    return;
  }
  ir_fail("draw of kind %d", v->attr.draw);
}

void eval_draw(Eval *e, const IrValue *v, double *y) {
  const IrEnv *env = e->env;
  uint64_t key = philox_key(env->seed, v->attr.name);
  int64_t n = ir_elements(&v->type), events = ir_has_events(&v->type) ? env->events : 1;
  for (int64_t k = 0; k < events; k++) {
    int64_t event = !ir_has_events(&v->type) ? 0 : env->event_ids ? env->event_ids[k] : k;
    draw_numbers(v, key, (uint64_t)event, env->pass, n, y + k * n);
  }
}

// ---- the walk

static EvalRule *const rules[IR_OP_COUNT] = {
#define OP(ENUM, TEXT, OPERANDS, CLASS, LOWER, SHAPE_RULE, ADJOINT, EVAL, ...) [IR_##ENUM] = eval_##EVAL,
#include "compiler/ir/ops.def"
#undef OP
};

double *eval_numbers(size_t n) {
  double *p = calloc(n + 1, sizeof(double));
  if (!p) ir_fail("out of memory: the evaluator wants %zu numbers", n);
  return p;
}

// By value: the last value that reads it; the number of values where it is an output.
static IrRef *last_uses(const IrFn *fn, Arena *scratch) {
  IrRef *last = ARENA_ARRAY(scratch, IrRef, fn->values.len + 1);
  for (IrRef r = 0; r < fn->values.len; r++) {
    last[r] = r;
    for (uint32_t i = 0; i < ir_at(fn, r)->n_operands; i++) last[ir_at(fn, r)->operands[i]] = r;
  }
  for (size_t i = 0; i < fn->outputs.len; i++) last[fn->outputs.at[i].value] = (IrRef)fn->values.len;
  return last;
}

bool eval_rounds(const Eval *e, IrDtype dtype) { return (dtype == IR_F32 && e->env->round_f32) || (dtype == IR_F64 && e->env->f64_bits != 0); }

double eval_round(const Eval *e, IrDtype dtype, double x) {
  if (dtype == IR_F32) return (double)(float)x;
  int exponent;
  double share = frexp(x, &exponent);
  return isfinite(x) ? ldexp(rint(ldexp(share, e->env->f64_bits)), exponent - e->env->f64_bits) : x;
}

static void round_value(Eval *e, const IrValue *v, double *y) {
  if (!eval_rounds(e, v->type.dtype)) return;
  for (int64_t i = eval_size(e, &v->type) - 1; i >= 0; i--) y[i] = eval_round(e, v->type.dtype, y[i]);
}

static void release(Eval *e, IrRef r) {
  free(e->values[r]);
  e->values[r] = NULL;
}

static void walk(Eval *e, const IrRef *last) {
  for (IrRef r = 0; r < e->fn->values.len && !e->error; r++) {
    const IrValue *v = ir_at(e->fn, r);
    if (last[r] == r) continue; // nobody reads it
    e->values[r] = eval_numbers((size_t)eval_size(e, &v->type));
    rules[v->op](e, v, e->values[r]);
    round_value(e, v, e->values[r]);
    if (e->env->watch) e->env->watch(e->env->watch_data, r, e->values[r], eval_size(e, &v->type));
    for (uint32_t i = 0; i < v->n_operands; i++) {
      if (last[v->operands[i]] == r) release(e, v->operands[i]);
    }
  }
}

bool ir_eval(const IrFn *fn, const IrEnv *env, Arena *arena, IrArray *outputs, const char **error) {
  Arena *scratch = arena_create();
  Eval e = {.fn = fn, .env = env, .arena = arena, .values = ARENA_ARRAY(scratch, double *, fn->values.len + 1)};
  walk(&e, last_uses(fn, scratch));
  for (size_t i = 0; i < fn->outputs.len && !e.error; i++) {
    const IrOutput *output = &fn->outputs.at[i];
    int64_t n = eval_size(&e, ir_type_of(fn, output->value));
    double *data = arena_dup(arena, e.values[output->value], (size_t)n * sizeof *data);
    outputs[i] = (IrArray){output->name, n, data};
  }
  for (IrRef r = 0; r < fn->values.len; r++) release(&e, r);
  arena_destroy(scratch);
  if (e.error && error) *error = e.error;
  return !e.error;
}
