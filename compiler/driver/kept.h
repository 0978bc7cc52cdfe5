// Models kept on disk from one run to the next, so that a run of the same program does not read it again.
//
//   session->kept = kept_open(session, &options);      where a model lies that may be kept; NULL: in the session's arena
//   if (!kept_find(session, &options)) session->model = model_load(kept_arena(session), ...);
//   ... kept_keep(session);                            when nobody waits
//
// A model is what lies in its arena: the arena is memory at a place of its own, the same in every process, and a file is that memory. So
// nothing is said here about what a model is. What has to be true instead: a pointer in it leads to the arena or to what is constant in this
// very hgmc, which is linked to run at a fixed place (a miss where it is not). kept_keep looks at every word and keeps nothing where that is not so.
#ifndef HGM_DRIVER_KEPT_H
#define HGM_DRIVER_KEPT_H

#include "compiler/driver/session.h"

Kept *kept_open(const Session *session, const ModelOptions *options); // NULL: nothing is kept
// Fills the session's model, sources and diagnostics. False: a miss. Everything that options say and every file that was read is as it was.
bool kept_find(Session *session, const ModelOptions *options);
Arena *kept_arena(const Session *session); // for the model, its sources and diagnostics
Arena *kept_work(const Session *session);  // for what is of no use once the model is there, and is not kept; NULL: not here
// The model is there. Its work is gone, and whoever still looks at it ends in SIGSEGV; the run that takes the model would read zeros.
void kept_work_done(const Session *session);
// The session's model, once, if it was read without errors. Not a model that uses trained runs, or that gets the size of a buffer later.
void kept_keep(Session *session);
void kept_close(Session *session); // the model is gone

#endif
