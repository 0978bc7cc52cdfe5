// Metrics of generated events beside truth against truth: of every column and observable, and those that `metrics`, `assert` and
// `watch` name with their arguments.
//
//   Evaluation e = {0};
//   evaluate_model(&e, session, store, dataset, rows, n, &error) && evaluate_listed(&e, &error);  evaluate_print(stdout, &e);
//
// What a model without `generate` is asked looks at the truth alone. All memory is the session arena's.
#ifndef HGM_DRIVER_EVALUATE_H
#define HGM_DRIVER_EVALUATE_H

#include "compiler/driver/generate.h"
#include "compiler/driver/run_files.h"
#include "runtime/metrics.h"
#include "runtime/metrics_rank.h"

typedef struct EvalColumn { // one number of an event: a generated column, one of its elements, or an observable
  const char *name;
  const char *array;    // of an element: the column, whose elements stand side by side; else NULL
  double *truth, *fake; // (n_truth), (n_fake)
  bool observable;
  bool against; // its truth is of its own: (n) numbers with `weights`, or NULL
  int64_t n;
  const double *weights;
  double period; // of an angle; 0: numbers on a line
  HgmDistance distance;
  HgmFloor floor;
} EvalColumn;

typedef struct EvalNumber {
  const char *name;         // "": the metric itself; else a member, or a column
  HgmEstimate value, truth; // NaN: there is none
  bool detail;              // one of many: not for the terminal
} EvalNumber;

typedef struct EvalSeries {
  const char *name;
  const double *x, *y, *error; // (n); error NULL: none
  int64_t n;
  bool is_truth;
} EvalSeries;

typedef struct EvalFigure { // a picture of a metric
  const char *title, *x_title, *y_title;
  double low, high; // of y; low == high: as the numbers are
  bool diagonal;    // the line y = x belongs into it
  VEC(EvalSeries) series;
} EvalFigure;

typedef struct EvalMetric {
  const ModelMetric *model;
  const double *truth[METRIC_MOST_ARGUMENTS], *fake[METRIC_MOST_ARGUMENTS]; // arguments of the events: (n, elements); NULL: none
  int64_t elements[METRIC_MOST_ARGUMENTS];
  const char *beside; // what `truth` of its numbers is; NULL: truth against truth
  const char *note;   // one line for people, or NULL
  VEC(EvalNumber) numbers;
  VEC(EvalFigure) figures;
  bool measured;
} EvalMetric;

typedef struct Evaluation {
  Session *session;
  Store *store;
  const HgmManifest *manifest; // how the training files have the columns; NULL where two files are compared
  const Dataset *dataset;
  Dataset *blocks;      // by data block of the model, for observables `against` another one; NULL: there are none
  const int64_t *rows;  // of the truth, in the tables of the data set
  const Dataset *given; // of a translation: the block that is translated, and rows of it; NULL: the truth's own conditions
  Rows given_rows;
  Tables fake;                     // column:* of the generated events
  const ModelGenerator *generator; // NULL: the truth alone
  VEC(EvalColumn) columns;
  VEC(EvalMetric) metrics; // as ModelEvaluate.metrics
  int64_t n_truth, n_fake;
  const double *weights;    // of the truth, or NULL
  const double *whole;      // numbers of `whole`, by output
  double spearman, pearson; // largest absolute difference of the correlation matrices
  int spearman_pair[2], pearson_pair[2];
  HgmCorrelationFloor correlation_floor;
  double events_per_second, parameters, training_seconds;
  double sampler_bytes; // 0: not asked yet
  const char *run;      // directory with the weights, for what is asked of its sampler; NULL: training goes on
  bool failed;          // a metric could not be computed: the error is in `error`
  HgmError error;
} Evaluation;

// Draws as many events as rows has (their own conditions where something is given), computes columns, observables, and distances of columns.
bool evaluate_model(Evaluation *e, Session *session, Store *store, Dataset *dataset, const int64_t *rows, int64_t n, HgmError *error);
// Every program that evaluate_model runs is bound once and let go, so that the store knows which weights and states they want.
bool evaluate_ask(Session *session, Store *store, const Tables *tables, HgmError *error);
HgmSample evaluate_truth(const Evaluation *e, const EvalColumn *c);
bool evaluate_listed(Evaluation *e, HgmError *error); // measures what `metrics` lists
// Observables are compared with this block and nothing else needs it, so its file may be missing: they are left out then, which is told.
bool evaluate_spares(const Model *model, const ModelData *data);
void evaluate_say_spared(const Model *model, const ModelData *data, const char *option); // option: that would name the file
bool evaluate_correlations(Evaluation *e, Arena *arena, uint64_t seed, HgmError *error); // what they are of the truth against itself
// Columns of n generated events: room for what is generated, of what is not the rows of the truth; and a chunk of events put there, fitted to the columns
// as in a file that is written.
Tables evaluate_tables(const Evaluation *e, const Generation *g, const int64_t *rows, int64_t n);
void evaluate_put(const Evaluation *e, const Generation *g, const Tables *tables, int64_t first, int64_t n);
// How many columns from here on are elements of one array; an array of more than EVALUATE_FEW has a line of its own: the means of theirs.
enum { EVALUATE_FEW = 32 };
size_t evaluate_elements(const Evaluation *e, size_t first);
EvalColumn evaluate_mean(const EvalColumn *elements, size_t n);
bool evaluate_compares(const EvalMetric *m, const EvalNumber *x); // false: there is nothing generated beside the truth
void evaluate_print(FILE *out, const Evaluation *e);
bool evaluate_write_json(const Evaluation *e, const char *path, HgmError *error);
// The number of a place in a formula, for model_formula; data: an Evaluation. Measures what was not measured yet.
bool evaluate_number(void *data, const ModelMetricUse *use, double *value);
// True when every assertion holds; prints those that fail.
bool evaluate_assertions(Evaluation *e, const Session *session);
bool evaluate_metrics(Evaluation *e, Arena *arena, uint64_t seed, HgmError *error); // fills distances from truth and fake

#endif
