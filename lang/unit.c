#include "lang/unit.h"

#include <string.h>

#include "lang/diag.h"

static const Unit units[] = {
#define UNIT(name, dimension, factor) {name, UNIT_##dimension, factor},
#include "lang/units.def"
#undef UNIT
};
enum { UNITS = sizeof units / sizeof units[0] };

const Unit *unit_find(const char *name) {
  for (int i = 0; i < UNITS; i++)
    if (strcmp(units[i].name, name) == 0) return &units[i];
  return NULL;
}

const char *unit_nearest(const char *name) {
  const char *names[UNITS];
  for (int i = 0; i < UNITS; i++) names[i] = units[i].name;
  return diag_nearest(name, names, UNITS);
}

bool unit_convert(const char *from, const char *to, double *factor) {
  *factor = 1;
  if (from == NULL || to == NULL) return true;
  const Unit *a = unit_find(from), *b = unit_find(to);
  if (a == NULL || b == NULL || a->dimension != b->dimension) return false;
  *factor = a->factor / b->factor;
  return true;
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
