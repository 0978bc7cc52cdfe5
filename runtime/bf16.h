// bf16: the upper half of a float32, that is its sign, its exponent and 8 binary digits. A way to keep numbers in half the bytes.
//
//   uint16_t half = hgm_bf16(0.1f);  float back = hgm_bf16_number(half);  // 0.10009765625
#ifndef HGM_BF16_H
#define HGM_BF16_H

#include <math.h>
#include <stdint.h>
#include <string.h>

// To nearest, of two as near the one with an even last digit; beyond the largest to infinity; NaN stays NaN.
static inline uint16_t hgm_bf16(float x) {
  uint32_t bits;
  memcpy(&bits, &x, sizeof bits);
  if (isnan(x)) return (uint16_t)(bits >> 16 | 0x40);
  return (uint16_t)((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}

static inline float hgm_bf16_number(uint16_t half) {
  uint32_t bits = (uint32_t)half << 16;
  float x;
  memcpy(&x, &bits, sizeof x);
  return x;
}

#endif
