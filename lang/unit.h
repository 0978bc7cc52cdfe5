// What the language says about units (lang/base/unit.h).
#ifndef HGM_UNIT_H
#define HGM_UNIT_H

#include "lang/base/unit.h"

const char *unit_nearest(const char *name); // for a hint; NULL: none is near
bool unit_is_angle(const char *name);       // NULL: no
double full_turn(const char *unit);         // 2π in this unit of angle; NULL: rad

#endif
