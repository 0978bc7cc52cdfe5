// The parts of the pass algebra: each a rule that gives a cheaper value for v, or IR_NONE.
#ifndef HGM_OPT_ALGEBRA_H
#define HGM_OPT_ALGEBRA_H

#include "compiler/opt/rewrite.h"

OptRule algebra_broadcast; // elementwise ops and contractions before their operands are stretched
OptRule algebra_sign;      // neg outwards, numbers together, quotients to products
OptRule algebra_select;    // masks and the branches of one condition
OptRule algebra_sum;       // what is constant along the axes that are summed comes out
OptRule algebra_pad;       // sums of padded arrays that do not overlap are concatenations
OptRule algebra_index;     // gather and scatter_add of constants and along short axes

#endif
