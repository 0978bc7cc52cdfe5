#include "compiler/driver/simulate.h"

#include <string.h>

enum { EVENTS = 10000 };

static void choose(Dataset *dataset, Arena *arena, Split split, int64_t first, int64_t n) {
  dataset->n[split] = n;
  dataset->chosen[split] = ARENA_ARRAY(arena, int64_t, n + 1);
  for (int64_t i = 0; i < n; i++) dataset->chosen[split][i] = first + i;
}

bool dataset_simulate(Dataset *dataset, Session *session, Store *store, const ModelData *data, HgmError *error) {
  Arena *arena = session->arena;
  const ModelEvaluate *block = session->model->evaluate;
  int64_t n = block != NULL && block->events > 0 ? block->events : EVENTS;
  Bound bound;
  static const Tables none = {0};
  if (!bound_create(&bound, session, data->simulate, BULK_TILE, CHUNK, store, &none, error)) return false;
  *dataset = (Dataset){.data = data, .rows = 2 * n};
  choose(dataset, arena, SPLIT_VALID, 0, n);
  choose(dataset, arena, SPLIT_TEST, n, n);
  for (uint32_t i = 0; i < bound.program->n_outputs; i++) {
    const HgmPort *port = &bound.program->outputs[i];
    Table table = {port->name, HGM_FILE_F64, port->elements, ARENA_ARRAY(arena, double, 2 * n * port->elements + 1)};
    VEC_PUSH(arena, &dataset->tables.list, table);
  }
  bool ok = true;
  for (int64_t at = 0; ok && at < 2 * n; at += CHUNK) {
    for (size_t i = 0; i < dataset->tables.list.len; i++) {
      const Table *t = &dataset->tables.list.at[i];
      bound_output(&bound, t->name, (double *)t->data + at * t->elements);
    }
    ok = bound_run(&bound, &(BoundCall){.events = 2 * n - at < CHUNK ? 2 * n - at : CHUNK, .first_event = at, .pass = UINT32_MAX}, error);
  }
  for (size_t i = 0; i < dataset->tables.list.len; i++) // the program's names go with it
    dataset->tables.list.at[i].name = arena_strdup(arena, dataset->tables.list.at[i].name);
  bound_destroy(&bound);
  return ok;
}
