#include "sampler/engine.h"

#include <stdlib.h>
#include <string.h>

#include "runtime/program_file.h"
#include "runtime/redraw.h"

enum { MOST_CHUNK = 16384, VALUES_BYTES = 1 << 20, BULK_TILE = 128, FEW_EVENTS = 8, FEW_TILE = 1 };

static const HgmBundleArray *find_array(const HgmBundle *bundle, const char *name) {
  for (uint64_t i = 0; i < bundle->n_arrays; i++)
    if (strcmp(bundle->arrays[i].name, name) == 0) return &bundle->arrays[i];
  return NULL;
}

static uint64_t port_bytes(const HgmPort *port) { return (uint64_t)port->elements * hgm_dtype_bytes(port->dtype); }

static bool does_not_fit(const char *port, HgmError *error) { return hgm_fail(error, 3, "the model in this file does not fit its code at %s", port); }

static bool bind_leaf(Engine *e, uint32_t i, const HgmBundle *bundle, double *const *columns, HgmError *error) {
  const HgmPort *port = &e->program->leaves[i];
  if (strcmp(port->name, "batch_size") == 0 && port->dtype == HGM_F64 && port->elements == 1) return e->leaves[i] = &e->batch_size, true;
  if (!port->per_event) {
    const HgmBundleArray *array = find_array(bundle, port->name);
    if (array == NULL || array->bytes != port_bytes(port)) return does_not_fit(port->name, error);
    e->leaves[i] = array->data;
    return true;
  }
  for (uint64_t k = 0; k < e->task->n_given; k++) {
    const HgmBundleColumn *c = &e->task->given[k];
    if (strcmp(c->port, port->name) != 0 || c->elements != port->elements || port->dtype != HGM_F64) continue;
    e->leaves[i] = columns[k];
    e->strides[i] = c->elements;
    return true;
  }
  return does_not_fit(port->name, error);
}

static bool bind_output(Engine *e, uint64_t k, HgmError *error) {
  const HgmBundleColumn *c = &e->task->outputs[k];
  int i = hgm_port_find(e->program->outputs, e->program->n_outputs, c->port);
  if (i < 0 || !e->program->outputs[i].per_event || e->program->outputs[i].dtype != HGM_F64 || e->program->outputs[i].elements != c->elements)
    return does_not_fit(c->port, error);
  e->outputs[i] = e->values[k] = malloc((uint64_t)(e->chunk * c->elements) * sizeof(double));
  return e->values[k] != NULL || hgm_fail(error, 2, "out of memory");
}

// Enough events to keep all threads busy, few enough to keep their values in a megabyte.
static int64_t chunk_of(const HgmBundleTask *task, int64_t tile, int threads, int64_t most) {
  int64_t elements = 1;
  for (uint64_t k = 0; k < task->n_outputs; k++) elements += task->outputs[k].elements;
  int64_t chunk = VALUES_BYTES / (elements * (int64_t)sizeof(double)), least = 4 * tile * threads;
  if (chunk > MOST_CHUNK) chunk = MOST_CHUNK;
  if (chunk < least) chunk = least;
  if (chunk > most) chunk = most > 0 ? most : 1;
  return (chunk + tile - 1) / tile * tile;
}

static bool load(Engine *e, int64_t most, HgmError *error) {
  HgmCpu cpu = hgm_bundle_cpu(e->task);
  const HgmBundleCode *code = hgm_bundle_code(e->task, cpu, most <= FEW_EVENTS ? FEW_TILE : BULK_TILE);
  if (code == NULL)
    return hgm_fail(error, 2, "this processor is %s, the program was built for %s; `hgmc build --target` chooses", hgm_cpu_level_name(cpu),
                    e->task->n_codes > 0 ? hgm_cpu_level_name((HgmCpu)e->task->codes[0].cpu) : "nothing");
  e->program = hgm_program_load(code->bytes, code->size, error);
  return e->program != NULL;
}

bool engine_open(Engine *e, const HgmBundle *bundle, const HgmBundleTask *task, double *const *columns, int threads, int64_t most, HgmError *error) {
  *e = (Engine){.task = task, .seed = bundle->seed};
  if (!load(e, most, error)) return false;
  const HgmProgram *p = e->program;
  int64_t tiles = (most + p->tile - 1) / p->tile;
  if (threads > tiles) threads = tiles > 0 ? (int)tiles : 1;
  e->chunk = chunk_of(task, p->tile, threads, most);
  e->leaves = calloc(p->n_leaves + 1, sizeof *e->leaves);
  e->strides = calloc(p->n_leaves + 1, sizeof *e->strides);
  e->outputs = calloc(p->n_outputs + 1, sizeof *e->outputs);
  e->values = calloc(task->n_outputs + 1, sizeof *e->values);
  e->rows = calloc((size_t)e->chunk, sizeof *e->rows);
  if (!e->leaves || !e->strides || !e->outputs || !e->values || !e->rows) return hgm_fail(error, 2, "out of memory");
  for (uint32_t i = 0; i < p->n_leaves; i++)
    if (!bind_leaf(e, i, bundle, columns, error)) return false;
  for (uint64_t k = 0; k < task->n_outputs; k++)
    if (!bind_output(e, k, error)) return false;
  e->pool = hgm_pool_create(threads);
  if (e->pool == NULL) return hgm_fail(error, 2, "%d threads cannot be started; try --threads 1", threads);
  e->redraw = malloc(hgm_redraw_bytes(p, e->chunk) + 1);
  if (e->redraw == NULL) return hgm_fail(error, 2, "out of memory");
  e->work = hgm_work_create(p, threads, e->chunk, NULL, error);
  return e->work != NULL;
}

bool engine_run(Engine *e, int64_t first, int64_t n, int64_t rows, HgmError *error) {
  int64_t row = rows > 0 ? first % rows : 0;
  for (int64_t k = 0; k < n; k++) {
    e->rows[k] = row;
    if (++row >= rows) row = 0;
  }
  e->batch_size = (double)n;
  HgmCall call = {.leaves = e->leaves,
                  .strides = e->strides,
                  .outputs = e->outputs,
                  .events = n,
                  .rows = e->rows,
                  .first_event = first,
                  .seed = e->seed,
                  .prepared = e->prepared};
  e->prepared = true;
  return hgm_redraw(e->program, e->work, e->pool, &call, e->redraw, error);
}

void engine_close(Engine *e) {
  for (uint64_t k = 0; e->values != NULL && k < e->task->n_outputs; k++) free(e->values[k]);
  hgm_work_destroy(e->work);
  if (e->pool != NULL) hgm_pool_destroy(e->pool);
  hgm_program_free(e->program);
  free(e->leaves);
  free(e->strides);
  free(e->outputs);
  free(e->values);
  free(e->rows);
  free(e->redraw);
  *e = (Engine){0};
}
