#include "compiler/codegen/gemm.h"
#include "compiler/codegen/squares.h"

#include <stdio.h>
#include <string.h>

#include "compiler/ir/ir.h"

// Weight gradient. Lanes over events would need a sum across lanes for every element of D, so one operand is turned:
// some columns of B are transposed in squares into scratch, [vector][event][lane], and D grows by outer products: per event, one
// vector load a column vector and one broadcast a row of A, accumulators in registers over the whole tile.
// Columns left over go into one more vector, or into one of half the width (locally connected layers have 6 or 8 columns).
// What is too narrow for that (few rows, very few columns) is dot products along the lanes, several at a time, so that their
// sums across lanes share one tree.

enum { MAX_VECTORS = 8, DOT_ROWS = 6, DOTS = 16, D_AHEAD = 2 };

typedef struct Shape { // columns by outer products in whole vectors, then in one of half the width, then by dot products
  int64_t whole, half, dots;
} Shape;

static unsigned whole_lanes(const GemmGradient *g) { return g->f64 ? 8 : 16; } // 512 bits

static Shape shape_of(const GemmGradient *g) {
  int64_t lanes = whole_lanes(g), rest = g->columns % lanes;
  if (g->rows <= DOT_ROWS) return (Shape){.dots = g->columns};
  if (rest > lanes / 2) return (Shape){.whole = g->columns};
  if (rest > 2) return (Shape){.whole = g->columns - rest, .half = rest};
  return (Shape){.whole = g->columns - rest, .dots = rest};
}

// ---- bands: the columns that a row of blocks covers

typedef struct Band { // and which blocks: all that the code of one depends on
  const GemmGradient *g;
  LLVMTypeRef element;
  unsigned lanes;                                     // from one vector to the next, in D's columns and in scratch
  unsigned n, width[MAX_VECTORS], count[MAX_VECTORS]; // vectors: their lanes, and how many of those are columns
  unsigned rows, terms;                               // of a block; of its chains in a turn
} Band;

static LLVMTypeRef vector_of(const Band *b, unsigned v) { return LLVMVectorType(b->element, b->width[v]); }

// Accumulators, the vectors of one event and one broadcast stay in registers.
static unsigned rows_of(const CodeModule *m, const Band *b) {
  enum { MOST = 12 };
  unsigned bits = b->g->f64 ? 64 : 32, vectors = 0, accumulators = m->target->vector_bits == 512 ? 24 : 12;
  for (unsigned v = 0; v < b->n; v++) vectors += (b->width[v] * bits + m->target->vector_bits - 1) / m->target->vector_bits;
  return b->g->block_rows ? b->g->block_rows : accumulators / vectors < MOST ? accumulators / vectors : MOST;
}

// So many whole vectors, of which the last has so many columns, then `half` columns in one of half the width.
static Band band_of(const CodeModule *m, const GemmGradient *g, unsigned whole, unsigned last, unsigned half) {
  unsigned lanes = whole_lanes(g);
  Band b = {.g = g, .element = g->f64 ? m->f64 : m->f32, .lanes = lanes};
  for (; b.n < whole; b.n++) b.width[b.n] = lanes, b.count[b.n] = b.n + 1 < whole ? lanes : last;
  if (half) b.width[b.n] = lanes / 2, b.count[b.n++] = half;
  b.rows = rows_of(m, &b);
  return b;
}

static int64_t band_vectors(const GemmGradient *g) { return g->block_vectors ? g->block_vectors : 2; }

int64_t gemm_gradient_scratch(const GemmGradient *g) {
  Shape s = shape_of(g);
  int64_t lanes = whole_lanes(g), vectors = (s.whole + lanes - 1) / lanes;
  if (vectors > band_vectors(g)) vectors = band_vectors(g);
  return (vectors + (s.half > 0)) * lanes * g->tile * (g->f64 ? 8 : 4);
}

// ---- transposed squares

typedef struct Turn { // of rows of B, as many as a vector has lanes: which function
  const GemmGradient *g;
  LLVMTypeRef element;
  unsigned width, lanes; // of the vector; from one event to the next
  bool fewer;            // the last row may be among them: it stands for those behind it, in lanes that nobody stores
} Turn;

enum { TURN_FROM, TURN_TO, TURN_VALID, TURN_ROWS, TURN_LAST, TURN_ARGUMENTS }; // ROWS: of B

static LLVMValueRef turn_row(CodeModule *m, const Turn *t, const LLVMValueRef *x, LLVMValueRef from, unsigned i) {
  if (!t->fewer) return emit_at(m, t->element, from, emit_index(m, i * t->g->b_stride));
  LLVMValueRef row = emit_index(m, i), there = LLVMBuildICmp(m->builder, LLVMIntSLT, row, x[TURN_LAST], "");
  return emit_at2(m, t->element, from, LLVMBuildSelect(m->builder, there, row, x[TURN_LAST], ""), t->g->b_stride, NULL);
}

// All events that count, a panel and in it some squares at a time. The rows behind these are asked for meanwhile.
static void turn_rows(CodeModule *m, const void *data, const LLVMValueRef *x) {
  const Turn *t = data;
  unsigned most = square_side(m, t->element), side = most < t->width ? most : t->width;
  EmitLoop panels = emit_loop(m, "transpose", emit_index(m, 0), x[TURN_VALID], CODE_LANES, NULL, 0);
  LLVMValueRef rows[16], from = emit_at(m, t->element, x[TURN_FROM], LLVMBuildNSWMul(m->builder, panels.index, x[TURN_ROWS], ""));
  for (unsigned i = 0; i < t->width && !t->fewer; i++) emit_prefetch(m, turn_row(m, t, x, from, t->width + i), false);
  EmitLoop events = emit_loop(m, "events", emit_index(m, 0), emit_index(m, CODE_LANES), side, NULL, 0);
  LLVMValueRef to = emit_at2(m, t->element, x[TURN_TO], LLVMBuildNSWAdd(m->builder, panels.index, events.index, ""), t->lanes, NULL);
  from = emit_at(m, t->element, from, events.index);
  for (unsigned row = 0; row < t->width; row += side) {
    for (unsigned i = 0; i < side; i++) rows[i] = turn_row(m, t, x, from, row + i);
    square_copy(m, t->element, side, rows, emit_at(m, t->element, to, emit_index(m, row)), t->lanes);
  }
  emit_loop_end(m, &events, NULL);
  emit_loop_end(m, &panels, NULL);
}

static void turn_some(CodeModule *m, const Turn *t, const LLVMValueRef *arguments) {
  char name[64];
  snprintf(name, sizeof name, "turn_%s_%u_%lld%s", t->g->f64 ? "f64" : "f32", t->width, (long long)t->g->b_stride, t->fewer ? "_fewer" : "");
  emit_call(m, name, turn_rows, t, arguments, TURN_ARGUMENTS);
}

static void transpose(CodeModule *m, const Band *b, LLVMValueRef column) {
  const GemmGradient *g = b->g;
  for (unsigned v = 0; v < b->n; v++) {
    turn_some(m, &(Turn){g, b->element, b->width[v], b->lanes, b->count[v] < b->width[v]},
              (LLVMValueRef[]){[TURN_FROM] = emit_at2(m, b->element, g->b, emit_plus(m, column, v * b->lanes), g->b_stride, NULL),
                               [TURN_TO] = emit_at(m, b->element, g->scratch, emit_index(m, v * b->lanes * g->tile)),
                               [TURN_VALID] = g->valid,
                               [TURN_ROWS] = emit_index(m, g->b_rows),
                               [TURN_LAST] = emit_index(m, (int64_t)b->count[v] - 1)});
  }
}

// ---- outer products

static LLVMValueRef add_of(CodeModule *m, const GemmGradient *g) { return g->add ? g->add : LLVMConstInt(m->i1, true, false); }

static LLVMValueRef masked_load(CodeModule *m, LLVMTypeRef type, LLVMValueRef from, unsigned count) {
  static const char name[] = "llvm.masked.load";
  LLVMValueRef bits[16];
  for (unsigned i = 0; i < emit_lanes(type); i++) bits[i] = LLVMConstInt(m->i1, i < count, false);
  LLVMTypeRef types[] = {type, m->pointer};
  LLVMValueRef f = LLVMGetIntrinsicDeclaration(m->module, LLVMLookupIntrinsicID(name, strlen(name)), types, 2);
  LLVMValueRef bytes = LLVMConstInt(m->i32, emit_is_f64(type) ? 8 : 4, false);
  LLVMValueRef arguments[] = {from, bytes, LLVMConstVector(bits, emit_lanes(type)), LLVMConstNull(type)};
  return LLVMBuildCall2(m->builder, LLVMGlobalGetValueType(f), f, arguments, 4, "");
}

// The first `count` lanes, in pieces of powers of two: masked stores are slow on many machines.
static void store_first(CodeModule *m, LLVMValueRef x, LLVMValueRef to, unsigned count) {
  unsigned lanes = emit_lanes(LLVMTypeOf(x));
  for (unsigned size = lanes, from = 0; size >= 1; size /= 2) {
    unsigned pick[16];
    if (!(count & size)) continue;
    for (unsigned i = 0; i < size; i++) pick[i] = from + i;
    LLVMValueRef piece = size == lanes ? x : emit_shuffle(m, x, LLVMGetPoison(LLVMTypeOf(x)), pick, size);
    emit_store(m, piece, emit_at(m, emit_element(LLVMTypeOf(x)), to, emit_index(m, from)));
    from += size;
  }
}

// Adds the first `count` lanes to D, or stores them over it.
static void finish_vector(CodeModule *m, LLVMValueRef sum, LLVMValueRef to, LLVMValueRef add, unsigned count) {
  LLVMTypeRef type = LLVMTypeOf(sum);
  LLVMValueRef old = count < emit_lanes(type) ? masked_load(m, type, to, count) : emit_load(m, type, to);
  store_first(m, LLVMBuildSelect(m->builder, add, LLVMBuildFAdd(m->builder, sum, old, ""), sum, ""), to, count);
}

static void finish_number(CodeModule *m, LLVMValueRef sum, LLVMValueRef to, LLVMValueRef add) {
  LLVMValueRef total = LLVMBuildFAdd(m->builder, sum, emit_load(m, LLVMTypeOf(sum), to), "");
  emit_store(m, LLVMBuildSelect(m->builder, add, total, sum, ""), to);
}

// One event's term of all chains: its number of A's rows from a, of B's columns from turned.
static void emit_term(CodeModule *m, const Band *b, LLVMValueRef a, LLVMValueRef turned, LLVMValueRef *sums) {
  unsigned low[16];
  for (unsigned i = 0; i < 16; i++) low[i] = i;
  LLVMValueRef bs[MAX_VECTORS];
  for (unsigned v = 0; v < b->n; v++) bs[v] = emit_load(m, vector_of(b, v), emit_at(m, b->element, turned, emit_index(m, v * b->lanes * b->g->tile)));
  for (unsigned r = 0; r < b->rows; r++) {
    LLVMValueRef x = emit_broadcast(m, vector_of(b, 0), emit_at(m, b->element, a, emit_index(m, r * b->g->a_stride)));
    for (unsigned v = 0; v < b->n; v++) {
      LLVMValueRef some = b->width[v] == b->width[0] ? x : emit_shuffle(m, x, LLVMGetPoison(LLVMTypeOf(x)), low, b->width[v]);
      sums[r * b->n + v] = emit_fma(m, some, bs[v], sums[r * b->n + v]);
    }
  }
}

// Terms of n events from here on, `turn` in each turn of the loop. carried: sums, then a and turned.
static void emit_events(CodeModule *m, const Band *b, LLVMValueRef n, int64_t turn, LLVMValueRef *carried) {
  unsigned sums = b->rows * b->n;
  EmitLoop t = emit_loop(m, "events", emit_index(m, 0), n, turn, carried, sums + 2);
  LLVMValueRef now[EMIT_CARRIED];
  memcpy(now, t.carried, t.n * sizeof *now);
  LLVMValueRef a = now[sums], turned = now[sums + 1];
  for (int64_t i = 0; i < turn; i++)
    emit_term(m, b, emit_at(m, b->element, a, emit_index(m, i)), emit_at(m, b->element, turned, emit_index(m, i * b->lanes)), now);
  now[sums] = emit_at(m, b->element, a, emit_index(m, turn));
  now[sums + 1] = emit_at(m, b->element, turned, emit_index(m, turn * b->lanes));
  emit_loop_end(m, &t, now);
  memcpy(carried, t.carried, t.n * sizeof *carried);
}

enum { BLOCK_A, BLOCK_TURNED, BLOCK_D, BLOCK_VALID, BLOCK_PANEL, BLOCK_D_STRIDE, BLOCK_ADD, BLOCK_ARGUMENTS };

// All valid events: whole panels, then the rest. In each panel the rows of the next block are asked for.
static void emit_chains(CodeModule *m, const Band *b, const LLVMValueRef *x, LLVMValueRef *sums) {
  unsigned n = b->rows * b->n;
  LLVMValueRef now[EMIT_CARRIED], whole = LLVMBuildAnd(m->builder, x[BLOCK_VALID], emit_index(m, -CODE_LANES), "");
  memcpy(now, sums, n * sizeof *now);
  now[n] = x[BLOCK_A], now[n + 1] = x[BLOCK_TURNED];
  EmitLoop p = emit_loop(m, "panels", emit_index(m, 0), whole, CODE_LANES, now, n + 2);
  memcpy(now, p.carried, p.n * sizeof *now);
  for (int64_t r = 0; r < b->rows; r++)
    for (int64_t i = 0; i < CODE_LANES; i += 64 / (b->g->f64 ? 8 : 4))
      emit_prefetch(m, emit_at(m, b->element, now[n], emit_index(m, (b->rows + r) * b->g->a_stride + i)), false);
  emit_events(m, b, emit_index(m, CODE_LANES), b->terms, now);
  now[n] = emit_at(m, b->element, now[n], x[BLOCK_PANEL]);
  emit_loop_end(m, &p, now);
  memcpy(now, p.carried, p.n * sizeof *now);
  emit_events(m, b, LLVMBuildSub(m->builder, x[BLOCK_VALID], whole, ""), 1, now);
  memcpy(sums, now, n * sizeof *sums);
}

// The lines of D from this row on, to which a later block adds: strided, so no machine foresees them. Where a vector lies in two lines,
// the columns before had the first.
static void ask_for_row(CodeModule *m, const Band *b, LLVMValueRef d) {
  for (unsigned v = 0; v < b->n; v++) emit_prefetch(m, emit_at(m, b->element, d, emit_index(m, v * b->lanes + b->width[v] - 1)), true);
}

static void block_body(CodeModule *m, const void *data, const LLVMValueRef *x) {
  const Band *b = data;
  LLVMValueRef sums[EMIT_CARRIED], further = LLVMBuildNSWMul(m->builder, x[BLOCK_D_STRIDE], emit_index(m, D_AHEAD * b->rows), "");
  for (unsigned i = 0; i < b->rows * b->n; i++) sums[i] = LLVMConstNull(vector_of(b, i % b->n));
  LLVMValueRef d = emit_at(m, b->element, x[BLOCK_D], further);
  for (unsigned r = 0; r < b->rows; r++, d = emit_at(m, b->element, d, x[BLOCK_D_STRIDE])) ask_for_row(m, b, d);
  emit_chains(m, b, x, sums);
  d = x[BLOCK_D];
  for (unsigned r = 0; r < b->rows; r++, d = emit_at(m, b->element, d, x[BLOCK_D_STRIDE]))
    for (unsigned v = 0; v < b->n; v++) finish_vector(m, sums[r * b->n + v], emit_at(m, b->element, d, emit_index(m, v * b->lanes)), x[BLOCK_ADD], b->count[v]);
}

static void emit_block(CodeModule *m, const Band *b, LLVMValueRef row, LLVMValueRef column) {
  const GemmGradient *g = b->g;
  char name[128];
  size_t used = (size_t)snprintf(name, sizeof name, "gradient_%s_%u_%lld_%lld", g->f64 ? "f64" : "f32", b->rows, (long long)g->a_stride,
                                 (long long)(b->n > 1 ? g->tile : 0));
  for (unsigned v = 0; v < b->n; v++) used += (size_t)snprintf(name + used, sizeof name - used, "_%u.%u", b->width[v], b->count[v]);
  snprintf(name + used, sizeof name - used, "_%u", b->terms);
  emit_call(m, name, block_body, b,
            (LLVMValueRef[]){[BLOCK_A] = emit_at2(m, b->element, g->a, row, g->a_stride, NULL),
                             [BLOCK_TURNED] = g->scratch,
                             [BLOCK_D] = emit_at2(m, b->element, g->d, row, g->d_stride, column),
                             [BLOCK_VALID] = g->valid,
                             [BLOCK_PANEL] = emit_index(m, (g->a_rows - 1) * CODE_LANES),
                             [BLOCK_D_STRIDE] = emit_index(m, g->d_stride),
                             [BLOCK_ADD] = add_of(m, g)},
            BLOCK_ARGUMENTS);
}

static void emit_band(CodeModule *m, Band b, LLVMValueRef column) {
  const GemmGradient *g = b.g;
  GemmRun run[GEMM_RUNS];
  int runs = gemm_runs(g->rows, b.rows, run);
  transpose(m, &b, column);
  EmitLoop first = emit_loop(m, "ask", emit_index(m, 0), emit_index(m, D_AHEAD * run[0].rows), 1, NULL, 0);
  ask_for_row(m, &b, emit_at2(m, b.element, g->d, first.index, g->d_stride, column));
  emit_loop_end(m, &first, NULL);
  for (int i = 0; i < runs; i++) {
    b.rows = run[i].rows;
    b.terms = gemm_terms(m->target, i == 0);
    EmitLoop r = emit_loop(m, "rows", emit_index(m, run[i].from), emit_index(m, run[i].to), b.rows, NULL, 0);
    emit_block(m, &b, r.index, column);
    emit_loop_end(m, &r, NULL);
  }
}

// Bands of whole vectors, then one of what is left: fewer of them, one that is not full, the one of half the width.
static void emit_outer(CodeModule *m, const GemmGradient *g, const Shape *s) {
  unsigned lanes = whole_lanes(g), vectors = (unsigned)((s->whole + lanes - 1) / lanes);
  unsigned step = g->block_vectors ? g->block_vectors : m->target->vector_bits == 512 ? 2 : 1, left = vectors % step;
  if (left == 0 && vectors > 0 && (s->whole % lanes || s->half)) left = step;
  int64_t even = (int64_t)(vectors - left) * lanes;
  if (even) {
    EmitLoop c = emit_loop(m, "bands", emit_index(m, 0), emit_index(m, even), step * lanes, NULL, 0);
    emit_band(m, band_of(m, g, step, lanes, 0), c.index);
    emit_loop_end(m, &c, NULL);
  }
  unsigned last = s->whole % lanes ? (unsigned)(s->whole % lanes) : lanes;
  if (left || s->half) emit_band(m, band_of(m, g, left, last, (unsigned)s->half), emit_index(m, even));
}

// ---- the brief form: all outer products are one function of the module, whatever the extents

enum {
  WHOLE_A,
  WHOLE_B,
  WHOLE_D,
  WHOLE_SCRATCH,
  WHOLE_VALID,
  WHOLE_PANEL, // as BLOCK_PANEL
  WHOLE_B_ROWS,
  WHOLE_ROWS,
  WHOLE_COLUMNS,
  WHOLE_D_STRIDE,
  WHOLE_ADD,
  WHOLE_ARGUMENTS
};

// The first `count` of a row of sums to D, which may be all lanes.
static void finish_row(CodeModule *m, const Band *b, LLVMValueRef sums, LLVMValueRef d, LLVMValueRef count, LLVMValueRef add) {
  LLVMValueRef lanes = emit_index(m, b->lanes), is_whole = LLVMBuildICmp(m->builder, LLVMIntEQ, count, lanes, "");
  EmitIf whole = emit_if(m, "whole", is_whole);
  finish_vector(m, emit_load(m, vector_of(b, 0), sums), d, add, b->lanes);
  emit_end_if(m, whole);
  EmitLoop i = emit_loop(m, "numbers", LLVMBuildSelect(m->builder, is_whole, lanes, emit_index(m, 0), ""), count, 1, NULL, 0);
  LLVMValueRef to = emit_at(m, b->element, d, i.index), sum = emit_load(m, b->element, emit_at(m, b->element, sums, i.index));
  finish_number(m, sum, to, add);
  emit_loop_end(m, &i, NULL);
}

// Rows row..row+b->rows-1, of which the first `done` were added before.
static void whole_block(CodeModule *m, const Band *b, const LLVMValueRef *x, LLVMValueRef row, LLVMValueRef done, LLVMValueRef d, LLVMValueRef count,
                        LLVMValueRef kept) {
  LLVMValueRef sums[EMIT_CARRIED], further = LLVMBuildNSWMul(m->builder, x[WHOLE_D_STRIDE], emit_index(m, D_AHEAD * b->rows), "");
  d = emit_at(m, b->element, d, LLVMBuildNSWMul(m->builder, row, x[WHOLE_D_STRIDE], ""));
  LLVMValueRef line = emit_at(m, b->element, d, further);
  for (unsigned r = 0; r < b->rows; r++, line = emit_at(m, b->element, line, x[WHOLE_D_STRIDE])) {
    ask_for_row(m, b, line);
    sums[r] = LLVMConstNull(vector_of(b, 0));
  }
  emit_chains(m, b,
              (LLVMValueRef[]){[BLOCK_A] = emit_at2(m, b->element, x[WHOLE_A], row, b->g->a_stride, NULL),
                               [BLOCK_TURNED] = x[WHOLE_SCRATCH],
                               [BLOCK_VALID] = x[WHOLE_VALID],
                               [BLOCK_PANEL] = x[WHOLE_PANEL]},
              sums);
  for (unsigned r = 0; r < b->rows; r++) emit_store(m, sums[r], emit_at(m, b->element, kept, emit_index(m, r * b->lanes)));
  EmitLoop r = emit_loop(m, "finish", done, emit_index(m, b->rows), 1, NULL, 0);
  line = emit_at(m, b->element, d, LLVMBuildNSWMul(m->builder, r.index, x[WHOLE_D_STRIDE], ""));
  finish_row(m, b, emit_at2(m, b->element, kept, r.index, b->lanes, NULL), line, count, x[WHOLE_ADD]);
  emit_loop_end(m, &r, NULL);
}

// There are more rows than a block has.
static void whole_body(CodeModule *m, const void *data, const LLVMValueRef *x) {
  const Band *b = data;
  LLVMValueRef kept = LLVMBuildAlloca(m->builder, LLVMArrayType2(vector_of(b, 0), b->rows), "sums"), row;
  EmitLoop c = emit_loop(m, "bands", emit_index(m, 0), x[WHOLE_COLUMNS], b->lanes, NULL, 0);
  LLVMValueRef count = emit_least(m, LLVMBuildNSWSub(m->builder, x[WHOLE_COLUMNS], c.index, ""), emit_index(m, b->lanes));
  turn_some(m, &(Turn){b->g, b->element, b->lanes, b->lanes, true},
            (LLVMValueRef[]){[TURN_FROM] = emit_at2(m, b->element, x[WHOLE_B], c.index, b->g->b_stride, NULL),
                             [TURN_TO] = x[WHOLE_SCRATCH],
                             [TURN_VALID] = x[WHOLE_VALID],
                             [TURN_ROWS] = x[WHOLE_B_ROWS],
                             [TURN_LAST] = LLVMBuildNSWSub(m->builder, count, emit_index(m, 1), "")});
  EmitLoop r = emit_blocks(m, "rows", x[WHOLE_ROWS], b->rows, &row);
  whole_block(m, b, x, row, LLVMBuildNSWSub(m->builder, r.index, row, ""), emit_at(m, b->element, x[WHOLE_D], c.index), count, kept);
  emit_loop_end(m, &r, NULL);
  emit_loop_end(m, &c, NULL);
}

static void emit_whole(CodeModule *m, const GemmGradient *g, int64_t columns) {
  Band b = band_of(m, g, 1, whole_lanes(g), 0);
  char name[96];
  b.rows = DOT_ROWS;
  b.terms = gemm_terms(m->target, true);
  snprintf(name, sizeof name, "gradient_%s_%lld_%lld", g->f64 ? "f64" : "f32", (long long)g->a_stride, (long long)g->b_stride);
  emit_call(m, name, whole_body, &b,
            (LLVMValueRef[]){[WHOLE_A] = g->a,
                             [WHOLE_B] = g->b,
                             [WHOLE_D] = g->d,
                             [WHOLE_SCRATCH] = g->scratch,
                             [WHOLE_VALID] = g->valid,
                             [WHOLE_PANEL] = emit_index(m, (g->a_rows - 1) * CODE_LANES),
                             [WHOLE_B_ROWS] = emit_index(m, g->b_rows),
                             [WHOLE_ROWS] = emit_index(m, g->rows),
                             [WHOLE_COLUMNS] = emit_index(m, columns),
                             [WHOLE_D_STRIDE] = emit_index(m, g->d_stride),
                             [WHOLE_ADD] = add_of(m, g)},
            WHOLE_ARGUMENTS);
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
  bool fewer;             // the last row and column may be among them, and stand for those behind them
} Dots;

// B: A's once more where there is none
enum { DOTS_A, DOTS_B, DOTS_D, DOTS_VALID, DOTS_A_ROWS, DOTS_B_ROWS, DOTS_D_STRIDE, DOTS_ADD, DOTS_LAST_ROW, DOTS_LAST_COLUMN, DOTS_ARGUMENTS };

static LLVMValueRef dots_row(CodeModule *m, const Dots *d, LLVMValueRef from, unsigned i, int64_t stride, LLVMValueRef last) {
  if (!d->fewer) return emit_at(m, d->element, from, emit_index(m, i * stride));
  return emit_at2(m, d->element, from, emit_least(m, emit_index(m, i), last), stride, NULL);
}

// Terms of all dot products for events from..to, 16 a turn; mask: of the lanes that count may be fewer.
static void emit_dot_terms(CodeModule *m, const Dots *d, const LLVMValueRef *x, LLVMValueRef from, LLVMValueRef to, bool mask, LLVMValueRef *sums) {
  LLVMValueRef next[DOTS], bs[DOTS] = {0};
  EmitLoop t = emit_loop(m, "events", from, to, CODE_LANES, sums, d->rows * d->columns);
  LLVMValueRef lanes = mask ? valid_lanes(m, t.index, x[DOTS_VALID]) : NULL;
  LLVMValueRef a = emit_at(m, d->element, x[DOTS_A], LLVMBuildNSWMul(m->builder, t.index, x[DOTS_A_ROWS], ""));
  LLVMValueRef b = emit_at(m, d->element, x[DOTS_B], LLVMBuildNSWMul(m->builder, t.index, x[DOTS_B_ROWS], ""));
  for (unsigned c = 0; d->g->b && c < d->columns; c++) bs[c] = load_valid(m, d->type, dots_row(m, d, b, c, d->g->b_stride, x[DOTS_LAST_COLUMN]), lanes);
  for (unsigned r = 0; r < d->rows; r++) {
    LLVMValueRef row = load_valid(m, d->type, dots_row(m, d, a, r, d->g->a_stride, x[DOTS_LAST_ROW]), lanes);
    for (unsigned c = 0; c < d->columns; c++) {
      LLVMValueRef sum = t.carried[r * d->columns + c];
      next[r * d->columns + c] = d->g->b ? emit_fma(m, row, bs[c], sum) : LLVMBuildFAdd(m->builder, sum, row, "");
    }
  }
  emit_loop_end(m, &t, next);
  for (unsigned i = 0; i < t.n; i++) sums[i] = t.carried[i];
}

// kept: memory for the sums.
static void finish_some(CodeModule *m, const Dots *d, const LLVMValueRef *x, LLVMValueRef all, LLVMValueRef kept) {
  LLVMValueRef one = emit_index(m, 1);
  emit_store(m, all, kept);
  EmitLoop r = emit_loop(m, "row", emit_index(m, 0), LLVMBuildNSWAdd(m->builder, x[DOTS_LAST_ROW], one, ""), 1, NULL, 0);
  LLVMValueRef row = emit_at(m, d->element, x[DOTS_D], LLVMBuildNSWMul(m->builder, r.index, x[DOTS_D_STRIDE], ""));
  EmitLoop c = emit_loop(m, "column", emit_index(m, 0), LLVMBuildNSWAdd(m->builder, x[DOTS_LAST_COLUMN], one, ""), 1, NULL, 0);
  LLVMValueRef sum = emit_load(m, d->element, emit_at2(m, d->element, kept, r.index, d->columns, c.index));
  finish_number(m, sum, emit_at(m, d->element, row, c.index), x[DOTS_ADD]);
  emit_loop_end(m, &c, NULL);
  emit_loop_end(m, &r, NULL);
}

static void dots_body(CodeModule *m, const void *data, const LLVMValueRef *x) {
  const Dots *d = data;
  LLVMValueRef sums[DOTS], whole = LLVMBuildAnd(m->builder, x[DOTS_VALID], emit_index(m, -CODE_LANES), "");
  LLVMValueRef kept = d->fewer ? LLVMBuildAlloca(m->builder, d->type, "sums") : NULL;
  for (unsigned i = 0; i < d->rows * d->columns; i++) sums[i] = LLVMConstNull(d->type);
  emit_dot_terms(m, d, x, emit_index(m, 0), whole, false, sums);
  emit_dot_terms(m, d, x, whole, x[DOTS_VALID], true, sums);
  LLVMValueRef all = sums_across(m, sums, d->rows * d->columns), row = x[DOTS_D];
  if (d->fewer) {
    finish_some(m, d, x, all, kept);
    return;
  }
  for (unsigned i = 0; i < d->rows * d->columns; i++) {
    if (i > 0 && i % d->columns == 0) row = emit_at(m, d->element, row, x[DOTS_D_STRIDE]);
    LLVMValueRef to = emit_at(m, d->element, row, emit_index(m, i % d->columns));
    finish_number(m, LLVMBuildExtractElement(m->builder, all, emit_index(m, i), ""), to, x[DOTS_ADD]);
  }
}

// D[row + r][column + c]. last: row and column, where they may be fewer.
static void emit_dot_block(CodeModule *m, const GemmGradient *g, LLVMValueRef row, unsigned rows, LLVMValueRef column, unsigned columns,
                           const LLVMValueRef *last) {
  LLVMTypeRef type = lanes_of(m, g->f64), element = emit_element(type);
  Dots dots = {g, type, element, rows, columns, last != NULL};
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
                             [DOTS_ADD] = add_of(m, g),
                             [DOTS_LAST_ROW] = last ? last[0] : emit_index(m, (int64_t)rows - 1),
                             [DOTS_LAST_COLUMN] = last ? last[1] : emit_index(m, (int64_t)columns - 1)},
            DOTS_ARGUMENTS);
}

static void emit_dot_rows(CodeModule *m, const GemmGradient *g, unsigned step, LLVMValueRef column, unsigned columns) {
  int64_t whole = g->rows / step * step;
  if (whole) {
    EmitLoop r = emit_loop(m, "rows", emit_index(m, 0), emit_index(m, whole), step, NULL, 0);
    emit_dot_block(m, g, r.index, step, column, columns, NULL);
    emit_loop_end(m, &r, NULL);
  }
  if (g->rows > whole) emit_dot_block(m, g, emit_index(m, whole), (unsigned)(g->rows - whole), column, columns, NULL);
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

// One function for all.
static void emit_dots_briefly(CodeModule *m, const GemmGradient *g, int64_t first, int64_t columns) {
  int64_t dots = dots_at_once(m, g), width = g->b == NULL ? 1 : dots < 4 ? dots : 3, height = dots / width;
  EmitLoop c = emit_loop(m, "columns", emit_index(m, 0), emit_index(m, columns), width, NULL, 0);
  EmitLoop r = emit_loop(m, "rows", emit_index(m, 0), emit_index(m, g->rows), height, NULL, 0);
  LLVMValueRef last[] = {emit_least(m, LLVMBuildNSWSub(m->builder, emit_index(m, g->rows - 1), r.index, ""), emit_index(m, height - 1)),
                         emit_least(m, LLVMBuildNSWSub(m->builder, emit_index(m, columns - 1), c.index, ""), emit_index(m, width - 1))};
  emit_dot_block(m, g, r.index, (unsigned)height, emit_plus(m, c.index, first), (unsigned)width, last);
  emit_loop_end(m, &r, NULL);
  emit_loop_end(m, &c, NULL);
}

void gemm_gradient_emit(CodeModule *m, const GemmGradient *g) {
  Shape s = shape_of(g);
  if (g->rows < 1 || g->columns < 1 || g->tile % CODE_LANES) ir_fail("a gradient of %ld x %ld", (long)g->rows, (long)g->columns);
  if ((s.whole || s.half) && m->target->effort != WITH_CARE) emit_whole(m, g, s.whole + s.half);
  else if (s.whole || s.half) emit_outer(m, g, &s);
  if (s.dots) (m->target->effort != WITH_CARE ? emit_dots_briefly : emit_dots)(m, g, s.whole, s.dots);
}
