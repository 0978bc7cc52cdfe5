// The schedule of a function: what is computed by which kernel, in which order, in which memory.
//
//   remat.c     values of earlier phases that are computed again instead of kept
//   views.c     where the elements of each value lie (views cost nothing), and the class it is computed in
//   folds.c     what folds add up, and where
//   clips.c     turns of loops that pads make unnecessary
//   steps.c     one step (or a few) for each value that needs code: loops, strides of operands, where it is stored
//   partials.c  sums over events that are added up share one partial sum
//   fuse.c      steps -> groups: what one kernel computes
//   pairs.c     what is computed for pairs of events: in the kernels of its sums, kept nowhere
//   recompute.c cheap values once more where they are read, instead of kept
//   memory.c    buffers and their places
//   in_place.c  which of them lie over others
//
// Classes. A value of parameters and states alone is CONSTANT: class 0. Any other without the event axis is computed ONCE, one
// with it for every EVENT. A sum over events ends a phase: class = 2 level + (events ? 1 : 0); level 1 and one more for each
// sum over events before. Classes run in ascending order. A pair of events needs what it reads of all events complete: pairs
// are one level behind their per-event operands.
//
// Places. A place is an array, row-major over its axes other than the event axis ("rows"); a value is a view of one:
// element (i0, i1, ...) is row base + i0 stride[0] + i1 stride[1] + ... of its place. The stride of an event axis is 0:
// events of a view are always the events of its place; which is which, `event` says.
//
// Event variables of a step: 0 is the event of the lane, 1 the other one of a pair, over which its kernel loops.
#ifndef HGM_CODEGEN_SCHEDULE_H
#define HGM_CODEGEN_SCHEDULE_H

#include "compiler/codegen/codegen.h"

enum { NEST_LOOPS = 12, NEST_OPERANDS = 3, STEP_CLIPS = 4 };

// Bounds of what one kernel holds: instructions in about, turns of inner loops together, instructions that follow on a
// finished vector of a matrix product (they are repeated for each register of its block).
enum { GROUP_COST_LIMIT = 900, GROUP_INNER_LIMIT = 256, GROUP_FOLLOW_LIMIT = 40 };

typedef enum { PLACE_DEAD, PLACE_NUMBER, PLACE_IOTA, PLACE_DATA, PLACE_LEAF, PLACE_COMPUTED, PLACE_OUTPUT } PlaceKind;

typedef struct Place {
  PlaceKind kind;
  IrDtype dtype;
  bool events;                                   // has the event axis
  bool pairs;                                    // has both event axes
  bool regular;                                  // computed by steps whose loops are its axes: may be read inside its own kernel
  bool partial;                                  // a sum over events: collected in PARTIAL by an EVENTS step, added up by a ONCE step
  int rank;                                      // axes other than events
  int64_t axes[NEST_LOOPS], stride[NEST_LOOPS];  // canonical strides
  int64_t rows;                                  // product of axes
  int64_t before[NEST_LOOPS], after[NEST_LOOPS]; // by axis: so many at either end are zeros, or sums that nobody reads
  int class;                                     // where it is computed (of a leaf: 0)
  double number;                                 // NUMBER
  int64_t divide, modulo;                        // IOTA: (row / divide) % modulo
  uint32_t port;                                 // LEAF, OUTPUT: index of the port
  uint32_t first_group, last_group;              // groups with its steps, UINT32_MAX: none yet
  bool memory;                                   // needs an array that outlives a kernel
  bool crosses;                                  // read in a later EVENTS class (CONSTANT: in any other): kept for it
  uint32_t buffer;                               // buffer + 1
  uint32_t partial_buffer;                       // buffer + 1
  uint32_t batch_copy;                           // LEAF: place + 1 of a copy for the whole batch
} Place;

typedef struct View {
  uint32_t place;
  int64_t base, stride[IR_MAX_RANK]; // by axis of the value, the event axis included
  uint8_t event[2];                  // by event axis of the place: the axis of the value
} View;

// folds.c: what becomes of a value that a fold adds up.
typedef struct Fold {
  View to;      // rows of the fold's result by the axes of this value, to.place UINT32_MAX: not added up by a fold
  IrRef source; // of a fold: the value that is added up to it
  bool inside;  // no steps of its own: all is done where `source` is computed
} Fold;

// How a step reads: row base + sum of index[loop] stride[loop] of a place.
typedef struct Access {
  uint32_t place;
  uint8_t event[2]; // by event axis of the place: the event variable
  int64_t base, stride[NEST_LOOPS];
} Access;

typedef enum {
  STEP_POINT, // op of the operands
  STEP_COPY,  // operand 0
  STEP_ZERO,  // zeros
  STEP_SUM,
  STEP_MAX,
  STEP_RANK,    // how many of operand 1 stand before operand 0; operand 2: of equals, does it?
  STEP_ARGMAX,  // over the loops behind `kept`
  STEP_SCAN,    // running sum over the last loop
  STEP_DOT,     // sum of operand 0 times operand 1
  STEP_GATHER,  // operand 0 with operand 1 (clamped) times dynamic_stride added to the row
  STEP_SCATTER, // sum of (operand 1 == index of loop dynamic_loop ? operand 0 : 0)
  STEP_DRAW,
  STEP_PARTIAL, // adds up partial sums of the place itself
  STEP_INVERSE, // triangular
  STEP_NONE,    // left out
} StepKind;

// Of two loops only those pairs of turns count for which low <= i step[0] + j step[1] < high, i and j being the index of a loop over its unit.
typedef struct Clip {
  int32_t loop[2], unit[2], turns[2], step[2], low, high; // turns: units in all
} Clip;

typedef struct Step {
  StepKind kind;
  IrRef value;    // its op and attributes; IR_NONE: none
  uint32_t place; // what it stores to
  int class;
  IrDtype dtype;       // of the result
  bool over_events;    // reduces over events too: variable 0
  bool over_pairs;     // reduces over the other event of a pair: variable 1
  bool zeros;          // DOT of one event: its numbers come out of a ReLU
  bool halves;         // DOT: of numbers of bf16, added up in blocks (gemm.h)
  bool adds;           // adds to what is stored: its loops come to some rows again
  bool continues;      // a sum over events: another step begins the partial sum of each range
  uint8_t loops, kept; // loops[0..kept): of the result; the rest: reduced
  int64_t extent[NEST_LOOPS];
  uint8_t n_operands;
  Access operand[NEST_OPERANDS];
  int64_t store_base, store_stride[NEST_LOOPS];
  int64_t dynamic_stride, dynamic_extent;
  int dynamic_loop;
  uint32_t group;
  uint8_t n_clips; // other turns need not be done (DOT)
  Clip clips[STEP_CLIPS];
  uint8_t again; // of a step that is done again: how many such steps lie between it and one that is not, and 1
} Step;

typedef enum { GROUP_DEAD, GROUP_NEST, GROUP_PAIRS, GROUP_PRODUCT, GROUP_GRADIENT, GROUP_INVERSE } GroupKind;

// Steps that one kernel computes: for (outer loops) for (events) { its steps, with inner loops where they have more }.
// PAIRS: for (outer loops) for (events) for (all events of the batch, ascending) { ... }, the last step being the sum.
typedef struct Group {
  GroupKind kind;
  int class;
  uint8_t outer, least; // outer loops now; at least as many have to stay
  int64_t extent[NEST_LOOPS];
  bool inner;       // a step has inner loops: outer is fixed
  int cost;         // about how many instructions
  uint32_t scratch; // GRADIENT: buffer + 1
  VEC(uint32_t) steps;
} Group;

typedef struct Buffer {
  HgmSpace space;
  uint32_t index; // LEAF, OUTPUT: port
  uint64_t offset, bytes;
  int64_t row_bytes; // from one row to the next: of the events of a panel, or of one number
  int first, last;   // in use from the first to the last of these groups (position in the order of all)
  uint32_t alias;    // buffer + 1 of PARTIAL whose first range it lies in
} Buffer;

typedef struct WeightCopy { // weights.c: weights that a product reads in an order of its own
  Access from, all;
  int64_t extent[NEST_LOOPS];
} WeightCopy;

typedef struct Schedule {
  Arena *arena, *step_room, *place_room; // room: of the two longest lists, which leave no copies behind when they grow
  const IrFn *fn;
  CodegenOptions options;
  const int *least; // by value: of a level at least so high (remat.c); NULL: no value
  View *views;      // by value; views[].place UINT32_MAX: dead
  Fold *folds;      // by value
  VEC(Place) places;
  VEC(Step) steps;
  VEC(Group) groups;
  VEC(Buffer) buffers;
  VEC(HgmPort) leaves;
  VEC(HgmPort) outputs;
  VEC(const char *) sites;
  VEC(WeightCopy) copies;
  VEC(uint32_t) order;   // groups in the order they run
  uint32_t first_commit; // position of the first that may store over what was read before; order.len: none does
  int classes;           // number of classes
  uint32_t *phase_of_class;
  int last_class; // of the commands so far
  uint64_t data_bytes, tile_bytes, own_bytes, once_bytes, constant_bytes, batch_bytes, partial_bytes;
  struct {
    size_t len, cap;
    uint8_t *at;
  } constants;
} Schedule;

void schedule_remat(Schedule *s);               // remat.c: s->fn with values that are computed again
void schedule_views(Schedule *s);               // views.c: places and views of all values that are needed
void schedule_folds(Schedule *s);               // folds.c
void schedule_parts(Schedule *s);               // steps_move.c: what is put together inside of what it is a part of
void schedule_steps(Schedule *s);               // steps.c
void schedule_partials(Schedule *s);            // partials.c: sums of sums over events
void schedule_first_partials(Schedule *s);      // of the steps that add to one partial sum, which is the first
void product_weights(Schedule *s, Step *t);     // weights.c: their order in memory, of a step before it is scheduled
void schedule_groups(Schedule *s);              // fuse.c
void schedule_pairs(Schedule *s, uint32_t sum); // pairs.c: the group of one sum over pairs, with all that it needs
void schedule_recompute(Schedule *s);           // recompute.c
void schedule_commits_last(Schedule *s);        // in_place.c: new weights behind all else
void schedule_buffers(Schedule *s);             // memory.c: what arrays there are
void schedule_memory(Schedule *s);              // memory.c: where they lie
void schedule_print(const Schedule *s, FILE *out);
const char *schedule_kind(GroupKind kind);

bool schedule_cast_is_view(const IrFn *fn, const IrValue *v);       // views.c: a cast that needs no code
uint32_t *schedule_readers(const Schedule *s);                      // folds.c: by value, how many values and outputs read it
int schedule_class(const Schedule *s, IrRef r, const int *levels);  // from the levels of the values before it
uint32_t schedule_open(Schedule *s, uint32_t step, GroupKind kind); // a new group with this step
void schedule_put(Schedule *s, uint32_t step, uint32_t group);      // at the end of the group
bool step_reduces(const Step *t);                                   // to a value without some of its loops or events
double step_left_out(const Step *t);                                // clips.c: terms of an event that are not computed
int step_least_outer(const Step *t);                                // loops around the register with its running sum
// Strides of the same elements under other axes, or false where the elements do not lie evenly enough.
bool reshape_view(const IrType *from, const View *old, const IrType *to, View *result);
uint32_t place_new(Schedule *s, PlaceKind kind, const IrType *type, int class);
uint64_t schedule_constant(Schedule *s, const void *bytes, size_t n, size_t align);      // offset in the data
uint64_t schedule_numbers(Schedule *s, IrDtype dtype, const double *numbers, int64_t n); // the same as numbers of a type
uint32_t schedule_data(Schedule *s, uint64_t offset, int64_t row_bytes);                 // a buffer there: buffer + 1
uint32_t schedule_site(Schedule *s, const char *site);
// Events of a panel. A per-event array is panels one behind the other, [panel][row][event]: what a product or a formula reads and
// stores for a few events is one stretch of memory.
static inline int64_t schedule_panel(const Schedule *s) { return s->options.tile == 1 ? 1 : CODE_LANES; }
static inline size_t dtype_bytes(IrDtype dtype) { return dtype == IR_F64 ? 8 : dtype == IR_BF16 ? 2 : 4; }
enum { CLASS_CONSTANT = 0, CLASS_ONCE = 2, CLASS_EVENTS = 3 }; // the first of each kind
static inline bool class_has_events(int class) { return (class & 1) != 0; }
// How many leading loops of the step agree with the axes of the place it reads, such that the rest stays inside one
// row block: the largest number of outer loops with which both can be in one kernel.
int access_prefix(const Schedule *s, const Step *step, const Access *access);
bool access_identical(const Schedule *s, const Step *step, const Access *access); // same row for the same loops

#endif
