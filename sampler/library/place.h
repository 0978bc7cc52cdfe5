// Where a library's bundle lies: in a file of its own, so that no compiler takes the value it has before `hgmc build` fills it in.
#ifndef HGM_LIBRARY_PLACE_H
#define HGM_LIBRARY_PLACE_H

#include <stdint.h>

typedef struct HgmBundlePlace {
  int64_t offset; // of the bundle, from this struct on
  uint64_t bytes;
} HgmBundlePlace;

extern const HgmBundlePlace hgm_bundle_place __attribute__((visibility("hidden"))); // in the same image: no table of addresses between

#endif
