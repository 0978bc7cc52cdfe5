#include "compiler/driver/timeline.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static double clock_ms(clockid_t clock) {
  struct timespec t;
  clock_gettime(clock, &t);
  return (double)t.tv_sec * 1e3 + (double)t.tv_nsec * 1e-6;
}

double now_ms(void) { return clock_ms(CLOCK_MONOTONIC); }

void timeline_start(Timeline *timeline, Arena *arena) {
  *timeline = (Timeline){.arena = arena, .start_ms = now_ms(), .loaded_ms = clock_ms(CLOCK_PROCESS_CPUTIME_ID)};
}

void timeline_span(Timeline *timeline, double begin_ms, double end_ms, const char *what) {
  if (timeline == NULL) return;
  TimelineEntry entry = {what, begin_ms, end_ms};
  VEC_PUSH(timeline->arena, &timeline->entries, entry);
}

void timeline_add(Timeline *timeline, double begin_ms, const char *format, ...) {
  double end_ms = now_ms();
  if (timeline == NULL) return;
  char text[256];
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(text, sizeof text, format, arguments);
  va_end(arguments);
  timeline_span(timeline, begin_ms, end_ms, arena_strdup(timeline->arena, text));
}

static int by_beginning(const void *x, const void *y) {
  const TimelineEntry *a = x, *b = y;
  return a->begin_ms != b->begin_ms ? (a->begin_ms > b->begin_ms) - (a->begin_ms < b->begin_ms) : (a > b) - (a < b);
}

void timeline_print(FILE *out, const Timeline *timeline) {
  size_t n = timeline->entries.len;
  TimelineEntry *sorted = ARENA_ARRAY(timeline->arena, TimelineEntry, n + 1);
  if (n > 0) memcpy(sorted, timeline->entries.at, n * sizeof *sorted);
  qsort(sorted, n, sizeof *sorted, by_beginning);
  fprintf(out, "time:   at ms   for ms\n");
  fprintf(out, "time: %7.1f  %7.1f  the program is loaded (processor time before main)\n", 0.0, timeline->loaded_ms);
  for (size_t i = 0; i < n; i++)
    fprintf(out, "time: %7.1f  %7.1f  %s\n", timeline->loaded_ms + sorted[i].begin_ms - timeline->start_ms, sorted[i].end_ms - sorted[i].begin_ms,
            sorted[i].what);
}
