// The order of the passes, and the check after each.
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
IrFn *opt_run(Arena *arena, const IrFn *fn, void (*trace)(void *data, const char *pass, const IrFn *fn), void *data) {
  Arena *previous = NULL;
  IrFn *result = NULL;
  for (int i = 0; i < STEPS; i++) {
    Arena *own = i + 1 < STEPS ? arena_create() : arena;
    result = find(order[i])->run(own, i ? result : fn);
    const char *broken = ir_verify(result, own);
    if (broken) ir_fail("pass '%s' broke \"%s\": %s", order[i], fn->name, broken);
    if (trace) trace(data, order[i], result);
    if (previous) arena_destroy(previous);
    previous = own;
  }
  return result;
}
