#include "compiler/driver/cuts.h"

#include <math.h>
#include <stdlib.h>

typedef struct Range {
  double low, high;
} Range;
typedef struct Seen { // of one condition
  int64_t held;
  Range sides[2];
  int32_t *holds; // of a chunk
  double *values[2];
} Seen;

static bool seen_open(Arena *arena, Bound *bound, const ModelCut *cut, Seen *seen) {
  *seen = (Seen){.holds = ARENA_ARRAY(arena, int32_t, CHUNK)};
  bool ok = bound_output(bound, cut->output, seen->holds);
  for (int k = 0; k < 2 && ok; k++) {
    seen->sides[k] = (Range){INFINITY, -INFINITY};
    if (cut->sides[k].output == NULL) continue;
    seen->values[k] = ARENA_ARRAY(arena, double, CHUNK);
    ok = bound_output(bound, cut->sides[k].output, seen->values[k]);
  }
  return ok;
}

static void seen_add(Seen *seen, int64_t n) {
  for (int64_t i = 0; i < n; i++) seen->held += seen->holds[i];
  for (int k = 0; k < 2; k++)
    for (int64_t i = 0; seen->values[k] != NULL && i < n; i++) {
      seen->sides[k].low = fmin(seen->sides[k].low, seen->values[k][i]);
      seen->sides[k].high = fmax(seen->sides[k].high, seen->values[k][i]);
    }
}

// NULL: it cannot be found out.
static Seen *look(const Dataset *dataset, Session *session, Store *store, const ModelCuts *cuts, const int64_t *rows, int64_t n) {
  Bound bound = {0};
  HgmError ignored = {0};
  Arena *arena = session->arena;
  Seen *seen = ARENA_ARRAY(arena, Seen, cuts->all.len);
  int64_t *chunk = ARENA_ARRAY(arena, int64_t, CHUNK);
  bool ok = bound_create_over(&bound, session, cuts->fn, n, store, &dataset->tables, &ignored);
  for (size_t i = 0; ok && i < cuts->all.len; i++) ok = seen_open(arena, &bound, &cuts->all.at[i], &seen[i]);
  for (int64_t at = 0; ok && at < n; at += CHUNK) {
    int64_t m = n - at < CHUNK ? n - at : CHUNK;
    for (int64_t k = 0; k < m; k++) chunk[k] = rows != NULL ? rows[at + k] : at + k;
    ok = bound_run(&bound, &(BoundCall){.events = m, .rows = chunk, .event_ids = chunk}, &ignored);
    for (size_t i = 0; ok && i < cuts->all.len; i++) seen_add(&seen[i], m);
  }
  bound_destroy(&bound);
  return ok ? seen : NULL;
}

static const char *range_text(Arena *arena, const ModelCutSide *side, Range r) {
  const char *unit = side->unit == NULL ? "" : arena_printf(arena, " %s", side->unit);
  if (r.low == r.high) return arena_printf(arena, "`%s` is %.6g%s", side->text, r.low, unit);
  return arena_printf(arena, "`%s` lies between %.6g and %.6g%s", side->text, r.low, r.high, unit);
}

static const char *seen_text(Arena *arena, const ModelCut *cut, const Seen *seen, int64_t n) {
  const char *text = arena_printf(arena, "`%s` holds in %s%lld", cut->text, seen->held == 0 ? "none of " : "", (long long)(seen->held == 0 ? n : seen->held));
  for (int k = 0, said = 0; k < 2; k++)
    if (seen->values[k] != NULL)
      text = arena_printf(arena, "%s%s%s", text, said++ == 0 ? ", where " : " and ", range_text(arena, &cut->sides[k], seen->sides[k]));
  return text;
}

bool cuts_blame(const Dataset *dataset, Session *session, Store *store, const ModelCuts *cuts, const int64_t *rows, int64_t n, const char *purpose,
                HgmError *error) {
  const Seen *seen = n == 0 ? NULL : look(dataset, session, store, cuts, rows, n);
  Arena *arena = session->arena;
  const char *text = "", *unit = "";
  bool alone = false; // one of them leaves nothing: the others are not to blame
  for (size_t i = 0; seen != NULL && i < cuts->all.len; i++) alone = alone || seen[i].held == 0;
  for (size_t i = 0; seen != NULL && i < cuts->all.len; i++) {
    if (alone && seen[i].held > 0) continue;
    text = arena_printf(arena, "%s%s %s", text, text[0] == 0 ? ":" : ";", seen_text(arena, &cuts->all.at[i], &seen[i], n));
    for (int k = 0; k < 2; k++)
      if (alone && cuts->all.at[i].sides[k].unit != NULL) unit = ", or give the columns the unit that the file has: `in GeV`";
  }
  return hgm_fail(error, EXIT_USER, "no event of %s is left to %s: `where` cuts all %lld row%s%s; widen %s%s", hgm_table_name(dataset->table), purpose,
                  (long long)n, n == 1 ? "" : "s", text, alone || seen == NULL ? "it" : "one of them", unit);
}
