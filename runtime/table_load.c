// Rows of several columns at once, by several threads. Work is dealt in tasks: a range of rows of one block of one file, opened, converted
// and looked through by one thread while the bytes are in its cache. Values go to their places, looks add up in any order, and of several
// errors the one that lies first in the files counts: nothing depends on the number of threads.
#define _DEFAULT_SOURCE // madvise
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "runtime/column_look.h"
#include "runtime/pool.h"
#include "runtime/table.h"
#include "runtime/table_file.h"

enum { TASK_BYTES = 1 << 18, PIECE = 1 << 13, LARGE_PAGE = 2 << 20 }; // PIECE: numbers on their way, in the first caches

typedef struct Task {
  HgmBlock *block;
  int file;
  int64_t base;        // number of the file's first row in the table
  int64_t first, last; // rows of the block
} Task;

typedef struct Scratch { // of one thread
  char *bytes;
  size_t cap;
  double *numbers; // (piece)
  HgmLook *looks;  // (n)
} Scratch;

struct HgmLoader {
  HgmTable *table;
  const HgmWish *wishes;
  int n, threads;
  int64_t rows, piece;
  HgmPool *pool;
  Scratch *scratch; // (threads)
  // of one read
  int64_t first;
  void *const *values;
  Task *tasks;
  int64_t n_tasks, cap_tasks;
  pthread_mutex_t mutex;
  _Atomic int64_t failed; // the first task that failed; INT64_MAX: none
  HgmError error;         // its message; under the mutex
};

// ---- tasks

static bool add_task(HgmLoader *loader, Task task) {
  if (loader->n_tasks == loader->cap_tasks) {
    int64_t wanted = loader->cap_tasks == 0 ? 64 : 2 * loader->cap_tasks;
    Task *moved = realloc(loader->tasks, (size_t)wanted * sizeof *moved);
    if (moved == NULL) return false;
    loader->tasks = moved;
    loader->cap_tasks = wanted;
  }
  loader->tasks[loader->n_tasks++] = task;
  return true;
}

static bool can_split(const HgmBlock *block) { return block->is_concurrent || block->memory != NULL; }

// A block that one thread must read from front to back is one task.
static bool add_block(HgmLoader *loader, Task task) {
  const HgmBlock *block = task.block;
  if (!can_split(block)) return add_task(loader, task);
  int64_t chunk = block->chunk_rows > 0 ? block->chunk_rows : 1, chunks = TASK_BYTES / (int64_t)block->row_bytes / chunk, last = task.last;
  int64_t step = chunk * (chunks > 0 ? chunks : 1);
  for (int64_t row = task.first; row < last;) {
    int64_t end = row / step * step + step; // where chunks end
    Task part = task;
    part.first = row;
    part.last = row = end < last ? end : last;
    if (!add_task(loader, part)) return false;
  }
  return true;
}

static const HgmField *field_of(const HgmLoader *loader, int wish, int file) { return hgm_table_field(loader->table, loader->wishes[wish].column, file); }

static bool make_tasks(HgmLoader *loader, int64_t first, int64_t last) {
  loader->n_tasks = 0;
  int64_t base = 0;
  for (int f = 0; f < loader->table->n_files && base < last; f++) {
    int64_t rows = loader->n > 0 ? field_of(loader, 0, f)->column.rows : 0, end = last - base < rows ? last - base : rows;
    for (int k = 0; k < loader->n; k++) {
      Task task = {.block = field_of(loader, k, f)->block, .file = f, .base = base, .first = first > base ? first - base : 0, .last = end};
      bool is_new = task.first < task.last;
      for (int other = 0; other < k; other++) is_new = is_new && field_of(loader, other, f)->block != task.block;
      if (is_new && !add_block(loader, task)) return false;
    }
    base += rows;
  }
  return true;
}

// ---- one task

// Rows of one column: as doubles, in which they are looked through and get their unit, then as they are kept.
static bool put_column(HgmLoader *loader, int k, const HgmField *field, const char *bytes, int64_t at, int64_t n, Scratch *scratch, HgmError *error) {
  const HgmWish *wish = &loader->wishes[k];
  const HgmFileType type = hgm_wish_type(loader->table, wish);
  const int64_t elements = field->column.elements, step = elements < loader->piece ? loader->piece / (elements > 0 ? elements : 1) : 1;
  const size_t row_bytes = hgm_type_bytes(type) * (size_t)elements;
  char *out = (char *)loader->values[k] + (size_t)(at - loader->first) * row_bytes;
  for (int64_t i = 0; i < n; i += step, out += (size_t)step * row_bytes) {
    int64_t rows = n - i < step ? n - i : step;
    double *numbers = type == HGM_FILE_F64 ? (double *)(void *)out : scratch->numbers;
    if (!hgm_wish_put(loader->table, wish, field, bytes + (size_t)i * field->block->row_bytes, rows, at + i, numbers, error)) return false;
    hgm_look_at(&scratch->looks[k], wish, numbers, rows, elements, at + i);
    hgm_wish_convert(wish, field, rows * elements, numbers);
    if (type != HGM_FILE_F64) hgm_numbers_keep(type, numbers, rows * elements, out);
  }
  return true;
}

static bool put_piece(HgmLoader *loader, const Task *task, const char *bytes, int64_t row, int64_t n, Scratch *scratch, HgmError *error) {
  for (int k = 0; k < loader->n; k++) {
    const HgmField *field = field_of(loader, k, task->file);
    if (field->block == task->block && !put_column(loader, k, field, bytes, task->base + row, n, scratch, error)) return false;
  }
  return true;
}

// Rows at hand: where they lie in memory or in the block's own cache, else read into this thread's room.
static bool fetch(const Task *task, int64_t row, const char **bytes, int64_t *n, Scratch *scratch, HgmError *error) {
  HgmBlock *block = task->block;
  if (!block->is_concurrent || block->memory != NULL) return hgm_block_rows(block, row, task->last, bytes, n, error);
  *n = task->last - row;
  size_t wanted = (size_t)*n * block->row_bytes;
  if (wanted > scratch->cap) {
    free(scratch->bytes);
    scratch->bytes = malloc(wanted);
    scratch->cap = scratch->bytes == NULL ? 0 : wanted;
    if (scratch->bytes == NULL) return hgm_out_of_memory(error, block->file->path);
  }
  *bytes = scratch->bytes;
  return block->read(block, row, task->last, scratch->bytes, error);
}

static void keep_error(HgmLoader *loader, int64_t index, const HgmError *error) {
  pthread_mutex_lock(&loader->mutex);
  if (index < atomic_load(&loader->failed)) {
    atomic_store(&loader->failed, index);
    loader->error = *error;
  }
  pthread_mutex_unlock(&loader->mutex);
}

static void run_task(void *data, int64_t index, int thread) {
  HgmLoader *loader = data;
  const Task *task = &loader->tasks[index];
  HgmError error = {0};
  hgm_hdf5_quiet();
  for (int64_t row = task->first, n; row < task->last; row += n) {
    const char *bytes;
    if (index > atomic_load(&loader->failed)) return;
    if (fetch(task, row, &bytes, &n, &loader->scratch[thread], &error) && put_piece(loader, task, bytes, row, n, &loader->scratch[thread], &error)) continue;
    keep_error(loader, index, &error);
    return;
  }
}

// ---- the loader

static bool check_wishes(HgmLoader *loader, HgmError *error) {
  int *columns = malloc((size_t)(loader->n + 1) * sizeof *columns);
  if (columns == NULL) return hgm_out_of_memory(error, loader->table->name);
  bool fine = true;
  for (int k = 0; k < loader->n && fine; k++) {
    columns[k] = loader->wishes[k].column;
    fine = hgm_wish_check(loader->table, &loader->wishes[k], error);
  }
  fine = fine && hgm_table_check_rows(loader->table, columns, loader->n, &loader->rows, error);
  free(columns);
  return fine;
}

static bool take_memory(HgmLoader *loader) {
  loader->pool = hgm_pool_create(loader->threads);
  loader->scratch = calloc((size_t)loader->threads, sizeof *loader->scratch);
  bool fine = loader->pool != NULL && loader->scratch != NULL;
  loader->piece = PIECE;
  for (int k = 0; k < loader->n; k++) {
    int64_t elements = loader->table->columns[loader->wishes[k].column].elements;
    if (elements > loader->piece) loader->piece = elements;
  }
  for (int t = 0; t < loader->threads && fine; t++) {
    loader->scratch[t].looks = malloc((size_t)(loader->n + 1) * sizeof *loader->scratch[t].looks);
    loader->scratch[t].numbers = malloc((size_t)loader->piece * sizeof(double));
    fine = loader->scratch[t].looks != NULL && loader->scratch[t].numbers != NULL;
    for (int k = 0; k < loader->n && fine; k++) hgm_look_begin(&loader->scratch[t].looks[k]);
  }
  return fine;
}

bool hgm_loader_open(HgmLoader **result, HgmTable *table, const HgmWish *wishes, int n, int threads, HgmError *error) {
  HgmLoader *loader = calloc(1, sizeof *loader);
  *result = NULL;
  if (loader == NULL) return hgm_out_of_memory(error, table->name);
  *loader = (HgmLoader){.table = table, .wishes = wishes, .n = n, .threads = threads > 0 ? threads : 1};
  pthread_mutex_init(&loader->mutex, NULL);
  if (check_wishes(loader, error) && (take_memory(loader) || hgm_out_of_memory(error, table->name))) *result = loader;
  else hgm_loader_close(loader);
  return *result != NULL;
}

void hgm_loader_close(HgmLoader *loader) {
  if (loader == NULL) return;
  for (int t = 0; t < loader->threads && loader->scratch != NULL; t++) {
    free(loader->scratch[t].bytes);
    free(loader->scratch[t].numbers);
    free(loader->scratch[t].looks);
  }
  hgm_pool_destroy(loader->pool);
  pthread_mutex_destroy(&loader->mutex);
  free(loader->scratch);
  free(loader->tasks);
  free(loader);
}

int64_t hgm_loader_rows(const HgmLoader *loader) { return loader->rows; }

int64_t hgm_loader_chunk(const HgmLoader *loader) {
  int64_t chunk = 1;
  for (int k = 0; k < loader->n; k++) {
    int64_t rows = field_of(loader, k, 0)->block->chunk_rows;
    if (rows > chunk) chunk = rows;
  }
  return chunk;
}

bool hgm_loader_read(HgmLoader *loader, int64_t first, int64_t last, void *const *values, HgmError *error) {
  loader->first = first;
  loader->values = values;
  loader->error = (HgmError){0};
  atomic_store(&loader->failed, INT64_MAX);
  if (!make_tasks(loader, first, last)) return hgm_out_of_memory(error, loader->table->name);
  hgm_pool_run(loader->pool, loader->n_tasks, run_task, loader);
  if (atomic_load(&loader->failed) == INT64_MAX) return true;
  *error = loader->error;
  return false;
}

void hgm_loader_report(const HgmLoader *loader, int k, HgmColumnReport *report) {
  HgmLook all;
  hgm_look_begin(&all);
  for (int t = 0; t < loader->threads; t++) hgm_look_join(&all, &loader->scratch[t].looks[k]);
  hgm_look_report(&all, report);
}

// ---- whole columns

// One piece of memory for all columns, in large pages where the system has them; each column begins on a cache line.
static bool allocate(const HgmLoader *loader, void **values, void **memory) {
  const size_t most = (size_t)-1 / 4, line = 64;
  size_t total = 0;
  for (int pass = 0; pass < 2; pass++) {
    size_t at = 0;
    for (int k = 0; k < loader->n; k++) {
      const HgmWish *wish = &loader->wishes[k];
      size_t row_bytes = hgm_type_bytes(hgm_wish_type(loader->table, wish)) * (size_t)loader->table->columns[wish->column].elements, n = (size_t)loader->rows;
      if (row_bytes > 0 && n > most / row_bytes) return false;
      if (pass == 1) values[k] = (char *)*memory + at;
      at += (n * row_bytes + line - 1) / line * line;
      if (at > most) return false;
    }
    total = at;
    const size_t page = total >= LARGE_PAGE ? LARGE_PAGE : line;
    if (pass == 0 && (*memory = aligned_alloc(page, total / page * page + page)) == NULL) return false;
  }
  if (total >= LARGE_PAGE) madvise(*memory, total, MADV_HUGEPAGE);
  return true;
}

bool hgm_table_load(HgmTable *table, const HgmWish *wishes, int n, int threads, void **values, void **memory, HgmColumnReport *reports, HgmError *error) {
  HgmLoader *loader;
  *memory = NULL;
  if (!hgm_loader_open(&loader, table, wishes, n, threads, error)) return false;
  bool fine =
      allocate(loader, values, memory) || hgm_fail(error, 2, "%s: not enough memory for %d columns of %lld rows", table->name, n, (long long)loader->rows);
  fine = fine && hgm_loader_read(loader, 0, loader->rows, values, error);
  for (int k = 0; k < n && fine && reports != NULL; k++) hgm_loader_report(loader, k, &reports[k]);
  hgm_loader_close(loader);
  if (!fine) {
    free(*memory);
    *memory = NULL;
  }
  return fine;
}
