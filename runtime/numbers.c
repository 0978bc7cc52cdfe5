#include "runtime/numbers.h"

#define EACH_TYPE(X)                                                                                                                                           \
  X(F32, float)                                                                                                                                                \
  X(F64, double)                                                                                                                                               \
  X(I8, int8_t) X(I16, int16_t) X(I32, int32_t) X(I64, int64_t) X(U8, uint8_t) X(U16, uint16_t) X(U32, uint32_t) X(U64, uint64_t) X(BOOL, uint8_t)

size_t hgm_type_bytes(HgmFileType type) {
#define BYTES(NAME, T)                                                                                                                                         \
  case HGM_FILE_##NAME: return sizeof(T);
  switch (type) {
    EACH_TYPE(BYTES)
  case HGM_FILE_TEXT: break;
  }
  return 0;
}

double hgm_number(HgmFileType type, const void *numbers, int64_t i) {
#define NUMBER(NAME, T)                                                                                                                                        \
  case HGM_FILE_##NAME: return (double)((const T *)numbers)[i];
  switch (type) {
    EACH_TYPE(NUMBER)
  case HGM_FILE_TEXT: break;
  }
  return 0;
}

#define GATHER(T, OUT)                                                                                                                                         \
  for (int64_t j = 0; n == 1 && j < width; j++) out[j] = (OUT)((const T *)numbers)[rows[j] * stride];                                                          \
  for (int64_t j = 0; n > 1 && j < width; j++)                                                                                                                 \
    for (int64_t i = 0; i < n; i++) out[i * width + j] = (OUT)((const T *)numbers)[rows[j] * stride + i];

void hgm_numbers_gather(HgmFileType type, const void *numbers, const int64_t *rows, int64_t width, int64_t stride, int64_t n, double *out) {
#define GATHER_DOUBLES(NAME, T)                                                                                                                                \
  case HGM_FILE_##NAME: GATHER(T, double) return;
  switch (type) {
    EACH_TYPE(GATHER_DOUBLES)
  case HGM_FILE_TEXT: return;
  }
}

void hgm_words_gather(const void *numbers, const int64_t *rows, int64_t width, int64_t stride, int64_t n, void *words) {
  uint32_t *out = words;
  GATHER(uint32_t, uint32_t)
}

// Only of a finite number is the difference to itself 0.
bool hgm_numbers_finite(HgmFileType type, const void *numbers, int64_t n) {
  int odd = 0;
  for (int64_t i = 0; type == HGM_FILE_F32 && i < n; i++) odd |= !(((const float *)numbers)[i] - ((const float *)numbers)[i] == 0);
  for (int64_t i = 0; type == HGM_FILE_F64 && i < n; i++) odd |= !(((const double *)numbers)[i] - ((const double *)numbers)[i] == 0);
  return odd == 0;
}

void hgm_numbers_keep(HgmFileType type, const double *numbers, int64_t n, void *out) {
#define KEEP(NAME, T)                                                                                                                                          \
  case HGM_FILE_##NAME:                                                                                                                                        \
    for (int64_t i = 0; i < n; i++) ((T *)out)[i] = (T)numbers[i];                                                                                             \
    return;
  switch (type) {
    EACH_TYPE(KEEP)
  case HGM_FILE_TEXT: return;
  }
}
