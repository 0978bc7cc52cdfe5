// A group of steps as a nest: segments in order, and for each read whether it comes from a register, a local array or
// memory.
#include "compiler/codegen/nest.h"

#include <string.h>

typedef struct Build {
  Schedule *s;
  const Group *group;
  Nest *nest;
  VEC(NestSegment) segments;
  VEC(NestLocal) locals;
  VEC(NestSlot) slots;
  const Step **steps; // by step of the nest
  size_t n;
} Build;

static bool backwards(const Build *b, const Step *t) { return t->kind == STEP_SCAN && ir_at(b->s->fn, t->value)->attr.backwards; }

// Has the step inner loops of its own, as far as its result is concerned?
static bool inner_result(const Build *b, const Step *t) { return (step_reduces(t) ? t->kept : t->loops) > b->group->outer; }

static bool same_inner(const Build *b, const Step *x, const Step *y) {
  if (x->loops != y->loops) return false;
  for (int l = b->group->outer; l < x->loops; l++)
    if (x->extent[l] != y->extent[l]) return false;
  return true;
}

static uint32_t steps_of(const Build *b, uint32_t place, int *first) {
  uint32_t n = 0;
  for (size_t i = 0; i < b->n; i++) {
    if (b->steps[i]->place != place) continue;
    if (n++ == 0) *first = (int)i;
  }
  return n;
}

// The operand is the value of one step of this nest for the same loops, so a register may hold it.
static bool same_element(const Build *b, const Step *t, const Access *a, int source, uint32_t sources) {
  const Step *from = b->steps[source];
  if (sources != 1 || !b->s->places.at[a->place].regular) return false;
  if (!inner_result(b, from)) return true;
  return !step_reduces(from) && same_inner(b, t, from) && access_identical(b->s, t, a) && !(t->kind == STEP_GATHER && a == &t->operand[0]);
}

static bool computed_here(const Build *b, const Step *t, const Access *a) {
  const Place *p = &b->s->places.at[a->place];
  return p->kind == PLACE_COMPUTED && p->class == t->class && t->kind != STEP_PARTIAL && p->first_group == t->group && p->last_group == t->group;
}

static int first_segment(const Build *b, const Step *t, int upto) {
  int least = 0;
  for (int i = 0; i < upto && t->adds; i++) // behind what it adds to
    if (b->steps[i]->place == t->place && b->nest->steps[i].segment >= least) least = b->nest->steps[i].segment + 1;
  for (int k = 0; k < t->n_operands; k++) {
    if (!computed_here(b, t, &t->operand[k])) continue;
    int first = 0;
    uint32_t sources = steps_of(b, t->operand[k].place, &first);
    bool same = same_element(b, t, &t->operand[k], first, sources);
    for (int i = first; i < upto; i++) {
      const Step *from = b->steps[i];
      if (from->place != t->operand[k].place) continue;
      int segment = b->nest->steps[i].segment;
      bool together = same && !step_reduces(from) && (inner_result(b, from) || t->loops == b->group->outer);
      if (segment + !together > least) least = segment + !together;
    }
  }
  return least;
}

static int find_segment(Build *b, const Step *t, int least) {
  bool back = backwards(b, t), forward = step_reduces(t) || (t->kind == STEP_SCAN && !back);
  int inner = t->loops - b->group->outer;
  for (size_t i = (size_t)least; i < b->segments.len; i++) {
    const NestSegment *g = &b->segments.at[i];
    if (g->loops != inner || (back && !g->reversed) || (forward && g->reversed)) continue;
    if (memcmp(g->extent, &t->extent[b->group->outer], sizeof(int64_t) * (size_t)inner) == 0) return (int)i;
  }
  NestSegment g = {.loops = inner, .reversed = back};
  memcpy(g.extent, &t->extent[b->group->outer], sizeof(int64_t) * (size_t)inner);
  VEC_PUSH(b->s->arena, &b->segments, g);
  return (int)b->segments.len - 1;
}

static int slot_of(Build *b, uint32_t buffer, int64_t row, bool batch) {
  for (size_t i = 0; i < b->slots.len; i++) {
    if (b->slots.at[i].buffer != buffer || b->slots.at[i].batch != batch) continue;
    if (row < b->slots.at[i].row) b->slots.at[i].row = row;
    return (int)i;
  }
  NestSlot slot = {buffer, row, batch};
  VEC_PUSH(b->s->arena, &b->slots, slot);
  return (int)b->slots.len - 1;
}

static int local_of(Build *b, int source) {
  const Step *from = b->steps[source];
  const Place *p = &b->s->places.at[from->place];
  for (size_t i = 0; i < b->n; i++)
    if (b->steps[i]->place == from->place && b->nest->steps[i].local >= 0) return b->nest->steps[i].local;
  int64_t rows = 1;
  for (int l = b->group->outer; l < p->rank; l++) rows *= p->axes[l];
  NestLocal local = {rows, (int32_t)p->dtype, 0};
  VEC_PUSH(b->s->arena, &b->locals, local);
  int index = (int)b->locals.len - 1;
  for (size_t i = 0; i < b->n; i++)
    if (b->steps[i]->place == from->place) b->nest->steps[i].local = index;
  return index;
}

// An array of one event lies as one of weights does.
static ReadKind kind_in_memory(const Build *b, const Place *p) { return p->events && b->s->options.tile > 1 ? READ_ROWS : READ_UNIFORM; }

static int32_t rows_in_memory(const Place *p, int32_t kind) { return kind == READ_ROWS || kind == READ_OTHER ? (int32_t)p->rows : 0; }

static void read_inside(Build *b, NestRead *r, const Step *t, const Access *a, int segment) {
  Place *p = &b->s->places.at[a->place];
  int source = 0;
  uint32_t sources = steps_of(b, a->place, &source);
  bool same = same_element(b, t, a, source, sources);
  bool here = !inner_result(b, b->steps[source]) || b->nest->steps[source].segment == segment;
  if (same && here) {
    r->kind = READ_REGISTER;
    r->index = source;
    memset(r->stride, 0, sizeof r->stride);
    r->base = 0;
    return;
  }
  if (p->buffer != 0) {
    r->kind = kind_in_memory(b, p);
    r->rows = rows_in_memory(p, r->kind);
    r->index = slot_of(b, p->buffer, a->base, false);
    return;
  }
  r->kind = READ_LOCAL;
  r->index = local_of(b, source);
  for (int l = 0; l < b->group->outer; l++) r->stride[l] = 0;
}

// Does a row that the loops reach lie behind the iota's first turn?
static bool wraps(const Step *t, const NestRead *r, int64_t modulo) {
  int64_t low = r->base, high = r->base;
  for (int l = 0; l < t->loops; l++) *(r->stride[l] < 0 ? &low : &high) += (t->extent[l] - 1) * r->stride[l];
  return low < 0 || high / r->divide >= modulo;
}

static NestRead build_read(Build *b, const Step *t, int k, int segment) {
  const Access *a = &t->operand[k];
  const Place *p = &b->s->places.at[a->place];
  NestRead r = {.dtype = (int32_t)p->dtype, .index = -1, .base = a->base};
  for (int l = 0; l < t->loops; l++) r.stride[l] = t->extent[l] == 1 ? 0 : a->stride[l];
  switch (p->kind) {
  case PLACE_NUMBER:
    r = (NestRead){.kind = READ_NUMBER, .dtype = (int32_t)p->dtype, .index = (int32_t)b->nest->n_numbers};
    b->nest->numbers[b->nest->n_numbers++] = p->number;
    return r;
  case PLACE_IOTA:
    r.kind = READ_IOTA;
    r.divide = p->divide;
    r.modulo = wraps(t, &r, p->modulo) ? p->modulo : 0;
    return r;
  case PLACE_COMPUTED:
    if (t->kind == STEP_PARTIAL) {
      r.kind = READ_PARTIAL;
      r.index = slot_of(b, p->partial_buffer, a->base, false);
      return r;
    }
    if (computed_here(b, t, a)) {
      read_inside(b, &r, t, a, segment);
      return r;
    }
    break;
  case PLACE_DATA:
  case PLACE_LEAF: break;
  case PLACE_DEAD:
  case PLACE_OUTPUT: ir_fail("codegen: a read of an output");
  }
  bool other = p->events && a->event[0] == 1;
  if (other && !p->crosses) ir_fail("codegen: another event's number that is not kept");
  r.kind = other ? READ_OTHER : kind_in_memory(b, p);
  r.rows = rows_in_memory(p, r.kind);
  r.index = slot_of(b, p->buffer, a->base, other);
  return r;
}

static void build_store(Build *b, NestStep *n, const Step *t) {
  const Place *p = &b->s->places.at[t->place];
  bool partial = p->partial && class_has_events(t->class);
  uint32_t buffer = partial ? p->partial_buffer : p->buffer;
  n->slot = buffer ? slot_of(b, buffer, t->store_base, false) : -1;
  n->rows = n->slot >= 0 && !partial ? rows_in_memory(p, (int32_t)kind_in_memory(b, p)) : 0;
  n->continues = t->continues;
  n->store_base = t->store_base;
  for (int l = 0; l < t->kept; l++) n->store_stride[l] = t->extent[l] == 1 ? 0 : t->store_stride[l];
}

static int site_slot(Build *b, const IrValue *v) {
  int64_t site = schedule_site(b->s, v->attr.name);
  return slot_of(b, schedule_data(b->s, schedule_constant(b->s, &site, sizeof site, 8), 0), 0, false);
}

static void build_step(Build *b, int index) {
  const Step *t = b->steps[index];
  NestStep *n = &b->nest->steps[index];
  n->kind = (int32_t)t->kind;
  n->dtype = (int32_t)t->dtype;
  n->over_events = t->over_events;
  n->over_pairs = t->over_pairs;
  n->adds = t->adds;
  n->halves = t->halves;
  n->n_clips = t->n_clips;
  memcpy(n->clips, t->clips, sizeof n->clips);
  n->restarts = !t->over_pairs && step_least_outer(t) > b->group->outer;
  if (t->over_pairs) n->local = local_of(b, index);
  n->loops = t->loops;
  n->kept = t->kept;
  n->dynamic_stride = t->dynamic_stride;
  n->dynamic_extent = t->dynamic_extent;
  n->dynamic_loop = t->dynamic_loop;
  n->n_reads = t->n_operands;
  if (t->value != IR_NONE) {
    const IrValue *v = ir_at(b->s->fn, t->value);
    n->op = (int32_t)v->op;
    n->backwards = v->attr.backwards;
    n->exclusive = v->attr.exclusive;
    if (t->kind == STEP_DRAW) {
      n->draw = v->attr.draw;
      n->site_slot = site_slot(b, v);
    }
  }
  for (int k = 0; k < t->n_operands; k++) n->read[k] = build_read(b, t, k, n->segment);
}

// Offsets inside a slot are relative to its first row, and those inside a local to the block of the outer loops.
static void make_relative(Build *b) {
  for (size_t i = 0; i < b->n; i++) {
    NestStep *n = &b->nest->steps[i];
    n->local_base = n->local >= 0 ? n->store_base : 0; // of the key: 0 where nothing reads it
    if (n->slot >= 0) n->store_base -= b->slots.at[n->slot].row;
    else n->store_base = 0;
    for (int k = 0; k < n->n_reads; k++) {
      NestRead *r = &n->read[k];
      if (r->kind == READ_ROWS || r->kind == READ_OTHER || r->kind == READ_UNIFORM || r->kind == READ_PARTIAL) r->base -= b->slots.at[r->index].row;
    }
  }
}

static bool has_halves(const Nest *n) {
  for (uint32_t i = 0; i < n->n_steps; i++) {
    if (n->steps[i].dtype == IR_BF16) return true;
    for (int k = 0; k < n->steps[i].n_reads; k++)
      if (n->steps[i].read[k].dtype == IR_BF16) return true;
  }
  return false;
}

// Reads negative strides through a gather may reach rows before the base: the slot's row is a reference, no bound.
static bool is_flat(const Nest *n, const Build *b) {
  int64_t elements = -1;
  if (has_halves(n)) return false; // no machine's masks are for numbers of two bytes and for those of four
  for (size_t i = 0; i < b->n; i++) {
    const Step *t = b->steps[i];
    if (t->adds || (t->kind != STEP_POINT && t->kind != STEP_COPY && t->kind != STEP_ZERO && t->kind != STEP_PARTIAL)) return false;
    int64_t size = 1;
    for (int l = t->loops - 1; l >= 0; l--) {
      if (t->extent[l] != 1 && t->store_stride[l] != size) return false;
      size *= t->extent[l];
    }
    if (t->loops > n->outer || (elements >= 0 && size != elements)) return false;
    elements = size;
    for (int k = 0; k < t->n_operands; k++) {
      const NestRead *r = &n->steps[i].read[k];
      if (r->kind == READ_REGISTER || r->kind == READ_NUMBER) continue;
      int64_t expected = 1;
      bool flat = true, uniform = true;
      for (int l = t->loops - 1; l >= 0; l--) {
        if (t->extent[l] != 1 && r->stride[l] != expected) flat = false;
        if (r->stride[l] != 0) uniform = false;
        expected *= t->extent[l];
      }
      if (r->kind == READ_LOCAL || r->kind == READ_IOTA || (!flat && !uniform)) return false;
    }
  }
  return elements >= 1;
}

// One loop over all elements: the same code for every size.
static void flatten(Nest *n) {
  n->elements = 1;
  for (int l = 0; l < n->outer; l++) n->elements *= n->extent[l];
  for (uint32_t i = 0; i < n->n_steps; i++) {
    NestStep *t = &n->steps[i];
    for (int k = 0; k < t->n_reads; k++) {
      int64_t one = 0;
      for (int l = 0; l < t->loops; l++) one |= t->read[k].stride[l];
      memset(t->read[k].stride, 0, sizeof t->read[k].stride);
      if (t->read[k].kind == READ_REGISTER) continue;
      t->read[k].stride[0] = one != 0;
      if (n->elements == 1) t->read[k].stride[0] = 1;
    }
    memset(t->store_stride, 0, sizeof t->store_stride);
    t->store_stride[0] = 1;
    t->loops = t->kept = 0;
  }
  n->outer = 0;
  memset(n->extent, 0, sizeof n->extent);
}

static size_t numbers_read(const Schedule *s, const Group *group) {
  size_t n = 0;
  for (size_t i = 0; i < group->steps.len; i++) {
    const Step *t = &s->steps.at[group->steps.at[i]];
    for (int k = 0; k < t->n_operands; k++) n += s->places.at[t->operand[k].place].kind == PLACE_NUMBER;
  }
  return n;
}

Nest *nest_build(Schedule *s, const Group *group) {
  Nest *nest = ARENA_NEW(s->arena, Nest);
  Build b = {.s = s, .group = group, .nest = nest, .n = group->steps.len};
  nest->outer = group->outer;
  nest->pairs = group->kind == GROUP_PAIRS;
  memcpy(nest->extent, group->extent, sizeof(int64_t) * group->outer);
  nest->steps = ARENA_ARRAY(s->arena, NestStep, b.n);
  nest->n_steps = (uint32_t)b.n;
  b.steps = ARENA_ARRAY(s->arena, const Step *, b.n);
  nest->numbers = ARENA_ARRAY(s->arena, double, numbers_read(s, group));
  for (size_t i = 0; i < b.n; i++) {
    b.steps[i] = &s->steps.at[group->steps.at[i]];
    nest->steps[i].slot = nest->steps[i].local = nest->steps[i].site_slot = -1;
  }
  for (size_t i = 0; i < b.n; i++) nest->steps[i].segment = find_segment(&b, b.steps[i], first_segment(&b, b.steps[i], (int)i));
  for (size_t i = 0; i < b.n; i++) build_step(&b, (int)i);
  for (size_t i = 0; i < b.n; i++) build_store(&b, &nest->steps[i], b.steps[i]);
  bool events = class_has_events(group->class);
  nest->mode = events && s->options.tile > 1 ? NEST_EVENTS : NEST_LANES;
  nest->tile = events ? s->options.tile : 0;
  bool flat = !events && is_flat(nest, &b);
  make_relative(&b);
  if (flat) {
    nest->mode = NEST_FLAT;
    flatten(nest);
  }
  if (nest->mode == NEST_LANES && group->kind == GROUP_NEST) nest_choose_lanes(nest, group->cost);
  nest->segments = b.segments.at;
  nest->n_segments = (uint32_t)b.segments.len;
  nest->locals = b.locals.at;
  nest->n_locals = (uint32_t)b.locals.len;
  nest->slots = b.slots.at;
  nest->n_slots = (uint32_t)b.slots.len;
  return nest;
}

// ---- identity

// FNV-1a by words: most of them are zero.
uint64_t hash_words(uint64_t hash, const void *words, size_t n) {
  const unsigned char *from = words;
  for (size_t i = 0; i < n; i += sizeof(uint64_t)) {
    uint64_t word;
    memcpy(&word, from + i, sizeof word);
    hash = (hash ^ word) * 0x100000001b3ull;
    hash ^= hash >> 29;
  }
  return hash;
}

enum { NEST_HEAD = 12 };

static void head_of(const Nest *n, int64_t head[NEST_HEAD]) {
  const int64_t all[NEST_HEAD] = {n->mode,    n->outer,      n->pairs,   n->lanes,    n->lane_loop, n->tile,
                                  n->n_slots, n->n_segments, n->n_steps, n->n_locals, n->n_numbers, n->shares};
  memcpy(head, all, sizeof all);
}

uint64_t nest_hash(uint64_t hash, const Nest *n) {
  int64_t head[NEST_HEAD];
  head_of(n, head);
  hash = hash_words(hash, head, sizeof head);
  hash = hash_words(hash, n->extent, sizeof n->extent);
  hash = hash_words(hash, n->segments, sizeof *n->segments * n->n_segments);
  hash = hash_words(hash, n->steps, sizeof *n->steps * n->n_steps);
  return hash_words(hash, n->locals, sizeof *n->locals * n->n_locals);
}

static bool same_bytes(const void *a, const void *b, size_t n) { return n == 0 || memcmp(a, b, n) == 0; }

bool nest_same(const Nest *a, const Nest *b) {
  int64_t x[NEST_HEAD], y[NEST_HEAD];
  head_of(a, x);
  head_of(b, y);
  return same_bytes(x, y, sizeof x) && same_bytes(a->extent, b->extent, sizeof a->extent) &&
         same_bytes(a->segments, b->segments, sizeof *a->segments * a->n_segments) && same_bytes(a->steps, b->steps, sizeof *a->steps * a->n_steps) &&
         same_bytes(a->locals, b->locals, sizeof *a->locals * a->n_locals);
}
