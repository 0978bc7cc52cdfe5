// One function a verb: does it and gives the exit code (0 done, 1 the user's program or data, 2 the environment, 3 internal).
#ifndef HGM_DRIVER_VERBS_H
#define HGM_DRIVER_VERBS_H

#include "compiler/driver/options.h"

int verb_run(const Options *options);
int verb_sample(const Options *options);
int verb_score(const Options *options);
int verb_eval(const Options *options);
int verb_build(const Options *options);
int verb_check(const Options *options);
int verb_show(const Options *options);
int verb_inspect(const Options *options);
int verb_bench(const Options *options);
int verb_tune(const Options *options);
int verb_diff(const Options *options);
int verb_lock(const Options *options);
int verb_explain(const Options *options);
int verb_selftest(const Options *options);

#endif
