// The syntax tree: what a .hgm file says, nothing more. A kind and a union of named structs; a span on every node.
// Names are NUL-terminated strings in the session arena. Lists are VECs of pointers. A recovered mistake is an ERROR node.
#ifndef HGM_AST_H
#define HGM_AST_H

#include "lang/diag.h"
#include "lang/source.h"

typedef struct AstExpr AstExpr;
typedef struct AstType AstType;
typedef struct AstStmt AstStmt;
typedef struct AstDecl AstDecl;

typedef struct AstName {
  const char *text;
  Span span;
} AstName;
typedef VEC(AstName) AstNames;
typedef VEC(AstExpr *) AstExprs;
typedef VEC(AstStmt *) AstStmts;

// ---- expressions
typedef enum {
  EX_ERROR,
  EX_NAME,
  EX_NUMBER,
  EX_STRING,
  EX_BOOL,
  EX_LIST,
  EX_FILL,
  EX_COMPREHENSION,
  EX_TUPLE,
  EX_UNARY,
  EX_BINARY,
  EX_PIPE,
  EX_UNIT,
  EX_IF,
  EX_FN,
  EX_FIELD,
  EX_CALL,
  EX_INDEX,
} AstExprKind;
typedef enum { UN_NEG, UN_NOT } AstUnary;
typedef enum {
  BIN_ADD,
  BIN_SUB,
  BIN_MUL,
  BIN_DIV,
  BIN_FLOORDIV,
  BIN_MOD,
  BIN_MATMUL,
  BIN_POW,
  BIN_EQ,
  BIN_NE,
  BIN_LT,
  BIN_LE,
  BIN_GT,
  BIN_GE,
  BIN_AND,
  BIN_OR,
} AstBinary;

typedef struct AstArg {
  AstName name;
  AstExpr *value;
} AstArg; // name.text NULL: positional
typedef VEC(AstArg) AstArgs;

typedef enum { IX_ONE, IX_RANGE, IX_REST, IX_SPLICE } AstIndexKind; // 3 | a:b:c (each may be NULL) | ... | *name
typedef struct AstIndex {
  AstIndexKind kind;
  Span span;
  AstExpr *from, *to, *step;
  AstName name;
} AstIndex;

typedef struct AstParam {
  AstName name;
  AstType *type;
  AstExpr *fallback;
} AstParam; // type, fallback may be NULL
typedef VEC(AstParam) AstParams;

typedef VEC(AstIndex) AstIndices;
typedef struct AstFor {
  AstNames names;
  AstExpr *from, *to;
} AstFor; // for a, b in from  |  for i in from:to
typedef VEC(AstFor) AstFors;

enum { AST_MAX_DEPTH = 400 }; // the parser refuses deeper trees, so that recursive passes need not look
struct AstExpr {
  AstExprKind kind;
  int depth;
  Span span;
  union {
    const char *name; // NAME
    struct {
      double value;
      bool integer;
      AstName unit;
    } number; // NUMBER: 15 GeV has a unit; integer: no . and no e
    const char *string;
    bool boolean;
    AstExprs items; // LIST, TUPLE
    struct {
      AstExpr *value, *count;
    } fill; // [v; n]
    struct {
      AstExpr *body;
      AstFors loops;
    } comprehension;
    struct {
      AstUnary op;
      AstExpr *operand;
    } unary;
    struct {
      AstBinary op;
      AstExpr *left, *right;
      Span op_span;
    } binary;
    struct {
      AstExpr *left, *right;
    } pipe;
    struct {
      AstExpr *operand;
      AstName unit;
    } unit; // v in GeV
    struct {
      AstExpr *condition, *yes, *no;
    } choose; // IF
    struct {
      AstParams params;
      AstExpr *body;
    } fn;
    struct {
      AstExpr *object;
      AstName name;
    } field;
    struct {
      AstExpr *callee;
      AstArgs args;
      AstExprs given;
      bool has_given;
    } call; // f(a, k = b | c)
    struct {
      AstExpr *object;
      AstIndices indices;
    } index;
  } u;
};

// ---- types
typedef enum { TY_ERROR, TY_NAME, TY_LIST, TY_SET, TY_CHOICES } AstTypeKind;
typedef struct AstDim {
  AstExpr *value;
  AstName splice;
} AstDim; // splice.text: *s
typedef VEC(AstDim) AstDims;
struct AstType {
  AstTypeKind kind;
  Span span;
  union {
    struct {
      AstName name, field;
      AstDims dims;
    } named;       // real[n, m], events.x (field.text may be NULL)
    AstType *list; // [int]
    struct {
      AstExpr *count;
      AstType *of;
    } set; // set[n] of T
    struct {
      AstName name;
      AstExprs values;
    } choices; // class of [0, 4, 5]
  } u;
};

// ---- statements
typedef enum { ST_ERROR, ST_ASSIGN, ST_DRAW, ST_LEARN, ST_REPEAT, ST_NET, ST_WHERE, ST_ASSERT, ST_DIRECTION } AstStmtKind;
typedef struct AstPattern {
  AstNames names;
  bool tuple;
  Span span;
} AstPattern; // tuple: (a, b); else one name
struct AstStmt {
  AstStmtKind kind;
  Span span;
  union {
    struct {
      AstPattern pattern;
      AstType *type;
      AstExpr *value;
    } assign; // type may be NULL
    struct {
      AstPattern pattern;
      AstExpr *from;
      AstExprs given;
      bool has_given;
    } draw;
    struct {
      bool fixed, draw;
      AstName name;
      AstType *type;
      AstExpr *value;
    } learn; // = value or ~ distribution
    struct {
      AstExpr *count;
      AstName as;
      AstStmts body;
    } repeat; // count: a number or a list
    AstDecl *net;
    AstExpr *condition; // where, assert
    struct {
      bool inverse;
      AstStmts body;
    } direction; // forward { } / inverse { } of a bijection
  } u;
};

// ---- declarations and blocks
typedef enum {
  DE_ERROR,
  DE_PARAM,
  DE_USE,
  DE_DATA,
  DE_NET,
  DE_LAYER,
  DE_FN,
  DE_FLOW,
  DE_BIJECTION,
  DE_FIT,
  DE_TRAIN,
  DE_GENERATE,
  DE_SCORE,
  DE_EVALUATE,
} AstDeclKind;

typedef struct AstVar {
  AstName name;
  AstType *type;
} AstVar;
typedef VEC(AstVar) AstVars;
typedef struct AstOut {
  bool present;
  AstType *type;
  AstVars vars;
} AstOut; // -> T  |  -> (a: T, b)
typedef struct AstBody {
  AstExpr *value;
  AstStmts statements;
} AstBody; // = e (value)  |  { … }

typedef struct AstSource AstSource; // right side of a data field
typedef struct AstSourceField {
  AstName name;
  AstType *type;
  AstSource *source;
} AstSourceField;
typedef VEC(AstSourceField) AstSourceFields;
struct AstSource {
  Span span;
  AstExpr *value;
  bool record;
  AstSourceFields fields;
};

typedef enum { DT_ERROR, DT_FIELD, DT_DECLARED, DT_DRAW, DT_SPLIT, DT_WHERE } AstDatumKind;
typedef struct AstDatum {
  AstDatumKind kind;
  Span span;
  AstName name;
  AstType *type;
  AstSource *source; // FIELD (type may be NULL), DECLARED (no source)
  AstPattern pattern;
  AstExpr *value; // DRAW: pattern ~ value; SPLIT, WHERE: value
} AstDatum;
typedef VEC(AstDatum *) AstDatums;

typedef enum { FS_ERROR, FS_BASE, FS_CONTEXT, FS_DEFINE, FS_STEP, FS_REPEAT } AstFlowStepKind;
typedef VEC(struct AstFlowStep *) AstFlowSteps;
typedef struct AstFlowStep {
  AstFlowStepKind kind;
  Span span;
  AstExpr *value;   // BASE, DEFINE; STEP: the step as an expression (NAME, FIELD or CALL); REPEAT: the count
  AstExprs context; // CONTEXT
  AstName name;     // DEFINE; REPEAT: as
  AstFlowSteps body;
} AstFlowStep;

typedef enum {
  TI_ERROR,
  TI_STATEMENT,
  TI_WHERE,
  TI_BATCH,
  TI_EPOCHS,
  TI_STEPS,
  TI_PATIENCE,
  TI_WATCH,
  TI_KEEP,
  TI_SIMULTANEOUS,
  TI_UPDATE,
} AstTrainKind;
typedef enum { UI_ERROR, UI_STATEMENT, UI_MINIMIZE, UI_MAXIMIZE, UI_WITH } AstUpdateKind;
typedef struct AstUpdateItem {
  AstUpdateKind kind;
  Span span;
  AstStmt *statement;
  AstExpr *value;
  AstExprs with;
} AstUpdateItem;
typedef VEC(AstUpdateItem *) AstUpdateItems;
typedef struct AstUpdate {
  Span span;
  AstExprs targets;                     // NAME or FIELD expressions
  AstExpr *repeat, *when;               // NULL when absent
  AstExpr *unrolling, *unrolling_count; // NULL when absent
  AstUpdateItems items;
} AstUpdate;
typedef struct AstTrainItem {
  AstTrainKind kind;
  Span span;
  AstStmt *statement;
  AstExpr *value, *second; // BATCH, EPOCHS (second: of N steps), STEPS, PATIENCE, WATCH (second: every), WHERE
  AstName keep;
  AstUpdate *update;
} AstTrainItem;
typedef VEC(AstTrainItem *) AstTrainItems;

typedef enum { EI_ERROR, EI_METRICS, EI_OBSERVABLES, EI_OBSERVABLE, EI_DEFINE, EI_EVENTS, EI_ASSERT } AstEvalKind;
typedef struct AstEvalItem {
  AstEvalKind kind;
  Span span;
  AstExprs list;  // METRICS, OBSERVABLES
  AstName name;   // OBSERVABLE, DEFINE
  AstExpr *value; // OBSERVABLE, DEFINE, EVENTS, ASSERT
  AstExpr *over_from, *over_to, *bins, *against;
  bool log;
  const char *label;
} AstEvalItem;
typedef VEC(AstEvalItem *) AstEvalItems;

struct AstDecl {
  AstDeclKind kind;
  Span span;
  AstName name;    // "" for blocks without one
  const char *doc; // text of the ## lines above, or NULL
  bool override;
  union {
    struct {
      AstType *type;
      AstExpr *value;
      AstExpr *low, *high;
      bool log;
      AstExprs choices;
      AstExpr *when;
    } param;
    struct {
      bool trained;
      const char *path;
      Span path_span;
      const char *pin;
      AstArgs args;
      AstName as;
    } use;
    struct {
      const char *from;
      AstDatums items;
    } data;
    struct {
      bool two_lists;
      AstParams settings, params;
      AstOut out;
      AstBody body;
    } callable; // NET (one list), LAYER, FN
    struct {
      AstVars vars, given;
      AstFlowSteps steps;
    } flow;
    struct {
      AstParams settings;
      AstExpr *value;
      AstVar from, to;
      AstVars given;
      AstStmts body;
    } bijection; // value: = expr
    struct {
      AstPattern pattern;
      AstExpr *value;
    } fit;
    struct {
      bool after;
      AstExpr *repeat;
      AstName as;
      AstTrainItems items;
    } train;
    struct {
      AstNames given;
      AstStmts body;
    } generate;
    struct {
      AstStmts body;
    } score;
    struct {
      AstEvalItems items;
    } evaluate;
  } u;
};

typedef VEC(AstDecl *) AstDecls;
typedef struct AstFile {
  SourceFile *source;
  const char *doc; // the ## lines at the top, when a blank line follows them; or NULL
  AstDecls items;
} AstFile;

// Parses a file; mistakes go to diags (several at once), what could be read is returned (never NULL).
AstFile *ast_parse(Arena *arena, Sources *sources, SourceFile *source, Diags *diags);
void ast_print(FILE *out, const AstFile *file); // --dump-ast: one node a line, indented

#endif
