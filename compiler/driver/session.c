#include "compiler/driver/compiler_process.h"
#include "compiler/driver/kept.h"
#include "compiler/driver/lock.h"
#include "compiler/driver/trained.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "compiler/ir/ir.h"
#include "runtime/sha256.h"

int report_error(const HgmError *error) {
  fprintf(stderr, "hgmc: %s\n", error->text);
  return error->exit_code == 0 ? EXIT_INTERNAL : error->exit_code;
}

static bool is_library(Arena *arena, const char *folder) { return access(arena_printf(arena, "%s/layers.hgm", folder), R_OK) == 0; }

// The binary lies in build/…/hgmc of a checkout, or in PREFIX/bin beside PREFIX/share/hgm.
const char *session_stdlib(Arena *arena) {
  const char *set = getenv("HGM_STDLIB");
  if (set != NULL) return set;
  char self[4096];
  ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);
  if (n <= 0) return "stdlib";
  self[n] = '\0';
  for (int up = 0; up < 4; up++) {
    char *slash = strrchr(self, '/');
    if (slash == NULL) break;
    *slash = '\0';
    const char *candidates[] = {arena_printf(arena, "%s/stdlib", self), arena_printf(arena, "%s/share/hgm/stdlib", self)};
    for (int i = 0; i < 2; i++)
      if (is_library(arena, candidates[i])) return candidates[i];
  }
  return "stdlib";
}

enum { MOST_TEXT = 32 << 20 }; // beyond what model_load refuses as too long

static const char *read_stream(Arena *arena, FILE *in, size_t *bytes) {
  size_t len = 0, cap = 1 << 16;
  char *text = arena_alloc(arena, cap + 1);
  for (size_t n; (n = fread(text + len, 1, cap - len, in)) > 0;) {
    len += n;
    if (len > MOST_TEXT) break;
    if (len < cap) continue;
    char *bigger = arena_alloc(arena, cap * 2 + 1);
    memcpy(bigger, text, len);
    text = bigger;
    cap *= 2;
  }
  text[len] = '\0';
  *bytes = len;
  return ferror(in) ? NULL : text;
}

static bool read_model_text(Arena *arena, const char *path, ModelOptions *model) {
  bool standard = strcmp(path, "-") == 0;
  FILE *in = standard ? stdin : fopen(path, "rb");
  model->text = in == NULL ? NULL : read_stream(arena, in, &model->text_bytes);
  if (model->text == NULL) {
    const char *why = strerror(errno), *whole = arena_printf(arena, "%s.hgm", path);
    if (access(whole, R_OK) == 0) fprintf(stderr, "hgmc: cannot read %s: %s; did you mean %s?\n", path, why, whole);
    else fprintf(stderr, "hgmc: cannot read %s: %s\n", path, why);
  }
  if (in != NULL && !standard) fclose(in);
  return model->text != NULL;
}

static bool add_sets(Arena *arena, ModelOptions *options, const Strings *sets) {
  for (size_t i = 0; i < sets->len; i++) {
    const char *equals = strchr(sets->at[i], '=');
    if (equals == NULL) {
      fprintf(stderr, "hgmc: --set NAME=VALUE: found `%s`, which has no `=`\n", sets->at[i]);
      return false;
    }
    struct ModelSet set = {arena_strndup(arena, sets->at[i], (size_t)(equals - sets->at[i])), equals + 1};
    VEC_PUSH(arena, &options->sets, set);
  }
  return true;
}

static void open_cache(Session *session) {
  char path[PATH_MAX];
  const Options *o = session->options;
  HgmCache *cache = ARENA_NEW(session->arena, HgmCache);
  if (!o->no_cache && o->dump == NULL && hgm_cache_directory(path, sizeof path) && hgm_cache_open(cache, path, NULL)) session->cache = cache;
}

// As it was kept, or from its files; the first phase's steps are compiled meanwhile.
static void read_model(Session *session, const SessionSource *source, ModelOptions *options) {
  double start = now_ms();
  if (source->trains) {
    options->phase_read = session_compile_phase;
    options->phase_context = session;
  }
  // Of a search each trial is another.
  bool keeps = source->trains && source->text == NULL && source->manifest == NULL && strcmp(source->path, "-") != 0 && session->options->pause_epochs == 0;
  if (keeps) session->kept = kept_open(session, options);
  if (kept_find(session, options)) {
    if (session->model->phases.len > 0) session_compile_phase(session, session->model, session->model->phases.at[0]);
    timeline_add(session->options->timeline, start, "the model is taken from the cache");
    return;
  }
  if (session->compiler != NULL) compiler_process_begin(session->compiler);
  Arena *arena = kept_arena(session);
  options->work = kept_work(session);
  session->sources = sources_new(arena);
  session->diags = diags_new(arena, session->sources);
  session->model = model_load(arena, session->sources, session->diags, options);
  kept_work_done(session);
  timeline_add(session->options->timeline, start, "the model is read and checked");
}

static bool start_pool(Session *session) {
  const int threads = session->options->threads > 0 ? session->options->threads : hgm_default_threads();
  session->pool = hgm_pool_create(threads);
  if (session->pool == NULL) fprintf(stderr, "hgmc: cannot start %d threads; try --threads 1\n", threads);
  return session->pool != NULL;
}

static bool find_stdlib(Session *session, ModelOptions *model) {
  model->stdlib = session_stdlib(session->arena);
  if (is_library(session->arena, model->stdlib)) return true;
  fprintf(stderr, "hgmc: the standard library is not in %s; HGM_STDLIB names the folder that holds layers.hgm\n", model->stdlib);
  return false;
}

// Text, files and params of the model.
static bool gather_sources(Session *session, const SessionSource *source, ModelOptions *model) {
  if (model->text == NULL && !read_model_text(session->arena, source->path, model)) return false;
  for (size_t i = 0; i < source->n_files; i++) VEC_PUSH(session->arena, &model->files, source->files[i]);
  return add_sets(session->arena, model, &source->sets);
}

// Prints what was found in it.
static bool is_sound(const Session *session, const SessionSource *source) {
  bool colour = !session->options->no_colour && isatty(2) && getenv("NO_COLOR") == NULL;
  bool said_before = source->text != NULL && session->diags->errors == 0; // warnings, when the run was trained
  if (!source->silent && !said_before) diags_print(stderr, session->diags, colour, 0);
  return session->diags->errors == 0 && session->model != NULL;
}

bool session_open(Session *session, const Options *options, const SessionSource *source, int *exit_code) {
  const char *precision = source->precision != NULL ? source->precision : "f32";
  *session = (Session){.arena = arena_create(), .options = options, .of_run = source->manifest != NULL, .bf16 = strcmp(precision, "bf16") == 0};
  open_cache(session);
  if (source->trains && options->compiler != NULL && options->dump == NULL) session->compiler = compiler_process_create(options->compiler);
  ModelOptions model = {.path = strcmp(source->path, "-") == 0 ? "standard input" : source->path,
                        .text = source->text,
                        .search = getenv("HGM_PATH"),
                        .checksum = hgm_sha256_of,
                        .trained = trained_find,
                        .trained_context = &(TrainedPlaces){&options->trained, source->manifest},
                        .seed = source->seed,
                        .trials = options->trials,
                        .real = strcmp(precision, "f64") == 0 ? IR_F64 : IR_F32};
  if (!start_pool(session) || !find_stdlib(session, &model) || !gather_sources(session, source, &model)) return *exit_code = EXIT_ENVIRONMENT, false;
  read_model(session, source, &model);
  if (!is_sound(session, source)) return *exit_code = EXIT_USER, false;
  HgmError error = {0};
  if (source->text != NULL || source->unlocked || strcmp(source->path, "-") == 0 || lock_agrees(session, source->path, &error)) return true;
  *exit_code = report_error(&error);
  return false;
}

void session_close(Session *session) {
  session_drop_ahead(session);
  compiler_process_destroy(session->compiler);
  hgm_pool_destroy(session->pool);
  kept_close(session);
  arena_destroy(session->arena);
}
