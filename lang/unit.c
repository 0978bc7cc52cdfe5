#include "lang/unit.h"

#include <string.h>

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

// The unit itself, and whether it stands squared.
static const HgmUnit *base_of(const char *name, bool *squared) {
  char base[16];
  size_t n = strlen(name);
  *squared = n > 2 && strcmp(name + n - 2, "^2") == 0;
  if (!*squared || n - 2 >= sizeof base) return hgm_unit_find(name);
  memcpy(base, name, n - 2);
  base[n - 2] = '\0';
  return hgm_unit_find(base);
}

bool unit_convert(const char *from, const char *to, double *factor) {
  bool square_a, square_b;
  *factor = 1;
  if (from == NULL || to == NULL) return true;
  const HgmUnit *a = base_of(from, &square_a), *b = base_of(to, &square_b);
  if (a == NULL || b == NULL || a->dimension != b->dimension || square_a != square_b) return false;
  *factor = a->size / b->size;
  if (square_a) *factor *= *factor;
  return true;
}

// ---- units of formulas: a unit, its square, or none

bool unit_known(const char *name) {
  bool squared;
  return base_of(name, &squared) != NULL;
}

const char *unit_product(Arena *arena, const char *a, const char *b) {
  if (a == NULL || b == NULL) return a != NULL ? a : b;
  return unit_exists(a) && strcmp(a, b) == 0 ? arena_printf(arena, "%s^2", a) : NULL;
}

const char *unit_root(Arena *arena, const char *unit) {
  size_t n = unit == NULL ? 0 : strlen(unit);
  return n > 2 && strcmp(unit + n - 2, "^2") == 0 ? arena_strndup(arena, unit, n - 2) : NULL;
}

const char *unit_quotient(Arena *arena, const char *a, const char *b) {
  if (b == NULL) return a;
  const char *root = unit_root(arena, a);
  return root != NULL && strcmp(root, b) == 0 ? b : NULL;
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
