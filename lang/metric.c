#include "lang/metric.h"

#include <stdlib.h>
#include <string.h>

const MetricInfo metric_info[METRIC_COUNT] = {
#define METRIC(ENUM, name, of, parameters, members, better, what) {name, METRIC_OF_##of, parameters, members, METRIC_##better, what},
#include "lang/metrics.def"
#undef METRIC
};

const MetricInfo *metric_find(const char *name) {
  for (int i = 0; i < METRIC_COUNT; i++)
    if (strcmp(metric_info[i].name, name) == 0) return &metric_info[i];
  return NULL;
}

static MetricParameterKind kind_of(char mark) {
  switch (mark) {
  case '[': return METRIC_ARRAY;
  case '?': return METRIC_CONDITION;
  case '%': return METRIC_CLASS;
  case '$': return METRIC_FLOW;
  case '~': return METRIC_NUMBER;
  case '#': return METRIC_WHOLE;
  default: return METRIC_VALUE;
  }
}

int metric_parameters(Arena *arena, const MetricInfo *metric, MetricParameter out[METRIC_MOST_ARGUMENTS]) {
  int n = 0;
  for (const char *at = metric->parameters; *at != '\0' && n < METRIC_MOST_ARGUMENTS;) {
    size_t length = strcspn(at, ","), name = strcspn(at, "[?%$~#=,");
    const char *equals = memchr(at, '=', length);
    out[n++] = (MetricParameter){.name = arena_strndup(arena, at, name),
                                 .kind = kind_of(at[name]),
                                 .optional = equals != NULL,
                                 .fallback = equals != NULL ? strtod(equals + 1, NULL) : 0};
    at += length;
    at += strspn(at, ", ");
  }
  return n;
}

// What stands behind the member in the list: '(' it takes a number, '=' it is the metric itself, ' '; 0: it is not there.
static char mark_behind(const MetricInfo *metric, const char *member) {
  size_t n = strlen(member);
  for (const char *at = metric->members; *at != '\0'; at += strcspn(at, " "), at += strspn(at, " "))
    if (strncmp(at, member, n) == 0 && strcspn(at, "(= ") == n) return at[n] == '\0' ? ' ' : at[n];
  return 0;
}

bool metric_has_member(const MetricInfo *metric, const char *member, bool takes_number) {
  char mark = mark_behind(metric, member);
  return takes_number ? mark == '(' : mark == ' ' || mark == '=';
}

bool metric_is_itself(const MetricInfo *metric, const char *member) { return member == NULL || mark_behind(metric, member) == '='; }
