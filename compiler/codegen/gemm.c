#include "compiler/codegen/gemm.h"

#include <stdio.h>
#include <string.h>

#include "compiler/ir/ir.h"

// Forward product. Events outside, rows inside: the panel of X that a block of events reads stays in the first-level
// cache while all rows of W pass by. The K loop carries the accumulators of vectors x rows; per k it loads the event
// vectors once and broadcasts one weight a row.

enum { MAX_VECTORS = 8, MAX_SHARE = 32 };

typedef struct Block {
  unsigned vectors, rows, terms; // terms: of each chain in a turn of its loop
} Block;

// Machine vectors that one vector of CODE_LANES lanes takes.
static unsigned machine_vectors(const CodeTarget *t, bool f64) { return (unsigned)CODE_LANES * (f64 ? 64 : 32) / t->vector_bits; }

// A loop's own instructions, four a turn, are a sixth of what a small block issues: a turn has several terms there, fewer in the few last blocks.
unsigned gemm_terms(const CodeTarget *t, bool first) { return t->vector_bits == 512 ? 1 : first ? 4 : 2; }

// Shapes that keep accumulators, operands and one broadcast in registers (32, or 16 with AVX2) and at least 8 chains.
static Block best_block(const CodeTarget *t, bool f64, int64_t rows) {
  unsigned width = machine_vectors(t, f64);
  if (t->vector_bits == 512 && width == 1)
    return rows <= 2 ? (Block){.vectors = 8, .rows = 2} : rows <= 6 ? (Block){.vectors = 4, .rows = 6} : (Block){.vectors = 2, .rows = 12};
  if (t->vector_bits == 512) return rows <= 3 ? (Block){.vectors = 4, .rows = 3} : (Block){.vectors = 1, .rows = 12};
  return width == 2 ? (Block){.vectors = 1, .rows = 6} : (Block){.vectors = 1, .rows = 2};
}

// The same for one vector of events.
static unsigned brief_rows(const CodeTarget *t, bool f64) { return t->vector_bits == 512 ? 12 : machine_vectors(t, f64) == 2 ? 6 : 2; }

static LLVMTypeRef element_type(CodeModule *m, bool f64) { return f64 ? m->f64 : m->f32; }
static LLVMTypeRef vector_type(CodeModule *m, bool f64) { return LLVMVectorType(element_type(m, f64), CODE_LANES); }

// Where the chain of one vector begins; y and bias point to this row.
static LLVMValueRef start_value(CodeModule *m, const Gemm *g, LLVMValueRef y, LLVMValueRef bias) {
  LLVMTypeRef type = vector_type(m, g->f64);
  if (g->add) return emit_load(m, type, y);
  return bias ? emit_broadcast(m, type, bias) : LLVMConstNull(type);
}

// &base[n]; NULL stays NULL.
static LLVMValueRef offset(CodeModule *m, const Gemm *g, LLVMValueRef base, int64_t n) {
  return base ? emit_at(m, element_type(m, g->f64), base, emit_index(m, n)) : NULL;
}

static LLVMValueRef row_of(CodeModule *m, const Gemm *g, LLVMValueRef base, LLVMValueRef row, int64_t stride) {
  return base ? emit_at2(m, element_type(m, g->f64), base, row, stride, NULL) : NULL;
}

// Where a panel begins: event is its first.
static LLVMValueRef panel_of(CodeModule *m, const Gemm *g, LLVMValueRef base, int64_t rows, LLVMValueRef event) {
  return base ? emit_at2(m, element_type(m, g->f64), base, event, rows, NULL) : NULL;
}

// Over a piece, whose units are single turns.
static EmitLoop piece_loop(CodeModule *m, const Gemm *g, int depth, const LLVMValueRef *carried, unsigned n) {
  const EmitRange *only = &g->piece[depth].only;
  LLVMValueRef end = emit_index(m, g->piece[depth].extent);
  return emit_loop(m, "piece", only->from ? only->from : emit_index(m, 0), only->from ? only->to : end, 1, carried, n);
}

// One term of all chains: weights from w, events from x.
static void emit_term(CodeModule *m, const Gemm *g, Block b, LLVMValueRef w, LLVMValueRef x, LLVMValueRef *sums) {
  LLVMTypeRef type = vector_type(m, g->f64);
  LLVMValueRef xs[MAX_VECTORS];
  for (unsigned v = 0; v < b.vectors; v++) xs[v] = emit_load(m, type, offset(m, g, x, v * CODE_LANES * g->x_rows));
  for (unsigned r = 0; r < b.rows; r++) {
    LLVMValueRef weight = emit_broadcast(m, type, offset(m, g, w, r * g->w_n));
    for (unsigned v = 0; v < b.vectors; v++) sums[r * b.vectors + v] = emit_fma(m, weight, xs[v], sums[r * b.vectors + v]);
  }
}

// The chains of b.rows rows and b.vectors vectors over all k. w and x point to the block's first weight and event.
// The weights of the next block, which lie behind those of this one, are asked for meanwhile: in models larger than the second-level cache
// they come from further away, once a tile.
static void emit_chains(CodeModule *m, const Gemm *g, Block b, LLVMValueRef w, LLVMValueRef x, LLVMValueRef *sums) {
  int64_t terms = b.terms, whole = g->k / terms * terms, line = 64 / (g->f64 ? 8 : 4);
  unsigned n = b.rows * b.vectors;
  bool clipped = g->only_k.from != NULL, ahead = g->n_pieces == 0 && g->w_k == 1 && g->w_n == g->k && !clipped;
  LLVMValueRef from = emit_index(m, 0), to = emit_index(m, whole);
  if (clipped) {
    from = emit_units(m, &g->only_k, g->only_k.from), to = emit_units(m, &g->only_k, g->only_k.to);
    w = row_of(m, g, w, from, g->w_k), x = row_of(m, g, x, from, g->x_stride);
  }
  if (whole) { // the loop carries the chains, then where it reads
    LLVMValueRef now[EMIT_CARRIED];
    memcpy(now, sums, n * sizeof *now);
    now[n] = w, now[n + 1] = x;
    if (ahead) now[n + 2] = offset(m, g, w, b.rows * g->w_n);
    EmitLoop k = emit_loop(m, "k", from, to, terms, now, n + 2 + ahead);
    memcpy(now, k.carried, k.n * sizeof *now);
    for (int64_t i = 0; i < b.rows * terms && ahead; i += line) emit_prefetch(m, offset(m, g, now[n + 2], i), false);
    if (ahead) now[n + 2] = offset(m, g, now[n + 2], b.rows * terms);
    for (int64_t i = 0; i < terms; i++) emit_term(m, g, b, offset(m, g, now[n], i * g->w_k), offset(m, g, now[n + 1], i * g->x_stride), now);
    now[n] = offset(m, g, now[n], terms * g->w_k);
    now[n + 1] = offset(m, g, now[n + 1], terms * g->x_stride);
    emit_loop_end(m, &k, now);
    memcpy(sums, k.carried, n * sizeof *sums);
  }
  for (int64_t i = whole; i < g->k; i++) emit_term(m, g, b, offset(m, g, w, i * g->w_k), offset(m, g, x, i * g->x_stride), sums);
}

// One block of bf16: the chain of the even k, then that of the odd ones (both at once would take twice the registers).
static void add_block(CodeModule *m, const Gemm *g, Block b, int64_t terms, LLVMValueRef w, LLVMValueRef x, LLVMValueRef *sums) {
  LLVMValueRef part[2][EMIT_CARRIED];
  for (int odd = 0; odd < 2; odd++) {
    Gemm second = *g;
    second.k = (terms + 1 - odd) / 2, second.w_k *= 2, second.x_stride *= 2;
    for (unsigned i = 0; i < b.rows * b.vectors; i++) part[odd][i] = LLVMConstNull(vector_type(m, g->f64));
    if (second.k > 0) emit_chains(m, &second, b, offset(m, g, w, odd * g->w_k), offset(m, g, x, odd * g->x_stride), part[odd]);
  }
  for (unsigned i = 0; i < b.rows * b.vectors; i++) sums[i] = LLVMBuildFAdd(m->builder, sums[i], LLVMBuildFAdd(m->builder, part[0][i], part[1][i], ""), "");
}

static void emit_halves(CodeModule *m, const Gemm *g, Block b, LLVMValueRef w, LLVMValueRef x, LLVMValueRef *sums) {
  int64_t whole = g->k / GEMM_BLOCK * GEMM_BLOCK, line = 64 / 4;
  bool ahead = g->w_k == 1 && g->w_n == g->k;
  if (whole) {
    EmitLoop block = emit_loop(m, "block", emit_index(m, 0), emit_index(m, whole), GEMM_BLOCK, sums, b.rows * b.vectors);
    memcpy(sums, block.carried, block.n * sizeof *sums);
    LLVMValueRef next = ahead ? row_of(m, g, offset(m, g, w, b.rows * g->w_n), block.index, b.rows) : NULL;
    for (int64_t i = 0; i < b.rows * GEMM_BLOCK && ahead; i += line) emit_prefetch(m, offset(m, g, next, i), false);
    add_block(m, g, b, GEMM_BLOCK, row_of(m, g, w, block.index, g->w_k), row_of(m, g, x, block.index, g->x_stride), sums);
    emit_loop_end(m, &block, sums);
    memcpy(sums, block.carried, block.n * sizeof *sums);
  }
  if (whole < g->k) add_block(m, g, b, g->k - whole, offset(m, g, w, whole * g->w_k), offset(m, g, x, whole * g->x_stride), sums);
}

static void emit_pieces(CodeModule *m, const Gemm *g, Block b, int depth, LLVMValueRef w, LLVMValueRef x, LLVMValueRef *sums) {
  if (depth == g->n_pieces) {
    (g->halves ? emit_halves : emit_chains)(m, g, b, w, x, sums);
    return;
  }
  LLVMTypeRef element = element_type(m, g->f64);
  EmitLoop loop = piece_loop(m, g, depth, sums, b.rows * b.vectors);
  for (unsigned i = 0; i < loop.n; i++) sums[i] = loop.carried[i];
  w = emit_at2(m, element, w, loop.index, g->piece[depth].w, NULL);
  x = emit_at2(m, element, x, loop.index, g->piece[depth].x, NULL);
  emit_pieces(m, g, b, depth + 1, w, x, sums);
  emit_loop_end(m, &loop, sums);
  for (unsigned i = 0; i < loop.n; i++) sums[i] = loop.carried[i];
}

// Each block asks for its share of the panel of X that the next events need, and for what its own epilogue will touch.
static void ask_ahead(CodeModule *m, const Gemm *g, Block b, LLVMValueRef row, LLVMValueRef event) {
  int64_t share = (g->k * b.rows + g->n - 1) / g->n, line = 64 / (g->f64 ? 8 : 4);
  LLVMValueRef first = LLVMBuildUDiv(m->builder, LLVMBuildNSWMul(m->builder, row, emit_index(m, g->k), ""), emit_index(m, g->n), "");
  LLVMValueRef next = row_of(m, g, panel_of(m, g, g->x, g->x_rows, emit_plus(m, event, b.vectors * CODE_LANES)), first, g->x_stride);
  for (int64_t k = 0; k < share && share <= MAX_SHARE; k++)
    for (int64_t v = 0; v < b.vectors; v++)
      for (int64_t i = 0; i < CODE_LANES; i += line) emit_prefetch(m, offset(m, g, next, k * g->x_stride + v * CODE_LANES * g->x_rows + i), false);
  for (unsigned r = 0; g->ahead && r < b.rows; r++)
    for (unsigned v = 0; v < b.vectors; v++) g->ahead(g->data, m, &(GemmAt){row, event, r, v * CODE_LANES});
}

// Rows row..row+b.rows-1 of b.vectors vectors of events from `event`.
static void emit_block(CodeModule *m, const Gemm *g, Block b, LLVMValueRef row, LLVMValueRef event) {
  LLVMValueRef sums[EMIT_CARRIED];
  ask_ahead(m, g, b, row, event);
  LLVMValueRef y = row_of(m, g, panel_of(m, g, g->y, g->y_rows, event), row, g->y_stride);
  LLVMValueRef bias = row_of(m, g, g->bias, row, g->bias_stride);
  for (unsigned r = 0; r < b.rows; r++)
    for (unsigned v = 0; v < b.vectors; v++)
      sums[r * b.vectors + v] = start_value(m, g, offset(m, g, y, r * g->y_stride + v * CODE_LANES * g->y_rows), offset(m, g, bias, r * g->bias_stride));
  emit_pieces(m, g, b, 0, row_of(m, g, g->w, row, g->w_n), panel_of(m, g, g->x, g->x_rows, event), sums);
  for (unsigned r = 0; r < b.rows; r++)
    for (unsigned v = 0; v < b.vectors; v++) {
      LLVMValueRef sum = sums[r * b.vectors + v];
      if (g->epilogue) sum = g->epilogue(g->data, m, &(GemmAt){row, event, r, v * CODE_LANES}, sum);
      if (sum) emit_store(m, sum, offset(m, g, y, r * g->y_stride + v * CODE_LANES * g->y_rows));
    }
}

// Blocks of the most rows, then some of one less: a block of very few has fewer chains than fill the units. Few rows: as even as possible.
int gemm_runs(int64_t n, unsigned most, GemmRun run[GEMM_RUNS]) {
  int64_t blocks = (n + most - 1) / most, less = blocks * most - n, rows = most;
  if (less > blocks) rows = (n + blocks - 1) / blocks, less = blocks * rows - n;
  int64_t whole = (blocks - less) * rows;
  int runs = 0;
  if (whole > 0) run[runs++] = (GemmRun){0, whole, (unsigned)rows};
  if (n > whole) run[runs++] = (GemmRun){whole, n, (unsigned)rows - 1};
  return runs;
}

void gemm_run_shares(CodeModule *m, const GemmRun *run, int n, EmitShare share, EmitRange rows[GEMM_RUNS]) {
  int64_t blocks = 0, before = 0;
  for (int i = 0; i < n; i++) blocks += (run[i].to - run[i].from) / run[i].rows;
  EmitRange own = emit_share(m, share, blocks);
  for (int i = 0; i < n; i++) {
    LLVMValueRef begin = emit_index(m, run[i].from), end = emit_index(m, run[i].to);
    rows[i] = (EmitRange){begin, end, 1};
    if (own.from == NULL) continue;
    LLVMValueRef bound[] = {own.from, own.to};
    for (int k = 0; k < 2; k++) {
      LLVMValueRef row = LLVMBuildNSWMul(m->builder, emit_plus(m, bound[k], -before), emit_index(m, run[i].rows), "");
      bound[k] = emit_most(m, begin, emit_least(m, end, LLVMBuildNSWAdd(m->builder, begin, row, "")));
    }
    rows[i].from = bound[0], rows[i].to = bound[1];
    before += (run[i].to - run[i].from) / run[i].rows;
  }
}

// This share of n rows from `first` on (NULL: 0). (A last block that began earlier instead, and computed some rows twice, would spare its code,
// but costs 2 % of a training step.)
static void emit_some_rows(CodeModule *m, const Gemm *g, Block b, LLVMValueRef first, int64_t n, EmitShare share, LLVMValueRef event) {
  GemmRun run[GEMM_RUNS];
  EmitRange rows[GEMM_RUNS];
  int runs = gemm_runs(n, b.rows, run);
  gemm_run_shares(m, run, runs, share, rows);
  for (int i = 0; i < runs; i++) {
    EmitLoop r = emit_loop(m, "rows", rows[i].from, rows[i].to, run[i].rows, NULL, 0);
    LLVMValueRef row = first ? LLVMBuildNSWAdd(m->builder, first, r.index, "") : r.index;
    emit_block(m, g, (Block){b.vectors, run[i].rows, gemm_terms(m->target, i == 0)}, row, event);
    emit_loop_end(m, &r, NULL);
  }
}

static EmitShare rows_share(const Gemm *g) { return g->share_events ? (EmitShare){.of = g->share.of} : g->share; }

// All rows for b.vectors vectors of events.
static void emit_rows(CodeModule *m, const Gemm *g, Block b, LLVMValueRef event) {
  if (!g->only_n.from) {
    emit_some_rows(m, g, b, NULL, g->n, rows_share(g), event);
    return;
  }
  int64_t n = g->n / g->only_n.unit;
  EmitRange units = emit_meet(m, g->only_n, emit_share_touched(m, rows_share(g), n));
  EmitLoop u = emit_loop(m, "units", units.from, units.to, 1, NULL, 0);
  emit_some_rows(m, g, b, emit_units(m, &g->only_n, u.index), g->only_n.unit, emit_share_within(m, rows_share(g), u.index, n), event);
  emit_loop_end(m, &u, NULL);
}

// Blocks of events up to the last that holds one that is wanted.
static LLVMValueRef blocks_end(CodeModule *m, const Gemm *g, int64_t whole) {
  LLVMValueRef end = emit_index(m, whole);
  return g->events ? emit_least(m, g->events, end) : end;
}

// Of these blocks, which are `step` events each, this call's.
static EmitRange blocks_of(CodeModule *m, const Gemm *g, int64_t whole, int64_t step) {
  LLVMValueRef end = blocks_end(m, g, whole);
  if (!g->share_events) return (EmitRange){emit_index(m, 0), end, 1};
  EmitRange own = emit_share_of(m, g->share, LLVMBuildUDiv(m->builder, emit_plus(m, end, step - 1), emit_index(m, step), ""));
  own.unit = step;
  return (EmitRange){emit_units(m, &own, own.from), emit_units(m, &own, own.to), 1};
}

// ---- the brief form: the chains are functions of the module, which products have in common; sums come back through memory, and what follows on
// them stands once, in loops. Compiled in a fraction of the time, some percent slower.

enum { BRIEF_W, BRIEF_X, BRIEF_SUMS, BRIEF_K, BRIEF_W_K, BRIEF_W_N, BRIEF_AHEAD, BRIEF_ARGUMENTS };

typedef struct Brief { // all that the code of a function of chains depends on
  const Gemm *g;
  unsigned rows;
  bool goes_on; // from sums in memory, not from zero
} Brief;

static LLVMValueRef sum_at(CodeModule *m, const Gemm *g, LLVMValueRef sums, unsigned r) { return offset(m, g, sums, (int64_t)r * CODE_LANES); }

static void brief_terms(CodeModule *m, const Brief *b, const LLVMValueRef *x, LLVMValueRef from, LLVMValueRef to, int64_t turn, LLVMValueRef *now) {
  const Gemm *g = b->g;
  LLVMTypeRef type = vector_type(m, g->f64), element = element_type(m, g->f64);
  LLVMValueRef *w = now + b->rows, *event = now + 2 * b->rows, *ahead = event + 1;
  int64_t line = 64 / (g->f64 ? 8 : 4);
  EmitLoop k = emit_loop(m, "k", from, to, turn, now, 2 * b->rows + 2);
  memcpy(now, k.carried, k.n * sizeof *now);
  for (int64_t i = 0; i < b->rows * turn && turn > 1; i += line) emit_prefetch(m, offset(m, g, *ahead, i), false);
  *ahead = offset(m, g, *ahead, b->rows * turn);
  for (int64_t i = 0; i < turn; i++) {
    LLVMValueRef further = LLVMBuildNSWMul(m->builder, x[BRIEF_W_K], emit_index(m, i), ""), xs = emit_load(m, type, offset(m, g, *event, i * g->x_stride));
    for (unsigned r = 0; r < b->rows; r++) now[r] = emit_fma(m, emit_broadcast(m, type, emit_at(m, element, w[r], further)), xs, now[r]);
  }
  LLVMValueRef step = LLVMBuildNSWMul(m->builder, x[BRIEF_W_K], emit_index(m, turn), "");
  for (unsigned r = 0; r < b->rows; r++) w[r] = emit_at(m, element, w[r], step);
  *event = offset(m, g, *event, turn * g->x_stride);
  emit_loop_end(m, &k, now);
  memcpy(now, k.carried, k.n * sizeof *now);
}

static void brief_body(CodeModule *m, const void *data, const LLVMValueRef *x) {
  enum { TURN = 4 };
  const Brief *b = data;
  LLVMTypeRef type = vector_type(m, b->g->f64), element = element_type(m, b->g->f64);
  LLVMValueRef now[EMIT_CARRIED], whole = LLVMBuildAnd(m->builder, x[BRIEF_K], emit_index(m, -TURN), "");
  for (unsigned r = 0; r < b->rows; r++) {
    now[r] = b->goes_on ? emit_load(m, type, sum_at(m, b->g, x[BRIEF_SUMS], r)) : LLVMConstNull(type);
    now[b->rows + r] = r == 0 ? x[BRIEF_W] : emit_at(m, element, now[b->rows + r - 1], x[BRIEF_W_N]);
  }
  now[2 * b->rows] = x[BRIEF_X];
  now[2 * b->rows + 1] = x[BRIEF_AHEAD];
  brief_terms(m, b, x, emit_index(m, 0), whole, TURN, now);
  brief_terms(m, b, x, whole, x[BRIEF_K], 1, now);
  for (unsigned r = 0; r < b->rows; r++) emit_store(m, now[r], sum_at(m, b->g, x[BRIEF_SUMS], r));
}

static void brief_chains(CodeModule *m, const Brief *b, LLVMValueRef w, LLVMValueRef x, LLVMValueRef sums) {
  const Gemm *g = b->g;
  char name[80];
  snprintf(name, sizeof name, "chains_%s_%u_%lld%s", g->f64 ? "f64" : "f32", b->rows, (long long)g->x_stride, b->goes_on ? "_on" : "");
  emit_call(m, name, brief_body, b,
            (LLVMValueRef[]){[BRIEF_W] = w,
                             [BRIEF_X] = x,
                             [BRIEF_SUMS] = sums,
                             [BRIEF_K] = emit_index(m, g->k),
                             [BRIEF_W_K] = emit_index(m, g->w_k),
                             [BRIEF_W_N] = emit_index(m, g->w_n),
                             [BRIEF_AHEAD] = g->w_k == 1 && g->w_n == g->k ? offset(m, g, w, b->rows * g->w_n) : w},
            BRIEF_ARGUMENTS);
}

static void brief_pieces(CodeModule *m, const Brief *b, int depth, LLVMValueRef w, LLVMValueRef x, LLVMValueRef sums) {
  const Gemm *g = b->g;
  if (depth == g->n_pieces) {
    brief_chains(m, b, w, x, sums);
    return;
  }
  LLVMTypeRef element = element_type(m, g->f64);
  EmitLoop loop = piece_loop(m, g, depth, NULL, 0);
  w = emit_at2(m, element, w, loop.index, g->piece[depth].w, NULL);
  x = emit_at2(m, element, x, loop.index, g->piece[depth].x, NULL);
  brief_pieces(m, b, depth + 1, w, x, sums);
  emit_loop_end(m, &loop, NULL);
}

// Of one vector of the module's lanes: they may be fewer than events of a panel.
static void brief_finish(CodeModule *m, const Gemm *g, LLVMValueRef row, LLVMValueRef event, LLVMValueRef from) {
  LLVMTypeRef type = emit_with_lanes(element_type(m, g->f64), m->lanes);
  LLVMValueRef sum = emit_load(m, type, from);
  if (g->epilogue) sum = g->epilogue(g->data, m, &(GemmAt){row, event, 0, 0}, sum);
  if (sum) emit_store(m, sum, row_of(m, g, panel_of(m, g, g->y, g->y_rows, event), row, g->y_stride));
}

// Rows row..row+rows-1, of which the first `done` are finished already.
static void brief_block(CodeModule *m, const Gemm *g, unsigned rows, LLVMValueRef row, LLVMValueRef done, LLVMValueRef event, LLVMValueRef sums) {
  Brief b = {g, rows, g->add || g->bias || g->n_pieces > 0};
  LLVMTypeRef element = element_type(m, g->f64);
  if (b.goes_on) {
    EmitLoop start = emit_loop(m, "start", emit_index(m, 0), emit_index(m, rows), 1, NULL, 0);
    LLVMValueRef this = LLVMBuildNSWAdd(m->builder, row, start.index, "");
    LLVMValueRef y = row_of(m, g, panel_of(m, g, g->y, g->y_rows, event), this, g->y_stride), bias = row_of(m, g, g->bias, this, g->bias_stride);
    emit_store(m, start_value(m, g, y, bias), emit_at2(m, element, sums, start.index, CODE_LANES, NULL));
    emit_loop_end(m, &start, NULL);
  }
  brief_pieces(m, &b, 0, row_of(m, g, g->w, row, g->w_n), panel_of(m, g, g->x, g->x_rows, event), sums);
  EmitLoop r = emit_loop(m, "finish", done, emit_index(m, rows), 1, NULL, 0);
  EmitLoop part = emit_loop(m, "lanes", emit_index(m, 0), emit_index(m, CODE_LANES), m->lanes, NULL, 0);
  LLVMValueRef from = emit_at(m, element, emit_at2(m, element, sums, r.index, CODE_LANES, NULL), part.index);
  brief_finish(m, g, LLVMBuildNSWAdd(m->builder, row, r.index, ""), LLVMBuildNSWAdd(m->builder, event, part.index, ""), from);
  emit_loop_end(m, &part, NULL);
  emit_loop_end(m, &r, NULL);
}

// In the function's first block, so that it is there once.
static LLVMValueRef brief_sums(CodeModule *m, const Gemm *g, unsigned rows) {
  LLVMBasicBlockRef here = LLVMGetInsertBlock(m->builder), entry = LLVMGetEntryBasicBlock(LLVMGetBasicBlockParent(here));
  LLVMPositionBuilderBefore(m->builder, LLVMGetFirstInstruction(entry));
  LLVMValueRef sums = LLVMBuildAlloca(m->builder, LLVMArrayType2(element_type(m, g->f64), (uint64_t)rows * CODE_LANES), "sums");
  LLVMSetAlignment(sums, 64);
  LLVMPositionBuilderAtEnd(m->builder, here);
  return sums;
}

static void emit_briefly(CodeModule *m, const Gemm *g) {
  int64_t rows = brief_rows(m->target, g->f64);
  if (rows > g->n) rows = g->n;
  LLVMValueRef sums = brief_sums(m, g, (unsigned)rows), row;
  EmitRange own = blocks_of(m, g, g->tile, CODE_LANES);
  EmitLoop events = emit_loop(m, "events", own.from, own.to, CODE_LANES, NULL, 0);
  EmitLoop blocks = emit_blocks(m, "rows", emit_index(m, g->n), rows, &row);
  brief_block(m, g, (unsigned)rows, row, LLVMBuildNSWSub(m->builder, blocks.index, row, ""), events.index, sums);
  emit_loop_end(m, &blocks, NULL);
  emit_loop_end(m, &events, NULL);
}

static void emit_alone(CodeModule *m, const Gemm *g) {
  EmitIf last = emit_if_last(m, rows_share(g));
  (g->tiles ? gemm_tiles_emit : emit_briefly)(m, g);
  emit_end_if(m, last);
}

void gemm_emit(CodeModule *m, const Gemm *g) {
  Block b = best_block(m->target, g->f64, g->n);
  if (g->block_vectors) b = (Block){.vectors = g->block_vectors, .rows = g->block_rows};
  if (g->share_events && b.vectors > 2) b.vectors = 2; // a tile has as many blocks as threads
  int64_t vectors = g->tile / CODE_LANES;
  if (g->n < 1 || g->k < 1 || g->tile % CODE_LANES || vectors < 1) ir_fail("a product of %ld x %ld", (long)g->n, (long)g->k);
  if (g->tiles || m->target->effort != WITH_CARE) {
    emit_alone(m, g);
    return;
  }
  int64_t step = b.vectors * CODE_LANES, whole = g->tile / step * step;
  EmitLoop e = {0};
  if (whole) {
    EmitRange own = blocks_of(m, g, whole, step);
    e = emit_loop(m, "events", own.from, own.to, step, NULL, 0);
    emit_rows(m, g, b, e.index);
    emit_loop_end(m, &e, NULL);
  }
  Block rest = {.vectors = (unsigned)((g->tile - whole) / CODE_LANES), .rows = b.rows};
  if (rest.vectors == 0) return;
  EmitIf last = emit_if_last(m, g->share_events ? g->share : (EmitShare){0});
  emit_rows(m, g, rest, emit_index(m, whole));
  emit_end_if(m, last);
}
