// Buffers and where they lie. Arrays of a tile are shared by what is alive at different times within a phase, scratch of
// the ONCE phases likewise over the whole program, arrays of the batch by what is alive in different phases. Offsets are
// multiples of 64 bytes.
#include "compiler/codegen/product.h"

#include <stdlib.h>

static uint64_t round_up(uint64_t n) { return (n + 63) / 64 * 64; }

static uint32_t buffer_new(Schedule *s, HgmSpace space, uint32_t index, const Place *p, bool events) {
  int64_t number = (int64_t)dtype_bytes(p->dtype), row = number * (events ? schedule_panel(s) : 1);
  uint64_t bytes = (uint64_t)(number * p->rows * (events ? s->options.tile : 1));
  Buffer b = {.space = space, .index = index, .bytes = round_up(bytes), .row_bytes = row, .first = -1, .last = -1};
  VEC_PUSH(s->arena, &s->buffers, b);
  return (uint32_t)s->buffers.len;
}

static HgmSpace space_of(const Place *p) {
  if (p->events) return p->crosses ? HGM_SPACE_BATCH : HGM_SPACE_TILE;
  return p->class == CLASS_CONSTANT && p->crosses ? HGM_SPACE_CONSTANT : HGM_SPACE_ONCE;
}

static void make_buffers(Schedule *s) {
  for (size_t i = 0; i < s->places.len; i++) {
    Place *p = &s->places.at[i];
    if (p->partial) p->partial_buffer = buffer_new(s, HGM_SPACE_PARTIAL, 0, p, false);
    switch (p->kind) {
    case PLACE_DEAD:
    case PLACE_NUMBER:
    case PLACE_IOTA:
    case PLACE_DATA: break;
    case PLACE_LEAF: p->buffer = buffer_new(s, p->events ? HGM_SPACE_TILE : HGM_SPACE_LEAF, p->port, p, p->events); break;
    case PLACE_OUTPUT: p->buffer = buffer_new(s, p->events ? HGM_SPACE_TILE : HGM_SPACE_OUTPUT, p->port, p, p->events); break;
    case PLACE_COMPUTED:
      if (!p->memory) break;
      p->buffer = buffer_new(s, space_of(p), 0, p, p->events);
      break;
    }
  }
}

static int64_t scratch_of(const Schedule *s, const Group *g) {
  const Step *t = &s->steps.at[g->steps.len > 0 ? g->steps.at[0] : 0];
  Gradient gradient;
  Product product;
  if (g->kind == GROUP_GRADIENT && gradient_fits(s, t, &gradient)) return gradient_scratch(s, t, &gradient);
  return g->kind == GROUP_PRODUCT && product_fits(s, t, &product) ? product_scratch(&product) : 0;
}

static void make_scratch(Schedule *s) {
  HgmSpace space = s->options.shared ? HGM_SPACE_OWN : HGM_SPACE_TILE;
  for (size_t o = 0; o < s->order.len; o++) {
    Group *g = &s->groups.at[s->order.at[o]];
    int64_t bytes = scratch_of(s, g);
    if (bytes == 0 && g->kind != GROUP_GRADIENT) continue;
    Buffer b = {.space = space, .bytes = round_up((uint64_t)bytes + 64), .row_bytes = 1, .first = (int)o, .last = (int)o};
    VEC_PUSH(s->arena, &s->buffers, b);
    g->scratch = (uint32_t)s->buffers.len;
  }
}

// Of the batch, a phase writes and reads what belongs to any tile: only phases tell times apart.
static void use(Schedule *s, uint32_t buffer, const Group *g, int position) {
  if (buffer == 0) return;
  Buffer *b = &s->buffers.at[buffer - 1];
  if (b->space == HGM_SPACE_BATCH) position = g->class;
  if (b->first < 0 || position < b->first) b->first = position;
  if (position > b->last) b->last = position;
}

static void find_lifetimes(Schedule *s) {
  for (size_t o = 0; o < s->order.len; o++) {
    const Group *g = &s->groups.at[s->order.at[o]];
    for (size_t i = 0; i < g->steps.len; i++) {
      const Step *t = &s->steps.at[g->steps.at[i]];
      use(s, s->places.at[t->place].buffer, g, (int)o);
      for (int k = 0; k < t->n_operands; k++) use(s, s->places.at[t->operand[k].place].buffer, g, (int)o);
    }
  }
}

// First and last position of a class in the order.
static void class_range(const Schedule *s, int class, int *first, int *last) {
  *first = *last = -1;
  for (size_t o = 0; o < s->order.len; o++) {
    if (s->groups.at[s->order.at[o]].class != class) continue;
    if (*first < 0) *first = (int)o;
    *last = (int)o;
  }
}

// Inputs are loaded before a phase and outputs stored behind it.
static void extend_ports(Schedule *s) {
  for (size_t i = 0; i < s->places.len; i++) {
    const Place *p = &s->places.at[i];
    if (!p->events || p->buffer == 0) continue;
    Buffer *b = &s->buffers.at[p->buffer - 1];
    if (p->kind == PLACE_LEAF) {
      b->first = 0;
      b->last = (int)s->order.len;
    } else if (p->kind == PLACE_OUTPUT) {
      int first, last;
      class_range(s, p->class, &first, &last);
      b->last = last;
    }
  }
}

typedef struct Block {
  uint64_t offset, bytes;
  int last;
} Block;

static int by_first(const void *x, const void *y) {
  const Buffer *a = *(Buffer *const *)x, *b = *(Buffer *const *)y;
  if (a->first != b->first) return a->first < b->first ? -1 : 1;
  if (a->bytes != b->bytes) return a->bytes > b->bytes ? -1 : 1;
  return a < b ? -1 : a > b;
}

// First fit in the order of first use; blocks are kept sorted by offset.
static uint64_t place_buffers(Schedule *s, HgmSpace space) {
  Buffer **list = ARENA_ARRAY(s->arena, Buffer *, s->buffers.len + 1);
  Block *blocks = ARENA_ARRAY(s->arena, Block, s->buffers.len + 1);
  size_t n = 0, active = 0;
  uint64_t end = 0;
  for (size_t i = 0; i < s->buffers.len; i++)
    if (s->buffers.at[i].space == space && s->buffers.at[i].first >= 0 && s->buffers.at[i].alias == 0) list[n++] = &s->buffers.at[i];
  qsort(list, n, sizeof *list, by_first);
  for (size_t i = 0; i < n; i++) {
    size_t kept = 0;
    for (size_t k = 0; k < active; k++)
      if (blocks[k].last >= list[i]->first) blocks[kept++] = blocks[k];
    active = kept;
    uint64_t at = 0;
    size_t slot = 0;
    while (slot < active && blocks[slot].offset - at < list[i]->bytes) at = blocks[slot].offset + blocks[slot].bytes, slot++;
    for (size_t k = active; k > slot; k--) blocks[k] = blocks[k - 1];
    blocks[slot] = (Block){at, list[i]->bytes, list[i]->last};
    active++;
    list[i]->offset = at;
    if (at + list[i]->bytes > end) end = at + list[i]->bytes;
  }
  return end;
}

static uint64_t place_in_line(Schedule *s, HgmSpace space) {
  uint64_t end = 0;
  for (size_t i = 0; i < s->buffers.len; i++) {
    Buffer *b = &s->buffers.at[i];
    if (b->space != space) continue;
    b->offset = end;
    end += b->bytes;
  }
  return end;
}

static void place_aliases(Schedule *s) {
  for (size_t i = 0; i < s->buffers.len; i++) {
    Buffer *b = &s->buffers.at[i];
    if (b->alias == 0) continue;
    b->space = HGM_SPACE_PARTIAL;
    b->offset = s->buffers.at[b->alias - 1].offset;
  }
}

void schedule_buffers(Schedule *s) {
  make_buffers(s);
  make_scratch(s);
}

void schedule_memory(Schedule *s) {
  find_lifetimes(s);
  extend_ports(s);
  s->tile_bytes = place_buffers(s, HGM_SPACE_TILE);
  s->own_bytes = place_buffers(s, HGM_SPACE_OWN);
  s->once_bytes = place_buffers(s, HGM_SPACE_ONCE);
  s->constant_bytes = place_in_line(s, HGM_SPACE_CONSTANT);
  s->batch_bytes = place_buffers(s, HGM_SPACE_BATCH);
  s->partial_bytes = place_in_line(s, HGM_SPACE_PARTIAL);
  place_aliases(s);
}
