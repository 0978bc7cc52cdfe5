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
int hgm_default_threads(void); // affinity mask and cgroup limit

#endif
