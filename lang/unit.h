// Units of columns and physical values in the language: a name from runtime/units.def; NULL is a bare number and adapts to any.
#ifndef HGM_UNIT_H
#define HGM_UNIT_H

#include <stdbool.h>

#include "lang/base/arena.h"

bool unit_exists(const char *name);
const char *unit_nearest(const char *name); // NULL: none is near
// How many `to` one `from` is; false when the dimensions differ or a name is unknown. `1` when either is NULL.
bool unit_convert(const char *from, const char *to, double *factor);
// The unit of a formula is one of the table, the square of one ("GeV^2"), or NULL. unit_known: a unit, or the square of one.
bool unit_known(const char *name);
const char *unit_product(Arena *arena, const char *a, const char *b);
const char *unit_quotient(Arena *arena, const char *a, const char *b);
const char *unit_root(Arena *arena, const char *unit);
bool unit_is_angle(const char *name); // NULL: no
double full_turn(const char *unit);   // 2π in this unit of angle; NULL: rad

#endif
