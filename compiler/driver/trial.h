// `check --test`: every bijection of the file on random points, by the reference evaluator: inverse undoes forward, log_det is the
// Jacobian's, and both directions agree about it.
#ifndef HGM_DRIVER_TRIAL_H
#define HGM_DRIVER_TRIAL_H

#include "compiler/driver/session.h"

// Adds sides-differ and det-differs to the session's diagnostics; returns how many bijections were tried.
int trials_run(Session *session);

#endif
