// Draws as inputs: a function that takes its random numbers from outside.
#ifndef HGM_OPT_LATENT_H
#define HGM_OPT_LATENT_H

#include "compiler/ir/ir.h"

// Each draw of a real number per event becomes the input "latent:KIND:SITE" of its type, KIND normal or uniform. Other draws stay.
IrFn *opt_draws_to_inputs(Arena *arena, const IrFn *fn);

#endif
