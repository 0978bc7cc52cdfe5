// Events of a data block without columns, drawn as training draws them: the truth that metrics compare with.
#ifndef HGM_DRIVER_SIMULATE_H
#define HGM_DRIVER_SIMULATE_H

#include "compiler/driver/dataset.h"

// As many events as `evaluate` wants, or 10,000, to validate with and as many to test with, as tables column:NAME. The data set has no table and no rows to
// train on.
bool dataset_simulate(Dataset *dataset, Session *session, Store *store, const ModelData *data, HgmError *error);

#endif
