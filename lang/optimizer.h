// Optimizers as IR: from a gradient to the new weight and the new memory.
//
//   Optimizer o = {0};  optimizer_find("adam", &o);  o.rate = …;  o.step = optimizer_step(fn, &o, …)
//
// Rates and norms are f64 scalars of the step; weights, gradients and memory have the type of the weight.
#ifndef HGM_OPTIMIZER_H
#define HGM_OPTIMIZER_H

#include "compiler/ir/ir.h"

typedef enum {
#define OPTIMIZER(ENUM, ...) OPTIMIZER_##ENUM,
#include "lang/optimizers.def"
#undef OPTIMIZER
  OPTIMIZER_COUNT
} OptimizerKind;
enum { OPTIMIZER_MAX_SETTINGS = 4, OPTIMIZER_MAX_MEMORY = 2 };

typedef struct OptimizerInfo {
  OptimizerKind kind;
  const char *name, *settings, *memory, *formula;
} OptimizerInfo;
extern const OptimizerInfo optimizer_info[OPTIMIZER_COUNT];

typedef struct OptimizerSetting {
  const char *name;
  double value[2];
  int numbers;
} OptimizerSetting; // betas: 2 numbers
typedef struct Optimizer {
  const OptimizerInfo *info;
  OptimizerSetting setting[OPTIMIZER_MAX_SETTINGS];
  int settings;
} Optimizer;

// With the defaults; false: no such optimizer.
bool optimizer_find(Arena *arena, const char *name, Optimizer *out);
const char *optimizer_nearest(const char *name);
OptimizerSetting *optimizer_setting(Optimizer *optimizer, const char *name); // NULL: has none of this name
// How many arrays it remembers a weight (their names in `names`); needs_count: it counts its steps.
int optimizer_memory(Arena *arena, const Optimizer *optimizer, const char *names[OPTIMIZER_MAX_MEMORY]);
bool optimizer_counts(const Optimizer *optimizer);

typedef struct OptimizerStep {
  IrRef weight, memory[OPTIMIZER_MAX_MEMORY];
} OptimizerStep;
// count: this step's number from 1 (f64 scalar), IR_NONE when it does not count. rate: f64 scalar.
OptimizerStep optimizer_step(IrFn *fn, const Optimizer *optimizer, IrRef weight, IrRef gradient, const IrRef *memory, IrRef rate, IrRef count);

// Euclidean norm over n gradients, f64 scalar, and the factor min(1, most / (norm + 1e-6)) that `clip(most)` scales by.
IrRef gradient_norm(IrFn *fn, const IrRef *gradients, size_t n);
IrRef gradient_clip(IrFn *fn, IrRef norm, double most);
IrRef scaled(IrFn *fn, IrRef array, IrRef factor); // factor: f64 scalar, cast to the array's type

#endif
