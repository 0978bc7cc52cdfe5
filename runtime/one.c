#include "runtime/one.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <xmmintrin.h>

#include "runtime/philox.h"

enum { SPACES = HGM_SPACE_CONSTANT + 1, DEFAULT_MODE = 0x1f80 };

typedef struct Transfer { // numbers of the event to or from the scratch of its call
  uint32_t port, phase;   // phase: of an output, behind which it is complete and may soon be gone
  size_t bytes;
  unsigned char *at;
} Transfer;

struct HgmOne {
  const HgmProgram *program;
  unsigned char *space[SPACES];
  void **pointers, **discard; // discard: by output without events
  Transfer *inputs, *outputs;
  uint32_t n_inputs, n_outputs, n_constant; // constant: the first phases
  uint32_t event_lo, event_hi;
  uint64_t *keys;
  HgmTile tile;
};

static size_t port_bytes(const HgmPort *port) { return (size_t)port->elements * (port->dtype == HGM_F64 ? 8 : 4); }

static void *take(uint64_t bytes) {
  bytes = (bytes + 64) / 64 * 64;
  void *p = aligned_alloc(64, bytes);
  return p ? memset(p, 0, bytes) : NULL;
}

static bool take_all(HgmOne *one) {
  const HgmProgram *p = one->program;
  const uint64_t bytes[SPACES] = {[HGM_SPACE_TILE] = p->tile_bytes,
                                  [HGM_SPACE_ONCE] = p->once_bytes,
                                  [HGM_SPACE_CONSTANT] = p->constant_bytes,
                                  [HGM_SPACE_BATCH] = p->batch_bytes_per_tile,
                                  [HGM_SPACE_PARTIAL] = p->partial_bytes};
  bool ok = true;
  for (int i = 0; i < SPACES; i++)
    if (i != HGM_SPACE_LEAF && i != HGM_SPACE_OUTPUT && i != HGM_SPACE_DATA) ok &= (one->space[i] = take(bytes[i])) != NULL;
  one->pointers = take(sizeof(void *) * p->n_pointers);
  one->discard = take(sizeof(void *) * p->n_outputs);
  one->inputs = take(sizeof(Transfer) * p->n_leaves);
  one->outputs = take(sizeof(Transfer) * p->n_outputs);
  one->keys = take(sizeof(uint64_t) * p->n_sites);
  return ok && one->pointers && one->discard && one->inputs && one->outputs && one->keys;
}

void hgm_one_destroy(HgmOne *one) {
  if (!one) return;
  for (int i = 0; i < SPACES; i++) free(one->space[i]);
  for (uint32_t i = 0; one->discard && i < one->program->n_outputs; i++) free(one->discard[i]);
  free(one->pointers);
  free(one->discard);
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
  return finite;
}

static bool bind_leaves(HgmOne *one, const HgmCall *call, HgmError *error) {
  const HgmProgram *p = one->program;
  for (uint32_t i = 0; i < p->n_leaves; i++) {
    const HgmPort *port = &p->leaves[i];
    if (port->per_event) {
      one->inputs[one->n_inputs++] = (Transfer){i, port->phase, port_bytes(port), one->space[HGM_SPACE_TILE] + port->offset};
    } else {
      if (!call->leaves[i] && port->elements > 0) return hgm_fail(error, 3, "%s: no array for \"%s\"", p->name, port->name);
      if (!is_finite(port, call->leaves[i])) return hgm_fail(error, 1, "%s holds a number that is not finite; generating needs finite weights", port->name);
    }
  }
  return true;
}

static bool bind_outputs(HgmOne *one, const HgmCall *call, HgmError *error) {
  const HgmProgram *p = one->program;
  for (uint32_t i = 0; i < p->n_outputs; i++) {
    const HgmPort *port = &p->outputs[i];
    if (port->per_event) one->outputs[one->n_outputs++] = (Transfer){i, port->phase, port_bytes(port), one->space[HGM_SPACE_TILE] + port->offset};
    else if (!call->outputs[i] && !(one->discard[i] = take(port_bytes(port)))) return hgm_fail(error, 2, "out of memory");
  }
  return true;
}

static void *address(const HgmOne *one, const HgmCall *call, const HgmPointer *p) {
  switch ((HgmSpace)p->space) {
  case HGM_SPACE_LEAF: return (unsigned char *)(uintptr_t)call->leaves[p->index] + p->offset;
  case HGM_SPACE_OUTPUT: return (unsigned char *)(call->outputs[p->index] ? call->outputs[p->index] : one->discard[p->index]) + p->offset;
  case HGM_SPACE_DATA: return (unsigned char *)(uintptr_t)one->program->data + p->offset;
  case HGM_SPACE_ALL: return one->space[HGM_SPACE_BATCH] + p->offset;
  case HGM_SPACE_TILE:
  case HGM_SPACE_ONCE:
  case HGM_SPACE_BATCH:
  case HGM_SPACE_PARTIAL:
  case HGM_SPACE_CONSTANT: break;
  }
  return one->space[p->space] + p->offset;
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

static bool bind(HgmOne *one, const HgmCall *call, HgmError *error) {
  const HgmProgram *p = one->program;
  if (!take_all(one)) return hgm_fail(error, 2, "out of memory for %s", p->name);
  if (!bind_leaves(one, call, error) || !bind_outputs(one, call, error)) return false;
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
