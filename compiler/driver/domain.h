// Which values of a data set a preparation does not take.
//
//   if (!isfinite(prepared)) return domain_blame(dataset, session, store, "gen.pt", rows, n, &error) || hgm_fail(&error, …);
#ifndef HGM_DRIVER_DOMAIN_H
#define HGM_DRIVER_DOMAIN_H

#include "compiler/driver/dataset.h"

// Looks for operands of the field's steps (NULL: of all fields) that lie outside of what the step takes, in rows[0..n) (NULL: in the first n). True: there are, and
// error says of the first such step how many, the first one's row and value, and what can be done. False: none, or it cannot be found out.
bool domain_blame(const Dataset *dataset, Session *session, Store *store, const char *field, const int64_t *rows, int64_t n, HgmError *error);
// Says of each step that clips how many of the rows that are used it changes, with the first one and its value. Behind the fits, or with a run's weights.
void domain_clipped(const Dataset *dataset, Session *session, Store *store);
// Is all that was prepared finite, in the rows that are trained on or looked at? A preparation without a fit has let nothing be seen before.
bool domain_prepared(const Dataset *dataset, Session *session, Store *store, HgmError *error);

#endif
