// Vector mathematics as LLVM IR. Every function takes <n x float>, <n x double> or a scalar of these and returns the
// same type, in straight line code: explicit fma, no fast-math flag, no approximate instruction, no call out of the
// module. So bits are the same for any vector width and any machine with FMA.
//
// Accuracy: bounds in units of the last place stand in vmath.def and are tested against MPFR. Infinities, NaN (in gives
// out), signed zeros, denormals, overflow and underflow follow C's math library.
// Frequent functions are short and inline. Rare ones (marked call) become one internal function of the module, called
// with the vector; those compute in double and are slow but accurate. Calls keep no vector register: do not put one
// into a matrix kernel's inner loop.
#ifndef HGM_CODEGEN_VMATH_H
#define HGM_CODEGEN_VMATH_H

#include "compiler/codegen/target.h"

LLVMValueRef vmath_exp(CodeModule *m, LLVMValueRef x);
LLVMValueRef vmath_expm1(CodeModule *m, LLVMValueRef x);
LLVMValueRef vmath_log(CodeModule *m, LLVMValueRef x);
LLVMValueRef vmath_log1p(CodeModule *m, LLVMValueRef x);
LLVMValueRef vmath_sqrt(CodeModule *m, LLVMValueRef x);
LLVMValueRef vmath_sin(CodeModule *m, LLVMValueRef x); // see vmath.def for the range of the bound
LLVMValueRef vmath_cos(CodeModule *m, LLVMValueRef x);
LLVMValueRef vmath_atan2(CodeModule *m, LLVMValueRef y, LLVMValueRef x);
LLVMValueRef vmath_tanh(CodeModule *m, LLVMValueRef x);
LLVMValueRef vmath_sigmoid(CodeModule *m, LLVMValueRef x);  // 1 / (1 + exp(-x))
LLVMValueRef vmath_softplus(CodeModule *m, LLVMValueRef x); // log(1 + exp(x)) = max(x, 0) + log1p(exp(-|x|))
LLVMValueRef vmath_sinh(CodeModule *m, LLVMValueRef x);
LLVMValueRef vmath_cosh(CodeModule *m, LLVMValueRef x);
LLVMValueRef vmath_asinh(CodeModule *m, LLVMValueRef x);
LLVMValueRef vmath_erf(CodeModule *m, LLVMValueRef x);
LLVMValueRef vmath_erfc(CodeModule *m, LLVMValueRef x);                // call
LLVMValueRef vmath_normal_icdf(CodeModule *m, LLVMValueRef x);         // call
LLVMValueRef vmath_lgamma(CodeModule *m, LLVMValueRef x);              // call; log |gamma|
LLVMValueRef vmath_digamma(CodeModule *m, LLVMValueRef x);             // call
LLVMValueRef vmath_trigamma(CodeModule *m, LLVMValueRef x);            // call
LLVMValueRef vmath_i0e(CodeModule *m, LLVMValueRef x);                 // call; exp(-|x|) I0(x)
LLVMValueRef vmath_i1e(CodeModule *m, LLVMValueRef x);                 // call
LLVMValueRef vmath_pow(CodeModule *m, LLVMValueRef x, LLVMValueRef y); // call
LLVMValueRef vmath_mod(CodeModule *m, LLVMValueRef a, LLVMValueRef b); // a - b floor(a / b)
LLVMValueRef vmath_floor(CodeModule *m, LLVMValueRef x);
LLVMValueRef vmath_round(CodeModule *m, LLVMValueRef x); // half to even

// ---- draws (rules: runtime/philox.h)
typedef struct VDraw {
  LLVMValueRef event_lo, event_hi; // <n x i32>: identities of the events in the lanes (scalars: one event)
  LLVMValueRef pass;               // i32
  LLVMValueRef key;                // i64
} VDraw;
// Words w0..w3 of a block (i32 or one a lane: element / 4, f64: element / 2) for all lanes: <n x i32>. Integer arithmetic only.
void vmath_philox(CodeModule *m, const VDraw *draw, LLVMValueRef block, LLVMValueRef words[4]);
LLVMValueRef vmath_uniform32(CodeModule *m, LLVMValueRef word);                                   // <n x float> in (0, 1)
LLVMValueRef vmath_uniform64(CodeModule *m, LLVMValueRef low, LLVMValueRef high);                 // <n x double> in (0, 1)
void vmath_normal_pair(CodeModule *m, LLVMValueRef u1, LLVMValueRef u2, LLVMValueRef normals[2]); // Box-Muller

// All elements of one block at once. kind 0 bits (<n x i32>), 1 uniform, 2 normal, 3 the event's number (IrDraw); f64: two elements
// (2 block, 2 block + 1) instead of four (4 block ... 4 block + 3). Returns how many of elements[] are set.
unsigned vmath_draw_block(CodeModule *m, const VDraw *draw, LLVMValueRef block, int kind, bool f64, LLVMValueRef elements[4]);

#endif
