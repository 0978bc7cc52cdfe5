// Whole columns into memory. A reader thread fetches chunk k + 1 of all columns while the caller's thread looks through chunk k,
// so that decompression and the search for NaN run side by side.
#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/table.h"
#include "runtime/table_file.h"

enum { CHUNK_ROWS = 1 << 15 };

typedef struct Loader {
  HgmTable *table;
  const HgmWish *wishes;
  int n;
  int64_t rows;
  double **values;
  HgmError error;
  pthread_mutex_t mutex;
  pthread_cond_t news;
  int64_t ready; // rows that lie in values; under the mutex
  bool ended;    // under the mutex
} Loader;

static bool read_chunk(Loader *loader, int64_t first, int64_t last) {
  for (int k = 0; k < loader->n; k++) {
    const HgmWish *wish = &loader->wishes[k];
    double *out = loader->values[k] + first * loader->table->columns[wish->column].elements;
    bool fine = wish->texts != NULL ? hgm_table_read_codes(loader->table, wish->column, first, last, wish->texts, wish->n_texts, out, &loader->error)
                                    : hgm_table_read(loader->table, wish->column, first, last, out, &loader->error);
    if (!fine) return false;
  }
  return true;
}

static void *reader_main(void *argument) {
  Loader *loader = argument;
  hgm_hdf5_quiet();
  bool fine = true;
  for (int64_t first = 0; fine && first < loader->rows; first += CHUNK_ROWS) {
    int64_t last = first + CHUNK_ROWS < loader->rows ? first + CHUNK_ROWS : loader->rows;
    fine = read_chunk(loader, first, last);
    if (!fine) break;
    pthread_mutex_lock(&loader->mutex);
    loader->ready = last;
    pthread_cond_signal(&loader->news);
    pthread_mutex_unlock(&loader->mutex);
  }
  pthread_mutex_lock(&loader->mutex);
  loader->ended = true;
  pthread_cond_signal(&loader->news);
  pthread_mutex_unlock(&loader->mutex);
  return NULL;
}

// Numbers that stand for "not there" by custom.
static bool looks_missing(double value) {
  static const double known[] = {-999, -9999, -99, -99999, -999.9, -999999};
  for (size_t i = 0; i < sizeof known / sizeof *known; i++)
    if (value == known[i]) return true;
  return false;
}

typedef struct Look {           // of one column, besides its report
  double other_low, other_high; // without the customary sentinels
  int64_t finite;
} Look;

static void look_through(const double *values, int64_t first, int64_t last, int64_t elements, const HgmWish *wish, Look *look, HgmColumnReport *report) {
  for (int64_t i = first * elements; i < last * elements; i++) {
    double value = values[i];
    if (wish->has_missing && (value == wish->missing || (isnan(value) && isnan(wish->missing)))) continue;
    if (isnan(value)) {
      if (report->nan++ == 0) report->first_nan = i / elements;
    } else if (isinf(value)) {
      if (report->infinite++ == 0) report->first_infinite = i / elements;
    } else {
      if (look->finite++ == 0) report->low = report->high = value;
      if (value < report->low) report->low = value;
      if (value > report->high) report->high = value;
      if (looks_missing(value) && (report->sentinel == 0 || value == report->sentinel_value)) {
        if (report->sentinel++ == 0) report->first_sentinel = i / elements, report->sentinel_value = value;
      } else {
        if (value < look->other_low) look->other_low = value;
        if (value > look->other_high) look->other_high = value;
      }
    }
  }
}

// A customary sentinel is suspicious when it occurs twice and lies further from the rest than the rest is wide.
static void judge(const Look *look, HgmColumnReport *report) {
  report->constant = look->finite > 0 && report->low == report->high && report->nan == 0 && report->infinite == 0;
  double width = look->other_high - look->other_low, gap = look->other_low - report->sentinel_value;
  bool is_odd = report->sentinel >= 2 && look->other_high >= look->other_low && gap > width && gap > 0;
  if (is_odd) return;
  report->sentinel = 0;
  report->sentinel_value = 0;
  report->first_sentinel = -1;
}

static void follow(Loader *loader, Look *looks, HgmColumnReport *reports) {
  int64_t seen = 0;
  for (;;) {
    pthread_mutex_lock(&loader->mutex);
    while (loader->ready == seen && !loader->ended) pthread_cond_wait(&loader->news, &loader->mutex);
    int64_t ready = loader->ready;
    pthread_mutex_unlock(&loader->mutex);
    if (ready == seen) return;
    for (int k = 0; k < loader->n && reports != NULL; k++)
      look_through(loader->values[k], seen, ready, loader->table->columns[loader->wishes[k].column].elements, &loader->wishes[k], &looks[k], &reports[k]);
    seen = ready;
  }
}

static bool allocate(Loader *loader) {
  for (int k = 0; k < loader->n; k++) {
    int64_t elements = loader->table->columns[loader->wishes[k].column].elements;
    size_t most = (size_t)-1 / 2 / sizeof(double), n = (size_t)loader->rows;
    if (elements > 0 && n > most / (size_t)elements) return false;
    size_t bytes = n * (size_t)elements * sizeof(double);
    loader->values[k] = malloc(bytes > 0 ? bytes : sizeof(double));
    if (loader->values[k] == NULL) return false;
  }
  return true;
}

static bool load(Loader *loader, Look *looks, HgmColumnReport *reports) {
  pthread_t reader;
  if (pthread_create(&reader, NULL, reader_main, loader) == 0) {
    follow(loader, looks, reports);
    pthread_join(reader, NULL);
  } else { // no thread to be had: the same work one after the other
    reader_main(loader);
    follow(loader, looks, reports);
  }
  for (int k = 0; k < loader->n && reports != NULL; k++) judge(&looks[k], &reports[k]);
  return loader->error.text[0] == '\0';
}

bool hgm_table_load(HgmTable *table, const HgmWish *wishes, int n, double **values, HgmColumnReport *reports, HgmError *error) {
  Loader loader = {.table = table, .wishes = wishes, .n = n, .values = values};
  int *columns = malloc((size_t)(n + 1) * sizeof *columns);
  Look *looks = malloc((size_t)(n + 1) * sizeof *looks);
  bool fine = columns != NULL && looks != NULL;
  for (int k = 0; k < n; k++) values[k] = NULL;
  for (int k = 0; k < n && fine; k++) {
    columns[k] = wishes[k].column;
    looks[k] = (Look){.other_low = INFINITY, .other_high = -INFINITY};
    if (reports != NULL) reports[k] = (HgmColumnReport){.first_nan = -1, .first_infinite = -1, .first_sentinel = -1};
  }
  if (!fine) hgm_out_of_memory(error, table->name);
  fine = fine && hgm_table_check_rows(table, columns, n, &loader.rows, error);
  if (fine && !allocate(&loader)) fine = hgm_fail(error, 2, "%s: not enough memory for %d columns of %lld rows", table->name, n, (long long)loader.rows);
  if (fine) {
    pthread_mutex_init(&loader.mutex, NULL);
    pthread_cond_init(&loader.news, NULL);
    fine = load(&loader, looks, reports);
    pthread_cond_destroy(&loader.news);
    pthread_mutex_destroy(&loader.mutex);
    if (!fine) *error = loader.error;
  }
  for (int k = 0; k < n && !fine; k++) {
    free(values[k]);
    values[k] = NULL;
  }
  free(looks);
  free(columns);
  return fine;
}

void hgm_column_report_text(const HgmTable *table, int column, const HgmColumnReport *report, char *text, int size) {
  char parts[3][120] = {"", "", ""};
  int n = 0;
  if (report->nan > 0) snprintf(parts[n++], sizeof *parts, "%lld NaN (first in row %lld)", (long long)report->nan, (long long)report->first_nan);
  if (report->infinite > 0)
    snprintf(parts[n++], sizeof *parts, "%lld %s (first in row %lld)", (long long)report->infinite, report->infinite == 1 ? "infinity" : "infinities",
             (long long)report->first_infinite);
  if (report->sentinel > 0)
    snprintf(parts[n++], sizeof *parts, "%lld times %g, far from the rest (first in row %lld)", (long long)report->sentinel, report->sentinel_value,
             (long long)report->first_sentinel);
  if (report->constant) snprintf(parts[n++], sizeof *parts, "the same value %g in every row", report->low);
  text[0] = '\0';
  if (n == 0) return;
  snprintf(text, (size_t)size, "%s: column `%s` has %s%s%s%s%s", table->name, table->columns[column].name, parts[0],
           n == 2   ? " and "
           : n == 3 ? ", "
                    : "",
           parts[1], n == 3 ? " and " : "", parts[2]);
}
