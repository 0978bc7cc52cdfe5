// What the files of compiler/ir share about types.
#ifndef HGM_IR_TYPE_H
#define HGM_IR_TYPE_H

#include "compiler/ir/ir.h"

// No array, extent or attribute is larger: sums and products of two of them fit 64 bits.
#define IR_LARGEST ((int64_t)1 << 40)

extern const char *const ir_dtype_names[5];
// NULL, or what is wrong with the type itself: place of the event axes, size.
const char *ir_type_problem(Arena *arena, const IrType *t);

#endif
