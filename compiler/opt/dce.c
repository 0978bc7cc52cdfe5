// Dead code: what no output needs is left out.
//
//   a = input "a" : f32[e]                a = input "a" : f32[e]
//   b = exp a : f32[e]             ->     c = neg a : f32[e]
//   c = neg a : f32[e]                    output "y" = c
//   output "y" = c
#include "compiler/opt/opt.h"

#include "compiler/opt/rewrite.h"

IrFn *opt_dce(Arena *arena, const IrFn *fn) {
  Rewrite rw = opt_rewrite(arena, fn, NULL);
  const bool *needed = ir_needed(rw.scratch, fn);
  for (IrRef i = 0; i < fn->values.len; i++) {
    if (needed[i]) opt_copy(&rw, i);
  }
  return opt_rewrite_end(&rw);
}
