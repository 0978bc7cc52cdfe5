// Formulas on values, for code that writes some: add(e, a, mul(e, b, c, span), span).
#ifndef HGM_LANG_ARITHMETIC_H
#define HGM_LANG_ARITHMETIC_H

#include "lang/elab_builtin.h"

static inline Value *add(Elab *e, Value *a, Value *b, Span s) { return elab_binary(e, BIN_ADD, a, b, s); }
static inline Value *sub(Elab *e, Value *a, Value *b, Span s) { return elab_binary(e, BIN_SUB, a, b, s); }
static inline Value *mul(Elab *e, Value *a, Value *b, Span s) { return elab_binary(e, BIN_MUL, a, b, s); }
static inline Value *divide(Elab *e, Value *a, Value *b, Span s) { return elab_binary(e, BIN_DIV, a, b, s); }
static inline Value *num(Elab *e, double x, Span s) { return value_real(e, s, x); }

#endif
