// See ast_build.h.
#include "lang/ast_build.h"

#include <string.h>

#include "parser.h"

// ---- expressions

static AstExpr *new_expr(Parse *p, Span span, AstExprKind kind) {
  AstExpr *e = ARENA_NEW(p->arena, AstExpr);
  e->kind = kind;
  e->span = span;
  e->depth = 1;
  return e;
}

// Puts e above child; too deep a tree becomes an error node, said once a place.
static void above(Parse *p, AstExpr *e, const AstExpr *child) {
  if (child == NULL || e->kind == EX_ERROR) return;
  if (child->depth + 1 > e->depth) e->depth = child->depth + 1;
  if (e->depth <= AST_MAX_DEPTH) return;
  Span place = {e->span.begin, e->span.begin + 1};
  Diag *d = diag_add(p->diags, DIAG_NESTED, place, "nested too deeply: this formula has more than %d steps inside each other", AST_MAX_DEPTH);
  diag_help(p->diags, d, "give the inner parts names of their own");
  *e = (AstExpr){.kind = EX_ERROR, .span = e->span, .depth = 1};
}

static void above_all(Parse *p, AstExpr *e, const AstExprs *list) {
  for (size_t i = 0; i < list->len; i++) above(p, e, list->at[i]);
}

static void above_type(Parse *p, AstExpr *e, const AstType *type) {
  if (type == NULL) return;
  switch (type->kind) {
  case TY_ERROR: break;
  case TY_NAME:
    for (size_t i = 0; i < type->u.named.dims.len; i++) above(p, e, type->u.named.dims.at[i].value);
    break;
  case TY_LIST: above_type(p, e, type->u.list); break;
  case TY_SET:
    above(p, e, type->u.set.count);
    above_type(p, e, type->u.set.of);
    break;
  case TY_CHOICES: above_all(p, e, &type->u.choices.values); break;
  }
}

AstExpr *ast_error(Parse *p, Span span) { return new_expr(p, span, EX_ERROR); }

AstExpr *ast_name(Parse *p, Span span, AstName name) {
  AstExpr *e = new_expr(p, span, EX_NAME);
  e->u.name = name.text;
  return e;
}

AstExpr *ast_number(Parse *p, Span span, const Token *token, AstName unit) {
  AstExpr *e = new_expr(p, span, EX_NUMBER);
  e->u.number.value = token->value;
  e->u.number.integer = token->integer;
  e->u.number.unit = unit;
  return e;
}

AstExpr *ast_string(Parse *p, Span span, const char *text) {
  AstExpr *e = new_expr(p, span, EX_STRING);
  e->u.string = text;
  return e;
}

AstExpr *ast_bool(Parse *p, Span span, bool value) {
  AstExpr *e = new_expr(p, span, EX_BOOL);
  e->u.boolean = value;
  return e;
}

AstExpr *ast_items(Parse *p, Span span, AstExprKind kind, AstExprs items) {
  AstExpr *e = new_expr(p, span, kind);
  e->u.items = items;
  above_all(p, e, &items);
  return e;
}

AstExpr *ast_fill(Parse *p, Span span, AstExpr *value, AstExpr *count) {
  AstExpr *e = new_expr(p, span, EX_FILL);
  e->u.fill.value = value;
  e->u.fill.count = count;
  above(p, e, value);
  above(p, e, count);
  return e;
}

AstExpr *ast_comprehension(Parse *p, Span span, AstExpr *body, AstFors loops) {
  AstExpr *e = new_expr(p, span, EX_COMPREHENSION);
  e->u.comprehension.body = body;
  e->u.comprehension.loops = loops;
  above(p, e, body);
  for (size_t i = 0; i < loops.len; i++) {
    above(p, e, loops.at[i].from);
    above(p, e, loops.at[i].to);
  }
  return e;
}

AstExpr *ast_unary(Parse *p, Span span, AstUnary op, AstExpr *operand) {
  AstExpr *e = new_expr(p, span, EX_UNARY);
  e->u.unary.op = op;
  e->u.unary.operand = operand;
  above(p, e, operand);
  return e;
}

AstExpr *ast_binary(Parse *p, Span span, Span op_span, AstBinary op, AstExpr *left, AstExpr *right) {
  AstExpr *e = new_expr(p, span, EX_BINARY);
  e->u.binary.op = op;
  e->u.binary.op_span = op_span;
  e->u.binary.left = left;
  e->u.binary.right = right;
  above(p, e, left);
  above(p, e, right);
  return e;
}

AstExpr *ast_pipe(Parse *p, Span span, AstExpr *left, AstExpr *right) {
  AstExpr *e = new_expr(p, span, EX_PIPE);
  e->u.pipe.left = left;
  e->u.pipe.right = right;
  above(p, e, left);
  above(p, e, right);
  return e;
}

AstExpr *ast_unit(Parse *p, Span span, AstExpr *operand, AstName unit) {
  AstExpr *e = new_expr(p, span, EX_UNIT);
  e->u.unit.operand = operand;
  e->u.unit.unit = unit;
  above(p, e, operand);
  return e;
}

AstExpr *ast_if(Parse *p, Span span, AstExpr *condition, AstExpr *yes, AstExpr *no) {
  AstExpr *e = new_expr(p, span, EX_IF);
  e->u.choose.condition = condition;
  e->u.choose.yes = yes;
  e->u.choose.no = no;
  above(p, e, condition);
  above(p, e, yes);
  above(p, e, no);
  return e;
}

AstExpr *ast_fn(Parse *p, Span span, AstParams params, AstExpr *body) {
  AstExpr *e = new_expr(p, span, EX_FN);
  e->u.fn.params = params;
  e->u.fn.body = body;
  above(p, e, body);
  for (size_t i = 0; i < params.len; i++) {
    above(p, e, params.at[i].fallback);
    above_type(p, e, params.at[i].type);
  }
  return e;
}

AstExpr *ast_field(Parse *p, Span span, AstExpr *object, AstName name) {
  AstExpr *e = new_expr(p, span, EX_FIELD);
  e->u.field.object = object;
  e->u.field.name = name;
  above(p, e, object);
  return e;
}

AstExpr *ast_call(Parse *p, Span span, AstExpr *callee, AstArgs args, AstExprs given, bool has_given) {
  AstExpr *e = new_expr(p, span, EX_CALL);
  e->u.call.callee = callee;
  e->u.call.args = args;
  e->u.call.given = given;
  e->u.call.has_given = has_given;
  above(p, e, callee);
  for (size_t i = 0; i < args.len; i++) above(p, e, args.at[i].value);
  above_all(p, e, &given);
  return e;
}

AstExpr *ast_index(Parse *p, Span span, AstExpr *object, AstIndices indices) {
  AstExpr *e = new_expr(p, span, EX_INDEX);
  e->u.index.object = object;
  e->u.index.indices = indices;
  above(p, e, object);
  for (size_t i = 0; i < indices.len; i++) {
    above(p, e, indices.at[i].from);
    above(p, e, indices.at[i].to);
    above(p, e, indices.at[i].step);
  }
  return e;
}

// ---- types

static AstType *new_type(Parse *p, Span span, AstTypeKind kind) {
  AstType *t = ARENA_NEW(p->arena, AstType);
  t->kind = kind;
  t->span = span;
  return t;
}

// All of a path but its last name, as one: `model.events`.
static AstName path_head(Parse *p, const AstNames *path) {
  AstName head = path->at[0];
  for (size_t i = 1; i + 1 < path->len; i++) {
    head.text = arena_printf(p->arena, "%s.%s", head.text, path->at[i].text);
    head.span = span_join(head.span, path->at[i].span);
  }
  return head;
}

AstType *ast_named_type(Parse *p, Span span, AstNames path, AstDims dims) {
  AstType *t = new_type(p, span, TY_NAME);
  t->u.named.name = path_head(p, &path);
  if (path.len > 1) t->u.named.field = path.at[path.len - 1];
  t->u.named.dims = dims;
  return t;
}

AstType *ast_list_type(Parse *p, Span span, AstType *of) {
  AstType *t = new_type(p, span, TY_LIST);
  t->u.list = of;
  return t;
}

AstType *ast_set_type(Parse *p, Span span, AstExpr *count, AstType *of) {
  int depth = 0;
  for (const AstType *t = of; t->kind == TY_SET; t = t->u.set.of) depth++;
  if (depth >= MAX_BRACKETS) {
    Diag *d = diag_add(p->diags, DIAG_NESTED, (Span){span.begin, span.begin + 1}, "nested too deeply: sets of sets");
    diag_help(p->diags, d, "a set holds numbers, vectors or records");
    return new_type(p, span, TY_ERROR);
  }
  AstType *t = new_type(p, span, TY_SET);
  t->u.set.count = count;
  t->u.set.of = of;
  return t;
}

AstType *ast_choices(Parse *p, Span span, AstNames path, AstExprs values) {
  AstType *t = new_type(p, span, TY_CHOICES);
  t->u.choices.name = path.at[0];
  t->u.choices.values = values;
  return t;
}

// ---- statements

AstPattern ast_one(Parse *p, AstName name) {
  AstPattern pattern = {.span = name.span};
  VEC_PUSH(p->arena, &pattern.names, name);
  return pattern;
}

AstPattern ast_several(Span span, AstNames names) { return (AstPattern){.names = names, .tuple = true, .span = span}; }

static AstStmt *new_stmt(Parse *p, Span span, AstStmtKind kind) {
  AstStmt *s = ARENA_NEW(p->arena, AstStmt);
  s->kind = kind;
  s->span = span;
  return s;
}

AstStmt *ast_stmt_error(Parse *p, Span span) { return new_stmt(p, span, ST_ERROR); }

AstStmt *ast_assign(Parse *p, Span span, AstPattern pattern, AstType *type, AstExpr *value) {
  AstStmt *s = new_stmt(p, span, ST_ASSIGN);
  s->u.assign.pattern = pattern;
  s->u.assign.type = type;
  s->u.assign.value = value;
  return s;
}

AstStmt *ast_draw(Parse *p, Span span, AstPattern pattern, AstExpr *from, AstExprs given, bool has_given) {
  AstStmt *s = new_stmt(p, span, ST_DRAW);
  s->u.draw.pattern = pattern;
  s->u.draw.from = from;
  s->u.draw.given = given;
  s->u.draw.has_given = has_given;
  return s;
}

AstStmt *ast_learn(Parse *p, Span span, bool fixed, bool draw, AstName name, AstType *type, AstExpr *value) {
  AstStmt *s = new_stmt(p, span, ST_LEARN);
  s->u.learn.fixed = fixed;
  s->u.learn.draw = draw;
  s->u.learn.name = name;
  s->u.learn.type = type;
  s->u.learn.value = value;
  return s;
}

AstStmt *ast_repeat(Parse *p, Span span, AstExpr *count, AstName as, AstStmts body) {
  AstStmt *s = new_stmt(p, span, ST_REPEAT);
  s->u.repeat.count = count;
  s->u.repeat.as = as;
  s->u.repeat.body = body;
  return s;
}

AstStmt *ast_net_stmt(Parse *p, Span span, AstDecl *net) {
  if (net->kind == DE_ERROR) return ast_stmt_error(p, span);
  AstStmt *s = new_stmt(p, span, ST_NET);
  s->u.net = net;
  return s;
}

AstStmt *ast_condition(Parse *p, Span span, AstStmtKind kind, AstExpr *condition) {
  AstStmt *s = new_stmt(p, span, kind);
  s->u.condition = condition;
  return s;
}

AstStmt *ast_direction(Parse *p, Span span, bool inverse, AstStmts body) {
  AstStmt *s = new_stmt(p, span, ST_DIRECTION);
  s->u.direction.inverse = inverse;
  s->u.direction.body = body;
  return s;
}
