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

enum { CHUNK_BYTES = 8 << 20 }; // of generated numbers: their memory is touched anew for every program

// A multiple of the tile: 16384 events of up to 64 numbers, 1536 images of 625 pixels.
static int64_t events_at_a_time(const HgmProgram *program) {
  int64_t numbers = 1;
  for (uint32_t i = 0; i < program->n_outputs; i++) numbers += program->outputs[i].per_event ? program->outputs[i].elements : 0;
  int64_t most = CHUNK_BYTES / (int64_t)sizeof(double) / numbers / BULK_TILE * BULK_TILE;
  return most < BULK_TILE ? BULK_TILE : most < CHUNK ? most : CHUNK;
}

bool generation_open(Generation *g, Session *session, const ModelGenerator *generator, uint32_t tile, Store *store, const Tables *tables, HgmError *error) {
  Arena *arena = store->arena;
  *g = (Generation){.generator = generator};
  if (!bound_create_drawing(&g->bound, session, generator->fn, tile, CHUNK, store, tables, error)) return false;
  g->most = events_at_a_time(g->bound.program);
  g->values = ARENA_ARRAY(arena, double *, generator->outputs.len + 1);
  g->elements = ARENA_ARRAY(arena, int64_t, generator->outputs.len + 1);
  g->rows = ARENA_ARRAY(arena, int64_t, g->most);
  g->ids = ARENA_ARRAY(arena, int64_t, g->most);
  const HgmProgram *program = g->bound.program;
  for (size_t i = 0; i < generator->outputs.len; i++) {
    const char *name = arena_printf(arena, "out:%s", generator->outputs.at[i].column);
    int port = hgm_port_find(program->outputs, program->n_outputs, name);
    if (port < 0) return hgm_fail(error, EXIT_INTERNAL, "the generator has no output %s", name);
    g->elements[i] = program->outputs[port].elements;
    g->values[i] = ARENA_ARRAY(arena, double, g->elements[i] * g->most);
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

bool generation_draw(Generation *g, int64_t first, int64_t n, HgmError *error) {
  for (int64_t at = 0; at < n; at += g->most)
    if (!generation_chunk(g, first + at, n - at < g->most ? n - at : g->most, error)) return false;
  return true;
}

void generation_close(Generation *g) { bound_destroy(&g->bound); }
