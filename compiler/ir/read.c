// Reads the text form of print.c; `#` starts a comment. Any text is answered: a function that keeps the laws, or a
// message with the line.
#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "compiler/ir/type.h"
#include "compiler/ir/verify.h"

typedef struct Reader {
  Arena *arena;
  const char *at;
  int line;
  const char *error; // the first one; all reading stops at it
  IrFn *fn;
  VEC(int) lines; // of values, then of outputs
} Reader;

static void __attribute__((format(printf, 2, 3))) fail(Reader *r, const char *format, ...) {
  if (r->error) return;
  va_list args;
  va_start(args, format);
  r->error = arena_printf(r->arena, "line %d: %s", r->line, arena_vprintf(r->arena, format, args));
  va_end(args);
  r->at = "";
}

// ---- tokens

static void skip(Reader *r) {
  for (;; r->at++) {
    if (*r->at == '#') r->at += strcspn(r->at, "\n");
    if (*r->at == '\n') r->line++;
    else if (*r->at != ' ' && *r->at != '\t' && *r->at != '\r') return;
  }
}

static const char *shown(Reader *r) { return *r->at ? arena_strndup(r->arena, r->at, strcspn(r->at, " \n\t")) : "the end"; }

// Takes the text if it stands here.
static bool take(Reader *r, const char *text) {
  skip(r);
  size_t n = strlen(text);
  if (r->error || strncmp(r->at, text, n) != 0) return false;
  if (isalpha((unsigned char)*text) && (isalnum((unsigned char)r->at[n]) || r->at[n] == '_')) return false;
  r->at += n;
  return true;
}

static void expect(Reader *r, const char *text) {
  if (!take(r, text)) fail(r, "expected %s, found %s", text, shown(r));
}

static const char *word(Reader *r) {
  skip(r);
  size_t n = 0;
  while (isalnum((unsigned char)r->at[n]) || (r->at[n] && strchr("_.:-", r->at[n]))) n++;
  if (n == 0) return fail(r, "expected a word, found %s", shown(r)), "";
  const char *text = arena_strndup(r->arena, r->at, n);
  r->at += n;
  return text;
}

static int hex_byte(const char *digits) {
  if (!isxdigit((unsigned char)digits[0]) || !isxdigit((unsigned char)digits[1])) return -1;
  return (int)strtol((const char[]){digits[0], digits[1], 0}, NULL, 16);
}

static const char *string(Reader *r) {
  VEC(char) text = {0};
  expect(r, "\"");
  while (!r->error && *r->at != '"') {
    char c = *r->at++;
    if (c == '\\' && *r->at == 'x') {
      int byte = hex_byte(r->at + 1);
      if (byte <= 0) fail(r, "\\x wants two digits, not 00");
      else c = (char)byte, r->at += 3;
    } else if (c == '\\' && (*r->at == '"' || *r->at == '\\')) {
      c = *r->at++;
    } else if (c == 0 || c == '\n' || c == '\\') {
      fail(r, "a string without end, or a lone backslash");
    }
    VEC_PUSH(r->arena, &text, c);
  }
  if (!r->error) r->at++;
  VEC_PUSH(r->arena, &text, '\0');
  return text.at;
}

static int64_t integer(Reader *r, int64_t low, int64_t high) {
  skip(r);
  char *end = NULL;
  if (!isdigit((unsigned char)*r->at) && *r->at != '-') return fail(r, "expected a whole number, found %s", shown(r)), low;
  errno = 0;
  long long x = strtoll(r->at, &end, 10);
  if (end == r->at || errno || x < low || x > high) return fail(r, "expected a whole number of %lld..%lld", (long long)low, (long long)high), low;
  r->at = end;
  return x;
}

static double number(Reader *r) {
  if (take(r, "nan")) return NAN;
  if (take(r, "inf")) return INFINITY;
  if (take(r, "-inf")) return -INFINITY;
  skip(r);
  char *end = NULL;
  bool starts = isdigit((unsigned char)*r->at) || (*r->at == '-' && isdigit((unsigned char)r->at[1]));
  double x = starts ? strtod(r->at, &end) : 0;
  if (!starts || end == r->at) return fail(r, "expected a number, found %s", shown(r)), 0;
  r->at = end;
  return x;
}

// ---- parts of a value

static IrType type(Reader *r) {
  IrType t = {0};
  const char *name = NULL;
  skip(r);
  for (int i = 0; i <= IR_BF16 && !name; i++) {
    if (take(r, ir_dtype_names[i])) name = ir_dtype_names[i], t.dtype = (IrDtype)i;
  }
  if (!name) fail(r, "expected a type, found %s", shown(r));
  if (*r->at != '[' || !take(r, "[")) return t;
  do {
    if (t.rank == IR_MAX_RANK) return fail(r, "more than %d axes", IR_MAX_RANK), t;
    int64_t extent = take(r, "e") ? IR_EVENTS : take(r, "p") ? IR_PAIRS : integer(r, 0, IR_LARGEST);
    t.axes[t.rank++] = extent;
  } while (take(r, ","));
  expect(r, "]");
  return t;
}

typedef struct Operands {
  VEC(IrRef) refs;
} Operands;

static IrRef reference(Reader *r) {
  expect(r, "%");
  return r->error ? 0 : (IrRef)integer(r, 0, UINT32_MAX - 1);
}

static void operands(Reader *r, Operands *list) {
  skip(r);
  if (*r->at != '%') return;
  do {
    IrRef ref = reference(r);
    VEC_PUSH(r->arena, &list->refs, ref);
  } while (take(r, ","));
}

static int list(Reader *r, const char *name, int low, int high, int items[IR_MAX_RANK]) {
  int n = 0;
  expect(r, name);
  expect(r, "(");
  if (take(r, ")")) return 0;
  do {
    if (n == IR_MAX_RANK) return fail(r, "more than %d axes", IR_MAX_RANK), n;
    items[n++] = (int)integer(r, low, high);
  } while (take(r, ","));
  expect(r, ")");
  return n;
}

static int8_t small(Reader *r, const char *name) {
  expect(r, name);
  return (int8_t)integer(r, 0, IR_MAX_RANK);
}

static int64_t length(Reader *r, const char *name) {
  expect(r, name);
  return integer(r, -IR_LARGEST, IR_LARGEST);
}

typedef struct Numbers {
  VEC(double) list;
} Numbers;

static void numbers(Reader *r, Numbers *n) {
  bool many = take(r, "[");
  if (many && take(r, "]")) return;
  do {
    double x = number(r);
    VEC_PUSH(r->arena, &n->list, x);
  } while (many && take(r, ","));
  if (many) expect(r, "]");
}

static void read_head(Reader *r, IrOp op, IrAttr *a, Numbers *n) {
  uint32_t has = ir_op_attributes(op);
  if (has & IRA_DRAW) {
    if (take(r, "bits")) a->draw = IR_DRAW_BITS;
    else if (take(r, "uniform")) a->draw = IR_DRAW_UNIFORM;
    else if (take(r, "number")) a->draw = IR_DRAW_NUMBER;
    else expect(r, "normal"), a->draw = IR_DRAW_NORMAL;
  }
  if (has & IRA_NAME) a->name = string(r);
  if (has & IRA_DATA) numbers(r, n);
}

static void read_tail(Reader *r, IrOp op, IrAttr *a, int *order) {
  uint32_t has = ir_op_attributes(op);
  bool pad = op == IR_PAD;
  int items[IR_MAX_RANK];
  if (has & IRA_BATCH) a->batch = small(r, "batch");
  if (has & IRA_AXIS) a->axis = small(r, "axis");
  if (has & IRA_SIZE) a->from = length(r, "size");
  if (has & IRA_STEP) a->step = length(r, "step");
  if (has & IRA_RANGE) {
    a->from = length(r, pad ? "before" : "from");
    a->to = length(r, pad ? "after" : "to");
    a->step = length(r, pad ? "dilation" : "step");
  }
  if (has & IRA_AXES) {
    for (int i = list(r, "axes", 0, IR_MAX_RANK - 1, items) - 1; i >= 0; i--) a->axes |= 1u << items[i];
  }
  if (has & IRA_ORDER) {
    *order = list(r, "order", -1, IR_MAX_RANK - 1, items);
    for (int i = 0; i < *order; i++) a->order[i] = (int8_t)items[i];
  }
  if (has & IRA_SCAN) a->backwards = take(r, "backwards"), a->exclusive = take(r, "exclusive");
  if (has & IRA_BACKWARDS) a->backwards = take(r, "backwards");
  if (has & IRA_UPPER && !(a->upper = take(r, "upper"))) expect(r, "lower");
}

// ---- a value, a function

static void build(Reader *r, IrOp op, const Operands *list, const IrAttr *a, const IrType *declared) {
  IrType inferred = {0};
  const char *problem = ir_infer(r->fn, r->arena, op, list->refs.at, (uint32_t)list->refs.len, a, declared, &inferred);
  if (problem) return fail(r, "%s: %s", ir_op_info[op].name, problem);
  if (!ir_type_equal(&inferred, declared))
    return fail(r, "%s: the text says %s, the operands say %s", ir_op_info[op].name, ir_type_text(r->arena, declared), ir_type_text(r->arena, &inferred));
  ir_build(r->fn, op, list->refs.at, (uint32_t)list->refs.len, a, declared);
}

static void value(Reader *r) {
  IrAttr a = {0};
  IrOp op = IR_CONST;
  Operands refs = {0};
  Numbers data = {0};
  int order = -1;
  VEC_PUSH(r->arena, &r->lines, r->line);
  if ((size_t)integer(r, 0, UINT32_MAX - 1) != r->fn->values.len) return fail(r, "expected %%%zu", r->fn->values.len);
  expect(r, "=");
  const char *name = word(r);
  if (!r->error && !ir_op_find(name, &op)) return fail(r, "there is no op %s", name);
  read_head(r, op, &a, &data);
  operands(r, &refs);
  read_tail(r, op, &a, &order);
  expect(r, ":");
  IrType t = type(r);
  if (r->error) return;
  const char *problem = ir_type_problem(r->arena, &t);
  if (problem) return fail(r, "%s", problem);
  if (op == IR_CONST && data.list.len != (size_t)ir_elements(&t)) return fail(r, "%zu numbers for %s", data.list.len, ir_type_text(r->arena, &t));
  if (order >= 0 && order != t.rank) return fail(r, "an order of %d axes for %s", order, ir_type_text(r->arena, &t));
  a.data = data.list.at;
  build(r, op, &refs, &a, &t);
}

static void output(Reader *r) {
  VEC_PUSH(r->arena, &r->lines, r->line);
  const char *name = string(r);
  IrRef ref = reference(r);
  if (!r->error) ir_output(r->fn, name, ref);
}

static void check_laws(Reader *r) {
  size_t at = 0;
  const char *problem = r->error ? NULL : ir_verify_at(r->fn, r->arena, &at);
  if (!problem) return;
  r->line = r->lines.at[at];
  fail(r, "%s", problem);
}

IrFn *ir_read(Arena *arena, const char *text, const char **error) {
  Reader r = {.arena = arena, .at = text, .line = 1};
  expect(&r, "fn");
  skip(&r);
  r.fn = ir_fn_new(arena, *r.at == '"' ? string(&r) : word(&r));
  expect(&r, "{");
  while (!r.error && take(&r, "%")) value(&r);
  while (!r.error && take(&r, "output")) output(&r);
  expect(&r, "}");
  skip(&r);
  if (*r.at) fail(&r, "expected the end, found %s", shown(&r));
  check_laws(&r);
  if (r.error && error) *error = r.error;
  return r.error ? NULL : r.fn;
}
