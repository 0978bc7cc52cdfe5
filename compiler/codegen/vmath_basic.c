// Pieces that all vector functions share, and those that are an instruction or two.
#include <stdio.h>

#include "compiler/codegen/vmath_internal.h"

// Estrin's scheme: neighbours are joined with x, pairs with x^2, fours with x^4: a few products more than Horner's
// rule, but a third of its depth, and in fused loops it is the length of the dependent chain that costs.
Value vmath_polynomial(CodeModule *m, Value x, const double *c, unsigned n) {
  Value work[VMATH_COEFFICIENTS], power = x;
  for (unsigned i = 0; i < n; i++) work[i] = number(x, c[n - 1 - i]); // lowest first
  for (; n > 1; n = (n + 1) / 2) {
    for (unsigned i = 0; i + 1 < n; i += 2) work[i / 2] = emit_fma(m, work[i + 1], power, work[i]);
    if (n % 2) work[n / 2] = work[n - 1];
    if (n > 2) power = mul(m, power, power);
  }
  return work[0];
}

Value vmath_nearest(CodeModule *m, Value x, Value y, Value *sum_bits) {
  Value magic = pair(x, 0x1.8p23, 0x1.8p52), sum = emit_fma(m, x, y, magic);
  *sum_bits = bits_of(m, sum);
  return sub(m, sum, magic);
}

Value vmath_power_of_two(CodeModule *m, Value sum_bits, int offset, Value like) {
  unsigned mantissa = is_f64(like) ? 52 : 23, bias = is_f64(like) ? 1023 : 127;
  Value one = whole(sum_bits, (uint64_t)((int)bias + offset) << mantissa);
  return as_real(m, iadd(m, left(m, sum_bits, mantissa), one), like);
}

Value vmath_sqrt(CodeModule *m, Value x) { return emit_sqrt(m, x); }
Value vmath_floor(CodeModule *m, Value x) { return emit_floor(m, x); }
Value vmath_round(CodeModule *m, Value x) { return emit_round(m, x); }

// The quotient's rounding may carry it over a whole number: one step puts the remainder back between 0 and b.
Value vmath_mod(CodeModule *m, Value a, Value b) {
  Value zero = number(a, 0), r = emit_fma(m, neg(m, emit_floor(m, quotient(m, a, b))), b, a);
  Value below = less(m, mul(m, r, emit_copysign(m, number(a, 1), b)), zero);
  r = choose(m, below, add(m, r, b), r);
  Value above = less(m, emit_abs(m, r), emit_abs(m, b));
  return choose(m, above, r, sub(m, r, b));
}

Value vmath_call(CodeModule *m, const char *name, VMathBody *body, const Value *arguments, unsigned n) {
  LLVMTypeRef given = LLVMTypeOf(arguments[0]), type = m->f64;
  if (LLVMGetTypeKind(given) == LLVMVectorTypeKind) type = LLVMVectorType(m->f64, emit_lanes(given));
  char full[64];
  Value wide[2];
  EmitFunction f;
  snprintf(full, sizeof full, "vmath_%s_%u", name, emit_lanes(given));
  for (unsigned i = 0; i < n; i++) wide[i] = is_f64(arguments[i]) ? arguments[i] : LLVMBuildFPExt(m->builder, arguments[i], type, "");
  if (emit_function(m, full, type, wide, n, &f)) emit_function_end(m, &f, body(m, f.parameters));
  Value y = emit_function_call(m, &f, wide);
  return emit_is_f64(given) ? y : LLVMBuildFPTrunc(m->builder, y, given, "");
}
