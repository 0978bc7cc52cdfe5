// Which condition of a `where` leaves no event.
//
//   if (n == 0) return cuts_blame(dataset, session, store, &data->cuts, rows, n, "train on", &error);
#ifndef HGM_DRIVER_CUTS_H
#define HGM_DRIVER_CUTS_H

#include "compiler/driver/dataset.h"

// Says of rows[0..n) (NULL: of the first n), of which none is left to do that with, what the conditions cut, between which values lies what they
// ask of, and what can be done. Always false.
bool cuts_blame(const Dataset *dataset, Session *session, Store *store, const ModelCuts *cuts, const int64_t *rows, int64_t n, const char *purpose,
                HgmError *error);

#endif
