// What an earlier phase has computed is computed again in the phase that reads it, where keeping it for the whole batch would
// cost more: of a step that is differentiated through, the activations are made anew from its weights and the batch.
//
//   phase 1   h = tanh(x w), g = sum over events of ...                phase 1   h = tanh(x w), g = ...
//   phase 2   v = w - g, ...                                    ->     phase 2   v = w - g, ...
//   phase 3   reads h, which was kept for the batch                    phase 3   h' = tanh(x w), reads h'
//
// It is a copy of the function with these values once more. A copy is computed in the phase that reads it, which its operands
// alone would not say: `least` does. What is read in the very next phase is kept in any case (the sums of a batch norm are about
// it); everything else can be made of that, inputs and weights. A few operations a number cost less than the way through memory;
// more than that is done again only as far as the batch would not fit into KEEP_BYTES.
#include "compiler/codegen/schedule.h"

enum { KEEP_BYTES = 32 << 20 };

typedef struct Again { // value i once more in the phase of a level
  int level;
  IrRef copy;
  struct Again *next;
} Again;

typedef struct Remat {
  Schedule *s;
  const IrFn *fn;
  IrFn *to;
  const bool *needed;
  int *level;     // by value
  IrRef *root;    // by value: what it is a view of
  int *reads;     // by value, of roots: the first level beyond its own that reads it; 0: none
  bool *must;     // by value, of roots: pairs of events read it, so it has to be complete
  bool *kept;     // by value, of roots
  double *cost;   // by value, of roots: operations for each of its numbers beyond what is kept or made anyway
  IrRef *map;     // by value: itself in `to`
  Again **copies; // by value
  VEC(int) least; // by value of `to`
} Remat;

static bool is_view(const IrValue *v) {
  return v->op == IR_RESHAPE || v->op == IR_TRANSPOSE || v->op == IR_BROADCAST || v->op == IR_SLICE || v->op == IR_WINDOWS || v->op == IR_STOP;
}

static bool of_pairs(const IrFn *fn, const IrValue *v) {
  bool pairs = ir_event_axes(&v->type) == 2;
  for (uint32_t k = 0; k < v->n_operands; k++) pairs |= ir_event_axes(ir_type_of(fn, v->operands[k])) == 2;
  return pairs;
}

// The level in whose events phase the value reads its operands.
static int reading_level(const Remat *r, IrRef i) { return r->level[i] - (ir_has_events(ir_type_of(r->fn, i)) ? 0 : 1); }

// Is it there in every phase, whatever we decide?
static bool is_free(const Remat *r, IrRef root) {
  const IrValue *v = ir_at(r->fn, root);
  return !ir_has_events(&v->type) || v->op == IR_INPUT || v->op == IR_CONST || v->op == IR_IOTA;
}

static bool find_readers(Remat *r) {
  bool any = false;
  for (IrRef i = 0; i < r->fn->values.len; i++) {
    const IrValue *v = ir_at(r->fn, i);
    if (!r->needed[i]) continue;
    r->root[i] = is_view(v) ? r->root[v->operands[0]] : i;
    bool pairs = of_pairs(r->fn, v);
    for (uint32_t k = 0; k < v->n_operands; k++) {
      IrRef root = r->root[v->operands[k]];
      int at = reading_level(r, i);
      if (is_free(r, root) || at <= r->level[root]) continue;
      if (r->reads[root] == 0 || at < r->reads[root]) r->reads[root] = at;
      if (pairs) r->must[root] = true;
      any = true;
    }
  }
  return any;
}

// Operations for one number of a contraction: the product of what is summed.
static double contraction(const IrFn *fn, const IrValue *v) {
  IrEinsum spec;
  if (!ir_einsum_parse(v->attr.name, &spec)) ir_fail("codegen: einsum %s", v->attr.name);
  double n = 2;
  const IrType *a = ir_type_of(fn, v->operands[0]);
  for (int i = 0; i < a->rank; i++)
    if (ir_einsum_axis(&spec, 2, spec.letters[0][i]) < 0 && a->axes[i] > 0) n *= (double)a->axes[i];
  return n;
}

static double own_cost(const IrFn *fn, const IrValue *v) {
  double numbers = (double)ir_elements(&v->type);
  switch ((int)v->op) {
  case IR_EINSUM: return numbers * contraction(fn, v);
  case IR_SUM:
  case IR_AMAX:
  case IR_ARGMAX:
  case IR_FOLD: return (double)ir_elements(ir_type_of(fn, v->operands[0]));
  case IR_SORT:
  case IR_SCATTER_ADD: return 1e30; // loops over loops: not again
  }
  return numbers * (1 + ir_op_info[v->op].flops);
}

// Keeps what would cost more than `most` operations a number; what is kept, in bytes for an event.
static double decide(Remat *r, double most) {
  double bytes = 0;
  for (IrRef i = 0; i < r->fn->values.len; i++) {
    if (!r->needed[i] || r->root[i] != i || is_free(r, i)) continue;
    const IrValue *v = ir_at(r->fn, i);
    double total = own_cost(r->fn, v);
    for (uint32_t k = 0; k < v->n_operands; k++) {
      IrRef root = r->root[v->operands[k]];
      if (!is_free(r, root) && r->reads[root] == 0) total += r->cost[root];
    }
    r->cost[i] = total;
    if (r->reads[i] == 0) continue;
    double numbers = (double)ir_elements(&v->type);
    r->kept[i] = r->must[i] || r->reads[i] == r->level[i] + 1 || of_pairs(r->fn, v) || total > most * numbers;
    if (r->kept[i]) bytes += numbers * (double)dtype_bytes(v->type.dtype);
  }
  return bytes;
}

// ---- the copy

static IrRef put(Remat *r, IrRef i, const IrRef *operands, int least) {
  IrValue v = *ir_at(r->fn, i);
  v.operands = operands;
  ir_push(r->to, &v);
  VEC_PUSH(r->s->arena, &r->least, least);
  return (IrRef)(r->to->values.len - 1);
}

// Value i as the phase of the level reads it.
static IrRef as_read(Remat *r, IrRef i, int level) {
  IrRef root = r->root[i];
  if (level <= r->level[i] || is_free(r, root) || r->kept[root]) return r->map[i];
  for (const Again *a = r->copies[i]; a != NULL; a = a->next)
    if (a->level == level) return a->copy;
  const IrValue *v = ir_at(r->fn, i);
  IrRef *operands = ARENA_ARRAY(r->s->arena, IrRef, v->n_operands + 1);
  for (uint32_t k = 0; k < v->n_operands; k++) operands[k] = as_read(r, v->operands[k], level);
  Again *a = ARENA_NEW(r->s->arena, Again);
  *a = (Again){level, put(r, i, operands, level), r->copies[i]};
  r->copies[i] = a;
  return a->copy;
}

static void copy(Remat *r) {
  for (IrRef i = 0; i < r->fn->values.len; i++) {
    if (!r->needed[i]) continue;
    const IrValue *v = ir_at(r->fn, i);
    int level = reading_level(r, i);
    IrRef *operands = ARENA_ARRAY(r->s->arena, IrRef, v->n_operands + 1);
    for (uint32_t k = 0; k < v->n_operands; k++) operands[k] = as_read(r, v->operands[k], level);
    r->map[i] = put(r, i, operands, 0);
  }
  for (size_t i = 0; i < r->fn->outputs.len; i++) ir_output(r->to, r->fn->outputs.at[i].name, r->map[r->fn->outputs.at[i].value]);
}

static Remat remat_open(Schedule *s) {
  const IrFn *fn = s->fn;
  size_t n = fn->values.len + 1;
  Remat r = {.s = s, .fn = fn, .to = ir_fn_new(s->arena, fn->name), .needed = ir_needed(s->arena, s->fn), .level = ARENA_ARRAY(s->arena, int, n)};
  for (IrRef i = 0; i < fn->values.len; i++)
    if (r.needed[i]) r.level[i] = schedule_class(s, i, r.level) / 2;
  r.root = ARENA_ARRAY(s->arena, IrRef, n);
  r.reads = ARENA_ARRAY(s->arena, int, n);
  r.must = ARENA_ARRAY(s->arena, bool, n);
  r.kept = ARENA_ARRAY(s->arena, bool, n);
  r.cost = ARENA_ARRAY(s->arena, double, n);
  r.map = ARENA_ARRAY(s->arena, IrRef, n);
  r.copies = ARENA_ARRAY(s->arena, Again *, n);
  return r;
}

void schedule_remat(Schedule *s) {
  static const double most[] = {8, 64, 512, 4096};
  if (s->options.tile == 1) return; // an event at a time keeps little
  Remat r = remat_open(s);
  if (!find_readers(&r)) return;
  double batch = (double)(s->options.batch > 0 ? s->options.batch : 1);
  for (size_t i = 0; i < sizeof most / sizeof *most; i++)
    if (decide(&r, most[i]) * batch <= KEEP_BYTES) break;
  copy(&r);
  s->fn = r.to;
  s->least = r.least.at;
}
