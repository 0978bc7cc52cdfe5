// Scores: numbers of events that are read.
#include <string.h>

#include "lang/block.h"
#include "lang/unused.h"

static void one_score(Blocks *b, const Binding *x) {
  Elab *e = b->e;
  Value *v = x->value;
  if (v == NULL || value_is_error(v)) return;
  bool number = v->kind == VALUE_TENSOR && v->u.tensor.type.shape.rank == 0;
  if (!number && !value_is_number(v)) {
    if (x->used || evaluate_mentions(e->arena, b->evaluate.decl, x->name)) return; // a step on the way, or what metrics look at
    Diag *d = elab_error(e, DIAG_TYPE, x->span, "a score is one number per event, `%s` is %s", x->name, value_text(e->arena, v));
    diag_help(e->diags, d, "say `sum(…)` or `mean(…)`, or name it in `evaluate`, which takes any shape");
    return;
  }
  v = elab_real(e, v, x->span);
  if (v->kind == VALUE_TENSOR) ir_output(e->scene->fn, arena_printf(e->arena, "score:%s", x->name), over_events(e, v));
}

static bool reads_column(const IrFn *fn, const char *column) {
  for (size_t i = 0; i < fn->values.len; i++)
    if (fn->values.at[i].op == IR_INPUT && strncmp(fn->values.at[i].attr.name, "column:", 7) == 0 && strcmp(fn->values.at[i].attr.name + 7, column) == 0)
      return true;
  return false;
}

// What a file that is scored has: columns that the scores read. Event weights and what cuts are not asked for; fields that training draws are columns here.
static ModelData *read_columns(Elab *e, const DataBlock *d) {
  ModelData *data = arena_dup(e->arena, d->model, sizeof *d->model);
  data->columns.len = 0;
  data->columns.cap = 0;
  data->columns.at = NULL;
  for (size_t i = 0; i < d->model->columns.len; i++)
    if (reads_column(e->scene->fn, d->model->columns.at[i].name)) VEC_PUSH(e->arena, &data->columns, d->model->columns.at[i]);
  for (size_t i = 0; i < d->fields.len; i++)
    if (d->fields.at[i]->made != NULL && reads_column(e->scene->fn, d->fields.at[i]->label)) VEC_PUSH(e->arena, &data->columns, *d->fields.at[i]->column);
  return data;
}

// Somewhere an axis of events goes away.
bool couples_events(const IrFn *fn, Arena *arena) {
  const bool *needed = ir_needed(arena, fn);
  bool coupled = false;
  for (size_t i = fn->values.len; i-- > 0 && !coupled;) {
    const IrValue *v = &fn->values.at[i];
    for (uint32_t k = 0; needed[i] && k < v->n_operands; k++) coupled = coupled || ir_event_axes(ir_type_of(fn, v->operands[k])) > ir_event_axes(&v->type);
  }
  return coupled;
}

void score_block(Blocks *b, const Generator *g) {
  Elab *e = b->e;
  Scene *scene = scene_open(e, SCENE_SCORE, "score", "score");
  Scope *scope = scope_new(e, fields_scope(b, g->scope, false));
  elab_statements(e, scope, &g->decl->u.score.body);
  for (size_t i = 0; i < scope->order.len; i++) one_score(b, scope->order.at[i]);
  e->model->score = scene->fn;
  if (couples_events(scene->fn, e->arena)) e->model->score_batch = e->model->phases.len > 0 ? e->model->phases.at[e->model->phases.len - 1]->batch : 1;
  if (b->data.len > 0) e->model->score_data = read_columns(e, b->data.at[0]);
  scene_close(e);
}
