// Names that a body, block or update gives and nothing in it mentions: warnings, from the text alone, so that what a setting
// switches off is no matter.
#ifndef HGM_UNUSED_H
#define HGM_UNUSED_H

#include "lang/ast.h"
#include "lang/diag.h"

void unused_names(Arena *arena, Diags *diags, const AstFile *file);
bool evaluate_mentions(Arena *arena, const AstDecl *evaluate, const char *name); // evaluate: the block, or NULL

#endif
