// What a model computes in one training step, written down for an independent implementation to compare with.
//
//   oracle_dump MODEL.hgm DATA|- OUT [--precision f64] [--seed 3] [--set NAME=VALUE]… [--events 257] [--noise 0.05] [--nudge K]
//     [--threads 2] [--evaluate]
//
// Loads the model by the ordinary path, reads the data (`-`: standard normal columns), fits and prepares, begins the weights and
// adds noise to all of them (zero-initialised layers would hide most of a network), runs one step of the first phase on the first
// events of the training split, and the score program on the same events. --evaluate: the reference evaluator instead of compiled code.
// --nudge K: the K-th of many neighbours: weights moved by up to one unit of float32's last place. What a result of one float32
// implementation is off by is a matter of chance where a flow is badly conditioned; over neighbours it is a property of the implementation.
//
// --games: of each update of the first phase instead its loss as text, on random data, with the gradient and the product of its Hessian and a
// direction, compiled: OUT.1, OUT.2, … for games.py.
//
// OUT: records `NAME \t DTYPE \t EXTENT EXTENT … \n` + little-endian data; DTYPE f8 i8 (numbers) or text (bytes).
//   text:precision text:params text:draws       column:NAME (all rows)  train (rows of the training split)  batch (rows of the step)
//   --games: text:function  leaf:NAME  direction:WEIGHT  first:WEIGHT  second:WEIGHT
//   stat:…  before:WEIGHT  set:WEIGHT|STATE  loss  grad_norm  score:NAME (of the batch)  seed  pass  batch_size
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "compiler/ad/ad.h"
#include "compiler/driver/bound.h"
#include "compiler/driver/dataset.h"
#include "runtime/philox.h"

enum { SEED = 3, PASS = 5, RANDOM_ROWS = 4096 };

typedef struct Dump {
  Session session;
  Options options;
  Store *store;
  Dataset dataset;
  FILE *out;
  int64_t events;
  const int64_t *rows;
  double noise;
  int64_t nudge; // 0: none
  bool evaluate, games;
} Dump;

static _Noreturn void fail(const char *message) {
  fprintf(stderr, "oracle_dump: %s\n", message);
  exit(1);
}

static void check(bool ok, const HgmError *error) {
  if (!ok) fail(error->text);
}

// ---- writing

static void put(Dump *d, const char *name, const char *dtype, int rank, const int64_t *shape, const void *data, size_t bytes) {
  fprintf(d->out, "%s\t%s\t", name, dtype);
  for (int i = 0; i < rank; i++) fprintf(d->out, "%s%lld", i > 0 ? " " : "", (long long)shape[i]);
  fputc('\n', d->out);
  if (fwrite(data, 1, bytes, d->out) != bytes) fail("cannot write");
}

static void put_text(Dump *d, const char *name, const char *text) {
  int64_t n = (int64_t)strlen(text);
  put(d, name, "text", 1, &n, text, (size_t)n);
}

static void put_doubles(Dump *d, const char *name, int rank, const int64_t *shape, const double *data) {
  int64_t n = 1;
  for (int i = 0; i < rank; i++) n *= shape[i];
  put(d, name, "f8", rank, shape, data, sizeof *data * (size_t)n);
}

static void put_number(Dump *d, const char *name, double x) { put_doubles(d, name, 0, NULL, &x); }

static void put_rows(Dump *d, const char *name, const int64_t *rows, int64_t n) { put(d, name, "i8", 1, &n, rows, sizeof *rows * (size_t)n); }

static void put_slot(Dump *d, const char *name, const Slot *slot, bool next) {
  Slot which = *slot;
  if (next) which.data = slot->next;
  double *values = ARENA_ARRAY(d->session.arena, double, slot->n + 1);
  for (int64_t i = 0; i < slot->n; i++) values[i] = slot_number(&which, i);
  int64_t flat = slot->n;
  put_doubles(d, name, slot->rank > 0 ? slot->rank : 1, slot->rank > 0 ? slot->shape : &flat, values);
}

static void put_table(Dump *d, const Table *table) {
  int64_t n = d->dataset.rows * table->elements;
  double *values = ARENA_ARRAY(d->session.arena, double, n + 1);
  for (int64_t i = 0; i < n; i++) values[i] = table_number(table, i);
  put_doubles(d, table->name, 2, (int64_t[]){d->dataset.rows, table->elements}, values);
}

// ---- data

static double random_value(const ModelColumn *column, uint64_t key, uint64_t i) {
  if (column->values.len == 0) return philox_normal(key, i, 0, 0);
  return column->values.at[(size_t)(philox_uniform(key, i, 0, 0) * (double)column->values.len)];
}

static void random_columns(Dump *d, const ModelData *data) {
  Arena *arena = d->session.arena;
  d->dataset = (Dataset){.data = data, .arena = arena, .rows = RANDOM_ROWS, .begin = {0, -1, -1}};
  for (size_t c = 0; c < data->columns.len; c++) {
    const ModelColumn *column = &data->columns.at[c];
    int64_t n = RANDOM_ROWS * column_elements(column);
    double *values = ARENA_ARRAY(arena, double, n);
    uint64_t key = philox_key(SEED, column->name);
    for (int64_t i = 0; i < n; i++) values[i] = random_value(column, key, (uint64_t)i);
    dataset_add_column(&d->dataset, column, HGM_FILE_F64, values);
  }
}

static void open_data(Dump *d, const char *path) {
  const ModelPhase *phase = d->session.model->phases.at[0];
  HgmError error = {0};
  if (phase->data.len == 0) fail("the model has no data");
  const ModelData *data = phase->data.at[0];
  if (strcmp(path, "-") == 0) {
    random_columns(d, data);
  } else {
    DataFiles files = {0};
    VEC_PUSH(d->session.arena, &files.of[SPLIT_TRAIN], path);
    check(dataset_open(&d->dataset, &d->session, data, &files, NULL, NULL, &error), &error);
  }
  for (size_t i = 0; i < d->dataset.tables.list.len; i++) {
    const Table *t = &d->dataset.tables.list.at[i];
    if (strncmp(t->name, "column:", 7) == 0) put_table(d, t);
  }
  check(dataset_cut(&d->dataset, &d->session, d->store, true, &error), &error);
  check(dataset_fit(&d->dataset, &d->session, d->store, &error), &error);
  check(dataset_prepare(&d->dataset, &d->session, d->store, &error), &error);
  if (d->events > d->dataset.n[SPLIT_TRAIN]) d->events = d->dataset.n[SPLIT_TRAIN];
  d->rows = d->dataset.chosen[SPLIT_TRAIN];
  put_rows(d, "train", d->dataset.chosen[SPLIT_TRAIN], d->dataset.n[SPLIT_TRAIN]);
  put_rows(d, "batch", d->rows, d->events);
  for (size_t i = 0; i < d->store->slots.len; i++)
    if (strncmp(d->store->slots.at[i]->name, "stat:", 5) == 0) put_slot(d, d->store->slots.at[i]->name, d->store->slots.at[i], false);
}

// ---- weights

static void nudge(Slot *slot, uint64_t key, uint64_t which) {
  for (int64_t i = 0; i < slot->n; i++) slot_set(slot, i, slot_number(slot, i) * (1 + 0x1p-23 * (2 * philox_uniform(key, which, 0, (uint64_t)i) - 1)));
}

static void begin_weights(Dump *d) {
  const Model *model = d->session.model;
  for (size_t w = 0; w < model->weights.len; w++) {
    const ModelWeight *weight = &model->weights.at[w];
    Slot *slot = store_add(d->store, weight->name, (HgmDtype)weight->type.dtype, ir_elements(&weight->type));
    slot->rank = weight->type.rank;
    memcpy(slot->shape, weight->type.axes, sizeof slot->shape);
    IrEnv env = {.events = 1, .seed = model->seed};
    IrArray value;
    const char *message;
    if (!ir_eval(weight->init, &env, d->session.arena, &value, &message)) fail(message);
    uint64_t key = philox_key(SEED, arena_printf(d->session.arena, "oracle.%s", weight->name));
    for (int64_t i = 0; i < value.n; i++) slot_set(slot, i, value.data[i] + (weight->fixed ? 0 : d->noise * philox_normal(key, 0, 0, (uint64_t)i)));
    if (d->nudge > 0 && !weight->fixed) nudge(slot, key, (uint64_t)d->nudge);
    put_slot(d, arena_printf(d->session.arena, "before:%s", weight->name), slot, false);
  }
  const ModelPhase *phase = model->phases.at[0];
  for (size_t i = 0; i < phase->states.len; i++) {
    const ModelState *state = &phase->states.at[i];
    slot_fill(store_add(d->store, state->name, (HgmDtype)state->type.dtype, ir_elements(&state->type)), state->start);
  }
  for (const char *const *name = (const char *const[]){"step", "epoch", "progress", "batch_size", NULL}; *name != NULL; name++)
    store_add(d->store, *name, HGM_F64, 1);
  slot_set(store_find(d->store, "batch_size"), 0, (double)d->events);
}

// ---- running: compiled

static void run_compiled(Dump *d, const IrFn *fn, uint32_t pass) {
  HgmError error = {0};
  Bound bound;
  check(bound_create(&bound, &d->session, fn, 128, d->events, d->store, &d->dataset.tables, &error), &error);
  for (uint32_t i = 0; i < bound.program->n_outputs; i++) {
    const HgmPort *port = &bound.program->outputs[i];
    if (port->per_event) bound_output(&bound, port->name, ARENA_ARRAY(d->session.arena, double, d->events * port->elements));
  }
  check(bound_run(&bound, &(BoundCall){.events = d->events, .rows = d->rows, .event_ids = d->rows, .pass = pass}, &error), &error);
  for (uint32_t i = 0; i < bound.program->n_outputs; i++) {
    const HgmPort *port = &bound.program->outputs[i];
    if (!port->per_event) put_slot(d, port->name, bound.output_slots[i], bound.commits[i]);
    else if (port->dtype != HGM_F64) fail("a per-event output that is not f64");
    else put_doubles(d, port->name, 2, (int64_t[]){d->events, port->elements}, bound.outputs[i]);
  }
  bound_destroy(&bound);
}

// ---- running: the evaluator

static IrArray leaf_numbers(Dump *d, const IrValue *leaf) {
  Arena *arena = d->session.arena;
  int64_t each = ir_elements(&leaf->type), n = ir_has_events(&leaf->type) ? each * d->events : each;
  double *data = ARENA_ARRAY(arena, double, n + 1);
  const Slot *slot = store_find(d->store, leaf->attr.name);
  const Table *table = tables_find(&d->dataset.tables, leaf->attr.name);
  if (slot == NULL && table == NULL) fail(arena_printf(arena, "no leaf %s", leaf->attr.name));
  for (int64_t i = 0; i < n; i++) data[i] = slot != NULL ? slot_number(slot, i) : table_number(table, d->rows[i / each] * each + i % each);
  return (IrArray){leaf->attr.name, n, data};
}

static void run_evaluated(Dump *d, const IrFn *fn, uint32_t pass) {
  Arena *arena = d->session.arena;
  IrArray *leaves = ARENA_ARRAY(arena, IrArray, fn->values.len + 1), *outputs = ARENA_ARRAY(arena, IrArray, fn->outputs.len + 1);
  size_t n = 0;
  for (size_t i = 0; i < fn->values.len; i++) {
    const IrValue *v = &fn->values.at[i];
    if (v->op == IR_INPUT || v->op == IR_PARAM || v->op == IR_STATE || v->op == IR_COUNTER) leaves[n++] = leaf_numbers(d, v);
  }
  IrEnv env = {.events = d->events, .seed = d->session.model->seed, .event_ids = d->rows, .pass = pass, .leaves = leaves, .n_leaves = n};
  const char *message;
  if (!ir_eval(fn, &env, arena, outputs, &message)) fail(message);
  for (size_t i = 0; i < fn->outputs.len; i++) {
    const Slot *slot = strncmp(fn->outputs.at[i].name, "set:", 4) == 0 ? store_find(d->store, fn->outputs.at[i].name + 4) : NULL;
    bool shaped = slot != NULL && slot->rank > 0;
    put_doubles(d, fn->outputs.at[i].name, shaped ? slot->rank : 1, shaped ? slot->shape : &outputs[i].n, outputs[i].data);
  }
}

static void run(Dump *d, const IrFn *fn, uint32_t pass) {
  if (d->evaluate) run_evaluated(d, fn, pass);
  else run_compiled(d, fn, pass);
}

// ---- what is known without running

static void put_facts(Dump *d) {
  Arena *arena = d->session.arena;
  const Model *model = d->session.model;
  put_text(d, "text:precision", model->real == IR_F64 ? "f64" : "f32");
  const char *params = "", *draws = "";
  for (size_t i = 0; i < model->params.len; i++) params = arena_printf(arena, "%s%s=%s\n", params, model->params.at[i].name, model->params.at[i].value);
  const IrFn *step = model->phases.at[0]->updates.at[0].step;
  for (size_t i = 0; i < step->values.len; i++)
    if (step->values.at[i].op == IR_DRAW)
      draws = arena_printf(arena, "%s%s %s\n", draws, step->values.at[i].attr.name, ir_type_text(arena, &step->values.at[i].type));
  put_text(d, "text:params", params);
  put_text(d, "text:draws", draws);
  put_number(d, "seed", (double)model->seed);
  put_number(d, "pass", PASS);
}

// ---- losses of games, their first and second derivatives

// Any data will do: normal numbers, classes 0 and 1.
static void random_inputs(Dump *d, const IrFn *fn) {
  Arena *arena = d->session.arena;
  for (size_t i = 0; i < fn->values.len; i++) {
    const IrValue *v = &fn->values.at[i];
    if (v->op != IR_INPUT || tables_find(&d->dataset.tables, v->attr.name) != NULL) continue;
    int64_t n = ir_elements(&v->type) * d->events;
    Slot numbers = {.dtype = (HgmDtype)v->type.dtype, .data = ARENA_ARRAY(arena, double, n + 1)};
    uint64_t key = philox_key(SEED, v->attr.name);
    for (int64_t k = 0; k < n; k++) {
      double x = philox_normal(key, (uint64_t)k, 0, 0);
      slot_set(&numbers, k, v->type.dtype == IR_I32 ? x > 0 : x);
    }
    Table table = {arena_strdup(arena, v->attr.name), hgm_dtype_type(numbers.dtype), ir_elements(&v->type), numbers.data};
    VEC_PUSH(arena, &d->dataset.tables.list, table);
  }
}

// Slots of all states, and of a direction for each weight.
static Slot *random_slot(Dump *d, const char *name, const IrType *type) {
  Slot *slot = store_find(d->store, name);
  if (slot != NULL) return slot;
  slot = store_add(d->store, name, (HgmDtype)type->dtype, ir_elements(type));
  uint64_t key = philox_key(SEED, name);
  for (int64_t i = 0; i < slot->n; i++) slot_set(slot, i, philox_normal(key, (uint64_t)i, 0, 0));
  return slot;
}

// Outputs PREFIX:NAME of what y depends on smoothly among the weights; the sum over all of them of derivative times direction.
static IrRef put_derivatives(Dump *d, IrFn *fn, IrRef y, const char *prefix, const IrRef *weights, uint32_t n) {
  Arena *arena = d->session.arena;
  IrRef *g = ARENA_ARRAY(arena, IrRef, n + 1), refused = IR_NONE, along = ir_number(fn, IR_F64, 0);
  if (!ad_gradient(fn, y, IR_NONE, weights, n, g, &refused)) fail("an op without a known derivative");
  for (uint32_t i = 0; i < n; i++) {
    if (g[i] == IR_NONE) continue;
    const char *name = ir_at(fn, weights[i])->attr.name, *direction = arena_printf(arena, "direction:%s", name);
    IrType type = *ir_type_of(fn, g[i]);
    ir_output(fn, arena_printf(arena, "%s:%s", prefix, name), g[i]);
    random_slot(d, direction, &type);
    IrRef product = ir_binary(fn, IR_MUL, g[i], ir_leaf(fn, IR_STATE, direction, type));
    along = ir_binary(fn, IR_ADD, along, ir_sum(fn, ir_cast(fn, product, IR_F64), (1u << type.rank) - 1));
  }
  return along;
}

static void put_game(Dump *d, const IrFn *step, const char *output) {
  Arena *arena = d->session.arena;
  IrFn alone = *step;
  memset(&alone.outputs, 0, sizeof alone.outputs);
  IrRef loss = IR_NONE, *weights = ARENA_ARRAY(arena, IrRef, step->values.len + 1);
  for (size_t i = 0; i < step->outputs.len; i++)
    if (strcmp(step->outputs.at[i].name, output) == 0) loss = step->outputs.at[i].value;
  ir_output(&alone, "loss", loss);
  const char *text = ir_text(arena, &alone), *problem = NULL;
  IrFn *fn = ir_read(arena, text, &problem); // of its own: derivatives are appended to it
  if (fn == NULL) fail(problem);
  uint32_t n = 0;
  for (IrRef i = 0; i < loss; i++) {
    const IrValue *v = ir_at(fn, i);
    if (v->op == IR_PARAM && ir_is_real(&v->type)) weights[n++] = i;
    if (v->op == IR_STATE) random_slot(d, v->attr.name, &v->type);
  }
  random_inputs(d, fn);
  put_text(d, "text:function", text);
  for (IrRef i = 0; i < loss; i++) {
    const IrValue *v = ir_at(fn, i);
    if (v->op != IR_INPUT && v->op != IR_PARAM && v->op != IR_STATE && v->op != IR_COUNTER) continue;
    IrArray leaf = leaf_numbers(d, v);
    put_doubles(d, arena_printf(arena, "leaf:%s", leaf.name), 1, &leaf.n, leaf.data);
  }
  IrRef along = put_derivatives(d, fn, loss, "first", weights, n);
  put_derivatives(d, fn, along, "second", weights, n);
  for (uint32_t i = 0; i < n; i++) {
    const char *direction = arena_printf(arena, "direction:%s", ir_at(fn, weights[i])->attr.name);
    const Slot *slot = store_find(d->store, direction);
    if (slot != NULL) put_slot(d, direction, slot, false);
  }
  run(d, fn, PASS);
}

// A file a loss; blocks that are one program each as a program of their own, for later ones in it begin with other weights.
static void put_update(Dump *d, const ModelUpdate *update, const char *out, int *number) {
  for (size_t i = 0; i < update->parts.len; i++) put_update(d, &update->parts.at[i], out, number);
  for (size_t i = 0; i < update->losses.len && update->parts.len == 0; i++) {
    d->out = fopen(arena_printf(d->session.arena, "%s.%d", out, ++*number), "wb");
    if (d->out == NULL) fail("cannot write the output");
    put_facts(d);
    put_rows(d, "train", d->rows, d->events);
    put_rows(d, "batch", d->rows, d->events);
    put_game(d, update->step, update->losses.at[i].output);
    if (fclose(d->out) != 0) fail("cannot write the output");
  }
}

// All updates of the first phase, at the weights as they begin: OUT.1, OUT.2, …
static void put_games(Dump *d, const char *out) {
  const ModelPhase *phase = d->session.model->phases.at[0];
  int64_t *rows = ARENA_ARRAY(d->session.arena, int64_t, d->events);
  for (int64_t i = 0; i < d->events; i++) rows[i] = i;
  d->rows = rows;
  int number = 0;
  for (size_t u = 0; u < phase->updates.len; u++) put_update(d, &phase->updates.at[u], out, &number);
}

static const char *option(int argc, char **argv, const char *name, const char *fallback) {
  for (int i = 4; i + 1 < argc; i++)
    if (strcmp(argv[i], name) == 0) return argv[i + 1];
  return fallback;
}

int main(int argc, char **argv) {
  if (argc < 4)
    fail("usage: oracle_dump MODEL.hgm DATA|- OUT [--precision f64] [--seed S] [--set NAME=VALUE]… [--events N] [--noise X] [--nudge K] "
         "[--threads N] [--evaluate] [--games]");
  Dump d = {.options = {.seed = SEED, .quiet = true}};
  d.events = strtoll(option(argc, argv, "--events", "257"), NULL, 10);
  d.options.threads = (int)strtol(option(argc, argv, "--threads", "2"), NULL, 10);
  d.noise = strtod(option(argc, argv, "--noise", "0.05"), NULL);
  d.nudge = strtoll(option(argc, argv, "--nudge", "0"), NULL, 10);
  SessionSource source = {.path = argv[1], .precision = option(argc, argv, "--precision", "f32")};
  source.seed = strtoull(option(argc, argv, "--seed", "3"), NULL, 10);
  Arena *arena = arena_create();
  for (int i = 4; i < argc; i++) {
    d.evaluate |= strcmp(argv[i], "--evaluate") == 0;
    d.games |= strcmp(argv[i], "--games") == 0;
    if (strcmp(argv[i], "--set") == 0 && i + 1 < argc) VEC_PUSH(arena, &source.sets, argv[i + 1]);
  }
  int exit_code;
  if (!session_open(&d.session, &d.options, &source, &exit_code)) return exit_code;
  d.store = store_new(d.session.arena);
  d.out = fopen(d.games ? "/dev/null" : argv[3], "wb");
  if (d.out == NULL) fail("cannot write the output");
  const Model *model = d.session.model;
  if (d.games) {
    begin_weights(&d);
    put_games(&d, argv[3]);
    return 0;
  }
  put_facts(&d);
  open_data(&d, argv[2]);
  begin_weights(&d);
  run(&d, model->phases.at[0]->updates.at[0].step, PASS);
  if (model->score != NULL) run(&d, model->score, 0);
  if (fclose(d.out) != 0) fail("cannot write the output");
  session_close(&d.session);
  arena_destroy(arena);
  return 0;
}
