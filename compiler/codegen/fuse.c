// Which steps share a kernel. Greedy, in the order of the steps: a step joins the kernel that computes what it reads,
// or one that reads the same, as long as the loops agree; kernels that a step would link are joined first.
// Groups of a class run in the order of their indices; a step only joins a group that is not before what it reads.
#include "compiler/codegen/product.h"

#include <string.h>

enum { LOOK_BACK = 24, FOLLOW_STEP = 6 };

static int step_cost(const Schedule *s, const Step *t) {
  int lanes = t->dtype == IR_F64 ? 2 : 1;
  if (t->value == IR_NONE) return 2;
  return lanes * (2 + ir_op_info[ir_at(s->fn, t->value)->op].flops * 3 / 2);
}

// Reductions and scans need exactly their kept (not scanned) loops outside.
int step_least_outer(const Step *t) { return step_reduces(t) ? t->kept : t->kind == STEP_SCAN ? t->kept - 1 : 0; }

static int most_outer(const Step *t) { return t->kind == STEP_SCAN ? t->kept - 1 : t->kept; }

static bool home_is(const Place *p, uint32_t group) { return p->kind == PLACE_COMPUTED && p->first_group == group; }

// How many outer loops the step and the group can share, or -1.
static int shared_outer(const Schedule *s, const Step *t, uint32_t group) {
  const Group *g = &s->groups.at[group];
  int n = 0;
  while (n < g->outer && n < most_outer(t) && g->extent[n] == t->extent[n]) n++;
  for (int k = 0; k < t->n_operands; k++) {
    const Place *p = &s->places.at[t->operand[k].place];
    if (p->kind != PLACE_COMPUTED || p->class != t->class || t->kind == STEP_PARTIAL) continue;
    if (p->first_group > group || p->last_group < group) continue;
    if (!p->regular || p->first_group != group || p->last_group != group) return -1;
    int most = access_prefix(s, t, &t->operand[k]);
    if (most < n) n = most;
  }
  if (n < g->least || n < step_least_outer(t)) return -1;
  return n;
}

static int64_t inner_size(const Step *t, int outer) {
  int64_t n = 1;
  for (int l = outer; l < t->loops; l++) n *= t->extent[l];
  return n;
}

// Steps that a matrix product does on each finished vector: short formulas, row by row.
static bool may_follow(const Schedule *s, const Step *t, uint32_t group, int *outer) {
  const Group *g = &s->groups.at[group];
  if ((t->kind != STEP_POINT && t->kind != STEP_COPY) || t->loops != g->outer) return false;
  if (step_cost(s, t) > FOLLOW_STEP || g->cost + step_cost(s, t) > GROUP_FOLLOW_LIMIT) return false;
  *outer = shared_outer(s, t, group);
  return *outer == g->outer;
}

static bool adds_to(const Schedule *s, const Group *g, uint32_t place) {
  for (size_t i = 0; i < g->steps.len; i++)
    if (s->steps.at[g->steps.at[i]].place == place) return true;
  return false;
}

static bool may_join(const Schedule *s, const Step *t, uint32_t group, int *outer) {
  const Group *g = &s->groups.at[group];
  if (g->class != t->class) return false;
  if (s->places.at[t->place].partial && class_has_events(t->class) && adds_to(s, g, t->place)) return false; // a kernel adds to a partial sum once
  if (t->adds && group <= s->places.at[t->place].last_group) return false;                                   // behind the kernel that makes what it adds to
  if (g->kind == GROUP_PRODUCT) return may_follow(s, t, group, outer);
  if (g->kind != GROUP_NEST) return false;
  if (g->cost + step_cost(s, t) > GROUP_COST_LIMIT) return false;
  int n = *outer = shared_outer(s, t, group);
  if (n < 0) return false;
  // Of weights, what is read by all elements (a learning rate, a clipping factor) does not draw their kernels into its own: alone they
  // are one loop over the array, the same code for all arrays.
  if (!class_has_events(t->class) && n < most_outer(t)) return false;
  if (n < g->outer) {
    if (g->inner) return false;
    int64_t inner = 1;
    for (int l = n; l < g->outer; l++) inner *= g->extent[l];
    if (inner > GROUP_INNER_LIMIT) return false;
  }
  return inner_size(t, n) <= GROUP_INNER_LIMIT || t->loops == 0 || n == t->loops;
}

void schedule_put(Schedule *s, uint32_t index, uint32_t group) {
  Step *t = &s->steps.at[index];
  Group *g = &s->groups.at[group];
  t->group = group;
  if (t->loops > g->outer) g->inner = true;
  if (step_least_outer(t) > g->least) g->least = (uint8_t)step_least_outer(t);
  g->cost += step_cost(s, t);
  VEC_PUSH(s->arena, &g->steps, index);
  Place *p = &s->places.at[t->place];
  if (p->partial && class_has_events(t->class)) return; // its value appears later
  if (p->first_group == UINT32_MAX || group < p->first_group) p->first_group = group;
  if (p->last_group == UINT32_MAX || group > p->last_group) p->last_group = group;
}

static void join(Schedule *s, uint32_t index, uint32_t group, int outer) {
  Group *g = &s->groups.at[group];
  if (outer < g->outer) {
    g->outer = (uint8_t)outer;
    g->inner = true;
  }
  schedule_put(s, index, group);
}

uint32_t schedule_open(Schedule *s, uint32_t index, GroupKind kind) {
  const Step *t = &s->steps.at[index];
  Group g = {.kind = kind, .class = t->class, .outer = (uint8_t)most_outer(t), .least = (uint8_t)step_least_outer(t)};
  memcpy(g.extent, t->extent, sizeof g.extent);
  VEC_PUSH(s->arena, &s->groups, g);
  schedule_put(s, index, (uint32_t)(s->groups.len - 1));
  return (uint32_t)(s->groups.len - 1);
}

// The last group that computes something the step reads, or UINT32_MAX. In the step's own class only.
static uint32_t last_source(const Schedule *s, const Step *t) {
  uint32_t last = UINT32_MAX;
  for (int k = 0; k < t->n_operands; k++) {
    const Place *p = &s->places.at[t->operand[k].place];
    if (p->kind != PLACE_COMPUTED || p->last_group == UINT32_MAX || s->groups.at[p->last_group].class != t->class) continue;
    if (t->kind == STEP_PARTIAL) continue;
    if (last == UINT32_MAX || p->last_group > last) last = p->last_group;
  }
  return last;
}

static bool reads_group(const Schedule *s, const Group *g, uint32_t source) {
  for (size_t i = 0; i < g->steps.len; i++) {
    const Step *t = &s->steps.at[g->steps.at[i]];
    for (int k = 0; k < t->n_operands; k++) {
      const Place *p = &s->places.at[t->operand[k].place];
      if (p->kind == PLACE_COMPUTED && p->last_group != UINT32_MAX && p->first_group <= source && p->last_group >= source &&
          (p->first_group == source || p->last_group == source))
        return true;
    }
  }
  return false;
}

// Does group b read what a computes in loops that the two can share?
static bool reads_within_outer(const Schedule *s, uint32_t a, uint32_t b) {
  const Group *gb = &s->groups.at[b];
  for (size_t i = 0; i < gb->steps.len; i++) {
    const Step *t = &s->steps.at[gb->steps.at[i]];
    for (int k = 0; k < t->n_operands; k++) {
      const Place *p = &s->places.at[t->operand[k].place];
      if (home_is(p, a) && (!p->regular || access_prefix(s, t, &t->operand[k]) < gb->outer)) return false;
    }
  }
  return true;
}

// May all steps of group a move into b > a? Nothing between may read them.
static bool may_merge(const Schedule *s, uint32_t a, uint32_t b) {
  const Group *ga = &s->groups.at[a], *gb = &s->groups.at[b];
  if (ga->kind != GROUP_NEST || gb->kind != GROUP_NEST || ga->class != gb->class || ga->outer != gb->outer) return false;
  if (ga->cost + gb->cost > GROUP_COST_LIMIT || b - a > LOOK_BACK) return false;
  for (int l = 0; l < ga->outer; l++)
    if (ga->extent[l] != gb->extent[l]) return false;
  for (size_t i = 0; i < ga->steps.len; i++) {
    uint32_t place = s->steps.at[ga->steps.at[i]].place;
    const Place *p = &s->places.at[place];
    if (p->partial && adds_to(s, gb, place)) return false;
    if (p->first_group != p->last_group) return false; // put together by several kernels
  }
  for (uint32_t g = a + 1; g < b; g++)
    if (s->groups.at[g].class == ga->class && reads_group(s, &s->groups.at[g], a)) return false;
  return reads_within_outer(s, a, b);
}

// Steps of both in their order, as group b.
static void merge(Schedule *s, uint32_t a, uint32_t b) {
  Group *ga = &s->groups.at[a], *gb = &s->groups.at[b];
  size_t i = 0, j = 0, n = ga->steps.len + gb->steps.len;
  uint32_t *merged = ARENA_ARRAY(s->arena, uint32_t, n);
  for (size_t k = 0; k < n; k++) {
    bool first = j == gb->steps.len || (i < ga->steps.len && ga->steps.at[i] < gb->steps.at[j]);
    merged[k] = first ? ga->steps.at[i++] : gb->steps.at[j++];
    Step *t = &s->steps.at[merged[k]];
    t->group = b;
    Place *p = &s->places.at[t->place];
    if (p->first_group == a) p->first_group = b;
    if (p->last_group == a) p->last_group = b;
  }
  gb->steps.at = merged;
  gb->steps.len = gb->steps.cap = n;
  gb->cost += ga->cost;
  gb->inner |= ga->inner;
  if (ga->least > gb->least) gb->least = ga->least;
  ga->kind = GROUP_DEAD;
  ga->steps.len = 0;
}

// Does the group read one of the step's arrays in the same way?
static bool reads_the_same(const Schedule *s, const Step *t, const Group *g) {
  if (g->outer > t->kept) return false;
  for (size_t i = 0; i < g->steps.len; i++) {
    const Step *u = &s->steps.at[g->steps.at[i]];
    for (int k = 0; k < t->n_operands; k++) {
      const Place *p = &s->places.at[t->operand[k].place];
      if (p->kind == PLACE_NUMBER || p->kind == PLACE_IOTA || p->rows <= 1) continue;
      if (class_has_events(t->class) && (p->kind != PLACE_COMPUTED || p->class != t->class)) continue;
      if (!class_has_events(t->class) && !access_identical(s, t, &t->operand[k])) continue;
      for (int j = 0; j < u->n_operands; j++)
        if (u->operand[j].place == t->operand[k].place && p->events == class_has_events(t->class)) return true;
    }
  }
  return false;
}

static bool find_home(Schedule *s, uint32_t index) {
  const Step *t = &s->steps.at[index];
  uint32_t source = last_source(s, t), other = s->places.at[t->place].last_group;
  int outer;
  if (source == UINT32_MAX && !s->places.at[t->place].partial && other != UINT32_MAX && may_join(s, t, other, &outer)) {
    join(s, index, other, outer); // another part of the same array
    return true;
  }
  if (source != UINT32_MAX && may_join(s, t, source, &outer)) {
    for (int k = 0; k < t->n_operands; k++) { // link the kernels of the other operands
      const Place *p = &s->places.at[t->operand[k].place];
      if (p->kind != PLACE_COMPUTED || p->last_group == UINT32_MAX || p->first_group != p->last_group) continue;
      if (p->last_group < source && access_prefix(s, t, &t->operand[k]) >= s->groups.at[source].outer && may_merge(s, p->last_group, source))
        merge(s, p->last_group, source);
    }
    if (!may_join(s, t, source, &outer)) return false;
    join(s, index, source, outer);
    return true;
  }
  size_t n = s->groups.len, from = n > LOOK_BACK ? n - LOOK_BACK : 0;
  if (source != UINT32_MAX && source + 1 > from) from = source + 1;
  for (size_t g = from; g < n; g++) {
    if (!may_join(s, t, (uint32_t)g, &outer) || outer < s->groups.at[g].outer) continue;
    if (!reads_the_same(s, t, &s->groups.at[g])) continue;
    join(s, index, (uint32_t)g, outer);
    return true;
  }
  return false;
}

static void mark_memory(Schedule *s) {
  for (size_t i = 0; i < s->steps.len; i++) {
    const Step *t = &s->steps.at[i];
    for (int k = 0; k < t->n_operands; k++) {
      Place *p = &s->places.at[t->operand[k].place];
      if (p->kind != PLACE_COMPUTED) continue;
      if (t->kind == STEP_PARTIAL || t->kind == STEP_NONE) continue;
      if (p->first_group != t->group || p->last_group != t->group) p->memory = true;
      if ((p->events || p->class == CLASS_CONSTANT) && p->class < t->class) p->crosses = true;
    }
  }
}

static void order_groups(Schedule *s) {
  for (int class = 0; class < s->classes; class ++)
    for (size_t g = 0; g < s->groups.len; g++)
      if (s->groups.at[g].kind != GROUP_DEAD && s->groups.at[g].class == class) VEC_PUSH(s->arena, &s->order, (uint32_t)g);
}

static GroupKind special_kind(const Schedule *s, const Step *t) {
  Product product;
  Gradient gradient;
  if (t->kind == STEP_INVERSE) return GROUP_INVERSE;
  if (product_fits(s, t, &product)) return GROUP_PRODUCT;
  if (t->kind == STEP_DOT && gradient_fits(s, t, &gradient)) return GROUP_GRADIENT;
  return GROUP_NEST;
}

// Of a step that found no kernel to join.
static GroupKind kind_alone(const Schedule *s, const Step *t) {
  Gradient gradient;
  return gradient_fits(s, t, &gradient) ? GROUP_GRADIENT : GROUP_NEST;
}

// Steps of pair values live on in the groups of their sums.
static void drop_pairs(Schedule *s) {
  for (size_t i = 0; i < s->steps.len; i++) {
    Step *t = &s->steps.at[i];
    if (t->group != UINT32_MAX) continue;
    t->kind = STEP_NONE;
    t->n_operands = 0;
  }
}

void schedule_groups(Schedule *s) {
  for (uint32_t i = 0; i < s->steps.len; i++) {
    const Step *t = &s->steps.at[i];
    if (s->places.at[t->place].pairs || t->group != UINT32_MAX) continue;
    GroupKind kind = t->over_pairs ? GROUP_PAIRS : special_kind(s, t);
    if (kind == GROUP_PAIRS) schedule_pairs(s, i);
    else if (kind != GROUP_NEST) schedule_open(s, i, kind);
    else if (!find_home(s, i)) schedule_open(s, i, kind_alone(s, t));
  }
  drop_pairs(s);
  schedule_recompute(s);
  mark_memory(s);
  order_groups(s);
  s->first_commit = (uint32_t)s->order.len;
  if (s->options.in_place) schedule_commits_last(s);
  schedule_first_partials(s);
}
