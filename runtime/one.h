// One event a call: a program that was compiled for single events (tile 1), with everything that does not depend on the event
// done beforehand. A call allocates nothing, takes no lock and wakes no thread; it gives the bits that hgm_execute gives that event.
//
//   HgmOne *one = hgm_one_create(program, &call, &error);        weights bound, constants computed
//   hgm_one_run(one, inputs, outputs, event);  ...               from one thread at a time; several handles share program and weights
//   hgm_one_destroy(one);
#ifndef HGM_ONE_H
#define HGM_ONE_H

#include "runtime/program.h"

typedef struct HgmOne HgmOne;

// Of the call: leaves without events (their arrays must outlive the handle), outputs without events (NULL: not wanted), seed, pass.
// Fails where the program needs several events at a time, an array is missing, or a parameter holds a number that is not finite.
HgmOne *hgm_one_create(const HgmProgram *program, const HgmCall *call, HgmError *error);
// inputs: by leaf, the event's numbers (of leaves without events nothing is read); outputs: by output, where the event's numbers go
// (NULL: not wanted; those without events are written where the create call said). event: its identity for draws.
void hgm_one_run(HgmOne *one, const void *const *inputs, void *const *outputs, int64_t event);
void hgm_one_seed(HgmOne *one, uint64_t seed); // of the calls to come
void hgm_one_pass(HgmOne *one, uint32_t pass); // likewise
void hgm_one_destroy(HgmOne *one);

// A handle of its own for a thread, in memory of the caller's, of hgm_one_place_bytes, which need not be cleared. It shares constants and
// weights with `one`, which must live as long; nothing is to be freed. Its seed is to be set.
uint64_t hgm_one_place_bytes(const HgmOne *one);
HgmOne *hgm_one_place(const HgmOne *one, void *memory);

#endif
