// Elaboration: names, templates and values become IR programs. Checking is elaborating; a mistake is a diagnostic and a
// poison value, and the next expression is looked at.
//
// Two halves share this header. The core (elab_*.c: values, expressions, templates, nets, distributions, flows) builds
// into the current *scene*: one IR function under construction. The blocks (block_*.c: imports, params, data, train,
// generate, score, evaluate) open scenes, bind names in scopes and read the values that come back. What the core must
// ask the blocks goes through `ElabHooks`.
#ifndef HGM_ELAB_H
#define HGM_ELAB_H

#include "lang/base/map.h"
#include "lang/value.h"

// ---- scopes
typedef Value *(*LazyMake)(Elab *e, Scope *scope, void *data); // called once, at first use
typedef struct Binding {
  const char *name;
  Span span;
  Value *value; // NULL until made
  LazyMake make;
  void *data;
  bool making, used;
} Binding;
struct Scope {
  Scope *parent; // NULL: outermost
  Map names;     // of Binding, once there are many
  VEC(Binding *) order;
  bool carries;  // body of a repeat: assignment to a name of the parent carries it
  bool captured; // a function made inside keeps it
};
Scope *scope_new(Elab *e, Scope *parent);
Binding *scope_bind(Elab *e, Scope *scope, const char *name, Span span, Value *value); // replaces silently
Binding *scope_bind_lazy(Elab *e, Scope *scope, const char *name, Span span, LazyMake make, void *data);
Binding *scope_own(const Scope *scope, const char *name);  // of this scope alone, or NULL
Binding *scope_find(const Scope *scope, const char *name); // here or outside, or NULL
Value *scope_value(Elab *e, Scope *scope, AstName name);   // unknown-name with the nearest; poison
const char *scope_nearest(Elab *e, const Scope *scope, const char *name);

// ---- scenes: the program under construction
typedef enum {
  SCENE_TRAIN,
  SCENE_VALIDATE,
  SCENE_GENERATE,
  SCENE_SCORE,
  SCENE_PREPARE,
  SCENE_OBSERVE,
  SCENE_INIT,
  SCENE_SETTINGS,
  SCENE_FIT,
} ScenePurpose;
typedef struct DrawnFlow { // what a flow drew in this scene: its density needs no inverse
  const AstDecl *flow;
  Values given;
  IrRef vector;    // the variables in one row
  Hidden hidden;   // of the vector
  Value *log_prob; // f64 per event
} DrawnFlow;
// What a net remembers: of `running` the next average, and that of ones (what an average that began at zero is divided by); of `iterated`
// the next value.
typedef struct Running {
  const char *path, *seen, *owner; // the weights' names; the net
  IrRef average, ones;             // as they stand behind the last use; ones IR_NONE: of `iterated`
  bool of_step;                    // it looks at the batch: `running` always, `iterated` perhaps
  bool given_out;
} Running;
typedef struct Scene {
  struct Scene *outer;
  ScenePurpose purpose;
  IrFn *fn;
  const char *site; // prefix of draw sites: "train", "train.update_1", "generate"; may be changed between statements
  Belongs draws;    // whom draws belong to: DRAWS with an event axis; in INIT: NOTHING, without
  Map sites;        // how often a site was used
  Map memo;         // calls of nets already built: key -> Value
  Map standing;     // leaf -> IrRef of the value that has taken its place
  VEC(IrRef) moved; // weights after unrolled steps: numbers, as far as a slope by an event is concerned
  bool training;    // `training`: dropout and the like act
  VEC(DrawnFlow) drawn;
  bool batches;    // events know the others of their batch
  bool types_only; // what is built goes away: a value that is not there yet may stand in it
  VEC(Running) running;
  VEC(IrRef) judged;         // shares of right answers, f64 scalars
  Hidden alike;              // the lists whose elements are computed together here: a draw is made for each
  struct Place *alike_place; // where the outermost of them stands
} Scene;
void running_outputs(Elab *e, const char *owner);                                     // set:* of what nets of that owner remember
Scene *scene_open(Elab *e, ScenePurpose purpose, const char *name, const char *site); // becomes e->scene; training in TRAIN
void scene_close(Elab *e);                                                            // back to the outer one
// A leaf as it stands in the scene: itself, or the value that has taken its place since (a weight after an unrolled step, a column that
// is generated).
IrRef leaf_now(Elab *e, IrOp op, const char *name, IrType type);
void leaf_stands(Elab *e, const char *name, IrRef value);
// What follows is elaborated as if for the first time: nets see the weights as they stand, a draw of one place is one draw.
void scene_again(Elab *e);
// A name for a draw, unique in the scene: site . place . name, then .2, .3 …
const char *scene_site(Elab *e, const char *name);

// ---- weights: where they stand
typedef struct Place {
  struct Place *outer;
  const char *path, *owner; // "encoder.mlp_1", "encoder"; path "" outside of nets
  Map ordinals;             // of layer names used so far
} Place;

// ---- what the core asks the blocks (any may be NULL: nothing known)
typedef struct ElabHooks {
  const FieldType *(*field_type)(Elab *e, const Value *data, const char *name);   // NULL: no such field; "gen" or "gen.pt"
  const FieldType *(*field_named)(Elab *e, const Scope *scope, const char *name); // a field of any data block in scope (flow variables)
  Value *(*data_field)(Elab *e, const Value *data, AstName name);                 // base.x where values are wanted; reports record-field
  int64_t (*column_place)(const Elab *e, const Value *v, const char *name);       // which number of a field that column is; -1: none
  Value *(*physical)(Elab *e, Value *v, Span span);                               // fills prepared and log_jacobian
  Value *(*weight_of)(Elab *e, Value *v, Span span);
  bool (*fields_meet)(Elab *e, const FieldType *type, const Value *v, Span span); // v may stand for a field of that type; false: reported
  bool (*fit_ready)(Elab *e, const Value *fit, Span span); // its estimate is declared and made before what reads it here; false: reported
} ElabHooks;

typedef struct ElabUse {
  Span span;
  const char *what;
} ElabUse; // a template in expansion: "in this use of `dense`"

typedef struct Trial Trial; // a bijection that is to be tried on points
struct Elab {
  Arena *arena; // the model's
  Arena *work;  // of values and scopes, to which nothing in a model points
  Sources *sources;
  Diags *diags;
  Model *model;
  Scope *builtins;      // outermost scope; the library's scope is its child
  Scene *scene;         // never NULL: SCENE_SETTINGS outermost (its tensors are no settings)
  Place *place;         // never NULL
  VEC(ElabUse) uses;    // innermost last
  Map weights;          // path -> index + 1 into model->weights
  Value *numbers[4096]; // some of those known now, by hash (value.c)
  int32_t next_hidden;
  Span asked;               // where the lazy name was asked for that was made last
  const char *in_bijection; // name of the bijection whose direction is elaborated, or NULL
  int depth;                // of expressions inside each other
  bool too_deep, too_large; // said once: definitions use each other without end; the program has too many values
  bool notes_trials;        // `check --test`
  VEC(Trial *) trials;
  ElabHooks hooks;
  void *blocks; // state of the blocks
};

// model: arena, seed and real must be set. Outermost names are bound.
Elab *elab_new(Model *model, Sources *sources, Diags *diags);
// A diagnostic that also shows the templates in expansion (outermost use in the user's file first).
Diag *elab_error(Elab *e, DiagKind kind, Span span, const char *format, ...) __attribute__((format(printf, 4, 5)));

// ---- declarations: NET LAYER FN FLOW BIJECTION are bound in scope (lazily: order does not matter). Others: the blocks.
void elab_declare(Elab *e, Scope *scope, const AstDecl *decl);
// Elaborates the body of a net or flow once with values of its declared types in a scene that is thrown away, so that
// mistakes are found and weights registered although no block uses it. Templates (layer, fn) are checked at their uses.
void elab_check_declaration(Elab *e, Scope *scope, const AstDecl *decl);

// ---- expressions and statements
Value *elab_expr(Elab *e, Scope *scope, const AstExpr *x);      // never NULL
Value *elab_statement(Elab *e, Scope *scope, const AstStmt *s); // binds its names; poison when it failed, else not
// False: an `assert` was refused. What stands below it counts on it, and would be refused for the same reason once more.
bool elab_goes_on(Elab *e, Scope *scope, const AstStmt *s);
bool elab_statements(Elab *e, Scope *scope, const AstStmts *list);                             // likewise
void elab_bind_pattern(Elab *e, Scope *scope, const AstPattern *pattern, Value *v, Span span); // pattern-count, given-twice
Value *elab_call(Elab *e, Value *callee, const Values *args, Span span);                       // positional; two lists: the data list
Value *elab_member(Elab *e, Value *object, AstName name, Span span);
Value *elab_unary(Elab *e, IrOp op, Value *a, Span span); // elementwise op on numbers, lists, tensors
Value *elab_binary(Elab *e, AstBinary op, Value *a, Value *b, Span span);
// v as one of these classes: a class of as many values, or a number or text that says one. NULL: neither; poison: of other classes, reported.
Value *elab_as_class(Elab *e, const ClassValues *classes, Value *v, Span span);
Value *elab_index_static(Elab *e, Value *v, int axis, const int64_t *index, int64_t n, Span span); // index list on one axis

// ---- settings: a value known now, or `not-setting` with `what` ("the size of `dense`")
const char *source_text(Elab *e, Span span); // the bytes of a span
bool elab_setting_int(Elab *e, Value *v, Span span, const char *what, int64_t *out);
bool elab_setting_number(Elab *e, Value *v, Span span, const char *what, double *out);

// ---- tensors
Value *elab_tensor(Elab *e, Value *v, Span span); // numbers, lists, records of numbers; else poison
Value *elab_real(Elab *e, Value *v, Span span);   // the same with real elements (class[2], bool: 0 or 1)
Value *elab_cast(Elab *e, Value *v, IrDtype dtype);
IrRef elab_per_event(Elab *e, const Value *tensor);                               // its IR with the event axis (broadcast if it has none)
const char *elab_op_text(Elab *e, IrOp op);                                       // "`exp`", "a comparison": for messages
void elab_help_undeclared(Elab *e, Diag *d, const Value *v);                      // the cure where v is a field taken for one number; of others the help stays
Value *elab_not_built(Elab *e, Span span, const char *what, const char *instead); // instead: what to write
Belongs elab_join(Elab *e, const Value *a, const Value *b, Span span);            // two-data
Value *elab_flatten(Elab *e, Value *v, Span span);                                // a vector: records in order, class as one-hot, p4 as 4
Value *elab_flatten_as(Elab *e, Value *v, const FieldType *type, Span span);      // to a vector that is meant as this type
Value *elab_unflatten(Elab *e, Value *vector, const FieldType *type, Span span);  // back; poison (output-type) if it does not fit
Value *elab_component(Elab *e, Value *vector, int64_t i, Span span);              // a number of a vector
Value *elab_sum(Elab *e, Value *v, Span span);                                    // over all axes of an event's value
Value *elab_leaf(Elab *e, Span span, IrOp op, const char *name, IrDtype dtype, TensorType type, Belongs belongs);
Value *elab_value_of_type(Elab *e, const FieldType *type, IrRef (*leaf)(void *data, const FieldType *part), void *data, Belongs belongs,
                          Span span); // a tensor, or a record of the type's fields

// ---- types
typedef enum { TYPE_ANY, TYPE_TENSOR, TYPE_FIELD, TYPE_INT, TYPE_BOOL, TYPE_STRING, TYPE_LIST, TYPE_WORD } TypeKind;
typedef struct Type {
  TypeKind kind;
  TensorType tensor;      // TENSOR
  const FieldType *field; // FIELD
  Span span;
} Type;
// A written type whose dimensions are known now (outputs, fields, params). False: reported.
bool elab_type(Elab *e, Scope *scope, const AstType *t, Type *out);

// ---- bijections on points: model->trials of all that were applied so far (elab_trial.c)
void trials_build(Elab *e);

// ---- distributions and flows
Value *elab_distribution(Elab *e, Span span, DistributionKind kind, Value *a, Value *b);
Value *elab_draw(Elab *e, Value *from, const Values *given, bool has_given, const char *name, Span span);
Value *elab_log_prob(Elab *e, Value *d, const Values *x, const Values *given, bool has_given, Span span); // f64 per event
// The map of a flow. inverse: variables to a vector; forward: a vector to what the flow is over.
Value *flow_apply(Elab *e, const Value *flow, bool inverse, const Values *x, const Values *given, bool has_given, Value **log_det, Span span);
const FieldType *elab_flow_type(Elab *e, const Value *flow, size_t variable); // declared or by name of a field; NULL: unknown

#endif
