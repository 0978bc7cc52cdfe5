// A function as bytes: all that its text says, for whoever wants a hash of it or hands it to another process. Printing costs thirty times as much.
#include "compiler/ir/ir.h"

#include <string.h>

typedef struct Out { // pieces are gathered: a sink is called for some ten thousand bytes at a time
  IrSink *sink;
  void *data;
  size_t n;
  uint8_t bytes[32768];
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

// ---- and back

typedef struct In {
  Arena *arena;
  const uint8_t *at, *end;
  bool is_short; // read as zeros
} In;

static void get(In *in, void *to, size_t n) {
  in->is_short |= (size_t)(in->end - in->at) < n;
  if (in->is_short) {
    memset(to, 0, n);
  } else if (n > 0) {
    memcpy(to, in->at, n);
    in->at += n;
  }
}

// n pieces of so many bytes in the arena.
static void *get_array(In *in, uint64_t n, size_t bytes) {
  in->is_short |= n > (size_t)(in->end - in->at) / bytes;
  if (in->is_short) return NULL;
  void *array = arena_alloc(in->arena, (size_t)n * bytes);
  get(in, array, (size_t)n * bytes);
  return array;
}

static int64_t get_number(In *in) {
  int64_t x;
  get(in, &x, sizeof x);
  return x;
}

static const char *get_text(In *in) {
  uint64_t n = (uint64_t)get_number(in);
  in->is_short |= n > (size_t)(in->end - in->at);
  if (in->is_short) return "";
  in->at += n;
  return arena_strndup(in->arena, (const char *)in->at - n, (size_t)n);
}

static bool get_value(In *in, const IrFn *fn, IrValue *v) {
  uint8_t head[10];
  get(in, head, sizeof head);
  *v = (IrValue){.op = head[0], .type = {.dtype = head[1], .rank = head[2]}};
  v->attr = (IrAttr){.axis = (int8_t)head[3], .batch = (int8_t)head[4], .draw = head[5], .backwards = head[6], .exclusive = head[7], .upper = head[8]};
  if (v->op >= IR_OP_COUNT || v->type.dtype > IR_BF16 || v->type.rank > IR_MAX_RANK) return false;
  get(in, v->type.axes, v->type.rank * sizeof *v->type.axes);
  get(in, &v->n_operands, sizeof v->n_operands);
  v->operands = get_array(in, v->n_operands, sizeof *v->operands);
  for (uint32_t i = 0; i < v->n_operands && !in->is_short; i++)
    if (v->operands[i] >= fn->values.len) return false;
  v->attr.from = get_number(in);
  v->attr.to = get_number(in);
  v->attr.step = get_number(in);
  get(in, &v->attr.axes, sizeof v->attr.axes);
  get(in, v->attr.order, sizeof v->attr.order);
  const char *name = get_text(in);
  if (ir_op_attributes(v->op) & IRA_NAME) v->attr.name = name;
  if (head[9]) v->attr.data = get_array(in, (uint64_t)ir_elements(&v->type), sizeof *v->attr.data);
  return !in->is_short;
}

IrFn *ir_from_bytes(Arena *arena, const void *bytes, size_t n) {
  In in = {.arena = arena, .at = bytes, .end = (const uint8_t *)bytes + n};
  IrFn *fn = ir_fn_new(arena, get_text(&in));
  IrValue v;
  for (int64_t left = get_number(&in); left > 0; left--) {
    if (!get_value(&in, fn, &v)) return NULL;
    ir_push(fn, &v);
    if (ir_is_leaf(v.op)) map_put(arena, &fn->leaves, v.attr.name, (void *)(uintptr_t)fn->values.len);
  }
  for (int64_t left = get_number(&in); left > 0; left--) {
    const char *name = get_text(&in);
    int64_t value = get_number(&in);
    if (in.is_short || value < 0 || value >= (int64_t)fn->values.len) return NULL;
    ir_output(fn, name, (IrRef)value);
  }
  return in.is_short || in.at != in.end ? NULL : fn;
}
