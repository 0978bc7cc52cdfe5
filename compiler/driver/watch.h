// `watch`: the number that says which weights are best, a formula of metrics on the validation events and of the epoch's losses.
#ifndef HGM_DRIVER_WATCH_H
#define HGM_DRIVER_WATCH_H

#include "compiler/driver/phase.h"

bool watch_is_due(const Phase *p, bool epoch_ended);
// valid: the validation loss, NaN where there is none.
bool watch_number(Phase *p, double valid, double *number, HgmError *error);

#endif
