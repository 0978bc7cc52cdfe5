#include "compiler/driver/domain.h"

#include <math.h>
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
      if ((bad = outside(limit, x[i * elements + k])) && f->count == 0) f->row = rows[i], f->value = x[i * elements + k];
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

static bool tell(const Dataset *dataset, const ModelDomain *limit, const Finding *f, int64_t n, HgmError *error) {
  hgm_fail(error, EXIT_USER, "`%s` of `%s` takes %s, and %lld of %lld rows of %s have others: the first is row %lld with %.6g; %s", limit->step, limit->field,
           takes(limit), (long long)f->count, (long long)n, hgm_table_name(dataset->table), (long long)f->row, f->value, cure(limit));
  return true;
}

bool domain_blame(const Dataset *dataset, Session *session, Store *store, const char *field, const int64_t *rows, int64_t n, HgmError *error) {
  const ModelData *data = dataset->data;
  if (data->domains == NULL) return false;
  Arena *arena = arena_create();
  Bound bound = {0};
  HgmError ignored = {0};
  bool ok = bound_create_over(&bound, session, data->domains, n, store, &dataset->tables, &ignored);
  Finding *found = ARENA_ARRAY(arena, Finding, data->limits.len + 1);
  double **x = ARENA_ARRAY(arena, double *, data->limits.len + 1);
  int64_t *elements = ARENA_ARRAY(arena, int64_t, data->limits.len + 1);
  for (size_t k = 0; ok && k < data->limits.len; k++) {
    const char *output = data->limits.at[k].output;
    elements[k] = bound.program->outputs[hgm_port_find(bound.program->outputs, bound.program->n_outputs, output)].elements;
    x[k] = ARENA_ARRAY(arena, double, CHUNK *elements[k]);
    bound_output(&bound, output, x[k]);
  }
  for (int64_t at = 0; ok && at < n; at += CHUNK) {
    int64_t m = n - at < CHUNK ? n - at : CHUNK;
    ok = bound_run(&bound, &(BoundCall){.events = m, .rows = rows + at, .event_ids = rows + at}, &ignored);
    for (size_t k = 0; ok && k < data->limits.len; k++)
      if (field == NULL || strcmp(field, data->limits.at[k].field) == 0) look(&data->limits.at[k], x[k], elements[k], rows + at, m, &found[k]);
  }
  bound_destroy(&bound);
  bool told = false;
  for (size_t k = 0; ok && k < data->limits.len && !told; k++) told = found[k].count > 0 && tell(dataset, &data->limits.at[k], &found[k], n, error);
  arena_destroy(arena);
  return told;
}

static bool row_is_finite(const Table *table, int64_t row) {
  bool fine = true;
  for (int64_t i = row * table->elements; i < (row + 1) * table->elements; i++)
    fine &= table->dtype == HGM_F64 ? isfinite(((const double *)table->data)[i]) : isfinite(((const float *)table->data)[i]);
  return fine;
}

bool domain_prepared(const Dataset *dataset, Session *session, Store *store, HgmError *error) {
  for (size_t t = 0; t < dataset->tables.list.len; t++) {
    const Table *table = &dataset->tables.list.at[t];
    if (strncmp(table->name, "prep:", 5) != 0 || (table->dtype != HGM_F64 && table->dtype != HGM_F32)) continue;
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
