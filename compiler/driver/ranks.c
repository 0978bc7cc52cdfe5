#include "compiler/driver/ranks.h"

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "compiler/driver/session.h"
#include "runtime/interrupt.h"

enum { PLUGIN_PATH = 4200 };

static bool is_wanted(void) {
  const char *size = getenv("OMPI_COMM_WORLD_SIZE"), *set = getenv("HGM_MPI");
  return (size != NULL && atoi(size) > 1) || (set != NULL && strcmp(set, "1") == 0);
}

static bool plugin_path(char *path) {
  ssize_t n = readlink("/proc/self/exe", path, PLUGIN_PATH - 64);
  if (n <= 0) return false;
  path[n] = '\0';
  char *slash = strrchr(path, '/');
  strcpy(slash + 1, "hgm_mpi.so");
  return true;
}

bool ranks_open(HgmRanks **ranks, HgmError *error) {
  char path[PLUGIN_PATH];
  *ranks = NULL;
  if (!is_wanted()) return true;
  if (!plugin_path(path)) return hgm_fail(error, EXIT_ENVIRONMENT, "mpirun started this process, and /proc does not say where the MPI plugin lies");
  if (access(path, R_OK) != 0)
    return hgm_fail(error, EXIT_ENVIRONMENT, "mpirun started this process, and the MPI plugin %s is not there; install libopenmpi-dev and run make again",
                    path);
  void *plugin = dlopen(path, RTLD_NOW | RTLD_GLOBAL); // global: Open MPI's own plugins look for its symbols
  if (plugin == NULL) return hgm_fail(error, EXIT_ENVIRONMENT, "%s cannot be loaded: %s", path, dlerror());
  HgmRanksOpen *open;
  *(void **)&open = dlsym(plugin, "hgm_ranks_open"); // as POSIX has it: dlsym gives an object pointer
  if (open == NULL) return hgm_fail(error, EXIT_ENVIRONMENT, "%s is not a plugin of hgmc", path);
  *ranks = open(error);
  if (*ranks != NULL) (*ranks)->stopping = hgm_interrupt_requested;
  return *ranks != NULL;
}

bool ranks_first(const HgmRanks *ranks) { return ranks == NULL || ranks->rank == 0; }

// Each process gives `each` bytes: its own lie at rank * each of `bytes`.
static bool gather_even(HgmRanks *ranks, void *bytes, size_t each, HgmError *error) {
  int64_t *begin = malloc(sizeof *begin * (size_t)(ranks->n + 1));
  if (begin == NULL) return hgm_fail(error, EXIT_ENVIRONMENT, "out of memory");
  for (int r = 0; r <= ranks->n; r++) begin[r] = r * (int64_t)each;
  bool fine = ranks->gather(ranks, bytes, begin, error);
  free(begin);
  return fine;
}

// One byte of each process; freed by the caller. NULL: the error says why.
static unsigned char *gather_bytes(HgmRanks *ranks, unsigned char mine, HgmError *error) {
  unsigned char *bytes = calloc((size_t)ranks->n, 1);
  if (bytes == NULL) {
    hgm_fail(error, EXIT_ENVIRONMENT, "out of memory");
    return NULL;
  }
  bytes[ranks->rank] = mine;
  if (gather_even(ranks, bytes, 1, error)) return bytes;
  free(bytes);
  return NULL;
}

bool ranks_together(HgmRanks *ranks, int *exit_code, int *failed, HgmError *error) {
  *failed = *exit_code == EXIT_DONE ? -1 : 0;
  if (ranks == NULL) return *failed < 0;
  unsigned char *codes = gather_bytes(ranks, (unsigned char)*exit_code, error);
  if (codes == NULL) *failed = ranks->rank, *exit_code = error->exit_code;
  for (int r = ranks->n - 1; codes != NULL && r >= 0; r--)
    if (codes[r] != EXIT_DONE) *failed = r, *exit_code = codes[r];
  free(codes);
  return *failed < 0;
}

bool ranks_any(HgmRanks *ranks, bool mine, bool *any, HgmError *error) {
  *any = mine;
  if (ranks == NULL) return true;
  unsigned char *bytes = gather_bytes(ranks, mine, error);
  for (int r = 0; bytes != NULL && r < ranks->n; r++) *any = *any || bytes[r];
  free(bytes);
  return bytes != NULL;
}

bool ranks_same(HgmRanks *ranks, const char *what, const void *bytes, size_t n, HgmError *error) {
  if (ranks == NULL) return true;
  char *all = calloc((size_t)ranks->n, n);
  if (all == NULL) return hgm_fail(error, EXIT_ENVIRONMENT, "out of memory");
  memcpy(all + (size_t)ranks->rank * n, bytes, n);
  bool fine = gather_even(ranks, all, n, error);
  for (int r = 1; r < ranks->n && fine; r++)
    if (memcmp(all, all + (size_t)r * n, n) != 0)
      fine = hgm_fail(error, EXIT_USER, "process %d of %d has another %s than the first; all must see the same files and run the same hgmc", r, ranks->n, what);
  free(all);
  return fine;
}

static bool broadcast(HgmRanks *ranks, void *bytes, size_t n, HgmError *error) {
  int64_t *begin = malloc(sizeof *begin * (size_t)(ranks->n + 1));
  if (begin == NULL) return hgm_fail(error, EXIT_ENVIRONMENT, "out of memory");
  for (int r = 0; r <= ranks->n; r++) begin[r] = r == 0 ? 0 : (int64_t)n;
  bool fine = ranks->gather(ranks, bytes, begin, error);
  free(begin);
  return fine;
}

bool ranks_share(HgmRanks *ranks, Store *store, Position *position, HgmError *error) {
  if (ranks == NULL) return true;
  bool fine = position == NULL || broadcast(ranks, position, sizeof *position, error);
  for (size_t i = 0; i < store->slots.len && fine; i++) {
    Slot *slot = store->slots.at[i];
    if (slot->saved && slot->n > 0) fine = broadcast(ranks, slot->data, hgm_dtype_bytes(slot->dtype) * (size_t)slot->n, error);
  }
  return fine;
}

bool ranks_fit(const HgmRanks *ranks, const HgmProgram *program, int64_t events, HgmError *error) {
  if (ranks == NULL) return true;
  int64_t tiles = (events + program->tile - 1) / program->tile, partials = tiles < program->max_partials ? tiles : program->max_partials;
  if (partials % ranks->n == 0) return true;
  return hgm_fail(error, EXIT_USER,
                  "a step of %s over %lld events has %lld partial sums (docs/execution.md), and %d processes cannot share them evenly; start as many "
                  "processes as divide %lld, or make the batch larger",
                  program->name, (long long)events, (long long)partials, ranks->n, (long long)partials);
}

// ---- who speaks

Hush ranks_hush(const HgmRanks *ranks) {
  Hush hush = {.real = -1};
  if (ranks_first(ranks) || (hush.kept = tmpfile()) == NULL) return hush;
  fflush(stderr);
  hush.real = dup(2);
  if (hush.real < 0 || dup2(fileno(hush.kept), 2) < 0) ranks_speak(ranks, &hush, false);
  return hush;
}

void ranks_speak(const HgmRanks *ranks, Hush *hush, bool show) {
  if (hush->real >= 0) {
    fflush(stderr);
    dup2(hush->real, 2);
    close(hush->real);
    hush->real = -1;
  }
  if (hush->kept == NULL) return;
  rewind(hush->kept);
  if (show) fprintf(stderr, "process %d of %d:\n", ranks->rank, ranks->n);
  for (int c; show && (c = getc(hush->kept)) != EOF;) putc(c, stderr);
  fclose(hush->kept);
  hush->kept = NULL;
}

void ranks_fail(HgmRanks *ranks, const HgmError *error) {
  bool all = true;
  int first = 0;
  if (ranks != NULL && ranks->ended) return;
  bool gone = ranks != NULL && !ranks->fail(ranks, &first, &all), mine = ranks == NULL || gone || first == ranks->rank;
  if (mine && !ranks_first(ranks)) fprintf(stderr, "process %d of %d: ", ranks->rank, ranks->n);
  if (mine) report_error(error);
  if (gone || (mine && !all)) ranks->abort(ranks, error->exit_code); // others wait for what never comes
}

void ranks_close(HgmRanks *ranks) {
  if (ranks != NULL) ranks->close(ranks);
}
