#include "runtime/convert.h"

#include <string.h>

// Every integer up to 2^53 is a double; of the larger ones those that end in zeros.
static bool is_exact(uint64_t magnitude) {
  const uint64_t limit = UINT64_C(1) << 53;
  while (magnitude > limit && (magnitude & 1) == 0) magnitude >>= 1;
  return magnitude <= limit;
}

static bool i64_is_exact(int64_t value) { return is_exact(value < 0 ? UINT64_C(0) - (uint64_t)value : (uint64_t)value); }

#define DENSE(T)                                                                                                                                               \
  static void dense_##T(const char *restrict bytes, int64_t n, double *restrict out) {                                                                         \
    for (int64_t i = 0; i < n; i++) {                                                                                                                          \
      T value;                                                                                                                                                 \
      memcpy(&value, bytes + (size_t)i * sizeof value, sizeof value);                                                                                          \
      out[i] = (double)value;                                                                                                                                  \
    }                                                                                                                                                          \
  }                                                                                                                                                            \
  static void apart_##T(const char *restrict bytes, int64_t rows, int64_t elements, size_t row_bytes, double *restrict out) {                                  \
    for (int64_t i = 0; i < rows; i++)                                                                                                                         \
      for (int64_t k = 0; k < elements; k++) {                                                                                                                 \
        T value;                                                                                                                                               \
        memcpy(&value, bytes + (size_t)i * row_bytes + (size_t)k * sizeof value, sizeof value);                                                                \
        *out++ = (double)value;                                                                                                                                \
      }                                                                                                                                                        \
  }
DENSE(float)
DENSE(double)
DENSE(int8_t)
DENSE(int16_t)
DENSE(int32_t)
DENSE(int64_t)
DENSE(uint8_t)
DENSE(uint16_t)
DENSE(uint32_t)
DENSE(uint64_t)

// 64-bit integers may be too large: one look at all bits first, number by number only when one of them is beyond 2^53.
static int64_t find_inexact(bool is_signed, const char *bytes, int64_t rows, int64_t elements, size_t row_bytes) {
  uint64_t beyond = 0;
  for (int64_t i = 0; i < rows; i++)
    for (int64_t k = 0; k < elements; k++) {
      uint64_t value;
      memcpy(&value, bytes + (size_t)i * row_bytes + (size_t)k * sizeof value, sizeof value);
      beyond |= is_signed ? value ^ (uint64_t) - (int64_t)(value >> 63) : value;
    }
  if (beyond >> 53 == 0) return -1;
  for (int64_t i = 0; i < rows; i++)
    for (int64_t k = 0; k < elements; k++) {
      int64_t value;
      memcpy(&value, bytes + (size_t)i * row_bytes + (size_t)k * sizeof value, sizeof value);
      if (is_signed ? !i64_is_exact(value) : !is_exact((uint64_t)value)) return i * elements + k;
    }
  return -1;
}

#define CONVERT(T)                                                                                                                                             \
  if ((size_t)elements * sizeof(T) == row_bytes) dense_##T(bytes, rows *elements, out);                                                                        \
  else apart_##T(bytes, rows, elements, row_bytes, out);                                                                                                       \
  return -1

int64_t hgm_convert(HgmFileType type, const char *bytes, int64_t rows, int64_t elements, size_t row_bytes, double *out) {
  if (type == HGM_FILE_I64 || type == HGM_FILE_U64) {
    int64_t bad = find_inexact(type == HGM_FILE_I64, bytes, rows, elements, row_bytes);
    if (bad >= 0) return bad;
  }
  switch (type) {
  case HGM_FILE_F32: CONVERT(float);
  case HGM_FILE_F64: CONVERT(double);
  case HGM_FILE_I8: CONVERT(int8_t);
  case HGM_FILE_I16: CONVERT(int16_t);
  case HGM_FILE_I32: CONVERT(int32_t);
  case HGM_FILE_I64: CONVERT(int64_t);
  case HGM_FILE_BOOL:
  case HGM_FILE_U8: CONVERT(uint8_t);
  case HGM_FILE_U16: CONVERT(uint16_t);
  case HGM_FILE_U32: CONVERT(uint32_t);
  case HGM_FILE_U64: CONVERT(uint64_t);
  case HGM_FILE_TEXT: break;
  }
  return -1;
}
