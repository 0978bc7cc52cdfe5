// What is suspicious in a column: NaN, infinities, numbers that stand for "not there". A look covers any set of rows and looks add up in any
// order, so several threads may look at parts of a column. Inside the loader.
#ifndef HGM_COLUMN_LOOK_H
#define HGM_COLUMN_LOOK_H

#include "runtime/table.h"

enum { HGM_N_SENTINELS = 6 };

typedef struct HgmLook {
  struct HgmLookSeen {
    int64_t n, first; // elements, row of the first; -1: none
  } nan, infinite, sentinels[HGM_N_SENTINELS];
  double low, high; // of the finite values that are no sentinel by custom; low > high: there is none
} HgmLook;

void hgm_look_begin(HgmLook *look);
// `rows` rows of `elements` values; `row`: number of the first. wish: the declared sentinel is left out.
void hgm_look_at(HgmLook *look, const HgmWish *wish, const double *values, int64_t rows, int64_t elements, int64_t row);
void hgm_look_join(HgmLook *look, const HgmLook *other);
void hgm_look_report(const HgmLook *look, HgmColumnReport *report);

#endif
