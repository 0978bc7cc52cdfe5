#include "compiler/driver/images.h"

#include <ctype.h>
#include <math.h>
#include <string.h>

#include "runtime/png.h"

enum { ACROSS = RASTER_ACROSS, ROWS = IMAGES_SHOWN / ACROSS, MOST_CLASSES = 12, MOST_COLUMNS = 6, LEAST_ROWS = 4 };

bool images_shape(const ModelColumn *column, int64_t *rows, int64_t *columns) {
  if (column == NULL || column->of_set || column->rank < 2 || column->shape[0] < LEAST_ROWS || column->shape[1] < LEAST_ROWS) return false;
  *rows = column->shape[0], *columns = column->shape[1];
  return column->rank == 2 || (column->rank == 3 && column->shape[2] == 1);
}

double images_largest(const double *values, int64_t n) {
  double most = 0;
  for (int64_t i = 0; i < n; i++)
    if (isfinite(values[i])) most = fmax(most, values[i]);
  return most;
}

static bool is_shown(const ModelOutput *output, int64_t *rows, int64_t *columns) {
  return !output->given && !output->extra && images_shape(output->like, rows, columns);
}

// "out/report.html" → "out/report_image_truth.png"
static const char *path_of(Arena *arena, const char *report, const char *column, const char *side) {
  const char *slash = strrchr(report, '/'), *dot = strrchr(slash != NULL ? slash : report, '.');
  char *name = arena_strdup(arena, column);
  for (char *c = name; *c != '\0'; c++)
    if (!isalnum((unsigned char)*c)) *c = '_';
  return arena_printf(arena, "%.*s_%s_%s.png", dot != NULL ? (int)(dot - report) : (int)strlen(report), report, name, side);
}

// ---- which events

static const Table *column_of(const Tables *tables, const char *column) {
  char name[512];
  snprintf(name, sizeof name, "column:%s", column);
  return tables_find(tables, name);
}

// Rows of the tables of both samples, for one place of the grid after the other; -1: there is none left.
typedef struct Chosen {
  const Evaluation *e;
  int64_t n, *rows[2];
} Chosen;

static const Tables *tables_of(const Evaluation *e, int side) { return side == 0 ? &e->dataset->tables : &e->fake; }
static int64_t events_of(const Evaluation *e, int side) { return side == 0 ? e->n_truth : e->n_fake; }

// The next places get the first `count` events of a class; column NULL: of all.
static void choose(const Chosen *c, int64_t at, int64_t count, const char *column, double class) {
  for (int side = 0; side < 2; side++) {
    const Table *classes = column == NULL ? NULL : column_of(tables_of(c->e, side), column);
    int64_t *rows = c->rows[side] + at, n = 0;
    for (int64_t k = 0; n < count && k < events_of(c->e, side); k++) {
      int64_t row = side == 0 ? c->e->rows[k] : k;
      if (classes == NULL || table_number(classes, row) == class) rows[n++] = row;
    }
    while (n < count) rows[n++] = -1;
  }
}

static int64_t classes_of(const ModelColumn *column) {
  if (column == NULL || column->rank > 0 || (column->kind != COLUMN_CATEGORY && column->kind != COLUMN_TEXT_CATEGORY)) return 0;
  return (int64_t)(column->kind == COLUMN_CATEGORY ? column->values.len : column->texts.len);
}

// A class that generated events have as true ones do, and few enough of them. What a translation is given belongs to other events.
static const ModelColumn *class_of(const Evaluation *e) {
  for (size_t i = 0; i < e->generator->outputs.len; i++) {
    const ModelOutput *output = &e->generator->outputs.at[i];
    if (output->extra || (output->given && e->given != NULL) || classes_of(output->like) < 2 || classes_of(output->like) > MOST_CLASSES) continue;
    if (column_of(&e->dataset->tables, output->column) != NULL && column_of(&e->fake, output->column) != NULL) return output->like;
  }
  return NULL;
}

static Chosen choose_all(const Evaluation *e, Images *images, Arena *arena) {
  const ModelColumn *column = class_of(e);
  int64_t classes = column == NULL ? 1 : classes_of(column), rows = classes > ROWS ? 1 : ROWS / classes;
  Chosen c = {.e = e, .n = classes * rows * ACROSS};
  for (int side = 0; side < 2; side++) c.rows[side] = ARENA_ARRAY(arena, int64_t, c.n);
  images->classes = "";
  for (int64_t k = 0; k < classes; k++) {
    double value = column == NULL || column->kind == COLUMN_TEXT_CATEGORY ? (double)k : column->values.at[k];
    choose(&c, k * rows * ACROSS, rows * ACROSS, column == NULL ? NULL : column->name, value);
    if (column == NULL) continue;
    const char *name = column->kind == COLUMN_TEXT_CATEGORY ? column->texts.at[k] : arena_printf(arena, "%g", value);
    const int top = (int)(k * rows) + 1, last = (int)((k + 1) * rows);
    const char *which = rows == 1 ? arena_printf(arena, "row %d", top) : arena_printf(arena, "rows %d to %d", top, last);
    images->classes = arena_printf(arena, "%s%s%s: %s %s", images->classes, k > 0 ? "; " : "", which, column->name, name);
  }
  return c;
}

// ---- their pictures

// (n, elements); NaN where there is no event.
static const double *values_of(const Chosen *c, int side, const char *column, int64_t elements, Arena *arena) {
  const Table *table = column_of(tables_of(c->e, side), column);
  double *values = ARENA_ARRAY(arena, double, c->n *elements);
  for (int64_t i = 0; i < c->n; i++)
    if (table != NULL && table->elements == elements && c->rows[side][i] >= 0) table_row(table, c->rows[side][i], values + i * elements);
    else
      for (int64_t k = 0; k < elements; k++) values[i * elements + k] = NAN;
  return values;
}

static void draw(Images *images, const Chosen *c, const ModelOutput *output, int64_t rows, int64_t columns, const char *report, Arena *arena) {
  static const char *const names[] = {"truth", "generated"};
  ImageGrid grid = {.column = output->column, .unit = output->like->unit};
  for (int side = 0; side < 2; side++) {
    const double *values = values_of(c, side, output->column, rows * columns, arena);
    if (side == 0) grid.most = images_largest(values, c->n * rows * columns);
    grid.sides[side].name = names[side];
    grid.sides[side].path = path_of(arena, report, output->column, names[side]);
    grid.sides[side].raster = raster_images(arena, values, c->n, rows, columns, grid.most);
  }
  VEC_PUSH(arena, &images->grids, grid);
}

void images_collect(Images *images, const Evaluation *e, const char *report, Arena *arena) {
  int64_t rows, columns;
  *images = (Images){.given = "", .classes = ""};
  if (e->generator == NULL) return;
  Chosen c = choose_all(e, images, arena);
  for (size_t i = 0; i < e->generator->outputs.len; i++) {
    const ModelOutput *output = &e->generator->outputs.at[i];
    if (output->given && e->given == NULL) images->given = arena_printf(arena, "%s%s%s", images->given, images->given[0] != '\0' ? ", " : "", output->column);
    if (images->grids.len < MOST_COLUMNS && is_shown(output, &rows, &columns)) draw(images, &c, output, rows, columns, report, arena);
  }
}

bool images_save(const Images *images, HgmError *error) {
  for (size_t i = 0; i < images->grids.len; i++)
    for (int side = 0; side < 2; side++) {
      const Raster *r = &images->grids.at[i].sides[side].raster;
      if (!hgm_png_save(images->grids.at[i].sides[side].path, r->width, r->height, r->rgb, NULL, error)) return false;
    }
  return true;
}

bool images_may_write(const Model *model, const char *report, bool force, HgmError *error) {
  Arena *scratch = arena_create();
  int64_t rows, columns;
  bool ok = true;
  for (size_t i = 0, shown = 0; ok && model->generators.len > 0 && i < model->generators.at[0]->outputs.len && shown < MOST_COLUMNS; i++) {
    const ModelOutput *output = &model->generators.at[0]->outputs.at[i];
    if (!is_shown(output, &rows, &columns)) continue;
    shown++;
    ok = hgm_io_may_write(path_of(scratch, report, output->column, "truth"), force, error) &&
         hgm_io_may_write(path_of(scratch, report, output->column, "generated"), force, error);
  }
  arena_destroy(scratch);
  return ok;
}
