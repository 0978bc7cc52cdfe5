#include "runtime/column_look.h"

#include <math.h>
#include <stdio.h>

#include "runtime/table_file.h"

// Numbers that stand for "not there" by custom; none is above -99.
static const double SENTINELS[HGM_N_SENTINELS] = {-999, -9999, -99, -99999, -999.9, -999999};
static const double HIGHEST_SENTINEL = -99;

static void see(struct HgmLookSeen *seen, int64_t row) {
  if (seen->n++ == 0 || row < seen->first) seen->first = row;
}

void hgm_look_begin(HgmLook *look) {
  *look = (HgmLook){.nan.first = -1, .infinite.first = -1, .low = INFINITY, .high = -INFINITY};
  for (int s = 0; s < HGM_N_SENTINELS; s++) look->sentinels[s].first = -1;
}

static void look_closely(HgmLook *look, const HgmWish *wish, double value, int64_t row) {
  if (wish->has_missing && (value == wish->missing || (isnan(value) && isnan(wish->missing)))) return;
  if (isnan(value)) {
    see(&look->nan, row);
  } else if (isinf(value)) {
    see(&look->infinite, row);
  } else {
    for (int s = 0; s < HGM_N_SENTINELS; s++)
      if (value == SENTINELS[s]) {
        see(&look->sentinels[s], row);
        return;
      }
    if (value < look->low) look->low = value;
    if (value > look->high) look->high = value;
  }
}

enum { LANES = 4, BLOCK = 64 }; // of BLOCK values nearly always none needs a closer look: -O3 makes vectors of that case (Makefile)

// All values are finite, no sentinel, and not the declared one; low and high (LANES) take them in.
static bool is_plain(const double *values, double missing, double *low, double *high) {
  int odd = 0;
  for (int i = 0; i < BLOCK; i++) odd |= !(values[i] > HIGHEST_SENTINEL) | !(values[i] < INFINITY) | (values[i] == missing);
  if (odd) return false;
  for (int i = 0; i < BLOCK; i += LANES)
    for (int j = 0; j < LANES; j++) {
      low[j] = values[i + j] < low[j] ? values[i + j] : low[j];
      high[j] = values[i + j] > high[j] ? values[i + j] : high[j];
    }
  return true;
}

void hgm_look_at(HgmLook *look, const HgmWish *wish, const double *values, int64_t rows, int64_t elements, int64_t row) {
  const double missing = wish->has_missing ? wish->missing : NAN;
  double low[LANES], high[LANES];
  for (int j = 0; j < LANES; j++) low[j] = INFINITY, high[j] = -INFINITY;
  for (int64_t i = 0, n = rows * elements; i < n; i += BLOCK) {
    if (n - i >= BLOCK && is_plain(values + i, missing, low, high)) continue;
    for (int64_t k = i; k < n && k < i + BLOCK; k++) look_closely(look, wish, values[k], row + k / elements);
  }
  for (int j = 0; j < LANES; j++) {
    if (low[j] < look->low) look->low = low[j];
    if (high[j] > look->high) look->high = high[j];
  }
}

static void join_seen(struct HgmLookSeen *seen, const struct HgmLookSeen *other) {
  if (other->n > 0 && (seen->n == 0 || other->first < seen->first)) seen->first = other->first;
  seen->n += other->n;
}

void hgm_look_join(HgmLook *look, const HgmLook *other) {
  join_seen(&look->nan, &other->nan);
  join_seen(&look->infinite, &other->infinite);
  for (int s = 0; s < HGM_N_SENTINELS; s++) join_seen(&look->sentinels[s], &other->sentinels[s]);
  if (other->low < look->low) look->low = other->low;
  if (other->high > look->high) look->high = other->high;
}

// The sentinel that occurs first is suspicious when it occurs twice and lies further from the rest than the rest is wide.
static void judge_sentinel(const HgmLook *look, HgmColumnReport *report) {
  int chosen = -1;
  double low = look->low, high = look->high;
  for (int s = 0; s < HGM_N_SENTINELS; s++)
    if (look->sentinels[s].n > 0 && (chosen < 0 || look->sentinels[s].first < look->sentinels[chosen].first)) chosen = s;
  if (chosen < 0) return;
  for (int s = 0; s < HGM_N_SENTINELS; s++) {
    if (look->sentinels[s].n == 0 || s == chosen) continue;
    if (SENTINELS[s] < low) low = SENTINELS[s];
    if (SENTINELS[s] > high) high = SENTINELS[s];
  }
  double width = high - low, gap = low - SENTINELS[chosen];
  if (look->sentinels[chosen].n < 2 || high < low || !(gap > width) || !(gap > 0)) return;
  report->sentinel = look->sentinels[chosen].n;
  report->first_sentinel = look->sentinels[chosen].first;
  report->sentinel_value = SENTINELS[chosen];
}

void hgm_look_report(const HgmLook *look, HgmColumnReport *report) {
  *report = (HgmColumnReport){.nan = look->nan.n,
                              .infinite = look->infinite.n,
                              .first_nan = look->nan.first,
                              .first_infinite = look->infinite.first,
                              .first_sentinel = -1,
                              .low = look->low,
                              .high = look->high};
  for (int s = 0; s < HGM_N_SENTINELS; s++) {
    if (look->sentinels[s].n == 0) continue;
    if (SENTINELS[s] < report->low) report->low = SENTINELS[s];
    if (SENTINELS[s] > report->high) report->high = SENTINELS[s];
  }
  report->constant = report->low == report->high && report->nan == 0 && report->infinite == 0;
  if (report->low > report->high) report->low = report->high = 0; // no finite value
  judge_sentinel(look, report);
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
