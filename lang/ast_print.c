// --dump-ast: one node a line, indented by two for each level, as `kind name …`; words as in the grammar.
#include <stdlib.h>

#include "lang/ast.h"

typedef struct Printer {
  FILE *out;
  int level;
} Printer;

static void expr(Printer *p, const AstExpr *e);
static void decl(Printer *p, const AstDecl *d);
static void stmts(Printer *p, const AstStmts *list);

static void line(Printer *p, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void line(Printer *p, const char *format, ...) {
  fprintf(p->out, "%*s", 2 * p->level, "");
  va_list args;
  va_start(args, format);
  vfprintf(p->out, format, args);
  va_end(args);
  fputc('\n', p->out);
}

// A role and what plays it, one level down; nothing when it is absent.
static void role(Printer *p, const char *name, const AstExpr *e) {
  if (e == NULL) return;
  line(p, "%s", name);
  p->level++;
  expr(p, e);
  p->level--;
}

static void roles(Printer *p, const char *name, const AstExprs *list) {
  if (list->len == 0) return;
  line(p, "%s", name);
  p->level++;
  for (size_t i = 0; i < list->len; i++) expr(p, list->at[i]);
  p->level--;
}

// ---- types

static void type(Printer *p, const AstType *t) {
  if (t == NULL) return;
  switch (t->kind) {
  case TY_ERROR: line(p, "type error"); break;
  case TY_NAME:
    line(p, "type %s%s%s", t->u.named.name.text, t->u.named.field.text != NULL ? "." : "", t->u.named.field.text != NULL ? t->u.named.field.text : "");
    p->level++;
    for (size_t i = 0; i < t->u.named.dims.len; i++) {
      const AstDim *dim = &t->u.named.dims.at[i];
      if (dim->value != NULL) expr(p, dim->value);
      else line(p, "*%s", dim->splice.text);
    }
    p->level--;
    break;
  case TY_LIST:
    line(p, "type list");
    p->level++;
    type(p, t->u.list);
    p->level--;
    break;
  case TY_SET:
    line(p, "type set");
    p->level++;
    expr(p, t->u.set.count);
    type(p, t->u.set.of);
    p->level--;
    break;
  case TY_CHOICES:
    line(p, "type %s of", t->u.choices.name.text);
    p->level++;
    for (size_t i = 0; i < t->u.choices.values.len; i++) expr(p, t->u.choices.values.at[i]);
    p->level--;
    break;
  }
}

static void vars(Printer *p, const char *name, const AstVars *list) {
  for (size_t i = 0; i < list->len; i++) {
    line(p, "%s %s", name, list->at[i].name.text);
    p->level++;
    type(p, list->at[i].type);
    p->level--;
  }
}

static void params(Printer *p, const char *name, const AstParams *list) {
  for (size_t i = 0; i < list->len; i++) {
    line(p, "%s %s", name, list->at[i].name.text);
    p->level++;
    type(p, list->at[i].type);
    role(p, "default", list->at[i].fallback);
    p->level--;
  }
}

static void names(Printer *p, const char *name, const AstNames *list) {
  for (size_t i = 0; i < list->len; i++) line(p, "%s %s", name, list->at[i].text);
}

// ---- expressions

static const char *binary_text(AstBinary op) {
  switch (op) {
  case BIN_ADD: return "+";
  case BIN_SUB: return "-";
  case BIN_MUL: return "*";
  case BIN_DIV: return "/";
  case BIN_FLOORDIV: return "//";
  case BIN_MOD: return "%";
  case BIN_MATMUL: return "@";
  case BIN_POW: return "^";
  case BIN_EQ: return "==";
  case BIN_NE: return "!=";
  case BIN_LT: return "<";
  case BIN_LE: return "<=";
  case BIN_GT: return ">";
  case BIN_GE: return ">=";
  case BIN_AND: return "and";
  case BIN_OR: return "or";
  }
  return "?";
}

static void index_of(Printer *p, const AstIndex *index) {
  switch (index->kind) {
  case IX_ONE: role(p, "at", index->from); break;
  case IX_RANGE:
    line(p, "range");
    p->level++;
    role(p, "from", index->from);
    role(p, "to", index->to);
    role(p, "step", index->step);
    p->level--;
    break;
  case IX_REST: line(p, "..."); break;
  case IX_SPLICE: line(p, "*%s", index->name.text); break;
  }
}

static void call(Printer *p, const AstExpr *e) {
  expr(p, e->u.call.callee);
  for (size_t i = 0; i < e->u.call.args.len; i++) {
    const AstArg *arg = &e->u.call.args.at[i];
    line(p, arg->name.text != NULL ? "argument %s" : "argument%s", arg->name.text != NULL ? arg->name.text : "");
    p->level++;
    expr(p, arg->value);
    p->level--;
  }
  roles(p, "given", &e->u.call.given);
}

static void comprehension(Printer *p, const AstExpr *e) {
  expr(p, e->u.comprehension.body);
  for (size_t i = 0; i < e->u.comprehension.loops.len; i++) {
    const AstFor *loop = &e->u.comprehension.loops.at[i];
    line(p, "for");
    p->level++;
    names(p, "name", &loop->names);
    role(p, loop->to != NULL ? "from" : "in", loop->from);
    role(p, "to", loop->to);
    p->level--;
  }
}

static void children(Printer *p, const AstExpr *e) {
  switch (e->kind) {
  case EX_ERROR:
  case EX_NAME:
  case EX_NUMBER:
  case EX_STRING:
  case EX_BOOL: break;
  case EX_LIST:
  case EX_TUPLE:
    for (size_t i = 0; i < e->u.items.len; i++) expr(p, e->u.items.at[i]);
    break;
  case EX_FILL:
    expr(p, e->u.fill.value);
    role(p, "times", e->u.fill.count);
    break;
  case EX_COMPREHENSION: comprehension(p, e); break;
  case EX_UNARY: expr(p, e->u.unary.operand); break;
  case EX_BINARY:
    expr(p, e->u.binary.left);
    expr(p, e->u.binary.right);
    break;
  case EX_PIPE:
    expr(p, e->u.pipe.left);
    expr(p, e->u.pipe.right);
    break;
  case EX_UNIT: expr(p, e->u.unit.operand); break;
  case EX_IF:
    expr(p, e->u.choose.condition);
    role(p, "then", e->u.choose.yes);
    role(p, "else", e->u.choose.no);
    break;
  case EX_FN:
    params(p, "param", &e->u.fn.params);
    expr(p, e->u.fn.body);
    break;
  case EX_FIELD: expr(p, e->u.field.object); break;
  case EX_CALL: call(p, e); break;
  case EX_INDEX:
    expr(p, e->u.index.object);
    for (size_t i = 0; i < e->u.index.indices.len; i++) index_of(p, &e->u.index.indices.at[i]);
    break;
  }
}

static void number(Printer *p, const AstExpr *e) { // as few digits as read back to the same number
  char text[40];
  for (int digits = 15; digits <= 17; digits++) {
    snprintf(text, sizeof text, "%.*g", digits, e->u.number.value);
    if (strtod(text, NULL) == e->u.number.value) break;
  }
  const char *unit = e->u.number.unit.text;
  line(p, "%s %s%s%s", e->u.number.integer ? "integer" : "number", text, unit != NULL ? " " : "", unit != NULL ? unit : "");
}

static void expr(Printer *p, const AstExpr *e) {
  switch (e->kind) {
  case EX_ERROR: line(p, "error"); break;
  case EX_NAME: line(p, "name %s", e->u.name); break;
  case EX_NUMBER: number(p, e); break;
  case EX_STRING: line(p, "string \"%s\"", e->u.string); break;
  case EX_BOOL: line(p, e->u.boolean ? "true" : "false"); break;
  case EX_LIST: line(p, "list"); break;
  case EX_FILL: line(p, "fill"); break;
  case EX_COMPREHENSION: line(p, "comprehension"); break;
  case EX_TUPLE: line(p, "tuple"); break;
  case EX_UNARY: line(p, e->u.unary.op == UN_NEG ? "unary -" : "unary not"); break;
  case EX_BINARY: line(p, "binary %s", binary_text(e->u.binary.op)); break;
  case EX_PIPE: line(p, "pipe"); break;
  case EX_UNIT: line(p, "unit %s", e->u.unit.unit.text); break;
  case EX_IF: line(p, "if"); break;
  case EX_FN: line(p, "fn"); break;
  case EX_FIELD: line(p, "field %s", e->u.field.name.text); break;
  case EX_CALL: line(p, "call"); break;
  case EX_INDEX: line(p, "index"); break;
  }
  p->level++;
  children(p, e);
  p->level--;
}

// ---- statements

static void stmt(Printer *p, const AstStmt *s) {
  switch (s->kind) {
  case ST_ERROR: line(p, "error"); return;
  case ST_ASSIGN: line(p, "assign"); break;
  case ST_DRAW: line(p, "draw"); break;
  case ST_LEARN: line(p, "%s %s%s", s->u.learn.fixed ? "fixed" : "learn", s->u.learn.name.text, s->u.learn.draw ? " drawn" : ""); break;
  case ST_REPEAT: line(p, "repeat%s%s", s->u.repeat.as.text != NULL ? " as " : "", s->u.repeat.as.text != NULL ? s->u.repeat.as.text : ""); break;
  case ST_NET: decl(p, s->u.net); return;
  case ST_WHERE: line(p, "where"); break;
  case ST_ASSERT: line(p, "assert"); break;
  case ST_DIRECTION: line(p, s->u.direction.inverse ? "inverse" : "forward"); break;
  }
  p->level++;
  switch (s->kind) {
  case ST_ERROR:
  case ST_NET: break;
  case ST_ASSIGN:
    names(p, "name", &s->u.assign.pattern.names);
    type(p, s->u.assign.type);
    role(p, "value", s->u.assign.value);
    break;
  case ST_DRAW:
    names(p, "name", &s->u.draw.pattern.names);
    role(p, "from", s->u.draw.from);
    roles(p, "given", &s->u.draw.given);
    break;
  case ST_LEARN:
    type(p, s->u.learn.type);
    role(p, "start", s->u.learn.value);
    break;
  case ST_REPEAT:
    role(p, "count", s->u.repeat.count);
    stmts(p, &s->u.repeat.body);
    break;
  case ST_WHERE:
  case ST_ASSERT: expr(p, s->u.condition); break;
  case ST_DIRECTION: stmts(p, &s->u.direction.body); break;
  }
  p->level--;
}

static void stmts(Printer *p, const AstStmts *list) {
  for (size_t i = 0; i < list->len; i++) stmt(p, list->at[i]);
}

// ---- items of blocks

static void source(Printer *p, const AstSource *s) {
  if (s == NULL) return;
  if (!s->record) {
    role(p, "source", s->value);
    return;
  }
  for (size_t i = 0; i < s->fields.len; i++) {
    line(p, "field %s", s->fields.at[i].name.text);
    p->level++;
    type(p, s->fields.at[i].type);
    source(p, s->fields.at[i].source);
    p->level--;
  }
}

static void datum(Printer *p, const AstDatum *d) {
  switch (d->kind) {
  case DT_ERROR: line(p, "error"); return;
  case DT_FIELD: line(p, "field %s", d->name.text); break;
  case DT_DECLARED: line(p, "declared %s", d->name.text); break;
  case DT_DRAW: line(p, "draw"); break;
  case DT_SPLIT: line(p, "split"); break;
  case DT_WHERE: line(p, "where"); break;
  }
  p->level++;
  names(p, "name", &d->pattern.names);
  type(p, d->type);
  source(p, d->source);
  role(p, "value", d->value);
  p->level--;
}

static void step(Printer *p, const AstFlowStep *s) {
  switch (s->kind) {
  case FS_ERROR: line(p, "error"); return;
  case FS_BASE: line(p, "base"); break;
  case FS_CONTEXT: line(p, "context"); break;
  case FS_DEFINE: line(p, "define %s", s->name.text); break;
  case FS_STEP: line(p, "step"); break;
  case FS_REPEAT: line(p, "repeat%s%s", s->name.text != NULL ? " as " : "", s->name.text != NULL ? s->name.text : ""); break;
  }
  p->level++;
  if (s->value != NULL) expr(p, s->value);
  for (size_t i = 0; i < s->context.len; i++) expr(p, s->context.at[i]);
  for (size_t i = 0; i < s->body.len; i++) step(p, s->body.at[i]);
  p->level--;
}

static void update(Printer *p, const AstUpdate *u) {
  line(p, "update");
  p->level++;
  roles(p, "targets", &u->targets);
  role(p, "repeat", u->repeat);
  role(p, "when", u->when);
  role(p, "unrolling", u->unrolling);
  role(p, "times", u->unrolling_count);
  for (size_t i = 0; i < u->items.len; i++) {
    const AstUpdateItem *item = u->items.at[i];
    switch (item->kind) {
    case UI_ERROR: line(p, "error"); break;
    case UI_STATEMENT: stmt(p, item->statement); break;
    case UI_MINIMIZE: role(p, "minimize", item->value); break;
    case UI_MAXIMIZE: role(p, "maximize", item->value); break;
    case UI_WITH: roles(p, "with", &item->with); break;
    }
  }
  p->level--;
}

static void train_item(Printer *p, const AstTrainItem *t) {
  switch (t->kind) {
  case TI_ERROR: line(p, "error"); break;
  case TI_STATEMENT: stmt(p, t->statement); break;
  case TI_WHERE: role(p, "where", t->value); break;
  case TI_BATCH: role(p, "batch", t->value); break;
  case TI_EPOCHS:
    role(p, "epochs", t->value);
    role(p, "of steps", t->second);
    break;
  case TI_STEPS: role(p, "steps", t->value); break;
  case TI_PATIENCE: role(p, "patience", t->value); break;
  case TI_WATCH:
    role(p, "watch", t->value);
    role(p, "every", t->second);
    break;
  case TI_KEEP: line(p, "keep %s", t->keep.text); break;
  case TI_SIMULTANEOUS: line(p, "simultaneous"); break;
  case TI_UPDATE: update(p, t->update); break;
  }
}

static void eval_item(Printer *p, const AstEvalItem *e) {
  switch (e->kind) {
  case EI_ERROR: line(p, "error"); break;
  case EI_METRICS: roles(p, "metrics", &e->list); break;
  case EI_OBSERVABLES: roles(p, "observables", &e->list); break;
  case EI_OBSERVABLE: line(p, "observable %s%s", e->name.text, e->log ? " log" : ""); break;
  case EI_DEFINE: line(p, "define %s", e->name.text); break;
  case EI_EVENTS: role(p, "events", e->value); break;
  case EI_ASSERT: role(p, "assert", e->value); break;
  }
  if (e->kind != EI_OBSERVABLE && e->kind != EI_DEFINE) return;
  p->level++;
  expr(p, e->value);
  role(p, "over", e->over_from);
  role(p, "to", e->over_to);
  role(p, "bins", e->bins);
  role(p, "against", e->against);
  if (e->label != NULL) line(p, "label \"%s\"", e->label);
  p->level--;
}

// ---- declarations

static void param(Printer *p, const AstDecl *d) {
  type(p, d->u.param.type);
  role(p, "default", d->u.param.value);
  role(p, d->u.param.log ? "tune log from" : "tune from", d->u.param.low);
  role(p, "to", d->u.param.high);
  roles(p, "tune", &d->u.param.choices);
  role(p, "when", d->u.param.when);
}

static void callable(Printer *p, const AstDecl *d) {
  if (d->u.callable.two_lists) line(p, "two lists");
  params(p, "setting", &d->u.callable.settings);
  params(p, "param", &d->u.callable.params);
  if (d->u.callable.out.present) {
    line(p, "gives");
    p->level++;
    type(p, d->u.callable.out.type);
    vars(p, "output", &d->u.callable.out.vars);
    p->level--;
  }
  role(p, "value", d->u.callable.body.value);
  stmts(p, &d->u.callable.body.statements);
}

static void bijection(Printer *p, const AstDecl *d) {
  params(p, "setting", &d->u.bijection.settings);
  if (d->u.bijection.value != NULL) {
    role(p, "value", d->u.bijection.value);
    return;
  }
  line(p, "from %s", d->u.bijection.from.name.text);
  p->level++;
  type(p, d->u.bijection.from.type);
  p->level--;
  line(p, "to %s", d->u.bijection.to.name.text);
  p->level++;
  type(p, d->u.bijection.to.type);
  p->level--;
  vars(p, "given", &d->u.bijection.given);
  stmts(p, &d->u.bijection.body);
}

static void use(Printer *p, const AstDecl *d) {
  if (d->u.use.as.text != NULL) line(p, "as %s", d->u.use.as.text);
  if (d->u.use.pin != NULL) line(p, "pin \"%s\"", d->u.use.pin);
  for (size_t i = 0; i < d->u.use.args.len; i++) {
    line(p, "turn %s", d->u.use.args.at[i].name.text != NULL ? d->u.use.args.at[i].name.text : "?");
    p->level++;
    expr(p, d->u.use.args.at[i].value);
    p->level--;
  }
}

static void inside(Printer *p, const AstDecl *d) {
  switch (d->kind) {
  case DE_ERROR: break;
  case DE_PARAM: param(p, d); break;
  case DE_USE: use(p, d); break;
  case DE_DATA:
    if (d->u.data.from != NULL) line(p, "from \"%s\"", d->u.data.from);
    for (size_t i = 0; i < d->u.data.items.len; i++) datum(p, d->u.data.items.at[i]);
    break;
  case DE_NET:
  case DE_LAYER:
  case DE_FN: callable(p, d); break;
  case DE_FLOW:
    vars(p, "var", &d->u.flow.vars);
    vars(p, "given", &d->u.flow.given);
    for (size_t i = 0; i < d->u.flow.steps.len; i++) step(p, d->u.flow.steps.at[i]);
    break;
  case DE_BIJECTION: bijection(p, d); break;
  case DE_FIT:
    names(p, "name", &d->u.fit.pattern.names);
    role(p, "value", d->u.fit.value);
    break;
  case DE_TRAIN:
    role(p, "repeat", d->u.train.repeat);
    if (d->u.train.as.text != NULL) line(p, "as %s", d->u.train.as.text);
    for (size_t i = 0; i < d->u.train.items.len; i++) train_item(p, d->u.train.items.at[i]);
    break;
  case DE_GENERATE:
    names(p, "given", &d->u.generate.given);
    stmts(p, &d->u.generate.body);
    break;
  case DE_SCORE: stmts(p, &d->u.score.body); break;
  case DE_EVALUATE:
    for (size_t i = 0; i < d->u.evaluate.items.len; i++) eval_item(p, d->u.evaluate.items.at[i]);
    break;
  }
}

static const char *decl_text(const AstDecl *d) {
  switch (d->kind) {
  case DE_ERROR: return "error";
  case DE_PARAM: return "param";
  case DE_USE: return d->u.use.trained ? "use trained" : "use";
  case DE_DATA: return "data";
  case DE_NET: return "net";
  case DE_LAYER: return "layer";
  case DE_FN: return "fn";
  case DE_FLOW: return "flow";
  case DE_BIJECTION: return "bijection";
  case DE_FIT: return "fit";
  case DE_TRAIN: return d->u.train.after ? "train after" : "train";
  case DE_GENERATE: return "generate";
  case DE_SCORE: return "score";
  case DE_EVALUATE: return "evaluate";
  }
  return "?";
}

static void doc(Printer *p, const char *text) {
  for (const char *from = text; from != NULL && *from != '\0';) {
    int len = 0;
    while (from[len] != '\0' && from[len] != '\n') len++;
    line(p, "## %.*s", len, from);
    from += len + (from[len] == '\n');
  }
}

static void decl(Printer *p, const AstDecl *d) {
  doc(p, d->doc);
  const char *name = d->kind == DE_USE ? d->u.use.path : d->name.text;
  line(p, "%s%s%s%s", d->override ? "override " : "", decl_text(d), name[0] != '\0' ? " " : "", name);
  p->level++;
  inside(p, d);
  p->level--;
}

void ast_print(FILE *out, const AstFile *file) {
  Printer p = {out, 0};
  doc(&p, file->doc);
  for (size_t i = 0; i < file->items.len; i++) decl(&p, file->items.at[i]);
}
