#include "compiler/driver/generate.h"

#include <string.h>

#include "compiler/driver/dataset.h"

bool column_is_given(const void *generator, const ModelColumn *column) {
  const ModelGenerator *g = generator;
  for (size_t i = 0; i < g->given.len; i++)
    if (strcmp(g->given.at[i]->name, column->name) == 0) return true;
  return false;
}

const ModelGenerator *generator_named(const Model *model, Arena *arena, const char *wanted, HgmError *error) {
  const char *names = "";
  for (size_t i = 0; i < model->generators.len; i++) {
    const ModelGenerator *g = model->generators.at[i];
    if (wanted == NULL || strcmp(g->name, wanted) == 0) return g;
    names = arena_printf(arena, "%s%s%s", names, i ? ", " : "", g->name[0] != '\0' ? g->name : "(unnamed)");
  }
  if (model->generators.len == 0) hgm_fail(error, EXIT_USER, "%s has no `generate` block, so there is nothing to draw", model->path);
  else hgm_fail(error, EXIT_ENVIRONMENT, "the model has no generator `%s`; it has %s", wanted, names);
  return NULL;
}

bool generation_open(Generation *g, Session *session, const ModelGenerator *generator, uint32_t tile, Store *store, const Tables *tables, HgmError *error) {
  Arena *arena = store->arena;
  *g = (Generation){.generator = generator};
  if (!bound_create(&g->bound, session, generator->fn, tile, CHUNK, store, tables, error)) return false;
  g->values = ARENA_ARRAY(arena, double *, generator->outputs.len + 1);
  g->elements = ARENA_ARRAY(arena, int64_t, generator->outputs.len + 1);
  g->rows = ARENA_ARRAY(arena, int64_t, CHUNK);
  g->ids = ARENA_ARRAY(arena, int64_t, CHUNK);
  const HgmProgram *program = g->bound.program;
  for (size_t i = 0; i < generator->outputs.len; i++) {
    const char *name = arena_printf(arena, "out:%s", generator->outputs.at[i].column);
    int port = hgm_port_find(program->outputs, program->n_outputs, name);
    if (port < 0) return hgm_fail(error, EXIT_INTERNAL, "the generator has no output %s", name);
    g->elements[i] = program->outputs[port].elements;
    g->values[i] = ARENA_ARRAY(arena, double, g->elements[i] * CHUNK);
    bound_output(&g->bound, name, g->values[i]);
  }
  return true;
}

bool generation_chunk(Generation *g, int64_t first, int64_t n, HgmError *error) {
  for (int64_t k = 0; k < n; k++) {
    g->ids[k] = first + k;
    int64_t row = g->n_given > 0 ? (first + k) % g->n_given : 0;
    g->rows[k] = g->given != NULL ? g->given[row] : row;
  }
  return bound_run(&g->bound, &(BoundCall){.events = n, .rows = g->rows, .event_ids = g->ids}, error);
}

void generation_close(Generation *g) { bound_destroy(&g->bound); }
