// A compiled program: plain data made by compiler/codegen (or read from a file), executed by runtime/exec.c.
// The runtime knows nothing of LLVM and nothing of the language; this file is all that both sides share.
//
// Execution. A program is a list of phases in order. A ONCE phase works on weights: its commands run one after the other. The
// CONSTANT ones among them come first and depend on parameters and states alone: they are run again only when those change.
// An EVENTS phase runs over tiles of `tile` events: each tile goes through all commands of the phase before the next
// starts. Two tiles are as equal as their panels allow; of more all but the last are full. A per-event value is panels one behind the
// other, [panel][row][event], of `panel` events each; weights are row-major.
// Sums over events: the tiles are dealt to `partials` contiguous ranges by index (never by thread); within a range tiles
// run in order and add to that range's buffer; a ONCE command behind the phase adds the buffers in order.
//
// Where few tiles leave threads idle (`shared`), tiles may run one after the other instead, and threads share each of their commands: every number is
// computed by one of them, as by one thread alone. TILE is then one array for all, and a thread's own scratch is OWN.
//
// A command calls one kernel of the image with pointers. Kernels that differ only in pointers are one kernel.
// Kernels have no external symbols; what they need of the runtime they are handed.
#ifndef HGM_PROGRAM_H
#define HGM_PROGRAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "runtime/error.h"
#include "runtime/numbers.h"
#include "runtime/pool.h"
#include "runtime/ranks.h"

typedef enum { HGM_F32, HGM_F64, HGM_I32, HGM_BOOL, HGM_BF16 } HgmDtype; // as IrDtype; bool is stored as i32 0 / 1 in arrays, bf16 as in bf16.h
static inline size_t hgm_dtype_bytes(HgmDtype dtype) { return dtype == HGM_F64 ? 8 : dtype == HGM_BF16 ? 2 : 4; } // of a number in an array
HgmFileType hgm_dtype_type(HgmDtype dtype);                                                                       // of the numbers of such an array

enum { HGM_SHARES = 720720 }; // divisible by all numbers of threads up to 16

// What every kernel gets besides its pointers.
typedef struct HgmTile {
  int64_t valid;            // events of this tile, 1..tile (ONCE: 1)
  const uint32_t *event_lo; // (tile) identities of the events, for draws
  const uint32_t *event_hi; // (tile)
  const uint64_t *keys;     // by draw site of the program: philox_key(seed, site)
  uint32_t pass;
  uint32_t fresh;      // EVENTS: 1 in the first tile of a range: sums over events are stored, later added to
  int64_t first, last; // ONCE commands that are split over threads: this call's range of elements; EVENTS: its shares, of HGM_SHARES
  int64_t partials;    // ONCE: ranges that the phase before had, their sums lie partial_bytes apart
  int64_t partial_bytes;
  int64_t events;                // of the batch
  int64_t batch_bytes;           // what lies between the BATCH values of a tile and the next
  int64_t last_tile, last_begin; // index of the last tile, and its first event
} HgmTile;

typedef void HgmKernel(const HgmTile *tile, void *const *pointers);

typedef enum {
  HGM_SPACE_TILE,     // scratch of this thread: offset
  HGM_SPACE_ONCE,     // scratch of the program: offset
  HGM_SPACE_BATCH,    // per-event values that cross phases: offset + tile index * batch_bytes_per_tile
  HGM_SPACE_PARTIAL,  // partial sums: offset + partial index * program.partial_bytes
  HGM_SPACE_LEAF,     // the caller's array of leaf `index`: + offset
  HGM_SPACE_OUTPUT,   // the caller's array of output `index` (values without events): + offset
  HGM_SPACE_DATA,     // constants of the program: offset
  HGM_SPACE_CONSTANT, // what CONSTANT phases leave for later ones: offset
  HGM_SPACE_ALL,      // as BATCH, of tile 0: for kernels that read all events
  HGM_SPACE_OWN,      // scratch of this thread where threads share a tile: offset
} HgmSpace;

typedef struct HgmPointer {
  uint8_t space;
  uint32_t index;
  uint64_t offset; // bytes
} HgmPointer;

typedef struct HgmCommand {
  uint32_t kernel, first_pointer, n_pointers;
  uint64_t split; // ONCE: elements or shares of a loop, which may be divided among threads (at multiples of 16); 0: run whole
} HgmCommand;

typedef struct HgmPhase {
  bool events, constant;
  bool commits; // stores over leaves: run only if HgmCall.proceed agrees
  uint32_t first_command, n_commands;
} HgmPhase;

// A leaf or output of the program. Per-event leaves are read by rows: element r of event k is base[rows[k] * stride + r].
typedef struct HgmPort {
  const char *name;
  HgmDtype dtype;
  bool per_event;
  int64_t elements;           // of one event, or of the whole array
  uint64_t offset;            // per event: where its array, a row an element, lies in the TILE space (or BATCH)
  uint8_t kind;               // leaves: 0 input, 1 param, 2 state, 3 counter
  uint8_t space;              // per event outputs: HGM_SPACE_TILE or HGM_SPACE_BATCH
  uint32_t phase, last_phase; // per event: loaded before each of these phases / stored after `phase`
  uint32_t in_place;          // outputs: leaf + 1 over whose array it is stored; its own array is not looked at
} HgmPort;

typedef struct HgmProgram {
  const char *name;
  uint32_t tile; // events of a tile, a multiple of 16
  uint32_t n_kernels;
  HgmKernel **kernels;
  uint32_t n_phases;
  const HgmPhase *phases;
  uint32_t n_commands;
  const HgmCommand *commands;
  uint32_t n_pointers;
  const HgmPointer *pointers;
  uint32_t n_leaves;
  const HgmPort *leaves;
  uint32_t n_outputs;
  const HgmPort *outputs;
  uint32_t n_sites;
  const char *const *sites;
  const void *data;
  uint64_t data_bytes;
  uint64_t tile_bytes, own_bytes, once_bytes, constant_bytes, batch_bytes_per_tile, partial_bytes;
  uint32_t max_partials; // for a batch of n tiles: min(max_partials, n) ranges
  uint32_t panel;        // events of a panel of a per-event array; divides tile
  bool shared;           // each command of a tile can be done by all threads, in shares
} HgmProgram;

// What a call works on. Arrays have the dtype of their port (bool as i32). Output arrays must not overlap leaf arrays, but for those
// that are stored in place.
typedef struct HgmCall {
  const void *const *leaves; // by leaf: array (counters, params, states), or the table's base (per event)
  const int64_t *strides;    // by leaf, per event: numbers from one row to the next
  const HgmFileType *types;  // by leaf, per event: of the table's numbers, any type where the port's is f64, else the port's; NULL: the ports'
  void *const *outputs;      // by output: array; per event: (events, elements) row-major, dtype of the port; NULL: not wanted
  int64_t events;
  const int64_t *rows;      // (events) which row of the tables each event is; NULL: 0, 1, ...
  const int64_t *event_ids; // (events) identities for draws; NULL: first_event + k
  int64_t first_event;
  uint64_t seed;
  uint32_t pass;
  HgmRanks *ranks; // NULL: alone; else each rank runs its ranges of tiles, and no per-event output can be wanted
  // Asked before leaves are stored over, when all outputs are there but those named `set:…`. NULL: yes. No ends the run.
  bool (*proceed)(void *context);
  void *context;
  bool prepared; // parameters and states are those of the last call with this work space: CONSTANT phases are left out
} HgmCall;

// Memory for the large arrays of several programs that run in turn, never at once (the updates of a game): as much as the largest needs.
typedef struct HgmRoom {
  void *memory;
  uint64_t bytes;
} HgmRoom;
uint64_t hgm_room_bytes(const HgmProgram *program, int threads, int64_t max_events);
// Zeroed by the threads of the pool: the first touch of memory takes long.
bool hgm_room_open(HgmRoom *room, HgmPool *pool, uint64_t bytes, HgmError *error);
void hgm_room_close(HgmRoom *room); // after the works in it are destroyed

typedef struct HgmWork HgmWork; // scratch memory, made once for a program and the largest batch
// room: of hgm_room_bytes at least, or NULL: memory of its own.
HgmWork *hgm_work_create(const HgmProgram *program, int threads, int64_t max_events, const HgmRoom *room, HgmError *error);
// Goes on with a program that differs in the code of its kernels alone, between two calls. False: it differs in more.
bool hgm_work_change(HgmWork *work, const HgmProgram *program);
void hgm_work_destroy(HgmWork *work);
size_t hgm_work_bytes(const HgmWork *work);

// The same for one thread in memory of the caller's, of hgm_work_place_bytes, which need not be cleared; nothing is to be freed.
// constant: (program.constant_bytes), what the CONSTANT phases left in it is shared by all calls that say `prepared`.
uint64_t hgm_work_place_bytes(const HgmProgram *program, int64_t max_events);
HgmWork *hgm_work_place(const HgmProgram *program, int64_t max_events, void *constant, void *memory);

// Runs the program. Same bits for any number of threads. False only when the call does not fit the program.
bool hgm_execute(const HgmProgram *program, HgmWork *work, HgmPool *pool, const HgmCall *call, HgmError *error);
int hgm_port_find(const HgmPort *ports, uint32_t n, const char *name); // index or -1

#endif
