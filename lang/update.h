// Inside the update blocks of a train block: what is minimized, what moves, and how.
//
//   Loss loss = loss_read(b, scope, u);  With with;  with_read(b, scope, u, &with);
//   Moves moves;  step_gradients(e, u, &targets, loss_total(e, &loss), &moves) && step_weights(e, phase, &with, &moves)
//
// Weights and optimizer memory are read as they *stand* in the scene (elab.h): leaves of the program, or values that an
// unrolled step has put in their place.
#ifndef HGM_UPDATE_H
#define HGM_UPDATE_H

#include "lang/block.h"
#include "lang/optimizer.h"

// ---- the loss (update_loss.c)
typedef struct LossPart {
  const ModelData *data; // of the events it is about; NULL: draws alone
  IrRef per_event;       // f64 [e], weighted
  IrRef weight;          // f64 [e] of the data; IR_NONE: ones
} LossPart;
typedef struct Loss {
  VEC(LossPart) parts; // one a data block
  IrRef per_step;      // f64 scalar; IR_NONE: none
  bool given, bad;
} Loss;
Loss loss_read(Blocks *b, Scope *scope, const AstUpdate *u); // statements and minimize lines; loss-shape, loss-missing
IrRef loss_total(Elab *e, const Loss *loss);                 // weighted mean over the batch plus what is of the step, f64 scalar
IrRef sum_events(IrFn *fn, IrRef x);

// ---- with (update_with.c)
typedef struct With {
  Optimizer optimizer;
  const AstExpr *written;                // the optimizer as written
  IrRef rate;                            // f64 scalar
  const AstExpr *still;                  // as written, where it is 0 at every step; NULL: it moves something
  double clip, decay, clip_weights, ema; // 0: none
} With;
bool with_read(Blocks *b, Scope *scope, const AstUpdate *u, With *with);

// ---- the step (update_step.c)
typedef struct Target {
  const char *path, *name;
  Span span;
} Target;
typedef VEC(Target) Targets;
Targets targets_read(Blocks *b, Scope *scope, const AstUpdate *u);
bool target_owns(const Target *t, const char *weight);
// optimizer-two: within a train block a net keeps one optimizer.
void targets_one_optimizer(Elab *e, const TrainScope *t, const Targets *targets, const With *with);

typedef struct Move {
  const ModelWeight *weight;
  IrRef value, gradient;
  const char *owner; // path of the target
} Move;
typedef VEC(Move) Moves;
// Gradients of the loss for all weights of the targets; only those that the loss depends on stay in `moves`.
bool step_gradients(Elab *e, const AstUpdate *u, const Targets *targets, IrRef loss, Moves *moves);
// New weights and memory. unrolled: they stand in the scene from now on; else they are the program's `set:` outputs.
typedef struct StepPlace {
  ModelPhase *phase;
  const char *norm; // name of the output for the gradient's norm; NULL: only what clipping needs, no output
  bool unrolled;
} StepPlace;
void step_weights(Elab *e, const StepPlace *place, const With *with, const Moves *moves);

// ---- several blocks as one program, once each has one (update_join.c)
void updates_at_once(Blocks *b, ModelPhase *phase, const TrainScope *t); // `simultaneous`
void updates_in_common(Elab *e, ModelPhase *phase);                      // neighbours that compute the same products and may go together

#endif
