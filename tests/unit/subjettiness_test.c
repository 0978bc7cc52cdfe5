// needs: runtime
// Oracle: closed forms, and numbers that numpy 2.4.6 computed from lists (every pair looked at for every join).
#include "runtime/subjettiness.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "tests/support/random_number.h"

enum { SIDE = 25 };

static double tau(const double *image, int rows, int columns, int n, double reach) {
  void *room = malloc(hgm_subjettiness_room(rows, columns));
  double result = hgm_subjettiness(image, rows, columns, n, reach, room);
  free(room);
  return result;
}

static void few_hits(void **state) {
  (void)state;
  double image[9] = {0};
  for (int n = 1; n <= 3; n++) assert_near(tau(image, 3, 3, n, 1.5), 0, 0); // pixels at -1, 0, 1
  image[0] = 2;
  assert_near(tau(image, 3, 3, 1, 1.5), 0, 0);
  image[8] = 1;
  assert_near(tau(image, 3, 3, 1, 1.5), sqrt(8) / 3, 1e-15);
  assert_near(tau(image, 3, 3, 2, 1.5), 0, 0);
  image[1] = 0.5; // beside the brightest: joined with it
  assert_near(tau(image, 3, 3, 2, 1.5), 0.5 / 3.5, 1e-15);
  assert_near(tau(image, 3, 3, 2, 0.15), 0.05 / 3.5, 1e-15);
  image[4] = -7, image[5] = NAN; // no hits
  assert_near(tau(image, 3, 3, 2, 1.5), 0.5 / 3.5, 1e-15);
}

// The direction of a join is that of the brighter, so a hit is measured from a hit.
static void the_brighter_takes_all(void **state) {
  (void)state;
  double row[6] = {3, 0, 2, 0, 0, 4}; // at -2.5 .. 2.5
  assert_near(tau(row, 1, 6, 2, 3), 2 * 2.0 / 9, 1e-15);
  double column[6] = {2, 0, 3, 0, 0, 4};
  assert_near(tau(column, 6, 1, 2, 3), 2 * 2.0 / 9, 1e-15);
}

static double number(int i, double step, double begin) {
  double v = (i + 1) * step + begin;
  return v - floor(v);
}

static void images(void **state) {
  (void)state;
  static const struct {
    double share, tau[3];
  } expected[] = {{0.04, {1.2949746530761552, 0.6337483347707417, 0.44906185043590646}},
                  {0.2, {1.1275395592960404, 0.6682221529773846, 0.5419164394042244}},
                  {0.5, {1.4038707889891768, 0.9022316998075647, 0.6491401465622485}}};
  for (int k = 0; k < 3; k++) {
    double image[SIDE * SIDE];
    for (int i = 0; i < SIDE * SIDE; i++) {
      bool hit = number(i, 0.6180339887498949, 0.3 * k) < expected[k].share;
      image[i] = hit ? 0.01 + 50 * pow(number(i, 0.4142135623730951, 0.1 * k), 4) : 0;
    }
    for (int n = 1; n <= 3; n++) assert_near(tau(image, SIDE, SIDE, n, 1.25), expected[k].tau[n - 1], 1e-12);
  }
}

// Equal intensities on a grid: every measure has ties, of which the first pair is joined.
static void ties(void **state) {
  (void)state;
  double square[16];
  for (int i = 0; i < 16; i++) square[i] = 1;
  double flat = tau(square, 4, 4, 16, 2);
  assert_near(flat, 0, 0);
  for (int n = 15, k = 1; n >= 8; n--, k++) assert_near(tau(square, 4, 4, n, 2), k / 16.0, 1e-15); // one pair more, at distance 1
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(few_hits),
      cmocka_unit_test(the_brighter_takes_all),
      cmocka_unit_test(images),
      cmocka_unit_test(ties),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
