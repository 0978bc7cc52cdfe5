// The parts of the pass fold: each a rule that gives a simpler value for v, or IR_NONE.
#ifndef HGM_OPT_FOLD_H
#define HGM_OPT_FOLD_H

#include "compiler/opt/rewrite.h"

OptRule fold_value;    // all of these
OptRule fold_constant; // all operands are known
OptRule fold_element;  // x 1, x + 0, select of a known condition, casts of casts, small powers
OptRule fold_view;     // reshape, transpose, broadcast, slice, pad, concat of each other
OptRule fold_reduce;   // reductions over axes of extent 1, and of one number everywhere

#endif
