// Kernels that differ in numbers alone become one kernel that reads them: the steps of an ODE solver differ in their times,
// those of a sampler in their noise levels, and code must not grow with their number. Few variants stay as they are: a number
// in the code costs no load.
#include "compiler/codegen/kernel.h"

#include <string.h>

enum { VARIANTS = 4 };

typedef struct Family { // kernels that are the same but for numbers
  VEC(Kernel *) kernels;
  VEC(const double *) variants; // distinct numbers of its kernels, at most VARIANTS
} Family;

typedef struct Families {
  Arena *arena;
  KernelSet known; // by place: the family
  VEC(Family *) all;
} Families;

static bool is_number(const NestRead *r) { return r->kind == READ_NUMBER; }

// A gather moves along its first operand, and booleans are no numbers in memory.
static bool can_move(const NestStep *t, int k) { return is_number(&t->read[k]) && t->read[k].dtype != IR_BOOL && !(t->kind == STEP_GATHER && k == 0); }

static void add_kernel(Families *f, Kernel *kernel) {
  size_t count = kernel->nest && kernel->kind != GROUP_GRADIENT ? kernel->nest->n_numbers : 0;
  if (count == 0) return;
  size_t place = kernel_set_add(&f->known, kernel);
  if (place == f->all.len) VEC_PUSH(f->arena, &f->all, ARENA_NEW(f->arena, Family));
  Family *family = f->all.at[place];
  VEC_PUSH(f->arena, &family->kernels, kernel);
  if (family->variants.len == VARIANTS) return;
  for (size_t i = 0; i < family->variants.len; i++)
    if (memcmp(family->variants.at[i], kernel->nest->numbers, sizeof(double) * count) == 0) return;
  VEC_PUSH(f->arena, &family->variants, kernel->nest->numbers);
}

static uint32_t data_slot(Schedule *s, Kernel *kernel, IrDtype dtype, const double *numbers, size_t n) {
  NestSlot *slots = ARENA_ARRAY(s->arena, NestSlot, kernel->n_slots + 1);
  memcpy(slots, kernel->slots, sizeof *slots * kernel->n_slots);
  slots[kernel->n_slots] = (NestSlot){.buffer = schedule_data(s, schedule_numbers(s, dtype, numbers, (int64_t)n), (int64_t)dtype_bytes(dtype))};
  kernel->nest->slots = slots;
  kernel->slots = slots;
  kernel->nest->n_slots = ++kernel->n_slots;
  return kernel->n_slots - 1;
}

typedef VEC(NestRead *) Reads;

// The numbers that vary and that may be read instead.
static Reads reads_to_move(Arena *arena, const Nest *n, const bool *varies) {
  Reads reads = {0};
  for (uint32_t i = 0; i < n->n_steps; i++)
    for (int k = 0; k < n->steps[i].n_reads; k++)
      if (can_move(&n->steps[i], k) && varies[n->steps[i].read[k].index]) VEC_PUSH(arena, &reads, &n->steps[i].read[k]);
  return reads;
}

static void move_numbers(Schedule *s, Kernel *kernel, const Reads *reads, IrDtype dtype) {
  Reads own = {0};
  double *numbers = ARENA_ARRAY(s->arena, double, reads->len);
  for (size_t i = 0; i < reads->len; i++) {
    if (!is_number(reads->at[i]) || reads->at[i]->dtype != (int32_t)dtype) continue;
    double *number = &kernel->nest->numbers[reads->at[i]->index];
    numbers[own.len] = *number;
    *number = 0; // of the code no longer
    VEC_PUSH(s->arena, &own, reads->at[i]);
  }
  if (own.len == 0) return;
  uint32_t slot = data_slot(s, kernel, dtype, numbers, own.len);
  for (size_t i = 0; i < own.len; i++) *own.at[i] = (NestRead){.kind = READ_UNIFORM, .dtype = (int32_t)dtype, .index = (int32_t)slot, .base = (int64_t)i};
}

static void share(Schedule *s, const Family *f) {
  const Nest *nest = f->kernels.at[0]->nest;
  bool *varies = ARENA_ARRAY(s->arena, bool, nest->n_numbers);
  for (size_t i = 1; i < f->kernels.len; i++)
    for (uint32_t k = 0; k < nest->n_numbers; k++) varies[k] |= memcmp(&f->kernels.at[i]->nest->numbers[k], &nest->numbers[k], sizeof *nest->numbers) != 0;
  for (size_t i = 0; i < f->kernels.len; i++) {
    Kernel *kernel = f->kernels.at[i];
    Reads reads = reads_to_move(s->arena, kernel->nest, varies);
    for (int dtype = IR_F32; dtype <= IR_I32; dtype++) move_numbers(s, kernel, &reads, (IrDtype)dtype);
  }
}

void kernels_share_numbers(Schedule *s, Kernel *kernels, size_t n) {
  Families f = {.arena = s->arena, .known = {.arena = s->arena, .but_for_numbers = true}};
  for (size_t i = 0; i < n; i++) add_kernel(&f, &kernels[i]);
  for (size_t i = 0; i < f.all.len; i++)
    if (f.all.at[i]->variants.len == VARIANTS) share(s, f.all.at[i]);
}
