// Operands of steps that do not take every number (log, logit, …), as a program of their own: it is run only when a preparation has given
// something that is no number, to say which rows and values are to blame.
#include <math.h>

#include "lang/block.h"

static bool limits_of(const PrepStep *step, ModelDomain *out) {
  switch (step->info->domain) {
  case PREP_POSITIVE: *out = (ModelDomain){.low = 0, .high = INFINITY}; return true;
  case PREP_ABOVE_MINUS_ONE: *out = (ModelDomain){.low = -1, .high = INFINITY}; return true;
  case PREP_UNIT: *out = (ModelDomain){.low = 0, .high = 1, .closed = true}; return true;
  case PREP_SAME:
  case PREP_ANY:
  case PREP_SIGNED:
  case PREP_ANGLE:
  case PREP_INTEGER: return false;
  }
  return false;
}

static void domains_of(Elab *e, DataBlock *d, const DataField *f, IrFn *fn) {
  for (size_t i = 0; i < f->fields.len; i++) domains_of(e, d, f->fields.at[i], fn);
  if (f->made != NULL || f->like != NULL || f->chain.len == 0) return;
  IrRef x = field_source(e, f, field_own(e, f));
  for (size_t i = 0; i < f->chain.len; i++) {
    const PrepStep *step = f->chain.at[i];
    ModelDomain limit;
    if (limits_of(step, &limit)) {
      limit.output = arena_printf(e->arena, "domain:%s", step->name);
      limit.field = f->name;
      limit.step = step->info->name;
      IrRef seen = step->info->kind == PREP_FRACTIONS ? prep_fractions(fn, step, x) : x;
      limit.sums = step->info->kind == PREP_FRACTIONS;
      if (f->set) seen = set_or(fn, set_column_taken(e, f), seen, 0.5);
      ir_output(fn, limit.output, split_is_masked(f) ? ir_select(fn, split_on(e, f), seen, ir_number(fn, IR_F64, 0.5)) : seen);
      VEC_PUSH(e->arena, &d->model->limits, limit);
    }
    x = prep_forward(fn, step, x);
  }
}

void data_domains(Blocks *b, DataBlock *d) {
  Elab *e = b->e;
  Scene *scene = scene_open(e, SCENE_PREPARE, arena_printf(e->arena, "%s.domains", d->model->name), "data");
  for (size_t i = 0; i < d->fields.len; i++) domains_of(e, d, d->fields.at[i], scene->fn);
  if (scene->fn->outputs.len > 0) d->model->domains = scene->fn;
  scene_close(e);
}
