// Turns of a convolution's loops that meet only what pads put around an image: there they multiply zeros, or add to rows of the image's
// adjoint that a slice cuts off. They are left out.
//
//   y[h, w] = sum over (i, j, c) of x[h + i, w + j, c] k[i, j, c]       x: zeros in the first two and the last two rows and columns
//
// The first place needs i >= 2 and j >= 2 only; of 5 x 5 numbers of a kernel at 7 x 7 places 31 % of all terms fall away. No bit shows it as long
// as weights are finite, but for a sum whose terms were all too small for any number but -0: so zero is added to what a product with clips has
// summed up, whether or not its terms were left out.
#include "compiler/codegen/steps.h"

// ---- rows of an array that are of no account

static int place_axis(const IrType *type, int axis) { return axis - (axis > 0 && type->axes[0] < 0) - (axis > 1 && type->axes[1] < 0); }

void place_clip_pads(Schedule *s, uint32_t place, IrRef r) {
  Place *p = &s->places.at[place];
  for (const IrValue *v = ir_at(s->fn, r); v->op == IR_PAD; v = ir_at(s->fn, v->operands[0])) {
    int axis = place_axis(&v->type, v->attr.axis);
    p->before[axis] += v->attr.from;
    p->after[axis] += v->attr.to;
    if (v->attr.step != 1) return;
  }
}

void place_clip_slices(Schedule *s, uint32_t place, IrRef r, const IrRef *reader) {
  Place *p = &s->places.at[place];
  for (IrRef next = reader[r]; next != IR_NONE && ir_at(s->fn, next)->op == IR_SLICE; r = next, next = reader[r]) {
    const IrValue *v = ir_at(s->fn, next);
    if (v->attr.step != 1) return;
    int axis = place_axis(&v->type, v->attr.axis);
    p->before[axis] += v->attr.from;
    p->after[axis] += ir_type_of(s->fn, r)->axes[v->attr.axis] - v->attr.from - v->type.axes[v->attr.axis];
  }
}

// ---- loops that walk such an axis

// Adds loop l, if it moves along an axis whose neighbours lie `own` rows apart. rest: how far loops lead within one step of the axis.
static bool add_walker(Clip *c, int *n, int64_t *rest, int l, int64_t extent, int64_t stride, int64_t own) {
  int64_t unit = 1;
  if (stride % own != 0) {
    if (stride > own || own % stride != 0 || extent <= own / stride || extent % (own / stride) != 0) {
      *rest += (extent - 1) * stride;
      return true;
    }
    unit = own / stride;
    *rest += (unit - 1) * stride;
  }
  if (*n == 2) return false;
  c->loop[*n] = l;
  c->unit[*n] = (int32_t)unit;
  c->turns[*n] = (int32_t)(extent / unit);
  c->step[*n] = unit > 1 ? 1 : (int32_t)(stride / own);
  ++*n;
  return true;
}

// The two loops that go along this axis of the place: places of the kernel, and places in the kernel.
static bool find_walkers(const Place *p, int axis, const Step *t, int loops, int64_t base, const int64_t *stride, Clip *c) {
  int64_t own = p->stride[axis], above = axis > 0 ? p->stride[axis - 1] : p->rows, rest = base % own;
  int n = 0;
  for (int l = 0; l < loops; l++) {
    if (t->extent[l] == 1 || stride[l] % above == 0) continue;
    if (stride[l] < 0 || !add_walker(c, &n, &rest, l, t->extent[l], stride[l], own)) return false;
  }
  int64_t first = base % above / own;
  c->low = (int32_t)(p->before[axis] - first);
  c->high = (int32_t)(p->axes[axis] - p->after[axis] - first);
  return n == 2 && rest < own;
}

static int64_t quotient_above(int64_t a, int64_t b) { return a > 0 ? (a + b - 1) / b : 0; }

// Does a turn of loop k's partner meet nothing in this loop, or is there nothing to leave out?
static bool useless(const Clip *c, int k) {
  bool whole = true;
  for (int64_t other = 0; other < c->turns[1 - k]; other++) {
    int64_t from = quotient_above(c->low - other * c->step[1 - k], c->step[k]), to = quotient_above(c->high - other * c->step[1 - k], c->step[k]);
    if (to > c->turns[k]) to = c->turns[k];
    if (from >= to) return true;
    whole &= from == 0 && to == c->turns[k];
  }
  return whole;
}

static void clip_by(const Schedule *s, Step *t, uint32_t place, int loops, int64_t base, const int64_t *stride, bool reduces) {
  const Place *p = &s->places.at[place];
  for (int axis = 0; axis < p->rank && p->rows > 0; axis++) {
    Clip c = {0};
    if (p->before[axis] + p->after[axis] == 0 || t->n_clips == STEP_CLIPS) continue;
    if (!find_walkers(p, axis, t, loops, base, stride, &c) || useless(&c, 0) || useless(&c, 1)) continue;
    if (reduces && c.loop[0] < t->kept && c.loop[1] < t->kept) continue; // zeros are the result
    t->clips[t->n_clips++] = c;
  }
}

void step_clip(const Schedule *s, Step *t) {
  if (t->halves) return; // sums of blocks of terms
  for (int k = 0; k < t->n_operands; k++) clip_by(s, t, t->operand[k].place, t->loops, t->operand[k].base, t->operand[k].stride, !t->over_events);
  if (t->adds) clip_by(s, t, t->place, t->kept, t->store_base, t->store_stride, false);
}

// ---- how much is left out

static double share_of(const Clip *c) {
  int64_t met = 0;
  for (int64_t i = 0; i < c->turns[0]; i++)
    for (int64_t j = 0; j < c->turns[1]; j++) {
      int64_t row = i * c->step[0] + j * c->step[1];
      met += row >= c->low && row < c->high;
    }
  return (double)met / ((double)c->turns[0] * c->turns[1]);
}

double step_left_out(const Step *t) {
  double all = 1, share = 1;
  for (int l = 0; l < t->loops; l++) all *= (double)t->extent[l];
  for (int i = 0; i < t->n_clips; i++) share *= share_of(&t->clips[i]);
  return all * (1 - share);
}
