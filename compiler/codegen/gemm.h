// Matrix products inside a tile, events along the lanes. These emit loops at the builder's position and leave the
// builder behind them; the caller owns the function and the pointers.
//
// Every output is one chain of fma in ascending k from its start value, whatever the block shape, tile, machine or
// position: bits agree between all of them. Weights are read in place (row-major, either orientation) as scalars
// broadcast from memory; nothing is packed.
//
// Of operands in bf16 (halves) an output is the sum of blocks of GEMM_BLOCK terms, k ascending: in each block one chain of fma over its even and one
// over its odd k, both from zero; the two are added, and that is added to the sum of the blocks before. So adds the AMX instruction TDPBF16PS (Intel SDM),
// with which `tiles` computes them; there numbers below the smallest normal one are zeros.
#ifndef HGM_CODEGEN_GEMM_H
#define HGM_CODEGEN_GEMM_H

#include "compiler/codegen/emit.h"

enum { GEMM_PIECES = 8, GEMM_BLOCK = 32, GEMM_TERMS = 4 };

// A vector of a block: Y[row + r][event + lanes .. + CODE_LANES).
typedef struct GemmAt {
  LLVMValueRef row, event; // i64: where the block begins
  int64_t r, lanes;
} GemmAt;

// Arrays of events are panels of CODE_LANES events, [panel][row][CODE_LANES]: of an array of `rows` rows, number (row, event) is
// at (event / CODE_LANES * rows + row) * CODE_LANES + event % CODE_LANES.

// Y[row][event] = start + sum over k of W[k w_k + row w_n] X[k][event],  row 0..n-1, event 0..tile-1.
typedef struct Gemm {
  bool f64;                   // dtype of all arrays
  bool halves;                // operands are bf16 numbers (in float32), one chain is no more than a block; no pieces
  int64_t n, k;               // rows of Y, length of the chain: any number >= 1
  int64_t w_k, w_n;           // strides of W in numbers (row-major (k, n): n, 1; row-major (n, k): 1, k)
  int64_t tile;               // events, a multiple of CODE_LANES
  int64_t x_stride, y_stride; // numbers from one row of X (Y) to the next, normally CODE_LANES
  int64_t x_rows, y_rows;     // of the arrays: from one panel to the next
  LLVMValueRef events;        // i64: events that are wanted, 1..tile; those of the last block with one come along. NULL: tile
  LLVMValueRef w, x, y;       // pointers; y may be NULL where the epilogue stores itself
  // A chain of pieces: the sum is over these loops too, around k (a convolution: over the rows of its kernel).
  int n_pieces;
  struct {
    int64_t extent, w, x; // strides in numbers
    EmitRange only;
  } piece[GEMM_PIECES];
  // What may be left out: terms that are zero, rows that nobody reads. The brief form does all. Units of k are multiples of GEMM_TERMS.
  EmitRange only_k, only_n;
  EmitShare share; // of the rows; share_events: of the blocks of events
  bool share_events;
  // AMX: W is bf16, w_k 1, rows of it have a multiple of GEMM_BLOCK numbers, zeros behind k; as many rows as gemm_tiles_rows. No bias, no start.
  bool tiles;
  LLVMValueRef scratch; // gemm_tiles_scratch bytes
  // Start of the chain: add: what Y holds; else bias[row * bias_stride] (NULL: zero).
  bool add;
  LLVMValueRef bias;
  int64_t bias_stride;
  // Called for each finished vector (CODE_LANES events) while it is in a register; its result is stored to Y.
  // Emits straight line code at m->builder (loads of further operands at the same place allowed). NULL: store as it is.
  // Returning NULL: nothing is stored.
  LLVMValueRef (*epilogue)(void *data, CodeModule *m, const GemmAt *at, LLVMValueRef value);
  // Called for each vector of a block before its chains: may prefetch what the epilogue reads and stores. NULL: none.
  void (*ahead)(void *data, CodeModule *m, const GemmAt *at);
  void *data;
  unsigned block_vectors, block_rows; // accumulators: vectors of CODE_LANES events times rows; 0: chosen
} Gemm;
void gemm_emit(CodeModule *m, const Gemm *g);
void gemm_tiles_emit(CodeModule *m, const Gemm *g);
bool gemm_tiles_pay(int64_t tile, int64_t n, int64_t k); // whether to ask for tiles
int64_t gemm_tiles_rows(int64_t n);                      // of W in memory,
int64_t gemm_tiles_numbers(int64_t k);                   // and numbers in each of them
int64_t gemm_tiles_scratch(int64_t k);                   // bytes

enum { GEMM_RUNS = 2 };
typedef struct GemmRun { // blocks of so many rows
  int64_t from, to;
  unsigned rows;
} GemmRun;
// Deals n rows to blocks of at most so many, which differ by one row at most. Returns how many runs of equal ones there are.
int gemm_runs(int64_t n, unsigned most, GemmRun run[GEMM_RUNS]);
void gemm_run_shares(CodeModule *m, const GemmRun *run, int n, EmitShare share, EmitRange rows[GEMM_RUNS]); // of each run the rows to do
unsigned gemm_terms(const CodeTarget *t, bool first); // of each chain in a turn of the loop along it, in blocks of the first run or of another

// D[a][b] (+)= sum over events t < valid of A[a][t] B[b][t]: the gradient of a weight matrix whose rows are contiguous
// in b: D[a d_stride + b]. For W row-major (k, n): A = X, B = the adjoint of Y; row-major (n, k): the other way.
// Each element is one chain of fma over ascending t from zero, then added to (or stored over) what D holds. Narrow D
// (few rows or columns) instead uses dot products along the lanes, added by a fixed tree.
// b NULL, columns 1: sums of the rows of A, for bias gradients.
typedef struct GemmGradient {
  bool f64;
  int64_t rows, columns; // extents of a and b
  int64_t d_stride;
  int64_t tile;                       // events, a multiple of CODE_LANES
  int64_t a_stride, b_stride;         // numbers from one row of A (B) to the next, normally CODE_LANES
  int64_t a_rows, b_rows;             // of the arrays: from one panel to the next
  LLVMValueRef d, a, b;               // pointers
  LLVMValueRef valid;                 // i64: events that count, 1..tile (what lies behind them may be anything, NaN too)
  LLVMValueRef scratch;               // gemm_gradient_scratch bytes, 64-byte aligned
  LLVMValueRef add;                   // i1: add to D, or store over it; NULL: add
  unsigned block_vectors, block_rows; // as above, vectors along the columns; 0: chosen
  // Of the rows only some: asks gemm_gradient_clips. add_unit: `add` of the rows of a unit; NULL: the same for all.
  EmitRange only;
  EmitShare share; // of the rows; of columns where rows are few
  LLVMValueRef (*add_unit)(void *data, CodeModule *m, LLVMValueRef unit);
  void *data;
} GemmGradient;
void gemm_gradient_emit(CodeModule *m, const GemmGradient *g);
int64_t gemm_gradient_scratch(const GemmGradient *g);                 // bytes; from the numbers alone, 0 where none is needed
bool gemm_gradient_clips(const CodeModule *m, const GemmGradient *g); // may rows be left out?

#endif
