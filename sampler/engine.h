// A task of a bundle (a generator, or the score), loaded for this processor and bound to weights and given columns by name.
//
//   Engine e; engine_open(&e, bundle, task, columns, threads, most, &error);  engine_run(&e, first, n, rows, &error);
//   e.values[k] is (n, elements) of output k;  engine_close(&e);
#ifndef HGM_SAMPLER_ENGINE_H
#define HGM_SAMPLER_ENGINE_H

#include "runtime/bundle.h"
#include "runtime/program.h"

typedef struct Engine {
  const HgmBundleTask *task;
  HgmProgram *program;
  HgmWork *work;
  HgmPool *pool;
  const void **leaves; // by leaf of the program
  int64_t *strides;
  void **outputs;  // by output of the program
  double **values; // by output of the task
  int64_t *rows;   // of the events at hand
  void *redraw;    // memory of hgm_redraw
  int64_t chunk;   // events of one call
  double batch_size;
  uint64_t seed;
  bool prepared; // values of weights alone are computed
} Engine;

// columns: by given column of the task, (rows, elements). most: events that will be asked for. False: engine_close is due too.
bool engine_open(Engine *engine, const HgmBundle *bundle, const HgmBundleTask *task, double *const *columns, int threads, int64_t most, HgmError *error);
// Events first .. first + n - 1, n <= chunk, into values. Event k takes row k mod rows (rows 0: nothing is given).
bool engine_run(Engine *engine, int64_t first, int64_t n, int64_t rows, HgmError *error);
void engine_close(Engine *engine);

#endif
