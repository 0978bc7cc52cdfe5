// Conditions of `where`, one by one: what says which of them leaves no event, and what it was asked of.
#include "lang/block.h"

static void side(Elab *e, Scope *scope, const AstExpr *x, ModelCut *cut, size_t k) {
  if (x->kind == EX_NUMBER) {
    cut->sides[k].unit = x->u.number.unit.text;
    return;
  }
  Value *v = elab_expr(e, scope, x);
  if (value_is_number(v) || v->kind == VALUE_TENSOR) v = elab_real(e, v, x->span);
  if (v->kind != VALUE_TENSOR || v->u.tensor.type.shape.rank != 0) return;
  cut->sides[k] = (ModelCutSide){source_text(e, x->span), v->u.tensor.type.unit, arena_printf(e->arena, "%s.%zu", cut->output, k)};
  ir_output(e->scene->fn, cut->sides[k].output, ir_cast(e->scene->fn, elab_per_event(e, v), IR_F64));
}

static bool compares(AstBinary op) { return op >= BIN_EQ && op <= BIN_GE; }

static void one_cut(Elab *e, Scope *scope, const AstExpr *x, ModelCuts *cuts) {
  if (x->kind == EX_BINARY && x->u.binary.op == BIN_AND) {
    one_cut(e, scope, x->u.binary.left, cuts);
    one_cut(e, scope, x->u.binary.right, cuts);
    return;
  }
  IrRef holds = event_condition(e, elab_expr(e, scope, x), x->span);
  if (holds == IR_NONE) return;
  ModelCut cut = {.text = source_text(e, x->span), .output = arena_printf(e->arena, "holds_%zu", cuts->all.len)};
  ir_output(e->scene->fn, cut.output, ir_cast(e->scene->fn, holds, IR_I32));
  if (x->kind == EX_BINARY && compares(x->u.binary.op)) {
    side(e, scope, x->u.binary.left, &cut, 0);
    side(e, scope, x->u.binary.right, &cut, 1);
  }
  VEC_PUSH(e->arena, &cuts->all, cut);
}

void cuts_add(Elab *e, Scope *scope, const AstExpr *condition, ModelCuts *cuts) {
  e->diags->muted++; // the program that cuts has said it
  cuts->fn = e->scene->fn;
  one_cut(e, scope, condition, cuts);
  e->diags->muted--;
}
