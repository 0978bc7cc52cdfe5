// Reverse-mode differentiation, IR -> IR, closed under itself.
//
//   IrRef g[2];  ad_gradient(fn, loss, IR_NONE, wrt, 2, g);
//
// Appends to fn the adjoints of y (seeded with `seed`, or with ones when IR_NONE) with respect to each of wrt, which may
// be leaves or intermediate values. g[i] has the type of wrt[i]; it is IR_NONE where y does not depend on wrt[i] through
// anything that has a derivative. What ad_gradient appends consists of ops of the list, so it can be differentiated again.
#ifndef HGM_AD_H
#define HGM_AD_H

#include "compiler/ir/ir.h"

// False: an op on the path has no derivative that is known (trigamma); *refused is that value.
bool ad_gradient(IrFn *fn, IrRef y, IrRef seed, const IrRef *wrt, uint32_t n, IrRef *g, IrRef *refused);

// Values that count as constants, whatever they were made of.
typedef struct AdHeld {
  const IrRef *at;
  size_t n;
} AdHeld;
// The gradient of a number y without the paths through held values.
bool ad_partial(IrFn *fn, IrRef y, const IrRef *wrt, uint32_t n, AdHeld held, IrRef *g, IrRef *refused);
// What makes y of an event depend on x of other events along such paths: a sum over events or the other event of a pair; IR_NONE: nothing.
IrRef ad_couples(const IrFn *fn, IrRef y, IrRef x, AdHeld held);

// Does y depend on x through values with derivatives (and if not, at all)?
typedef enum { AD_INDEPENDENT, AD_BLOCKED, AD_SMOOTH } AdPath; // BLOCKED: only through ops without derivative; *by is one
AdPath ad_path(const IrFn *fn, IrRef y, IrRef x, IrRef *by);

#endif
