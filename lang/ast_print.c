#include "lang/ast.h"
void ast_print(FILE *out, const AstFile *file) { fprintf(out, "%zu\n", file->items.len); }
