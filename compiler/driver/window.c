#include "compiler/driver/window.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/philox.h"
#include "runtime/scratch.h"

enum { BLOCK = 4096, MEMORY_SHARES = 3 }; // windows in memory: the one in use, the next, and what the system has not yet given back

typedef struct Place { // a window of a round
  int64_t round, index;
} Place;

struct Window {
  const Dataset *dataset;
  Tables tables; // what a row has that training reads
  Rows of;
  uint64_t key;
  int64_t rows, blocks;
  int64_t *sequence; // (blocks) scratch of the reading thread
  pthread_t thread;
  pthread_mutex_t mutex;
  pthread_cond_t news;
  Place now;         // under the mutex
  bool asked, ended; // under the mutex
};

// ---- the order

// Fisher-Yates on at[0..n); element i draws for itself: site `key`, event i + first, pass `round`.
static void shuffle(int64_t *at, int64_t n, int64_t first, uint64_t key, int64_t round, uint32_t element) {
  for (int64_t i = n - 1; i > 0; i--) {
    int64_t j = (int64_t)(philox_uniform(key, (uint64_t)(first + i), (uint32_t)round, element) * (double)(i + 1));
    int64_t swap = at[i];
    at[i] = at[j];
    at[j] = swap;
  }
}

enum { OF_ROWS, OF_BLOCKS }; // elements of the draws

static void sequence_of(const Window *w, int64_t round, int64_t *sequence) {
  for (int64_t b = 0; b < w->blocks; b++) sequence[b] = b;
  shuffle(sequence, w->blocks, 0, w->key, round, OF_BLOCKS);
}

static int64_t block_end(const Window *w, int64_t block) {
  int64_t end = (block + 1) * BLOCK, rows = w->of.n;
  return end < rows ? end : rows;
}

void window_order(const Window *w, int64_t round, int64_t *order) {
  const int64_t *rows = w->of.at, n = w->of.n;
  int64_t *sequence = ARENA_ARRAY(w->dataset->arena, int64_t, w->blocks + 1), at = 0;
  sequence_of(w, round, sequence);
  for (int64_t b = 0; b < w->blocks; b++) {
    int64_t first = sequence[b] * BLOCK, count = block_end(w, sequence[b]) - first;
    memcpy(order + at, rows + first, sizeof *order * (size_t)count);
    at += count;
  }
  for (int64_t first = 0; first < n; first += w->rows) shuffle(order + first, n - first < w->rows ? n - first : w->rows, first, w->key, round, OF_ROWS);
}

int64_t window_rows(const Window *w) { return w->rows; }

// ---- reading ahead

// What the tables have of the rows from the first to the last of a block.
static void touch_block(const Window *w, int64_t block, bool ahead) {
  const int64_t *rows = w->of.at;
  int64_t first = rows[block * BLOCK], count = rows[block_end(w, block) - 1] + 1 - first;
  for (size_t i = 0; i < w->tables.list.len; i++) {
    const Table *table = &w->tables.list.at[i];
    size_t bytes = table_row_bytes(table);
    char *at = (char *)(uintptr_t)table->data + (size_t)first * bytes;
    if (ahead) hgm_scratch_ahead(at, (size_t)count * bytes);
    else hgm_scratch_past(at, (size_t)count * bytes);
  }
}

static int64_t windows_of(const Window *w) { return (w->of.n + w->rows - 1) / w->rows; }

static void touch_window(Window *w, Place place, bool ahead) {
  if (place.index >= windows_of(w)) place = (Place){place.round + 1, 0};
  if (place.index < 0) place = (Place){place.round - 1, windows_of(w) - 1};
  if (place.round < 0) return;
  sequence_of(w, place.round, w->sequence);
  int64_t at = 0, first = place.index * w->rows, last = first + w->rows;
  for (int64_t b = 0; b < w->blocks && at < last; b++) {
    int64_t count = block_end(w, w->sequence[b]) - w->sequence[b] * BLOCK;
    if (at + count > first) touch_block(w, w->sequence[b], ahead);
    at += count;
  }
}

static void *read_ahead(void *data) {
  Window *w = data;
  pthread_mutex_lock(&w->mutex);
  for (;;) {
    while (!w->asked && !w->ended) pthread_cond_wait(&w->news, &w->mutex);
    if (w->ended) break;
    Place now = w->now;
    w->asked = false;
    pthread_mutex_unlock(&w->mutex);
    touch_window(w, (Place){now.round, now.index - 1}, false);
    touch_window(w, now, true); // a block may lie in both
    touch_window(w, (Place){now.round, now.index + 1}, true);
    pthread_mutex_lock(&w->mutex);
  }
  pthread_mutex_unlock(&w->mutex);
  return NULL;
}

void window_enter(Window *w, int64_t round, int64_t position) {
  Place now = {round, position / w->rows};
  pthread_mutex_lock(&w->mutex);
  if (now.round != w->now.round || now.index != w->now.index) {
    w->now = now;
    w->asked = true;
    pthread_cond_signal(&w->news);
  }
  pthread_mutex_unlock(&w->mutex);
}

// ---- opening

bool window_open(Window **result, const Dataset *dataset, const Tables *tables, Rows of, uint64_t key, int64_t batch, HgmError *error) {
  *result = NULL;
  if (dataset->scratch == NULL) return true;
  size_t bytes = sizeof(int64_t);
  for (size_t i = 0; i < tables->list.len; i++) bytes += table_row_bytes(&tables->list.at[i]);
  int64_t fit = dataset->memory_limit / MEMORY_SHARES / (int64_t)bytes, rows = fit > BLOCK ? fit : BLOCK;
  Window *w = calloc(1, sizeof *w);
  if (w == NULL) return hgm_fail(error, EXIT_ENVIRONMENT, "out of memory");
  *w = (Window){.dataset = dataset, .tables = *tables, .of = of, .key = key, .now = {-1, -1}, .blocks = (of.n + BLOCK - 1) / BLOCK};
  w->rows = rows > batch ? rows / batch * batch : batch;
  w->sequence = malloc(sizeof *w->sequence * (size_t)(w->blocks + 1));
  pthread_mutex_init(&w->mutex, NULL);
  pthread_cond_init(&w->news, NULL);
  if (w->sequence == NULL || pthread_create(&w->thread, NULL, read_ahead, w) != 0) {
    free(w->sequence);
    free(w);
    return hgm_fail(error, EXIT_ENVIRONMENT, "no thread can be started to read ahead");
  }
  *result = w;
  return true;
}

void window_close(Window *w) {
  if (w == NULL) return;
  pthread_mutex_lock(&w->mutex);
  w->ended = true;
  pthread_cond_signal(&w->news);
  pthread_mutex_unlock(&w->mutex);
  pthread_join(w->thread, NULL);
  pthread_cond_destroy(&w->news);
  pthread_mutex_destroy(&w->mutex);
  free(w->sequence);
  free(w);
}
