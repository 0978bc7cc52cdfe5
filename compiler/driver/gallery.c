#include "compiler/driver/gallery.h"

#include <dirent.h>
#include <errno.h>
#include <math.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "compiler/driver/images.h"
#include "runtime/png.h"

enum { GALLERY_EVENTS = 512, PICTURES = 8, RUNAWAY = 1000 };
static const double collapsed = 0.1;

bool gallery_is_due(const Phase *p) {
  const Training *t = p->t;
  if (p->model->updates.len + p->model->updates.at[0].losses.len < 3 || t->session->model->generators.len == 0) return false;
  if (t->run == NULL || !ranks_first(t->ranks)) return false;
  int64_t epoch = (int64_t)t->position.epoch, epochs = (p->total_steps + p->steps_per_epoch - 1) / p->steps_per_epoch;
  int64_t every = epochs > PICTURES ? epochs / PICTURES : 1;
  return epoch == 1 || epoch % every == 0 || epoch == epochs;
}

// ---- events

struct Gallery {
  const ModelGenerator *generator;
  Bound bound;
  double **values; // by output of the generator: (GALLERY_EVENTS, elements)
  int64_t *elements;
};

static Dataset *dataset_of(const Phase *p, const ModelData *data) {
  if (data == NULL || p->t->datasets == NULL) return NULL;
  Dataset *dataset = &p->t->datasets[model_data_index(p->t->session->model, data)];
  return dataset->data == NULL ? NULL : dataset;
}

static Split split_of(const Dataset *dataset) { return dataset->n[SPLIT_VALID] >= GALLERY_EVENTS || dataset->n[SPLIT_TRAIN] == 0 ? SPLIT_VALID : SPLIT_TRAIN; }

static bool open_once(Gallery *g, Phase *p, HgmError *error) {
  if (g->generator != NULL) return true;
  static const Tables none = {0};
  Training *t = p->t;
  Arena *arena = t->store->arena;
  g->generator = t->session->model->generators.at[0];
  const Dataset *given = dataset_of(p, g->generator->given_data != NULL ? g->generator->given_data : g->generator->data);
  if (!bound_create_in(&g->bound, t->session, g->generator->fn, BULK_TILE, GALLERY_EVENTS, &p->room, t->store, given != NULL ? &given->tables : &none, error))
    return false;
  const HgmProgram *program = g->bound.program;
  g->values = ARENA_ARRAY(arena, double *, g->generator->outputs.len + 1);
  g->elements = ARENA_ARRAY(arena, int64_t, g->generator->outputs.len + 1);
  for (size_t i = 0; i < g->generator->outputs.len; i++) {
    const char *name = arena_printf(arena, "out:%s", g->generator->outputs.at[i].column);
    int port = hgm_port_find(program->outputs, program->n_outputs, name);
    if (port < 0) continue;
    g->elements[i] = program->outputs[port].elements;
    g->values[i] = ARENA_ARRAY(arena, double, g->elements[i] * GALLERY_EVENTS);
    bound_output(&g->bound, name, g->values[i]);
  }
  return true;
}

static bool generate(Gallery *g, const Phase *p, Arena *scratch, HgmError *error) {
  const Dataset *given = dataset_of(p, g->generator->given_data);
  int64_t *rows = ARENA_ARRAY(scratch, int64_t, GALLERY_EVENTS), n = given != NULL ? given->n[split_of(given)] : 0;
  for (int64_t k = 0; k < GALLERY_EVENTS; k++) rows[k] = n > 0 ? given->chosen[split_of(given)][k % n] : 0;
  return bound_run(&g->bound, &(BoundCall){.events = GALLERY_EVENTS, .rows = rows}, error);
}

// The same column of the truth, as many events of it; NULL: there is none.
static const double *truth_of(const Gallery *g, const Phase *p, size_t output, Arena *scratch) {
  const Dataset *dataset = dataset_of(p, g->generator->data);
  const char *name = arena_printf(scratch, "column:%s", g->generator->outputs.at[output].column);
  const Table *table = dataset == NULL ? NULL : tables_find(&dataset->tables, name);
  if (table == NULL || table->elements != g->elements[output]) return NULL;
  int64_t n = dataset->n[split_of(dataset)];
  double *values = ARENA_ARRAY(scratch, double, table->elements *GALLERY_EVENTS);
  for (int64_t k = 0; k < GALLERY_EVENTS && n > 0; k++) table_row(table, dataset->chosen[split_of(dataset)][k % n], values + k * table->elements);
  return n > 0 ? values : NULL;
}

// ---- how much the events differ from each other

static double variance(const double *values, int64_t elements, int64_t k) {
  double sum = 0, squares = 0;
  for (int64_t i = 0; i < GALLERY_EVENTS; i++) sum += values[i * elements + k];
  double mean = sum / GALLERY_EVENTS;
  for (int64_t i = 0; i < GALLERY_EVENTS; i++) squares += (values[i * elements + k] - mean) * (values[i * elements + k] - mean);
  return squares / GALLERY_EVENTS;
}

// Root of the mean ratio of variances, over all numbers that vary in the truth and are not given.
static double spread_of(const Gallery *g, const Phase *p, Arena *scratch) {
  double sum = 0, n = 0;
  for (size_t i = 0; i < g->generator->outputs.len; i++) {
    const double *truth = g->values[i] == NULL || g->generator->outputs.at[i].given ? NULL : truth_of(g, p, i, scratch);
    for (int64_t k = 0; truth != NULL && k < g->elements[i]; k++) {
      double real = variance(truth, g->elements[i], k), fake = variance(g->values[i], g->elements[i], k);
      if (real > 0) sum += fmin(fake / real, 1), n++;
    }
  }
  return n > 0 ? sqrt(sum / n) : NAN;
}

const char *gallery_collapse(double spread, Arena *arena) {
  if (!(spread < collapsed)) return NULL;
  return arena_printf(arena, "the generator has collapsed: its events differ from each other by %.2g of what the truth does", spread);
}

const char *gallery_divergence(const char *loss_name, double first, double loss, Arena *arena) {
  if (!(fabs(loss) > RUNAWAY * fmax(1, fabs(first)))) return NULL;
  return arena_printf(arena, "%s has diverged: its loss is %.3g, it was %.3g in the first epoch", loss_name, loss, first);
}

// ---- pictures

// The first one or two numbers that are generated.
static int first_numbers(const Gallery *g, const Phase *p, Arena *scratch, RasterSample *truth, RasterSample *fake) {
  double *a = ARENA_ARRAY(scratch, double, 2 * GALLERY_EVENTS), *b = ARENA_ARRAY(scratch, double, 2 * GALLERY_EVENTS);
  const double *from[2], *real[2];
  int64_t pitch[2], at[2];
  int n = 0;
  for (size_t i = 0; i < g->generator->outputs.len; i++) {
    if (g->values[i] == NULL || g->generator->outputs.at[i].given) continue;
    const double *known = truth_of(g, p, i, scratch);
    for (int64_t k = 0; k < g->elements[i] && n < 2; k++, n++) from[n] = g->values[i], real[n] = known, pitch[n] = g->elements[i], at[n] = k;
  }
  bool both = n > 0;
  for (int c = 0; c < n; c++) both = both && real[c] != NULL;
  for (int64_t e = 0; e < GALLERY_EVENTS; e++)
    for (int c = 0; c < n; c++) {
      a[e * n + c] = from[c][e * pitch[c] + at[c]];
      if (both) b[e * n + c] = real[c][e * pitch[c] + at[c]];
    }
  *fake = (RasterSample){a, GALLERY_EVENTS};
  *truth = (RasterSample){b, both ? GALLERY_EVENTS : 0};
  return n;
}

static bool save(const Raster *r, const Phase *p, const char *name, HgmError *error) {
  Arena *arena = p->t->store->arena;
  const char *folder = arena_printf(arena, "%s/samples", hgm_run_path(p->t->run)), *path = arena_printf(arena, "%s/%s.png", folder, name);
  if (mkdir(folder, 0777) != 0 && errno != EEXIST) return hgm_fail(error, EXIT_ENVIRONMENT, "%s: cannot be made: %s", folder, strerror(errno));
  return hgm_png_save(path, r->width, r->height, r->rgb, p->t->io, error);
}

static bool save_images(const Gallery *g, const Phase *p, size_t output, const char *name, Arena *scratch, HgmError *error) {
  int64_t rows = 0, columns = 0;
  images_shape(g->generator->outputs.at[output].like, &rows, &columns);
  const double *truth = truth_of(g, p, output, scratch);
  double most = images_largest(truth != NULL ? truth : g->values[output], GALLERY_EVENTS * rows * columns);
  Raster grid = raster_images(scratch, g->values[output], IMAGES_SHOWN, rows, columns, most);
  if (!save(&grid, p, name, error)) return false;
  if (truth == NULL || p->t->position.epoch != 1) return true;
  grid = raster_images(scratch, truth, IMAGES_SHOWN, rows, columns, most);
  return save(&grid, p, "truth", error);
}

static bool save_picture(const Gallery *g, const Phase *p, Arena *scratch, HgmError *error) {
  const char *phase = p->t->session->model->phases.len > 1 ? arena_printf(scratch, "%s_", p->model->name) : "";
  const char *name = arena_printf(scratch, "%sepoch_%04.0f", phase, p->t->position.epoch);
  int64_t rows, columns;
  for (size_t i = 0; i < g->generator->outputs.len; i++)
    if (g->values[i] != NULL && !g->generator->outputs.at[i].given && images_shape(g->generator->outputs.at[i].like, &rows, &columns))
      return save_images(g, p, i, name, scratch, error);
  RasterSample truth, fake;
  int n = first_numbers(g, p, scratch, &truth, &fake);
  if (n == 0) return true;
  Raster picture = n == 2 ? raster_points(scratch, truth, fake) : raster_shares(scratch, truth, fake);
  return save(&picture, p, name, error);
}

bool gallery_draw(Phase *p, double *spread, HgmError *error) {
  if (p->gallery == NULL) p->gallery = ARENA_NEW(p->t->store->arena, Gallery);
  Arena *scratch = arena_create();
  bool fine = open_once(p->gallery, p, error) && generate(p->gallery, p, scratch, error);
  if (fine) *spread = spread_of(p->gallery, p, scratch);
  fine = fine && save_picture(p->gallery, p, scratch, error);
  arena_destroy(scratch);
  return fine;
}

void gallery_close(Phase *p) {
  if (p->gallery != NULL) bound_destroy(&p->gallery->bound);
}

bool gallery_clear(const HgmRun *run, HgmError *error) {
  char folder[4096];
  if (!hgm_run_file(hgm_run_path(run), "samples", folder, sizeof folder, error)) return false;
  DIR *directory = opendir(folder);
  if (directory == NULL) return true;
  bool fine = true;
  for (struct dirent *file; fine && (file = readdir(directory)) != NULL;) {
    char path[4096];
    size_t length = strlen(file->d_name);
    if (length < 4 || strcmp(file->d_name + length - 4, ".png") != 0) continue;
    fine = hgm_run_file(folder, file->d_name, path, sizeof path, error) &&
           (unlink(path) == 0 || hgm_fail(error, EXIT_ENVIRONMENT, "%s: cannot be removed: %s", path, strerror(errno)));
  }
  closedir(directory);
  return fine;
}
