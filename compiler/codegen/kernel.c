// Groups to kernels, one kind after the other.
#include "compiler/codegen/kernel.h"

#include <string.h>

static void key_number(Arena *arena, NestKey *key, int64_t x) { key_add(arena, key, &x, sizeof x); }

static void build_inverse(Schedule *s, Kernel *k, const Step *t) {
  const Access *a = &t->operand[0];
  NestSlot *slots = ARENA_ARRAY(s->arena, NestSlot, 2);
  slots[0] = (NestSlot){.buffer = s->places.at[a->place].buffer, .row = a->base};
  slots[1] = (NestSlot){.buffer = s->places.at[t->place].buffer};
  if (slots[0].buffer == 0) ir_fail("codegen: inverse of a constant number");
  k->inverse = (Inverse){t->dtype == IR_F64, ir_at(s->fn, t->value)->attr.upper, t->extent[0], a->stride[0], a->stride[1]};
  k->slots = slots;
  k->n_slots = 2;
  key_number(s->arena, &k->key, k->inverse.f64);
  key_number(s->arena, &k->key, k->inverse.upper);
  key_number(s->arena, &k->key, k->inverse.n);
  key_number(s->arena, &k->key, k->inverse.row_stride);
  key_number(s->arena, &k->key, k->inverse.column_stride);
}

static void build_product(Schedule *s, Kernel *k, const Group *group) {
  if (!product_fits(s, &s->steps.at[group->steps.at[0]], &k->product)) ir_fail("codegen: no product");
  k->nest = nest_build(s, group);
  if (k->nest->mode == NEST_LANES) k->nest->lane_loop = k->product.n_loop;
  k->slots = k->nest->slots;
  k->n_slots = k->nest->n_slots;
  key_add(s->arena, &k->key, &k->product, sizeof k->product);
  nest_key(s->arena, k->nest, &k->key);
}

static void build_gradient(Schedule *s, Kernel *k, const Group *group) {
  if (!gradient_fits(s, &s->steps.at[group->steps.at[0]], &k->gradient)) ir_fail("codegen: no gradient");
  k->nest = nest_build(s, group);
  NestSlot *slots = ARENA_ARRAY(s->arena, NestSlot, k->nest->n_slots + 1);
  memcpy(slots, k->nest->slots, sizeof *slots * k->nest->n_slots);
  slots[k->nest->n_slots] = (NestSlot){.buffer = group->scratch};
  k->slots = slots;
  k->n_slots = k->nest->n_slots + 1;
  key_add(s->arena, &k->key, &k->gradient, sizeof k->gradient);
  nest_key(s->arena, k->nest, &k->key);
}

Kernel kernel_build(Schedule *s, const Group *group) {
  Kernel k = {.kind = group->kind, .cost = group->cost};
  key_number(s->arena, &k.key, group->kind);
  switch (group->kind) {
  case GROUP_NEST:
  case GROUP_PAIRS:
    k.nest = nest_build(s, group);
    k.slots = k.nest->slots;
    k.n_slots = k.nest->n_slots;
    k.split = k.nest->mode == NEST_FLAT ? (uint64_t)k.nest->elements : 0;
    nest_key(s->arena, k.nest, &k.key);
    return k;
  case GROUP_INVERSE: build_inverse(s, &k, &s->steps.at[group->steps.at[0]]); return k;
  case GROUP_PRODUCT: build_product(s, &k, group); return k;
  case GROUP_GRADIENT: build_gradient(s, &k, group); return k;
  case GROUP_DEAD: break;
  }
  ir_fail("codegen: a group of kind %d", (int)group->kind);
}

void kernel_emit(CodeModule *m, const char *name, const Kernel *k) {
  code_module_lanes(m, CODE_LANES);
  switch (k->kind) {
  case GROUP_NEST:
  case GROUP_PAIRS: nest_emit(m, name, k->nest); return;
  case GROUP_INVERSE: inverse_emit(m, name, &k->inverse); return;
  case GROUP_PRODUCT: (k->nest->mode == NEST_LANES ? matvec_emit : product_emit)(m, name, k->nest, &k->product); return;
  case GROUP_GRADIENT: gradient_emit(m, name, k->nest, &k->gradient); return;
  case GROUP_DEAD: break;
  }
  ir_fail("codegen: a kernel of kind %d", (int)k->kind);
}
