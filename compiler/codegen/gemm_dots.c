// Weight gradient by dot products along the lanes, several at a time, so that their sums across lanes share one tree.
#include <stdio.h>
#include <string.h>

#include "compiler/codegen/gemm_gradient.h"

enum { DOTS = 16 };

static LLVMTypeRef lanes_of(CodeModule *m, bool f64) { return f64 ? m->v16f64 : m->v16f32; }

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
  memcpy(work, vectors, n * sizeof *work);
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

static LLVMValueRef load_row(CodeModule *m, const Dots *d, LLVMValueRef from, unsigned i, int64_t stride, LLVMValueRef last, LLVMValueRef mask) {
  LLVMValueRef x = emit_load(m, d->type, gradient_row(m, d->element, from, i, stride, d->fewer ? last : NULL));
  return mask ? LLVMBuildSelect(m->builder, mask, x, LLVMConstNull(d->type), "") : x;
}

// Terms of all dot products for events from..to, 16 a turn; mask: of the lanes that count may be fewer.
static void emit_dot_terms(CodeModule *m, const Dots *d, const LLVMValueRef *x, LLVMValueRef from, LLVMValueRef to, bool mask, LLVMValueRef *sums) {
  LLVMValueRef next[DOTS], bs[DOTS] = {0};
  EmitLoop t = emit_loop(m, "events", from, to, CODE_LANES, sums, d->rows * d->columns);
  LLVMValueRef lanes = mask ? emit_lanes_below(m, LLVMBuildSub(m->builder, x[DOTS_VALID], t.index, "")) : NULL;
  LLVMValueRef a = emit_at(m, d->element, x[DOTS_A], LLVMBuildNSWMul(m->builder, t.index, x[DOTS_A_ROWS], ""));
  LLVMValueRef b = emit_at(m, d->element, x[DOTS_B], LLVMBuildNSWMul(m->builder, t.index, x[DOTS_B_ROWS], ""));
  for (unsigned c = 0; d->g->b && c < d->columns; c++) bs[c] = load_row(m, d, b, c, d->g->b_stride, x[DOTS_LAST_COLUMN], lanes);
  for (unsigned r = 0; r < d->rows; r++) {
    LLVMValueRef row = load_row(m, d, a, r, d->g->a_stride, x[DOTS_LAST_ROW], lanes);
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
  gradient_store(m, sum, emit_at(m, d->element, row, c.index), x[DOTS_ADD]);
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
    gradient_store(m, LLVMBuildExtractElement(m->builder, all, emit_index(m, i), ""), to, x[DOTS_ADD]);
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
                             [DOTS_ADD] = gradient_adds(m, g),
                             [DOTS_LAST_ROW] = last ? last[0] : emit_index(m, (int64_t)rows - 1),
                             [DOTS_LAST_COLUMN] = last ? last[1] : emit_index(m, (int64_t)columns - 1)},
            DOTS_ARGUMENTS);
}

// A share's blocks of `step` numbers from `from` to `to`.
static EmitRange blocks_of(CodeModule *m, EmitShare share, int64_t from, int64_t to, int64_t step) {
  EmitRange own = emit_share(m, share, (to - from) / step);
  if (own.from == NULL) return (EmitRange){emit_index(m, from), emit_index(m, to), 1};
  own.unit = step;
  return (EmitRange){emit_plus(m, emit_units(m, &own, own.from), from), emit_plus(m, emit_units(m, &own, own.to), from), 1};
}

static void emit_dot_rows(CodeModule *m, const GemmGradient *g, unsigned step, LLVMValueRef column, unsigned columns) {
  int64_t whole = g->rows / step * step;
  EmitShare share = g->rows < OUTER_ROWS ? (EmitShare){0} : g->share;
  EmitRange own = blocks_of(m, share, 0, whole, step);
  if (whole) {
    EmitLoop r = emit_loop(m, "rows", own.from, own.to, step, NULL, 0);
    emit_dot_block(m, g, r.index, step, column, columns, NULL);
    emit_loop_end(m, &r, NULL);
  }
  if (g->rows == whole) return;
  EmitIf last = emit_if_last(m, share);
  emit_dot_block(m, g, emit_index(m, whole), (unsigned)(g->rows - whole), column, columns, NULL);
  emit_end_if(m, last);
}

// Dot products at a time: all their sums are in registers. An element's chain and tree are the same for any number.
static int64_t dots_at_once(const CodeModule *m, const GemmGradient *g) { return m->target->vector_bits == 512 ? DOTS : g->f64 ? 3 : 6; }

static void emit_dots(CodeModule *m, const GemmGradient *g, int64_t first, int64_t columns) {
  int64_t dots = dots_at_once(m, g), square = dots >= DOTS ? 4 : 2, rows = g->rows < square ? g->rows : columns < square ? dots / columns : square;
  if (rows > g->rows) rows = g->rows;
  int64_t step = dots / rows;
  int64_t whole = columns / step * step;
  EmitShare share = g->rows < OUTER_ROWS ? g->share : (EmitShare){0};
  EmitRange own = blocks_of(m, share, first, first + whole, step);
  if (whole) {
    EmitLoop c = emit_loop(m, "columns", own.from, own.to, step, NULL, 0);
    emit_dot_rows(m, g, (unsigned)rows, c.index, (unsigned)step);
    emit_loop_end(m, &c, NULL);
  }
  if (columns == whole) return;
  EmitIf last = emit_if_last(m, share);
  emit_dot_rows(m, g, (unsigned)rows, emit_index(m, first + whole), (unsigned)(columns - whole));
  emit_end_if(m, last);
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

void gemm_dots_emit(CodeModule *m, const GemmGradient *g, int64_t first, int64_t columns) {
  (m->target->effort == WITH_CARE ? emit_dots : emit_dots_briefly)(m, g, first, columns);
}
