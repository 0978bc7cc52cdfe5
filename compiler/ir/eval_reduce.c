// The evaluator's reductions, scans, contractions and linear algebra.
#include "compiler/ir/eval.h"

#include <math.h>
#include <stdlib.h>

// nan wins.
static double larger(double a, double b) { return isnan(a) || a > b ? a : b; }

// By operand axis: the step in the result, 0 where the axis goes away.
static void kept_steps(const Eval *e, const IrValue *v, uint32_t gone, int64_t *steps) {
  Extents to = eval_extents(e, &v->type);
  int64_t strides[IR_MAX_RANK];
  eval_strides(&to, strides);
  for (int i = 0, k = 0; i < eval_type(e, v, 0)->rank; i++) steps[i] = gone >> i & 1 ? 0 : strides[k++];
}

static int64_t dot(const int64_t *a, const int64_t *b, int n) {
  int64_t sum = 0;
  for (int i = 0; i < n; i++) sum += a[i] * b[i];
  return sum;
}

void eval_accumulate(const Eval *e, IrDtype dtype, double *sum, double *lost, double x) {
  double next = *sum + x;
  if (dtype == IR_I32) next = (int32_t)(uint32_t)((int64_t)*sum + (int64_t)x);
  else if (eval_rounds(e, dtype)) next = eval_round(e, dtype, next);
  else if (isfinite(next)) *lost += fabs(*sum) >= fabs(x) ? *sum - next + x : x - next + *sum;
  *sum = next;
}

void eval_sum(Eval *e, const IrValue *v, double *y) {
  Extents x = eval_extents(e, eval_type(e, v, 0));
  int64_t index[IR_MAX_RANK] = {0}, steps[IR_MAX_RANK], n = eval_size(e, eval_type(e, v, 0)), size = eval_size(e, &v->type);
  kept_steps(e, v, v->attr.axes, steps);
  const double *a = eval_in(e, v, 0);
  double *lost = eval_numbers((size_t)size);
  for (int64_t j = 0; j < n; j++, eval_next(&x, index)) {
    int64_t at = dot(index, steps, x.rank);
    eval_accumulate(e, v->type.dtype, &y[at], &lost[at], a[j]);
  }
  for (int64_t j = 0; j < size; j++) y[j] += lost[j];
  free(lost);
}

void eval_amax(Eval *e, const IrValue *v, double *y) {
  Extents x = eval_extents(e, eval_type(e, v, 0));
  int64_t index[IR_MAX_RANK] = {0}, steps[IR_MAX_RANK], n = eval_size(e, eval_type(e, v, 0));
  kept_steps(e, v, v->attr.axes, steps);
  const double *a = eval_in(e, v, 0);
  for (int64_t j = 0, m = eval_size(e, &v->type); j < m; j++) y[j] = v->type.dtype == IR_I32 ? INT32_MIN : -INFINITY;
  for (int64_t j = 0; j < n; j++, eval_next(&x, index)) {
    double *most = &y[dot(index, steps, x.rank)];
    *most = isnan(*most) ? *most : larger(a[j], *most);
  }
}

// An array seen as outer x extent x inner around one axis.
typedef struct Around {
  int64_t outer, extent, inner;
} Around;

static Around around(const Eval *e, const IrType *t, int axis) {
  Extents x = eval_extents(e, t);
  Around r = {1, x.at[axis], 1};
  for (int i = 0; i < x.rank; i++) {
    if (i < axis) r.outer *= x.at[i];
    if (i > axis) r.inner *= x.at[i];
  }
  return r;
}

void eval_argmax(Eval *e, const IrValue *v, double *y) {
  Around r = around(e, eval_type(e, v, 0), v->attr.axis);
  const double *a = eval_in(e, v, 0);
  for (int64_t o = 0; o < r.outer; o++) {
    for (int64_t i = 0; i < r.inner; i++) {
      const double *row = a + o * r.extent * r.inner + i;
      int64_t best = 0;
      for (int64_t k = 1; k < r.extent; k++) {
        if (row[k * r.inner] > row[best * r.inner]) best = k;
      }
      y[o * r.inner + i] = (double)best;
    }
  }
}

// Does a stand before b? nan is larger than all.
static bool sorts_before(double a, double b) { return a < b || (isnan(b) && !isnan(a)); }

void eval_sort(Eval *e, const IrValue *v, double *y) {
  Around r = around(e, eval_type(e, v, 0), v->attr.axis);
  const double *a = eval_in(e, v, 0);
  int64_t k = v->attr.from;
  for (int64_t o = 0; o < r.outer; o++) {
    for (int64_t i = 0; i < r.inner; i++) {
      const double *row = a + o * r.extent * r.inner + i;
      for (int64_t n = 0; n < r.extent; n++) {
        int64_t rank = 0;
        for (int64_t j = 0; j < r.extent; j++) {
          double mine = row[n * r.inner], other = row[j * r.inner];
          bool first = v->attr.backwards ? sorts_before(mine, other) : sorts_before(other, mine);
          bool last = v->attr.backwards ? sorts_before(other, mine) : sorts_before(mine, other);
          rank += first || (!last && j < n);
        }
        if (rank < k) y[(o * k + rank) * r.inner + i] = (double)n;
      }
    }
  }
}

void eval_cumsum(Eval *e, const IrValue *v, double *y) {
  Around r = around(e, &v->type, v->attr.axis);
  const double *a = eval_in(e, v, 0);
  for (int64_t o = 0; o < r.outer; o++) {
    for (int64_t i = 0; i < r.inner; i++) {
      double sum = 0, lost = 0;
      for (int64_t j = 0; j < r.extent; j++) {
        int64_t k = v->attr.backwards ? r.extent - 1 - j : j, at = (o * r.extent + k) * r.inner + i;
        if (v->attr.exclusive) y[at] = sum + lost;
        eval_accumulate(e, v->type.dtype, &sum, &lost, a[at]);
        if (!v->attr.exclusive) y[at] = sum + lost;
      }
    }
  }
}

// ---- einsum: a loop over the letters of the result around a loop over the summed letters

typedef struct Letters {
  Extents extents;
  int64_t steps[2][IR_MAX_RANK]; // in the operands
} Letters;

static void add_letter(const Eval *e, const IrValue *v, const IrEinsum *spec, char letter, Letters *letters) {
  int k = letters->extents.rank++;
  for (int which = 0; which < 2; which++) {
    Extents x = eval_extents(e, eval_type(e, v, (uint32_t)which));
    int64_t strides[IR_MAX_RANK];
    eval_strides(&x, strides);
    int axis = ir_einsum_axis(spec, which, letter);
    letters->steps[which][k] = axis < 0 ? 0 : strides[axis];
    if (axis >= 0) letters->extents.at[k] = x.at[axis];
  }
}

static int64_t product(const Extents *x) {
  int64_t n = 1;
  for (int i = 0; i < x->rank; i++) n *= x->at[i];
  return n;
}

static double summed(const Eval *e, IrDtype dtype, const Letters *inner, const double *a, const double *b) {
  int64_t index[IR_MAX_RANK] = {0}, n = product(&inner->extents);
  int rank = inner->extents.rank;
  double sum = 0, lost = 0;
  for (int64_t j = 0; j < n; j++, eval_next(&inner->extents, index))
    eval_accumulate(e, dtype, &sum, &lost, a[dot(index, inner->steps[0], rank)] * b[dot(index, inner->steps[1], rank)]);
  return sum + lost;
}

void eval_einsum(Eval *e, const IrValue *v, double *y) {
  IrEinsum spec;
  ir_einsum_parse(v->attr.name, &spec);
  Letters outer = {0}, inner = {0};
  for (int i = 0; i < spec.rank[2]; i++) add_letter(e, v, &spec, spec.letters[2][i], &outer);
  for (int i = 0; i < spec.rank[0]; i++) {
    if (ir_einsum_axis(&spec, 2, spec.letters[0][i]) < 0) add_letter(e, v, &spec, spec.letters[0][i], &inner);
  }
  const double *a = eval_in(e, v, 0), *b = eval_in(e, v, 1);
  int64_t index[IR_MAX_RANK] = {0}, n = eval_size(e, &v->type);
  int rank = outer.extents.rank;
  for (int64_t j = 0; j < n; j++, eval_next(&outer.extents, index))
    y[j] = summed(e, v->type.dtype, &inner, a + dot(index, outer.steps[0], rank), b + dot(index, outer.steps[1], rank));
}

// ---- inverse of a triangular matrix, column by column; the other triangle of a is not read

void eval_tri_inverse(Eval *e, const IrValue *v, double *y) {
  const double *a = eval_in(e, v, 0);
  int64_t n = v->type.axes[0];
  bool upper = v->attr.upper;
  for (int64_t column = 0; column < n; column++) {
    for (int64_t k = 0; k <= (upper ? column : n - 1 - column); k++) {
      int64_t row = upper ? column - k : column + k;
      double rest = row == column;
      for (int64_t j = upper ? row + 1 : column; j < (upper ? column + 1 : row); j++) rest -= a[row * n + j] * y[j * n + column];
      y[row * n + column] = rest / a[row * n + row];
    }
  }
}
