// Products of bf16 by AMX: registers of 16 rows of 64 bytes. Four hold the sums of 32 rows of Y and 32 events, two the weights of these rows, two the
// events, of which a 32-bit number holds two neighbours in k. TDPBF16PS adds a whole block of k to the sums. Finished sums go through memory,
// since nothing else can be done in these registers.
#include "compiler/codegen/gemm.h"

// Registers are numbered: weights and events in pairs, sums of weights w and events e in 2 w + e.
enum { SUMS = 0, WEIGHTS = 4, EVENTS = 6 };
enum { ROWS = 16, LINE = 64, ROWS_AT_ONCE = 2 * ROWS, EVENTS_AT_ONCE = 2 * CODE_LANES, PAIRS = GEMM_BLOCK / 2 };
enum { SUMS_AT = LINE, EVENTS_AT = SUMS_AT + ROWS_AT_ONCE * EVENTS_AT_ONCE * 4 }; // in the scratch, behind the sizes of the registers

static int64_t round_up(int64_t n, int64_t to) { return (n + to - 1) / to * to; }
int64_t gemm_tiles_rows(int64_t n) { return round_up(n, ROWS_AT_ONCE); }
int64_t gemm_tiles_numbers(int64_t k) { return round_up(k, GEMM_BLOCK); }
int64_t gemm_tiles_scratch(int64_t k) { return EVENTS_AT + gemm_tiles_numbers(k) * EVENTS_AT_ONCE * 2; }

// Of fewer rows or terms most of the registers would be filling.
bool gemm_tiles_pay(int64_t tile, int64_t n, int64_t k) { return tile % EVENTS_AT_ONCE == 0 && n >= ROWS / 2 && k >= GEMM_BLOCK / 4; }

// ---- instructions

static void instruction(CodeModule *m, const char *name, LLVMValueRef *arguments, unsigned n) { emit_intrinsic(m, name, NULL, 0, arguments, n); }

static LLVMTypeRef byte(CodeModule *m) { return LLVMInt8TypeInContext(m->context); }
static LLVMValueRef number_of(CodeModule *m, int i) { return LLVMConstInt(byte(m), (unsigned)i, false); }

static LLVMValueRef bytes_on(CodeModule *m, LLVMValueRef from, int64_t bytes) { return emit_at(m, byte(m), from, emit_index(m, bytes)); }

static void zero(CodeModule *m, int i) { instruction(m, "llvm.x86.tilezero", (LLVMValueRef[]){number_of(m, i)}, 1); }

// Rows so many bytes apart.
static void load(CodeModule *m, int i, LLVMValueRef from, int64_t stride) {
  instruction(m, "llvm.x86.tileloadd64", (LLVMValueRef[]){number_of(m, i), from, emit_index(m, stride)}, 3);
}

static void store(CodeModule *m, int i, LLVMValueRef to, int64_t stride) {
  instruction(m, "llvm.x86.tilestored64", (LLVMValueRef[]){number_of(m, i), to, emit_index(m, stride)}, 3);
}

static void add_products(CodeModule *m, int sums, int weights, int events) {
  instruction(m, "llvm.x86.tdpbf16ps", (LLVMValueRef[]){number_of(m, sums), number_of(m, weights), number_of(m, events)}, 3);
}

// All eight registers of full size: bytes of a row from byte 16 on, rows from byte 48 on.
static void configure(CodeModule *m, LLVMValueRef scratch) {
  static const uint64_t sizes[] = {1, 0, 0x0040004000400040, 0x0040004000400040, 0, 0, 0x1010101010101010, 0};
  for (int i = 0; i < 8; i++) emit_store(m, LLVMConstInt(m->i64, sizes[i], false), bytes_on(m, scratch, 8 * i));
  instruction(m, "llvm.x86.ldtilecfg", &scratch, 1);
}

// ---- events, two neighbours in k to a number of 32 bits, the first in its lower half

static LLVMValueRef vector_at(CodeModule *m, LLVMValueRef x) { return emit_load(m, m->v16i32, x); }

static void pack_pair(CodeModule *m, const Gemm *g, LLVMValueRef x, bool both, LLVMValueRef to) {
  LLVMValueRef pair = LLVMBuildLShr(m->builder, vector_at(m, x), emit_integer(m->v16i32, 16), "");
  if (both) {
    LLVMValueRef second = vector_at(m, emit_at(m, m->f32, x, emit_index(m, g->x_stride)));
    pair = LLVMBuildOr(m->builder, pair, LLVMBuildAnd(m->builder, second, emit_integer(m->v16i32, 0xffff0000), ""), "");
  }
  emit_store(m, pair, to);
}

static void pack_panel(CodeModule *m, const Gemm *g, LLVMValueRef x, LLVMValueRef to) {
  int64_t pairs = g->k / 2, at_once = pairs % 4 == 0 ? 4 : pairs % 2 == 0 ? 2 : 1, all = gemm_tiles_numbers(g->k) / 2;
  if (pairs > 0) {
    EmitLoop loop = emit_loop(m, "pack", emit_index(m, 0), emit_index(m, pairs), at_once, NULL, 0);
    LLVMValueRef from = emit_at2(m, m->f32, x, loop.index, 2 * g->x_stride, NULL), into = emit_at2(m, byte(m), to, loop.index, LINE, NULL);
    for (int64_t i = 0; i < at_once; i++) pack_pair(m, g, emit_at(m, m->f32, from, emit_index(m, 2 * i * g->x_stride)), true, bytes_on(m, into, i * LINE));
    emit_loop_end(m, &loop, NULL);
  }
  if (g->k % 2 != 0) pack_pair(m, g, emit_at(m, m->f32, x, emit_index(m, 2 * pairs * g->x_stride)), false, bytes_on(m, to, pairs * LINE));
  for (int64_t i = pairs + g->k % 2; i < all; i++) emit_store(m, LLVMConstNull(m->v16i32), bytes_on(m, to, i * LINE));
}

// ---- blocks

// The sums of 32 rows, whose weights begin at w, to the scratch: [row][event].
static void emit_sums(CodeModule *m, const Gemm *g, LLVMValueRef w) {
  enum { STRIDE = EVENTS_AT_ONCE * 4 };
  int64_t numbers = gemm_tiles_numbers(g->k), panel = numbers / 2 * LINE;
  for (int i = 0; i < 4; i++) zero(m, SUMS + i);
  EmitLoop k = emit_loop(m, "k", emit_index(m, 0), emit_index(m, numbers), GEMM_BLOCK, NULL, 0);
  LLVMValueRef weights = emit_at2(m, byte(m), w, k.index, 2, NULL), events = emit_at2(m, byte(m), bytes_on(m, g->scratch, EVENTS_AT), k.index, LINE / 2, NULL);
  for (int i = 0; i < 2; i++) {
    load(m, WEIGHTS + i, bytes_on(m, weights, i * ROWS * g->w_n * 2), g->w_n * 2);
    load(m, EVENTS + i, bytes_on(m, events, i * panel), LINE);
  }
  for (int i = 0; i < 4; i++) add_products(m, SUMS + i, WEIGHTS + i / 2, EVENTS + i % 2);
  emit_loop_end(m, &k, NULL);
  for (int i = 0; i < 4; i++) store(m, SUMS + i, bytes_on(m, g->scratch, SUMS_AT + i / 2 * ROWS * STRIDE + i % 2 * LINE), STRIDE);
}

// What follows on each vector of the rows that there are.
static void finish_rows(CodeModule *m, const Gemm *g, LLVMValueRef row, LLVMValueRef event) {
  int64_t at_once = g->n % 4 == 0 ? 4 : g->n % 2 == 0 ? 2 : 1;
  LLVMValueRef left = LLVMBuildNSWSub(m->builder, emit_index(m, g->n), row, ""), end = emit_least(m, left, emit_index(m, ROWS_AT_ONCE));
  EmitLoop loop = emit_loop(m, "finish", emit_index(m, 0), end, at_once, NULL, 0);
  LLVMValueRef sums = emit_at2(m, m->f32, bytes_on(m, g->scratch, SUMS_AT), loop.index, EVENTS_AT_ONCE, NULL);
  GemmAt at = {.row = LLVMBuildNSWAdd(m->builder, row, loop.index, ""), .event = event};
  for (at.r = 0; at.r < at_once; at.r++)
    for (at.lanes = 0; at.lanes < EVENTS_AT_ONCE; at.lanes += CODE_LANES) {
      LLVMValueRef sum = emit_load(m, m->v16f32, emit_at(m, m->f32, sums, emit_index(m, at.r * EVENTS_AT_ONCE + at.lanes)));
      if (g->epilogue(g->data, m, &at, sum)) ir_fail("codegen: tiles are stored by what follows on them");
    }
  emit_loop_end(m, &loop, NULL);
}

static void emit_events(CodeModule *m, const Gemm *g, LLVMValueRef event) {
  int64_t panel = gemm_tiles_numbers(g->k) / 2 * LINE;
  LLVMValueRef x = emit_at2(m, m->f32, g->x, event, g->x_rows, NULL);
  for (int i = 0; i < 2; i++)
    pack_panel(m, g, emit_at(m, m->f32, x, emit_index(m, i * CODE_LANES * g->x_rows)), bytes_on(m, g->scratch, EVENTS_AT + i * panel));
  EmitLoop rows = emit_loop(m, "rows", emit_index(m, 0), emit_index(m, g->n), ROWS_AT_ONCE, NULL, 0);
  emit_sums(m, g, emit_at2(m, byte(m), g->w, rows.index, g->w_n * 2, NULL));
  finish_rows(m, g, rows.index, event);
  emit_loop_end(m, &rows, NULL);
}

void gemm_tiles_emit(CodeModule *m, const Gemm *g) {
  if (!g->halves || g->f64 || g->w_k != 1 || g->n_pieces > 0 || g->tile % EVENTS_AT_ONCE != 0)
    ir_fail("a product of %ld x %ld by tiles", (long)g->n, (long)g->k);
  code_features(m, "+amx-tile,+amx-bf16");
  configure(m, g->scratch);
  EmitLoop events = emit_loop(m, "events", emit_index(m, 0), g->events ? g->events : emit_index(m, g->tile), EVENTS_AT_ONCE, NULL, 0);
  emit_events(m, g, events.index);
  emit_loop_end(m, &events, NULL);
  instruction(m, "llvm.x86.tilerelease", NULL, 0);
}
