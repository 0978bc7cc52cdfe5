// Questions that derivative rules and passes ask of values: is it a known number, the same everywhere?
#ifndef HGM_IR_MATCH_H
#define HGM_IR_MATCH_H

#include "compiler/ir/ir.h"

// Is every element of r the same known number? Looks through broadcast, reshape, transpose, slice.
bool ir_is_fill(const IrFn *fn, IrRef r, double *x);
bool ir_is_number(const IrFn *fn, IrRef r, double x); // ... and is it x?

#endif
