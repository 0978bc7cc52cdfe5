// Derivatives against central differences of fourth order through the evaluator, in float64.
//
//   Differences d = differences_begin("exp", 1);
//   IrRef x = differences_leaf(&d, 2, axes, -2, 2);
//   differences_check(&d, ir_unary(d.fn, IR_EXP, x));   // fails the test on a wrong derivative; frees
//
// First derivatives of y projected on random numbers, then those of a random projection of the first.
// Included by one test file a program (functions are static).
#ifndef HGM_TESTS_DIFFERENCES_H
#define HGM_TESTS_DIFFERENCES_H

#include "compiler/ad/ad.h"

enum { DIFFERENCES_EVENTS = 3, DIFFERENCES_LEAVES = 12 };

typedef struct Differences {
  Arena *arena;
  IrFn *fn;
  const char *label;
  uint64_t random;
  IrRef leaf[DIFFERENCES_LEAVES]; // those that are varied
  IrArray data[DIFFERENCES_LEAVES + 32];
  uint32_t n_leaves, n_data;
  int compared, skipped; // skipped: a kink nearby
} Differences;

static inline double differences_number(Differences *d, double low, double high) {
  d->random += 0x9e3779b97f4a7c15u;
  uint64_t z = (d->random ^ (d->random >> 30)) * 0xbf58476d1ce4e5b9u;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
  return low + (high - low) * ((double)((z ^ (z >> 31)) >> 11) * 0x1p-53);
}

static inline Differences differences_begin(const char *label, uint64_t seed) {
  Differences d = {.arena = arena_create(), .label = label, .random = seed * 7919 + 1};
  d.fn = ir_fn_new(d.arena, label);
  return d;
}

static inline IrRef differences_input(Differences *d, int rank, const int64_t *axes, double low, double high) {
  IrType type = ir_type(IR_F64, rank, axes);
  int64_t n = ir_elements(&type) * (ir_has_events(&type) ? DIFFERENCES_EVENTS : 1);
  IrArray *a = &d->data[d->n_data];
  if (d->n_data == sizeof d->data / sizeof *d->data) ir_fail("%s: too many leaves", d->label);
  *a = (IrArray){arena_printf(d->arena, "x%u", d->n_data), n, ARENA_ARRAY(d->arena, double, n + 1)};
  for (int64_t i = 0; i < n; i++) a->data[i] = differences_number(d, low, high);
  d->n_data++;
  return ir_leaf(d->fn, IR_INPUT, a->name, type);
}

// Varied leaves must be made before any other.
static inline IrRef differences_leaf(Differences *d, int rank, const int64_t *axes, double low, double high) {
  if (d->n_leaves != d->n_data || d->n_leaves == DIFFERENCES_LEAVES) ir_fail("%s: leaves out of order", d->label);
  return d->leaf[d->n_leaves++] = differences_input(d, rank, axes, low, high);
}

static inline double differences_eval(Differences *d, const IrFn *fn) {
  Arena *scratch = arena_create();
  IrArray *out = ARENA_ARRAY(scratch, IrArray, fn->outputs.len);
  IrEnv env = {.events = DIFFERENCES_EVENTS, .leaves = d->data, .n_leaves = d->n_data};
  const char *error = "";
  if (!ir_eval(fn, &env, scratch, out, &error)) fail_msg("%s: %s", d->label, error);
  double y = out[0].data[0];
  arena_destroy(scratch);
  return y;
}

// The function with the one output `y`, without what y does not need.
static inline IrFn differences_only(const IrFn *fn, IrRef y) {
  IrFn only = *fn;
  only.values.len = y + 1;
  only.outputs.at = NULL;
  only.outputs.len = only.outputs.cap = 0;
  ir_output(&only, "value", y);
  return only;
}

static inline double differences_slope(Differences *d, const IrFn *fn, double *x, double h) {
  double kept = *x, f[4];
  static const double steps[4] = {-2, -1, 1, 2};
  for (int i = 0; i < 4; i++) {
    *x = kept + steps[i] * h;
    f[i] = differences_eval(d, fn);
  }
  *x = kept;
  return (f[0] - 8 * f[1] + 8 * f[2] - f[3]) / (12 * h);
}

// Random numbers in the shape of r; a second event axis is stretched.
static inline IrRef differences_projector(Differences *d, IrRef r) {
  IrType t = *ir_type_of(d->fn, r);
  if (ir_event_axes(&t) < 2) return ir_cast(d->fn, differences_input(d, t.rank, t.axes, 0.5, 1.5), t.dtype);
  int8_t from[IR_MAX_RANK];
  IrType single = t;
  single.rank--;
  for (int i = 1; i < single.rank; i++) single.axes[i] = t.axes[i + 1];
  for (int i = 0; i < t.rank; i++) from[i] = (int8_t)(i == 1 ? -1 : i > 1 ? i - 1 : 0);
  return ir_broadcast(d->fn, differences_input(d, single.rank, single.axes, 0.5, 1.5), t.rank, t.axes, from);
}

static inline IrRef differences_project(Differences *d, IrRef r, IrRef on) {
  IrRef product = ir_binary(d->fn, IR_MUL, r, on);
  return ir_cast(d->fn, ir_sum(d->fn, product, (1u << ir_type_of(d->fn, r)->rank) - 1), IR_F64);
}

// gradient (one array a leaf, IR_NONE: zeros) against the slopes of the scalar y.
static inline void differences_compare(Differences *d, IrRef y, const IrRef *gradient, const char *order) {
  IrFn scalar = differences_only(d->fn, y);
  for (uint32_t k = 0; k < d->n_leaves; k++) {
    IrArray *x = &d->data[k], g = {.n = x->n, .data = ARENA_ARRAY(d->arena, double, x->n + 1)};
    if (gradient[k] != IR_NONE) {
      IrFn only = differences_only(d->fn, gradient[k]);
      IrEnv env = {.events = DIFFERENCES_EVENTS, .leaves = d->data, .n_leaves = d->n_data};
      const char *error = "";
      if (!ir_eval(&only, &env, d->arena, &g, &error)) fail_msg("%s: %s", d->label, error);
      assert_int_equal(g.n, x->n);
    }
    double largest = 1e-3;
    for (int64_t i = 0; i < x->n; i++) largest = fmax(largest, fabs(g.data[i]));
    for (int64_t i = 0; i < x->n; i++) {
      double slope = differences_slope(d, &scalar, &x->data[i], 2e-3), fine = differences_slope(d, &scalar, &x->data[i], 5e-4);
      double allowed = 1e-6 * fmax(fabs(fine), 0.1 * largest);
      d->compared++;
      if (fabs(g.data[i] - slope) <= allowed || fabs(g.data[i] - fine) <= allowed) continue;
      if (fabs(slope - fine) > 1e-4 * largest) {
        d->skipped++;
        continue;
      }
      fail_msg("%s: %s derivative by leaf %u, element %lld: rule %.12g, differences %.12g and %.12g\n%s", d->label, order, k, (long long)i, g.data[i], slope,
               fine, ir_text(d->arena, d->fn));
    }
  }
}

static inline void differences_end(Differences *d) {
  if (d->skipped * 10 > d->compared) fail_msg("%s: %d of %d slopes stand at kinks", d->label, d->skipped, d->compared);
  arena_destroy(d->arena);
}

static inline void differences_check(Differences *d, IrRef y) {
  IrRef first[DIFFERENCES_LEAVES], second[DIFFERENCES_LEAVES], refused = IR_NONE;
  IrRef seed = differences_projector(d, y);
  if (!ad_gradient(d->fn, y, seed, d->leaf, d->n_leaves, first, &refused)) fail_msg("%s: refused", d->label);
  const char *broken = ir_verify(d->fn, d->arena);
  if (broken) fail_msg("%s: %s", d->label, broken);
  differences_compare(d, differences_project(d, y, seed), first, "first");
  IrRef sum = IR_NONE;
  for (uint32_t k = 0; k < d->n_leaves; k++) {
    if (first[k] == IR_NONE) continue;
    IrRef part = differences_project(d, first[k], differences_projector(d, first[k]));
    sum = sum == IR_NONE ? part : ir_binary(d->fn, IR_ADD, sum, part);
  }
  if (sum != IR_NONE) {
    if (ad_gradient(d->fn, sum, IR_NONE, d->leaf, d->n_leaves, second, &refused)) {
      broken = ir_verify(d->fn, d->arena);
      if (broken) fail_msg("%s: %s", d->label, broken);
      differences_compare(d, sum, second, "second");
    } else {
      assert_int_equal(ir_at(d->fn, refused)->op, IR_TRIGAMMA);
    }
  }
  differences_end(d);
}

#endif
