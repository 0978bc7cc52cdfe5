// A fitted value while the file is elaborated: `fit memory = collect(encoder(x))`. What it is for: drawn from, applied, or a number.
//
// The estimate's program and states are made when the fit is first read or when its place in the file comes (block_fit.c); its
// states are leaves `fit:NAME.WHAT` of every program that uses it (elab_fit.c).
#ifndef HGM_FIT_H
#define HGM_FIT_H

#include "lang/elab.h"

typedef enum { FIT_DRAW, FIT_APPLY, FIT_NUMBER } FitWay;
typedef struct EstimatorInfo {
  const char *name, *setting;
  double usual, least;
  FitWay way;
  const char *function, *members, *what;
} EstimatorInfo;

typedef struct Fit {
  const AstDecl *decl;
  Scope *scope;
  const char *name;
  int64_t number; // among the fits of the program
  const EstimatorInfo *info;
  ModelEstimate *model; // NULL: not made yet, or reported
  Value *like;          // the value whose numbers are estimated, for its shape and types
  bool making, bad;
  bool stands, reached; // it is a block of the program that runs; its place in the file has come
} Fit;

const EstimatorInfo *estimator_find(const char *name, ModelEstimateKind *kind); // NULL: none of that name
const char *estimators_text(Arena *arena);                                      // all names, for messages
// The numbers of a value in one row, classes as one number each; poison where something has none.
Value *fit_numbers(Elab *e, Value *v, bool classes, Span span);
// A value like `like` with those numbers.
Value *fit_value(Elab *e, const Value *like, Value *numbers, Span span);

#endif
