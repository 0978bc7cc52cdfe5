// Groups to kernels, one kind after the other.
#include "compiler/codegen/kernel.h"

#include <string.h>

// ---- identity

static const double *numbers_of(const Kernel *k) { return k->nest != NULL ? k->nest->numbers : NULL; }
static size_t numbers_bytes(const Kernel *k) { return k->nest != NULL ? sizeof(double) * k->nest->n_numbers : 0; }

static uint64_t hash_of(const Kernel *k, bool numbers) {
  const int64_t inverse[] = {k->kind, k->inverse.f64, k->inverse.upper, k->inverse.n, k->inverse.row_stride, k->inverse.column_stride};
  uint64_t hash = hash_words(0xcbf29ce484222325ull, inverse, sizeof inverse);
  hash = hash_words(hash, &k->product, sizeof k->product);
  hash = hash_words(hash, &k->gradient, sizeof k->gradient);
  if (k->nest != NULL) hash = nest_hash(hash, k->nest);
  return numbers && k->nest != NULL ? hash_words(hash, numbers_of(k), numbers_bytes(k)) : hash;
}

static bool same_inverse(const Inverse *a, const Inverse *b) {
  return a->f64 == b->f64 && a->upper == b->upper && a->n == b->n && a->row_stride == b->row_stride && a->column_stride == b->column_stride;
}

static bool same_kernel(const Kernel *a, const Kernel *b, bool numbers) {
  if (a->kind != b->kind || !same_inverse(&a->inverse, &b->inverse) || (a->nest == NULL) != (b->nest == NULL)) return false;
  if (memcmp(&a->product, &b->product, sizeof a->product) != 0 || memcmp(&a->gradient, &b->gradient, sizeof a->gradient) != 0) return false;
  if (a->nest == NULL) return true;
  return nest_same(a->nest, b->nest) && (!numbers || numbers_bytes(a) == 0 || memcmp(numbers_of(a), numbers_of(b), numbers_bytes(a)) == 0);
}

static uint32_t *free_place(const KernelSet *set, uint64_t hash) {
  size_t i = hash & (set->size - 1);
  while (set->table[i] != 0) i = (i + 1) & (set->size - 1);
  return &set->table[i];
}

static void grow(KernelSet *set) {
  set->size = set->size == 0 ? 256 : 2 * set->size;
  set->table = ARENA_ARRAY(set->arena, uint32_t, set->size);
  for (size_t i = 0; i < set->distinct.len; i++) *free_place(set, set->hashes.at[i]) = (uint32_t)i + 1;
}

size_t kernel_set_add(KernelSet *set, const Kernel *kernel) {
  uint64_t hash = hash_of(kernel, !set->but_for_numbers);
  if (2 * set->distinct.len >= set->size) grow(set);
  for (size_t i = hash & (set->size - 1); set->table[i] != 0; i = (i + 1) & (set->size - 1)) {
    size_t known = set->table[i] - 1;
    if (set->hashes.at[known] == hash && same_kernel(set->distinct.at[known], kernel, !set->but_for_numbers)) return known;
  }
  VEC_PUSH(set->arena, &set->distinct, kernel);
  VEC_PUSH(set->arena, &set->hashes, hash);
  *free_place(set, hash) = (uint32_t)set->distinct.len;
  return set->distinct.len - 1;
}

// ---- from groups

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

// What threads may share of a kernel that runs once a step: elements of a flat one, turns of the first loop of another that is long and stores each number once.
static uint64_t shares_of(Nest *n, bool once) {
  enum { LONG = 1 << 17 };
  if (n->mode == NEST_FLAT) return (uint64_t)n->elements;
  if (!once || n->mode != NEST_LANES || n->outer == 0 || (n->lane_loop == 0 && n->outer < 2)) return 0;
  Exchange exchange;
  if (n->lane_loop == 0 && !exchange_fits(n, &exchange)) return 0;
  int64_t outer = 1, numbers = 0;
  for (int l = 0; l < n->outer; l++) outer *= n->extent[l];
  for (uint32_t i = 0; i < n->n_segments; i++) {
    int64_t inner = 1;
    for (int l = 0; l < n->segments[i].loops; l++) inner *= n->segments[i].extent[l];
    if (outer * inner > numbers) numbers = outer * inner;
  }
  for (uint32_t i = 0; i < n->n_steps; i++)
    if (n->steps[i].adds || n->steps[i].over_events || n->steps[i].kind == STEP_DRAW) return 0;
  n->shares = numbers < LONG ? 0 : numbers;
  return (uint64_t)n->shares;
}

static void add_scratch(Schedule *s, Kernel *k, const Group *group) {
  NestSlot *slots = ARENA_ARRAY(s->arena, NestSlot, k->nest->n_slots + 1);
  memcpy(slots, k->nest->slots, sizeof *slots * k->nest->n_slots);
  slots[k->nest->n_slots] = (NestSlot){.buffer = group->scratch};
  k->slots = slots;
  k->n_slots = k->nest->n_slots + 1;
}

static void build_product(Schedule *s, Kernel *k, const Group *group) {
  if (!product_fits(s, &s->steps.at[group->steps.at[0]], &k->product)) ir_fail("codegen: no product");
  build_nest(s, k, group);
  if (k->nest->mode == NEST_LANES) k->nest->lane_loop = k->product.n_loop;
  if (k->product.tiles) add_scratch(s, k, group);
}

static void build_gradient(Schedule *s, Kernel *k, const Group *group) {
  if (!gradient_fits(s, &s->steps.at[group->steps.at[0]], &k->gradient)) ir_fail("codegen: no gradient");
  build_nest(s, k, group);
  add_scratch(s, k, group);
}

Kernel kernel_build(Schedule *s, const Group *group) {
  Kernel k = {.kind = group->kind, .cost = group->cost, .once = !class_has_events(group->class)};
  switch (group->kind) {
  case GROUP_NEST:
  case GROUP_PAIRS:
    build_nest(s, &k, group);
    k.split = shares_of(k.nest, k.once);
    break;
  case GROUP_INVERSE: build_inverse(s, &k, &s->steps.at[group->steps.at[0]]); break;
  case GROUP_PRODUCT: build_product(s, &k, group); break;
  case GROUP_GRADIENT: build_gradient(s, &k, group); break;
  case GROUP_DEAD: ir_fail("codegen: a group of kind %d", (int)group->kind);
  }
  if (s->options.shared && !k.once && k.nest != NULL) k.nest->shares = HGM_SHARES;
  return k;
}

static void emit_plain(CodeModule *m, const char *name, const Nest *nest) {
  Exchange exchange;
  if (exchange_fits(nest, &exchange)) exchange_emit(m, name, nest, &exchange);
  else nest_emit(m, name, nest);
}

void kernel_emit(CodeModule *m, const char *name, const Kernel *k) {
  code_module_lanes(m, CODE_LANES);
  switch (k->kind) {
  case GROUP_NEST:
  case GROUP_PAIRS: emit_plain(m, name, k->nest); return;
  case GROUP_INVERSE: inverse_emit(m, name, &k->inverse); return;
  case GROUP_PRODUCT: (k->nest->mode == NEST_LANES ? matvec_emit : product_emit)(m, name, k->nest, &k->product); return;
  case GROUP_GRADIENT: gradient_emit(m, name, k->nest, &k->gradient); return;
  case GROUP_DEAD: break;
  }
  ir_fail("codegen: a kernel of kind %d", (int)k->kind);
}
