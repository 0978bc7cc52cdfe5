// Private to the parser: the tokens of a file, the layout that turns line ends into statement ends, and what the
// messages know about where the parser stands.
//
//   text -> lexer.l: all tokens -> layout.c: hgm_lex(), one token at a time, with END in place of line ends -> parser.y
//                                  syntax.c: the messages for what the grammar does not take
#ifndef HGM_PARSE_H
#define HGM_PARSE_H

#include "lang/ast.h"

typedef struct Token {
  int kind; // a HGM_TOK_… of the generated parser
  Span span;
  bool first;       // first on its line
  int column;       // of its line, from 0, in bytes
  const char *text; // of names, words and strings (without quotes), else NULL
  double value;     // NUMBER
  bool integer;
  const char *doc; // text of the ## lines right above, or NULL
} Token;

// What stands between two braces: decides its words and how a broken statement in it ends.
typedef enum {
  BLOCK_FILE,
  BLOCK_DATA,
  BLOCK_RECORD,
  BLOCK_FLOW,
  BLOCK_BIJECTION,
  BLOCK_NET,
  BLOCK_LAYER,
  BLOCK_FN,
  BLOCK_DIRECTION,
  BLOCK_TRAIN,
  BLOCK_UPDATE,
  BLOCK_GENERATE,
  BLOCK_SCORE,
  BLOCK_EVALUATE,
  BLOCK_UNKNOWN,
} Block;

typedef struct Bracket {
  int kind;         // HGM_TOK_LPAREN, LBRACKET or LBRACE
  size_t token;     // index of the opening token
  Block block;      // of a brace
  size_t statement; // of a brace: index of the token that begins the statement now read
  bool supplied;    // of a brace: it does not stand in the file; token is the one before it
  bool bodied;      // of a brace: that statement has had braces of its own
} Bracket;

typedef struct Parse {
  Arena *arena, *scratch; // scratch: of the tokens, gone with the parse
  SourceFile *source;
  Diags *diags;
  AstFile *file;
  VEC(Token) tokens; // all of the file; the last is the end of the file
  // layout
  size_t next;           // the next token to look at
  size_t before;         // the token last handed over, END not counted; NO_TOKEN before the first
  VEC(Bracket) brackets; // at[0] stands for the file
  int last;              // kind last handed over, END counted
  bool supplied;         // … which does not stand in the file; its want has been reported
  bool begins;           // the next token begins a statement
  bool end_next;         // END comes before anything else
  bool open_next;        // … or the `{` that a head lacks
  size_t closing;        // before anything else braces are closed until so many brackets are left; 0: none are
  bool recovering;       // after an error: skip to where the statement ends
  size_t depth;          // while recovering: number of brackets around the statement
  size_t rewound;        // the last token that was gone back to, so that none is twice
  size_t crooked;        // an opening brace whose closing one stands left of it; NO_TOKEN: none
  bool abandoned;        // nested too deeply: nothing more is handed over
} Parse;

#define NO_TOKEN ((size_t)-1)
enum { MAX_BRACKETS = 200, MAX_ERRORS = 200 }; // beyond MAX_ERRORS the rest of the file is not read

void scan_tokens(Parse *parse); // lexer.l

void layout_begin(Parse *parse);
Bracket *layout_brace(const Parse *parse);                     // the innermost brace, or the file
size_t layout_statement(const Parse *parse);                   // the token that begins the statement now read
bool layout_starts_item(int kind);                             // reserved words that begin an item of a file and nothing else
bool layout_starts_statement(int kind);                        // reserved words that only begin things
bool layout_can_end(int kind);                                 // a statement may end behind it
const char *layout_spelling(const Parse *parse, size_t token); // as written
void layout_report_open(Parse *parse, size_t open, size_t where);
// The parser has refused the token handed over last, which is reported: go on where its statement ends …
void layout_recover(Parse *parse);
// … or at an earlier token of the statement, with an END before it.
void layout_rewind(Parse *parse, size_t token);
// … or at the next line that stands no further right than the statement …
// … or with a `{` before this token, where the head of a block lacks its own. False: it does not look so.
void layout_skip_deeper(Parse *parse);
bool layout_supply_brace(Parse *parse, size_t token);

void syntax_report(Parse *parse, const char *const *expected, size_t n); // syntax.c: the token handed over last is refused
void syntax_exhausted(Parse *parse, Span span);

#endif
