// Types of values and their texts; internal errors.
#include "compiler/ir/type.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

const char *const ir_dtype_names[5] = {"f32", "f64", "i32", "bool", "bf16"};

IrType ir_type(IrDtype dtype, int rank, const int64_t *axes) {
  if (rank < 0 || rank > IR_MAX_RANK) ir_fail("a type of rank %d", rank);
  IrType t = {.dtype = dtype, .rank = (uint8_t)rank};
  for (int i = 0; i < rank; i++) t.axes[i] = axes[i];
  return t;
}

IrType ir_scalar(IrDtype dtype) { return (IrType){.dtype = dtype}; }

bool ir_same_axes(const IrType *a, const IrType *b) { return a->rank == b->rank && memcmp(a->axes, b->axes, a->rank * sizeof *a->axes) == 0; }

bool ir_type_equal(const IrType *a, const IrType *b) { return a->dtype == b->dtype && ir_same_axes(a, b); }

int ir_event_axes(const IrType *t) {
  int n = 0;
  while (n < t->rank && t->axes[n] < 0) n++;
  return n;
}

bool ir_has_events(const IrType *t) { return ir_event_axes(t) > 0; }

bool ir_is_real(const IrType *t) { return t->dtype == IR_F32 || t->dtype == IR_F64; }

int64_t ir_elements(const IrType *t) {
  int64_t n = 1;
  for (int i = 0; i < t->rank; i++)
    if (t->axes[i] >= 0 && __builtin_mul_overflow(n, t->axes[i], &n)) return INT64_MAX; // of a damaged file
  return n;
}

const char *ir_type_text(Arena *arena, const IrType *t) {
  char text[16 + 24 * IR_MAX_RANK];
  int n = snprintf(text, sizeof text, "%s", ir_dtype_names[t->dtype]);
  for (int i = 0; i < t->rank; i++) {
    n += snprintf(text + n, sizeof text - (size_t)n, i ? "," : "[");
    if (t->axes[i] == IR_EVENTS) n += snprintf(text + n, sizeof text - (size_t)n, "e");
    else if (t->axes[i] == IR_PAIRS) n += snprintf(text + n, sizeof text - (size_t)n, "p");
    else n += snprintf(text + n, sizeof text - (size_t)n, "%lld", (long long)t->axes[i]);
  }
  if (t->rank) snprintf(text + n, sizeof text - (size_t)n, "]");
  return arena_strdup(arena, text);
}

const char *ir_type_problem(Arena *arena, const IrType *t) {
  int64_t n = 1;
  for (int i = 0; i < t->rank; i++) {
    int64_t extent = t->axes[i];
    if (extent == IR_EVENTS && i != 0) return arena_printf(arena, "%s: the event axis is axis %d, it must be axis 0", ir_type_text(arena, t), i);
    if (extent == IR_PAIRS && (i != 1 || t->axes[0] != IR_EVENTS))
      return arena_printf(arena, "%s: an axis of pairs stands right behind the event axis", ir_type_text(arena, t));
    if (extent < IR_PAIRS) return arena_printf(arena, "axis %d has the extent %lld", i, (long long)extent);
    if (extent > IR_LARGEST || (extent > 0 && n > IR_LARGEST / extent)) return arena_printf(arena, "%s is too large", ir_type_text(arena, t));
    if (extent > 0) n *= extent;
  }
  return NULL;
}

void ir_fail(const char *format, ...) {
  va_list args;
  va_start(args, format);
  fputs("hgmc: internal error: ", stderr);
  vfprintf(stderr, format, args);
  fputc('\n', stderr);
  va_end(args);
  exit(3);
}
