// Units of columns and physical values. A unit is a name from units.def; NULL is a bare number and adapts to any.
#ifndef HGM_UNIT_H
#define HGM_UNIT_H

#include <stdbool.h>

#include "lang/base/arena.h"

typedef enum { UNIT_ENERGY, UNIT_ANGLE, UNIT_LENGTH, UNIT_TIME } UnitDimension;
typedef struct Unit {
  const char *name;
  UnitDimension dimension;
  double factor;
} Unit; // factor: one of it in the base unit

const Unit *unit_find(const char *name);    // NULL: no such unit
const char *unit_nearest(const char *name); // NULL: none is near
// How many `to` one `from` is; false when the dimensions differ or a name is unknown. `1` when either is NULL.
bool unit_convert(const char *from, const char *to, double *factor);
bool unit_is_angle(const char *name); // NULL: no
double full_turn(const char *unit);   // 2π in this unit of angle; NULL: rad

#endif
