// Where the time from the command on goes: what was done, when it began and for how long. Things that ran at the same time
// overlap in it. Printed by --time-passes.
//
//   double begin = now_ms();  ...  timeline_add(&session->timeline, begin, "read %d columns", n);
#ifndef HGM_DRIVER_TIMELINE_H
#define HGM_DRIVER_TIMELINE_H

#include <stdio.h>

#include "lang/base/vec.h"

typedef struct TimelineEntry {
  const char *what;
  double begin_ms, end_ms; // of the monotonic clock
} TimelineEntry;

typedef struct Timeline {
  Arena *arena;
  double start_ms;  // main began
  double loaded_ms; // processor time before it: the dynamic linker
  VEC(TimelineEntry) entries;
} Timeline;

double now_ms(void); // monotonic

void timeline_start(Timeline *timeline, Arena *arena); // the first thing that main does
// Something that began at begin_ms ends now. timeline NULL: nothing is noted.
void timeline_add(Timeline *timeline, double begin_ms, const char *format, ...) __attribute__((format(printf, 3, 4)));
void timeline_span(Timeline *timeline, double begin_ms, double end_ms, const char *what);
void timeline_print(FILE *out, const Timeline *timeline); // by beginning

#endif
