// A compiled program whose leaves and outputs are bound by name: inputs to tables of events, all else to slots of the store.
//
//   Bound b;  bound_create(&b, session, fn, 128, 2048, store, &tables, &error);
//   bound_output(&b, "out:pt", buffer);  bound_run(&b, &(BoundCall){.events = n, .rows = rows}, &error);  bound_destroy(&b);
#ifndef HGM_DRIVER_BOUND_H
#define HGM_DRIVER_BOUND_H

#include "compiler/driver/compiling.h"
#include "compiler/driver/store.h"
#include "runtime/one.h"

typedef struct Bound {
  const char *name;
  HgmProgram *program;
  HgmWork *work;
  HgmPool *pool;
  Store *store;
  Slot **leaf_slots;   // by leaf; NULL: a per-event input
  Slot **output_slots; // by output; NULL: per event
  const void **leaves;
  int64_t *strides;
  HgmFileType *types;
  void **outputs;
  bool *commits; // by output: `set:` of a slot
  void *redraw;  // of a generator with `where`: memory of hgm_redraw
  uint64_t seed;
  bool rounded; // weights kept in bf16 were made in the first call: those that they come from must stay as they are
} Bound;

typedef struct BoundCall {
  int64_t events;
  const int64_t *rows;      // (events) rows of the tables, or NULL: 0, 1, …
  const int64_t *event_ids; // (events), or NULL: first_event + k
  int64_t first_event;
  uint32_t pass;
  HgmRanks *ranks;                // that share the events; NULL: alone
  bool (*proceed)(void *context); // HgmCall.proceed: whether new weights may be stored over the old
  void *context;
} BoundCall;

bool bound_create(Bound *bound, Session *session, const IrFn *fn, uint32_t tile, int64_t max_events, Store *store, const Tables *tables, HgmError *error);
// Of a generator or a score: in the session's precision.
bool bound_create_drawing(Bound *bound, Session *session, const IrFn *fn, uint32_t tile, int64_t max_events, Store *store, const Tables *tables,
                          HgmError *error);
// The same in a room that it shares with others, where it fits into it.
bool bound_create_in(Bound *bound, Session *session, const IrFn *fn, uint32_t tile, int64_t max_events, const HgmRoom *room, Store *store, const Tables *tables,
                     HgmError *error);
// A program that goes once over so many rows: for few, code that is made fast is worth more than fast code.
bool bound_create_over(Bound *bound, Session *session, const IrFn *fn, int64_t rows, Store *store, const Tables *tables, HgmError *error);
// The two halves of it for a step of training, which stores in place: the program and what it is bound to; the memory it works in, which
// may be a room that several share.
bool bound_bind(Bound *bound, Session *session, const IrFn *fn, CodeShape shape, Store *store, const Tables *tables, HgmError *error);
bool bound_work(Bound *bound, const Session *session, int64_t max_events, const HgmRoom *room, HgmError *error);
// Goes on with the same program of faster code, which is the bound's now (session_improved).
void bound_change(Bound *bound, HgmProgram *program);
void bound_destroy(Bound *bound);
// Where a per-event output goes: (events, elements) of the output's dtype. False: the program has no such output.
bool bound_output(Bound *bound, const char *name, void *data);
Slot *bound_result(const Bound *bound, const char *name); // the slot of an output without events, or NULL
bool bound_run(Bound *bound, const BoundCall *call, HgmError *error);
// A handle for single events of a program compiled with EVENT_TILE, on the weights of now. NULL: the error says why.
HgmOne *bound_one(Bound *bound, HgmError *error);
void bound_commit(Bound *bound); // new weights and states that are not stored in place take the place of the old

#endif
