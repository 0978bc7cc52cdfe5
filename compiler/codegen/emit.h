// Small pieces of LLVM IR that all emitters use. `like` is a type, scalar or vector; constants and operations work for
// both, so a formula is written once for <16 x float>, <16 x double> and plain double.
#ifndef HGM_CODEGEN_EMIT_H
#define HGM_CODEGEN_EMIT_H

#include "compiler/codegen/target.h"

// ---- types and constants
LLVMTypeRef emit_element(LLVMTypeRef type);                       // float of <16 x float>, float of float
unsigned emit_lanes(LLVMTypeRef type);                            // 16; scalars: 1
LLVMTypeRef emit_with_lanes(LLVMTypeRef element, unsigned lanes); // lanes 1: the element itself
bool emit_is_f64(LLVMTypeRef type);                               // element type is double
LLVMTypeRef emit_int_like(CodeModule *m, LLVMTypeRef like);       // i32 / i64 of the same width and lanes
LLVMValueRef emit_number(LLVMTypeRef like, double x);             // x rounded to the element type, in all lanes
LLVMValueRef emit_integer(LLVMTypeRef like, uint64_t x);          // likewise, integer types
LLVMValueRef emit_index(CodeModule *m, int64_t i);                // i64 constant
unsigned emit_element_bytes(LLVMTypeRef type);                    // in memory

// ---- arithmetic: one correctly rounded operation each
LLVMValueRef emit_fma(CodeModule *m, LLVMValueRef a, LLVMValueRef b, LLVMValueRef c); // a b + c
LLVMValueRef emit_sqrt(CodeModule *m, LLVMValueRef a);
LLVMValueRef emit_floor(CodeModule *m, LLVMValueRef a);
LLVMValueRef emit_round(CodeModule *m, LLVMValueRef a); // half to even
LLVMValueRef emit_abs(CodeModule *m, LLVMValueRef a);
LLVMValueRef emit_copysign(CodeModule *m, LLVMValueRef magnitude, LLVMValueRef sign);
LLVMValueRef emit_max(CodeModule *m, LLVMValueRef a, LLVMValueRef b); // a > b ? a : b, so NaN in a gives b
LLVMValueRef emit_min(CodeModule *m, LLVMValueRef a, LLVMValueRef b); // a < b ? a : b
// An intrinsic of LLVM; types: those that it is overloaded for.
LLVMValueRef emit_intrinsic(CodeModule *m, const char *name, LLVMTypeRef *types, unsigned n_types, LLVMValueRef *arguments, unsigned n);

// ---- memory. Strides and offsets are in elements of `element`, never bytes.
LLVMValueRef emit_at(CodeModule *m, LLVMTypeRef element, LLVMValueRef base, LLVMValueRef index); // &base[index]
LLVMValueRef emit_at2(CodeModule *m, LLVMTypeRef element, LLVMValueRef base, LLVMValueRef row, int64_t stride,
                      LLVMValueRef column);                                    // &base[row stride + column]; column may be NULL
LLVMValueRef emit_plus(CodeModule *m, LLVMValueRef index, int64_t n);          // i64 + constant
LLVMValueRef emit_least(CodeModule *m, LLVMValueRef a, LLVMValueRef b);        // the smaller of two i64
LLVMValueRef emit_most(CodeModule *m, LLVMValueRef a, LLVMValueRef b);         // and the larger
LLVMValueRef emit_load(CodeModule *m, LLVMTypeRef type, LLVMValueRef address); // aligned as the element only
void emit_store(CodeModule *m, LLVMValueRef value, LLVMValueRef address);
void emit_prefetch(CodeModule *m, LLVMValueRef address, bool write); // the line of an address that will be used soon; any address
// One number in all lanes, by a broadcast from memory. Keep arithmetic off the scalar: a splat of a computed scalar
// goes through a multiply-add port (-25 % in a matrix kernel).
LLVMValueRef emit_broadcast(CodeModule *m, LLVMTypeRef like, LLVMValueRef address);
LLVMValueRef emit_splat(CodeModule *m, LLVMTypeRef like, LLVMValueRef scalar);
// n lanes: lane i is number pick[i] of a, or of b behind a's.
LLVMValueRef emit_shuffle(CodeModule *m, LLVMValueRef a, LLVMValueRef b, const unsigned *pick, unsigned n);

// ---- some of the lanes
LLVMValueRef emit_part(CodeModule *m, LLVMValueRef x, unsigned from, unsigned n);                        // n lanes of x; 1: a scalar
LLVMValueRef emit_lane_numbers(CodeModule *m, LLVMTypeRef type, int64_t stride);                         // 0, stride, 2 stride, ... in the module's lanes
LLVMValueRef emit_lanes_below(CodeModule *m, LLVMValueRef n);                                            // mask of the module's lanes 0..n-1, n an i64
LLVMValueRef emit_mask(CodeModule *m, unsigned lanes, unsigned n);                                       // constant: the first n of so many
LLVMValueRef emit_load_masked(CodeModule *m, LLVMTypeRef type, LLVMValueRef address, LLVMValueRef mask); // 0 in the others
// The first n lanes, in pieces of powers of two: masked stores are slow on many machines.
void emit_store_first(CodeModule *m, LLVMValueRef x, LLVMValueRef address, unsigned n);

// ---- counted loops: for (index = from; index < to; index += step), with values carried from turn to turn
enum { EMIT_CARRIED = 64 };
typedef struct EmitLoop {
  LLVMValueRef index;                 // i64
  LLVMValueRef carried[EMIT_CARRIED]; // inside: this turn's values; after emit_loop_end: the final ones
  unsigned n;
  LLVMBasicBlockRef guard, body, done; // private
  LLVMValueRef start[EMIT_CARRIED], to, step;
} EmitLoop;
// n values start as carried[0..n). With constant bounds that give at least one turn there is no test at the top.
EmitLoop emit_loop(CodeModule *m, const char *name, LLVMValueRef from, LLVMValueRef to, int64_t step, const LLVMValueRef *carried, unsigned n);
// next[0..n): the values for the next turn. The builder goes on behind the loop.
void emit_loop_end(CodeModule *m, EmitLoop *loop, const LLVMValueRef *next);
// A loop over blocks of `size` along 0..extent-1, extent >= size. The last block begins earlier where some are left over, so that it is whole: the block
// at hand begins at *first, and the one before had index - *first of it already.
EmitLoop emit_blocks(CodeModule *m, const char *name, LLVMValueRef extent, int64_t size, LLVMValueRef *first);

// Of a loop's turns only some: units [from, to), of `unit` turns each; from NULL: all.
typedef struct EmitRange {
  LLVMValueRef from, to; // i64
  int64_t unit;
} EmitRange;
LLVMValueRef emit_units(CodeModule *m, const EmitRange *r, LLVMValueRef n); // turns of so many units
EmitRange emit_meet(CodeModule *m, EmitRange a, EmitRange b);               // what both have, of the same units

// A share of some work, which is cut into `of` equal parts: those in [from, to); from NULL: all of it. Shares that make up the work have each turn of
// a loop once.
typedef struct EmitShare {
  LLVMValueRef from, to; // i64
  int64_t of;
} EmitShare;
EmitRange emit_share(CodeModule *m, EmitShare s, int64_t turns);         // whole turns
EmitRange emit_share_of(CodeModule *m, EmitShare s, LLVMValueRef turns); // the same, of a loop whose turns are known later
// Turns with a part of it, and what it has of turn i among them. Where parts are not a multiple of turns: whole ones.
EmitRange emit_share_touched(CodeModule *m, EmitShare s, int64_t turns);
EmitShare emit_share_within(CodeModule *m, EmitShare s, LLVMValueRef i, int64_t turns);

// ---- if (condition) { ... }: a block that is skipped; no values leave it
typedef struct EmitIf {
  LLVMBasicBlockRef done; // NULL: no block, it is always run
} EmitIf;
EmitIf emit_if(CodeModule *m, const char *name, LLVMValueRef condition);
EmitIf emit_if_last(CodeModule *m, EmitShare s); // for what one share has to do alone
void emit_end_if(CodeModule *m, EmitIf block);

// ---- functions of the module, made at their first call. The name says all that their code depends on. Pointers among the arguments lead to
// different arrays.
//
//   if (emit_function(m, "twice_16", LLVMTypeOf(x), &x, 1, &f)) emit_function_end(m, &f, twice(m, f.parameters[0]));
//   LLVMValueRef y = emit_function_call(m, &f, &x);
enum { EMIT_ARGUMENTS = 12 };
typedef struct EmitFunction {
  LLVMValueRef function, parameters[EMIT_ARGUMENTS];
  unsigned n; // arguments
  LLVMBasicBlockRef caller;
} EmitFunction;
// True: it is new, takes the types of these arguments, and its body is wanted, at whose beginning the builder stands.
bool emit_function(CodeModule *m, const char *name, LLVMTypeRef result, const LLVMValueRef *arguments, unsigned n, EmitFunction *f);
void emit_function_end(CodeModule *m, const EmitFunction *f, LLVMValueRef result); // NULL: it gives nothing back
LLVMValueRef emit_function_call(CodeModule *m, const EmitFunction *f, const LLVMValueRef *arguments);

// All three for what kernels have in common, which gives nothing back: the name says all of `data` that its code depends on.
typedef void EmitBody(CodeModule *m, const void *data, const LLVMValueRef *arguments);
void emit_call(CodeModule *m, const char *name, EmitBody *body, const void *data, const LLVMValueRef *arguments, unsigned n);

#endif
