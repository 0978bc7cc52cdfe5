// The tensor IR: a closed set of ops over typed arrays, in which every program of a model is written.
//
// A function is one array of immutable values. An operand is the index of an earlier value, so array order is
// topological order. A pass reads one function and builds another through the same builder (ir_*), which infers and
// checks types and folds nothing: passes do that. Values live in the function's arena.
//
// Axes. The event axis is an ordinary axis with the extent IR_EVENTS; it is always axis 0 of a value that has it. A
// second event axis (pairs of events) has the extent IR_PAIRS and stands right behind it: f32[e,p,3]. Extents are
// otherwise known numbers >= 0. Elementwise ops want operands of one shape: stretching is the op `broadcast`, written out.
// Which of the two an axis is follows from where it stands: broadcast may take the events of a [e,3] to the pairs of
// [e,p,3] (order -1 0 1), sum over axis 0 of [e,p,3] gives [e,3], and in an einsum e and p fit each other's letters.
//
// gather(x, index), attributes batch b and axis a >= b: x is B M [n] R, index B S, the result B M S R with
//   y[B, M, S, R] = x[B, M, index[B, S], R],  where |B| = b and |B| + |M| = a.
// scatter_add(g, index) is its adjoint: B M S R -> B M [n] R, n = attr.from. Indices are i32 and clamped to 0..n-1.
//
// windows(x, axis a, size k, step s): A n R -> A m k R with m = (n - k) / s + 1, y[A, i, j, R] = x[A, i s + j, R]: a view.
// fold(g, axis a, size n, step s) is its adjoint: A m k R -> A n R, n >= (m - 1) s + k; y[A, p, R] is the sum over i s + j = p
// in ascending order of i. Windows of images are windows along one axis after the other.
//
// sort(x, axis a, size k): i32, along a the indices of the k smallest (backwards: largest) in order, of equals the first one
// first; nan is larger than all. The values come by gather, which has the derivative. The top k are a sort backwards.
//
// einsum: two operands, one letter an axis, no letter twice in one operand; each letter of an operand occurs in the
// other operand or in the result; letters of the result occur in an operand. Letters e and f are not special. Operands
// are of one real dtype. ir_einsum takes more: letters that stand in one operand only are summed first.
//
// Numbers. i32 wraps around; bool is 0 or 1; a cast of reals to i32 truncates, saturates, and takes nan to 0; constants
// are held as the dtype rounds them; max, min and amax of a nan are nan. Ops on i32: neg add sub mul max min abs sign, comparisons, select, cast, stop,
// everything of shape and index, sum, amax, argmax, cumsum. Bool: eq, and, or, not, select, cast, shape and gather.
// bf16 is a way to keep numbers, not to compute: the upper half of a float32, 8 binary digits. Params, states, casts (to it: to nearest, of two
// as near the even one) and views only.
//
// draw: site = name of the place, kind as below. Element j (row-major index over the axes but events) of event k is
//   philox4x32-10(key = philox_key(seed, site), counter = (event lo, event hi, pass, j / n per block)): see
//   runtime/philox.h. `pass` is the counter of that name; without an event axis the event is 0. The kind `number` is no chance:
//   every element is the event's number itself.
#ifndef HGM_IR_H
#define HGM_IR_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "lang/base/arena.h"
#include "lang/base/map.h"
#include "lang/base/vec.h"

enum { IR_EVENTS = -1, IR_PAIRS = -2, IR_MAX_RANK = 8, IR_MAX_OPERANDS = 3 };

typedef enum { IR_F32, IR_F64, IR_I32, IR_BOOL, IR_BF16 } IrDtype;

typedef struct IrType {
  IrDtype dtype;
  uint8_t rank;
  int64_t axes[IR_MAX_RANK];
} IrType;

typedef enum {
#define OP(ENUM, ...) IR_##ENUM,
#include "compiler/ir/ops.def"
#undef OP
  IR_OP_COUNT
} IrOp;

typedef enum { IRC_LEAF, IRC_ELEMENT, IRC_SHAPE, IRC_INDEX, IRC_REDUCE, IRC_CONTRACT, IRC_LINALG } IrClass;
typedef enum { IRL_LEAF, IRL_POINT, IRL_VIEW, IRL_GATHER, IRL_SCATTER, IRL_FOLD, IRL_REDUCE, IRL_SORT, IRL_SCAN, IRL_CONTRACT, IRL_ONCE } IrLowering;
typedef enum { IR_DRAW_BITS, IR_DRAW_UNIFORM, IR_DRAW_NORMAL, IR_DRAW_NUMBER } IrDraw; // bits: i32; uniform in (0, 1); normal; the number of the event: f64

typedef uint32_t IrRef;
#define IR_NONE UINT32_MAX

typedef struct IrAttr {
  const char *name;       // input, param, state, counter: its name; draw: site; einsum: spec
  const double *data;     // const: one number for each element, row-major
  int64_t from, to, step; // slice, pad, scatter_add (from = n), windows (from = k, step), fold (from = n, step), sort (from = k)
  uint32_t axes;          // bit mask of axes: sum, amax
  int8_t order[IR_MAX_RANK];
  int8_t axis, batch;
  uint8_t draw; // IrDraw
  bool backwards, exclusive, upper;
} IrAttr;

typedef struct IrValue {
  IrOp op;
  IrType type;
  uint32_t n_operands;
  const IrRef *operands; // in the function's arena
  IrAttr attr;
  uint32_t span; // where the user wrote it: offset into the session's sources + 1; 0: nowhere
} IrValue;

typedef struct IrOutput {
  const char *name;
  IrRef value;
} IrOutput;

typedef struct IrFn {
  const char *name;
  Arena *arena, *storage; // storage: of values
  VEC(IrValue) values;
  VEC(IrOutput) outputs;
  uint32_t span; // given to values built from now on (set by the elaborator, copied by passes)
  Map leaves;    // the builder's: name of a leaf -> its value + 1
} IrFn;

// What an op is (from ops.def).
typedef struct IrOpInfo {
  const char *name;
  int operands;
  IrClass class;
  IrLowering lowering;
  int flops;
  double low, high;
} IrOpInfo;
extern const IrOpInfo ir_op_info[IR_OP_COUNT];
const char *ir_op_word(IrOp op); // as the language writes it: "*" for mul, "stop_gradient" for stop

// Which fields of IrAttr an op has. ir_build clears the others, so that equal values have equal attributes.
typedef enum {
  IRA_NAME = 1,
  IRA_DATA = 2,
  IRA_AXIS = 4,
  IRA_BATCH = 8,
  IRA_RANGE = 16 /* from, to, step */,
  IRA_SIZE = 32 /* from */,
  IRA_AXES = 64,
  IRA_ORDER = 128,
  IRA_DRAW = 256,
  IRA_SCAN = 512 /* backwards, exclusive */,
  IRA_UPPER = 1024,
  IRA_STEP = 2048,
  IRA_BACKWARDS = 4096
} IrAttrField;
uint32_t ir_op_attributes(IrOp op);
bool ir_op_find(const char *name, IrOp *op); // by its text name
bool ir_is_leaf(IrOp op);                    // input, param, state, counter: found by its name

// ---- types
IrType ir_type(IrDtype dtype, int rank, const int64_t *axes);
IrType ir_scalar(IrDtype dtype);
bool ir_type_equal(const IrType *a, const IrType *b);
bool ir_same_axes(const IrType *a, const IrType *b);
bool ir_has_events(const IrType *t);
bool ir_is_real(const IrType *t);                        // f32 or f64
int ir_event_axes(const IrType *t);                      // 0, 1 (events) or 2 (pairs of events)
int64_t ir_elements(const IrType *t);                    // product of the extents other than event axes
const char *ir_type_text(Arena *arena, const IrType *t); // f32[e,3]

// ---- building
IrFn *ir_fn_new(Arena *arena, const char *name);
// The general constructor: checks and infers; a mistake of the caller is an internal error (ir_fail) that names the op.
IrRef ir_build(IrFn *fn, IrOp op, const IrRef *operands, uint32_t n, const IrAttr *attr, const IrType *declared);
// The same question without building: the type of such a value in *type, or a message that names both sides.
const char *ir_infer(const IrFn *fn, Arena *arena, IrOp op, const IrRef *operands, uint32_t n, const IrAttr *attr, const IrType *declared, IrType *type);
void ir_push(IrFn *fn, const IrValue *v); // as it is, unchecked: for those who move values between functions
void ir_output(IrFn *fn, const char *name, IrRef value);
bool *ir_needed(Arena *arena, const IrFn *fn); // by value: some output needs it
static inline const IrValue *ir_at(const IrFn *fn, IrRef r) { return &fn->values.at[r]; }
static inline const IrType *ir_type_of(const IrFn *fn, IrRef r) { return &fn->values.at[r].type; }

IrRef ir_const(IrFn *fn, IrType type, const double *data);       // data copied
IrRef ir_number(IrFn *fn, IrDtype dtype, double x);              // scalar const
IrRef ir_fill(IrFn *fn, IrType type, double x);                  // scalar const + broadcast
IrRef ir_iota(IrFn *fn, IrType type, int axis);                  // event axes of type are broadcast
IrRef ir_leaf(IrFn *fn, IrOp op, const char *name, IrType type); // input param state counter; same name: same value
IrRef ir_draw(IrFn *fn, IrDraw kind, const char *site, IrType type);
IrRef ir_unary(IrFn *fn, IrOp op, IrRef a);
IrRef ir_binary(IrFn *fn, IrOp op, IrRef a, IrRef b); // equal shapes; a scalar without axes is broadcast
IrRef ir_select(IrFn *fn, IrRef c, IrRef a, IrRef b); // likewise
IrRef ir_fma(IrFn *fn, IrRef a, IrRef b, IrRef c);
IrRef ir_cast(IrFn *fn, IrRef a, IrDtype dtype); // a itself if it has that type
IrRef ir_reshape(IrFn *fn, IrRef a, int rank, const int64_t *axes);
IrRef ir_transpose(IrFn *fn, IrRef a, const int8_t *order);
IrRef ir_broadcast(IrFn *fn, IrRef a, int rank, const int64_t *axes, const int8_t *from); // from[i]: operand axis or -1
IrRef ir_broadcast_like(IrFn *fn, IrRef a, IrRef like);                                   // a's axes are a tail of like's, or a is scalar
IrRef ir_slice(IrFn *fn, IrRef a, int axis, int64_t from, int64_t to, int64_t step);
IrRef ir_windows(IrFn *fn, IrRef a, int axis, int64_t size, int64_t step);
IrRef ir_fold(IrFn *fn, IrRef a, int axis, int64_t n, int64_t step);
IrRef ir_pad(IrFn *fn, IrRef a, int axis, int64_t before, int64_t after, int64_t dilation);
IrRef ir_concat(IrFn *fn, const IrRef *parts, uint32_t n, int axis);
IrRef ir_gather(IrFn *fn, IrRef x, IrRef index, int batch, int axis);
IrRef ir_scatter_add(IrFn *fn, IrRef g, IrRef index, int batch, int axis, int64_t n);
IrRef ir_sum(IrFn *fn, IrRef a, uint32_t axes);
IrRef ir_amax(IrFn *fn, IrRef a, uint32_t axes);
IrRef ir_argmax(IrFn *fn, IrRef a, int axis);
IrRef ir_sort(IrFn *fn, IrRef a, int axis, int64_t k, bool backwards);
IrRef ir_cumsum(IrFn *fn, IrRef a, int axis, bool backwards, bool exclusive);
IrRef ir_einsum(IrFn *fn, const char *spec, IrRef a, IrRef b); // sums letters of one operand alone first
IrRef ir_tri_inverse(IrFn *fn, IrRef a, bool upper);

// A spec taken apart: letters of a, b and the result. False when it is not of the form letters,letters->letters.
typedef struct IrEinsum {
  uint8_t rank[3];
  char letters[3][IR_MAX_RANK + 1];
} IrEinsum;
bool ir_einsum_parse(const char *spec, IrEinsum *parsed);
int ir_einsum_axis(const IrEinsum *parsed, int which, char letter); // its axis in a (0), b (1), the result (2), or -1

// ---- the laws (compiler/ir/verify.c): NULL, or a message naming the value
const char *ir_verify(const IrFn *fn, Arena *arena);
_Noreturn void ir_fail(const char *format, ...) __attribute__((format(printf, 1, 2))); // internal error: exit code 3

// ---- text (print.c, read.c): read(print(fn)) prints to the same bytes
void ir_print(FILE *out, const IrFn *fn);
char *ir_text(Arena *arena, const IrFn *fn);
char *ir_value_text(Arena *arena, const IrFn *fn, IrRef r);        // its line, long constants cut short: for messages
IrFn *ir_read(Arena *arena, const char *text, const char **error); // NULL and a message with the line

// ---- bytes (bytes.c): functions with different texts give the sink different bytes
typedef void IrSink(void *data, const void *bytes, size_t n);
void ir_bytes(const IrFn *fn, IrSink *sink, void *data);
// The function again, without its spans. What ir_bytes did not write may come out as a function that breaks the laws, or NULL.
IrFn *ir_from_bytes(Arena *arena, const void *bytes, size_t n);

// ---- reference evaluator (eval.c): float64 whatever the dtype, plain loops
typedef struct IrArray {
  const char *name;
  int64_t n;    // numbers in data
  double *data; // row-major, the event axis outermost
} IrArray;
typedef struct IrEnv {
  int64_t events;
  uint64_t seed;
  const int64_t *event_ids; // (events); NULL: 0, 1, ...
  uint32_t pass;
  const IrArray *leaves; // inputs, params, states, counters by name
  size_t n_leaves;
  bool round_f32;                                                     // round every f32 value and partial sum to float, as plain float32 code does
  int f64_bits;                                                       // not 0: round every f64 value and partial sum to so many bits: how rounding grows
  void (*watch)(void *data, IrRef value, double *numbers, int64_t n); // sees each value once it is computed, and may change it; may be NULL
  void *watch_data;
} IrEnv;
// Outputs in the order of fn->outputs, allocated in arena; false with a message when a leaf is missing or has the wrong size.
bool ir_eval(const IrFn *fn, const IrEnv *env, Arena *arena, IrArray *outputs, const char **error);

#endif
