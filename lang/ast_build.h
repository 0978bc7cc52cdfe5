// Constructors of the syntax tree, one for each action of parser.y. Private to the parser.
// They join spans, keep the depth of expressions below AST_MAX_DEPTH, and never return NULL.
#ifndef HGM_AST_BUILD_H
#define HGM_AST_BUILD_H

#include "lang/parse.h"

// ---- expressions
AstExpr *ast_error(Parse *p, Span span);
AstExpr *ast_name(Parse *p, Span span, AstName name);
AstExpr *ast_number(Parse *p, Span span, const Token *token, AstName unit);
AstExpr *ast_string(Parse *p, Span span, const char *text);
AstExpr *ast_bool(Parse *p, Span span, bool value);
AstExpr *ast_items(Parse *p, Span span, AstExprKind kind, AstExprs items); // LIST, TUPLE
AstExpr *ast_fill(Parse *p, Span span, AstExpr *value, AstExpr *count);
AstExpr *ast_comprehension(Parse *p, Span span, AstExpr *body, AstFors loops);
AstExpr *ast_unary(Parse *p, Span span, AstUnary op, AstExpr *operand);
AstExpr *ast_binary(Parse *p, Span span, Span op_span, AstBinary op, AstExpr *left, AstExpr *right);
AstExpr *ast_pipe(Parse *p, Span span, AstExpr *left, AstExpr *right);
AstExpr *ast_unit(Parse *p, Span span, AstExpr *operand, AstName unit);
AstExpr *ast_if(Parse *p, Span span, AstExpr *condition, AstExpr *yes, AstExpr *no);
AstExpr *ast_fn(Parse *p, Span span, AstParams params, AstExpr *body);
AstExpr *ast_field(Parse *p, Span span, AstExpr *object, AstName name);
AstExpr *ast_call(Parse *p, Span span, AstExpr *callee, AstArgs args, AstExprs given, bool has_given);
AstExpr *ast_index(Parse *p, Span span, AstExpr *object, AstIndices indices);

// ---- types
AstType *ast_named_type(Parse *p, Span span, AstNames path, AstDims dims); // a.b.c: name "a.b", field "c"
AstType *ast_list_type(Parse *p, Span span, AstType *of);
AstType *ast_set_type(Parse *p, Span span, AstExpr *count, AstType *of);
AstType *ast_choices(Parse *p, Span span, AstNames path, AstExprs values);

// ---- statements
AstPattern ast_one(Parse *p, AstName name);
AstPattern ast_several(Span span, AstNames names);
AstStmt *ast_stmt_error(Parse *p, Span span);
AstStmt *ast_assign(Parse *p, Span span, AstPattern pattern, AstType *type, AstExpr *value);
AstStmt *ast_draw(Parse *p, Span span, AstPattern pattern, AstExpr *from, AstExprs given, bool has_given);
AstStmt *ast_learn(Parse *p, Span span, bool fixed, bool draw, AstName name, AstType *type, AstExpr *value);
AstStmt *ast_repeat(Parse *p, Span span, AstExpr *count, AstName as, AstStmts body);
AstStmt *ast_net_stmt(Parse *p, Span span, AstDecl *net);
AstStmt *ast_condition(Parse *p, Span span, AstStmtKind kind, AstExpr *condition); // where, assert
AstStmt *ast_direction(Parse *p, Span span, bool inverse, AstStmts body);

// ---- items of blocks
AstSource *ast_source(Parse *p, Span span, AstExpr *value);
AstSource *ast_record(Parse *p, Span span, AstSourceFields fields);
AstDatum *ast_datum(Parse *p, Span span, AstDatumKind kind, AstName name, AstType *type, AstSource *source);
AstDatum *ast_datum_value(Parse *p, Span span, AstDatumKind kind, AstPattern pattern, AstExpr *value);
AstFlowStep *ast_step(Parse *p, Span span, AstFlowStepKind kind, AstName name, AstExpr *value);
AstFlowStep *ast_step_context(Parse *p, Span span, AstExprs context);
AstFlowStep *ast_step_repeat(Parse *p, Span span, AstExpr *count, AstName as, AstFlowSteps body);
AstTrainItem *ast_train_item(Parse *p, Span span, AstTrainKind kind, AstExpr *value, AstExpr *second);
AstTrainItem *ast_train_stmt(Parse *p, AstStmt *statement);
AstTrainItem *ast_train_keep(Parse *p, Span span, AstName name);
AstTrainItem *ast_train_update(Parse *p, Span span, AstUpdate *head, AstUpdateItems items);
AstUpdate *ast_update(Parse *p, AstExprs targets);
AstUpdate *ast_update_repeat(Parse *p, AstUpdate *update, AstExpr *count);
AstUpdate *ast_update_when(Parse *p, AstUpdate *update, AstExpr *condition);
AstUpdate *ast_update_unrolling(Parse *p, AstUpdate *update, AstExpr *target, AstExpr *count);
AstUpdateItem *ast_update_item(Parse *p, Span span, AstUpdateKind kind, AstExpr *value, AstExprs with);
AstUpdateItem *ast_update_stmt(Parse *p, AstStmt *statement);
AstEvalItem *ast_eval_list(Parse *p, Span span, AstEvalKind kind, AstExprs list);
AstEvalItem *ast_eval_item(Parse *p, Span span, AstEvalKind kind, AstName name, AstExpr *value);

// ---- declarations
AstOut ast_out_type(AstType *type);
AstOut ast_out_vars(AstVars vars);
AstDecl *ast_decl_error(Parse *p, Span span);
AstDecl *ast_override(Parse *p, Span span, AstDecl *decl);
AstDecl *ast_param(Parse *p, Span span, AstName name, AstType *type, AstExpr *value);
AstDecl *ast_tune_range(AstDecl *param, AstExpr *low, AstExpr *high, bool log);
AstDecl *ast_tune_choices(Parse *p, AstDecl *param, AstExpr *list);
AstDecl *ast_tune_when(Parse *p, Span when, AstDecl *param, AstExpr *condition);
AstDecl *ast_use(Parse *p, Span span, bool trained, Span path_span, const char *path, const char *pin, AstArgs args, AstName as);
AstDecl *ast_data(Parse *p, Span span, AstName name, const char *from, AstDatums items);
AstDecl *ast_callable(Parse *p, Span span, AstDeclKind kind, AstName name, const AstParams *settings, AstParams params, AstOut out, AstBody body);
AstDecl *ast_flow(Parse *p, Span span, AstName name, AstVars vars, AstVars given, AstFlowSteps steps);
AstDecl *ast_bijection_value(Parse *p, Span span, AstName name, AstParams settings, AstExpr *value);
AstDecl *ast_bijection(Span span, AstName name, AstParams settings, AstDecl *sides, AstStmts body);
AstDecl *ast_sides(Parse *p, Span span, AstVar from, AstVar to, AstVars given);
AstDecl *ast_fit(Parse *p, Span span, AstPattern pattern, AstExpr *value);
AstDecl *ast_train(Parse *p, Span span, bool after, AstExpr *repeat, AstName as, AstTrainItems items);
AstDecl *ast_generate(Parse *p, Span span, AstName name, AstNames given, AstStmts body);
AstDecl *ast_score(Parse *p, Span span, AstStmts body);
AstDecl *ast_evaluate(Parse *p, Span span, AstEvalItems items);
void ast_add_item(Parse *p, AstDecl *decl); // of the file; takes the ## lines above

#endif
