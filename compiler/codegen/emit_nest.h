// Emission of one nest, shared by the kinds of kernels that contain one. Private to emit_*.c.
#ifndef HGM_CODEGEN_EMIT_NEST_H
#define HGM_CODEGEN_EMIT_NEST_H

#include "compiler/codegen/emit.h"
#include "compiler/codegen/nest.h"

// In a product: the vector at hand is row r, further by `lanes` events, of the block of rows and events that begins here.
typedef struct NestBlock {
  int loop;                // over rows
  LLVMValueRef row, event; // NULL: no product
  int64_t r, lanes;
} NestBlock;

// Where the block begins in an array, for all vectors of the block in one basic block: what is added for each is a constant.
typedef struct NestAnchor {
  LLVMBasicBlockRef at;
  LLVMValueRef row, event, pointer;
  int slot;
  int64_t stride[NEST_LOOPS];
} NestAnchor;

enum { NEST_ANCHORS = 16 };

typedef struct Emit {
  CodeModule *m;
  const Nest *nest;
  LLVMValueRef tile; // the HgmTile
  LLVMValueRef *pointers, *locals;
  LLVMValueRef index[NEST_LOOPS]; // of the loops, outer then inner
  LLVMValueRef event;             // EVENTS: first event of the lanes; FLAT: first element
  LLVMValueRef panel;             // EVENTS: first event of their panel
  bool by_panels;                 // EVENTS: the loop over panels is around the outer loops, not in them
  LLVMValueRef other, other_tile; // PAIRS: the other event in its tile; bytes from the first tile to that one
  LLVMValueRef live;              // lanes that count: EVENTS below valid, FLAT below last
  unsigned valid;                 // LANES: the first lanes, which count
  LLVMValueRef *values, *second;  // by step: its register, or what it accumulates; second: argmax's index
  LLVMValueRef *drawn, turn;      // by step: its draws of DRAWS_TOGETHER turns of the last outer loop, NULL: drawn one by one; which turn it is
  LLVMValueRef *chains[2];        // of a product of bf16: that which the next term is added to, and the other of its block
  LLVMValueRef *space;            // of all these arrays
  EmitShare share;                // of the loops that are to come
  NestBlock block;
  NestAnchor anchors[NEST_ANCHORS]; // the latest ones
  unsigned n_anchors;
} Emit;

Emit nest_begin(CodeModule *m, const char *name, const Nest *nest, unsigned more_slots); // the function, pointers loaded
void nest_end(Emit *e);
EmitRange nest_share(Emit *e, int64_t turns);               // of the first loop, those of this call
EmitShare nest_shared(Emit *e, int64_t parts);              // of so many parts, what this call has to do
bool nest_divides(const Nest *nest);                        // do turns of its loops store different numbers?
unsigned nest_lanes(const CodeModule *m, const Nest *nest); // of its vectors

// ---- where numbers lie (emit_access.c)
LLVMValueRef nest_field(Emit *e, size_t offset, LLVMTypeRef type); // of the HgmTile
LLVMValueRef nest_begins(Emit *e, const NestStep *t);              // i1: is what was in its partial sum of no account?
LLVMValueRef nest_events(Emit *e);                                 // EVENTS: end of the last lanes with an event that counts
// base + sum of index stride over loops from `first` on, in numbers; times scale
LLVMValueRef nest_offset(Emit *e, int64_t base, const int64_t *stride, int first, int64_t scale);
LLVMValueRef nest_event_at(Emit *e, int64_t rows);              // EVENTS: in the first row of an array of so many
int64_t nest_lane_stride(const Emit *e, const int64_t *stride); // LANES: how far neighbours in the lanes lie apart
LLVMValueRef nest_other_row(Emit *e, const NestRead *r);        // the other event's number
// EVENTS: of this row and these events, in an array of so many rows
LLVMValueRef nest_vector_at(Emit *e, IrDtype dtype, int slot, int64_t rows, int64_t base, const int64_t *stride);
void nest_go_to(Emit *e, LLVMValueRef event);            // EVENTS: these lanes
LLVMValueRef nest_local_row(Emit *e, const NestStep *t); // of the step's local array
// ---- reading and writing (emit_access.c)
LLVMValueRef nest_read(Emit *e, const NestStep *t, const NestRead *r);
LLVMValueRef nest_gather(Emit *e, IrDtype dtype, LLVMValueRef base, LLVMValueRef offsets);
void nest_store(Emit *e, const NestStep *t, LLVMValueRef x);                           // of a finished value
void nest_store_partial(Emit *e, const NestStep *t, LLVMValueRef x, LLVMValueRef row); // lanes to one number, added to the partial sum
// ---- registers (emit_access.c)
LLVMTypeRef nest_vector(Emit *e, IrDtype dtype); // as it lies in memory
LLVMValueRef nest_to_register(Emit *e, IrDtype dtype, LLVMValueRef x);
LLVMValueRef nest_constant(Emit *e, IrDtype dtype, double x);
LLVMValueRef nest_combine(Emit *e, IrDtype dtype, bool max, LLVMValueRef a, LLVMValueRef b); // a + b, or the larger; vectors or scalars
LLVMValueRef nest_identity(Emit *e, const NestStep *t);                                      // what a sum begins with

// ---- steps (emit_step.c); values[i] holds what step i accumulates
bool nest_accumulates(const NestStep *t);
void nest_step(Emit *e, int step);

// ---- draws (emit_draw.c)
enum { DRAWS_TOGETHER = 4 };
bool draws_together(const Nest *n, const NestStep *t); // are the step's draws of that many turns of the last outer loop those of whole blocks?
void draws_of_turns(Emit *e);                          // of all these steps, from the turn at hand on
LLVMValueRef draws_element(Emit *e, const NestStep *t);

// ---- clips of step 0 (emit_clips.c). which: loop[which] of a clip is the one in question; other: the unit at hand of its partner
const Clip *nest_clip(const Emit *e, int loop, int *which); // the one of a loop inside of its partner, or NULL
EmitRange nest_range(Emit *e, int loop);                    // by that clip
LLVMValueRef clip_from(CodeModule *m, const Clip *c, int which, LLVMValueRef other);
void clip_zeros(CodeModule *m, LLVMTypeRef element, LLVMValueRef at, int64_t n); // n numbers
LLVMValueRef nest_clipped_sum(Emit *e, const NestStep *t, LLVMValueRef x);       // of a product with clips: never -0

// ---- kernels around a product (emit_product.c)
typedef void NestBody(Emit *e, void *data);
// for all loops in [from, to) but those in skip (bit mask): body, or `outside` in kept turns that clips leave out (NULL: nothing). Extents by loop.
void nest_around(Emit *e, int from, int to, uint32_t skip, const int64_t *extent, NestBody *body, NestBody *outside, void *data);
// Where an operand begins: strides of the loops in skip, which the product walks itself, left out.
LLVMValueRef nest_start(Emit *e, const NestRead *r, uint32_t skip, int64_t scale);
void nest_follow(Emit *e, LLVMValueRef value); // step 0 is the product, of this value; then the other steps

// ---- lanes along an axis of the value (emit_lanes.c); stride: of that axis, 0: the same number in all lanes
LLVMValueRef lanes_load(Emit *e, IrDtype dtype, LLVMValueRef at, int64_t stride);
void lanes_store(Emit *e, IrDtype dtype, LLVMValueRef x, LLVMValueRef at, int64_t stride);
LLVMValueRef lanes_index(Emit *e, LLVMValueRef first, int64_t stride); // i32 vector: first + lane stride
LLVMValueRef lanes_mask(Emit *e);
// The body for all numbers along an outer loop, in vectors. again: numbers may be computed and stored twice.
void lanes_loop(Emit *e, int loop, bool again, NestBody *body, void *data);

#endif
