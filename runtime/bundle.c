#include "runtime/bundle.h"

#include <stdlib.h>
#include <string.h>

#include "runtime/buffer.h"
#include "runtime/program_file.h"

enum { FORMAT = 1, ALIGN = 64, PAGE = 4096 };
static const char magic[8] = "hgmbndl\n";

// The first bytes. Behind it the tables, then the list of their pointers, then what is used where it lies.
typedef struct Head {
  char magic[8];
  uint64_t format; // FORMAT, and the sizes of the structs
  uint64_t checksum;
  uint64_t size;                     // of the whole; from here on everything is under the checksum
  uint64_t tables, fixups, n_fixups; // bytes of the tables with this head; where the list of pointers lies, and its length
  HgmBundle bundle;
} Head;

static uint64_t format_number(void) {
  return FORMAT +
         ((uint64_t)(sizeof(HgmBundle) + sizeof(HgmBundleTask) * 131 + sizeof(HgmBundleColumn) * 137 + sizeof(HgmBundleCode) + sizeof(HgmBundleArray)) << 32);
}

static uint64_t checksum_of(const Head *head) {
  size_t from = offsetof(Head, size);
  return hgm_checksum((const uint8_t *)head + from, head->size - from);
}

// ---- packing

typedef struct Blob { // bytes that go behind the tables, and the pointer to them
  const void *bytes;
  uint64_t size, pointer, align;
} Blob;

typedef struct Packing {
  HgmBuffer tables, fixups, blobs;
} Packing;

// The pointer at offset `pointer` of the tables is to lead to `offset`.
static void point(Packing *p, uint64_t pointer, uint64_t offset) {
  hgm_buffer_set(&p->tables, pointer, &offset, sizeof offset);
  hgm_buffer_put(&p->fixups, &pointer, sizeof pointer, 1);
}

static void point_to_text(Packing *p, uint64_t pointer, const char *text) { point(p, pointer, hgm_buffer_put_text(&p->tables, text)); }

// Copies a table; the offset of the copy.
static uint64_t point_to_table(Packing *p, uint64_t pointer, const void *bytes, size_t n) {
  uint64_t at = hgm_buffer_put(&p->tables, bytes, n, ALIGN);
  point(p, pointer, at);
  return at;
}

static void point_to_blob(Packing *p, uint64_t pointer, const void *bytes, uint64_t size, uint64_t align) {
  hgm_buffer_put(&p->blobs, &(Blob){bytes, size, pointer, align}, sizeof(Blob), 1);
}

#define FIELD(at, Type, field) ((at) + offsetof(Type, field))

static void pack_columns(Packing *p, uint64_t pointer, const HgmBundleColumn *columns, uint64_t n) {
  uint64_t at = point_to_table(p, pointer, columns, n * sizeof *columns);
  for (uint64_t i = 0; i < n; i++, at += sizeof *columns) {
    const HgmBundleColumn *c = &columns[i];
    point_to_text(p, FIELD(at, HgmBundleColumn, port), c->port);
    point_to_text(p, FIELD(at, HgmBundleColumn, name), c->name);
    point_to_text(p, FIELD(at, HgmBundleColumn, unit), c->unit);
    point_to_table(p, FIELD(at, HgmBundleColumn, values), c->values, c->n_values * sizeof *c->values);
    uint64_t text = point_to_table(p, FIELD(at, HgmBundleColumn, texts), c->texts, c->n_texts * sizeof *c->texts);
    for (uint64_t k = 0; k < c->n_texts; k++) point_to_text(p, text + k * sizeof *c->texts, c->texts[k]);
  }
}

static void pack_tasks(Packing *p, uint64_t pointer, const HgmBundleTask *tasks, uint64_t n) {
  uint64_t at = point_to_table(p, pointer, tasks, n * sizeof *tasks);
  for (uint64_t i = 0; i < n; i++, at += sizeof *tasks) {
    const HgmBundleTask *t = &tasks[i];
    point_to_text(p, FIELD(at, HgmBundleTask, name), t->name);
    pack_columns(p, FIELD(at, HgmBundleTask, given), t->given, t->n_given);
    pack_columns(p, FIELD(at, HgmBundleTask, outputs), t->outputs, t->n_outputs);
    uint64_t code = point_to_table(p, FIELD(at, HgmBundleTask, codes), t->codes, t->n_codes * sizeof *t->codes);
    for (uint64_t k = 0; k < t->n_codes; k++, code += sizeof *t->codes)
      point_to_blob(p, FIELD(code, HgmBundleCode, bytes), t->codes[k].bytes, t->codes[k].size, PAGE);
  }
}

static void pack_arrays(Packing *p, uint64_t pointer, const HgmBundleArray *arrays, uint64_t n) {
  uint64_t at = point_to_table(p, pointer, arrays, n * sizeof *arrays);
  for (uint64_t i = 0; i < n; i++, at += sizeof *arrays) {
    point_to_text(p, FIELD(at, HgmBundleArray, name), arrays[i].name);
    point_to_blob(p, FIELD(at, HgmBundleArray, data), arrays[i].data, arrays[i].bytes, ALIGN);
  }
}

static void pack_bundle(Packing *p, const HgmBundle *bundle) {
  const uint64_t at = offsetof(Head, bundle);
  point_to_text(p, FIELD(at, HgmBundle, model), bundle->model);
  point_to_text(p, FIELD(at, HgmBundle, hash), bundle->hash);
  point_to_text(p, FIELD(at, HgmBundle, version), bundle->version);
  point_to_text(p, FIELD(at, HgmBundle, info), bundle->info);
  pack_arrays(p, FIELD(at, HgmBundle, arrays), bundle->arrays, bundle->n_arrays);
  pack_tasks(p, FIELD(at, HgmBundle, generators), bundle->generators, bundle->n_generators);
  pack_tasks(p, FIELD(at, HgmBundle, scores), bundle->scores, bundle->n_scores);
  pack_tasks(p, FIELD(at, HgmBundle, transforms), bundle->transforms, bundle->n_transforms);
}

// The blobs, each once its place is known, and the list of pointers in front of them.
static void append_blobs(Packing *p, Head *head) {
  HgmBuffer *b = &p->tables;
  const Blob *blobs = (const Blob *)p->blobs.bytes;
  size_t n = p->blobs.size / sizeof *blobs;
  head->tables = b->size;
  head->n_fixups = p->fixups.size / sizeof(uint64_t) + n;
  head->fixups = hgm_buffer_put(b, p->fixups.bytes, p->fixups.size, ALIGN);
  for (size_t i = 0; i < n; i++) hgm_buffer_put(b, &blobs[i].pointer, sizeof blobs[i].pointer, 1);
  for (size_t i = 0; i < n; i++) {
    uint64_t at = hgm_buffer_put(b, blobs[i].bytes, blobs[i].size, blobs[i].align);
    hgm_buffer_set(b, blobs[i].pointer, &at, sizeof at);
  }
}

uint8_t *hgm_bundle_pack(const HgmBundle *bundle, size_t *size) {
  Packing p = {0};
  Head head;
  memset(&head, 0, sizeof head);
  memcpy(head.magic, magic, sizeof magic);
  head.format = format_number();
  head.bundle = *bundle;
  hgm_buffer_put(&p.tables, &head, sizeof head, ALIGN);
  pack_bundle(&p, bundle);
  append_blobs(&p, &head);
  bool failed = p.tables.failed || p.fixups.failed || p.blobs.failed;
  free(p.fixups.bytes);
  free(p.blobs.bytes);
  if (failed) {
    free(p.tables.bytes);
    return NULL;
  }
  Head *packed = (Head *)p.tables.bytes;
  packed->size = *size = p.tables.size;
  packed->tables = head.tables, packed->fixups = head.fixups, packed->n_fixups = head.n_fixups;
  packed->checksum = checksum_of(packed);
  return p.tables.bytes;
}

// ---- opening

static const char *refusal(const Head *head, size_t size) {
  if (size < sizeof *head || memcmp(head->magic, magic, sizeof magic) != 0) return "is not there, or damaged";
  if (head->format != format_number()) return "was packed by another version of hgmc";
  if (head->size != size) return "is damaged: it has another length than it says";
  if (head->checksum != checksum_of(head)) return "is damaged: its checksum differs";
  if (head->tables < sizeof *head || head->tables > size || head->fixups > size || head->n_fixups > (size - head->fixups) / sizeof(uint64_t))
    return "has tables that contradict each other";
  return NULL;
}

// Offsets into the tables lead into the copy, others into the bytes themselves.
static bool relocate(uint8_t *copy, const uint8_t *bytes, const Head *head) {
  for (uint64_t i = 0; i < head->n_fixups; i++) {
    uint64_t pointer, offset;
    memcpy(&pointer, bytes + head->fixups + i * sizeof pointer, sizeof pointer);
    if (pointer > head->tables - sizeof offset) return false;
    memcpy(&offset, copy + pointer, sizeof offset);
    if (offset > head->size) return false;
    const uint8_t *target = (offset < head->tables ? copy : bytes) + offset;
    memcpy(copy + pointer, &target, sizeof target);
  }
  return true;
}

HgmBundle *hgm_bundle_open(const void *bytes, size_t size, HgmError *error) {
  const Head *head = bytes;
  const char *why = refusal(head, size);
  if (why != NULL) {
    hgm_fail(error, 3, "the model in this file %s", why);
    return NULL;
  }
  uint8_t *copy = malloc(head->tables);
  if (copy == NULL) {
    hgm_fail(error, 2, "out of memory");
    return NULL;
  }
  memcpy(copy, bytes, head->tables);
  if (relocate(copy, bytes, head)) return &((Head *)copy)->bundle;
  hgm_fail(error, 3, "the model in this file has tables that contradict each other");
  free(copy);
  return NULL;
}

void hgm_bundle_close(HgmBundle *bundle) {
  if (bundle != NULL) free((uint8_t *)bundle - offsetof(Head, bundle));
}

// ---- choosing

HgmCpu hgm_bundle_cpu(const HgmBundleTask *task) {
  bool amx = false;
  for (uint64_t i = 0; i < task->n_codes; i++) amx |= task->codes[i].cpu == HGM_CPU_AMX;
  return amx && hgm_cpu_use_amx() ? HGM_CPU_AMX : hgm_cpu_level();
}

const HgmBundleCode *hgm_bundle_code(const HgmBundleTask *task, HgmCpu cpu, uint64_t tile) {
  const HgmBundleCode *best = NULL;
  for (uint64_t i = 0; i < task->n_codes; i++) {
    const HgmBundleCode *c = &task->codes[i];
    if (!hgm_cpu_runs(cpu, (HgmCpu)c->cpu)) continue;
    bool fits = c->tile <= tile, best_fits = best != NULL && best->tile <= tile;
    bool nearer = fits ? !best_fits || c->tile > best->tile : !best_fits && (best == NULL || c->tile < best->tile);
    if (best == NULL || nearer || (c->tile == best->tile && c->cpu > best->cpu)) best = c;
  }
  return best;
}
