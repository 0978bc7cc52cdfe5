// Groups to kernels, one kind after the other.
#include "compiler/codegen/kernel.h"

#include <string.h>

static void key_number(Arena *arena, NestKey *key, int64_t x) { key_add(arena, key, &x, sizeof x); }

NestKey kernel_key(Arena *arena, const Kernel *k) {
  NestKey key = {0};
  key_number(arena, &key, k->kind);
  switch (k->kind) {
  case GROUP_INVERSE: {
    const int64_t numbers[] = {k->inverse.f64, k->inverse.upper, k->inverse.n, k->inverse.row_stride, k->inverse.column_stride};
    key_add(arena, &key, numbers, sizeof numbers);
    return key;
  }
  case GROUP_PRODUCT: key_add(arena, &key, &k->product, sizeof k->product); break;
  case GROUP_GRADIENT: key_add(arena, &key, &k->gradient, sizeof k->gradient); break;
  case GROUP_NEST:
  case GROUP_PAIRS:
  case GROUP_DEAD: break;
  }
  nest_key(arena, k->nest, &key);
  return key;
}

static void build_inverse(Schedule *s, Kernel *k, const Step *t) {
  const Access *a = &t->operand[0];
  NestSlot *slots = ARENA_ARRAY(s->arena, NestSlot, 2);
  slots[0] = (NestSlot){.buffer = s->places.at[a->place].buffer, .row = a->base};
  slots[1] = (NestSlot){.buffer = s->places.at[t->place].buffer};
  if (slots[0].buffer == 0) ir_fail("codegen: inverse of a constant number");
  k->inverse = (Inverse){t->dtype == IR_F64, ir_at(s->fn, t->value)->attr.upper, t->extent[0], a->stride[0], a->stride[1]};
  k->slots = slots;
  k->n_slots = 2;
}

static void build_nest(Schedule *s, Kernel *k, const Group *group) {
  k->nest = nest_build(s, group);
  k->slots = k->nest->slots;
  k->n_slots = k->nest->n_slots;
}

static void build_product(Schedule *s, Kernel *k, const Group *group) {
  if (!product_fits(s, &s->steps.at[group->steps.at[0]], &k->product)) ir_fail("codegen: no product");
  build_nest(s, k, group);
  if (k->nest->mode == NEST_LANES) k->nest->lane_loop = k->product.n_loop;
}

static void build_gradient(Schedule *s, Kernel *k, const Group *group) {
  if (!gradient_fits(s, &s->steps.at[group->steps.at[0]], &k->gradient)) ir_fail("codegen: no gradient");
  build_nest(s, k, group);
  NestSlot *slots = ARENA_ARRAY(s->arena, NestSlot, k->nest->n_slots + 1);
  memcpy(slots, k->nest->slots, sizeof *slots * k->nest->n_slots);
  slots[k->nest->n_slots] = (NestSlot){.buffer = group->scratch};
  k->slots = slots;
  k->n_slots = k->nest->n_slots + 1;
}

Kernel kernel_build(Schedule *s, const Group *group) {
  Kernel k = {.kind = group->kind, .cost = group->cost};
  switch (group->kind) {
  case GROUP_NEST:
  case GROUP_PAIRS:
    build_nest(s, &k, group);
    k.split = k.nest->mode == NEST_FLAT ? (uint64_t)k.nest->elements : 0;
    break;
  case GROUP_INVERSE: build_inverse(s, &k, &s->steps.at[group->steps.at[0]]); break;
  case GROUP_PRODUCT: build_product(s, &k, group); break;
  case GROUP_GRADIENT: build_gradient(s, &k, group); break;
  case GROUP_DEAD: ir_fail("codegen: a group of kind %d", (int)group->kind);
  }
  k.key = kernel_key(s->arena, &k);
  return k;
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
