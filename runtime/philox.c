// Philox 4x32-10 and what draws make of its words: see philox.h for the rules.
#include "runtime/philox.h"

#include <math.h>

static const double two_pi = 6.283185307179586476925286766559;

static void multiply(uint32_t a, uint32_t b, uint32_t *high, uint32_t *low) {
  uint64_t product = (uint64_t)a * b;
  *high = (uint32_t)(product >> 32);
  *low = (uint32_t)product;
}

void philox4x32_10(const uint32_t counter[4], const uint32_t key[2], uint32_t out[4]) {
  uint32_t c0 = counter[0], c1 = counter[1], c2 = counter[2], c3 = counter[3], k0 = key[0], k1 = key[1];
  for (int round = 0; round < 10; round++) {
    uint32_t high0, low0, high1, low1;
    multiply(0xD2511F53u, c0, &high0, &low0);
    multiply(0xCD9E8D57u, c2, &high1, &low1);
    c0 = high1 ^ c1 ^ k0;
    c1 = low1;
    c2 = high0 ^ c3 ^ k1;
    c3 = low0;
    k0 += 0x9E3779B9u;
    k1 += 0xBB67AE85u;
  }
  out[0] = c0, out[1] = c1, out[2] = c2, out[3] = c3;
}

static uint64_t splitmix64(uint64_t x) {
  x += 0x9E3779B97F4A7C15u;
  x = (x ^ x >> 30) * 0xBF58476D1CE4E5B9u;
  x = (x ^ x >> 27) * 0x94D049BB133111EBu;
  return x ^ x >> 31;
}

uint64_t philox_key(uint64_t seed, const char *site) {
  uint64_t hash = 0xCBF29CE484222325u;
  for (; *site; site++) hash = (hash ^ (unsigned char)*site) * 0x100000001B3u;
  return splitmix64(hash ^ splitmix64(seed));
}

static void block(uint64_t key, uint64_t event, uint32_t pass, uint64_t number, uint32_t words[4]) {
  const uint32_t counter[4] = {(uint32_t)event, (uint32_t)(event >> 32), pass, (uint32_t)number};
  const uint32_t halves[2] = {(uint32_t)key, (uint32_t)(key >> 32)};
  philox4x32_10(counter, halves, words);
}

uint32_t philox_bits(uint64_t key, uint64_t event, uint32_t pass, uint64_t element) {
  uint32_t words[4];
  block(key, event, pass, element / 4, words);
  return words[element % 4];
}

static double uniform_of(uint32_t low, uint32_t high) { return ((double)(((uint64_t)high << 32 | low) >> 12) + 0.5) * 0x1p-52; }

static double uniform32_of(uint32_t word) { return ((double)(word >> 9) + 0.5) * 0x1p-23; }

double philox_uniform(uint64_t key, uint64_t event, uint32_t pass, uint64_t element) {
  uint32_t words[4];
  block(key, event, pass, element / 2, words);
  return uniform_of(words[2 * (element % 2)], words[2 * (element % 2) + 1]);
}

double philox_uniform32(uint64_t key, uint64_t event, uint32_t pass, uint64_t element) { return uniform32_of(philox_bits(key, event, pass, element)); }

static double box_muller(double u1, double u2, uint64_t element) {
  double radius = sqrt(-2 * log(u1));
  return radius * (element % 2 ? sin(two_pi * u2) : cos(two_pi * u2));
}

double philox_normal(uint64_t key, uint64_t event, uint32_t pass, uint64_t element) {
  uint64_t even = element & ~(uint64_t)1;
  return box_muller(philox_uniform(key, event, pass, even), philox_uniform(key, event, pass, even + 1), element);
}

double philox_normal32(uint64_t key, uint64_t event, uint32_t pass, uint64_t element) {
  uint64_t even = element & ~(uint64_t)1;
  return box_muller(philox_uniform32(key, event, pass, even), philox_uniform32(key, event, pass, even + 1), element);
}

void philox_uniforms(bool f32, uint64_t key, uint64_t event, uint32_t pass, int64_t n, double *out) {
  int64_t per = f32 ? 4 : 2;
  uint32_t words[4];
  for (int64_t j = 0; j < n; j++) {
    int64_t at = j % per;
    if (at == 0) block(key, event, pass, (uint64_t)(j / per), words);
    out[j] = f32 ? uniform32_of(words[at]) : uniform_of(words[2 * at], words[2 * at + 1]);
  }
}

void philox_normals(bool f32, uint64_t key, uint64_t event, uint32_t pass, int64_t n, double *out) {
  philox_uniforms(f32, key, event, pass, n, out);
  for (int64_t j = 0; j < n; j += 2) {
    double radius = sqrt(-2 * log(out[j]));
    double u2 = j + 1 < n ? out[j + 1] : (f32 ? philox_uniform32 : philox_uniform)(key, event, pass, (uint64_t)j + 1);
    out[j] = radius * cos(two_pi * u2);
    if (j + 1 < n) out[j + 1] = radius * sin(two_pi * u2);
  }
}
