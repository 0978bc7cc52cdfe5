// Cheap values that another kernel reads are computed there again where what they need lies in memory anyway: a mask or a
// clamp costs one instruction, keeping it costs a store, a load and cache. What nobody reads any more goes.
#include "compiler/codegen/schedule.h"

#include <string.h>

// So many steps in a row are done again: without a bound a running sum over the steps of a solver would be computed from its
// beginning in each of its readers.
enum { MOST_AGAIN = 8 };

typedef struct Reader {
  uint32_t step, operand;
} Reader;
typedef VEC(Reader) Readers;

typedef struct Recompute {
  Schedule *s;
  Readers *readers;  // by place
  uint32_t *writers; // by place: number of steps that store to it
  uint32_t *writer;  // by place: one of them
} Recompute;

static bool cheap(const Recompute *r, const Step *t) {
  if (t->kind != STEP_POINT || !class_has_events(t->class)) return false;
  return ir_op_info[ir_at(r->s->fn, t->value)->op].flops <= 2;
}

// Is the place in memory whatever we decide here?
static bool stays_in_memory(const Recompute *r, uint32_t place) {
  const Place *p = &r->s->places.at[place];
  if (p->kind != PLACE_COMPUTED || !p->events) return true;
  if (p->first_group != p->last_group) return true;
  const Readers *list = &r->readers[place];
  for (size_t i = 0; i < list->len; i++)
    if (r->s->steps.at[list->at[i].step].group != p->first_group) return true;
  return false;
}

// Can the step be done again in the group of this reader?
static bool fits_reader(const Recompute *r, const Step *t, const Reader *reader) {
  const Schedule *s = r->s;
  const Step *to = &s->steps.at[reader->step];
  const Group *g = &s->groups.at[to->group];
  if (to->class != t->class || to->kind == STEP_PARTIAL || g->kind == GROUP_GRADIENT || g->kind == GROUP_PAIRS) return false;
  if (g->kind == GROUP_PRODUCT && (to->kind == STEP_DOT || t->loops != g->outer || g->cost > GROUP_FOLLOW_LIMIT)) return false;
  if (t->loops < g->outer || g->cost > GROUP_COST_LIMIT || to->again == MOST_AGAIN) return false;
  for (int l = 0; l < g->outer; l++)
    if (t->extent[l] != g->extent[l]) return false;
  if (access_prefix(s, to, &to->operand[reader->operand]) < g->outer) return false;
  int64_t inner = 1;
  for (int l = g->outer; l < t->loops; l++) inner *= t->extent[l];
  return inner <= GROUP_INNER_LIMIT || access_identical(s, to, &to->operand[reader->operand]);
}

static bool all_fit(const Recompute *r, const Step *t) {
  const Readers *list = &r->readers[t->place];
  bool outside = false;
  for (size_t i = 0; i < list->len; i++) {
    if (r->s->steps.at[list->at[i].step].group == t->group) continue;
    outside = true;
    if (!fits_reader(r, t, &list->at[i])) return false;
  }
  return outside;
}

// Rows that would have to be kept for a reader elsewhere: none of what is in memory or is cheap to derive from it.
static int64_t rows_to_keep(const Recompute *r, uint32_t place, int depth) {
  if (stays_in_memory(r, place)) return 0;
  const Place *p = &r->s->places.at[place];
  const Step *t = &r->s->steps.at[r->writer[place]];
  if (depth == 0 || r->writers[place] != 1 || !p->regular || p->partial || !cheap(r, t)) return p->rows;
  int64_t rows = 0;
  for (int k = 0; k < t->n_operands; k++) rows += rows_to_keep(r, t->operand[k].place, depth - 1);
  return rows < p->rows ? rows : p->rows;
}

// Worth it where at most half as much is kept instead.
static bool saves_memory(const Recompute *r, const Step *t) {
  int64_t rows = 0;
  for (int k = 0; k < t->n_operands; k++) rows += rows_to_keep(r, t->operand[k].place, 3);
  return 2 * rows <= r->s->places.at[t->place].rows;
}

static void insert_before(Schedule *s, Group *g, uint32_t step, uint32_t reader) {
  VEC_PUSH(s->arena, &g->steps, step);
  size_t i = g->steps.len - 1;
  size_t at = 0;
  while (g->steps.at[at] != reader) at++;
  for (; i > at; i--) g->steps.at[i] = g->steps.at[i - 1];
  g->steps.at[at] = step;
}

// The first reader in the order of its group.
static uint32_t first_reader(const Group *g, const Recompute *r, uint32_t place) {
  const Readers *list = &r->readers[place];
  for (size_t i = 0; i < g->steps.len; i++)
    for (size_t k = 0; k < list->len; k++)
      if (list->at[k].step == g->steps.at[i]) return g->steps.at[i];
  return UINT32_MAX;
}

static void copy_into(Recompute *r, uint32_t index, uint32_t group, Readers *moved, Readers *kept) {
  Schedule *s = r->s;
  Step copy = s->steps.at[index];
  uint32_t old = copy.place;
  uint32_t first = first_reader(&s->groups.at[group], r, old);
  Place p = s->places.at[old];
  p.first_group = p.last_group = group;
  VEC_PUSH(s->place_room, &s->places, p);
  copy.place = (uint32_t)(s->places.len - 1);
  copy.group = group;
  copy.again = 1;
  for (size_t i = 0; i < moved->len; i++) {
    const Step *reader = &s->steps.at[moved->at[i].step];
    if (reader->group == group && reader->again >= copy.again) copy.again = (uint8_t)(reader->again + 1);
  }
  VEC_PUSH(s->step_room, &s->steps, copy);
  uint32_t new_index = (uint32_t)(s->steps.len - 1);
  Group *g = &s->groups.at[group];
  insert_before(s, g, new_index, first);
  g->cost += 3;
  if (copy.loops > g->outer) g->inner = true;
  for (size_t i = 0; i < moved->len; i++) {
    Reader one = moved->at[i];
    if (s->steps.at[one.step].group == group) s->steps.at[one.step].operand[one.operand].place = copy.place;
    else VEC_PUSH(s->arena, kept, one);
  }
  for (int k = 0; k < copy.n_operands; k++) {
    Reader one = {new_index, (uint32_t)k};
    VEC_PUSH(s->arena, &r->readers[copy.operand[k].place], one);
  }
}

static void recompute_for_all(Recompute *r, uint32_t index) {
  Schedule *s = r->s;
  const Step t = s->steps.at[index];
  Readers inside = {0}, outside = {0};
  for (size_t i = 0; i < r->readers[t.place].len; i++) {
    Reader one = r->readers[t.place].at[i];
    if (s->steps.at[one.step].group == t.group) VEC_PUSH(s->arena, &inside, one);
    else VEC_PUSH(s->arena, &outside, one);
  }
  while (outside.len > 0) {
    Readers rest = {0};
    copy_into(r, index, s->steps.at[outside.at[0].step].group, &outside, &rest);
    outside = rest;
  }
  r->readers[t.place] = inside;
}

static void remove_reader(Recompute *r, uint32_t place, uint32_t step) {
  Readers *list = &r->readers[place];
  size_t n = 0;
  for (size_t i = 0; i < list->len; i++)
    if (list->at[i].step != step) list->at[n++] = list->at[i];
  list->len = n;
}

static void remove_step(Recompute *r, uint32_t index) {
  const Step *t = &r->s->steps.at[index];
  Group *g = &r->s->groups.at[t->group];
  size_t n = 0;
  for (size_t i = 0; i < g->steps.len; i++)
    if (g->steps.at[i] != index) g->steps.at[n++] = g->steps.at[i];
  g->steps.len = n;
  for (int k = 0; k < t->n_operands; k++) remove_reader(r, t->operand[k].place, index);
  if (n == 0) g->kind = GROUP_DEAD;
  r->s->steps.at[index].kind = STEP_NONE;
}

void schedule_recompute(Schedule *s) {
  uint32_t n = (uint32_t)s->steps.len;
  size_t places = s->places.len + 1;
  Recompute r = {s, ARENA_ARRAY(s->arena, Readers, places), ARENA_ARRAY(s->arena, uint32_t, places), ARENA_ARRAY(s->arena, uint32_t, places)};
  for (uint32_t i = 0; i < n; i++) {
    const Step *t = &s->steps.at[i];
    r.writers[t->place]++;
    r.writer[t->place] = i;
    for (int k = 0; k < t->n_operands; k++) {
      Reader one = {i, (uint32_t)k};
      VEC_PUSH(s->arena, &r.readers[t->operand[k].place], one);
    }
  }
  for (uint32_t i = n; i-- > 0;) {
    const Step *t = &s->steps.at[i];
    if (!cheap(&r, t) || r.writers[t->place] != 1 || !s->places.at[t->place].regular || s->places.at[t->place].partial) continue;
    if (s->places.at[t->place].kind != PLACE_COMPUTED) continue;
    if (all_fit(&r, t) && saves_memory(&r, t)) recompute_for_all(&r, i);
    if (r.readers[s->steps.at[i].place].len == 0) remove_step(&r, i);
  }
}
