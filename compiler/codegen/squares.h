// Squares of numbers transposed in registers: rows[i][j] -> rows[j][i] of `lanes` vectors of `lanes` numbers.
//
//   LLVMValueRef rows[16];  ... load 16 vectors of 16 floats ...  square_transpose(m, rows, 16);  ... store them ...
#ifndef HGM_CODEGEN_SQUARES_H
#define HGM_CODEGEN_SQUARES_H

#include "compiler/codegen/emit.h"

void square_transpose(CodeModule *m, LLVMValueRef rows[16], unsigned lanes);     // of 512 bits: 16 floats or 8 doubles
void square_transpose_half(CodeModule *m, LLVMValueRef rows[8], unsigned lanes); // of 256 bits

#endif
