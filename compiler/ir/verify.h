// The laws with the place of the offence, for the reader.
#ifndef HGM_IR_VERIFY_H
#define HGM_IR_VERIFY_H

#include "compiler/ir/ir.h"

// As ir_verify; *at is the offending value, or the number of values + the offending output's index.
const char *ir_verify_at(const IrFn *fn, Arena *arena, size_t *at);

#endif
