// Evaluations with random rounding (perturbed.h).
#include "tests/support/perturbed.h"

#include <math.h>
#include <string.h>

#include "tests/support/random_program.h"

// How far a compiled result may be from the exact one, in units of the last place.
typedef struct Slack {
  double units;
  bool of_largest; // of the array's largest number (of a draw: at least 1): where a small result is what is left of large terms
} Slack;

static double vector_bound(const char *name, bool f64) { // 0: no vector function, so exact
  static const struct {
    const char *name;
    double bound[2];
  } bounds[] = {
#define VMATH(NAME, N, F32, F64, ...) {#NAME, {F32, F64}},
#include "compiler/codegen/vmath.def"
#undef VMATH
  };
  for (size_t i = 0; i < sizeof bounds / sizeof *bounds; i++)
    if (strcmp(bounds[i].name, name) == 0) return bounds[i].bound[f64];
  return 0;
}

static Slack slack_of(const IrValue *v) {
  switch (v->op) {
  case IR_DRAW: return (Slack){v->attr.draw == IR_DRAW_NORMAL ? 2 : 0, true};
  case IR_ADD:
  case IR_SUB:
  case IR_MUL:
  case IR_DIV:
  case IR_FMA:
  case IR_MOD: return (Slack){1, false};
  case IR_SUM:
  case IR_CUMSUM:
  case IR_FOLD:
  case IR_SCATTER_ADD:
  case IR_EINSUM:
  case IR_TRI_INVERSE: return (Slack){2, true};
  default: return (Slack){vector_bound(ir_op_info[v->op].name, v->type.dtype == IR_F64), false};
  }
}

static double unit_of(double x, IrDtype dtype) { // spacing of the dtype's numbers at x
  int exponent, digits = dtype == IR_F64 ? 53 : 24, least = dtype == IR_F64 ? -1074 : -149;
  frexp(x, &exponent);
  return ldexp(1, x == 0 || exponent - digits < least ? least : exponent - digits);
}

typedef struct Perturbation {
  const IrFn *fn;
  const IrEnv *env;
  uint64_t state;
  const double **numbers; // by value, as long as it is read
} Perturbation;

// A share of the bound: a third each at either end and between, since a decision may hang on the whole of it.
static double share(Perturbation *p) { return fmax(-1, fmin(1, random_between(&p->state, -3, 3))); }

// a - b floor(a / b): where a / b is nearly whole, its floor may be either.
static double other_floor(Perturbation *p, const IrValue *v, int64_t i, double y) {
  double a = p->numbers[v->operands[0]][i], b = p->numbers[v->operands[1]][i], near = 2 * unit_of(fmax(fabs(a), fabs(b)), v->type.dtype);
  if (random_below(&p->state, 2)) return y;
  return fabs(y) <= near ? y + b : fabs(y - b) <= near ? y - b : y;
}

static void perturb(void *data, IrRef r, double *numbers, int64_t n) {
  Perturbation *p = data;
  const IrValue *v = ir_at(p->fn, r);
  Slack slack = slack_of(v);
  p->numbers[r] = numbers;
  if (slack.units == 0 || !ir_is_real(&v->type)) return;
  double largest = v->op == IR_DRAW;
  for (int64_t i = 0; i < n && slack.of_largest; i++)
    if (isfinite(numbers[i])) largest = fmax(largest, fabs(numbers[i]));
  for (int64_t i = 0; i < n; i++) {
    double y = v->op == IR_MOD ? other_floor(p, v, i, numbers[i]) : numbers[i];
    if (!isfinite(y) || (y == 0 && !slack.of_largest)) continue; // zeros of products and functions are exact
    y += slack.units * share(p) * unit_of(slack.of_largest ? largest : y, v->type.dtype);
    numbers[i] = v->type.dtype == IR_F32 && p->env->round_f32 ? (double)(float)y : y;
  }
}

IrArray *perturbed_evaluate(Arena *arena, const IrFn *fn, const IrEnv *env, uint64_t seed) {
  Perturbation p = {fn, env, seed, ARENA_ARRAY(arena, const double *, fn->values.len + 1)};
  IrEnv own = *env;
  own.watch = perturb;
  own.watch_data = &p;
  IrArray *outputs = ARENA_ARRAY(arena, IrArray, fn->outputs.len + 1);
  const char *error = NULL;
  if (!ir_eval(fn, &own, arena, outputs, &error)) ir_fail("%s", error);
  return outputs;
}
