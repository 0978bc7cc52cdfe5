// Kernels around the matrix micro-kernels: further loops outside, the steps that follow on each finished vector inside.
#include <stddef.h>
#include <string.h>

#include "compiler/codegen/emit_nest.h"
#include "compiler/codegen/gemm.h"
#include "compiler/codegen/product.h"

void nest_around(Emit *e, int from, int to, uint32_t skip, const int64_t *extent, NestBody *body, NestBody *outside, void *data) {
  while (from < to && (skip >> from & 1)) from++;
  if (from >= to) {
    body(e, data);
    return;
  }
  CodeModule *m = e->m;
  bool kept = from < e->nest->steps[0].kept;
  EmitShare share = e->share;
  EmitRange only = nest_range(e, from), own = kept ? emit_share_touched(m, share, extent[from]) : (EmitRange){0};
  LLVMValueRef bound[] = {emit_index(m, 0), emit_index(m, 0), emit_index(m, extent[from]), emit_index(m, extent[from])};
  if (only.from) bound[1] = emit_units(m, &only, only.from), bound[2] = emit_units(m, &only, only.to);
  for (int i = 0; i < 4 && own.from; i++) bound[i] = emit_most(m, own.from, emit_least(m, own.to, bound[i]));
  for (int part = 0; part < 3; part++) {
    bool inside = part == 1;
    if (!inside && (!only.from || !outside || !kept)) continue;
    EmitLoop loop = emit_loop(m, "outer", bound[part], bound[part + 1], 1, NULL, 0);
    e->index[from] = loop.index;
    if (kept) e->share = emit_share_within(m, share, loop.index, extent[from]);
    nest_around(e, from + 1, to, skip, extent, inside ? body : outside, outside, data);
    e->share = share;
    emit_loop_end(m, &loop, NULL);
    e->index[from] = NULL;
  }
}

enum { PARTS = 5040 }; // divisible by most numbers of units and of blocks in a unit

// Threads share the kept loops around, and parts of each of their turns: its rows.
static void share_turns(Emit *e, int to, uint32_t skip, const int64_t *extent) {
  int64_t parts = PARTS;
  for (int l = 0; l < to && l < e->nest->steps[0].kept; l++)
    if ((skip >> l & 1) == 0) parts *= extent[l];
  e->share = nest_shared(e, parts);
}

LLVMValueRef nest_start(Emit *e, const NestRead *r, uint32_t skip, int64_t scale) {
  int64_t stride[NEST_LOOPS];
  memcpy(stride, r->stride, sizeof stride);
  for (int l = 0; l < NEST_LOOPS; l++)
    if (skip >> l & 1) stride[l] = 0;
  LLVMTypeRef element = point_memory_element(e->m, (IrDtype)r->dtype);
  return emit_at(e->m, element, e->pointers[r->index], nest_offset(e, r->base, stride, 0, scale));
}

void nest_follow(Emit *e, LLVMValueRef value) {
  e->values[0] = nest_clipped_sum(e, &e->nest->steps[0], value);
  nest_store(e, &e->nest->steps[0], e->values[0]);
  for (uint32_t i = 1; i < e->nest->n_steps; i++) nest_step(e, (int)i);
}

enum { LEAST_UNIT = 8 }; // rows that are a block by themselves

typedef struct ProductBody {
  const Product *product;
  uint32_t skip;
} ProductBody;

typedef struct Epilogue {
  Emit *e;
  int loop;
} Epilogue;

static void go_to(const Epilogue *p, const GemmAt *at) {
  Emit *e = p->e;
  if (e->m->target->effort == WITH_CARE) e->block = (NestBlock){p->loop, at->row, at->event, at->r, at->lanes};
  e->index[p->loop] = emit_plus(e->m, at->row, at->r);
  nest_go_to(e, emit_plus(e->m, at->event, at->lanes));
}

static LLVMValueRef finish_vector(void *data, CodeModule *m, const GemmAt *at, LLVMValueRef value) {
  const Epilogue *p = data;
  (void)m;
  go_to(p, at);
  nest_follow(p->e, value);
  return NULL; // stored above
}

static void prefetch_row(Emit *e, IrDtype dtype, int slot, int64_t rows, int64_t base, const int64_t *stride) {
  LLVMValueRef row = nest_vector_at(e, dtype, slot, rows, base, stride);
  for (int64_t lane = 0; lane < CODE_LANES; lane += 64 / (int64_t)dtype_bytes(dtype))
    emit_prefetch(e->m, emit_at(e->m, point_memory_element(e->m, dtype), row, emit_index(e->m, lane)), false);
}

static bool same_read(const NestRead *a, const NestRead *b) {
  return a->kind == b->kind && a->index == b->index && a->base == b->base && memcmp(a->stride, b->stride, sizeof a->stride) == 0;
}

// Is it read by one of the steps before, or by read k of step i for the first time?
static bool read_before(const Nest *n, uint32_t i, int k) {
  for (uint32_t j = 1; j <= i; j++)
    for (int l = 0; l < (j < i ? n->steps[j].n_reads : k); l++)
      if (same_read(&n->steps[j].read[l], &n->steps[i].read[k])) return true;
  return false;
}

// What the following steps read and store for this vector.
static void ahead_of_vector(void *data, CodeModule *m, const GemmAt *at) {
  const Epilogue *p = data;
  Emit *e = p->e;
  (void)m;
  go_to(p, at);
  for (uint32_t i = 0; i < e->nest->n_steps; i++) {
    const NestStep *t = &e->nest->steps[i];
    if (t->slot >= 0) prefetch_row(e, (IrDtype)t->dtype, t->slot, t->rows, t->store_base, t->store_stride);
    for (int k = 0; i > 0 && k < t->n_reads; k++)
      if (t->read[k].kind == READ_ROWS && !read_before(e->nest, i, k))
        prefetch_row(e, (IrDtype)t->read[k].dtype, t->read[k].index, t->read[k].rows, t->read[k].base, t->read[k].stride);
  }
}

// Unless its units are no multiples of that.
static EmitRange range_of(Emit *e, int loop, int64_t unit) {
  EmitRange r = nest_range(e, loop);
  return r.from && r.unit % unit == 0 ? r : (EmitRange){0};
}

static void product_body(Emit *e, void *data) {
  const ProductBody *b = data;
  const Product *p = b->product;
  const NestStep *t = &e->nest->steps[0];
  const NestRead *w = &t->read[p->w], *x = &t->read[p->x];
  Epilogue epilogue = {e, p->n_loop};
  Gemm g = {.f64 = t->dtype == IR_F64, .halves = p->halves, .tiles = p->tiles, .n = p->n, .k = p->k, .tile = e->nest->tile};
  g.w_k = w->stride[p->k_loop];
  g.w_n = w->stride[p->n_loop];
  g.x_stride = x->stride[p->k_loop] * CODE_LANES;
  g.x_rows = x->rows;
  for (int l = t->kept; l < p->k_loop && p->pieces; l++) {
    g.piece[g.n_pieces].extent = e->nest->segments[0].extent[l - e->nest->outer];
    g.piece[g.n_pieces].only = range_of(e, l, 1);
    g.piece[g.n_pieces].w = w->stride[l];
    g.piece[g.n_pieces++].x = x->stride[l] * CODE_LANES;
  }
  g.w = nest_start(e, w, b->skip, 1);
  g.x = nest_start(e, x, b->skip, CODE_LANES);
  g.events = nest_events(e);
  g.only_k = range_of(e, p->k_loop, GEMM_TERMS);
  g.only_n = range_of(e, p->n_loop, LEAST_UNIT);
  if (p->tiles) g.scratch = e->pointers[e->nest->n_slots];
  g.share_events = e->nest->shares > 0 && !nest_divides(e->nest);
  g.share = g.share_events ? nest_shared(e, PARTS) : e->share;
  g.epilogue = finish_vector;
  g.ahead = ahead_of_vector;
  g.data = &epilogue;
  gemm_emit(e->m, &g);
  e->block = (NestBlock){0};
}

void product_emit(CodeModule *m, const char *name, const Nest *nest, const Product *product) {
  if (m->target->effort != WITH_CARE) code_module_lanes(m, nest_lanes(m, nest));
  Emit e = nest_begin(m, name, nest, product->tiles);
  if (m->target->effort != WITH_CARE) code_without_passes(m);
  uint32_t skip = 1u << product->n_loop;
  for (int l = nest->outer; l <= product->k_loop; l++) skip |= 1u << l;
  ProductBody body = {product, skip};
  if (nest_divides(nest)) share_turns(&e, nest->outer, skip, nest->extent);
  nest_around(&e, 0, nest->outer, skip, nest->extent, product_body, NULL, &body);
  nest_end(&e);
}

// ---- gradients

typedef struct GradientBody {
  const Gradient *gradient;
  uint32_t skip;
} GradientBody;

// Where the rows at hand of D begin.
static LLVMValueRef gradient_start(Emit *e, const GradientBody *b) {
  const NestStep *t = &e->nest->steps[0];
  int64_t stride[NEST_LOOPS];
  memcpy(stride, t->store_stride, sizeof stride);
  for (int l = 0; l < NEST_LOOPS; l++)
    if (b->skip >> l & 1) stride[l] = 0;
  return emit_at(e->m, point_memory_element(e->m, (IrDtype)t->dtype), e->pointers[t->slot], nest_offset(e, t->store_base, stride, 0, 1));
}

static int64_t row_numbers(const NestStep *t, const Gradient *g) { return g->a_loop >= 0 ? t->store_stride[g->a_loop] : g->columns; }

// Rows [from, to) of D without a term: zeros where its sums begin.
static void zero_rows(Emit *e, const GradientBody *b, LLVMValueRef from, LLVMValueRef to) {
  CodeModule *m = e->m;
  const NestStep *t = &e->nest->steps[0];
  LLVMTypeRef element = point_memory_element(m, (IrDtype)t->dtype);
  LLVMValueRef d = gradient_start(e, b);
  EmitIf begins = emit_if(m, "begins", nest_begins(e, t));
  EmitLoop r = emit_loop(m, "rows", from, to, 1, NULL, 0);
  clip_zeros(m, element, emit_at2(m, element, d, r.index, row_numbers(t, b->gradient), NULL), b->gradient->columns);
  emit_loop_end(m, &r, NULL);
  emit_end_if(m, begins);
}

static void zero_all_rows(Emit *e, void *data) {
  const GradientBody *b = data;
  zero_rows(e, b, emit_index(e->m, 0), emit_index(e->m, b->gradient->rows));
}

typedef struct RowClip { // of rows of A by a reduced loop
  Emit *e;
  const Clip *clip;
  int which, loop;
  LLVMValueRef add;
} RowClip;

// The first turn of that loop that counts for these rows stores over D.
static LLVMValueRef add_unit(void *data, CodeModule *m, LLVMValueRef unit) {
  const RowClip *r = data;
  LLVMValueRef first = clip_from(m, r->clip, 1 - r->which, unit);
  return LLVMBuildOr(m->builder, r->add, LLVMBuildICmp(m->builder, LLVMIntNE, r->e->index[r->loop], first, ""), "");
}

// Is this not the first turn of all reduced loops but `other`, or are the sums to go on with what D holds?
static LLVMValueRef goes_on(Emit *e, int other) {
  CodeModule *m = e->m;
  const NestStep *t = &e->nest->steps[0];
  LLVMValueRef add = LLVMBuildNot(m->builder, nest_begins(e, t), "");
  for (int l = t->kept; l < t->loops; l++) {
    if (l == other) continue;
    EmitRange only = nest_range(e, l);
    LLVMValueRef first = only.from ? emit_units(m, &only, only.from) : emit_index(m, 0);
    add = LLVMBuildOr(m->builder, add, LLVMBuildICmp(m->builder, LLVMIntNE, e->index[l], first, ""), "");
  }
  return add;
}

static void gradient_body(Emit *e, void *data) {
  const GradientBody *b = data;
  const Gradient *g = b->gradient;
  const NestStep *t = &e->nest->steps[0];
  const NestRead *ra = &t->read[g->a], *rb = g->b >= 0 ? &t->read[g->b] : NULL;
  CodeModule *m = e->m;
  GemmGradient gemm = {.f64 = t->dtype == IR_F64, .rows = g->rows, .columns = g->columns, .tile = e->nest->tile};
  gemm.d_stride = row_numbers(t, g);
  gemm.a_stride = g->a_loop >= 0 ? ra->stride[g->a_loop] * CODE_LANES : CODE_LANES;
  gemm.a_rows = ra->rows;
  gemm.d = gradient_start(e, b);
  gemm.a = nest_start(e, ra, b->skip, CODE_LANES);
  if (rb != NULL) {
    gemm.b = nest_start(e, rb, b->skip, CODE_LANES);
    gemm.b_stride = rb->stride[g->b_loop] * CODE_LANES;
    gemm.b_rows = rb->rows;
  }
  gemm.valid = nest_field(e, offsetof(HgmTile, valid), m->i64);
  gemm.scratch = e->pointers[e->nest->n_slots];
  RowClip clip = {.e = e, .loop = -1};
  if (gemm_gradient_clips(m, &gemm)) gemm.only = range_of(e, g->a_loop, LEAST_UNIT);
  if (gemm.only.from) {
    clip.clip = nest_clip(e, g->a_loop, &clip.which);
    clip.loop = clip.clip->loop[1 - clip.which];
  }
  gemm.share = e->share;
  gemm.add = clip.add = goes_on(e, clip.loop);
  gemm.data = &clip;
  if (clip.loop >= t->kept) gemm.add_unit = add_unit;
  gemm_gradient_emit(m, &gemm);
  if (clip.loop < 0 || clip.loop >= t->kept) return;
  zero_rows(e, b, emit_index(m, 0), emit_units(m, &gemm.only, gemm.only.from));
  zero_rows(e, b, emit_units(m, &gemm.only, gemm.only.to), emit_index(m, g->rows));
}

void gradient_emit(CodeModule *m, const char *name, const Nest *nest, const Gradient *gradient) {
  Emit e = nest_begin(m, name, nest, 1);
  if (m->target->effort != WITH_CARE) code_without_passes(m);
  const NestStep *t = &nest->steps[0];
  uint32_t skip = 0;
  if (gradient->a_loop >= 0) skip |= 1u << gradient->a_loop;
  if (gradient->b_loop >= 0) skip |= 1u << gradient->b_loop;
  int64_t extent[NEST_LOOPS] = {0};
  for (int l = 0; l < t->loops; l++) extent[l] = l < nest->outer ? nest->extent[l] : nest->segments[0].extent[l - nest->outer];
  GradientBody body = {gradient, skip};
  EmitIf last = emit_if_last(m, nest_divides(nest) ? (EmitShare){0} : nest_shared(&e, 1));
  if (nest_divides(nest)) share_turns(&e, t->loops, skip, extent);
  nest_around(&e, 0, t->loops, skip, extent, gradient_body, zero_all_rows, &body);
  emit_end_if(m, last);
  nest_end(&e);
}
