// Seeded numbers and a comparison of doubles for the tests of statistics.
#ifndef HGM_TESTS_RANDOM_NUMBER_H
#define HGM_TESTS_RANDOM_NUMBER_H

#include <math.h>
#include <stdint.h>

#define assert_near(a, b, tolerance) assert_true(fabs((a) - (b)) <= (tolerance)) // cmocka's own compares floats

// In [0, 1), by splitmix64 (Steele, Lea, Flood, OOPSLA 2014).
static inline double random_number(uint64_t *state) {
  uint64_t z = *state += UINT64_C(0x9e3779b97f4a7c15);
  z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
  z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
  return (double)((z ^ z >> 31) >> 11) * 0x1p-53;
}

#endif
