// What is said when the grammar refuses a token: what was found, what was needed, and the cure where it is known.
//
// The grammar says which tokens it would have taken; here they become words ("an expression", "a name", "`)`"). Before
// that, the mistakes that people make are looked for: a bracket that was never closed, two statements on a line, a word
// that is misspelt or stands in the wrong block, a reserved word as a name.
#include <string.h>

#include "lang/parse.h"
#include "parser.h"

typedef struct Refusal {
  Parse *p;
  const char *const *expected;
  size_t n;
  bool end;         // END is refused, else the token
  size_t found;     // the token refused; of END the token behind it
  size_t before;    // the token before it, NO_TOKEN at the beginning of the file
  size_t statement; // the token that begins the statement
  Block block;
} Refusal;

static const Token *at(const Refusal *r, size_t i) { return &r->p->tokens.at[i]; }
static const char *spelling(const Refusal *r, size_t i) { return layout_spelling(r->p, i); }

static bool takes(const Refusal *r, const char *token) {
  for (size_t i = 0; i < r->n; i++)
    if (strcmp(r->expected[i], token) == 0) return true;
  return false;
}

// ---- words of blocks

static const struct {
  Block block;
  const char *place, *all, *words;
} BLOCKS[] = {
    {BLOCK_FILE, "at the top of a file", "files", "param use data net layer fn flow bijection fit train generate score evaluate override"},
    {BLOCK_DATA, "in a data block", "data blocks", "where split"},
    {BLOCK_RECORD, "in a record", "records", ""},
    {BLOCK_FLOW, "in a flow", "flows", "base context repeat"},
    {BLOCK_BIJECTION, "in a bijection", "bijections", "forward inverse learn fixed repeat assert net"},
    {BLOCK_NET, "in a net", "nets", "learn fixed repeat assert net"},
    {BLOCK_LAYER, "in a layer", "layers", "learn fixed repeat assert net"},
    {BLOCK_FN, "in a function", "functions", "repeat assert"},
    {BLOCK_DIRECTION, "in a direction of a bijection", "directions of a bijection", "repeat assert"},
    {BLOCK_TRAIN, "in a train block", "train blocks", "update batch epochs steps patience watch keep simultaneous where repeat"},
    {BLOCK_UPDATE, "in an update block", "update blocks", "minimize maximize with repeat"},
    {BLOCK_GENERATE, "in a generate block", "generate blocks", "where repeat assert"},
    {BLOCK_SCORE, "in a score block", "score blocks", "repeat assert"},
    {BLOCK_EVALUATE, "in an evaluate block", "evaluate blocks", "metrics observables observable events assert"},
};
enum { N_BLOCKS = sizeof BLOCKS / sizeof BLOCKS[0], MOST_WORDS = 16 };

static size_t block_index(Block block) {
  for (size_t i = 0; i < N_BLOCKS; i++)
    if (BLOCKS[i].block == block) return i;
  return 0;
}

static size_t split_words(Arena *arena, const char *words, const char **list) {
  size_t n = 0;
  for (const char *w = words; *w != '\0' && n < MOST_WORDS;) {
    size_t len = strcspn(w, " ");
    list[n++] = arena_strndup(arena, w, len);
    w += len + (w[len] == ' ');
  }
  return n;
}

static bool is_word_of(Arena *arena, size_t block, const char *word) {
  const char *list[MOST_WORDS];
  size_t n = split_words(arena, BLOCKS[block].words, list);
  for (size_t i = 0; i < n; i++)
    if (strcmp(list[i], word) == 0) return true;
  return false;
}

// The first block with this word, N_BLOCKS when there is none.
static size_t home_of(Arena *arena, const char *word) {
  for (size_t i = 0; i < N_BLOCKS; i++)
    if (is_word_of(arena, i, word)) return i;
  return N_BLOCKS;
}

static const char *listed(Arena *arena, const char *words) { // `a`, `b` and `c`
  const char *list[MOST_WORDS];
  size_t n = split_words(arena, words, list);
  const char *text = "";
  for (size_t i = 0; i < n; i++) text = arena_printf(arena, "%s%s`%s`", text, i == 0 ? "" : i + 1 == n ? " and " : ", ", list[i]);
  return text;
}

static bool is_name(int kind) { return kind == HGM_TOK_IDENT || (kind >= HGM_TOK_DATA && kind <= HGM_TOK_AGAINST); }
static bool is_reserved(int kind) { return kind >= HGM_TOK_PARAM && kind <= HGM_TOK_SET; }
static bool is_operand(int kind) {
  return is_name(kind) || kind == HGM_TOK_NUMBER || kind == HGM_TOK_STRING || kind == HGM_TOK_LPAREN || kind == HGM_TOK_LBRACKET || kind == HGM_TOK_MINUS ||
         kind == HGM_TOK_NOT || kind == HGM_TOK_IF || kind == HGM_TOK_FN || kind == HGM_TOK_TRUE || kind == HGM_TOK_FALSE;
}

// ---- what was needed and found, in words

static const char *found_text(const Refusal *r) {
  Arena *arena = r->p->arena;
  if (r->end) {
    size_t behind = r->before + 1;
    if (r->before == NO_TOKEN || at(r, behind)->kind == HGM_TOK_FILE_END) return "the end of the file";
    int kind = at(r, behind)->kind;
    bool same_line = !at(r, behind)->first;
    if (same_line && (kind == HGM_TOK_RBRACE || kind == HGM_TOK_SEMI || kind == HGM_TOK_COMMA)) return arena_printf(arena, "`%s`", spelling(r, behind));
    return "the end of the line";
  }
  const Token *t = at(r, r->found);
  if (t->kind == HGM_TOK_FILE_END) return "the end of the file";
  if (t->kind == HGM_TOK_STRING) return "a string";
  if (is_reserved(t->kind) && takes(r, "a name")) return arena_printf(arena, "the reserved word `%s`", spelling(r, r->found));
  return arena_printf(arena, "`%s`", spelling(r, r->found));
}

static bool is_among(const char *words, const char *token) { // words: each between blanks
  size_t len = strlen(token);
  if (len == 0) return false; // a zero byte
  for (const char *place = strstr(words, token); place != NULL; place = strstr(place + 1, token))
    if (place > words && place[-1] == ' ' && place[len] == ' ') return true;
  return false;
}

static const char *const SOFT = " data fit score given after from split pin trained of forward inverse base context batch epochs steps patience watch"
                                " every keep simultaneous metrics observables observable events log bins label against ";
static const char *const OPERANDS = " ( [ - not if fn true false ... set ";
static const char *const OPERATORS = " |> == != < <= > >= + - * / // % @ ^ . ( [ in and or ";

// In an open list nothing but its going on and its end are worth saying.
static const char *list_needs(const Refusal *r) {
  bool comma = takes(r, ",");
  if (takes(r, ")")) return comma ? "`,` or `)`" : "`)`";
  if (takes(r, "]")) return comma ? "`,` or `]`" : "`]`";
  return NULL;
}

static bool is_named_elsewhere(const Refusal *r, const char *token, bool operand, bool name, bool operators) {
  if (strcmp(token, "the end of the line") == 0 || strncmp(token, "a ", 2) == 0) return true;
  if (takes(r, "{") && takes(r, "=") && is_among(" . [ of ", token)) return true; // a type may end here
  if (operand && is_among(OPERANDS, token)) return true;
  if (name && takes(r, "set") && (strcmp(token, "[") == 0 || strcmp(token, "set") == 0)) return true; // a type
  if (name && takes(r, "data") && takes(r, "against") && is_among(SOFT, token)) return true;
  return operators && is_among(OPERATORS, token);
}

static const char *needed_text(const Refusal *r) {
  Arena *arena = r->p->arena;
  bool operand = takes(r, "a number"), operators = takes(r, "+") && takes(r, "^");
  bool unit = r->before != NO_TOKEN && at(r, r->before)->kind == HGM_TOK_NUMBER; // a name behind a number
  bool name = takes(r, "a name") && !unit;
  if (!operand && !name && list_needs(r) != NULL) return list_needs(r);
  const char *parts[64];
  size_t n = 0;
  if (operand) parts[n++] = "an expression";
  else if (name) parts[n++] = takes(r, "set") ? "a type" : "a name";
  else if (takes(r, "a string")) parts[n++] = "a string";
  for (size_t i = 0; i < r->n && n < 63; i++)
    if (!is_named_elsewhere(r, r->expected[i], operand, name, operators)) parts[n++] = arena_printf(arena, "`%s`", r->expected[i]);
  if (takes(r, "the end of the line") && n < 3) parts[n++] = "the end of the line";
  if (n == 0) return "something else";
  if (n > 5) n = operand || name ? 1 : 5;
  const char *text = "";
  for (size_t i = 0; i < n; i++) text = arena_printf(arena, "%s%s%s", text, i == 0 ? "" : i + 1 == n ? " or " : ", ", parts[i]);
  return text;
}

// ---- mistakes that are known by name

static bool looks_like_statement(const Refusal *r, size_t i) {
  const Token *t = at(r, i);
  if (layout_starts_statement(t->kind)) return true;
  if (!is_name(t->kind)) return false;
  int next = at(r, i + 1)->kind;
  if (next == HGM_TOK_ASSIGN || next == HGM_TOK_TILDE || next == HGM_TOK_COLON) return true;
  if (r->block == BLOCK_FLOW && t->kind == HGM_TOK_IDENT) return true;
  return is_word_of(r->p->arena, block_index(r->block), t->text) && (layout_can_end(next) || next == HGM_TOK_LPAREN || next == HGM_TOK_LBRACE);
}

// An opening bracket between the statement's beginning and token `end` that is not closed there, NO_TOKEN: none.
static size_t open_before(const Refusal *r, size_t end) {
  size_t open[MAX_BRACKETS + 1], n = 0;
  for (size_t i = r->statement; i < end; i++) {
    int kind = at(r, i)->kind;
    if ((kind == HGM_TOK_LPAREN || kind == HGM_TOK_LBRACKET) && n < MAX_BRACKETS) open[n++] = i;
    if ((kind == HGM_TOK_RPAREN || kind == HGM_TOK_RBRACKET) && n > 0) n--;
  }
  return n > 0 ? open[n - 1] : NO_TOKEN;
}

// The statement has run into the next one, which stands on a line of its own no further right: an open bracket, or an
// operator at the end of a line.
static bool ran_on(const Refusal *r) {
  Parse *p = r->p;
  size_t from = r->statement + 1;
  for (size_t i = from; i <= r->found; i++)
    if (at(r, i)->kind == HGM_TOK_LBRACE) from = i + 1;
  for (size_t i = from; i <= r->found && i < p->tokens.len; i++) {
    const Token *t = at(r, i);
    if (!t->first || t->column > at(r, r->statement)->column || i <= p->rewound || !looks_like_statement(r, i)) continue;
    size_t open = open_before(r, i);
    if (open == NO_TOKEN && layout_can_end(at(r, i - 1)->kind)) continue;
    if (open != NO_TOKEN) {
      layout_report_open(p, open, i);
    } else {
      uint32_t end = at(r, i - 1)->span.end;
      diag_add(p->diags, DIAG_EXPECTED, (Span){end, end}, "expected an expression after `%s`, found the end of the line", spelling(r, i - 1));
    }
    layout_rewind(p, i);
    return true;
  }
  return false;
}

// A word of the block around this one, on a line no further right than this block's beginning: its brace was forgotten.
static bool brace_forgotten(const Refusal *r, size_t token) {
  Parse *p = r->p;
  size_t i = p->brackets.len - 1;
  while (p->brackets.at[i].kind != HGM_TOK_LBRACE) i--;
  if (i == 0 || r->end || token <= p->rewound || token <= p->brackets.at[i].token || !at(r, token)->first || at(r, token)->text == NULL) return false;
  size_t outer = i - 1;
  while (p->brackets.at[outer].kind != HGM_TOK_LBRACE) outer--;
  size_t opener = p->brackets.at[outer].statement;
  if (at(r, token)->column > at(r, opener)->column) return false;
  if (!is_word_of(p->arena, block_index(p->brackets.at[outer].block), at(r, token)->text)) return false;
  layout_report_open(p, p->brackets.at[i].token, token);
  layout_rewind(p, token);
  p->closing = p->brackets.len > i ? i : 0;
  return true;
}

static bool gives_by_name(Block block) { return block == BLOCK_NET || block == BLOCK_LAYER || block == BLOCK_FN || block == BLOCK_DIRECTION; }

static const char *const OUTPUTS = "every statement of a body names its value, `y = …`; which names it gives, its header says: `-> (y: real[2])`";

static Diag *unknown_word(const Refusal *r, size_t token, bool always) {
  Parse *p = r->p;
  const char *word = spelling(r, token), *list[MOST_WORDS];
  size_t block = block_index(r->block), home = home_of(p->arena, word);
  if (home != N_BLOCKS && !is_word_of(p->arena, block, word)) {
    Diag *d = diag_add(p->diags, DIAG_UNKNOWN_WORD, at(r, token)->span, "`%s` belongs %s, not %s", word, BLOCKS[home].place, BLOCKS[block].place);
    if (strcmp(word, "fn") == 0) diag_help(p->diags, d, "move it out of the braces; a function as a value is `f = fn (x) = …`");
    else if (home == 0) diag_help(p->diags, d, "move it out of the braces: declarations stand side by side in a file");
    else if (BLOCKS[block].words[0] != '\0') diag_help(p->diags, d, "the words of %s are %s", BLOCKS[block].all, listed(p->arena, BLOCKS[block].words));
    return d;
  }
  size_t n = split_words(p->arena, BLOCKS[block].words, list);
  const char *near = diag_nearest(word, list, n);
  if ((near == NULL && !always) || n == 0 || home != N_BLOCKS) return NULL;
  const char *what = r->block == BLOCK_FILE ? "does not begin a declaration" : arena_printf(p->arena, "is not a word of %s", BLOCKS[block].all);
  Diag *d = near != NULL ? diag_add(p->diags, DIAG_UNKNOWN_WORD, at(r, token)->span, "`%s` %s; did you mean `%s`?", word, what, near)
                         : diag_add(p->diags, DIAG_UNKNOWN_WORD, at(r, token)->span, "`%s` %s", word, what);
  if (gives_by_name(r->block) && strcmp(word, "return") == 0) diag_help(p->diags, d, "%s", OUTPUTS);
  else if (r->block == BLOCK_FILE) diag_help(p->diags, d, "declarations begin with %s", listed(p->arena, BLOCKS[0].words));
  else diag_help(p->diags, d, "the words of %s are %s", BLOCKS[block].all, listed(p->arena, BLOCKS[block].words));
  return d;
}

// The refused token begins a statement.
static bool bad_beginning(const Refusal *r) {
  Parse *p = r->p;
  if (r->end || r->found != r->statement) return false;
  const Token *t = at(r, r->found);
  int next = at(r, r->found + (t->kind != HGM_TOK_FILE_END))->kind;
  if (is_reserved(t->kind) && (next == HGM_TOK_ASSIGN || next == HGM_TOK_TILDE || next == HGM_TOK_COLON)) {
    Diag *d = diag_add(p->diags, DIAG_EXPECTED, t->span, "expected a name, found the reserved word `%s`", t->text);
    diag_help(p->diags, d, "`%s` is a word of the language; choose another name", t->text);
    return true;
  }
  if ((is_name(t->kind) || is_reserved(t->kind)) && unknown_word(r, r->found, r->block == BLOCK_FILE && is_name(t->kind)) != NULL) return true;
  const char *what = r->block == BLOCK_FILE                               ? "a declaration"
                     : r->block == BLOCK_DATA || r->block == BLOCK_RECORD ? "a field"
                     : r->block == BLOCK_FLOW                             ? "a step"
                                                                          : "a statement";
  Diag *d = diag_add(p->diags, DIAG_EXPECTED, t->span, "expected %s, found %s", what, found_text(r));
  if (t->kind == HGM_TOK_IF) diag_help(p->diags, d, "`if` chooses a value: `y = if c then a else b`");
  else if (t->kind == HGM_TOK_FOR) diag_help(p->diags, d, "`repeat n as i { … }` repeats statements");
  else if (r->block == BLOCK_RECORD && t->kind == HGM_TOK_STRING) diag_help(p->diags, d, "several columns stand in brackets: `[\"pt\", \"eta\"]`");
  else if (is_reserved(t->kind) && r->block != BLOCK_FILE) diag_help(p->diags, d, "`%s` is a word of the language; choose another name", t->text);
  else if (gives_by_name(r->block) && is_operand(t->kind)) diag_help(p->diags, d, "%s", OUTPUTS);
  return true;
}

// `minimise loss`: the statement's first word is none, what follows is read as its operand.
static bool bad_first_word(const Refusal *r) {
  if (r->end || r->block == BLOCK_RECORD || r->before != r->statement || at(r, r->found)->first) return false;
  const Token *word = at(r, r->statement), *t = at(r, r->found);
  if (!is_name(word->kind) || !is_operand(t->kind)) return false;
  bool always = t->kind != HGM_TOK_LPAREN && t->kind != HGM_TOK_LBRACKET && t->kind != HGM_TOK_MINUS && r->block != BLOCK_FLOW && !is_reserved(t->kind);
  return unknown_word(r, r->statement, always) != NULL;
}

static bool two_on_a_line(const Refusal *r) {
  if (r->end || at(r, r->found)->first || !takes(r, "the end of the line") || !looks_like_statement(r, r->found)) return false;
  if (r->before == NO_TOKEN || !layout_can_end(at(r, r->before)->kind)) return false;
  Diag *d = diag_add(r->p->diags, DIAG_MISSING_END, at(r, r->found)->span, "two statements on one line need `;` between them");
  diag_here(r->p->diags, d, "the second begins here");
  diag_help(r->p->diags, d, "write `; %s`, or begin a new line", spelling(r, r->found));
  return true;
}

static bool is_comparison(int kind) {
  return kind == HGM_TOK_EQ || kind == HGM_TOK_NE || kind == HGM_TOK_LT || kind == HGM_TOK_LE || kind == HGM_TOK_GT || kind == HGM_TOK_GE;
}

static bool chained_comparison(const Refusal *r) {
  if (r->end || !is_comparison(at(r, r->found)->kind) || !takes(r, "+") || takes(r, "==")) return false;
  Diag *d = diag_add(r->p->diags, DIAG_SYNTAX, at(r, r->found)->span, "comparisons do not chain");
  diag_help(r->p->diags, d, "`a < b and b < c` compares twice");
  return true;
}

// The cure for what is found at this place, or NULL.
static const char *cure(const Refusal *r) {
  bool unnamed = gives_by_name(r->block) && takes(r, "=") && takes(r, "~");
  if (r->end) return unnamed ? OUTPUTS : NULL;
  Arena *arena = r->p->arena;
  const Token *t = at(r, r->found), *first = at(r, r->statement);
  const Token *before = r->before == NO_TOKEN ? NULL : at(r, r->before);
  bool adjacent = before != NULL && before->span.end == t->span.begin;
  if (is_reserved(t->kind) && takes(r, "a name") && !takes(r, "a number"))
    return arena_printf(arena, "`%s` is a word of the language; choose another name", t->text);
  if (t->kind != HGM_TOK_FILE_END && is_among(" + - * / ", spelling(r, r->found)) && at(r, r->found + 1)->kind == HGM_TOK_ASSIGN)
    return "a statement gives a new value with `=`; there is no `+=`";
  if (t->kind == HGM_TOK_ASSIGN && takes(r, "==") && open_before(r, r->found) == NO_TOKEN) return "`==` compares";
  if (t->kind == HGM_TOK_STAR && adjacent && before->kind == HGM_TOK_STAR) return "`^` is the power: `x^2`";
  if (t->kind == HGM_TOK_BAR && takes(r, "|>"))
    return "`|>` joins steps: `\"pt\" |> log |> standardize`; `|` stands after `~`, at the end of a call's arguments and in headers";
  if (t->kind == HGM_TOK_BAR) return "`|` stands after `~`, at the end of a call's arguments and in headers";
  if (t->kind == HGM_TOK_DOTDOT) return "`..` stands after `tune` and `over`; `range(0, n)` is a list";
  if ((first->kind == HGM_TOK_LEARN || first->kind == HGM_TOK_FIXED) && takes(r, ":")) return "a weight has a type: `learn w: real[n] = 0`";
  if (first->kind == HGM_TOK_SPLIT) return "training / validation / test: `split 0.8 / 0.1 / 0.1`";
  if (first->kind == HGM_TOK_UPDATE && t->kind == HGM_TOK_EVERY) return "`when step % 5 == 0` says how often it runs, `repeat 5` how often in a step";
  if (first->kind == HGM_TOK_UPDATE && t->kind == HGM_TOK_LBRACE && takes(r, "a number")) return "`unrolling critic 5` says through how many of its steps";
  if (first->kind == HGM_TOK_UPDATE && r->before == r->statement) return "what it moves stands behind `update`: `update encoder, decoder { … }`";
  if (t->kind == HGM_TOK_ASSIGN && takes(r, "{") && at(r, r->found + 1)->kind == HGM_TOK_LBRACE) return "what stands in braces has no `=` before it";
  if (first->kind == HGM_TOK_GENERATE && takes(r, "given")) return "what an event is given stands behind `given`: `generate given gen { … }`";
  if (first->kind == HGM_TOK_USE && is_name(t->kind) && r->before == r->statement)
    return arena_printf(arena, "a file is named by a string: `use \"%s.hgm\"`", t->text);
  if (first->kind == HGM_TOK_BIJECTION && t->kind == HGM_TOK_LBRACE) return "a bijection names both sides: `bijection shift(t)(x: real -> y: real) { … }`";
  if (t->kind == HGM_TOK_LBRACE && before != NULL && before->kind == HGM_TOK_ASSIGN && gives_by_name(layout_brace(r->p)->block))
    return "a body in braces stands without `=`, and names what it gives: `-> (y: real[2]) { …; y = h |> dense(2) }`";
  if (unnamed && t->kind != HGM_TOK_COMMA && is_among(OPERATORS, spelling(r, r->found))) return OUTPUTS;
  if (first->kind == HGM_TOK_OVERRIDE && t->kind == HGM_TOK_DOT)
    return "`override` knows no names behind a name: `use` the file without `as`, and name the declaration alone";
  if (first->kind == HGM_TOK_OVERRIDE && r->before == r->statement)
    return "what is replaced is declared anew: `override net decoder(z: real[4]) -> real[2] = …`";
  if (t->kind == HGM_TOK_COMMA && r->before == r->statement) return "several names stand in brackets: `(mu, logvar) = …`";
  if (t->kind == HGM_TOK_LPAREN && r->before == r->statement && takes(r, "="))
    return arena_printf(arena, "a statement gives its value a name: `y = %s(…)`", spelling(r, r->before));
  return NULL;
}

static void report_expected(const Refusal *r) {
  Parse *p = r->p;
  uint32_t end = r->before == NO_TOKEN ? p->source->base : at(r, r->before)->span.end;
  Span span = r->end ? (Span){end, end} : at(r, r->found)->span;
  const char *after = "";
  if (r->before != NO_TOKEN && r->before >= r->statement && at(r, r->before)->kind != HGM_TOK_STRING)
    after = arena_printf(p->arena, " after `%s`", spelling(r, r->before));
  Diag *d = diag_add(p->diags, DIAG_EXPECTED, span, "expected %s%s, found %s", needed_text(r), after, found_text(r));
  size_t open = r->end ? NO_TOKEN : open_before(r, r->found);
  if (open != NO_TOKEN && (takes(r, ")") || takes(r, "]"))) diag_label(p->diags, d, at(r, open)->span, "opened here");
  const char *help = cure(r);
  if (help != NULL) diag_help(p->diags, d, "%s", help);
}

void syntax_report(Parse *p, const char *const *expected, size_t n) {
  if (p->abandoned) return;
  Refusal r = {.p = p, .expected = expected, .n = n, .end = p->last == HGM_TOK_END || p->last == HGM_TOK_FILE_END};
  r.found = r.end ? p->next : p->before;
  r.before = r.end ? p->before : p->before == 0 ? NO_TOKEN : p->before - 1;
  r.statement = layout_statement(p);
  r.block = layout_brace(p)->block;
  if (p->last == HGM_TOK_LBRACE && p->brackets.len > 1) { // the brace refused is not around itself
    Bracket *around = &p->brackets.at[p->brackets.len - 2];
    while (around->kind != HGM_TOK_LBRACE) around--;
    r.statement = around->statement;
    r.block = around->block;
  }
  if (p->supplied) {
    layout_recover(p);
    return;
  }
  if (ran_on(&r) || ((r.found == r.statement || r.before == r.statement) && brace_forgotten(&r, r.statement))) return;
  if (!bad_beginning(&r) && !bad_first_word(&r) && !two_on_a_line(&r) && !chained_comparison(&r)) report_expected(&r);
  int first = p->tokens.at[r.statement].kind;
  bool only_brace = takes(&r, "{") && (!takes(&r, "=") || first == HGM_TOK_FORWARD || first == HGM_TOK_INVERSE);
  if (!r.end && only_brace && p->last != HGM_TOK_LBRACE && layout_supply_brace(p, r.found)) return;
  if (r.end && takes(&r, "=") && takes(&r, "{")) layout_skip_deeper(p);
  layout_recover(p);
}

void syntax_exhausted(Parse *p, Span span) {
  if (p->abandoned) return;
  Diag *d = diag_add(p->diags, DIAG_NESTED, span, "nested too deeply");
  diag_help(p->diags, d, "give the inner parts names of their own");
  p->abandoned = true;
}
