// Derivative rules of the elementwise ops. Formulas stand at each rule; a and b are the operands, y the result.
#include "compiler/ad/rules.h"

#include <math.h>

static const double pi = 3.14159265358979323846;

IrRef ad_mul(AdWalk *w, IrRef a, IrRef b) {
  if (ir_is_number(w->fn, a, 1)) return b;
  if (ir_is_number(w->fn, b, 1)) return a;
  return ir_binary(w->fn, IR_MUL, a, b);
}

IrRef ad_div(AdWalk *w, IrRef a, IrRef b) { return ir_is_number(w->fn, b, 1) ? a : ir_binary(w->fn, IR_DIV, a, b); }

IrRef ad_scale(AdWalk *w, IrRef a, double x) {
  double fill;
  if (ir_is_fill(w->fn, a, &fill)) return ir_fill(w->fn, *ir_type_of(w->fn, a), fill * x);
  return x == 1 ? a : ir_binary(w->fn, IR_MUL, a, ad_number(w, a, x));
}

IrRef ad_zeros(AdWalk *w, IrRef like) { return ir_fill(w->fn, *ir_type_of(w->fn, like), 0); }

static IrRef unary(AdWalk *w, IrOp op, IrRef a) { return ir_unary(w->fn, op, a); }
static IrRef square(AdWalk *w, IrRef a) { return ad_mul(w, a, a); }

// ---- arithmetic

void adjoint_fma(AdWalk *w, IrRef y, IrRef g, IrRef *to) { // ab + c: gb, ga, g
  if (ad_wants(w, y, 0)) to[0] = ad_mul(w, g, ad_operand(w, y, 1));
  if (ad_wants(w, y, 1)) to[1] = ad_mul(w, g, ad_operand(w, y, 0));
  to[2] = g;
}

void adjoint_neg(AdWalk *w, IrRef y, IrRef g, IrRef *to) {
  (void)y;
  to[0] = ad_neg(w, g);
}

void adjoint_add(AdWalk *w, IrRef y, IrRef g, IrRef *to) {
  (void)w, (void)y;
  to[0] = g;
  to[1] = g;
}

void adjoint_sub(AdWalk *w, IrRef y, IrRef g, IrRef *to) {
  to[0] = g;
  if (ad_wants(w, y, 1)) to[1] = ad_neg(w, g);
}

void adjoint_mul(AdWalk *w, IrRef y, IrRef g, IrRef *to) {
  IrRef a = ad_operand(w, y, 0), b = ad_operand(w, y, 1);
  if (a == b) { // a squared: one product for both operands
    to[0] = ad_mul(w, ad_scale(w, g, 2), a);
    return;
  }
  if (ad_wants(w, y, 0)) to[0] = ad_mul(w, g, b);
  if (ad_wants(w, y, 1)) to[1] = ad_mul(w, g, a);
}

void adjoint_div(AdWalk *w, IrRef y, IrRef g, IrRef *to) { // g/b, -(g/b)y
  IrRef over_b = ad_div(w, g, ad_operand(w, y, 1));
  if (ad_wants(w, y, 0)) to[0] = over_b;
  if (ad_wants(w, y, 1)) to[1] = ad_neg(w, ad_mul(w, over_b, y));
}

// g b a^(b-1); g y log a where a > 0, else 0
void adjoint_pow(AdWalk *w, IrRef y, IrRef g, IrRef *to) {
  IrRef a = ad_operand(w, y, 0), b = ad_operand(w, y, 1);
  double power;
  if (ad_wants(w, y, 0)) {
    if (!ir_is_fill(w->fn, b, &power)) {
      IrRef less = ad_sub(w, b, ad_number(w, b, 1));
      to[0] = ad_mul(w, ad_mul(w, g, b), ir_binary(w->fn, IR_POW, a, less));
    } else if (power == 2) {
      to[0] = ad_mul(w, ad_scale(w, g, 2), a);
    } else if (power == 1) {
      to[0] = g;
    } else if (power != 0) {
      to[0] = ad_mul(w, ad_scale(w, g, power), ir_binary(w->fn, IR_POW, a, ad_number(w, a, power - 1)));
    }
  }
  if (ad_wants(w, y, 1)) {
    IrRef positive = ir_binary(w->fn, IR_LT, ad_number(w, a, 0), a);
    IrRef safe = ir_select(w->fn, positive, a, ad_number(w, a, 1)); // log 1 = 0: the derivative where a <= 0
    to[1] = ad_mul(w, ad_mul(w, g, y), unary(w, IR_LOG, safe));
  }
}

// The larger of a, b gets g; between equals each gets half. Against a number (relu, clamp) the comparison reads the
// result instead, so that the operand need not be kept, and a tie counts as outside: one select.
static void extremum(AdWalk *w, IrRef y, IrRef g, IrRef *to, bool largest) {
  IrRef operand[2] = {ad_operand(w, y, 0), ad_operand(w, y, 1)};
  if (operand[0] == operand[1]) {
    to[0] = g;
    return;
  }
  double number;
  for (int k = 0; k < 2; k++) {
    if (!ad_wants(w, y, k)) continue;
    IrRef mine = operand[k], other = operand[1 - k];
    bool constant = ir_is_fill(w->fn, other, &number);
    if (constant) mine = y;
    IrRef wins = largest ? ir_binary(w->fn, IR_LT, other, mine) : ir_binary(w->fn, IR_LT, mine, other);
    IrRef rest = ad_number(w, g, 0);
    if (!constant) rest = ir_select(w->fn, ir_binary(w->fn, IR_EQ, mine, other), ad_scale(w, g, 0.5), rest);
    to[k] = ir_select(w->fn, wins, g, rest);
  }
}

void adjoint_max(AdWalk *w, IrRef y, IrRef g, IrRef *to) { extremum(w, y, g, to, true); }
void adjoint_min(AdWalk *w, IrRef y, IrRef g, IrRef *to) { extremum(w, y, g, to, false); }

void adjoint_abs(AdWalk *w, IrRef y, IrRef g, IrRef *to) { to[0] = ad_mul(w, g, unary(w, IR_SIGN, ad_operand(w, y, 0))); }

void adjoint_mod(AdWalk *w, IrRef y, IrRef g, IrRef *to) { // a - b floor(a/b): g, -g floor(a/b)
  to[0] = g;
  if (!ad_wants(w, y, 1)) return;
  IrRef ratio = ir_binary(w->fn, IR_DIV, ad_operand(w, y, 0), ad_operand(w, y, 1));
  to[1] = ad_neg(w, ad_mul(w, g, unary(w, IR_FLOOR, ratio)));
}

void adjoint_select(AdWalk *w, IrRef y, IrRef g, IrRef *to) {
  IrRef condition = ad_operand(w, y, 0), zero = ad_number(w, g, 0);
  if (ad_wants(w, y, 1)) to[1] = ir_select(w->fn, condition, g, zero);
  if (ad_wants(w, y, 2)) to[2] = ir_select(w->fn, condition, zero, g);
}

void adjoint_cast(AdWalk *w, IrRef y, IrRef g, IrRef *to) { to[0] = ir_cast(w->fn, g, ir_type_of(w->fn, ad_operand(w, y, 0))->dtype); }

// ---- functions of one number

void adjoint_exp(AdWalk *w, IrRef y, IrRef g, IrRef *to) { to[0] = ad_mul(w, g, y); }

void adjoint_expm1(AdWalk *w, IrRef y, IrRef g, IrRef *to) { to[0] = ad_mul(w, g, ad_add(w, y, ad_number(w, y, 1))); }

void adjoint_log(AdWalk *w, IrRef y, IrRef g, IrRef *to) { to[0] = ad_div(w, g, ad_operand(w, y, 0)); }

void adjoint_log1p(AdWalk *w, IrRef y, IrRef g, IrRef *to) { // g/(1 + a)
  IrRef a = ad_operand(w, y, 0);
  to[0] = ad_div(w, g, ad_add(w, a, ad_number(w, a, 1)));
}

void adjoint_sqrt(AdWalk *w, IrRef y, IrRef g, IrRef *to) { to[0] = ad_div(w, ad_scale(w, g, 0.5), y); }

void adjoint_sin(AdWalk *w, IrRef y, IrRef g, IrRef *to) { to[0] = ad_mul(w, g, unary(w, IR_COS, ad_operand(w, y, 0))); }

void adjoint_cos(AdWalk *w, IrRef y, IrRef g, IrRef *to) { to[0] = ad_neg(w, ad_mul(w, g, unary(w, IR_SIN, ad_operand(w, y, 0)))); }

void adjoint_atan2(AdWalk *w, IrRef y, IrRef g, IrRef *to) { // g b/(a^2 + b^2), -g a/(a^2 + b^2)
  IrRef a = ad_operand(w, y, 0), b = ad_operand(w, y, 1);
  IrRef over = ad_div(w, g, ad_add(w, square(w, a), square(w, b)));
  if (ad_wants(w, y, 0)) to[0] = ad_mul(w, over, b);
  if (ad_wants(w, y, 1)) to[1] = ad_neg(w, ad_mul(w, over, a));
}

void adjoint_tanh(AdWalk *w, IrRef y, IrRef g, IrRef *to) { // g(1 - y^2)
  to[0] = ad_mul(w, g, ad_sub(w, ad_number(w, y, 1), square(w, y)));
}

void adjoint_sigmoid(AdWalk *w, IrRef y, IrRef g, IrRef *to) { // g y(1 - y)
  to[0] = ad_mul(w, g, ad_mul(w, y, ad_sub(w, ad_number(w, y, 1), y)));
}

void adjoint_sinh(AdWalk *w, IrRef y, IrRef g, IrRef *to) { to[0] = ad_mul(w, g, unary(w, IR_COSH, ad_operand(w, y, 0))); }

void adjoint_cosh(AdWalk *w, IrRef y, IrRef g, IrRef *to) { to[0] = ad_mul(w, g, unary(w, IR_SINH, ad_operand(w, y, 0))); }

void adjoint_asinh(AdWalk *w, IrRef y, IrRef g, IrRef *to) { // g/sqrt(1 + a^2)
  IrRef a = ad_operand(w, y, 0);
  to[0] = ad_div(w, g, unary(w, IR_SQRT, ad_add(w, square(w, a), ad_number(w, a, 1))));
}

static IrRef gaussian(AdWalk *w, IrRef a, double height) { // height exp(-a^2)
  return ad_scale(w, unary(w, IR_EXP, ad_neg(w, square(w, a))), height);
}

void adjoint_erf(AdWalk *w, IrRef y, IrRef g, IrRef *to) { to[0] = ad_mul(w, g, gaussian(w, ad_operand(w, y, 0), 2 / sqrt(pi))); }

void adjoint_erfc(AdWalk *w, IrRef y, IrRef g, IrRef *to) { to[0] = ad_mul(w, g, gaussian(w, ad_operand(w, y, 0), -2 / sqrt(pi))); }

void adjoint_normal_icdf(AdWalk *w, IrRef y, IrRef g, IrRef *to) { // g sqrt(2 pi) exp(y^2/2)
  IrRef density = unary(w, IR_EXP, ad_scale(w, square(w, y), 0.5));
  to[0] = ad_mul(w, g, ad_scale(w, density, sqrt(2 * pi)));
}

void adjoint_lgamma(AdWalk *w, IrRef y, IrRef g, IrRef *to) { to[0] = ad_mul(w, g, unary(w, IR_DIGAMMA, ad_operand(w, y, 0))); }

void adjoint_digamma(AdWalk *w, IrRef y, IrRef g, IrRef *to) { to[0] = ad_mul(w, g, unary(w, IR_TRIGAMMA, ad_operand(w, y, 0))); }

void adjoint_i0e(AdWalk *w, IrRef y, IrRef g, IrRef *to) { // g(i1e a - sign(a) y)
  IrRef a = ad_operand(w, y, 0);
  to[0] = ad_mul(w, g, ad_sub(w, unary(w, IR_I1E, a), ad_mul(w, unary(w, IR_SIGN, a), y)));
}

void adjoint_i1e(AdWalk *w, IrRef y, IrRef g, IrRef *to) { // g(i0e a - y(sign a + 1/a)); at 0: g/2
  IrRef a = ad_operand(w, y, 0);
  IrRef at_zero = ir_binary(w->fn, IR_EQ, a, ad_number(w, a, 0));
  IrRef safe = ir_select(w->fn, at_zero, ad_number(w, a, 1), a);
  IrRef slope = ad_sub(w, unary(w, IR_I0E, a), ad_add(w, ad_mul(w, unary(w, IR_SIGN, a), y), ad_div(w, y, safe)));
  to[0] = ad_mul(w, g, ir_select(w->fn, at_zero, ad_number(w, a, 0.5), slope));
}
