// needs: compiler/driver
// Pictures of a report: bins that do justice to integers, whole epochs, what is beyond a panel shows.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "compiler/driver/plot.h"

enum { N = 10000 };

static void range_of(int integers, double scale, double *low, double *high, int *bins) {
  double *values = malloc(sizeof *values * N);
  assert_non_null(values);
  for (int i = 0; i < N; i++) values[i] = i % integers * scale;
  plot_range(&(PlotSample){.values = values, .n = N}, low, high, bins);
  free(values);
}

static void integers_share_bins_equally(void **state) {
  (void)state;
  double low, high;
  int bins;
  range_of(7, 1, &low, &high, &bins);
  assert_true(low == -0.5 && high == 6.5 && bins == 7);
  range_of(100, 1, &low, &high, &bins); // two a bin, no bin with one or three
  assert_true(low == -0.5 && high == 99.5 && bins == 50);
  range_of(101, 1, &low, &high, &bins);
  assert_true(low == -0.5 && high == 101.5 && bins == 51);
  range_of(100, 0.1, &low, &high, &bins);
  assert_true(low == 0 && high > 9.9 && bins == 50);
}

static void epochs_are_whole(void **state) {
  (void)state;
  char *text = NULL;
  size_t size;
  FILE *out = open_memstream(&text, &size);
  const double epochs[] = {1, 2}, y[] = {3, 2};
  plot_curves(out, "epoch", epochs, &(PlotCurve){"loss", y, 2}, 1);
  fclose(out);
  assert_non_null(strstr(text, ">1</text>"));
  assert_non_null(strstr(text, ">2</text>"));
  assert_null(strstr(text, ">1.5</text>"));
  assert_null(strstr(text, ">1.2</text>"));
  free(text);
}

static void what_is_beyond_shows(void **state) {
  (void)state;
  const double truth[] = {0, 1, 1, 1, 1, 1, 2}, fake[] = {0, 0, 0, 1, 1, 1, 1};
  char *text = NULL;
  size_t size;
  FILE *out = open_memstream(&text, &size);
  plot_histogram(out, &(PlotHistogram){.title = "a<b", .truth = {truth, NULL, 7}, .fake = {fake, NULL, 7}});
  fclose(out);
  assert_non_null(strstr(text, "a&lt;b"));
  const char *first = strstr(text, "class=beyond"); // bin 0: three times as many; bin 2: none
  assert_non_null(first);
  assert_non_null(strstr(first, "l-3 5h6z"));
  assert_non_null(strstr(first, "l-3 -5h6z"));
  free(text);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(integers_share_bins_equally), cmocka_unit_test(epochs_are_whole), cmocka_unit_test(what_is_beyond_shows)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
