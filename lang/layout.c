// From tokens to what the grammar reads: line ends become END where a statement ends, brackets are matched, and after an
// error the rest of the statement is skipped, so that the next one is read as if nothing had happened.
//
// - END stands for `;`, for a line end that ends a statement, for a `,` between the fields of a record, and before every `}`
//   and the end of the file.
// - A reserved word that only begins things ends an open `(` or `[`; one that begins an item of a file ends open braces too.
//   The bracket is reported and the parser is handed its error token, which it takes in silence.
// - Columns matter only after an error: a line that stands no further right than the broken statement is the next one.
#include <string.h>

#include "lang/parse.h"
#include "parser.h"

int hgm_lex(HGM_STYPE *value, Span *span, Parse *p);

static bool is_opening(int kind) { return kind == HGM_TOK_LPAREN || kind == HGM_TOK_LBRACKET || kind == HGM_TOK_LBRACE; }

bool layout_starts_item(int kind) {
  return kind == HGM_TOK_PARAM || kind == HGM_TOK_USE || kind == HGM_TOK_LAYER || kind == HGM_TOK_FLOW || kind == HGM_TOK_BIJECTION || kind == HGM_TOK_TRAIN ||
         kind == HGM_TOK_GENERATE || kind == HGM_TOK_EVALUATE || kind == HGM_TOK_OVERRIDE;
}

bool layout_starts_statement(int kind) {
  return layout_starts_item(kind) || kind == HGM_TOK_NET || kind == HGM_TOK_UPDATE || kind == HGM_TOK_MINIMIZE || kind == HGM_TOK_MAXIMIZE ||
         kind == HGM_TOK_WITH || kind == HGM_TOK_REPEAT || kind == HGM_TOK_LEARN || kind == HGM_TOK_FIXED || kind == HGM_TOK_WHERE || kind == HGM_TOK_ASSERT;
}

static bool is_between(int kind) { // stands between two operands: a statement neither ends behind it nor begins with it
  static const int KINDS[] = {
      HGM_TOK_PIPE,    HGM_TOK_BAR,   HGM_TOK_COMMA,  HGM_TOK_PLUS,  HGM_TOK_MINUS, HGM_TOK_STAR,   HGM_TOK_SLASH, HGM_TOK_FLOORDIV,
      HGM_TOK_PERCENT, HGM_TOK_AT,    HGM_TOK_CARET,  HGM_TOK_EQ,    HGM_TOK_NE,    HGM_TOK_LT,     HGM_TOK_LE,    HGM_TOK_GT,
      HGM_TOK_GE,      HGM_TOK_AND,   HGM_TOK_OR,     HGM_TOK_IN,    HGM_TOK_OVER,  HGM_TOK_THEN,   HGM_TOK_ELSE,  HGM_TOK_ARROW,
      HGM_TOK_ASSIGN,  HGM_TOK_TILDE, HGM_TOK_DOTDOT, HGM_TOK_COLON, HGM_TOK_DOT,   HGM_TOK_LBRACE,
  };
  for (size_t i = 0; i < sizeof KINDS / sizeof KINDS[0]; i++)
    if (KINDS[i] == kind) return true;
  return false;
}

bool layout_can_end(int kind) { return !is_between(kind) && kind != HGM_TOK_NOT && kind != HGM_TOK_END && kind != HGM_TOK_LPAREN && kind != HGM_TOK_LBRACKET; }

static bool goes_on(int kind) { return is_between(kind) || kind == HGM_TOK_RPAREN || kind == HGM_TOK_RBRACKET || kind == HGM_TOK_RBRACE; }

static int closing_of(int kind) { return kind == HGM_TOK_LPAREN ? HGM_TOK_RPAREN : kind == HGM_TOK_LBRACKET ? HGM_TOK_RBRACKET : HGM_TOK_RBRACE; }

static Bracket *top(const Parse *p) { return &p->brackets.at[p->brackets.len - 1]; }
static bool in_list(const Parse *p) { return top(p)->kind != HGM_TOK_LBRACE; }
static const Token *token_at(const Parse *p, size_t i) { return &p->tokens.at[i]; }

Bracket *layout_brace(const Parse *p) {
  size_t i = p->brackets.len - 1;
  while (p->brackets.at[i].kind != HGM_TOK_LBRACE) i--;
  return &p->brackets.at[i];
}

size_t layout_statement(const Parse *p) { return layout_brace(p)->statement; }

const char *layout_spelling(const Parse *p, size_t token) {
  const Token *t = token_at(p, token);
  return arena_strndup(p->arena, p->source->text + (t->span.begin - p->source->base), t->span.end - t->span.begin);
}

void layout_begin(Parse *p) {
  VEC_PUSH(p->arena, &p->brackets, (Bracket){.kind = HGM_TOK_LBRACE, .token = NO_TOKEN, .block = BLOCK_FILE});
  p->before = p->crooked = NO_TOKEN;
  p->last = HGM_TOK_END;
  p->begins = true;
}

void layout_report_open(Parse *p, size_t open, size_t where) {
  Span span = token_at(p, open)->span;
  const char *bracket = layout_spelling(p, open);
  if (token_at(p, where)->kind == HGM_TOK_FILE_END) {
    Diag *d = diag_add(p->diags, DIAG_OPEN_BRACKET, span, "this `%s` is still open at the end of the file", bracket);
    diag_help(p->diags, d, "close it with `%s`", strcmp(bracket, "{") == 0 ? "}" : strcmp(bracket, "(") == 0 ? ")" : "]");
    return;
  }
  Diag *d = diag_add(p->diags, DIAG_OPEN_BRACKET, span, "this `%s` is still open where `%s` %s", bracket, layout_spelling(p, where),
                     goes_on(token_at(p, where)->kind) ? "stands" : "begins");
  diag_label(p->diags, d, token_at(p, where)->span, "here");
  diag_help(p->diags, d, "close it with `%s`", strcmp(bracket, "{") == 0 ? "}" : strcmp(bracket, "(") == 0 ? ")" : "]");
}

static void pop_to_brace(Parse *p) {
  while (in_list(p)) p->brackets.len--;
}

// ---- handing over

static int give_end(Parse *p, Span *span) {
  uint32_t at = p->before == NO_TOKEN ? p->source->base : token_at(p, p->before)->span.end;
  *span = (Span){at, at};
  p->last = HGM_TOK_END;
  p->begins = true;
  p->recovering = p->end_next = p->supplied = false;
  return HGM_TOK_END;
}

static int give(Parse *p, int kind, HGM_STYPE *value, Span *span) { // consumes
  const Token *t = token_at(p, p->next);
  *span = t->span;
  if (kind == HGM_TOK_NUMBER) value->number = t;
  else value->text = t->text;
  if (p->begins) {
    layout_brace(p)->statement = p->next;
    layout_brace(p)->bodied = false;
  }
  p->begins = p->supplied = false;
  p->last = kind;
  p->before = p->next++;
  return kind;
}

static int give_error(Parse *p, Span *span) { // the parser goes into recovery without a message
  *span = token_at(p, p->next)->span;
  p->last = HGM_TOK_HGM_error;
  return HGM_TOK_HGM_error;
}

// ---- braces

static bool may_have_value(int kind) { // `net f(x) = x`
  return kind == HGM_TOK_NET || kind == HGM_TOK_LAYER || kind == HGM_TOK_FN || kind == HGM_TOK_BIJECTION;
}

static bool has_value(const Parse *p, size_t statement) {
  size_t depth = 0;
  for (size_t i = statement; i < p->next; i++) {
    int kind = token_at(p, i)->kind;
    if (kind == HGM_TOK_LPAREN || kind == HGM_TOK_LBRACKET) depth++;
    if ((kind == HGM_TOK_RPAREN || kind == HGM_TOK_RBRACKET) && depth > 0) depth--;
    if (depth == 0 && kind == HGM_TOK_ASSIGN) return true;
  }
  return false;
}

static bool has_statements(Block block) { // and not items of its own
  return block != BLOCK_DATA && block != BLOCK_RECORD && block != BLOCK_FLOW && block != BLOCK_EVALUATE;
}

static Block block_of(const Parse *p) {
  const Bracket *around = layout_brace(p);
  size_t i = p->begins ? p->next : around->statement;
  if (token_at(p, i)->kind == HGM_TOK_OVERRIDE) i++;
  bool file = around->block == BLOCK_FILE;
  if (!file && (layout_starts_item(token_at(p, i)->kind) || token_at(p, i)->kind == HGM_TOK_FN)) return BLOCK_UNKNOWN;
  if (may_have_value(token_at(p, i)->kind) && has_value(p, i) && p->last != HGM_TOK_ASSIGN) return BLOCK_UNKNOWN; // `= { …` is meant as a body
  switch (token_at(p, i)->kind) {
  case HGM_TOK_DATA: return file ? BLOCK_DATA : BLOCK_UNKNOWN;
  case HGM_TOK_SCORE: return file ? BLOCK_SCORE : BLOCK_UNKNOWN;
  case HGM_TOK_NET: return has_statements(around->block) ? BLOCK_NET : BLOCK_UNKNOWN;
  case HGM_TOK_LAYER: return BLOCK_LAYER;
  case HGM_TOK_FN: return BLOCK_FN;
  case HGM_TOK_FLOW: return BLOCK_FLOW;
  case HGM_TOK_BIJECTION: return BLOCK_BIJECTION;
  case HGM_TOK_TRAIN: return BLOCK_TRAIN;
  case HGM_TOK_UPDATE: return around->block == BLOCK_TRAIN ? BLOCK_UPDATE : BLOCK_UNKNOWN;
  case HGM_TOK_GENERATE: return BLOCK_GENERATE;
  case HGM_TOK_EVALUATE: return BLOCK_EVALUATE;
  case HGM_TOK_REPEAT: return !file && (has_statements(around->block) || around->block == BLOCK_FLOW) ? around->block : BLOCK_UNKNOWN;
  case HGM_TOK_FORWARD:
  case HGM_TOK_INVERSE: return around->block == BLOCK_BIJECTION && p->last != HGM_TOK_ASSIGN ? BLOCK_DIRECTION : BLOCK_UNKNOWN;
  }
  return BLOCK_UNKNOWN;
}

// A statement whose grammar has `HEAD error { … }`: its body is read although its head is broken.
static bool has_body(const Parse *p) {
  Block block = block_of(p);
  return !layout_brace(p)->bodied && block != BLOCK_UNKNOWN;
}

static void push(Parse *p) {
  const Token *t = token_at(p, p->next);
  Bracket bracket = {.kind = t->kind, .token = p->next};
  if (t->kind == HGM_TOK_LBRACE) {
    bool second = !p->begins && layout_brace(p)->bodied; // no head has two bodies
    Block block = second ? BLOCK_UNKNOWN : block_of(p);
    bracket.block = block == BLOCK_UNKNOWN && p->last == HGM_TOK_ASSIGN ? BLOCK_RECORD : block;
    if (!p->begins) layout_brace(p)->bodied = true;
  }
  VEC_PUSH(p->arena, &p->brackets, bracket);
  if (p->brackets.len > MAX_BRACKETS && !p->abandoned) {
    Diag *d = diag_add(p->diags, DIAG_NESTED, t->span, "nested too deeply: %d brackets are open here", MAX_BRACKETS);
    diag_help(p->diags, d, "give the inner parts names of their own");
    p->abandoned = true;
  }
}

static int line_column(const Parse *p, size_t token) { // where the line of a token begins
  while (!token_at(p, token)->first) token--;
  return token_at(p, token)->column;
}

static void note_crooked(Parse *p, size_t closing) {
  size_t opening = top(p)->token;
  if (p->crooked == NO_TOKEN && !top(p)->supplied && token_at(p, closing)->first && token_at(p, closing)->column < line_column(p, opening))
    p->crooked = opening;
}

static void report_open_brace(Parse *p, size_t where) {
  if (p->crooked == NO_TOKEN && layout_brace(p)->supplied) return; // said when it was supplied
  size_t open = p->crooked != NO_TOKEN ? p->crooked : layout_brace(p)->token;
  layout_report_open(p, open, where);
}

// ---- after an error

static bool begins_field(const Parse *p) { // behind the comma at hand
  int after = token_at(p, p->next + 1)->kind == HGM_TOK_FILE_END ? HGM_TOK_FILE_END : token_at(p, p->next + 2)->kind;
  return top(p)->block == BLOCK_RECORD && (after == HGM_TOK_ASSIGN || after == HGM_TOK_COLON);
}

static bool in_braces(const Parse *p) { // of the broken statement
  for (size_t i = p->depth; i < p->brackets.len; i++)
    if (p->brackets.at[i].kind == HGM_TOK_LBRACE) return true;
  return false;
}

static int recover(Parse *p, HGM_STYPE *value, Span *span) {
  size_t statement = p->brackets.at[p->depth - 1].statement;
  for (;; p->next++) {
    const Token *t = token_at(p, p->next);
    bool inside = p->brackets.len > p->depth;
    bool left = t->first && p->next > statement && t->column <= token_at(p, statement)->column;
    bool ends = t->first && (left || (!inside && p->next > 0 && layout_can_end(token_at(p, p->next - 1)->kind)));
    if (t->kind == HGM_TOK_FILE_END || (ends && (!goes_on(t->kind) || t->kind == HGM_TOK_RBRACE)) || (t->first && layout_starts_item(t->kind))) {
      if (t->kind != HGM_TOK_RBRACE || !inside) {
        p->brackets.len = p->depth;
        return give_end(p, span);
      }
    }
    if (t->kind == HGM_TOK_RBRACE) {
      size_t brace = p->brackets.len - 1;
      while (brace >= p->depth && p->brackets.at[brace].kind != HGM_TOK_LBRACE) brace--;
      if (brace < p->depth) { // of the block around
        p->brackets.len = p->depth;
        return give_end(p, span);
      }
      p->brackets.len = brace;
    } else if (is_opening(t->kind)) {
      if (t->kind == HGM_TOK_LBRACE && !in_braces(p) && has_body(p)) {
        p->brackets.len = p->depth;
        p->recovering = false;
        push(p);
        int kind = give(p, HGM_TOK_LBRACE, value, span);
        p->begins = true;
        return kind;
      }
      push(p);
      if (p->abandoned) return give_end(p, span);
    } else if (t->kind == HGM_TOK_RPAREN || t->kind == HGM_TOK_RBRACKET) {
      if (inside && in_list(p)) p->brackets.len--;
    } else if (!inside && (t->kind == HGM_TOK_SEMI || (t->kind == HGM_TOK_COMMA && begins_field(p)))) {
      p->next++;
      return give_end(p, span);
    }
  }
}

void layout_recover(Parse *p) {
  if (p->last == HGM_TOK_END) return; // the parser takes it
  size_t depth = p->brackets.len;
  if (p->last == HGM_TOK_LBRACE) {
    Block block = top(p)->block;
    depth--;
    if (block != BLOCK_UNKNOWN && block != BLOCK_RECORD) return; // taken behind the broken head
  }
  while (depth > 1 && p->brackets.at[depth - 1].kind != HGM_TOK_LBRACE) depth--;
  p->recovering = true;
  p->begins = false;
  p->depth = depth;
}

void layout_rewind(Parse *p, size_t token) {
  pop_to_brace(p);
  while (p->brackets.len > 1 && top(p)->token != NO_TOKEN && top(p)->token >= token) p->brackets.len--;
  p->next = p->rewound = token;
  p->before = token - 1;
  p->recovering = false;
  p->closing = 0; // what is still to be closed is found again
  p->end_next = true;
}

// The brace that a head lacks, handed over in front of the next token.
static int open_brace(Parse *p, Span *span) {
  *span = (Span){token_at(p, p->before)->span.end, token_at(p, p->before)->span.end};
  Bracket bracket = {.kind = HGM_TOK_LBRACE, .token = p->before, .block = block_of(p), .supplied = true};
  layout_brace(p)->bodied = true;
  VEC_PUSH(p->arena, &p->brackets, bracket);
  p->open_next = false;
  p->begins = true;
  p->last = HGM_TOK_LBRACE;
  return HGM_TOK_LBRACE;
}

// After an END that came too early: the lines that stand further right than the statement belonged to it.
void layout_skip_deeper(Parse *p) {
  int column = token_at(p, layout_statement(p))->column;
  for (size_t depth = 0;; p->next++) {
    const Token *t = token_at(p, p->next);
    if (t->kind == HGM_TOK_FILE_END || (t->first && t->column <= column) || (t->kind == HGM_TOK_RBRACE && depth == 0)) return;
    if (t->kind == HGM_TOK_LBRACE) depth++;
    if (t->kind == HGM_TOK_RBRACE) depth--;
  }
}

bool layout_supply_brace(Parse *p, size_t token) {
  const Token *t = token_at(p, token);
  if (in_list(p) || !has_body(p) || layout_statement(p) >= token || t->first) return false;
  for (size_t i = token; !token_at(p, i)->first; i++) // there is one further on
    if (token_at(p, i)->kind == HGM_TOK_LBRACE) return false;
  p->next = token;
  p->before = token - 1;
  p->begins = p->recovering = false;
  p->open_next = true;
  return true;
}

static bool is_given_value(const Parse *p, size_t i) { // a statement rather than a value
  int next = token_at(p, i + 1)->kind;
  return layout_starts_statement(token_at(p, i)->kind) || next == HGM_TOK_ASSIGN || next == HGM_TOK_TILDE || next == HGM_TOK_COLON || next == HGM_TOK_LBRACE;
}

// The head of a block ends with its line, without `{` or `= value`, and what follows stands further right.
static bool lacks_brace(const Parse *p) {
  size_t statement = layout_statement(p), depth = 0;
  const Token *t = token_at(p, p->next);
  if (p->begins || !has_body(p) || t->column <= token_at(p, statement)->column) return false;
  if (may_have_value(token_at(p, statement)->kind) && !is_given_value(p, p->next)) return false;
  for (size_t i = statement + 1; i < p->next; i++) {
    int kind = token_at(p, i)->kind;
    if (kind == HGM_TOK_LPAREN || kind == HGM_TOK_LBRACKET) depth++;
    if ((kind == HGM_TOK_RPAREN || kind == HGM_TOK_RBRACKET) && depth > 0) depth--;
    if (depth == 0 && (kind == HGM_TOK_ASSIGN || kind == HGM_TOK_TILDE || kind == HGM_TOK_COLON)) return false;
  }
  return true;
}

static int report_lacking_brace(Parse *p, Span *span) {
  int kind = open_brace(p, span);
  Diag *d = diag_add(p->diags, DIAG_EXPECTED, *span, "expected `{` after `%s`, found the end of the line", layout_spelling(p, p->before));
  diag_label(p->diags, d, token_at(p, p->next)->span, "this seems to stand in the block");
  p->supplied = true;
  return kind;
}

// ---- the next token

enum { SKIPPED = -1 }; // nothing to hand over: look again

// A bracket ( or [ that is open where it cannot be: error, then END; the token is looked at again.
static int break_off(Parse *p, Span *span) {
  layout_report_open(p, top(p)->token, p->next);
  pop_to_brace(p);
  p->end_next = true;
  return give_error(p, span);
}

// The innermost bracket is closed further on in this line, so what stands here instead is one too many.
static bool closes_later(const Parse *p, int opening) {
  size_t depth = 0;
  for (size_t i = p->next + 1; !token_at(p, i)->first; i++) {
    int kind = token_at(p, i)->kind;
    if (kind == opening) depth++;
    if (kind == closing_of(opening) && depth-- == 0) return true;
  }
  return false;
}

static int skip_closing(Parse *p) {
  if (p->diags->errors >= MAX_ERRORS) {
    p->next++;
    return SKIPPED;
  }
  Diag *d = diag_add(p->diags, DIAG_CLOSING_BRACKET, token_at(p, p->next)->span, "this `%s` closes nothing", layout_spelling(p, p->next));
  diag_help(p->diags, d, "delete it, or open one before");
  p->next++;
  return SKIPPED;
}

static int close_list(Parse *p, const Token *t, HGM_STYPE *value, Span *span) {
  int wanted = closing_of(top(p)->kind);
  if (t->kind == wanted) {
    p->brackets.len--;
    return give(p, wanted, value, span);
  }
  if (closes_later(p, top(p)->kind)) return skip_closing(p); // `[len v), 3]`
  const Bracket *below = p->brackets.len > 1 ? top(p) - 1 : NULL;
  if (below != NULL && closing_of(below->kind) == t->kind) { // `f([a, b)`
    layout_report_open(p, top(p)->token, p->next);
    *span = (Span){t->span.begin, t->span.begin};
    p->brackets.len--;
    p->last = wanted;
    p->supplied = true;
    return wanted;
  }
  Diag *d = diag_add(p->diags, DIAG_CLOSING_BRACKET, t->span, "`%s` cannot close `%s`", layout_spelling(p, p->next), layout_spelling(p, top(p)->token));
  diag_label(p->diags, d, token_at(p, top(p)->token)->span, "opened here");
  diag_help(p->diags, d, "`(` is closed by `)`, `[` by `]`");
  p->brackets.len--;
  return give(p, wanted, value, span);
}

static int close_braces(Parse *p, Span *span) {
  if (p->last != HGM_TOK_END && p->last != HGM_TOK_LBRACE) return give_end(p, span);
  uint32_t at = token_at(p, p->next)->span.begin;
  *span = (Span){at, at};
  p->brackets.len--;
  p->begins = false;
  p->last = HGM_TOK_RBRACE;
  if (p->brackets.len <= p->closing) p->closing = 0;
  return HGM_TOK_RBRACE;
}

// Soft words that begin an item when they stand at the beginning of a line and what follows is not a statement.
static bool begins_item(const Parse *p, size_t i) {
  const Token *t = token_at(p, i);
  if (!t->first) return false;
  const Bracket *brace = layout_brace(p);
  if (layout_starts_item(t->kind)) return t->column <= line_column(p, brace->token); // further right it stands in the block, and is refused there
  bool indented = brace->statement > brace->token && token_at(p, brace->statement)->column > 0;
  if (t->kind == HGM_TOK_NET || t->kind == HGM_TOK_FN) return t->column == 0 && indented && layout_can_end(p->last);
  if (t->column != 0 || (t->kind != HGM_TOK_DATA && t->kind != HGM_TOK_SCORE)) return false;
  int after = token_at(p, i + 1)->kind;
  return t->kind == HGM_TOK_SCORE ? after == HGM_TOK_LBRACE : !goes_on(after) && !token_at(p, i + 1)->first;
}

static int at_end_of_file(Parse *p, Span *span) {
  if (p->brackets.len > 1) {
    report_open_brace(p, p->next);
    p->closing = 1;
    return close_braces(p, span);
  }
  if (p->last != HGM_TOK_END) return give_end(p, span);
  *span = token_at(p, p->next)->span;
  return HGM_TOK_FILE_END;
}

// What cannot stand in an open list.
static bool ends_list(const Parse *p, const Token *t) {
  return t->kind == HGM_TOK_FILE_END || t->kind == HGM_TOK_RBRACE || t->kind == HGM_TOK_LBRACE || (t->first && layout_starts_statement(t->kind)) ||
         (t->kind == HGM_TOK_SEMI && top(p)->kind == HGM_TOK_LPAREN);
}

static int end_list(Parse *p, const Token *t, Span *span) {
  int kind = break_off(p, span);
  if (t->kind == HGM_TOK_LBRACE) { // its head is broken, its body may be read
    p->end_next = false;
    p->recovering = true;
    p->depth = p->brackets.len;
  }
  return kind;
}

static int close_brace(Parse *p, HGM_STYPE *value, Span *span) {
  if (p->last != HGM_TOK_END && p->last != HGM_TOK_LBRACE) return give_end(p, span);
  if (p->brackets.len == 1) return skip_closing(p);
  note_crooked(p, p->next);
  p->brackets.len--;
  p->begins = false;
  return give(p, HGM_TOK_RBRACE, value, span);
}

static int next_token(Parse *p, HGM_STYPE *value, Span *span) {
  const Token *t = token_at(p, p->next);
  bool list = in_list(p);
  if (list && ends_list(p, t)) return end_list(p, t, span);
  if (t->kind == HGM_TOK_FILE_END) return at_end_of_file(p, span);
  if (p->brackets.len > 1 && !list && begins_item(p, p->next)) {
    report_open_brace(p, p->next);
    p->closing = 1;
    return close_braces(p, span);
  }
  if (!list && t->first && layout_can_end(p->last) && !goes_on(t->kind)) return lacks_brace(p) ? report_lacking_brace(p, span) : give_end(p, span);
  if (!list && (t->kind == HGM_TOK_SEMI || (t->kind == HGM_TOK_COMMA && top(p)->block == BLOCK_RECORD))) {
    p->next++;
    return give_end(p, span);
  }
  if (t->kind == HGM_TOK_RPAREN || t->kind == HGM_TOK_RBRACKET) return list ? close_list(p, t, value, span) : skip_closing(p);
  if (t->kind == HGM_TOK_RBRACE) return close_brace(p, value, span);
  if (t->kind == HGM_TOK_HGM_error) {
    layout_brace(p)->statement = p->begins ? p->next : layout_brace(p)->statement;
    give(p, HGM_TOK_HGM_error, value, span);
    layout_recover(p);
    return HGM_TOK_HGM_error;
  }
  if (is_opening(t->kind)) push(p);
  int kind = give(p, t->kind, value, span);
  if (kind == HGM_TOK_LBRACE) p->begins = true;
  return kind;
}

int hgm_lex(HGM_STYPE *value, Span *span, Parse *p) {
  if (p->abandoned || p->diags->errors >= MAX_ERRORS) {
    p->abandoned = true;
    *span = token_at(p, p->next)->span;
    return HGM_TOK_FILE_END;
  }
  if (p->end_next) return give_end(p, span);
  if (p->open_next) return open_brace(p, span);
  if (p->closing) return close_braces(p, span);
  if (p->recovering) return recover(p, value, span);
  int kind = next_token(p, value, span);
  while (kind == SKIPPED) kind = next_token(p, value, span);
  return kind;
}
