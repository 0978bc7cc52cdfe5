// `check --test`: every bijection of the file on random points, by the reference evaluator: inverse undoes forward, log_det is the
// Jacobian's, and both directions agree about it.
#ifndef HGM_DRIVER_TRIAL_H
#define HGM_DRIVER_TRIAL_H

#include "compiler/driver/session.h"

// Adds sides-differ, det-differs and inexact to what was found; returns how many bijections were tried. untried: those with settings
// that need the rest of the model, like a function that reads a condition.
int trials_run(Session *session, Diags *found, Strings *untried);

#endif
