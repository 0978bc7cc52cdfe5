// The evaluator's elementwise ops: each is one formula of its operands a, b, c.
#include "compiler/ir/eval.h"

#include <math.h>

#include "compiler/ir/special.h"

#define UNARY(NAME, FORMULA)                                                                                                                                   \
  void eval_##NAME(Eval *e, const IrValue *v, double *y) {                                                                                                     \
    const double *pa = eval_in(e, v, 0);                                                                                                                       \
    for (int64_t i = 0, n = eval_size(e, &v->type); i < n; i++) {                                                                                              \
      const double a = pa[i];                                                                                                                                  \
      y[i] = FORMULA;                                                                                                                                          \
    }                                                                                                                                                          \
  }
#define BINARY(NAME, FORMULA)                                                                                                                                  \
  void eval_##NAME(Eval *e, const IrValue *v, double *y) {                                                                                                     \
    const double *pa = eval_in(e, v, 0), *pb = eval_in(e, v, 1);                                                                                               \
    for (int64_t i = 0, n = eval_size(e, &v->type); i < n; i++) {                                                                                              \
      const double a = pa[i], b = pb[i];                                                                                                                       \
      y[i] = FORMULA;                                                                                                                                          \
    }                                                                                                                                                          \
  }
#define TERNARY(NAME, FORMULA)                                                                                                                                 \
  void eval_##NAME(Eval *e, const IrValue *v, double *y) {                                                                                                     \
    const double *pa = eval_in(e, v, 0), *pb = eval_in(e, v, 1), *pc = eval_in(e, v, 2);                                                                       \
    for (int64_t i = 0, n = eval_size(e, &v->type); i < n; i++) {                                                                                              \
      const double a = pa[i], b = pb[i], c = pc[i];                                                                                                            \
      y[i] = FORMULA;                                                                                                                                          \
    }                                                                                                                                                          \
  }

static bool whole(const IrValue *v) { return v->type.dtype == IR_I32; }

static double wrapped(int64_t x) { return (int32_t)(uint32_t)(uint64_t)x; }

// nan wins, as in the compiled code: it must not be hidden by a clamp.
static double larger(double a, double b) { return isnan(a) || isnan(b) ? NAN : a > b ? a : b; }
static double smaller(double a, double b) { return isnan(a) || isnan(b) ? NAN : a < b ? a : b; }
static double sign_of(double a) { return a > 0 ? 1 : a < 0 ? -1 : a; }
static double modulo(double a, double b) { return a - b * floor(a / b); }

static double half_to_even(double a) {
  double down = floor(a), rest = a - down;
  if (rest != 0.5) return copysign(rest < 0.5 ? down : down + 1, a);
  return copysign(fmod(down, 2) == 0 ? down : down + 1, a);
}

static double sigmoid_of(double a) { return a >= 0 ? 1 / (1 + exp(-a)) : exp(a) / (1 + exp(a)); }

// To 8 binary digits, of which the last is worth 2^-133 at least.
static double half_of(double a) {
  if (!isfinite(a) || a == 0) return a;
  int exponent;
  frexp(a, &exponent);
  double last = ldexp(1, exponent - 8 > -133 ? exponent - 8 : -133), y = half_to_even(a / last) * last;
  return fabs(y) >= ldexp(1, 128) ? copysign(INFINITY, a) : y;
}

static double cast_to(IrDtype to, double a) {
  switch (to) {
  case IR_F32: return a; // rounded where the environment asks for it
  case IR_F64: return a;
  case IR_I32: return isnan(a) ? 0 : a <= INT32_MIN ? INT32_MIN : a >= INT32_MAX ? INT32_MAX : trunc(a);
  case IR_BOOL: return a != 0;
  case IR_BF16: return half_of(a);
  }
  ir_fail("cast to dtype %d", to);
}

TERNARY(fma_, fma(a, b, c))
UNARY(neg, whole(v) ? wrapped(-(int64_t)a) : -a)
BINARY(add, whole(v) ? wrapped((int64_t)a + (int64_t)b) : a + b)
BINARY(sub, whole(v) ? wrapped((int64_t)a - (int64_t)b) : a - b)
BINARY(mul, whole(v) ? wrapped((int64_t)a *(int64_t)b) : a *b)
BINARY(div_, a / b)
BINARY(pow_, pow(a, b))
BINARY(max, larger(a, b))
BINARY(min, smaller(a, b))
UNARY(abs_, whole(v) ? wrapped((int64_t)fabs(a)) : fabs(a))
UNARY(sign, sign_of(a))
UNARY(floor_, floor(a))
UNARY(round_, half_to_even(a))
BINARY(mod, modulo(a, b))
UNARY(exp_, exp(a))
UNARY(expm1_, expm1(a))
UNARY(log_, log(a))
UNARY(log1p_, log1p(a))
UNARY(sqrt_, sqrt(a))
UNARY(sin_, sin(a))
UNARY(cos_, cos(a))
BINARY(atan2_, atan2(a, b))
UNARY(tanh_, tanh(a))
UNARY(sigmoid, sigmoid_of(a))
UNARY(sinh_, sinh(a))
UNARY(cosh_, cosh(a))
UNARY(asinh_, asinh(a))
UNARY(erf_, erf(a))
UNARY(erfc_, erfc(a))
UNARY(normal_icdf, special_normal_icdf(a))
UNARY(lgamma_, lgamma(a))
UNARY(digamma, special_digamma(a))
UNARY(trigamma, special_trigamma(a))
UNARY(i0e, special_i0e(a))
UNARY(i1e, special_i1e(a))
BINARY(eq, a == b)
BINARY(lt, a < b)
BINARY(le, a <= b)
BINARY(and_, a != 0 && b != 0)
BINARY(or_, a != 0 || b != 0)
UNARY(not_, a == 0)
TERNARY(select_, a != 0 ? b : c)
UNARY(cast, cast_to(v->type.dtype, a))
UNARY(stop, a)
