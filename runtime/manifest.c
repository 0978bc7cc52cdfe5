// manifest.json of a run directory: all that is needed to repeat the run, in JSON with sorted sections.
#include <jansson.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "runtime/heap.h"
#include "runtime/run_directory.h"

enum { MANIFEST_VERSION = 1 };

// ---- saving

static json_t *text_or_null(const char *text) { return text == NULL ? json_null() : json_string_nocheck(text); }

static json_t *pairs(const HgmManifestPair *at, int n) { // in order: an array of [name, value]
  json_t *array = json_array();
  for (int i = 0; i < n; i++) json_array_append_new(array, json_pack("{s:o, s:o}", "name", text_or_null(at[i].name), "value", text_or_null(at[i].value)));
  return array;
}

static json_t *data_of(const HgmManifestData *data) {
  json_t *files = json_array();
  for (int i = 0; i < data->n_files; i++)
    json_array_append_new(files, json_pack("{s:o, s:I, s:o}", "path", text_or_null(data->files[i].path), "bytes", (json_int_t)data->files[i].bytes, "sha256",
                                           text_or_null(data->files[i].sha256)));
  return json_pack("{s:o, s:o, s:I, s:o, s:o}", "block", text_or_null(data->block), "role", text_or_null(data->role), "rows", (json_int_t)data->rows, "files",
                   files, "columns", pairs(data->columns, data->n_columns));
}

static json_t *manifest_json(const HgmManifest *manifest, const char *created) {
  char seed[32]; // 64 bits do not fit JSON's numbers everywhere
  snprintf(seed, sizeof seed, "%llu", (unsigned long long)manifest->seed);
  json_t *data = json_array();
  for (int i = 0; i < manifest->n_data; i++) json_array_append_new(data, data_of(&manifest->data[i]));
  json_t *root = json_object();
  json_object_set_new(root, "manifest", json_integer(MANIFEST_VERSION));
  json_object_set_new(root, "version", text_or_null(manifest->version));
  json_object_set_new(root, "created", text_or_null(created));
  json_object_set_new(root, "command", text_or_null(manifest->command));
  json_object_set_new(root, "cpu", text_or_null(manifest->cpu));
  json_object_set_new(root, "threads", json_integer(manifest->threads));
  json_object_set_new(root, "precision", text_or_null(manifest->precision));
  json_object_set_new(root, "seed", json_string(seed));
  json_object_set_new(root, "model", text_or_null(manifest->model));
  json_object_set_new(root, "params", pairs(manifest->params, manifest->n_params));
  json_object_set_new(root, "data", data);
  json_object_set_new(root, "notes", pairs(manifest->notes, manifest->n_notes));
  json_object_set_new(root, "sources", pairs(manifest->sources, manifest->n_sources));
  return root;
}

bool hgm_manifest_save(const char *directory, const HgmManifest *manifest, const HgmIo *io, HgmError *error) {
  char path[PATH_MAX], now[40] = "";
  if (!hgm_run_file(directory, "manifest.json", path, sizeof path, error)) return false;
  time_t seconds = time(NULL);
  struct tm utc;
  if (gmtime_r(&seconds, &utc) != NULL) strftime(now, sizeof now, "%Y-%m-%dT%H:%M:%SZ", &utc);
  json_t *root = manifest_json(manifest, manifest->created != NULL ? manifest->created : now);
  char *text = json_dumps(root, JSON_INDENT(2));
  json_decref(root);
  if (text == NULL) return hgm_fail(error, 2, "%s: the manifest cannot be put together; a name or text is not UTF-8", path);
  bool fine = hgm_io_replace(io, path, text, strlen(text), error);
  free(text);
  return fine;
}

// ---- loading

typedef struct Loaded {
  HgmManifest manifest;
  HgmHeap heap;
  bool fine;
  const char *missing; // a key that must be there
} Loaded;              // manifest first: destroy gets its address

static const char *text_of(Loaded *loaded, const json_t *object, const char *key) {
  const char *text = json_string_value(json_object_get(object, key));
  if (text == NULL) return NULL;
  const char *copy = hgm_heap_strdup(&loaded->heap, text);
  if (copy == NULL) loaded->fine = false;
  return copy;
}

static const char *needed(Loaded *loaded, const json_t *object, const char *key) {
  const char *text = text_of(loaded, object, key);
  if (text == NULL && loaded->missing == NULL) loaded->missing = key;
  return text;
}

static void *array_of(Loaded *loaded, const json_t *array, size_t size, int *n) {
  *n = (int)json_array_size(array);
  void *at = hgm_heap_alloc(&loaded->heap, (size_t)(*n + 1) * size);
  if (at == NULL) loaded->fine = false, *n = 0;
  return at;
}

static HgmManifestPair *pairs_of(Loaded *loaded, const json_t *array, int *n) {
  HgmManifestPair *at = array_of(loaded, array, sizeof *at, n);
  for (int i = 0; i < *n; i++) {
    const json_t *pair = json_array_get(array, (size_t)i);
    at[i] = (HgmManifestPair){.name = needed(loaded, pair, "name"), .value = needed(loaded, pair, "value")};
  }
  return at;
}

static void load_data(Loaded *loaded, const json_t *json, HgmManifestData *data) {
  data->block = needed(loaded, json, "block");
  data->role = needed(loaded, json, "role");
  data->rows = json_integer_value(json_object_get(json, "rows"));
  data->columns = pairs_of(loaded, json_object_get(json, "columns"), &data->n_columns);
  const json_t *files = json_object_get(json, "files");
  HgmFileIdentity *at = array_of(loaded, files, sizeof *at, &data->n_files);
  for (int i = 0; i < data->n_files; i++) {
    const json_t *file = json_array_get(files, (size_t)i);
    const char *sha = needed(loaded, file, "sha256");
    at[i].path = needed(loaded, file, "path");
    at[i].bytes = json_integer_value(json_object_get(file, "bytes"));
    snprintf(at[i].sha256, sizeof at[i].sha256, "%s", sha == NULL ? "" : sha);
  }
  data->files = at;
}

static void load_all(Loaded *loaded, const json_t *root) {
  HgmManifest *manifest = &loaded->manifest;
  manifest->version = needed(loaded, root, "version");
  manifest->created = text_of(loaded, root, "created");
  manifest->command = needed(loaded, root, "command");
  manifest->cpu = needed(loaded, root, "cpu");
  manifest->precision = needed(loaded, root, "precision");
  manifest->model = needed(loaded, root, "model");
  manifest->threads = (int)json_integer_value(json_object_get(root, "threads"));
  const char *seed = json_string_value(json_object_get(root, "seed"));
  manifest->seed = seed == NULL ? 0 : strtoull(seed, NULL, 10);
  manifest->params = pairs_of(loaded, json_object_get(root, "params"), &manifest->n_params);
  manifest->notes = pairs_of(loaded, json_object_get(root, "notes"), &manifest->n_notes);
  manifest->sources = pairs_of(loaded, json_object_get(root, "sources"), &manifest->n_sources);
  const json_t *data = json_object_get(root, "data");
  HgmManifestData *at = array_of(loaded, data, sizeof *at, &manifest->n_data);
  for (int i = 0; i < manifest->n_data; i++) load_data(loaded, json_array_get(data, (size_t)i), &at[i]);
  manifest->data = at;
}

bool hgm_manifest_load(HgmManifest **manifest, const char *directory, HgmError *error) {
  char path[PATH_MAX], *text;
  size_t n;
  *manifest = NULL;
  if (!hgm_run_file(directory, "manifest.json", path, sizeof path, error) || !hgm_io_read_file(path, &text, &n, error)) return false;
  json_error_t where;
  json_t *root = json_loadb(text, n, 0, &where);
  free(text);
  if (root == NULL) return hgm_fail(error, 1, "%s, line %d: is damaged: %s", path, where.line, where.text);
  json_int_t version = json_integer_value(json_object_get(root, "manifest"));
  Loaded *loaded = calloc(1, sizeof *loaded);
  if (version == MANIFEST_VERSION && loaded != NULL) {
    loaded->fine = true;
    load_all(loaded, root);
  }
  json_decref(root);
  if (version != MANIFEST_VERSION) hgm_fail(error, 1, "%s: has the version %lld, and this hgmc reads version %d", path, (long long)version, MANIFEST_VERSION);
  else if (loaded == NULL || !loaded->fine) hgm_fail(error, 2, "%s: out of memory", path);
  else if (loaded->missing != NULL) hgm_fail(error, 1, "%s: is damaged: a `%s` is missing", path, loaded->missing);
  else *manifest = &loaded->manifest;
  if (*manifest == NULL && loaded != NULL) hgm_manifest_destroy(&loaded->manifest);
  return *manifest != NULL;
}

void hgm_manifest_destroy(HgmManifest *manifest) {
  if (manifest == NULL) return;
  Loaded *loaded = (Loaded *)(void *)manifest;
  hgm_heap_free(&loaded->heap);
  free(loaded);
}

const char *hgm_cpu_name(char *text, int size) {
  snprintf(text, (size_t)size, "unknown");
  FILE *file = fopen("/proc/cpuinfo", "r");
  char line[512];
  while (file != NULL && fgets(line, sizeof line, file) != NULL) {
    const char *colon = strchr(line, ':');
    if (strncmp(line, "model name", 10) != 0 || colon == NULL) continue;
    line[strcspn(line, "\n")] = '\0';
    snprintf(text, (size_t)size, "%s", colon + 1 + strspn(colon + 1, " \t"));
    break;
  }
  if (file != NULL) fclose(file);
  return text;
}
