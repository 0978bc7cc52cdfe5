#include "compiler/driver/snapshot.h"

#include <string.h>

#include "compiler/driver/session.h"

typedef struct Field {
  const char *name;
  size_t offset;
} Field;
static const Field fields[] = {
#define FIELD(name)                                                                                                                                            \
  { "position." #name, offsetof(Position, name) }
    FIELD(phase), FIELD(epoch),     FIELD(step),       FIELD(step_in_epoch), FIELD(batches), FIELD(pass),
    FIELD(best),  FIELD(best_step), FIELD(bad_epochs), FIELD(fitted),        FIELD(done),
#undef FIELD
};
enum { N_FIELDS = sizeof fields / sizeof *fields };

static bool add_slot(HgmStore *file, const Slot *slot, void *data) {
  int rank = slot->rank > 0 ? slot->rank : 1;
  return hgm_store_lend(file, slot->name, slot->dtype, rank, slot->rank > 0 ? slot->shape : &slot->n, data);
}

static size_t bytes_of(const Slot *slot) { return (size_t)slot->n * hgm_dtype_bytes(slot->dtype); }
static size_t place_of(const Slot *slot) { return (bytes_of(slot) + 7) / 8 * 8; } // in a snapshot, aligned for any number

void snapshot_take(Snapshot *snapshot, const Store *store, const Position *position) {
  size_t n = 0;
  for (size_t i = 0; i < store->slots.len; i++)
    if (store->slots.at[i]->saved) n += place_of(store->slots.at[i]);
  if (n > snapshot->n) *snapshot = (Snapshot){.n = n, .values = ARENA_ARRAY(store->arena, unsigned char, n)};
  snapshot->position = *position;
  snapshot->n_slots = store->slots.len;
  unsigned char *to = snapshot->values;
  for (size_t i = 0; i < store->slots.len; i++) {
    const Slot *slot = store->slots.at[i];
    if (!slot->saved) continue;
    memcpy(to, slot->data, bytes_of(slot));
    to += place_of(slot);
  }
}

bool snapshot_save(const Store *store, const Snapshot *snapshot, const char *model_hash, const char *path, const HgmIo *io, HgmError *error) {
  HgmStore *file = hgm_store_create();
  bool ok = file != NULL && hgm_store_set_text(file, "model_hash", model_hash);
  unsigned char *from = snapshot->values;
  for (size_t i = 0; ok && i < snapshot->n_slots; i++) {
    const Slot *slot = store->slots.at[i];
    if (!slot->saved) continue;
    ok = add_slot(file, slot, from != NULL ? from : slot->data);
    if (from != NULL) from += place_of(slot);
  }
  const char *position = (const char *)&snapshot->position;
  for (int i = 0; ok && i < N_FIELDS; i++) ok = hgm_store_set_number(file, fields[i].name, *(const double *)(position + fields[i].offset));
  if (!ok) hgm_fail(error, EXIT_ENVIRONMENT, "out of memory while saving %s", path);
  ok = ok && hgm_store_save(file, path, io, error);
  if (file != NULL) hgm_store_destroy(file);
  return ok;
}

bool snapshot_load(Store *store, Position *position, const char *model_hash, const char *path, HgmError *error) {
  HgmStore *file, *wanted = hgm_store_create();
  if (wanted == NULL) return hgm_fail(error, EXIT_ENVIRONMENT, "out of memory while reading %s", path);
  if (!hgm_store_load(&file, path, error)) {
    hgm_store_destroy(wanted);
    return false;
  }
  const char *hash = hgm_store_text(file, "model_hash");
  bool ok = true;
  if (model_hash != NULL && (hash == NULL || strcmp(hash, model_hash) != 0))
    ok = hgm_fail(error, EXIT_USER,
                  "%s belongs to another model: the model file or its parameters have changed since; train into a new directory, or go back to the old file",
                  path);
  for (size_t i = 0; ok && i < store->slots.len; i++)
    if (store->slots.at[i]->saved) ok = add_slot(wanted, store->slots.at[i], store->slots.at[i]->data) || hgm_fail(error, EXIT_ENVIRONMENT, "out of memory");
  ok = ok && hgm_store_copy(wanted, file, "", path, error);
  for (int i = 0; ok && position != NULL && i < N_FIELDS; i++)
    if (!hgm_store_number(file, fields[i].name, (double *)((char *)position + fields[i].offset)))
      ok = hgm_fail(error, EXIT_USER, "%s does not say where training stood (%s is missing)", path, fields[i].name);
  hgm_store_destroy(wanted);
  hgm_store_destroy(file);
  return ok;
}
