/* The grammar of hgm: LALR(1) without conflicts. Actions build one node each (ast_build.h) and look nothing up.
   Line ends, brackets and recovery are prepared by layout.c: END stands behind every statement, also before `}`;
   after an error the next token is the END of the broken statement, or the `{` behind its broken head. */
%require "3.8"
%expect 0
%define api.pure full
%define api.prefix {hgm_}
%define api.token.prefix {HGM_TOK_}
%define api.location.type {Span}
%define api.value.type {union HgmValue}
%define parse.error custom
%define parse.lac full
%define lr.default-reduction consistent
%locations
%param {struct Parse *p}

%code requires {
#include "lang/ast_build.h"

union HgmValue {
  const char *text;
  const Token *number;
  AstName name;
  AstNames names;
  AstExpr *expr;
  AstExprs exprs;
  AstArg arg;
  AstArgs args;
  AstIndex index;
  AstIndices indices;
  AstFor loop;
  AstFors loops;
  AstParam param;
  AstParams params;
  AstType *type;
  AstDim dim;
  AstDims dims;
  AstVar var;
  AstVars vars;
  AstOut out;
  AstBody body;
  AstPattern pattern;
  AstStmt *stmt;
  AstStmts stmts;
  AstDecl *decl;
  AstSource *source;
  AstSourceField source_field;
  AstSourceFields source_fields;
  AstDatum *datum;
  AstDatums datums;
  AstFlowStep *step;
  AstFlowSteps steps;
  AstUpdate *update;
  AstUpdateItem *update_item;
  AstUpdateItems update_items;
  AstTrainItem *train_item;
  AstTrainItems train_items;
  AstEvalItem *eval_item;
  AstEvalItems eval_items;
};
}

%code {
#define YYLLOC_DEFAULT(Current, Rhs, N)                                                            \
  ((Current) = (N) ? span_join(YYRHSLOC(Rhs, 1), YYRHSLOC(Rhs, N))                                 \
                   : (Span){YYRHSLOC(Rhs, 0).end, YYRHSLOC(Rhs, 0).end})
#define PUSH(list, item) VEC_PUSH(p->arena, &(list), (item))
#define NO_NAME ((AstName){0})

int hgm_lex(HGM_STYPE *value, Span *span, Parse *p);
static void hgm_error(const Span *span, Parse *p, const char *message);
}

%token FILE_END 0 "the end of the file" END "the end of the line" SEMI ";" COMMA "," COLON ":" ASSIGN "=" TILDE "~" BAR "|" ARROW "->" REST "..."
%token DOTDOT ".." DOT "." LPAREN "(" RPAREN ")" LBRACKET "[" RBRACKET "]" LBRACE "{" RBRACE "}"
%token PIPE "|>" EQ "==" NE "!=" LT "<" LE "<=" GT ">" GE ">=" PLUS "+" MINUS "-" STAR "*" SLASH "/" FLOORDIV "//"
%token PERCENT "%" AT "@" CARET "^"
%token <number> NUMBER "a number"
%token <text> STRING "a string" IDENT "a name"
%token PARAM "param" USE "use" NET "net" LAYER "layer" FN "fn" FLOW "flow" BIJECTION "bijection" TRAIN "train"
%token GENERATE "generate" EVALUATE "evaluate" OVERRIDE "override" UPDATE "update" MINIMIZE "minimize"
%token MAXIMIZE "maximize" WITH "with" REPEAT "repeat" LEARN "learn" FIXED "fixed" IF "if" THEN "then" ELSE "else"
%token FOR "for" IN "in" AS "as" OVER "over" AND "and" OR "or" NOT "not" TRUE "true" FALSE "false" TUNE "tune"
%token WHEN "when" WHERE "where" ASSERT "assert" UNROLLING "unrolling" SET "set"
/* soft words: names wherever a name may stand */
%token <text> DATA "data" FIT "fit" SCORE "score" GIVEN "given" AFTER "after" FROM "from" SPLIT "split" PIN "pin"
%token <text> TRAINED "trained" OF "of" FORWARD "forward" INVERSE "inverse" BASE "base" CONTEXT "context" BATCH "batch"
%token <text> EPOCHS "epochs" STEPS "steps" PATIENCE "patience" WATCH "watch" EVERY "every" KEEP "keep"
%token <text> SIMULTANEOUS "simultaneous" METRICS "metrics" OBSERVABLES "observables" OBSERVABLE "observable"
%token <text> EVENTS "events" LOG "log" BINS "bins" LABEL "label" AGAINST "against"

%type <text> word from_opt pin_opt
%type <name> name ident as_opt
%type <names> names given_opt
%type <expr> expr postfix primary expr_opt epochs_of every_opt train_repeat qname
%type <exprs> exprs qnames given_exprs
%type <args> args args_opt use_args
%type <index> index
%type <indices> indices
%type <loop> loop
%type <loops> loops
%type <param> param
%type <params> params param_list
%type <type> type type_opt
%type <dim> dim
%type <dims> dims
%type <var> binding var
%type <vars> vars given_vars
%type <out> out out_opt
%type <body> body
%type <pattern> pattern
%type <stmt> stmt simple_stmt generate_stmt bijection_stmt
%type <stmts> stmts generate_stmts bijection_stmts
%type <decl> decl net param_decl sides
%type <source> source
%type <source_field> source_field
%type <source_fields> source_fields
%type <datum> datum
%type <datums> datums
%type <step> step
%type <steps> steps
%type <update> update_head
%type <update_item> update_item
%type <update_items> update_items
%type <train_item> train_item
%type <train_items> train_items
%type <eval_item> eval_item observable
%type <eval_items> eval_items

%precedence REACHING   /* `if` and `fn` reach as far right as they can */
%left "|>" "in"
%left "or"
%left "and"
%precedence "not"
%nonassoc "==" "!=" "<" "<=" ">" ">="
%left "+" "-"
%left "*" "/" "//" "%" "@"
%precedence NEGATION
%right "^"

%%

/* ---- a file */

file: items;

items: %empty
  | items END
  | items decl END            { yyerrok; ast_add_item(p, $decl); }
  | items error END           { yyerrok; ast_add_item(p, ast_decl_error(p, @error)); }
  ;

decl: "override" decl[inner]  { $$ = ast_override(p, @$, $inner); }
  | param_decl
  | param_decl "when" expr    { $$ = ast_tune_when(p, @2, $1, $expr); }
  | "use" STRING pin_opt use_args as_opt
                              { $$ = ast_use(p, @$, false, @STRING, $STRING, $pin_opt, $use_args, $as_opt); }
  | "use" "trained" STRING pin_opt as_opt
                              { $$ = ast_use(p, @$, true, @STRING, $STRING, $pin_opt, (AstArgs){0}, $as_opt); }
  | "data" name from_opt "{" datums "}"
                              { $$ = ast_data(p, @$, $name, $from_opt, $datums); }
  | net
  | "layer" name params out_opt body
                              { $$ = ast_callable(p, @$, DE_LAYER, $name, NULL, $params, $out_opt, $body); }
  | "layer" name params[settings] params[inputs] out_opt body
                              { $$ = ast_callable(p, @$, DE_LAYER, $name, &$settings, $inputs, $out_opt, $body); }
  | "fn" name params out_opt body
                              { $$ = ast_callable(p, @$, DE_FN, $name, NULL, $params, $out_opt, $body); }
  | "fn" name params[settings] params[inputs] out_opt body
                              { $$ = ast_callable(p, @$, DE_FN, $name, &$settings, $inputs, $out_opt, $body); }
  | "flow" name "(" vars given_vars ")" "{" steps "}"
                              { $$ = ast_flow(p, @$, $name, $vars, $given_vars, $steps); }
  | "bijection" name "=" expr
                              { $$ = ast_bijection_value(p, @$, $name, (AstParams){0}, $expr); }
  | "bijection" name params "=" expr
                              { $$ = ast_bijection_value(p, @$, $name, $params, $expr); }
  | "bijection" name sides "{" bijection_stmts "}"
                              { $$ = ast_bijection(@$, $name, (AstParams){0}, $sides, $bijection_stmts); }
  | "bijection" name params sides "{" bijection_stmts "}"
                              { $$ = ast_bijection(@$, $name, $params, $sides, $bijection_stmts); }
  | "fit" pattern "=" expr    { $$ = ast_fit(p, @$, $pattern, $expr); }
  | "train" train_repeat as_opt "{" train_items "}"
                              { $$ = ast_train(p, @$, false, $train_repeat, $as_opt, $train_items); }
  | "train" "after" train_repeat as_opt "{" train_items "}"
                              { $$ = ast_train(p, @$, true, $train_repeat, $as_opt, $train_items); }
  | "generate" given_opt "{" generate_stmts "}"
                              { $$ = ast_generate(p, @$, NO_NAME, $given_opt, $generate_stmts); }
  | "generate" ident given_opt "{" generate_stmts "}"
                              { $$ = ast_generate(p, @$, $ident, $given_opt, $generate_stmts); }
  | "score" "{" stmts "}"     { $$ = ast_score(p, @$, $stmts); }
  | "evaluate" "{" eval_items "}"
                              { $$ = ast_evaluate(p, @$, $eval_items); }
  | "data" error resume datums "}"                  { $$ = ast_decl_error(p, @$); }
  | "data" error                             { $$ = ast_decl_error(p, @$); }
  | "layer" error resume stmts "}"                  { $$ = ast_decl_error(p, @$); }
  | "layer" error                            { $$ = ast_decl_error(p, @$); }
  | "fn" error resume stmts "}"                     { $$ = ast_decl_error(p, @$); }
  | "fn" error                               { $$ = ast_decl_error(p, @$); }
  | "flow" error resume steps "}"                   { $$ = ast_decl_error(p, @$); }
  | "flow" error                             { $$ = ast_decl_error(p, @$); }
  | "bijection" error resume bijection_stmts "}"    { $$ = ast_decl_error(p, @$); }
  | "bijection" error                        { $$ = ast_decl_error(p, @$); }
  | "train" error resume train_items "}"            { $$ = ast_decl_error(p, @$); }
  | "train" error                            { $$ = ast_decl_error(p, @$); }
  | "generate" error resume generate_stmts "}"      { $$ = ast_decl_error(p, @$); }
  | "generate" error                         { $$ = ast_decl_error(p, @$); }
  | "score" error resume stmts "}"                  { $$ = ast_decl_error(p, @$); }
  | "score" error                            { $$ = ast_decl_error(p, @$); }
  | "evaluate" error resume eval_items "}"          { $$ = ast_decl_error(p, @$); }
  | "evaluate" error                         { $$ = ast_decl_error(p, @$); }
  ;

param_decl: "param" name type_opt "=" expr       { $$ = ast_param(p, @$, $name, $type_opt, $expr); }
  | "param" name type_opt "=" expr[value] "tune" expr[low] ".." expr[high]
                              { $$ = ast_tune_range(ast_param(p, @$, $name, $type_opt, $value), $low, $high, false); }
  | "param" name type_opt "=" expr[value] "tune" expr[low] ".." expr[high] "log"
                              { $$ = ast_tune_range(ast_param(p, @$, $name, $type_opt, $value), $low, $high, true); }
  | "param" name type_opt "=" expr[value] "tune" expr[list]
                              { $$ = ast_tune_choices(p, ast_param(p, @$, $name, $type_opt, $value), $list); }
  ;

pin_opt: %empty { $$ = NULL; } | "pin" STRING { $$ = $STRING; };
use_args: %empty { $$ = (AstArgs){0}; } | "(" args_opt ")" { $$ = $args_opt; };
as_opt: %empty { $$ = NO_NAME; } | "as" name { $$ = $name; };
from_opt: %empty { $$ = NULL; } | "from" STRING { $$ = $STRING; };
given_opt: %empty { $$ = (AstNames){0}; } | "given" names { $$ = $names; };
train_repeat: %empty { $$ = NULL; } | "repeat" expr { $$ = $expr; };

resume: "{"                   { yyerrok; }; /* behind a broken head: mistakes in the body are reported again */

/* ---- headers */

net: "net" name params out_opt body
                              { $$ = ast_callable(p, @$, DE_NET, $name, NULL, $params, $out_opt, $body); }
  | "net" error resume stmts "}" { $$ = ast_decl_error(p, @$); }
  | "net" error               { $$ = ast_decl_error(p, @$); }
  ;

params: "(" ")"               { $$ = (AstParams){0}; }
  | "(" param_list ")"        { $$ = $param_list; }
  ;
param_list: param             { $$ = (AstParams){0}; PUSH($$, $param); }
  | param_list "," param      { $$ = $1; PUSH($$, $param); }
  ;
param: binding                { $$ = (AstParam){$binding.name, $binding.type, NULL}; }
  | binding "=" expr          { $$ = (AstParam){$binding.name, $binding.type, $expr}; }
  ;

binding: name                 { $$ = (AstVar){$name, NULL}; }
  | name ":" type             { $$ = (AstVar){$name, $type}; }
  ;
var: binding;
vars: var                     { $$ = (AstVars){0}; PUSH($$, $var); }
  | vars "," var              { $$ = $1; PUSH($$, $var); }
  ;
given_vars: %empty            { $$ = (AstVars){0}; }
  | "|" vars                  { $$ = $vars; }
  ;

out: "->" type                { $$ = ast_out_type($type); }
  | "->" "(" vars ")"         { $$ = ast_out_vars($vars); }
  ;
out_opt: %empty               { $$ = (AstOut){0}; }
  | out
  ;
body: "=" expr                { $$ = (AstBody){.value = $expr}; }
  | "{" stmts "}"             { $$ = (AstBody){.statements = $stmts}; }
  ;
sides: "(" var[from] "->" var[to] given_vars ")" { $$ = ast_sides(p, @$, $from, $to, $given_vars); };

/* ---- types */

type_opt: %empty              { $$ = NULL; }
  | ":" type                  { $$ = $type; }
  ;
type: qualified               { $$ = ast_named_type(p, @$, $qualified, (AstDims){0}); }
  | qualified "[" dims "]"    { $$ = ast_named_type(p, @$, $qualified, $dims); }
  | qualified "of" "[" exprs "]" { $$ = ast_choices(p, @$, $qualified, $exprs); }
  | "[" type[of] "]"          { $$ = ast_list_type(p, @$, $of); }
  | "set" "[" expr "]" "of" type[of] { $$ = ast_set_type(p, @$, $expr, $of); }
  ;
%type <names> qualified;
qualified: name               { $$ = (AstNames){0}; PUSH($$, $name); }
  | qualified "." name        { $$ = $1; PUSH($$, $name); }
  ;
dims: dim                     { $$ = (AstDims){0}; PUSH($$, $dim); }
  | dims "," dim              { $$ = $1; PUSH($$, $dim); }
  ;
dim: expr                     { $$ = (AstDim){$expr, NO_NAME}; }
  | "*" name                  { $$ = (AstDim){NULL, $name}; }
  ;

/* ---- statements */

stmts: %empty                 { $$ = (AstStmts){0}; }
  | stmts END
  | stmts stmt END            { $$ = $1; PUSH($$, $stmt); yyerrok; }
  | stmts error END           { $$ = $1; PUSH($$, ast_stmt_error(p, @error)); yyerrok; }
  ;
stmt: simple_stmt;
simple_stmt: pattern "=" expr { $$ = ast_assign(p, @$, $pattern, NULL, $expr); }
  | name ":" type "=" expr    { $$ = ast_assign(p, @$, ast_one(p, $name), $type, $expr); }
  | pattern "~" expr          { $$ = ast_draw(p, @$, $pattern, $expr, (AstExprs){0}, false); }
  | pattern "~" expr "|" exprs { $$ = ast_draw(p, @$, $pattern, $expr, $exprs, true); }
  | "learn" name ":" type "=" expr { $$ = ast_learn(p, @$, false, false, $name, $type, $expr); }
  | "learn" name ":" type "~" expr { $$ = ast_learn(p, @$, false, true, $name, $type, $expr); }
  | "fixed" name ":" type "=" expr { $$ = ast_learn(p, @$, true, false, $name, $type, $expr); }
  | "fixed" name ":" type "~" expr { $$ = ast_learn(p, @$, true, true, $name, $type, $expr); }
  | "repeat" expr as_opt "{" stmts "}" { $$ = ast_repeat(p, @$, $expr, $as_opt, $stmts); }
  | "repeat" error resume stmts "}" { $$ = ast_stmt_error(p, @$); }
  | "repeat" error            { $$ = ast_stmt_error(p, @$); }
  | "assert" expr             { $$ = ast_condition(p, @$, ST_ASSERT, $expr); }
  | net                       { $$ = ast_net_stmt(p, @$, $net); }
  ;
pattern: name                 { $$ = ast_one(p, $name); }
  | "(" names "," name ")"    { PUSH($names, $name); $$ = ast_several(@$, $names); }
  ;

generate_stmts: %empty        { $$ = (AstStmts){0}; }
  | generate_stmts END
  | generate_stmts generate_stmt END { $$ = $1; PUSH($$, $generate_stmt); yyerrok; }
  | generate_stmts error END  { $$ = $1; PUSH($$, ast_stmt_error(p, @error)); yyerrok; }
  ;
generate_stmt: simple_stmt
  | "where" expr              { $$ = ast_condition(p, @$, ST_WHERE, $expr); }
  ;

bijection_stmts: %empty       { $$ = (AstStmts){0}; }
  | bijection_stmts END
  | bijection_stmts bijection_stmt END { $$ = $1; PUSH($$, $bijection_stmt); yyerrok; }
  | bijection_stmts error END { $$ = $1; PUSH($$, ast_stmt_error(p, @error)); yyerrok; }
  ;
bijection_stmt: simple_stmt
  | "forward" "{" stmts "}"   { $$ = ast_direction(p, @$, false, $stmts); }
  | "inverse" "{" stmts "}"   { $$ = ast_direction(p, @$, true, $stmts); }
  | "forward" error resume stmts "}" { $$ = ast_stmt_error(p, @$); }
  | "inverse" error resume stmts "}" { $$ = ast_stmt_error(p, @$); }
  | "forward" error           { $$ = ast_stmt_error(p, @$); }
  | "inverse" error           { $$ = ast_stmt_error(p, @$); }
  ;

/* ---- data */

datums: %empty                { $$ = (AstDatums){0}; }
  | datums END
  | datums datum END          { $$ = $1; PUSH($$, $datum); yyerrok; }
  | datums error END          { $$ = $1; PUSH($$, ast_datum_value(p, @error, DT_ERROR, (AstPattern){0}, NULL)); yyerrok; }
  ;
datum: name "=" source        { $$ = ast_datum(p, @$, DT_FIELD, $name, NULL, $source); }
  | name ":" type "=" source  { $$ = ast_datum(p, @$, DT_FIELD, $name, $type, $source); }
  | name ":" type             { $$ = ast_datum(p, @$, DT_DECLARED, $name, $type, NULL); }
  | pattern "~" expr          { $$ = ast_datum_value(p, @$, DT_DRAW, $pattern, $expr); }
  | "split" expr              { $$ = ast_datum_value(p, @$, DT_SPLIT, (AstPattern){0}, $expr); }
  | "where" expr              { $$ = ast_datum_value(p, @$, DT_WHERE, (AstPattern){0}, $expr); }
  ;
source: expr                  { $$ = ast_source(p, @$, $expr); }
  | "{" source_fields "}"     { $$ = ast_record(p, @$, $source_fields); }
  ;
source_fields: %empty         { $$ = (AstSourceFields){0}; }
  | source_fields END
  | source_fields source_field END { $$ = $1; PUSH($$, $source_field); yyerrok; }
  | source_fields error END   { $$ = $1; yyerrok; }
  ;
source_field: name type_opt "=" source { $$ = (AstSourceField){$name, $type_opt, $source}; };

/* ---- flows */

steps: %empty                 { $$ = (AstFlowSteps){0}; }
  | steps END
  | steps step END            { $$ = $1; PUSH($$, $step); yyerrok; }
  | steps error END           { $$ = $1; PUSH($$, ast_step(p, @error, FS_ERROR, NO_NAME, ast_error(p, @error))); yyerrok; }
  ;
step: "base" expr             { $$ = ast_step(p, @$, FS_BASE, NO_NAME, $expr); }
  | "context" exprs           { $$ = ast_step_context(p, @$, $exprs); }
  | name "=" expr             { $$ = ast_step(p, @$, FS_DEFINE, $name, $expr); }
  | step_name                 { $$ = ast_step(p, @$, FS_STEP, NO_NAME, $1); }
  | step_name "(" args_opt ")" { $$ = ast_step(p, @$, FS_STEP, NO_NAME, ast_call(p, @$, $1, $args_opt, (AstExprs){0}, false)); }
  | "repeat" expr as_opt "{" steps[inner] "}" { $$ = ast_step_repeat(p, @$, $expr, $as_opt, $inner); }
  | "repeat" error resume steps "}" { $$ = ast_step(p, @$, FS_ERROR, NO_NAME, ast_error(p, @error)); }
  | "repeat" error            { $$ = ast_step(p, @$, FS_ERROR, NO_NAME, ast_error(p, @error)); }
  ;
%type <expr> step_name;
step_name: ident              { $$ = ast_name(p, @$, $ident); }
  | ident "." name            { $$ = ast_field(p, @$, ast_name(p, @ident, $ident), $name); }
  ;

/* ---- training */

train_items: %empty           { $$ = (AstTrainItems){0}; }
  | train_items END
  | train_items train_item END { $$ = $1; PUSH($$, $train_item); yyerrok; }
  | train_items error END     { $$ = $1; PUSH($$, ast_train_item(p, @error, TI_ERROR, NULL, NULL)); yyerrok; }
  ;
train_item: stmt              { $$ = ast_train_stmt(p, $stmt); }
  | "where" expr              { $$ = ast_train_item(p, @$, TI_WHERE, $expr, NULL); }
  | "batch" expr              { $$ = ast_train_item(p, @$, TI_BATCH, $expr, NULL); }
  | "epochs" expr epochs_of   { $$ = ast_train_item(p, @$, TI_EPOCHS, $expr, $epochs_of); }
  | "steps" expr              { $$ = ast_train_item(p, @$, TI_STEPS, $expr, NULL); }
  | "patience" expr           { $$ = ast_train_item(p, @$, TI_PATIENCE, $expr, NULL); }
  | "watch" expr every_opt    { $$ = ast_train_item(p, @$, TI_WATCH, $expr, $every_opt); }
  | "keep" name               { $$ = ast_train_keep(p, @$, $name); }
  | "simultaneous"            { $$ = ast_train_item(p, @$, TI_SIMULTANEOUS, NULL, NULL); }
  | "update" update_head "{" update_items "}" { $$ = ast_train_update(p, @$, $update_head, $update_items); }
  | "update" error resume update_items "}" { $$ = ast_train_item(p, @$, TI_ERROR, NULL, NULL); }
  | "update" error            { $$ = ast_train_item(p, @$, TI_ERROR, NULL, NULL); }
  ;
epochs_of: %empty { $$ = NULL; } | "of" expr "steps" { $$ = $expr; };
every_opt: %empty { $$ = NULL; } | "every" expr { $$ = $expr; };

update_head: qnames           { $$ = ast_update(p, $qnames); }
  | update_head "repeat" expr { $$ = ast_update_repeat(p, $1, $expr); }
  | update_head "when" expr   { $$ = ast_update_when(p, $1, $expr); }
  | update_head "unrolling" qname expr { $$ = ast_update_unrolling(p, $1, $qname, $expr); }
  ;
update_items: %empty          { $$ = (AstUpdateItems){0}; }
  | update_items END
  | update_items update_item END { $$ = $1; PUSH($$, $update_item); yyerrok; }
  | update_items error END    { $$ = $1; PUSH($$, ast_update_item(p, @error, UI_ERROR, NULL, (AstExprs){0})); yyerrok; }
  ;
update_item: stmt             { $$ = ast_update_stmt(p, $stmt); }
  | "minimize" expr           { $$ = ast_update_item(p, @$, UI_MINIMIZE, $expr, (AstExprs){0}); }
  | "maximize" expr           { $$ = ast_update_item(p, @$, UI_MAXIMIZE, $expr, (AstExprs){0}); }
  | "with" exprs              { $$ = ast_update_item(p, @$, UI_WITH, NULL, $exprs); }
  ;

/* ---- evaluation */

eval_items: %empty            { $$ = (AstEvalItems){0}; }
  | eval_items END
  | eval_items eval_item END  { $$ = $1; PUSH($$, $eval_item); yyerrok; }
  | eval_items error END      { $$ = $1; PUSH($$, ast_eval_item(p, @error, EI_ERROR, NO_NAME, NULL)); yyerrok; }
  ;
eval_item: "metrics" exprs    { $$ = ast_eval_list(p, @$, EI_METRICS, $exprs); }
  | "observables" exprs       { $$ = ast_eval_list(p, @$, EI_OBSERVABLES, $exprs); }
  | observable
  | name "=" expr             { $$ = ast_eval_item(p, @$, EI_DEFINE, $name, $expr); }
  | "events" expr             { $$ = ast_eval_item(p, @$, EI_EVENTS, NO_NAME, $expr); }
  | "assert" expr             { $$ = ast_eval_item(p, @$, EI_ASSERT, NO_NAME, $expr); }
  ;
observable: "observable" name "=" expr { $$ = ast_eval_item(p, @$, EI_OBSERVABLE, $name, $expr); }
  | observable "over" expr[low] ".." expr[high] { $$ = $1; $$->over_from = $low; $$->over_to = $high; $$->span = @$; }
  | observable "log"          { $$ = $1; $$->log = true; $$->span = @$; }
  | observable "bins" expr    { $$ = $1; $$->bins = $expr; $$->span = @$; }
  | observable "label" STRING { $$ = $1; $$->label = $STRING; $$->span = @$; }
  | observable "against" expr { $$ = $1; $$->against = $expr; $$->span = @$; }
  ;

/* ---- expressions */

expr_opt: %empty { $$ = NULL; } | expr;
exprs: expr                   { $$ = (AstExprs){0}; PUSH($$, $expr); }
  | exprs "," expr            { $$ = $1; PUSH($$, $expr); }
  ;
expr: postfix
  | "if" expr[condition] "then" expr[yes] "else" expr[no] %prec REACHING { $$ = ast_if(p, @$, $condition, $yes, $no); }
  | "fn" params "=" expr[value] %prec REACHING { $$ = ast_fn(p, @$, $params, $value); }
  | expr[a] "|>" expr[b]      { $$ = ast_pipe(p, @$, $a, $b); }
  | expr[a] "in" ident        { $$ = ast_unit(p, @$, $a, $ident); }
  | expr[a] "or" expr[b]      { $$ = ast_binary(p, @$, @2, BIN_OR, $a, $b); }
  | expr[a] "and" expr[b]     { $$ = ast_binary(p, @$, @2, BIN_AND, $a, $b); }
  | "not" expr[a]             { $$ = ast_unary(p, @$, UN_NOT, $a); }
  | expr[a] "==" expr[b]      { $$ = ast_binary(p, @$, @2, BIN_EQ, $a, $b); }
  | expr[a] "!=" expr[b]      { $$ = ast_binary(p, @$, @2, BIN_NE, $a, $b); }
  | expr[a] "<" expr[b]       { $$ = ast_binary(p, @$, @2, BIN_LT, $a, $b); }
  | expr[a] "<=" expr[b]      { $$ = ast_binary(p, @$, @2, BIN_LE, $a, $b); }
  | expr[a] ">" expr[b]       { $$ = ast_binary(p, @$, @2, BIN_GT, $a, $b); }
  | expr[a] ">=" expr[b]      { $$ = ast_binary(p, @$, @2, BIN_GE, $a, $b); }
  | expr[a] "+" expr[b]       { $$ = ast_binary(p, @$, @2, BIN_ADD, $a, $b); }
  | expr[a] "-" expr[b]       { $$ = ast_binary(p, @$, @2, BIN_SUB, $a, $b); }
  | expr[a] "*" expr[b]       { $$ = ast_binary(p, @$, @2, BIN_MUL, $a, $b); }
  | expr[a] "/" expr[b]       { $$ = ast_binary(p, @$, @2, BIN_DIV, $a, $b); }
  | expr[a] "//" expr[b]      { $$ = ast_binary(p, @$, @2, BIN_FLOORDIV, $a, $b); }
  | expr[a] "%" expr[b]       { $$ = ast_binary(p, @$, @2, BIN_MOD, $a, $b); }
  | expr[a] "@" expr[b]       { $$ = ast_binary(p, @$, @2, BIN_MATMUL, $a, $b); }
  | "-" expr[a] %prec NEGATION { $$ = ast_unary(p, @$, UN_NEG, $a); }
  | expr[a] "^" expr[b]       { $$ = ast_binary(p, @$, @2, BIN_POW, $a, $b); }
  ;
postfix: primary
  | postfix[a] "." name       { $$ = ast_field(p, @$, $a, $name); }
  | postfix[a] "(" args_opt given_exprs ")" { $$ = ast_call(p, @$, $a, $args_opt, $given_exprs, $given_exprs.len > 0); }
  | postfix[a] "[" indices "]" { $$ = ast_index(p, @$, $a, $indices); }
  ;
given_exprs: %empty           { $$ = (AstExprs){0}; }
  | "|" exprs                 { $$ = $exprs; }
  ;
args_opt: %empty              { $$ = (AstArgs){0}; }
  | args
  ;
args: arg                     { $$ = (AstArgs){0}; PUSH($$, $arg); }
  | args "," arg              { $$ = $1; PUSH($$, $arg); }
  ;
%type <arg> arg;
arg: expr                     { $$ = (AstArg){NO_NAME, $expr}; }
  | name "=" expr             { $$ = (AstArg){$name, $expr}; }
  ;
indices: index                { $$ = (AstIndices){0}; PUSH($$, $index); }
  | indices "," index         { $$ = $1; PUSH($$, $index); }
  ;
index: expr                   { $$ = (AstIndex){.kind = IX_ONE, .span = @$, .from = $expr}; }
  | expr_opt[a] ":" expr_opt[b] { $$ = (AstIndex){.kind = IX_RANGE, .span = @$, .from = $a, .to = $b}; }
  | expr_opt[a] ":" expr_opt[b] ":" expr_opt[c] { $$ = (AstIndex){.kind = IX_RANGE, .span = @$, .from = $a, .to = $b, .step = $c}; }
  | "..."                     { $$ = (AstIndex){.kind = IX_REST, .span = @$}; }
  | "*" name                  { $$ = (AstIndex){.kind = IX_SPLICE, .span = @$, .name = $name}; }
  ;
primary: name                 { $$ = ast_name(p, @$, $name); }
  | NUMBER                    { $$ = ast_number(p, @$, $NUMBER, NO_NAME); }
  | NUMBER ident              { $$ = ast_number(p, @$, $NUMBER, $ident); }
  | STRING                    { $$ = ast_string(p, @$, $STRING); }
  | "true"                    { $$ = ast_bool(p, @$, true); }
  | "false"                   { $$ = ast_bool(p, @$, false); }
  | "(" expr ")"              { $$ = $expr; }
  | "(" exprs "," expr ")"    { PUSH($exprs, $expr); $$ = ast_items(p, @$, EX_TUPLE, $exprs); }
  | "[" "]"                   { $$ = ast_items(p, @$, EX_LIST, (AstExprs){0}); }
  | "[" exprs "]"             { $$ = ast_items(p, @$, EX_LIST, $exprs); }
  | "[" expr[value] ";" expr[count] "]" { $$ = ast_fill(p, @$, $value, $count); }
  | "[" expr loops "]"        { $$ = ast_comprehension(p, @$, $expr, $loops); }
  ;
loops: loop                   { $$ = (AstFors){0}; PUSH($$, $loop); }
  | loops loop                { $$ = $1; PUSH($$, $loop); }
  ;
loop: "for" names "in" expr   { $$ = (AstFor){$names, $expr, NULL}; }
  | "for" names "in" expr[a] ":" expr[b] { $$ = (AstFor){$names, $a, $b}; }
  ;

/* ---- names */

names: name                   { $$ = (AstNames){0}; PUSH($$, $name); }
  | names "," name            { $$ = $1; PUSH($$, $name); }
  ;
qnames: qname                 { $$ = (AstExprs){0}; PUSH($$, $qname); }
  | qnames "," qname          { $$ = $1; PUSH($$, $qname); }
  ;
qname: name                   { $$ = ast_name(p, @$, $name); }
  | qname[of] "." name        { $$ = ast_field(p, @$, $of, $name); }
  ;
ident: IDENT                  { $$ = (AstName){$IDENT, @$}; };
name: IDENT                   { $$ = (AstName){$IDENT, @$}; }
  | word                      { $$ = (AstName){$word, @$}; }
  ;
word: DATA | FIT | SCORE | GIVEN | AFTER | FROM | SPLIT | PIN | TRAINED | OF | FORWARD | INVERSE | BASE | CONTEXT | BATCH
  | EPOCHS | STEPS | PATIENCE | WATCH | EVERY | KEEP | SIMULTANEOUS | METRICS | OBSERVABLES | OBSERVABLE | EVENTS | LOG
  | BINS | LABEL | AGAINST;

%%

static int yyreport_syntax_error(const yypcontext_t *context, Parse *p) {
  yysymbol_kind_t kinds[YYNTOKENS];
  const char *names[YYNTOKENS];
  int n = yypcontext_expected_tokens(context, kinds, YYNTOKENS);
  if (n < 0) return n;
  for (int i = 0; i < n; i++) names[i] = yysymbol_name(kinds[i]);
  syntax_report(p, names, (size_t)n);
  return 0;
}

static void hgm_error(const Span *span, Parse *p, const char *message) {
  (void)message; // the only one left: memory exhausted
  syntax_exhausted(p, *span);
}

AstFile *ast_parse(Arena *arena, Sources *sources, SourceFile *source, Diags *diags) {
  (void)sources;
  Parse parse = {.arena = arena, .scratch = arena_create(), .source = source, .diags = diags, .file = ARENA_NEW(arena, AstFile)};
  parse.file->source = source;
  scan_tokens(&parse);
  layout_begin(&parse);
  hgm_parse(&parse);
  arena_destroy(parse.scratch);
  return parse.file;
}
