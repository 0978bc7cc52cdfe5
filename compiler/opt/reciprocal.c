// Quotients with one divisor: one division, then products. A division costs about ten products on every CPU.
//
//                                        one = const 1 : f32
//   y = div a, c : f32[e]                r = div one, c : f32[e]
//   z = div b, c : f32[e]          ->    y = mul a, r : f32[e]
//                                        z = mul b, r : f32[e]
#include "compiler/opt/opt.h"

#include "compiler/opt/rewrite.h"

OptPass opt_reciprocal;

static bool is_quotient(const IrValue *v) { return v->op == IR_DIV && ir_is_real(&v->type); }

IrFn *opt_reciprocal(Arena *arena, const IrFn *fn) {
  Rewrite rw = opt_rewrite(arena, fn, NULL);
  size_t n = fn->values.len + 1;
  uint32_t *quotients = ARENA_ARRAY(rw.scratch, uint32_t, n);
  IrRef *reciprocal = ARENA_ARRAY(rw.scratch, IrRef, n); // of a divisor: value of rw.to + 1
  for (IrRef i = 0; i < fn->values.len; i++) {
    const IrValue *v = ir_at(fn, i);
    if (is_quotient(v) && rw.uses[i]) quotients[v->operands[1]]++;
  }
  for (IrRef i = 0; i < fn->values.len; i++) {
    const IrValue *v = ir_at(fn, i);
    rw.to->span = v->span;
    if (!is_quotient(v) || quotients[v->operands[1]] < 2) {
      opt_copy(&rw, i);
      continue;
    }
    IrRef divisor = rw.map[v->operands[1]], dividend = rw.map[v->operands[0]], *r = &reciprocal[v->operands[1]];
    if (!*r) *r = opt_binary(&rw, IR_DIV, opt_number_like(&rw, divisor, 1), divisor) + 1;
    opt_set(&rw, i, ir_is_number(rw.to, dividend, 1) ? *r - 1 : opt_binary(&rw, IR_MUL, dividend, *r - 1));
  }
  return opt_rewrite_end(&rw);
}
