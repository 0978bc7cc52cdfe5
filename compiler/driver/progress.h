// Progress on stderr: a bar redrawn at most ten times a second on a terminal, a plain line every few seconds elsewhere.
#ifndef HGM_DRIVER_PROGRESS_H
#define HGM_DRIVER_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>

typedef struct Progress {
  bool quiet, terminal;
  double started_ms, shown_ms, every_ms;
  int64_t begun;    // what was done when it started: the rate counts from there
  const char *what; // "training", "sampling"
} Progress;

Progress progress_start(const char *what, bool quiet, int64_t begun);
// done of total events; loss NaN: none to show; epoch 0: none to show
void progress_show(Progress *progress, int64_t done, int64_t total, int64_t epoch, double loss);
void progress_clear(Progress *progress); // before another line is printed

#endif
