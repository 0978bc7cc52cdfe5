// Declarations, blocks and the items in them. See ast_build.h.
#include "lang/ast_build.h"

#include "parser.h"

// ---- data

AstSource *ast_source(Parse *p, Span span, AstExpr *value) {
  AstSource *s = ARENA_NEW(p->arena, AstSource);
  s->span = span;
  s->value = value;
  return s;
}

AstSource *ast_record(Parse *p, Span span, AstSourceFields fields) {
  AstSource *s = ARENA_NEW(p->arena, AstSource);
  s->span = span;
  s->record = true;
  s->fields = fields;
  return s;
}

AstDatum *ast_datum(Parse *p, Span span, AstDatumKind kind, AstName name, AstType *type, AstSource *source) {
  AstDatum *d = ARENA_NEW(p->arena, AstDatum);
  d->kind = kind;
  d->span = span;
  d->name = name;
  d->type = type;
  d->source = source;
  return d;
}

AstDatum *ast_datum_value(Parse *p, Span span, AstDatumKind kind, AstPattern pattern, AstExpr *value) {
  AstDatum *d = ARENA_NEW(p->arena, AstDatum);
  d->kind = kind;
  d->span = span;
  d->pattern = pattern;
  d->value = value;
  return d;
}

// ---- flows

AstFlowStep *ast_step(Parse *p, Span span, AstFlowStepKind kind, AstName name, AstExpr *value) {
  AstFlowStep *s = ARENA_NEW(p->arena, AstFlowStep);
  s->kind = kind;
  s->span = span;
  s->name = name;
  s->value = value;
  return s;
}

AstFlowStep *ast_step_context(Parse *p, Span span, AstExprs context) {
  AstFlowStep *s = ast_step(p, span, FS_CONTEXT, (AstName){0}, NULL);
  s->context = context;
  return s;
}

AstFlowStep *ast_step_repeat(Parse *p, Span span, AstExpr *count, AstName as, AstFlowSteps body) {
  AstFlowStep *s = ast_step(p, span, FS_REPEAT, as, count);
  s->body = body;
  return s;
}

// ---- training

AstTrainItem *ast_train_item(Parse *p, Span span, AstTrainKind kind, AstExpr *value, AstExpr *second) {
  AstTrainItem *t = ARENA_NEW(p->arena, AstTrainItem);
  t->kind = kind;
  t->span = span;
  t->value = value;
  t->second = second;
  return t;
}

AstTrainItem *ast_train_stmt(Parse *p, AstStmt *statement) {
  AstTrainItem *t = ast_train_item(p, statement->span, statement->kind == ST_ERROR ? TI_ERROR : TI_STATEMENT, NULL, NULL);
  t->statement = statement;
  return t;
}

AstTrainItem *ast_train_keep(Parse *p, Span span, AstName name) {
  AstTrainItem *t = ast_train_item(p, span, TI_KEEP, NULL, NULL);
  t->keep = name;
  return t;
}

AstTrainItem *ast_train_update(Parse *p, Span span, AstUpdate *head, AstUpdateItems items) {
  AstTrainItem *t = ast_train_item(p, span, TI_UPDATE, NULL, NULL);
  head->span = span;
  head->items = items;
  t->update = head;
  return t;
}

AstUpdate *ast_update(Parse *p, AstExprs targets) {
  AstUpdate *u = ARENA_NEW(p->arena, AstUpdate);
  u->targets = targets;
  return u;
}

static void once(Parse *p, const AstExpr *earlier, const AstExpr *now, const char *word) {
  if (earlier == NULL) return;
  Diag *d = diag_add(p->diags, DIAG_GIVEN_TWICE, now->span, "`%s` is given twice for one update", word);
  diag_label(p->diags, d, earlier->span, "given here");
  diag_help(p->diags, d, "keep one of them");
}

AstUpdate *ast_update_repeat(Parse *p, AstUpdate *update, AstExpr *count) {
  once(p, update->repeat, count, "repeat");
  update->repeat = count;
  return update;
}

AstUpdate *ast_update_when(Parse *p, AstUpdate *update, AstExpr *condition) {
  once(p, update->when, condition, "when");
  update->when = condition;
  return update;
}

AstUpdate *ast_update_unrolling(Parse *p, AstUpdate *update, AstExpr *target, AstExpr *count) {
  once(p, update->unrolling, target, "unrolling");
  update->unrolling = target;
  update->unrolling_count = count;
  return update;
}

AstUpdateItem *ast_update_item(Parse *p, Span span, AstUpdateKind kind, AstExpr *value, AstExprs with) {
  AstUpdateItem *u = ARENA_NEW(p->arena, AstUpdateItem);
  u->kind = kind;
  u->span = span;
  u->value = value;
  u->with = with;
  return u;
}

AstUpdateItem *ast_update_stmt(Parse *p, AstStmt *statement) {
  AstUpdateKind kind = statement->kind == ST_ERROR ? UI_ERROR : UI_STATEMENT;
  AstUpdateItem *u = ast_update_item(p, statement->span, kind, NULL, (AstExprs){0});
  u->statement = statement;
  return u;
}

// ---- evaluation

AstEvalItem *ast_eval_item(Parse *p, Span span, AstEvalKind kind, AstName name, AstExpr *value) {
  AstEvalItem *e = ARENA_NEW(p->arena, AstEvalItem);
  e->kind = kind;
  e->span = span;
  e->name = name;
  e->value = value;
  return e;
}

AstEvalItem *ast_eval_list(Parse *p, Span span, AstEvalKind kind, AstExprs list) {
  AstEvalItem *e = ast_eval_item(p, span, kind, (AstName){0}, NULL);
  e->list = list;
  return e;
}

// ---- declarations

AstOut ast_out_type(AstType *type) { return (AstOut){.present = true, .type = type}; }
AstOut ast_out_vars(AstVars vars) { return (AstOut){.present = true, .vars = vars}; }

static AstDecl *new_decl(Parse *p, Span span, AstDeclKind kind, AstName name) {
  AstDecl *d = ARENA_NEW(p->arena, AstDecl);
  d->kind = kind;
  d->span = span;
  d->name = name.text != NULL ? name : (AstName){"", {span.begin, span.begin}};
  return d;
}

AstDecl *ast_decl_error(Parse *p, Span span) { return new_decl(p, span, DE_ERROR, (AstName){0}); }

AstDecl *ast_override(Parse *p, Span span, AstDecl *decl) {
  if (decl->override) {
    Diag *d = diag_add(p->diags, DIAG_SYNTAX, span, "`override` stands here twice");
    diag_help(p->diags, d, "write it once");
  }
  decl->override = true;
  decl->span = span;
  return decl;
}

AstDecl *ast_param(Parse *p, Span span, AstName name, AstType *type, AstExpr *value) {
  AstDecl *d = new_decl(p, span, DE_PARAM, name);
  d->u.param.type = type;
  d->u.param.value = value;
  return d;
}

AstDecl *ast_tune_range(AstDecl *param, AstExpr *low, AstExpr *high, bool log) {
  param->u.param.low = low;
  param->u.param.high = high;
  param->u.param.log = log;
  return param;
}

AstDecl *ast_tune_choices(Parse *p, AstDecl *param, AstExpr *list) {
  if (list->kind == EX_LIST && list->u.items.len > 0) {
    param->u.param.choices = list->u.items;
  } else if (list->kind != EX_ERROR) {
    Diag *d = diag_add(p->diags, DIAG_EXPECTED, list->span, "expected a range or a list after `tune`");
    diag_help(p->diags, d, "`tune 4..32`, `tune 1e-6..1 log` or `tune [relu, elu]`");
  }
  return param;
}

AstDecl *ast_tune_when(Parse *p, Span when, AstDecl *param, AstExpr *condition) {
  if (param->u.param.low == NULL && param->u.param.choices.len == 0) {
    Diag *d = diag_add(p->diags, DIAG_SYNTAX, when, "`when` says when a param is tuned, and this one has no `tune`");
    diag_help(p->diags, d, "`param bins = 8 tune 4..32 when kind == spline`");
  }
  param->u.param.when = condition;
  param->span = span_join(param->span, condition->span);
  return param;
}

AstDecl *ast_use(Parse *p, Span span, bool trained, Span path_span, const char *path, const char *pin, AstArgs args, AstName as) {
  AstDecl *d = new_decl(p, span, DE_USE, (AstName){0});
  d->u.use.trained = trained;
  d->u.use.path = path;
  d->u.use.path_span = path_span;
  d->u.use.pin = pin;
  d->u.use.args = args;
  d->u.use.as = as;
  for (size_t i = 0; i < args.len; i++) {
    if (args.at[i].name.text != NULL) continue;
    Diag *diag = diag_add(p->diags, DIAG_EXPECTED, args.at[i].value->span, "expected the name of a param and `=`");
    diag_help(p->diags, diag, "params of a file are turned by name: `use \"f.hgm\" (latent = 12)`");
  }
  return d;
}

AstDecl *ast_data(Parse *p, Span span, AstName name, const char *from, AstDatums items) {
  AstDecl *d = new_decl(p, span, DE_DATA, name);
  d->u.data.from = from;
  d->u.data.items = items;
  return d;
}

AstDecl *ast_callable(Parse *p, Span span, AstDeclKind kind, AstName name, const AstParams *settings, AstParams params, AstOut out, AstBody body) {
  AstDecl *d = new_decl(p, span, kind, name);
  d->u.callable.two_lists = settings != NULL;
  if (settings != NULL) d->u.callable.settings = *settings;
  d->u.callable.params = params;
  d->u.callable.out = out;
  d->u.callable.body = body;
  return d;
}

AstDecl *ast_flow(Parse *p, Span span, AstName name, AstVars vars, AstVars given, AstFlowSteps steps) {
  AstDecl *d = new_decl(p, span, DE_FLOW, name);
  d->u.flow.vars = vars;
  d->u.flow.given = given;
  d->u.flow.steps = steps;
  return d;
}

AstDecl *ast_bijection_value(Parse *p, Span span, AstName name, AstParams settings, AstExpr *value) {
  AstDecl *d = new_decl(p, span, DE_BIJECTION, name);
  d->u.bijection.settings = settings;
  d->u.bijection.value = value;
  return d;
}

AstDecl *ast_sides(Parse *p, Span span, AstVar from, AstVar to, AstVars given) {
  AstDecl *d = new_decl(p, span, DE_BIJECTION, (AstName){0});
  d->u.bijection.from = from;
  d->u.bijection.to = to;
  d->u.bijection.given = given;
  return d;
}

AstDecl *ast_bijection(Span span, AstName name, AstParams settings, AstDecl *sides, AstStmts body) {
  sides->span = span;
  sides->name = name;
  sides->u.bijection.settings = settings;
  sides->u.bijection.body = body;
  return sides;
}

AstDecl *ast_fit(Parse *p, Span span, AstPattern pattern, AstExpr *value) {
  AstDecl *d = new_decl(p, span, DE_FIT, pattern.tuple ? (AstName){0} : pattern.names.at[0]);
  d->u.fit.pattern = pattern;
  d->u.fit.value = value;
  return d;
}

AstDecl *ast_train(Parse *p, Span span, bool after, AstExpr *repeat, AstName as, AstTrainItems items) {
  AstDecl *d = new_decl(p, span, DE_TRAIN, (AstName){0});
  d->u.train.after = after;
  d->u.train.repeat = repeat;
  d->u.train.as = as;
  d->u.train.items = items;
  return d;
}

AstDecl *ast_generate(Parse *p, Span span, AstName name, AstNames given, AstStmts body) {
  AstDecl *d = new_decl(p, span, DE_GENERATE, name);
  d->u.generate.given = given;
  d->u.generate.body = body;
  return d;
}

AstDecl *ast_score(Parse *p, Span span, AstStmts body) {
  AstDecl *d = new_decl(p, span, DE_SCORE, (AstName){0});
  d->u.score.body = body;
  return d;
}

AstDecl *ast_evaluate(Parse *p, Span span, AstEvalItems items) {
  AstDecl *d = new_decl(p, span, DE_EVALUATE, (AstName){0});
  d->u.evaluate.items = items;
  return d;
}

void ast_add_item(Parse *p, AstDecl *decl) {
  decl->doc = p->tokens.at[layout_statement(p)].doc;
  VEC_PUSH(p->arena, &p->file->items, decl);
}
