// Metrics of generated events beside truth against truth, per column and observable; assertions.
#ifndef HGM_DRIVER_EVALUATE_H
#define HGM_DRIVER_EVALUATE_H

#include "compiler/driver/generate.h"
#include "compiler/driver/run_files.h"
#include "runtime/metrics.h"

typedef struct EvalColumn { // one number of an event: a generated column, one of its elements, or an observable
  const char *name;
  double *truth, *fake; // (n_truth), (n_fake)
  HgmDistance distance;
  HgmFloor floor;
} EvalColumn;

typedef struct Evaluation {
  VEC(EvalColumn) columns;
  int64_t n_truth, n_fake;
  const double *weights;    // of the truth, or NULL
  double spearman, pearson; // largest absolute difference of the correlation matrices
  int spearman_pair[2], pearson_pair[2];
  double events_per_second, parameters, training_seconds;
} Evaluation;

// Draws as many events as rows has (their own conditions where something is given), computes columns, observables, metrics.
bool evaluate_model(Evaluation *e, Session *session, Store *store, Dataset *dataset, const int64_t *rows, int64_t n, HgmError *error);
void evaluate_print(FILE *out, const Evaluation *e);
bool evaluate_write_json(const Evaluation *e, const char *path, HgmError *error);
// The number of a metric, for model_formula; data: an Evaluation.
bool evaluate_number(void *data, const char *name, const char *member, double *value);
// True when every assertion holds; prints those that fail.
bool evaluate_assertions(const Evaluation *e, const Session *session);
bool evaluate_metrics(Evaluation *e, Arena *arena, uint64_t seed, HgmError *error); // fills distances from truth and fake

#endif
