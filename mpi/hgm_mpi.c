// The ranks of runtime/ranks.h over MPI, as a shared object that hgmc loads when mpirun has started it.
#define _POSIX_C_SOURCE 200809L
#include <limits.h>
#include <mpi.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "runtime/ranks.h"

typedef struct Backend {
  HgmRanks ranks;
  MPI_Comm channels[HGM_RANKS_N_CHANNELS];
  int *counts, *offsets; // (n)
} Backend;

HgmRanksOpen hgm_ranks_open;

static bool fail(HgmError *error, const char *text, int code) {
  char why[MPI_MAX_ERROR_STRING] = "";
  int length = 0;
  if (code != MPI_SUCCESS) MPI_Error_string(code, why, &length);
  snprintf(error->text, sizeof error->text, "%s%s%s", text, why[0] ? ": " : "", why);
  error->exit_code = 2;
  return false;
}

static double milliseconds(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec * 1e3 + (double)t.tv_nsec * 1e-6;
}

enum { SUSPICIOUS_MS = 50 }; // mpirun kills a second after it told us to stop: say it before

static void suspect(const HgmRanks *ranks) {
  fprintf(stderr,
          "hgmc: process %d of %d was told to stop and waits for another one; if that one is gone, the run ends here: the last checkpoint is whole, and the "
          "same command with --resume goes on\n",
          ranks->rank, ranks->n);
}

// Polls for a while, then yields the processor between looks: ranks may share one, and a step of the others may be long.
static bool wait_for(const HgmRanks *ranks, MPI_Request *request, HgmError *error) {
  double started = milliseconds(), told = 0;
  bool said = false;
  for (long looks = 0;; looks++) {
    int done = 0, code = MPI_Test(request, &done, MPI_STATUS_IGNORE);
    if (code != MPI_SUCCESS) return fail(error, "the processes of this run cannot reach each other any more", code);
    if (done) return true;
    if (looks < 2000) continue;
    double now = milliseconds();
    if (ranks->stopping != NULL && ranks->stopping() && told == 0) told = now;
    if (told > 0 && now - told > SUSPICIOUS_MS && !said && ranks->patience_ms > SUSPICIOUS_MS) {
      said = true;
      suspect(ranks);
    }
    if (told > 0 && now - told > ranks->patience_ms)
      return fail(
          error,
          "another process of this run is gone: this one waited for it in vain; the last checkpoint is whole, and the same command with --resume goes on",
          MPI_SUCCESS);
    struct timespec pause = {0, now - started < 1 ? 0 : now - started < 100 ? 20000 : 1000000};
    nanosleep(&pause, NULL);
  }
}

static bool gather(HgmRanks *ranks, HgmRanksChannel channel, void *buffer, const int64_t *begin, HgmError *error) {
  Backend *backend = ranks->backend;
  int64_t unit = 64; // bytes; MPI counts in int
  for (int r = 0; r <= ranks->n; r++)
    while (begin[r] % unit != 0) unit /= 2;
  if (begin[ranks->n] / unit > INT_MAX) return fail(error, "the partial sums of a step are too large for one MPI message", MPI_SUCCESS);
  for (int r = 0; r < ranks->n; r++) {
    backend->offsets[r] = (int)(begin[r] / unit);
    backend->counts[r] = (int)((begin[r + 1] - begin[r]) / unit);
  }
  MPI_Datatype block;
  MPI_Request request;
  MPI_Type_contiguous((int)unit, MPI_BYTE, &block);
  MPI_Type_commit(&block);
  int code = MPI_Iallgatherv(MPI_IN_PLACE, 0, MPI_DATATYPE_NULL, buffer, backend->counts, backend->offsets, block, backend->channels[channel], &request);
  MPI_Type_free(&block);
  if (code != MPI_SUCCESS) return fail(error, "the processes of this run cannot exchange their sums", code);
  return wait_for(ranks, &request, error);
}

static void close_ranks(HgmRanks *ranks) {
  Backend *backend = ranks->backend;
  MPI_Request request;
  HgmError ignored = {0};
  ranks->stopping = NULL; // whoever leaves first would have the others ended while they save
  if (MPI_Ibarrier(backend->channels[HGM_RANKS_CLOSE], &request) == MPI_SUCCESS) wait_for(ranks, &request, &ignored);
  for (int i = 0; i < HGM_RANKS_N_CHANNELS; i++) MPI_Comm_free(&backend->channels[i]);
  MPI_Finalize();
  free(backend->counts);
  free(backend->offsets);
  free(backend);
}

static void abort_ranks(HgmRanks *ranks, int exit_code) {
  (void)ranks;
  fflush(NULL);
  MPI_Abort(MPI_COMM_WORLD, exit_code);
  _Exit(exit_code);
}

HgmRanks *hgm_ranks_open(HgmError *error) {
  int provided, code = MPI_Init_thread(NULL, NULL, MPI_THREAD_FUNNELED, &provided);
  Backend *backend = calloc(1, sizeof *backend);
  if (code != MPI_SUCCESS || backend == NULL) {
    fail(error, "MPI does not start", code);
    free(backend);
    return NULL;
  }
  HgmRanks *ranks = &backend->ranks;
  *ranks = (HgmRanks){.gather = gather, .close = close_ranks, .abort = abort_ranks, .patience_ms = 2000, .backend = backend};
  MPI_Comm_rank(MPI_COMM_WORLD, &ranks->rank);
  MPI_Comm_size(MPI_COMM_WORLD, &ranks->n);
  backend->counts = calloc((size_t)ranks->n, sizeof *backend->counts);
  backend->offsets = calloc((size_t)ranks->n, sizeof *backend->offsets);
  if (backend->counts == NULL || backend->offsets == NULL) abort_ranks(ranks, 2);
  for (int i = 0; i < HGM_RANKS_N_CHANNELS; i++) {
    MPI_Comm_dup(MPI_COMM_WORLD, &backend->channels[i]);
    MPI_Comm_set_errhandler(backend->channels[i], MPI_ERRORS_RETURN);
  }
  return ranks;
}
