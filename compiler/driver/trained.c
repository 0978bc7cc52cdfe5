#include "compiler/driver/trained.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "compiler/driver/fitting.h"
#include "runtime/checkpoint.h"
#include "runtime/sha256.h"

// ---- in the manifest of the run that used it: sources NAME|path, notes trained:NAME:what

static const char *after(const char *text, const char *prefix, const char *separator) {
  size_t n = strlen(prefix), m = strlen(separator);
  return strncmp(text, prefix, n) == 0 && strncmp(text + n, separator, m) == 0 ? text + n + m : NULL;
}

static bool kept_run(const HgmManifest *manifest, Arena *arena, ModelTrained *run) {
  const char *prefix = arena_printf(arena, "trained:%s", run->prefix);
  for (int i = 0; i < manifest->n_notes; i++) {
    const char *what = after(manifest->notes[i].name, prefix, ":"), *value = arena_strdup(arena, manifest->notes[i].value);
    if (what == NULL) continue;
    if (strcmp(what, "root") == 0) run->root = value;
    else if (strcmp(what, "seed") == 0) run->seed = strtoull(value, NULL, 10);
    else if (strcmp(what, "sum") == 0) run->sum = value;
    else if (strncmp(what, "set:", 4) == 0) {
      struct ModelSet set = {arena_strdup(arena, what + 4), value};
      VEC_PUSH(arena, &run->sets, set);
    }
  }
  for (int i = 0; i < manifest->n_sources; i++) {
    const char *path = after(manifest->sources[i].name, run->prefix, "|");
    if (path != NULL) VEC_PUSH(arena, &run->files, ((ModelSource){arena_strdup(arena, path), arena_strdup(arena, manifest->sources[i].value)}));
  }
  return run->root != NULL && run->sum != NULL;
}

void trained_notes(const Model *model, Arena *arena, AddNote *add, void *data) {
  for (size_t i = 0; i < model->trained.len; i++) {
    const ModelTrained *t = model->trained.at[i];
    add(data, arena_printf(arena, "trained:%s:path", t->prefix), t->path);
    add(data, arena_printf(arena, "trained:%s:root", t->prefix), t->root);
    add(data, arena_printf(arena, "trained:%s:seed", t->prefix), arena_printf(arena, "%llu", (unsigned long long)t->seed));
    add(data, arena_printf(arena, "trained:%s:sum", t->prefix), t->sum);
    for (size_t k = 0; k < t->sets.len; k++) add(data, arena_printf(arena, "trained:%s:set:%s", t->prefix, t->sets.at[k].name), t->sets.at[k].value);
  }
}

// ---- in its own directory

static const char *sum_of_file(Arena *arena, const char *path) {
  FILE *in = fopen(path, "rb");
  if (in == NULL) return NULL;
  char *text = arena_alloc(arena, 65);
  unsigned char bytes[1 << 14];
  HgmSha256 sha;
  hgm_sha256_begin(&sha);
  for (size_t n; (n = fread(bytes, 1, sizeof bytes, in)) > 0;) hgm_sha256_add(&sha, bytes, n);
  bool bad = ferror(in) != 0;
  fclose(in);
  hgm_sha256_end(&sha, text);
  return bad ? NULL : text;
}

static const char *place_of(const TrainedPlaces *places, Arena *arena, const ModelTrained *run, const char *folder) {
  for (size_t i = 0; i < places->places->len; i++) {
    const char *directory = after(places->places->at[i], run->prefix, "=");
    if (directory != NULL) return directory;
  }
  const char *beside = run->path[0] == '/' || strcmp(folder, ".") == 0 ? run->path : arena_printf(arena, "%s/%s", folder, run->path);
  return access(beside, F_OK) == 0 ? beside : run->path;
}

static bool take_manifest(const HgmManifest *m, Arena *arena, ModelTrained *run, const char **problem) {
  run->root = arena_strdup(arena, m->model);
  run->seed = m->seed;
  for (int i = 0; i < m->n_sources; i++)
    VEC_PUSH(arena, &run->files, ((ModelSource){arena_strdup(arena, m->sources[i].name), arena_strdup(arena, m->sources[i].value)}));
  for (int i = 0; i < m->n_notes; i++) {
    const char *set = after(m->notes[i].name, "set", ":");
    if (set != NULL) {
      struct ModelSet one = {arena_strdup(arena, set), arena_strdup(arena, m->notes[i].value)};
      VEC_PUSH(arena, &run->sets, one);
    }
    if (after(m->notes[i].name, "trained", ":") != NULL) {
      *problem = "it uses a trained run itself, which is not built yet";
      return false;
    }
  }
  return true;
}

bool trained_find(void *context, Arena *arena, ModelTrained *run, const char *folder, const char **problem) {
  const TrainedPlaces *places = context;
  if (places->manifest != NULL && kept_run(places->manifest, arena, run)) return true;
  char directory[4096];
  HgmError error = {0};
  HgmManifest *manifest = NULL;
  const char *place = place_of(places, arena, run, folder);
  if (!hgm_run_find(place, directory, sizeof directory, &error) || !hgm_manifest_load(&manifest, directory, &error)) {
    *problem = arena_strdup(arena, error.text);
    return false;
  }
  run->directory = arena_strdup(arena, directory);
  run->sum = sum_of_file(arena, arena_printf(arena, "%s/model.h5", directory));
  if (run->sum == NULL) *problem = arena_printf(arena, "%s has no model.h5, so it was not trained to its end", directory);
  bool ok = run->sum != NULL && take_manifest(manifest, arena, run, problem);
  hgm_manifest_destroy(manifest);
  return ok;
}

// ---- arrays

bool trained_has(const Model *model, const char *weight) {
  for (size_t i = 0; i < model->trained.len; i++)
    if (after(weight, model->trained.at[i]->prefix, ".") != NULL) return true;
  return false;
}

// The name in this model of an array of the run, or of this model's own file; NULL: not the run's.
static const char *name_here(Arena *arena, const ModelTrained *t, const char *name) {
  static const char *const kinds[] = {"stat:", "fit:", "order:", ""};
  size_t k = 0;
  while (strncmp(name, kinds[k], strlen(kinds[k])) != 0) k++;
  const char *rest = name + strlen(kinds[k]);
  if (t->directory == NULL) return after(rest, t->prefix, ".") != NULL ? name : NULL;
  return arena_printf(arena, "%s%s.%s", kinds[k], t->prefix, rest);
}

static void copy_numbers(Slot *slot, const HgmArray *from) {
  const Slot source = {.dtype = from->dtype, .n = from->elements, .data = from->data};
  for (int64_t i = 0; i < slot->n; i++) slot_set(slot, i, slot_number(&source, i));
}

static bool load_one(Session *session, const ModelTrained *t, Store *store, const char *own_file, HgmError *error) {
  Model *model = session->model;
  HgmStore *file;
  const char *path = t->directory == NULL ? own_file : arena_printf(session->arena, "%s/model.h5", t->directory);
  if (!hgm_store_load(&file, path, error)) return false;
  fitting_size_kept(model, file, t->directory == NULL ? "" : t->prefix);
  fitting_add_kept(model, store);
  bool ok = true;
  for (int64_t i = 0; i < hgm_store_n(file) && ok; i++) {
    const HgmArray *array = hgm_store_at(file, i);
    const char *name = name_here(session->arena, t, array->name);
    if (name == NULL) continue;
    bool statistic = strncmp(name, "stat:", 5) == 0 || strncmp(name, "order:", 6) == 0;
    Slot *slot = statistic ? store_add(store, name, array->dtype, array->elements) : store_find(store, name);
    if (slot == NULL) continue; // nothing of this model reads it
    ok = slot->n == array->elements || hgm_fail(error, EXIT_USER, "%s: `%s` has %lld numbers, the model wants %lld; the run is of another version", path,
                                                array->name, (long long)array->elements, (long long)slot->n);
    if (ok) copy_numbers(slot, array);
    slot->saved = true;
  }
  for (size_t i = 0; i < model->weights.len && ok; i++) {
    const char *own = after(model->weights.at[i].name, t->prefix, ".");
    if (own != NULL && t->directory != NULL && hgm_store_find(file, own) == NULL)
      ok = hgm_fail(error, EXIT_USER, "%s has no weights `%s`; the run is of another version", path, own);
  }
  hgm_store_destroy(file);
  return ok;
}

bool trained_load(Session *session, Store *store, const char *own_file, HgmError *error) {
  for (size_t i = 0; i < session->model->trained.len; i++)
    if (!load_one(session, session->model->trained.at[i], store, own_file, error)) return false;
  return true;
}
