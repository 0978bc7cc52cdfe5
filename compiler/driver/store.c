#include "compiler/driver/store.h"

#include <string.h>

#include "compiler/opt/bf16.h"
#include "runtime/bf16.h"

enum { PORT_PARAM = 1, PORT_STATE = 2 }; // HgmPort.kind

Store *store_new(Arena *arena) {
  Store *store = ARENA_NEW(arena, Store);
  store->arena = arena;
  return store;
}

// Buffers that kernels touch begin on a cache line.
static void *new_buffer(Arena *arena, HgmDtype dtype, int64_t n) {
  size_t bytes = hgm_dtype_bytes(dtype) * (size_t)n;
  char *raw = arena_alloc(arena, bytes + 64);
  return raw + (64 - (size_t)((uintptr_t)raw % 64)) % 64;
}

Slot *store_add(Store *store, const char *name, HgmDtype dtype, int64_t n) {
  Slot *slot = store_find(store, name);
  if (slot != NULL) {
    if (slot->dtype != dtype || slot->n != n) ir_fail("the array %s is used with two types", name);
    return slot;
  }
  slot = ARENA_NEW(store->arena, Slot);
  *slot = (Slot){.name = arena_strdup(store->arena, name), .dtype = dtype, .n = n, .data = new_buffer(store->arena, dtype, n)};
  map_put(store->arena, &store->by_name, slot->name, slot);
  VEC_PUSH(store->arena, &store->slots, slot);
  return slot;
}

Slot *store_add_leaf(Store *store, const HgmPort *port) {
  Slot *slot = store_add(store, port->name, port->dtype, port->elements), *whole = slot;
  if (port->dtype == HGM_BF16) {
    whole = store_add(store, arena_strndup(store->arena, port->name, strlen(port->name) - strlen(OPT_BF16_LEAF)), HGM_F32, port->elements);
    slot->half_of = whole;
  }
  whole->saved |= port->kind == PORT_PARAM || port->kind == PORT_STATE;
  return slot;
}

Slot *store_find(const Store *store, const char *name) { return map_get(&store->by_name, name); }

void *slot_next(Store *store, Slot *slot) {
  if (slot->next == NULL) slot->next = new_buffer(store->arena, slot->dtype, slot->n);
  return slot->next;
}

void slot_commit(Slot *slot) {
  void *old = slot->data;
  slot->data = slot->next;
  slot->next = old;
}

double slot_number(const Slot *slot, int64_t i) {
  switch (slot->dtype) {
  case HGM_F32: return ((const float *)slot->data)[i];
  case HGM_F64: return ((const double *)slot->data)[i];
  case HGM_I32:
  case HGM_BOOL: return ((const int32_t *)slot->data)[i];
  case HGM_BF16: return hgm_bf16_number(((const uint16_t *)slot->data)[i]);
  }
  return 0;
}

bool slot_is_finite(const Slot *slot) {
  if (slot->dtype != HGM_F32 && slot->dtype != HGM_F64) return true;
  return hgm_numbers_finite(slot->dtype == HGM_F32 ? HGM_FILE_F32 : HGM_FILE_F64, slot->data, slot->n);
}

void slot_set(Slot *slot, int64_t i, double value) {
  switch (slot->dtype) {
  case HGM_F32: ((float *)slot->data)[i] = (float)value; return;
  case HGM_F64: ((double *)slot->data)[i] = value; return;
  case HGM_I32:
  case HGM_BOOL: ((int32_t *)slot->data)[i] = (int32_t)value; return;
  case HGM_BF16: ((uint16_t *)slot->data)[i] = hgm_bf16((float)value); return;
  }
}

void slot_set_all(Slot *slot, const double *values) {
  for (int64_t i = 0; slot->dtype == HGM_F32 && i < slot->n; i++) ((float *)slot->data)[i] = (float)values[i];
  for (int64_t i = 0; slot->dtype != HGM_F32 && i < slot->n; i++) slot_set(slot, i, values[i]);
}

void slot_round(Slot *slot) {
  const float *numbers = slot->half_of->data;
  for (int64_t i = 0; i < slot->n; i++) ((uint16_t *)slot->data)[i] = hgm_bf16(numbers[i]);
}

void slot_fill(Slot *slot, double value) {
  for (int64_t i = 0; slot->dtype == HGM_F32 && i < slot->n; i++) ((float *)slot->data)[i] = (float)value;
  for (int64_t i = 0; slot->dtype != HGM_F32 && i < slot->n; i++) slot_set(slot, i, value);
}

const Table *tables_find(const Tables *tables, const char *name) {
  for (size_t i = 0; i < tables->list.len; i++)
    if (strcmp(tables->list.at[i].name, name) == 0) return &tables->list.at[i];
  return NULL;
}

size_t table_row_bytes(const Table *table) { return hgm_type_bytes(table->type) * (size_t)table->elements; }

bool table_fits(const Table *table, const HgmPort *port) {
  return table->elements == port->elements && (port->dtype == HGM_F64 || table->type == hgm_dtype_type(port->dtype));
}

double table_number(const Table *table, int64_t i) { return hgm_number(table->type, table->data, i); }

void table_row(const Table *table, int64_t row, double *elements) {
  hgm_numbers_gather(table->type, table->data, &row, 1, table->elements, table->elements, elements);
}
