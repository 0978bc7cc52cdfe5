// Units of physical values, as the language, the readers and the standalone sampler know them: the names of units.def.
//
//   HgmConversion c;
//   if (hgm_unit_conversion("MeV", "GeV", &c)) gev = mev * c.times / c.over;   // 1 and 1000
#ifndef HGM_RUNTIME_UNIT_H
#define HGM_RUNTIME_UNIT_H

#include <stdbool.h>

typedef enum { HGM_UNIT_ENERGY, HGM_UNIT_ANGLE, HGM_UNIT_LENGTH, HGM_UNIT_TIME } HgmDimension;

typedef struct HgmUnit {
  const char *name;
  HgmDimension dimension;
  double size; // how many of the dimension's base it is
} HgmUnit;

// One of the two is 1 and, degrees aside, the other a power of ten that a double holds: a value converted is the double nearest to the exact one.
typedef struct HgmConversion {
  double times, over;
} HgmConversion;

const HgmUnit *hgm_unit_find(const char *name); // NULL: no such unit, or no name
// False: the dimensions differ, or one of them is no unit.
bool hgm_unit_conversion(const char *from, const char *to, HgmConversion *conversion);

#endif
