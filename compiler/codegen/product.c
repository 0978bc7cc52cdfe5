#include "compiler/codegen/product.h"

#include "compiler/codegen/gemm.h"

enum { LEAST_SUMS = 16, LEAST_OUTPUTS = 4 }; // rows; of one event, whose outputs lie along the lanes

// An array in memory of the step's dtype, per event or not; weights may be kept in half the bytes.
static bool is_array(const Schedule *s, const Access *a, IrDtype dtype, bool events) {
  const Place *p = &s->places.at[a->place];
  bool half = p->dtype == IR_BF16 && dtype == IR_F32 && !events;
  if (p->events != events || (p->dtype != dtype && !half)) return false;
  return p->kind == PLACE_COMPUTED || p->kind == PLACE_LEAF || p->kind == PLACE_DATA;
}

// The reduced loops walk both operands like one loop.
static bool one_chain(const Step *t) {
  for (int l = t->kept; l + 1 < t->loops; l++)
    for (int k = 0; k < 2; k++)
      if (t->operand[k].stride[l] != t->operand[k].stride[l + 1] * t->extent[l + 1]) return false;
  return t->loops > t->kept;
}

bool product_fits(const Schedule *s, const Step *t, Product *p) {
  if (t->adds && s->options.tile == 1) return false;
  if (t->kind != STEP_DOT || t->over_events || !class_has_events(t->class) || t->loops == t->kept) return false;
  *p = (Product){.w = -1, .n_loop = -1, .k_loop = t->loops - 1, .k = 1};
  for (int i = 0; i < 2; i++)
    if (is_array(s, &t->operand[i], t->dtype, false) && is_array(s, &t->operand[1 - i], t->dtype, true)) p->w = i;
  if (p->w < 0) return false;
  p->x = 1 - p->w;
  p->pieces = !one_chain(t);
  int64_t terms = 1;
  for (int l = t->kept; l < t->loops; l++) terms *= t->extent[l];
  p->k = p->pieces ? t->extent[t->loops - 1] : terms;
  bool single = s->options.tile == 1;
  for (int l = 0; l < t->kept; l++) {
    if (t->operand[p->x].stride[l] != 0 || t->operand[p->w].stride[l] == 0) continue;
    if (p->n_loop >= 0 && (single ? t->operand[p->w].stride[p->n_loop] == 1 : t->extent[l] <= p->n)) continue;
    p->n_loop = l;
    p->n = t->extent[l];
  }
  if (p->pieces && single && (t->halves || p->n < LEAST_OUTPUTS)) return false;
  p->halves = t->halves;
  p->tiles = t->halves && s->options.tiles && gemm_tiles_pay(s->options.tile, p->n, p->k);
  // Only a leaf's weights are known to be finite.
  p->zeros = single && t->zeros && !p->pieces && p->k >= 16 && s->places.at[t->operand[p->w].place].kind == PLACE_LEAF;
  return p->n_loop >= 0 && p->n * terms >= 16;
}

// Which of the two operands walks with the loop; -1: both.
static int walker(const Step *t, int l) {
  bool first = t->operand[0].stride[l] != 0, second = t->operand[1].stride[l] != 0;
  return first && second ? -1 : first ? 0 : 1;
}

// Gradients of biases: several rows share the tree that adds up their lanes.
static bool sums_fit(const Schedule *s, const Step *t, Gradient *g) {
  *g = (Gradient){.b = -1, .a_loop = -1, .b_loop = -1, .columns = 1};
  if (t->loops > t->kept || !is_array(s, &t->operand[0], t->dtype, true)) return false;
  for (int l = 0; l < t->kept; l++) {
    if (t->operand[0].stride[l] == 0 || t->extent[l] <= g->rows) continue;
    g->a_loop = l;
    g->rows = t->extent[l];
  }
  return g->rows >= LEAST_SUMS;
}

bool gradient_fits(const Schedule *s, const Step *t, Gradient *g) {
  if (!t->over_events || t->over_pairs || s->options.tile == 1) return false;
  if (t->kind == STEP_SUM) return (t->dtype == IR_F32 || t->dtype == IR_F64) && sums_fit(s, t, g);
  if (t->kind != STEP_DOT) return false;
  for (int i = 0; i < 2; i++)
    if (!is_array(s, &t->operand[i], t->dtype, true)) return false;
  *g = (Gradient){.b = -1, .a_loop = -1, .b_loop = -1, .rows = 1};
  for (int l = 0; l < t->kept; l++) {
    if (t->extent[l] == 1 || t->store_stride[l] != 1 || walker(t, l) < 0) continue;
    g->b_loop = l;
    g->b = walker(t, l);
    g->columns = t->extent[l];
  }
  if (g->b_loop < 0) return false;
  g->a = 1 - g->b;
  for (int l = 0; l < t->kept; l++) {
    if (l == g->b_loop || walker(t, l) != g->a || t->extent[l] <= g->rows) continue;
    g->a_loop = l;
    g->rows = t->extent[l];
  }
  return g->rows * g->columns >= 4;
}

int64_t product_scratch(const Product *p) { return p->tiles ? gemm_tiles_scratch(p->k) : 0; }

int64_t gradient_scratch(const Schedule *s, const Step *t, const Gradient *g) {
  GemmGradient gemm = {.f64 = t->dtype == IR_F64, .rows = g->rows, .columns = g->columns, .tile = s->options.tile};
  return gemm_gradient_scratch(&gemm);
}
