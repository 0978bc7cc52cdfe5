#include "compiler/driver/pack.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "compiler/driver/generate.h"
#include "compiler/opt/bf16.h"
#include "compiler/opt/latent.h"
#include "compiler/opt/opt.h"
#include "runtime/program_file.h"

bool pack_targets(PackTargets *targets, const char *text, HgmError *error) {
  *targets = (PackTargets){.at = {HGM_CPU_V3, HGM_CPU_V4, HGM_CPU_AMX}, .n = 3};
  if (text == NULL) return true;
  targets->n = 1;
  static const HgmCpu named[] = {HGM_CPU_V3, HGM_CPU_V4, HGM_CPU_AMX, HGM_CPU_AARCH64};
  targets->at[0] = hgm_cpu_use_amx() ? HGM_CPU_AMX : hgm_cpu_level();
  bool is_known = strcmp(text, "native") == 0;
  for (size_t i = 0; i < sizeof named / sizeof *named; i++)
    if (strcmp(text, hgm_cpu_level_name(named[i])) == 0) is_known = true, targets->at[0] = named[i];
  if (!is_known)
    return hgm_fail(error, EXIT_ENVIRONMENT,
                    "--target %s: expected native, x86-64-v3, x86-64-v4, sapphirerapids or aarch64; without --target all of x86-64 are built", text);
  return targets->at[0] != HGM_CPU_ANY || hgm_fail(error, EXIT_ENVIRONMENT, "this processor has no AVX2 and FMA; compiled models need both");
}

// ---- code

// Slots for all that the program reads and that is no event's, so that weights can be loaded and packed.
static bool add_slots(OpenRun *run, const uint8_t *bytes, size_t size, HgmError *error) {
  HgmProgram *program = hgm_program_load(bytes, size, error);
  if (program == NULL) return false;
  for (uint32_t i = 0; i < program->n_leaves; i++) {
    const HgmPort *port = &program->leaves[i];
    if (!port->per_event) store_add_leaf(run->store, port)->packed = true;
  }
  hgm_program_free(program);
  return true;
}

// AMX is for products of bf16 in bulk; all else is the code for x86-64-v4, which is not there twice.
static bool has_code(const Session *session, const PackTargets *targets, int t, uint32_t tile, HgmCpu *cpu) {
  *cpu = targets->at[t];
  if (*cpu != HGM_CPU_AMX || (session->bf16 && tile == BULK_TILE)) return true;
  *cpu = HGM_CPU_V4;
  return targets->n == 1;
}

// The function for each processor, in bulk and event by event.
static bool compile(HgmBundleTask *task, OpenRun *run, const IrFn *fn, const PackTargets *targets, HgmError *error) {
  static const uint32_t tiles[] = {BULK_TILE, EVENT_TILE};
  enum { N_TILES = sizeof tiles / sizeof *tiles };
  Session *session = &run->session;
  HgmBundleCode *codes = ARENA_ARRAY(session->arena, HgmBundleCode, targets->n * N_TILES);
  const IrFn *optimised = opt_run(session->arena, fn, NULL, NULL);
  if (session->bf16) optimised = opt_bf16(session->arena, optimised);
  task->codes = codes;
  for (int t = 0; t < targets->n; t++)
    for (int k = 0; k < N_TILES; k++) {
      HgmCpu cpu;
      if (!has_code(session, targets, t, tiles[k], &cpu)) continue;
      CodegenOptions options = codegen_defaults();
      options.tiles = cpu == HGM_CPU_AMX;
      options.cpu = hgm_cpu_level_name(options.tiles ? HGM_CPU_V4 : cpu);
      options.tile = tiles[k];
      size_t size;
      uint8_t *bytes = codegen_pack(optimised, &options, session->pool, NULL, &size), *kept = ARENA_ARRAY(session->arena, uint8_t, size);
      memcpy(kept, bytes, size);
      free(bytes);
      codes[task->n_codes++] = (HgmBundleCode){cpu, tiles[k], kept, size};
      if (!add_slots(run, kept, size, error)) return false;
    }
  return true;
}

// ---- columns

static HgmFieldKind kind_of(const ModelColumn *column) {
  return column->kind == COLUMN_TEXT_CATEGORY ? HGM_FIELD_TEXT : column->kind == COLUMN_CATEGORY ? HGM_FIELD_CATEGORY : HGM_FIELD_NUMBER;
}

static HgmBundleColumn pack_column(const OpenRun *run, const char *port, const char *name, const ModelColumn *like) {
  Arena *arena = run->session.arena;
  HgmBundleColumn out = {.port = arena_printf(arena, "%s:%s", port, name), .name = name, .unit = "", .type = HGM_FILE_F32, .elements = 1};
  if (like == NULL) return out;
  out.unit = like->unit != NULL ? like->unit : "";
  out.kind = kind_of(like);
  out.type = like->kind == COLUMN_TEXT_CATEGORY ? HGM_FILE_TEXT : column_type(run->manifest, like);
  out.rank = column_shape(run->manifest, like, out.shape);
  for (int k = 0; k < out.rank; k++) out.elements *= out.shape[k];
  out.allows_nan = like->allows_nan;
  out.has_least = column_least(run->manifest, like, &out.least);
  out.has_missing = like->has_missing;
  out.missing = like->missing;
  out.mark = like->of_set ? (uint32_t)like->told_by + 1 : 0;
  out.values = like->values.at, out.n_values = like->values.len;
  out.texts = like->texts.at, out.n_texts = like->texts.len;
  return out;
}

static HgmBundleColumn given_column(const OpenRun *run, const ModelColumn *column) {
  HgmBundleColumn out = pack_column(run, "column", column->name, column);
  if (column->group != NULL) out.name = arena_printf(run->session.arena, "%s/%s", column->group, column->name);
  return out;
}

// ---- tasks

static bool pack_generator(HgmBundleTask *task, OpenRun *run, const ModelGenerator *generator, const PackTargets *targets, HgmError *error) {
  Arena *arena = run->session.arena;
  HgmBundleColumn *given = ARENA_ARRAY(arena, HgmBundleColumn, generator->given.len + 1);
  HgmBundleColumn *outputs = ARENA_ARRAY(arena, HgmBundleColumn, generator->outputs.len + 1);
  *task = (HgmBundleTask){.name = generator->name, .n_given = generator->given.len, .given = given, .n_outputs = generator->outputs.len, .outputs = outputs};
  for (size_t i = 0; i < generator->given.len; i++) given[i] = given_column(run, generator->given.at[i]);
  for (size_t i = 0; i < generator->outputs.len; i++) outputs[i] = pack_column(run, "out", generator->outputs.at[i].column, generator->outputs.at[i].like);
  return compile(task, run, generator->fn, targets, error);
}

static bool has_draws(const IrFn *fn) {
  for (size_t i = 0; i < fn->values.len; i++)
    if (fn->values.at[i].op == IR_DRAW) return true;
  return false;
}

// The generator's task with its draws as further given columns; `task` is left empty where that cannot be, as with `where`, which draws
// an unknown number of times.
static bool pack_transform(HgmBundleTask *task, OpenRun *run, const ModelGenerator *generator, const HgmBundleTask *like, const PackTargets *targets,
                           HgmError *error) {
  Arena *arena = run->session.arena;
  const IrFn *fn = opt_draws_to_inputs(arena, opt_run(arena, generator->fn, NULL, NULL)); // without draws that come to nothing
  *task = *like;
  task->codes = NULL;
  task->n_codes = 0;
  if (has_draws(fn) || generator->has_where) return true;
  HgmBundleColumn *given = ARENA_ARRAY(arena, HgmBundleColumn, fn->values.len + like->n_given + 1);
  memcpy(given, like->given, like->n_given * sizeof *given);
  for (size_t i = 0; i < fn->values.len; i++) {
    const IrValue *v = &fn->values.at[i];
    if (v->op != IR_INPUT || strncmp(v->attr.name, "latent:", strlen("latent:")) != 0) continue;
    HgmBundleColumn *c = &given[task->n_given++];
    *c = (HgmBundleColumn){.port = v->attr.name, .name = v->attr.name + strlen("latent:"), .unit = "", .type = HGM_FILE_F64, .elements = ir_elements(&v->type)};
    c->rank = c->elements > 1, c->shape[0] = c->elements;
  }
  task->given = given;
  return compile(task, run, fn, targets, error);
}

static void score_note(const OpenRun *run) {
  if (run->session.bf16 && !run->session.options->quiet)
    fprintf(stderr, "note: scores are computed in bf16 too; log-densities may be off by some tenths (docs/sampler.md)\n");
}

// Scores take their columns from the program: the language gives them no shape and no unit.
static bool pack_score(HgmBundleTask *task, OpenRun *run, const PackTargets *targets, HgmError *error) {
  Arena *arena = run->session.arena;
  const Model *model = run->session.model;
  *task = (HgmBundleTask){.name = "score"};
  if (!compile(task, run, model->score, targets, error)) return false;
  HgmProgram *program = hgm_program_load(task->codes[0].bytes, task->codes[0].size, error);
  if (program == NULL) return false;
  HgmBundleColumn *given = ARENA_ARRAY(arena, HgmBundleColumn, model->score_data->columns.len + 1);
  HgmBundleColumn *outputs = ARENA_ARRAY(arena, HgmBundleColumn, program->n_outputs + 1);
  for (size_t i = 0; i < model->score_data->columns.len; i++) given[task->n_given++] = given_column(run, &model->score_data->columns.at[i]);
  for (uint32_t i = 0; i < program->n_outputs; i++) {
    const HgmPort *port = &program->outputs[i];
    const char *name = arena_strdup(arena, port->name + strlen("score:"));
    outputs[i] = pack_column(run, "score", name, NULL);
    outputs[i].type = score_type(model->score, port->name);
    outputs[i].elements = outputs[i].shape[0] = port->elements;
    outputs[i].rank = port->elements > 1;
  }
  task->given = given;
  task->outputs = outputs;
  task->n_outputs = program->n_outputs;
  hgm_program_free(program);
  return true;
}

// ---- origin

static const char *pairs_text(Arena *arena, const char *text, const char *title, const HgmManifestPair *pairs, int n) {
  for (int i = 0; i < n; i++) text = arena_printf(arena, "%s%-10s %-24s %s\n", text, i == 0 ? title : "", pairs[i].name, pairs[i].value);
  return text;
}

static const char *columns_text(Arena *arena, const char *text, const char *title, const HgmBundleColumn *columns, uint64_t n) {
  for (uint64_t i = 0; i < n; i++) {
    const char *shape = "";
    for (int k = 0; k < columns[i].rank; k++) shape = arena_printf(arena, "%s%s%lld", shape, k ? "," : "", (long long)columns[i].shape[k]);
    text = arena_printf(arena, "%s%-10s %-24s %s%s%s%s%s%s\n", text, i == 0 ? title : "", columns[i].name, file_type_text((HgmFileType)columns[i].type),
                        *shape ? " (" : "", shape, *shape ? ")" : "", *columns[i].unit ? " " : "", columns[i].unit);
  }
  return text;
}

static const char *task_text(Arena *arena, const char *text, const char *title, const HgmBundleTask *task) {
  text = arena_printf(arena, "%s%-10s %s\n", text, title, task->name[0] != '\0' ? task->name : "(unnamed)");
  text = columns_text(arena, text, "  given", task->given, task->n_given);
  text = columns_text(arena, text, "  gives", task->outputs, task->n_outputs);
  for (uint64_t i = 0; i < task->n_codes; i++)
    text = arena_printf(arena, "%s%-10s %s, %llu events at a time\n", text, i == 0 ? "  code" : "", hgm_cpu_level_name((HgmCpu)task->codes[i].cpu),
                        (unsigned long long)task->codes[i].tile);
  return text;
}

static const char *origin(const OpenRun *run, const HgmBundle *b) {
  Arena *arena = run->session.arena;
  const HgmManifest *m = run->manifest;
  const char *precision = run->session.bf16 ? "bf16, operands of products; else f32" : b->f64 ? "f64" : "f32";
  const char *text = arena_printf(arena, "model      %s, hash %s\nbuilt by   hgmc %s\ntrained by hgmc %s on %s, %s\nprecision  %s\nseed       %llu\n", m->model,
                                  run->hash, HGM_VERSION, m->version, m->cpu, m->created, precision, (unsigned long long)b->seed);
  text = pairs_text(arena, text, "params", m->params, m->n_params);
  for (int d = 0; d < m->n_data; d++) {
    text = arena_printf(arena, "%sdata %s: %lld rows\n", text, m->data[d].block, (long long)m->data[d].rows);
    for (int f = 0; f < m->data[d].n_files; f++)
      text = arena_printf(arena, "%s  %s, %lld bytes, sha256 %s\n", text, m->data[d].files[f].path, (long long)m->data[d].files[f].bytes,
                          m->data[d].files[f].sha256);
  }
  for (uint64_t i = 0; i < b->n_generators; i++) text = task_text(arena, text, "generator", &b->generators[i]);
  for (uint64_t i = 0; i < b->n_scores; i++) text = task_text(arena, text, "score", &b->scores[i]);
  return text;
}

// ---- all of it

// What a program reads; the weights of a discriminator stay behind.
static void pack_arrays(HgmBundle *bundle, const OpenRun *run) {
  const Store *store = run->store;
  HgmBundleArray *arrays = ARENA_ARRAY(run->session.arena, HgmBundleArray, store->slots.len + 1);
  for (size_t i = 0; i < store->slots.len; i++) {
    Slot *slot = store->slots.at[i];
    if (!slot->packed) continue;
    if (slot->half_of != NULL) slot_round(slot);
    arrays[bundle->n_arrays++] = (HgmBundleArray){slot->name, slot->data, (uint64_t)slot->n * hgm_dtype_bytes(slot->dtype)};
  }
  bundle->arrays = arrays;
}

// All generators, or the chosen one.
static bool pack_generators(HgmBundle *bundle, OpenRun *run, const PackTargets *targets, const ModelGenerator *only, HgmError *error) {
  const Model *model = run->session.model;
  HgmBundleTask *tasks = ARENA_ARRAY(run->session.arena, HgmBundleTask, model->generators.len + 1);
  for (size_t i = 0; i < model->generators.len; i++)
    if ((only == NULL || only == model->generators.at[i]) && !pack_generator(&tasks[bundle->n_generators++], run, model->generators.at[i], targets, error))
      return false;
  bundle->generators = tasks;
  return true;
}

bool pack_run(HgmBundle *bundle, OpenRun *run, const PackTargets *targets, const char *generator, bool library, HgmError *error) {
  const Model *model = run->session.model;
  Arena *arena = run->session.arena;
  *bundle = (HgmBundle){.model = run->manifest->model, .hash = run->hash, .version = HGM_VERSION, .seed = model->seed, .f64 = model->real == IR_F64};
  HgmBundleTask *score = ARENA_NEW(arena, HgmBundleTask), *latent = ARENA_NEW(arena, HgmBundleTask);
  const ModelGenerator *only = NULL;
  if ((generator != NULL || (library && model->generators.len > 0)) && (only = generator_named(model, arena, generator, error)) == NULL) return false;
  if (!pack_generators(bundle, run, targets, only, error)) return false;
  bool scores = model->score != NULL && model->score_batch == 0;
  if (model->score != NULL && !scores) fprintf(stderr, "note: the scores look at batches of events and stay out of it; `hgmc score` gives them\n");
  if (scores && !pack_score(score, run, targets, error)) return false;
  if (scores) score_note(run);
  if (library && only != NULL && !pack_transform(latent, run, only, &bundle->generators[0], targets, error)) return false;
  bundle->transforms = latent;
  bundle->n_transforms = latent->n_codes > 0;
  bundle->scores = score;
  bundle->n_scores = scores;
  if (bundle->n_generators + bundle->n_scores == 0)
    return hgm_fail(error, EXIT_USER, "%s has no `generate` and no `score` block, so there is nothing to build", model->path);
  if (!open_run_weights(run, error)) return false;
  pack_arrays(bundle, run);
  bundle->info = origin(run, bundle);
  return true;
}
