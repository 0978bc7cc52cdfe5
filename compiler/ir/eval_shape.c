// The evaluator's ops that move numbers.
#include "compiler/ir/eval.h"

#include <stdlib.h>
#include <string.h>

void eval_reshape(Eval *e, const IrValue *v, double *y) { memcpy(y, eval_in(e, v, 0), (size_t)eval_size(e, &v->type) * sizeof *y); }

// y[index] = a[sum of index[i] * steps[i] + start] in row-major order of the result.
static void copy_strided(const Eval *e, const IrValue *v, const int64_t *steps, int64_t start, double *y) {
  Extents x = eval_extents(e, &v->type);
  int64_t index[IR_MAX_RANK] = {0}, n = eval_size(e, &v->type);
  int64_t row = x.rank > 0 ? x.at[x.rank - 1] : 1, step = x.rank > 0 ? steps[x.rank - 1] : 0;
  const double *a = eval_in(e, v, 0);
  if (x.rank > 0) x.rank--; // over rows, the last axis
  for (int64_t k = 0; k < n; k += row, eval_next(&x, index)) {
    int64_t at = start;
    for (int i = 0; i < x.rank; i++) at += index[i] * steps[i];
    for (int64_t j = 0; j < row; j++) y[k + j] = a[at + j * step];
  }
}

void eval_transpose(Eval *e, const IrValue *v, double *y) {
  Extents from = eval_extents(e, eval_type(e, v, 0));
  int64_t strides[IR_MAX_RANK], steps[IR_MAX_RANK];
  eval_strides(&from, strides);
  for (int i = 0; i < from.rank; i++) steps[i] = strides[v->attr.order[i]];
  copy_strided(e, v, steps, 0, y);
}

void eval_broadcast(Eval *e, const IrValue *v, double *y) {
  Extents from = eval_extents(e, eval_type(e, v, 0));
  int64_t strides[IR_MAX_RANK], steps[IR_MAX_RANK];
  eval_strides(&from, strides);
  for (int i = 0; i < v->type.rank; i++) steps[i] = v->attr.order[i] < 0 ? 0 : strides[v->attr.order[i]];
  copy_strided(e, v, steps, 0, y);
}

void eval_slice(Eval *e, const IrValue *v, double *y) {
  Extents from = eval_extents(e, eval_type(e, v, 0));
  int64_t steps[IR_MAX_RANK];
  eval_strides(&from, steps);
  int64_t start = v->attr.from * steps[v->attr.axis];
  steps[v->attr.axis] *= v->attr.step;
  copy_strided(e, v, steps, start, y);
}

void eval_windows(Eval *e, const IrValue *v, double *y) {
  Extents from = eval_extents(e, eval_type(e, v, 0));
  int64_t strides[IR_MAX_RANK], steps[IR_MAX_RANK];
  int axis = v->attr.axis;
  eval_strides(&from, strides);
  for (int i = 0; i < v->type.rank; i++) steps[i] = strides[i <= axis ? i : i - 1];
  steps[axis] *= v->attr.step;
  copy_strided(e, v, steps, 0, y);
}

void eval_fold(Eval *e, const IrValue *v, double *y) {
  Extents from = eval_extents(e, eval_type(e, v, 0)), to = eval_extents(e, &v->type);
  int64_t index[IR_MAX_RANK] = {0}, strides[IR_MAX_RANK], n = eval_size(e, eval_type(e, v, 0));
  int axis = v->attr.axis;
  eval_strides(&to, strides);
  const double *a = eval_in(e, v, 0);
  for (int64_t j = 0; j < n; j++, eval_next(&from, index)) {
    int64_t at = 0;
    for (int i = 0; i < from.rank; i++) at += index[i] * strides[i <= axis ? i : i - 1] * (i == axis ? v->attr.step : 1);
    y[at] += a[j];
    if (v->type.dtype == IR_I32) y[at] = (int32_t)(uint32_t)(int64_t)y[at];
  }
}

// The numbers of operand number k go to result positions from + step * i along the axis.
static void place(const Eval *e, const IrValue *v, uint32_t k, int64_t from, int64_t step, double *y) {
  Extents part = eval_extents(e, eval_type(e, v, k)), whole = eval_extents(e, &v->type);
  int64_t index[IR_MAX_RANK] = {0}, strides[IR_MAX_RANK], n = eval_size(e, eval_type(e, v, k));
  eval_strides(&whole, strides);
  const double *a = eval_in(e, v, k);
  for (int64_t j = 0; j < n; j++, eval_next(&part, index)) {
    int64_t at = from * strides[v->attr.axis];
    for (int i = 0; i < part.rank; i++) at += index[i] * strides[i] * (i == v->attr.axis ? step : 1);
    y[at] = a[j];
  }
}

void eval_pad(Eval *e, const IrValue *v, double *y) { place(e, v, 0, v->attr.from, v->attr.step, y); }

void eval_concat(Eval *e, const IrValue *v, double *y) {
  int64_t from = 0;
  for (uint32_t k = 0; k < v->n_operands; k++) {
    place(e, v, k, from, 1, y);
    from += eval_type(e, v, k)->axes[v->attr.axis];
  }
}

// Shared by gather and scatter_add: the picked array is B M S R, the other B M [n] R; see ir.h.
typedef struct Picked {
  Extents extents;                  // of B M S R
  int64_t steps[IR_MAX_RANK];       // in the other array; 0 for S
  int64_t index_steps[IR_MAX_RANK]; // in the index; 0 for M and R
  int64_t n, n_step;
} Picked;

static Picked picked(const Eval *e, const IrValue *v, const IrType *picked_type, const IrType *other_type) {
  Picked p = {.extents = eval_extents(e, picked_type)};
  Extents other = eval_extents(e, other_type), index = eval_extents(e, eval_type(e, v, 1));
  int64_t strides[IR_MAX_RANK], index_strides[IR_MAX_RANK];
  eval_strides(&other, strides);
  eval_strides(&index, index_strides);
  int b = v->attr.batch, a = v->attr.axis, s = index.rank - b;
  for (int i = 0; i < p.extents.rank; i++) {
    if (i < a) p.steps[i] = strides[i];
    else if (i >= a + s) p.steps[i] = strides[i - s + 1];
    if (i < b) p.index_steps[i] = index_strides[i];
    else if (i >= a && i < a + s) p.index_steps[i] = index_strides[b + i - a];
  }
  p.n = other.at[a];
  p.n_step = strides[a];
  return p;
}

static int64_t other_place(const Picked *p, const double *numbers, const int64_t *at) {
  int64_t place = 0, where = 0;
  for (int i = 0; i < p->extents.rank; i++) place += at[i] * p->steps[i], where += at[i] * p->index_steps[i];
  double k = numbers[where];
  k = k < 0 ? 0 : k > (double)(p->n - 1) ? (double)(p->n - 1) : k;
  return place + (int64_t)k * p->n_step;
}

void eval_gather(Eval *e, const IrValue *v, double *y) {
  Picked p = picked(e, v, &v->type, eval_type(e, v, 0));
  int64_t at[IR_MAX_RANK] = {0}, n = eval_size(e, &v->type);
  const double *x = eval_in(e, v, 0), *numbers = eval_in(e, v, 1);
  for (int64_t j = 0; j < n; j++, eval_next(&p.extents, at)) y[j] = x[other_place(&p, numbers, at)];
}

void eval_scatter(Eval *e, const IrValue *v, double *y) {
  const IrType *type = eval_type(e, v, 0);
  Picked p = picked(e, v, type, &v->type);
  int64_t at[IR_MAX_RANK] = {0}, n = eval_size(e, type);
  const double *g = eval_in(e, v, 0), *numbers = eval_in(e, v, 1);
  int64_t size = eval_size(e, &v->type);
  double *lost = eval_numbers((size_t)size);
  for (int64_t j = 0; j < n; j++, eval_next(&p.extents, at)) {
    int64_t place = other_place(&p, numbers, at);
    eval_accumulate(e, v->type.dtype, &y[place], &lost[place], g[j]);
  }
  for (int64_t j = 0; j < size; j++) y[j] += lost[j];
  free(lost);
}
