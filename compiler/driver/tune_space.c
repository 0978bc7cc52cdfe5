#include "compiler/driver/tune_space.h"

#include <math.h>
#include <stdlib.h>

#include "runtime/philox.h"

void tune_space_of(TuneSpace *space, const Model *model, Arena *arena) {
  *space = (TuneSpace){0};
  for (size_t i = 0; i < model->params.len; i++) {
    const ModelParam *p = &model->params.at[i];
    if (p->tune == NULL || p->turned) continue;
    TuneParam param = {.name = arena_strdup(arena, p->name), .fallback = arena_strdup(arena, p->value), .range = *p->tune};
    param.range.choices.at = NULL;
    param.range.choices.len = param.range.choices.cap = 0;
    for (size_t k = 0; k < p->tune->choices.len; k++) VEC_PUSH(arena, &param.range.choices, arena_strdup(arena, p->tune->choices.at[k]));
    VEC_PUSH(arena, &space->params, param);
  }
}

static double golden_ratio(size_t dimensions) {
  double x = 2;
  for (int i = 0; i < 60; i++) x = pow(1 + x, 1 / ((double)dimensions + 1));
  return x;
}

double tune_coordinate(const TuneSpace *space, TuneSearch search, uint64_t seed, int64_t point, size_t param) {
  uint64_t key = philox_key(seed, "tune");
  if (search == TUNE_RANDOM) return philox_uniform(key, (uint64_t)point, 0, param);
  double step = pow(golden_ratio(space->params.len), -(double)(param + 1)), shift = philox_uniform(key, 0, 1, param);
  double u = shift + (double)point * step;
  return u - floor(u);
}

static const char *real_text(const ModelTune *t, double value, Arena *arena) {
  const char *text = arena_printf(arena, "%.4g", value);
  double rounded = strtod(text, NULL);
  return rounded < t->low ? arena_printf(arena, "%.17g", t->low) : rounded > t->high ? arena_printf(arena, "%.17g", t->high) : text;
}

const char *tune_value(const TuneParam *param, double u, Arena *arena) {
  const ModelTune *t = &param->range;
  if (t->choices.len > 0) return t->choices.at[(size_t)(u * (double)t->choices.len)];
  double high = t->whole ? t->high + 1 : t->high; // each whole number has a cell up to the next
  double value = t->log ? exp(log(t->low) + u * (log(high) - log(t->low))) : t->low + u * (high - t->low);
  if (!t->whole) return real_text(t, value, arena);
  value = floor(value * (1 + 1e-12)); // exp(log(4)) may lie just below 4
  return arena_printf(arena, "%.0f", value > t->high ? t->high : value);
}
