// Optimisation: each pass takes a function and gives a new one with the same outputs: `dce` and `cse` to the bit, `fold` but for what fold.c
// names, the others up to rounding. The verifier runs behind the last, after each where a trace is asked for.
#ifndef HGM_OPT_H
#define HGM_OPT_H

#include "compiler/ir/ir.h"

// PASS(name, "what it does") rows of passes.def; --list-passes prints them, --dump-after=NAME stops by name.
typedef IrFn *OptPass(Arena *arena, const IrFn *fn);
typedef struct OptPassInfo {
  const char *name, *help;
  OptPass *run;
} OptPassInfo;
extern const OptPassInfo opt_passes[];
extern const int opt_pass_count;

OptPass opt_dce; // also alone, where a function is evaluated as it was built
// All passes in order; trace (may be NULL) is called after each with its result.
typedef void OptTrace(void *data, const char *pass, const IrFn *fn);
IrFn *opt_run(Arena *arena, const IrFn *fn, OptTrace *trace, void *data);

#endif
