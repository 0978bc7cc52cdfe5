#include "runtime/unit.h"

#include <string.h>

const HgmUnit *hgm_unit_find(const char *name) {
  static const HgmUnit units[] = {
#define UNIT(name, dimension, size) {name, HGM_UNIT_##dimension, size},
#include "runtime/units.def"
#undef UNIT
  };
  for (size_t i = 0; name != NULL && i < sizeof units / sizeof *units; i++)
    if (strcmp(units[i].name, name) == 0) return &units[i];
  return NULL;
}

bool hgm_unit_conversion(const char *from, const char *to, HgmConversion *conversion) {
  const HgmUnit *a = hgm_unit_find(from), *b = hgm_unit_find(to);
  if (a == NULL || b == NULL || a->dimension != b->dimension) return false;
  *conversion = a->size >= b->size ? (HgmConversion){a->size / b->size, 1} : (HgmConversion){1, b->size / a->size};
  return true;
}
