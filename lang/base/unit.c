#include "lang/base/unit.h"

#include <stddef.h>
#include <string.h>

static const Unit units[] = {
#define UNIT(name, dimension, factor) {name, UNIT_##dimension, factor},
#include "lang/base/units.def"
#undef UNIT
};

const Unit *unit_find(const char *name) {
  for (size_t i = 0; i < sizeof units / sizeof *units; i++)
    if (strcmp(units[i].name, name) == 0) return &units[i];
  return NULL;
}

bool unit_convert(const char *from, const char *to, double *factor) {
  *factor = 1;
  if (from == NULL || to == NULL) return true;
  const Unit *a = unit_find(from), *b = unit_find(to);
  if (a == NULL || b == NULL || a->dimension != b->dimension) return false;
  *factor = a->factor / b->factor;
  return true;
}

bool units_agree(const char *of_file, const char *of_model) {
  double factor;
  if (of_file == NULL || of_model == NULL || unit_find(of_file) == NULL || unit_find(of_model) == NULL) return true;
  return unit_convert(of_file, of_model, &factor) && factor == 1;
}
