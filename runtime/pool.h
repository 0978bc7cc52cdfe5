// A persistent pool of threads. pool_run hands out indices 0..n-1; which thread takes which never matters to a result,
// because results are stored by index and reduced in index order by the caller. No pool (NULL) to run on: the caller's thread alone.
#ifndef HGM_POOL_H
#define HGM_POOL_H

#include <stdbool.h>
#include <stdint.h>

typedef struct HgmPool HgmPool;

HgmPool *hgm_pool_create(int threads); // threads >= 1 including the caller; NULL when out of memory or threads
void hgm_pool_destroy(HgmPool *pool);
int hgm_pool_threads(const HgmPool *pool);
// Calls work(data, index, thread) for each index once; returns when all are done. thread is 0..threads-1 and private to
// the call's duration (for scratch). Spins some microseconds, then sleeps.
void hgm_pool_run(HgmPool *pool, int64_t n, void (*work)(void *data, int64_t index, int thread), void *data);
// Among the calls of a run with as many indices as threads, which are at work side by side: until a count that all of them raise is so high. Spins
// some microseconds, then lets other programs run.
void hgm_pool_wait(const _Atomic int64_t *count, int64_t until);
double hgm_pool_seconds(void); // of a clock that only goes on
int hgm_default_threads(void); // affinity mask and cgroup limit

#endif
