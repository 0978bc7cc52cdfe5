#include "runtime/redraw.h"

#include <string.h>

typedef struct Redraw {
  const HgmProgram *program;
  int where;
  int32_t *holds;               // (events)
  int64_t *events, *rows, *ids; // (events) of those to be drawn: place in the call, row, identity
  void **outputs, **again;      // by output: where it goes at first, and when drawn again
} Redraw;

static uint64_t in_lines(uint64_t bytes) { return (bytes + 63) / 64 * 64; }

static uint64_t event_bytes(const HgmPort *port) { return (uint64_t)port->elements * hgm_dtype_bytes(port->dtype); }

int hgm_redraw_port(const HgmProgram *program) { return hgm_port_find(program->outputs, program->n_outputs, "where"); }

static void *cut(unsigned char *memory, uint64_t *used, uint64_t bytes) {
  void *piece = memory ? memory + *used : NULL;
  *used += in_lines(bytes);
  return piece;
}

static uint64_t lay_out(Redraw *r, int64_t events, unsigned char *memory) {
  uint64_t used = 0, n = (uint64_t)events, outputs = r->program->n_outputs;
  r->holds = cut(memory, &used, n * sizeof *r->holds);
  r->events = cut(memory, &used, n * sizeof *r->events);
  r->rows = cut(memory, &used, n * sizeof *r->rows);
  r->ids = cut(memory, &used, n * sizeof *r->ids);
  r->outputs = cut(memory, &used, outputs * sizeof *r->outputs);
  r->again = cut(memory, &used, outputs * sizeof *r->again);
  for (uint32_t i = 0; i < outputs; i++) {
    const HgmPort *port = &r->program->outputs[i];
    void *copy = port->per_event ? cut(memory, &used, n * event_bytes(port)) : NULL;
    if (memory) r->again[i] = copy;
  }
  return used;
}

uint64_t hgm_redraw_bytes(const HgmProgram *program, int64_t max_events) {
  Redraw r = {.program = program};
  return hgm_redraw_port(program) < 0 ? 0 : 64 + lay_out(&r, max_events, NULL);
}

static int64_t identity(const HgmCall *call, int64_t event) { return call->event_ids ? call->event_ids[event] : call->first_event + event; }

// To its place, from where it was drawn again.
static void put(const Redraw *r, int64_t event, int64_t k) {
  for (uint32_t i = 0; i < r->program->n_outputs; i++) {
    uint64_t bytes = event_bytes(&r->program->outputs[i]);
    if (r->again[i] && r->outputs[i] && (int)i != r->where)
      memcpy((char *)r->outputs[i] + bytes * (uint64_t)event, (const char *)r->again[i] + bytes * (uint64_t)k, bytes);
  }
}

// Of the n events drawn last (at first all, in their places) those stay in the list for which the condition does not hold.
static int64_t sort_out(Redraw *r, const HgmCall *call, int64_t n, bool first) {
  int64_t left = 0;
  for (int64_t k = 0; k < n; k++) {
    int64_t event = first ? k : r->events[k];
    if (r->holds[k] != 0) {
      if (!first) put(r, event, k);
      continue;
    }
    r->events[left] = event;
    r->rows[left] = call->rows ? call->rows[event] : event;
    r->ids[left++] = identity(call, event);
  }
  return left;
}

bool hgm_redraw_fail(int64_t event, HgmError *error) {
  return hgm_fail(error, 1, "event %lld: the condition `where` of the generator held in none of %d draws; make it less strict", (long long)event,
                  HGM_REDRAW_MOST);
}

bool hgm_redraw(const HgmProgram *program, HgmWork *work, HgmPool *pool, const HgmCall *call, void *memory, HgmError *error) {
  Redraw r = {.program = program, .where = hgm_redraw_port(program)};
  if (r.where < 0) return hgm_execute(program, work, pool, call, error);
  lay_out(&r, call->events, (unsigned char *)memory + (-(uintptr_t)memory & 63));
  memcpy(r.outputs, call->outputs, program->n_outputs * sizeof *r.outputs);
  r.outputs[r.where] = r.again[r.where] = r.holds;
  HgmCall now = *call;
  now.outputs = r.outputs;
  if (!hgm_execute(program, work, pool, &now, error)) return false;
  int64_t left = sort_out(&r, call, call->events, true);
  now.outputs = r.again;
  now.rows = r.rows;
  now.event_ids = r.ids;
  now.prepared = true;
  for (uint32_t draws = 1; left > 0; draws++) {
    if (draws == HGM_REDRAW_MOST) return hgm_redraw_fail(r.ids[0], error);
    now.events = left;
    now.pass = call->pass + draws;
    if (!hgm_execute(program, work, pool, &now, error)) return false;
    left = sort_out(&r, call, left, false);
  }
  return true;
}
