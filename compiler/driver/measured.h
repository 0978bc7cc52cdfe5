// Numbers of events that an algorithm of the runtime finds (ModelMeasured), as columns beside the others, for the programs of `evaluate`
// that read them.
//
//   Measured m;  measured_open(&m, session, observables, store, &tables, rows, n, &error) && measured_run(&m, rows, n, &error);
//   bound_create(&b, session, observables, …, &m.tables, &error);  measured_close(&m);
#ifndef HGM_DRIVER_MEASURED_H
#define HGM_DRIVER_MEASURED_H

#include "compiler/driver/bound.h"

typedef struct MeasuredColumn {
  const ModelMeasured *model;
  Bound argument; // the program of what is looked at
  double *values; // by row of the tables
} MeasuredColumn;

typedef struct Measured {
  Session *session;
  Tables tables; // those that were given, and a column for each
  VEC(MeasuredColumn) columns;
  double *images; // (IMAGES, pixels of the largest)
  char *room;     // of each thread
  size_t room_bytes;
} Measured;

// Room for these rows of the tables; memory is the session arena's. Whether or not it succeeds, close it.
bool measured_open(Measured *m, Session *session, const IrFn *reader, Store *store, const Tables *tables, const int64_t *rows, int64_t n, HgmError *error);
bool measured_run(Measured *m, const int64_t *rows, int64_t n, HgmError *error); // of these rows, as the tables are now
void measured_close(Measured *m);

#endif
