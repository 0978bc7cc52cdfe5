// The typed model: what the elaborator makes of a checked file, and all that the driver needs of it.
// Programs are IR functions (compiler/ir); leaves and outputs meet by name. `real` is f32, or f64 with --precision f64.
//
// Names of leaves and outputs:
//   column:NAME          input   a raw column of the file, f64 [e] or [e, shape]; NAME as in ModelColumn.name
//   prep:FIELD           input   the part of a field's preparation that needs no draw, real [e, ...] (output of `prepare`)
//   weight:DATA          input   event weight, real [e], rescaled to mean 1 on the training split (1 where the data have none)
//   stat:FIELD.N.WHAT    state   fitted statistic of a preparation, f64;  order:DATA.COLUMN  see ModelColumn.order
//   fit:NAME.WHAT        state   of a `fit`
//   WEIGHT (response.step_1.l …)  param   real
//   WEIGHT.adam.m …      state   optimizer memory, real
//   step epoch progress  counter f64 scalars;  batch_size: number of events of this batch, f64 scalar
//   loss loss_2 …        output  f64 scalar: weighted mean over the batch; of several blocks in one program
//   set:LEAF             output  new value of a param or state
//   out:COLUMN           output  f64 [e, ...]: a generated column in physical units
//   where                output  i32 [e]: of a generator with `where`; 0: to be drawn again
//   score:NAME           output  f64 [e]
//   observable:NAME      output  f64 [e]
//   measured:K           input   f64 [e]: ModelMeasured, of the observables and of `whole`
//   metric:K.I           output  f64 [e] or [e, n]: argument I of metric K, beside the observables
//   whole:K              output  f64 scalar: a number of all events, in a formula of metrics
#ifndef HGM_MODEL_H
#define HGM_MODEL_H

#include "compiler/ir/ir.h"
#include "lang/ast.h"
#include "lang/metric.h"

// What `hgmc tune` may try for a param.
typedef struct ModelTune {
  bool whole, log;  // of a range: whole numbers; logarithmic
  double low, high; // of a range, both included
  Strings choices;  // as text; none: a range
  bool active;      // its `when` holds with the params as they are; true without one
} ModelTune;
typedef struct ModelParam {
  const char *name, *value, *doc;
  Span span;
  bool turned;
  const ModelTune *tune; // NULL: not tuned
} ModelParam;            // value as text

typedef enum { COLUMN_REAL, COLUMN_INTEGER, COLUMN_CATEGORY, COLUMN_TEXT_CATEGORY } ModelColumnKind;
enum { MODEL_COLUMN_AXES = 4 }; // at most, as readers and writers have it
typedef struct ModelColumn {
  const char *name;  // as in the file: "Jet_pt", "layer_0"
  const char *group; // data … from "group", or NULL
  bool which_group;  // of data from several groups: the place of the row's group among them; in no file
  int rank;
  int64_t shape[MODEL_COLUMN_AXES]; // of one event; rank 0: a number
  bool of_set;                      // places and components: one number of it means nothing
  int64_t told_by;                  // OF_SET: the component that says which places are taken
  ModelColumnKind kind;
  VEC(double) values; // CATEGORY: the listed values (the column holds these; generated columns too)
  Strings texts;      // TEXT_CATEGORY: values are 0.. in this order
  const char *unit;   // declared; of a run that is opened again else the training file's (runtime/units.def); or NULL
  const char *meets;  // unit of what it meets in a formula or a cut: without one of its own it is read in that, where the file has it in one of that dimension
  const char *order;  // four-vectors: state, f64: where e px py pz stand, then what stands at 0 1 2 3; what tells of a set keeps its place; else NULL
  double half_turn;   // an angle: it lies from minus this to this, in the column's unit, others are wrapped; 0: no angle
  double period;      // of an angle, or of the column that a difference of angles is undone to; 0: numbers on a line
  bool has_chain;     // a field prepares it: `missing` may stand there
  bool allows_nan;    // under missing(nan …): NaN is no error
  double missing;
  bool has_missing; // declared sentinel: no warning
  Span span;
} ModelColumn;

// One fitted statistic: run `fn`, take output `output` over the training split, compute, store in the states.
// States: .mean .std | .scale | .low .high, each [n] | .mean [n] .unmix .mix [n, n] .log_det [1] | .knots [n, q + 1]
typedef enum { FIT_MEAN_STD, FIT_MAXABS, FIT_MINMAX, FIT_WHITEN, FIT_QUANTILES } ModelFitKind;
typedef struct ModelFit {
  ModelFitKind kind;
  const char *output;
  const char *states[4];
  int64_t lengths[4];
  int64_t n;
  int64_t times; // so often has the output n numbers: a set's elements
  bool some;     // NaN marks rows that do not take part
  const char *field;
  Span span;
  const char *const *columns;
} ModelFit;
typedef struct ModelFitRound {
  IrFn *fn;
  VEC(ModelFit) fits;
} ModelFitRound; // rounds in order: later ones use earlier statistics

// What a step of a chain takes: low < x < high, or low <= x <= high where closed. Looked at when a preparation gives no number; where the
// step clips, whenever rows are prepared, to count what it changes.
typedef struct ModelDomain {
  IrFn *operand;            // column:* and fitted states -> output "operand", f64 [e, ...]
  const char *field, *step; // gen.pt, log
  double low, high;
  bool closed;
  bool clips; // values outside are used, as low or high
  bool sums;  // the last number of an event is the sum of the others
} ModelDomain;

// The conditions of a `where`, which all have to hold. Run only where no event is left, to say which of them it was.
typedef struct ModelCutSide {
  const char *text, *unit, *output; // output: f64 [e]; NULL: a number that is written there
} ModelCutSide;
typedef struct ModelCut {
  const char *text, *output; // gen.pt > 15 GeV; output: i32 [e]
  ModelCutSide sides[2];     // of a comparison
} ModelCut;
typedef struct ModelCuts {
  IrFn *fn;
  VEC(ModelCut) all;
} ModelCuts;

typedef struct ModelField {
  const char *name; // gen.pt
  int64_t elements; // prepared numbers
  const char *text; // the chain as written, for show
  Span span;
} ModelField;

typedef struct ModelData {
  const char *name;
  Strings groups; // data … from "{a,b}": the rows of each, one group behind the other; empty: as the columns say
  VEC(ModelColumn) columns;
  VEC(ModelField) fields;
  VEC(ModelFitRound) rounds;
  IrFn *prepare;           // column:* -> prep:*, weight (if any: output "weight"), output "keep" (bool as i32 [e]; absent: keep all)
  ModelCuts cuts;          // what `keep` is made of; none: fn NULL
  VEC(ModelDomain) limits; // of steps that take not every number, and of those that clip
  IrFn *simulate;          // of a block without columns: outputs column:NAME of its fields; else NULL
  bool has_weight;
  double split[3];
  bool has_split;
  Span span;
} ModelData;

typedef struct ModelWeight { // one array of a net or flow
  const char *name, *owner;  // owner: the net or flow that `update` names
  IrType type;
  IrFn *init; // output "value" of that type: how it begins; draws keyed by its name
  bool fixed; // `fixed`: never trained
  Span span;
} ModelWeight;

typedef struct ModelState { // optimizer memory and the like
  const char *name;
  IrType type;
  double start;
  const char *like; // the weight whose average over steps this is: it begins as that weight; NULL: another state
} ModelState;

// What a `fit` estimates over the training split of `data`: `fn` gives the output "value" f64 [e, n] of each event, and its states are
// computed from all of them, before the train block `phase` (those behind the last: phases.len). lang/estimators.def says what is what.
typedef enum {
#define ESTIMATOR(ENUM, ...) ESTIMATE_##ENUM,
#include "lang/estimators.def"
#undef ESTIMATOR
} ModelEstimateKind;
typedef struct ModelEstimate {
  ModelEstimateKind kind;
  const char *name;
  IrFn *fn;
  const ModelData *data;
  int64_t n;
  double setting; // width, or how many axes, intervals, parts, knots
  VEC(ModelState) states;
  size_t phase;
  Span span;
} ModelEstimate;

typedef struct ModelLoss {
  const char *name;          // what the block updates: "critic", "encoder, decoder"
  const char *output, *norm; // outputs of the step; norm: of the gradient, NULL: not asked for
  const char *accuracy;      // share of right answers, NULL: nothing is judged
  Span span;
} ModelLoss;

typedef struct ModelUpdate ModelUpdate;
struct ModelUpdate {
  Strings targets;
  VEC(ModelLoss) losses;  // one; of several blocks in one program one each
  IrFn *step;             // loss, grad_norm, set:*
  double repeat;          // how often in a step, where that is known now
  IrFn *control;          // outputs `repeat` and `when` where they change from step to step, f64 scalars; NULL: neither does
  VEC(ModelUpdate) parts; // of several blocks that move in turn: what each is alone
  Span span;
};

typedef struct ModelSelection {
  const ModelData *data;
  IrFn *keep; // column:* -> output `keep`, i32 [e]: a phase's `where`
  ModelCuts cuts;
} ModelSelection;

typedef struct ModelPlateau {
  const char *state; // f64 [2]: how often the rate fell, and epochs since the last gain or fall
  int64_t patience;  // so many epochs without a gain are borne
} ModelPlateau;

typedef struct ModelPhase {
  const char *name;               // train, train2, …
  VEC(const ModelData *) data;    // that it reads; none: draws only
  VEC(ModelSelection) selections; // only events for which all of their block say `keep`
  VEC(ModelUpdate) updates;
  VEC(ModelState) states;                                  // started anew with the phase
  IrFn *validate;                                          // outputs loss (sum of w * loss over events, f64) and weight (sum of w), one update block; else NULL
  int64_t batch, epochs, steps, steps_per_epoch, patience; // 0: not given
  const AstExpr *watch;                                    // formula of metrics and losses that says which epoch is best; NULL: the validation loss
  int64_t watch_every;                                     // epochs, or steps where the phase counts in steps; 0: each epoch
  VEC(ModelPlateau) plateaus;
  bool keep_last;
  bool normalises; // over the batch, of which there have to be two events
  Span span;
} ModelPhase;

typedef struct ModelOutput {
  const char *column;
  const ModelColumn *like;
  bool given;
  bool extra; // no field of the data: written as it is, no metric looks at it
} ModelOutput;
typedef struct ModelGenerator {
  const char *name; // "" when not named
  IrFn *fn;         // inputs: column:* of the given fields; outputs out:*
  VEC(ModelOutput) outputs;
  VEC(const ModelColumn *) given;
  bool real_events;                   // uses a field that is given
  const ModelData *data, *given_data; // the block whose fields it writes, and reads; NULL: none
  bool has_where;                     // output `where`
} ModelGenerator;

// A metric with its arguments, one for each way in which it is written. Argument i has a number or an output.
typedef struct ModelMetric {
  MetricKind kind;
  const char *text;                           // as written, without a member: "roc(reco.btag, gen.flavour == 5)"
  const char *outputs[METRIC_MOST_ARGUMENTS]; // of the program `observables`, f64 [e, …]; NULL: a number, or left out
  double numbers[METRIC_MOST_ARGUMENTS];
  const char *texts[METRIC_MOST_ARGUMENTS]; // of the arguments, as written; NULL: left out
  Strings classes;                          // names of a class argument's values
  Strings components;                       // names of a record argument's numbers: pt, frac[0], …; empty: it is no record
  bool listed;                              // stands in `metrics`, not only in a formula
  bool generated;                           // each column that it reads is generated or given: it can look at generated events
  Span span;
} ModelMetric;

// A place in a formula that is looked up: `roc(score, truth).rejection(0.3)`, `ks.pt`, `parameters`, `mean(batch(x))`.
typedef struct ModelMetricUse {
  const AstExpr *expr;
  const ModelMetric *metric; // NULL: `output`, or a number known now
  AstName member;            // text NULL: none
  double at;                 // the number of `rejection(0.3)`
  const char *output;        // of the program `whole`; NULL: none
  double number;
} ModelMetricUse;
// A number of the event that an algorithm of the runtime finds: the N-subjettiness of an image.
typedef struct ModelMeasured {
  const char *leaf;   // measured:K: an input, f64 [e], of
  const IrFn *reader; // a program of `evaluate`, in which
  IrRef of;           // is the image;
  IrFn *argument;     // column:* -> argument, f64 [e, rows, columns, ...]: the same image
  int rows, columns, axes;
  double reach;
} ModelMeasured;
enum { MODEL_MOST_BINS = 200 }; // of an observable's histogram
typedef struct ModelObservable {
  const char *name, *label, *unit;
  double low, high;
  double period; // of an angle; 0: numbers on a line
  bool has_range, log;
  int bins;                 // 0: not said
  const ModelData *against; // compared with events of this block instead of those that the generator imitates; NULL: not
  IrFn *law;                // compared with what this draws: output observable:NAME; NULL: not
  Span against_span;
} ModelObservable;
typedef struct ModelEvaluate {
  IrFn *observables; // column:* -> observable:*; run on the truth and on generated events alike; NULL: none
  VEC(ModelObservable) list;
  IrFn *whole; // column:* of all generated events at once -> whole:*; NULL: none
  VEC(ModelMetric *) metrics;
  VEC(ModelMetricUse) uses; // of all asserts and watches
  VEC(const AstExpr *) asserts;
  int64_t events; // 0: as many as the test split has
  int64_t batch;  // > 0: `observables` looks at a batch of so many events, as scores do (score_batch); 0: each event is alone
  bool declared;  // false: there is no such block, only a `watch`
} ModelEvaluate;

// A bijection to be tried on points (`check --test`). Inputs x, context, setting:NAME; outputs log_det [e], back and back_log_det where
// it has an inverse, row_0, row_1, … of the Jacobian.
typedef struct ModelTrial {
  const char *name;
  IrFn *fn;
  int64_t n;            // numbers of x
  const bool *circular; // which are angles, by the last axis; NULL: none
  bool has_rows;
  Span span, use; // where it is declared, and used by the file
} ModelTrial;

typedef struct ModelSource {
  const char *path, *text;
  Span use;    // where a `use` names it
} ModelSource; // every file read that is not of the library

typedef VEC(ModelSource) ModelSources;

typedef struct ModelRead { // a file that was looked for
  const char *path, *text; // text NULL: not there
  size_t len;
  unsigned long long identity; // of the file; 0: whichever has that path
} ModelRead;
typedef VEC(struct ModelSet { const char *name, *value; }) ModelSets;

// `use trained "runs/teacher" as teacher`: what the run was made of. Its weight encoder.w is teacher.encoder.w of this model, its
// state stat:x.1.mean is stat:teacher.x.1.mean. A run that it used as `first` is teacher.first.
typedef struct ModelTrained {
  const char *prefix, *path;        // path as written
  Span use;                         // where
  const struct ModelTrained *outer; // the run that uses it, has all of its arrays and says what it was made of; NULL: this program uses it
  const char *root;                 // path of its model file
  ModelSources files;               // its saved sources
  ModelSets sets;                   // params that it turned
  uint64_t seed;
  const char *sum;       // SHA-256 of its model.h5 in hexadecimal
  const char *directory; // where its weights are; NULL: they are in this model's own file
} ModelTrained;

// Something of the program as it is written: the body of a net, a cut, what a block says. Two programs are compared by them.
typedef struct ModelPart {
  const char *kind, *name; // "net" "encode"; "data" "jets: where"
  Span span;
} ModelPart;

typedef struct Model {
  Arena *arena;
  const Sources *sources;
  const char *path, *doc;
  uint64_t seed;
  IrDtype real;
  VEC(ModelParam) params;
  VEC(ModelData *) data;
  VEC(ModelWeight) weights;
  VEC(ModelPhase *) phases;
  VEC(ModelEstimate *) estimates; // in the order in which they are made
  VEC(ModelEstimate *) kept;      // of trained runs: made there
  VEC(ModelTrained *) trained;
  VEC(ModelGenerator *) generators;
  IrFn *score; // column:* -> score:*; NULL: no score block
  ModelData *score_data;
  int64_t score_batch;         // > 0: scores look at their batch, of so many events that follow each other; 0: each event is alone
  VEC(ModelMeasured) measured; // that programs of `evaluate` read
  ModelEvaluate *evaluate;     // NULL: no block and no `watch`
  ModelSources files;
  VEC(ModelRead) reads;  // all files but the one whose text was handed in (ModelOptions.text)
  const char *library;   // the standard library's folder, NULL: none
  Strings library_names; // its files
  VEC(ModelTrial *) trials;
  VEC(ModelPart) parts; // what has no place of its own above
} Model;

typedef struct ModelOptions {
  const char *path;   // the file
  const char *text;   // its text when not NULL (standard input, a run's saved source)
  size_t text_bytes;  // 0: up to the first NUL
  const char *stdlib; // directory of the standard library
  const char *search; // HGM_PATH or NULL
  ModelSources files; // a run's saved files: looked up by path before the file system
  ModelSets sets;     // --set name=value
  // fills what a trained run is of its prefix, path (seen from a folder) and outer run; false: `problem` says why. NULL: runs are not opened
  bool (*trained)(void *context, Arena *arena, ModelTrained *run, const char *folder, const char **problem);
  void *trained_context;
  // The first train block's updates are there and nothing wrong was found so far: its steps may be compiled while the rest is read. NULL: not wanted.
  void (*phase_read)(void *context, const Model *model, const ModelPhase *phase);
  void *phase_context;
  uint64_t seed; // fixed draws (permutations) depend on it
  IrDtype real;
  bool trials;                                                 // make programs that try bijections
  Arena *work;                                                 // for what is of no use afterwards; NULL: one that goes when the model is there
  void (*checksum)(const void *data, size_t n, char text[65]); // SHA-256 in hexadecimal, for `pin`
} ModelOptions;

// Parses, resolves, checks and elaborates everything, so that every error of the file is in diags. NULL only when there are errors.
// Nothing in it, sources and diags points to memory outside of the arena, or to `options`.
Model *model_load(Arena *arena, Sources *sources, Diags *diags, const ModelOptions *options);
bool model_reads_same(const Model *model);                      // the files that it was made of are as they were, and those that were not there are not
int p4_component(const char *name);                             // by the last word of a column's name: e 0, px 1, py 2, pz 3; -1: none of them
size_t model_data_index(const Model *m, const ModelData *data); // its place in m->data; 0 for NULL
// Value of an assertion or `watch`, a formula of metrics: lookup gives the number of a place in it. False: `unknown` is not there.
bool model_formula_function(const char *name, size_t arguments); // abs, max …: a function that formulas may apply to metrics
typedef bool ModelLookup(void *data, const ModelMetricUse *use, double *value);
bool model_formula(const ModelEvaluate *evaluate, const AstExpr *expr, ModelLookup *lookup, void *data, double *result, const char **unknown);
// A buffer has as many rows as the training split: known when the data are read, before a program that uses it is compiled. Until then
// the axis of the k-th fit has an extent that nothing else has, so that it is found in all programs.
enum { MODEL_ROWS_UNKNOWN = 0x5f17000 };
const ModelState *model_buffer(const ModelEstimate *estimate);               // the state that is such a buffer; NULL: none
void model_size_buffer(Model *model, ModelEstimate *estimate, int64_t rows); // in all programs
bool model_reads_buffer(const Model *model, const IrFn *fn);                 // any

#endif
