// needs: runtime
#include "runtime/pool.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

typedef struct Count {
  _Atomic int seen[5000];
  _Atomic int wrong_thread;
  _Atomic int busy[16]; // by thread: a thread number may be in use once at a time only
  int threads;
} Count;

static void count_one(void *data, int64_t index, int thread) {
  Count *count = data;
  if (thread < 0 || thread >= count->threads || atomic_fetch_add(&count->busy[thread], 1) != 0) count->wrong_thread++;
  count->seen[index]++;
  atomic_fetch_sub(&count->busy[thread], 1);
}

static void each_index_once(void **state) {
  (void)state;
  for (int threads = 1; threads <= 5; threads++) {
    HgmPool *pool = hgm_pool_create(threads);
    assert_non_null(pool);
    assert_int_equal(hgm_pool_threads(pool), threads);
    const int64_t sizes[] = {0, 1, 2, 3, 17, 1000, 5000};
    for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++) {
      Count *count = calloc(1, sizeof *count);
      count->threads = threads;
      hgm_pool_run(pool, sizes[s], count_one, count);
      for (int i = 0; i < 5000; i++) assert_int_equal(count->seen[i], i < sizes[s] ? 1 : 0);
      assert_int_equal(count->wrong_thread, 0);
      free(count);
    }
    hgm_pool_destroy(pool);
  }
}

// Many short runs with different functions: an index taken with another run's function would show in the sums.
static void add_one(void *data, int64_t index, int thread) {
  (void)index, (void)thread;
  atomic_fetch_add((_Atomic int64_t *)data, 1);
}
static void add_index(void *data, int64_t index, int thread) {
  (void)thread;
  atomic_fetch_add((_Atomic int64_t *)data, index);
}

static void runs_do_not_mix(void **state) {
  (void)state;
  HgmPool *pool = hgm_pool_create(4);
  for (int run = 0; run < 4000; run++) {
    _Atomic int64_t ones = 0, sum = 0;
    int64_t n = 2 + run % 9;
    hgm_pool_run(pool, n, add_one, (void *)&ones);
    hgm_pool_run(pool, n, add_index, (void *)&sum);
    assert_int_equal(ones, n);
    assert_int_equal(sum, n * (n - 1) / 2);
  }
  hgm_pool_destroy(pool);
}

static void sizes_that_make_no_pool(void **state) {
  (void)state;
  assert_null(hgm_pool_create(0));
  assert_null(hgm_pool_create(-3));
  hgm_pool_destroy(NULL);
  assert_true(hgm_default_threads() >= 1);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(each_index_once),
      cmocka_unit_test(runs_do_not_mix),
      cmocka_unit_test(sizes_that_make_no_pool),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
