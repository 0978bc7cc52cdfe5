// A model as a library (`hgmc build --lib`): what is behind NAME_open, NAME_sample, … of the generated header. Built once, with
// hgmc, as code without external symbols, writable data or a C library; `hgmc build` puts a bundle behind it and names the functions.
// No globals, no threads, no exit; memory is taken in lib_open only.
#include <stdlib.h>
#include <string.h>

#include "runtime/bundle.h"
#include "runtime/one.h"
#include "runtime/program_file.h"
#include "runtime/redraw.h"
#include "sampler/library/place.h"

enum { FEW_EVENTS = 8, FEW_TILE = 1, BULK_TILE = 128, NO_LEAF = -1 };
enum { DONE = 0, WRONG_CALL = 1, NO_DRAW = 4 }; // NO_DRAW: the condition of the generator never held

typedef struct Input { // a leaf that is another array for every event
  uint32_t leaf;
  bool latent; // of the host's random numbers, else of the given columns
  int64_t column;
} Input;

typedef struct Part { // a task, compiled for a number of events
  const HgmBundleTask *task;
  HgmProgram *program;
  HgmOne *one;         // of a program for single events: what calls copy; else NULL
  void *constant;      // values of weights alone, where there is no such handle
  double batch_size;   // of single events
  const void **leaves; // weights; the others are set at every call
  Input *inputs;
  uint32_t n_inputs;
  int batch_leaf;
  uint32_t *ports;                  // by output of the task: output of the program
  int64_t n_given, n_latent, n_out; // numbers of an event
} Part;

typedef enum { SAMPLE, TRANSFORM, SCORE, TASKS } Task;

typedef struct Library {
  HgmBundle *bundle;
  Part parts[TASKS][2]; // few events, many; program NULL: the model has no such task
} Library;

typedef enum { GIVEN, OUT, LATENT, DATA, SCORES, LISTS } List; // as NAME_size and NAME_column number them

Library *lib_open(void);
size_t lib_size(const Library *library, int list);
const char *lib_column(const Library *library, int list, size_t k);
void lib_close(Library *library);
size_t lib_work_bytes(const Library *library, size_t n);
int lib_sample(const Library *library, void *work, uint64_t seed, uint64_t first_event, size_t n, const float *given, float *out);
int lib_sample_f64(const Library *library, void *work, uint64_t seed, uint64_t first_event, size_t n, const double *given, double *out);
int lib_transform(const Library *library, void *work, const float *latent, const float *given, size_t n, float *out);
int lib_transform_f64(const Library *library, void *work, const double *latent, const double *given, size_t n, double *out);
int lib_score(const Library *library, void *work, uint64_t seed, uint64_t first_event, size_t n, const float *data, double *out);
int lib_score_f64(const Library *library, void *work, uint64_t seed, uint64_t first_event, size_t n, const double *data, double *out);

// ---- opening

static bool is_latent(const HgmBundleColumn *c) { return strncmp(c->port, "latent:", 7) == 0; }

static bool bind_input(Part *p, uint32_t leaf) {
  int64_t column[2] = {0, 0};
  for (uint64_t k = 0; k < p->task->n_given; k++) {
    const HgmBundleColumn *c = &p->task->given[k];
    bool latent = is_latent(c);
    if (strcmp(c->port, p->program->leaves[leaf].name) == 0) {
      p->inputs[p->n_inputs++] = (Input){leaf, latent, column[latent]};
      return c->elements == p->program->leaves[leaf].elements;
    }
    column[latent] += c->elements;
  }
  return false;
}

static bool bind_leaves(Part *p, const HgmBundle *bundle) {
  for (uint32_t i = 0; i < p->program->n_leaves; i++) {
    const HgmPort *port = &p->program->leaves[i];
    if (port->per_event) {
      if (!bind_input(p, i)) return false;
    } else if (strcmp(port->name, "batch_size") == 0) {
      p->batch_leaf = (int)i;
    } else {
      for (uint64_t k = 0; k < bundle->n_arrays && p->leaves[i] == NULL; k++)
        if (strcmp(bundle->arrays[k].name, port->name) == 0 && bundle->arrays[k].bytes == (uint64_t)port->elements * hgm_dtype_bytes(port->dtype))
          p->leaves[i] = bundle->arrays[k].data;
      if (p->leaves[i] == NULL) return false;
    }
  }
  return true;
}

static bool bind_outputs(Part *p) {
  for (uint64_t k = 0; k < p->task->n_outputs; k++) {
    int port = hgm_port_find(p->program->outputs, p->program->n_outputs, p->task->outputs[k].port);
    if (port < 0 || !p->program->outputs[port].per_event || p->program->outputs[port].elements != p->task->outputs[k].elements) return false;
    p->ports[k] = (uint32_t)port;
    p->n_out += p->task->outputs[k].elements;
  }
  for (uint64_t k = 0; k < p->task->n_given; k++) *(is_latent(&p->task->given[k]) ? &p->n_latent : &p->n_given) += p->task->given[k].elements;
  return true;
}

// Runs what depends on weights alone.
static bool prepare(Part *p) {
  const HgmProgram *program = p->program;
  void **outputs = calloc(program->n_outputs + 1, sizeof *outputs);
  HgmError error;
  if (outputs == NULL) return false;
  p->batch_size = 1;
  if (p->batch_leaf != NO_LEAF) p->leaves[p->batch_leaf] = &p->batch_size;
  const HgmCall call = {.leaves = p->leaves, .outputs = outputs};
  bool fine;
  if (program->tile == 1) {
    fine = (p->one = hgm_one_create(program, &call, &error)) != NULL;
  } else {
    void *memory = malloc(hgm_work_place_bytes(program, 1));
    fine = memory != NULL && hgm_execute(program, hgm_work_place(program, 1, p->constant, memory), NULL, &call, &error);
    free(memory);
  }
  free(outputs);
  return fine;
}

static bool open_part(Part *p, const HgmBundle *bundle, const HgmBundleTask *task, uint64_t tile) {
  HgmError error = {0};
  const HgmBundleCode *code = hgm_bundle_code(task, hgm_bundle_cpu(task), tile);
  *p = (Part){.task = task, .batch_leaf = NO_LEAF};
  if (code == NULL || (p->program = hgm_program_load(code->bytes, code->size, &error)) == NULL) return false;
  p->constant = calloc(1, p->program->constant_bytes + 64);
  p->leaves = calloc(p->program->n_leaves + 1, sizeof *p->leaves);
  p->inputs = calloc(p->program->n_leaves + 1, sizeof *p->inputs);
  p->ports = calloc(task->n_outputs + 1, sizeof *p->ports);
  return p->constant && p->leaves && p->inputs && p->ports && bind_leaves(p, bundle) && bind_outputs(p) && prepare(p);
}

static void close_part(Part *p) {
  hgm_one_destroy(p->one);
  hgm_program_free(p->program);
  free(p->constant);
  free(p->leaves);
  free(p->inputs);
  free(p->ports);
}

Library *lib_open(void) {
  HgmError error = {0};
  Library *l = calloc(1, sizeof *l);
  if (l == NULL) return NULL;
  l->bundle = hgm_bundle_open((const char *)&hgm_bundle_place + hgm_bundle_place.offset, hgm_bundle_place.bytes, &error);
  bool fine = l->bundle != NULL;
  const HgmBundleTask *tasks[TASKS] = {0};
  if (fine && l->bundle->n_generators > 0) tasks[SAMPLE] = l->bundle->generators;
  if (fine && l->bundle->n_transforms > 0) tasks[TRANSFORM] = l->bundle->transforms;
  if (fine && l->bundle->n_scores > 0) tasks[SCORE] = l->bundle->scores;
  for (int t = 0; t < TASKS; t++)
    for (int many = 0; many < 2 && fine && tasks[t] != NULL; many++) fine = open_part(&l->parts[t][many], l->bundle, tasks[t], many ? BULK_TILE : FEW_TILE);
  if (fine) return l;
  lib_close(l);
  return NULL;
}

void lib_close(Library *l) {
  if (l == NULL) return;
  for (int t = 0; t < TASKS; t++)
    for (int many = 0; many < 2; many++) close_part(&l->parts[t][many]);
  hgm_bundle_close(l->bundle);
  free(l);
}

// ---- columns

static const Part *part_of(const Library *l, int list) {
  static const unsigned char tasks[LISTS] = {[GIVEN] = SAMPLE, [OUT] = SAMPLE, [LATENT] = TRANSFORM, [DATA] = SCORE, [SCORES] = SCORE};
  return list < 0 || list >= LISTS || l->parts[tasks[list]][0].program == NULL ? NULL : &l->parts[tasks[list]][0];
}

size_t lib_size(const Library *l, int list) {
  const Part *p = part_of(l, list);
  return p == NULL ? 0 : (size_t)(list == LATENT ? p->n_latent : list == OUT || list == SCORES ? p->n_out : p->n_given);
}

const char *lib_column(const Library *l, int list, size_t k) {
  const Part *p = part_of(l, list);
  bool outputs = list == OUT || list == SCORES;
  for (uint64_t i = 0; p != NULL && i < (outputs ? p->task->n_outputs : p->task->n_given); i++) {
    const HgmBundleColumn *c = outputs ? &p->task->outputs[i] : &p->task->given[i];
    if (!outputs && is_latent(c) != (list == LATENT)) continue;
    if (k < (size_t)c->elements) return c->name;
    k -= (size_t)c->elements;
  }
  return NULL;
}

// ---- a call

// What a piece of events needs beside the program's own work space: leaves, strides, outputs, values.
typedef struct Desk {
  const void **leaves;
  int64_t *strides;
  void **outputs;
  double *given, *latent, *out; // as the program reads and writes them
  void *redraw;                 // of a program with a condition (runtime/redraw.h)
  void *rest;
} Desk;

static void *cut(char **at, uint64_t bytes) {
  char *piece = *at;
  *at += (bytes + 63) / 64 * 64;
  return piece;
}

static Desk lay_desk(const Part *p, void *memory) {
  char *at = (char *)memory + (-(uintptr_t)memory & 63);
  uint64_t tile = p->program->tile;
  Desk d;
  d.leaves = cut(&at, (p->program->n_leaves + 1) * sizeof *d.leaves);
  d.strides = cut(&at, (p->program->n_leaves + 1) * sizeof *d.strides);
  d.outputs = cut(&at, (p->program->n_outputs + 1) * sizeof *d.outputs);
  d.given = cut(&at, tile * (uint64_t)p->n_given * sizeof(double));
  d.latent = cut(&at, tile * (uint64_t)p->n_latent * sizeof(double));
  d.out = cut(&at, tile * (uint64_t)p->n_out * sizeof(double));
  d.redraw = cut(&at, hgm_redraw_bytes(p->program, p->program->tile));
  d.rest = at;
  return d;
}

static size_t part_bytes(const Part *p) {
  if (p->program == NULL) return 0;
  _Alignas(64) char origin[1];
  Desk d = lay_desk(p, origin);
  return (size_t)((char *)d.rest - origin) + 64 + (p->one != NULL ? hgm_one_place_bytes(p->one) : hgm_work_place_bytes(p->program, p->program->tile));
}

size_t lib_work_bytes(const Library *l, size_t n) {
  size_t most = 64;
  for (int t = 0; t < TASKS; t++)
    for (int many = 0; many < 2; many++) {
      size_t bytes = many == 0 || n > FEW_EVENTS ? part_bytes(&l->parts[t][many]) : 0;
      if (bytes > most) most = bytes;
    }
  return most;
}

// Numbers of the host: one array or the other.
typedef struct Numbers {
  const float *f32;
  const double *f64;
} Numbers;

static double number_at(const Numbers *a, size_t i) { return a->f64 != NULL ? a->f64[i] : (double)a->f32[i]; }

// (n, width) from row `first` on, as the program takes them.
static void convert(const Numbers *from, size_t first, size_t n, int64_t width, HgmDtype dtype, void *to) {
  size_t begin = first * (size_t)width, count = n * (size_t)width;
  for (size_t i = 0; i < count; i++) {
    double x = number_at(from, begin + i);
    if (dtype == HGM_F64) ((double *)to)[i] = x;
    else ((float *)to)[i] = (float)x;
  }
}

static void point_inputs(const Part *p, const Desk *d) {
  for (uint32_t i = 0; i < p->n_inputs; i++) {
    const Input *in = &p->inputs[i];
    bool wide = p->program->leaves[in->leaf].dtype == HGM_F64;
    const char *base = (const char *)(in->latent ? d->latent : d->given);
    d->leaves[in->leaf] = base + in->column * (wide ? 8 : 4);
    d->strides[in->leaf] = in->latent ? p->n_latent : p->n_given;
  }
}

static HgmDtype input_dtype(const Part *p, bool latent) {
  for (uint32_t i = 0; i < p->n_inputs; i++)
    if (p->inputs[i].latent == latent) return p->program->leaves[p->inputs[i].leaf].dtype;
  return HGM_F64;
}

static void point_outputs(const Part *p, const Desk *d) {
  memset(d->outputs, 0, (p->program->n_outputs + 1) * sizeof *d->outputs);
  double *at = d->out;
  for (uint64_t k = 0; k < p->task->n_outputs; k++) {
    d->outputs[p->ports[k]] = at;
    at += p->task->outputs[k].elements * (int64_t)p->program->tile;
  }
}

// A count that would be rounded to less than its least is the least, as in the files that a sampler writes (hgm_out_fit).
static double counted(const HgmBundleColumn *c, double x) { return c->has_least && x < c->least - 0.5 && !(c->has_missing && x == c->missing) ? c->least : x; }

// From a block for each column to a row for each event.
static void put_rows(const Part *p, const Desk *d, size_t first, size_t n, float *f32, double *f64) {
  int64_t column = 0;
  for (uint64_t k = 0; k < p->task->n_outputs; k++) {
    const HgmBundleColumn *c = &p->task->outputs[k];
    int64_t elements = c->elements;
    const double *from = d->outputs[p->ports[k]];
    for (size_t i = 0; i < n; i++)
      for (int64_t e = 0; e < elements; e++) {
        size_t to = (first + i) * (size_t)p->n_out + (size_t)(column + e);
        double x = counted(c, from[i * (size_t)elements + (size_t)e]);
        if (f64 != NULL) f64[to] = x;
        else f32[to] = (float)x;
      }
    column += elements;
  }
}

typedef struct Order { // what a host asks for
  uint64_t seed, first_event;
  size_t n;
  Numbers given, latent;
  float *out32;
  double *out64;
} Order;

static bool is_complete(const Part *p, const void *work, const Order *o) {
  bool has_given = o->given.f32 != NULL || o->given.f64 != NULL || p->n_given == 0,
       has_latent = o->latent.f32 != NULL || o->latent.f64 != NULL || p->n_latent == 0;
  return work != NULL && has_given && has_latent && (o->out32 != NULL || o->out64 != NULL) && o->n <= (size_t)1 << 48;
}

// Events [at, at + n) as the program takes them.
static void take_inputs(const Part *p, const Desk *d, const Order *o, size_t at, size_t n) {
  if (p->n_given > 0) convert(&o->given, at, n, p->n_given, input_dtype(p, false), d->given);
  if (p->n_latent > 0) convert(&o->latent, at, n, p->n_latent, input_dtype(p, true), d->latent);
}

// Until the condition of the generator holds, where it has one.
static bool draw_one(HgmOne *one, const Desk *d, int where, int64_t event) {
  int32_t holds = 1;
  if (where >= 0) d->outputs[where] = &holds;
  for (uint32_t draws = 0; draws < HGM_REDRAW_MOST; draws++) {
    hgm_one_pass(one, draws);
    hgm_one_run(one, d->leaves, d->outputs, event);
    if (holds) return true;
  }
  return false;
}

static int run_singly(const Part *p, const Desk *d, const Order *o) {
  HgmOne *one = hgm_one_place(p->one, d->rest);
  const int where = hgm_redraw_port(p->program);
  hgm_one_seed(one, o->seed);
  for (size_t k = 0; k < o->n; k++) {
    take_inputs(p, d, o, k, 1);
    if (!draw_one(one, d, where, (int64_t)(o->first_event + k))) return NO_DRAW;
    put_rows(p, d, k, 1, o->out32, o->out64);
  }
  return DONE;
}

static int run_tiles(const Part *p, const Desk *d, const Order *o) {
  const size_t tile = p->program->tile;
  HgmWork *work = hgm_work_place(p->program, (int64_t)tile, p->constant, d->rest);
  HgmCall call = {.leaves = d->leaves, .strides = d->strides, .outputs = d->outputs, .seed = o->seed, .prepared = true};
  double batch_size;
  HgmError error;
  memcpy(d->leaves, p->leaves, p->program->n_leaves * sizeof *d->leaves);
  point_inputs(p, d);
  if (p->batch_leaf != NO_LEAF) d->leaves[p->batch_leaf] = &batch_size;
  for (size_t at = 0; at < o->n; at += tile) {
    size_t n = o->n - at < tile ? o->n - at : tile;
    take_inputs(p, d, o, at, n);
    batch_size = (double)n;
    call.events = (int64_t)n;
    call.first_event = (int64_t)(o->first_event + at);
    if (!hgm_redraw(p->program, work, NULL, &call, d->redraw, &error)) return error.exit_code == 1 ? NO_DRAW : error.exit_code;
    put_rows(p, d, at, n, o->out32, o->out64);
  }
  return DONE;
}

static int run(const Library *l, Task task, void *memory, const Order *o) {
  const Part *p = &l->parts[task][o->n > FEW_EVENTS];
  if (p->program == NULL) return WRONG_CALL;
  if (o->n == 0) return DONE;
  if (!is_complete(p, memory, o)) return WRONG_CALL;
  Desk d = lay_desk(p, memory);
  point_inputs(p, &d);
  point_outputs(p, &d);
  return p->one != NULL ? run_singly(p, &d, o) : run_tiles(p, &d, o);
}

int lib_sample(const Library *l, void *work, uint64_t seed, uint64_t first_event, size_t n, const float *given, float *out) {
  return run(l, SAMPLE, work, &(Order){.seed = seed, .first_event = first_event, .n = n, .given.f32 = given, .out32 = out});
}

int lib_sample_f64(const Library *l, void *work, uint64_t seed, uint64_t first_event, size_t n, const double *given, double *out) {
  return run(l, SAMPLE, work, &(Order){.seed = seed, .first_event = first_event, .n = n, .given.f64 = given, .out64 = out});
}

int lib_transform(const Library *l, void *work, const float *latent, const float *given, size_t n, float *out) {
  return run(l, TRANSFORM, work, &(Order){.n = n, .given.f32 = given, .latent.f32 = latent, .out32 = out});
}

int lib_transform_f64(const Library *l, void *work, const double *latent, const double *given, size_t n, double *out) {
  return run(l, TRANSFORM, work, &(Order){.n = n, .given.f64 = given, .latent.f64 = latent, .out64 = out});
}

int lib_score(const Library *l, void *work, uint64_t seed, uint64_t first_event, size_t n, const float *data, double *out) {
  return run(l, SCORE, work, &(Order){.seed = seed, .first_event = first_event, .n = n, .given.f32 = data, .out64 = out});
}

int lib_score_f64(const Library *l, void *work, uint64_t seed, uint64_t first_event, size_t n, const double *data, double *out) {
  return run(l, SCORE, work, &(Order){.seed = seed, .first_event = first_event, .n = n, .given.f64 = data, .out64 = out});
}
