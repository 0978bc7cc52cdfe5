#include "compiler/driver/bound.h"

#include <string.h>

#include "compiler/driver/compiling.h"
#include "compiler/driver/dataset.h"
#include "runtime/redraw.h"

enum { QUICK_ROWS = 1 << 18 }; // about 50 ns a row slower, 50 ms sooner there

static bool bind_leaf(Bound *bound, uint32_t i, Store *store, const Tables *tables, HgmError *error) {
  const HgmPort *port = &bound->program->leaves[i];
  if (!port->per_event) {
    bound->leaf_slots[i] = store_add_leaf(store, port);
    return true;
  }
  const Table *table = tables_find(tables, port->name);
  if (table == NULL) return hgm_fail(error, EXIT_INTERNAL, "program %s wants %s, which is not there", bound->name, port->name);
  if (!table_fits(table, port))
    return hgm_fail(error, EXIT_INTERNAL, "program %s wants %s with %lld numbers an event, there are %lld", bound->name, port->name, (long long)port->elements,
                    (long long)table->elements);
  bound->leaves[i] = table->data;
  bound->strides[i] = table->elements;
  bound->types[i] = table->type;
  return true;
}

static void bind_output(Bound *bound, uint32_t i, Store *store) {
  const HgmPort *port = &bound->program->outputs[i];
  if (port->per_event) return;
  bool sets = strncmp(port->name, "set:", 4) == 0;
  const char *name = sets ? port->name + 4 : arena_printf(store->arena, "%s.%s", bound->name, port->name);
  bound->output_slots[i] = store_add(store, name, port->dtype, port->elements);
  bound->commits[i] = sets && port->in_place == 0;
}

static bool bind(Bound *bound, Session *session, const IrFn *fn, HgmProgram *program, Store *store, const Tables *tables, HgmError *error) {
  *bound = (Bound){.name = fn->name, .program = program, .pool = session->pool, .store = store, .seed = session->model->seed};
  Arena *arena = store->arena;
  bound->leaf_slots = ARENA_ARRAY(arena, Slot *, program->n_leaves);
  bound->leaves = ARENA_ARRAY(arena, const void *, program->n_leaves);
  bound->strides = ARENA_ARRAY(arena, int64_t, program->n_leaves);
  bound->types = ARENA_ARRAY(arena, HgmFileType, program->n_leaves);
  bound->output_slots = ARENA_ARRAY(arena, Slot *, program->n_outputs);
  bound->outputs = ARENA_ARRAY(arena, void *, program->n_outputs);
  bound->commits = ARENA_ARRAY(arena, bool, program->n_outputs);
  for (uint32_t i = 0; i < program->n_leaves; i++)
    if (!bind_leaf(bound, i, store, tables, error)) return false;
  for (uint32_t i = 0; i < program->n_outputs; i++) bind_output(bound, i, store);
  return true;
}

bool bound_bind(Bound *bound, Session *session, const IrFn *fn, CodeShape shape, Store *store, const Tables *tables, HgmError *error) {
  return bind(bound, session, fn, session_compile(session, fn, shape, CODE_STEP), store, tables, error);
}

bool bound_work(Bound *bound, const Session *session, int64_t max_events, const HgmRoom *room, HgmError *error) {
  uint64_t redraw = hgm_redraw_bytes(bound->program, max_events);
  if (redraw > 0) bound->redraw = arena_alloc(bound->store->arena, redraw);
  double begin = now_ms();
  bound->work = hgm_work_create(bound->program, hgm_pool_threads(session->pool), max_events, room, error);
  if (bound->work != NULL)
    timeline_add(session->options->timeline, begin, "%s: %.1f MB of scratch memory", bound->name, (double)hgm_work_bytes(bound->work) * 1e-6);
  return bound->work != NULL;
}

bool bound_create(Bound *bound, Session *session, const IrFn *fn, uint32_t tile, int64_t max_events, Store *store, const Tables *tables, HgmError *error) {
  return bind(bound, session, fn, session_compile(session, fn, (CodeShape){.tile = tile}, CODE_PLAIN), store, tables, error) &&
         bound_work(bound, session, max_events, NULL, error);
}

bool bound_create_drawing(Bound *bound, Session *session, const IrFn *fn, uint32_t tile, int64_t max_events, Store *store, const Tables *tables,
                          HgmError *error) {
  return bind(bound, session, fn, session_compile(session, fn, (CodeShape){.tile = tile}, CODE_DRAW), store, tables, error) &&
         bound_work(bound, session, max_events, NULL, error);
}

bool bound_create_in(Bound *bound, Session *session, const IrFn *fn, uint32_t tile, int64_t max_events, const HgmRoom *room, Store *store, const Tables *tables,
                     HgmError *error) {
  if (!bind(bound, session, fn, session_compile(session, fn, (CodeShape){.tile = tile}, CODE_PLAIN), store, tables, error)) return false;
  bool fits = hgm_room_bytes(bound->program, hgm_pool_threads(session->pool), max_events) <= room->bytes;
  return bound_work(bound, session, max_events, fits ? room : NULL, error);
}

bool bound_create_over(Bound *bound, Session *session, const IrFn *fn, int64_t rows, Store *store, const Tables *tables, HgmError *error) {
  HgmProgram *program = session_compile(session, fn, (CodeShape){.tile = BULK_TILE}, rows < QUICK_ROWS ? CODE_QUICK : CODE_PLAIN);
  return bind(bound, session, fn, program, store, tables, error) && bound_work(bound, session, CHUNK, NULL, error);
}

void bound_change(Bound *bound, HgmProgram *program) {
  bool changed = hgm_work_change(bound->work, program);
  codegen_free(changed ? bound->program : program);
  if (changed) bound->program = program;
}

void bound_destroy(Bound *bound) {
  if (bound->work != NULL) hgm_work_destroy(bound->work);
  if (bound->program != NULL) codegen_free(bound->program);
  *bound = (Bound){0};
}

bool bound_output(Bound *bound, const char *name, void *data) {
  int i = hgm_port_find(bound->program->outputs, bound->program->n_outputs, name);
  if (i < 0) return false;
  bound->outputs[i] = data;
  return true;
}

Slot *bound_result(const Bound *bound, const char *name) {
  int i = hgm_port_find(bound->program->outputs, bound->program->n_outputs, name);
  return i < 0 ? NULL : bound->output_slots[i];
}

// Buffers change places at every commit, so the pointers are taken anew for each call.
static void refresh(Bound *bound, int64_t events) {
  const HgmProgram *program = bound->program;
  Slot *batch_size = store_find(bound->store, "batch_size");
  if (batch_size != NULL) slot_set(batch_size, 0, (double)events);
  for (uint32_t i = 0; i < program->n_leaves; i++) {
    if (bound->leaf_slots[i] == NULL) continue;
    bound->leaves[i] = bound->leaf_slots[i]->data;
    if (bound->leaf_slots[i]->half_of != NULL && !bound->rounded) slot_round(bound->leaf_slots[i]);
  }
  bound->rounded = true;
  for (uint32_t i = 0; i < program->n_outputs; i++) {
    Slot *slot = bound->output_slots[i];
    if (slot != NULL) bound->outputs[i] = bound->commits[i] ? slot_next(bound->store, slot) : slot->data;
  }
}

bool bound_run(Bound *bound, const BoundCall *call, HgmError *error) {
  refresh(bound, call->events);
  HgmCall run = {.leaves = bound->leaves,
                 .strides = bound->strides,
                 .types = bound->types,
                 .outputs = bound->outputs,
                 .events = call->events,
                 .rows = call->rows,
                 .event_ids = call->event_ids,
                 .first_event = call->first_event,
                 .seed = bound->seed,
                 .pass = call->pass,
                 .ranks = call->ranks,
                 .proceed = call->proceed,
                 .context = call->context};
  return hgm_redraw(bound->program, bound->work, bound->pool, &run, bound->redraw, error);
}

HgmOne *bound_one(Bound *bound, HgmError *error) {
  refresh(bound, 1);
  return hgm_one_create(bound->program, &(HgmCall){.leaves = bound->leaves, .outputs = bound->outputs, .seed = bound->seed}, error);
}

void bound_commit(Bound *bound) {
  for (uint32_t i = 0; i < bound->program->n_outputs; i++)
    if (bound->commits[i]) slot_commit(bound->output_slots[i]);
}
