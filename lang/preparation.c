#include "lang/preparation.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "lang/diag.h"
#include "lang/preparation_ir.h"

const PrepInfo prep_info[PREP_COUNT] = {
#define PREPARATION(ENUM, name, settings, fit, domain, range, flags, forward, inverse, jacobian)                                                               \
  [PREP_##ENUM] = {PREP_##ENUM, name, settings, PREP_FIT_##fit, PREP_##domain, PREP_##range, flags, forward, inverse, jacobian},
#include "lang/preparations.def"
#undef PREPARATION
};

static const double pi = 3.14159265358979323846;

// ---- the table

const PrepInfo *prep_find(const char *name) {
  for (int i = 0; i < PREP_COUNT; i++)
    if (strcmp(prep_info[i].name, name) == 0) return &prep_info[i];
  return NULL;
}

const char *prep_nearest(const char *name) {
  const char *names[PREP_COUNT];
  for (int i = 0; i < PREP_COUNT; i++) names[i] = prep_info[i].name;
  return diag_nearest(name, names, PREP_COUNT);
}

int prep_settings(Arena *arena, const PrepInfo *info, PrepSetting *out) {
  int n = 0;
  for (const char *at = info->settings; *at != 0 && n < PREP_MAX_SETTINGS; n++) {
    size_t len = strcspn(at, "=");
    const char *value = at + len + 1;
    out[n] = (PrepSetting){arena_strndup(arena, at, len), 0, *value == '?', *value == '*'};
    if (!out[n].required && !out[n].list) out[n].fallback = strtod(value, NULL);
    at = value + strcspn(value, " ");
    at += strspn(at, " ");
  }
  return n;
}

PrepStep *prep_step_new(Arena *arena, const PrepInfo *info, const char *name) {
  static const char *const endings[][PREP_STATES] = {
      [PREP_FIT_NONE] = {NULL},
      [PREP_FIT_MEAN_STD] = {"mean", "std"},
      [PREP_FIT_MAXABS] = {"scale"},
      [PREP_FIT_MINMAX] = {"low", "high"},
      [PREP_FIT_NEAREST] = {"near", "far"},
      [PREP_FIT_WHITEN] = {"mean", "unmix", "mix", "log_det"},
      [PREP_FIT_QUANTILES] = {"knots"},
  };
  PrepStep *step = ARENA_NEW(arena, PrepStep);
  PrepSetting settings[PREP_MAX_SETTINGS];
  step->info = info;
  step->name = name;
  int n = prep_settings(arena, info, settings);
  for (int i = 0; i < n; i++) step->setting[i] = settings[i].fallback;
  for (int i = 0; i < PREP_STATES; i++)
    if (endings[info->fit][i] != NULL) step->states[i] = arena_printf(arena, "stat:%s.%s", name, endings[info->fit][i]);
  return step;
}

static bool has_flag(const PrepStep *step) { return step->info->kind == PREP_MISSING && step->setting[2] != 0; }

static int64_t copies(const PrepStep *step) {
  switch (step->info->kind) {
  case PREP_SINCOS: return 2;
  case PREP_BITS: return (int64_t)step->setting[0];
  case PREP_HURDLE: return 2;
  case PREP_ONE_HOT: return (int64_t)step->values.len;
  case PREP_MISSING: return has_flag(step) ? 2 : 1;
  case PREP_STANDARDIZE:
  case PREP_MAXABS:
  case PREP_MINMAX:
  case PREP_LOG:
  case PREP_LOG1P:
  case PREP_LOGIT:
  case PREP_ARCTAN:
  case PREP_PROBIT:
  case PREP_SCALE:
  case PREP_CLIP:
  case PREP_ZERO_BELOW:
  case PREP_WRAP:
  case PREP_LEVELS:
  case PREP_DEQUANTIZE:
  case PREP_WHITEN:
  case PREP_QUANTILE:
  case PREP_SEGMENTS:
  case PREP_FRACTIONS:
  case PREP_COUNT: return 1;
  }
  return 1;
}

void prep_shape(PrepStep *step) {
  int64_t n = copies(step);
  step->out = step->in;
  if (step->info->kind == PREP_SEGMENTS) {
    step->out = (IrType){.dtype = IR_F64, .rank = 2, .axes = {IR_EVENTS, ir_elements(&step->in) + (int64_t)step->values.len}};
    return;
  }
  if (step->in.rank == 1 && n != 1) {
    step->out.rank = 2;
    step->out.axes[1] = n;
  } else if (n != 1) {
    step->out.axes[step->in.rank - 1] *= n;
  }
}

int64_t prep_fitted_numbers(const PrepStep *step) { return ir_elements(&step->in) / (step->of_set ? step->in.axes[1] : 1); }

int64_t prep_state_numbers(const PrepStep *step, int which) {
  int64_t n = prep_fitted_numbers(step);
  if (step->info->fit == PREP_FIT_QUANTILES) return n * ((int64_t)step->setting[0] + 1);
  if (step->info->fit == PREP_FIT_WHITEN) return which == 0 ? n : which == 3 ? 1 : n * n;
  return n;
}

bool prep_has_density(const PrepStep *step) { return (step->info->flags & PREP_WIDENS) == 0 && !has_flag(step); }

// ---- small IR

static IrRef one_of(IrFn *fn, IrRef x, double value) {
  if (isnan(value)) return ir_unary(fn, IR_NOT, ir_binary(fn, IR_EQ, x, x));
  return ir_binary(fn, IR_EQ, x, number(fn, value));
}

// A fitted statistic, stretched over the events.
static IrRef statistic(IrFn *fn, const PrepStep *step, int which, IrRef like) {
  IrType type = step->in;
  int outer = step->of_set ? 2 : 1;
  type.rank = (uint8_t)(step->in.rank - outer);
  for (int i = 0; i < type.rank; i++) type.axes[i] = step->in.axes[i + outer];
  return ir_broadcast_like(fn, ir_leaf(fn, IR_STATE, step->states[which], type), like);
}

// A fitted width; zero counts as one.
static IrRef width_of(IrFn *fn, const PrepStep *step, IrRef like) {
  IrRef width = IR_NONE;
  switch (step->info->fit) {
  case PREP_FIT_MEAN_STD: width = statistic(fn, step, 1, like); break;
  case PREP_FIT_MAXABS: width = statistic(fn, step, 0, like); break;
  case PREP_FIT_MINMAX: width = sub(fn, statistic(fn, step, 1, like), statistic(fn, step, 0, like)); break;
  case PREP_FIT_NONE:
  case PREP_FIT_NEAREST:
  case PREP_FIT_WHITEN:
  case PREP_FIT_QUANTILES: return number(fn, 1);
  }
  return ir_select(fn, ir_binary(fn, IR_EQ, width, number(fn, 0)), number(fn, 1), width);
}

static IrRef wrap(IrFn *fn, IrRef x) { return sub(fn, number(fn, pi), ir_binary(fn, IR_MOD, sub(fn, number(fn, pi), x), number(fn, 2 * pi))); }

static IrRef zero_below(IrFn *fn, const PrepStep *step, IrRef x) {
  return ir_select(fn, ir_binary(fn, IR_LT, x, number(fn, step->setting[0])), number(fn, 0), x);
}

// x with one more axis of extent 1 at its end
static IrRef deepen(IrFn *fn, IrRef x) {
  IrType t = *ir_type_of(fn, x);
  t.axes[t.rank++] = 1;
  return reshape_to(fn, x, &t);
}

// Parts of the shape of step->in become step->out, part after part within the last axis.
static IrRef side_by_side(IrFn *fn, const PrepStep *step, const IrRef *parts, uint32_t n) {
  IrRef held[2];
  if (step->in.rank > 1) return ir_concat(fn, parts, n, step->in.rank - 1);
  for (uint32_t i = 0; i < n; i++) held[i] = deepen(fn, parts[i]);
  return ir_concat(fn, held, n, 1);
}

static IrRef part(IrFn *fn, const PrepStep *step, IrRef y, int64_t which) {
  int axis = step->out.rank - 1;
  int64_t n = step->out.axes[axis] / 2;
  return reshape_to(fn, ir_slice(fn, y, axis, which * n, (which + 1) * n, 1), &step->in);
}

static IrRef scaled_share(IrFn *fn, const PrepStep *step, IrRef x) { // u of logit
  double eps = step->setting[0];
  return add(fn, mul(fn, x, number(fn, 1 - 2 * eps)), number(fn, eps));
}

static IrType bits_type(const PrepStep *step) { // the digits of each number on an axis of their own
  IrType wide = step->in;
  wide.axes[wide.rank++] = (int64_t)step->setting[0];
  return wide;
}

static IrRef one_hot_forward(IrFn *fn, const PrepStep *step, IrRef x) {
  int64_t n = (int64_t)step->values.len;
  IrType wide = step->in, row = {IR_F64, 1, {n}};
  wide.axes[wide.rank++] = n;
  int8_t from[IR_MAX_RANK];
  for (int i = 0; i < wide.rank; i++) from[i] = (int8_t)(i == wide.rank - 1 ? -1 : i);
  IrRef repeated = ir_broadcast(fn, x, wide.rank, wide.axes, from);
  IrRef values = ir_broadcast_like(fn, ir_const(fn, row, step->values.at), repeated);
  IrRef hot = ir_cast(fn, ir_binary(fn, IR_EQ, repeated, values), IR_F64);
  return reshape_to(fn, hot, &step->out);
}

// Digit k of n is floor(b / 2^(n - k)) mod 2, b the number of the interval.
static IrRef bits_forward(IrFn *fn, const PrepStep *step, IrRef x) {
  double n = exp2(step->setting[0]);
  IrRef share = divide(fn, sub(fn, x, statistic(fn, step, 0, x)), width_of(fn, step, x));
  IrRef b = clamp(fn, ir_unary(fn, IR_FLOOR, mul(fn, share, number(fn, n))), 0, n - 1);
  IrType wide = bits_type(step), row = {IR_F64, 1, {wide.axes[wide.rank - 1]}};
  double powers[BITS_MOST];
  for (int64_t k = 0; k < row.axes[0]; k++) powers[k] = exp2((double)(row.axes[0] - 1 - k));
  int8_t from[IR_MAX_RANK];
  for (int i = 0; i < wide.rank; i++) from[i] = (int8_t)(i == wide.rank - 1 ? -1 : i);
  IrRef repeated = ir_broadcast(fn, b, wide.rank, wide.axes, from), power = ir_broadcast_like(fn, ir_const(fn, row, powers), repeated);
  return reshape_to(fn, ir_binary(fn, IR_MOD, ir_unary(fn, IR_FLOOR, divide(fn, repeated, power)), number(fn, 2)), &step->out);
}

static IrRef bits_inverse(IrFn *fn, const PrepStep *step, IrRef y) {
  IrType wide = bits_type(step), row = {IR_F64, 1, {wide.axes[wide.rank - 1]}};
  double powers[BITS_MOST];
  for (int64_t k = 0; k < row.axes[0]; k++) powers[k] = exp2((double)(-1 - k));
  IrRef digits = ir_cast(fn, ir_binary(fn, IR_LT, number(fn, 0.5), reshape_to(fn, y, &wide)), IR_F64);
  IrRef share = ir_sum(fn, mul(fn, digits, ir_broadcast_like(fn, ir_const(fn, row, powers), digits)), 1u << (wide.rank - 1));
  share = add(fn, share, number(fn, 0.5 / exp2(step->setting[0])));
  return add(fn, mul(fn, share, width_of(fn, step, share)), statistic(fn, step, 0, share));
}

static IrRef value_at(IrFn *fn, const PrepStep *step, IrRef index) {
  IrType row = {IR_F64, 1, {(int64_t)step->values.len}};
  return ir_gather(fn, ir_const(fn, row, step->values.at), index, 0, 0);
}

static IrRef one_hot_inverse(IrFn *fn, const PrepStep *step, IrRef y) {
  IrType wide = step->in;
  wide.axes[wide.rank++] = (int64_t)step->values.len;
  return value_at(fn, step, ir_argmax(fn, reshape_to(fn, y, &wide), wide.rank - 1));
}

static IrRef levels_forward(IrFn *fn, const PrepStep *step, IrRef x) {
  IrRef place = ir_fill(fn, step->in, 0);
  for (size_t i = 1; i < step->values.len; i++) place = ir_select(fn, one_of(fn, x, step->values.at[i]), number(fn, (double)i), place);
  return place;
}

static IrRef levels_inverse(IrFn *fn, const PrepStep *step, IrRef y) {
  IrRef nearest = ir_unary(fn, IR_ROUND, clamp(fn, y, 0, (double)step->values.len - 1));
  return value_at(fn, step, ir_cast(fn, nearest, IR_I32));
}

static IrRef missing_forward(IrFn *fn, const PrepStep *step, IrRef x) {
  IrRef gone = one_of(fn, x, step->setting[0]), filled = ir_select(fn, gone, number(fn, step->setting[1]), x);
  IrRef parts[2] = {filled, ir_cast(fn, gone, IR_F64)};
  return has_flag(step) ? side_by_side(fn, step, parts, 2) : filled;
}

static IrRef missing_inverse(IrFn *fn, const PrepStep *step, IrRef y) {
  IrRef value = y, gone;
  if (has_flag(step)) {
    value = part(fn, step, y, 0);
    gone = ir_binary(fn, IR_LT, number(fn, 0.5), part(fn, step, y, 1));
  } else {
    IrRef distance = ir_unary(fn, IR_ABS, sub(fn, y, number(fn, step->setting[1])));
    gone = ir_binary(fn, IR_LT, distance, mul(fn, statistic(fn, step, 0, y), number(fn, 0.5)));
  }
  return ir_select(fn, gone, number(fn, step->setting[0]), value);
}

// ---- steps that split

const char *prep_part_name(const PrepStep *step, int which) {
  static const char *const names[2][2] = {{"on", "size"}, {"total", "share"}};
  return names[step->info->kind == PREP_SEGMENTS][which];
}

int64_t prep_part_numbers(const PrepStep *step, int which) {
  int64_t n = ir_elements(&step->in);
  return step->info->kind == PREP_SEGMENTS && which == 0 ? (int64_t)step->values.len : n;
}

IrRef prep_part(IrFn *fn, const PrepStep *step, IrRef y, int which) {
  int64_t first = prep_part_numbers(step, 0), begin = which == 0 ? 0 : first;
  IrRef p = ir_slice(fn, y, 1, begin, begin + prep_part_numbers(step, which), 1);
  return step->in.rank == 1 ? reshape_to(fn, p, &step->in) : p;
}

static IrRef hurdle_forward(IrFn *fn, const PrepStep *step, IrRef x) {
  IrRef parts[2] = {ir_select(fn, one_of(fn, x, step->setting[0]), ir_fill(fn, step->in, 0), ir_fill(fn, step->in, 1)), x};
  return side_by_side(fn, step, parts, 2);
}

static IrRef hurdle_inverse(IrFn *fn, const PrepStep *step, IrRef y) {
  return ir_select(fn, ir_binary(fn, IR_LT, number(fn, 0.5), part(fn, step, y, 0)), part(fn, step, y, 1), number(fn, step->setting[0]));
}

// The sum of each segment of x [e, n]: [e, k], or at each of its elements: [e, n].
static IrRef segment_sums(IrFn *fn, const PrepStep *step, IrRef x, bool at_elements) {
  IrRef *sums = ARENA_ARRAY(fn->arena, IrRef, step->values.len);
  int64_t begin = 0;
  for (size_t k = 0; k < step->values.len; k++) {
    int64_t n = (int64_t)step->values.at[k];
    IrRef sum = ir_sum(fn, ir_slice(fn, x, 1, begin, begin + n, 1), 2);
    sums[k] = at_elements ? ir_broadcast(fn, sum, 2, (int64_t[]){IR_EVENTS, n}, (int8_t[]){0, -1}) : ir_reshape(fn, sum, 2, (int64_t[]){IR_EVENTS, 1});
    begin += n;
  }
  return ir_concat(fn, sums, (uint32_t)step->values.len, 1);
}

static IrRef or_zero(IrFn *fn, IrRef x, IrRef by) { return ir_select(fn, ir_binary(fn, IR_EQ, by, number(fn, 0)), number(fn, 0), divide(fn, x, by)); }

static IrRef segments_forward(IrFn *fn, const PrepStep *step, IrRef x) {
  x = ir_reshape(fn, x, 2, (int64_t[]){IR_EVENTS, ir_elements(&step->in)});
  IrRef parts[2] = {segment_sums(fn, step, x, false), or_zero(fn, x, segment_sums(fn, step, x, true))};
  return ir_concat(fn, parts, 2, 1);
}

static IrRef segments_inverse(IrFn *fn, const PrepStep *step, IrRef y) {
  int64_t k = (int64_t)step->values.len, n = ir_elements(&step->in);
  IrRef *totals = ARENA_ARRAY(fn->arena, IrRef, k), share = ir_slice(fn, y, 1, k, k + n, 1);
  for (int64_t i = 0; i < k; i++) {
    int64_t size = (int64_t)step->values.at[i];
    IrRef total = ir_reshape(fn, ir_slice(fn, y, 1, i, i + 1, 1), 1, (int64_t[]){IR_EVENTS});
    totals[i] = ir_broadcast(fn, total, 2, (int64_t[]){IR_EVENTS, size}, (int8_t[]){0, -1});
  }
  IrRef x = mul(fn, ir_concat(fn, totals, (uint32_t)k, 1), or_zero(fn, share, segment_sums(fn, step, share, true)));
  return reshape_to(fn, x, &step->in);
}

IrRef prep_fitted(IrFn *fn, const PrepStep *step, IrRef x) {
  if (step->info->fit != PREP_FIT_NEAREST) return x;
  IrRef distance = ir_unary(fn, IR_ABS, sub(fn, x, number(fn, step->setting[1])));
  return ir_select(fn, one_of(fn, x, step->setting[0]), number(fn, 1e300), distance);
}

// ---- one case a row

IrRef prep_forward(IrFn *fn, const PrepStep *step, IrRef x) {
  const double *s = step->setting;
  IrRef parts[2];
  switch (step->info->kind) {
  case PREP_STANDARDIZE: return divide(fn, sub(fn, x, statistic(fn, step, 0, x)), width_of(fn, step, x));
  case PREP_MAXABS: return divide(fn, x, width_of(fn, step, x));
  case PREP_MINMAX: return divide(fn, sub(fn, x, statistic(fn, step, 0, x)), width_of(fn, step, x));
  case PREP_LOG: return ir_unary(fn, IR_LOG, x);
  case PREP_LOG1P: return ir_unary(fn, IR_LOG1P, x);
  case PREP_LOGIT: {
    IrRef u = scaled_share(fn, step, x);
    return sub(fn, ir_unary(fn, IR_LOG, u), ir_unary(fn, IR_LOG1P, negate(fn, u)));
  }
  case PREP_FRACTIONS: return fractions_forward(fn, step, x);
  case PREP_ARCTAN: return ir_binary(fn, IR_ATAN2, mul(fn, x, number(fn, s[0])), number(fn, 1));
  case PREP_PROBIT: { // ends of 0..1 are kept away from infinity; outside there is no number, so that the row is named
    IrRef outside = ir_binary(fn, IR_LT, mul(fn, x, ir_binary(fn, IR_SUB, number(fn, 1), x)), number(fn, 0));
    return ir_unary(fn, IR_NORMAL_ICDF, ir_select(fn, outside, number(fn, NAN), clamp(fn, x, 1e-15, 1 - 1e-15)));
  }
  case PREP_SCALE: return mul(fn, x, number(fn, s[0]));
  case PREP_CLIP: return clamp(fn, x, s[0], s[1]);
  case PREP_ZERO_BELOW: return zero_below(fn, step, x);
  case PREP_WRAP: return wrap(fn, x);
  case PREP_SINCOS:
    parts[0] = ir_unary(fn, IR_SIN, x);
    parts[1] = ir_unary(fn, IR_COS, x);
    return side_by_side(fn, step, parts, 2);
  case PREP_ONE_HOT: return one_hot_forward(fn, step, x);
  case PREP_BITS: return bits_forward(fn, step, x);
  case PREP_LEVELS: return levels_forward(fn, step, x);
  case PREP_MISSING: return missing_forward(fn, step, x);
  case PREP_WHITEN: return whiten_forward(fn, step, x);
  case PREP_QUANTILE: return quantile_forward(fn, step, x);
  case PREP_HURDLE: return hurdle_forward(fn, step, x);
  case PREP_SEGMENTS: return segments_forward(fn, step, x);
  case PREP_DEQUANTIZE: return add(fn, x, mul(fn, ir_draw(fn, IR_DRAW_UNIFORM, step->name, step->in), number(fn, s[0])));
  case PREP_COUNT: break;
  }
  ir_fail("preparation of unknown kind");
}

IrRef prep_inverse(IrFn *fn, const PrepStep *step, IrRef y) {
  const double *s = step->setting;
  switch (step->info->kind) {
  case PREP_STANDARDIZE: return add(fn, mul(fn, y, width_of(fn, step, y)), statistic(fn, step, 0, y));
  case PREP_MAXABS: return mul(fn, y, width_of(fn, step, y));
  case PREP_MINMAX: return add(fn, mul(fn, y, width_of(fn, step, y)), statistic(fn, step, 0, y));
  case PREP_LOG: return ir_unary(fn, IR_EXP, y);
  case PREP_LOG1P: return ir_unary(fn, IR_EXPM1, y);
  case PREP_LOGIT: {
    IrRef share = sub(fn, ir_unary(fn, IR_SIGMOID, y), number(fn, s[0]));
    return clamp(fn, divide(fn, share, number(fn, 1 - 2 * s[0])), 0, 1);
  }
  case PREP_FRACTIONS: return fractions_inverse(fn, step, y);
  case PREP_ARCTAN: {
    IrRef at = clamp(fn, y, -pi / 2 + 1e-7, pi / 2 - 1e-7);
    return divide(fn, ir_unary(fn, IR_SIN, at), mul(fn, ir_unary(fn, IR_COS, at), number(fn, s[0])));
  }
  case PREP_PROBIT: return mul(fn, ir_unary(fn, IR_ERFC, mul(fn, y, number(fn, -0.70710678118654752440))), number(fn, 0.5));
  case PREP_SCALE: return divide(fn, y, number(fn, s[0]));
  case PREP_CLIP: return clamp(fn, y, s[0], s[1]);
  case PREP_ZERO_BELOW: return zero_below(fn, step, y);
  case PREP_WRAP: return wrap(fn, y);
  case PREP_SINCOS: return ir_binary(fn, IR_ATAN2, part(fn, step, y, 0), part(fn, step, y, 1));
  case PREP_ONE_HOT: return one_hot_inverse(fn, step, y);
  case PREP_BITS: return bits_inverse(fn, step, y);
  case PREP_LEVELS: return levels_inverse(fn, step, y);
  case PREP_MISSING: return missing_inverse(fn, step, y);
  case PREP_WHITEN: return whiten_inverse(fn, step, y);
  case PREP_QUANTILE: return quantile_inverse(fn, step, y);
  case PREP_HURDLE: return hurdle_inverse(fn, step, y);
  case PREP_SEGMENTS: return segments_inverse(fn, step, y);
  case PREP_DEQUANTIZE: return mul(fn, ir_unary(fn, IR_FLOOR, divide(fn, y, number(fn, s[0]))), number(fn, s[0]));
  case PREP_COUNT: break;
  }
  ir_fail("preparation of unknown kind");
}

static IrRef minus_log(IrFn *fn, IrRef x) { return negate(fn, ir_unary(fn, IR_LOG, x)); }

IrRef prep_log_jacobian(IrFn *fn, const PrepStep *step, IrRef x) {
  const double *s = step->setting;
  switch (step->info->kind) {
  case PREP_STANDARDIZE:
  case PREP_MAXABS:
  case PREP_MINMAX: return minus_log(fn, width_of(fn, step, x));
  case PREP_LOG: return minus_log(fn, x);
  case PREP_LOG1P: return negate(fn, ir_unary(fn, IR_LOG1P, x));
  case PREP_LOGIT: {
    IrRef u = scaled_share(fn, step, x);
    IrRef both = add(fn, ir_unary(fn, IR_LOG, u), ir_unary(fn, IR_LOG1P, negate(fn, u)));
    return sub(fn, number(fn, log(1 - 2 * s[0])), both);
  }
  case PREP_FRACTIONS: return fractions_log_jacobian(fn, step, x);
  case PREP_ARCTAN: {
    IrRef t = mul(fn, x, number(fn, s[0]));
    return sub(fn, number(fn, log(fabs(s[0]))), ir_unary(fn, IR_LOG1P, mul(fn, t, t)));
  }
  case PREP_PROBIT: {
    IrRef y = prep_forward(fn, step, x);
    return add(fn, mul(fn, mul(fn, y, y), number(fn, 0.5)), number(fn, 0.5 * log(2 * pi)));
  }
  case PREP_WHITEN: return whiten_log_jacobian(fn, step);
  case PREP_QUANTILE: return quantile_log_jacobian(fn, step, x);
  case PREP_SCALE: return ir_fill(fn, step->in, log(fabs(s[0])));
  case PREP_CLIP:
  case PREP_ZERO_BELOW:
  case PREP_WRAP:
  case PREP_SINCOS:
  case PREP_ONE_HOT:
  case PREP_BITS:
  case PREP_LEVELS:
  case PREP_MISSING:
  case PREP_HURDLE:
  case PREP_SEGMENTS:
  case PREP_DEQUANTIZE: return IR_NONE;
  case PREP_COUNT: break;
  }
  ir_fail("preparation of unknown kind");
}
