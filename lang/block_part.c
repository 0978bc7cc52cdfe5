// The parts of a program as they are written, for who compares two of them: bodies of nets and flows, cuts, and what blocks say.
#include <string.h>

#include "lang/block.h"

static void part(Blocks *b, const char *kind, const char *name, Span span) { VEC_PUSH(b->e->arena, &b->e->model->parts, ((ModelPart){kind, name, span})); }

static const char *declared_kind(AstDeclKind kind) {
  switch (kind) {
  case DE_NET: return "net";
  case DE_LAYER: return "layer";
  case DE_FN: return "fn";
  case DE_FLOW: return "flow";
  case DE_BIJECTION: return "bijection";
  default: return NULL;
  }
}

static void declarations(Blocks *b) {
  for (size_t i = 0; i < b->declarations.len; i++) {
    const AstDecl *d = b->declarations.at[i];
    const char *kind = declared_kind(d->kind);
    if (kind == NULL || declaration_replaced(b, i) || trained_of(b, b->declaration_scopes.at[i]) != NULL) continue;
    part(b, kind, arena_printf(b->e->arena, "%s%s", b->declaration_prefixes.at[i], d->name.text), d->span);
  }
}

static void data(Blocks *b, const DataBlock *d) {
  const AstDatums *items = &d->decl->u.data.items;
  for (size_t i = 0; i < items->len; i++)
    if (items->at[i]->kind == DT_WHERE) part(b, "data", arena_printf(b->e->arena, "%s: where", d->model->name), items->at[i]->span);
  if (d->weight != NULL) part(b, "data", arena_printf(b->e->arena, "%s: weight", d->model->name), d->weight->span);
}

static const char *pattern_text(Arena *arena, const AstPattern *p) {
  const char *text = "";
  for (size_t i = 0; i < p->names.len; i++) text = arena_printf(arena, "%s%s%s", text, i > 0 ? ", " : "", p->names.at[i].text);
  return text;
}

static void statement(Blocks *b, const char *kind, const char *block, const AstStmt *s) {
  const char *name = s->kind == ST_ASSIGN  ? pattern_text(b->e->arena, &s->u.assign.pattern)
                     : s->kind == ST_DRAW  ? pattern_text(b->e->arena, &s->u.draw.pattern)
                     : s->kind == ST_WHERE ? "where"
                                           : "statement";
  part(b, kind, block[0] != 0 ? arena_printf(b->e->arena, "%s: %s", block, name) : name, s->span);
}

static void statements(Blocks *b, const char *kind, const char *block, const AstStmts *list) {
  for (size_t i = 0; i < list->len; i++) statement(b, kind, block, list->at[i]);
}

// What a train block says beside its updates and numbers.
static void training(Blocks *b, const AstDecl *d, const char *name) {
  for (size_t i = 0; i < d->u.train.items.len; i++) {
    const AstTrainItem *t = d->u.train.items.at[i];
    const char *what = t->kind == TI_WHERE ? "where" : t->kind == TI_KEEP ? "keep" : t->kind == TI_SIMULTANEOUS ? "simultaneous" : NULL;
    if (t->kind == TI_STATEMENT) statement(b, "training", name, t->statement);
    else if (what != NULL) part(b, "training", arena_printf(b->e->arena, "%s: %s", name, what), t->span);
  }
}

static void evaluation(Blocks *b, const AstEvalItems *items) {
  for (size_t i = 0; i < items->len; i++) {
    const AstEvalItem *t = items->at[i];
    const char *name = t->name.text != NULL        ? t->name.text
                       : t->kind == EI_METRICS     ? "metrics"
                       : t->kind == EI_OBSERVABLES ? "observables"
                       : t->kind == EI_EVENTS      ? "events"
                                                   : "assert";
    part(b, "evaluate", name, t->span);
  }
}

void blocks_parts(Blocks *b) {
  declarations(b);
  for (size_t i = 0; i < b->data.len; i++) data(b, b->data.at[i]);
  for (size_t i = 0, n = 0; i < b->stages.len; i++) {
    const AstDecl *d = b->stages.at[i].decl;
    if (d->kind != DE_TRAIN) continue;
    n++;
    training(b, d, n > 1 ? arena_printf(b->e->arena, "train%zu", n) : "train");
  }
  for (size_t i = 0; i < b->generators.len; i++) {
    const AstDecl *d = b->generators.at[i].decl;
    const AstNames *given = &d->u.generate.given;
    if (given->len > 0) part(b, "generate", "given", span_join(given->at[0].span, given->at[given->len - 1].span));
    statements(b, "generate", d->name.text != NULL ? d->name.text : "", &d->u.generate.body);
  }
  if (b->score.decl != NULL) statements(b, "score", "", &b->score.decl->u.score.body);
  if (b->evaluate.decl != NULL) evaluation(b, &b->evaluate.decl->u.evaluate.items);
}
