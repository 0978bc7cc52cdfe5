#include "compiler/codegen/gemm.h"
#include "compiler/codegen/squares.h"

#include <string.h>

#include "compiler/ir/ir.h"

// Weight gradient. Lanes over events would need a sum across lanes for every element of D, so one operand is turned:
// B is transposed in squares into scratch, [column vector][event][lane], and D grows by outer products: per event, one
// vector load a column vector and one broadcast a row of A, accumulators in registers over the whole tile.
// Columns left over go into one more vector, or into one of half the width (locally connected layers have 6 or 8 columns).
// What is too narrow for that (few rows, very few columns) is dot products along the lanes, several at a time, so that their
// sums across lanes share one tree.

enum { MAX_VECTORS = 8, DOT_ROWS = 6, DOTS = 16, D_AHEAD = 2 };

typedef struct Shape { // columns by outer products in whole vectors, then in one of half the width, then by dot products
  int64_t whole, half, dots;
} Shape;

typedef struct Strip { // columns of one width of vector
  LLVMTypeRef element, vector;
  unsigned lanes;
  int64_t first, columns;
} Strip;

static unsigned whole_lanes(const GemmGradient *g) { return g->f64 ? 8 : 16; } // 512 bits

static Shape shape_of(const GemmGradient *g) {
  int64_t lanes = whole_lanes(g), rest = g->columns % lanes;
  if (g->rows <= DOT_ROWS) return (Shape){.dots = g->columns};
  if (rest > lanes / 2) return (Shape){.whole = g->columns};
  if (rest > 2) return (Shape){.whole = g->columns - rest, .half = rest};
  return (Shape){.whole = g->columns - rest, .dots = rest};
}

static Strip strip_of(CodeModule *m, const GemmGradient *g, unsigned lanes, int64_t first, int64_t columns) {
  LLVMTypeRef element = g->f64 ? m->f64 : m->f32;
  return (Strip){element, LLVMVectorType(element, lanes), lanes, first, columns};
}

int64_t gemm_gradient_scratch(const GemmGradient *g) {
  Shape s = shape_of(g);
  int64_t lanes = whole_lanes(g), columns = (s.whole + lanes - 1) / lanes * lanes + (s.half ? lanes / 2 : 0);
  return columns * g->tile * (g->f64 ? 8 : 4);
}

// ---- transposed squares

// Where an event lies in the first row of an array of so many rows.
static LLVMValueRef event_of(CodeModule *m, int64_t rows, LLVMValueRef event) {
  LLVMValueRef panel = LLVMBuildAnd(m->builder, event, emit_index(m, -CODE_LANES), "");
  return LLVMBuildNSWAdd(m->builder, event, LLVMBuildNSWMul(m->builder, panel, emit_index(m, rows - 1), ""), "");
}

// Transposes `count` rows of B from row `first` on (zeros in place of missing ones) for all events that count.
static void transpose_rows(CodeModule *m, const GemmGradient *g, const Strip *s, LLVMValueRef first, unsigned count) {
  EmitLoop t = emit_loop(m, "transpose", emit_index(m, 0), g->valid, s->lanes, NULL, 0);
  LLVMValueRef rows[16], b = emit_at2(m, s->element, g->b, first, g->b_stride, event_of(m, g->b_rows, t.index));
  for (unsigned i = 0; i < count; i++) emit_prefetch(m, emit_at(m, s->element, b, emit_index(m, (i + count) * g->b_stride)), false);
  for (unsigned i = 0; i < s->lanes; i++)
    rows[i] = i < count ? emit_load(m, s->vector, emit_at(m, s->element, b, emit_index(m, i * g->b_stride))) : LLVMConstNull(s->vector);
  if (s->lanes < whole_lanes(g)) square_transpose_half(m, rows, s->lanes);
  else square_transpose(m, rows, s->lanes);
  LLVMValueRef to = emit_at2(m, s->element, g->scratch, first, g->tile, NULL);
  to = emit_at2(m, s->element, to, t.index, s->lanes, NULL);
  for (unsigned i = 0; i < s->lanes; i++) emit_store(m, rows[i], emit_at(m, s->element, to, emit_index(m, i * s->lanes)));
  emit_loop_end(m, &t, NULL);
}

static void transpose(CodeModule *m, const GemmGradient *g, const Strip *s) {
  int64_t whole = s->columns / s->lanes * s->lanes;
  if (whole) {
    EmitLoop c = emit_loop(m, "columns", emit_index(m, s->first), emit_index(m, s->first + whole), s->lanes, NULL, 0);
    transpose_rows(m, g, s, c.index, s->lanes);
    emit_loop_end(m, &c, NULL);
  }
  if (s->columns > whole) transpose_rows(m, g, s, emit_index(m, s->first + whole), (unsigned)(s->columns - whole));
}

// ---- outer products

static LLVMValueRef masked(CodeModule *m, const char *name, LLVMTypeRef type, LLVMValueRef *arguments, unsigned n) {
  LLVMTypeRef types[] = {type, m->pointer};
  LLVMValueRef f = LLVMGetIntrinsicDeclaration(m->module, LLVMLookupIntrinsicID(name, strlen(name)), types, 2);
  return LLVMBuildCall2(m->builder, LLVMGlobalGetValueType(f), f, arguments, n, "");
}

// Adds (or stores) the first `count` lanes to D.
static void finish_vector(CodeModule *m, const GemmGradient *g, const Strip *s, LLVMValueRef sum, LLVMValueRef to, unsigned count) {
  LLVMValueRef bytes = LLVMConstInt(m->i32, g->f64 ? 8 : 4, false), mask = NULL, old;
  if (count < s->lanes) {
    LLVMValueRef bits[16];
    for (unsigned i = 0; i < s->lanes; i++) bits[i] = LLVMConstInt(m->i1, i < count, false);
    mask = LLVMConstVector(bits, s->lanes);
    old = masked(m, "llvm.masked.load", s->vector, (LLVMValueRef[]){to, bytes, mask, LLVMConstNull(s->vector)}, 4);
  } else {
    old = emit_load(m, s->vector, to);
  }
  LLVMValueRef total = LLVMBuildFAdd(m->builder, sum, old, "");
  if (g->add) total = LLVMBuildSelect(m->builder, g->add, total, sum, "");
  if (mask) masked(m, "llvm.masked.store", s->vector, (LLVMValueRef[]){total, to, bytes, mask}, 4);
  else emit_store(m, total, to);
}

typedef struct Block {
  unsigned vectors, rows, last_lanes; // lanes that count in the last vector
} Block;

// One event's term of all chains: its number of A's rows from a, of B's columns from b (turned).
static void emit_term(CodeModule *m, const GemmGradient *g, const Strip *s, Block b, LLVMValueRef a, LLVMValueRef turned, LLVMValueRef *sums) {
  LLVMValueRef bs[MAX_VECTORS];
  for (unsigned v = 0; v < b.vectors; v++) bs[v] = emit_load(m, s->vector, emit_at(m, s->element, turned, emit_index(m, v * s->lanes * g->tile)));
  for (unsigned r = 0; r < b.rows; r++) {
    LLVMValueRef x = emit_broadcast(m, s->vector, emit_at(m, s->element, a, emit_index(m, r * g->a_stride)));
    for (unsigned v = 0; v < b.vectors; v++) sums[r * b.vectors + v] = emit_fma(m, x, bs[v], sums[r * b.vectors + v]);
  }
}

// Terms of n events from here on, `turn` in each turn of the loop. carried: sums, then a and turned.
static void emit_events(CodeModule *m, const GemmGradient *g, const Strip *s, Block b, LLVMValueRef n, int64_t turn, LLVMValueRef *carried) {
  unsigned sums = b.rows * b.vectors;
  EmitLoop t = emit_loop(m, "events", emit_index(m, 0), n, turn, carried, sums + 2);
  LLVMValueRef now[EMIT_CARRIED];
  memcpy(now, t.carried, t.n * sizeof *now);
  LLVMValueRef a = now[sums], turned = now[sums + 1];
  for (int64_t i = 0; i < turn; i++)
    emit_term(m, g, s, b, emit_at(m, s->element, a, emit_index(m, i)), emit_at(m, s->element, turned, emit_index(m, i * s->lanes)), now);
  now[sums] = emit_at(m, s->element, a, emit_index(m, turn));
  now[sums + 1] = emit_at(m, s->element, turned, emit_index(m, turn * s->lanes));
  emit_loop_end(m, &t, now);
  memcpy(carried, t.carried, t.n * sizeof *carried);
}

// All valid events: whole panels, then the rest. In each panel the rows of the next block are asked for.
static void emit_chains(CodeModule *m, const GemmGradient *g, const Strip *s, Block b, LLVMValueRef a, LLVMValueRef turned, LLVMValueRef *sums) {
  unsigned n = b.rows * b.vectors;
  LLVMValueRef now[EMIT_CARRIED], whole = LLVMBuildAnd(m->builder, g->valid, emit_index(m, -CODE_LANES), "");
  memcpy(now, sums, n * sizeof *now);
  now[n] = a, now[n + 1] = turned;
  EmitLoop p = emit_loop(m, "panels", emit_index(m, 0), whole, CODE_LANES, now, n + 2);
  memcpy(now, p.carried, p.n * sizeof *now);
  for (int64_t r = 0; r < b.rows; r++)
    for (int64_t i = 0; i < CODE_LANES; i += 64 / (g->f64 ? 8 : 4))
      emit_prefetch(m, emit_at(m, s->element, now[n], emit_index(m, (b.rows + r) * g->a_stride + i)), false);
  emit_events(m, g, s, b, emit_index(m, CODE_LANES), m->target->vector_bits < 512 ? 4 : 1, now); // as in products: fewer turns for small blocks
  now[n] = emit_at(m, s->element, now[n], emit_index(m, (g->a_rows - 1) * CODE_LANES));
  emit_loop_end(m, &p, now);
  memcpy(now, p.carried, p.n * sizeof *now);
  emit_events(m, g, s, b, LLVMBuildSub(m->builder, g->valid, whole, ""), 1, now);
  memcpy(sums, now, n * sizeof *sums);
}

// The lines of D that the block `further` rows down adds to: strided, so no machine foresees them. Where a vector lies in two lines,
// the columns before had the first.
static void ask_for_sums(CodeModule *m, const GemmGradient *g, const Strip *s, Block b, LLVMValueRef row, int64_t further, LLVMValueRef column) {
  LLVMValueRef d = emit_at2(m, s->element, g->d, row, g->d_stride, column);
  for (int64_t r = 0; r < b.rows; r++)
    for (unsigned v = 0; v < b.vectors; v++)
      emit_prefetch(m, emit_at(m, s->element, d, emit_index(m, (further + r) * g->d_stride + (v + 1) * s->lanes - 1)), true);
}

static void emit_block(CodeModule *m, const GemmGradient *g, const Strip *s, Block b, LLVMValueRef row, LLVMValueRef column) {
  LLVMValueRef sums[EMIT_CARRIED];
  for (unsigned i = 0; i < b.rows * b.vectors; i++) sums[i] = LLVMConstNull(s->vector);
  LLVMValueRef a = emit_at2(m, s->element, g->a, row, g->a_stride, NULL);
  LLVMValueRef turned = emit_at2(m, s->element, g->scratch, column, g->tile, NULL);
  LLVMValueRef d = emit_at2(m, s->element, g->d, row, g->d_stride, column);
  ask_for_sums(m, g, s, b, row, D_AHEAD * b.rows, column);
  emit_chains(m, g, s, b, a, turned, sums);
  for (unsigned r = 0; r < b.rows; r++)
    for (unsigned v = 0; v < b.vectors; v++) {
      LLVMValueRef to = emit_at(m, s->element, d, emit_index(m, r * g->d_stride + v * s->lanes));
      finish_vector(m, g, s, sums[r * b.vectors + v], to, v + 1 < b.vectors ? s->lanes : b.last_lanes);
    }
}

static void emit_rows(CodeModule *m, const GemmGradient *g, const Strip *s, Block b, LLVMValueRef column) {
  int64_t blocks = (g->rows + b.rows - 1) / b.rows;
  b.rows = (unsigned)((g->rows + blocks - 1) / blocks);
  int64_t whole = g->rows / b.rows * b.rows;
  for (int64_t i = 0; i < D_AHEAD; i++) ask_for_sums(m, g, s, b, emit_index(m, 0), i * b.rows, column);
  EmitLoop r = emit_loop(m, "rows", emit_index(m, 0), emit_index(m, whole), b.rows, NULL, 0);
  emit_block(m, g, s, b, r.index, column);
  emit_loop_end(m, &r, NULL);
  b.rows = (unsigned)(g->rows - whole);
  if (b.rows) emit_block(m, g, s, b, emit_index(m, whole), column);
}

// Accumulators, a vector of columns and one broadcast stay in registers.
static Block outer_block(const CodeModule *m, const GemmGradient *g, const Strip *s) {
  bool wide = m->target->vector_bits == 512;
  if (g->block_vectors) return (Block){g->block_vectors, g->block_rows, s->lanes};
  if (s->lanes < whole_lanes(g)) return (Block){1, 12, s->lanes};
  if (wide) return g->rows <= 6 ? (Block){4, 6, s->lanes} : (Block){2, 12, s->lanes};
  return (Block){1, 6, s->lanes};
}

static void emit_outer(CodeModule *m, const GemmGradient *g, const Strip *s) {
  Block b = outer_block(m, g, s);
  int64_t step = b.vectors * s->lanes, whole = s->columns / step * step, rest = s->columns - whole;
  transpose(m, g, s);
  if (whole) {
    EmitLoop c = emit_loop(m, "panels", emit_index(m, s->first), emit_index(m, s->first + whole), step, NULL, 0);
    emit_rows(m, g, s, b, c.index);
    emit_loop_end(m, &c, NULL);
  }
  if (!rest) return;
  b.vectors = (unsigned)((rest + s->lanes - 1) / s->lanes);
  b.last_lanes = (unsigned)(rest - (int64_t)(b.vectors - 1) * s->lanes);
  emit_rows(m, g, s, b, emit_index(m, s->first + whole));
}

// ---- dot products along the lanes

static LLVMTypeRef lanes_of(CodeModule *m, bool f64) { return f64 ? m->v16f64 : m->v16f32; }

// Lanes of events event..event+15 that count.
static LLVMValueRef valid_lanes(CodeModule *m, LLVMValueRef event, LLVMValueRef valid) {
  LLVMValueRef lanes[CODE_LANES];
  for (unsigned i = 0; i < CODE_LANES; i++) lanes[i] = LLVMConstInt(m->i32, i, false);
  LLVMValueRef left = LLVMBuildTrunc(m->builder, LLVMBuildSub(m->builder, valid, event, ""), m->i32, "");
  LLVMValueRef all = emit_splat(m, m->v16i32, left);
  return LLVMBuildICmp(m->builder, LLVMIntSLT, LLVMConstVector(lanes, CODE_LANES), all, "");
}

static LLVMValueRef load_valid(CodeModule *m, LLVMTypeRef type, LLVMValueRef from, LLVMValueRef mask) {
  LLVMValueRef x = emit_load(m, type, from);
  return mask ? LLVMBuildSelect(m->builder, mask, x, LLVMConstNull(type), "") : x;
}

// One step of the tree: in a and b, each group of `size` lanes holds one sum in pieces; halves of groups are added.
static LLVMValueRef halve(CodeModule *m, LLVMValueRef a, LLVMValueRef b, unsigned size) {
  unsigned low[CODE_LANES], high[CODE_LANES], n = CODE_LANES;
  for (unsigned i = 0; i < n; i++) {
    unsigned group = i / (size / 2);
    low[i] = group * size + i % (size / 2);
    high[i] = low[i] + size / 2;
  }
  return LLVMBuildFAdd(m->builder, emit_shuffle(m, a, b, low, n), emit_shuffle(m, a, b, high, n), "");
}

// Sums across the lanes of n <= 16 vectors: lane i of the result is the sum of vector i, as
// ((l0 + l8) + (l4 + l12)) + ... : halves, quarters, eighths, sixteenths.
static LLVMValueRef sums_across(CodeModule *m, LLVMValueRef *vectors, unsigned n) {
  LLVMValueRef work[DOTS];
  for (unsigned i = 0; i < n; i++) work[i] = vectors[i];
  for (unsigned size = CODE_LANES; size > 1; size /= 2) {
    for (unsigned i = 0; i < n; i += 2) work[i / 2] = halve(m, work[i], i + 1 < n ? work[i + 1] : LLVMGetPoison(LLVMTypeOf(work[i])), size);
    n = (n + 1) / 2;
  }
  return work[0];
}

typedef struct DotBlock {
  LLVMTypeRef type, element;
  LLVMValueRef a, b; // first rows; b NULL: sums of a
  unsigned rows, columns;
} DotBlock;

// Terms of all dot products for events from..to, 16 a turn; mask: of the lanes that count may be fewer.
static void emit_dot_terms(CodeModule *m, const GemmGradient *g, const DotBlock *d, LLVMValueRef from, LLVMValueRef to, bool mask, LLVMValueRef *sums) {
  LLVMValueRef next[DOTS], bs[DOTS] = {0};
  EmitLoop t = emit_loop(m, "events", from, to, CODE_LANES, sums, d->rows * d->columns);
  LLVMValueRef lanes = mask ? valid_lanes(m, t.index, g->valid) : NULL;
  for (unsigned c = 0; d->b && c < d->columns; c++)
    bs[c] = load_valid(m, d->type, emit_at2(m, d->element, d->b, t.index, g->b_rows, emit_index(m, c * g->b_stride)), lanes);
  for (unsigned r = 0; r < d->rows; r++) {
    LLVMValueRef x = load_valid(m, d->type, emit_at2(m, d->element, d->a, t.index, g->a_rows, emit_index(m, r * g->a_stride)), lanes);
    for (unsigned c = 0; c < d->columns; c++) {
      LLVMValueRef sum = t.carried[r * d->columns + c];
      next[r * d->columns + c] = d->b ? emit_fma(m, x, bs[c], sum) : LLVMBuildFAdd(m->builder, sum, x, "");
    }
  }
  emit_loop_end(m, &t, next);
  for (unsigned i = 0; i < t.n; i++) sums[i] = t.carried[i];
}

// D[row + r][column + c] for rows x columns <= DOTS.
static void emit_dot_block(CodeModule *m, const GemmGradient *g, LLVMValueRef row, unsigned rows, LLVMValueRef column, unsigned columns) {
  LLVMTypeRef type = lanes_of(m, g->f64), element = emit_element(type);
  LLVMValueRef sums[DOTS], whole = LLVMBuildAnd(m->builder, g->valid, emit_index(m, -CODE_LANES), "");
  for (unsigned i = 0; i < rows * columns; i++) sums[i] = LLVMConstNull(type);
  DotBlock block = {type, element, emit_at2(m, element, g->a, row, g->a_stride, NULL), g->b ? emit_at2(m, element, g->b, column, g->b_stride, NULL) : NULL,
                    rows, columns};
  emit_dot_terms(m, g, &block, emit_index(m, 0), whole, false, sums);
  emit_dot_terms(m, g, &block, whole, g->valid, true, sums);
  LLVMValueRef all = sums_across(m, sums, rows * columns);
  LLVMValueRef d = emit_at2(m, element, g->d, row, g->d_stride, column);
  for (unsigned i = 0; i < rows * columns; i++) {
    LLVMValueRef to = emit_at(m, element, d, emit_index(m, i / columns * g->d_stride + i % columns));
    LLVMValueRef sum = LLVMBuildExtractElement(m->builder, all, emit_index(m, i), "");
    LLVMValueRef total = LLVMBuildFAdd(m->builder, sum, emit_load(m, element, to), "");
    emit_store(m, g->add ? LLVMBuildSelect(m->builder, g->add, total, sum, "") : total, to);
  }
}

static void emit_dot_rows(CodeModule *m, const GemmGradient *g, unsigned step, LLVMValueRef column, unsigned columns) {
  int64_t whole = g->rows / step * step;
  if (whole) {
    EmitLoop r = emit_loop(m, "rows", emit_index(m, 0), emit_index(m, whole), step, NULL, 0);
    emit_dot_block(m, g, r.index, step, column, columns);
    emit_loop_end(m, &r, NULL);
  }
  if (g->rows > whole) emit_dot_block(m, g, emit_index(m, whole), (unsigned)(g->rows - whole), column, columns);
}

// Dot products at a time: all their sums are in registers. An element's chain and tree are the same for any number.
static int64_t dots_at_once(const CodeModule *m, const GemmGradient *g) { return m->target->vector_bits == 512 ? DOTS : g->f64 ? 3 : 6; }

static void emit_dots(CodeModule *m, const GemmGradient *g, int64_t first, int64_t columns) {
  int64_t dots = dots_at_once(m, g), square = dots >= DOTS ? 4 : 2, rows = g->rows < square ? g->rows : columns < square ? dots / columns : square;
  if (rows > g->rows) rows = g->rows;
  int64_t step = dots / rows;
  int64_t whole = columns / step * step;
  if (whole) {
    EmitLoop c = emit_loop(m, "columns", emit_index(m, first), emit_index(m, first + whole), step, NULL, 0);
    emit_dot_rows(m, g, (unsigned)rows, c.index, (unsigned)step);
    emit_loop_end(m, &c, NULL);
  }
  if (columns > whole) emit_dot_rows(m, g, (unsigned)rows, emit_index(m, first + whole), (unsigned)(columns - whole));
}

void gemm_gradient_emit(CodeModule *m, const GemmGradient *g) {
  Shape s = shape_of(g);
  if (g->rows < 1 || g->columns < 1 || g->tile % CODE_LANES) ir_fail("a gradient of %ld x %ld", (long)g->rows, (long)g->columns);
  Strip whole = strip_of(m, g, whole_lanes(g), 0, s.whole), half = strip_of(m, g, whole_lanes(g) / 2, s.whole, s.half);
  if (s.whole) emit_outer(m, g, &whole);
  if (s.half) emit_outer(m, g, &half);
  if (s.dots) emit_dots(m, g, s.whole, s.dots);
}
