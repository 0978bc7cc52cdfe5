#include "lang/optimizer.h"

#include <stdlib.h>
#include <string.h>

#include "lang/diag.h"

const OptimizerInfo optimizer_info[OPTIMIZER_COUNT] = {
#define OPTIMIZER(ENUM, name, settings, memory, formula) [OPTIMIZER_##ENUM] = {OPTIMIZER_##ENUM, name, settings, memory, formula},
#include "lang/optimizers.def"
#undef OPTIMIZER
};

// ---- the table

static void read_settings(Arena *arena, Optimizer *o) {
  for (const char *at = o->info->settings; *at != 0 && o->settings < OPTIMIZER_MAX_SETTINGS;) {
    OptimizerSetting *s = &o->setting[o->settings++];
    size_t len = strcspn(at, "=");
    s->name = arena_strndup(arena, at, len);
    char *end = NULL;
    s->value[s->numbers++] = strtod(at + len + 1, &end);
    if (*end == ',') s->value[s->numbers++] = strtod(end + 1, &end);
    at = end + strspn(end, " ");
  }
}

bool optimizer_find(Arena *arena, const char *name, Optimizer *out) {
  for (int i = 0; i < OPTIMIZER_COUNT; i++) {
    if (strcmp(optimizer_info[i].name, name) != 0) continue;
    *out = (Optimizer){.info = &optimizer_info[i]};
    read_settings(arena, out);
    return true;
  }
  return false;
}

const char *optimizer_nearest(const char *name) {
  const char *names[OPTIMIZER_COUNT];
  for (int i = 0; i < OPTIMIZER_COUNT; i++) names[i] = optimizer_info[i].name;
  return diag_nearest(name, names, OPTIMIZER_COUNT);
}

OptimizerSetting *optimizer_setting(Optimizer *optimizer, const char *name) {
  for (int i = 0; i < optimizer->settings; i++)
    if (strcmp(optimizer->setting[i].name, name) == 0) return &optimizer->setting[i];
  return NULL;
}

static double setting(const Optimizer *o, const char *name, int which) {
  for (int i = 0; i < o->settings; i++)
    if (strcmp(o->setting[i].name, name) == 0) return o->setting[i].value[which];
  ir_fail("optimizer %s has no setting %s", o->info->name, name);
}

int optimizer_memory(Arena *arena, const Optimizer *optimizer, const char *names[OPTIMIZER_MAX_MEMORY]) {
  if (optimizer->info->kind == OPTIMIZER_SGD && setting(optimizer, "momentum", 0) == 0) return 0;
  int n = 0;
  for (const char *at = optimizer->info->memory; *at != 0; at += strspn(at, " ")) {
    size_t len = strcspn(at, " ");
    names[n++] = arena_strndup(arena, at, len);
    at += len;
  }
  return n;
}

bool optimizer_counts(const Optimizer *optimizer) {
  switch (optimizer->info->kind) {
  case OPTIMIZER_ADAM:
  case OPTIMIZER_ADAMW:
  case OPTIMIZER_ADAMAX: return true;
  case OPTIMIZER_SGD:
  case OPTIMIZER_RMSPROP:
  case OPTIMIZER_COUNT: return false;
  }
  return false;
}

// ---- the steps

static IrRef number(IrFn *fn, double x) { return ir_number(fn, IR_F64, x); }

IrRef scaled(IrFn *fn, IrRef array, IrRef factor) {
  IrRef f = ir_cast(fn, factor, ir_type_of(fn, array)->dtype);
  return ir_binary(fn, IR_MUL, array, f);
}

static IrRef times(IrFn *fn, IrRef array, double x) { return scaled(fn, array, number(fn, x)); }
static IrRef mixed(IrFn *fn, IrRef old, IrRef fresh, double keep) { // keep old + (1 - keep) fresh
  return ir_binary(fn, IR_ADD, times(fn, old, keep), times(fn, fresh, 1 - keep));
}
static IrRef square(IrFn *fn, IrRef a) { return ir_binary(fn, IR_MUL, a, a); }
static IrRef minus(IrFn *fn, IrRef a, IrRef b) { return ir_binary(fn, IR_SUB, a, b); }
static IrRef plus_number(IrFn *fn, IrRef a, double x) { return ir_binary(fn, IR_ADD, a, ir_number(fn, ir_type_of(fn, a)->dtype, x)); }
static IrRef correction(IrFn *fn, double beta, IrRef count) { // 1 - beta^t
  return minus(fn, number(fn, 1), ir_binary(fn, IR_POW, number(fn, beta), count));
}

static OptimizerStep sgd_step(IrFn *fn, const Optimizer *o, IrRef w, IrRef g, const IrRef *memory, IrRef rate) {
  double momentum = setting(o, "momentum", 0);
  OptimizerStep s = {.memory = {IR_NONE, IR_NONE}};
  IrRef direction = g;
  if (momentum != 0) {
    s.memory[0] = ir_binary(fn, IR_ADD, times(fn, memory[0], momentum), g);
    direction = s.memory[0];
    if (setting(o, "nesterov", 0) != 0) direction = ir_binary(fn, IR_ADD, g, times(fn, s.memory[0], momentum));
  }
  s.weight = minus(fn, w, scaled(fn, direction, rate));
  return s;
}

static OptimizerStep adam_step(IrFn *fn, const Optimizer *o, IrRef w, IrRef g, const IrRef *memory, IrRef rate, IrRef count) {
  double b1 = setting(o, "betas", 0), b2 = setting(o, "betas", 1);
  OptimizerStep s = {.memory = {mixed(fn, memory[0], g, b1), mixed(fn, memory[1], square(fn, g), b2)}};
  IrRef size = ir_binary(fn, IR_DIV, rate, correction(fn, b1, count));
  IrRef spread = ir_binary(fn, IR_DIV, number(fn, 1), ir_unary(fn, IR_SQRT, correction(fn, b2, count)));
  IrRef under = plus_number(fn, scaled(fn, ir_unary(fn, IR_SQRT, s.memory[1]), spread), setting(o, "eps", 0));
  s.weight = minus(fn, w, scaled(fn, ir_binary(fn, IR_DIV, s.memory[0], under), size));
  return s;
}

static OptimizerStep adamax_step(IrFn *fn, const Optimizer *o, IrRef w, IrRef g, const IrRef *memory, IrRef rate, IrRef count) {
  double b1 = setting(o, "betas", 0), b2 = setting(o, "betas", 1);
  IrRef now = plus_number(fn, ir_unary(fn, IR_ABS, g), setting(o, "eps", 0));
  OptimizerStep s = {.memory = {mixed(fn, memory[0], g, b1), ir_binary(fn, IR_MAX, times(fn, memory[1], b2), now)}};
  IrRef size = ir_binary(fn, IR_DIV, rate, correction(fn, b1, count));
  s.weight = minus(fn, w, scaled(fn, ir_binary(fn, IR_DIV, s.memory[0], s.memory[1]), size));
  return s;
}

static OptimizerStep rmsprop_step(IrFn *fn, const Optimizer *o, IrRef w, IrRef g, const IrRef *memory, IrRef rate) {
  OptimizerStep s = {.memory = {mixed(fn, memory[0], square(fn, g), setting(o, "decay", 0)), IR_NONE}};
  IrRef under = plus_number(fn, ir_unary(fn, IR_SQRT, s.memory[0]), setting(o, "eps", 0));
  s.weight = minus(fn, w, scaled(fn, ir_binary(fn, IR_DIV, g, under), rate));
  return s;
}

OptimizerStep optimizer_step(IrFn *fn, const Optimizer *optimizer, IrRef weight, IrRef gradient, const IrRef *memory, IrRef rate, IrRef count) {
  switch (optimizer->info->kind) {
  case OPTIMIZER_SGD: return sgd_step(fn, optimizer, weight, gradient, memory, rate);
  case OPTIMIZER_ADAM: return adam_step(fn, optimizer, weight, gradient, memory, rate, count);
  case OPTIMIZER_ADAMW: {
    IrRef shrink = minus(fn, number(fn, 1), ir_binary(fn, IR_MUL, rate, number(fn, setting(optimizer, "decay", 0))));
    return adam_step(fn, optimizer, scaled(fn, weight, shrink), gradient, memory, rate, count);
  }
  case OPTIMIZER_ADAMAX: return adamax_step(fn, optimizer, weight, gradient, memory, rate, count);
  case OPTIMIZER_RMSPROP: return rmsprop_step(fn, optimizer, weight, gradient, memory, rate);
  case OPTIMIZER_COUNT: break;
  }
  ir_fail("optimizer of unknown kind");
}

// ---- the length of a gradient

enum { SQUARES = 64, SQUARES_RUN = 256 }; // sums side by side, and most terms that the kernel of their squares adds up in registers

static int64_t divisor_up_to(int64_t n, int64_t most) {
  int64_t d = most < n ? most : n;
  while (n % d != 0) d--;
  return d;
}

// Sums of squares whose sum is that of all: [n] as runs of [run, sums], with what is summed over behind the axis along the lanes of the code.
static IrRef squares_of(IrFn *fn, IrRef g) {
  if (ir_type_of(fn, g)->rank == 0) g = ir_reshape(fn, g, 1, (int64_t[]){1});
  if (ir_type_of(fn, g)->rank == 1) return square(fn, ir_cast(fn, g, IR_F64));
  const int64_t n = ir_elements(ir_type_of(fn, g)), sums = divisor_up_to(n, SQUARES), run = divisor_up_to(n / sums, SQUARES_RUN), runs = n / sums / run;
  g = ir_transpose(fn, ir_reshape(fn, g, 3, (int64_t[]){runs, run, sums}), (int8_t[]){0, 2, 1});
  IrRef squared = ir_sum(fn, square(fn, ir_cast(fn, g, IR_F64)), 1u << 2);
  return ir_sum(fn, squared, 1u << 0);
}

// One long vector and its sum, not a chain of sums: the kernels of all weights of a shape are one, and none has hundreds of arguments.
IrRef gradient_norm(IrFn *fn, const IrRef *gradients, size_t n) {
  if (n == 0) return number(fn, 0);
  IrRef *parts = ARENA_ARRAY(fn->arena, IrRef, n);
  for (size_t i = 0; i < n; i++) parts[i] = squares_of(fn, gradients[i]);
  return ir_unary(fn, IR_SQRT, ir_sum(fn, ir_concat(fn, parts, (uint32_t)n, 0), 1));
}

IrRef gradient_clip(IrFn *fn, IrRef norm, double most) {
  IrRef ratio = ir_binary(fn, IR_DIV, number(fn, most), plus_number(fn, norm, 1e-6));
  return ir_binary(fn, IR_MIN, ratio, number(fn, 1));
}
