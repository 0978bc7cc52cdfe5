// Operands of steps that do not take every number (log, logit, …), each as a program of its own: it is run only when a preparation has given
// something that is no number, to say which rows and values are to blame; that of a step that clips, to count the rows that it changes.
#include <math.h>

#include "lang/block.h"

static bool limits_of(Elab *e, const PrepStep *step, ModelDomain *out) {
  if (step->info->kind == PREP_CLIP) {
    const double *s = step->setting;
    *out = (ModelDomain){.step = arena_printf(e->arena, "clip(%g, %g)", s[0], s[1]), .low = s[0], .high = s[1], .closed = true, .clips = true};
    return true;
  }
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

// What step `index` of the field's chain gets; where a part or a set has nothing, a number inside of its limits.
static IrFn *operand_of(Elab *e, const DataField *f, size_t index, const ModelDomain *limit) {
  const PrepStep *step = f->chain.at[index];
  double inside = limit->clips ? (limit->low + limit->high) / 2 : 0.5;
  Scene *scene = scene_open(e, SCENE_PREPARE, arena_printf(e->arena, "domain.%s", step->name), "data");
  IrFn *fn = scene->fn;
  IrRef x = field_source(e, f, field_own(e, f));
  for (size_t i = 0; i < index; i++) x = prep_forward(fn, f->chain.at[i], x);
  if (step->info->kind == PREP_FRACTIONS) x = prep_fractions(fn, step, x);
  if (f->set) x = set_or(fn, set_column_taken(e, f), x, inside);
  ir_output(fn, "operand", split_is_masked(f) ? ir_select(fn, split_on(e, f), x, ir_number(fn, IR_F64, inside)) : x);
  scene_close(e);
  return fn;
}

static void domains_of(Elab *e, DataBlock *d, const DataField *f) {
  for (size_t i = 0; i < f->fields.len; i++) domains_of(e, d, f->fields.at[i]);
  if (f->made != NULL || f->like != NULL) return;
  for (size_t i = 0; i < f->chain.len; i++) {
    const PrepStep *step = f->chain.at[i];
    ModelDomain limit;
    if (!limits_of(e, step, &limit)) continue;
    limit.field = f->name;
    if (limit.step == NULL) limit.step = step->info->name;
    limit.sums = step->info->kind == PREP_FRACTIONS;
    limit.operand = operand_of(e, f, i, &limit);
    VEC_PUSH(e->arena, &d->model->limits, limit);
  }
}

void data_domains(Blocks *b, DataBlock *d) {
  for (size_t i = 0; i < d->fields.len; i++) domains_of(b->e, d, d->fields.at[i]);
}
