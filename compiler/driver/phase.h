// One train block while it runs: its batches, its updates in order, and the sums of their losses over an epoch.
//
//   Phase p = {.t = t, .model = m};  phase_open(&p, &error);
//   while (…) phase_step(&p, &error);
//   phase_close(&p);
//
// A step takes the next batch of every data block. Its first pass of each update sees that batch and the draws of the step; every
// further pass of `repeat` takes the batch after and draws anew. What is not done again in the next step has been taken.
#ifndef HGM_DRIVER_PHASE_H
#define HGM_DRIVER_PHASE_H

#include "compiler/driver/train.h"
#include "compiler/driver/window.h"

typedef struct Source { // the shuffled training rows of one data block
  Dataset *dataset;
  Rows train, valid; // those of the splits that `where` chooses
  int64_t *order;    // (train.n) of this round
  int64_t round;     // how often all rows were taken before; -1: not shuffled yet
  Window *window;    // NULL: all rows lie in memory
} Source;

typedef struct Gallery Gallery; // gallery.h

typedef struct Phase {
  Training *t;
  const ModelPhase *model;
  Source *sources;
  int n_sources; // 0: draws only
  int64_t batch, steps_per_epoch, total_steps;
  double seconds_before;     // of training, when this process began the phase
  double opened_ms;          // when this process did
  int64_t steps_here;        // that it has made
  bool *ran;                 // by update: in one of them
  bool no_number;            // what `watch` looks at was none, and that is said
  bool not_finite;           // … the validation loss
  Bound *updates, *controls; // by update; a control's program is NULL where nothing changes from step to step
  HgmRoom room;              // that the updates work in, one after the other
  Bound validate;
  Tables tables; // of the data block; of several: the batch, gathered
  Slot *step, *epoch, *progress;
  Gallery *gallery;     // of a game, once it was looked at
  double *first_losses; // (losses) of the first epoch; NaN: before this process
  Slot *sums;           // (losses, 4): sum, norm of the gradient, accuracy, how often; of the epoch so far
} Phase;

int64_t phase_batch(const ModelPhase *model);
// What its steps are compiled for. A batch that one tile would hold is cut in two, so that two threads have work. Where weights are many, tiles are
// larger: each adds to all sums of gradients, which come from far away then. The model and the batch alone decide: bits must not depend on threads.
// Threads share the commands of tiles, which leaves the bits as they are, where they would wait for each other else and commands are long.
CodeShape phase_shape(const ModelPhase *model, int threads);
bool phase_open(Phase *p, HgmError *error);
void phase_close(Phase *p);
// Its optimizers' memory belongs into checkpoints no more, nor is it wanted of one: a finished run has none.
void phase_leave_states(Phase *p);
bool phase_step(Phase *p, HgmError *error);
void phase_tell_idle(const Phase *p);         // at its end: warns of updates that no step has run
size_t phase_losses(const ModelPhase *model); // of all its updates
const ModelLoss *phase_loss(const ModelPhase *model, size_t i);
typedef enum { MEAN_LOSS, MEAN_NORM, MEAN_ACCURACY } PhaseMean;
double phase_mean(const Phase *p, size_t loss, PhaseMean what); // over the epoch so far; NaN: never
void phase_forget(Phase *p);                                    // a new epoch: sums begin anew
// `ema`: weights and their averages change places; twice is none.
void phase_exchange_averages(Phase *p);

#endif
