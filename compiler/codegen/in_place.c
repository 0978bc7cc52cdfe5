// Arrays that need not exist twice: new weights and states take the place of the old ones, a sum of partial sums that of the first.
//
// Both hold for flat kernels alone (emit_flat): an element is read and stored by one lane, once, and nothing else reads it in between.
// A step may be found bad when its loss is known, and the old weights must survive that. So what stores new ones comes last, in a
// phase of its own, which runs only if the caller agrees (HgmCall.proceed).
#include "compiler/codegen/kernel.h"

#include <string.h>

static bool is_set(const Schedule *s, const Place *p) { return p->kind == PLACE_OUTPUT && !p->events && strncmp(s->outputs.at[p->port].name, "set:", 4) == 0; }

// The last class that stores new weights; CONSTANT: none does, or such as depend on nothing else.
static int commit_class(const Schedule *s) {
  int class = CLASS_CONSTANT;
  for (size_t i = 0; i < s->places.len; i++)
    if (is_set(s, &s->places.at[i]) && s->places.at[i].class > class) class = s->places.at[i].class;
  return class;
}

// Does the group store new weights, or work on what such a group has stored?
static bool is_late(const Schedule *s, const Group *g, const bool *late) {
  for (size_t i = 0; i < g->steps.len; i++) {
    const Step *t = &s->steps.at[g->steps.at[i]];
    if (late[t->place] || is_set(s, &s->places.at[t->place])) return true;
    for (int k = 0; k < t->n_operands; k++)
      if (late[t->operand[k].place]) return true;
  }
  return false;
}

// False: an output by which the caller judges the step comes behind new weights.
static bool mark_late(const Schedule *s, const Group *g, bool *late) {
  for (size_t i = 0; i < g->steps.len; i++) {
    uint32_t place = s->steps.at[g->steps.at[i]].place;
    if (s->places.at[place].kind == PLACE_OUTPUT && !is_set(s, &s->places.at[place])) return false;
    late[place] = true;
  }
  return true;
}

void schedule_commits_last(Schedule *s) {
  int class = commit_class(s);
  bool *late = ARENA_ARRAY(s->arena, bool, s->places.len + 1);
  VEC(uint32_t) order = {0}, last = {0}, behind = {0};
  s->first_commit = (uint32_t)s->order.len;
  if (class == CLASS_CONSTANT) return;
  for (size_t o = 0; o < s->order.len; o++) {
    uint32_t index = s->order.at[o];
    const Group *g = &s->groups.at[index];
    bool is_last = g->class == class && is_late(s, g, late);
    if (is_last && !mark_late(s, g, late)) return;
    if (is_last) VEC_PUSH(s->arena, &last, index);
    else if (g->class <= class) VEC_PUSH(s->arena, &order, index);
    else VEC_PUSH(s->arena, &behind, index);
  }
  if (last.len == 0) return;
  s->first_commit = (uint32_t)order.len;
  for (size_t i = 0; i < last.len; i++) VEC_PUSH(s->arena, &order, last.at[i]);
  for (size_t i = 0; i < behind.len; i++) VEC_PUSH(s->arena, &order, behind.at[i]);
  memcpy(s->order.at, order.at, sizeof *order.at * order.len);
}

// ---- who reads and stores an array

typedef struct Use {
  uint32_t stored_at, stores; // position of the last step without events that stores to the place, and how many there are
  uint32_t read_last;         // the last position that reads it, but for the one that stores it
  bool read_by_events;
} Use;

static Use *find_uses(const Schedule *s) {
  Use *uses = ARENA_ARRAY(s->arena, Use, s->places.len + 1);
  for (uint32_t o = 0; o < s->order.len; o++) {
    const Group *g = &s->groups.at[s->order.at[o]];
    for (size_t i = 0; i < g->steps.len; i++) {
      const Step *t = &s->steps.at[g->steps.at[i]];
      for (int k = 0; k < t->n_operands; k++) {
        Use *u = &uses[t->operand[k].place];
        u->read_last = o;
        u->read_by_events |= class_has_events(g->class);
      }
      if (class_has_events(g->class)) continue;
      uses[t->place].stored_at = o;
      uses[t->place].stores++;
    }
  }
  return uses;
}

static int64_t row_of(const Nest *n, int slot, int64_t base) { return n->slots[slot].row + base; }

// The flat kernel stores to the buffer, and what it reads of `from` is the element that it stores.
static bool replaces(const Nest *n, uint32_t to, uint32_t from, ReadKind kind) {
  int64_t stored = -1;
  for (uint32_t i = 0; i < n->n_steps; i++)
    if (n->steps[i].slot >= 0 && n->slots[n->steps[i].slot].buffer == to) stored = row_of(n, n->steps[i].slot, n->steps[i].store_base);
  for (uint32_t i = 0; i < n->n_steps; i++)
    for (int k = 0; k < n->steps[i].n_reads; k++) {
      const NestRead *r = &n->steps[i].read[k];
      bool memory = r->kind == READ_UNIFORM || r->kind == READ_PARTIAL;
      if (!memory || n->slots[r->index].buffer != from) continue;
      if (r->kind != (int32_t)kind || r->stride[0] != 1 || row_of(n, r->index, r->base) != stored) return false;
    }
  return stored >= 0;
}

static const Nest *flat_nest(const Kernel *k) { return k->kind == GROUP_NEST && k->nest->mode == NEST_FLAT ? k->nest : NULL; }

// Weights and states by their name: place + 1.
static Map find_leaves(const Schedule *s) {
  Map leaves = {0};
  for (size_t i = 0; i < s->places.len; i++) {
    const Place *p = &s->places.at[i];
    if (p->kind == PLACE_LEAF && !p->events) map_put(s->arena, &leaves, s->leaves.at[p->port].name, (void *)(i + 1));
  }
  return leaves;
}

// The leaf has the output's name.
static bool place_over_leaf(Schedule *s, const Kernel *kernels, const Use *uses, uint32_t place, size_t leaf) {
  const Place *p = &s->places.at[place], *old = &s->places.at[leaf];
  uint32_t at = uses[place].stored_at;
  if (old->dtype != p->dtype || old->rows != p->rows) return false;
  if (uses[place].stores != 1 || at < s->first_commit || uses[leaf].read_last > at) return false;
  const Nest *nest = flat_nest(&kernels[at]);
  if (nest == NULL || !replaces(nest, p->buffer, old->buffer, READ_UNIFORM)) return false;
  s->buffers.at[p->buffer - 1].space = HGM_SPACE_LEAF;
  s->buffers.at[p->buffer - 1].index = old->port;
  s->outputs.at[p->port].in_place = old->port + 1;
  return true;
}

static void place_over_partial(Schedule *s, const Kernel *kernels, const Use *uses, uint32_t place) {
  const Place *p = &s->places.at[place];
  if (!p->partial || p->buffer == 0 || s->buffers.at[p->buffer - 1].space != HGM_SPACE_ONCE) return;
  if (uses[place].stores != 1 || uses[place].read_by_events) return;
  const Nest *nest = flat_nest(&kernels[uses[place].stored_at]);
  if (nest != NULL && replaces(nest, p->buffer, p->partial_buffer, READ_PARTIAL)) s->buffers.at[p->buffer - 1].alias = p->partial_buffer;
}

void schedule_in_place(Schedule *s, const Kernel *kernels) {
  const Use *uses = find_uses(s);
  const Map leaves = find_leaves(s);
  bool any = false;
  for (uint32_t i = 0; i < s->places.len; i++) {
    const Place *p = &s->places.at[i];
    uintptr_t leaf = is_set(s, p) ? (uintptr_t)map_get(&leaves, s->outputs.at[p->port].name + 4) : 0;
    if (leaf > 0) any |= place_over_leaf(s, kernels, uses, i, leaf - 1);
    else if (!is_set(s, p)) place_over_partial(s, kernels, uses, i);
  }
  if (!any) s->first_commit = (uint32_t)s->order.len;
}
