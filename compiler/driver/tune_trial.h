// One point of a search as a run in a process of its own: trained to a rung of epochs, paused, taken up again at the next.
// Its state is files of the search's directory, so that several processes share one search:
//   trial-007/        the run directory      trial-007.log     what the run said
//   trial-007.lock    held while it trains   trial-007.rung-1  what it came to after that many epochs
#ifndef HGM_DRIVER_TUNE_TRIAL_H
#define HGM_DRIVER_TUNE_TRIAL_H

#include "compiler/driver/options.h"
#include "runtime/error.h"

typedef struct TuneTrial {
  int number;
  Strings sets;        // NAME=VALUE of the params that count at this point
  int64_t epochs;      // trained so far
  double value;        // the best number of the validation so far; NaN: it failed
  const char *failure; // why; or NULL
} TuneTrial;

typedef struct TuneRung {
  const char *directory; // of the search
  int number;
  int64_t epochs;      // to pause after, of all phases together; 0: to the end
  const bool *is_last; // by phase: the last weights count, not the best
} TuneRung;

typedef enum { TRIAL_KNOWN, TRIAL_BUSY, TRIAL_FAILED, TRIAL_INTERRUPTED } TrialState;

// Reads what the trial came to at this rung; trains it if nobody did and nobody is at it. TRIAL_FAILED: the search cannot go on
// (error says why); a run that fails by its own params is a known one.
TrialState tune_trial(TuneTrial *trial, const TuneRung *rung, const Options *options, HgmError *error);

#endif
