// From a function to a program that runs: out of the cache, or optimised and compiled; at once, or in a thread of its own
// while the session does other things.
//
//   session_compile_ahead(session, step, 128, 0);  ... read and prepare data ...  program = session_compile(session, step, 128, 0);
//
// A compilation ahead shares nothing with the session but what neither changes: the function and where the cache lies.
#ifndef HGM_DRIVER_COMPILING_H
#define HGM_DRIVER_COMPILING_H

#include "compiler/driver/session.h"

// Honours --time-passes and --dump. tile: events of a tile; batch: of a call, about (codegen.h). Waits for a compilation ahead of the same function.
HgmProgram *session_compile(Session *session, const IrFn *fn, uint32_t tile, uint64_t batch);
void session_compile_ahead(Session *session, const IrFn *fn, uint32_t tile, uint64_t batch);
void session_drop_ahead(Session *session); // waits for those that nobody wanted
void session_print_times(const Session *session);

#endif
