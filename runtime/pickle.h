// Lists of texts as Python pickles them with protocol 0, which is how pandas keeps names of columns in HDF5.
#ifndef HGM_PICKLE_H
#define HGM_PICKLE_H

#include "runtime/heap.h"

// Lines `Vname` (or S'name'), memo and list codes between. No pickle is run: whatever else stands there ends the reading. Returns how
// many names there are, with the first n of them in names; -1: it is no such list, or out of memory.
int hgm_pickled_texts(HgmHeap *heap, const char *pickle, const char **names, int n);

#endif
