// Parts of algebra_index, one a file.
#ifndef HGM_OPT_ALGEBRA_INDEX_H
#define HGM_OPT_ALGEBRA_INDEX_H

#include "compiler/opt/rewrite.h"

OptRule index_constant; // gather and scatter_add by a constant index: slices, pads, one gather
OptRule index_short;    // along a short axis: compare and select

#endif
