// Derivative rules: one function a name in the adjoint column of ops.def.
//
// A rule gets a value y, the adjoint g of it (the type of y), and writes for each operand its contribution to that
// operand's adjoint (the type of the operand), or leaves IR_NONE. It may skip operands nobody asks for (ad_wants), and
// uses ops of the list only, so that derivatives can be differentiated. Formulas: design notes, "ops".
#ifndef HGM_AD_RULES_H
#define HGM_AD_RULES_H

#include "compiler/ir/ir.h"
#include "compiler/ir/match.h"

typedef struct AdWalk {
  IrFn *fn;
  const uint8_t *active; // for each value up to y: on a smooth path from one of wrt
} AdWalk;

typedef void AdRule(AdWalk *walk, IrRef y, IrRef g, IrRef *to);

// The rules; none, zero and refused are never called: the walk knows them.
#define OP(ENUM, NAME, OPERANDS, CLASS, LOWER, SHAPE, ADJOINT, ...) AdRule adjoint_##ADJOINT;
#include "compiler/ir/ops.def"
#undef OP

static inline IrRef ad_operand(const AdWalk *walk, IrRef y, int k) { return ir_at(walk->fn, y)->operands[k]; }
static inline bool ad_wants(const AdWalk *walk, IrRef y, int k) { return walk->active[ad_operand(walk, y, k)] != 0; }

// Short names for what rules are made of. A number takes the dtype and shape of the other operand.
static inline IrRef ad_add(AdWalk *w, IrRef a, IrRef b) { return ir_binary(w->fn, IR_ADD, a, b); }
static inline IrRef ad_sub(AdWalk *w, IrRef a, IrRef b) { return ir_binary(w->fn, IR_SUB, a, b); }
static inline IrRef ad_neg(AdWalk *w, IrRef a) { return ir_unary(w->fn, IR_NEG, a); }
static inline IrRef ad_number(AdWalk *w, IrRef like, double x) { return ir_number(w->fn, ir_type_of(w->fn, like)->dtype, x); }
IrRef ad_mul(AdWalk *w, IrRef a, IrRef b); // equal types; a factor of ones is left out
IrRef ad_div(AdWalk *w, IrRef a, IrRef b);
IrRef ad_scale(AdWalk *w, IrRef a, double x);
IrRef ad_zeros(AdWalk *w, IrRef like);

#endif
