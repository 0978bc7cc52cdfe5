// The order of the passes, and the check behind them.
#include "compiler/opt/opt.h"

#include <string.h>

#define PASS(NAME, HELP) OptPass opt_##NAME;
#include "compiler/opt/passes.def"
#undef PASS

const OptPassInfo opt_passes[] = {
#define PASS(NAME, HELP) {#NAME, HELP, opt_##NAME},
#include "compiler/opt/passes.def"
#undef PASS
};
const int opt_pass_count = sizeof opt_passes / sizeof *opt_passes;

// Fold makes algebra's patterns visible, algebra leaves sums to fold; cse before associate, which counts uses. fuse_fma
// comes late: it hides products from algebra.
static const char *const order[] = {"dce",  "fold", "cse",       "algebra",    "fold",     "cse", "algebra",
                                    "fold", "cse",  "associate", "reciprocal", "fuse_fma", "cse", "dce"};
enum { STEPS = sizeof order / sizeof *order };

static const OptPassInfo *find(const char *name) {
  for (int i = 0; i < opt_pass_count; i++) {
    if (strcmp(opt_passes[i].name, name) == 0) return &opt_passes[i];
  }
  ir_fail("no pass is called '%s'", name);
}

// Results between passes live in an arena each, freed when the next stands; the last is in the caller's.
static IrFn *run(Arena *arena, const IrFn *fn, bool checks_each, OptTrace *trace, void *data) {
  Arena *previous = NULL;
  IrFn *result = NULL;
  for (int i = 0; i < STEPS; i++) {
    Arena *own = i + 1 < STEPS ? arena_create() : arena;
    result = find(order[i])->run(own, i ? result : fn);
    const char *broken = checks_each ? ir_verify(result, own) : NULL;
    if (broken) ir_fail("pass '%s' broke \"%s\": %s", order[i], fn->name, broken);
    if (trace) trace(data, order[i], result);
    if (previous) arena_destroy(previous);
    previous = own;
  }
  return result;
}

// A check after each pass costs more than half of what they all do: only where the end is broken is it made, to find which of them it was.
IrFn *opt_run(Arena *arena, const IrFn *fn, OptTrace *trace, void *data) {
  IrFn *result = run(arena, fn, trace != NULL, trace, data);
  const char *broken = ir_verify(result, arena);
  if (broken == NULL) return result;
  run(arena, fn, true, NULL, NULL);
  ir_fail("the passes broke \"%s\": %s", fn->name, broken);
}
