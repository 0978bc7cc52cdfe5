// Sums over events that are added up are one sum: the gradients of a network that is used several times (a solver's steps, a
// critic on real and on generated events) are added to one partial sum while the events go by, instead of one each.
//
//   a = sum over events, b = sum over events, c = a + b     ->     c's partial sum gets what a's and b's would have got
#include "compiler/codegen/schedule.h"

typedef struct Partials {
  Schedule *s;
  uint32_t *reads; // by place: operands that read it
  uint32_t *goal;  // by place: the place whose partial sum it is part of, or itself
} Partials;

static bool is_sum(const Step *t) { return t->kind == STEP_PARTIAL && t->value == IR_NONE; }

static uint32_t goal_of(const Partials *b, uint32_t place) {
  while (b->goal[place] != place) place = b->goal[place] = b->goal[b->goal[place]];
  return place;
}

// A sum over events (or several) of which only this step reads the value.
static bool is_term(const Partials *b, const Step *add, const Access *a) {
  const Place *p = &b->s->places.at[a->place];
  return p->partial && p->class == add->class && b->reads[a->place] == 1 && access_identical(b->s, add, a);
}

static void merge(Partials *b, Step *add) {
  for (int k = 0; k < 2; k++) b->goal[add->operand[k].place] = add->place;
  b->s->places.at[add->place].partial = true;
  Access own = {.place = add->place};
  for (int l = 0; l < add->loops; l++) own.stride[l] = add->store_stride[l];
  add->kind = STEP_PARTIAL;
  add->value = IR_NONE;
  add->n_operands = 1;
  add->operand[0] = own;
}

// What an addition takes over: sums, no maxima, whose partial sums are added to by whole kernels of their own events.
static void count_reads(Partials *b) {
  for (size_t i = 0; i < b->s->steps.len; i++) {
    const Step *t = &b->s->steps.at[i];
    for (int k = 0; k < t->n_operands; k++)
      if (t->kind != STEP_PARTIAL) b->reads[t->operand[k].place]++;
    bool other = (t->kind == STEP_PARTIAL && !is_sum(t)) || t->over_pairs;
    if (other) b->reads[t->place] += 2;
  }
}

void schedule_partials(Schedule *s) {
  Partials b = {s, ARENA_ARRAY(s->arena, uint32_t, s->places.len + 1), ARENA_ARRAY(s->arena, uint32_t, s->places.len + 1)};
  for (size_t i = 0; i < s->places.len; i++) b.goal[i] = (uint32_t)i;
  count_reads(&b);
  for (size_t i = 0; i < s->steps.len; i++) {
    Step *t = &s->steps.at[i];
    bool adds = t->kind == STEP_POINT && ir_at(s->fn, t->value)->op == IR_ADD && !s->places.at[t->place].events;
    if (adds && t->operand[0].place != t->operand[1].place && is_term(&b, t, &t->operand[0]) && is_term(&b, t, &t->operand[1])) merge(&b, t);
  }
  size_t kept = 0;
  for (size_t i = 0; i < s->steps.len; i++) {
    Step t = s->steps.at[i];
    uint32_t goal = goal_of(&b, t.place);
    if (goal != t.place && t.kind == STEP_PARTIAL) continue;
    t.place = goal;
    s->steps.at[kept++] = t;
  }
  s->steps.len = kept;
  for (size_t i = 0; i < s->places.len; i++)
    if (goal_of(&b, (uint32_t)i) != i) s->places.at[i].kind = PLACE_DEAD, s->places.at[i].partial = false;
}

void schedule_first_partials(Schedule *s) {
  bool *begun = ARENA_ARRAY(s->arena, bool, s->places.len + 1);
  for (size_t o = 0; o < s->order.len; o++) {
    const Group *g = &s->groups.at[s->order.at[o]];
    for (size_t i = 0; i < g->steps.len; i++) {
      Step *t = &s->steps.at[g->steps.at[i]];
      if (!s->places.at[t->place].partial || !class_has_events(t->class)) continue;
      t->continues = begun[t->place];
      begun[t->place] = true;
    }
  }
}
