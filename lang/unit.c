#include "lang/unit.h"

#include "lang/diag.h"
#include "runtime/unit.h"

bool unit_exists(const char *name) { return hgm_unit_find(name) != NULL; }

const char *unit_nearest(const char *name) {
  static const char *const names[] = {
#define UNIT(name, dimension, size) name,
#include "runtime/units.def"
#undef UNIT
  };
  return diag_nearest(name, names, sizeof names / sizeof *names);
}

bool unit_convert(const char *from, const char *to, double *factor) {
  *factor = 1;
  if (from == NULL || to == NULL) return true;
  const HgmUnit *a = hgm_unit_find(from), *b = hgm_unit_find(to);
  if (a == NULL || b == NULL || a->dimension != b->dimension) return false;
  *factor = a->size / b->size;
  return true;
}

bool unit_is_angle(const char *name) {
  const HgmUnit *unit = hgm_unit_find(name);
  return unit != NULL && unit->dimension == HGM_UNIT_ANGLE;
}

double full_turn(const char *unit) {
  double factor = 1;
  unit_convert(unit == NULL ? "rad" : unit, "rad", &factor);
  return 2 * 3.14159265358979323846 / factor;
}
