// What others ask about steps and how they read.
#include "compiler/codegen/schedule.h"

bool step_reduces(const Step *t) {
  switch (t->kind) {
  case STEP_SUM:
  case STEP_MAX:
  case STEP_RANK:
  case STEP_ARGMAX:
  case STEP_DOT: return true;
  case STEP_SCATTER: return t->loops > t->kept || t->over_events || t->over_pairs;
  case STEP_POINT:
  case STEP_COPY:
  case STEP_ZERO:
  case STEP_SCAN:
  case STEP_GATHER:
  case STEP_DRAW:
  case STEP_PARTIAL:
  case STEP_INVERSE:
  case STEP_NONE: return false;
  }
  return false;
}

bool access_identical(const Schedule *s, const Step *step, const Access *access) {
  const Place *p = &s->places.at[access->place];
  if (access->base != 0 || step->loops != p->rank) return false;
  for (int l = 0; l < p->rank; l++)
    if (step->extent[l] != p->axes[l] || (access->stride[l] != p->stride[l] && p->axes[l] != 1)) return false;
  return true;
}

int access_prefix(const Schedule *s, const Step *step, const Access *access) {
  const Place *p = &s->places.at[access->place];
  int most = 0;
  while (most < p->rank && most < step->kept && step->extent[most] == p->axes[most] && (access->stride[most] == p->stride[most] || p->axes[most] == 1)) most++;
  for (; most > 0; most--) {
    int64_t low = access->base, high = access->base;
    for (int l = most; l < step->loops; l++) {
      int64_t reach = (step->extent[l] - 1) * access->stride[l];
      if (reach < 0) low += reach;
      else high += reach;
    }
    if (step->kind == STEP_GATHER && access == &step->operand[0]) {
      int64_t reach = (step->dynamic_extent - 1) * step->dynamic_stride;
      if (reach < 0) low += reach;
      else high += reach;
    }
    if (low >= 0 && high < p->stride[most - 1]) return most;
  }
  return 0;
}
