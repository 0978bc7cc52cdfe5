// Kernels that differ in numbers alone become one kernel that reads them: the steps of an ODE solver differ in their times,
// those of a sampler in their noise levels, and code must not grow with their number. Few variants stay as they are: a number
// in the code costs no load.
#include "compiler/codegen/kernel.h"

#include <string.h>

enum { VARIANTS = 4 };

typedef struct Family { // kernels with the same key but for numbers
  NestKey key;
  VEC(Kernel *) kernels;
  VEC(double *) variants; // distinct numbers of its kernels, at most VARIANTS
} Family;

typedef struct Families {
  Arena *arena;
  Map known; // hash -> Family
  VEC(Family *) all;
} Families;

static bool is_number(const NestRead *r) { return r->kind == READ_NUMBER; }

// A gather moves along its first operand, and booleans are no numbers in memory.
static bool can_move(const NestStep *t, int k) { return is_number(&t->read[k]) && t->read[k].dtype != IR_BOOL && !(t->kind == STEP_GATHER && k == 0); }

static size_t count_numbers(const Nest *n) {
  size_t count = 0;
  for (uint32_t i = 0; i < n->n_steps; i++)
    for (int k = 0; k < n->steps[i].n_reads; k++) count += is_number(&n->steps[i].read[k]);
  return count;
}

static double *numbers_of(Arena *arena, const Nest *n, size_t count) {
  double *numbers = ARENA_ARRAY(arena, double, count);
  size_t at = 0;
  for (uint32_t i = 0; i < n->n_steps; i++)
    for (int k = 0; k < n->steps[i].n_reads; k++)
      if (is_number(&n->steps[i].read[k])) numbers[at++] = n->steps[i].read[k].number;
  return numbers;
}

static void set_numbers(Nest *n, const double *numbers) { // NULL: zeros
  size_t at = 0;
  for (uint32_t i = 0; i < n->n_steps; i++)
    for (int k = 0; k < n->steps[i].n_reads; k++)
      if (is_number(&n->steps[i].read[k])) n->steps[i].read[k].number = numbers ? numbers[at++] : 0;
}

static Family *family_of(Families *f, const NestKey *key) {
  char *hash = arena_printf(f->arena, "%016llx %zu", hash_bytes(key->at, key->len), key->len);
  Family *found = map_get(&f->known, hash);
  if (found && found->key.len == key->len && memcmp(found->key.at, key->at, key->len) == 0) return found;
  Family *family = ARENA_NEW(f->arena, Family);
  family->key = *key;
  VEC_PUSH(f->arena, &f->all, family);
  if (!found) map_put(f->arena, &f->known, hash, family);
  return family;
}

static void add_kernel(Families *f, Kernel *kernel) {
  size_t count = kernel->nest && kernel->kind != GROUP_GRADIENT ? count_numbers(kernel->nest) : 0;
  if (count == 0) return;
  double *numbers = numbers_of(f->arena, kernel->nest, count);
  set_numbers(kernel->nest, NULL);
  NestKey key = kernel_key(f->arena, kernel);
  set_numbers(kernel->nest, numbers);
  Family *family = family_of(f, &key);
  VEC_PUSH(f->arena, &family->kernels, kernel);
  if (family->variants.len == VARIANTS) return;
  for (size_t i = 0; i < family->variants.len; i++)
    if (memcmp(family->variants.at[i], numbers, sizeof *numbers * count) == 0) return;
  VEC_PUSH(f->arena, &family->variants, numbers);
}

static uint32_t data_slot(Schedule *s, Kernel *kernel, IrDtype dtype, const double *numbers, size_t n) {
  Buffer data = {.space = HGM_SPACE_DATA, .offset = schedule_numbers(s, dtype, numbers, (int64_t)n), .row_bytes = (int64_t)dtype_bytes(dtype)};
  VEC_PUSH(s->arena, &s->buffers, data);
  NestSlot *slots = ARENA_ARRAY(s->arena, NestSlot, kernel->n_slots + 1);
  memcpy(slots, kernel->slots, sizeof *slots * kernel->n_slots);
  slots[kernel->n_slots] = (NestSlot){.buffer = (uint32_t)s->buffers.len};
  kernel->nest->slots = slots;
  kernel->slots = slots;
  kernel->nest->n_slots = ++kernel->n_slots;
  return kernel->n_slots - 1;
}

typedef VEC(NestRead *) Reads;

// The numbers that vary and that may be read instead.
static Reads reads_to_move(Arena *arena, const Nest *n, const bool *varies) {
  Reads reads = {0};
  size_t at = 0;
  for (uint32_t i = 0; i < n->n_steps; i++)
    for (int k = 0; k < n->steps[i].n_reads; k++)
      if (is_number(&n->steps[i].read[k]) && varies[at++] && can_move(&n->steps[i], k)) VEC_PUSH(arena, &reads, &n->steps[i].read[k]);
  return reads;
}

static void move_numbers(Schedule *s, Kernel *kernel, const Reads *reads, IrDtype dtype) {
  Reads own = {0};
  double *numbers = ARENA_ARRAY(s->arena, double, reads->len);
  for (size_t i = 0; i < reads->len; i++) {
    if (!is_number(reads->at[i]) || reads->at[i]->dtype != (int32_t)dtype) continue;
    numbers[own.len] = reads->at[i]->number;
    VEC_PUSH(s->arena, &own, reads->at[i]);
  }
  if (own.len == 0) return;
  uint32_t slot = data_slot(s, kernel, dtype, numbers, own.len);
  for (size_t i = 0; i < own.len; i++) *own.at[i] = (NestRead){.kind = READ_UNIFORM, .dtype = (int32_t)dtype, .index = (int32_t)slot, .base = (int64_t)i};
}

static void share(Schedule *s, const Family *f) {
  size_t count = count_numbers(f->kernels.at[0]->nest);
  bool *varies = ARENA_ARRAY(s->arena, bool, count);
  const double *first = numbers_of(s->arena, f->kernels.at[0]->nest, count);
  for (size_t i = 1; i < f->kernels.len; i++) {
    const double *numbers = numbers_of(s->arena, f->kernels.at[i]->nest, count);
    for (size_t k = 0; k < count; k++) varies[k] |= memcmp(&numbers[k], &first[k], sizeof *numbers) != 0;
  }
  for (size_t i = 0; i < f->kernels.len; i++) {
    Kernel *kernel = f->kernels.at[i];
    Reads reads = reads_to_move(s->arena, kernel->nest, varies);
    for (int dtype = IR_F32; dtype <= IR_I32; dtype++) move_numbers(s, kernel, &reads, (IrDtype)dtype);
    kernel->key = kernel_key(s->arena, kernel);
  }
}

void kernels_share_numbers(Schedule *s, Kernel *kernels, size_t n) {
  Families f = {.arena = s->arena};
  for (size_t i = 0; i < n; i++) add_kernel(&f, &kernels[i]);
  for (size_t i = 0; i < f.all.len; i++)
    if (f.all.at[i]->variants.len == VARIANTS) share(s, f.all.at[i]);
}
