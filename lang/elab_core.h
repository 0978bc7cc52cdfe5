// Inside the core of the elaborator: what its files share and nobody else needs.
#ifndef HGM_ELAB_CORE_H
#define HGM_ELAB_CORE_H

#include "lang/elab.h"

// ---- the table of built-in names (builtins.def)
typedef enum {
  GROUP_COMPONENT,
  GROUP_ARRAY,
  GROUP_RANDOM,
  GROUP_DERIVATIVE,
  GROUP_STATE,
  GROUP_DISTRIBUTION,
  GROUP_PHYSICS,
} BuiltinGroup;
typedef struct BuiltinCall {
  Span span;
  Value *value[10]; // in the order of the parameters; NULL: not given
  Span at[10];
  Values rest;  // of a list with `...`
  Values given; // behind the bar
  bool has_given;
} BuiltinCall;
typedef Value *BuiltinMake(Elab *e, const struct Builtin *b, BuiltinCall *call);
typedef struct Builtin {
  const char *name;
  BuiltinGroup group;
  const char *parameters; // "v, axis=, but=": those with = may be left out; "..." takes any number; NULL: a word
  BuiltinMake *make;
  int op;           // IrOp or kind of distribution
  const char *what; // one line for people
  bool sets;        // takes sets
} Builtin;
const Builtin *builtin_find(const char *name);
void builtins_bind(Elab *e); // into e->builtins
Value *builtin_call(Elab *e, const Builtin *b, Scope *scope, const AstArgs *args, const Values *values, Value *first, const Values *given, bool has_given,
                    Span span); // args: with names; values: already made; first: piped

// ---- messages
#define FEWER_AXES "`reshape(v, …)` makes one axis of several"
Diag *elab_shape_error(Elab *e, Span span, const Value *a, const Value *b, const char *why); // both sides with their ways

// ---- tensors (elab_tensor.c)
typedef struct Layout {
  int events; // axes of events: 0, 1, or 2 inside a comprehension over batch(v)
  Hidden hidden;
  Extents shape;
} Layout;                                          // axes of an IR value
int tensor_events(const Elab *e, const Tensor *t); // how many axes of events: 0, 1 or 2
IrRef tensor_ir(Elab *e, const Value *v);          // reports and gives IR_NONE when only the type is known
int tensor_offset(const Elab *e, const Tensor *t); // axes in front of the shape
Layout layout_of(const Elab *e, const Tensor *t);
Layout layout_join(const Layout *a, const Layout *b, Extents shape); // union of events and hidden axes
bool layout_fits(Elab *e, const Layout *l, Span span);               // false: more axes than the IR has or more numbers than a value may, reported
IrRef tensor_spread(Elab *e, const Value *v, const Layout *layout);  // broadcast to all of its axes
bool extents_join(const Extents *a, const Extents *b, Extents *out); // the rule of elementwise operations
// A value of the other direction (a tensor without IR) as zeros of its type.
Value *tensor_stand_in(Elab *e, const Value *v);
Value *tensor_like(Elab *e, Span span, TensorType type, IrRef ir, Belongs belongs, const Hidden *hidden);
Value *tensor_const(Elab *e, Span span, Element element, Extents shape, const double *data);
Value *tensor_number(Elab *e, Span span, double x);
Value *tensor_fill(Elab *e, Span span, Extents shape, double x);
Value *tensor_apply(Elab *e, IrOp op, Value *a, Span span);             // one real operand
Value *tensor_combine(Elab *e, IrOp op, Value *a, Value *b, Span span); // two real operands, broadcast
Value *tensor_whole(Elab *e, IrOp op, Value *a, Value *b, Span span);   // indices: i + 1
Value *tensor_logic(Elab *e, IrOp op, Value *a, Value *b, Span span);
Value *tensor_compare(Elab *e, IrOp op, Value *a, Value *b, Span span);
Value *tensor_select(Elab *e, Value *condition, Value *yes, Value *no, Span span);
Value *tensor_sum_axes(Elab *e, IrOp op, Value *v, uint32_t axes, bool keep, Span span); // visible axes; SUM or AMAX
Value *tensor_reshape(Elab *e, Value *v, Extents shape, Span span);
Value *tensor_matmul(Elab *e, Value *a, Value *b, Span span);
Value *tensor_einsum(Elab *e, const char *la, Value *a, const char *lb, Value *b, const char *lr, Extents shape, Span span);
Value *tensor_concat(Elab *e, const Values *parts, int axis, Span span); // tensors of one rank, events and hidden aligned
Value *tensor_stack(Elab *e, const Values *parts, Span span);            // a new first axis
Value *tensor_slice(Elab *e, Value *v, int axis, int64_t from, int64_t to, int64_t step, Span span);
Value *tensor_gather(Elab *e, Value *v, int axis, Value *index, Span span); // index: a tensor of integers or a class
Value *tensor_one_hot(Elab *e, Value *c, int64_t n, Span span);
Value *elab_in_unit(Elab *e, Value *v, AstName unit, Span span);
const char *elab_way(Elab *e, const Value *v); // "`h` is real[128]"-like text of one side
bool circular_any(const TensorType *t);
int64_t circular_count(const TensorType *t); // flags in TensorType.circular: last axis or 1

// ---- lists over the batch (elab_batch.c)
Value *batch_element(Elab *e, const Value *batch, Span span);                    // of batch(v): v of the other event of a pair
Value *batch_of_elements(Elab *e, Value *body, Span span);                       // what a comprehension over batch(v) gives
Value *batch_reduce(Elab *e, const Value *batch, IrOp op, bool mean, Span span); // SUM or AMAX; without the list's axis

// ---- lists whose elements are computed together (elab_alike.c)
typedef struct AlikeElement {
  Value *value; // one element; NULL: it has no name
  int32_t id;   // of the hidden axis
  int64_t n;
} AlikeElement;
bool alike_element(Elab *e, Value *from, AlikeElement *out); // of such a list, or the rows of an array; false: take them one by one
AlikeElement alike_unnamed(Elab *e, int64_t n);
bool alike_enter(Elab *e, const AlikeElement *element, Span span);                // from here on draws are made for each element; false: reported
Value *alike_leave(Elab *e, const AlikeElement *element, Value *body, Span span); // the list
Hidden alike_suspend(Elab *e);                                                    // what follows belongs to all elements, until scene->alike is what this gave
Value *alike_stacked(Elab *e, const Value *list, Span span);                      // as an array: the list is the first axis
Value *alike_listed(Elab *e, Value *v);                                           // as a plain list; other values as they are
Value *alike_index(Elab *e, Value *list, const Value *index, Span span);          // index: INT
bool alike_refused(Elab *e, const Value *v, Span span, const char *what);         // v is different for each element: true, reported
bool alike_own_weights(Elab *e, Span span);                                       // weights here would be of one element: true, reported

// ---- bijections tried on points (elab_trial.c)
void trial_note(Elab *e, const Bijection *b, const Value *x, const Value *context, Span span); // it was applied to such a value

// ---- fitted values (elab_fit.c)
Value *fit_read(Elab *e, Value *fit, Span span); // where it is named: itself, or the numbers that it is
Value *fit_call(Elab *e, const Value *fit, const Values *args, Span span);
Value *fit_draw(Elab *e, const Value *fit, const char *site, Span span);
Value *fit_log_prob(Elab *e, const Value *fit, Value *x, Span span);
Value *fit_member(Elab *e, const Value *fit, AstName name, Span span);

// ---- static values (elab_static.c)
Value *static_unary(Elab *e, AstUnary op, Value *a, Span span);
Value *static_binary(Elab *e, AstBinary op, Value *a, Value *b, Span span); // numbers and lists of numbers
Value *static_component(Elab *e, IrOp op, Value *a, Value *b, Span span);   // NULL: no static rule
bool static_shape(const Value *v, Extents *shape);                          // of a nested list of numbers: rectangular
bool static_numbers(Elab *e, const Value *v, Extents *shape, double **data, bool *booleans);
Value *static_range(Elab *e, Span span, int64_t from, int64_t to);
bool elab_axis_size(Elab *e, Value *v, Span span, const char *what, int64_t *out); // a whole number, at least 0; false: reported
bool elab_splice_axes(Elab *e, Scope *scope, AstName name, Extents *out);          // `*s`: its sizes behind those of out; false: reported
bool static_fits(Elab *e, const Extents *shape, Span span);                        // false: reported, it has more numbers than a value may
bool static_ints(const Value *v, const int64_t **out, int64_t *n, Arena *arena);   // a list of ints (or of bools)

// ---- calls (elab_apply.c)
Value *elab_call_ast(Elab *e, Scope *scope, Value *callee, const AstExpr *call, Value *first, bool has_first);
Value *elab_stand(Elab *e, Value *v, Span span); // a definition as a value: settings by default
Value *elab_apply_pipe(Elab *e, Scope *scope, const AstExpr *pipe);
Scope *elab_bind_params(Elab *e, Scope *outer, Scope *caller, const AstParams *params, const AstArgs *args, const Values *values, Value *first, Span span,
                        const char *what, bool leading);                                            // NULL: reported; leading: axes in front may be lifted
Value *elab_stand_in(Elab *e, const FieldType *type, const char *name, Belongs belongs, Span span); // inputs "name.field" of a type
Value *elab_body(Elab *e, Scope *scope, const AstDecl *decl, Span use);

// ---- types (elab_type.c)
Value *elab_coerce_input(Elab *e, Scope *scope, const AstType *t, Value *v, Span span, const char *what); // binds shape names
Value *elab_coerce_output(Elab *e, Scope *scope, const AstType *t, Value *v, Span span, const char *what);
Value *elab_as_field(Elab *e, const FieldType *t, Value *v, Span span, const char *what); // v as a value of a field's type

// ---- places and weights (elab_weight.c)
Place *place_enter(Elab *e, const char *path, const char *owner); // becomes e->place
void place_leave(Elab *e);
const char *place_child(Elab *e, const char *name); // path.name
const char *place_next(Elab *e, const char *name);  // path.name_1, path.name_2 …
Value *elab_learn(Elab *e, Scope *scope, const AstStmt *s);

// ---- indices, lists (elab_index.c)
Value *elab_index(Elab *e, Scope *scope, const AstExpr *x);

// ---- distributions, bijections, flows
Value *elab_as_distribution(Elab *e, Value *v); // a built-in law standing for itself; else v
Value *distribution_copies(Elab *e, Value *d, Extents copies, Span span);
bool distribution_shape(Elab *e, const Value *d, Extents *out);
Value *distribution_log_prob(Elab *e, Value *d, Value *x, Span span);
Value *distribution_draw(Elab *e, Value *d, const Extents *wanted, const char *site, Span span);
Value *distribution_kl(Elab *e, Value *p, Value *q, Span span);
Value *distribution_entropy(Elab *e, Value *d, Span span);
Value *elab_softmax_log(Elab *e, Value *logits, int axis, Span span); // normalised log-probabilities along an axis
Value *bijection_new(Elab *e, const AstDecl *decl, Scope *settings, const char *path, Span span);
Value *bijection_apply(Elab *e, const Value *b, bool inverse, Value *x, Value *context, Value **log_det, Span span); // context: NULL
Value *flow_log_prob(Elab *e, const Value *flow, const Values *x, const Values *given, bool has_given, Span span);
Value *flow_draw(Elab *e, const Value *flow, const Values *given, bool has_given, const char *name, Span span);

#endif
