// Training rows of a data set that lies in a scratch file (docs/data.md): shuffled within windows, the next one read ahead by a thread.
//
//   window_open(&w, dataset, &tables, rows, key, batch, &error);     // NULL: the data set is in memory, all rows are shuffled together
//   window_order(w, round, order);  …  window_enter(w, round, position);  window_close(w);
#ifndef HGM_DRIVER_WINDOW_H
#define HGM_DRIVER_WINDOW_H

#include "compiler/driver/dataset.h"

typedef struct Window Window;

// tables: those of the data set that training reads. key: of the shuffle's draws. A window has a multiple of `batch` rows, as many as a third of the memory holds.
bool window_open(Window **window, const Dataset *dataset, const Tables *tables, Rows rows, uint64_t key, int64_t batch, HgmError *error);
void window_close(Window *window); // NULL is fine
int64_t window_rows(const Window *window);
// The training rows of a round in their order: blocks of 4096 neighbours change places, then rows within each window.
void window_order(const Window *window, int64_t round, int64_t *order);
// Training goes on at this place of the order: the window behind it is read, the one before is given back.
void window_enter(Window *window, int64_t round, int64_t position);

#endif
