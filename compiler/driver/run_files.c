#include "compiler/driver/run_files.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "compiler/driver/fitting.h"
#include "runtime/sha256.h"
#include "runtime/unit.h"

static const char *const type_names[HGM_N_FILE_TYPES] = {
    [HGM_FILE_F32] = "float32", [HGM_FILE_F64] = "float64", [HGM_FILE_I8] = "int8",   [HGM_FILE_I16] = "int16",
    [HGM_FILE_I32] = "int32",   [HGM_FILE_I64] = "int64",   [HGM_FILE_U8] = "uint8",  [HGM_FILE_U16] = "uint16",
    [HGM_FILE_U32] = "uint32",  [HGM_FILE_U64] = "uint64",  [HGM_FILE_TEXT] = "text", [HGM_FILE_BOOL] = "bool",
};

const char *file_type_text(HgmFileType type) { return type_names[type]; }

// What the manifest says of a column of the training file: "float32 (25,25)"; NULL: nothing.
static const char *column_in_file(const HgmManifest *manifest, const ModelColumn *column) {
  for (int d = 0; d < manifest->n_data; d++)
    for (int c = 0; c < manifest->data[d].n_columns; c++)
      if (strcmp(manifest->data[d].columns[c].name, column->name) == 0) return manifest->data[d].columns[c].value;
  return NULL;
}

HgmFileType column_type(const HgmManifest *manifest, const ModelColumn *column) {
  const char *text = column_in_file(manifest, column);
  for (int t = 0; text != NULL && t < HGM_N_FILE_TYPES; t++)
    if (strncmp(text, type_names[t], strlen(type_names[t])) == 0) return (HgmFileType)t;
  return strcmp(manifest->precision, "f64") == 0 ? HGM_FILE_F64 : HGM_FILE_F32; // what the training file does not have
}

bool column_least(const HgmManifest *manifest, const ModelColumn *column, double *least) {
  const char *text = column_in_file(manifest, column), *at = text == NULL ? NULL : strstr(text, " >= ");
  if (at != NULL) *least = strtod(at + 4, NULL);
  return at != NULL;
}

int column_shape(const HgmManifest *manifest, const ModelColumn *column, int64_t *shape) {
  const char *text = column_in_file(manifest, column);
  char *at = text == NULL ? NULL : strchr(text, '(');
  int64_t n = 1, declared = 1;
  int rank = 0;
  for (int k = 0; k < column->rank; k++) declared *= column->shape[k];
  for (; column->rank > 0 && at != NULL && *at != ')' && *at != 0 && rank < HGM_MAX_RANK; rank++) n *= shape[rank] = strtoll(at + 1, &at, 10);
  if (rank > 0 && n == declared) return rank;
  for (int k = 0; k < column->rank; k++) shape[k] = column->shape[k];
  return column->rank;
}

HgmOutColumn column_out(const HgmManifest *manifest, const ModelOutput *output) {
  const ModelColumn *like = output->like;
  HgmOutColumn out = {.name = output->column, .type = HGM_FILE_F32};
  if (like == NULL) return out;
  out.type = like->kind == COLUMN_TEXT_CATEGORY ? HGM_FILE_TEXT : column_type(manifest, like);
  out.unit = like->unit;
  out.rank = column_shape(manifest, like, out.shape);
  out.texts = like->texts.at;
  out.n_texts = (int)like->texts.len;
  out.holes = like->allows_nan;
  out.has_least = column_least(manifest, like, &out.least);
  out.has_missing = like->has_missing;
  out.missing = like->missing;
  return out;
}

HgmFileType score_type(const IrFn *score, const char *output) {
  for (size_t i = 0; i < score->outputs.len; i++) {
    const IrValue *v = ir_at(score, score->outputs.at[i].value);
    if (strcmp(score->outputs.at[i].name, output) != 0 || v->op != IR_CAST) continue;
    if (ir_type_of(score, v->operands[0])->dtype == IR_F32) return HGM_FILE_F32;
  }
  return HGM_FILE_F64;
}

static void hash_text(HgmSha256 *sha, const char *text) { hgm_sha256_add(sha, text, strlen(text) + 1); }

void model_hash(const Session *session, const char *precision, char text[65]) {
  const Model *model = session->model;
  HgmSha256 sha;
  hgm_sha256_begin(&sha);
  hash_text(&sha, precision);
  for (size_t i = 0; i < model->files.len; i++) hash_text(&sha, model->files.at[i].text);
  for (size_t i = 0; i < model->params.len; i++) {
    hash_text(&sha, model->params.at[i].name);
    hash_text(&sha, model->params.at[i].value);
  }
  for (size_t i = 0; i < model->trained.len; i++) hash_text(&sha, model->trained.at[i]->sum);
  hash_text(&sha, arena_printf(session->arena, "%llu", (unsigned long long)model->seed));
  hgm_sha256_end(&sha, text);
}

// What the manifest says behind type and shape: "float32 (25,25) GeV".
static const char *unit_in_file(const HgmManifest *manifest, const char *block, const char *column) {
  for (int d = 0; d < manifest->n_data; d++)
    for (int c = 0; c < manifest->data[d].n_columns; c++) {
      const HgmManifestPair *pair = &manifest->data[d].columns[c];
      const char *last = strrchr(pair->value, ' ');
      if (strcmp(manifest->data[d].block, block) == 0 && strcmp(pair->name, column) == 0)
        return last != NULL && hgm_unit_find(last + 1) != NULL ? last + 1 : NULL;
    }
  return NULL;
}

static void set_units(const HgmManifest *manifest, ModelData *data) {
  for (size_t c = 0; c < data->columns.len; c++)
    if (data->columns.at[c].unit == NULL) data->columns.at[c].unit = unit_in_file(manifest, data->name, data->columns.at[c].name);
}

static bool open_session(OpenRun *run, const Options *options, int *exit_code) {
  const HgmManifest *m = run->manifest;
  Arena *scratch = arena_create();
  ModelSource *files = ARENA_ARRAY(scratch, ModelSource, m->n_sources + 1);
  for (int i = 0; i < m->n_sources; i++) files[i] = (ModelSource){.path = m->sources[i].name, .text = m->sources[i].value};
  SessionSource source = {.path = m->model,
                          .files = files,
                          .n_files = (size_t)m->n_sources,
                          .seed = m->seed,
                          .precision = options->precision != NULL ? options->precision : m->precision};
  source.manifest = m;
  for (int i = 0; i < m->n_sources && source.text == NULL; i++)
    if (strcmp(m->sources[i].name, m->model) == 0) source.text = m->sources[i].value;
  for (int i = 0; i < m->n_notes; i++)
    if (strncmp(m->notes[i].name, "set:", 4) == 0) VEC_PUSH(scratch, &source.sets, arena_printf(scratch, "%s=%s", m->notes[i].name + 4, m->notes[i].value));
  bool ok = session_open(&run->session, options, &source, exit_code);
  arena_destroy(scratch);
  return ok;
}

bool open_run(OpenRun *run, const Options *options, const char *argument, int *exit_code) {
  *run = (OpenRun){0};
  HgmError error = {0};
  if (!hgm_run_find(argument, run->directory, sizeof run->directory, &error) || !hgm_manifest_load(&run->manifest, run->directory, &error)) {
    *exit_code = report_error(&error);
    return false;
  }
  if (!open_session(run, options, exit_code)) return false;
  Model *model = run->session.model;
  for (size_t i = 0; i < model->data.len; i++) set_units(run->manifest, model->data.at[i]);
  if (model->score_data != NULL) set_units(run->manifest, model->score_data);
  Arena *arena = run->session.arena;
  run->store = store_new(arena);
  store_add(run->store, "batch_size", HGM_F64, 1);
  train_add_weights(&run->session, run->store);
  model_hash(&run->session, run->manifest->precision, run->hash);
  size_t len = strlen(argument);
  if (len > 3 && strcmp(argument + len - 3, ".h5") == 0) run->weights = argument;
  for (const char *const *name = (const char *const[]){"model.h5", "best.h5", "last.h5", NULL}; *name != NULL && run->weights == NULL; name++) {
    const char *path = arena_printf(arena, "%s/%s", run->directory, *name);
    if (access(path, R_OK) != 0) continue;
    run->weights = path;
    if (strcmp(*name, "model.h5") != 0 && !options->quiet)
      fprintf(stderr, "note: the training of %s has not ended; its weights so far are used (%s)\n", run->directory, *name);
  }
  if (run->weights == NULL) {
    fprintf(stderr, "hgmc: %s holds no weights yet; `hgmc run %s --train … -o %s --resume` trains on\n", run->directory, run->manifest->model, run->directory);
    *exit_code = EXIT_USER;
    return false;
  }
  if (fitting_size_from(run->session.model, run->weights, &error)) return true;
  *exit_code = report_error(&error);
  return false;
}

bool open_run_weights(OpenRun *run, HgmError *error) {
  fitting_shape_states(run->session.model, run->store);
  return snapshot_load(run->store, NULL, run->hash, run->weights, error);
}

void close_run(OpenRun *run) {
  if (run->manifest != NULL) hgm_manifest_destroy(run->manifest);
  if (run->session.arena != NULL) session_close(&run->session);
}

static const ModelData *block_named(const Model *model, const char *name, size_t len) {
  for (size_t i = 0; i < model->data.len; i++)
    if (strlen(model->data.at[i]->name) == len && strncmp(model->data.at[i]->name, name, len) == 0) return model->data.at[i];
  return NULL;
}

// Blocks that read groups of a file may all read the same one.
static bool all_of_groups(const Model *model) {
  for (size_t i = 0; i < model->data.len; i++)
    if (model->data.at[i]->columns.len > 0 && model->data.at[i]->columns.at[0].group == NULL) return false;
  return true;
}

static const char *blocks_text(Arena *arena, const Model *model) {
  const char *text = "";
  for (size_t i = 0; i < model->data.len; i++) text = arena_printf(arena, "%s%s`%s`", text, i > 0 ? ", " : "", model->data.at[i]->name);
  return text;
}

bool files_of_block(Session *session, const Strings *arguments, const ModelData *data, Strings *files, HgmError *error) {
  const Model *model = session->model;
  *files = (Strings){0};
  for (size_t i = 0; i < arguments->len; i++) {
    const char *argument = arguments->at[i], *equals = strchr(argument, '=');
    const ModelData *named = equals != NULL ? block_named(model, argument, (size_t)(equals - argument)) : NULL;
    if (named == NULL && model->data.len > 1 && !all_of_groups(model))
      return hgm_fail(error, EXIT_ENVIRONMENT, "the model has the data blocks %s; say NAME=FILE for each, found `%s`", blocks_text(session->arena, model),
                      argument);
    if (named == NULL && equals != NULL && strcspn(argument, "/.") > (size_t)(equals - argument) && access(argument, F_OK) != 0)
      return hgm_fail(error, EXIT_ENVIRONMENT, "`%s`: the model has no data block `%.*s`; it has %s", argument, (int)(equals - argument), argument,
                      blocks_text(session->arena, model));
    if (named != NULL && named != data) continue;
    VEC_PUSH(session->arena, files, named != NULL ? equals + 1 : argument);
  }
  return true;
}
