#include "compiler/codegen/gemm.h"
#include "compiler/codegen/squares.h"

#include <stdio.h>
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

typedef struct Turn { // of rows of B, as many as a vector has lanes: which function
  const GemmGradient *g;
  const Strip *strip;
  bool fewer; // the last row may be among them: it stands for those behind it, in lanes that nobody stores
} Turn;

enum { TURN_FROM, TURN_TO, TURN_VALID, TURN_OTHER_ROWS, TURN_LAST, TURN_ARGUMENTS }; // OTHER_ROWS: of B, but for one

// Where an event lies in the first row of an array.
static LLVMValueRef event_of(CodeModule *m, LLVMValueRef other_rows, LLVMValueRef event) {
  LLVMValueRef panel = LLVMBuildAnd(m->builder, event, emit_index(m, -CODE_LANES), "");
  return LLVMBuildNSWAdd(m->builder, event, LLVMBuildNSWMul(m->builder, panel, other_rows, ""), "");
}

static LLVMValueRef turn_row(CodeModule *m, const Turn *t, const LLVMValueRef *x, LLVMValueRef from, unsigned i) {
  if (!t->fewer) return emit_at(m, t->strip->element, from, emit_index(m, i * t->g->b_stride));
  LLVMValueRef row = emit_index(m, i), there = LLVMBuildICmp(m->builder, LLVMIntSLT, row, x[TURN_LAST], "");
  return emit_at2(m, t->strip->element, from, LLVMBuildSelect(m->builder, there, row, x[TURN_LAST], ""), t->g->b_stride, NULL);
}

// All events that count, a square of them at a time.
static void turn_rows(CodeModule *m, const void *data, const LLVMValueRef *x) {
  const Turn *t = data;
  const Strip *s = t->strip;
  EmitLoop events = emit_loop(m, "transpose", emit_index(m, 0), x[TURN_VALID], s->lanes, NULL, 0);
  LLVMValueRef rows[16], from = emit_at(m, s->element, x[TURN_FROM], event_of(m, x[TURN_OTHER_ROWS], events.index));
  for (unsigned i = 0; i < s->lanes && !t->fewer; i++) emit_prefetch(m, turn_row(m, t, x, from, s->lanes + i), false);
  for (unsigned i = 0; i < s->lanes; i++) rows[i] = emit_load(m, s->vector, turn_row(m, t, x, from, i));
  if (s->lanes < whole_lanes(t->g)) square_transpose_half(m, rows, s->lanes);
  else square_transpose(m, rows, s->lanes);
  LLVMValueRef to = emit_at2(m, s->element, x[TURN_TO], events.index, s->lanes, NULL);
  for (unsigned i = 0; i < s->lanes; i++) emit_store(m, rows[i], emit_at(m, s->element, to, emit_index(m, i * s->lanes)));
  emit_loop_end(m, &events, NULL);
}

// `count` rows of B from row `first` on.
static void transpose_rows(CodeModule *m, const GemmGradient *g, const Strip *s, LLVMValueRef first, int64_t count) {
  char name[64];
  Turn turn = {g, s, count < s->lanes};
  snprintf(name, sizeof name, "turn_%s_%u_%lld%s", g->f64 ? "f64" : "f32", s->lanes, (long long)g->b_stride, turn.fewer ? "_fewer" : "");
  emit_call(m, name, turn_rows, &turn,
            (LLVMValueRef[]){[TURN_FROM] = emit_at2(m, s->element, g->b, first, g->b_stride, NULL),
                             [TURN_TO] = emit_at2(m, s->element, g->scratch, first, g->tile, NULL),
                             [TURN_VALID] = g->valid,
                             [TURN_OTHER_ROWS] = emit_index(m, g->b_rows - 1),
                             [TURN_LAST] = emit_index(m, count - 1)},
            TURN_ARGUMENTS);
}

static void transpose(CodeModule *m, const GemmGradient *g, const Strip *s) {
  int64_t whole = s->columns / s->lanes * s->lanes;
  if (whole) {
    EmitLoop c = emit_loop(m, "columns", emit_index(m, s->first), emit_index(m, s->first + whole), s->lanes, NULL, 0);
    transpose_rows(m, g, s, c.index, s->lanes);
    emit_loop_end(m, &c, NULL);
  }
  if (s->columns > whole) transpose_rows(m, g, s, emit_index(m, s->first + whole), s->columns - whole);
}

// ---- outer products

static LLVMValueRef add_of(CodeModule *m, const GemmGradient *g) { return g->add ? g->add : LLVMConstInt(m->i1, true, false); }

static LLVMValueRef masked(CodeModule *m, const char *name, LLVMTypeRef type, LLVMValueRef *arguments, unsigned n) {
  LLVMTypeRef types[] = {type, m->pointer};
  LLVMValueRef f = LLVMGetIntrinsicDeclaration(m->module, LLVMLookupIntrinsicID(name, strlen(name)), types, 2);
  return LLVMBuildCall2(m->builder, LLVMGlobalGetValueType(f), f, arguments, n, "");
}

typedef struct Block { // of D: which function
  const GemmGradient *g;
  const Strip *strip;
  unsigned vectors, rows;
} Block;

// LAST: lanes that count in the last vector.
enum { BLOCK_A, BLOCK_TURNED, BLOCK_D, BLOCK_VALID, BLOCK_PANEL, BLOCK_D_STRIDE, BLOCK_LAST, BLOCK_ADD, BLOCK_ARGUMENTS };

// Adds to D, or stores over it; mask: only some lanes, NULL: all.
static void finish_vector(CodeModule *m, const Strip *s, LLVMValueRef sum, LLVMValueRef to, LLVMValueRef add, LLVMValueRef mask) {
  LLVMValueRef bytes = LLVMConstInt(m->i32, emit_is_f64(s->vector) ? 8 : 4, false), old;
  if (mask) old = masked(m, "llvm.masked.load", s->vector, (LLVMValueRef[]){to, bytes, mask, LLVMConstNull(s->vector)}, 4);
  else old = emit_load(m, s->vector, to);
  LLVMValueRef total = LLVMBuildSelect(m->builder, add, LLVMBuildFAdd(m->builder, sum, old, ""), sum, "");
  if (mask) masked(m, "llvm.masked.store", s->vector, (LLVMValueRef[]){total, to, bytes, mask}, 4);
  else emit_store(m, total, to);
}

// Vectors first..end-1 of each row.
static void finish_rows(CodeModule *m, const Block *b, const LLVMValueRef *x, const LLVMValueRef *sums, unsigned first, unsigned end, LLVMValueRef mask) {
  const Strip *s = b->strip;
  LLVMValueRef d = x[BLOCK_D];
  for (unsigned r = 0; r < b->rows; r++, d = emit_at(m, s->element, d, x[BLOCK_D_STRIDE]))
    for (unsigned v = first; v < end; v++)
      finish_vector(m, s, sums[r * b->vectors + v], emit_at(m, s->element, d, emit_index(m, v * s->lanes)), x[BLOCK_ADD], mask);
}

static LLVMValueRef first_lanes(CodeModule *m, const Strip *s, LLVMValueRef n) {
  LLVMTypeRef type = emit_int_like(m, s->vector), element = LLVMGetElementType(type);
  LLVMValueRef lanes[16], end = element == m->i64 ? n : LLVMBuildTrunc(m->builder, n, element, "");
  for (unsigned i = 0; i < s->lanes; i++) lanes[i] = LLVMConstInt(element, i, false);
  return LLVMBuildICmp(m->builder, LLVMIntSLT, LLVMConstVector(lanes, s->lanes), emit_splat(m, type, end), "");
}

// Where the last vectors are whole nothing is masked: that costs more than the arithmetic of a short block.
static void finish_block(CodeModule *m, const Block *b, const LLVMValueRef *x, const LLVMValueRef *sums) {
  LLVMValueRef lanes = emit_index(m, b->strip->lanes);
  unsigned last = b->vectors - 1;
  finish_rows(m, b, x, sums, 0, last, NULL);
  EmitIf whole = emit_if(m, "whole", LLVMBuildICmp(m->builder, LLVMIntEQ, x[BLOCK_LAST], lanes, ""));
  finish_rows(m, b, x, sums, last, b->vectors, NULL);
  emit_end_if(m, whole);
  EmitIf fewer = emit_if(m, "fewer", LLVMBuildICmp(m->builder, LLVMIntSLT, x[BLOCK_LAST], lanes, ""));
  finish_rows(m, b, x, sums, last, b->vectors, first_lanes(m, b->strip, x[BLOCK_LAST]));
  emit_end_if(m, fewer);
}

// One event's term of all chains: its number of A's rows from a, of B's columns from turned.
static void emit_term(CodeModule *m, const Block *b, LLVMValueRef a, LLVMValueRef turned, LLVMValueRef *sums) {
  const Strip *s = b->strip;
  LLVMValueRef bs[MAX_VECTORS];
  for (unsigned v = 0; v < b->vectors; v++) bs[v] = emit_load(m, s->vector, emit_at(m, s->element, turned, emit_index(m, v * s->lanes * b->g->tile)));
  for (unsigned r = 0; r < b->rows; r++) {
    LLVMValueRef x = emit_broadcast(m, s->vector, emit_at(m, s->element, a, emit_index(m, r * b->g->a_stride)));
    for (unsigned v = 0; v < b->vectors; v++) sums[r * b->vectors + v] = emit_fma(m, x, bs[v], sums[r * b->vectors + v]);
  }
}

// Terms of n events from here on, `turn` in each turn of the loop. carried: sums, then a and turned.
static void emit_events(CodeModule *m, const Block *b, LLVMValueRef n, int64_t turn, LLVMValueRef *carried) {
  const Strip *s = b->strip;
  unsigned sums = b->rows * b->vectors;
  EmitLoop t = emit_loop(m, "events", emit_index(m, 0), n, turn, carried, sums + 2);
  LLVMValueRef now[EMIT_CARRIED];
  memcpy(now, t.carried, t.n * sizeof *now);
  LLVMValueRef a = now[sums], turned = now[sums + 1];
  for (int64_t i = 0; i < turn; i++)
    emit_term(m, b, emit_at(m, s->element, a, emit_index(m, i)), emit_at(m, s->element, turned, emit_index(m, i * s->lanes)), now);
  now[sums] = emit_at(m, s->element, a, emit_index(m, turn));
  now[sums + 1] = emit_at(m, s->element, turned, emit_index(m, turn * s->lanes));
  emit_loop_end(m, &t, now);
  memcpy(carried, t.carried, t.n * sizeof *carried);
}

// All valid events: whole panels, then the rest. In each panel the rows of the next block are asked for.
static void emit_chains(CodeModule *m, const Block *b, const LLVMValueRef *x, LLVMValueRef *sums) {
  unsigned n = b->rows * b->vectors;
  LLVMTypeRef element = b->strip->element;
  LLVMValueRef now[EMIT_CARRIED], whole = LLVMBuildAnd(m->builder, x[BLOCK_VALID], emit_index(m, -CODE_LANES), "");
  memcpy(now, sums, n * sizeof *now);
  now[n] = x[BLOCK_A], now[n + 1] = x[BLOCK_TURNED];
  EmitLoop p = emit_loop(m, "panels", emit_index(m, 0), whole, CODE_LANES, now, n + 2);
  memcpy(now, p.carried, p.n * sizeof *now);
  for (int64_t r = 0; r < b->rows; r++)
    for (int64_t i = 0; i < CODE_LANES; i += 64 / (b->g->f64 ? 8 : 4))
      emit_prefetch(m, emit_at(m, element, now[n], emit_index(m, (b->rows + r) * b->g->a_stride + i)), false);
  emit_events(m, b, emit_index(m, CODE_LANES), m->target->vector_bits < 512 ? 4 : 1, now); // as in products: fewer turns for small blocks
  now[n] = emit_at(m, element, now[n], x[BLOCK_PANEL]);
  emit_loop_end(m, &p, now);
  memcpy(now, p.carried, p.n * sizeof *now);
  emit_events(m, b, LLVMBuildSub(m->builder, x[BLOCK_VALID], whole, ""), 1, now);
  memcpy(sums, now, n * sizeof *sums);
}

// The lines of D from this row on, to which a later block adds: strided, so no machine foresees them. Where a vector lies in two lines,
// the columns before had the first.
static void ask_for_row(CodeModule *m, const Block *b, LLVMValueRef d) {
  const Strip *s = b->strip;
  for (unsigned v = 1; v <= b->vectors; v++) emit_prefetch(m, emit_at(m, s->element, d, emit_index(m, v * s->lanes - 1)), true);
}

static void block_body(CodeModule *m, const void *data, const LLVMValueRef *x) {
  const Block *b = data;
  LLVMTypeRef element = b->strip->element;
  LLVMValueRef sums[EMIT_CARRIED], further = LLVMBuildNSWMul(m->builder, x[BLOCK_D_STRIDE], emit_index(m, D_AHEAD * b->rows), "");
  for (unsigned i = 0; i < b->rows * b->vectors; i++) sums[i] = LLVMConstNull(b->strip->vector);
  LLVMValueRef d = emit_at(m, element, x[BLOCK_D], further);
  for (unsigned r = 0; r < b->rows; r++, d = emit_at(m, element, d, x[BLOCK_D_STRIDE])) ask_for_row(m, b, d);
  emit_chains(m, b, x, sums);
  finish_block(m, b, x, sums);
}

static void emit_block(CodeModule *m, const Block *b, LLVMValueRef row, LLVMValueRef column, unsigned last_lanes) {
  const GemmGradient *g = b->g;
  LLVMTypeRef element = b->strip->element;
  char name[96];
  snprintf(name, sizeof name, "gradient_%s_%u_%ux%u_%lld_%lld", g->f64 ? "f64" : "f32", b->strip->lanes, b->rows, b->vectors, (long long)g->a_stride,
           (long long)(b->vectors > 1 ? g->tile : 0));
  emit_call(m, name, block_body, b,
            (LLVMValueRef[]){[BLOCK_A] = emit_at2(m, element, g->a, row, g->a_stride, NULL),
                             [BLOCK_TURNED] = emit_at2(m, element, g->scratch, column, g->tile, NULL),
                             [BLOCK_D] = emit_at2(m, element, g->d, row, g->d_stride, column),
                             [BLOCK_VALID] = g->valid,
                             [BLOCK_PANEL] = emit_index(m, (g->a_rows - 1) * CODE_LANES),
                             [BLOCK_D_STRIDE] = emit_index(m, g->d_stride),
                             [BLOCK_LAST] = emit_index(m, last_lanes),
                             [BLOCK_ADD] = add_of(m, g)},
            BLOCK_ARGUMENTS);
}

static void emit_rows(CodeModule *m, Block b, LLVMValueRef column, unsigned last_lanes) {
  const GemmGradient *g = b.g;
  int64_t blocks = (g->rows + b.rows - 1) / b.rows;
  b.rows = (unsigned)((g->rows + blocks - 1) / blocks);
  int64_t whole = g->rows / b.rows * b.rows;
  EmitLoop first = emit_loop(m, "ask", emit_index(m, 0), emit_index(m, D_AHEAD * b.rows), 1, NULL, 0);
  ask_for_row(m, &b, emit_at2(m, b.strip->element, g->d, first.index, g->d_stride, column));
  emit_loop_end(m, &first, NULL);
  EmitLoop r = emit_loop(m, "rows", emit_index(m, 0), emit_index(m, whole), b.rows, NULL, 0);
  emit_block(m, &b, r.index, column, last_lanes);
  emit_loop_end(m, &r, NULL);
  b.rows = (unsigned)(g->rows - whole);
  if (b.rows) emit_block(m, &b, emit_index(m, whole), column, last_lanes);
}

// Accumulators, a vector of columns and one broadcast stay in registers.
static Block outer_block(const CodeModule *m, const GemmGradient *g, const Strip *s) {
  bool wide = m->target->vector_bits == 512;
  if (g->block_vectors) return (Block){g, s, g->block_vectors, g->block_rows};
  if (s->lanes < whole_lanes(g)) return (Block){g, s, 1, 12};
  if (wide) return g->rows <= 6 ? (Block){g, s, 4, 6} : (Block){g, s, 2, 12};
  return (Block){g, s, 1, 6};
}

static void emit_outer(CodeModule *m, const GemmGradient *g, const Strip *s) {
  Block b = outer_block(m, g, s);
  int64_t step = b.vectors * s->lanes, whole = s->columns / step * step, rest = s->columns - whole;
  transpose(m, g, s);
  if (whole) {
    EmitLoop c = emit_loop(m, "panels", emit_index(m, s->first), emit_index(m, s->first + whole), step, NULL, 0);
    emit_rows(m, b, c.index, s->lanes);
    emit_loop_end(m, &c, NULL);
  }
  if (!rest) return;
  b.vectors = (unsigned)((rest + s->lanes - 1) / s->lanes);
  emit_rows(m, b, emit_index(m, s->first + whole), (unsigned)(rest - (int64_t)(b.vectors - 1) * s->lanes));
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

typedef struct Dots { // a block of them: which function
  const GemmGradient *g;
  LLVMTypeRef type, element;
  unsigned rows, columns; // rows x columns <= DOTS
} Dots;

enum { DOTS_A, DOTS_B, DOTS_D, DOTS_VALID, DOTS_A_ROWS, DOTS_B_ROWS, DOTS_D_STRIDE, DOTS_ADD, DOTS_ARGUMENTS }; // B: A's once more where there is none

// Terms of all dot products for events from..to, 16 a turn; mask: of the lanes that count may be fewer.
static void emit_dot_terms(CodeModule *m, const Dots *d, const LLVMValueRef *x, LLVMValueRef from, LLVMValueRef to, bool mask, LLVMValueRef *sums) {
  LLVMValueRef next[DOTS], bs[DOTS] = {0};
  EmitLoop t = emit_loop(m, "events", from, to, CODE_LANES, sums, d->rows * d->columns);
  LLVMValueRef lanes = mask ? valid_lanes(m, t.index, x[DOTS_VALID]) : NULL;
  LLVMValueRef a = emit_at(m, d->element, x[DOTS_A], LLVMBuildNSWMul(m->builder, t.index, x[DOTS_A_ROWS], ""));
  LLVMValueRef b = emit_at(m, d->element, x[DOTS_B], LLVMBuildNSWMul(m->builder, t.index, x[DOTS_B_ROWS], ""));
  for (unsigned c = 0; d->g->b && c < d->columns; c++) bs[c] = load_valid(m, d->type, emit_at(m, d->element, b, emit_index(m, c * d->g->b_stride)), lanes);
  for (unsigned r = 0; r < d->rows; r++) {
    LLVMValueRef row = load_valid(m, d->type, emit_at(m, d->element, a, emit_index(m, r * d->g->a_stride)), lanes);
    for (unsigned c = 0; c < d->columns; c++) {
      LLVMValueRef sum = t.carried[r * d->columns + c];
      next[r * d->columns + c] = d->g->b ? emit_fma(m, row, bs[c], sum) : LLVMBuildFAdd(m->builder, sum, row, "");
    }
  }
  emit_loop_end(m, &t, next);
  for (unsigned i = 0; i < t.n; i++) sums[i] = t.carried[i];
}

static void dots_body(CodeModule *m, const void *data, const LLVMValueRef *x) {
  const Dots *d = data;
  LLVMValueRef sums[DOTS], whole = LLVMBuildAnd(m->builder, x[DOTS_VALID], emit_index(m, -CODE_LANES), "");
  for (unsigned i = 0; i < d->rows * d->columns; i++) sums[i] = LLVMConstNull(d->type);
  emit_dot_terms(m, d, x, emit_index(m, 0), whole, false, sums);
  emit_dot_terms(m, d, x, whole, x[DOTS_VALID], true, sums);
  LLVMValueRef all = sums_across(m, sums, d->rows * d->columns), row = x[DOTS_D];
  for (unsigned i = 0; i < d->rows * d->columns; i++) {
    if (i > 0 && i % d->columns == 0) row = emit_at(m, d->element, row, x[DOTS_D_STRIDE]);
    LLVMValueRef to = emit_at(m, d->element, row, emit_index(m, i % d->columns));
    LLVMValueRef sum = LLVMBuildExtractElement(m->builder, all, emit_index(m, i), "");
    LLVMValueRef total = LLVMBuildFAdd(m->builder, sum, emit_load(m, d->element, to), "");
    emit_store(m, LLVMBuildSelect(m->builder, x[DOTS_ADD], total, sum, ""), to);
  }
}

// D[row + r][column + c].
static void emit_dot_block(CodeModule *m, const GemmGradient *g, LLVMValueRef row, unsigned rows, LLVMValueRef column, unsigned columns) {
  LLVMTypeRef type = lanes_of(m, g->f64), element = emit_element(type);
  Dots dots = {g, type, element, rows, columns};
  char name[96];
  snprintf(name, sizeof name, "%s_%s_%ux%u_%lld_%lld", g->b ? "dots" : "sums", g->f64 ? "f64" : "f32", rows, columns, (long long)g->a_stride,
           (long long)(g->b ? g->b_stride : 0));
  LLVMValueRef a = emit_at2(m, element, g->a, row, g->a_stride, NULL);
  emit_call(m, name, dots_body, &dots,
            (LLVMValueRef[]){[DOTS_A] = a,
                             [DOTS_B] = g->b ? emit_at2(m, element, g->b, column, g->b_stride, NULL) : a,
                             [DOTS_D] = emit_at2(m, element, g->d, row, g->d_stride, column),
                             [DOTS_VALID] = g->valid,
                             [DOTS_A_ROWS] = emit_index(m, g->a_rows),
                             [DOTS_B_ROWS] = emit_index(m, g->b_rows),
                             [DOTS_D_STRIDE] = emit_index(m, g->d_stride),
                             [DOTS_ADD] = add_of(m, g)},
            DOTS_ARGUMENTS);
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
