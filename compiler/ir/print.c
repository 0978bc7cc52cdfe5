// The text form:
//
//   fn step {
//     %0 = input "column:x" : f64[e]
//     %1 = const [1, 2.5, inf] : f32[3]
//     %2 = draw normal "noise" : f32[e,3]
//     %5 = gather %3, %4 batch 1 axis 1 : f32[e]
//     output "loss" %9
//   }
//
// Numbers are the shortest that read back to the same value of their dtype.
#include "compiler/ir/type.h"

#include <ctype.h>
#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

typedef struct Text {
  Arena *arena;
  VEC(char) bytes;
} Text;

static void __attribute__((format(printf, 2, 3))) put(Text *t, const char *format, ...) {
  va_list args;
  va_start(args, format);
  for (const char *c = arena_vprintf(t->arena, format, args); *c; c++) VEC_PUSH(t->arena, &t->bytes, *c);
  va_end(args);
}

static void put_raw(Text *t, const char *text) {
  for (; *text; text++) VEC_PUSH(t->arena, &t->bytes, *text);
}

static void put_number(Text *t, IrDtype dtype, double x) {
  char text[40];
  if (isnan(x)) return put_raw(t, "nan");
  if (isinf(x)) return put_raw(t, x > 0 ? "inf" : "-inf");
  bool single = dtype == IR_F32;
  bool full = fabs(x) >= (single ? FLT_MIN : DBL_MIN); // every decimal number of 6 or 15 digits is told apart
  for (int digits = !full ? 1 : single ? 6 : 15; digits <= 17; digits++) {
    snprintf(text, sizeof text, "%.*g", digits, x);
    double back = strtod(text, NULL);
    if (single ? (float)back == (float)x : back == x) break;
  }
  put_raw(t, text);
}

static void put_string(Text *t, const char *text) {
  put_raw(t, "\"");
  for (const unsigned char *c = (const unsigned char *)text; *c; c++) {
    if (*c == '"' || *c == '\\') put(t, "\\%c", *c);
    else if (*c < 0x20 || *c == 0x7f) put(t, "\\x%02x", *c);
    else VEC_PUSH(t->arena, &t->bytes, (char)*c);
  }
  put_raw(t, "\"");
}

static void put_list(Text *t, const char *word, const int *items, int n) {
  put(t, " %s (", word);
  for (int i = 0; i < n; i++) put(t, "%s%d", i ? ", " : "", items[i]);
  put_raw(t, ")");
}

static void put_data(Text *t, const IrValue *v, int64_t at_most) {
  int64_t n = ir_elements(&v->type), shown = n < at_most ? n : at_most;
  put_raw(t, v->type.rank ? " [" : " ");
  for (int64_t i = 0; i < shown; i++) {
    if (i) put_raw(t, ", ");
    put_number(t, v->type.dtype, v->attr.data[i]);
  }
  if (shown < n) put_raw(t, ", ...");
  if (v->type.rank) put_raw(t, "]");
}

// What stands before the operands.
static void put_head(Text *t, const IrValue *v, int64_t at_most) {
  static const char *const draws[] = {"bits", "uniform", "normal", "number"};
  uint32_t has = ir_op_attributes(v->op);
  if (has & IRA_DRAW) put(t, " %s", v->attr.draw <= IR_DRAW_NUMBER ? draws[v->attr.draw] : "?");
  if (has & IRA_NAME) put_raw(t, " "), put_string(t, v->attr.name ? v->attr.name : "");
  if (has & IRA_DATA && v->attr.data) put_data(t, v, at_most);
}

// What stands behind them.
static void put_tail(Text *t, const IrValue *v) {
  const IrAttr *a = &v->attr;
  uint32_t has = ir_op_attributes(v->op);
  int list[32], n = 0;
  if (has & IRA_BATCH) put(t, " batch %d", a->batch);
  if (has & IRA_AXIS) put(t, " axis %d", a->axis);
  if (has & IRA_SIZE) put(t, " size %lld", (long long)a->from);
  if (has & IRA_STEP) put(t, " step %lld", (long long)a->step);
  if (has & IRA_RANGE) {
    const char *format = v->op == IR_PAD ? " before %lld after %lld dilation %lld" : " from %lld to %lld step %lld";
    for (const char *c = arena_printf(t->arena, format, (long long)a->from, (long long)a->to, (long long)a->step); *c; c++) VEC_PUSH(t->arena, &t->bytes, *c);
  }
  if (has & IRA_AXES) {
    for (int i = 0; i < 32; i++) {
      if (a->axes >> i & 1) list[n++] = i;
    }
    put_list(t, "axes", list, n);
  }
  if (has & IRA_ORDER) {
    for (n = 0; n < v->type.rank; n++) list[n] = a->order[n];
    put_list(t, "order", list, n);
  }
  if (has & IRA_SCAN) put_raw(t, a->backwards ? " backwards" : ""), put_raw(t, a->exclusive ? " exclusive" : "");
  if (has & IRA_BACKWARDS) put_raw(t, a->backwards ? " backwards" : "");
  if (has & IRA_UPPER) put_raw(t, a->upper ? " upper" : " lower");
}

static void put_value(Text *t, const IrFn *fn, IrRef r, int64_t at_most) {
  const IrValue *v = ir_at(fn, r);
  put(t, "%%%u = %s", r, ir_op_info[v->op].name);
  put_head(t, v, at_most);
  for (uint32_t i = 0; i < v->n_operands; i++) put(t, "%s%%%u", i ? ", " : " ", v->operands[i]);
  put_tail(t, v);
  put(t, " : %s", ir_type_text(t->arena, &v->type));
}

static char *finish(Text *t) {
  VEC_PUSH(t->arena, &t->bytes, '\0');
  return t->bytes.at;
}

char *ir_value_text(Arena *arena, const IrFn *fn, IrRef r) {
  Text t = {.arena = arena};
  put_value(&t, fn, r, 8);
  return finish(&t);
}

static bool is_word(const char *name) {
  if (!isalpha((unsigned char)*name) && *name != '_') return false;
  for (; *name; name++) {
    if (!isalnum((unsigned char)*name) && !strchr("_.:-", *name)) return false;
  }
  return true;
}

char *ir_text(Arena *arena, const IrFn *fn) {
  Text t = {.arena = arena};
  put_raw(&t, "fn ");
  if (is_word(fn->name)) put_raw(&t, fn->name);
  else put_string(&t, fn->name);
  put_raw(&t, " {\n");
  for (IrRef r = 0; r < fn->values.len; r++) {
    put_raw(&t, "  ");
    put_value(&t, fn, r, INT64_MAX);
    put_raw(&t, "\n");
  }
  for (size_t i = 0; i < fn->outputs.len; i++) {
    put_raw(&t, "  output ");
    put_string(&t, fn->outputs.at[i].name);
    put(&t, " %%%u\n", fn->outputs.at[i].value);
  }
  put_raw(&t, "}\n");
  return finish(&t);
}

void ir_print(FILE *out, const IrFn *fn) {
  Arena *scratch = arena_create();
  fputs(ir_text(scratch, fn), out);
  arena_destroy(scratch);
}
