// The ranks of runtime/ranks.h over MPI, as a shared object that hgmc loads when mpirun has started it.
#define _POSIX_C_SOURCE 200809L
#include <limits.h>
#include <mpi.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "runtime/ranks.h"

// Calls of one channel meet in order. A rank that fails leaves STEP for FAILED, where the others come as soon as they miss it.
enum { STEP, FAILED, CLOSE, N_CHANNELS };
enum { RUNNING = -1 };

typedef struct Backend {
  HgmRanks ranks;
  MPI_Comm channels[N_CHANNELS];
  int64_t steps;         // gathers that are done here
  int64_t *failed_after; // (n) gathers that the rank had done when it failed, as far as it is known here; else RUNNING
  bool met;              // on FAILED
  bool gone;             // a rank was waited for in vain
  int *counts, *offsets; // (n) of the gather under way
  int *failed;           // (n) who did
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

static void hear(Backend *backend, int r) { MPI_Recv(&backend->failed_after[r], 1, MPI_INT64_T, r, 0, backend->channels[FAILED], MPI_STATUS_IGNORE); }

// A rank has failed that was not yet in the gather behind the last one done here, so that it never ends.
static bool is_missed(Backend *backend) {
  for (int r = 0; r < backend->ranks.n; r++) {
    int speaks = 0;
    if (backend->failed_after[r] == RUNNING) MPI_Iprobe(r, 0, backend->channels[FAILED], &speaks, MPI_STATUS_IGNORE);
    if (speaks) hear(backend, r);
    if (backend->failed_after[r] != RUNNING && backend->failed_after[r] <= backend->steps) return true;
  }
  return false;
}

typedef enum { DONE, MISSED, GONE } Waited;

// Polls for a while, then yields the processor between looks: ranks may share one, and a step of the others may be long.
static Waited wait_for(const HgmRanks *ranks, MPI_Request *request, bool may_miss, HgmError *error) {
  Backend *backend = ranks->backend;
  double started = milliseconds(), told = 0;
  bool said = false;
  for (long looks = 0;; looks++) {
    int done = 0, code = MPI_Test(request, &done, MPI_STATUS_IGNORE);
    backend->gone = code != MPI_SUCCESS;
    if (backend->gone) fail(error, "the processes of this run cannot reach each other any more", code);
    if (done || backend->gone) return done ? DONE : GONE;
    if (looks < 2000) continue;
    if (may_miss && !backend->met && is_missed(backend)) return MISSED;
    double now = milliseconds();
    if (ranks->stopping != NULL && ranks->stopping() && told == 0) told = now;
    if (told > 0 && now - told > SUSPICIOUS_MS && !said && ranks->patience_ms > SUSPICIOUS_MS) {
      said = true;
      suspect(ranks);
    }
    backend->gone = told > 0 && now - told > ranks->patience_ms;
    if (backend->gone) {
      fail(error,
           "another process of this run is gone: this one waited for it in vain; the last checkpoint is whole, and the same command with --resume goes on",
           MPI_SUCCESS);
      return GONE;
    }
    struct timespec pause = {0, now - started < 1 ? 0 : now - started < 100 ? 20000 : 1000000};
    nanosleep(&pause, NULL);
  }
}

// All ranks come here once one of them has failed, and learn who did.
static bool meet(HgmRanks *ranks, bool failed, int *first, bool *all, HgmError *error) {
  Backend *backend = ranks->backend;
  MPI_Comm channel = backend->channels[FAILED];
  MPI_Request request;
  for (int r = 0; r < ranks->n && failed; r++) {
    if (r == ranks->rank) continue;
    MPI_Isend(&backend->steps, 1, MPI_INT64_T, r, 0, channel, &request);
    MPI_Request_free(&request);
  }
  backend->failed[ranks->rank] = failed;
  int code = MPI_Iallgather(MPI_IN_PLACE, 0, MPI_DATATYPE_NULL, backend->failed, 1, MPI_INT, channel, &request);
  if (code != MPI_SUCCESS) return fail(error, "the processes of this run cannot reach each other any more", code);
  if (wait_for(ranks, &request, false, error) != DONE) return false;
  backend->met = *all = true;
  for (int r = ranks->n - 1; r >= 0; r--) {
    if (!backend->failed[r]) *all = false;
    else *first = r;
    if (backend->failed[r] && r != ranks->rank && backend->failed_after[r] == RUNNING) hear(backend, r);
  }
  return true;
}

static bool fail_ranks(HgmRanks *ranks, int *first, bool *all) {
  HgmError ignored = {0};
  Backend *backend = ranks->backend;
  return !backend->gone && meet(ranks, true, first, all, &ignored);
}

// True when the request is done. Where it never will be, because a rank has failed before, that one ends all.
static bool wait_or_meet(HgmRanks *ranks, MPI_Request *request, HgmError *error) {
  bool all;
  int first;
  Waited waited = wait_for(ranks, request, true, error);
  ranks->ended = waited == MISSED && meet(ranks, false, &first, &all, error);
  return waited == DONE || (ranks->ended && fail(error, "another process of this run has failed", MPI_SUCCESS));
}

static bool gather(HgmRanks *ranks, void *buffer, const int64_t *begin, HgmError *error) {
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
  int code = MPI_Iallgatherv(MPI_IN_PLACE, 0, MPI_DATATYPE_NULL, buffer, backend->counts, backend->offsets, block, backend->channels[STEP], &request);
  MPI_Type_free(&block);
  if (code != MPI_SUCCESS) return fail(error, "the processes of this run cannot exchange their sums", code);
  if (!wait_or_meet(ranks, &request, error)) return false;
  backend->steps++;
  return true;
}

static void close_ranks(HgmRanks *ranks) {
  Backend *backend = ranks->backend;
  MPI_Request request;
  HgmError ignored = {0};
  ranks->stopping = NULL; // whoever leaves first would have the others ended while they save
  if (MPI_Ibarrier(backend->channels[CLOSE], &request) == MPI_SUCCESS && !wait_or_meet(ranks, &request, &ignored) && ranks->ended)
    wait_for(ranks, &request, false, &ignored); // for the end
  for (int i = 0; i < N_CHANNELS; i++) MPI_Comm_free(&backend->channels[i]);
  MPI_Finalize();
  free(backend->failed_after);
  free(backend->failed);
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
  *ranks = (HgmRanks){.gather = gather, .fail = fail_ranks, .close = close_ranks, .abort = abort_ranks, .patience_ms = 2000, .backend = backend};
  MPI_Comm_rank(MPI_COMM_WORLD, &ranks->rank);
  MPI_Comm_size(MPI_COMM_WORLD, &ranks->n);
  backend->counts = calloc((size_t)ranks->n, sizeof *backend->counts);
  backend->offsets = calloc((size_t)ranks->n, sizeof *backend->offsets);
  backend->failed_after = calloc((size_t)ranks->n, sizeof *backend->failed_after);
  backend->failed = calloc((size_t)ranks->n, sizeof *backend->failed);
  if (backend->counts == NULL || backend->offsets == NULL || backend->failed_after == NULL || backend->failed == NULL) abort_ranks(ranks, 2);
  for (int r = 0; r < ranks->n; r++) backend->failed_after[r] = RUNNING;
  for (int i = 0; i < N_CHANNELS; i++) {
    MPI_Comm_dup(MPI_COMM_WORLD, &backend->channels[i]);
    MPI_Comm_set_errhandler(backend->channels[i], MPI_ERRORS_RETURN);
  }
  return ranks;
}
