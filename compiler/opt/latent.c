#include "compiler/opt/latent.h"

#include "compiler/opt/rewrite.h"

static IrRef as_input(Rewrite *rw, const IrValue *v) {
  if (v->op != IR_DRAW || v->attr.draw == IR_DRAW_BITS || v->attr.draw == IR_DRAW_NUMBER || !ir_has_events(&v->type)) return IR_NONE;
  const char *kind = v->attr.draw == IR_DRAW_NORMAL ? "normal" : "uniform";
  return ir_leaf(rw->to, IR_INPUT, arena_printf(rw->arena, "latent:%s:%s", kind, v->attr.name), v->type);
}

IrFn *opt_draws_to_inputs(Arena *arena, const IrFn *fn) {
  Rewrite rw = opt_rewrite(arena, fn, as_input);
  return opt_rewrite_all(&rw);
}
