#include "lang/unit.h"

#include "lang/diag.h"

const char *unit_nearest(const char *name) {
  static const char *const names[] = {
#define UNIT(name, dimension, factor) name,
#include "lang/base/units.def"
#undef UNIT
  };
  return diag_nearest(name, names, sizeof names / sizeof *names);
}

bool unit_is_angle(const char *name) {
  const Unit *unit = name == NULL ? NULL : unit_find(name);
  return unit != NULL && unit->dimension == UNIT_ANGLE;
}

double full_turn(const char *unit) {
  double factor = 1;
  unit_convert(unit == NULL ? "rad" : unit, "rad", &factor);
  return 2 * 3.14159265358979323846 / factor;
}
