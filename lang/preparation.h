// One step of a field's chain: forward, inverse and log-Jacobian as IR, from the table preparations.def.
//
//   PrepStep *s = prep_step_new(arena, info);  s->setting[0] = 10;  s->in = …;  prep_shape(s);
//   y = prep_forward(fn, s, x);  x = prep_inverse(fn, s, y);  j = prep_log_jacobian(fn, s, x);
//
// Values are f64 with the event axis first; a step that widens works on the last axis (a number becomes a vector).
#ifndef HGM_PREPARATION_H
#define HGM_PREPARATION_H

#include "compiler/ir/ir.h"
#include "lang/source.h"

typedef enum {
#define PREPARATION(ENUM, ...) PREP_##ENUM,
#include "lang/preparations.def"
#undef PREPARATION
  PREP_COUNT
} PrepKind;
typedef enum { PREP_FIT_NONE, PREP_FIT_MEAN_STD, PREP_FIT_MAXABS, PREP_FIT_MINMAX, PREP_FIT_NEAREST, PREP_FIT_WHITEN, PREP_FIT_QUANTILES } PrepFit;
typedef enum {
  PREP_SAME,
  PREP_ANY,
  PREP_POSITIVE,
  PREP_ABOVE_MINUS_ONE,
  PREP_UNIT,
  PREP_SIGNED,
  PREP_ANGLE,
  PREP_INTEGER,
} PrepRange;
enum { PREP_DRAWS = 1, PREP_WIDENS = 2, PREP_COUNTS = 4, PREP_SATURATES = 8, PREP_SPLITS = 16, PREP_MAX_SETTINGS = 3, BITS_MOST = 24, PREP_STATES = 4 };

typedef struct PrepInfo {
  PrepKind kind;
  const char *name, *settings;
  PrepFit fit;
  PrepRange domain, range;
  unsigned flags;
  const char *forward, *inverse, *log_jacobian; // formulas, for people
} PrepInfo;
extern const PrepInfo prep_info[PREP_COUNT];

typedef struct PrepStep {
  const PrepInfo *info;
  double setting[PREP_MAX_SETTINGS]; // in the order of the table
  VEC(double) values;                // of the `*` setting
  const char *name;                  // FIELD.N: prefix of its statistics (stat:FIELD.N.mean) and its draw site
  const char *states[PREP_STATES];   // names of the statistics, NULL: none
  IrType in, out;                    // f64[e, …]
  bool of_set;                       // the first axis are places, which share their statistics
  Span span;
} PrepStep;

typedef struct PrepSetting {
  const char *name;
  double fallback;
  bool required, list;
} PrepSetting;

const PrepInfo *prep_find(const char *name); // NULL: no such preparation
const char *prep_nearest(const char *name);
int prep_settings(Arena *arena, const PrepInfo *info, PrepSetting *out); // fills up to PREP_MAX_SETTINGS; how many
PrepStep *prep_step_new(Arena *arena, const PrepInfo *info, const char *name);
void prep_shape(PrepStep *step); // out from in, info and settings
IrRef prep_forward(IrFn *fn, const PrepStep *step, IrRef x);
IrRef prep_inverse(IrFn *fn, const PrepStep *step, IrRef y);
// Elementwise log |dy/dx| at x, of the shape of x; IR_NONE when it is zero everywhere.
IrRef prep_log_jacobian(IrFn *fn, const PrepStep *step, IrRef x);
// What `fractions` asks to lie in 0..1: its numbers x (e, n) and their sum, (e, n + 1).
IrRef prep_fractions(IrFn *fn, const PrepStep *step, IrRef x);
int64_t prep_fitted_numbers(const PrepStep *step); // that have statistics of their own
int64_t prep_state_numbers(const PrepStep *step, int which);
bool prep_has_density(const PrepStep *step); // false: sincos, one_hot: no density in x
// A step that splits: names of its two parts, how many numbers each has, and a part of y.
const char *prep_part_name(const PrepStep *step, int which);
int64_t prep_part_numbers(const PrepStep *step, int which);
IrRef prep_part(IrFn *fn, const PrepStep *step, IrRef y, int which);
// What MEAN_STD, MAXABS, MINMAX or NEAREST is fitted on: the values before the step, or their distances from `replace`.
IrRef prep_fitted(IrFn *fn, const PrepStep *step, IrRef x);

#endif
