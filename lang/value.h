// What an expression is worth while a file is elaborated: a number or list known now, a tensor that is a value of the
// program being built (an IrRef of the current scene), or a thing that is called, drawn from or scored.
//
// Every value keeps the span where it came about, for messages that show both sides. VALUE_ERROR is poison: whoever made
// it has said why; nothing else is said about it.
//
// Axes of a tensor in the IR: [events] [hidden ...] [shape ...]. The language shows `shape` only. Hidden axes stand for
// the components over which a bijection of one number is lifted, and for the elements of lists that are computed together; an id is
// one such axis, ids ascend from left to right.
#ifndef HGM_VALUE_H
#define HGM_VALUE_H

#include "compiler/ir/ir.h"
#include "lang/ast.h"
#include "lang/model.h"

typedef struct Value Value;
typedef struct Scope Scope;
typedef struct Elab Elab;
typedef VEC(Value *) Values;

// ---- types of tensors
typedef enum { ELEMENT_REAL, ELEMENT_INT, ELEMENT_BOOL, ELEMENT_CLASS } Element;

typedef struct ClassValues { // class[n]; values.len 0: 0 .. n - 1 stand for themselves; texts.len > 0: texts are written
  int64_t n;
  VEC(double) values;
  Strings texts;
  bool counts; // drawn from categorical(n): a number too
} ClassValues;

typedef struct Extents {
  uint8_t rank;
  int64_t axes[2 * IR_MAX_RANK]; // room for those of two values joined, before layout_fits looks
} Extents;

typedef struct TensorType {
  Element element;
  const ClassValues *classes; // CLASS
  Extents shape;
  const bool *circular; // angles: one flag a component of the last axis (rank 0: one flag); NULL: none
  const char *unit;     // physical values; NULL: none
  bool p4;              // the last axis is e px py pz
  bool set;             // set[n] of …: the first axis are its places
} TensorType;

typedef enum { BELONGS_NOTHING, BELONGS_STEP, BELONGS_DRAWS, BELONGS_EVENTS } BelongsKind;
typedef struct Belongs {
  BelongsKind kind;
  const ModelData *data;
} Belongs; // data: of EVENTS

enum { MAX_HIDDEN = 4 };
typedef struct Hidden {
  uint8_t n;
  int32_t id[MAX_HIDDEN];
  int64_t extent[MAX_HIDDEN];
} Hidden;

// The type of a field of a data block, or of what a net gives: a tensor or a record of such.
typedef struct FieldType FieldType;
struct FieldType {
  const char *name; // "gen.pt"; "" for a type without a name of its own
  bool record;
  VEC(FieldType *) fields; // RECORD: in order; their `label`s are the names of the fields
  const char *label;       // "pt"
  TensorType type;         // not RECORD
  const void *field;       // of whoever registered the type (blocks: the field with its preparation)
  Span span;
};

// ---- values
typedef enum {
  VALUE_ERROR,
  VALUE_INT,
  VALUE_REAL,
  VALUE_BOOL,
  VALUE_STRING,
  VALUE_LIST,
  VALUE_RECORD,
  VALUE_TENSOR,
  VALUE_CALLABLE,
  VALUE_DISTRIBUTION,
  VALUE_BIJECTION,
  VALUE_FLOW,
  VALUE_FIT,
  VALUE_DATA,
  VALUE_MODULE,
  VALUE_BATCH,
  VALUE_ALIKE,
} ValueKind;

typedef struct Tensor {
  TensorType type;
  const IrFn *fn; // the program it is a value of
  IrRef ir;       // IR_NONE: only the type is known (the other side of a bijection; len of a field)
  Belongs belongs;
  Hidden hidden;
  Value *present;              // of a set: which places are taken, bool [n]; NULL: no set
  const bool *lifted_circular; // inside a bijection of one number: which components of the last hidden axis are angles
} Tensor;

typedef struct RecordField {
  const char *name;
  Value *value;
} RecordField;
typedef struct Record { // also tuples: names NULL
  VEC(RecordField) fields;
  Value *vector; // its numbers in one row once somebody made them (elab_flatten), or what it was cut from
} Record;

typedef enum { CALL_FN, CALL_LAYER, CALL_NET, CALL_BIJECTION, CALL_LAMBDA, CALL_BUILTIN, CALL_MEMBER } CallableKind;
typedef struct Callable {
  CallableKind kind;
  const char *name;
  const AstDecl *decl;   // FN LAYER NET BIJECTION
  const AstExpr *lambda; // LAMBDA
  const struct Builtin *builtin;
  Scope *scope;             // where it was declared
  bool settings_given;      // two lists: the first is bound
  Scope *settings;          // the bound first list (child of scope)
  const char *path, *owner; // NET: where its weights stand, and the net or flow that `update` names
  const Value *self;        // MEMBER: f of f.forward
  bool inverse;             // MEMBER
} Callable;

typedef enum {
  DISTRIBUTION_NORMAL,
  DISTRIBUTION_UNIFORM,
  DISTRIBUTION_BERNOULLI,
  DISTRIBUTION_CATEGORICAL,
  DISTRIBUTION_LAPLACE,
  DISTRIBUTION_POINT,
  DISTRIBUTION_PERMUTATION,
  DISTRIBUTION_ORTHOGONAL,
  DISTRIBUTION_MIXTURE,
  DISTRIBUTION_POISSON,
  DISTRIBUTION_EXPONENTIAL,
  DISTRIBUTION_BETA,
  DISTRIBUTION_VON_MISES,
} DistributionKind;
typedef struct Distribution {
  DistributionKind kind;
  Value *a, *b;   // mu sigma | low high | p | logits or number | mu b | value | n | gain | logits and components (b)
  Extents copies; // d[n, m]: in front of the shape of the arguments
} Distribution;

typedef struct Bijection {
  const AstDecl *decl; // with a body
  Scope *settings;     // scope with the settings bound
  const char *path;    // where its weights stand
  bool inverted;
} Bijection;

typedef struct Flow {
  const AstDecl *decl;
  Scope *scope;
  const char *path;
} Flow;

struct Value {
  ValueKind kind;
  Span span;             // where it came about
  const char *unit;      // of a static number: 15 GeV; NULL: bare
  const FieldType *type; // a field, or a declared output of such a type; NULL: none
  const Value *prepared; // physical(v): v, else NULL
  IrRef log_jacobian;    // physical(v): log of d prepared / d physical, f64 per event; IR_NONE: not a density
  union {
    int64_t integer;
    double real;
    bool boolean;
    const char *string;
    Values list;
    Record record;
    Tensor tensor;
    Callable callable;
    Distribution distribution;
    Bijection bijection;
    Flow flow;
    struct {
      const struct Fit *fit; // lang/fit.h
      const char *way;       // NULL: the fit itself; "in_turn", or the member that was named
    } fit;
    struct {
      ModelData *data;
      const void *block;
      const char *name;
    } data;        // blocks
    Scope *module; // use … as name: its names
    struct {
      Value *of;     // a value of an event
      bool elements; // of a comprehension over a batch: of has the axis of pairs, and the list is along it
    } batch;         // batch(v): the list of v over the events of the batch
    struct {
      Value *of; // one element, along the hidden axis id (or the same for all)
      int32_t id;
      int64_t n;
    } alike; // a list whose elements were computed together (elab_alike.c)
  } u;
};

// ---- construction
Value *value_error(Elab *e);
// Numbers may be shared: who wants to change one takes a copy.
Value *value_int(Elab *e, Span span, int64_t x);
Value *value_real(Elab *e, Span span, double x);
Value *value_bool(Elab *e, Span span, bool x);
Value *value_in_unit(Elab *e, Value *number, const char *unit); // a copy; unit NULL: the number itself
Value *value_string(Elab *e, Span span, const char *text);
Value *value_list(Elab *e, Span span);                                               // empty; push to u.list
Value *value_record(Elab *e, Span span);                                             // empty; push to u.record.fields
Value *value_tensor(Elab *e, Span span, TensorType type, IrRef ir, Belongs belongs); // no hidden axes
Value *value_module(Elab *e, Span span, Scope *names);
Value *value_batch(Elab *e, Span span, Value *of, bool elements);
Value *value_data(Elab *e, Span span, const char *name, ModelData *data, const void *block);
Value *value_copy(Elab *e, const Value *v);

// ---- questions
static inline bool value_is_error(const Value *v) { return v->kind == VALUE_ERROR; }
bool value_is_number(const Value *v); // INT, REAL, BOOL
double value_number(const Value *v);
bool value_is_static(const Value *v);                      // numbers, strings and lists of such
bool value_same(const Value *a, const Value *b);           // the same static value or the same tensor
Value *value_field(const Value *record, const char *name); // NULL: none
int64_t field_type_numbers(const FieldType *t);            // as a vector; class counts its n (one-hot)
TensorType tensor_type_real(Extents shape);
Extents extents_of(int rank, const int64_t *axes);
bool extents_equal(const Extents *a, const Extents *b);
int64_t extents_elements(const Extents *s);

// ---- text for messages
const char *extents_text(Arena *arena, const char *element, const Extents *s); // real[3, 4]
const char *tensor_type_text(Arena *arena, const TensorType *t);
const char *value_text(Arena *arena, const Value *v); // real[128] | the number 3 | a layer | a net …

#endif
