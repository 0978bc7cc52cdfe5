// The blocks of the language: files and params, data, train, generate, score, evaluate. State that they share, and what one
// asks of another; the core (elab.h) makes values of expressions.
//
// A data field knows its columns, its chain and its two types (prepared, physical). Its value depends on the scene:
// prepared numbers from prep:* in training, computed from column:* in samplers and scores, physical in cuts and observables.
#ifndef HGM_BLOCK_H
#define HGM_BLOCK_H

#include <sys/stat.h>

#include "lang/elab.h"
#include "lang/preparation.h"

typedef struct Trained Trained;
typedef struct DataBlock DataBlock;
typedef struct DataField DataField;
typedef struct MadeField MadeField;

// What a formula of columns does with the field's own column: own op other, from left to right.
typedef struct DataTerm {
  AstBinary op;
  VEC(int) columns;       // that the other side reads, as indices in the data block; none: number
  const AstExpr *formula; // of them (block_formula.c); NULL: one column as it is
  double number;
} DataTerm;
typedef struct DataItem {
  int own;
  VEC(DataTerm) terms;
  Span span;
} DataItem; // own: index in the data block

struct DataField {
  DataBlock *block;
  const char *name, *label; // gen.pt and pt; with several data blocks jets.gen.pt
  bool record;
  VEC(DataField *) fields; // RECORD
  VEC(DataItem) items;     // not RECORD: one a component, or one column of any shape
  bool vector;             // items stand side by side on an axis, even if there is one
  Extents shape;           // physical shape of one event
  VEC(PrepStep *) chain;
  const PrepStep *split;  // a step behind the chain that makes two parts of the field, its `fields`; NULL: none
  const DataField *whole; // of a part: the field that is split, and which part it is
  int part;
  const DataField *of;        // size1 = iso1.size |> log: made of that part; no items, its chain begins there; NULL: of columns
  const ClassValues *classes; // class of […]: the chain is empty
  const MadeField *made;      // drawn, or made of other fields: no items, no chain; NULL: of columns
  const ModelColumn *column;  // MADE: as which it is written, and read where it is not made
  bool angle;                 // wrapped on output
  bool set;                   // the first axis are places; a component of the column says which are taken:
  int64_t told_by;            // this one, which is none of the field's (block_set.c)
  bool p4;                    // four-vectors: the last axis is e px py pz
  const DataField *like;      // y: base.x: prepared with the numbers of that field; NULL: with its own
  bool broken;                // not even its size is known
  const char *unit, *text;    // text: the source as written
  FieldType *prepared, *physical;
  Span span;
};

struct DataBlock {
  const AstDecl *decl;
  ModelData *model;
  Scope *scope;           // where it was declared
  const Trained *trained; // of a trained run: described, never read; NULL: of this program
  VEC(DataField *) fields;
  const AstExpr *weight; // a formula of columns; NULL: none
  VEC(const AstExpr *) cuts;
};

struct Trained {
  ModelTrained *model;
  Scope *scope;
  VEC(const Scope *) modules; // of files that it uses under a name
  VEC(DataBlock *) data;
};

typedef struct Generator {
  const AstDecl *decl;
  Scope *scope;
} Generator;
typedef struct Train {
  const AstDecl *decl;
  Scope *scope;
} Train;

typedef struct ImportedFile {
  AstFile *file;
  Scope *scope;
  bool own;
} ImportedFile; // own: the file that was asked for

typedef struct Override {
  const AstDecl *now, *before;
  Scope *scope;
} Override;
typedef struct SceneFields {
  const Scene *scene;
  Map prepared, physical;
} SceneFields; // DataField.name -> Value

typedef struct Blocks {
  Elab *e;
  const ModelOptions *options;
  Scope *library, *names; // names: of the file that was asked for
  VEC(struct Loaded *) loaded;
  VEC(const AstDecl *) declarations; // nets and flows of the user's files, to be checked though unused
  VEC(Scope *) declaration_scopes;
  Strings declaration_prefixes; // "z." of what `use … as z` brings
  VEC(DataBlock *) data;
  bool broken;         // a field is missing: what uses it is not looked at
  bool unknown_target; // an update names what is not there: it may be any net
  VEC(Override) overrides;
  VEC(Train) stages; // train blocks and fits, as they run
  VEC(struct Fit *) fits;
  VEC(Trained *) trained;
  ModelPhase *phase; // that is elaborated
  VEC(Generator) generators;
  Generator score, evaluate;
  VEC(struct Param *) params;
  VEC(SceneFields *) scenes;
} Blocks;

static inline Blocks *blocks_of(Elab *e) { return e->blocks; }

// ---- files (block_import.c): reads, merges and declares. False: reported.
bool blocks_load(Blocks *b);
void overrides_check(Blocks *b);                                                   // once the data are known
bool pin_agrees(Blocks *b, const AstDecl *use, const char *what, const char *sum); // of `pin "sha256:…"`, whole or its first digits; false: reported
void blocks_parts(Blocks *b);                                                      // model->parts (block_part.c)
bool declaration_replaced(const Blocks *b, size_t i);                              // by an override
void blocks_unused(Blocks *b);                                                     // names that nothing mentions; of a program without errors
// ---- reading (block_read.c): what is looked for and read is noted in the model
enum { MAX_FILE_BYTES = 16 << 20 };                                               // longer ones are read no further
Strings file_library(Blocks *b, const char *path);                                // its .hgm files, by name
bool file_there(Blocks *b, const char *path, struct stat *id);                    // a regular file
char *file_read(Blocks *b, const char *path, const struct stat *id, size_t *len); // NULL: cannot be read; id: it has to stay this file, or NULL
// ---- params (block_param.c)
void param_declare(Blocks *b, Scope *scope, const AstDecl *decl, const AstExpr *turned, Scope *turned_scope);
void params_finish(Blocks *b); // checks all, fills model->params, refuses unknown --set
// ---- data (block_data.c, block_source.c, block_chain.c)
DataBlock *data_declare(Blocks *b, Scope *scope, const AstDecl *decl);
bool data_units_meet(DataBlock *d, const DataField *f);             // one round of ModelColumn.meets over its formulas; false: nothing new
void data_source(Blocks *b, DataField *f, const AstSource *source); // columns, formula, unit, chain
void data_chain(Blocks *b, DataField *f, const AstExpr *const *steps, size_t n, PrepRange start, const char *what);
bool data_family(Arena *arena, const char *text, Strings *out);                  // "{a,b}_{x,y}" -> a_x a_y b_x b_y; false: no family
int data_column(Blocks *b, DataBlock *d, const char *name, Span span);           // index, added when new
IrRef event_condition(Elab *e, Value *v, Span span);                             // of `where`: bool [e]; IR_NONE: reported
void cuts_add(Elab *e, Scope *scope, const AstExpr *condition, ModelCuts *cuts); // its conditions one by one, into the current scene (block_cut.c)
void data_domains(Blocks *b, DataBlock *d);                  // programs that find values which a step does not take, or clips (block_domain.c)
void data_programs(Blocks *b, DataBlock *d);                 // fit rounds and prepare
DataField *field_new(Blocks *b, DataBlock *d, AstName name); // of the block itself, without a source
DataField *field_begin(Blocks *b, DataBlock *d, const char *outer, AstName name, bool record);
void field_types(Elab *e, DataField *f);                                  // both types of a field without parts, from its chain
void field_add_part(Elab *e, DataField *f, DataField *part);              // to a record
const char *field_outer(const Blocks *b, const DataBlock *d);             // what stands in front of its fields' names; NULL: nothing
DataField *field_in(const DataBlock *d, const char *path);                // "gen.pt"; NULL: no such field
const char *field_nearest(Elab *e, const DataBlock *d, const char *name); // "did you mean"; NULL: none is near
bool data_name_is_new(Elab *e, const DataBlock *d, AstName name);         // given-twice
// ---- columns in formulas (block_formula.c)
typedef IrRef ColumnValue(void *context, int column);                                                 // f64 [e, …]; IR_NONE: there is none, which is reported
const AstExpr *formula_of_columns(Blocks *b, DataBlock *d, Scope *scope, const AstExpr *x);           // of a cut or weight, for elab_expr in the scope
bool term_read(Blocks *b, DataBlock *d, const AstExpr *x, size_t item, size_t items, DataTerm *out);  // the other side for one of a field's columns
IrRef term_value(Elab *e, const DataField *f, const DataTerm *t, ColumnValue *column, void *context); // f64; IR_NONE as soon as a column has none
// ---- fields prepared with the numbers of another, and four-vectors (block_like.c)
DataField *field_like(Blocks *b, DataBlock *d, const AstDatum *item); // `y: base.x`; NULL: reported
IrRef column_ordered(IrFn *fn, const ModelColumn *c, IrRef x);        // of the file -> components of four-vectors as e px py pz
IrRef column_as_in_file(IrFn *fn, const ModelColumn *c, IrRef x);     // and back
void field_order_p4(DataField *f);                                    // columns by the names of their components: e px py pz
// ---- fields that are split, and fields of their parts (block_split.c)
void split_parts(Elab *e, DataField *f);                                          // the two parts of a field whose chain ends in such a step
const DataField *split_part_of(const DataField *f);                               // the part that it is, or is made of; NULL: neither
const DataField *split_named(const DataBlock *d, const AstExpr *x);               // iso1.size: the part; NULL: no part of a field
IrRef split_value(Elab *e, const DataField *part);                                // f64, from columns
bool split_is_masked(const DataField *f);                                         // the size behind a hurdle, or made of it
IrRef split_on(Elab *e, const DataField *f);                                      // where it is a size at all
IrRef split_join(Elab *e, const DataField *whole, IrRef first, IrRef second);     // parts -> value of the formula
bool split_sizes(Blocks *b, DataField *f, const AstExpr *const *steps, size_t n); // the shape that `segments` implies
// ---- fields that are sets (block_set.c)
bool set_told(Blocks *b, DataField *f, const AstExpr *const *steps, size_t n); // takes `present(column = k)` from the front of the chain; false: reported
IrRef set_column_taken(Elab *e, const DataField *f);                           // bool [e, places], from the column
IrRef set_taken(Elab *e, const DataField *f);                                  // the same as this scene reads it
IrRef set_elements(Elab *e, const DataField *f, IrRef column);                 // the column without the component that tells, 0 where nothing is
IrRef set_or(IrFn *fn, IrRef taken, IrRef x, double otherwise);                // x, and a number where nothing is
IrRef set_as_column(IrFn *fn, const DataField *f, IrRef taken, IrRef x);       // the component put back
Value *set_places(Elab *e, const DataField *f, IrRef taken);                   // for set_mark
// ---- fields without a column (block_made.c)
bool data_made(Blocks *b, DataBlock *d, const AstDatum *item); // `x ~ law`, `x = formula`; false: reported
Value *field_made(Elab *e, DataField *f, bool physical);       // in the current scene
void data_simulate(Blocks *b, DataBlock *d);                   // the program that draws events of a block without columns
// ---- fields as values (block_field.c)
void fields_hooks(Elab *e);
Value *field_prepared(Elab *e, DataField *f, Span span); // in the current scene
Value *field_physical(Elab *e, DataField *f, Span span);
void fields_bind(Blocks *b, Scope *scope, DataBlock *d, bool physical); // bare names of the fields, lazily
Scope *fields_scope(Blocks *b, Scope *outer, bool physical);            // child of outer with the fields of all data blocks (of its trained run's)
IrRef field_column(Elab *e, const DataBlock *d, int column);            // column:NAME, f64
IrRef field_source(Elab *e, const DataField *f, IrRef own);             // the formula on stacked own columns
IrRef field_own(Elab *e, const DataField *f);                           // own columns stacked, f64 [e, shape]
IrRef field_forward(Elab *e, const DataField *f, IrRef x, size_t from, size_t to);
IrRef field_inverse(Elab *e, const DataField *f, IrRef y); // back to the formula's value
IrRef formula_step(IrFn *fn, IrOp op, IrRef x, IrRef other);
IrOp formula_inverse(AstBinary op);              // ADD for SUB and so on
IrRef field_weight(Elab *e, const DataBlock *d); // weight:NAME real [e], or IR_NONE
size_t field_first_draw(const DataField *f);     // chain.len when it draws nothing
bool field_uses_draws(const DataField *f);
// ---- phases (block_train.c, block_update.c)
void train_block(Blocks *b, const Train *t);
typedef struct TrainScope {
  Scope *outer;     // of the file, with the name of the repeat
  const char *site; // prefix of draw sites: the phase's name
  const AstDecl *decl;
  Map *optimizers; // path of a net -> the AstExpr of its optimizer, within the phase
} TrainScope;
void update_block(Blocks *b, ModelPhase *phase, const TrainScope *t, const AstUpdate *u, int number);
void update_validate(Blocks *b, ModelPhase *phase, const TrainScope *t, const AstUpdate *u, int number);
Scope *train_names(Blocks *b, const TrainScope *t); // fields and definitions, lazily, for one program
bool static_int(Elab *e, Scope *scope, const AstExpr *x, const char *what, int64_t least, int64_t *out);
// ---- trained runs (block_trained.c)
ModelTrained *trained_open(Blocks *b, const AstDecl *use, const char *from, const char *prefix, const Trained *outer); // NULL: reported; prefix: of its name
const Trained *trained_of(const Blocks *b, const Scope *scope);                                                        // that a scope is of; NULL: of none
DataBlock *trained_block_at(const Blocks *b, const Scope *scope, const char *path); // "teacher.events", as the scope sees it; NULL: none of a trained run
const ModelSource *saved_file(Arena *arena, const ModelSources *files, const char *from, const char *name);
bool fields_meet(Elab *e, const FieldType *type, const Value *v, Span span);
// ---- fits (block_fit.c)
void fit_declare(Blocks *b, Scope *scope, const char *name, const AstDecl *decl); // name: with the prefix of its module
struct Fit *fit_of(Blocks *b, const AstDecl *decl);
void fit_block(Blocks *b, struct Fit *fit); // its place among the train blocks has come
void fits_order(Blocks *b);                 // fit-order, once all phases are known
bool fit_ready(Elab *e, const Value *v, Span span);
// ---- samplers, scores, evaluation
void generate_block(Blocks *b, const Generator *g);
void score_block(Blocks *b, const Generator *g);
bool couples_events(const IrFn *fn, Arena *arena);  // does an output of an event depend on other events?
void evaluate_block(Blocks *b, const Generator *g); // also of the metrics that phases watch; g->decl NULL: there is no block

// ---- metrics and formulas of them (block_metric.c)
typedef struct Metrics {
  Blocks *b;
  ModelEvaluate *out;
  Scope *names, *prepared;            // what arguments are made of: fields as they stand in the file, or prepared; definitions; scores
  VEC(const AstExpr *) of_all_events; // parts of formulas that are numbers of all generated events
} Metrics;
Scope *scores_scope(Blocks *b, Scope *outer);                                // child of outer with the names of `score`, lazily
void metrics_listed(Metrics *m, const AstExpr *x);                           // one of `metrics a, b`
void metrics_formula(Metrics *m, const AstExpr *x, const ModelPhase *phase); // an assertion, or (phase not NULL) a `watch`
void metrics_of_all_events(Metrics *m, Scope *names);                        // what the formulas left: in the scene that is open

// ---- small things
#define FEWER_COLUMN_AXES "columns have four axes at most: the file keeps some of them joined, and `reshape` in the net parts them"
IrRef over_events(Elab *e, const Value *tensor); // scalar per event in f64 [e]

#endif
