// Runs a compiled program: phases in order, tiles of events within a phase, ranges of tiles on the pool's threads.
// Which thread takes which range never shows: a range has sums of its own, added up in order by the program itself.
// While kernels run the floating-point mode is the default one (round to nearest, no flush to zero), then the caller's.
#define _DEFAULT_SOURCE // madvise
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "runtime/cpu.h"
#include "runtime/philox.h"
#include "runtime/program.h"

enum { SPLIT_LEAST = 8192, LARGE_PAGE = 2 << 20, LINE = 64, ASK_MOST = 256 };

typedef struct Lane { // what a thread has of its own
  unsigned char *tile, *own;
  void **pointers;
  uint32_t *event_lo, *event_hi;
  int64_t *rows; // of the leaves, by event of the tile; dead lanes repeat the last event
  int64_t phase; // of this execution whose pointers are in the table; -1: none
} Lane;

struct HgmWork {
  const HgmProgram *program;
  int threads;
  int64_t max_tiles;
  Lane *lanes;
  unsigned char *once, *constant, *batch, *partial;
  bool roomed;    // these and the tiles are of a room, which others use too
  void **discard; // by output: where unwanted ones go
  uint64_t *keys;
  size_t bytes;
  _Atomic int64_t arrived; // at the ends of commands that threads share
  int64_t executions;      // by several threads of a program whose tiles they may share
  double least[2];         // seconds of one, the tiles dealt and shared, of those tried last
};

typedef struct Run { // one execution
  const HgmProgram *program;
  HgmWork *work;
  const HgmCall *call;
  int64_t tiles, partials;
  int64_t step;                        // events of each tile but the last
  int64_t first_partial, last_partial; // of this rank; alone: all
  const HgmPhase *phase;
  uint32_t phase_index, first_pointer, last_pointer;
  bool sums;                 // the phase has sums over events
  int team;                  // threads that share tiles
  const HgmCommand *command; // ONCE, split over threads
  int64_t chunk;
} Run;

HgmFileType hgm_dtype_type(HgmDtype dtype) { return dtype == HGM_F64 ? HGM_FILE_F64 : dtype == HGM_F32 ? HGM_FILE_F32 : HGM_FILE_I32; }

// Not zeroed; large pieces in large pages where the system has them. More than *bytes, which says how many then.
static void *reserve(uint64_t *bytes) {
  uint64_t align = *bytes >= LARGE_PAGE ? LARGE_PAGE : 64;
  *bytes = (*bytes + align) / align * align;
  void *p = aligned_alloc(align, *bytes);
  if (p && align == LARGE_PAGE) madvise(p, *bytes, MADV_HUGEPAGE);
  return p;
}

// Zeroed.
static void *take(HgmWork *work, uint64_t bytes) {
  void *p = reserve(&bytes);
  if (p) memset(p, 0, bytes);
  work->bytes += bytes;
  return p;
}

static bool take_lane(HgmWork *work, Lane *lane) {
  const HgmProgram *p = work->program;
  lane->pointers = take(work, sizeof(void *) * p->n_pointers);
  lane->event_lo = take(work, sizeof(uint32_t) * p->tile);
  lane->event_hi = take(work, sizeof(uint32_t) * p->tile);
  lane->rows = take(work, sizeof(int64_t) * p->tile);
  return lane->pointers && lane->event_lo && lane->event_hi && lane->rows;
}

// The next piece of memory of the caller's; NULL while its size is being counted.
static void *cut(unsigned char *memory, uint64_t *used, uint64_t bytes) {
  void *piece = memory ? memory + *used : NULL;
  *used += (bytes + 63) / 64 * 64;
  return piece;
}

static int64_t tiles_for(const HgmProgram *p, int64_t events) { return (events + p->tile - 1) / p->tile; }

// Two tiles as equal as whole panels allow, so that two threads have about as much to do.
static int64_t step_for(const HgmProgram *p, int64_t events) {
  int64_t panels = (events + p->panel - 1) / p->panel;
  return tiles_for(p, events) == 2 ? panels / 2 * p->panel : p->tile;
}

static uint64_t partials_for(const HgmProgram *p, int64_t tiles) { return tiles < 1 ? 1 : tiles < p->max_partials ? (uint64_t)tiles : p->max_partials; }

// ---- rooms

enum { LARGE_ARRAYS = 4 };

// Sizes of what is large, but for the tiles of the threads.
static void large_bytes(const HgmProgram *p, int64_t tiles, uint64_t bytes[LARGE_ARRAYS]) {
  bytes[0] = p->once_bytes;
  bytes[1] = p->constant_bytes;
  bytes[2] = p->batch_bytes_per_tile * (uint64_t)tiles;
  bytes[3] = p->partial_bytes * partials_for(p, tiles);
}

uint64_t hgm_room_bytes(const HgmProgram *program, int threads, int64_t max_events) {
  uint64_t used = 0, bytes[LARGE_ARRAYS];
  large_bytes(program, tiles_for(program, max_events), bytes);
  for (int i = 0; i < LARGE_ARRAYS; i++) cut(NULL, &used, bytes[i]);
  for (int i = 0; i < (threads < 1 ? 1 : threads); i++) cut(NULL, &used, program->tile_bytes), cut(NULL, &used, program->own_bytes);
  return used;
}

static void clear_piece(void *data, int64_t index, int thread) {
  (void)thread;
  const HgmRoom *room = data;
  uint64_t at = (uint64_t)index * LARGE_PAGE, left = room->bytes - at;
  memset((unsigned char *)room->memory + at, 0, left < LARGE_PAGE ? left : LARGE_PAGE);
}

bool hgm_room_open(HgmRoom *room, HgmPool *pool, uint64_t bytes, HgmError *error) {
  uint64_t reserved = bytes;
  void *memory = reserve(&reserved);
  *room = (HgmRoom){memory, bytes};
  if (room->memory != NULL) hgm_pool_run(pool, (int64_t)((bytes + LARGE_PAGE - 1) / LARGE_PAGE), clear_piece, room);
  return room->memory != NULL || hgm_fail(error, 2, "out of memory for a step of training: %llu MB", (unsigned long long)(bytes >> 20));
}

void hgm_room_close(HgmRoom *room) {
  free(room->memory);
  *room = (HgmRoom){0};
}

static bool take_large(HgmWork *work, const HgmRoom *room) {
  uint64_t used = 0, bytes[LARGE_ARRAYS];
  unsigned char **arrays[LARGE_ARRAYS] = {&work->once, &work->constant, &work->batch, &work->partial};
  large_bytes(work->program, work->max_tiles, bytes);
  bool fine = true;
  for (int i = 0; i < LARGE_ARRAYS; i++) fine &= (*arrays[i] = room ? cut(room->memory, &used, bytes[i]) : take(work, bytes[i])) != NULL;
  for (int i = 0; i < work->threads; i++) {
    Lane *lane = &work->lanes[i];
    uint64_t tile = work->program->tile_bytes, own = work->program->own_bytes;
    fine &= (lane->tile = room ? cut(room->memory, &used, tile) : take(work, tile)) != NULL;
    fine &= (lane->own = room ? cut(room->memory, &used, own) : take(work, own)) != NULL;
  }
  work->roomed = room != NULL;
  return fine;
}

HgmWork *hgm_work_create(const HgmProgram *program, int threads, int64_t max_events, const HgmRoom *room, HgmError *error) {
  HgmWork *work = calloc(1, sizeof *work);
  if (!work) goto fail;
  work->program = program;
  work->threads = threads < 1 ? 1 : threads;
  work->max_tiles = tiles_for(program, max_events);
  work->lanes = calloc((size_t)work->threads, sizeof *work->lanes);
  work->discard = calloc(program->n_outputs + 1, sizeof *work->discard);
  if (!work->lanes || !work->discard) goto fail;
  for (int i = 0; i < work->threads; i++)
    if (!take_lane(work, &work->lanes[i])) goto fail;
  work->keys = take(work, sizeof(uint64_t) * program->n_sites);
  if (!take_large(work, room) || !work->keys) goto fail;
  return work;
fail:
  hgm_work_destroy(work);
  hgm_fail(error, 2, "out of memory for %s: %lld events at a time", program->name, (long long)max_events);
  return NULL;
}

static bool same_ports(const HgmPort *a, const HgmPort *b, uint32_t n) {
  for (uint32_t i = 0; i < n; i++)
    if (strcmp(a[i].name, b[i].name) != 0 || a[i].elements != b[i].elements || a[i].in_place != b[i].in_place) return false;
  return true;
}

bool hgm_work_change(HgmWork *work, const HgmProgram *b) {
  const HgmProgram *a = work->program;
  bool same = a->tile == b->tile && a->panel == b->panel && a->n_kernels == b->n_kernels && a->n_phases == b->n_phases && a->n_commands == b->n_commands &&
              a->n_pointers == b->n_pointers && a->n_leaves == b->n_leaves && a->n_outputs == b->n_outputs && a->n_sites == b->n_sites &&
              a->data_bytes == b->data_bytes && a->tile_bytes == b->tile_bytes && a->own_bytes == b->own_bytes && a->shared == b->shared &&
              a->once_bytes == b->once_bytes && a->constant_bytes == b->constant_bytes && a->batch_bytes_per_tile == b->batch_bytes_per_tile &&
              a->partial_bytes == b->partial_bytes && a->max_partials == b->max_partials;
  same = same && same_ports(a->leaves, b->leaves, a->n_leaves) && same_ports(a->outputs, b->outputs, a->n_outputs);
  if (same) work->program = b;
  return same;
}

void hgm_work_destroy(HgmWork *work) {
  if (!work) return;
  for (int i = 0; work->lanes && i < work->threads; i++) {
    if (!work->roomed) free(work->lanes[i].tile);
    if (!work->roomed) free(work->lanes[i].own);
    free(work->lanes[i].pointers);
    free(work->lanes[i].event_lo);
    free(work->lanes[i].event_hi);
    free(work->lanes[i].rows);
  }
  for (uint32_t i = 0; work->discard && i < work->program->n_outputs; i++) free(work->discard[i]);
  free(work->lanes);
  free(work->discard);
  unsigned char *large[] = {work->once, work->constant, work->batch, work->partial};
  for (int i = 0; i < LARGE_ARRAYS && !work->roomed; i++) free(large[i]);
  free(work->keys);
  free(work);
}

size_t hgm_work_bytes(const HgmWork *work) { return work->bytes; }

// ---- work space in memory of the caller's

static uint64_t cut_all(const HgmProgram *p, int64_t max_events, unsigned char *memory, HgmWork *work, Lane *lane) {
  uint64_t used = 0;
  work->max_tiles = tiles_for(p, max_events);
  lane->tile = cut(memory, &used, p->tile_bytes);
  lane->own = cut(memory, &used, p->own_bytes);
  lane->pointers = cut(memory, &used, sizeof(void *) * p->n_pointers);
  lane->event_lo = cut(memory, &used, sizeof(uint32_t) * p->tile);
  lane->event_hi = cut(memory, &used, sizeof(uint32_t) * p->tile);
  lane->rows = cut(memory, &used, sizeof(int64_t) * p->tile);
  work->once = cut(memory, &used, p->once_bytes);
  work->batch = cut(memory, &used, p->batch_bytes_per_tile * (uint64_t)work->max_tiles);
  work->partial = cut(memory, &used, p->partial_bytes * partials_for(p, work->max_tiles));
  work->keys = cut(memory, &used, sizeof(uint64_t) * p->n_sites);
  work->discard = cut(memory, &used, sizeof(void *) * (p->n_outputs + 1));
  for (uint32_t i = 0; i < p->n_outputs; i++) {
    void *unwanted = p->outputs[i].per_event ? NULL : cut(memory, &used, hgm_dtype_bytes(p->outputs[i].dtype) * (uint64_t)p->outputs[i].elements);
    if (memory) work->discard[i] = unwanted;
  }
  return used;
}

uint64_t hgm_work_place_bytes(const HgmProgram *program, int64_t max_events) {
  HgmWork work = {0};
  Lane lane = {0};
  return 64 + (sizeof work + 63) / 64 * 64 + (sizeof lane + 63) / 64 * 64 + cut_all(program, max_events, NULL, &work, &lane);
}

HgmWork *hgm_work_place(const HgmProgram *program, int64_t max_events, void *constant, void *memory) {
  unsigned char *at = (unsigned char *)memory + (-(uintptr_t)memory & 63);
  uint64_t used = 0;
  HgmWork *work = cut(at, &used, sizeof *work);
  Lane *lane = cut(at, &used, sizeof *lane);
  *work = (HgmWork){.program = program, .threads = 1, .lanes = lane, .constant = constant};
  *lane = (Lane){0};
  cut_all(program, max_events, at + used, work, lane);
  return work;
}

int hgm_port_find(const HgmPort *ports, uint32_t n, const char *name) {
  for (uint32_t i = 0; i < n; i++)
    if (strcmp(ports[i].name, name) == 0) return (int)i;
  return -1;
}

// ---- pointers

static void *resolve(const Run *r, Lane *lane, const HgmPointer *p) {
  switch ((HgmSpace)p->space) {
  case HGM_SPACE_TILE: return (r->team > 1 ? r->work->lanes[0].tile : lane->tile) + p->offset;
  case HGM_SPACE_OWN: return lane->own + p->offset;
  case HGM_SPACE_ONCE: return r->work->once + p->offset;
  case HGM_SPACE_CONSTANT: return r->work->constant + p->offset;
  case HGM_SPACE_BATCH: // of tile 0
  case HGM_SPACE_ALL: return r->work->batch + p->offset;
  case HGM_SPACE_PARTIAL: return r->work->partial + p->offset; // of range 0
  case HGM_SPACE_LEAF: return (unsigned char *)(uintptr_t)r->call->leaves[p->index] + p->offset;
  case HGM_SPACE_OUTPUT: {
    void *wanted = r->call->outputs[p->index];
    return (unsigned char *)(wanted ? wanted : r->work->discard[p->index]) + p->offset;
  }
  case HGM_SPACE_DATA: return (unsigned char *)(uintptr_t)r->program->data + p->offset;
  }
  return NULL;
}

static void resolve_phase(const Run *r, Lane *lane) {
  if (lane->phase == r->phase_index) return;
  for (uint32_t i = r->first_pointer; i < r->last_pointer; i++) lane->pointers[i] = resolve(r, lane, &r->program->pointers[i]);
  lane->phase = r->phase_index;
}

// Points those of one space at the index-th block.
static void resolve_block(const Run *r, Lane *lane, HgmSpace space, unsigned char *base, uint64_t pitch, int64_t index) {
  if (pitch == 0) return;
  for (uint32_t i = r->first_pointer; i < r->last_pointer; i++)
    if (r->program->pointers[i].space == space) lane->pointers[i] = base + r->program->pointers[i].offset + pitch * (uint64_t)index;
}

// ---- per-event inputs and outputs

static HgmFileType leaf_type(const Run *r, uint32_t leaf) { return r->call->types ? r->call->types[leaf] : hgm_dtype_type(r->program->leaves[leaf].dtype); }

// Rows of a shuffled batch lie anywhere: they are asked for at once, not one after the other.
static void ask_for_rows(const unsigned char *leaf, const int64_t *rows, int64_t n, size_t pitch, size_t bytes) {
  if (bytes > ASK_MOST) bytes = ASK_MOST;
  for (int64_t k = 0; k < n; k++)
    for (size_t i = 0; i < bytes; i += LINE) __builtin_prefetch(leaf + (size_t)rows[k] * pitch + i);
}

static void load_leaf(const Run *r, const Lane *lane, uint32_t leaf, int64_t index) {
  const HgmPort *port = &r->program->leaves[leaf];
  const void *numbers = r->call->leaves[leaf];
  const HgmFileType type = leaf_type(r, leaf);
  const int64_t panel = r->program->panel, n = port->elements, stride = r->call->strides ? r->call->strides[leaf] : n;
  unsigned char *tile = r->team > 1 ? r->work->lanes[0].tile : lane->tile;
  const size_t bytes = hgm_type_bytes(type);
  for (int64_t k = index * panel; k < r->program->tile && r->call->rows; k += r->team * panel)
    ask_for_rows(numbers, lane->rows + k, panel, (size_t)stride * bytes, (size_t)n * bytes);
  for (int64_t k = index * panel; k < r->program->tile; k += r->team * panel) {
    unsigned char *out = tile + port->offset + (size_t)(k * n) * hgm_dtype_bytes(port->dtype);
    if (port->dtype == HGM_F64) hgm_numbers_gather(type, numbers, lane->rows + k, panel, stride, n, (double *)(void *)out);
    else hgm_words_gather(numbers, lane->rows + k, panel, stride, n, out);
  }
}

// The valid events of a tile, from panels to rows.
#define SCATTER(T)                                                                                                                                             \
  static void scatter_##T(const T *panels, int64_t valid, int64_t panel, int64_t n, T *out) {                                                                  \
    if (n == 1) memcpy(out, panels, sizeof(T) * (size_t)valid);                                                                                                \
    for (int64_t k = 0; n > 1 && k < valid; k += panel, panels += panel * n)                                                                                   \
      for (int64_t j = 0; j < panel && k + j < valid; j++)                                                                                                     \
        for (int64_t i = 0; i < n; i++) out[(k + j) * n + i] = panels[i * panel + j];                                                                          \
  }
SCATTER(uint64_t)
SCATTER(uint32_t)

static void store_output(const Run *r, Lane *lane, uint32_t output, int64_t first, int64_t valid) {
  const HgmPort *port = &r->program->outputs[output];
  const int64_t panel = r->program->panel, n = port->elements;
  const void *panels = lane->tile + port->offset;
  if (hgm_dtype_bytes(port->dtype) == 8) scatter_uint64_t(panels, valid, panel, n, (uint64_t *)r->call->outputs[output] + first * n);
  else scatter_uint32_t(panels, valid, panel, n, (uint32_t *)r->call->outputs[output] + first * n);
}

// Of the tile's inputs the panels index, index + team, ...
static void load_events(const Run *r, Lane *lane, int64_t first, int64_t valid, int64_t index) {
  for (int64_t k = 0; k < r->program->tile; k++) {
    int64_t event = first + (k < valid ? k : valid - 1);
    uint64_t id = (uint64_t)(r->call->event_ids ? r->call->event_ids[event] : r->call->first_event + event);
    lane->event_lo[k] = (uint32_t)id;
    lane->event_hi[k] = (uint32_t)(id >> 32);
    lane->rows[k] = r->call->rows ? r->call->rows[event] : event;
  }
  for (uint32_t i = 0; i < r->program->n_leaves; i++) {
    const HgmPort *port = &r->program->leaves[i];
    if (port->per_event && port->phase <= r->phase_index && r->phase_index <= port->last_phase) load_leaf(r, lane, i, index);
  }
}

static void store_events(const Run *r, Lane *lane, int64_t first, int64_t valid) {
  for (uint32_t i = 0; i < r->program->n_outputs; i++) {
    const HgmPort *port = &r->program->outputs[i];
    if (port->per_event && port->phase == r->phase_index && r->call->outputs[i]) store_output(r, lane, i, first, valid);
  }
}

// ---- phases

static void run_command(const Run *r, const Lane *lane, const HgmTile *tile, uint32_t index) {
  const HgmCommand *c = &r->program->commands[r->phase->first_command + index];
  r->program->kernels[c->kernel](tile, lane->pointers + c->first_pointer);
}

static HgmTile tile_start(const Run *r, const Lane *lane) {
  return (HgmTile){.valid = 1,
                   .event_lo = lane->event_lo,
                   .event_hi = lane->event_hi,
                   .keys = r->work->keys,
                   .pass = r->call->pass,
                   .last = HGM_SHARES,
                   .partials = r->partials,
                   .partial_bytes = (int64_t)r->program->partial_bytes,
                   .events = r->call->events,
                   .batch_bytes = (int64_t)r->program->batch_bytes_per_tile,
                   .last_tile = r->tiles - 1,
                   .last_begin = (r->tiles - 1) * r->step};
}

// First tile of a range.
static int64_t tile_of(const Run *r, int64_t partial) { return partial * r->tiles / r->partials; }

static void begin_tile(const Run *r, Lane *lane, HgmTile *tile, int64_t t) {
  tile->valid = t == r->tiles - 1 ? r->call->events - t * r->step : r->step;
  resolve_block(r, lane, HGM_SPACE_BATCH, r->work->batch, r->program->batch_bytes_per_tile, t);
}

// A contiguous range of tiles, in order; in a phase without sums a tile.
static void run_range(void *data, int64_t index, int thread) {
  const Run *r = data;
  Lane *lane = &r->work->lanes[thread];
  unsigned mode = hgm_cpu_exact_mode();
  resolve_phase(r, lane);
  HgmTile tile = tile_start(r, lane);
  int64_t from = index, to = index + 1;
  if (r->sums) {
    from = tile_of(r, index);
    to = tile_of(r, index + 1);
    resolve_block(r, lane, HGM_SPACE_PARTIAL, r->work->partial, r->program->partial_bytes, index);
  }
  for (int64_t t = from; t < to; t++) {
    begin_tile(r, lane, &tile, t);
    tile.fresh = t == from;
    load_events(r, lane, t * r->step, tile.valid, 0);
    for (uint32_t i = 0; i < r->phase->n_commands; i++) run_command(r, lane, &tile, i);
    store_events(r, lane, t * r->step, tile.valid);
  }
  hgm_cpu_mode(mode);
}

// Behind a command that threads share: goes on when all have done their share of so many commands.
static void meet(const Run *r, int64_t commands) {
  atomic_fetch_add(&r->work->arrived, 1);
  hgm_pool_wait(&r->work->arrived, commands * r->team);
}

// One of the threads that share tiles.
static void run_share(void *data, int64_t index, int thread) {
  const Run *r = data;
  Lane *lane = &r->work->lanes[thread];
  unsigned mode = hgm_cpu_exact_mode();
  int64_t turns = 0;
  resolve_phase(r, lane);
  for (int64_t p = r->first_partial; p < r->last_partial; p++) {
    resolve_block(r, lane, HGM_SPACE_PARTIAL, r->work->partial, r->program->partial_bytes, p);
    for (int64_t t = tile_of(r, p); t < tile_of(r, p + 1); t++) {
      HgmTile tile = tile_start(r, lane);
      begin_tile(r, lane, &tile, t);
      load_events(r, lane, t * r->step, tile.valid, index);
      tile.fresh = t == tile_of(r, p);
      tile.first = index * HGM_SHARES / r->team;
      tile.last = (index + 1) * HGM_SHARES / r->team;
      meet(r, ++turns);
      for (uint32_t i = 0; i < r->phase->n_commands; i++) {
        run_command(r, lane, &tile, i);
        meet(r, ++turns);
      }
      if (index == 0) store_events(r, &r->work->lanes[0], t * r->step, tile.valid);
    }
  }
  hgm_cpu_mode(mode);
}

static void run_chunk(void *data, int64_t index, int thread) {
  const Run *r = data;
  Lane *lane = &r->work->lanes[thread];
  unsigned mode = hgm_cpu_exact_mode();
  resolve_phase(r, lane);
  HgmTile tile = tile_start(r, lane);
  int64_t end = (int64_t)r->command->split;
  tile.first = index * r->chunk;
  tile.last = tile.first + r->chunk < end ? tile.first + r->chunk : end;
  if (tile.first < tile.last) r->program->kernels[r->command->kernel](&tile, lane->pointers + r->command->first_pointer);
  hgm_cpu_mode(mode);
}

static void run_once(Run *r, HgmPool *pool) {
  int threads = pool ? hgm_pool_threads(pool) : 1;
  HgmCommand whole;
  for (uint32_t i = 0; i < r->phase->n_commands; i++) {
    r->command = &r->program->commands[r->phase->first_command + i];
    int64_t n = (int64_t)r->command->split;
    bool divide = threads > 1 && n >= SPLIT_LEAST;
    r->chunk = divide ? (n / threads + 16) / 16 * 16 : n > 0 ? n : 1;
    if (n == 0) { // whole: one call with no range
      whole = *r->command;
      whole.split = 1;
      r->command = &whole;
      run_chunk(r, 0, 0);
    } else if (divide) {
      hgm_pool_run(pool, threads, run_chunk, r);
    } else {
      run_chunk(r, 0, 0);
    }
  }
}

static void run_next(void *data, int64_t index, int thread) {
  const Run *r = data;
  run_range(data, index + (r->sums ? r->first_partial : tile_of(r, r->first_partial)), thread);
}

static void run_events(Run *r, HgmPool *pool) {
  if (r->team > 1) {
    atomic_store(&r->work->arrived, 0);
    hgm_pool_run(pool, r->team, run_share, r);
    return;
  }
  int64_t n = r->sums ? r->last_partial - r->first_partial : tile_of(r, r->last_partial) - tile_of(r, r->first_partial);
  if (pool && n > 0) hgm_pool_run(pool, n, run_next, r);
  else
    for (int64_t i = 0; i < n; i++) run_next(r, i, 0);
}

// ---- ranks

static int64_t first_partial(const Run *r, int rank) { return rank * r->partials / r->call->ranks->n; }

// What later phases read of other ranks' ranges: their partial sums, and where pairs of events are computed all that is kept for the batch.
static bool exchange(const Run *r, HgmError *error) {
  HgmRanks *ranks = r->call->ranks;
  int64_t *begin = malloc(sizeof *begin * (size_t)(ranks->n + 1));
  if (!begin) return hgm_fail(error, 2, "out of memory");
  bool fine = true, pairs = false;
  for (uint32_t i = 0; i < r->program->n_pointers; i++) pairs |= r->program->pointers[i].space == HGM_SPACE_ALL;
  if (r->sums) {
    for (int k = 0; k <= ranks->n; k++) begin[k] = first_partial(r, k) * (int64_t)r->program->partial_bytes;
    fine = ranks->gather(ranks, r->work->partial, begin, error);
  }
  if (fine && pairs) {
    for (int k = 0; k <= ranks->n; k++) begin[k] = tile_of(r, first_partial(r, k)) * (int64_t)r->program->batch_bytes_per_tile;
    fine = ranks->gather(ranks, r->work->batch, begin, error);
  }
  free(begin);
  return fine;
}

static void start_phase(Run *r, uint32_t index) {
  const HgmProgram *p = r->program;
  r->phase = &p->phases[index];
  r->phase_index = index;
  const HgmCommand *first = &p->commands[r->phase->first_command], *last = first + r->phase->n_commands - 1;
  r->first_pointer = first->first_pointer;
  r->last_pointer = last->first_pointer + last->n_pointers;
  r->sums = false;
  for (uint32_t i = r->first_pointer; i < r->last_pointer; i++)
    if (p->pointers[i].space == HGM_SPACE_PARTIAL) r->sums = true;
}

static bool check_call(const HgmProgram *p, HgmWork *work, HgmPool *pool, const HgmCall *call, HgmError *error) {
  int64_t tiles = (call->events + p->tile - 1) / p->tile;
  if (call->events < 0 || tiles > work->max_tiles) return hgm_fail(error, 3, "%s: %lld events do not fit its work space", p->name, (long long)call->events);
  if (pool && hgm_pool_threads(pool) > work->threads) return hgm_fail(error, 3, "%s: more threads than its work space has", p->name);
  for (uint32_t i = 0; i < p->n_leaves; i++)
    if (!call->leaves[i] && p->leaves[i].elements > 0 && !(p->leaves[i].per_event && call->events == 0))
      return hgm_fail(error, 3, "%s: no array for \"%s\"", p->name, p->leaves[i].name);
  for (uint32_t i = 0; i < p->n_outputs; i++) {
    const HgmPort *port = &p->outputs[i];
    if (call->ranks && port->per_event && call->outputs[i])
      return hgm_fail(error, 3, "%s: \"%s\" of each event is wanted of several ranks", p->name, port->name);
    if (call->outputs[i] || port->per_event || port->in_place > 0 || work->discard[i]) continue;
    work->discard[i] = take(work, hgm_dtype_bytes(port->dtype) * (uint64_t)port->elements);
    if (!work->discard[i]) return hgm_fail(error, 2, "out of memory");
  }
  return true;
}

// ---- dealt or shared

// Sharing leaves no thread without work, but what one has written others read: where their processors have no cache in common, which virtual ones may
// lose at any time, that can cost more than it brings. So both are tried now and then, and the faster goes on. The bits are the same.
enum { TRIED = 3, TRY_AGAIN = 128 };

static bool chooses_shared(const HgmWork *work) {
  int64_t turn = work->executions % TRY_AGAIN;
  return turn < 2 * TRIED ? turn % 2 == 0 : work->least[1] < work->least[0];
}

static void note_time(HgmWork *work, bool shared, double took) {
  int64_t turn = work->executions++ % TRY_AGAIN;
  if (turn < 2) work->least[shared] = took;
  else if (turn < 2 * TRIED && took < work->least[shared]) work->least[shared] = took;
}

static bool run_program(Run *r, HgmPool *pool, HgmError *error) {
  const HgmProgram *program = r->program;
  const HgmCall *call = r->call;
  for (int i = 0; i < r->work->threads; i++) r->work->lanes[i].phase = -1;
  for (uint32_t i = 0; i < program->n_phases; i++) {
    if (program->phases[i].constant && call->prepared) continue;
    if (program->phases[i].commits && call->proceed && !call->proceed(call->context)) break;
    start_phase(r, i);
    if (!r->phase->events) run_once(r, pool);
    else if (r->tiles > 0) {
      run_events(r, pool);
      if (call->ranks && !exchange(r, error)) return false;
    }
  }
  return true;
}

bool hgm_execute(const HgmProgram *program, HgmWork *work, HgmPool *pool, const HgmCall *call, HgmError *error) {
  if (!check_call(program, work, pool, call, error)) return false;
  Run r = {.program = program, .work = work, .call = call, .team = 1};
  r.tiles = tiles_for(program, call->events);
  r.step = step_for(program, call->events);
  r.partials = r.tiles < program->max_partials ? r.tiles : program->max_partials;
  if (r.partials == 0) { // no events: every sum is zero
    memset(work->partial, 0, program->partial_bytes);
    r.partials = 1;
  }
  r.last_partial = r.partials;
  if (call->ranks) {
    r.first_partial = first_partial(&r, call->ranks->rank);
    r.last_partial = first_partial(&r, call->ranks->rank + 1);
  }
  for (uint32_t i = 0; i < program->n_sites; i++) work->keys[i] = philox_key(call->seed, program->sites[i]);
  if (!program->shared || pool == NULL || hgm_pool_threads(pool) < 2) return run_program(&r, pool, error);
  bool shared = chooses_shared(work);
  if (shared) r.team = hgm_pool_threads(pool);
  double began = hgm_pool_seconds();
  bool fine = run_program(&r, pool, error);
  note_time(work, shared, hgm_pool_seconds() - began);
  return fine;
}
