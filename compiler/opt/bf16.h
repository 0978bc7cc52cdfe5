// Products with operands of bf16 (--precision bf16): for functions that draw or score, behind all other passes.
#ifndef HGM_OPT_BF16_H
#define HGM_OPT_BF16_H

#include "compiler/ir/ir.h"

// A weight that is kept in bf16 is the leaf NAME.bf16, to be filled with the rounded numbers of NAME.
#define OPT_BF16_LEAF ".bf16"

// Each float32 contraction of events with weights gets both operands rounded to bf16; its sums and all else stay as they are. Weights that nothing
// else reads become leaves of bf16. Fitted statistics (states) are no weights: preparations stay exact.
IrFn *opt_bf16(Arena *arena, const IrFn *fn);

#endif
