#include "runtime/checkpoint.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/hdf5_store.h"
#include "runtime/heap.h"

enum { ALIGNMENT = 64 };

typedef struct Text {
  const char *name;
  char *text;
} Text;

struct HgmStore {
  HgmHeap heap; // names and array records
  HgmArray **arrays;
  int64_t n, cap;
  Text *texts;
  int64_t n_texts, cap_texts;
  int64_t *slots;
  int64_t n_slots; // hash table: index of an array + 1, 0: free
};

static size_t bytes_of(HgmDtype dtype) { return dtype == HGM_F64 ? 8 : 4; }

static uint64_t hash_name(const char *name) {
  uint64_t hash = UINT64_C(14695981039346656037);
  for (; *name != '\0'; name++) hash = (hash ^ (unsigned char)*name) * UINT64_C(1099511628211);
  return hash;
}

HgmStore *hgm_store_create(void) { return calloc(1, sizeof(HgmStore)); }

void hgm_store_destroy(HgmStore *store) {
  if (store == NULL) return;
  for (int64_t i = 0; i < store->n; i++)
    if (!store->arrays[i]->is_lent) free(store->arrays[i]->data);
  for (int64_t i = 0; i < store->n_texts; i++) free(store->texts[i].text);
  free(store->arrays);
  free(store->texts);
  free(store->slots);
  hgm_heap_free(&store->heap);
  free(store);
}

HgmArray *hgm_store_find(const HgmStore *store, const char *name) {
  if (store->n_slots == 0) return NULL;
  uint64_t mask = (uint64_t)store->n_slots - 1;
  for (uint64_t at = hash_name(name) & mask; store->slots[at] != 0; at = (at + 1) & mask)
    if (strcmp(store->arrays[store->slots[at] - 1]->name, name) == 0) return store->arrays[store->slots[at] - 1];
  return NULL;
}

static void put_slot(int64_t *slots, int64_t n_slots, const char *name, int64_t index) {
  uint64_t mask = (uint64_t)n_slots - 1, at = hash_name(name) & mask;
  while (slots[at] != 0) at = (at + 1) & mask;
  slots[at] = index + 1;
}

// Room for one more array in list and hash table.
static bool make_room(HgmStore *store) {
  if (store->n == store->cap) {
    int64_t cap = store->cap == 0 ? 64 : 2 * store->cap;
    HgmArray **moved = realloc(store->arrays, (size_t)cap * sizeof *moved);
    if (moved == NULL) return false;
    store->arrays = moved;
    store->cap = cap;
  }
  if (2 * (store->n + 1) <= store->n_slots) return true;
  int64_t n_slots = store->n_slots == 0 ? 256 : 2 * store->n_slots;
  int64_t *slots = calloc((size_t)n_slots, sizeof *slots);
  if (slots == NULL) return false;
  for (int64_t i = 0; i < store->n; i++) put_slot(slots, n_slots, store->arrays[i]->name, i);
  free(store->slots);
  store->slots = slots;
  store->n_slots = n_slots;
  return true;
}

static bool same_shape(const HgmArray *a, int rank, const int64_t *shape) {
  return a->rank == rank && (rank == 0 || memcmp(a->shape, shape, (size_t)rank * sizeof *shape) == 0);
}

// Data of its own: zeroed.
static bool take_data(HgmArray *array) {
  size_t bytes = (size_t)array->elements * bytes_of(array->dtype);
  bytes = (bytes + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT + ALIGNMENT;
  if (posix_memalign(&array->data, ALIGNMENT, bytes) != 0) return false;
  memset(array->data, 0, bytes);
  return true;
}

// data: the caller's; NULL: the store's own.
static HgmArray *add_array(HgmStore *store, const char *name, HgmDtype dtype, int rank, const int64_t *shape, void *data) {
  HgmArray *old = hgm_store_find(store, name);
  if (old != NULL) return old->dtype == dtype && same_shape(old, rank, shape) ? old : NULL;
  if (rank > HGM_ARRAY_MAX_RANK || !make_room(store)) return NULL;
  HgmArray *array = hgm_heap_alloc(&store->heap, sizeof *array);
  if (array == NULL || (array->name = hgm_heap_strdup(&store->heap, name)) == NULL) return NULL;
  array->dtype = dtype;
  array->rank = rank;
  array->elements = 1;
  for (int i = 0; i < rank; i++) {
    if (shape[i] < 0 || (shape[i] > 0 && array->elements > INT64_MAX / 64 / shape[i])) return NULL;
    array->shape[i] = shape[i];
    array->elements *= shape[i];
  }
  array->data = data;
  array->is_lent = data != NULL;
  if (!array->is_lent && !take_data(array)) return NULL;
  store->arrays[store->n] = array;
  put_slot(store->slots, store->n_slots, array->name, store->n++);
  return array;
}

HgmArray *hgm_store_add(HgmStore *store, const char *name, HgmDtype dtype, int rank, const int64_t *shape) {
  return add_array(store, name, dtype, rank, shape, NULL);
}

bool hgm_store_lend(HgmStore *store, const char *name, HgmDtype dtype, int rank, const int64_t *shape, void *data) {
  return hgm_store_find(store, name) == NULL && add_array(store, name, dtype, rank, shape, data) != NULL;
}

int64_t hgm_store_n(const HgmStore *store) { return store->n; }
HgmArray *hgm_store_at(const HgmStore *store, int64_t index) { return store->arrays[index]; }

// ---- texts and numbers

static Text *find_text(const HgmStore *store, const char *name) {
  for (int64_t i = 0; i < store->n_texts; i++)
    if (strcmp(store->texts[i].name, name) == 0) return &store->texts[i];
  return NULL;
}

bool hgm_store_set_text(HgmStore *store, const char *name, const char *text) {
  char *copy = malloc(strlen(text) + 1);
  if (copy == NULL) return false;
  strcpy(copy, text);
  Text *found = find_text(store, name);
  if (found == NULL && store->n_texts == store->cap_texts) {
    int64_t cap = store->cap_texts == 0 ? 16 : 2 * store->cap_texts;
    Text *moved = realloc(store->texts, (size_t)cap * sizeof *moved);
    if (moved != NULL) store->texts = moved, store->cap_texts = cap;
  }
  const char *kept = found != NULL ? found->name : hgm_heap_strdup(&store->heap, name);
  if (kept == NULL || (found == NULL && store->n_texts == store->cap_texts)) {
    free(copy);
    return false;
  }
  if (found == NULL) found = &store->texts[store->n_texts++];
  else free(found->text);
  *found = (Text){.name = kept, .text = copy};
  return true;
}

const char *hgm_store_text(const HgmStore *store, const char *name) {
  const Text *found = find_text(store, name);
  return found == NULL ? NULL : found->text;
}

int64_t hgm_store_n_texts(const HgmStore *store) { return store->n_texts; }

void hgm_store_text_at(const HgmStore *store, int64_t index, const char **name, const char **text) {
  *name = store->texts[index].name;
  *text = store->texts[index].text;
}

bool hgm_store_set_number(HgmStore *store, const char *name, double value) {
  HgmArray *array = hgm_store_add(store, name, HGM_F64, 0, NULL);
  if (array == NULL) return false;
  *(double *)array->data = value;
  return true;
}

bool hgm_store_number(const HgmStore *store, const char *name, double *value) {
  const HgmArray *array = hgm_store_find(store, name);
  if (array == NULL || array->dtype != HGM_F64 || array->rank != 0) return false;
  *value = *(const double *)array->data;
  return true;
}

// ---- files

bool hgm_store_load(HgmStore **store, const char *path, HgmError *error) {
  *store = hgm_store_create();
  if (*store == NULL) return hgm_fail(error, 2, "%s: out of memory", path);
  if (hgm_hdf5_store_read(*store, path, error)) return true;
  hgm_store_destroy(*store);
  *store = NULL;
  return false;
}

static void shape_text(const HgmArray *array, char *text, size_t size) {
  size_t used = (size_t)snprintf(text, size, "(");
  for (int i = 0; i < array->rank; i++) used += (size_t)snprintf(text + used, size - used, "%s%lld", i > 0 ? ", " : "", (long long)array->shape[i]);
  snprintf(text + used, size - used, ")");
}

static bool convert(HgmArray *into, const HgmArray *from) {
  if (into->dtype == from->dtype) {
    memcpy(into->data, from->data, (size_t)into->elements * bytes_of(into->dtype));
    return true;
  }
  bool is_integer = into->dtype == HGM_I32 || into->dtype == HGM_BOOL, from_integer = from->dtype == HGM_I32 || from->dtype == HGM_BOOL;
  if (is_integer != from_integer) return false;
  if (is_integer) memcpy(into->data, from->data, (size_t)into->elements * 4);
  for (int64_t i = 0; !is_integer && i < into->elements; i++) {
    if (into->dtype == HGM_F32) ((float *)into->data)[i] = (float)((const double *)from->data)[i];
    else ((double *)into->data)[i] = ((const float *)from->data)[i];
  }
  return true;
}

bool hgm_store_copy(HgmStore *into, const HgmStore *from, const char *prefix, const char *path, HgmError *error) {
  size_t length = strlen(prefix);
  for (int64_t i = 0; i < into->n; i++) { // first all checks: a store is never half filled
    const HgmArray *wanted = into->arrays[i], *found = hgm_store_find(from, wanted->name);
    if (strncmp(wanted->name, prefix, length) != 0) continue;
    if (found == NULL) return hgm_fail(error, 1, "%s: has no `%s`, which this model needs; it was written by a run of another model", path, wanted->name);
    char one[200], other[200];
    shape_text(found, one, sizeof one);
    shape_text(wanted, other, sizeof other);
    if (!same_shape(found, wanted->rank, wanted->shape))
      return hgm_fail(error, 1, "%s: `%s` has the shape %s there and %s in this model; it was written by a run of another model", path, wanted->name, one,
                      other);
    bool is_float = wanted->dtype == HGM_F32 || wanted->dtype == HGM_F64, found_float = found->dtype == HGM_F32 || found->dtype == HGM_F64;
    if (is_float != found_float)
      return hgm_fail(error, 1, "%s: `%s` holds %s there and %s in this model; it was written by a run of another model", path, wanted->name,
                      found_float ? "real numbers" : "integers", is_float ? "real numbers" : "integers");
  }
  for (int64_t i = 0; i < into->n; i++)
    if (strncmp(into->arrays[i]->name, prefix, length) == 0) convert(into->arrays[i], hgm_store_find(from, into->arrays[i]->name));
  return true;
}
