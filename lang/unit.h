// Units of columns and physical values in the language: a name from runtime/units.def; NULL is a bare number and adapts to any.
#ifndef HGM_UNIT_H
#define HGM_UNIT_H

#include <stdbool.h>

bool unit_exists(const char *name);
const char *unit_nearest(const char *name); // NULL: none is near
// How many `to` one `from` is; false when the dimensions differ or a name is unknown. `1` when either is NULL.
bool unit_convert(const char *from, const char *to, double *factor);
bool unit_is_angle(const char *name); // NULL: no
double full_turn(const char *unit);   // 2π in this unit of angle; NULL: rad

#endif
