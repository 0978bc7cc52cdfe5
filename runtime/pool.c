// One ticket word holds the run's number and the next index, so that a thread that comes late can never take an index of
// one run with the function of another: it takes an index by compare-and-swap of the whole word.
#define _GNU_SOURCE // sched_getaffinity
#include "runtime/pool.h"

#include "runtime/cpu.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { SPIN_NANOSECONDS = 30000, INDEX_BITS = 32 };
static const uint64_t INDEX_MASK = (UINT64_C(1) << INDEX_BITS) - 1;

typedef void PoolWork(void *data, int64_t index, int thread);

struct HgmPool {
  int threads;
  bool spins;         // false where there are more threads than processors: spinning would steal their time
  pthread_t *workers; // (threads - 1)
  struct PoolWorker {
    HgmPool *pool;
    int thread;
  } * arguments;
  _Alignas(64) _Atomic uint64_t ticket; // run number << 32 | next index
  _Alignas(64) _Atomic int64_t done;    // indices of this run that are finished
  // Fields of the run: written while the ticket is closed, read between two looks at the ticket.
  _Alignas(64) _Atomic(PoolWork *) work;
  _Atomic(void *) data;
  _Atomic int64_t n, base;
  _Atomic bool stop;
  _Atomic int sleepers;       // workers that wait for a run
  _Atomic bool caller_sleeps; // the caller waits for the last index
  pthread_mutex_t mutex;
  pthread_cond_t started, finished;
};

static int64_t nanoseconds(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static void pause_briefly(void) {
  for (int i = 0; i < 32; i++) hgm_cpu_pause();
}

// Takes indices of run `run` until none is left.
static void work_on(HgmPool *pool, uint64_t run, int thread) {
  uint64_t ticket = atomic_load(&pool->ticket);
  while (ticket >> INDEX_BITS == run) {
    int64_t index = (int64_t)(ticket & INDEX_MASK);
    int64_t n = atomic_load_explicit(&pool->n, memory_order_acquire);
    PoolWork *work = atomic_load_explicit(&pool->work, memory_order_acquire);
    void *data = atomic_load_explicit(&pool->data, memory_order_acquire);
    int64_t base = atomic_load_explicit(&pool->base, memory_order_acquire);
    if (index >= n) return;
    if (!atomic_compare_exchange_weak(&pool->ticket, &ticket, ticket + 1)) continue;
    work(data, base + index, thread);
    if (atomic_fetch_add(&pool->done, 1) + 1 == n && atomic_load(&pool->caller_sleeps)) {
      pthread_mutex_lock(&pool->mutex);
      pthread_cond_signal(&pool->finished);
      pthread_mutex_unlock(&pool->mutex);
    }
    ticket = atomic_load(&pool->ticket);
  }
}

static bool has_news(HgmPool *pool, uint64_t seen) { return atomic_load(&pool->ticket) >> INDEX_BITS != seen || atomic_load(&pool->stop); }

static void wait_for_run(HgmPool *pool, uint64_t seen) {
  if (pool->spins)
    for (int64_t end = nanoseconds() + SPIN_NANOSECONDS; nanoseconds() < end;) {
      if (has_news(pool, seen)) return;
      pause_briefly();
    }
  pthread_mutex_lock(&pool->mutex);
  atomic_fetch_add(&pool->sleepers, 1);
  while (!has_news(pool, seen)) pthread_cond_wait(&pool->started, &pool->mutex);
  atomic_fetch_sub(&pool->sleepers, 1);
  pthread_mutex_unlock(&pool->mutex);
}

static void *worker_main(void *argument) {
  struct PoolWorker *worker = argument;
  HgmPool *pool = worker->pool;
  uint64_t seen = 0;
  for (;;) {
    wait_for_run(pool, seen);
    if (atomic_load(&pool->stop)) return NULL;
    seen = atomic_load(&pool->ticket) >> INDEX_BITS;
    work_on(pool, seen, worker->thread);
  }
}

static void wait_for_end(HgmPool *pool, int64_t n) {
  if (pool->spins)
    for (int64_t end = nanoseconds() + SPIN_NANOSECONDS; nanoseconds() < end;) {
      if (atomic_load(&pool->done) == n) return;
      pause_briefly();
    }
  pthread_mutex_lock(&pool->mutex);
  atomic_store(&pool->caller_sleeps, true);
  while (atomic_load(&pool->done) != n) pthread_cond_wait(&pool->finished, &pool->mutex);
  atomic_store(&pool->caller_sleeps, false);
  pthread_mutex_unlock(&pool->mutex);
}

static void run_at_most(HgmPool *pool, int64_t base, int64_t n, PoolWork *work, void *data) {
  uint64_t old = atomic_load(&pool->ticket) >> INDEX_BITS, run = (old + 1) & INDEX_MASK;
  // Close the old run before its fields change: a late thread would else compare its old index with the new n.
  atomic_store(&pool->ticket, old << INDEX_BITS | INDEX_MASK);
  atomic_store_explicit(&pool->n, n, memory_order_release);
  atomic_store_explicit(&pool->base, base, memory_order_release);
  atomic_store_explicit(&pool->work, work, memory_order_release);
  atomic_store_explicit(&pool->data, data, memory_order_release);
  atomic_store(&pool->done, 0);
  atomic_store(&pool->ticket, run << INDEX_BITS);
  if (atomic_load(&pool->sleepers) > 0) {
    pthread_mutex_lock(&pool->mutex);
    pthread_cond_broadcast(&pool->started);
    pthread_mutex_unlock(&pool->mutex);
  }
  work_on(pool, run, 0);
  if (atomic_load(&pool->done) != n) wait_for_end(pool, n);
}

void hgm_pool_run(HgmPool *pool, int64_t n, void (*work)(void *data, int64_t index, int thread), void *data) {
  if (hgm_pool_threads(pool) == 1 || n == 1) {
    for (int64_t i = 0; i < n; i++) work(data, i, 0);
    return;
  }
  const int64_t most = (int64_t)INDEX_MASK - 1;
  for (int64_t base = 0; base < n; base += most) run_at_most(pool, base, n - base < most ? n - base : most, work, data);
}

void hgm_pool_wait(const _Atomic int64_t *count, int64_t until) {
  enum { PATIENCE = 300 };
  for (int i = 0; atomic_load(count) < until; i++)
    if (i > PATIENCE) sched_yield();
    else hgm_cpu_pause();
}

double hgm_pool_seconds(void) { return 1e-9 * (double)nanoseconds(); }

HgmPool *hgm_pool_create(int threads) {
  if (threads < 1) return NULL;
  HgmPool *pool = NULL;
  if (posix_memalign((void **)&pool, 64, sizeof *pool) != 0) return NULL;
  memset(pool, 0, sizeof *pool);
  pthread_mutex_init(&pool->mutex, NULL);
  pthread_cond_init(&pool->started, NULL);
  pthread_cond_init(&pool->finished, NULL);
  pool->spins = threads <= hgm_default_threads();
  pool->threads = 1;
  pool->workers = calloc((size_t)threads, sizeof *pool->workers);
  pool->arguments = calloc((size_t)threads, sizeof *pool->arguments);
  bool is_complete = pool->workers != NULL && pool->arguments != NULL;
  for (int i = 1; is_complete && i < threads; i++) {
    pool->arguments[i - 1] = (struct PoolWorker){.pool = pool, .thread = i};
    is_complete = pthread_create(&pool->workers[i - 1], NULL, worker_main, &pool->arguments[i - 1]) == 0;
    if (is_complete) pool->threads++;
  }
  if (is_complete) return pool;
  hgm_pool_destroy(pool);
  return NULL;
}

void hgm_pool_destroy(HgmPool *pool) {
  if (pool == NULL) return;
  pthread_mutex_lock(&pool->mutex);
  atomic_store(&pool->stop, true);
  pthread_cond_broadcast(&pool->started);
  pthread_mutex_unlock(&pool->mutex);
  for (int i = 1; i < pool->threads; i++) pthread_join(pool->workers[i - 1], NULL);
  pthread_cond_destroy(&pool->finished);
  pthread_cond_destroy(&pool->started);
  pthread_mutex_destroy(&pool->mutex);
  free(pool->arguments);
  free(pool->workers);
  free(pool);
}

int hgm_pool_threads(const HgmPool *pool) { return pool == NULL ? 1 : pool->threads; }

// ---- how many threads this process may use

static int affinity_count(void) {
  cpu_set_t set;
  if (sched_getaffinity(0, sizeof set, &set) != 0) return 1;
  int count = CPU_COUNT(&set);
  return count > 0 ? count : 1;
}

// Limit in processors from "QUOTA PERIOD" (cgroup 2) or two files (cgroup 1); 0: none.
static double quota_of(const char *folder) {
  char path[1200], quota[32] = "";
  double period = 0;
  snprintf(path, sizeof path, "%s/cpu.max", folder);
  FILE *file = fopen(path, "r");
  if (file != NULL) {
    if (fscanf(file, "%31s %lf", quota, &period) != 2) period = 0;
    fclose(file);
    return period > 0 && strcmp(quota, "max") != 0 ? atof(quota) / period : 0;
  }
  double limit = 0;
  snprintf(path, sizeof path, "%s/cpu.cfs_quota_us", folder);
  file = fopen(path, "r");
  if (file == NULL) return 0;
  if (fscanf(file, "%lf", &limit) != 1) limit = 0;
  fclose(file);
  snprintf(path, sizeof path, "%s/cpu.cfs_period_us", folder);
  file = fopen(path, "r");
  if (file == NULL) return 0;
  if (fscanf(file, "%lf", &period) != 1) period = 0;
  fclose(file);
  return limit > 0 && period > 0 ? limit / period : 0;
}

// The smallest limit from the process's own group up to the root of the hierarchy at `mount`.
static double quota_upwards(const char *mount, char *group) {
  double least = 0;
  for (;;) {
    char folder[1100];
    snprintf(folder, sizeof folder, "%s%s", mount, group);
    double quota = quota_of(folder);
    if (quota > 0 && (least == 0 || quota < least)) least = quota;
    char *slash = strrchr(group, '/');
    if (slash == NULL) return least;
    *slash = '\0';
  }
}

static double cgroup_limit(void) {
  FILE *file = fopen("/proc/self/cgroup", "r");
  if (file == NULL) return 0;
  double least = 0;
  char line[1024];
  while (fgets(line, sizeof line, file) != NULL) {
    line[strcspn(line, "\n")] = '\0';
    char *controllers = strchr(line, ':');
    char *group = controllers == NULL ? NULL : strchr(controllers + 1, ':');
    if (group == NULL) continue;
    *group++ = '\0';
    controllers++;
    bool is_second = controllers[0] == '\0';
    if (!is_second && strstr(controllers, "cpu") == NULL) continue;
    if (!is_second && strncmp(controllers, "cpuset", 6) == 0) continue;
    double quota = quota_upwards(is_second ? "/sys/fs/cgroup" : "/sys/fs/cgroup/cpu", group);
    if (quota > 0 && (least == 0 || quota < least)) least = quota;
  }
  fclose(file);
  return least;
}

int hgm_default_threads(void) {
  int count = affinity_count();
  double limit = cgroup_limit();
  if (limit > 0 && limit < count) count = (int)(limit + 0.999);
  return count > 0 ? count : 1;
}
