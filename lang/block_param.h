// A param of the file or of an imported one: what block_param.c and block_import.c share.
#ifndef HGM_BLOCK_PARAM_H
#define HGM_BLOCK_PARAM_H

#include "lang/block.h"

typedef struct Param {
  const AstDecl *decl;
  Scope *scope;          // where it is declared: defaults and ranges are evaluated there
  const AstExpr *turned; // NULL: the default stands
  Scope *turned_scope;
} Param;

// no-such-param, with what the scope has.
void param_unknown(Blocks *b, Span span, const char *path, const char *name, const Scope *scope);

#endif
