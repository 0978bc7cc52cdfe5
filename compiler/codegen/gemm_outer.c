// Weight gradient by outer products: rows of B are transposed into scratch, [vector][event][lane], and D grows by
// outer products: per event, one vector load a column vector and one broadcast a row of A, accumulators in registers over the whole tile.
#include <stdio.h>
#include <string.h>

#include "compiler/codegen/gemm_gradient.h"

enum { MAX_VECTORS = 8, D_AHEAD = 2, BRIEF_BLOCK = OUTER_ROWS - 1 };

unsigned gemm_outer_lanes(const GemmGradient *g) { return g->f64 ? 8 : 16; } // 512 bits

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
  unsigned lanes = gemm_outer_lanes(g);
  Band b = {.g = g, .element = g->f64 ? m->f64 : m->f32, .lanes = lanes};
  for (; b.n < whole; b.n++) b.width[b.n] = lanes, b.count[b.n] = b.n + 1 < whole ? lanes : last;
  if (half) b.width[b.n] = lanes / 2, b.count[b.n++] = half;
  b.rows = rows_of(m, &b);
  return b;
}

static int64_t band_vectors(const GemmGradient *g) { return g->block_vectors ? g->block_vectors : 2; }

int64_t gemm_outer_scratch(const GemmGradient *g, const Outer *o) {
  int64_t lanes = gemm_outer_lanes(g), vectors = (o->whole + lanes - 1) / lanes;
  if (vectors > band_vectors(g)) vectors = band_vectors(g);
  return (vectors + (o->half > 0)) * lanes * g->tile * (g->f64 ? 8 : 4);
}

static void transpose(CodeModule *m, const Band *b, LLVMValueRef column) {
  const GemmGradient *g = b->g;
  for (unsigned v = 0; v < b->n; v++) {
    gemm_transpose_emit(m, &(Transposed){g, b->element, b->width[v], b->lanes, b->count[v] < b->width[v]},
                        (LLVMValueRef[]){[TRANSPOSE_FROM] = emit_at2(m, b->element, g->b, emit_plus(m, column, v * b->lanes), g->b_stride, NULL),
                                         [TRANSPOSE_TO] = emit_at(m, b->element, g->scratch, emit_index(m, v * b->lanes * g->tile)),
                                         [TRANSPOSE_VALID] = g->valid,
                                         [TRANSPOSE_ROWS] = emit_index(m, g->b_rows),
                                         [TRANSPOSE_LAST] = emit_index(m, (int64_t)b->count[v] - 1)});
  }
}

// ---- a block

// Adds the first `count` lanes to D, or stores them over it.
static void finish_vector(CodeModule *m, LLVMValueRef sum, LLVMValueRef to, LLVMValueRef add, unsigned count) {
  LLVMTypeRef type = LLVMTypeOf(sum);
  LLVMValueRef old = count < emit_lanes(type) ? emit_load_masked(m, type, to, emit_mask(m, emit_lanes(type), count)) : emit_load(m, type, to);
  emit_store_first(m, LLVMBuildSelect(m->builder, add, LLVMBuildFAdd(m->builder, sum, old, ""), sum, ""), to, count);
}

// One event's term of all chains: A's rows from a, B's, transposed, from turned.
static void emit_term(CodeModule *m, const Band *b, LLVMValueRef a, LLVMValueRef turned, LLVMValueRef *sums) {
  LLVMValueRef bs[MAX_VECTORS];
  for (unsigned v = 0; v < b->n; v++) bs[v] = emit_load(m, vector_of(b, v), emit_at(m, b->element, turned, emit_index(m, v * b->lanes * b->g->tile)));
  for (unsigned r = 0; r < b->rows; r++) {
    LLVMValueRef x = emit_broadcast(m, vector_of(b, 0), emit_at(m, b->element, a, emit_index(m, r * b->g->a_stride)));
    for (unsigned v = 0; v < b->n; v++) {
      LLVMValueRef some = b->width[v] == b->width[0] ? x : emit_part(m, x, 0, b->width[v]);
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

enum { BLOCK_A, BLOCK_B, BLOCK_D, BLOCK_VALID, BLOCK_PANEL, BLOCK_D_STRIDE, BLOCK_ADD, BLOCK_ARGUMENTS };

// All valid events: whole panels, then the rest. In each panel the rows of the next block are asked for.
static void emit_chains(CodeModule *m, const Band *b, const LLVMValueRef *x, LLVMValueRef *sums) {
  unsigned n = b->rows * b->n;
  LLVMValueRef now[EMIT_CARRIED], whole = LLVMBuildAnd(m->builder, x[BLOCK_VALID], emit_index(m, -CODE_LANES), "");
  memcpy(now, sums, n * sizeof *now);
  now[n] = x[BLOCK_A], now[n + 1] = x[BLOCK_B];
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

// Sums that are zero, for the block of D that begins here.
static void begin_block(CodeModule *m, const Band *b, LLVMValueRef d, LLVMValueRef d_stride, LLVMValueRef *sums) {
  d = emit_at(m, b->element, d, LLVMBuildNSWMul(m->builder, d_stride, emit_index(m, D_AHEAD * b->rows), ""));
  for (unsigned r = 0; r < b->rows; r++, d = emit_at(m, b->element, d, d_stride)) ask_for_row(m, b, d);
  for (unsigned i = 0; i < b->rows * b->n; i++) sums[i] = LLVMConstNull(vector_of(b, i % b->n));
}

static void block_body(CodeModule *m, const void *data, const LLVMValueRef *x) {
  const Band *b = data;
  LLVMValueRef sums[EMIT_CARRIED], d = x[BLOCK_D];
  begin_block(m, b, d, x[BLOCK_D_STRIDE], sums);
  emit_chains(m, b, x, sums);
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
                             [BLOCK_B] = g->scratch,
                             [BLOCK_D] = emit_at2(m, b->element, g->d, row, g->d_stride, column),
                             [BLOCK_VALID] = g->valid,
                             [BLOCK_PANEL] = emit_index(m, (g->a_rows - 1) * CODE_LANES),
                             [BLOCK_D_STRIDE] = emit_index(m, g->d_stride),
                             [BLOCK_ADD] = gradient_adds(m, g)},
            BLOCK_ARGUMENTS);
}

// This share of n rows from `first` on (NULL: 0).
static void emit_rows(CodeModule *m, Band b, LLVMValueRef first, int64_t n, EmitShare share, LLVMValueRef column) {
  GemmRun run[GEMM_RUNS];
  EmitRange rows[GEMM_RUNS];
  int runs = gemm_runs(n, b.rows, run);
  gemm_run_shares(m, run, runs, share, rows);
  for (int i = 0; i < runs; i++) {
    b.rows = run[i].rows;
    b.terms = gemm_terms(m->target, i == 0);
    EmitLoop r = emit_loop(m, "rows", rows[i].from, rows[i].to, b.rows, NULL, 0);
    emit_block(m, &b, first ? LLVMBuildNSWAdd(m->builder, first, r.index, "") : r.index, column);
    emit_loop_end(m, &r, NULL);
  }
}

// The rows of each unit that counts.
static void emit_units_of_rows(CodeModule *m, Band b, LLVMValueRef column) {
  const GemmGradient *g = b.g;
  GemmGradient unit = *g;
  int64_t n = g->rows / g->only.unit;
  EmitRange units = emit_meet(m, g->only, emit_share_touched(m, g->share, n));
  EmitLoop u = emit_loop(m, "units", units.from, units.to, 1, NULL, 0);
  if (g->add_unit) unit.add = g->add_unit(g->data, m, u.index);
  b.g = &unit;
  emit_rows(m, b, emit_units(m, &g->only, u.index), g->only.unit, emit_share_within(m, g->share, u.index, n), column);
  emit_loop_end(m, &u, NULL);
}

static void emit_band(CodeModule *m, Band b, LLVMValueRef column) {
  const GemmGradient *g = b.g;
  GemmRun run[GEMM_RUNS];
  gemm_runs(g->rows, b.rows, run);
  transpose(m, &b, column);
  EmitLoop first = emit_loop(m, "ask", emit_index(m, 0), emit_index(m, D_AHEAD * run[0].rows), 1, NULL, 0);
  ask_for_row(m, &b, emit_at2(m, b.element, g->d, first.index, g->d_stride, column));
  emit_loop_end(m, &first, NULL);
  if (g->only.from) emit_units_of_rows(m, b, column);
  else emit_rows(m, b, NULL, g->rows, g->share, column);
}

// Bands of whole vectors, then one of what is left: fewer of them, one that is not full, the one of half the width.
static void emit_bands(CodeModule *m, const GemmGradient *g, const Outer *o) {
  unsigned lanes = gemm_outer_lanes(g), vectors = (unsigned)((o->whole + lanes - 1) / lanes);
  unsigned step = g->block_vectors ? g->block_vectors : m->target->vector_bits == 512 ? 2 : 1, left = vectors % step;
  if (left == 0 && vectors > 0 && (o->whole % lanes || o->half)) left = step;
  int64_t even = (int64_t)(vectors - left) * lanes;
  if (even) {
    EmitLoop c = emit_loop(m, "bands", emit_index(m, 0), emit_index(m, even), step * lanes, NULL, 0);
    emit_band(m, band_of(m, g, step, lanes, 0), c.index);
    emit_loop_end(m, &c, NULL);
  }
  unsigned last = o->whole % lanes ? (unsigned)(o->whole % lanes) : lanes;
  if (left || o->half) emit_band(m, band_of(m, g, left, last, (unsigned)o->half), emit_index(m, even));
}

// ---- the brief form: all outer products are one function of the module, whatever the extents

enum {
  BRIEF_A,
  BRIEF_B,
  BRIEF_D,
  BRIEF_SCRATCH,
  BRIEF_VALID,
  BRIEF_PANEL, // as BLOCK_PANEL
  BRIEF_B_ROWS,
  BRIEF_ROWS,
  BRIEF_COLUMNS,
  BRIEF_D_STRIDE,
  BRIEF_ADD,
  BRIEF_ARGUMENTS
};

// The first `count` of a row of sums to D, which may be all lanes.
static void finish_row(CodeModule *m, const Band *b, LLVMValueRef sums, LLVMValueRef d, LLVMValueRef count, LLVMValueRef add) {
  LLVMValueRef lanes = emit_index(m, b->lanes), is_whole = LLVMBuildICmp(m->builder, LLVMIntEQ, count, lanes, "");
  EmitIf whole = emit_if(m, "whole", is_whole);
  finish_vector(m, emit_load(m, vector_of(b, 0), sums), d, add, b->lanes);
  emit_end_if(m, whole);
  EmitLoop i = emit_loop(m, "numbers", LLVMBuildSelect(m->builder, is_whole, lanes, emit_index(m, 0), ""), count, 1, NULL, 0);
  LLVMValueRef to = emit_at(m, b->element, d, i.index), sum = emit_load(m, b->element, emit_at(m, b->element, sums, i.index));
  gradient_store(m, sum, to, add);
  emit_loop_end(m, &i, NULL);
}

// Rows row..row+b->rows-1, of which the first `done` were added before.
static void brief_block(CodeModule *m, const Band *b, const LLVMValueRef *x, LLVMValueRef row, LLVMValueRef done, LLVMValueRef d, LLVMValueRef count,
                        LLVMValueRef kept) {
  LLVMValueRef sums[EMIT_CARRIED];
  d = emit_at(m, b->element, d, LLVMBuildNSWMul(m->builder, row, x[BRIEF_D_STRIDE], ""));
  begin_block(m, b, d, x[BRIEF_D_STRIDE], sums);
  emit_chains(m, b,
              (LLVMValueRef[]){[BLOCK_A] = emit_at2(m, b->element, x[BRIEF_A], row, b->g->a_stride, NULL),
                               [BLOCK_B] = x[BRIEF_SCRATCH],
                               [BLOCK_VALID] = x[BRIEF_VALID],
                               [BLOCK_PANEL] = x[BRIEF_PANEL]},
              sums);
  for (unsigned r = 0; r < b->rows; r++) emit_store(m, sums[r], emit_at(m, b->element, kept, emit_index(m, r * b->lanes)));
  EmitLoop r = emit_loop(m, "finish", done, emit_index(m, b->rows), 1, NULL, 0);
  LLVMValueRef line = emit_at(m, b->element, d, LLVMBuildNSWMul(m->builder, r.index, x[BRIEF_D_STRIDE], ""));
  finish_row(m, b, emit_at2(m, b->element, kept, r.index, b->lanes, NULL), line, count, x[BRIEF_ADD]);
  emit_loop_end(m, &r, NULL);
}

static void brief_body(CodeModule *m, const void *data, const LLVMValueRef *x) {
  const Band *b = data;
  LLVMValueRef kept = LLVMBuildAlloca(m->builder, LLVMArrayType2(vector_of(b, 0), b->rows), "sums"), row;
  EmitLoop c = emit_loop(m, "bands", emit_index(m, 0), x[BRIEF_COLUMNS], b->lanes, NULL, 0);
  LLVMValueRef count = emit_least(m, LLVMBuildNSWSub(m->builder, x[BRIEF_COLUMNS], c.index, ""), emit_index(m, b->lanes));
  gemm_transpose_emit(m, &(Transposed){b->g, b->element, b->lanes, b->lanes, true},
                      (LLVMValueRef[]){[TRANSPOSE_FROM] = emit_at2(m, b->element, x[BRIEF_B], c.index, b->g->b_stride, NULL),
                                       [TRANSPOSE_TO] = x[BRIEF_SCRATCH],
                                       [TRANSPOSE_VALID] = x[BRIEF_VALID],
                                       [TRANSPOSE_ROWS] = x[BRIEF_B_ROWS],
                                       [TRANSPOSE_LAST] = LLVMBuildNSWSub(m->builder, count, emit_index(m, 1), "")});
  EmitLoop r = emit_blocks(m, "rows", x[BRIEF_ROWS], b->rows, &row);
  brief_block(m, b, x, row, LLVMBuildNSWSub(m->builder, r.index, row, ""), emit_at(m, b->element, x[BRIEF_D], c.index), count, kept);
  emit_loop_end(m, &r, NULL);
  emit_loop_end(m, &c, NULL);
}

static void emit_briefly(CodeModule *m, const GemmGradient *g, int64_t columns) {
  Band b = band_of(m, g, 1, gemm_outer_lanes(g), 0);
  char name[96];
  b.rows = BRIEF_BLOCK;
  b.terms = gemm_terms(m->target, true);
  snprintf(name, sizeof name, "gradient_%s_%lld_%lld", g->f64 ? "f64" : "f32", (long long)g->a_stride, (long long)g->b_stride);
  emit_call(m, name, brief_body, &b,
            (LLVMValueRef[]){[BRIEF_A] = g->a,
                             [BRIEF_B] = g->b,
                             [BRIEF_D] = g->d,
                             [BRIEF_SCRATCH] = g->scratch,
                             [BRIEF_VALID] = g->valid,
                             [BRIEF_PANEL] = emit_index(m, (g->a_rows - 1) * CODE_LANES),
                             [BRIEF_B_ROWS] = emit_index(m, g->b_rows),
                             [BRIEF_ROWS] = emit_index(m, g->rows),
                             [BRIEF_COLUMNS] = emit_index(m, columns),
                             [BRIEF_D_STRIDE] = emit_index(m, g->d_stride),
                             [BRIEF_ADD] = gradient_adds(m, g)},
            BRIEF_ARGUMENTS);
}

void gemm_outer_emit(CodeModule *m, const GemmGradient *g, const Outer *o) {
  if (m->target->effort == WITH_CARE) emit_bands(m, g, o);
  else emit_briefly(m, g, o->whole + o->half);
}
