// Drawing events with a compiled generator, chunk by chunk: event k has the same bits in whatever chunk or shard it is drawn.
#ifndef HGM_DRIVER_GENERATE_H
#define HGM_DRIVER_GENERATE_H

#include "compiler/driver/bound.h"

typedef struct Generation {
  Bound bound;
  const ModelGenerator *generator;
  int64_t most;    // events of a chunk: CHUNK, fewer where an event has many numbers
  double **values; // by output of the generator: (most, elements)
  int64_t *elements;
  int64_t *rows, *ids;  // of the chunk
  const int64_t *given; // rows of the given table that may be used (NULL: all), n_given of them; 0: nothing is given
  int64_t n_given;
} Generation;

// The generator of this name (NULL: the first). NULL: there is none, error says which there are (a message in the arena).
const ModelGenerator *generator_named(const Model *model, Arena *arena, const char *wanted, HgmError *error);
bool generation_open(Generation *g, Session *session, const ModelGenerator *generator, uint32_t tile, Store *store, const Tables *tables, HgmError *error);
// Events first .. first + n - 1, n <= g->most, into g->values. Event k takes row k mod n_given.
bool generation_chunk(Generation *g, int64_t first, int64_t n, HgmError *error);
// The same for any n: those of the last chunk stay in g->values.
bool generation_draw(Generation *g, int64_t first, int64_t n, HgmError *error);
void generation_close(Generation *g);
bool column_is_given(const void *generator, const ModelColumn *column); // for dataset_open

#endif
