// Draws: Philox makes four words at once, so the numbers of a block are drawn together where neighbours along a loop need them.
#include <stddef.h>

#include "compiler/codegen/emit_nest.h"
#include "compiler/codegen/vmath.h"

static int64_t block_of(const NestStep *t) { return t->dtype == IR_F64 ? 2 : 4; } // elements (runtime/philox.h)

// The number of a draw's element, row-major over its loops. Returns how many there are.
static int64_t element_strides(const Nest *n, const NestStep *t, int64_t stride[NEST_LOOPS]) {
  int64_t size = 1;
  for (int l = t->loops - 1; l >= 0; l--) {
    int64_t extent = l < n->outer ? n->extent[l] : n->segments[t->segment].extent[l - n->outer];
    stride[l] = extent == 1 ? 0 : size;
    size *= extent;
  }
  return size;
}

static VDraw draw_of(Emit *e, const NestStep *t) {
  CodeModule *m = e->m;
  LLVMValueRef site = emit_load(m, m->i64, e->pointers[t->site_slot]), keys = nest_field(e, offsetof(HgmTile, keys), m->pointer);
  VDraw draw = {.pass = nest_field(e, offsetof(HgmTile, pass), m->i32), .key = emit_load(m, m->i64, emit_at(m, m->i64, keys, site))};
  draw.event_lo = draw.event_hi = LLVMConstNull(m->v16i32);
  if (e->nest->mode != NEST_EVENTS && e->nest->tile == 0) return draw;
  LLVMValueRef lo = nest_field(e, offsetof(HgmTile, event_lo), m->pointer), hi = nest_field(e, offsetof(HgmTile, event_hi), m->pointer);
  if (e->nest->mode == NEST_EVENTS) {
    draw.event_lo = emit_load(m, m->v16i32, emit_at(m, m->i32, lo, e->event));
    draw.event_hi = emit_load(m, m->v16i32, emit_at(m, m->i32, hi, e->event));
  } else { // one event
    draw.event_lo = emit_broadcast(m, m->v16i32, lo);
    draw.event_hi = emit_broadcast(m, m->v16i32, hi);
  }
  return draw;
}

// ---- blocks along the last outer loop

bool draws_together(const Nest *n, const NestStep *t) {
  enum { EVENT_NUMBER = 3 }; // IrDraw: not of Philox
  int64_t stride[NEST_LOOPS] = {0}, last = n->outer - 1;
  if (t->kind != STEP_DRAW || t->draw == EVENT_NUMBER || t->loops != n->outer || n->outer == 0) return false;
  return element_strides(n, t, stride) == n->extent[last] ? n->extent[last] > 1 : stride[last] == 1 && n->extent[last] % DRAWS_TOGETHER == 0;
}

static LLVMValueRef drawn_at(Emit *e, const NestStep *t, LLVMValueRef turn) {
  return emit_at2(e->m, point_memory_element(e->m, (IrDtype)t->dtype), e->drawn[t - e->nest->steps], turn, e->m->lanes, NULL);
}

static void draw_some(Emit *e, const NestStep *t) {
  CodeModule *m = e->m;
  VDraw draw = draw_of(e, t);
  int64_t stride[NEST_LOOPS] = {0};
  element_strides(e->nest, t, stride);
  LLVMValueRef first = LLVMBuildTrunc(m->builder, nest_offset(e, 0, stride, 0, 1), m->i32, ""), elements[4];
  for (int64_t i = 0; i < DRAWS_TOGETHER; i += block_of(t)) {
    LLVMValueRef element = LLVMBuildAdd(m->builder, first, emit_integer(m->i32, (uint64_t)i), "");
    LLVMValueRef block = LLVMBuildUDiv(m->builder, element, emit_integer(m->i32, (uint64_t)block_of(t)), "");
    vmath_draw_block(m, &draw, block, t->draw, t->dtype == IR_F64, elements);
    for (int64_t k = 0; k < block_of(t); k++) emit_store(m, elements[k], drawn_at(e, t, emit_index(m, i + k)));
  }
}

void draws_of_turns(Emit *e) {
  for (uint32_t i = 0; i < e->nest->n_steps; i++)
    if (e->drawn[i]) draw_some(e, &e->nest->steps[i]);
}

// ---- one element

LLVMValueRef draws_element(Emit *e, const NestStep *t) {
  CodeModule *m = e->m;
  LLVMBuilderRef k = m->builder;
  if (e->drawn[t - e->nest->steps]) return emit_load(m, nest_vector(e, (IrDtype)t->dtype), drawn_at(e, t, e->turn));
  VDraw draw = draw_of(e, t);
  int64_t stride[NEST_LOOPS] = {0};
  element_strides(e->nest, t, stride);
  LLVMValueRef element = nest_offset(e, 0, stride, 0, 1), elements[4] = {NULL};
  if (e->nest->mode == NEST_LANES) element = lanes_index(e, element, nest_lane_stride(e, stride));
  LLVMTypeRef whole = LLVMTypeOf(element);
  LLVMValueRef block = LLVMBuildUDiv(k, element, emit_integer(whole, (uint64_t)block_of(t)), "");
  if (whole == m->i64) block = LLVMBuildTrunc(k, block, m->i32, "");
  unsigned n = vmath_draw_block(m, &draw, block, t->draw, t->dtype == IR_F64, elements);
  LLVMValueRef word = LLVMBuildURem(k, element, emit_integer(whole, n), ""), x = elements[0];
  for (unsigned i = 1; i < n; i++) x = LLVMBuildSelect(k, LLVMBuildICmp(k, LLVMIntEQ, word, emit_integer(whole, i), ""), elements[i], x, "");
  return x;
}
