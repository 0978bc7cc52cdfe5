// Sets: `set[n] of T` is an array whose first axis has n places, and a value that says which of them are taken (`present`, bool [n]).
// What stands in the other places is never seen: reductions over the set leave it out, and so do all that ask for the elements.
//
//   Value *s = set_mark(e, array, present);  Value *plain = set_filled(e, s, 0, span);  Value *n = set_count(e, s, span);
#ifndef HGM_ELAB_SET_H
#define HGM_ELAB_SET_H

#include "lang/elab_core.h"

static inline bool value_is_set(const Value *v) { return v->kind == VALUE_TENSOR && v->u.tensor.present != NULL; }
Value *set_mark(Elab *e, const Value *array, Value *present); // a copy that is such a set
// out was made of v (and b, or NULL) place by place: it is a set if they are. flatten-set where it has lost the axis, or they are two sets.
Value *set_kept(Elab *e, Value *out, const Value *v, const Value *b, Span span);
bool sets_agree(Elab *e, const Value *v, const Value *b, Span span);      // false: two sets of different elements, reported
Value *set_filled(Elab *e, Value *v, double fill, Span span);             // the array, with a number where nothing is; v itself when it is no set
Value *set_count(Elab *e, const Value *v, Span span);                     // how many are there, real
Value *set_refused(Elab *e, const Value *v, Span span, const char *what); // flatten-set; poison

#endif
