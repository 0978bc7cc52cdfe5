// Squares of numbers copied with rows and columns exchanged, through registers: every line of memory is read and stored once.
//
//   unsigned side = square_side(m, m->f32);  LLVMValueRef from[16];  ... where each row begins ...
//   square_copy(m, m->f32, side, from, to, 16);   // to[j 16 + i] = from[i][j],  i, j < side
#ifndef HGM_CODEGEN_SQUARES_H
#define HGM_CODEGEN_SQUARES_H

#include "compiler/codegen/emit.h"

unsigned square_side(const CodeModule *m, LLVMTypeRef element); // of the largest: a vector of the machine's
// to[j to_stride + i] = from[i][j] for i, j < side, which is the largest or half of it.
void square_copy(CodeModule *m, LLVMTypeRef element, unsigned side, const LLVMValueRef *from, LLVMValueRef to, int64_t to_stride);

#endif
