// The live arrays of a run by name: weights, fitted statistics, optimizer memory, counters, results of a step.
//
// A slot has two buffers: a step writes new values into `next` while it reads `data`, and store_commit exchanges them.
// A step that goes wrong is simply not committed: the last good values stay.
#ifndef HGM_DRIVER_STORE_H
#define HGM_DRIVER_STORE_H

#include "compiler/ir/ir.h"
#include "lang/base/map.h"
#include "runtime/program.h"

typedef struct Slot {
  const char *name;
  HgmDtype dtype;
  int64_t n;
  void *data, *next;    // (n); next may be NULL: never written by a step
  bool saved;           // a weight or state: belongs into checkpoints
  bool packed;          // a program of the bundle that is being made reads it (pack.h)
  struct Slot *half_of; // kept in bf16: whose numbers it has, rounded
  int rank;             // of a weight: its shape, for those who open a checkpoint; 0: just n numbers
  int64_t shape[IR_MAX_RANK];
} Slot;

typedef struct Store {
  Arena *arena;
  Map by_name;
  VEC(Slot *) slots;
} Store;

Store *store_new(Arena *arena);
Slot *store_add(Store *store, const char *name, HgmDtype dtype, int64_t n); // the slot itself when there already; zeros
Slot *store_add_leaf(Store *store, const HgmPort *port);                    // of a program, no per-event one; of bf16 the weight itself too
Slot *store_find(const Store *store, const char *name);                     // NULL: no such slot
void *slot_next(Store *store, Slot *slot);                                  // its second buffer, made when first wanted
void slot_commit(Slot *slot);                                               // next becomes data
void slot_set_all(Slot *slot, const double *values);                        // n of them
void slot_fill(Slot *slot, double value);
void slot_round(Slot *slot); // of bf16: from the weight as it is now
double slot_number(const Slot *slot, int64_t i);
bool slot_is_finite(const Slot *slot); // all its numbers
void slot_set(Slot *slot, int64_t i, double value);

// Per-event arrays by name: (rows, elements) row-major.
typedef struct Table {
  const char *name;
  HgmFileType type; // of its numbers
  int64_t elements; // of a row
  const void *data;
} Table;
typedef struct Tables {
  VEC(Table) list;
} Tables;
const Table *tables_find(const Tables *tables, const char *name); // NULL: none
size_t table_row_bytes(const Table *table);
bool table_fits(const Table *table, const HgmPort *port);          // a program's leaf can be read from it
double table_number(const Table *table, int64_t i);                // of all rows, one behind the other
void table_row(const Table *table, int64_t row, double *elements); // its numbers

#endif
