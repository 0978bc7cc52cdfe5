#include "compiler/driver/measured.h"

#include "compiler/driver/dataset.h"
#include "runtime/subjettiness.h"

enum { IMAGES = 512 }; // of one call

static int64_t pixels(const ModelMeasured *model) { return (int64_t)model->rows * model->columns; }

static int64_t rows_needed(const int64_t *rows, int64_t n) {
  int64_t most = 0;
  for (int64_t i = 0; i < n; i++) most = rows[i] >= most ? rows[i] + 1 : most;
  return most;
}

static bool open_column(Measured *m, const ModelMeasured *model, Store *store, int64_t rows, HgmError *error) {
  Arena *arena = m->session->arena;
  MeasuredColumn column = {.model = model, .values = ARENA_ARRAY(arena, double, rows + 1)};
  if (!bound_create(&column.argument, m->session, model->argument, BULK_TILE, IMAGES, store, &m->tables, error)) return false;
  VEC_PUSH(arena, &m->columns, column);
  return true;
}

bool measured_open(Measured *m, Session *session, const IrFn *reader, Store *store, const Tables *tables, const int64_t *rows, int64_t n, HgmError *error) {
  const Model *model = session->model;
  int64_t largest = 0, needed = rows_needed(rows, n);
  *m = (Measured){.session = session};
  for (size_t i = 0; i < tables->list.len; i++) VEC_PUSH(session->arena, &m->tables.list, tables->list.at[i]);
  for (size_t i = 0; i < model->measured.len; i++) {
    const ModelMeasured *one = &model->measured.at[i];
    if (one->reader != reader) continue;
    if (!open_column(m, one, store, needed, error)) return false;
    size_t bytes = hgm_subjettiness_room(one->rows, one->columns);
    m->room_bytes = bytes > m->room_bytes ? bytes : m->room_bytes;
    largest = pixels(one) > largest ? pixels(one) : largest;
  }
  for (size_t i = 0; i < m->columns.len; i++) {
    Table table = {m->columns.at[i].model->leaf, HGM_FILE_F64, 1, m->columns.at[i].values};
    VEC_PUSH(session->arena, &m->tables.list, table);
  }
  m->images = ARENA_ARRAY(session->arena, double, IMAGES *largest + 1);
  m->room = ARENA_ARRAY(session->arena, char, m->room_bytes *(size_t)hgm_pool_threads(session->pool) + 1);
  return true;
}

typedef struct Chunk {
  const Measured *m;
  const MeasuredColumn *column;
  const int64_t *rows;
} Chunk;

static void measure_one(void *data, int64_t i, int thread) {
  const Chunk *c = data;
  const ModelMeasured *model = c->column->model;
  c->column->values[c->rows[i]] = hgm_subjettiness(c->m->images + i * pixels(model), model->rows, model->columns, model->axes, model->reach,
                                                   c->m->room + (size_t)thread * c->m->room_bytes);
}

static bool run_column(Measured *m, MeasuredColumn *column, const int64_t *rows, int64_t n, HgmError *error) {
  bound_output(&column->argument, "argument", m->images);
  for (int64_t at = 0; at < n; at += IMAGES) {
    int64_t some = n - at < IMAGES ? n - at : IMAGES;
    if (!bound_run(&column->argument, &(BoundCall){.events = some, .rows = rows + at, .event_ids = rows + at}, error)) return false;
    hgm_pool_run(m->session->pool, some, measure_one, &(Chunk){m, column, rows + at});
  }
  return true;
}

bool measured_run(Measured *m, const int64_t *rows, int64_t n, HgmError *error) {
  for (size_t i = 0; i < m->columns.len; i++)
    if (!run_column(m, &m->columns.at[i], rows, n, error)) return false;
  return true;
}

void measured_close(Measured *m) {
  for (size_t i = 0; i < m->columns.len; i++) bound_destroy(&m->columns.at[i].argument);
}
