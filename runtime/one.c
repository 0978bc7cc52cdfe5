#include "runtime/one.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <xmmintrin.h>

#include "runtime/bf16.h"
#include "runtime/philox.h"

enum { SPACES = HGM_SPACE_OWN + 1, DEFAULT_MODE = 0x1f80 };

typedef struct Transfer { // numbers of the event to or from the scratch of its call
  uint32_t port, phase;   // phase: of an output, behind which it is complete and may soon be gone
  size_t bytes;
  unsigned char *at;
} Transfer;

struct HgmOne {
  const HgmProgram *program;
  unsigned char *scratch, *constant;               // what a call writes, and what was computed when the handle was made
  uint64_t scratch_bytes, space[SPACES], *discard; // offsets in scratch: of the spaces, and of outputs without events
  void **pointers;
  Transfer *inputs, *outputs;
  uint32_t n_inputs, n_outputs, n_constant; // constant: the first phases
  uint32_t event_lo, event_hi;
  uint64_t *keys;
  HgmTile tile;
};

static size_t port_bytes(const HgmPort *port) { return (size_t)port->elements * hgm_dtype_bytes(port->dtype); }

static uint64_t in_lines(uint64_t bytes) { return (bytes + 63) / 64 * 64; }

static void *take(uint64_t bytes) {
  bytes = in_lines(bytes + 1);
  void *p = aligned_alloc(64, bytes);
  return p ? memset(p, 0, bytes) : NULL;
}

static uint64_t lay(HgmOne *one, uint64_t bytes) {
  uint64_t offset = one->scratch_bytes;
  one->scratch_bytes += in_lines(bytes);
  return offset;
}

static bool take_all(HgmOne *one) {
  const HgmProgram *p = one->program;
  one->discard = take(sizeof(uint64_t) * p->n_outputs);
  if (!one->discard) return false;
  one->space[HGM_SPACE_TILE] = lay(one, p->tile_bytes);
  one->space[HGM_SPACE_OWN] = lay(one, p->own_bytes);
  one->space[HGM_SPACE_ONCE] = lay(one, p->once_bytes);
  one->space[HGM_SPACE_BATCH] = one->space[HGM_SPACE_ALL] = lay(one, p->batch_bytes_per_tile);
  one->space[HGM_SPACE_PARTIAL] = lay(one, p->partial_bytes);
  for (uint32_t i = 0; i < p->n_outputs; i++)
    if (!p->outputs[i].per_event) one->discard[i] = lay(one, port_bytes(&p->outputs[i]));
  one->scratch = take(one->scratch_bytes);
  one->constant = take(p->constant_bytes);
  one->pointers = take(sizeof(void *) * p->n_pointers);
  one->inputs = take(sizeof(Transfer) * p->n_leaves);
  one->outputs = take(sizeof(Transfer) * p->n_outputs);
  one->keys = take(sizeof(uint64_t) * p->n_sites);
  return one->scratch && one->constant && one->pointers && one->inputs && one->outputs && one->keys;
}

void hgm_one_destroy(HgmOne *one) {
  if (!one) return;
  free(one->scratch);
  free(one->constant);
  free(one->discard);
  free(one->pointers);
  free(one->inputs);
  free(one->outputs);
  free(one->keys);
  free(one);
}

// ---- binding

static bool is_finite(const HgmPort *port, const void *array) {
  bool finite = true;
  if (port->dtype == HGM_F32)
    for (int64_t i = 0; i < port->elements; i++) finite &= isfinite(((const float *)array)[i]) != 0;
  if (port->dtype == HGM_F64)
    for (int64_t i = 0; i < port->elements; i++) finite &= isfinite(((const double *)array)[i]) != 0;
  if (port->dtype == HGM_BF16)
    for (int64_t i = 0; i < port->elements; i++) finite &= isfinite(hgm_bf16_number(((const uint16_t *)array)[i])) != 0;
  return finite;
}

static bool bind_leaves(HgmOne *one, const HgmCall *call, HgmError *error) {
  const HgmProgram *p = one->program;
  for (uint32_t i = 0; i < p->n_leaves; i++) {
    const HgmPort *port = &p->leaves[i];
    if (port->per_event) {
      one->inputs[one->n_inputs++] = (Transfer){i, port->phase, port_bytes(port), one->scratch + one->space[HGM_SPACE_TILE] + port->offset};
    } else {
      if (!call->leaves[i] && port->elements > 0) return hgm_fail(error, 3, "%s: no array for \"%s\"", p->name, port->name);
      if (!is_finite(port, call->leaves[i])) return hgm_fail(error, 1, "%s holds a number that is not finite; generating needs finite weights", port->name);
    }
  }
  return true;
}

static void bind_outputs(HgmOne *one) {
  const HgmProgram *p = one->program;
  for (uint32_t i = 0; i < p->n_outputs; i++) {
    const HgmPort *port = &p->outputs[i];
    if (port->per_event)
      one->outputs[one->n_outputs++] = (Transfer){i, port->phase, port_bytes(port), one->scratch + one->space[HGM_SPACE_TILE] + port->offset};
  }
}

static void *address(const HgmOne *one, const HgmCall *call, const HgmPointer *p) {
  switch ((HgmSpace)p->space) {
  case HGM_SPACE_LEAF: return (unsigned char *)(uintptr_t)call->leaves[p->index] + p->offset;
  case HGM_SPACE_OUTPUT: return (call->outputs[p->index] ? (unsigned char *)call->outputs[p->index] : one->scratch + one->discard[p->index]) + p->offset;
  case HGM_SPACE_DATA: return (unsigned char *)(uintptr_t)one->program->data + p->offset;
  case HGM_SPACE_CONSTANT: return one->constant + p->offset;
  case HGM_SPACE_ALL:
  case HGM_SPACE_OWN:
  case HGM_SPACE_TILE:
  case HGM_SPACE_ONCE:
  case HGM_SPACE_BATCH:
  case HGM_SPACE_PARTIAL: break;
  }
  return one->scratch + one->space[p->space] + p->offset;
}

static void run_phase(HgmOne *one, uint32_t phase) {
  const HgmProgram *p = one->program;
  const HgmCommand *c = p->commands + p->phases[phase].first_command, *end = c + p->phases[phase].n_commands;
  unsigned mode = _mm_getcsr();
  _mm_setcsr(DEFAULT_MODE);
  for (; c < end; c++) {
    one->tile.last = (int64_t)c->split;
    p->kernels[c->kernel](&one->tile, one->pointers + c->first_pointer);
  }
  _mm_setcsr(mode);
}

void hgm_one_seed(HgmOne *one, uint64_t seed) {
  for (uint32_t i = 0; i < one->program->n_sites; i++) one->keys[i] = philox_key(seed, one->program->sites[i]);
}

void hgm_one_pass(HgmOne *one, uint32_t pass) { one->tile.pass = pass; }

static bool bind(HgmOne *one, const HgmCall *call, HgmError *error) {
  const HgmProgram *p = one->program;
  if (!take_all(one)) return hgm_fail(error, 2, "out of memory for %s", p->name);
  if (!bind_leaves(one, call, error)) return false;
  bind_outputs(one);
  for (uint32_t i = 0; i < p->n_pointers; i++) one->pointers[i] = address(one, call, &p->pointers[i]);
  one->tile = (HgmTile){.valid = 1,
                        .event_lo = &one->event_lo,
                        .event_hi = &one->event_hi,
                        .keys = one->keys,
                        .pass = call->pass,
                        .fresh = 1,
                        .partials = 1,
                        .partial_bytes = (int64_t)p->partial_bytes,
                        .events = 1,
                        .batch_bytes = (int64_t)p->batch_bytes_per_tile};
  hgm_one_seed(one, call->seed);
  for (; one->n_constant < p->n_phases && p->phases[one->n_constant].constant; one->n_constant++) run_phase(one, one->n_constant);
  return true;
}

HgmOne *hgm_one_create(const HgmProgram *program, const HgmCall *call, HgmError *error) {
  if (program->tile != 1) {
    hgm_fail(error, 3, "%s is compiled for many events at a time", program->name);
    return NULL;
  }
  HgmOne *one = calloc(1, sizeof *one);
  if (!one) {
    hgm_fail(error, 2, "out of memory for %s", program->name);
    return NULL;
  }
  one->program = program;
  if (bind(one, call, error)) return one;
  hgm_one_destroy(one);
  return NULL;
}

// ---- copies in memory of the caller's

uint64_t hgm_one_place_bytes(const HgmOne *one) {
  const HgmProgram *p = one->program;
  return 64 + in_lines(sizeof *one) + one->scratch_bytes + in_lines(sizeof(void *) * p->n_pointers) + in_lines(sizeof(Transfer) * one->n_inputs) +
         in_lines(sizeof(Transfer) * one->n_outputs) + in_lines(sizeof(uint64_t) * p->n_sites);
}

static void *cut(unsigned char **at, uint64_t bytes) {
  void *piece = *at;
  *at += in_lines(bytes);
  return piece;
}

static void move_transfers(Transfer *to, const Transfer *from, uint32_t n, const HgmOne *one, unsigned char *scratch) {
  for (uint32_t i = 0; i < n; i++) {
    to[i] = from[i];
    to[i].at = scratch + (from[i].at - one->scratch);
  }
}

HgmOne *hgm_one_place(const HgmOne *one, void *memory) {
  const HgmProgram *p = one->program;
  unsigned char *at = (unsigned char *)memory + (-(uintptr_t)memory & 63);
  HgmOne *copy = cut(&at, sizeof *copy);
  *copy = *one;
  copy->scratch = cut(&at, one->scratch_bytes);
  copy->pointers = cut(&at, sizeof(void *) * p->n_pointers);
  copy->inputs = cut(&at, sizeof(Transfer) * one->n_inputs);
  copy->outputs = cut(&at, sizeof(Transfer) * one->n_outputs);
  copy->keys = cut(&at, sizeof(uint64_t) * p->n_sites);
  move_transfers(copy->inputs, one->inputs, one->n_inputs, one, copy->scratch);
  move_transfers(copy->outputs, one->outputs, one->n_outputs, one, copy->scratch);
  uintptr_t from = (uintptr_t)one->scratch, to = (uintptr_t)copy->scratch, bytes = one->scratch_bytes;
  for (uint32_t i = 0; i < p->n_pointers; i++) {
    uintptr_t pointer = (uintptr_t)one->pointers[i];
    copy->pointers[i] = (void *)(pointer - from < bytes ? pointer - from + to : pointer);
  }
  copy->tile.event_lo = &copy->event_lo;
  copy->tile.event_hi = &copy->event_hi;
  copy->tile.keys = copy->keys;
  return copy;
}

// ---- one event

void hgm_one_run(HgmOne *one, const void *const *inputs, void *const *outputs, int64_t event) {
  one->event_lo = (uint32_t)event;
  one->event_hi = (uint32_t)((uint64_t)event >> 32);
  for (uint32_t i = 0; i < one->n_inputs; i++) memcpy(one->inputs[i].at, inputs[one->inputs[i].port], one->inputs[i].bytes);
  for (uint32_t phase = one->n_constant; phase < one->program->n_phases; phase++) {
    run_phase(one, phase);
    for (uint32_t i = 0; i < one->n_outputs; i++) {
      const Transfer *t = &one->outputs[i];
      if (t->phase == phase && outputs[t->port]) memcpy(outputs[t->port], t->at, t->bytes);
    }
  }
}
