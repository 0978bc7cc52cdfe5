// Which operation made a number that is not finite: found with the reference evaluator, event by event.
#ifndef HGM_DRIVER_NONFINITE_H
#define HGM_DRIVER_NONFINITE_H

#include "compiler/driver/bound.h"

// Always returns false, with the block, the term, the step, the source line, the event and the cure in the error. loss: whose value or gradient it is.
bool nonfinite_explain(Session *session, const IrFn *fn, const Bound *bound, const ModelLoss *loss, const BoundCall *call, const Tables *tables, int64_t step,
                       const char *cure, HgmError *error);

#endif
