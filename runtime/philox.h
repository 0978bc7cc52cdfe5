// Philox 4x32-10 (Salmon, Moraes, Dror, Shaw, SC'11): a draw is a function of seed, site, event, pass and element only.
//
// Key: philox_key(seed, site) = 64-bit hash of the seed and the text of the site. Counter: (event low, event high,
// pass, block). A block gives four 32-bit words w0..w3, used like this for element j (row-major over the axes of one event):
//   bits     block j / 4, word j % 4
//   uniform  f32: block j / 4, word j % 4:  ((w >> 9) + 0.5) * 2^-23        (exact in float, never 0 or 1)
//            f64: block j / 2, words 2(j % 2) = low, +1 = high: ((u64 >> 12) + 0.5) * 2^-52  (exact in double, never 0 or 1)
//   normal   Box-Muller on the pair (j even, j odd) of uniforms of the same dtype: u1 = uniform(j even), u2 = uniform(j odd):
//            even: sqrt(-2 log u1) cos(2 pi u2), odd: sqrt(-2 log u1) sin(2 pi u2). An odd last element uses the even formula.
// Compiled code (codegen), the evaluator and the C functions here agree: bits and uniforms to the bit, normals to rounding.
#ifndef HGM_PHILOX_H
#define HGM_PHILOX_H

#include <stdbool.h>
#include <stdint.h>

void philox4x32_10(const uint32_t counter[4], const uint32_t key[2], uint32_t out[4]);
// splitmix64(FNV-1a of the bytes of site, xor splitmix64(seed)); key words are (low, high).
uint64_t philox_key(uint64_t seed, const char *site);
double philox_uniform(uint64_t key, uint64_t event, uint32_t pass, uint64_t element); // the f64 rule
double philox_normal(uint64_t key, uint64_t event, uint32_t pass, uint64_t element);  // the f64 rule
uint32_t philox_bits(uint64_t key, uint64_t event, uint32_t pass, uint64_t element);
double philox_uniform32(uint64_t key, uint64_t event, uint32_t pass, uint64_t element); // the f32 rule
double philox_normal32(uint64_t key, uint64_t event, uint32_t pass, uint64_t element);  // f32 uniforms, double arithmetic
// Elements 0..n-1 of one event at once: the same numbers as by the functions above, at a third of the cost.
void philox_uniforms(bool f32, uint64_t key, uint64_t event, uint32_t pass, int64_t n, double *out);
void philox_normals(bool f32, uint64_t key, uint64_t event, uint32_t pass, int64_t n, double *out);

#endif
