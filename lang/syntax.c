// What is said when the grammar refuses a token: what was found, what was needed, and the cure where it is known.
#include <string.h>

#include "lang/parse.h"
#include "parser.h"

void syntax_report(Parse *p, const char *const *expected, size_t n) {
  (void)expected; (void)n;
  if (p->abandoned || p->supplied) return;
  Span s = p->tokens.at[p->before].span;
  diag_add(p->diags, DIAG_SYNTAX, s, "syntax error at `%s`", layout_spelling(p, p->before));
  layout_recover(p);
}

void syntax_exhausted(Parse *p, Span span) {
  if (p->abandoned) return;
  Diag *d = diag_add(p->diags, DIAG_NESTED, span, "nested too deeply");
  diag_help(p->diags, d, "give the inner parts names of their own");
}
