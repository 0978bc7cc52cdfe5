// A run of several processes, started by mpirun: all do the same, but the events of a step are shared and only the first writes and speaks.
//
//   HgmRanks *ranks;  ranks_open(&ranks, &error)          // NULL: alone; all calls below then do nothing
//   Hush hush = ranks_hush(ranks);                         // what others say is kept back …
//   ranks_together(ranks, &exit_code, …)                   // nobody goes on unless all are fine
//   ranks_speak(ranks, &hush, …)                           // … and shown only where they alone have something to say
//   ranks_share(ranks, store, &position, &error)           // the first process's weights, states and place in training
#ifndef HGM_DRIVER_RANKS_H
#define HGM_DRIVER_RANKS_H

#include <stdio.h>

#include "compiler/driver/snapshot.h"
#include "compiler/driver/store.h"
#include "runtime/program.h"
#include "runtime/ranks.h"

// Open MPI's mpirun says by its environment (OMPI_COMM_WORLD_SIZE) that it started this process; HGM_MPI=1 says it for other starters.
// The plugin hgm_mpi.so lies beside the program. False: it is needed and cannot be loaded.
bool ranks_open(HgmRanks **ranks, HgmError *error);
// The last thing a process does: waits until all are there.
void ranks_close(HgmRanks *ranks);
// After an error in the middle of training: the first of the processes that have failed reports its own, and all end.
void ranks_fail(HgmRanks *ranks, const HgmError *error);

bool ranks_first(const HgmRanks *ranks); // this process writes the run directory and speaks
// True when all processes are fine. *failed: the first that is not (0: the first of all, or alone), or -1; *exit_code becomes that one's.
bool ranks_together(HgmRanks *ranks, int *exit_code, int *failed, HgmError *error);
bool ranks_any(HgmRanks *ranks, bool mine, bool *any, HgmError *error);
// The bytes are the same everywhere, else the error says of which process `what` is another than the first's.
bool ranks_same(HgmRanks *ranks, const char *what, const void *bytes, size_t n, HgmError *error);
bool ranks_share(HgmRanks *ranks, Store *store, Position *position, HgmError *error); // saved slots; position may be NULL

typedef struct Hush { // standard error of a process that is not the first, kept back
  int real;           // its descriptor; -1: not kept back
  FILE *kept;
} Hush;
Hush ranks_hush(const HgmRanks *ranks);
void ranks_speak(const HgmRanks *ranks, Hush *hush, bool show); // show: what was kept back, with the process's number
// A batch of `events` has partial sums that the processes can share evenly.
bool ranks_fit(const HgmRanks *ranks, const HgmProgram *program, int64_t events, HgmError *error);

#endif
