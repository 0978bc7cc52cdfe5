#include "compiler/driver/domain.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

typedef struct Finding {
  int64_t count, row; // of the first
  double value;
} Finding;

static bool outside(const ModelDomain *limit, double x) {
  if (isnan(x)) return false; // what came before it is to blame
  return limit->closed ? x < limit->low || x > limit->high : !(x > limit->low && x < limit->high);
}

static void look(const ModelDomain *limit, const double *x, int64_t elements, const int64_t *rows, int64_t n, Finding *f) {
  for (int64_t i = 0; i < n; i++) {
    bool bad = false;
    for (int64_t k = 0; k < elements && !bad; k++)
      if ((bad = outside(limit, x[i * elements + k])) && (f->count == 0 || rows[i] < f->row)) f->row = rows[i], f->value = x[i * elements + k];
    f->count += bad;
  }
}

static const char *takes(const ModelDomain *limit) {
  if (limit->sums) return "numbers from 0 to 1 with a sum of at most 1";
  return limit->closed ? "numbers from 0 to 1" : limit->low == 0 ? "positive numbers" : "numbers above -1";
}

static const char *cure(const ModelDomain *limit) {
  if (limit->sums) return "`where` leaves such rows out; numbers that may sum to more are no fractions of one whole";
  return limit->closed ? "`scale` or `minmax` brings them there, `clip(0, 1)` cuts them off there, and `where` leaves such rows out"
                       : "`where` leaves such rows out, `hurdle(0)` keeps zeros apart, and `arctan(k)` takes any number";
}

static const char *source_name(const Dataset *dataset) { return dataset->table != NULL ? hgm_table_name(dataset->table) : "--fix"; }

static bool tell(const Dataset *dataset, const ModelDomain *limit, const Finding *f, int64_t n, HgmError *error) {
  hgm_fail(error, EXIT_USER, "`%s` of `%s` takes %s, and %lld of %lld rows of %s have others: the first is row %lld with %.6g; %s", limit->step, limit->field,
           takes(limit), (long long)f->count, (long long)n, source_name(dataset), (long long)f->row, f->value, cure(limit));
  return true;
}

// Are the columns and the fitted numbers there that the operand is computed from? A sampler and a score read what they use.
static bool computable(const Dataset *dataset, const Store *store, const IrFn *operand) {
  bool there = true;
  for (size_t i = 0; there && i < operand->values.len; i++) {
    const IrValue *v = &operand->values.at[i];
    if (v->op == IR_INPUT) there = tables_find(&dataset->tables, v->attr.name) != NULL;
    else if (v->op == IR_STATE) there = store_find(store, v->attr.name) != NULL;
  }
  return there;
}

// Rows whose operand lies outside; none where it cannot be computed. rows NULL: 0, 1, …
static Finding find(const Dataset *dataset, Session *session, Store *store, const ModelDomain *limit, const int64_t *rows, int64_t n) {
  Finding f = {0};
  Bound bound = {0};
  HgmError ignored = {0};
  bool ok = computable(dataset, store, limit->operand) && bound_create_over(&bound, session, limit->operand, n, store, &dataset->tables, &ignored);
  int64_t elements = ok ? bound.program->outputs[0].elements : 0, *chunk = malloc(sizeof *chunk * CHUNK);
  double *x = malloc(sizeof *x * (size_t)(CHUNK * elements + 1));
  ok = ok && chunk != NULL && x != NULL && bound_output(&bound, "operand", x);
  for (int64_t at = 0; ok && at < n; at += CHUNK) {
    int64_t m = n - at < CHUNK ? n - at : CHUNK;
    for (int64_t k = 0; k < m; k++) chunk[k] = rows != NULL ? rows[at + k] : at + k;
    ok = bound_run(&bound, &(BoundCall){.events = m, .rows = chunk, .event_ids = chunk}, &ignored);
    if (ok) look(limit, x, elements, chunk, m, &f);
  }
  free(chunk);
  free(x);
  bound_destroy(&bound);
  return f;
}

bool domain_blame(const Dataset *dataset, Session *session, Store *store, const char *field, const int64_t *rows, int64_t n, HgmError *error) {
  for (size_t k = 0; k < dataset->data->limits.len; k++) {
    const ModelDomain *limit = &dataset->data->limits.at[k];
    if (limit->clips || (field != NULL && strcmp(field, limit->field) != 0)) continue;
    Finding f = find(dataset, session, store, limit, rows, n);
    if (f.count > 0) return tell(dataset, limit, &f, n, error);
  }
  return false;
}

// Rows that the splits have chosen, one split behind the other, freed with free().
static int64_t *chosen_rows(const Dataset *dataset, int64_t *n) {
  *n = 0;
  for (int s = 0; s < SPLIT_COUNT; s++) *n += dataset->n[s];
  int64_t *rows = malloc(sizeof *rows * (size_t)(*n + 1)), *next = rows;
  for (int s = 0; rows != NULL && s < SPLIT_COUNT; s++)
    for (int64_t i = 0; i < dataset->n[s]; i++) *next++ = dataset->chosen[s][i];
  return rows;
}

static void tell_clipped(const Dataset *dataset, Session *session, Store *store, const ModelDomain *limit) {
  bool split = dataset->chosen[SPLIT_TRAIN] != NULL;
  int64_t n = dataset->rows, *rows = split ? chosen_rows(dataset, &n) : NULL;
  if (split && rows == NULL) return; // out of memory for a warning
  Finding f = find(dataset, session, store, limit, rows, n);
  if (f.count > 0)
    fprintf(stderr, "warning: `%s` of `%s` changes %lld of %lld rows of %s, the first is row %lld with %.6g; `where` leaves such rows out\n", limit->step,
            limit->field, (long long)f.count, (long long)n, hgm_table_name(dataset->table), (long long)f.row, f.value);
  free(rows);
}

void domain_clipped(const Dataset *dataset, Session *session, Store *store) {
  for (size_t k = 0; k < dataset->data->limits.len; k++)
    if (dataset->data->limits.at[k].clips) tell_clipped(dataset, session, store, &dataset->data->limits.at[k]);
}

static bool row_is_finite(const Table *table, int64_t row) {
  const char *first = (const char *)table->data + (size_t)(row * table->elements) * hgm_type_bytes(table->type);
  return hgm_numbers_finite(table->type, first, table->elements);
}

bool domain_prepared(const Dataset *dataset, Session *session, Store *store, HgmError *error) {
  for (size_t t = 0; t < dataset->tables.list.len; t++) {
    const Table *table = &dataset->tables.list.at[t];
    if (strncmp(table->name, "prep:", 5) != 0 || (table->type != HGM_FILE_F64 && table->type != HGM_FILE_F32)) continue;
    if (hgm_numbers_finite(table->type, table->data, dataset->rows * table->elements)) continue; // nearly always: else row by row, for some are not used
    for (int s = 0; s < SPLIT_COUNT; s++)
      for (int64_t i = 0; i < dataset->n[s]; i++) {
        int64_t row = dataset->chosen[s][i];
        if (row_is_finite(table, row)) continue;
        if (domain_blame(dataset, session, store, table->name + 5, dataset->chosen[s], dataset->n[s], error)) return false;
        return hgm_fail(error, EXIT_USER, "the preparation of `%s` gives no number for row %lld of %s; check its columns' range, or cut such rows with `where`",
                        table->name + 5, (long long)row, hgm_table_name(dataset->table));
      }
  }
  return true;
}
