// Weights times one event: Y[n] = sum over k of W[k][n] X[k]. Outputs lie along the lanes, the weights of one k one behind the
// other; a block of outputs is kept in registers while all k pass by. Each output is one chain of multiply-adds over ascending
// k, or of bf16 the sum of blocks of two chains, as in a tile of many events (gemm.h).
//
// Zeros of X. Where X has many, a list of the other k is made first. Leaving out a zero term changes nothing but, at most, the
// sign of a sum that is zero: x w is +0 or -0, and only -0 + (+0) differs from its first term. So a chain that ends at -0 (all
// its products were too small for any number but zero) is computed again with all terms. Weights must be finite. Sums of blocks begin at +0, and no
// block makes -0 of that, so their chains are not computed again.
//
// Pieces (a convolution, a locally connected layer): the chain of an output goes on over further loops. One or two vectors of outputs would wait for each other's
// sums, so a few neighbouring places share the loops, each with chains, weights and numbers of its own; where clips leave one of them more terms
// than the others, it ends alone.
#include <string.h>

#include "compiler/codegen/emit_nest.h"
#include "compiler/codegen/gemm.h"
#include "compiler/codegen/product.h"

enum { MOST_VECTORS = 24, MOST_VECTORS_256 = 12, MOST_PLACES = 4, MOST_CHAINS = 16 };

typedef struct Matvec {
  const Product *product;
  uint32_t skip;
  int64_t w_k, x_k;
  LLVMValueRef w, x, list, count; // list: of the k whose x is not zero
  LLVMValueRef ends;              // halves: where in the list the chains begin, two of each block
  IrDtype kept;                   // weights in memory
  LLVMTypeRef weight, element, vector;
  int place_loop; // pieces: the outer loop whose neighbouring turns share loops, -1: none
  unsigned places;
  LLVMValueRef place; // the first of them
} Matvec;

static int lanes_of(const CodeModule *m, bool f64, int64_t n) {
  int most = (int)m->target->vector_bits / (f64 ? 64 : 32), lanes = 4;
  while (lanes < most && lanes < n) lanes *= 2;
  return lanes;
}

// Terms of a chain: from, from + step, ..., below to; of the k, or of the list.
typedef struct Terms {
  bool listed;
  LLVMValueRef from, to; // from NULL: 0
  int64_t step;
} Terms;

// Puts those of these k whose x is not zero behind the first `count` of the list; how many there are then.
static LLVMValueRef put_on_list(Emit *e, const Matvec *v, Terms all, LLVMValueRef count) {
  CodeModule *m = e->m;
  LLVMBuilderRef b = m->builder;
  EmitLoop k = emit_loop(m, "list", all.from ? all.from : emit_index(m, 0), all.to, all.step, &count, 1);
  emit_store(m, LLVMBuildTrunc(b, k.index, m->i32, ""), emit_at(m, m->i32, v->list, k.carried[0]));
  LLVMValueRef x = emit_load(m, v->element, emit_at2(m, v->element, v->x, k.index, v->x_k, NULL));
  LLVMValueRef counts = LLVMBuildFCmp(b, LLVMRealUNE, x, emit_number(v->element, 0), "");
  LLVMValueRef next = LLVMBuildNSWAdd(b, k.carried[0], LLVMBuildZExt(b, counts, m->i64, ""), "");
  emit_loop_end(m, &k, &next);
  return k.carried[0];
}

// The even or the odd k of the block that begins at k.
static Terms half_block(CodeModule *m, const Matvec *v, LLVMValueRef k, int odd) {
  LLVMValueRef end = emit_plus(m, k, GEMM_BLOCK);
  if (v->product->k % GEMM_BLOCK != 0) end = emit_least(m, end, emit_index(m, v->product->k));
  return (Terms){false, emit_plus(m, k, odd), end, 2};
}

// Where the list has that chain of the block: &ends[chain].
static LLVMValueRef end_of(CodeModule *m, const Matvec *v, LLVMValueRef k, int chain) {
  LLVMValueRef first = LLVMBuildUDiv(m->builder, k, emit_index(m, GEMM_BLOCK / 2), "");
  return emit_at(m, m->i32, v->ends, emit_plus(m, first, chain));
}

static void make_list(Emit *e, Matvec *v) {
  CodeModule *m = e->m;
  LLVMValueRef none = emit_index(m, 0), all = emit_index(m, v->product->k);
  if (!v->product->halves) {
    v->count = put_on_list(e, v, (Terms){.to = all, .step = 1}, none);
    return;
  }
  emit_store(m, LLVMConstNull(m->i32), v->ends);
  EmitLoop block = emit_loop(m, "block", none, all, GEMM_BLOCK, &none, 1);
  LLVMValueRef count = block.carried[0];
  for (int odd = 0; odd < 2; odd++) {
    count = put_on_list(e, v, half_block(m, v, block.index, odd), count);
    emit_store(m, LLVMBuildTrunc(m->builder, count, m->i32, ""), end_of(m, v, block.index, odd + 1));
  }
  emit_loop_end(m, &block, &count);
}

// Two neighbours of vectors are widened together: number by number each second place is a zero (one instruction a vector, where by itself a
// vector takes two). What they hold is in the order of that instruction until put_in_order.
static bool is_pair(const Emit *e, const Matvec *v, const int64_t *at, unsigned n, unsigned i) {
  return v->kept == IR_BF16 && e->valid == e->m->lanes && e->m->lanes >= 8 && i + 1 < n && at[i + 1] == at[i] + e->m->lanes;
}

static void load_pair(Emit *e, const Matvec *v, LLVMValueRef first, LLVMValueRef *weights) {
  enum { PART = 8 }; // halves in 128 bits
  unsigned lanes = e->m->lanes, pick[2 * CODE_LANES];
  LLVMTypeRef halves = LLVMVectorType(v->weight, 2 * lanes);
  LLVMValueRef x = emit_load(e->m, halves, first);
  for (unsigned high = 0; high < 2; high++) {
    for (unsigned i = 0; i < 2 * lanes; i++) pick[i] = i % 2 == 0 ? i : 2 * lanes + i / PART * PART + high * PART / 2 + i % PART / 2;
    weights[high] = LLVMBuildBitCast(e->m->builder, emit_shuffle(e->m, LLVMConstNull(halves), x, pick, 2 * lanes), v->vector, "");
  }
}

static void put_in_order(Emit *e, LLVMValueRef *pair) {
  enum { PART = 4 };
  unsigned lanes = e->m->lanes, pick[CODE_LANES];
  LLVMValueRef a = pair[0], b = pair[1];
  for (unsigned k = 0; k < 2; k++) {
    for (unsigned i = 0; i < lanes; i++) {
      unsigned part = (k * lanes + i) / PART; // of four: from a, b, a, b, ...
      pick[i] = part % 2 * lanes + part / 2 * PART + i % PART;
    }
    pair[k] = emit_shuffle(e->m, a, b, pick, lanes);
  }
}

// Adds these terms to sums[0..n). Vector i: outputs row + at[i] and on.
static void add_terms(Emit *e, const Matvec *v, Terms terms, LLVMValueRef row, const int64_t *at, unsigned n, LLVMValueRef *sums) {
  CodeModule *m = e->m;
  bool listed = terms.listed;
  LLVMValueRef now[EMIT_CARRIED], w = emit_at(m, v->weight, v->w, row), x = v->x;
  if (!listed && terms.from) w = emit_at2(m, v->weight, w, terms.from, v->w_k, NULL), x = emit_at2(m, v->element, x, terms.from, v->x_k, NULL);
  memcpy(now, sums, n * sizeof *now);
  now[n] = w, now[n + 1] = x;
  EmitLoop turn = emit_loop(m, "k", terms.from ? terms.from : emit_index(m, 0), terms.to, terms.step, now,
                            n + (listed ? 0 : 2)); // without a list it carries where it reads
  memcpy(now, turn.carried, turn.n * sizeof *now);
  if (listed) {
    LLVMValueRef k = LLVMBuildZExt(m->builder, emit_load(m, m->i32, emit_at(m, m->i32, v->list, turn.index)), m->i64, "");
    x = emit_at2(m, v->element, x, k, v->x_k, NULL);
    w = emit_at2(m, v->weight, w, k, v->w_k, NULL);
  } else {
    w = now[n], x = now[n + 1];
    now[n] = emit_at(m, v->weight, w, emit_index(m, terms.step * v->w_k));
    now[n + 1] = emit_at(m, v->element, x, emit_index(m, terms.step * v->x_k));
  }
  LLVMValueRef number = emit_broadcast(m, v->vector, x);
  for (unsigned i = 0; i < n; i++) {
    LLVMValueRef first = emit_at(m, v->weight, w, emit_index(m, at[i])), weights[2];
    bool pair = is_pair(e, v, at, n, i);
    if (pair) load_pair(e, v, first, weights);
    else weights[0] = nest_to_register(e, v->kept, lanes_load(e, v->kept, first, 1));
    now[i] = emit_fma(m, weights[0], number, now[i]);
    if (pair) i++, now[i] = emit_fma(m, weights[1], number, now[i]);
  }
  emit_loop_end(m, &turn, now);
  memcpy(sums, turn.carried, n * sizeof *sums);
}

static void add_blocks(Emit *e, const Matvec *v, LLVMValueRef row, const int64_t *at, unsigned n, LLVMValueRef *sums) {
  CodeModule *m = e->m;
  LLVMValueRef part[2][EMIT_CARRIED];
  EmitLoop block = emit_loop(m, "block", emit_index(m, 0), emit_index(m, v->product->k), GEMM_BLOCK, sums, n);
  for (int odd = 0; odd < 2; odd++) {
    for (unsigned i = 0; i < n; i++) part[odd][i] = LLVMConstNull(v->vector);
    Terms terms = half_block(m, v, block.index, odd);
    if (v->list) {
      terms = (Terms){.listed = true, .step = 1};
      terms.from = LLVMBuildZExt(m->builder, emit_load(m, m->i32, end_of(m, v, block.index, odd)), m->i64, "");
      terms.to = LLVMBuildZExt(m->builder, emit_load(m, m->i32, end_of(m, v, block.index, odd + 1)), m->i64, "");
    }
    add_terms(e, v, terms, row, at, n, part[odd]);
  }
  for (unsigned i = 0; i < n; i++) sums[i] = LLVMBuildFAdd(m->builder, block.carried[i], LLVMBuildFAdd(m->builder, part[0][i], part[1][i], ""), "");
  emit_loop_end(m, &block, sums);
  memcpy(sums, block.carried, n * sizeof *sums);
}

// Is any lane of any sum -0?
static LLVMValueRef any_minus_zero(Emit *e, const LLVMValueRef *sums, unsigned n) {
  CodeModule *m = e->m;
  LLVMTypeRef whole = emit_int_like(m, LLVMTypeOf(sums[0])), bits = LLVMIntTypeInContext(m->context, m->lanes);
  LLVMValueRef minus = LLVMConstBitCast(emit_number(LLVMTypeOf(sums[0]), -0.0), whole), any = NULL;
  for (unsigned i = 0; i < n; i++) {
    LLVMValueRef is = LLVMBuildICmp(m->builder, LLVMIntEQ, LLVMBuildBitCast(m->builder, sums[i], whole, ""), minus, "");
    any = any ? LLVMBuildOr(m->builder, any, is, "") : is;
  }
  return LLVMBuildICmp(m->builder, LLVMIntNE, LLVMBuildBitCast(m->builder, any, bits, ""), LLVMConstNull(bits), "");
}

static void emit_block(Emit *e, const Matvec *v, LLVMValueRef row, const int64_t *at, unsigned n) {
  CodeModule *m = e->m;
  LLVMValueRef sums[EMIT_CARRIED], zero = LLVMConstNull(v->vector), all = emit_index(m, v->product->k);
  for (unsigned i = 0; i < n; i++) sums[i] = zero;
  if (v->product->halves) add_blocks(e, v, row, at, n, sums);
  else add_terms(e, v, (Terms){.listed = v->list != NULL, .to = v->list ? v->count : all, .step = 1}, row, at, n, sums);
  if (v->list && !v->product->halves) {
    LLVMValueRef again = any_minus_zero(e, sums, n);
    for (unsigned i = 0; i < n; i++) sums[i] = LLVMBuildSelect(m->builder, again, zero, sums[i], "");
    add_terms(e, v, (Terms){.to = LLVMBuildSelect(m->builder, again, all, emit_index(m, 0), ""), .step = 1}, row, at, n, sums);
  }
  for (unsigned i = 0; i < n; i++)
    if (is_pair(e, v, at, n, i)) put_in_order(e, &sums[i++]);
  for (unsigned i = 0; i < n; i++) {
    e->index[v->product->n_loop] = emit_plus(m, row, at[i]);
    nest_follow(e, sums[i]);
  }
}

// ---- pieces

typedef struct Chain { // of a place, of those that share loops
  LLVMValueRef w, x, terms;
} Chain;

static void go_to_place(Emit *e, const Matvec *v, unsigned p) {
  if (v->place_loop >= 0) e->index[v->place_loop] = emit_plus(e->m, v->place, p);
}

// Terms [from, to) of the chains of these places, where each is.
static void add_place_terms(Emit *e, const Matvec *v, LLVMValueRef from, LLVMValueRef to, Chain *places, unsigned n_places, const int64_t *at, unsigned n,
                            LLVMValueRef *sums) {
  CodeModule *m = e->m;
  LLVMValueRef now[EMIT_CARRIED];
  unsigned chains = n_places * n;
  memcpy(now, sums, chains * sizeof *now);
  for (unsigned p = 0; p < n_places; p++) now[chains + 2 * p] = places[p].w, now[chains + 2 * p + 1] = places[p].x;
  EmitLoop k = emit_loop(m, "k", from, to, 1, now, chains + 2 * n_places);
  memcpy(now, k.carried, k.n * sizeof *now);
  for (unsigned p = 0; p < n_places; p++) {
    LLVMValueRef *w = &now[chains + 2 * p], *x = w + 1, number = emit_broadcast(m, v->vector, *x);
    for (unsigned i = 0; i < n; i++) {
      LLVMValueRef weights = nest_to_register(e, v->kept, lanes_load(e, v->kept, emit_at(m, v->weight, *w, emit_index(m, at[i])), 1));
      now[p * n + i] = emit_fma(m, weights, number, now[p * n + i]);
    }
    *w = emit_at(m, v->weight, *w, emit_index(m, v->w_k));
    *x = emit_at(m, v->element, *x, emit_index(m, v->x_k));
  }
  emit_loop_end(m, &k, now);
  memcpy(sums, k.carried, chains * sizeof *sums);
  for (unsigned p = 0; p < n_places; p++) places[p].w = k.carried[chains + 2 * p], places[p].x = k.carried[chains + 2 * p + 1];
}

// The loops of the chains from loop l on.
static void add_pieces(Emit *e, const Matvec *v, int l, const Chain *places, const int64_t *at, unsigned n, LLVMValueRef *sums) {
  CodeModule *m = e->m;
  const NestStep *t = &e->nest->steps[0];
  Chain now[MOST_PLACES];
  memcpy(now, places, v->places * sizeof *now);
  if (l == v->product->k_loop) {
    LLVMValueRef all = now[0].terms;
    for (unsigned p = 1; p < v->places; p++) all = emit_least(m, all, now[p].terms);
    add_place_terms(e, v, emit_index(m, 0), all, now, v->places, at, n, sums);
    for (unsigned p = 0; p < v->places && v->places > 1; p++) add_place_terms(e, v, all, now[p].terms, &now[p], 1, at, n, sums + p * n);
    return;
  }
  EmitRange only = nest_range(e, l);
  LLVMValueRef from = only.from ? emit_units(m, &only, only.from) : emit_index(m, 0);
  LLVMValueRef to = only.from ? emit_units(m, &only, only.to) : emit_index(m, e->nest->segments[0].extent[l - e->nest->outer]);
  EmitLoop loop = emit_loop(m, "piece", from, to, 1, sums, v->places * n);
  memcpy(sums, loop.carried, loop.n * sizeof *sums);
  for (unsigned p = 0; p < v->places; p++) {
    now[p].w = emit_at2(m, v->weight, now[p].w, loop.index, t->read[v->product->w].stride[l], NULL);
    now[p].x = emit_at2(m, v->element, now[p].x, loop.index, t->read[v->product->x].stride[l], NULL);
  }
  add_pieces(e, v, l + 1, now, at, n, sums);
  emit_loop_end(m, &loop, sums);
  memcpy(sums, loop.carried, loop.n * sizeof *sums);
}

static void emit_places(Emit *e, const Matvec *v, LLVMValueRef row, const int64_t *at, unsigned n) {
  CodeModule *m = e->m;
  const NestStep *t = &e->nest->steps[0];
  const NestRead *w = &t->read[v->product->w], *x = &t->read[v->product->x];
  LLVMValueRef sums[MOST_VECTORS + MOST_CHAINS];
  Chain places[MOST_PLACES] = {{0}};
  for (unsigned p = 0; p < v->places; p++) {
    go_to_place(e, v, p);
    places[p] = (Chain){emit_at(m, v->weight, v->w, row), v->x, emit_index(m, v->product->k)};
    if (v->place_loop >= 0) {
      places[p].w = emit_at2(m, v->weight, places[p].w, e->index[v->place_loop], w->stride[v->place_loop], NULL);
      places[p].x = emit_at2(m, v->element, places[p].x, e->index[v->place_loop], x->stride[v->place_loop], NULL);
    }
    EmitRange only = nest_range(e, v->product->k_loop);
    if (!only.from) continue;
    LLVMValueRef first = emit_units(m, &only, only.from);
    places[p].w = emit_at2(m, v->weight, places[p].w, first, v->w_k, NULL);
    places[p].x = emit_at2(m, v->element, places[p].x, first, v->x_k, NULL);
    places[p].terms = LLVMBuildNSWSub(m->builder, emit_units(m, &only, only.to), first, "");
  }
  for (unsigned i = 0; i < v->places * n; i++) sums[i] = LLVMConstNull(v->vector);
  add_pieces(e, v, t->kept, places, at, n, sums);
  for (unsigned p = 0; p < v->places; p++) {
    go_to_place(e, v, p);
    for (unsigned i = 0; i < n; i++) {
      e->index[v->product->n_loop] = emit_plus(m, row, at[i]);
      nest_follow(e, sums[p * n + i]);
    }
  }
}

// The last loop outside of the outputs, unless clips bind it to a piece: places that share loops would need other turns of it.
static int place_loop(const Nest *nest, const Product *p) {
  const NestStep *t = &nest->steps[0];
  for (int l = nest->outer - 1; l >= 0; l--) {
    if (l == p->n_loop || nest->extent[l] == 1) continue;
    for (int i = 0; i < t->n_clips; i++)
      for (int which = 0; which < 2; which++) {
        int other = t->clips[i].loop[1 - which];
        if (t->clips[i].loop[which] == l && other >= t->kept && other < p->k_loop) return -1;
      }
    return l;
  }
  return -1;
}

// ---- outputs

// Blocks of equal numbers of vectors; the last vector of all ends at the last output, over its neighbour if need be.
static void emit_outputs(Emit *e, const Matvec *v) {
  CodeModule *m = e->m;
  int64_t outputs = v->product->n, lanes = m->lanes, vectors = (outputs + lanes - 1) / lanes;
  int64_t most = m->target->vector_bits == 512 ? MOST_VECTORS : MOST_VECTORS_256, blocks = (vectors + most - 1) / most;
  int64_t block = (vectors + blocks - 1) / blocks, whole = outputs / lanes / block, at[MOST_VECTORS];
  void (*emit)(Emit *, const Matvec *, LLVMValueRef, const int64_t *, unsigned) = v->product->pieces ? emit_places : emit_block;
  e->valid = (unsigned)(outputs < lanes ? outputs : lanes);
  for (int64_t i = 0; i < block; i++) at[i] = i * lanes;
  if (whole > 0) {
    EmitLoop rows = emit_loop(m, "outputs", emit_index(m, 0), emit_index(m, whole * block * lanes), block * lanes, NULL, 0);
    emit(e, v, rows.index, at, (unsigned)block);
    emit_loop_end(m, &rows, NULL);
  }
  int64_t done = whole * block, rest = vectors - done;
  if (rest == 0) return;
  if (outputs >= lanes) at[rest - 1] = outputs - done * lanes - lanes;
  emit(e, v, emit_index(m, done * lanes), at, (unsigned)rest);
}

static void matvec_body(Emit *e, void *data) {
  Matvec *v = data;
  const NestStep *t = &e->nest->steps[0];
  v->w = nest_start(e, &t->read[v->product->w], v->skip, 1);
  v->x = nest_start(e, &t->read[v->product->x], v->skip, 1);
  if (v->list) make_list(e, v);
  if (v->place_loop < 0) {
    emit_outputs(e, v);
    return;
  }
  int64_t vectors = (v->product->n + e->m->lanes - 1) / e->m->lanes, most = MOST_CHAINS / vectors;
  GemmRun run[GEMM_RUNS];
  int runs = gemm_runs(e->nest->extent[v->place_loop], (unsigned)(most < 1 ? 1 : most < MOST_PLACES ? most : MOST_PLACES), run);
  for (int i = 0; i < runs; i++) {
    EmitLoop first = emit_loop(e->m, "places", emit_index(e->m, run[i].from), emit_index(e->m, run[i].to), run[i].rows, NULL, 0);
    v->place = first.index, v->places = run[i].rows;
    emit_outputs(e, v);
    emit_loop_end(e->m, &first, NULL);
  }
}

void matvec_emit(CodeModule *m, const char *name, const Nest *nest, const Product *product) {
  const NestStep *t = &nest->steps[0];
  Nest own = *nest;
  own.lanes = lanes_of(m, t->dtype == IR_F64, product->n);
  code_module_lanes(m, (unsigned)own.lanes);
  Emit e = nest_begin(m, name, &own, 0);
  Matvec v = {.product = product, .skip = 1u << product->n_loop, .vector = point_type(m, (IrDtype)t->dtype), .places = 1, .place_loop = -1};
  v.element = emit_element(v.vector);
  v.kept = (IrDtype)t->read[product->w].dtype;
  v.weight = point_memory_element(m, v.kept);
  v.w_k = t->read[product->w].stride[product->k_loop];
  v.x_k = t->read[product->x].stride[product->k_loop];
  for (int l = own.outer; l <= product->k_loop; l++) v.skip |= 1u << l;
  if (product->pieces) v.place_loop = place_loop(nest, product);
  if (v.place_loop >= 0) v.skip |= 1u << v.place_loop;
  if (product->zeros) v.list = LLVMBuildArrayAlloca(m->builder, m->i32, emit_index(m, product->k + 1), "list");
  if (product->zeros && product->halves) v.ends = LLVMBuildArrayAlloca(m->builder, m->i32, emit_index(m, product->k / GEMM_BLOCK * 2 + 3), "ends");
  nest_around(&e, 0, own.outer, v.skip, own.extent, matvec_body, NULL, &v);
  nest_end(&e);
}
