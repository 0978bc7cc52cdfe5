#include "lang/unused.h"

#include <string.h>

#include "lang/base/map.h"

typedef struct Body {
  Arena *arena;
  Map mentioned;      // names
  VEC(AstName) given; // in order
} Body;

// ---- names that are mentioned

static void in_expr(Body *b, const AstExpr *x);
static void in_statements(Body *b, const AstStmts *list, bool gives);

static void mention(Body *b, AstName name) {
  if (name.text != NULL) map_put(b->arena, &b->mentioned, name.text, (void *)name.text);
}

static void in_exprs(Body *b, const AstExprs *list) {
  for (size_t i = 0; i < list->len; i++) in_expr(b, list->at[i]);
}

static void in_type(Body *b, const AstType *t) {
  if (t == NULL) return;
  switch (t->kind) {
  case TY_ERROR: return;
  case TY_LIST: in_type(b, t->u.list); return;
  case TY_SET:
    in_expr(b, t->u.set.count);
    in_type(b, t->u.set.of);
    return;
  case TY_CHOICES: in_exprs(b, &t->u.choices.values); return;
  case TY_NAME:
    mention(b, t->u.named.name);
    for (size_t i = 0; i < t->u.named.dims.len; i++) {
      in_expr(b, t->u.named.dims.at[i].value);
      mention(b, t->u.named.dims.at[i].splice);
    }
    return;
  }
}

static void in_params(Body *b, const AstParams *params) {
  for (size_t i = 0; i < params->len; i++) {
    in_type(b, params->at[i].type);
    in_expr(b, params->at[i].fallback);
  }
}

static void in_indices(Body *b, const AstIndices *list) {
  for (size_t i = 0; i < list->len; i++) {
    in_expr(b, list->at[i].from);
    in_expr(b, list->at[i].to);
    in_expr(b, list->at[i].step);
    if (list->at[i].kind == IX_SPLICE) mention(b, list->at[i].name);
  }
}

static void in_call(Body *b, const AstExpr *x) {
  in_expr(b, x->u.call.callee);
  for (size_t i = 0; i < x->u.call.args.len; i++) in_expr(b, x->u.call.args.at[i].value);
  in_exprs(b, &x->u.call.given);
}

static void in_comprehension(Body *b, const AstExpr *x) {
  in_expr(b, x->u.comprehension.body);
  for (size_t i = 0; i < x->u.comprehension.loops.len; i++) {
    in_expr(b, x->u.comprehension.loops.at[i].from);
    in_expr(b, x->u.comprehension.loops.at[i].to);
  }
}

static void in_expr(Body *b, const AstExpr *x) {
  if (x == NULL) return;
  switch (x->kind) {
  case EX_ERROR:
  case EX_NUMBER:
  case EX_STRING:
  case EX_BOOL: return;
  case EX_NAME: mention(b, (AstName){.text = x->u.name}); return;
  case EX_LIST:
  case EX_TUPLE: in_exprs(b, &x->u.items); return;
  case EX_FILL:
    in_expr(b, x->u.fill.value);
    in_expr(b, x->u.fill.count);
    return;
  case EX_COMPREHENSION: in_comprehension(b, x); return;
  case EX_UNARY: in_expr(b, x->u.unary.operand); return;
  case EX_BINARY:
    in_expr(b, x->u.binary.left);
    in_expr(b, x->u.binary.right);
    return;
  case EX_PIPE:
    in_expr(b, x->u.pipe.left);
    in_expr(b, x->u.pipe.right);
    return;
  case EX_UNIT: in_expr(b, x->u.unit.operand); return;
  case EX_IF:
    in_expr(b, x->u.choose.condition);
    in_expr(b, x->u.choose.yes);
    in_expr(b, x->u.choose.no);
    return;
  case EX_FN:
    in_params(b, &x->u.fn.params);
    in_expr(b, x->u.fn.body);
    return;
  case EX_FIELD: in_expr(b, x->u.field.object); return;
  case EX_CALL: in_call(b, x); return;
  case EX_INDEX:
    in_expr(b, x->u.index.object);
    in_indices(b, &x->u.index.indices);
    return;
  }
}

// ---- statements: what they mention, and what they give

static void give(Body *b, AstName name) {
  if (name.text != NULL && strcmp(name.text, "_") != 0) VEC_PUSH(b->arena, &b->given, name);
}

static void give_pattern(Body *b, const AstPattern *pattern) {
  for (size_t i = 0; i < pattern->names.len; i++) give(b, pattern->names.at[i]);
}

static void in_callable(Body *b, const AstDecl *d) {
  in_params(b, &d->u.callable.settings);
  in_params(b, &d->u.callable.params);
  in_type(b, d->u.callable.out.type);
  for (size_t i = 0; i < d->u.callable.out.vars.len; i++) {
    mention(b, d->u.callable.out.vars.at[i].name);
    in_type(b, d->u.callable.out.vars.at[i].type);
  }
  in_expr(b, d->u.callable.body.value);
}

static void in_statement(Body *b, const AstStmt *s, bool gives) {
  switch (s->kind) {
  case ST_ERROR: return;
  case ST_ASSIGN:
    in_type(b, s->u.assign.type);
    in_expr(b, s->u.assign.value);
    if (gives) give_pattern(b, &s->u.assign.pattern);
    return;
  case ST_DRAW:
    in_expr(b, s->u.draw.from);
    in_exprs(b, &s->u.draw.given);
    if (gives) give_pattern(b, &s->u.draw.pattern);
    return;
  case ST_LEARN:
    in_type(b, s->u.learn.type);
    in_expr(b, s->u.learn.value);
    if (gives) give(b, s->u.learn.name);
    return;
  case ST_REPEAT:
    in_expr(b, s->u.repeat.count);
    in_statements(b, &s->u.repeat.body, gives);
    return;
  case ST_NET:
    in_callable(b, s->u.net);
    in_statements(b, &s->u.net->u.callable.body.statements, false);
    return;
  case ST_WHERE:
  case ST_ASSERT: in_expr(b, s->u.condition); return;
  case ST_DIRECTION: in_statements(b, &s->u.direction.body, gives); return;
  }
}

static void in_statements(Body *b, const AstStmts *list, bool gives) {
  for (size_t i = 0; i < list->len; i++) in_statement(b, list->at[i], gives);
}

static void report(const Body *b, Diags *diags) {
  for (size_t i = 0; i < b->given.len; i++) {
    AstName name = b->given.at[i];
    if (map_get(&b->mentioned, name.text) != NULL) continue;
    Diag *d = diag_add(diags, DIAG_UNUSED, name.span, "`%s` is never used", name.text);
    diag_help(diags, d, "use it, delete it, or name it `_`");
  }
}

// ---- blocks

static void in_update(Body *b, const AstUpdate *u, bool gives) {
  if (u == NULL) return;
  in_exprs(b, &u->targets);
  in_expr(b, u->repeat);
  in_expr(b, u->when);
  in_expr(b, u->unrolling);
  in_expr(b, u->unrolling_count);
  for (size_t i = 0; i < u->items.len; i++) {
    const AstUpdateItem *item = u->items.at[i];
    if (item->statement != NULL) in_statement(b, item->statement, gives);
    in_expr(b, item->value);
    in_exprs(b, &item->with);
  }
}

static void of_train(Arena *arena, Diags *diags, const AstDecl *d) {
  Body block = {.arena = arena};
  for (size_t i = 0; i < d->u.train.items.len; i++) {
    const AstTrainItem *item = d->u.train.items.at[i];
    if (item->statement != NULL) in_statement(&block, item->statement, true);
    in_expr(&block, item->value);
    in_expr(&block, item->second);
    in_update(&block, item->update, false);
    Body update = {.arena = arena};
    in_update(&update, item->update, true);
    report(&update, diags);
  }
  report(&block, diags);
}

static void in_evaluate(Body *b, const AstDecl *d) {
  for (size_t i = 0; i < d->u.evaluate.items.len; i++) {
    const AstEvalItem *item = d->u.evaluate.items.at[i];
    if (item->kind == EI_DEFINE) give(b, item->name);
    in_exprs(b, &item->list);
    in_expr(b, item->value);
    in_expr(b, item->over_from);
    in_expr(b, item->over_to);
    in_expr(b, item->bins);
    in_expr(b, item->against);
  }
}

static void of_evaluate(Arena *arena, Diags *diags, const AstDecl *d) {
  Body b = {.arena = arena};
  in_evaluate(&b, d);
  report(&b, diags);
}

bool evaluate_mentions(Arena *arena, const AstDecl *evaluate, const char *name) {
  Body b = {.arena = arena};
  if (evaluate != NULL) in_evaluate(&b, evaluate);
  return map_get(&b.mentioned, name) != NULL;
}

static void of_definition(Arena *arena, Diags *diags, const AstDecl *d) {
  Body b = {.arena = arena};
  in_callable(&b, d);
  // `-> jets.reco { … }`: what it gives are the fields of a type
  in_statements(&b, &d->u.callable.body.statements, d->u.callable.out.type == NULL);
  report(&b, diags);
}

static void of_bijection(Arena *arena, Diags *diags, const AstDecl *d) {
  Body b = {.arena = arena};
  mention(&b, (AstName){.text = "log_det"});
  mention(&b, d->u.bijection.from.name);
  mention(&b, d->u.bijection.to.name);
  in_params(&b, &d->u.bijection.settings);
  in_expr(&b, d->u.bijection.value);
  in_statements(&b, &d->u.bijection.body, true);
  report(&b, diags);
}

void unused_names(Arena *arena, Diags *diags, const AstFile *file) {
  for (size_t i = 0; i < file->items.len; i++) {
    const AstDecl *d = file->items.at[i];
    if (d->kind == DE_NET || d->kind == DE_LAYER || d->kind == DE_FN) of_definition(arena, diags, d);
    else if (d->kind == DE_BIJECTION) of_bijection(arena, diags, d);
    else if (d->kind == DE_TRAIN) of_train(arena, diags, d);
    else if (d->kind == DE_EVALUATE) of_evaluate(arena, diags, d);
  }
}
