// Several processes (ranks) that execute the same program over the same batch, each over its own ranges of tiles. What they exchange are the
// partial sums of the ranges, never sums: every rank adds them up in the same order, so no number depends on how many ranks there are.
// Made by a plugin (mpi/); the runtime itself knows nothing of MPI.
#ifndef HGM_RANKS_H
#define HGM_RANKS_H

#include <stdbool.h>
#include <stdint.h>

#include "runtime/error.h"

typedef struct HgmRanks HgmRanks;
struct HgmRanks {
  int rank, n;
  bool (*stopping)(void); // this process was told to stop: it does not wait for others longer than `patience_ms`; set by the user of the ranks
  double patience_ms;
  bool ended; // another rank has failed and says why: nothing is left to say here
  // Bytes begin[r] to begin[r + 1] of `buffer` are rank r's; all get all, in place. begin: (n + 1). False: a rank has failed or is gone.
  bool (*gather)(HgmRanks *ranks, void *buffer, const int64_t *begin, HgmError *error);
  // After an error of this rank: waits until every other one has failed too, or waits in a later gather and so in vain, however long that takes.
  // *first: the first that failed; *all: every one did. False: a rank is gone.
  bool (*fail)(HgmRanks *ranks, int *first, bool *all);
  void (*close)(HgmRanks *ranks);                // waits for all ranks
  void (*abort)(HgmRanks *ranks, int exit_code); // ends all ranks at once; does not return
  void *backend;
};

// What a plugin exports under the name "hgm_ranks_open": NULL and a message when there is nothing to open.
typedef HgmRanks *HgmRanksOpen(HgmError *error);

#endif
