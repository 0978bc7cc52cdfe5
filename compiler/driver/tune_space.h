// What a search may try: the params with a `tune` that the command line leaves alone, and the points of the search.
// A point is a function of seed and number alone, so any process finds the same trials.
#ifndef HGM_DRIVER_TUNE_SPACE_H
#define HGM_DRIVER_TUNE_SPACE_H

#include "compiler/driver/options.h"
#include "lang/model.h"

typedef struct TuneParam {
  const char *name, *fallback; // the default, as text
  ModelTune range;
} TuneParam;

typedef struct TuneSpace {
  VEC(TuneParam) params;
} TuneSpace;

typedef enum { TUNE_QUASI, TUNE_RANDOM } TuneSearch;

// Copies into the arena: the model may go.
void tune_space_of(TuneSpace *space, const Model *model, Arena *arena);
// Coordinate `param` of a point, in [0, 1). Quasi-random: the additive recurrence of the generalised golden ratio (the root of
// x^(d+1) = x + 1; M. Roberts, "The unreasonable effectiveness of quasirandom sequences", 2018), shifted by the seed.
double tune_coordinate(const TuneSpace *space, TuneSearch search, uint64_t seed, int64_t point, size_t param);
// The value at u in [0, 1), as `--set` takes it. Whole numbers and choices are equally likely, real numbers have four digits.
const char *tune_value(const TuneParam *param, double u, Arena *arena);

#endif
