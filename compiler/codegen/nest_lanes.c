// Which outer loop of a nest lies along the lanes. First loops that walk all arrays like one loop are joined; then the choice is
// the one that needs the least time: vectors times what a vector costs, an array read or stored with gaps number by number.
#include "compiler/codegen/nest.h"

#include <string.h>

static void take_out(int64_t *list, int l, int n) {
  for (int i = l; i + 1 < n; i++) list[i] = list[i + 1];
  list[n - 1] = 0;
}

// Loop l of all steps and of the nest goes.
static void remove_loop(Nest *n, int l) {
  take_out(n->extent, l, NEST_LOOPS);
  n->outer--;
  for (uint32_t i = 0; i < n->n_steps; i++) {
    NestStep *t = &n->steps[i];
    take_out(t->store_stride, l, NEST_LOOPS);
    for (int k = 0; k < t->n_reads; k++) take_out(t->read[k].stride, l, NEST_LOOPS);
    t->loops--;
    t->kept--;
    if (t->dynamic_loop > l) t->dynamic_loop--;
  }
}

static bool walks(const NestRead *r) { return r->kind != READ_REGISTER && r->kind != READ_NUMBER && r->kind != READ_LOCAL; }

// Do loops l and l + 1 step through every array like one loop?
static bool joins(const Nest *n, int l) {
  int64_t inner = n->extent[l + 1];
  for (uint32_t i = 0; i < n->n_steps; i++) {
    const NestStep *t = &n->steps[i];
    if (t->kind == STEP_SCATTER && (t->dynamic_loop == l || t->dynamic_loop == l + 1)) return false;
    if (t->slot >= 0 && t->store_stride[l] != t->store_stride[l + 1] * inner) return false;
    for (int k = 0; k < t->n_reads; k++)
      if (walks(&t->read[k]) && t->read[k].stride[l] != t->read[k].stride[l + 1] * inner) return false;
  }
  return true;
}

static bool is_scattered(const Nest *n, int l) {
  for (uint32_t i = 0; i < n->n_steps; i++)
    if (n->steps[i].kind == STEP_SCATTER && n->steps[i].dynamic_loop == l) return true;
  return false;
}

static void join_loops(Nest *n) {
  for (int l = n->outer - 1; l >= 0; l--)
    if (n->extent[l] == 1 && !is_scattered(n, l)) remove_loop(n, l);
  for (int l = n->outer - 2; l >= 0; l--) {
    if (!joins(n, l)) continue;
    n->extent[l + 1] *= n->extent[l];
    remove_loop(n, l);
  }
}

static int lanes_for(const Nest *n, int64_t extent) {
  int most = CODE_LANES;
  for (uint32_t i = 0; i < n->n_steps; i++)
    if (n->steps[i].dtype == IR_F64) most = CODE_LANES / 2;
  int lanes = 4;
  while (lanes < extent && lanes < most) lanes *= 2;
  return lanes;
}

// Numbers that a vector reads or stores one by one.
static int64_t gaps(const Nest *n, int l, int64_t valid) {
  int64_t count = 0;
  for (uint32_t i = 0; i < n->n_steps; i++) {
    const NestStep *t = &n->steps[i];
    if (t->slot >= 0 && t->store_stride[l] != 1) count += valid;
    for (int k = 0; k < t->n_reads; k++)
      if (walks(&t->read[k]) && t->read[k].stride[l] != 0 && t->read[k].stride[l] != 1) count += valid;
  }
  return count;
}

void nest_choose_lanes(Nest *n, int cost) {
  join_loops(n);
  n->lane_loop = -1;
  n->lanes = lanes_for(n, 1);
  int64_t total = 1, least = INT64_MAX;
  for (int l = 0; l < n->outer; l++) total *= n->extent[l];
  for (int l = n->outer - 1; l >= 0; l--) {
    int64_t extent = n->extent[l], lanes = lanes_for(n, extent), vectors = (extent + lanes - 1) / lanes;
    if (extent == 1) continue;
    int64_t one = cost * (lanes > 8 ? 2 : 1) + 2 * gaps(n, l, extent < lanes ? extent : lanes), time = total / extent * vectors * one;
    if (time >= least) continue;
    least = time;
    n->lane_loop = l;
    n->lanes = (int32_t)lanes;
  }
}
