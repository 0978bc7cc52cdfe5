// Pairs of events. Values with both event axes have no arrays: whatever a sum over them needs is computed in the sum's own
// kernel, once for each pair, lanes being one event and a loop over the whole batch, in ascending order, the other.
//
//   y[e] = sum over p of exp(a[e] - b[p])     PAIRS group: sub a[lane] b[other] | exp | sum    (a, b from earlier phases)
//
// The steps of a pair value are copied into each group that needs it. A sum over the first event axis keeps the second,
// which then lies along the lanes: the copies read their operands with the two events exchanged.
#include <string.h>

#include "compiler/codegen/schedule.h"

typedef struct Pairs {
  Schedule *s;
  uint32_t group;
  int class;
  size_t n_places, n_steps; // when the group was begun
  uint32_t *copy[2];        // by place of a pair value, exchanged or not: its place in this group + 1
} Pairs;

// The batch's numbers of an input, for those who read another event's.
static uint32_t batch_copy(Schedule *s, uint32_t leaf) {
  Place p = s->places.at[leaf];
  if (p.batch_copy) return p.batch_copy - 1;
  p.kind = PLACE_COMPUTED;
  p.class = CLASS_EVENTS;
  VEC_PUSH(s->place_room, &s->places, p);
  uint32_t place = (uint32_t)(s->places.len - 1), n = (uint32_t)p.rank;
  s->places.at[leaf].batch_copy = place + 1;
  Step t = {
      .kind = STEP_COPY, .value = IR_NONE, .place = place, .class = CLASS_EVENTS, .dtype = p.dtype, .loops = (uint8_t)n, .kept = (uint8_t)n, .n_operands = 1};
  t.operand[0] = (Access){.place = leaf, .event = {0, 1}};
  memcpy(t.extent, p.axes, sizeof p.axes);
  memcpy(t.store_stride, p.stride, sizeof p.stride);
  memcpy(t.operand[0].stride, p.stride, sizeof p.stride);
  VEC_PUSH(s->step_room, &s->steps, t);
  schedule_open(s, (uint32_t)(s->steps.len - 1), GROUP_NEST);
  return place;
}

static uint32_t copy_place(Pairs *b, uint32_t old, bool exchanged);

// What the step reads as this group has it.
static void read_in_group(Pairs *b, Step *t, bool exchanged) {
  for (int k = 0; k < t->n_operands; k++) {
    Access *a = &t->operand[k];
    for (int i = 0; i < 2; i++) a->event[i] ^= (uint8_t)exchanged;
    const Place *p = &b->s->places.at[a->place];
    if (p->pairs) {
      a->place = copy_place(b, a->place, a->event[0] == 1);
      a->event[0] = 0, a->event[1] = 1;
    } else if (p->kind == PLACE_LEAF && p->events && a->event[0] == 1) {
      a->place = batch_copy(b->s, a->place);
    }
  }
  t->class = b->class;
}

static uint32_t copy_place(Pairs *b, uint32_t old, bool exchanged) {
  Schedule *s = b->s;
  if (b->copy[exchanged][old]) return b->copy[exchanged][old] - 1;
  Place p = s->places.at[old];
  p.class = b->class;
  VEC_PUSH(s->place_room, &s->places, p);
  uint32_t place = (uint32_t)(s->places.len - 1);
  b->copy[exchanged][old] = place + 1;
  for (size_t i = 0; i < b->n_steps; i++) {
    if (s->steps.at[i].place != old) continue;
    Step t = s->steps.at[i];
    t.place = place;
    read_in_group(b, &t, exchanged);
    VEC_PUSH(s->step_room, &s->steps, t);
    schedule_put(s, (uint32_t)(s->steps.len - 1), b->group);
  }
  return place;
}

// Leading loops that all steps have in common and in which each reads its own rows only.
static int common_loops(const Schedule *s, const Group *g, const Step *sum) {
  int n = sum->kept;
  for (size_t i = 0; i < g->steps.len; i++) {
    const Step *t = &s->steps.at[g->steps.at[i]];
    int most = t->kind == STEP_SCAN ? t->kept - 1 : t->kept, same = 0;
    while (same < n && same < most && t->extent[same] == sum->extent[same]) same++;
    n = same;
    for (int k = 0; k < t->n_operands; k++) {
      const Place *p = &s->places.at[t->operand[k].place];
      if (!p->pairs) continue;
      int prefix = p->regular ? access_prefix(s, t, &t->operand[k]) : 0;
      if (prefix < n) n = prefix;
    }
  }
  return n;
}

void schedule_pairs(Schedule *s, uint32_t sum) {
  Group empty = {.kind = GROUP_PAIRS, .class = s->steps.at[sum].class};
  VEC_PUSH(s->arena, &s->groups, empty);
  Pairs b = {s, (uint32_t)(s->groups.len - 1), empty.class, s->places.len, s->steps.len, {NULL, NULL}};
  for (int i = 0; i < 2; i++) b.copy[i] = ARENA_ARRAY(s->arena, uint32_t, b.n_places);
  Step t = s->steps.at[sum];
  read_in_group(&b, &t, false);
  s->steps.at[sum] = t;
  schedule_put(s, sum, b.group);
  Group *g = &s->groups.at[b.group];
  g->outer = (uint8_t)common_loops(s, g, &t);
  memcpy(g->extent, t.extent, sizeof(int64_t) * g->outer);
  g->inner = true;
}
