#include "compiler/driver/nonfinite.h"

#include <math.h>
#include <string.h>

#include "compiler/opt/opt.h"

// ---- which event: the compiled step, one event at a time

static bool is_bad(const Bound *bound, const ModelLoss *loss) {
  const Slot *norm = loss->norm == NULL ? NULL : bound_result(bound, loss->norm);
  return !isfinite(slot_number(bound_result(bound, loss->output), 0)) || (norm != NULL && !isfinite(slot_number(norm, 0)));
}

static bool never(void *context) {
  (void)context;
  return false;
}

static bool find_event(Bound *bound, const ModelLoss *loss, const BoundCall *call, int64_t *which, HgmError *error) {
  for (int64_t k = 0; k < call->events; k++) {
    BoundCall one = {.events = 1,
                     .pass = call->pass,
                     .proceed = never,
                     .first_event = call->first_event + k,
                     .rows = call->rows == NULL ? NULL : call->rows + k,
                     .event_ids = call->event_ids == NULL ? NULL : call->event_ids + k};
    if (!bound_run(bound, &one, error)) return false;
    if (!is_bad(bound, loss)) continue;
    *which = k;
    return true;
  }
  return false;
}

// ---- which operation: the reference evaluator on that event

enum { MOST_KEPT = 4096 };

typedef struct Watch {
  Arena *arena;
  bool *bad;        // by value
  double **numbers; // a copy of those of few numbers
  int64_t *n;
} Watch;

static void watch(void *data, IrRef value, double *numbers, int64_t n) {
  Watch *w = data;
  w->n[value] = n;
  if (n <= MOST_KEPT) w->numbers[value] = arena_dup(w->arena, numbers, sizeof *numbers * (size_t)n);
  for (int64_t i = 0; i < n; i++) w->bad[value] |= !isfinite(numbers[i]);
}

static IrArray leaf_array(Arena *arena, const Bound *bound, uint32_t i, const Tables *tables, int64_t row) {
  const HgmPort *port = &bound->program->leaves[i];
  double *data = ARENA_ARRAY(arena, double, port->elements + 1);
  const Table *table = port->per_event && tables != NULL ? tables_find(tables, port->name) : NULL;
  for (int64_t k = 0; k < port->elements; k++)
    data[k] = table != NULL ? table_number(table, row * port->elements + k) : bound->leaf_slots[i] != NULL ? slot_number(bound->leaf_slots[i], k) : 0;
  return (IrArray){port->name, port->elements, data};
}

// From a bad output down to the value whose operands are all finite.
static IrRef origin(const IrFn *fn, const ModelLoss *loss, const bool *bad) {
  IrRef at = IR_NONE;
  for (size_t i = 0; i < fn->outputs.len && at == IR_NONE; i++) {
    const IrOutput *o = &fn->outputs.at[i];
    if (bad[o->value] && (strcmp(o->name, loss->output) == 0 || (loss->norm != NULL && strcmp(o->name, loss->norm) == 0))) at = o->value;
  }
  for (bool moved = at != IR_NONE; moved;) {
    moved = false;
    const IrValue *v = ir_at(fn, at);
    for (uint32_t i = 0; i < v->n_operands && !moved; i++)
      if (bad[v->operands[i]]) {
        at = v->operands[i];
        moved = true;
      }
  }
  return at;
}

static const char *place_text(const Session *session, Arena *arena, uint32_t span) {
  if (span == 0) return "";
  SourceFile *file = source_of(session->sources, (Span){span - 1, span});
  if (file == NULL) return "";
  int line, column;
  source_position(session->sources, span - 1, &line, &column);
  return arena_printf(arena, " at %s:%d:%d", file->path, line, column);
}

// What a function of one number was given where it gives none: ", of -2.9". Empty for other operations.
static const char *argument_text(Arena *arena, const IrFn *fn, IrRef at, const Watch *w) {
  const IrValue *v = ir_at(fn, at);
  const IrRef of = v->n_operands == 1 ? v->operands[0] : IR_NONE;
  if (of == IR_NONE || w->n[of] != w->n[at] || w->numbers[of] == NULL || w->numbers[at] == NULL) return "";
  for (int64_t i = 0; i < w->n[at]; i++)
    if (!isfinite(w->numbers[at][i])) return arena_printf(arena, ", of %.4g", w->numbers[of][i]);
  return "";
}

// Does the operation take a part of the numbers only? Then its argument is to blame before the learning rate is.
static bool takes_part(IrOp op) {
  return op == IR_LOG || op == IR_LOG1P || op == IR_SQRT || op == IR_DIV || op == IR_POW || op == IR_NORMAL_ICDF || op == IR_LGAMMA;
}

bool nonfinite_explain(Session *session, const IrFn *fn, const Bound *bound, const ModelLoss *loss, const BoundCall *call, const Tables *tables, int64_t step,
                       const char *cure, HgmError *error) {
  const Slot *result = bound_result(bound, loss->output);
  const char *block = loss->name;
  const char *term = isfinite(slot_number(result, 0)) ? "the gradient" : "the loss";
  Bound again = *bound;
  int64_t k = 0;
  if (!find_event(&again, loss, call, &k, error))
    return hgm_fail(error, EXIT_USER, "%s of `update %s` is not finite in step %lld: each event alone is finite, their sum is not; %s", term, block,
                    (long long)step, cure);
  term = isfinite(slot_number(result, 0)) ? "the gradient" : "the loss";
  Arena *arena = arena_create();
  fn = opt_dce(arena, fn); // the compiled step has no numbers for leaves that nothing needs
  int64_t row = call->rows != NULL ? call->rows[k] : call->first_event + k, id = call->event_ids != NULL ? call->event_ids[k] : row;
  IrArray *leaves = ARENA_ARRAY(arena, IrArray, bound->program->n_leaves + 1), *outputs = ARENA_ARRAY(arena, IrArray, fn->outputs.len + 1);
  for (uint32_t i = 0; i < bound->program->n_leaves; i++) leaves[i] = leaf_array(arena, bound, i, tables, row);
  Watch w = {arena, ARENA_ARRAY(arena, bool, fn->values.len + 1), ARENA_ARRAY(arena, double *, fn->values.len + 1),
             ARENA_ARRAY(arena, int64_t, fn->values.len + 1)};
  IrEnv env = {.events = 1,
               .seed = bound->seed,
               .event_ids = &id,
               .pass = call->pass,
               .leaves = leaves,
               .n_leaves = bound->program->n_leaves,
               .round_f32 = true,
               .watch = watch,
               .watch_data = &w};
  const char *message;
  IrRef at = ir_eval(fn, &env, arena, outputs, &message) ? origin(fn, loss, w.bad) : IR_NONE;
  IrOp op = at == IR_NONE ? IR_CONST : ir_at(fn, at)->op;
  if (op == IR_PARAM || op == IR_STATE)
    hgm_fail(error, EXIT_USER, "%s of `update %s` is not finite in step %lld: the step before made `%s` so, its gradient was not finite; %s", term, block,
             (long long)step, ir_at(fn, at)->attr.name, cure);
  else if (at == IR_NONE)
    hgm_fail(error, EXIT_USER, "%s of `update %s` is not finite in step %lld, event %lld; %s", term, block, (long long)step, (long long)id, cure);
  else
    hgm_fail(error, EXIT_USER,
             "%s of `update %s` is not finite in step %lld: `%s`%s gives the first number that is not finite%s, for event %lld (row %lld); %s%s", term, block,
             (long long)step, ir_op_word(op), place_text(session, arena, ir_at(fn, at)->span), argument_text(arena, fn, at, &w), (long long)id, (long long)row,
             takes_part(op) ? "keep what it is given where it has a value (`max(x, 1e-6)`, `exp`, `softplus` are positive), or else " : "", cure);
  arena_destroy(arena);
  return false;
}
