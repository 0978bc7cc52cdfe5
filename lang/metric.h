// The table of metrics (metrics.def): what each is of, what it takes, and how its name is found.
//
//   const MetricInfo *m = metric_find("roc");  MetricParameter p[METRIC_MOST_ARGUMENTS];  int n = metric_parameters(arena, m, p);
#ifndef HGM_METRIC_H
#define HGM_METRIC_H

#include <stdbool.h>

#include "lang/base/arena.h"

typedef enum {
#define METRIC(ENUM, ...) METRIC_##ENUM,
#include "lang/metrics.def"
#undef METRIC
  METRIC_COUNT
} MetricKind;

typedef enum { METRIC_OF_COLUMN, METRIC_OF_PAIRS, METRIC_OF_EVENT, METRIC_OF_VALUES, METRIC_OF_RUN, METRIC_OF_TRAINING } MetricOf;
typedef enum { METRIC_LOWER, METRIC_HIGHER, METRIC_EQUAL } MetricBetter;

typedef struct MetricInfo {
  const char *name;
  MetricOf of;
  const char *parameters, *members;
  MetricBetter better;
  const char *what;
} MetricInfo;
extern const MetricInfo metric_info[METRIC_COUNT];

typedef enum { METRIC_VALUE, METRIC_ARRAY, METRIC_CONDITION, METRIC_CLASS, METRIC_FLOW, METRIC_NUMBER, METRIC_WHOLE } MetricParameterKind;
enum { METRIC_MOST_ARGUMENTS = 3, METRIC_MOST_COUNT = 1000000 }; // a WHOLE is 1 to that
typedef struct MetricParameter {
  const char *name;
  MetricParameterKind kind;
  bool optional;
  double fallback; // of an optional NUMBER or WHOLE
} MetricParameter;

const MetricInfo *metric_find(const char *name); // NULL: no such metric
// Its parameters in order; the number of them.
int metric_parameters(Arena *arena, const MetricInfo *metric, MetricParameter out[METRIC_MOST_ARGUMENTS]);
// Whether `member` is one of the metric's own; takes_number: it is written with one, `rejection(0.5)`.
bool metric_has_member(const MetricInfo *metric, const char *member, bool takes_number);
bool metric_is_itself(const MetricInfo *metric, const char *member); // `auc` of roc; also NULL
static inline MetricKind metric_kind(const MetricInfo *metric) { return (MetricKind)(metric - metric_info); }

#endif
