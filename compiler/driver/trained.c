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

// What the run that the manifest calls so was made of; false: it is not in there.
static bool kept_run(const HgmManifest *manifest, Arena *arena, const char *name, ModelTrained *run) {
  const char *prefix = arena_printf(arena, "trained:%s", name);
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
    const char *path = after(manifest->sources[i].name, name, "|");
    if (path != NULL) VEC_PUSH(arena, &run->files, ((ModelSource){.path = arena_strdup(arena, path), .text = arena_strdup(arena, manifest->sources[i].value)}));
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

// A source of a run that this one has used: NAME|path, where a note says the root of NAME.
static bool is_of_another(const HgmManifest *m, Arena *arena, const char *source) {
  const char *bar = strchr(source, '|');
  if (bar == NULL) return false;
  const char *root = arena_printf(arena, "trained:%.*s:root", (int)(bar - source), source);
  for (int i = 0; i < m->n_notes; i++)
    if (strcmp(m->notes[i].name, root) == 0) return true;
  return false;
}

static void take_manifest(const HgmManifest *m, Arena *arena, ModelTrained *run) {
  run->root = arena_strdup(arena, m->model);
  run->seed = m->seed;
  for (int i = 0; i < m->n_sources; i++)
    if (!is_of_another(m, arena, m->sources[i].name))
      VEC_PUSH(arena, &run->files, ((ModelSource){.path = arena_strdup(arena, m->sources[i].name), .text = arena_strdup(arena, m->sources[i].value)}));
  for (int i = 0; i < m->n_notes; i++) {
    const char *set = after(m->notes[i].name, "set", ":");
    if (set == NULL) continue;
    struct ModelSet one = {arena_strdup(arena, set), arena_strdup(arena, m->notes[i].value)};
    VEC_PUSH(arena, &run->sets, one);
  }
}

// A run that another one has used, from the manifest of that, in which it stands without the name that the other has here.
static bool find_inside(Arena *arena, ModelTrained *run, const char **problem) {
  const ModelTrained *owner = run->outer;
  HgmError error = {0};
  HgmManifest *manifest = NULL;
  while (owner->outer != NULL) owner = owner->outer;
  if (owner->directory == NULL) { // nor was it in this run's own manifest, where the owner is
    *problem = "the manifest of this run does not hold what it was made of";
    return false;
  }
  if (!hgm_manifest_load(&manifest, owner->directory, &error)) {
    *problem = arena_strdup(arena, error.text);
    return false;
  }
  bool ok = kept_run(manifest, arena, run->prefix + strlen(owner->prefix) + 1, run);
  if (!ok) *problem = arena_printf(arena, "the manifest in %s does not hold what it was made of", owner->directory);
  hgm_manifest_destroy(manifest);
  return ok;
}

bool trained_find(void *context, Arena *arena, ModelTrained *run, const char *folder, const char **problem) {
  const TrainedPlaces *places = context;
  if (places->manifest != NULL && kept_run(places->manifest, arena, run->prefix, run)) return true;
  if (run->outer != NULL) return find_inside(arena, run, problem);
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
  take_manifest(manifest, arena, run);
  hgm_manifest_destroy(manifest);
  return run->sum != NULL;
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

// What no program of this model reads stays in the run all the same: a run that uses this one may.
static Slot *slot_for(Store *store, const char *name, const HgmArray *array) {
  bool statistic = strncmp(name, "stat:", 5) == 0 || strncmp(name, "order:", 6) == 0;
  Slot *slot = statistic ? NULL : store_find(store, name);
  if (slot != NULL) return slot;
  slot = store_add(store, name, array->dtype, array->elements);
  if (statistic || array->rank > IR_MAX_RANK) return slot;
  slot->rank = array->rank;
  for (int i = 0; i < array->rank; i++) slot->shape[i] = array->shape[i];
  return slot;
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
    if (name == NULL || strncmp(array->name, "position.", 9) == 0) continue;
    Slot *slot = slot_for(store, name, array);
    ok = slot->n == array->elements || hgm_fail(error, EXIT_USER, "%s: `%s` has %lld numbers, the model wants %lld; the run is of another version", path,
                                                array->name, (long long)array->elements, (long long)slot->n);
    if (ok) copy_numbers(slot, array);
    slot->saved = true;
  }
  for (size_t i = 0; i < model->weights.len && ok; i++) {
    const char *own = after(model->weights.at[i].name, t->prefix, ".");
    if (own != NULL && t->directory != NULL && hgm_store_find(file, own) == NULL)
      ok = hgm_fail(error, EXIT_USER, "%s has no weights `%s`; a run of an older version kept of the runs inside only what it used itself: train it again",
                    path, own);
  }
  hgm_store_destroy(file);
  return ok;
}

bool trained_load(Session *session, Store *store, const char *own_file, HgmError *error) {
  for (size_t i = 0; i < session->model->trained.len; i++)
    if (session->model->trained.at[i]->outer == NULL && !load_one(session, session->model->trained.at[i], store, own_file, error)) return false;
  return true;
}
