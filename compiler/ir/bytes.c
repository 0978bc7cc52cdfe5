// The identity of a function: all that its text says, as bytes, for whoever wants a hash of it. Printing costs thirty times as much.
#include "compiler/ir/ir.h"

#include <string.h>

typedef struct Out { // pieces are gathered: a sink is called for some thousand bytes at a time
  IrSink *sink;
  void *data;
  size_t n;
  uint8_t bytes[4096];
} Out;

static void flush(Out *out) {
  if (out->n > 0) out->sink(out->data, out->bytes, out->n);
  out->n = 0;
}

static void put(Out *out, const void *bytes, size_t n) {
  if (n == 0) return; // bytes may be NULL
  if (out->n + n > sizeof out->bytes) flush(out);
  if (n > sizeof out->bytes) {
    out->sink(out->data, bytes, n);
    return;
  }
  memcpy(out->bytes + out->n, bytes, n);
  out->n += n;
}

static void put_number(Out *out, int64_t x) { put(out, &x, sizeof x); }

static void put_text(Out *out, const char *text) { // its length first: what follows cannot be taken for a part of it
  size_t n = text != NULL ? strlen(text) : 0;
  put_number(out, (int64_t)n);
  put(out, text, n);
}

// ir_build clears the attributes that an op does not have, so all of them are written.
static void put_value(Out *out, const IrValue *v) {
  const IrAttr *a = &v->attr;
  const uint8_t head[] = {(uint8_t)v->op, (uint8_t)v->type.dtype, v->type.rank, (uint8_t)a->axis, (uint8_t)a->batch,
                          a->draw,        a->backwards,           a->exclusive, a->upper,         a->data != NULL};
  put(out, head, sizeof head);
  put(out, v->type.axes, v->type.rank * sizeof *v->type.axes);
  put(out, &v->n_operands, sizeof v->n_operands);
  put(out, v->operands, v->n_operands * sizeof *v->operands);
  const int64_t range[] = {a->from, a->to, a->step};
  put(out, range, sizeof range);
  put(out, &a->axes, sizeof a->axes);
  put(out, a->order, sizeof a->order);
  put_text(out, a->name);
  if (a->data != NULL) put(out, a->data, (size_t)ir_elements(&v->type) * sizeof *a->data);
}

void ir_bytes(const IrFn *fn, IrSink *sink, void *data) {
  _Static_assert(IR_OP_COUNT <= 256, "an op is written as one byte");
  Out out = {.sink = sink, .data = data};
  put_text(&out, fn->name);
  put_number(&out, (int64_t)fn->values.len);
  for (size_t i = 0; i < fn->values.len; i++) put_value(&out, &fn->values.at[i]);
  put_number(&out, (int64_t)fn->outputs.len);
  for (size_t i = 0; i < fn->outputs.len; i++) {
    put_text(&out, fn->outputs.at[i].name);
    put_number(&out, fn->outputs.at[i].value);
  }
  flush(&out);
}
