// Weights copied with two axes exchanged, for products that read them in the other order: a line of memory is read and stored whole,
// where number by number every line would come once for each of its numbers.
#include "compiler/codegen/emit_nest.h"
#include "compiler/codegen/squares.h"

// The largest square of any machine: whether a nest is an exchange depends on no machine.
static int64_t largest_side(const Nest *n) { return 512 / 8 / (int64_t)dtype_bytes((IrDtype)n->steps[0].dtype); }

bool exchange_fits(const Nest *n, Exchange *x) {
  const NestStep *t = &n->steps[0];
  if (n->mode != NEST_LANES || n->n_steps != 1 || t->kind != STEP_COPY || t->adds || t->slot < 0 || t->loops != n->outer) return false;
  if (t->read[0].kind != READ_UNIFORM || t->read[0].dtype != t->dtype || !point_is_real((IrDtype)t->dtype)) return false;
  *x = (Exchange){-1, -1};
  for (int l = 0; l < n->outer; l++) {
    if (t->read[0].stride[l] == 1 && n->extent[l] >= largest_side(n)) x->from = l;
    if (t->store_stride[l] == 1 && n->extent[l] >= largest_side(n)) x->to = l;
  }
  return x->from >= 0 && x->to >= 0 && x->from != x->to;
}

static EmitLoop squares_along(Emit *e, int l, int64_t side) { return emit_blocks(e->m, "squares", emit_index(e->m, e->nest->extent[l]), side, &e->index[l]); }

// Those of this call.
static EmitLoop share_along(Emit *e, int l, int64_t side) {
  CodeModule *m = e->m;
  if (e->nest->shares == 0) return squares_along(e, l, side);
  EmitRange squares = nest_share(e, (e->nest->extent[l] + side - 1) / side);
  EmitLoop loop = emit_loop(m, "squares", squares.from, squares.to, 1, NULL, 0);
  e->index[l] = emit_least(m, LLVMBuildNSWMul(m->builder, loop.index, emit_index(m, side), ""), emit_index(m, e->nest->extent[l] - side));
  return loop;
}

static void copy_square(Emit *e, const Exchange *x, unsigned side) {
  const NestStep *t = &e->nest->steps[0];
  const NestRead *r = &t->read[0];
  LLVMTypeRef element = point_memory_element(e->m, (IrDtype)t->dtype);
  LLVMValueRef from = emit_at(e->m, element, e->pointers[r->index], nest_offset(e, r->base, r->stride, 0, 1)), rows[16];
  LLVMValueRef to = emit_at(e->m, element, e->pointers[t->slot], nest_offset(e, t->store_base, t->store_stride, 0, 1));
  for (unsigned i = 0; i < side; i++) rows[i] = emit_at(e->m, element, from, emit_index(e->m, i * r->stride[x->to]));
  square_copy(e->m, element, side, rows, to, t->store_stride[x->from]);
}

static void copy_squares(Emit *e, void *data) {
  const Exchange *x = data;
  unsigned side = square_side(e->m, point_memory_element(e->m, (IrDtype)e->nest->steps[0].dtype));
  EmitLoop outer = share_along(e, x->to, side), inner = squares_along(e, x->from, side);
  copy_square(e, x, side);
  emit_loop_end(e->m, &inner, NULL);
  emit_loop_end(e->m, &outer, NULL);
}

void exchange_emit(CodeModule *m, const char *name, const Nest *nest, const Exchange *exchange) {
  Emit e = nest_begin(m, name, nest, 0);
  Exchange x = *exchange;
  nest_around(&e, 0, nest->outer, 1u << x.from | 1u << x.to, nest->extent, copy_squares, NULL, &x);
  nest_end(&e);
}
