// What passes share: walking one function and building another, with a rule tried on every value on its way.
//
//   Rewrite rw = opt_rewrite(arena, fn, rule);  return opt_rewrite_all(&rw);
//
// A rule sees a value that is about to be built, its operands already in the new function, and returns a value that is
// to stand for it (of the same type), or IR_NONE: then it is built as it is. Rules build with opt_*, which try the rules
// on what they build.
#ifndef HGM_OPT_REWRITE_H
#define HGM_OPT_REWRITE_H

#include "compiler/ir/ir.h"
#include "compiler/ir/match.h"

typedef struct Rewrite Rewrite;
typedef IrRef OptRule(Rewrite *rw, const IrValue *v);

struct Rewrite {
  Arena *arena, *scratch; // scratch lives until opt_rewrite_all returns
  const IrFn *from;
  IrFn *to;
  OptRule *rule;         // may be NULL
  IrRef *map;            // from's values -> to's
  const uint32_t *uses;  // of from's values, outputs counted
  VEC(uint32_t) to_uses; // of to's values: users there will be, as far as known from `from`
  int depth;             // of rules inside rules
};

uint32_t *opt_count_uses(Arena *arena, const IrFn *fn);
Rewrite opt_rewrite(Arena *arena, const IrFn *fn, OptRule *rule);
IrFn *opt_rewrite_all(Rewrite *rw); // values without use are left out
IrFn *opt_rewrite_end(Rewrite *rw); // for passes with a walk of their own: outputs, then done
IrValue opt_on_mapped_operands(Rewrite *rw, IrRef i);
IrRef opt_copy(Rewrite *rw, IrRef i);         // value i of `from`, as it is, on mapped operands
IrRef opt_put(Rewrite *rw, const IrValue *v); // v as it is: type already right, no rule
void opt_set(Rewrite *rw, IrRef i, IrRef r);  // r stands for i from now on
bool opt_single(const Rewrite *rw, IrRef r);  // r of `to` has at most one user

static inline const IrValue *opt_at(const Rewrite *rw, IrRef r) { return ir_at(rw->to, r); }
static inline const IrType *opt_type(const Rewrite *rw, IrRef r) { return ir_type_of(rw->to, r); }
static inline bool opt_is(const Rewrite *rw, IrRef r, IrOp op) { return opt_at(rw, r)->op == op; }
static inline IrRef opt_operand(const Rewrite *rw, IrRef r, int k) { return opt_at(rw, r)->operands[k]; }

// Builders that try the rule.
IrRef opt_build(Rewrite *rw, const IrValue *v); // v with its type
IrRef opt_make(Rewrite *rw, IrOp op, const IrRef *operands, uint32_t n, const IrAttr *attr, const IrType *declared);
IrRef opt_unary(Rewrite *rw, IrOp op, IrRef a);
IrRef opt_binary(Rewrite *rw, IrOp op, IrRef a, IrRef b);
IrRef opt_select(Rewrite *rw, IrRef c, IrRef a, IrRef b);
IrRef opt_cast(Rewrite *rw, IrRef a, IrDtype dtype);
IrRef opt_reshape(Rewrite *rw, IrRef a, int rank, const int64_t *axes);
IrRef opt_broadcast(Rewrite *rw, IrRef a, const IrType *axes, const int8_t *from); // dtype of a
IrRef opt_slice(Rewrite *rw, IrRef a, int axis, int64_t from, int64_t to, int64_t step);
IrRef opt_pad(Rewrite *rw, IrRef a, int axis, int64_t before, int64_t after);
IrRef opt_concat(Rewrite *rw, const IrRef *parts, uint32_t n, int axis);
IrRef opt_sum(Rewrite *rw, IrRef a, uint32_t axes);
IrRef opt_number(Rewrite *rw, IrDtype dtype, double x);
IrRef opt_fill(Rewrite *rw, const IrType *type, double x);
IrRef opt_number_like(Rewrite *rw, IrRef like, double x); // fill of like's type

#endif
