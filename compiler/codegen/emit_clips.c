// Ranges of loops that clips leave (clips.c), and what is done about the turns outside.
#include "compiler/codegen/emit_nest.h"

// The first of the turns for which turn * step >= bound - further, at least 0.
static LLVMValueRef first_turn(CodeModule *m, int64_t bound, int64_t step, LLVMValueRef further) {
  LLVMBuilderRef k = m->builder;
  LLVMValueRef zero = emit_index(m, 0), left = LLVMBuildNSWSub(k, emit_index(m, bound), further, "");
  left = LLVMBuildSelect(k, LLVMBuildICmp(k, LLVMIntSGT, left, zero, ""), left, zero, "");
  return step == 1 ? left : LLVMBuildUDiv(k, emit_plus(m, left, step - 1), emit_index(m, step), "");
}

LLVMValueRef clip_from(CodeModule *m, const Clip *c, int which, LLVMValueRef other) {
  return first_turn(m, c->low, c->step[which], LLVMBuildNSWMul(m->builder, other, emit_index(m, c->step[1 - which]), ""));
}

static LLVMValueRef clip_to(CodeModule *m, const Clip *c, int which, LLVMValueRef other) {
  LLVMValueRef turns = emit_index(m, c->turns[which]);
  LLVMValueRef end = first_turn(m, c->high, c->step[which], LLVMBuildNSWMul(m->builder, other, emit_index(m, c->step[1 - which]), ""));
  return emit_least(m, end, turns);
}

const Clip *nest_clip(const Emit *e, int loop, int *which) {
  const NestStep *t = &e->nest->steps[0];
  if (t->adds && e->nest->n_steps > 1) return NULL; // what follows wants all
  for (int i = 0; i < t->n_clips; i++)
    for (*which = 0; *which < 2; ++*which) {
      int partner = t->clips[i].loop[1 - *which];
      if (t->clips[i].loop[*which] == loop && t->clips[i].unit[1 - *which] == 1 && e->index[partner] != NULL) return &t->clips[i];
    }
  return NULL;
}

EmitRange nest_range(Emit *e, int loop) {
  int which;
  const Clip *c = nest_clip(e, loop, &which);
  if (c == NULL) return (EmitRange){0};
  LLVMValueRef other = e->index[c->loop[1 - which]];
  return (EmitRange){clip_from(e->m, c, which, other), clip_to(e->m, c, which, other), c->unit[which]};
}

LLVMValueRef nest_clipped_sum(Emit *e, const NestStep *t, LLVMValueRef x) {
  if (t->kind != STEP_DOT || t->n_clips == 0 || t->over_events) return x;
  return LLVMBuildFAdd(e->m->builder, x, LLVMConstNull(LLVMTypeOf(x)), "");
}

void clip_zeros(CodeModule *m, LLVMTypeRef element, LLVMValueRef at, int64_t n) {
  LLVMTypeRef vector = LLVMVectorType(element, CODE_LANES);
  LLVMValueRef whole = emit_index(m, n / CODE_LANES * CODE_LANES);
  EmitLoop v = emit_loop(m, "empty", emit_index(m, 0), whole, CODE_LANES, NULL, 0);
  emit_store(m, LLVMConstNull(vector), emit_at(m, element, at, v.index));
  emit_loop_end(m, &v, NULL);
  EmitLoop i = emit_loop(m, "empty", whole, emit_index(m, n), 1, NULL, 0);
  emit_store(m, LLVMConstNull(element), emit_at(m, element, at, i.index));
  emit_loop_end(m, &i, NULL);
}
