// Dead code: what no output needs is left out.
//
//   a = input "a" : f32[e]                a = input "a" : f32[e]
//   b = exp a : f32[e]             ->     c = neg a : f32[e]
//   c = neg a : f32[e]                    output "y" = c
//   output "y" = c
#include "compiler/opt/opt.h"

#include "compiler/opt/rewrite.h"

OptPass opt_dce;

IrFn *opt_dce(Arena *arena, const IrFn *fn) {
  Rewrite rw = opt_rewrite(arena, fn, NULL);
  bool *needed = ARENA_ARRAY(rw.scratch, bool, fn->values.len + 1);
  for (size_t i = 0; i < fn->outputs.len; i++) needed[fn->outputs.at[i].value] = true;
  for (IrRef i = (IrRef)fn->values.len; i-- > 0;) {
    if (!needed[i]) continue;
    const IrValue *v = ir_at(fn, i);
    for (uint32_t k = 0; k < v->n_operands; k++) needed[v->operands[k]] = true;
  }
  for (IrRef i = 0; i < fn->values.len; i++) {
    if (needed[i]) opt_copy(&rw, i);
  }
  return opt_rewrite_end(&rw);
}
