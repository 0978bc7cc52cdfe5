// Units of columns and physical values: names from units.def, which the compiler and the standalone sampler share. NULL is a bare number and adapts to any.
#ifndef HGM_UNIT_BASE_H
#define HGM_UNIT_BASE_H

#include <stdbool.h>

typedef enum { UNIT_ENERGY, UNIT_ANGLE, UNIT_LENGTH, UNIT_TIME } UnitDimension;
typedef struct Unit {
  const char *name;
  UnitDimension dimension;
  double factor; // one of it in the base unit
} Unit;

const Unit *unit_find(const char *name); // NULL: no such unit
// How many `to` one `from` is; false when the dimensions differ or a name is unknown. `1` when either is NULL.
bool unit_convert(const char *from, const char *to, double *factor);
// A file that says its unit and a model that says another would meet with wrong numbers. A unit that only one of them knows says nothing.
bool units_agree(const char *of_file, const char *of_model);

#endif
