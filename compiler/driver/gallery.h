// Watching a game: a fixed grid of generated events as a picture every few epochs (samples/epoch_0010.png in the run directory), and
// what goes wrong in games in words: a generator that draws one event again and again, a critic whose loss runs away.
//
//   if (gallery_is_due(p)) gallery_draw(p, &spread, &error);  …  gallery_close(p);
#ifndef HGM_DRIVER_GALLERY_H
#define HGM_DRIVER_GALLERY_H

#include "compiler/driver/phase.h"

// Of a phase with several blocks and a generator, in its first epoch, its last, and some between.
bool gallery_is_due(const Phase *p);
// spread: how much the events differ from each other, over what the truth does; NaN: not known.
bool gallery_draw(Phase *p, double *spread, HgmError *error);
void gallery_close(Phase *p);
// Takes the pictures of an earlier run away.
bool gallery_clear(const HgmRun *run, HgmError *error);

// What a number says of a game, or NULL. spread: as above. loss: the mean of an epoch, first: of the first epoch.
const char *gallery_collapse(double spread, Arena *arena);
const char *gallery_divergence(const char *loss_name, double first, double loss, Arena *arena);

#endif
