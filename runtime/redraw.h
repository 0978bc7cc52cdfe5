// Drawing again: the events of a program with an output "where" (i32, one an event) are drawn once more with the next pass of
// random numbers until that output is not 0. An event's numbers depend on its identity and on how often it was drawn, so it has
// the same bits in whatever batch, shard or thread.
//
//   void *memory = malloc(hgm_redraw_bytes(program, most));
//   hgm_redraw(program, work, pool, &call, memory, &error);        as hgm_execute where the program has no such output
#ifndef HGM_REDRAW_H
#define HGM_REDRAW_H

#include "runtime/program.h"

enum { HGM_REDRAW_MOST = 10000 }; // how often an event is drawn before that is an error (exit code 1, names the event)

int hgm_redraw_port(const HgmProgram *program); // of "where"; -1: none
// What a call of at most so many events needs; need not be cleared.
uint64_t hgm_redraw_bytes(const HgmProgram *program, int64_t max_events);
bool hgm_redraw(const HgmProgram *program, HgmWork *work, HgmPool *pool, const HgmCall *call, void *memory, HgmError *error);
bool hgm_redraw_fail(int64_t event, HgmError *error); // false: the event was drawn so often in vain

#endif
